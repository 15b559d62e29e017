# SPDX-License-Identifier: MIT
"""What the command reads: words of its command line, and jobs on standard input."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from command import eventually, run, running
from far_side import Connection, job, succeeded
from hypothesis import given
from hypothesis import strategies as st

from jobwait.cli import values
from jobwait.cli.exits import CommandError, Exit, exit_for
from jobwait.cli.intake import LARGEST, Intake, Reader
from jobwait.cli.template import PLACEHOLDERS, Template

if TYPE_CHECKING:
    from conftest import Start


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("0", 0),
        ("1.5", 1.5),
        ("15m", 900),
        ("1h30m", 5400),
        ("1h", 3600),
        ("1h1s", 3601),
        ("1h30m5s", 5405),
        ("0.5h", 1800),
        ("999999999h", 999999999 * 3600),
        ("none", inf),
    ],
)
def test_a_span_of_time_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert values.duration(text) == seconds
    assert str(values.duration(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "s", "m", "1h30", "30s1m", "1m1h", "1h1h", "5 m", " 5", "5M", "1d", ".5", "5."),
        *("-5", "+5", "1e3", "1e999", "inf", "nan", "1_0", "0x5", "9999999999"),
        "\u0661\u0665",  # digits, but not ASCII's
    ],
)
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        values.duration(text)


@given(st.text(max_size=12))
def test_any_word_is_a_span_of_time_or_refused(text: str) -> None:
    try:
        seconds = values.duration(text)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - either way is right
    else:
        assert seconds >= 0
        assert text.isascii()


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    said = f"{hours}h{minutes}m{seconds}s"
    assert float(values.duration(said)) == hours * 3600 + minutes * 60 + seconds


@given(st.text(max_size=40))
def test_a_word_is_a_gid_only_if_the_library_takes_it(text: str) -> None:
    from jobwait._protocol import gid_of  # noqa: PLC0415

    try:
        expected = gid_of(text) == text
    except ValueError:
        expected = False
    assert values.is_gid(text) == expected


@given(st.text(alphabet="{}\\tngid x", max_size=30))
def test_a_template_is_filled_or_refused(text: str) -> None:
    try:
        template = Template(text)
    except ValueError:
        return
    filled = template.fill(dict.fromkeys(PLACEHOLDERS, "<>"))
    assert "{gid}" not in filled or "{{" in text
    assert str(template) == text


# Many outcomes amount to one status.

WORDS = {
    "unauthorized": 4,
    "denied": 3,
    "not_found": 3,
    "failed": 1,
    "unavailable": 6,
    "no_reference": 5,
    "timed_out": 124,
    "pending": 8,
    "succeeded": 0,
}


@given(st.lists(st.sampled_from(list(WORDS)), min_size=1), st.booleans())
def test_of_several_outcomes_the_first_in_the_order_of_the_contract_counts(
    outcomes: list[str], one_suffices: bool
) -> None:
    if one_suffices and "succeeded" in outcomes:
        assert exit_for(outcomes, one_suffices=True) == 0
    else:
        first = next(word for word in WORDS if word in outcomes)
        assert exit_for(outcomes, one_suffices=one_suffices) == WORDS[first]


def test_every_status_says_what_it_means() -> None:
    assert len({status.meaning for status in Exit}) == len(Exit)


# Standard input.


def read_in(*pieces: bytes) -> list[str]:
    reader = Reader()
    gids = [gid for piece in pieces for gid in reader.feed(piece)]
    return gids + list(reader.end())


ENVELOPE = {"data": {"gid": "12", "resource_type": "job", "status": "not_started"}}
INPUTS: dict[str, tuple[str, list[str]]] = {
    "gids one a line": ("1\n22\n333\n", ["1", "22", "333"]),
    "no line end at the end": ("1\n2", ["1", "2"]),
    "blank lines, blanks and carriage returns": ("\n 1 \r\n\r\n\t2\r\n", ["1", "2"]),
    "a byte order mark": ("\ufeff1\n2\n", ["1", "2"]),
    "an envelope": (json.dumps(ENVELOPE), ["12"]),
    "an envelope over several lines": (json.dumps(ENVELOPE, indent=2), ["12"]),
    "a bare job": ('{"gid": "7"}', ["7"]),
    "a gid that is a number": ('{"data": {"gid": 7}}', ["7"]),
    "an array": (json.dumps([ENVELOPE, {"gid": "7"}, "8", 9]), ["12", "7", "8", "9"]),
    "an array over several lines": (json.dumps([ENVELOPE, {"gid": "7"}], indent=1), ["12", "7"]),
    "JSON Lines": ('{"gid":"1"}\n{"gid":"2"}\n', ["1", "2"]),
    "JSON strings": ('"1"\n"2"\n', ["1", "2"]),
    "several documents on a line": ('{"gid":"1"} {"gid":"2"}{"gid":"3"}', ["1", "2", "3"]),
    "what jq prints": ('{\n  "gid": "1"\n}\n{\n  "gid": "2"\n}\n', ["1", "2"]),
    "brackets and quotes in strings": ('{"name":"]}\\"{[\\\\",\n"gid":"1"}\n2', ["1", "2"]),
    "all of it": ('1\n{"gid":"2"}\n[{"gid":\n"3"}]\n4', ["1", "2", "3", "4"]),
}


@pytest.mark.parametrize("name", INPUTS)
def test_standard_input_is_read(name: str) -> None:
    text, gids = INPUTS[name]
    assert read_in(text.encode()) == gids
    assert read_in(*(bytes([byte]) for byte in text.encode())) == gids


FORMS = ["{}", '"{}"', '{{"gid": "{}"}}', '{{"data":\n{{"gid":{}}}}}', "\n {}"]


@given(
    st.lists(st.integers(1, 10**32 - 1).map(str), min_size=1, max_size=20),
    st.lists(st.sampled_from(FORMS)),
    st.integers(1, 50),
)
def test_the_same_jobs_are_read_however_they_are_written_and_cut(
    gids: list[str], forms: list[str], size: int
) -> None:
    padded = [*forms, *["{}"] * len(gids)]
    text = "\n".join(form.format(gid) for form, gid in zip(padded, gids, strict=False)).encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert read_in(*pieces) == gids


@given(st.binary(max_size=200))
def test_any_bytes_are_jobs_or_refused_in_one_line(data: bytes) -> None:
    try:
        gids = read_in(data)
    except CommandError as problem:
        assert problem.message.isprintable()  # noqa: PT017 - either way is right
        assert problem.status == Exit.MISUSED  # noqa: PT017
    else:
        assert gids
        assert all(values.is_gid(gid) for gid in gids)


REFUSED = {
    "": "held no job",
    "\n \n": "held no job",
    "[]": "held no job",
    "12\nabc\n": "line 2, holds no job but 'abc'",
    "1 2": "line 1, holds no job but '1 2'",
    "１\n": "line 1, holds no job but",  # noqa: RUF001 - a digit, but not ASCII's
    "\x1b[31m": "line 1, holds no job but '\\x1b[31m'",
    "1\n{}": "line 2, holds no job: its gid is null",
    "null": "line 1, holds no job but 'null'",
    "[null]": "line 1, holds no job: its gid is null",
    "[true]": "its gid is true",
    "[[1]]": "its gid is of another kind",
    '{"gid": "x\\u202ey"}': "its gid is x\\u202ey",
    '{"gid": -5}': "its gid is -5",
    '{"gid": 1.5}': "its gid is 1.5",
    '{"data": []}': "its gid is of another kind",
    '{"data": null}': "its gid is null",
    '{"data": {"gid": "1"': "line 1, begins a JSON document that never ends",
    '\n{"data":\n{"gid": "1': "line 2, is no JSON at",
    '{"gid": "1"}}': "is no JSON at '}'",
    '{"gid": 1' + "0" * 5000 + "}": "is no JSON at",
    "[" * 100_000 + "]" * 100_000: "is no JSON at",
    '{"errors": [{"message": "no\\nsuch"}, {"help": 1}, 5]}': "no job was started: no\\nsuch",
    '{"errors": []}': "no job was started",
    '{"errors": "x"}': "its gid is null",
    "\udcff": "",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:20]))
def test_what_is_no_job_is_named_by_its_line(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        read_in(text.encode("utf-8", "surrogateescape"))
    assert REFUSED[text] in caught.value.message
    assert len(caught.value.message) < 600


@pytest.mark.parametrize("begin", [b"1" * 100, b'["', b"[\n" + b'"1",\n' * 1000])
def test_a_line_or_document_without_end_is_refused(begin: bytes) -> None:
    reader = Reader()
    with pytest.raises(CommandError, match="longer than 8 MiB"):  # noqa: PT012 - any feed may
        list(reader.feed(begin))
        for _ in range(LARGEST // 60000 + 2):
            list(reader.feed(b'"2",\n' * 12000 if b"\n" in begin else b"2" * 60000))


def scripted(monkeypatch: pytest.MonkeyPatch, *pieces: bytes | None) -> Callable[[int], bytes]:
    """Stand in for standard input; a None is a silence in it."""
    left = list(pieces)

    def select(_reading: Any, _writing: Any, _failing: Any, _timeout: Any) -> tuple[list[int], ...]:
        if left and left[0] is None:
            left.pop(0)
            return [], [], []
        return [0], [], []

    monkeypatch.setattr("select.select", select)
    return lambda _size: left.pop(0) or b"" if left else b""


def test_jobs_that_are_all_there_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    read = scripted(monkeypatch, b"1\n2", b"3\n")
    assert Intake(["9", "-", "8"], read=read).begin() == ["9", "1", "23", "8"]
    assert Intake(["9", "8"]).begin() == ["9", "8"]


def test_jobs_that_keep_coming_are_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    read = scripted(monkeypatch, b"1\n2", None, b"3\n", b"4")
    jobs = Intake(["9", "-", "8"], read=read).begin()
    assert isinstance(jobs, Iterator)
    assert list(jobs) == ["9", "1", "23", "4", "8"]


def test_where_nobody_can_tell_whether_more_comes_jobs_are_a_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cannot(*_: Any) -> None:
        raise OSError("not a socket")

    left = [b"1\n", b""]
    monkeypatch.setattr("select.select", cannot)
    jobs = Intake(["-"], read=lambda _size: left.pop(0)).begin()
    assert isinstance(jobs, Iterator)
    assert list(jobs) == ["1"]


def test_a_standard_input_that_cannot_be_read_is_a_misuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_size: int) -> bytes:
        raise OSError(5, "Input/output error")

    scripted(monkeypatch)
    with pytest.raises(CommandError, match="cannot be read: Input/output error"):
        Intake(["-"], read=broken).begin()


def test_a_silent_standard_input_does_not_outlast_the_timeout() -> None:
    with running("-", "--timeout", "0.4s", url="http://127.0.0.1:9") as process:
        assert process.wait(60) == Exit.TIMED_OUT
        assert process.stderr is not None
        assert b"the timeout came while standard input was still open" in process.stderr.read()


def test_jobs_are_waited_for_while_more_come(far_side: Start) -> None:
    far = far_side(lambda c: succeeded(new_task={"gid": "9" + gid_asked(c)})(c))
    with running("-", "-o", "jsonl", url=far.url) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for gid in ("1", "2", "3"):
            process.stdin.write(f"{gid}\n".encode())
            process.stdin.flush()
            line = json.loads(process.stdout.readline())
            assert (line["job"], line["reference"]["gid"]) == (gid, f"9{gid}")
        process.stdin.write(b"1\n")
        process.stdin.close()
        assert json.loads(process.stdout.readline())["job"] == "1"
        assert process.wait(60) == Exit.SUCCEEDED
    assert len(far.requests) == 3


def gid_asked(connection: Connection) -> str:
    return connection.request.target.rpartition("/")[2]


def test_jobs_begun_are_waited_for_when_a_later_line_is_bad(far_side: Start) -> None:
    far = far_side(job("in_progress"), succeeded())
    with running("-", "-o", "gid", url=far.url) as process:
        assert process.stdin is not None
        process.stdin.write(b"1\n")
        process.stdin.flush()
        eventually(lambda: far.requests, "the first job is asked for")
        process.stdin.write(b"no gid\n2\n")
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (Exit.MISUSED, b"1301\n")
    assert b"jobwait: standard input, line 2, holds no job but 'no gid'" in err
    assert {gid_asked_of(request.target) for request in far.requests} == {"1"}


def gid_asked_of(target: str) -> str:
    return target.rpartition("/")[2]


def test_nothing_is_asked_where_a_bad_line_is_known_at_once(far_side: Start) -> None:
    far = far_side(succeeded())
    ended = run("-", url=far.url, stdin="1\n2\nx\n")
    assert (ended.status, far.requests, len(ended.errors)) == (Exit.MISUSED, [], 1)


def test_jobs_of_both_kinds_keep_their_order(far_side: Start) -> None:
    far = far_side(lambda c: succeeded(new_task={"gid": "9" + gid_asked(c)})(c))
    assert run("1", "-", "4", url=far.url, stdin="2\n3\n").out.split() == ["91", "92", "93", "94"]


def test_a_thousand_jobs_on_standard_input_are_read_at_once() -> None:
    reader = Reader()
    began = time.process_time()
    data = b"".join(b'{"data": {\n"gid": "%d"}}\n' % number for number in range(10_000))
    assert len(list(reader.feed(data))) == 10_000
    assert time.process_time() - began < 30, "reading is linear"
