"""Holds as protobuf. Law: what is decoded is what was encoded."""

from __future__ import annotations

from remit.engine.agents.holds import HoldState
from remit.v1 import agents_pb2
from remit.wire.facts import decode_object, encode_object
from remit.wire.values import decode_time, encode_time


def encode_hold(hold: HoldState) -> agents_pb2.HoldState:
    message = agents_pb2.HoldState(
        id=hold.id, on=encode_object(hold.on), placed=hold.is_placed, reason=hold.reason, placed_by=hold.placed_by
    )
    if hold.placed_at_us is not None:
        message.placed_at.CopyFrom(encode_time(hold.placed_at_us))
    return message


def decode_hold(message: agents_pb2.HoldState) -> HoldState:
    """Raises InvalidReference."""
    placed_at_us = decode_time(message.placed_at, "placed_at") if message.HasField("placed_at") else None
    on = decode_object(message.on, "on")
    return HoldState(message.id, on, message.placed, message.reason, message.placed_by, placed_at_us)
