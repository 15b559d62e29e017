# SPDX-License-Identifier: MIT
"""The client on asyncio: as its synchronous twin, with other ways to let time pass.

This file decides nothing: what is asked, how often and what an answer means is the same for both.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from functools import partial
from math import inf
from types import TracebackType
from typing import Self

import httpx

from jobwait._base_client import BaseClient, job_or_raise
from jobwait._engine import LAST_LOOK, OnPoll, Terms, Wait
from jobwait._many import gather
from jobwait._models import Job, SucceededJob
from jobwait._outcome import (
    Intake,
    JobStream,
    OnEnd,
    Outcome,
    ReturnWhen,
    check_ending,
    naming_pending,
)
from jobwait._policy import DEFAULT_RATE, DEFAULT_TIMEOUT, WaitPolicy
from jobwait._protocol import JobLike, gid_of
from jobwait._transport import CONNECTIONS, AsyncBoundedTransport, ExchangeError, exchange


class AsyncJobsClient(BaseClient):
    """Asks Asana about jobs, and waits for them, on asyncio.

    It belongs to one event loop; tasks share its budget of requests and its connections.  Use it
    as an asynchronous context manager, or call ``aclose``.  The parameters and errors are those
    of ``JobsClient``.
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
        self._open()

    @classmethod
    def _beside(cls, other: BaseClient) -> Self:
        """Make a client that spends the same budget, over connections of its own."""
        client = cls.__new__(cls)
        client.__dict__.update(other.__dict__)
        client._open()  # noqa: SLF001 - it is this class
        return client

    def _open(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gate = asyncio.Semaphore(CONNECTIONS)
        self._http = AsyncBoundedTransport(self._base_url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections.  The client cannot be used any more."""
        await self._http.aclose()

    async def get_job(
        self, job_gid: JobLike, *, opt_fields: Iterable[str] | None = None, opt_pretty: bool = False
    ) -> Job:
        """Look at a job once, as ``JobsClient.get_job`` does."""
        gid = gid_of(job_gid)
        request = self._request(gid, opt_fields, opt_pretty=opt_pretty)
        answer = await self._ask(request, inf, lambda: self._request_timeout)
        assert answer is not None  # noqa: S101 - without a limit, its turn always comes
        return job_or_raise(self._understand(gid, answer))

    async def wait(
        self,
        job: JobLike,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - it says more than a cancellation
        policy: WaitPolicy | None = None,
        on_poll: OnPoll | None = None,
    ) -> SucceededJob:
        """Wait until a job succeeded, and return it, as ``JobsClient.wait`` does."""
        return await self._run(self._terms(timeout, policy, on_poll).begin(gid_of(job)))

    def as_completed(
        self,
        jobs: JobStream,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        policy: WaitPolicy | None = None,
        return_when: ReturnWhen = "all",
        on_poll: OnPoll | None = None,
        on_end: OnEnd | None = None,
    ) -> AsyncGenerator[Outcome]:
        """Wait for many jobs, and yield the outcome of each as it ends.

        As ``JobsClient.as_completed``; ``jobs`` may be an asynchronous iterable as well.
        """
        intake = Intake.of(jobs)
        check_ending(return_when, on_end)
        terms = self._terms(timeout, policy, on_poll)
        return self._outcomes(intake, terms, return_when, on_end)

    async def wait_for_jobs(
        self,
        jobs: JobStream,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - it says more than a cancellation
        policy: WaitPolicy | None = None,
        return_when: ReturnWhen = "all",
        on_poll: OnPoll | None = None,
        on_end: OnEnd | None = None,
    ) -> list[Outcome]:
        """Wait for many jobs, as ``JobsClient.wait_for_jobs`` does."""
        intake = Intake.of(jobs)
        check_ending(return_when, on_end)
        ended: dict[str, Outcome] = {}
        terms = self._terms(timeout, policy, on_poll)
        each = self._outcomes(intake, terms, return_when, on_end)
        with naming_pending(intake, ended):
            async with contextlib.aclosing(each):
                async for outcome in each:
                    ended[outcome.gid] = outcome
        return [ended[gid] for gid in intake.gids]

    async def _outcomes(
        self,
        intake: Intake,
        terms: Terms,
        return_when: ReturnWhen,
        on_end: OnEnd | None,
    ) -> AsyncGenerator[Outcome]:
        joined = 0

        def join(waits: int) -> None:
            nonlocal joined
            joined += waits
            self._budget.join(waits)

        def begin(gid: str) -> Wait:
            # All are counted before the first of them polls, so that many are spaced at once.
            join(1)
            return terms.begin(gid)

        async def run(wait: Wait) -> SucceededJob:
            try:
                return await self._drive(wait)
            finally:
                join(-1)

        each = gather(
            intake,
            deadline=terms.deadline,
            begin=begin,
            run=run,
            return_when=return_when,
            on_end=on_end,
        )
        try:
            async with contextlib.aclosing(each):
                async for outcome in each:
                    yield outcome
        finally:
            join(-joined)

    async def _run(self, wait: Wait) -> SucceededJob:
        self._budget.join(1)
        try:
            return await self._drive(wait)
        finally:
            self._budget.join(-1)

    async def _drive(self, wait: Wait) -> SucceededJob:
        request = self._request(wait.gid)
        return await wait.run_async(partial(self._poll, wait, request), asyncio.sleep)

    async def _poll(self, wait: Wait, request: httpx.Request) -> Job:
        until = wait.deadline + LAST_LOOK
        asking = partial(wait.asking, self._request_timeout)
        answer = await self._ask(request, until, asking)
        if answer is None:
            self._check_hold(wait)
            await asyncio.sleep(max(0.0, wait.deadline - time.monotonic()))
            answer = await self._ask(request, until, asking)
        if answer is None:
            raise wait.out_of_turn()
        return job_or_raise(self._understand(wait.gid, answer))

    async def _ask(
        self, request: httpx.Request, until: float, asking: Callable[[], float]
    ) -> httpx.Response | ExchangeError | None:
        failure = None
        while await self._take_turn(until):
            try:
                seconds = asking()
                with exchange(seconds):
                    async with asyncio.timeout(seconds):
                        return await self._http.handle_async_request(request)
            except ExchangeError as error:
                failure = error
            finally:
                self._gate.release()
            if not failure.stale:
                break
        return failure

    async def _take_turn(self, until: float) -> bool:
        self._check_loop()
        ticket = self._reserve(until)
        if ticket is None:
            return False
        try:
            while ticket.at <= until:
                if (left := ticket.at - time.monotonic()) > 0:
                    await asyncio.sleep(left)
                elif not await self._acquire(until):
                    return False  # pragma: no cover - it runs, but the trace is lost on 3.11
                elif self._budget.spend(ticket, time.monotonic()):
                    return True
                else:
                    self._gate.release()
            return False
        finally:
            self._budget.give_back(ticket)

    async def _acquire(self, until: float) -> bool:
        if not self._gate.locked():
            return await self._gate.acquire()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(until - time.monotonic(), 0.0)):
                return await self._gate.acquire()
        return False

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("this client belongs to another event loop: make one for each loop")
