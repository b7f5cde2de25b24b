"""The stores in memory: of each one schema, one graph and one revision, which change together.

They are loaded from the store at the start and kept in step by the store's own thread, which applies each committed
delta before anyone is told of it. A request pins what is there when it begins, and goes on seeing that; so no commit
waits for a request (see `graph/revisions.py`, and `request_view.py` for what a request makes of it).
Law: what is pinned is, for as long as anybody has it, what the store's relationships were at one revision."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import NamedTuple

from remit.engine.record_kinds import DESCRIPTOR
from remit.engine.schema_plans import SchemaPlans
from remit.engine.tokens import decode_token, encode_token
from remit.errors import StoreDamaged, StoreExists, StoreUnavailable
from remit.eval.native_plan import schema_of
from remit.graph.moments import Beginnings, Expirations, Moment
from remit.graph.native import ROWS_AT_ONCE, NativeGraph, available, registry
from remit.graph.plain import Graph
from remit.graph.revisions import PinnedGraph, Stride
from remit.interrupt import Interrupt, never_interrupted
from remit.language.plan import Schema
from remit.model import (
    DEFAULT_STORE,
    PLAIN,
    Delta,
    RecordChange,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    StoreInfo,
)
from remit.notation import no_such_store
from remit.store.port import Admission, CommitListener, Draft, ReadTransaction, Store, StoreIdentity, WriteTransaction

# Of what begins and ends in a store, so much is told beforehand: who waits for some of it passes over the rest.
LATER_MAX = 128
_LOOK_UP_S = 1.0  # how often one who waits for memory looks whether its writer is still there


class PinnedStore(NamedTuple):
    """A store as it is at one revision, with what begins and ends in it up to a time, and later: soonest first, and all
    of it where that is less than LATER_MAX."""

    schema: Schema | None
    graph: PinnedGraph
    revision: int
    moments: list[Moment]
    later: list[Moment]


class LoadedStore:
    """A store as it is now. What belongs together is written, and read, under `lock`, for a moment only."""

    def __init__(
        self,
        identity: StoreIdentity,
        schema: Schema | None,
        graph: Graph | NativeGraph,
        beginnings: Beginnings,
        expirations: Expirations,
        revision: int,
    ) -> None:
        self.identity = identity
        self.schema = schema
        self.graph = graph
        self.native = graph if isinstance(graph, NativeGraph) else None  # answers most checks by itself
        if self.native is not None:
            self.native.apply((), revision, schema_of(schema) if schema is not None else None)
        self.beginnings = beginnings
        self.expirations = expirations
        self.revision = revision
        self.lock = threading.Lock()
        self._stride = Stride()  # from the revision to the next
        self._advanced = threading.Condition(self.lock)

    def pin(self, undone_max: int) -> tuple[Schema | None, PinnedGraph, int]:
        """The schema, the graph and the revision as they are now, and stay for whoever has them. Cost: O(1)."""
        with self.lock:
            return self.schema, PinnedGraph(self.graph, self.lock, self._stride, undone_max), self.revision

    def pin_with_moments(self, undone_max: int, after_us: int, until_us: int, count_max: int) -> PinnedStore:
        """The same, with what of it begins or ends later than one time and not later than another, `count_max` of each
        at most, and the first LATER_MAX that will. Cost: O(moments), during which no commit is applied."""
        with self.lock:
            lists = (self.beginnings, self.expirations)
            moments = [moment for each in lists for moment in each.between(after_us, until_us, count_max)]
            later = [moment for each in lists for moment in each.after(until_us, LATER_MAX)]
            schema, revision = self.schema, self.revision
            graph = PinnedGraph(self.graph, self.lock, self._stride, undone_max)
        return PinnedStore(schema, graph, revision, moments, sorted(later)[:LATER_MAX])

    def advance(self, deltas: Sequence[Delta], schema: Schema | None) -> None:
        """Be as the next revisions left the store, which one commit made durable. Cost: O(changes)."""
        changes = deltas[0].changes if len(deltas) == 1 else tuple([each for delta in deltas for each in delta.changes])
        last = deltas[-1].revision
        with self.lock:
            assert [delta.revision for delta in deltas] == list(range(self.revision + 1, last + 1)), "in revision order"
            if self.native is not None:
                # All of it at once: the frontend looks at the core without asking for our lock.
                new = schema if schema is not self.schema else None
                described = [each for delta in deltas for each in _described(delta.records)]
                self.native.apply(changes, last, schema_of(new) if new is not None else None, described)
            else:
                self.graph.apply(changes)
            self.beginnings.apply(changes)
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


class LoadedStores:
    """All stores of one data directory."""

    def __init__(self, store: Store) -> None:
        """Load every store into memory. Cost: O(relationships)."""
        self._store = store
        self.plans = SchemaPlans(in_force=lambda: [loaded.schema for loaded in self._stores.values()])
        # By name. Replaced whole, so that whoever goes through it is not disturbed.
        self._stores: Mapping[str, LoadedStore] = {}
        self._stores = {name: self._load(name) for name in store.names()}
        self.core = registry()  # the stores as the frontend finds them
        for loaded in self._stores.values():
            self._show(loaded)
        self._changing = threading.Condition()
        self._names_changing: set[str] = set()
        self.after_commit: list[CommitListener] = []  # who hears of deltas once memory has them, and must not fail
        store.subscribe(self._committed)

    def all(self) -> list[LoadedStore]:
        """By name."""
        return [loaded for _, loaded in sorted(self._stores.items())]

    def sizes(self) -> dict[str, int]:
        """How many relationships each store holds."""
        return {name: len(loaded.graph) for name, loaded in sorted(self._stores.items())}

    def stats(self) -> dict[str, tuple[int, int]]:
        """Of each store, how many relationships it holds and its revision. Cost: O(stores)."""
        return {name: (len(each.graph), each.revision) for name, each in list(self._stores.items())}

    def of(self, store: str) -> LoadedStore:
        """The store of that name; "" is `default`. Raises StoreNotFound."""
        name = store or DEFAULT_STORE
        loaded = self._stores.get(name)
        if loaded is None:
            raise no_such_store(name)
        return loaded

    # --- the store on the disk ----------------------------------------------------------------------------------

    @contextmanager
    def view(self, identity: StoreIdentity) -> Iterator[ReadTransaction]:
        """A view of that very store, once memory is as far: what is on the disk is about to be applied, and whoever was
        told of it may ask about it at once. Raises StoreNotFound where it was removed, or made anew under its name."""
        with self._store.read(identity.name) as view:
            _require(view, identity)
            self._await(view)
            yield view

    def _await(self, view: ReadTransaction) -> None:
        """Wait until memory has what the disk has. It is certain to, or the writer has ended: then StoreUnavailable."""
        head = view.head
        loaded = self.of(head.identity.name)
        while loaded.identity == head.identity and not loaded.wait_for(head.revision, _LOOK_UP_S):
            if problem := self._store.problem():
                raise StoreUnavailable(problem)

    def catch_up(self, loaded: LoadedStore, token: str) -> None:
        """Where a token names a revision that memory has not yet, wait for what the disk has by now: whoever committed
        it, here or elsewhere, may have told of it already. Raises InvalidToken, StoreNotFound, StoreUnavailable.
        Cost: O(1) where memory is as far."""
        uuid, epoch, revision = decode_token(token)
        if revision > loaded.revision and (uuid, epoch) == (loaded.identity.uuid, loaded.identity.epoch):
            with self.view(loaded.identity):
                return  # a view is given once memory is as far as the disk

    def submit(
        self, identity: StoreIdentity, admission: Admission, client_id: str = "", weight: int = 1
    ) -> Future[Delta]:
        """Queue a write into that very store: the future holds StoreNotFound where it is no longer there."""
        return self._store.submit(identity.name, _there(identity, admission), client_id, weight)

    def write(self, identity: StoreIdentity, admission: Admission, client_id: str = "", weight: int = 1) -> Delta:
        """Write into that very store: durable, and seen, when it returns. Raises StoreNotFound where it is no longer
        there, and what the admission raises."""
        return self._store.write(identity.name, _there(identity, admission), client_id, weight)

    def rehearse(
        self,
        identity: StoreIdentity,
        admission: Admission,
        client_id: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> None:
        """Judge a write into that very store against its last revision, which memory has too when it returns. Raises as
        `write`, and what `interrupt` raises while it waits."""

        def caught_up(view: WriteTransaction) -> Draft:
            self._await(view)
            return admission(view)

        self._store.rehearse(identity.name, _there(identity, caught_up), client_id, interrupt)

    # --- stores that come and go --------------------------------------------------------------------------------

    def require_free(self, name: str) -> None:
        """Raises StoreExists. Cost: O(1); the disk is asked when the store is made."""
        if name in self._stores:
            raise StoreExists(f"store `{name}` is already there", field="name", store=name)

    def add(self, name: str, make: Callable[[], StoreIdentity]) -> LoadedStore:
        """Make a store, and have it in memory before anybody can ask for it. Cost: O(its relationships)."""
        with self._alone(name):
            make()
            try:
                loaded = self._load(name)
            except BaseException:
                self._store.delete(name)
                raise
            with self._changing:
                self._stores = {**self._stores, name: loaded}
                self._show(loaded)
        return loaded

    def remove(self, name: str) -> None:
        """Remove a store. Requests that have a view of it finish; no other finds it. Raises StoreNotFound."""
        with self._alone(name):
            self._store.delete(name)
            with self._changing:
                self._stores = {each: loaded for each, loaded in self._stores.items() if each != name}
                if self.core is not None:
                    self.core.remove(name)

    def _show(self, loaded: LoadedStore) -> None:
        if self.core is not None and loaded.native is not None:
            self.core.add(loaded.native.store)

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
        loaded = self._stores[name]
        schema = loaded.schema
        for delta in deltas:
            if delta.schema_text is not None:
                schema = self.plans.of(delta.schema_text)
        loaded.advance(deltas, schema)
        for listener in self.after_commit:
            listener(name, deltas)

    def _load(self, name: str) -> LoadedStore:
        with self._store.read(name) as view:
            head = view.head
            schema = self.plans.of(head.schema_text) if head.schema_text is not None else None
            times = _Times()
            graph: Graph | NativeGraph
            if available():
                graph = _native_graph(head.identity, view, times)
            else:
                graph = Graph(times.noted(view.scan(RelationshipFilter())))
        beginnings, expirations = Beginnings(times.beginnings), Expirations(times.expirations)
        return LoadedStore(head.identity, schema, graph, beginnings, expirations, head.revision)


class _Times:
    """When relationships that are loaded begin and end: one look at each for this and for the graph."""

    def __init__(self) -> None:
        self.beginnings: list[Moment] = []
        self.expirations: list[Moment] = []

    def add(self, key: RelationshipKey, not_before_us: int | None, expiration_us: int | None) -> None:
        if not_before_us is not None:
            self.beginnings.append((not_before_us, key))
        if expiration_us is not None:
            self.expirations.append((expiration_us, key))

    def noted(self, rows: Iterable[StoredRelationship]) -> Iterator[Relationship]:
        for stored in rows:
            relationship = stored.relationship
            if relationship.qualifiers is not PLAIN:
                _, not_before_us, expiration_us = relationship.qualifiers
                self.add(relationship.key, not_before_us, expiration_us)
            yield relationship


def _require(view: ReadTransaction, identity: StoreIdentity) -> None:
    found = view.head.identity
    if found is not identity and found != identity:
        raise no_such_store(identity.name)


def _there(identity: StoreIdentity, admission: Admission) -> Admission:
    def admission_there(view: WriteTransaction) -> Draft:
        _require(view, identity)
        return admission(view)

    return admission_there


def _native_graph(identity: StoreIdentity, view: ReadTransaction, times: _Times) -> NativeGraph:
    """All relationships of a view, and what describes its tools, in the core. Raises StoreDamaged."""
    graph = NativeGraph(name=identity.name, uuid=identity.uuid, epoch=identity.epoch)
    try:
        graph.load(view.rows(ROWS_AT_ONCE), told=times.add)
    except ValueError as error:
        raise StoreDamaged(f"a relationship of store `{identity.name}` cannot be read: {error}") from error
    kept = ((stored.record.object.id, stored.record.document) for stored in view.records(DESCRIPTOR))
    graph.apply((), descriptors=kept)
    return graph


def _described(changes: Iterable[RecordChange]) -> Iterator[tuple[str, bytes | None]]:
    """What became of descriptors of tools, by digest; None where one is gone."""
    for change in changes:
        if change.key.kind == DESCRIPTOR:
            yield change.key.object.id, change.after.record.document if change.after is not None else None
