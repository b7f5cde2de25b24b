"""Restoring: a backup becomes a named store, of which nobody sees anything before all of it is there and right.

The rows are written as they come, a bounded number in each task of the writer, under a number of their own that is
already marked as a grave. So what a restore leaves behind, whether it was refused, given up or killed with the
process, is removed like the rows of any deleted store. The last task, once the digest is right, takes the mark away
and gives the store its name.
Law: a store that was restored is one that could have been written, and a restore that failed leaves nothing."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import msgpack

from remit.errors import BackupDamaged, BackupRefused, RemitError, StoreExists, StoreUnavailable
from remit.model import WILDCARD, StoredRelationship
from remit.notation import (
    canonical_json,
    checked_caveat,
    checked_id,
    checked_name,
    checked_type,
    format_time,
    parse_context,
    shortened,
)
from remit.store.backup import BackupReader, Block, ChangelogBlock, RelationshipsBlock, SchemaBlock, StoreBlock
from remit.store.codec import decode_value, encode_value, pack, sort_key, unpack
from remit.store.port import Judge, StoreIdentity
from remit.store.tables.interface import Table
from remit.store.tables.keys import encode_pointer, name_key, revision_key, schema_key, store_prefix, subject_first
from remit.store.tables.staging import Staging
from remit.store.tables.store_reader import Head
from remit.store.tables.writer_thread import logger

T = TypeVar("T")

# What one task of the writer carries: some ten milliseconds, in which other writes wait. They share its commit.
PIECE_ROWS = 1_000
PIECE_BYTES = 1024 * 1024

UNDER_WAY = b"restoring"  # what a grave holds while a restore fills it; empty once it may be emptied

# A backup may be restored in several places at once, each of which then goes its own way: an epoch no other will hit.
_EPOCH_STEP = 2**48
_EPOCH_MAX = 2**63

Row = tuple[Table, bytes, bytes]


class Home(Protocol):
    """What a restore asks of the store it writes into."""

    def next_number(self, transaction: Staging) -> int:
        """A number for a named store, never given before or again."""
        ...

    def queue(self, run: Callable[[Staging], T], settled: Callable[[T], None] | None = None) -> Future[T]:
        """Hand a task to the writer."""
        ...

    def bury(self, grave: bytes) -> None:
        """Called on the writer's thread: from now on the rows of this grave may go."""
        ...


