"""Every limit, reached over the wire: below it a request is answered, beyond it refused, naming the limit and both
numbers. The table is complete: a limit without a line here fails the suite."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import grpc
import pytest
from authzed.api.v1 import permission_service_pb2 as SP
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.rpc import status_pb2

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import AnswerTooLarge, RemoteError, TooManySandboxes
from remit.model import ObjectRef, Operation, Update
from remit.notation import parse_relationship
from remit.server.call import LIGHT_BYTES_MAX
from remit.server.limits.serve_limits import DEFAULT_LIMITS, ServeLimits
from remit.server.run.background import BackgroundServer
from remit.server.run.sandboxes import Sandboxes
from remit.server.verbs import SPICEDB_STREAMS, SPICEDB_VERBS, STREAMS, VERBS
from remit.store.memory import MemoryStore
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
from remit.wire.facts import encode_relationship
from remit.wire.status import decode_status
from tests.support.serving import MIXED_SCHEMA, NOW_US, PATIENCE_S, SCHEMA, GatedEngine

P, R, S, T = permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
PATHS = {verb.method: verb for verb in (*SPICEDB_STREAMS, *SPICEDB_VERBS, *VERBS, *STREAMS)}
FACTS = (
    "folder:top#viewer@user:ann",
    "folder:top#viewer@user:ben",
    "folder:sub#parent@folder:top",
    "folder:deep#parent@folder:sub",
)


@contextmanager
def serving(limits: Limits, serve_limits: ServeLimits = DEFAULT_LIMITS) -> Iterator[tuple[Engine, grpc.Channel]]:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock, limits)
    engine.schemas.write("", SCHEMA)
    for fact in FACTS:
        engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(fact))])
    with BackgroundServer(engine, limits=serve_limits) as server, grpc.insecure_channel(server.endpoint) as channel:
        yield engine, channel
    engine.close()


def asked(channel: grpc.Channel, method: str, request: Message) -> Any:
    """The (first) answer. Raises RemoteError."""
    return next(answers(channel, method, request))


def answers(channel: grpc.Channel, method: str, request: Message) -> Iterator[Any]:
    """Each of them. Raises RemoteError."""
    verb = PATHS[method]
    call = channel.stream_stream(verb.path)(iter([request.SerializeToString()]), timeout=PATIENCE_S)
    try:
        for data in call:
            yield verb.response.FromString(data)
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())  # type: ignore[attr-defined]
        raise decode_status(status_pb2.Status.FromString(trailers["grpc-status-details-bin"])) from None
    finally:
        call.cancel()


def ref(text: str) -> core_pb2.ObjectReference:
    type_name, _, id = text.partition(":")
    return core_pb2.ObjectReference(type=type_name, id=id)


def question(**more: Any) -> P.CheckRequest:
    return P.CheckRequest(
        resource=ref("folder:sub"), permission="view", subject=core_pb2.SubjectReference(object=ref("user:ann")), **more
    )


def struct_of(text: str) -> Struct:
    built = Struct()
    built.update({"text": text})
    return built


def relationship(number: int, context: str = "") -> core_pb2.Relationship:
    trailer = f'[small:{{"most":{context}}}]' if context else ""
    return encode_relationship(parse_relationship(f"folder:f{number}#viewer@user:u{trailer}"))


def touches(count: int, context: str = "") -> list[R.Update]:
    return [
        R.Update(operation=R.OPERATION_TOUCH, relationship=relationship(number, context)) for number in range(count)
    ]


def everything() -> core_pb2.RelationshipFilter:
    return core_pb2.RelationshipFilter(resource_type="folder")


def preconditions(count: int) -> list[R.Precondition]:
    return [R.Precondition(kind=R.Precondition.KIND_MUST_MATCH, filter=everything())] * count


def theirs(count: int) -> list[SP.Precondition]:
    """Preconditions of SpiceDB's."""
    filter = SP.RelationshipFilter(resource_type="folder")
    return [SP.Precondition(operation=SP.Precondition.OPERATION_MUST_MATCH, filter=filter)] * count


