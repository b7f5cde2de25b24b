"""What requests see: for each store one schema, one graph and one revision, which change together.

They are loaded from the store at the start and kept in step by the store's own thread, which applies each committed
delta before anyone is told of it. A request pins what is there when it begins, and goes on seeing that; so no commit
waits for a request (see `pinned.py`).
Law: what a request sees, for its whole length, is what the store's relationships were at one revision."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from remit.engine.admission import check_contextual
from remit.engine.clock import Clock
from remit.engine.limits import Limits
from remit.engine.tokens import encode_token, require_at_least, revision_of
from remit.errors import RevisionGone, SchemaNotFound, StepBudgetSpent, StoreDamaged, StoreExists, StoreUnavailable
from remit.eval.budget import Budget, Interrupt
from remit.eval.trees import Expansion
from remit.graph.expirations import Due, Expirations
from remit.graph.native import ROWS_AT_ONCE, Answered, Asked, Changed, NativeGraph, available, registry
from remit.graph.overlay import Overlay
from remit.graph.plain import Graph
from remit.graph.revisions import PinnedGraph, Stride
from remit.graph.view import GraphView
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.model import (
    DEFAULT_STORE,
    Delta,
    ObjectRef,
    Relationship,
    RelationshipFilter,
    StoredRelationship,
    StoreInfo,
)
from remit.notation import no_such_store
from remit.store.port import (
    Admission,
    CommitListener,
    Draft,
    ReadTransaction,
    Store,
    StoreIdentity,
    WriteTransaction,
)

PLANS_MAX = 16  # schemas kept compiled besides those in force: their successors, and what was in force in the past
_LOOK_UP_S = 1.0  # how often one who waits for memory looks whether its writer is still there


class Snapshot:
    """A store as it is now. What belongs together is written, and read, under `lock`, for a moment only."""

    def __init__(
        self,
        identity: StoreIdentity,
        schema: Schema | None,
        graph: Graph | NativeGraph,
        expirations: Expirations,
        revision: int,
    ) -> None:
        self.identity = identity
        self.schema = schema
        self.graph = graph
        self.native = graph if isinstance(graph, NativeGraph) else None  # answers most checks by itself
        if self.native is not None:
            self.native.apply((), revision, schema)
        self.expirations = expirations
        self.revision = revision
        self.lock = threading.Lock()
        self._stride = Stride()  # from the revision to the next
        self._advanced = threading.Condition(self.lock)

    def pin(self, undone_max: int) -> tuple[Schema | None, PinnedGraph, int]:
        """The schema, the graph and the revision as they are now, and stay for whoever has them. Cost: O(1)."""
        with self.lock:
            return self.schema, PinnedGraph(self.graph, self.lock, self._stride, undone_max), self.revision

    def advance(self, deltas: Sequence[Delta], schema: Schema | None) -> None:
        """Be as the next revisions left the store, which one commit made durable. Cost: O(changes)."""
        changes = deltas[0].changes if len(deltas) == 1 else tuple([each for delta in deltas for each in delta.changes])
        last = deltas[-1].revision
        with self.lock:
            assert [delta.revision for delta in deltas] == list(range(self.revision + 1, last + 1)), "in revision order"
            if self.native is not None:
                # All of it at once: the front door looks at the core without asking for our lock.
                self.native.apply(changes, last, schema if schema is not self.schema else None)
            else:
                self.graph.apply(changes)
            self.expirations.apply(changes)
            self.schema = schema
            self.revision = last
            self._stride = self._stride.made(changes)
            self._advanced.notify_all()

    def wait_for(self, revision: int, timeout_s: float) -> bool:
        """Wait for a revision to be here; whether it is. Cost: O(1) where it is."""
        if self.revision >= revision:
            return True
        with self._advanced:
            return self._advanced.wait_for(lambda: self.revision >= revision, timeout_s)

    def info(self) -> StoreInfo:
        """What there is to know of the store now."""
        identity = self.identity
        with self.lock:
            revision, count, has_schema = self.revision, len(self.graph), self.schema is not None
        token = encode_token(identity, revision)
        return StoreInfo(identity.name, identity.uuid.hex(), identity.epoch, token, count, has_schema)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one request sees, for its whole length. `historical`: of a past revision, where a newer one exists."""

    identity: StoreIdentity
    stored_schema: Schema | None
    graph: GraphView
    revision: int
    now_us: int
    historical: bool = False
    native: NativeGraph | None = None  # the core, where the graph is of the head
    changed: Changed | None = None  # what this request lays over that

    def check(
        self, asked: Asked, context: Mapping[str, object], steps_max: int, interrupt: Interrupt
    ) -> Answered | None:
        """The core's answer, where it has one of this very revision. Raises StepBudgetSpent, and what the interrupt
        raises."""
        if self.native is None:
            return None
        interrupt()  # the core looks up only now and then: whoever has gone already is noticed here
        answered = self.native.check(
            *asked,
            now_us=self.now_us,
            steps_max=steps_max,
            interrupt=interrupt,
            context=context or None,
            changed=self.changed,
        )
        return answered if answered is not None and answered.revision == self.revision else None

    def check_many(
        self, asked: Sequence[Asked], contexts: list[Mapping[str, object]], steps_max: int, interrupt: Interrupt
    ) -> Sequence[Answered | StepBudgetSpent | None]:
        """For each question what `check` returns, or raises."""
        if self.native is None:
            return [None] * len(asked)
        found = self.native.check_many(
            asked,
            now_us=self.now_us,
            steps_max=steps_max,
            interrupt=interrupt,
            contexts=contexts if any(contexts) else None,
            changed=self.changed,
        )
        return [None if isinstance(each, Answered) and each.revision != self.revision else each for each in found]

    def expand(
        self, resource: ObjectRef, name: str, depth: int, steps_max: int, interrupt: Interrupt
    ) -> Expansion | None:
        """The core's sets, where it has them of this very revision. Raises StepBudgetSpent, and what the interrupt
        raises."""
        if self.native is None or self.changed:  # of facts that a request brings, the core's sets know nothing
            return None
        interrupt()
        found = self.native.expand(
            resource, name, now_us=self.now_us, depth=depth, steps_max=steps_max, interrupt=interrupt
        )
        return found.expansion if found is not None and found.revision == self.revision else None

    @property
    def token(self) -> str:
        return encode_token(self.identity, self.revision)

    @property
    def schema(self) -> Schema:
        """Raises SchemaNotFound."""
        if self.stored_schema is None:
            raise SchemaNotFound(f"store `{self.identity.name}` has no schema yet: write one first")
        return self.stored_schema


