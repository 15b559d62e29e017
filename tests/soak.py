# SPDX-License-Identifier: MIT
"""Wait for thousands of jobs on an Asana with random faults, and count what was told wrongly.

    .venv/bin/python tests/soak.py [POLLS] [SEED]

It goes on until so many polls were made (100,000 if not said), on virtual time, and exits with 1
if any outcome was wrong, any request was rejected or anything was left behind.  The same seed
gives the same run.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from random import Random

import httpx
import pytest
from virtual import Crowd, Near, Time, virtual_time

from jobwait import AsyncJobsClient, Outcome, Poll, WaitPolicy
from jobwait._transport import ExchangeError
from jobwait.simulator import Durations
from jobwait.simulator._world import World

JOBS = 500
RATE = 1500
FAULTY = 0.2
PATIENT = WaitPolicy(outage_tolerance=float("inf"), not_found_grace=60.0, settle=60.0)


def _raise(error: Exception) -> httpx.Response:
    raise error


def _answer(status: int, body: bytes = b"", **headers: str) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, headers=headers, content=body)


FAULTS: dict[str, Callable[[], httpx.Response]] = {
    "reset": lambda: _raise(ExchangeError("Connection reset by peer")),
    "stale": lambda: _raise(ExchangeError("Server disconnected", stale=True)),
    "too slow": lambda: _raise(ExchangeError("no whole answer within 30 s")),
    "500": _answer(500, b'{"errors":[{"message":"Server Error","phrase":"6 sad squid"}]}'),
    "502 in HTML": _answer(502, b"<html><h1>Bad Gateway</h1></html>"),
    "503, told to wait": _answer(503, b"", **{"Retry-After": "7"}),
    "408": _answer(408),
    "404": _answer(404, b'{"errors":[{"message":"Unknown object"}]}'),
    "204": _answer(204),
    "cut JSON": _answer(200, b'{"data":{"gid":"12'),
    "HTML with 200": _answer(200, b"<html>maintenance</html>"),
    "another gid": _answer(200, b'{"data":{"gid":"7","status":"succeeded"}}'),
    "no status": _answer(200, b'{"data":{"gid":"7"}}'),
    "a data that is null": _answer(200, b'{"data":null}'),
}


class _Faulty(Near):
    """A far side that answers wrongly now and then, and rightly else."""

    def __init__(self, world: World, chance: Random, faults: Counter[str]) -> None:
        super().__init__(world)
        self._chance = chance
        self._faults = faults

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._chance.random() < FAULTY:
            fault = self._chance.choice(list(FAULTS))
            self._faults[fault] += 1
            await asyncio.sleep(self._chance.uniform(0, 5))
            return FAULTS[fault]()
        return await super().handle_async_request(request)


def round_of(clock: Time, seed: int, counts: Counter[str], faults: Counter[str]) -> None:
    """Wait for one crowd; count its polls, and what was told of it."""
    chance = Random(seed)
    random.seed(seed)  # from which jobwait draws its jitter
    durations = Durations.lognormal(median=30, sigma=0.8)
    crowd = Crowd(clock, rate=RATE, duration=durations, fail=0.2, seed=seed)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(JOBS)]
    polls = Counter[str]()

    def on_poll(poll: Poll) -> None:
        polls["answered" if poll.error is None else "failed"] += 1

    async def use(client: AsyncJobsClient) -> list[Outcome]:
        client._http = _Faulty(crowd.world, chance, faults)  # type: ignore[assignment]
        return await client.wait_for_jobs(gids, timeout=None, policy=PATIENT, on_poll=on_poll)

    outcomes = crowd.run(use, rate=RATE)
    counts["waits"] += len(outcomes)
    counts["polls"] += polls.total()
    counts["polls that failed"] += polls["failed"]
    counts["rejected requests"] += sum(request.status == 429 for request in crowd.world.requests)
    for outcome in outcomes:
        counts["wrong outcomes"] += outcome.outcome != crowd.world.jobs[outcome.gid].status


def main(polls: int = 100_000, seed: int = 1) -> int:
    """Run rounds until so many polls were made, and print what was counted."""
    counts, faults = Counter[str](), Counter[str]()
    memory: list[int] = []
    with pytest.MonkeyPatch.context() as patch, virtual_time(patch) as clock:
        began = clock.now
        tracemalloc.start()
        while counts["polls"] < polls:
            round_of(clock, seed + len(memory), counts, faults)
            gc.collect()
            memory.append(tracemalloc.get_traced_memory()[0])
        hours = (clock.now - began) / 3600
    # The first rounds fill caches.
    grown = (memory[-1] - memory[min(2, len(memory) - 1)]) / 1024
    print(f"seed {seed}: {len(memory)} crowds of {JOBS}, {hours:.1f} virtual hours")
    for name in ("waits", "polls", "polls that failed", "rejected requests", "wrong outcomes"):
        print(f"{counts[name]:>9,}  {name}")
    print(f"{grown:>9,.0f}  KiB more in use after the last crowd than after the third")
    print("faults:")
    for name, count in sorted(faults.items()):
        print(f"{count:>9,}  {name}")
    return 1 if counts["wrong outcomes"] or counts["rejected requests"] else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
