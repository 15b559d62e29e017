# SPDX-License-Identifier: MIT
"""Wait for Asana's asynchronous jobs.

Names are loaded on first use, so that what needs none of them, such as ``jobwait --help``,
does not pay for httpx, tenacity and pydantic.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobwait._async_client import AsyncJobsClient
    from jobwait._client import JobsClient
    from jobwait._engine import Poll
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
        OutcomeWord,
        PollError,
        ProtocolError,
        TransportError,
        UnavailableError,
    )
    from jobwait._models import (
        ErrorDetail,
        FailedJob,
        Job,
        JobStatus,
        PendingJob,
        Reference,
        SucceededJob,
    )
    from jobwait._outcome import Outcome
    from jobwait._policy import WaitPolicy
    from jobwait._version import __version__
    from jobwait._wait import (
        as_completed,
        as_completed_async,
        wait_for_job,
        wait_for_job_async,
        wait_for_jobs,
        wait_for_jobs_async,
    )

__all__ = [
    "AccessDeniedError",
    "ApiError",
    "AsyncJobsClient",
    "AuthenticationError",
    "ConfigurationError",
    "ErrorDetail",
    "FailedJob",
    "Job",
    "JobFailedError",
    "JobNotFoundError",
    "JobStatus",
    "JobTimeoutError",
    "JobsClient",
    "JobwaitError",
    "MissingReferenceError",
    "Outcome",
    "OutcomeWord",
    "PendingJob",
    "Poll",
    "PollError",
    "ProtocolError",
    "Reference",
    "SucceededJob",
    "TransportError",
    "UnavailableError",
    "WaitPolicy",
    "__version__",
    "as_completed",
    "as_completed_async",
    "wait_for_job",
    "wait_for_job_async",
    "wait_for_jobs",
    "wait_for_jobs_async",
]

_ROOMS = {
    "_async_client": ("AsyncJobsClient",),
    "_client": ("JobsClient",),
    "_engine": ("Poll",),
    "_models": (
        "ErrorDetail",
        "FailedJob",
        "Job",
        "JobStatus",
        "PendingJob",
        "Reference",
        "SucceededJob",
    ),
    "_outcome": ("Outcome",),
    "_policy": ("WaitPolicy",),
    "_version": ("__version__",),
    "_wait": (
        "as_completed",
        "as_completed_async",
        "wait_for_job",
        "wait_for_job_async",
        "wait_for_jobs",
        "wait_for_jobs_async",
    ),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'jobwait' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - nobody else pays for it

    room = next((room for room, names in _ROOMS.items() if name in names), "_errors")
    value = getattr(import_module(f"jobwait.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
