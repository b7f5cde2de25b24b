"""Laws of the histogram: a percentile is as near as promised, and never flatters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import percentile
from bench.peers.histogram import PERCENTS, Histogram

VALUES = st.lists(st.integers(0, 10**12), min_size=1, max_size=60)


@given(VALUES, st.integers(1, 100))
def test_a_percentile_is_at_most_a_thousandth_above_what_occurred_and_never_below(
    values: list[int], percent: int
) -> None:
    exact = percentile(sorted(values), percent)
    told = Histogram(values).percentile(percent)
    assert exact <= told <= exact + exact // 1_000 + 1
    assert told <= max(values)


@given(st.lists(st.integers(0, 2_047), min_size=1), st.integers(1, 100))
def test_small_values_are_exact(values: list[int], percent: int) -> None:
    assert Histogram(values).percentile(percent) == percentile(sorted(values), percent)


@given(VALUES, VALUES)
def test_adding_is_the_histogram_of_all_values(some: list[int], more: list[int]) -> None:
    added = Histogram(some)
    added.add(Histogram(more))
    together = Histogram(some + more)
    assert added.count == together.count == len(some) + len(more)
    assert added.percentiles() == together.percentiles()


@given(VALUES)
def test_percentiles_rise_and_end_at_the_most(values: list[int]) -> None:
    told = list(Histogram(values).percentiles().values())
    assert len(told) == len(PERCENTS)
    assert told == sorted(told)
    assert told[-1] == max(values) / 1000


def test_so_many_times_is_so_many_records() -> None:
    one_by_one, at_once = Histogram([5_000] * 7), Histogram()
    at_once.record(5_000, times=7)
    assert at_once.percentiles() == one_by_one.percentiles()
    assert at_once.count == 7


def test_no_percentile_of_nothing_and_no_time_below_zero() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Histogram().percentile(50)
    with pytest.raises(ValueError, match="`-1` is below 0"):
        Histogram([-1])
