"""Backups: what comes out of one is what went in, and what is no backup becomes nothing."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from remit.errors import (
    BackupDamaged,
    BackupFormatUnknown,
    BackupRefused,
    InvalidArgument,
    RemitError,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
)
from remit.model import (
    CaveatUse,
    Delta,
    Provenance,
    Qualifiers,
    Record,
    Relationship,
    RelationshipKey,
    StoredRelationship,
)
from remit.store.backup import BLOCK_BYTES, BLOCK_BYTES_MAX, MAGIC, VERSION, BackupReader
from remit.store.port import DOCUMENT_BYTES_MAX, SMALL_WEIGHT_MAX, Draft, StoreIdentity, WriteTransaction
from remit.store.tables.interface import Table
from remit.store.tables.restoring import PIECE_ROWS
from remit.store.tables.table_store import TableStore
from tests.support.restoring import feed
from tests.support.store.strategies import few_keys, qualifiers
from tests.support.store.worlds import (
    Ticks,
    all_records,
    check,
    deleting,
    everything,
    forgetting,
    open_lmdb,
    open_memory,
    putting,
    record,
    recording,
    relationship,
    texts,
    write,
)

ANNE = "doc:1#viewer@user:anne"
LATER_US = 2_000_000


class Everything:
    """A judge who agrees with everything, and remembers it."""

    def __init__(self) -> None:
        self.schemas: list[str] = []
        self.relationships: list[Relationship] = []
        self.records: list[Record] = []

    def schema(self, text: str) -> None:
        self.schemas.append(text)

    def relationship(self, relationship: Relationship) -> None:
        self.relationships.append(relationship)

    def record(self, record: Record) -> None:
        self.records.append(record)


def backup(store: TableStore, name: str = "default", taken_at_us: int = 0) -> bytes:
    """Taken now, by the store's own clock, unless another time is given."""
    with store.read(name) as view:
        return b"".join(view.backup(taken_at_us or store._now_us()))


def let_time_pass(store: TableStore) -> None:
    """Whatever a clock of these tests said is past."""
    assert isinstance(store._now_us, Ticks)
    store._now_us.now_us = max(store._now_us.now_us, LATER_US)


def restore(store: TableStore, data: bytes, name: str = "copy", size: int = 10_000, judge: Any = None) -> StoreIdentity:
    let_time_pass(store)
    restoring = store.restore(name, judge or Everything())
    try:
        for start in range(0, len(data), size):
            feed(restoring, data[start : start + size])
        return restoring.finish()
    finally:
        restoring.close()


def told(store: TableStore, name: str) -> tuple[object, ...]:
    """All there is to know of a named store, but its name and epoch."""
    with store.read(name) as view:
        head = view.head
        deltas = list(view.changelog(head.oldest_revision))
        schemas = [view.schema_text_at(each) for each in range(head.oldest_revision, head.revision + 1)]
    return (
        head.identity.uuid,
        head.revision,
        head.oldest_revision,
        head.schema_text,
        everything(store, name),
        all_records(store, name),
        deltas,
        schemas,
    )


def rows_left(store: TableStore, among: int) -> int:
    """Rows of every table that belong to any of the first numbers of stores but the first."""
    store.submit("default", putting()).exception(60)  # whatever is to be swept is swept between two writes
    snapshot = store._tables.snapshot()
    try:
        tables = (Table.RELATIONSHIPS, Table.BY_SUBJECT, Table.CHANGELOG, Table.SCHEMAS, Table.HEADS, Table.TOMBSTONES)
        tables = (*tables, Table.RECORDS)
        numbers = [number.to_bytes(4, "big") for number in range(2, among + 1)]
        return sum(1 for table in tables for key, _ in snapshot.items(table, b"") if key[:4] in numbers)
    finally:
        snapshot.close()


def wait_until_swept(store: TableStore) -> None:
    """The writer sweeps between writes; each of these gives it one more turn."""
    for _ in range(100):
        write(store, putting())
        if not store._tombstones:
            return
    raise AssertionError("tombstones are left")


def schema_written(store: TableStore, text: str) -> Delta:
    def admission(transaction: WriteTransaction) -> Draft:
        transaction.put_schema(text)
        return Draft("anne", '{"why":"because"}', managed_bypass=True)

    return write(store, admission)


