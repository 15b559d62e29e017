# SPDX-License-Identifier: MIT
"""What the benchmarks share: how they report, and a simulated Asana on a driven clock.

On the driven clock an event loop never sleeps: whenever nothing is left to do, the clock is moved
to the next timer.  An hour of a thousand waits takes seconds, and comes out the same each time.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Sequence
from random import Random
from statistics import NormalDist
from typing import Any, TypeVar
from unittest.mock import patch

import httpx

from jobwait import AsyncJobsClient, Outcome
from jobwait.simulator import ManualClock
from jobwait.simulator._answers import Answer
from jobwait.simulator._settings import Settings
from jobwait.simulator._time import Duration
from jobwait.simulator._world import BASE_PATH, World

_T = TypeVar("_T")

missed: list[str] = []
"""The promises that were not held."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table; its first column holds words, the others numbers."""
    print(f"| {' | '.join(head)} |")
    print(f"|---|{'---:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print()


def promise(
    what: str,
    value: float,
    *,
    at_most: float = math.inf,
    at_least: float = -math.inf,
    form: str = ".2f",
) -> None:
    """Print whether a promise was held."""
    held = at_least <= value <= at_most
    if not held:
        missed.append(what)
    word, limit = ("at most", at_most) if at_most < math.inf else ("at least", at_least)
    verdict = "held" if held else "**missed**"
    print(f"- {what}: {value:{form}}, promised {word} {limit:{form}}: {verdict}")


def lognormal(median: float, sigma: float, count: int) -> list[float]:
    """Return durations spread evenly over a log-normal distribution, in ascending order."""
    quantile = NormalDist(math.log(median), sigma).inv_cdf
    return [math.exp(quantile((n + 0.5) / count)) for n in range(count)]


class _DrivenSelector(selectors.SelectSelector):
    """Lets no time pass but on its clock."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing is left that could happen")
            self._clock.advance(timeout)
        return ready


def drive(clock: ManualClock, main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on an event loop, and jobwait with it, by a driven clock."""

    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(_DrivenSelector(clock))

    with patch("time.monotonic", clock), asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)


class DrivenAsana:
    """A simulated Asana without sockets, which stands in for a client's transport.

    A request is on its way for 20 to 80 ms, and so is its answer, if nothing else is said.

    Args:
        clock: The driven clock.
        rate: The requests a minute that it allows; rejected ones count.
        duration: How long jobs take that are started by POST.
        in_progress: How many such jobs may be in progress.
        on_its_way: The least and the most seconds that each way takes.
        seed: Where all chance comes from.

    Attributes:
        sent: When each request was sent.
        arrivals: When each reached it.
        statuses: How many answers there were of each status.
    """

    def __init__(
        self,
        clock: ManualClock,
        *,
        rate: int | None,
        duration: Duration = 3.0,
        in_progress: int | None = None,
        on_its_way: tuple[float, float] = (0.02, 0.08),
        seed: int = 0,
    ) -> None:
        settings = Settings(duration=duration, rate=rate, in_progress_limit=in_progress, seed=seed)
        self.clock = clock
        self.world = World(settings, clock)
        self.sent: list[float] = []
        self.arrivals: list[float] = []
        self.statuses: Counter[int] = Counter()
        self._headers = {"authorization": f"Bearer {self.world.tokens[0]}"}
        self._on_its_way = on_its_way
        self._rng = Random(seed)

    def client(self, rate: float) -> AsyncJobsClient:
        """Return a client whose requests come here."""
        client = AsyncJobsClient(
            self.world.tokens[0], base_url=f"http://127.0.0.1:1{BASE_PATH}", rate=rate
        )
        client._http = self  # type: ignore[assignment]
        return client

    def start(self, durations: Iterable[float]) -> list[str]:
        """Start a job for each duration, past all limits; return their gids."""
        return [
            str(self.world.start("duplicate_project", duration=duration)["gid"])
            for duration in durations
        ]

    async def request(self, method: str, target: str, body: bytes = b"") -> Answer:
        """Answer a request to a path beneath the API's base."""
        self.sent.append(self.clock())
        await asyncio.sleep(self._rng.uniform(*self._on_its_way))
        self.arrivals.append(self.clock())
        answer = self.world.answer(method, BASE_PATH + target, self._headers, body)
        self.statuses[answer.status] += 1
        await asyncio.sleep(self._rng.uniform(*self._on_its_way))
        return answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a client's request, as its transport would."""
        answer = await self.request(request.method, request.url.path.removeprefix(BASE_PATH))
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    def delays(self) -> _Delays:
        """Return what notes how long after its end each job is seen to have ended."""
        return _Delays(self)

    def busiest_minute(self) -> int:
        """Return the largest number of requests in any 60 seconds."""
        return max(
            (
                n + 1 - bisect_right(self.arrivals, at - 60, 0, n)
                for n, at in enumerate(self.arrivals)
            ),
            default=0,
        )


class _Delays(list[float]):
    """How long after its end each job was seen to have ended; pass ``note`` as ``on_end``.

    Attributes:
        gids: Which jobs they are.
        seen: When they were seen to have ended.
    """

    def __init__(self, asana: DrivenAsana) -> None:
        super().__init__()
        self.gids: list[str] = []
        self.seen: list[float] = []
        self._asana = asana

    def note(self, outcome: Outcome) -> None:
        assert outcome.outcome == "succeeded", outcome
        self.note_gid(outcome.gid)

    def note_gid(self, gid: str) -> None:
        self.gids.append(gid)
        self.seen.append(self._asana.clock())
        self.append(self.seen[-1] - self._asana.world.jobs[gid].ends)


def round_robin(durations: Sequence[float], rate: float) -> list[float]:
    """Return the delays of a server without overhead that asks about one job after the other.

    It asks once every ``60 / rate`` seconds, and is answered at once.
    """
    delays = []
    line = deque(durations)
    at = 0.0
    while line:
        ends = line.popleft()
        if ends <= at:
            delays.append(at - ends)
        else:
            line.append(ends)
        at += 60 / rate
    return delays
