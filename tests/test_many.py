# SPDX-License-Identifier: MIT
"""Many waits on one token: nobody's trouble is another's, no request is rejected, nothing is lost.

Crowds run on virtual time; threads and sockets are real where the promise is about them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from itertools import pairwise
from random import Random
from typing import Any

import httpx
import pytest
from conftest import outcome_of
from virtual import Crowd, Time, virtual_time

from jobwait import (
    AsyncJobsClient,
    JobsClient,
    JobTimeoutError,
    Outcome,
    Poll,
    WaitPolicy,
    as_completed,
    as_completed_async,
    wait_for_jobs,
    wait_for_jobs_async,
)
from jobwait._transport import ExchangeError
from jobwait.simulator import Durations, Simulator

QUICK = WaitPolicy(price=0.01, min_pause=0.01)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    with virtual_time(monkeypatch) as clock:
        yield clock


def _words(outcomes: list[Outcome]) -> list[str]:
    return [outcome.outcome for outcome in outcomes]


# --- the budget ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("jobs", "rate"), [(300, 150), (1000, 1500), (7, 150), (40, 60)])
def test_no_request_of_a_crowd_is_rejected(clock: Time, jobs: int, rate: int) -> None:
    """However many wait, Asana's limit is never exceeded, in any minute, at start-up neither."""
    crowd = Crowd(clock, rate=rate, duration=Durations.lognormal(median=30, sigma=0.8))
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(jobs)]
    outcomes = crowd.run(lambda client: client.wait_for_jobs(gids, timeout=None), rate=rate)
    assert [outcome.gid for outcome in outcomes] == gids
    assert set(_words(outcomes)) == {"succeeded"}
    assert {request.status for request in crowd.world.requests} == {200}
    assert sum(outcome.polls for outcome in outcomes) == len(crowd.world.requests)


def test_many_are_spread_evenly(clock: Time) -> None:
    """With more waits than the budget serves at once, no two polls are far apart."""
    crowd = Crowd(clock, duration=600.0)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(500)]
    crowd.run(lambda client: client.wait_for_jobs(gids, timeout=400.0))
    asked = [request.at for request in crowd.world.requests]
    gaps = [later - sooner for sooner, later in pairwise(asked)]
    assert max(gaps) < 2 * 60 / 150
    assert len(asked) > 0.95 * 400 * 150 / 60


def test_few_are_polled_as_if_each_were_alone(clock: Time) -> None:
    crowd = Crowd(clock, duration=45.0)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(4)]
    policy = WaitPolicy(jitter=0)
    alone = crowd.run(lambda client: client.wait_for_jobs(gids[:1], policy=policy))
    again = [crowd.world.start("duplicate_task")["gid"] for _ in range(4)]
    together = crowd.run(lambda client: client.wait_for_jobs(again, policy=policy))
    for outcome in together:
        assert outcome.polls == alone[0].polls
        assert outcome.elapsed == pytest.approx(alone[0].elapsed, abs=0.2)


def test_a_429_holds_all_waits_and_they_resume_without_a_burst(clock: Time) -> None:
    """Somebody else spends the token's requests: one rejection stops all, for as long as told."""
    crowd = Crowd(clock, rate=30, duration=200.0)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(20)]
    outcomes = crowd.run(lambda client: client.wait_for_jobs(gids, timeout=None), rate=60)
    assert set(_words(outcomes)) == {"succeeded"}
    requests = list(crowd.world.requests)
    rejected = [request.at for request in requests if request.status == 429]
    assert rejected
    for at in rejected:
        # What was on its way already could not be called back.
        later = sorted(request.at for request in requests if request.at > at + 0.2)
        assert later[0] >= at + 1.0
        assert all(second - first >= 0.5 for first, second in pairwise(later[:5]))


def test_where_the_budget_is_what_the_waits_wait_for_it_says_so(
    clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jobwait")
    crowd = Crowd(clock, duration=100.0)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(50)]
    crowd.run(lambda client: client.wait_for_jobs(gids))
    said = [record.getMessage() for record in caplog.records if "--rate" in record.getMessage()]
    assert said
    assert said[0].startswith("50 waits share 150 requests a minute")
    assert len(said) <= 3


# --- one job's trouble --------------------------------------------------------------------------


