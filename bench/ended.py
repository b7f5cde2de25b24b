"""`python -m bench.ended`: what runs leave behind that have ended and were swept, in memory and on the disk.

A thousand conversations at a time are begun, terminated, and swept once their end is older than anybody can ask about,
on an engine with a disk and a clock that is told the time. Then the store is opened anew.
Law: a run that was swept is refused ever after, so the last of each round is written again, and must be."""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.machine import load_average, machine, short_name
from bench.processes import own_bytes
from bench.profile_world import BUSY, ProfileWorld, Sizes, conversation
from bench.run import engine_on, in_requests
from remit.engine.clock import ManualClock
from remit.engine.ended import sweep_ended
from remit.engine.facade import Engine
from remit.engine.upkeep import DAY_US
from remit.errors import RemitError
from remit.graph.native import NativeGraph
from remit.model import Operation, Relationship, SubjectRef, Update
from remit.store.lmdb.lmdb_store import LmdbStore

ROWS_A_WRITE = 1_000
RUNS_A_ROUND = 10_000
TERMINATED_BY = SubjectRef("directory", "people")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1_000_000, help="that are begun, ended and swept")
    options.add_argument("--directory", help="where the store goes while it is measured")
    options.add_argument("--opened", type=Path, metavar="DATA", help="say what a process takes that opens this store")
    chosen = options.parse_args()
    if chosen.opened is not None:
        with engine_on(chosen.opened):
            print(own_bytes(os.getpid()))
        return
    print(f"{short_name(machine())}, load {load_average()}")
    with tempfile.TemporaryDirectory(prefix="remit-ended-", dir=chosen.directory) as folder:
        data = Path(folder, "data")
        _live_through(data, chosen.runs)
        print(f"{'a fresh process':>15}{_opened_bytes(data) / 2**20:>10.1f} MiB", flush=True)
    print(f"load afterwards {load_average()}")


def _live_through(data: Path, runs: int) -> None:
    clock = ManualClock(1_800_000_000_000_000)
    store = LmdbStore(data, clock_us=clock.now_us)
    engine = Engine(store, clock)
    world = ProfileWorld(Sizes(10, 10, 0))
    engine.schemas.write("", world.schema)
    _write(engine, list(world.relationships()))
    print(f"{'runs ended':>15}{'memory':>14}{'graph':>14}{'on the disk':>14}{'runs a second':>16}")
    _tell(engine, data, 0, 0.0)
    for number in range(0, runs, RUNS_A_ROUND):
        began_s = time.perf_counter()
        _round(engine, clock, range(number, min(number + RUNS_A_ROUND, runs)))
        _tell(engine, data, min(number + RUNS_A_ROUND, runs), RUNS_A_ROUND / (time.perf_counter() - began_s))
    engine.close()


def _round(engine: Engine, clock: ManualClock, numbers: range) -> None:
    facts = [conversation(number, BUSY) for number in numbers]
    ended = [each[0].resource for each in facts]
    _write(engine, [fact for each in facts for fact in each])
    _write(engine, [Relationship(run, "terminated", TERMINATED_BY) for run in ended])
    clock.advance_us(2 * DAY_US)
    engine.upkeep()
    loaded = engine.loaded.of("")
    for begin in range(0, len(ended), ROWS_A_WRITE):
        runs = ended[begin : begin + ROWS_A_WRITE]
        if sweep_ended(engine.loaded, loaded, runs, "terminated") != [len(facts[0]) + 1] * len(runs):
            raise SystemExit("a run that had ended was not swept whole")
    try:
        _write(engine, facts[-1])
    except RemitError:
        return
    raise SystemExit(f"`{ended[-1]}` was swept, and could be written again")


def _write(engine: Engine, relationships: list[Relationship]) -> None:
    for rows in in_requests(relationships, ROWS_A_WRITE):
        engine.relationships.write("", [Update(Operation.TOUCH, row) for row in rows])


def _tell(engine: Engine, data: Path, runs: int, a_second: float) -> None:
    if runs % (10 * RUNS_A_ROUND) and a_second:
        return
    gc.collect()
    graph = engine.loaded.of("").graph
    assert isinstance(graph, NativeGraph), "the native core is not built: its memory is what this measures"
    disk = sum(file.stat().st_blocks * 512 for file in data.iterdir())
    memory = own_bytes(os.getpid()) or 0
    sizes = "".join(f"{size / 2**20:>10.1f} MiB" for size in (memory, graph.bytes(), disk))
    print(f"{runs:>15,}{sizes}{a_second:>16,.0f}", flush=True)


def _opened_bytes(data: Path) -> int:
    """What a process takes that has just opened the store."""
    asked = subprocess.run(
        [sys.executable, "-m", "bench.ended", "--opened", str(data)], capture_output=True, text=True, check=True
    )
    return int(asked.stdout)


if __name__ == "__main__":
    main()
