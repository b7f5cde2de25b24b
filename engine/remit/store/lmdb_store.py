"""The store on disk: the tables in one LMDB environment, one directory, opened once in the process.

LMDB is a B-tree that never overwrites a page a reader might see; a commit writes new pages, syncs them, and then swings
one root over to them. So `kill -9` at any moment leaves the old root or the new one, readers need no locks, and writers
never wait for them.
Law: `commit` returns only after the sync; what LMDB does not confirm did not happen."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Self

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
from remit.store.directory import NO_ROOM, DataDirectory, explain
from remit.store.keys import pack, unpack
from remit.store.scratch import ScratchFile
from remit.store.stores import QUEUE_MAX, TableStore
from remit.store.tables import Item, Table, TransactionPoisoned, steady_items
from remit.store.writer import stop_process

MAGIC = "remit"
# 1 kept every revision for ever; 2 forgets old ones. A head of 1 lacks the oldest revision that can still be seen,
# which is read as 0, so an old directory only has to be marked: a server of before must not take it for its own.
FORMAT_VERSION = 2
FORMATS_READ = (1, FORMAT_VERSION)

# The map is address space, not memory or disk: the file grows as pages are written. It cannot grow while anyone reads,
# so it is large from the start: some 400 million relationships, more than the graph in memory can hold on one machine,
# and still a small part of the 128 TiB that a process may address.
MAP_SIZE_BYTES = 256 * 2**30

# Views open at the same time, each a slot of 64 bytes in the lock file: far more than a server has threads.
READERS_MAX = 4096
SPARE_SNAPSHOTS = 64

# What a full disk is told from another I/O error with.
PROBE_BYTES = 64 * 1024

CLOSE_WAIT_S = 10.0

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
                self.databases = self._open_tables()  # by table
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
            return LmdbTransaction(self, self._environment.begin(write=True), None)
        except lmdb.Error as error:
            raise self.explain(error) from error

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

    def nested(self, parent: lmdb.Transaction[bytes]) -> lmdb.Transaction[bytes]:
        return self._environment.begin(write=True, parent=parent)

    def explain(self, error: lmdb.Error) -> RemitError:
        """What LMDB's error means to whoever asked."""
        if isinstance(error, lmdb.MapFullError):
            size = self._map_size_bytes
            return StoreFull(
                f"the map of `{size}` bytes is full: open the store with a larger one (`--store-bytes-max`)",
                map_size_bytes=size,
            )
        code = getattr(error, "code", 0)  # errors of py-lmdb itself have none
        if code in NO_ROOM or (code == errno.EIO and not self._directory.has_room(PROBE_BYTES)):
            path = self._directory.path
            return StoreFull(f"no room is left for data directory `{path}`: free some space", path=path)
        if isinstance(error, lmdb.TxnFullError):
            return LimitExceeded(
                "the write touches more pages than one commit can carry: split it", limit="commit_pages"
            )
        if isinstance(error, lmdb.BadTxnError):
            return TransactionPoisoned(f"the transaction had to be given up: {error}")
        if isinstance(error, lmdb.ReadersFullError):
            return StoreUnavailable(f"`{READERS_MAX}` views are open already: close some", readers_max=READERS_MAX)
        if isinstance(error, _DAMAGE):
            return StoreDamaged(f"data directory `{self._directory.path}` is damaged ({error}): restore a backup")
        if isinstance(error, lmdb.PanicError):
            return StoreUnavailable(f"the disk failed at an earlier commit, restart the process: {error}")
        return StoreUnavailable(f"data directory `{self._directory.path}` cannot be read or written: {error}")

    # --- opening ------------------------------------------------------------------------------------------------

    def _open(self) -> lmdb.Environment:
        path = self._directory.path
        try:
            environment = lmdb.open(
                str(path),
                map_size=self._map_size_bytes,
                mode=0o600,
                max_dbs=len(Table),
                max_readers=READERS_MAX,
                max_spare_txns=SPARE_SNAPSHOTS,
            )
            environment.reader_check()  # forget readers of processes that were killed
            self._fill_up(environment)
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
                raise explain(OSError(code, error.reason), path) from error
            raise self.explain(error) from error
        return environment

    def _fill_up(self, environment: lmdb.Environment) -> None:
        """Where the file is shorter than its map says, let the rest read as zeros.

        Pages at the end that were never used may be missing rightly. In a file that was cut off, a read there would end
        the process with SIGBUS; zeros are no page, so LMDB reports the damage instead."""
        size = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if self._directory.data_file.stat().st_size < size:
            os.truncate(self._directory.data_file, size)

    def _open_tables(self) -> list[lmdb._Database]:
        try:
            if not self._environment.stat()["entries"]:
                return self._make_tables()
            meta = self._environment.open_db(_on_disk(Table.META), create=False)
            with self._environment.begin() as transaction:
                version = self._checked_format(transaction.get(_FORMAT, db=meta))
            if version != FORMAT_VERSION:
                with self._environment.begin(write=True) as transaction:
                    transaction.put(_FORMAT, pack((MAGIC, FORMAT_VERSION)), db=meta)
            return [self._environment.open_db(_on_disk(table), create=False) for table in Table]
        except lmdb.NotFoundError as error:
            raise StoreFormatUnknown(
                f"`{self._directory.data_file}` was not written by remit", path=self._directory.path
            ) from error
        except lmdb.Error as error:
            raise self.explain(error) from error
        except OSError as error:
            raise explain(error, self._directory.path) from error

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
    return table.name.lower().encode()


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
    """A write transaction, or one nested in another. Only the writer's thread has any."""

    def __init__(
        self, tables: LmdbTables, transaction: lmdb.Transaction[bytes], parent: LmdbTransaction | None
    ) -> None:
        self._tables = tables
        self._databases = tables.databases
        self._transaction = transaction
        self._parent = parent
        self._error: Exception | None = None
        self.writes = 0

    def get(self, table: Table, key: bytes) -> bytes | None:
        try:
            return self._transaction.get(key, db=self._databases[table])
        except lmdb.Error as error:
            raise self._give_up(error) from error

    def items(self, table: Table, start: bytes) -> Iterator[Item]:
        return steady_items(lambda start, limit: self._fetch(table, start, limit), start, lambda: self.writes)

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        try:
            self._transaction.put(key, value, db=self._databases[table])
        except lmdb.Error as error:
            raise self._give_up(error) from error
        self.writes += 1

    def insert(self, table: Table, key: bytes, value: bytes) -> bool:
        try:
            is_absent = self._transaction.put(key, value, overwrite=False, db=self._databases[table])
        except lmdb.Error as error:
            raise self._give_up(error) from error
        self.writes += is_absent
        return is_absent

    def delete(self, table: Table, key: bytes) -> bool:
        try:
            is_present = self._transaction.delete(key, db=self._databases[table])
        except lmdb.Error as error:
            raise self._give_up(error) from error
        self.writes += is_present
        return is_present

    def nested(self) -> Self:
        try:
            return type(self)(self._tables, self._tables.nested(self._transaction), self)
        except lmdb.Error as error:
            raise self._give_up(error) from error

    def commit(self) -> None:
        if self._error is not None:
            # Committing a nested transaction after an error would take its parent down with it.
            self.abort()
            raise self._error
        try:
            self._transaction.commit()
        except lmdb.Error as error:
            raise self._give_up(error) from error
        if self._parent is not None:
            self._parent.writes += self.writes

    def abort(self) -> None:
        self._transaction.abort()  # nothing, once it has ended

    def close(self) -> None:
        self.abort()

    def _fetch(self, table: Table, start: bytes, limit: int) -> list[Item]:
        try:
            with self._transaction.cursor(self._databases[table]) as cursor:
                return list(islice(cursor.iternext(), limit)) if cursor.set_range(start) else []
        except lmdb.Error as error:
            raise self._give_up(error) from error

    def _give_up(self, error: lmdb.Error) -> Exception:
        """The first error is the one to tell; those that follow from it only say that the transaction is lost."""
        if self._error is None:
            self._error = self._tables.explain(error)
        return self._error


class LmdbStore(TableStore):
    """The store of one data directory, which is made if its parent is there.

    `map_size_bytes` bounds the file; opening with a larger one later is how it grows. `clock_us` stamps the deltas."""

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
