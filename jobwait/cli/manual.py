# SPDX-License-Identifier: MIT
"""The man page, made from the parser; ``man`` lays it out, so this knows its macros only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jobwait._version import __version__
from jobwait.cli.arguments import DESCRIPTION, ENVIRONMENT, EXAMPLES, groups, make_parser
from jobwait.cli.exits import Exit

if TYPE_CHECKING:
    from argparse import Action


def manual() -> str:
    """Return the man page as roff."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'.TH JOBWAIT 1 "" "jobwait {_text(__version__)}" "User Commands"'
    yield from (".SH NAME", r"jobwait \- wait for Asana's asynchronous jobs")
    yield from (".SH SYNOPSIS", r".B jobwait", r"[\fIOPTIONS\fR] \fIJOB\fR ...")
    yield from (".SH DESCRIPTION", _text(DESCRIPTION), ".SH OPTIONS")
    for title, options in groups(make_parser()):
        if options[0].option_strings:
            yield f".SS {_text(title.capitalize())}"
            for option in options:
                yield from _entry(_head(option), option.help or "")
    yield ".SH EXIT STATUS"
    for status in Exit:
        yield from _entry(rf"\fB{int(status)}\fR", status.meaning)
    yield ".SH ENVIRONMENT"
    for name, meaning in ENVIRONMENT:
        yield from _entry(rf"\fB{name}\fR", meaning)
    yield ".SH EXAMPLES"
    for command, meaning in EXAMPLES:
        yield from _entry(rf"\fB{_text(command)}\fR", meaning)


def _entry(head: str, text: str) -> Iterator[str]:
    yield from (".TP", head, _text(text))


def _head(option: Action) -> str:
    value = rf" \fI{option.metavar}\fR" if option.metavar else ""
    return ", ".join(rf"\fB{_text(name)}\fR{value}" for name in option.option_strings)


def _text(text: str) -> str:
    """Return roff that shows a text as it is."""
    shown = text.replace("\\", r"\e").replace("-", r"\-").replace("%%", "%")
    # A line that begins so would be a request.
    return rf"\&{shown}" if shown.startswith((".", "'")) else shown