@pytest.fixture
def filled(store: TableStore) -> TableStore:
    """Some of everything: long and short triples, qualifiers, schemas, deletions, large deltas, a trimmed beginning."""
    schema_written(store, "// first")
    write(store, putting("doc:0#viewer@user:zoe"))
    schema_written(store, "// second " + "é" * BLOCK_BYTES)
    kept = write(store, putting(ANNE, principal="ben", run="r-1"))
    qualified = Qualifiers(CaveatUse("on_call", '{"a":[1,"é"]}'), 3, 9)
    long = f"doc:{'x' * 1024}#viewer@user:{'y' * 1024}"
    write(
        store, putting(relationship("doc:2#viewer@user:*", qualified), relationship(long, qualified), long + "#member")
    )
    write(store, deleting("doc:0#viewer@user:zoe"))
    write(store, putting(*(f"doc:{'z' * 100}{number}#viewer@user:{'z' * 100}{number}" for number in range(400))))
    write(
        store, recording(record("hold", "hold:1", b"why"), record("agent", f"agent:{'x' * 1024}", bytes(BLOCK_BYTES)))
    )
    write(store, recording(record("hold", "hold:1", b"why not")))
    while store.trim("default", kept.committed_at_us):
        pass
    return store


# --- round trips ------------------------------------------------------------------------------------------------


def test_what_is_restored_is_what_was_there(filled: TableStore) -> None:
    before = told(filled, "default")
    identity = restore(filled, backup(filled))
    assert told(filled, "copy") == before == told(filled, "default")
    with filled.read("default") as view:
        original = view.head.identity
    assert identity.uuid == original.uuid
    assert identity.epoch > original.epoch
    check(filled)


def test_it_becomes_any_kind_of_store(filled: TableStore) -> None:
    other = open_memory()
    restore(other, backup(filled), "elsewhere")
    assert told(other, "elsewhere") == told(filled, "default")
    check(other)
    other.close()


def test_a_restored_store_goes_on(filled: TableStore) -> None:
    with filled.read("default") as view:
        revision = view.head.revision
    restore(filled, backup(filled))
    assert write(filled, putting("doc:9#viewer@user:9"), "copy").revision == revision + 1
    assert "doc:9#viewer@user:9" in texts(everything(filled, "copy"))
    assert "doc:9#viewer@user:9" not in texts(everything(filled, "default"))
    check(filled)


def test_an_empty_store_is_restored_empty(store: TableStore) -> None:
    restore(store, backup(store))
    assert told(store, "copy") == told(store, "default")
    assert everything(store, "copy") == []


@pytest.mark.parametrize("size", [1, 7, 4096, 10_000_000])
def test_how_the_bytes_are_cut_does_not_matter(store: TableStore, size: int) -> None:
    schema_written(store, "// é")
    write(store, putting(ANNE))
    restore(store, backup(store), size=size)
    assert told(store, "copy") == told(store, "default")


def test_two_restores_of_one_backup_are_two_lives(filled: TableStore) -> None:
    data = backup(filled)
    other = open_memory()
    epochs = {restore(filled, data, "a").epoch, restore(filled, data, "b").epoch, restore(other, data, "a").epoch}
    assert len(epochs) == 3
    other.close()


def test_a_backup_is_of_one_moment_whatever_is_written_meanwhile(store: TableStore) -> None:
    names = [f"doc:{number:05}#viewer@user:{'x' * 150}{number}" for number in range(1_500)]
    write(store, putting(*names))
    before = told(store, "default")
    chunks: list[bytes] = []
    with store.read("default") as view:
        for chunk in view.backup(store._now_us()):
            chunks.append(chunk)
            write(store, deleting(names[len(chunks)]))
            write(store, putting(f"doc:{len(chunks)}#viewer@user:late"))
    assert len(chunks) > 9
    restore(store, b"".join(chunks))
    assert told(store, "copy") == before


