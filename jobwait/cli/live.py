# SPDX-License-Identifier: MIT
"""Progress at a terminal: a line for one job, a table for several, rewritten in place.

What is in the rows is decided here; how it stays in place is the screen's affair.  Everything is
given to rich as ``Text``, which reads no markup.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

from jobwait._text import span
from jobwait.cli import words
from jobwait.cli.display import Display
from jobwait.cli.screen import Screen, size, width
from jobwait.cli.streams import say

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType
    from rich.text import Text

    from jobwait import Poll
    from jobwait.cli.arguments import Arguments
    from jobwait.cli.ledger import Entry, Ledger

# The first drawing imports rich, so it lets the first poll go first.
_FIRST = 0.5
_LINE_EVERY = 0.125
_TABLE_EVERY = 0.25
# A narrower table goes without the columns that say least.
_WIDE = 72
_COLUMNS = ("job", "kind", "status", "time", "polls", "last trouble")
_NEEDED = ("job", "status", "time")
_NUMBERS = ("time", "polls")
_UNCUT = ("job", *_NUMBERS)
# How much of the terminal's height a table may take: the rest keeps what was there before, and
# takes the lines that wrap when the terminal gets narrower.
_SHARE = 2 / 3
_TURNING = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TURNING_ASCII = "-\\|/"


class Live(Display):
    """Progress that is rewritten in place on stderr.

    Args:
        ledger: What is known.
        arguments: The command line.
        deadline: When the command gives up, on the monotonic clock; may be ``inf``.
    """

    def __init__(self, ledger: Ledger, arguments: Arguments, deadline: float) -> None:
        self._ledger = ledger
        self._verbose = arguments.verbose
        self._deadline = deadline
        self._began = time.monotonic()
        self._next = self._began + _FIRST
        self._screen = Screen()
        can_draw = (sys.stderr.encoding or "").lower().startswith("utf")
        self._turning = _TURNING if can_draw else _TURNING_ASCII

    def polled(self, entry: Entry, poll: Poll) -> None:
        """Verbosely, say what was seen; else wait for the next drawing."""
        self.noted(words.poll(entry, poll), 2)

    def noted(self, text: str, level: int) -> None:
        """Say it above the drawing, if the command line asks for that much."""
        if self._verbose >= level:
            self._screen.erase()
            say(text + "\n")

    @property
    def due(self) -> float:
        """When the next drawing is."""
        return self._next

    def tick(self) -> None:
        """Draw, if it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        entries = self._ledger.entries
        self._next = now + (_TABLE_EVERY if len(entries) > 1 else _LINE_EVERY)
        if len(entries) > 1:
            self._screen.draw(self._table())
        else:
            self._screen.draw(self._line(*entries.values()))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room, if results and progress share the terminal."""
        if sys.stdout is not None and sys.stdout.isatty():
            self._screen.erase()
        yield

    def close(self, *, summary: bool) -> None:
        """Leave one line in the place of all that was drawn."""
        self._screen.erase()
        if summary:
            say(words.summary(self._ledger, time.monotonic() - self._began) + "\n")

    def _turn(self) -> str:
        turns = int((time.monotonic() - self._began) / _LINE_EVERY)
        return self._turning[turns % len(self._turning)]

    def _left(self) -> str:
        left = self._deadline - time.monotonic()
        return "" if left == inf else f", {span(round(max(left, 0.0)))} left"

    def _line(self, entry: Entry | None = None) -> RenderableType:
        from rich.text import Text  # noqa: PLC0415

        turning = (f"{self._turn()} ", "cyan")
        if entry is None:
            parts = [turning, (f"waiting for jobs on standard input{self._left()}", "")]
        else:
            status, style = _status(entry)
            parts = [
                turning,
                (f"job {entry.gid}: ", "bold"),
                (status, style),
                (f", {_elapsed(entry)}{self._left()}, {words.number(entry.polls, 'poll')}", ""),
            ]
        return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")

    def _table(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        is_wide = width() >= _WIDE
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for name in _COLUMNS:
            if is_wide or name in _NEEDED:
                justify: JustifyMethod = "right" if name in _NUMBERS else "left"
                # rich takes what is missing from the columns that may be cut.
                table.add_column(name, no_wrap=name in _UNCUT, justify=justify)
        shown = _what_matters(self._ledger, max(int(size().lines * _SHARE) - 2, 1))
        for entry in shown:
            texts = (
                (entry.gid, ""),
                (words.kind(entry), ""),
                _status(entry),
                (_elapsed(entry), ""),
                (str(entry.polls), ""),
                ("" if entry.trouble is None else words.trouble(entry.trouble), "red"),
            )
            cells = (Text(*text, no_wrap=True, overflow="ellipsis") for text in texts)
            named = zip(_COLUMNS, cells, strict=True)
            table.add_row(*(cell for name, cell in named if is_wide or name in _NEEDED))
        return Group(table, self._sum(len(shown)))

    def _sum(self, shown: int) -> Text:
        from rich.text import Text  # noqa: PLC0415

        entries, waiting = self._ledger.entries, self._ledger.waiting()
        hidden = len(entries) - shown
        counts = words.counted(self._ledger.counts())
        text = (
            f"{self._turn()} {f'and {hidden} more; ' if hidden else ''}"
            f"{len(waiting)} of {len(entries)} to wait for{'; ' if counts else ''}{counts}"
            f"{self._left()}"
        )
        return Text(text, "cyan", no_wrap=True, overflow="ellipsis")


def _status(entry: Entry) -> tuple[str, str]:
    """Return a job's status in words, and their style."""
    if entry.outcome is not None:
        return words.end(entry), "green" if entry.word == "succeeded" else "red"
    if entry.failing_since is not None:
        return "polls fail", "red"
    return words.status(entry), ""


def _elapsed(entry: Entry) -> str:
    return span(round(entry.elapsed))


def _what_matters(ledger: Ledger, rows: int) -> list[Entry]:
    """Return the jobs to show: all, if there is room, else those with trouble and the oldest.

    Args:
        ledger: What is known.
        rows: How many there is room for.
    """
    entries = list(ledger.entries.values())
    if len(entries) <= rows:
        return entries

    def rank(entry: Entry) -> tuple[int, float]:
        if entry.outcome is None:
            return int(entry.failing_since is None), entry.asked_at
        return 2 + (entry.word == "succeeded"), entry.asked_at

    return sorted(entries, key=rank)[:rows]
