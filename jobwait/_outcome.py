# SPDX-License-Identifier: MIT
"""What many waits begin with and end with: an intake of jobs, and an outcome for each.

This file does not know how the waits are run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from jobwait._engine import Wait, check_listener
from jobwait._errors import JobwaitError, OutcomeWord
from jobwait._models import Job, Reference, SucceededJob
from jobwait._protocol import JobLike, gid_of

ReturnWhen: TypeAlias = Literal["all", "any", "first_failure"]
Jobs: TypeAlias = Iterable[JobLike]
JobStream: TypeAlias = Iterable[JobLike] | AsyncIterable[JobLike]

_RETURN_WHEN = ("all", "any", "first_failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the wait of one job ended.

    Attributes:
        gid: The job.
        outcome: One word: ``succeeded``, ``failed``, ``timed_out``, ``not_found``, ``denied``,
            ``unauthorized``, ``unavailable``, ``no_reference``, or ``pending`` where other
            jobs' ends ended the waiting before this one's.
        job: The job when it was last seen; None if it never was.
        reference: What it made, if it succeeded.
        error: What its own wait would have raised; None if it succeeded or is pending.
        elapsed: The seconds from its wait's begin to its end.
        polls: The number of its polls.
    """

    gid: str
    outcome: OutcomeWord
    job: Job | None
    reference: Reference | None
    error: JobwaitError | None
    elapsed: float
    polls: int


OnEnd: TypeAlias = Callable[[Outcome], object]


def outcome_of(wait: Wait, error: JobwaitError | None = None) -> Outcome:
    """Return the outcome of a wait that ended, by itself or not.

    Args:
        wait: The wait.
        error: What it raised, or what ended it from outside; None if there was nothing.
    """
    # Their frames would keep the whole wait alive for as long as the outcome is kept.
    link: BaseException | None = error
    while link is not None:
        link = link.with_traceback(None).__cause__
    job = wait.history.last_job
    has_succeeded = error is None and isinstance(job, SucceededJob) and job.is_complete
    word: OutcomeWord = "succeeded" if has_succeeded else "pending"
    return Outcome(
        gid=wait.gid,
        outcome=word if error is None else error.outcome,
        job=job,
        reference=job.reference if has_succeeded and isinstance(job, SucceededJob) else None,
        error=error,
        elapsed=time.monotonic() - wait.began,
        polls=wait.history.polls,
    )


def check_ending(return_when: str, on_end: OnEnd | None) -> None:
    """Refuse what is no way to return, and whom nobody could tell of an end.

    Raises:
        TypeError: ``on_end`` is a coroutine function.
        ValueError: ``return_when`` is none of the three.
    """
    check_listener("on_end", "Outcome", on_end)
    if return_when not in _RETURN_WHEN:
        raise ValueError(
            f"return_when must be 'all', 'any' or 'first_failure', not {return_when!r}"
        )


@dataclass(slots=True, eq=False)
class Intake:
    """The jobs to wait for, each distinct gid once: all known now, or still coming in.

    Attributes:
        gids: The gids so far, in the order asked for, repeated as they were.
        stream: Where more come from; None where all are known.

    Raises:
        TypeError, ValueError: One of those known now is no job; the text says which.
    """

    stream: Iterator[JobLike] | AsyncIterable[JobLike] | None
    gids: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, jobs: JobStream) -> Intake:
        """Take jobs as the caller has them: a collection is checked whole, a stream as it comes."""
        if isinstance(jobs, str | bytes | Mapping) or not isinstance(
            jobs, Iterable | AsyncIterable
        ):
            raise TypeError(
                f"jobs must be a list or a stream of jobs, not one {type(jobs).__name__}: "
                "for one job there is wait"
            )
        if isinstance(jobs, Iterator | AsyncIterable):
            return cls(jobs)
        intake = cls(None)
        for job in jobs:
            intake.take(job)
        return intake

    def take(self, job: JobLike) -> str:
        """Note one more job; return its gid."""
        position = len(self.gids)
        try:
            gid = gid_of(job)
        except (TypeError, ValueError) as error:
            raise type(error)(f"job {position + 1} (index {position}): {error}") from None
        self.gids.append(gid)
        return gid


def one_here(wait: Wait, run: Callable[[Wait], SucceededJob]) -> Outcome:
    """Run a single wait where the caller is: it needs neither a thread nor an event loop."""
    try:
        run(wait)
    except JobwaitError as error:
        if error is wait.refusal:
            raise
        return outcome_of(wait, error)
    return outcome_of(wait)


@contextlib.contextmanager
def naming_pending(intake: Intake, ended: Mapping[str, Outcome]) -> Iterator[None]:
    """Note on whatever ends the waiting early which jobs have not ended: a later run needs them."""
    try:
        yield
    except BaseException as error:
        pending = [gid for gid in dict.fromkeys(intake.gids) if gid not in ended]
        error.add_note(
            f"jobwait: {len(ended)} ended; still pending: {', '.join(pending) or 'none'}"
        )
        raise
