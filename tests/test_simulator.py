# SPDX-License-Identifier: MIT
"""What the simulator promises, over real sockets and on a clock that the tests drive.

That the official SDK works with it, and that its answers fit Asana's document, is tested in
``test_simulator_sdk.py``.
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import FrozenInstanceError
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

import jobwait.simulator
from jobwait.simulator import KINDS, Durations, ManualClock, Simulator, _world
from jobwait.simulator.__main__ import main

API = "/api/1.0"

# kind, path of its POST, the data it needs, the field and the type of what it makes
ROUTES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("duplicate_portfolio", "/portfolios/7/duplicate", {"name": "n"}, "new_portfolio", "portfolio"),
    ("duplicate_project", "/projects/7/duplicate", {"name": "n"}, "new_project", "project"),
    ("duplicate_task", "/tasks/7/duplicate", {"name": "n"}, "new_task", "task"),
    ("export_graph", "/exports/graph", {"parent": "7"}, "new_graph_export", "graph_export"),
    (
        "export_resource",
        "/exports/resource",
        {"workspace": "7"},
        "new_resource_export",
        "export_request",
    ),
    (
        "instantiate_project",
        "/project_templates/7/instantiateProject",
        {"name": "n"},
        "new_project",
        "project",
    ),
    ("instantiate_task", "/task_templates/7/instantiateTask", {"name": "n"}, "new_task", "task"),
    (
        "save_as_template",
        "/projects/7/saveAsTemplate",
        {"name": "n", "public": True},
        "new_project_template",
        "project_template",
    ),
]
POSTS: dict[str, tuple[str, dict[str, Any]]] = {
    kind: (path, data) for kind, path, data, _, _ in ROUTES
}
MADE = [(kind, field, resource_type) for kind, _, _, field, resource_type in ROUTES]
each_kind = pytest.mark.parametrize(("kind", "field", "resource_type"), MADE)


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json; charset=UTF-8"
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def error(self) -> Any:
        (error,) = self.json["errors"]
        assert set(error) >= {"message", "help"}
        return error


def ask(
    asana: Simulator,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request on a connection of its own."""
    if headers is None:
        headers = {"Authorization": f"Bearer {token or asana.token}"}
    address = urlsplit(asana.base_url)
    assert address.hostname
    with closing(http.client.HTTPConnection(address.hostname, address.port, timeout=10)) as client:
        client.request(method, address.path + path, body, dict(headers))
        with client.getresponse() as answer:
            return Reply(answer.status, dict(answer.headers), answer.read())


def post(asana: Simulator, kind: str, token: str | None = None, **data: Any) -> Reply:
    path, needed = POSTS[kind]
    body = json.dumps({"data": {**needed, **data}}).encode()
    return ask(asana, "POST", path, body, token=token)


def get(asana: Simulator, job: Mapping[str, Any], query: str = "", **more: Any) -> Reply:
    return ask(asana, "GET", f"/jobs/{job['gid']}{query}", **more)


def read(asana: Simulator, job: Mapping[str, Any], query: str = "") -> Any:
    reply = get(asana, job, query)
    assert reply.status == 200
    return reply.data


class Running(NamedTuple):
    asana: Simulator
    clock: ManualClock


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    """Start simulators on clocks of their own; without limits unless told otherwise."""
    running = []

    def start(**knobs: Any) -> Running:
        clock = ManualClock(1000)
        free: dict[str, Any] = {
            "duration": 10,
            "rate": None,
            "in_progress_limit": None,
            "clock": clock,
        }
        asana = Simulator(**free | knobs)
        asana.start_server()
        running.append(asana)
        return Running(asana, clock)

    yield start
    for asana in running:
        asana.close()


Run = Callable[..., Running]


# Jobs, from the POST to their end.


@each_kind
def test_a_job_goes_from_not_started_to_succeeded(
    run: Run, kind: str, field: str, resource_type: str
) -> None:
    asana, clock = run()
    reply = post(asana, kind)
    job = reply.data
    assert reply.status == 201
    assert job["resource_type"] == "job"
    assert job["status"] == "not_started"
    assert job[field]["resource_type"] == resource_type
    assert read(asana, job)["status"] == "not_started"
    clock.advance(5)
    assert read(asana, job)["status"] == "in_progress"
    clock.advance(5)
    ended = read(asana, job)
    assert ended["status"] == "succeeded"
    assert ended[field]["gid"] == job[field]["gid"] == asana.jobs[job["gid"]].result_gid
    assert ended[field].get("name") == (None if "export" in kind else "n")
    assert list(ended) == ["gid", "resource_type", "resource_subtype", "status", field]
    assert asana.jobs[job["gid"]].kind == kind


def test_every_kind_has_a_route_here_and_starts_without_http(run: Run) -> None:
    asana, _ = run()
    assert tuple(POSTS) == KINDS
    for kind in KINDS:
        asana.start(kind)
    assert [job.kind for job in asana.jobs.values()] == list(KINDS)
    assert asana.requests == ()


