"""One named store as a request sees it: to read, and to write in an admission.

Written once over the tables, so every store behaves alike; only the tables beneath differ.
Law: rows by resource and rows by subject name the same triples, and every change is in the changelog."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import msgpack

from remit.errors import RevisionGone, StoreDamaged
from remit.model import PLAIN, Change, Delta, Provenance, RelationshipFilter, RelationshipKey, StoredRelationship
from remit.notation import no_such_store
from remit.store.backup import StoreBlock, encode_backup
from remit.store.changelog import Cells, ChangelogRow, LoggedDelta, decode_deltas, encode_delta, replay, rewind
from remit.store.codec import SORT_KEY_BYTES_MAX, decode_value, encode_triple, encode_value, pack, sort_key, unpack
from remit.store.port import Draft, RowBatch, StoreHead, StoreIdentity
from remit.store.tables.interface import Item, Rows, Table
from remit.store.tables.keys import (
    STORE_BYTES,
    decode_pointer,
    decode_revision,
    decode_rows,
    decode_schema_key,
    keys_both_ways,
    name_key,
    revision_key,
    scan_plan,
    schema_key,
    start_after,
    store_prefix,
    whole_triple,
    with_whole_triples,
)
from remit.store.tables.staging import Staging

# An enumeration's members are looked up by name at each use, which a write would feel.
_STORES, _HEADS, _CHANGELOG = Table.STORES, Table.HEADS, Table.CHANGELOG
_RELATIONSHIPS, _BY_SUBJECT = Table.RELATIONSHIPS, Table.BY_SUBJECT

STORES_CACHED_MAX = 64  # stores come and go, and a schema may have megabytes


class SchemaCache:
    """The newest schema text of each store, so that a view need not fetch a long text it has met before.

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


class Head(NamedTuple):
    """A named store's record of where it stands: its last revision, that of its schema (0: none), the oldest it can
    still show."""

    revision: int = 0
    schema_revision: int = 0
    oldest_revision: int = 0


_name_key = lru_cache(maxsize=256)(name_key)


@lru_cache(maxsize=256)
def _identity(name: str, record: bytes) -> tuple[int, StoreIdentity, bytes]:
    """What a store's record says: its number, its identity, and what its keys begin with. Every view asks for it."""
    number, uuid, epoch = unpack(record)
    return number, StoreIdentity(name, uuid, epoch), store_prefix(number)


class View:
    """A consistent view of one named store. It lives as long as its snapshot and belongs to one thread.

    While it is open, LMDB cannot reuse the pages that writers leave behind: keep it short."""

    def __init__(self, snapshot: Rows, name: str, schemas: SchemaCache) -> None:
        record = snapshot.get(_STORES, _name_key(name))
        if record is None:
            raise no_such_store(name)
        try:
            number, self._identity, self._prefix = _identity(name, record)
            self._head = Head(*unpack(snapshot.get(_HEADS, self._prefix) or b""))
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise StoreDamaged(f"the record of store `{name}` cannot be read: {error}", store=name) from error
        self._snapshot = snapshot
        self._name = name
        self._number = number
        self._schemas = schemas
        self._told_head: StoreHead | None = None  # made when it is first asked for

    @property
    def head(self) -> StoreHead:
        told = self._told_head
        if told is None:
            revision, _, oldest = self._head
            told = self._told_head = StoreHead(self._identity, revision, self._schema_text(), oldest)
        return told

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
            rows = _looked_at(rows, look)
        if table is Table.BY_SUBJECT:
            return self._scan_by_subject(rows, filter)
        decoded = decode_rows(rows)
        return decoded if covers else (stored for stored in decoded if filter.matches(stored.relationship.key))

    def rows(self, count: int) -> Iterator[RowBatch]:
        rows = self._snapshot.items(_RELATIONSHIPS, self._prefix)
        while batch := list(islice(rows, count)):
            is_last = not batch[-1][0].startswith(self._prefix)  # for now begin those of another store
            if is_last:
                batch = [row for row in batch if row[0].startswith(self._prefix)]
            if batch:
                yield RowBatch(with_whole_triples(batch), STORE_BYTES)
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
        return (self._told(each) for each in logged)

    def _told(self, logged: LoggedDelta) -> Delta:
        delta = logged.delta
        return delta._replace(schema_text=self.schema_text_at(delta.revision)) if logged.is_schema else delta

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
            ((whole_triple(*row), row[1]) for row in self._rows(_RELATIONSHIPS, b"", b"")),
            self._changelog_rows(head.oldest_revision + 1),
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


def _looked_at(rows: Iterator[Item], look: Callable[[], None]) -> Iterator[Item]:
    for row in rows:
        look()
        yield row


_Fate = tuple[bytes | None, bytes | None, StoredRelationship | None]
"""Of a triple while its request is being written: its value before and after, and what the latter was encoded from."""


