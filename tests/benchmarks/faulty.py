# SPDX-License-Identifier: MIT
"""A simulated Asana in a process of its own, behind a connection that is reset now and then.

For the benchmarks in real time.  ``started`` begins the jobs, and knows what is true of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

from jobwait.simulator import Simulator

_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a job: when it ends, on the monotonic clock, how, and what it makes."""

    ends: float
    outcome: str
    reference: str


class Faulty:
    """The far side, as the parent sees it.

    Attributes:
        base_url: Where it is.
        token: The token that started the jobs.
        jobs: What is true of each job, by gid.
    """

    def __init__(self, base_url: str, token: str, jobs: dict[str, Truth], pipe: Connection) -> None:
        self.base_url = base_url
        self.token = token
        self.jobs = jobs
        self._pipe = pipe

    def count(self) -> tuple[Counter[int], int]:
        """Return how many answers there were of each status, and how many resets."""
        self._pipe.send(None)
        statuses, resets = self._pipe.recv()
        return statuses, resets


@contextlib.contextmanager
def started(durations: list[float], *, resets: float = 0.0, **knobs: Any) -> Iterator[Faulty]:
    """Run the far side, and start a job of each duration.

    Args:
        durations: The seconds that each job takes.
        resets: Which fraction of requests is answered with a reset of the connection.
        **knobs: The simulator's.
    """
    ours, theirs = multiprocessing.Pipe()
    # Not forked: the child must have nothing of this process, its sockets least of all.
    process = multiprocessing.get_context("spawn").Process(
        target=_run, args=(theirs, durations, resets, knobs), daemon=True
    )
    process.start()
    try:
        base_url, token, jobs = ours.recv()
        yield Faulty(base_url, token, jobs, ours)
    finally:
        ours.close()
        process.terminate()
        process.join()
        process.close()


def _run(pipe: Connection, durations: list[float], resets: float, knobs: dict[str, Any]) -> None:
    with Simulator(**knobs) as asana:
        asyncio.run(_Gateway(asana, resets).serve(pipe, durations))


class _Gateway:
    """Passes bytes on to a simulator and back, or cuts the connection."""

    def __init__(self, asana: Simulator, resets: float) -> None:
        self._asana = asana
        self._port = urlsplit(asana.base_url).port
        self._share = resets
        self._rng = random.Random(0)
        self._resets = 0

    async def serve(self, pipe: Connection, durations: list[float]) -> None:
        listening = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        gids = [self._asana.start(duration=duration)["gid"] for duration in durations]
        known = self._asana.jobs
        jobs = {
            gid: Truth(known[gid].ends, known[gid].outcome, known[gid].result_gid) for gid in gids
        }
        base_url = self._asana.base_url.replace(str(self._port), str(port))
        pipe.send((base_url, self._asana.token, jobs))
        loop = asyncio.get_running_loop()
        with contextlib.suppress(EOFError):
            while True:
                await loop.run_in_executor(None, pipe.recv)
                pipe.send((Counter(each.status for each in self._asana.requests), self._resets))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                self._pump(reader, far_writer, writer), self._pump(far_reader, writer, None)
            )
        writer.close()
        far_writer.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        cut: asyncio.StreamWriter | None,
    ) -> None:
        while data := await reader.read(65_536):
            if cut is not None and self._rng.random() < self._share:
                self._resets += 1
                cut.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                cut.transport.abort()
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        writer.close()
