"""One named store as a reading transaction: its head, its relationships, its changelog, and a backup of them all.

Written once over the tables, so every store behaves alike; only the tables beneath differ.
Law: what a reader answers is of the one revision that its snapshot shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import islice
from typing import NamedTuple

import msgpack

from remit.errors import RevisionGone, StoreDamaged
from remit.interrupt import looked_at
from remit.model import Delta, RecordKey, RelationshipFilter, RelationshipKey, StoredRecord, StoredRelationship
from remit.notation import no_such_store
from remit.store.backup import StoreBlock, encode_backup
from remit.store.changelog import (
    ChangelogRow,
    LoggedDelta,
    decode_deltas,
    replay,
    replay_records,
    rewind,
    rewind_records,
)
from remit.store.codec import (
    RECORD_MARK,
    decode_record,
    decode_value,
    encode_record_key,
    encode_triple,
    sort_key,
    unpack,
    whole_triple,
)
from remit.store.port import ReadTransaction, RowBatch, StoreHead, StoreIdentity
from remit.store.tables.interface import Item, Rows, Table
from remit.store.tables.keys import (
    STORE_BYTES,
    decode_pointer,
    decode_revision,
    decode_rows,
    decode_schema_key,
    name_key,
    revision_key,
    scan_plan,
    schema_key,
    start_after,
    store_prefix,
)

# An enumeration's members are looked up by name at each use, which a write would feel.
_STORES, _HEADS, _RELATIONSHIPS = Table.STORES, Table.HEADS, Table.RELATIONSHIPS

STORES_CACHED_MAX = 64  # stores come and go, and a schema may have megabytes


class SchemaCache:
    """The newest schema text of each store, so that a transaction need not fetch a long text that is known.

    Law: only committed schemas enter, so a revision number means one text for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[int, tuple[int, str]] = {}  # the latest last

    def get(self, number: int, revision: int) -> str | None:
        known = self._texts.get(number)
        return known[1] if known is not None and known[0] == revision else None

    def put(self, number: int, revision: int, text: str) -> None:
        with self._lock:
            self._texts.pop(number, None)
            self._texts[number] = (revision, text)
            if len(self._texts) > STORES_CACHED_MAX:
                del self._texts[next(iter(self._texts))]


class HeadRecord(NamedTuple):
    """A named store's record of where it stands: its last revision, that of its schema (0: none), the oldest it can
    still show."""

    revision: int = 0
    schema_revision: int = 0
    oldest_revision: int = 0


_name_key = lru_cache(maxsize=256)(name_key)


@lru_cache(maxsize=256)
def _identity(name: str, record: bytes) -> tuple[int, StoreIdentity, bytes]:
    """What a store's record says: its number, its identity, and what its keys begin with. Every transaction asks."""
    number, uuid, epoch = unpack(record)
    return number, StoreIdentity(name, uuid, epoch), store_prefix(number)


