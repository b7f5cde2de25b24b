"""Whoever holds connections of the HTTP edge, a probe is answered; and nobody holds one for long without using it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from remit.engine.limits import Limits
from remit.errors import StoreUnavailable
from remit.server.http.connections import Connection, ConnectionLimits
from remit.server.http.json_calls import JsonCalls
from remit.server.http.server import HttpServer, http_app
from remit.server.limits.serve_limits import ServeLimits
from remit.server.net.listen import Address
from remit.server.pipeline import Pipeline
from tests.support.serving import PATIENCE_S

ANSWERS_MIB = 64
NEVER_S = 10 * PATIENCE_S
ASKING = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


class Edge:
    """An HTTP edge whose metrics are larger than any socket's buffer, and the connections that were opened to it."""

    def __init__(self, limits: ConnectionLimits) -> None:
        app = http_app(lambda: [], lambda _: bytes(ANSWERS_MIB << 20))
        self.server = HttpServer(app, limits=limits)
        self.address = Address("", 0)
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def closed(self) -> int:
        return self.server.connections.closed

    async def open(self, host: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port, local_addr=(host, 0))
        self._writers.append(writer)
        return reader, writer

    async def ask(self, path: bytes) -> bytes:
        """The first line of what is answered on a connection of its own."""
        reader, writer = await self.open()
        writer.write(ASKING % path)
        return await reader.readline()

    async def only_connection(self) -> Connection:
        """Waits for the event loop to have it."""
        while True:
            for each in self.server.connections._open:
                if isinstance(each, Connection):
                    return each
            await asyncio.sleep(0)

    def leave(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def opened_edge(
    connections_max: int = 256, request_s: float = NEVER_S, answer_s: float = NEVER_S
) -> AsyncIterator[Edge]:
    edge = Edge(ConnectionLimits(connections_max, request_s, answer_s))
    edge.address = await edge.server.start(Address("127.0.0.1", 0))
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield edge
    finally:
        edge.leave()
        await edge.server.stop()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait for the server to end it; whether it did without a word."""
    try:
        return not await reader.read(-1)
    except ConnectionResetError:
        return True


def test_probes_are_answered_beside_any_number_of_silent_connections() -> None:
    async def run() -> None:
        async with opened_edge(connections_max=8) as edge:
            silent = [await edge.open() for _ in range(40)]
            for path in (b"/healthz", b"/readyz"):
                assert b" 200 " in await edge.ask(path)
            assert len(edge.server.connections) <= 8
            assert edge.closed >= 34
            assert await ended(silent[0][0]), "the oldest goes first"

    asyncio.run(run())


def test_the_address_that_holds_most_gives_up_its_own() -> None:
    async def run() -> None:
        async with opened_edge(connections_max=8) as edge:
            first, writer = await edge.open(host="127.0.0.2")
            crowd = [await edge.open() for _ in range(40)]
            writer.write(ASKING % b"/healthz")
            assert b" 200 " in await first.readline()
            assert await ended(crowd[0][0])

    asyncio.run(run())


def test_who_has_an_answer_to_take_stays_longer_than_who_says_nothing() -> None:
    async def run() -> None:
        async with opened_edge(connections_max=4) as edge:
            slow, writer = await edge.open()
            writer.write(ASKING % b"/metrics")
            assert b" 200 " in await slow.readline()
            for _ in range(20):
                await edge.open()
            body = await slow.read(-1 if slow.at_eof() else 1 << 20)
            assert body

    asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"POST /healthz HTTP/1.1\r\nHost: x\r\nX: "], ids=len)
def test_a_request_that_does_not_come_whole_in_time_ends_its_connection(sent: bytes) -> None:
    async def run() -> None:
        async with opened_edge(request_s=0.05) as edge:
            reader, writer = await edge.open()
            writer.write(sent)
            assert await ended(reader)
            assert edge.closed == 1

    asyncio.run(run())


def test_bytes_that_drip_win_no_time() -> None:
    async def run() -> None:
        async with opened_edge(request_s=0.05) as edge:
            reader, writer = await edge.open()
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            drips = 0
            while not reader.at_eof() and not writer.is_closing():
                writer.write(b"X: y\r\n")
                try:
                    await writer.drain()
                    await asyncio.wait_for(reader.read(1), 0.001)
                except TimeoutError:
                    drips += 1
                except ConnectionError:
                    break
            assert drips

    asyncio.run(run())


def test_a_connection_that_goes_on_asking_stays_and_one_that_had_its_answer_and_asks_no_more_does_not() -> None:
    async def run() -> None:
        async with opened_edge(request_s=1.0) as edge:
            reader, writer = await edge.open()
            for _ in range(50):
                writer.write(ASKING % b"/healthz")
                assert b" 200 " in await reader.readuntil(b"ok\n")
            assert edge.closed == 0
            assert await ended(reader)

    asyncio.run(run())


def test_an_answer_that_is_not_taken_in_time_is_dropped() -> None:
    async def run() -> None:
        async with opened_edge(answer_s=0.05) as edge:
            _, writer = await edge.open()
            writer.write(ASKING % b"/metrics")
            while not edge.closed:
                await asyncio.sleep(0)
            assert len(edge.server.connections) == 0

    asyncio.run(run())


def test_whose_key_counts_stays_before_all_others_of_its_address() -> None:
    async def run() -> None:
        async with opened_edge(connections_max=4) as edge:
            caller, writer = await edge.open()
            writer.write(ASKING[:1])
            admitted = await edge.only_connection()
            admitted.admit(NEVER_S)
            for _ in range(40):
                _, writer = await edge.open()
                writer.write(ASKING % b"/metrics")  # which takes its sender long to take
            for _ in range(40):
                await edge.open()
            assert b" 200 " in await edge.ask(b"/healthz")
            assert admitted in edge.server.connections._open
            assert not caller.at_eof()

    asyncio.run(run())


def test_whose_key_counted_may_rest_for_longer_before_it_asks_again() -> None:
    async def run() -> None:
        async with opened_edge(request_s=0.05) as edge:
            resting, writer = await edge.open()
            writer.write(ASKING[:1])
            admitted = await edge.only_connection()
            admitted.admit(NEVER_S)
            writer.write(ASKING[1:] % b"/healthz")
            assert b" 200 " in await resting.readuntil(b"ok\n")
            stranger, writer = await edge.open()
            writer.write(ASKING % b"/healthz")
            assert b" 200 " in await stranger.readuntil(b"ok\n")
            assert await ended(stranger)
            assert not resting.at_eof()
            assert admitted in edge.server.connections._open

    asyncio.run(run())


def test_garbage_after_a_request_ends_the_connection_and_leaves_no_trace_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        async with opened_edge() as edge:
            for sent in (
                b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
                b"Content-Length: 1\r\n\r\n1\x00garbage\r\n\r\n",
            ):
                for path in (b"/metrics", b"/healthz", b"/none"):
                    reader, writer = await edge.open()
                    writer.write(b"GET %s HTTP/1.1\r\nHost: x\r\n%s" % (path, sent))
                    while await reader.read(1 << 20):
                        pass
            assert b" 200 " in await edge.ask(b"/healthz")

    asyncio.run(run())
    assert not [record for record in caplog.records if record.exc_info]


def test_what_is_still_sent_keeps_no_stop_waiting_and_leaves_no_trace_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remit.server.http.server._STOP_GRACE_S", 0.01)

    def not_serving() -> Pipeline:
        raise StoreUnavailable("nothing is served here")

    async def run() -> None:
        server = HttpServer(http_app(lambda: [], lambda _: b"", JsonCalls(not_serving, Limits(), ServeLimits())))
        address = await server.start(Address("127.0.0.1", 0))
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"POST /remit.v1.Stores/WhoAmI HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert b" 503 " in await reader.readline()
        await server.stop()
        writer.close()

    asyncio.run(run())
    assert not [record for record in caplog.records if record.exc_info]
