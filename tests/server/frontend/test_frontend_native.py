"""What the frontend answers by itself is what is plain; it counts, and writes show in the next answer."""

from __future__ import annotations

import logging
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from remit.client import Client
from remit.server.limits.serve_limits import DEFAULT_LIMITS
from remit.server.telemetry.log import RequestLog
from remit.server.telemetry.telemetry import Telemetry
from remit.server.verbs import UNARY
from remit.v1 import core_pb2, permissions_pb2
from tests.support.serving import until
from tests.support.ways_in import CHECK, CHECK_MANY, Both, Refused, both, told


def question(subject: str = "ann", resource: str = "sub") -> permissions_pb2.CheckRequest:
    return permissions_pb2.CheckRequest(
        resource=core_pb2.ObjectReference(type="folder", id=resource),
        permission="view",
        subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id=subject)),
    )


def verdict(answer: bytes | Refused) -> int:
    assert isinstance(answer, bytes)
    return permissions_pb2.CheckResponse.FromString(answer).verdict


def many(*subjects: str) -> bytes:
    asked = [question(subject) for subject in subjects]
    items = [permissions_pb2.CheckItem(resource=q.resource, permission=q.permission, subject=q.subject) for q in asked]
    return permissions_pb2.CheckManyRequest(items=items).SerializeToString()


def test_a_plain_question_never_reaches_python(pair: Both, door: grpc.Channel) -> None:
    before = pair.native()
    assert verdict(told(door, CHECK, question().SerializeToString())) == core_pb2.VERDICT_YES
    assert verdict(told(door, CHECK, question("bob").SerializeToString())) == core_pb2.VERDICT_NO
    assert isinstance(told(door, CHECK_MANY, many("ann", "bob", "ann")), bytes)
    after = pair.native()
    verbs = ("Check", "CheckMany")
    gained = {verb: tuple(a - b for a, b in zip(after[verb], before[verb], strict=True)) for verb in verbs}
    assert gained == {"Check": (1, 1, 0), "CheckMany": (2, 1, 0)}


@pytest.mark.parametrize(("amount", "expected"), [(3, core_pb2.VERDICT_YES), (9, core_pb2.VERDICT_NO)])
def test_a_plain_caveat_never_reaches_python(pair: Both, door: grpc.Channel, amount: int, expected: int) -> None:
    request = question("cara")
    request.context.update({"amount": amount, "unheard": ["of"]})
    before = pair.native()
    assert verdict(told(door, CHECK, request.SerializeToString())) == expected
    many = permissions_pb2.CheckManyRequest(
        items=[
            permissions_pb2.CheckItem(
                resource=request.resource, permission=request.permission, subject=request.subject, context=context
            )
            for context in (request.context, None)
        ]
    )
    told(door, CHECK_MANY, many.SerializeToString())
    after = pair.native()
    is_yes = expected == core_pb2.VERDICT_YES
    assert after["Check"] == (before["Check"][0] + is_yes, before["Check"][1] + (not is_yes), before["Check"][2])
    assert after["CheckMany"][2] == before["CheckMany"][2] + 1, "without a context it is conditional"


def with_a_context_of_another_type(request: permissions_pb2.CheckRequest) -> None:
    request.subject.object.id = "cara"
    request.context.update({"amount": "three"})


def with_a_long_context(request: permissions_pb2.CheckRequest) -> None:
    request.context.update({"amount": "3" * 1_000})


def with_explain(request: permissions_pb2.CheckRequest) -> None:
    request.explain = True


def of_a_caveat(request: permissions_pb2.CheckRequest) -> None:
    request.subject.object.id = "cara"


def of_nobody(request: permissions_pb2.CheckRequest) -> None:
    request.subject.object.type = "ghost"


@pytest.mark.parametrize(
    "change", [with_a_context_of_another_type, with_a_long_context, with_explain, of_a_caveat, of_nobody]
)
def test_what_is_not_plain_is_left_to_python(
    pair: Both, door: grpc.Channel, change: Callable[[permissions_pb2.CheckRequest], None]
) -> None:
    request = question()
    change(request)
    before = pair.native()["Check"]
    told(door, CHECK, request.SerializeToString())
    assert pair.native()["Check"] == (before[0], before[1], before[2] + 1)


def test_a_run_is_left_to_python_and_a_compressed_request_is_refused_unread(pair: Both, door: grpc.Channel) -> None:
    before = pair.native()["Check"]
    data = question().SerializeToString()
    assert verdict(told(door, CHECK, data, [("x-remit-run", "r-7")])) == core_pb2.VERDICT_YES
    large = question("a" * 1_000).SerializeToString()  # a small one is not worth compressing, to gRPC
    refused = told(door, CHECK, large, compression=grpc.Compression.Gzip)
    assert isinstance(refused, Refused) and refused.code is grpc.StatusCode.UNIMPLEMENTED
    assert pair.native()["Check"] == (before[0], before[1], before[2] + 2)  # neither was the core's to answer


