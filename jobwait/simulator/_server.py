# SPDX-License-Identifier: MIT
"""A simulated Asana behind a real socket: HTTP/1.1 on loopback, a thread to each connection.

What a request means is the world's affair; this file carries requests to it and answers back.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from itertools import islice
from socketserver import TCPServer
from types import MappingProxyType, TracebackType
from typing import Any, Self

from jobwait.simulator._answers import Answer, error
from jobwait.simulator._settings import Settings, check_whole
from jobwait.simulator._time import Duration
from jobwait.simulator._world import BASE_PATH, Request, SimulatedJob, World

_LONGEST_BODY = 1024 * 1024
_HIGHEST_PORT = 65_535
# How often the thread that accepts connections looks whether it is to stop, in seconds.
_LOOK = 0.02
# How long, and for how many reads, to listen to a client that goes on after its last answer.
_LINGER = 1.0
_LINGERING_READS = 100


class Simulator:
    """A simulated Asana, reached over HTTP for as long as its ``with`` block runs.

    It simulates what starts jobs and reads them: eight kinds of job (see ``KINDS``), two users,
    the limits on requests and on jobs in progress, and the errors.  Until a job has succeeded,
    what it makes is shown with other properties on every read, as Asana warns it may be.

    Args:
        duration: The seconds that a job takes: a number, ``Durations``, or whatever takes a
            ``random.Random`` and returns seconds.  0 is a job that has ended in the answer to
            its POST, ``inf`` one that never ends.
        fail: The fraction of jobs that fail, from 0 to 1, or the kinds that do.
        rate: The requests a minute that a token may make, rejected ones included; None for no
            limit.  Asana has 150 for free and 1,500 for who pays.
        in_progress_limit: The duplications, instantiations and exports that a token may have in
            progress at once; None for no limit.  Asana has 5.
        not_found_for: For so many seconds a new job is answered with 404.
        server_errors: The fraction of reads of jobs answered with 500 and a phrase.
        bad_gateways: The fraction answered with 502 and HTML, as a proxy would.
        hide_reference: Whether what a job makes is never shown, as for a token that lacks the
            scope to see it.
        stranger_status: What the other token gets for somebody's job, 403 or 404; it is not
            known which of them Asana answers.
        download_delay: So many seconds after an export's success its ``download_url`` appears.
        seed: Where all chance comes from.
        clock: Returns seconds that never go back; a ``ManualClock`` lets a test drive it.
        host: Where to listen.
        port: Where to listen; 0 takes a free one.

    Raises:
        TypeError: A value is of the wrong type; the text begins with its name.
        ValueError: A value is out of range; the text begins with its name.

    Attributes:
        token: The first user's access token, made up.
        other_token: The second user's.
    """

    def __init__(
        self,
        *,
        duration: Duration = 3.0,
        fail: float | Collection[str] = 0.0,
        rate: int | None = 150,
        in_progress_limit: int | None = 5,
        not_found_for: float = 0.0,
        server_errors: float = 0.0,
        bad_gateways: float = 0.0,
        hide_reference: bool = False,
        stranger_status: int = 404,
        download_delay: float = 0.0,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        settings = Settings(
            duration=duration,
            fail=fail,
            rate=rate,
            in_progress_limit=in_progress_limit,
            not_found_for=not_found_for,
            server_errors=server_errors,
            bad_gateways=bad_gateways,
            hide_reference=hide_reference,
            stranger_status=stranger_status,
            download_delay=download_delay,
            seed=seed,
        )
        check_whole("port", port, least=0)
        if port > _HIGHEST_PORT:
            raise ValueError(f"port must be {_HIGHEST_PORT} or less, not {port!r}")
        self._address = (host, port)
        self._world = World(settings, clock)
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.token, self.other_token = self._world.tokens

    def __enter__(self) -> Self:
        self.start_server()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start_server(self) -> None:
        """Begin to listen; the ``with`` statement does it by itself.

        After ``close`` this listens on the same port again, and knows the same jobs: an outage.

        Raises:
            OSError: The port is in use, or the host is no address of this machine.
            RuntimeError: It is listening already.
        """
        if self._server:
            raise RuntimeError("the simulator is listening already")
        self._server = _Server(self._address, self._answer)
        host, _ = self._address
        port = self._server.server_address[1]
        self._address = (host, port)
        self._world.origin = f"http://{host}:{port}"
        self._server.start()

    def close(self) -> None:
        """Cut all connections and stop listening; closing twice does no harm."""
        server, self._server = self._server, None
        if server:
            server.stop()

    @property
    def base_url(self) -> str:
        """Where the API is, as ``ASANA_BASE_URL`` wants it.

        Raises:
            RuntimeError: It never listened yet, so that it has no port.
        """
        if not self._address[1]:
            raise RuntimeError("the simulator has no address yet: use it in a with statement")
        return self._world.origin + BASE_PATH

    def env(self) -> dict[str, str]:
        """Return the environment variables that lead a program to the simulator.

        Raises:
            RuntimeError: It never listened yet.
        """
        return {"ASANA_BASE_URL": self.base_url, "ASANA_ACCESS_TOKEN": self.token}

    def start(
        self,
        kind: str = "duplicate_project",
        *,
        name: str | None = None,
        duration: Duration | None = None,
        fail: bool | None = None,
        token: str | None = None,
    ) -> dict[str, Any]:
        """Start a job without HTTP, past all limits.

        Args:
            kind: Which of ``KINDS``.
            name: What the result will be called; None for a name that tells the kind.
            duration: How long this job takes, in place of the simulator's ``duration``.
            fail: Whether this job fails, in place of the simulator's ``fail``.
            token: Whose job it is; None for the first user's.

        Returns:
            What the POST would have answered inside ``"data"``.

        Raises:
            TypeError: The duration is neither a number nor callable.
            ValueError: The kind or the token is unknown, or the duration NaN or negative.
        """
        with self._lock:
            return self._world.start(kind, name=name, duration=duration, fail=fail, token=token)

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests received until now, oldest first; of very many, the last 100,000."""
        with self._lock:
            return tuple(self._world.requests)

    @property
    def jobs(self) -> Mapping[str, SimulatedJob]:
        """The jobs started until now, by gid, oldest first; of very many, the last 100,000.

        The mapping stays as it is; the ``status`` of a job in it goes with the clock.
        """
        with self._lock:
            return MappingProxyType(dict(self._world.jobs))

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        with self._lock:
            return self._world.answer(method, target, headers, body)


