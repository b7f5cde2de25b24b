"""Errors as google.rpc.Status: a code, a message, and details a program can act on.

Every status carries ErrorInfo (reason, domain `remit` or that of another wire, metadata); BadRequest where a field is
at fault; SchemaIssue for each finding of a schema; RetryInfo where coming back later helps.
Law: a status fits into gRPC's trailers, however large the values are that an error names: readers refuse trailers above
8 to 16 KiB, and the caller would learn nothing at all."""

from __future__ import annotations

import math

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from remit.errors import (
    Draining,
    Overloaded,
    RateLimited,
    RemitError,
    RemoteError,
    SchemaInvalid,
    Status,
    StoreUnavailable,
)
from remit.language.source import Issue
from remit.v1 import schemas_pb2
from remit.wire.schemas import Finding, decode_issue, encode_issue

DOMAIN = RemitError.domain

# The message travels twice: percent-encoded (up to three bytes each) and inside the status, in base64 (4/3 of it):
# 3 * 800 + 4/3 * 3,800 stays below 8 KiB, with room for the other trailers.
_MESSAGE_BYTES_MAX = 800
_STATUS_BYTES_MAX = 3_800
_VALUE_BYTES_MAX = 200
_VALUES_MAX = 8

_RETRY_AFTER_MS = {Overloaded: 100, StoreUnavailable: 1_000, Draining: 1_000}


def encode_status(error: RemitError) -> status_pb2.Status:
    """The status of an error, shortened until it fits."""
    message = _text(error.message, _MESSAGE_BYTES_MAX)
    status = status_pb2.Status(code=error.status.value, message=message)
    findings = [issue for issue in error.issues if isinstance(issue, Issue)] if isinstance(error, SchemaInvalid) else []
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=error.domain)
    for key, value in list(error.metadata.items())[:_VALUES_MAX]:
        info.metadata[key] = _text(value, _VALUE_BYTES_MAX)
    if findings:
        info.metadata["issues"] = str(len(findings))
    _attach(status, info)
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_text(error.field, _VALUE_BYTES_MAX), description=_text(error.message, _VALUE_BYTES_MAX)
        )
        _attach(status, error_details_pb2.BadRequest(field_violations=[violation]))
    retry_after_ms = _retry_after_ms(error)
    if retry_after_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_after_ms)
        _attach(status, retry)
    for issue in findings:
        # Those that do not fit are counted above; `remit schema check` lists all of them.
        detail = _packed(encode_issue(issue))
        if status.ByteSize() + detail.ByteSize() > _STATUS_BYTES_MAX:
            break
        status.details.append(detail)
    return status


def decode_status(status: status_pb2.Status) -> RemoteError:
    """The error of a status, from Remit or from anyone: details that are not known or damaged are passed over."""
    info, bad_request, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    findings: list[Finding] = []
    known: dict[str, Message] = {message.DESCRIPTOR.full_name: message for message in (info, bad_request, retry)}
    for detail in status.details:
        issue = schemas_pb2.SchemaIssue()
        if _unpacked(detail, issue):
            findings.append(decode_issue(issue))
        elif (message := known.get(detail.TypeName())) is not None:
            _unpacked(detail, message)
    return RemoteError(
        info.reason or status_of(status.code).name,
        status_of(status.code),
        status.message,
        field=bad_request.field_violations[0].field if bad_request.field_violations else "",
        metadata=dict(info.metadata),
        findings=findings,
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
    )


def status_of(code: int) -> Status:
    """The canonical status of a number; UNKNOWN where it is none of those Remit uses."""
    try:
        return Status(code)
    except ValueError:
        return Status.UNKNOWN


def _retry_after_ms(error: RemitError) -> int | None:
    if isinstance(error, RateLimited):
        return math.ceil(error.retry_after_s * 1_000)
    return next((delay_ms for kind, delay_ms in _RETRY_AFTER_MS.items() if isinstance(error, kind)), None)


def _attach(status: status_pb2.Status, detail: Message) -> None:
    status.details.append(_packed(detail))


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _unpacked(detail: any_pb2.Any, message: Message) -> bool:
    try:
        return detail.Unpack(message)  # False where it is another kind of message
    except DecodeError:
        return False


def _text(text: str, bytes_max: int) -> str:
    """The text as UTF-8 can carry it, not longer than that."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= bytes_max:
        return data.decode("utf-8")
    return data[: bytes_max - len("…".encode())].decode("utf-8", "ignore") + "…"
