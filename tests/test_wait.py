# SPDX-License-Identifier: MIT
"""The main job: what a create call answered goes straight in, and what the job made comes out.

Jobs are started by the official SDK, and on the simulator, over real HTTP; time is driven.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import asana
import pytest
from conftest import Clock

from jobwait import (
    AccessDeniedError,
    AsyncJobsClient,
    ConfigurationError,
    JobFailedError,
    JobNotFoundError,
    JobsClient,
    PendingJob,
    Poll,
    Reference,
    SucceededJob,
    WaitPolicy,
    wait_for_job,
    wait_for_job_async,
)
from jobwait.simulator import KINDS, Simulator

Sdk = Callable[[Any, str], Any]

FIELDS = {
    "duplicate_portfolio": "new_portfolio",
    "duplicate_project": "new_project",
    "duplicate_task": "new_task",
    "export_graph": "new_graph_export",
    "export_resource": "new_resource_export",
    "instantiate_project": "new_project",
    "instantiate_task": "new_task",
    "save_as_template": "new_project_template",
}


def _body(**data: Any) -> dict[str, Any]:
    return {"data": data}


SDK_CALLS: dict[str, Sdk] = {
    "duplicate_portfolio": lambda api, name: asana.PortfoliosApi(api).duplicate_portfolio(
        "1201", {"body": _body(name=name)}
    ),
    "duplicate_project": lambda api, name: asana.ProjectsApi(api).duplicate_project(
        "1202", {"body": _body(name=name)}
    ),
    "duplicate_task": lambda api, name: asana.TasksApi(api).duplicate_task(
        _body(name=name), "1203", {}
    ),
    "export_graph": lambda api, _name: asana.ExportsApi(api).create_graph_export(
        _body(parent="1204")
    ),
    "export_resource": lambda api, _name: asana.ExportsApi(api).create_resource_export(
        _body(workspace="1205", export_request_parameters=[{"resource_type": "task"}])
    ),
    "instantiate_project": lambda api, name: asana.ProjectTemplatesApi(api).instantiate_project(
        "1206", {"body": _body(name=name)}
    ),
    "instantiate_task": lambda api, name: asana.TaskTemplatesApi(api).instantiate_task(
        "1207", {"body": _body(name=name)}
    ),
    "save_as_template": lambda api, name: asana.ProjectsApi(api).project_save_as_template(
        _body(name=name, public=True), "1208", {}
    ),
}


@pytest.fixture
def simulated(
    clock: Clock, no_leak: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Simulator]]:
    """Start simulators on the driven clock; the environment leads to the last one."""
    running: list[Simulator] = []

    def start(**knobs: Any) -> Simulator:
        simulator = Simulator(clock=lambda: clock.now, **({"duration": 30.0} | knobs))
        running.append(simulator.__enter__())
        for name, value in simulator.env().items():
            monkeypatch.setenv(name, value)
        return simulator

    yield start
    for simulator in running:
        simulator.__exit__(None, None, None)


def _wait(is_async: bool, job: Any, **options: Any) -> Reference:
    if is_async:
        return asyncio.run(wait_for_job_async(job, **options))
    return wait_for_job(job, **options)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    """Run the test in both modes."""
    return bool(request.param)


@pytest.fixture
def sdk(asana_simulator: Simulator) -> Iterator[asana.ApiClient]:
    """Make the official SDK's client; its thread pool needs real time, and a helping hand."""
    configuration = asana.Configuration()
    configuration.host = asana_simulator.base_url
    configuration.access_token = asana_simulator.token
    api = asana.ApiClient(configuration)
    yield api
    api.rest_client.pool_manager.clear()
    api.pool.terminate()
    api.pool.join()


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_official_sdk_answers_goes_straight_in(
    sdk: asana.ApiClient, kind: str, is_async: bool
) -> None:
    """For each of the eight kinds of jobs, the reference is that of the finished object."""
    job = SDK_CALLS[kind](sdk, "Release 42")
    reference = _wait(is_async, job)
    made = asana.JobsApi(sdk).get_job(job["gid"], {})[FIELDS[kind]]
    assert (reference.field, reference.gid) == (FIELDS[kind], made["gid"])
    assert reference.name == made.get("name")
    assert reference.download_url == made.get("download_url")
    if reference.is_export:
        assert reference.download_url is not None
        assert reference.created_at is not None
        assert reference.completed_at is not None
    else:
        assert reference.name == "Release 42"


def test_what_curl_prints_goes_straight_in(
    simulated: Callable[..., Simulator], is_async: bool
) -> None:
    job = simulated().start(name="Release 42")
    assert _wait(is_async, {"data": job}).name == "Release 42"


def test_a_job_that_has_already_ended_costs_one_request(
    simulated: Callable[..., Simulator], clock: Clock, is_async: bool
) -> None:
    simulator = simulated(duration=0)
    assert _wait(is_async, simulator.start()).field == "new_project"
    assert len(simulator.requests) == 1
    assert clock.naps == []


def test_a_job_is_seen_to_end_soon_after_it_does(
    simulated: Callable[..., Simulator], clock: Clock, is_async: bool
) -> None:
    """A 30 s job is polled a dozen times, and seen to end by the first poll after it does."""
    simulator = simulated(duration=30.0)
    began = clock.now
    _wait(is_async, simulator.start(), policy=WaitPolicy(jitter=0))
    assert clock.now - began == pytest.approx(0.2 * 13**2)
    assert len(simulator.requests) == 14


