# SPDX-License-Identifier: MIT
"""What a wait makes of what it sees: each decision as a row, and the loop in both modes."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import re
import time
from collections.abc import Iterable
from dataclasses import FrozenInstanceError, dataclass, field
from math import inf, isinf
from typing import Any, TypeAlias

import pytest
from freezegun import freeze_time
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwait._engine import (
    LAST_LOOK,
    Decision,
    History,
    OnPoll,
    Poll,
    Terms,
    Wait,
    decide,
    timed_out,
)
from jobwait._errors import (
    AccessDeniedError,
    ApiError,
    AuthenticationError,
    JobFailedError,
    JobNotFoundError,
    JobTimeoutError,
    JobwaitError,
    MissingReferenceError,
    PollError,
    ProtocolError,
    TransportError,
    UnavailableError,
)
from jobwait._models import FailedJob, Job, JobStatus, PendingJob, Reference, SucceededJob
from jobwait._policy import WaitPolicy

GID = "1201234567890123"
PRICE = 0.2
STEADY = WaitPolicy(jitter=0.0)
DONE = Decision()


def pending(raw_status: str = "in_progress") -> PendingJob:
    return PendingJob(gid=GID, status=JobStatus.IN_PROGRESS, raw_status=raw_status)


def succeeded(reference: Reference | None) -> SucceededJob:
    return SucceededJob(
        gid=GID, status=JobStatus.SUCCEEDED, raw_status="succeeded", reference=reference
    )


def down(retry_after: float | None = None, status: int = 503) -> ApiError:
    return ApiError(GID, status, transient=True, retry_after=retry_after)


def absent(retry_after: float | None = None) -> JobNotFoundError:
    return JobNotFoundError(GID, 404, retry_after=retry_after)


PENDING = pending()
UNKNOWN = pending("paused")
COPY = succeeded(Reference(field="new_project", gid="8"))
EXPORT = succeeded(Reference(field="new_graph_export", gid="8", download_url="https://x.example"))
BARE = succeeded(None)
URLLESS = succeeded(Reference(field="new_graph_export", gid="8"))
FAILED = FailedJob(gid=GID, status=JobStatus.FAILED, raw_status="failed")

# A decision on one look


def after_job(
    job: Job, elapsed: float, *, asked: float | None = None, incomplete_since: float | None = None
) -> History:
    """Return the history of a wait whose latest poll was answered."""
    return History(
        gid=GID,
        polls=3,
        asked=elapsed if asked is None else asked,
        elapsed=elapsed,
        last_job=job,
        incomplete_since=incomplete_since,
    )


def after_error(
    error: PollError,
    elapsed: float,
    *,
    asked: float | None = None,
    since: float = 0.0,
    last_job: Job | None = None,
) -> History:
    """Return the history of a wait whose polls have failed like this since then."""
    gone = isinstance(error, JobNotFoundError)
    return History(
        gid=GID,
        polls=3,
        asked=elapsed if asked is None else asked,
        elapsed=elapsed,
        last_job=last_job,
        last_error=error,
        failing_since=None if gone else since,
        absent_since=since if gone else None,
    )


def decided(seen: History, timeout: float = inf, **changed: Any) -> Decision:
    spread = changed.pop("spread", 0.0)
    policy = WaitPolicy(**({"jitter": 0.0} | changed))
    return decide(seen, policy, price=PRICE, timeout=timeout, spread=spread)


@pytest.mark.parametrize(
    ("seen", "timeout", "pause"),
    [
        # Pending: the schedule counts from the wait's begin.
        (after_job(PENDING, 0.0), inf, 0.2),
        (after_job(PENDING, 0.8), inf, 1.0),
        (after_job(PENDING, 3.2, asked=3.0), inf, 1.8),
        (after_job(PENDING, 1e6), inf, 60.0),
        (after_job(UNKNOWN, 0.8), inf, 1.0),
        # Succeeded without its reference, or an export without its URL: from that on.
        (after_job(BARE, 100.0, incomplete_since=100.0), inf, 0.2),
        (after_job(BARE, 100.8, incomplete_since=100.0), inf, 1.0),
        (after_job(URLLESS, 100.8, incomplete_since=100.0), inf, 1.0),
        # Failing: from the outage's begin, so that a blip is retried within a second.
        (after_error(down(), 1000.0, since=1000.0), inf, 0.2),
        (after_error(down(), 1000.8, since=1000.0), inf, 1.0),
        (after_error(down(), 1000.8, since=1000.0, last_job=PENDING), inf, 1.0),
        (after_error(TransportError(GID, "h", "reset"), 0.8), inf, 1.0),
        (after_error(ProtocolError(GID, "cut", status=200), 0.8), inf, 1.0),
        (after_error(down(status=429), 0.8), inf, 1.0),
        (after_error(down(status=408), 0.8), inf, 1.0),
        # Not found: from the first of them on.
        (after_error(absent(), 1000.0, since=1000.0), inf, 0.2),
        (after_error(absent(), 1000.8, since=1000.0), inf, 1.0),
        # The deadline clips the last pause, so that the last poll is at it.
        (after_job(PENDING, 0.8), 1.8, 1.0),
        (after_job(PENDING, 0.8), 1.7, 0.9),
        (after_job(PENDING, 9.5), 10.0, 0.5),
        (after_job(PENDING, 9.9989), 10.0, 0.0011),
        (after_error(down(), 9.5, since=9.0), 10.0, 0.5),
        (after_error(absent(), 9.5, since=9.0), 10.0, 0.5),
        # An answer that came only after the deadline is followed by the poll at it.
        (after_job(PENDING, 10.5, asked=9.0), 10.0, 0.0),
        (after_job(PENDING, 9.9999, asked=9.9989), 10.0, 0.0001),
        (after_error(down(), 10.5, asked=9.0, since=10.5), 10.0, 0.0),
        # The end of patience clips it as well.
        (after_error(absent(), 4.5), inf, 0.5),
        (after_error(absent(), 104.5, since=100.0), inf, 0.5),
        (after_job(BARE, 109.5, incomplete_since=100.0), inf, 0.5),
        (after_error(down(), 399.5, since=100.0), inf, 0.5),
    ],
)
def test_a_wait_goes_on_with_a_pause(seen: History, timeout: float, pause: float) -> None:
    decision = decided(seen, timeout)
    assert decision.error is None
    assert decision.pause == pytest.approx(pause, abs=1e-9)


def test_within_a_millisecond_of_a_moment_is_at_it() -> None:
    """Sleeping is not exact: a millisecond that is left must not cost a poll of its own."""
    almost = 10.0 - 0.001
    late = decided(after_job(PENDING, almost), 10.0)
    assert isinstance(late.error, JobTimeoutError)
    impatient = decided(after_job(BARE, almost, incomplete_since=0.0))
    assert isinstance(impatient.error, MissingReferenceError)
    with freeze_time("2026-06-01"):
        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=0.001, on_poll=None)
        assert wait.asking(30.0) == LAST_LOOK + 0.001


def test_a_pause_falls_where_the_schedule_has_it_unless_it_is_spread() -> None:
    jittery = WaitPolicy(jitter=1.0)
    assert decide(after_job(PENDING, 0.8), jittery, price=PRICE, timeout=inf).pause == 1.0


@pytest.mark.parametrize("job", [COPY, EXPORT])
@pytest.mark.parametrize("timeout", [0.0, 10.0, inf])
@pytest.mark.parametrize("elapsed", [0.0, 10.0, 11.0])
def test_a_complete_job_ends_the_wait_even_past_the_deadline(
    job: SucceededJob, timeout: float, elapsed: float
) -> None:
    assert decided(after_job(job, elapsed), timeout) == DONE


@pytest.mark.parametrize(("elapsed", "timeout"), [(0.0, inf), (0.0, 0.0), (11.0, 10.0)])
def test_a_failed_job_ends_the_wait_with_the_job(elapsed: float, timeout: float) -> None:
    decision = decided(after_job(FAILED, elapsed), timeout)
    assert isinstance(decision.error, JobFailedError)
    assert decision.error.job is FAILED
    assert decision.pause is None


@pytest.mark.parametrize(
    "error",
    [
        ApiError(GID, 302),
        ApiError(GID, 400),
        AuthenticationError(GID, 401),
        AccessDeniedError(GID, 403),
        ApiError(GID, 451, retry_after=5.0),
        TransportError(GID, "h", "bad certificate", transient=False),
    ],
    ids=str,
)
@pytest.mark.parametrize("since", [0.0, 7.0])
@pytest.mark.parametrize("timeout", [0.0, 7.0, inf])
def test_what_does_not_pass_ends_the_wait_at_once(
    error: PollError, since: float, timeout: float
) -> None:
    """Also amid an outage, for ever put up with, and at the deadline."""
    seen = after_error(error, 7.0, since=since, last_job=PENDING)
    assert decided(seen, timeout, outage_tolerance=inf) == Decision(error=error)


@pytest.mark.parametrize("job", [BARE, URLLESS])
@pytest.mark.parametrize(
    ("elapsed", "settle", "gives_up"),
    [
        (100.0, 10.0, False),
        (109.9989, 10.0, False),
        (109.9991, 10.0, True),
        (110.0, 10.0, True),
        (111.0, 10.0, True),
        (111.0, 11.5, False),
        (100.0, 0.0, True),
    ],
)
def test_a_reference_may_be_missing_until_it_had_time_to_settle(
    job: SucceededJob, elapsed: float, settle: float, gives_up: bool
) -> None:
    decision = decided(after_job(job, elapsed, incomplete_since=100.0), settle=settle)
    assert (decision.pause is None) == gives_up
    if gives_up:
        assert isinstance(decision.error, MissingReferenceError)
        assert decision.error.job is job


@pytest.mark.parametrize(
    ("elapsed", "grace", "gives_up"),
    [
        (100.0, 5.0, False),
        (104.9989, 5.0, False),
        (104.9991, 5.0, True),
        (105.0, 5.0, True),
        (105.0, 5.5, False),
        (100.0, 0.0, True),
    ],
)
def test_a_job_may_be_absent_for_a_grace(elapsed: float, grace: float, gives_up: bool) -> None:
    error = absent()
    decision = decided(after_error(error, elapsed, since=100.0), not_found_grace=grace)
    assert (decision.pause is None) == gives_up
    assert decision.error is (error if gives_up else None)


@pytest.mark.parametrize(
    "error", [down(), TransportError(GID, "h", "reset"), ProtocolError(GID, "cut", status=200)]
)
@pytest.mark.parametrize(
    ("elapsed", "tolerance", "gives_up"),
    [
        (100.0, 300.0, False),
        (399.9989, 300.0, False),
        (399.9991, 300.0, True),
        (400.0, 300.0, True),
        (400.0, 300.5, False),
        (1e9, inf, False),
        (100.0, 0.0, True),
    ],
)
def test_an_outage_is_put_up_with_for_the_tolerance(
    error: PollError, elapsed: float, tolerance: float, gives_up: bool
) -> None:
    seen = after_error(error, elapsed, since=100.0, last_job=PENDING)
    decision = decided(seen, outage_tolerance=tolerance)
    assert (decision.pause is None) == gives_up
    if gives_up:
        gone = decision.error
        assert isinstance(gone, UnavailableError)
        assert (gone.gid, gone.last_error, gone.last_job) == (GID, error, PENDING)
        assert (gone.elapsed, gone.polls) == (elapsed, 3)
        assert gone.outage == pytest.approx(elapsed - 100.0)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (after_job(PENDING, 10.0), JobTimeoutError),
        (after_job(UNKNOWN, 10.0), JobTimeoutError),
        (after_job(PENDING, 10.9, asked=10.0), JobTimeoutError),
        (after_job(PENDING, 10.0, asked=9.9991), JobTimeoutError),
        (after_job(PENDING, 10.0, asked=9.9989), None),
        (after_error(down(), 10.0, since=9.0), JobTimeoutError),
        # The truth is known, so it is said: neither of these is still running.
        (after_error(absent(), 10.0, since=9.0), JobNotFoundError),
        (after_job(BARE, 10.0, incomplete_since=9.0), MissingReferenceError),
        (after_job(URLLESS, 10.0, incomplete_since=9.0), MissingReferenceError),
    ],
)
def test_the_poll_at_the_deadline_is_the_last(
    seen: History, kind: type[JobwaitError] | None
) -> None:
    decision = decided(seen, 10.0)
    assert type(decision.error) is (kind or type(None))
    assert (decision.pause is None) == (kind is not None)


@pytest.mark.parametrize("seen", [after_job(PENDING, 0.0), after_job(PENDING, 0.3, asked=0.0)])
def test_without_time_a_wait_looks_once(seen: History) -> None:
    assert isinstance(decided(seen, 0.0).error, JobTimeoutError)


def test_a_timeout_says_what_is_known() -> None:
    error = down()
    decision = decided(after_error(error, 10.0, since=9.0, last_job=UNKNOWN), 10.0)
    assert isinstance(decision.error, JobTimeoutError)
    late = decision.error
    assert (late.gid, late.last_job, late.last_error) == (GID, UNKNOWN, error)
    assert (late.elapsed, late.polls) == (10.0, 3)


@pytest.mark.parametrize(
    ("retry_after", "elapsed", "timeout", "pause"),
    [
        (0.0, 0.8, inf, 1.0),
        (0.9, 0.8, inf, 1.0),
        (1.1, 0.8, inf, 1.1),
        (30.0, 0.8, inf, 30.0),
        (1e6, 0.8, inf, 1e6),
        # Asked for more than is put up with: it is told to stay away, and does.
        (600.0, 0.8, inf, 600.0),
        # Up to the deadline, which then is the last poll.
        (30.0, 0.5, 30.5, 30.0),
        (30.0, 0.5, 30.4999, None),
        (30.0, 0.5, 30.5001, 30.0),
        (0.5, 0.5, 0.75, None),
        (0.0, 0.5, 0.75, 0.25),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_nobody_polls_before_retry_after(
    status: int, retry_after: float, elapsed: float, timeout: float, pause: float | None
) -> None:
    error = down(retry_after, status)
    decision = decided(after_error(error, elapsed), timeout)
    if pause is None:
        assert isinstance(decision.error, JobTimeoutError)
        assert decision.error.last_error is error
    else:
        assert decision.pause == pytest.approx(pause)


def test_retry_after_past_the_deadline_is_said() -> None:
    decision = decided(after_error(down(3600.0), 1.0), 60.0)
    assert "asked to stay away for 1 h" in str(decision.error)


@pytest.mark.parametrize(("retry_after", "pause"), [(0.1, 0.5), (3.0, 3.0), (6.0, None)])
def test_retry_after_of_a_404_is_kept_too(retry_after: float, pause: float | None) -> None:
    error = absent(retry_after)
    decision = decided(after_error(error, 4.5), 10.0)
    assert (decision.pause, decision.error) == (pause, None if pause else error)


@pytest.mark.parametrize("spread", [-1.0, -0.5, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("retry_after", [0.5, 1.0, 1.05, 2.0])
def test_jitter_never_undercuts_retry_after(retry_after: float, spread: float) -> None:
    seen = after_error(down(retry_after), 0.8)
    pause = decided(seen, jitter=0.1, spread=spread).pause
    assert pause == pytest.approx(max(retry_after, 1.0 + 0.1 * spread))
    assert pause is not None
    assert pause >= retry_after


def test_jitter_does_not_move_the_deadline_or_the_end_of_patience() -> None:
    assert decided(after_job(PENDING, 9.0), 9.5, jitter=1.0, spread=1.0).pause == 0.5
    assert decided(after_error(absent(), 4.5), jitter=1.0, spread=1.0).pause == 0.5


@pytest.mark.parametrize("price", [0.02, 0.2, 5.0])
def test_the_price_in_force_sets_the_pause(price: float) -> None:
    policy = WaitPolicy(jitter=0.0, min_pause=0.0)
    decision = decide(after_job(PENDING, 0.0), policy, price=price, timeout=inf)
    assert decision.pause == price


def test_to_decide_forgets_and_changes_nothing() -> None:
    """The same look gives the same decision, in whatever process and however often."""
    seen = after_error(down(), 4.0, last_job=PENDING)
    assert decided(seen).pause == decided(seen).pause
    with pytest.raises(FrozenInstanceError):
        seen.polls = 4  # type: ignore[misc]


# What is remembered


Step: TypeAlias = tuple[float, Job | PollError]


def history(*steps: Step) -> History:
    seen = History(gid=GID)
    for moment, what in steps:
        if isinstance(what, PollError):
            seen = seen.with_error(what, asked=moment - 0.25, elapsed=moment)
        else:
            seen = seen.with_job(what, asked=moment - 0.25, elapsed=moment)
    return seen


def test_a_wait_begins_with_nothing() -> None:
    assert history() == History(
        gid=GID,
        polls=0,
        asked=0.0,
        elapsed=0.0,
        last_job=None,
        last_error=None,
        failing_since=None,
        absent_since=None,
        incomplete_since=None,
    )


@pytest.mark.parametrize(
    ("steps", "failing_since", "absent_since", "incomplete_since"),
    [
        ([PENDING], None, None, None),
        ([COPY], None, None, None),
        ([FAILED], None, None, None),
        # An outage begins with its first failure, and ends with an answer.
        ([down()], 1.0, None, None),
        ([PENDING, down(), ProtocolError(GID, "x", status=200), down()], 2.0, None, None),
        ([down(), PENDING], None, None, None),
        ([down(), PENDING, down()], 3.0, None, None),
        # A 404 is an answer, so it ends an outage; but no failure ends a row of 404s.
        ([absent()], None, 1.0, None),
        ([absent(), absent()], None, 1.0, None),
        ([down(), absent()], None, 2.0, None),
        ([absent(), down()], 2.0, 1.0, None),
        ([absent(), down(), absent()], None, 1.0, None),
        ([absent(), down(), absent(), down()], 4.0, 1.0, None),
        ([absent(), PENDING], None, None, None),
        ([absent(), PENDING, absent()], None, 3.0, None),
        # A reference is missed from the first look at the succeeded job on.
        ([BARE], None, None, 1.0),
        ([BARE, URLLESS, BARE], None, None, 1.0),
        ([BARE, down()], 2.0, None, 1.0),
        ([BARE, down(), BARE], None, None, 1.0),
        ([BARE, absent()], None, 2.0, 1.0),
        ([BARE, COPY], None, None, None),
        ([URLLESS, EXPORT], None, None, None),
        # A status that goes backwards.
        ([BARE, PENDING], None, None, None),
        ([BARE, PENDING, BARE], None, None, 3.0),
    ],
    ids=lambda value: None if isinstance(value, list) else str(value),
)
def test_it_is_remembered_since_when(
    steps: list[Job | PollError],
    failing_since: float | None,
    absent_since: float | None,
    incomplete_since: float | None,
) -> None:
    seen = history(*((float(moment), what) for moment, what in enumerate(steps, start=1)))
    assert seen.failing_since == failing_since
    assert seen.absent_since == absent_since
    assert seen.incomplete_since == incomplete_since
    assert (seen.polls, seen.asked, seen.elapsed) == (len(steps), len(steps) - 0.25, len(steps))
    last = steps[-1]
    assert seen.last_error == (last if isinstance(last, PollError) else None)
    jobs = [what for what in steps if not isinstance(what, PollError)]
    assert seen.last_job == (jobs[-1] if jobs else None)


def test_time_in_line_is_no_time_of_an_outage() -> None:
    seen = history((1.0, absent()), (2.0, down()))
    later = seen.in_line(100.0)
    assert (later.absent_since, later.failing_since, later.incomplete_since) == (101.0, 102.0, None)
    assert (later.polls, later.asked, later.elapsed) == (seen.polls, seen.asked, seen.elapsed)
    assert (later.last_job, later.last_error) == (seen.last_job, seen.last_error)
    assert history((1.0, BARE)).in_line(100.0).incomplete_since == 101.0
    assert seen.in_line(0.0) == seen
    assert history((1.0, PENDING)).in_line(100.0) == history((1.0, PENDING))


# The loop


@dataclass
class Run:
    """What came of a wait."""

    outcome: SucceededJob | BaseException | None = None
    began: float = 0.0
    lasted: float = 0.0
    asked: list[float] = field(default_factory=list)
    allowed: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    wait: Wait | None = None


Answer: TypeAlias = Job | BaseException | tuple[float, Job | BaseException]


def run(
    mode: str,
    answers: Iterable[Answer],
    *,
    timeout: float = 1800.0,
    policy: WaitPolicy = STEADY,
    on_poll: OnPoll | None = None,
    request_timeout: float = 30.0,
) -> Run:
    """Run one wait over these answers, each with the seconds that it takes; the last one stays."""
    done, script = Run(), list(answers)

    def tell(poll: Poll) -> None:
        done.polls.append(poll)
        if on_poll is not None:
            on_poll(poll)

    with freeze_time("2026-06-01", real_asyncio=True) as clock:
        wait = Wait(gid=GID, policy=policy, price=PRICE, timeout=timeout, on_poll=tell)
        done.began, done.wait = wait.began, wait

        def answer() -> Job:
            done.allowed.append(wait.asking(request_timeout))
            done.asked.append(time.monotonic() - wait.began)
            given = script.pop(0) if len(script) > 1 else script[0]
            took, what = given if isinstance(given, tuple) else (0.0, given)
            clock.tick(took)
            if isinstance(what, BaseException):
                raise what
            return what

        def pause(seconds: float) -> None:
            done.pauses.append(seconds)
            clock.tick(seconds)

        async def answer_async() -> Job:
            return answer()

        async def pause_async(seconds: float) -> None:
            pause(seconds)

        try:
            if mode == "sync":
                done.outcome = wait.run(answer, pause)
            else:
                done.outcome = asyncio.run(wait.run_async(answer_async, pause_async))
        except BaseException as error:  # noqa: BLE001 - the test judges it
            done.outcome = error
        done.lasted = time.monotonic() - wait.began
    return done


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> str:
    """Run the test in both modes, which differ in nothing but the driver."""
    return str(request.param)


def near(*moments: float) -> list[Any]:
    # freezegun counts whole microseconds.
    return [pytest.approx(moment, abs=1e-4) for moment in moments]


def test_the_first_poll_is_at_once_and_the_rest_follow_the_schedule(mode: str) -> None:
    done = run(mode, [PENDING] * 5 + [COPY])
    assert done.outcome is COPY
    assert done.asked == near(0.0, 0.2, 0.8, 1.8, 3.2, 5.0)
    assert [poll.pause for poll in done.polls] == [*near(0.2, 0.6, 1.0, 1.4, 1.8), None]


def test_the_time_that_polls_take_counts(mode: str) -> None:
    done = run(mode, [(0.8, PENDING), (3.2, PENDING), (1.0, COPY)])
    assert done.asked == near(0.0, 1.8, 5.0 + 2 * (0.2 * 5) ** 0.5 + 0.2)
    assert [poll.elapsed for poll in done.polls] == near(0.8, 5.0, 8.2)


@pytest.mark.parametrize(
    ("answers", "timeout", "kind", "asked"),
    [
        ([COPY], 0.0, SucceededJob, [0.0]),
        ([PENDING], 0.0, JobTimeoutError, [0.0]),
        ([PENDING], 1.0, JobTimeoutError, [0.0, 0.2, 0.8, 1.0]),
        ([PENDING, PENDING, PENDING, COPY], 1.0, SucceededJob, [0.0, 0.2, 0.8, 1.0]),
        ([(1.5, PENDING), PENDING], 1.0, JobTimeoutError, [0.0, 1.5]),
        ([FAILED], 60.0, JobFailedError, [0.0]),
        ([UNKNOWN, FAILED], 60.0, JobFailedError, [0.0, 0.2]),
        ([AuthenticationError(GID, 401)], 60.0, AuthenticationError, [0.0]),
        ([AccessDeniedError(GID, 403)], 60.0, AccessDeniedError, [0.0]),
        ([ApiError(GID, 302)], 60.0, ApiError, [0.0]),
        ([absent(), absent(), COPY], 60.0, SucceededJob, [0.0, 0.2, 0.8]),
        ([absent()], 60.0, JobNotFoundError, [0.0, 0.2, 0.8, 1.8, 3.2, 5.0]),
        ([absent()], 1.0, JobNotFoundError, [0.0, 0.2, 0.8, 1.0]),
        (
            [absent(), down(), absent()],
            60.0,
            JobNotFoundError,
            [0.0, 0.2, 0.4, 1.1657, 2.3314, 3.8971, 5.0],
        ),
        ([BARE, BARE, COPY], 60.0, SucceededJob, [0.0, 0.2, 0.8]),
        (
            [PENDING, BARE],
            60.0,
            MissingReferenceError,
            [0.0, 0.2, 0.4, 1.0, 2.0, 3.4, 5.2, 7.4, 10.0, 10.2],
        ),
        ([BARE], 1.0, MissingReferenceError, [0.0, 0.2, 0.8, 1.0]),
        ([PENDING, BARE, PENDING, COPY], 60.0, SucceededJob, [0.0, 0.2, 0.4, 1.1657]),
        ([down(30.0), COPY], 60.0, SucceededJob, [0.0, 30.0]),
        ([down(60.0), COPY], 60.0, SucceededJob, [0.0, 60.0]),
        ([down(60.001), COPY], 60.0, JobTimeoutError, [0.0]),
        ([down()], 1.0, JobTimeoutError, [0.0, 0.2, 0.8, 1.0]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_a_wait_polls_when_it_should_and_ends_as_it_should(
    mode: str, answers: list[Answer], timeout: float, kind: type, asked: list[float]
) -> None:
    done = run(mode, answers, timeout=timeout)
    assert type(done.outcome) is kind
    assert done.asked == near(*asked)
    assert done.polls[-1].number == len(asked)


def test_an_outage_is_survived_and_does_not_slow_the_schedule(mode: str) -> None:
    """Failed polls are repeated soon; then the pauses are those of the wait's age again."""
    done = run(mode, [(100.0, PENDING), down(), down(), down(), PENDING, COPY])
    pauses = [poll.pause for poll in done.polls]
    assert pauses[1:4] == near(0.2, 0.6, 1.0)
    assert pauses[0] == pytest.approx(2 * 20**0.5 + 0.2)
    assert pauses[4] is not None
    assert pauses[4] > 9