def test_one_jobs_trouble_never_ends_anothers_wait(clock: Time) -> None:
    """Each outcome has its word, its error and what was seen of the job."""
    crowd = Crowd(clock, duration=20.0)
    start = crowd.world.start
    gids = {
        "succeeded": start("duplicate_project", name="Release 42")["gid"],
        "failed": start("duplicate_task", fail=True)["gid"],
        "timed_out": start("export_graph", duration=500.0)["gid"],
        "not_found": "404",
    }
    outcomes = crowd.run(lambda client: client.wait_for_jobs(list(gids.values()), timeout=100.0))
    assert dict(zip(gids, _words(outcomes), strict=True)) == {word: word for word in gids}
    succeeded, failed, timed_out, not_found = outcomes
    assert succeeded.reference is not None
    assert succeeded.reference.name == "Release 42"
    assert succeeded.error is None
    for outcome in (failed, timed_out, not_found):
        assert outcome.reference is None
        assert outcome.error is not None
        assert outcome.error.gid == outcome.gid
    assert isinstance(timed_out.error, JobTimeoutError)
    assert timed_out.job is not None
    assert timed_out.elapsed == pytest.approx(100.0, abs=1.0)
    assert not_found.job is None
    assert not_found.elapsed == pytest.approx(5.0, abs=1.0)


@pytest.mark.parametrize(
    ("status", "word"), [(403, "denied"), (404, "not_found")], ids=["denied", "not_found"]
)
def test_a_strangers_job_has_its_own_word(clock: Time, status: int, word: str) -> None:
    crowd = Crowd(clock, stranger_status=status)
    gids = [crowd.world.start("duplicate_task", token=token)["gid"] for token in crowd.world.tokens]
    assert _words(crowd.run(lambda client: client.wait_for_jobs(gids))) == ["succeeded", word]


def test_a_success_that_may_not_be_seen_has_its_own_word(clock: Time) -> None:
    crowd = Crowd(clock, hide_reference=True)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(2)]
    assert _words(crowd.run(lambda client: client.wait_for_jobs(gids))) == ["no_reference"] * 2


def test_what_concerns_all_ends_all_once(clock: Time) -> None:
    """A token that is not accepted is found out by a request or a few, not by one for each job."""
    crowd = Crowd(clock)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(200)]
    crowd.world.tokens = ("unknown", "unknown")
    outcomes = crowd.run(lambda client: client.wait_for_jobs(gids))
    assert set(_words(outcomes)) == {"unauthorized"}
    assert len(outcomes) == 200
    assert len(crowd.world.requests) <= 8


# --- when to return -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("return_when", "fails", "expected"),
    [
        ("any", (True, False, False), ["failed", "succeeded", "pending"]),
        ("first_failure", (False, True, False), ["succeeded", "failed", "pending"]),
        ("any", (True, True, True), ["failed", "failed", "failed"]),
        ("first_failure", (False, False, False), ["succeeded", "succeeded", "succeeded"]),
        ("all", (False, True, False), ["succeeded", "failed", "succeeded"]),
    ],
)
def test_return_when_decides_which_end_is_the_last(
    clock: Time, return_when: Any, fails: tuple[bool, ...], expected: list[str]
) -> None:
    """The rest is pending, with what is known of each."""
    crowd = Crowd(clock)
    gids = [
        crowd.world.start("duplicate_task", duration=10.0 * (1 + place), fail=fail)["gid"]
        for place, fail in enumerate(fails)
    ]
    outcomes = crowd.run(lambda client: client.wait_for_jobs(gids, return_when=return_when))
    assert _words(outcomes) == expected
    for outcome in outcomes:
        if outcome.outcome == "pending":
            assert outcome.error is None
            assert outcome.job is not None
            assert outcome.polls > 1


def test_waits_that_share_a_deadline_end_together_with_what_is_known(clock: Time) -> None:
    """A crowd that the budget cannot serve in time: every wait ends within its last second."""
    crowd = Crowd(clock, duration=10_000.0)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(400)]
    began = clock.now
    outcomes = crowd.run(lambda client: client.wait_for_jobs(gids, timeout=60.0))
    assert clock.now - began <= 61.0
    assert set(_words(outcomes)) == {"timed_out"}
    seen = [outcome for outcome in outcomes if outcome.job is not None]
    assert 100 <= len(seen) <= 150
    assert sum(outcome.polls for outcome in outcomes) == len(crowd.world.requests)


# --- the intake ---------------------------------------------------------------------------------


