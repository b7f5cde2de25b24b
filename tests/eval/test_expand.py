"""Law: evaluating an expansion's sets for a subject, asking Check where they ask about the subject, is Check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from remit.errors import CaveatFailed, NegativeCycle, StepBudgetSpent, UnknownRelation, UnknownType
from remit.eval import native
from remit.eval.budget import Budget
from remit.eval.expand import expand
from remit.eval.semantics import Evaluation
from remit.eval.trees import (
    ExpandAlong,
    ExpandArrow,
    ExpandExists,
    ExpandLeaf,
    ExpandNode,
    ExpandReference,
    Expansion,
)
from remit.graph.native import NativeGraph, available
from remit.graph.plain import Graph
from remit.model import ObjectRef, Relationship, SubjectRef
from remit.notation import parse_object
from tests.support.expansions import Reader, SetKey, nodes_of
from tests.support.random_worlds import NOW_US, RandomWorld, random_world
from tests.support.seeds import Seeds
from tests.support.small_worlds import AFTER, AT, evaluation
from tests.support.small_worlds import NOW_US as SMALL_NOW_US


def references_of(definition: ExpandNode) -> list[ExpandReference]:
    """Every reference in a definition, those behind facts too."""
    found: list[ExpandReference | None] = []
    for node in nodes_of(definition):
        match node:
            case ExpandReference():
                found.append(node)
            case ExpandLeaf(_, subjects) | ExpandExists(_, subjects) | ExpandArrow(_, _, _, subjects):
                found += [each.userset for each in subjects]
    return [reference for reference in found if reference is not None]


def facts_of(definition: ExpandNode) -> list[tuple[Relationship, ...]]:
    return [
        tuple(each.relationship for each in subjects)
        for node in nodes_of(definition)
        for subjects in [getattr(node, "subjects", getattr(node, "targets", ()))]
    ]


def checked(evaluation: Evaluation, resource: ObjectRef, name: str, subject: SubjectRef) -> int | None:
    try:
        return int(evaluation.check(resource, name, subject).verdict)
    except (NegativeCycle, CaveatFailed):
        return None


def roots_of(world: RandomWorld, seed: int) -> list[SetKey]:
    """Three sets to open: over all seeds, every kind."""
    random = Random(seed)
    objects = sorted({r.resource for r in world.relationships} | {r.subject.object for r in world.relationships})
    found = []
    for resource in random.sample(objects, 3):
        definition = world.schema.definitions[resource.type]
        found.append((resource, random.choice((*definition.relations, *definition.permissions))))
    return found


# --- laws -------------------------------------------------------------------------------------------------------

Found = Callable[[RandomWorld, SetKey], Expansion]


def by_python(world: RandomWorld, root: SetKey) -> Expansion:
    return expand(world.schema, Graph(world.relationships), *root, now_us=NOW_US)


def by_the_core(world: RandomWorld, root: SetKey) -> Expansion:
    graph = NativeGraph(world.relationships)
    native.install(graph, world.schema)
    found = native.expand(graph, *root, now_us=NOW_US)
    assert found is not None, f"{root[0]}#{root[1]} is left to Python"
    return found.expansion


@pytest.mark.seeds(1_200, shards=4)
def test_an_expansion_evaluated_for_a_subject_is_check(seeds: Seeds) -> None:
    judge(seeds, by_python)


@pytest.mark.skipif(not available(), reason="the native core is not built here")
@pytest.mark.seeds(150)
def test_an_expansion_of_the_core_evaluated_for_a_subject_is_check(seeds: Seeds) -> None:
    judge(seeds, by_the_core)


def judge(seeds: Seeds, found: Found) -> None:
    verdicts: Counter[object] = Counter()
    kinds: Counter[type] = Counter()
    for seed in seeds:
        world = random_world(seed)
        graph = Graph(world.relationships)
        for root in roots_of(world, seed):
            expansion = found(world, root)
            reader = Reader(world, expansion)
            for (what, subject), value in reader.table().items():
                if subject != world.subject or isinstance(what, ExpandAlong):
                    continue
                fresh = Evaluation(world.schema, graph, now_us=NOW_US, context=world.context)
                verdict = checked(fresh, *what, subject)
                assert value == verdict, f"seed {seed}: {what[0]}#{what[1]}@{subject} is {verdict}, expanded to {value}"
                verdicts[value] += 1
            kinds.update(type(node) for each in expansion.sets for node in nodes_of(each.definition))
    for verdict in (0, 1, 2, None):
        seeds.require(verdicts[verdict] >= 3, f"{verdict} in {verdicts}")
    seeds.require(len(kinds) == 11, kinds)


@pytest.mark.seeds(300)
def test_an_expansion_is_a_closed_sorted_list_of_sets_each_once(seeds: Seeds) -> None:
    for seed in seeds:
        world = random_world(seed)
        graph = Graph(world.relationships)
        for root in roots_of(world, seed):
            expansion = expand(world.schema, graph, *root, now_us=NOW_US)
            opened = [(each.resource, each.relation) for each in expansion.sets]
            assert opened[0] == root
            assert len(set(opened)) == len(opened), f"seed {seed}: a set is opened twice"
            referred = [reference for each in expansion.sets for reference in references_of(each.definition)]
            assert {(each.resource, each.relation) for each in referred} | {root} == set(opened)
            assert not any(each.truncated for each in referred)
            for each in expansion.sets:
                for facts in facts_of(each.definition):
                    assert list(facts) == sorted(facts, key=lambda fact: fact.subject)
                    assert all(graph.find(*fact.key) == fact.qualifiers for fact in facts)
                    assert all(fact.qualifiers.counts_at(NOW_US) for fact in facts)


@pytest.mark.seeds(200)
def test_an_expansion_does_not_depend_on_the_order_of_facts(seeds: Seeds) -> None:
    for seed in seeds:
        world = random_world(seed)
        shuffled = Random(seed).sample(world.relationships, len(world.relationships))
        for root in roots_of(world, seed):
            one = expand(world.schema, Graph(world.relationships), *root, now_us=NOW_US)
            assert expand(world.schema, Graph(shuffled), *root, now_us=NOW_US) == one


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.seeds(150)
def test_a_depth_opens_the_sets_that_are_so_near_and_marks_the_others(seeds: Seeds, depth: int) -> None:
    cut = 0
    for seed in seeds:
        world = random_world(seed)
        graph = Graph(world.relationships)
        for root in roots_of(world, seed):
            whole = expand(world.schema, graph, *root, now_us=NOW_US)
            near = expand(world.schema, graph, *root, now_us=NOW_US, depth=depth)
            assert {(s.resource, s.relation) for s in near.sets} == sets_within(whole, depth), f"seed {seed}"
            opened = {(each.resource, each.relation) for each in near.sets}
            for each in near.sets:
                for reference in references_of(each.definition):
                    assert reference.truncated is ((reference.resource, reference.relation) not in opened)
                    cut += reference.truncated
    seeds.require(cut > 50, f"{cut} were cut")


def sets_within(whole: Expansion, depth: int) -> set[SetKey]:
    """The sets that are at most `depth` - 1 references away from the first."""
    definitions = {(each.resource, each.relation): each.definition for each in whole.sets}
    found = {(whole.sets[0].resource, whole.sets[0].relation)}
    for _ in range(depth - 1):
        found |= {(each.resource, each.relation) for key in found for each in references_of(definitions[key])}
    return found


# --- examples ---------------------------------------------------------------------------------------------------

SCHEMA = """
use expiration
definition user {}
definition group {
    relation member: user | group#member | user with expiration
}
definition doc {
    relation viewer: user | group#member
    relation folder: doc
    permission view = viewer + folder->view
}
"""


def expanded(question: str, *facts: str, depth: int = 0, budget: Budget | None = None) -> Expansion:
    world = evaluation(SCHEMA, facts)
    resource, _, name = question.partition("#")
    return expand(
        world.schema,
        world.equations.graph,
        parse_object(resource),
        name,
        now_us=SMALL_NOW_US,
        depth=depth,
        budget=budget,
    )


def test_facts_that_do_not_count_are_left_out() -> None:
    found = expanded("group:g#member", f"group:g#member@user:a[expiration:{AT}]", "group:g#member@user:b")
    (leaf,) = [each.definition for each in found.sets]
    assert isinstance(leaf, ExpandLeaf)
    assert [str(each.relationship.subject) for each in leaf.subjects] == ["user:b"]
    later = expanded("group:g#member", f"group:g#member@user:a[expiration:{AFTER}]")
    assert later.sets[0].definition != ExpandLeaf("member", ())


def test_cycles_and_shared_groups_are_opened_once() -> None:
    found = expanded(
        "doc:1#view",
        "doc:1#folder@doc:2",
        "doc:2#folder@doc:1",
        "doc:1#viewer@group:g#member",
        "doc:2#viewer@group:g#member",
        "group:g#member@group:g#member",
    )
    opened = [f"{each.resource}#{each.relation}" for each in found.sets]
    assert opened == ["doc:1#view", "doc:1#viewer", "doc:2#view", "group:g#member", "doc:2#viewer"], "breadth first"


def test_unknown_names_are_errors() -> None:
    with pytest.raises(UnknownType):
        expanded("dock:1#view")
    with pytest.raises(UnknownRelation, match="did you mean `view`"):
        expanded("doc:1#veiw")


def test_an_expansion_costs_its_edges() -> None:
    """Sixty layers of two groups: 2^60 ways, 240 edges."""
    facts = [f"group:{i}{a}#member@group:{i + 1}{b}#member" for i in range(60) for a in "ab" for b in "ab"]
    found = expanded("group:0a#member", *facts, budget=Budget(800))
    assert len(found.sets) == 121


def test_a_spent_budget_is_an_error() -> None:
    with pytest.raises(StepBudgetSpent):
        expanded("group:g#member", *(f"group:g#member@user:{i}" for i in range(100)), budget=Budget(100))


def test_a_chain_deeper_than_the_stack_is_a_flat_list() -> None:
    found = expanded("doc:0#view", *(f"doc:{i}#folder@doc:{i + 1}" for i in range(3_000)))
    assert len(found.sets) == 2 * 3_001