@each_kind
def test_what_start_returns_is_what_the_post_answers(
    run: Run, kind: str, field: str, resource_type: str
) -> None:
    asana, _ = run()
    started = asana.start(kind, name="n")
    posted = post(asana, kind).data
    for job in (started, posted):
        del job["gid"], job[field]["gid"]
    assert started == posted


def test_gids_are_unique_and_of_sixteen_digits(run: Run) -> None:
    asana, _ = run()
    jobs = [asana.start() for _ in range(100)]
    gids = [gid for job in jobs for gid in (job["gid"], job["new_project"]["gid"])]
    assert len(set(gids)) == 200
    assert all(len(gid) == 16 and gid.isdigit() for gid in gids)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_pending_job_makes_differs_on_every_read(run: Run, kind: str) -> None:
    """Who reads it before ``succeeded`` gets another name, another gid or nothing at times."""
    asana, clock = run()
    job = asana.start(kind, name="Release 42")
    field = next(name for name in job if name.startswith("new_"))
    clock.advance(5)
    seen = [read(asana, job).get(field) for _ in range(60)]
    assert None in seen
    made = [made for made in seen if made is not None]
    assert len({made["gid"] for made in made}) > 2
    if "export" not in kind:
        assert len({made["name"] for made in made}) == len(made)
        assert not any(made["name"] == "Release 42" for made in made)
    clock.advance(5)
    first, *others = (read(asana, job) for _ in range(20))
    assert first[field]["gid"] == job[field]["gid"]
    assert all(other == first for other in others)


def test_a_job_without_duration_has_ended_in_the_answer_to_its_post(run: Run) -> None:
    asana, _ = run(duration=0)
    job = post(asana, "duplicate_task").data
    assert job["status"] == "succeeded"
    assert read(asana, job) == job


def test_a_job_of_infinite_duration_never_ends(run: Run) -> None:
    asana, clock = run(duration=math.inf)
    job = asana.start()
    clock.advance(1e9)
    assert read(asana, job)["status"] == "in_progress"


@pytest.mark.parametrize("kind", ["export_graph", "export_resource"])
def test_an_export_has_its_url_some_time_after_its_success(run: Run, kind: str) -> None:
    asana, clock = run(download_delay=3)
    job = post(asana, kind).data
    field = next(name for name in job if name.startswith("new_"))
    assert "name" not in job[field]
    assert job[field]["download_url"] is None
    assert "completed_at" not in job[field]
    clock.advance(10)
    export = read(asana, job)[field]
    assert export["download_url"] is None
    assert export["created_at"] < export["completed_at"]
    assert export["completed_at"].endswith("Z")
    clock.advance(3)
    url = urlsplit(read(asana, job)[field]["download_url"])
    assert f"{url.scheme}://{url.netloc}{API}" == asana.base_url
    assert "Signature=" in url.query


@pytest.mark.parametrize(
    "name",
    [
        "",
        "\x1b[2J",
        "a\nb\r\n::error::",
        "\u202egnp.exe",
        "\ud800",
        "\x00",
        "名前 🎉",
        "[red]",
        "x" * 9999,
    ],
)
def test_any_name_comes_back_unchanged(run: Run, name: str) -> None:
    asana, _ = run(duration=0)
    assert post(asana, "duplicate_project", name=name).data["new_project"]["name"] == name
    assert asana.start(name=name)["new_project"]["name"] == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/tasks/7/duplicate", "Copied task"),
        ("/task_templates/7/instantiateTask", "Task from a template"),
    ],
)
def test_a_task_needs_no_name(run: Run, path: str, name: str) -> None:
    asana, _ = run()
    assert ask(asana, "POST", path, b'{"data": {}}').data["new_task"]["name"] == name


# Failure.


@pytest.mark.parametrize("fail", [1, 1.0, KINDS, {"duplicate_project"}])
def test_a_failed_job_shows_nothing_that_it_made(run: Run, fail: Any) -> None:
    asana, clock = run(fail=fail)
    job = post(asana, "duplicate_project").data
    assert job["new_project"]
    clock.advance(10)
    assert read(asana, job) == {
        "gid": job["gid"],
        "resource_type": "job",
        "resource_subtype": "duplicate_project",
        "status": "failed",
    }


def test_only_the_kinds_named_fail(run: Run) -> None:
    asana, _ = run(duration=0, fail=["duplicate_task"])
    failed = {kind for kind in KINDS if asana.start(kind)["status"] == "failed"}
    assert failed == {"duplicate_task"}


def test_the_fraction_given_fails(run: Run) -> None:
    asana, _ = run(duration=0, fail=0.25)
    failed = sum(asana.start()["status"] == "failed" for _ in range(1000))
    assert 200 < failed < 300