def an_import(count: int) -> SP.ImportBulkRelationshipsRequest:
    """Over SpiceDB's wire."""
    request = SP.ImportBulkRelationshipsRequest()
    for number in range(count):
        each = request.relationships.add(relation="viewer")
        each.resource.object_type, each.resource.object_id = "folder", f"imported-{number}"
        each.subject.object.object_type, each.subject.object.object_id = "user", "ann"
    return request


@dataclass(frozen=True)
class Line:
    """With the limit at `most`, `within` is answered and `beyond` is not: `given` is what it is told to have been."""

    most: int
    method: str
    within: Message
    beyond: Message
    given: int | None
    reason: str = "LIMIT_EXCEEDED"


# fmt: off
TABLE: dict[str, Line] = {
    "updates_max": Line(
        2, "Write", R.WriteRequest(updates=touches(2)), R.WriteRequest(updates=touches(3)), 3),
    "preconditions_max": Line(
        2, "Write", R.WriteRequest(updates=touches(1), preconditions=preconditions(2)),
        R.WriteRequest(updates=touches(1), preconditions=preconditions(3)), 3),
    "contextual_max": Line(
        2, "Check", question(contextual=[relationship(number) for number in range(2)]),
        question(contextual=[relationship(number) for number in range(3)]), 3),
    "items_max": Line(
        2, "CheckMany", P.CheckManyRequest(items=[P.CheckItem()] * 2),
        P.CheckManyRequest(items=[P.CheckItem()] * 3), 3),
    "matches_max": Line(
        2, "Write",
        R.WriteRequest(replace=core_pb2.RelationshipFilter(resource_type="folder", resource_id="top"), dry_run=True),
        R.WriteRequest(replace=everything(), updates=touches(1)), 3,
        "TOO_MANY_MATCH"),
    "scanned_max": Line(
        2, "Write",
        R.WriteRequest(replace=core_pb2.RelationshipFilter(resource_type="folder", resource_id="top"), dry_run=True),
        R.WriteRequest(replace=everything(), updates=touches(1)), 3,
        "FILTER_TOO_BROAD"),
    "filters_max": Line(
        2, "Watch", R.WatchRequest(filters=[everything()] * 2), R.WatchRequest(filters=[everything()] * 3), 3),
    "context_bytes_max": Line(
        20, "Check", question(context=struct_of("x" * 9)), question(context=struct_of("x" * 10)), 21),
    "relationship_context_bytes_max": Line(
        12, "Write", R.WriteRequest(updates=touches(1, "100")), R.WriteRequest(updates=touches(1, "10000")), 14),
    "metadata_bytes_max": Line(
        20, "Write", R.WriteRequest(updates=touches(1), metadata=struct_of("x" * 9)),
        R.WriteRequest(updates=touches(1), metadata=struct_of("x" * 10)), 21),
    "spicedb_items_max": Line(
        2, "CheckBulkPermissions", SP.CheckBulkPermissionsRequest(items=[SP.CheckBulkPermissionsRequestItem()] * 2),
        SP.CheckBulkPermissionsRequest(items=[SP.CheckBulkPermissionsRequestItem()] * 3), 3,
        "ERROR_REASON_TOO_MANY_CHECKS_IN_REQUEST"),
    "spicedb_import_max": Line(
        2, "ImportBulkRelationships", an_import(2),
        an_import(3), 3, "ERROR_REASON_TOO_MANY_UPDATES_IN_REQUEST"),
    "spicedb_preconditions_max": Line(
        2, "WriteRelationships", SP.WriteRelationshipsRequest(optional_preconditions=theirs(2)),
        SP.WriteRelationshipsRequest(optional_preconditions=theirs(3)), 3,
        "ERROR_REASON_TOO_MANY_PRECONDITIONS_IN_REQUEST"),
    "spicedb_metadata_bytes_max": Line(
        20, "WriteRelationships", SP.WriteRelationshipsRequest(optional_transaction_metadata=struct_of("x" * 9)),
        SP.WriteRelationshipsRequest(optional_transaction_metadata=struct_of("x" * 10)), 21,
        "ERROR_REASON_TRANSACTION_METADATA_TOO_LARGE"),
    "schema_bytes_max": Line(
        1_000, "WriteSchema", S.WriteSchemaRequest(schema=SCHEMA),
        S.WriteSchemaRequest(schema=SCHEMA + "/" * (1_001 - len(SCHEMA))), 1_001),
    "schema_terms_max": Line(
        12, "WriteSchema", S.WriteSchemaRequest(schema=SCHEMA, dry_run=True),
        S.WriteSchemaRequest(schema=SCHEMA + "\ndefinition one_more {}"), 13),
    "expression_length_max": Line(
        14, "WriteSchema", S.WriteSchemaRequest(schema=SCHEMA, dry_run=True),
        S.WriteSchemaRequest(schema=SCHEMA.replace("amount <= most", "amount  <=  most")), 16),
    "stores_max": Line(
        2, "CreateStore", T.CreateStoreRequest(name="second"), T.CreateStoreRequest(name="third"), 3),
    "steps_max": Line(
        5, "Check", question(), P.CheckRequest(
            resource=ref("folder:deep"), permission="view",
            subject=core_pb2.SubjectReference(object=ref("user:ann"))), 6, "STEP_BUDGET"),
    "request_bytes_max": Line(
        500, "Write", R.WriteRequest(updates=touches(1)), R.WriteRequest(updates=touches(15)), None),
    "response_bytes_max": Line(
        150, "Check", question(), question(explain=True), None, "ANSWER_TOO_LARGE"),
}
# fmt: on
"""Where the request itself is too much. What is shortened instead of refused, and what is of the server and not of a
request, has a test of its own below."""

