"""Law: a lookup is Check asked the other way around, for every value of every object.

The worlds are those of `random_worlds.py`: every operator, cycles of both signs, caveats, times. A lookup is compared
three times: what the walks of `candidates.py` find with what trying everybody finds, that with Check of each object
there is and of one that is not, and its pages of any size with the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from remit.errors import CaveatFailed, NegativeCycle, RemitError
from remit.eval.budget import STEPS_MAX, Budget
from remit.eval.candidates import resource_candidates, subject_candidates
from remit.eval.lookups import (
    Entry,
    LookupPage,
    Place,
    all_resources,
    all_subjects,
    lookup_resources,
    lookup_subjects,
    order_of,
)
from remit.eval.semantics import Answer, Evaluation
from remit.graph.plain import Graph
from remit.interrupt import never_interrupted
from remit.language import plan
from remit.model import WILDCARD, ObjectRef, Relationship, ResourceLookup, SubjectLookup, SubjectRef, Verdict
from tests.support.random_worlds import NOW_US, OBJECTS, RandomWorld, random_world
from tests.support.seeds import Seeds

TYPES = ("doc", "run", "user")
UNSEEN = "unseen"  # an id of no object in any world
Told = tuple[str, object, tuple[str, ...]]


def declaring(world: RandomWorld) -> plan.Schema:
    """The world's schema with every subject declared that its facts have: what a server would have insisted on."""
    definitions = dict(world.schema.definitions)
    for fact in world.relationships:
        definition = definitions[fact.resource.type]
        relation = definition.relations[fact.relation]
        kind = plan.SubjectType(fact.subject.type, fact.subject.relation, fact.subject.is_wildcard)
        relations = {
            **definition.relations,
            fact.relation: replace(relation, subject_types=(*relation.subject_types, kind)),
        }
        definitions[fact.resource.type] = replace(definition, relations=relations)
    return replace(world.schema, definitions=definitions)


class LookupWorld:
    """A random world, and what it is asked with."""

    def __init__(self, seed: int) -> None:
        self.world = random_world(seed)
        self.schema = declaring(self.world)
        self.graph = Graph(self.world.relationships)
        self.random = Random(seed)

    def evaluation(self) -> Evaluation:
        return Evaluation(self.schema, self.graph, now_us=NOW_US, context=self.world.context)

    def names(self, type: str) -> list[str]:
        definition = self.schema.definitions[type]
        return [*definition.relations, *definition.permissions]

    def lookups(self) -> Iterator[ResourceLookup | SubjectLookup]:
        """Of the world's subject what it has, by two names of each type; and who has two names of two objects."""
        for type in TYPES:
            for name in self.random.sample(self.names(type), 2):
                yield ResourceLookup(type, name, self.world.subject, self.world.context)
        for resource in (*self.random.sample(OBJECTS, 3), ObjectRef("doc", UNSEEN)):
            for name in self.random.sample(self.names(resource.type), 2):
                for type, relation in [*((each, "") for each in TYPES), ("doc", "r0"), ("run", "p0")]:
                    yield SubjectLookup(resource, name, type, relation, self.world.context)

    def quick(self, lookup: ResourceLookup | SubjectLookup, place: Place) -> LookupPage:
        budget = Budget()
        if isinstance(lookup, ResourceLookup):
            found = resource_candidates(self.schema, self.graph, lookup, NOW_US, budget)
            return lookup_resources(self.evaluation(), lookup, place, found)
        some = subject_candidates(self.schema, self.graph, lookup, NOW_US, budget)
        return lookup_subjects(self.evaluation(), lookup, place, some)

    def by_definition(self, lookup: ResourceLookup | SubjectLookup) -> LookupPage:
        if isinstance(lookup, ResourceLookup):
            return lookup_resources(self.evaluation(), lookup, whole(), all_resources(self.graph, lookup))
        everybody = all_subjects(self.schema, self.graph, lookup, NOW_US, Budget())
        return lookup_subjects(self.evaluation(), lookup, whole(), everybody)

    def check(self, lookup: ResourceLookup | SubjectLookup, id: str) -> Answer | RemitError:
        """Of the object that an id of the lookup's list means."""
        evaluation = self.evaluation()
        try:
            if isinstance(lookup, ResourceLookup):
                return evaluation.check(ObjectRef(lookup.resource_type, id), lookup.permission, lookup.subject)
            subject = SubjectRef(lookup.subject_type, id, lookup.subject_relation)
            return evaluation.check(lookup.resource, lookup.permission, subject)
        except (NegativeCycle, CaveatFailed) as error:
            return error

    def occurring(self, type: str) -> set[str]:
        """The ids of objects that a relationship names which counts now."""
        facts = [fact for fact in self.world.relationships if fact.qualifiers.counts_at(NOW_US)]
        return {o.id for o in objects_of(facts) if o.type == type and o.id != WILDCARD}


