"""What would stop, as protobuf: all of it counted, and some of it named."""

from __future__ import annotations

from remit.engine.agents.stops import Stops
from remit.v1 import agents_pb2
from remit.wire.facts import encode_object


def encode_stops(stops: Stops, named_max: int) -> agents_pb2.Stops:
    """With the first so many objects of each type."""
    message = agents_pb2.Stops(more=stops.more)
    for type, found in stops.objects.items():
        message.types.add(type=type, count=len(found), objects=map(encode_object, found[:named_max]))
    return message
