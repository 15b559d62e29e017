# SPDX-License-Identifier: MIT
"""CPU time per poll, on kept clients, with every guard in place.

Measured: the client process's CPU time for each request, the far side being another process; the
best of several rounds in which all take turns.  Against: a bare ``httpx.Client.get`` and pydantic's
``model_validate_json`` of the same answer, which is what one would write by hand; and, beside it,
the official SDK's ``JobsApi.get_job``.  The waits pause for no time, so that only polls count, and
their rate is so high that it binds nothing.

Promises: a poll costs at most 1.10 times the bare one, sync; with 1,000 concurrent waits at most
1.5 times as much as with one async wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import asana
import httpx
from pydantic import BaseModel
from server import Server, gid, server
from shared import promise, table

from jobwait import AsyncJobsClient, JobsClient, WaitPolicy

ROUNDS = 5
POLLS = 400
# As 1,000 waits take long, in which other processes disturb, so do those that they are compared to.
IN_A_LOOP = 2_500
CROWD = 1_000
_TOKEN = "2/1200/1300:0123456789abcdef"
_UNBOUND = 1e9
_NO_PAUSE = WaitPolicy(price=0, min_pause=0, jitter=0)
_PENDING = gid(999_999)


class Project(BaseModel):
    gid: str
    resource_type: str
    name: str | None = None


class Job(BaseModel):
    gid: str
    resource_type: str
    resource_subtype: str
    status: Literal["not_started", "in_progress", "succeeded", "failed"]
    new_project: Project | None = None


class Envelope(BaseModel):
    """What one would write by hand to validate an answer."""

    data: Job


def main() -> None:
    """Run the benchmark."""
    with server() as far:
        sync = _sync(far)
        one_loop = asyncio.run(_async(far))
    bare, async_bare = sync["bare httpx"], one_loop["bare httpx"]
    rows = [
        *((f"sync, {name}", *_shown(each, bare)) for name, each in sync.items()),
        *((f"async, {name}", *_shown(each, async_bare)) for name, each in one_loop.items()),
    ]
    table(("per poll", "CPU", "to bare httpx"), rows)
    for name in ("get_job", "a wait"):
        promise(f"sync, {name}: to bare httpx", sync[name] / bare, at_most=1.10)
    promise(
        f"{CROWD:,} concurrent waits: to one async wait",
        one_loop[f"{CROWD:,} waits"] / one_loop["a wait"],
        at_most=1.5,
    )


def _shown(seconds: float, bare: float) -> tuple[str, str]:
    return f"{seconds * 1e6:.0f} us", f"{seconds / bare:.2f}"


def _sync(far: Server) -> dict[str, float]:
    configuration = asana.Configuration()
    configuration.host, configuration.access_token = far.http, _TOKEN
    sdk = asana.JobsApi(asana.ApiClient(configuration))
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    with (
        httpx.Client(base_url=far.http, headers=headers) as bare,
        JobsClient(_TOKEN, base_url=far.http, rate=_UNBOUND) as client,
    ):

        def by_hand() -> None:
            for _ in range(POLLS):
                Envelope.model_validate_json(bare.get(f"/jobs/{_PENDING}").content)

        def get_job() -> None:
            for _ in range(POLLS):
                client.get_job(_PENDING)

        def wait() -> None:
            client.wait(gid(POLLS), policy=_NO_PAUSE)

        def official() -> None:
            for _ in range(POLLS):
                sdk.get_job(_PENDING, {})

        contenders = {
            "bare httpx": by_hand,
            "get_job": get_job,
            "a wait": wait,
            "the official SDK": official,
        }
        best = dict.fromkeys(contenders, float("inf"))
        for _ in range(ROUNDS):
            for name, poll in contenders.items():
                began = time.process_time()
                poll()
                best[name] = min(best[name], (time.process_time() - began) / POLLS)
    return best


async def _async(far: Server) -> dict[str, float]:
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    async with (
        httpx.AsyncClient(base_url=far.http, headers=headers) as bare,
        AsyncJobsClient(_TOKEN, base_url=far.http, rate=_UNBOUND) as client,
    ):

        async def by_hand() -> int:
            for _ in range(IN_A_LOOP):
                Envelope.model_validate_json((await bare.get(f"/jobs/{_PENDING}")).content)
            return IN_A_LOOP

        async def get_job() -> int:
            for _ in range(IN_A_LOOP):
                await client.get_job(_PENDING)
            return IN_A_LOOP

        async def wait() -> int:
            await client.wait(gid(IN_A_LOOP), policy=_NO_PAUSE)
            return IN_A_LOOP

        async def waits() -> int:
            each = 5
            gids = [gid(each, serial) for serial in range(CROWD)]
            outcomes = await client.wait_for_jobs(gids, policy=_NO_PAUSE)
            assert all(outcome.polls == each for outcome in outcomes)
            return CROWD * each

        contenders: dict[str, Callable[[], Awaitable[int]]] = {
            "bare httpx": by_hand,
            "get_job": get_job,
            "a wait": wait,
            f"{CROWD:,} waits": waits,
        }
        best = dict.fromkeys(contenders, float("inf"))
        for _ in range(ROUNDS):
            for name, poll in contenders.items():
                began = time.process_time()
                polls = await poll()
                best[name] = min(best[name], (time.process_time() - began) / polls)
    return best
