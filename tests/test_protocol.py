# SPDX-License-Identifier: MIT
"""HTTP without a socket: what is asked, and what every answer means."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobwait import _protocol
from jobwait._errors import (
    AccessDeniedError,
    ApiError,
    AuthenticationError,
    ConfigurationError,
    JobNotFoundError,
    PollError,
    ProtocolError,
)
from jobwait._models import FailedJob, Job, PendingJob, SucceededJob
from jobwait._protocol import (
    DEFAULT_BASE_URL,
    Token,
    check_base_url,
    gid_of,
    is_loopback,
    job_url,
    read_answer,
    read_retry_after,
)

GID = "1201234567890123"
SENTINEL = "sentinel-9d20"
SECRET_URL = f"https://exports.example/{SENTINEL}"
HTML = b"<html><title>502 Bad Gateway</title></html>"
FULL_WIDTH = "\uff11\uff12\uff13"


def brief(value: object) -> str:
    """Name a parameter by what fits into a test's name."""
    huge = isinstance(value, int) and abs(value) >= 10**40
    return "huge" if huge else ascii(value)[:40]


def one_line(error: Exception) -> str:
    assert str(error).isprintable()
    return str(error)


# Which job


@pytest.mark.parametrize(
    "job",
    [
        GID,
        int(GID),
        {"gid": GID},
        {"gid": int(GID)},
        {"gid": GID, "resource_type": "job", "status": "not_started"},
        {"data": {"gid": GID, "status": "not_started"}},
        {"data": {"gid": int(GID)}, "gid": "9"},
        MappingProxyType({"gid": GID}),
        MappingProxyType({"data": MappingProxyType({"gid": GID})}),
    ],
)
def test_a_job_may_be_named_as_the_caller_has_it(job: Any) -> None:
    assert gid_of(job) == GID


@pytest.mark.parametrize("gid", ["0", "7", "007", "1" * 31, "1" * 32])
def test_a_gid_is_1_to_32_digits_and_stays_as_it_is(gid: str) -> None:
    assert gid_of(gid) == gid
    assert gid_of(int(gid)) == str(int(gid))


@pytest.mark.parametrize(
    ("gid", "named"),
    [
        ("", "''"),
        (" ", "' '"),
        (" 1", "' 1'"),
        ("1 ", "'1 '"),
        ("1 2", "'1 2'"),
        ("1\n", "'1\\n'"),
        ("1\r\n", "'1\\r\\n'"),
        ("\n1", "'\\n1'"),
        ("1\0", "'1\\x00'"),
        (FULL_WIDTH, FULL_WIDTH),
        ("\u0661", "\u0661"),
        ("\u00b2", "\u00b2"),
        ("1" * 33, "1" * 33),
        ("1" * 10_000, "'" + "1" * 40 + "…'"),
        ("../users/me", "'../users/me'"),
        ("1/../2", "'1/../2'"),
        ("1?x", "'1?x'"),
        ("1#x", "'1#x'"),
        ("1%2e", "'1%2e'"),
        ("-1", "'-1'"),
        ("+1", "'+1'"),
        ("1.0", "'1.0'"),
        ("1_000", "'1_000'"),
        ("0x1f", "'0x1f'"),
        ("abc", "'abc'"),
        (-1, "'-1'"),
        (10**32, f"'{10**32}'"),
        (10**39, f"'{10**39}'"),
        (10**40, "'a huge number'"),
        (-(10**40), "'a huge number'"),
        (10**10_000, "'a huge number'"),
    ],
    ids=brief,
)
def test_a_gid_that_is_none_is_refused_and_named(gid: str | int, named: str) -> None:
    for job in (gid, {"gid": gid}, {"data": {"gid": gid}}):
        with pytest.raises(ValueError, match="a job's gid is 1 to 32 digits, not") as refused:
            gid_of(job)
        assert named in one_line(refused.value)


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"id": GID},
        {"gid": None},
        {"data": None},
        {"data": {}},
        {"data": GID},
        {"data": [{"gid": GID}]},
        {"data": {"data": {"gid": GID}}},
        {"data": {"gid": None}, "gid": GID},
    ],
)
def test_a_mapping_without_a_gid_is_refused(job: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="there is no gid in it") as refused:
        gid_of(job)
    one_line(refused.value)


