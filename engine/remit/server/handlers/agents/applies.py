"""Apply."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.agents.submissions import encoded, submission_of
from remit.v1 import agents_pb2
from remit.wire.agents.applies import encode_change


def apply(engine: Engine, request: agents_pb2.ApplyRequest, call: Call) -> agents_pb2.ApplyResponse:
    call.require_heavy()  # before any of them is read
    done = engine.applies.apply(
        request.store,
        request.documents,
        set=request.set,
        selector=request.selector,
        prune=request.prune,
        submission=submission_of(request, call),
    )
    return agents_pb2.ApplyResponse(token=done.token, changes=encoded(done.told, encode_change, engine, call))
