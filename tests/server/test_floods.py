"""What one caller may send and leave unread, and who is answered meanwhile: a probe, and others with their own keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from remit.access.keys import Right
from remit.client import Client
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.frontend.frontend import FrontendChoice
from remit.server.grpc import open_methods
from remit.server.limits.serve_limits import ServeLimits, calls_max
from remit.server.run import background
from remit.v1 import permissions_pb2, relationships_pb2
from tests.support.keyed import Keyed, Refusal, ask, keyed_server
from tests.support.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Connection,
    call,
    frame,
    headers,
    settings,
)
from tests.support.scraping import counts, scraped
from tests.support.serving import until

CHECK = "/remit.v1.Permissions/Check"
READ = "/remit.v1.Relationships/Read"
WRITE = "/remit.v1.Relationships/Write"
WATCH = "/remit.v1.Relationships/Watch"
PROBE = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString()
LISTED = b"\x3a\x01*"  # list_services="*"
FACT = "folder:kept#viewer@user:ann"
WIDE = (1 << 31) - 1  # the widest window there may be

# So few that a handful of connections would hold them all.
FEW = ServeLimits(reads_in_flight_max=16, writes_in_flight_max=16, streams_max=16)
CALLS_MAX = calls_max(FEW)


def has_frontend() -> bool:
    return background.FRONTEND is not FrontendChoice.OFF


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Keyed]:
    with keyed_server(tmp_path, limits=FEW) as keyed:
        yield keyed


def require_served(keyed: Keyed) -> None:
    """A probe, and a caller who was never here before: it writes, asks and watches."""
    with grpc.insecure_channel(keyed.server.endpoint, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        assert ask(channel, PROBE, health_pb2.HealthCheckRequest()) == SERVING
        text = keyed.make(Right.CHECK, Right.WRITE, Right.READ)
        watch = relationships_pb2.WatchRequest(store="own", checkpoint_interval_ms=100)
        assert isinstance(ask(channel, WATCH, watch, text), bytes)
    with Client(keyed.server.endpoint, store="own", token=text) as client:
        client.touch(FACT)
        assert client.check("folder:kept#view@user:ann")


def held(keyed: Keyed) -> int:
    """All that is taken by calls of anybody, whichever way they came."""
    server = keyed.server.server
    pipeline, frontend = server.pipeline, server.frontend
    assert server.grpc is not None
    counts = frontend.stats() if frontend is not None else {}
    names = ("proxied", "strangers", "unanswered_bytes")
    return (
        sum(counts.get(name, 0) for name in names)
        + pipeline.places.arriving.taken
        + pipeline.places.admitted.taken
        + pipeline.unanswered.taken
        + pipeline.unsent.taken
        + server.grpc.open_methods.calls
        + server.grpc.open_methods.watches
    )


@contextmanager
def connections(keyed: Keyed, count: int, **options: int) -> Iterator[list[Connection]]:
    """Of somebody who means ill; whatever they held is given back once they have gone."""
    with ExitStack() as stack:
        opened = [Connection(keyed.server.endpoint, **options) for _ in range(count)]
        for each in opened:
            stack.callback(each.close)
            each.wait_until_open()
        yield opened
    until(lambda: held(keyed) == 0)


# --- answers that nobody reads ----------------------------------------------------------------------------------


def test_reflection_that_is_never_read_refuses_no_probe(keyed: Keyed) -> None:
    with connections(keyed, 1, window=0) as [silent]:
        for _ in range(1_000):
            silent.call(REFLECTION, LISTED)
        until(lambda: held(keyed) >= 190)
        require_served(keyed)


def test_probes_that_are_never_read_refuse_nobody(keyed: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = open_methods.OpenMethods.__init__.__kwdefaults__
    monkeypatch.setattr(open_methods.OpenMethods.__init__, "__kwdefaults__", {**usual, "checks_max": 64})
    with connections(keyed, 6, window=0) as silent:
        for each in silent:
            for _ in range(300):
                each.call(PROBE, b"")
        until(lambda: held(keyed) > 0)
        require_served(keyed)


def test_probes_that_are_never_read_take_no_room_from_answers(tmp_path: Path) -> None:
    limits = replace(FEW, unsent_bytes_max=32 << 10)
    with keyed_server(tmp_path, limits=limits) as keyed:
        facts = [parse_relationship(f"folder:kept#viewer@user:u{number}") for number in range(200)]
        keyed.engine.relationships.write("own", [Update(Operation.TOUCH, fact) for fact in facts])
        text = keyed.make(Right.READ)
        with connections(keyed, 6, window=0) as silent:
            for each in silent:
                for _ in range(300):
                    each.call(PROBE, b"")
            until(lambda: held(keyed) > 100)
            assert keyed.server.server.pipeline.unsent.taken == 0
            with grpc.insecure_channel(keyed.server.endpoint, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                answer = ask(channel, READ, relationships_pb2.ReadRequest(store="own"), text)
            assert isinstance(answer, bytes)
            assert len(answer) > 10_000
        require_served(keyed)


def test_answers_that_nobody_takes_from_a_socket_are_counted_though_its_windows_are_wide(tmp_path: Path) -> None:
    if not has_frontend():
        pytest.skip("gRPC counts as sent what it has taken itself")
    most = 2 << 20
    with keyed_server(tmp_path, limits=ServeLimits(unsent_bytes_max=most)) as keyed:
        facts = [parse_relationship(f"folder:kept#viewer@user:{'u' * 1_000}{number}") for number in range(200)]
        keyed.engine.relationships.write("own", [Update(Operation.TOUCH, fact) for fact in facts])
        bearer = f"Bearer {keyed.make(Right.READ)}"
        request = relationships_pb2.ReadRequest(store="own").SerializeToString()
        with connections(keyed, 1, window=WIDE) as [silent]:
            silent.send(frame(WINDOW_UPDATE, 0, 0, (WIDE - 65_535).to_bytes(4, "big")))
            for _ in range(100):  # of 200 KB each: more than the system takes
                silent.call(READ, request, authorization=bearer)
            until(lambda: keyed.server.server.pipeline.unsent.taken >= most * 7 / 16)


def test_what_is_never_read_is_given_back_in_time(tmp_path: Path) -> None:
    if not has_frontend():
        pytest.skip("gRPC has no way to end a call whose reader takes nothing")
    with keyed_server(tmp_path, limits=replace(FEW, slow_consumer_s=0.5)) as keyed:
        facts = [parse_relationship(f"folder:kept#viewer@user:u{number}") for number in range(200)]
        keyed.engine.relationships.write("own", [Update(Operation.TOUCH, fact) for fact in facts])
        bearer = f"Bearer {keyed.make(Right.READ)}"
        read = relationships_pb2.ReadRequest(store="own").SerializeToString()
        watch = relationships_pb2.WatchRequest(store="own", checkpoint_interval_ms=100).SerializeToString()
        with connections(keyed, 1, window=0) as [silent]:
            for _ in range(8):
                silent.call(READ, read, authorization=bearer)
                silent.call(WATCH, watch, authorization=bearer)
                silent.call(PROBE, b"")
                silent.call(REFLECTION, LISTED)
            until(lambda: held(keyed) > 0)
            until(lambda: held(keyed) == 0)
            require_served(keyed)


def test_answers_to_one_key_that_are_never_read_refuse_no_other(keyed: Keyed) -> None:
    greedy = keyed.make(Right.READ)
    request = relationships_pb2.ReadRequest(store="own").SerializeToString()
    with connections(keyed, 4, window=0) as silent:
        for each in silent:
            for _ in range(400):
                each.call(READ, request, authorization=f"Bearer {greedy}")
        until(lambda: held(keyed) > 0)
        require_served(keyed)
        assert keyed.server.server.pipeline.places.admitted.taken <= CALLS_MAX / 2 + 2


# --- requests that never come -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CHECK, WRITE, WATCH, "/remit.v1.Relationships/Import"])
def test_requests_of_one_key_that_never_come_refuse_no_other(keyed: Keyed, path: str) -> None:
    rights = Right.CHECK, Right.READ, Right.WRITE
    greedy = keyed.make(*rights)
    with connections(keyed, 4) as silent:
        for each in silent:
            for _ in range(400):
                each.begin(path, 16 << 20, b"", authorization=f"Bearer {greedy}")
        until(lambda: held(keyed) > 0)
        for _ in range(3):
            require_served(keyed)
        pipeline, frontend = keyed.server.server.pipeline, keyed.server.server.frontend
        assert pipeline.places.admitted.taken <= CALLS_MAX / 2 + 2
        if frontend is not None:
            assert frontend.stats()["unanswered_bytes"] <= FEW.unanswered_bytes_max * 5 / 8
            assert frontend.refused()


def test_a_request_that_does_not_come_is_refused_with_its_reason(tmp_path: Path) -> None:
    with keyed_server(tmp_path, "127.0.0.1:0", ServeLimits(request_s=1.0)) as keyed:
        bearer = f"Bearer {keyed.make(Right.READ)}"
        with connections(keyed, 1) as [slow]:
            for _ in range(50):
                slow.begin(READ, 1_000, b"x", authorization=bearer)
            until(lambda: held(keyed) > 0)
            until(lambda: held(keyed) == 0)
            counted = counts(scraped(keyed.server, keyed.make(Right.AUDIT)), "remit_requests_total")
            assert counted == {"reason=SLOW_REQUEST,verb=Read": 50}
        require_served(keyed)


def test_who_calls_nothing_there_is_refuses_nobody(keyed: Keyed) -> None:
    with connections(keyed, 4, window=0) as silent:
        for each in silent:
            with suppress(ConnectionError):  # who goes on sending to calls that were refused may be let go
                for _ in range(400):
                    each.begin("/remit.v1.Nothing/Nothing", 16 << 20, b"")
                    each.begin(CHECK, 16 << 20, b"x" * 100, authorization="Bearer rk_nobody")
        require_served(keyed)


# --- what is no such call ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["?x", "?", "/", "%20"])
def test_a_method_is_asked_for_by_its_path_alone(keyed: Keyed, suffix: str) -> None:
    text = keyed.make(Right.CHECK)
    messages: dict[str, Message] = {
        CHECK: permissions_pb2.CheckRequest(store="own"),
        PROBE: health_pb2.HealthCheckRequest(),
    }
    with grpc.insecure_channel(keyed.server.endpoint) as channel:
        for path, message in messages.items():
            refused = ask(channel, path + suffix, message, text)
            assert isinstance(refused, Refusal)
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD")


# --- frames that are no calls at all ----------------------------------------------------------------------------


def _rapid_resets(text: str) -> bytes:
    def of_stream(stream: int) -> bytes:
        cancelled = frame(RST_STREAM, 0, stream, b"\0\0\0\x08")
        return headers(stream, CHECK, authorization=f"Bearer {text}") + cancelled

    return b"".join(of_stream(stream) for stream in range(1, 4_001, 2))


def _endless_headers(_: str) -> bytes:
    begun = headers(1, CHECK)
    begun = begun[:4] + bytes((0,)) + begun[5:]  # more are to follow
    return begun + frame(9, 0, 1, b"\x00\x01a" + bytes((100,)) + b"x" * 100) * 4_000


def _small_data(text: str) -> bytes:
    return headers(1, CHECK, authorization=f"Bearer {text}") + frame(DATA, 0, 1, b"\0") * 4_000


def _empty_data(text: str) -> bytes:
    return headers(1, CHECK, authorization=f"Bearer {text}") + frame(DATA, 0, 1) * 20_000


def _tiny_windows(text: str) -> bytes:
    request = relationships_pb2.ReadRequest(store="own").SerializeToString()
    opened = frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x01") * 2_000
    return settings({4: 0}) + call(1, READ, request, authorization=f"Bearer {text}") + opened


FLOODS: dict[str, Callable[[str], bytes]] = {
    "rapid resets": _rapid_resets,
    "headers without an end": _endless_headers,
    "pings": lambda _: frame(PING, 0, 0, bytes(8)) * 20_000,
    "settings": lambda _: settings({4: 65_535}) * 20_000,
    "priorities": lambda _: b"".join(frame(PRIORITY, 0, each, bytes(4) + b"\x10") for each in range(1, 40_001, 2)),
    "unknown frames": lambda _: frame(0xBB, 0, 0, bytes(100)) * 10_000,
    "windows": lambda _: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * 20_000,
    "windows of one byte": _tiny_windows,
    "data of one byte": _small_data,
    "data of nothing": _empty_data,
    "streams without an end": lambda text: b"".join(
        headers(stream, CHECK, authorization=f"Bearer {text}") for stream in range(1, 8_001, 2)
    ),
    "half a frame": lambda _: frame(HEADERS, END_HEADERS | END_STREAM, 1, bytes(16_000))[:10_000],
    "settings of a frame that is too long": lambda _: frame(SETTINGS, 0, 0, bytes(6) * 2_700),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_frames_without_an_end_hold_up_nobody(keyed: Keyed, flood: Callable[[str], bytes]) -> None:
    data = flood(keyed.make(Right.CHECK, Right.READ))
    with connections(keyed, 4) as hostile:
        for each in hostile:
            each.send_as_much_as_is_taken(data)
        require_served(keyed)
        for each in hostile:
            each.send_as_much_as_is_taken(data)
        require_served(keyed)


def test_connections_that_do_not_begin_keep_nobody_out(keyed: Keyed) -> None:
    if not has_frontend():
        pytest.skip("gRPC bounds them in time only")
    with ExitStack() as stack:
        silent = [Connection(keyed.server.endpoint, is_silent=True) for _ in range(1_040)]
        for each in silent:
            stack.callback(each.close)
        frontend = keyed.server.server.frontend
        assert frontend is not None
        until(lambda: frontend.stats()["handshakes_let_go"] >= 16)
        assert frontend.stats()["handshakes"] <= 1_024
        require_served(keyed)
    until(lambda: frontend.stats()["handshakes"] == 0)
