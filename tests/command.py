# SPDX-License-Identifier: MIT
"""The installed command as a process: with pipes, or at a terminal of any size."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sysconfig
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

COMMAND = str(Path(sysconfig.get_path("scripts"), "jobwait"))
TOKEN = "1/1199:sentinel5e3b0c44298fc1c149afbf4c8996fb9"

# How long to wait for what happens within moments, on a machine that has other things to do.
PATIENCE = 30.0


@dataclass(frozen=True)
class Ended:
    """A run that is over.

    Attributes:
        status: The exit status.
        out: What came on stdout.
        err: What came on stderr.
    """

    status: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines of stderr that are errors."""
        return [line for line in self.err.splitlines() if line.startswith("jobwait: ")]


def environment(url: str | None = None, **variables: str | None) -> dict[str, str]:
    """Return an environment for the command, which asks the far side at a URL."""
    made: dict[str, str | None] = {**os.environ, "COLUMNS": "80", "ASANA_ACCESS_TOKEN": TOKEN}
    for name in ("JOBWAIT_TIMEOUT", "NO_COLOR", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        made.pop(name, None)
    made["ASANA_BASE_URL"] = url
    made["PATH"] = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    made |= variables
    return {name: value for name, value in made.items() if value is not None}


def run(
    *arguments: str,
    url: str | None = None,
    stdin: str | bytes = b"",
    env: Mapping[str, str] | None = None,
    **variables: str | None,
) -> Ended:
    """Run the command to its end, with pipes.

    Args:
        arguments: Its arguments.
        url: The far side.
        stdin: What comes on standard input.
        env: The whole environment, in place of ``url`` and ``variables``.
        variables: More of its environment; None unsets.
    """
    ended = subprocess.run(
        [COMMAND, *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=environment(url, **variables) if env is None else env,
        timeout=PATIENCE * 2,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@contextlib.contextmanager
def running(
    *arguments: str, url: str | None = None, **variables: str | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command beside the test, with pipes; it is gone when the test is."""
    process = subprocess.Popen(
        [COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(url, **variables),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so; fail if it never is."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.01)


class Screen:
    """What a terminal shows: as much of one as the command makes use of.

    Args:
        columns: Its width.
    """

    _PIECE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(.)", re.DOTALL)

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        """Show a text."""
        for number, letter, character in self._PIECE.findall(text):
            if letter == "A":
                self._row = max(self._row - int(number or 1), 0)
            elif letter == "K":
                assert number == "2", "only whole lines are erased"
                self.lines[self._row] = ""
            elif letter:
                assert letter == "m", f"unknown sequence {number}{letter}"
            elif character == "\r":
                self._column = 0
            elif character == "\n":
                self._down()
            else:
                assert character.isprintable(), f"control character {character!r}"
                self._put(character)

    def _put(self, character: str) -> None:
        if self._column == self.columns:
            self._column = 0
            self._down()
        line = self.lines[self._row].ljust(self._column)
        self.lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
        self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    @property
    def text(self) -> str:
        """What is shown, without the blanks at the ends."""
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")


class Terminal:
    """The command at a terminal of its own.

    Args:
        arguments: Its arguments.
        url: The far side.
        columns: The terminal's width.
        rows: Its height.
        stdout: Where stdout leads; None is the terminal, as for the rest.
        variables: More of its environment.
    """

    def __init__(
        self,
        *arguments: str,
        url: str | None = None,
        columns: int = 80,
        rows: int = 24,
        stdout: int | None = None,
        **variables: str | None,
    ) -> None:
        self._master, slave = pty.openpty()
        self.resize(columns, rows)
        self.settings = termios.tcgetattr(slave)
        # Whoever opens a terminal as the first of its session is controlled by it: Ctrl-C works.
        streams = '< "$TTY" 2> "$TTY"' + (' > "$TTY"' if stdout is None else "")
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$0" "$@" {streams}', COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            env=environment(
                url,
                **{
                    "TERM": "xterm-256color",
                    "COLUMNS": None,
                    "TTY": os.ttyname(slave),
                    **variables,
                },
            ),
            start_new_session=True,
        )
        self._slave = slave
        self.raw = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self._slave)

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal of another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> str:
        """Return all that was written so far."""
        while select.select([self._master], [], [], 0.01)[0]:
            self.raw += os.read(self._master, 65536)
        return self.raw.decode("utf-8", "replace")

    def wait_for(self, text: str, *, after: int = 0) -> int:
        """Wait until a text is written; return how much has been written by then."""
        eventually(lambda: text in self.read()[after:], f"{text!r} in {self.read()!r}")
        return len(self.read())

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for the command's end; return its exit status."""
        give_up = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < give_up, f"it never ends: {self.read()!r}"
            self.read()
        self.read()
        return self._process.returncode

    def has_its_settings(self) -> bool:
        """Tell whether the terminal is set as before."""
        return termios.tcgetattr(self._slave) == self.settings

    def shown(self, columns: int = 80) -> str:
        """Return what the terminal shows, if it was as wide all the time."""
        screen = Screen(columns)
        screen.feed(self.read())
        return screen.text
