"""Laws of Zipf's draws: as often as 1 / rank**alpha says, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.peers.zipf import ALPHA, Zipf

DRAWN = 200_000


@pytest.mark.parametrize("alpha", (0.5, ALPHA, 1.3))
def test_a_rank_is_drawn_as_often_as_its_weight_says(alpha: float) -> None:
    weights = [rank**-alpha for rank in range(1, 101)]
    counted = Counter(Zipf(100, alpha).draw(DRAWN, "seed"))
    for number in (0, 1, 2, 9, 49, 99):
        expected = DRAWN * weights[number] / sum(weights)
        # Five standard deviations of a count; the seed is fixed, so this holds for ever or never.
        assert abs(counted[number] - expected) < 5 * expected**0.5, number


@given(st.integers(1, 500), st.text(max_size=5))
def test_the_same_seed_draws_the_same_numbers_and_only_those_there_are(count: int, seed: str) -> None:
    drawn = Zipf(count).draw(50, seed)
    assert drawn == Zipf(count).draw(50, seed)
    assert set(drawn) <= set(range(count))


def test_another_seed_draws_others() -> None:
    assert Zipf(1_000).draw(50, "a") != Zipf(1_000).draw(50, "b")


def test_nothing_cannot_be_drawn_from() -> None:
    with pytest.raises(ValueError, match="at least 1 is needed"):
        Zipf(0)
