# SPDX-License-Identifier: MIT
"""What a person reads: far-side text is inert, and spans of time are words."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobwait._text import escape, span

# Surrogates too: JSON cannot bring them, but a caller can.
ANY_TEXT = st.text(st.characters())


@pytest.mark.parametrize(
    "text",
    ["", "Release 42", "Größe · 東京 ✓", "a/b?c=d&e#f", "'\"<b>[bold]::error::%0A", "…"],
)
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\tb", "a\\tb"),
        ("a\0b", "a\\x00b"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]8;;https://evil.example\x07", "\\x1b]8;;https://evil.example\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f", "\\x7f"),
        ("\x85", "\\x85"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\u200f", "\\u200f"),
        ("\u200b\u200d\ufeff", "\\u200b\\u200d\\ufeff"),
        ("\xa0", "\\xa0"),
        ("\ud83d", "\\ud83d"),
        ("\U000e0041", "\\U000e0041"),
        ("é\n東", "é\\n東"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_as_a_backslash_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_a_backslash_is_doubled_so_that_an_escape_cannot_be_forged() -> None:
    assert escape("\\n") == "\\\\n"
    assert escape("\n") == "\\n"
    assert escape("\\\n") == "\\\\\\n"


@pytest.mark.parametrize(
    ("length", "shown"), [(299, "x" * 299), (300, "x" * 300), (301, "x" * 300 + "…")]
)
def test_text_is_cut_after_300_characters(length: int, shown: str) -> None:
    assert escape("x" * length) == shown


@pytest.mark.parametrize(
    ("longest", "shown"),
    [(0, "…"), (2, "a\\n…"), (3, "a\\nb"), (4, "a\\nb"), (None, "a\\nb")],
)
def test_the_limit_counts_the_characters_that_were_sent(longest: int | None, shown: str) -> None:
    assert escape("a\nb", longest=longest) == shown


def test_without_a_limit_all_is_shown() -> None:
    assert escape("x" * 10_000, longest=None) == "x" * 10_000


@settings(deadline=None)
@given(ANY_TEXT, st.none() | st.integers(0, 20))
@example("\ud800", None)
def test_the_result_is_always_one_printable_line(text: str, longest: int | None) -> None:
    shown = escape(text, longest=longest)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1


@settings(deadline=None)
@given(ANY_TEXT)
def test_what_was_sent_can_be_told_from_what_is_shown(text: str) -> None:
    """Nothing is lost by the escape, so two different texts never look the same."""
    shown = escape(text, longest=None)
    ascii_only = re.sub(r"[^ -~]", lambda match: f"\\U{ord(match[0]):08x}", shown)
    assert ascii_only.encode("ascii").decode("unicode_escape") == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.04, "0 s"),
        (0.05, "0.1 s"),
        (0.06, "0.1 s"),
        (0.4, "0.4 s"),
        (0.94, "0.9 s"),
        (0.96, "1 s"),
        (1, "1 s"),
        (1.04, "1 s"),
        (1.06, "1.1 s"),
        (2.5, "2.5 s"),
        (9, "9 s"),
        (9.4, "9.4 s"),
        (9.6, "10 s"),
        (10, "10 s"),
        (10.4, "10 s"),
        (12.3, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (90, "1 min 30 s"),
        (1800, "30 min"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (3600, "1 h"),
        (3605, "1 h 5 s"),
        (7500, "2 h 5 min"),
        (7507, "2 h 5 min"),
        (86400, "24 h"),
        (float("inf"), "for ever"),
    ],
)
def test_a_span_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert span(seconds) == words


@settings(deadline=None)
@given(st.floats(0, 10))
def test_a_short_span_is_right_to_a_tenth_of_a_second_and_shows_no_empty_tenth(
    seconds: float,
) -> None:
    words = span(seconds)
    assert not words.endswith(".0 s")
    tolerance = 0.0501 if "." in words or seconds < 9.5 else 0.5
    assert abs(float(words.removesuffix(" s")) - seconds) <= tolerance


@settings(deadline=None)
@given(st.floats(10, 1e7))
def test_a_long_span_loses_less_than_the_unit_below_its_two_parts(seconds: float) -> None:
    units = {"h": 3600, "min": 60, "s": 1}
    words = span(seconds).split(" ")
    counts = [int(count) * units[unit] for count, unit in zip(words[::2], words[1::2], strict=True)]
    assert len(counts) <= 2
    assert -0.5 <= seconds - sum(counts) < (60.5 if seconds >= 3599.5 else 0.51)
