"""One run over all servers: load, ask in turns, write, and note what each cannot do.

Servers take turns within every repetition of every workload, so that a noisy neighbour disturbs them alike.
Law: figures of a run are of one world, one client and one hour; a server that fails loses its figure, not the run."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import grpc.aio

from bench.in_process import WrongAnswer
from bench.lists import KnownList
from bench.peers.generator import Generator, Overrun, Stretch, timed
from bench.peers.histogram import Histogram
from bench.peers.listing import listed
from bench.peers.peer import CannotAsk, Occupied, Refused, refusal
from bench.peers.rows import FIXED, IMPORT, Row, row_of
from bench.peers.run import (
    FIRST_OF_LIST,
    MIXED,
    SPAWN,
    SPAWN_ALONG,
    WHOLE_LIST,
    WRITES,
    WRONG,
    Held,
    Measured,
    Memory,
    RunOptions,
)
from bench.peers.storms import SteadyWriter, Written, spawn_storm, write_storm
from bench.peers.world import IN_A_TENTH, PEER_SCHEMA, PeerWorld, Spawned, Workload
from remit.model import Relationship

_WARM_SHARE = 0.25  # of a stretch, before the first
_FIXED_SHARE = 0.5  # of the rate found in the closed loop, where no rate is given
_WRITES_IN_FLIGHT = (1, 32)
_IN_FLIGHT = 64  # beside writes, and where the world is a tenth

Take = Callable[[float], Awaitable[Stretch]]  # one stretch, so many of the run's seconds long


class Run:
    """`progress` is told what is being done."""

    def __init__(
        self,
        world: PeerWorld,
        options: RunOptions,
        held: Sequence[Held],
        generator: Generator,
        progress: Callable[[str], None],
    ) -> None:
        self._world = world
        self._options = options
        self._held = held
        self._generator = generator
        self._progress = progress
        # Facts written by measurements have names of their own in every run, so that a world can be used again.
        self._label = f"w{os.getpid():x}-{int(time.time()):x}"
        self._numbers = count()
        self._world_name = f"remit-bench-{world.sizes.relationships}-{world.seed}"
        self.measured = Measured()

    async def all(self) -> Measured:
        for held in self._held:
            await self._loaded(held)
        asked = [held for held in self._held if not held.lost]
        for workload in self._world.workloads():
            if self._options.wants(workload.name):
                for in_flight in workload.in_flight:
                    await self._closed(workload, in_flight, asked)
                if workload.fixed_rate:
                    await self._fixed(workload, asked)
        for name, known in self._world.lists().items():
            for suffix, first_only in ((FIRST_OF_LIST, True), (WHOLE_LIST, False)):
                if self._options.wants(f"{name}, {suffix}"):
                    await self._listed(f"{name}, {suffix}", known, asked, first_only=first_only)
        if self._options.wants(MIXED):
            await self._mixed(asked)
        await self._storms(asked)
        return self.measured

    # --- loading --------------------------------------------------------------------------------------------------

    async def _loaded(self, held: Held) -> None:
        """The tenth and its questions, then the world; each timed and weighed."""
        if held.shared_with:
            return
        memory = self.measured.memory[held.name] = Memory(empty_bytes=held.costs.resident_bytes())
        try:
            if self._options.loaded:
                await held.peer.take_up(self._world_name)
                return
            self._progress(f"{held.name}: writing the schema")
            await held.peer.prepare(self._world_name, PEER_SCHEMA)
            if self._options.growth:
                self._progress(f"{held.name}: loading a tenth of the world")
                memory.facts += await self._import(held, self._world.tenth_facts(), None)
                if self._options.wants(IN_A_TENTH):
                    await self._closed(self._world.in_a_tenth(), _IN_FLIGHT, [held])
            self._progress(f"{held.name}: loading {self._world.sizes.relationships:,} relationships")
            memory.facts += await self._import(held, self._world.facts(), IMPORT)
            if held.peer.has_along:
                memory.facts += await self._import(held, self._world.chain_facts(), None)
        except (Occupied, CannotAsk) as error:
            held.lost = str(error)
        except grpc.aio.AioRpcError as error:
            held.lost = refusal(error)
        memory.full_bytes = held.costs.resident_bytes()
        for other in self._held:
            if other.shared_with == held.name:
                other.lost = held.lost
        if held.lost:
            self.measured.rows.append(Row(IMPORT, held.name, note=held.lost))

    async def _import(self, held: Held, facts: Iterable[Relationship], row: str | None) -> int:
        counted = _Counted(facts)
        stretch = Stretch()
        with timed(stretch, held.costs):
            how = await held.peer.load(counted)
        if row is not None and self._options.wants(row):
            rate = counted.count / stretch.elapsed_s
            self.measured.rows.append(
                Row(
                    row,
                    held.name,
                    mode=f"{how.verb}, {how.rows_a_request:,} rows a request",
                    in_flight=how.in_flight,
                    unit="rows",
                    rate=rate,
                    rate_low=rate,
                    rate_high=rate,
                    cpu_us=None if stretch.server_cpu_s is None else 1e6 * stretch.server_cpu_s / counted.count,
                    answered=counted.count,
                    generator_busy=stretch.generator_cpu_s / stretch.elapsed_s,
                )
            )
        return counted.count

    # --- asking ---------------------------------------------------------------------------------------------------

    async def _closed(self, workload: Workload, in_flight: int, asked: Sequence[Held]) -> None:
        self._progress(f"{workload.name}, {in_flight} in flight")
        blank = Row(workload.name, "", in_flight=in_flight, unit=workload.unit)

        def take(held: Held) -> Take:
            load = held.peer.load_of(workload)
            ask = partial(self._generator.closed, held.peer, load, held.costs, in_flight=in_flight)
            return _Going(ask, self._options.seconds)

        for name, stretches in (await self._in_turns(asked, take, blank)).items():
            self.measured.rows.append(_row(workload, name, stretches, in_flight=in_flight))

    async def _fixed(self, workload: Workload, asked: Sequence[Held]) -> None:
        """At the rate that was asked for, or half of what each server did in the closed loop just before."""
        self._progress(f"{workload.name}, at a fixed rate")
        rates = {held.name: self._options.rate or self._half_of(workload, held) for held in asked}

        def take(held: Held) -> Take:
            load = held.peer.load_of(workload)
            ask = partial(self._generator.fixed, held.peer, load, held.costs, rate=rates[held.name])
            return _Going(ask, self._options.seconds)

        known = [held for held in asked if rates[held.name]]
        for name, stretches in (
            await self._in_turns(known, take, Row(workload.name, "", FIXED, unit=workload.unit))
        ).items():
            self.measured.rows.append(_row(workload, name, stretches, mode=FIXED))

    def _half_of(self, workload: Workload, held: Held) -> float:
        """0 where the closed loop has no figure."""
        rows = [row for row in self.measured.rows if (row.workload, row.peer) == (workload.name, held.name)]
        found = [row.rate for row in rows if row.rate]
        return _FIXED_SHARE * found[-1] if found else 0.0

    async def _listed(self, name: str, known: KnownList, asked: Sequence[Held], *, first_only: bool) -> None:
        self._progress(name)

        def take(held: Held) -> Take:
            ask = partial(listed, held.peer, known, held.costs, first_only=first_only)
            return lambda share: ask(seconds=self._options.seconds * share)

        blank = Row(name, "", in_flight=1, unit="lists")
        for peer, stretches in (await self._in_turns(asked, take, blank)).items():
            self.measured.rows.append(row_of(name, peer, stretches, in_flight=1, unit="lists"))

    async def _mixed(self, asked: Sequence[Held]) -> None:
        """Random documents while facts are written, every answer fresh; and how the writes fared."""
        self._progress(MIXED)
        workload = self._world.random_documents()
        writers: dict[str, list[SteadyWriter]] = {}

        def take(held: Held) -> Take:
            load = held.peer.load_of(workload, fresh=True)
            ask = _Going(
                partial(self._generator.closed, held.peer, load, held.costs, in_flight=_IN_FLIGHT),
                self._options.seconds,
            )

            async def beside_writes(share: float) -> Stretch:
                label = f"{self._label}-{next(self._numbers)}"
                writer = SteadyWriter(held.peer, self._options.tuples_a_second, label)
                writing = asyncio.create_task(writer.run())
                try:
                    stretch = await ask(share)
                finally:
                    writer.stop()
                    await asyncio.wait((writing,))
                writing.result()
                writers.setdefault(held.name, []).append(writer)
                return stretch

            return beside_writes

        blank = Row(MIXED, "", in_flight=_IN_FLIGHT)
        for name, stretches in (await self._in_turns(asked, take, blank)).items():
            row = _row(workload, name, stretches, in_flight=_IN_FLIGHT)
            told = told_of([each.written for each in writers[name][-len(stretches) :]])
            self.measured.rows.append(replace(row, workload=MIXED, extra=told))

    async def _storms(self, asked: Sequence[Held]) -> None:
        """Spawned runs, and writes of one fact each."""
        for in_flight in _WRITES_IN_FLIGHT:
            if self._options.wants(SPAWN):
                await self._spawns(SPAWN, self._world.spawned_mandate, in_flight, asked)
            if self._options.wants(SPAWN_ALONG):
                await self._spawns(SPAWN_ALONG, self._world.spawned_along, in_flight, asked)
            if self._options.wants(WRITES):
                await self._writes(in_flight, asked)

    async def _spawns(
        self, name: str, spawned: Callable[[str, int], Spawned], in_flight: int, asked: Sequence[Held]
    ) -> None:
        self._progress(f"{name}, {in_flight} in flight")

        def take(held: Held) -> Take:
            if name == SPAWN_ALONG and not held.peer.has_along:
                raise CannotAsk("has no `along`; see the storm of mandates")
            spawn = partial(spawned, self._label)
            storm = partial(spawn_storm, held.peer, spawn, held.costs, in_flight=in_flight, numbers=self._numbers)
            return lambda share: storm(seconds=self._options.seconds * share)

        blank = Row(name, "", in_flight=in_flight, unit="spawns")
        for peer, stretches in (await self._in_turns(asked, take, blank)).items():
            self.measured.rows.append(row_of(name, peer, stretches, in_flight=in_flight, unit="spawns"))

    async def _writes(self, in_flight: int, asked: Sequence[Held]) -> None:
        self._progress(f"{WRITES}, {in_flight} in flight")

        def take(held: Held) -> Take:
            where = (held.peer, self._generator, held.costs)
            storm = partial(write_storm, *where, in_flight=in_flight, label=self._label, numbers=self._numbers)
            return lambda share: storm(seconds=self._options.seconds * share)

        blank = Row(WRITES, "", in_flight=in_flight, unit="writes")
        for peer, stretches in (await self._in_turns(asked, take, blank)).items():
            self.measured.rows.append(row_of(WRITES, peer, stretches, in_flight=in_flight, unit="writes"))

    async def _in_turns(
        self, asked: Sequence[Held], take: Callable[[Held], Take], blank: Row
    ) -> dict[str, list[Stretch]]:
        """Stretches of those that came through all repetitions; the others have a row like `blank`, with why."""
        takes: dict[str, Take] = {}
        found: dict[str, list[Stretch]] = {}
        for held in asked:
            try:
                takes[held.name] = take(held)
                found[held.name] = []
            except CannotAsk as error:
                self._note(blank, held.name, f"cannot be asked: {error}")
        for repetition in range(-1, self._options.repetitions):  # the one before the first warms up
            for name in list(takes):
                try:
                    stretch = await takes[name](_WARM_SHARE if repetition < 0 else 1.0)
                    if repetition >= 0:
                        found[name].append(stretch)
                    continue
                except WrongAnswer as error:
                    self._note(blank, name, f"{WRONG}: {error}")
                except (Refused, Overrun) as error:
                    self._note(blank, name, f"refused: {error}")
                except grpc.aio.AioRpcError as error:
                    self._note(blank, name, f"refused: {refusal(error)}")
                del takes[name], found[name]
        return found

    def _note(self, blank: Row, name: str, why: str) -> None:
        self.measured.rows.append(replace(blank, peer=name, note=why))


class _Going:
    """Asks on where the last stretch stopped, so that what is cold stays so."""

    def __init__(self, ask: Callable[..., Awaitable[Stretch]], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._start = 0

    async def __call__(self, share: float) -> Stretch:
        stretch = await self._ask(seconds=self._seconds * share, start=self._start)
        self._start += stretch.answered
        return stretch


class _Counted:
    """Facts as they go by; `count` of them so far."""

    def __init__(self, facts: Iterable[Relationship]) -> None:
        self._facts = facts
        self.count = 0

    def __iter__(self) -> Iterator[Relationship]:
        for fact in self._facts:
            self.count += 1
            yield fact


def _row(workload: Workload, peer: str, stretches: Sequence[Stretch], **where: Any) -> Row:
    return row_of(
        workload.name,
        peer,
        stretches,
        unit=workload.unit,
        items=workload.items,
        distinct=workload.distinct,
        **where,
    )


def told_of(writers: Sequence[Written]) -> dict[str, float]:
    """What the steady writers of a figure did: taken tuples a second, how long a write took, how often it was asked
    after."""
    latencies = Histogram()
    for each in writers:
        latencies.add(each.latencies)
    told = {
        "tuples_a_second": sum(each.tuples for each in writers) / sum(each.elapsed_s for each in writers),
        "asked_after": float(sum(each.asked_after for each in writers)),
    }
    return told | {f"write_{name}": value for name, value in latencies.percentiles().items() if latencies.count}