@pytest.mark.parametrize("fail", [False, True])
def test_one_job_can_be_told_how_and_when_to_end(run: Run, fail: bool) -> None:
    asana, clock = run(fail=0.0 if fail else 1.0)
    job = asana.start(fail=fail, duration=2)
    clock.advance(2)
    assert read(asana, job)["status"] == ("failed" if fail else "succeeded")


# Durations and clocks.


def test_a_lognormal_duration_has_its_median() -> None:
    draw = Durations.lognormal(median=8, sigma=0.8)
    rng = random.Random(1)
    drawn = [draw(rng) for _ in range(2001)]
    assert 7 < median(drawn) < 9
    assert max(drawn) > 40
    assert repr(draw) == "Durations.lognormal(8, 0.8)"


def test_a_choice_mixes_numbers_and_distributions() -> None:
    draw = Durations.choice(1, 2, Durations.lognormal(30, 0))
    rng = random.Random(1)
    assert {round(draw(rng), 6) for _ in range(100)} == {1, 2, 30}
    assert repr(draw) == "Durations.choice(1, 2, Durations.lognormal(30, 0))"


@pytest.mark.parametrize(
    "duration", [Durations.lognormal(8, 0.8), Durations.choice(1, 2), lambda rng: rng.random()]
)
def test_durations_are_drawn_from_the_seed(duration: Any) -> None:
    def lengths(seed: int) -> list[float]:
        asana = Simulator(duration=duration, seed=seed, clock=ManualClock())
        for _ in range(20):
            asana.start()
        return [job.ends for job in asana.jobs.values()]

    assert lengths(1) == lengths(1) != lengths(2)


def test_the_same_seed_and_the_same_requests_get_the_same_answers(run: Run) -> None:
    def tale() -> list[bytes]:
        asana, clock = run(seed=5, server_errors=0.2, bad_gateways=0.2, fail=0.5)
        job = post(asana, "duplicate_project").data
        bodies = []
        for _ in range(12):
            bodies.append(get(asana, job).body)
            clock.advance(1)
        return bodies

    assert tale() == tale()


def test_polling_more_often_does_not_make_other_jobs(run: Run) -> None:
    def jobs(polls: int) -> list[tuple[str, float, str]]:
        asana, _ = run(duration=Durations.lognormal(8, 1), fail=0.5, server_errors=0.5)
        for _ in range(5):
            job = asana.start()
            for _ in range(polls):
                get(asana, job)
        return [(job.gid, job.ends, job.outcome) for job in asana.jobs.values()]

    assert jobs(polls=0) == jobs(polls=4)


@pytest.mark.parametrize("drawn", [math.nan, -1, "3"])
def test_a_nonsensical_duration_is_reported_to_the_client(run: Run, drawn: Any) -> None:
    """What the user's own function gets wrong must not end in a traceback or a hung client."""
    asana, _ = run(duration=lambda rng: drawn)
    reply = post(asana, "duplicate_project")
    assert reply.status == 500
    assert "duration must be" in reply.error["message"]
    with pytest.raises((TypeError, ValueError), match="duration must be"):
        asana.start()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Durations.lognormal(0, 1), "median"),
        (lambda: Durations.lognormal(math.inf, 1), "median"),
        (lambda: Durations.lognormal(math.nan, 1), "median"),
        (lambda: Durations.lognormal(1, -1), "sigma"),
        (lambda: Durations.lognormal(1, math.inf), "sigma"),
        (lambda: Durations.lognormal(True, 1), "median"),
        (Durations.choice, "options"),
        (lambda: Durations.choice(1, -1), "options"),
        (lambda: ManualClock(math.nan), "start"),
        (lambda: ManualClock().advance(-1), "seconds"),
        (lambda: ManualClock().sleep(math.nan), "seconds"),
    ],
)
def test_bad_times_are_refused_by_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message} "):
        make()


def test_a_manual_clock_moves_when_told_to() -> None:
    clock = ManualClock(5)
    clock.advance(1.5)
    clock.sleep(1)
    assert clock() == 7.5


# Limits.


def test_the_request_after_a_full_minute_is_rejected(run: Run) -> None:
    asana, clock = run(rate=3)
    job = asana.start()
    for _ in range(3):
        assert get(asana, job).status == 200
        clock.advance(10)
    reply = get(asana, job)
    assert reply.status == 429
    assert reply.error["message"]
    # The first of the three is 30 s old, and the rejected request has taken its place.
    assert reply.headers["Retry-After"] == "40"
    clock.advance(40)
    assert get(asana, job).status == 200


def test_rejected_requests_count(run: Run) -> None:
    """Who goes on asking all through the minute is rejected all through the next."""
    asana, clock = run(rate=2)
    job = asana.start()
    statuses = []
    for _ in range(20):
        statuses.append(get(asana, job).status)
        clock.advance(10)
    assert statuses == [200, 200] + [429] * 18
    clock.advance(60)
    assert get(asana, job).status == 200


