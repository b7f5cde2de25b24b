"""A cursor: where a list stopped, as text that a caller passes back with the same filter.

A cursor names its form, so that one of another form is refused by name: a server that is upgraded may take no cursor of
before, and then the list begins anew.
Law: a cursor goes on only with the filter it was given for; a page never repeats and never skips what stood still."""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgpack

from remit.errors import InvalidCursor
from remit.model import ObjectRef, RelationshipFilter, RelationshipKey, SubjectRef
from remit.notation import normalized_json, shortened

_FORM = 2  # the first form had no number: it hashed how Python shows a filter, which any version may show otherwise


def encode_cursor(key: RelationshipKey, filter: RelationshipFilter) -> str:
    """The place just after a triple, in the list of a filter."""
    raw: bytes = msgpack.packb([_FORM, _digest(filter), key.resource, key.relation, key.subject])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str, filter: RelationshipFilter) -> RelationshipKey | None:
    """The triple to go on after; None for the beginning (""). Raises InvalidCursor."""
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        form, *parts = msgpack.unpackb(raw)
        _require_form(form, parts, cursor)
        digest, resource, relation, subject = parts
        key = RelationshipKey(ObjectRef(*resource), relation, SubjectRef(*subject))
        if not all(isinstance(part, str) for part in (*key.resource, key.relation, *key.subject)):
            raise ValueError(cursor)
    except (ValueError, TypeError, binascii.Error, UnicodeError, msgpack.UnpackException) as error:
        raise InvalidCursor(f"`{shortened(cursor)}` is not a cursor: pass one exactly as a page gave it") from error
    if digest != _digest(filter):
        raise InvalidCursor("the cursor is of another filter: go on with the filter it was given for", field="cursor")
    return key


def _require_form(form: object, parts: list[object], cursor: str) -> None:
    """Raises InvalidCursor for what another version of the server gave, ValueError for what none did."""
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
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
