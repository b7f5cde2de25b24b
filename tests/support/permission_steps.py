"""Random worlds to which something happens: facts are written, time passes; and what a permission's set was and is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from remit.eval.affected import Edge
from remit.eval.budget import EVALUATION_BYTES_MAX, STEPS_MAX
from remit.eval.evaluator import Evaluator
from remit.eval.native import install
from remit.eval.permission_changes import Effort, PermissionChanges
from remit.eval.permission_sets import Listed, PermissionUpdate, permission_set, updates_between
from remit.eval.semantics import Answer, Evaluation
from remit.graph.native import NativeGraph
from remit.graph.overlay import Changed, Overlay
from remit.graph.plain import Graph
from remit.graph.view import GraphView
from remit.interrupt import never_interrupted
from remit.language import plan
from remit.model import WILDCARD, Qualifiers, Relationship, RelationshipKey, WatchedPermission
from tests.support import organisations, profile_organisations
from tests.support.lookup_worlds import TYPES, declaring, told, whole
from tests.support.organisations import agents_schema, hold_on, holdable
from tests.support.profile_organisations import profiles_schema
from tests.support.random_worlds import NOW_US, RandomWorld, random_relationship, random_world

Facts = dict[RelationshipKey, Qualifiers]
KINDS = [*((each, "") for each in TYPES), ("doc", "r0"), ("run", "p0")]
EFFORT = Effort(STEPS_MAX, EVALUATION_BYTES_MAX, never_interrupted)


class View(NamedTuple):
    schema: plan.Schema
    graph: GraphView
    now_us: int
    revision: int = 0
    native: NativeGraph | None = None
    changed: Changed | None = None


class Step(NamedTuple):
    """What was and what is."""

    schema: plan.Schema
    before: Facts
    now: Facts
    times: tuple[int, int]
    watched: list[WatchedPermission]

    def plain(self) -> tuple[View, View]:
        before, now = (View(self.schema, graph_of(facts), 0) for facts in (self.before, self.now))
        return before._replace(now_us=self.times[0]), now._replace(now_us=self.times[1])

    def native(self) -> tuple[View, View]:
        """Over the core, as an engine has it: before is what is now, with what came since taken back."""
        graph = NativeGraph(Relationship(*key, qualifiers) for key, qualifiers in self.now.items())
        install(graph, self.schema)
        undone = {key: edge.before for key, edge in self.changed().items() if edge.before != edge.now}
        before = View(self.schema, Overlay(graph, undone), self.times[0], native=graph, changed=undone)
        return before, View(self.schema, graph, self.times[1], native=graph)

    def changed(self) -> dict[RelationshipKey, Edge]:
        edges = {key: Edge(self.before.get(key), self.now.get(key)) for key in {**self.before, **self.now}}
        if self.times[0] != self.times[1]:
            return edges  # each may begin or end
        return {key: edge for key, edge in edges.items() if edge.before != edge.now}


def random_step(seed: int) -> Step:
    """Of a random world: some facts are written, or time passes, or both."""
    random = Random(seed)
    world = random_world(seed)
    before: Facts = {fact.key: fact.qualifiers for fact in world.relationships}
    now = dict(before)
    times = (NOW_US, NOW_US)
    kind = random.choice(("writes", "writes", "time", "both"))
    if kind != "time":
        for _ in range(random.randint(1, 4)):
            _write(random, now)
    if kind != "writes":
        times = random.choice(((NOW_US - 1, NOW_US), (NOW_US, NOW_US + 1), (NOW_US - 2, NOW_US + 1)))
    facts = [Relationship(*key, each) for held in (before, now) for key, each in held.items()]
    schema = declaring(RandomWorld(world.schema, facts, world.subject, world.context))
    watched = []
    for type in TYPES:
        definition = schema.definitions[type]
        for name in random.sample([*definition.relations, *definition.permissions], 2):
            watched += [WatchedPermission(type, name, *kind) for kind in random.sample(KINDS, 2)]
    return Step(schema, before, now, times, watched)


def _write(random: Random, facts: Facts) -> None:
    fact = random_relationship(random, qualified=True)
    if facts and random.random() < 0.4:
        del facts[random.choice(sorted(facts))]
    else:
        facts[fact.key] = fact.qualifiers


def step_of_agents(seed: int) -> Step:
    """Of an organisation of agents, with profiles or from before them: somebody or something is held or released, or a
    fact is gone."""
    random = Random(seed)
    schema, of = random.choice(((agents_schema(), organisations), (profiles_schema(), profile_organisations)))
    organisation = of.healthy(seed)
    held = hold_on(random.choice(holdable(organisation, schema)))
    match random.choice(("hold", "hold", "release", "gone")):
        case "hold":
            after = organisation.having(held)
        case "release":
            after = organisation
            organisation = organisation.having(held)
        case _:
            after = organisation.without(random.choice(organisation.facts))
    before, now = ({fact.key: fact.qualifiers for fact in each.facts} for each in (organisation, after))
    watched = [WatchedPermission("tool", "use", each) for each in ("run", "user")]
    return Step(schema, before, now, (NOW_US, NOW_US), watched)


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


def compare(step: Step, views: tuple[View, View], evaluator: Evaluator, name: str) -> Counter[object]:
    """What is told is what the sets differ by, and makes the one of the other. Returns what was met."""
    plain = step.plain()
    changes = PermissionChanges(evaluator, *views, step.changed(), EFFORT)
    kinds: Counter[object] = Counter()
    for watched in step.watched:
        before, now = (set_of(view, watched) for view in plain)
        expected = list(updates_between(watched, before, now))
        found = list(changes.of(watched))
        assert [said(each) for each in found] == [said(each) for each in expected], f"{name}: {watched}"
        assert applied(before, found) == applied(now, []), f"{name}: {watched}"
        for update in found:
            kinds["told"] += 1
            kinds[WILDCARD] += update.subject.id == WILDCARD
            for each in (update.before.answer, update.now.answer):
                kinds[each.verdict if isinstance(each, Answer) else type(each)] += 1
    kinds["time"] += step.times[0] != step.times[1]
    return kinds
