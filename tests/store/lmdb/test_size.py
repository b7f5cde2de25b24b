"""A million relationships: what they take of a processor to write, to open and to read, against a hundred thousand.

Of the processor, since the clock also counts what others take of it."""

from __future__ import annotations

import random
import resource
import time
from pathlib import Path

import pytest

from remit.model import ObjectRef, Relationship, RelationshipFilter, SubjectRef
from tests.support.store_worlds import open_lmdb, putting, write

# With rows in random order a commit rewrites about one page for each row that lands on a page of its own. 1,000 rows at
# a time cost 16 times as much for ten times the rows; 50,000 at a time, 7 to 11 times when a million took 17 s.
# They take as long today, but a hundred thousand only 1.2 s: 13.1 to 14.2 times.
ROWS_A_WRITE = 50_000
RATIO_MAX = 16


def relationship_among(rows: int, chance: random.Random) -> Relationship:
    document, user = chance.randrange(rows), chance.randrange(rows)
    return Relationship(ObjectRef("document", f"d-{document}"), "viewer", SubjectRef("user", f"u-{user}"))


def measure(path: Path, rows: int) -> dict[str, float]:
    chance = random.Random(rows)
    store = open_lmdb(path, map_size_bytes=2**34)
    store.create("default")
    times = dict.fromkeys(["import", "open", "load"], 0.0)
    for _ in range(0, rows, ROWS_A_WRITE):
        batch = [relationship_among(rows, chance) for _ in range(ROWS_A_WRITE)]
        began = time.process_time()
        write(store, putting(*batch))
        times["import"] += time.process_time() - began
    size_bytes = store.size_bytes()
    store.close()

    began = time.process_time()
    store = open_lmdb(path, map_size_bytes=2**34)
    times["open"] = time.process_time() - began
    began = time.process_time()
    with store.read("default") as view:
        found = sum(1 for _ in view.scan(RelationshipFilter()))
    times["load"] = time.process_time() - began
    store.close()
    assert found > rows * 0.99
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in times.items())
    print(f"{rows} relationships: {told}, {size_bytes / 1e6:.0f} MB on disk, {memory_mb} MB of memory at most")
    return times


@pytest.mark.long
def test_ten_times_the_relationships_take_ten_times_as_long(tmp_path: Path) -> None:
    small, large = measure(tmp_path / "small", 100_000), measure(tmp_path / "large", 1_000_000)
    for what in ("import", "load"):
        assert large[what] <= RATIO_MAX * small[what], what
    assert large["open"] < 1.0
