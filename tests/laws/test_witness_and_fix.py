"""Laws: over the witness of a yes alone the answer is yes, and with any one of it taken away it is not; with the fix of
a no applied the answer is yes, and with any one of its changes left out it is not.

Both over random worlds (`random_worlds.py`): every operator, cycles of both signs, caveats, times, subjects that are
usersets; and over worlds in which documents stand beside relationships and a call is asked about
(`constrained_worlds.py`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

import pytest

from remit.engine.admission import check_relationship
from remit.errors import CallUnjudgeable, CaveatFailed, NegativeCycle
from remit.eval.calls import JudgedCall
from remit.eval.plain import PlainEvaluator
from remit.eval.semantics import Evaluation
from remit.eval.trees import Explanation
from remit.graph.overlay import Overlay
from remit.graph.plain import Graph
from remit.graph.view import GraphView
from remit.interrupt import never_interrupted
from remit.model import Operation, Question, Relationship, Update, Verdict
from tests.support.constrained_worlds import CALL, ConstrainedWorld, constrained_world, judged_by
from tests.support.lookup_worlds import LookupWorld
from tests.support.random_worlds import NOW_US, OBJECTS
from tests.support.seeds import Seeds
from tests.support.trial_views import TrialView


def verdict_of(world: LookupWorld, graph: GraphView, question: Question) -> Verdict | None:
    """None where it is undefined."""
    call = JudgedCall(question.call) if question.call is not None else None
    evaluation = Evaluation(world.schema, graph, now_us=NOW_US, context=world.world.context, call=call)
    try:
        return evaluation.check(question.resource, question.permission, question.subject).verdict
    except (NegativeCycle, CaveatFailed, CallUnjudgeable):
        return None


def with_changes(world: LookupWorld, question: Question, changes: Iterable[Update]) -> Verdict | None:
    changed = {
        each.relationship.key: each.relationship.qualifiers if each.operation is Operation.TOUCH else None
        for each in changes
    }
    return verdict_of(world, Overlay(world.graph, changed), question)


def assert_witness(world: LookupWorld, question: Question, witness: tuple[Relationship, ...]) -> None:
    assert set(witness) <= set(world.world.relationships)
    assert verdict_of(world, Graph(witness), question) is Verdict.YES
    for each in witness:
        fewer = verdict_of(world, Graph(set(witness) - {each}), question)
        assert fewer is not Verdict.YES, f"{each} can be left out"


def assert_fix(world: LookupWorld, question: Question, fix: tuple[Update, ...]) -> None:
    assert with_changes(world, question, fix) is Verdict.YES
    for place, (operation, relationship) in enumerate(fix):
        fewer = with_changes(world, question, (*fix[:place], *fix[place + 1 :]))
        assert fewer is not Verdict.YES, f"{relationship} can be left out"
        if operation is Operation.TOUCH:
            check_relationship(world.schema, relationship)
        else:
            assert world.graph.find(*relationship.key) is not None


def explained(world: LookupWorld, question: Question, graph: GraphView) -> Explanation | None:
    try:
        found = PlainEvaluator().explain(TrialView(world.schema, graph), question, 1_000_000, never_interrupted)
    except (NegativeCycle, CaveatFailed, CallUnjudgeable):
        return None
    assert found.answer.verdict is verdict_of(world, graph, question)
    return found.explanation


def compare(seed: int, constrained: ConstrainedWorld | None = None) -> Counter[object]:
    """`constrained`: of its documents and the call that they are judged by."""
    world = LookupWorld(seed) if constrained is None else LookupWorld(seed, constrained.world)
    call = CALL if constrained is not None else None
    kinds: Counter[object] = Counter()
    shuffled = Graph(Random(seed).sample(world.world.relationships, len(world.world.relationships)))
    for resource in OBJECTS[:6]:
        for name in ("r0", "r1", "p0", "p1", "p2"):
            question = Question(resource, name, world.world.subject, world.world.context, call)
            explanation = explained(world, question, world.graph)
            if explanation is None:
                continue
            assert explanation == explained(world, question, shuffled), f"seed {seed}: {question}"
            assert not explanation.unfinished
            verdict = explanation.questions[0].verdict
            try:
                if verdict is Verdict.YES:
                    assert not explanation.fix
                    assert_witness(world, question, explanation.witness)
                    kinds["witness", min(len(explanation.witness), 3)] += 1
                else:
                    assert not explanation.witness
                    assert verdict is Verdict.NO or not explanation.fix
                if explanation.fix:
                    assert_fix(world, question, explanation.fix)
                    kinds.update(each.operation for each in explanation.fix)
                    kinds["fix", min(len(explanation.fix), 3)] += 1
                elif verdict is Verdict.NO:
                    kinds["no fix"] += 1
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {question}: {error}") from error
    return kinds


@pytest.mark.seeds(160, shards=4)
def test_a_witness_says_yes_and_a_fix_makes_it(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(seed)
    for size in range(4):
        seeds.require(kinds["witness", size] >= 3, kinds)
    for size in (1, 2, 3):
        seeds.require(kinds["fix", size] >= 3, kinds)
    for operation in (Operation.TOUCH, Operation.DELETE):
        seeds.require(kinds[operation] >= 3, kinds)


def compare_with_call(seed: int) -> Counter[object]:
    constrained = constrained_world(seed)
    with judged_by(constrained.documents):
        return compare(seed, constrained)


@pytest.mark.seeds(160, shards=4)
def test_so_they_do_of_a_call(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare_with_call(seed)
    for kind in ("witness", "fix"):
        for size in (1, 2):
            seeds.require(kinds[kind, size] >= 3, kinds)


@pytest.mark.long
@pytest.mark.seeds(10_000, shards=8, fresh=True)
def test_a_witness_says_yes_and_a_fix_makes_it_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        compare(seed)
        compare_with_call(seed)
