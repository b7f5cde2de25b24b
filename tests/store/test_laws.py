"""The stores against a dictionary: whatever is written, refused, batched and scanned, they agree."""

from __future__ import annotations

import tempfile
import threading
from abc import abstractmethod
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from remit.errors import PreconditionFailed, RevisionGone
from remit.model import (
    Change,
    Delta,
    ObjectRef,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
)
from remit.store.changelog import replay, rewind
from remit.store.codec import encode_triple, sort_key
from remit.store.port import Draft, WriteTransaction
from remit.store.tables.interface import Table
from remit.store.tables.keys import scan_plan, subject_first
from remit.store.tables.table_store import TableStore
from tests.support.store.strategies import few_keys, filters, qualifiers
from tests.support.store.worlds import Ticks, open_lmdb, open_memory

State = dict[RelationshipKey, StoredRelationship]


@dataclass(frozen=True)
class Step:
    """One thing an admission does: put (with qualifiers) or delete (without)."""

    key: RelationshipKey
    qualifiers: Qualifiers | None


@dataclass(frozen=True)
class Request:
    steps: tuple[Step, ...]
    is_refused: bool

    def __call__(self, transaction: WriteTransaction) -> Draft:
        for step in self.steps:
            if step.qualifiers is None:
                transaction.delete(step.key)
            else:
                provenance = Provenance("anne", "", transaction.next_revision)
                transaction.put(StoredRelationship(Relationship(*step.key, step.qualifiers), provenance))
        if self.is_refused:
            raise PreconditionFailed("refused at the end")
        return Draft("anne")

    def apply(self, state: State, revision: int) -> tuple[State, tuple[Change, ...]]:
        """What it does to a plain dictionary, and what it changed."""
        after = dict(state)
        for step in self.steps:
            if step.qualifiers is None:
                after.pop(step.key, None)
            else:
                relationship = Relationship(*step.key, step.qualifiers)
                after[step.key] = StoredRelationship(relationship, Provenance("anne", "", revision))
        # In the order in which triples first changed: a delete of what is not there yet is no change.
        present, touched = set(state), {}
        for step in self.steps:
            if step.qualifiers is not None or step.key in present:
                touched[step.key] = None
            (present.discard if step.qualifiers is None else present.add)(step.key)
        changes = (Change(state.get(key), after.get(key)) for key in touched)
        return after, tuple(change for change in changes if (change.before, change.after) != (None, None))


steps = st.builds(Step, few_keys, st.none() | qualifiers)
requests = st.builds(Request, st.lists(steps, max_size=6).map(tuple), st.sampled_from([False, False, False, True]))


def in_order(table: Table, key: RelationshipKey) -> bytes:
    return sort_key(encode_triple(*key) if table is Table.RELATIONSHIPS else subject_first(*key))