def test_a_wait_gives_up_after_the_tolerance_and_chains_the_last_failure(mode: str) -> None:
    last = TransportError(GID, "h", "reset")
    done = run(mode, [PENDING, down(), down(), last], timeout=inf)
    assert isinstance(done.outcome, UnavailableError)
    assert done.outcome.__cause__ is done.outcome.last_error is last
    assert done.outcome.outage == pytest.approx(300.0, abs=1e-3)
    assert done.lasted == pytest.approx(300.2, abs=1e-3)
    assert done.outcome.last_job is PENDING


def test_a_timeout_chains_the_last_failure_and_nothing_else(mode: str) -> None:
    failing = run(mode, [PENDING, down()], timeout=1.0).outcome
    assert isinstance(failing, JobTimeoutError)
    assert failing.__cause__ is failing.last_error is not None
    pending_still = run(mode, [down(), PENDING], timeout=1.0).outcome
    assert isinstance(pending_still, JobTimeoutError)
    assert pending_still.__cause__ is None
    assert pending_still.__suppress_context__


def test_an_error_is_not_its_own_cause(mode: str) -> None:
    error = AccessDeniedError(GID, 403)
    done = run(mode, [error])
    assert done.outcome is error
    assert error.__cause__ is None


def test_without_a_deadline_a_wait_goes_on(mode: str) -> None:
    done = run(mode, [PENDING] * 300 + [COPY], timeout=inf)
    assert done.outcome is COPY
    assert done.lasted > 3 * 3600


