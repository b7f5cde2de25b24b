"""The keys of the tables as bytes, each encoding beside its decoding, and rows read by the thousand.

What belongs to a named store begins with that store's number. A relationship has two rows: one under the sort key of
its triple (see `store.codec`), which holds its value, and one under the same six parts with the subject first.
Law: decode(encode(x)) is x, and equal keys mean equal triples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct

import msgpack

from remit.errors import InvalidArgument, StoreDamaged
from remit.model import (
    PLAIN,
    ObjectRef,
    Provenance,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
)
from remit.store.codec import (
    BEGINNING_BYTES,
    SORT_KEY_BYTES_MAX,
    decode_value,
    encode_triple,
    qualifiers_of,
    sort_key,
    unpack,
    whole_triple,
)
from remit.store.tables.interface import KEY_BYTES_MAX, Item, Table

STORE_BYTES = 4  # the number of the named store, before every key that belongs to one
assert STORE_BYTES + SORT_KEY_BYTES_MAX == KEY_BYTES_MAX, "every sort key fits, and only long ones reach the bound"

NAME_BYTES_MAX = 255

_U64_MAX = 2**64 - 1


def name_key(name: str) -> bytes:
    """A named store's own key. Raises InvalidArgument where a store can have no such name."""
    key = name.encode()
    if not 0 < len(key) <= NAME_BYTES_MAX:
        raise InvalidArgument(f"a store's name has 1 to {NAME_BYTES_MAX} bytes, not `{len(key)}`", field="store")
    return key


def store_prefix(number: int) -> bytes:
    """What the keys of one named store begin with. Numbers count up and are never used again."""
    return number.to_bytes(STORE_BYTES, "big")


_REVISION = Struct(">QI")


def revision_key(prefix: bytes, revision: int, part: int = 0) -> bytes:
    """Changelog: oldest first, the parts of a large delta in their order."""
    return prefix + _REVISION.pack(revision, part)


def decode_revision(key: bytes) -> tuple[int, int]:
    """(revision, part) of a changelog key."""
    revision, part = _REVISION.unpack(key[STORE_BYTES:])
    return revision, part


def schema_key(prefix: bytes, revision: int) -> bytes:
    """Schemas: newest first, so that one step forward from a revision finds the schema that it had."""
    return prefix + (_U64_MAX - revision).to_bytes(8, "big")


def decode_schema_key(key: bytes) -> int:
    """The revision of a schema's key."""
    return _U64_MAX - int.from_bytes(key[STORE_BYTES:], "big")


# --- relationships ----------------------------------------------------------------------------------------------


def keys_both_ways(
    prefix: bytes, resource: ObjectRef, relation: str, subject: SubjectRef
) -> tuple[bytes, bytes, bytes, bytes]:
    """The whole triple, its key among the rows by resource, and its key and value among those by subject. `prefix` is
    the store's. Cost: O(length); a third of what the steps cost one by one."""
    resource_type, resource_id = resource
    subject_type, subject_id, subject_relation = subject
    triple = f"{resource_type}\0{resource_id}\0{relation}\0{subject_type}\0{subject_id}\0{subject_relation}".encode()
    turned = f"{subject_type}\0{subject_id}\0{subject_relation}\0{resource_type}\0{resource_id}\0{relation}".encode()
    if len(triple) <= SORT_KEY_BYTES_MAX:
        return triple, prefix + triple, prefix + turned, b""
    return triple, prefix + sort_key(triple), prefix + sort_key(turned), encode_pointer(turned)


def subject_first(resource: ObjectRef, relation: str, subject: SubjectRef) -> bytes:
    return "\0".join((*subject, *resource, relation)).encode()


def decode_subject_first(turned: bytes) -> RelationshipKey:
    subject_type, subject_id, subject_relation, resource_type, resource_id, relation = turned.decode().split("\0")
    resource, subject = ObjectRef(resource_type, resource_id), SubjectRef(subject_type, subject_id, subject_relation)
    return RelationshipKey(resource, relation, subject)


def encode_pointer(turned: bytes) -> bytes:
    """The value of a row by subject: empty, or all six parts where the key could not hold them."""
    return b"" if len(turned) <= SORT_KEY_BYTES_MAX else turned


def decode_pointer(key: bytes, value: bytes) -> RelationshipKey:
    """The triple a row by subject stands for."""
    try:
        return decode_subject_first(value or key[STORE_BYTES:])
    except (ValueError, TypeError) as error:
        raise StoreDamaged(f"row `{key!r}` by subject cannot be read: {error}") from error


