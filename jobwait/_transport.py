# SPDX-License-Identifier: MIT
"""httpx made safe: every exchange is bounded in time and in size, from connect to last byte.

httpx bounds each read, so an answer that drips a byte at a time takes as long as it likes, and it
decompresses whatever comes.  These transports put httpcore's connection pool, over streams that
know when the whole exchange must be over, beneath an ordinary httpx client.

This file does not know what a job is.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import ssl
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar, cast

import httpcore
import httpx

from jobwait._errors import ConfigurationError
from jobwait._protocol import LARGEST_BODY, is_loopback

CONNECTIONS = 8
# Longer than the longest pause: a kept connection saves the next poll a TLS handshake.
_KEPT_FOR = 90.0

_CHUNK = 65536

_SocketOptions: TypeAlias = Iterable[Any] | None
_Found: TypeAlias = list[str] | OSError | UnicodeError
_T = TypeVar("_T")


class ExchangeError(Exception):
    """A request that brought no whole answer.

    Attributes:
        reason: What went wrong.
        transient: Whether the same request may do better later.
        stale: Whether it died with a kept connection, before the far side can have seen it fail.
    """

    def __init__(self, reason: str, *, transient: bool = True, stale: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.transient = transient
        self.stale = stale


class Exchange:
    """One request and its answer, as the streams beneath see it.

    Args:
        seconds: How long it may take in all.
    """

    __slots__ = ("_until", "connected", "heard", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self.connected = False
        self.heard = False

    def left(self, timeout: float | None = None) -> float:
        """Return the seconds left, or ``timeout`` if that is less."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.TimeoutException
        return left if timeout is None else min(left, timeout)


_exchange: ContextVar[Exchange] = ContextVar("exchange")


@contextlib.contextmanager
def exchange(seconds: float) -> Iterator[None]:
    """Bound the request that is sent within, and turn all that can befall it into one error.

    Args:
        seconds: How long it may take, from connect to last byte.

    Raises:
        ExchangeError: It brought no whole answer.
    """
    this = Exchange(seconds)
    reset = _exchange.set(this)
    try:
        yield
    except (httpcore.TimeoutException, TimeoutError):
        raise ExchangeError(f"no whole answer within {seconds:.3g} s") from None
    # An OSError: under asyncio, TLS that goes wrong after its handshake comes through as it is.
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError) as error:
        raise _explained(error, this) from None
    finally:
        _exchange.reset(reset)


def _explained(error: Exception, this: Exchange) -> ExchangeError:
    links = list(_chain(error))
    certificate = next((e for e in links if isinstance(e, ssl.SSLCertVerificationError)), None)
    refused = isinstance(error, httpcore.ProxyError) and "407" in str(error)[:3]
    stale = not this.connected and not this.heard
    reason = _system_reason(links) or str(error) or type(error).__name__
    if certificate is not None:
        reason = f"its certificate does not verify: {certificate.verify_message}"
    elif isinstance(error, httpcore.ProxyError):
        reason = f"the proxy answered {reason}"
    return ExchangeError(reason, transient=certificate is None and not refused, stale=stale)


def _system_reason(links: list[BaseException]) -> str | None:
    """Return the system's own words for a failure, which the libraries wrap in theirs."""
    for link in reversed(links):
        if isinstance(link, OSError) and link.errno is not None:
            # These two count their errors by lists of their own.
            own = isinstance(link, ssl.SSLError | socket.gaierror)
            return link.strerror if own else os.strerror(link.errno)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class _BoundedStream(httpcore.NetworkStream):
    """A stream whose every operation ends when the exchange must."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        this = _exchange.get()
        data = self._inner.read(max_bytes, this.left(timeout))
        this.heard = this.heard or bool(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _exchange.get().left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            if self._inner.get_extra_info("ssl_object") is not None:
                return _TLSInTLS(self, ssl_context, server_hostname)
            left = _exchange.get().left(timeout)
            return _BoundedStream(self._inner.start_tls(ssl_context, server_hostname, left))
        except BaseException:
            # Nobody else would close it: httpcore does not know the stream yet.
            self._inner.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _TLSInTLS(httpcore.NetworkStream):
    """TLS through a proxy that is spoken to by TLS itself.

    httpcore's own bounds each of the reads that such a stream may take for one of its own; this
    one reads and writes by a stream that bounds them all.
    """

    def __init__(
        self, outer: _BoundedStream, context: ssl.SSLContext, hostname: str | None
    ) -> None:
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        self._do(self._tls.do_handshake)

    def _do(self, step: Callable[[], _T], timeout: float | None = None) -> _T:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._outer.write(self._outgoing.read(), timeout)
                if data := self._outer.read(_CHUNK, timeout):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                self._outer.write(self._outgoing.read(), timeout)
                return done

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._do(lambda: self._tls.read(max_bytes), timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        while buffer:
            buffer = buffer[self._do(partial(self._tls.write, buffer), timeout) :]

    def close(self) -> None:
        self._outer.close()

    def get_extra_info(self, info: str) -> Any:
        return self._tls if info == "ssl_object" else self._outer.get_extra_info(info)


class _BoundedBackend(httpcore.SyncBackend):
    """Connects within the exchange's time, the look-up of the name included."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions = None,
    ) -> httpcore.NetworkStream:
        this = _exchange.get()
        this.connected = True
        found: queue.SimpleQueue[_Found] = queue.SimpleQueue()
        _look_up(host, port, found.put)
        try:
            addresses = _addresses(found.get(timeout=this.left(timeout)))
        except queue.Empty:
            raise httpcore.ConnectTimeout from None
        for waiting in range(len(addresses), 1, -1):
            # A dead address must leave time for the others.
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                share = this.left(timeout) / waiting
                address = addresses[len(addresses) - waiting]
                return self._connect(address, port, share, local_address, socket_options)
        return self._connect(addresses[-1], port, this.left(timeout), local_address, socket_options)

    def _connect(
        self, address: str, port: int, timeout: float, local: str | None, options: _SocketOptions
    ) -> httpcore.NetworkStream:
        return _BoundedStream(super().connect_tcp(address, port, timeout, local, options))


