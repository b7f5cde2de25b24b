"""What one commit will write, in memory until all of its requests have been judged.

A request writes here and sees what it wrote, and what its predecessors wrote. One that is refused is taken back step by
step, so no table ever held anything of it; what remains goes down in one piece, in the order of the keys, which is how
a B-tree likes it best. Measured with a request of one relationship: transactions nested in LMDB's own cost 9 µs each,
and writing in order a third less than as it comes.
Law: what is read here is what the tables will say once it is committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sortedcontainers import SortedList

from remit.errors import RemitError, StoreFull
from remit.store.tables.interface import Claim, Item, Rows, Table, Transaction, next_key

# Tables that every request looks into and few write: what was found there is remembered as long as the commit lasts.
_HEADS, _STORES = Table.HEADS, Table.STORES
_REMEMBERED = frozenset((Table.META, _STORES, _HEADS))
_TABLES = tuple(Table)  # gone through once: to go through an enumeration at each commit was 2 % of a write


class _Nothing:
    """What stood at a key before the first write to it: nothing is staged there."""


_NOTHING: Final = _Nothing()

Staged = dict[bytes, bytes | None]  # by key; None where the row is removed
Undo = tuple[Table, bytes, bytes | _Nothing | None]


class Staging:
    """A view in which one thread also writes, over rows that do not change meanwhile: thrown away, nothing of it
    remains."""

    __slots__ = ("_below", "_found", "_ordered", "_staged", "_undo", "notes", "size_bytes", "writes")

    def __init__(self, below: Rows) -> None:
        self._below = below
        self._staged: list[Staged] = [{} for _ in _TABLES]
        self._found: dict[tuple[Table, bytes], bytes | None] = {}  # below, of the tables that are remembered
        self._ordered: dict[Table, SortedList[bytes]] = {}  # staged keys of tables that were iterated over
        # What a view knows of a named store as this commit leaves it, for the next one. Whoever writes a store's record
        # or head tears it up; a view that wrote the head itself makes a new one.
        self.notes: dict[str, Any] = {}
        self._undo: list[Undo] = []  # how to take back what the request under way has written
        self.writes = 0  # puts and deletes so far, of requests that were not refused
        self.size_bytes = 0  # of the keys and values that they put

    # --- reading ------------------------------------------------------------------------------------------------

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Cost: O(log n)."""
        staged = self._staged[table]
        if staged and key in staged:
            return staged[key]
        if table not in _REMEMBERED:
            return self._below.get(table, key)
        place = (table, key)
        if place not in self._found:
            self._found[place] = self._below.get(table, key)
        return self._found[place]

    def items(self, table: Table, start: bytes) -> Iterator[Item]:
        """As of a snapshot; a row written or removed meanwhile ahead of the iteration is seen as it then stands.
        Cost: O(log n) for the first, then O(1) a row, and O(log staged) where any of the table is staged."""
        staged = self._staged[table]
        rows = self._below.items(table, start)  # nothing is written there before the commit
        row = next(rows, None)
        while True:
            key = self._next_staged(table, start) if staged else None
            if row is not None and (key is None or row[0] < key):
                start = next_key(row[0])
                yield row
                row = next(rows, None)
            elif key is not None:
                if row is not None and row[0] == key:
                    row = next(rows, None)
                start = next_key(key)
                value = staged[key]
                if value is not None:
                    yield key, value
            else:
                return

    def _next_staged(self, table: Table, start: bytes) -> bytes | None:
        ordered = self._ordered.get(table)
        if ordered is None:
            ordered = self._ordered[table] = SortedList(self._staged[table])
        return next(ordered.irange(start), None)

    def staged(self, table: Table) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
        """Of every row that is staged: its key, what is committed there, and what will be. Cost: O(log n) a row."""
        return ((key, self._below.get(table, key), value) for key, value in self._staged[table].items())

    # --- writing ------------------------------------------------------------------------------------------------

    def put(self, table: Table, key: bytes, value: bytes | None) -> None:
        """Write a row; None removes it."""
        staged = self._staged[table]
        before = staged.get(key, _NOTHING)
        self._undo.append((table, key, before))
        staged[key] = value
        if table is _HEADS or table is _STORES:
            self.notes.clear()
        if self._ordered and before is _NOTHING and table in self._ordered:
            self._ordered[table].add(key)
        self.writes += 1
        if value is not None:
            self.size_bytes += len(key) + len(value)

    def insert(self, table: Table, key: bytes, value: bytes) -> bool:
        """Put the row if there is none; whether it was put."""
        is_absent = self.get(table, key) is None
        if is_absent:
            self.put(table, key, value)
        return is_absent

    def delete(self, table: Table, key: bytes) -> bool:
        """Whether there was a row to remove."""
        is_present = self.get(table, key) is not None
        if is_present:
            self.put(table, key, None)
        return is_present


class StagedCommit(Staging):
    """What a transaction will write. Between two requests `keep` or `take_back` is called; at the end, `write_down`
    and `commit`."""

    __slots__ = ("_kept",)

    _below: Transaction

    def __init__(self, below: Transaction) -> None:
        super().__init__(below)
        self._kept = (0, 0)  # writes and bytes of the requests before the one under way

    # --- one request after another ------------------------------------------------------------------------------

    def keep(self) -> None:
        """The request under way is part of the commit."""
        self._undo.clear()
        self._kept = (self.writes, self.size_bytes)

    def take_back(self) -> None:
        """The request under way was refused: nothing of it remains. Cost: O(what it wrote)."""
        for table, key, before in reversed(self._undo):
            if isinstance(before, _Nothing):
                del self._staged[table][key]
                if table in self._ordered:
                    self._ordered[table].remove(key)
            else:
                self._staged[table][key] = before
        self._undo.clear()
        self.notes.clear()
        self.writes, self.size_bytes = self._kept

    def room_left(self, claim: Claim) -> int:
        """Bytes that a claim would still have after this commit; below 0 where it has no place."""
        return self._below.room_left(claim, self.writes, self.size_bytes)

    @property
    def grown_bytes(self) -> int:
        """By how much the commit made what there is on the disk grow."""
        return self._below.grown_bytes

    def has_room_again(self) -> bool:
        """Whether there is room after all for what is ordinary."""
        return self._below.has_room_again() and self.room_left(Claim.ORDINARY) >= 0

    def full(self) -> StoreFull:
        """The error that says which room is lacking."""
        return self._below.full()

    def under_way(self) -> Iterator[tuple[Table, int | None]]:
        """Of the rows that the request under way has written: the table, and how many bytes; None where one goes."""
        for table, key, _ in self._undo:
            value = self._staged[table][key]
            yield table, len(key) + len(value) if value is not None else None

    @property
    def lost(self) -> RemitError | None:
        """Why the tables below have given the transaction up, so that nothing of it can be committed; None: they have
        not."""
        return self._below.lost

    def write_down(self) -> None:
        """Hand what was staged to the tables below: all that is left to do is to `commit`. Raises TransactionPoisoned:
        nothing happened."""
        for table, staged in zip(_TABLES, self._staged, strict=True):
            if staged:
                self._below.write(table, sorted(staged.items()))  # no two keys are equal, so no values are compared

    def commit(self) -> None:
        """Make what was written down durable. Raises StoreFull, StoreUnavailable: nothing happened."""
        self._below.commit()

    def abort(self) -> None:
        """Forget it. It may be called again."""
        self._below.abort()
