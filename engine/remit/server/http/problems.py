"""Errors over HTTP: problem details (RFC 9457), whatever was asked, with the reason that gRPC gives beside them.

A problem is made of the status that gRPC's callers are sent, so it is shortened as that is and says no less. SpiceDB's
gateway says an error as that status in JSON; its callers find `code`, `message` and `details` where they look for them.
Law: whatever is not answered ends in a problem with a stable reason, and nothing of what was sent stands in it but what
gRPC would have told."""

from __future__ import annotations

import http
import json
import math
from collections.abc import Mapping

from google.protobuf import json_format

from remit.errors import LimitExceeded, RemitError, Status
from remit.server.http.answers import Answer
from remit.v1 import schemas_pb2
from remit.wire.status import decode_status, encode_status

MEDIA_TYPE = "application/problem+json"

# As gRPC's gateways translate them: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
HTTP_STATUS: Mapping[Status, int] = {
    Status.CANCELLED: 499,
    Status.UNKNOWN: 500,
    Status.INVALID_ARGUMENT: 400,
    Status.DEADLINE_EXCEEDED: 504,
    Status.NOT_FOUND: 404,
    Status.ALREADY_EXISTS: 409,
    Status.PERMISSION_DENIED: 403,
    Status.RESOURCE_EXHAUSTED: 429,
    Status.FAILED_PRECONDITION: 400,
    Status.ABORTED: 409,
    Status.OUT_OF_RANGE: 400,
    Status.UNIMPLEMENTED: 501,
    Status.INTERNAL: 500,
    Status.UNAVAILABLE: 503,
    Status.DATA_LOSS: 500,
    Status.UNAUTHENTICATED: 401,
}


def problem(
    error: RemitError,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    request_id: str = "",
    of_spicedb: bool = False,
) -> Answer:
    """`status` where the error is about the request as HTTP has it, and gRPC knows no such thing."""
    status = status or _status_of(error)
    sent = encode_status(error)
    told = decode_status(sent)
    found: dict[str, object] = {
        "type": "about:blank",
        "title": _title(status),
        "status": status,
        "detail": told.message,
        "code": sent.code,
        "reason": told.reason,
        "domain": error.domain,
        "metadata": dict(told.metadata),
    }
    if told.field:
        found["field"] = told.field
    if issues := _issues(sent.details):
        found["issues"] = issues
    if request_id:
        found["requestId"] = request_id
    if of_spicedb:
        found |= json_format.MessageToDict(sent)
    named = {"content-type": MEDIA_TYPE, "cache-control": "no-store", **(headers or {})}
    if told.retry_after_s is not None:
        named["retry-after"] = str(math.ceil(told.retry_after_s))
        found["retryAfterMs"] = math.ceil(told.retry_after_s * 1_000)
    if status == 401:
        named["www-authenticate"] = "Bearer"
    if request_id:
        named["x-request-id"] = request_id
    return Answer(status, named, json.dumps(found).encode() + b"\n")


def _status_of(error: RemitError) -> int:
    if isinstance(error, LimitExceeded) and error.metadata.get("name") == "json_bytes_max":
        return 413
    return HTTP_STATUS[error.status]


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"  # 499, which has its name from nginx


def _issues(details: object) -> list[object]:
    """The findings of a schema, as the wire tells them."""
    found: list[object] = []
    for detail in details:  # type: ignore[attr-defined]  # a container of protobuf's
        issue = schemas_pb2.SchemaIssue()
        if detail.Unpack(issue):
            found.append(json_format.MessageToDict(issue, always_print_fields_with_no_presence=True))
    return found