def test_each_token_has_its_own_minute_and_strangers_have_none(run: Run) -> None:
    asana, _ = run(rate=1)
    job = asana.start()
    for _ in range(3):
        assert get(asana, job, headers={}).status == 401
    assert get(asana, job).status == 200
    assert get(asana, job).status == 429
    assert get(asana, asana.start(token=asana.other_token), token=asana.other_token).status == 200


def test_the_default_is_the_free_plan() -> None:
    with Simulator(clock=ManualClock()) as asana:
        job = asana.start()
        statuses = [get(asana, job).status for _ in range(151)]
    assert statuses == [200] * 150 + [429]


def test_no_more_jobs_than_the_limit_are_in_progress_at_once(run: Run) -> None:
    asana, clock = run(in_progress_limit=2)
    post(asana, "duplicate_project")
    clock.advance(3)
    post(asana, "instantiate_task")
    reply = post(asana, "export_graph")
    assert reply.status == 429
    assert reply.headers["Retry-After"] == "7"
    clock.advance(7)
    assert post(asana, "export_graph").status == 201
    assert post(asana, "export_graph").status == 429


def test_saving_templates_other_tokens_and_start_are_outside_the_limit(run: Run) -> None:
    asana, _ = run(in_progress_limit=1)
    asana.start()
    assert post(asana, "duplicate_project").status == 201
    assert post(asana, "duplicate_project").status == 429
    assert post(asana, "save_as_template").status == 201
    assert post(asana, "duplicate_project", token=asana.other_token).status == 201
    asana.start()


def test_jobs_that_never_end_send_nobody_away_for_more_than_a_minute(run: Run) -> None:
    asana, _ = run(in_progress_limit=1, duration=math.inf)
    post(asana, "duplicate_project")
    assert post(asana, "duplicate_project").headers["Retry-After"] == "60"


def test_a_workspace_has_one_resource_export_at_a_time(run: Run) -> None:
    asana, clock = run()
    assert post(asana, "export_resource", workspace="1").status == 201
    reply = post(asana, "export_resource", workspace=1)
    assert reply.status == 403
    assert "in progress" in reply.error["message"]
    assert post(asana, "export_resource", workspace="2").status == 201
    clock.advance(10)
    assert post(asana, "export_resource", workspace="1").status == 201


# What can go wrong with a read.


def test_a_new_job_cannot_be_read_for_a_while(run: Run) -> None:
    asana, clock = run(not_found_for=2)
    job = post(asana, "duplicate_project").data
    assert get(asana, job).status == 404
    clock.advance(2)
    assert get(asana, job).status == 200


def test_server_errors_have_a_phrase(run: Run) -> None:
    asana, _ = run(server_errors=1)
    replies = [get(asana, asana.start()) for _ in range(5)]
    assert {reply.status for reply in replies} == {500}
    phrases = {reply.error["phrase"] for reply in replies}
    assert len(phrases) == 5
    assert all(len(phrase.split()) == 5 for phrase in phrases)
    assert post(asana, "duplicate_project").status == 201


def test_bad_gateways_are_html(run: Run) -> None:
    asana, _ = run(bad_gateways=1)
    reply = get(asana, asana.start())
    assert reply.status == 502
    assert reply.headers["Content-Type"].startswith("text/html")
    assert b"<html>" in reply.body
    assert post(asana, "duplicate_project").status == 201


def test_the_fractions_given_go_wrong(run: Run) -> None:
    asana, _ = run(server_errors=0.2, bad_gateways=0.3)
    job = asana.start()
    statuses = [get(asana, job).status for _ in range(300)]
    assert 40 < statuses.count(500) < 80
    assert 65 < statuses.count(502) < 115


@pytest.mark.parametrize("kind", KINDS)
def test_a_hidden_reference_is_never_shown(run: Run, kind: str) -> None:
    asana, clock = run(hide_reference=True)
    job = post(asana, kind).data
    answers = [job, read(asana, job)]
    clock.advance(10)
    answers.append(read(asana, job))
    assert answers[-1]["status"] == "succeeded"
    assert not any(name.startswith("new_") for answer in answers for name in answer)


@pytest.mark.parametrize("status", [403, 404])
def test_only_its_creator_may_read_a_job(run: Run, status: int) -> None:
    asana, _ = run(stranger_status=status)
    theirs = post(asana, "duplicate_project", token=asana.other_token).data
    assert get(asana, theirs).status == status
    assert get(asana, theirs, token=asana.other_token).status == 200
    assert get(asana, asana.start(), token=asana.other_token).status == status


# The form of answers.


RECORD = "gid resource_type resource_subtype status new_task"