@pytest.mark.parametrize(
    "junk", [True, False, 1.0, float("nan"), b"1", bytearray(b"1"), [GID], (GID,), {GID}, object()]
)
def test_what_is_neither_digits_nor_a_mapping_is_refused_by_its_type(junk: Any) -> None:
    for job in (junk, {"gid": junk}, {"data": {"gid": junk}}):
        with pytest.raises(TypeError, match=f"not {type(junk).__name__}: pass") as refused:
            gid_of(job)
        one_line(refused.value)


def test_nothing_is_no_job() -> None:
    with pytest.raises(TypeError, match="not NoneType"):
        gid_of(None)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.text(st.characters()) | st.integers())
@example("1\n")
def test_what_comes_through_is_ascii_digits_and_nothing_else(job: str | int) -> None:
    try:
        gid = gid_of(job)
    except ValueError as refused:
        one_line(refused)
    else:
        assert 1 <= len(gid) <= 32
        assert set(gid) <= set("0123456789")
        assert gid == str(job)


# Where


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        (DEFAULT_BASE_URL, DEFAULT_BASE_URL),
        (DEFAULT_BASE_URL + "/", DEFAULT_BASE_URL),
        ("https://asana.example", "https://asana.example"),
        ("https://asana.example//", "https://asana.example"),
        ("HTTPS://asana.example/x", "HTTPS://asana.example/x"),
        ("https://asana.example:8443/api", "https://asana.example:8443/api"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://bücher.example", "https://bücher.example"),
        ("http://localhost:8080/api/1.0/", "http://localhost:8080/api/1.0"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://asana.example:0", "https://asana.example:0"),
        ("https://asana.example:65535", "https://asana.example:65535"),
    ],
)
def test_a_base_url_is_https_or_http_to_this_machine(url: str, checked: str) -> None:
    assert check_base_url(url) == checked


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must look like"),
        ("/api/1.0", "must look like"),
        ("app.asana.com", "must look like"),
        ("app.asana.com:443", "must look like"),
        ("//app.asana.com", "must look like"),
        ("https://", "must look like"),
        ("https:///api", "must look like"),
        ("https://:443", "must look like"),
        ("ftp://app.asana.com", "must look like"),
        ("file:///etc/passwd", "must look like"),
        ("unix://localhost", "must look like"),
        ("https://app.asana.com\n", "must look like"),
        ("\thttps://app.asana.com", "must look like"),
        ("https://app.asana.com/\x1b[2J", "must look like"),
        ("https://app.asana.com/\u202e", "must look like"),
        ("https://app.asana .com", "space or a backslash"),
        ("https://app.asana.com/a b", "space or a backslash"),
        ("https://app.asana.com ", "space or a backslash"),
        ("https://app.asana.com\\@evil.example", "space or a backslash"),
        (f"https://{SENTINEL}@app.asana.com", "no user, query or fragment"),
        (f"https://user:{SENTINEL}@app.asana.com", "no user, query or fragment"),
        ("https://@app.asana.com", "no user, query or fragment"),
        ("https://app.asana.com?", "no user, query or fragment"),
        ("https://app.asana.com/?x=1", "no user, query or fragment"),
        ("https://app.asana.com#", "no user, query or fragment"),
        ("https://app.asana.com/#x", "no user, query or fragment"),
        ("http://app.asana.com", "must begin with https"),
        ("HTTP://app.asana.com", "must begin with https"),
        ("http://localhost.example", "must begin with https"),
        ("http://127.0.0.1.example", "must begin with https"),
        ("http://128.0.0.1", "must begin with https"),
        ("http://0.0.0.0", "must begin with https"),
        ("http://[::2]", "must begin with https"),
        ("https://[::1", "cannot be read"),
        ("https://app.asana.com:65536", "cannot be read"),
        ("https://app.asana.com:x\x1b", "cannot be read"),
        (f"https://user:{SENTINEL}@app\x1b.as\u2100na.com", "cannot be read"),
    ],
    ids=brief,
)
def test_another_base_url_is_refused_with_the_reason_and_without_secrets(
    url: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refused:
        check_base_url(url)
    assert SENTINEL not in one_line(refused.value)
    assert "base URL '" in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.255.255", "::1"])
def test_this_machine_is_known_by_name(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "local", "localhost.", "126.0.0.1", "128.0.0.1", "::", "::2"])
def test_every_other_host_is_another_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, ""),
        ({"opt_pretty": False}, ""),
        ({"opt_pretty": True}, "?opt_pretty=true"),
        ({"opt_fields": ["new_project.name"]}, "?opt_fields=new_project.name,status"),
        ({"opt_fields": "new_project.name"}, "?opt_fields=new_project.name,status"),
        ({"opt_fields": "gid,new_task"}, "?opt_fields=gid,new_task,status"),
        ({"opt_fields": ("gid", "gid")}, "?opt_fields=gid,status"),
        ({"opt_fields": ["status", "gid"]}, "?opt_fields=status,gid"),
        ({"opt_fields": []}, "?opt_fields=status"),
        ({"opt_fields": {"A9_z.x": 1}.keys()}, "?opt_fields=A9_z.x,status"),
        ({"opt_fields": ["gid"], "opt_pretty": True}, "?opt_fields=gid,status&opt_pretty=true"),
    ],
    ids=repr,
)
def test_the_url_asks_for_the_fields_and_always_for_the_status(
    options: dict[str, Any], query: str
) -> None:
    assert job_url("https://h/api", GID, **options) == f"https://h/api/jobs/{GID}{query}"


