"""Who has it: a relation or permission of an object as sets made of sets, whoever asks.

Each set is opened once, breadth first, and referred to wherever else it occurs, so cycles and shared groups cost
nothing. Facts that do not count at the time are left out.
Law: evaluating the sets for a subject, asking Check where they ask about the subject, gives Check's answer."""

from __future__ import annotations

from collections import deque
from heapq import merge
from typing import assert_never

from remit.eval.budget import GOAL_BYTES, Budget
from remit.eval.equations import bytes_of
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
    ExpandSet,
    ExpandSubject,
    ExpandSubjectFilter,
    ExpandUnion,
    Expansion,
)
from remit.graph.view import GraphView
from remit.interrupt import looked_at
from remit.language import plan
from remit.language.names import require_name
from remit.model import ObjectRef, Qualifiers, Relationship, SubjectRef

SetKey = tuple[ObjectRef, str]
Edge = tuple[SubjectRef, Qualifiers]

_SORTED_AT_ONCE = 4_096  # some milliseconds


def expand(
    schema: plan.Schema,
    graph: GraphView,
    resource: ObjectRef,
    name: str,
    *,
    now_us: int,
    depth: int = 0,
    usersets: bool = True,
    budget: Budget | None = None,
) -> Expansion:
    """The sets behind `resource#name`, at most `depth` deep (0: all); without `usersets`, those among the facts of a
    relation stay closed. Cost: O(edges listed).

    Raises UnknownType, UnknownRelation, StepBudgetSpent, and what the budget's interrupt raises."""
    require_name(schema, resource.type, name, field="resource")
    return _Expanding(schema, graph, now_us, depth, usersets, budget or Budget()).expand((resource, name))


class _Expanding:
    def __init__(
        self, schema: plan.Schema, graph: GraphView, now_us: int, depth_max: int, usersets: bool, budget: Budget
    ) -> None:
        self._schema = schema
        self._graph = graph
        self._now_us = now_us
        self._depth_max = depth_max
        self._opens_usersets = usersets
        self._budget = budget
        self._depth: dict[SetKey, int] = {}  # of every set that is or will be opened
        self._queue: deque[SetKey] = deque()

    def expand(self, root: SetKey) -> Expansion:
        self._depth[root] = 1
        self._queue.append(root)
        sets: list[ExpandSet] = []
        while self._queue:
            self._budget.spend()
            resource, name = key = self._queue.popleft()
            self._budget.bytes += GOAL_BYTES + len(resource.id)
            sets.append(ExpandSet(resource, name, self._definition(resource, name, self._depth[key])))
        return Expansion(tuple(sets))

    def _definition(self, resource: ObjectRef, name: str, depth: int) -> ExpandNode:
        definition = self._schema.definitions[resource.type]
        permission = definition.permissions.get(name)
        if permission is not None:
            return self._node(permission.expression, resource, depth)
        return ExpandLeaf(name, self._facts(resource, name, depth if self._opens_usersets else None))

    def _node(self, expression: plan.Expression, resource: ObjectRef, depth: int) -> ExpandNode:
        match expression:
            case plan.Name(name):
                return self._reference(resource, name, depth)
            case plan.Union(children):
                return ExpandUnion(tuple(self._node(child, resource, depth) for child in children))
            case plan.Intersection(children):
                return ExpandIntersection(tuple(self._node(child, resource, depth) for child in children))
            case plan.Exclusion(base, subtracted):
                return ExpandExclusion(self._node(base, resource, depth), self._node(subtracted, resource, depth))
            case plan.Arrow(relation, name, every):
                return ExpandArrow(relation, name, every, self._targets(resource, relation, name, depth))
            case plan.SubjectArrow(name):
                return ExpandSubjectFilter(name)
            case plan.Exists(relation):
                return ExpandExists(relation, self._facts(resource, relation, None))
            case plan.Along(child, relations):
                return ExpandAlong(self._reference(resource, child, depth), relations)
            case plan.Self():
                return ExpandSelf(resource)
            case plan.Nil():
                return ExpandNobody()
            case _:
                assert_never(expression)

    def _facts(self, resource: ObjectRef, relation: str, depth: int | None) -> tuple[ExpandSubject, ...]:
        """The facts of a relation. With a depth, the usersets among them are opened."""
        return tuple(
            ExpandSubject(
                Relationship(resource, relation, subject, qualifiers),
                self._reference(subject.object, subject.relation, depth) if subject.relation and depth else None,
            )
            for subject, qualifiers in looked_at(self._edges(resource, relation), self._budget.look)
        )

    def _targets(self, resource: ObjectRef, relation: str, name: str, depth: int) -> tuple[ExpandSubject, ...]:
        return tuple(
            ExpandSubject(
                Relationship(resource, relation, subject, qualifiers),
                self._reference(subject.object, name, depth)
                if self._schema.definitions[subject.type].has(name)
                else None,
            )
            for subject, qualifiers in looked_at(self._edges(resource, relation), self._budget.look)
        )

    def _edges(self, resource: ObjectRef, relation: str) -> list[Edge]:
        """The facts that count now, sorted: an expansion reads the same whatever order they were written in."""
        found = []
        for subject, qualifiers in self._graph.edges(resource, relation):
            self._budget.bytes += bytes_of(subject, qualifiers)
            self._budget.spend()
            if qualifiers.counts_at(self._now_us):
                found.append((subject, qualifiers))
        if len(found) <= _SORTED_AT_ONCE:
            return sorted(found, key=_subject_of)
        parts = []
        for begin in range(0, len(found), _SORTED_AT_ONCE):
            self._budget.interrupt()
            parts.append(sorted(found[begin : begin + _SORTED_AT_ONCE], key=_subject_of))
        return list(looked_at(merge(*parts, key=_subject_of), self._budget.look))

    def _reference(self, resource: ObjectRef, name: str, depth: int) -> ExpandReference:
        key = (resource, name)
        if key not in self._depth:
            if self._depth_max and depth >= self._depth_max:
                return ExpandReference(resource, name, truncated=True)
            self._depth[key] = depth + 1
            self._queue.append(key)
        return ExpandReference(resource, name)


def _subject_of(edge: Edge) -> SubjectRef:
    return edge[0]
