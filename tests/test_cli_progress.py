# SPDX-License-Identifier: MIT
"""What progress says, and how little of it: told of made-up polls, on a driven clock."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from command import Screen as Emulated
from rich.text import Text

from jobwait import (
    ApiError,
    ErrorDetail,
    JobFailedError,
    JobNotFoundError,
    JobsClient,
    JobTimeoutError,
    Outcome,
    PendingJob,
    Poll,
    PollError,
    ProtocolError,
    Reference,
    SucceededJob,
    TransportError,
)
from jobwait._models import FailedJob, JobStatus
from jobwait.cli import display, screen
from jobwait.cli.arguments import parse
from jobwait.cli.command import Command
from jobwait.cli.exits import Exit
from jobwait.cli.ledger import Ledger
from jobwait.cli.live import Live
from jobwait.cli.once import look_once
from jobwait.cli.plain import Plain
from jobwait.cli.screen import Screen, rows
from jobwait.cli.signals import Signals
from jobwait.cli.verdict import verdict

if TYPE_CHECKING:
    from conftest import Clock

DOWN = TransportError("1", "x.test", "refused \x1b[2J")


def pending(gid: str, word: str = "in_progress", kind: str | None = None) -> PendingJob:
    return PendingJob(gid=gid, raw_status=word, status=JobStatus.IN_PROGRESS, resource_subtype=kind)


class Stage:
    """A display, and what happens in front of it.

    Args:
        clock: The clock to drive.
        line: The command line.
    """

    def __init__(self, clock: Clock, line: str, kind: type[Plain | Live] | None = Plain) -> None:
        self.clock = clock
        self.arguments = parse(line.split())
        self.ledger = Ledger()
        deadline = clock.now + self.arguments.patience
        self.display: display.Display = (
            kind(self.ledger, self.arguments, deadline) if kind else display.Display()
        )
        self.jobs = [gid for gid in self.arguments.jobs if gid != "-"]
        for gid in self.jobs:
            self.ledger.ask(gid)
        self.display.began(None if "-" in self.arguments.jobs else len(set(self.jobs)))

    def poll(
        self, gid: str, seen: PendingJob | PollError | str, *, pause: float | None = 1.0
    ) -> None:
        seen = pending(gid, seen) if isinstance(seen, str) else seen
        entry = self.ledger.entries[gid]
        poll = Poll(
            gid=gid,
            number=entry.polls + 1,
            elapsed=entry.elapsed,
            job=None if isinstance(seen, PollError) else seen,
            error=seen if isinstance(seen, PollError) else None,
            pause=pause,
        )
        self.display.polled(self.ledger.poll(poll), poll)

    def end(self, gid: str, word: Any = "succeeded", error: Any = None) -> None:
        entry = self.ledger.entries[gid]
        made = Reference(field="new_task", gid="9", resource_type="task", name="N\u202e[b]")
        self.display.ended(
            self.ledger.end(
                Outcome(
                    gid=gid,
                    outcome=word,
                    job=entry.job,
                    reference=made if word == "succeeded" else None,
                    error=error,
                    elapsed=entry.elapsed,
                    polls=entry.polls,
                )
            )
        )

    def after(self, seconds: float) -> None:
        """Let time pass, and the display do what is due."""
        until = self.clock.now + seconds
        while self.display.due <= until:
            self.clock.tick(self.display.due - self.clock.now)
            self.display.tick()
        self.clock.tick(until - self.clock.now)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines on stderr without their times of day, each of which is checked."""
    lines = capsys.readouterr().err.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert all(line.isprintable() for line in lines)
    return [line[9:] for line in lines]


