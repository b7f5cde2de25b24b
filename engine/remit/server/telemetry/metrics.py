"""The metrics of one server, for Prometheus: what was asked and how it ended, how long it took, what there is.

What happened is counted as it is told here; what is, such as sizes and places taken, is looked up when somebody asks.
Labels come from short lists known beforehand (verbs, reasons, verdicts, queues), never from a request; stores are named
only in what is looked up, at most `STORES_MAX` of them. docs/operate/telemetry.md says what each metric means.
Law: nothing is decided by a metric, and every server has its own."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

import remit
from remit.errors import RemitError
from remit.server.telemetry.server_stats import NativeVerb, ServerStats
from remit.store.port import Commit

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
DONE = "OK"
OTHER = "OTHER"
UNKNOWN = "unknown"  # the verb of methods that there are not: their names are the caller's
STORES_MAX = 100

# fmt: off
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STEPS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000, 1_000_000)
_FACTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# fmt: on


def _reasons(error: type[RemitError]) -> Iterator[str]:
    yield error.reason
    for each in error.__subclasses__():
        yield from _reasons(each)


REASONS = frozenset((DONE, *_reasons(RemitError)))


Family = TypeVar("Family", bound=MetricWrapperBase)


class _Labelled(Generic[Family]):
    """A metric by its labels. The library looks them up under a lock, in several microseconds; a dictionary does not.
    The labels are few, so nothing is ever removed."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._children: dict[tuple[str, ...], Family] = {}

    def __getitem__(self, labels: tuple[str, ...]) -> Family:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._family.labels(*labels)
        return child


class Metrics:
    """Counts what it is told. Safe from many threads. Cost: some microseconds each."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counters(name: str, help: str, *labels: str) -> _Labelled[Counter]:
            return _Labelled(Counter(name, help, labels, registry=registry))

        def histograms(name: str, help: str, buckets: Sequence[float], *labels: str) -> _Labelled[Histogram]:
            return _Labelled(Histogram(name, help, labels, buckets=buckets, registry=registry))

        def histogram(name: str, help: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, help, buckets=buckets, registry=registry)

        # fmt: off
        self._requests = counters(
            "remit_requests", "Requests that ended, by how: OK or a reason.", "verb", "reason")
        self._seconds = histograms(
            "remit_request_seconds", "From a request's arrival to its answer, without streams.", SECONDS,
            "verb", "verdict")
        self._verdicts = counters(
            "remit_verdicts", "Questions answered, also those of CheckMany.", "verb", "verdict")
        self._steps = histogram(
            "remit_check_steps", "Steps of evaluation a question took.", STEPS)
        self._facts = histograms(
            "remit_write_relationships", "Relationships one request wrote or removed.", _FACTS, "verb")
        self._messages = counters(
            "remit_stream_messages", "Messages sent on streams that have ended.", "verb")
        self._commit_requests = histogram(
            "remit_commit_requests", "Requests one durable commit carried.", _BATCH)
        self._commit_seconds = histogram(
            "remit_commit_seconds", "How long the disk took for a commit.", SECONDS)
        self._commit_rows = Counter("remit_commit_rows", "Rows of the store written.", registry=registry)
        self._commit_failures = counters(
            "remit_commit_failures", "Commits the disk did not take, by why.", "reason")
        self._key_reloads = counters(
            "remit_key_reloads", "Times the keys file had changed, by how it was read.", "outcome")
        # fmt: on
        ProcessCollector(registry=registry)

    # --- what happened ------------------------------------------------------------------------------------------

    def request(self, verb: str, reason: str, seconds: float | None, verdict: str = "") -> None:
        """A request ended. `seconds` None: how long it took means nothing, as of a stream. `verdict`: of its only
        question."""
        self._requests[verb, known_reason(reason)].inc()
        if seconds is not None:
            self._seconds[verb, verdict].observe(seconds)

    def verdict(self, verb: str, verdict: str) -> None:
        self._verdicts[verb, verdict].inc()

    def steps(self, steps: int) -> None:
        self._steps.observe(steps)

    def relationships(self, verb: str, count: int) -> None:
        self._facts[verb,].observe(count)

    def messages(self, verb: str, count: int) -> None:
        self._messages[verb,].inc(count)

    def commit(self, commit: Commit) -> None:
        """A commit ended: called by the store's writer."""
        if commit.failed:
            self._commit_failures[known_reason(commit.failed),].inc()
            return
        self._commit_requests.observe(commit.requests)
        self._commit_seconds.observe(commit.duration_s)
        self._commit_rows.inc(commit.rows)

    def keys_read(self, *, damaged: bool) -> None:
        self._key_reloads["failed" if damaged else "read",].inc()

    # --- what is told -------------------------------------------------------------------------------------------

    def text(self, stats: ServerStats, sees: Callable[[str], bool] = lambda store: True) -> bytes:
        """Everything, in Prometheus' text format; of the stores only those that the caller sees. What the frontend
        answered by itself counts as what Python did."""
        for each in stats.native_verbs:
            self._begin_series(each)
        for verb, reason in stats.refused_early:
            self._requests[verb, known_reason(reason)]
        return generate_latest(_Exposed(self._registry, stats, sees))

    def _begin_series(self, native: NativeVerb) -> None:
        """Have the series, at 0, to which what was counted elsewhere is added."""
        if native.requests:
            self._requests[native.verb, DONE]
        for verdict, (buckets, _) in native.seconds.items():
            if any(buckets):
                self._seconds[native.verb, verdict]
        for verdict, count in _verdicts(native):
            if count:
                self._verdicts[native.verb, verdict]


