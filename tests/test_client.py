# SPDX-License-Identifier: MIT
"""What a client does with what it sees: each row of the table of waits, over real sockets.

Time is driven: ``far.times`` are seconds that nobody waited for.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import time
import warnings
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from importlib.metadata import version
from math import inf, nan
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import TOKEN, Clock, Mode, Start, outcome_of
from far_side import GID, PROJECT, Connection, answer, close, job, silence, succeeded, then

from jobwait import (
    AccessDeniedError,
    ApiError,
    AsyncJobsClient,
    AuthenticationError,
    ConfigurationError,
    Job,
    JobFailedError,
    JobNotFoundError,
    JobsClient,
    JobTimeoutError,
    MissingReferenceError,
    Outcome,
    PendingJob,
    Poll,
    ProtocolError,
    SucceededJob,
    TransportError,
    UnavailableError,
    WaitPolicy,
    wait_for_job,
    wait_for_job_async,
)
from jobwait import _transport as transport
from jobwait._budget import Budget, Ticket

STEADY = WaitPolicy(jitter=0)
# The k-th poll falls at price * k**2, with the price of 0.2 s that 150 a minute has.
SCHEDULE = [0, 0.2, 0.8, 1.8, 3.2, 5.0, 7.2, 9.8]

Make = Callable[..., JobsClient | AsyncJobsClient]
each_client = pytest.mark.parametrize("make", [JobsClient, AsyncJobsClient])


def times(*seconds: float) -> Any:
    return pytest.approx(list(seconds), abs=0.002)


# The table: what is seen, and what then.


@pytest.mark.parametrize("status", ["not_started", "in_progress", "paused_by_the_moon", ""])
def test_a_wait_goes_on_while_the_job_is_pending_or_its_status_unknown(
    mode: Mode, far_side: Start, clock: Clock, status: str
) -> None:
    """Pending, or an unknown status: go on, on the schedule, until it succeeded."""
    far = far_side(*[job(status)] * 7, succeeded())
    ended = mode.wait(far.url, policy=STEADY)
    assert ended.reference is not None
    assert (ended.reference.field, ended.reference.gid) == ("new_project", PROJECT["gid"])
    assert far.times == times(*SCHEDULE)


def test_a_job_that_succeeded_at_once_costs_one_request(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """The first poll is at once: small jobs are often done in the first answer."""
    far = far_side(succeeded())
    assert mode.wait(far.url).gid == GID
    assert (len(far.requests), clock.naps) == (1, [])


def test_a_status_may_go_backwards(mode: Mode, far_side: Start, clock: Clock) -> None:
    """Whatever was seen before, the latest answer counts."""
    far = far_side(job("in_progress"), job("not_started"), job("succeeded"), job("in_progress"))
    with pytest.raises(JobTimeoutError) as caught:
        mode.wait(far.url, timeout=30)
    assert isinstance(caught.value.last_job, PendingJob)


def test_success_without_reference_is_given_time_to_settle(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """A reference that shows up within ``settle`` is as good as one that was there at once."""
    far = far_side(job("succeeded"), job("succeeded", new_project=None), succeeded())
    assert mode.wait(far.url, policy=STEADY).reference is not None
    assert far.times == times(*SCHEDULE[:3])


def test_success_without_reference_ends_after_settle_and_names_the_scopes(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """``succeeded`` without: poll on for ``settle`` seconds, then ``MissingReferenceError``."""
    far = far_side(job("in_progress"), job("succeeded"))
    with pytest.raises(MissingReferenceError, match="projects:read"):
        mode.wait(far.url, policy=STEADY)
    assert far.times[-1] == pytest.approx(0.2 + 10, abs=0.01)
    assert len(far.requests) == 10


def test_an_export_is_done_when_its_download_url_is_there(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """An export that succeeded is of no use before it can be fetched."""
    export = {"gid": "5", "resource_type": "graph_export"}
    ready = export | {"download_url": "https://files.test/1"}
    far = far_side(
        job("succeeded", new_graph_export=export), job("succeeded", new_graph_export=ready)
    )
    ended = mode.wait(far.url)
    assert ended.reference is not None
    assert ended.reference.download_url == "https://files.test/1"
    assert len(far.requests) == 2


def test_an_export_without_url_ends_after_settle(mode: Mode, far_side: Start, clock: Clock) -> None:
    """An export that cannot be fetched: ``MissingReferenceError``, which says so."""
    far = far_side(job("succeeded", new_resource_export={"gid": "5"}))
    with pytest.raises(MissingReferenceError, match="download_url"):
        mode.wait(far.url, policy=STEADY)
    assert far.times[-1] == pytest.approx(10, abs=0.01)


def test_what_a_pending_job_is_making_is_never_visible(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """``new_project`` before success, changing on every poll: nobody can read it."""
    polls: list[Poll] = []
    pending = [job("in_progress", new_project={"gid": str(gid)}) for gid in range(900, 905)]
    far = far_side(*pending, succeeded())
    ended = mode.wait(far.url, on_poll=polls.append)
    assert ended.reference is not None
    assert ended.reference.gid == PROJECT["gid"]
    for poll in polls[:-1]:
        assert isinstance(poll.job, PendingJob)
        assert not hasattr(poll.job, "reference")
        assert "90" not in repr(poll.job)


def test_a_failed_job_is_an_error_with_the_job_as_asana_gave_it(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """``failed``: ``JobFailedError``, at once, with all that there is to show."""
    far = far_side(job("failed", resource_subtype="duplicate_task", new_task={"gid": "7"}))
    with pytest.raises(JobFailedError, match="duplicate_task") as caught:
        mode.wait(far.url)
    assert caught.value.gid == GID
    assert caught.value.job.reference is not None
    assert caught.value.job.reference.gid == "7"
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (401, AuthenticationError, "not accepted"),
        (403, AccessDeniedError, "only the job's creator"),
        (400, ApiError, "does not help"),
        (402, ApiError, "does not help"),
        (410, ApiError, "does not help"),
        (451, ApiError, "does not help"),
    ],
)
@pytest.mark.parametrize("pending", [0, 1])
def test_what_asana_refuses_ends_the_wait_at_once(
    mode: Mode,
    far_side: Start,
    clock: Clock,
    *,
    status: int,
    kind: type[ApiError],
    text: str,
    pending: int,
) -> None:
    """401, 403 and other 4xx: one request, one typed error with what Asana says."""
    refusal = answer(status, {"errors": [{"message": "No, thank you", "help": "Look"}]})
    far = far_side(*[job("in_progress")] * pending, refusal)
    with pytest.raises(kind, match=text) as caught:
        mode.wait(far.url)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.gid) == (status, GID)
    assert caught.value.errors[0].message == "No, thank you"
    assert "No, thank you" in str(caught.value)
    assert len(far.requests) == pending + 1


def test_a_404_is_put_up_with_for_a_grace(mode: Mode, far_side: Start, clock: Clock) -> None:
    """A new job may not be readable everywhere yet."""
    far = far_side(*[answer(404)] * 4, job("in_progress"), succeeded())
    assert mode.wait(far.url, policy=STEADY).gid == GID
    assert far.times[:5] == times(*SCHEDULE[:5])


def test_a_404_that_stays_is_an_error_once_the_grace_is_over(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """404: ``JobNotFoundError``, once it has stayed so for ``not_found_grace``."""
    far = far_side(answer(404, {"errors": [{"message": "job: Unknown object"}]}))
    with pytest.raises(JobNotFoundError, match="only the job's creator"):
        mode.wait(far.url, policy=STEADY)
    assert far.times == times(*SCHEDULE[:6])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_an_error_that_passes_is_a_failed_poll(
    mode: Mode, far_side: Start, clock: Clock, status: int
) -> None:
    """A failed poll is not a failed job: the next one is as soon as after a first poll."""
    polls: list[Poll] = []
    page = answer(status, "<html>A proxy's bad minute</html>", [("Content-Type", "text/html")])
    far = far_side(job("in_progress"), job("in_progress"), page, page, succeeded())
    assert mode.wait(far.url, policy=STEADY, on_poll=polls.append).gid == GID
    assert far.times == times(0, 0.2, 0.8, 1.0, 1.6)
    assert [type(poll.error) for poll in polls[2:]] == [ApiError, ApiError, type(None)]
    assert [poll.number for poll in polls] == [1, 2, 3, 4, 5]
    assert polls[-1].pause is None


def test_an_outage_ends_after_the_tolerance_with_its_last_failure_chained(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """Only failed polls for ``outage_tolerance``: ``UnavailableError``; Asana's phrase is shown."""
    body = {"errors": [{"message": "Server Error", "phrase": "6 sad squid snuggle softly"}]}
    far = far_side(job("in_progress"), answer(500, body))
    with pytest.raises(UnavailableError, match="6 sad squid snuggle softly") as caught:
        mode.wait(far.url, policy=STEADY)
    assert isinstance(caught.value.__cause__, ApiError)
    assert caught.value.__cause__.phrase == "6 sad squid snuggle softly"
    assert isinstance(caught.value.last_job, PendingJob)
    assert caught.value.outage == pytest.approx(300, abs=0.01)
    assert far.times[-1] == pytest.approx(300.2, abs=0.01)
    assert len(far.requests) == caught.value.polls == 41


