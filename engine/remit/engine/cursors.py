"""A cursor: where a list stopped, as text that a caller passes back with the same filter.

Law: a cursor goes on only with the filter it was given for; a page never repeats and never skips what stood still."""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgpack

from remit.errors import InvalidCursor
from remit.model import ObjectRef, RelationshipFilter, RelationshipKey, SubjectRef
from remit.notation import shortened


def encode_cursor(key: RelationshipKey, filter: RelationshipFilter) -> str:
    """The place just after a triple, in the list of a filter."""
    raw: bytes = msgpack.packb([_digest(filter), key.resource, key.relation, key.subject])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str, filter: RelationshipFilter) -> RelationshipKey | None:
    """The triple to go on after; None for the beginning (""). Raises InvalidCursor."""
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, resource, relation, subject = msgpack.unpackb(raw)
        key = RelationshipKey(ObjectRef(*resource), relation, SubjectRef(*subject))
        if not all(isinstance(part, str) for part in (*key.resource, key.relation, *key.subject)):
            raise ValueError(cursor)
    except (ValueError, TypeError, binascii.Error, UnicodeError, msgpack.UnpackException) as error:
        raise InvalidCursor(f"`{shortened(cursor)}` is not a cursor: pass one exactly as a page gave it") from error
    if digest != _digest(filter):
        raise InvalidCursor("the cursor is of another filter: go on with the filter it was given for", field="cursor")
    return key


def _digest(filter: RelationshipFilter) -> bytes:
    return hashlib.blake2b(repr(filter).encode(), digest_size=8).digest()
