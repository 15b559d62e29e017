# SPDX-License-Identifier: MIT
"""What the words of a command line mean: spans of time, numbers, jobs, templates.

Each function takes one word and returns its value, or raises ``ValueError`` with what is wrong
with it.  Which option a word belongs to is not known here.
"""

from __future__ import annotations

import re
from math import inf

from jobwait._text import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

STDIN = "-"

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_SECONDS = re.compile(rf"{_NUMBER}s?", re.ASCII)
_SPAN = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?", re.ASCII)
_LONGEST_GID = 32


class Number(float):
    """A number that remembers how it was put, to be repeated so.

    Args:
        value: The number.
        text: How it was put.
    """

    text: str

    def __new__(cls, value: float, text: str) -> Self:
        """Make the number, and note the text."""
        number = super().__new__(cls, value)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


def duration(text: str) -> Number:
    """Read a span of time: ``90``, ``90s``, ``15m``, ``1h30m``, or ``none``, which has no end."""
    if text == "none":
        return Number(inf, text)
    if match := _SECONDS.fullmatch(text):
        return Number(float(match[1]), text)
    match = _SPAN.fullmatch(text)
    if not match or not text:
        raise ValueError(f"{_shown(text)} is no span of time (units: h, m, s)")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return Number(hours * 3600 + minutes * 60 + seconds, text)


def positive_duration(text: str) -> Number:
    """Read a span of time that is more than nothing."""
    seconds = duration(text)
    if not seconds:
        raise ValueError(f"{_shown(text)} is too short: it must be more than 0")
    return seconds


def finite_duration(text: str) -> Number:
    """Read a span of time that has an end."""
    seconds = duration(text)
    if seconds == inf:
        raise ValueError(f"{_shown(text)} is not possible here: it must have an end")
    return seconds


def rate(text: str) -> Number:
    """Read a number of requests a minute."""
    match = _SECONDS.fullmatch(text)
    if not match or text.endswith("s") or not (number := float(text)):
        raise ValueError(f"{_shown(text)} is no number of requests a minute above 0")
    return Number(number, text)


def job(text: str) -> str:
    """Read a job: its gid, or ``-`` for standard input."""
    if text != STDIN and not is_gid(text):
        raise ValueError(f"{_shown(text)} is no gid: a job's gid is 1 to 32 digits")
    return text


def is_gid(text: str) -> bool:
    """Tell whether a text can be a gid."""
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_GID


def _shown(text: str) -> str:
    return f"'{escape(text, longest=40)}'"
