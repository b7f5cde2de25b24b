"""A graph whose edges come in the order of their subjects, whichever graph it is and however they were written.

Law: the edges of a node are told alike of two graphs that have the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge

from remit.graph.view import GraphView, NodeKey
from remit.interrupt import Interrupt, never_interrupted
from remit.model import ObjectRef, Qualifiers, SubjectRef

_RUN = 4_096  # edges sorted at once: a million would hold Python's lock for a second

Edge = tuple[SubjectRef, Qualifiers]


class InOrder:
    """Cost: of each look at a node all its edges of the kind, however few are taken."""

    __slots__ = ("_base", "_spend")

    def __init__(self, base: GraphView, spend: Callable[[], None]) -> None:
        """`spend` is called for each edge that is put in order."""
        self._base = base
        self._spend = spend

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        return self._base.find(resource, relation, subject)

    def usersets(self, resource: ObjectRef, relation: str) -> Iterator[Edge]:
        return self._sorted(self._base.usersets(resource, relation))

    def edges(self, resource: ObjectRef, relation: str) -> Iterator[Edge]:
        return self._sorted(self._base.edges(resource, relation))

    def nodes_of(self, subject: SubjectRef) -> Sequence[NodeKey]:
        return self._base.nodes_of(subject)

    def ids_of(self, type: str) -> Iterable[str]:
        return self._base.ids_of(type)

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        self._base.forget(interrupt)

    def _sorted(self, edges: Iterable[Edge]) -> Iterator[Edge]:
        runs: list[list[Edge]] = [[]]
        for edge in edges:
            self._spend()
            if len(runs[-1]) == _RUN:
                runs[-1].sort(key=_subject_of)
                runs.append([])
            runs[-1].append(edge)
        runs[-1].sort(key=_subject_of)
        return iter(runs[0]) if len(runs) == 1 else merge(*runs, key=_subject_of)


def _subject_of(edge: Edge) -> SubjectRef:
    return edge[0]