def test_an_answer_ends_an_outage(mode: Mode, far_side: Start, clock: Clock) -> None:
    """The tolerance is for a row of failures; one answer begins another."""
    policy = WaitPolicy(jitter=0, outage_tolerance=5)
    far = far_side(*[*[answer(503)] * 4, job("in_progress")] * 4, succeeded())
    assert mode.wait(far.url, policy=policy, timeout=600).gid == GID
    assert len(far.requests) == 21


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("pending", [0, 1])
def test_a_redirect_is_an_error_and_nobody_goes_there(
    mode: Mode, far_side: Start, clock: Clock, status: int, pending: int
) -> None:
    """Any 3xx: an error at once; the token goes to no other host."""
    elsewhere = far_side(succeeded())
    there = [("Location", f"{elsewhere.url}/jobs/{GID}")]
    far = far_side(*[job("in_progress")] * pending, answer(status, headers=there))
    with pytest.raises(ApiError, match="never followed"):
        mode.wait(far.url)
    assert (len(far.requests), elsewhere.connections) == (pending + 1, [])


# Retry-After.


@pytest.mark.parametrize("status", [429, 503, 500, 404])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_nobody_polls_before_retry_after(
    mode: Mode, far_side: Start, clock: Clock, status: int, form: str
) -> None:
    """``Retry-After``, in seconds or as a date: never sooner, and not much later."""
    value = "4" if form == "seconds" else formatdate(clock.wall + 4, usegmt=True)
    far = far_side(answer(status, headers=[("Retry-After", value)]), succeeded())
    assert mode.wait(far.url, policy=STEADY).gid == GID
    assert len(far.requests) == 2
    assert 4 <= far.times[1] <= 4.5


