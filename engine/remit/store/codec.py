"""Relationships as bytes, the same in every store, in backups and for the core: triples and values.

A triple is its six parts in UTF-8, resource first, with a zero byte between them that no part contains: so the order of
bytes is the order of parts, and "everything on this resource" is a prefix. A value is a msgpack array: who wrote it, in
which run and at which revision; unless the relationship is plain, also its qualifiers.

Two ids alone may have 2,048 bytes, and what keeps rows in order may take far shorter keys. So rows are ordered by the
`sort_key` of their triple: the triple itself, or, where that has more than 506 bytes, its beginning, then the byte 0x01
that no short triple contains, then its SHA-256. The value of such a triple ends with the whole of it, which is compared
at every reading, so not even a collision could be mistaken for the triple.

This format is public: docs/operate/operations.md describes it for those who read backups without Remit. It does not
change.
Law: decode(encode(x)) is x, and equal bytes mean equal triples."""

from __future__ import annotations

import threading
from hashlib import sha256

import msgpack

from remit.errors import StoreDamaged
from remit.model import (
    PLAIN,
    CaveatUse,
    ObjectRef,
    Provenance,
    Qualifiers,
    Record,
    RecordKey,
    Relationship,
    RelationshipKey,
    StoredRecord,
    StoredRelationship,
    SubjectRef,
)

# With the four bytes that tables put before it, a sort key is a key that LMDB takes (see `tables.interface`).
SORT_KEY_BYTES_MAX = 506
CUT_MARK = b"\x01"
BEGINNING_BYTES = SORT_KEY_BYTES_MAX - len(CUT_MARK) - sha256().digest_size  # what a cut key keeps of its triple

unpack = msgpack.unpackb


class _Packing(threading.local):
    """A thread's packer: `msgpack.packb` makes one with a buffer of its own each time, 2.8 µs for a short row and not
    1.7. Not one for all threads: where msgpack has no compiled part, its packer is Python, and two rows would mix."""

    def __init__(self) -> None:
        self.pack = msgpack.Packer(autoreset=True).pack


_packing = _Packing()


def pack(value: object) -> bytes:
    """A value as `unpack` reads it."""
    packed: bytes = _packing.pack(value)
    return packed


# --- triples ----------------------------------------------------------------------------------------------------


def encode_triple(resource: ObjectRef, relation: str, subject: SubjectRef) -> bytes:
    return "\0".join((*resource, relation, *subject)).encode()


def decode_triple(triple: bytes) -> RelationshipKey:
    """Raises ValueError where the bytes are no triple."""
    resource_type, resource_id, relation, subject_type, subject_id, subject_relation = triple.decode().split("\0")
    resource, subject = ObjectRef(resource_type, resource_id), SubjectRef(subject_type, subject_id, subject_relation)
    return RelationshipKey(resource, relation, subject)


def sort_key(triple: bytes) -> bytes:
    """What a triple is ordered by: itself where it is short enough, else its beginning and its digest."""
    if len(triple) <= SORT_KEY_BYTES_MAX:
        return triple
    return triple[:BEGINNING_BYTES] + CUT_MARK + sha256(triple).digest()


def is_cut(key: bytes) -> bool:
    """Whether a sort key is not the triple itself, which then stands at the end of the value."""
    return len(key) == SORT_KEY_BYTES_MAX and key[BEGINNING_BYTES : BEGINNING_BYTES + 1] == CUT_MARK


# --- records ----------------------------------------------------------------------------------------------------

# A record's key begins with a byte that no triple begins with, so that the changelog may hold both among each other.
RECORD_MARK = b"\0"


def encode_record_key(key: RecordKey) -> bytes:
    return RECORD_MARK + "\0".join((key.kind, *key.object)).encode()


def decode_record_key(key: bytes) -> RecordKey:
    """Raises ValueError where the bytes are no record's key."""
    mark, kind, type, id = key.decode().split("\0")
    if mark:
        raise ValueError(f"`{key!r}` is no record's key")
    return RecordKey(kind, ObjectRef(type, id))


