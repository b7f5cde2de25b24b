"""A deadline, or a caller who leaves, stops the evaluation on the server and not only the waiting of the client."""

from __future__ import annotations

import time
from collections.abc import Iterator

import grpc
import pytest

from remit.client import Client, RemoteError
from remit.errors import Cancelled, DeadlineExceeded, Status
from remit.server.call import Call
from remit.server.grpc.server import ServeLimits
from remit.server.run.background import BackgroundServer
from remit.v1 import core_pb2, permissions_pb2
from tests.support.serving import PATIENCE_S, GatedEngine, until

REQUEST = permissions_pb2.CheckRequest(
    resource=core_pb2.ObjectReference(type="folder", id="sub"),
    permission="view",
    subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann")),
).SerializeToString()


@pytest.fixture
def endpoint(gated: GatedEngine) -> Iterator[str]:
    with BackgroundServer(gated) as server:
        yield server.endpoint
        gated.gate.set()


def test_a_call_goes_on_until_its_deadline_or_its_caller_leaves() -> None:
    Call().interrupt()
    Call(deadline_s=time.monotonic() + 60).interrupt()
    with pytest.raises(DeadlineExceeded):
        Call(deadline_s=time.monotonic()).interrupt()
    left = Call()
    left.cancel()
    with pytest.raises(Cancelled):
        left.interrupt()


def test_a_deadline_stops_the_evaluation(gated: GatedEngine, endpoint: str) -> None:
    timeout_s = 0.2
    with Client(endpoint) as client:
        while gated.begun.empty():  # on a busy machine a deadline may be over before the evaluation has begun
            with pytest.raises(RemoteError) as caught:
                client.check("folder:sub#view@user:ann", timeout_s=timeout_s)
            assert caught.value.status is Status.DEADLINE_EXCEEDED
            assert timeout_s < PATIENCE_S, "no evaluation begins"
            timeout_s *= 2
    assert gated.endings.get(timeout=PATIENCE_S) in ("DEADLINE_EXCEEDED", "CANCELLED")


def test_a_cancelled_call_stops_the_evaluation(gated: GatedEngine, endpoint: str) -> None:
    with grpc.insecure_channel(endpoint) as channel:
        call = channel.unary_unary("/remit.v1.Permissions/Check").future(REQUEST)
        gated.begun.get(timeout=PATIENCE_S)
        call.cancel()
        assert gated.endings.get(timeout=PATIENCE_S) == "CANCELLED"


def test_a_connection_that_breaks_stops_the_evaluation(gated: GatedEngine, endpoint: str) -> None:
    channel = grpc.insecure_channel(endpoint)
    call = channel.unary_unary("/remit.v1.Permissions/Check").future(REQUEST)
    gated.begun.get(timeout=PATIENCE_S)
    channel.close()
    assert gated.endings.get(timeout=PATIENCE_S) == "CANCELLED"
    assert call.code() is grpc.StatusCode.CANCELLED


def test_a_request_whose_caller_left_while_it_waited_never_begins(gated: GatedEngine) -> None:
    with BackgroundServer(gated, limits=ServeLimits(readers=1)) as server:
        with grpc.insecure_channel(server.endpoint) as channel:
            method = channel.unary_unary("/remit.v1.Permissions/Check")
            working = method.future(REQUEST)
            gated.begun.get(timeout=PATIENCE_S)
            queue = server.server.pipeline.reads
            waiting = method.future(REQUEST)
            until(lambda: queue.in_flight == 2)
            waiting.cancel()
            until(lambda: queue.in_flight == 1)  # the server has heard of it
            gated.gate.set()
            assert working.result(timeout=PATIENCE_S)
        assert server.stop(grace_s=PATIENCE_S)
    assert gated.begun.empty()
    assert gated.endings.get_nowait() == "YES"
