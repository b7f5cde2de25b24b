"""Laws of traces: a call is a span of the caller's trace, which tells what the answer told and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import ProxyTracerProvider, SpanKind, StatusCode

from remit.client import Client, RemoteError
from remit.engine.facade import Engine
from remit.engine.questions import Questions
from remit.engine.results import CheckResult
from remit.eval.plain import PlainEvaluator
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.run.background import BackgroundServer
from remit.server.telemetry.telemetry import Telemetry
from remit.server.telemetry.tracing import Tracing, trace_id_of
from remit.v1 import core_pb2, permissions_pb2
from tests.support.serving import SCHEMA, opened

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CHECKING = "/remit.v1.Permissions/Check"
CHECK = permissions_pb2.CheckRequest(
    resource=core_pb2.ObjectReference(type="folder", id="sub"),
    permission="view",
    subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann")),
)


class BreakingEngine(Engine):
    """Every check is a defect of ours."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.questions = BreakingQuestions(self.views, PlainEvaluator(), self.limits)


class BreakingQuestions(Questions):
    def check(self, *_: Any, **__: Any) -> CheckResult:
        raise ZeroDivisionError("a secret of ours")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exporter: InMemorySpanExporter) -> Telemetry:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Telemetry(tracing=Tracing(provider))


@pytest.fixture
def server(engine: Engine, telemetry: Telemetry) -> Iterator[BackgroundServer]:
    engine.schemas.write("", SCHEMA)
    with BackgroundServer(engine, telemetry=telemetry) as server:
        yield server


@pytest.fixture
def client(server: BackgroundServer) -> Iterator[Client]:
    with Client(server.endpoint) as client:
        yield client


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    exporter.clear()
    return span


def attributes(span: ReadableSpan) -> dict[str, object]:
    """Without the id, which is another each time."""
    told = dict(span.attributes or {})
    assert told.pop("remit.request_id")
    return told


def test_a_call_is_a_span_that_tells_what_its_answer_told(client: Client, exporter: InMemorySpanExporter) -> None:
    client.touch("folder:top#viewer@user:ann", "folder:sub#parent@folder:top")
    assert attributes(only(exporter)) == {
        "rpc.system": "grpc",
        "rpc.service": "remit.v1.Relationships",
        "rpc.method": "Write",
        "rpc.grpc.status_code": 0,
        "remit.verb": "Write",
        "remit.store": "default",
        "remit.relationships": 2,
        "remit.revision": 2,
    }
    assert client.check("folder:sub#view@user:ann")
    span = only(exporter)
    assert (span.name, span.kind) == ("remit.v1.Permissions/Check", SpanKind.SERVER)
    told = attributes(span)
    assert told.pop("remit.steps") == 5
    assert told == {
        "rpc.system": "grpc",
        "rpc.service": "remit.v1.Permissions",
        "rpc.method": "Check",
        "rpc.grpc.status_code": 0,
        "remit.verb": "Check",
        "remit.store": "default",
        "remit.verdict": "yes",
        "remit.revision": 2,
    }
    assert span.parent is None
    client.check_many(["folder:sub#view@user:ann", "folder:sub#view@user:eve"])
    told = attributes(only(exporter))
    assert "remit.verdict" not in told and isinstance(told["remit.steps"], int)


@pytest.mark.parametrize("flags", ["01", "00"])
def test_the_callers_trace_is_gone_on_with_as_it_was_sampled(
    server: BackgroundServer, exporter: InMemorySpanExporter, flags: str
) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        channel.unary_unary("/remit.v1.Permissions/Check")(
            CHECK.SerializeToString(), metadata=[("traceparent", f"00-{TRACE}-{PARENT}-{flags}")]
        )
    spans = exporter.get_finished_spans()
    if flags == "00":
        assert spans == ()
        return
    (span,) = spans
    assert span.context is not None and span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.parent.is_remote


@pytest.mark.parametrize(
    "traceparent",
    ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{PARENT}-01"],
)
def test_a_damaged_parent_begins_a_trace_of_its_own_and_costs_no_answer(
    server: BackgroundServer, exporter: InMemorySpanExporter, traceparent: str
) -> None:
    with grpc.insecure_channel(server.endpoint) as channel:
        data = channel.unary_unary("/remit.v1.Permissions/Check")(
            CHECK.SerializeToString(), metadata=[("traceparent", traceparent)]
        )
    assert permissions_pb2.CheckResponse.FromString(data).verdict == core_pb2.VERDICT_NO
    assert only(exporter).parent is None
    assert trace_id_of({"traceparent": traceparent}) == ""


def test_a_callers_mistake_is_told_and_is_not_our_failure(client: Client, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(RemoteError):
        client.check("nowhere:a#view@user:b")
    span = only(exporter)
    assert attributes(span)["remit.reason"] == "UNKNOWN_TYPE"
    assert attributes(span)["rpc.grpc.status_code"] == 9
    assert span.status.status_code is StatusCode.UNSET


def test_our_own_failure_is_an_error_that_tells_nothing_of_the_defect(
    telemetry: Telemetry, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    engine = opened(BreakingEngine)
    with (
        BackgroundServer(engine, telemetry=telemetry) as server,
        Client(server.endpoint) as client,
        pytest.raises(RemoteError),
    ):
        client.check("folder:a#view@user:b")
    engine.close()
    span = only(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert "secret" not in span.to_json()
    assert "a secret of ours" in caplog.text  # the log is where it is told


def test_a_caveats_context_and_a_writers_metadata_are_in_no_span(
    client: Client, exporter: InMemorySpanExporter
) -> None:
    fact = parse_relationship('folder:top#viewer@user:ann[small:{"most":5}]')
    client.write([Update(Operation.TOUCH, fact)], metadata={"why": "classified"})
    client.check("folder:top#view@user:ann", context={"amount": 4242})
    with pytest.raises(RemoteError):
        client.check("folder:top#view@user:ann", context={"amount": "classified"})
    shown = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert len(exporter.get_finished_spans()) == 3
    assert "classified" not in shown and "4242" not in shown


def test_a_stream_is_one_span_with_its_messages(client: Client, exporter: InMemorySpanExporter) -> None:
    client.touch("folder:top#viewer@user:ann")
    exporter.clear()
    assert len(list(client.export())) == 1
    told = attributes(only(exporter))
    assert (told["rpc.method"], told["remit.messages"], told["remit.store"]) == ("Export", 1, "default")


def test_without_an_sdk_there_are_no_spans() -> None:
    tracing = Tracing()
    assert not tracing.is_on
    assert tracing.begin("/remit.v1.Permissions/Check", {"traceparent": f"00-{TRACE}-{PARENT}-01"}) is None
    assert trace_id_of({"traceparent": f"00-{TRACE}-{PARENT}-01"}) == TRACE


def test_where_nobody_takes_spans_it_is_looked_for_somebody_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, looks, taker = [5.0], [0], [None]

    def provider() -> object:
        looks[0] += 1
        return taker[0] or ProxyTracerProvider()

    monkeypatch.setattr(trace, "get_tracer_provider", provider)
    tracing = Tracing(clock_s=lambda: now_s[0])
    for now_s[0] in (5.0, 5.1, 5.999):
        assert tracing.begin(CHECKING, {}) is None
    assert looks[0] == 1
    taker[0] = TracerProvider()  # type: ignore[call-overload]
    assert tracing.begin(CHECKING, {}) is None
    now_s[0] = 6.0
    assert tracing.begin(CHECKING, {}) is not None
