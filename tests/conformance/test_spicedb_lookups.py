"""SpiceDB's own clients, sync and aio, look up what its worlds hold, and find every answer of a real SpiceDB.

Of every assertion: the resource is in the list of what the subject has exactly where the answer is not a no, and the
subject, or `*` that stands for it, in that of who has the permission; with its condition, and in pages of any size."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from authzed.api.v1 import AsyncClient, InsecureClient
from authzed.api.v1 import core_pb2 as core
from authzed.api.v1 import permission_service_pb2 as permissions
from authzed.api.v1 import schema_service_pb2 as schemas

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import ObjectRef, Verdict
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from remit.wire.spicedb.facts import encode_object, encode_relationship, encode_subject
from remit.wire.values import encode_context
from remit.world import World
from remit.world.file import Assertion
from tests.support.places import ASKED_AT_US, CONFORMANCE, SPICEDB_RANDOM
from tests.support.spicedb_lookups import LookupRequest, Subjects, in_pages, resources_in

FOLDERS = (CONFORMANCE / "spicedb", CONFORMANCE / "spicedb-answers", SPICEDB_RANDOM)
SIZES = (0, 1, 2)
AT_ONCE = 500  # updates of a write


def worlds(every: int = 1) -> list[object]:
    """SpiceDB's where they are, and of the random ones each of so many."""
    found: list[object] = []
    for folder in FOLDERS:
        paths = sorted(folder.glob("*.yaml"))[:: every if folder == SPICEDB_RANDOM else 1]
        if not folder.is_dir() and folder != SPICEDB_RANDOM:
            reason = f"no conformance data at {folder}"
            found.append(pytest.param(None, marks=pytest.mark.skip(reason), id=f"{folder.name}/absent"))
        found += [pytest.param(path, id=f"{folder.name}/{path.stem}") for path in paths]
    return found


@contextmanager
def served(world: World) -> Iterator[str]:
    """A server that holds the world, loaded by SpiceDB's client, at the time that it was asked about."""
    clock = ManualClock(world.now_us if world.now_us is not None else ASKED_AT_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    try:
        with BackgroundServer(engine) as server:
            client = InsecureClient(server.endpoint, "any-token")
            client.WriteSchema(schemas.WriteSchemaRequest(schema=world.schema.text))
            for start in range(0, len(world.relationships), AT_ONCE):
                part = world.relationships[start : start + AT_ONCE]
                touch = core.RelationshipUpdate.OPERATION_TOUCH
                updates = [
                    core.RelationshipUpdate(operation=touch, relationship=encode_relationship(each)) for each in part
                ]
                client.WriteRelationships(permissions.WriteRelationshipsRequest(updates=updates))
            yield server.endpoint
    finally:
        engine.close()


def of_resources(asked: Assertion) -> permissions.LookupResourcesRequest:
    return permissions.LookupResourcesRequest(
        resource_object_type=asked.resource.type,
        permission=asked.permission,
        subject=encode_subject(asked.subject),
        context=encode_context(asked.context),
    )


def of_subjects(asked: Assertion) -> permissions.LookupSubjectsRequest:
    return permissions.LookupSubjectsRequest(
        resource=encode_object(asked.resource),
        permission=asked.permission,
        subject_object_type=asked.subject.type,
        optional_subject_relation=asked.subject.relation,
        context=encode_context(asked.context),
    )


def requests_of(world: World) -> dict[str, LookupRequest]:
    """Every lookup that an assertion is in, each once."""
    asked: dict[str, LookupRequest] = {}
    for each in world.assertions:
        for request in (of_resources(each), of_subjects(each)):
            asked[key_of(request)] = request
    return asked


def key_of(request: LookupRequest) -> str:
    return f"{type(request).__name__} {request}"


def occurs(world: World, resource: ObjectRef) -> bool:
    """Whether a relationship names the object: only such are found, as in SpiceDB."""
    return any(resource in (each.resource, each.subject.object) for each in world.relationships)


def judge(world: World, found: dict[str, list[Any]]) -> None:
    """Every assertion against the lists that it has to be in."""
    resources: dict[str, dict[str, tuple[Verdict, tuple[str, ...]]]] = {}
    subjects: dict[str, Subjects] = {}
    for key, messages in found.items():
        if key.startswith("LookupResources"):
            resources[key] = resources_in(messages)
        else:
            subjects[key] = Subjects(messages)
    for each in world.assertions:
        listed = resources[key_of(of_resources(each))].get(each.resource.id, (Verdict.NO, ()))
        assert listed[0] is each.expected or not occurs(world, each.resource), each.text
        among = subjects[key_of(of_subjects(each))]
        assert among.of(each.subject.id)[0] is each.expected, each.text
        assert among.by_wildcard(each.subject.id)[0] <= each.expected, each.text


@pytest.mark.parametrize("path", worlds(every=8))
def test_the_sync_client_finds_what_spicedb_answers(path: Path) -> None:
    world = World.read(path)
    with served(world) as endpoint:
        client = InsecureClient(endpoint, "any-token")

        def ask(request: LookupRequest) -> Any:
            if isinstance(request, permissions.LookupResourcesRequest):
                return client.LookupResources(request)
            return client.LookupSubjects(request)

        for size in SIZES:
            judge(world, {key: in_pages(ask, each, size) for key, each in requests_of(world).items()})


@pytest.mark.parametrize("path", worlds())
def test_the_aio_client_finds_what_spicedb_answers(path: Path) -> None:
    world = World.read(path)
    with served(world) as endpoint:
        judge(world, asyncio.run(look_up_all(endpoint, requests_of(world))))


async def look_up_all(endpoint: str, requests: dict[str, LookupRequest]) -> dict[str, list[Any]]:
    """All at the same time."""
    client = AsyncClient(endpoint, grpc.local_channel_credentials())

    async def messages(request: LookupRequest) -> list[Any]:
        if isinstance(request, permissions.LookupResourcesRequest):
            return [each async for each in client.LookupResources(request)]
        return [each async for each in client.LookupSubjects(request)]

    found = await asyncio.gather(*map(messages, requests.values()))
    return dict(zip(requests, found, strict=True))