def test_nothing_sleeps_a_negative_time_or_past_the_deadline(mode: str) -> None:
    done = run(mode, [(7.0, PENDING)], timeout=20.0)
    assert min(done.pauses) >= 0
    assert done.asked[-1] >= 20.0
    assert done.asked[-2] < 20.0


def test_pauses_are_jittered(mode: str) -> None:
    random.seed(1)
    policy = WaitPolicy(jitter=0.1, min_pause=0.0)
    done = run(mode, [PENDING] * 40 + [COPY], policy=policy)
    fractions = []
    for poll, pause in zip(done.polls, done.pauses, strict=False):
        fractions.append(pause / policy.pause(poll.elapsed, price=PRICE))
    assert all(0.9 - 1e-9 <= fraction <= 1.1 + 1e-9 for fraction in fractions)
    assert min(fractions) < 0.95
    assert max(fractions) > 1.05


def test_two_waits_side_by_side_do_not_mix() -> None:
    """What tenacity keeps, it keeps per thread, and tasks share one."""
    ended = [succeeded(Reference(field="new_task", gid=str(number))) for number in range(3)]

    async def wait_for(number: int) -> SucceededJob:
        answers = iter([PENDING] * number + [ended[number]])

        async def poll() -> Job:
            await asyncio.sleep(0)
            return next(answers)

        async def pause(_seconds: float) -> None:
            await asyncio.sleep(0)

        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=inf, on_poll=None)
        return await wait.run_async(poll, pause)

    async def all_of_them() -> list[SucceededJob]:
        return await asyncio.gather(*(wait_for(number) for number in range(3)))

    assert asyncio.run(all_of_them()) == ended