def test_only_the_creator_can_see_a_job(
    simulated: Callable[..., Simulator], is_async: bool
) -> None:
    for status, error in ((403, AccessDeniedError), (404, JobNotFoundError)):
        simulator = simulated(stranger_status=status)
        job = simulator.start()
        with pytest.raises(error, match="only the job's creator can see it"):
            _wait(is_async, job, token=simulator.other_token)


def test_a_new_job_may_be_unreadable_for_a_moment(
    simulated: Callable[..., Simulator], is_async: bool
) -> None:
    simulator = simulated(not_found_for=3.0, duration=4.0)
    assert _wait(is_async, simulator.start()).field == "new_project"
    assert [request.status for request in simulator.requests][:3] == [404, 404, 404]


def test_a_failed_job_raises_with_the_job(
    simulated: Callable[..., Simulator], is_async: bool
) -> None:
    job = simulated(fail=1.0).start("duplicate_task")
    with pytest.raises(JobFailedError, match="duplicate_task") as failure:
        _wait(is_async, job)
    assert failure.value.job.gid == failure.value.gid == job["gid"]


def test_an_asana_that_often_fails_is_waited_through(
    simulated: Callable[..., Simulator], is_async: bool
) -> None:
    """With a third of the answers 500s and a third 502s in HTML, the end is seen all the same."""
    simulator = simulated(server_errors=0.33, bad_gateways=0.33, duration=60.0, seed=5)
    assert _wait(is_async, simulator.start()).field == "new_project"
    assert {request.status for request in simulator.requests} == {200, 500, 502}


def test_a_used_up_token_is_waited_for(
    simulated: Callable[..., Simulator], clock: Clock, is_async: bool
) -> None:
    """Whoever else spends the token's requests: after a 429 nothing is asked before its time."""
    simulator = simulated(rate=5, duration=90.0)
    _wait(is_async, simulator.start())
    rejected = [request.at for request in simulator.requests if request.status == 429]
    asked = [request.at for request in simulator.requests]
    assert rejected
    for at in rejected:
        later = [moment for moment in asked if moment > at]
        assert min(later) - at >= 1.0


def _everything_that_shows(job: PendingJob) -> str:
    shown = [repr(job), str(job), repr(job.model_dump()), job.model_dump_json()]
    shown += [repr(getattr(job, name)) for name in dir(job) if name.startswith("new")]
    shown += [repr(vars(job)), repr(pickle.dumps(job)), repr(job.__pydantic_extra__)]
    return " ".join(shown)


def test_nothing_of_what_a_pending_job_makes_is_ever_seen(
    simulated: Callable[..., Simulator], is_async: bool
) -> None:
    """The simulator shows new_project from the first answer on, and changes it on every read."""
    simulator = simulated(duration=60.0)
    job = simulator.start(name="UNSTABLE")
    polls: list[Poll] = []
    reference = _wait(is_async, job, on_poll=polls.append)
    pending = [poll.job for poll in polls[:-1]]
    assert len(pending) > 10
    for seen in pending:
        assert isinstance(seen, PendingJob)
        assert not any(name.startswith("new_") for name in dir(seen))
        assert not hasattr(seen, "reference")
        assert "UNSTABLE" not in _everything_that_shows(seen)
    assert isinstance(polls[-1].job, SucceededJob)
    assert reference == polls[-1].job.reference


def test_get_job_never_loses_the_status(simulated: Callable[..., Simulator]) -> None:
    """Whatever fields are asked for, a pending and a succeeded job can be told apart."""
    simulator = simulated(duration=5.0)
    gid = simulator.start(name="Release 42")["gid"]
    with JobsClient() as client:
        assert isinstance(client.get_job(gid, opt_fields=["new_project.name"]), PendingJob)
        ended = client.wait(gid)
        narrow = client.get_job(gid, opt_fields=["resource_subtype"], opt_pretty=True)
    assert ended.reference is not None
    assert isinstance(narrow, SucceededJob)
    assert narrow.reference is None
    assert simulator.requests[-1].query == "opt_fields=resource_subtype,status&opt_pretty=true"


def test_the_environment_names_the_token_and_the_far_side(
    simulated: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    """Arguments count more than the environment; with neither there is nothing to ask with."""
    simulator = simulated(duration=0)
    job = simulator.start(token=simulator.other_token)
    assert _wait(is_async, job, token=simulator.other_token).gid
    monkeypatch.delenv("ASANA_ACCESS_TOKEN")
    with pytest.raises(ConfigurationError, match="set ASANA_ACCESS_TOKEN"):
        _wait(is_async, job)
    monkeypatch.setenv("ASANA_BASE_URL", "http://asana.example")
    with pytest.raises(ConfigurationError, match="must begin with https"):
        _wait(is_async, job, token=simulator.token)
    assert _wait(is_async, job, token=simulator.other_token, base_url=simulator.base_url).gid


def test_a_client_can_be_made_before_its_event_loop(simulated: Callable[..., Simulator]) -> None:
    simulator = simulated(duration=0)
    client = AsyncJobsClient()

    async def use() -> SucceededJob:
        async with client:
            return await client.wait(simulator.start())

    assert asyncio.run(use()).reference is not None
