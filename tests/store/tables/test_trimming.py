"""Forgetting old revisions: in pieces, oldest first, and never more than was meant."""

from __future__ import annotations

from pathlib import Path

import lmdb
import msgpack
import pytest

from remit.errors import RevisionGone, StoreDamaged, StoreNotFound
from remit.model import Delta
from remit.store.codec import pack
from remit.store.lmdb.lmdb_store import FORMAT_VERSION
from remit.store.port import Draft, WriteTransaction
from remit.store.tables.keys import store_prefix
from remit.store.tables.table_store import TableStore
from remit.store.tables.trimming import TRIM_ROWS
from tests.support.store_worlds import check, everything, open_lmdb, putting, texts, write

ANNE = "doc:1#viewer@user:anne"


def revisions(store: TableStore, after: int, name: str = "default") -> list[int]:
    with store.read(name) as view:
        return [delta.revision for delta in view.changelog(after)]


def write_many(store: TableStore, count: int) -> list[Delta]:
    futures = [store.submit("default", putting(f"doc:{number}#viewer@user:anne")) for number in range(count)]
    return [future.result(60) for future in futures]


def trim_all(store: TableStore, until_us: int) -> list[int]:
    """The rows that went, piece by piece."""
    pieces = []
    while rows := store.trim("default", until_us):
        pieces.append(rows)
    return pieces


def test_what_was_committed_at_the_time_or_before_goes_and_the_rest_stays(store: TableStore) -> None:
    deltas = write_many(store, 5)
    assert trim_all(store, deltas[0].committed_at_us - 1) == []
    assert trim_all(store, deltas[2].committed_at_us) == [3]
    assert revisions(store, 3) == [4, 5]
    with store.read("default") as view:
        assert (view.head.oldest_revision, view.head.revision) == (3, 5)
    assert len(everything(store)) == 5


def test_a_revision_that_was_forgotten_is_gone_and_says_so_at_once(store: TableStore) -> None:
    deltas = write_many(store, 3)
    trim_all(store, deltas[1].committed_at_us)
    with store.read("default") as view, pytest.raises(RevisionGone, match="begins after revision 2") as gone:
        view.changelog(1)
    assert gone.value.metadata == {"revision": "1", "oldest": "2"}


def test_everything_can_be_forgotten_but_the_head(store: TableStore) -> None:
    deltas = write_many(store, 3)
    trim_all(store, deltas[-1].committed_at_us + 100)
    assert revisions(store, 3) == []
    assert len(everything(store)) == 3
    assert write(store, putting(ANNE)).revision == 4
    assert revisions(store, 3) == [4]
    check(store)


def test_a_piece_is_bounded_and_writes_go_on_between_two(store: TableStore) -> None:
    deltas = write_many(store, TRIM_ROWS * 2 + 10)
    until_us = deltas[-1].committed_at_us
    assert store.trim("default", until_us) == TRIM_ROWS
    write(store, putting(ANNE))
    check(store)
    assert trim_all(store, until_us) == [TRIM_ROWS, 10]
    assert revisions(store, len(deltas)) == [len(deltas) + 1]


def test_a_large_revision_goes_whole(store: TableStore) -> None:
    large = [f"doc:{number:06}#viewer@user:{'x' * 900}{number}" for number in range(400)]
    first, second = write(store, putting(*large)), write(store, putting(ANNE))
    assert store.trim("default", first.committed_at_us) > 5
    assert revisions(store, 1) == [2]
    check(store)
    assert trim_all(store, second.committed_at_us) == [1]
    assert len(everything(store)) == 401


def schema_written(store: TableStore, text: str) -> Delta:
    def admission(transaction: WriteTransaction) -> Draft:
        transaction.put_schema(text)
        return Draft("anne")

    return write(store, admission)


def test_schemas_stay_that_a_remaining_revision_needs(store: TableStore) -> None:
    schema_written(store, "// 1")
    second = schema_written(store, "// 2")
    third = write(store, putting(ANNE))
    schema_written(store, "// 4")
    trim_all(store, third.committed_at_us)
    with store.read("default") as view:
        assert [view.schema_text_at(revision) for revision in (3, 4)] == ["// 2", "// 4"]
        assert view.schema_text_at(1) is None
        assert view.head.schema_text == "// 4"
    assert second.revision == 2


def test_many_schemas_go_in_pieces_too_and_the_one_in_force_never(store: TableStore) -> None:
    deltas = [schema_written(store, f"// {number}") for number in range(TRIM_ROWS + 20)]
    pieces = trim_all(store, deltas[-1].committed_at_us)
    assert sum(pieces) == 2 * len(deltas) - 1
    assert max(pieces) <= TRIM_ROWS + 1
    with store.read("default") as view:
        assert view.head.schema_text == f"// {TRIM_ROWS + 19}"
    check(store)


def test_only_the_store_that_was_named_forgets(store: TableStore) -> None:
    store.create("other")
    write(store, putting(ANNE))
    other = write(store, putting(ANNE), "other")
    trim_all(store, other.committed_at_us)
    assert revisions(store, 0, "other") == [1]
    with pytest.raises(StoreNotFound):
        store.trim("third", 1)


def test_what_was_forgotten_stays_forgotten_when_the_store_is_opened_again(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    deltas = write_many(store, 4)
    trim_all(store, deltas[1].committed_at_us)
    store.close()
    store = open_lmdb(tmp_path / "data")
    with store.read("default") as view:
        assert view.head.oldest_revision == 2
    assert revisions(store, 2) == [3, 4]
    check(store)
    store.close()


def test_a_directory_of_the_first_format_is_read_and_marked(tmp_path: Path) -> None:
    """It lacks the oldest revision that can still be seen, for it had them all."""
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    write(store, putting(ANNE))
    store.close()
    with lmdb.open(str(tmp_path / "data"), max_dbs=16) as environment:
        meta, heads = (environment.open_db(name) for name in (b"meta", b"heads"))
        with environment.begin(write=True) as transaction:
            transaction.put(b"format", pack(("remit", 1)), db=meta)
            revision, schema_revision, _ = msgpack.unpackb(transaction.get(store_prefix(1), db=heads))
            transaction.put(store_prefix(1), pack((revision, schema_revision)), db=heads)
    store = open_lmdb(tmp_path / "data")
    with store.read("default") as view:
        assert (view.head.revision, view.head.oldest_revision) == (1, 0)
    assert texts(everything(store)) == [ANNE]
    assert write(store, putting(ANNE)).revision == 2
    check(store)
    store.close()
    with lmdb.open(str(tmp_path / "data"), max_dbs=16) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin() as transaction:
            assert msgpack.unpackb(transaction.get(b"format", db=meta)) == ["remit", FORMAT_VERSION]


def test_a_changelog_whose_beginning_was_lost_is_damage_and_nothing_more_is_lost(tmp_path: Path) -> None:
    store = open_lmdb(tmp_path / "data")
    store.create("default")
    deltas = write_many(store, 3)
    store.close()
    with lmdb.open(str(tmp_path / "data"), max_dbs=16) as environment:
        changelog = environment.open_db(b"changelog")
        with environment.begin(write=True) as transaction, transaction.cursor(changelog) as cursor:
            assert cursor.first()
            assert cursor.delete()
    store = open_lmdb(tmp_path / "data")
    with pytest.raises(StoreDamaged):
        store.trim("default", deltas[-1].committed_at_us)
    assert len(everything(store)) == 3
    store.close()
