# SPDX-License-Identifier: MIT
"""The far side in a process of its own, so that only the client's CPU time is counted.

``python server.py`` answers ``GET /jobs/{gid}`` from bytes, as little as HTTP allows: the last six
digits of a gid say at which read the job has succeeded.  It prints its ports, for http and, if it
is given a certificate, for https; it ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi
import trustme

_BASE_PATH = "/api/1.0"
_BODY = (
    '{"data":{"gid":"%s","resource_type":"job","resource_subtype":"duplicate_project",'
    '"status":"%s","new_project":{"gid":"1300000000000001","resource_type":"project",'
    '"name":"Launch of the spring collection, copied"}}}'
)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the far side is.

    Attributes:
        http: Its base URL.
        https: The same with TLS.
        certificates: A file with the authority to trust, and those that are trusted anyway.
    """

    http: str
    https: str
    certificates: str


def gid(reads: int, serial: int = 0) -> str:
    """Return the gid of a job that has succeeded at its so many-th read."""
    return f"12{serial:08d}{reads:06d}"


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Run the far side."""
    with tempfile.TemporaryDirectory() as folder:
        own, trusted = Path(folder, "own.pem"), Path(folder, "trusted.pem")
        authority = trustme.CA()
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(own)
        trusted.write_text(Path(certifi.where()).read_text())
        authority.cert_pem.write_to_path(trusted, append=True)
        with subprocess.Popen(
            [sys.executable, __file__, own],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            http, https = process.stdout.readline().split()
            yield Server(
                f"http://127.0.0.1:{http}{_BASE_PATH}",
                f"https://127.0.0.1:{https}{_BASE_PATH}",
                str(trusted),
            )
            # Leaving the block closes its standard input, and waits for its end.


class _Connection(asyncio.Protocol):
    def __init__(self, reads: Counter[bytes]) -> None:
        self._reads = reads
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._transport.write(self._answer(head.split(b" ", 2)[1].rpartition(b"/")[2]))

    def _answer(self, job: bytes) -> bytes:
        job = job.partition(b"?")[0]
        self._reads[job] += 1
        succeeded = self._reads[job] >= int(job[-6:])
        if succeeded:
            del self._reads[job]
        body = (_BODY % (job.decode(), "succeeded" if succeeded else "in_progress")).encode()
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )


async def _serve(certificate: str) -> None:
    loop = asyncio.get_running_loop()
    reads: Counter[bytes] = Counter()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    for context in (None, tls):
        listening = await loop.create_server(
            lambda: _Connection(reads), "127.0.0.1", 0, ssl=context
        )
        print(listening.sockets[0].getsockname()[1], end=" ")
    print(flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
