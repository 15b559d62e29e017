# SPDX-License-Identifier: MIT
"""The exit statuses: an interface, so no number here ever changes its meaning.

This file does not know how any of them comes about.
"""

from __future__ import annotations

import enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self


class Exit(enum.IntEnum):
    """How a run of the command ended.

    Attributes:
        meaning: What the status says, for the help, the man page and the docs.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str = "") -> Self:
        """Make a member of its number, and give it its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    SUCCEEDED = 0, "every job asked for succeeded (with --any: one did)"
    FAILED = 1, "a job failed"
    MISUSED = 2, "the command line or the configuration is wrong"
    UNSEEN = 3, "a job does not exist or may not be seen (403, 404)"
    UNAUTHORIZED = 4, "no token, or a token that is not accepted (401)"
    NO_REFERENCE = 5, "a job succeeded, but its reference could not be seen"
    UNAVAILABLE = 6, "Asana could not be reached or did not answer sensibly"
    PENDING = 8, "still pending (--once)"
    BUG = 70, "a bug in jobwait"
    TIMED_OUT = 124, "the timeout came first: the job may still be running"
    INTERRUPTED = 130, "interrupted (SIGINT)"
    READER_GONE = 141, "the reader of the output closed the pipe"
    TERMINATED = 143, "terminated (SIGTERM)"


_BY_OUTCOME = {
    "succeeded": Exit.SUCCEEDED,
    "failed": Exit.FAILED,
    "timed_out": Exit.TIMED_OUT,
    "not_found": Exit.UNSEEN,
    "denied": Exit.UNSEEN,
    "unauthorized": Exit.UNAUTHORIZED,
    "unavailable": Exit.UNAVAILABLE,
    "no_reference": Exit.NO_REFERENCE,
    "pending": Exit.PENDING,
}

# What the reader of the status most needs to know comes first.
_PRECEDENCE = (
    Exit.UNAUTHORIZED,
    Exit.UNSEEN,
    Exit.FAILED,
    Exit.UNAVAILABLE,
    Exit.NO_REFERENCE,
    Exit.TIMED_OUT,
    Exit.PENDING,
)


def exit_for(outcomes: Collection[str], *, one_suffices: bool = False) -> Exit:
    """Return the one status that several outcomes amount to.

    Args:
        outcomes: The outcomes' words.
        one_suffices: Whether it is enough that one job succeeded.
    """
    seen = {_BY_OUTCOME[outcome] for outcome in outcomes}
    if one_suffices and Exit.SUCCEEDED in seen:
        return Exit.SUCCEEDED
    return next((status for status in _PRECEDENCE if status in seen), Exit.SUCCEEDED)


class CommandError(Exception):
    """What ends the command before, or beside, any job's own end.

    Attributes:
        message: What happened and what to do, in one line.
        status: The exit status that it leads to.
    """

    def __init__(self, message: str, status: Exit = Exit.MISUSED) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class ReaderGoneError(Exception):
    """The reader of standard output closed it: there is nobody left to tell."""