@pytest.mark.parametrize("why", ["rates", "every request is told", "slow ones are, however short"])
def test_where_each_request_must_be_told_or_counted_python_answers(why: str) -> None:
    limits = replace(DEFAULT_LIMITS, rate_per_key=1e6 if why == "rates" else 0.0)
    told_of = {
        "every request is told": RequestLog(every=True),
        "slow ones are, however short": RequestLog(slow_s=0.001),
    }
    with (
        both(limits=limits, telemetry=Telemetry(requests=told_of.get(why))) as pair,
        grpc.insecure_channel(pair.door.endpoint) as channel,
    ):
        assert verdict(told(channel, CHECK, question().SerializeToString())) == core_pb2.VERDICT_YES
        assert pair.native()["Check"] == (0, 0, 0)


@contextmanager
def a_lower_level() -> Iterator[Callable[[], int]]:
    """Somebody sets the level of `remit.requests` to debug: how many requests were told of since."""
    records: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger("remit.requests"), Keeping()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield lambda: len(records)
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


@contextmanager
def an_sdk() -> Iterator[Callable[[], int]]:
    """An OpenTelemetry SDK takes the process' spans: how many it has."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "get_tracer_provider", lambda: provider)
        yield lambda: len(exporter.get_finished_spans())


@pytest.mark.parametrize("wanting", [a_lower_level, an_sdk])
def test_while_somebody_wants_to_be_told_of_each_request_python_answers(
    wanting: Callable[[], AbstractContextManager[Callable[[], int]]],
) -> None:
    """Also where that begins and ends while the server runs: it is noticed at the next look."""
    data = question().SerializeToString()
    with both() as pair, grpc.insecure_channel(pair.door.endpoint) as channel:

        def natively() -> int:
            before = pair.native()["Check"][0]
            assert verdict(told(channel, CHECK, data)) == core_pb2.VERDICT_YES
            return pair.native()["Check"][0] - before

        assert natively() == 1
        with wanting() as told_of:
            pair.door.look_at_files()
            assert natively() == 0
            assert told_of() == 1
        pair.door.look_at_files()
        assert natively() == 1


def test_it_is_noticed_by_the_look_that_comes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.server.run.refresher.LOOK_EVERY_S", 0.01)
    data = question().SerializeToString()
    with both() as pair, grpc.insecure_channel(pair.door.endpoint) as channel:
        with a_lower_level() as told_of:
            until(lambda: isinstance(told(channel, CHECK, data), bytes) and told_of() > 0)
        before = pair.native()["Check"][0]
        until(lambda: isinstance(told(channel, CHECK, data), bytes) and pair.native()["Check"][0] > before)


def test_the_table_of_verbs_and_the_core_name_the_same_methods_as_hot(pair: Both) -> None:
    assert {verb.label for verb in UNARY if verb.is_hot} == set(pair.native())


def test_native_answers_count_as_python_s_do() -> None:
    """Each to a server of its own, the same questions: the same numbers."""
    shown = []
    for is_door in (True, False):
        with both(http="127.0.0.1:0") as pair:
            server = pair.door if is_door else pair.bare
            with grpc.insecure_channel(server.endpoint) as channel:
                for subject in ("ann", "ann", "bob"):
                    told(channel, CHECK, question(subject).SerializeToString())
                told(channel, CHECK_MANY, many("ann", "bob"))
            with urllib.request.urlopen(f"{server.http_endpoint}/metrics", timeout=30) as response:
                lines = response.read().decode().splitlines()
            counted = ("remit_requests_total", "remit_verdicts_total", "remit_request_seconds_count", "_steps_count")
            shown.append(sorted(line for line in lines if any(name in line for name in counted)))
            assert ("remit_door_connections" in "".join(lines)) == is_door
    assert shown[0] == shown[1]
    assert any('remit_requests_total{reason="OK",verb="Check"} 3.0' in line for line in shown[0])


def test_an_acknowledged_write_is_seen_by_the_next_check_on_every_connection() -> None:
    """Two write and take away their own facts, and ask on connections of their own."""
    problems: list[str] = []

    def work(pair: Both, name: str) -> None:
        options = (("grpc.use_local_subchannel_pool", 1),)
        with (
            Client(pair.door.endpoint) as writer,
            grpc.insecure_channel(pair.door.endpoint, options) as one,
            grpc.insecure_channel(pair.door.endpoint, options) as other,
        ):
            data = question(name, "top").SerializeToString()
            for _ in range(40):
                for write, expected in ((writer.touch, core_pb2.VERDICT_YES), (writer.delete, core_pb2.VERDICT_NO)):
                    write(f"folder:top#viewer@user:{name}")
                    seen = [verdict(told(channel, CHECK, data)) for channel in (one, other)]
                    if seen != [expected, expected]:
                        problems.append(f"{name} saw {seen} after {write.__name__}")

    with both() as pair:
        threads = [threading.Thread(target=work, args=(pair, name)) for name in ("eve", "fay")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pair.native()["Check"] == (160, 160, 0)
    assert problems == []
