"""The engine's verbs asked over gRPC, in the engine's own words, so that one machine can drive either.

What the wire does not carry (steps that depend on nothing, a schema's warnings) is left as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import Message

from remit.client.channel import remote_error
from remit.engine.results import (
    CheckManyResult,
    CheckResult,
    DeleteResult,
    ExpandResult,
    ReadPage,
    SchemaRead,
    SchemaWritten,
    WriteResult,
)
from remit.errors import RemitError
from remit.model import Caller, ObjectRef, Precondition, Question, Relationship, RelationshipFilter, Update
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2, schemas_pb2
from remit.wire.expansions import decode_sets
from remit.wire.explanations import decode_explanation
from remit.wire.facts import (
    decode_stored,
    encode_filter,
    encode_object,
    encode_precondition,
    encode_relationship,
    encode_subject,
    encode_update,
)
from remit.wire.status import decode_status
from remit.wire.values import decode_time, decode_verdict, encode_context, encode_context_json

_P, _R, _S = permissions_pb2, relationships_pb2, schemas_pb2
PATIENCE_S = 60.0
Send = Callable[..., Any]


class WireEngine:
    """One channel to one server."""

    def __init__(self, endpoint: str, metadata: Sequence[tuple[str, str]] = ()) -> None:
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
        # A channel of its own: gRPC would let all of the process share one connection.
        options.append(("grpc.use_local_subchannel_pool", 1))
        self.endpoint = endpoint
        self.channel = grpc.insecure_channel(endpoint, options)
        self._metadata = tuple(metadata)
        self.questions = WireQuestions(self.send)
        self.relationships = WireRelationships(self.send)
        self.schemas = WireSchemas(self.send)

    def close(self) -> None:
        self.channel.close()

    def send(self, verb: str, request: Message, response: type[Any], run: str = "") -> Any:
        method = self.channel.unary_unary(
            f"/remit.v1.{verb}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        metadata = (*self._metadata, ("x-remit-run", run)) if run else self._metadata
        try:
            return method(request, timeout=PATIENCE_S, metadata=metadata)
        except grpc.RpcError as error:
            raise remote_error(error, self.endpoint) from error  # type: ignore[arg-type]

    def write_and_leave(self, store: str, updates: Sequence[Update], *, metadata_json: str) -> None:
        """Send a write and cancel the call at once, whatever becomes of it."""
        request = _R.WriteRequest(
            store=store, updates=[encode_update(each) for each in updates], metadata=encode_context_json(metadata_json)
        )
        method = self.channel.unary_unary("/remit.v1.Relationships/Write")
        method.future(request.SerializeToString(), timeout=PATIENCE_S).cancel()

    def watch(self, store: str, after: str) -> Iterator[relationships_pb2.WatchResponse]:
        """Every message; the call ends with the iteration."""
        method = self.channel.unary_stream(
            "/remit.v1.Relationships/Watch", _R.WatchRequest.SerializeToString, _R.WatchResponse.FromString
        )
        call = method(_R.WatchRequest(store=store, after=after), timeout=PATIENCE_S)
        try:
            yield from call
        finally:
            call.cancel()


class WireQuestions:
    def __init__(self, send: Send) -> None:
        self._send = send

    def check(
        self,
        store: str,
        question: Question,
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        explain: bool = False,
    ) -> CheckResult:
        request = _P.CheckRequest(
            store=store,
            consistency=_consistency(at_least, at_exactly),
            resource=encode_object(question.resource),
            permission=question.permission,
            subject=encode_subject(question.subject),
            context=encode_context(question.context),
            explain=explain,
            contextual=[encode_relationship(each) for each in contextual],
        )
        answer = self._send("Permissions/Check", request, _P.CheckResponse)
        return CheckResult(
            decode_verdict(answer.verdict),
            tuple(answer.missing),
            answer.steps,
            answer.token,
            decode_time(answer.evaluated_at, "evaluated_at"),
            decode_explanation(answer.explanation) if answer.HasField("explanation") else None,
            answer.historical,
        )

    def check_many(
        self,
        store: str,
        questions: Sequence[Question],
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
    ) -> CheckManyResult:
        request = _P.CheckManyRequest(
            store=store,
            consistency=_consistency(at_least, at_exactly),
            items=[
                _P.CheckItem(
                    resource=encode_object(each.resource),
                    permission=each.permission,
                    subject=encode_subject(each.subject),
                    context=encode_context(each.context),
                )
                for each in questions
            ],
            contextual=[encode_relationship(each) for each in contextual],
        )
        answer = self._send("Permissions/CheckMany", request, _P.CheckManyResponse)
        now_us = decode_time(answer.evaluated_at, "evaluated_at")

        def result(message: permissions_pb2.CheckManyResult) -> CheckResult | RemitError:
            if message.HasField("error"):
                return decode_status(message.error)
            verdict = decode_verdict(message.answer.verdict)
            return CheckResult(verdict, tuple(message.answer.missing), 0, answer.token, now_us, None, answer.historical)

        def explain(_: Question) -> CheckResult:
            raise AssertionError("nobody asks why of an answer that came over the wire")

        return CheckManyResult(tuple(map(result, answer.results)), answer.token, now_us, explain, answer.historical)

    def expand(
        self,
        store: str,
        resource: ObjectRef,
        permission: str,
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        depth: int = 0,
    ) -> ExpandResult:
        request = _P.ExpandRequest(
            store=store,
            consistency=_consistency(at_least, at_exactly),
            resource=encode_object(resource),
            permission=permission,
            depth=depth,
            contextual=[encode_relationship(each) for each in contextual],
        )
        answer = self._send("Permissions/Expand", request, _P.ExpandResponse)
        now_us = decode_time(answer.evaluated_at, "evaluated_at")
        return ExpandResult(decode_sets(answer.sets), answer.token, now_us, answer.historical)


class WireRelationships:
    def __init__(self, send: Send) -> None:
        self._send = send

    def write(
        self,
        store: str,
        updates: Sequence[Update],
        *,
        preconditions: Sequence[Precondition] = (),
        replace: RelationshipFilter | None = None,
        metadata_json: str = "{}",
        dry_run: bool = False,
        caller: Caller,
    ) -> WriteResult:
        request = _R.WriteRequest(
            store=store,
            updates=[encode_update(each) for each in updates],
            preconditions=[encode_precondition(each) for each in preconditions],
            replace=encode_filter(replace) if replace is not None else None,
            metadata=encode_context_json(metadata_json),
            dry_run=dry_run,
        )
        answer = self._send("Relationships/Write", request, _R.WriteResponse, caller.run)
        return WriteResult(answer.token, 0, answer.replaced)

    def delete(
        self,
        store: str,
        filter: RelationshipFilter,
        *,
        preconditions: Sequence[Precondition] = (),
        limit: int = 0,
        dry_run: bool = False,
        caller: Caller,
    ) -> DeleteResult:
        request = _R.DeleteRequest(
            store=store,
            filter=encode_filter(filter),
            preconditions=[encode_precondition(each) for each in preconditions],
            limit=limit,
            dry_run=dry_run,
        )
        answer = self._send("Relationships/Delete", request, _R.DeleteResponse, caller.run)
        return DeleteResult(answer.token, answer.deleted, answer.complete)

    def read(
        self, store: str, filter: RelationshipFilter, *, at_least: str = "", limit: int = 0, cursor: str = ""
    ) -> ReadPage:
        request = _R.ReadRequest(
            store=store,
            consistency=_consistency(at_least, ""),
            filter=encode_filter(filter),
            limit=limit,
            cursor=cursor,
        )
        answer = self._send("Relationships/Read", request, _R.ReadResponse)
        return ReadPage(tuple(decode_stored(item, "items") for item in answer.items), answer.next_cursor, answer.token)


class WireSchemas:
    def __init__(self, send: Send) -> None:
        self._send = send

    def write(self, store: str, text: str, *, dry_run: bool = False) -> SchemaWritten:
        request = _S.WriteSchemaRequest(store=store, schema=text, dry_run=dry_run)
        return SchemaWritten(self._send("Schemas/WriteSchema", request, _S.WriteSchemaResponse).token, ())

    def read(self, store: str, *, at_least: str = "", at_exactly: str = "") -> SchemaRead:
        request = _S.ReadSchemaRequest(store=store, consistency=_consistency(at_least, at_exactly))
        answer = self._send("Schemas/ReadSchema", request, _S.ReadSchemaResponse)
        return SchemaRead(answer.schema, answer.expansion or answer.schema, answer.token)


def _consistency(at_least: str, at_exactly: str) -> core_pb2.Consistency | None:
    if at_exactly:
        return core_pb2.Consistency(at_exactly=at_exactly)
    return core_pb2.Consistency(at_least=at_least) if at_least else None


@contextmanager
def connected(endpoint: str, metadata: Sequence[tuple[str, str]] = ()) -> Iterator[WireEngine]:
    wire = WireEngine(endpoint, metadata)
    try:
        yield wire
    finally:
        wire.close()
