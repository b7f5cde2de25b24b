"""One siege: a server, the steady client, and attackers who come, stay a while and leave; then once more, for a stop.

Law: what is asked of the server is asked while they are there (answers, memory), after they have left (all that they
held is free again), and in the middle of them (it stops when it is told to)."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import ssl
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from bench.figures import Latencies
from bench.processes import Running, remit_server
from bench.siege.attack import Counts, attacked
from bench.siege.bound import stated_bytes
from bench.siege.certificate import Certificate
from bench.siege.steady import Steady, steady_client
from bench.siege.target import Target
from bench.siege.world import REVOKED, STEADY, World
from remit.cli.metrics import Sample, parse_metrics
from remit.engine.limits import Limits
from remit.server.limits.serve_limits import DEFAULT_LIMITS

GRACE_S = 5.0  # of the servers here
STOPS_WITHIN_S = GRACE_S + 10.0  # its watchdog ends it before, whatever hangs
ALONE_S = 1.0  # what the steady client asks before anybody comes
RELEASED_WITHIN_S = 30.0
ROUNDS_MIN = 2
PATIENCE_S = 120.0
_EVERY_S = 0.02


class Way(Enum):
    """Who listens: what `--front-door` is given; and the files that stay open when all have left. The frontend's own
    ways to Python do, for the next calls: two files for every 64 calls that there were at once."""

    FRONTEND = "on", 600
    GRPCIO = "off", 10

    def __init__(self, front_door: str, files_kept_max: int) -> None:
        self.front_door = front_door
        self.files_kept_max = files_kept_max


@dataclass(frozen=True, slots=True)
class Terms:
    """How a server is besieged. `with_keys`: it asks for them. `certificate`: it speaks TLS. `nice`: attackers are the
    last to get a processor."""

    way: Way
    seconds: float
    with_keys: bool = True
    certificate: Certificate | None = None
    nice: bool = True

    @property
    def flags(self) -> Iterator[str]:
        yield from ("--http-api", "--front-door", self.way.front_door, "--grace-s", str(GRACE_S))
        if self.certificate is not None:
            yield from ("--tls-cert", str(self.certificate.certificate), "--tls-key", str(self.certificate.key))


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the server's own: before, at most, and after; and how many more its flags say there may be."""

    before: int
    peak: int
    after: int
    stated: int

    @property
    def is_within(self) -> bool:
        return self.peak - self.before <= self.stated


@dataclass(frozen=True, slots=True)
class Outcome:
    """`alone`: latencies of the steady client before. `kept`: what was not given back, by its metric. `stopped_s`: None
    where it did not stop; `is_overdue`: its watchdog had to end it."""

    alone: Mapping[str, Latencies]
    latencies: Mapping[str, Latencies]
    failed: Mapping[str, Counter[str]]
    lost: Sequence[str]
    counts: Mapping[str, Counts]
    memory: Memory
    kept: Mapping[str, float]
    released_s: float
    log_bytes: int
    tracebacks: int
    stopped_s: float | None
    is_overdue: bool

    @property
    def faults(self) -> list[str]:
        """What must not be, whatever machine it is measured on."""
        found = [
            f"{kind} failed {count} times: {why}" for kind, whys in self.failed.items() for why, count in whys.items()
        ]
        found += self.lost
        if not self.memory.is_within:
            found.append(
                f"memory grew by {(self.memory.peak - self.memory.before) >> 20} MiB, beyond the "
                f"{self.memory.stated >> 20} MiB that the flags state"
            )
        found += [f"`{name}` is still {value:g} after all had left" for name, value in self.kept.items()]
        if self.tracebacks:
            found.append(f"the log has {self.tracebacks} tracebacks")
        if self.stopped_s is None:
            found.append(f"it did not stop within {STOPS_WITHIN_S:g} s of SIGTERM, with a grace of {GRACE_S:g} s")
        if self.is_overdue:
            found.append(f"its watchdog had to end it, with a grace of {GRACE_S:g} s")
        return found


def besiege(world: World, terms: Terms, names: Sequence[str]) -> Outcome:
    """By the attackers of these names, all at once."""
    with tempfile.TemporaryDirectory(prefix="remit-siege-") as folder:
        data, log = Path(folder, "data"), Path(folder, "log")
        shutil.copytree(world.data, data)
        keys = ["--keys", str(world.keys_file)] if terms.with_keys else []
        with remit_server(data, None, *terms.flags, *keys, http=True, log=log) as server:
            return _besieged(server, log, world, terms, names)


