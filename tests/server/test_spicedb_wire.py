"""SpiceDB's wire: its own client and stubs load Remit and ask it, and hear what Remit's own wire says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from authzed.api.v1 import core_pb2 as core
from authzed.api.v1 import permission_service_pb2 as permissions
from authzed.api.v1 import schema_service_pb2 as schemas
from authzed.api.v1.permission_service_pb2_grpc import PermissionsServiceStub
from authzed.api.v1.schema_service_pb2_grpc import SchemaServiceStub
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from remit.access.keys import Right
from remit.client import Client
from remit.engine.facade import Engine
from remit.model import Verdict
from remit.notation import parse_relationship
from remit.server.verb import About
from remit.server.verbs import SPICEDB_VERBS
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
    "CheckPermission": Right.CHECK,
    "CheckBulkPermissions": Right.CHECK,
    "WriteRelationships": Right.WRITE,
    "WriteSchema": Right.SCHEMA,
    "ReadSchema": Right.READ,
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
    assert refused(asks.WriteRelationships, request).reason == "PRECONDITION_FAILED"
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


# --- what it refuses --------------------------------------------------------------------------------------------


def test_what_is_not_said_here_is_refused_and_not_dropped(asks: PermissionsServiceStub) -> None:
    request = check("folder:top", "view", "user:ann")
    request.with_tracing = True
    assert refused(asks.CheckPermission, request).reason == "INVALID_ARGUMENT"
    many = permissions.CheckBulkPermissionsRequest(with_tracing=True)
    assert refused(asks.CheckBulkPermissions, many).reason == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (check("nowhere:top", "view", "user:ann"), "UNKNOWN_TYPE"),
        (check("folder:top", "vieww", "user:ann"), "UNKNOWN_RELATION"),
        (check("folder:top", "view", "user:*"), "INVALID_REFERENCE"),
        (check("folder:", "view", "user:ann"), "INVALID_REFERENCE"),
        (check("folder:top", "", "user:ann"), "INVALID_REFERENCE"),
        (check("folder:top", "view", "user:ann#Not A Name"), "INVALID_REFERENCE"),
        (permissions.CheckPermissionRequest(), "INVALID_REFERENCE"),
    ],
)
def test_a_bad_question_is_refused_for_its_reason(
    asks: PermissionsServiceStub, request_: permissions.CheckPermissionRequest, reason: str
) -> None:
    assert refused(asks.CheckPermission, request_).reason == reason


def test_an_empty_token_and_one_of_elsewhere_are_refused(asks: PermissionsServiceStub) -> None:
    request = check("folder:top", "view", "user:ann")
    request.consistency.at_least_as_fresh.token = ""
    assert refused(asks.CheckPermission, request).reason == "INVALID_TOKEN"
    request.consistency.at_exact_snapshot.token = "GhUKEzE3ODI2MDAwMDAwMDAwMDAwMDA="
    assert refused(asks.CheckPermission, request).reason == "INVALID_TOKEN"


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
    assert refused(asks.WriteRelationships, write()).reason == "INVALID_ARGUMENT"
    twice = write((CREATE, fact), (TOUCH, fact))
    assert refused(asks.WriteRelationships, twice).reason == "INVALID_ARGUMENT"
    assert asks.CheckPermission(check("folder:sub", "viewer", "user:eve")).permissionship == NO


# --- who may ----------------------------------------------------------------------------------------------------

REQUESTS: dict[str, Message] = {
    "CheckPermission": check("folder:top", "view", "user:ann"),
    "CheckBulkPermissions": permissions.CheckBulkPermissionsRequest(),
    "WriteRelationships": write((TOUCH, relationship("folder:top", "viewer", "user:ann"))),
    "WriteSchema": schemas.WriteSchemaRequest(schema=SCHEMA),
    "ReadSchema": schemas.ReadSchemaRequest(),
}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed_server(tmp_path_factory.mktemp("keys")) as keyed:
        yield keyed


def test_every_verb_has_its_line_in_the_table_and_in_this_test() -> None:
    assert {verb.method for verb in SPICEDB_VERBS} == set(WANTED) == set(REQUESTS)
    for verb in SPICEDB_VERBS:
        assert (verb.right, verb.about) == (WANTED[verb.method], About.DEFAULT)


@pytest.mark.parametrize("verb", SPICEDB_VERBS, ids=lambda verb: verb.method)
def test_a_verb_is_answered_exactly_where_the_table_says(keyed: Keyed, verb: object) -> None:
    """Every right × {a key that sees `default`, one that sees another store only}."""
    method, path = getattr(verb, "method", ""), getattr(verb, "path", "")
    with grpc.insecure_channel(keyed.server.endpoint) as channel:
        assert ask(channel, path, REQUESTS[method]).reason == "KEY_MISSING"  # type: ignore[union-attr]
        for right in Right:
            seeing = ask(channel, path, REQUESTS[method], keyed.make(right, stores=["default"]))
            blind = ask(channel, path, REQUESTS[method], keyed.make(right, stores=["own"]))
            assert isinstance(blind, Refusal)
            if right is WANTED[method]:
                assert isinstance(seeing, bytes), seeing
                assert blind.reason == "STORE_NOT_FOUND"
            else:
                assert isinstance(seeing, Refusal)
                assert seeing.reason == blind.reason == "RIGHT_MISSING"


def test_a_managed_relation_is_closed_here_too(tmp_path: Path) -> None:
    with keyed_server(tmp_path) as keyed, grpc.insecure_channel(keyed.server.endpoint) as channel:
        _managed(keyed.engine)
        request = write((TOUCH, relationship("tool:t", "held", "user:ann")))
        path = "/authzed.api.v1.PermissionsService/WriteRelationships"
        closed = ask(channel, path, request, keyed.make(Right.WRITE, stores=["default"]))
        assert isinstance(closed, Refusal) and closed.reason == "MANAGED_RELATION"
        both = keyed.make(Right.WRITE, Right.WRITE_MANAGED, stores=["default"])
        assert isinstance(ask(channel, path, request, both), bytes)


def _managed(engine: Engine) -> None:
    engine.write_schema("", "use delegation\ndefinition user {}\ndefinition tool {\n managed relation held: user\n}\n")
