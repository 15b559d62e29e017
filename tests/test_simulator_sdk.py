# SPDX-License-Identifier: MIT
"""Whether the simulator passes for Asana: with the official SDK, and against Asana's document.

The document is Asana's own OpenAPI description of its jobs; it lies beside this repository, not
in it.  What the simulator promises beyond it is tested in ``test_simulator.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asana as sdk
import pytest
import urllib3
import yaml
from asana.rest import ApiException
from jsonschema import Draft4Validator

from jobwait.simulator import KINDS, ManualClock, Simulator

SPEC = Path(__file__).parents[2] / "shared/asana/jobs_oas.yaml"

# kind: the operation that starts it, and how the SDK is told to
STARTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "duplicate_portfolio": (
        "duplicatePortfolio",
        lambda client: sdk.PortfoliosApi(client).duplicate_portfolio("7", named("a portfolio")),
    ),
    "duplicate_project": (
        "duplicateProject",
        lambda client: sdk.ProjectsApi(client).duplicate_project("7", named("a project")),
    ),
    "duplicate_task": (
        "duplicateTask",
        lambda client: sdk.TasksApi(client).duplicate_task({"data": {"name": "a task"}}, "7", {}),
    ),
    "export_graph": (
        "createGraphExport",
        lambda client: sdk.ExportsApi(client).create_graph_export({"data": {"parent": "7"}}),
    ),
    "export_resource": (
        "createResourceExport",
        lambda client: sdk.ExportsApi(client).create_resource_export({"data": {"workspace": "7"}}),
    ),
    "instantiate_project": (
        "instantiateProject",
        lambda client: sdk.ProjectTemplatesApi(client).instantiate_project("7", named("a copy")),
    ),
    "instantiate_task": (
        "instantiateTask",
        lambda client: sdk.TaskTemplatesApi(client).instantiate_task("7", named("a copy")),
    ),
    "save_as_template": (
        "projectSaveAsTemplate",
        lambda client: sdk.ProjectsApi(client).project_save_as_template(
            {"data": {"name": "a template", "public": True}}, "7", {}
        ),
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def named(name: str) -> dict[str, Any]:
    return {"body": {"data": {"name": name}}}


Connect = Callable[..., Any]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients of the SDK that try once, and close what the SDK leaves open."""
    clients = []

    def make(asana: Simulator, token: str | None = None) -> Any:
        configuration = sdk.Configuration()
        configuration.host = asana.base_url
        configuration.access_token = asana.token if token is None else token
        configuration.retry_strategy = urllib3.Retry(total=False)
        client = sdk.ApiClient(configuration)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.rest_client.pool_manager.clear()
        client.pool.close()
        client.pool.join()


@pytest.fixture(scope="module")
def spec() -> Any:
    if not SPEC.exists():
        pytest.skip("Asana's OpenAPI document is not beside the repository")
    return strict(yaml.safe_load(SPEC.read_text(encoding="utf-8")))


def strict(node: Any) -> Any:
    """Turn OpenAPI's dialect into JSON Schema, and allow no field that Asana does not have."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: strict(value) for name, value in node.items()}
    if node.get("nullable") and "type" in node:
        node["type"] = [node["type"], "null"]
    if isinstance(node.get("properties"), dict) and "type" in node:
        node["additionalProperties"] = False
    return node


def check(spec: Any, operation: str, status: int, body: bytes) -> None:
    """Validate an answer against what Asana's document declares for its status."""
    (declared,) = (
        method["responses"]
        for path in spec["paths"].values()
        for method in path.values()
        if isinstance(method, dict) and method.get("operationId") == operation
    )
    # Asana declares 429 in general, and for no operation.
    response = declared.get(str(status), {"$ref": "#/components/responses/TooManyRequests"})
    if "$ref" in response:
        response = spec["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"]["application/json"]["schema"]
    Draft4Validator(
        {**schema, "components": spec["components"]},
        format_checker=Draft4Validator.FORMAT_CHECKER,
    ).validate(json.loads(body))