# Who is told


def test_every_poll_is_told_of_the_last_included(mode: str) -> None:
    error = down(3.0)
    done = run(mode, [PENDING, error, (0.5, COPY)])
    assert done.polls == [
        Poll(gid=GID, number=1, elapsed=0.0, job=PENDING, error=None, pause=0.2),
        Poll(gid=GID, number=2, elapsed=near(0.2)[0], job=None, error=error, pause=3.0),
        Poll(gid=GID, number=3, elapsed=near(3.7)[0], job=COPY, error=None, pause=None),
    ]


def test_what_a_listener_is_told_cannot_be_changed() -> None:
    poll = Poll(gid=GID, number=1, elapsed=0.0, job=PENDING, error=None, pause=None)
    with pytest.raises(FrozenInstanceError):
        poll.number = 2  # type: ignore[misc]
    assert not hasattr(poll, "__dict__")
    with pytest.raises(TypeError):
        Poll(GID, 1, 0.0, PENDING, None, None)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "answers", [[FAILED], [AccessDeniedError(GID, 403)], [PENDING], [down()], [down(99.0)]]
)
def test_the_poll_that_ends_a_wait_is_told_without_a_pause(
    mode: str, answers: list[Answer]
) -> None:
    done = run(mode, answers, timeout=1.0)
    assert isinstance(done.outcome, JobwaitError)
    assert [poll.pause is None for poll in done.polls] == [False] * (len(done.asked) - 1) + [True]
    assert [poll.number for poll in done.polls] == list(range(1, len(done.asked) + 1))
    assert done.polls[-1].error is (answers[0] if isinstance(answers[0], PollError) else None)


