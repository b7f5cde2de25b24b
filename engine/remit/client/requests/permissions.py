"""Each verb as data: the method, its request, and how its answer is read. Both clients send these, and add nothing.

Texts are checked here, before anything is sent, so that a mistake is told with the same words as on the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from remit.client.answers import (
    Answer,
    Deleted,
    Expanded,
    Identity,
    Page,
    SchemaDiff,
    SchemaOrphans,
    SchemaText,
    SchemaWritten,
    Unanswered,
    Written,
)
from remit.errors import InvalidArgument, InvalidReference
from remit.model import (
    ObjectRef,
    Operation,
    Precondition,
    Relationship,
    RelationshipFilter,
    StoreInfo,
    SubjectRef,
    Update,
)
from remit.notation import (
    checked_name,
    checked_object,
    checked_store,
    checked_subject,
    normalized_context,
    parse_object,
    parse_question,
    parse_relationship,
    shortened,
)
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
from remit.wire.expansions import decode_sets
from remit.wire.explanations import decode_explanation
from remit.wire.facts import (
    checked_filter,
    decode_relationship,
    decode_stored,
    encode_filter,
    encode_object,
    encode_precondition,
    encode_relationship,
    encode_subject,
    encode_update,
)
from remit.wire.schemas import decode_change, decode_issue
from remit.wire.status import decode_status
from remit.wire.stores import decode_store
from remit.wire.values import decode_time, decode_verdict, encode_context

T = TypeVar("T")


class Question(NamedTuple):
    """Whether a subject has a permission of a resource, and the parameters for caveats."""

    resource: ObjectRef
    permission: str
    subject: SubjectRef
    context: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One request on its way: `read` turns the `response` message into what the caller gets. `is_question`: it changes
    nothing, so it may be sent again where no answer came."""

    path: str
    request: Message
    response: type[Message]
    read: Callable[[Any], T]
    is_question: bool = False


# --- permissions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seeing:
    """What a question is asked of: the head, no older than a token, or exactly a token's revision; and facts that count
    for this question only."""

    at_least: str = ""
    at_exactly: str = ""
    contextual: Iterable[str | Relationship] = ()

    def consistency(self) -> core_pb2.Consistency | None:
        """Raises InvalidArgument where both are asked for."""
        return _consistency(self.at_least, self.at_exactly)

    def facts(self) -> list[core_pb2.Relationship]:
        return [encode_relationship(_relationship(each)) for each in self.contextual]


def check(
    store: str, question: str | Question, context: Mapping[str, object] | None, seeing: Seeing, explain: bool
) -> Ask[Answer]:
    asked = _question(question, context)
    request = permissions_pb2.CheckRequest(
        store=store,
        consistency=seeing.consistency(),
        contextual=seeing.facts(),
        resource=encode_object(asked.resource),
        permission=asked.permission,
        subject=encode_subject(asked.subject),
        context=encode_context(asked.context) if asked.context else None,
        explain=explain,
    )
    return Ask("/remit.v1.Permissions/Check", request, permissions_pb2.CheckResponse, _answer, is_question=True)


def _answer(message: permissions_pb2.CheckResponse) -> Answer:
    return Answer(
        decode_verdict(message.verdict),
        tuple(message.missing),
        message.token,
        decode_time(message.evaluated_at, "evaluated_at"),
        message.steps,
        decode_explanation(message.explanation) if message.HasField("explanation") else None,
        message.historical,
    )


def check_many(
    store: str, questions: Iterable[str | Question], context: Mapping[str, object] | None, seeing: Seeing
) -> Ask[tuple[Answer | Unanswered, ...]]:
    request = permissions_pb2.CheckManyRequest(store=store, consistency=seeing.consistency(), contextual=seeing.facts())
    for question in questions:
        asked = _question(question, context)
        request.items.add(
            resource=encode_object(asked.resource),
            permission=asked.permission,
            subject=encode_subject(asked.subject),
            context=encode_context(asked.context) if asked.context else None,
        )
    return Ask(
        "/remit.v1.Permissions/CheckMany", request, permissions_pb2.CheckManyResponse, _answers, is_question=True
    )


def _answers(message: permissions_pb2.CheckManyResponse) -> tuple[Answer | Unanswered, ...]:
    at_us = decode_time(message.evaluated_at, "evaluated_at")

    def each(result: permissions_pb2.CheckManyResult) -> Answer | Unanswered:
        if result.HasField("answer"):
            verdict = decode_verdict(result.answer.verdict)
            missing, steps = tuple(result.answer.missing), result.answer.steps
            return Answer(verdict, missing, message.token, at_us, steps, historical=message.historical)
        return Unanswered(decode_status(result.error))

    return tuple(each(result) for result in message.results)