ELSEWHERE = {"page_max", "undone_max", "evaluation_bytes_max", "expanded_max", "json_bytes_max"}


def test_every_limit_of_a_request_has_its_line_or_its_test() -> None:
    assert {field.name for field in fields(Limits)} == set(TABLE) | ELSEWHERE


@pytest.mark.parametrize("name", TABLE)
def test_a_request_at_the_limit_is_answered_and_one_beyond_it_is_refused_by_name(name: str) -> None:
    line = TABLE[name]
    with serving(replace(Limits(), **{name: line.most})) as (_, channel):
        asked(channel, line.method, line.within)
        with pytest.raises(RemoteError) as refused:
            asked(channel, line.method, line.beyond)
    assert refused.value.reason == line.reason
    assert refused.value.metadata["limit"] == str(line.most)
    assert refused.value.metadata["name"] == name
    if line.given is not None:
        assert refused.value.metadata["given"] == str(line.given)
    else:
        assert int(refused.value.metadata["given"]) > line.most
    assert str(line.most) in refused.value.message


def test_a_page_is_never_longer_than_the_limit_and_says_that_there_is_more() -> None:
    with serving(Limits(page_max=2)) as (_, channel):
        page = asked(channel, "Read", R.ReadRequest(limit=1_000))
        assert len(page.items) == 2 and page.next_cursor
        page = asked(channel, "Read", R.ReadRequest(cursor=page.next_cursor))
        assert len(page.items) == 2 and not page.next_cursor
        assert len(asked(channel, "Export", R.ExportRequest()).relationships) == 2


def test_a_past_beyond_the_limit_is_not_looked_up() -> None:
    with serving(Limits(undone_max=1)) as (engine, channel):
        first, second = _last_tokens(engine)
        assert asked(channel, "Check", question(consistency=core_pb2.Consistency(at_exactly=second))).token == second
        with pytest.raises(RemoteError) as refused:
            asked(channel, "Check", question(consistency=core_pb2.Consistency(at_exactly=first)))
    assert (refused.value.reason, refused.value.metadata["name"]) == ("STEP_BUDGET", "undone_max")
    assert refused.value.metadata["limit"] == "1"


