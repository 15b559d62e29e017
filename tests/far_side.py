# SPDX-License-Identifier: MIT
"""The far side of every test: a scripted TCP server that does what it should not.

A ``FarSide`` follows a script.  A script is a list of steps, one for each request, and the last
repeats; a step is any function that is given the ``Connection`` on which the request came::

    with FarSide(job("in_progress"), reset(), job("succeeded", new_project=PROJECT)) as far:
        client.wait("1201", ...)          # polls far.url, and survives the reset
    assert len(far.requests) == 3

This file knows HTTP as bytes only, and nothing of jobwait: what it does wrong, it does on purpose.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias

import trustme

Step: TypeAlias = Callable[["Connection"], None]
Headers: TypeAlias = Iterable[tuple[str, str]]

GID = "1201"
PROJECT = {"gid": "1301", "resource_type": "project", "name": "Copy of Launch"}

# How long to wait for what happens within milliseconds, on a machine that has other things to do.
PATIENCE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, as it came.

    Attributes:
        method: Its method.
        target: Its target: the path and the query.
        headers: Its headers, by their names in lower case.
        at: When its last byte came, on the monotonic clock that the test sees.
        connection: The number of the connection, from 1, on which it came.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    at: float
    connection: int


class Connection:
    """One accepted connection, as a step sees it.

    Attributes:
        number: 1 for the first that the far side accepted.
        request: The request to be answered.
        stopping: Set once the test is over, so that no step outlives it.
    """

    request: Request

    def __init__(self, accepted: socket.socket, number: int, stopping: threading.Event) -> None:
        self.number = number
        self.stopping = stopping
        self.sent = 0
        self.received = b""
        self._socket = accepted
        self._unread = b""
        self._closed = threading.Event()

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands; an ``ssl.SSLError`` is the client's refusal."""
        self._socket = context.wrap_socket(self._socket, server_side=True)

    def read_request(self) -> Request | None:
        """Return the next request, or None once the client has left."""
        while b"\r\n\r\n" not in self._unread:
            more = self._receive()
            if not more:
                return None
            self._unread += more
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        self.request = Request(
            method=method,
            target=target,
            headers=headers,
            at=time.monotonic(),
            connection=self.number,
        )
        return self.request

    def send(self, data: bytes) -> None:
        """Send bytes; an ``OSError`` is the client's going."""
        self._socket.sendall(data)
        self.sent += len(data)

    def pause(self, seconds: float) -> None:
        """Do nothing for so long, or until the test is over."""
        self.stopping.wait(seconds)

    def wait_until_left(self) -> None:
        """Say nothing until the client goes."""
        while self._receive():
            pass

    def reset(self) -> None:
        """Go without a word: whatever was not read yet is lost."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Go."""
        self._closed.set()
        self._socket.close()

    @property
    def is_closed(self) -> bool:
        """Whether the far side has gone."""
        return self._closed.is_set()

    @property
    def descriptor(self) -> int:
        """The file descriptor: the way past TLS."""
        return self._socket.fileno()

    def wait_until_closed(self, seconds: float) -> bool:
        """Tell whether it is closed, for which wait so long."""
        return self._closed.wait(seconds)

    def wake(self) -> None:
        """End whatever a thread does with the socket."""
        with contextlib.suppress(OSError):
            # Not SSLSocket's own, which another thread's reading would not survive.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def receive_all(self) -> bytes:
        """Return what has come, also what TLS holds where no selector sees it; empty at the end."""
        data = self._receive()
        while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            data += self._receive()
        return data

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        self.received += data
        return data


