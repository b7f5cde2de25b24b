"""Restoring: a backup becomes a named store, of which nobody sees anything before all of it is there and right.

The rows are written as they come, a bounded number in each task of the writer, under a number of their own that is
already marked as a tombstone. So what a restore leaves behind, whether it was refused, given up or killed with the
process, is removed like the rows of any deleted store. The last task, once the digest is right, takes the mark away
and gives the store its name.
Law: a store that was restored is one that could have been written, and a restore that failed leaves nothing."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from remit.errors import BackupRefused, StoreExists, StoreUnavailable
from remit.notation import format_time
from remit.store.backup import (
    BackupReader,
    Block,
    ChangelogBlock,
    RecordsBlock,
    RelationshipsBlock,
    SchemaBlock,
    StoreBlock,
)
from remit.store.backup_validator import BackupValidator
from remit.store.codec import pack, sort_key
from remit.store.port import BULK_WEIGHT, Judge, Restoration, StoreIdentity
from remit.store.tables.interface import Claim, Table
from remit.store.tables.keys import encode_pointer, name_key, revision_key, schema_key, store_prefix, subject_first
from remit.store.tables.staging import Staging
from remit.store.tables.store_reader import HeadRecord
from remit.store.tables.writer_thread import logger

T = TypeVar("T")

# What one task of the writer carries: some ten milliseconds, in which other writes wait. They share its commit.
PIECE_ROWS = 1_000
PIECE_BYTES = 1024 * 1024

UNDER_WAY = b"restoring"  # what a tombstone holds while a restore fills it; empty once it may be emptied

# A backup may be restored in several places at once, each of which then goes its own way: an epoch no other will hit.
_EPOCH_STEP = 2**48

Row = tuple[Table, bytes, bytes]


class RestoreTarget(Protocol):
    """What a restore asks of the store it writes into."""

    def next_number(self, transaction: Staging) -> int:
        """A number for a named store, never given before or again."""
        ...

    def queue(
        self,
        run: Callable[[Staging], T],
        settled: Callable[[T], None] | None = None,
        weight: int = 1,
        claim: Claim = Claim.ORDINARY,
    ) -> Future[T]:
        """Hand a task to the writer."""
        ...

    def sweep_later(self, tombstone: bytes) -> None:
        """Called on the writer's thread: from now on the rows of this tombstone may go."""
        ...


