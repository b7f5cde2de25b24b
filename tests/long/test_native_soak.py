"""Law: the native core holds to its plain twins through histories that are too long for every run of the suite."""

from __future__ import annotations

import pytest

from remit.eval import native
from remit.graph.native import available
from tests.support.native.histories import Shared, engines_side_by_side, graphs_side_by_side
from tests.support.seeds import Seeds

pytestmark = [
    pytest.mark.skipif(not available(), reason="the native core is not built here"),
    pytest.mark.long,
]
CACHED_ANSWERS = 2**14  # what a thread begins with


@pytest.mark.seeds(1_000, fresh=True)
def test_a_graph_lives_through_a_million_changes(seeds: Seeds) -> None:
    changed = 0
    for seed in seeds:
        changed += graphs_side_by_side(seed, rounds=60)
        if changed >= 1_000_000:
            return
    seeds.require(False, f"{changed} changes in all")


@pytest.mark.seeds(40, shards=4, fresh=True)
def test_engines_with_and_without_the_core_say_the_same_on_fresh_seeds(
    seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        for seed in seeds:
            native.set_cache((0, 64, 4096)[seed % 3])
            assert engines_side_by_side(seed, 60, monkeypatch)
    finally:
        native.set_cache(CACHED_ANSWERS)


@pytest.mark.seeds(5, shards=5, fresh=True)
def test_every_answer_is_true_of_its_revision_and_time_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        assert Shared(seed).live(revisions=400) >= 200
