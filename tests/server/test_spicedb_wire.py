"""SpiceDB's wire: its own client and stubs load Remit and ask it, and hear what Remit's own wire says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from authzed.api.v1 import core_pb2 as core
from authzed.api.v1 import debug_pb2 as debug
from authzed.api.v1 import experimental_service_pb2 as experimental
from authzed.api.v1 import permission_service_pb2 as permissions
from authzed.api.v1 import schema_service_pb2 as schemas
from authzed.api.v1 import watch_service_pb2 as watching
from authzed.api.v1.permission_service_pb2_grpc import PermissionsServiceStub
from authzed.api.v1.schema_service_pb2_grpc import SchemaServiceStub
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from remit.access.keys import Right
from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.engine.request_view import RequestView
from remit.errors import StepBudgetSpent
from remit.model import Operation, Update, Verdict
from remit.notation import parse_relationship
from remit.server.call import Call
from remit.server.handlers.spicedb.permissions import check_bulk_permissions, expand_permission_tree
from remit.server.verb import About
from remit.server.verbs import SPICEDB_STREAMS, SPICEDB_VERBS, UnaryVerb
from remit.store.memory import MemoryStore
from tests.support.keyed import Keyed, Refusal, ask, keyed_server, refusal_of
from tests.support.serving import NOW_US, SCHEMA

HAS = permissions.CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION
NO = permissions.CheckPermissionResponse.PERMISSIONSHIP_NO_PERMISSION
CONDITIONAL = permissions.CheckPermissionResponse.PERMISSIONSHIP_CONDITIONAL_PERMISSION
SHIPS = {Verdict.YES: HAS, Verdict.NO: NO, Verdict.CONDITIONAL: CONDITIONAL}
TOUCH = core.RelationshipUpdate.OPERATION_TOUCH
CREATE = core.RelationshipUpdate.OPERATION_CREATE
DELETE = core.RelationshipUpdate.OPERATION_DELETE

# By hand, and in another shape than the server's own table.
WANTED = {
    "PermissionsService": {
        "CheckPermission": Right.CHECK,
        "CheckBulkPermissions": Right.CHECK,
        "ExpandPermissionTree": Right.CHECK,
        "LookupResources": Right.CHECK,
        "LookupSubjects": Right.CHECK,
        "WriteRelationships": Right.WRITE,
        "DeleteRelationships": Right.WRITE,
        "ReadRelationships": Right.READ,
        "ImportBulkRelationships": Right.WRITE,
        "ExportBulkRelationships": Right.READ,
    },
    "SchemaService": {
        "WriteSchema": Right.SCHEMA,
        "ReadSchema": Right.READ,
        "ReflectSchema": Right.READ,
        "DiffSchema": Right.READ,
        "ComputablePermissions": Right.READ,
        "DependentRelations": Right.READ,
    },
    "WatchService": {"Watch": Right.READ},
    "ExperimentalService": {
        "BulkCheckPermission": Right.CHECK,
        "BulkImportRelationships": Right.WRITE,
        "BulkExportRelationships": Right.READ,
        "ExperimentalReflectSchema": Right.READ,
        "ExperimentalDiffSchema": Right.READ,
        "ExperimentalComputablePermissions": Right.READ,
        "ExperimentalDependentRelations": Right.READ,
    },
}
VERBS = (*SPICEDB_VERBS, *SPICEDB_STREAMS)
NOT_ANSWERED = {
    "ExperimentalRegisterRelationshipCounter",
    "ExperimentalCountRelationships",
    "ExperimentalUnregisterRelationshipCounter",
}


@pytest.fixture
def channel(client: Client) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(client.endpoint) as channel:
        yield channel


@pytest.fixture
def asks(channel: grpc.Channel) -> PermissionsServiceStub:
    return PermissionsServiceStub(channel)


def object_of(text: str) -> core.ObjectReference:
    type_name, _, id = text.partition(":")
    return core.ObjectReference(object_type=type_name, object_id=id)


def subject_of(text: str) -> core.SubjectReference:
    object, _, relation = text.partition("#")
    return core.SubjectReference(object=object_of(object), optional_relation=relation)


def relationship(resource: str, relation: str, subject: str) -> core.Relationship:
    return core.Relationship(resource=object_of(resource), relation=relation, subject=subject_of(subject))


def check(resource: str, permission: str, subject: str) -> permissions.CheckPermissionRequest:
    return permissions.CheckPermissionRequest(
        resource=object_of(resource), permission=permission, subject=subject_of(subject)
    )


def write(*updates: tuple[int, core.Relationship]) -> permissions.WriteRelationshipsRequest:
    return permissions.WriteRelationshipsRequest(
        updates=[core.RelationshipUpdate(operation=operation, relationship=each) for operation, each in updates]
    )


def refused(call: grpc.UnaryUnaryMultiCallable, request: Message) -> Refusal:
    with pytest.raises(grpc.RpcError) as raised:
        call(request)
    return refusal_of(raised.value)


# --- what it says -----------------------------------------------------------------------------------------------


def test_both_wires_give_the_same_answers(client: Client, asks: PermissionsServiceStub) -> None:
    client.touch('folder:sub#viewer@user:ben[small:{"most":1}]', "folder:deep#parent@folder:sub")
    names = [(folder, user) for folder in ("top", "sub", "deep", "none") for user in ("ann", "ben", "eve")]
    items = [
        permissions.CheckBulkPermissionsRequestItem(
            resource=object_of(f"folder:{folder}"), permission="view", subject=subject_of(f"user:{user}")
        )
        for folder, user in names
    ]
    bulk = asks.CheckBulkPermissions(permissions.CheckBulkPermissionsRequest(items=items))
    verdicts = set()
    for (folder, user), item, pair in zip(names, items, bulk.pairs, strict=True):
        ours = client.check(f"folder:{folder}#view@user:{user}")
        theirs = asks.CheckPermission(check(f"folder:{folder}", "view", f"user:{user}"))
        assert theirs.permissionship == pair.item.permissionship == SHIPS[ours.verdict]
        missing = tuple(theirs.partial_caveat_info.missing_required_context)
        assert missing == ours.missing == tuple(pair.item.partial_caveat_info.missing_required_context)
        assert pair.request == item
        assert theirs.checked_at.token == ours.token == bulk.checked_at.token
        verdicts.add(ours.verdict)
    assert verdicts == set(Verdict)


def test_a_context_decides_a_caveat(client: Client, asks: PermissionsServiceStub) -> None:
    client.touch('folder:sub#viewer@user:ben[small:{"most":1}]')
    for amount, ship in ((1, HAS), (2, NO)):
        context = Struct()
        context.update({"amount": amount})
        request = check("folder:sub", "view", "user:ben")
        request.context.CopyFrom(context)
        assert asks.CheckPermission(request).permissionship == ship


def test_three_dots_are_the_object_itself(asks: PermissionsServiceStub) -> None:
    assert asks.CheckPermission(check("folder:top", "view", "user:ann#...")).permissionship == HAS
    asks.WriteRelationships(write((DELETE, relationship("folder:top", "viewer", "user:ann#..."))))
    assert asks.CheckPermission(check("folder:top", "view", "user:ann")).permissionship == NO


def test_a_write_is_seen_by_the_next_check_on_either_wire(client: Client, asks: PermissionsServiceStub) -> None:
    written = asks.WriteRelationships(write((TOUCH, relationship("folder:sub", "viewer", "user:eve"))))
    request = check("folder:sub", "view", "user:eve")
    request.consistency.at_least_as_fresh.token = written.written_at.token
    assert asks.CheckPermission(request).permissionship == HAS
    assert client.check("folder:sub#view@user:eve", at_least=written.written_at.token)
    gone = asks.WriteRelationships(write((DELETE, relationship("folder:sub", "viewer", "user:eve"))))
    assert asks.CheckPermission(check("folder:sub", "view", "user:eve")).permissionship == NO
    request.consistency.at_exact_snapshot.token = written.written_at.token
    assert asks.CheckPermission(request).permissionship == HAS
    request.consistency.at_exact_snapshot.token = gone.written_at.token
    assert asks.CheckPermission(request).permissionship == NO


def test_caveats_and_expirations_come_along(client: Client, asks: PermissionsServiceStub) -> None:
    caveated = relationship("folder:sub", "viewer", "user:ben")
    caveated.optional_caveat.caveat_name = "small"
    caveated.optional_caveat.context.update({"most": 3})
    passing = relationship("folder:sub", "viewer", "user:eve")
    passing.optional_expires_at.FromDatetime(datetime(2029, 1, 1, tzinfo=UTC))
    asks.WriteRelationships(write((CREATE, caveated), (CREATE, passing)))
    found = {str(each.relationship.subject): each.relationship for each in client.read() if "sub" in str(each)}
    assert found["user:ben"] == parse_relationship('folder:sub#viewer@user:ben[small:{"most":3}]')
    assert found["user:eve"] == parse_relationship("folder:sub#viewer@user:eve[expiration:2029-01-01T00:00:00Z]")
    assert (found["user:eve"].qualifiers.expiration_us or 0) > NOW_US


def test_preconditions_are_kept(asks: PermissionsServiceStub) -> None:
    request = write((TOUCH, relationship("folder:sub", "viewer", "user:eve")))
    filter = permissions.RelationshipFilter(
        resource_type="folder",
        optional_resource_id="top",
        optional_subject_filter=permissions.SubjectFilter(subject_type="user", optional_subject_id="ann"),
    )
    condition = request.optional_preconditions.add(
        operation=permissions.Precondition.OPERATION_MUST_NOT_MATCH, filter=filter
    )
    assert refused(asks.WriteRelationships, request).reason == "ERROR_REASON_WRITE_OR_DELETE_PRECONDITION_FAILURE"
    assert asks.CheckPermission(check("folder:sub", "viewer", "user:eve")).permissionship == NO
    condition.operation = permissions.Precondition.OPERATION_MUST_MATCH
    asks.WriteRelationships(request)
    assert asks.CheckPermission(check("folder:sub", "viewer", "user:eve")).permissionship == HAS


def test_a_schema_is_written_and_read(channel: grpc.Channel, client: Client) -> None:
    stub = SchemaServiceStub(channel)
    text = SCHEMA + "\ndefinition more {}\n"
    written = stub.WriteSchema(schemas.WriteSchemaRequest(schema=text))
    read = stub.ReadSchema(schemas.ReadSchemaRequest())
    assert (read.schema_text, read.read_at.token) == (text, written.written_at.token)
    assert client.read_schema().text == text


def test_spicedbs_own_client_is_served(client: Client) -> None:
    from authzed.api.v1 import InsecureClient

    theirs = InsecureClient(client.endpoint, "any-token")
    assert theirs.CheckPermission(check("folder:top", "view", "user:ann")).permissionship == HAS


def test_a_trace_tells_what_the_answer_rests_on(client: Client, asks: PermissionsServiceStub) -> None:
    client.touch(
        'folder:sub#viewer@user:ben[small:{"most":1}]', "folder:sub#viewer@user:eve[expiration:2029-01-01T00:00:00Z]"
    )
    request = check("folder:sub", "view", "user:ben")
    request.with_tracing = True
    request.context.update({"unrelated": 1})
    answer = asks.CheckPermission(request)
    root = answer.debug_trace.check
    assert (root.permission, root.result, answer.debug_trace.schema_used) == (
        "view",
        debug.CheckDebugTrace.PERMISSIONSHIP_CONDITIONAL_PERMISSION,
        SCHEMA,
    )
    assert root.permission_type == debug.CheckDebugTrace.PERMISSION_TYPE_PERMISSION
    (viewer, *_) = [each for each in root.sub_problems.traces if each.permission == "viewer"]
    info = viewer.caveat_evaluation_info
    assert viewer.permission_type == debug.CheckDebugTrace.PERMISSION_TYPE_RELATION
    assert (info.caveat_name, info.result) == ("small", debug.CaveatEvalInfo.RESULT_MISSING_SOME_CONTEXT)
    assert (dict(info.context), list(info.partial_caveat_info.missing_required_context)) == ({"most": 1}, ["amount"])
    passing = check("folder:sub", "view", "user:eve")
    assert not asks.CheckPermission(passing).HasField("optional_expires_at")
    passing.with_tracing = True
    traced = asks.CheckPermission(passing)
    assert traced.optional_expires_at.ToDatetime(UTC) == datetime(2029, 1, 1, tzinfo=UTC)


def test_a_trace_of_any_depth_can_be_read(client: Client, asks: PermissionsServiceStub) -> None:
    client.touch("folder:0#viewer@user:ann", *(f"folder:{n}#parent@folder:{n - 1}" for n in range(1, 60)))
    request = check("folder:59", "view", "user:ann")
    request.with_tracing = True
    answer = asks.CheckPermission(request)
    assert (answer.permissionship, answer.debug_trace.check.result) == (
        HAS,
        debug.CheckDebugTrace.PERMISSIONSHIP_HAS_PERMISSION,
    )


def test_a_tree_is_as_deep_as_a_reader_follows_and_no_deeper(client: Client, asks: PermissionsServiceStub) -> None:
    client.touch(*(f"folder:{n}#parent@folder:{n - 1}" for n in range(1, 60)), "folder:ring#parent@folder:ring")

    def expand(id: str) -> permissions.ExpandPermissionTreeResponse:
        return asks.ExpandPermissionTree(
            permissions.ExpandPermissionTreeRequest(resource=object_of(f"folder:{id}"), permission="view")
        )

    union = expand("1").tree_root.intermediate
    assert [each.expanded_relation for each in union.children] == ["viewer", "view"]
    assert expand("22").tree_root.HasField("intermediate")
    for id in ("23", "59", "ring"):
        with pytest.raises(grpc.RpcError) as raised:
            expand(id)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refusal_of(raised.value).reason == "ERROR_REASON_MAXIMUM_DEPTH_EXCEEDED"


def test_what_is_too_deep_for_a_tree_is_not_opened_to_its_end() -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock, Limits(expanded_max=200))
    engine.schemas.write("", SCHEMA)
    chain = [parse_relationship(f"folder:{n}#parent@folder:{n - 1}") for n in range(1, 1_000)]
    engine.relationships.write("", [Update(Operation.TOUCH, each) for each in chain])
    request = permissions.ExpandPermissionTreeRequest(resource=object_of("folder:999"), permission="view")
    with pytest.raises(StepBudgetSpent, match="deeper than 47 levels"):
        expand_permission_tree(engine, request, Call())
    engine.close()


@pytest.mark.parametrize("exactly", [False, True])
def test_all_traces_of_one_answer_are_of_its_revision_and_its_time(exactly: bool) -> None:
    """Whatever is written, and however late it gets, between one item and the next."""
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    fact = "folder:sub#viewer@user:eve[expiration:2027-03-01T00:00:00Z]"
    written = engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(fact))])
    engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship("folder:top#viewer@user:ann"))])
    question = check("folder:sub", "view", "user:eve")
    item = permissions.CheckBulkPermissionsRequestItem(
        resource=question.resource, permission=question.permission, subject=question.subject
    )
    request = permissions.CheckBulkPermissionsRequest(items=[item] * 3, with_tracing=True)
    if exactly:
        request.consistency.at_exact_snapshot.token = written.token
    call, gone = Call(), parse_relationship("folder:sub#viewer@user:eve")
    views = 0

    def of(*args: Any, **kwargs: Any) -> RequestView:
        nonlocal views
        views += 1
        return view_of(*args, **kwargs)

    def meanwhile(*args: Any, with_support: bool) -> Any:
        assert not with_support, "a trace has no place for a witness or a fix, and each may take 100,000 steps"
        clock.advance_us(365 * 86_400_000_000)
        engine.relationships.write("", [Update(Operation.DELETE, gone)])
        return explain(*args, with_support=with_support)

    view_of, explain = engine.views.of, engine.questions._evaluator.explain
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.views, "of", of)
        patch.setattr(engine.questions._evaluator, "explain", meanwhile)
        answer = check_bulk_permissions(engine, request, call)
    yes = debug.CheckDebugTrace.PERMISSIONSHIP_HAS_PERMISSION
    assert [(each.item.permissionship, each.item.debug_trace.check.result) for each in answer.pairs] == [(HAS, yes)] * 3
    assert views == 1, "the past is worked out once"
    engine.close()


def test_health_is_told_of_each_service_by_its_name(channel: grpc.Channel) -> None:
    stub = HealthStub(channel)
    for service in WANTED:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=f"authzed.api.v1.{service}"))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


# --- what it refuses --------------------------------------------------------------------------------------------


FOREIGN = "GhUKEzE3ODI2MDAwMDAwMDAwMDAwMDA="  # of a SpiceDB


def test_a_token_of_another_system_means_the_head_and_no_past_of_ours(asks: PermissionsServiceStub) -> None:
    request = check("folder:top", "view", "user:ann")
    request.consistency.at_least_as_fresh.token = FOREIGN
    assert asks.CheckPermission(request).permissionship == HAS
    request.consistency.at_exact_snapshot.token = FOREIGN
    assert refused(asks.CheckPermission, request).reason == "INVALID_TOKEN"


def test_a_token_of_ours_that_is_damaged_or_of_another_store_is_refused(
    client: Client, asks: PermissionsServiceStub
) -> None:
    request = check("folder:top", "view", "user:ann")
    token = client.check("folder:top#view@user:ann").token
    for shown, reason in (
        ("", "INVALID_TOKEN"),
        (token[:-1], "INVALID_TOKEN"),
        (client.create_store("other").token, "FOREIGN_TOKEN"),
    ):
        for name in ("at_least_as_fresh", "at_exact_snapshot"):
            getattr(request.consistency, name).token = shown
            assert refused(asks.CheckPermission, request).reason == reason


def test_a_bad_item_spoils_no_other(asks: PermissionsServiceStub) -> None:
    good, bad = check("folder:top", "view", "user:ann"), check("nowhere:top", "view", "user:ann")
    items = [
        permissions.CheckBulkPermissionsRequestItem(
            resource=each.resource, permission=each.permission, subject=each.subject
        )
        for each in (bad, good, permissions.CheckPermissionRequest(), good)
    ]
    pairs = asks.CheckBulkPermissions(permissions.CheckBulkPermissionsRequest(items=items)).pairs
    assert [pair.WhichOneof("response") for pair in pairs] == ["error", "item", "error", "item"]
    assert pairs[1].item.permissionship == HAS


def test_a_write_without_a_known_operation_writes_nothing(asks: PermissionsServiceStub) -> None:
    fact = relationship("folder:sub", "viewer", "user:eve")
    assert refused(asks.WriteRelationships, write((TOUCH, fact), (0, fact))).reason == "INVALID_ARGUMENT"
    twice = write((CREATE, fact), (TOUCH, fact))
    assert refused(asks.WriteRelationships, twice).reason == "ERROR_REASON_UPDATES_ON_SAME_RELATIONSHIP"
    assert asks.CheckPermission(check("folder:sub", "viewer", "user:eve")).permissionship == NO


# --- who may ----------------------------------------------------------------------------------------------------

EVERYTHING = permissions.RelationshipFilter(resource_type="folder")
REQUESTS: dict[str, Message] = {
    "CheckPermission": check("folder:top", "view", "user:ann"),
    "ExpandPermissionTree": permissions.ExpandPermissionTreeRequest(
        resource=object_of("folder:top"), permission="view"
    ),
    "LookupResources": permissions.LookupResourcesRequest(
        resource_object_type="folder", permission="view", subject=subject_of("user:ann")
    ),
    "LookupSubjects": permissions.LookupSubjectsRequest(
        resource=object_of("folder:top"), permission="view", subject_object_type="user"
    ),
    "WriteRelationships": write((TOUCH, relationship("folder:top", "viewer", "user:ann"))),
    "DeleteRelationships": permissions.DeleteRelationshipsRequest(
        relationship_filter=permissions.RelationshipFilter(resource_type="folder", optional_resource_id="gone")
    ),
    "ReadRelationships": permissions.ReadRelationshipsRequest(relationship_filter=EVERYTHING),
    "ImportBulkRelationships": permissions.ImportBulkRelationshipsRequest(
        relationships=[relationship("folder:imported", "viewer", "user:ann")]
    ),
    "BulkImportRelationships": experimental.BulkImportRelationshipsRequest(
        relationships=[relationship("folder:imported", "viewer", "user:ben")]
    ),
    "Watch": watching.WatchRequest(optional_update_kinds=[watching.WATCH_KIND_INCLUDE_CHECKPOINTS]),
    "WriteSchema": schemas.WriteSchemaRequest(schema=SCHEMA),
    "DiffSchema": schemas.DiffSchemaRequest(comparison_schema=SCHEMA),
    "ExperimentalDiffSchema": experimental.ExperimentalDiffSchemaRequest(comparison_schema=SCHEMA),
    "ComputablePermissions": schemas.ComputablePermissionsRequest(definition_name="user"),
    "ExperimentalComputablePermissions": experimental.ExperimentalComputablePermissionsRequest(definition_name="user"),
    "DependentRelations": schemas.DependentRelationsRequest(definition_name="folder", permission_name="view"),
    "ExperimentalDependentRelations": experimental.ExperimentalDependentRelationsRequest(
        definition_name="folder", permission_name="view"
    ),
}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed_server(tmp_path_factory.mktemp("keys")) as keyed:
        yield keyed


def test_every_verb_has_its_line_in_the_table_and_in_this_test() -> None:
    assert {verb.path: (verb.right, verb.about) for verb in VERBS} == {
        f"/authzed.api.v1.{service}/{method}": (right, About.DEFAULT)
        for service, rights in WANTED.items()
        for method, right in rights.items()
    }


def test_the_methods_of_spicedb_that_are_not_answered_are_known() -> None:
    theirs = {
        f"/{service.full_name}/{method.name}"
        for module in (permissions, schemas, watching, experimental)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert {path.rpartition("/")[2] for path in theirs - {verb.path for verb in VERBS}} == NOT_ANSWERED


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.method)
def test_a_verb_is_answered_exactly_where_the_table_says(keyed: Keyed, verb: UnaryVerb) -> None:
    """Every right × {a key that sees `default`, one that sees another store only}."""
    request = REQUESTS.get(verb.method, verb.request())
    with grpc.insecure_channel(keyed.server.endpoint) as channel:
        assert first(channel, verb, request, None) == "KEY_MISSING"
        for right in Right:
            seeing = first(channel, verb, request, keyed.holding(right, ["default"]))
            blind = first(channel, verb, request, keyed.holding(right, ["own"]))
            if right is verb.right:
                assert (seeing, blind) == ("", "STORE_NOT_FOUND")
            else:
                assert (seeing, blind) == ("RIGHT_MISSING", "RIGHT_MISSING")


def first(channel: grpc.Channel, verb: UnaryVerb, request: Message, key: str | None) -> str:
    """The reason why there is no answer, or for a watch no checkpoint; "" where there is."""
    metadata = () if key is None else (("authorization", f"Bearer {key}"),)
    call = channel.stream_stream(verb.path)(iter([request.SerializeToString()]), metadata=metadata, timeout=60)
    try:
        for _ in call:
            if verb.method == "Watch":
                return ""
    except grpc.RpcError as error:
        return refusal_of(error).reason
    finally:
        call.cancel()
    return ""


def test_a_managed_relation_is_closed_here_too(tmp_path: Path) -> None:
    with keyed_server(tmp_path) as keyed, grpc.insecure_channel(keyed.server.endpoint) as channel:
        _managed(keyed.engine)
        request = write((TOUCH, relationship("tool:t", "held", "user:ann")))
        path = "/authzed.api.v1.PermissionsService/WriteRelationships"
        closed = ask(channel, path, request, keyed.make(Right.WRITE, stores=["default"]))
        assert isinstance(closed, Refusal) and closed.reason == "MANAGED_RELATION"
        both = keyed.make(Right.WRITE, Right.WRITE_MANAGED, stores=["default"])
        assert isinstance(ask(channel, path, request, both), bytes)


def test_what_is_final_stays_here_too(tmp_path: Path) -> None:
    schema = "use delegation\ndefinition user {}\ndefinition tool {\n final relation ended: user\n}\n"
    fact = relationship("tool:t", "ended", "user:ann")
    with keyed_server(tmp_path) as keyed, grpc.insecure_channel(keyed.server.endpoint) as channel:
        keyed.engine.schemas.write("", schema)
        key = keyed.make(*Right, stores=["default"])
        service = "/authzed.api.v1.PermissionsService/"
        for _ in range(2):
            assert isinstance(ask(channel, f"{service}WriteRelationships", write((TOUCH, fact)), key), bytes)
        filter = permissions.RelationshipFilter(resource_type="tool")
        for method, request in (
            ("WriteRelationships", write((DELETE, fact))),
            ("DeleteRelationships", permissions.DeleteRelationshipsRequest(relationship_filter=filter)),
        ):
            refused = ask(channel, service + method, request, key)
            assert isinstance(refused, Refusal) and refused.reason == "FINAL_RELATION"


def _managed(engine: Engine) -> None:
    engine.schemas.write("", "use delegation\ndefinition user {}\ndefinition tool {\n managed relation held: user\n}\n")


def test_a_library_is_brought_in_for_spicedbs_clients(channel: grpc.Channel, client: Client) -> None:
    """They know no library of Remit's: they read the expansion, and writing that back means the same."""
    written = 'use import\n\nimport "remit:agents@1"\n'
    client.delete(*client.export())
    token = client.write_schema(written).token
    read = SchemaServiceStub(channel).ReadSchema(schemas.ReadSchemaRequest())
    assert read.read_at.token == token
    assert client.read_schema().text == written
    assert client.read_schema().expansion == read.schema_text != written
    assert client.diff_schema(read.schema_text).changes == ()
    with client.watch(after=token) as watching:
        client.write_schema(written)
        assert next(event.schema for event in watching if event.schema) == written
