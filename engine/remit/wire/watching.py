"""The events of a watch, as protobuf.

Law: a message is made of its event and nothing else, so that all who watch the same may be sent the same bytes."""

from __future__ import annotations

from remit.engine.watching import Watched
from remit.language.kept import kept
from remit.model import Change, RecordChange
from remit.v1 import relationships_pb2
from remit.wire.facts import encode_object, encode_relationship
from remit.wire.values import encode_context_json, encode_time

_TOUCHED = relationships_pb2.WatchedChange.KIND_TOUCHED
_DELETED = relationships_pb2.WatchedChange.KIND_DELETED


def encode_watched(watched: Watched) -> relationships_pb2.WatchResponse:
    message = relationships_pb2.WatchResponse(
        token=watched.token,
        changes=[_encode_change(change) for change in watched.changes],
        schema=kept(watched.schema_text or "").source,
        written_by=watched.principal,
        committed_at=encode_time(watched.committed_at_us),
        records=[_encode_record(change) for change in watched.records],
    )
    if watched.metadata_json != "{}":
        message.metadata.CopyFrom(encode_context_json(watched.metadata_json))
    if watched.entry_json:
        message.entry.CopyFrom(encode_context_json(watched.entry_json))
    return message


def _encode_record(change: RecordChange) -> relationships_pb2.WatchedRecord:
    """Its name alone: a document may say of somebody what whoever may watch need not know."""
    kind = _TOUCHED if change.after is not None else _DELETED
    about = encode_object(change.key.object)
    return relationships_pb2.WatchedRecord(kind=kind, record_kind=change.key.kind, object=about)


def encode_checkpoint(token: str) -> relationships_pb2.WatchResponse:
    return relationships_pb2.WatchResponse(token=token, checkpoint=True)


def _encode_change(change: Change) -> relationships_pb2.WatchedChange:
    stored = change.after or change.before
    assert stored is not None, "a change has a before or an after"
    kind = _TOUCHED if change.after is not None else _DELETED
    return relationships_pb2.WatchedChange(kind=kind, relationship=encode_relationship(stored.relationship))
