"""The native graph: the plain one's interface over a store of the Rust core, which holds its relationships, and the
plan by which it answers questions by itself (see `eval/native.py`).

`plain.py` says what it means.
Law: whatever it is asked, the plain graph of the same relationships answers the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from remit.graph.view import NodeKey
from remit.interrupt import Interrupt, never_interrupted
from remit.model import (
    PLAIN,
    CaveatUse,
    Change,
    ObjectRef,
    Qualifiers,
    Relationship,
    RelationshipKey,
    SubjectRef,
)
from remit.native_core import absence
from remit.native_core import core as _core

# Relationships taken in at once: a check waits no longer for them than some milliseconds.
ROWS_AT_ONCE = 10_000
_PAGE = 64  # edges copied out at once: most nodes whole, of a node of a million what an early answer needs

Row = tuple[bytes, bytes]
_TimedRow = tuple[int | None, int | None, list[str]]

Timed = Callable[[RelationshipKey, int | None, int | None], None]
"""Told of a triple when it begins and when it ends."""

KeptDescriptor = tuple[str, bytes | None]
"""What describes a tool, by its digest; None where it is no longer kept."""

_new_tuple = tuple.__new__


def available() -> bool:
    """Whether the core was built here and is not switched off."""
    return not absence()


def registry() -> _core.NativeCore | None:
    """Where the frontend will find stores by name, with none in it; None where there is no core."""
    return _core.NativeCore() if available() else None


class NativeGraph:
    """Mutable; it takes a lock of its own, for the frontend looks into it from threads without Python.

    A single operation sees one state. What is read in steps (`edges` of a node, all `relationships`) is to be left
    alone until it is read, as a dictionary is; where a change is noticed, RuntimeError. Costs are those of `Graph`."""

    __slots__ = ("_store",)

    def __init__(
        self,
        relationships: Iterable[Relationship] = (),
        *,
        name: str = "",
        uuid: bytes = bytes(16),
        epoch: int = 0,
    ) -> None:
        """The identity is that of the named store, for whoever asks through the frontend."""
        self._store = _core.NativeStore(name, uuid, epoch)
        remaining = iter(relationships)
        while batch := [(each.key, each.qualifiers) for each in islice(remaining, ROWS_AT_ONCE)]:
            self._store.apply(batch)

    @property
    def store(self) -> _core.NativeStore:
        """What `NativeCore.add` takes."""
        return self._store

    def load(self, batches: Iterable[tuple[list[Row], int]], *, told: Timed) -> None:
        """Add relationships as the store hands them out (`RowBatch` in `store/port.py`): rows, and where the triple
        begins in the key of each. Tell of each that begins or ends at some time.

        While the core takes a batch in, the next is read: the one needs no Python, the other little else.
        Cost: about two microseconds a row. Raises ValueError where a row cannot be read."""
        with ThreadPoolExecutor(1, thread_name_prefix="remit-load") as taking:
            under_way: list[Future[list[_TimedRow]]] = []
            for rows, triple_start in batches:
                under_way.append(taking.submit(self._store.load, rows, triple_start))
                if len(under_way) > 1:
                    _tell_timed(under_way.pop(0).result(), told)
            for each in under_way:
                _tell_timed(each.result(), told)

    def __len__(self) -> int:
        return self._store.count()

    def bytes(self) -> int:
        """What the graph takes in memory, ids included."""
        return self._store.bytes()

    # --- asking -------------------------------------------------------------------------------------------------

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        """The edge at a triple, None where there is none. It may be expired: see `Qualifiers.counts_at`."""
        found = self._store.find(resource, relation, subject)
        return None if found is None else qualifiers_of(found)

    def usersets(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        """The edges of a node that lead to usersets. Up to a hundred of them come in the order they were added."""
        return self._edges(resource, relation, only_usersets=True)

    def edges(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        """All edges of a node: plain subjects and wildcards, then usersets. Cost: O(edges)."""
        return self._edges(resource, relation, only_usersets=False)

    def _edges(
        self, resource: ObjectRef, relation: str, only_usersets: bool
    ) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        count, page = self._store.edges(resource, relation, 0, _PAGE, only_usersets)
        edges = [_edge(*each) for each in page]
        return edges if len(edges) < _PAGE else self._on_from(edges, count, resource, relation, only_usersets)

    def _on_from(
        self, edges: list[tuple[SubjectRef, Qualifiers]], count: int, resource: ObjectRef, relation: str, only: bool
    ) -> Iterator[tuple[SubjectRef, Qualifiers]]:
        start = 0
        while edges:
            yield from edges
            start += _PAGE
            count_now, page = self._store.edges(resource, relation, start, _PAGE, only)
            _require_same(count, count_now)
            edges = [_edge(*each) for each in page]

    def nodes_of(self, subject: SubjectRef) -> list[NodeKey]:
        """The nodes that have an edge to this very subject. Cost: O(nodes), for which the core's lock is held."""
        return [(ObjectRef(*resource), relation) for resource, relation in self._store.nodes_of(subject)]

    def ids_of(self, type: str) -> Iterator[str]:
        """The ids of all objects of a type, some thousand at a look. Cost: O(objects of the type)."""
        page: int | None = 0
        while page is not None:
            ids, page = self._store.ids_of(type, page)
            yield from ids

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        """It remembers nothing of what is read."""

    def relationships(self) -> Iterator[Relationship]:
        """Everything. Cost: O(edges)."""
        first, next_node, found = self._store.relationships(0, _PAGE)
        while True:
            for resource, relation, subject, qualifiers in found:
                yield Relationship(ObjectRef(*resource), relation, SubjectRef(*subject), qualifiers_of(qualifiers))
            if next_node is None:
                return
            version, next_node, found = self._store.relationships(next_node, _PAGE)
            _require_same(first, version)

    # --- changing -----------------------------------------------------------------------------------------------

    def apply(
        self,
        changes: Iterable[Change],
        revision: int | None = None,
        schema: _core.SchemaTuple | None = None,
        descriptors: Iterable[KeptDescriptor] = (),
    ) -> None:
        """Bring the graph from before a delta to after it, and if given its revision and schema with it: nobody sees
        one without the others. `eval/native_plan.py` makes such a schema. `descriptors` are what
        describes tools. Cost: O(changes), and O(schema)."""
        found = []
        for change in changes:
            stored = change.after or change.before
            assert stored is not None, "a change has a before or an after"
            relationship = stored.relationship
            triple = relationship.resource, relationship.relation, relationship.subject
            found.append((triple, relationship.qualifiers if change.after is not None else None))
        self._store.apply(found, revision, schema, list(descriptors))

    def add(self, relationship: Relationship) -> None:
        """Write an edge, whatever was at its triple."""
        self._store.apply([(relationship.key, relationship.qualifiers)])

    def remove(self, key: RelationshipKey) -> None:
        """Remove the edge at a triple; nothing happens where there is none."""
        self._store.apply([(key, None)])

    def check_invariants(self) -> None:
        """Assert the laws of the core's graph: an edge without its reverse, an id that nobody holds, and the like."""
        self._store.check_invariants()


def _tell_timed(found: Iterable[_TimedRow], told: Timed) -> None:
    for not_before_us, expiration_us, parts in found:
        resource, subject = ObjectRef(*parts[:2]), SubjectRef(*parts[3:])
        told(RelationshipKey(resource, parts[2], subject), not_before_us, expiration_us)


def qualifiers_of(found: _core.QualifiersTuple) -> Qualifiers:
    """What qualifies an edge; PLAIN where nothing does."""
    if not found:
        return PLAIN
    caveat, not_before_us, expiration_us = found
    return Qualifiers(CaveatUse(*caveat) if caveat is not None else None, not_before_us, expiration_us)


def _edge(subject: tuple[str, str, str], found: _core.QualifiersTuple) -> tuple[SubjectRef, Qualifiers]:
    return _new_tuple(SubjectRef, subject), qualifiers_of(found) if found else PLAIN


def _require_same(before: int, now: int) -> None:
    if before != now:
        raise RuntimeError("the graph was written while its edges were read")
