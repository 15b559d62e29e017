# SPDX-License-Identifier: MIT
"""Time in the simulated Asana: how long a job takes, and a clock for tests to drive.

All times are seconds.  What happens as time passes is decided elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Self, TypeAlias


def check_seconds(name: str, value: object) -> float:
    """Return a number of seconds as a float; ``inf``, which is for ever, is a choice.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN or negative.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if math.isnan(value) or value < 0:
        raise ValueError(f"{name} must be 0 seconds or more, not {value!r}")
    return float(value)


class ManualClock:
    """A clock that moves when it is told to: pass it as ``clock``, and no test has to sleep.

    Args:
        start: The seconds that it shows at first.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = check_seconds("start", start)

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass, at once.

        Raises:
            TypeError: They are no number.
            ValueError: They are NaN or negative: the clock is monotonic.
        """
        self._now += check_seconds("seconds", seconds)

    sleep = advance
    """The same, for code that wants to be given something to sleep with."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long jobs take, drawn anew for each job: make one by its class methods.

    Anything else that takes a ``random.Random`` and returns seconds does as well.
    """

    _text: str
    _draw: Callable[[Random], float]

    def __call__(self, rng: Random) -> float:
        return self._draw(rng)

    def __repr__(self) -> str:
        return f"Durations.{self._text}"

    @classmethod
    def lognormal(cls, median: float, sigma: float) -> Self:
        """Return durations whose logarithms are normally distributed: most short, some long.

        Args:
            median: Half of the jobs take fewer seconds than this, more than 0.
            sigma: The standard deviation of the logarithm: at 0.8, one job in six takes more
                than 2.2 times the median.

        Raises:
            TypeError: One of them is no number.
            ValueError: One of them is NaN, negative or infinite, or the median is 0.
        """
        if not 0 < check_seconds("median", median) < math.inf:
            raise ValueError(f"median must be more than 0 seconds, and finite, not {median!r}")
        if check_seconds("sigma", sigma) == math.inf:
            raise ValueError(f"sigma must be finite, not {sigma!r}")
        centre = math.log(median)
        return cls(
            f"lognormal({median!r}, {sigma!r})", lambda rng: rng.lognormvariate(centre, sigma)
        )

    @classmethod
    def choice(cls, *options: Duration) -> Self:
        """Return a mixture: each job takes one of the options, all equally likely.

        Args:
            options: Seconds, or other durations; ``choice(1, 1, Durations.lognormal(30, 1))``
                is two small jobs to each large one.

        Raises:
            TypeError: There are none, or one of them is neither a number nor callable.
            ValueError: One of them is NaN or negative.
        """
        if not options:
            raise TypeError("options must not be empty")
        for option in options:
            check_duration("options", option)
        return cls(
            f"choice({', '.join(map(repr, options))})",
            lambda rng: draw("options", rng.choice(options), rng),
        )


Duration: TypeAlias = float | Callable[[Random], float]
"""Seconds, or what draws them."""


def check_duration(name: str, duration: object) -> None:
    """Refuse what is neither seconds nor callable, by the parameter's name.

    Raises:
        TypeError: It is neither a number nor callable.
        ValueError: It is NaN or negative.
    """
    if not callable(duration):
        check_seconds(name, duration)


def draw(name: str, duration: Duration, rng: Random) -> float:
    """Return the seconds that one job takes.

    Raises:
        TypeError: What was drawn is no number.
        ValueError: What was drawn is NaN or negative.
    """
    return check_seconds(name, duration(rng) if callable(duration) else duration)
