"""Law: the native core holds to its plain twins through histories that are too long for every run of the suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import pytest

from remit.eval import native
from remit.graph.native import available
from tests.support.native.histories import Shared, engines_side_by_side, graphs_side_by_side

pytestmark = [
    pytest.mark.skipif(not available(), reason="the native core is not built here"),
    pytest.mark.long,
]
CACHED_ANSWERS = 2**14  # what a thread begins with


def seeds(count: int) -> Iterator[int]:
    """Fresh ones, told."""
    first = int(os.environ.get("REMIT_SEED", Random().randrange(2**40)))
    print(f"seeds from {first}; repeat with REMIT_SEED={first}")
    yield from range(first, first + count)


def test_a_graph_lives_through_a_million_changes() -> None:
    changed = 0
    for seed in seeds(1_000):
        changed += graphs_side_by_side(seed, rounds=60)
        if changed >= 1_000_000:
            return
    raise AssertionError(f"only {changed} changes in all")


def test_engines_with_and_without_the_core_say_the_same_on_fresh_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        for seed in seeds(40):
            native.set_cache((0, 64, 4096)[seed % 3])
            assert engines_side_by_side(seed, 60, monkeypatch)
    finally:
        native.set_cache(CACHED_ANSWERS)


def test_every_answer_is_true_of_its_revision_and_time_on_fresh_seeds() -> None:
    for seed in seeds(5):
        assert Shared(seed).live(revisions=400) >= 200