# Frozen dataclasses and named tuples check and name every field on their way in, which is most of what a row costs.
# Rows that we encoded ourselves go straight into the slots. Measured over 100,000 rows, best of nine, CPU per row:
# 7.1 µs through the constructors, 4.3 µs so.
_new = object.__new__
_new_tuple = tuple.__new__
_set_resource = Relationship.__dict__["resource"].__set__
_set_relation = Relationship.__dict__["relation"].__set__
_set_subject = Relationship.__dict__["subject"].__set__
_set_qualifiers = Relationship.__dict__["qualifiers"].__set__

_PROVENANCES_MAX = 4096


def decode_rows(rows: Iterable[Item]) -> Iterator[StoredRelationship]:
    """Rows resource first, decoded in bulk: a scan, and the load at start where there is no core, is this loop.

    Neighbours share their resource, and rows of one revision their provenance, so each is made once and kept.
    Cost: O(length) a row."""
    resource = ObjectRef("", "")
    provenances: dict[bytes, Provenance] = {}  # of plain rows, by their whole value
    key = b""
    try:
        for key, value in rows:
            if len(key) == KEY_BYTES_MAX:  # perhaps a cut one
                yield decode_value(whole_triple(key[STORE_BYTES:], value), value)
                continue
            resource_type, resource_id, relation, subject_type, subject_id, subject_relation = (
                key[STORE_BYTES:].decode().split("\0")
            )
            if resource_id != resource.id or resource_type != resource.type:
                resource = ObjectRef(resource_type, resource_id)
            provenance = provenances.get(value)
            qualifiers = PLAIN
            if provenance is None:
                fields = unpack(value, use_list=False)
                provenance = Provenance(*fields[:3])
                qualifiers = qualifiers_of(fields)
                if qualifiers is PLAIN:
                    if len(provenances) == _PROVENANCES_MAX:
                        provenances.clear()
                    provenances[value] = provenance
            relationship = _new(Relationship)
            _set_resource(relationship, resource)
            _set_relation(relationship, relation)
            _set_subject(relationship, _new_tuple(SubjectRef, (subject_type, subject_id, subject_relation)))
            _set_qualifiers(relationship, qualifiers)
            yield _new_tuple(StoredRelationship, (relationship, provenance))
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StoreDamaged(f"row `{key!r}` cannot be read: {error}") from error


# --- scans ------------------------------------------------------------------------------------------------------


_RESOURCE_ID_PLACE = {Table.RELATIONSHIPS: 1, Table.BY_SUBJECT: 4}  # among the six parts of a key


def scan_plan(filter: RelationshipFilter) -> tuple[Table, bytes, bool]:
    """Which table answers a filter, from which prefix, and whether every row with that prefix is meant.

    Only which fields are named decides the table, so a cursor stays good whatever is written meanwhile. A subject named
    whole goes first unless the resource is; a type alone is a weaker clue."""
    resource = (filter.resource_type, filter.resource_id, filter.relation)
    subject = (filter.subject_type, filter.subject_id, filter.subject_relation)
    if None not in resource[:2]:
        table = Table.RELATIONSHIPS
    elif None not in subject[:2] or (filter.resource_type is None and filter.subject_type is not None):
        table = Table.BY_SUBJECT
    else:
        table = Table.RELATIONSHIPS
    parts = (*resource, *subject) if table is Table.RELATIONSHIPS else (*subject, *resource)
    named = 0
    while named < len(parts) and parts[named] is not None:
        named += 1
    prefix = "".join(f"{part}\0" for part in parts[:named])
    covers = all(part is None for part in parts[named:])
    if filter.resource_id_prefix is not None:
        # A part of the id follows only where the prefix stopped at the id.
        if named == _RESOURCE_ID_PLACE[table]:
            prefix += filter.resource_id_prefix
        else:
            covers = False
    if named == len(parts):
        prefix = prefix[:-1]  # nothing follows the last part
        covers = False
    encoded = prefix.encode()
    return table, encoded[:BEGINNING_BYTES], covers and len(encoded) <= BEGINNING_BYTES


def start_after(table: Table, key: RelationshipKey) -> bytes:
    """Where a scan goes on after a triple: (the rest of) the first key behind it."""
    row = encode_triple(*key) if table is Table.RELATIONSHIPS else subject_first(*key)
    return sort_key(row) + b"\0"
