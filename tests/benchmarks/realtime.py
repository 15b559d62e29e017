# SPDX-License-Identifier: MIT
"""Once in real time: 1,000 waits at 1,500 a minute over loopback, as ``many`` has them.

Measured, over real HTTP and in real seconds, for about two minutes: how long after its end each job
is seen to have ended, and how many requests are rejected.  Against: a round-robin server of the
same rate without overhead.  Durations are log-normal, median 30 s, sigma 0.8, cut off at 120 s.

Promises: no request is rejected; the mean delay is at most 1.10 times the round-robin server's.
"""

from __future__ import annotations

import asyncio
import random
import time
from statistics import fmean

from faulty import Faulty, started
from shared import lognormal, promise, round_robin, table

from jobwait import AsyncJobsClient, Outcome

JOBS = 1_000
RATE = 1_500


def main() -> None:
    """Run the benchmark."""
    durations = [min(each, 120.0) for each in lognormal(30, 0.8, JOBS)]
    random.Random(JOBS).shuffle(durations)
    with started(durations, rate=RATE) as far:
        began, cpu = time.monotonic(), time.process_time()
        delays = asyncio.run(_delays(far))
        took, used = time.monotonic() - began, time.process_time() - cpu
        statuses, _ = far.count()
    ideal, mean = fmean(round_robin(durations, RATE)), fmean(delays)
    table(
        ("", "round robin", "jobwait", "ratio", "requests", "rejected", "took", "CPU"),
        [
            (
                f"{JOBS:,} jobs, {RATE:,} a minute",
                f"{ideal:.1f} s",
                f"{mean:.1f} s",
                f"{mean / ideal:.3f}",
                f"{statuses.total():,}",
                statuses[429],
                f"{took:.0f} s",
                f"{used:.1f} s",
            )
        ],
    )
    promise("rejected requests", statuses[429], at_most=0, form=".0f")
    promise("mean delay to round robin's", mean / ideal, at_most=1.10, form=".3f")


async def _delays(far: Faulty) -> list[float]:
    delays = []

    def note(outcome: Outcome) -> None:
        assert outcome.outcome == "succeeded", outcome
        delays.append(time.monotonic() - far.jobs[outcome.gid].ends)

    async with AsyncJobsClient(far.token, base_url=far.base_url, rate=RATE) as client:
        await client.wait_for_jobs(list(far.jobs), timeout=None, on_end=note)
    return delays