@each_kind
def test_the_sdk_starts_a_job_and_reads_it(connect: Connect, kind: str) -> None:
    clock = ManualClock()
    with Simulator(clock=clock, rate=None) as asana:
        client = connect(asana)
        job = STARTS[kind][1](client)
        # Its export calls hand over the envelope, or what is in it, by its version.
        job = job.get("data", job)
        (field,) = (name for name in job if name.startswith("new_"))
        seen = []
        for _ in range(3):
            seen.append(sdk.JobsApi(client).get_job(job["gid"], {}))
            clock.advance(1.5)
        assert [answer["status"] for answer in seen] == ["not_started", "in_progress", "succeeded"]
        assert seen[-1][field]["gid"] == job[field]["gid"]
        assert asana.jobs[job["gid"]].kind == kind


def test_the_sdk_chooses_fields(connect: Connect) -> None:
    with Simulator(duration=0) as asana:
        job = asana.start(name="n")
        options = {"opt_fields": "status,new_project.name", "opt_pretty": True}
        answer = sdk.JobsApi(connect(asana)).get_job(job["gid"], options)
    assert answer == {
        "gid": job["gid"],
        "status": "succeeded",
        "new_project": {"gid": job["new_project"]["gid"], "name": "n"},
    }


@each_kind
@pytest.mark.parametrize("fail", [0.0, 1.0])
@pytest.mark.parametrize(
    "query", [{}, {"opt_fields": "status,resource_subtype,new_task.created_by"}]
)
def test_every_answer_about_a_job_is_as_asana_declares_it(
    connect: Connect, spec: Any, kind: str, fail: float, query: dict[str, str]
) -> None:
    clock = ManualClock()
    with Simulator(clock=clock, rate=None, fail=fail, download_delay=1) as asana:
        client = connect(asana)
        operation, start = STARTS[kind]
        start(client)
        check(spec, operation, 201, client.last_response.data)
        (gid,) = asana.jobs
        for _ in range(50):
            sdk.JobsApi(client).get_job(gid, dict(query))
            check(spec, "getJob", 200, client.last_response.data)
            clock.advance(0.1)
        assert asana.jobs[gid].status in {"succeeded", "failed"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
def test_every_refused_read_is_as_asana_declares_it(
    connect: Connect, spec: Any, status: int
) -> None:
    rate = 1 if status == 429 else None
    with Simulator(rate=rate, stranger_status=403, clock=ManualClock()) as asana:
        gid = asana.start()["gid"]
        tokens = {401: "wrong", 403: asana.other_token}
        client = connect(asana, tokens.get(status))
        if status == 429:
            sdk.JobsApi(client).get_job(gid, {})
        with pytest.raises(ApiException) as raised:
            sdk.JobsApi(client).get_job({400: "x", 404: "1"}.get(status, gid), {})
    assert raised.value.status == status
    check(spec, "getJob", status, raised.value.body)


def test_a_server_error_is_as_asana_declares_it(connect: Connect, spec: Any) -> None:
    with Simulator(server_errors=1) as asana:
        client = connect(asana)
        with pytest.raises(ApiException) as raised:
            sdk.JobsApi(client).get_job(asana.start()["gid"], {})
    assert raised.value.status == 500
    check(spec, "getJob", 500, raised.value.body)


@pytest.mark.parametrize(
    ("kind", "knobs", "status"),
    [
        ("duplicate_project", {"in_progress_limit": 1}, 429),
        ("export_resource", {}, 403),
    ],
)
def test_a_post_too_many_is_as_asana_declares_it(
    connect: Connect, spec: Any, kind: str, knobs: dict[str, Any], status: int
) -> None:
    with Simulator(clock=ManualClock(), **knobs) as asana:
        client = connect(asana)
        operation, start = STARTS[kind]
        start(client)
        with pytest.raises(ApiException) as raised:
            start(client)
    assert raised.value.status == status
    check(spec, operation, status, raised.value.body)
