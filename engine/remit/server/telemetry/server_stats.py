"""What there is in a server at one moment: what is looked up when somebody asks, and not counted before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from remit.eval.native import Caches


@dataclass(frozen=True, slots=True)
class NativeVerb:
    """What the frontend has answered by itself of one verb, since it opened. Histograms are buckets and their sum,
    not cumulated; the last bucket is what is above all bounds. `seconds`: by the verdict of requests that asked one
    question, and "" of others. `elsewhere`: requests that it left to Python, which counts them."""

    verb: str
    yes: int = 0
    no: int = 0
    elsewhere: int = 0
    seconds: Mapping[str, tuple[Sequence[int], float]] = field(default_factory=dict)
    steps: Sequence[int] = ()
    steps_sum: int = 0

    @property
    def requests(self) -> int:
        return sum(sum(buckets) for buckets, _ in self.seconds.values())


@dataclass(frozen=True, slots=True)
class QueueStats:
    """How many places of a queue are taken, out of how many, and how many requests it has refused."""

    name: str
    in_flight: int
    in_flight_max: int
    refused: int


@dataclass(frozen=True, slots=True)
class ServerStats:
    """What there is now. `calls` and `calls_refused` are of those over grpcio and HTTP. `stores`: how many
    relationships each holds, and its revision. `keys` None: the server has none. `frontend`: what it counts of
    connections and calls; `native_verbs`: what it answered by itself; `refused_early`: what it refused, by verb and
    reason; all empty where there is none. `caches`: of all threads; None without the core."""

    uptime_s: float = 0.0
    is_ready: bool = True
    queues: Sequence[QueueStats] = ()
    unsent_bytes: int = 0
    unanswered_bytes: int = 0
    calls: int = 0
    calls_refused: int = 0
    stores: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    store_bytes: int = 0
    writes_waiting: int = 0
    entries_behind_s: float = 0.0
    streams: Mapping[str, int] = field(default_factory=dict)
    keys: int | None = None
    keys_damaged: bool = False
    frontend: Mapping[str, int] = field(default_factory=dict)
    native_verbs: Sequence[NativeVerb] = ()
    refused_early: Mapping[tuple[str, str], int] = field(default_factory=dict)
    caches: Caches | None = None