def objects_of(facts: list[Relationship]) -> set[ObjectRef]:
    return {fact.resource for fact in facts} | {fact.subject.object for fact in facts}


def whole() -> Place:
    return place("", 1_000)


def place(after: str, limit: int) -> Place:
    return Place(after, limit, STEPS_MAX, never_interrupted)


def told(answer: Answer | RemitError) -> object:
    return (answer.verdict, answer.missing) if isinstance(answer, Answer) else type(answer)


def told_of(page: LookupPage) -> list[tuple[str, object]]:
    return [(id, told(answer)) for id, answer in page.entries]


def compare(seed: int) -> Counter[object]:
    """Every comparison of one world; what came out, so that the laws are known not to be vacuous."""
    world = LookupWorld(seed)
    kinds: Counter[object] = Counter()
    for lookup in world.lookups():
        found = world.quick(lookup, whole())
        assert found.next_after is None
        assert told_of(found) == told_of(world.by_definition(lookup)), f"seed {seed}: {lookup}"
        assert [id for id, _ in found.entries] == sorted({id for id, _ in found.entries}, key=order_of)
        if isinstance(lookup, ResourceLookup):
            invert_resources(world, lookup, found, seed)
        else:
            invert_subjects(world, lookup, found, seed)
        in_pages(world, lookup, found, seed)
        for id, answer in found.entries:
            kinds[answer.verdict if isinstance(answer, Answer) else type(answer)] += 1
            kinds[WILDCARD] += id == WILDCARD
    return kinds


def invert_resources(world: LookupWorld, lookup: ResourceLookup, found: LookupPage, seed: int) -> None:
    listed = dict(found.entries)
    ids = world.occurring(lookup.resource_type)
    if lookup.subject.type == lookup.resource_type:
        ids.add(lookup.subject.id)
    assert listed.keys() <= ids, f"seed {seed}: {lookup}"
    for id in ids:
        said = told(listed.get(id, Answer(Verdict.NO)))
        assert said == told(world.check(lookup, id)), f"seed {seed}: {lookup} {id}"


def invert_subjects(world: LookupWorld, lookup: SubjectLookup, found: LookupPage, seed: int) -> None:
    listed = dict(found.entries)
    everybody = listed.get(WILDCARD, Answer(Verdict.NO))
    for id in (UNSEEN, *world.occurring(lookup.subject_type)):
        said = told(listed.get(id, everybody))
        assert said == told(world.check(lookup, id)), f"seed {seed}: {lookup} {id}"
    excluded = [id for id, answer in listed.items() if isinstance(answer, Answer) and answer.verdict is Verdict.NO]
    assert not excluded or WILDCARD in listed, f"seed {seed}: {lookup} leaves out of nothing"


def in_pages(world: LookupWorld, lookup: ResourceLookup | SubjectLookup, found: LookupPage, seed: int) -> None:
    limit = world.random.choice((1, 2, 3))
    entries: list[Entry] = []
    after: str | None = ""
    while after is not None:
        page = world.quick(lookup, place(after, limit))
        assert len(page.entries) <= limit
        assert page.next_after is None or order_of(page.next_after) > order_of(after)
        entries += page.entries
        after = page.next_after
    assert told_of(LookupPage(tuple(entries), None, 0)) == told_of(found), f"seed {seed}: {lookup} by {limit}"


@pytest.mark.seeds(480, shards=4)
def test_a_lookup_is_check_asked_the_other_way_around(seeds: Seeds) -> None:
    kinds: Counter[object] = Counter()
    for seed in seeds:
        kinds += compare(seed)
    for kind in (*Verdict, NegativeCycle, CaveatFailed, WILDCARD):
        seeds.require(kinds[kind] >= 1, f"{kind} in {kinds}")


@pytest.mark.long
@pytest.mark.seeds(20_000, shards=8, fresh=True)
def test_a_lookup_is_check_asked_the_other_way_around_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        compare(seed)
