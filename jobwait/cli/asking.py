# SPDX-License-Identifier: MIT
"""The thread that asks: it finds the token, takes in the jobs, and waits for them.

It is a thread so that nothing it does, be it a slow name look-up or a silent standard input, can
keep the command from hearing a signal.  What becomes of the news is not known here.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Protocol

from jobwait.cli.exits import CommandError, Exit
from jobwait.cli.intake import CUT_OFF, Intake
from jobwait.cli.secret import Found, find_token
from jobwait.cli.values import STDIN

if TYPE_CHECKING:
    from jobwait import JobsClient, Outcome, Poll, WaitPolicy
    from jobwait.cli.arguments import Arguments

_REQUEST_TIMEOUT = 30.0
_SHORTEST_REQUEST = 1.0
_SHORTEST_PAUSE = 0.2


class Listener(Protocol):
    """Who is told what happens, from whichever thread it happens in."""

    def asked(self, gid: str) -> None:
        """A job was asked for."""

    def began(self, jobs: int | None) -> None:
        """The waiting begins: for so many jobs, or for as many as standard input will hold."""

    def polled(self, poll: Poll) -> None:
        """A poll was made."""

    def ended(self, outcome: Outcome) -> None:
        """A job's wait has ended."""

    def noted(self, text: str, level: int) -> None:
        """Something else is worth saying, for whoever asked for that much detail."""

    def done(self, error: BaseException | None) -> None:
        """All is over, perhaps because of an error."""


class Relay:
    """A listener that hands everything on to another, to be called in another thread.

    Args:
        listener: The other.
        put: Takes the calls; it may be called from any thread.
    """

    def __init__(self, listener: Listener, put: Callable[[Callable[[], object]], object]) -> None:
        self._listener = listener
        self._put = put

    def asked(self, gid: str) -> None:
        """Hand it on."""
        self._put(partial(self._listener.asked, gid))

    def began(self, jobs: int | None) -> None:
        """Hand it on."""
        self._put(partial(self._listener.began, jobs))

    def polled(self, poll: Poll) -> None:
        """Hand it on."""
        self._put(partial(self._listener.polled, poll))

    def ended(self, outcome: Outcome) -> None:
        """Hand it on."""
        self._put(partial(self._listener.ended, outcome))

    def noted(self, text: str, level: int) -> None:
        """Hand it on."""
        self._put(partial(self._listener.noted, text, level))

    def done(self, error: BaseException | None) -> None:
        """Hand it on."""
        self._put(partial(self._listener.done, error))


class Asking:
    """The asking for all jobs of a command line.

    Args:
        arguments: The command line.
        tell: Who is told what happens.
        deadline: When to give up, on the monotonic clock; may be ``inf``.
        found: The token, where it need not be looked for.
    """

    def __init__(
        self, arguments: Arguments, tell: Listener, *, deadline: float, found: Found | None = None
    ) -> None:
        self._arguments = arguments
        self._tell = tell
        self._deadline = deadline
        self._found = found
        self._is_cut_off = False

    def start(self) -> threading.Thread:
        """Begin.  The thread does not outlive the process."""
        thread = threading.Thread(target=self._run, name="jobwait-asking", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            self._ask()
        except BaseException as error:  # noqa: BLE001 - the telling thread judges it
            self._tell.done(error)
        else:
            self._tell.done(None)

    def _ask(self) -> None:
        found = self._found or find_token(self._arguments.token_file, self._warn)
        with self._client(found) as client:
            if STDIN in self._arguments.jobs and sys.stdin is not None and sys.stdin.isatty():
                self._tell.noted("reading jobs from this terminal: a gid a line, then Ctrl-D", 0)
            intake = Intake(self._arguments.jobs, deadline=self._deadline)
            jobs = self._announced(intake.begin())
            if self._arguments.once:
                from jobwait.cli.once import look_once  # noqa: PLC0415

                look_once(client, jobs, self._tell, deadline=self._deadline)
            else:
                self._wait(client, jobs)

    def _client(self, found: Found) -> JobsClient:
        with _lasting():
            from jobwait import ConfigurationError, JobsClient  # noqa: PLC0415

        # The display says what the library would log, in words for people.
        logging.getLogger("jobwait").addHandler(logging.NullHandler())
        logging.getLogger("jobwait").propagate = False
        arguments = self._arguments
        request_timeout = _REQUEST_TIMEOUT
        if arguments.once:
            request_timeout = max(_SHORTEST_REQUEST, min(request_timeout, self._left()))
        try:
            client = JobsClient(
                found.token,
                base_url=arguments.base_url,
                request_timeout=request_timeout,
                **({} if arguments.rate is None else {"rate": float(arguments.rate)}),
            )
        except ConfigurationError as error:
            raise CommandError(f"{self._culprit(str(error), found)}{error}") from None
        where = arguments.base_url or os.environ.get("ASANA_BASE_URL") or "Asana"
        self._tell.noted(f"asking {where} with the token from {found.source}", 1)
        return client

    def _culprit(self, message: str, found: Found) -> str:
        """Name the option or variable that a complaint of the library's is about."""
        if "base URL" in message:
            return "ASANA_BASE_URL: " if self._arguments.base_url is None else "--base-url: "
        return f"{found.source}: " if "the token" in message else ""

    def _announced(self, jobs: Iterable[str]) -> Iterable[str]:
        if isinstance(jobs, list):
            for gid in jobs:
                self._tell.asked(gid)
            self._tell.began(len(set(jobs)))
            return jobs
        self._tell.began(None)
        self._is_cut_off = True  # until it has come to its end
        return self._announced_as_they_come(jobs)

    def _announced_as_they_come(self, jobs: Iterable[str]) -> Iterable[str]:
        for gid in jobs:
            self._tell.asked(gid)
            yield gid
        self._is_cut_off = False

    def _wait(self, client: JobsClient, jobs: Iterable[str]) -> None:
        arguments = self._arguments
        outcomes = client.as_completed(
            jobs,
            timeout=None if self._deadline == inf else max(self._left(), 0.0),
            policy=_policy(arguments),
            return_when=(
                "any" if arguments.any else "first_failure" if arguments.fail_fast else "all"
            ),
            on_poll=self._tell.polled,
            # Not what is yielded: an outcome is known as soon as its job has ended.
            on_end=self._tell.ended,
        )
        for _ in outcomes:
            pass
        if self._is_cut_off and self._left() <= 0:
            raise CommandError(CUT_OFF, Exit.TIMED_OUT)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _warn(self, text: str) -> None:
        self._tell.noted(f"warning: {text}", 0)


@contextlib.contextmanager
def _lasting() -> Iterator[None]:
    """Make what is imported now, which lasts as long as the process, no garbage collector's work.

    To look through all of it, above all at the process's end, took a tenth of a whole command.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def _policy(arguments: Arguments) -> WaitPolicy:
    from jobwait import WaitPolicy  # noqa: PLC0415

    numbers: dict[str, float | None] = {
        "price": arguments.price,
        "max_pause": arguments.max_pause,
        "outage_tolerance": arguments.outage_tolerance,
    }
    given = {name: float(value) for name, value in numbers.items() if value is not None}
    return WaitPolicy(**given, min_pause=min(_SHORTEST_PAUSE, given.get("max_pause", inf)))
