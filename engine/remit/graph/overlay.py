"""A graph with some of its edges changed, without touching it: facts of one request, or a revision of the past.

Law: an overlay answers as the graph would after `add` and `remove` of the same triples."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from remit.graph.view import GraphView, NodeKey
from remit.interrupt import Interrupt, never_interrupted
from remit.model import Change, ObjectRef, Qualifiers, RelationshipKey, SubjectRef

Changed = Mapping[RelationshipKey, Qualifiers | None]
"""What edges are instead: their qualifiers; None for no edge."""


class Overlay:
    """`changed` says for each triple what its edge is instead.

    Cost of making one: O(changed). Of every question: as of the base, and O(changed edges of the node) more; of
    `nodes_of` O(changed edges of the subject) more, and the first time O(changed)."""

    __slots__ = ("_base", "_changed", "_changed_of", "_look")

    def __init__(self, base: GraphView, changed: Changed, look: Interrupt = never_interrupted) -> None:
        """`look` is called for each edge of the base that is passed, told or not: of a past all may be changed."""
        self._base = base
        self._look = look
        self._changed_of: dict[SubjectRef, set[NodeKey]] | None = None  # `_changed` by subject, once somebody asks
        self._changed: dict[NodeKey, dict[SubjectRef, Qualifiers | None]] = {}
        for (resource, relation, subject), qualifiers in changed.items():
            self._changed.setdefault((resource, relation), {})[subject] = qualifiers

    def undo(self, changes: Iterable[Change]) -> None:
        """Lay over it what was before a commit of the base. Commits are undone in the order they came: what was before
        the first of them is what was. Cost: O(changes)."""
        for change in changes:
            resource, relation, subject = change.key
            before = change.before.relationship.qualifiers if change.before is not None else None
            self._changed.setdefault((resource, relation), {}).setdefault(subject, before)
            if self._changed_of is not None:
                self._changed_of.setdefault(subject, set()).add((resource, relation))

    def redo(self, changes: Iterable[Change]) -> None:
        """Lay over it what was after a commit that was undone, the earliest that still is. Cost: O(changes)."""
        for change in changes:
            resource, relation, subject = change.key
            after = change.after.relationship.qualifiers if change.after is not None else None
            self._changed.setdefault((resource, relation), {})[subject] = after
            if self._changed_of is not None:
                self._changed_of.setdefault(subject, set()).add((resource, relation))

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        changed = self._changed.get((resource, relation))
        if changed is not None and subject in changed:
            return changed[subject]
        return self._base.find(resource, relation, subject)

    def usersets(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        changed = self._changed.get((resource, relation), {})
        yield from self._unchanged(self._base.usersets(resource, relation), changed)
        yield from ((s, qualifiers) for s, qualifiers in changed.items() if s.relation and qualifiers is not None)

    def edges(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        changed = self._changed.get((resource, relation), {})
        yield from self._unchanged(self._base.edges(resource, relation), changed)
        yield from ((s, qualifiers) for s, qualifiers in changed.items() if qualifiers is not None)

    def _unchanged(
        self, edges: Iterable[tuple[SubjectRef, Qualifiers]], changed: Mapping[SubjectRef, Qualifiers | None]
    ) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        for edge in edges:
            self._look()
            if edge[0] not in changed:
                yield edge

    def nodes_of(self, subject: SubjectRef) -> Sequence[NodeKey]:
        return self.nodes_among(self._base.nodes_of(subject), subject)

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        self._base.forget(interrupt)

    def nodes_among(self, nodes: Sequence[NodeKey], subject: SubjectRef) -> Sequence[NodeKey]:
        """What `nodes_of` is, where those are the base's. They need to be right only of edges that are not changed."""
        changed = self._nodes_changed(subject)
        if not changed:
            return nodes
        there = [node for node in changed if self._changed[node][subject] is not None]
        return [*(node for node in nodes if node not in changed), *there]

    def ids_of(self, type: str) -> Iterator[str]:
        yield from self._base.ids_of(type)
        yield from self.ids_changed(type)

    def ids_changed(self, type: str) -> Iterator[str]:
        """The ids of all objects of a type at an edge that is changed. Cost: O(changed)."""
        for (resource, _), edges in self._changed.items():
            if resource.type == type:
                yield resource.id
            yield from (subject.id for subject in edges if subject.type == type)

    def _nodes_changed(self, subject: SubjectRef) -> Collection[NodeKey]:
        if self._changed_of is None:
            self._changed_of = {}
            for node, edges in self._changed.items():
                for each in edges:
                    self._changed_of.setdefault(each, set()).add(node)
        return self._changed_of.get(subject, ())