@pytest.mark.parametrize(
    "fields",
    ["", "gid,", ",", "a b", ["a,b"], ["a&b"], ["a=b"], ["a#"], ["a\n"], [""], ["é"], ["\uff11"]],
    ids=brief,
)
def test_a_name_that_no_field_has_is_refused(fields: Any) -> None:
    with pytest.raises(ValueError, match="opt_fields must hold names of fields, not '") as refused:
        job_url("https://h", GID, opt_fields=fields)
    one_line(refused.value)


@pytest.mark.parametrize("fields", [[1], [None], [b"gid"], b"gid", [["gid"]]])
def test_fields_that_are_no_names_are_refused_by_their_type(fields: Any) -> None:
    with pytest.raises(
        TypeError, match=r"opt_fields must hold names, not (int|NoneType|bytes|list)"
    ):
        job_url("https://h", GID, opt_fields=fields)


# As whom


def authorization(token: str) -> str:
    return Token(token).headers()["Authorization"]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_end_after_the_token_is_dropped(end: str) -> None:
    assert authorization(f"1/23:ab+c/=~!{end}") == "Bearer 1/23:ab+c/=~!"


def test_a_request_asks_for_json_that_is_not_compressed() -> None:
    headers = Token(SENTINEL).headers()
    assert headers == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Bearer {SENTINEL}",
    }


@pytest.mark.parametrize("value", ["", "\n", "\r\n"])
def test_an_empty_token_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="the token is empty"):
        Token(value)


@pytest.mark.parametrize(
    "value",
    [
        f"{SENTINEL}\n\n",
        f"{SENTINEL}\r\n\r\n",
        f"{SENTINEL}\n\r",
        f"\n{SENTINEL}",
        f" {SENTINEL}",
        f"{SENTINEL} ",
        f"{SENTINEL} \n",
        f"{SENTINEL} x",
        f"{SENTINEL}\tx",
        f"{SENTINEL}\nx: y",
        f"{SENTINEL}\r\nx: y",
        f"{SENTINEL}\0",
        f"{SENTINEL}\x7f",
        f"{SENTINEL}\x80",
        f"{SENTINEL}é",
        f"{SENTINEL}\u2028",
        f"{SENTINEL}{FULL_WIDTH}",
        f"{SENTINEL}\ud800",
    ],
    ids=brief,
)
def test_a_token_with_what_no_token_has_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match="the token holds a space") as refused:
        Token(value)
    assert SENTINEL not in "".join(traceback.format_exception(refused.value))
    assert SENTINEL not in one_line(refused.value) + repr(refused.value)


def test_a_token_shows_itself_nowhere() -> None:
    token = Token(SENTINEL)
    shown = [repr(token), str(token), f"{token}", f"{token!r:>40}", f"{[token]}", f"{(token,)!s}"]
    shown.append("%s %r" % (token, token))  # noqa: UP031 - logging does it so
    assert shown[0] == "<token>"
    assert not [text for text in shown if SENTINEL in text]
    assert not hasattr(token, "__dict__")


# What an answer means


def answer(
    status: int = 200,
    body: bytes | str | object = b"",
    *,
    refused: str | None = None,
    retry_after: float | None = None,
) -> Job | PollError:
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return read_answer(GID, status, body, refused=refused, retry_after=retry_after)


