# SPDX-License-Identifier: MIT
"""A crowd of waits on virtual time: an event loop that sleeps by moving the clock.

The simulated Asana answers in the process, so that nothing real is waited for and hours pass in
seconds.  What is under test is jobwait from its public methods down to its transport.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import pytest

from jobwait import AsyncJobsClient
from jobwait.simulator._settings import Settings
from jobwait.simulator._world import World

_T = TypeVar("_T")

# What an answer takes, in virtual seconds.
LATENCY = 0.05


class Time:
    """The seconds that have passed."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    """Waits for files by not waiting: the clock moves instead."""

    def __init__(self, clock: Time) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None and timeout > 0:
            self._clock.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Time) -> None:
        super().__init__(_Selector(clock))
        self._virtual = clock

    def time(self) -> float:
        return self._virtual.now


class Near:
    """A transport whose far side is in the process."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as the simulated Asana does, after a moment."""
        await asyncio.sleep(LATENCY)
        target = request.url.raw_path.decode()
        answer = self.world.answer(request.method, target, request.headers)
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""


class Crowd:
    """A client on virtual time, and the simulated Asana that it asks."""

    def __init__(self, clock: Time, **knobs: Any) -> None:
        self.clock = clock
        self.world = World(Settings(**({"in_progress_limit": None} | knobs)), clock=clock)

    def run(self, use: Callable[[AsyncJobsClient], Awaitable[_T]], *, rate: float = 150.0) -> _T:
        """Make a client, use it, close it; no task may be left, nor any wait in its budget."""

        async def main() -> _T:
            async with AsyncJobsClient(
                self.world.tokens[0], base_url="http://localhost/api/1.0", rate=rate
            ) as client:
                await client._http.aclose()
                client._http = Near(self.world)  # type: ignore[assignment]
                try:
                    return await use(client)
                finally:
                    assert client._budget.waits == 0
                    assert asyncio.all_tasks() == {asyncio.current_task()}

        with asyncio.Runner(loop_factory=lambda: _Loop(self.clock)) as runner:
            return runner.run(main())


@contextmanager
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    """Let ``time.monotonic`` say what the virtual clock says."""
    clock = Time()
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", clock)
        yield clock