class Restoring:
    """One restore under way: `feed` its bytes, then `finish`; and `close` it, whatever happened. One thread at a time,
    but for `close`."""

    def __init__(self, home: Home, name: str, judge: Judge, now_us: Callable[[], int]) -> None:
        """Does not wait: the disk is first asked when the first bytes come. Raises InvalidArgument."""
        self._home = home
        self._name = name
        self._key = name_key(name)
        self._judge = judge
        self._now_us = now_us
        self._reader = BackupReader()
        self._rows: list[Row] = []  # read, and not yet written
        self._weight = 0
        self._store: StoreBlock | None = None
        self._scrutiny: _Scrutiny | None = None
        self._number = 0  # none yet
        self._closing = threading.Lock()
        self._is_closed = False

    def feed(self, data: bytes) -> None:
        """The next bytes of the backup. Waits for the disk now and then. Raises StoreExists, BackupDamaged,
        BackupFormatUnknown, BackupRefused, and what a write may fail with."""
        if not self._number:
            self._begin()
        for block in self._reader.feed(data):
            for row in self._rows_of(block):
                self._rows.append(row)
                self._weight += len(row[1]) + len(row[2])
                if len(self._rows) >= PIECE_ROWS or self._weight >= PIECE_BYTES:
                    self._write()

    def finish(self) -> StoreIdentity:
        """All bytes were fed: if they were all there should be, the store is there. Raises as `feed`, and StoreExists
        where the name was taken meanwhile."""
        self._reader.finish()
        assert self._store is not None, "a backup that ended had a beginning"
        assert self._scrutiny is not None, "likewise"
        self._scrutiny.finish()
        self._write()
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
            head = Head(store.revision, store.schema_revision, store.oldest_revision)
            transaction.delete(Table.GRAVES, self._prefix)
            transaction.put(Table.HEADS, self._prefix, pack(head))
            transaction.put(Table.STORES, self._key, pack((number, identity.uuid, identity.epoch)))
            return identity

        return self._home.queue(publish).result()

    def close(self) -> None:
        """Unless it is finished, give it up: what was written goes. Does not wait, does not fail; twice is once."""
        with self._closing:
            was_closed, self._is_closed = self._is_closed, True
            if self._number and not was_closed:
                self._give_up()

    def _begin(self) -> None:
        def run(transaction: Staging) -> int:
            self._require_free(transaction)
            number = self._home.next_number(transaction)
            transaction.put(Table.GRAVES, store_prefix(number), UNDER_WAY)
            return number

        number = self._home.queue(run).result()
        with self._closing:
            self._number, self._prefix = number, store_prefix(number)
            if self._is_closed:  # meanwhile
                self._give_up()

    def _give_up(self) -> None:
        grave = self._prefix

        def give_up(transaction: Staging) -> bool:
            if transaction.get(Table.GRAVES, grave) != UNDER_WAY:
                return False
            transaction.put(Table.GRAVES, grave, b"")
            return True

        def settled(is_given_up: bool) -> None:
            if is_given_up:
                self._home.bury(grave)

        self._home.queue(give_up, settled).add_done_callback(_tell_if_left)

    def _write(self) -> None:
        rows, self._rows, self._weight = self._rows, [], 0
        if not rows:
            return

        def run(transaction: Staging) -> None:
            self._require_under_way(transaction)
            for table, key, value in rows:
                transaction.put(table, key, value)

        self._home.queue(run).result()

    def _require_free(self, transaction: Staging) -> None:
        if transaction.get(Table.STORES, self._key) is not None:
            raise StoreExists(f"store `{self._name}` is already there", field="name", store=self._name)

    def _require_under_way(self, transaction: Staging) -> None:
        if transaction.get(Table.GRAVES, self._prefix) != UNDER_WAY:
            raise StoreUnavailable(f"the restore of store `{self._name}` was given up")

    # --- from blocks to rows ------------------------------------------------------------------------------------

    def _rows_of(self, block: Block) -> Iterator[Row]:
        if isinstance(block, StoreBlock):
            self._store, self._scrutiny = block, _Scrutiny(block, self._judge)
            return
        scrutiny, prefix = self._scrutiny, self._prefix
        assert scrutiny is not None, "the reader gives the store first"
        match block:
            case SchemaBlock():
                scrutiny.schema(block)
                yield Table.SCHEMAS, schema_key(prefix, block.revision), block.text.encode()
            case RelationshipsBlock():
                for triple, value in block.rows:
                    relationship = scrutiny.relationship(triple, value).relationship
                    pointer = subject_first(relationship.resource, relationship.relation, relationship.subject)
                    yield Table.RELATIONSHIPS, prefix + sort_key(triple), value
                    yield Table.BY_SUBJECT, prefix + sort_key(pointer), encode_pointer(pointer)
            case ChangelogBlock():
                for revision, part, row in block.rows:
                    scrutiny.changelog(revision, part, row)
                    yield Table.CHANGELOG, revision_key(prefix, revision, part), row


def _tell_if_left(future: Future[Any]) -> None:
    error = future.exception()
    if error is not None:
        logger.warning("what a restore left is for the next start to remove: %s", error)


