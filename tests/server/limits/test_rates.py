"""Laws of rates: never more than was promised to others, never less than was promised to the key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import RateLimited
from remit.server.limits.rates import Rates


class Watch:
    """A clock that is told the time."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def taken(rates: Rates, key: str = "k") -> bool:
    try:
        rates.take(key)
    except RateLimited:
        return False
    return True


pauses = st.lists(st.floats(0, 3, allow_subnormal=False), min_size=1, max_size=60)
rates_per_s = st.floats(0.1, 20)


@given(rates_per_s, pauses)
def test_no_stretch_of_time_lets_more_through_than_a_burst_and_the_rate(per_s: float, pauses_s: list[float]) -> None:
    watch = Watch()
    rates = Rates(per_s, clock_s=watch)
    accepted_at: list[float] = []
    for pause_s in pauses_s:
        watch.now_s += pause_s
        if taken(rates):
            accepted_at.append(watch.now_s)
    for begin, began_s in enumerate(accepted_at):
        for end, ended_s in enumerate(accepted_at[begin:], begin):
            assert end - begin + 1 <= max(1.0, per_s) + per_s * (ended_s - began_s) + 1e-6


@given(rates_per_s, st.integers(1, 50))
def test_who_asks_no_more_often_than_the_rate_is_never_refused(per_s: float, count: int) -> None:
    watch = Watch()
    rates = Rates(per_s, clock_s=watch)
    for _ in range(count):
        assert taken(rates)
        watch.now_s += 1 / per_s


@given(rates_per_s)
def test_a_refusal_says_exactly_when_the_next_is_taken_and_costs_nothing(per_s: float) -> None:
    watch = Watch()
    rates = Rates(per_s, clock_s=watch)
    while taken(rates):
        pass
    with pytest.raises(RateLimited) as refused:
        rates.take("k")
    retry_after_s = refused.value.retry_after_s
    assert 0 < retry_after_s <= 1 / per_s + 1e-6
    watch.now_s += retry_after_s * 0.9
    assert not taken(rates)
    watch.now_s += retry_after_s * 0.1 + 1e-6
    assert taken(rates)


def test_keys_do_not_count_for_one_another() -> None:
    rates = Rates(1, clock_s=Watch())
    assert taken(rates, "anne")
    assert not taken(rates, "anne")
    assert taken(rates, "ben")


def test_a_rate_of_nothing_is_no_limit() -> None:
    rates = Rates(0, clock_s=Watch())
    assert all(taken(rates) for _ in range(1_000))


def test_keys_that_have_everything_left_are_forgotten() -> None:
    watch = Watch()
    rates = Rates(100, clock_s=watch)
    for number in range(10_000):
        rates.take(f"key-{number}")
        watch.now_s += 0.001
    assert len(rates._spent_until_s) < 2_000
