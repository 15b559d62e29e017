# SPDX-License-Identifier: MIT
"""Everything that jobwait raises; each error carries its data and says what to do next.

::

    JobwaitError
    ├── JobFailedError            the job failed
    ├── MissingReferenceError     it succeeded, but what it made cannot be seen
    ├── JobTimeoutError           the deadline came first        (also a TimeoutError)
    ├── PollError                 one poll, or the polls of an outage, brought no job
    │   ├── ApiError              Asana answered with an error
    │   │   ├── AuthenticationError   401
    │   │   ├── AccessDeniedError     403
    │   │   └── JobNotFoundError      404
    │   ├── ProtocolError         the answer is no job: HTML, cut JSON, another gid
    │   ├── TransportError        no answer: refused, reset, too slow
    │   └── UnavailableError      nothing but failed polls for too long
    └── ConfigurationError        a token or a base URL that cannot work  (also a ValueError)

This file does not know which answers lead to which error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from jobwait._text import escape, span

if TYPE_CHECKING:
    from jobwait._models import ErrorDetail, FailedJob, Job, SucceededJob

OutcomeWord: TypeAlias = Literal[
    "succeeded",
    "failed",
    "timed_out",
    "not_found",
    "denied",
    "unauthorized",
    "unavailable",
    "no_reference",
    "pending",
]
"""How a wait ended, in one word."""

_E = TypeVar("_E", bound="JobwaitError")

_CREATOR_ONLY = "only the job's creator can see it: use the token that started the job"


def _revive(kind: type[_E], data: dict[str, Any]) -> _E:
    error = kind.__new__(kind)
    error.__dict__.update(data)
    return error


class JobwaitError(Exception):
    """Anything that jobwait raises on purpose.

    Attributes:
        gid: The job in question; None where it is about no particular one.
        outcome: The word for a wait that ends with it.
        concerns_all: Whether it is no matter of its job's, but of the token, the base URL or a
            certificate: waits for other jobs would end with it as well.
    """

    gid: str | None = None
    outcome: OutcomeWord = "unavailable"
    concerns_all: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are revived from their positional arguments; these have none.
        return _revive, (type(self), dict(self.__dict__))


class ConfigurationError(JobwaitError, ValueError):
    """A token or a base URL that cannot work; found before any request.

    Attributes:
        message: What is wrong and how to put it right.  It never holds the token.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class JobFailedError(JobwaitError):
    """The job ended with the status ``failed``.  Asana gives no reason.

    Attributes:
        job: The job as Asana gave it.
    """

    outcome = "failed"

    def __init__(self, job: FailedJob) -> None:
        super().__init__()
        self.gid = job.gid
        self.job = job

    def __str__(self) -> str:
        kind = f" ({escape(self.job.resource_subtype)})" if self.job.resource_subtype else ""
        return (
            f"job {self.gid}{kind} failed, and Asana gives no reason; "
            "look in Asana for what it left behind, then start it again"
        )


class MissingReferenceError(JobwaitError):
    """The job succeeded, but its answer does not show what it made, or where an export lies.

    Attributes:
        job: The job as Asana gave it.
    """

    outcome = "no_reference"

    def __init__(self, job: SucceededJob) -> None:
        super().__init__()
        self.gid = job.gid
        self.job = job

    def __str__(self) -> str:
        if self.job.reference is not None:
            return (
                f"job {self.gid} succeeded, but its export has no download_url yet; "
                "wait for the same job again in some minutes"
            )
        return (
            f"job {self.gid} succeeded, but this token may not see what it made; "
            "give the token the scope to read it (projects:read, tasks:read, portfolios:read, "
            "project_templates:read or task_templates:read) and wait for the same job again: "
            "nothing needs to be started anew"
        )


class PollError(JobwaitError):
    """A poll that brought no job.

    Attributes:
        transient: Whether asking again may help; a wait goes on past such an error.
        retry_after: The seconds that the far side asked to be left alone; None if it did not.
    """

    transient: bool = False
    retry_after: float | None = None


