"""Whatever is sent, the answer is a status with a reason, and the next good request is answered."""

from __future__ import annotations

import socket
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.client import Client
from remit.engine.limits import REQUEST_BYTES_MAX
from remit.server.verbs import VERBS, UnaryVerb
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2
from tests.support.serving import PATIENCE_S

CHECK = permissions_pb2.CheckRequest(
    resource=core_pb2.ObjectReference(type="folder", id="sub"),
    permission="view",
    subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann")),
).SerializeToString()


def refusal(client: Client, path: str, data: bytes) -> tuple[grpc.StatusCode, str, str] | None:
    """(code, reason, message), or None where it was answered."""
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(client.endpoint, options) as channel:
        try:
            channel.unary_unary(path)(data, timeout=30)
        except grpc.RpcError as error:
            call = cast(Any, error)
            info = error_details_pb2.ErrorInfo()
            packed = dict(call.trailing_metadata()).get("grpc-status-details-bin", b"")
            for detail in status_pb2.Status.FromString(packed).details:
                detail.Unpack(info)
            return call.code(), info.reason, call.details()
    return None


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(verb=st.sampled_from(VERBS), data=st.binary(max_size=60))
def test_garbage_is_answered_or_refused_with_a_reason(client: Client, verb: UnaryVerb, data: bytes) -> None:
    refused = refusal(client, verb.path, data)
    assert refused is None or (refused[1] and refused[0] is not grpc.StatusCode.INTERNAL)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(at=st.integers(0, len(CHECK) - 1), byte=st.integers(0, 255))
def test_a_question_with_one_byte_changed_is_answered_or_refused_with_a_reason(
    client: Client, at: int, byte: int
) -> None:
    refused = refusal(client, "/remit.v1.Permissions/Check", CHECK[:at] + bytes([byte]) + CHECK[at + 1 :])
    assert refused is None or (refused[1] and refused[0] is not grpc.StatusCode.INTERNAL)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.method)
def test_an_empty_request_means_nothing_or_is_refused_with_a_reason(client: Client, verb: UnaryVerb) -> None:
    refused = refusal(client, verb.path, b"")
    assert refused is None or (refused[1] and refused[0] is not grpc.StatusCode.INTERNAL)
    if verb.method in ("Check", "Expand", "Write", "LookupResources", "LookupSubjects", "LookupPermissions"):
        assert refused is not None
        assert refused[0] is grpc.StatusCode.INVALID_ARGUMENT
    elif verb.method == "WriteSchema":
        assert refused is not None
        assert refused[1] == "SCHEMA_ORPHANS_RELATIONSHIPS"  # an empty schema has no place for the facts there are
    elif verb.method in ("CheckMany", "Read", "ReadSchema"):
        assert refused is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xff", "damaged"),
        (b"\x22\x02\xff\xfe", "UTF-8"),  # `permission`, the bytes of no character
        (b"\x1a\x7f", "damaged"),  # a `resource` longer than what follows
    ],
)
def test_what_is_no_request_is_refused_in_words(client: Client, data: bytes, said: str) -> None:
    refused = refusal(client, "/remit.v1.Permissions/Check", data)
    assert refused is not None
    assert refused[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert said in refused[2]


def test_a_context_nested_beyond_protobuf_s_own_limit_is_refused(client: Client) -> None:
    data = b""
    for _ in range(150):  # Value { list_value { values: … } }
        data = b"\x0a" + varint(len(data)) + data
        data = b"\x32" + varint(len(data)) + data
    entry = b"\x0a\x01a\x12" + varint(len(data)) + data
    struct = b"\x0a" + varint(len(entry)) + entry
    refused = refusal(client, "/remit.v1.Permissions/Check", CHECK + b"\x32" + varint(len(struct)) + struct)
    assert refused is not None
    assert refused[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert "100 levels" in refused[2]


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def test_an_id_of_megabytes_is_refused_in_a_line(client: Client) -> None:
    request = permissions_pb2.CheckRequest(permission="x" * (4 << 20))
    request.MergeFromString(CHECK[: CHECK.index(b"view") - 2])  # the resource
    refused = refusal(client, "/remit.v1.Permissions/Check", request.SerializeToString())
    assert refused is not None
    assert refused[1] == "INVALID_REFERENCE"
    assert len(refused[2]) < 1_000


@pytest.mark.parametrize("store", ["no-such-store", "x" * (1 << 20), "a\x00b", "ü/../"])
def test_a_store_that_is_not_there_is_not_found_whatever_its_name(client: Client, store: str) -> None:
    for verb in VERBS:
        if "store" not in verb.request.DESCRIPTOR.fields_by_name:
            continue
        request = verb.request.FromString(CHECK) if verb.method == "Check" else verb.request()
        cast(Any, request).store = store
        refused = refusal(client, verb.path, request.SerializeToString())
        assert refused is not None
        # What is about nothing, as an expand or a spawn, is unreadable first.
        assert refused[1] in ("STORE_NOT_FOUND", "INVALID_REFERENCE", "INVALID_ARGUMENT"), verb.path
        assert len(refused[2]) < 1_000


def test_a_request_that_is_too_large_is_refused_with_both_numbers(client: Client) -> None:
    request = relationships_pb2.WriteRequest(store="x" * (REQUEST_BYTES_MAX + 1))
    refused = refusal(client, "/remit.v1.Relationships/Write", request.SerializeToString())
    assert refused is not None
    assert refused[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "LIMIT_EXCEEDED")
    assert str(REQUEST_BYTES_MAX) in refused[2]


def test_a_request_that_is_absurd_is_refused_before_it_is_read(client: Client) -> None:
    refused = refusal(client, "/remit.v1.Relationships/Write", b"\x0a" * (3 * REQUEST_BYTES_MAX))
    assert refused is not None
    assert refused[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert client.check("folder:sub#view@user:ann").allowed


@pytest.mark.parametrize("path", ["/remit.v1.Permissions/Fly", "/remit.v9.Nothing/Check", "/x", "/"])
def test_a_method_that_is_not_there_is_said_to_be(client: Client, path: str) -> None:
    refused = refusal(client, path, b"")
    assert refused is not None
    assert refused[:2] == (grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD")


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff"]
)
def test_what_is_not_even_grpc_disturbs_nobody(client: Client, noise: bytes) -> None:
    host, _, port = client.endpoint.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        connection.sendall(noise)
        assert client.check("folder:sub#view@user:ann").allowed
    assert client.check("folder:sub#view@user:ann").allowed
