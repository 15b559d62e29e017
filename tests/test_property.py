# SPDX-License-Identifier: MIT
"""The one property above the table of faults, attacked with any sequence of them.

A wait never reports success unless the far side said ``succeeded`` of that gid, never polls
sooner than it was told to, and always ends by its deadline plus a second.

The answers come from a transport in this process, which keeps the promise of the real one (a poll
takes no longer than it may; ``test_faults.py`` holds the real one to it); all above it is real.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from typing import Any
from unittest import mock

import httpx
import pytest
from conftest import TOKEN, Clock
from far_side import GID, PATIENCE, PROJECT
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobwait import AsyncJobsClient, JobsClient, JobwaitError, SucceededJob, WaitPolicy
from jobwait import _transport as transport
from jobwait._transport import CONNECTIONS

EXPORT = {"gid": "5", "resource_type": "graph_export"}
# What is told in such answers counts: they are errors that a wait goes on after.
HEEDED = (404, 408, 429, 500, 502, 503, 504)
OTHERS = (200, 204, 206, 301, 304, 400, 401, 403, 451, 999)
DAY = 86_400.0

_real_monotonic = time.monotonic
_real_async_sleep = asyncio.sleep


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

    def response(self) -> httpx.Response:
        """Return the answer, or raise what stands for none."""
        if self.status is None:
            raise transport.ExchangeError("it broke", stale=self.stale)
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        if isinstance(self.body, dict):
            return httpx.Response(self.status, headers=headers, json={"data": self.body})
        return httpx.Response(self.status, headers=headers, content=self.body)


SUCCESS = Event(body={"gid": GID, "status": "succeeded", "new_project": PROJECT})
PENDING = Event(body={"gid": GID, "status": "in_progress"})
TOO_LATE = Event(status=None)


class LedClient:
    """A client whose waits stand still at every poll and every pause, until told what happens.

    It lives on a thread of its own, in either mode, so that a rule of a state machine can lead it
    from one place where it stands to the next.

    Attributes:
        clock: The driven clock; it stands while the client does.
        stands: Where it stands: ``"idle"`` between waits, ``"polling"`` or ``"pausing"``.
        seconds: What the poll may take, or the pause is to last.
        outcome: What the last wait returned or raised.
    """

    def __init__(self, *, is_async: bool, request_timeout: float = 30.0) -> None:
        self.clock = Clock()
        self.stands = ""
        self.seconds = 0.0
        self.outcome: SucceededJob | BaseException | None = None
        self.is_async = is_async
        self._told: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._stood: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()
        options: dict[str, Any] = {
            "base_url": "http://127.0.0.1:9",
            "request_timeout": request_timeout,
        }
        self.client: JobsClient | AsyncJobsClient
        self.client = (AsyncJobsClient if is_async else JobsClient)(TOKEN, **options)
        self.client._http = self  # type: ignore[assignment]
        self._thread = threading.Thread(target=self._live, name="led", daemon=True)
        self._lead(self._thread.start)

    def begin(self, **arguments: Any) -> None:
        """Begin a wait."""
        assert self.stands == "idle"
        self._go_on(lambda: arguments)

    def answer(self, happens: Event) -> Event:
        """Let this befall the poll, within its bound; return what the client saw of it."""
        assert self.stands == "polling"
        seen = TOO_LATE if happens.takes >= self.seconds else happens
        self.clock.tick(min(happens.takes, self.seconds))
        self._go_on(seen.response)
        return seen

    def pass_time(self, late: float = 0.0) -> None:
        """Let the pause go by, and its end come late."""
        assert self.stands == "pausing"
        self.clock.tick(self.seconds + late if self.seconds > 0 else 0.0)
        self._go_on(lambda: None)

    def interrupt(self) -> None:
        """Press Ctrl-C, or cancel the task, where the wait stands."""

        def strike() -> None:
            if not self.is_async:
                raise KeyboardInterrupt
            self._task.cancel()

        assert self.stands != "idle"
        self._go_on(strike)

    def end(self) -> None:
        """Close the client; nothing of it may be left."""
        assert self.stands == "idle"
        self._lead(lambda: self._told.put(lambda: None))
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _go_on(self, happens: Callable[[], Any]) -> None:
        self._lead(lambda: self._told.put(happens))

    def _lead(self, start: Callable[[], object]) -> None:
        """Let the client run to where it stands next; time is driven while it runs, only then."""
        with ExitStack() as stack:
            for where, name, value in (
                (time, "monotonic", lambda: self.clock.now),
                (time, "time", lambda: self.clock.wall),
                (time, "sleep", self._sleep),
                (asyncio, "sleep", self._async_sleep),
                (asyncio.BaseEventLoop, "time", lambda _: _real_monotonic()),
            ):
                stack.enter_context(mock.patch.object(where, name, value))
            start()
            self.stands, self.seconds = self._stood.get(timeout=PATIENCE)

    # On the client's thread.

    def _stand(self, where: str, seconds: float = 0.0) -> Any:
        self._stood.put((where, seconds))
        return self._told.get()()

    def _live(self) -> None:
        if isinstance(self.client, AsyncJobsClient):
            asyncio.run(self._live_async(self.client))
        else:
            while arguments := self._stand("idle"):
                try:
                    self.outcome = self.client.wait(GID, **arguments)
                except BaseException as error:  # noqa: BLE001 - the machine judges it
                    self.outcome = error
        self._stood.put(("gone", 0.0))

    async def _live_async(self, client: AsyncJobsClient) -> None:
        while arguments := self._stand("idle"):
            self._task = asyncio.create_task(client.wait(GID, **arguments))
            await asyncio.wait([self._task])
            error = asyncio.CancelledError() if self._task.cancelled() else self._task.exception()
            self.outcome = error or self._task.result()

    def _sleep(self, seconds: float) -> None:
        assert seconds >= 0, "nobody can sleep a negative time"
        self._stand("pausing", seconds)

    async def _async_sleep(self, seconds: float) -> None:
        self._sleep(seconds)
        await self._notice()

    async def _notice(self) -> None:
        # Only a cancelled task lets the loop turn: its real timers know no driven clock.
        if self._task.cancelling():
            await _real_async_sleep(0)

    def handle_request(self, _request: httpx.Request) -> httpx.Response:
        """Stand in for the transport."""
        response: httpx.Response = self._stand("polling", transport._exchange.get().seconds)
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Do the same."""
        response = self.handle_request(request)
        await self._notice()
        return response


