"""Impact: what a hold, or the leaving of a person, would stop."""

from __future__ import annotations

from remit.client.answers import ImpactResult, StopsOfType, WouldStop
from remit.client.requests.agents.naming import object_of
from remit.client.requests.request import Request
from remit.model import ObjectRef
from remit.v1 import agents_pb2
from remit.wire.facts import decode_object, decode_relationship, encode_object
from remit.wire.values import decode_time


def impact(store: str, object: str | ObjectRef, leaving: bool, limit: int, with_chains: bool) -> Request[ImpactResult]:
    request = agents_pb2.ImpactRequest(
        store=store,
        object=encode_object(object_of(object)),
        leaving=leaving,
        limit=limit,
        with_chains=with_chains,
    )
    return Request("/remit.v1.Agents/Impact", request, agents_pb2.ImpactResponse, _told, is_repeatable=True)


def _told(answer: agents_pb2.ImpactResponse) -> ImpactResult:
    return ImpactResult(
        would_stop(answer.stops),
        tuple(decode_relationship(each, "chains") for each in answer.chains),
        answer.chains_more,
        answer.token,
        decode_time(answer.evaluated_at, "evaluated_at"),
    )


def would_stop(message: agents_pb2.Stops) -> WouldStop:
    """Raises InvalidReference."""
    types = (
        StopsOfType(each.type, each.count, tuple(decode_object(named, "objects") for named in each.objects))
        for each in message.types
    )
    return WouldStop(tuple(types), message.more)
