# SPDX-License-Identifier: MIT
"""What both clients know: whom to ask, as whom and how often, and what came of it.

This file does not know how time passes, for a thread or for a task.  When to poll and what an
answer means is decided elsewhere.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from math import inf

import httpx

from jobwait._budget import Budget, Ticket
from jobwait._engine import LAST_LOOK, OnPoll, Terms, Wait
from jobwait._errors import ApiError, ConfigurationError, PollError, TransportError
from jobwait._models import Job
from jobwait._policy import (
    WaitPolicy,
    check_rate,
    check_seconds,
    check_timeout,
)
from jobwait._protocol import (
    DEFAULT_BASE_URL,
    Token,
    check_base_url,
    job_url,
    read_answer,
    read_retry_after,
)
from jobwait._text import span
from jobwait._transport import (
    REFUSED,
    ExchangeError,
)
from jobwait._version import __version__

_DEFAULT_POLICY = WaitPolicy()
# A turn that is this far off is worth a word, once in a while; in seconds.
_LONG_TURN = 5.0
_NOTE_EVERY = 60.0

_log = logging.getLogger("jobwait")


class BaseClient:
    """What both clients know: whom to ask, as whom, and how often."""

    def __init__(
        self, token: str | None, base_url: str | None, request_timeout: float, rate: float
    ) -> None:
        if token is None:
            token = os.environ.get("ASANA_ACCESS_TOKEN")
        if token is None:
            raise ConfigurationError("no token: pass token=... or set ASANA_ACCESS_TOKEN")
        if base_url is None:
            base_url = os.environ.get("ASANA_BASE_URL") or DEFAULT_BASE_URL
        if not check_seconds("request_timeout", request_timeout):
            raise ValueError("request_timeout must be more than 0 seconds")
        self._base_url = check_base_url(base_url)
        try:
            self._host = httpx.URL(self._base_url).netloc.decode("ascii")
        except (httpx.InvalidURL, ValueError) as error:
            raise ConfigurationError(f"the base URL cannot be read: {error}") from None
        self._request_timeout = float(request_timeout)
        self._rate = check_rate(rate)
        self._budget = Budget(self._rate)
        self._token = Token(token)
        self._headers = httpx.Headers(
            {"User-Agent": f"jobwait/{__version__}", **self._token.headers()}
        )
        self._process = os.getpid()
        self._next_note = -inf

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._base_url!r}, rate={self._rate:g})"

    def _request(
        self, gid: str, opt_fields: Iterable[str] | None = None, *, opt_pretty: bool = False
    ) -> httpx.Request:
        # Built once for all polls of a wait: building costs as much as the rest of sending.
        url = job_url(self._base_url, gid, opt_fields=opt_fields, opt_pretty=opt_pretty)
        return httpx.Request("GET", url, headers=self._headers)

    def _terms(
        self, timeout: float | None, policy: WaitPolicy | None, on_poll: OnPoll | None
    ) -> Terms:
        policy = _DEFAULT_POLICY if policy is None else policy
        return Terms(
            policy=policy,
            price=policy.price_at(self._rate),
            deadline=time.monotonic() + check_timeout(timeout),
            on_poll=on_poll,
        )

    def _reserve(self, until: float) -> Ticket | None:
        """Take the budget's next ticket, and say so where it is the budget that makes slow."""
        self._check_process()
        now = time.monotonic()
        ticket = self._budget.reserve(now, until=until)
        if ticket is not None and ticket.at - now > _LONG_TURN and now >= self._next_note:
            self._next_note = now + _NOTE_EVERY
            _log.info(
                "%d waits share %g requests a minute: a poll's turn comes after %s; "
                "if the plan allows more, say so with rate (--rate)",
                self._budget.waits,
                self._rate,
                span(ticket.at - now),
            )
        return ticket

    def _check_hold(self, wait: Wait) -> None:
        """Give up now on a wait that may not poll again before its end, as a 429 said."""
        now = time.monotonic()
        held = self._budget.held(now)
        if now + held > wait.deadline + LAST_LOOK:
            raise wait.out_of_turn(held=held)

    def _check_process(self) -> None:
        # Forked processes would share the connections, and read each other's answers.
        if self._process != os.getpid():
            raise RuntimeError(
                "this client was made in another process: make a new one after the fork"
            )

    def _understand(self, gid: str, answer: httpx.Response | ExchangeError) -> Job | PollError:
        if isinstance(answer, ExchangeError):
            return TransportError(gid, self._host, answer.reason, transient=answer.transient)
        retry_after = None
        if answer.status_code != httpx.codes.OK:
            retry_after = read_retry_after(
                answer.headers.get_list("Retry-After"),
                date=answer.headers.get("Date"),
                now=time.time(),
            )
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS and retry_after is not None:
            self._budget.hold(time.monotonic(), retry_after)
        seen = read_answer(
            gid,
            answer.status_code,
            answer.content,
            refused=answer.extensions.get(REFUSED),
            retry_after=retry_after,
        )
        if isinstance(seen, ApiError):
            # Some proxies and debugging servers show whoever asks what they were sent.
            seen.errors = self._token.struck_from(seen.errors)
        return seen


def job_or_raise(seen: Job | PollError) -> Job:
    if isinstance(seen, PollError):
        raise seen
    return seen
