"""Law: what a step changed of a permission is what the sets of before and after differ by, nothing less and nothing
more.

The worlds are those of `random_worlds.py`: every operator, cycles of both signs, caveats, times. A step writes some
facts, lets time pass, or both; the sets are by definition, of everybody there is."""

from __future__ import annotations

from collections import Counter

import pytest

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval.plain import PlainEvaluator
from remit.model import WILDCARD, Verdict
from tests.support.permission_steps import Step, compare, random_step, step_of_agents
from tests.support.seeds import Seeds


def compared(step: Step, name: str) -> Counter[object]:
    return compare(step, step.plain(), PlainEvaluator(), name)


@pytest.mark.seeds(240, shards=4)
def test_what_is_told_is_what_the_sets_differ_by(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compared(random_step(seed), f"seed {seed}")
    for kind in (*Verdict, NegativeCycle, CaveatFailed, WILDCARD, "told", "time"):
        seeds.require(kinds[kind] >= 1, f"{kind} in {kinds}")


@pytest.mark.seeds(24, shards=2)
def test_a_hold_or_a_fact_that_is_gone_is_told_of_all_that_it_stops(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compared(step_of_agents(seed), f"seed {seed}")
    seeds.require(kinds["told"] >= 8, f"{kinds}")


@pytest.mark.long
@pytest.mark.seeds(20_000, shards=8, fresh=True)
def test_what_is_told_is_what_the_sets_differ_by_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        compared(random_step(seed), f"seed {seed}")
