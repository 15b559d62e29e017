# SPDX-License-Identifier: MIT
"""One token's requests a minute, driven by hand: who may send when, whatever happens.

Nothing here looks at a clock: the tests say what time it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from math import floor, inf, nan, nextafter
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobwait._budget import Budget, Ticket
from jobwait._policy import WaitPolicy

# The budget counts a second more than Asana's minute, so this is the distance of many at 150.
SPACE = 61 / 150
NEAR = 1e-6


@dataclass(frozen=True)
class Asker:
    """Somebody who wants to send one request.

    Attributes:
        asked: When.
        lag: The seconds by which it comes late to its ticket's time.
        gives_back: After how many seconds it gives up; None if it does not.
    """

    asked: float
    lag: float = 0.0
    gives_back: float | None = None


@dataclass(frozen=True)
class Sent:
    """A request that was sent: when, and by which asker."""

    at: float
    who: int


class World:
    """A made-up clock, and what is to happen when."""

    def __init__(self) -> None:
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._ties = count()

    def at(self, moment: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._agenda, (moment, next(self._ties), event))

    def run(self, until: float = inf) -> None:
        while self._agenda and self._agenda[0][0] <= until:
            moment, _, event = heapq.heappop(self._agenda)
            event(moment)


def serve(
    budget: Budget, askers: Sequence[Asker], holds: Iterable[tuple[float, float]] = ()
) -> list[Sent]:
    """Let every asker do as it does; return what was sent, in the order of sending."""
    world, sent = World(), list[Sent]()

    def ask(who: int) -> Callable[[float], None]:
        def event(now: float) -> None:
            asker, ticket = askers[who], budget.reserve(now)
            assert ticket is not None
            assert ticket.at >= now
            if asker.gives_back is None:
                world.at(ticket.at + asker.lag, come(who, ticket))
            else:
                world.at(now + asker.gives_back, lambda _now: budget.give_back(ticket))

        return event

    def come(who: int, ticket: Ticket) -> Callable[[float], None]:
        def event(now: float) -> None:
            if now >= ticket.at and budget.spend(ticket, now):
                sent.append(Sent(now, who))
            else:
                world.at(ticket.at, come(who, ticket))

        return event

    def hold(seconds: float) -> Callable[[float], None]:
        return lambda now: budget.hold(now, seconds)

    for who, asker in enumerate(askers):
        world.at(asker.asked, ask(who))
    for moment, seconds in holds:
        world.at(moment, hold(seconds))
    world.run()
    return sent


def tickets(budget: Budget, number: int, now: float = 0.0) -> list[Ticket]:
    reserved = [budget.reserve(now) for _ in range(number)]
    return [ticket for ticket in reserved if ticket is not None]


def spend_in_order(budget: Budget, reserved: Iterable[Ticket]) -> list[float]:
    """Let each come at its time, however often that is moved; return when each was spent."""
    spent = []
    for ticket in reserved:
        assert budget.spend(ticket, ticket.at)
        spent.append(ticket.at)
    return spent


def gaps(moments: Iterable[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(moments)]


_MOMENTS = st.floats(0, 300) | st.integers(0, 300).map(float)
_LAGS = st.sampled_from([0.0, 0.0, 0.0, 0.3, 0.5, 0.6, 2.0, 40.0, 100.0])
_RATES = st.sampled_from([0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0]) | st.floats(0.2, 30)
_HOLDS = st.lists(st.tuples(_MOMENTS, st.floats(0, 60)), max_size=3)
_GIVERS = st.none() | st.none() | st.floats(0, 80)


# The promise to Asana


@settings(deadline=None)
@given(
    rate=_RATES,
    askers=st.lists(st.builds(Asker, _MOMENTS, _LAGS, _GIVERS), max_size=60),
    holds=_HOLDS,
    waits=st.integers(0, 50),
)
# One that comes late, after another has had the minute's only request.
@example(rate=1.0, askers=[Asker(0), Asker(61, lag=70), Asker(61)], holds=[], waits=0)
# One that is held up while others send, and is then moved by a hold.
@example(rate=2.0, askers=[Asker(0), Asker(0, lag=40), Asker(0)], holds=[(70.0, 1.0)], waits=9)
def test_no_minute_wherever_it_begins_holds_more_than_the_rate(
    rate: float, askers: list[Asker], holds: list[tuple[float, float]], waits: int
) -> None:
    """And everybody is served, and nobody in a hold, whoever comes late or gives up."""
    budget = Budget(rate)
    budget.join(waits)
    sent = serve(budget, askers, holds)
    size, minute = max(1, floor(rate)), 60 * max(1.0, 1 / rate)
    for first, beyond in zip(sent, sent[size:], strict=False):
        assert beyond.at - first.at >= minute
    for begin, seconds in holds:
        assert not [one for one in sent if begin < one.at < begin + seconds]
    patient = [who for who, asker in enumerate(askers) if asker.gives_back is None]
    assert sorted(one.who for one in sent) == patient


@pytest.mark.parametrize(
    ("rate", "distances"),
    [
        (0.25, [244.0]),
        (0.5, [122.0]),
        (1, [61.0]),
        (1.9, [61.0]),
        (2, [30.5, 30.5]),
        (2.9, [30.5, 30.5]),
        (150, [SPACE] * 150),
        (150.9, [SPACE] * 150),
    ],
)
def test_many_are_sent_at_even_distances_also_below_one_a_minute(
    rate: float, distances: list[float]
) -> None:
    budget = Budget(rate)
    budget.join(1000)
    reserved = [ticket.at for ticket in tickets(budget, len(distances) + 1, now=7.0)]
    assert reserved[0] == 7.0
    assert gaps(reserved) == pytest.approx(distances)


@pytest.mark.parametrize("rate", [0, -1, nan, inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"^rate must be more than 0"):
        Budget(rate)


def test_a_burst_amid_many_is_made_up_for_too() -> None:
    """Many, then few who go at once, then many again: still no minute holds more."""
    budget = Budget(150)
    budget.join(1000)
    sent = spend_in_order(budget, tickets(budget, 38))
    budget.join(-1000)
    sent += spend_in_order(budget, tickets(budget, 38, now=sent[-1]))
    assert sent[-1] == sent[37]
    budget.join(1000)
    sent += spend_in_order(budget, tickets(budget, 300, now=sent[-1]))
    for first, beyond in zip(sent, sent[150:], strict=False):
        assert beyond - first >= 61 - NEAR
    assert max(gaps(sent)) <= 61 / (150 - 76) + NEAR


# First come, first served


@settings(deadline=None)
@given(
    rate=_RATES,
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "spend", "hold", "late"]), st.floats(0, 20)), max_size=40
    ),
    waits=st.integers(0, 20),
)
def test_tickets_are_in_the_order_they_were_asked_for_and_stay_so(
    rate: float, steps: list[tuple[str, float]], waits: int
) -> None:
    budget, now = Budget(rate), 0.0
    budget.join(waits)
    line: list[Ticket] = []
    for step, seconds in steps:
        now += seconds
        if step == "ask":
            line += tickets(budget, 1, now)
        elif step == "hold":
            budget.hold(now, seconds)
        elif line:
            # The first of them comes, or any of them does late; none is sent out of turn.
            who = 0 if step == "spend" else len(line) // 2
            now = max(now, line[who].at + (0.6 if step == "late" else 0))
            if budget.spend(line[who], now):
                del line[who]
        assert all(earlier.at <= later.at for earlier, later in pairwise(line))


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_few_waits_are_never_delayed(random: Random) -> None:
    """Five waits on the default schedule, for 30 s on the default budget, go when they like."""
    budget, policy, world = Budget(150), WaitPolicy(), World()
    budget.join(5)
    polls = 0

    def poll(begun: float) -> Callable[[float], None]:
        def event(now: float) -> None:
            nonlocal polls
            (ticket,) = tickets(budget, 1, now)
            assert ticket.at == now
            assert budget.spend(ticket, now)
            polls += 1
            pause = policy.pause(now - begun, price=0.2, spread=random.uniform(-1, 1))
            world.at(now + pause, poll(begun))

        return event

    for _ in range(5):
        begun = random.uniform(0, 2)
        world.at(begun, poll(begun))
    world.run(until=30.0)
    assert polls >= 5 * 12


def test_most_of_a_minutes_requests_may_go_at_once_and_the_rest_fill_the_minute() -> None:
    """A burst is made up for by wider spaces in the same minute, not by a long silence."""
    budget = Budget(150)
    budget.join(1)
    moments = []
    for ticket in (budget.reserve(0.0) for _ in range(400)):
        assert ticket is not None
        moments.append(ticket.at)
    at_once = moments.count(0.0)
    assert 82 <= at_once <= 83
    assert max(gaps(moments)) <= 61 / (150 - at_once) + NEAR
    assert sum(moment < 61 for moment in moments) == pytest.approx(150, abs=1)


@pytest.mark.parametrize(("waits", "at_once"), [(0, 3), (1, 2), (2, 1), (3, 1), (1000, 1)])
def test_the_more_wait_the_fewer_go_at_once(waits: int, at_once: int) -> None:
    budget = Budget(4)
    budget.join(waits)
    assert [ticket.at for ticket in tickets(budget, 4)].count(0.0) == at_once


def test_waits_that_ended_count_no_more() -> None:
    budget = Budget(150)
    budget.join(1000)
    budget.join(-999)
    assert budget.waits == 1
    assert [ticket.at for ticket in tickets(budget, 50)] == [0.0] * 50


def test_after_a_quiet_minute_few_go_at_once_again() -> None:
    budget = Budget(4)
    spend_in_order(budget, tickets(budget, 4))
    late = 200.0
    assert [ticket.at for ticket in tickets(budget, 3, late)] == [late] * 3


def test_nobody_goes_at_once_past_those_that_are_in_line() -> None:
    budget = Budget(10)
    budget.join(10)
    line = tickets(budget, 2)
    budget.join(-10)
    assert line[1].at > 0
    (next_one,) = tickets(budget, 1)
    assert next_one.at > line[1].at


@pytest.mark.parametrize(
    ("before", "joined", "at_once"),
    [(0, 1000, 1), (1, 1000, 1), (40, 1000, 40), (76, 1000, 76), (0, 1, 41)],
)
def test_a_thousand_waits_are_served_evenly_and_without_a_silence(
    before: int, joined: int, at_once: int
) -> None:
    """Measured over ten minutes, whatever went before, and however they join: all, or by and by.

    The largest distance of two requests is 61/150 s; in the first minute after a burst it is up
    to twice that, since the burst is made up for.
    """
    budget, policy, world = Budget(150), WaitPolicy(), World()
    sent = spend_in_order(budget, tickets(budget, before))

    def poll(ticket: Ticket | None, now: float) -> None:
        assert ticket is not None
        assert budget.spend(ticket, now)
        sent.append(now)
        world.at(now + policy.pause(now, price=0.2), ask)

    def ask(now: float) -> None:
        ticket = budget.reserve(now)
        assert ticket is not None
        world.at(ticket.at, lambda moment: poll(ticket, moment))

    for _ in range(1000 // joined):
        budget.join(joined)
        for _ in range(joined):
            ask(0.0)
    world.run(until=600.0)
    steady = [moment for moment in sent if moment >= 62]
    assert sent.count(0.0) == at_once
    assert max(gaps(sent)) <= 61 / (150 - at_once) + NEAR
    assert (min(gaps(steady)), max(gaps(steady))) == pytest.approx((SPACE, SPACE))
    assert len(steady) == pytest.approx((600 - 62) / SPACE, abs=1)


# Holds


def test_a_hold_moves_the_line_to_its_end_in_order_and_spaced() -> None:
    budget = Budget(150)
    budget.join(1000)
    line = tickets(budget, 40)
    spend_in_order(budget, line[:10])
    budget.hold(4.0, 30.0)
    assert [ticket.at for ticket in line[10:]] == pytest.approx(
        [34.0 + k * SPACE for k in range(30)]
    )
    assert not budget.spend(line[10], nextafter(34.0 - 0.001, 0.0))
    assert budget.spend(line[10], 34.0)


@pytest.mark.parametrize("waits", [0, 1000])
def test_after_a_hold_there_is_no_burst(waits: int) -> None:
    """Not for a minute, and not by those who ask during the hold or after it either."""
    budget = Budget(150)
    budget.join(waits)
    askers = [Asker(moment / 2) for moment in range(160)]
    sent = [one.at for one in serve(budget, askers, [(10.2, 20.0)]) if one.at > 10.2]
    assert sent[0] == 30.2
    assert min(gaps(sent)) >= SPACE - NEAR


def test_nobody_is_silenced_longer_than_a_hold_says() -> None:
    """A ticket that was returned and whose time has passed holds nobody up."""
    budget = Budget(150)
    budget.join(1000)
    line = tickets(budget, 100)
    budget.give_back(line[0])
    sent = spend_in_order(budget, line[1:70])
    budget.hold(sent[-1], 5.0)
    assert line[70].at == pytest.approx(sent[-1] + 5.0)


def test_a_hold_leaves_alone_who_comes_well_after_it() -> None:
    budget = Budget(2)
    budget.join(1000)
    first, second, third = tickets(budget, 3)
    assert budget.spend(first, 0.0)
    budget.hold(1.0, 2.0)
    assert (second.at, third.at) == (30.5, 61.0)
    budget.hold(3.0, 40.0)
    assert (second.at, third.at) == (43.0, 73.5)


@pytest.mark.parametrize(("second", "end"), [(5.0, 30.0), (25.0, 30.0), (25.5, 30.5)])
def test_of_two_holds_the_later_end_counts(second: float, end: float) -> None:
    budget = Budget(150)
    budget.join(1000)
    (before,) = tickets(budget, 1)
    budget.hold(0.0, 30.0)
    budget.hold(5.0, second)
    (during,) = tickets(budget, 1, now=6.0)
    assert before.at == end
    assert during.at == pytest.approx(end + SPACE)
    idle = Budget(150)
    idle.hold(0.0, 30.0)
    idle.hold(5.0, second)
    assert [ticket.at for ticket in tickets(idle, 1, now=6.0)] == [end]


def test_who_asks_in_a_hold_comes_at_its_end_though_nobody_is_in_line() -> None:
    budget = Budget(150)
    budget.hold(0.0, 30.0)
    (ticket,) = tickets(budget, 1, now=1.0)
    assert ticket.at == 30.0


@pytest.mark.parametrize(("after", "at_once"), [(0.0, 1), (1.0, 1), (60.9, 1), (61.1, 5)])
def test_for_a_minute_after_a_hold_even_few_are_spaced(after: float, at_once: int) -> None:
    budget = Budget(150)
    budget.hold(0.0, 30.0)
    now = 30.0 + after
    assert [ticket.at for ticket in tickets(budget, 5, now)].count(now) == at_once


# Coming late


def test_a_ticket_is_spent_at_its_time_and_not_before() -> None:
    budget = Budget(150)
    budget.join(1000)
    _, ticket = tickets(budget, 2)
    assert not budget.spend(ticket, 0.0)
    assert not budget.spend(ticket, ticket.at - 0.0011)
    assert not ticket.spent
    assert budget.spend(ticket, ticket.at - 0.0009)
    assert ticket.spent


@pytest.mark.parametrize(("late", "moved"), [(0.49, False), (0.5, False), (0.51, True)])
def test_half_a_second_late_is_in_time(late: float, moved: bool) -> None:
    budget = Budget(150)
    budget.join(1000)
    first, second = tickets(budget, 2)
    assert budget.spend(first, late)
    assert second.at == pytest.approx(late + SPACE if moved else SPACE)


@settings(deadline=None)
@given(
    waits=st.sampled_from([0, 1000]),
    number=st.integers(2, 60),
    asleep=st.floats(30, 1000),
    data=st.data(),
)
def test_a_process_that_was_held_up_does_not_burst(
    waits: int, number: int, asleep: float, data: st.DataObject
) -> None:
    """However late all wake, and in whatever order, they go one by one."""
    budget = Budget(150)
    budget.join(waits)
    line = tickets(budget, number)
    sent, now = list[float](), line[-1].at + asleep
    awake = data.draw(st.permutations(line))
    while awake:
        for ticket in list(awake):
            if now >= ticket.at and budget.spend(ticket, now):
                sent.append(now)
                awake.remove(ticket)
        now = min([ticket.at for ticket in awake], default=now)
    assert len(sent) == number
    assert min(gaps(sent)) >= SPACE - NEAR
    assert max(gaps(sent)) <= 61 / (150 - 76) + NEAR


def test_one_that_comes_late_does_not_silence_those_in_time() -> None:
    budget = Budget(150)
    budget.join(1000)
    askers = [Asker(0.0, lag=20.0 if who == 3 else 0.0) for who in range(200)]
    sent = serve(budget, askers)
    assert max(gaps(one.at for one in sent)) <= 2 * SPACE + NEAR
    assert next(one.at for one in sent if one.who == 3) == pytest.approx(20.0 + 3 * SPACE, abs=0.5)


def test_who_comes_late_is_not_behind_one_that_gave_up() -> None:
    budget = Budget(150)
    budget.join(1000)
    line = tickets(budget, 3)
    budget.give_back(line[0])
    assert budget.spend(line[1], 20.0)
    assert line[2].at == pytest.approx(20.0 + SPACE)


# Giving up


def test_a_returned_ticket_is_used_by_the_next() -> None:
    budget = Budget(150)
    budget.join(1000)
    line = tickets(budget, 5)
    free = [line[3].at, line[1].at]
    budget.give_back(line[3])
    budget.give_back(line[1])
    again = [ticket.at for ticket in tickets(budget, 3)]
    assert again[:2] == sorted(free)
    assert again[2] == pytest.approx(5 * SPACE)


def test_a_ticket_is_returned_once_and_a_spent_one_never() -> None:
    budget = Budget(150)
    budget.join(1000)
    first, second = tickets(budget, 2)
    assert budget.spend(first, 0.0)
    budget.give_back(first)
    budget.give_back(second)
    assert [ticket.at for ticket in tickets(budget, 2)] == pytest.approx([SPACE, 2 * SPACE])


def test_a_returned_ticket_whose_time_has_passed_is_gone() -> None:
    """It cost Asana nothing, so it counts for nothing: neither as a time nor as a request."""
    budget = Budget(2)
    first, second, third = tickets(budget, 3)
    budget.give_back(first)
    budget.give_back(second)
    assert third.at > 0
    (exactly,) = tickets(budget, 1, now=0.0)
    assert exactly.at == 0.0
    budget.give_back(exactly)
    budget.give_back(third)
    now = third.at + 1
    assert [ticket.at for ticket in tickets(budget, 1, now)] == [now]


def test_a_hold_moves_returned_tickets_too() -> None:
    budget = Budget(150)
    budget.join(1000)
    line = tickets(budget, 3)
    budget.give_back(line[1])
    budget.hold(0.0, 10.0)
    again = tickets(budget, 1)[0]
    assert again.at == pytest.approx(10.0 + SPACE)


@pytest.mark.parametrize(
    ("until", "at"), [(SPACE - 0.001, None), (SPACE, SPACE), (SPACE + 1, SPACE)]
)
@pytest.mark.parametrize("returned", [False, True])
def test_there_is_no_ticket_after_the_time_that_is_given(
    until: float, at: float | None, returned: bool
) -> None:
    budget = Budget(150)
    budget.join(1000)
    line = tickets(budget, 2 if returned else 1)
    if returned:
        budget.give_back(line[1])
    ticket = budget.reserve(0.0, until=until)
    assert (ticket and ticket.at) == at
    if at is None:
        # And nothing was taken by the attempt.
        assert [ticket.at for ticket in tickets(budget, 1)] == [SPACE]


def test_it_remembers_no_more_than_a_window_of_requests() -> None:
    """A budget that lives for days takes no more memory, nor time, than one for minutes."""
    budget = Budget(150)
    now = 0.0
    for k in range(3000):
        (ticket,) = tickets(budget, 1, now)
        now = ticket.at
        if k % 3:
            assert budget.spend(ticket, now)
        else:
            budget.give_back(ticket)
            now += 1e-3
    held: list[Any] = [budget._tickets, budget._returned]
    assert max(len(some) for some in held) <= 152