def job(status: str = "in_progress", **fields: Any) -> dict[str, Any]:
    return {"data": {"gid": GID, "status": status, **fields}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("not_started", PendingJob),
        ("in_progress", PendingJob),
        ("succeeded", SucceededJob),
        ("failed", FailedJob),
    ],
)
def test_an_answer_of_200_is_the_job(status: str, kind: type) -> None:
    assert type(answer(200, job(status))) is kind


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (100, ProtocolError, True),
        (201, ProtocolError, True),
        (204, ProtocolError, True),
        (206, ProtocolError, True),
        (299, ProtocolError, True),
        (300, ApiError, False),
        (301, ApiError, False),
        (302, ApiError, False),
        (303, ApiError, False),
        (304, ProtocolError, True),
        (305, ApiError, False),
        (307, ApiError, False),
        (308, ApiError, False),
        (399, ApiError, False),
        (400, ApiError, False),
        (401, AuthenticationError, False),
        (402, ApiError, False),
        (403, AccessDeniedError, False),
        (404, JobNotFoundError, False),
        (407, ApiError, False),
        (408, ApiError, True),
        (409, ApiError, False),
        (410, ApiError, False),
        (428, ApiError, False),
        (429, ApiError, True),
        (430, ApiError, False),
        (451, ApiError, False),
        (499, ApiError, False),
        (500, ApiError, True),
        (502, ApiError, True),
        (503, ApiError, True),
        (504, ApiError, True),
        (520, ApiError, True),
        (599, ApiError, True),
        (600, ProtocolError, True),
        (999, ProtocolError, True),
    ],
)
@pytest.mark.parametrize("body", [b"", HTML, json.dumps(job("succeeded")).encode()])
@pytest.mark.parametrize("retry_after", [None, 0.0, 30.0])
def test_every_other_status_is_an_error_whatever_the_body_says(
    status: int, kind: type[PollError], transient: bool, body: bytes, retry_after: float | None
) -> None:
    error = answer(status, body, retry_after=retry_after)
    assert isinstance(error, ApiError | ProtocolError)
    assert (type(error), error.transient) == (kind, transient)
    assert (error.gid, error.status) == (GID, status)
    assert error.retry_after == retry_after
    assert f"HTTP {status}" in one_line(error)
    assert "Gateway" not in str(error)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_what_asana_says_of_an_error_is_kept(status: int) -> None:
    said = {"message": "m\n", "help": "https://help", "phrase": "6 sad squid snuggle softly"}
    error = answer(status, {"errors": [said, {"message": "n"}]})
    assert isinstance(error, ApiError)
    assert [detail.message for detail in error.errors] == ["m\n", "n"]
    assert error.errors[0].help == "https://help"
    assert error.phrase == "6 sad squid snuggle softly"
    assert "m\\n; n (phrase for Asana's support: 6 sad squid snuggle softly)" in one_line(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b'{"errors": null}',
        b'{"errors": {"message": "x"}}',
        b'{"errors": ["x"]}',
        b'{"errors": [{"message": 1}]}',
        b'{"errors": [{"message": "x"}]',
        b'{"errors": ' + b"[" * 100_000,
    ],
    ids=brief,
)
@pytest.mark.parametrize("status", [403, 500])
def test_an_error_without_asanas_words_is_still_that_error(status: int, body: bytes) -> None:
    error = answer(status, body)
    assert isinstance(error, ApiError)
    assert (error.status, error.errors, error.phrase) == (status, (), None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "its body is not JSON"),
        (HTML, "its body is not JSON"),
        (json.dumps(job("succeeded"))[:-1], "its body is not JSON"),
        (json.dumps(job("succeeded")) + "x", "its body is not JSON"),
        (b"[" * 100_000, "its body is not JSON"),
        (b'{"data":' * 100_000, "its body is not JSON"),
        ('{"data": {"x": ' + "9" * 5000 + "}}", "its body is not JSON"),
        (b"\xff\xfe{}", "its body is not JSON"),
        (b'{"data": {"gid": "\xc3"}}', "its body is not JSON"),
        (b'{"data": {"gid": "7", "status": "\\ud800"}}', "its body is not JSON"),
        (b"null", "its body: input should be an object"),
        (b"7", "its body: input should be an object"),
        ([], "its body: input should be an object"),
        ({}, "data: field required"),
        ({"data": None}, "data: input should be an object"),
        ({"data": []}, "data: input should be an object"),
        ({"data": [job()["data"]]}, "data: input should be an object"),
        ({"data": "succeeded"}, "data: input should be an object"),
        ({"data": {}}, "it has no status"),
        ({"data": {"gid": GID}}, "it has no status"),
        (job(gid=int(GID)), "data.in_progress.gid: input should be a valid string"),
        ({"data": {"status": "failed"}}, "data.failed.gid: field required"),
        (job("succeeded", new_task=[]), "data.succeeded.reference: input should be an object"),
        (job(gid="9"), "it is about job 9"),
        (job("succeeded", gid="9"), "it is about job 9"),
        (job(gid=GID + "\n"), f"it is about job {GID}\\n"),
        (job(gid="0" + GID), f"it is about job 0{GID}"),
        (job(gid="9" * 100), "it is about job " + "9" * 40 + "…;"),
        (job(gid="\x1b]0;x\x07"), "it is about job \\x1b]0;x\\x07"),
        (job(gid=""), "it is about job ;"),
    ],
    ids=brief,
)
def test_an_answer_of_200_that_is_no_job_is_one_typed_error(body: Any, reason: str) -> None:
    error = answer(200, body)
    assert isinstance(error, ProtocolError)
    assert error.transient
    assert (error.gid, error.status) == (GID, 200)
    assert reason in one_line(error)


