# SPDX-License-Identifier: MIT
"""The command: it blocks until the jobs end, prints what they made, and says how it went.

Two threads share the work.  One asks (``asking``): it alone reads standard input and talks to
Asana.  The main thread tells (``command``): it alone writes, and hears signals.  Everything that
happens reaches it through one queue, so nothing is ever drawn, printed or interrupted halfway.

Nothing in here is a Python interface but ``main``.  What a command line that asks for nothing
does not need, this file does not import.
"""

from __future__ import annotations

import sys

from jobwait.cli.signals import Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status.

    Args:
        argv: The command line without the program's name; None takes the process's.
    """
    signals = Signals()
    signals.listen()

    from jobwait.cli import streams  # noqa: PLC0415
    from jobwait.cli.exits import CommandError, Exit, ReaderGoneError  # noqa: PLC0415

    streams.prepare()
    try:
        status = _run(argv, signals)
    except SystemExit as ended:  # argparse has said what there is to say
        status = int(ended.code or 0)
    except CommandError as problem:
        status = streams.complain(problem)
    except ReaderGoneError:
        status = Exit.READER_GONE
    except Exception:  # noqa: BLE001 - whatever it is, it must not look like an answer
        status = streams.confess()
    signals.settle(status)
    return status


def _run(argv: Sequence[str] | None, signals: Signals) -> int:
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["-V"], ["--version"]):  # the parser says the same, for twice the time
        from jobwait._version import __version__  # noqa: PLC0415
        from jobwait.cli.streams import put  # noqa: PLC0415

        put(f"jobwait {__version__}\n")
        return 0
    from jobwait.cli.arguments import parse  # noqa: PLC0415

    arguments = parse(words)
    if arguments.is_question:
        from jobwait.cli.about import answer  # noqa: PLC0415

        return answer(arguments)
    from jobwait.cli.command import run  # noqa: PLC0415

    return run(arguments, signals)
