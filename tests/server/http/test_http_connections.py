"""Whoever holds connections of the HTTP edge, a probe is answered; and nobody holds one for long without using it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from remit.server.http.connections import ConnectionLimits
from remit.server.http.server import HttpServer, http_app
from remit.server.net.listen import Address
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