class StoreReader(ReadTransaction):
    """Reads one named store in a snapshot, or in what a commit is about to write. It lives as long as that, and belongs
    to one thread. While a snapshot is open, the pages that writers leave behind cannot be used again: keep it short."""

    def __init__(self, snapshot: Rows, name: str, schemas: SchemaCache) -> None:
        record = snapshot.get(_STORES, _name_key(name))
        if record is None:
            raise no_such_store(name)
        try:
            number, self._identity, self._prefix = _identity(name, record)
            self._head = HeadRecord(*unpack(snapshot.get(_HEADS, self._prefix) or b""))
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise StoreDamaged(f"the record of store `{name}` cannot be read: {error}", store=name) from error
        self._snapshot = snapshot
        self._name = name
        self._number = number
        self._schemas = schemas
        self._store_head: StoreHead | None = None  # made when it is first asked for

    @property
    def head(self) -> StoreHead:
        head = self._store_head
        if head is None:
            revision, _, oldest = self._head
            head = self._store_head = StoreHead(self._identity, revision, self._schema_text(), oldest)
        return head

    def get(self, key: RelationshipKey) -> StoredRelationship | None:
        triple = encode_triple(*key)
        value = self._snapshot.get(Table.RELATIONSHIPS, self._prefix + sort_key(triple))
        return decode_value(triple, value) if value is not None else None

    def scan(
        self,
        filter: RelationshipFilter,
        after: RelationshipKey | None = None,
        look: Callable[[], None] | None = None,
    ) -> Iterator[StoredRelationship]:
        """Cost: O(log n), then O(1) a row under the filter's longest prefix; by subject O(log n) a match."""
        table, prefix, covers = scan_plan(filter)
        start = prefix if after is None else max(prefix, start_after(table, after))
        rows = self._rows(table, prefix, start)
        if look is not None:
            rows = looked_at(rows, look)
        if table is Table.BY_SUBJECT:
            return self._scan_by_subject(rows, filter)
        decoded = decode_rows(rows)
        return decoded if covers else (stored for stored in decoded if filter.matches(stored.relationship.key))

    def order(self, filter: RelationshipFilter) -> Callable[[RelationshipKey], bytes]:
        return partial(start_after, scan_plan(filter)[0])

    def rows(self, count: int) -> Iterator[RowBatch]:
        rows = self._snapshot.items(_RELATIONSHIPS, self._prefix)
        while batch := list(islice(rows, count)):
            is_last = not batch[-1][0].startswith(self._prefix)  # for now begin those of another store
            if is_last:
                batch = [row for row in batch if row[0].startswith(self._prefix)]
            if batch:
                yield RowBatch(batch, STORE_BYTES)
            if is_last:
                return

    def changelog(self, after_revision: int) -> Iterator[Delta]:
        oldest = self._head.oldest_revision
        if after_revision < oldest:
            raise RevisionGone(
                f"revision {after_revision} of store `{self._identity.name}` can no longer be seen: the changelog "
                f"begins after revision {oldest}",
                revision=after_revision,
                oldest=oldest,
            )
        logged = decode_deltas(self._changelog_rows(after_revision + 1), after_revision + 1)
        return (self._with_schema(each) for each in logged)

    def _with_schema(self, logged: LoggedDelta) -> Delta:
        delta = logged.delta
        return delta._replace(schema_text=self.schema_text_at(delta.revision)) if logged.is_schema else delta

    def get_record(self, key: RecordKey) -> StoredRecord | None:
        encoded = encode_record_key(key)
        value = self._snapshot.get(Table.RECORDS, self._prefix + sort_key(encoded))
        return decode_record(encoded, value) if value is not None else None

    def records(self, kind: str | None = None) -> Iterator[StoredRecord]:
        prefix = RECORD_MARK + (f"{kind}\0".encode() if kind is not None else b"")
        return (decode_record(key, value) for key, value in self._record_rows(prefix))

    def _record_rows(self, prefix: bytes = b"") -> Iterator[Item]:
        for row, value in self._rows(Table.RECORDS, prefix, prefix):
            yield whole_triple(row[STORE_BYTES:], value), value

    def schema_text_at(self, revision: int) -> str | None:
        for _, value in self._rows(Table.SCHEMAS, b"", schema_key(b"", revision)):
            return value.decode()
        return None

    def backup(self, taken_at_us: int) -> Iterator[bytes]:
        identity, head = self._identity, self._head
        position = head.revision, head.oldest_revision, head.schema_revision
        store = StoreBlock(identity.name, identity.uuid, identity.epoch, *position, taken_at_us)
        schemas = reversed(list(self._schema_revisions()))
        return encode_backup(
            store,
            ((revision, (self.schema_text_at(revision) or "").encode()) for revision in schemas),
            ((whole_triple(key[STORE_BYTES:], value), value) for key, value in self._rows(_RELATIONSHIPS, b"", b"")),
            self._changelog_rows(head.oldest_revision + 1),
            self._record_rows(),
        )

    def _schema_revisions(self) -> Iterator[int]:
        """Of the schemas that are still needed, newest first."""
        for key, _ in self._rows(Table.SCHEMAS, b"", b""):
            revision = decode_schema_key(key)
            yield revision
            if revision <= self._head.oldest_revision:
                return  # those before it wait to be forgotten

    def check_invariants(self) -> None:
        """Raise StoreDamaged where the store breaks a law of its own. Cost: O(everything), for tests and `verify`."""
        by_resource = {stored.relationship.key: stored for stored in self.scan(RelationshipFilter())}
        by_subject = [decode_pointer(*row) for row in self._rows(Table.BY_SUBJECT, b"", b"")]
        if len(by_subject) != len(by_resource) or set(by_subject) != by_resource.keys():
            raise StoreDamaged(f"`{len(by_resource)}` rows by resource, and other `{len(by_subject)}` by subject")
        head = self._head
        deltas = list(self.changelog(head.oldest_revision))
        if head.oldest_revision + len(deltas) != head.revision:
            last = head.oldest_revision + len(deltas)
            raise StoreDamaged(f"the changelog ends at revision `{last}`, the store at `{head.revision}`")
        first = rewind(by_resource, deltas)
        if not head.oldest_revision and first:
            raise StoreDamaged(f"the changelog tells nothing of `{len(first)}` relationships")
        if replay(deltas, first) != by_resource:
            raise StoreDamaged("replaying the changelog gives other relationships")
        records = {stored.record.key: stored for stored in self.records()}
        first_records = rewind_records(records, deltas)
        if not head.oldest_revision and first_records:
            raise StoreDamaged(f"the changelog tells nothing of `{len(first_records)}` records")
        if replay_records(deltas, first_records) != records:
            raise StoreDamaged("replaying the changelog gives other records")
        needed = [self.schema_text_at(delta.revision) for delta in deltas if delta.schema_text is not None]
        if None in needed or (head.schema_revision and self.schema_text_at(head.revision) is None):
            raise StoreDamaged("a schema of the changelog is missing")

    def _schema_text(self) -> str | None:
        revision = self._head.schema_revision
        if not revision:
            return None
        text = self._schemas.get(self._number, revision)
        if text is None:
            text = self.schema_text_at(revision)
            if text is None:
                raise StoreDamaged(f"the schema of revision `{revision}` is missing")
            self._schemas.put(self._number, revision, text)
        return text

    def _rows(self, table: Table, prefix: bytes, start: bytes) -> Iterator[Item]:
        """The rows of this store under a prefix, from `start` on, their keys still whole."""
        prefix = self._prefix + prefix
        for row in self._snapshot.items(table, self._prefix + start):
            if not row[0].startswith(prefix):
                return
            yield row

    def _changelog_rows(self, revision: int) -> Iterator[ChangelogRow]:
        """The changelog from a revision on, as the keys say it."""
        for key, row in self._rows(Table.CHANGELOG, b"", revision_key(b"", revision)):
            yield (*decode_revision(key), row)

    def _scan_by_subject(self, rows: Iterator[Item], filter: RelationshipFilter) -> Iterator[StoredRelationship]:
        for key, value in rows:
            triple = decode_pointer(key, value)
            if filter.matches(triple):
                stored = self.get(triple)
                if stored is None:
                    raise StoreDamaged(f"`{triple}` is listed by subject and is not there")
                yield stored
