"""Hold, Release and Terminate."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.agents.submissions import submission_of
from remit.v1 import agents_pb2
from remit.wire.agents.holds import encode_hold
from remit.wire.agents.stops import encode_stops
from remit.wire.facts import decode_object


def hold(engine: Engine, request: agents_pb2.HoldRequest, call: Call) -> agents_pb2.HoldResponse:
    on = decode_object(request.on, "on")
    done = engine.holds.hold(
        request.store, on, reason=request.reason, id=request.id, submission=submission_of(request, call)
    )
    response = agents_pb2.HoldResponse(token=done.token, hold=encode_hold(done.told))
    if request.dry_run:  # counted on a view of its own, for no writer waits for that
        stops = engine.impacts.stops_of_hold(request.store, on, interrupt=call.interrupt)
        response.stops.CopyFrom(encode_stops(stops, named_max=0))
    return response


def release(engine: Engine, request: agents_pb2.ReleaseRequest, call: Call) -> agents_pb2.ReleaseResponse:
    done = engine.holds.release(
        request.store, request.id, reason=request.reason, submission=submission_of(request, call)
    )
    return agents_pb2.ReleaseResponse(token=done.token, hold=encode_hold(done.told))


def terminate(engine: Engine, request: agents_pb2.TerminateRequest, call: Call) -> agents_pb2.TerminateResponse:
    object = decode_object(request.object, "object")
    done = engine.ends.terminate(request.store, object, reason=request.reason, submission=submission_of(request, call))
    return agents_pb2.TerminateResponse(token=done.token, was_over=done.told.was_over)
