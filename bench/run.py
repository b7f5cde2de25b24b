"""One run, from an empty directory to all figures: fill a store, ask in process, write, serve it, ask over gRPC.

Law: all figures of a run are of one world, one machine and one few minutes, so they may be divided by one another;
figures of different runs may not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from pathlib import Path

from bench.figures import BARE_LMDB, ECHO, GRPC, IN_PROCESS, Figure, Slice
from bench.in_process import (
    bare_commit_slice,
    check_many_slice,
    check_slice,
    require_written,
    timed_slice,
    viewing,
    write_slice,
    written,
)
from bench.lists import first_pages, list_load, pages, wholes
from bench.over_grpc import Client, Load, check_load, check_many_load, write_load
from bench.processes import Processors, Running, echo_server, remit_server
from bench.worlds import BULK, World
from remit.engine.clock import SystemClock
from remit.engine.facade import Engine
from remit.model import Operation, Relationship, Update
from remit.store.lmdb.lmdb_store import LmdbStore

IN_FLIGHT = (1, 32)
WRITES = "durable writes"
SLICES = 3  # of each measurement; the figure is their median
ROWS_A_WRITE = 1_000  # while filling the store
_SENT_WRITES = 20_000  # facts made ready for one measurement of writes over gRPC, more than it can send


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is measured, each for so many seconds. `only` are parts of the names wanted; none means all."""

    seconds: float
    only: tuple[str, ...] = ()

    def wants(self, where: str, name: str) -> bool:
        whole = f"{where} {name}".lower()
        return not self.only or any(part.lower() in whole for part in self.only)


@dataclass(frozen=True, slots=True)
class Servers:
    """Server processes, until they listened, and their resident memory then: on the store, and on nothing."""

    start_s: float
    empty_start_s: float
    resident_bytes: int | None
    empty_resident_bytes: int | None


@dataclass(slots=True)
class Measured:
    """What a run came to: how the store was filled and started again, and the figures."""

    relationships: int
    fill_s: float
    disk_bytes: int
    load_s: float = 0.0  # an engine on the filled store
    servers: Servers | None = None
    figures: list[Figure] = field(default_factory=list)


def run(
    world: World, options: RunOptions, directory: Path, processors: Processors, progress: Callable[[str], None]
) -> Measured:
    """`progress` is told what is being done. Raises WrongAnswer."""
    data = directory / "data"
    numbers = count()  # of the facts written by measurements, each only once
    progress(f"filling the store with {world.sizes.relationships:,} relationships")
    measured = _filled(world, data)
    progress("loading it again")
    begun = time.perf_counter()
    with engine_on(data) as engine:
        measured.load_s = time.perf_counter() - begun
        measured.figures += _questions_in_process(world, options, engine, progress)
        measured.figures += _writes_in_process(options, engine, numbers, directory / "bare", progress)
    loads = _loads(world, options)
    writes = options.wants(GRPC, WRITES)
    if loads or writes:
        progress("starting the servers")
        with remit_server(None, processors.server) as empty:
            empty_bytes = empty.resident_bytes()
        with remit_server(data, processors.server) as remit, echo_server(processors.server) as echo:
            measured.servers = Servers(remit.started_s, empty.started_s, remit.resident_bytes(), empty_bytes)
            measured.figures += asyncio.run(_over_grpc(loads, writes, numbers, options, remit, echo, progress))
    return measured


# --- the store --------------------------------------------------------------------------------------------------


@contextmanager
def engine_on(data: Path) -> Iterator[Engine]:
    clock = SystemClock()
    store = LmdbStore(data, clock_us=clock.now_us)
    try:
        yield Engine(store, clock)
    finally:
        store.close()


def _filled(world: World, data: Path) -> Measured:
    with engine_on(data) as engine:
        engine.schemas.write("", world.schema)
        begun = time.perf_counter()
        for rows in in_requests(world.relationships(), ROWS_A_WRITE):
            engine.relationships.write("", [Update(Operation.TOUCH, row) for row in rows])
        fill_s = time.perf_counter() - begun
    disk_bytes = sum(file.stat().st_blocks * 512 for file in data.iterdir())
    return Measured(world.sizes.relationships, fill_s, disk_bytes)


def in_requests(relationships: Iterable[Relationship], rows: int) -> Iterator[list[Relationship]]:
    """So many rows at a time, the last time fewer."""
    left = iter(relationships)
    while request := list(islice(left, rows)):
        yield request


# --- in process -------------------------------------------------------------------------------------------------