def test_no_jobs_are_an_empty_result(clock: Time) -> None:
    crowd = Crowd(clock)
    assert crowd.run(lambda client: client.wait_for_jobs([])) == []
    assert wait_for_jobs([], token="x") == []
    assert list(as_completed(iter(()), token="x")) == []
    assert not crowd.world.requests


def test_a_job_named_twice_is_polled_once_and_answered_twice(clock: Time) -> None:
    crowd = Crowd(clock, duration=0)
    one, two = (crowd.world.start("duplicate_task") for _ in range(2))
    jobs = [one, two["gid"], {"data": one}, int(one["gid"])]
    outcomes = crowd.run(lambda client: client.wait_for_jobs(jobs))
    assert [outcome.gid for outcome in outcomes] == [
        one["gid"], two["gid"], one["gid"], one["gid"]
    ]  # fmt: skip
    assert len(crowd.world.requests) == 2


@pytest.mark.parametrize("bad", ["../users/me", None, {}, 1.5, ""])
def test_a_bad_job_in_the_middle_is_refused_by_position_before_any_request(
    clock: Time, bad: Any
) -> None:
    crowd = Crowd(clock)
    good = crowd.world.start("duplicate_task")
    with pytest.raises((TypeError, ValueError), match=r"^job 2 \(index 1\): "):
        crowd.run(lambda client: client.wait_for_jobs([good, bad, good]))
    assert not crowd.world.requests


@pytest.mark.parametrize("jobs", ["1204", b"1204", {"gid": "1204"}, 1204, None])
def test_one_job_is_no_list_of_jobs(jobs: Any) -> None:
    with pytest.raises(TypeError, match="for one job there is wait"):
        wait_for_jobs(jobs, token="x")
    with pytest.raises(TypeError, match="for one job there is wait"):
        as_completed_async(jobs, token="x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"return_when": "first"}, "return_when must be 'all', 'any' or 'first_failure'"),
        ({"rate": 0}, "rate must be more than 0"),
        ({"rate": -1}, "rate must be more than 0"),
        ({"rate": float("nan")}, "rate must be more than 0"),
        ({"timeout": -1}, "timeout must be 0 or more"),
        ({"timeout": float("nan")}, "timeout must be 0 or more"),
    ],
)
def test_bad_numbers_are_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    for call in (wait_for_jobs, as_completed, as_completed_async):
        with pytest.raises(ValueError, match=message):
            call(["1204"], token="x", **arguments)
    with pytest.raises(ValueError, match=message):
        asyncio.run(wait_for_jobs_async(["1204"], token="x", **arguments))


def test_a_rollout_is_a_stream(clock: Time) -> None:
    """Five copies may be in progress: each next one is started when one was seen to end."""
    crowd = Crowd(clock, rate=1500, duration=Durations.lognormal(median=8, sigma=0.8))
    slots = asyncio.Semaphore(5)
    in_progress: list[int] = []

    async def rollout() -> AsyncIterator[Any]:
        for number in range(40):
            await slots.acquire()
            in_progress.append(
                sum(
                    job.status in ("not_started", "in_progress")
                    for job in crowd.world.jobs.values()
                )
            )
            yield crowd.world.start("instantiate_project", name=f"Customer {number}")

    def on_end(_outcome: Outcome) -> None:
        slots.release()

    outcomes = crowd.run(lambda client: client.wait_for_jobs(rollout(), on_end=on_end), rate=1500)
    names = [outcome.reference.name for outcome in outcomes if outcome.reference]
    assert names == [f"Customer {number}" for number in range(40)]
    assert max(in_progress) == 4


def test_a_stream_that_raises_ends_the_intake_not_the_waits(clock: Time) -> None:
    crowd = Crowd(clock)
    started = [crowd.world.start("duplicate_task") for _ in range(2)]

    async def stream() -> AsyncIterator[Any]:
        for job in started:
            yield job
        raise LookupError("no more customers")

    ended: list[Outcome] = []
    with pytest.raises(LookupError, match="no more customers"):
        crowd.run(lambda client: client.wait_for_jobs(stream(), on_end=ended.append))
    assert _words(ended) == ["succeeded", "succeeded"]


