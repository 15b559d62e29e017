# SPDX-License-Identifier: MIT
"""The client: one poll, made over httpx, and the waits that are made of polls.

It differs from its asynchronous twin in how it waits for its turn, for an answer and for time to
pass, and in nothing else.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from functools import partial
from math import inf
from types import TracebackType
from typing import Self

import httpx

from jobwait._base_client import BaseClient, job_or_raise
from jobwait._engine import LAST_LOOK, OnPoll, Terms, Wait
from jobwait._models import Job, SucceededJob
from jobwait._outcome import (
    Intake,
    Jobs,
    OnEnd,
    Outcome,
    ReturnWhen,
    check_ending,
    naming_pending,
    one_here,
)
from jobwait._policy import DEFAULT_RATE, DEFAULT_TIMEOUT, WaitPolicy
from jobwait._protocol import JobLike, gid_of
from jobwait._transport import CONNECTIONS, BoundedTransport, ExchangeError, exchange


class JobsClient(BaseClient):
    """Asks Asana about jobs, and waits for them.

    It may be shared by threads: all that wait through one client share its budget of requests
    and its connections.  Use it as a context manager, or call ``close``.

    Args:
        token: A personal access token, a service account's or an OAuth token with the scope
            ``jobs:read``; without it ``ASANA_ACCESS_TOKEN``.
        base_url: Where the API is; without it ``ASANA_BASE_URL``, else Asana's.
        request_timeout: The seconds that one request may take, from connect to last byte.
        rate: The requests a minute that the token may spend.  The default is right on every
            plan of Asana's; a paid plan allows 1500 (source: Asana's documentation).

    Raises:
        ConfigurationError: There is no token, or the token or base URL cannot work.
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        token: str | None = None,
        *,
        base_url: str | None = None,
        request_timeout: float = 30.0,
        rate: float = DEFAULT_RATE,
    ) -> None:
        super().__init__(token, base_url, request_timeout, rate)
        self._gate = threading.BoundedSemaphore(CONNECTIONS)
        self._http = BoundedTransport(self._base_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections.  The client cannot be used any more."""
        self._http.close()

    def get_job(
        self, job_gid: JobLike, *, opt_fields: Iterable[str] | None = None, opt_pretty: bool = False
    ) -> Job:
        """Look at a job once: ``GET /jobs/{job_gid}`` (source: Asana's OpenAPI document).

        Args:
            job_gid: The job's gid, or what a create call returned.
            opt_fields: The fields to ask for, such as ``["new_project.name"]``; ``status`` is
                always asked for as well.  Without it, Asana answers with the full record.
            opt_pretty: Whether Asana should indent its answer, for whoever reads the traffic.

        Raises:
            PollError: It brought no job; its kinds say why.
            TypeError, ValueError: An argument cannot be right; no request was made.
        """
        gid = gid_of(job_gid)
        request = self._request(gid, opt_fields, opt_pretty=opt_pretty)
        answer = self._ask(request, inf, lambda: self._request_timeout)
        assert answer is not None  # noqa: S101 - without a limit, its turn always comes
        return job_or_raise(self._understand(gid, answer))

    def wait(
        self,
        job: JobLike,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        policy: WaitPolicy | None = None,
        on_poll: OnPoll | None = None,
    ) -> SucceededJob:
        """Wait until a job succeeded, and return it; its ``reference`` is what it made.

        Args:
            job: The job's gid, or what a create call returned.
            timeout: The seconds until the wait gives up; None waits for ever, 0 looks once.
            policy: The numbers of the wait.
            on_poll: A function that is called with every ``Poll``.  What it raises, the wait
                raises.

        Raises:
            JobFailedError: The job failed.
            MissingReferenceError: It succeeded, but the token may not see what it made.
            JobTimeoutError: The deadline came first; the job may still be running.
            PollError: The job may not be seen, or Asana could not be reached for too long.
            TypeError, ValueError: An argument cannot be right; no request was made.
        """
        return self._run(self._terms(timeout, policy, on_poll).begin(gid_of(job)))

    def as_completed(
        self,
        jobs: Jobs,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        policy: WaitPolicy | None = None,
        return_when: ReturnWhen = "all",
        on_poll: OnPoll | None = None,
        on_end: OnEnd | None = None,
    ) -> Generator[Outcome]:
        """Wait for many jobs, and yield the outcome of each as it ends.

        Closing the generator ends the waiting.  With more than one job, the waits run on a
        thread of their own, which calls ``on_poll`` and ``on_end``.

        Args:
            jobs: The jobs.  A list is checked before any request; an iterator is drawn from
                while those that it gave are waited for, so that jobs can be streamed in.  A job
                named twice is waited for once.
            timeout: The seconds until all give up; None waits for ever.
            policy: The numbers of each wait.
            return_when: ``"all"`` ends with the last job; ``"any"`` with the first that
                succeeds; ``"first_failure"`` with the first that does not.  The rest is then
                yielded as ``pending``.  A token that is not accepted, or a base URL that cannot
                work, ends all with its own word.
            on_poll: A function that is called with every ``Poll``.
            on_end: A function that is called with every ``Outcome``.

        Raises:
            TypeError, ValueError: An argument cannot be right; no request was made.
            BaseException: Whatever a function or the iterator raised; the iterator's error
                comes once the waits that it began have ended.
        """
        intake = Intake.of(jobs)
        check_ending(return_when, on_end)
        terms = self._terms(timeout, policy, on_poll)
        return self._outcomes(intake, terms, return_when, on_end)

    def wait_for_jobs(
        self,
        jobs: Jobs,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        policy: WaitPolicy | None = None,
        return_when: ReturnWhen = "all",
        on_poll: OnPoll | None = None,
        on_end: OnEnd | None = None,
    ) -> list[Outcome]:
        """Wait for many jobs, and return their outcomes in the order asked for.

        The parameters and errors are those of ``as_completed``.  If an exception ends the
        waiting early, a note on it says which jobs are still pending.
        """
        intake = Intake.of(jobs)
        check_ending(return_when, on_end)
        terms = self._terms(timeout, policy, on_poll)
        ended: dict[str, Outcome] = {}
        with naming_pending(intake, ended):
            for outcome in self._outcomes(intake, terms, return_when, on_end):
                ended[outcome.gid] = outcome
        return [ended[gid] for gid in intake.gids]

    def _outcomes(
        self,
        intake: Intake,
        terms: Terms,
        return_when: ReturnWhen,
        on_end: OnEnd | None,
    ) -> Generator[Outcome]:
        if intake.stream is None and len(set(intake.gids)) <= 1:
            for gid in intake.gids[:1]:
                outcome = one_here(terms.begin(gid), self._run)
                if on_end is not None:
                    on_end(outcome)
                yield outcome
            return

        # Only now: asyncio costs a process that waits for one job more than all the rest.
        from jobwait._async_client import AsyncJobsClient  # noqa: PLC0415
        from jobwait._many import in_thread  # noqa: PLC0415

        async def outcomes() -> AsyncGenerator[Outcome]:
            async with AsyncJobsClient._beside(self) as twin:  # noqa: SLF001 - its twin
                each = twin._outcomes(intake, terms, return_when, on_end)  # noqa: SLF001
                async with contextlib.aclosing(each):
                    async for outcome in each:
                        yield outcome

        yield from in_thread(outcomes)

    def _run(self, wait: Wait) -> SucceededJob:
        request = self._request(wait.gid)
        self._budget.join(1)
        try:
            return wait.run(partial(self._poll, wait, request), time.sleep)
        finally:
            self._budget.join(-1)

    def _poll(self, wait: Wait, request: httpx.Request) -> Job:
        until = wait.deadline + LAST_LOOK
        asking = partial(wait.asking, self._request_timeout)
        answer = self._ask(request, until, asking)
        if answer is None:
            self._check_hold(wait)
            # Its turn comes too late, unless others give theirs back by the deadline.
            time.sleep(max(0.0, wait.deadline - time.monotonic()))
            answer = self._ask(request, until, asking)
        if answer is None:
            raise wait.out_of_turn()
        return job_or_raise(self._understand(wait.gid, answer))

    def _ask(
        self, request: httpx.Request, until: float, asking: Callable[[], float]
    ) -> httpx.Response | ExchangeError | None:
        """Send a request in its turn; None if its turn would come only after ``until``."""
        failure = None
        # A kept connection may have died unseen: each such try uses one up, until one is new.
        while self._take_turn(until):
            try:
                with exchange(asking()):
                    return self._http.handle_request(request)
            except ExchangeError as error:
                failure = error
            finally:
                self._gate.release()
            if not failure.stale:
                break
        return failure

    def _take_turn(self, until: float) -> bool:
        """Wait for a ticket's time and for a connection, which the caller releases."""
        ticket = self._reserve(until)
        if ticket is None:
            return False
        try:
            while ticket.at <= until:
                if (left := ticket.at - time.monotonic()) > 0:
                    time.sleep(left)
                elif not self._gate.acquire(timeout=_lock_timeout(until)):
                    return False
                elif self._budget.spend(ticket, time.monotonic()):
                    return True
                else:
                    self._gate.release()
            return False
        finally:
            self._budget.give_back(ticket)


def _lock_timeout(until: float) -> float:
    return min(max(until - time.monotonic(), 0.0), threading.TIMEOUT_MAX)
