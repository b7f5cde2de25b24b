"""Orphans as protobuf. Law: what is decoded is what was encoded."""

from __future__ import annotations

from remit.engine.agents.owners import Orphan
from remit.v1 import agents_pb2
from remit.wire.facts import decode_object, decode_subject, encode_object, encode_subject


def encode_orphan(orphan: Orphan) -> agents_pb2.Orphan:
    return agents_pb2.Orphan(
        object=encode_object(orphan.object),
        owners=map(encode_subject, orphan.owners),
        undecided=orphan.is_undecided,
    )


def decode_orphan(message: agents_pb2.Orphan) -> Orphan:
    """Raises InvalidReference."""
    owners = tuple(decode_subject(each, "owners") for each in message.owners)
    return Orphan(decode_object(message.object, "object"), owners, message.undecided)