class StoreMachine(RuleBasedStateMachine):
    """Batches of requests on two named stores, compared with dictionaries after each."""

    def __init__(self) -> None:
        super().__init__()
        self.store: TableStore | None = None
        self.states: dict[str, State] = {}
        self.deltas: dict[str, list[Delta]] = {}
        self.history: dict[str, list[State]] = {}  # by revision, from 0 on
        self.schemas: dict[str, list[str | None]] = {}  # likewise
        self.oldest: dict[str, int] = {}

    @abstractmethod
    def open(self) -> TableStore:
        """The store, empty when it is first opened."""

    @initialize()
    def begin(self) -> None:
        self.store = self.open()
        for name in ("default", "other"):
            self.create(name)

    def create(self, name: str) -> None:
        assert self.store is not None
        self.store.create(name)
        self.states[name], self.deltas[name] = {}, []
        self.history[name], self.schemas[name], self.oldest[name] = [{}], [None], 0

    def committed(self, name: str, delta: Delta) -> None:
        self.deltas[name].append(delta)
        self.history[name].append(self.states[name])
        text = delta.schema_text
        self.schemas[name].append(text if text is not None else self.schemas[name][-1])

    @rule(batch=st.lists(st.tuples(st.sampled_from(["default", "default", "other"]), requests), min_size=1, max_size=4))
    def write(self, batch: list[tuple[str, Request]]) -> None:
        """Requests queued behind a busy writer, so that they share one commit."""
        assert self.store is not None
        gate = threading.Event()

        def hold(transaction: WriteTransaction) -> Draft:
            assert gate.wait(60)
            raise PreconditionFailed("only to hold the writer")

        held = self.store.submit("default", hold)
        futures: list[Future[Delta]] = [self.store.submit(name, request) for name, request in batch]
        gate.set()
        assert isinstance(held.exception(60), PreconditionFailed)
        for (name, request), future in zip(batch, futures, strict=True):
            if request.is_refused:
                assert isinstance(future.exception(60), PreconditionFailed)
                continue
            delta = future.result(60)
            self.states[name], changes = request.apply(self.states[name], len(self.deltas[name]) + 1)
            assert delta.revision == len(self.deltas[name]) + 1
            assert delta.changes == changes
            self.committed(name, delta)

    @rule(name=st.sampled_from(["default", "other"]), text=st.sampled_from(["", "definition user {}", "// another"]))
    def write_schema(self, name: str, text: str) -> None:
        assert self.store is not None

        def admission(transaction: WriteTransaction) -> Draft:
            transaction.put_schema(text)
            return Draft("anne")

        self.committed(name, self.store.submit(name, admission).result(60))

    @rule(name=st.sampled_from(["default", "default", "other"]), part=st.floats(0, 1))
    def trim(self, name: str, part: float) -> None:
        """Forget what was committed up to some revision of those that are left."""
        assert self.store is not None
        head = len(self.deltas[name])
        oldest = self.oldest[name] + round(part * (head - self.oldest[name]))
        until_us = self.deltas[name][oldest - 1].committed_at_us if oldest else 0
        while self.store.trim(name, until_us):
            with self.store.read(name) as view:
                view.check_invariants()
        self.oldest[name] = oldest

    @rule()
    def recreate_the_other(self) -> None:
        assert self.store is not None
        self.store.delete("other")
        self.create("other")

    @rule(meant=filters(), name=st.sampled_from(["default", "other"]))
    def scan(self, meant: RelationshipFilter, name: str) -> None:
        """The matches, all of them, in the order of the table that answers; and from any of them on."""
        assert self.store is not None
        table = scan_plan(meant)[0]
        expected = sorted(
            (stored for key, stored in self.states[name].items() if meant.matches(key)),
            key=lambda stored: in_order(table, stored.relationship.key),
        )
        with self.store.read(name) as view:
            assert list(view.scan(meant)) == expected
            for place, stored in enumerate(expected):
                assert list(view.scan(meant, after=stored.relationship.key)) == expected[place + 1 :]

    @rule(meant=filters(), cursor=few_keys)
    def scan_after_anything(self, meant: RelationshipFilter, cursor: RelationshipKey) -> None:
        """A cursor need not be a triple that is there, nor one that the filter means."""
        assert self.store is not None
        table = scan_plan(meant)[0]
        with self.store.read("default") as view:
            behind = [
                each for each in view.scan(meant) if in_order(table, each.relationship.key) > in_order(table, cursor)
            ]
            assert list(view.scan(meant, after=cursor)) == behind

    @rule(key=few_keys)
    def get(self, key: RelationshipKey) -> None:
        assert self.store is not None
        with self.store.read("default") as view:
            assert view.get(key) == self.states["default"].get(key)

    @invariant()
    def changelog_tells_all(self) -> None:
        if self.store is not None:
            for name, state in self.states.items():
                oldest = self.oldest[name]
                with self.store.read(name) as view:
                    assert view.head.oldest_revision == oldest
                    assert list(view.changelog(oldest)) == self.deltas[name][oldest:]
                    assert replay(view.changelog(oldest), self.history[name][oldest]) == state
                    assert rewind(state, list(view.changelog(oldest))) == self.history[name][oldest]
                    revisions = range(oldest, len(self.deltas[name]) + 1)
                    assert [view.schema_text_at(each) for each in revisions] == self.schemas[name][oldest:]
                    if oldest:
                        with pytest.raises(RevisionGone):
                            view.changelog(oldest - 1)
                    view.check_invariants()

    def teardown(self) -> None:
        if self.store is not None:
            self.store.close()


class MemoryMachine(StoreMachine):
    def open(self) -> TableStore:
        return open_memory()


class LmdbMachine(StoreMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "data"
        self.ticks = Ticks()  # which goes on when the store is opened again

    def open(self) -> TableStore:
        return open_lmdb(self.path, clock_us=self.ticks)

    @precondition(lambda self: self.store is not None)
    @rule()
    def reopen(self) -> None:
        """Opening again gives the same."""
        assert self.store is not None
        self.store.close()
        self.store = self.open()

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


@pytest.mark.parametrize("machine", [MemoryMachine, LmdbMachine])
def test_a_store_is_a_dictionary_with_a_memory(machine: type[StoreMachine]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


@pytest.mark.long
@pytest.mark.parametrize("machine", [MemoryMachine, LmdbMachine])
def test_a_store_is_a_dictionary_with_a_memory_at_length(machine: type[StoreMachine]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=1000,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_the_order_of_a_scan_does_not_depend_on_what_else_is_there() -> None:
    """Two stores, written in opposite orders with other things in between, list the same."""
    stores = [open_memory(), open_memory()]
    keys = [
        RelationshipKey(ObjectRef("doc", id), "viewer", SubjectRef("user", user, ""))
        for id in ("1", "10", "2", "x" * 700)
        for user in ("a", "b")
    ]
    for store, order in zip(stores, (keys, keys[::-1]), strict=True):
        store.create("default")
        for key in order:
            store.submit("default", Request((Step(key, Qualifiers()),), False)).result(60)
    stores[1].submit("default", Request((Step(keys[0], None), Step(keys[0], Qualifiers())), False)).result(60)
    for meant in (RelationshipFilter(), RelationshipFilter(subject_type="user"), RelationshipFilter("doc")):
        listings = []
        for store in stores:
            with store.read("default") as view:
                listings.append([stored.relationship for stored in view.scan(meant)])
        assert listings[0] == listings[1]
        assert len(listings[0]) == len(keys)
    for store in stores:
        store.close()
