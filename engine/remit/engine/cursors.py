"""A cursor: where a list stopped, as text that a caller passes back with the same filter, or the same lookup.

A cursor names its form, so that one of another form is refused by name: a server that is upgraded may take no cursor of
before, and then the list begins anew. One of a lookup is of its store and schema as well: under another schema the
same words ask another question. One of subjects keeps what `*` was answered with: the pages after the first tell only
how others differ from it.
Law: a cursor goes on only with what it was given for; a page never repeats and never skips what stood still."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from remit.errors import InvalidCursor, RemitError
from remit.eval.semantics import Answer
from remit.model import Lookup, ObjectRef, Relationship, RelationshipFilter, RelationshipKey, SubjectRef
from remit.notation import canonical_json, normalized_json, shortened
from remit.store.port import StoreIdentity

_LOOKUP_FORM = "lookup-2"  # the first form did not keep the answer of `*`
_SUBJECTS_FORM = "subjects-1"
_SUBTREE_FORM = "subtree-1"
_NAMES_FORM = "names-1"
_FORM = 2  # the first form had no number: it hashed how Python shows a filter, which any version may show otherwise


def encode_cursor(key: RelationshipKey, filter: RelationshipFilter) -> str:
    """The place just after a triple, in the list of a filter."""
    raw: bytes = msgpack.packb([_FORM, _digest(filter), key.resource, key.relation, key.subject])
    return _packed(raw)


def decode_cursor(cursor: str, filter: RelationshipFilter) -> RelationshipKey | None:
    """The triple to go on after; None for the beginning (""). Raises InvalidCursor."""
    if not cursor:
        return None
    try:
        form, *parts = _unpacked(cursor)
        _require_form(form, parts, cursor)
        digest, resource, relation, subject = parts
        key = RelationshipKey(ObjectRef(*resource), relation, SubjectRef(*subject))
        if not all(isinstance(part, str) for part in (*key.resource, key.relation, *key.subject)):
            raise ValueError(cursor)
    except _UNREADABLE as error:
        raise _not_a_cursor(cursor) from error
    if digest != _digest(filter):
        raise InvalidCursor("the cursor is of another filter: go on with the filter it was given for", field="cursor")
    return key


def _require_form(form: object, parts: list[object], cursor: str) -> None:
    """Raises InvalidCursor for what another version of the server gave, ValueError for what none did."""
    if form == _LOOKUP_FORM:
        message = f"`{shortened(cursor)}` is the cursor of a lookup, and this is a list of relationships"
        raise InvalidCursor(message, field="cursor")
    is_first = isinstance(form, bytes) and len(parts) == 3
    if is_first or (isinstance(form, int) and form != _FORM):
        message = f"`{shortened(cursor)}` is a cursor of another version of the server: begin the list anew"
        raise InvalidCursor(message, field="cursor")
    if form != _FORM:
        raise ValueError(cursor)


def _digest(filter: RelationshipFilter) -> bytes:
    """Of what the filter says, by names that stay what they are whatever becomes of the class."""
    said = {
        "resource_type": filter.resource_type,
        "resource_id": filter.resource_id,
        "resource_id_prefix": filter.resource_id_prefix,
        "relation": filter.relation,
        "subject_type": filter.subject_type,
        "subject_id": filter.subject_id,
        "subject_relation": filter.subject_relation,
    }
    text = normalized_json({name: value for name, value in said.items() if value is not None})
    return _hash(text.encode())


# --- of lookups -------------------------------------------------------------------------------------------------


class LookupCursor(NamedTuple):
    """Where a lookup goes on: after this id or name, with or without errors on the pages before; and of subjects, what
    everybody was answered on the first page."""

    after: str = ""
    has_failed: bool = False
    everybody: bytes = b""  # `answer_digest`


class LookupBinding(NamedTuple):
    """What a cursor of a lookup goes on with."""

    store: bytes
    schema: bytes
    lookup: bytes

    @classmethod
    def of(
        cls, identity: StoreIdentity, schema_text: str, lookup: Lookup, contextual: Sequence[Relationship]
    ) -> LookupBinding:
        """Cost: O(schema), some microseconds for each ten thousand characters of it."""
        facts = sorted((each.resource, each.relation, each.subject, _qualifiers_said(each)) for each in contextual)
        *said, context = lookup
        asked = [type(lookup).__name__, said, canonical_json(context), facts]
        return cls(
            _of_store(identity),
            _hash(schema_text.encode("utf-8", "surrogatepass")),
            _hash(msgpack.packb(asked)),
        )


def encode_lookup_cursor(place: LookupCursor, binding: LookupBinding) -> str:
    """The place of a lookup as text."""
    raw: bytes = msgpack.packb([_LOOKUP_FORM, *binding, *place])
    return _packed(raw)


def decode_lookup_cursor(cursor: str, binding: LookupBinding) -> LookupCursor:
    """Where to go on; at the beginning for "". Raises InvalidCursor."""
    if not cursor:
        return LookupCursor()
    try:
        form, *parts = _unpacked(cursor)
        _require_lookup_form(form, cursor)
        store, schema, lookup, after, has_failed, everybody = parts
        if not (isinstance(after, str) and after and isinstance(has_failed, bool) and isinstance(everybody, bytes)):
            raise ValueError(cursor)
    except _UNREADABLE as error:
        raise _not_a_cursor(cursor) from error
    _require_binding(LookupBinding(store, schema, lookup), binding)
    return LookupCursor(after, has_failed, everybody)


class SubjectsCursor(NamedTuple):
    """Where a list of subjects goes on that tells at the end of each part whom `*` does not stand for there: after
    whom, from whom on that is still to be told, and the digest of the answer of `*` that it was told with before."""

    after: str = ""
    told: str = ""
    everybody: bytes = b""


def encode_subjects_cursor(place: SubjectsCursor, binding: LookupBinding) -> str:
    """The place of such a list as text."""
    raw: bytes = msgpack.packb([_SUBJECTS_FORM, *binding, *place])
    return _packed(raw)


def decode_subjects_cursor(cursor: str, binding: LookupBinding) -> SubjectsCursor:
    """Where to go on; at the beginning for "". Raises InvalidCursor."""
    if not cursor:
        return SubjectsCursor()
    try:
        form, store, schema, lookup, after, told, everybody = _unpacked(cursor)
        if form != _SUBJECTS_FORM or not (isinstance(after, str) and after and isinstance(told, str)):
            raise ValueError(cursor)
        if not isinstance(everybody, bytes):
            raise ValueError(cursor)
    except _UNREADABLE as error:
        raise _not_a_cursor(cursor) from error
    _require_binding(LookupBinding(store, schema, lookup), binding)
    return SubjectsCursor(after, told, everybody)


def encode_subtree_cursor(path: Sequence[str], start: ObjectRef) -> str:
    """The place of a list of what is below an object: just after the last of these, each below the one before."""
    raw: bytes = msgpack.packb([_SUBTREE_FORM, str(start), list(path)])
    return _packed(raw)


def decode_subtree_cursor(cursor: str, start: ObjectRef, length_max: int) -> list[str]:
    """The path to go on after; none for the beginning (""). Raises InvalidCursor."""
    if not cursor:
        return []
    try:
        form, said, path = _unpacked(cursor)
        if form != _SUBTREE_FORM or len(path) > length_max or not all(isinstance(each, str) and each for each in path):
            raise ValueError(cursor)
    except _UNREADABLE as error:
        raise _not_a_cursor(cursor) from error
    if said != str(start):
        raise InvalidCursor(f"the cursor is of what is below `{shortened(said)}`, not `{start}`", field="cursor")
    return list(path)


def encode_names_cursor(after: str, identity: StoreIdentity, listed: str) -> str:
    """The place just after a name, in a list of a store that is known by what it is of."""
    raw: bytes = msgpack.packb([_NAMES_FORM, _of_store(identity), _hash(listed.encode()), after])
    return _packed(raw)


def decode_names_cursor(cursor: str, identity: StoreIdentity, listed: str) -> str:
    """The name to go on after; "" for the beginning. Raises InvalidCursor."""
    if not cursor:
        return ""
    try:
        form, store, digest, after = _unpacked(cursor)
        if form != _NAMES_FORM or not (isinstance(after, str) and after):
            raise ValueError(cursor)
    except _UNREADABLE as error:
        raise _not_a_cursor(cursor) from error
    if store != _of_store(identity):
        message = "the cursor is of another store, or from before this one was restored or recreated: begin anew"
        raise InvalidCursor(message, field="cursor")
    if digest != _hash(listed.encode()):
        raise InvalidCursor("the cursor is of another list: go on with the one it was given for", field="cursor")
    return after


def _of_store(identity: StoreIdentity) -> bytes:
    return _hash(identity.uuid + identity.epoch.to_bytes(8, "big"))


def _require_binding(found: LookupBinding, binding: LookupBinding) -> None:
    """Raises InvalidCursor."""
    if found.store != binding.store:
        message = "the cursor is of another store, or from before this one was restored or recreated: begin anew"
    elif found.lookup != binding.lookup:
        message = "the cursor is of another lookup: go on with the one it was given for"
    elif found.schema != binding.schema:
        message = "the schema is another than when the cursor was given: begin the lookup anew"
    else:
        return
    raise InvalidCursor(message, field="cursor")


def answer_digest(answer: Answer | RemitError) -> bytes:
    """For a cursor that goes on only while everybody has the same answer: the same of two where a list leaves out the
    same subjects because of them."""
    said = [answer.reason] if isinstance(answer, RemitError) else [answer.verdict.value, *answer.missing]
    return _hash(msgpack.packb(said))


def _require_lookup_form(form: object, cursor: str) -> None:
    """Raises InvalidCursor for what another list gave, or another version of the server; ValueError for others."""
    if form == _LOOKUP_FORM:
        return
    if isinstance(form, str) and form.startswith("lookup-"):
        message = f"`{shortened(cursor)}` is a cursor of another version of the server: begin the lookup anew"
        raise InvalidCursor(message, field="cursor")
    if form == _FORM:
        message = f"`{shortened(cursor)}` is the cursor of a list of relationships, and this is a lookup"
        raise InvalidCursor(message, field="cursor")
    raise ValueError(cursor)


def _qualifiers_said(relationship: Relationship) -> str:
    caveat, not_before_us, expiration_us = relationship.qualifiers
    return canonical_json({"caveat": list(caveat) if caveat else [], "times": [not_before_us, expiration_us]})


# --- bytes and text ---------------------------------------------------------------------------------------------

_UNREADABLE = (ValueError, TypeError, binascii.Error, UnicodeError, msgpack.UnpackException)


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unpacked(cursor: str) -> list[Any]:
    """Raises one of `_UNREADABLE`."""
    unpacked = msgpack.unpackb(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    if not isinstance(unpacked, list):
        raise TypeError(cursor)
    return unpacked


def _not_a_cursor(cursor: str) -> InvalidCursor:
    return InvalidCursor(f"`{shortened(cursor)}` is not a cursor: pass one exactly as a page gave it")


def _hash(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=8).digest()
