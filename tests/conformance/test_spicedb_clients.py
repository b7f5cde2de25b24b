"""SpiceDB's own clients, sync and aio, load its own worlds over the wire and are answered as SpiceDB answers them.

Every assertion by check and in bulk; what is read back is what was written and counts; for every object and every name
of its type the expansion holds whom a check lets in; a watch replays to what is there; a deletion leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from authzed.api.v1 import AsyncClient, InsecureClient
from authzed.api.v1 import core_pb2 as core
from authzed.api.v1 import experimental_service_pb2 as experimental
from authzed.api.v1 import permission_service_pb2 as permissions
from authzed.api.v1 import schema_service_pb2 as schemas
from authzed.api.v1 import watch_service_pb2 as watching

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import ObjectRef, Relationship, RelationshipKey, SubjectRef, Verdict
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from remit.wire.spicedb.answers import encode_permissionship
from remit.wire.spicedb.facts import decode_relationship, encode_object, encode_relationship, encode_subject
from remit.wire.values import encode_context
from remit.world import World
from remit.world.file import Assertion
from tests.support.places import ASKED_AT_US, CONFORMANCE, SPICEDB_RANDOM

FOLDER = CONFORMANCE / "spicedb-answers"
HAS = permissions.CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION
TOUCH = core.RelationshipUpdate.OPERATION_TOUCH
ITEMS = 200


def worlds() -> list[object]:
    """SpiceDB's where they are, and of the random ones some: all of them are asked without a wire."""
    random = sorted(SPICEDB_RANDOM.glob("*.yaml"))[::8]
    found: list[object] = [pytest.param(path, id=path.stem) for path in (*sorted(FOLDER.glob("*.yaml")), *random)]
    if not FOLDER.is_dir():
        reason = f"no conformance data at {FOLDER}"
        found.append(pytest.param(None, marks=pytest.mark.skip(reason), id="absent"))
    return found