class _Scrutiny:
    """Whether what a backup says could be true of a store: every name, number and order that the rest of Remit takes
    for granted. Raises BackupDamaged, and BackupRefused where the judge does not agree."""

    def __init__(self, store: StoreBlock, judge: Judge) -> None:
        self._store = store
        self._judge = judge
        self._schemas: list[int] = []
        self._last_row = b""
        self._revision = store.oldest_revision  # of the changelog, so far
        self._part, self._parts = 1, 1  # the next part of that revision, and how many it has
        if not store.oldest_revision <= store.revision < _EPOCH_MAX or store.epoch >= _EPOCH_MAX:
            raise BackupDamaged("the backup's revisions or its epoch cannot be")
        if store.taken_at_us >= _EPOCH_MAX:
            raise BackupDamaged("the backup's time cannot be")

    def schema(self, block: SchemaBlock) -> None:
        """The first may be of any time, the others are of the changelog."""
        last = self._schemas[-1] if self._schemas else 0
        oldest = self._store.oldest_revision if self._schemas else 0
        if not max(last, oldest) < block.revision <= self._store.revision:
            raise BackupDamaged(f"the backup's schema of revision `{block.revision}` is out of its place")
        self._schemas.append(block.revision)
        try:
            self._judge.schema(block.text)
        except RemitError as error:
            raise BackupRefused(
                f"the backup's schema of revision `{block.revision}` does not compile here: {error.message}"
            ) from error

    def relationship(self, triple: bytes, value: bytes) -> StoredRelationship:
        row = sort_key(triple)
        if row <= self._last_row:
            raise BackupDamaged(f"the backup's relationship `{_readable(triple)}` is out of its place")
        self._last_row = row
        stored = self._stored(triple, value)
        try:
            self._judge.relationship(stored.relationship)
        except RemitError as error:
            raise BackupRefused(
                f"the backup's relationship `{stored.relationship.key}` does not fit its schema: {error.message}"
            ) from error
        return stored

    def changelog(self, revision: int, part: int, row: bytes) -> None:
        follows = (self._revision, self._part) if self._part < self._parts else (self._revision + 1, 0)
        if (revision, part) != follows or revision > self._store.revision:
            raise BackupDamaged(f"the backup's changelog has part `{part}` of revision `{revision}` out of its place")
        try:
            cells = unpack(row)
            if part == 0:
                *commit, parts, cells = cells
                self._commit(revision, *commit)
                self._parts = int(parts)
            for at in range(0, len(cells), 3):
                triple, before, after = cells[at : at + 3]
                for value in (before, after):
                    if value is not None:
                        self._stored(triple, value)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise BackupDamaged(f"revision `{revision}` of the backup's changelog cannot be read: {error}") from error
        self._revision, self._part = revision, part + 1

    def finish(self) -> None:
        last = self._schemas[-1] if self._schemas else 0
        if last != self._store.schema_revision:
            raise BackupDamaged(f"the backup lacks the schema of revision `{self._store.schema_revision}`")
        if self._revision != self._store.revision or self._part < self._parts:
            raise BackupDamaged(f"the backup's changelog ends at revision `{self._revision}`")

    def _commit(
        self,
        revision: int,
        committed_at_us: object,
        principal: object,
        metadata_json: object,
        managed_bypass: object,
        is_schema: object,
    ) -> None:
        types = [type(each) for each in (committed_at_us, principal, metadata_json, managed_bypass, is_schema)]
        if types != [int, str, str, bool, bool]:
            raise ValueError("its first row is of another shape")
        _check_json(str(metadata_json))
        if is_schema != (revision in self._schemas):
            raise ValueError("its schema is missing, or is there and not told")

    def _stored(self, triple: bytes, value: bytes) -> StoredRelationship:
        """The relationship of a row, which is exactly as we would have written it."""
        try:
            stored = decode_value(triple, value)
            relationship, provenance = stored.relationship, stored.provenance
            resource, subject = relationship.resource, relationship.subject
            _check_place(resource.type, relationship.relation, subject.type, subject.relation)
            checked_id(resource.id)
            if subject.id != WILDCARD:
                checked_id(subject.id)
            elif subject.relation:
                raise ValueError("a wildcard has no relation")
            caveat, *times = relationship.qualifiers
            if caveat is not None:
                checked_caveat(caveat.name)
                _check_json(caveat.context_json)
            for time_us in times:
                if time_us is not None:
                    format_time(time_us)
            if not isinstance(provenance.principal, str) or not isinstance(provenance.run, str):
                raise ValueError("its writer has no name")
            if type(provenance.revision) is not int or not 0 < provenance.revision <= self._store.revision:
                raise ValueError("its revision cannot be")
            if encode_value(stored, triple) != value:
                raise ValueError("it is written in another way than ours")
        except RemitError as error:
            raise BackupDamaged(f"the backup's relationship `{_readable(triple)}`: {error.message}") from error
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise BackupDamaged(f"the backup's relationship `{_readable(triple)}` cannot be read: {error}") from error
        return stored


@lru_cache(maxsize=4096)  # a store has few kinds of relationships, and many of each
def _check_place(resource_type: str, relation: str, subject_type: str, subject_relation: str) -> None:
    checked_type(resource_type)
    checked_name(relation)
    checked_type(subject_type)
    if subject_relation:
        checked_name(subject_relation)


def _check_json(text: str) -> None:
    if text == "{}":
        return
    try:
        is_canonical = canonical_json(parse_context(text)) == text
    except RemitError as error:
        raise ValueError(error.message) from error
    if not is_canonical:
        raise ValueError("its JSON is not in canonical form")


def _readable(triple: object) -> str:
    text = triple.decode(errors="replace") if isinstance(triple, bytes) else str(triple)
    return shortened(text.replace("\0", " "))
