# SPDX-License-Identifier: MIT
"""Progress for a log: lines that read well a year later, and a bounded number of them.

A line is written when something changed, and a heartbeat when nothing did.  Each change takes from
an allowance that fills up slowly; what it does not cover is counted and summed up.
"""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

from jobwait._text import span
from jobwait.cli import words
from jobwait.cli.display import Display
from jobwait.cli.streams import say

if TYPE_CHECKING:
    from jobwait import Poll
    from jobwait.cli.arguments import Arguments
    from jobwait.cli.ledger import Entry, Ledger

# So many lines about changes may come at once, and so many more with each heartbeat.
_AT_ONCE = 40
_PER_HEARTBEAT = 2
# Of more jobs than these, only what went wrong is told one by one.
_FEW = 10


class Plain(Display):
    """Progress as lines on stderr.

    Args:
        ledger: What is known.
        arguments: The command line.
        deadline: When the command gives up, on the monotonic clock; may be ``inf``.
    """

    def __init__(self, ledger: Ledger, arguments: Arguments, deadline: float) -> None:
        self._ledger = ledger
        self._arguments = arguments
        self._deadline = deadline
        self._heartbeat = arguments.heartbeat
        self._next_heartbeat = time.monotonic() + self._heartbeat
        self._began = time.monotonic()
        self._allowance = float(_AT_ONCE)
        self._untold = 0
        self._told: dict[str, str | None] = {}
        self._failing: dict[str, float] = {}

    def began(self, jobs: int | None) -> None:
        """Say what is waited for, and how long at most."""
        if jobs is None:
            what = "the jobs on standard input"
        elif jobs == 1:
            what = f"job {self._ledger.order[0]}"
        else:
            what = words.number(jobs, "job")
        if not self._arguments.once:
            self._line(f"waiting for {what}, {words.patience(self._deadline - self._began)}")

    def polled(self, entry: Entry, poll: Poll) -> None:
        """Say what changed; verbosely, what was seen."""
        gid = entry.gid
        if self._arguments.verbose > 1:
            self._line(words.poll(entry, poll))
        if poll.error is not None:
            if gid not in self._failing and poll.pause is not None:
                reason = words.trouble(poll.error)
                self._change(entry, f"a poll failed, more will follow: {reason}", trouble=True)
            self._failing.setdefault(gid, poll.elapsed)
            return
        since = self._failing.pop(gid, None)
        if since is not None and poll.pause is not None:
            outage = span(poll.elapsed - since)
            self._change(entry, f"polls are answered again after {outage}", trouble=True)
        if poll.pause is not None and self._told.get(gid) != entry.status:
            self._told[gid] = entry.status
            self._change(entry, f"{words.status(entry)} ({words.effort(entry)})")

    def ended(self, entry: Entry) -> None:
        """Say how a wait ended."""
        if entry.word != "pending" or self._arguments.once:
            self._change(entry, words.ended(entry), trouble=entry.word != "succeeded")

    def noted(self, text: str, level: int) -> None:
        """Say it, if the command line asks for that much."""
        if self._arguments.verbose >= level:
            self._line(text)

    @property
    def due(self) -> float:
        """When the next heartbeat is."""
        return self._next_heartbeat

    def tick(self) -> None:
        """Say that the command still waits, if it is time to."""
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + self._heartbeat
        self._allowance = min(self._allowance + _PER_HEARTBEAT, _AT_ONCE)
        self._line(self._still() + self._summed_up())

    def close(self, *, summary: bool) -> None:
        """Sum up several jobs."""
        if summary and len(self._ledger.entries) > 1:
            elapsed = time.monotonic() - self._began
            self._line(words.summary(self._ledger, elapsed) + self._summed_up())

    def _still(self) -> str:
        waiting = self._ledger.waiting()
        left = self._deadline - time.monotonic()
        ending = "" if left == inf else f", {span(max(left, 0))} left"
        if len(self._ledger.entries) == len(waiting) == 1:
            (entry,) = waiting
            since = entry.failing_since
            trouble = since and f"; polls fail for {span(time.monotonic() - since)} now"
            state = f"still {words.status(entry)} ({words.effort(entry)}{trouble or ''})"
            return f"job {entry.gid}: {state}{ending}"
        if not waiting:
            return f"waiting for jobs on standard input{ending}"
        counts = words.counted(self._ledger.counts())
        failing_now = sum(entry.gid in self._failing for entry in waiting)
        trouble = f"; the polls of {failing_now} fail" if failing_now else ""
        return (
            f"waiting for {len(waiting)} of {words.number(len(self._ledger.entries), 'job')}"
            f"{': ' if counts else ''}{counts}{trouble} "
            f"({span(time.monotonic() - self._began)}, "
            f"{words.number(self._ledger.polls, 'poll')}){ending}"
        )

    def _summed_up(self) -> str:
        untold, self._untold = self._untold, 0
        return f"; {words.number(untold, 'change')} not shown" if untold else ""

    def _change(self, entry: Entry, text: str, *, trouble: bool = False) -> None:
        few = len(self._ledger.entries) <= _FEW or self._arguments.verbose
        if not few and not trouble:
            return
        if self._allowance < 1:
            self._untold += 1
            return
        self._allowance -= 1
        self._line(f"job {entry.gid}: {text}")

    def _line(self, text: str) -> None:
        say(f"{time.strftime('%H:%M:%S')} {text}\n")
