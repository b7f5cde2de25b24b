"""`python -m bench.profiles`: what agents cost whose tools are said in profiles, by how many profiles and consents.

In the core alone, with nothing remembered of one question for the next: the steps of a check, which are the same on
every machine, and its processor time. Then what a conversation (a run below a run, with a profile of six tools) takes
in memory: as a graph counts it, and as the process of an engine with a disk grows.
Law: every answer is compared with the one that the world knows; nothing is measured of a wrong one."""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.in_process import wrong
from bench.known_question import KnownQuestion
from bench.lists import KnownList
from bench.machine import load_average, machine, short_name
from bench.processes import own_bytes
from bench.profile_world import BUSY, TOOLS_OF_A_PROFILE, ProfileWorld, Sizes, conversation
from bench.run import engine_on, in_requests
from remit.eval import native
from remit.eval.budget import STEPS_MAX
from remit.eval.lookups import Place
from remit.graph.native import NativeGraph, available
from remit.interrupt import never_interrupted
from remit.language import compile_schema
from remit.model import Operation, ResourceLookup, Update

COUNTS = (10, 1_000, 10_000)
RUNS = 20_000  # that nobody asks about, below the person who gives the consents
ROUNDS = 5  # of each workload; the quickest counts
ROWS_A_WRITE = 1_000
WANTED_BYTES = 4_096  # a conversation


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--conversations", type=int, default=100_000, help="written to see what one takes in memory")
    conversations: int = options.parse_args().conversations
    if not available():
        raise SystemExit("the native core is not built: it is what this measures")
    print(f"{short_name(machine())}, load {load_average()}")
    facts, counted, grown = _conversation_bytes(conversations)  # first: what is let go is taken again, and hides growth
    print(f"{'steps (µs) of one, by profiles and consents':44}" + "".join(f"{count:>18,}" for count in COUNTS))
    columns = [_measured(ProfileWorld(Sizes(count, count, RUNS))) for count in COUNTS]
    for name in columns[0]:
        cells = (f"{steps:.0f} ({cpu_us:.1f})" for steps, cpu_us in (column[name] for column in columns))
        print(f"{name:44}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    print(
        f"\na conversation: {facts} facts with a profile of {TOOLS_OF_A_PROFILE} tools, {WANTED_BYTES:,} bytes at most;"
    )
    print(f"of {conversations:,}, each took {counted:,.0f} bytes of the graph, and the process grew by {grown:,.0f}")
    print(f"load afterwards {load_average()}")


# --- what a question costs --------------------------------------------------------------------------------------


def _measured(world: ProfileWorld) -> dict[str, tuple[float, float]]:
    """By workload: steps and microseconds of a question."""
    graph = NativeGraph(world.relationships())
    native.install(graph, compile_schema(world.schema).schema)
    native.set_cache(0)
    checks = {name: _cost(_checking(graph, asked), len(asked)) for name, asked in world.workloads().items()}
    lists = {name: _cost(_listing(graph, asked), len(asked)) for name, asked in world.lists().items()}
    return checks | lists


def _cost(ask: Callable[[], Iterator[int]], asked: int) -> tuple[float, float]:
    times_ns: list[int] = []
    steps = 0
    for _ in range(ROUNDS):
        began_ns = time.thread_time_ns()
        steps = sum(ask())
        times_ns.append(time.thread_time_ns() - began_ns)
    return steps / asked, min(times_ns) / 1_000 / asked


def _checking(graph: NativeGraph, asked: Sequence[KnownQuestion]) -> Callable[[], Iterator[int]]:
    def ask() -> Iterator[int]:
        for each in asked:
            question = each.question
            found = native.check(graph, question.resource, question.permission, question.subject, now_us=0)
            assert found is not None, f"`{question}` is left to Python"
            if found.verdict is not each.expected:
                raise wrong(each, found.verdict)
            yield found.steps

    return ask


def _listing(graph: NativeGraph, asked: Sequence[KnownList]) -> Callable[[], Iterator[int]]:
    place = Place("", 1_000, STEPS_MAX, never_interrupted)

    def ask() -> Iterator[int]:
        for lookup, ids in asked:
            assert isinstance(lookup, ResourceLookup)
            found = native.look_up(graph, lookup, place, now_us=0)
            assert found is not None and tuple(id for id, _ in found.decided.entries) == ids, (
                f"`{lookup}` finds another"
            )
            yield found.decided.steps

    return ask


# --- what a conversation takes in memory ------------------------------------------------------------------------


def _conversation_bytes(conversations: int) -> tuple[int, float, float]:
    """How many facts one has, and bytes of each: as a graph of its own counts them, and as this process grows while an
    engine takes them in."""
    world = ProfileWorld(Sizes(10, 10, 0))
    facts = [conversation(number, BUSY) for number in range(conversations)]
    with tempfile.TemporaryDirectory(prefix="remit-profiles-") as folder, engine_on(Path(folder, "data")) as engine:
        engine.schemas.write("", world.schema)
        for rows in in_requests(world.relationships(), ROWS_A_WRITE):
            engine.relationships.write("", [Update(Operation.TOUCH, row) for row in rows])
        gc.collect()
        begun = own_bytes(os.getpid())
        for rows in in_requests((fact for each in facts for fact in each), ROWS_A_WRITE):
            engine.relationships.write("", [Update(Operation.TOUCH, row) for row in rows])
        gc.collect()
        ended = own_bytes(os.getpid())
    grown = float("nan") if begun is None or ended is None else (ended - begun) / conversations
    before = NativeGraph(world.relationships()).bytes()
    more = NativeGraph([*world.relationships(), *(fact for each in facts for fact in each)])
    counted = (more.bytes() - before) / conversations
    return len(facts[0]), counted, grown


if __name__ == "__main__":
    main()