def _besieged(server: Running, log: Path, world: World, terms: Terms, names: Sequence[str]) -> Outcome:
    target = _target(server, world, terms)
    steady_target = replace(target, key=world.keys[STEADY] if terms.with_keys else "")
    targets = {name: replace(target, key=world.keys.get(name, "") if terms.with_keys else "") for name in names}
    with steady_client(steady_target) as alone:
        time.sleep(ALONE_S)
    files_max = _open_files(server) + terms.way.files_kept_max
    with _weighed(server) as weights:
        with attacked(targets, nice=terms.nice) as attacks:
            began = attacks.counts()
            with steady_client(steady_target) as steady:
                _wait(terms.seconds, steady)
            counts = _since(began, attacks.counts())
        left_s = time.monotonic()
        kept = _kept(server, steady_target, terms.way, files_max)
        while kept and time.monotonic() - left_s < RELEASED_WITHIN_S:
            time.sleep(_EVERY_S)
            kept = _kept(server, steady_target, terms.way, files_max)
        released_s = time.monotonic() - left_s
    with attacked(targets, nice=terms.nice):
        stopped_s = server.stop(STOPS_WITHIN_S)
    stated = stated_bytes(Limits(), DEFAULT_LIMITS, with_frontend=terms.way is Way.FRONTEND)
    text = log.read_text(encoding="utf-8", errors="replace")
    return Outcome(
        alone=alone.latencies(),
        latencies=steady.latencies(),
        failed=_both(alone, steady),
        lost=[*alone.lost, *steady.lost],
        counts=counts,
        memory=Memory(weights[0], max(weights), weights[-1], stated),
        kept=kept,
        released_s=released_s,
        log_bytes=len(text),
        tracebacks=text.count("Traceback (most recent call last)"),
        stopped_s=stopped_s,
        is_overdue=any(bark in text for bark in _BARKS),
    )


def _wait(seconds: float, steady: Steady) -> None:
    """So long, and until the steady client has come round, however slow the machine."""
    began_s = time.monotonic()
    time.sleep(seconds)
    while steady.rounds < ROUNDS_MIN and time.monotonic() - began_s < PATIENCE_S:
        time.sleep(_EVERY_S)


def _target(server: Running, world: World, terms: Terms) -> Target:
    authority = terms.certificate.authority.read_text(encoding="ascii") if terms.certificate is not None else ""
    # By name: certificates are for `localhost`.
    grpc, http = (each.rpartition("/")[2].replace("127.0.0.1", "localhost") for each in (server.address, server.http))
    return Target(grpc, http, world.sizes, "", world.keys[REVOKED], world.past, authority)


def _since(before: Mapping[str, Counts], now: Mapping[str, Counts]) -> dict[str, Counts]:
    return {
        name: Counts(now[name].answered - before[name].answered, now[name].refused - before[name].refused)
        for name in now
    }


def _both(first: Steady, second: Steady) -> dict[str, Counter[str]]:
    return {kind: first.failed[kind] + second.failed[kind] for kind in {*first.failed, *second.failed}}


# --- what the server holds ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _weighed(server: Running) -> Iterator[list[int]]:
    """Its memory from the beginning of the `with` to its end, looked at all the time."""
    weights, is_over = [_weight(server)], threading.Event()

    def weigh() -> None:
        while not is_over.wait(_EVERY_S):
            weights.append(_weight(server))

    thread = threading.Thread(target=weigh)
    thread.start()
    try:
        yield weights
    finally:
        is_over.set()
        thread.join()
        weights.append(_weight(server))


def _weight(server: Running) -> int:
    return server.own_bytes() or 0


def _open_files(server: Running) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))  # noqa: PTH208  # a Path is made for each


# Of the watchdog: its own, and that of the one behind it, which ends a process whose threads cannot run.
_BARKS = "stop overdue", "Timeout ("
# Each is nothing where nobody calls, but for the one connection over which this is asked.
_HELD = (
    "remit_in_flight",
    "remit_unsent_bytes",
    "remit_unanswered_bytes",
    "remit_calls",
    "remit_writes_waiting",
    "remit_watchers",
)
_HELD_BY_VERB = ("remit_streams",)  # of each verb that has any: there is none where there are none
_HELD_BY_FRONTEND = (
    "remit_door_connections",
    "remit_door_proxied",
    "remit_door_strangers",
    "remit_door_handshakes",
)


def _kept(server: Running, target: Target, way: Way, files_max: int) -> dict[str, float]:
    """What is not free, by its metric."""
    try:
        sample = _scraped(server, target)
    except OSError as error:
        return {f"/metrics, which answers nothing: {error}": 1}
    kept = kept_of(sample, way)
    if (over := _open_files(server) - files_max) > 0:
        kept["open files, too many"] = over
    return kept


def kept_of(sample: Sample, way: Way) -> dict[str, float]:
    """What the server's own numbers say is not free; a number that is not there is infinite, for nobody can say."""
    required = _HELD + (_HELD_BY_FRONTEND if way is Way.FRONTEND else ())
    held = {name: sum(sample.values[name].values()) if name in sample.values else math.inf for name in required}
    held |= {name: sum(sample.values.get(name, {}).values()) for name in _HELD_BY_VERB}
    return {name: value for name, value in held.items() if value}


def _scraped(server: Running, target: Target) -> Sample:
    asked = urllib.request.Request(f"{'https' if target.authority else 'http'}://{target.http}/metrics")
    if target.key:
        asked.add_header("authorization", f"Bearer {target.key}")
    context = ssl.create_default_context(cadata=target.authority) if target.authority else None
    with urllib.request.urlopen(asked, timeout=RELEASED_WITHIN_S, context=context) as answer:
        return parse_metrics(answer.read().decode())
