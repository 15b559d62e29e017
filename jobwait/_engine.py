# SPDX-License-Identifier: MIT
"""What a wait makes of what it sees: the loop, as tenacity's callbacks.

``decide`` is the whole of it, a pure function of what was seen and of the time elapsed.  ``Wait``
carries one wait's history through it, and hands the same callbacks to tenacity's synchronous and
asynchronous drivers, so that the two cannot drift apart.  This is the one file that knows
tenacity; it does not know how a poll is made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from math import inf
from random import uniform
from typing import Any, NoReturn, TypeAlias, cast

import tenacity

from jobwait._errors import (
    JobFailedError,
    JobNotFoundError,
    JobTimeoutError,
    JobwaitError,
    MissingReferenceError,
    PollError,
    UnavailableError,
)
from jobwait._models import FailedJob, Job, SucceededJob
from jobwait._policy import WaitPolicy
from jobwait._text import escape, span

# The last poll begins at the deadline, and may take so long.
LAST_LOOK = 1.0
# Sleeping is not exact: within so many seconds of a moment is at it.
_CLOSE = 0.001

_log = logging.getLogger("jobwait")
_log.addHandler(logging.NullHandler())  # a library does not write to stderr by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One poll of one job, as ``on_poll`` is told of it.

    Attributes:
        gid: The job.
        number: 1 for the first poll of its wait.
        elapsed: The seconds from the wait's begin to the answer.
        job: The job that was answered; None if the poll failed.
        error: Why the poll failed; None if it was answered.
        pause: The seconds to the next poll; None if this was the last.
    """

    gid: str
    number: int
    elapsed: float
    job: Job | None
    error: PollError | None
    pause: float | None


OnPoll: TypeAlias = Callable[[Poll], object]


def check_listener(name: str, told: str, listener: object) -> None:
    """Refuse a coroutine function where a plain one is called: nobody would await it.

    Args:
        name: What the caller calls the listener.
        told: What it is called with.
        listener: It.

    Raises:
        TypeError: It is one.
    """
    if iscoroutinefunction(listener) or iscoroutinefunction(getattr(listener, "__call__", None)):  # noqa: B004 - not whether it is callable, but how
        raise TypeError(f"{name} must be a plain function of one {told}, not a coroutine function")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a wait has seen so far.  Times are seconds since it began.

    Attributes:
        gid: The job.
        polls: The number of polls.
        asked: When the latest poll was sent.
        elapsed: When it was over.
        last_job: The job when it was last seen.
        last_error: How the latest poll failed; None if it was answered.
        failing_since: When the outage began; None if there is none.
        absent_since: When the first 404 of a row of them came.
        incomplete_since: When the job was first seen to have succeeded without showing all of
            what it made.
    """

    gid: str
    polls: int = 0
    asked: float = 0.0
    elapsed: float = 0.0
    last_job: Job | None = None
    last_error: PollError | None = None
    failing_since: float | None = None
    absent_since: float | None = None
    incomplete_since: float | None = None

    @property
    def answer(self) -> Job | None:
        """The job as the latest poll brought it; None if that failed."""
        return self.last_job if self.last_error is None else None

    def with_job(self, job: Job, *, asked: float, elapsed: float) -> History:
        """Return the history with one more poll, which was answered."""
        incomplete = isinstance(job, SucceededJob) and not job.is_complete
        return replace(
            self,
            polls=self.polls + 1,
            asked=asked,
            elapsed=elapsed,
            last_job=job,
            last_error=None,
            failing_since=None,
            absent_since=None,
            incomplete_since=_earlier(self.incomplete_since, elapsed) if incomplete else None,
        )

    def with_error(self, error: PollError, *, asked: float, elapsed: float) -> History:
        """Return the history with one more poll, which failed."""
        absent = isinstance(error, JobNotFoundError)
        return replace(
            self,
            polls=self.polls + 1,
            asked=asked,
            elapsed=elapsed,
            last_error=error,
            # A 404 is an answer, so it ends an outage; but no failure ends a row of 404s.
            failing_since=None if absent else _earlier(self.failing_since, elapsed),
            absent_since=_earlier(self.absent_since, elapsed) if absent else self.absent_since,
        )

    def in_line(self, seconds: float) -> History:
        """Return the history as if no time had passed while the next poll stood in line.

        In a crowd a wait's turn may come every few minutes: two failed polls, one after the
        other, are no outage of so many minutes.
        """
        return replace(
            self,
            failing_since=_later(self.failing_since, seconds),
            absent_since=_later(self.absent_since, seconds),
            incomplete_since=_later(self.incomplete_since, seconds),
        )


def _later(since: float | None, seconds: float) -> float | None:
    return None if since is None else since + seconds


def _earlier(since: float | None, now: float) -> float:
    return now if since is None else since


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do after a poll: pause and poll again, or give up, or neither: it is done.

    Attributes:
        pause: The seconds to the next poll.
        error: What to raise.
    """

    pause: float | None = None
    error: JobwaitError | None = None


