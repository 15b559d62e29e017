# SPDX-License-Identifier: MIT
"""When to poll: the schedule is what the design says, and no number that is none gets in."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
from itertools import pairwise
from math import inf, nan, nextafter, sqrt
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobwait._policy import (
    DEFAULT_RATE,
    DEFAULT_TIMEOUT,
    WaitPolicy,
    check_rate,
    check_seconds,
    check_timeout,
)

LARGEST = sys.float_info.max
DEFAULTS = {
    "price": None,
    "jitter": 0.1,
    "min_pause": 0.2,
    "max_pause": 60.0,
    "outage_tolerance": 300.0,
    "not_found_grace": 5.0,
    "settle": 10.0,
}
FINITE = ("price", "jitter", "min_pause", "not_found_grace", "settle")
UNBOUNDED = WaitPolicy(min_pause=0.0, max_pause=inf, jitter=0.0)


def polls_until(end: float, policy: WaitPolicy, price: float) -> list[float]:
    """Return the times of all polls of a job that ends then, if answers take no time."""
    times = [0.0]
    while times[-1] < end:
        times.append(times[-1] + policy.pause(times[-1], price=price))
    return times


# The schedule


@settings(deadline=None)
@given(price=st.floats(1e-3, 1e3), polls=st.integers(1, 200))
def test_the_kth_poll_falls_at_price_times_k_squared(price: float, polls: int) -> None:
    elapsed = 0.0
    for k in range(1, polls + 1):
        elapsed += UNBOUNDED.pause(elapsed, price=price)
        assert elapsed == pytest.approx(price * k**2, rel=1e-9)


@settings(deadline=None)
@given(price=st.floats(1e-3, 1e3), elapsed=st.floats(0, 1e6))
def test_the_pause_needs_only_the_time_elapsed(price: float, elapsed: float) -> None:
    """A task queue that keeps no count of polls can ask for it."""
    pause = UNBOUNDED.pause(elapsed, price=price)
    assert sqrt(elapsed + pause) == pytest.approx(sqrt(elapsed) + sqrt(price), rel=1e-6)


@pytest.mark.parametrize(
    ("duration", "polls", "mean_delay"),
    [(2, 5, 0.75), (30, 14, 2.6), (600, 57, 11), (10800, 263, 31)],
)
def test_the_schedule_costs_what_the_design_says(
    duration: float, polls: int, mean_delay: float
) -> None:
    """The design's figures are means over jittered waits; the plain schedule is near them."""
    times = polls_until(duration, WaitPolicy(), price=0.2)
    assert len(times) == pytest.approx(polls, rel=0.03)
    # A job that ends at any moment between two polls is seen half a pause late in the mean.
    assert (times[-1] - times[-2]) / 2 == pytest.approx(mean_delay, rel=0.08)


@pytest.mark.parametrize(
    ("policy", "elapsed", "price", "pause"),
    [
        (WaitPolicy(), 0.0, 0.2, 0.2),
        (WaitPolicy(), 0.2, 0.2, 0.6),
        (WaitPolicy(), 0.8, 0.2, 1.0),
        (WaitPolicy(), 1e6, 0.2, 60.0),
        (WaitPolicy(), 0.0, 0.02, 0.2),
        (WaitPolicy(), 0.0, 0.0, 0.2),
        (WaitPolicy(min_pause=0.0), 5.0, 0.0, 0.0),
        (WaitPolicy(min_pause=1.0), 0.0, 0.5, 1.0),
        (WaitPolicy(min_pause=1.0), 1.0, 0.25, 1.25),
        (WaitPolicy(max_pause=1.25), 1.0, 0.25, 1.25),
        (WaitPolicy(max_pause=1.0), 1.0, 0.25, 1.0),
        (WaitPolicy(min_pause=3.0, max_pause=3.0), 1.0, 0.2, 3.0),
        (WaitPolicy(max_pause=inf), 1e6, 1.0, 2001.0),
    ],
)
def test_the_pause_keeps_between_its_limits(
    policy: WaitPolicy, elapsed: float, price: float, pause: float
) -> None:
    assert policy.pause(elapsed, price=price) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("policy", "spread", "pause"),
    [
        (WaitPolicy(), 0.0, 1.25),
        (WaitPolicy(), 1.0, 1.375),
        (WaitPolicy(), -1.0, 1.125),
        (WaitPolicy(), 0.5, 1.3125),
        (WaitPolicy(jitter=0.0), 1.0, 1.25),
        (WaitPolicy(jitter=1.0), 1.0, 2.5),
        (WaitPolicy(jitter=1.0), -1.0, 0.2),
        (WaitPolicy(jitter=1.0, min_pause=0.0), -1.0, 0.0),
        (WaitPolicy(min_pause=1.2), -1.0, 1.2),
        (WaitPolicy(max_pause=1.3), 1.0, 1.3),
        # The jitter is a part of the pause within its limits, not of what they cut off.
        (WaitPolicy(min_pause=2.0), 1.0, 2.2),
        (WaitPolicy(max_pause=1.0), -1.0, 0.9),
    ],
)
def test_jitter_stretches_and_shrinks(policy: WaitPolicy, spread: float, pause: float) -> None:
    assert policy.pause(1.0, price=0.25, spread=spread) == pytest.approx(pause)