@pytest.mark.parametrize(
    ("query", "fields", "inside"),
    [
        ("", RECORD, "gid resource_type name resource_subtype"),
        ("?opt_fields=", "gid", None),
        ("?opt_fields=status", "gid status", None),
        ("?opt_fields=status%2C%20resource_type", "gid resource_type status", None),
        ("?opt_fields=status&opt_fields=resource_subtype", "gid resource_subtype status", None),
        ("?opt_fields=status.text,nothing,new_project.name", "gid status", None),
        ("?opt_fields=new_task", "gid new_task", "gid resource_type"),
        ("?opt_fields=new_task.name", "gid new_task", "gid name"),
        ("?opt_fields=new_task,new_task.name", "gid new_task", "gid name"),
        ("?opt_fields=new_task.name,new_task.created_by", "gid new_task", "gid name created_by"),
        ("?opt_fields=new_task.nothing", "gid new_task", "gid"),
    ],
)
def test_a_client_chooses_the_fields(run: Run, query: str, fields: str, inside: str | None) -> None:
    asana, _ = run(duration=0)
    job = asana.start("duplicate_task")
    shown = read(asana, job, query)
    assert list(shown) == fields.split()
    assert (list(shown["new_task"]) if "new_task" in shown else None) == (
        inside.split() if inside else None
    )


def test_who_created_a_task_is_shown_to_who_asks(run: Run) -> None:
    asana, _ = run(duration=0)
    body = b'{"data": {}}'
    reply = ask(asana, "POST", "/tasks/7/duplicate?opt_fields=new_task.created_by", body)
    assert list(reply.data) == ["gid", "new_task"]
    assert list(reply.data["new_task"]["created_by"]) == ["gid", "resource_type"]


@pytest.mark.parametrize(
    ("query", "pretty"),
    [("?opt_pretty=true", True), ("?opt_pretty", True), ("?opt_pretty=false", False), ("", False)],
)
def test_a_client_may_want_it_pretty(run: Run, query: str, pretty: bool) -> None:
    asana, _ = run(duration=0)
    reply = get(asana, asana.start(), query)
    assert (b'\n    "gid": ' in reply.body) == pretty
    assert reply.data["status"] == "succeeded"


# Requests that are refused.


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer x{token}"],
)
def test_without_a_known_token_nothing_is_answered(run: Run, authorization: str | None) -> None:
    asana, _ = run()
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization.format(token=asana.token)
    reply = get(asana, asana.start(), headers=headers)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert reply.error["message"] == "Not Authorized"


def test_the_scheme_is_not_case_sensitive(run: Run) -> None:
    asana, _ = run()
    headers = {"authorization": f"bearer {asana.token}"}
    assert get(asana, asana.start(), headers=headers).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/jobs/1", 404, "Unknown object: 1"),
        ("GET", "/jobs/" + "1" * 32, 404, "Unknown object"),
        ("GET", "/jobs/" + "1" * 33, 400, "job_gid: Not a gid"),
        ("GET", "/jobs/", 400, "job_gid: Not a gid"),
        ("GET", "/jobs/x", 400, "job_gid: Not a gid"),
        ("GET", "/jobs/%31", 400, "job_gid: Not a gid"),
        ("GET", "/jobs/-1", 400, "job_gid: Not a gid"),
        ("GET", "/jobs", 404, "Not Found"),
        ("GET", "/jobs/1/", 404, "Not Found"),
        ("GET", "/users/me", 404, "Not Found"),
        ("GET", "", 404, "API begins at"),
        ("GET", "/../../downloads/1.json.gz", 404, "Not Found"),
        ("DELETE", "/jobs/1", 404, "Not Found"),
        ("PUT", "/jobs/1", 404, "Not Found"),
        ("OPTIONS", "/jobs/1", 404, "Not Found"),
        ("GET", "/projects/7/duplicate", 404, "Not Found"),
        ("POST", "/jobs/1", 404, "Not Found"),
        ("POST", "/projects/x/duplicate", 400, "project_gid: Not a gid"),
        ("POST", "/task_templates//instantiateTask", 400, "task_template_gid: Not a gid"),
    ],
)
def test_what_is_not_there_is_an_error(
    run: Run, method: str, path: str, status: int, message: str
) -> None:
    asana, _ = run()
    reply = ask(asana, method, path, b'{"data": {"name": "n"}}')
    assert reply.status == status
    assert message in reply.error["message"]
    assert "phrase" not in reply.error


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("duplicate_project", b"", "no JSON"),
        ("duplicate_project", b"{", "no JSON"),
        ("duplicate_project", b'{"data": {"name": "\xff"}}', "no JSON"),
        ("duplicate_project", b'{"data": ' + b"[" * 100_000, "no JSON"),
        ("duplicate_project", b'{"data": ' + b"1" * 5000 + b"}", "no JSON"),
        ("duplicate_project", b"[]", "must be"),
        ("duplicate_project", b"{}", "must be"),
        ("duplicate_project", b'{"data": null}', "must be"),
        ("duplicate_project", b'{"data": [1]}', "must be"),
        ("duplicate_project", b'{"data": {}}', "name: Missing input"),
        ("duplicate_project", b'{"data": {"name": null}}', "name: Missing input"),
        ("duplicate_project", b'{"data": {"name": 1}}', "name: Not a String"),
        ("duplicate_task", b'{"data": {"name": []}}', "name: Not a String"),
        ("duplicate_portfolio", b'{"data": {}}', "name: Missing input"),
        ("instantiate_project", b'{"data": {}}', "name: Missing input"),
        ("instantiate_project", b'{"data": {"name": "n", "public": 1}}', "public: Not a Boolean"),
        ("save_as_template", b'{"data": {"public": true}}', "name: Missing input"),
        ("save_as_template", b'{"data": {"name": "n"}}', "public: Missing input"),
        ("export_graph", b'{"data": {}}', "parent: Missing input"),
        ("export_graph", b'{"data": {"parent": "x"}}', "parent: Not a gid"),
        ("export_resource", b'{"data": {}}', "workspace: Missing input"),
        ("export_resource", b'{"data": {"workspace": true}}', "workspace: Not a gid"),
        ("export_resource", b'{"data": {"workspace": ["1"]}}', "workspace: Not a gid"),
    ],
)
def test_a_post_without_what_it_needs_starts_nothing(
    run: Run, kind: str, body: bytes, message: str
) -> None:
    asana, _ = run()
    reply = ask(asana, "POST", POSTS[kind][0], body)
    assert reply.status == 400
    assert message in reply.error["message"]
    assert not asana.jobs


