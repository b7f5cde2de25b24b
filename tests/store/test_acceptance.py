"""What every store promises, whatever it keeps its bytes in."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from remit.errors import InvalidArgument, RelationshipExists, StoreExists, StoreNotFound, StoreUnavailable
from remit.model import (
    CaveatUse,
    Delta,
    Provenance,
    Qualifiers,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
)
from remit.store.changelog import PART_BYTES, replay
from remit.store.codec import decode_value, whole_triple
from remit.store.port import Draft, WriteTransaction
from remit.store.tables.interface import CHUNK_ROWS, Table
from remit.store.tables.table_store import TableStore
from tests.support.store_worlds import (
    Opener,
    deleting,
    deltas,
    everything,
    key,
    putting,
    refusing,
    relationship,
    texts,
    write,
)

ANNE = "doc:1#viewer@user:anne"
BOB = "doc:1#viewer@user:bob"
ALL = RelationshipFilter()


def change_texts(delta: Delta) -> list[tuple[str, bool, bool]]:
    return [(str(change.key), change.before is not None, change.after is not None) for change in delta.changes]


# --- one write --------------------------------------------------------------------------------------------------


def test_a_new_store_is_empty(store: TableStore) -> None:
    with store.read("default") as view:
        assert view.head.revision == 0
        assert view.head.schema_text is None
        assert list(view.scan(ALL)) == []
        assert list(view.changelog(0)) == []
        assert view.get(key(ANNE)) is None


def test_what_is_written_is_read_with_its_provenance_and_qualifiers(store: TableStore) -> None:
    qualified = relationship(BOB, Qualifiers(CaveatUse("c", '{"a":1}'), 5, 7))
    delta = write(store, putting(ANNE, qualified, run="run:r-7"))
    assert delta.revision == 1
    with store.read("default") as view:
        assert view.get(key(ANNE)) == StoredRelationship(relationship(ANNE), Provenance("anne", "run:r-7", 1))
        assert view.get(key(BOB)) == StoredRelationship(qualified, Provenance("anne", "run:r-7", 1))
        assert view.head.revision == 1


def test_a_delta_says_who_when_and_what(open_store: Opener) -> None:
    store = open_store(clock_us=lambda: 42)
    store.create("default")

    def admission(transaction: WriteTransaction) -> Draft:
        putting(ANNE)(transaction)
        return Draft("carol", '{"ticket":7}', managed_bypass=True)

    delta = write(store, admission)
    assert (delta.revision, delta.committed_at_us, delta.principal) == (1, 42, "carol")
    assert (delta.metadata_json, delta.managed_bypass, delta.schema_text) == ('{"ticket":7}', True, None)
    assert change_texts(delta) == [(ANNE, False, True)]
    assert deltas(store) == [delta]


def test_a_put_of_what_is_there_is_a_change_still(store: TableStore) -> None:
    write(store, putting(ANNE))
    delta = write(store, putting(ANNE))
    (change,) = delta.changes
    assert change.before is not None
    assert change.after is not None
    assert change.before.relationship == change.after.relationship
    assert (change.before.provenance.revision, change.after.provenance.revision) == (1, 2)


def test_a_delete_records_what_was_there(store: TableStore) -> None:
    write(store, putting(ANNE, BOB))
    delta = write(store, deleting(ANNE, "doc:9#viewer@user:anne"))
    assert change_texts(delta) == [(ANNE, True, False)]
    assert texts(everything(store)) == [BOB]


def test_several_changes_to_one_triple_become_one(store: TableStore) -> None:
    write(store, putting(ANNE))
    late = relationship(ANNE, Qualifiers(expiration_us=9))

    def admission(transaction: WriteTransaction) -> Draft:
        transaction.delete(key(ANNE))
        assert transaction.get(key(ANNE)) is None
        putting(BOB, late)(transaction)
        return Draft("anne")

    delta = write(store, admission)
    assert change_texts(delta) == [(ANNE, True, True), (BOB, False, True)]
    after = delta.changes[0].after
    assert after is not None
    assert after.relationship == late


def test_a_triple_absent_before_and_after_is_no_change(store: TableStore) -> None:
    def admission(transaction: WriteTransaction) -> Draft:
        putting(ANNE)(transaction)
        return deleting(ANNE)(transaction)

    delta = write(store, admission)
    assert delta.changes == ()
    assert everything(store) == []


def test_a_write_that_changes_nothing_is_a_revision_still(store: TableStore) -> None:
    assert [write(store, deleting(ANNE)).revision, write(store, putting()).revision] == [1, 2]
    assert deltas(store)[1].changes == ()


def test_a_large_write_is_told_and_logged_whole(store: TableStore) -> None:
    names = [f"doc:{number:06}#viewer@user:{'x' * 60}{number}" for number in range(1200)]
    delta = write(store, putting(*names))
    assert sum(map(len, names)) > 2 * PART_BYTES
    assert [str(change.key) for change in delta.changes] == names
    write(store, putting(ANNE))
    assert deltas(store)[0] == delta
    assert [each.revision for each in deltas(store)] == [1, 2]
    assert texts(everything(store)) == [*names, ANNE]


# --- admission --------------------------------------------------------------------------------------------------


def test_a_refused_write_leaves_no_trace_and_its_caller_the_error(store: TableStore) -> None:
    write(store, putting(ANNE))

    def put_and_delete(transaction: WriteTransaction) -> Draft:
        putting(BOB)(transaction)
        transaction.put_schema("definition user {}")
        return deleting(ANNE)(transaction)

    with pytest.raises(RelationshipExists, match="bob"):
        write(store, refusing(RelationshipExists("`bob`"), put_and_delete))
    assert texts(everything(store)) == [ANNE]
    assert len(deltas(store)) == 1
    with store.read("default") as view:
        assert view.head.schema_text is None
    assert write(store, putting(BOB)).revision == 2


def test_an_admission_sees_its_own_writes_and_those_before_it(store: TableStore) -> None:
    write(store, putting(ANNE))
    seen: list[list[str]] = []

    def admission(transaction: WriteTransaction) -> Draft:
        assert transaction.next_revision == 2
        assert transaction.head.revision == 1
        seen.append(texts(transaction.scan(ALL)))
        putting(BOB)(transaction)
        seen.append(texts(transaction.scan(ALL)))
        seen.append(texts(transaction.scan(RelationshipFilter(subject_type="user", subject_id="bob"))))
        transaction.delete(key(ANNE))
        seen.append(texts(transaction.scan(ALL)))
        return Draft("anne")

    write(store, admission)
    assert seen == [[ANNE], [ANNE, BOB], [BOB], [BOB]]


def queued_behind(store: TableStore, *admissions: object) -> list[Future[Delta]]:
    """Queue admissions while the writer is busy, so that they share one commit."""
    gate, entered = threading.Event(), threading.Event()

    def hold(transaction: WriteTransaction) -> Draft:
        entered.set()
        assert gate.wait(60)
        return Draft("gate")

    first = store.submit("default", hold)
    assert entered.wait(60)
    futures = [store.submit("default", admission) for admission in admissions]  # type: ignore[arg-type]
    gate.set()
    return [first, *futures]


def test_in_one_batch_a_refusal_is_unseen_and_a_success_is_seen(store: TableStore) -> None:
    seen: list[list[str]] = []

    def look(transaction: WriteTransaction) -> Draft:
        seen.append(texts(transaction.scan(ALL)))
        return Draft("anne")

    refused = refusing(RelationshipExists("no"), putting(BOB))
    futures = queued_behind(store, putting(ANNE), refused, look, deleting(ANNE), look)
    assert isinstance(futures[2].exception(60), RelationshipExists)
    assert [future.result(60).revision for future in futures if future is not futures[2]] == [1, 2, 3, 4, 5]
    assert seen == [[ANNE], []]


def test_of_two_racing_creates_exactly_one_wins(store: TableStore) -> None:
    def create(transaction: WriteTransaction) -> Draft:
        if transaction.get(key(ANNE)) is not None:
            raise RelationshipExists("`anne` is there")
        return putting(ANNE)(transaction)

    barrier, futures = threading.Barrier(8), []

    def race() -> None:
        barrier.wait(60)
        futures.append(store.submit("default", create))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(future.exception(60) is None for future in futures) == [False] * 7 + [True]


def test_deleting_what_one_scans_deletes_all_of_it(store: TableStore) -> None:
    names = [f"doc:{number:05}#viewer@user:{number % 7}" for number in range(CHUNK_ROWS * 2 + 10)]
    write(store, putting(*names, "folder:1#viewer@user:1"))

    def admission(transaction: WriteTransaction) -> Draft:
        for stored in transaction.scan(RelationshipFilter(resource_type="doc")):
            transaction.delete(stored.relationship.key)
        return Draft("anne")

    assert len(write(store, admission).changes) == len(names)
    assert texts(everything(store)) == ["folder:1#viewer@user:1"]


def test_a_scan_in_an_admission_sees_what_is_written_ahead_of_it(store: TableStore) -> None:
    write(store, putting("doc:1#viewer@user:1", "doc:2#viewer@user:1", "doc:4#viewer@user:1"))
    seen: list[str] = []

    def admission(transaction: WriteTransaction) -> Draft:
        for stored in transaction.scan(RelationshipFilter(subject_type="user", subject_id="1")):
            seen.append(stored.relationship.resource.id)
            if len(seen) == 1:
                deleting("doc:2#viewer@user:1")(transaction)
                putting("doc:3#viewer@user:1", "doc:0#viewer@user:1")(transaction)
        return Draft("anne")

    write(store, admission)
    assert seen == ["1", "3", "4"]


# --- reading ----------------------------------------------------------------------------------------------------


def test_a_view_does_not_change_while_others_write(store: TableStore) -> None:
    write(store, putting(ANNE))
    with store.read("default") as view:
        rows = view.scan(ALL)
        write(store, deleting(ANNE))
        write(store, putting(BOB))
        assert view.head.revision == 1
        assert texts(rows) == [ANNE]
        assert view.get(key(BOB)) is None
        assert [delta.revision for delta in view.changelog(0)] == [1]
    assert texts(everything(store)) == [BOB]


def test_an_acknowledged_write_is_in_the_next_view(store: TableStore) -> None:
    for number in range(50):
        name = f"doc:{number}#viewer@user:anne"
        write(store, putting(name))
        with store.read("default") as view:
            assert view.get(key(name)) is not None


def test_readers_in_many_threads_see_whole_writes_only(store: TableStore) -> None:
    """Every write moves a pair together; no reader ever sees half a pair."""
    write(store, putting("doc:0#viewer@user:a", "doc:0#viewer@user:b"))
    done, torn = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            with store.read("default") as view:
                found = [stored.relationship.resource.id for stored in view.scan(ALL)]
            if len(found) != 2 or found[0] != found[1]:
                torn.append(found)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(60):
        old, new = f"doc:{number}", f"doc:{number + 1}"

        def move(transaction: WriteTransaction, old: str = old, new: str = new) -> Draft:
            deleting(f"{old}#viewer@user:a", f"{old}#viewer@user:b")(transaction)
            return putting(f"{new}#viewer@user:a", f"{new}#viewer@user:b")(transaction)

        write(store, move)
    done.set()
    for reader in readers:
        reader.join(60)
    assert torn == []


def test_a_view_that_has_ended_answers_nothing(store: TableStore) -> None:
    write(store, putting(ANNE))
    with store.read("default") as view:
        rows = view.scan(ALL)
    with pytest.raises(RuntimeError):
        view.get(key(ANNE))
    with pytest.raises(RuntimeError):
        next(rows)


def test_a_scan_goes_on_after_a_triple_even_if_it_is_gone(store: TableStore) -> None:
    names = [f"doc:{number}#viewer@user:anne" for number in range(5)]
    write(store, putting(*names))
    write(store, deleting(names[2]))
    with store.read("default") as view:
        assert texts(view.scan(ALL, after=key(names[2]))) == names[3:]
        assert texts(view.scan(ALL, after=key(names[4]))) == []
        assert (
            texts(view.scan(RelationshipFilter(resource_type="doc"), after=key("a:0#b@c:1"))) == names[:2] + names[3:]
        )
        only = RelationshipFilter(subject_type="user", subject_id="anne")
        assert texts(view.scan(only, after=key(names[0]))) == [names[1], *names[3:]]


def test_a_prefix_of_an_id_is_no_prefix_of_its_end(store: TableStore) -> None:
    write(store, putting("doc:1#viewer@user:1", "doc:10#viewer@user:1", "doc:2#viewer@user:1", "docs:1#viewer@user:1"))
    with store.read("default") as view:
        exactly, starting = RelationshipFilter("doc", "1"), RelationshipFilter("doc", resource_id_prefix="1")
        assert texts(view.scan(exactly)) == ["doc:1#viewer@user:1"]
        assert texts(view.scan(starting)) == ["doc:1#viewer@user:1", "doc:10#viewer@user:1"]
        assert len(texts(view.scan(RelationshipFilter("doc", resource_id_prefix="")))) == 3


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_rows_are_all_relationships_as_anybody_can_decode_them(store: TableStore, count: int) -> None:
    """However long their triples are; the stores before and after, by number, have others."""
    store.create("after")
    long = "doc:1#viewer@user:" + "x" * 1000
    write(
        store, putting("doc:0#viewer@user:anne", relationship(BOB, Qualifiers(None, 5, 7)), long, "doc:2#viewer@user:0")
    )
    write(store, putting(ANNE, long), "after")
    with store.read("default") as view:
        batches = list(view.rows(count))
        expected = list(view.scan(ALL))
    assert all(0 < len(batch.rows) <= count for batch in batches)
    rows = [(key[start:], value) for batch, start in batches for key, value in batch]
    decoded = [decode_value(whole_triple(key, value), value) for key, value in rows]
    assert decoded == expected
    assert len(decoded) == 4


def test_ids_of_full_length_that_differ_at_their_end_are_two(store: TableStore) -> None:
    stem = "x" * 1023
    names = [f"doc:{stem}{end}#viewer@user:{stem}{end}" for end in "abc"]
    write(store, putting(*names))
    write(store, deleting(names[1]))
    with store.read("default") as view:
        assert view.get(key(names[1])) is None
        assert sorted(texts(view.scan(ALL))) == [names[0], names[2]]
        assert texts(view.scan(RelationshipFilter("doc", stem + "c"))) == [names[2]]
        assert texts(view.scan(RelationshipFilter(subject_type="user", subject_id=stem + "a"))) == [names[0]]
        first, second = view.scan(ALL)
        assert list(view.scan(ALL, after=first.relationship.key)) == [second]


# --- schema and changelog ---------------------------------------------------------------------------------------


def schema(text: str) -> object:
    def admission(transaction: WriteTransaction) -> Draft:
        transaction.put_schema(text)
        assert transaction.head.schema_text == text
        return Draft("anne")

    return admission


def test_the_schema_is_kept_for_every_revision(store: TableStore) -> None:
    write(store, putting(ANNE))
    long = "// " + "é" * 100_000 + "\ndefinition user {}"
    second = write(store, schema("definition user {}"))  # type: ignore[arg-type]
    write(store, putting(BOB))
    fourth = write(store, schema(long))  # type: ignore[arg-type]
    assert (second.schema_text, fourth.schema_text) == ("definition user {}", long)
    with store.read("default") as view:
        assert view.head.schema_text == long
        found = [view.schema_text_at(revision) for revision in range(6)]
        assert found == [None, None, "definition user {}", "definition user {}", long, long]
        assert [delta.schema_text for delta in view.changelog(0)] == [None, "definition user {}", None, long]


def test_in_one_batch_the_schema_of_a_predecessor_is_seen_and_a_refused_one_is_not(store: TableStore) -> None:
    seen: list[str | None] = []

    def look(transaction: WriteTransaction) -> Draft:
        seen.append(transaction.head.schema_text)
        return Draft("anne")

    refused = refusing(RelationshipExists("no"), schema("definition refused {}"))  # type: ignore[arg-type]
    futures = queued_behind(store, look, refused, look, schema("definition user {}"), look)
    assert isinstance(futures[2].exception(60), RelationshipExists)
    futures[-1].result(60)
    assert seen == [None, None, "definition user {}"]
    with store.read("default") as view:
        assert view.head.schema_text == "definition user {}"


def test_the_changelog_begins_where_it_is_asked_to(store: TableStore) -> None:
    for number in range(5):
        write(store, putting(f"doc:{number}#viewer@user:anne"))
    with store.read("default") as view:
        assert [delta.revision for delta in view.changelog(3)] == [4, 5]
        assert list(view.changelog(5)) == []
        assert list(view.changelog(99)) == []


def test_replaying_the_changelog_gives_the_relationships(store: TableStore) -> None:
    write(store, putting(ANNE, BOB))
    write(store, deleting(ANNE))
    write(store, putting(relationship(BOB, Qualifiers(not_before_us=3))))
    with store.read("default") as view:
        expected: dict[RelationshipKey, StoredRelationship] = {each.relationship.key: each for each in view.scan(ALL)}
        assert replay(view.changelog(0)) == expected


# --- the listener -----------------------------------------------------------------------------------------------


def test_the_listener_hears_every_delta_in_order_before_anyone_is_told(store: TableStore) -> None:
    heard: list[tuple[str, Delta]] = []
    told_first: list[int] = []
    futures: dict[int, Future[Delta]] = {}

    def listen(name: str, deltas: Sequence[Delta]) -> None:
        heard.extend((name, delta) for delta in deltas)
        first = deltas[0].revision
        told_first.extend(number for number, future in futures.items() if future.done() and number >= first)

    store.subscribe(listen)
    for number in range(1, 40):
        futures[number] = store.submit("default", putting(f"doc:{number}#viewer@user:anne"))
    results = [future.result(60) for future in futures.values()]
    assert heard == [("default", delta) for delta in results]
    assert [delta.revision for delta in results] == list(range(1, 40))
    assert told_first == []


def test_the_listener_finds_what_it_hears_of_in_a_new_view(store: TableStore) -> None:
    found: list[int] = []

    def listen(name: str, deltas: Sequence[Delta]) -> None:
        with store.read(name) as view:
            found.append(view.head.revision - deltas[-1].revision)

    store.subscribe(listen)
    write(store, putting(ANNE))
    assert found == [0]


# --- named stores -----------------------------------------------------------------------------------------------


def test_stores_are_worlds_of_their_own(store: TableStore) -> None:
    store.create("other")
    write(store, putting(ANNE))
    assert write(store, putting(BOB), "other").revision == 1
    assert (texts(everything(store)), texts(everything(store, "other"))) == ([ANNE], [BOB])
    assert store.names() == ["default", "other"]


def test_the_name_of_a_store_is_taken_once(store: TableStore) -> None:
    with pytest.raises(StoreExists, match="`default`"):
        store.create("default")


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_store_cannot_have_such_a_name(store: TableStore, name: str) -> None:
    with pytest.raises(InvalidArgument):
        store.create(name)


def test_a_store_that_is_not_there_is_not_found_by_any_verb(store: TableStore) -> None:
    with pytest.raises(StoreNotFound, match="`nowhere`"), store.read("nowhere"):
        pass
    with pytest.raises(StoreNotFound):
        write(store, putting(ANNE), "nowhere")
    with pytest.raises(StoreNotFound):
        store.delete("nowhere")
    assert store.names() == ["default"]


def test_a_recreated_store_is_another_one_and_empty(store: TableStore) -> None:
    with store.read("default") as view:
        first = view.head.identity
    write(store, putting(*(f"doc:{number}#viewer@user:anne" for number in range(2500))))
    write(store, schema("definition user {}"))  # type: ignore[arg-type]
    store.create("other")
    write(store, putting(ANNE), "other")
    store.delete("default")
    assert store.names() == ["other"]
    second = store.create("default")
    assert len(second.uuid) == 16
    assert second.uuid != first.uuid
    assert second.epoch > first.epoch
    with store.read("default") as view:
        assert view.head.identity == second
        assert (view.head.revision, view.head.schema_text) == (0, None)
        assert list(view.scan(ALL)) == []
        assert view.schema_text_at(99) is None
    assert texts(everything(store, "other")) == [ANNE]


def test_the_rows_of_a_deleted_store_go_away(store: TableStore) -> None:
    store.create("doomed")
    write(store, putting(*(f"doc:{number}#viewer@user:anne" for number in range(3500))), "doomed")
    store.delete("doomed")
    # Rows go between writes, so a few writes later none is left; the tombstone goes last.
    for _ in range(40):
        write(store, putting(ANNE))
    snapshot = store._tables.snapshot()
    try:
        assert list(snapshot.items(Table.TOMBSTONES, b"")) == []
        assert len(list(snapshot.items(Table.RELATIONSHIPS, b""))) == 1
        assert len(list(snapshot.items(Table.BY_SUBJECT, b""))) == 1
    finally:
        snapshot.close()


# --- the clock, the size, the end -------------------------------------------------------------------------------


def test_a_promise_about_the_clock_never_goes_back(store: TableStore) -> None:
    assert store.clock_us() == 0
    store.promise_clock(50)
    store.promise_clock(20)
    assert store.clock_us() == 50
    store.promise_clock(2**60)
    assert store.clock_us() == 2**60
    with store.read("default") as view:
        assert view.head.revision == 0


def test_a_store_says_how_large_it_is(store: TableStore) -> None:
    before = store.size_bytes()
    write(store, putting(*(f"doc:{number}#viewer@user:anne" for number in range(2000))))
    assert store.size_bytes() > before + 2000 * 20


def test_closing_finishes_what_is_queued_and_refuses_what_comes_after(open_store: Opener) -> None:
    store = open_store()
    store.create("default")
    futures = [store.submit("default", putting(f"doc:{number}#viewer@user:anne")) for number in range(200)]
    store.close()
    assert [future.result(0).revision for future in futures] == list(range(1, 201))
    assert isinstance(store.submit("default", putting(ANNE)).exception(0), StoreUnavailable)
    with pytest.raises(StoreUnavailable):
        store.create("other")
    with pytest.raises(StoreUnavailable), store.read("default"):
        pass
    store.close()
