"""The named stores of one set of tables: everything `port.Store` promises, written once.

`LmdbStore` and `MemoryStore` are this class over their own tables, so they differ in nothing but where the bytes are.
Law: a number given to a named store is never given again, so nothing of a deleted store can show in a new one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

from remit.errors import StoreExists
from remit.interrupt import Interrupt, never_interrupted
from remit.model import Delta
from remit.notation import no_such_store
from remit.store.codec import pack, unpack
from remit.store.port import BULK_WEIGHT, Admission, Commit, CommitListener, Judge, Scratch, Store, StoreIdentity
from remit.store.tables.interface import Claim, Rows, Snapshot, Table, Tables
from remit.store.tables.keys import name_key, store_prefix
from remit.store.tables.rehearsals import Rehearsals
from remit.store.tables.restoring import StoreRestoration
from remit.store.tables.staging import Staging
from remit.store.tables.store_reader import HeadRecord, SchemaCache, StoreReader
from remit.store.tables.store_writer import StoreWriter
from remit.store.tables.task import FunctionTask, OneShotFuture, Task
from remit.store.tables.trimming import StoreTrimmer
from remit.store.tables.writer_thread import WriterThread, logger, stop_process

T = TypeVar("T")

QUEUE_MAX = 4096  # writes waiting; at the durable rates we aim for, half a second of them
SWEEP_ROWS = 1000  # rows of a deleted store removed at a time, so that no write waits long behind them

_CLOCK = b"clock"
_NEXT_STORE = b"next_store"
_STORE_TABLES = (Table.RELATIONSHIPS, Table.BY_SUBJECT, Table.CHANGELOG, Table.SCHEMAS, Table.RECORDS)


class ReaderContext:
    """`with store.read(name) as view:`; the snapshot begins and ends with the block."""

    def __init__(self, tables: Tables, name: str, schemas: SchemaCache) -> None:
        self._tables, self._name, self._schemas = tables, name, schemas
        self._snapshot: Snapshot | None = None

    def __enter__(self) -> StoreReader:
        snapshot = self._tables.snapshot()
        try:
            reader = StoreReader(snapshot, self._name, self._schemas)
        except BaseException:
            snapshot.close()
            raise
        self._snapshot = snapshot
        return reader

    def __exit__(self, *exc_info: object) -> None:
        assert self._snapshot is not None, "a view ends after it began"
        self._snapshot.close()


class TableStore(Store):
    """A store over tables. `clock_us` gives the time that deltas are stamped with; `fatal` stops the process."""

    def __init__(
        self,
        tables: Tables,
        *,
        clock_us: Callable[[], int],
        fatal: Callable[[str], None] = stop_process,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        self._tables = tables
        self._now_us = clock_us
        self._schemas = SchemaCache()
        self._listener: CommitListener | None = None
        try:
            self._tombstones = self._find_tombstones()
        except BaseException:
            tables.close()
            raise
        self._committed: list[tuple[str, Delta]] = []  # and not yet given to the listener
        self._rehearsing = Rehearsals()
        self._writer = WriterThread(
            tables.begin,
            give_up_reserve=tables.give_up_reserve,
            chore=self._sweep,
            apply=self._notify,
            fatal=fatal,
            queue_max=queue_max,
        )

    # --- reading ------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        snapshot = self._tables.snapshot()
        try:
            return [key.decode() for key, _ in snapshot.items(Table.STORES, b"")]
        finally:
            snapshot.close()

    def read(self, name: str) -> ReaderContext:
        return ReaderContext(self._tables, name, self._schemas)

    def clock_us(self) -> int:
        snapshot = self._tables.snapshot()
        try:
            return _number(snapshot, _CLOCK)
        finally:
            snapshot.close()

    def size_bytes(self) -> int:
        return self._tables.size_bytes()

    def observe(self, observer: Callable[[Commit], None]) -> Callable[[], None]:
        return self._writer.observe(observer)

    def problem(self) -> str:
        return self._writer.problem

    def writes_waiting(self) -> int:
        return self._writer.waiting

    def scratch(self) -> Scratch:
        return self._tables.scratch()

    # --- writing ------------------------------------------------------------------------------------------------

    def subscribe(self, listener: CommitListener) -> None:
        assert self._listener is None, "a store has one listener"
        self._listener = listener

    def submit(self, name: str, admission: Admission, client_id: str = "", weight: int = 1) -> Future[Delta]:
        future: Future[Delta] = Future()
        self._writer.submit(_Revision(self, name, admission, future, client_id, weight))
        return future

    def write(self, name: str, admission: Admission, client_id: str = "", weight: int = 1) -> Delta:
        assert not self._writer.is_current_thread, "the writer cannot wait for itself"
        waiting: OneShotFuture[Delta] = OneShotFuture()
        self._writer.write_or_submit(_Revision(self, name, admission, waiting, client_id, weight))
        return waiting.result()

    def rehearse(
        self, name: str, admission: Admission, client_id: str = "", interrupt: Interrupt = never_interrupted
    ) -> None:
        with self._rehearsing.turn(client_id, interrupt):
            snapshot = self._tables.snapshot()
            try:
                admission(StoreWriter(Staging(snapshot), name, self._schemas))
            finally:
                snapshot.close()

    def revise(self, transaction: Staging, name: str, admission: Admission) -> tuple[StoreWriter, Delta]:
        """What an admission makes of a named store, in what a commit is about to write. On the writer's thread."""
        writer = StoreWriter(transaction, name, self._schemas)
        return writer, writer.finish(admission(writer), self._now_us())

    def revised(self, name: str, delta: Delta) -> None:
        """A revision is durable: the listener will be given it, with all others of the commit."""
        self._committed.append((name, delta))

    def _notify(self) -> None:
        """A commit is durable: give the listener its deltas, all of a store at once. On the writer's thread."""
        committed, self._committed = self._committed, []
        by_store: dict[str, list[Delta]] = {}
        for name, delta in committed:
            by_store.setdefault(name, []).append(delta)
        if self._listener is not None:
            for name, deltas in by_store.items():
                self._listener(name, deltas)

    def create(self, name: str) -> StoreIdentity:
        key = name_key(name)

        def run(transaction: Staging) -> StoreIdentity:
            # The number and the epoch are the same count: both only have to be new.
            number = self.next_number(transaction)
            identity = StoreIdentity(name, secrets.token_bytes(16), number)
            if not transaction.insert(Table.STORES, key, pack((number, identity.uuid, identity.epoch))):
                raise StoreExists(f"store `{name}` is already there", field="name", store=name)
            transaction.put(Table.HEADS, store_prefix(number), pack(HeadRecord()))
            return identity

        return self._write(run)

    def delete(self, name: str) -> None:
        """The name is free at once; the rows go little by little, between other writes and across restarts."""
        key = name_key(name)

        def run(transaction: Staging) -> bytes:
            record = transaction.get(Table.STORES, key)
            if record is None:
                raise no_such_store(name)
            tombstone = store_prefix(unpack(record)[0])
            transaction.delete(Table.STORES, key)
            transaction.delete(Table.HEADS, tombstone)
            transaction.put(Table.TOMBSTONES, tombstone, b"")
            return tombstone

        self._write(run, self.sweep_later, claim=Claim.UPKEEP)

    def restore(self, name: str, judge: Judge) -> StoreRestoration:
        return StoreRestoration(self, name, judge, self._now_us)

    def trim(self, name: str, until_us: int) -> int:
        def run(transaction: Staging) -> int:
            return StoreTrimmer(transaction, name, self._schemas).forget(until_us)

        return self._write(run, may_be_refused=True, weight=BULK_WEIGHT, claim=Claim.UPKEEP)

    def promise_clock(self, ceiling_us: int) -> None:
        def run(transaction: Staging) -> None:
            if ceiling_us > _number(transaction, _CLOCK):
                transaction.put(Table.META, _CLOCK, pack(ceiling_us))

        self._write(run, claim=Claim.UPKEEP)

    def close(self) -> None:
        self._writer.close()
        self._tables.close()

    def _write(
        self,
        run: Callable[[Staging], T],
        settled: Callable[[T], None] | None = None,
        *,
        may_be_refused: bool = False,
        weight: int = 1,
        claim: Claim = Claim.ORDINARY,
    ) -> T:
        assert not self._writer.is_current_thread, "the writer cannot wait for itself"
        waiting: OneShotFuture[T] = OneShotFuture()
        task = FunctionTask(run, settled, waiting, weight=weight, claim=claim)
        self._writer.submit(task, may_be_refused=may_be_refused)
        return waiting.result()

    # --- for a restore under way --------------------------------------------------------------------------------

    def next_number(self, transaction: Staging) -> int:
        """A number for a named store, never given before or again."""
        number = _number(transaction, _NEXT_STORE) + 1
        transaction.put(Table.META, _NEXT_STORE, pack(number))
        return number

    def queue(
        self,
        run: Callable[[Staging], T],
        settled: Callable[[T], None] | None = None,
        weight: int = 1,
        claim: Claim = Claim.ORDINARY,
    ) -> Future[T]:
        """Hand a task to the writer, whose caller waits for it before it has another."""
        future: Future[T] = Future()
        self._writer.submit(FunctionTask(run, settled, future, weight=weight, claim=claim), may_be_refused=False)
        return future

    def sweep_later(self, tombstone: bytes) -> None:
        """Called on the writer's thread: from now on the rows of this tombstone may go."""
        self._tombstones.append(tombstone)

    # --- deleted stores -----------------------------------------------------------------------------------------

    def _find_tombstones(self) -> list[bytes]:
        snapshot = self._tables.snapshot()
        try:
            return [key for key, _ in snapshot.items(Table.TOMBSTONES, b"")]
        finally:
            snapshot.close()

    def _sweep(self) -> Task[Any] | None:
        """A little of what is left of deleted stores, or None if nothing is. Only the writer's thread comes here."""
        if not self._tombstones:
            return None
        tombstone = self._tombstones[0]

        def run(transaction: Staging) -> bool:
            return _remove_rows(transaction, tombstone)

        def settled(is_empty: bool) -> None:
            if is_empty:
                self._tombstones.remove(tombstone)

        future: Future[bool] = Future()
        future.add_done_callback(self._give_up_sweeping)
        return FunctionTask(run, settled, future, claim=Claim.UPKEEP)

    def _give_up_sweeping(self, future: Future[bool]) -> None:
        """A full disk, say. Nobody waits for it, and the next start tries again."""
        error = future.exception()
        if error is not None:
            logger.warning("rows of deleted stores are left for the next start to remove: %s", error)
            self._tombstones.clear()