# HTTP itself.


def address_of(asana: Simulator) -> tuple[str, int]:
    url = urlsplit(asana.base_url)
    assert url.hostname
    assert url.port
    return url.hostname, url.port


def threads() -> set[threading.Thread]:
    """The threads of all simulators that run."""
    return {thread for thread in threading.enumerate() if thread.name == "jobwait-simulator"}


def exchange(asana: Simulator, request: bytes) -> bytes:
    """Send bytes, and read until the server closes the connection."""
    with socket.create_connection(address_of(asana), timeout=10) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /api/1.0/tasks/1/duplicate HTTP/1.1\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"BREW / HTTP/1.1\r\n\r\n", 501),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / x HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_bad_http_is_answered_in_the_form_of_errors_and_ends_the_connection(
    run: Run, capfd: pytest.CaptureFixture[str], request_: bytes, status: int
) -> None:
    asana, _ = run()
    head, _, body = exchange(asana, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head
    assert json.loads(body)["errors"][0]["message"]
    assert get(asana, asana.start()).status == 200
    assert capfd.readouterr() == ("", "")


def test_a_body_of_a_mebibyte_is_taken(run: Run) -> None:
    asana, _ = run()
    frame = b'{"data": {"name": "%s"}}'
    body = frame % (b"x" * (1024 * 1024 - len(frame) + 2))
    assert len(body) == 1024 * 1024
    assert ask(asana, "POST", "/projects/1/duplicate", body).status == 201


def test_a_body_too_long_does_not_keep_the_client_from_its_answer(run: Run) -> None:
    """It sends all of it before it looks for an answer."""
    asana, _ = run()
    reply = ask(asana, "POST", "/projects/1/duplicate", b"x" * (4 * 1024 * 1024))
    assert reply.status == 413
    assert reply.error["message"]


def test_one_connection_serves_many_requests(run: Run) -> None:
    asana, _ = run()
    headers = {"Authorization": f"Bearer {asana.token}"}
    with closing(http.client.HTTPConnection(*address_of(asana), timeout=10)) as client:
        client.connect()
        kept = client.sock
        for method, path, body in [
            ("POST", "/projects/1/duplicate", b'{"data": {"name": "n"}}'),
            ("GET", "/jobs/1", None),
            ("GET", "/jobs/1", b"a body that nobody reads"),
            ("HEAD", "/jobs/1", None),
            ("GET", "/jobs/x", None),
        ]:
            client.request(method, API + path, body, headers)
            with client.getresponse() as answer:
                length = int(answer.headers["Content-Length"])
                assert len(answer.read()) == (0 if method == "HEAD" else length)
                assert answer.headers["Server"] == "jobwait-simulator"
            assert client.sock is kept


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET /api/1.0/jobs/1 HT",
        b"POST /api/1.0/tasks/1/duplicate HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_a_client_that_goes_away_is_ignored(
    run: Run, capfd: pytest.CaptureFixture[str], request_: bytes
) -> None:
    before = threads()
    asana, _ = run()
    with socket.create_connection(address_of(asana), timeout=10) as client:
        client.sendall(request_)
    assert get(asana, asana.start()).status == 200
    asana.close()
    assert threads() == before
    assert capfd.readouterr() == ("", "")


def test_many_clients_at_once_each_get_their_own_answer(run: Run) -> None:
    asana, _ = run(duration=0)

    def work(number: int) -> bool:
        job = post(asana, "duplicate_project", name=f"copy {number}").data
        return bool(read(asana, job)["new_project"]["name"] == f"copy {number}")

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(100)))
    assert len(asana.jobs) == 100
    assert len(asana.requests) == 200


# The life of a simulator.


