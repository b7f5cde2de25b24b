"""Law: a unary call that is dispatched to a thread of Python is told what grpcio's server would have told it, and no
method is left out."""

from __future__ import annotations

import threading

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.server.limits.serve_limits import ServeLimits
from remit.server.verb import Queue
from remit.server.verbs import UNARY, UnaryVerb
from remit.v1 import relationships_pb2, stores_pb2
from tests.support.ways_in import Both, Refused, both, told

READING = [verb.path for verb in UNARY if verb.queue is Queue.READS]
DAMAGED = [b"\xff", b"\x0a\x7f", b"\x0a\x01\xff", b"\x12\x05abc"]
WHO_AM_I = "/remit.v1.Stores/WhoAmI"


@pytest.mark.parametrize("verb", UNARY, ids=lambda verb: verb.path)
@pytest.mark.parametrize("data", DAMAGED, ids=repr)
def test_damaged_requests_are_refused_alike(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, verb: UnaryVerb, data: bytes
) -> None:
    metadata = [("x-request-id", "r1")]
    assert told(door, verb.path, data, metadata) == told(bare, verb.path, data, metadata)


@given(
    path=st.sampled_from(READING), data=st.binary(max_size=40), run=st.sampled_from([None, "r-1", "", "not a run", "é"])
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_for_anybody_are_answered_alike(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, path: str, data: bytes, run: str | None
) -> None:
    metadata = [] if run is None or not run.isascii() else [("x-remit-run", run)]
    here, there = told(door, path, data, metadata), told(bare, path, data, metadata)
    if path.endswith(("Check", "CheckMany")) and isinstance(here, bytes):
        assert isinstance(there, bytes)  # the steps differ: see test_door_same_answers
    else:
        assert here == there


def test_a_thread_is_started_for_a_call_that_finds_none_and_no_more_than_were_asked_for() -> None:
    before = set(threading.enumerate())  # another door's, perhaps

    def ours() -> list[str]:
        threads = set(threading.enumerate()) - before
        return sorted(thread.name for thread in threads if thread.name.startswith("remit-front-"))

    with both(limits=ServeLimits(readers=2)) as pair, grpc.insecure_channel(pair.door.endpoint) as channel:
        who_am_i = channel.unary_unary(WHO_AM_I)
        for call in [who_am_i.future(b"", timeout=30) for _ in range(50)]:
            assert stores_pb2.WhoAmIResponse.FromString(call.result()).principal == "local"
        one, other, writes = "remit-front-reads-0", "remit-front-reads-1", "remit-front-writes-0"
        assert ours() in ([one, writes], [one, other, writes])
        assert pair.door.server.pipeline.reads.in_flight == 0
    assert not ours()


def test_a_failure_of_what_looks_on_costs_one_call_and_no_thread(
    pair: Both, door: grpc.Channel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no tracer")

    for _ in range(2 * ServeLimits().readers):
        with monkeypatch.context() as broken:
            broken.setattr(pair.door.server.telemetry.tracing, "begin", fail)
            refused = told(door, WHO_AM_I, b"")
        assert isinstance(refused, Refused)
        assert refused.code is grpc.StatusCode.INTERNAL
        assert isinstance(told(door, WHO_AM_I, b""), bytes)
    assert "request failed" in caplog.text


def test_a_refusal_carries_the_caller_s_request_id_and_its_details(pair: Both, door: grpc.Channel) -> None:
    request = relationships_pb2.ReadRequest(cursor="no such cursor")
    with pytest.raises(grpc.RpcError) as refused:
        door.unary_unary("/remit.v1.Relationships/Read")(
            request.SerializeToString(), timeout=30, metadata=[("x-request-id", "abc123")]
        )
    trailers = dict(refused.value.trailing_metadata())  # type: ignore[attr-defined]
    assert trailers["x-request-id"] == "abc123"
    assert b"remit" in trailers["grpc-status-details-bin"]
