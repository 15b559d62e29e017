# SPDX-License-Identifier: MIT
"""The command line that goes on waiting for what has not ended."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobwait.cli.arguments import make_parser, options

if TYPE_CHECKING:
    from jobwait.cli.arguments import Arguments


def command_line(arguments: Arguments, gids: Iterable[str]) -> str:
    """Return a command line for these jobs with the options that were given.

    What came from the environment comes from there again; the token never gets here.

    Args:
        arguments: What was given.
        gids: The jobs to go on with.
    """
    words = ["jobwait", *gids]
    for option in options(make_parser()):
        value = getattr(arguments, option.dest, option.default)
        if option.dest != "jobs" and value != option.default:
            name = option.option_strings[-1]
            if option.nargs != 0:
                words += [name, str(value)]
            else:
                words += [name] * int(value)
    return shlex.join(words)
