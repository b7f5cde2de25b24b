"""Who could be in the answer of a lookup: a few of all objects, found by walking the graph instead of trying each.

A Check that is not a no rests on facts that lead from its resource to its subject, whatever is subtracted on the way.
So to find resources the facts are walked from the subject up, and to find subjects from the resource down, through the
drivers of each permission (`drivers.py`).
Law: nobody is left out whose Check is CONDITIONAL, YES or an error; see `lookups.py` for what becomes of the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from remit.eval.budget import Budget
from remit.eval.drivers import Slot, drivers_of
from remit.graph.view import GraphView, NodeKey
from remit.language import plan
from remit.model import WILDCARD, ObjectRef, ResourceLookup, SubjectLookup, SubjectRef

Leaves = Callable[[str, str], Iterable[plan.Expression]]
"""The parts of a permission's expression that are walked, by its type and its name."""


# --- from the subject up ----------------------------------------------------------------------------------------


def resource_candidates(
    schema: plan.Schema, graph: GraphView, lookup: ResourceLookup, now_us: int, budget: Budget
) -> set[str]:
    """The ids of the resources that a lookup may find. Cost: O(what the subject is in), or O(objects) where that is
    decided by the subject alone or by there being a relationship."""
    return _Upwards(schema, graph, lookup, now_us, budget).ids()


@dataclass(slots=True)
class _Readers:
    """What asks for a slot: permissions of the same object; and those of whatever leads to it by a relation."""

    here: list[str] = field(default_factory=list)
    behind: dict[Slot, list[str]] = field(default_factory=dict)  # by the relation that leads here
    usersets: set[str] = field(default_factory=set)  # names of the object whose usersets these relations lead to


class _Upwards:
    def __init__(
        self, schema: plan.Schema, graph: GraphView, lookup: ResourceLookup, now_us: int, budget: Budget
    ) -> None:
        self._schema = schema
        self._graph = graph
        self._lookup = lookup
        self._now_us = now_us
        self._budget = budget
        self._readers: dict[Slot, _Readers] = {}  # of each slot that the answer may hang on
        self._of_subject: dict[str, list[Slot]] = {}  # a name → what asks it of the subject itself
        self._selves: list[Slot] = []
        self._exists: list[tuple[Slot, str]] = []
        self._seen: set[tuple[ObjectRef, str]] = set()
        self._queue: deque[tuple[ObjectRef, str]] = deque()
        self._plan()

    def _plan(self) -> None:
        """The slots that the looked up one hangs on, read backwards."""
        drivers = drivers_of(self._schema, self._budget)
        waiting: list[Slot] = []

        def readers_of(slot: Slot) -> _Readers:
            if slot not in self._readers:
                self._readers[slot] = _Readers()
                waiting.append(slot)
            return self._readers[slot]

        readers_of((self._lookup.resource_type, self._lookup.permission))
        while waiting:
            self._budget.spend()
            type, name = waiting.pop()
            definition = self._schema.definitions[type]
            if (relation := definition.relations.get(name)) is not None:
                for subject_type in relation.subject_types:
                    self._budget.look()
                    if subject_type.relation:
                        readers_of((subject_type.type, subject_type.relation))
                continue
            for leaf in drivers.leaves(type, name):
                self._budget.look()
                match leaf:
                    case plan.Name(child) | plan.Along(child):
                        readers_of((type, child)).here.append(name)
                    case plan.Arrow(through, child):
                        for target in drivers.targets(type, through, child):
                            self._budget.look()
                            readers_of((target, child)).behind.setdefault((type, through), []).append(name)
                    case plan.SubjectArrow(child):
                        if self._schema.definitions[self._lookup.subject.type].has(child):
                            readers_of((self._lookup.subject.type, child))
                            self._of_subject.setdefault(child, []).append((type, name))
                    case plan.Exists(through):
                        self._exists.append(((type, name), through))
                    case plan.Self():
                        self._selves.append((type, name))
        for (type, _), readers in self._readers.items():
            for source, through in readers.behind:
                for subject_type in self._schema.definitions[source].relations[through].subject_types:
                    self._budget.look()
                    if subject_type.type == type and subject_type.relation:
                        readers.usersets.add(subject_type.relation)

    def ids(self) -> set[str]:
        self._begin()
        while self._queue:
            object, name = self._queue.popleft()
            readers = self._readers[object.type, name]
            for permission in readers.here:
                self._add(object, permission)
            self._add_nodes(SubjectRef(*object, name))
            if readers.behind:
                for node in self._nodes_to(object, readers.usersets):
                    for permission in readers.behind.get((node[0].type, node[1]), ()):
                        self._add(node[0], permission)
            if name in self._of_subject and self._lookup.subject == (*object, ""):
                for type, permission in self._of_subject[name]:
                    self._add_all(type, permission)
        type, permission = self._lookup.resource_type, self._lookup.permission
        found = {object.id for object, name in self._seen if (object.type, name) == (type, permission)}
        return found - {WILDCARD}

    def _begin(self) -> None:
        """With what follows from one fact, or from none."""
        subject = self._lookup.subject
        self._add_nodes(subject)
        if subject.relation:
            self._add(subject.object, subject.relation)
        else:
            self._add_nodes(SubjectRef(subject.type, WILDCARD))
            for type, permission in self._selves:
                if type == subject.type:
                    self._add(subject.object, permission)
        for (type, permission), relation in self._exists:
            for id in self._graph.ids_of(type):
                self._budget.spend()
                resource = ObjectRef(type, id)
                if any(qualifiers.counts_at(self._now_us) for _, qualifiers in self._graph.edges(resource, relation)):
                    self._add(resource, permission)

    def _add_nodes(self, subject: SubjectRef) -> None:
        for resource, relation in self._graph.nodes_of(subject):
            self._budget.spend()
            self._add(resource, relation)

    def _nodes_to(self, object: ObjectRef, usersets: Iterable[str]) -> Iterator[NodeKey]:
        """The nodes with an edge that an arrow follows to the object: to itself, or to one of those usersets of it."""
        for name in ("", *usersets):
            self._budget.spend()
            for node in self._graph.nodes_of(SubjectRef(*object, name)):
                self._budget.spend()
                yield node

    def _add_all(self, type: str, permission: str) -> None:
        if type == self._lookup.subject.type:
            self._add(self._lookup.subject.object, permission)
        for id in self._graph.ids_of(type):
            self._add(ObjectRef(type, id), permission)

    def _add(self, object: ObjectRef, name: str) -> None:
        goal = (object, name)
        if goal not in self._seen and (object.type, name) in self._readers:
            self._budget.spend()
            self._seen.add(goal)
            self._queue.append(goal)


