# SPDX-License-Identifier: MIT
"""What Asana says of a job: parsed once, and nothing unstable in it."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from jobwait._models import (
    ErrorEnvelope,
    FailedJob,
    Job,
    JobEnvelope,
    JobStatus,
    PendingJob,
    Reference,
    SucceededJob,
)

SENTINEL = "sentinel-8b1f"
SECRET_URL = f"https://exports.example/{SENTINEL}?signature=1"
FIELDS = (
    "new_project",
    "new_task",
    "new_portfolio",
    "new_project_template",
    "new_graph_export",
    "new_resource_export",
    "new_task_template",
    "new_anything",
)
JOBS: TypeAdapter[Job] = TypeAdapter(Job)


def read(**record: Any) -> Job:
    """Read a record of a job as it comes over the wire."""
    return JobEnvelope.model_validate_json(json.dumps({"data": {"gid": "7", **record}})).data


def succeeded(**record: Any) -> SucceededJob:
    job = read(status="succeeded", **record)
    assert isinstance(job, SucceededJob)
    return job


@pytest.mark.parametrize(
    ("status", "kind", "known"),
    [
        ("not_started", PendingJob, JobStatus.NOT_STARTED),
        ("in_progress", PendingJob, JobStatus.IN_PROGRESS),
        ("succeeded", SucceededJob, JobStatus.SUCCEEDED),
        ("failed", FailedJob, JobStatus.FAILED),
        ("paused", PendingJob, JobStatus.IN_PROGRESS),
        ("SUCCEEDED", PendingJob, JobStatus.IN_PROGRESS),
        ("succeeded ", PendingJob, JobStatus.IN_PROGRESS),
        ("", PendingJob, JobStatus.IN_PROGRESS),
    ],
)
def test_the_status_decides_the_class_and_an_unknown_one_is_in_progress(
    status: str, kind: type[Job], known: JobStatus
) -> None:
    job = read(status=status)
    assert type(job) is kind
    assert job.status is known
    assert job.raw_status == status


def test_a_job_keeps_what_asana_says_of_every_job() -> None:
    job = read(status="in_progress", resource_type="job", resource_subtype="duplicate_task")
    assert (job.gid, job.resource_type, job.resource_subtype) == ("7", "job", "duplicate_task")
    bare = read(status="in_progress")
    assert (bare.resource_type, bare.resource_subtype) == (None, None)


def test_fields_that_no_version_knows_are_ignored() -> None:
    assert read(status="failed", progress=0.4, newly="x", links=[{}]) == read(status="failed")
    body = b'{"next_page": null, "data": {"gid": "7", "status": "failed", "x": {"y": []}}, "z": 1}'
    assert JobEnvelope.model_validate_json(body).data == read(status="failed")


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"gid": "7"},
        {"gid": "7", "status": None},
        {"gid": "7", "status": 1},
        {"gid": "7", "status": ["succeeded"]},
        {"status": "succeeded"},
        {"gid": None, "status": "succeeded"},
        {"gid": 7, "status": "succeeded"},
        {"gid": 7, "status": "in_progress"},
        {"gid": "7", "status": "in_progress", "resource_type": 1},
        {"gid": "7", "status": "failed", "resource_subtype": ["x"]},
        None,
        [],
        [{"gid": "7", "status": "succeeded"}],
        "succeeded",
        1,
    ],
)
def test_a_record_without_status_or_gid_or_with_wrong_types_is_refused(record: Any) -> None:
    with pytest.raises(ValidationError):
        JobEnvelope.model_validate_json(json.dumps({"data": record}))


@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"Data": {"gid": "7", "status": "failed"}}'])
def test_a_body_without_data_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        JobEnvelope.model_validate_json(body)


def test_a_record_may_come_as_a_mapping_too() -> None:
    """Users' code holds parsed JSON; the same rules apply to it."""
    record = {"gid": "7", "status": "succeeded", "new_task": {"gid": "8"}}
    assert JobEnvelope.model_validate({"data": record}).data == succeeded(new_task={"gid": "8"})


