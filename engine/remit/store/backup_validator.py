"""What a backup must stand up to before it becomes a store: every name, number and order that Remit takes for granted,
and the judge, who knows whether its schemas compile and its relationships fit the one in force.

Law: what passes could have been written here, byte for byte as it stands in the backup."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import msgpack

from remit.errors import BackupDamaged, BackupRefused, Cancelled, DeadlineExceeded, RemitError
from remit.model import WILDCARD, Provenance, StoredRecord, StoredRelationship
from remit.notation import (
    canonical_json,
    checked_caveat,
    checked_id,
    checked_name,
    checked_store,
    checked_type,
    format_time,
    parse_context,
    shortened,
)
from remit.store.backup import SchemaBlock, StoreBlock
from remit.store.codec import (
    RECORD_MARK,
    decode_record,
    decode_value,
    encode_record,
    encode_record_key,
    encode_value,
    sort_key,
    unpack,
)
from remit.store.port import DOCUMENT_BYTES_MAX, Judge

_ROW_CELLS = 7  # of the first row of a revision that is no verb's

NUMBER_MAX = 2**63  # of revisions and microseconds, which the wire has as signed numbers
EPOCH_MAX = 2**62  # of epochs: the restored store begins one beyond it, which its own backup has to hold again
NOBODY_WAITS = (Cancelled, DeadlineExceeded)  # which says nothing of the backup
WRITER_LENGTH_MAX = 1024  # of who wrote something, and for which run


class BackupValidator:
    """Takes what a backup says, in its order. Every method raises BackupDamaged; those who ask the judge, BackupRefused
    where it does not agree."""

    def __init__(self, store: StoreBlock, judge: Judge) -> None:
        self._store = store
        self._judge = judge
        self._schemas: list[int] = []
        self._last_row = b""
        self._last_record = b""
        self._revision = store.oldest_revision  # of the changelog, so far
        self._part, self._parts = 1, 1  # the next part of that revision, and how many it has
        self._committed_at_us = 0  # of the changelog, so far
        if not store.oldest_revision <= store.revision < NUMBER_MAX or store.epoch >= EPOCH_MAX:
            raise BackupDamaged("the backup's revisions or its epoch cannot be")
        try:
            checked_store(store.name)
            format_time(store.taken_at_us)
        except (RemitError, OverflowError) as error:
            raise BackupDamaged(f"the backup's name or its time cannot be: {error}") from error

    def schema(self, block: SchemaBlock) -> None:
        """The first may be of any time, the others are of the changelog."""
        last = self._schemas[-1] if self._schemas else 0
        oldest = self._store.oldest_revision if self._schemas else 0
        if not max(last, oldest) < block.revision <= self._store.revision:
            raise BackupDamaged(f"the backup's schema of revision `{block.revision}` is out of its place")
        self._schemas.append(block.revision)
        try:
            self._judge.schema(block.text)
        except NOBODY_WAITS:
            raise
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
        except NOBODY_WAITS:
            raise
        except RemitError as error:
            raise BackupRefused(
                f"the backup's relationship `{stored.relationship.key}` does not fit its schema: {error.message}"
            ) from error
        return stored

    def record(self, key: bytes, value: bytes) -> None:
        row = sort_key(key)
        if row <= self._last_record:
            raise BackupDamaged(f"the backup's record `{_readable(key)}` is out of its place")
        self._last_record = row
        stored = self._stored_record(key, value)
        try:
            self._judge.record(stored.record)
        except NOBODY_WAITS:
            raise
        except RemitError as error:
            raise BackupRefused(
                f"the backup's record `{stored.record.key}` is none of ours: {error.message}"
            ) from error

    def changelog(self, revision: int, part: int, row: bytes) -> None:
        follows = (self._revision, self._part) if self._part < self._parts else (self._revision + 1, 0)
        if (revision, part) != follows or revision > self._store.revision:
            raise BackupDamaged(f"the backup's changelog has part `{part}` of revision `{revision}` out of its place")
        try:
            cells = unpack(row)
            if part == 0:
                *commit, parts, cells = self._without_entry(cells)
                self._commit(revision, *commit)
                if type(parts) is not int or parts < 1:
                    raise ValueError(f"it has `{parts}` parts")
                self._parts = parts
            if not isinstance(cells, list | tuple):
                raise ValueError("its changes are of another shape")
            for at in range(0, len(cells), 3):
                triple, before, after = cells[at : at + 3]
                if before is None and after is None:
                    raise ValueError(f"`{_readable(triple)}` was not there before, nor after")
                judge_row = self._stored_record if triple.startswith(RECORD_MARK) else self._stored
                for value in (before, after):
                    if value is not None:
                        judge_row(triple, value)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise BackupDamaged(f"revision `{revision}` of the backup's changelog cannot be read: {error}") from error
        self._revision, self._part = revision, part + 1

    def finish(self) -> None:
        last = self._schemas[-1] if self._schemas else 0
        if last != self._store.schema_revision:
            raise BackupDamaged(f"the backup lacks the schema of revision `{self._store.schema_revision}`")
        if self._revision != self._store.revision or self._part < self._parts:
            raise BackupDamaged(f"the backup's changelog ends at revision `{self._revision}`")

    def _without_entry(self, row: list[Any]) -> list[Any]:
        """The first row of a revision without the entry of a verb, which may come last."""
        if len(row) <= _ROW_CELLS:
            return row
        *first, entry_json = row
        if type(entry_json) is not str or not entry_json:
            raise ValueError("the entry of its verb is of another shape")
        _check_json(entry_json)
        return first

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
        at_us = cast(int, committed_at_us)
        # A revision of a time to come would be kept for ever, and one of no time at all breaks whoever watches.
        if not self._committed_at_us <= at_us <= self._store.taken_at_us:
            raise ValueError("it was committed before the one before it, or after the backup was taken")
        self._committed_at_us = at_us
        _check_writer(str(principal))
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
            self._check_provenance(provenance)
            if encode_value(stored, triple) != value:
                raise ValueError("it is written in another way than ours")
        except RemitError as error:
            raise BackupDamaged(f"the backup's relationship `{_readable(triple)}`: {error.message}") from error
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise BackupDamaged(f"the backup's relationship `{_readable(triple)}` cannot be read: {error}") from error
        return stored

    def _stored_record(self, key: bytes, value: bytes) -> StoredRecord:
        """The record of a row, likewise."""
        try:
            stored = decode_record(key, value)
            checked_name(stored.record.kind)
            checked_type(stored.record.object.type)
            checked_id(stored.record.object.id)
            if len(stored.record.document) > DOCUMENT_BYTES_MAX:
                raise ValueError(f"its document has more than {DOCUMENT_BYTES_MAX} bytes")
            self._check_provenance(stored.provenance)
            if encode_record(stored, key) != value or encode_record_key(stored.record.key) != key:
                raise ValueError("it is written in another way than ours")
        except RemitError as error:
            raise BackupDamaged(f"the backup's record `{_readable(key)}`: {error.message}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise BackupDamaged(f"the backup's record `{_readable(key)}` cannot be read: {error}") from error
        return stored

    def _check_provenance(self, provenance: Provenance) -> None:
        if not isinstance(provenance.principal, str) or not isinstance(provenance.run, str):
            raise ValueError("its writer has no name")
        _check_writer(provenance.principal)
        _check_writer(provenance.run)
        if type(provenance.revision) is not int or not 0 < provenance.revision <= self._store.revision:
            raise ValueError("its revision cannot be")


@lru_cache(maxsize=4096)  # a store has few kinds of relationships, and many of each
def _check_place(resource_type: str, relation: str, subject_type: str, subject_relation: str) -> None:
    checked_type(resource_type)
    checked_name(relation)
    checked_type(subject_type)
    if subject_relation:
        checked_name(subject_relation)


def _check_writer(name: str) -> None:
    """Keys and runs have short names of printable characters: what has others is for a terminal, not for a reader."""
    if len(name) > WRITER_LENGTH_MAX or not name.isprintable():
        raise ValueError(f"it was written by or for `{shortened(name)}`, whom nobody can be called")


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
