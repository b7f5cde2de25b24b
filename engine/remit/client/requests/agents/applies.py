"""Apply. What the documents mean is for the server to say: here they are made JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from remit.client.answers import ApplyResult
from remit.client.requests.agents.naming import request_id_of
from remit.client.requests.request import Request
from remit.errors import InvalidArgument
from remit.v1 import agents_pb2
from remit.wire.agents.applies import decode_change


def apply(
    store: str,
    documents: Iterable[Mapping[str, object] | bytes],
    set: str,
    selector: Mapping[str, str] | None,
    prune: bool,
    request_id: str,
    dry_run: bool,
) -> Request[ApplyResult]:
    """Raises InvalidArgument where a document is not JSON."""
    request = agents_pb2.ApplyRequest(
        store=store,
        request_id=request_id_of(request_id),
        documents=[_bytes_of(each, index) for index, each in enumerate(documents)],
        set=set,
        selector=dict(selector or {}),
        prune=prune,
        dry_run=dry_run,
    )
    return Request(
        "/remit.v1.Agents/Apply",
        request,
        agents_pb2.ApplyResponse,
        lambda answer: ApplyResult(answer.token, tuple(map(decode_change, answer.changes))),
        is_repeatable=True,
    )


def _bytes_of(document: Mapping[str, object] | bytes, index: int) -> bytes:
    if isinstance(document, bytes):
        return document
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"document {index} is not JSON: {error}", field=f"documents[{index}]") from error
