"""Laws of calls: the evaluator means what the brute judge does, whatever documents come to and wherever they stand; and
what is unknown of a call never opens anything, nor closes it.

What documents come to is drawn at random (`constrained_worlds.py`): yes, no, unknown, and questions about the subject
that is asked, under every operator, in cycles of both signs, on the edges of chains."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from remit.errors import CallUnjudgeable, CaveatFailed, NegativeCycle
from remit.eval.semantics import Evaluation
from remit.model import ObjectRef
from tests.support.constrained_worlds import ConstrainedWorld, constrained_world, judged_by
from tests.support.judge import Judge
from tests.support.random_worlds import NOW_US
from tests.support.seeds import Seeds

COMPLETIONS_MAX = 16


def answer(evaluation: Evaluation, resource: ObjectRef, name: str, world: ConstrainedWorld) -> tuple[object, ...]:
    try:
        found = evaluation.check(resource, name, world.world.subject)
    except (NegativeCycle, CaveatFailed, CallUnjudgeable) as error:
        return None, type(error).__name__, error.message
    return int(found.verdict), found.missing


def judge_of(world: ConstrainedWorld, *, call: bool) -> Judge:
    asked = world.world
    return Judge(
        asked.schema, asked.relationships, asked.subject, NOW_US, asked.context, world.judged if call else None
    )


def compare(seed: int, *, call: bool) -> Counter[object]:
    world = constrained_world(seed)
    judge = judge_of(world, call=call)
    expected = judge.table()
    questions = [(o, n) for (o, n, s) in expected if s == world.world.subject and isinstance(n, str)]
    Random(seed).shuffle(questions)
    kinds: Counter[object] = Counter()
    with judged_by(world.documents):
        shared = world.evaluation(call=call)
        for resource, name in questions:
            verdict = expected[resource, name, world.world.subject]
            alone = answer(world.evaluation(call=call), resource, name, world)
            assert alone[0] == verdict, f"seed {seed}: {resource}#{name} is {verdict}, answered {alone}"
            assert answer(shared, resource, name, world) == alone, f"seed {seed}: sharing changes {resource}#{name}"
            if verdict == 1:
                missing = judge.missing(resource, name)
                assert alone[1] == missing, f"seed {seed}: {resource}#{name} misses {missing}, answered {alone}"
                kinds["arguments" in missing] += 1
            kinds[verdict if verdict is not None else alone[1]] += 1
    return kinds


@pytest.mark.seeds(1_200, shards=8)
def test_a_check_with_a_call_agrees_with_the_judge(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(seed, call=True)
    for kind in (0, 1, 2, "NegativeCycle", "CaveatFailed", "CallUnjudgeable"):
        seeds.require(kinds[kind] >= 3, f"{kind} in {kinds}")
    assert not kinds["arguments"]


@pytest.mark.seeds(400, shards=4)
def test_without_a_call_what_would_be_decided_by_one_is_conditional(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(seed, call=False)
    seeds.require(kinds[True] >= 3, kinds)
    assert not kinds["CallUnjudgeable"]


def complete(seed: int) -> Counter[object]:
    """Whatever is answered stays the answer, however what is unknown of the call may be decided."""
    world = constrained_world(seed, unjudged=30)
    kinds: Counter[object] = Counter()
    completions = list(world.completions(COMPLETIONS_MAX))
    questions = [(o, n) for (o, n, s) in judge_of(world, call=True).cells() if isinstance(n, str)]
    with judged_by(world.documents):
        evaluation = world.evaluation()
        answers = {question: answer(evaluation, *question, world) for question in dict.fromkeys(questions)}
    for completion in completions:
        with judged_by(completion.documents):
            decided = completion.evaluation()
            for question, found in answers.items():
                if found[0] is not None:
                    other = answer(decided, *question, completion)
                    assert other == found, f"seed {seed}: {question} is {found}, and {other} once it is known"
                kinds[found[0] if found[0] is not None else found[1]] += 1
    return kinds


@pytest.mark.seeds(800, shards=8)
def test_what_is_unknown_of_a_call_never_opens(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += complete(seed)
    for kind in (0, 1, 2, "CallUnjudgeable"):
        seeds.require(kinds[kind] >= 3, f"{kind} in {kinds}")


@pytest.mark.long
@pytest.mark.seeds(100_000, shards=8, fresh=True)
def test_calls_agree_with_the_judge_and_never_open_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        compare(seed, call=True)
        complete(seed)