def test_a_past_and_a_question_with_too_much_to_remember_are_refused_by_name() -> None:
    with serving(Limits(evaluation_bytes_max=20_000)) as (engine, channel):
        first, _ = _last_tokens(engine)
        asked(channel, "Check", question(explain=True))
        for number in range(100):
            facts = [
                Update(Operation.TOUCH, parse_relationship(f"folder:n{number}#parent@folder:n{number + 1}")),
            ]
            engine.relationships.write("", facts)
        deep = P.CheckRequest(
            resource=ref("folder:n0"),
            permission="view",
            subject=core_pb2.SubjectReference(object=ref("user:ann")),
            explain=True,
        )
        for request in (deep, question(consistency=core_pb2.Consistency(at_exactly=first))):
            with pytest.raises(RemoteError) as refused:
                asked(channel, "Check", request)
            assert (refused.value.reason, refused.value.metadata["name"]) == ("STEP_BUDGET", "evaluation_bytes_max")
            assert refused.value.metadata["limit"] == "20000"
            assert int(refused.value.metadata["given"]) > 20_000


def test_an_expansion_beyond_the_limit_is_refused_by_name() -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock, Limits(expanded_max=4))
    engine.schemas.write("", SCHEMA)
    for fact in FACTS:
        engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(fact))])
    assert engine.questions.expand("", ObjectRef("folder", "top"), "viewer").expansion.sets
    with pytest.raises(AnswerTooLarge) as refused:
        engine.questions.expand("", ObjectRef("folder", "deep"), "view")
    assert dict(refused.value.metadata) == {"name": "expanded_max", "limit": "4", "given": "5"}
    engine.close()


def _last_tokens(engine: Engine) -> tuple[str, str]:
    """Of two revisions: the first is two changes behind the head, the second one."""
    tokens = [
        engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(FACTS[0] + str(n)))]).token
        for n in range(3)
    ]
    return tokens[0], tokens[1]


# --- of the server ----------------------------------------------------------------------------------------------

SERVER_LIMITS: dict[str, Callable[[], None]] = {}


