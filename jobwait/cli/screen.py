# SPDX-License-Identifier: MIT
"""Some lines at the bottom of a terminal that are drawn again and again.

It changes no setting of the terminal and hides no cursor, so there is nothing to restore, not even
after ``kill -9``: what is left over at the worst are the lines themselves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from jobwait.cli.streams import say

if TYPE_CHECKING:
    from rich.console import RenderableType

_UNKNOWN = os.terminal_size((80, 24))
# Room for the ^C that a terminal echoes, so that it does not begin a line of its own.
_MARGIN = 3
_NARROWEST = 16


def size() -> os.terminal_size:
    """Return the size of the terminal that stderr is; some terminals do not know theirs."""
    try:
        found = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return _UNKNOWN
    return found if found.columns and found.lines else _UNKNOWN


def width() -> int:
    """Return the number of columns that lines may take."""
    return max(size().columns - _MARGIN, _NARROWEST)


class Screen:
    """Draws with rich, which it imports with the first drawing."""

    def __init__(self) -> None:
        self._widths: tuple[int, ...] = ()

    def draw(self, renderable: RenderableType) -> None:
        """Draw this in the place of what was drawn before."""
        lines, widths = zip(*_texts(renderable), strict=True)
        # In one piece, so that nobody sees it half drawn.
        say(self._erasing() + "\n".join(lines))
        self._widths = widths

    def erase(self) -> None:
        """Leave the terminal as if nothing had been drawn."""
        if self._widths:
            say(self._erasing())
            self._widths = ()

    def _erasing(self) -> str:
        """Return what leads back to the first of the drawn lines and erases all of them."""
        if not self._widths:
            return ""
        above = rows(self._widths, size().columns) - 1
        # Row by row: tmux takes the erasing of a whole screen for a page to keep in its history.
        return "\r\x1b[2K" + "\x1b[1A\x1b[2K" * above


def rows(widths: Sequence[int], columns: int) -> int:
    """Return how many rows lines take after a terminal has wrapped them anew.

    Args:
        widths: The widths of the lines as they were drawn, perhaps in a wider terminal.
        columns: The width of the terminal now.
    """
    return sum(max(1, -(-width // columns)) for width in widths)


def _texts(renderable: RenderableType) -> Iterator[tuple[str, int]]:
    """Yield each line as a terminal wants it, with the number of columns that it takes."""
    from rich.console import Console  # noqa: PLC0415
    from rich.segment import Segment, Segments  # noqa: PLC0415

    console = Console(stderr=True, width=width(), highlight=False, markup=False, emoji=False)
    for line in console.render_lines(renderable, pad=False):
        # Without the blanks at its end, a line wraps less when the terminal gets narrower.
        while line and not line[-1].text.strip():
            line.pop()
        if line:
            line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
        with console.capture() as captured:
            console.print(Segments(line), end="")
        yield captured.get(), Segment.get_line_length(line)