def test_a_date_counts_from_the_answers_own(mode: Mode, far_side: Start, clock: Clock) -> None:
    """Neither clock has to be right: a ``Retry-After`` date is read beside ``Date``."""
    headers = [
        ("Date", formatdate(1e9, usegmt=True)),
        ("Retry-After", formatdate(1e9 + 9, usegmt=True)),
    ]
    far = far_side(answer(429, headers=headers), succeeded())
    mode.wait(far.url)
    assert far.times == times(0, 9)


@pytest.mark.parametrize(
    "values",
    [
        *(["inf"], ["nan"], ["-1"], ["1_0"], ["1e3"], ["9" * 35], ["3.5"], ["\u0663"], [""]),
        *(["Fri, 31 Dec 99999 23:59:59 GMT"], ["Thu, 01 Jan 2037 00:00:00"], ["soon"]),
        *(["5", "7"], ["5, 7"], ["5", "5"]),
    ],
)
def test_what_is_no_retry_after_means_the_usual_pause(
    mode: Mode, far_side: Start, clock: Clock, values: list[str]
) -> None:
    """Nonsense is as good as not said."""
    headers = [("Retry-After", value.encode().decode("latin-1")) for value in values]
    far = far_side(answer(429, headers=headers), succeeded())
    mode.wait(far.url, policy=STEADY)
    assert far.times == times(0, 0.2)


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_past_the_deadline_gives_up_now(
    mode: Mode, far_side: Start, clock: Clock, status: int
) -> None:
    """No use in staying: ``JobTimeoutError`` at once, which says why."""
    far = far_side(job("in_progress"), answer(status, headers=[("Retry-After", "3600")]))
    with pytest.raises(JobTimeoutError, match="stay away for 1 h") as caught:
        mode.wait(far.url, policy=STEADY, timeout=60)
    assert (caught.value.polls, len(far.requests)) == (2, 2)
    assert caught.value.elapsed == pytest.approx(0.2, abs=0.002)


def test_a_429_holds_all_that_ask_on_the_same_client(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """Nothing on this token polls again before ``Retry-After``, whichever wait was told."""
    far = far_side(answer(429, headers=[("Retry-After", "30")]), job("in_progress"), succeeded())
    outcomes = mode.use_for(
        far.url,
        lambda client: client.get_job("1"),
        lambda client: client.get_job("2"),
        lambda client: client.wait("3"),
    )
    assert [type(outcome) for outcome in outcomes] == [ApiError, PendingJob, SucceededJob]
    assert far.times[1] >= 30


# Time.


@pytest.mark.parametrize("timeout", [0, 0.0])
def test_a_timeout_of_0_looks_once(
    mode: Mode, far_side: Start, clock: Clock, timeout: float
) -> None:
    """``timeout=0``: one request, whatever it says."""
    far = far_side(job("in_progress"))
    with pytest.raises(JobTimeoutError, match=f"wait for {GID} again") as caught:
        mode.wait(far.url, timeout=timeout)
    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.gid, caught.value.polls, len(far.requests)) == (GID, 1, 1)
    assert isinstance(caught.value.last_job, PendingJob)
    assert clock.naps == []


def test_a_timeout_of_0_sees_what_is_done(mode: Mode, far_side: Start, clock: Clock) -> None:
    """``timeout=0`` is a question, and may be answered."""
    far = far_side(succeeded())
    assert mode.wait(far.url, timeout=0).gid == GID