def _verdicts(native: NativeVerb) -> Iterator[tuple[str, int]]:
    yield "yes", native.yes
    yield "no", native.no


def known_reason(reason: str) -> str:
    return reason if reason in REASONS else OTHER


class _Exposed(Collector):
    """What has been counted and what there is, as one."""

    def __init__(self, registry: CollectorRegistry, stats: ServerStats, sees: Callable[[str], bool]) -> None:
        self._registry = registry
        self._standing = stats
        self._sees = sees

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            # When a series began, which the library adds to each, would make a third more of them, for no question
            # that anybody has asked.
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield _with_native(metric, self._standing)
        yield from _families(self._standing, self._sees)


def _with_native(metric: Metric, stats: ServerStats) -> Metric:
    """The metric, and in it what the frontend counted."""
    if metric.name in _NATIVE:
        added = _NATIVE[metric.name](stats)
        metric.samples = [
            sample._replace(value=sample.value + added.get((sample.name, *sorted(sample.labels.items())), 0))
            for sample in metric.samples
        ]
    return metric


_Added = dict[tuple[object, ...], float]  # by a sample's name and labels


def _native_requests(stats: ServerStats) -> _Added:
    counts = {(each.verb, DONE): each.requests for each in stats.native_verbs} | dict(stats.refused_early)
    return {("remit_requests_total", ("reason", reason), ("verb", verb)): n for (verb, reason), n in counts.items()}


def _native_verdicts(stats: ServerStats) -> _Added:
    return {
        ("remit_verdicts_total", ("verb", each.verb), ("verdict", verdict)): count
        for each in stats.native_verbs
        for verdict, count in _verdicts(each)
    }


def _native_seconds(stats: ServerStats) -> _Added:
    added: _Added = {}
    for each in stats.native_verbs:
        for verdict, (buckets, sum_s) in each.seconds.items():
            labels = ("verb", each.verb), ("verdict", verdict)
            added |= _histogram("remit_request_seconds", SECONDS, buckets, sum_s, *labels)
    return added


def _native_steps(stats: ServerStats) -> _Added:
    verbs = stats.native_verbs
    if not verbs:
        return {}
    buckets = [sum(counts) for counts in zip(*(each.steps for each in verbs), strict=True)]
    return _histogram("remit_check_steps", STEPS, buckets, sum(each.steps_sum for each in verbs))


def _histogram(
    name: str, bounds: Sequence[float], buckets: Sequence[int], total: float, *labels: tuple[str, str]
) -> _Added:
    """As Prometheus shows it: each bucket with all below it."""
    ends = [*(floatToGoString(bound) for bound in bounds), "+Inf"]  # type: ignore[no-untyped-call]  # without types
    added: _Added = {
        (f"{name}_bucket", ("le", end), *labels): float(count)
        for end, count in zip(ends, accumulate(buckets), strict=True)
    }
    return added | {(f"{name}_count", *labels): float(sum(buckets)), (f"{name}_sum", *labels): float(total)}


_NATIVE: Mapping[str, Callable[[ServerStats], _Added]] = {
    "remit_requests": _native_requests,
    "remit_verdicts": _native_verdicts,
    "remit_request_seconds": _native_seconds,
    "remit_check_steps": _native_steps,
}


