"""The one client that must notice nothing: it holds, releases, deletes a few facts, checks, and asks for health, at a
steady pace and on connections of its own.

A slow answer holds back the calls that would have met the same stall, so in the 99th percentile each latency stands
also for those that were due while it was waited for, as HdrHistogram corrects for coordinated omission.
Law: every call is counted, by how long it took or by why it failed; and a hold that was acknowledged is a hold that the
very next check is told of."""

from __future__ import annotations

import http.client
import secrets
import ssl
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import grpc
from grpc_health.v1 import health_pb2

from bench.figures import Latencies
from bench.siege.messages import check, delete, fact, hold, release, write
from bench.siege.strangers import HEALTH, HEALTH_WATCH
from bench.siege.target import Target
from bench.siege.world import STEADY_DOC, STEADY_USER, STORE
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2

EVERY_S = 0.05  # a round begins
_SLEEP_S = 0.001
DEADLINE_S = 60.0  # of each call: far more than any may take, so that a late answer has its figure
FEW = 3  # facts

HOLD, RELEASE, DELETE, CHECK, WRITE = "hold", "release", "delete a few", "check", "write a few"
PROBE, NEW_PROBE, HEALTHZ = "health", "health, connecting", "/healthz"
WATCH_HEALTH, WATCH = "watch health", "watch a store"
# No call at all: how late a thread of this process wakes from a sleep, which no server can be quicker than.
SLEEP = "(a sleep)"
KINDS = (HOLD, RELEASE, DELETE, PROBE, NEW_PROBE, HEALTHZ, WATCH_HEALTH, CHECK, WRITE, WATCH, SLEEP)
# What is answered within a tenth of a second, whatever others do.
PROMISED = (HOLD, RELEASE, DELETE, PROBE, NEW_PROBE, HEALTHZ, WATCH_HEALTH)

_WRITE, _DELETE = "/remit.v1.Relationships/Write", "/remit.v1.Relationships/Delete"
_HOLD, _RELEASE = "/remit.v1.Agents/Hold", "/remit.v1.Agents/Release"
_CHECK, _WATCH = "/remit.v1.Permissions/Check", "/remit.v1.Relationships/Watch"
_SERVING = health_pb2.HealthCheckResponse.SERVING


@dataclass(slots=True)
class Steady:
    """What became of its calls, by kind; safe from many threads. `lost`: what was acknowledged and is not so. `rounds`:
    how often it has held, released and deleted."""

    taken_ns: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lost: list[str] = field(default_factory=list)
    rounds: int = 0

    def latencies(self) -> dict[str, Latencies]:
        """Of each kind; only the 99th percentile is corrected."""
        return {
            kind: replace(Latencies.of(taken), p99_us=Latencies.of(corrected(taken)).p99_us)
            for kind in KINDS
            if (taken := self.taken_ns[kind])
        }

    def ask(self, kind: str, call: Callable[[], Any]) -> Any:
        """Its answer; None where there is none."""
        began_ns = time.perf_counter_ns()
        try:
            answer = call()
        except grpc.RpcError as error:
            failed = cast(grpc.Call, error)
            self.failed[kind][f"{failed.code().name}: {failed.details()}"] += 1
            return None
        except Exception as error:  # noqa: BLE001  # whatever it is, it is counted: the thread asks again
            self.failed[kind][f"{type(error).__name__}: {error}"] += 1
            return None
        finally:
            self.taken_ns[kind].append(time.perf_counter_ns() - began_ns)
        return answer


def corrected(taken_ns: list[int], every_s: float = EVERY_S) -> list[int]:
    """With the calls that were due while a slow one was waited for, as long as each of them would have waited."""
    every_ns = int(every_s * 1e9)
    return [left for taken in taken_ns for left in (taken, *range(taken - every_ns, 0, -every_ns))]


@contextmanager
def steady_client(target: Target) -> Iterator[Steady]:
    """At work until the end of the `with`. `target.key` is its own."""
    steady, is_over = Steady(), threading.Event()
    channel = target.channel()
    rounds = [Stops(steady, channel, target).round]
    for kind, probe in {**_probes(channel, target), SLEEP: lambda: time.sleep(_SLEEP_S)}.items():
        rounds.append(partial(_asked_once, steady, kind, probe))
    threads = [threading.Thread(target=_steadily, args=(each, is_over)) for each in rounds]
    for thread in threads:
        thread.start()
    try:
        yield steady
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
        channel.close()


def _steadily(round: Callable[[], Generator[None, None, None]], is_over: threading.Event) -> None:
    """A round is an item for each of its calls: it may be over after any of them, and is closed then."""
    due_s = time.monotonic()
    while not is_over.is_set():
        with closing(round()) as calls:
            for _ in calls:
                if is_over.is_set():
                    return
        now_s = time.monotonic()
        due_s = max(due_s + EVERY_S, now_s)
        is_over.wait(due_s - now_s)


def _asked_once(steady: Steady, kind: str, probe: Callable[[], object]) -> Generator[None, None, None]:
    steady.ask(kind, probe)
    yield