def test_no_timeout_waits_for_days(mode: Mode, far_side: Start, clock: Clock) -> None:
    """``timeout=None`` waits for ever, at most ``max_pause`` between two polls."""
    far = far_side(*[job("in_progress")] * 1000, succeeded())
    assert mode.wait(far.url, policy=WaitPolicy(max_pause=300), timeout=None).gid == GID
    assert clock.now - 1000 > 24 * 3600
    assert max(clock.naps) <= 300


def test_the_last_poll_is_at_the_deadline(mode: Mode, far_side: Start, clock: Clock) -> None:
    """The last pause is clipped, so that what ended in it is still seen."""
    far = far_side(*[job("in_progress")] * 3, succeeded())
    assert mode.wait(far.url, policy=STEADY, timeout=1.0).gid == GID
    assert far.times == times(0, 0.2, 0.8, 1.0)


def test_the_deadline_ends_a_wait_and_says_what_is_known(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """The deadline: one last poll at it, then an error with all that the wait knows."""
    far = far_side(job("not_started"), job("in_progress"), answer(502))
    with pytest.raises(JobTimeoutError, match="may still be running") as caught:
        mode.wait(far.url, policy=STEADY, timeout=1.5)
    error = caught.value
    assert far.times == times(0, 0.2, 0.8, 1.0, 1.5)
    assert [error.polls, error.elapsed] == times(5, 1.5)
    assert isinstance(error.last_job, PendingJob)
    assert error.last_job.raw_status == "in_progress"
    assert isinstance(error.last_error, ApiError)
    assert error.__cause__ is error.last_error


def test_the_default_timeout_is_half_an_hour(mode: Mode, far_side: Start, clock: Clock) -> None:
    """Nobody waits for ever without having said so."""
    far = far_side(job("in_progress"))
    with pytest.raises(JobTimeoutError):
        mode.wait(far.url)
    assert far.times[-1] == pytest.approx(1800, abs=0.01)
    assert len(far.requests) < 110


def test_a_deadline_inside_a_poll_cuts_it_short(mode: Mode, far_side: Start) -> None:
    """A poll is bounded by the time left; then one last look, which sees what is there."""
    far = far_side(silence(), succeeded())
    began = time.monotonic()
    assert mode.wait(far.url, timeout=0.3, request_timeout=60).gid == GID
    assert 0.25 < time.monotonic() - began < 8


def test_a_last_look_that_is_not_answered_ends_the_wait(mode: Mode, far_side: Start) -> None:
    """By its deadline plus a second a wait is over, however silent the far side."""
    far = far_side(silence())
    began = time.monotonic()
    with pytest.raises(JobTimeoutError) as caught:
        mode.wait(far.url, timeout=0.2, request_timeout=60)
    assert 1.1 < time.monotonic() - began < 9
    assert isinstance(caught.value.last_error, TransportError)
    assert len(far.requests) == 2


def test_a_request_timeout_bounds_one_look(mode: Mode, far_side: Start) -> None:
    """``request_timeout``: the seconds from connect to last byte."""
    far = far_side(silence())
    with pytest.raises(TransportError, match=r"within 0\.2 s"):
        mode.get_job(far.url, request_timeout=0.2)
    assert len(far.requests) == 1


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_jump_of_the_wall_clock_means_nothing(
    mode: Mode, far_side: Start, clock: Clock, jump: float
) -> None:
    """The wall clock jumps a day either way with every poll: same polls, same outcome."""

    def leap(_: Poll) -> None:
        clock.wall += jump

    far = far_side(*[job("in_progress")] * 6, answer(503), succeeded())
    assert mode.wait(far.url, policy=STEADY, on_poll=leap).gid == GID
    assert far.times == times(*SCHEDULE[:7], 7.4)


# What is sent.


def test_a_request_is_what_asana_documents(mode: Mode, far_side: Start) -> None:
    """``GET /jobs/{gid}`` with a bearer token, and nothing that could be answered compressed."""
    far = far_side(job("in_progress"))
    seen = mode.get_job(far.url, {"data": {"gid": "42", "status": "not_started"}})
    (request,) = far.requests
    assert (seen.gid, request.method, request.target) == ("42", "GET", "/api/1.0/jobs/42")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["accept"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{far.port}"
    assert request.headers["user-agent"].startswith("jobwait/")
    assert set(request.headers) == {
        *("accept", "accept-encoding", "authorization", "host", "user-agent")
    }


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({"opt_fields": ["new_project.name"]}, "?opt_fields=new_project.name,status"),
        ({"opt_fields": "gid,status"}, "?opt_fields=gid,status"),
        ({"opt_fields": ()}, "?opt_fields=status"),
        ({"opt_pretty": True}, "?opt_pretty=true"),
        ({"opt_fields": ["gid"], "opt_pretty": True}, "?opt_fields=gid,status&opt_pretty=true"),
    ],
)
def test_options_become_the_query(
    mode: Mode, far_side: Start, arguments: dict[str, Any], query: str
) -> None:
    """``opt_fields`` and ``opt_pretty`` as Asana spells them, the status always among them."""
    far = far_side(job("in_progress"))
    mode.get_job(far.url, **arguments)
    assert far.requests[0].target == f"/api/1.0/jobs/{GID}{query}"


