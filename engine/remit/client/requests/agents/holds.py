"""Hold, release and terminate. Each has an id of its own, so that it may be sent again where no answer came."""

from __future__ import annotations

from remit.client.answers import HoldResult, TerminateResult
from remit.client.requests.agents.impacts import would_stop
from remit.client.requests.agents.naming import object_of, request_id_of
from remit.client.requests.request import Request
from remit.model import ObjectRef
from remit.v1 import agents_pb2
from remit.wire.agents.holds import decode_hold
from remit.wire.facts import encode_object


def hold(store: str, on: str | ObjectRef, reason: str, id: str, request_id: str, dry_run: bool) -> Request[HoldResult]:
    request = agents_pb2.HoldRequest(
        store=store,
        request_id=request_id_of(request_id),
        on=encode_object(object_of(on)),
        reason=reason,
        id=id,
        dry_run=dry_run,
    )
    return Request("/remit.v1.Agents/Hold", request, agents_pb2.HoldResponse, _held, is_repeatable=True)


def release(store: str, id: str, reason: str, request_id: str, dry_run: bool) -> Request[HoldResult]:
    request = agents_pb2.ReleaseRequest(
        store=store, request_id=request_id_of(request_id), id=id, reason=reason, dry_run=dry_run
    )
    return Request("/remit.v1.Agents/Release", request, agents_pb2.ReleaseResponse, _released, is_repeatable=True)


def terminate(
    store: str, object: str | ObjectRef, reason: str, request_id: str, dry_run: bool
) -> Request[TerminateResult]:
    request = agents_pb2.TerminateRequest(
        store=store,
        request_id=request_id_of(request_id),
        object=encode_object(object_of(object)),
        reason=reason,
        dry_run=dry_run,
    )
    return Request(
        "/remit.v1.Agents/Terminate",
        request,
        agents_pb2.TerminateResponse,
        lambda answer: TerminateResult(answer.token, answer.was_over),
        is_repeatable=True,
    )


def _held(answer: agents_pb2.HoldResponse) -> HoldResult:
    stops = would_stop(answer.stops) if answer.HasField("stops") else None
    return HoldResult(answer.token, decode_hold(answer.hold), stops)


def _released(answer: agents_pb2.ReleaseResponse) -> HoldResult:
    return HoldResult(answer.token, decode_hold(answer.hold))
