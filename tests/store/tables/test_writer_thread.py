"""The writer when things go wrong: commits that fail, transactions that are lost, listeners that raise, full queues."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

from remit.errors import LimitExceeded, RemitError, StoreDamaged, StoreFull, StoreOverloaded, StoreUnavailable
from remit.model import Delta
from remit.store import memory
from remit.store.codec import encode_triple
from remit.store.lmdb import lmdb_store
from remit.store.port import Commit, Draft, WriteTransaction
from remit.store.tables import writer_thread
from remit.store.tables.interface import Snapshot, Table, Tables, Transaction, TransactionPoisoned, Written
from remit.store.tables.table_store import TableStore
from tests.support.store_worlds import MAP_SIZE_BYTES, Ticks, check, deltas, everything, key, putting, texts, write

NAMES = [f"doc:{number}#viewer@user:anne" for number in range(10)]


class FaultyTables:
    """Tables whose next commits, or what is read or written before them, fail in the way a test says."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.commit_errors: list[Exception] = []
        self.commit_fails: Callable[[], Exception | None] = lambda: None
        self.write_errors: list[Exception | None] = []  # of the next transactions, when they write what was staged
        self.reads_lost: set[bytes] = set()  # what ends of keys, once looked up, cost the whole transaction
        self.begun = 0

    def snapshot(self) -> Snapshot:
        return self.tables.snapshot()

    def begin(self) -> Transaction:
        self.begun += 1
        transaction = self.tables.begin()
        faults = self
        real_commit, real_write, real_get = transaction.commit, transaction.write, transaction.get
        write_error = faults.write_errors.pop(0) if faults.write_errors else None

        def commit() -> None:
            error = faults.commit_errors.pop(0) if faults.commit_errors else faults.commit_fails()
            if error is not None:
                transaction.abort()
                raise error
            real_commit()

        def write(table: Table, rows: Sequence[Written]) -> None:
            if write_error is not None:
                raise write_error
            real_write(table, rows)

        def get(table: Table, row: bytes) -> bytes | None:
            if any(row.endswith(lost) for lost in faults.reads_lost):
                transaction.lost = StoreDamaged("a page cannot be read")  # type: ignore[misc]
                raise transaction.lost
            return real_get(table, row)

        transaction.commit = commit  # type: ignore[method-assign]
        transaction.write = write  # type: ignore[method-assign]
        transaction.get = get  # type: ignore[method-assign]
        return transaction

    def size_bytes(self) -> int:
        return self.tables.size_bytes()

    def close(self) -> None:
        self.tables.close()


class World:
    """A store over faulty tables, and what it told the outside."""

    def __init__(self, tables: FaultyTables, **options: object) -> None:
        self.tables = tables
        self.fatal: list[str] = []
        self.store = TableStore(tables, clock_us=Ticks(), fatal=self.fatal.append, **options)  # type: ignore[arg-type]
        self.store.create("default")

    def together(self, *admissions: object) -> list[Future[Delta]]:
        """Queue admissions behind one that waits, so that one commit carries them all."""
        gate, entered = threading.Event(), threading.Event()

        def hold(transaction: WriteTransaction) -> Draft:
            entered.set()
            assert gate.wait(60)
            return Draft("gate")

        futures = [self.store.submit("default", hold)]
        assert entered.wait(60)
        futures += [self.store.submit("default", admission) for admission in admissions]  # type: ignore[arg-type]
        gate.set()
        return futures


