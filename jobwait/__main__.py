# SPDX-License-Identifier: MIT
"""``python -m jobwait``: the command, where its script is not on the path."""

import sys

from jobwait.cli import main

if __name__ == "__main__":
    sys.exit(main())
