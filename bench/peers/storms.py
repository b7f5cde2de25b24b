"""Writes: beside checks at a steady rate, each followed by questions that must know it; storms of spawned runs; and
writes of one fact each, as fast as they are acknowledged.

Law: every write is asked after as soon as it is acknowledged, of the last kind some of them when they are over;
and a server that does not know them has no figure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import grpc.aio

from bench.in_process import WrongAnswer
from bench.known_question import KnownQuestion, known
from bench.over_grpc import Load
from bench.peers.costs import Costs
from bench.peers.generator import Generator, Stretch, gathered, timed
from bench.peers.histogram import Histogram
from bench.peers.peer import Peer, Refused, refusal
from bench.peers.world import Spawned, touched, unrelated
from remit.model import Operation, Relationship, Update

ROWS_A_WRITE = 20  # of the steady writer: 2,000 tuples a second are a hundred requests
_STORM_RATE_MAX = 15_000  # writes a second that a storm has facts for; a quicker server writes the first ones again
_STORM_SPARE_S = 1.5  # for the warm-up, and for the shortest stretch of the native client
_STORM_ASKED_AFTER = 32
_WRITING_MAX = 8  # requests of the steady writer under way; a server that needs more takes fewer tuples


@dataclass(slots=True)
class Written:
    """What the steady writer got done. `tuples` are acknowledged ones; `asked_after` are questions, all answered
    rightly; the latencies are those of the writes, nanoseconds from when each was meant to leave."""

    tuples: int = 0
    asked_after: int = 0
    elapsed_s: float = 0.0
    latencies: Histogram = field(default_factory=Histogram)

    @property
    def rate(self) -> float:
        return self.tuples / self.elapsed_s if self.elapsed_s else 0.0


class SteadyWriter:
    """Writes `tuples_a_second` facts that no workload asks about until `stop`; one fact of each request is taken back
    by a later one, so that revokes are seen, too."""

    def __init__(self, peer: Peer, tuples_a_second: float, label: str) -> None:
        self._peer = peer
        self._pause_s = ROWS_A_WRITE / tuples_a_second
        self._label = label
        self._stopped = asyncio.Event()
        self._places = asyncio.Semaphore(_WRITING_MAX)
        self.written = Written()

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> None:
        """Raises WrongAnswer, Refused."""
        writing: set[asyncio.Task[None]] = set()
        failures: list[BaseException] = []

        def ended(task: asyncio.Task[None]) -> None:
            writing.discard(task)
            self._places.release()
            if not task.cancelled() and (error := task.exception()) is not None:
                failures.append(error)
                self._stopped.set()

        begun = time.perf_counter()
        for number in count():
            meant_s = begun + number * self._pause_s
            await self._wait_until(meant_s)
            await self._places.acquire()
            if self._stopped.is_set():
                break
            task = asyncio.create_task(self._write(number, meant_s))
            writing.add(task)
            task.add_done_callback(ended)
        if writing:
            await asyncio.wait(writing)
        self.written.elapsed_s = time.perf_counter() - begun
        if failures:
            error = failures[0]
            raise Refused(refusal(error)) if isinstance(error, grpc.aio.AioRpcError) else error

    async def _wait_until(self, meant_s: float) -> None:
        if (early_s := meant_s - time.perf_counter()) > 0:
            try:
                await asyncio.wait_for(self._stopped.wait(), early_s)
            except TimeoutError:
                return

    async def _write(self, number: int, meant_s: float) -> None:
        facts = [self._fact(number, row) for row in range(ROWS_A_WRITE - 1)]
        given = self._fact(number, ROWS_A_WRITE - 1)
        for updates, question in (
            (touched([*facts, given]), _viewing(given, True)),
            ([Update(Operation.DELETE, given)], _viewing(given, False)),
        ):
            load = self._peer.writes([updates])
            answer = await self._peer.call(load.path, load.requests[0])
            load.require(0, answer)
            self.written.tuples += len(updates)
            self.written.latencies.record(max(0, int((time.perf_counter() - meant_s) * 1e9)))
            await ask_after(self._peer, question, answer)
            self.written.asked_after += 1
            meant_s = time.perf_counter()

    def _fact(self, number: int, row: int) -> Relationship:
        return unrelated(self._label, number * ROWS_A_WRITE + row)


async def spawn_storm(
    peer: Peer,
    spawned: Callable[[int], Spawned],
    costs: Costs,
    *,
    in_flight: int,
    seconds: float,
    numbers: count[int],
) -> Stretch:
    """Runs spawned, each in one write followed by the check that must know it: a stretch of such pairs.
    Raises WrongAnswer, Refused."""
    stretch = Stretch()
    now = time.perf_counter_ns

    async def spawn(end: int) -> None:
        after = 0
        while after < end:  # so at least once, however short the stretch
            facts, question = spawned(next(numbers))
            load = peer.writes([touched(facts)])
            before = now()
            answer = await peer.call(load.path, load.requests[0])
            await ask_after(peer, question, answer)
            after = now()
            stretch.histogram.record(after - before)

    with timed(stretch, costs):
        end = now() + int(seconds * 1e9)
        await gathered([spawn(end) for _ in range(in_flight)])
    return stretch


async def write_storm(
    peer: Peer, generator: Generator, costs: Costs, *, in_flight: int, seconds: float, label: str, numbers: count[int]
) -> Stretch:
    """Writes of one fact each, in a closed loop, made ready before. Raises WrongAnswer, Refused."""
    facts = [unrelated(label, next(numbers)) for _ in range(int(_STORM_RATE_MAX * (seconds + _STORM_SPARE_S)))]
    load = replace(peer.writes([touched([fact]) for fact in facts]), in_order=True)
    stretch = await generator.closed(peer, load, costs, in_flight=in_flight, seconds=seconds, start=0)
    # At least so many were acknowledged, in this order: what a client asks to warm up it does not count.
    for fact in facts[: stretch.answered][-_STORM_ASKED_AFTER:]:
        await ask_after(peer, _viewing(fact, True))
    return stretch


async def ask_after(peer: Peer, question: KnownQuestion, written: bytes | None = None) -> None:
    """Ask what must know the write that was answered with `written`; None: every write there was. Raises WrongAnswer
    where the server does not."""
    load: Load = peer.checks([question], fresh=True)
    request = load.requests[0] if written is None else peer.check_after(question, written)
    answer = await peer.call(load.path, request)
    try:
        load.require(0, answer)
    except WrongAnswer as error:
        raise WrongAnswer(f"right after an acknowledged write, {error}") from error


def _viewing(fact: Relationship, allowed: bool) -> KnownQuestion:
    return known(fact.resource, "view", fact.subject, allowed)
