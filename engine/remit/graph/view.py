"""What is asked of the relationships in memory: the one interface of every graph, plain, native, past, or laid over.

Law: whoever evaluates a question knows this interface and no graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from remit.model import ObjectRef, Qualifiers, SubjectRef


class GraphView(Protocol):
    """What evaluation asks of a graph, whichever kind it is."""

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None: ...

    def usersets(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]: ...

    def edges(self, resource: ObjectRef, relation: str) -> Iterable[tuple[SubjectRef, Qualifiers]]: ...
