# SPDX-License-Identifier: MIT
"""The telling thread: it hears what happens, and says it where it belongs.

One queue brings everything: polls and ends from the thread that asks, signals from their handler.
So what is here runs one after the other, and needs no lock.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobwait.cli import display, results
from jobwait.cli.asking import Asking, Relay
from jobwait.cli.exits import CommandError, Exit, ReaderGoneError, exit_for
from jobwait.cli.ledger import Entry, Ledger
from jobwait.cli.streams import say_error
from jobwait.cli.verdict import verdict

if TYPE_CHECKING:
    from jobwait import Outcome, Poll
    from jobwait.cli.arguments import Arguments
    from jobwait.cli.github import GitHub
    from jobwait.cli.secret import Found
    from jobwait.cli.signals import Signals

_DEFAULT_RATE = 150.0
_LONGEST_NAP = 3600.0 if os.name == "posix" else 0.5  # elsewhere a signal does not end a nap


def run(arguments: Arguments, signals: Signals) -> int:
    """Wait for the jobs of a command line, and return the exit status.

    Args:
        arguments: The command line.
        signals: Who hears signals.

    Raises:
        CommandError: The configuration is wrong.
        ReaderGoneError: The reader of standard output closed it.
    """
    github = None
    if arguments.github_output:
        from jobwait.cli.github import GitHub  # noqa: PLC0415

        github = GitHub.of_environment()
    if not arguments.demo:
        return Command(arguments, signals, github).run()
    from jobwait.cli.demo import begin  # noqa: PLC0415

    with begin(arguments) as found:
        return Command(arguments, signals, github, found).run()


class Command:
    """One run of the command.  As a ``Listener`` it is called in the main thread only.

    Args:
        arguments: The command line.
        signals: Who hears signals.
        github: Where GitHub Actions wants to hear of it; None if nobody asked for that.
        found: The token, where it need not be looked for.
    """

    def __init__(
        self,
        arguments: Arguments,
        signals: Signals,
        github: GitHub | None = None,
        found: Found | None = None,
    ) -> None:
        self._arguments = arguments
        self._signals = signals
        self._github = github
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._ledger = Ledger()
        deadline = time.monotonic() + arguments.patience
        relay = Relay(self, self._calls.put)
        self._asking = Asking(arguments, relay, deadline=deadline, found=found)
        self._results = results.choose(arguments, self._ledger)
        self._display = display.choose(arguments, self._ledger, deadline)
        self._is_over = False
        self._error: BaseException | None = None
        self._said_late = False

    def run(self) -> int:
        """Tell what happens until all is over; return the exit status."""
        errors: list[str] = []
        try:
            status: int = self._listen()
        except CommandError as problem:
            errors, status = [problem.message], problem.status
        except ReaderGoneError:
            self._display.close(summary=False)
            raise
        except BaseException:
            self._display.close(summary=False)
            with contextlib.suppress(CommandError, ReaderGoneError):
                self._results.close(Exit.BUG)
            raise
        self._display.close(summary=not errors and self._signals.first is None)
        errors += verdict(self._arguments, self._ledger, status)
        if self._github is not None:
            unwritten = self._github.write(self._ledger)
            errors += unwritten
            # What the following steps rely on is missing: that is no success.
            status = status or (Exit.MISUSED if unwritten else status)
        for error in errors:
            say_error(error, annotate=self._github is not None)
        self._results.close(status)
        for complaint in self._results.complaints:
            say_error(complaint, annotate=self._github is not None)
        return status

    def _listen(self) -> Exit:
        """Take calls until there are no more to come, or a signal comes."""
        self._signals.wake = lambda: self._calls.put(_nothing)
        self._asking.start()
        while not self._is_over and self._signals.first is None:
            nap = min(max(self._display.due - time.monotonic(), 0.0), _LONGEST_NAP)
            with contextlib.suppress(queue.Empty):
                self._calls.get(timeout=nap)()
            self._display.tick()
        if self._signals.first is not None:
            self._catch_up()
            return Exit(128 + self._signals.first)
        if self._error is not None:
            raise self._error
        outcomes = {entry.word for entry in self._ledger.entries.values()}
        return exit_for(outcomes, one_suffices=self._arguments.any)

    def _catch_up(self) -> None:
        """Take the calls that have come already: nothing that is known gets lost."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()()

    def asked(self, gid: str) -> None:
        """Note that a job was asked for, perhaps one that has ended already."""
        entry = self._ledger.ask(gid)
        if entry.outcome is not None:
            self._print(entry)

    def began(self, jobs: int | None) -> None:
        """Show what is waited for."""
        self._display.began(jobs)

    def polled(self, poll: Poll) -> None:
        """Note a poll, and show what it changed."""
        entry = self._ledger.poll(poll)
        self._display.polled(entry, poll)
        rate = self._arguments.rate or _DEFAULT_RATE
        if not self._said_late and self._ledger.lacks_budget(entry, rate):
            self._said_late = True
            self.noted(
                f"the polls wait for their share of {rate:g} requests a minute; "
                "if the token may spend more (paid plans: 1500), say so with --rate",
                1,
            )

    def ended(self, outcome: Outcome) -> None:
        """Note an end, show it, and print the result."""
        entry = self._ledger.end(outcome)
        self._display.ended(entry)
        self._print(entry)

    def noted(self, text: str, level: int) -> None:
        """Show it to whoever wants to see so much."""
        self._display.noted(text, level)

    def done(self, error: BaseException | None) -> None:
        """Note that nothing more is to come."""
        self._is_over = True
        self._error = error

    def _print(self, entry: Entry) -> None:
        with self._display.aside():
            self._results.ended(entry)


def _nothing() -> None:
    """Wake the telling thread."""
