"""`python -m bench.writes`: what Python's write path makes of the disk, as a share of what bare LMDB would.

An engine on a disk is asked for writes of one relationship, one at a time and 32 in flight; beside it, in slices that
take turns with these, LMDB alone commits as many rows: one request's at a time, and for the 32 as many requests' as the
engine's own commits carried. What is missing to 1 is what judging, encoding and Python's threads cost.
Law: every write was acknowledged, and is seen; both sides wait for the same disk."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from bench.in_process import bare_commit_slice, require_written, write_slice
from bench.machine import load_average, machine, short_name
from bench.run import engine_on
from remit.store.port import Commit

SCHEMA = "definition user {}\ndefinition document {\n relation viewer: user\n permission view = viewer\n}"
SLICES = 6
WANTED = {1: 0.9, 32: 0.85}  # in flight: the share that issue and docs promise


@dataclass(slots=True)
class _Commits:
    """What the engine's commits carried."""

    count: int = 0
    requests: int = 0

    def add(self, commit: Commit) -> None:
        self.count += 1
        self.requests += commit.requests


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--seconds", type=float, default=4.0, help="how long each row is measured, both sides together"
    )
    seconds: float = options.parse_args().seconds / SLICES / 2
    print(f"{short_name(machine())}, load {load_average()}")
    print(f"{'in flight':>9}{'writes/s':>10}{'bare/s':>9}{'a commit':>10}{'share':>8}{'range':>13}{'wanted':>8}")
    numbers = count()
    with tempfile.TemporaryDirectory(prefix="remit-writes-") as folder, engine_on(Path(folder, "data")) as engine:
        engine.schemas.write("", SCHEMA)
        for in_flight, wanted in WANTED.items():
            write_slice(engine, seconds / 4, in_flight, numbers)  # to warm up
            ours, bare, carried = [], [], []
            for number in range(SLICES):
                commits = _Commits()
                end = engine.on_commit(commits.add)
                part, acknowledged = write_slice(engine, seconds, in_flight, numbers)
                end()
                require_written(engine, acknowledged)
                ours.append(len(part.taken_ns) / part.elapsed_s)
                carried.append(round(commits.requests / commits.count))
                directory = Path(folder, f"bare-{in_flight}-{number}")
                beside = bare_commit_slice(directory, seconds, requests=carried[-1])
                bare.append(carried[-1] * len(beside.taken_ns) / beside.elapsed_s)
            shares = sorted(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
            print(
                f"{in_flight:>9}{median(ours):>10,.0f}{median(bare):>9,.0f}{median(carried):>10.0f}"
                f"{median(shares):>8.2f}{f'{shares[0]:.2f}-{shares[-1]:.2f}':>13}{wanted:>8}",
                flush=True,
            )
    print(f"load afterwards {load_average()}")


if __name__ == "__main__":
    main()