def test_a_bad_job_in_a_stream_is_named_once_the_others_have_ended(clock: Time) -> None:
    crowd = Crowd(clock)

    async def stream() -> AsyncIterator[Any]:
        yield crowd.world.start("duplicate_task")
        yield "no gid"

    ended: list[Outcome] = []
    with pytest.raises(ValueError, match=r"^job 2 \(index 1\): .*'no gid'"):
        crowd.run(lambda client: client.wait_for_jobs(stream(), on_end=ended.append))
    assert _words(ended) == ["succeeded"]


def test_a_stream_that_never_ends_is_left_with_the_first_success(clock: Time) -> None:
    crowd = Crowd(clock)

    async def stream() -> AsyncIterator[Any]:
        yield crowd.world.start("duplicate_task")
        await asyncio.Event().wait()

    words = crowd.run(lambda client: client.wait_for_jobs(stream(), return_when="any"))
    assert _words(words) == ["succeeded"]


@pytest.mark.parametrize("blocking", [False, True], ids=["async", "sync"])
def test_the_deadline_ends_a_stream_that_never_does(clock: Time, blocking: bool) -> None:
    """And what it gave until then has its outcome."""
    crowd = Crowd(clock, duration=500.0)
    over = threading.Event()

    async def stream() -> AsyncIterator[Any]:
        yield crowd.world.start("duplicate_task")
        await asyncio.Event().wait()

    def lines() -> Iterator[Any]:
        yield crowd.world.start("duplicate_task")
        over.wait()

    jobs: Any = lines() if blocking else stream()
    outcomes = crowd.run(lambda client: client.wait_for_jobs(jobs, timeout=30.0))
    over.set()
    assert _words(outcomes) == ["timed_out"]


def test_a_stream_starts_nothing_more_once_the_waiting_is_over(clock: Time) -> None:
    """A slot that a job cut short sets free is not taken by a next one."""
    crowd = Crowd(clock, duration=10.0)
    slots = asyncio.Semaphore(2)

    async def rollout() -> AsyncIterator[Any]:
        while True:
            await slots.acquire()
            yield crowd.world.start("duplicate_task", fail=len(crowd.world.jobs) == 2)

    outcomes = crowd.run(
        lambda client: client.wait_for_jobs(
            rollout(), return_when="first_failure", on_end=lambda _outcome: slots.release()
        )
    )
    assert "failed" in _words(outcomes)
    assert len(crowd.world.jobs) == len(outcomes)


# --- nothing is lost ----------------------------------------------------------------------------


def test_a_cancelled_crowd_says_what_is_pending(clock: Time) -> None:
    """What ended was told; what did not is named on the exception, for a later run."""
    crowd = Crowd(clock)
    quick = crowd.world.start("duplicate_task")["gid"]
    slow = crowd.world.start("duplicate_task", duration=500.0)["gid"]
    ended: list[Outcome] = []

    async def use(client: AsyncJobsClient) -> BaseException:
        task = asyncio.create_task(client.wait_for_jobs([quick, slow], on_end=ended.append))
        await asyncio.sleep(60)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            return error
        raise AssertionError

    error = crowd.run(use)
    assert _words(ended) == ["succeeded"]
    assert error.__notes__ == [f"jobwait: 1 ended; still pending: {slow}"]


@pytest.mark.parametrize("callback", ["on_poll", "on_end"])
def test_what_a_callback_raises_the_wait_raises(clock: Time, callback: str) -> None:
    crowd = Crowd(clock)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(3)]

    def fail(_seen: object) -> None:
        raise LookupError(callback)

    callbacks: dict[str, Any] = {callback: fail}
    with pytest.raises(LookupError, match=callback) as raised:
        crowd.run(lambda client: client.wait_for_jobs(gids, **callbacks))
    assert raised.value.__notes__ == [f"jobwait: 0 ended; still pending: {', '.join(gids)}"]


def test_a_generator_that_is_closed_early_leaves_nothing(clock: Time) -> None:
    """What the far side's clock and the leak checks of the crowd see is that all is over."""
    crowd = Crowd(clock)
    gids = [
        crowd.world.start("duplicate_task", duration=5.0 * place)["gid"] for place in range(1, 5)
    ]

    async def use(client: AsyncJobsClient) -> str:
        async with contextlib.aclosing(client.as_completed(gids)) as outcomes:
            async for outcome in outcomes:
                return outcome.gid
        raise AssertionError

    assert crowd.run(use) == gids[0]


# --- threads and sockets ------------------------------------------------------------------------


