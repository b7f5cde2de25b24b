"""A difference never hides what it does: where answers move between two schemas, the facts being equal, it says so."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language import plan
from remit.language.diff import Effect, diff
from tests.support.random_worlds import NOW_US, OBJECTS, random_expression, random_world
from tests.support.seeds import Seeds

UP, DOWN = {Effect.WIDENS, Effect.BOTH}, {Effect.NARROWS, Effect.BOTH}


def changed(random: Random, schema: plan.Schema) -> plan.Schema:
    """The schema with one permission defined otherwise: near to what it was more often than not."""
    definition = schema.definitions[random.choice(("doc", "run"))]
    permission = definition.permissions[random.choice(("p0", "p1", "p2"))]
    relations = list(definition.relations)
    other = random_expression(random, [*relations, *definition.permissions], relations, 1)
    was = permission.expression
    expression = random.choice(
        (plan.Union((was, other)), plan.Intersection((was, other)), plan.Exclusion(was, other), other)
    )
    permissions = {**definition.permissions, permission.name: replace(permission, expression=expression)}
    definitions = {**schema.definitions, definition.name: replace(definition, permissions=permissions)}
    return replace(schema, definitions=definitions)


def answers(schema: plan.Schema, seed: int) -> list[int | None]:
    world = random_world(seed)
    evaluation = Evaluation(schema, Graph(world.relationships), now_us=NOW_US, context=world.context)
    found: list[int | None] = []
    for resource in OBJECTS[:6]:
        for name in ("p0", "p1", "p2"):
            try:
                found.append(int(evaluation.check(resource, name, world.subject).verdict))
            except (NegativeCycle, CaveatFailed):
                found.append(None)
    return found


@pytest.mark.seeds(400)
def test_answers_move_only_as_a_difference_says(seeds: Seeds) -> None:
    moved = 0
    for seed in seeds:
        old = random_world(seed).schema
        new = changed(Random(seed), old)
        for one, other in ((old, new), (new, old)):
            effects = {change.effect for change in diff(one, other)}
            for before, after in zip(answers(one, seed), answers(other, seed), strict=True):
                if before is None or after is None or before == after:
                    continue
                moved += 1
                assert effects & (UP if after > before else DOWN), f"seed {seed}: {before} → {after}, told {effects}"
    seeds.require(moved > 100, f"{moved} answers moved")
