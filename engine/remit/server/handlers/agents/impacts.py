"""Impact."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.agents.submissions import encoded
from remit.v1 import agents_pb2
from remit.wire.agents.stops import encode_stops
from remit.wire.facts import decode_object, encode_relationship
from remit.wire.values import encode_time

NAMED = 100  # of each type, where the request does not say how many


def impact(engine: Engine, request: agents_pb2.ImpactRequest, call: Call) -> agents_pb2.ImpactResponse:
    found = engine.impacts.impact(
        request.store,
        decode_object(request.object, "object"),
        is_leaving=request.leaving,
        with_chains=request.with_chains,
        interrupt=call.interrupt,
    )
    return agents_pb2.ImpactResponse(
        stops=encode_stops(found.stops, min(request.limit or NAMED, engine.limits.page_max)),
        chains=encoded(found.chains, encode_relationship, engine, call),
        chains_more=found.chains_more,
        token=found.token,
        evaluated_at=encode_time(found.evaluated_at_us),
    )