class ApiError(PollError):
    """Asana, or something on the way to it, answered with an error status.

    Attributes:
        status: The HTTP status.
        errors: What Asana says was wrong; empty where the answer does not say.
        phrase: What Asana's support asks for to find the incident; None where there is none.
    """

    def __init__(
        self,
        gid: str,
        status: int,
        errors: tuple[ErrorDetail, ...] = (),
        *,
        transient: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__()
        self.gid = gid
        self.status = status
        self.errors = errors
        self.transient = transient
        self.retry_after = retry_after
        self.concerns_all = self._is_redirect or status == 401  # noqa: PLR2004

    @property
    def _is_redirect(self) -> bool:
        return 300 <= self.status < 400  # noqa: PLR2004

    @property
    def phrase(self) -> str | None:
        """What Asana's support asks for to find the incident; None where there is none."""
        return next((error.phrase for error in self.errors if error.phrase), None)

    def __str__(self) -> str:
        said = escape("; ".join(error.message for error in self.errors if error.message))
        phrase = f" (phrase for Asana's support: {escape(self.phrase)})" if self.phrase else ""
        return (
            f"HTTP {self.status} for job {self.gid}{': ' if said else ''}{said}{phrase}"
            f"; {self._remedy()}"
        )

    def _remedy(self) -> str:
        if self.status == 429:  # noqa: PLR2004
            return "the token's requests are used up: wait, or poll less often"
        if self._is_redirect:
            return "redirects are never followed: check the base URL"
        if self.transient:
            return "this passes by itself: wait for the same job again"
        return "asking again does not help: check the base URL and the token's plan and rights"


class AuthenticationError(ApiError):
    """401: the token is not accepted."""

    outcome = "unauthorized"

    def _remedy(self) -> str:
        return "the token is not accepted: check that it is whole, not revoked, and has jobs:read"


class AccessDeniedError(ApiError):
    """403: the token may not see the job."""

    outcome = "denied"

    def _remedy(self) -> str:
        return _CREATOR_ONLY


class JobNotFoundError(ApiError):
    """404: there is no such job, or the token may not see it."""

    outcome = "not_found"

    def _remedy(self) -> str:
        return "check the gid; " + _CREATOR_ONLY


class ProtocolError(PollError):
    """The answer is no job: HTML, cut JSON, another gid, too large.

    Attributes:
        reason: What is wrong with it.  It holds nothing of the answer's body.
        status: The HTTP status that it came with.
    """

    transient = True

    def __init__(
        self, gid: str, reason: str, *, status: int, retry_after: float | None = None
    ) -> None:
        super().__init__()
        self.gid = gid
        self.reason = reason
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return (
            f"the answer (HTTP {self.status}) about job {self.gid} is no job: {self.reason}; "
            "if it stays so, check the base URL and any proxy on the way"
        )


class TransportError(PollError):
    """No whole answer came: not found, refused, reset, too slow.

    Attributes:
        host: Whom the request was for.
        reason: What went wrong.
    """

    def __init__(self, gid: str, host: str, reason: str, *, transient: bool = True) -> None:
        super().__init__()
        self.gid = gid
        self.host = host
        self.reason = reason
        self.transient = transient
        self.concerns_all = not transient

    def __str__(self) -> str:
        remedy = (
            "if it stays so, check the network, the proxy and the base URL"
            if self.transient
            else "asking again does not help: check the certificates, the proxy and the base URL"
        )
        return f"no answer from {self.host} about job {self.gid}: {escape(self.reason)}; {remedy}"


class UnavailableError(PollError):
    """Nothing but failed polls for longer than the policy's ``outage_tolerance``.

    Attributes:
        outage: The seconds since the first of them.
        last_error: The last of them.
        last_job: The job when it was last seen; None if it never was.
        elapsed: The seconds since the wait began.
        polls: The number of polls of the wait.
    """

    def __init__(
        self,
        gid: str,
        *,
        outage: float,
        last_error: PollError,
        last_job: Job | None,
        elapsed: float,
        polls: int,
    ) -> None:
        super().__init__()
        self.gid = gid
        self.outage = outage
        self.last_error = last_error
        self.last_job = last_job
        self.elapsed = elapsed
        self.polls = polls

    def __str__(self) -> str:
        return (
            f"every poll of job {self.gid} failed for {span(self.outage)}, the last with: "
            f"{self.last_error}; the job may still be running: wait for {self.gid} again"
        )


class JobTimeoutError(JobwaitError, TimeoutError):
    """The deadline came before the job's end.

    Attributes:
        last_job: The job when it was last seen; None if it never was.
        elapsed: The seconds since the wait began.
        polls: The number of polls.
        last_error: The failure of the last poll; None if it was answered.
        held: The seconds for which Asana wants no requests of this token, where that is why;
            another wait's poll was told so.
    """

    outcome = "timed_out"
    held: float | None = None

    def __init__(
        self,
        gid: str,
        *,
        last_job: Job | None,
        elapsed: float,
        polls: int,
        last_error: PollError | None,
    ) -> None:
        super().__init__()
        self.gid: str = gid
        self.last_job = last_job
        self.elapsed = elapsed
        self.polls = polls
        self.last_error = last_error

    def __str__(self) -> str:
        seen = f"last seen {escape(self.last_job.raw_status)}" if self.last_job else "never seen"
        failure = ""
        if self.last_error is not None:
            failure = f", the last poll failed with: {self.last_error}"
            if self.last_error.retry_after is not None:
                failure += f" (asked to stay away for {span(self.last_error.retry_after)})"
        if self.held is not None:
            failure += f", and no poll may be made for {span(self.held)}, as a 429 said"
        return (
            f"gave up on job {self.gid} after {span(self.elapsed)} and {self.polls} "
            f"poll{'' if self.polls == 1 else 's'} ({seen}{failure}); "
            f"{self._state()}: wait for {self.gid} again to go on"
        )

    def _state(self) -> str:
        if self.last_job is not None and self.last_job.status == "succeeded":
            return "it has succeeded, but what it made was not seen"
        return "it may still be running"
