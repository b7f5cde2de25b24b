"""A probe is answered beside whatever the event loop does, and as the loop would have answered it."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.server.http import acceptor
from remit.server.http.acceptor import ALIVE, Acceptor, Arrival, answer_of
from remit.server.http.connections import ConnectionLimits, Connections, Worth
from remit.server.http.server import HttpServer, http_app
from remit.server.net.listen import Address
from tests.support.serving import PATIENCE_S

HEADS = [
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nhost: x\r\nUser-Agent: kube-probe/1.31\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\nConnection: keep-alive\r\nX-Many: 1\r\nX-Many: 2\r\n\r\n",
]
PLAIN = HEADS[0]
NOT_PLAIN = {
    "another path": b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a query": b"GET /healthz?all HTTP/1.1\r\nHost: x\r\n\r\n",
    "another method": b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "an older HTTP": b"GET /healthz HTTP/1.0\r\nHost: x\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "no header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n",
    "a body": b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok",
    "a body that is to come": b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n",
    "no body, said twice": (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "pieces": b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another protocol": b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "two at once": 2 * PLAIN,
}


@asynccontextmanager
async def opened_edge(limits: ConnectionLimits | None = None) -> AsyncIterator[tuple[HttpServer, Address]]:
    server = HttpServer(http_app(lambda: [], lambda _: b""), limits=limits)
    address = await server.start(Address("127.0.0.1", 0))
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield server, address
    finally:
        await server.stop()


def said(address: Address, head: bytes) -> bytes:
    """All that is answered to a request, until the body of the probe or the end of the connection."""
    with socket.create_connection((address.host, address.port), PATIENCE_S) as connection:
        connection.sendall(head)
        heard = b""
        while not heard.endswith(ALIVE) and (more := connection.recv(1 << 16)):
            heard += more
        return heard


def but_for_the_date(answer: bytes) -> tuple[bytes, set[bytes], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    return status, {b"date" if header.lower().startswith(b"date:") else header for header in headers}, body


@contextmanager
def answers_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What was answered on the thread."""
    answered: list[bytes] = []

    def counted(heard: bytes) -> acceptor.Answered | None:
        answer = answer_of(heard)
        if answer is not None:
            answered.append(heard)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(acceptor, "answer_of", counted)
        yield answered


def test_a_probe_is_answered_while_the_event_loop_is_at_something_else() -> None:
    async def run() -> None:
        async with opened_edge() as (_, address):
            assert await asyncio.to_thread(said, address, PLAIN), "it has begun"
            is_answered = threading.Event()

            def ask() -> None:
                if said(address, PLAIN).endswith(ALIVE):
                    is_answered.set()

            thread = threading.Thread(target=ask, daemon=True)
            thread.start()
            assert is_answered.wait(acceptor.HANGS_S), "and here the loop stands still"
            thread.join()

    asyncio.run(run())


def test_while_the_event_loop_hangs_nobody_is_told_that_the_process_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "HANGS_S", 0.0)

    async def run() -> None:
        async with opened_edge() as (server, address):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(PLAIN)
            assert await reader.readuntil(ALIVE), "told by the loop, once it goes on"
            assert len(server.connections) == 1
            writer.close()

    with answers_counted(monkeypatch) as answered:
        asyncio.run(run())
    assert not answered


@pytest.mark.parametrize("head", HEADS)
def test_what_is_answered_is_what_the_event_loop_answers(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> bytes:
        async with opened_edge() as (_, address):
            return await asyncio.to_thread(said, address, head)

    with answers_counted(monkeypatch) as answered:
        on_the_thread = asyncio.run(run())
        assert answered == [head]
        monkeypatch.setattr(acceptor, "HANGS_S", 0.0)
        on_the_loop = asyncio.run(run())
        assert answered == [head]
    assert but_for_the_date(on_the_thread) == but_for_the_date(on_the_loop)


@pytest.mark.parametrize("sent", NOT_PLAIN.values(), ids=NOT_PLAIN.keys())
def test_whatever_is_no_plain_probe_is_the_event_loops(sent: bytes) -> None:
    assert answer_of(sent) is None


@given(head=st.sampled_from(HEADS), data=st.data())
def test_what_has_not_come_whole_is_not_answered(head: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(head) - 1))
    assert answer_of(head[:cut]) is None
    assert answer_of(head) is not None
    assert answer_of(head + head[: cut + 1]) is None


