"""Law: what a step changed of a permission is what the sets of before and after differ by, nothing less and nothing
more.

The worlds are those of `random_worlds.py`: every operator, cycles of both signs, caveats, times. A step writes some
facts, lets time pass, or both; the sets are by definition, of everybody there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

import pytest

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval.affected import Edge
from remit.eval.budget import EVALUATION_BYTES_MAX, STEPS_MAX
from remit.eval.evaluator import Evaluator
from remit.eval.permission_changes import Effort, PermissionChanges
from remit.eval.permission_sets import Listed, PermissionUpdate, permission_set, updates_between
from remit.eval.plain import PlainEvaluator
from remit.eval.semantics import Answer, Evaluation
from remit.graph.native import NativeGraph
from remit.graph.plain import Graph
from remit.graph.view import GraphView
from remit.interrupt import never_interrupted
from remit.language import plan
from remit.model import (
    WILDCARD,
    Qualifiers,
    Relationship,
    RelationshipKey,
    Verdict,
    WatchedPermission,
)
from tests.support.lookup_worlds import TYPES, declaring, told, whole
from tests.support.random_worlds import NOW_US, RandomWorld, random_relationship, random_world
from tests.support.seeds import Seeds

Facts = dict[RelationshipKey, Qualifiers]
KINDS = [*((each, "") for each in TYPES), ("doc", "r0"), ("run", "p0")]
EFFORT = Effort(STEPS_MAX, EVALUATION_BYTES_MAX, never_interrupted)


class View(NamedTuple):
    schema: plan.Schema
    graph: GraphView
    now_us: int
    revision: int = 0
    native: NativeGraph | None = None
    changed: None = None


class Step:
    """A random world, and what happens to it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        world = random_world(seed)
        before: Facts = {fact.key: fact.qualifiers for fact in world.relationships}
        now = dict(before)
        times = (NOW_US, NOW_US)
        kind = self.random.choice(("writes", "writes", "time", "both"))
        if kind != "time":
            for _ in range(self.random.randint(1, 4)):
                self.write(now)
        if kind != "writes":
            times = self.random.choice(((NOW_US - 1, NOW_US), (NOW_US, NOW_US + 1), (NOW_US - 2, NOW_US + 1)))
        facts = [Relationship(*key, each) for held in (before, now) for key, each in held.items()]
        self.schema = declaring(RandomWorld(world.schema, facts, world.subject, world.context))
        self.before = View(self.schema, graph_of(before), times[0])
        self.now = View(self.schema, graph_of(now), times[1])
        self.changed = {key: Edge(before.get(key), now.get(key)) for key in {**before, **now}}
        if times[0] == times[1]:
            self.changed = {key: edge for key, edge in self.changed.items() if edge.before != edge.now}

    def write(self, facts: Facts) -> None:
        fact = random_relationship(self.random, qualified=True)
        if facts and self.random.random() < 0.4:
            del facts[self.random.choice(sorted(facts))]
        else:
            facts[fact.key] = fact.qualifiers

    def watched(self) -> list[WatchedPermission]:
        found = []
        for type in TYPES:
            definition = self.schema.definitions[type]
            for name in self.random.sample([*definition.relations, *definition.permissions], 2):
                found += [WatchedPermission(type, name, *kind) for kind in self.random.sample(KINDS, 2)]
        return found


def graph_of(facts: Facts) -> Graph:
    return Graph(Relationship(*key, qualifiers) for key, qualifiers in facts.items())


def set_of(view: View, watched: WatchedPermission) -> dict[str, Listed]:
    return permission_set(Evaluation(view.schema, view.graph, now_us=view.now_us), watched, whole())


def said(update: PermissionUpdate) -> object:
    resource, subject, before, now = update
    return resource, subject, (told(before.answer), before.listed), (told(now.answer), now.listed)


def applied(before: Mapping[str, Listed], updates: list[PermissionUpdate]) -> dict[str, dict[str, object]]:
    """What one who holds the set makes of what is told."""
    held = {id: {each: told(answer) for each, answer in listed.items()} for id, listed in before.items()}
    for resource, subject, _, now in updates:
        listed = held.setdefault(resource.id, {})
        if now.listed:
            listed[subject.id] = told(now.answer)
        else:
            del listed[subject.id]
    return {id: listed for id, listed in held.items() if listed}


def compare(seed: int, evaluator: Evaluator) -> Counter[object]:
    step = Step(seed)
    changes = PermissionChanges(evaluator, step.before, step.now, step.changed, EFFORT)
    kinds: Counter[object] = Counter()
    for watched in step.watched():
        before, now = set_of(step.before, watched), set_of(step.now, watched)
        expected = list(updates_between(watched, before, now))
        found = list(changes.of(watched))
        assert [said(each) for each in found] == [said(each) for each in expected], f"seed {seed}: {watched}"
        assert applied(before, found) == applied(now, []), f"seed {seed}: {watched}"
        for update in found:
            kinds["told"] += 1
            kinds[WILDCARD] += update.subject.id == WILDCARD
            for each in (update.before.answer, update.now.answer):
                kinds[each.verdict if isinstance(each, Answer) else type(each)] += 1
    kinds["time"] += step.before.now_us != step.now.now_us
    return kinds


@pytest.mark.seeds(480, shards=4)
def test_what_is_told_is_what_the_sets_differ_by(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(seed, PlainEvaluator())
    for kind in (*Verdict, NegativeCycle, CaveatFailed, WILDCARD, "told", "time"):
        seeds.require(kinds[kind] >= 1, f"{kind} in {kinds}")


@pytest.mark.long
@pytest.mark.seeds(20_000, shards=8, fresh=True)
def test_what_is_told_is_what_the_sets_differ_by_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        compare(seed, PlainEvaluator())
