# SPDX-License-Identifier: MIT
"""The state of a simulated Asana, as a function from requests to answers.

This file knows no socket and no thread: whoever shares a world between threads puts a lock
around it.  Time is what its clock says, and chance comes from its seed, so that on a driven
clock the same requests get the same answers.

What is simulated is in Asana's OpenAPI document and documentation, but for the knobs, which
stand for what can go wrong or is not documented.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias

from jobwait.simulator._answers import (
    Answer,
    Refused,
    Wanted,
    bad_gateway,
    draw_phrase,
    error,
    read_query,
    success,
)
from jobwait.simulator._kinds import TABLE, Kind
from jobwait.simulator._settings import Settings, check_kind
from jobwait.simulator._time import Duration, check_duration, draw

BASE_PATH = "/api/1.0"

_MINUTE = 60.0
# Of the oldest requests and jobs nothing is kept: a world may live long.
_REQUESTS_KEPT = 100_000
_JOBS_KEPT = 100_000
# A job has begun after a tenth of its time, and within a second.
_BEGUN = 0.1
_BEGUN_AT_LATEST = 1.0
# Of the reads of a pending job so many do not show what it makes, and so many show another gid.
_ABSENT = 0.15
_ANOTHER = 0.15

_GID = re.compile(r"[0-9]{1,32}")
_JOB_PATH = re.compile(BASE_PATH + r"/jobs/([^/]*)")
_POST_PATHS = {
    name: re.compile(BASE_PATH + re.sub(r"{(\w+)}", r"(?P<\1>[^/]*)", kind.path))
    for name, kind in TABLE.items()
}

Status: TypeAlias = Literal["not_started", "in_progress", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was received.

    Attributes:
        method: Its method.
        path: Its path, from ``/api/1.0`` on.
        query: What followed the question mark; empty if nothing did.
        owner: Whose token it carried, ``"first"`` or ``"second"``; None if nobody's.
        status: The status of its answer.
        at: When it was received, in seconds on the clock.
    """

    method: str
    path: str
    query: str
    owner: str | None
    status: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedJob:
    """A job in the simulated Asana, with all that a client cannot know before its time.

    Attributes:
        gid: The job's gid.
        kind: Which of ``KINDS`` it is.
        owner: Who started it, ``"first"`` or ``"second"``.
        name: What the result will be called; None for exports.
        result_gid: The gid of what it makes.
        started: When it was asked for, in seconds on the clock.
        ends: When it ends; ``inf`` if never.
        outcome: How it ends.
        status: How it stands now.
    """

    gid: str
    kind: str
    owner: str
    name: str | None
    result_gid: str
    started: float
    ends: float
    outcome: Literal["succeeded", "failed"]
    signature: str = field(repr=False)
    clock: Callable[[], float] = field(repr=False, compare=False)

    @property
    def status(self) -> Status:
        return self.status_at(self.clock())

    def status_at(self, now: float) -> Status:
        """Return how the job stands at a time, in seconds on the clock."""
        if now >= self.ends:
            return self.outcome
        begun = min((self.ends - self.started) * _BEGUN, _BEGUN_AT_LATEST)
        return "in_progress" if now >= self.started + begun else "not_started"


class _Call(NamedTuple):
    """One request, on its way to an answer; its user is None if no known token came with it."""

    user: _User | None
    method: str
    path: str
    query: str
    body: bytes
    now: float


class _User:
    """Who holds a token, and what Asana counts of it.

    Attributes:
        recent: When the last requests came, as many as a minute may hold.
        pending: When the jobs that count towards the limit end.
    """

    def __init__(self, name: str, gid: str, token: str, rate: int | None) -> None:
        self.name = name
        self.gid = gid
        self.token = token
        self.recent: deque[float] = deque(maxlen=rate or 0)
        self.pending: list[float] = []


