"""What becomes of applied documents as protobuf. Law: what is decoded is what was encoded."""

from __future__ import annotations

from remit.engine.agents.applies import Change, DocumentChange, FactChange
from remit.v1 import agents_pb2


def encode_change(change: DocumentChange) -> agents_pb2.DocumentChange:
    message = agents_pb2.DocumentChange(
        kind=change.kind,
        name=change.name,
        change=agents_pb2.ChangeKind.ValueType(change.change.value),
        facts=[
            agents_pb2.FactChange(
                change=agents_pb2.ChangeKind.ValueType(each.change.value), fact=each.fact, before=each.before
            )
            for each in change.facts
        ],
        pointer=change.pointer,
    )
    if change.document is not None:
        message.document = change.document
    return message


def decode_change(message: agents_pb2.DocumentChange) -> DocumentChange:
    """A change that is not known here, of a later server, is told as a change."""
    return DocumentChange(
        message.kind,
        message.name,
        _KNOWN.get(message.change, Change.CHANGED),
        tuple(FactChange(_KNOWN.get(each.change, Change.CHANGED), each.fact, each.before) for each in message.facts),
        message.document if message.HasField("document") else None,
        message.pointer,
    )


_KNOWN = {change.value: change for change in Change}