class WriteView(View):
    """The view an admission writes through; `finish` makes a revision of it."""

    _snapshot: Staging

    def __init__(self, transaction: Staging, name: str, schemas: SchemaCache) -> None:
        known = transaction.notes.get(name)
        if known is None:
            super().__init__(transaction, name, schemas)
        else:  # by a predecessor of the same commit
            self._snapshot = transaction
            self._name = name
            self._number, self._identity, self._prefix, self._head = known
            self._schemas = schemas
            self._told_head = None
        self._changes: dict[bytes, _Fate] = {}
        self._new_schema: str | None = None
        self._plain: tuple[Provenance | None, bytes] = (None, b"")  # the last plain value, for rows that share it

    @property
    def next_revision(self) -> int:
        return self._head.revision + 1

    def put(self, stored: StoredRelationship) -> None:
        """Cost: O(log n)."""
        relationship = stored.relationship
        triple, row, by_subject, pointer = keys_both_ways(
            self._prefix, relationship.resource, relationship.relation, relationship.subject
        )
        assert triple.count(0) == 5, "the parts of a triple hold no zero byte"
        value = self._encode(stored, triple)
        before = self._row_of(row, triple)
        self._snapshot.put(_RELATIONSHIPS, row, value)
        if before is None:
            self._snapshot.put(_BY_SUBJECT, by_subject, pointer)
        known = self._changes.get(triple)
        self._changes[triple] = (before if known is None else known[0], value, stored)

    def delete(self, key: RelationshipKey) -> None:
        """Cost: O(log n)."""
        triple, row, by_subject, _ = keys_both_ways(self._prefix, *key)
        before = self._row_of(row, triple)
        if before is not None:
            self._snapshot.delete(_RELATIONSHIPS, row)
            self._snapshot.delete(_BY_SUBJECT, by_subject)
            known = self._changes.get(triple)
            self._changes[triple] = (before if known is None else known[0], None, None)

    def put_schema(self, text: str) -> None:
        self._snapshot.put(Table.SCHEMAS, schema_key(self._prefix, self.next_revision), text.encode())
        self._new_schema = text
        self._told_head = None

    def finish(self, draft: Draft, committed_at_us: int) -> Delta:
        """Write the changelog and the new head. The delta is true once the transaction is committed."""
        head = self._head
        revision, schema_revision = head.revision + 1, head.schema_revision
        if self._new_schema is not None:
            schema_revision = revision
        changes: list[Change] = []
        cells: Cells = []
        for triple, (before, after, written) in self._changes.items():
            if before is not None:
                changes.append(Change(decode_value(triple, before), written))
            elif after is not None:
                changes.append(Change(None, written))
            else:
                continue  # written and removed by one and the same request
            cells += (triple, before, after)
        told = tuple(changes)
        delta = Delta(
            revision,
            committed_at_us,
            draft.principal,
            told,
            self._new_schema,
            draft.metadata_json,
            draft.managed_bypass,
        )
        staging = self._snapshot
        for part, changelog_row in enumerate(encode_delta(delta, cells)):
            staging.put(_CHANGELOG, revision_key(self._prefix, revision, part), changelog_row)
        head = Head(revision, schema_revision, head.oldest_revision)
        staging.put(_HEADS, self._prefix, pack(head))
        staging.notes[self._name] = (self._number, self._identity, self._prefix, head)
        return delta

    def remember_schema(self) -> None:
        """After the commit: from now on the new schema is a fact."""
        if self._new_schema is not None:
            self._schemas.put(self._number, self.next_revision, self._new_schema)

    def _schema_text(self) -> str | None:
        if self._new_schema is not None:
            return self._new_schema
        revision = self._head.schema_revision
        if not revision:
            return None
        # A predecessor of the same batch may have put this schema, and may yet fail: look, but remember nothing.
        known = self._schemas.get(self._number, revision)
        return known if known is not None else self.schema_text_at(revision)

    def _encode(self, stored: StoredRelationship, triple: bytes) -> bytes:
        """A request's plain rows have one and the same value, so it is encoded once."""
        if stored.relationship.qualifiers is not PLAIN or len(triple) > SORT_KEY_BYTES_MAX:
            return encode_value(stored, triple)
        provenance, value = self._plain
        if stored.provenance is not provenance:
            value = encode_value(stored, triple)
            self._plain = (stored.provenance, value)
        return value

    def _row_of(self, row: bytes, triple: bytes) -> bytes | None:
        value = self._snapshot.get(_RELATIONSHIPS, row)
        if value is not None and len(triple) > SORT_KEY_BYTES_MAX and whole_triple(row, value) != triple:
            raise StoreDamaged(f"the row of `{triple!r}` holds another triple")
        return value
