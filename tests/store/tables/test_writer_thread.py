"""The writer when things go wrong: commits that fail, transactions that are lost, listeners that raise, full queues."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

from remit.errors import (
    FairShareSpent,
    LimitExceeded,
    RemitError,
    StoreDamaged,
    StoreFull,
    StoreOverloaded,
    StoreUnavailable,
)
from remit.model import Delta
from remit.store import memory
from remit.store.codec import encode_triple
from remit.store.lmdb import lmdb_store
from remit.store.port import BULK_WEIGHT, SMALL_WEIGHT_MAX, Commit, Draft, WriteTransaction
from remit.store.tables import writer_thread
from remit.store.tables.interface import Snapshot, Table, Tables, Transaction, TransactionPoisoned, Written
from remit.store.tables.table_store import TableStore
from tests.support.store.held_writer import HeldWriter
from tests.support.store.worlds import MAP_SIZE_BYTES, Ticks, check, deltas, everything, key, putting, texts, write

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

    def give_up_reserve(self) -> bool:
        return self.tables.give_up_reserve()

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


@pytest.mark.parametrize("failure", [StoreUnavailable("an I/O error"), OSError("broken")])
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

    world.tables.commit_errors = [StoreUnavailable("an I/O error")]
    failed = world.together(schema("definition failed {}"), putting(NAMES[0]))
    assert all(isinstance(future.exception(60), StoreUnavailable) for future in failed)
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

    world.tables.commit_errors = [StoreUnavailable("an I/O error")]
    for future in world.together(schema("definition failed {}"), look):
        assert isinstance(future.exception(60), StoreUnavailable)
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


def test_a_small_write_overtakes_bulk_ones_that_wait(world: World) -> None:
    held = HeldWriter(world.store)
    world.tables.begun = 0
    bulk = [held.submit(f"bulk {number}", "eve", 1_000) for number in range(20)]
    hold = held.submit("hold", "ann", 1)
    own = held.submit("own", "eve", 1)  # even those of who sent the bulk
    held.let_go(*bulk, hold, own)
    assert held.order == ["hold", "own", *(f"bulk {number}" for number in range(20))]
    assert hold.result(0).revision == 2  # in the very commit that was under way
    assert world.tables.begun == 20  # one bulk task a commit


def test_what_is_before_a_hold_is_bounded_whatever_others_queue(world: World) -> None:
    """The bulk task under way, and of each client one turn of small ones."""
    held = HeldWriter(world.store)
    others = [
        held.submit(client_id, client_id, weight)
        for weight in (1, 10, 1_000, 10_000)
        for client_id in ("ann", "bob", "eve")
        for _ in range(30)
    ]
    hold = held.submit("hold", "zoe", 1)
    held.let_go(*others, hold)
    before = held.order[: held.order.index("hold")]
    assert Counter(before) == {"ann": 10, "bob": 10, "eve": 10}


def test_bulk_writes_are_written_though_small_ones_never_end(world: World) -> None:
    """Each small write queues the next: there is always one that waits."""
    held = HeldWriter(world.store)
    bulk, ended = held.submit("bulk", "eve", 1_000), threading.Event()
    done: list[Future[Delta]] = []

    def endless(transaction: WriteTransaction) -> Draft:
        held.order.append("small")
        if not ended.is_set():
            done.append(world.store.submit("default", endless, "ann", 1))
        return Draft("ann")

    done.append(world.store.submit("default", endless, "ann", 1))
    held.let_go(bulk)
    ended.set()
    done[-1].result(60)
    assert "bulk" in held.order


def test_a_batch_ends_when_it_has_taken_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_thread, "BATCH_S", 0.0)
    world.tables.begun = 0
    for future in world.together(*(putting(name) for name in NAMES)):
        future.result(60)
    assert world.tables.begun >= len(NAMES) // 2


def test_writes_of_one_client_and_class_happen_in_the_order_they_were_queued(world: World) -> None:
    held = HeldWriter(world.store)
    weights = [1, 50, 3, 2_000, 10, 11, 1, 1]
    futures = [
        held.submit(f"{client_id} {weight} {number}", client_id, weight)
        for number, weight in enumerate(weights)
        for client_id in ("ann", "bob")
    ]
    held.let_go(*futures)
    for client_id in ("ann", "bob"):
        own = [each for each in held.order if each.startswith(client_id)]
        small = [each for each in own if int(each.split()[1]) <= SMALL_WEIGHT_MAX]
        bulk = [each for each in own if each not in small]
        numbers = [[int(each.split()[2]) for each in group] for group in (small, bulk)]
        assert numbers == [[0, 2, 4, 6, 7], [1, 3, 5]]


def test_a_write_sent_after_an_answer_comes_after_what_was_answered(world: World) -> None:
    """Whatever the two weigh: who waits for its answers sees its own order."""
    held = HeldWriter(world.store)
    others = [held.submit("other", "eve", weight) for weight in (1_000, 1, 5_000, 10)]
    held.let_go()
    revisions = []
    for number, weight in enumerate((1_000, 1, 10, 11, 1)):
        revisions.append(held.submit(str(number), "ann", weight).result(60).revision)
    for future in others:
        future.result(60)
    assert revisions == sorted(revisions)
    assert [each for each in held.order if each != "other"] == ["0", "1", "2", "3", "4"]


def test_a_client_that_fills_the_queue_is_refused_while_others_are_taken() -> None:
    world = World(FaultyTables(memory.MemoryTables()), queue_max=10)
    held = HeldWriter(world.store)
    greedy = [held.submit("greedy", "eve", 1_000) for _ in range(12)]
    assert [type(future.exception(0)) for future in greedy[5:]] == [FairShareSpent] * 7
    hold = held.submit("hold", "ann", 1)
    held.let_go(*greedy[:5], hold)
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


def test_one_commit_carries_many_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_thread, "BATCH_S", 60.0)  # however busy the machine is
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


# --- in the writer's place ----------------------------------------------------------------------------------------


class OwnThread:
    """A thread that writes one after another, each waited for, and never the main one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ident = 0

    def run(self, steps: Callable[[OwnThread], None]) -> None:
        failed: list[BaseException] = []

        def guarded() -> None:
            self.ident = threading.get_ident()
            try:
                steps(self)
            except BaseException as error:  # noqa: BLE001  # the main thread raises it
                failed.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
        if failed:
            raise failed[0]

    def write(self, name: str, weight: int = 1, *, then: Callable[[], None] = lambda: None) -> bool:
        """Whether it was written on this very thread. `then` is called while it is judged."""
        on: list[int] = []

        def admission(transaction: WriteTransaction) -> Draft:
            on.append(threading.get_ident())
            putting(name)(transaction)
            then()
            return Draft("own")

        self.world.store.write("default", admission, weight=weight)
        return on == [self.ident]

    def until_idle(self) -> None:
        """Write until the writer has nothing to do any more: a moment after it has answered."""
        while not self.write(NAMES[0]):
            pass


