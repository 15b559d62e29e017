# SPDX-License-Identifier: MIT
"""The table of faults: what goes wrong on the wire, in the protocol and in what an answer means.

Each row is a step of ``far_side.py``.  The far side of each test checks that it was let go, the
mode that no thread and no file descriptor is left, and pytest that nothing was warned of.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
import logging
import os
import pickle
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from conftest import TOKEN, Clock, Mode, Start, outcome_of
from far_side import (
    GID,
    PATIENCE,
    Authority,
    Connection,
    Step,
    answer,
    broken_record,
    close,
    drip,
    dripping_record,
    endless,
    job,
    raw,
    reset,
    silence,
    succeeded,
    then,
    tunnel,
    written,
)

from jobwait import (
    AccessDeniedError,
    ApiError,
    JobTimeoutError,
    JobwaitError,
    Poll,
    PollError,
    ProtocolError,
    TransportError,
    UnavailableError,
    WaitPolicy,
    wait_for_job,
    wait_for_job_async,
)

STEADY = WaitPolicy(jitter=0)
HASTY = WaitPolicy(jitter=0, price=0, min_pause=0)

JOB = {"gid": GID, "resource_type": "job", "status": "succeeded", "new_project": {"gid": "5"}}
WHOLE = written(200, {"data": JOB})
HEAD, _, BODY = WHOLE.partition(b"\r\n\r\n")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTE = b"x" * 2**20
HUGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
LONG = HUGE.replace(b"1000000000", b"1000000")
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\n"
GZIP = [("Content-Encoding", "gzip")]
# Kernels buffer some megabytes on both sides of a socket, whether or not anybody reads.
BUFFERED = 16 * 2**20


def data(value: Any) -> Step:
    return answer(200, {"data": value})


def bomb() -> bytes:
    """Return some hundred kilobytes that gunzip to 300 MiB."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(MEGABYTE) for _ in range(300)), packer.flush()])


def with_job(**changes: Any) -> Step:
    """Answer with a job that succeeded, but for these changes; None leaves a field out."""
    fields = {name: value for name, value in (JOB | changes).items() if value is not None}
    return data(fields)