def test_a_pause_is_slept_as_it_was_told(mode: str) -> None:
    done = run(mode, [PENDING, down(2.0), BARE, absent(), COPY])
    assert [poll.pause for poll in done.polls[:-1]] == done.pauses


class _ListenerError(Exception):
    pass


@pytest.mark.parametrize("error", [_ListenerError("mine"), KeyboardInterrupt(), down()])
@pytest.mark.parametrize("answers", [[PENDING], [down()], [COPY], [FAILED]])
def test_what_a_listener_raises_the_wait_raises(
    mode: str, answers: list[Answer], error: BaseException
) -> None:
    def listen(poll: Poll) -> None:
        raise error

    done = run(mode, answers, on_poll=listen)
    assert done.outcome is error
    assert len(done.asked) == 1


async def _listen(poll: Poll) -> None:
    raise AssertionError("never called")


@pytest.mark.parametrize("listener", [_listen, functools.partial(_listen)])
def test_a_coroutine_function_as_listener_is_refused(listener: Any) -> None:
    told = "^on_poll must be a plain function of one Poll, not a coroutine function$"
    with pytest.raises(TypeError, match=told):
        Wait(gid=GID, policy=STEADY, price=PRICE, timeout=1.0, on_poll=listener)


def test_a_wait_needs_no_listener() -> None:
    wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=1.0, on_poll=None)
    assert wait.run(lambda: COPY, lambda _seconds: None) is COPY
    assert wait.history.polls == 1


