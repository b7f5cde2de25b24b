"""Laws of who asks: Python only where it is not the bottleneck; and a try asks what will not be asked soon."""

from __future__ import annotations

import asyncio

import pytest

from bench.over_grpc import Load
from bench.peers.costs import Costs
from bench.peers.fitting import FittingGenerator
from bench.peers.generator import Stretch
from bench.peers.histogram import Histogram
from bench.peers.peer import Peer
from bench.peers.remit_wire import RemitPeer

LOAD = Load("/a/B", [bytes([number]) for number in range(100)], lambda _, __: None)


class Noting:
    """Notes how it was asked, and was so busy."""

    def __init__(self, name: str, busy: float) -> None:
        self.name = name
        self._busy = busy
        self.asked: list[tuple[str, float, int]] = []

    async def closed(
        self, peer: Peer, load: Load, costs: Costs, *, in_flight: int, seconds: float, start: int
    ) -> Stretch:
        self.asked.append((f"{in_flight} in flight", seconds, start))
        return Stretch(Histogram([1]), elapsed_s=1.0, generator_cpu_s=self._busy, client=self.name)

    async def fixed(self, peer: Peer, load: Load, costs: Costs, *, rate: float, seconds: float, start: int) -> Stretch:
        self.asked.append((f"{rate:g} a second", seconds, start))
        return Stretch(Histogram([1]), elapsed_s=1.0, client=self.name)


@pytest.mark.parametrize(("busy", "client"), ((0.1, "python"), (0.32, "python"), (0.34, "native"), (1.0, "native")))
def test_a_server_is_asked_by_python_only_where_that_is_less_than_a_third_busy(busy: float, client: str) -> None:
    native, python = Noting("native", 0.0), Noting("python", busy)
    fitting = FittingGenerator(native, python)

    async def run() -> list[str]:
        peer = RemitPeer("127.0.0.1:1")
        await peer.close()
        none = Costs(())
        asked = [await fitting.closed(peer, LOAD, none, in_flight=64, seconds=2, start=start) for start in (0, 7)]
        asked.append(await fitting.closed(peer, LOAD, none, in_flight=1, seconds=2, start=0))
        asked.append(await fitting.fixed(peer, LOAD, none, rate=5_000, seconds=2, start=0))
        asked.append(await fitting.fixed(peer, LOAD, none, rate=5, seconds=2, start=9))
        return [each.client for each in asked]

    assert asyncio.run(run()) == [client, client, "native", "native", "python"]
    tried, *rest, slow = python.asked
    assert slow == ("5 a second", 2, 9)
    assert tried[2] == 50, "the try asks what will not be asked soon"
    assert rest == ([("64 in flight", 2, 0), ("64 in flight", 2, 7)] if client == "python" else [])


def test_every_load_is_tried_anew() -> None:
    python = Noting("python", 0.0)
    fitting = FittingGenerator(Noting("native", 0.0), python)

    async def run() -> None:
        peer = RemitPeer("127.0.0.1:1")
        await peer.close()
        for load in (LOAD, Load("/a/B", [b"x"], lambda _, __: None)):
            for in_flight in (64, 32):
                await fitting.closed(peer, load, Costs(()), in_flight=in_flight, seconds=2, start=0)

    asyncio.run(run())
    assert len([asked for asked in python.asked if asked[1] != 2]) == 4