@pytest.fixture
def simulator(no_leak: None, make_asana_simulator: Callable[..., Simulator]) -> Simulator:
    return make_asana_simulator(duration=0.05, rate=None, in_progress_limit=None)


def test_without_an_event_loop_the_waits_run_in_a_thread(simulator: Simulator) -> None:
    gids = [simulator.start()["gid"] for _ in range(5)]
    threads: set[str] = set()

    def on_poll(_poll: Poll) -> None:
        threads.add(threading.current_thread().name)

    outcomes = wait_for_jobs(gids, policy=QUICK, rate=60_000, on_poll=on_poll)
    assert _words(outcomes) == ["succeeded"] * 5
    assert threads == {"jobwait"}


def test_one_job_alone_needs_neither_thread_nor_loop(simulator: Simulator) -> None:
    seen: list[str] = []
    outcomes = as_completed(
        [simulator.start()],
        policy=QUICK,
        on_poll=lambda _poll: seen.append(threading.current_thread().name),
        on_end=lambda outcome: seen.append(outcome.outcome),
    )
    assert _words(list(outcomes)) == ["succeeded"]
    assert set(seen) == {threading.current_thread().name, "succeeded"}


def test_one_job_alone_has_the_outcome_of_its_trouble(simulator: Simulator) -> None:
    (outcome,) = wait_for_jobs([simulator.start(fail=True)["gid"]], policy=QUICK)
    assert (outcome.outcome, outcome.reference) == ("failed", None)


def test_a_blocking_iterator_streams_jobs_in(simulator: Simulator) -> None:
    """While the iterator blocks, the jobs that it gave are waited for."""
    lines: queue.Queue[str | None] = queue.Queue()
    lines.put(simulator.start()["gid"])
    seen = []

    def on_end(outcome: Outcome) -> None:
        seen.append(outcome.gid)
        lines.put(simulator.start()["gid"] if len(seen) < 3 else None)

    outcomes = wait_for_jobs(iter(lines.get, None), policy=QUICK, rate=60_000, on_end=on_end)
    assert [outcome.gid for outcome in outcomes] == seen
    assert len(seen) == 3


def test_an_iterator_that_raises_ends_the_intake_not_the_waits(simulator: Simulator) -> None:
    def jobs() -> Iterator[str]:
        yield simulator.start()["gid"]
        raise LookupError("end of line")

    outcomes = as_completed(jobs(), policy=QUICK)
    assert next(outcomes).outcome == "succeeded"
    with pytest.raises(LookupError, match="end of line"):
        next(outcomes)


def test_a_closed_generator_ends_the_thread(simulator: Simulator) -> None:
    gids = [simulator.start(duration=place * 60)["gid"] for place in range(3)]
    outcomes = as_completed(gids, policy=QUICK)
    assert next(outcomes).gid == gids[0]
    outcomes.close()


def test_an_iterator_is_not_drawn_from_any_more_once_nobody_wants_it(simulator: Simulator) -> None:
    drawn = threading.Semaphore(0)
    given = []

    def jobs() -> Iterator[str]:
        while True:
            given.append(simulator.start()["gid"])
            yield given[-1]
            drawn.acquire(timeout=30)

    outcomes = as_completed(jobs(), policy=QUICK)
    next(outcomes)
    outcomes.close()
    drawn.release()


def test_what_raises_in_the_thread_raises_where_it_is_consumed(simulator: Simulator) -> None:
    def fail(_poll: Poll) -> None:
        raise LookupError("on_poll")

    gids = [simulator.start()["gid"] for _ in range(2)]
    error = outcome_of(lambda: wait_for_jobs(gids, on_poll=fail))
    assert isinstance(error, LookupError)
    assert error.__notes__ == [f"jobwait: 0 ended; still pending: {', '.join(gids)}"]


def test_all_that_wait_through_one_client_share_its_budget(simulator: Simulator) -> None:
    """The waits of a thread and of its caller are counted together, and all leave."""
    with JobsClient(rate=60_000) as client:
        gids = [simulator.start()["gid"] for _ in range(6)]
        counted: list[int] = []
        client.wait_for_jobs(
            gids, policy=QUICK, on_poll=lambda _poll: counted.append(client._budget.waits)
        )
        assert counted[0] == 6
        assert client._budget.waits == 0


