# SPDX-License-Identifier: MIT
"""A rollout of 200 jobs, five in progress, each started when one was seen to end.

On a driven clock, with Asana's limits, under which starts count as polls do.  The caller does
what a user would: a generator POSTs a start whenever one of five slots is free, and is handed to
``as_completed``.  The client's ``rate`` leaves the caller room for the starts, as many a minute as
five slots take if a job takes its median: 38 for 8 s, 10 for 30 s; the price stays that of the
whole budget.  Measured: which part of the
time the five slots are busy, from the first start to the last; the mean of 24 rollouts with
other seeds.

Promises: busy at least 80 % (log-normal durations, median 8 s, sigma 0.8) and 92 % (30 s, 0.5) at
150 requests a minute, 94 % and 97 % at 1,500; and no request is rejected.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator
from statistics import fmean
from typing import Any

from shared import DrivenAsana, drive, promise, table

from jobwait import WaitPolicy
from jobwait.simulator import Durations, ManualClock

JOBS = 200
SLOTS = 5
CASES = (
    (150, 8, 0.8, 0.80),
    (1_500, 8, 0.8, 0.94),
    (150, 30, 0.5, 0.92),
    (1_500, 30, 0.5, 0.97),
)
_SEEDS = 24


def main() -> None:
    """Run the benchmark."""
    rows, verdicts = [], []
    for limit, median, sigma, least in CASES:
        rate = limit - math.ceil(SLOTS * 60 / median)
        durations = Durations.lognormal(median, sigma)
        runs = [_rollout(limit, rate, durations, seed) for seed in range(_SEEDS)]
        busy = [_busy(asana) for asana in runs]
        rejected = sum(asana.statuses[429] for asana in runs)
        name = f"median {median} s, sigma {sigma}, {limit:,} a minute"
        rows.append(
            (
                name,
                rate,
                f"{fmean(busy):.1%}",
                f"{min(busy):.1%}",
                max(asana.busiest_minute() for asana in runs),
                rejected,
            )
        )
        verdicts.append((name, fmean(busy), least, rejected))
    table(("", "rate=", "busy", "least busy", "most in 60 s", "rejected"), rows)
    for name, share, least, rejected in verdicts:
        promise(f"{name}: slots busy", share, at_least=least, form=".1%")
        promise(f"{name}: rejected requests", rejected, at_most=0, form=".0f")


def _rollout(limit: int, rate: int, duration: Durations, seed: int) -> DrivenAsana:
    random.seed(seed)
    clock = ManualClock()
    asana = DrivenAsana(clock, rate=limit, duration=duration, in_progress=SLOTS, seed=seed)

    async def wait() -> None:
        free = asyncio.Semaphore(SLOTS)

        async def starts() -> AsyncIterator[Any]:
            for _ in range(JOBS):
                await free.acquire()
                yield await _start(asana)

        # The price is half a slot of all that the token has, not of what the starts leave.
        policy = WaitPolicy(price=30 / limit)
        async with asana.client(rate) as client:
            async for outcome in client.as_completed(starts(), timeout=None, policy=policy):
                assert outcome.outcome == "succeeded", outcome
                free.release()

    drive(clock, wait())
    return asana


async def _start(asana: DrivenAsana) -> Any:
    while True:
        answer = await asana.request("POST", "/projects/1/duplicate", b'{"data": {"name": "n"}}')
        if answer.status == 201:
            return json.loads(answer.body)
        await asyncio.sleep(float(answer.headers["Retry-After"]))


def _busy(asana: DrivenAsana) -> float:
    """Return which part of the time the slots were busy, until there was no more to start."""
    jobs = asana.world.jobs.values()
    first = min(job.started for job in jobs)
    last = max(job.started for job in jobs)
    return sum(min(job.ends, last) - job.started for job in jobs) / (last - first) / SLOTS
