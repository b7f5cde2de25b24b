"""`python -m bench.writes`: what the write path makes of the disk, as a share of what bare LMDB would.

An engine on a disk is asked for writes of one relationship, one at a time and 32 in flight; beside it, in slices that
take turns with these, LMDB alone commits as many rows: one request's at a time, and for the 32 as many requests' as the
engine's own commits carried. What is missing to 1 is what judging, encoding and Python's threads cost. Then servers on
that disk are asked for the same over gRPC, in turn with a bare echo and with LMDB alone: what the echo costs is the
wire's and the client's, and no writer could give it back.
Law: every write was acknowledged, and is seen; all sides of a row wait for the same disk."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from statistics import median

from bench.figures import Slice
from bench.in_process import bare_commit_slice, require_written, viewing, write_slice, written
from bench.machine import load_average, machine, short_name
from bench.over_grpc import Client, write_load
from bench.processes import Processors, Running, echo_server, remit_server
from bench.run import engine_on
from remit.engine.facade import Engine
from remit.graph.native import available
from remit.store.port import Commit

SCHEMA = "definition user {}\ndefinition document {\n relation viewer: user\n permission view = viewer\n}"
SLICES = 6
WANTED = {1: 0.9, 32: 0.85}  # in flight: the share that issue and docs promise
_SENT_MAX = 20_000  # facts made ready for a row over gRPC, more than it can send


@dataclass(slots=True)
class _Commits:
    """What the engine's commits carried."""

    count: int = 0
    requests: int = 0

    def add(self, commit: Commit) -> None:
        self.count += 1
        self.requests += commit.requests


@dataclass(slots=True)
class _Row:
    """Slices of one row: of the writes, and in turn with them of LMDB alone, by how many requests a commit carried
    there; over gRPC, of the echo too."""

    where: str
    in_flight: int
    ours: list[Slice] = field(default_factory=list)
    bare: list[Slice] = field(default_factory=list)
    carried: list[int] = field(default_factory=list)
    echo: list[Slice] = field(default_factory=list)

    def __str__(self) -> str:
        bare = [carried * each.rate for carried, each in zip(self.carried, self.bare, strict=True)]
        shares = sorted(mine.rate / theirs for mine, theirs in zip(self.ours, bare, strict=True))
        of_echo = ""
        if self.echo:
            times = median(mine.rate / theirs.rate for mine, theirs in zip(self.ours, self.echo, strict=True))
            of_echo = f"{times:>8.2f}{_cpu_us(self.echo):>10,.0f}"
        return (
            f"{self.where:<12}{self.in_flight:>9}{median(each.rate for each in self.ours):>10,.0f}{median(bare):>9,.0f}"
            f"{median(self.carried):>10.0f}{median(shares):>8.2f}{f'{shares[0]:.2f}-{shares[-1]:.2f}':>13}"
            f"{WANTED[self.in_flight]:>8}{_cpu_us(self.ours):>8,.0f}{of_echo}"
        )


HEAD = (
    f"{'where':<12}{'in flight':>9}{'writes/s':>10}{'bare/s':>9}{'a commit':>10}{'share':>8}{'range':>13}{'wanted':>8}"
    f"{'CPU µs':>8}{': echo':>8}{'CPU µs':>10}"
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=4.0, help="how long each row is measured, all sides together")
    row_s: float = options.parse_args().seconds
    print(f"{short_name(machine())}, load {load_average()}")
    print(HEAD)
    numbers = count()
    processors = Processors.chosen(pin=True)
    with tempfile.TemporaryDirectory(prefix="remit-writes-") as name:
        folder = Path(name)
        carried: dict[int, int] = {}
        with engine_on(folder / "data") as engine:
            engine.schemas.write("", SCHEMA)
            for in_flight in WANTED:
                row = _in_process(engine, row_s / SLICES / 2, in_flight, numbers, folder)
                carried[in_flight] = round(median(row.carried))
                print(row, flush=True)
        with echo_server(processors.server) as echo:
            for where, front_door in _wires():
                with remit_server(folder / "data", processors.server, "--front-door", front_door) as server:
                    for in_flight in WANTED:
                        row = _Row(where, in_flight, carried=[carried[in_flight]] * SLICES)
                        asyncio.run(_over_grpc(row, server, echo, row_s / SLICES / 3, numbers, folder))
                        print(row, flush=True)
    print(f"load afterwards {load_average()}")


def _wires() -> Iterator[tuple[str, str]]:
    if available():
        yield "frontend", "on"
    yield "grpcio", "off"


def _in_process(engine: Engine, seconds: float, in_flight: int, numbers: count[int], folder: Path) -> _Row:
    row = _Row("in process", in_flight)
    write_slice(engine, seconds / 4, in_flight, numbers)  # to warm up
    for _ in range(SLICES):
        commits = _Commits()
        end = engine.on_commit(commits.add)
        part, acknowledged = write_slice(engine, seconds, in_flight, numbers)
        end()
        require_written(engine, acknowledged)
        row.ours.append(part)
        row.carried.append(round(commits.requests / commits.count))
        row.bare.append(_bare(row, folder, seconds))
    return row


async def _over_grpc(
    row: _Row, server: Running, echo: Running, seconds: float, numbers: count[int], folder: Path
) -> None:
    """What a commit carries in the server is not seen from here: taken is what it carried in process."""
    facts = [written(number) for number in islice(numbers, _SENT_MAX)]
    each_slice = len(facts) // SLICES
    client = Client(server, echo)
    try:
        for number in range(SLICES):
            sent = facts[number * each_slice : (number + 1) * each_slice]
            (ours,), (theirs,), answered = await client.compare(
                write_load(sent), in_flight=row.in_flight, seconds=2 * seconds, slices=1
            )
            await client.require_seen([viewing(sent[each]) for each in sorted(set(answered))])
            row.ours.append(ours)
            row.echo.append(theirs)
            row.bare.append(_bare(row, folder, seconds))
    finally:
        await client.close()


def _bare(row: _Row, folder: Path, seconds: float) -> Slice:
    """The slice of LMDB alone that stands beside the last one of ours."""
    number = len(row.bare)
    directory = folder / f"bare-{row.where.replace(' ', '-')}-{row.in_flight}-{number}"
    return bare_commit_slice(directory, seconds, requests=row.carried[number])


def _cpu_us(slices: list[Slice]) -> float:
    """Of a processor, for one operation: that of the process that answers."""
    return 1e6 * sum(each.cpu_s for each in slices) / sum(len(each.taken_ns) for each in slices)


if __name__ == "__main__":
    main()
