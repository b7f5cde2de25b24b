"""What is told of one workload at one server: a figure from its stretches, or the reason why there is none.

Law: a row has a rate or a note; a rate is the median of its repetitions and stands beside their range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from bench.peers.generator import Stretch
from bench.peers.histogram import Histogram

IMPORT = "import"  # told of by its verb, and compared whatever that is
CLOSED = "closed loop"
FIXED = "fixed rate"

BUSY = 0.9  # of a core: a generator busier than that may be what was measured


@dataclass(frozen=True, slots=True)
class Row:
    """`rate`: of so many `unit` a second. `cpu_us`: of the server, all its processes, for one of them. The latencies
    are of whole requests, so of all items of a bulk. `extra` is what only this workload has."""

    workload: str
    peer: str
    mode: str = CLOSED
    in_flight: int | None = None
    unit: str = "checks"
    rate: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    cpu_us: float | None = None
    latencies: dict[str, float] = field(default_factory=dict)
    answered: int = 0
    distinct: int | None = None
    offered: float | None = None
    generator_busy: float | None = None
    client: str = ""
    judged: str = ""
    extra: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def per_core(self) -> float | None:
        """What one core of the server would do, were it only doing this."""
        return 1e6 / self.cpu_us if self.cpu_us else None

    @property
    def is_limited_by_generator(self) -> bool:
        return self.generator_busy is not None and self.generator_busy > BUSY

    def as_json(self) -> dict[str, object]:
        told = asdict(self) | {"per_core": self.per_core, "limited_by_generator": self.is_limited_by_generator}
        return {key: rounded(value) for key, value in told.items() if value not in (None, "", {})}


def row_of(
    workload: str,
    peer: str,
    stretches: Sequence[Stretch],
    *,
    mode: str = CLOSED,
    in_flight: int | None = None,
    unit: str = "checks",
    items: int = 1,
    distinct: int | None = None,
    extra: dict[str, float] | None = None,
) -> Row:
    """`items`: how many of `unit` are in one request."""
    answered = sum(each.answered for each in stretches)
    rates = [each.rate * items for each in stretches]
    elapsed_s = sum(each.elapsed_s for each in stretches)
    return Row(
        workload,
        peer,
        mode,
        in_flight,
        unit,
        median(rates),
        min(rates),
        max(rates),
        _cpu_us(stretches, answered * items),
        _latencies(stretches),
        answered,
        distinct,
        stretches[0].offered,
        sum(each.generator_cpu_s for each in stretches) / elapsed_s,
        stretches[0].client,
        stretches[0].judged,
        extra or {},
    )


def name_of(row: Row) -> str:
    """What is compared: rows of one name, in tables and pictures."""
    if row.mode == FIXED:
        return f"{row.workload}, at a fixed rate"
    return row.workload if row.in_flight != 1 or row.workload == IMPORT else f"{row.workload}, one at a time"


def _latencies(stretches: Sequence[Stretch]) -> dict[str, float]:
    """Of all of them together; where only percentiles are known, the median of each, and the most of the most."""
    if not stretches[0].percentiles:
        whole = Histogram()
        for each in stretches:
            whole.add(each.histogram)
        return whole.percentiles()
    told = {name: [each.percentiles[name] for each in stretches] for name in stretches[0].percentiles}
    return {name: max(values) if name == "max_us" else median(values) for name, values in told.items()}


def _cpu_us(stretches: Sequence[Stretch], counted: int) -> float | None:
    spent = [each.server_cpu_s for each in stretches if each.server_cpu_s is not None]
    return 1e6 * sum(spent) / counted if len(spent) == len(stretches) else None


def rounded(value: object) -> object:
    """Four digits: more are noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return value
