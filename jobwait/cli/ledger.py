# SPDX-License-Identifier: MIT
"""What was asked for, and what is known of it: the one memory that everything is told from.

This file writes nothing and asks nobody.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobwait import Job, JobwaitError, Outcome, OutcomeWord, Poll, PollError, Reference

# A poll that comes so many seconds after it was due, in a run that spends so much of its
# budget (measured over some seconds at least), has waited for its share of it.
_LATE = 2.0
_MOST = 0.7
_SOON = 5.0


class Entry:
    """What is known of one job.

    Attributes:
        gid: The job.
        asked_at: When it was asked for, on the monotonic clock.
        times: How many times it was asked for.
        job: The job when it was last seen; None if it never was.
        polls: The number of polls.
        trouble: Why the latest poll failed; None if it was answered.
        failing_since: When the first failed poll of the outage was over; None without outage.
        next_at: When the next poll was due, as the latest planned it; None before the first.
        late: The seconds that the latest poll came after it was due.
        outcome: How the wait ended; None while it has not.
    """

    __slots__ = (
        "asked_at",
        "failing_since",
        "gid",
        "job",
        "late",
        "next_at",
        "outcome",
        "polls",
        "times",
        "trouble",
    )

    def __init__(self, gid: str) -> None:
        self.gid = gid
        self.asked_at = time.monotonic()
        self.times = 0
        self.job: Job | None = None
        self.polls = 0
        self.trouble: PollError | None = None
        self.failing_since: float | None = None
        self.next_at: float | None = None
        self.late = 0.0
        self.outcome: Outcome | None = None

    @property
    def word(self) -> OutcomeWord:
        """The outcome's word; a job that has not ended is pending."""
        return "pending" if self.outcome is None else self.outcome.outcome

    @property
    def reference(self) -> Reference | None:
        """What the job made, if it succeeded."""
        return None if self.outcome is None else self.outcome.reference

    @property
    def error(self) -> JobwaitError | None:
        """Why the wait did not end well; None if it did, or has not ended."""
        return None if self.outcome is None else self.outcome.error

    @property
    def kind(self) -> str | None:
        """What Asana calls the kind of job, where it says so."""
        return None if self.job is None else self.job.resource_subtype

    @property
    def status(self) -> str | None:
        """The job's status in Asana's own word; None if it was never seen."""
        return None if self.job is None else self.job.raw_status

    @property
    def elapsed(self) -> float:
        """The seconds from its being asked for to its end, or to now."""
        if self.outcome is not None:
            return self.outcome.elapsed
        return time.monotonic() - self.asked_at

    def note_poll(self, poll: Poll) -> None:
        """Take in one more poll."""
        now = time.monotonic()
        self.polls = poll.number
        self.trouble = poll.error
        if poll.job is not None:
            self.job = poll.job
            self.failing_since = None
        elif self.failing_since is None:
            self.failing_since = now
        self.late = 0.0 if self.next_at is None else now - self.next_at
        self.next_at = None if poll.pause is None else now + poll.pause

    def note_end(self, outcome: Outcome) -> None:
        """Take in how the wait ended."""
        self.outcome = outcome
        self.polls = outcome.polls
        self.job = outcome.job or self.job


class Ledger:
    """All jobs of a run.

    Attributes:
        order: The gids in the order asked for, repeated as they were.
        entries: What is known of each, in the order of their first mention.
        polls: The number of polls of all.
    """

    def __init__(self) -> None:
        self.order: list[str] = []
        self.entries: dict[str, Entry] = {}
        self.polls = 0
        self._began = time.monotonic()

    def ask(self, gid: str) -> Entry:
        """Note that a job was asked for, perhaps once more."""
        self.order.append(gid)
        if gid not in self.entries:
            self.entries[gid] = Entry(gid)
        entry = self.entries[gid]
        entry.times += 1
        return entry

    def poll(self, poll: Poll) -> Entry:
        """Note a poll."""
        self.polls += 1
        entry = self.entries[poll.gid]
        entry.note_poll(poll)
        return entry

    def end(self, outcome: Outcome) -> Entry:
        """Note how a wait ended."""
        entry = self.entries[outcome.gid]
        entry.note_end(outcome)
        return entry

    def lacks_budget(self, entry: Entry, rate: float) -> bool:
        """Tell whether a job's latest poll was late for want of requests.

        Args:
            entry: The job.
            rate: The requests a minute that there are.
        """
        seconds = max(time.monotonic() - self._began, _SOON)
        return entry.late > _LATE and self.polls * 60 / seconds >= rate * _MOST

    def in_order(self) -> Iterator[Entry]:
        """Yield an entry for each time that a job was asked for, in that order."""
        return (self.entries[gid] for gid in self.order)

    def waiting(self) -> list[Entry]:
        """Return the jobs whose waits have not ended."""
        return [entry for entry in self.entries.values() if entry.outcome is None]

    def counts(self) -> dict[str, int]:
        """Return how many jobs ended with each outcome, the frequent ones first."""
        counts: dict[str, int] = {}
        for entry in self.entries.values():
            if entry.outcome is not None:
                counts[entry.word] = counts.get(entry.word, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))