# What is not ours


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(3),
        asyncio.CancelledError(),
        ValueError("a bug"),
        TimeoutError("not ours"),
        JobTimeoutError(GID, last_job=None, elapsed=1.0, polls=0, last_error=None),
    ],
    ids=repr,
)
@pytest.mark.parametrize("before", [[], [PENDING], [down()]], ids=["first", "pending", "failing"])
def test_what_is_no_failed_poll_passes_untouched(
    mode: str, before: list[Answer], error: BaseException
) -> None:
    done = run(mode, [*before, error])
    assert done.outcome is error
    assert error.__cause__ is None
    assert len(done.asked) == len(before) + 1
    assert len(done.polls) == len(before)


def test_a_cancelled_pause_ends_the_wait() -> None:
    async def poll() -> Job:
        return PENDING

    async def main() -> None:
        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=inf, on_poll=None)
        pausing = asyncio.Event()

        async def pause(_seconds: float) -> None:
            pausing.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(wait.run_async(poll, pause))
        await pausing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_an_interrupted_pause_ends_the_wait() -> None:
    def pause(_seconds: float) -> None:
        raise KeyboardInterrupt

    wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=inf, on_poll=None)
    with pytest.raises(KeyboardInterrupt):
        wait.run(lambda: PENDING, pause)


# The bound of a poll