def test_closing_cuts_connections_and_leaves_no_thread() -> None:
    before = threads()
    with Simulator() as asana:
        client = socket.create_connection(address_of(asana), timeout=10)
        assert get(asana, asana.start()).status == 200
        assert threads() > before
    with client:
        assert not client.recv(1)
    assert threads() == before
    asana.close()
    with pytest.raises(OSError):  # noqa: PT011 - refused has a class of its own on each system
        get(asana, asana.start())


def test_started_again_it_is_where_it_was_and_knows_its_jobs() -> None:
    """That is an outage, for the tests of who should survive one."""
    asana = Simulator(clock=ManualClock())
    with asana:
        before = asana.base_url
        job = asana.start()
    with asana:
        assert asana.base_url == before
        assert get(asana, job).status == 200


def test_it_has_no_address_before_it_listens() -> None:
    asana = Simulator()
    for ask_for in (lambda: asana.base_url, asana.env):
        with pytest.raises(RuntimeError, match="with statement"):
            ask_for()


def test_it_listens_once(run: Run) -> None:
    asana, _ = run()
    with pytest.raises(RuntimeError, match="already"):
        asana.start_server()


def test_a_port_in_use_is_an_os_error(run: Run) -> None:
    asana, _ = run()
    taken = Simulator(port=address_of(asana)[1])
    with pytest.raises(OSError, match="in use"):
        taken.start_server()
    taken.close()


def test_the_environment_leads_to_it(run: Run) -> None:
    asana, _ = run()
    assert asana.env() == {
        "ASANA_BASE_URL": asana.base_url,
        "ASANA_ACCESS_TOKEN": asana.token,
    }
    assert asana.base_url.startswith("http://127.0.0.1:")
    assert asana.token != asana.other_token


# What a test can look at.


def test_requests_are_kept_without_their_tokens(run: Run) -> None:
    asana, clock = run()
    job = post(asana, "duplicate_project", token=asana.other_token).data
    clock.advance(2)
    get(asana, job, "?opt_fields=status")
    get(asana, job, headers={})
    first, second, third = asana.requests
    assert (first.method, first.path, first.query, first.owner, first.status, first.at) == (
        "POST", f"{API}/projects/7/duplicate", "", "second", 201, 1000,
    )  # fmt: skip
    assert (second.path, second.query, second.owner, second.status, second.at) == (
        f"{API}/jobs/{job['gid']}", "opt_fields=status", "first", 404, 1002,
    )  # fmt: skip
    assert (third.owner, third.status) == (None, 401)
    assert asana.token not in repr(asana.requests)
    with pytest.raises(FrozenInstanceError):
        third.status = 200  # type: ignore[misc]


def test_jobs_can_be_looked_at_but_not_touched(run: Run) -> None:
    asana, clock = run()
    gid = asana.start(name="n", fail=True, token=asana.other_token)["gid"]
    job = asana.jobs[gid]
    assert (job.gid, job.kind, job.owner, job.name) == (gid, "duplicate_project", "second", "n")
    assert (job.started, job.ends, job.outcome) == (1000, 1010, "failed")
    statuses = [job.status]
    for seconds in (1, 8.9, 0.1):
        clock.advance(seconds)
        statuses.append(job.status)
    assert statuses == ["not_started", "in_progress", "in_progress", "failed"]
    with pytest.raises(FrozenInstanceError):
        job.ends = 0  # type: ignore[misc]
    with pytest.raises(TypeError):
        asana.jobs[gid] = job  # type: ignore[index]


def test_of_very_much_only_the_newest_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_world, "_JOBS_KEPT", 2)
    monkeypatch.setattr(_world, "_REQUESTS_KEPT", 3)
    asana, _ = run()
    jobs = [asana.start() for _ in range(4)]
    assert [get(asana, job).status for job in jobs] == [404, 404, 200, 200]
    assert list(asana.jobs) == [job["gid"] for job in jobs[2:]]
    assert [request.status for request in asana.requests] == [404, 200, 200]


# Bad knobs.


@pytest.mark.parametrize(
    ("knob", "values"),
    [
        ("duration", [-1, math.nan, "3", None, True]),
        ("fail", [-0.1, 1.1, math.nan, "duplicate_task", ["no_kind"], None, True]),
        ("rate", [0, -1, 1.5, "150", True]),
        ("in_progress_limit", [0, -1, 1.5, True]),
        ("not_found_for", [-1, math.nan, "1", None]),
        ("server_errors", [-0.1, 1.1, math.nan, "1", None, True]),
        ("bad_gateways", [-0.1, 1.1, math.nan, "1", None]),
        ("stranger_status", [200, 401, None]),
        ("download_delay", [-1, math.nan, None]),
        ("seed", [None, 1.5, "s"]),
        ("port", [-1, 65_536, "80", None]),
    ],
)
def test_a_bad_knob_is_refused_by_name(knob: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises((TypeError, ValueError), match=f"^{knob} must "):
            Simulator(**{knob: value})


def test_two_fractions_must_leave_room_for_each_other() -> None:
    with pytest.raises(ValueError, match="more than 1 together"):
        Simulator(server_errors=0.6, bad_gateways=0.6)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"kind": "no_kind"}, "kind must be one of"),
        ({"duration": -1}, "duration must be"),
        ({"token": "a secret"}, "token must be one of the simulator's own"),
    ],
)
def test_start_refuses_what_it_does_not_know(knobs: dict[str, Any], message: str) -> None:
    asana = Simulator()
    with pytest.raises(ValueError, match=message) as raised:
        asana.start(**knobs)
    assert "a secret" not in str(raised.value)
    assert not asana.jobs


