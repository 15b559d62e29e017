# SPDX-License-Identifier: MIT
"""GitHub Actions: outputs for the steps that follow, and a summary of the run.

The summary never holds a ``download_url``: whoever may see the run would have the data.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Self

from jobwait._text import span
from jobwait.cli import words
from jobwait.cli.exits import CommandError
from jobwait.cli.ledger import Entry, Ledger
from jobwait.cli.values import is_gid

_OUTPUT, _SUMMARY = "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"
# A summary of more than 1 MiB is refused whole.
_MOST_ROWS = 500
_MOST_BARS = 50
# Whatever Markdown, HTML or GitHub's own additions (mentions, issues) could act on.
_SPECIAL = frozenset("\\`*_{}[]<>()#+-.!|~@:&$'\"/")


class GitHub:
    """The two files of a step.

    Args:
        output: The path of the outputs.
        summary: The path of the summary.
    """

    def __init__(self, output: str, summary: str) -> None:
        self._output = output
        self._summary = summary

    @classmethod
    def of_environment(cls) -> Self:
        """Take the paths from the environment.

        Raises:
            CommandError: It does not name them.
        """
        missing = [name for name in (_OUTPUT, _SUMMARY) if not os.environ.get(name)]
        if missing:
            raise CommandError(
                f"--github-output: {' and '.join(missing)} not set: use it in a step of GitHub "
                "Actions, or name files there"
            )
        return cls(os.environ[_OUTPUT], os.environ[_SUMMARY])

    def write(self, ledger: Ledger) -> list[str]:
        """Write the outputs and the summary; return what could not be written, and why.

        Args:
            ledger: What is known of the jobs.
        """
        errors = []
        for name, path, text in (
            (_OUTPUT, self._output, outputs(ledger)),
            (_SUMMARY, self._summary, summary(ledger)),
        ):
            try:
                with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123
                    file.write(text)
            except OSError as error:
                errors.append(f"--github-output: {name} cannot be written: {error.strerror}")
        return errors


def outputs(ledger: Ledger) -> str:
    """Return the outputs: a line of each value for each job, in the order asked for."""
    rows = [_values(entry) for entry in ledger.in_order()]
    names = ("gid", "url", "status", "outcome")
    return "".join(
        _output(name, "\n".join(row[at] for row in rows)) for at, name in enumerate(names)
    )


def _values(entry: Entry) -> tuple[str, str, str, str]:
    reference = entry.reference
    gid = url = ""
    if reference is not None:
        gid, url = reference.gid, reference.download_url or reference.url or ""
    return words.inert(gid), words.inert(url), words.inert(entry.status or ""), entry.word


def _output(name: str, value: str) -> str:
    # Nobody can write a value that ends the value, as nobody can guess this.
    delimiter = f"jobwait_{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def summary(ledger: Ledger) -> str:
    """Return the summary: a table of the jobs, and a chart of the waits."""
    entries = list(ledger.entries.values())
    # What needs a look comes first.
    entries.sort(key=lambda entry: entry.word == "succeeded")
    return "\n".join([*_table(entries), "", *_chart(entries), ""])


def _table(entries: Sequence[Entry]) -> Iterable[str]:
    yield "| job | kind | outcome | made | waited | polls |"
    yield "|---|---|---|---|---|---|"
    for entry in entries[:_MOST_ROWS]:
        cells = (
            entry.gid,
            literal(words.kind(entry)),
            literal(words.end(entry)),
            _made(entry),
            span(entry.elapsed),
            str(entry.polls),
        )
        yield f"| {' | '.join(cells)} |"
    if len(entries) > _MOST_ROWS:
        yield f"\n{len(entries) - _MOST_ROWS} more jobs are not shown."


def _made(entry: Entry) -> str:
    reference = entry.reference
    if reference is None:
        return ""
    text = literal(words.made(reference))
    # The gid is part of the URL: what is no gid could be anything else as well.
    is_link = reference.url is not None and is_gid(reference.gid)
    return f"[{text}]({reference.url})" if is_link else text


def _chart(entries: Sequence[Entry]) -> Iterable[str]:
    """Yield a Gantt chart in Mermaid's language, which GitHub draws."""
    yield "```mermaid"
    yield "gantt"
    # Milliseconds: in seconds (X), Mermaid 11 takes begins for milliseconds, and ends not.
    yield "    dateFormat x"
    yield "    axisFormat %H:%M:%S"
    yield "    todayMarker off"
    to_epoch = time.time() - time.monotonic()
    for entry in entries[:_MOST_BARS]:
        began = round((entry.asked_at + to_epoch) * 1000)
        end = began + max(round(entry.elapsed * 1000), 1)  # a bar of nothing is not drawn
        look = {"succeeded": "done", "pending": "active"}.get(entry.word, "crit")
        yield f"    job {entry.gid} {entry.word.replace('_', ' ')} :{look}, {began}, {end}"
    yield "```"


def literal(text: str) -> str:
    """Return Markdown that shows a text as it is."""
    return "".join(f"&#{ord(each)};" if each in _SPECIAL else each for each in text)