def test_a_backup_comes_in_pieces_that_a_reader_need_not_gather(store: TableStore) -> None:
    write(store, putting(*(f"doc:{number:05}#viewer@user:{'x' * 500}" for number in range(2_000))))
    with store.read("default") as view:
        sizes = [len(chunk) for chunk in view.backup(5)]
    assert max(sizes) < 2 * BLOCK_BYTES
    assert sum(sizes) > 20 * BLOCK_BYTES
    reader, waiting = BackupReader(), []
    for start in range(0, len(data := backup(store)), 1000):
        for _ in reader.feed(data[start : start + 1000]):
            pass
        waiting.append(len(reader._waiting))
    reader.finish()
    assert max(waiting) < 2 * BLOCK_BYTES


def test_a_restore_is_written_in_bounded_tasks(store: TableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store, putting(*(f"doc:{number:05}#viewer@user:anne" for number in range(3_000))))
    data = backup(store)
    sizes: list[int] = []
    queue = store.queue

    def counted(run: Any, settled: Any = None, weight: int = 1, **claim: Any) -> Any:
        def counting(transaction: Any) -> Any:
            before = transaction.writes
            result = run(transaction)
            sizes.append(transaction.writes - before)
            assert weight > SMALL_WEIGHT_MAX or sizes[-1] <= SMALL_WEIGHT_MAX  # a piece lets holds go first
            return result

        return queue(counting, settled, weight, **claim)

    monkeypatch.setattr(store, "queue", counted)
    restore(store, data)
    assert max(sizes) == PIECE_ROWS
    assert len(sizes) > 6


@pytest.mark.parametrize("kind", ["lmdb", "memory"])
def test_whatever_was_written_comes_back(kind: str, tmp_path: Path) -> None:
    """A law: of any history, trimmed anywhere, the copy tells the same as the original."""
    store = open_memory() if kind == "memory" else open_lmdb(tmp_path / "data")
    step = st.tuples(few_keys, st.none() | qualifiers.filter(is_utterable))
    names = iter(range(10_000))

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.one_of(st.lists(step, max_size=5), st.sampled_from(["// a", "// b", *DOCUMENTS])), max_size=8),
        st.floats(0, 1),
    )
    def law(history: list[list[tuple[RelationshipKey, Qualifiers | None]] | str | bytes], forgotten: float) -> None:
        name = f"s{next(names)}"
        store.create(name)
        committed = [store.submit(name, _doing(each)).result(60).committed_at_us for each in history]
        if committed:
            store.trim(name, committed[round(forgotten * (len(committed) - 1))])
        judge = Everything()
        restore(store, backup(store, name), f"{name}-copy", judge=judge)
        assert told(store, f"{name}-copy") == told(store, name)
        assert judge.relationships == [each.relationship for each in everything(store, name)]
        assert judge.records == [each.record for each in all_records(store, name)]
        with store.read(name) as view:
            assert judge.schemas[-1:] == ([view.head.schema_text] if view.head.schema_text is not None else [])
        check_one(store, f"{name}-copy")
        for each in (name, f"{name}-copy"):
            store.delete(each)

    law()
    store.close()


def is_utterable(drawn: Qualifiers) -> bool:
    """Only times that can be written down: those of the years 1 to 9999."""
    return all(time_us is None or time_us < 2**52 for time_us in drawn[1:])


def check_one(store: TableStore, name: str) -> None:
    with store.read(name) as view:
        view.check_invariants()


DOCUMENTS = [b"", b"1", b"2", b"3" * 100]


def _doing(
    what: list[tuple[RelationshipKey, Qualifiers | None]] | str | bytes,
) -> Callable[[WriteTransaction], Draft]:
    def admission(transaction: WriteTransaction) -> Draft:
        if isinstance(what, bytes):
            about = record("agent", f"agent:a{len(what)}", what)
            return (recording if what else forgetting)(about)(transaction)
        if isinstance(what, str):
            transaction.put_schema(what)
            return Draft("anne")
        for key, drawn in what:
            if drawn is None:
                transaction.delete(key)
            else:
                provenance = Provenance("anne", "", transaction.next_revision)
                transaction.put(StoredRelationship(Relationship(*key, drawn), provenance))
        return Draft("anne")

    return admission


# --- what is refused --------------------------------------------------------------------------------------------


def refused(store: TableStore, data: bytes, judge: Any = None) -> RemitError:
    """The refusal; and nothing of what was refused is left."""
    with pytest.raises(RemitError) as caught:
        restore(store, data, size=50_000, judge=judge)
    assert store.names() == ["default"]
    wait_until_swept(store)
    assert rows_left(store, 1_000) == 0
    return caught.value


