# SPDX-License-Identifier: MIT
"""What every way to show progress has in common; by itself it shows nothing.

``choose`` tells which way is right where the command runs.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobwait import Poll
    from jobwait.cli.arguments import Arguments
    from jobwait.cli.ledger import Entry, Ledger


class Display:
    """Progress for somebody who wants to see none."""

    def began(self, jobs: int | None) -> None:
        """The waiting begins: for so many jobs, or for as many as standard input will hold."""

    def polled(self, entry: Entry, poll: Poll) -> None:
        """A job was polled."""

    def ended(self, entry: Entry) -> None:
        """A job's wait has ended."""

    def noted(self, text: str, level: int) -> None:
        """There is something to say for whoever is that verbose."""

    @property
    def due(self) -> float:
        """When ``tick`` wants to be called next, on the monotonic clock."""
        return inf

    def tick(self) -> None:
        """Time has passed."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for results on the same terminal."""
        yield

    def close(self, *, summary: bool) -> None:
        """The asking is over; leave the terminal as it was found.

        Args:
            summary: Whether it came to its own end, so that there is something to sum up.
        """


def choose(arguments: Arguments, ledger: Ledger, deadline: float) -> Display:
    """Return the display for a command line and for what stderr is.

    Args:
        arguments: The command line.
        ledger: What the display tells from.
        deadline: When the command gives up, on the monotonic clock; may be ``inf``.
    """
    way = "none" if arguments.quiet else arguments.progress
    can_be_live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if way == "live" and not can_be_live:
        way = "plain"
    if way == "auto":
        way = "live" if can_be_live and not os.environ.get("NO_COLOR") else "plain"
    if way == "none":
        return Display()
    if way == "live":
        from jobwait.cli.live import Live  # noqa: PLC0415

        return Live(ledger, arguments, deadline)
    from jobwait.cli.plain import Plain  # noqa: PLC0415

    return Plain(ledger, arguments, deadline)
