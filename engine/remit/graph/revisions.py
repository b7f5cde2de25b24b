"""A graph as it was at one revision, while commits go on changing it: no write waits for a question, however slow.

Every commit leaves what it changed in a chain of strides, and a pin walks the chain from where it was taken: before
each look it undoes, for itself alone, what has come since. Nobody keeps a list of pins: strides that no pin stands
before any more are referred to by nobody.
Law: a pin answers as the graph did when it was taken, and tells the edges of a node in the same order every time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from threading import Lock

from remit.errors import StepBudgetSpent
from remit.graph.overlay import Overlay
from remit.graph.view import GraphView, NodeKey
from remit.interrupt import Interrupt, never_interrupted
from remit.model import Change, ObjectRef, Qualifiers, SubjectRef

Edge = tuple[SubjectRef, Qualifiers]

# Edges of a node taken at one look: most nodes whole, and of a node of a million only what an early answer needs.
# Measured on chains of agents: 16, 64 and 256 cost the same; a look at 64 edges is some 3 µs.
EDGES_AT_ONCE = 64
# As many are let go of at once; after so many times, some 0.5 ms, whoever waits is looked at.
PIECES_BETWEEN_INTERRUPTS = 16


class Stride:
    """A step from one revision to the next, filled in when that is committed: `changes` lead to `next`."""

    __slots__ = ("changes", "next")

    def __init__(self) -> None:
        self.changes: tuple[Change, ...] = ()
        self.next: Stride | None = None

    def made(self, changes: tuple[Change, ...]) -> Stride:
        """A commit has happened: the stride that begins where this one ends."""
        assert self.next is None, "a revision has one successor"
        self.changes = changes
        self.next = Stride()
        return self.next


class _Partial:
    """A node that is read as far as somebody went: what is known of it, and where the rest comes from.

    `rest` reads the graph where it lies, so it is good only until the node changes; None then."""

    __slots__ = ("is_complete", "known", "rest")

    def __init__(self, known: list[Edge], rest: Iterator[Edge]) -> None:
        self.known = known
        self.rest: Iterator[Edge] | None = rest
        self.is_complete = False


_Reads = dict[NodeKey, list[Edge] | _Partial]


class PinnedGraph:
    """Belongs to one thread. `lock` is what whoever changes the graph holds, and is held for each look.

    Cost: of a look, as of the graph, a lock, and O(changes committed since the look before). What was read of a node is
    kept, so that it reads the same when commits have moved its edges about: O(edges looked at) in all."""

    __slots__ = (
        "_edges",
        "_forgotten",
        "_graph",
        "_lock",
        "_overlay",
        "_stride",
        "_undone",
        "_undone_max",
        "_usersets",
        "_view",
    )

    def __init__(self, graph: GraphView, lock: Lock, stride: Stride, undone_max: int) -> None:
        """Taken while the lock is held, at the last stride."""
        self._graph = graph
        self._lock = lock
        self._stride = stride
        self._undone_max = undone_max
        self._undone = 0
        self._overlay = Overlay(graph, {})
        self._view: GraphView = graph  # the overlay, as soon as there is something in it
        self._edges: _Reads = {}
        self._usersets: _Reads = {}
        self._forgotten: list[Edge] = []  # the edges of a node that are being let go of: nobody reads them any more

    def find(self, resource: ObjectRef, relation: str, subject: SubjectRef) -> Qualifiers | None:
        with self._lock:
            if self._stride.next is not None:
                self._undo()
            return self._view.find(resource, relation, subject)

    def usersets(self, resource: ObjectRef, relation: str) -> Iterable[Edge]:
        node = (resource, relation)
        read = self._usersets.get(node)
        if read is None:
            with self._lock:
                if self._stride.next is not None:
                    self._undo()
                edges = self._view.usersets(resource, relation)
                if not edges:
                    return ()
                read = self._usersets[node] = _begun(iter(edges))
        return self._all_of(read, node, self._usersets) if isinstance(read, _Partial) else read

    def edges(self, resource: ObjectRef, relation: str) -> Iterable[Edge]:
        node = (resource, relation)
        read = self._edges.get(node)
        if read is None:
            with self._lock:
                if self._stride.next is not None:
                    self._undo()
                read = self._edges[node] = _begun(iter(self._view.edges(resource, relation)))
        return self._all_of(read, node, self._edges) if isinstance(read, _Partial) else read

    def nodes_of(self, subject: SubjectRef) -> Sequence[NodeKey]:
        """The graph is read without the lock, so a subject of a million nodes holds up no commit: what a commit changes
        before or meanwhile is undone afterwards, and of every other edge the graph was right all the time.
        Cost: O(nodes), and O(changes committed since the look before)."""
        nodes = self._graph.nodes_of(subject)
        with self._lock:
            if self._stride.next is not None:
                self._undo()
        return self._overlay.nodes_among(nodes, subject)

    def ids_of(self, type: str) -> Sequence[str]:
        """As with `nodes_of`, the graph is read without the lock: what came or went meanwhile is at an edge that was
        changed, and told as well. Cost: O(objects), and O(changes committed since the pin)."""
        ids = list(self._graph.ids_of(type))
        with self._lock:
            if self._stride.next is not None:
                self._undo()
        return [*ids, *self._overlay.ids_changed(type)]

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        """What is read from now on may come in another order. Cost: O(nodes read, and their edges)."""
        pieces = 0
        for reads in (self._edges, self._usersets):
            while reads or self._forgotten:
                if not self._forgotten:
                    _, read = reads.popitem()
                    self._forgotten = read.known if isinstance(read, _Partial) else read
                del self._forgotten[-EDGES_AT_ONCE:]
                pieces += 1
                if not pieces % PIECES_BETWEEN_INTERRUPTS:
                    interrupt()
            reads.clear()  # its table, too, which was made for as many as there were

    def _all_of(self, read: _Partial, node: NodeKey, reads: _Reads) -> Iterator[Edge]:
        """The edges of a node that were read before, then the rest, a piece at a time."""
        told = 0
        while True:
            while told < len(read.known):
                yield read.known[told]
                told += 1
            if read.is_complete:
                return
            with self._lock:
                if self._stride.next is not None:
                    self._undo()
                self._read_on(read, node, reads)

    def _read_on(self, read: _Partial, node: NodeKey, reads: _Reads) -> None:
        """Cost: O(EDGES_AT_ONCE) while nobody changes the node; after that, once, O(its edges)."""
        if read.rest is not None:
            piece = list(islice(read.rest, EDGES_AT_ONCE))
            read.known += piece
            read.is_complete = len(piece) < EDGES_AT_ONCE
        else:
            edges = self._view.usersets(*node) if reads is self._usersets else self._view.edges(*node)
            known = {subject for subject, _ in read.known}
            read.known += [edge for edge in edges if edge[0] not in known]
            read.is_complete = True
        if read.is_complete:
            reads[node] = read.known

    def _undo(self) -> None:
        """Take back, for this pin, what was committed since the last look. Raises StepBudgetSpent where that is more
        than it may remember: it says neither yes nor no of a revision that it cannot see any more."""
        stride = self._stride
        while stride.next is not None:
            self._undone += len(stride.changes)
            if self._undone > self._undone_max:
                raise StepBudgetSpent(
                    f"not finished within {self._undone_max} changes that others committed meanwhile; this is not a no",
                    name="undone_max",
                    limit=self._undone_max,
                    given=self._undone,
                )
            self._overlay.undo(stride.changes)
            for change in stride.changes:
                node = (change.key.resource, change.key.relation)
                for reads in (self._edges, self._usersets):
                    read = reads.get(node)
                    if isinstance(read, _Partial):
                        read.rest = None
            stride = stride.next
            self._stride = stride
        self._view = self._overlay


def _begun(edges: Iterator[Edge]) -> list[Edge] | _Partial:
    known = list(islice(edges, EDGES_AT_ONCE))
    return known if len(known) < EDGES_AT_ONCE else _Partial(known, edges)