class StoreRestoration(Restoration):
    """One restore under way: `begin` it, take the `pieces` of its bytes, then `finish`; and `close` it, whatever
    happened. One thread at a time, but for `close`."""

    def __init__(self, target: RestoreTarget, name: str, judge: Judge, now_us: Callable[[], int]) -> None:
        """Does not wait: the disk is first asked when the first bytes come. Raises InvalidArgument."""
        self._target = target
        self._name = name
        self._key = name_key(name)
        self._judge = judge
        self._now_us = now_us
        self._reader = BackupReader()
        self._rows: list[Row] = []  # read, and not yet written
        self._weight = 0
        self._store: StoreBlock | None = None
        self._validator: BackupValidator | None = None
        self._number = 0  # none yet
        self.is_at_schema = False
        self._closing = threading.Lock()
        self._is_closed = False

    def pieces(self, data: bytes) -> Iterator[Future[None]]:
        """The next bytes of the backup, once it is begun, in steps: each ends before the disk is waited for, and gives
        what to wait for before the next. A schema is a step of its own. Raises BackupDamaged, BackupFormatUnknown,
        BackupRefused, and what a write may fail with."""
        for block in self._reader.feed(data):
            self.is_at_schema = isinstance(block, SchemaBlock)
            if self.is_at_schema:
                yield _nothing_to_wait_for()
            for row in self._rows_of(block):
                self._rows.append(row)
                self._weight += len(row[1]) + len(row[2])
                if len(self._rows) >= PIECE_ROWS or self._weight >= PIECE_BYTES:
                    yield self._write()
            if self.is_at_schema:
                self.is_at_schema = False
                yield _nothing_to_wait_for()

    def finish(self) -> StoreIdentity:
        """All bytes were taken: if they were all there should be, the store is there. Raises as `pieces`, and
        StoreExists where the name was taken meanwhile."""
        self._reader.finish()
        assert self._store is not None, "a backup that ended had a beginning"
        assert self._validator is not None, "likewise"
        self._validator.finish()
        if self._rows:
            self._write().result()
        store, number = self._store, self._number
        # Only now: a clock that is a little behind may have caught up while the backup arrived.
        if store.taken_at_us > self._now_us():
            raise BackupRefused(
                f"the backup was taken at {format_time(store.taken_at_us)}, which this server's clock has not reached: "
                "what had expired would count again; set the clock",
                taken_at=format_time(store.taken_at_us),
            )
        epoch = max(store.epoch, number) + 1 + secrets.randbelow(_EPOCH_STEP)
        identity = StoreIdentity(self._name, store.uuid, epoch)

        def publish(transaction: Staging) -> StoreIdentity:
            self._require_under_way(transaction)
            self._require_free(transaction)
            head = HeadRecord(store.revision, store.schema_revision, store.oldest_revision)
            transaction.delete(Table.TOMBSTONES, self._prefix)
            transaction.put(Table.HEADS, self._prefix, pack(head))
            transaction.put(Table.STORES, self._key, pack((number, identity.uuid, identity.epoch)))
            return identity

        return self._target.queue(publish).result()

    def close(self) -> None:
        """Unless it is finished, give it up: what was written goes. Does not wait, does not fail; twice is once."""
        with self._closing:
            was_closed, self._is_closed = self._is_closed, True
            if self._number and not was_closed:
                self._give_up()

    def begin(self) -> None:
        """Twice is once. Waits for the disk. Raises StoreExists, and what a write may fail with."""
        if self._number:
            return

        def run(transaction: Staging) -> int:
            self._require_free(transaction)
            number = self._target.next_number(transaction)
            transaction.put(Table.TOMBSTONES, store_prefix(number), UNDER_WAY)
            return number

        number = self._target.queue(run).result()
        with self._closing:
            self._number, self._prefix = number, store_prefix(number)
            if self._is_closed:  # meanwhile
                self._give_up()

    def _give_up(self) -> None:
        tombstone = self._prefix

        def give_up(transaction: Staging) -> bool:
            if transaction.get(Table.TOMBSTONES, tombstone) != UNDER_WAY:
                return False
            transaction.put(Table.TOMBSTONES, tombstone, b"")
            return True

        def settled(is_given_up: bool) -> None:
            if is_given_up:
                self._target.sweep_later(tombstone)

        self._target.queue(give_up, settled, claim=Claim.UPKEEP).add_done_callback(_log_if_left)

    def _write(self) -> Future[None]:
        rows, self._rows, self._weight = self._rows, [], 0

        def run(transaction: Staging) -> None:
            self._require_under_way(transaction)
            for table, key, value in rows:
                transaction.put(table, key, value)

        return self._target.queue(run, weight=max(len(rows), BULK_WEIGHT))

    def _require_free(self, transaction: Staging) -> None:
        if transaction.get(Table.STORES, self._key) is not None:
            raise StoreExists(f"store `{self._name}` is already there", field="name", store=self._name)

    def _require_under_way(self, transaction: Staging) -> None:
        if transaction.get(Table.TOMBSTONES, self._prefix) != UNDER_WAY:
            raise StoreUnavailable(f"the restore of store `{self._name}` was given up")

    # --- from blocks to rows ------------------------------------------------------------------------------------

    def _rows_of(self, block: Block) -> Iterator[Row]:
        if isinstance(block, StoreBlock):
            self._store, self._validator = block, BackupValidator(block, self._judge)
            return
        validator, prefix = self._validator, self._prefix
        assert validator is not None, "the reader gives the store first"
        match block:
            case SchemaBlock():
                validator.schema(block)
                yield Table.SCHEMAS, schema_key(prefix, block.revision), block.text.encode()
            case RelationshipsBlock():
                for triple, value in block.rows:
                    relationship = validator.relationship(triple, value).relationship
                    pointer = subject_first(relationship.resource, relationship.relation, relationship.subject)
                    yield Table.RELATIONSHIPS, prefix + sort_key(triple), value
                    yield Table.BY_SUBJECT, prefix + sort_key(pointer), encode_pointer(pointer)
            case RecordsBlock():
                for key, value in block.rows:
                    validator.record(key, value)
                    yield Table.RECORDS, prefix + sort_key(key), value
            case ChangelogBlock():
                for revision, part, row in block.rows:
                    validator.changelog(revision, part, row)
                    yield Table.CHANGELOG, revision_key(prefix, revision, part), row


def _nothing_to_wait_for() -> Future[None]:
    settled: Future[None] = Future()
    settled.set_result(None)
    return settled


def _log_if_left(future: Future[Any]) -> None:
    error = future.exception()
    if error is not None:
        logger.warning("what a restore left is for the next start to remove: %s", error)
