"""Random worlds that lookups are asked of, and what they say in a form that can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from remit.errors import CaveatFailed, NegativeCycle, RemitError
from remit.eval.budget import STEPS_MAX, Budget
from remit.eval.candidates import resource_candidates, subject_candidates
from remit.eval.lookups import (
    LookupPage,
    Place,
    all_resources,
    all_subjects,
    lookup_resources,
    lookup_subjects,
)
from remit.eval.semantics import Answer, Evaluation
from remit.graph.plain import Graph
from remit.interrupt import never_interrupted
from remit.language import plan
from remit.model import WILDCARD, ObjectRef, Relationship, ResourceLookup, SubjectLookup, SubjectRef
from tests.support.random_worlds import NOW_US, OBJECTS, RandomWorld, random_world

TYPES = ("doc", "run", "user")
UNSEEN = "unseen"  # an id of no object in any world


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

    def __init__(self, seed: int, world: RandomWorld | None = None, objects: Sequence[ObjectRef] = OBJECTS) -> None:
        """`world` instead of the seed's own, with those of its objects that are asked about."""
        self.world = world or random_world(seed)
        self.objects = objects
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
        for resource in (*self.random.sample(self.objects, 3), ObjectRef("doc", UNSEEN)):
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
