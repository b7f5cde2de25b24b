"""Law 1 once more, from the outside: whatever schema the compiler accepts and whatever facts admission accepts under
it, schema after schema, the engine answers as the judge does; nothing accepted ever breaks it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from remit.errors import (
    CaveatFailed,
    FinalRefused,
    NegativeCycle,
    RelationshipExists,
    SchemaOrphansRelationships,
    SingleTaken,
    WeakeningRefused,
)
from remit.language.plan import Schema
from remit.model import Operation, Question, SubjectRef, Update
from tests.support.engines import EngineOfTest
from tests.support.judge import Judge
from tests.support.random_schemas import changed_schema, random_fact, random_schema, random_subject
from tests.support.seeds import Seeds

SCHEMAS_PER_WORLD = 3


def judge_world(seed: int) -> Counter[object]:
    """One store under three schemas, each with more facts; all questions about one subject under each."""
    random = Random(seed)
    world = EngineOfTest("memory", Path())
    counts: Counter[object] = Counter()
    try:
        text, schema = random_schema(random)
        world.schema(text)
        for _ in range(SCHEMAS_PER_WORLD):
            counts += write_facts(random, world, schema)
            subject = random_subject(random)
            context: dict[str, object] = {name: random.choice((1, 50)) for name in "xy" if random.random() < 0.4}
            try:
                counts += compare(world, schema, subject, context)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {subject} with {context}: {error}\n{text}") from error
            world.clock.advance_us(random.choice((0, 1, 3)))
            changed, plan = changed_schema(random, text)
            try:
                world.schema(changed)
            except SchemaOrphansRelationships:
                counts["orphans"] += 1
            else:
                text, schema = changed, plan
                counts["schemas"] += 1
        world.check_laws()
    finally:
        world.engine.close()
    return counts


def write_facts(random: Random, world: EngineOfTest, schema: Schema) -> Counter[object]:
    counts: Counter[object] = Counter()
    for _ in range(random.randint(3, 25)):
        operation = random.choice((Operation.TOUCH, Operation.TOUCH, Operation.CREATE, Operation.DELETE))
        fact = random_fact(random, schema, world.clock.now_us())
        try:
            world.engine.relationships.write("", [Update(operation, fact)])
        except (SingleTaken, RelationshipExists, FinalRefused, WeakeningRefused) as refusal:
            counts[refusal.reason] += 1
    return counts


def compare(world: EngineOfTest, schema: Schema, subject: SubjectRef, context: dict[str, object]) -> Counter[object]:
    judge = Judge(schema, list(world.graph().relationships()), subject, world.clock.now_us(), context)
    counts: Counter[object] = Counter()
    for (resource, name, about), expected in judge.table().items():
        if about != subject or not isinstance(name, str):
            continue
        try:
            found = world.engine.questions.check("", Question(resource, name, subject, context), explain=True)
        except (NegativeCycle, CaveatFailed):
            assert expected is None, f"{resource}#{name} is {expected}, answered undefined"
        else:
            assert found.verdict == expected, f"{resource}#{name} is {expected}, answered {found.verdict}"
            missing = judge.missing(resource, name) if expected == 1 else ()
            assert found.missing == missing, f"{resource}#{name} misses {missing}, answered {found.missing}"
        world.engine.questions.expand("", resource, name)
        counts[expected] += 1
    return counts


@pytest.mark.seeds(16, shards=2)
def test_whatever_is_accepted_is_answered_as_the_judge_does(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_world(seed)
    refusals = ("SINGLE_RELATION_TAKEN", "RELATIONSHIP_EXISTS", "FINAL_RELATION", "SUBTRACTED_WEAKENED")
    for kind in (0, 1, 2, None, "schemas", "orphans", *refusals):
        seeds.require(counts[kind] >= 1, f"{kind} in {counts}")


@pytest.mark.long
@pytest.mark.seeds(1_500, shards=4, fresh=True)
def test_whatever_is_accepted_is_answered_as_the_judge_does_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        judge_world(seed)
