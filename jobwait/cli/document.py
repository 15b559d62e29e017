# SPDX-License-Identifier: MIT
"""The JSON that the command prints, as models, and the JSON Schema that they make."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from jobwait import OutcomeWord
from jobwait.cli.ledger import Entry


class _Printed(BaseModel):
    """Closed: a field that the schema does not know is never printed."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class MadeReport(_Printed):
    """What a job made."""

    field: str
    """The field of the job that held it, such as new_project."""
    gid: str
    """Asana's globally unique identifier of it."""
    resource_type: str | None
    """Asana's name of its type, such as project."""
    name: str | None
    """Its name; exports have none."""
    url: str | None
    """The page in Asana that shows it; null where there is none."""
    download_url: str | None
    """Where an export can be fetched, for about an hour. Whoever has it has the data."""
    created_at: datetime | None
    """When an export was asked for."""
    completed_at: datetime | None
    """When an export was complete."""


class ErrorReport(_Printed):
    """Why a job's wait did not end well."""

    type: str
    """The name of jobwait's exception, such as JobFailedError."""
    message: str
    """What happened and what to do about it."""


class JobReport(_Printed):
    """One job, and how the wait for it ended. This is a line of --output jsonl."""

    job: str
    """The job's gid."""
    outcome: OutcomeWord
    """How the wait ended; pending where something else ended before it did."""
    status: str | None
    """The job's status when it was last seen, in Asana's word; null if it never was."""
    reference: MadeReport | None
    """What the job made; null unless it succeeded."""
    elapsed_s: float = Field(ge=0)
    """The seconds that the wait took, or has taken so far."""
    polls: int = Field(ge=0)
    """The number of requests that asked about the job."""
    error: ErrorReport | None
    """Why the wait did not end well; null if it did, or is pending."""


class Report(_Printed):
    """The one document of --output json."""

    jobs: list[JobReport]
    """The jobs in the order asked for, repeated as they were."""
    exit_code: int
    """The command's exit status."""


def document(entries: Iterable[Entry], status: int) -> str:
    """Return the JSON document of a run.

    Args:
        entries: The jobs.
        status: The exit status.
    """
    report = Report(jobs=[_report(entry) for entry in entries], exit_code=status)
    return json.dumps(report.model_dump(mode="json"), indent=2)


def line(entry: Entry) -> str:
    """Return the JSON of one job, on one line."""
    return json.dumps(_report(entry).model_dump(mode="json"))


def schema() -> str:
    """Return the JSON Schema of the document; a line of jsonl is its ``$defs/JobReport``."""
    made: dict[str, Any] = Report.model_json_schema(mode="serialization")
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
    return json.dumps(made, indent=2)


def _report(entry: Entry) -> JobReport:
    reference, error = entry.reference, entry.error
    return JobReport(
        job=entry.gid,
        outcome=entry.word,
        status=entry.status,
        reference=None
        if reference is None
        else MadeReport(**reference.model_dump(), url=reference.url),
        elapsed_s=round(max(entry.elapsed, 0.0), 3),
        polls=entry.polls,
        error=None if error is None else ErrorReport(type=type(error).__name__, message=str(error)),
    )
