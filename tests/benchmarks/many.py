# SPDX-License-Identifier: MIT
"""Many waits on one token, on a driven clock, with Asana's limits.

Measured: how long after its end each job is seen to have ended, how many requests are rejected,
and how evenly they are spread.  Jobs all start at once; their durations are log-normal, median
30 s, sigma 0.8.  Against: a round-robin server of the same rate without any overhead, and, in the
same run, independent loops as they are usually written: each job its own, doubling its pause from
1 s to 60 s, give or take half of it, obeying ``Retry-After``, giving up after half an hour.

Promises: no request is rejected; the mean delay is at most 1.10 times the round-robin server's.
For evenness the bounds are our own: while a tenth of the jobs are waited for, no silence is
longer than two slots of the budget, and no 60 seconds hold more requests than the rate.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from statistics import fmean

from shared import DrivenAsana, drive, lognormal, promise, round_robin, table

from jobwait.simulator import ManualClock

CASES = ((1_000, 1_500), (1_000, 150), (10_000, 1_500))
_GIVES_UP = 1800.0


@dataclass(frozen=True, slots=True)
class _Run:
    asana: DrivenAsana
    delays: list[float]
    silence: float = 0.0
    missed: float = 0.0

    @property
    def rejected(self) -> int:
        return self.asana.statuses[429]


def main() -> None:
    """Run the benchmark."""
    found, spread, verdicts = [], [], []
    for jobs, rate in CASES:
        durations = lognormal(30, 0.8, jobs)
        # Asked for in an order that says nothing about how long they take.
        Random(jobs).shuffle(durations)
        ours, loops = _jobwait(durations, rate), _own_loops(durations, rate)
        ideal, mean = fmean(round_robin(durations, rate)), fmean(ours.delays)
        # Of all jobs, as if the waits that gave up had seen the end just then.
        unseen = jobs - len(loops.delays)
        naive = (sum(loops.delays) + loops.missed) / jobs
        name = f"{jobs:,} jobs, {rate:,} a minute"
        asked, busiest = len(loops.asana.arrivals), ours.asana.busiest_minute()
        found.append(
            (
                name,
                f"{ideal:.1f} s",
                f"{mean:.1f} s",
                f"{mean / ideal:.3f}",
                ours.rejected,
                f"{naive:.1f} s",
                f"{naive / mean:.2f}",
                f"{loops.rejected / asked:.0%} of {asked:,}",
                f"{unseen:,}",
            )
        )
        requests = f"{len(ours.asana.arrivals):,}"
        spread.append((name, requests, f"{60 / rate:.2f} s", f"{ours.silence:.2f} s", busiest))
        verdicts.append(
            (name, ours.rejected, mean / ideal, ours.silence * rate / 60, busiest, rate)
        )
    table(
        (
            "",
            "round robin",
            "jobwait",
            "ratio",
            "rejected",
            "own loops",
            "to jobwait",
            "rejected",
            "never seen",
        ),
        found,
    )
    table(("", "requests", "slot", "longest silence", "most in 60 s"), spread)
    for name, rejected, ratio, slots, busiest, rate in verdicts:
        promise(f"{name}: rejected requests", rejected, at_most=0, form=".0f")
        promise(f"{name}: mean delay to round robin's", ratio, at_most=1.10, form=".3f")
        promise(f"{name}: longest silence, in slots", slots, at_most=2)
        promise(f"{name}: requests in any 60 s", busiest, at_most=rate, form=".0f")


def _jobwait(durations: list[float], rate: int) -> _Run:
    clock = ManualClock()
    asana = DrivenAsana(clock, rate=rate)
    delays = asana.delays()

    async def wait() -> float:
        async with asana.client(rate) as client:
            gids = asana.start(durations)
            await client.wait_for_jobs(gids, timeout=None, on_end=delays.note)
        # When a tenth of the jobs was left; they come in order.
        return delays.seen[len(gids) * 9 // 10]

    saturated = drive(clock, wait())
    silences = (b - a for a, b in pairwise(asana.sent) if b < saturated)
    return _Run(asana, delays, max(silences))


def _own_loops(durations: list[float], rate: int) -> _Run:
    clock = ManualClock()
    asana = DrivenAsana(clock, rate=rate)
    delays = asana.delays()
    rng = Random(0)

    async def loop(gid: str) -> None:
        pause = 1.0
        while clock() < _GIVES_UP:
            answer = await asana.request("GET", f"/jobs/{gid}")
            if b'"succeeded"' in answer.body:
                delays.note_gid(gid)
                return
            retry_after = float(answer.headers.get("Retry-After", 0))
            await asyncio.sleep(max(pause * rng.uniform(0.5, 1.5), retry_after))
            pause = min(pause * 2, 60.0)

    async def all_loops() -> None:
        async with asyncio.TaskGroup() as group:
            for gid in asana.start(durations):
                group.create_task(loop(gid))

    drive(clock, all_loops())
    seen = set(delays.gids)
    missed = (job.ends for gid, job in asana.world.jobs.items() if gid not in seen)
    return _Run(asana, delays, missed=sum(_GIVES_UP - ends for ends in missed))
