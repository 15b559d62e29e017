# SPDX-License-Identifier: MIT
"""HTTP without a socket: what to ask about a job, and what an answer means.

This file does not know how bytes travel, how often to ask, or what a wait makes of an error.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, NoReturn, TypeAlias
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from jobwait._errors import (
    AccessDeniedError,
    ApiError,
    AuthenticationError,
    ConfigurationError,
    JobNotFoundError,
    PollError,
    ProtocolError,
)
from jobwait._models import ErrorDetail, ErrorEnvelope, Job, JobEnvelope, JobStatus
from jobwait._text import escape

DEFAULT_BASE_URL = "https://app.asana.com/api/1.0"
LARGEST_BODY = 1024 * 1024

JobLike: TypeAlias = str | int | Mapping[str, Any]
"""A gid, or what a create call returned: a mapping with ``gid``, bare or inside ``data``."""

_log = logging.getLogger("jobwait")
_GID = re.compile(r"[0-9]{1,32}", re.ASCII)
_TOKEN = re.compile(r"[!-~]+")
_OPT_FIELD = re.compile(r"[A-Za-z0-9_.]+", re.ASCII)
_DELAY_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_TOO_LONG = 1e9

# Answers of these statuses say nothing of the job, and pass.
_TRANSIENT = frozenset({408, 429})
_NOT_MODIFIED = 304
_FINAL = {401: AuthenticationError, 403: AccessDeniedError, 404: JobNotFoundError}
_KNOWN_STATUSES = frozenset(JobStatus)

_warned_of: set[str] = set()


class Token:
    """A bearer token that shows itself to nobody but the request."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Check a token before h11 does: its complaint would show the whole header."""
        value = value.removesuffix("\n").removesuffix("\r")
        if not value:
            raise ConfigurationError("the token is empty: check the secret that it comes from")
        if not _TOKEN.fullmatch(value):
            raise ConfigurationError(
                "the token holds a space, a line end or another character that no token has: "
                "check the secret that it comes from"
            )
        self._value = value

    def __repr__(self) -> str:
        return "<token>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not pickled: make the client where it is used")

    def headers(self) -> dict[str, str]:
        """Return the headers of a request for a job."""
        return {
            "Accept": "application/json",
            # A compressed answer of some hundred bytes can hold some hundred megabytes.
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {self._value}",
        }

    def struck_from(self, errors: tuple[ErrorDetail, ...]) -> tuple[ErrorDetail, ...]:
        """Return what a far side says was wrong, without the token, should it have shown that."""
        return tuple(
            ErrorDetail(
                **{name: text and text.replace(self._value, "<token>") for name, text in one}
            )
            for one in errors
        )


def gid_of(job: JobLike) -> str:
    """Return the gid of a job that is named in any of the ways that a caller may have it.

    Args:
        job: A gid as text of 1 to 32 digits or as a number, or what a create call returned:
            a mapping with ``gid``, or that mapping inside ``{"data": ...}``.

    Raises:
        TypeError: It is nothing of the kind.
        ValueError: It is, but the gid in it is none.
    """
    if isinstance(job, Mapping):
        held = job.get("data", job)
        gid = held.get("gid") if isinstance(held, Mapping) else None
        if gid is None:
            raise ValueError("the mapping holds no job: there is no gid in it or in its data")
    else:
        gid = job
    if isinstance(gid, bool) or not isinstance(gid, str | int):
        raise TypeError(
            f"a job is a gid or what a create call returned, not {type(gid).__name__}: "
            "pass the gid's digits, or the dict with it"
        )
    text = str(gid) if isinstance(gid, str) or abs(gid) < 10**40 else "a huge number"
    if not _GID.fullmatch(text):
        raise ValueError(f"a job's gid is 1 to 32 digits, not '{escape(text, longest=40)}'")
    return text