# References


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_every_new_object_of_an_ended_job_is_its_reference(field: str, status: str) -> None:
    made = {"gid": "8", "resource_type": "thing", "name": "Release 42", "unknown": [1]}
    job = read(status=status, **{field: made})
    assert isinstance(job, SucceededJob | FailedJob)
    assert job.reference == Reference(
        field=field, gid="8", resource_type="thing", name="Release 42"
    )


@pytest.mark.parametrize("made", [None, {}, {"gid": None}, {"name": "no gid"}])
def test_a_new_object_without_gid_is_no_reference(made: Any) -> None:
    assert succeeded(new_project=made).reference is None
    beside = succeeded(new_project=made, new_task={"gid": "8"}).reference
    assert beside is not None
    assert (beside.field, beside.gid) == ("new_task", "8")


@pytest.mark.parametrize("field", ["new", "newproject", "renew_project", "NEW_project", "task"])
def test_only_fields_that_begin_with_new_are_references(field: str) -> None:
    assert succeeded(**{field: {"gid": "8"}}).reference is None


@pytest.mark.parametrize(
    "made",
    [
        "8",
        "",
        8,
        0,
        True,
        False,
        [],
        [{"gid": "8"}],
        {"gid": 8},
        {"gid": ["8"]},
        {"gid": "8", "name": 5},
        {"gid": "8", "resource_type": {}},
        {"gid": "8", "download_url": 5},
        {"gid": "8", "created_at": "soon"},
        {"gid": "8", "completed_at": [2026]},
    ],
)
def test_a_new_object_of_the_wrong_type_is_refused_once_it_counts(made: Any) -> None:
    with pytest.raises(ValidationError):
        read(status="succeeded", new_project=made)
    assert isinstance(read(status="in_progress", new_project=made), PendingJob)


def test_of_several_new_objects_the_first_counts() -> None:
    made = succeeded(new_task={"gid": "8"}, new_project={"gid": "9"}).reference
    assert made is not None
    assert made.field == "new_task"


@pytest.mark.parametrize(
    ("field", "made", "complete"),
    [
        ("new_project", None, False),
        ("new_project", {"gid": "8"}, True),
        ("new_anything", {"gid": "8"}, True),
        ("new_graph_export", None, False),
        ("new_graph_export", {"gid": "8"}, False),
        ("new_graph_export", {"gid": "8", "download_url": None}, False),
        ("new_graph_export", {"gid": "8", "download_url": SECRET_URL}, True),
        ("new_resource_export", {"gid": "8"}, False),
        ("new_resource_export", {"gid": "8", "download_url": SECRET_URL}, True),
    ],
)
def test_a_succeeded_job_is_complete_with_its_reference_and_an_export_with_its_url(
    field: str, made: Any, complete: bool
) -> None:
    assert succeeded(**{field: made}).is_complete is complete


def test_an_export_says_where_and_when() -> None:
    made = succeeded(
        new_graph_export={
            "gid": "8",
            "download_url": SECRET_URL,
            "created_at": "2026-06-01T10:00:00.000Z",
            "completed_at": "2026-06-01T10:09:30.500Z",
        }
    ).reference
    assert made is not None
    assert made.is_export
    assert made.download_url == SECRET_URL
    assert made.created_at == datetime(2026, 6, 1, 10, tzinfo=UTC)
    assert made.completed_at == datetime(2026, 6, 1, 10, 9, 30, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("new_project", "https://app.asana.com/0/8/list"),
        ("new_task", "https://app.asana.com/0/0/8/f"),
        ("new_portfolio", "https://app.asana.com/0/portfolio/8/list"),
        ("new_project_template", None),
        ("new_task_template", None),
        ("new_graph_export", None),
        ("new_anything", None),
    ],
)
def test_projects_tasks_and_portfolios_have_a_page_to_look_at(field: str, url: str | None) -> None:
    assert Reference(field=field, gid="8").url == url


