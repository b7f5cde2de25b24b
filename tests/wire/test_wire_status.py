"""Errors over the wire: their reason survives, their size does not matter."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import InvalidReference, Overloaded, RemitError, SchemaInvalid, Status, StoreUnavailable, UnknownType
from remit.language.source import Issue, Source, Span
from remit.wire.schemas import Finding
from remit.wire.status import decode_status, encode_status

TRAILERS_MAX = 8 * 1024  # what careful readers accept

texts = st.text(max_size=3_000) | st.text(st.sampled_from("x�\n\t%`\ud800�"), max_size=9_000)


@settings(max_examples=80, deadline=None)
@given(texts, texts, st.dictionaries(st.from_regex(r"[a-z]{1,20}", fullmatch=True), texts, max_size=30))
def test_a_status_fits_into_trailers_whatever_the_error_names(
    message: str, field: str, metadata: dict[str, str]
) -> None:
    error = InvalidReference(message)
    error.field, error.metadata = field, metadata
    status = encode_status(error)
    percent_encoded = sum(1 if 0x20 <= byte < 0x7F and byte != 0x25 else 3 for byte in status.message.encode())
    assert percent_encoded + -(-len(status.SerializeToString()) // 3) * 4 < TRAILERS_MAX
    assert decode_status(status).reason == "INVALID_REFERENCE"


def test_reason_status_message_field_and_metadata_come_back() -> None:
    error = UnknownType("type `tol` is not defined", field="resource.type", type="tol")
    back = decode_status(encode_status(error))
    assert (back.reason, back.status, back.message) == ("UNKNOWN_TYPE", Status.FAILED_PRECONDITION, error.message)
    assert (back.field, back.metadata) == ("resource.type", {"type": "tol"})


def test_metadata_may_have_any_key() -> None:
    error = RemitError("no")
    error.metadata = {"message": "a", "field": "b", "self": "c"}
    assert decode_status(encode_status(error)).metadata == error.metadata


def test_what_passes_by_itself_says_when_to_come_back() -> None:
    assert decode_status(encode_status(Overloaded("busy"))).retry_after_s == 0.1
    assert decode_status(encode_status(StoreUnavailable("closing"))).retry_after_s == 1.0
    assert decode_status(encode_status(RemitError("no"))).retry_after_s is None


def findings_of(count: int) -> tuple[Issue, ...]:
    source = Source(
        "schema", "".join(f"definition broken_{number} {{ relation r: nobody }}\n" for number in range(count))
    )
    return tuple(
        Issue("error", "unknown-type", f"type `nobody` number {number}", Span(number * 40, number * 40 + 3), source)
        for number in range(count)
    )


def test_a_schema_s_findings_come_back_rendered() -> None:
    issues = findings_of(2)
    back = decode_status(encode_status(SchemaInvalid("two", issues=issues)))
    assert back.findings == tuple(
        Finding(issue.code, issue.message, issue.suggestion, issue.line, issue.column, issue.render())
        for issue in issues
    )
    assert back.metadata["issues"] == "2"


def test_findings_that_do_not_fit_are_counted() -> None:
    back = decode_status(encode_status(SchemaInvalid("many", issues=findings_of(500))))
    assert 0 < len(back.findings) < 500
    assert back.metadata["issues"] == "500"


def test_the_status_of_a_stranger_is_an_error_of_its_code() -> None:
    assert decode_status(status_pb2.Status(code=5, message="nope")).reason == "NOT_FOUND"
    unknown = decode_status(status_pb2.Status(code=77, message="?"))
    assert (unknown.reason, unknown.status) == ("UNKNOWN", Status.UNKNOWN)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_damaged_details_are_passed_over(value: bytes) -> None:
    status = status_pb2.Status(code=3, message="bad")
    for kind in (
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.rpc.RetryInfo",
        "remit.v1.SchemaIssue",
        "a.B",
    ):
        status.details.append(Any(type_url=f"type.googleapis.com/{kind}", value=value))
    good = Any()
    good.Pack(error_details_pb2.ErrorInfo(reason="SINGLE_RELATION_TAKEN", domain="remit"))
    status.details.append(good)
    assert decode_status(status).status is Status.INVALID_ARGUMENT
