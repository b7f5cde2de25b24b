"""`python -m bench.spawn`: how many runs can be started a second, beside plain writes in the same minute.

An engine on a disk is asked from 32 threads, in slices that take turns: writes of one relationship; runs below a
system, with a profile of six tools; and runs below one of those, four runs deep.
Law: every run that was acknowledged is there, and may use a tool of its profile."""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median

from bench.machine import load_average, machine, short_name
from bench.run import engine_on
from remit.engine.agents.run_requests import SpawnOrder
from remit.engine.facade import Engine
from remit.model import ObjectRef, Operation, Question, SubjectRef, Update, Verdict
from remit.notation import parse_relationship

SCHEMA = 'use import\nimport "remit:agents@1"\n'
SYSTEM = ObjectRef("system", "clock")
TOOLS, DEPTH = 6, 4
WANTED = 0.5  # of plain writes


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=2.0, help="of a slice")
    options.add_argument("--slices", type=int, default=3)
    options.add_argument("--in-flight", type=int, default=32)
    options.add_argument("--directory", help="where the store goes while it is measured")
    chosen = options.parse_args()
    print(f"{short_name(machine())}, load {load_average()}")
    with (
        tempfile.TemporaryDirectory(prefix="remit-spawn-", dir=chosen.directory) as folder,
        engine_on(Path(folder)) as e,
    ):
        e.schemas.write("", SCHEMA)
        _write(e, *_world())
        numbers, deep = count(), _chain(e)
        kinds: dict[str, Callable[[], object]] = {
            "writes": lambda: _write(e, f"user:u{next(numbers)}#contact@user:anne"),
            "runs below a system": lambda: _spawn(e, SYSTEM),
            f"runs {DEPTH} deep": lambda: _spawn(e, deep),
        }
        rates: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(chosen.slices):
            for name, work in kinds.items():
                rates[name].append(_rate(work, chosen.seconds, chosen.in_flight))
        _require_allowed(e)
    plain = median(rates["writes"])
    for name, found in rates.items():
        share = median(found) / plain
        told = "" if name == "writes" else f"{share:>8.2f} of writes, {WANTED} wanted"
        print(f"{name:>22}{median(found):>10,.0f} a second{told}")
    print(f"load afterwards {load_average()}")


def _world() -> Iterator[str]:
    yield "user:anne#registered@directory:people"
    yield "domain:d#estate@estate:e"
    yield "credential:local#registered@directory:keys"
    yield from (
        "system:clock#registered@directory:systems",
        "system:clock#owner@user:anne",
        "system:clock#domain@domain:d",
    )
    yield from ("agent:bot#registered@directory:agents", "agent:bot#owner@user:anne", "agent:bot#domain@domain:d")
    yield from ("agent_version:bot.1#version_of@agent:bot", "agent_version:bot.1#certified@directory:reviews")
    yield from (f"profile:p#holder@{each}" for each in ("system:clock", "agent:bot", "agent_version:bot.1"))
    for each in range(TOOLS):
        tool = f"tool:t{each}"
        yield from (f"{tool}#registered@directory:tools", f"{tool}#domain@domain:d", f"{tool}#descriptor@descriptor:d")
        yield from (f"{tool}#untagged@directory:tools", f"{tool}#may_use@profile:p#holds")
        yield f"{tool}#in_intent@profile:p#declares"


def _chain(engine: Engine) -> ObjectRef:
    """The run below which those that stand deepest are started."""
    at = SYSTEM
    for _ in range(DEPTH - 1):
        at = _spawn(engine, at)
    return at


def _spawn(engine: Engine, delegator: ObjectRef) -> ObjectRef:
    return engine.runs.spawn("", SpawnOrder(delegator, "bot.1", ["p"])).told.run.object


def _write(engine: Engine, *facts: str) -> None:
    engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(each)) for each in facts])


def _rate(work: Callable[[], object], seconds: float, in_flight: int) -> float:
    """How often a second the work is done, by so many threads."""
    done: list[None] = []
    end = time.perf_counter() + seconds

    def repeat() -> None:
        while time.perf_counter() < end:
            work()
            done.append(None)

    threads = [threading.Thread(target=repeat) for _ in range(in_flight)]
    begun = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return len(done) / (time.perf_counter() - begun)


def _require_allowed(engine: Engine) -> None:
    """That the runs of the last page may. Raises SystemExit."""
    for run in engine.lineage.runs("", delegator=SYSTEM).runs:
        question = Question(ObjectRef("tool", "t0"), "use", SubjectRef(*run.object))
        if engine.questions.check("", question).verdict is not Verdict.YES:
            raise SystemExit(f"`{run.object}` was started, and may not use its tool")


if __name__ == "__main__":
    main()
