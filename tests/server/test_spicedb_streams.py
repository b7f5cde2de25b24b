"""What goes on for long over SpiceDB's wire: lists, imports, exports and watches, each in the revision it began at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from authzed.api.v1 import core_pb2 as core
from authzed.api.v1 import permission_service_pb2 as permissions
from authzed.api.v1 import watch_service_pb2 as watching
from authzed.api.v1.permission_service_pb2_grpc import PermissionsServiceStub
from authzed.api.v1.watch_service_pb2_grpc import WatchServiceStub
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.engine.results import DeleteResult
from remit.errors import FairShareSpent, StoreFull
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.call import Call
from remit.server.limits.fair_quota import FairQuota
from remit.server.run.background import BackgroundServer
from remit.server.streams import Stream
from remit.store.memory import MemoryStore
from remit.wire.spicedb.facts import decode_relationship
from tests.support.keyed import refusal_of
from tests.support.serving import NOW_US, SCHEMA

FOLDERS = permissions.RelationshipFilter(resource_type="folder")
RELATIONSHIPS = watching.WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES
SCHEMAS = watching.WATCH_KIND_INCLUDE_SCHEMA_UPDATES
CHECKPOINTS = watching.WATCH_KIND_INCLUDE_CHECKPOINTS


@pytest.fixture
def channel(client: Client) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(client.endpoint) as channel:
        yield channel


@pytest.fixture
def asks(channel: grpc.Channel) -> PermissionsServiceStub:
    return PermissionsServiceStub(channel)


@pytest.fixture
def watches(channel: grpc.Channel) -> WatchServiceStub:
    return WatchServiceStub(channel)


def text(message: core.Relationship) -> str:
    relationship = decode_relationship(message, "relationship")
    return f"{relationship.key}{'[…]' if relationship.qualifiers.caveat else ''}"


def read(asks: PermissionsServiceStub, **parts: object) -> list[permissions.ReadRelationshipsResponse]:
    request = permissions.ReadRelationshipsRequest(**{"relationship_filter": FOLDERS, **parts})  # type: ignore[arg-type]
    return list(asks.ReadRelationships(request, timeout=60))


def reason(call: Iterable[object]) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        list(call)
    return refusal_of(raised.value).reason


def info_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert next(detail for detail in status.details if detail.Is(info.DESCRIPTOR)).Unpack(info)
    return info


# --- lists ------------------------------------------------------------------------------------------------------


def test_a_list_holds_what_was_written_as_it_was_written(client: Client, asks: PermissionsServiceStub) -> None:
    written = [
        'folder:a#viewer@user:ann[small:{"most":3}]',
        "folder:a#viewer@user:ben[expiration:2029-01-01T00:00:00Z]",
        "folder:b#parent@folder:a",
    ]
    client.touch(*written)
    found = [decode_relationship(each.relationship, "") for each in read(asks)]
    assert {str(each.key): each for each in found if each.resource.id in "ab"} == {
        str(each.key): each for each in map(parse_relationship, written)
    }
    passing = [each.relationship for each in read(asks) if each.relationship.HasField("optional_expires_at")]
    assert [each.optional_expires_at.ToDatetime(UTC) for each in passing] == [datetime(2029, 1, 1, tzinfo=UTC)]


def test_a_list_is_filtered_as_spicedb_filters(client: Client, asks: PermissionsServiceStub) -> None:
    client.touch("folder:a#viewer@user:ann", "folder:ab#viewer@user:ben", "folder:b#parent@folder:a")
    filter = permissions.RelationshipFilter
    plain = permissions.SubjectFilter.RelationFilter(relation="")
    for asked, count in (
        (filter(resource_type="folder", optional_resource_id="a"), 1),
        (filter(resource_type="folder", optional_resource_id_prefix="a"), 2),
        (filter(resource_type="folder", optional_relation="parent"), 2),
        (filter(optional_relation="parent"), 2),
        (filter(optional_subject_filter=permissions.SubjectFilter(subject_type="user")), 3),
        (filter(optional_subject_filter=permissions.SubjectFilter(subject_type="user", optional_relation=plain)), 3),
        (filter(optional_subject_filter=permissions.SubjectFilter(subject_type="user", optional_subject_id="ann")), 2),
    ):
        assert len(read(asks, relationship_filter=asked)) == count, asked


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1_000])
def test_pages_are_together_the_whole_of_the_revision_they_began_at(
    client: Client, asks: PermissionsServiceStub, limit: int
) -> None:
    client.touch(*(f"folder:{number:02}#viewer@user:ann" for number in range(12)))
    whole = [text(each.relationship) for each in read(asks)]
    found: list[str] = []
    cursor = None
    for at in range(len(whole) + 2):
        page = read(asks, optional_limit=limit, **({"optional_cursor": cursor} if cursor else {}))
        found += [text(each.relationship) for each in page]
        assert len({each.read_at.token for each in page}) <= 1
        if len(page) < limit:
            break
        cursor = page[-1].after_result_cursor
        client.touch(f"folder:{at:02}#viewer@user:late")
        client.delete(f"folder:{(at + 5) % 12:02}#viewer@user:ann")
    assert found == whole


def test_a_list_is_of_the_revision_that_is_asked_for(client: Client, asks: PermissionsServiceStub) -> None:
    before = client.touch("folder:a#viewer@user:ann")
    after = client.delete("folder:a#viewer@user:ann")
    exactly = permissions.Consistency
    was = read(asks, consistency=exactly(at_exact_snapshot=core.ZedToken(token=before)))
    now = read(asks, consistency=exactly(at_least_as_fresh=core.ZedToken(token=after)))
    assert ("folder:a#viewer@user:ann" in map(text, (each.relationship for each in was))) is True
    assert ("folder:a#viewer@user:ann" in map(text, (each.relationship for each in now))) is False
    assert {each.read_at.token for each in was} == {before}


def test_what_has_not_begun_is_in_no_list(engine: Engine) -> None:
    schema = "use not_before\ndefinition user {}\ndefinition folder { relation viewer: user with not_before }"
    engine.schemas.write("", schema)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        before = client.read_schema().token
        client.touch(
            "folder:a#viewer@user:later[not_before:2099-01-01T00:00:00Z]",
            "folder:a#viewer@user:now[not_before:2020-01-01T00:00:00Z]",
        )
        with grpc.insecure_channel(server.endpoint) as channel:
            asks = PermissionsServiceStub(channel)
            assert [text(each.relationship) for each in read(asks)] == ["folder:a#viewer@user:now"]
            exported = asks.ExportBulkRelationships(permissions.ExportBulkRelationshipsRequest(), timeout=60)
            assert [text(each) for page in exported for each in page.relationships] == ["folder:a#viewer@user:now"]
            told = next(follow(WatchServiceStub(channel), before))
    assert {(text(each.relationship), each.operation) for each in told.updates} == {
        ("folder:a#viewer@user:later", core.RelationshipUpdate.OPERATION_DELETE),
        ("folder:a#viewer@user:now", core.RelationshipUpdate.OPERATION_TOUCH),
    }


def test_a_short_list_waits_for_nothing_that_is_heavy(
    client: Client, asks: PermissionsServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("it is light")

    client.touch("folder:a#viewer@user:ann")
    monkeypatch.setattr(Stream, "run_heavy", refused)
    monkeypatch.setattr("remit.server.call.LIGHT_S", 60.0)
    assert len(read(asks, optional_limit=1)) == 1


def test_what_all_lists_remember_comes_of_one_pool_and_goes_back_to_it() -> None:
    pool = FairQuota("remembered_bytes_max", 1_000, "bytes")
    one, other = (Stream(Call(peer="one"), None, {}, None, None, pool) for _ in range(2))  # type: ignore[arg-type]
    one.remember(400)
    other.remember(40)
    with pytest.raises(FairShareSpent):
        other.remember(100)
    one.forget()
    other.remember(100)
    one.remember(400)  # by a step that was still under way when its stream ended
    other.forget()
    assert pool.taken == 0


def test_a_cursor_of_another_query_or_another_store_is_refused(client: Client, asks: PermissionsServiceStub) -> None:
    cursor = read(asks)[0].after_result_cursor.token
    token, _, place = cursor.partition("~")
    other = client.create_store("other").token
    parents = permissions.RelationshipFilter(resource_type="folder", optional_relation="parent")
    for shown, filter, why in (
        (cursor, parents, "ERROR_REASON_INVALID_CURSOR"),
        (f"{other}~{place}", FOLDERS, "FOREIGN_TOKEN"),
        (f"{token}~", FOLDERS, "ERROR_REASON_INVALID_CURSOR"),
        (f"~{place}", FOLDERS, "ERROR_REASON_INVALID_CURSOR"),
        (place, FOLDERS, "ERROR_REASON_INVALID_CURSOR"),
        (f"{token}~{token}", FOLDERS, "ERROR_REASON_INVALID_CURSOR"),
        (cursor[:-4], FOLDERS, "ERROR_REASON_INVALID_CURSOR"),
    ):
        request = permissions.ReadRelationshipsRequest(
            relationship_filter=filter, optional_cursor=core.Cursor(token=shown)
        )
        assert reason(asks.ReadRelationships(request, timeout=60)) == why, shown


# --- deletions --------------------------------------------------------------------------------------------------

COMPLETE = permissions.DeleteRelationshipsResponse.DELETION_PROGRESS_COMPLETE
PARTIAL = permissions.DeleteRelationshipsResponse.DELETION_PROGRESS_PARTIAL


def test_a_deletion_with_a_limit_is_whole_or_says_that_it_is_not(client: Client, asks: PermissionsServiceStub) -> None:
    client.touch(*(f"folder:{number}#viewer@user:eve" for number in range(5)))
    eve = permissions.SubjectFilter(subject_type="user", optional_subject_id="eve")
    request = permissions.DeleteRelationshipsRequest(
        relationship_filter=permissions.RelationshipFilter(optional_subject_filter=eve), optional_limit=3
    )
    with pytest.raises(grpc.RpcError):
        asks.DeleteRelationships(request)
    request.optional_allow_partial_deletions = True
    for deleted, progress in ((3, PARTIAL), (2, COMPLETE), (0, COMPLETE)):
        answer = asks.DeleteRelationships(request)
        assert (answer.relationships_deleted_count, answer.deletion_progress) == (deleted, progress)


def test_a_deletion_without_a_limit_removes_all_of_it_in_as_many_revisions_as_it_takes() -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock, Limits(matches_max=2))
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        client.touch("folder:top#viewer@user:ann", *(f"folder:{number}#viewer@user:eve" for number in range(7)))
        with grpc.insecure_channel(server.endpoint) as channel:
            request = permissions.DeleteRelationshipsRequest(relationship_filter=FOLDERS)
            # Of the first revision: in the next it would not hold.
            request.optional_preconditions.add(
                operation=permissions.Precondition.OPERATION_MUST_MATCH,
                filter=permissions.RelationshipFilter(resource_type="folder", optional_resource_id="0"),
            )
            answer = PermissionsServiceStub(channel).DeleteRelationships(request)
        assert (answer.relationships_deleted_count, answer.deletion_progress) == (8, COMPLETE)
        assert list(client.read()) == []
    engine.close()


def test_a_deletion_that_ends_before_its_end_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock, Limits(matches_max=2))
    delete = engine.relationships.delete
    tokens: list[str] = []

    def twice(*args: Any, **kwargs: Any) -> DeleteResult:
        if len(tokens) == 2:
            raise StoreFull("no room is left")
        done = delete(*args, **kwargs)
        tokens.append(done.token)
        return done

    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        client.touch(*(f"folder:{number}#viewer@user:eve" for number in range(7)))
        monkeypatch.setattr(engine.relationships, "delete", twice)
        with grpc.insecure_channel(server.endpoint) as channel:
            request = permissions.DeleteRelationshipsRequest(relationship_filter=FOLDERS)
            with pytest.raises(grpc.RpcError) as raised:
                PermissionsServiceStub(channel).DeleteRelationships(request)
        told = info_of(raised.value)
        assert (told.reason, told.metadata["deleted"]) == ("STORE_FULL", "4")
        assert told.metadata["token"] == tokens[-1]
        assert len(list(client.read())) == 3
    engine.close()


# --- in bulk ----------------------------------------------------------------------------------------------------


def fact(resource: str, who: str) -> core.Relationship:
    return core.Relationship(
        resource=core.ObjectReference(object_type="folder", object_id=resource),
        relation="viewer",
        subject=core.SubjectReference(object=core.ObjectReference(object_type="user", object_id=who)),
    )


def test_what_was_exported_is_imported_elsewhere(client: Client, asks: PermissionsServiceStub) -> None:
    messages = [
        permissions.ImportBulkRelationshipsRequest(
            relationships=[fact(f"{message}-{number}", "eve") for number in range(size)]
        )
        for message, size in enumerate((1, 2_500, 3))  # the second is longer than a revision may be
    ]
    assert asks.ImportBulkRelationships(iter(messages), timeout=60).num_loaded == 2_504
    pages = list(
        asks.ExportBulkRelationships(permissions.ExportBulkRelationshipsRequest(optional_limit=700), timeout=60)
    )
    assert max(len(page.relationships) for page in pages) == 700
    exported = [text(each) for page in pages for each in page.relationships]
    assert len(exported) == len(set(exported)) == 2_504 + 2
    rest = asks.ExportBulkRelationships(
        permissions.ExportBulkRelationshipsRequest(optional_cursor=pages[1].after_result_cursor), timeout=60
    )
    assert [text(each) for page in rest for each in page.relationships] == exported[1_400:]
    some = permissions.ExportBulkRelationshipsRequest(
        optional_relationship_filter=permissions.RelationshipFilter(
            resource_type="folder", optional_resource_id_prefix="2-"
        )
    )
    found = asks.ExportBulkRelationships(some, timeout=60)
    assert sum(len(page.relationships) for page in found) == 3


def test_an_import_that_is_refused_ends_where_it_was(client: Client, asks: PermissionsServiceStub) -> None:
    long = [fact(f"b{number}", "eve") for number in range(1_500)]
    messages = [
        permissions.ImportBulkRelationshipsRequest(relationships=each)
        for each in ([fact("a", "eve")], [*long, fact("top", "ann")], [fact("c", "eve")])
    ]
    with pytest.raises(grpc.RpcError) as raised:
        asks.ImportBulkRelationships(iter(messages), timeout=60)
    assert refusal_of(raised.value).reason == "ERROR_REASON_ATTEMPT_TO_RECREATE_RELATIONSHIP"
    there = {str(each.relationship.resource) for each in client.read()}
    assert "folder:a" in there and "folder:c" not in there
    assert not {f"folder:b{number}" for number in range(1_000, 1_500)} & there, "its last part"


# --- watches ----------------------------------------------------------------------------------------------------


def follow(watches: WatchServiceStub, after: str, **parts: object) -> Iterator[watching.WatchResponse]:
    token = core.ZedToken(token=after)
    return iter(watches.Watch(watching.WatchRequest(optional_start_cursor=token, **parts), timeout=60))  # type: ignore[arg-type]


def test_a_watch_tells_each_revision_with_its_metadata(client: Client, watches: WatchServiceStub) -> None:
    before = client.read_schema().token
    client.write([Update(Operation.TOUCH, parse_relationship("folder:a#viewer@user:ann"))], metadata={"why": "test"})
    client.delete("folder:a#viewer@user:ann")
    told = follow(watches, before)
    first = next(told)
    assert [(text(each.relationship), each.operation) for each in first.updates] == [
        ("folder:a#viewer@user:ann", core.RelationshipUpdate.OPERATION_TOUCH)
    ]
    assert dict(first.optional_transaction_metadata) == {"why": "test"}
    second = next(told)
    assert second.updates[0].operation == core.RelationshipUpdate.OPERATION_DELETE
    again = watches.Watch(watching.WatchRequest(optional_start_cursor=first.changes_through), timeout=60)
    assert next(iter(again)) == second


def test_a_watch_is_of_the_types_or_filters_that_are_asked_for(client: Client, watches: WatchServiceStub) -> None:
    before = client.write_schema(SCHEMA + "\ndefinition other { relation viewer: user }").token
    client.touch("folder:a#viewer@user:ann", "other:a#viewer@user:ann")
    of_type = next(follow(watches, before, optional_object_types=["other"]))
    filter = permissions.RelationshipFilter(resource_type="other", optional_relation="viewer")
    filtered = next(follow(watches, before, optional_relationship_filters=[filter]))
    for told in (of_type, filtered):
        assert [text(each.relationship) for each in told.updates] == ["other:a#viewer@user:ann"]


def test_schemas_and_checkpoints_are_told_where_they_are_asked_for(client: Client, watches: WatchServiceStub) -> None:
    before = client.read_schema().token
    told = follow(watches, before, optional_update_kinds=[SCHEMAS, CHECKPOINTS])
    written = client.write_schema(SCHEMA + "\ndefinition more {}").token
    schema = next(told)
    assert (schema.schema_updated, schema.changes_through.token, schema.is_checkpoint) == (True, written, False)
    checkpoint = next(told)
    assert (checkpoint.is_checkpoint, checkpoint.changes_through.token) == (True, written)
    plain = follow(watches, before, optional_update_kinds=[RELATIONSHIPS])
    client.touch("folder:z#viewer@user:ann")
    assert [text(each.relationship) for each in next(plain).updates] == ["folder:z#viewer@user:ann"]


def test_each_piece_of_a_long_revision_says_where_to_begin_it_again(client: Client, watches: WatchServiceStub) -> None:
    before = client.touch("folder:z#viewer@user:ann")
    long = "x" * 900
    client.touch(*(f"folder:{long}{number}#viewer@user:eve" for number in range(200)))
    request = watching.WatchRequest(optional_start_cursor=core.ZedToken(token=before))
    pieces: list[watching.WatchResponse] = []
    for piece in watches.Watch(request, timeout=60):
        pieces.append(piece)
        if sum(len(each.updates) for each in pieces) == 200:
            break
    assert len(pieces) > 1
    assert [each.changes_through.token for each in pieces[:-1]] == [before] * (len(pieces) - 1)
    assert pieces[-1].changes_through.token != before


# --- what nobody meant ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[tuple[PermissionsServiceStub, WatchServiceStub]]:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        client.touch("folder:top#viewer@user:ann", "folder:sub#parent@folder:top")
        with grpc.insecure_channel(server.endpoint) as channel:
            yield PermissionsServiceStub(channel), WatchServiceStub(channel)
    engine.close()


@given(data=st.data())
def test_no_cursor_and_no_token_breaks_anything(
    fuzzed: tuple[PermissionsServiceStub, WatchServiceStub], data: st.DataObject
) -> None:
    asks, watches = fuzzed
    good = read(asks)[0].after_result_cursor.token
    at = data.draw(st.integers(0, len(good)))
    shown = data.draw(st.one_of(st.text(max_size=80), st.just(good[:at]), st.just(good[:at] + "A" + good[at + 1 :])))
    requests = (
        permissions.ReadRelationshipsRequest(relationship_filter=FOLDERS, optional_cursor=core.Cursor(token=shown)),
        permissions.ReadRelationshipsRequest(
            relationship_filter=FOLDERS,
            consistency=permissions.Consistency(at_exact_snapshot=core.ZedToken(token=shown)),
        ),
    )
    for request in requests:
        try:
            assert len(list(asks.ReadRelationships(request, timeout=60))) <= 2
        except grpc.RpcError as error:
            assert error.code() in (
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.FAILED_PRECONDITION,
                grpc.StatusCode.OUT_OF_RANGE,
            )
            assert refusal_of(error).reason
    if shown and shown not in good:
        request = watching.WatchRequest(optional_start_cursor=core.ZedToken(token=shown))
        assert reason(watches.Watch(request, timeout=60)) in ("INVALID_TOKEN", "FOREIGN_TOKEN", "FUTURE_TOKEN")