class Snapshots:
    """The snapshots of all stores of one data directory."""

    def __init__(self, store: Store, clock: Clock, limits: Limits) -> None:
        """Load every store into memory. Cost: O(relationships)."""
        self._store = store
        self._clock = clock
        self._limits = limits
        self._plans: dict[str, Schema] = {}  # by text
        # By name. Replaced whole, so that whoever goes through it is not disturbed.
        self._snapshots: Mapping[str, Snapshot] = {}
        self._snapshots = {name: self._load(name) for name in store.names()}
        self.core = registry()  # the stores as the front door finds them
        for snapshot in self._snapshots.values():
            self._show(snapshot)
        self._changing = threading.Condition()
        self._names_changing: set[str] = set()
        self.after_commit: CommitListener | None = None  # hears of deltas once memory has them, and must not fail
        store.subscribe(self._committed)

    def all(self) -> list[Snapshot]:
        """Of all stores, by name."""
        return [snapshot for _, snapshot in sorted(self._snapshots.items())]

    def sizes(self) -> dict[str, int]:
        """How many relationships each store holds."""
        return {name: len(snapshot.graph) for name, snapshot in sorted(self._snapshots.items())}

    def standing(self) -> dict[str, tuple[int, int]]:
        """Of each store, how many relationships it holds and its revision."""
        return {name: (len(each.graph), each.revision) for name, each in list(self._snapshots.items())}

    def of(self, store: str) -> Snapshot:
        """The snapshot of a store; "" is `default`. Raises StoreNotFound."""
        name = store or DEFAULT_STORE
        snapshot = self._snapshots.get(name)
        if snapshot is None:
            raise no_such_store(name)
        return snapshot

    def seen(
        self, store: str, *, at_least: str = "", at_exactly: str = "", contextual: Sequence[Relationship] = ()
    ) -> Seen:
        """What a request sees: the head, or exactly a past revision, with facts of its own laid over it. It stays as it
        is however long the request takes: nothing waits for it, and there is nothing to give back."""
        snapshot = self.of(store)
        schema, graph, revision = snapshot.pin(self._limits.undone_max)
        require_at_least(at_least, snapshot.identity, revision)
        # After the pin: what a sweep took away was over by the time that is read here.
        seen = Seen(snapshot.identity, schema, graph, revision, self._clock.now_us(), native=snapshot.native)
        if at_exactly:
            seen = self._past(seen, revision_of(at_exactly, snapshot.identity, revision))
        if contextual:
            seen = self._with_contextual(seen, contextual)
        return seen

    def _with_contextual(self, seen: Seen, contextual: Sequence[Relationship]) -> Seen:
        self._limits.require_contextual(contextual)
        changed = {each.key: each.qualifiers for each in contextual}
        laid_over = Overlay(seen.graph, changed)
        check_contextual(seen.schema, laid_over, contextual, seen.now_us)
        return replace(seen, graph=laid_over, changed=changed)

    def _past(self, head: Seen, revision: int) -> Seen:
        """The store at a revision, by undoing what came after it. Cost: O(changes since), at most `undone_max`.
        Raises RevisionGone where the changelog no longer reaches back so far, StepBudgetSpent beyond the limit."""
        if revision == head.revision:
            return head
        graph = Overlay(head.graph, {})
        budget = Budget(self._limits.undone_max, name="undone_max")
        with self.view(head.identity) as view:
            for delta in _after(view, revision):
                # The store may be ahead of the graph by what is being applied right now.
                if delta.revision > head.revision:
                    break
                for _ in delta.changes:
                    budget.spend()
                graph.undo(delta.changes)
            text = view.schema_text_at(revision)
        schema = self.compiled(text) if text is not None else None
        return Seen(head.identity, schema, graph, revision, head.now_us, historical=True)

    # --- the store behind a snapshot ----------------------------------------------------------------------------

    @contextmanager
    def view(self, identity: StoreIdentity) -> Iterator[ReadTransaction]:
        """A view of that very store, once memory is as far: what is on the disk is about to be applied, and whoever was
        told of it may ask about it at once. Raises StoreNotFound where it was removed, or made anew under its name."""
        with self._store.read(identity.name) as view:
            _require(view, identity)
            snapshot = self.of(identity.name)
            if snapshot.identity == identity:
                self._await(snapshot, view.head.revision)
            yield view

    def _await(self, snapshot: Snapshot, revision: int) -> None:
        """Wait until memory has what the disk has. It is certain to, or the writer has ended: then StoreUnavailable."""
        while not snapshot.wait_for(revision, _LOOK_UP_S):
            if problem := self._store.problem():
                raise StoreUnavailable(problem)

    def submit(self, identity: StoreIdentity, admission: Admission) -> Future[Delta]:
        """Queue a write into that very store: the future holds StoreNotFound where it is no longer there."""
        return self._store.submit(identity.name, _there(identity, admission))

    def write(self, identity: StoreIdentity, admission: Admission) -> Delta:
        """Write into that very store: durable, and seen, when it returns. Raises StoreNotFound where it is no longer
        there, and what the admission raises."""
        return self._store.write(identity.name, _there(identity, admission))

    # --- stores that come and go --------------------------------------------------------------------------------

    def require_free(self, name: str) -> None:
        """Raises StoreExists. Cost: O(1); the disk is asked when the store is made."""
        if name in self._snapshots:
            raise StoreExists(f"store `{name}` is already there", field="name", store=name)

    def add(self, name: str, make: Callable[[], StoreIdentity]) -> Snapshot:
        """Make a store, and have it in memory before anybody can ask for it. Cost: O(its relationships)."""
        with self._alone(name):
            make()
            try:
                snapshot = self._load(name)
            except BaseException:
                self._store.delete(name)
                raise
            with self._changing:
                self._snapshots = {**self._snapshots, name: snapshot}
                self._show(snapshot)
        return snapshot

    def remove(self, name: str) -> None:
        """Whoever looks at it goes on looking; nobody else finds it. Raises StoreNotFound."""
        with self._alone(name):
            self._store.delete(name)
            with self._changing:
                self._snapshots = {each: snapshot for each, snapshot in self._snapshots.items() if each != name}
                if self.core is not None:
                    self.core.remove(name)

    def _show(self, snapshot: Snapshot) -> None:
        if self.core is not None and snapshot.native is not None:
            self.core.add(snapshot.native.store)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """One at a time for each name, so that disk and memory never tell two stories of who came first."""
        with self._changing:
            self._changing.wait_for(lambda: name not in self._names_changing)
            self._names_changing.add(name)
        try:
            yield
        finally:
            with self._changing:
                self._names_changing.discard(name)
                self._changing.notify_all()

    # --- keeping in step ----------------------------------------------------------------------------------------

    def _committed(self, name: str, deltas: Sequence[Delta]) -> None:
        """Bring memory to where the disk is: called by the store after each commit and before anyone is told."""
        snapshot = self._snapshots[name]
        schema = snapshot.schema
        for delta in deltas:
            if delta.schema_text is not None:
                schema = self.compiled(delta.schema_text)
        snapshot.advance(deltas, schema)
        if self.after_commit is not None:
            self.after_commit(name, deltas)

    def _load(self, name: str) -> Snapshot:
        with self._store.read(name) as view:
            head = view.head
            schema = self.compiled(head.schema_text) if head.schema_text is not None else None
            due: list[Due] = []
            graph: Graph | NativeGraph
            if available():
                graph = _native_graph(head.identity, view, due)
            else:
                graph = Graph(_telling_expirations(view.scan(RelationshipFilter()), due))
        return Snapshot(head.identity, schema, graph, Expirations(due), head.revision)

    # --- schemas ------------------------------------------------------------------------------------------------

    def schema_of(self, view: ReadTransaction) -> Schema:
        """The schema in force in a transaction. Raises SchemaNotFound."""
        head = view.head
        if head.schema_text is None:
            raise SchemaNotFound(f"store `{head.identity.name}` has no schema yet: write one first")
        return self.compiled(head.schema_text)

    def compiled(self, text: str) -> Schema:
        """The plan of a schema that was in force. It compiled when it was written, so a failure here is our own."""
        plan = self._plans.get(text)
        if plan is None:
            plan = compile_schema(text).schema
            self.remember(text, plan)
        return plan

    def remember(self, text: str, plan: Schema) -> None:
        """Keep a plan at hand, for the moment its text comes into force; then as long as it is. Cost: O(stores)."""
        schemas = [snapshot.schema for snapshot in self._snapshots.values()]
        in_force = {schema.text: schema for schema in schemas if schema is not None}
        others = {text: plan, **self._plans}
        newest = islice((each for each in others.items() if each[0] not in in_force), PLANS_MAX)
        # A new dictionary each time: other threads may be reading the old one.
        self._plans = {**dict(newest), **in_force}


