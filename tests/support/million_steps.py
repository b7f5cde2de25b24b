"""A step of `test_a_million`, in a process of its own, so that a restart is one and memory is that step's alone.

`python million_steps.py import|restart DIR RELATIONSHIPS SEED` prints what it took as one JSON object."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.worlds import Sizes, World
from remit.engine.clock import SystemClock
from remit.engine.facade import Engine
from remit.model import Operation, Update
from remit.store.lmdb.lmdb_store import LmdbStore

ROWS_A_REQUEST = 1_000
IN_FLIGHT = 32  # so that a commit carries several requests, and syncs the pages they share once
CHECKS = 2_000
PROGRESS_EVERY = 100_000


def import_world(data: Path, world: World) -> dict[str, float]:
    """Every relationship through the engine, some requests in flight, all durable at the end; close included."""
    rows = list(world.relationships())  # made before the clock starts
    clock = SystemClock()
    stopwatch = Stopwatch()
    engine = Engine(LmdbStore(data, clock_us=clock.now_us), clock)
    engine.schemas.write("", world.schema)

    def write(start: int) -> None:
        engine.relationships.write("", [Update(Operation.TOUCH, row) for row in rows[start : start + ROWS_A_REQUEST]])

    done = 0
    with ThreadPoolExecutor(IN_FLIGHT) as writers:
        for _ in writers.map(write, range(0, len(rows), ROWS_A_REQUEST)):
            done = min(done + ROWS_A_REQUEST, len(rows))
            if done % PROGRESS_EVERY == 0:
                say(f"  {done:>9,} of {len(rows):,} imported, {done / stopwatch.elapsed_s():,.0f} rows/s")
        delayed_s = stopwatch.delayed_s()  # while the threads are still there to be asked
    engine.close()
    return stopwatch.read("import", delayed_s) | {"import_rss_mib": _rss_mib()}


def restart(data: Path, world: World) -> dict[str, float]:
    """Open and load, then the same number of questions whatever the size, each answer compared."""
    before_mib = _rss_mib()  # the world's own people and documents are in it
    questions = world.drive.questions(CHECKS, str(world.seed)) + world.chains.questions(CHECKS // 10, str(world.seed))
    clock = SystemClock()
    stopwatch = Stopwatch()
    engine = Engine(LmdbStore(data, clock_us=clock.now_us), clock)
    took = stopwatch.read("load", stopwatch.delayed_s())
    loaded = engine.stores.sizes()["default"]
    assert loaded == world.sizes.relationships, f"{loaded} of {world.sizes.relationships} relationships are there"
    took["load_rss_mib"] = _rss_mib() - before_mib
    stopwatch = Stopwatch()
    for question, expected in questions:
        verdict = engine.questions.check("", question).verdict
        assert verdict is expected, f"{question} came to {verdict.name}, expected {expected.name}"
    took |= stopwatch.read("check", stopwatch.delayed_s()) | {"checks": len(questions)}
    engine.close()
    return took


class Stopwatch:
    """What a step takes: by the clock on the wall, by the processor, and how long it was kept from the processor."""

    def __init__(self) -> None:
        self._begun, self._cpu, self._delayed_s = time.perf_counter(), time.process_time(), _run_delay_s()

    def elapsed_s(self) -> float:
        return time.perf_counter() - self._begun

    def delayed_s(self) -> float:
        return _run_delay_s() - self._delayed_s

    def read(self, step: str, delayed_s: float) -> dict[str, float]:
        cpu_s = time.process_time() - self._cpu
        return {f"{step}_s": self.elapsed_s(), f"{step}_cpu_s": cpu_s, f"{step}_delayed_s": delayed_s}


def _run_delay_s() -> float:
    """How long this process's threads have stood ready while others had the processors. Linux counts it."""
    tasks = Path("/proc/self/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[1]) for task in tasks) / 1e9


def say(text: str) -> None:
    """Progress goes to standard error: standard output is the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _rss_mib() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("this system does not tell what memory a process uses")


if __name__ == "__main__":
    step, directory, relationships, seed = sys.argv[1:]
    built = World(Sizes(int(relationships)), int(seed))
    took = {"import": import_world, "restart": restart}[step](Path(directory), built)
    sys.stdout.write(json.dumps(took))