def test_a_body_that_was_not_read_is_judged_by_its_status() -> None:
    unread = answer(200, job("succeeded"), refused="its body is larger than 1 MiB")
    assert isinstance(unread, ProtocolError)
    assert unread.reason == "its body is larger than 1 MiB"
    denied = answer(403, refused="its body is larger than 1 MiB")
    assert isinstance(denied, AccessDeniedError)


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"gid": GID, "status": "succeeded", "new_x": {"gid": 5, "name": SECRET_URL}}},
        {"data": {"gid": GID, "status": "succeeded", "new_x": SECRET_URL}},
        {"data": {"gid": GID, "status": "failed", "new_x": {"gid": "8", "created_at": SECRET_URL}}},
        {"data": {"gid": GID, "status": [SECRET_URL]}},
        {"data": {"gid": 5, "status": "in_progress", SECRET_URL: {SECRET_URL: 1}}},
        {"data": SECRET_URL},
        [SECRET_URL],
        f'{{"data": {{"download_url": "{SECRET_URL}"',
        f"<a href={SECRET_URL}>",
        {"data": {"gid": "9", "status": "failed", "new_x": {"gid": "8", "name": SECRET_URL}}},
    ],
    ids=brief,
)
def test_nothing_of_the_body_travels_in_an_error(body: Any) -> None:
    error = answer(200, body)
    assert isinstance(error, ProtocolError)
    assert SENTINEL not in str(error) + repr(error) + repr(vars(error))
    # Neither do the frames and the errors below it, which a debugger or a reporter would show.
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["gid", "status", "new_x", "data", "errors", "message", "created_at"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    status=st.sampled_from([200, 204, 302, 404, 429, 500]),
    body=st.binary()
    | _JSON.map(lambda value: json.dumps(value).encode())
    | _JSON.map(lambda value: json.dumps({"data": value}).encode())
    | _JSON.map(lambda value: json.dumps(job("succeeded", new_x=value)).encode())
    | _JSON.map(lambda value: json.dumps({"errors": [value]}).encode()),
)
def test_any_answer_is_a_job_or_an_error_and_never_an_exception(status: int, body: bytes) -> None:
    """And success is never reported unless the far side said so of this very job."""
    seen = read_answer(GID, status, body, refused=None, retry_after=None)
    if isinstance(seen, PollError):
        one_line(seen)
    else:
        record = json.loads(body)["data"]
        assert status == 200
        assert (record["gid"], record["status"]) == (GID, seen.raw_status)
        assert isinstance(seen, SucceededJob) == (seen.raw_status == "succeeded")


@pytest.fixture
def fresh_memory() -> Iterator[None]:
    """Forget which statuses were warned of; a process warns of each once."""
    before = set(_protocol._warned_of)
    _protocol._warned_of.clear()
    yield
    _protocol._warned_of.clear()
    _protocol._warned_of.update(before)


