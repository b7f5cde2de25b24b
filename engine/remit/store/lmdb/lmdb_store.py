"""The store on disk: the tables in one LMDB environment, one directory, opened once in the process.

LMDB is a B-tree that never overwrites a page a reader might see; a commit writes new pages, syncs them, and then swings
one root over to them. So `kill -9` at any moment leaves the old root or the new one, readers need no locks, and writers
never wait for them.
Law: `commit` returns only after the sync; what LMDB does not confirm did not happen."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import lmdb
import msgpack

from remit.errors import (
    LimitExceeded,
    RemitError,
    StoreDamaged,
    StoreFormatUnknown,
    StoreFull,
    StoreUnavailable,
)
from remit.store.codec import pack, unpack
from remit.store.data_directory import NO_ROOM, explain_os_error
from remit.store.lmdb.directory import DataDirectory
from remit.store.lmdb.pages import missing_page
from remit.store.lmdb.room import PROBE_BYTES, Room, reserve_bytes
from remit.store.scratch import ScratchFile
from remit.store.tables.interface import Claim, Item, Table, TransactionPoisoned, Written
from remit.store.tables.table_store import QUEUE_MAX, TableStore
from remit.store.tables.writer_thread import stop_process

MAGIC = "remit"
# 1 kept every revision for ever; 2 forgets old ones. A head of 1 lacks the oldest revision that can still be seen,
# which is read as 0, so an old directory only has to be marked: a server of before must not take it for its own. 3 has
# a table of records, which an older directory is given; a server of before would leave them behind in what it deletes.
# 4 has entries of verbs in the changelog, whose rows a server of before would take for damaged.
FORMAT_VERSION = 4
FORMATS_READ = (1, 2, 3, FORMAT_VERSION)

# The map is address space, not memory or disk: the file grows as pages are written. It cannot grow while anyone reads,
# so it is large from the start: some 400 million relationships, more than the graph in memory can hold on one machine,
# and still a small part of the 128 TiB that a process may address.
MAP_SIZE_BYTES = 256 * 2**30

# Views open at the same time, each a slot of 64 bytes in the lock file: far more than a server has threads.
READERS_MAX = 4096
SPARE_SNAPSHOTS = 64

CLOSE_WAIT_S = 10.0

# Rows that are put one by one: a cursor costs as much as one of them, and saves a third of each.
SINGLY_MAX = 3

_FORMAT = b"format"


class LmdbTables:
    """The tables of one data directory. Raises StoreUnavailable, StoreLocked, StoreFormatUnknown, StoreDamaged."""

    def __init__(self, path: Path, map_size_bytes: int) -> None:
        self._directory = DataDirectory(path)
        self._map_size_bytes = map_size_bytes
        self._gate = threading.Condition()
        self._views = 0
        self._is_closed = False
        try:
            self._environment = self._open()
            try:
                self.room = self._open_room()
                self.databases = self.room.databases = self._open_tables()  # by table
            except BaseException:
                self._environment.close()
                raise
        except BaseException:
            self._directory.release()
            raise

    def snapshot(self) -> LmdbSnapshot:
        with self._gate:
            if self._is_closed:
                raise StoreUnavailable("the store is closed")
            self._views += 1
        try:
            return LmdbSnapshot(self, self._environment.begin())
        except lmdb.Error as error:
            self.view_ended()
            raise self.explain(error) from error

    def begin(self) -> LmdbTransaction:
        try:
            return LmdbTransaction(self, self._environment.begin(write=True))
        except lmdb.Error as error:
            raise self.explain(error) from error

    def give_up_reserve(self) -> bool:
        return self.room.is_disk_full and self._directory.give_up_reserve()

    def scratch(self) -> ScratchFile:
        return ScratchFile(self._directory.path)

    def size_bytes(self) -> int:
        return self._directory.data_file.stat().st_blocks * 512

    def close(self) -> None:
        # Unmapping the file under a view would end the process, so we wait for the last one.
        with self._gate:
            self._is_closed = True
            if not self._gate.wait_for(lambda: self._views == 0, CLOSE_WAIT_S):
                raise StoreUnavailable(f"`{self._views}` views are still open, so the data directory stays open too")
        self._environment.close()
        self._directory.release()

    # --- for the snapshots and transactions below ----------------------------------------------------------------

    def view_ended(self) -> None:
        with self._gate:
            self._views -= 1
            self._gate.notify_all()

    def explain(self, error: lmdb.Error) -> RemitError:
        """What LMDB's error means to whoever asked."""
        if isinstance(error, lmdb.MapFullError):
            return self._map_full()
        code = getattr(error, "code", 0)  # errors of py-lmdb itself have none
        if code in NO_ROOM or (code == errno.EIO and not self._directory.has_room(PROBE_BYTES)):
            self.room.disk_full()
            return self._disk_full()
        if isinstance(error, lmdb.TxnFullError):
            return LimitExceeded(
                "the write touches more pages than one commit can carry: split it", limit="commit_pages"
            )
        if isinstance(error, lmdb.BadTxnError):
            return StoreUnavailable(f"the transaction had to be given up: {error}")
        if isinstance(error, lmdb.ReadersFullError):
            return StoreUnavailable(f"`{READERS_MAX}` views are open already: close some", readers_max=READERS_MAX)
        if isinstance(error, _DAMAGE):
            return StoreDamaged(f"data directory `{self._directory.path}` is damaged ({error}): restore a backup")
        if isinstance(error, lmdb.PanicError):
            return StoreUnavailable(f"the disk failed at an earlier commit, restart the process: {error}")
        return StoreUnavailable(f"data directory `{self._directory.path}` cannot be read or written: {error}")

    def full(self) -> StoreFull:
        """Why a write that was not even tried has no room."""
        return self._disk_full() if self.room.is_disk_full else self._map_full()

    def _map_full(self) -> StoreFull:
        size = self._map_size_bytes
        return StoreFull(
            f"the map of `{size}` bytes is full: delete what is not needed, which is taken from what is held back for "
            "small writes and deletes, or open the store with a larger map (`--store-bytes-max`)",
            map_size_bytes=size,
        )

    def _disk_full(self) -> StoreFull:
        path = self._directory.path
        return StoreFull(f"no room is left for data directory `{path}`: free some space", path=path)

    # --- opening ------------------------------------------------------------------------------------------------

    def _open(self) -> lmdb.Environment:
        path = self._directory.path
        try:
            environment = lmdb.open(
                str(path),
                map_size=self._map_size_bytes + reserve_bytes(self._map_size_bytes),
                mode=0o600,
                max_dbs=len(Table),
                max_readers=READERS_MAX,
                max_spare_txns=SPARE_SNAPSHOTS,
            )
            environment.reader_check()  # forget readers of processes that were killed
            try:
                self._directory.allocate_readers()
                self._fill_up(environment)
            except BaseException:
                environment.close()
                raise
        except lmdb.VersionMismatchError as error:
            ours = ".".join(map(str, lmdb.version()))
            raise StoreFormatUnknown(
                f"`{path}` was written by another LMDB than `{ours}`: {error}", path=path
            ) from error
        except lmdb.Error as error:
            if isinstance(error, _DAMAGE):
                raise StoreDamaged(f"`{self._directory.data_file}` is not an LMDB file: restore a backup") from error
            code = getattr(error, "code", 0)
            if code > 0:  # the system's error numbers are positive, LMDB's own negative
                raise explain_os_error(OSError(code, error.reason), path) from error
            raise self.explain(error) from error
        return environment

    def _fill_up(self, environment: lmdb.Environment) -> None:
        """Where the file is shorter than its map says, let the rest read as zeros: pages at the end that were never
        used may be missing rightly. Raises StoreDamaged where one is missing that is in use.

        In a file that was cut off, a read there would end the process with SIGBUS, and zeros where LMDB expects a leaf
        with an assertion."""
        page_bytes = environment.stat()["psize"]
        size = (environment.info()["last_pgno"] + 1) * page_bytes
        file = self._directory.data_file
        if file.stat().st_size < size:
            missing = missing_page(file, page_bytes)
            if missing is not None:
                raise StoreDamaged(f"`{file}` was cut off: page `{missing}` is missing; restore a backup")
            os.truncate(file, size)

    def _open_room(self) -> Room:
        try:
            return Room(self._environment, self._directory, self._map_size_bytes)
        except lmdb.Error as error:
            raise StoreUnavailable(
                f"the map of `{self._directory.data_file}` cannot be made larger: {error}"
            ) from error

    def _open_tables(self) -> list[lmdb._Database]:
        try:
            if not self._environment.stat()["entries"]:
                return self._make_tables()
            meta = self._environment.open_db(_on_disk(Table.META), create=False)
            with self._environment.begin() as transaction:
                version = self._checked_format(transaction.get(_FORMAT, db=meta))
            if version != FORMAT_VERSION:
                with self._environment.begin(write=True) as transaction:
                    self._environment.open_db(_on_disk(Table.RECORDS), txn=transaction)
                    transaction.put(_FORMAT, pack((MAGIC, FORMAT_VERSION)), db=meta)
            return [self._environment.open_db(_on_disk(table), create=False) for table in Table]
        except lmdb.NotFoundError as error:
            raise StoreFormatUnknown(
                f"`{self._directory.data_file}` was not written by remit", path=self._directory.path
            ) from error
        except lmdb.Error as error:
            raise self.explain(error) from error
        except OSError as error:
            raise explain_os_error(error, self._directory.path) from error

    def _make_tables(self) -> list[lmdb._Database]:
        with self._environment.begin(write=True) as transaction:
            databases = [self._environment.open_db(_on_disk(table), txn=transaction) for table in Table]
            transaction.put(_FORMAT, pack((MAGIC, FORMAT_VERSION)), db=databases[Table.META])
        self._directory.sync()
        return databases

    def _checked_format(self, record: bytes | None) -> int:
        path = self._directory.path
        try:
            magic, version = unpack(record or b"")
        except (ValueError, TypeError, msgpack.UnpackException):
            magic, version = None, None
        if magic != MAGIC:
            raise StoreFormatUnknown(f"data directory `{path}` was not written by remit", path=path)
        if version not in FORMATS_READ:
            message = f"data directory `{path}` has format `{version}`, this version of remit knows `{FORMAT_VERSION}`"
            raise StoreFormatUnknown(message, path=path, found=version, known=FORMAT_VERSION)
        return int(version)


