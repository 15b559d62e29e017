# SPDX-License-Identifier: MIT
"""What goes to stdout: a line for each result, or JSON.

This file knows what a result looks like, not how it came about; ``document`` knows JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobwait.cli import words
from jobwait.cli.streams import put

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobwait import Reference
    from jobwait.cli.arguments import Arguments
    from jobwait.cli.ledger import Entry, Ledger
    from jobwait.cli.template import Template


class Results:
    """Results for somebody who wants to see none.

    Attributes:
        complaints: What could not be printed, and why.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def ended(self, entry: Entry, /) -> None:
        """A job has ended, or one that had ended was asked for once more."""

    def close(self, status: int, /) -> None:
        """There is nothing more to come.

        Args:
            status: The exit status that the command ends with.
        """


class Lines(Results):
    """A line for each job that succeeded, in the order asked for, as early as that order allows.

    Args:
        ledger: What is known.
        line: Makes the line of a job, or None where there is none to make.
    """

    def __init__(self, ledger: Ledger, line: Callable[[Entry, Reference], str | None]) -> None:
        super().__init__()
        self._ledger = ledger
        self._line = line
        self._next = 0

    def ended(self, _entry: Entry, /) -> None:
        """Print what is no longer held back by an earlier job."""
        order, entries = self._ledger.order, self._ledger.entries
        while self._next < len(order) and entries[order[self._next]].outcome is not None:
            self._print(entries[order[self._next]])
            self._next += 1

    def close(self, _status: int, /) -> None:
        """Print what is left, past the jobs that have not ended."""
        for gid in self._ledger.order[self._next :]:
            self._print(self._ledger.entries[gid])

    def _print(self, entry: Entry) -> None:
        reference = entry.reference
        if reference is None:
            return
        line = self._line(entry, reference)
        if line is not None:
            put(line + "\n")
            return
        self.complaints.append(
            f"job {entry.gid} made {words.made(reference)}, which has no page to print the url "
            "of: ask for --output gid or json"
        )


class Document(Results):
    """One JSON document at the end, whatever the end is."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def close(self, status: int, /) -> None:
        """Print it."""
        from jobwait.cli.document import document  # noqa: PLC0415

        put(document(self._ledger.in_order(), status) + "\n")


class JsonLines(Results):
    """A JSON object for each job, as it ends; those that have not ended come last."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._printed: dict[str, int] = {}

    def ended(self, entry: Entry, /) -> None:
        """Print it, once for each time that it was asked for."""
        from jobwait.cli.document import line  # noqa: PLC0415

        for _ in range(self._printed.get(entry.gid, 0), entry.times):
            put(line(entry) + "\n")
        self._printed[entry.gid] = entry.times

    def close(self, _status: int, /) -> None:
        """Print the others."""
        for entry in self._ledger.waiting():
            self.ended(entry)


def choose(arguments: Arguments, ledger: Ledger) -> Results:
    """Return what prints the results that a command line asks for.

    Args:
        arguments: The command line.
        ledger: What is known.
    """
    if arguments.format is not None:
        return Lines(ledger, _filling(arguments.format))
    match arguments.output:
        case "none":
            return Results()
        case "json":
            return Document(ledger)
        case "jsonl":
            return JsonLines(ledger)
        case "url":
            return Lines(ledger, _url)
        case _:
            return Lines(ledger, _gid)


def _gid(_entry: Entry, reference: Reference) -> str:
    return words.inert(reference.gid)


def _url(_entry: Entry, reference: Reference) -> str | None:
    where = reference.download_url or reference.url
    return None if where is None else words.inert(where)


def _filling(template: Template) -> Callable[[Entry, Reference], str]:
    def line(entry: Entry, reference: Reference) -> str:
        values: dict[str, object] = {
            "completed_at": reference.completed_at and reference.completed_at.isoformat(),
            "created_at": reference.created_at and reference.created_at.isoformat(),
            "download_url": reference.download_url,
            "elapsed_s": f"{entry.elapsed:.3f}",
            "field": reference.field,
            "gid": reference.gid,
            "job": entry.gid,
            "name": reference.name,
            "polls": entry.polls,
            "resource_type": reference.resource_type,
            "status": entry.status,
            "url": reference.url,
        }
        shown = {name: words.inert(str(value or "")) for name, value in values.items()}
        filled = template.fill(shown)
        # Whoever begins a template so means it.
        return filled if template.text.startswith("::") else words.inert_line(filled)

    return line
