"""The plain graph: who is related to what, both ways, in dictionaries.

A node is an object and one of its relations; its edges lead to subjects. Usersets are kept apart from plain subjects
and wildcards, because only they must be walked: a group of ten thousand people costs a lookup, not a loop.
It takes no lock: whoever shares one between threads guards it (see `revisions.py`).
Law: for every edge forward there is the same edge in reverse."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from remit.graph.view import NodeKey
from remit.interrupt import Interrupt, never_interrupted
from remit.model import Change, ObjectRef, Qualifiers, Relationship, RelationshipKey, SubjectRef

Edges = dict[SubjectRef, Qualifiers]

_NO_EDGES: Mapping[SubjectRef, Qualifiers] = {}

# A graph of this size is made at the start and kept, so the collector is told to leave it out for ever; it is freed all
# the same once nothing refers to it. Measured after loading a million relationships: otherwise the collector stops
# everything three times for 1.5 s each, soon after the start; a graph of this size it looks through in 0.1 s.
_LARGE = 100_000


class Graph:
    """Mutable. Every operation costs O(1) unless it says otherwise."""

    __slots__ = ("_count", "_direct", "_reverse", "_usersets")

    def __init__(self, relationships: Iterable[Relationship] = ()) -> None:
        self._direct: dict[NodeKey, Edges] = {}
        self._usersets: dict[NodeKey, Edges] = {}
        self._reverse: dict[SubjectRef, set[NodeKey]] = {}
        self._count = 0
        with _collector_paused():
            for relationship in relationships:
                self.add(relationship)
            if self._count >= _LARGE:
                gc.freeze()

    def __len__(self) -> int:
        return self._count

    # --- asking -------------------------------------------------------------------------------------------------

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        """The edge at a triple, None where there is none. It may be expired: see `Qualifiers.counts_at`."""
        table = self._usersets if subject.relation else self._direct
        return table.get((resource, relation), _NO_EDGES).get(subject)

    def usersets(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        """The edges of a node that lead to usersets, in the order they were added."""
        return self._usersets.get((resource, relation), _NO_EDGES).items()

    def edges(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        """All edges of a node: plain subjects and wildcards, then usersets. Cost: O(edges)."""
        node = (resource, relation)
        yield from self._direct.get(node, _NO_EDGES).items()
        yield from self._usersets.get(node, _NO_EDGES).items()

    def nodes_of(self, subject: SubjectRef) -> tuple[NodeKey, ...]:
        """The nodes that have an edge to this very subject, copied in one step, so without a lock. Cost: O(nodes),
        some 5 ns each."""
        return tuple(self._reverse.get(subject, ()))

    def ids_of(self, type: str) -> Iterator[str]:
        """The ids of all objects of a type that an edge begins at or leads to. What is read was copied in one step, so
        without a lock. Cost: O(nodes and subjects), whatever their types."""
        nodes, subjects = (*self._direct, *self._usersets), tuple(self._reverse)
        yield from (resource.id for resource, _ in nodes if resource.type == type)
        yield from (subject.id for subject in subjects if subject.type == type)

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        """It remembers nothing of what is read."""

    def relationships(self) -> Iterator[Relationship]:
        """Everything. Cost: O(edges)."""
        for table in (self._direct, self._usersets):
            for (resource, relation), edges in table.items():
                for subject, qualifiers in edges.items():
                    yield Relationship(resource, relation, subject, qualifiers)

    # --- changing -----------------------------------------------------------------------------------------------

    def apply(self, changes: Iterable[Change]) -> None:
        """Bring the graph from before a delta to after it. Cost: O(changes)."""
        for change in changes:
            if change.after is not None:
                self.add(change.after.relationship)
            else:
                self.remove(change.key)

    def add(self, relationship: Relationship) -> None:
        """Write an edge, whatever was at its triple."""
        subject = relationship.subject
        node = (relationship.resource, relationship.relation)
        table = self._usersets if subject.relation else self._direct
        edges = table.get(node)
        if edges is None:
            table[node] = {subject: relationship.qualifiers}
        else:
            known = subject in edges
            edges[subject] = relationship.qualifiers
            if known:
                return
        self._count += 1
        nodes = self._reverse.get(subject)
        if nodes is None:
            self._reverse[subject] = {node}
        else:
            nodes.add(node)

    def remove(self, key: RelationshipKey) -> None:
        """Remove the edge at a triple; nothing happens where there is none."""
        resource, relation, subject = key
        node = (resource, relation)
        table = self._usersets if subject.relation else self._direct
        edges = table.get(node)
        if edges is None or edges.pop(subject, None) is None:
            return
        self._count -= 1
        if not edges:
            del table[node]
        nodes = self._reverse[subject]
        nodes.discard(node)
        if not nodes:
            del self._reverse[subject]

    # --- keeping honest -----------------------------------------------------------------------------------------

    def check_invariants(self) -> None:
        """Assert the law in the docstring, and that nothing empty is kept. Cost: O(edges)."""
        forward = {
            (node, subject) for table in (self._direct, self._usersets) for node in table for subject in table[node]
        }
        reverse = {(node, subject) for subject, nodes in self._reverse.items() for node in nodes}
        assert forward == reverse, f"edges without their reverse: {forward ^ reverse}"
        assert len(forward) == self._count, f"counted {self._count} edges, found {len(forward)}"
        assert all(edges for table in (self._direct, self._usersets) for edges in table.values()), (
            "an empty node is kept"
        )
        assert all(self._reverse.values()), "an empty subject is kept"
        assert all(not s.relation for edges in self._direct.values() for s in edges), "a userset among the plain"
        assert all(s.relation for edges in self._usersets.values() for s in edges), "a plain subject among the usersets"


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A graph in the making is all containers and no garbage, so Python's collector would look through what is there
    again and again and find nothing. Measured: 200,000 relationships loaded from LMDB in 2.9 s of CPU with it at work,
    in 1.5 s without."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