def test_async_functions_do_what_their_synchronous_forms_do(simulator: Simulator) -> None:
    gids = [simulator.start()["gid"] for _ in range(3)]

    async def use() -> tuple[list[Outcome], list[Outcome]]:
        listed = await wait_for_jobs_async(gids, policy=QUICK)
        streamed = [outcome async for outcome in as_completed_async(gids, policy=QUICK)]
        return listed, streamed

    listed, streamed = asyncio.run(use())
    assert _words(listed) == _words(streamed) == ["succeeded"] * 3
    assert {outcome.gid for outcome in streamed} == set(gids)


def test_a_crowd_of_random_trouble_has_no_wrong_outcome(clock: Time) -> None:
    """Two hundred jobs, a third of which fail, on an Asana that often does: each is told right."""
    crowd = Crowd(
        clock, server_errors=0.1, bad_gateways=0.1, not_found_for=1.0, fail=0.3, seed=11, rate=1500
    )
    chance = Random(11)
    gids = [
        crowd.world.start("duplicate_task", duration=chance.uniform(0, 60))["gid"]
        for _ in range(200)
    ]
    outcomes = crowd.run(lambda client: client.wait_for_jobs(gids), rate=1500)
    told = {outcome.gid: outcome.outcome for outcome in outcomes}
    assert told == {gid: crowd.world.jobs[gid].status for gid in gids}


def test_two_failed_polls_of_a_crowd_are_no_outage_of_minutes(clock: Time) -> None:
    """Where a turn comes every few minutes, a bad minute is not taken for a long one."""
    crowd = Crowd(clock, server_errors=0.3, duration=900.0, seed=3)
    gids = [crowd.world.start("duplicate_task")["gid"] for _ in range(600)]
    policy = WaitPolicy(outage_tolerance=60.0)
    outcomes = crowd.run(lambda client: client.wait_for_jobs(gids, policy=policy, timeout=None))
    assert set(_words(outcomes)) == {"succeeded"}


def test_an_outcome_that_is_kept_keeps_no_frames(clock: Time) -> None:
    crowd = Crowd(clock)
    outcomes = crowd.run(lambda client: client.wait_for_jobs(["404", "405"]))
    for outcome in outcomes:
        assert outcome.error is not None
        assert outcome.error.__traceback__ is None


class _Refusing:
    """A transport that fails or answers in one way, whatever is asked."""

    def __init__(self, answer: Callable[[], httpx.Response]) -> None:
        self._answer = answer
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return self._answer()

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""


def _distrust() -> httpx.Response:
    raise ExchangeError("its certificate does not verify", transient=False)


@pytest.mark.parametrize(
    "answer", [lambda: httpx.Response(302), _distrust], ids=["a redirect", "a certificate"]
)
def test_a_base_url_that_cannot_work_ends_all_once(
    clock: Time, answer: Callable[[], httpx.Response]
) -> None:
    far = _Refusing(answer)

    async def use(client: AsyncJobsClient) -> list[Outcome]:
        client._http = far  # type: ignore[assignment]
        return await client.wait_for_jobs([str(number) for number in range(100)])

    outcomes = Crowd(clock).run(use)
    assert _words(outcomes) == ["unavailable"] * 100
    assert len({id(outcome.error) for outcome in outcomes}) <= 8
    assert far.requests <= 8


def test_a_timeout_of_the_stream_s_own_is_raised_as_any_other_error(clock: Time) -> None:
    async def stream() -> AsyncIterator[Any]:
        yield "404"
        raise TimeoutError("the queue is empty")

    with pytest.raises(TimeoutError, match="the queue is empty"):
        Crowd(clock).run(lambda client: client.wait_for_jobs(stream()))


def test_an_event_loop_that_cannot_be_made_is_an_error_and_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(main: Coroutine[Any, Any, None]) -> None:
        main.close()
        raise OSError("too many open files")

    monkeypatch.setattr(asyncio, "run", fail)
    with pytest.raises(OSError, match="too many open files"):
        wait_for_jobs(["1", "2"], token="x")


def test_an_iterator_that_is_kept_does_not_hold_up_the_end_of_the_process(
    simulator: Simulator,
) -> None:
    """An uncaught exception keeps it alive; from Python 3.13 on, its thread cannot be joined."""
    gids = [simulator.start(duration=duration)["gid"] for duration in (0.0, 600.0)]
    code = """
import sys
from jobwait import as_completed
for outcome in (kept := as_completed(sys.argv[1:], timeout=600)):
    raise SystemExit(7)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, *gids],
        env=os.environ | simulator.env(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 7
