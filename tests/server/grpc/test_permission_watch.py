"""WatchPermission over real gRPC: it begins with a checkpoint, tells who gets a permission and who loses it, and ends
with where to go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from remit.engine import permission_watching
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import Operation, RelationshipFilter, Update
from remit.notation import format_time, parse_relationship
from remit.server.limits.serve_limits import ServeLimits
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from remit.v1 import core_pb2
from remit.v1 import permissions_pb2 as P
from remit.wire.status import decode_status
from remit.wire.values import decode_time, encode_time
from tests.support.serving import PATIENCE_S, until

METHOD = "/remit.v1.Permissions/WatchPermission"
NOW_US = 1_767_225_600_000_000
SCHEMA = """
use expiration
caveat on(day int) { day < 5 }
caveat ratio(z int) { 10 / z > 1 }
definition user {}
definition group { relation member: user }
definition folder {
  relation viewer: user | user:* | user with on | user with ratio | user with expiration | group#member
  relation banned: user
  permission view = viewer - banned
}
"""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_US)


@pytest.fixture
def engine(clock: ManualClock) -> Iterator[Engine]:
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    yield engine
    engine.close()


@pytest.fixture
def server(engine: Engine) -> Iterator[BackgroundServer]:
    with BackgroundServer(engine) as server:
        yield server


@pytest.fixture
def channel(server: BackgroundServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.endpoint) as channel:
        yield channel


def write(engine: Engine, *lines: str) -> str:
    updates = [Update(Operation.TOUCH, parse_relationship(line)) for line in lines]
    return engine.relationships.write("", updates).token


def watching(channel: grpc.Channel, **request: Any) -> Iterator[P.WatchPermissionResponse]:
    method = channel.unary_stream(
        METHOD, P.WatchPermissionRequest.SerializeToString, P.WatchPermissionResponse.FromString
    )
    fields = {"resource_type": "folder", "permission": "view", "subject_type": "user", **request}
    return method(P.WatchPermissionRequest(**fields), timeout=PATIENCE_S)  # type: ignore[no-any-return]


def told(stream: Iterator[P.WatchPermissionResponse]) -> P.WatchPermissionResponse:
    """The next message that is no checkpoint."""
    return next(message for message in stream if not message.checkpoint)


def ending(stream: Iterator[Any]) -> Any:
    """The error a stream ends with, whatever comes before it."""
    with pytest.raises(grpc.RpcError) as caught:
        for _ in stream:
            pass
    failed: Any = caught.value
    return decode_status(status_pb2.Status.FromString(dict(failed.trailing_metadata())["grpc-status-details-bin"]))


def permissionship(verdict: str, *missing: str, listed: bool = True) -> P.Permissionship:
    return P.Permissionship(verdict=core_pb2.Verdict.Value(f"VERDICT_{verdict}"), missing=missing, listed=listed)


NONE = permissionship("NO", listed=False)


def test_it_begins_with_a_checkpoint_tells_what_changes_and_checks_in(engine: Engine, channel: grpc.Channel) -> None:
    before = engine.relationships.read("", RelationshipFilter()).token
    stream = watching(channel, checkpoint_interval_ms=100)
    first = next(stream)
    assert (first.checkpoint, first.token, len(first.updates)) == (True, before, 0)
    assert decode_time(first.evaluated_at, "") == NOW_US
    token = write(
        engine, "folder:a#viewer@user:ann", "folder:a#viewer@user:ben[on]", 'folder:a#viewer@user:carl[ratio:{"z":0}]'
    )
    message = told(stream)
    assert message.token == token
    ann, ben, carl = message.updates
    assert [each.subject.object.id for each in (ann, ben, carl)] == ["ann", "ben", "carl"]
    assert (ann.before, ann.now) == (NONE, permissionship("YES"))
    assert (ben.before, ben.now) == (NONE, permissionship("CONDITIONAL", "day"))
    assert carl.now.listed and decode_status(carl.now.error).reason == "CAVEAT_FAILED"
    token = write(engine, "group:g#member@user:zoe")
    beat = next(message for message in stream if message.token == token)
    assert beat.checkpoint and not beat.updates


def test_everybody_is_told_as_a_wildcard(engine: Engine, channel: grpc.Channel) -> None:
    write(engine, "folder:a#banned@user:mal")
    stream = watching(channel)
    next(stream)
    write(engine, "folder:a#viewer@user:*")
    everybody, mal = told(stream).updates
    assert (everybody.subject.object.id, everybody.before, everybody.now) == ("*", NONE, permissionship("YES"))
    assert (mal.subject.object.id, mal.before, mal.now) == ("mal", NONE, permissionship("NO"))


def test_what_time_does_is_told(engine: Engine, channel: grpc.Channel, clock: ManualClock) -> None:
    stream = watching(channel, checkpoint_interval_ms=100)
    next(stream)
    token = write(engine, f"folder:a#viewer@user:ann[expiration:{format_time(NOW_US + 5)}]")
    assert told(stream).token == token
    clock.advance_us(5)
    message = told(stream)
    assert (message.token, decode_time(message.evaluated_at, "")) == (token, NOW_US + 5)
    (update,) = message.updates
    assert (update.before, update.now) == (permissionship("YES"), NONE)


def test_it_goes_on_from_the_token_and_the_time_of_any_answer(
    engine: Engine, channel: grpc.Channel, clock: ManualClock
) -> None:
    write(engine, f"folder:a#viewer@user:ann[expiration:{format_time(NOW_US + 5)}]")
    lookup = channel.unary_unary(
        "/remit.v1.Permissions/LookupSubjects",
        P.LookupSubjectsRequest.SerializeToString,
        P.LookupSubjectsResponse.FromString,
    )
    resource = core_pb2.ObjectReference(type="folder", id="a")
    found = lookup(P.LookupSubjectsRequest(resource=resource, permission="view", subject_type="user"))
    assert [each.subject.object.id for each in found.subjects] == ["ann"]
    clock.advance_us(5)
    write(engine, "folder:a#viewer@user:ben")
    clock.advance_us(1)
    stream = watching(channel, after=found.token, evaluated_at=found.evaluated_at)
    first = next(stream)
    assert (first.checkpoint, first.token, first.evaluated_at) == (True, found.token, found.evaluated_at)
    ann, ben = told(stream).updates
    assert (ann.subject.object.id, ann.now) == ("ann", NONE)
    assert (ben.subject.object.id, ben.now) == ("ben", permissionship("YES"))


def test_another_schema_is_a_reset_and_one_without_the_permission_the_end(
    engine: Engine, channel: grpc.Channel
) -> None:
    stream = watching(channel)
    next(stream)
    engine.schemas.write("", SCHEMA.replace("viewer - banned", "viewer"))
    message = told(stream)
    assert (message.reset, len(message.updates)) == (P.WatchPermissionResponse.RESET_SCHEMA, 0)
    assert message.token == engine.relationships.read("", RelationshipFilter()).token
    engine.schemas.write("", SCHEMA.replace("permission view = viewer - banned", ""))
    error = ending(stream)
    assert (error.reason, error.metadata["token"]) == ("UNKNOWN_RELATION", message.token)


def test_what_is_yet_to_be_sent_is_counted_until_it_is(
    engine: Engine, server: BackgroundServer, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permission_watching, "STEP_BYTES", 1_000)
    for batch in range(3):
        write(engine, *(f"group:g#member@user:u{batch}-{number}" for number in range(1_000)))
    stream = watching(channel)
    next(stream)
    token = write(engine, "folder:a#viewer@group:g#member")
    pieces = [told(stream)]
    while not pieces[-1].token:
        pieces.append(told(stream))
    assert pieces[-1].token == token
    assert len(pieces) > 100
    assert sum(len(each.updates) for each in pieces) == 3_000
    until(lambda: server.server.pipeline.remembered.taken == 0)


def test_more_than_may_be_remembered_ends_it_with_where_to_go_on(engine: Engine) -> None:
    write(engine, *(f"group:g#member@user:u{number}" for number in range(1_000)))
    limits = ServeLimits(remembered_bytes_max=10_000)
    with BackgroundServer(engine, limits=limits) as server, grpc.insecure_channel(server.endpoint) as channel:
        stream = watching(channel)
        first = next(stream)
        write(engine, "folder:a#viewer@group:g#member")
        error = ending(stream)
        assert error.reason == "OVERLOADED"
        assert error.metadata["token"] == first.token
        assert error.metadata["evaluated_at"] == format_time(NOW_US)
        until(lambda: server.server.pipeline.remembered.taken == 0)


def test_a_drain_tells_where_to_go_on(engine: Engine) -> None:
    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        stream = watching(channel)
        next(stream)
        token = write(engine, "folder:a#viewer@user:ann")
        assert told(stream).token == token
        assert server.stop(PATIENCE_S), "it ended by itself"
        error = ending(stream)
        assert (error.reason, error.metadata["token"]) == ("DRAINING", token)
        assert error.metadata["evaluated_at"] == format_time(NOW_US)


TOKEN = "the token of now"


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        ({"after": "r1.nonsense", "evaluated_at": encode_time(NOW_US)}, "INVALID_TOKEN", "after"),
        ({"after": TOKEN}, "INVALID_ARGUMENT", "evaluated_at"),
        ({"evaluated_at": encode_time(NOW_US)}, "INVALID_ARGUMENT", "after"),
        ({"after": TOKEN, "evaluated_at": encode_time(NOW_US + 1)}, "INVALID_ARGUMENT", "evaluated_at"),
        ({"store": "elsewhere"}, "STORE_NOT_FOUND", "store"),
        ({"checkpoint_interval_ms": 99}, "INVALID_ARGUMENT", "checkpoint_interval_ms"),
        ({"resource_type": ""}, "INVALID_REFERENCE", "resource_type"),
        ({"permission": "No Name"}, "INVALID_REFERENCE", "permission"),
        ({"subject_type": ""}, "INVALID_REFERENCE", "subject_type"),
        ({"subject_relation": "no name"}, "INVALID_REFERENCE", "subject_relation"),
        ({"resource_type": "file"}, "UNKNOWN_TYPE", "resource_type"),
        ({"permission": "edit"}, "UNKNOWN_RELATION", "resource_type"),
        ({"subject_type": "person"}, "UNKNOWN_TYPE", "subject_type"),
        ({"subject_relation": "member"}, "UNKNOWN_RELATION", "subject_type"),
    ],
)
def test_what_cannot_be_watched_is_refused_with_a_reason(
    engine: Engine, channel: grpc.Channel, request_: dict[str, Any], reason: str, field: str
) -> None:
    if request_.get("after") == TOKEN:
        request_ = {**request_, "after": engine.relationships.read("", RelationshipFilter()).token}
    error = ending(watching(channel, **request_))
    assert (error.reason, error.field) == (reason, field)