class World:
    """A simulated Asana.

    Args:
        settings: The knobs.
        clock: Returns the seconds that pass.

    Attributes:
        origin: Scheme, host and port under which the world is reached.
        requests: The last requests, oldest first.
        jobs: The newest jobs by gid, oldest first.
        tokens: The tokens of the two users.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.origin = "http://simulator.invalid"
        self.requests: deque[Request] = deque(maxlen=_REQUESTS_KEPT)
        self.jobs: OrderedDict[str, SimulatedJob] = OrderedDict()
        self._settings = settings
        self._clock = clock
        # One stream for each use: who polls more often does not thereby get other jobs.
        streams = Random(settings.seed)  # noqa: S311 - the chance must be repeatable
        self._identities, self._durations, self._outcomes, self._faults, self._blur = (
            Random(streams.getrandbits(64))  # noqa: S311 - the same
            for _ in range(5)
        )
        self._last_gid = self._identities.randrange(12 * 10**14, 13 * 10**14)
        self._reads = count(1)
        self._exporting: dict[str, float] = {}
        self._epoch = time.time() - clock()
        users = [self._new_user(name) for name in ("first", "second")]
        self._users = {user.token: user for user in users}
        self.tokens = (users[0].token, users[1].token)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Return the answer to a request.

        Args:
            method: The method, in capitals.
            target: The path from ``/api/1.0`` on, and the query.
            headers: The headers, by lower-case names; all that counts is ``authorization``.
            body: The body.

        Raises:
            TypeError: What draws durations returned no number.
            ValueError: It returned NaN or a negative number.
        """
        now = self._clock()
        path, _, query = target.partition("?")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        user = self._users.get(token.strip()) if scheme.lower() == "bearer" else None
        try:
            reply = self._admit(_Call(user, method, path, query, body, now))
        except Refused as refused:
            reply = refused.answer
        owner = user.name if user else None
        self.requests.append(Request(method, path, query, owner, reply.status, now))
        return reply

    def start(
        self,
        kind: str,
        *,
        name: str | None = None,
        duration: Duration | None = None,
        fail: bool | None = None,
        token: str | None = None,
    ) -> dict[str, Any]:
        """Start a job, past all limits, and return what the POST would have answered in "data".

        Args:
            kind: Which of ``KINDS``.
            name: What the result will be called.
            duration: How long the job takes; None draws it like any other's.
            fail: Whether it fails; None leaves it to chance like any other's.
            token: Whose job it is; None for the first user.

        Raises:
            TypeError: The duration is neither a number nor callable.
            ValueError: The kind or the token is unknown, or the duration NaN or negative.
        """
        check_kind("kind", kind)
        if duration is not None:
            check_duration("duration", duration)
        user = self._users.get(self.tokens[0] if token is None else token)
        if user is None:
            raise ValueError("token must be one of the simulator's own")
        now = self._clock()
        job = self._new_job(kind, user, now, name=name, duration=duration, fail=fail)
        return self._record(job, now, first=True)

    def _admit(self, call: _Call) -> Answer:
        if not call.path.startswith(BASE_PATH + "/"):
            raise Refused(404, "Not Found: the API begins at " + BASE_PATH)
        if call.user is None:
            raise Refused(401, "Not Authorized", **{"WWW-Authenticate": "Bearer"})
        self._meter(call.user, call.now)
        return self._route(call, call.user)

    def _meter(self, user: _User, now: float) -> None:
        """Count a request, also one that is rejected, against the token's rate."""
        recent = user.recent
        if not recent.maxlen:
            return
        full = len(recent) == recent.maxlen and recent[0] + _MINUTE > now
        recent.append(now)
        if full:
            raise Refused(
                429,
                "Too many requests: the token has used up its minute",
                **_retry_after(recent[0] + _MINUTE - now),
            )

    def _route(self, call: _Call, user: _User) -> Answer:
        wanted = read_query(call.query)
        if call.method == "GET" and (match := _JOB_PATH.fullmatch(call.path)):
            return self._read(user, match[1], wanted, call.now)
        if call.method == "POST":
            for kind, pattern in _POST_PATHS.items():
                if match := pattern.fullmatch(call.path):
                    _check_gids(match.groupdict())
                    return self._post(user, kind, wanted, _read_data(kind, call.body), call.now)
        # Asana's document has it so: no 405.
        raise Refused(404, "Not Found: no such method and path are known")

    def _read(self, user: _User, gid: str, wanted: Wanted, now: float) -> Answer:
        settings = self._settings
        chance = self._faults.random()
        if chance < settings.server_errors:
            return error(500, "Server Error", phrase=draw_phrase(self._faults))
        if chance < settings.server_errors + settings.bad_gateways:
            return bad_gateway()
        _check_gids({"job_gid": gid})
        job = self.jobs.get(gid)
        if job is None or now < job.started + settings.not_found_for:
            raise Refused(404, f"job: Unknown object: {gid}")
        if job.owner != user.name:
            raise Refused(settings.stranger_status, "job: Only its creator may see it")
        return success(200, self._record(job, now, opt_in=wanted.fields is not None), wanted)

    def _record(
        self, job: SimulatedJob, now: float, *, opt_in: bool = False, first: bool = False
    ) -> dict[str, Any]:
        kind = TABLE[job.kind]
        status = job.status_at(now)
        record = {
            "gid": job.gid,
            "resource_type": "job",
            "resource_subtype": kind.subtype,
            "status": status,
        }
        # Asana's schema has no null for what a job makes, so it is absent where it is not seen.
        if self._settings.hide_reference or status == "failed":
            return record
        made = self._made(job, kind, now, opt_in=opt_in)
        # The answer to the POST has it already (reported by users): there to be taken too early.
        if status == "succeeded" or first:
            return record | {kind.field: made}
        return record | self._blurred(kind, made)

    def _made(self, job: SimulatedJob, kind: Kind, now: float, *, opt_in: bool) -> dict[str, Any]:
        made: dict[str, Any] = {"gid": job.result_gid, "resource_type": kind.resource_type}
        if kind.is_export:
            return made | self._export(job, now)
        made["name"] = job.name
        if kind.resource_type == "task":
            made["resource_subtype"] = "default_task"
            if opt_in:
                owner = next(user for user in self._users.values() if user.name == job.owner)
                made["created_by"] = {"gid": owner.gid, "resource_type": "user"}
        return made

    def _export(self, job: SimulatedJob, now: float) -> dict[str, Any]:
        export = {"created_at": self._date(job.started), "download_url": None}
        if now >= job.ends:
            export["completed_at"] = self._date(job.ends)
        if now >= job.ends + self._settings.download_delay:
            export["download_url"] = (
                f"{self.origin}/downloads/{job.result_gid}.json.gz"
                f"?X-Amz-Expires=3600&X-Amz-Signature={job.signature}"
            )
        return export

    def _blurred(self, kind: Kind, made: dict[str, Any]) -> dict[str, Any]:
        """Return what a read of a pending job shows of what it makes: never twice the same."""
        chance = self._blur.random()
        if chance < _ABSENT:
            return {}
        if chance < _ABSENT + _ANOTHER:
            made["gid"] = str(self._blur.randrange(9 * 10**15, 10**16))
        if not kind.is_export:
            made["name"] += f" (copying {next(self._reads)})"
        return {kind.field: made}

    def _date(self, at: float) -> str:
        date = datetime.fromtimestamp(self._epoch + at, UTC)
        return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _post(
        self, user: _User, kind: str, wanted: Wanted, data: dict[str, Any], now: float
    ) -> Answer:
        self._check_limits(user, kind, data, now)
        job = self._new_job(kind, user, now, name=data.get("name"))
        if TABLE[kind].limited and self._settings.in_progress_limit:
            user.pending.append(job.ends)
        if kind == "export_resource":
            self._exporting[str(data["workspace"])] = job.ends
        record = self._record(job, now, opt_in=wanted.fields is not None, first=True)
        return success(201, record, wanted)

    def _check_limits(self, user: _User, kind: str, data: dict[str, Any], now: float) -> None:
        user.pending = [ends for ends in user.pending if ends > now]
        limit = self._settings.in_progress_limit
        if TABLE[kind].limited and limit and len(user.pending) >= limit:
            raise Refused(
                429,
                f"Too many jobs: {limit} are in progress, and no more may be",
                **_retry_after(min(user.pending) - now),
            )
        if kind == "export_resource":
            self._exporting = {at: ends for at, ends in self._exporting.items() if ends > now}
            if str(data["workspace"]) in self._exporting:
                raise Refused(403, "workspace: A resource export is in progress already")

    def _new_job(
        self,
        kind: str,
        user: _User,
        now: float,
        *,
        name: str | None,
        duration: Duration | None = None,
        fail: bool | None = None,
    ) -> SimulatedJob:
        settings = self._settings
        takes = draw(
            "duration", settings.duration if duration is None else duration, self._durations
        )
        chance = self._outcomes.random()
        fails = settings.fails(kind, chance) if fail is None else fail
        default_name = TABLE[kind].default_name
        job = SimulatedJob(
            gid=self._new_gid(),
            kind=kind,
            owner=user.name,
            name=default_name and (default_name if name is None else name),
            result_gid=self._new_gid(),
            started=now,
            ends=now + takes,
            outcome="failed" if fails else "succeeded",
            signature=f"{self._identities.getrandbits(256):064x}",
            clock=self._clock,
        )
        self.jobs[job.gid] = job
        if len(self.jobs) > _JOBS_KEPT:
            self.jobs.popitem(last=False)
        return job

    def _new_gid(self) -> str:
        self._last_gid += self._identities.randint(1, 999)
        return str(self._last_gid)

    def _new_user(self, name: str) -> _User:
        gid = self._new_gid()
        token = f"2/{gid}/{self._new_gid()}:{self._identities.getrandbits(128):032x}"
        return _User(name, gid, token, self._settings.rate)