@settings(deadline=None)
@given(
    elapsed=st.floats(0, 1e7),
    price=st.floats(0, 1e3),
    spread=st.floats(-1, 1),
    jitter=st.floats(0, 1),
    limits=st.tuples(st.floats(0, 1e3), st.floats(0, 1e3) | st.just(inf)).map(sorted),
)
def test_jitter_stays_within_its_fraction_and_the_limits(
    elapsed: float, price: float, spread: float, jitter: float, limits: list[float]
) -> None:
    low, high = limits
    assume(low < inf)
    policy = WaitPolicy(jitter=jitter, min_pause=low, max_pause=high)
    plain = policy.pause(elapsed, price=price)
    pause = policy.pause(elapsed, price=price, spread=spread)
    assert low <= pause <= high
    assert plain * (1 - jitter) * (1 - 1e-9) <= pause <= plain * (1 + jitter) * (1 + 1e-9)


@settings(deadline=None)
@given(st.floats(1e-3, 1e3), st.lists(st.floats(0, 1e7), min_size=2, max_size=9).map(sorted))
def test_pauses_never_shrink_as_time_goes_by(price: float, moments: list[float]) -> None:
    pauses = [WaitPolicy().pause(moment, price=price) for moment in moments]
    assert all(earlier <= later for earlier, later in pairwise(pauses))


@pytest.mark.parametrize(
    ("price", "rate", "in_force"),
    [
        (None, 150.0, 0.2),
        (None, 1500.0, 0.02),
        (None, 1, 30.0),
        (0.5, 150.0, 0.5),
        (0, 150.0, 0),
    ],
)
def test_without_a_price_it_is_half_a_slot_of_the_budget(
    price: float | None, rate: float, in_force: float
) -> None:
    assert WaitPolicy(price=price).price_at(rate) == pytest.approx(in_force)


# The numbers


def test_the_defaults_are_those_of_the_contract() -> None:
    assert dataclasses.asdict(WaitPolicy()) == DEFAULTS
    assert (DEFAULT_TIMEOUT, DEFAULT_RATE) == (1800.0, 150.0)


def test_a_policy_is_frozen_slotted_and_keyword_only() -> None:
    policy = WaitPolicy()
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.price = 1.0  # type: ignore[misc]
    assert not hasattr(policy, "__dict__")
    with pytest.raises(TypeError):
        WaitPolicy(0.2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        WaitPolicy(speed=1.0)  # type: ignore[call-arg]
    assert hash(WaitPolicy(price=1.0)) == hash(WaitPolicy(price=1.0))


@pytest.mark.parametrize("again", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy])
def test_a_policy_can_be_copied_and_changed(again: Any) -> None:
    policy = WaitPolicy(price=1.5, max_pause=inf)
    assert again(policy) == policy
    assert dataclasses.replace(policy, settle=1.0).settle == 1.0


