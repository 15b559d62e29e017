# SPDX-License-Identifier: MIT
"""What Asana says of a job, parsed once.

This file does not know where an answer came from, when to ask again, or what a
wait makes of it.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class JobStatus(enum.StrEnum):
    """The four words that Asana has for the state of a job (source: its OpenAPI document)."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_TASK_URL = "https://app.asana.com/0/0/{}/f"
_URLS = {
    "new_portfolio": "https://app.asana.com/0/portfolio/{}/list",
    "new_project": "https://app.asana.com/0/{}/list",
    "new_task": _TASK_URL,
}


class _Asana(BaseModel):
    """Frozen, strict about types, indifferent to fields that it does not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Reference(_Asana):
    """What an ended job made: one of its ``new_*`` objects.

    Attributes:
        field: The field of the job that held it, such as ``"new_project"``.
        gid: Asana's globally unique identifier of the object.
        resource_type: Asana's name of its type, such as ``"project"``.
        name: Its name; exports have none.
        download_url: Where an export can be fetched, for about an hour. It is a secret:
            whoever has it has the data, so it is no part of the repr.
        created_at: When an export was asked for.
        completed_at: When an export was complete.
    """

    field: str
    gid: str
    resource_type: str | None = None
    name: str | None = None
    download_url: str | None = Field(default=None, repr=False)
    created_at: Annotated[datetime | None, Field(strict=False)] = None
    completed_at: Annotated[datetime | None, Field(strict=False)] = None

    @property
    def url(self) -> str | None:
        """The page in Asana that shows a project, task or portfolio; None for anything else."""
        page = _URLS.get(self.field)
        return page and page.format(quote(self.gid, safe=""))

    @property
    def is_export(self) -> bool:
        """Whether this is an export, which is of no use before its ``download_url`` is there."""
        return self.field.endswith("_export")


class _Job(_Asana):
    """What every job has.

    Attributes:
        gid: Asana's globally unique identifier of the job.
        status: Its status; one that this version does not know counts as in progress.
        raw_status: The word for the status exactly as Asana said it.
        resource_type: Always ``"job"``, where Asana says it at all.
        resource_subtype: A free string such as ``"duplicate_project"``; never switch on it.
    """

    gid: str
    raw_status: str
    resource_type: str | None = None
    resource_subtype: str | None = None


class _EndedJob(_Job):
    """A job that ended: what it made is stable, and may be read."""

    reference: Reference | None = None


class PendingJob(_Job):
    """A job that has not ended.

    What it is making is unstable: properties may differ on every read until it succeeded
    (source: Asana's documentation of jobs).  So there is nothing here to read it from.
    """

    status: Literal[JobStatus.NOT_STARTED, JobStatus.IN_PROGRESS]


class SucceededJob(_EndedJob):
    """A job that succeeded.

    Attributes:
        reference: What it made.  None where the answer does not show it: because particular
            ``opt_fields`` were asked for, or because the token lacks the scope to see it.  The
            job that a wait returns always has it.
    """

    status: Literal[JobStatus.SUCCEEDED]

    @property
    def is_complete(self) -> bool:
        """Whether the reference is there and, for an export, its ``download_url`` as well."""
        made = self.reference
        return made is not None and (not made.is_export or made.download_url is not None)


class FailedJob(_EndedJob):
    """A job that failed; Asana gives no reason (source: its OpenAPI document has no such field).

    Attributes:
        reference: What the job left behind, where Asana shows it: perhaps a partial copy.
    """

    status: Literal[JobStatus.FAILED]


Job: TypeAlias = Annotated[PendingJob | SucceededJob | FailedJob, Field(discriminator="status")]
"""A job: pending, succeeded or failed."""

_STATUSES = {status.value: status for status in JobStatus}
_ENDED = (JobStatus.SUCCEEDED, JobStatus.FAILED)


def _from_wire(data: Any) -> Any:
    """Take from Asana's record of a job what a job here may hold, and leave the rest behind."""
    if not isinstance(data, dict):
        return data
    job = {
        name: data[name] for name in ("gid", "resource_type", "resource_subtype") if name in data
    }
    word = data.get("status")
    if not isinstance(word, str):
        return job  # which the validation refuses: a job without a status is none
    status = _STATUSES.get(word, JobStatus.IN_PROGRESS)
    if status in _ENDED:
        job["reference"] = _reference_in(data)
    return job | {"status": status, "raw_status": word}


def _reference_in(data: dict[str, Any]) -> Any:
    for field, made in data.items():
        # An object without a gid is as good as none: there is nothing to refer to.
        if field.startswith("new_") and made is not None:
            if not isinstance(made, dict):
                return made  # refused by the validation as well
            if made.get("gid") is not None:
                return made | {"field": field}
    return None


class ErrorDetail(_Asana):
    """One entry of the ``errors`` in an answer of Asana's.

    Attributes:
        message: What was wrong.
        help: Where to read about it.
        phrase: On server errors, what Asana's support asks for to find the incident.
    """

    message: str | None = None
    help: str | None = None
    phrase: str | None = None


class JobEnvelope(_Asana):
    """The body of an answer that holds a job."""

    data: Annotated[Job, BeforeValidator(_from_wire)]


class ErrorEnvelope(_Asana):
    """The body of an answer that holds errors."""

    errors: list[ErrorDetail]