def _families(stats: ServerStats, sees: Callable[[str], bool]) -> Iterator[Metric]:
    yield _gauge("remit_uptime_seconds", "Since the server began to serve.", stats.uptime_s)
    yield _gauge("remit_ready", "1 where /readyz says so.", float(stats.is_ready))
    build = GaugeMetricFamily("remit_build_info", "Which build this is.", labels=["version", "python"])
    build.add_metric([remit.__version__, platform.python_version()], 1)
    yield build

    in_flight = GaugeMetricFamily("remit_in_flight", "Requests at work or waiting for a thread.", labels=["lane"])
    most = GaugeMetricFamily("remit_in_flight_max", "Requests the lane takes on at once.", labels=["lane"])
    refused = CounterMetricFamily("remit_refused", "Requests turned away before any work.", labels=["lane"])
    for queue in stats.queues:
        in_flight.add_metric([queue.name], queue.in_flight)
        most.add_metric([queue.name], queue.in_flight_max)
        refused.add_metric([queue.name], queue.refused)
    yield from (in_flight, most, refused)
    yield _gauge("remit_unsent_bytes", "Bytes of large answers that wait to be read.", stats.unsent_bytes)
    yield _gauge("remit_unanswered_bytes", "Bytes of large requests until they are answered.", stats.unanswered_bytes)
    yield _gauge("remit_calls", "Calls under way over grpcio and HTTP whose key counts.", stats.calls)
    calls_refused = CounterMetricFamily(
        "remit_calls_refused", "Calls refused because their caller, or all, had too many."
    )
    calls_refused.add_metric([], stats.calls_refused)
    yield calls_refused

    stores = {name: each for name, each in stats.stores.items() if sees(name)}
    yield _gauge("remit_stores", "Stores.", len(stores))
    facts = GaugeMetricFamily("remit_store_relationships", "Relationships in memory and store.", labels=["store"])
    revision = GaugeMetricFamily("remit_store_revision", "The head.", labels=["store"])
    for name in sorted(stores)[:STORES_MAX]:
        count, head = stores[name]
        facts.add_metric([name], count)
        revision.add_metric([name], head)
    yield from (facts, revision)
    yield _gauge("remit_store_bytes", "Disk (or memory) all stores take.", stats.store_bytes)
    yield _gauge("remit_writes_waiting", "Writes in the queue of the one writer.", stats.writes_waiting)
    yield _gauge(
        "remit_entries_behind_seconds", "How long an entry of a verb has waited to be kept.", stats.entries_behind_s
    )

    streams = GaugeMetricFamily("remit_streams", "Streams that are open.", labels=["verb"])
    for verb, count in sorted(stats.streams.items()):
        streams.add_metric([verb], count)
    yield streams
    yield _gauge("remit_watchers", "Watch streams that are open.", stats.streams.get("Watch", 0))

    if stats.frontend:
        for name, help in _DOOR_GAUGES.items():
            yield _gauge(f"remit_door_{name}", help, stats.frontend[name])
        for name, help in _DOOR_COUNTERS.items():
            counter = CounterMetricFamily(f"remit_door_{name}", help)
            counter.add_metric([], stats.frontend[name])
            yield counter
        elsewhere = CounterMetricFamily(
            "remit_door_elsewhere", "Requests the door could have answered and left to Python.", labels=["verb"]
        )
        for each in stats.native_verbs:
            if each.elsewhere:
                elsewhere.add_metric([each.verb], each.elsewhere)
        yield elsewhere

    if stats.caches is not None:
        for name, help in _CACHE_COUNTERS.items():
            counter = CounterMetricFamily(f"remit_cache_{name}", help)
            counter.add_metric([], getattr(stats.caches, name))
            yield counter
        yield _gauge("remit_cache_bytes", "Memory the caches of all threads take.", stats.caches.bytes)

    if stats.keys is not None:
        yield _gauge("remit_keys", "Keys that count.", stats.keys)
        yield _gauge("remit_keys_damaged", "1 where the keys file cannot be read.", float(stats.keys_damaged))


_CACHE_COUNTERS = {
    "hits": "Questions that a remembered answer was found for.",
    "misses": "Questions that no remembered answer held for.",
    "evictions": "Remembered answers that gave way to newer ones.",
}

_DOOR_GAUGES = {
    "connections": "Connections that are open.",
    "handshakes": "Connections that have not begun to speak.",
    "proxied": "Calls under way from the door to Python, of who may make them.",
    "strangers": "The same without a key, or with one that does not count.",
}

_DOOR_COUNTERS = {
    "accepted": "Connections that were accepted.",
    "handshakes_failed": "Connections that never began to speak.",
    "handshakes_let_go": "Of these, connections that made room for newer ones.",
    "proxied_refused": "Calls turned away because too many were under way to Python.",
    "strangers_refused": "The same without a key, or with one that does not count.",
}


def _gauge(name: str, help: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help, value=value)
