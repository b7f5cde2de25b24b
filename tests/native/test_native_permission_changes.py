"""Law: over the core, with what came since laid over it as it was before, a step changes what it changes in Python."""

from __future__ import annotations

from collections import Counter

import pytest

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval.native import NativeEvaluator
from remit.eval.plain import PlainEvaluator
from remit.model import WILDCARD, Verdict
from tests.support.native.worlds import needs_core
from tests.support.permission_steps import compare, random_step, step_of_agents
from tests.support.seeds import Seeds

pytestmark = needs_core


@pytest.mark.seeds(240, shards=2)
def test_what_a_step_changes_over_the_core_is_what_the_sets_differ_by(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        step = random_step(seed)
        kinds += compare(step, step.native(), NativeEvaluator(PlainEvaluator()), f"seed {seed}")
    for kind in (*Verdict, NegativeCycle, CaveatFailed, WILDCARD, "told", "time"):
        seeds.require(kinds[kind] >= 1, f"{kind} in {kinds}")


@pytest.mark.seeds(8)
def test_what_a_hold_stops_is_told_over_the_core(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        step = step_of_agents(seed)
        kinds += compare(step, step.native(), NativeEvaluator(PlainEvaluator()), f"seed {seed}")
    seeds.require(kinds["told"] >= 4, f"{kinds}")