def sealed(data: bytes) -> bytes:
    """With the digest that its bytes have now."""
    body = data[:-32]
    return body + hashlib.sha256(body).digest()


def test_a_backup_that_is_cut_off_anywhere_is_refused(filled: TableStore) -> None:
    data = backup(filled)
    cuts = [0, 1, 11, 12, 15, 16, 19, 20, len(data) - 33, len(data) - 32, len(data) - 1]
    cuts += random.Random(3).sample(range(len(data)), 10)
    for cut in cuts:
        assert isinstance(refused(filled, data[:cut]), BackupDamaged), cut


def test_a_backup_with_one_wrong_bit_is_refused() -> None:
    store = open_memory()
    store.create("default")
    chance = random.Random(4)
    for place in range(len(SMALL_BACKUP)):
        wrong = bytearray(SMALL_BACKUP)
        wrong[place] ^= 1 << chance.randrange(8)
        with pytest.raises((BackupDamaged, BackupFormatUnknown)):
            restore(store, bytes(wrong))
    assert store.names() == ["default"]
    store.close()


def test_more_behind_the_end_is_refused(filled: TableStore) -> None:
    data = backup(filled)
    assert isinstance(refused(filled, data + b"x"), BackupDamaged)
    assert isinstance(refused(filled, data + data), BackupDamaged)


def test_a_version_nobody_knows_yet_is_refused_naming_both(filled: TableStore) -> None:
    data = backup(filled)
    later = data[: len(MAGIC)] + struct.pack(">I", VERSION + 1) + data[len(MAGIC) + 4 :]
    refusal = refused(filled, sealed(later))
    assert isinstance(refusal, BackupFormatUnknown)
    assert refusal.metadata == {"found": str(VERSION + 1), "known": str(VERSION)}


def old(blocks: list[list[Any]]) -> bytes:
    """As version 1 wrote it, which knew no records."""
    data = built(blocks)
    return sealed(data[: len(MAGIC)] + struct.pack(">I", 1) + data[len(MAGIC) + 4 :])


def test_a_backup_of_before_there_were_records_is_restored(store: TableStore) -> None:
    write(store, putting(ANNE))
    data = backup(store)
    *blocks, end = blocks_of(data)
    restore(store, old([*blocks, end[:4]]))
    assert told(store, "copy") == told(store, "default")
    restore(store, data, "again")
    assert told(store, "again") == told(store, "default")


def test_a_backup_of_before_there_were_records_has_none(store: TableStore) -> None:
    *blocks, end = blocks_of(SMALL_BACKUP)
    assert isinstance(refused(store, old([*blocks, end[:4]])), BackupDamaged)
    assert isinstance(refused(store, old([*blocks, end])), BackupDamaged)


def test_what_is_no_backup_is_refused_at_its_first_bytes(store: TableStore) -> None:
    restoring = store.restore("copy", Everything())
    with pytest.raises(BackupFormatUnknown, match="not a backup"):
        feed(restoring, b"PK")
    restoring.close()


def test_a_name_that_is_taken_is_refused_before_and_after(filled: TableStore) -> None:
    data = backup(filled)
    with pytest.raises(StoreExists):
        restore(filled, data, "default")
    restoring = filled.restore("copy", Everything())
    feed(restoring, data)
    filled.create("copy")
    with pytest.raises(StoreExists):
        restoring.finish()
    restoring.close()
    assert everything(filled, "copy") == []
    wait_until_swept(filled)


def test_a_name_no_store_can_have_is_refused(store: TableStore) -> None:
    with pytest.raises(InvalidArgument):
        store.restore("", Everything())


def test_a_backup_from_the_future_is_refused(store: TableStore) -> None:
    """What had expired there would count again here."""
    write(store, putting(ANNE))
    assert isinstance(refused(store, backup(store, taken_at_us=10**9)), BackupRefused)


class Against(Everything):
    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.wrong = wrong

    def schema(self, text: str) -> None:
        if text == self.wrong:
            raise InvalidArgument("no such schema")

    def relationship(self, relationship: Relationship) -> None:
        if str(relationship.key) == self.wrong:
            raise InvalidArgument("no such relationship")

    def record(self, record: Record) -> None:
        if str(record.key) == self.wrong:
            raise InvalidArgument("no such record")


