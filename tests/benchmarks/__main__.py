# SPDX-License-Identifier: MIT
"""``python tests/benchmarks [NAME ...]``: measure what jobwait promises, and print it for the docs.

Without names all run but those that take minutes of real time: ``realtime`` and ``soak``.
Every ratio is of things measured in one run, so that it holds on any machine; the times do not.
The exit status is 1 if a promise was not held.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from shared import missed

MODULES = {
    "import": "import_time",
    "cpu": "cpu",
    "schedule": "schedule",
    "many": "many",
    "rollout": "rollout",
    "few": "few",
    "memory": "memory",
    "realtime": "realtime",
    "soak": "long_soak",
}
OPT_IN = {"realtime", "soak"}


def main() -> int:
    """Run the benchmarks that were named."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(MODULES)}")
    names = parser.parse_args().names or [name for name in MODULES if name not in OPT_IN]
    if unknown := set(names) - set(MODULES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there is {', '.join(MODULES)}")
    for name in names:
        began = time.perf_counter()
        module = importlib.import_module(MODULES[name])
        print(f"## {name}: {(module.__doc__ or '').strip().splitlines()[0]}\n", flush=True)
        module.main()
        print(f"\n({time.perf_counter() - began:.0f} s)\n", flush=True)
    for what in missed:
        print(f"missed: {what}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
