"""Too much is refused at once, with a word on when to come back; what was accepted is served."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from remit.client import Answer, Client, RemoteError
from remit.errors import Overloaded, Status, StoreUnavailable
from remit.server.grpc.server import ServeLimits
from remit.server.limits.work_queue import WorkQueue
from remit.server.run.background import BackgroundServer
from tests.support.serving import PATIENCE_S, GatedEngine

FEW = ServeLimits(readers=1, reads_in_flight_max=2, writers=1, writes_in_flight_max=1)


def wait_until(server: BackgroundServer, queue: Callable[[], int], count: int) -> None:
    """Until so many requests are in a queue: the server counts them when it takes them on."""
    tick = threading.Event()
    for _ in range(int(PATIENCE_S * 1000)):
        if queue() == count:
            return
        tick.wait(0.001)
    raise AssertionError(f"{queue()} requests under way instead of {count}")


def test_more_than_the_server_takes_on_is_refused_at_once_and_good_clients_are_served(gated: GatedEngine) -> None:
    with (
        BackgroundServer(gated, limits=FEW) as server,
        Client(server.endpoint) as client,
        ThreadPoolExecutor(2) as callers,
    ):

        def ask() -> Answer:
            return client.check("folder:sub#view@user:ann", timeout_s=PATIENCE_S)

        accepted: list[Future[Answer]] = [callers.submit(ask) for _ in range(2)]
        wait_until(server, lambda: server.server.pipeline.reads.in_flight, 2)
        with pytest.raises(RemoteError) as refused:
            ask()
        assert (refused.value.reason, refused.value.status) == ("OVERLOADED", Status.RESOURCE_EXHAUSTED)
        assert refused.value.retry_after_s is not None
        gated.gate.set()
        assert all(answer.result(PATIENCE_S).allowed for answer in accepted)
        wait_until(server, lambda: server.server.pipeline.reads.in_flight, 0)
        assert ask().allowed
        assert server.server.pipeline.reads.refused == 1


def test_writers_who_wait_for_the_disk_do_not_hold_up_readers(gated: GatedEngine) -> None:
    with (
        BackgroundServer(gated, limits=FEW) as server,
        Client(server.endpoint) as client,
        ThreadPoolExecutor(1) as callers,
    ):
        writing = callers.submit(client.touch, "folder:sub#viewer@user:bob")
        assert gated.begun.get(timeout=PATIENCE_S) == "write"
        with pytest.raises(RemoteError) as refused:
            client.touch("folder:sub#viewer@user:eve")
        assert refused.value.reason == "OVERLOADED"
        assert len(list(client.read())) == 2
        gated.gate.set()
        assert client.check("folder:sub#view@user:bob", at_least=writing.result(PATIENCE_S)).allowed


def test_a_work_queue_counts_what_it_runs_and_forgets_what_is_done() -> None:
    queue = WorkQueue("tests", threads=1, in_flight_max=2)
    gate = threading.Event()
    first, second = queue.submit("anne", gate.wait, PATIENCE_S), queue.submit("anne", gate.wait, PATIENCE_S)
    with pytest.raises(Overloaded):
        queue.submit("anne", gate.wait, PATIENCE_S)
    assert queue.in_flight == 2
    assert second.cancel()  # it had not begun
    assert queue.in_flight == 1
    gate.set()
    assert first.result(PATIENCE_S)
    queue.close()
    assert (queue.in_flight, queue.refused) == (0, 1)
    with pytest.raises(StoreUnavailable):
        queue.submit("anne", gate.wait, PATIENCE_S)
    assert queue.in_flight == 0
