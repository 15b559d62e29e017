# SPDX-License-Identifier: MIT
"""The functions for one call: make a client, wait, close it.

The clients are imported by the call that needs one: a module that only imports these functions,
such as a DAG file that is parsed every half minute, does not pay for httpx and pydantic.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

from jobwait._policy import DEFAULT_RATE, DEFAULT_TIMEOUT, WaitPolicy

if TYPE_CHECKING:
    from jobwait._engine import OnPoll
    from jobwait._models import Reference
    from jobwait._outcome import Jobs, JobStream, OnEnd, Outcome, ReturnWhen
    from jobwait._protocol import JobLike


def wait_for_job(
    job: JobLike,
    *,
    token: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    policy: WaitPolicy | None = None,
    on_poll: OnPoll | None = None,
    base_url: str | None = None,
) -> Reference:
    """Wait until a job succeeded, and return what it made.

    Call it right after the request that started the job.

    Args:
        job: The job's gid, or what the create call returned.
        token: The token that started the job (nobody else's may see it); without it
            ``ASANA_ACCESS_TOKEN``.
        timeout: The seconds until the wait gives up; None waits for ever, 0 looks once.
        policy: When to poll, and what to put up with.
        on_poll: A function that is called with every ``Poll``.
        base_url: Where the API is; without it ``ASANA_BASE_URL``, else Asana's.

    Raises:
        JobFailedError: The job failed.
        MissingReferenceError: It succeeded, but the token may not see what it made.
        JobTimeoutError: The deadline came first; the job may still be running.
        PollError: The job may not be seen, or Asana could not be reached for too long.
        ConfigurationError: There is no token, or the token or base URL cannot work.
        TypeError, ValueError: Another argument cannot be right; no request was made.
    """
    from jobwait._client import JobsClient  # noqa: PLC0415

    with JobsClient(token, base_url=base_url) as client:
        del token  # a traceback with locals must not show it
        ended = client.wait(job, timeout=timeout, policy=policy, on_poll=on_poll)
    assert ended.reference is not None  # noqa: S101 - a wait returns no job without it
    return ended.reference


async def wait_for_job_async(
    job: JobLike,
    *,
    token: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - it says more than a cancellation
    policy: WaitPolicy | None = None,
    on_poll: OnPoll | None = None,
    base_url: str | None = None,
) -> Reference:
    """Wait until a job succeeded, and return what it made, as ``wait_for_job`` does."""
    from jobwait._async_client import AsyncJobsClient  # noqa: PLC0415

    async with AsyncJobsClient(token, base_url=base_url) as client:
        del token  # a traceback with locals must not show it
        ended = await client.wait(job, timeout=timeout, policy=policy, on_poll=on_poll)
    assert ended.reference is not None  # noqa: S101 - a wait returns no job without it
    return ended.reference


def wait_for_jobs(
    jobs: Jobs,
    *,
    token: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    policy: WaitPolicy | None = None,
    rate: float = DEFAULT_RATE,
    return_when: ReturnWhen = "all",
    on_poll: OnPoll | None = None,
    on_end: OnEnd | None = None,
    base_url: str | None = None,
) -> list[Outcome]:
    """Wait for many jobs on one token, and return their outcomes in the order asked for.

    One job's trouble never ends another's wait, and raises nothing: look at each ``Outcome``.

    Args:
        jobs: The jobs.  A list is checked before any request; an iterator is drawn from while
            those that it gave are waited for.  A job named twice is waited for once.
        token: The token that started the jobs; without it ``ASANA_ACCESS_TOKEN``.
        timeout: The seconds until all give up; None waits for ever.
        policy: When to poll, and what to put up with.
        rate: The requests a minute that the token may spend; a paid plan of Asana's allows 1500
            (source: Asana's documentation of rate limits).
        return_when: ``"all"`` ends with the last job; ``"any"`` with the first that succeeds;
            ``"first_failure"`` with the first that does not.  The rest is then ``pending``.
        on_poll: A function that is called with every ``Poll``.
        on_end: A function that is called with every ``Outcome`` as it comes.
        base_url: Where the API is; without it ``ASANA_BASE_URL``, else Asana's.

    Raises:
        ConfigurationError: There is no token, or the token or base URL cannot work.
        TypeError, ValueError: Another argument cannot be right; no request was made.
    """
    from jobwait._client import JobsClient  # noqa: PLC0415

    with JobsClient(token, base_url=base_url, rate=rate) as client:
        del token  # a traceback with locals must not show it
        return client.wait_for_jobs(
            jobs,
            timeout=timeout,
            policy=policy,
            return_when=return_when,
            on_poll=on_poll,
            on_end=on_end,
        )


async def wait_for_jobs_async(
    jobs: JobStream,
    *,
    token: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - it says more than a cancellation
    policy: WaitPolicy | None = None,
    rate: float = DEFAULT_RATE,
    return_when: ReturnWhen = "all",
    on_poll: OnPoll | None = None,
    on_end: OnEnd | None = None,
    base_url: str | None = None,
) -> list[Outcome]:
    """Wait for many jobs on one token, as ``wait_for_jobs`` does."""
    from jobwait._async_client import AsyncJobsClient  # noqa: PLC0415

    async with AsyncJobsClient(token, base_url=base_url, rate=rate) as client:
        del token  # a traceback with locals must not show it
        return await client.wait_for_jobs(
            jobs,
            timeout=timeout,
            policy=policy,
            return_when=return_when,
            on_poll=on_poll,
            on_end=on_end,
        )


def as_completed(
    jobs: Jobs,
    *,
    token: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    policy: WaitPolicy | None = None,
    rate: float = DEFAULT_RATE,
    return_when: ReturnWhen = "all",
    on_poll: OnPoll | None = None,
    on_end: OnEnd | None = None,
    base_url: str | None = None,
) -> Generator[Outcome]:
    """Wait for many jobs on one token, and yield the outcome of each as it ends.

    The parameters and errors are those of ``wait_for_jobs``; closing the generator ends the
    waiting.
    """
    from jobwait._client import JobsClient  # noqa: PLC0415

    # A client holds nothing open before its first request.
    client = JobsClient(token, base_url=base_url, rate=rate)
    del token  # a traceback with locals must not show it
    outcomes = client.as_completed(
        jobs,
        timeout=timeout,
        policy=policy,
        return_when=return_when,
        on_poll=on_poll,
        on_end=on_end,
    )

    def each() -> Generator[Outcome]:
        with client, contextlib.closing(outcomes):
            yield from outcomes

    return each()


def as_completed_async(
    jobs: JobStream,
    *,
    token: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    policy: WaitPolicy | None = None,
    rate: float = DEFAULT_RATE,
    return_when: ReturnWhen = "all",
    on_poll: OnPoll | None = None,
    on_end: OnEnd | None = None,
    base_url: str | None = None,
) -> AsyncGenerator[Outcome]:
    """Wait for many jobs on one token, and yield each outcome, as ``as_completed`` does."""
    from jobwait._async_client import AsyncJobsClient  # noqa: PLC0415

    client = AsyncJobsClient(token, base_url=base_url, rate=rate)
    del token  # a traceback with locals must not show it
    outcomes = client.as_completed(
        jobs,
        timeout=timeout,
        policy=policy,
        return_when=return_when,
        on_poll=on_poll,
        on_end=on_end,
    )

    async def each() -> AsyncGenerator[Outcome]:
        async with client, contextlib.aclosing(outcomes):
            async for outcome in outcomes:
                yield outcome

    return each()
