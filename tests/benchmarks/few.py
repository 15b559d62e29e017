# SPDX-License-Identifier: MIT
"""Fewer waits than the budget binds, on a driven clock: is each as prompt as if it were alone?

Measured: how long after its end each job is seen to have ended, when so many jobs start together
and are waited for by one client.  Against: the same jobs, each with a client of its own.
Durations are log-normal, median 30 s, sigma 0.8; a job's jitter and its way over the network are
the same in both.  "Wanted" is how many requests such a crowd sends in its first minute if nothing
holds it back: in the mean, and at most, which is if all of its jobs take longer than that.

Promise: while the most that they can want is within the rate, which is when the budget cannot
bind, the mean delay together is at most 1.05 times that alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from statistics import fmean
from unittest.mock import patch

from shared import DrivenAsana, drive, lognormal, promise, table

from jobwait.simulator import ManualClock

CASES = ((150, (1, 3, 5, 8, 12)), (1_500, (10, 20, 27, 50)))
_JOBS = 720


def main() -> None:
    """Run the benchmark."""
    durations = lognormal(30, 0.8, _JOBS)
    random.Random(0).shuffle(durations)
    rows, verdicts = [], []
    for rate, crowds in CASES:
        alone, polls, most = _delays(durations, 1, rate)
        for crowd in crowds:
            together, *_ = _delays(durations, crowd, rate)
            ratio = together / alone
            name = f"{crowd} at {rate:,} a minute"
            rows.append(
                (
                    name,
                    f"{polls * crowd:.0f}",
                    most * crowd,
                    f"{alone:.2f} s",
                    f"{together:.2f} s",
                    f"{ratio:.3f}",
                )
            )
            if most * crowd <= rate:
                verdicts.append((name, ratio))
    table(("jobs", "wanted, mean", "at most", "alone", "together", "ratio"), rows)
    for name, ratio in verdicts:
        promise(f"{name}: mean delay together to that alone", ratio, at_most=1.05, form=".3f")


def _delays(durations: Sequence[float], crowd: int, rate: int) -> tuple[float, float, int]:
    """Return the mean delay in crowds of this size, and the requests of a first minute.

    These are the mean for a job, and the most of any crowd.
    """
    clock = ManualClock()
    asana = DrivenAsana(clock, rate=None, on_its_way=(0.05, 0.05))
    delays = asana.delays()
    wanted = []

    async def wait() -> None:
        for first in range(0, len(durations), crowd):
            began, before = clock(), len(asana.sent)
            async with asana.client(rate) as client:
                gids = asana.start(durations[first : first + crowd])
                await client.wait_for_jobs(gids, on_end=delays.note)
            wanted.append(sum(at - began < 60 for at in asana.sent[before:]))

    with patch("jobwait._engine.uniform", _jitter()):
        drive(clock, wait())
    return fmean(delays), sum(wanted) / len(durations), max(wanted)


def _jitter() -> Callable[[float, float], float]:
    """Return what draws each job's jitter from its own source."""
    sources: dict[str, random.Random] = {}

    def uniform(low: float, high: float) -> float:
        task = asyncio.current_task()
        assert task is not None
        name = task.get_name()
        if name not in sources:
            sources[name] = random.Random(name)
        return sources[name].uniform(low, high)

    return uniform