# What may happen.


def jobs() -> st.SearchStrategy[Event]:
    made: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.just({"new_project": PROJECT}),
        st.just({"new_project": None}),
        st.just({"new_graph_export": EXPORT}),
        st.just({"new_graph_export": EXPORT | {"download_url": "https://files.test/1"}}),
    )
    statuses = st.sampled_from(["succeeded", "in_progress", "failed", "paused", "not_started", ""])
    gids = st.sampled_from([GID, GID, GID, "1202", GID + "0"])
    bodies = st.builds(
        lambda gid, status, new: {"gid": gid, "status": status} | new, gids, statuses, made
    )
    return st.builds(Event, takes=durations(), body=bodies)


def near_successes() -> st.SearchStrategy[Event]:
    """Draw what says ``succeeded``, but of another job, or without all that the job made."""
    bodies: list[dict[str, Any]] = [
        {"gid": "1202", "new_project": PROJECT},
        {"gid": GID + "0", "new_project": PROJECT},
        {"gid": GID},
        {"gid": GID, "new_project": None},
        {"gid": GID, "new_graph_export": EXPORT},
    ]
    drawn = st.sampled_from([body | {"status": "succeeded"} for body in bodies])
    return st.builds(Event, takes=durations(), body=drawn)


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
timeouts = st.one_of(st.just(0.0), st.floats(0, 5), st.floats(20, 200), st.none())
lateness = st.sampled_from([0.0, 0.0, 0.0, 0.0004, 0.03])


