"""`python -m bench.holds`: what a hold costs that silences ten runs, a thousand, a hundred thousand.

One store on a disk has a subtree of runs for each, ten below each run. Their roots are held and released in turn, so
that all sizes meet the same minute and the same store: how long each took until it was durable, how many rows it wrote,
and how many bytes the process handed to the disk for it. It should be the same in every row, for a hold is one write,
whatever is below.
Law: after every hold the last run of the subtree is refused by the next check, and after every release it is let
through."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns

from bench.figures import Latencies
from bench.machine import commit, filesystem, load_average, machine, short_name
from bench.run import engine_on, in_requests
from remit.engine.facade import Engine
from remit.model import ObjectRef, Operation, Question, Relationship, SubjectRef, Update, Verdict
from remit.store.port import Commit

SIZES = (10, 1_000, 100_000)
ROUNDS = 200
BELOW_EACH = 10
RESULTS = Path(__file__).parent / "results"
ROWS_A_WRITE = 1_000

SCHEMA = """
use delegation
use import

import "remit:agents@1"

definition desk {
    relation viewer: user | run
    permission granted = viewer - subject->stopped
    // These runs have neither versions nor agents.
    // remit-ignore-warning: along-leaves-links-out
    permission open = granted.along(delegated_by)
}
"""
_PERSON = SubjectRef("user", "anne")


@dataclass(slots=True)
class Taken:
    """Of the holds of one subtree, or of its releases: nanoseconds, rows and bytes of each."""

    ns: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, float]:
        figure = Latencies.of(self.ns)
        return {
            "count": figure.count,
            "p50_us": round(figure.p50_us, 1),
            "p99_us": round(figure.p99_us, 1),
            "rows": max(self.rows),
            "bytes": round(sum(self.bytes) / len(self.bytes), 1),
        }


@dataclass(frozen=True, slots=True)
class Subtree:
    """So many runs, each but the first below another. Their ids are numbers, behind the size."""

    size: int

    def run(self, number: int) -> ObjectRef:
        return ObjectRef("run", f"{self.size}-{number}")

    @property
    def last(self) -> ObjectRef:
        return self.run(self.size - 1)

    def relationships(self) -> Iterator[Relationship]:
        for number in range(self.size):
            above = SubjectRef(*self.run((number - 1) // BELOW_EACH)) if number else _PERSON
            yield Relationship(self.run(number), "delegated_by", above)
        number = self.size - 1
        desk = ObjectRef("desk", str(self.size))
        yield Relationship(desk, "viewer", _PERSON)
        while number >= 0:
            yield Relationship(desk, "viewer", SubjectRef(*self.run(number)))
            number = (number - 1) // BELOW_EACH if number else -1

    def is_open(self, engine: Engine) -> bool:
        """For the last run, by all above it."""
        question = Question(ObjectRef("desk", str(self.size)), "open", SubjectRef(*self.last))
        return engine.questions.check("", question).verdict is Verdict.YES


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=ROUNDS, help="how often each subtree is held and released")
    options.add_argument("--directory", type=Path, help="where the store goes while it is measured")
    options.add_argument("--output", type=Path, metavar="FILE", help="where the result is kept")
    chosen = options.parse_args()
    described: dict[str, object] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "commit": commit(),
        "load_average": load_average(),
    }
    print(f"{short_name(machine())}, load {described['load_average']}")
    with tempfile.TemporaryDirectory(prefix="remit-holds-", dir=chosen.directory) as folder:
        described["filesystem"] = filesystem(Path(folder))
        found = measured(Path(folder, "data"), SIZES, chosen.rounds)
    print(f"{'runs':>9}  {'':8}{'p50 us':>10}{'p99 us':>10}{'rows':>7}{'bytes':>10}")
    for size, verbs in found.items():
        for verb, taken in verbs.items():
            told = taken.as_json()
            row = f"{told['p50_us']:>10.0f}{told['p99_us']:>10.0f}{told['rows']:>7}{told['bytes']:>10,.0f}"
            print(f"{size:>9,}  {verb:8}{row}")
    print(f"load afterwards {load_average()}")
    described["load_average_after"] = load_average()
    described["holds"] = {
        str(size): {verb: each.as_json() for verb, each in verbs.items()} for size, verbs in found.items()
    }
    output: Path = chosen.output or RESULTS / f"{str(described['at'])[:10]}-{short_name(machine())}-holds.json"
    output.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    print(f"kept in {output}")


def measured(data: Path, sizes: Sequence[int], rounds: int) -> dict[int, dict[str, Taken]]:
    """By size, then by verb."""
    subtrees = [Subtree(size) for size in sizes]
    found = {size: {"Hold": Taken(), "Release": Taken()} for size in sizes}
    commits: list[Commit] = []
    with engine_on(data) as engine:
        engine.schemas.write("", SCHEMA)
        for subtree in subtrees:
            for rows in in_requests(list(subtree.relationships()), ROWS_A_WRITE):
                engine.relationships.write("", [Update(Operation.TOUCH, row) for row in rows])
        end = engine.on_commit(commits.append)
        for number in range(rounds):
            for subtree in subtrees:
                _hold_and_release(engine, subtree, f"{subtree.size}-{number}", found[subtree.size], commits)
        end()
    return found


def _hold_and_release(
    engine: Engine, subtree: Subtree, id: str, taken: dict[str, Taken], commits: list[Commit]
) -> None:
    for verb in taken:
        commits.clear()
        bytes_before, began_ns = _handed_bytes(), perf_counter_ns()
        if verb == "Hold":
            engine.holds.hold("", subtree.run(0), reason="measured", id=id)
        else:
            engine.holds.release("", id)
        taken[verb].ns.append(perf_counter_ns() - began_ns)
        taken[verb].bytes.append(_handed_bytes() - bytes_before)
        taken[verb].rows.append(sum(each.rows for each in commits))
        if subtree.is_open(engine) is (verb == "Hold"):
            raise SystemExit(f"after a {verb} of a subtree of {subtree.size} runs its last run was told otherwise")


def _handed_bytes() -> int:
    """What this process has handed to files so far, whether they are on a disk or not."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.partition(":")[2]) for line in lines if line.startswith("wchar:"))


if __name__ == "__main__":
    main()