def test_who_finds_the_writer_with_nothing_to_do_writes_on_their_own_thread(world: World) -> None:
    def steps(own: OwnThread) -> None:
        own.until_idle()
        assert all(own.write(name) for name in NAMES)
        assert not own.write(NAMES[1], BULK_WEIGHT)  # somebody else's hold would wait for it

    OwnThread(world).run(steps)
    heard: list[int] = []

    def admission(transaction: WriteTransaction) -> Draft:
        heard.append(threading.get_ident())
        return Draft("main")

    for _ in range(20):  # where Ctrl-C is raised nothing is committed
        world.store.write("default", admission)
    assert threading.get_ident() not in heard
    assert sorted(texts(everything(world.store))) == NAMES


def test_what_comes_while_another_writes_in_the_writers_place_is_written_next(world: World) -> None:
    futures: list[Future[Delta]] = []

    def steps(own: OwnThread) -> None:
        own.until_idle()
        assert own.write(NAMES[1], then=queue_others)

    def queue_others() -> None:
        futures.extend(world.store.submit("default", putting(name)) for name in NAMES[2:])
        assert not any(future.done() for future in futures)

    OwnThread(world).run(steps)
    revisions = [future.result(60).revision for future in futures]
    assert revisions == list(range(revisions[0], revisions[0] + len(revisions)))
    assert [delta.revision for delta in deltas(world.store)] == list(range(1, revisions[-1] + 1))


def test_a_write_from_within_one_is_a_defect_and_waits_for_nobody(world: World) -> None:
    def steps(own: OwnThread) -> None:
        own.until_idle()
        with pytest.raises(AssertionError, match="the writer cannot wait for itself"):
            own.write(NAMES[1], then=lambda: world.store.promise_clock(9))

    OwnThread(world).run(steps)
    assert texts(everything(world.store)) == NAMES[:1]


