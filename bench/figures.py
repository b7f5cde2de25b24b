"""What a measurement comes to: a rate with its range, latencies by exact percentiles, and ratios between the two.

Every latency is kept, not put into buckets, so a percentile is a value that really occurred.
Law: a figure says how it was taken: where, how many in flight, over how many operations."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

IN_PROCESS = "in process"
GRPC = "gRPC"
ECHO = "bare echo"
BARE_LMDB = "bare LMDB"


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of `count` operations, in microseconds, nearest rank."""

    count: int
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float

    @classmethod
    def of(cls, taken_ns: Sequence[int]) -> Latencies:
        ordered = sorted(taken_ns)
        p50, p90, p99, most = (percentile(ordered, percent) / 1000 for percent in (50, 90, 99, 100))
        return cls(len(ordered), p50, p90, p99, most)


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that at least so many percent do not exceed. Raises ValueError where there are none."""
    if not ordered:
        raise ValueError("nothing was measured")
    rank = -(-percent * len(ordered) // 100)  # rounded up
    return ordered[max(rank, 1) - 1]


@dataclass(slots=True)
class Slice:
    """One stretch of a measurement: how long each operation took, and all of them together.

    `cpu_s` is that of the process that answers: this one, or the server."""

    taken_ns: array[int]
    elapsed_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        return len(self.taken_ns) / self.elapsed_s


@dataclass(frozen=True, slots=True)
class Figure:
    """`rate` is the median of the slices, `rate_low` and `rate_high` their range, of so many `unit` a second.

    `cpu_us` is what one of them cost the process that answers: a noisy neighbour hardly disturbs it. The latencies are
    those of whole operations: of a bulk, not of its items."""

    name: str
    where: str
    in_flight: int
    unit: str
    rate: float
    rate_low: float
    rate_high: float
    cpu_us: float
    latencies: Latencies

    @classmethod
    def of(
        cls,
        name: str,
        where: str,
        slices: Sequence[Slice],
        *,
        unit: str = "checks",
        in_flight: int = 1,
        per_operation: int = 1,
    ) -> Figure:
        rates = [each.rate * per_operation for each in slices]
        taken = [ns for each in slices for ns in each.taken_ns]
        cpu_us = 1e6 * sum(each.cpu_s for each in slices) / (len(taken) * per_operation)
        return cls(name, where, in_flight, unit, median(rates), min(rates), max(rates), cpu_us, Latencies.of(taken))

    def as_json(self) -> dict[str, object]:
        return {key: _rounded(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Ratio:
    """`value` times as much of the one as of the other, both taken in the same run."""

    name: str
    value: float


def find(figures: Sequence[Figure], name: str, where: str, in_flight: int = 1) -> Figure | None:
    for each in figures:
        if (each.name, each.where, each.in_flight) == (name, where, in_flight):
            return each
    return None


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return value
