# SPDX-License-Identifier: MIT
"""The knobs of a simulated Asana, checked; what they do is done elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jobwait.simulator._kinds import TABLE
from jobwait.simulator._time import Duration, check_duration, check_seconds

_STRANGER_STATUSES = (403, 404)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``Simulator`` takes, but for where it listens and its clock.

    Raises:
        TypeError: A value is of the wrong type; the text begins with its name.
        ValueError: A value is out of range; the text begins with its name.
    """

    duration: Duration = 3.0
    fail: float | Collection[str] = 0.0
    rate: int | None = 150
    in_progress_limit: int | None = 5
    not_found_for: float = 0.0
    server_errors: float = 0.0
    bad_gateways: float = 0.0
    hide_reference: bool = False
    stranger_status: int = 404
    download_delay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_duration("duration", self.duration)
        _check_fail(self.fail)
        for name in ("rate", "in_progress_limit"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), least=1)
        for name in ("not_found_for", "download_delay"):
            check_seconds(name, getattr(self, name))
        for name in ("server_errors", "bad_gateways"):
            check_fraction(name, getattr(self, name))
        if self.server_errors + self.bad_gateways > 1:
            raise ValueError("server_errors and bad_gateways must not be more than 1 together")
        if self.stranger_status not in _STRANGER_STATUSES:
            raise ValueError(f"stranger_status must be 403 or 404, not {self.stranger_status!r}")
        check_whole("seed", self.seed)

    def fails(self, kind: str, chance: float) -> bool:
        """Return whether a job fails.

        Args:
            kind: Its kind.
            chance: Where in the distribution it falls, from 0 to 1.
        """
        return chance < self.fail if isinstance(self.fail, int | float) else kind in self.fail


def check_kind(name: str, kind: object) -> None:
    """Refuse what is no kind of job, by the parameter's name.

    Raises:
        ValueError: It is none.
    """
    if kind not in TABLE:
        raise ValueError(f"{name} must be one of {', '.join(TABLE)}, not {kind!r}")


def check_whole(name: str, value: object, *, least: int | None = None) -> None:
    """Refuse what is no whole number, by the parameter's name.

    Raises:
        TypeError: It is no int.
        ValueError: It is less than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if least is not None and value < least:
        raise ValueError(f"{name} must be {least} or more, not {value!r}")


def check_fraction(name: str, value: object) -> None:
    """Refuse what is no number from 0 to 1, by the parameter's name.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN, or less than 0, or more than 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number from 0 to 1, not {type(value).__name__}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, not {value!r}")


def _check_fail(fail: object) -> None:
    # A string is a collection too, of letters.
    if isinstance(fail, Collection) and not isinstance(fail, str):
        for kind in fail:
            check_kind("fail", kind)
    else:
        check_fraction("fail", fail)
