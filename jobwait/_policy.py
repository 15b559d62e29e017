# SPDX-License-Identifier: MIT
"""When to poll: the numbers of a wait, and their arithmetic.

The k-th poll of a job that is still pending falls ``price * k**2`` seconds after the first.
If one request is worth ``price`` seconds of delay, no schedule that does not know how long the
job takes can promise to cost less; ``docs/decides.md`` has the argument and the measurements.

This file knows no clock, no randomness, no job and no HTTP: all times are seconds, given to it.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from math import sqrt

DEFAULT_TIMEOUT = 1800.0
DEFAULT_RATE = 150.0
_LARGEST = sys.float_info.max


def check_seconds(name: str, value: float, *, infinite: bool = False) -> float:
    """Return a number of seconds as a float; refuse what is none, by the parameter's name.

    Args:
        name: What the caller calls it.
        value: The seconds.
        infinite: Whether ``inf`` is a choice.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN or negative, or infinite where that is no choice.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    # Compared, not asked with math.isnan: a huge int is no float.
    if not 0 <= value <= _LARGEST and not (infinite and value == math.inf):
        kind = "0 or more" if infinite else "0 or more, and finite"
        raise ValueError(f"{name} must be {kind}, not {value!r}")
    return float(value)


def check_timeout(timeout: float | None) -> float:
    """Return the seconds until the deadline; None, for ever, becomes ``inf``.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN or negative.
    """
    return math.inf if timeout is None else check_seconds("timeout", timeout, infinite=True)


def check_rate(rate: float) -> float:
    """Return the requests a minute as a float.

    Raises:
        TypeError: It is no number.
        ValueError: It is not positive and finite.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise TypeError(f"rate must be a number of requests a minute, not {type(rate).__name__}")
    if not 0 < rate <= _LARGEST:
        raise ValueError(f"rate must be more than 0 requests a minute, and finite, not {rate!r}")
    return float(rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitPolicy:
    """The numbers of a wait.  All times are seconds.

    Attributes:
        price: The delay that one request is worth.  None is half a slot of the token's
            budget, ``30 / rate``: 0.2 s at 150 requests a minute.
        jitter: Each pause is stretched or shrunk by at most this fraction of itself, so that
            waits that began together drift apart.
        min_pause: The shortest pause between two polls.
        max_pause: The longest; ``inf`` lets it grow for ever.
        outage_tolerance: How long nothing but failed polls is put up with; ``inf`` never ends.
        not_found_grace: How long a 404 is put up with: a new job may not be readable yet.
        settle: How long a succeeded job may go without showing what it made.

    Raises:
        TypeError: A value is no number.
        ValueError: A value is NaN, negative, or infinite where that is no choice; the text
            names it.
    """

    price: float | None = None
    jitter: float = 0.1
    min_pause: float = 0.2
    max_pause: float = 60.0
    outage_tolerance: float = 300.0
    not_found_grace: float = 5.0
    settle: float = 10.0

    def __post_init__(self) -> None:
        for name in ("jitter", "min_pause", "not_found_grace", "settle"):
            check_seconds(name, getattr(self, name))
        for name in ("max_pause", "outage_tolerance"):
            check_seconds(name, getattr(self, name), infinite=True)
        if self.price is not None:
            check_seconds("price", self.price)
        if self.jitter > 1:
            raise ValueError(f"jitter must be a fraction from 0 to 1, not {self.jitter!r}")
        if self.min_pause > self.max_pause:
            raise ValueError(
                f"min_pause must not be more than max_pause, {self.max_pause!r}, "
                f"not {self.min_pause!r}"
            )

    def price_at(self, rate: float) -> float:
        """Return the price in force on a budget of ``rate`` requests a minute, in seconds."""
        return 30.0 / rate if self.price is None else self.price

    def pause(self, elapsed: float, *, price: float, spread: float = 0.0) -> float:
        """Return the seconds to the next poll.

        Args:
            elapsed: The seconds since the stretch began: the wait, or an outage in it.
            price: The price in force, in seconds.
            spread: Where in the jitter to fall, from -1 (shrunk) to 1 (stretched).
        """
        # From price * k**2 to price * (k + 1)**2, without having to know k.
        pause = 2 * sqrt(price * elapsed) + price
        pause = min(max(pause, self.min_pause), self.max_pause)
        return min(max(pause * (1 + self.jitter * spread), self.min_pause), self.max_pause)
