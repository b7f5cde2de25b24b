"""Calls in JSON over HTTP: who may make one, what they answer, and what becomes of whoever makes them badly.

Law: a call is answered, or refused with a reason, as it would be over gRPC."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.access.keys import Right
from remit.client import Client
from remit.engine.facade import Engine
from remit.engine.limits import JSON_BYTES_MAX
from remit.server.http.paths import path_of
from remit.server.limits.serve_limits import ServeLimits
from remit.server.run.background import BackgroundServer
from remit.server.verb import Queue, Verb
from remit.server.verbs import SPICEDB_VERBS, STREAMING, UNARY, VERBS
from tests.support.keyed import Keyed, keyed_server
from tests.support.scraping import counts, fetched, scraped
from tests.support.serving import PATIENCE_S, GatedEngine, until
from tests.support.verb_requests import request

CHECK = "/remit.v1.Permissions/Check"
ANYBODY = "127.0.0.1:0"
JSON = {"Content-Type": "application/json"}
ASKED = json_format.MessageToJson(request("Check", "")).encode()
HEAD = b"POST " + CHECK.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed_server(tmp_path_factory.mktemp("keys"), http=ANYBODY, http_api=True) as keyed:
        yield keyed


@pytest.fixture(scope="module")
def key(edge: Keyed) -> str:
    return edge.make(*(right for right in Right if right is not Right.AUDIT), stores=("*",))


def connected(server: BackgroundServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.http_endpoint.removeprefix("http://"), timeout=PATIENCE_S)


def post(
    server: BackgroundServer, path: str, body: bytes, key: str = "", method: str = "POST", **headers: str
) -> tuple[int, dict[str, Any], http.client.HTTPResponse]:
    """The status, the object that came, and its head; every problem is one of RFC 9457."""
    sent = JSON | ({"Authorization": f"Bearer {key}"} if key else {})
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    with contextlib.closing(connected(server)) as connection:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        found = json.loads(response.read())
    if response.status != 200:
        require_problem(response, found)
    return response.status, found, response


def require_problem(response: http.client.HTTPResponse, found: dict[str, Any]) -> None:
    assert response.headers["Content-Type"] == "application/problem+json"
    assert found["status"] == response.status
    assert found.keys() >= {"type", "title", "detail", "code", "reason", "domain", "metadata"}
    assert "Traceback" not in found["detail"]


def said(server: BackgroundServer, *parts: bytes) -> bytes:
    """All that comes back for these bytes, until the server ends the connection or says nothing more."""
    host, _, port = server.http_endpoint.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
        heard = b""
        with contextlib.suppress(OSError):  # where it is ended in the middle of them
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65_536):
                heard += more
    return heard


def over_grpc(edge: Keyed, verb: Verb[Any], message: Message, key: str) -> Message | tuple[str, str]:
    """The answer, or the status and reason of the refusal."""
    with grpc.insecure_channel(edge.server.endpoint) as channel:
        call = channel.unary_unary(
            verb.path,
            request_serializer=verb.request.SerializeToString,
            response_deserializer=verb.response.FromString,
        )
        try:
            answer: Message = call(message, metadata=(("authorization", f"Bearer {key}"),), timeout=PATIENCE_S)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            info = error_details_pb2.ErrorInfo()
            assert status is not None
            assert any(detail.Unpack(info) for detail in status.details)
            return grpc_code(status.code), info.reason
        return answer


def grpc_code(number: int) -> str:
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)


# --- the same as over gRPC --------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.label)
def test_an_answer_over_json_is_that_over_grpc(edge: Keyed, key: str, verb: Verb[Any]) -> None:
    by_way = []
    for way in ("grpc", "json"):
        store = f"{verb.method.lower()}-{way}" if verb.method in ("CreateStore", "DeleteStore") else "own"
        if verb.method == "DeleteStore":
            edge.engine.stores.create(store)
        message = request(verb.method, store)
        if way == "grpc":
            answer = over_grpc(edge, verb, message, key)
            assert isinstance(answer, Message), answer
        else:
            status, found, _ = post(edge.server, path_of(verb), json_format.MessageToJson(message).encode(), key)
            assert status == 200, found
            answer = json_format.ParseDict(found, verb.response())
        by_way.append(answer)
    if verb.queue is Queue.READS:
        for answer in by_way:
            if "steps" in answer.DESCRIPTOR.fields_by_name:
                answer.ClearField("steps")  # the second may find something worked out
        assert by_way[0] == by_way[1]
    else:  # each is a commit of its own, with a token of its own
        assert type(by_way[0]) is type(by_way[1])


@pytest.mark.parametrize("verb", UNARY, ids=lambda verb: verb.label)
def test_an_empty_request_ends_as_it_does_over_grpc(edge: Keyed, key: str, verb: Verb[Any]) -> None:
    expected = over_grpc(edge, verb, verb.request(), key)
    for body in (b"{}", b""):
        status, found, _ = post(edge.server, path_of(verb), body, key)
        if isinstance(expected, Message):
            assert status == 200, found
        else:
            assert (grpc_code(found["code"]), found["reason"]) == expected


def test_the_paths_of_spicedbs_gateway_are_served() -> None:
    served = {path_of(verb) for verb in SPICEDB_VERBS}
    assert {"/v1/permissions/check", "/v1/permissions/checkbulk", "/v1/permissions/expand"} <= served
    assert {"/v1/schema/read", "/v1/schema/write", "/v1/relationships/write", "/v1/relationships/delete"} <= served
    assert len({path_of(verb) for verb in (*UNARY, *STREAMING)}) == len(UNARY) + len(STREAMING)


def test_a_refusal_of_spicedbs_calls_is_told_as_its_gateway_tells_it(edge: Keyed, key: str) -> None:
    status, found, _ = post(edge.server, "/v1/schema/write", b'{"schema": "definition {"}', key)
    assert status == 400
    assert (found["code"], found["message"]) == (3, found["detail"])
    assert found["details"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert found["details"][0]["reason"] == found["reason"]
    assert found["issues"][0]["line"] == 1


@pytest.mark.parametrize("verb", STREAMING, ids=lambda verb: verb.label)
def test_a_stream_is_said_to_be_grpcs(edge: Keyed, verb: Verb[Any]) -> None:
    status, found, _ = post(edge.server, path_of(verb), b"{}")
    assert status == 501
    assert f"`{verb.service}/{verb.method}` is a stream" in found["detail"]


def test_a_schema_that_does_not_compile_is_told_with_its_findings(edge: Keyed, key: str) -> None:
    body = json.dumps({"store": "own", "schema": "definition user {}\ndefinition doc { relation a: usr }"}).encode()
    status, found, _ = post(edge.server, "/remit.v1.Schemas/WriteSchema", body, key)
    assert (status, found["reason"]) == (400, "SCHEMA_INVALID")
    assert found["issues"][0]["line"] == 2


def test_a_call_acts_for_a_run_and_has_a_name_as_over_grpc(edge: Keyed, key: str) -> None:
    body = json_format.MessageToJson(request("Write", "other")).encode()
    assert post(edge.server, "/remit.v1.Relationships/Write", body, key, X_Remit_Run="r-7")[0] == 200
    status, found, _ = post(edge.server, "/remit.v1.Relationships/Read", b'{"store": "other"}', key)
    assert "r-7" in [item["writtenByRun"] for item in found["items"]]
    status, found, response = post(edge.server, CHECK, b'{"store": "none"}', key, X_Request_Id="abc123")
    assert (found["requestId"], response.headers["X-Request-Id"]) == ("abc123", "abc123")
    status, found, response = post(edge.server, CHECK, b'{"store": "none"}', key, X_Request_Id="\xe9\xe9")
    assert len(found["requestId"]) == 16 and response.headers["X-Request-Id"] == found["requestId"]
    status, found, _ = post(edge.server, CHECK, ASKED, key, X_Remit_Run="no run")
    assert (status, found["field"]) == (400, "x-remit-run")


# --- who may call -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", UNARY, ids=lambda verb: verb.label)
def test_nobody_is_answered_without_a_key_or_the_right(edge: Keyed, verb: Verb[Any]) -> None:
    """Before the body: what comes is no JSON."""
    assert post(edge.server, path_of(verb), b"{")[1]["metadata"] == {} or verb.of_spicedb
    status, found, response = post(edge.server, path_of(verb), b"{")
    assert status == (403 if verb.of_spicedb and found["code"] == 7 else 401)
    assert verb.of_spicedb or response.headers["WWW-Authenticate"] == "Bearer"
    if verb.right is not None:
        status, found, _ = post(edge.server, path_of(verb), b"{", edge.holding(Right.AUDIT, ["own"]))
        assert (status, found["reason"]) == (403, "RIGHT_MISSING")


def test_nobody_says_who_it_is_but_by_a_key(edge: Keyed) -> None:
    forged = {"X_Remit_Peer": "ipv4:10.0.0.1:1", "X_Forwarded_For": "10.0.0.1", "X_Remit_Principal": "root"}
    assert post(edge.server, CHECK, ASKED, **forged)[0] == 401
    assert post(edge.server, CHECK, ASKED, Grpc_Metadata_Authorization="Bearer x")[0] == 401


def test_a_key_is_judged_before_a_body_of_any_size(edge: Keyed, key: str) -> None:
    for sent, expected in (("", 401), (key, 413)):
        with contextlib.closing(connected(edge.server)) as connection:
            connection.putrequest("POST", CHECK)
            headers = [*JSON.items(), ("Content-Length", str(1 << 40)), ("Expect", "100-continue")]
            for name, value in headers + [("Authorization", f"Bearer {sent}")] * bool(sent):
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            found = json.loads(response.read())
            assert response.status == expected
            require_problem(response, found)
            assert sent == "" or found["metadata"]["name"] == "json_bytes_max"


def test_a_key_is_not_to_be_sent_in_the_address_and_stands_nowhere(
    edge: Keyed, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for path in (f"{CHECK}?access_token={key}", f"/metrics?key={key}", f"/{key}", f"{CHECK}/{key}"):
            status, found, _ = post(edge.server, path, ASKED)
            assert status in (400, 404, 405)
            assert key not in json.dumps(found)
        body = json.dumps({"store": "none", "permission": "view"}).encode()
        status, found, _ = post(edge.server, CHECK, body, key)
        assert key not in json.dumps(found)
    assert key not in caplog.text


def test_calls_are_answered_only_where_that_was_asked_for(engine: Engine) -> None:
    with BackgroundServer(engine, http=ANYBODY) as server:
        for path in (CHECK, "/v1/permissions/check", "/v1/watch"):
            status, found, _ = post(server, path, ASKED)
            assert (status, found["reason"]) == (404, "UNKNOWN_METHOD")
            assert "--http-api" in found["detail"]
        assert fetched(server, "/openapi.json")[0] == 404
        assert fetched(server, "/healthz")[0] == 200


# --- bad requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ('{"store": "own"}'.encode("utf-16"), "not JSON"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{} {"store": "own"}', "Extra data"),
        (b'{"stor": "own"}', "`stor` is no field"),
        (b'{"resource": {"typ": "folder"}}', "`resource.typ` is no field"),
        (b'{"contextual": [{}, {"relatio": 1}]}', "`contextual[1].relatio` is no field"),
        (b'{"contextual": {}}', "`contextual` is not a list"),
        (b'{"contextual": [7]}', "`contextual[0]` is not an object"),
        (b'{"resource": "folder:top"}', "`resource` is not an object"),
        (b'{"store": 7}', "store"),
        (b'{"explain": "yes"}', "explain"),
        (b'{"store": "a", "store": "b"}', "has `store` twice"),
        (b'{"consistency": {"atLeast": "a", "at_least": "b"}}', "under both of its names"),
        (b'{"context": {"a": NaN}}', "NaN"),
        (b'{"context": {"a": -Infinity}}', "Infinity"),
        (b'{"context": {"a": 1e999}}', "too large"),
        (b'{"context": {"a": 1' + b"0" * 399 + b"}}", "not a `remit.v1.CheckRequest`"),
        (b'{"context": {"a": 1' + b"0" * 5_000 + b"}}", "digits"),
        (b'{"store": "\\ud800"}', "not a `remit.v1.CheckRequest`"),
        (b'{"\\ud800": 1}', "is no field"),
        (b'{"context": {"a\\udfff": 1}}', "not a `remit.v1.CheckRequest`"),
        (b'{"context": ' + b'{"a":' * 48 + b"1" + b"}" * 49, "deep"),
        (b'{"context": ' + b'{"a":' * 500 + b"1" + b"}" * 501, "deep"),
        (b'{"context": ' + b'{"a":' * 90_000 + b"1" + b"}" * 90_001, "deep"),
        (b'{"context": {"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}}", "deep"),
        (b"[" * 90_000, "deep"),
    ],
    ids=lambda value: value.decode("latin-1")[:24] if isinstance(value, bytes) else "",
)
def test_a_bad_body_is_told_what_is_wrong(edge: Keyed, key: str, body: bytes, says: str) -> None:
    status, found, _ = post(edge.server, CHECK, body, key)
    assert (status, found["reason"]) == (400, "MALFORMED_REQUEST")
    assert says in found["detail"]


def test_whole_numbers_may_be_text_and_names_may_be_those_of_the_protos(edge: Keyed, key: str) -> None:
    for limit in (b"1", b'"1"', b"1.0"):
        status, found, _ = post(
            edge.server, "/remit.v1.Relationships/Read", b'{"store": "other", "limit": %b}' % limit, key
        )
        assert (status, len(found["items"])) == (200, 1)
    body = b'{"store": "other", "resource_type": "folder", "permission": "view", "subject": {"object": '
    body += b'{"type": "user", "id": "ann"}}}'
    assert post(edge.server, "/remit.v1.Permissions/LookupResources", body, key)[0] == 200


def test_too_much_of_a_request_is_refused_before_a_message_is_made_of_it(edge: Keyed, key: str) -> None:
    for count, name in ((40_000, "items_max"), (60_000, "json_values_max")):
        body = b'{"items": [' + b",".join([b"{}"] * count) + b"]}"
        status, found, _ = post(edge.server, "/remit.v1.Permissions/CheckMany", body, key)
        assert (status, found["metadata"]["name"]) == (400, name)
    body = b" " * (JSON_BYTES_MAX + 1)
    status, found, _ = post(edge.server, CHECK, body, key)
    assert (status, found["metadata"]["name"]) == (413, "json_bytes_max")


def test_a_bad_head_is_told_what_is_wrong(edge: Keyed, key: str) -> None:
    def status(path: str = CHECK, method: str = "POST", body: bytes = b"{}", **headers: str) -> int:
        return post(edge.server, path, body, key, method, **headers)[0]

    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        refused = post(edge.server, CHECK, b"", method=method)
        assert (refused[0], refused[2].headers["Allow"]) == (405, "POST")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""):
        assert status(Content_Type=kind) == 415
    assert status("/remit.v1.Stores/WhoAmI", Content_Type="Application/JSON; charset=UTF-8") == 200
    assert status(Content_Encoding="gzip") == 415
    assert status(Origin="http://evil.example") == 403
    assert status(f"{CHECK}?store=own") == 400
    for text in ("soon", "5", "S", "-1S", "123456789S", "1.5S", "5s", ""):
        assert status(Grpc_Timeout=text) == 400
    assert status(Grpc_Timeout="0S") == 504
    assert status("/remit.v1.Stores/WhoAmI", Grpc_Timeout="10S") == 200
    assert status("/remit.v1.Permissions/None") == 404
    for path in (f"{CHECK}/", f"/{CHECK}", CHECK.replace("C", "%43"), CHECK.lower(), f"http://x{CHECK}"):
        assert status(path) == 404


def test_the_other_pages_refuse_in_the_same_form(edge: Keyed) -> None:
    for path, method, expected in (
        ("/", "GET", 404),
        ("/healthz", "POST", 405),
        ("/openapi.json", "DELETE", 405),
        ("/metrics", "GET", 401),
    ):
        assert post(edge.server, path, b"", method=method)[0] == expected
    with contextlib.closing(connected(edge.server)) as connection:
        for path, expected in (("/healthz", 200), (CHECK, 405)):
            connection.request("HEAD", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (expected, b"")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: 2, 3\r\n",
        b"Content-Length: +2\r\n",
        b"Content-Length: 0x2\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length : 2\r\n",
        b" Content-Length: 2\r\n",
        b"Content-Length: 2\r\nContent-Type: text/plain\r\n",
        b"X: a\x00b\r\nContent-Length: 2\r\n",
        b"X: " + b"x" * 70_000 + b"\r\n",
    ],
    ids=lambda head: head[:40].decode(),
)
def test_no_second_request_is_smuggled_behind_a_first(edge: Keyed, key: str, head: bytes) -> None:
    """Whatever a proxy took for the body, nothing of it is answered as a request of its own."""
    smuggled = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    authorization = b"Authorization: Bearer " + key.encode() + b"\r\n"
    for body in (b"{}", b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n"):
        heard = said(edge.server, HEAD + authorization + head + b"\r\n" + body + smuggled)
        statuses = [line.split()[1] for line in heard.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        assert statuses[:1] in ([b"400"], [b"411"], [b"501"]), heard
        if b"Content-Length: 2\r\nContent-Type" not in head and head != b"Transfer-Encoding: chunked\r\n":
            assert b'"name": "remit"' not in heard


def test_what_is_no_http_is_told_so(edge: Keyed) -> None:
    for sent in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\xff", b"GET /\r\n", b"GET / HTTP/1.1\r\nX"):
        heard = said(edge.server, sent + b"\r\n\r\n")
        assert heard.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in heard


def test_a_connection_goes_on_after_an_answer_and_after_a_refusal(edge: Keyed, key: str) -> None:
    authorized = JSON | {"Authorization": f"Bearer {key}"}
    large = b" " * 250_000
    with contextlib.closing(connected(edge.server)) as connection:
        for path, body, headers, expected in (
            ("/remit.v1.Stores/WhoAmI", b"", authorized, 200),
            (CHECK, large, JSON, 401),
            (CHECK, b"[]", authorized, 400),
            (CHECK, large, JSON | {"Content-Type": "text/plain"}, 415),
            ("/remit.v1.Stores/WhoAmI", b"{}", authorized, 200),
        ):
            connection.request("POST", path, body, headers)
            first = connection.sock
            response = connection.getresponse()
            response.read()
            assert response.status == expected
            assert connection.sock is first is not None


def test_whoever_sends_a_body_and_closes_hears_the_refusal(edge: Keyed, key: str) -> None:
    for _ in range(10):
        status, found, _ = post(edge.server, CHECK, b" " * 250_000, Connection="close")
        assert (status, found["reason"]) == (401, "KEY_MISSING")
        status, found, _ = post(edge.server, CHECK, b" " * 2_000_000, key, Connection="close")
        assert (status, found["metadata"]["name"]) == (413, "json_bytes_max")


_NAMES = st.text(max_size=4) | st.sampled_from(
    ["store", "resource", "permission", "subject", "object", "type", "id", "context", "contextual", "consistency"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(_NAMES, each, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=40) | st.dictionaries(_NAMES, _VALUES, max_size=4).map(lambda o: json.dumps(o).encode()))
def test_no_body_is_a_defect_of_ours(edge: Keyed, key: str, body: bytes) -> None:
    assert post(edge.server, CHECK, body, key)[0] < 500


# --- waiting ----------------------------------------------------------------------------------------------------


def ask_in_turn(server: BackgroundServer, **headers: str) -> tuple[int, dict[str, Any]]:
    return post(server, CHECK, ASKED, **headers)[:2]


def test_a_call_has_the_time_that_it_names_however_short_the_connections_is(gated: GatedEngine) -> None:
    with BackgroundServer(gated, http=ANYBODY, http_api=True) as server, ThreadPoolExecutor(1) as others:
        assert server._edge is not None
        connections = server._edge.connections
        connections.limits = replace(connections.limits, answer_s=0.01)
        asked = others.submit(ask_in_turn, server, Grpc_Timeout="30S")
        assert gated.begun.get(timeout=PATIENCE_S) == "check"
        gated.gate.wait(0.05)  # longer than a page would have
        gated.gate.set()
        status, found = asked.result(PATIENCE_S)
        assert (status, found["verdict"]) == (200, "VERDICT_YES")


def test_a_call_ends_at_its_deadline(gated: GatedEngine) -> None:
    with BackgroundServer(gated, http=ANYBODY, http_api=True) as server:
        status, found = ask_in_turn(server, Grpc_Timeout="50m")
        assert (status, found["reason"]) == (504, "DEADLINE_EXCEEDED")
    limits = ServeLimits(default_deadline_s=0.05)
    with BackgroundServer(gated, http=ANYBODY, http_api=True, limits=limits) as server:
        status, found = ask_in_turn(server)
        assert (status, found["metadata"]["name"]) == (504, "default_deadline_s")


def test_a_call_whose_caller_left_is_ended(gated: GatedEngine) -> None:
    with BackgroundServer(gated, http=ANYBODY, http_api=True) as server:
        with contextlib.closing(connected(server)) as connection:
            connection.request("POST", CHECK, ASKED, JSON)
            assert gated.begun.get(timeout=PATIENCE_S) == "check"
        assert gated.endings.get(timeout=PATIENCE_S) == "CANCELLED"
        until(lambda: not server.server.pipeline.calls())
        assert counts(scraped(server), "remit_requests_total") == {"reason=CANCELLED,verb=Check": 1}


def test_a_stop_lets_calls_end_and_takes_no_more(gated: GatedEngine) -> None:
    with BackgroundServer(gated, http=ANYBODY, http_api=True) as server, ThreadPoolExecutor(2) as others:
        asked = others.submit(ask_in_turn, server)
        assert gated.begun.get(timeout=PATIENCE_S) == "check"
        stopping = others.submit(server.stop, PATIENCE_S)
        until(lambda: not server.server._takes_calls)
        status, found, response = post(server, CHECK, ASKED)
        assert (status, found["reason"]) == (503, "STORE_UNAVAILABLE")
        assert (response.headers["Retry-After"], response.headers["Connection"]) == ("1", "close")
        gated.gate.set()
        assert asked.result(PATIENCE_S)[0] == 200
        assert stopping.result(PATIENCE_S)


def test_a_stop_does_not_wait_beyond_its_grace_for_bodies_that_do_not_come(engine: Engine) -> None:
    with BackgroundServer(engine, http=ANYBODY, http_api=True) as server:
        calls = [begun(server, 100, b"{") for _ in range(3)]
        until(lambda: len(server.server.pipeline._reading) == 3)
        assert not server.stop(grace_s=0.01)
        for each in calls:
            with contextlib.closing(each), contextlib.suppress(ConnectionResetError):
                assert each.recv(65_536)[:12] in (b"HTTP/1.1 499", b"")


def begun(server: BackgroundServer, size: int, body: bytes = b"", key: str = "") -> socket.socket:
    """A call whose body has so many bytes, and these of them."""
    host, _, port = server.http_endpoint.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), PATIENCE_S)
    authorization = b"Authorization: Bearer " + key.encode() + b"\r\n" if key else b""
    connection.sendall(HEAD + authorization + b"Content-Length: %d\r\n\r\n" % size + body)
    return connection


def test_a_body_is_counted_before_it_comes_and_given_back_when_its_caller_leaves(engine: Engine) -> None:
    limits = ServeLimits(unanswered_bytes_max=JSON_BYTES_MAX)
    with BackgroundServer(engine, http=ANYBODY, http_api=True, limits=limits) as server:
        with contextlib.closing(begun(server, JSON_BYTES_MAX, b"{")):
            until(lambda: server.server.pipeline.unanswered.taken == JSON_BYTES_MAX)
            status, found, response = post(server, CHECK, b" " * 10_000)
            assert (status, found["reason"]) == (429, "OVERLOADED")
            assert response.headers["Retry-After"] == "1"
            assert post(server, CHECK, ASKED)[0] != 429, "what is small is not counted"
        until(lambda: not server.server.pipeline.unanswered.taken)


def test_a_body_that_does_not_come_whole_is_waited_for_no_longer_than_a_message_of_grpcs(engine: Engine) -> None:
    limits = ServeLimits(request_s=0.05)
    with (
        BackgroundServer(engine, http=ANYBODY, http_api=True, limits=limits) as server,
        contextlib.closing(begun(server, 100, b"{")) as connection,
    ):
        heard = b""
        while b"SLOW_REQUEST" not in heard:
            more = connection.recv(65_536)
            assert more, heard
            heard += more
        assert heard.startswith(b"HTTP/1.1 409 ")


def test_of_a_body_nothing_is_read_before_its_caller_is_known_but_what_came_with_the_head(engine: Engine) -> None:
    """A stranger's megabytes stay where they are: in the buffers of the system."""
    with BackgroundServer(engine, http=ANYBODY, http_api=True) as server:
        assert server._edge is not None
        held: list[int] = []
        pipeline = server.server.pipeline
        admit = pipeline.places.arrive

        def look(call: Any) -> None:
            held.extend(len(each.cycle.body) for each in server._edge.connections._open)  # type: ignore[union-attr]
            admit(call)

        pipeline.places.arrive = look  # type: ignore[method-assign]
        assert post(server, CHECK, b" " * JSON_BYTES_MAX)[0] == 400
        assert held
        assert max(held) <= 64 * 1024