def encode_record(stored: StoredRecord, key: bytes) -> bytes:
    """Provenance, document, and the whole key where its sort key is cut."""
    fields = (*stored.provenance, stored.record.document)
    return pack((*fields, key) if len(key) > SORT_KEY_BYTES_MAX else fields)


def decode_record(key: bytes, value: bytes) -> StoredRecord:
    """The record of a key. Raises StoreDamaged where the value is not one of this very key."""
    try:
        principal, run, revision, document, *whole = unpack(value, use_list=False)
        if whole not in ([], [key]):
            raise StoreDamaged(f"the row of `{key!r}` holds another record: `{whole!r}`")
        if not isinstance(document, bytes):
            raise ValueError("its document is no bytes")
        record = Record(*decode_record_key(key), document)
        return StoredRecord(record, Provenance(principal, run, revision))
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StoreDamaged(f"the row of `{key!r}` cannot be read: {error}") from error


# --- values -----------------------------------------------------------------------------------------------------

# Fields of a value, by count: 3 for a plain relationship, by far the most frequent; 7 with qualifiers; 8 where the
# triple is too long to be its own sort key.
_PLAIN_FIELDS, _QUALIFIED_FIELDS, _LONG_FIELDS = 3, 7, 8


def encode_value(stored: StoredRelationship, triple: bytes) -> bytes:
    """Provenance, qualifiers unless plain, and the whole triple where its sort key is cut."""
    provenance, qualifiers = stored.provenance, stored.relationship.qualifiers
    fields: tuple[object, ...] = (provenance.principal, provenance.run, provenance.revision)
    is_long = len(triple) > SORT_KEY_BYTES_MAX
    if is_long or (qualifiers is not PLAIN and qualifiers != PLAIN):
        name, context_json = qualifiers.caveat or (None, "")
        fields = (*fields, name, context_json, qualifiers.not_before_us, qualifiers.expiration_us)
        if is_long:
            fields = (*fields, triple)
    return pack(fields)


def decode_value(triple: bytes, value: bytes) -> StoredRelationship:
    """The relationship of a triple. Raises StoreDamaged where the value is not one of this very triple."""
    try:
        fields = unpack(value, use_list=False)
        if len(fields) == _LONG_FIELDS and fields[-1] != triple:
            raise StoreDamaged(f"the row of `{triple!r}` holds another triple: `{fields[-1]!r}`")
        resource, relation, subject = decode_triple(triple)
        relationship = Relationship(resource, relation, subject, qualifiers_of(fields))
        return StoredRelationship(relationship, Provenance(*fields[:3]))
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StoreDamaged(f"the row of `{triple!r}` cannot be read: {error}") from error


def whole_triple(key: bytes, value: bytes) -> bytes:
    """The triple of a row, or the key of a record's, by its sort key and its value. Raises StoreDamaged where the value
    has another."""
    if not is_cut(key):
        return key
    try:
        triple = unpack(value)[-1]
    except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise StoreDamaged(f"row `{key!r}` cannot be read: {error}") from error
    if not isinstance(triple, bytes) or sort_key(triple) != key:
        raise StoreDamaged(f"row `{key!r}` holds another triple: `{triple!r}`")
    return triple


def qualifiers_of(fields: tuple[object, ...]) -> Qualifiers:
    """What the fields of a value say besides who wrote it. Raises ValueError where they are not those of a value."""
    if len(fields) == _PLAIN_FIELDS:
        return PLAIN
    _, _, _, name, context_json, not_before_us, expiration_us = fields[:_QUALIFIED_FIELDS]
    caveat = CaveatUse(str(name), str(context_json)) if name is not None else None
    return Qualifiers(caveat, not_before_us, expiration_us)  # type: ignore[arg-type]  # msgpack gives what was packed
