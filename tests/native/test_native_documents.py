"""Law: whatever the core says where constraint documents stand beside relationships holds for every call and without
one. What hangs on a document it leaves to Python."""

from __future__ import annotations

from collections import Counter

import pytest

from remit.errors import CallUnjudgeable, CaveatFailed, NegativeCycle, StepBudgetSpent
from remit.eval import native
from remit.eval.semantics import Evaluation
from remit.graph.native import NativeGraph
from remit.model import ObjectRef, SubjectRef, Verdict
from tests.support.constrained_worlds import constrained_world, judged_by
from tests.support.native.worlds import needs_core
from tests.support.random_worlds import NOW_US, OBJECTS
from tests.support.seeds import Seeds

pytestmark = needs_core


def verdict_of(evaluation: Evaluation, *question: ObjectRef | str | SubjectRef) -> Verdict | str:
    try:
        return evaluation.check(*question).verdict  # type: ignore[arg-type]
    except (NegativeCycle, CaveatFailed, CallUnjudgeable) as error:
        return type(error).__name__


def compare(seed: int) -> Counter[object]:
    world = constrained_world(seed)
    graph = NativeGraph(world.world.relationships)
    native.install(graph, world.world.schema)
    kinds: Counter[object] = Counter()
    asked = [(each, name, world.world.subject) for each in OBJECTS[:6] for name in ("r0", "r1", "p0", "p1", "p2")]
    with judged_by(world.documents):
        with_call, without = world.evaluation(), world.evaluation(call=False)
        together = native.check_many(graph, asked, now_us=NOW_US, contexts=[world.world.context] * len(asked))
        for question, shared in zip(asked, together, strict=True):
            alone = native.check(graph, *question, now_us=NOW_US, context=world.world.context)
            for answered in (alone, shared):
                assert not isinstance(answered, StepBudgetSpent)
                if answered is None:
                    kinds["elsewhere"] += 1
                    continue
                for evaluation in (with_call, without):
                    found = verdict_of(evaluation, *question)
                    assert found is answered.verdict, f"seed {seed}: {question} is {found}, answered {answered}"
                kinds[answered.verdict] += 1
    return kinds


@pytest.mark.seeds(1_200, shards=4)
def test_what_the_core_answers_hangs_on_no_document(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(seed)
    for kind in (Verdict.YES, Verdict.NO, "elsewhere"):
        seeds.require(kinds[kind] >= 3, kinds)