def test_probes_are_answered_while_calls_take_every_place(gated: GatedEngine) -> None:
    limits = ServeLimits(reads_in_flight_max=4, readers=2)
    with BackgroundServer(gated, http=ANYBODY, http_api=True, limits=limits) as server:
        asking = [threading.Thread(target=ask_in_turn, args=(server,)) for _ in range(4)]
        for each in asking:
            each.start()
        until(lambda: server.server.pipeline.reads.in_flight >= 2)
        for path in ("/healthz", "/readyz", "/version"):
            assert fetched(server, path)[0] == 200
        gated.gate.set()
        for each in asking:
            each.join(PATIENCE_S)


def test_a_key_that_is_revoked_is_answered_no_more(edge: Keyed) -> None:
    key = edge.make(Right.CHECK, stores=("other",))
    body = json_format.MessageToJson(request("Check", "other")).encode()
    assert post(edge.server, CHECK, body, key)[0] == 200
    edge.revoke(key)
    status, found, _ = post(edge.server, CHECK, body, key)
    assert (status, found["reason"]) == (401, "KEY_UNKNOWN")


def test_calls_are_counted_by_the_same_names_as_grpcs(engine: Engine) -> None:
    with BackgroundServer(engine, http=ANYBODY, http_api=True) as server, Client(server.endpoint) as client:
        assert client.who_am_i().principal == "local"
        assert post(server, "/remit.v1.Stores/WhoAmI", b"")[1]["principal"] == "local"
        assert post(server, "/remit.v1.Stores/WhoAmI", b"", method="GET")[0] == 405
        assert counts(scraped(server), "remit_requests_total") == {
            "reason=OK,verb=WhoAmI": 2,
            "reason=UNKNOWN_METHOD,verb=WhoAmI": 1,
        }
