"""`kill -9` in the middle of a storm of writes, twenty times over on one directory."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from remit.store.lmdb.lmdb_store import LmdbStore
from tests.support.places import ROOT
from tests.support.store.storm import GROUP_SIZE, THREADS, group, step, told
from tests.support.store.worlds import all_records, check, deltas, everything, open_lmdb

ROUNDS = 20
ACKNOWLEDGED_MAX = 120


def blow_and_kill(path: Path, storm: str, acknowledged_before: int) -> list[tuple[int, int, int]]:
    """Let a child write, kill it after so many acknowledgements, and return all it gave: (thread, number, revision).

    After none is while it opens the store."""
    command = [sys.executable, "-m", "tests.support.store.storm", str(path), storm]
    lines: list[bytes] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdout is not None
        buffer = b""
        while buffer.count(b"\n") < 1 + acknowledged_before:
            read = os.read(child.stdout.fileno(), 4096)
            assert read, "the child ended by itself"
            buffer += read
        child.send_signal(signal.SIGKILL)
        buffer += child.stdout.read()  # what was said before it died
        lines = buffer.split(b"\n")
    assert lines.pop(0) == b"begin"
    assert child.returncode == -signal.SIGKILL
    assert lines.pop() == b"", "a line was cut"
    said = [tuple(map(int, line.split())) for line in lines]
    return [(thread, number, revision) for thread, number, revision in said]


def groups_of(storm: str, thread: int, writes: int) -> set[str]:
    """The groups a thread has left after its first `writes` writes."""
    left: set[str] = set()
    for number in range(writes):
        verb, which = step(thread, number)
        name = group(storm, thread, which)[0].partition("#")[0]
        (left.add if verb == "put" else left.discard)(name)
    return left


def examine(store: LmdbStore, storm: str, said: list[tuple[int, int, int]]) -> None:
    """Every acknowledged write is there, no write is half there."""
    history = deltas(store)
    for thread, number, revision in said:
        written = {str(change.key) for change in history[revision - 1].changes}
        assert written == set(group(storm, thread, step(thread, number)[1]))
    sizes = Counter(str(stored.relationship.resource) for stored in everything(store))
    assert set(sizes.values()) <= {GROUP_SIZE}
    assert {each.record for each in all_records(store)} == {told(name) for name in sizes}
    acknowledged = Counter(thread for thread, _, _ in said)
    for thread in range(THREADS):
        found = {name for name in sizes if name.startswith(f"group:{storm}-{thread}-")}
        # The write after the last acknowledged one may have been committed when the process died.
        possible = [groups_of(storm, thread, acknowledged[thread] + more) for more in (0, 1)]
        assert found in possible


def rounds(path: Path, seed: int, count: int, acknowledged_max: int) -> None:
    chance = random.Random(seed)
    for number in range(count):
        # Some die while they start.
        acknowledged = chance.choice([0, chance.randrange(acknowledged_max), chance.randrange(acknowledged_max)])
        said = blow_and_kill(path, str(number), acknowledged)
        store = open_lmdb(path)
        if store.names():
            check(store)
            examine(store, str(number), said)
        else:
            assert not said
        store.close()


def test_every_acknowledged_write_survives_the_process(tmp_path: Path, seed: int) -> None:
    rounds(tmp_path / "data", seed, ROUNDS, ACKNOWLEDGED_MAX)


@pytest.mark.long
def test_every_acknowledged_write_survives_the_process_at_length(tmp_path: Path, seed: int) -> None:
    rounds(tmp_path / "data", seed, 200, 600)
