"""Law: an explanation, with the witness or the fix of its answer, is the same bytes over the core's graph as over a
plain one, whichever order facts came in, and whether a request brought some of them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval import native
from remit.eval.evaluator import Evaluator
from remit.eval.native import NativeEvaluator
from remit.eval.plain import PlainEvaluator
from remit.graph.native import NativeGraph
from remit.graph.overlay import Overlay
from remit.graph.plain import Graph
from remit.interrupt import never_interrupted
from remit.model import Question
from remit.wire.explanations import encode_explanation
from tests.support.lookup_worlds import LookupWorld
from tests.support.native.worlds import needs_core
from tests.support.random_worlds import OBJECTS
from tests.support.seeds import Seeds
from tests.support.trial_views import TrialView

pytestmark = needs_core


def bytes_of(evaluator: Evaluator, view: TrialView, question: Question) -> bytes | str:
    try:
        found = evaluator.explain(view, question, 1_000_000, never_interrupted)
    except (NegativeCycle, CaveatFailed) as error:
        return error.reason
    return encode_explanation(found.explanation).SerializeToString(deterministic=True)


@pytest.mark.seeds(60, shards=2)
def test_an_explanation_is_the_same_bytes_however_its_facts_are_kept(seeds: Seeds) -> None:
    kinds: Counter[type] = Counter()
    for seed in seeds:
        world, random = LookupWorld(seed), Random(seed)
        facts = random.sample(world.world.relationships, len(world.world.relationships))
        brought = facts[: random.randint(0, 5)]
        changed = {each.key: each.qualifiers for each in brought}
        core, part = NativeGraph(facts), NativeGraph(facts[len(brought) :])
        for graph in (core, part):
            native.install(graph, world.schema)
        views = (
            TrialView(world.schema, core, core),
            TrialView(world.schema, Overlay(part, changed), part, changed),
        )
        for resource in OBJECTS[:6]:
            question = Question(resource, random.choice(("p0", "p1", "p2")), world.world.subject, world.world.context)
            expected = bytes_of(PlainEvaluator(), TrialView(world.schema, Graph(world.world.relationships)), question)
            for view in views:
                found = bytes_of(NativeEvaluator(PlainEvaluator()), view, question)
                assert found == expected, f"seed {seed}: {question}"
            kinds[type(expected)] += 1
    seeds.require(kinds[bytes] > 50, kinds)
