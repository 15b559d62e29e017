# SPDX-License-Identifier: MIT
"""What the tests share: both modes from one body, time that is driven, and no leak after any."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import pytest
from far_side import GID, PATIENCE, Authority, FarSide, Step
from hypothesis import settings

from jobwait import AsyncJobsClient, Job, JobsClient, SucceededJob

# What a shell starts in the background ignores Ctrl-C, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)

# For ``pytest --hypothesis-profile=long``: a hundred times what a test run tries.
settings.register_profile("long", max_examples=10_000, deadline=None)

TOKEN = "1/1199:sentinel5e3b0c44298fc1c149afbf4c8996fb9"

_T = TypeVar("_T")
Call: TypeAlias = Callable[[Any], Any]

_DESCRIPTORS = Path("/proc/self/fd")
_real_monotonic = time.monotonic
_real_async_sleep = asyncio.sleep


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test depend on the tokens, proxies and certificates of whoever runs it."""
    for name in list(os.environ):
        of_tls = name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "NETRC")
        if of_tls or name.startswith("ASANA_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def no_leak() -> Iterator[None]:
    """Fail a test after which a thread or a file descriptor is left."""
    threads, files = set(threading.enumerate()), _open_files()
    yield
    give_up = _real_monotonic() + PATIENCE
    while left := _left_behind(threads, files):
        if _real_monotonic() > give_up:
            break
        threading.Event().wait(0.005)
    if left:
        pytest.fail(f"left behind: {', '.join(left)}")


def _left_behind(threads: set[threading.Thread], files: set[str]) -> list[str]:
    running = {thread.name for thread in threading.enumerate() if thread not in threads}
    return sorted(running | (_open_files() - files))


def _open_files() -> set[str]:
    found = set()
    for link in _DESCRIPTORS.iterdir() if _DESCRIPTORS.is_dir() else ():
        # One of them is the descriptor with which the directory is listed.
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{link.name} -> {link.readlink()}")
    return found


class Start(Protocol):
    """Starts a far side, which stops with the test; the arguments are those of ``FarSide``."""

    def __call__(self, *script: Step, **options: Any) -> FarSide: ...


@pytest.fixture
def far_side(no_leak: None) -> Iterator[Start]:
    """Start far sides; after the test, no client may have kept a connection to any of them."""
    started: list[FarSide] = []

    def start(*script: Step, **options: Any) -> FarSide:
        started.append(FarSide(*script, **options))
        return started[-1]

    yield start
    let_go = [far.was_let_go() for far in started]
    for far in started:
        far.stop()
    assert all(let_go), "a client kept a connection"


@dataclass(frozen=True)
class Mode:
    """One way to use a client: synchronous or asynchronous.

    Attributes:
        is_async: Whether it is the asynchronous one.
    """

    is_async: bool

    def wait(
        self,
        url: str,
        gid: Any = GID,
        *,
        token: str = TOKEN,
        request_timeout: float = 30.0,
        rate: float = 150.0,
        **arguments: Any,
    ) -> SucceededJob:
        """Wait for one job on a client of its own."""
        options = {"token": token, "request_timeout": request_timeout, "rate": rate}
        ended: SucceededJob = self.use(url, lambda client: client.wait(gid, **arguments), **options)
        return ended

    def get_job(
        self,
        url: str,
        gid: Any = GID,
        *,
        token: str = TOKEN,
        request_timeout: float = 30.0,
        rate: float = 150.0,
        **arguments: Any,
    ) -> Job:
        """Look at one job on a client of its own."""
        options = {"token": token, "request_timeout": request_timeout, "rate": rate}
        seen: Job = self.use(url, lambda client: client.get_job(gid, **arguments), **options)
        return seen

    def use(self, url: str, call: Call, **options: Any) -> Any:
        """Make a client, give it to the call, close it; return or raise what the call does."""
        (outcome,) = self.use_for(url, call, **options)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def use_for(self, url: str, *calls: Call, **options: Any) -> list[Any]:
        """Make one client, give it to each call in turn; return what each returned or raised."""
        options = {"token": TOKEN, "base_url": url} | options
        if self.is_async:
            return asyncio.run(_use_async(calls, options))
        with JobsClient(**options) as client:
            return [_outcome(call, client) for call in calls]


def _outcome(call: Call, client: JobsClient) -> Any:
    try:
        return call(client)
    except Exception as error:  # noqa: BLE001 - the test judges it
        return error


async def _use_async(calls: tuple[Call, ...], options: dict[str, Any]) -> list[Any]:
    outcomes: list[Any] = []
    async with AsyncJobsClient(**options) as client:
        for call in calls:
            try:
                outcomes.append(await call(client))
            except Exception as error:  # noqa: BLE001 - the test judges it
                outcomes.append(error)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is left"
    return outcomes


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest, no_leak: None) -> Mode:
    """Run the test in both modes."""
    return Mode(request.param == "async")


class Clock:
    """Time that passes only while somebody sleeps; sockets do not notice.

    Its numbers are whole binary fractions apart only if the sleeps are, so compare with
    ``pytest.approx``.

    Attributes:
        now: What ``time.monotonic`` says.
        wall: What ``time.time`` says.
        naps: Every sleep, in seconds.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1_790_000_000.0
        self.naps: list[float] = []
        self._lock = threading.Lock()

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.now += seconds
            self.wall += seconds

    def sleep(self, seconds: float) -> None:
        """Stand in for ``time.sleep``."""
        assert seconds >= 0, "nobody can sleep a negative time"
        self.naps.append(seconds)
        self.tick(seconds)

    async def async_sleep(self, seconds: float, result: _T | None = None) -> _T | None:
        """Stand in for ``asyncio.sleep``, and let the other tasks run as well."""
        self.sleep(seconds)
        await _real_async_sleep(0)
        return result


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Drive the clock by sleeping, so that a wait of hours takes milliseconds.

    freezegun would look for clocks in every module, each time, and would keep the real one for
    threads.  Only those who ask ``time`` itself are deceived here: jobwait, httpcore, tenacity and
    the far side.  The event loop is not, so that its timeouts hold for real sockets.
    """
    driven = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: driven.now)
    monkeypatch.setattr(time, "time", lambda: driven.wall)
    monkeypatch.setattr(time, "sleep", driven.sleep)
    monkeypatch.setattr(asyncio, "sleep", driven.async_sleep)
    monkeypatch.setattr(asyncio.BaseEventLoop, "time", lambda _loop: _real_monotonic())
    return driven


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Return the authority that a test may choose to trust."""
    return Authority()


@pytest.fixture
def trusted(authority: Authority, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Trust the authority for this test."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.write_root(str(tmp_path / "root.pem")))
    return authority


def outcome_of(call: Callable[[], _T]) -> _T | Exception:
    """Return what a call returns or raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the test judges it
        return error