class Stops:
    """Held and released, each seen by the next check; a few facts written, and deleted by a filter.

    A hold is a hold's own: whoever leaves one behind, because it stops in the midst of a round, silences the document
    for whoever comes after it. So a round that is left releases what it has placed; and one whose release was not
    answered begins with that release."""

    def __init__(self, steady: Steady, channel: grpc.Channel, target: Target) -> None:
        self._steady = steady
        self._write = _call(channel, _WRITE, None, target)
        self._delete = _call(channel, _DELETE, relationships_pb2.DeleteResponse, target)
        self._check = _call(channel, _CHECK, permissions_pb2.CheckResponse, target)
        self._hold, self._release = _call(channel, _HOLD, None, target), _call(channel, _RELEASE, None, target)
        self._id = _new_id()
        self._is_placed = False  # as far as was told
        self._asked = check(STEADY_DOC, STEADY_USER, "may")
        self._few = write([fact("few", f"u{each}") for each in range(FEW)])
        self._few_deleted = delete("few")

    def round(self) -> Generator[None, None, None]:
        try:
            yield from self._held_and_released()
        except GeneratorExit:
            if self._is_placed:
                self._steady.ask(RELEASE, self._released)
            raise
        written = self._steady.ask(WRITE, lambda: self._write(self._few))
        yield
        deleted = self._steady.ask(DELETE, lambda: self._delete(self._few_deleted))
        if written is not None and deleted is not None and deleted.deleted != FEW:
            self._steady.lost.append(f"{deleted.deleted} of {FEW} facts were deleted")
        self._steady.rounds += 1
        yield

    def _held_and_released(self) -> Generator[None, None, None]:
        if not self._is_placed:
            # Where no answer comes it is sent again in the next round, under the same request id: carried out once.
            held = self._steady.ask(HOLD, self._held)
            yield
            if held is None:
                return  # it may have happened, or not: nothing can be said of the next check
            self._expect(HOLD, core_pb2.VERDICT_NO)
            yield
        released = self._steady.ask(RELEASE, self._released)
        yield
        if released is not None:
            self._expect(RELEASE, core_pb2.VERDICT_YES)
            yield

    def _held(self) -> bool:
        self._hold(hold(STEADY_DOC, self._id))
        self._is_placed = True
        return True

    def _released(self) -> bool:
        self._release(release(self._id))
        self._id, self._is_placed = _new_id(), False
        return True

    def _expect(self, change: str, verdict: int) -> None:
        answer = self._steady.ask(CHECK, lambda: self._check(self._asked))
        if answer is not None and answer.verdict != verdict:
            said = core_pb2.Verdict.Name(answer.verdict)
            self._steady.lost.append(f"after a {change} that was acknowledged, a check said {said}")


def _new_id() -> str:
    return f"steady-{secrets.token_hex(8)}"


def _call(channel: grpc.Channel, path: str, response: Any, target: Target) -> Callable[[bytes], Any]:
    send = channel.unary_unary(path, None, response.FromString if response else None)
    return lambda message: send(message, timeout=DEADLINE_S, metadata=target.metadata())


def _probes(channel: grpc.Channel, target: Target) -> Mapping[str, Callable[[], object]]:
    """Each raises where it is told anything but that all is well."""
    host, _, port = target.http.rpartition(":")
    watched = relationships_pb2.WatchRequest(store=STORE).SerializeToString()

    def health(through: grpc.Channel) -> None:
        send = through.unary_unary(HEALTH, None, health_pb2.HealthCheckResponse.FromString)
        _require(send(b"", timeout=DEADLINE_S).status == _SERVING, "not serving")

    def newly_connected() -> None:
        with target.channel() as another:
            health(another)

    def healthz() -> None:
        """As an orchestrator does it: a connection for each, and no key."""
        if target.authority:
            context = ssl.create_default_context(cadata=target.authority)
            asked: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, int(port), timeout=DEADLINE_S, context=context
            )
        else:
            asked = http.client.HTTPConnection(host, int(port), timeout=DEADLINE_S)
        try:
            asked.request("GET", "/healthz")
            with asked.getresponse() as response:
                _require(response.status == 200, f"status {response.status}")
                response.read()
        finally:
            asked.close()

    def watch_health() -> None:
        _first(channel, HEALTH_WATCH, b"", ())

    def watch() -> None:
        _first(channel, _WATCH, watched, target.metadata())

    return {
        PROBE: lambda: health(channel),
        NEW_PROBE: newly_connected,
        HEALTHZ: healthz,
        WATCH_HEALTH: watch_health,
        WATCH: watch,
    }


def _first(channel: grpc.Channel, path: str, message: bytes, metadata: tuple[tuple[str, str], ...]) -> None:
    """The first answer of a stream, which is left then."""
    call: Any = channel.unary_stream(path, None, None)(message, timeout=DEADLINE_S, metadata=metadata)
    try:
        _require(next(call, None) is not None, "the stream ended before its first answer")
    finally:
        call.cancel()


def _require(is_well: bool, otherwise: str) -> None:
    if not is_well:
        raise OSError(otherwise)
