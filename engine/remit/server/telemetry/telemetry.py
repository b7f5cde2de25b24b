"""What becomes known of a request once it has ended: numbers, a span, a line in the log.

The transport says when a call begins and how it ended; what it asked and was told is read from its messages (`told`).
Laws: nothing of an answer waits for, hangs on, or is changed by any of this; every request is counted exactly once."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from remit.errors import RemitError
from remit.server.call import Call
from remit.server.request_summary import Told, label_of, question_of, revision_of, store_of, told_by
from remit.server.telemetry import tracing
from remit.server.telemetry.log import RequestLog
from remit.server.telemetry.metrics import DONE, Metrics
from remit.server.telemetry.tracing import Tracing, trace_id_of

log = logging.getLogger("remit.requests")


class Telemetry:
    """Of one server. `clock_s` only ever measures how long something took."""

    def __init__(
        self,
        *,
        tracing: Tracing | None = None,
        requests: RequestLog | None = None,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.metrics = Metrics()
        self.tracing = tracing or Tracing()
        self.requests = requests or RequestLog()
        self.clock_s = clock_s
        self.streams: Counter[str] = Counter()  # those that are open, by verb
        self._began_s = clock_s()

    @property
    def uptime_s(self) -> float:
        return self.clock_s() - self._began_s

    def begin(self, path: str, call: Call, *, is_stream: bool = False) -> Observed:
        """A call to `/service/method` has arrived. Tell its end with `Observed.end`."""
        observed = Observed(self, path, call, is_stream)
        if is_stream:
            self.streams[observed.verb] += 1
        return observed


class Observed:
    """One call, from its arrival to its end. `messages` counts what a stream has sent."""

    def __init__(self, telemetry: Telemetry, path: str, call: Call, is_stream: bool) -> None:
        self._telemetry = telemetry
        self.verb = label_of(path)
        self._call = call
        self._is_stream = is_stream
        self._span = telemetry.tracing.begin(path, call.metadata)
        self._began_s = telemetry.clock_s()
        self.messages = 0

    def end(self, error: RemitError | None = None) -> None:
        """The call has ended: with an answer, or with an error."""
        duration_s = self._telemetry.clock_s() - self._began_s
        if self._is_stream:
            self._telemetry.streams[self.verb] -= 1
        try:
            told = told_by(self.verb, self._call.request, self._call.response if error is None else None)
            self._count(told, error, duration_s)
            if self._span is not None:
                tracing.end(self._span, self._attributes(told), error)
            self._write(told, error, duration_s)
        except Exception:
            # A defect in here is ours to mend, and nobody's answer.
            log.exception("a request could not be told", extra={"verb": self.verb})

    def _count(self, told: Told, error: RemitError | None, duration_s: float) -> None:
        metrics = self._telemetry.metrics
        reason = DONE if error is None else error.reason
        metrics.request(self.verb, reason, None if self._is_stream else duration_s, _only(told.verdicts))
        if self._is_stream:
            metrics.messages(self.verb, self.messages)
        for verdict in told.verdicts:
            metrics.verdict(self.verb, verdict)
        for steps in told.steps:
            metrics.steps(steps)
        if told.relationships is not None:
            metrics.relationships(self.verb, told.relationships)

    def _attributes(self, told: Told) -> dict[str, str | int]:
        """Of the span. What was asked many times over has no one verdict."""
        attributes: dict[str, str | int] = {"verb": self.verb, "request_id": self._call.request_id}
        if store := store_of(self._call.request):
            attributes["store"] = store
        if verdict := _only(told.verdicts):
            attributes["verdict"] = verdict
        if told.steps:
            attributes["steps"] = sum(told.steps)
        if told.relationships is not None:
            attributes["relationships"] = told.relationships
        if (revision := revision_of(self._call.response)) is not None:
            attributes["revision"] = revision
        if self._is_stream:
            attributes["messages"] = self.messages
        return attributes

    def _write(self, told: Told, error: RemitError | None, duration_s: float) -> None:
        wanted = self._telemetry.requests
        is_slow = wanted.slow_s is not None and duration_s > wanted.slow_s and not self._is_stream
        level = logging.WARNING if is_slow else logging.INFO if wanted.every else logging.DEBUG
        if not log.isEnabledFor(level):
            return
        call = self._call
        line: dict[str, object] = {
            "request_id": call.request_id,
            "verb": self.verb,
            "principal": call.caller.principal,
            "status": DONE if error is None else error.reason,
            "duration_ms": round(duration_s * 1_000, 3),
        }
        optional = {
            "key": call.key.id if call.key is not None else "",
            "trace_id": trace_id_of(call.metadata),
            "store": store_of(call.request),
            "verdict": _only(told.verdicts),
            "steps": sum(told.steps),
            "messages": self.messages,
            "question": question_of(call.request) if is_slow else "",
        }
        line.update((name, value) for name, value in optional.items() if value)
        log.log(level, "slow request" if is_slow else "request", extra=line)


def _only(verdicts: Sequence[str]) -> str:
    """The verdict of a request that asked one question; "" of others."""
    return verdicts[0] if len(verdicts) == 1 else ""
