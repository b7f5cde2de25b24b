"""OpenFGA over its own gRPC, `openfga.v1.OpenFGAService`: one store for each world, tuples as `user, relation, object`.

Over gRPC rather than HTTP, so that it is spoken to as the others are; its HTTP API is a gateway before the same service
and costs it more.
Law: the model is the same schema, translated; a question OpenFGA must refuse (such as more than its depth) is reported
with its own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from google.protobuf import json_format

from bench.known_question import KnownQuestion
from bench.over_grpc import Load
from bench.peers.openfga_messages import message
from bench.peers.openfga_model import SCHEMA_VERSION, model_of
from bench.peers.peer import (
    Imported,
    Metadata,
    Occupied,
    Peer,
    Refused,
    in_batches,
    require,
    require_all,
    require_subjects,
)
from bench.peers.world import Expected
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

_SERVICE = "/openfga.v1.OpenFGAService/"
_ROWS_A_WRITE = 100  # its default limit
_WRITES_IN_FLIGHT = 8
_MINIMIZE_LATENCY, _HIGHER_CONSISTENCY = 100, 200


class OpenfgaPeer(Peer):
    kind = "OpenFGA"

    def __init__(self, address: str, key: str | None = None) -> None:
        metadata: Metadata = (("authorization", f"Bearer {key}"),) if key else ()
        super().__init__(address, metadata)
        self._store = ""
        self._model = ""

    # --- loading --------------------------------------------------------------------------------------------------

    async def prepare(self, world: str, schema: str) -> None:
        """A new store, whatever else the server has: OpenFGA keeps them apart."""
        self._store = (await self._call("CreateStore", name=world)).id
        request = {"store_id": self._store, "schema_version": SCHEMA_VERSION, "type_definitions": model_of(schema)}
        parsed = json_format.ParseDict(request, message("WriteAuthorizationModelRequest")())
        answer = await self.call(_SERVICE + "WriteAuthorizationModel", parsed.SerializeToString())
        self._model = message("WriteAuthorizationModelResponse").FromString(answer).authorization_model_id

    async def take_up(self, world: str) -> None:
        stores = [each for each in (await self._call("ListStores", name=world)).stores if each.name == world]
        if not stores:
            raise Occupied(f"`{self.address}` has no store `{world}`: leave out --loaded")
        self._store = stores[-1].id  # the youngest: ids are in the order of time
        models = (await self._call("ReadAuthorizationModels", store_id=self._store)).authorization_models
        self._model = models[0].id

    async def load(self, facts: Iterable[Relationship]) -> Imported:
        """It has no import: Write, a hundred at a time, several under way."""
        batches = in_batches(facts, _ROWS_A_WRITE)

        async def write() -> None:
            for batch in batches:
                request = self._write([Update(Operation.TOUCH, fact) for fact in batch])
                await self.call(_SERVICE + "Write", request)

        await asyncio.gather(*(write() for _ in range(_WRITES_IN_FLIGHT)))
        return Imported("Write", _ROWS_A_WRITE, _WRITES_IN_FLIGHT)

    async def _call(self, verb: str, **fields: object) -> Any:
        answer = await self.call(_SERVICE + verb, message(f"{verb}Request")(**fields).SerializeToString())
        return message(f"{verb}Response").FromString(answer)

    # --- requests ---------------------------------------------------------------------------------------------------

    def checks(self, questions: Sequence[KnownQuestion], *, fresh: bool) -> Load:
        requests = [self._check(each, _consistency(fresh)) for each in questions]

        def judge(number: int, answer: bytes) -> None:
            require(questions[number], _verdict(message("CheckResponse").FromString(answer).allowed))

        # A *no* is an empty message, which has no byte to look at.
        verdicts = bytes(each.expected is Verdict.YES for each in questions)
        return Load(_SERVICE + "Check", requests, judge, verdicts)

    def bulks(self, bulks: Sequence[Sequence[KnownQuestion]], *, fresh: bool) -> Load:
        requests = [self._batch(bulk, _consistency(fresh)) for bulk in bulks]

        def judge(number: int, answer: bytes) -> None:
            result = message("BatchCheckResponse").FromString(answer).result
            verdicts = []
            for place in range(len(bulks[number])):
                if str(place) not in result or result[str(place)].HasField("error"):
                    raise Refused(f"item {place} of a batch: {result[str(place)].error.message}")
                verdicts.append(_verdict(result[str(place)].allowed))
            require_all(bulks[number], verdicts)

        return Load(_SERVICE + "BatchCheck", requests, judge)

    def expands(self, expands: Sequence[Expected]) -> Load:
        requests = [
            message("ExpandRequest")(
                store_id=self._store,
                authorization_model_id=self._model,
                tuple_key=message("ExpandTupleKey")(relation=each.relation, object=str(each.resource)),
                consistency=_MINIMIZE_LATENCY,
            ).SerializeToString()
            for each in expands
        ]

        def judge(number: int, answer: bytes) -> None:
            users = message("ExpandResponse").FromString(answer).tree.root.leaf.users.users
            require_subjects(expands[number], {_subject(user) for user in users})

        return Load(_SERVICE + "Expand", requests, judge)

    async def listing(self, lookup: ResourceLookup | SubjectLookup) -> AsyncGenerator[list[str], None]:
        """Resources stream; subjects come all at once. What it has no time for it leaves away, and does not say so."""
        if isinstance(lookup, ResourceLookup):
            resources = message("StreamedListObjectsRequest")(
                store_id=self._store,
                authorization_model_id=self._model,
                type=lookup.resource_type,
                relation=lookup.permission,
                user=str(lookup.subject),
                consistency=_MINIMIZE_LATENCY,
            )
            async for answer in self.stream(_SERVICE + "StreamedListObjects", resources.SerializeToString()):
                found = message("StreamedListObjectsResponse").FromString(answer)
                yield [found.object.partition(":")[2]]
        else:
            answer = await self._call(
                "ListUsers",
                store_id=self._store,
                authorization_model_id=self._model,
                object=message("Object")(type=lookup.resource.type, id=lookup.resource.id),
                relation=lookup.permission,
                user_filters=[message("UserTypeFilter")(type=lookup.subject_type)],
                consistency=_MINIMIZE_LATENCY,
            )
            yield [each.object.id for each in answer.users]

    def writes(self, requests: Sequence[Sequence[Update]]) -> Load:
        def judge(number: int, answer: bytes) -> None:
            message("WriteRequest").FromString(answer)  # an empty message; what failed has a status instead

        return Load(_SERVICE + "Write", [self._write(updates) for updates in requests], judge)

    def check_after(self, asked: KnownQuestion, written: bytes) -> bytes:
        """It has no tokens: HIGHER_CONSISTENCY passes by its caches."""
        return self._check(asked, _HIGHER_CONSISTENCY)

    def _check(self, asked: KnownQuestion, consistency: int) -> bytes:
        request = message("CheckRequest")(
            store_id=self._store,
            authorization_model_id=self._model,
            tuple_key=_question_key(asked),
            consistency=consistency,
        )
        return bytes(request.SerializeToString())

    def _batch(self, bulk: Sequence[KnownQuestion], consistency: int) -> bytes:
        checks = [
            message("BatchCheckItem")(tuple_key=_question_key(each), correlation_id=str(place))
            for place, each in enumerate(bulk)
        ]
        request = message("BatchCheckRequest")(
            store_id=self._store, authorization_model_id=self._model, checks=checks, consistency=consistency
        )
        return bytes(request.SerializeToString())

    def _write(self, updates: Sequence[Update]) -> bytes:
        """Touching is writing what may be there, deleting is deleting what may not: as the others mean it."""
        request = message("WriteRequest")(store_id=self._store, authorization_model_id=self._model)
        for update in updates:
            key = _key(update.relationship)
            if update.operation is Operation.DELETE:
                request.deletes.on_missing = "ignore"
                request.deletes.tuple_keys.append(key)
            else:
                request.writes.on_duplicate = "ignore"
                request.writes.tuple_keys.append(key)
        return bytes(request.SerializeToString())


def _consistency(fresh: bool) -> int:
    return _HIGHER_CONSISTENCY if fresh else _MINIMIZE_LATENCY


def _verdict(allowed: bool) -> Verdict:
    return Verdict.YES if allowed else Verdict.NO


def _key(fact: Relationship) -> object:
    return message("TupleKey")(user=str(fact.subject), relation=fact.relation, object=str(fact.resource))


def _question_key(asked: KnownQuestion) -> object:
    question = asked.question
    return message("TupleKey")(user=str(question.subject), relation=question.permission, object=str(question.resource))


def _subject(user: str) -> SubjectRef:
    object, _, relation = user.partition("#")
    return SubjectRef(*ObjectRef(*object.split(":", 1)), relation)