# --- from the resource down -------------------------------------------------------------------------------------


class SubjectCandidates(NamedTuple):
    """Ids of the subjects that a lookup may find; `named` are those that a relationship beneath it names."""

    ids: set[str]
    named: set[str]


def subject_candidates(
    schema: plan.Schema, graph: GraphView, lookup: SubjectLookup, now_us: int, budget: Budget
) -> SubjectCandidates:
    """Those whose answer may be another than that of a subject which no relationship names. Cost: O(edges beneath the
    permission), or O(objects) where everybody may have it and what a subject is in itself has a part in that."""
    beneath = Beneath(schema, graph, lookup, now_us, budget)
    beneath.walk(drivers_of(schema, budget).leaves)
    if beneath.is_for_all:
        beneath.walk(every_leaf(schema))
    ids = beneath.named | beneath.selves
    if beneath.is_for_all and beneath.is_personal:
        ids |= all_ids(graph, lookup, budget)
    return SubjectCandidates(ids, beneath.named)


def every_leaf(schema: plan.Schema) -> Leaves:
    """The parts of an expression, whatever they are to it."""

    def leaves(type: str, permission: str) -> Iterator[plan.Expression]:
        return plan.nodes_of(schema.definitions[type].permissions[permission].expression)

    return leaves


def all_ids(graph: GraphView, lookup: SubjectLookup, budget: Budget) -> set[str]:
    """Of every subject that there is, as far as a lookup means it: whoever occurs, and the resource itself."""
    found = set()
    for id in graph.ids_of(lookup.subject_type):
        budget.spend()
        found.add(id)
    if lookup.resource.type == lookup.subject_type:
        found.add(lookup.resource.id)
    return found - {WILDCARD}


class Beneath:
    """What is met on the way from a permission down: whom it names, and whether it may hold for others."""

    def __init__(
        self, schema: plan.Schema, graph: GraphView, lookup: SubjectLookup, now_us: int, budget: Budget
    ) -> None:
        self._schema = schema
        self._graph = graph
        self._lookup = lookup
        self._now_us = now_us
        self._budget = budget
        self.named: set[str] = set()
        self.selves: set[str] = set()  # whose own object, or own userset, was met
        self.is_for_all = False  # somebody that no relationship names may have it
        self.is_personal = False  # what a subject has itself was asked, or what is above it

    def walk(self, leaves: Leaves) -> None:
        """Through those leaves of each permission, over the edges that count. Cost: O(edges met)."""
        seen: set[tuple[ObjectRef, str]] = set()
        queue: deque[tuple[ObjectRef, str]] = deque()

        def add(object: ObjectRef, name: str) -> None:
            if (object, name) not in seen and self._schema.definitions[object.type].has(name):
                self._budget.spend()
                seen.add((object, name))
                queue.append((object, name))

        add(self._lookup.resource, self._lookup.permission)
        while queue:
            object, name = queue.popleft()
            if self._lookup.subject_relation and self._is_meant(SubjectRef(*object, name)):
                self.selves.add(object.id)
            definition = self._schema.definitions[object.type]
            if name in definition.relations:
                for subject in self._edges(object, name):
                    self._name(subject)
                    if subject.relation:
                        add(subject.object, subject.relation)
                continue
            for leaf in leaves(object.type, name):
                self._budget.spend()
                match leaf:
                    case plan.Name(child):
                        add(object, child)
                    case plan.Arrow(relation, child):
                        for target in self._edges(object, relation):
                            add(target.object, child)
                    case plan.Exists(relation):
                        self.is_for_all |= any(True for _ in self._edges(object, relation))
                    case plan.Along(child):
                        self.is_personal |= not self._lookup.subject_relation
                        add(object, child)
                    case plan.SubjectArrow():
                        self.is_personal |= not self._lookup.subject_relation
                        self.is_for_all |= not self._lookup.subject_relation
                    case plan.Self():
                        if self._is_meant(SubjectRef(*object)):
                            self.selves.add(object.id)

    def _name(self, subject: SubjectRef) -> None:
        if self._is_meant(subject):
            self.named.add(subject.id)
        elif subject == (self._lookup.subject_type, WILDCARD, "") and not self._lookup.subject_relation:
            self.is_for_all = True

    def _is_meant(self, subject: SubjectRef) -> bool:
        type, id, relation = subject
        return (type, relation) == (self._lookup.subject_type, self._lookup.subject_relation) and id != WILDCARD

    def _edges(self, object: ObjectRef, relation: str) -> Iterator[SubjectRef]:
        for subject, qualifiers in self._graph.edges(object, relation):
            self._budget.spend()
            if qualifiers.counts_at(self._now_us):
                yield subject