def check_base_url(base_url: str) -> str:
    """Return a base URL without its closing slash, or refuse it.

    Raises:
        ConfigurationError: The token would travel in the clear, or the URL is none.
    """
    shown = f"base URL '{escape(base_url.rpartition('@')[2])}'"
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # The error's own text can hold the user info, and what a terminal would act on.
        raise ConfigurationError(f"the {shown} cannot be read: check its host and port") from None
    if parts.scheme not in ("http", "https") or not host or not base_url.isprintable():
        raise ConfigurationError(f"the {shown} must look like {DEFAULT_BASE_URL}")
    if " " in base_url or "\\" in base_url:
        raise ConfigurationError(f"the {shown} must not hold a space or a backslash")
    if "@" in parts.netloc or "?" in base_url or "#" in base_url:
        raise ConfigurationError(f"the {shown} must have no user, query or fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"the {shown} must begin with https: the token is a secret")
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def job_url(
    base_url: str,
    gid: str,
    *,
    opt_fields: Iterable[str] | None = None,
    opt_pretty: bool = False,
) -> str:
    """Return the URL to get a job from.

    Args:
        base_url: A checked base URL.
        gid: A checked gid.
        opt_fields: The fields to ask for; ``status`` is always asked for as well.
        opt_pretty: Whether the answer should be indented.

    Raises:
        TypeError: ``opt_fields`` holds something else than names.
        ValueError: ``opt_fields`` holds a name that no field has.
    """
    query = []
    if opt_fields is not None:
        names = opt_fields.split(",") if isinstance(opt_fields, str) else list(opt_fields)
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"opt_fields must hold names, not {type(name).__name__}")
            if not _OPT_FIELD.fullmatch(name):
                raise ValueError(f"opt_fields must hold names of fields, not {name!r}")
        asked = dict.fromkeys([*names, "status"])
        query.append(f"opt_fields={quote(','.join(asked), safe=',')}")
    if opt_pretty:
        query.append("opt_pretty=true")
    return f"{base_url}/jobs/{gid}{'?' if query else ''}{'&'.join(query)}"


def read_answer(
    gid: str, status: int, body: bytes, *, refused: str | None, retry_after: float | None
) -> Job | PollError:
    """Return the job that an answer holds, or the error that it amounts to.

    The error is returned, not raised: no frame that holds the body is part of its traceback.

    Args:
        gid: The job that was asked for.
        status: The answer's HTTP status.
        body: Its body.
        refused: Why the body was not read; None if it was.
        retry_after: The seconds that its ``Retry-After`` asks for, already understood.
    """
    if status != 200:  # noqa: PLR2004
        return _read_error(gid, status, body, retry_after)
    if refused is not None:
        return ProtocolError(gid, refused, status=status)
    try:
        job = JobEnvelope.model_validate_json(body).data
    except ValidationError as error:
        # Nothing of the body may travel in the error: it can hold a download_url.
        return ProtocolError(gid, _first_problem(error), status=status)
    if job.gid != gid:
        return ProtocolError(gid, f"it is about job {escape(job.gid, longest=40)}", status=status)
    if job.raw_status not in _KNOWN_STATUSES and job.raw_status not in _warned_of:
        _warned_of.add(job.raw_status)
        _log.warning(
            "job %s: unknown status '%s' counts as pending; is there a newer jobwait?",
            gid,
            escape(job.raw_status),
        )
    return job


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(step) for step in problem["loc"])
    if problem["type"] == "json_invalid":
        return "its body is not JSON"
    if problem["type"] == "union_tag_not_found":
        return "it has no status"
    return f"{escape(where) or 'its body'}: {problem['msg'].lower()}"


def _read_error(gid: str, status: int, body: bytes, retry_after: float | None) -> PollError:
    if status == _NOT_MODIFIED or not 300 <= status < 600:  # noqa: PLR2004
        return ProtocolError(
            gid, "an answer about a job has status 200", status=status, retry_after=retry_after
        )
    try:
        details: Sequence[ErrorDetail] = ErrorEnvelope.model_validate_json(body).errors
    except ValidationError:
        details = ()
    return _FINAL.get(status, ApiError)(
        gid,
        status,
        tuple(details),
        transient=status >= 500 or status in _TRANSIENT,  # noqa: PLR2004
        retry_after=retry_after,
    )


def read_retry_after(values: Sequence[str], *, date: str | None, now: float) -> float | None:
    """Return the seconds that an answer asks to be left alone, or None if it does not say.

    What is neither a number of seconds nor a date with a zone is as good as not said.

    Args:
        values: The values of ``Retry-After``, one for each time that the header was sent.
        date: The answer's ``Date``; a date in ``values`` is counted from it, so that neither
            clock has to be right.
        now: The seconds since the epoch, for an answer without ``Date``.
    """
    if len(values) != 1:
        return None
    value = values[0].strip()
    if _DELAY_SECONDS.fullmatch(value):
        return float(value)
    until = _epoch(value)
    if until is None:
        return None
    since = _epoch(date) if date is not None else None
    seconds = max(0.0, until - (now if since is None else since))
    # A date is believed as far as a number is; no clock can sleep until the year 9999.
    return seconds if seconds < _TOO_LONG else None


def _epoch(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return None if moment.tzinfo is None else moment.timestamp()
