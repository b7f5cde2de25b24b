"""Remit over `remit.v1`: Import as a stream, Check, CheckMany and Expand; every answer is fresh by itself.

Law: nothing here asks for less than Remit always gives: no consistency is lowered, no answer left unchecked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence

from bench.in_process import WrongAnswer
from bench.known_question import KnownQuestion
from bench.lists import page_of, page_request, path_of
from bench.over_grpc import WRITE, Load, check_load, check_many_load
from bench.peers.peer import Imported, Occupied, Peer, as_stream, require_subjects
from bench.peers.world import ALONG_SCHEMA, Expected
from remit.model import Relationship, ResourceLookup, SubjectLookup, SubjectRef, Update
from remit.v1 import permissions_pb2, relationships_pb2, schemas_pb2
from remit.wire.facts import encode_object, encode_relationship, encode_update

_IMPORT = "/remit.v1.Relationships/Import"
_EXPAND = "/remit.v1.Permissions/Expand"
_WRITE_SCHEMA = "/remit.v1.Schemas/WriteSchema"
_READ_SCHEMA = "/remit.v1.Schemas/ReadSchema"
_ROWS_A_MESSAGE = 1_000
_FIRST_PAGE = 100


class RemitPeer(Peer):
    kind = "Remit"
    has_along = True

    def __init__(self, address: str, key: str | None = None) -> None:
        super().__init__(address, (("authorization", f"Bearer {key}"),) if key else ())

    async def prepare(self, world: str, schema: str) -> None:
        if await self._schema():
            raise Occupied(f"the store `default` at `{self.address}` has a schema: give the benchmark an empty server")
        await self.call(_WRITE_SCHEMA, schemas_pb2.WriteSchemaRequest(schema=ALONG_SCHEMA).SerializeToString())

    async def take_up(self, world: str) -> None:
        if "definition mandate" not in await self._schema():
            raise Occupied(
                f"the store `default` at `{self.address}` holds no world of the benchmark: leave out --loaded"
            )

    async def _schema(self) -> str:
        answer = await self.call_if_there(_READ_SCHEMA, schemas_pb2.ReadSchemaRequest().SerializeToString())
        return schemas_pb2.ReadSchemaResponse.FromString(answer).schema

    async def load(self, facts: Iterable[Relationship]) -> Imported:
        method = self.channel.stream_stream(_IMPORT, request_serializer=bytes, response_deserializer=bytes)
        async for _ in method(as_stream(facts, _ROWS_A_MESSAGE, _import_message), metadata=self.metadata):
            pass  # each says how far it is; the last one is awaited by the end of the stream
        return Imported("Import", _ROWS_A_MESSAGE, 1)

    def checks(self, questions: Sequence[KnownQuestion], *, fresh: bool) -> Load:
        return check_load(questions)

    def bulks(self, bulks: Sequence[Sequence[KnownQuestion]], *, fresh: bool) -> Load:
        return check_many_load(bulks)

    def expands(self, expands: Sequence[Expected]) -> Load:
        requests = [
            permissions_pb2.ExpandRequest(
                resource=encode_object(each.resource), permission=each.relation, depth=1
            ).SerializeToString()
            for each in expands
        ]

        def require(number: int, answer: bytes) -> None:
            sets = permissions_pb2.ExpandResponse.FromString(answer).sets
            leaf = sets[0].definition.leaf if sets else permissions_pb2.ExpandLeaf()
            subjects = [each.relationship.subject for each in leaf.subjects]
            named = {SubjectRef(each.object.type, each.object.id, each.relation) for each in subjects}
            require_subjects(expands[number], named)

        return Load(_EXPAND, requests, require)

    async def listing(self, lookup: ResourceLookup | SubjectLookup) -> AsyncGenerator[list[str], None]:
        """A page at a time, a short one first."""
        limit, cursor = _FIRST_PAGE, ""
        while True:
            request = page_request(lookup, limit, cursor).SerializeToString()
            ids, cursor = page_of(lookup, await self.call(path_of(lookup), request))
            yield ids
            if not cursor:
                break
            limit = 0  # as many as a page may have

    def writes(self, requests: Sequence[Sequence[Update]]) -> Load:
        encoded = [
            relationships_pb2.WriteRequest(updates=[encode_update(update) for update in updates]).SerializeToString()
            for updates in requests
        ]

        def require(number: int, answer: bytes) -> None:
            if not relationships_pb2.WriteResponse.FromString(answer).token:
                raise WrongAnswer(f"`{requests[number][0].relationship.key}` was written, and no revision was told")

        return Load(WRITE, encoded, require)

    def check_after(self, asked: KnownQuestion, written: bytes) -> bytes:
        """The token is not needed: the next check sees the write."""
        return check_load([asked]).requests[0]


def _import_message(facts: list[Relationship]) -> bytes:
    return relationships_pb2.ImportRequest(relationships=map(encode_relationship, facts)).SerializeToString()