def _retry_after(seconds: float) -> dict[str, str]:
    # A job that never ends must not send anybody away for ever.
    return {"Retry-After": str(max(1, math.ceil(min(seconds, _MINUTE))))}


def _check_gids(gids: Mapping[str, str]) -> None:
    for name, gid in gids.items():
        if not _GID.fullmatch(gid):
            raise Refused(400, f"{name}: Not a gid")


def _is_gid(value: object) -> bool:
    return isinstance(value, str | int) and _GID.fullmatch(str(value)) is not None


_CHECKS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "name": ("String", lambda value: isinstance(value, str)),
    "parent": ("gid", _is_gid),
    "public": ("Boolean", lambda value: isinstance(value, bool)),
    "workspace": ("gid", _is_gid),
}


def _read_data(kind: str, body: bytes) -> dict[str, Any]:
    """Return what is in the envelope of a POST, once it has all that this kind of job needs."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "The body is no JSON") from None
    data = envelope.get("data") if isinstance(envelope, dict) else None
    if not isinstance(data, dict):
        raise Refused(400, 'The body must be {"data": {...}}')
    for name in TABLE[kind].needs:
        if data.get(name) is None:
            raise Refused(400, f"{name}: Missing input")
    for name, (wanted, is_right) in _CHECKS.items():
        value = data.get(name)
        if value is not None and not is_right(value):
            raise Refused(400, f"{name}: Not a {wanted}")
    return data
