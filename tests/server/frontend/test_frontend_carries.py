"""What the frontend does not answer it carries: streams, large messages, who calls, TLS; and it ends in good order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from remit import native_core as built
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import AddressRefused, InvalidArgument
from remit.server.call import PEER, peer_of
from remit.server.frontend.frontend import FrontendChoice, is_wanted
from remit.server.net.listen import Address, probe
from remit.server.net.tls import Certificates, TlsFiles
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from remit.v1 import permissions_pb2, relationships_pb2, schemas_pb2
from tests.support.ways_in import CHECK, NOW_US, SCHEMA, Both, Refused, both, told

WATCH = "/remit.v1.Relationships/Watch"
HEALTH = "/grpc.health.v1.Health/Check"
READ_SCHEMA = "/remit.v1.Schemas/ReadSchema"
PATIENCE_S = 30.0


def test_health_and_reflection_answer_through_the_door(door: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(door)
    assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    [listed] = reflection_pb2_grpc.ServerReflectionStub(door).ServerReflectionInfo(asked)
    assert "remit.v1.Permissions" in {service.name for service in listed.list_services_response.service}


def test_asyncio_s_client_is_answered_too(pair: Both) -> None:
    async def ask() -> bytes:
        async with grpc.aio.insecure_channel(pair.door.endpoint) as channel:
            return await channel.unary_unary(READ_SCHEMA)(b"", timeout=PATIENCE_S)

    assert schemas_pb2.ReadSchemaResponse.FromString(asyncio.run(ask())).schema == SCHEMA


def test_megabytes_pass_both_ways(door: grpc.Channel) -> None:
    comment = "// " + "x" * 100
    text = SCHEMA + (comment + "\n") * 39_000  # some 4 MB
    request = schemas_pb2.WriteSchemaRequest(schema=text, dry_run=True)
    answer = told(door, "/remit.v1.Schemas/WriteSchema", request.SerializeToString())
    assert isinstance(answer, bytes) or answer.reason == "LIMIT_EXCEEDED", answer


def test_a_stream_goes_on_while_others_ask_and_ends_where_its_reader_leaves(pair: Both, door: grpc.Channel) -> None:
    watch = door.unary_stream(WATCH)(
        relationships_pb2.WatchRequest(checkpoints=True).SerializeToString()
        if "checkpoints" in relationships_pb2.WatchRequest.DESCRIPTOR.fields_by_name
        else b"",
        timeout=PATIENCE_S,
    )
    assert dict(watch.initial_metadata()) is not None
    server = pair.door.server
    assert server.telemetry.streams["Watch"] == 1
    assert isinstance(told(door, READ_SCHEMA, b""), bytes)
    watch.cancel()
    while server.telemetry.streams["Watch"]:
        assert isinstance(told(door, READ_SCHEMA, b""), bytes)


def test_nobody_can_say_from_outside_who_calls(pair: Both, door: grpc.Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    peers: list[str] = []
    admit = pair.door.server.pipeline.gate.admit

    def note(verb: str, right: object, metadata: object, call: object) -> None:
        peers.append(call.peer)  # type: ignore[attr-defined]
        assert PEER not in call.metadata  # type: ignore[attr-defined]
        admit(verb, right, metadata, call)  # type: ignore[arg-type]

    monkeypatch.setattr(pair.door.server.pipeline.gate, "admit", note)
    assert isinstance(told(door, READ_SCHEMA, b"", [(PEER, "ipv4:1.2.3.4:5")]), bytes)
    [peer] = peers
    assert peer.startswith("ipv4:127.0.0.1:")


def test_only_the_door_is_believed_about_who_calls() -> None:
    assert peer_of("ipv4:1.1.1.1:1", [(PEER, "ipv4:2.2.2.2:2")]) == "ipv4:1.1.1.1:1"
    assert peer_of("unix:", [(PEER, "ipv4:2.2.2.2:2")]) == "ipv4:2.2.2.2:2"


def test_the_way_to_python_is_the_owner_s_alone(pair: Both) -> None:
    door = pair.door.server.frontend
    assert door is not None
    assert door._socket.stat().st_mode & 0o777 == 0o600
    assert door._socket.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_server_on_the_port_is_refused(pair: Both) -> None:
    for choice in (FrontendChoice.ON, FrontendChoice.OFF):
        with (
            pytest.raises(AddressRefused, match="another server"),
            BackgroundServer(pair.engine, pair.door.endpoint, frontend=choice),
        ):
            raise AssertionError("two servers on one port")


def test_a_stop_frees_the_port_and_leaves_nothing_behind() -> None:
    with both() as pair, grpc.insecure_channel(pair.door.endpoint) as channel:
        assert isinstance(told(channel, READ_SCHEMA, b""), bytes)
        door = pair.door.server.frontend
        assert door is not None
        folder = door._socket.parent
        host, _, port = pair.door.endpoint.rpartition(":")
        assert pair.door.stop(5.0)
        assert not folder.exists()
        probe(Address(host, int(port)))
        refused = told(channel, CHECK, b"")
        assert isinstance(refused, Refused)
        assert refused.code is grpc.StatusCode.UNAVAILABLE


def test_with_no_server_behind_it_a_call_is_unavailable_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with both() as pair, grpc.insecure_channel(pair.door.endpoint) as channel:
        door = pair.door.server.frontend
        assert door is not None
        door._socket.unlink()
        refused = told(channel, WATCH, b"")
        assert isinstance(refused, Refused)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        for path, data in ((CHECK, plain()), (READ_SCHEMA, b""), (HEALTH, b"")):
            assert isinstance(told(channel, path, data), bytes)  # the core goes on, and the threads behind it


def plain() -> bytes:
    request = permissions_pb2.CheckRequest(permission="view")
    request.resource.type, request.resource.id = "folder", "top"
    request.subject.object.type, request.subject.object.id = "user", "ann"
    return request.SerializeToString()


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff"]
)
def test_what_is_not_even_http_2_is_let_go_and_disturbs_nobody(pair: Both, door: grpc.Channel, noise: bytes) -> None:
    host, _, port = pair.door.endpoint.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection,
        contextlib.suppress(OSError),  # it may be gone already
    ):
        connection.sendall(noise)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4_096):
            pass
    assert isinstance(told(door, CHECK, plain()), bytes)


@pytest.mark.parametrize("is_mutual", [False, True], ids=["TLS", "mutual TLS"])
def test_tls_is_the_core_s_own(tmp_path: Path, is_mutual: bool) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    chain, key, authorities = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(authorities)
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    certificates = Certificates(TlsFiles(chain, key, authorities if is_mutual else None))
    client_key = (key.read_bytes(), chain.read_bytes()) if is_mutual else (None, None)
    good = grpc.ssl_channel_credentials(authorities.read_bytes(), *client_key)
    with BackgroundServer(engine, certificates=certificates, frontend=FrontendChoice.ON) as server:
        with grpc.secure_channel(server.endpoint, good) as channel:
            assert isinstance(told(channel, READ_SCHEMA, b""), bytes)
        if is_mutual:
            with grpc.secure_channel(
                server.endpoint, grpc.ssl_channel_credentials(authorities.read_bytes())
            ) as channel:
                assert isinstance(told(channel, READ_SCHEMA, b""), Refused)
        host, _, port = server.endpoint.rpartition(":")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(authorities)
        if is_mutual:
            old.load_cert_chain(chain, key)
        old.set_alpn_protocols(["h2"])
        with socket.create_connection((host, int(port))) as raw, old.wrap_socket(raw, server_hostname=host) as spoken:
            assert spoken.selected_alpn_protocol() == "h2"
            assert spoken.version() in ("TLSv1.2", "TLSv1.3")
    engine.close()


def test_where_the_core_is_not_built_python_answers_unless_the_door_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(built, "core", None)
    monkeypatch.setattr(built, "find_spec", lambda name: None)
    assert not is_wanted(FrontendChoice.OFF)
    assert caplog.records == []
    assert not is_wanted(FrontendChoice.AUTO)
    assert "no native core (not built here)" in caplog.text
    with pytest.raises(InvalidArgument, match="not built here"):
        is_wanted(FrontendChoice.ON)