def make(name: str, value: Any) -> WaitPolicy:
    numbers: dict[str, Any] = {name: value}
    return WaitPolicy(**numbers)


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", [nan, -inf, -1, -1e-9, -(10**400), 10**400])
def test_a_number_that_is_no_span_of_time_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be 0 or more"):
        make(name, value)


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("value", [True, False, "1", b"1", [1], 1j])
def test_what_is_no_number_is_refused_by_name(name: str, value: Any) -> None:
    kind = type(value).__name__
    with pytest.raises(TypeError, match=f"^{name} must be a number of seconds, not {kind}$"):
        make(name, value)


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name != "price"])
def test_only_the_price_may_be_left_open(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a number of seconds, not NoneType$"):
        make(name, None)


@pytest.mark.parametrize("name", FINITE)
def test_infinity_is_refused_where_it_is_no_choice(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be 0 or more, and finite, not inf$"):
        make(name, inf)


@pytest.mark.parametrize("name", ["max_pause", "outage_tolerance"])
def test_infinity_is_a_choice_for_the_longest_pause_and_the_tolerance(name: str) -> None:
    assert getattr(make(name, inf), name) == inf


@pytest.mark.parametrize("name", ["price", "jitter", "min_pause", "outage_tolerance"])
@pytest.mark.parametrize("value", [0, 0.0, 1e-9, 1, 1.0])
def test_zero_and_small_numbers_and_ints_are_taken(name: str, value: float) -> None:
    assert getattr(make(name, value), name) == value


@pytest.mark.parametrize("name", ["not_found_grace", "settle"])
def test_no_patience_at_all_is_a_choice(name: str) -> None:
    assert getattr(make(name, 0), name) == 0


def test_jitter_is_a_fraction() -> None:
    assert WaitPolicy(jitter=1).jitter == 1
    with pytest.raises(ValueError, match=r"^jitter must be a fraction from 0 to 1, not 1\.0000"):
        WaitPolicy(jitter=nextafter(1.0, 2.0))


def test_the_shortest_pause_is_not_longer_than_the_longest() -> None:
    assert WaitPolicy(min_pause=60.0).min_pause == 60.0
    with pytest.raises(ValueError, match=r"^min_pause must not be more than max_pause, 60\.0, not"):
        WaitPolicy(min_pause=60.1)
    with pytest.raises(ValueError, match=r"^min_pause must not be more than max_pause, 0\.1, not"):
        WaitPolicy(max_pause=0.1)


@pytest.mark.parametrize(
    ("value", "infinite", "seconds"),
    [
        (0, False, 0.0),
        (5, False, 5.0),
        (1e308, False, 1e308),
        (LARGEST, False, LARGEST),
        (0.5, True, 0.5),
        (inf, True, inf),
    ],
)
def test_seconds_come_back_as_a_float(value: float, infinite: bool, seconds: float) -> None:
    checked = check_seconds("pause", value, infinite=infinite)
    assert type(checked) is float
    assert checked == seconds


@pytest.mark.parametrize("value", [nan, -1, -inf])
def test_the_text_says_what_is_allowed_and_what_was_given(value: float) -> None:
    with pytest.raises(ValueError, match=f"^pause must be 0 or more, not {value!r}$"):
        check_seconds("pause", value, infinite=True)
    with pytest.raises(ValueError, match=f"^pause must be 0 or more, and finite, not {value!r}$"):
        check_seconds("pause", value)


def test_no_timeout_is_for_ever_and_zero_is_one() -> None:
    assert check_timeout(None) == inf
    assert check_timeout(inf) == inf
    assert check_timeout(0) == 0.0
    assert check_timeout(90) == 90.0


@pytest.mark.parametrize("value", [nan, -1, -inf, -0.001])
def test_a_timeout_that_is_no_span_is_refused_by_name(value: float) -> None:
    with pytest.raises(ValueError, match=r"^timeout must be 0 or more, not"):
        check_timeout(value)


@pytest.mark.parametrize("value", [True, "30", [30]])
def test_a_timeout_that_is_no_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^timeout must be a number of seconds, not"):
        check_timeout(value)


@pytest.mark.parametrize(
    ("rate", "checked"), [(150, 150.0), (1e-3, 1e-3), (1e308, 1e308), (LARGEST, LARGEST)]
)
def test_a_rate_comes_back_as_a_float(rate: float, checked: float) -> None:
    assert type(check_rate(rate)) is float
    assert check_rate(rate) == checked


@pytest.mark.parametrize("rate", [0, -0.0, -1, nan, inf, -inf, 10**400])
def test_a_rate_that_is_not_positive_and_finite_is_refused_by_name(rate: float) -> None:
    with pytest.raises(ValueError, match=r"^rate must be more than 0 requests a minute"):
        check_rate(rate)


@pytest.mark.parametrize("rate", [True, "150", None, [150]])
def test_a_rate_that_is_no_number_is_refused_by_name(rate: Any) -> None:
    told = f"^rate must be a number of requests a minute, not {type(rate).__name__}$"
    with pytest.raises(TypeError, match=told):
        check_rate(rate)