@pytest.mark.parametrize("wrong", ["// schema", ANNE, "hold of hold:1"])
def test_what_the_judge_refuses_is_refused_with_its_words(store: TableStore, wrong: str) -> None:
    schema_written(store, "// schema")
    write(store, putting(ANNE))
    write(store, recording(record("hold", "hold:1")))
    refusal = refused(store, backup(store), Against(wrong))
    assert isinstance(refusal, BackupRefused)
    assert "no such" in refusal.message


def test_one_that_was_given_up_leaves_nothing_and_takes_no_more(filled: TableStore) -> None:
    restoring = filled.restore("copy", Everything())
    data = backup(filled)
    feed(restoring, data[:-40])
    restoring.close()
    restoring.close()
    with pytest.raises(StoreUnavailable, match="given up"):
        feed(restoring, data[-40:])
        restoring.finish()
    wait_until_swept(filled)
    assert rows_left(filled, 1_000) == 0
    with pytest.raises(StoreNotFound), filled.read("copy"):
        pass


def test_closing_what_is_finished_changes_nothing(filled: TableStore) -> None:
    before = told(filled, "default")
    restore(filled, backup(filled))  # closes it at the end
    wait_until_swept(filled)
    assert told(filled, "copy") == before


def test_what_a_killed_restore_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    source = open_memory()
    source.create("default")
    write(source, putting(*(f"doc:{number:05}#viewer@user:anne" for number in range(2_000))))
    data = backup(source)
    source.close()
    store = open_lmdb(tmp_path / "killed")
    store.create("default")
    feed(store.restore("copy", Everything()), data[: len(data) // 2])
    assert rows_left(store, 9) > 500
    store.close()  # nobody closed the restore: so it is with a process that is killed
    store = open_lmdb(tmp_path / "killed")
    assert store.names() == ["default"]
    wait_until_swept(store)
    assert rows_left(store, 9) == 0
    store.close()


# --- forged ones ------------------------------------------------------------------------------------------------


def blocks_of(data: bytes) -> list[list[Any]]:
    at, found = len(MAGIC) + 4, []
    while at < len(data) - 32:
        (length,) = struct.unpack_from(">I", data, at)
        found.append(msgpack.unpackb(data[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def built(blocks: list[list[Any]]) -> bytes:
    payloads = [msgpack.packb(block) for block in blocks]
    body = MAGIC + struct.pack(">I", VERSION) + b"".join(struct.pack(">I", len(each)) + each for each in payloads)
    return body + hashlib.sha256(body).digest()


def forgeries(blocks: list[list[Any]]) -> Iterator[tuple[str, list[list[Any]]]]:
    """Backups of the right form and digest that no store could have become."""
    store, schema, relationships, records, changelog, end = blocks
    triple, value = relationships[1][:2]
    key, document = records[1]
    row = msgpack.unpackb(changelog[1][2])

    def with_row(*fields: Any) -> list[Any]:
        return ["changelog", [1, 0, msgpack.packb(fields), *changelog[1][3:]]]

    def with_value(*fields: Any) -> list[Any]:
        return ["relationships", [triple, msgpack.packb(fields)]]

    yield "nothing", []
    yield "no beginning", blocks[1:]
    yield "two beginnings", [store, *blocks]
    yield "no end", blocks[:-1]
    yield "another order", [store, changelog, records, relationships, schema, end]
    yield "another kind", [store, ["secret", 1], *blocks[1:]]
    yield "a kind that is no word", [store, [7], *blocks[1:]]
    yield "a block that is no array", [store, "x", *blocks[1:]]  # type: ignore[list-item]
    yield "another count", [*blocks[:-1], ["end", 1, 2, 9, 1]]
    yield "a short uuid", [["store", "a", b"x", *store[3:]], *blocks[1:]]
    yield "a name that is a number", [["store", 7, *store[2:]], *blocks[1:]]
    yield "a name of other characters", [["store", "../\x1b", *store[2:]], *blocks[1:]]
    yield "an epoch beyond reach", [[*store[:3], 2**63, *store[4:]], *blocks[1:]]
    yield "an epoch that leaves no room for the next", [[*store[:3], 2**63 - 1, *store[4:]], *blocks[1:]]
    yield "a time beyond reach", [[*store[:7], 2**63], *blocks[1:]]
    yield "a beginning after its end", [[*store[:5], 9, *store[6:]], *blocks[1:]]
    yield "a schema that is missing", [store, relationships, records, changelog, ["end", 0, 1, 3, 1]]
    yield "a schema too many", [*blocks[:2], ["schema", 2, b"//", True], *blocks[2:5], ["end", 2, 1, 3, 1]]
    yield "a schema that is not UTF-8", [store, ["schema", 1, b"\xff", True], *blocks[2:]]
    yield "a schema without its end", [store, ["schema", 1, b"//", False], *blocks[2:]]
    yield "a schema in pieces of two", [store, ["schema", 1, b"//", False], ["schema", 2, b"//", True], *blocks[2:]]
    yield (
        "a relationship twice",
        [*blocks[:2], ["relationships", [triple, value] * 2], *blocks[3:5], ["end", 1, 2, 3, 1]],
    )
    yield "half a relationship", [*blocks[:2], ["relationships", [triple]], *blocks[3:]]
    for name, wrong in {
        "a space": triple.replace(b"1", b"1 2"),
        "no parts": b"doc",
        "seven parts": triple + b"\0",
        "a type in capitals": triple.replace(b"doc", b"Doc"),
        "bytes": b"\xff" * 9,
        "a wildcard for a resource": triple.replace(b"1", b"*"),
    }.items():
        yield f"a triple of {name}", [*blocks[:2], ["relationships", [wrong, value]], *blocks[3:]]
    yield "a value of nothing", [*blocks[:2], ["relationships", [triple, b""]], *blocks[3:]]
    yield "a value of a number", [*blocks[:2], ["relationships", [triple, b"\x07"]], *blocks[3:]]
    for name, fields in {
        "another shape": ("anne", "", 2, 4),
        "a writer of bytes": (b"anne", "", 2),
        "a writer of another alphabet": ("\x1b[31manne", "", 2),
        "a writer of the other direction": ("\u202eanne", "", 2),
        "a writer beyond reach": ("a" * 1_025, "", 2),
        "a run of two lines": ("anne", "r\n1", 2),
        "a revision to come": ("anne", "", 4),
        "a revision of nothing": ("anne", "", 0),
        "a revision that is true": ("anne", "", True),
        "a caveat of no name": ("anne", "", 2, "", "{}", None, None),
        "a context that is no JSON": ("anne", "", 2, "c", "{", None, None),
        "a context in another form": ("anne", "", 2, "c", '{"b": 1}', None, None),
        "a time that is a word": ("anne", "", 2, None, "", "x", None),
        "a time beyond all": ("anne", "", 2, None, "", None, 2**62),
        "qualifiers that are none": ("anne", "", 2, None, "", None, None),
    }.items():
        yield f"a value of {name}", [*blocks[:2], with_value(*fields), *blocks[3:]]
    yield "a changelog that is missing", [*blocks[:4], ["end", 1, 1, 0, 1]]
    yield "a changelog of one", [*blocks[:4], ["changelog", changelog[1][:3]], ["end", 1, 1, 1, 1]]
    yield "a changelog with a gap", [*blocks[:4], ["changelog", changelog[1][3:]], ["end", 1, 1, 2, 1]]
    yield "a row of no shape", [*blocks[:4], ["changelog", [1, 0, b"\x07", *changelog[1][3:]]], end]
    yield "a row without its schema", [*blocks[:4], with_row(*row[:4], False, *row[5:]), end]
    yield "a row of a second part to come", [*blocks[:4], with_row(*row[:5], 2, []), end]
    yield "a row of a metadata that is no JSON", [*blocks[:4], with_row(*row[:2], "nonsense", *row[3:]), end]
    yield "a row of a time to come", [*blocks[:4], with_row(store[7] + 1, *row[1:]), end]
    yield "a row of a time before all", [*blocks[:4], with_row(-1, *row[1:]), end]
    yield "a row of a later time than the next", [*blocks[:4], with_row(store[7], *row[1:]), end]
    yield "a row of a writer of two lines", [*blocks[:4], with_row(row[0], "a\nb", *row[2:]), end]
    yield "a row of half a part", [*blocks[:4], with_row(*row[:5], 1.0, []), end]
    yield "a row of no part", [*blocks[:4], with_row(*row[:5], 0, []), end]
    yield "a row of changes that are bytes", [*blocks[:4], with_row(*row[:6], b""), end]
    yield "a row of a change of nothing", [*blocks[:4], with_row(*row[:6], [triple, None, None]), end]
    yield "a row of a time that is a word", [*blocks[:4], with_row("now", *row[1:]), end]
    yield "a row of a broken triple", [*blocks[:4], with_row(*row[:6], [b"x", None, value]), end]
    yield "a row of half a change", [*blocks[:4], with_row(*row[:6], [triple]), end]
    yield "a record twice", [*blocks[:3], ["records", [key, document] * 2], changelog, ["end", 1, 1, 3, 2]]
    yield "half a record", [*blocks[:3], ["records", [key]], *blocks[4:]]
    yield "records that are not counted", [*blocks[:5], end[:4]]
    for name, wrong in {
        "no mark": key[1:],
        "four parts": key + b"\0x",
        "a kind of capitals": key.replace(b"hold\0", b"Hold\0"),
        "an id of a space": key + b" ",
        "bytes": b"\0\xff",
    }.items():
        yield f"a record's key of {name}", [*blocks[:3], ["records", [wrong, document]], *blocks[4:]]
    for name, fields in {
        "no document": ("anne", "", 3),
        "a document of text": ("anne", "", 3, "why"),
        "a document beyond all": ("anne", "", 3, bytes(DOCUMENT_BYTES_MAX + 1)),
        "a key it does not need": ("anne", "", 3, b"why", key),
        "a writer of two lines": ("a\nb", "", 3, b"why"),
        "a revision to come": ("anne", "", 4, b"why"),
    }.items():
        yield f"a record of {name}", [*blocks[:3], ["records", [key, msgpack.packb(fields)]], *blocks[4:]]
        changed = msgpack.packb([*msgpack.unpackb(changelog[1][8])[:6], [key, None, msgpack.packb(fields)]])
        yield f"a change to a record of {name}", [*blocks[:4], ["changelog", [*changelog[1][:8], changed]], end]


def small_backup() -> bytes:
    store = open_memory()
    store.create("default")
    schema_written(store, "//")
    write(store, putting(ANNE))
    write(store, recording(record("hold", "hold:1", b"why")))
    data = backup(store)
    store.close()
    return data


SMALL_BACKUP = small_backup()
FORGERIES = dict(forgeries(blocks_of(SMALL_BACKUP)))


def test_a_forgery_differs_in_one_thing_from_what_is_accepted(store: TableStore) -> None:
    assert built(blocks_of(SMALL_BACKUP)) == SMALL_BACKUP
    restore(store, SMALL_BACKUP)


@pytest.mark.parametrize("name", FORGERIES)
def test_what_no_store_could_have_become_is_refused(name: str) -> None:
    store = open_memory()
    store.create("default")
    assert isinstance(refused(store, built(FORGERIES[name])), BackupDamaged)
    store.close()


def test_a_block_too_long_is_refused_before_it_has_arrived() -> None:
    reader = BackupReader()
    start = MAGIC + struct.pack(">I", VERSION) + struct.pack(">I", BLOCK_BYTES_MAX + 1)
    with pytest.raises(BackupDamaged, match=f"a block of {BLOCK_BYTES_MAX + 1} bytes"):
        list(reader.feed(start))


FIELDS = st.sampled_from(
    [None, True, 0, 1, -1, 2**64 - 1, 1.5, b"", b"\xff", "", "schema", "end", "changelog", "store"]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(FIELDS | st.lists(FIELDS, max_size=4), max_size=5))
@example(fields=["changelog", b""])  # as good as a list of none, to who only goes through it
@example(fields=["relationships", []])
def test_any_blocks_are_judged_and_never_crash(fields: list[Any]) -> None:
    reader = BackupReader()
    data = built([*blocks_of(SMALL_BACKUP)[:1], fields, ["end", 0, 0, 0, 0]])
    with pytest.raises(BackupDamaged):
        list(reader.feed(data))
        reader.finish()
