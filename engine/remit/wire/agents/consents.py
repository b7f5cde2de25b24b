"""Consents as protobuf. Law: what is decoded is what was encoded."""

from __future__ import annotations

from remit.engine.agents.consents import ConsentState
from remit.v1 import agents_pb2
from remit.wire.facts import decode_object, encode_object
from remit.wire.values import decode_time, encode_time


def encode_consent(consent: ConsentState) -> agents_pb2.ConsentState:
    message = agents_pb2.ConsentState(
        id=consent.id,
        giver=encode_object(consent.giver),
        agents=consent.agents,
        withdrawn=consent.is_withdrawn,
        reason=consent.reason,
        given_by=consent.given_by,
    )
    if consent.given_at_us is not None:
        message.given_at.CopyFrom(encode_time(consent.given_at_us))
    return message


def decode_consent(message: agents_pb2.ConsentState) -> ConsentState:
    """Raises InvalidReference."""
    return ConsentState(
        message.id,
        decode_object(message.giver, "giver"),
        tuple(message.agents),
        message.withdrawn,
        message.reason,
        message.given_by,
        decode_time(message.given_at, "given_at") if message.HasField("given_at") else None,
    )
