"""Reach never prunes an answer: where the meaning says anything but NO, the schema lets the subject in.

The random worlds' facts outrun their declared types, so each world's relations are declared here as what they hold:
that makes the reach as tight as it may be."""

from __future__ import annotations

from random import Random

import pytest

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language.reach import Reach
from remit.model import SubjectRef, Verdict
from tests.support.random_worlds import NOW_US, OBJECTS, declared_as_held, random_world
from tests.support.seeds import Seeds


@pytest.mark.seeds(160, shards=4)
def test_what_is_not_no_can_be_reached(seeds: Seeds) -> None:
    pruned = answered = 0
    for seed in seeds:
        world = random_world(seed)
        schema = declared_as_held(world)
        reach = Reach(schema)
        evaluation = Evaluation(schema, Graph(world.relationships), now_us=NOW_US, context=world.context)
        subjects = [SubjectRef(*one) for one in Random(seed).sample(OBJECTS, 3)] + [world.subject]
        for subject in {*subjects, SubjectRef("doc", "a", "p0")}:
            for resource in OBJECTS:
                definition = schema.definitions[resource.type]
                for name in (*definition.relations, *definition.permissions):
                    try:
                        verdict = evaluation.check(resource, name, subject).verdict
                    except (NegativeCycle, CaveatFailed):
                        verdict = Verdict.CONDITIONAL
                    if reach.can_reach(resource.type, name, subject.type, subject.relation):
                        answered += 1
                    else:
                        pruned += 1
                        assert verdict is Verdict.NO, f"seed {seed}: {resource}#{name}@{subject} was pruned"
    seeds.require(pruned > 100 and answered > 100, f"{pruned} pruned, {answered} answered")
