"""One named store as a writing transaction: what an admission reads and writes, and the revision that comes of it.

Law: rows by resource and rows by subject name the same triples, and every change, also of a record, is in the
changelog."""

from __future__ import annotations

from remit.errors import StoreDamaged
from remit.model import (
    PLAIN,
    Change,
    Delta,
    Provenance,
    Qualifiers,
    RecordChange,
    RecordKey,
    RelationshipKey,
    StoredRecord,
    StoredRelationship,
)
from remit.store.changelog import Cells, encode_delta
from remit.store.codec import (
    SORT_KEY_BYTES_MAX,
    decode_record,
    decode_value,
    encode_record,
    encode_record_key,
    encode_value,
    pack,
    sort_key,
    whole_triple,
)
from remit.store.port import SMALL_DOCUMENTS_BYTES, SMALL_WEIGHT_MAX, Draft, StoreHead, WriteTransaction
from remit.store.tables.interface import Claim, Table
from remit.store.tables.keys import STORE_BYTES, decode_rows, keys_both_ways, revision_key, schema_key
from remit.store.tables.staging import Staging
from remit.store.tables.store_reader import HeadRecord, SchemaCache, StoreReader

# An enumeration's members are looked up by name at each use, which a write would feel.
_HEADS, _CHANGELOG = Table.HEADS, Table.CHANGELOG
_RELATIONSHIPS, _BY_SUBJECT = Table.RELATIONSHIPS, Table.BY_SUBJECT

_StagedChange = tuple[bytes | None, bytes | None, StoredRelationship | None]
"""What a request has done to a triple so far: its value before and after, and what the latter was encoded from."""


_StagedRecord = tuple[bytes | None, bytes | None]
"""The value of a record before and after."""


class StoreWriter(StoreReader, WriteTransaction):
    """Writes one named store in what a commit is about to write; `finish` makes a revision of it."""

    _snapshot: Staging

    def __init__(self, transaction: Staging, name: str, schemas: SchemaCache) -> None:
        known = transaction.notes.get(name)
        if known is None:
            super().__init__(transaction, name, schemas)
        else:  # by a predecessor of the same commit
            self._snapshot = transaction
            self._name = name
            self._number, self._identity, self._prefix, self._head, self._store_head = known
            self._schemas = schemas
        self._changes: dict[bytes, _StagedChange] = {}
        self._records: dict[bytes, _StagedRecord] = {}
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

    def put_record(self, stored: StoredRecord) -> None:
        """Cost: O(log n + bytes)."""
        key = encode_record_key(stored.record.key)
        self._stage_record(key, encode_record(stored, key))

    def delete_record(self, key: RecordKey) -> None:
        """Cost: O(log n)."""
        self._stage_record(encode_record_key(key), None)

    def _stage_record(self, key: bytes, value: bytes | None) -> None:
        row = self._prefix + sort_key(key)
        before = self._snapshot.get(Table.RECORDS, row)
        if before is None and value is None:
            return
        if before is not None and whole_triple(sort_key(key), before) != key:
            raise StoreDamaged(f"the row of `{key!r}` holds another record")
        self._snapshot.put(Table.RECORDS, row, value)
        known = self._records.get(key)
        self._records[key] = (before if known is None else known[0], value)

    def put_schema(self, text: str) -> None:
        self._snapshot.put(Table.SCHEMAS, schema_key(self._prefix, self.next_revision), text.encode())
        self._new_schema = text
        self._store_head = None

    def changed(self) -> dict[RelationshipKey, Qualifiers | None]:
        staged = [each for each in self._snapshot.staged(_RELATIONSHIPS) if each[0].startswith(self._prefix)]
        gone = decode_rows((row, before) for row, before, value in staged if value is None and before is not None)
        there = decode_rows((row, value) for row, _, value in staged if value is not None)
        return {
            **{stored.relationship.key: None for stored in gone},
            **{stored.relationship.key: stored.relationship.qualifiers for stored in there},
        }

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
        records = self._finish_records(cells) if self._records else ()
        delta = Delta(
            revision,
            committed_at_us,
            draft.principal,
            tuple(changes),
            self._new_schema,
            draft.metadata_json,
            draft.managed_bypass,
            records,
            draft.entry_json,
        )
        staging = self._snapshot
        for part, changelog_row in enumerate(encode_delta(delta, cells)):
            staging.put(_CHANGELOG, revision_key(self._prefix, revision, part), changelog_row)
        head = HeadRecord(revision, schema_revision, head.oldest_revision)
        staging.put(_HEADS, self._prefix, pack(head))
        known = self._store_head
        if known is not None:
            # What the schema says is known for its successors too, unless it is new: that they look up.
            known = StoreHead(known.identity, revision, known.schema_text, head.oldest_revision)
        staging.notes[self._name] = (self._number, self._identity, self._prefix, head, known)
        return delta

    def _finish_records(self, cells: Cells) -> tuple[RecordChange, ...]:
        changes: list[RecordChange] = []
        for key, (before, after) in self._records.items():
            if before is None and after is None:
                continue  # written and removed by one and the same request
            was, becomes = (decode_record(key, value) if value is not None else None for value in (before, after))
            changes.append(RecordChange(was, becomes))
            cells += (key, before, after)
        return tuple(changes)

    @property
    def claim(self) -> Claim:
        """What this write may take of the last room: that of stops where it changes little, or only removes."""
        written = [after for _, after in self._records.values() if after is not None]
        is_small = len(self._changes) + len(self._records) <= SMALL_WEIGHT_MAX
        is_removing = not written and all(after is None for _, after, _ in self._changes.values())
        is_stop = (
            self._new_schema is None and (is_small or is_removing) and sum(map(len, written)) <= SMALL_DOCUMENTS_BYTES
        )
        return Claim.STOP if is_stop else Claim.ORDINARY

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
        is_long = len(triple) > SORT_KEY_BYTES_MAX
        if value is not None and is_long and whole_triple(row[STORE_BYTES:], value) != triple:
            raise StoreDamaged(f"the row of `{triple!r}` holds another triple")
        return value
