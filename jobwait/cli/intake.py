# SPDX-License-Identifier: MIT
"""Standard input as a source of jobs: gids one a line, or the JSON of create calls.

``Reader`` is fed bytes and gives gids; ``Intake`` is where the bytes come from, and knows when
waiting for more of them has to end.  What becomes of the jobs is not known here.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from jobwait._text import escape
from jobwait.cli.exits import CommandError, Exit
from jobwait.cli.values import STDIN, is_gid

# Of a line, or of a JSON document over several lines.
LARGEST = 8 * 1024 * 1024
# A pipe that stays silent for so long may have more to say later: its jobs are not held back.
_GRACE = 0.1
_CHUNK = 65536
CUT_OFF = (
    "the timeout came while standard input was still open: "
    "end what writes to it, or pass a longer --timeout"
)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class Reader:
    """Reads jobs from bytes, wherever these are cut.

    Attributes:
        gids: The number of gids read so far.
    """

    def __init__(self) -> None:
        self.gids = 0
        self._unread = b""
        self._line = 0
        self._document: list[str] = []
        self._began = 0
        self._depth = 0
        self._size = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the gids that are complete with these bytes.

        Raises:
            CommandError: A line holds no job; it is named by its number.
        """
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            yield from self._take(line)
        self._size += len(data) if self._depth else 0
        if max(len(self._unread), self._size) > LARGEST:
            raise self._problem(self._line + 1, "is longer than 8 MiB; split it")

    def end(self) -> Iterator[str]:
        """Yield the gid of a last line without line end.

        Raises:
            CommandError: The bytes end within a JSON document, or held no job at all.
        """
        rest, self._unread = self._unread, b""
        yield from self._take(rest)
        if self._document:
            raise self._problem(self._began, "begins a JSON document that never ends")
        if not self.gids:
            raise CommandError(
                "standard input held no job: pipe gids to it, one a line, or what the request "
                "that started the job answered (did that request fail?)"
            )

    def _take(self, data: bytes) -> Iterator[str]:
        self._line += 1
        line = data.decode("utf-8", "replace").strip()
        if self._line == 1:
            line = line.removeprefix("\ufeff")
        if not line:
            return
        if self._document or line[0] in '{["':
            yield from self._take_json(line)
        elif is_gid(line):
            yield self._count(line)
        else:
            shown = escape(line, longest=40)
            raise self._problem(self._line, f"holds no job but '{shown}': a gid is 1 to 32 digits")

    def _take_json(self, line: str) -> Iterator[str]:
        if not self._document:
            self._began = self._line
        self._document.append(line)
        # No string spans lines, so brackets outside of strings tell where a document ends.
        bare = _STRING.sub("", line)
        self._depth += sum((character in "{[") - (character in "}]") for character in bare)
        if self._depth > 0 and '"' not in bare:
            return
        text, self._document = "\n".join(self._document), []
        self._depth = self._size = 0
        for value in self._decode(text):
            for one in value if isinstance(value, list) else [value]:
                yield self._count(self._gid_in(one))

    def _decode(self, text: str) -> Iterator[Any]:
        decoder = json.JSONDecoder()
        at = 0
        while at < len(text):
            try:
                value, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                shown = escape(text[at:].lstrip(), longest=40)
                raise self._problem(self._began, f"is no JSON at '{shown}'") from None
            yield value
            while at < len(text) and text[at].isspace():
                at += 1

    def _gid_in(self, value: Any) -> str:
        """Return the gid in one JSON value: an envelope, a bare job, or the gid itself."""
        if isinstance(value, dict):
            if (said := _error_in(value)) is not None:
                raise self._problem(
                    self._began, f"holds Asana's error, so no job was started: {said}"
                )
            value = value.get("data", value)
        gid = value.get("gid") if isinstance(value, dict) else value
        if isinstance(gid, int) and not isinstance(gid, bool):
            gid = json.dumps(gid)
        if not isinstance(gid, str) or not is_gid(gid):
            raise self._problem(self._began, f"holds no job: its gid is {_shown(gid)}")
        return gid

    def _count(self, gid: str) -> str:
        self.gids += 1
        return gid

    def _problem(self, line: int, what: str) -> CommandError:
        return CommandError(f"standard input, line {line}, {what}")


class Intake:
    """The jobs of a command line, with those of standard input where ``-`` stands.

    Args:
        words: The gids and ``-``.
        deadline: When waiting for standard input ends, on the monotonic clock.
        read: Reads so many bytes of standard input; by default from its descriptor, as a
            buffered reader would keep a lock that the process's end needs.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        deadline: float = inf,
        read: Callable[[int], bytes] = lambda size: os.read(0, size),
    ) -> None:
        self._deadline = deadline
        self._read = read
        at = words.index(STDIN) if STDIN in words else len(words)
        self._reader = Reader() if STDIN in words else None
        self._known = list(words[:at])
        self._after = list(words[at + 1 :])

    def begin(self) -> list[str] | Iterator[str]:
        """Return the jobs: a list if all are known by now, else an iterator that may block.

        Raises:
            CommandError: What is known by now holds something that is no job, or no job at all.
        """
        if self._reader is None:
            return self._known
        if sys.stdin is None:
            raise CommandError(
                "standard input is closed: pipe jobs to it, or name them instead of -"
            )
        while self._is_ready(_GRACE if self._known else inf):
            data = self._more()
            if not data:
                return [*self._known, *self._reader.end(), *self._after]
            self._known += self._reader.feed(data)
        return self._stream(self._reader)

    def _stream(self, reader: Reader) -> Iterator[str]:
        yield from self._known
        while self._is_ready(inf) is not False and (data := self._more()):
            yield from reader.feed(data)
        yield from reader.end()
        yield from self._after

    def _is_ready(self, seconds: float) -> bool | None:
        """Tell whether standard input has more, or its end, within so long; None: nobody knows.

        Raises:
            CommandError: The deadline came.
        """
        left = self._deadline - time.monotonic()
        try:
            ready, _, _ = select.select([0], [], [], _select_timeout(min(seconds, left)))
        except (OSError, ValueError):  # Windows can tell for sockets only
            return None
        if not ready and left <= seconds:
            raise CommandError(CUT_OFF, Exit.TIMED_OUT)
        return bool(ready)

    def _more(self) -> bytes:
        try:
            return self._read(_CHUNK)
        except OSError as error:
            raise CommandError(f"standard input cannot be read: {error.strerror}") from None


def _select_timeout(seconds: float) -> float | None:
    return None if seconds == inf else max(seconds, 0.0)


def _error_in(value: dict[str, Any]) -> str | None:
    """Return what Asana said was wrong, if this is its answer to a request that failed."""
    errors = value.get("errors")
    if not isinstance(errors, list):
        return None
    said = [error.get("message") for error in errors if isinstance(error, dict)]
    return escape("; ".join(text for text in said if isinstance(text, str)), longest=200)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "of another kind"
    return escape(value if isinstance(value, str) else json.dumps(value), longest=40)
