"""Law: the sets that the core opens are those of `expansion.py`, in the same order and for the same steps."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from remit.errors import Cancelled, StepBudgetSpent
from remit.eval import native
from remit.eval.budget import Budget
from remit.eval.expand import expand
from remit.eval.trees import ExpandLeaf, Expansion
from remit.graph.native import NativeGraph
from remit.graph.plain import Graph
from remit.language import compile_schema, plan
from remit.model import Change, ObjectRef, Provenance, Relationship, StoredRelationship, SubjectRef
from remit.notation import parse_relationship, parse_time
from remit.world import World
from tests.support.native.worlds import WORLD_FILES, LargerWorlds, WideWorlds, needs_core
from tests.support.random_worlds import NOW_US, OBJECTS, random_world
from tests.support.seeds import Seeds

pytestmark = needs_core

Roots = list[tuple[ObjectRef, str]]


def compare(
    schema: plan.Schema,
    graph: NativeGraph,
    relationships: Iterable[Relationship],
    roots: Roots,
    now_us: int,
    depth: int = 0,
) -> int:
    """Open each root here and there, the second time with just the steps that it takes. How many sets were opened."""
    plain, opened = Graph(relationships), 0
    for resource, name in roots:
        budget = Budget()
        expected = expand(schema, plain, resource, name, now_us=now_us, depth=depth, budget=budget)
        found = native.expand(graph, resource, name, now_us=now_us, depth=depth)
        assert found is not None, f"{resource}#{name} is left to Python"
        assert found.expansion == expected, f"{resource}#{name} at {now_us}, {depth} deep"
        assert found.steps == budget.steps, f"{resource}#{name} takes other steps"
        assert native.expand(graph, resource, name, now_us=now_us, depth=depth, steps_max=budget.steps) == found
        with pytest.raises(StepBudgetSpent) as spent:
            native.expand(graph, resource, name, now_us=now_us, depth=depth, steps_max=budget.steps - 1)
        with pytest.raises(StepBudgetSpent) as spent_in_python:
            fewer = Budget(budget.steps - 1)
            expand(schema, plain, resource, name, now_us=now_us, depth=depth, budget=fewer)
        told = [(each.value.message, each.value.metadata) for each in (spent, spent_in_python)]
        assert told[0] == told[1]
        opened += len(expected.sets)
    return opened


def roots_of(schema: plan.Schema, objects: Iterable[ObjectRef]) -> Roots:
    """Every relation and permission of the objects."""
    return [
        (object, name)
        for object in objects
        for definition in (schema.definitions[object.type],)
        for name in (*definition.relations, *definition.permissions)
    ]


def judge(seed: int) -> int:
    """A small world, a larger and a wide one, some of whose sets are opened: whole, and only so deep."""
    random, depth = Random(seed), seed % 4
    small, larger, wide = random_world(seed), LargerWorlds(random), WideWorlds(random, caveats=True)
    sorts = [
        (small.schema, small.relationships, OBJECTS, NOW_US),
        (larger.schema, facts_of(larger, 60), [*larger.objects, ObjectRef("doc", "unknown")], 2),
        (wide.schema, facts_of(wide, 120), [ObjectRef("doc", "0"), ObjectRef("group", "1")], 2),
    ]
    opened = 0
    for schema, facts, objects, now_us in sorts:
        graph = NativeGraph(facts)
        native.install(graph, schema)
        roots = roots_of(schema, objects)
        opened += compare(schema, graph, facts, random.sample(roots, min(3, len(roots))), now_us, depth)
    return opened


def facts_of(worlds: LargerWorlds | WideWorlds, count: int) -> list[Relationship]:
    return list({fact.key: fact for fact in (worlds.fact() for _ in range(count))}.values())


@pytest.mark.seeds(60)
def test_the_core_opens_the_sets_that_expansion_does(seeds: Seeds) -> None:
    opened = sum(judge(seed) for seed in seeds)
    seeds.require(opened > 1_200, f"{opened} sets were opened")


@pytest.mark.long
@pytest.mark.seeds(5_000, shards=4, fresh=True)
def test_the_core_opens_the_sets_that_expansion_does_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        judge(seed)


@pytest.mark.parametrize("path", WORLD_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_worlds_are_opened_alike(path: Path) -> None:
    world = World.read(path)
    graph = NativeGraph(world.relationships)
    native.install(graph, world.schema)
    asked_of = {each.resource for each in world.assertions} | {each.resource for each in world.relationships}
    roots = Random(path.stem).sample(all_roots := roots_of(world.schema, sorted(asked_of)), min(25, len(all_roots)))
    for year in ("1999", "2026", "2100"):
        compare(world.schema, graph, world.relationships, roots, parse_time(f"{year}-01-01T00:00:00Z"))


def test_what_was_written_shows_in_the_next_expansion() -> None:
    """Names are forgotten and their numbers given out again."""
    random = Random(5)
    worlds = LargerWorlds(random)
    facts: dict[object, Relationship] = {}
    graph = NativeGraph()
    for turn in range(60):
        if turn % 15 == 0:
            worlds.change_schema()
            native.install(graph, worlds.schema)
        for fact in (worlds.fact() for _ in range(4)):
            facts[fact.key] = fact
            graph.add(fact)
        for key in random.sample(sorted(facts), min(2, len(facts))):  # type: ignore[type-var]
            del facts[key]
            graph.remove(key)  # type: ignore[arg-type]
        compare(worlds.schema, graph, facts.values(), random.sample(roots_of(worlds.schema, worlds.objects), 4), 2)


# --- what is large, and what is none -----------------------------------------------------------------------------

GROUPS = compile_schema(
    """
    definition user {}
    definition group {
      relation member: user | group#member
      permission all = member
    }
    """
).schema
GROUP = ObjectRef("group", "g")
MANY = 10_000  # more than is sorted, and than is told, at once


@pytest.fixture(scope="module")
def crowd() -> NativeGraph:
    ids = Random(1).sample(range(MANY), MANY)
    graph = NativeGraph(Relationship(GROUP, "member", SubjectRef("user", str(id))) for id in ids)
    native.install(graph, GROUPS, revision=7)
    return graph


def test_a_long_list_is_sorted_as_python_sorts_it(crowd: NativeGraph) -> None:
    found = native.expand(crowd, GROUP, "member", now_us=1)
    assert found is not None and (found.steps, found.revision) == (MANY + 1, 7)
    [only] = found.expansion.sets
    assert isinstance(only.definition, ExpandLeaf)
    assert [each.relationship.subject.id for each in only.definition.subjects] == sorted(map(str, range(MANY)))


def test_who_no_longer_waits_is_heard_and_the_next_is_answered(crowd: NativeGraph) -> None:
    asked = 0

    def interrupt() -> None:
        nonlocal asked
        asked += 1
        raise Cancelled("the caller has gone away")

    with pytest.raises(Cancelled):
        native.expand(crowd, GROUP, "all", now_us=1, interrupt=interrupt)
    assert asked == 1
    answered = native.expand(crowd, GROUP, "all", now_us=1, interrupt=lambda: None)
    assert answered is not None and len(answered.expansion.sets) == 2


def test_an_expansion_gives_way_to_writes_and_begins_anew(crowd: NativeGraph) -> None:
    """Whoever asks whether the caller still waits finds that something was written; all is of one state in the end."""
    graph = NativeGraph(crowd.relationships())
    native.install(graph, GROUPS)
    written = 0

    def overtake() -> None:
        nonlocal written
        if written < 3:
            written += 1
            graph.apply([], written)
            graph.add(Relationship(GROUP, "member", SubjectRef("user", f"new{written}")))

    found = native.expand(graph, GROUP, "member", now_us=1, interrupt=overtake)
    assert found is not None and written > 0
    [only] = found.expansion.sets
    assert isinstance(only.definition, ExpandLeaf)
    assert len(only.definition.subjects) == MANY + found.revision


def test_an_expansion_sees_a_delta_whole_or_not_at_all(crowd: NativeGraph) -> None:
    """Two facts come and go together, while a long list is opened again and again; who waits for ever fails."""
    graph = NativeGraph(crowd.relationships())
    native.install(graph, GROUPS)
    stored = [
        StoredRelationship(Relationship(GROUP, "member", SubjectRef("user", id)), Provenance("anne", "", 1))
        for id in ("first-of-two", "second-of-two")
    ]
    ended = threading.Event()

    def write() -> None:
        revision = 0
        while not ended.is_set():
            revision += 1
            is_there = revision % 2 == 1
            graph.apply([Change(None if is_there else each, each if is_there else None) for each in stored], revision)

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    try:
        for _ in range(6):
            found = native.expand(graph, GROUP, "member", now_us=1, interrupt=lambda: None)
            if found is not None:  # it gives way only so often
                [only] = found.expansion.sets
                assert isinstance(only.definition, ExpandLeaf)
                assert len(only.definition.subjects) == MANY + 2 * (found.revision % 2)
    finally:
        ended.set()
        writing.join(120)
    assert not writing.is_alive(), "a writer waits for ever"
    graph.check_invariants()


def test_a_chain_deeper_than_any_stack_is_a_flat_list() -> None:
    depth = 4_000
    graph = NativeGraph(
        Relationship(ObjectRef("group", str(n)), "member", SubjectRef("group", str(n + 1), "member"))
        for n in range(depth)
    )
    native.install(graph, GROUPS)
    found = native.expand(graph, ObjectRef("group", "0"), "member", now_us=1)
    assert found is not None and len(found.expansion.sets) == depth + 1


@pytest.mark.parametrize(
    ("resource", "name"),
    [(ObjectRef("nothing", "a"), "member"), (GROUP, "nothing"), (ObjectRef("user", "a"), "member")],
    ids=str,
)
def test_an_unknown_name_is_left_to_python(crowd: NativeGraph, resource: ObjectRef, name: str) -> None:
    assert native.expand(crowd, resource, name, now_us=1) is None


def test_without_a_schema_everything_is_left_to_python() -> None:
    graph = NativeGraph([parse_relationship("group:g#member@user:a")])
    assert native.expand(graph, GROUP, "member", now_us=1) is None


def test_an_object_that_no_fact_names_has_sets_of_nobody(crowd: NativeGraph) -> None:
    nobody = ObjectRef("group", "unheard-of")
    found = native.expand(crowd, nobody, "all", now_us=1)
    expected: Expansion = expand(GROUPS, Graph(), nobody, "all", now_us=1)
    assert found is not None and found.expansion == expected and len(expected.sets) == 2
