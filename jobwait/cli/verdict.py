# SPDX-License-Identifier: MIT
"""What is said at the end: each error in one line, and the command line that goes on waiting."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from jobwait.cli import words
from jobwait.cli.arguments import make_parser, options
from jobwait.cli.exits import Exit

if TYPE_CHECKING:
    from jobwait.cli.arguments import Arguments
    from jobwait.cli.ledger import Entry, Ledger

# More errors than these are counted: the JSON forms have them all.
_MOST = 10
# Waiting for these again may end otherwise.
_WORTH_WAITING = ("timed_out", "unavailable")
_SIGNALS = {Exit.INTERRUPTED: "interrupted", Exit.TERMINATED: "terminated"}


def verdict(arguments: Arguments, ledger: Ledger, status: int) -> Iterator[str]:
    """Yield a line for each error, then the command line that goes on waiting.

    Args:
        arguments: The command line that was given.
        ledger: What is known.
        status: The exit status.
    """
    yield from _errors(ledger)
    open_ones = [entry for entry in ledger.entries.values() if entry.word in _WORTH_WAITING]
    if status in _SIGNALS:
        waiting = ledger.waiting()
        open_ones += waiting
        yield f"{_SIGNALS[Exit(status)]}{_last_seen(waiting)}"
    if open_ones and not arguments.demo:
        gids = (entry.gid for entry in open_ones)
        yield f"to go on waiting: {_command_line(arguments, gids)}"


def _errors(ledger: Ledger) -> Iterator[str]:
    # An error that ended all waits, such as that of a rejected token, is one error.
    entries = ledger.entries.values()
    errors = {id(entry.error): entry for entry in entries if entry.error is not None}
    shown = list(errors.values())
    for entry in shown[:_MOST]:
        yield str(entry.error)
    if len(shown) > _MOST:
        counts: dict[str, int] = {}
        for entry in shown[_MOST:]:
            counts[entry.word] = counts.get(entry.word, 0) + 1
        yield (
            f"{words.number(len(shown) - _MOST, 'more job')} did not succeed "
            f"({words.counted(counts)}); --output jsonl tells of each"
        )


def _last_seen(waiting: Iterable[Entry]) -> str:
    entries = list(waiting)
    if len(entries) == 1:
        (entry,) = entries
        seen = "never seen" if entry.job is None else f"last seen {words.status(entry)}"
        return f"; job {entry.gid} was {seen} ({words.effort(entry)})"
    return f"; {words.number(len(entries), 'job')} had not ended" if entries else ""


def _command_line(arguments: Arguments, gids: Iterable[str]) -> str:
    """Return a command line for these jobs with the options that were given.

    What came from the environment comes from there again; the token never gets here.
    """
    line = ["jobwait", *gids]
    for option in options(make_parser()):
        value = getattr(arguments, option.dest, option.default)
        if option.dest != "jobs" and value != option.default:
            name = option.option_strings[-1]
            if option.nargs != 0:
                line += [name, str(value)]
            else:
                line += [name] * int(value)
    return shlex.join(line)
