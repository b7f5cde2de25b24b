"""How long things took, counted in buckets as HdrHistogram counts: as fine as one part in a thousand at any height.

Our own few lines, because the package `hdrhistogram` brings `pbr` and `setuptools` along for what is an addition.
Law: a percentile is at most one part in a thousand above the value that occurred, never below it; adding histograms
gives the histogram of all their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_EXACT_BITS = 11  # values below 2,048 are counted as they are; above, the 11 highest bits are kept

PERCENTS = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)


class Histogram:
    """Of whole numbers from 0 on; here nanoseconds. Cost: O(1) a value; memory grows with what differs, not with what
    is counted: some 20,000 buckets from a nanosecond to an hour."""

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._counts: Counter[int] = Counter()  # by the lowest value of the bucket
        self.count = 0
        self.most = 0
        for value in values:
            self.record(value)

    def record(self, value: int, times: int = 1) -> None:
        """Raises ValueError for what is below 0: no time is."""
        if value < 0:
            raise ValueError(f"`{value}` is below 0: no time is")
        self._counts[_lowest(value)] += times
        self.count += times
        self.most = max(self.most, value)

    def add(self, other: Histogram) -> None:
        self._counts.update(other._counts)
        self.count += other.count
        self.most = max(self.most, other.most)

    def percentile(self, percent: float) -> int:
        """The top of the bucket that so many percent of the values do not exceed. Raises ValueError without values."""
        if not self.count:
            raise ValueError("nothing was measured")
        rank = max(1, -(-percent * self.count // 100))  # rounded up
        passed = 0
        for lowest in sorted(self._counts):
            passed += self._counts[lowest]
            if passed >= rank:
                return min(_highest(lowest), self.most)
        raise AssertionError("the counts come to less than their sum")

    def percentiles(self) -> dict[str, float]:
        """Those that are kept, in microseconds, by name: `p50_us`, `p99.9_us`, and `max_us`."""
        named = {100.0: "max_us"}
        return {named.get(percent, f"p{percent:g}_us"): self.percentile(percent) / 1000 for percent in PERCENTS}


def _lowest(value: int) -> int:
    shift = max(0, value.bit_length() - _EXACT_BITS)
    return value >> shift << shift


def _highest(lowest: int) -> int:
    return lowest + (1 << max(0, lowest.bit_length() - _EXACT_BITS)) - 1