def test_what_fails_in_the_writers_place_fails_as_it_would_there(world: World) -> None:
    def steps(own: OwnThread) -> None:
        own.until_idle()
        world.tables.commit_errors = [OSError("broken")]
        with pytest.raises(StoreUnavailable, match="broken"):
            own.write(NAMES[1])
        with pytest.raises(RemitError, match="no such thing"):
            world.store.write("default", refuse(RemitError("no such thing")))  # type: ignore[arg-type]
        own.until_idle()

    OwnThread(world).run(steps)
    assert texts(everything(world.store)) == NAMES[:1]


def test_where_memory_cannot_follow_one_who_writes_in_the_writers_place_nobody_writes_on(world: World) -> None:
    broken: list[bool] = []
    queued: list[Future[Delta]] = []

    def listen(name: str, deltas: Sequence[Delta]) -> None:
        if broken:
            raise ValueError("the graph is broken")

    def break_memory() -> None:
        broken.append(True)
        queued.append(world.store.submit("default", putting(NAMES[2])))

    def steps(own: OwnThread) -> None:
        own.until_idle()
        with pytest.raises(StoreUnavailable, match="the graph is broken"):
            own.write(NAMES[1], then=break_memory)

    world.store.subscribe(listen)
    OwnThread(world).run(steps)
    assert len(world.fatal) == 1
    assert isinstance(queued[0].exception(60), StoreUnavailable)
    assert texts(everything(world.store)) == NAMES[:2]  # the disk has it, and the next start finds it


def test_a_store_that_is_closed_waits_for_who_writes_in_the_writers_place() -> None:
    world = World(FaultyTables(memory.MemoryTables()))
    closing = threading.Thread(target=world.store.close)

    def close() -> None:
        closing.start()
        while not world.store.problem():
            pass
        assert closing.is_alive()

    def steps(own: OwnThread) -> None:
        own.until_idle()
        assert own.write(NAMES[1], then=close)
        with pytest.raises(StoreUnavailable):
            own.write(NAMES[2])

    OwnThread(world).run(steps)
    closing.join(60)
    assert not closing.is_alive()


# --- who is told, and when ----------------------------------------------------------------------------------------


def test_an_answer_is_told_when_the_next_small_commit_is_on_its_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_thread, "BATCH_TASKS_MAX", 1)
    seen: list[tuple[str, bool]] = []

    def second(transaction: WriteTransaction) -> Draft:
        seen.append(("judged", first.done()))
        return Draft("second")

    def committing() -> Exception | None:
        seen.append(("committed", first.done()))
        return None

    held = HeldWriter(world.store)
    first = held.submit("first", "ann", 1)
    futures = [first, world.store.submit("default", second)]
    world.tables.commit_fails = committing
    held.let_go(*futures)
    assert seen[-2:] == [("judged", False), ("committed", True)]
    assert write(world.store, putting(NAMES[0])).revision == 4  # and where nothing waits, at once


def test_an_answer_is_told_though_the_next_small_commit_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_thread, "BATCH_TASKS_MAX", 1)
    held = HeldWriter(world.store)
    futures = [held.submit("first", "ann", 1), world.store.submit("default", refuse(RemitError("no")))]  # type: ignore[arg-type]
    futures += [held.submit("third", "ann", 1), world.store.submit("default", putting(NAMES[0]))]
    world.tables.write_errors = [None, None, None, TransactionPoisoned(StoreUnavailable("broken"))]
    with pytest.raises(RemitError):
        held.let_go(*futures)
    assert [type(future.exception(60)) for future in futures] == [type(None), RemitError, type(None), StoreUnavailable]


def test_a_bulk_task_begins_when_everybody_before_it_was_told(world: World) -> None:
    before: list[Future[Delta]] = []
    told: list[bool] = []

    def bulk(transaction: WriteTransaction) -> Draft:
        told.extend(future.done() for future in before)
        return Draft("bulk")

    held = HeldWriter(world.store)
    before.append(held.first)
    before.append(held.submit("small", "ann", 1))
    last = world.store.submit("default", bulk, "eve", BULK_WEIGHT)
    held.let_go(*before, last)
    assert told == [True, True]