# What must not be seen


@pytest.mark.parametrize("status", ["not_started", "in_progress", "paused"])
def test_what_a_pending_job_is_making_is_nowhere_in_it(status: str) -> None:
    """Whatever the wire held, there is nothing unstable to be read by mistake."""
    made = {"gid": SENTINEL, "name": SENTINEL, "download_url": SECRET_URL}
    job = read(status=status, reference=made, **dict.fromkeys(FIELDS, made))
    shown = [repr(job), str(job), f"{job}", repr(job.model_dump()), job.model_dump_json()]
    shown.append(repr(vars(job)))
    shown.append(pickle.dumps(job).decode("latin-1"))
    assert not [text for text in shown if SENTINEL in text]
    assert not [name for name in dir(job) if name.startswith("new_") or name == "reference"]
    assert job == read(status=status)


def test_the_far_side_cannot_set_what_is_ours_to_say() -> None:
    smuggled = {"raw_status": "failed", "reference": {"field": "new_task", "gid": "666"}}
    pending = read(status="in_progress", **smuggled)
    assert pending == read(status="in_progress")
    assert pending.raw_status == "in_progress"
    assert succeeded(**smuggled).reference is None
    assert succeeded(**smuggled).raw_status == "succeeded"
    made = succeeded(new_task={"gid": "8", "field": "new_project", "url": "x"}).reference
    assert made == Reference(field="new_task", gid="8")


def test_a_download_url_is_a_secret_and_not_shown() -> None:
    job = succeeded(new_graph_export={"gid": "8", "download_url": SECRET_URL})
    assert job.reference is not None
    assert job.reference.download_url == SECRET_URL
    for shown in (repr(job), str(job), repr(job.reference), str(job.reference), f"{job!s:>9}"):
        assert SENTINEL not in shown


@pytest.mark.parametrize("name", ["status", "gid", "reference", "other"])
def test_jobs_are_frozen(name: str) -> None:
    job = succeeded(new_task={"gid": "8"})
    with pytest.raises(ValidationError):
        setattr(job, name, None)
    assert job.reference is not None
    with pytest.raises(ValidationError):
        job.reference.gid = "9"


@settings(deadline=None)
@given(
    status=st.sampled_from([*JobStatus, "paused"]),
    field=st.sampled_from(FIELDS),
    name=st.none() | st.text(st.characters(codec="utf-8")),
    moment=st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_a_job_survives_pickle_and_json_unchanged(
    status: str, field: str, name: str | None, moment: datetime | None
) -> None:
    made = {
        "gid": "8",
        "name": name,
        "download_url": SECRET_URL,
        "created_at": moment and moment.isoformat(),
    }
    job = read(status=status, resource_subtype="duplicate_task", **{field: made})
    revived = pickle.loads(pickle.dumps(job))
    assert (type(revived), revived) == (type(job), job)
    assert JOBS.validate_json(job.model_dump_json()) == job
    assert JOBS.validate_python(job.model_dump()) == job


def test_errors_are_read_with_what_is_there() -> None:
    body = b'{"errors": [{"message": "m", "help": "h", "phrase": "p", "x": 1}, {}]}'
    full, empty = ErrorEnvelope.model_validate_json(body).errors
    assert (full.message, full.help, full.phrase) == ("m", "h", "p")
    assert (empty.message, empty.help, empty.phrase) == (None, None, None)


@pytest.mark.parametrize("body", ["{}", '{"errors": null}', '{"errors": [{"message": 1}]}'])
def test_errors_of_another_shape_are_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        ErrorEnvelope.model_validate_json(body)


def test_a_page_holds_nothing_of_the_far_side_s_but_what_a_url_may() -> None:
    reference = Reference(field="new_task", gid="1\n<img>/../?")
    assert reference.url == "https://app.asana.com/0/0/1%0A%3Cimg%3E%2F..%2F%3F/f"
