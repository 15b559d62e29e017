# SPDX-License-Identifier: MIT
"""Text that a person reads: far-side strings made inert, and spans of time in words.

This file knows neither jobs nor terminals.
"""

from __future__ import annotations

from math import inf

_LONGEST = 300
_HOUR, _MINUTE = 3600, 60


def escape(text: str, *, longest: int | None = _LONGEST) -> str:
    """Make a string from the far side safe to show on one line of a terminal or a log.

    Control, format and surrogate characters and line ends become backslash escapes, so that
    nothing moves the cursor, reorders the line or forges another.  A backslash is doubled, so
    that what is shown can be told from what was sent.

    Args:
        text: The string as it came.
        longest: The characters of it to show at most; None shows all.
    """
    shown = text if longest is None or len(text) <= longest else text[:longest] + "…"
    if shown.isprintable() and "\\" not in shown:
        return shown
    return "".join(map(_escape_character, shown))


def _escape_character(character: str) -> str:
    if character.isprintable() and character != "\\":
        return character
    return character.encode("unicode_escape").decode("ascii")


def span(seconds: float) -> str:
    """Say a span of time as people do: ``"0.4 s"``, ``"12 s"``, ``"1 min 30 s"``, ``"2 h 5 min"``.

    Args:
        seconds: The span in seconds.
    """
    if seconds == inf:
        return "for ever"
    whole = round(seconds)
    if whole < 10 and abs(seconds - whole) >= 0.05:  # noqa: PLR2004 - a fraction is noise above 10 s
        return f"{seconds:.1f} s"
    hours, rest = divmod(whole, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2]) or "0 s"
