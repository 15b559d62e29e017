# SPDX-License-Identifier: MIT
"""Answers about the command itself: its man page, its completions, the schema of its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobwait.cli.exits import Exit
from jobwait.cli.streams import put

if TYPE_CHECKING:
    from jobwait.cli.arguments import Arguments


def answer(arguments: Arguments) -> int:
    """Print what was asked for.

    Args:
        arguments: The command line; it asks for one of them.

    Raises:
        ReaderGoneError, CommandError: It cannot be written.
    """
    if arguments.json_schema:
        from jobwait.cli.document import schema  # noqa: PLC0415

        put(schema() + "\n")
    elif arguments.man:
        from jobwait.cli.manual import manual  # noqa: PLC0415

        put(manual())
    else:
        from jobwait.cli.completion import script  # noqa: PLC0415

        put(script(arguments.completion or ""))
    return Exit.SUCCEEDED