# What befalls an answer once some of it was heard, or what is no answer to begin with.
BROKEN: dict[str, Step] = {
    "reset in its head": reset(HEAD[:30]),
    "reset in its body": reset(WHOLE[:-5]),
    "closed in its head": close(HEAD[:30]),
    "closed in its body": close(WHOLE[:-5]),
    "closed between its chunks": close(CHUNKED + b"5\r\n{'dat\r\n"),
    "closed in a 1xx": close(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "longer than it says": close(written(200, {"data": JOB}, [("Content-Length", "400")])),
    "of two lengths": raw(written(200, BODY, [("Content-Length", "5"), ("Content-Length", "6")])),
    "of a negative length": raw(written(200, BODY, [("Content-Length", "-5")])),
    "of a length that is none": raw(written(200, BODY, [("Content-Length", "many")])),
    "with a chunk's size that is none": raw(CHUNKED + b"zz\r\n"),
    "with a chunk of 10^30 bytes": close(CHUNKED + b"f" * 25 + b"\r\n" + BODY),
    "a head without end": endless(b"X-Padding: " + b"x" * 1000 + b"\r\n", after=HEAD + b"\r\n"),
    "a header without end": endless(b"x" * 1000, after=HEAD + b"\r\nX-Padding: "),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    "not even text": raw(bytes(range(256)) * 4),
    "HTTP/2": raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
    "of a status with letters": raw(b"HTTP/1.1 2OO OK\r\n\r\n"),
    "with a NUL in a header": raw(b"HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n"),
    "switching protocols": close(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
}

# Whole answers that are no job, or not the one that was asked for.
NO_JOB: dict[str, Step] = {
    "204": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "206": answer(206, {"data": JOB}),
    "201": answer(201, {"data": JOB}),
    "304": raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "999": answer(999, {"data": JOB}),
    "600": answer(600, {"data": JOB}),
    "HTML": answer(200, "<!doctype html><title>Sign in to the hotel's Wi-Fi</title>"),
    "nothing": answer(200),
    "cut JSON": answer(200, BODY[:-9]),
    "two JSONs": answer(200, BODY + BODY),
    "JSON with a comment": answer(200, BODY + b" // fine"),
    "JSON in UTF-16": answer(200, BODY.decode().encode("utf-16")),
    "bad UTF-8": answer(200, BODY.replace(b"job", b"j\xff\xfeb")),
    "lone surrogates": answer(200, BODY.replace(b'"job"', b'"\\ud800"')),
    "nested 100,000 deep": answer(200, b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a number of 5,000 digits": answer(200, b'{"data": ' + b"9" * 5000 + b"}"),
    "NaN": answer(200, b'{"data": NaN}'),
    "data that is null": data(None),
    "data that is a list": data([JOB]),
    "data that is text": data("succeeded"),
    "data that is a number": data(1),
    "no data": answer(200, JOB),
    "an empty job": data({}),
    "a list": answer(200, [JOB]),
    "no status": with_job(status=None),
    "a status that is null": data(JOB | {"status": None}),
    "a status that is a number": with_job(status=1),
    "a status that is a list": with_job(status=["succeeded"]),
    "no gid": with_job(gid=None),
    "a gid that is a number": with_job(gid=int(GID)),
    "another gid": with_job(gid="1202"),
    "a gid that only begins alike": with_job(gid=GID + "0"),
    "a reference that is text": with_job(new_project="5"),
    "a reference whose gid is a number": with_job(new_project={"gid": 5}),
    "compressed": answer(200, gzip.compress(BODY), GZIP),
    "compressed twice": answer(200, BODY, [("Content-Encoding", "gzip, br")]),
    "said to be compressed": answer(200, BODY, [("content-encoding", "ZSTD")]),
    "a bomb": answer(200, bomb(), GZIP),
    "a bomb in chunks": endless(b"400\r\n" + b"\0" * 1024 + b"\r\n", after=CHUNKED.replace(
        b"Transfer", b"Content-Encoding: br\r\nTransfer"
    )),
    "1 GB, as it says": endless(MEGABYTE, after=HUGE),
    "1 GB, without saying so": endless(MEGABYTE, after=UNTIL_CLOSED),
    "10^30 bytes, as it says": endless(MEGABYTE, after=HUGE.replace(b"1000000000", b"9" * 19)),
    "chunks without end": endless(b"10000\r\n" + b"x" * 65536 + b"\r\n", after=CHUNKED),
    "a byte more than 1 MiB": answer(200, BODY.ljust(2**20 + 1)),
}  # fmt: skip

# What ends only because a poll does: nothing here ever stops by itself.
ENDLESS: dict[str, Step] = {
    "silence": silence(),
    "silence after the head": then(raw(HEAD + b"\r\n\r\n"), silence()),
    "silence in the body": then(raw(WHOLE[:-5]), silence()),
    "a head that drips": drip(HEAD + b"\r\nX-Padding: " + b"x" * 100_000),
    "a body that drips": drip(LONG + BODY * 100, at_once=len(LONG) + 1),
    "a body that drips from the first byte": drip(HEAD + b"\r\n\r\n" + BODY, at_once=len(HEAD)),
    "chunks that drip": drip(CHUNKED + b"1\r\n \r\n" * 10_000, at_once=len(CHUNKED)),
    "a chunk's size that drips": drip(CHUNKED + b"0" * 10_000, at_once=len(CHUNKED)),
    "1xx without end": endless(b"HTTP/1.1 103 Early Hints\r\n\r\n", every=0.005),
    "100 without end, at full speed": endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "small chunks without end": endless(b"1\r\n \r\n", after=CHUNKED, every=0.01),
}

# Odd, and yet an answer.
RIGHT: dict[str, Step] = {
    "a byte at a time": drip(WHOLE, every=0.0),
    "after two 1xx": raw(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + WHOLE),
    "until closed": close(UNTIL_CLOSED + BODY),
    "HTTP/1.0": close(b"HTTP/1.0 200 OK\r\n\r\n" + BODY),
    "in chunks with a trailer": raw(
        CHUNKED + b"%x\r\n%b\r\n0\r\nX-Done: yes\r\n\r\n" % (len(BODY), BODY)
    ),
    "identity": answer(200, BODY, [("Content-Encoding", "identity")]),
    "of 1 MiB": answer(200, BODY.ljust(2**20)),
    "with fields that nobody knows": with_job(new_anything=None, mood="sunny", x={"y": [1]}),
    "with a byte order that JSON allows": answer(200, b"\r\n\t " + BODY),
}

WHOLE_POLLS = BROKEN | NO_JOB
FAULTS = WHOLE_POLLS | ENDLESS


def rows(table: dict[str, Step]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", table.values(), ids=table.keys())


# The wire and the protocol.


@rows(WHOLE_POLLS)
@pytest.mark.parametrize("pending", [0, 1], ids=["first", "later"])
def test_a_broken_or_wrong_answer_is_a_failed_poll(
    mode: Mode, far_side: Start, clock: Clock, fault: Step, pending: int
) -> None:
    """The wait goes on past it, at the pace of its schedule, and ends with the truth."""
    polls: list[Poll] = []
    far = far_side(*[job("in_progress")] * pending, fault, succeeded())
    ended = mode.wait(far.url, policy=STEADY, on_poll=polls.append)
    assert ended.gid == GID
    assert len(far.requests) == len(polls) == pending + 2
    assert isinstance(polls[pending].error, TransportError | ProtocolError)
    assert far.times == pytest.approx([0, 0.2, 0.4][: pending + 2], abs=0.002)
    assert far.sent < BUFFERED


@rows(WHOLE_POLLS)
def test_an_outage_of_any_kind_ends_with_the_tolerance(
    mode: Mode, far_side: Start, clock: Clock, fault: Step
) -> None:
    """One error that names the job, the host and the cause, whatever went wrong."""
    policy = WaitPolicy(jitter=0, outage_tolerance=1)
    far = far_side(fault)
    with pytest.raises(UnavailableError, match=f"may still be running: wait for {GID}") as caught:
        mode.wait(far.url, policy=policy)
    assert isinstance(caught.value.__cause__, PollError)
    assert str(caught.value.__cause__) in str(caught.value)
    assert len(far.requests) == caught.value.polls == 4
    assert clock.now - 1000 == pytest.approx(1, abs=0.002)


@rows(ENDLESS)
def test_what_never_ends_is_a_failed_poll_at_its_bound(
    mode: Mode, far_side: Start, fault: Step
) -> None:
    """From connect to last byte, a poll takes as long as it may, and lets the far side go."""
    polls: list[Poll] = []
    far = far_side(fault, succeeded())
    began = time.monotonic()
    mode.wait(far.url, policy=HASTY, request_timeout=0.2, on_poll=polls.append)
    assert 0.2 <= time.monotonic() - began < 8
    assert "no whole answer within 0.2 s" in str(polls[0].error)
    assert isinstance(polls[0].error, TransportError)
    # On a machine with too much to do, the second poll may come to its bound as well.
    assert len(far.requests) == len(far.connections) == len(polls) >= 2


@rows(ENDLESS)
def test_what_never_ends_is_cut_short_by_the_deadline(
    mode: Mode, far_side: Start, fault: Step
) -> None:
    """A wait is over by its deadline plus the last look, far below the request's own limit."""
    far = far_side(job("in_progress"), fault)
    began = time.monotonic()
    with pytest.raises(JobTimeoutError) as caught:
        mode.wait(far.url, policy=HASTY, timeout=0.05, request_timeout=0.05)
    assert time.monotonic() - began < 8
    assert isinstance(caught.value.last_error, TransportError)


@rows(RIGHT)
def test_an_odd_answer_is_an_answer(mode: Mode, far_side: Start, clock: Clock, fault: Step) -> None:
    """What HTTP allows is understood: it is no fault to be strange."""
    far = far_side(job("in_progress"), fault)
    ended = mode.wait(far.url)
    assert ended.reference is not None
    assert ended.reference.gid == "5"
    assert len(far.requests) == 2


STALE: dict[str, Step] = {"closed": close(), "reset": reset()}


@rows(STALE)
def test_a_kept_connection_that_dies_with_a_request_is_replaced_at_once(
    mode: Mode,
    far_side: Start,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    fault: Step,
) -> None:
    """Retried in the same moment, in the same poll, not counted as an outage."""
    polls: list[Poll] = []
    far = far_side(job("in_progress"), fault, job("in_progress"), fault, succeeded())
    mode.wait(far.url, policy=STEADY, on_poll=polls.append)
    assert [poll.error for poll in polls] == [None, None, None]
    assert far.times == pytest.approx([0, 0.2, 0.2, 0.8, 0.8], abs=0.002)
    assert [request.connection for request in far.requests] == [1, 1, 2, 2, 3]
    assert "a poll failed" not in caplog.text


@rows({"closed": Connection.close, "reset": Connection.reset})
def test_a_kept_connection_that_dies_between_polls_is_replaced_at_once(
    mode: Mode, far_side: Start, clock: Clock, fault: Step
) -> None:
    """As if nothing had been: each poll on a connection of its own, none of them failed."""
    polls: list[Poll] = []
    far = far_side(*[then(job("in_progress"), fault)] * 3, succeeded())
    # A reset may overtake the answer that it follows; the outcome is the same.
    mode.wait(far.url, policy=STEADY, on_poll=polls.append)
    assert len(far.requests) == len(far.connections) == 4
    if fault is Connection.close:
        assert [poll.error for poll in polls] == [None] * 4


@rows(STALE)
def test_a_new_connection_that_dies_with_its_request_is_a_failed_poll(
    mode: Mode, far_side: Start, clock: Clock, fault: Step
) -> None:
    """Only what was kept may have died unseen; a far side that hangs up is an outage."""
    polls: list[Poll] = []
    far = far_side(fault, fault, succeeded())
    mode.wait(far.url, policy=STEADY, on_poll=polls.append)
    assert [type(poll.error) for poll in polls] == [TransportError] * 2 + [type(None)]
    assert len(far.requests) == 3


@rows(STALE)
def test_a_far_side_that_takes_to_hanging_up_is_not_hammered(
    mode: Mode, far_side: Start, clock: Clock, fault: Step
) -> None:
    """One retry at once for the connection that was kept, then the schedule."""
    far = far_side(job("in_progress"), fault)
    with pytest.raises(UnavailableError):
        mode.wait(far.url, policy=WaitPolicy(jitter=0, outage_tolerance=1))
    assert far.times == pytest.approx([0, 0.2, 0.2, 0.4, 1.0, 1.2], abs=0.002)


def test_what_follows_an_answer_is_not_taken_for_the_next(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """An answer that says to be shorter than it is: its rest answers nobody else's question."""
    pending = written(200, {"data": {"gid": "7", "status": "in_progress"}})
    smuggled = written(200, {"data": JOB | {"gid": "8"}})
    far = far_side(raw(pending + smuggled), job("failed"))
    seven, eight = mode.use_for(
        far.url, lambda client: client.get_job("7"), lambda client: client.get_job("8")
    )
    assert seven.raw_status == "in_progress"
    assert getattr(eight, "raw_status", "failed") == "failed"


def test_a_refused_connection_is_an_outage_that_names_host_and_cause(
    mode: Mode, clock: Clock
) -> None:
    """Refused: failed polls; after the tolerance, an error that says who and why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{port}.*refused") as caught:
        mode.wait(f"http://127.0.0.1:{port}", policy=WaitPolicy(outage_tolerance=2))
    assert caught.value.polls > 3


@pytest.mark.parametrize(
    "failure",
    [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")],
    ids=["unknown", "no name"],
)
def test_a_name_that_is_not_found_is_an_outage_that_names_host_and_cause(
    mode: Mode, clock: Clock, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """Name not found: failed polls; after the tolerance, an error that says who and why."""

    def look_up(*_: object, **__: object) -> Any:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    cause = failure.args[-1]
    with pytest.raises(UnavailableError, match=rf"asana\.test about job {GID}.*{cause}") as caught:
        mode.wait("https://asana.test", policy=WaitPolicy(outage_tolerance=2))
    assert caught.value.polls > 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_slow_look_up_is_a_failed_poll_at_its_bound(
    mode: Mode, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    """The system's resolver cannot be told when to stop; no wait waits for it, be it to end."""
    free, returned = threading.Event(), threading.Event()

    def look_up(*_: object, **__: object) -> Any:
        free.wait(PATIENCE)
        returned.set()
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    def wait(client: Any) -> Any:
        return client.wait_for_jobs([GID, "1202"][:jobs], timeout=0)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    outcomes = mode.use("https://asana.test", wait, request_timeout=0.2)
    assert [outcome.outcome for outcome in outcomes] == ["timed_out"] * jobs
    assert "no whole answer within 0.2 s" in str(outcomes[0].error)
    assert not returned.is_set()
    free.set()


def test_a_dead_address_leaves_time_for_the_next(
    mode: Mode, far_side: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a name's addresses, one that works is enough."""
    far = far_side(succeeded())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]

    def look_up(*_: object, **__: object) -> Any:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.2", far.port)), (*kind, ("127.0.0.1", far.port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert dead != far.port
    assert mode.get_job(f"http://localhost:{far.port}/api/1.0").gid == GID


# Size.


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("encoding", [b"", b"Content-Encoding: gzip\r\n"])
def test_a_body_without_end_is_not_taken_in(
    mode: Mode, far_side: Start, status: int, encoding: bytes
) -> None:
    """Refused at 1 MiB, with an error status as well; the status is still what counts."""
    head = b"HTTP/1.1 %d So\r\n%bContent-Length: 1000000000\r\n\r\n" % (status, encoding)
    unsized = head.replace(b"Content-Length: 1000000000\r\n", b"")
    for each in (far_side(endless(MEGABYTE, after=one)) for one in (head, unsized)):
        error = outcome_of(partial(mode.get_job, each.url))
        assert isinstance(error, ProtocolError if status == 200 else ApiError)
        if isinstance(error, ProtocolError):
            # By its head alone: a compressed body is not even read.
            assert ("compressed" if encoding else "larger than 1 MiB") in error.reason
        assert each.was_let_go()
        assert each.sent < BUFFERED


HUGE_ANSWERS = (
    "a bomb",
    "a bomb in chunks",
    "1 GB, as it says",
    "1 GB, without saying so",
    "chunks without end",
)
# The most memory that the process ever held, before and after it asked for them.
ASKING = """
import asyncio, pathlib, re, sys
from jobwait import AsyncJobsClient, JobsClient, PollError

def most_held():
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])

def ask():
    with JobsClient() as client:
        client.get_job("1201")
        before = most_held()
        for _ in range(int(sys.argv[1])):
            try:
                client.get_job("1201")
            except PollError:
                pass
        print(most_held() - before)

async def ask_async():
    async with AsyncJobsClient() as client:
        await client.get_job("1201")
        before = most_held()
        for _ in range(int(sys.argv[1])):
            try:
                await client.get_job("1201")
            except PollError:
                pass
        print(most_held() - before)

asyncio.run(ask_async()) if sys.argv[2] == "async" else ask()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells")
def test_a_huge_answer_is_held_in_little_memory(mode: Mode, far_side: Start) -> None:
    """A gigabyte, a bomb of 300 MiB, chunks without end: less than 20 MB for any of them."""
    far = far_side(succeeded(), *(NO_JOB[name] for name in HUGE_ANSWERS))
    asked = subprocess.run(
        [sys.executable, "-c", ASKING, str(len(HUGE_ANSWERS)), "async" * mode.is_async],
        env=os.environ | {"ASANA_BASE_URL": far.url, "ASANA_ACCESS_TOKEN": TOKEN},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert len(far.requests) == 1 + len(HUGE_ANSWERS)
    assert int(asked.stdout) < 20_000_000


def test_a_refused_answer_may_still_say_when_to_come_back(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """A 429 whose page came compressed, unasked: never sooner than it says."""
    far = far_side(answer(429, gzip.compress(b"no"), [*GZIP, ("Retry-After", "7")]), succeeded())
    mode.wait(far.url, policy=STEADY)
    assert far.times == pytest.approx([0, 7], abs=0.002)


# TLS.


def test_an_answer_over_tls_is_an_answer(mode: Mode, far_side: Start, trusted: Authority) -> None:
    """With a certificate that verifies: the wait, on one connection."""
    far = far_side(job("in_progress"), succeeded(), tls=trusted.server("127.0.0.1"))
    assert mode.wait(far.url, policy=HASTY).gid == GID
    assert len(far.connections) == 1


EXPIRED = {"not_after": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}


@pytest.mark.parametrize(
    ("names", "options", "cause"),
    [
        (["elsewhere.test"], {}, "127.0.0.1"),
        (["127.0.0.1"], EXPIRED, "expired"),
    ],
    ids=["for another host", "expired"],
)
def test_a_certificate_that_does_not_verify_is_an_error_at_once(
    mode: Mode,
    far_side: Start,
    trusted: Authority,
    *,
    names: list[str],
    options: dict[str, Any],
    cause: str,
) -> None:
    """Nobody polls on past it, and no request, hence no token, was sent."""
    far = far_side(succeeded(), tls=trusted.server(*names, **options))
    with pytest.raises(TransportError, match=f"certificate does not verify: .*{cause}") as caught:
        mode.wait(far.url)
    assert not caught.value.transient
    assert "check the certificates" in str(caught.value)
    assert (len(far.connections), far.requests) == (1, [])


def test_a_certificate_of_an_unknown_authority_is_an_error_at_once(
    mode: Mode, far_side: Start, authority: Authority
) -> None:
    """Not trusted: an error at once, which tells it from a refused connection."""
    far = far_side(succeeded(), tls=authority.server("127.0.0.1"))
    with pytest.raises(TransportError, match="certificate does not verify") as caught:
        mode.wait(far.url)
    assert not caught.value.transient
    assert (len(far.connections), far.requests) == (1, [])


GREETINGS: dict[str, Step] = {
    "closed": Connection.close,
    "reset": Connection.reset,
    "plain HTTP": raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "silence": silence(),
    "a handshake that drips": drip(b"\x16\x03\x03\x40\x00" + bytes(16384)),
    "an alert": raw(b"\x15\x03\x03\x00\x02\x02\x28"),
}


@rows(GREETINGS)
def test_a_handshake_that_fails_is_a_failed_poll(
    mode: Mode, far_side: Start, trusted: Authority, fault: Step
) -> None:
    """No certificate was seen to be wrong, so it may do better next time."""
    polls: list[Poll] = []

    def greet(connection: Connection) -> None:
        if connection.number == 1:
            fault(connection)
            connection.close()

    far = far_side(succeeded(), tls=trusted.server("127.0.0.1"), greeting=greet)
    mode.wait(far.url, policy=HASTY, request_timeout=0.4, on_poll=polls.append)
    assert isinstance(polls[0].error, TransportError)
    assert polls[0].error.transient
    assert (len(far.connections), len(far.requests), len(polls)) == (2, 1, 2)


TLS_FAULTS = {
    "a record that cannot be decrypted": broken_record(),
    "closed in its body": close(WHOLE[:-5]),
    "reset in its body": reset(WHOLE[:-5]),
    "silence": silence(),
    "a record that drips": dripping_record(),
    "a body that drips": drip(WHOLE.ljust(10**6), at_once=len(HEAD) + 4),
}


@rows(TLS_FAULTS)
def test_a_fault_inside_tls_is_a_failed_poll(
    mode: Mode, far_side: Start, trusted: Authority, fault: Step
) -> None:
    """Whatever breaks, it is one typed error, and the next poll has a new connection."""
    polls: list[Poll] = []
    far = far_side(fault, succeeded(), tls=trusted.server("127.0.0.1"))
    mode.wait(far.url, policy=HASTY, request_timeout=0.4, on_poll=polls.append)
    assert isinstance(polls[0].error, TransportError)
    assert (len(far.connections), len(far.requests), len(polls)) == (2, 2, 2)


def test_a_far_side_that_speaks_no_tls_is_named_as_such(
    mode: Mode, far_side: Start, clock: Clock
) -> None:
    """The reason is that of TLS, not what the system has under the same number."""
    far = far_side(succeeded(), greeting=raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    policy = WaitPolicy(outage_tolerance=1)
    with pytest.raises(UnavailableError, match=r"(?i)wrong.version.number|too long"):
        mode.wait(far.url.replace("http:", "https:"), policy=policy)


@rows({"closed": close(), "reset": reset()})
def test_a_kept_connection_under_tls_is_replaced_at_once_as_well(
    mode: Mode, far_side: Start, trusted: Authority, fault: Step
) -> None:
    """Retried in the same poll."""
    polls: list[Poll] = []
    tls = trusted.server("127.0.0.1")
    far = far_side(job("in_progress"), fault, succeeded(), tls=tls)
    mode.wait(far.url, policy=HASTY, on_poll=polls.append)
    assert [poll.error for poll in polls] == [None, None]
    assert (len(far.connections), len(far.requests)) == (2, 3)


def test_a_server_that_wants_a_certificate_of_ours_is_a_typed_error(
    mode: Mode, far_side: Start, trusted: Authority
) -> None:
    """TLS 1.3 says so only after the handshake, in place of an answer."""
    context = trusted.server("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    far = far_side(succeeded(), tls=context)
    with pytest.raises(TransportError):
        mode.get_job(far.url)
    assert far.requests == []


# A proxy.


@pytest.fixture
def beyond(far_side: Start, trusted: Authority) -> Any:
    """Start a far side that only a proxy can reach."""
    return lambda *script: far_side(*script, tls=trusted.server("asana.test"), host="asana.test")


def test_a_proxy_carries_the_polls_and_never_sees_the_token(
    mode: Mode, far_side: Start, beyond: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``HTTPS_PROXY`` is used, as users expect; all that it sees is whom the bytes are for."""
    far = beyond(job("in_progress"), succeeded())
    proxy = far_side(tunnel(far.port))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    assert mode.wait(far.url, policy=HASTY).gid == GID
    assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert proxy.requests[0].target == f"asana.test:{far.port}"
    assert TOKEN.encode() not in b"".join(each.received for each in proxy.connections)
    assert len(far.requests) == 2


def test_a_proxy_that_wants_a_password_is_an_error_at_once(
    mode: Mode, far_side: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """407: asking again does not help."""
    headers = [("Proxy-Authenticate", "Basic")]
    proxy = far_side(answer(407, headers=headers))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(TransportError, match="the proxy answered 407") as caught:
        mode.wait("https://asana.test")
    assert not caught.value.transient
    assert len(proxy.requests) == 1


PROXY_FAULTS: dict[str, Step] = {
    "502": answer(502, "<html>Bad Gateway</html>"),
    "503": answer(503),
    "reset": reset(),
    "closed": close(),
    "closed in its answer": close(b"HTTP/1.1 200 Conn"),
    "silence": silence(),
    "an answer that drips": drip(b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 10_000),
    "1xx without end": endless(b"HTTP/1.1 103 Early Hints\r\n\r\n", every=0.005),
    "connected to a silence": then(raw(b"HTTP/1.1 200 Connected\r\n\r\n"), silence()),
    "connected to nobody": close(b"HTTP/1.1 200 Connected\r\n\r\n"),
}


@rows(PROXY_FAULTS)
def test_a_proxy_that_fails_is_a_failed_poll(
    mode: Mode, far_side: Start, beyond: Any, monkeypatch: pytest.MonkeyPatch, fault: Step
) -> None:
    """A proxy's bad minute passes as well."""
    polls: list[Poll] = []
    far = beyond(succeeded())
    proxy = far_side(fault, tunnel(far.port))
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
    mode.wait(far.url, policy=HASTY, request_timeout=0.4, on_poll=polls.append)
    assert isinstance(polls[0].error, TransportError)
    assert polls[0].error.transient
    assert (len(proxy.requests), len(far.requests), len(polls)) == (2, 1, 2)


@rows({"an answer": succeeded()} | TLS_FAULTS)
def test_a_proxy_may_be_spoken_to_by_tls(
    mode: Mode,
    far_side: Start,
    beyond: Any,
    trusted: Authority,
    monkeypatch: pytest.MonkeyPatch,
    *,
    fault: Step,
) -> None:
    """An ``https://`` proxy: TLS in TLS, and the whole of a poll is bounded all the same."""
    polls: list[Poll] = []
    far = beyond(job("in_progress"), fault, succeeded())
    proxy = far_side(tunnel(far.port), tls=trusted.server("127.0.0.1"))
    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
    began = time.monotonic()
    ended = mode.wait(far.url, policy=HASTY, request_timeout=0.6, on_poll=polls.append)
    assert time.monotonic() - began < 8
    assert ended.gid == GID
    assert TOKEN.encode() not in b"".join(each.received for each in proxy.connections)
    assert len(proxy.requests) == len(far.connections) >= (1 if len(polls) == 2 else 2)


def test_a_proxys_password_goes_to_the_proxy_and_nowhere_else(
    mode: Mode,
    far_side: Start,
    beyond: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its own credentials are sent to it, and are in no error and no log."""
    caplog.set_level(logging.DEBUG)
    far = beyond(succeeded())
    proxy = far_side(answer(407), tunnel(far.port))
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hushhush@127.0.0.1:{proxy.port}")
    error = outcome_of(lambda: mode.wait(far.url))
    assert isinstance(error, TransportError)
    assert "hushhush" not in "".join(all_said_by(error)) + caplog.text
    mode.wait(far.url)
    assert all("proxy-authorization" in request.headers for request in proxy.requests)
    assert "proxy-authorization" not in far.requests[0].headers


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "HTTPS_PROXY"])
@pytest.mark.parametrize("with_tls", [False, True], ids=["http", "https"])
def test_loopback_is_never_asked_through_a_proxy(
    mode: Mode,
    far_side: Start,
    trusted: Authority,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    with_tls: bool,
) -> None:
    """Plain http would show the proxy the token; and a proxy's loopback is not this one."""
    proxy = far_side(succeeded())
    far = far_side(succeeded(), tls=trusted.server("127.0.0.1") if with_tls else None)
    monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    mode.get_job(far.url)
    assert (len(far.requests), proxy.connections) == (1, [])


# The secret.


def all_said_by(error: BaseException) -> Iterator[str]:
    """Yield all that an error and its whole chain show, with the locals of every frame.

    Left out are the frames of the tests, which hold the token because they gave it.
    """
    errors, seen = [error], set()
    while errors:
        this = errors.pop()
        if id(this) in seen:
            continue
        seen.add(id(this))
        yield from (str(this), repr(this), *map(repr, this.__dict__.values()))
        held = (this.__cause__, this.__context__, *this.__dict__.values())
        errors += [each for each in held if isinstance(each, BaseException)]
        for frame, _ in traceback.walk_tb(this.__traceback__):
            yield from shown_of(frame)


def shown_of(frame: FrameType) -> Iterator[str]:
    """Yield what a traceback with locals shows of a frame."""
    if Path(frame.f_code.co_filename).parent != Path(__file__).parent:
        yield from map(repr, frame.f_locals.values())


def echo(status: int) -> Step:
    """Answer with an error that shows what was sent, as some proxies do."""
    said = f"Bad header 'Authorization: Bearer {TOKEN}'"
    return answer(status, {"errors": [{"message": said, "help": said, "phrase": said}]})


ALL_FAULTS = (
    FAULTS
    | {f"kept connection {name}": then(job("in_progress"), step) for name, step in STALE.items()}
    | {f"status {status}": answer(status) for status in (301, 400, 401, 403, 404, 429, 500, 502)}
    | {f"status {status} that shows the token": echo(status) for status in (400, 403, 500)}
    | {"pending": job("in_progress"), "failed": job("failed"), "no reference": job("succeeded")}
)


@rows(ALL_FAULTS)
def test_the_token_is_found_nowhere(
    mode: Mode, far_side: Start, caplog: pytest.LogCaptureFixture, fault: Step
) -> None:
    """Not in logs at DEBUG, not in errors, their chains, their frames' locals, their pickles."""
    caplog.set_level(logging.DEBUG)
    far = far_side(fault)
    policy = WaitPolicy(jitter=0, not_found_grace=0, settle=0)
    error = outcome_of(lambda: mode.wait(far.url, policy=policy, timeout=0, request_timeout=0.1))
    assert isinstance(error, JobwaitError)
    pickled = pickle.dumps(error)
    said = "".join(all_said_by(error)) + caplog.text + repr(pickled)
    assert f"job {GID}: poll 1" in said
    assert "httpcore" in said
    assert TOKEN not in said
    assert TOKEN.partition(":")[2] not in said
    assert far.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    revived = pickle.loads(pickled)
    assert (type(revived), str(revived)) == (type(error), str(error))


@pytest.mark.parametrize(
    "wait", [wait_for_job, lambda *a, **k: asyncio.run(wait_for_job_async(*a, **k))]
)
def test_the_token_is_in_no_frame_of_a_one_call_wait(
    far_side: Start, wait: Callable[..., Any]
) -> None:
    """Tools that render the locals of a traceback, as pytest and rich do, do not find it."""
    far = far_side(answer(403))
    error = outcome_of(lambda: wait(GID, token=TOKEN, base_url=far.url))
    assert isinstance(error, AccessDeniedError)
    assert TOKEN not in "".join(all_said_by(error))


def test_a_download_url_is_in_no_log_and_no_repr(
    mode: Mode, far_side: Start, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has it has the data: it is in results asked for, and nowhere else."""
    caplog.set_level(logging.DEBUG)
    url = "https://files.test/sentinel?signature=5e3b0c"
    export = {"gid": "5", "resource_type": "graph_export", "download_url": url}
    far = far_side(
        job("in_progress", new_graph_export=export),
        job("succeeded", gid="99", new_graph_export=export),
        data(JOB | {"new_graph_export": export, "gid": 1}),
        answer(200, json.dumps({"data": export})[:-4]),
        job("succeeded", new_graph_export=export),
    )
    polls: list[Poll] = []
    ended = mode.wait(far.url, on_poll=polls.append)
    assert ended.reference is not None
    assert ended.reference.download_url == url
    said = repr(ended) + repr(polls) + caplog.text
    said += "".join(text for poll in polls if poll.error for text in all_said_by(poll.error))
    assert len(polls) == 5
    assert "sentinel" not in said


# Life.


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("moment", ["poll", "pause"])
def test_an_interrupt_ends_a_wait_at_once(far_side: Start, moment: str) -> None:
    """``KeyboardInterrupt`` passes untouched in a poll and in a pause; nothing is left open."""

    def interrupt() -> None:
        began.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    began: list[float] = []
    timer = threading.Timer(0.1, interrupt)
    step = then(lambda _: timer.start(), silence() if moment == "poll" else job("in_progress"))
    far = far_side(step)
    with pytest.raises(KeyboardInterrupt):
        Mode(is_async=False).wait(far.url, policy=WaitPolicy(min_pause=30))
    timer.join()
    assert time.monotonic() - began[0] < 5
    assert len(far.requests) == 1