@pytest.mark.usefixtures("fresh_memory")
def test_an_unknown_status_is_warned_of_once_by_name(caplog: pytest.LogCaptureFixture) -> None:
    for status in ("paused", "paused", "pau\nsed", "paused", "pau\nsed"):
        seen = answer(200, job(status))
        assert isinstance(seen, PendingJob)
        assert seen.raw_status == status
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    first, second = caplog.messages
    assert f"job {GID}: unknown status 'paused' counts as pending" in first
    assert "'pau\\nsed'" in second
    assert {record.name for record in caplog.records} == {"jobwait"}


@pytest.mark.usefixtures("fresh_memory")
def test_a_known_status_and_one_of_another_job_are_not_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for status in ("not_started", "in_progress", "succeeded", "failed"):
        answer(200, job(status))
    answer(200, job("paused", gid="9"))
    assert not caplog.records


# Retry-After

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def http_date(seconds: float) -> str:
    """Write the moment so many seconds from now as a header does."""
    moment = datetime.fromtimestamp(NOW.timestamp() + seconds, tz=UTC)
    return format_datetime(moment, usegmt=True)


def read(*values: str, date: str | None = None) -> float | None:
    return read_retry_after(values, date=date, now=NOW.timestamp())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("30", 30.0),
        ("007", 7.0),
        (" 30 ", 30.0),
        ("999999999", 999_999_999.0),
        (http_date(90), 90.0),
        (http_date(0), 0.0),
        (http_date(-90), 0.0),
        (f" {http_date(90)} ", 90.0),
        ("Mon, 01 Jun 2026 14:01:30 +0200", 90.0),
        ("Monday, 01-Jun-26 12:01:30 GMT", 90.0),
        (http_date(999_999_999), 999_999_999.0),
    ],
)
def test_seconds_and_dates_are_understood(value: str, seconds: float) -> None:
    assert read(value) == seconds


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (http_date(90), http_date(60), 30.0),
        (http_date(90), http_date(-3600), 3690.0),
        (http_date(90), http_date(120), 0.0),
        (http_date(90), "yesterday", 90.0),
        (http_date(90), "", 90.0),
        (http_date(90), "Mon, 01 Jun 2026 12:00:30", 90.0),
        ("30", http_date(3600), 30.0),
    ],
)
def test_a_date_counts_from_the_answers_own_where_it_has_one(
    value: str, date: str, seconds: float
) -> None:
    assert read(value, date=date) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "inf",
        "Infinity",
        "nan",
        "-1",
        "-0",
        "+5",
        "1.5",
        "1e3",
        "1_0",
        "0x10",
        "5 s",
        "5, 6",
        "1000000000",
        "1" + "0" * 35,
        "9" * 5000,
        FULL_WIDTH,
        "\u0663",
        "\u00b2",
        "soon",
        "Mon, 01 Jun 2026 12:01:30",
        "Mon, 01 Jun 2026 12:01:30 -0000",
        "Mon Jun  1 12:01:30 2026",
        "Fri, 31 Dec 100000 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        http_date(1_000_000_000),
        "Mon, 32 Jun 2026 12:01:30 GMT",
        "Mon, 01 Jun 2026 25:01:30 GMT",
        "Mon, 01 Jun 2026 12:01:30 +9999",
        "2026-06-01T12:01:30Z",
        "\0",
    ],
    ids=brief,
)
def test_what_is_neither_is_as_good_as_not_said(value: str) -> None:
    assert read(value) is None


@pytest.mark.parametrize("values", [(), ("30", "30"), ("30", "60"), ("30", "")])
def test_the_header_counts_only_if_it_was_sent_once(values: tuple[str, ...]) -> None:
    assert read(*values) is None


_DATE_PARTS = st.sampled_from(
    ["Mon,", " ", "01", "Jun", "2026", "12:01:30", "GMT", "+0000", "-2400", "+9999", ":", "-", "99"]
) | st.text(max_size=3)


@settings(deadline=None)
@given(
    value=st.text() | st.lists(_DATE_PARTS, max_size=9).map(" ".join),
    date=st.none() | st.text() | st.lists(_DATE_PARTS, max_size=9).map(" ".join),
)
def test_any_value_is_a_time_that_can_be_slept_or_nothing(value: str, date: str | None) -> None:
    seconds = read(value, date=date)
    assert seconds is None or 0 <= seconds < 1e9


def test_a_token_is_not_pickled() -> None:
    """It would lie in the clear wherever the pickle goes."""
    told = "^a token is not pickled: make the client where it is used$"
    with pytest.raises(TypeError, match=told):
        pickle.dumps(Token("secret"))
