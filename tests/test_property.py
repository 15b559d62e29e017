# SPDX-License-Identifier: MIT
"""The one property above the table of faults, attacked with any sequence of them.

A wait never reports success unless the far side said ``succeeded`` of that gid, never polls
sooner than it was told to, and always ends by its deadline plus a second.

The answers come from a transport in this process, which keeps the promise of the real one (a poll
takes no longer than it may; ``test_faults.py`` holds the real one to it); all above it is real.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any
from unittest import mock

import httpx
import pytest
from conftest import TOKEN, Clock
from far_side import GID, PROJECT
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from jobwait import AsyncJobsClient, JobsClient, JobwaitError, SucceededJob, WaitPolicy
from jobwait import _transport as transport

EXPORT = {"gid": "5", "resource_type": "graph_export"}
# What is told in such answers counts: they are errors that a wait goes on after.
HEEDED = (404, 408, 429, 500, 502, 503, 504)
OTHERS = (200, 204, 206, 301, 304, 400, 401, 403, 451, 999)


@dataclass(frozen=True)
class Event:
    """What befalls one poll.

    Attributes:
        takes: The seconds until it is over, unless its bound comes first.
        status: The status of the answer; None if there is none.
        body: The body of the answer: a job to be, or bytes.
        retry_after: What the answer says about when to come back, in seconds or as any text.
        stale: Whether a connection died that was kept.
    """

    takes: float = 0.01
    status: int | None = 200
    body: Any = b""
    retry_after: str | None = None
    stale: bool = False

    @property
    def is_success(self) -> bool:
        """Whether it says ``succeeded`` of the gid, and shows all of what the job made."""
        if self.status != 200 or not isinstance(self.body, dict):
            return False
        made = self.body.get("new_project") or (self.body.get("new_graph_export") or {})
        whole = "download_url" in made or self.body.get("new_project") is not None
        return bool(self.body["status"] == "succeeded" and self.body["gid"] == GID and whole)

    @property
    def told(self) -> float:
        """The seconds that it asks to be left alone."""
        text = self.retry_after or ""
        heeded = self.status in HEEDED and text.isascii() and text.isdigit() and len(text) < 10
        return float(text) if heeded else 0.0


SUCCESS = Event(body={"gid": GID, "status": "succeeded", "new_project": PROJECT})
PENDING = Event(body={"gid": GID, "status": "in_progress"})


@dataclass
class Script:
    """A transport that follows a script, and notes what it did and when.

    Attributes:
        events: What befalls the polls, one after the other; the last repeats.
        clock: The driven clock.
    """

    events: list[Event]
    clock: Clock
    seen: list[Event] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Let happen what happens to this poll, within its bound."""
        happens = self.events[min(len(self.seen), len(self.events) - 1)]
        may_take = transport._exchange.get().seconds
        self.begun.append(self.clock.now)
        self.clock.tick(min(happens.takes, may_take))
        too_late = happens.takes >= may_take
        self.seen.append(Event(status=None) if too_late else happens)
        self.ended.append(self.clock.now)
        if too_late or happens.status is None:
            raise transport.ExchangeError("it broke", stale=happens.stale and not too_late)
        headers = {} if happens.retry_after is None else {"Retry-After": happens.retry_after}
        if isinstance(happens.body, dict):
            return httpx.Response(happens.status, headers=headers, json={"data": happens.body})
        return httpx.Response(happens.status, headers=headers, content=happens.body)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Do the same, and let the event loop turn."""
        await asyncio.sleep(0)
        return self.handle_request(request)

    def close(self) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


def jobs() -> st.SearchStrategy[Event]:
    made: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.just({"new_project": PROJECT}),
        st.just({"new_project": None}),
        st.just({"new_graph_export": EXPORT}),
        st.just({"new_graph_export": EXPORT | {"download_url": "https://files.test/1"}}),
    )
    statuses = st.sampled_from(["not_started", "in_progress", "succeeded", "failed", "paused", ""])
    gids = st.sampled_from([GID, GID, GID, "1202", GID + "0"])
    bodies = st.builds(
        lambda gid, status, new: {"gid": gid, "status": status} | new, gids, statuses, made
    )
    return st.builds(Event, takes=durations(), body=bodies)


def durations() -> st.SearchStrategy[float]:
    quick = st.sampled_from([0.0, 0.01, 0.05, 0.3])
    return st.one_of(quick, quick, quick, st.floats(0, 100), st.just(inf))


def refusals(*statuses: int) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        takes=durations(),
        status=st.sampled_from(statuses),
        body=st.sampled_from([b"", b"<html>", b'{"data": null}', b'{"data": {', b"[]"]),
        retry_after=st.one_of(
            st.none(),
            st.integers(0, 60).map(str),
            st.sampled_from(["inf", "nan", "-1", "1_0", "9" * 35, "", "3600", "0"]),
        ),
    )


def breaks() -> st.SearchStrategy[Event]:
    return st.builds(Event, takes=durations(), status=st.none(), stale=st.booleans())


@st.composite
def scripts(draw: st.DrawFn) -> list[Event]:
    """Draw a script that has some patience before it comes to an end."""
    passing = st.one_of(st.just(PENDING), st.just(PENDING), refusals(*HEEDED), breaks())
    rest = st.one_of(st.just(SUCCESS), jobs(), jobs(), refusals(*HEEDED), refusals(*OTHERS))
    first = draw(st.lists(passing, max_size=8))
    return first + draw(st.lists(rest, min_size=1, max_size=5))


policies = st.builds(
    WaitPolicy,
    price=st.one_of(st.none(), st.floats(0.1, 5)),
    jitter=st.floats(0, 1),
    min_pause=st.floats(0.05, 2),
    max_pause=st.one_of(st.floats(2, 60), st.just(inf)),
    outage_tolerance=st.one_of(st.floats(0, 400), st.just(300.0), st.just(inf)),
    not_found_grace=st.floats(0, 30),
    settle=st.floats(0, 30),
)


@contextmanager
def driven(leaps: list[float], late: float) -> Iterator[Clock]:
    """Drive time, with sleeps that are late and a wall clock that leaps with each of them."""
    clock, real = Clock(), time.monotonic

    def sleep(seconds: float) -> None:
        clock.sleep(seconds + late if seconds > 0 else 0.0)
        clock.wall += leaps[len(clock.naps) % len(leaps)]

    async def async_sleep(seconds: float) -> None:
        sleep(seconds)

    with ExitStack() as stack:
        for where, name, value in (
            (time, "monotonic", lambda: clock.now),
            (time, "time", lambda: clock.wall),
            (time, "sleep", sleep),
            (asyncio, "sleep", async_sleep),
            (asyncio.BaseEventLoop, "time", lambda _: real()),
        ):
            stack.enter_context(mock.patch.object(where, name, value))
        yield clock


def outcome_in(
    mode: str, script: Script, *, timeout: float, policy: WaitPolicy, request_timeout: float
) -> SucceededJob | JobwaitError:
    """Return how a wait ends; any other exception is a bug."""
    options: dict[str, Any] = {"base_url": "http://127.0.0.1:9", "request_timeout": request_timeout}

    async def wait() -> SucceededJob:
        client = AsyncJobsClient(TOKEN, **options)
        client._http = script  # type: ignore[assignment]
        return await client.wait(GID, timeout=timeout, policy=policy)

    try:
        if mode == "async":
            return asyncio.run(wait())
        client = JobsClient(TOKEN, **options)
        client._http = script  # type: ignore[assignment]
        return client.wait(GID, timeout=timeout, policy=policy)
    except JobwaitError as error:
        return error


@pytest.mark.parametrize("mode", ["sync", "async"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    events=scripts(),
    policy=policies,
    timeout=st.one_of(st.just(0.0), st.floats(0, 5), st.floats(20, 200), st.floats(100, 200)),
    request_timeout=st.floats(0.5, 60),
    leaps=st.lists(st.sampled_from([0.0, 86_400.0, -86_400.0]), min_size=1, max_size=3),
    late=st.sampled_from([0.0, 0.0, 0.0004, 0.03]),
)
@example(  # a last look that is as slow as it may be
    events=[Event(takes=inf)],
    policy=WaitPolicy(),
    timeout=0.0,
    request_timeout=60.0,
    leaps=[0.0],
    late=0.0,
)
@example(  # told to come back right at the deadline
    events=[Event(status=429, retry_after="30"), SUCCESS],
    policy=WaitPolicy(),
    timeout=30.02,
    request_timeout=60.0,
    leaps=[86_400.0],
    late=0.0,
)
def test_a_wait_tells_the_truth_keeps_away_and_ends_on_time(
    mode: str,
    *,
    events: list[Event],
    policy: WaitPolicy,
    timeout: float,
    request_timeout: float,
    leaps: list[float],
    late: float,
) -> None:
    """Success only if it was said, no poll sooner than told, over by the deadline and a second."""
    with driven(leaps, late) as clock:
        script, began = Script(events, clock), clock.now
        outcome = outcome_in(
            mode, script, timeout=timeout, policy=policy, request_timeout=request_timeout
        )
        took = clock.now - began

    event(type(outcome).__name__)
    assert isinstance(outcome, SucceededJob) == script.seen[-1].is_success
    assert not any(each.is_success for each in script.seen[:-1])
    # Only sleeps may be late, and none is begun once the deadline is there.
    assert took <= timeout + 1 + late + 0.005

    until = -inf
    for each, begins, ends in zip(script.seen, script.begun, script.ended, strict=True):
        assert begins >= until - 0.002
        until = max(until, ends + each.told)


@pytest.mark.parametrize("mode", ["sync", "async"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    events=st.lists(st.one_of(st.just(PENDING), breaks()), max_size=30),
    policy=policies,
)
def test_a_wait_without_deadline_or_tolerance_sees_every_success(
    mode: str, events: list[Event], policy: WaitPolicy
) -> None:
    """Failed polls and pending jobs, however many, do not keep a success from being seen."""
    patient = WaitPolicy(price=policy.price, max_pause=policy.max_pause, outage_tolerance=inf)
    with driven([0.0], 0.0) as clock:
        script = Script([*events, SUCCESS], clock)
        outcome = outcome_in(mode, script, timeout=inf, policy=patient, request_timeout=30)
    assert isinstance(outcome, SucceededJob)
    assert len(script.seen) == len(events) + 1
