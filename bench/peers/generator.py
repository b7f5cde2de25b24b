"""The client that sends the requests, and how one stretch of it came out.

Two ways to ask. Closed loop: so many in flight, the next leaves when one has come back; it finds how much a server
takes, and its latencies are flattered, because a stall holds back the requests that would have met it (coordinated
omission). Fixed rate: each request has a time at which it is meant to leave, and its latency counts from then, whether
or not it could leave; that is what callers see who come by themselves.
Law: every generator sends the same bytes to every server and judges every answer, and says how busy it was itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

import grpc.aio

from bench.over_grpc import Load
from bench.peers.costs import Costs
from bench.peers.histogram import Histogram
from bench.peers.peer import Peer, Refused, refusal

_ANSWER_WITHIN_S = 30.0
_WAITING_MAX = 20_000  # requests meant to have left and still not answered: beyond it a fixed rate is given up


class Overrun(Exception):
    """The server cannot keep the fixed rate by so much that the rest need not be sent."""


@dataclass(slots=True)
class Stretch:
    """One stretch of asking. `generator_cpu_s` is the client's own: near `elapsed_s`, it was the client that was
    measured. A cost that the system does not tell is None. A generator in another process tells `count` and
    `percentiles` instead of a histogram."""

    histogram: Histogram = field(default_factory=Histogram)  # nanoseconds
    count: int = 0
    percentiles: dict[str, float] = field(default_factory=dict)  # microseconds
    elapsed_s: float = 0.0
    server_cpu_s: float | None = None
    generator_cpu_s: float = 0.0
    client: str = "Python"
    judged: str = "every answer"
    offered: float | None = None  # requests a second that were meant to leave; None in a closed loop

    @property
    def answered(self) -> int:
        return self.count or self.histogram.count

    @property
    def rate(self) -> float:
        return self.answered / self.elapsed_s


class Generator(Protocol):
    """Both raise WrongAnswer, Refused. `start`: the number of the first request, round and round."""

    name: str

    async def closed(
        self, peer: Peer, load: Load, costs: Costs, *, in_flight: int, seconds: float, start: int
    ) -> Stretch: ...

    async def fixed(self, peer: Peer, load: Load, costs: Costs, *, rate: float, seconds: float, start: int) -> Stretch:
        """Also raises Overrun."""
        ...


class AsyncioGenerator:
    """In this process, on grpc.aio: some thousands of requests a second, so enough for servers that take fewer."""

    name = "Python's"

    async def closed(
        self, peer: Peer, load: Load, costs: Costs, *, in_flight: int, seconds: float, start: int
    ) -> Stretch:
        method = peer.channel.unary_unary(load.path, request_serializer=bytes, response_deserializer=bytes)
        stretch = Stretch()
        answers: list[tuple[int, bytes]] = []
        numbers = count(start)
        now = time.perf_counter_ns

        async def ask(end: int) -> None:
            after = 0
            while after < end:  # so at least once, however short the stretch
                number = next(numbers) % len(load.requests)
                before = now()
                answer = await method(load.requests[number], metadata=peer.metadata, timeout=_ANSWER_WITHIN_S)
                after = now()
                stretch.histogram.record(after - before)
                answers.append((number, answer))

        with timed(stretch, costs):
            end = now() + int(seconds * 1e9)
            await gathered([ask(end) for _ in range(in_flight)])
        judge(load, answers)
        return stretch

    async def fixed(self, peer: Peer, load: Load, costs: Costs, *, rate: float, seconds: float, start: int) -> Stretch:
        method = peer.channel.unary_unary(load.path, request_serializer=bytes, response_deserializer=bytes)
        stretch = Stretch(offered=rate)
        answers: list[tuple[int, bytes]] = []
        waiting: set[asyncio.Task[None]] = set()
        now = time.perf_counter_ns

        failures: list[grpc.aio.AioRpcError] = []

        async def ask(number: int, meant_ns: int) -> None:
            try:
                answer = await method(load.requests[number], metadata=peer.metadata, timeout=_ANSWER_WITHIN_S)
            except grpc.aio.AioRpcError as error:
                failures.append(error)
                return
            stretch.histogram.record(now() - meant_ns)
            answers.append((number, answer))

        async def send() -> None:
            begun = now()
            for place in range(max(1, int(rate * seconds))):
                meant = begun + int(place / rate * 1e9)
                if (early_s := (meant - now()) / 1e9) > 0:
                    await asyncio.sleep(early_s)
                if failures:
                    break
                if len(waiting) > _WAITING_MAX:
                    raise Overrun(f"{_WAITING_MAX:,} requests unanswered at {rate:,.0f} a second")
                task = asyncio.create_task(ask((start + place) % len(load.requests), meant))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                await asyncio.sleep(0)  # lets answers in between requests that leave late, one after the other
            await gathered(list(waiting))
            if failures:
                raise Refused(refusal(failures[0]))

        with timed(stretch, costs):
            try:
                await send()
            finally:
                for task in waiting:
                    task.cancel()
        judge(load, answers)
        return stretch


@contextmanager
def timed(stretch: Stretch, costs: Costs) -> Iterator[None]:
    """Fills in the clock and what it cost, whatever happens inside."""
    server, own, begun = costs.cpu_s(), time.process_time(), time.perf_counter()
    yield
    stretch.elapsed_s = time.perf_counter() - begun
    stretch.generator_cpu_s = time.process_time() - own
    after = costs.cpu_s()
    stretch.server_cpu_s = after - server if after is not None and server is not None else None


async def gathered(tasks: Sequence[Awaitable[None]]) -> None:
    """All of them; the first error ends the others. Raises Refused for what a server or its library says."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        await asyncio.gather(*running)
    except grpc.aio.AioRpcError as error:
        raise Refused(refusal(error)) from error
    finally:
        for task in running:
            task.cancel()


def judge(load: Load, answers: Sequence[tuple[int, bytes]]) -> None:
    """Raises WrongAnswer at the first that is wrong. A request that was answered before is judged again: servers may
    answer it otherwise."""
    for number, answer in answers:
        load.require(number, answer)
