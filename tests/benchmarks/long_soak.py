# SPDX-License-Identifier: MIT
"""10,000 waits in one process for ten minutes of real time, over loopback, with random faults.

The simulator answers 2 % of reads with 500 and 2 % with 502 and HTML; new jobs are not found for
four seconds; 1 % of requests are answered with a reset of the connection; 5 % of the jobs fail.
Measured: what each wait said, against what is true; and what is left once all have ended.  With
fewer seconds (``JOBWAIT_SOAK=60 python tests/benchmarks soak``) the rate is higher, so that the
same polls are made in less time.

Promises: no wrong outcome, no missed end, no leak, and no request is rejected.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from faulty import Faulty, Truth, started
from shared import lognormal, promise, table

from jobwait import AsyncJobsClient, Outcome, Poll

JOBS = 10_000
SECONDS = float(os.environ.get("JOBWAIT_SOAK", "600"))
RATE = round(1_500 * 600 / SECONDS)

_Said: TypeAlias = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True)
class _Left:
    """What a process has: all of it is to be the same before and after."""

    descriptors: int
    threads: int
    tasks: int
    waits: int

    @classmethod
    def now(cls) -> _Left:
        gc.collect()
        return cls(
            len(list(Path("/dev/fd").iterdir())),
            threading.active_count(),
            len(asyncio.all_tasks()),
            sum(type(each).__name__ in {"Wait", "Ticket", "Request"} for each in gc.get_objects()),
        )


def main() -> None:
    """Run the benchmark."""
    # All have ended when three fifths of the time are over: the rest is for seeing it.
    durations = [min(each, SECONDS * 0.6) for each in lognormal(SECONDS / 5, 0.8, JOBS)]
    random.Random(0).shuffle(durations)
    with started(
        durations,
        resets=0.01,
        rate=RATE,
        server_errors=0.02,
        bad_gateways=0.02,
        not_found_for=4.0,
        fail=0.05,
    ) as far:
        began, cpu = time.monotonic(), time.process_time()
        said, faults, before, held, after = asyncio.run(_wait(far))
        took, used = time.monotonic() - began, time.process_time() - cpu
        statuses, resets = far.count()
    ended = Counter(word for _, word, _ in said)
    wrong = sum(not _is_true(far.jobs[gid], word, made) for gid, word, made in said)
    left = sum(max(0, getattr(after, name) - getattr(before, name)) for name in _Left.__slots__)
    rows = [
        ("waits", f"{len(said):,}"),
        ("real time", f"{took:.0f} s"),
        ("CPU", f"{used:.0f} s"),
        *((f"outcome {word}", f"{count:,}") for word, count in ended.most_common()),
        *((f"answers with {status}", f"{count:,}") for status, count in statuses.most_common()),
        ("connections reset", resets),
        *((f"polls that failed: {kind}", f"{count:,}") for kind, count in faults.most_common()),
        ("left before: descriptors, threads, tasks, objects", _shown(before)),
        ("left while the outcomes are kept", _shown(held)),
        ("left after", _shown(after)),
    ]
    table(("", "count"), rows)
    missing = len(set(far.jobs)) - len({gid for gid, _, _ in said})
    missing += ended["pending"] + ended["timed_out"]
    promise("wrong outcomes", wrong, at_most=0, form=".0f")
    promise("ends that were missed", missing, at_most=0, form=".0f")
    promise("descriptors, threads, tasks and objects leaked", left, at_most=0, form=".0f")
    promise("rejected requests", statuses[429], at_most=0, form=".0f")


def _shown(left: _Left) -> str:
    return f"{left.descriptors}, {left.threads}, {left.tasks}, {left.waits}"


def _is_true(truth: Truth, word: str, made: str | None) -> bool:
    return (word, made) == (
        truth.outcome,
        truth.reference if truth.outcome == "succeeded" else None,
    )


async def _wait(
    far: Faulty,
) -> tuple[list[_Said], Counter[str], _Left, _Left, _Left]:
    """Return what was said of each job, how many polls failed, and what was left when."""
    faults: Counter[str] = Counter()

    def note(poll: Poll) -> None:
        if poll.error is not None:
            faults[type(poll.error).__name__] += 1

    def check(outcome: Outcome) -> None:
        # One that is seen to have ended before it has is wrong as well.
        assert time.monotonic() >= far.jobs[outcome.gid].ends, outcome

    async def wait() -> list[Outcome]:
        async with AsyncJobsClient(far.token, base_url=far.base_url, rate=RATE) as client:
            jobs = list(far.jobs)
            return await client.wait_for_jobs(jobs, timeout=None, on_poll=note, on_end=check)

    before = _Left.now()
    outcomes = await wait()
    await asyncio.sleep(0.1)
    held = _Left.now()
    said: list[_Said] = [
        (each.gid, each.outcome, each.reference.gid if each.reference else None)
        for each in outcomes
    ]
    del outcomes
    return said, faults, before, held, _Left.now()