def _look_up(host: str, port: int, tell: Callable[[_Found], object]) -> None:
    """Look up a host's addresses, and tell them, perhaps long after anybody waits for them.

    The system's look-up cannot be told when to stop.  It is left to a daemon, which keeps neither
    the process alive nor ``asyncio.run``, as the threads of an executor do.
    """

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            tell(error)
        else:
            tell(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))

    threading.Thread(target=ask, name="jobwait-look-up", daemon=True).start()


def _addresses(found: _Found) -> list[str]:
    if not isinstance(found, list):
        raise httpcore.ConnectError(str(found)) from found
    return found


class _NotedStream(httpcore.AsyncNetworkStream):
    """A stream that notes what it hears; asyncio itself bounds the time."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._socket = inner.get_extra_info("socket")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        data = await self._inner.read(max_bytes, timeout)
        this = _exchange.get()
        this.heard = this.heard or bool(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _NotedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            # A time limit is a cancellation, after which nobody else would close it.
            await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        # httpcore asks this of every idle connection at every request; anyio takes ten times
        # as long, for it gathers all that there is to know first.
        if info == "is_readable":
            return _is_readable(self._socket)
        return self._inner.get_extra_info(info)


if hasattr(select, "poll"):

    def _is_readable(sock: socket.socket) -> bool:
        """Tell whether a socket has bytes, or has been closed by the far side."""
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))

else:  # pragma: no cover - Windows

    def _is_readable(sock: socket.socket) -> bool:
        return bool(select.select([sock], [], [], 0)[0])


class _NotingBackend(httpcore.AnyIOBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: _SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        import asyncio  # noqa: PLC0415 - who waits for one job does not pay for it

        _exchange.get().connected = True
        loop = asyncio.get_running_loop()
        found: asyncio.Queue[_Found] = asyncio.Queue()

        def tell(addresses: _Found) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
                loop.call_soon_threadsafe(found.put_nowait, addresses)

        _look_up(host, port, tell)
        _addresses(await found.get())
        # anyio looks them up once more, on a thread of the loop's executor, and tries them as
        # people have come to expect; the resolver knows them by now.
        return _NotedStream(
            await super().connect_tcp(host, port, timeout, local_address, socket_options)
        )


class _Body:
    """An answer's body, taken in up to a limit."""

    __slots__ = ("content", "refused")

    def __init__(self, response: httpcore.Response) -> None:
        if not _exchange.get().heard:
            # It followed the answer before, and says nothing of what was asked since.
            raise httpcore.RemoteProtocolError("it came before it was asked for")
        # Not a list: chunks of a byte or two would take forty times their size.
        self.content = bytearray()
        # Decided by the head alone: what is not wanted is not even read.
        self.refused = _refusal(response.headers)

    def take(self, chunk: bytes) -> bool:
        """Keep a chunk, or say that there is no room for it."""
        if len(self.content) + len(chunk) > LARGEST_BODY:
            self.refused = _TOO_LARGE
            return False
        self.content += chunk
        return True

    def answer(self, response: httpcore.Response) -> httpx.Response:
        """Return the answer, without its body if that was refused."""
        if self.refused is None:
            content = bytes(self.content)
            return httpx.Response(response.status, headers=response.headers, content=content)
        # Without most headers as well: httpx would act on Content-Encoding.
        kept = [pair for pair in response.headers if pair[0].lower() in _WHEN_TO_RETRY]
        return httpx.Response(response.status, headers=kept, extensions={REFUSED: self.refused})


