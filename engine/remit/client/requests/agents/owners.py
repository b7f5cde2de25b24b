"""Orphans and TransferOwner."""

from __future__ import annotations

from collections.abc import Iterable

from remit.client.answers import OrphanPage, TransferResult
from remit.client.requests.agents.naming import object_of, request_id_of, subject_of
from remit.client.requests.request import Request
from remit.model import ObjectRef, SubjectRef
from remit.v1 import agents_pb2
from remit.wire.agents.owners import decode_orphan
from remit.wire.facts import decode_object, encode_object, encode_subject
from remit.wire.values import decode_time


def orphans(store: str, leaving: str | ObjectRef, limit: int, cursor: str) -> Request[OrphanPage]:
    request = agents_pb2.OrphansRequest(
        store=store, leaving=encode_object(object_of(leaving)) if leaving else None, limit=limit, cursor=cursor
    )
    return Request("/remit.v1.Agents/Orphans", request, agents_pb2.OrphansResponse, _page, is_repeatable=True)


def transfer_owner(
    store: str,
    from_owner: str | SubjectRef,
    to_owner: str | SubjectRef,
    only: Iterable[str | ObjectRef],
    reason: str,
    request_id: str,
    dry_run: bool,
) -> Request[TransferResult]:
    request = agents_pb2.TransferOwnerRequest(
        store=store,
        request_id=request_id_of(request_id),
        from_owner=encode_subject(subject_of(from_owner)),
        to_owner=encode_subject(subject_of(to_owner)),
        only=[encode_object(object_of(each)) for each in only],
        reason=reason,
        dry_run=dry_run,
    )
    return Request(
        "/remit.v1.Agents/TransferOwner",
        request,
        agents_pb2.TransferOwnerResponse,
        lambda answer: TransferResult(answer.token, tuple(decode_object(each, "objects") for each in answer.objects)),
        is_repeatable=True,
    )


def _page(answer: agents_pb2.OrphansResponse) -> OrphanPage:
    return OrphanPage(
        tuple(map(decode_orphan, answer.orphans)),
        answer.next_cursor,
        answer.token,
        decode_time(answer.evaluated_at, "evaluated_at"),
    )