class FarSide:
    """A server on loopback that follows a script; a context manager.

    Args:
        script: The steps; the last repeats.
        tls: The context for TLS; without it plain HTTP is spoken.
        greeting: What to do with each new connection, before TLS and before its first request.
        host: The host's name in ``url``, for tests that resolve it themselves.

    Attributes:
        requests: Every request, in the order in which they came.
        connections: Every connection, in the order in which they were accepted.
    """

    def __init__(
        self,
        *script: Step,
        tls: ssl.SSLContext | None = None,
        greeting: Step | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self._script = script
        self._tls = tls
        self._greeting = greeting
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'' if tls is None else 's'}://{host}:{self.port}/api/1.0"
        self._threads = [threading.Thread(target=self._accept, name="far-side")]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all steps, close all connections, and wait for all threads."""
        self._stopping.set()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            pass  # wakes the thread that accepts
        self._threads[0].join(PATIENCE)
        for connection in self.connections:
            connection.wake()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{thread.name} hangs"

    @property
    def times(self) -> list[float]:
        """When the requests came, in seconds since the first."""
        return [request.at - self.requests[0].at for request in self.requests]

    @property
    def sent(self) -> int:
        """The bytes that could be sent, on all connections."""
        return sum(connection.sent for connection in self.connections)

    def was_let_go(self) -> bool:
        """Tell whether every connection came to its end, for which wait a while."""
        return all(connection.wait_until_closed(PATIENCE) for connection in self.connections)

    def _accept(self) -> None:
        with self._listener:
            while True:
                accepted, _ = self._listener.accept()
                if self._stopping.is_set():
                    accepted.close()
                    return
                connection = Connection(accepted, len(self.connections) + 1, self._stopping)
                self.connections.append(connection)
                name = f"far-side-{connection.number}"
                thread = threading.Thread(target=self._serve, args=(connection,), name=name)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: Connection) -> None:
        # That the client goes away in the middle of a step is what many steps are for.
        with contextlib.closing(connection), contextlib.suppress(OSError):
            if self._greeting is not None:
                self._greeting(connection)
            if self._tls is not None and not connection.is_closed:
                connection.start_tls(self._tls)
            while not connection.is_closed:
                request = connection.read_request()
                if request is None:
                    break
                self._next_step(request)(connection)

    def _next_step(self, request: Request) -> Step:
        with self._lock:
            self.requests.append(request)
            return self._script[min(len(self.requests), len(self._script)) - 1]


# Steps.  Answers first: right ones, then whatever bytes a test likes.


def job(status: str, *, gid: str | None = None, **fields: Any) -> Step:
    """Answer with a job, by default the one that was asked for."""

    def step(connection: Connection) -> None:
        asked = connection.request.target.partition("?")[0].rpartition("/")[2]
        record = {"gid": asked if gid is None else gid, "resource_type": "job", "status": status}
        answer(200, {"data": record | fields})(connection)

    return step


def succeeded(**fields: Any) -> Step:
    """Answer that the job succeeded, and made a project unless the fields say otherwise."""
    return job("succeeded", **(fields or {"new_project": PROJECT}))


def answer(status: int, body: Any = b"", headers: Headers = ()) -> Step:
    """Answer with any status, body (bytes, text, or what becomes JSON) and headers."""
    return raw(written(status, body, headers))


def written(status: int, body: Any = b"", headers: Headers = ()) -> bytes:
    """Return an answer's bytes; its length is right unless the headers give another."""
    text = body if isinstance(body, bytes | str) else json.dumps(body)
    content: bytes = text.encode() if isinstance(text, str) else text
    pairs = list(headers)
    if "content-length" not in {name.lower() for name, _ in pairs}:
        pairs.append(("Content-Length", str(len(content))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"HTTP/1.1 {status} So\r\n{lines}\r\n".encode("latin-1") + content


def raw(data: bytes) -> Step:
    """Answer with these bytes and nothing else."""
    return lambda connection: connection.send(data)


# Steps that take their time.


def silence() -> Step:
    """Never answer."""
    return Connection.wait_until_left


def drip(data: bytes, *, at_once: int = 0, every: float = 0.02) -> Step:
    """Answer a byte at a time, but for the first ``at_once``."""

    def step(connection: Connection) -> None:
        connection.send(data[:at_once])
        for byte in data[at_once:]:
            if connection.stopping.is_set():
                return
            connection.send(bytes([byte]))
            connection.pause(every)

    return step


def endless(data: bytes, *, after: bytes = b"", every: float = 0.0) -> Step:
    """Send ``after``, then the data again and again until the client goes."""

    def step(connection: Connection) -> None:
        connection.send(after)
        while not connection.stopping.is_set():
            connection.send(data)
            if every:
                connection.pause(every)

    return step


# Steps that end the connection.


def close(after: bytes = b"") -> Step:
    """Send these bytes, then close."""

    def step(connection: Connection) -> None:
        connection.send(after)
        connection.close()

    return step


def reset(after: bytes = b"") -> Step:
    """Send these bytes, let them arrive, then reset."""

    def step(connection: Connection) -> None:
        if after:
            connection.send(after)
            connection.pause(0.02)
        connection.reset()

    return step


def then(*steps: Step) -> Step:
    """Do one step after the other, for the same request."""

    def step(connection: Connection) -> None:
        for one in steps:
            one(connection)

    return step


# TLS and proxies.


def broken_record() -> Step:
    """Send what looks like a record of TLS, and cannot be decrypted."""

    def step(connection: Connection) -> None:
        os.write(connection.descriptor, b"\x17\x03\x03\x00\x20" + bytes(32))
        connection.wait_until_left()

    return step


def dripping_record(every: float = 0.02) -> Step:
    """Send a record of TLS a byte at a time, beneath the TLS that a connection speaks."""

    def step(connection: Connection) -> None:
        for byte in b"\x17\x03\x03\x02\x00" + bytes(0x200):
            if connection.stopping.is_set():
                return
            os.write(connection.descriptor, bytes([byte]))
            connection.pause(every)

    return step


def tunnel(port: int) -> Step:
    """Be a proxy: answer a CONNECT, then carry bytes to and from a port of loopback."""

    def step(connection: Connection) -> None:
        with socket.create_connection(("127.0.0.1", port)) as beyond:
            connection.send(b"HTTP/1.1 200 Connected\r\n\r\n")
            _carry(connection, beyond)
        connection.close()

    return step


def _carry(connection: Connection, beyond: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(connection.descriptor, selectors.EVENT_READ)
        selector.register(beyond, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is beyond:
                    data = beyond.recv(65536)
                    connection.send(data)
                else:
                    data = connection.receive_all()
                    beyond.sendall(data)
                if not data:
                    return


@dataclass(frozen=True)
class Authority:
    """A throw-away certificate authority.

    Attributes:
        root: It.
    """

    root: trustme.CA = field(default_factory=trustme.CA)

    def server(self, *names: str, **options: Any) -> ssl.SSLContext:
        """Return a server's context with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.root.issue_cert(*names, **options).configure_cert(context)
        return context

    def write_root(self, path: str) -> str:
        """Write the root's certificate, for ``SSL_CERT_FILE``, and return the path."""
        self.root.cert_pem.write_to_path(path)
        return path
