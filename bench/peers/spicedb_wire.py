"""SpiceDB over `authzed.api.v1`; and Remit over the same wire, which it answers too (docs/spicedb.md).

A check says which staleness it bears: `minimize_latency` takes what SpiceDB has cached of the last seconds and is its
quickest, `fully_consistent` sees all that was acknowledged. Remit answers both alike, from the head.
Law: SpiceDB and Remit are sent the same bytes, so what differs between their figures is not the client's work."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence

from authzed.api.v1 import core_pb2, permission_service_pb2, schema_service_pb2

from bench.in_process import WrongAnswer
from bench.known_question import KnownQuestion
from bench.over_grpc import Load
from bench.peers.peer import (
    CannotAsk,
    Imported,
    Occupied,
    Peer,
    Refused,
    as_stream,
    in_batches,
    require,
    require_all,
    require_subjects,
)
from bench.peers.world import ALONG_SCHEMA, Expected
from remit.model import (
    ObjectRef,
    Operation,
    Relationship,
    ResourceLookup,
    SubjectLookup,
    SubjectRef,
    Update,
    Verdict,
)

_PERMISSIONS = "/authzed.api.v1.PermissionsService/"
_CHECK = _PERMISSIONS + "CheckPermission"
_BULK = _PERMISSIONS + "CheckBulkPermissions"
_EXPAND = _PERMISSIONS + "ExpandPermissionTree"
_LOOKUP_RESOURCES = _PERMISSIONS + "LookupResources"
_LOOKUP_SUBJECTS = _PERMISSIONS + "LookupSubjects"
_WRITE = _PERMISSIONS + "WriteRelationships"
_IMPORT = _PERMISSIONS + "ImportBulkRelationships"
_WRITE_SCHEMA = "/authzed.api.v1.SchemaService/WriteSchema"
_READ_SCHEMA = "/authzed.api.v1.SchemaService/ReadSchema"
_ROWS = 1_000  # a request of WriteRelationships holds no more unless SpiceDB is told so

MINIMIZE_LATENCY = "minimize_latency"
FULLY_CONSISTENT = "fully_consistent"
CONSISTENCIES = (MINIMIZE_LATENCY, FULLY_CONSISTENT)

_VERDICTS: dict[int, Verdict] = {
    permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION: Verdict.YES,
    permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_CONDITIONAL_PERMISSION: Verdict.CONDITIONAL,
    permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_NO_PERMISSION: Verdict.NO,
}
_OPERATIONS = {
    Operation.TOUCH: core_pb2.RelationshipUpdate.OPERATION_TOUCH,
    Operation.CREATE: core_pb2.RelationshipUpdate.OPERATION_CREATE,
    Operation.DELETE: core_pb2.RelationshipUpdate.OPERATION_DELETE,
}


class SpicedbPeer(Peer):
    kind = "SpiceDB"

    def __init__(self, address: str, key: str | None = None, consistency: str = MINIMIZE_LATENCY) -> None:
        super().__init__(address, (("authorization", f"Bearer {key}"),) if key else ())
        self._consistency = _consistency(consistency)

    # --- loading --------------------------------------------------------------------------------------------------

    async def prepare(self, world: str, schema: str) -> None:
        if await self._schema():
            raise Occupied(f"`{self.address}` has a schema: give the benchmark an empty server")
        request = schema_service_pb2.WriteSchemaRequest(schema=schema)
        await self.call(_WRITE_SCHEMA, request.SerializeToString())

    async def take_up(self, world: str) -> None:
        if "definition mandate" not in await self._schema():
            raise Occupied(f"`{self.address}` holds no world of the benchmark: leave out --loaded")

    async def _schema(self) -> str:
        request = schema_service_pb2.ReadSchemaRequest().SerializeToString()
        answer = await self.call_if_there(_READ_SCHEMA, request)
        return schema_service_pb2.ReadSchemaResponse.FromString(answer).schema_text

    async def load(self, facts: Iterable[Relationship]) -> Imported:
        method = self.channel.stream_unary(_IMPORT, request_serializer=bytes, response_deserializer=bytes)
        await method(as_stream(facts, _ROWS, _import_message), metadata=self.metadata)
        return Imported("ImportBulkRelationships", _ROWS, 1)

    # --- requests ---------------------------------------------------------------------------------------------------

    def checks(self, questions: Sequence[KnownQuestion], *, fresh: bool) -> Load:
        consistency = _consistency(FULLY_CONSISTENT) if fresh else self._consistency
        requests = [_check(each, consistency).SerializeToString() for each in questions]

        def judge(number: int, answer: bytes) -> None:
            response = permission_service_pb2.CheckPermissionResponse.FromString(answer)
            require(questions[number], _verdict(response.permissionship))

        return Load(_CHECK, requests, judge)

    def bulks(self, bulks: Sequence[Sequence[KnownQuestion]], *, fresh: bool) -> Load:
        consistency = _consistency(FULLY_CONSISTENT) if fresh else self._consistency
        requests = [_bulk(bulk, consistency).SerializeToString() for bulk in bulks]

        def judge(number: int, answer: bytes) -> None:
            pairs = permission_service_pb2.CheckBulkPermissionsResponse.FromString(answer).pairs
            for pair in pairs:
                if not pair.HasField("item"):
                    raise Refused(f"an item of a bulk: {pair.error.message}")
            require_all(bulks[number], [_verdict(pair.item.permissionship) for pair in pairs])

        return Load(_BULK, requests, judge)

    def expands(self, expands: Sequence[Expected]) -> Load:
        requests = [
            permission_service_pb2.ExpandPermissionTreeRequest(
                consistency=self._consistency, resource=_object(each.resource), permission=each.relation
            ).SerializeToString()
            for each in expands
        ]

        def judge(number: int, answer: bytes) -> None:
            response = permission_service_pb2.ExpandPermissionTreeResponse.FromString(answer)
            subjects = response.tree_root.leaf.subjects
            named = {
                SubjectRef(each.object.object_type, each.object.object_id, each.optional_relation) for each in subjects
            }
            require_subjects(expands[number], named)

        return Load(_EXPAND, requests, judge)

    async def listing(self, lookup: ResourceLookup | SubjectLookup) -> AsyncGenerator[list[str], None]:
        if isinstance(lookup, ResourceLookup):
            resources = permission_service_pb2.LookupResourcesRequest(
                consistency=self._consistency,
                resource_object_type=lookup.resource_type,
                permission=lookup.permission,
                subject=_subject(lookup.subject),
            )
            async for answer in self.stream(_LOOKUP_RESOURCES, resources.SerializeToString()):
                yield [permission_service_pb2.LookupResourcesResponse.FromString(answer).resource_object_id]
        else:
            subjects = permission_service_pb2.LookupSubjectsRequest(
                consistency=self._consistency,
                resource=_object(lookup.resource),
                permission=lookup.permission,
                subject_object_type=lookup.subject_type,
            )
            async for answer in self.stream(_LOOKUP_SUBJECTS, subjects.SerializeToString()):
                yield [permission_service_pb2.LookupSubjectsResponse.FromString(answer).subject.subject_object_id]

    def writes(self, requests: Sequence[Sequence[Update]]) -> Load:
        encoded = [_write(updates).SerializeToString() for updates in requests]

        def judge(number: int, answer: bytes) -> None:
            if not permission_service_pb2.WriteRelationshipsResponse.FromString(answer).written_at.token:
                raise WrongAnswer(f"`{requests[number][0].relationship.key}` was written, and no revision was told")

        return Load(_WRITE, encoded, judge)

    def check_after(self, asked: KnownQuestion, written: bytes) -> bytes:
        """At least as fresh as the write: what SpiceDB's own documents recommend, and cheaper than all of it."""
        token = permission_service_pb2.WriteRelationshipsResponse.FromString(written).written_at
        consistency = permission_service_pb2.Consistency(at_least_as_fresh=token)
        return _check(asked, consistency).SerializeToString()


