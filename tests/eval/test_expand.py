"""Law: evaluating an expansion's sets for a subject, asking Check where they ask about the subject, is Check.

The evaluator here is small and its own: it knows the flat list of sets and nothing of the schema, and repeats until
nothing changes. Caveats it decides by the caveat itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from remit.errors import CaveatFailed, NegativeCycle, StepBudgetSpent, UnknownRelation, UnknownType
from remit.eval import native
from remit.eval.budget import Budget
from remit.eval.equations import Goal
from remit.eval.expand import expand
from remit.eval.semantics import Evaluation
from remit.eval.trees import (
    ExpandAlong,
    ExpandArrow,
    ExpandExclusion,
    ExpandExists,
    ExpandIntersection,
    ExpandLeaf,
    ExpandNobody,
    ExpandNode,
    ExpandReference,
    ExpandSelf,
    ExpandSubject,
    ExpandSubjectFilter,
    ExpandUnion,
    Expansion,
)
from remit.graph.native import NativeGraph, available
from remit.graph.plain import Graph
from remit.model import ObjectRef, Relationship, SubjectRef
from remit.notation import parse_object
from tests.support.random_worlds import NOW_US, RandomWorld, random_world
from tests.support.seeds import Seeds
from tests.support.small_worlds import AFTER, AT, evaluation
from tests.support.small_worlds import NOW_US as SMALL_NOW_US

SetKey = tuple[ObjectRef, str]
Cell = tuple[SetKey | ExpandAlong, SubjectRef]  # is the subject in the set, or along the chain in all of it?
Values = dict[Cell, int]


class Reader:
    """Decides who is in the sets of an expansion: a subject, and everyone in its chain."""

    def __init__(self, world: RandomWorld, expansion: Expansion) -> None:
        self.world = world
        self.graph = Graph(world.relationships)
        self.check = Evaluation(world.schema, self.graph, now_us=NOW_US, context=world.context)
        self.sets = {(each.resource, each.relation): each.definition for each in expansion.sets}
        nodes = [node for definition in self.sets.values() for node in nodes_of(definition)]
        self.alongs = {node for node in nodes if isinstance(node, ExpandAlong)}
        self.above: dict[tuple[SubjectRef, str], list[SubjectRef]] = {}
        subjects = self.chain_of(world.subject)
        self.cells: list[Cell] = [(what, subject) for what in (*self.sets, *self.alongs) for subject in subjects]

    def chain_of(self, subject: SubjectRef) -> list[SubjectRef]:
        """The subject and all above it, by any relation that an `along` of the expansion names."""
        chain = [subject]
        relations = {relation for along in self.alongs for relation in along.relations}
        for link in chain:
            for relation in relations:
                if not link.relation and relation in self.world.schema.definitions[link.type].relations:
                    edges = self.graph.edges(link.object, relation)
                    self.above[link, relation] = [target for target, when in edges if when.counts_at(NOW_US)]
                    chain += [target for target in self.above[link, relation] if target not in chain]
        return chain

    def table(self) -> dict[Cell, int | None]:
        """Who is in what; None where it is undefined: the alternating fixed point, by plain repetition."""
        low = dict.fromkeys(self.cells, 0)
        while True:
            high = self.least(low, 1)
            better = self.least(high, 0)
            if better == low:
                return {cell: low[cell] if low[cell] == high[cell] else None for cell in self.cells}
            low = better

    def least(self, standing: Values, side: int) -> Values:
        rising = dict.fromkeys(self.cells, 0)
        while True:
            before = dict(rising)
            for cell in self.cells:
                rising[cell] = self.cell(cell, rising, standing, side)
            if rising == before:
                return rising

    def cell(self, cell: Cell, rising: Values, standing: Values, side: int) -> int:
        what, subject = cell
        if isinstance(what, ExpandAlong):
            return self.along(what, subject, rising, standing, side)
        if subject == (*what[0], what[1]):
            return 2  # every set contains the userset of its own name
        return self.node(self.sets[what], subject, rising, standing, side)

    def along(self, along: ExpandAlong, subject: SubjectRef, rising: Values, standing: Values, side: int) -> int:
        if subject.relation:
            return 0
        value = self.node(along.child, subject, rising, standing, side)
        for relation in along.relations:
            if (subject, relation) in self.above:
                links = self.above[subject, relation]
                value = min([value, *(rising[along, link] for link in links)]) if links else 0
        return value

    def node(self, node: ExpandNode, subject: SubjectRef, rising: Values, standing: Values, side: int) -> int:
        def inner(child: ExpandNode) -> int:
            return self.node(child, subject, rising, standing, side)

        match node:
            case ExpandReference(resource, relation):
                return rising[(resource, relation), subject]
            case ExpandUnion(children):
                return max(map(inner, children))
            case ExpandIntersection(children):
                return min(map(inner, children))
            case ExpandExclusion(base, subtracted):
                return min(inner(base), 2 - self.node(subtracted, subject, standing, rising, 1 - side))
            case ExpandLeaf(_, subjects):
                return max((self.member(each, subject, rising, side) for each in subjects), default=0)
            case ExpandExists(_, subjects):
                return max((self.fact(each.relationship, side) for each in subjects), default=0)
            case ExpandArrow(_, _, every, targets):
                reached = [
                    min(self.fact(each.relationship, side), self.behind(each, subject, rising)) for each in targets
                ]
                return (min if every else max)(reached, default=0)
            case ExpandAlong():
                return rising[node, subject]
            case ExpandSubjectFilter(permission):
                # Asked of Check, as bounds, since Check itself would raise where it is undefined.
                return 0 if subject.relation else self.check.solve(Goal(subject.object, permission, subject))[side]
            case ExpandSelf(resource):
                return 2 if subject == (*resource, "") else 0
            case ExpandNobody():
                return 0

    def member(self, each: ExpandSubject, subject: SubjectRef, rising: Values, side: int) -> int:
        held = each.relationship.subject
        if held == subject or (held.is_wildcard and held.type == subject.type and not subject.relation):
            return self.fact(each.relationship, side)
        return min(self.fact(each.relationship, side), self.behind(each, subject, rising))

    def behind(self, each: ExpandSubject, subject: SubjectRef, rising: Values) -> int:
        """Whether the subject is in the set behind a fact."""
        return rising[(each.userset.resource, each.userset.relation), subject] if each.userset is not None else 0

    def fact(self, relationship: Relationship, side: int) -> int:
        use = relationship.qualifiers.caveat
        if use is None:
            return 2
        try:
            verdict, _ = self.world.schema.caveats[use.name].evaluate(json.loads(use.context_json), self.world.context)
        except CaveatFailed:
            return 2 * side
        return int(verdict)


def nodes_of(node: ExpandNode) -> list[ExpandNode]:
    match node:
        case ExpandUnion(children) | ExpandIntersection(children):
            return [node, *(each for child in children for each in nodes_of(child))]
        case ExpandExclusion(base, subtracted):
            return [node, *nodes_of(base), *nodes_of(subtracted)]
        case ExpandAlong(child):
            return [node, *nodes_of(child)]
    return [node]


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


def test_circles_and_shared_groups_are_opened_once() -> None:
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
