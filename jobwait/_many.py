# SPDX-License-Identifier: MIT
"""Many waits at once: they share a deadline, and none troubles another.

``gather`` is the whole of it: it begins a wait for each job as the jobs come in, and yields an
``Outcome`` as each ends.  ``in_thread`` is the same for callers without an event loop.  This
file does not know how a poll is made, nor how the waits share a budget.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sys
import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from math import inf
from typing import Any, TypeVar

from jobwait._engine import Wait
from jobwait._errors import JobwaitError
from jobwait._models import SucceededJob
from jobwait._outcome import Intake, Outcome, ReturnWhen, outcome_of
from jobwait._protocol import JobLike

_T = TypeVar("_T")


async def gather(  # noqa: C901 - the life of a crowd is told in one place
    intake: Intake,
    *,
    deadline: float,
    begin: Callable[[str], Wait],
    run: Callable[[Wait], Awaitable[SucceededJob]],
    return_when: ReturnWhen,
    on_end: Callable[[Outcome], object] | None,
) -> AsyncGenerator[Outcome]:
    """Wait for all jobs of an intake; yield each outcome as it comes.

    Args:
        intake: The jobs.
        deadline: When no more are taken in, on the monotonic clock.
        begin: Makes the wait of a gid.
        run: Runs it to its end.
        return_when: ``"all"`` ends with the last job, ``"any"`` with the first that succeeds,
            ``"first_failure"`` with the first that does not.
        on_end: A function that is called with every outcome.

    Raises:
        BaseException: Whatever ``on_poll``, ``on_end`` or the stream of jobs raised.
    """
    ended: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()
    waits: dict[asyncio.Task[Any], Wait] = {}

    async def one(wait: Wait) -> Outcome:
        try:
            await run(wait)
        except JobwaitError as error:
            if error is wait.refusal:
                raise
            return outcome_of(wait, error)
        return outcome_of(wait)

    def admit(gids: Iterable[str]) -> None:
        for gid in gids:
            wait = begin(gid)
            task = asyncio.create_task(one(wait), name=f"jobwait {gid}")
            waits[task] = wait
            task.add_done_callback(ended.put_nowait)

    def tell(outcome: Outcome) -> Outcome:
        if on_end is not None:
            on_end(outcome)
        return outcome

    admit(dict.fromkeys(intake.gids))
    feed = None
    if intake.stream is not None:
        feeding = _admit_all(intake, intake.stream, admit, deadline)
        feed = asyncio.create_task(feeding, name="jobwait intake")
        feed.add_done_callback(ended.put_nowait)
    cause: JobwaitError | None = None
    try:
        fed = feed is None
        while waits or not fed:
            task = await ended.get()
            if task is feed:
                fed = True
                continue
            del waits[task]
            outcome = tell(task.result())
            yield outcome
            if outcome.error is not None and outcome.error.concerns_all:
                cause = outcome.error
                break
            succeeded = outcome.outcome == "succeeded"
            if return_when == ("any" if succeeded else "first_failure"):
                break
        if feed is not None:
            # No job is started any more by a stream that hears of the ends that follow.
            await _cancel([feed])
        for outcome in await _cut_short(waits, cause):
            yield tell(outcome)
        if feed is not None and fed:
            feed.result()
    finally:
        await _cancel([*waits, *([feed] if feed else [])])


async def _admit_all(
    intake: Intake,
    stream: Iterator[JobLike] | AsyncIterable[JobLike],
    admit: Callable[[Iterable[str]], None],
    deadline: float,
) -> None:
    known = set(intake.gids)
    jobs = stream if isinstance(stream, AsyncIterable) else _threaded(stream)
    left = None if deadline == inf else max(deadline - time.monotonic(), 0.0)
    limit = asyncio.timeout(left)
    try:
        async with limit:
            async for job in jobs:
                gid = intake.take(job)
                if gid not in known:
                    known.add(gid)
                    admit([gid])
    except TimeoutError:
        if not limit.expired():
            raise


async def _threaded(items: Iterator[_T]) -> AsyncIterator[_T]:
    """Draw from an iterator that may block, such as the lines of a pipe, without blocking."""
    loop = asyncio.get_running_loop()
    drawn: asyncio.Queue[tuple[bool, Any]] = asyncio.Queue()
    wanted = True

    def draw() -> None:
        try:
            for item in items:
                if not wanted:
                    return
                loop.call_soon_threadsafe(drawn.put_nowait, (True, item))
            error: BaseException | None = None
        except BaseException as raised:  # noqa: BLE001 - it is raised again where it is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(drawn.put_nowait, (False, error))

    # A daemon: a read that never returns must not keep the process alive.
    threading.Thread(target=draw, name="jobwait-intake", daemon=True).start()
    try:
        while True:
            more, item = await drawn.get()
            if more:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        wanted = False


async def _cut_short(
    waits: dict[asyncio.Task[Any], Wait], cause: JobwaitError | None
) -> list[Outcome]:
    """End the waits that are left, and say what is known of each."""
    left = dict(waits)
    await _cancel(left)
    waits.clear()
    return [
        # One may have ended while another's end was being told.
        outcome_of(wait, cause) if task.cancelled() else task.result()
        for task, wait in left.items()
    ]


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    # Those that are done are gathered too: what one raised has been told, or comes too late.
    await asyncio.gather(*cancelled, return_exceptions=True)


def in_thread(outcomes: Callable[[], AsyncGenerator[Outcome]]) -> Generator[Outcome]:
    """Yield what an asynchronous iterator does, from an event loop in a thread of its own.

    Closing the generator, or an exception where it is consumed, cancels what is left.
    """
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def tell() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio.run made it
        told.put((asyncio.get_running_loop(), task))
        async with contextlib.aclosing(outcomes()) as each:
            async for outcome in each:
                told.put(outcome)

    def work() -> None:
        try:
            asyncio.run(tell())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is consumed
            told.put(error)
        else:
            told.put(None)

    def heard() -> Any:
        item = told.get()
        if isinstance(item, BaseException):
            raise item
        return item

    thread = threading.Thread(target=work, name="jobwait", daemon=True)
    thread.start()
    loop, task = heard()
    try:
        while (outcome := heard()) is not None:
            yield outcome
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left
            loop.call_soon_threadsafe(task.cancel)
        # From 3.13 on, to wait for a daemon while the process ends is to wait for ever.
        if not sys.is_finalizing():  # pragma: no branch - nothing is measured by then
            thread.join()