def _questions_in_process(
    world: World, options: RunOptions, engine: Engine, progress: Callable[[str], None]
) -> Iterator[Figure]:
    for name, questions in world.workloads().items():
        if options.wants(IN_PROCESS, name):
            progress(f"{IN_PROCESS}: {name}")
            slices = _sliced(options, partial(check_slice, engine, questions))
            yield Figure.of(name, IN_PROCESS, slices)
    for name, bulks in world.bulks().items():
        if options.wants(IN_PROCESS, name):
            progress(f"{IN_PROCESS}: {name}")
            slices = _sliced(options, partial(check_many_slice, engine, bulks))
            yield Figure.of(name, IN_PROCESS, slices, unit="items", per_operation=BULK)
    for name, lists in world.lists().items():
        if options.wants(IN_PROCESS, name):
            progress(f"{IN_PROCESS}: {name}")
            slices = _sliced(options, partial(timed_slice, pages(engine, lists)))
            yield Figure.of(name, IN_PROCESS, slices, unit="pages")
    for name, lists in world.first_pages().items():
        if options.wants(IN_PROCESS, name):
            progress(f"{IN_PROCESS}: {name}")
            slices = _sliced(options, partial(timed_slice, first_pages(engine, lists)))
            yield Figure.of(name, IN_PROCESS, slices, unit="pages")
    for name, lists in world.whole_lists().items():
        if options.wants(IN_PROCESS, name):
            progress(f"{IN_PROCESS}: {name}")
            slices = _sliced(options, partial(timed_slice, wholes(engine, lists)))
            yield Figure.of(name, IN_PROCESS, slices, unit="lists")


def _sliced(options: RunOptions, measure: Callable[[float, int], Slice]) -> list[Slice]:
    """A short stretch to warm up, then the slices, each going on with the questions where the last one stopped."""
    start = len(measure(options.seconds / 10, 0).taken_ns)
    slices: list[Slice] = []
    for _ in range(SLICES):
        slices.append(measure(options.seconds / SLICES, start))
        start += len(slices[-1].taken_ns)
    return slices


def _writes_in_process(
    options: RunOptions, engine: Engine, numbers: count[int], bare: Path, progress: Callable[[str], None]
) -> Iterator[Figure]:
    if not options.wants(IN_PROCESS, WRITES):
        return
    progress(f"{BARE_LMDB}: commits")
    slices = [bare_commit_slice(bare, options.seconds / SLICES) for _ in range(SLICES)]
    yield Figure.of(WRITES, BARE_LMDB, slices, unit="commits")
    for in_flight in IN_FLIGHT:
        progress(f"{IN_PROCESS}: {WRITES}, {in_flight} in flight")
        slices = []
        for _ in range(SLICES):
            part, acknowledged = write_slice(engine, options.seconds / SLICES, in_flight, numbers)
            require_written(engine, acknowledged)
            slices.append(part)
        yield Figure.of(WRITES, IN_PROCESS, slices, unit="writes", in_flight=in_flight)


# --- over gRPC --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asking:
    """A load over gRPC, and how its answers are counted."""

    name: str
    load: Load
    unit: str = "checks"
    per_operation: int = 1


def _loads(world: World, options: RunOptions) -> list[_Asking]:
    served = world.served()
    checks = [_Asking(name, check_load(questions)) for name, questions in world.workloads().items()]
    bulks = [_Asking(name, check_many_load(bulk), "items", BULK) for name, bulk in world.bulks().items()]
    lists = [_Asking(name, list_load(known), "pages") for name, known in world.first_pages().items()]
    return [each for each in (*checks, *bulks, *lists) if each.name in served and options.wants(GRPC, each.name)]


async def _over_grpc(
    loads: list[_Asking],
    writes: bool,
    numbers: count[int],
    options: RunOptions,
    remit: Running,
    echo: Running,
    progress: Callable[[str], None],
) -> list[Figure]:
    figures: list[Figure] = []
    client = Client(remit, echo)
    try:
        for in_flight in IN_FLIGHT:
            for asking in loads:
                progress(f"{GRPC}: {asking.name}, {in_flight} in flight")
                more, _ = await _compared(client, asking, in_flight, options)
                figures += more
        for in_flight in IN_FLIGHT if writes else ():
            progress(f"{GRPC}: {WRITES}, {in_flight} in flight")
            facts = [written(number) for number in islice(numbers, _SENT_WRITES)]
            more, answered = await _compared(client, _Asking(WRITES, write_load(facts), "writes"), in_flight, options)
            figures += more
            await client.require_seen([viewing(facts[number]) for number in sorted(set(answered))])
    finally:
        await client.close()
    return figures


async def _compared(
    client: Client, asking: _Asking, in_flight: int, options: RunOptions
) -> tuple[list[Figure], list[int]]:
    """The figure of Remit and, beside it, of the echo; and which requests were answered."""
    ours, theirs, answered = await client.compare(
        asking.load, in_flight=in_flight, seconds=options.seconds, slices=SLICES
    )
    unit, items = asking.unit, asking.per_operation
    figures = [
        Figure.of(asking.name, GRPC, ours, unit=unit, in_flight=in_flight, per_operation=items),
        Figure.of(asking.name, ECHO, theirs, unit=unit, in_flight=in_flight, per_operation=items),
    ]
    return figures, answered
