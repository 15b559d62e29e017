# SPDX-License-Identifier: MIT
"""``python -m jobwait``: the command, where its script is not on the path."""

import sys

from jobwait.cli import main

sys.exit(main())