_DONE = Decision()


def decide(
    seen: History,
    policy: WaitPolicy,
    *,
    price: float,
    timeout: float,
    spread: float = 0.0,
) -> Decision:
    """Decide what a wait does after its latest poll.

    Args:
        seen: What it has seen.
        policy: Its numbers.
        price: The price in force, in seconds.
        timeout: The seconds from its begin to its deadline; may be ``inf``.
        spread: Where in the policy's jitter the pause falls, from -1 to 1.
    """
    job, error = seen.answer, seen.last_error
    if isinstance(job, FailedJob):
        return Decision(error=JobFailedError(job))
    if isinstance(job, SucceededJob) and job.is_complete:
        return _DONE

    stretch = _stretch(seen, policy)
    if seen.elapsed - stretch.since >= stretch.patience - _CLOSE:
        return Decision(error=stretch.end)
    # What the far side asks for counts more than the schedule, and the deadline more than both.
    told = 0.0 if error is None or error.retry_after is None else error.retry_after
    left = max(timeout - seen.elapsed, 0.0)
    if seen.asked >= timeout - _CLOSE or told > left:
        return Decision(error=timed_out(seen) if stretch.may_be_running else stretch.end)
    pause = policy.pause(seen.elapsed - stretch.since, price=price, spread=spread)
    pause = min(pause, stretch.since + stretch.patience - seen.elapsed)
    return Decision(pause=min(max(pause, told), left))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A time in which every poll says the same, and which is put up with for so long.

    Attributes:
        since: When it began, in seconds since the wait did.
        patience: The seconds that it may last.
        end: What to raise when it has lasted too long.
        may_be_running: Whether the job may be, for all that is known.
    """

    since: float = 0.0
    patience: float = inf
    end: JobwaitError | None = None
    may_be_running: bool = True


def _stretch(seen: History, policy: WaitPolicy) -> _Stretch:
    error = seen.last_error
    if error is None:
        if isinstance(seen.last_job, SucceededJob):
            missing = MissingReferenceError(seen.last_job)
            return _Stretch(_begun(seen.incomplete_since), policy.settle, missing, False)
        return _Stretch()
    if isinstance(error, JobNotFoundError):
        return _Stretch(_begun(seen.absent_since), policy.not_found_grace, error, False)
    if not error.transient:
        return _Stretch(seen.elapsed, 0.0, error)
    since = _begun(seen.failing_since)
    unavailable = UnavailableError(
        seen.gid,
        outage=seen.elapsed - since,
        last_error=error,
        last_job=seen.last_job,
        elapsed=seen.elapsed,
        polls=seen.polls,
    )
    return _Stretch(since, policy.outage_tolerance, unavailable)


def _begun(since: float | None) -> float:
    assert since is not None  # noqa: S101 - the history notes it with the first such poll
    return since


def timed_out(seen: History) -> JobTimeoutError:
    """Return the error for a wait that gives up at its deadline."""
    return JobTimeoutError(
        seen.gid,
        last_job=seen.last_job,
        elapsed=seen.elapsed,
        polls=seen.polls,
        last_error=seen.last_error,
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Wait:
    """One wait of one job, from its first poll to its end.

    Attributes:
        gid: The job.
        policy: Its numbers.
        price: The price in force, in seconds.
        timeout: The seconds to the deadline; may be ``inf``.
        on_poll: Whom to tell of every poll.
        history: What was seen so far.
        began: When it began, on the monotonic clock.
        refusal: What ``on_poll`` raised; None if it did not.
    """

    gid: str
    policy: WaitPolicy
    price: float
    timeout: float
    on_poll: OnPoll | None
    history: History = field(init=False)
    began: float = field(init=False)
    refusal: BaseException | None = field(init=False, default=None)
    _decision: Decision = field(init=False, default=_DONE)

    def __post_init__(self) -> None:
        check_listener("on_poll", "Poll", self.on_poll)
        self.history = History(gid=self.gid)
        self.began = time.monotonic()

    @property
    def deadline(self) -> float:
        """When the wait gives up, on the monotonic clock."""
        return self.began + self.timeout

    def asking(self, request_timeout: float) -> float:
        """Note that a poll is being sent; return the seconds that it may take."""
        asked = time.monotonic() - self.began
        due = max(self.history.asked, self.history.elapsed + (self._decision.pause or 0.0))
        self.history = replace(self.history.in_line(max(asked - due, 0.0)), asked=asked)
        left = self.timeout - asked
        if left <= _CLOSE:
            left += LAST_LOOK
        return min(request_timeout, max(left, _CLOSE))

    def out_of_turn(self, *, held: float | None = None) -> JobTimeoutError:
        """Return the error for a wait whose turn for one more poll comes only after its end.

        Args:
            held: The seconds for which the far side wants nobody to come; None if it did not say.
        """
        elapsed = time.monotonic() - self.began
        late = timed_out(replace(self.history, elapsed=elapsed))
        late.held = held
        return late

    def run(self, poll: Callable[[], Job], sleep: Callable[[float], None]) -> SucceededJob:
        """Poll and pause until the job ended or the wait gives up."""
        # A new one for each wait: tenacity keeps its state per thread, not per wait.
        driver = tenacity.Retrying(sleep=sleep, **self._callbacks())
        return cast("SucceededJob", driver(poll))

    async def run_async(
        self, poll: Callable[[], Awaitable[Job]], sleep: Callable[[float], Awaitable[None]]
    ) -> SucceededJob:
        """Do the same with a coroutine function for the poll and another for the pause."""
        driver = tenacity.AsyncRetrying(sleep=sleep, **self._callbacks())
        return cast("SucceededJob", await driver(poll))

    def _callbacks(self) -> dict[str, Any]:
        return {
            "retry": self._is_undecided,
            "wait": self._pause,
            "stop": self._is_hopeless,
            "retry_error_callback": self._give_up,
        }

    def _is_undecided(self, state: tenacity.RetryCallState) -> bool:
        outcome = state.outcome
        assert outcome is not None  # noqa: S101 - tenacity asks only after an attempt
        error = outcome.exception()
        # Only a failed poll is ours to judge; a cancellation, an interrupt or a bug passes.
        if error is not None and not isinstance(error, PollError):
            return False
        before, asked = self.history, self.history.asked
        elapsed = time.monotonic() - self.began
        if error is None:
            self.history = before.with_job(outcome.result(), asked=asked, elapsed=elapsed)
        else:
            self.history = before.with_error(error, asked=asked, elapsed=elapsed)
        self._decision = decide(
            self.history,
            self.policy,
            price=self.price,
            timeout=self.timeout,
            spread=uniform(-1, 1),  # noqa: S311 - waits that began together drift apart
        )
        self._tell(before)
        return self._decision is not _DONE

    def _pause(self, _state: tenacity.RetryCallState) -> float:
        return self._decision.pause or 0.0

    def _is_hopeless(self, _state: tenacity.RetryCallState) -> bool:
        return self._decision.error is not None

    def _give_up(self, _state: tenacity.RetryCallState) -> NoReturn:
        error, cause = self._decision.error, self.history.last_error
        assert error is not None  # noqa: S101 - tenacity stopped because there is one
        raise error from (None if error is cause else cause)

    def _tell(self, before: History) -> None:
        seen = self.history
        _log_poll(before, seen, self._decision.pause)
        if self.on_poll is None:
            return
        poll = Poll(
            gid=seen.gid,
            number=seen.polls,
            elapsed=seen.elapsed,
            job=seen.answer,
            error=seen.last_error,
            pause=self._decision.pause,
        )
        try:
            self.on_poll(poll)
        except BaseException as error:
            self.refusal = error
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What waits that were asked for together have in common.

    Attributes:
        policy: Their numbers.
        price: The price in force, in seconds.
        deadline: When they give up, on the monotonic clock; may be ``inf``.
        on_poll: Whom to tell of every poll.
    """

    policy: WaitPolicy
    price: float
    deadline: float
    on_poll: OnPoll | None

    def begin(self, gid: str) -> Wait:
        """Begin the wait of a job."""
        return Wait(
            gid=gid,
            policy=self.policy,
            price=self.price,
            timeout=max(self.deadline - time.monotonic(), 0.0),
            on_poll=self.on_poll,
        )


def _log_poll(before: History, seen: History, pause: float | None) -> None:
    job = seen.answer
    said = seen.last_error if job is None else escape(job.raw_status)
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug(
            "job %s: poll %d at %.3f s: %s; %s",
            seen.gid,
            seen.polls,
            seen.elapsed,
            said,
            "the last" if pause is None else f"next in {pause:.3f} s",
        )
    if before.failing_since is None and seen.failing_since is not None:
        _log.warning("job %s: a poll failed: %s", seen.gid, seen.last_error)
    elif before.failing_since is not None and seen.failing_since is None:
        outage = span(seen.elapsed - before.failing_since)
        _log.warning("job %s: polls are answered again after %s", seen.gid, outage)
    known = before.last_job and before.last_job.raw_status
    if job is not None and job.raw_status != known:
        _log.info("job %s: %s after %s", seen.gid, said, span(seen.elapsed))
