"""The events of a watch, as SpiceDB tells them: what was written to relationships, and apart from that, to the schema.

When a relationship begins cannot be said there. One that had not begun when it was written is told as if it were gone:
whoever follows may hold too little, never too much.
Law: a message is made of its event and nothing else, so that all who watch the same may be sent the same bytes."""

from __future__ import annotations

from typing import NamedTuple

from authzed.api.v1 import core_pb2, watch_service_pb2

from remit.engine.watching import Watched
from remit.model import Change
from remit.wire.spicedb.answers import encode_token
from remit.wire.spicedb.facts import encode_relationship
from remit.wire.values import encode_context_json

_TOUCH = core_pb2.RelationshipUpdate.OPERATION_TOUCH
_DELETE = core_pb2.RelationshipUpdate.OPERATION_DELETE


class EncodedRevision(NamedTuple):
    """The token to go on from ("" in a piece that others follow), and the messages, None where there is none."""

    token: str
    relationships: bytes | None
    schema: bytes | None


def encode_watched(watched: Watched) -> EncodedRevision:
    relationships = schema = None
    if watched.changes:
        updates = [_encode_change(change, watched.committed_at_us) for change in watched.changes]
        relationships = _message(watched, updates=updates)
    if watched.schema_text is not None:
        schema = _message(watched, schema_updated=True)
    return EncodedRevision(watched.token, relationships, schema)


def encode_checkpoint(token: str) -> bytes:
    message = watch_service_pb2.WatchResponse(changes_through=encode_token(token), is_checkpoint=True)
    return message.SerializeToString()


def with_token(data: bytes, token: str) -> bytes:
    """A message that has no token, with one: fields of protobuf may follow one another in any order."""
    return data + watch_service_pb2.WatchResponse(changes_through=encode_token(token)).SerializeToString()


def _message(
    watched: Watched, *, updates: list[core_pb2.RelationshipUpdate] | None = None, schema_updated: bool = False
) -> bytes:
    message = watch_service_pb2.WatchResponse(updates=updates, schema_updated=schema_updated)
    if watched.token:
        message.changes_through.CopyFrom(encode_token(watched.token))
    if watched.metadata_json != "{}":
        message.optional_transaction_metadata.CopyFrom(encode_context_json(watched.metadata_json))
    return message.SerializeToString()


def _encode_change(change: Change, committed_at_us: int) -> core_pb2.RelationshipUpdate:
    stored = change.after or change.before
    assert stored is not None, "a change has a before or an after"
    begins_us = stored.relationship.qualifiers.not_before_us
    is_there = change.after is not None and (begins_us is None or begins_us <= committed_at_us)
    operation = _TOUCH if is_there else _DELETE
    return core_pb2.RelationshipUpdate(operation=operation, relationship=encode_relationship(stored.relationship))
