# SPDX-License-Identifier: MIT
"""The command at a terminal, and what signals do to it anywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command import Terminal, eventually, run, running
from far_side import Step, job, silence, succeeded

from jobwait.cli.exits import Exit
from jobwait.cli.signals import Signals

if TYPE_CHECKING:
    from conftest import Start

# Polls follow each other so fast that a test need not wait.
EAGER = ("--price=0", "--max-pause=0.1s", "--rate=60000")
EVIL = {
    "gid": "1301\n::error::",
    "resource_type": "project",
    "name": "\x1b]0;title\x07\x1b[2J\u202e[bold]x[/bold]\r\n::error::oh ##[error]oh 漢字",
}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no such terminals here")


def until(gate: threading.Event, then: Step | None = None) -> Step:
    """Say that the job is in progress until a gate opens."""
    return lambda connection: (
        (then or succeeded())(connection) if gate.is_set() else job("in_progress")(connection)
    )


def test_one_job_is_a_line_that_is_rewritten_and_a_summary_that_stays(far_side: Start) -> None:
    gate = threading.Event()
    with Terminal("1204", *EAGER, url=far_side(until(gate)).url) as terminal:
        terminal.wait_for("job 1204: ")
        terminal.wait_for("in progress")
        gate.set()
        assert terminal.end() == Exit.SUCCEEDED
        assert re.fullmatch(
            r"1301\njob 1204: succeeded \(.*polls\): project 1301 'Copy of Launch'",
            terminal.shown(),
        )
        assert terminal.has_its_settings()


def test_a_job_that_is_done_at_once_is_never_drawn(far_side: Start) -> None:
    with Terminal("1", url=far_side(succeeded()).url) as terminal:
        assert terminal.end() == Exit.SUCCEEDED
        assert "\x1b[" not in terminal.read()


def test_what_the_far_side_says_is_inert(far_side: Start) -> None:
    gate = threading.Event()
    far = far_side(
        until(gate, succeeded(new_project=EVIL)),
    )
    with Terminal("1", "--format={gid} {name}", *EAGER, url=far.url) as terminal:
        terminal.wait_for("in progress")
        gate.set()
        assert terminal.end() == Exit.SUCCEEDED
        shown = terminal.shown(400)
        written = terminal.read()
    assert "\x1b]" not in written
    assert "\x1b[2J" not in written
    assert "\u202e" not in written
    assert "\n::error::" not in written.replace("\r", "")
    assert "##[" not in written
    assert shown.splitlines()[0] == (
        r"1301\n::error:: \x1b]0;title\x07\x1b[2J\u202e[bold]x[/bold]\r\n::error::oh "
        r"\x23#[error]oh 漢字"
    )


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_table_of_two_hundred_jobs_fits_the_terminal(columns: int, far_side: Start) -> None:
    gate = threading.Event()
    gids = [str(1204 + number) for number in range(200)]
    far = far_side(until(gate))
    with Terminal(*gids, *EAGER, "-o", "none", url=far.url, columns=columns) as terminal:
        seen = terminal.wait_for("and 186 more")
        terminal.wait_for("in progress" if columns > 20 else "more", after=seen)
        lines = terminal.shown(columns).splitlines()
        assert len(lines) == 16
        assert all(len(line) < columns for line in lines)
        gate.set()
        assert terminal.end() == Exit.SUCCEEDED
        whole = terminal.shown(columns).replace("\n", "")
        assert re.fullmatch(r"200 jobs: 200 succeeded \(.* polls\)", whole)


def test_the_display_follows_the_terminal_s_size(far_side: Start) -> None:
    gate = threading.Event()
    gids = ("1204", "1205", "1206")
    far = far_side(until(gate))
    with Terminal(*gids, *EAGER, "-o", "none", url=far.url, columns=100) as terminal:
        seen = terminal.wait_for("last trouble")
        terminal.resize(40, 24)
        seen = terminal.wait_for("in progress", after=seen)

        def without_columns_for_which_there_is_no_room() -> bool:
            frame = terminal.read().rpartition("status")
            return "trouble" not in frame[2] and "1206" in frame[2]

        eventually(without_columns_for_which_there_is_no_room, "a narrow table")
        seen = len(terminal.read())
        terminal.resize(120, 24)
        terminal.wait_for("last trouble", after=seen)
        gate.set()
        assert terminal.end() == Exit.SUCCEEDED


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({"NO_COLOR": "1"}, []),
        ({"TERM": "dumb"}, []),
        ({"TERM": "dumb"}, ["--progress=live"]),
        ({}, ["--progress=plain"]),
    ],
)
def test_where_nothing_can_be_drawn_progress_is_plain(
    variables: dict[str, Any], options: list[str], far_side: Start
) -> None:
    with Terminal("1", *options, url=far_side(succeeded()).url, **variables) as terminal:
        assert terminal.end() == Exit.SUCCEEDED
        assert "\x1b" not in terminal.read()
        assert re.search(r"\d\d:\d\d:\d\d job 1: succeeded", terminal.read())


def test_no_color_is_obeyed_where_live_progress_is_asked_for(far_side: Start) -> None:
    gate = threading.Event()
    far = far_side(until(gate))
    with Terminal("1", "2", "--progress=live", *EAGER, url=far.url, NO_COLOR="1") as terminal:
        terminal.wait_for("in progress")
        gate.set()
        assert terminal.end() == Exit.SUCCEEDED
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.read())


def normal(text: str) -> str:
    """Return a log without what differs from run to run."""
    text = re.sub(r"\d\d:\d\d:\d\d", "TIME", text.replace("\r\n", "\n"))
    return re.sub(r"[0-9.]+ s\b", "SPAN", text)


@pytest.mark.parametrize("form", ["gid", "url", "json", "jsonl", "none"])
def test_both_streams_are_the_same_bytes_at_a_terminal_and_in_a_pipe(
    form: str, far_side: Start
) -> None:
    far = far_side(succeeded(new_project=EVIL))
    piped = run("7", "-o", form, url=far.url)
    with Terminal("7", "-o", form, "--progress=plain", "-q", url=far.url) as terminal:
        assert terminal.end() == piped.status == Exit.SUCCEEDED
        at_terminal = terminal.read().replace("\r\n", "\n")
    assert timeless(at_terminal) == timeless(piped.out)
    # And stderr, with stdout elsewhere.
    reading, writing = os.pipe()
    with Terminal("7", "-o", form, "--progress=plain", url=far.url, stdout=writing) as terminal:
        os.close(writing)
        assert terminal.end() == Exit.SUCCEEDED
        assert normal(terminal.read()) == normal(piped.err)
    with os.fdopen(reading) as pipe:
        assert timeless(pipe.read()) == timeless(piped.out)
    # And once more for a reader that is gone.
    reading, writing = os.pipe()
    os.close(reading)
    with Terminal("7", "-o", form, "--progress=plain", url=far.url, stdout=writing) as terminal:
        os.close(writing)
        assert terminal.end() == (Exit.SUCCEEDED if form == "none" else Exit.READER_GONE)
        assert normal(terminal.read()) == normal(piped.err)


def timeless(text: str) -> str:
    return re.sub(r'"elapsed_s": [0-9.]+', '"elapsed_s": 0', text)


# Signals.

SIGNALS = [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)]


@pytest.mark.parametrize(("number", "status"), SIGNALS)
@pytest.mark.parametrize("state", ["in a pause", "in a poll", "in many waits"])
def test_a_signal_ends_it_with_all_that_is_known(
    number: signal.Signals, status: Exit, state: str, far_side: Start
) -> None:
    far = far_side(silence() if state == "in a poll" else job("in_progress"))
    gids = ["1", "2", "3"] if state == "in many waits" else ["1"]
    with running(*gids, "-o", "json", "--price=100s", url=far.url) as process:
        if state == "in a poll":
            eventually(lambda: far.requests, "it is asked for")
        else:
            wait_for_lines(process, "in progress", len(gids))
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    document = json.loads(out)
    assert process.returncode == document["exit_code"] == status
    assert [(each["job"], each["outcome"]) for each in document["jobs"]] == [
        (gid, "pending") for gid in gids
    ]
    resume = f"jobwait: to go on waiting: jobwait {' '.join(gids)} --output json --price 100s"
    assert err.decode().splitlines()[-1] == resume
    assert b"Traceback" not in err


def wait_for_lines(process: subprocess.Popen[bytes], text: str, count: int) -> None:
    """Read stderr until so many lines with a text have come."""
    assert process.stderr is not None
    while count:
        line = process.stderr.readline().decode()
        assert line, f"{text!r} never came"
        count -= text in line


def test_a_signal_while_standard_input_is_read_ends_it(far_side: Start) -> None:
    far = far_side(job("in_progress"))
    for lines in (b"", b"1\n2\n"):
        with running("-", "-v", "-o", "jsonl", url=far.url) as process:
            assert process.stdin is not None
            process.stdin.write(lines)
            process.stdin.flush()
            wait_for_lines(process, "in progress" if lines else "asking", lines.count(b"\n") or 1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == Exit.INTERRUPTED
        assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["pending"] * (
            lines.count(b"\n")
        )
        assert b"interrupted" in err
        assert b"Traceback" not in err


@pytest.mark.parametrize("arguments", [("1204",), ("1204", "1205", "1206")])
@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_the_terminal_is_left_as_it_was_found(
    number: signal.Signals, status: Exit, arguments: tuple[str, ...], far_side: Start
) -> None:
    far = far_side(job("in_progress"))
    with Terminal(*arguments, *EAGER, url=far.url) as terminal:
        terminal.wait_for("in progress")
        if number == signal.SIGINT:
            terminal.type("\x03")
        else:
            terminal.signal(number)
        assert terminal.end() == status
        lines = "".join(terminal.shown().splitlines())
        assert lines.removeprefix("^C").startswith(
            "jobwait: interrupted; " if number == signal.SIGINT else "jobwait: terminated; "
        )
        assert f"to go on waiting: jobwait {' '.join(arguments)} " in lines
        assert terminal.has_its_settings()
        assert terminal.read().count("\x1b[?25l") == 0


def test_a_second_ctrl_c_is_no_traceback(far_side: Start) -> None:
    with Terminal("1", "2", *EAGER, url=far_side(job("in_progress")).url) as terminal:
        terminal.wait_for("in progress")
        for _ in range(3):
            terminal.type("\x03")
        assert terminal.end() == Exit.INTERRUPTED
        assert "Traceback" not in terminal.read()


def test_a_signal_before_there_is_anything_to_wait_for_ends_it_as_well() -> None:
    for delay in (0.02, 0.05, 0.1, 0.15, 0.2, 0.3):
        with running("1", url="http://127.0.0.1:9") as process:
            time.sleep(delay)  # wherever that falls, it must hold
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
        assert process.returncode in (Exit.TERMINATED, -signal.SIGTERM)
        assert b"Traceback" not in err


def test_a_signal_that_the_parent_ignores_is_ignored(far_side: Start) -> None:
    gate = threading.Event()
    far = far_side(until(gate))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with running("1", *EAGER, url=far.url) as process:
            signal.signal(signal.SIGINT, before)
            eventually(lambda: far.requests, "it has begun")
            process.send_signal(signal.SIGINT)
            gate.set()
            process.communicate(timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.returncode == Exit.SUCCEEDED


def test_output_that_nobody_reads_does_not_keep_it_from_ending(far_side: Start) -> None:
    gids = [str(number) for number in range(600)]
    with running(*gids, "-o", "json", url=far_side(silence()).url) as process:
        assert process.stderr is not None
        assert b"waiting for 600 jobs" in process.stderr.readline()
        # The document is larger than the pipe: writing it blocks, and the first signal with it.
        process.send_signal(signal.SIGTERM)

        def has_ended() -> bool:
            process.send_signal(signal.SIGTERM)
            return process.poll() is not None

        eventually(has_ended, "its end")
        assert process.returncode == Exit.TERMINATED


def test_a_name_look_up_that_never_ends_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import socket, time\nsocket.getaddrinfo = lambda *_, **__: time.sleep(600)\n"
    )
    for gids in (["1"], ["1", "2"]):
        url, path = "https://asana.test/api/1.0", str(tmp_path)
        with running(*gids, "-o", "json", url=url, PYTHONPATH=path) as process:
            wait_for_lines(process, "waiting for", 1)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        assert process.returncode == json.loads(out)["exit_code"] == Exit.TERMINATED
        assert b"Traceback" not in err


def test_only_a_later_signal_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    woken: list[bool] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    signals = Signals()
    signals._note(signal.SIGINT, None)
    signals.wake = lambda: woken.append(True)
    signals._note(signal.SIGTERM, None)
    assert (signals.first, ends, woken) == (signal.SIGINT, [], [])
    signals._at -= 2
    signals._note(signal.SIGTERM, None)
    assert ends == [143]
    assert signals.first == signal.SIGINT


def test_typed_gids_are_read_from_the_terminal(far_side: Start) -> None:
    with Terminal("-", "--progress=plain", url=far_side(succeeded()).url) as terminal:
        terminal.wait_for("reading jobs from this terminal")
        terminal.type("1204\n")
        terminal.wait_for("job 1204: succeeded")
        terminal.type("\x04")
        assert terminal.end() == Exit.SUCCEEDED
        assert "\n1301\r\n" in terminal.read()
