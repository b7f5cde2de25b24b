"""Which of many is asked for, when few are asked for often: Zipf's law, as caches meet it in the field.

Law: the number of rank r is drawn in proportion to 1 / r**alpha, and the same seed draws the same numbers."""

from __future__ import annotations

from itertools import accumulate
from random import Random

ALPHA = 0.99  # what YCSB asks with, and most who compare caches since


class Zipf:
    """Numbers from 0 to `count - 1`; 0 is the one most asked for. Memory: one float a number."""

    def __init__(self, count: int, alpha: float = ALPHA) -> None:
        if count < 1:
            raise ValueError(f"`{count}` things to choose among: at least 1 is needed")
        self._cumulated = list(accumulate(rank**-alpha for rank in range(1, count + 1)))

    def draw(self, how_many: int, seed: str) -> list[int]:
        """Cost: O(log count) each."""
        numbers = range(len(self._cumulated))
        return Random(f"zipf {seed}").choices(numbers, cum_weights=self._cumulated, k=how_many)