REFUSED = "jobwait.refused"
_WHEN_TO_RETRY = (b"retry-after", b"date")
_TOO_LARGE = "its body is larger than 1 MiB"


def _refusal(headers: list[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        key = name.lower()
        if key == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            return "it is compressed, which was not asked for"
        if key == b"content-length" and value.isdigit() and int(value[:20]) > LARGEST_BODY:
            return _TOO_LARGE
    return None


class BoundedTransport(httpx.BaseTransport):
    """Sends requests to one origin; use it within ``exchange``.

    Args:
        base_url: A checked base URL, which decides about TLS and the proxy.
    """

    def __init__(self, base_url: str) -> None:
        self._pool = httpcore.ConnectionPool(
            network_backend=_BoundedBackend(), **_pool_options(base_url)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, and return its answer whole."""
        response = self._pool.handle_request(_as_httpcore(request))
        try:
            body = _Body(response)
            if body.refused is None:
                for chunk in cast("Iterable[bytes]", response.stream):
                    if not body.take(chunk):
                        break
            return body.answer(response)
        finally:
            response.close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class AsyncBoundedTransport(httpx.AsyncBaseTransport):
    """The same for asyncio.

    Which connections are idle is kept here.  httpcore's pool makes them, but does not survive
    asyncio's cancellations, and a time limit is one: each may leave a place taken for good.
    """

    def __init__(self, base_url: str) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=_NotingBackend(), **_pool_options(base_url)
        )
        self._idle: deque[httpcore.AsyncConnectionInterface] = deque()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, and return its answer whole.  The caller bounds the time."""
        asked = _as_httpcore(request)
        connection = await self._take() or self._pool.create_connection(asked.url.origin)
        is_whole = False
        try:
            response = await connection.handle_async_request(asked)
            body = _Body(response)
            if body.refused is None:
                stream: Any = response.stream
                # Broken off, it would be closed by a task that nobody waits for.
                async with contextlib.aclosing(aiter(stream)) as chunks:
                    async for chunk in chunks:
                        if not body.take(chunk):
                            break
            await response.aclose()
            is_whole = True
            return body.answer(response)
        finally:
            if is_whole and connection.is_idle():
                self._idle.append(connection)
            else:
                await connection.aclose()

    async def _take(self) -> httpcore.AsyncConnectionInterface | None:
        """Return the connection that was used last, if it still works; let go what does not."""
        while self._idle and self._idle[0].has_expired():
            await self._idle.popleft().aclose()
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def aclose(self) -> None:
        """Close all connections."""
        while self._idle:
            await self._idle.pop().aclose()
        await self._pool.aclose()


def _as_httpcore(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
    )


def _pool_options(base_url: str) -> dict[str, Any]:
    url = httpx.URL(base_url)
    options: dict[str, Any] = {
        "max_connections": CONNECTIONS,
        "max_keepalive_connections": CONNECTIONS,
        "keepalive_expiry": _KEPT_FOR,
    }
    if url.scheme == "https":
        certificates = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        options["ssl_context"] = _tls_context(certificates)
        options["proxy"] = _proxy_for(url)
    return options


@cache
def _tls_context(_certificates: tuple[str | None, str | None]) -> ssl.SSLContext:
    """Return the process's TLS context: one costs as much as some hundred polls."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise ConfigurationError(
            f"the certificates cannot be read: {error}; check SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None


def _proxy_for(url: httpx.URL) -> httpcore.Proxy | None:
    """Return the proxy that the environment names for an https origin.

    Plain http goes to loopback only, and never through a proxy, which would see the token.
    """
    proxies = urllib.request.getproxies()
    named = proxies.get("https") or proxies.get("all")
    if not named or is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    scheme, _, address = named.partition("://") if "://" in named else ("http", "", named)
    if scheme.lower() not in ("http", "https"):
        raise ConfigurationError("a proxy must be http or https: check HTTPS_PROXY and ALL_PROXY")
    try:
        proxy = httpx.Proxy(f"{scheme}://{address}")
    except (httpx.InvalidURL, ValueError):
        # What they say can hold a part of the proxy's password.
        raise ConfigurationError(
            "the proxy's URL cannot be read: check HTTPS_PROXY and ALL_PROXY"
        ) from None
    return httpcore.Proxy(str(proxy.url), auth=proxy.raw_auth, ssl_context=proxy.ssl_context)
