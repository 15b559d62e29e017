# SPDX-License-Identifier: MIT
"""One token's requests a minute, shared fairly by all that wait on it.

A ticket is the right to send one request at a certain time.  Tickets are handed out in the order
they are asked for; whoever holds one sleeps until its time comes.  So this file needs no thread,
no event loop and no clock of its own: it is arithmetic, under a lock that nobody holds for long.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from math import floor, inf
from operator import attrgetter

from jobwait._policy import check_rate

# A second more than the minute that Asana counts: requests are not sent to the microsecond.
_WINDOW = 61.0
_LATE = 0.5
_CLOSE = 0.001
# How much of a minute's requests may go unspaced; the rest then spreads over the same minute.
_UNSPACED = 0.55


class Ticket:
    """The right to send one request.

    Attributes:
        at: When, on the clock that its reservation was told; a hold moves it to later.
    """

    __slots__ = ("at", "spent")

    def __init__(self, at: float) -> None:
        self.at = at
        self.spent = False


class Budget:
    """The requests a minute that one token may spend.

    No minute, wherever it begins, holds more than ``rate`` requests.  While there are few waits,
    each request goes at once; many are spread evenly.

    Args:
        rate: The requests a minute.

    Raises:
        ValueError: The rate is not positive and finite.
    """

    def __init__(self, rate: float) -> None:
        self.rate = check_rate(rate)
        self.waits = 0
        self._size = max(1, floor(self.rate))
        self._window = _WINDOW * max(1.0, 1 / self.rate)
        self._lock = threading.Lock()
        self._tickets: deque[Ticket] = deque()  # of the last window and of the future, by time
        self._unspaced_until = -inf
        self._returned: list[Ticket] = []
        self._held_until = -inf

    def join(self, waits: int) -> None:
        """Count waits that begin (or end, if negative): how many there are decides the spacing."""
        with self._lock:
            self.waits += waits

    def reserve(self, now: float, *, until: float = inf) -> Ticket | None:
        """Take the next ticket, or None where there is none before ``until``."""
        with self._lock:
            self._forget(now)
            ticket = self._first_returned(until)
            if ticket is None:
                at, unspaced = self._next(now)
                if at > until:
                    return None
                ticket = Ticket(at)
                self._tickets.append(ticket)
                if unspaced:
                    self._unspaced_until = at
            return ticket

    def spend(self, ticket: Ticket, now: float) -> bool:
        """Spend a ticket if its time has come; if not, it was moved to later."""
        with self._lock:
            if now - ticket.at > _LATE:
                # The process was held up, and others with it: all that is due lines up anew.
                self._forget(now)
                self._line_up(now)
            ticket.spent = ticket.at <= now + _CLOSE
            return ticket.spent

    def give_back(self, ticket: Ticket) -> None:
        """Return a ticket that will not be spent, for another to use."""
        with self._lock:
            if not ticket.spent:
                self._returned.append(ticket)

    def hold(self, now: float, seconds: float) -> None:
        """Let nobody send for so many seconds; then all go on in order, spaced as before."""
        with self._lock:
            until = now + seconds
            if until > self._held_until:
                self._held_until = until
                self._forget(now)
                self._line_up(until)

    def held(self, now: float) -> float:
        """Return the seconds for which nobody may send, for a hold."""
        return max(0.0, self._held_until - now)

    def _next(self, now: float) -> tuple[float, bool]:
        """Return the time of the next new ticket, and whether it ignores the spacing."""
        at = max(now, self._held_until)
        if (
            len(self._tickets) + self.waits <= self._size * _UNSPACED
            and (not self._tickets or self._tickets[-1].at <= now)
            and now - self._window > self._held_until
        ):
            return at, True
        return self._spaced(at), False

    def _spaced(self, at: float) -> float:
        """Return the first time from ``at`` on that keeps its distance from all tickets."""
        if not self._tickets:
            return at
        last = self._tickets[-1].at
        # What went unspaced is made up for by wider spaces until it leaves the window: so no
        # window holds more than its size, and none ends in a silence.
        ahead = self._count(self._unspaced_until) - self._count(last - self._window)
        return max(at, last + self._window / max(1, self._size - max(0, ahead)))

    def _count(self, until: float) -> int:
        return bisect_right(self._tickets, until, key=attrgetter("at"))

    def _line_up(self, since: float) -> None:
        """Move what is not spent to ``since`` or later, in order and spaced."""
        waiting = [ticket for ticket in self._tickets if not ticket.spent]
        self._tickets = deque(ticket for ticket in self._tickets if ticket.spent)
        for ticket in waiting:
            ticket.at = self._spaced(max(ticket.at, since))
            self._tickets.append(ticket)

    def _first_returned(self, until: float) -> Ticket | None:
        ticket = min(self._returned, key=lambda ticket: ticket.at, default=None)
        if ticket is None or ticket.at > until:
            return None
        self._returned.remove(ticket)
        return ticket

    def _forget(self, now: float) -> None:
        # A returned ticket whose time has passed is as good as never handed out.
        for ticket in [ticket for ticket in self._returned if ticket.at < now]:
            self._returned.remove(ticket)
            self._tickets.remove(ticket)
        before = now - self._window
        # One that is not spent stays, however old: its holder was held up, and will come.
        while self._tickets and self._tickets[0].spent and self._tickets[0].at <= before:
            self._tickets.popleft()
