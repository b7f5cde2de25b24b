"""Who is in the sets of an expansion, decided by an evaluator that is small and its own.

It knows the flat list of sets and nothing of the schema, and repeats until nothing changes. Caveats it decides by the
caveat itself, and asks Check where the sets ask about the subject."""

from __future__ import annotations

import json

from remit.errors import CaveatFailed
from remit.eval.equations import Goal
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
from remit.graph.plain import Graph
from remit.model import ObjectRef, Relationship, SubjectRef
from tests.support.random_worlds import NOW_US, RandomWorld

SetKey = tuple[ObjectRef, str]
Cell = tuple[SetKey | ExpandAlong, SubjectRef]  # is the subject in the set, or along the chain in all of it?
Values = dict[Cell, int]


class Reader:
    """Decides who is in the sets of an expansion: a subject, and everyone in its chain."""

    def __init__(self, world: RandomWorld, expansion: Expansion, now_us: int = NOW_US) -> None:
        self.world, self.now_us = world, now_us
        self.graph = Graph(world.relationships)
        self.check = Evaluation(world.schema, self.graph, now_us=now_us, context=world.context)
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
                    self.above[link, relation] = [target for target, when in edges if when.counts_at(self.now_us)]
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
        if self.world.schema.side_of(use.name) is not None:
            return 1  # who expands brings no call
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
