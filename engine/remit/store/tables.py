"""Ordered tables of bytes under transactions: the least that a store needs from what lies below it.

Everything a store does (relationships both ways, schemas, the changelog) is written once, over these few verbs; LMDB
and memory each provide them. A key is at most `KEY_BYTES_MAX` long, a value any length.
Law: what a snapshot shows never changes, and what a transaction wrote is seen by others wholly or never."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Protocol, Self

from remit.errors import StoreUnavailable
from remit.store.scratch import ScratchFile

# LMDB as everybody builds it refuses keys beyond 511 bytes. One byte is held back, so that `key + b"\0"`, the very next
# possible key, can still be sought.
KEY_BYTES_MAX = 510

# How many rows a scan takes at a time where it cannot hold a cursor. Measured in memory over 50,000 rows: 0.93, 0.76,
# 0.74 and 0.75 µs a row at 16, 64, 256 and 1,024.
CHUNK_ROWS = 256

Item = tuple[bytes, bytes]


class Table(IntEnum):
    """The tables. Keys and values are explained where they are encoded: `keys.py`, `changelog.py`.

    Integers, because a list is indexed by them at every step; on disk a table goes by its name."""

    META = 0  # what is true of the whole directory: format, clock, the next store's number
    STORES = 1  # name → number, UUID, epoch
    HEADS = 2  # number → last revision, revision of the schema, oldest revision that can still be seen
    SCHEMAS = 3  # number, revision → schema text
    RELATIONSHIPS = 4  # number, resource#relation@subject → provenance and qualifiers
    BY_SUBJECT = 5  # number, subject first → nothing: the key says it all
    CHANGELOG = 6  # number, revision, part → what the revision did
    GRAVES = 7  # number of a deleted store whose rows are still being removed


class TransactionPoisoned(StoreUnavailable):
    """What lies below gave up on the whole transaction, not only on one request of it. The writer starts over."""


class Snapshot(Protocol):
    """A consistent view of all tables."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Cost: O(log n)."""
        ...

    def items(self, table: Table, start: bytes) -> Iterator[Item]:
        """Every row with a key ≥ `start`, in the order of bytes. Cost: O(log n), then O(1) a row.

        In a transaction, a row written or removed meanwhile ahead of the iteration is seen as it then stands."""
        ...

    def close(self) -> None:
        """End the view. Twice is once."""
        ...


class Transaction(Snapshot, Protocol):
    """A view in which one thread also writes. After an error the only thing left to do is `abort`."""

    writes: int  # puts and deletes so far, those of finished nested transactions included

    def put(self, table: Table, key: bytes, value: bytes) -> None: ...

    def insert(self, table: Table, key: bytes, value: bytes) -> bool:
        """Put the row if there is none; whether it was put."""
        ...

    def delete(self, table: Table, key: bytes) -> bool:
        """Whether there was a row to remove."""
        ...

    def nested(self) -> Self:
        """A transaction within this one, which rests until the nested one commits into it or aborts."""
        ...

    def commit(self) -> None:
        """Make it durable (a nested one: part of its parent). Raises StoreFull, StoreUnavailable: nothing happened."""
        ...

    def abort(self) -> None:
        """Forget it. Twice is once."""
        ...


class Tables(Protocol):
    """All tables of one data directory, or of one memory."""

    def snapshot(self) -> Snapshot: ...

    def begin(self) -> Transaction:
        """Start to write. One thread at a time: the writer's."""
        ...

    def size_bytes(self) -> int: ...

    def scratch(self) -> ScratchFile:
        """An unnamed file, beside the data where there is such a place."""
        ...

    def close(self) -> None:
        """Let go of everything. May wait for open snapshots, and raise StoreUnavailable. Twice is once."""
        ...


def next_key(key: bytes) -> bytes:
    """The first key after `key` in the order of bytes."""
    return key + b"\0"


def steady_items(
    fetch: Callable[[bytes, int], list[Item]], start: bytes, writes: Callable[[], int] = lambda: 0
) -> Iterator[Item]:
    """An iteration that others may write beside: rows are fetched some at a time, and again after each write.

    `fetch(start, limit)` gives the rows as they stand. A write (a higher `writes()`) throws away what was fetched
    ahead; after one, rows are fetched singly and then doubling again, so that deleting all one scans stays linear."""
    limit = CHUNK_ROWS
    while True:
        seen = writes()
        rows = fetch(start, limit)
        for row in rows:
            yield row
            start = next_key(row[0])
            if writes() != seen:
                limit = 1
                break
        else:
            if len(rows) < limit:
                return
            limit = min(limit * 2, CHUNK_ROWS)
