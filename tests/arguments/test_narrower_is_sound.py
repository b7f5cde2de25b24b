"""Law: where one document is told to be narrower, no call of any tool tells otherwise, however the graph answers.

And how much a no is worth: of pairs that are told not to be, for how many is no call found that tells them apart."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from remit.arguments.narrower import narrower
from remit.arguments.side import Side
from tests.support.arguments.near_documents import NearCalls, pairs
from tests.support.seeds import Seeds

PAIRS_PER_SEED = 10
TOOLS, CALLS = 3, 9


def compare(seed: int, side: Side, tried_in_vain: float) -> Counter[str]:
    """Some pairs, and what was met: a yes is always tried to be refuted, a no only at times."""
    random, met = Random(seed), Counter[str]()
    drawn = pairs(random, side)
    for _ in range(PAIRS_PER_SEED):
        first, second = next(drawn)
        met["pairs"] += 1
        met["same"] += first.text == second.text
        found = narrower(first, second)
        calls = NearCalls(random, first, second)
        said = f"seed {seed}, {side}: {first.text} and {second.text}"
        if found:
            met["yes"] += 1
            for _ in range(TOOLS):
                assert (call := calls.counterexample(calls.types(), CALLS)) is None, f"{said}: {call}"
            met["tried"] += calls.passed
            continue
        assert found.reason, said
        types = calls.types()
        if narrower(first, second, types):
            met["yes of one tool"] += 1
            assert (call := calls.counterexample(types, TOOLS * CALLS)) is None, f"{said}: {call}"
        if random.random() < tried_in_vain:
            is_refuted = any(calls.counterexample(calls.types(), CALLS) for _ in range(TOOLS))
            met["no, refuted" if is_refuted else "no, in vain" if calls.passed else "no, nothing passes"] += 1
    return met


def compare_all(seeds: Seeds, side: Side, tried_in_vain: float) -> Counter[str]:
    met: Counter[str] = Counter()
    for seed in seeds:
        met += compare(seed, side, tried_in_vain)
    return met


@pytest.mark.seeds(160, shards=4)
@pytest.mark.parametrize("side", Side)
def test_what_is_narrower_lets_nothing_through_that_the_other_would_not(seeds: Seeds, side: Side) -> None:
    met = compare_all(seeds, side, tried_in_vain=0)
    seeds.require(met["yes"] - met["same"] > 50 and met["tried"] > 800, met)


@pytest.mark.long
@pytest.mark.seeds(10_000, shards=8, fresh=True)
@pytest.mark.parametrize("side", Side)
def test_what_is_narrower_lets_nothing_through_on_a_hundred_thousand_pairs(
    seeds: Seeds, side: Side, capsys: pytest.CaptureFixture[str]
) -> None:
    met = compare_all(seeds, side, tried_in_vain=0.1)
    seeds.require(met["yes"] > 100, met)
    tried = met["no, refuted"] + met["no, in vain"]
    with capsys.disabled():
        print(f"\n{side.value}, shard {seeds.name}: {dict(met)}")
        print(f"a no for which no call tells the two apart: {met['no, in vain']} of {tried}")