def expand(store: str, target: str, seeing: Seeing, depth: int) -> Ask[Expanded]:
    resource, hash_sign, permission = target.partition("#")
    if not hash_sign:
        raise InvalidReference(f"`{shortened(target)}` names no set: write `type:id#permission`")
    request = permissions_pb2.ExpandRequest(
        store=store,
        consistency=seeing.consistency(),
        contextual=seeing.facts(),
        resource=encode_object(parse_object(resource)),
        permission=checked_name(permission),
        depth=depth,
    )
    return Ask("/remit.v1.Permissions/Expand", request, permissions_pb2.ExpandResponse, _expanded, is_question=True)


def _expanded(message: permissions_pb2.ExpandResponse) -> Expanded:
    at_us = decode_time(message.evaluated_at, "evaluated_at")
    return Expanded(decode_sets(message.sets), message.token, at_us, message.historical)


def _question(question: str | Question, context: Mapping[str, object] | None) -> Question:
    """The question with valid parts. A question's own context goes before the one given for all."""
    if isinstance(question, str):
        return Question(*parse_question(question), normalized_context(context or {}))
    return Question(
        checked_object(question.resource),
        checked_name(question.permission),
        checked_subject(question.subject),
        normalized_context({**(context or {}), **question.context}),
    )


# --- relationships ----------------------------------------------------------------------------------------------


def write(
    store: str,
    updates: Iterable[Update],
    preconditions: Iterable[Precondition],
    metadata: Mapping[str, object] | None,
    dry_run: bool,
    replace: RelationshipFilter | None = None,
) -> Ask[Written]:
    request = relationships_pb2.WriteRequest(
        store=store,
        updates=[encode_update(update) for update in updates],
        preconditions=[encode_precondition(each) for each in preconditions],
        metadata=_metadata(metadata),
        dry_run=dry_run,
        replace=_filter(replace, "replace"),
    )
    return Ask(
        "/remit.v1.Relationships/Write",
        request,
        relationships_pb2.WriteResponse,
        lambda answer: Written(answer.token, answer.replaced),
    )


def updates(operation: Operation, relationships: Iterable[str | Relationship]) -> list[Update]:
    """The same operation on each of them, given as text or as they are."""
    return [Update(operation, _relationship(each)) for each in relationships]


def delete_by_filter(
    store: str,
    filter: RelationshipFilter,
    preconditions: Iterable[Precondition],
    metadata: Mapping[str, object] | None,
    dry_run: bool,
    limit: int,
) -> Ask[Deleted]:
    request = relationships_pb2.DeleteRequest(
        store=store,
        filter=_filter(filter, "filter"),
        preconditions=[encode_precondition(each) for each in preconditions],
        metadata=_metadata(metadata),
        dry_run=dry_run,
        limit=limit,
    )
    return Ask(
        "/remit.v1.Relationships/Delete",
        request,
        relationships_pb2.DeleteResponse,
        lambda answer: Deleted(answer.token, answer.deleted, answer.complete),
    )


class Deleting:
    """A delete by filter as it goes from call to call, a revision each, until nothing is left or `limit` is reached."""

    def __init__(self, limit: int, dry_run: bool, progress: Callable[[int], None] | None) -> None:
        """`limit` 0: all. `progress` hears how many are gone by now."""
        self._limit = limit
        self._is_last = dry_run
        self._progress = progress
        self.deleted = Deleted("", 0, complete=False)

    @property
    def call_limit(self) -> int:
        """For the next call; 0: as many as one revision may."""
        return max(self._limit - self.deleted.deleted, 0)

    def goes_on(self, answer: Deleted) -> bool:
        """Count a call's answer; whether there is another to make."""
        deleted = self.deleted.deleted + answer.deleted
        self.deleted = Deleted(answer.token, deleted, answer.complete)
        if self._progress is not None:
            self._progress(deleted)
        return not (answer.complete or self._is_last or (self._limit and deleted >= self._limit))


def read(store: str, filter: RelationshipFilter | None, at_least: str, limit: int, cursor: str) -> Ask[Page]:
    request = relationships_pb2.ReadRequest(
        store=store,
        consistency=_consistency(at_least),
        filter=_filter(filter, "filter"),
        limit=limit,
        cursor=cursor,
    )
    return Ask("/remit.v1.Relationships/Read", request, relationships_pb2.ReadResponse, _page, is_question=True)