@pytest.mark.parametrize(
    ("timeout", "elapsed", "request_timeout", "seconds"),
    [
        (60.0, 0.0, 30.0, 30.0),
        (60.0, 30.0, 30.0, 30.0),
        (60.0, 31.0, 30.0, 29.0),
        (60.0, 59.5, 30.0, 0.5),
        (60.0, 59.998, 30.0, 0.002),
        # The poll at the deadline may take a second past it, and not longer.
        (60.0, 59.9995, 30.0, LAST_LOOK + 0.0005),
        (60.0, 60.0, 30.0, LAST_LOOK),
        (60.0, 60.5, 30.0, LAST_LOOK - 0.5),
        (60.0, 61.0, 30.0, 0.001),
        (60.0, 99.0, 30.0, 0.001),
        (0.0, 0.0, 30.0, LAST_LOOK),
        (0.0, 0.0, 0.25, 0.25),
        (inf, 1e6, 30.0, 30.0),
    ],
)
def test_a_poll_may_take_the_time_that_is_left(
    timeout: float, elapsed: float, request_timeout: float, seconds: float
) -> None:
    with freeze_time("2026-06-01") as clock:
        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=timeout, on_poll=None)
        clock.tick(elapsed)
        assert wait.asking(request_timeout) == pytest.approx(seconds, abs=1e-5)
        assert wait.history.asked == pytest.approx(elapsed, abs=1e-5)


@pytest.mark.parametrize(
    ("answer", "patience", "kind"),
    [
        (down(), 300.0, UnavailableError),
        (absent(), 5.0, JobNotFoundError),
        (BARE, 10.0, MissingReferenceError),
    ],
)
@pytest.mark.parametrize("in_line", [0.0, 100.0])
def test_patience_does_not_run_while_a_wait_stands_in_line(
    answer: Job | PollError, patience: float, kind: type[JobwaitError], in_line: float
) -> None:
    """In a crowd a wait's turn comes every few minutes; that is nobody's outage."""
    with freeze_time("2026-06-01") as clock:
        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=inf, on_poll=None)
        paused = [0.0]

        def poll() -> Job:
            clock.tick(in_line)
            wait.asking(30.0)
            if isinstance(answer, PollError):
                raise answer
            return answer

        def pause(seconds: float) -> None:
            paused.append(seconds)
            clock.tick(seconds)

        with pytest.raises(kind):
            wait.run(poll, pause)
        assert sum(paused) == pytest.approx(patience, abs=0.01)
        lasted = time.monotonic() - wait.began
        assert lasted == pytest.approx(patience + in_line * wait.history.polls, abs=0.01)


@pytest.mark.parametrize(("left", "timeout"), [(60.0, 60.0), (0.0, 0.0), (-5.0, 0.0), (inf, inf)])
def test_waits_of_one_call_share_its_deadline(left: float, timeout: float) -> None:
    with freeze_time("2026-06-01"):

        def listen(poll: Poll) -> None: ...

        deadline = time.monotonic() + left
        terms = Terms(policy=STEADY, price=PRICE, deadline=deadline, on_poll=listen)
        wait = terms.begin("7")
        assert (wait.gid, wait.policy, wait.price, wait.on_poll) == ("7", STEADY, PRICE, listen)
        assert wait.timeout == pytest.approx(timeout, abs=1e-4)
        assert terms.begin("8") is not wait


def test_a_wait_knows_its_deadline_on_the_monotonic_clock() -> None:
    with freeze_time("2026-06-01") as clock:
        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=60.0, on_poll=None)
        clock.tick(5.0)
        assert wait.deadline - time.monotonic() == pytest.approx(55.0, abs=1e-4)
        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=inf, on_poll=None)
        assert isinf(wait.deadline)


def test_time_in_line_is_not_counted_after_a_pause_of_nothing_either() -> None:
    with freeze_time("2026-06-01") as clock:
        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=inf, on_poll=None)
        wait.history = history((0.0, down()))
        wait._decision = Decision(pause=0.0)
        clock.tick(3.0)
        wait.asking(30.0)
        assert wait.history.failing_since == pytest.approx(3.0)


def test_a_wait_whose_turn_does_not_come_says_what_is_known() -> None:
    with freeze_time("2026-06-01") as clock:
        wait = Wait(gid=GID, policy=STEADY, price=PRICE, timeout=60.0, on_poll=None)
        wait.history = history((1.0, PENDING), (2.0, down()))
        clock.tick(60.0)
        late = wait.out_of_turn()
    assert (late.gid, late.polls, late.last_job) == (GID, 2, PENDING)
    assert isinstance(late.last_error, ApiError)
    assert late.elapsed == pytest.approx(60.0)
    assert wait.history.elapsed == 2.0


def test_a_timeout_is_made_of_the_history() -> None:
    late = timed_out(history((1.0, PENDING)))
    assert (late.gid, late.elapsed, late.polls) == (GID, 1.0, 1)
    assert (late.last_job, late.last_error) == (PENDING, None)


# The log


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    assert {record.name for record in caplog.records} <= {"jobwait"}
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_every_poll_is_logged_for_who_debugs(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="jobwait")
    run(mode, [PENDING, down(3.0), (0.5, COPY)])
    assert logged(caplog, logging.DEBUG) == [
        f"job {GID}: poll 1 at 0.000 s: in_progress; next in 0.200 s",
        f"job {GID}: poll 2 at 0.200 s: {down(3.0)}; next in 3.000 s",
        f"job {GID}: poll 3 at 3.700 s: succeeded; the last",
    ]


def test_a_job_that_was_never_seen_is_logged_too(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="jobwait")
    run(mode, [absent()], policy=WaitPolicy(not_found_grace=0.0))
    (line,) = logged(caplog, logging.DEBUG)
    assert re.fullmatch(rf"job {GID}: poll 1 at 0\.000 s: HTTP 404 for .*; the last", line)
    assert not logged(caplog, logging.INFO)


def test_changes_of_the_status_are_logged_and_nothing_else(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="jobwait")
    hostile = pending("in\nprogress")
    run(mode, [PENDING, PENDING, UNKNOWN, down(), UNKNOWN, hostile, PENDING, (60.0, COPY)])
    assert [line.split(" after ")[0] for line in logged(caplog, logging.INFO)] == [
        f"job {GID}: in_progress",
        f"job {GID}: paused",
        f"job {GID}: in\\nprogress",
        f"job {GID}: in_progress",
        f"job {GID}: succeeded",
    ]
    assert logged(caplog, logging.INFO)[0].endswith(" after 0 s")
    assert re.search(r" after 1 min \d+ s$", logged(caplog, logging.INFO)[-1])
    assert not logged(caplog, logging.DEBUG)


