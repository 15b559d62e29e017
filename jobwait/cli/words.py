# SPDX-License-Identifier: MIT
"""Words for people: of jobs, of effort, of ends.  Nothing the far side says leaves here unescaped.

Where the words are shown is not known here.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from jobwait._text import escape, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobwait import Poll, PollError, Reference
    from jobwait.cli.ledger import Entry, Ledger

_OUTCOMES = {
    "timed_out": "timed out",
    "not_found": "not found",
    "unauthorized": "token not accepted",
    "no_reference": "succeeded, but its reference cannot be seen",
    "pending": "still pending",
}
_LONGEST_NAME = 80


def inert(text: str, *, longest: int | None = None) -> str:
    """Make a far side's text inert for a terminal, a log, and GitHub's reading of logs.

    Args:
        text: The text as it came.
        longest: The characters of it to show at most; None shows all.
    """
    # GitHub acts on this wherever it is in a line, and on :: at a line's start.
    return escape(text, longest=longest).replace("##[", r"\x23#[")


def inert_line(line: str) -> str:
    """Make the beginning of a line inert for GitHub's reading of logs."""
    if line.lstrip().startswith("::"):
        return line.replace("::", r"\x3a:", 1)
    return line


def number(count: int, thing: str) -> str:
    """Say how many things: ``"1 job"``, ``"3 jobs"``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def effort(entry: Entry) -> str:
    """Say what a wait has cost so far: ``"12 s, 6 polls"``."""
    return f"{span(entry.elapsed)}, {number(entry.polls, 'poll')}"


def status(entry: Entry) -> str:
    """Say how a job was last seen: ``"in progress"``."""
    return "not seen yet" if entry.status is None else inert(entry.status.replace("_", " "))


def kind(entry: Entry) -> str:
    """Say what kind of job it is, where Asana says so: ``"duplicate project"``."""
    return "" if entry.kind is None else inert(entry.kind.replace("_", " "))


def end(entry: Entry) -> str:
    """Say how a wait ended: ``"succeeded"``, ``"token not accepted"``."""
    return _OUTCOMES.get(entry.word, entry.word)


def made(reference: Reference) -> str:
    """Say what a job made: ``"project 1205 'Release 42'"``."""
    kind = inert((reference.resource_type or reference.field).replace("_", " "))
    name = f" '{inert(reference.name, longest=_LONGEST_NAME)}'" if reference.name else ""
    return f"{kind} {inert(reference.gid)}{name}"


def ended(entry: Entry) -> str:
    """Say how a wait ended, what it cost and what the job made."""
    result = "" if entry.reference is None else f": {made(entry.reference)}"
    return f"{end(entry)} ({effort(entry)}){result}"


def summary(ledger: Ledger, elapsed: float) -> str:
    """Say how a run ended, in one line.

    Args:
        ledger: What is known.
        elapsed: The seconds that the run took.
    """
    entries = list(ledger.entries.values())
    if len(entries) == 1:
        return f"job {entries[0].gid}: {ended(entries[0])}"
    return (
        f"{number(len(entries), 'job')}: {counted(ledger.counts())} "
        f"({span(elapsed)}, {number(ledger.polls, 'poll')})"
    )


def counted(counts: Mapping[str, int]) -> str:
    """Say how many jobs ended how: ``"3 succeeded, 1 failed"``."""
    return ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in counts.items())


def patience(seconds: float) -> str:
    """Say how long a wait may take: ``"at most 30 min"``."""
    return "for as long as it takes" if seconds == inf else f"at most {span(seconds)}"


def trouble(error: PollError) -> str:
    """Say why a poll failed, without advice: the wait goes on by itself."""
    from jobwait import ApiError  # noqa: PLC0415

    if isinstance(error, ApiError):
        said = "; ".join(inert(one.message) for one in error.errors if one.message)
        reason = f"HTTP {error.status}{': ' if said else ''}{said}"
    else:
        reason = inert(getattr(error, "reason", type(error).__name__))
    if error.retry_after is not None:
        reason += f" (asked to stay away for {span(error.retry_after)})"
    return reason


def poll(entry: Entry, poll: Poll) -> str:
    """Say all there is to say of one poll."""
    seen = status(entry) if poll.error is None else trouble(poll.error)
    then = "the last" if poll.pause is None else f"next in {span(poll.pause)}"
    return f"job {entry.gid}: poll {poll.number} after {poll.elapsed:.2f} s: {seen}; {then}"
