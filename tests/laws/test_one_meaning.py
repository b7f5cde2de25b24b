"""Law 1: the evaluator agrees with the brute judge, on random schemas, facts, caveats, clocks and cycles.

For each world the judge fills in every goal about one subject; the evaluator is asked every one of them, alone and
sharing what it settled, in a shuffled order. Sharing is CheckMany; the order must not matter."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.model import ObjectRef
from tests.support.judge import Judge
from tests.support.random_worlds import NOW_US, RandomWorld, random_world
from tests.support.seeds import Seeds


def evaluation_of(world: RandomWorld) -> Evaluation:
    return Evaluation(world.schema, Graph(world.relationships), now_us=NOW_US, context=world.context)


def answer(evaluation: Evaluation, resource: ObjectRef, name: str, world: RandomWorld) -> tuple[object, ...]:
    try:
        found = evaluation.check(resource, name, world.subject)
    except (NegativeCycle, CaveatFailed) as error:
        return None, type(error).__name__, error.message
    return int(found.verdict), found.missing


def judge_world(seed: int) -> Counter[object]:
    """Compare every question of the seed's world; count the verdicts, so that the laws are known not to be vacuous."""
    world = random_world(seed)
    judge = Judge(world.schema, world.relationships, world.subject, NOW_US, world.context)
    expected = judge.table()
    questions = [(o, n) for (o, n, s) in expected if s == world.subject and isinstance(n, str)]
    Random(seed).shuffle(questions)
    shared = evaluation_of(world)
    verdicts: Counter[object] = Counter()
    for resource, name in questions:
        verdict = expected[resource, name, world.subject]
        alone = answer(evaluation_of(world), resource, name, world)
        assert alone[0] == verdict, f"seed {seed}: {resource}#{name}@{world.subject} is {verdict}, answered {alone}"
        assert answer(shared, resource, name, world) == alone, f"seed {seed}: sharing changes {resource}#{name}"
        if verdict == 1:
            missing = judge.missing(resource, name)
            assert alone[1] == missing, f"seed {seed}: {resource}#{name} misses {missing}, answered {alone}"
        verdicts[verdict if verdict is not None else alone[1]] += 1
    return verdicts


@pytest.mark.seeds(1_200, shards=8)
def test_check_agrees_with_the_judge(seeds: Seeds) -> None:
    verdicts: Counter[object] = Counter()
    for seed in seeds:
        verdicts += judge_world(seed)
    for kind in (0, 1, 2, "NegativeCycle", "CaveatFailed"):
        seeds.require(verdicts[kind] >= 3, f"{kind} in {verdicts}")


@pytest.mark.long
@pytest.mark.seeds(40_000, shards=8, fresh=True)
def test_check_agrees_with_the_judge_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        judge_world(seed)