class RemitBySpicedbPeer(SpicedbPeer):
    """Remit, asked as SpiceDB is asked."""

    kind = "Remit, SpiceDB's wire"
    has_along = True

    async def prepare(self, world: str, schema: str) -> None:
        await super().prepare(world, ALONG_SCHEMA)

    async def load(self, facts: Iterable[Relationship]) -> Imported:
        """It has no ImportBulkRelationships on this wire."""
        for batch in in_batches(facts, _ROWS):
            await self.call(_WRITE, _write([Update(Operation.TOUCH, fact) for fact in batch]).SerializeToString())
        return Imported("WriteRelationships", _ROWS, 1)

    def expands(self, expands: Sequence[Expected]) -> Load:
        raise CannotAsk("has no ExpandPermissionTree on this wire; Expand is on its own")


def _verdict(permissionship: int) -> Verdict:
    """What is none of the three is an error of the server, and never the expected answer."""
    found = _VERDICTS.get(permissionship)
    if found is None:
        raise WrongAnswer(f"permissionship `{permissionship}` is no answer")
    return found


def _consistency(name: str) -> permission_service_pb2.Consistency:
    if name == FULLY_CONSISTENT:
        return permission_service_pb2.Consistency(fully_consistent=True)
    return permission_service_pb2.Consistency(minimize_latency=True)


def _object(object: ObjectRef) -> core_pb2.ObjectReference:
    return core_pb2.ObjectReference(object_type=object.type, object_id=object.id)


def _subject(subject: SubjectRef) -> core_pb2.SubjectReference:
    return core_pb2.SubjectReference(object=_object(subject.object), optional_relation=subject.relation)


def _relationship(fact: Relationship) -> core_pb2.Relationship:
    return core_pb2.Relationship(
        resource=_object(fact.resource), relation=fact.relation, subject=_subject(fact.subject)
    )


def _check(
    asked: KnownQuestion, consistency: permission_service_pb2.Consistency
) -> permission_service_pb2.CheckPermissionRequest:
    question = asked.question
    return permission_service_pb2.CheckPermissionRequest(
        consistency=consistency,
        resource=_object(question.resource),
        permission=question.permission,
        subject=_subject(question.subject),
    )


def _bulk(
    bulk: Sequence[KnownQuestion], consistency: permission_service_pb2.Consistency
) -> permission_service_pb2.CheckBulkPermissionsRequest:
    request = permission_service_pb2.CheckBulkPermissionsRequest(consistency=consistency)
    for question, _ in bulk:
        request.items.add(
            resource=_object(question.resource), permission=question.permission, subject=_subject(question.subject)
        )
    return request


def _write(updates: Sequence[Update]) -> permission_service_pb2.WriteRelationshipsRequest:
    return permission_service_pb2.WriteRelationshipsRequest(
        updates=[
            core_pb2.RelationshipUpdate(
                operation=_OPERATIONS[each.operation], relationship=_relationship(each.relationship)
            )
            for each in updates
        ]
    )


def _import_message(facts: list[Relationship]) -> bytes:
    request = permission_service_pb2.ImportBulkRelationshipsRequest(relationships=map(_relationship, facts))
    return request.SerializeToString()
