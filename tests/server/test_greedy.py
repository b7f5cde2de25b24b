"""Ten times more than the server takes on: the greedy are refused at once, everybody else is served."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.rpc import status_pb2

from remit.access.keys import Right
from remit.client import Client
from remit.engine.facade import Engine
from remit.errors import RemoteError
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.limits.serve_limits import ServeLimits
from remit.server.run.background import BackgroundServer
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2
from remit.wire.status import decode_status
from tests.support.keyed import keyed_server
from tests.support.raw_http2 import Connection
from tests.support.scraping import counts, scraped
from tests.support.serving import PATIENCE_S, SCHEMA, GatedEngine, opened

CHECK = permissions_pb2.CheckRequest(
    resource=core_pb2.ObjectReference(type="folder", id="sub"),
    permission="view",
    subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann")),
).SerializeToString()


def wait_until(count: Callable[[], int], expected: int) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE_S * 1_000)):
        if count() == expected:
            return
        tick.wait(0.001)
    raise AssertionError(f"{count()} instead of {expected}")


@contextmanager
def connection(endpoint: str) -> Iterator[grpc.Channel]:
    """A channel that shares its connection with no other."""
    with grpc.insecure_channel(endpoint, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


class Flood:
    """Many checks at once on one connection, and how each ended."""

    def __init__(self, channel: grpc.Channel, count: int) -> None:
        self.endings: Counter[str] = Counter()
        self.refused: list[RemoteError] = []
        self._lock = threading.Lock()
        self._ended = threading.Semaphore(0)
        self._count = count
        check = channel.unary_unary("/remit.v1.Permissions/Check")
        self._calls = [check.future(CHECK, timeout=PATIENCE_S) for _ in range(count)]
        for call in self._calls:
            call.add_done_callback(self._done)

    def _done(self, call: grpc.Future) -> None:
        error = call.exception()
        with self._lock:
            if error is None:
                self.endings["OK"] += 1
            else:
                trailers = dict(error.trailing_metadata())
                refusal = decode_status(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
                self.endings[refusal.reason] += 1
                self.refused.append(refusal)
        self._ended.release()

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self._ended.acquire(timeout=PATIENCE_S), self.endings


def test_a_greedy_caller_takes_nearly_half_and_who_comes_next_is_served(gated: GatedEngine) -> None:
    limits = ServeLimits(readers=2, reads_in_flight_max=20)
    with (
        BackgroundServer(gated, limits=limits, http="127.0.0.1:0") as server,
        connection(server.endpoint) as greedy,
        connection(server.endpoint) as modest,
    ):
        flood = Flood(greedy, 200)
        flood.wait(190)
        assert flood.endings == {"FAIR_SHARE": 190}
        assert server.server.pipeline.reads.in_flight == 10
        assert all(refusal.retry_after_s is not None for refusal in flood.refused)
        one = flood.refused[0]
        assert (one.metadata["name"], one.metadata["limit"]) == ("reads_in_flight_max", "20")
        modest_one = Flood(modest, 1)
        wait_until(lambda: server.server.pipeline.reads.in_flight, 11)
        assert counts(scraped(server), "remit_refused_total") == {"lane=reads": 190}
        gated.gate.set()
        flood.wait(10)
        modest_one.wait(1)
        assert modest_one.endings == {"OK": 1}
        assert flood.endings == {"FAIR_SHARE": 190, "OK": 10}
        assert counts(scraped(server), "remit_requests_total") == {
            "reason=FAIR_SHARE,verb=Check": 190,
            "reason=OK,verb=Check": 11,
        }


def test_several_greedy_callers_share_and_leave_room(gated: GatedEngine) -> None:
    with (
        BackgroundServer(gated, limits=ServeLimits(readers=1, reads_in_flight_max=40)) as server,
        connection(server.endpoint) as first,
        connection(server.endpoint) as second,
        connection(server.endpoint) as third,
        connection(server.endpoint) as modest,
    ):
        # Each is given a share of what those before it left: 18 of 40, 9 of 22, 5 of 13.
        floods = []
        for channel, taken in ((first, 18), (second, 9), (third, 5)):
            flood = Flood(channel, 100)
            flood.wait(100 - taken)
            assert flood.endings == {"FAIR_SHARE": 100 - taken}
            floods.append(flood)
        assert server.server.pipeline.reads.in_flight == 32
        modest_flood = Flood(modest, 2)
        wait_until(lambda: server.server.pipeline.reads.in_flight, 34)
        gated.gate.set()
        modest_flood.wait(2)
        assert modest_flood.endings == {"OK": 2}
        for flood, taken in zip(floods, (18, 9, 5), strict=True):
            flood.wait(taken)
            assert flood.endings["OK"] == taken


def test_keys_share_and_not_their_connections(tmp_path: Path) -> None:
    """A greedy key gains nothing by connecting again and again."""
    with keyed_server(tmp_path) as keyed:
        greedy, modest = keyed.make(Right.CHECK), keyed.make(Right.CHECK)
        shares = keyed.server.server.pipeline.reads.places
        for _ in range(113):
            shares.take(greedy[3:11])
        for _ in range(2):
            with Client(keyed.server.endpoint, store="own", token=greedy) as client, pytest.raises(RemoteError) as no:
                client.check("folder:kept#view@user:ann")
            assert no.value.reason == "FAIR_SHARE"
        with Client(keyed.server.endpoint, store="own", token=modest) as client:
            assert client.check("folder:kept#view@user:ann")


def test_a_key_that_asks_too_often_is_refused_and_another_is_not(tmp_path: Path) -> None:
    with keyed_server(tmp_path, limits=ServeLimits(rate_per_key=0.001)) as keyed:
        often, seldom = keyed.make(Right.CHECK), keyed.make(Right.CHECK)
        for number in range(3):
            with Client(keyed.server.endpoint, store="own", token=often) as client:
                if number == 0:
                    assert client.check("folder:kept#view@user:ann")
                    continue
                with pytest.raises(RemoteError) as refused:
                    client.check("folder:kept#view@user:ann")
                assert refused.value.reason == "RATE_LIMITED"
                assert refused.value.retry_after_s is not None
        with Client(keyed.server.endpoint, store="own", token=seldom) as client:
            assert client.check("folder:kept#view@user:ann")


# --- slow readers -----------------------------------------------------------------------------------------------


@pytest.fixture
def filled() -> Iterator[Engine]:
    """Its first page is some 170 KB."""
    engine = opened()
    engine.schemas.write("", SCHEMA)
    facts = [f"folder:{'f' * 100}{number}#viewer@user:ann" for number in range(1_000)]
    engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(fact)) for fact in facts])
    yield engine
    engine.close()


def test_who_never_reads_holds_a_bounded_part_of_memory_and_gives_it_back(filled: Engine) -> None:
    most = 2_000_000
    with BackgroundServer(filled, limits=ServeLimits(unsent_bytes_max=most), http="127.0.0.1:0") as server:
        slow = Connection(server.endpoint, window=0)
        for _ in range(100):
            slow.call("/remit.v1.Relationships/Read", relationships_pb2.ReadRequest().SerializeToString())

        def ended() -> int:
            return sum(counts(scraped(server), "remit_requests_total").values())

        wait_until(ended, 100)
        taken = server.server.pipeline.unsent.taken
        assert most * 7 / 16 <= taken <= most * 0.53
        told = counts(scraped(server), "remit_requests_total")
        assert told.keys() == {"reason=OK,verb=Read", "reason=FAIR_SHARE,verb=Read"}
        assert scraped(server).one("remit_unsent_bytes") == taken
        with Client(server.endpoint) as client:
            assert len(list(client.read())) == 1_000
        slow.close()
        wait_until(lambda: server.server.pipeline.unsent.taken, 0)


def test_connections_that_only_connect_keep_nobody_out(filled: Engine) -> None:
    with BackgroundServer(filled) as server:
        idle = [Connection(server.endpoint) for _ in range(300)]
        for each in idle:
            each.wait_until_open()
        with Client(server.endpoint) as client:
            assert len(list(client.read())) == 1_000
        for each in idle:
            each.close()