def test_a_probe_that_comes_in_pieces_is_answered() -> None:
    async def run() -> None:
        async with opened_edge() as (_, address):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            for each in range(len(PLAIN)):
                writer.write(PLAIN[each : each + 1])
                await writer.drain()
                await asyncio.sleep(0)
            assert await reader.readuntil(ALIVE)
            writer.close()

    asyncio.run(run())


def test_after_a_probe_the_event_loop_serves_what_comes_next() -> None:
    async def run() -> None:
        async with opened_edge() as (_, address):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            for _ in range(3):
                writer.write(PLAIN)
                assert b" 200 " in await reader.readuntil(ALIVE)
            writer.write(NOT_PLAIN["another path"])
            assert b'"ready": true' in await reader.readuntil(b"}\n")
            writer.write(PLAIN)
            assert b" 200 " in await reader.readuntil(ALIVE)
            writer.close()

    asyncio.run(run())


def test_a_stop_ends_who_has_said_nothing() -> None:
    async def run() -> None:
        async with opened_edge() as (server, address):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            while not len(server.connections):
                await asyncio.sleep(0)
            await server.stop()
            assert await reader.read() == b""
            assert not len(server.connections)
            writer.close()

    asyncio.run(run())


@contextmanager
def accepting(
    connections_max: int,
) -> Iterator[tuple[Acceptor, Connections, Address, queue.SimpleQueue[list[Arrival]]]]:
    """What would be the event loop's is put into the queue."""
    given: queue.SimpleQueue[list[Arrival]] = queue.SimpleQueue()
    connections = Connections(ConnectionLimits(connections_max=connections_max, request_s=PATIENCE_S))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        accepts = Acceptor(listener, connections, lambda arrivals: given.put(list(arrivals)))
        accepts.start()
        try:
            yield accepts, connections, Address(*listener.getsockname()), given
        finally:
            accepts.stop()


def speaker(address: Address) -> socket.socket:
    connection = socket.create_connection((address.host, address.port), PATIENCE_S)
    connection.sendall(NOT_PLAIN["another path"])
    return connection


def test_the_event_loop_is_given_a_few_at_a_time() -> None:
    with accepting(connections_max=100) as (accepts, connections, address, given), ExitStack() as open_:
        for _ in range(60):
            open_.enter_context(speaker(address))
        taken = given.get(timeout=PATIENCE_S)
        while len(accepts._heard) + len(taken) < 60:
            time.sleep(0)
        assert len(connections) == 60
        while len(taken) < 60:
            assert given.empty(), "nothing more before those are taken over"
            accepts.took_over()
            batch = given.get(timeout=PATIENCE_S)
            assert len(batch) == min(acceptor._TAKEN_OVER_AT_ONCE, 60 - len(taken))
            taken += batch
        assert len(set(taken)) == 60
        for each in taken:
            each.socket.close()


def test_beside_any_number_that_wait_for_the_event_loop_a_probe_is_answered() -> None:
    with accepting(connections_max=4) as (_, connections, address, given), ExitStack() as open_:
        speakers = [open_.enter_context(speaker(address)) for _ in range(40)]
        (first,) = given.get(timeout=PATIENCE_S)
        assert said(address, PLAIN).endswith(ALIVE)
        assert len(connections) <= 4
        assert any(is_over(each) for each in speakers[1:])
        assert given.empty()
        first.socket.close()


def is_over(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


class Placed:
    """Something with a place, which tells that it had to give way."""

    def __init__(self, worth: Worth = Worth.SILENT) -> None:
        self.address = "somewhere"
        self.worth = worth
        self.gave_way = False

    def give_way(self) -> None:
        self.gave_way = True


def test_who_had_to_make_room_on_its_way_to_the_event_loop_finds_no_place_there() -> None:
    connections = Connections(ConnectionLimits(connections_max=2))
    first, second, third = Placed(), Placed(), Placed()
    for placed in (first, second, third):
        connections.add(placed)
    assert [first.gave_way, second.gave_way, third.gave_way] == [True, False, False]
    assert not connections.replace(first, Placed())
    served = Placed(Worth.ADMITTED)
    assert connections.replace(second, served)
    assert len(connections) == 2
    connections.add(Placed())
    assert third.gave_way
    assert not served.gave_way
    for each in list(connections._open):
        connections.remove(each)
    assert not connections._of_address
