"""Health and reflection answer whoever asks, and cost a bounded amount, whoever asks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from remit.client import Client
from remit.engine.facade import Engine
from remit.errors import RemitError
from remit.server.frontend import frontend
from remit.server.frontend.frontend import FrontendChoice
from remit.server.grpc import open_methods
from remit.server.run import background
from remit.server.run.background import BackgroundServer
from tests.support.keyed import Refusal, ask, refusal_of
from tests.support.raw_http2 import Connection
from tests.support.serving import PATIENCE_S, health_watches

MIB = 1 << 20
HEALTH = "/grpc.health.v1.Health/"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString()
ASKED = health_pb2.HealthCheckRequest()
LISTED = reflection_pb2.ServerReflectionRequest(list_services="*")


def bound(monkeypatch: pytest.MonkeyPatch, **bounds: float) -> None:
    """Let the next server have other bounds."""
    usual = open_methods.OpenMethods.__init__.__kwdefaults__
    monkeypatch.setattr(open_methods.OpenMethods.__init__, "__kwdefaults__", {**usual, **bounds})
    for name in ("watches_max", "watches_per_peer_max"):
        if name in bounds:  # the frontend tells who watches health by itself
            monkeypatch.setattr(frontend, name.upper(), bounds[name])


@pytest.fixture
def server(engine: Engine) -> Iterator[BackgroundServer]:
    with BackgroundServer(engine) as server:
        yield server


def become(condition: Callable[[], bool], what: str) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S * 1_000)):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError(what)


def reads(server: BackgroundServer) -> int:
    """How many messages of callers without a key are waited for."""
    return server.server.grpc.open_methods.reads


def be_patient(server: BackgroundServer, patience_s: float) -> None:
    for kind in server.server.grpc.open_methods.kinds:
        kind.readings.patience_s = patience_s


def require_open(endpoint: str) -> None:
    with grpc.insecure_channel(endpoint) as channel:
        for verb in ("Check", "Watch"):
            assert ask(channel, HEALTH + verb, ASKED) == SERVING
        answer = ask(channel, REFLECTION, LISTED)
        assert isinstance(answer, bytes)
        assert b"remit.v1.Permissions" in answer


@pytest.mark.parametrize("path", [HEALTH + "Check", HEALTH + "Watch", REFLECTION])
def test_of_those_who_send_slowly_only_the_last_few_are_waited_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    if path.startswith(HEALTH) and background.FRONTEND is not FrontendChoice.OFF:
        pytest.skip("the frontend answers these")
    bound(monkeypatch, patience_s=0.1, watches_per_peer_max=256)
    with BackgroundServer(engine) as server:
        require_bounded(server, path)


def require_bounded(server: BackgroundServer, path: str) -> None:
    slow = [Connection(server.endpoint) for _ in range(10)]
    for each in slow:
        each.wait_until_open()
        for _ in range(20):
            each.begin(path, 16 * MIB, bytes(1_000))
    bounded = server.server.grpc.open_methods
    become(lambda: bounded.ended == 200 - open_methods.READS_MAX, "not as many are waited for as there may be")
    become(
        lambda: bounded.calls + bounded.watches == open_methods.READS_MAX,
        "a call has not ended that is waited for no longer",
    )
    assert reads(server) == open_methods.READS_MAX
    for _ in range(3):
        require_open(server.endpoint)
    with Client(server.endpoint) as client:
        assert client.who_am_i().principal == "local"
    for each in slow:
        each.close()
    become(lambda: reads(server) == 0, "some are waited for who have left")


def test_who_is_waited_for_no_longer_is_told_and_a_crowd_in_a_moment_is_served(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(monkeypatch, patience_s=0.1, reads_max=1)
    done = threading.Event()

    def never() -> Iterator[bytes]:
        done.wait(PATIENCE_S)
        yield b""

    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        first = channel.stream_stream(REFLECTION)(never(), PATIENCE_S)
        become(lambda: reads(server) == 1, "it is not waited for")
        be_patient(server, PATIENCE_S)  # or on a busy machine the crowd may itself be too slow
        listed = LISTED.SerializeToString()
        crowd = [channel.stream_stream(REFLECTION)(iter([listed]), PATIENCE_S) for _ in range(100)]
        assert all(b"remit.v1.Permissions" in next(each) for each in crowd)
        be_patient(server, 0.1)
        second = channel.stream_stream(REFLECTION)(never(), PATIENCE_S)
        with pytest.raises(grpc.RpcError) as refused:
            next(first)
        become(lambda: reads(server) == 1, "the last is not waited for")
        done.set()
        second.cancel()
    refusal = refusal_of(refused.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")


def test_there_are_only_so_many_watchers_of_health_and_all_else_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(monkeypatch, watches_max=64, watches_per_peer_max=64)
    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        watching: list[Any] = []
        with pytest.raises(grpc.RpcError) as caught:
            while True:
                watching.append(channel.stream_stream(HEALTH + "Watch")(iter([b""]), PATIENCE_S))
                assert next(watching[-1]) == SERVING
        watching.pop()
        assert 13 <= len(watching) <= 32  # one address, and one connection, of what there is for all
        refused = refusal_of(caught.value)
        assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
        with Client(server.endpoint) as client:
            assert client.who_am_i().principal == "local"
        watching.pop().cancel()
        become(lambda: ask(channel, HEALTH + "Watch", ASKED) == SERVING, "no room is given back")
        for each in watching:
            each.cancel()


@pytest.mark.parametrize(
    ("path", "messages", "code"),
    [
        (HEALTH + "Check", [], grpc.StatusCode.UNIMPLEMENTED),
        (HEALTH + "Watch", [], grpc.StatusCode.UNIMPLEMENTED),
        (HEALTH + "List", [ASKED], grpc.StatusCode.UNIMPLEMENTED),
        (HEALTH + "Check", [health_pb2.HealthCheckRequest(service="nothing")], grpc.StatusCode.NOT_FOUND),
    ],
)
def test_what_is_asked_wrongly_is_refused(
    server: BackgroundServer, path: str, messages: list[Message], code: grpc.StatusCode
) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        refused = ask(channel, path, messages)
    assert isinstance(refused, Refusal)
    assert refused.code is code


# --- what is no request -----------------------------------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("path", [HEALTH + "Check", HEALTH + "Watch", REFLECTION])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xff\n\nforged", "MALFORMED_REQUEST"),
        (b"\x0a\x02\xff\xfe", "MALFORMED_REQUEST"),
        (b"\x0a\x80\x20" + b"x" * 4096, "LIMIT_EXCEEDED"),
    ],
    ids=["garbage", "no text", "too long"],
)
def test_a_message_that_is_none_is_refused_with_its_reason_and_no_traceback(
    server: BackgroundServer, caplog: pytest.LogCaptureFixture, path: str, body: bytes, reason: str
) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            next(channel.stream_stream(path)(iter([body]), PATIENCE_S))
        require_open(server.endpoint)
    refusal = refusal_of(refused.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert "forged" not in refusal.shown
    assert logged(caplog) == []


@pytest.mark.parametrize("path", [HEALTH + "Check", "/remit.v1.Stores/WhoAmI", "/remit.v1.Permissions/Check"])
def test_what_is_packed_is_refused_and_never_unpacked(server: BackgroundServer, path: str) -> None:
    if background.FRONTEND is not FrontendChoice.OFF and path.startswith("/remit."):
        pytest.skip("the frontend answers these")
    body = b"\x0a\xf0\xff\xff\x07" + bytes(16 * MIB - 16)
    with grpc.insecure_channel(server.endpoint) as channel:
        ask_packed = channel.unary_unary(path)
        with pytest.raises(grpc.RpcError) as refused:
            ask_packed(body, PATIENCE_S, compression=grpc.Compression.Gzip)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "gzip" in refused.value.details()


# --- watches ----------------------------------------------------------------------------------------------------


def test_watches_of_health_refuse_no_question_of_anybody(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(monkeypatch, checks_max=4, calls_max=4, watches_max=64, watches_per_peer_max=6)
    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        watching = [channel.stream_stream(HEALTH + "Watch")(iter([b""]), PATIENCE_S) for _ in range(6)]
        assert {next(each) for each in watching} == {SERVING}
        refused = ask(channel, HEALTH + "Watch", ASKED)
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
        assert "one address" in refused.message
        for _ in range(20):
            assert ask(channel, HEALTH + "Check", ASKED) == SERVING
        assert isinstance(ask(channel, REFLECTION, LISTED), bytes)
        for each in watching:
            each.cancel()
        become(lambda: health_watches(server) == 0, "a watch is counted that has ended")


def test_a_watch_that_is_refused_is_not_begun_where_its_caller_does_not_take_the_refusal() -> None:
    """Then to refuse it ends as nothing else does: without an exception."""
    methods: dict[str, Any] = {}
    refused: list[RemitError] = []
    begun: list[str] = []

    class Server:
        def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
            methods.update(handlers)

    class Context:
        def peer(self) -> str:
            return "ipv4:10.0.0.1:7"

        def invocation_metadata(self) -> None: ...

        def add_done_callback(self, callback: Callable[[Any], object]) -> None: ...

        async def read(self) -> bytes:
            return b""

    async def watch(message: bytes, context: Any) -> None:
        begun.append("watch")

    async def refuse(context: Any, error: RemitError) -> None:
        refused.append(error)

    async def run() -> None:
        bounded = open_methods.OpenMethods(cast(Any, Server()), refuse, watches_per_peer_max=1)
        handler = grpc.unary_stream_rpc_method_handler(cast(Any, watch), request_deserializer=bytes)
        bounded.add_registered_method_handlers("any", {"Watch": handler})
        for _ in range(2):
            await methods["Watch"].stream_stream(None, Context())
        assert (begun, [error.reason for error in refused]) == (["watch"], ["TOO_MANY_STREAMS"])
        assert bounded.watches == 1

    asyncio.run(run())


def test_calls_that_bring_no_message_make_room_for_one_that_does(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(monkeypatch, calls_max=10, patience_s=PATIENCE_S)
    done = threading.Event()

    def never() -> Iterator[bytes]:
        done.wait(PATIENCE_S)
        yield b""

    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        silent = [channel.stream_stream(REFLECTION)(never(), PATIENCE_S) for _ in range(4)]
        become(lambda: server.server.grpc.open_methods.ended == 1, "the last has its connection's fair share")
        become(lambda: reads(server) == 3, "the others are waited for")
        assert isinstance(ask(channel, REFLECTION, LISTED), bytes)
        done.set()
        for each in silent:
            each.cancel()
