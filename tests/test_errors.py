# SPDX-License-Identifier: MIT
"""Errors hold data, show it on one safe line, and say what to do next."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwait import _errors
from jobwait._errors import (
    AccessDeniedError,
    ApiError,
    AuthenticationError,
    ConfigurationError,
    JobFailedError,
    JobNotFoundError,
    JobTimeoutError,
    JobwaitError,
    MissingReferenceError,
    PollError,
    ProtocolError,
    TransportError,
    UnavailableError,
)
from jobwait._models import (
    ErrorDetail,
    FailedJob,
    JobStatus,
    PendingJob,
    Reference,
    SucceededJob,
)

GID = "1201234567890123"
SENTINEL = "sentinel-41c7"
HOSTILE = f"{SENTINEL}\x1b]0;owned\x07\r\n::error::x\u202e\u2028\ud800"
MADE = Reference(field="new_task", gid="8", name="copy")
EXPORT = Reference(field="new_graph_export", gid="8", download_url=f"https://x.example/{SENTINEL}")


def failed(reference: Reference | None = None, subtype: str | None = None) -> FailedJob:
    return FailedJob(
        gid=GID,
        status=JobStatus.FAILED,
        raw_status="failed",
        resource_subtype=subtype,
        reference=reference,
    )


def succeeded(reference: Reference | None = None) -> SucceededJob:
    return SucceededJob(
        gid=GID, status=JobStatus.SUCCEEDED, raw_status="succeeded", reference=reference
    )


def pending(raw_status: str = "in_progress") -> PendingJob:
    return PendingJob(gid=GID, status=JobStatus.IN_PROGRESS, raw_status=raw_status)


def details(*messages: str | None, phrase: str | None = None) -> tuple[ErrorDetail, ...]:
    return tuple(ErrorDetail(message=text, help=text, phrase=phrase) for text in messages)


def unavailable(last_error: PollError, **changed: Any) -> UnavailableError:
    data: dict[str, Any] = {
        "outage": 300.4,
        "last_job": None,
        "elapsed": 420.0,
        "polls": 33,
    } | changed
    return UnavailableError(GID, last_error=last_error, **data)


def timeout(**changed: Any) -> JobTimeoutError:
    data: dict[str, Any] = {
        "last_job": pending(),
        "elapsed": 90.0,
        "polls": 22,
        "last_error": None,
    } | changed
    return JobTimeoutError(GID, **data)


# One of every kind, and of every wording of a kind.
ERRORS: dict[str, JobwaitError] = {
    "configuration": ConfigurationError("no token: pass token=... or set ASANA_ACCESS_TOKEN"),
    "failed": JobFailedError(failed()),
    "failed, of a kind": JobFailedError(failed(MADE, HOSTILE)),
    "missing reference": MissingReferenceError(succeeded()),
    "missing url": MissingReferenceError(succeeded(EXPORT.model_copy(update={"name": HOSTILE}))),
    "api": ApiError(GID, 400, details("bad request")),
    "api, hostile": ApiError(GID, 500, details(HOSTILE, phrase=HOSTILE), transient=True),
    "api, redirect": ApiError(GID, 302),
    "api, too many": ApiError(GID, 429, transient=True, retry_after=30.0),
    "authentication": AuthenticationError(GID, 401, details(HOSTILE)),
    "access": AccessDeniedError(GID, 403, details(None)),
    "not found": JobNotFoundError(GID, 404),
    "protocol": ProtocolError(GID, "its body is not JSON", status=200, retry_after=4.0),
    "transport": TransportError(GID, "app.asana.com", HOSTILE),
    "transport, final": TransportError(GID, "app.asana.com", "bad certificate", transient=False),
    "unavailable": unavailable(TransportError(GID, "app.asana.com", HOSTILE), last_job=pending()),
    "timeout": timeout(),
    "timeout, unseen": timeout(last_job=None, polls=1),
    "timeout, failing": timeout(
        last_job=pending(HOSTILE),
        last_error=ApiError(GID, 503, details(HOSTILE), transient=True, retry_after=3600.0),
    ),
}
every_error = pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())


def drawn() -> Iterator[tuple[str, str]]:
    """Read the tree that the module's docstring draws, as pairs of child and parent."""
    above: list[tuple[int, str]] = []
    for line in (_errors.__doc__ or "").splitlines():
        node = re.match(r"    ([│ ]*(?:[├└]── )?)([A-Z]\w+)", line)
        if node:
            depth, name = len(node[1]), node[2]
            while above and above[-1][0] >= depth:
                above.pop()
            yield name, above[-1][1] if above else "Exception"
            above.append((depth, name))


def test_the_tree_is_as_the_docstring_draws_it() -> None:
    classes = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(_errors, inspect.isclass)
        if issubclass(kind, BaseException)
    }
    assert dict(drawn()) == classes
    assert len(classes) == 13


