"""What is asked of the relationships in memory: the one interface of every graph, plain, native, past, or laid over.

Law: whoever evaluates a question knows this interface and no graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from remit.interrupt import Interrupt, never_interrupted
from remit.model import ObjectRef, Qualifiers, SubjectRef

NodeKey = tuple[ObjectRef, str]
"""A node: an object, and one of its relations."""


class GraphView(Protocol):
    """What evaluation asks of a graph, whichever kind it is."""

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        """The edge at a triple, None where there is none. It may be expired: see `Qualifiers.counts_at`."""
        ...

    def usersets(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        """The edges of a node that lead to usersets."""
        ...

    def edges(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]:
        """All edges of a node."""
        ...

    def nodes_of(self, subject: SubjectRef) -> Sequence[NodeKey]:
        """The nodes that have an edge to this very subject, each once, in no particular order: the graph read
        backwards. All of one state, which a later commit leaves alone. Cost: O(nodes), of every kind of graph."""
        ...

    def ids_of(self, type: str) -> Iterable[str]:
        """The ids of all objects of a type that an edge begins at or leads to, usersets' objects and `*` among them, in
        no particular order. Some may occur twice, and some may be of edges that are there no more: whoever must know
        asks for the edges. Cost: O(objects)."""
        ...

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        """Let go of what was remembered of all that was read, a piece at a time. Nobody is reading an edge meanwhile.
        Raises what the interrupt raises; the rest is still to be let go of then."""
        ...
