"""What two samples of a server's /metrics say about the time between them: rates, quantiles, sizes.

Law: it computes from what /metrics says and nothing else, so a program that reads /metrics can say the same."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]

# The reasons by which a server sheds load, as against those by which it tells a caller of a mistake.
REFUSALS = (
    "OVERLOADED",
    "FAIR_SHARE",
    "RATE_LIMITED",
    "TOO_MANY_STREAMS",
    "SLOW_CONSUMER",
    "SLOW_REQUEST",
    "STORE_OVERLOADED",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Every number of /metrics at one moment, by name and labels."""

    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def one(self, name: str) -> float:
        """The value of a metric without labels; 0 where there is none."""
        return self.values.get(name, {}).get((), 0.0)

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric added up by one of its labels."""
        added: dict[str, float] = {}
        for labels, value in self.values.get(name, {}).items():
            key = dict(labels).get(label, "")
            added[key] = added.get(key, 0.0) + value
        return added

    def buckets(self, name: str, **wanted: str) -> list[tuple[float, float]]:
        """A histogram: (upper bound, how many are not above it), ascending. Series that differ in other labels than
        those wanted are added up."""
        added: dict[float, float] = {}
        for labels, count in self.values.get(f"{name}_bucket", {}).items():
            given = dict(labels)
            if all(given.get(label) == value for label, value in wanted.items()):
                bound = float(given["le"])
                added[bound] = added.get(bound, 0.0) + count
        return sorted(added.items())


@dataclass(frozen=True, slots=True)
class VerbFigures:
    """Of one verb: how many requests in all, how many a second, and within which time half and 99 in 100 of them were
    answered (None where nothing was, or times mean nothing)."""

    requests: int
    per_s: float
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What `remit top` shows. Rates are of the time between two looks, or of the server's whole life."""

    version: str
    uptime_s: float
    ready: bool
    verbs: Mapping[str, VerbFigures]
    verdicts_per_s: Mapping[str, float]
    refused_per_s: Mapping[str, float]
    failed_per_s: Mapping[str, float]
    queues: Mapping[str, tuple[int, int]]
    stores: Mapping[str, tuple[int, int]]
    streams: Mapping[str, int]
    commits_per_s: float
    requests_per_commit: float | None
    commit_p99_ms: float | None
    writes_waiting: int
    store_bytes: int
    memory_bytes: int
    cpu_cores: float


def parse_metrics(text: str) -> Sample:
    """Prometheus' text format. Raises ValueError."""
    # Only this command pays for loading it.
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return Sample(values)


def figures_between(before: Sample | None, after: Sample) -> Figures:
    """`before` None, or of a server that was started anew since: as if it had been its beginning."""
    if before is None or before.one("remit_uptime_seconds") > after.one("remit_uptime_seconds"):
        before = Sample()
    seconds = after.one("remit_uptime_seconds") - before.one("remit_uptime_seconds")
    build = next(iter(after.values.get("remit_build_info", {})), ())
    requests = after.by("remit_requests_total", "verb")
    reasons = _rates(before, after, "remit_requests_total", "reason", seconds)
    return Figures(
        version=dict(build).get("version", ""),
        uptime_s=after.one("remit_uptime_seconds"),
        ready=after.one("remit_ready") == 1,
        verbs={verb: _verb(before, after, verb, int(count), seconds) for verb, count in sorted(requests.items())},
        verdicts_per_s=_rates(before, after, "remit_verdicts_total", "verdict", seconds),
        refused_per_s={reason: rate for reason, rate in reasons.items() if reason in REFUSALS},
        failed_per_s={reason: rate for reason, rate in reasons.items() if reason not in (*REFUSALS, "OK")},
        queues=_pairs(after, "remit_in_flight", "remit_in_flight_max", "lane"),
        stores=_pairs(after, "remit_store_relationships", "remit_store_revision", "store"),
        streams={verb: int(count) for verb, count in sorted(after.by("remit_streams", "verb").items())},
        commits_per_s=_rate(before, after, "remit_commit_requests_count", seconds),
        requests_per_commit=_mean(before, after, "remit_commit_requests"),
        commit_p99_ms=_ms(0.99, before.buckets("remit_commit_seconds"), after.buckets("remit_commit_seconds")),
        writes_waiting=int(after.one("remit_writes_waiting")),
        store_bytes=int(after.one("remit_store_bytes")),
        memory_bytes=int(after.one("process_resident_memory_bytes")),
        cpu_cores=_rate(before, after, "process_cpu_seconds_total", seconds),
    )


def _verb(before: Sample, after: Sample, verb: str, requests: int, seconds: float) -> VerbFigures:
    per_s = _rates(before, after, "remit_requests_total", "verb", seconds).get(verb, 0.0)
    then, now = (sample.buckets("remit_request_seconds", verb=verb) for sample in (before, after))
    return VerbFigures(requests, per_s, _ms(0.5, then, now), _ms(0.99, then, now))


def _rates(before: Sample, after: Sample, name: str, label: str, seconds: float) -> dict[str, float]:
    then = before.by(name, label)
    return {key: _over(now - then.get(key, 0.0), seconds) for key, now in sorted(after.by(name, label).items())}


def _rate(before: Sample, after: Sample, name: str, seconds: float) -> float:
    return _over(after.one(name) - before.one(name), seconds)


def _over(count: float, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


def _mean(before: Sample, after: Sample, name: str) -> float | None:
    count = after.one(f"{name}_count") - before.one(f"{name}_count")
    return (after.one(f"{name}_sum") - before.one(f"{name}_sum")) / count if count else None


def _pairs(sample: Sample, first: str, second: str, label: str) -> dict[str, tuple[int, int]]:
    seconds = sample.by(second, label)
    return {key: (int(value), int(seconds.get(key, 0))) for key, value in sorted(sample.by(first, label).items())}


def _ms(share: float, before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]) -> float | None:
    then = dict(before)
    value = quantile(share, [(bound, count - then.get(bound, 0.0)) for bound, count in after])
    return None if value is None else value * 1_000


def quantile(share: float, buckets: Iterable[tuple[float, float]]) -> float | None:
    """Within which value that share of what a histogram counted lies, as Prometheus estimates it: evenly spread within
    a bucket; the highest bound where it lies above all of them. None where nothing was counted."""
    ascending = list(buckets)
    if not ascending or not ascending[-1][1]:
        return None
    rank = share * ascending[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in ascending:
        if count >= rank and count > below:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, count
    return lower
