# SPDX-License-Identifier: MIT
"""``--once``: one look at each job, and what it amounts to."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobwait import (
    FailedJob,
    Job,
    JobFailedError,
    JobsClient,
    JobTimeoutError,
    JobwaitError,
    MissingReferenceError,
    Outcome,
    Poll,
    PollError,
    SucceededJob,
)

if TYPE_CHECKING:
    from jobwait import OutcomeWord
    from jobwait.cli.asking import Listener


def look_once(client: JobsClient, jobs: Iterable[str], tell: Listener, *, deadline: float) -> None:
    """Look once at each job, one after the other, and tell what was seen.

    Args:
        client: Whom to ask.
        jobs: The jobs; one that is named twice is looked at once.
        tell: Who is told.
        deadline: When to stop, on the monotonic clock.
    """
    looked: set[str] = set()
    verdict: PollError | None = None
    for gid in jobs:
        if gid in looked:
            continue
        if verdict is not None:
            tell.ended(_unseen(gid, verdict))
        elif looked and time.monotonic() >= deadline:
            late = JobTimeoutError(gid, last_job=None, elapsed=0.0, polls=0, last_error=None)
            tell.ended(_unseen(gid, late))
        else:
            verdict = _look(client, gid, tell)
        looked.add(gid)


def _look(client: JobsClient, gid: str, tell: Listener) -> PollError | None:
    """Look at one job; return an error that makes looking at the others pointless."""
    began = time.monotonic()
    job: Job | None = None
    failure: PollError | None = None
    try:
        job = client.get_job(gid)
    except PollError as raised:
        failure = raised
    elapsed = time.monotonic() - began
    tell.polled(Poll(gid=gid, number=1, elapsed=elapsed, job=job, error=failure, pause=None))
    error = failure or _end_of(job)
    made = job.reference if isinstance(job, SucceededJob) and error is None else None
    word: OutcomeWord = "pending" if made is None else "succeeded"
    tell.ended(
        Outcome(
            gid=gid,
            outcome=word if error is None else error.outcome,
            job=job,
            reference=made,
            error=error,
            elapsed=elapsed,
            polls=1,
        )
    )
    # Asked to stay away, to look at the next job would be to wait.
    is_last = failure is not None and (failure.concerns_all or failure.retry_after is not None)
    return failure if is_last else None


def _end_of(job: Job | None) -> JobwaitError | None:
    if isinstance(job, FailedJob):
        return JobFailedError(job)
    if isinstance(job, SucceededJob) and not job.is_complete:
        return MissingReferenceError(job)
    return None


def _unseen(gid: str, error: JobwaitError) -> Outcome:
    return Outcome(
        gid=gid,
        outcome=error.outcome,
        job=None,
        reference=None,
        error=error,
        elapsed=0.0,
        polls=0,
    )
