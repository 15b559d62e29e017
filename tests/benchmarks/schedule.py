# SPDX-License-Identifier: MIT
"""When to poll: what the schedule costs, against a planner that knows how long jobs take.

Measured: the mean of (delay + price x polls) when one request is worth ``price`` seconds of delay;
20,000 jobs a mix, spread evenly over the distribution, with ``WaitPolicy``'s own arithmetic, its
defaults and its jitter.  Against: the best schedule there is for who knows the distribution, found
by dynamic programming on a fine grid of times; printed beside what people write instead, and
google-api-core's default.  All look once at the start, as the answer to the request that started
a job may be out of date when it arrives, and pay for it; "blind" is the planner that need not,
because it knows that no job of the mix ends at once.

Promise: at most 1.45 times the planner's cost, in the mean over the mixes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, repeat
from statistics import NormalDist, fmean
from typing import TypeAlias

import numpy as np
from google.api_core.future.polling import DEFAULT_POLLING
from google.api_core.retry import exponential_sleep_generator
from numpy.typing import NDArray
from shared import lognormal, promise, table

from jobwait import WaitPolicy

PRICES = (0.4, 0.2)
_JOBS = 20_000
_GRID = 4_000
_RARE = 1e-7


@dataclass(frozen=True, slots=True)
class Mix:
    """A distribution of durations: log-normal humps, each with its weight, median and sigma."""

    name: str
    humps: tuple[tuple[float, float, float], ...]

    def durations(self) -> list[float]:
        return [
            duration
            for weight, median, sigma in self.humps
            for duration in lognormal(median, sigma, round(_JOBS * weight))
        ]

    def done(self, seconds: float) -> float:
        """Return the fraction of jobs that take no more than so many seconds."""
        if not seconds:
            return 0.0
        return sum(
            weight * NormalDist(math.log(median), sigma).cdf(math.log(seconds))
            for weight, median, sigma in self.humps
        )

    def longest(self) -> float:
        return max(
            median * math.exp(NormalDist(0, sigma).inv_cdf(1 - _RARE))
            for _, median, sigma in self.humps
        )


MIXES = (
    *(
        Mix(f"{median} s, {sigma}", ((1.0, median, sigma),))
        for median in (2, 8, 30, 120)
        for sigma in (0.5, 0.8)
    ),
    Mix("70 % 2 s, 0.6 + 30 % 60 s, 0.8", ((0.7, 2, 0.6), (0.3, 60, 0.8))),
)


def jobwait(price: float) -> Iterator[float]:
    """Yield the pauses of one wait, as its policy decides them."""
    policy = WaitPolicy(price=price)
    elapsed = 0.0
    while True:
        pause = policy.pause(elapsed, price=policy.price_at(150), spread=random.uniform(-1, 1))
        elapsed += pause
        yield pause


def doubling() -> Iterator[float]:
    return chain((1.0, 2.0, 4.0, 8.0, 16.0, 32.0), repeat(60.0))


def google() -> Iterator[float]:
    polling = DEFAULT_POLLING
    return iter(
        exponential_sleep_generator(polling._initial, polling._maximum, polling._multiplier)
    )


Schedule: TypeAlias = Callable[[], Iterator[float]]
OTHERS: dict[str, Schedule] = {
    **{f"{pause} s": partial(repeat, float(pause)) for pause in (1, 5, 15, 30)},
    "doubling": doubling,
    "google": google,
}


def main() -> None:
    """Run the benchmark."""
    random.seed(0)
    for price in PRICES:
        rows, ratios, blind = [], [], []
        for mix in MIXES:
            durations = mix.durations()
            unseen = planner(mix, price)
            best = price + unseen
            schedules: list[Schedule] = [partial(jobwait, price), *OTHERS.values()]
            costs = [cost(durations, pauses, price) for pauses in schedules]
            ratios.append([found / best for found in costs])
            blind.append(costs[0] / unseen)
            shown = (*ratios[-1], blind[-1])
            rows.append((mix.name, f"{best:.2f} s", *(f"{ratio:.2f}" for ratio in shown)))
        means = [fmean(column) for column in (*zip(*ratios, strict=True), blind)]
        rows.append(("mean", "", *(f"{mean:.2f}" for mean in means)))
        table(
            (f"median, sigma; price {price} s", "planner", "jobwait", *OTHERS, "jobwait to blind"),
            rows,
        )
        promise(
            f"price {price} s: cost to the planner's, mean of mixes",
            means[0],
            at_most=1.45,
            form=".3f",
        )
        print(f"- (of the mixes, from {min(ratios)[0]:.2f} to {max(ratios)[0]:.2f})\n")
    table(
        ("a job of about", "mean delay", "polls"),
        [(name, *prompt(seconds)) for name, seconds in LENGTHS.items()],
    )


LENGTHS = {"2 s": 2.0, "30 s": 30.0, "10 min": 600.0, "3 h": 10_800.0}


def prompt(seconds: float) -> tuple[str, str]:
    """Return mean delay and number of polls for jobs of half to one and a half times a length."""
    durations = [seconds * (0.5 + (n + 0.5) / 2_000) for n in range(2_000)]
    delays, polls = zip(*(watch(d, jobwait(0.2)) for d in durations), strict=True)
    return f"{fmean(delays):.2f} s", f"{fmean(polls):.1f}"


def watch(duration: float, pauses: Iterator[float]) -> tuple[float, int]:
    """Return the delay and the number of polls, the first of them at once."""
    at = 0.0
    for polls in count(1):
        if at >= duration:
            return at - duration, polls
        at += next(pauses)
    raise AssertionError


def cost(durations: list[float], pauses: Schedule, price: float) -> float:
    """Return the mean of (delay + price x polls)."""
    return fmean(
        delay + price * polls for delay, polls in (watch(each, pauses()) for each in durations)
    )


def planner(mix: Mix, price: float) -> float:
    """Return the least cost of any schedule made with the distribution known.

    ``ahead[i]`` is what is still to be paid, in the mean over all jobs, once a poll at the i-th
    time of the grid has found what is still pending: the price of the next poll for as many as
    are, the delay of those that end before it, and what is ahead from there.
    """
    # Finer where jobs are short: pauses there are, too.
    times = mix.longest() * np.linspace(0, 1, _GRID) ** 2
    done: NDArray[np.float64] = np.array([mix.done(at) for at in times])
    area = np.concatenate(([0.0], np.cumsum(np.diff(times) * (done[1:] + done[:-1]) / 2)))
    ahead = np.zeros(_GRID)
    for i in range(_GRID - 2, -1, -1):
        delay = area[i + 1 :] - area[i] - done[i] * (times[i + 1 :] - times[i])
        ahead[i] = price * (1 - done[i]) + (delay + ahead[i + 1 :]).min()
    return float(ahead[0])