def test_what_is_said_beside_a_name_in_the_drawing_is_so() -> None:
    also = re.findall(r"(\w+Error) .*\(also a (\w+)\)", _errors.__doc__ or "")
    assert dict(also) == {"JobTimeoutError": "TimeoutError", "ConfigurationError": "ValueError"}
    assert issubclass(JobTimeoutError, TimeoutError)
    assert issubclass(ConfigurationError, ValueError)
    statuses = re.findall(r"(\w+Error) +(4\d\d)$", _errors.__doc__ or "", re.MULTILINE)
    assert statuses == [
        ("AuthenticationError", "401"),
        ("AccessDeniedError", "403"),
        ("JobNotFoundError", "404"),
    ]


def test_every_kind_of_error_is_among_the_examples() -> None:
    abstract = {JobwaitError, PollError}
    kinds = {kind for _, kind in inspect.getmembers(_errors, inspect.isclass)}
    errors = {kind for kind in kinds if issubclass(kind, JobwaitError)}
    assert {type(error) for error in ERRORS.values()} == errors - abstract


@every_error
def test_an_error_is_one_safe_line_whatever_the_far_side_said(error: JobwaitError) -> None:
    assert str(error).isprintable()
    assert repr(error).isprintable()


@every_error
def test_an_error_names_its_job_and_what_to_do(error: JobwaitError) -> None:
    if isinstance(error, ConfigurationError):
        assert error.gid is None
    else:
        assert error.gid == GID
        assert GID in str(error)
    assert re.search(r"\b(check|wait|look|give|use|pass)\b", str(error))


WORDS = {
    JobFailedError: "failed",
    MissingReferenceError: "no_reference",
    JobTimeoutError: "timed_out",
    AuthenticationError: "unauthorized",
    AccessDeniedError: "denied",
    JobNotFoundError: "not_found",
}


@every_error
def test_an_error_has_the_word_of_the_command_for_its_wait(error: JobwaitError) -> None:
    assert error.outcome == WORDS.get(type(error), "unavailable")


def test_what_is_no_matter_of_one_job_concerns_all() -> None:
    """The token, the base URL, a certificate: waits for other jobs end of it as well."""
    concerning = {name for name, error in ERRORS.items() if error.concerns_all}
    assert concerning == {"api, redirect", "authentication", "transport, final"}


@every_error
def test_the_repr_is_the_name_and_the_text(error: JobwaitError) -> None:
    assert repr(error) == f"{type(error).__name__}({str(error)!r})"


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    return {
        key: (type(value), str(value)) if isinstance(value, Exception) else value
        for key, value in data.items()
    }