def _require(view: ReadTransaction, identity: StoreIdentity) -> None:
    found = view.head.identity
    if found is not identity and found != identity:
        raise no_such_store(identity.name)


def _there(identity: StoreIdentity, admission: Admission) -> Admission:
    def admission_there(view: WriteTransaction) -> Draft:
        _require(view, identity)
        return admission(view)

    return admission_there


def _after(view: ReadTransaction, revision: int) -> Iterator[Delta]:
    try:
        return view.changelog(revision)
    except RevisionGone as error:
        error.field = "consistency"
        raise


def _native_graph(identity: StoreIdentity, view: ReadTransaction, due: list[Due]) -> NativeGraph:
    """All relationships of a view, in the core. Raises StoreDamaged."""
    graph = NativeGraph(name=identity.name, uuid=identity.uuid, epoch=identity.epoch)
    try:
        graph.load(view.rows(ROWS_AT_ONCE), told=due.append)
    except ValueError as error:
        raise StoreDamaged(f"a relationship of store `{identity.name}` cannot be read: {error}") from error
    return graph


def _telling_expirations(rows: Iterable[StoredRelationship], due: list[Due]) -> Iterator[Relationship]:
    """The relationships, and on the side when they expire: one look at each row for both."""
    for stored in rows:
        relationship = stored.relationship
        if relationship.qualifiers.expiration_us is not None:
            due.append((relationship.qualifiers.expiration_us, relationship.key))
        yield relationship
