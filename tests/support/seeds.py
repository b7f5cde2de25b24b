"""Seeds of random laws: each shard of them names itself, a seed that fails is told, and one command tries it again.

`@pytest.mark.seeds(1_200, shards=8)` gives a test the parameter `seeds`, 150 of them at a time. With `fresh=True` they
begin at REMIT_SEED, or where that says nothing anywhere. `--seed 17` gives every such test that seed, and no other.
A test that needs a single fresh seed asks for the fixture `seed`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

FIRST_FRESH = int(os.environ.get("REMIT_SEED", Random().randrange(2**40)))


@dataclass
class Seeds:
    """Those of one shard; `current` is the one under judgement, or the last."""

    name: str
    range: range
    is_fresh: bool = False
    current: int | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[int]:
        if self.is_fresh:
            print(f"seeds from {self.range.start}; shard {self.name} of REMIT_SEED={FIRST_FRESH}")
        for seed in self.range:
            self.current = seed
            yield seed

    def require(self, is_enough: bool, told: object) -> None:
        """All of a shard must have met enough to mean anything; a seed that is tried alone need not."""
        assert is_enough or len(self.range) == 1, f"too little was met to mean anything: {told}"


def shards_of(count: int, shards: int = 1, fresh: bool = False) -> list[Seeds]:
    """`count` seeds in so many equal shards. A fresh one goes by its number, which all processes know."""
    each, rest = divmod(count, shards)
    assert not rest, f"{count} seeds do not make {shards} equal shards"
    if fresh:
        starts = range(FIRST_FRESH, FIRST_FRESH + count, each)
        return [Seeds(f"fresh-{at}", range(first, first + each), True) for at, first in enumerate(starts)]
    return [Seeds(f"seeds-{first}-{first + each - 1}", range(first, first + each)) for first in range(0, count, each)]


def alone(seed: int) -> list[Seeds]:
    return [Seeds(f"seed-{seed}", range(seed, seed + 1))]


def again(node_id: str, seed: int) -> str:
    """What tries that seed of that test again, at a shell."""
    test, _, _ = node_id.partition("[")
    return f"seed {seed}; again with: python -m pytest -m '' --seed {seed} '{test}'"