class WaitMachine(RuleBasedStateMachine):
    """Waits on one client, one after the other, with a far side and a clock that do as they like.

    Whatever they do, the property holds at every step.
    """

    is_async = False

    @initialize(request_timeout=st.floats(0.5, 60))
    def make_a_client(self, request_timeout: float) -> None:
        """Begin with a client that is idle."""
        self.led = LedClient(is_async=self.is_async, request_timeout=request_timeout)
        self.told_all = -inf
        self._forget()

    @precondition(lambda self: self.led.stands == "idle")
    @rule(policy=policies, timeout=timeouts)
    def a_wait_begins(self, policy: WaitPolicy, timeout: float | None) -> None:
        """The client may have waited before, and may have been told to stay away."""
        self._forget()
        self.deadline = inf if timeout is None else self.led.clock.now + timeout
        self.led.begin(policy=policy, timeout=timeout)
        self._look_where_it_stands()

    @precondition(lambda self: self.led.stands == "polling")
    @rule(happens=st.one_of(st.just(PENDING), refusals(*HEEDED), breaks()))
    def a_wait_goes_on_after_a_poll(self, happens: Event) -> None:
        """Nothing that ends it by itself."""
        self._befall(happens)

    @precondition(lambda self: self.led.stands == "polling")
    @rule(happens=st.one_of(st.just(SUCCESS), near_successes(), jobs(), refusals(*OTHERS)))
    def a_wait_may_end_with_a_poll(self, happens: Event) -> None:
        """Mostly what ends it."""
        self._befall(happens)

    @precondition(lambda self: self.led.stands == "pausing")
    @rule(late=lateness)
    def time_passes(self, late: float) -> None:
        """A sleep may end late, never early."""
        self.led.pass_time(late)
        self._look_where_it_stands()

    @rule(days=st.sampled_from([-1, 1]))
    def the_wall_clock_jumps(self, days: int) -> None:
        """A day either way: nothing comes of it."""
        self.led.clock.wall += days * DAY

    @precondition(lambda self: self.led.stands in ("polling", "pausing"))
    @rule(really=st.sampled_from([False] * 9 + [True]))
    def it_is_interrupted(self, really: bool) -> None:
        """At any moment: what was raised passes, and the client can be used again."""
        if really:
            self.led.interrupt()
            kind = asyncio.CancelledError if self.is_async else KeyboardInterrupt
            assert type(self.led.outcome) is kind
            self._look_where_it_stands(is_struck=True)

    def teardown(self) -> None:
        """In the end the far side heals, and the wait comes to its own end."""
        if not hasattr(self, "led"):
            return
        while self.led.stands != "idle":
            if self.led.stands == "pausing":
                self.led.pass_time()
                self._look_where_it_stands()
            else:
                self._befall(SUCCESS)
        self.led.end()

    def _forget(self) -> None:
        self.deadline = inf
        self.last: Event | None = None
        self.told_this = -inf

    def _befall(self, happens: Event) -> None:
        self.last = self.led.answer(happens)
        until = self.led.clock.now + self.last.told
        self.told_this = max(self.told_this, until)
        if self.last.status == 429:
            self.told_all = max(self.told_all, until)
        self._look_where_it_stands()

    def _look_where_it_stands(self, *, is_struck: bool = False) -> None:
        now, led = self.led.clock.now, self.led
        # Only sleeps may be late, and none is begun once the deadline is there.
        assert now <= self.deadline + 1 + 0.03 + 0.005
        if led.stands == "polling":
            assert now >= max(self.told_this, self.told_all) - 0.002
            assert self.last is None or not self.last.is_success
        if led.stands == "idle" and not is_struck:
            event(type(led.outcome).__name__)
            assert isinstance(led.outcome, SucceededJob | JobwaitError)
            succeeded = self.last is not None and self.last.is_success
            assert isinstance(led.outcome, SucceededJob) == succeeded
        if led.stands == "idle":
            assert led.client._budget.waits == 0
            assert led.client._gate._value == CONNECTIONS


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_wait_tells_the_truth_keeps_away_and_ends_on_time(is_async: bool) -> None:
    """Success only if it was said, no poll sooner than told, over by the deadline and a second."""
    machine = type("Machine", (WaitMachine,), {"is_async": is_async})
    run_state_machine_as_test(machine, settings=settings(deadline=None))


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    events=st.lists(st.one_of(st.just(PENDING), breaks()), max_size=30),
    policy=policies,
)
def test_a_wait_without_deadline_or_tolerance_sees_every_success(
    *, is_async: bool, events: list[Event], policy: WaitPolicy
) -> None:
    """Failed polls and pending jobs, however many, do not keep a success from being seen."""
    patient = WaitPolicy(price=policy.price, max_pause=policy.max_pause, outage_tolerance=inf)
    led = LedClient(is_async=is_async)
    led.begin(timeout=None, policy=patient)
    for happens in [*events, SUCCESS]:
        while led.stands == "pausing":
            led.pass_time()
        led.answer(happens)
    assert isinstance(led.outcome, SucceededJob)
    led.end()
