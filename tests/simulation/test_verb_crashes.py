"""`kill -9` between the steps of every verb of agents: whole or absent, and the same request sent again completes it,
once; its entry is in the file of entries, once. How it is done is in `support.simulation.verb_storm`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from remit.server.verb import Queue
from remit.server.verbs import UNARY
from tests.support.places import ROOT
from tests.support.simulation.verb_storm import NAMES

LANES, POINTS = 4, 25


def killed_at(folder: Path, seed: int, points: int) -> Counter[str]:
    """What was met at so many points, by a process that forks: this one has threads."""
    command = [sys.executable, "-m", "tests.support.simulation.verb_storm", str(folder), str(seed), str(points)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"seed {seed}: {ended.stderr[-4_000:]}"
    return Counter(json.loads(ended.stdout.splitlines()[-1]))


def require_both(met: Counter[str]) -> None:
    """A storm that never met a verb in its midst, or none that was whole before it was answered, has shown nothing."""
    assert any(each.endswith("absent") for each in met) and any(each.endswith("whole") for each in met), met


@pytest.mark.parametrize("lane", range(LANES))
def test_a_verb_that_is_killed_is_whole_or_absent_and_completed_once(tmp_path: Path, seed: int, lane: int) -> None:
    met = killed_at(tmp_path, seed + lane, POINTS)
    assert met.total() == POINTS
    require_both(met)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("lane", range(2))
def test_a_verb_that_is_killed_anywhere_is_whole_or_absent(tmp_path: Path, seed: int, lane: int) -> None:
    met = killed_at(tmp_path, seed + LANES + lane, 1_000)
    assert {each.partition(" ")[0] for each in met} == {*NAMES, "between"}
    require_both(met)


def test_every_verb_of_agents_is_killed() -> None:
    verbs = {each.method for each in UNARY if each.service == "remit.v1.Agents" and each.queue is Queue.WRITES}
    assert sorted(verbs - set(NAMES)) == [], "give each a row in tests/support/simulation/verb_storm.py"
