"""What becomes known of a request once it has ended: metrics, a span, a line in the log.

The pipeline says when a call begins and how it ended; what it asked and was told is read from its messages, as the row
of its verb says (`request_summary`).
Laws: nothing of an answer waits for, hangs on, or is changed by any of this; every request is counted exactly once."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from remit.errors import RemitError
from remit.notation import shortened
from remit.server.call import Call
from remit.server.request_summary import NOTHING, RequestSummary, revision_of, store_of
from remit.server.telemetry import tracing
from remit.server.telemetry.log import RequestLog
from remit.server.telemetry.metrics import DONE, Metrics
from remit.server.telemetry.tracing import Tracing, trace_id_of
from remit.server.verb import Verb

log = logging.getLogger("remit.requests")


class Telemetry:
    """The telemetry of one server. `clock_s` only ever measures how long something took."""

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

    @property
    def needs_every_request(self) -> bool:
        """Whether at this moment somebody wants to be told of each request by itself, so that Python must answer it:
        an OpenTelemetry SDK may come, and a level be changed, while the server runs."""
        return self.tracing.is_on or log.isEnabledFor(logging.DEBUG)

    def begin(self, verb: Verb[Any], call: Call) -> Observed:
        """A call has arrived. Tell its end with `Observed.end`."""
        observed = Observed(self, verb, call)
        if verb.is_stream:
            self.streams[verb.label] += 1
        return observed


class Observed:
    """One call, from its arrival to its end. `messages` counts what a stream has sent."""

    def __init__(self, telemetry: Telemetry, verb: Verb[Any], call: Call) -> None:
        self._telemetry = telemetry
        self._verb = verb
        self._call = call
        self._span = telemetry.tracing.begin(verb.path, call.metadata)
        self._began_s = telemetry.clock_s()
        self.messages = 0

    def end(self, error: RemitError | None = None) -> None:
        """The call has ended: with an answer, or with an error."""
        duration_s = self._telemetry.clock_s() - self._began_s
        if self._verb.is_stream:
            self._telemetry.streams[self._verb.label] -= 1
        try:
            summary = self._summary(error)
            self._count(summary, error, duration_s)
            if self._span is not None:
                tracing.end(self._span, self._attributes(summary), error)
            self._write(summary, error, duration_s)
        except Exception:
            # A defect in here is ours to mend, and nobody's answer.
            log.exception("a request could not be told", extra={"verb": self._verb.label})

    def _summary(self, error: RemitError | None) -> RequestSummary:
        """What the answer told; nothing where there is none."""
        call = self._call
        if error is not None or call.response is None:
            return NOTHING
        return self._verb.reader.summary(call.request, call.response)

    def _count(self, summary: RequestSummary, error: RemitError | None, duration_s: float) -> None:
        metrics = self._telemetry.metrics
        reason = DONE if error is None else error.reason
        verb = self._verb.label
        metrics.request(verb, reason, None if self._verb.is_stream else duration_s, _only(summary.verdicts))
        if self._verb.is_stream:
            metrics.messages(verb, self.messages)
        for verdict in summary.verdicts:
            metrics.verdict(verb, verdict)
        for steps in summary.steps:
            metrics.steps(steps)
        if summary.relationships is not None:
            metrics.relationships(verb, summary.relationships)

    def _attributes(self, summary: RequestSummary) -> dict[str, str | int]:
        """Of the span. What was asked many times over has no one verdict."""
        attributes: dict[str, str | int] = {"verb": self._verb.label, "request_id": self._call.request_id}
        if store := store_of(self._call.request):
            attributes["store"] = store
        if verdict := _only(summary.verdicts):
            attributes["verdict"] = verdict
        if summary.steps:
            attributes["steps"] = sum(summary.steps)
        if summary.relationships is not None:
            attributes["relationships"] = summary.relationships
        if (revision := revision_of(self._call.response)) is not None:
            attributes["revision"] = revision
        if self._verb.is_stream:
            attributes["messages"] = self.messages
        return attributes

    def _write(self, summary: RequestSummary, error: RemitError | None, duration_s: float) -> None:
        wanted = self._telemetry.requests
        is_slow = wanted.slow_s is not None and duration_s > wanted.slow_s and not self._verb.is_stream
        level = logging.WARNING if is_slow else logging.INFO if wanted.every else logging.DEBUG
        if not log.isEnabledFor(level):
            return
        call = self._call
        line: dict[str, object] = {
            "request_id": call.request_id,
            "verb": self._verb.label,
            "principal": call.caller.principal,
            "status": DONE if error is None else error.reason,
            "duration_ms": round(duration_s * 1_000, 3),
        }
        optional = {
            "key": call.key.id if call.key is not None else "",
            "key_shown": call.key_shown,
            "peer": call.peer,
            "trace_id": trace_id_of(call.metadata),
            "store": store_of(call.request),
            "verdict": _only(summary.verdicts),
            "steps": sum(summary.steps),
            "messages": self.messages,
            "question": self._question() if is_slow else "",
        }
        line.update((name, value) for name, value in optional.items() if value)
        log.log(level, "slow request" if is_slow else "request", extra=line)

    def _question(self) -> str:
        """What was asked, in a line."""
        request = self._call.request
        return shortened(self._verb.reader.question(request), 500) if request is not None else ""


def _only(verdicts: Sequence[str]) -> str:
    """The verdict of a request that asked one question; "" of others."""
    return verdicts[0] if len(verdicts) == 1 else ""
