"""A step of `test_a_million`, in a process of its own, so that a restart is one and memory is that step's alone.

`python million_steps.py import|restart DIR RELATIONSHIPS SEED` prints what it took as one JSON object."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.worlds import Sizes, World
from remit.clock import SystemClock
from remit.engine import Engine
from remit.model import Operation, Update
from remit.store.lmdb_store import LmdbStore

ROWS_A_REQUEST = 1_000
IN_FLIGHT = 8  # so that a commit carries several requests, and syncs the pages they share once
CHECKS = 2_000
PROGRESS_EVERY = 100_000


def import_world(data: Path, world: World) -> dict[str, float]:
    """Every relationship through `Engine.write`, a few requests in flight, all durable at the end; close included."""
    rows = list(world.relationships())  # made before the clock starts
    clock = SystemClock()
    begun, cpu = time.perf_counter(), time.process_time()
    engine = Engine(LmdbStore(data, clock_us=clock.now_us), clock)
    engine.write_schema("", world.schema)

    def write(start: int) -> None:
        engine.write("", [Update(Operation.TOUCH, row) for row in rows[start : start + ROWS_A_REQUEST]])

    done = 0
    with ThreadPoolExecutor(IN_FLIGHT) as writers:
        for _ in writers.map(write, range(0, len(rows), ROWS_A_REQUEST)):
            done = min(done + ROWS_A_REQUEST, len(rows))
            if done % PROGRESS_EVERY == 0:
                say(f"  {done:>9,} of {len(rows):,} imported, {done / (time.perf_counter() - begun):,.0f} rows/s")
    engine.close()
    elapsed_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    return {"import_s": elapsed_s, "import_cpu_s": cpu_s, "import_rss_mib": _rss_mib()}


def restart(data: Path, world: World) -> dict[str, float]:
    """Open and load, then the same number of questions whatever the size, each answer compared."""
    before_mib = _rss_mib()  # the world's own questions and people are in it
    questions = world.drive.questions(CHECKS, str(world.seed)) + world.chains.questions(CHECKS // 10, str(world.seed))
    clock = SystemClock()
    begun, cpu = time.perf_counter(), time.process_time()
    engine = Engine(LmdbStore(data, clock_us=clock.now_us), clock)
    loaded_s, loaded_cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    loaded = engine.sizes()["default"]
    assert loaded == world.sizes.relationships, f"{loaded} of {world.sizes.relationships} relationships are there"
    loaded_mib = _rss_mib()
    begun, cpu = time.perf_counter(), time.process_time()
    for question, expected in questions:
        verdict = engine.check("", question).verdict
        assert verdict is expected, f"{question} came to {verdict.name}, expected {expected.name}"
    checked_s, checked_cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    engine.close()
    return {
        "load_s": loaded_s,
        "load_cpu_s": loaded_cpu_s,
        "load_rss_mib": loaded_mib - before_mib,
        "check_s": checked_s,
        "check_cpu_s": checked_cpu_s,
        "checks": len(questions),
    }


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