@contextmanager
def served() -> Iterator[str]:
    clock = ManualClock(ASKED_AT_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    try:
        with BackgroundServer(engine) as server:
            yield server.endpoint
    finally:
        engine.close()


def check(assertion: Assertion) -> permissions.CheckPermissionRequest:
    return permissions.CheckPermissionRequest(
        resource=encode_object(assertion.resource),
        permission=assertion.permission,
        subject=encode_subject(assertion.subject),
        context=encode_context(assertion.context),
    )


def item(assertion: Assertion) -> permissions.CheckBulkPermissionsRequestItem:
    asked = check(assertion)
    return permissions.CheckBulkPermissionsRequestItem(
        resource=asked.resource, permission=asked.permission, subject=asked.subject, context=asked.context
    )


def write(world: World) -> permissions.WriteRelationshipsRequest:
    updates = [
        core.RelationshipUpdate(operation=TOUCH, relationship=encode_relationship(each)) for each in world.relationships
    ]
    return permissions.WriteRelationshipsRequest(updates=updates)


def counting(world: World) -> dict[RelationshipKey, Relationship]:
    """What of it has not expired."""
    return {each.key: each for each in world.relationships if not each.qualifiers.is_over(ASKED_AT_US)}


def lists(world: World) -> list[permissions.ReadRelationshipsRequest]:
    return [
        permissions.ReadRelationshipsRequest(
            relationship_filter=permissions.RelationshipFilter(resource_type=type),
            consistency=permissions.Consistency(fully_consistent=True),
        )
        for type in world.schema.definitions
    ]


def found_in(answers: list[permissions.ReadRelationshipsResponse]) -> dict[RelationshipKey, Relationship]:
    read = [decode_relationship(each.relationship, "relationship") for each in answers]
    return {each.key: each for each in read}


# --- sync -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", worlds())
def test_the_sync_client_is_answered_as_spicedb_answers(path: Path) -> None:
    world = World.read(path)
    with served() as endpoint:
        client = InsecureClient(endpoint, "any-token")
        written = client.WriteSchema(schemas.WriteSchemaRequest(schema=world.schema.text)).written_at
        assert client.ReadSchema(schemas.ReadSchemaRequest()).schema_text == world.schema.text
        client.WriteRelationships(write(world))
        ask_all(client, world)
        assert found_in([each for request in lists(world) for each in client.ReadRelationships(request)]) == counting(
            world
        )
        expand_all(client, world)
        watch_all(client, world, written)
        delete_all(client, world)


def ask_all(client: InsecureClient, world: World) -> None:
    for assertion in world.assertions:
        answer = client.CheckPermission(check(assertion))
        assert answer.permissionship == encode_permissionship(assertion.expected), assertion.text
        assert answer.HasField("partial_caveat_info") == (assertion.expected is Verdict.CONDITIONAL)
    for start in range(0, len(world.assertions), ITEMS):
        asked = world.assertions[start : start + ITEMS]
        items = [item(each) for each in asked]
        many = client.CheckBulkPermissions(permissions.CheckBulkPermissionsRequest(items=items, with_tracing=True))
        before = client.BulkCheckPermission(
            experimental.BulkCheckPermissionRequest.FromString(
                permissions.CheckBulkPermissionsRequest(items=items).SerializeToString()
            )
        )
        for assertion, pair, old in zip(asked, many.pairs, before.pairs, strict=True):
            wanted = encode_permissionship(assertion.expected)
            assert pair.item.permissionship == old.item.permissionship == wanted, assertion.text
            assert pair.item.debug_trace.check.result == wanted
            assert pair.item.debug_trace.schema_used == world.schema.text


def objects_of(world: World) -> set[ObjectRef]:
    return {each.resource for each in world.relationships} | {
        ObjectRef(each.subject.type, each.subject.id) for each in world.relationships if not each.subject.is_wildcard
    }


def expand_all(client: InsecureClient, world: World) -> None:
    """A tree tells no caveats, so it is held to the answers where there are none."""
    if any(each.qualifiers.caveat for each in world.relationships):
        return
    trees: dict[tuple[str, str, str], core.PermissionRelationshipTree] = {}

    def tree_of(type: str, id: str, name: str) -> core.PermissionRelationshipTree:
        if (type, id, name) not in trees:
            request = permissions.ExpandPermissionTreeRequest(
                resource=core.ObjectReference(object_type=type, object_id=id), permission=name
            )
            trees[type, id, name] = client.ExpandPermissionTree(request).tree_root
        return trees[type, id, name]

    def holds(tree: core.PermissionRelationshipTree, who: SubjectRef, above: tuple[object, ...] = ()) -> bool:
        if tree.HasField("leaf"):
            return any(is_or_holds(each, who, above) for each in tree.leaf.subjects)
        parts = [holds(child, who, above) for child in tree.intermediate.children]
        match tree.intermediate.operation:
            case core.AlgebraicSubjectSet.OPERATION_UNION:
                return any(parts)
            case core.AlgebraicSubjectSet.OPERATION_INTERSECTION:
                return bool(parts) and all(parts)
            case _:
                return parts[0] and not parts[1]

    def is_or_holds(found: core.SubjectReference, who: SubjectRef, above: tuple[object, ...]) -> bool:
        type, id, relation = found.object.object_type, found.object.object_id, found.optional_relation
        if (type, id, relation) == who or (type, id, who.relation) == (who.type, "*", ""):
            return True
        userset = (type, id, relation)
        return bool(relation) and userset not in above and holds(tree_of(*userset), who, (*above, userset))

    for assertion in world.assertions:
        who, resource = assertion.subject, assertion.resource
        itself = SubjectRef(*resource, assertion.permission)
        if who.relation or who == itself or assertion.context:
            continue
        tree = tree_of(*resource, assertion.permission)
        assert (tree.expanded_object, tree.expanded_relation) == (encode_object(resource), assertion.permission)
        assert holds(tree, who) == (assertion.expected is Verdict.YES), assertion.text


def watch_all(client: InsecureClient, world: World, after: core.ZedToken) -> None:
    if not world.relationships:
        return
    told: dict[RelationshipKey, Relationship] = {}
    stream = client.Watch(watching.WatchRequest(optional_start_cursor=after), timeout=60)
    for message in stream:
        for update in message.updates:
            relationship = decode_relationship(update.relationship, "relationship")
            told[relationship.key] = relationship
        if len(told) == len({each.key for each in world.relationships}):
            break
    stream.cancel()
    assert {key: each for key, each in told.items() if not each.qualifiers.is_over(ASKED_AT_US)} == counting(world)


def delete_all(client: InsecureClient, world: World) -> None:
    removed = 0
    for type in world.schema.definitions:
        filter = permissions.RelationshipFilter(resource_type=type)
        answer = client.DeleteRelationships(permissions.DeleteRelationshipsRequest(relationship_filter=filter))
        removed += answer.relationships_deleted_count
    assert removed == len({each.key for each in world.relationships})
    assert [each for request in lists(world) for each in client.ReadRelationships(request)] == []


# --- aio --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", worlds())
def test_the_aio_client_is_answered_as_spicedb_answers(path: Path) -> None:
    world = World.read(path)
    with served() as endpoint:
        asyncio.run(ask_all_at_once(endpoint, world))


async def ask_all_at_once(endpoint: str, world: World) -> None:
    client = AsyncClient(endpoint, grpc.local_channel_credentials())
    await client.WriteSchema(schemas.WriteSchemaRequest(schema=world.schema.text))

    async def messages() -> AsyncIterator[permissions.ImportBulkRelationshipsRequest]:
        for each in world.relationships:
            yield permissions.ImportBulkRelationshipsRequest(relationships=[encode_relationship(each)])

    if world.relationships:
        loaded = await client.ImportBulkRelationships(messages())
        assert loaded.num_loaded == len(world.relationships)
    answers = await asyncio.gather(*(client.CheckPermission(check(each)) for each in world.assertions))
    for assertion, answer in zip(world.assertions, answers, strict=True):
        assert answer.permissionship == encode_permissionship(assertion.expected), assertion.text
    exported: dict[RelationshipKey, Relationship] = {}
    async for page in client.ExportBulkRelationships(permissions.ExportBulkRelationshipsRequest(optional_limit=2)):
        assert len(page.relationships) <= 2
        for message in page.relationships:
            relationship = decode_relationship(message, "relationship")
            exported[relationship.key] = relationship
    assert exported == counting(world)
