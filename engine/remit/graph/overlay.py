"""A graph with some of its edges changed, without touching it: facts of one request, or a revision of the past.

Law: an overlay answers as the graph would after `add` and `remove` of the same triples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from remit.graph.plain import NodeKey
from remit.graph.view import GraphView
from remit.model import Change, ObjectRef, Qualifiers, RelationshipKey, SubjectRef


class Overlay:
    """`changed` says for each triple what its edge is instead: its qualifiers, or None for no edge.

    Cost of making one: O(changed). Of every question: as of the base, and O(changed edges of the node) more."""

    __slots__ = ("_base", "_changed")

    def __init__(self, base: GraphView, changed: Mapping[RelationshipKey, Qualifiers | None]) -> None:
        self._base = base
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

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        changed = self._changed.get((resource, relation))
        if changed is not None and subject in changed:
            return changed[subject]
        return self._base.find(resource, relation, subject)

    def usersets(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        changed = self._changed.get((resource, relation), {})
        yield from (edge for edge in self._base.usersets(resource, relation) if edge[0] not in changed)
        yield from ((s, qualifiers) for s, qualifiers in changed.items() if s.relation and qualifiers is not None)

    def edges(self, resource: ObjectRef, relation: str) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        changed = self._changed.get((resource, relation), {})
        yield from (edge for edge in self._base.edges(resource, relation) if edge[0] not in changed)
        yield from ((s, qualifiers) for s, qualifiers in changed.items() if qualifiers is not None)
