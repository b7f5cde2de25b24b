"""Ordered tables of bytes under transactions: the least that a store needs from what lies below it.

Everything a store does (relationships both ways, schemas, the changelog) is written once, over these few verbs; LMDB
and memory each provide them. A key is at most `KEY_BYTES_MAX` long, a value any length.
Law: what a snapshot shows never changes, and what a transaction wrote is seen by others wholly or never."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Protocol

from remit.errors import RemitError, StoreFull
from remit.store.port import Scratch

# LMDB as everybody builds it refuses keys beyond 511 bytes. One byte is held back, so that `key + b"\0"`, the very next
# possible key, can still be sought.
KEY_BYTES_MAX = 510

# How many rows a scan takes at a time where it cannot hold a cursor. Measured in memory over 50,000 rows: 0.93, 0.76,
# 0.74 and 0.75 µs a row at 16, 64, 256 and 1,024.
CHUNK_ROWS = 256

Item = tuple[bytes, bytes]
Written = tuple[bytes, bytes | None]  # None: the row is removed


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
    TOMBSTONES = 7  # number of a deleted store whose rows are still being removed; on disk it is called `graves`
    RECORDS = 8  # number, kind, object → provenance and document


class Claim(IntEnum):
    """What a task may take of the room that is left, when there is little. Later ones may take more."""

    ORDINARY = 0  # what everybody has; beyond it are held back
    STOP = 1  # a write of a few changes, or one that only removes: a hold, a release, a deletion
    UPKEEP = 2  # the store's own, which makes room or keeps the clock: nobody else can queue it


class TransactionPoisoned(Exception):  # the writer's own: it starts over, or tells `reason` to the only one concerned
    """What lies below gave up on the whole transaction, whichever request of it was the cause."""

    def __init__(self, reason: RemitError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Rows(Protocol):
    """What all views can be asked."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Cost: O(log n)."""
        ...

    def items(self, table: Table, start: bytes) -> Iterator[Item]:
        """Every row with a key ≥ `start`, in the order of bytes. Cost: O(log n), then O(1) a row."""
        ...


class Snapshot(Rows, Protocol):
    """A consistent view of all tables."""

    def close(self) -> None:
        """End the view. It may be called again."""
        ...


class Transaction(Rows, Protocol):
    """All tables as one writer finds them, and what its commit writes to them, in one go at the end: see `staging.py`.
    While anything is read, nothing is written."""

    @property
    def lost(self) -> RemitError | None:
        """The error that left it good for nothing but `abort`."""
        ...

    @property
    def grown_bytes(self) -> int:
        """By how much the commit made what there is on the disk grow."""
        ...

    def room_left(self, claim: Claim, rows: int, size_bytes: int) -> int:
        """Bytes that a claim would still have, were so many rows and bytes written; below 0 where they have no place.
        The estimate is meant to be too small. Cost: O(1) where there is plenty."""
        ...

    def has_room_again(self) -> bool:
        """To be asked before something ordinary is refused: whether what was found full, a disk, has room now, and what
        is held back there is whole again."""
        ...

    def full(self) -> StoreFull:
        """The error that says which room is lacking, and what to do."""
        ...

    def write(self, table: Table, rows: Sequence[Written]) -> None:
        """Put rows, or remove them, in the order of their keys. Raises TransactionPoisoned."""
        ...

    def commit(self) -> None:
        """Make it durable. Raises StoreFull, StoreUnavailable: nothing happened."""
        ...

    def abort(self) -> None:
        """Forget it. It may be called again."""
        ...


class Tables(Protocol):
    """All tables of one data directory, or of one memory."""

    def snapshot(self) -> Snapshot: ...

    def begin(self) -> Transaction:
        """Start to write. One thread at a time: the writer's."""
        ...

    def give_up_reserve(self) -> bool:
        """Where a commit found the disk full: give it what was held back there for claims beyond the ordinary. Whether
        there was anything, so that it is worth another attempt. The writer's thread only."""
        ...

    def size_bytes(self) -> int: ...

    def scratch(self) -> Scratch:
        """An unnamed file, beside the data where there is such a place."""
        ...

    def close(self) -> None:
        """Let go of everything. May wait for open snapshots, and raise StoreUnavailable. It may be called again."""
        ...


def next_key(key: bytes) -> bytes:
    """The first key after `key` in the order of bytes."""
    return key + b"\0"


def steady_items(fetch: Callable[[bytes, int], list[Item]], start: bytes) -> Iterator[Item]:
    """An iteration that others may write beside: `fetch(start, limit)` gives some rows at a time."""
    while True:
        rows = fetch(start, CHUNK_ROWS)
        yield from rows
        if len(rows) < CHUNK_ROWS:
            return
        start = next_key(rows[-1][0])
