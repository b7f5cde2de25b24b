"""Traces: a span for each call, within the trace that the caller began.

Spans go to whatever OpenTelemetry SDK the process was started with, as by `opentelemetry-instrument remit serve`. With
none, which is the usual case, a call costs one look at the clock.
Law: what a span tells is what the answer told; nothing of a request's context or key is in it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry.trace import ProxyTracerProvider, Span, SpanKind, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import remit
from remit.errors import RemitError
from remit.errors import Status as RemitStatus

_PROPAGATOR = TraceContextTextMapPropagator()
# gRPC's own convention: of a server, only these are its fault and not the caller's.
_OUR_FAULT = frozenset(
    (
        RemitStatus.UNKNOWN,
        RemitStatus.DEADLINE_EXCEEDED,
        RemitStatus.UNIMPLEMENTED,
        RemitStatus.INTERNAL,
        RemitStatus.UNAVAILABLE,
        RemitStatus.DATA_LOSS,
    )
)

# The library looks into the environment each time it is asked for a provider that nobody has set: 3 % of a write. An
# SDK that comes after the server may miss the first second.
_LOOK_EVERY_S = 1.0


class Tracing:
    """Begins spans. `provider` None: whichever the process has by then. `clock_s` only measures how long ago a look
    was."""

    def __init__(self, provider: TracerProvider | None = None, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._clock_s = clock_s
        self._tracer: Tracer | None = None
        self._look_again_s = -math.inf  # until then nobody is looked for

    @property
    def is_on(self) -> bool:
        """Whether anybody takes the spans."""
        return self._provider is not None or not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)

    def begin(self, path: str, metadata: Mapping[str, str]) -> Span | None:
        """The span of a call to `/service/method`, below the caller's `traceparent`; None where nobody takes it."""
        if self._clock_s() < self._look_again_s:
            return None
        if not self.is_on:
            self._look_again_s = self._clock_s() + _LOOK_EVERY_S
            return None
        if self._tracer is None:
            self._tracer = trace.get_tracer("remit.server", remit.__version__, self._provider)
        _, service, method = path.split("/")
        return self._tracer.start_span(
            f"{service}/{method}",
            _PROPAGATOR.extract(metadata),
            SpanKind.SERVER,
            {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
        )


def end(span: Span, attributes: Mapping[str, str | int], error: RemitError | None) -> None:
    """Close a span. Attributes are named `remit.…`."""
    if span.is_recording():
        span.set_attributes({f"remit.{name}": value for name, value in attributes.items()})
        span.set_attribute("rpc.grpc.status_code", 0 if error is None else error.status.value)
        if error is not None:
            span.set_attribute("remit.reason", error.reason)
            if error.status in _OUR_FAULT:
                span.set_status(Status(StatusCode.ERROR, error.reason))
    span.end()


def trace_id_of(metadata: Mapping[str, str]) -> str:
    """The caller's trace, as 32 hexadecimal digits; "" where it named none. For log lines, SDK or not."""
    if "traceparent" not in metadata:
        return ""
    context = trace.get_current_span(_PROPAGATOR.extract(metadata)).get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""
