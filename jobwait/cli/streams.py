# SPDX-License-Identifier: MIT
"""The two streams that the command writes: results on stdout, words for people on stderr.

A result that cannot be written is never passed over in silence; a word for people is.  What is
written is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import sys

from jobwait.cli.exits import CommandError, Exit, ReaderGoneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def prepare() -> None:
    """Make both streams take any character, and stand in for a stderr that is closed."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for good
    for stream in (sys.stdout, sys.stderr):
        _take_any_character(stream)


def _take_any_character(stream: TextIO | None) -> None:
    # A stream that a test put in its place may not know how.
    if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
        reconfigure(errors="backslashreplace")


def put(text: str) -> None:
    """Write results, now.

    Raises:
        ReaderGoneError: Their reader closed the pipe.
        CommandError: They cannot be written.
    """
    if sys.stdout is None:
        raise CommandError("standard output is closed: open it, or pass --output none")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up(sys.stdout)
        raise ReaderGoneError from None
    except OSError as error:
        _give_up(sys.stdout)
        # The table has no status of its own for this.  Of those that it has, 2 asks for the
        # right thing: put the set-up right, run the same line again; no job is to blame.
        raise CommandError(
            f"the results cannot be written to standard output: {error.strerror}; "
            "make room or write elsewhere, and run the same command again: nothing is lost"
        ) from None


def _give_up(stream: TextIO) -> None:
    """Let what is left in the buffer vanish: the process's end would try it once more, aloud."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say(text: str) -> None:
    """Write words for people; where nobody can read them, that is no reason to end."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        _give_up(sys.stderr)


def say_error(message: str, *, annotate: bool = False) -> None:
    """Say what is wrong, in one line.

    Args:
        message: What happened and what to do.
        annotate: Whether GitHub Actions is to show it at the head of the run as well.
    """
    if not annotate:
        say(f"jobwait: {message}\n")
        return
    for character, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        message = message.replace(character, code)
    say(f"::error::jobwait: {message}\n")


def complain(problem: CommandError) -> Exit:
    """Say what is wrong; return the status that it leads to."""
    say_error(problem.message)
    return problem.status


def confess() -> Exit:
    """Say that jobwait itself is wrong, with the traceback of the exception being handled."""
    import traceback  # noqa: PLC0415

    say(traceback.format_exc())
    say("jobwait: this is a bug in jobwait; please report it with the lines above\n")
    return Exit.BUG
