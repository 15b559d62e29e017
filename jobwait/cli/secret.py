# SPDX-License-Identifier: MIT
"""Where the token comes from.  What it is like is checked by the library; nobody prints it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from jobwait._text import escape
from jobwait.cli.exits import CommandError, Exit
from jobwait.cli.values import STDIN

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST = 65536


class Found(NamedTuple):
    """A token, and where it was found.

    Attributes:
        token: The token.
        source: Its place: an option, a variable.
    """

    token: str
    source: str

    def __repr__(self) -> str:
        return f"<token from {self.source}>"


def find_token(token_file: str | None, warn: Callable[[str], object]) -> Found:
    """Find the token: in the file named by the option or the environment, else in the environment.

    Args:
        token_file: What ``--token-file`` says.
        warn: Whom to tell that others can read the file.

    Raises:
        CommandError: There is none, or its file cannot be read.
    """
    if token_file is not None:
        return Found(_read(token_file, "--token-file", warn), "--token-file")
    for name in ("ASANA_ACCESS_TOKEN_FILE", "ASANA_ACCESS_TOKEN"):
        value = os.environ.get(name)
        if value and name.endswith("_FILE"):
            return Found(_read(value, name, warn), name)
        if value is not None and not name.endswith("_FILE"):
            return Found(value, name)
    raise CommandError(
        "there is no token: set ASANA_ACCESS_TOKEN, or name the file that holds it with "
        "--token-file or ASANA_ACCESS_TOKEN_FILE (jobwait --demo needs none)",
        Exit.UNAUTHORIZED,
    )


def _read(path: str, source: str, warn: Callable[[str], object]) -> str:
    shown = f"'{escape(path)}'"
    try:
        descriptor = 0 if path == STDIN else os.open(path, os.O_RDONLY)
        try:
            if path != STDIN:
                _check_mode(descriptor, shown, source, warn)
            held = _read_all(descriptor)
        finally:
            if path != STDIN:
                os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CommandError(
            f"{source}: the token cannot be read from {shown}: {reason}; "
            "name a file that holds the token and nothing else"
        ) from None
    if len(held) > _LARGEST:
        raise CommandError(
            f"{source}: {shown} is too large to be a token; name the token's own file"
        )
    return held.decode("utf-8", "replace")


def _read_all(descriptor: int) -> bytes:
    held = b""
    while len(held) <= _LARGEST and (more := os.read(descriptor, _LARGEST)):
        held += more
    return held


def _check_mode(descriptor: int, shown: str, source: str, warn: Callable[[str], object]) -> None:
    found = os.fstat(descriptor)
    # What the shell makes of <(...) is a pipe, and no file that stays.
    if os.name == "posix" and stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
        warn(f"{source}: others can read the token in {shown}: chmod 600 it")