def of_the_server(*names: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(test: Callable[[], None]) -> Callable[[], None]:
        SERVER_LIMITS.update(dict.fromkeys(names, test))
        return test

    return register


def test_every_limit_of_the_server_has_its_test() -> None:
    assert {field.name for field in fields(ServeLimits)} == set(SERVER_LIMITS)


@pytest.mark.parametrize("name", [field.name for field in fields(ServeLimits)])
def test_a_limit_of_the_server_is_kept(name: str) -> None:
    SERVER_LIMITS[name]()


@of_the_server("sandboxes_max")
def a_server_for_testing_gives_so_many_stores() -> None:
    sandboxes = Sandboxes(ManualClock(NOW_US), Limits(), 1)
    first = sandboxes.of([("authorization", "Bearer one")])
    with pytest.raises(TooManySandboxes) as refused:
        sandboxes.of([("authorization", "Bearer two")])
    assert refused.value.metadata["limit"] == "1"
    assert sandboxes.of([("authorization", "Bearer one")]) is first
    sandboxes.close()


@of_the_server("readers", "writers", "stream_threads")
def threads_are_as_many_as_chosen() -> None:
    with serving(Limits(), ServeLimits(readers=1, writers=1, stream_threads=1)) as (_, channel):
        calls = [
            channel.unary_unary(PATHS[method].path).future(request.SerializeToString())
            for method, request in (("Check", question()), ("Write", R.WriteRequest(updates=touches(1))))
            for _ in range(8)
        ]
        for call in calls:
            call.result(PATIENCE_S)
        for _ in range(3):
            asked(channel, "Backup", T.BackupRequest())
        names = [thread.name for thread in threading.enumerate()]
    for queue in ("reads", "writes", "streams"):
        assert names.count(f"remit-{queue}-0") == 1
        assert f"remit-{queue}-1" not in names


@of_the_server("heavy_readers", "heavy_writers")
def threads_for_what_is_heavy_are_as_many_as_chosen() -> None:
    with serving(Limits(), ServeLimits(heavy_readers=1, heavy_writers=1)) as (_, channel):
        calls = [
            channel.unary_unary(PATHS[method].path).future(request.SerializeToString())
            for method, request in (
                ("Read", R.ReadRequest(cursor="x" * LIGHT_BYTES_MAX)),  # large, and refused by the thread that reads it
                ("Write", R.WriteRequest(updates=touches(1), dry_run=True)),
            )
            for _ in range(8)
        ]
        assert [call.exception(PATIENCE_S) is None for call in calls] == [False] * 8 + [True] * 8
        names = [thread.name for thread in threading.enumerate()]
    for queue in ("reads", "writes"):
        assert names.count(f"remit-heavy-{queue}-0") == 1
        assert f"remit-heavy-{queue}-1" not in names


@of_the_server("reads_in_flight_max", "writes_in_flight_max")
def requests_in_flight_are_bounded() -> None:
    clock = ManualClock(NOW_US)
    engine = GatedEngine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    most = ServeLimits(reads_in_flight_max=1, writes_in_flight_max=1)
    requests = {"reads": ("Check", question()), "writes": ("Write", R.WriteRequest(updates=touches(1)))}
    with BackgroundServer(engine, limits=most) as server, grpc.insecure_channel(server.endpoint) as channel:
        for queue, (method, request) in requests.items():
            accepted = channel.unary_unary(PATHS[method].path).future(request.SerializeToString())
            assert engine.begun.get(timeout=PATIENCE_S) == method.lower()
            with pytest.raises(RemoteError) as refused:
                asked(channel, method, request)
            assert refused.value.reason == "OVERLOADED"
            assert refused.value.retry_after_s is not None
            assert dict(refused.value.metadata) == {"name": f"{queue}_in_flight_max", "limit": "1", "given": "2"}
            engine.gate.set()
            accepted.result(PATIENCE_S)
            engine.gate.clear()
        engine.gate.set()
    engine.close()


@of_the_server("default_deadline_s")
def a_request_without_a_deadline_gets_one_and_a_stream_does_not() -> None:
    clock = ManualClock(NOW_US)
    engine = GatedEngine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    with (
        BackgroundServer(engine, limits=ServeLimits(default_deadline_s=0.05)) as server,
        grpc.insecure_channel(server.endpoint) as channel,
    ):
        watch = channel.unary_stream(PATHS["Watch"].path)(R.WatchRequest().SerializeToString())
        next(watch)
        with pytest.raises(grpc.RpcError) as ended:
            channel.unary_unary(PATHS["Check"].path)(question().SerializeToString())
        assert engine.endings.get(timeout=PATIENCE_S) == "DEADLINE_EXCEEDED"
        trailers = dict(ended.value.trailing_metadata())  # type: ignore[attr-defined]
        refused = decode_status(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
        assert dict(refused.metadata) == {"name": "default_deadline_s", "limit": "0.05"}
        engine.gate.set()
        channel.unary_unary(PATHS["Write"].path)(R.WriteRequest(updates=touches(1)).SerializeToString())
        next(watch)  # it is open still
        watch.cancel()
    engine.close()


@of_the_server("rate_per_key")
def a_key_asks_no_more_often_than_it_may() -> None:
    with serving(Limits(), ServeLimits(rate_per_key=0.001)) as (_, channel):
        asked(channel, "Check", question())
        for method, request in (("Check", question()), ("Export", R.ExportRequest())):
            with pytest.raises(RemoteError) as refused:
                asked(channel, method, request)
            assert (refused.value.reason, refused.value.status.name) == ("RATE_LIMITED", "RESOURCE_EXHAUSTED")
            assert (refused.value.metadata["name"], refused.value.metadata["limit"]) == ("rate_per_key", "0.001")
            assert refused.value.retry_after_s is not None and 0 < refused.value.retry_after_s <= 1_000


@of_the_server("streams_max", "streams_per_key_max")
def streams_are_bounded_in_all_and_for_each_caller() -> None:
    for name, most in (
        ("streams_max", ServeLimits(streams_max=1)),
        ("streams_per_key_max", ServeLimits(streams_per_key_max=1)),
    ):
        with serving(Limits(), most) as (_, channel):
            call = channel.unary_stream(PATHS["Watch"].path)(R.WatchRequest().SerializeToString(), timeout=PATIENCE_S)
            next(call)
            with pytest.raises(RemoteError) as refused:
                asked(channel, "Watch", R.WatchRequest())
            call.cancel()
        assert refused.value.reason == "TOO_MANY_STREAMS"
        assert dict(refused.value.metadata) == {"name": name, "limit": "1", "given": "2"}


@of_the_server("unsent_bytes_max")
def answers_that_wait_to_be_read_are_bounded() -> None:
    updates = [R.Update(operation=R.OPERATION_TOUCH, relationship=relationship(number)) for number in range(300)]
    with serving(Limits(), ServeLimits(unsent_bytes_max=5_000)) as (_, channel):
        asked(channel, "Read", R.ReadRequest())
        asked(channel, "Write", R.WriteRequest(updates=updates))
        with pytest.raises(RemoteError) as refused:
            asked(channel, "Read", R.ReadRequest())
        assert len(asked(channel, "Read", R.ReadRequest(limit=20)).items) == 20
        # What was written is told all the same, however much there is to tell.
        told = asked(channel, "WriteSchema", S.WriteSchemaRequest(schema=MIXED_SCHEMA))
        assert told.ByteSize() > 5_000
    assert (refused.value.reason, refused.value.metadata["name"]) == ("OVERLOADED", "unsent_bytes_max")
    assert int(refused.value.metadata["given"]) > 5_000 == int(refused.value.metadata["limit"])


@of_the_server("unanswered_bytes_max")
def requests_that_are_not_answered_are_bounded() -> None:
    def write(count: int) -> Any:
        updates = [R.Update(operation=R.OPERATION_TOUCH, relationship=relationship(each)) for each in range(count)]
        return R.WriteRequest(updates=updates)

    with serving(Limits(), ServeLimits(unanswered_bytes_max=8_000)) as (_, channel):
        for _ in range(3):
            asked(channel, "Write", write(100))
        with pytest.raises(RemoteError) as refused:
            asked(channel, "Write", write(900))
        asked(channel, "Write", write(100))
    assert (refused.value.reason, refused.value.metadata["name"]) == ("OVERLOADED", "unanswered_bytes_max")
    assert int(refused.value.metadata["given"]) > 8_000 == int(refused.value.metadata["limit"])


@of_the_server("remembered_bytes_max")
def what_lists_of_the_past_remember_is_bounded_in_all() -> None:
    def updates(operation: Any) -> Any:
        return R.WriteRequest(
            updates=[R.Update(operation=operation, relationship=relationship(each)) for each in range(9)]
        )

    def listed(channel: grpc.Channel, token: str) -> int:
        request = SP.ExportBulkRelationshipsRequest(optional_limit=1)
        request.consistency.at_exact_snapshot.token = token
        return len(list(answers(channel, "ExportBulkRelationships", request)))

    def deleted(channel: grpc.Channel) -> str:
        token: str = asked(channel, "Write", updates(R.OPERATION_TOUCH)).token
        asked(channel, "Write", updates(R.OPERATION_DELETE))
        return token

    with serving(Limits(), ServeLimits(remembered_bytes_max=16_000)) as (_, channel):
        token = deleted(channel)
        for _ in range(5):  # what each took is given back
            assert listed(channel, token) >= 9
    with serving(Limits(), ServeLimits(remembered_bytes_max=6_000)) as (_, channel):
        token = deleted(channel)
        with pytest.raises(RemoteError) as refused:
            listed(channel, token)
    assert (refused.value.reason, refused.value.metadata["name"]) == ("FAIR_SHARE", "remembered_bytes_max")


@of_the_server("request_s")
def a_request_has_to_come_in_time() -> None:
    done = threading.Event()

    def never() -> Iterator[bytes]:
        done.wait(PATIENCE_S)
        yield b""

    with serving(Limits(), ServeLimits(request_s=0.05)) as (_, channel):
        for method in ("Read", "Watch", "Import"):
            verb = PATHS[method]
            call = channel.stream_stream(verb.path)(never(), timeout=PATIENCE_S)
            with pytest.raises(grpc.RpcError) as ended:
                next(call)
            trailers = dict(ended.value.trailing_metadata())  # type: ignore[attr-defined]
            refused = decode_status(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
            assert (refused.reason, refused.metadata["name"]) == ("SLOW_REQUEST", "request_s"), method
        done.set()


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


@contextmanager
def raw(most: ServeLimits, says: bytes) -> Iterator[socket.socket]:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    with BackgroundServer(engine, limits=most) as server:
        host, _, port = server.endpoint.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
            connection.sendall(says)
            yield connection
    engine.close()


def until_closed(connection: socket.socket) -> bytes:
    """All that is said until the server closes the connection."""
    said = b""
    while data := connection.recv(65_536):
        said += data
    return said


@of_the_server("calls_per_connection_max")
def a_connection_is_told_how_many_calls_it_may_have() -> None:
    with raw(ServeLimits(calls_per_connection_max=7), PREFACE) as connection:
        frame = b""
        while len(frame) < 9 or len(frame) < 9 + int.from_bytes(frame[:3], "big"):
            frame += connection.recv(1_024)
    assert frame[3] == 4, "the first frame of a server is its SETTINGS"
    settings = dict(struct.iter_unpack(">HI", frame[9 : 9 + int.from_bytes(frame[:3], "big")]))
    assert settings[3] == 7  # SETTINGS_MAX_CONCURRENT_STREAMS


@of_the_server("handshake_s")
def a_connection_that_never_speaks_is_closed() -> None:
    with raw(ServeLimits(handshake_s=0.05), b"") as connection:
        until_closed(connection)


@of_the_server("http_connections_max")
def of_the_http_port_the_least_useful_connection_makes_room() -> None:
    engine = Engine(MemoryStore(clock_us=ManualClock(NOW_US).now_us), ManualClock(NOW_US))
    with BackgroundServer(engine, http="127.0.0.1:0", limits=ServeLimits(http_connections_max=2)) as server:
        host, _, port = server.http_endpoint.rpartition("/")[2].rpartition(":")
        with ExitStack() as opened:
            first, *others = [opened.enter_context(socket.create_connection((host, int(port)))) for _ in range(3)]
            until_closed(first)
            for each in others:
                each.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
                assert each.recv(65_536).startswith(b"HTTP/1.1 200 ")
    engine.close()


GOAWAY = b"\x07\x00" + bytes(4)  # the frame's kind and flags, and stream 0


@of_the_server("idle_connection_s")
def a_connection_without_a_call_is_closed_in_good_order() -> None:
    with raw(ServeLimits(idle_connection_s=0.05), PREFACE) as connection:
        said = b""
        while GOAWAY not in said:
            data = connection.recv(65_536)
            assert data, f"closed without a word: {said!r}"
            said += data


@of_the_server("slow_consumer_s")
def a_reader_who_takes_nothing_is_let_go() -> None:
    options = [("grpc.http2.lookahead_bytes", 65_535), ("grpc.http2.bdp_probe", 0)]
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    for begin in range(0, 6_000, 1_000):
        facts = [f"folder:{'f' * 100}{number}#viewer@user:ann" for number in range(begin, begin + 1_000)]
        engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(fact)) for fact in facts])
    with (
        BackgroundServer(engine, limits=ServeLimits(slow_consumer_s=0.05)) as server,
        grpc.insecure_channel(server.endpoint, options) as channel,
    ):
        finished = threading.Event()
        server.server.telemetry.metrics.messages = lambda verb, count: finished.set()  # type: ignore[method-assign]
        call = channel.unary_stream(PATHS["Export"].path)(R.ExportRequest().SerializeToString(), timeout=PATIENCE_S)
        assert finished.wait(PATIENCE_S), "the stream is still open"
        with pytest.raises(grpc.RpcError) as ended:
            list(call)
    engine.close()
    trailers = dict(ended.value.trailing_metadata())  # type: ignore[attr-defined]
    refused = decode_status(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
    assert (refused.reason, refused.metadata["name"]) == ("SLOW_CONSUMER", "slow_consumer_s")
