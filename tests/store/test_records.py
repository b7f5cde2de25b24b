"""What every store promises of records: they are there with the revision they came with, and with no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import PreconditionFailed
from remit.model import Provenance, Record, RecordKey, StoredRecord
from remit.store.changelog import PART_BYTES, rewind_records
from remit.store.port import DOCUMENT_BYTES_MAX, SMALL_DOCUMENTS_BYTES, SMALL_WEIGHT_MAX, Draft, WriteTransaction
from remit.store.tables.interface import Claim, Table
from remit.store.tables.store_writer import StoreWriter
from remit.store.tables.table_store import TableStore
from tests.support.store.strategies import objects
from tests.support.store.worlds import (
    all_records,
    check,
    deltas,
    everything,
    forgetting,
    open_memory,
    putting,
    record,
    recording,
    refusing,
    texts,
    write,
)

ANNE = "doc:1#viewer@user:anne"
WHY = record("hold", "hold:1", b"too much")


def both(transaction: WriteTransaction) -> Draft:
    putting(ANNE)(transaction)
    return recording(WHY)(transaction)


def test_a_record_is_one_revision_with_the_facts_it_goes_with(store: TableStore) -> None:
    delta = write(store, both)
    stored = StoredRecord(WHY, Provenance("anne", "", 1))
    with store.read("default") as view:
        assert view.get_record(WHY.key) == stored
        assert view.get_record(RecordKey("hold", WHY.object._replace(id="2"))) is None
    assert [(change.before, change.after) for change in delta.records] == [(None, stored)]
    assert [str(change.key) for change in delta.changes] == [ANNE]
    assert deltas(store) == [delta]
    assert texts(everything(store)) == [ANNE], "and it is no relationship"


def test_another_takes_its_place_and_a_removal_says_what_was_there(store: TableStore) -> None:
    write(store, recording(WHY))
    other = WHY._replace(document=b"enough")
    (change,) = write(store, recording(other, principal="ben")).records
    assert change.before is not None and change.before.record == WHY
    assert change.after == StoredRecord(other, Provenance("ben", "", 2))
    (change,) = write(store, forgetting(WHY, record("hold", "hold:none"))).records
    assert change.before is not None and (change.before.record, change.after) == (other, None)
    assert all_records(store) == []


def test_what_one_request_writes_and_removes_is_no_change(store: TableStore) -> None:
    def admission(transaction: WriteTransaction) -> Draft:
        recording(WHY)(transaction)
        assert transaction.get_record(WHY.key) is not None
        return forgetting(WHY)(transaction)

    assert write(store, admission).records == ()
    assert deltas(store)[0].records == ()


def test_a_refused_write_leaves_no_record(store: TableStore) -> None:
    write(store, recording(WHY))
    other = WHY._replace(document=b"other")
    failed = store.submit("default", refusing(PreconditionFailed("no"), recording(other, record("agent", "agent:a"))))
    assert isinstance(failed.exception(60), PreconditionFailed)
    assert [each.record for each in all_records(store)] == [WHY]


def test_a_dry_run_sees_its_records_and_leaves_none(store: TableStore) -> None:
    seen: list[StoredRecord | None] = []

    def admission(transaction: WriteTransaction) -> Draft:
        draft = recording(WHY)(transaction)
        seen.append(transaction.get_record(WHY.key))
        return draft

    store.rehearse("default", admission)
    assert seen == [StoredRecord(WHY, Provenance("anne", "", 1))]
    assert all_records(store) == []


@pytest.mark.parametrize(
    ("records", "claim"),
    [
        ([], Claim.STOP),
        ([record("hold", "hold:1", bytes(SMALL_DOCUMENTS_BYTES // 2))], Claim.STOP),
        ([record("hold", "hold:1", bytes(SMALL_DOCUMENTS_BYTES + 1))], Claim.ORDINARY),
        ([record("hold", f"hold:{number}") for number in range(SMALL_WEIGHT_MAX - 1)], Claim.STOP),
        ([record("hold", f"hold:{number}") for number in range(SMALL_WEIGHT_MAX)], Claim.ORDINARY),
    ],
)
def test_what_is_held_back_is_for_stops_that_say_little(store: TableStore, records: list[Record], claim: Claim) -> None:
    claims: list[Claim] = []

    def admission(transaction: WriteTransaction) -> Draft:
        assert isinstance(transaction, StoreWriter)
        putting(ANNE)(transaction)
        draft = recording(*records)(transaction)
        claims.append(transaction.claim)
        return draft

    store.rehearse("default", admission)
    assert claims == [claim]


def test_they_are_listed_by_kind_in_order(store: TableStore) -> None:
    several = [record("hold", "hold:2"), record("holder", "hold:1"), record("hold", "hold:1"), record("agent", "a:1")]
    write(store, recording(*several))
    with store.read("default") as view:
        assert [each.record for each in view.records("hold")] == [several[2], several[0]]
        assert [each.record.kind for each in view.records()] == ["agent", "hold", "hold", "holder"]
        assert list(view.records("nothing")) == []


def test_objects_of_full_length_that_differ_at_their_end_have_records_of_their_own(store: TableStore) -> None:
    long = [record("agent", f"agent:{'x' * 1023}{end}", end.encode()) for end in "ab"]
    write(store, recording(*long))
    assert sorted(each.record for each in all_records(store)) == long
    write(store, forgetting(long[0]))
    assert [each.record for each in all_records(store)] == [long[1]]


def test_large_documents_are_told_and_logged_whole(store: TableStore) -> None:
    large = [record("descriptor", f"descriptor:{number:02}", bytes(DOCUMENT_BYTES_MAX)) for number in range(20)]
    assert DOCUMENT_BYTES_MAX > PART_BYTES
    delta = write(store, recording(*large))
    assert [change.key for change in delta.records] == [each.key for each in large]
    write(store, both)
    assert deltas(store)[0] == delta


def test_records_are_of_their_own_store_and_go_with_it(store: TableStore) -> None:
    store.create("other")
    write(store, recording(WHY), "other")
    assert all_records(store) == []
    store.delete("other")
    store.create("other")
    assert all_records(store, "other") == []
    for _ in range(100):
        write(store, putting())
        if not store._tombstones:
            break
    snapshot = store._tables.snapshot()
    try:
        assert list(snapshot.items(Table.RECORDS, b"")) == []
    finally:
        snapshot.close()


def test_what_is_trimmed_is_not_missed(store: TableStore) -> None:
    write(store, recording(WHY))
    last = write(store, recording(WHY._replace(document=b"again")))
    while store.trim("default", last.committed_at_us):
        pass
    write(store, forgetting(WHY))
    check(store)


RECORDS = st.builds(Record, st.sampled_from(["hold", "agent", "a"]), objects, st.binary(max_size=40))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(RECORDS, st.booleans()), max_size=5), max_size=8))
def test_of_any_history_every_revision_can_be_told(history: list[list[tuple[Record, bool]]]) -> None:
    """A law: what the changelog undoes from the end is what a dictionary held at each revision."""
    store = open_memory()
    store.create("default")
    held: dict[RecordKey, Record] = {}
    states = [dict(held)]
    for steps in history:
        write(store, _doing(steps))
        for each, is_removed in steps:
            if is_removed:
                held.pop(each.key, None)
            else:
                held[each.key] = each
        states.append(dict(held))
    there = {each.record.key: each for each in all_records(store)}
    told = deltas(store)
    for revision, state in enumerate(states):
        then = rewind_records(there, told[revision:])
        assert {key: stored.record for key, stored in then.items()} == state
    check(store)
    store.close()


def _doing(steps: list[tuple[Record, bool]]) -> Callable[[WriteTransaction], Draft]:
    def admission(transaction: WriteTransaction) -> Draft:
        for each, is_removed in steps:
            (forgetting if is_removed else recording)(each)(transaction)
        return Draft("anne")

    return admission


@pytest.mark.parametrize("count", [0, 1, 3])
def test_rows_of_relationships_hold_no_record(store: TableStore, count: int) -> None:
    write(store, recording(*(record("hold", f"hold:{each}") for each in range(count))))
    write(store, putting(ANNE))
    with store.read("default") as view:
        assert sum(len(batch.rows) for batch in view.rows(10)) == 1