@pytest.mark.parametrize(
    ("answers", "lines"),
    [
        ([PENDING, COPY], []),
        ([absent(), COPY], []),
        (
            [PENDING, down(), down(), COPY],
            ["a poll failed: HTTP 503", "answered again after 0.8 s"],
        ),
        ([down(), absent(), COPY], ["a poll failed: HTTP 503", "answered again after 0.2 s"]),
        (
            [down(), PENDING, down(2.0), COPY],
            [
                "poll failed",
                "answered again after 0.2 s",
                "poll failed",
                "answered again after 2 s",
            ],
        ),
        ([PENDING, AccessDeniedError(GID, 403)], ["a poll failed: HTTP 403"]),
    ],
    ids=lambda value: str(len(value)),
)
def test_the_begin_and_the_end_of_an_outage_are_warned_of(
    mode: str, caplog: pytest.LogCaptureFixture, answers: list[Answer], lines: list[str]
) -> None:
    """No flood: an outage of an hour is two lines."""
    caplog.set_level(logging.WARNING, logger="jobwait")
    run(mode, answers)
    warned = logged(caplog, logging.WARNING)
    assert len(warned) == len(lines)
    for line, part in zip(warned, lines, strict=True):
        assert line.startswith(f"job {GID}: ")
        assert part in line


# Above all rows


_JOBS = [PENDING, UNKNOWN, BARE, URLLESS, COPY, EXPORT, FAILED]
_ABSENT = [absent(), absent(2.0)]
_DOWN = [down(), down(0.0), down(5.0), down(45.0), down(400.0, 429)]
_BROKEN = [ProtocolError(GID, "cut", status=200), TransportError(GID, "h", "reset")]
_SEEN = st.sampled_from([*_JOBS, *_ABSENT, *_DOWN, *_BROKEN, AccessDeniedError(GID, 403)])


@settings(deadline=None)
@given(
    answers=st.lists(st.tuples(st.floats(0, 40), _SEEN), min_size=1, max_size=25),
    timeout=st.sampled_from([0.0, 1.0, 10.0, 60.0, 700.0]) | st.floats(0, 700),
    jitter=st.sampled_from([0.0, 0.1, 1.0]),
    is_async=st.booleans(),
)
def test_a_wait_is_honest_obedient_and_ends(
    answers: list[tuple[float, Job | PollError]], timeout: float, jitter: float, is_async: bool
) -> None:
    """The property above the table of faults.

    A wait never reports success unless the far side said so, never polls sooner than it was told
    to, and always ends by its deadline plus a second.
    """
    tries = iter(answers)
    told = [0.0]
    given_out: list[Job | BaseException] = []

    with freeze_time("2026-06-01", real_asyncio=True) as clock:
        policy = WaitPolicy(jitter=jitter)
        wait = Wait(gid=GID, policy=policy, price=PRICE, timeout=timeout, on_poll=None)

        def poll() -> Job:
            allowed = wait.asking(30.0)
            assert time.monotonic() >= told[-1] - 1e-5
            took, what = next(tries, (0.0, PENDING))
            clock.tick(min(took, allowed))
            given_out.append(TransportError(GID, "h", "too slow") if took > allowed else what)
            last = given_out[-1]
            if isinstance(last, PollError) and last.retry_after is not None:
                told.append(time.monotonic() + last.retry_after)
            if isinstance(last, BaseException):
                raise last
            return last

        async def poll_async() -> Job:
            return poll()

        def pause(seconds: float) -> None:
            clock.tick(seconds)

        async def pause_async(seconds: float) -> None:
            pause(seconds)

        try:
            if is_async:
                ended = asyncio.run(wait.run_async(poll_async, pause_async))
            else:
                ended = wait.run(poll, pause)
        except JobwaitError:
            assert given_out[-1] not in (COPY, EXPORT)
        else:
            assert ended is given_out[-1]
            assert ended.is_complete
        assert time.monotonic() - wait.began <= timeout + LAST_LOOK + 0.001


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(0, 100), _SEEN), min_size=1, max_size=8),
    timeout=st.floats(0, 500) | st.just(inf),
    spread=st.floats(-1, 1),
    jitter=st.floats(0, 1),
)
def test_any_decision_is_to_pause_to_raise_or_to_be_done(
    steps: list[tuple[float, Job | PollError]], timeout: float, spread: float, jitter: float
) -> None:
    moment, seen = 0.0, History(gid=GID)
    for gap, what in steps:
        moment += gap
        if isinstance(what, PollError):
            seen = seen.with_error(what, asked=moment, elapsed=moment)
        else:
            seen = seen.with_job(what, asked=moment, elapsed=moment)
    policy = WaitPolicy(jitter=jitter)
    decision = decide(seen, policy, price=PRICE, timeout=timeout, spread=spread)
    last = steps[-1][1]
    complete = isinstance(last, SucceededJob) and last.is_complete
    assert (decision == DONE) == complete
    assert decision.pause is None or decision.error is None
    if decision.pause is not None:
        told = last.retry_after or 0.0 if isinstance(last, PollError) else 0.0
        assert told <= decision.pause <= timeout - seen.elapsed
        assert decision.pause <= max(told, policy.max_pause)
        assert decision.pause > 0


def test_an_object_that_is_called_asynchronously_is_refused_as_well() -> None:
    """Its coroutine would never be awaited."""

    class Listener:
        async def __call__(self, _poll: Poll) -> None: ...

    with pytest.raises(TypeError, match="on_poll must be a plain function"):
        Wait(gid="1", policy=WaitPolicy(), price=0.2, timeout=1.0, on_poll=Listener())