def test_a_job_that_succeeded_may_be_looked_at_without_its_reference(
    mode: Mode, far_side: Start
) -> None:
    """``get_job`` shows what there is, and judges nothing but the answer's form."""
    far = far_side(job("succeeded"), job("failed"))
    kinds = [type(mode.get_job(far.url)).__name__ for _ in range(2)]
    assert kinds == ["SucceededJob", "FailedJob"]


def test_the_token_may_come_from_the_environment(
    mode: Mode, far_side: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ASANA_ACCESS_TOKEN`` and ``ASANA_BASE_URL``, with one line end that an echo left."""
    far = far_side(succeeded())
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", "from-the-environment\r\n")
    monkeypatch.setenv("ASANA_BASE_URL", far.url + "/")
    mode.use("", lambda client: client.get_job(GID), token=None, base_url=None)
    assert far.requests[0].headers["authorization"] == "Bearer from-the-environment"
    assert far.requests[0].target == f"/api/1.0/jobs/{GID}"


def test_one_call_makes_a_client_waits_and_closes_it(far_side: Start, clock: Clock) -> None:
    """``wait_for_job`` and ``wait_for_job_async`` return what the job made."""
    far = far_side(job("in_progress"), succeeded())
    made = wait_for_job(GID, token=TOKEN, base_url=far.url)
    far_async = far_side(job("in_progress"), succeeded())
    assert asyncio.run(wait_for_job_async(GID, token=TOKEN, base_url=far_async.url)) == made
    assert made.gid == PROJECT["gid"]


def test_no_cookie_is_ever_sent_back(mode: Mode, far_side: Start, clock: Clock) -> None:
    """What the server sets, it does not get: no state lives between polls."""
    cookies = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2")]
    pending = answer(200, {"data": {"gid": GID, "status": "in_progress"}}, cookies)
    far = far_side(pending, pending, succeeded())
    mode.wait(far.url)
    assert [request.headers.get("cookie") for request in far.requests] == [None] * 3


def test_a_netrc_is_not_read(
    mode: Mode, far_side: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is what was given, whoever else has a password for the host."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password other\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    far = far_side(succeeded())
    mode.get_job(far.url)
    assert far.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_connection_is_kept_for_the_next_poll(mode: Mode, far_side: Start, clock: Clock) -> None:
    """A wait, its pauses of a minute included, costs one connection."""
    far = far_side(*[job("in_progress")] * 200, succeeded())
    mode.wait(far.url, timeout=None)
    assert {request.connection for request in far.requests} == {1}


# What cannot be right is refused before any request.


@pytest.mark.parametrize(
    "gid",
    [
        *(
            "../users/me",
            "1?x",
            "1#x",
            "\uff11\uff12",
            "12\n",
            "\n12",
            "",
            " 1",
            "1" * 10_000,
            "1/2",
            "-1",
        ),
        *(-1, 10**40, 1.5, True, None, b"1", ["1"], {}, {"gid": None}, {"data": []}),
        {"data": {"gid": "1?x"}},
    ],
)
def test_what_is_no_gid_is_refused_before_any_request(
    mode: Mode, far_side: Start, gid: Any
) -> None:
    """A gid is 1 to 32 ASCII digits; anything else would be asked about another thing."""
    far = far_side(succeeded())
    assert isinstance(outcome_of(lambda: mode.wait(far.url, gid)), TypeError | ValueError)
    assert isinstance(outcome_of(lambda: mode.get_job(far.url, gid)), TypeError | ValueError)
    assert far.connections == []


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"timeout": -1}, ValueError),
        ({"timeout": nan}, ValueError),
        ({"timeout": "5"}, TypeError),
        ({"timeout": True}, TypeError),
        ({"on_poll": asyncio.sleep}, TypeError),
    ],
)
def test_what_cannot_be_waited_for_is_refused_before_any_request(
    mode: Mode, far_side: Start, arguments: dict[str, Any], kind: type[Exception]
) -> None:
    """Negative, NaN, no number: an error that names the parameter."""
    far = far_side(succeeded())
    with pytest.raises(kind, match=next(iter(arguments))):
        mode.wait(far.url, **arguments)
    assert far.connections == []


@each_client
@pytest.mark.parametrize(
    "base_url",
    [
        "http://app.asana.com/api/1.0",
        "https://me:pass@app.asana.com",
        "https://me@app.asana.com",
        "https://app.asana.com/api?x=1",
        "https://app.asana.com/api#x",
        "ftp://app.asana.com",
        "app.asana.com/api",
        "https://",
        "https://app.asana.com:99999",
        "https://[::1",
        "https://app.asana.com/a b",
        "https://app.asana.com\\@elsewhere.test",
        "https://app.asana.com/\n",
        "http://127.0.0.1.elsewhere.test",
        "https://256.1.1.1",
        "https://[v1.x]",
        "https://☃.test",
        "https://host/" + "x" * 70_000,
    ],
)
def test_a_base_url_that_cannot_work_is_refused(make: Make, base_url: str) -> None:
    """https, or http to loopback; no user, query or fragment: else ``ConfigurationError``."""
    with pytest.raises(ConfigurationError, match="base URL") as caught:
        make("t", base_url=base_url)
    assert "pass" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@each_client
@pytest.mark.parametrize(
    "token", ["", "\n", "sec ret", "sec\nret", "sec\0ret", "sécret", "secret\n\n"]
)
def test_a_token_that_cannot_work_is_refused_and_not_shown(make: Make, token: str) -> None:
    """One trailing line end is dropped; anything else is an error that does not show it."""
    with pytest.raises(ConfigurationError, match="token") as caught:
        make(token)
    for shown in (str(caught.value), repr(caught.value)):
        assert "ret" not in shown.replace("secret that it comes from", "")
    assert caught.value.__context__ is None


@each_client
def test_a_client_without_a_token_is_refused(make: Make) -> None:
    """No token at all: an error that names both ways to give one."""
    with pytest.raises(ConfigurationError, match="ASANA_ACCESS_TOKEN"):
        make()


@each_client
@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        *(("request_timeout", value, ValueError) for value in (0, -1, nan, inf)),
        *(("rate", value, ValueError) for value in (0, -1, nan, inf)),
        *(
            (name, value, TypeError)
            for name in ("request_timeout", "rate")
            for value in ("1", True)
        ),
    ],
)
def test_a_number_that_cannot_work_is_refused(
    make: Make, name: str, value: Any, kind: type[Exception]
) -> None:
    """The error names the parameter."""
    with pytest.raises(kind, match=name):
        make("t", **{name: value})


@each_client
def test_a_client_does_not_show_its_token(make: Make) -> None:
    """Neither in its repr nor in those of what it holds."""
    client = make(TOKEN)
    shown = repr(client) + "".join(repr(value) for value in vars(client).values())
    assert TOKEN not in shown
    assert repr(client).startswith(f"{make.__name__}(base_url='https://app.asana.com")
    assert TOKEN not in repr(client._request("1")) + repr(client._request("1").headers)


# Threads, processes, loops, cancellation.


def test_a_process_makes_one_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """One costs as much as some hundred polls."""
    made: list[ssl.SSLContext] = []
    create = httpx.create_ssl_context

    def counted() -> ssl.SSLContext:
        made.append(create())
        return made[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    transport._tls_context.cache_clear()
    for make in (JobsClient, AsyncJobsClient, JobsClient):
        make("t")
    assert len(made) == 1


def test_a_client_may_be_used_by_16_threads(far_side: Start) -> None:
    """Each gets the answer to its own question, over at most 8 connections."""
    far = far_side(job("in_progress"))
    outcomes: dict[str, Any] = {}

    def ask(client: JobsClient, first: int) -> None:
        for gid in map(str, range(first, first + 10)):
            outcomes[gid] = outcome_of(partial(client.get_job, gid))

    with JobsClient(TOKEN, base_url=far.url, rate=100_000) as client:
        threads = [threading.Thread(target=ask, args=(client, 100 * n)) for n in range(1, 17)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(outcomes) == len(far.requests) == 160
    assert all(gid == job.gid for gid, job in outcomes.items())
    assert len(far.connections) <= 8


def test_a_client_may_be_used_by_many_tasks(far_side: Start) -> None:
    """Each gets the answer to its own question, over at most 8 connections."""
    far = far_side(job("in_progress"))
    gids = [str(gid) for gid in range(1, 101)]

    async def main() -> list[str]:
        async with AsyncJobsClient(TOKEN, base_url=far.url, rate=100_000) as client:
            seen = await asyncio.gather(*(client.get_job(gid) for gid in gids))
        return [one.gid for one in seen]

    assert asyncio.run(main()) == gids
    assert len(far.connections) <= 8


def _ask_once(client: JobsClient | AsyncJobsClient) -> Job:
    return (
        client.get_job(GID) if isinstance(client, JobsClient) else asyncio.run(client.get_job(GID))
    )


@each_client
def test_a_client_is_not_used_after_a_fork(far_side: Start, make: Make) -> None:
    """Two processes on one connection would read each other's answers: a clear error instead."""
    far = far_side(job("in_progress"))
    client = make(TOKEN, base_url=far.url)
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads, from 3.12
        child = os.fork()
    if not child:
        try:
            os.write(theirs, repr(outcome_of(lambda: _ask_once(client))).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    assert said.startswith("RuntimeError")
    assert "another process" in said
    assert far.requests == []


def test_an_async_client_belongs_to_one_event_loop(far_side: Start) -> None:
    """A second loop is a clear error; the first goes on."""
    far = far_side(job("in_progress"))
    client = AsyncJobsClient(TOKEN, base_url=far.url)
    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert one.run(client.get_job("1")).gid == "1"
        with pytest.raises(RuntimeError, match="another event loop"):
            other.run(client.get_job("2"))
        assert one.run(client.get_job("3")).gid == "3"
        one.run(client.aclose())
    assert len(far.requests) == 2


@pytest.mark.skipif(
    tuple(map(int, version("anyio").split(".")[:2])) < (4, 16),
    reason="anyio before 4.16 leaks a socket when it is cancelled while it connects",
)
def test_a_task_may_be_cancelled_at_any_await(far_side: Start) -> None:
    """``CancelledError``, and the client is as good as before: no connection is half read."""

    def answer_slowly(connection: Connection) -> None:
        if connection.request.target.endswith(GID):
            connection.pause(0.005)
            if len(far.requests) % 3 == 2:
                connection.close()
                return
        job("in_progress")(connection)

    async def cancel_after(steps: int) -> None:
        async with AsyncJobsClient(TOKEN, base_url=far.url, rate=100_000) as client:
            policy = WaitPolicy(price=0, min_pause=0.001, max_pause=0.001)
            task = asyncio.create_task(client.wait(GID, policy=policy))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            gids = [(await client.get_job(gid)).gid for gid in ("7", "8", "9")]
        assert gids == ["7", "8", "9"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    far = far_side(answer_slowly)
    for steps in range(80):
        asyncio.run(cancel_after(steps))


def test_an_idle_connection_that_works_no_more_is_let_go(
    far_side: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another is taken in its place."""

    async def use() -> None:
        async with AsyncJobsClient(TOKEN, base_url=far.url) as client:
            await asyncio.gather(client.get_job("7"), client.get_job("8"))
            first, last = client._http._idle
            monkeypatch.setattr(last, "has_expired", lambda: True)
            await client.get_job("9")
            assert list(client._http._idle) == [first]

    far = far_side(job("in_progress"))
    asyncio.run(use())
    assert len(far.connections) == 2


def test_a_hold_past_the_deadline_gives_up_now_and_says_so(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """Whichever wait was told to stay away: no other sits out its timeout for nothing."""
    far = far_side(answer(429, headers=[("Retry-After", "600")]))
    first, second = mode.use_for(
        far.url, lambda client: client.get_job("7"), lambda client: client.wait("8", timeout=60)
    )
    assert isinstance(first, ApiError)
    assert isinstance(second, JobTimeoutError)
    assert second.held == 600
    assert "no poll may be made for 10 min, as a 429 said" in str(second)
    assert (clock.now, len(far.requests)) == (1000, 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_on_poll_raises_is_raised_to_who_waits_for_many(
    mode: Mode, far_side: Start, jobs: int
) -> None:
    """Be it an error that would else be an outcome."""

    def refuse(poll: Poll) -> None:
        if poll.error is not None:
            raise poll.error

    far = far_side(answer(503))
    gids = ["7", "8"][:jobs]
    with pytest.raises(ApiError, match="HTTP 503"):
        mode.use(far.url, lambda client: client.wait_for_jobs(gids, on_poll=refuse))


def test_a_coroutine_function_cannot_be_told_of_ends(mode: Mode, far_side: Start) -> None:
    async def listen(_outcome: Outcome) -> None: ...

    far = far_side(succeeded())
    with pytest.raises(TypeError, match=r"^on_end must be a plain function of one Outcome"):
        mode.use(far.url, lambda client: client.wait_for_jobs(["7"], on_end=listen))
    assert far.requests == []


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
def test_a_client_outlives_any_number_of_cancellations(far_side: Start, *, is_warm: bool) -> None:
    """More of them at each await than it has connections: none of these stays taken."""

    async def cancel() -> None:
        async with AsyncJobsClient(TOKEN, base_url=far.url, rate=10**6) as client:
            for steps in list(range(30)) * 9:
                if is_warm:
                    await client.get_job("7")
                task = asyncio.create_task(client.get_job(GID))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert (await client.get_job("8")).gid == "8"

    far = far_side(job("in_progress"))
    asyncio.run(cancel())


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_a_cancelled_poll_closes_its_connection(far_side: Start, seconds: float) -> None:
    """Cancelled while the far side is silent: its connection is closed before the client is."""
    asked = threading.Event()
    far = far_side(then(lambda _: asked.set(), silence()))

    async def main() -> bool:
        async with AsyncJobsClient(TOKEN, base_url=far.url) as client:
            task = asyncio.create_task(client.wait(GID))
            await asyncio.to_thread(asked.wait, 10)
            await asyncio.sleep(seconds)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.to_thread(far.was_let_go)

    assert asyncio.run(main())


def test_what_on_poll_raises_the_wait_raises(mode: Mode, far_side: Start, clock: Clock) -> None:
    """Nothing hidden: it is the caller's own error, and it ends the wait."""

    def refuse(poll: Poll) -> None:
        raise LookupError(poll.gid)

    far = far_side(job("in_progress"))
    with pytest.raises(LookupError, match=GID):
        mode.wait(far.url, on_poll=refuse)
    assert len(far.requests) == 1


def test_a_protocol_error_says_what_is_wrong(mode: Mode, far_side: Start) -> None:
    """And holds nothing of the answer's body."""
    far = far_side(job("in_progress", gid="99"))
    with pytest.raises(ProtocolError, match="about job 99"):
        mode.get_job(far.url)


# Turns


def test_a_wait_whose_turn_comes_too_late_ends_at_its_deadline(
    far_side: Start, mode: Mode, clock: Clock
) -> None:
    """At one request a minute there is none left for it: it says so without having asked."""
    far = far_side(job("in_progress"))
    looked, error = mode.use_for(
        far.url,
        lambda client: client.get_job(GID),
        lambda client: client.wait(GID, timeout=5.0),
        rate=1,
    )
    assert looked.gid == GID
    assert isinstance(error, JobTimeoutError)
    assert error.polls == 0
    assert error.elapsed == pytest.approx(5.0)
    assert len(far.requests) == 1


def test_a_connection_that_died_is_not_tried_again_out_of_turn(
    far_side: Start, mode: Mode, clock: Clock
) -> None:
    """The budget counts the lost request as well: the poll has failed if none is left."""
    far = far_side(job("in_progress"), close())
    _, error = mode.use_for(
        far.url,
        lambda client: client.get_job(GID),
        lambda client: client.wait(GID, timeout=70.0),
        rate=1,
    )
    assert isinstance(error, JobTimeoutError)
    assert isinstance(error.last_error, TransportError)
    assert len(far.requests) == 2


def test_a_turn_that_a_hold_has_moved_is_waited_for_again(
    far_side: Start, mode: Mode, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment before sending is when it counts; a connection is not kept meanwhile."""
    far = far_side(job("in_progress"))
    spend = Budget.spend
    refused: list[float] = []

    def spend_later(budget: Budget, ticket: Ticket, now: float) -> bool:
        if not refused:
            refused.append(now)
            budget.hold(now, 30.0)
        return spend(budget, ticket, now)

    monkeypatch.setattr(Budget, "spend", spend_later)
    assert mode.get_job(far.url).gid == GID
    assert clock.naps == [pytest.approx(30.0)]


def test_a_turn_that_a_hold_has_moved_past_the_deadline_is_not_waited_for(
    far_side: Start, mode: Mode, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = far_side(job("in_progress"))

    def hold(budget: Budget, _ticket: Ticket, now: float) -> bool:
        budget.hold(now, 60.0)
        return False

    monkeypatch.setattr(Budget, "spend", hold)
    with pytest.raises(JobTimeoutError, match="no poll may be made for 1 min"):
        mode.wait(far.url, timeout=5.0)
    assert clock.naps == []
    assert not far.requests


def test_no_wait_outlives_its_deadline_in_line_for_a_connection(mode: Mode) -> None:
    """All eight connections are taken, and none of them comes free."""

    def wait(client: JobsClient) -> SucceededJob:
        for _ in range(8):
            client._gate.acquire()
        return client.wait(GID, timeout=0.1)

    async def wait_async(client: AsyncJobsClient) -> SucceededJob:
        for _ in range(8):
            await client._gate.acquire()
        return await client.wait(GID, timeout=0.1)

    began = time.monotonic()
    with pytest.raises(JobTimeoutError) as caught:
        mode.use("http://localhost", wait_async if mode.is_async else wait)
    assert 0.1 <= time.monotonic() - began < 20
    assert caught.value.polls == 0


def test_a_client_that_was_made_in_another_process_is_refused() -> None:
    client = JobsClient(TOKEN)
    client._process += 1
    with pytest.raises(RuntimeError, match="make a new one after the fork"):
        client.get_job(GID)


def test_a_proxy_that_speaks_neither_http_nor_https_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(ConfigurationError, match="a proxy must be http or https: check"):
        JobsClient(TOKEN)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:port", "http://me:hush/hush@proxy:3128"])
def test_a_proxy_that_cannot_be_read_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="the proxy's URL cannot be read") as refused:
        JobsClient(TOKEN)
    assert "hush" not in str(refused.value)
    assert refused.value.__suppress_context__