def test_the_log_of_one_job_tells_its_story(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(clock, "1204 -t 5m")
    stage.poll("1204", "not_started")
    stage.poll("1204", "not_started")
    stage.after(12)
    stage.poll("1204", "in_progress")
    stage.poll("1204", DOWN)
    stage.poll("1204", DOWN)
    stage.after(20)
    stage.poll("1204", ProtocolError("1204", "its body is not JSON", status=200))
    stage.after(50)
    stage.poll("1204", "in_progress")
    stage.poll("1204", "halfway\n::error::")
    stage.after(0.4)
    stage.poll("1204", "halfway\n::error::", pause=None)
    stage.end("1204")
    stage.display.close(summary=True)
    assert said(capsys) == [
        "waiting for job 1204, at most 5 min",
        "job 1204: not started (0 s, 1 poll)",
        "job 1204: in progress (12 s, 3 polls)",
        "job 1204: a poll failed, more will follow: refused \\x1b[2J",
        "job 1204: still in progress (30 s, 5 polls; polls fail for 18 s now), 4 min 30 s left",
        "job 1204: still in progress (1 min, 6 polls; polls fail for 48 s now), 4 min left",
        "job 1204: polls are answered again after 1 min 10 s",
        "job 1204: halfway\\n::error:: (1 min 22 s, 8 polls)",
        "job 1204: succeeded (1 min 22 s, 9 polls): task 9 'N\\u202e[b]'",
    ]


def test_the_heartbeat_is_heard_through_a_long_pause(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(clock, "1 --heartbeat 10s -t none")
    stage.poll("1", "in_progress", pause=60.0)
    stage.after(60)
    beats = [line for line in said(capsys) if "still" in line]
    assert len(beats) == 6
    assert beats[0] == "job 1: still in progress (10 s, 1 poll)"


def test_the_log_of_a_thousand_jobs_is_short(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    gids = [str(number) for number in range(1000)]
    stage = Stage(clock, f"{' '.join(gids)} -t 1h")
    for gid in gids:
        stage.poll(gid, "not_started")
    stage.after(300)
    for _ in range(10):
        for gid in gids[:900]:
            stage.poll(gid, DOWN)
            stage.poll(gid, "in_progress")
    stage.after(300)
    for gid in gids[:700]:
        stage.end(gid)
    for gid in gids[700:997]:
        stage.end(gid, "failed", JobFailedError(FailedJob(
            gid=gid, raw_status="failed", status=JobStatus.FAILED)))  # fmt: skip
    stage.poll("998", DOWN)
    stage.after(30)
    stage.display.close(summary=True)
    lines = said(capsys)
    assert lines[0] == "waiting for 1000 jobs, at most 1 h"
    assert len(lines) < 100
    assert lines[-2] == (
        "waiting for 3 of 1000 jobs: 700 succeeded, 297 failed; the polls of 1 fail "
        "(10 min 30 s, 19001 polls), 49 min 30 s left; 278 changes not shown"
    )
    assert lines[-1] == "1000 jobs: 700 succeeded, 297 failed (10 min 30 s, 19001 polls)"


def test_several_jobs_are_told_apart_and_summed_up(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(clock, "1 2 3 2 --fail-fast")
    stage.poll("1", "in_progress")
    stage.after(30)
    stage.poll("2", JobNotFoundError("2", 404, (ErrorDetail(message="gone\n"),)))
    stage.end("2", "not_found")
    stage.end("1", "pending")
    stage.display.close(summary=True)
    assert said(capsys) == [
        "waiting for 3 jobs, at most 30 min",
        "job 1: in progress (0 s, 1 poll)",
        "waiting for 3 of 3 jobs (30 s, 1 poll), 29 min 30 s left",
        "job 2: a poll failed, more will follow: HTTP 404: gone\\n",
        "job 2: not found (30 s, 1 poll)",
        "3 jobs: 1 pending, 1 not found (30 s, 2 polls)",
    ]


def test_a_stream_is_waited_for_even_while_it_holds_no_job(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(clock, "-")
    stage.after(30)
    stage.display.close(summary=False)
    assert said(capsys) == [
        "waiting for the jobs on standard input, at most 30 min",
        "waiting for jobs on standard input, 29 min 30 s left",
    ]


def test_twice_verbose_tells_every_poll(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(clock, "1 -vv --once")
    stage.poll("1", "in_progress")
    stage.poll("1", ApiError("1", 429, retry_after=30.0), pause=30.0)
    stage.poll("1", DOWN, pause=None)
    stage.display.noted("deep", 3)
    stage.display.noted("shallow", 2)
    assert [line for line in said(capsys) if "waiting" not in line] == [
        "job 1: poll 1 after 0.00 s: in progress; next in 1 s",
        "job 1: in progress (0 s, 1 poll)",
        "job 1: poll 2 after 0.00 s: HTTP 429 (asked to stay away for 30 s); next in 30 s",
        "job 1: a poll failed, more will follow: HTTP 429 (asked to stay away for 30 s)",
        "job 1: poll 3 after 0.00 s: refused \\x1b[2J; the last",
        "shallow",
    ]


def test_that_the_budget_is_what_the_waits_wait_for_is_said_once(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Command(parse(["1", "2", "-v", "--rate", "60"]), Signals())
    for gid in ("1", "2"):
        command.asked(gid)
    for number in range(1, 200):
        clock.tick(1.0 if number < 100 else 3.5)
        for _ in range(2 if number > 100 else 1):
            command.polled(
                Poll(gid="1", number=number, elapsed=1.0, job=pending("1"), error=None, pause=0.1)
            )
    lines = [line for line in said(capsys) if "--rate" in line]
    (line,) = lines
    assert line.startswith("the polls wait for their share of 60 requests a minute; if the token")


# At a terminal.


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    emulated = Emulated(200)
    emulated.feed(capsys.readouterr().err.replace("\n", "\r\n"))
    return emulated.text


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make stderr a terminal of any size, as far as the display can tell."""
    size = [80, 24]
    monkeypatch.setenv("TERM", "xterm")
    for room in ("screen", "live"):
        monkeypatch.setattr(f"jobwait.cli.{room}.size", lambda: os.terminal_size(size))
    return size


def test_the_line_of_one_job_is_rewritten_in_place(
    clock: Clock, capsys: pytest.CaptureFixture[str], terminal: list[int]
) -> None:
    stage = Stage(clock, "1204", Live)
    stage.after(0.3)
    assert capsys.readouterr().err == "", "the first poll goes first"
    stage.poll("1204", "in_progress")
    stage.after(5)
    drawn = shown(capsys)
    assert re.fullmatch(r"\S job 1204: in progress, 5 s, 29 min 55 s left, 1 poll", drawn)
    stage.poll("1204", DOWN)
    stage.after(5)
    assert "job 1204: polls fail, 10 s" in shown(capsys)
    terminal[:] = [30, 24]
    stage.after(1)
    assert all(len(line) <= 30 for line in shown(capsys).splitlines())
    stage.end("1204")
    stage.display.close(summary=True)
    assert (
        shown(capsys).splitlines()[-1]
        == "job 1204: succeeded (11 s, 2 polls): task 9 'N\\u202e[b]'"
    )


def test_before_any_job_the_line_says_what_is_waited_for(
    clock: Clock, capsys: pytest.CaptureFixture[str], terminal: list[int]
) -> None:
    stage = Stage(clock, "- -t none", Live)
    stage.after(1)
    assert shown(capsys)[2:] == "waiting for jobs on standard input"
    stage.display.close(summary=False)
    assert shown(capsys) == ""


def test_the_table_tells_what_matters_and_counts_the_rest(
    clock: Clock, capsys: pytest.CaptureFixture[str], terminal: list[int]
) -> None:
    gids = [str(number) for number in range(1000, 1200)]
    stage = Stage(clock, " ".join(gids), Live)
    for gid in gids:
        stage.poll(gid, pending(gid, kind="duplicate_project"))
    stage.clock.tick(3)
    stage.poll("1150", JobNotFoundError("1150", 404, (ErrorDetail(message="[red]x[/red]"),)))
    for gid in gids[:50]:
        stage.end(gid)
    stage.end("1050", "failed")
    stage.after(1)
    lines = shown(capsys).splitlines()
    assert len(lines) == 16, "two thirds of the terminal's height"
    assert lines[0].split() == ["job", "kind", "status", "time", "polls", "last", "trouble"]
    assert " ".join(lines[1].split()) == (
        "1150 duplicate project polls fail 4 s 2 HTTP 404: [red]x[/red]"
    )
    assert " ".join(lines[2].split()) == "1051 duplicate project in progress 4 s 1"
    assert lines[-1][2:].startswith(
        "and 186 more; 149 of 200 to wait for; 50 succeeded, 1 failed, 29 min"
    )
    terminal[:] = [40, 24]
    stage.after(1)
    lines = shown(capsys).splitlines()[-16:]
    assert lines[0].split() == ["job", "status", "time"]
    assert all(len(line) <= 37 for line in lines)


def test_the_table_shows_all_jobs_in_the_order_asked_for_where_there_is_room(
    clock: Clock, capsys: pytest.CaptureFixture[str], terminal: list[int]
) -> None:
    stage = Stage(clock, "3 1 2", Live)
    stage.end("1")
    stage.after(1)
    lines = shown(capsys).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["3", "1", "2"]
    assert "and" not in lines[-1]
    stage.display.noted("something", 0)
    with stage.display.aside():
        assert shown(capsys) == "something"
    stage.after(1)
    stage.display.close(summary=True)
    assert shown(capsys) == "3 jobs: 1 succeeded (2 s, 0 polls)"


@pytest.mark.parametrize(
    ("options", "environment", "is_terminal", "kind"),
    [
        ("", {}, True, "Live"),
        ("", {}, False, "Plain"),
        ("", {"NO_COLOR": "1"}, True, "Plain"),
        ("", {"NO_COLOR": ""}, True, "Live"),
        ("", {"TERM": "dumb"}, True, "Plain"),
        ("--progress live", {"NO_COLOR": "1"}, True, "Live"),
        ("--progress live", {"TERM": "dumb"}, True, "Plain"),
        ("--progress live", {}, False, "Plain"),
        ("--progress plain", {}, True, "Plain"),
        ("--progress none", {}, True, "Display"),
        ("-q --progress live", {}, True, "Display"),
    ],
)
def test_progress_suits_where_it_is_shown(
    options: str,
    environment: dict[str, str],
    is_terminal: bool,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    chosen = display.choose(parse(["1", *options.split()]), Ledger(), 0.0)
    assert type(chosen).__name__ == kind


def test_a_display_that_shows_nothing_takes_everything(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(clock, "1", None)
    stage.poll("1", "in_progress")
    stage.display.noted("x", 0)
    with stage.display.aside():
        stage.end("1")
    stage.display.tick()
    stage.display.close(summary=True)
    assert capsys.readouterr().err == ""


def test_an_empty_line_is_drawn_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = Screen()
    drawn.draw(Text("a\n \nb"))
    assert capsys.readouterr().err == "a\n\nb"
    drawn.erase()
    assert shown(capsys) == ""


def test_lines_that_a_narrower_terminal_wraps_are_all_erased() -> None:
    assert rows((10, 0, 41, 80), 40) == 1 + 1 + 2 + 2
    assert Screen()._erasing() == ""


def test_a_terminal_that_does_not_know_its_size_is_taken_for_a_usual_one(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    assert screen.size() == (80, 24)
    monkeypatch.undo()
    assert screen.size() == (80, 24)  # the stream of a test is no terminal at all


# What is said at the end.


def test_of_many_errors_some_are_told_and_the_rest_is_counted(clock: Clock) -> None:
    gids = [str(number) for number in range(30)]
    stage = Stage(clock, " ".join(gids))
    for gid in gids:
        error = JobTimeoutError(gid, last_job=None, elapsed=1.0, polls=1, last_error=None)
        stage.end(gid, "timed_out", error)
    lines = list(verdict(stage.arguments, stage.ledger, Exit.TIMED_OUT))
    assert len(lines) == 12
    assert lines[10] == (
        "20 more jobs did not succeed (20 timed out); --output jsonl tells of each"
    )
    assert lines[11] == f"to go on waiting: jobwait {' '.join(gids)}"


def test_an_error_that_ended_all_waits_is_told_once(clock: Clock) -> None:
    stage = Stage(clock, "1 2 3")
    error = ApiError("1", 401)
    for gid in stage.jobs:
        stage.end(gid, "unauthorized", error)
    assert len(list(verdict(stage.arguments, stage.ledger, Exit.UNAUTHORIZED))) == 1


@pytest.mark.parametrize(
    ("line", "seen", "words"),
    [
        ("1", "in_progress", "; job 1 was last seen in progress (0 s, 1 poll)"),
        ("1", DOWN, "; job 1 was never seen (0 s, 1 poll)"),
        ("1 2", "in_progress", "; 2 jobs had not ended"),
    ],
)
def test_an_interrupt_says_what_was_known(line: str, seen: Any, words: str, clock: Clock) -> None:
    stage = Stage(clock, line)
    stage.poll("1", seen)
    first, second = verdict(stage.arguments, stage.ledger, Exit.INTERRUPTED)
    assert first == f"interrupted{words}"
    assert second == f"to go on waiting: jobwait {line}"
    (demo,) = verdict(parse(["--demo"]), Ledger(), Exit.TERMINATED)
    assert demo == "terminated"


class Fake(JobsClient):
    """A client that answers from a script."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)

    def get_job(self, job_gid: Any, **_: Any) -> Any:
        seen = self.script.pop(0)
        if isinstance(seen, PollError):
            raise seen
        return seen


class Heard:
    """A listener that remembers the ends."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str, int]] = []

    def polled(self, poll: Poll) -> None:
        assert poll.pause is None

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append((outcome.gid, outcome.outcome, outcome.polls))


MADE = SucceededJob(
    gid="1",
    raw_status="succeeded",
    status=JobStatus.SUCCEEDED,
    reference=Reference(field="new_task", gid="9"),
)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([pending("1"), MADE], ["pending", "succeeded", "pending"]),
        ([ApiError("1", 500, transient=True), MADE], ["unavailable", "succeeded", "pending"]),
        ([ApiError("1", 429, retry_after=9.0)], ["unavailable"] * 3),
        ([TransportError("1", "x", "bad certificate", transient=False)], ["unavailable"] * 3),
    ],
)
def test_a_look_at_each_job_goes_on_as_long_as_it_makes_sense(
    script: list[Any], expected: list[str], clock: Clock
) -> None:
    heard = Heard()
    client: Any = Fake(*script, pending("3"))
    look_once(client, iter(["1", "2", "1", "3"]), heard, deadline=clock.now + 1)  # type: ignore[arg-type]
    assert [word for _, word, _ in heard.outcomes] == expected


def test_a_look_past_the_deadline_is_not_taken(clock: Clock) -> None:
    heard = Heard()
    client: Any = Fake(pending("1"))
    look_once(client, ["1", "2"], heard, deadline=clock.now)  # type: ignore[arg-type]
    assert heard.outcomes == [("1", "pending", 1), ("2", "timed_out", 0)]
