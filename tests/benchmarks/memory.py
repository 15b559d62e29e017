# SPDX-License-Identifier: MIT
"""What a waiting job costs in memory, and what it costs to begin many waits.

Measured: the memory that 10,000 waits hold when all have begun, and when all were polled
(tracemalloc; on a driven clock, answers held by nobody else); and the CPU time from the call of
``wait_for_jobs`` until every wait has begun, for more and more jobs, with Python's garbage
collector and without it.  The collector looks at all there is each time that there is a quarter
more, so that a job costs more until waits outnumber what Python itself holds, and then no more.

Promises: at most 16 KiB for each waiting job; start-up is linear: without the collector a job
costs at most 1.5 times as much among 10,000 as among 1,000, and with it as among 5,000.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import tracemalloc
from collections.abc import Sequence

import httpx
from shared import DrivenAsana, drive, promise, table

from jobwait.simulator import ManualClock

RATE = 1_500
JOBS = 10_000
CROWDS = (1_000, 2_000, 5_000, 10_000)
_ROUNDS = 5
_GIDS = tuple(str(1_200_000_000_000_000 + n) for n in range(JOBS))


class _PendingForEver(DrivenAsana):
    """Answers about any job that it is in progress, and remembers nothing."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.1)
        gid = request.url.path.rpartition("/")[2]
        return httpx.Response(
            200,
            text=f'{{"data":{{"gid":"{gid}","resource_type":"job","status":"in_progress",'
            '"resource_subtype":"duplicate_project","new_project":{"gid":"1300",'
            '"resource_type":"project","name":"Copy of Launch"}}}',
        )


def main() -> None:
    """Run the benchmark."""
    held = _memory((0.0, 60 * JOBS / RATE * 1.03))
    names = ("begun", "all polled")
    table(
        ("10,000 waits", "bytes a job"),
        [(name, f"{size:,.0f}") for name, size in zip(names, held, strict=True)],
    )
    times = {crowd: min(_start_up(crowd) for _ in range(_ROUNDS)) for crowd in CROWDS}
    gc.disable()
    plain = {crowd: min(_start_up(crowd) for _ in range(_ROUNDS)) for crowd in CROWDS}
    gc.enable()
    table(
        ("jobs", "CPU to begin", "for each", "for each, no collector"),
        [
            (
                f"{crowd:,}",
                f"{times[crowd] * 1e3:.0f} ms",
                f"{times[crowd] / crowd * 1e6:.0f} us",
                f"{plain[crowd] / crowd * 1e6:.0f} us",
            )
            for crowd in CROWDS
        ],
    )
    promise("KiB for each waiting job", max(held) / 1024, at_most=16, form=".1f")
    for what, seconds, (many, few) in (
        ("without the collector, ", plain, (10_000, 1_000)),
        ("", times, (10_000, 5_000)),
    ):
        promise(
            f"{what}to begin one of {many:,} to one of {few:,}",
            seconds[many] / many / (seconds[few] / few),
            at_most=1.5,
        )


def _memory(moments: Sequence[float]) -> list[float]:
    """Return the bytes that each wait holds after so many seconds."""
    clock = ManualClock()
    asana = _PendingForEver(clock, rate=None)

    async def wait() -> list[float]:
        held = []
        async with asana.client(RATE) as client:
            gc.collect()
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
            waiting = asyncio.create_task(client.wait_for_jobs(_GIDS, timeout=None))
            for moment in moments:
                await asyncio.sleep(moment + 0.01 - clock())
                gc.collect()
                held.append((tracemalloc.get_traced_memory()[0] - before) / len(_GIDS))
            tracemalloc.stop()
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
        return held

    return drive(clock, wait())


def _start_up(jobs: int) -> float:
    """Return the CPU seconds until all waits have begun."""
    clock = ManualClock()
    asana = _PendingForEver(clock, rate=None)

    async def wait() -> float:
        async with asana.client(RATE) as client:
            gc.collect()
            began = time.process_time()
            waiting = asyncio.create_task(client.wait_for_jobs(_GIDS[:jobs], timeout=None))
            # No time passes on the driven clock before all that can be done was done.
            await asyncio.sleep(0.001)
            took = time.process_time() - began
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
        return took

    return drive(clock, wait())
