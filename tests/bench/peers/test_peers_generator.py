"""Laws of the generator: a closed loop waits for answers, a fixed rate does not; every answer is judged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio
import pytest

from bench.in_process import WrongAnswer
from bench.over_grpc import Load
from bench.peers.costs import Costs
from bench.peers.generator import AsyncioGenerator, Stretch
from bench.peers.peer import Peer, Refused
from bench.peers.remit_wire import RemitPeer

UNKNOWN = Costs(())
Answer = Callable[[bytes], Awaitable[bytes]]


def nothing_wrong(_: int, answer: bytes) -> None:
    if answer != b"yes":
        raise WrongAnswer(f"`{answer!r}` was said")


LOAD = Load("/any/Method", [b"0", b"1", b"2"], nothing_wrong)


class Channel:
    """Answers by a function of the request; counts those under way."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.under_way = 0
        self.most_under_way = 0
        self.asked: list[bytes] = []

    def unary_unary(self, path: str, **_: object) -> Callable[..., Awaitable[bytes]]:
        assert path == LOAD.path

        async def call(request: bytes, **_: object) -> bytes:
            self.asked.append(request)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            try:
                return await self._answer(request)
            finally:
                self.under_way -= 1

        return call


def known(answer: Answer, ask: Callable[[Peer], Awaitable[Stretch]]) -> tuple[Stretch, Channel]:
    async def run() -> tuple[Stretch, Channel]:
        peer = RemitPeer("127.0.0.1:1")
        await peer.close()
        channel = Channel(answer)
        peer.channel = channel  # type: ignore[assignment]  # no socket is wanted
        return await ask(peer), channel

    return asyncio.run(run())


async def at_once(_: bytes) -> bytes:
    await asyncio.sleep(0)
    return b"yes"


@pytest.mark.parametrize("in_flight", (1, 5))
def test_a_closed_loop_never_has_more_under_way_than_it_was_told(in_flight: int) -> None:
    stretch, channel = known(
        at_once,
        lambda peer: AsyncioGenerator().closed(peer, LOAD, UNKNOWN, in_flight=in_flight, seconds=0.02, start=1),
    )
    assert channel.most_under_way == in_flight
    assert stretch.answered == len(channel.asked) >= in_flight
    assert channel.asked[0] == b"1", "it goes on where it was told to"
    assert stretch.offered is None and stretch.server_cpu_s is None
    assert stretch.rate > 0


def test_a_fixed_rate_does_not_wait_for_answers() -> None:
    """Not one answer comes before the last request has left: a closed loop would wait for ever."""
    all_asked: list[bytes] = []
    let_go = asyncio.Event()

    async def hold(request: bytes) -> bytes:
        all_asked.append(request)
        if len(all_asked) == 40:
            let_go.set()
        await let_go.wait()
        return b"yes"

    stretch, channel = known(
        hold,
        lambda peer: AsyncioGenerator().fixed(peer, LOAD, UNKNOWN, rate=2_000, seconds=0.02, start=0),
    )
    assert channel.most_under_way == stretch.answered == 40
    assert stretch.offered == 2_000
    # The first was meant to leave some 20 ms before the last one: it waited for at least that long, and it is told.
    assert stretch.histogram.most >= 39 / 2_000 * 1e9


async def closed(peer: Peer) -> Stretch:
    return await AsyncioGenerator().closed(peer, LOAD, UNKNOWN, in_flight=3, seconds=0.01, start=0)


async def fixed(peer: Peer) -> Stretch:
    return await AsyncioGenerator().fixed(peer, LOAD, UNKNOWN, rate=1_000, seconds=0.01, start=0)


@pytest.mark.parametrize("ask", (closed, fixed))
def test_one_wrong_answer_among_many_is_found(ask: Callable[[Peer], Awaitable[Stretch]]) -> None:
    async def mostly(request: bytes) -> bytes:
        await asyncio.sleep(0)
        return b"no" if request == b"2" else b"yes"

    with pytest.raises(WrongAnswer, match="was said"):
        known(mostly, ask)


@pytest.mark.parametrize("ask", (closed, fixed))
def test_an_error_ends_the_stretch_with_its_words(ask: Callable[[Peer], Awaitable[Stretch]]) -> None:
    async def refuse(_: bytes) -> bytes:
        await asyncio.sleep(0)
        empty = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, empty, empty, details="too\nmuch")

    with pytest.raises(Refused, match="RESOURCE_EXHAUSTED: too much"):
        known(refuse, ask)