def _page(message: relationships_pb2.ReadResponse) -> Page:
    return Page(tuple(decode_stored(item, "items") for item in message.items), message.next_cursor, message.token)


# --- schemas ----------------------------------------------------------------------------------------------------


def write_schema(store: str, text: str, dry_run: bool) -> Ask[SchemaWritten]:
    request = schemas_pb2.WriteSchemaRequest(store=store, schema=text, dry_run=dry_run)
    return Ask("/remit.v1.Schemas/WriteSchema", request, schemas_pb2.WriteSchemaResponse, _schema_written)


def _schema_written(message: schemas_pb2.WriteSchemaResponse) -> SchemaWritten:
    return SchemaWritten(message.token, tuple(decode_issue(warning) for warning in message.warnings))


def read_schema(store: str, at_least: str, at_exactly: str) -> Ask[SchemaText]:
    request = schemas_pb2.ReadSchemaRequest(store=store, consistency=_consistency(at_least, at_exactly))
    return Ask(
        "/remit.v1.Schemas/ReadSchema",
        request,
        schemas_pb2.ReadSchemaResponse,
        lambda answer: SchemaText(answer.schema, answer.token),
        is_question=True,
    )


def diff_schema(store: str, text: str, at_least: str) -> Ask[SchemaDiff]:
    request = schemas_pb2.DiffSchemaRequest(store=store, schema=text, consistency=_consistency(at_least))
    return Ask("/remit.v1.Schemas/DiffSchema", request, schemas_pb2.DiffSchemaResponse, _schema_diff, is_question=True)


def _schema_diff(message: schemas_pb2.DiffSchemaResponse) -> SchemaDiff:
    return SchemaDiff(
        tuple(decode_change(change) for change in message.changes),
        tuple(_orphans(each) for each in message.orphans),
        tuple(decode_issue(warning) for warning in message.warnings),
        message.token,
    )


def _orphans(message: schemas_pb2.SchemaOrphans) -> SchemaOrphans:
    examples = tuple(decode_relationship(example, "examples") for example in message.examples)
    return SchemaOrphans(message.definition, message.relation, message.count, examples)


# --- stores -----------------------------------------------------------------------------------------------------


def create_store(name: str) -> Ask[StoreInfo]:
    request = stores_pb2.CreateStoreRequest(name=checked_store(name, field="name"))
    path = "/remit.v1.Stores/CreateStore"
    return Ask(path, request, stores_pb2.CreateStoreResponse, lambda answer: decode_store(answer.store))


def list_stores() -> Ask[tuple[StoreInfo, ...]]:
    return Ask(
        "/remit.v1.Stores/ListStores",
        stores_pb2.ListStoresRequest(),
        stores_pb2.ListStoresResponse,
        lambda answer: tuple(decode_store(each) for each in answer.stores),
        is_question=True,
    )


def delete_store(name: str) -> Ask[None]:
    request = stores_pb2.DeleteStoreRequest(name=checked_store(name, field="name"))
    return Ask("/remit.v1.Stores/DeleteStore", request, stores_pb2.DeleteStoreResponse, lambda _: None)


def who_am_i() -> Ask[Identity]:
    return Ask(
        "/remit.v1.Stores/WhoAmI", stores_pb2.WhoAmIRequest(), stores_pb2.WhoAmIResponse, _identity, is_question=True
    )


def _identity(message: stores_pb2.WhoAmIResponse) -> Identity:
    return Identity(
        message.principal,
        message.key_id,
        tuple(message.stores),
        tuple(message.rights),
        decode_time(message.expiration, "expiration") if message.HasField("expiration") else None,
        message.version,
    )


# --- parts ------------------------------------------------------------------------------------------------------


def _consistency(at_least: str, at_exactly: str = "") -> core_pb2.Consistency | None:
    if at_least and at_exactly:
        raise InvalidArgument("`at_least` and `at_exactly` exclude each other: give one", field="consistency")
    if at_exactly:
        return core_pb2.Consistency(at_exactly=at_exactly)
    return core_pb2.Consistency(at_least=at_least) if at_least else None


def _relationship(given: str | Relationship) -> Relationship:
    return parse_relationship(given) if isinstance(given, str) else given


def _filter(filter: RelationshipFilter | None, field: str) -> core_pb2.RelationshipFilter | None:
    return encode_filter(checked_filter(filter, field)) if filter is not None else None


def _metadata(metadata: Mapping[str, object] | None) -> Struct | None:
    return encode_context(normalized_context(metadata)) if metadata else None