@pytest.fixture(params=["lmdb", "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "lmdb":
        tables: Tables = lmdb_store.LmdbTables(tmp_path / "data", MAP_SIZE_BYTES)
    else:
        tables = memory.MemoryTables()
    world = World(FaultyTables(tables))
    yield world
    check(world.store)
    world.store.close()


def refuse(error: RemitError) -> object:
    def admission(transaction: WriteTransaction) -> Draft:
        putting("doc:x#viewer@user:x")(transaction)
        raise error

    return admission


@pytest.mark.parametrize("failure", [StoreFull("no room is left"), StoreUnavailable("an I/O error"), OSError("broken")])
def test_a_failed_commit_fails_the_whole_batch_and_nothing_else(world: World, failure: Exception) -> None:
    write(world.store, putting(NAMES[0]))
    heard: list[int] = []
    world.store.subscribe(lambda name, deltas: heard.extend(delta.revision for delta in deltas))
    world.tables.commit_errors = [failure]
    futures = world.together(putting(NAMES[1]), refuse(RemitError("no")), putting(NAMES[2]))
    kind = type(failure) if isinstance(failure, RemitError) else StoreUnavailable
    assert {type(future.exception(60)) for future in futures} == {kind}
    assert texts(everything(world.store)) == NAMES[:1]
    assert heard == []

    assert write(world.store, putting(NAMES[3])).revision == 2
    assert texts(everything(world.store)) == [NAMES[0], NAMES[3]]
    assert heard == [2]
    assert world.fatal == []


def test_a_schema_whose_commit_failed_was_never_there(world: World) -> None:
    def schema(text: str) -> object:
        def admission(transaction: WriteTransaction) -> Draft:
            transaction.put_schema(text)
            return Draft("anne")

        return admission

    world.tables.commit_errors = [StoreFull("no room is left")]
    failed = world.together(schema("definition failed {}"), putting(NAMES[0]))
    assert all(isinstance(future.exception(60), StoreFull) for future in failed)
    with world.store.read("default") as view:
        assert view.head.schema_text is None
    write(world.store, schema("definition user {}"))  # type: ignore[arg-type]
    with world.store.read("default") as view:
        assert view.head.schema_text == view.schema_text_at(1) == "definition user {}"


def test_a_schema_whose_commit_failed_is_not_remembered_as_its_successors(world: World) -> None:
    """Both become revision 2; whoever looks in the batch of the second must not see the first."""
    seen: list[str | None] = []

    def schema(text: str) -> object:
        def admission(transaction: WriteTransaction) -> Draft:
            transaction.put_schema(text)
            return Draft("anne")

        return admission

    def look(transaction: WriteTransaction) -> Draft:
        seen.append(transaction.head.schema_text)
        return Draft("anne")

    world.tables.commit_errors = [StoreFull("no room is left")]
    for future in world.together(schema("definition failed {}"), look):
        assert isinstance(future.exception(60), StoreFull)
    for future in world.together(schema("definition user {}"), look):
        future.result(60)
    assert seen == ["definition failed {}", "definition user {}"]


def test_where_the_whole_transaction_is_lost_each_write_is_tried_alone(world: World) -> None:
    write(world.store, putting(NAMES[0]))
    world.tables.begun = 0
    world.tables.write_errors = [TransactionPoisoned(LimitExceeded("too many pages"))]
    refusal = RemitError("no")
    futures = world.together(putting(NAMES[1]), refuse(refusal), putting(NAMES[2]), putting(NAMES[3]))
    assert [future.exception(60) for future in futures] == [None, None, refusal, None, None]
    assert [future.result(0).revision for future in futures if future.exception(0) is None] == [2, 3, 4, 5]
    assert texts(everything(world.store)) == NAMES[:4]
    assert world.tables.begun == 1 + 5  # together, then each alone


def test_a_write_that_loses_every_transaction_it_is_in_fails_alone(world: World) -> None:
    """Whichever of them it is: here the one that looks where the tables cannot be read any more."""
    write(world.store, putting(NAMES[0]))
    world.tables.reads_lost = {encode_triple(*key(NAMES[2]))}
    futures = world.together(putting(NAMES[1]), putting(NAMES[2]), putting(NAMES[3]))
    assert [type(future.exception(60)) for future in futures] == [type(None), type(None), StoreDamaged, type(None)]
    assert texts(everything(world.store)) == [NAMES[0], NAMES[1], NAMES[3]]


def test_a_write_that_hides_a_lost_transaction_is_refused_all_the_same(world: World) -> None:
    def hide(transaction: WriteTransaction) -> Draft:
        with pytest.raises(StoreDamaged):
            putting(NAMES[2])(transaction)
        return Draft("anne")

    world.tables.reads_lost = {encode_triple(*key(NAMES[2]))}
    futures = world.together(putting(NAMES[1]), hide, putting(NAMES[3]))
    assert [type(future.exception(60)) for future in futures] == [type(None), type(None), StoreDamaged, type(None)]
    assert texts(everything(world.store)) == [NAMES[1], NAMES[3]]


@pytest.mark.parametrize("reason", [StoreFull("the map is full"), LimitExceeded("too many pages")])
def test_a_write_that_cannot_even_be_written_down_alone_says_why(world: World, reason: RemitError) -> None:
    world.tables.write_errors = [TransactionPoisoned(reason)]
    assert world.store.submit("default", putting(NAMES[0])).exception(60) is reason
    write(world.store, putting(NAMES[1]))
    assert texts(everything(world.store)) == NAMES[1:2]


def test_where_memory_cannot_follow_the_disk_the_process_stops(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def listen(name: str, deltas: Sequence[Delta]) -> None:
        if any(delta.revision == 2 for delta in deltas):
            raise ValueError("the graph is broken")

    world.store.subscribe(listen)
    with caplog.at_level(logging.CRITICAL):
        futures = world.together(putting(NAMES[0]), putting(NAMES[1]))
        assert all(isinstance(future.exception(60), StoreUnavailable) for future in futures)
    assert len(world.fatal) == 1
    assert "the graph is broken" in world.fatal[0]
    assert any(record.levelno == logging.CRITICAL for record in caplog.records)
    assert isinstance(world.store.submit("default", putting(NAMES[2])).exception(60), StoreUnavailable)
    assert len(deltas(world.store)) == 3  # durable all the same: the next start finds them


def test_stopping_the_process_leaves_nobody_time_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    writer_thread.stop_process("the graph is broken")
    assert codes == [70]


def test_a_full_queue_refuses_and_later_takes_again() -> None:
    world = World(FaultyTables(memory.MemoryTables()), queue_max=3)
    gate, entered = threading.Event(), threading.Event()

    def hold(transaction: WriteTransaction) -> Draft:
        entered.set()
        assert gate.wait(60)
        return Draft("gate")

    held = world.store.submit("default", hold)
    assert entered.wait(60)
    futures = [world.store.submit("default", putting(name)) for name in NAMES[:5]]
    assert [type(future.exception(0)) for future in futures[3:]] == [StoreOverloaded, StoreOverloaded]
    promise = threading.Thread(target=world.store.promise_clock, args=(9,))
    promise.start()  # the store's own few are not refused
    gate.set()
    promise.join(60)
    assert world.store.clock_us() == 9
    assert [future.result(60).revision for future in (held, *futures[:3])] == [1, 2, 3, 4]
    assert write(world.store, putting(NAMES[5])).revision == 5
    world.store.close()


def test_a_write_given_up_while_it_waits_is_never_tried(world: World) -> None:
    gate, entered = threading.Event(), threading.Event()

    def hold(transaction: WriteTransaction) -> Draft:
        entered.set()
        assert gate.wait(60)
        return Draft("gate")

    world.store.submit("default", hold)
    assert entered.wait(60)
    given_up, kept = (world.store.submit("default", putting(name)) for name in NAMES[:2])
    assert given_up.cancel()
    gate.set()
    assert kept.result(60).revision == 2
    with pytest.raises(CancelledError):
        given_up.result(0)
    assert texts(everything(world.store)) == [NAMES[1]]


def test_an_admission_that_breaks_harms_only_itself(world: World) -> None:
    class Broken(BaseException):
        pass

    def no_draft(transaction: WriteTransaction) -> Draft:
        putting(NAMES[0])(transaction)
        return None  # type: ignore[return-value]

    futures = world.together(refuse(Broken()), no_draft, putting(NAMES[1]))  # type: ignore[arg-type]
    assert isinstance(futures[1].exception(60), Broken)
    assert isinstance(futures[2].exception(60), AttributeError)
    assert futures[3].result(60).revision == 2
    assert texts(everything(world.store)) == [NAMES[1]]


def test_one_commit_carries_many_writes(world: World) -> None:
    world.tables.begun = 0
    futures = world.together(*(putting(f"doc:{number}#viewer@user:anne") for number in range(200)))
    assert [future.result(60).revision for future in futures] == list(range(1, 202))
    assert world.tables.begun <= 2


def test_a_batch_is_bounded_in_writes_and_in_what_they_weigh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_thread, "BATCH_TASKS_MAX", 5)
    world.tables.begun = 0
    for future in world.together(*(putting(name) for name in NAMES)):
        future.result(60)
    assert world.tables.begun >= 3
    monkeypatch.setattr(writer_thread, "BATCH_TASKS_MAX", 1000)
    monkeypatch.setattr(writer_thread, "BATCH_WRITES_MAX", 1)
    world.tables.begun = 0
    for future in world.together(*(putting(name) for name in NAMES)):
        future.result(60)
    assert world.tables.begun >= 11


def test_rows_of_a_deleted_store_that_cannot_be_removed_wait_for_the_next_start(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.store.create("doomed")
    write(world.store, putting(*NAMES), "doomed")
    with caplog.at_level(logging.WARNING):
        world.tables.commit_fails = lambda: StoreFull("no room is left") if world.store._tombstones else None
        world.store.delete("doomed")
        world.store.submit("default", putting(NAMES[0])).exception(60)  # it may have shared the commit that failed
        write(world.store, putting(NAMES[1]))
    assert "left for the next start" in caplog.text
    assert rows_of(world.tables, Table.TOMBSTONES)

    world.tables.commit_fails = lambda: None
    again = TableStore(world.tables, clock_us=Ticks())
    for _ in range(10):
        write(again, putting(NAMES[1]))
    assert not rows_of(world.tables, Table.TOMBSTONES)
    names = texts(everything(again))
    assert len(rows_of(world.tables, Table.RELATIONSHIPS)) == len(names)
    again._writer.close()


def rows_of(tables: Tables, table: Table) -> list[bytes]:
    snapshot = tables.snapshot()
    try:
        return [key for key, _ in snapshot.items(table, b"")]
    finally:
        snapshot.close()


# --- for whoever counts -----------------------------------------------------------------------------------------


def test_each_commit_is_told_with_all_it_carried(world: World) -> None:
    told: list[Commit] = []
    end = world.store.observe(told.append)
    for future in world.together(putting(NAMES[0]), refuse(RemitError("no")), putting(NAMES[1], NAMES[2])):
        future.exception(60)
    (commit,) = told
    assert (commit.requests, commit.failed) == (4, "")
    assert commit.rows >= 3 * 2  # each relationship is found by resource and by subject
    assert commit.duration_s > 0
    end()
    write(world.store, putting(NAMES[3]))
    assert told == [commit]


@pytest.mark.parametrize(
    ("failure", "reason"), [(StoreFull("no room is left"), "STORE_FULL"), (OSError("broken"), "INTERNAL")]
)
def test_a_commit_that_failed_is_told_with_why(world: World, failure: Exception, reason: str) -> None:
    told: list[Commit] = []
    world.store.observe(told.append)
    world.tables.commit_errors = [failure]
    assert world.store.submit("default", putting(NAMES[0])).exception(60) is not None
    assert [(commit.failed, commit.requests) for commit in told] == [(reason, 1)]


def test_whoever_counts_and_fails_costs_no_write(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Commit) -> None:
        raise ZeroDivisionError("in the counting")

    told: list[Commit] = []
    world.store.observe(fail)
    world.store.observe(told.append)
    assert write(world.store, putting(NAMES[0])).revision == 1
    assert len(told) == 1
    assert "in the counting" in caplog.text


def test_a_store_tells_how_many_writes_wait_and_why_it_takes_none_any_more(world: World) -> None:
    gate, entered = threading.Event(), threading.Event()

    def hold(transaction: WriteTransaction) -> Draft:
        entered.set()
        assert gate.wait(60)
        return Draft("gate")

    futures = [world.store.submit("default", hold)]
    assert entered.wait(60)
    futures += [world.store.submit("default", putting(name)) for name in NAMES[:2]]
    assert (world.store.writes_waiting(), world.store.problem()) == (2, "")
    gate.set()
    for future in futures:
        future.result(60)
    assert world.store.writes_waiting() == 0
    broken = World(FaultyTables(memory.MemoryTables()))
    broken.store.subscribe(lambda name, deltas: 1 // 0)
    broken.store.submit("default", putting(NAMES[0])).exception(60)
    assert broken.store.problem() == broken.fatal[0] != ""
    broken.store.close()
