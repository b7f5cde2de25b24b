"""A server that stops finishes what it has begun, and says that it takes nothing new."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.client import Client, RemoteError
from remit.engine.facade import Engine
from remit.server.run.background import BackgroundServer
from remit.server.run.server import Server
from remit.server.verbs import SERVICES
from tests.support.raw_http2 import Connection
from tests.support.scraping import fetched
from tests.support.serving import PATIENCE_S, GatedEngine, health_watches, opened, until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def refuses(endpoint: str) -> bool:
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE_S).close()
    except ConnectionError:  # reset, where it stood in the backlog of a listener that was closed
        return True
    return False


def test_a_drain_finishes_what_is_under_way_and_takes_nothing_new(gated: GatedEngine) -> None:
    with (
        BackgroundServer(gated) as server,
        grpc.insecure_channel(server.endpoint) as watching,
        Client(server.endpoint) as client,
        ThreadPoolExecutor(2) as others,
    ):
        health = health_pb2_grpc.HealthStub(watching).Watch(
            health_pb2.HealthCheckRequest(service="remit.v1.Permissions"), timeout=PATIENCE_S
        )
        assert next(health).status == SERVING
        asked = others.submit(client.check, "folder:sub#view@user:ann", timeout_s=PATIENCE_S)
        assert gated.begun.get(timeout=PATIENCE_S) == "check"
        stopping = others.submit(server.stop, PATIENCE_S)
        assert next(health).status == NOT_SERVING
        with Client(server.endpoint) as late, pytest.raises(RemoteError) as refused:
            late.check("folder:sub#view@user:ann")
        assert refused.value.reason == "UNAVAILABLE"
        assert gated.begun.empty()
        assert not stopping.done()
        gated.gate.set()
        assert asked.result(PATIENCE_S).allowed
        assert stopping.result(PATIENCE_S)


def test_a_drain_ends_with_its_grace_period_and_stops_what_is_left(gated: GatedEngine) -> None:
    with (
        BackgroundServer(gated) as server,
        Client(server.endpoint) as client,
        ThreadPoolExecutor(1) as callers,
    ):
        asked = callers.submit(client.check, "folder:sub#view@user:ann", timeout_s=PATIENCE_S)
        gated.begun.get(timeout=PATIENCE_S)
        assert not server.stop(grace_s=0.05)
        assert gated.endings.get(timeout=PATIENCE_S) == "CANCELLED"
        failure = asked.exception(PATIENCE_S)
        assert isinstance(failure, RemoteError)
        assert failure.reason in ("CANCELLED", "UNAVAILABLE")


def test_a_server_in_a_hurry_stops_what_is_under_way(gated: GatedEngine) -> None:
    with (
        BackgroundServer(gated) as server,
        Client(server.endpoint) as client,
        ThreadPoolExecutor(2) as others,
    ):
        asked = others.submit(client.check, "folder:sub#view@user:ann", timeout_s=PATIENCE_S)
        gated.begun.get(timeout=PATIENCE_S)
        stopping = others.submit(server.stop, PATIENCE_S)
        until(lambda: refuses(server.endpoint))  # or the client would ask again, and be let in
        server.hurry()
        assert gated.endings.get(timeout=PATIENCE_S) == "CANCELLED"
        assert stopping.result(PATIENCE_S)
        assert isinstance(asked.exception(PATIENCE_S), RemoteError)


def test_a_drain_goes_on_serving_until_those_who_balance_have_noticed(engine: Engine) -> None:
    with (
        BackgroundServer(engine, http="127.0.0.1:0") as server,
        grpc.insecure_channel(server.endpoint) as watching,
        Client(server.endpoint) as client,
        ThreadPoolExecutor(1) as others,
    ):
        health = health_pb2_grpc.HealthStub(watching).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        assert next(health).status == SERVING
        stopping = others.submit(server.stop, 10 * PATIENCE_S, 9 * PATIENCE_S)
        assert next(health).status == NOT_SERVING
        assert json.loads(fetched(server, "/readyz")[1])["why"] == ["draining"]
        with Client(server.endpoint) as late:
            for each in (client, late):
                assert each.who_am_i().principal == "local"
        assert not refuses(server.endpoint)
        assert not stopping.done()
        server.hurry()
        assert stopping.result(PATIENCE_S)
        assert refuses(server.endpoint)


@given(grace_s=st.floats(0, 0.02), delay_s=st.floats(0, 0.02))
@settings(max_examples=10, deadline=None)
def test_the_delay_is_a_part_of_the_grace(grace_s: float, delay_s: float) -> None:
    engine = opened()
    waited: list[float] = []
    with BackgroundServer(engine) as server:
        in_no_hurry = server.server._in_no_hurry

        async def noting(within_s: float) -> None:
            waited.append(within_s)
            await in_no_hurry(within_s)

        server.server._in_no_hurry = noting  # type: ignore[method-assign]
        server.stop(grace_s, delay_s)
    engine.close()
    assert waited == ([min(grace_s, delay_s)] if min(grace_s, delay_s) else [])


def test_a_watcher_of_health_who_reads_nothing_keeps_no_server_from_stopping(engine: Engine) -> None:
    """Nor anybody else from being told, for whom it waits a second: who goes at once may not be heard."""
    with (
        BackgroundServer(engine) as server,
        grpc.insecure_channel(server.endpoint) as channel,
        closing(Connection(server.endpoint, window=0)) as stuck,
        ThreadPoolExecutor(1) as others,
    ):
        stuck.wait_until_open()
        for _ in range(20):
            stuck.begin("/grpc.health.v1.Health/Watch", 0, b"")
        until(lambda: health_watches(server) == 20)
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        assert next(health).status == SERVING
        told = others.submit(next, health)
        assert server.stop(grace_s=10 * PATIENCE_S, delay_s=1)
        assert told.result(PATIENCE_S).status == NOT_SERVING


def test_an_idle_server_stops_at_once_though_somebody_watches_its_health(engine: Engine) -> None:
    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        assert next(health).status == SERVING
        assert server.stop(grace_s=PATIENCE_S * 10)  # the test would time out if it waited for the watcher


def test_every_service_has_its_health_and_no_other_has(engine: Engine) -> None:
    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", *SERVICES):
            assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == SERVING
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="remit.v1.Nothing"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_every_service_and_describes_it(engine: Engine) -> None:
    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="remit.v1.Permissions"),
        ]
        listed, described = ask(iter(requests), timeout=PATIENCE_S)
    names = {service.name for service in listed.list_services_response.service}
    assert names >= {*SERVICES, "grpc.health.v1.Health"}
    assert described.file_descriptor_response.file_descriptor_proto


def test_http_tells_life_readiness_and_version_and_nothing_else(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BackgroundServer(engine, http="127.0.0.1:0") as server:

        def get(path: str) -> tuple[int, bytes]:
            try:
                with urllib.request.urlopen(server.http_endpoint + path, timeout=PATIENCE_S) as response:
                    return response.status, response.read()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read()

        assert get("/healthz") == (200, b"ok\n")
        assert get("/readyz") == (200, b'{"ready": true, "why": []}\n')
        status, body = get("/version")
        assert status == 200 and b'"version"' in body
        assert get("/")[0] == 404
        monkeypatch.setattr(Server, "serving", False)
        assert get("/readyz") == (503, b'{"ready": false, "why": ["draining"]}\n')
        assert get("/healthz")[0] == 200