@every_error
@pytest.mark.parametrize(
    "again",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_an_error_travels_between_processes_whole(error: JobwaitError, again: Any) -> None:
    twin = again(error)
    assert twin is not error
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert _shown(vars(twin)) == _shown(vars(error))
    with pytest.raises(type(error)):
        raise twin


@pytest.mark.parametrize(
    "error",
    [
        JobFailedError(failed(EXPORT)),
        MissingReferenceError(succeeded(EXPORT)),
        timeout(last_job=succeeded(EXPORT)),
        unavailable(ProtocolError(GID, "cut", status=200), last_job=succeeded(EXPORT)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_download_url_is_in_no_error_that_carries_its_job(error: JobwaitError) -> None:
    assert SENTINEL not in str(error) + repr(error)


# What each says


def test_a_failed_job_is_called_by_its_kind_where_asana_says_it() -> None:
    assert str(JobFailedError(failed())).startswith(f"job {GID} failed, and Asana gives no reason")
    assert f"job {GID} (duplicate_task) failed" in str(
        JobFailedError(failed(None, "duplicate_task"))
    )
    job = failed(MADE)
    assert JobFailedError(job).job is job


@pytest.mark.parametrize(
    "kind", ["projects", "tasks", "portfolios", "project_templates", "task_templates"]
)
def test_a_missing_reference_names_the_scopes(kind: str) -> None:
    scope = f"{kind}:read"
    assert scope in str(MissingReferenceError(succeeded()))
    assert scope not in str(MissingReferenceError(succeeded(EXPORT)))


def test_an_export_without_its_url_is_said_to_be_that() -> None:
    bare = EXPORT.model_copy(update={"download_url": None})
    assert "no download_url yet" in str(MissingReferenceError(succeeded(bare)))
    assert "download_url" not in str(MissingReferenceError(succeeded()))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ApiError(GID, 400), f"HTTP 400 for job {GID}; asking again does not help"),
        (
            ApiError(GID, 400, details("one", None, "two")),
            f"HTTP 400 for job {GID}: one; two; asking again does not help",
        ),
        (
            ApiError(GID, 500, details("one", phrase="6 sad squid"), transient=True),
            f"HTTP 500 for job {GID}: one (phrase for Asana's support: 6 sad squid); this passes",
        ),
        (ApiError(GID, 429, transient=True), "the token's requests are used up"),
        (ApiError(GID, 299), "asking again does not help"),
        (ApiError(GID, 300), "redirects are never followed"),
        (ApiError(GID, 399), "redirects are never followed"),
        (ApiError(GID, 400), "asking again does not help"),
        (ApiError(GID, 500, transient=True), "this passes by itself"),
        (AuthenticationError(GID, 401), "the token is not accepted"),
        (AccessDeniedError(GID, 403), "only the job's creator can see it"),
        (JobNotFoundError(GID, 404), "check the gid; only the job's creator can see it"),
        (ProtocolError(GID, "cut", status=206), f"(HTTP 206) about job {GID} is no job: cut; if"),
        (TransportError(GID, "h:1", "reset"), f"no answer from h:1 about job {GID}: reset; if it"),
        (TransportError(GID, "h", "x", transient=False), "x; asking again does not help"),
        (
            unavailable(ProtocolError(GID, "cut", status=200)),
            f"every poll of job {GID} failed for 5 min, the last with: the answer (HTTP 200)",
        ),
        (
            timeout(),
            f"gave up on job {GID} after 1 min 30 s and 22 polls (last seen in_progress); it may",
        ),
        (
            timeout(),
            f"; it may still be running: wait for {GID} again to go on",
        ),
        (timeout(last_job=None, polls=1), "and 1 poll (never seen); it"),
        (timeout(polls=0), "and 0 polls (last"),
        (
            timeout(last_error=ProtocolError(GID, "cut", status=200)),
            "(last seen in_progress, the last poll failed with: the answer (HTTP 200)",
        ),
        (
            timeout(last_error=ApiError(GID, 429, retry_after=90.0)),
            "or poll less often (asked to stay away for 1 min 30 s)); it",
        ),
        (
            timeout(last_error=ApiError(GID, 429, retry_after=0.0)),
            "or poll less often (asked to stay away for 0 s)); it",
        ),
    ],
)
def test_the_text_says_what_happened(error: JobwaitError, text: str) -> None:
    assert text in str(error)


def test_what_was_not_asked_is_not_said() -> None:
    assert "stay away" not in str(timeout(last_error=ApiError(GID, 429)))
    assert "phrase" not in str(ApiError(GID, 500, details("one")))
    assert ": ;" not in str(ApiError(GID, 500, details(None)))


def test_the_phrase_is_the_first_that_asana_gave() -> None:
    errors = (*details("one"), *details("two", phrase="a b"), *details("three", phrase="c d"))
    assert ApiError(GID, 500, errors).phrase == "a b"
    assert ApiError(GID, 500, details("one", phrase="")).phrase is None
    assert ApiError(GID, 500).phrase is None


@pytest.mark.parametrize(
    ("error", "transient", "retry_after"),
    [
        (ApiError(GID, 400), False, None),
        (ApiError(GID, 503, transient=True, retry_after=2.0), True, 2.0),
        (AuthenticationError(GID, 401), False, None),
        (ProtocolError(GID, "cut", status=200), True, None),
        (ProtocolError(GID, "cut", status=200, retry_after=2.0), True, 2.0),
        (TransportError(GID, "h", "x"), True, None),
        (TransportError(GID, "h", "x", transient=False), False, None),
        (unavailable(ProtocolError(GID, "cut", status=200)), False, None),
    ],
)
def test_a_failed_poll_says_whether_and_when_to_ask_again(
    error: PollError, transient: bool, retry_after: float | None
) -> None:
    assert error.transient is transient
    assert error.retry_after == retry_after


def test_errors_carry_their_data() -> None:
    inner = ProtocolError(GID, "cut", status=206)
    assert (inner.reason, inner.status) == ("cut", 206)
    answer = ApiError(GID, 402, details("pay"))
    assert (answer.status, answer.errors) == (402, details("pay"))
    line = TransportError(GID, "h", "reset")
    assert (line.host, line.reason) == ("h", "reset")
    gone = unavailable(inner, last_job=pending())
    assert (gone.outage, gone.last_error, gone.last_job) == (300.4, inner, pending())
    assert (gone.elapsed, gone.polls) == (420.0, 33)
    late = timeout(last_error=inner)
    assert (late.last_job, late.elapsed, late.polls, late.last_error) == (
        pending(),
        90.0,
        22,
        inner,
    )
    assert ConfigurationError("words").message == "words"
    assert MissingReferenceError(succeeded()).job == succeeded()


@settings(deadline=None)
@given(st.text(st.characters()), st.text(st.characters()))
def test_no_far_side_text_can_make_a_second_line(text: str, phrase: str) -> None:
    inner = ApiError(
        GID, 500, (ErrorDetail.model_construct(message=text, help=text, phrase=phrase),)
    )
    kind = JobFailedError(failed().model_copy(update={"resource_subtype": text}))
    late = timeout(last_job=pending().model_copy(update={"raw_status": text}), last_error=inner)
    far = TransportError(GID, "h", text)
    for error in (inner, unavailable(inner), kind, late, far):
        assert str(error).isprintable()


def test_an_answer_of_a_thousand_errors_makes_no_endless_line() -> None:
    assert len(str(ApiError(GID, 400, details(*["x" * 100] * 1000)))) < 600


def test_a_timeout_does_not_say_that_a_job_runs_which_was_seen_to_succeed() -> None:
    job = SucceededJob(gid="1204", raw_status="succeeded", status=JobStatus.SUCCEEDED)
    error = JobTimeoutError("1204", last_job=job, elapsed=5.0, polls=2, last_error=None)
    assert "it has succeeded, but what it made was not seen" in str(error)
    assert "running" not in str(error)