def _on_disk(table: Table) -> bytes:
    """The name of a table in the data file, which does not change: that of tombstones is older than the word."""
    return b"graves" if table is Table.TOMBSTONES else table.name.lower().encode()


_DAMAGE = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError)


class LmdbSnapshot:
    """A read transaction. Values are copied as they are read, so they outlive it."""

    def __init__(self, tables: LmdbTables, transaction: lmdb.Transaction[bytes]) -> None:
        self._tables = tables
        self._databases = tables.databases
        self._transaction = transaction
        self._is_closed = False

    def get(self, table: Table, key: bytes) -> bytes | None:
        try:
            return self._transaction.get(key, db=self._databases[table])
        except lmdb.Error as error:
            raise self._explain(error) from error

    def items(self, table: Table, start: bytes) -> Iterator[Item]:
        try:
            with self._transaction.cursor(self._databases[table]) as cursor:
                if cursor.set_range(start):
                    yield from cursor.iternext()
        except lmdb.Error as error:
            raise self._explain(error) from error

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._transaction.abort()
            self._tables.view_ended()

    def _explain(self, error: lmdb.Error) -> Exception:
        return RuntimeError("this view has ended") if self._is_closed else self._tables.explain(error)


class LmdbTransaction:
    """A write transaction. Only the writer's thread has any."""

    def __init__(self, tables: LmdbTables, transaction: lmdb.Transaction[bytes]) -> None:
        self._tables = tables
        self._databases = tables.databases
        self._transaction = transaction
        self.lost: RemitError | None = None
        self.grown_bytes = 0

    def get(self, table: Table, key: bytes) -> bytes | None:
        try:
            return self._transaction.get(key, None, self._databases[table])
        except lmdb.Error as error:
            raise self._give_up(error) from error

    def items(self, table: Table, start: bytes) -> Iterator[Item]:
        try:
            with self._transaction.cursor(self._databases[table]) as cursor:
                if cursor.set_range(start):
                    yield from cursor.iternext()
        except lmdb.Error as error:
            raise self._give_up(error) from error

    def room_left(self, claim: Claim, rows: int, size_bytes: int) -> int:
        return self._tables.room.left(claim, self._transaction, rows, size_bytes)

    def has_room_again(self) -> bool:
        return self._tables.room.has_disk_again()

    def full(self) -> StoreFull:
        return self._tables.full()

    def write(self, table: Table, rows: Sequence[Written]) -> None:
        database = self._databases[table]
        put = [(key, value) for key, value in rows if value is not None]
        gone = [key for key, value in rows if value is None] if len(put) < len(rows) else []
        try:
            if len(put) <= SINGLY_MAX:
                for key, value in put:
                    self._transaction.put(key, value, True, True, False, database)
            else:
                with self._transaction.cursor(database) as cursor:
                    cursor.putmulti(put)
            for key in gone:
                self._transaction.delete(key, b"", database)
        except lmdb.Error as error:
            raise TransactionPoisoned(self._give_up(error)) from error

    def commit(self) -> None:
        try:
            self._transaction.commit()
        except lmdb.Error as error:
            raise self._give_up(error) from error
        self.grown_bytes = self._tables.room.committed()

    def abort(self) -> None:
        self._transaction.abort()  # nothing, once it has ended

    def _give_up(self, error: lmdb.Error) -> RemitError:
        if self.lost is None:  # those that follow from the first only say that the transaction is lost
            self.lost = self._tables.explain(error)
        return self.lost


class LmdbStore(TableStore):
    """The store of one data directory, which is made if its parent is there.

    `map_size_bytes` bounds the file, but for what is held back beyond it (see `room`); opening with a larger one later
    is how it grows. `clock_us` stamps the deltas."""

    def __init__(
        self,
        path: Path,
        *,
        clock_us: Callable[[], int],
        fatal: Callable[[str], None] = stop_process,
        queue_max: int = QUEUE_MAX,
        map_size_bytes: int = MAP_SIZE_BYTES,
    ) -> None:
        """Raises StoreUnavailable with the fix, StoreLocked, StoreFormatUnknown, StoreDamaged, StoreFull."""
        super().__init__(LmdbTables(path, map_size_bytes), clock_us=clock_us, fatal=fatal, queue_max=queue_max)