class _Revision(Task[Delta]):
    """Makes a revision of what an admission decides.

    Not two functions that share what they know: they referred to the task and it to them, so all that a commit staged
    waited for Python's collector of garbage, 65 objects a write."""

    __slots__ = ("_admission", "_name", "_store", "_writer")

    def __init__(
        self,
        store: TableStore,
        name: str,
        admission: Admission,
        future: Future[Delta] | OneShotFuture[Delta],
        client_id: str,
        weight: int,
    ) -> None:
        super().__init__(future, client_id, weight)
        self._store = store
        self._name = name
        self._admission = admission
        self._writer: StoreWriter | None = None

    def run(self, transaction: Staging) -> Delta:
        self.claim = Claim.STOP  # as long as it is refused, it takes nothing
        self._writer, delta = self._store.revise(transaction, self._name, self._admission)
        self.claim = self._writer.claim
        return delta

    def settled(self, delta: Delta) -> None:
        assert self._writer is not None, "what is settled was admitted"
        if delta.schema_text is not None:
            self._writer.remember_schema()
        self._store.revised(self._name, delta)


def _remove_rows(transaction: Staging, tombstone: bytes) -> bool:
    """Remove some rows of a deleted store; whether none is left, and the tombstone itself is gone."""
    for table in _STORE_TABLES:
        rows = islice(transaction.items(table, tombstone), SWEEP_ROWS)
        doomed = [key for key, _ in rows if key.startswith(tombstone)]
        for key in doomed:
            transaction.delete(table, key)
        if doomed:
            return False
    transaction.delete(Table.TOMBSTONES, tombstone)
    return True


def _number(snapshot: Rows, key: bytes) -> int:
    record = snapshot.get(Table.META, key)
    return int(unpack(record)) if record is not None else 0
