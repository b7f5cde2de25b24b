"""A method's one request: read when it is known who may send it, and neither missing nor followed by a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from remit.access.keys import Right
from remit.client import Client
from remit.engine.facade import Engine
from remit.server.limits.serve_limits import ServeLimits
from remit.server.run.background import BackgroundServer
from remit.server.verbs import STREAMS, VERBS
from tests.support.keyed import Keyed, keyed_server, refusal_of
from tests.support.raw_http2 import Connection
from tests.support.serving import PATIENCE_S

MIB = 1 << 20
LARGE = 16 * MIB  # what a request may weigh
UNARY = sorted(verb.path for verb in VERBS)
RIGHTS = {verb.path: verb.right for verb in (*VERBS, *STREAMS)}
ALL = sorted(RIGHTS)
WHO_AM_I = "/remit.v1.Stores/WhoAmI"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed_server(tmp_path_factory.mktemp("keys")) as keyed:
        yield keyed


def become(condition: Callable[[], bool], what: str) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S * 1_000)):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError(what)


def told_while_sending(endpoint: str, path: str, *metadata: tuple[str, str]) -> str:
    """Why a call is refused, of which not one byte has been sent but its headers."""
    told = threading.Event()

    def never() -> Iterator[bytes]:
        assert told.wait(PATIENCE_S), "there was no answer before the request"
        yield b""

    with grpc.insecure_channel(endpoint) as channel:
        call = channel.stream_stream(path)(never(), PATIENCE_S, metadata=metadata)
        try:
            next(call)
        except grpc.RpcError as error:
            return refusal_of(error).reason
        finally:
            told.set()
    raise AssertionError("it was answered")


@pytest.mark.parametrize("path", ALL)
def test_who_may_not_is_told_before_a_byte_of_the_request_has_come(keyed: Keyed, path: str) -> None:
    endpoint = keyed.server.endpoint
    assert told_while_sending(endpoint, path) == "KEY_MISSING"
    assert told_while_sending(endpoint, path, ("authorization", f"Bearer rk_{'a' * 43}")).startswith("KEY_")
    if RIGHTS[path] is not None:
        others = keyed.make(*(right for right in Right if right is not RIGHTS[path]))
        assert told_while_sending(endpoint, path, ("authorization", f"Bearer {others}")) == "RIGHT_MISSING"


def test_who_asks_too_often_is_told_before_a_byte_of_the_request_has_come(tmp_path: Path) -> None:
    with keyed_server(tmp_path, limits=ServeLimits(rate_per_key=0.001)) as keyed:
        bearer = ("authorization", f"Bearer {keyed.make(Right.CHECK)}")
        with grpc.insecure_channel(keyed.server.endpoint) as channel:
            channel.unary_unary(WHO_AM_I)(b"", PATIENCE_S, metadata=[bearer])
        assert told_while_sending(keyed.server.endpoint, WHO_AM_I, bearer) == "RATE_LIMITED"


def test_callers_without_a_key_who_send_megabytes_slowly_hold_nothing(keyed: Keyed) -> None:
    """A hundred begin a request of sixteen megabytes, say what gRPC lets anybody say of it, and no more."""
    connections = [Connection(keyed.server.endpoint) for _ in range(10)]
    before = counted(keyed)
    try:
        for each in connections:
            each.wait_until_open()
            for _ in range(10):
                each.begin("/remit.v1.Relationships/Write", LARGE, bytes(6_000))
        become(lambda: counted(keyed) == before + 100, "not all of them were answered")
        become(lambda: not keyed.server.server.pipeline.calls(), "some of them are still waited for")
    finally:
        for each in connections:
            each.close()


def counted(keyed: Keyed) -> int:
    """How many requests ended for want of a key."""
    requests = keyed.server.server.telemetry.metrics
    text = requests.text(keyed.server.server.stats(), lambda _: True).decode()
    lines = [line for line in text.splitlines() if line.startswith("remit_requests_total{") and "KEY_MISSING" in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)


@pytest.mark.parametrize("path", UNARY)
@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_method_takes_exactly_one_request(client: Client, path: str, count: int) -> None:
    with grpc.insecure_channel(client.endpoint) as channel:
        call = channel.stream_stream(path)(iter([b""] * count), PATIENCE_S)
        with pytest.raises(grpc.RpcError) as refused:
            list(call)
    refusal = refusal_of(refused.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_ONE_REQUEST")


def waited_for(server: BackgroundServer) -> int:
    """How many requests of a mebibyte have begun to come, whichever way they come."""
    frontend = server.server.frontend
    of_frontend = frontend.stats()["unanswered_bytes"] / MIB if frontend is not None else 0
    return len(server.server.pipeline.calls()) + round(of_frontend)


def test_who_leaves_in_the_midst_of_a_request_is_forgotten(engine: Engine) -> None:
    with BackgroundServer(engine) as server:
        connection = Connection(server.endpoint)
        connection.wait_until_open()
        for _ in range(20):
            connection.begin(WHO_AM_I, MIB, bytes(100))
        become(lambda: waited_for(server) == 20, "not all of them are waited for")
        connection.close()
        become(lambda: waited_for(server) == 0, "some are waited for that will never come")
        with Client(server.endpoint) as client:
            assert client.who_am_i().principal == "local"
