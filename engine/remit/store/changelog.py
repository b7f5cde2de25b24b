"""The changelog: what every revision did, as bytes, and the relationships that come of replaying it.

One revision is one or more rows: the first says when and by whom, every row carries changes as (triple, value before,
value after), in the encoding of `codec`; a record's change has the record's key in place of a triple. Old revisions are
forgotten, from the beginning on, so a changelog has a revision before its first: the oldest that can still be seen.
Law: replaying the deltas of a store on what was there at its oldest revision gives its relationships and its records;
and at revision 0 nothing was there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from remit.errors import StoreDamaged
from remit.model import Change, Delta, RecordChange, RecordKey, RelationshipKey, StoredRecord, StoredRelationship
from remit.store.codec import RECORD_MARK, decode_record, decode_value, pack, unpack

# Large rows may have to live on pages of their own, next to each other, and that many free pages in a row must be found
# first: so a huge delta is cut. Among 4, 32 and 256 kB: 32 wastes little on the last page and is found easily.
PART_BYTES = 32_000

ChangelogRow = tuple[int, int, bytes]
"""A revision, which part of it this is (from 0), and the row itself."""

Cells = list[bytes | None]
"""Changes as a row holds them, one after the other: the triple, its value before and its value after."""


def encode_delta(delta: Delta, cells: Cells) -> list[bytes]:
    """The rows of one revision, part by part. The schema text is not repeated: it is kept under the same revision."""
    parts = [cells] if len(cells) <= 3 else _parted(cells)
    _, committed_at_us, principal, _, schema_text, metadata_json, managed_bypass, _, entry_json = delta
    of_verb = (entry_json,) if entry_json else ()  # most revisions are no verb's, and their rows stay as short
    is_schema, count = schema_text is not None, len(parts)
    first = (committed_at_us, principal, metadata_json, managed_bypass, is_schema, count, parts[0], *of_verb)
    return [pack(first), *map(pack, parts[1:])]


def _parted(cells: Cells) -> list[Cells]:
    parts: list[Cells] = [[]]
    weight = 0
    for at in range(0, len(cells), 3):
        if weight >= PART_BYTES:
            parts.append([])
            weight = 0
        change = cells[at : at + 3]
        parts[-1] += change
        weight += sum(len(cell) for cell in change if cell is not None)
    return parts


@dataclass(frozen=True, slots=True)
class LoggedDelta:
    """A delta as the changelog holds it: without the schema text, of which it only knows that there was one."""

    delta: Delta
    is_schema: bool


def decode_commit(row: bytes) -> tuple[int, int]:
    """When a revision was committed, and of how many rows it is, by its first row. Raises StoreDamaged."""
    try:
        committed_at_us, _, _, _, _, parts, _, *_ = unpack(row)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StoreDamaged(f"a row of the changelog cannot be read: {error}") from error
    return committed_at_us, parts


def decode_deltas(rows: Iterator[ChangelogRow], revision: int) -> Iterator[LoggedDelta]:
    """The deltas in rows that begin with the first row of `revision`. Raises StoreDamaged at a gap."""
    for found, part, row in rows:
        if (found, part) != (revision, 0):
            raise StoreDamaged(f"the changelog lacks revision `{revision}`: found `{found}`, part `{part}`")
        yield _decode_delta(revision, row, rows)
        revision += 1


def _decode_delta(revision: int, row: bytes, following: Iterator[ChangelogRow]) -> LoggedDelta:
    try:
        committed_at_us, principal, metadata_json, managed_bypass, is_schema, parts, cells, *of_verb = unpack(row)
        (entry_json,) = of_verb or ("",)
        for number in range(1, parts):
            *place, row = next(following, (0, 0, b""))
            if place != [revision, number]:
                raise StoreDamaged(f"the changelog lacks part `{number}` of revision `{revision}`")
            cells += unpack(row)
        changes: list[Change] = []
        records: list[RecordChange] = []
        for at in range(0, len(cells), 3):
            key, before, after = cells[at : at + 3]
            if key.startswith(RECORD_MARK):
                records.append(_decode_record_change(key, before, after))
            else:
                changes.append(_decode_change(key, before, after))
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StoreDamaged(f"revision `{revision}` of the changelog cannot be read: {error}") from error
    delta = Delta(
        revision,
        committed_at_us,
        principal,
        tuple(changes),
        metadata_json=metadata_json,
        managed_bypass=managed_bypass,
        records=tuple(records),
        entry_json=entry_json,
    )
    return LoggedDelta(delta, is_schema)


def _decode_change(triple: bytes, before: bytes | None, after: bytes | None) -> Change:
    return Change(
        decode_value(triple, before) if before is not None else None,
        decode_value(triple, after) if after is not None else None,
    )


def _decode_record_change(key: bytes, before: bytes | None, after: bytes | None) -> RecordChange:
    return RecordChange(
        decode_record(key, before) if before is not None else None,
        decode_record(key, after) if after is not None else None,
    )


Relationships = Mapping[RelationshipKey, StoredRelationship]


def replay(deltas: Iterable[Delta], onto: Relationships | None = None) -> dict[RelationshipKey, StoredRelationship]:
    """The relationships that remain after the deltas, from what was there before, or from nothing.
    Cost: O(relationships + changes)."""
    relationships = dict(onto or {})
    for delta in deltas:
        _replay(relationships, delta.changes)
    return relationships


def rewind(relationships: Relationships, deltas: Sequence[Delta]) -> dict[RelationshipKey, StoredRelationship]:
    """The relationships that were there before the deltas, newest undone first. Raises StoreDamaged where a delta left
    something else behind than is there. Cost: O(relationships + changes)."""
    rewound = dict(relationships)
    for delta in reversed(deltas):
        _rewind(rewound, delta.changes, delta.revision)
    return rewound


Records = Mapping[RecordKey, StoredRecord]


def replay_records(deltas: Iterable[Delta], onto: Records | None = None) -> dict[RecordKey, StoredRecord]:
    """The records that remain after the deltas, as `replay`."""
    records = dict(onto or {})
    for delta in deltas:
        _replay(records, delta.records)
    return records


def rewind_records(records: Records, deltas: Sequence[Delta]) -> dict[RecordKey, StoredRecord]:
    """The records that were there before the deltas, as `rewind`."""
    rewound = dict(records)
    for delta in reversed(deltas):
        _rewind(rewound, delta.records, delta.revision)
    return rewound


def _replay(rows: dict[Any, Any], changes: Iterable[Change | RecordChange]) -> None:
    for change in changes:
        if change.after is None:
            rows.pop(change.key, None)
        else:
            rows[change.key] = change.after


def _rewind(rows: dict[Any, Any], changes: Iterable[Change | RecordChange], revision: int) -> None:
    for change in changes:
        if rows.pop(change.key, None) != change.after:
            raise StoreDamaged(f"revision `{revision}` left another `{change.key}` than there is")
        if change.before is not None:
            rows[change.key] = change.before