# The package.


def test_the_package_offers_what_it_says() -> None:
    for name in jobwait.simulator.__all__:
        assert getattr(jobwait.simulator, name)
    assert set(dir(jobwait.simulator)) == set(jobwait.simulator.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = jobwait.simulator.nothing


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("jobwait.simulator._server", ["httpx", "pydantic", "tenacity", "anyio"]),
        ("jobwait.simulator.pytest_plugin", ["jobwait.simulator._server", "http.server"]),
    ],
)
def test_importing_it_is_cheap(module: str, spared: list[str]) -> None:
    code = f"import sys, {module}; print([m for m in {spared!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


# The fixtures.


def test_the_fixture_leads_the_environment_to_a_running_simulator(
    asana_simulator: Simulator,
) -> None:
    assert os.environ["ASANA_BASE_URL"] == asana_simulator.base_url
    assert os.environ["ASANA_ACCESS_TOKEN"] == asana_simulator.token
    job = post(asana_simulator, "duplicate_project").data
    assert asana_simulator.jobs[job["gid"]].ends - asana_simulator.jobs[
        job["gid"]
    ].started == pytest.approx(0.05)


def test_the_factory_takes_every_knob(make_asana_simulator: Callable[..., Simulator]) -> None:
    first = make_asana_simulator(fail=1, duration=0)
    second = make_asana_simulator(seed=1)
    assert first.start()["status"] == "failed"
    assert first.base_url != second.base_url
    assert os.environ["ASANA_ACCESS_TOKEN"] == second.token != first.token


def test_the_fixtures_are_found_by_pytest_and_explain_themselves(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--fixtures", "-q", "-p", "no:cacheprovider"],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert "asana_simulator" in done.stdout
    assert "Run a simulated Asana" in done.stdout
    assert "make_asana_simulator" in done.stdout


# python -m jobwait.simulator


@contextmanager
def command(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run the command, until it has printed where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jobwait.simulator", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout
            env = {}
            for line in itertools.islice(process.stdout, 2):
                export, _, assignment = line.strip().partition(" ")
                assert export == "export"
                name, _, value = assignment.partition("=")
                env[name] = value
            yield process, env
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    with command("--duration", "0", "--fail", "duplicate_task", "--rate", "none") as (process, env):
        url = urlsplit(env["ASANA_BASE_URL"])
        headers = {"Authorization": f"Bearer {env['ASANA_ACCESS_TOKEN']}"}
        with closing(http.client.HTTPConnection(url.netloc, timeout=10)) as client:
            client.request("POST", f"{url.path}/tasks/1/duplicate", b'{"data": {}}', headers)
            with client.getresponse() as answer:
                assert json.load(answer)["data"]["status"] == "failed"
        process.send_signal(number)
        rest, hint = process.communicate(timeout=30)
    assert process.returncode == 0
    assert rest == ""
    assert "curl" in hint
    assert "Traceback" not in hint


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "x"],
        ["--port", "65536"],
        ["--duration", "-1"],
        ["--duration", "nan"],
        ["--duration", "soon"],
        ["--duration", "uniform:1,2"],
        ["--duration", "lognormal:1"],
        ["--duration", "lognormal:0,1"],
        ["--fail", "2"],
        ["--fail", "no_kind"],
        ["--rate", "0"],
        ["--rate", "1.5"],
        ["--in-progress-limit", "0"],
        ["--not-found-for", "-1"],
        ["--server-errors", "2"],
        ["--bad-gateways", "x"],
        ["--stranger-status", "200"],
        ["--download-delay", "nan"],
        ["--seed", "x"],
    ],
    ids=" ".join,
)
def test_a_bad_option_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.startswith(f"python -m jobwait.simulator: argument {arguments[0]}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["--por", "1"], ["--hide-reference", "now"]],
    ids=" ".join,
)
def test_an_unknown_option_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_port_in_use_is_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    port = address_of(run().asana)[1]
    with pytest.raises(SystemExit) as ended:
        main(["--port", str(port), "--duration", "lognormal:8,0.8"])
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert err.startswith(f"python -m jobwait.simulator: argument --port: {port}: ")
    assert err.count("\n") == 1


def test_help_names_every_knob_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--in-progress-limit" in out
    assert "(default: 150)" in out
