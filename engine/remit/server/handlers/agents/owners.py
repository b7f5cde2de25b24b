"""Orphans and TransferOwner."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.agents.submissions import encoded, submission_of
from remit.v1 import agents_pb2
from remit.wire.agents.owners import encode_orphan
from remit.wire.facts import decode_object, decode_subject, encode_object
from remit.wire.values import encode_time


def orphans(engine: Engine, request: agents_pb2.OrphansRequest, call: Call) -> agents_pb2.OrphansResponse:
    leaving = decode_object(request.leaving, "leaving") if request.HasField("leaving") else None
    page = engine.owners.orphans(
        request.store, leaving=leaving, limit=request.limit, cursor=request.cursor, interrupt=call.interrupt
    )
    return agents_pb2.OrphansResponse(
        orphans=encoded(page.orphans, encode_orphan, engine, call),
        next_cursor=page.next_cursor,
        token=page.token,
        evaluated_at=encode_time(page.evaluated_at_us),
    )


def transfer_owner(
    engine: Engine, request: agents_pb2.TransferOwnerRequest, call: Call
) -> agents_pb2.TransferOwnerResponse:
    done = engine.owners.transfer(
        request.store,
        decode_subject(request.from_owner, "from_owner"),
        decode_subject(request.to_owner, "to_owner"),
        only=[decode_object(each, f"only[{index}]") for index, each in enumerate(request.only)],
        reason=request.reason,
        submission=submission_of(request, call),
    )
    return agents_pb2.TransferOwnerResponse(
        token=done.token, objects=encoded(done.told.objects, encode_object, engine, call)
    )
