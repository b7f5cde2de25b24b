"""A store that lives in memory and dies with the process: for tests, trials and `--in-memory`.

One sorted dictionary a table; a row is a chain of versions, newest first, each with the number of the commit that made
it. A snapshot is only a number, and sees the newest version that is not newer: so readers neither wait for the writer
nor see half of what it does.
Law: no snapshot ever sees a version that was committed after it began."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sortedcontainers import SortedDict

from remit.errors import StoreFull, StoreUnavailable
from remit.store.scratch import ScratchFile
from remit.store.tables.interface import Claim, Item, Table, Written, steady_items
from remit.store.tables.table_store import QUEUE_MAX, TableStore
from remit.store.tables.writer_thread import stop_process

# What a row costs beside its key and value: two bytes objects, a version, a place in the dictionary and in its order.
ROW_BYTES = 250


class Version(NamedTuple):
    """What a row was from one commit on; `value` None where it was removed."""

    commit: int
    value: bytes | None
    older: Version | None

    def at(self, commit: int) -> bytes | None:
        """Cost: O(versions since), one unless somebody reads long."""
        version: Version | None = self
        while version is not None and version.commit > commit:
            version = version.older
        return version.value if version is not None else None


class MemoryTables:
    """The tables. A lock guards each step, never a whole view."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: list[SortedDict[bytes, Version]] = [SortedDict() for _ in Table]
        self._committed = 0
        self._readers: Counter[int] = Counter()
        self._stale: deque[tuple[int, Table, bytes]] = deque()  # (commit, row) where an older version may be left
        self._size_bytes = 0
        self._is_closed = False

    def snapshot(self) -> MemorySnapshot:
        with self.lock:
            if self._is_closed:
                raise StoreUnavailable("the store is closed")
            self._readers[self._committed] += 1
            return MemorySnapshot(self, self._committed)

    def begin(self) -> MemoryTransaction:
        return MemoryTransaction(self, self._committed)

    def give_up_reserve(self) -> bool:
        return False

    def scratch(self) -> ScratchFile:
        return ScratchFile(None)

    def size_bytes(self) -> int:
        return self._size_bytes

    def close(self) -> None:
        self._is_closed = True  # views that are still open keep what they see

    def release(self, commit: int) -> None:
        with self.lock:
            self._readers[commit] -= 1
            if not self._readers[commit]:
                del self._readers[commit]

    def advance(self, written: Sequence[tuple[Table, Written]]) -> None:
        """Commit: everybody who begins from now on sees it. Versions that nobody can see any more are dropped."""
        with self.lock:
            commit = self._committed + 1
            for table, (key, value) in written:
                rows = self.rows[table]
                before = rows.get(key)
                after = rows[key] = Version(commit, value, before)
                self._size_bytes += _row_bytes(key, after) - _row_bytes(key, before)
                self._stale.append((commit, table, key))
            self._committed = commit
            oldest = min(self._readers, default=commit)
            while self._stale and self._stale[0][0] <= oldest:
                _, table, key = self._stale.popleft()
                self._prune(self.rows[table], key, oldest)

    def _prune(self, rows: SortedDict[bytes, Version], key: bytes, oldest: int) -> None:
        """Cut a row's chain below the version that the oldest reader sees; a removed row goes altogether."""
        kept: list[Version] = []
        version = rows.get(key)
        while version is not None:
            kept.append(version)
            if version.commit <= oldest:
                break
            version = version.older
        if len(kept) == 1 and kept[0].value is None and kept[0].commit <= oldest:
            del rows[key]
        elif kept:
            chain: Version | None = None
            for version in reversed(kept):
                chain = Version(version.commit, version.value, chain)
            rows[key] = chain

    def fetch(self, table: Table, start: bytes, limit: int, commit: int) -> list[Item]:
        """Up to `limit` rows from `start` on, as a commit saw them."""
        found: list[Item] = []
        with self.lock:
            rows = self.rows[table]
            for key in rows.irange(start):
                value = rows[key].at(commit)
                if value is not None:
                    found.append((key, value))
                    if len(found) == limit:
                        break
        return found


def _row_bytes(key: bytes, version: Version | None) -> int:
    if version is None or version.value is None:
        return 0
    return ROW_BYTES + len(key) + len(version.value)


class MemorySnapshot:
    """All tables as one commit left them."""

    def __init__(self, tables: MemoryTables, commit: int) -> None:
        self._tables = tables
        self._commit = commit
        self._is_closed = False

    def get(self, table: Table, key: bytes) -> bytes | None:
        self._check_open()
        version = self._tables.rows[table].get(key)  # one step of a dictionary: it needs no lock
        return version.at(self._commit) if version is not None else None

    def items(self, table: Table, start: bytes) -> Iterator[Item]:
        def fetch(start: bytes, limit: int) -> list[Item]:
            self._check_open()
            return self._tables.fetch(table, start, limit, self._commit)

        return steady_items(fetch, start)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._tables.release(self._commit)

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("this view has ended")


class MemoryTransaction:
    """Keeps what is written until the commit makes versions of it."""

    lost = None
    grown_bytes = 0  # of a disk there is none

    def __init__(self, tables: MemoryTables, seen: int) -> None:
        self._tables = tables
        self._seen = seen  # the commit before
        self._written: list[tuple[Table, Written]] = []
        self._is_closed = False

    def get(self, table: Table, key: bytes) -> bytes | None:
        self._check_open()
        version = self._tables.rows[table].get(key)
        return version.at(self._seen) if version is not None else None

    def items(self, table: Table, start: bytes) -> Iterator[Item]:
        def fetch(start: bytes, limit: int) -> list[Item]:
            self._check_open()
            return self._tables.fetch(table, start, limit, self._seen)

        return steady_items(fetch, start)

    def room_left(self, claim: Claim, rows: int, size_bytes: int) -> int:
        return sys.maxsize  # what bounds memory ends the process

    def has_room_again(self) -> bool:
        return False  # it never was without

    def full(self) -> StoreFull:
        raise AssertionError("memory has room until the process ends")

    def write(self, table: Table, rows: Sequence[Written]) -> None:
        self._check_open()
        self._written += [(table, row) for row in rows]

    def commit(self) -> None:
        self._check_open()
        self._is_closed = True
        self._tables.advance(self._written)

    def abort(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("this transaction has ended")


class MemoryStore(TableStore):
    """A store in memory. `clock_us` stamps the deltas; see `TableStore`."""

    def __init__(
        self,
        *,
        clock_us: Callable[[], int],
        fatal: Callable[[str], None] = stop_process,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        super().__init__(MemoryTables(), clock_us=clock_us, fatal=fatal, queue_max=queue_max)