def _new_thread(target: Callable[..., None], *args: object) -> threading.Thread:
    return threading.Thread(target=target, args=args, name="jobwait-simulator", daemon=True)


class _Server(TCPServer):
    """Listens; gives each connection a thread, and cuts it when it closes."""

    allow_reuse_address = os.name != "nt"  # where Windows would share the port with another
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Callable[..., Answer]) -> None:
        self.answer = answer
        self._open: dict[socket.socket, threading.Thread] = {}
        self._accepting = _new_thread(self.serve_forever, _LOOK)
        super().__init__(address, _Connection)

    def start(self) -> None:
        self._accepting.start()

    def stop(self) -> None:
        self.shutdown()
        self._accepting.join()
        self.server_close()
        for request, thread in list(self._open.items()):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
            thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = self._open[request] = _new_thread(self._converse, request, client_address)
        thread.start()

    def _converse(self, request: socket.socket, client_address: Any) -> None:
        try:
            # A client may go away at any time.
            with contextlib.suppress(OSError):
                self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)
            self._open.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        # Closed with bytes unread, a connection is reset, and the client may lose its answer.
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(_LINGER)
            for _ in islice(iter(partial(request.recv, _LONGEST_BODY), b""), _LINGERING_READS):
                pass
        self.close_request(request)


class _Connection(BaseHTTPRequestHandler):
    """One client's connection: reads requests, writes answers, until either side has enough."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # An answer leaves at once, and as a whole.
    disable_nagle_algorithm = True
    wbufsize = -1

    def _exchange(self) -> None:
        body = self._read_body()
        if isinstance(body, HTTPStatus):
            self.send_error(body)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer = self.server.answer(self.command, self.path, headers, body)
        except Exception as raised:  # noqa: BLE001 - the user's clock or duration; tell the client
            answer = error(500, f"{type(raised).__name__}: {raised}")
        self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _exchange  # noqa: N815 - http.server looks for these names

    def _read_body(self) -> bytes | HTTPStatus:
        """Return the body, or the status of the answer to one that cannot be read."""
        lengths = set(self.headers.get_all("Content-Length", ()))
        if "Transfer-Encoding" in self.headers or (self.command == "POST" and not lengths):
            return HTTPStatus.LENGTH_REQUIRED
        length = lengths.pop() if lengths else "0"
        if lengths or not (length.isascii() and length.isdigit()):
            return HTTPStatus.BAD_REQUEST
        # More digits than the limit has need no arithmetic, and Python may refuse to do it.
        if len(length) > len(str(_LONGEST_BODY)) or int(length) > _LONGEST_BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionResetError("the client went away in mid-request")
        return body

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is no good HTTP, in Asana's form, and end the conversation."""
        del explain
        self.close_connection = True
        # A version that was not understood counts as 0.9, which would get no status line.
        self.request_version = self.protocol_version
        self._send(error(code, message or HTTPStatus(code).phrase))

    def version_string(self) -> str:
        """Return the name of the server, which is nobody's version."""
        return "jobwait-simulator"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: what was asked is in ``requests``."""
