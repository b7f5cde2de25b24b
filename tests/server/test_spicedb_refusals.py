"""What SpiceDB's clients hear where they are refused: SpiceDB's status, reason and domain, each in a row.

The rows are by hand, from what SpiceDB answers and what its sources say. Where SpiceDB gives no reason (an empty text
here), Remit's own is told under SpiceDB's status."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from authzed.api.v1 import core_pb2 as core
from authzed.api.v1 import error_reason_pb2
from authzed.api.v1 import permission_service_pb2 as permissions
from authzed.api.v1 import schema_service_pb2 as schemas
from authzed.api.v1 import watch_service_pb2 as watching
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2

from remit.access.keys import Right
from remit.client import Client
from remit.engine.facade import Engine
from remit.errors import Fault, RemoteError
from remit.language import caveats, checker, delegation
from remit.model import RelationshipFilter
from remit.server.run.background import BackgroundServer
from remit.wire.spicedb.refusals import BY_FAULT, BY_KIND, BY_LIMIT, TYPE_ERRORS
from tests.support.keyed import Keyed, keyed_server
from tests.support.scraping import fetched
from tests.support.serving import opened

KNOWN_REASONS = set(error_reason_pb2.ErrorReason.keys())
PERMISSIONS, SCHEMAS, WATCH = "PermissionsService", "SchemaService", "WatchService"

SCHEMA = """
use expiration
caveat small(amount int, most int) { amount <= most }
caveat broken(at int) { 1 / at == 1 }
definition user {}
definition group { relation member: user }
definition doc {
    relation viewer: user | group#member | user with small | user with broken
    permission view = viewer
}
"""


def ref(text: str) -> core.ObjectReference:
    type_name, _, id = text.partition(":")
    return core.ObjectReference(object_type=type_name, object_id=id)


def subject(text: str) -> core.SubjectReference:
    object, _, relation = text.partition("#")
    return core.SubjectReference(object=ref(object), optional_relation=relation)


def struct(**values: object) -> Struct:
    made = Struct()
    made.update(values)
    return made


def fact(resource: str, relation: str, who: str, caveat: str = "", **context: object) -> core.Relationship:
    made = core.Relationship(resource=ref(resource), relation=relation, subject=subject(who))
    if caveat:
        made.optional_caveat.CopyFrom(core.ContextualizedCaveat(caveat_name=caveat, context=struct(**context)))
    return made


TOUCH = core.RelationshipUpdate.OPERATION_TOUCH
CREATE = core.RelationshipUpdate.OPERATION_CREATE
DELETE = core.RelationshipUpdate.OPERATION_DELETE
MUST_MATCH = permissions.Precondition.OPERATION_MUST_MATCH


def write(*facts: core.Relationship, operation: int = TOUCH, **parts: object) -> Message:
    updates = [core.RelationshipUpdate(operation=operation, relationship=each) for each in facts]  # type: ignore[arg-type]
    return permissions.WriteRelationshipsRequest(updates=updates, **parts)  # type: ignore[arg-type]


def check(resource: str, permission: str, who: str, **context: object) -> permissions.CheckPermissionRequest:
    return permissions.CheckPermissionRequest(
        resource=ref(resource), permission=permission, subject=subject(who), context=struct(**context)
    )


def at(token: str, *, exactly: bool = False) -> permissions.CheckPermissionRequest:
    request = check("doc:1", "view", "user:a")
    which = request.consistency.at_exact_snapshot if exactly else request.consistency.at_least_as_fresh
    which.token = token
    return request


def filter(**parts: object) -> permissions.RelationshipFilter:
    return permissions.RelationshipFilter(**parts)  # type: ignore[arg-type]


def precondition(**parts: object) -> list[permissions.Precondition]:
    return [permissions.Precondition(operation=MUST_MATCH, **parts)]  # type: ignore[arg-type]


def delete(*, limit: int = 0, **parts: object) -> Message:
    return permissions.DeleteRelationshipsRequest(relationship_filter=filter(**parts), optional_limit=limit)


def read(cursor: str = "", limit: int = 0, **parts: object) -> Message:
    request = permissions.ReadRelationshipsRequest(optional_limit=limit)
    request.relationship_filter.CopyFrom(filter(**parts))
    if cursor:
        request.optional_cursor.token = cursor
    return request


class Row(NamedTuple):
    what: str
    method: str
    request: Message
    code: str
    reason: str = ""
    service: str = PERMISSIONS


INVALID, UNMET = "INVALID_ARGUMENT", "FAILED_PRECONDITION"
UPDATE, CHECK, DELETION, READING = (
    "WriteRelationships",
    "CheckPermission",
    "DeleteRelationships",
    "ReadRelationships",
)
MANY = [fact("doc:1", "viewer", f"user:{number}") for number in range(1_001)]

# fmt: off
ROWS = [
    # --- questions
    Row("a type that is unknown", CHECK, check("nope:1", "view", "user:a"), UNMET, "UNKNOWN_DEFINITION"),
    Row("a permission that is unknown", CHECK, check("doc:1", "nope", "user:a"), UNMET,
        "UNKNOWN_RELATION_OR_PERMISSION"),
    Row("a subject's type that is unknown", CHECK, check("doc:1", "view", "nope:a"), UNMET, "UNKNOWN_DEFINITION"),
    Row("a subject's relation that is unknown", CHECK, check("doc:1", "view", "group:g#nope"), UNMET,
        "UNKNOWN_RELATION_OR_PERMISSION"),
    Row("everyone at once", CHECK, check("doc:1", "view", "user:*"), INVALID, "WILDCARD_NOT_ALLOWED"),
    Row("no resource", CHECK, permissions.CheckPermissionRequest(), INVALID),
    Row("an id that is none", CHECK, check("doc:a b", "view", "user:a"), INVALID),
    Row("a parameter of another type", CHECK, check("doc:caveated", "view", "user:a", amount="many"), INVALID,
        "CAVEAT_PARAMETER_TYPE_ERROR"),
    Row("a caveat that fails", CHECK, check("doc:broken", "view", "user:a", at=0), INVALID,
        "CAVEAT_EVALUATION_ERROR"),
    Row("a context that is too large", CHECK, check("doc:1", "view", "user:a", amount="x" * 5_000), INVALID),
    Row("an empty token", CHECK, at(""), INVALID),
    Row("a past of another system", CHECK, at("GhUKEzE3ODI2MDAwMDAwMDAwMDAwMDA=", exactly=True), INVALID),
    Row("more than ten thousand questions", "CheckBulkPermissions", permissions.CheckBulkPermissionsRequest(
        items=[permissions.CheckBulkPermissionsRequestItem()] * 10_001), INVALID, "TOO_MANY_CHECKS_IN_REQUEST"),
    Row("an expansion of what is unknown", "ExpandPermissionTree", permissions.ExpandPermissionTreeRequest(
        resource=ref("doc:1"), permission="nope"), UNMET, "UNKNOWN_RELATION_OR_PERMISSION"),

    # --- writes
    Row("a subject that is not taken", UPDATE, write(fact("doc:1", "viewer", "doc:2")), INVALID,
        "INVALID_SUBJECT_TYPE"),
    Row("a caveat that is not taken", UPDATE, write(fact("doc:1", "viewer", "group:g#member", "small")), INVALID,
        "INVALID_SUBJECT_TYPE"),
    Row("a caveat that is unknown", UPDATE, write(fact("doc:1", "viewer", "user:a", "nope")), INVALID,
        "INVALID_SUBJECT_TYPE"),
    Row("a wildcard that is not taken", UPDATE, write(fact("doc:1", "viewer", "user:*")), INVALID,
        "INVALID_SUBJECT_TYPE"),
    Row("a subject of an unknown type", UPDATE, write(fact("doc:1", "viewer", "nope:a")), UNMET,
        "UNKNOWN_DEFINITION"),
    Row("a userset of an unknown relation", UPDATE, write(fact("doc:1", "viewer", "group:g#nope")), UNMET,
        "UNKNOWN_RELATION_OR_PERMISSION"),
    Row("a resource of an unknown type", UPDATE, write(fact("nope:1", "viewer", "user:a")), UNMET,
        "UNKNOWN_DEFINITION"),
    Row("an unknown relation", UPDATE, write(fact("doc:1", "nope", "user:a")), UNMET,
        "UNKNOWN_RELATION_OR_PERMISSION"),
    Row("a permission", UPDATE, write(fact("doc:1", "view", "user:a")), INVALID, "CANNOT_UPDATE_PERMISSION"),
    Row("a deletion that has no place", UPDATE, write(fact("doc:1", "viewer", "doc:2"), operation=DELETE), INVALID,
        "INVALID_SUBJECT_TYPE"),
    Row("a deletion of an unknown type", UPDATE, write(fact("doc:1", "viewer", "nope:a"), operation=DELETE), UNMET,
        "UNKNOWN_DEFINITION"),
    Row("a parameter that is unknown", UPDATE, write(fact("doc:1", "viewer", "user:a", "small", nope=1)), INVALID,
        "CAVEAT_PARAMETER_TYPE_ERROR"),
    Row("a parameter of another type, written", UPDATE, write(fact("doc:1", "viewer", "user:a", "small", most="x")),
        INVALID, "CAVEAT_PARAMETER_TYPE_ERROR"),
    Row("one relationship twice", UPDATE, write(*MANY[:1], *MANY[:1]), INVALID, "UPDATES_ON_SAME_RELATIONSHIP"),
    Row("what is there, created", UPDATE, write(fact("doc:1", "viewer", "user:a"), operation=CREATE),
        "ALREADY_EXISTS", "ATTEMPT_TO_RECREATE_RELATIONSHIP"),
    Row("more than a thousand updates", UPDATE, write(*MANY), INVALID, "TOO_MANY_UPDATES_IN_REQUEST"),
    Row("no operation", UPDATE, write(*MANY[:1], operation=0), INVALID),
    Row("a context of a relationship that is too large", UPDATE,
        write(fact("doc:1", "viewer", "user:a", "small", most="9" * 30_000)), INVALID, "MAX_RELATIONSHIP_CONTEXT_SIZE"),
    Row("a precondition that does not hold", UPDATE, write(*MANY[:1], optional_preconditions=precondition(
        filter=filter(resource_type="doc", optional_resource_id="none"))), UNMET,
        "WRITE_OR_DELETE_PRECONDITION_FAILURE"),
    Row("a precondition without a filter", UPDATE, write(*MANY[:1], optional_preconditions=precondition()), INVALID,
        "EMPTY_PRECONDITION"),
    Row("a precondition of an empty filter", UPDATE,
        write(*MANY[:1], optional_preconditions=precondition(filter=filter())), INVALID, "INVALID_FILTER"),
    Row("a precondition about what is unknown", UPDATE,
        write(*MANY[:1], optional_preconditions=precondition(filter=filter(resource_type="nope"))), UNMET,
        "UNKNOWN_DEFINITION"),
    Row("more than a thousand preconditions", UPDATE,
        write(*MANY[:1], optional_preconditions=precondition(filter=filter(resource_type="doc")) * 1_001), INVALID,
        "TOO_MANY_PRECONDITIONS_IN_REQUEST"),
    Row("metadata of more than 65,000 bytes", UPDATE,
        write(*MANY[:1], optional_transaction_metadata=struct(k="x" * 65_000)), INVALID,
        "TRANSACTION_METADATA_TOO_LARGE"),

    # --- deletions and lists
    Row("a deletion of everything", DELETION, delete(), INVALID, "INVALID_FILTER"),
    Row("a deletion of an unknown type, by filter", DELETION, delete(resource_type="nope"), UNMET,
        "UNKNOWN_DEFINITION"),
    Row("a deletion of more than its limit", DELETION, delete(limit=1, resource_type="doc"), INVALID,
        "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE"),
    Row("a limit beyond all limits", DELETION, delete(limit=10_001, resource_type="doc"), INVALID,
        "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT"),
    Row("a list of everything", READING, read(), INVALID, "INVALID_FILTER"),
    Row("a list by an unknown relation", READING, read(resource_type="doc", optional_relation="nope"), UNMET,
        "UNKNOWN_RELATION_OR_PERMISSION"),
    Row("a list by an id and its beginning", READING,
        read(resource_type="doc", optional_resource_id="a", optional_resource_id_prefix="a"), INVALID,
        "INVALID_FILTER"),
    Row("a list longer than a page", READING, read(limit=1_001, resource_type="doc"), INVALID,
        "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT"),
    Row("a list from a cursor that is none", READING, read("nope", resource_type="doc"), UNMET, "INVALID_CURSOR"),
    Row("an import of what is there", "ImportBulkRelationships", permissions.ImportBulkRelationshipsRequest(
        relationships=[fact("doc:1", "viewer", "user:a")]), "ALREADY_EXISTS", "ATTEMPT_TO_RECREATE_RELATIONSHIP"),
    Row("a watch of types and filters", "Watch", watching.WatchRequest(
        optional_object_types=["doc"], optional_relationship_filters=[filter(resource_type="doc")]), INVALID,
        "INVALID_FILTER", WATCH),
    Row("a watch from a token that is none", "Watch", watching.WatchRequest(
        optional_start_cursor=core.ZedToken(token="nope")), INVALID, "", WATCH),

    # --- schemas
    Row("a schema that cannot be read", "WriteSchema", schemas.WriteSchemaRequest(schema="definition user {"),
        INVALID, "SCHEMA_PARSE_ERROR", SCHEMAS),
    Row("a schema that does not type-check", "WriteSchema",
        schemas.WriteSchemaRequest(schema="definition user {}\ndefinition doc { relation viewer: nope }"), UNMET,
        "SCHEMA_TYPE_ERROR", SCHEMAS),
    Row("a schema that leaves relationships without a place", "WriteSchema",
        schemas.WriteSchemaRequest(schema="definition user {}"), INVALID, "SCHEMA_TYPE_ERROR", SCHEMAS),
    Row("a comparison that cannot be read", "DiffSchema", schemas.DiffSchemaRequest(comparison_schema="nope"),
        INVALID, "SCHEMA_PARSE_ERROR", SCHEMAS),
    Row("what an unknown type makes", "ComputablePermissions",
        schemas.ComputablePermissionsRequest(definition_name="nope"), UNMET, "UNKNOWN_DEFINITION", SCHEMAS),
    Row("what an unknown permission is made of", "DependentRelations",
        schemas.DependentRelationsRequest(definition_name="doc", permission_name="nope"), UNMET,
        "UNKNOWN_RELATION_OR_PERMISSION", SCHEMAS),
    Row("what a relation is made of", "DependentRelations",
        schemas.DependentRelationsRequest(definition_name="doc", permission_name="viewer"), INVALID,
        "UNKNOWN_RELATION_OR_PERMISSION", SCHEMAS),
    Row("a reflection by a filter that contradicts itself", "ReflectSchema", schemas.ReflectSchemaRequest(
        optional_filters=[schemas.ReflectionSchemaFilter(optional_relation_name_filter="v")]), INVALID,
        "INVALID_FILTER", SCHEMAS),
]
# Where there is no schema yet.
WITHOUT_SCHEMA = [
    Row("a question", CHECK, check("doc:1", "view", "user:a"), UNMET, "UNKNOWN_DEFINITION"),
    Row("a write", UPDATE, write(*MANY[:1]), UNMET, "UNKNOWN_DEFINITION"),
    Row("an expansion", "ExpandPermissionTree", permissions.ExpandPermissionTreeRequest(
        resource=ref("doc:1"), permission="view"), UNMET, "UNKNOWN_DEFINITION"),
    Row("a list", READING, read(resource_type="doc"), UNMET, "UNKNOWN_DEFINITION"),
    Row("a deletion", DELETION, delete(resource_type="doc"), UNMET, "UNKNOWN_DEFINITION"),
    Row("the schema", "ReadSchema", schemas.ReadSchemaRequest(), "NOT_FOUND", "", SCHEMAS),
]
# fmt: on


def refused(channel: grpc.Channel, row: Row, key: str = "") -> tuple[str, status_pb2.Status] | None:
    """Code and status of what a request is refused with; None where it is answered."""
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    path = f"/authzed.api.v1.{row.service}/{row.method}"
    call = channel.stream_stream(path)(iter([row.request.SerializeToString()]), metadata=metadata, timeout=60)
    try:
        for _ in call:
            pass
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        return error.code().name, status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    return None


def told(channel: grpc.Channel, row: Row, key: str = "") -> tuple[str, str, str]:
    """Status, reason and domain of what a request is refused with; three empty texts where it is answered."""
    if (refusal := refused(channel, row, key)) is None:
        return "", "", ""
    code, status = refusal
    info = error_details_pb2.ErrorInfo()
    assert next(detail for detail in status.details if detail.Is(info.DESCRIPTOR)).Unpack(info)
    if info.domain == "authzed.com":
        assert info.reason in KNOWN_REASONS
        assert info.metadata["remit_reason"], "what Remit calls it is not lost"
    return code, info.reason, info.domain


def wanted(row: Row, found: tuple[str, str, str]) -> tuple[str, str, str]:
    if row.reason:
        return row.code, f"ERROR_REASON_{row.reason}", "authzed.com"
    return row.code, found[1], "remit"


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    engine = opened()
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        client.touch(
            "doc:1#viewer@user:a",
            "doc:1#viewer@user:b",
            'doc:caveated#viewer@user:a[small:{"most":1}]',
            "doc:broken#viewer@user:a[broken]",
        )
        with grpc.insecure_channel(server.endpoint) as channel:
            yield channel
    engine.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what.replace(" ", "-"))
def test_what_spicedb_refuses_is_refused_in_its_words(channel: grpc.Channel, row: Row) -> None:
    found = told(channel, row)
    assert found == wanted(row, found)


IN_FILTERS = [
    Row("a relation of a filter", DELETION, delete(resource_type="doc", optional_relation="a b"), ""),
    Row("an id of a filter", READING, read(resource_type="doc", optional_resource_id="a b"), ""),
    Row(
        "a subject of a filter",
        READING,
        read(optional_subject_filter=permissions.SubjectFilter(subject_type="user", optional_subject_id="a b")),
        "",
    ),
    Row(
        "a subject's type of a filter",
        READING,
        read(optional_subject_filter=permissions.SubjectFilter(subject_type="a b")),
        "",
    ),
    Row(
        "an id of a precondition",
        UPDATE,
        write(
            *MANY[:1],
            optional_preconditions=precondition(filter=filter(resource_type="doc", optional_resource_id="a b")),
        ),
        "",
    ),
    Row(
        "a filter of an export",
        "ExportBulkRelationships",
        permissions.ExportBulkRelationshipsRequest(optional_relationship_filter=filter(resource_type="nope")),
        "",
    ),
    Row(
        "a filter of a watch",
        "Watch",
        watching.WatchRequest(optional_relationship_filters=[filter(resource_type="doc", optional_resource_id="a b")]),
        "",
        "",
        WATCH,
    ),
]


@pytest.mark.parametrize("row", ROWS + IN_FILTERS, ids=lambda row: row.what.replace(" ", "-"))
def test_the_field_that_a_refusal_names_is_one_of_the_request(channel: grpc.Channel, row: Row) -> None:
    refusal = refused(channel, row)
    assert refusal is not None
    bad = error_details_pb2.BadRequest()
    fields = []
    for detail in refusal[1].details:
        if detail.Unpack(bad):
            fields += [each.field for each in bad.field_violations]
    assert fields or row in ROWS
    for field in fields:
        at = row.request.DESCRIPTOR
        for name in re.sub(r"\[\d+\]", "", field).split("."):
            assert name in at.fields_by_name, f"`{field}` is no field of {row.request.DESCRIPTOR.full_name}"
            at = at.fields_by_name[name].message_type


@pytest.mark.parametrize("row", WITHOUT_SCHEMA, ids=lambda row: row.what.replace(" ", "-"))
def test_without_a_schema_every_name_is_unknown(engine: Engine, row: Row) -> None:
    with BackgroundServer(engine) as server, grpc.insecure_channel(server.endpoint) as channel:
        found = told(channel, row)
        assert found == wanted(row, found)


def test_an_empty_write_changes_nothing_and_is_answered(channel: grpc.Channel) -> None:
    assert told(channel, Row("", UPDATE, write(), "")) == ("", "", "")


def test_an_item_of_many_is_refused_in_the_same_words(channel: grpc.Channel) -> None:
    asked = [check("nope:1", "view", "user:a"), check("doc:1", "view", "user:*"), check("doc:1", "view", "user:a")]
    items = [
        permissions.CheckBulkPermissionsRequestItem(
            resource=each.resource, permission=each.permission, subject=each.subject
        )
        for each in asked
    ]
    request = permissions.CheckBulkPermissionsRequest(items=items)
    path = f"/authzed.api.v1.{PERMISSIONS}/CheckBulkPermissions"
    answer = permissions.CheckBulkPermissionsResponse.FromString(channel.unary_unary(path)(request.SerializeToString()))
    codes = [pair.error.code for pair in answer.pairs]
    assert codes == [grpc.StatusCode.FAILED_PRECONDITION.value[0], grpc.StatusCode.INVALID_ARGUMENT.value[0], 0]


def test_a_key_that_is_wrong_is_refused_as_spicedb_refuses_it(tmp_path: Path) -> None:
    row = Row("", CHECK, check("folder:kept", "view", "user:ann"), "")
    with keyed_server(tmp_path) as keyed, grpc.insecure_channel(keyed.server.endpoint) as channel:
        assert told(channel, row)[0] == "UNAUTHENTICATED", "none at all"
        assert told(channel, row, "somerandomkeyhere")[0] == "PERMISSION_DENIED"
        assert told(channel, row, revoked(keyed))[0] == "PERMISSION_DENIED"


def revoked(keyed: Keyed) -> str:
    key = keyed.make(Right.CHECK, stores=["default"])
    keyed.revoke(key)
    return key


def test_metrics_and_remits_own_wire_keep_to_remits_words() -> None:
    """The same refusal on both wires is one reason in the metrics, and in Remit's words on Remit's own."""
    engine = opened()
    with BackgroundServer(engine, http="127.0.0.1:0") as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        with grpc.insecure_channel(server.endpoint) as channel:
            theirs = told(channel, Row("", DELETION, delete(resource_type="nope"), ""))
        with pytest.raises(RemoteError) as ours:
            client.delete_by_filter(RelationshipFilter(resource_type="nope"))
        _, metrics = fetched(server, "/metrics")
    engine.close()
    assert theirs == ("FAILED_PRECONDITION", "ERROR_REASON_UNKNOWN_DEFINITION", "authzed.com")
    assert (ours.value.reason, ours.value.domain) == ("UNKNOWN_TYPE", "remit")
    counted = [line for line in metrics.splitlines() if "UNKNOWN_TYPE" in line]
    assert any('"spicedb.DeleteRelationships"' in line for line in counted), counted
    assert "ERROR_REASON" not in metrics


def test_every_reason_named_here_is_one_of_spicedbs() -> None:
    refusals = [*BY_FAULT.values(), *BY_LIMIT.values(), *BY_KIND.values()]
    assert {f"ERROR_REASON_{each.reason}" for each in refusals if each.reason} <= KNOWN_REASONS
    assert set(BY_FAULT) == set(Fault), "every fault is told apart"


def test_the_codes_of_type_errors_are_codes_of_the_checker() -> None:
    text = "".join(inspect.getsource(each) for each in (caveats, checker, delegation))
    assert [code for code in sorted(TYPE_ERRORS) if f'"{code}"' not in text] == []
