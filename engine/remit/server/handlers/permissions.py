"""Each verb as a plain function: decode the request, ask the engine, encode what it says.

No transport is known here: grpc.aio, the front door and HTTP adapt to these by the table in `verbs.py`.
Law: a handler decides nothing; it raises RemitError for a caller's fault and anything else only for our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict, TypeVar

from google.protobuf.message import Message

import remit
from remit.access.keys import ALL_RIGHTS, ALL_STORES, right_names
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.engine.results import CheckResult, Question
from remit.errors import InvalidArgument, InvalidToken, RemitError
from remit.model import Precondition, Relationship, RelationshipFilter
from remit.server.call import Call
from remit.server.limits.request_size import require_sizes
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
from remit.wire.expansions import encode_sets
from remit.wire.explanations import encode_explanation
from remit.wire.facts import (
    decode_filter,
    decode_object,
    decode_permission,
    decode_precondition,
    decode_relationship,
    decode_subject,
    decode_update,
    encode_stored,
)
from remit.wire.schemas import encode_change, encode_issue, encode_orphans
from remit.wire.status import encode_status
from remit.wire.values import decode_context, decode_context_json, encode_time, encode_verdict

Item = TypeVar("Item", bound=Message)

# --- permissions ------------------------------------------------------------------------------------------------


def check(engine: Engine, request: permissions_pb2.CheckRequest, call: Call) -> permissions_pb2.CheckResponse:
    result = engine.check(
        request.store,
        _question(request, ""),
        **_consistency(request.consistency),
        contextual=_contextual(request.contextual),
        explain=request.explain,
        interrupt=call.interrupt,
    )
    response = permissions_pb2.CheckResponse(
        verdict=encode_verdict(result.verdict),
        missing=result.missing,
        token=result.token,
        evaluated_at=encode_time(result.evaluated_at_us),
        steps=result.steps,
        historical=result.historical,
    )
    if result.explanation is not None:
        response.explanation.CopyFrom(encode_explanation(result.explanation))
    return response


def check_many(
    engine: Engine, request: permissions_pb2.CheckManyRequest, call: Call
) -> permissions_pb2.CheckManyResponse:
    consistency = _consistency(request.consistency)
    contextual = _contextual(request.contextual)
    read = read_each(_question, request.items, engine.limits, call)
    questions = [question for question in read if isinstance(question, Question)]
    answers = engine.check_many(
        request.store, questions, **consistency, contextual=contextual, interrupt=call.interrupt
    )
    following = iter(answers.results)
    results = [next(following) if isinstance(question, Question) else question for question in read]
    return permissions_pb2.CheckManyResponse(
        results=[_check_many_result(result) for result in results],
        token=answers.token,
        evaluated_at=encode_time(answers.evaluated_at_us),
        historical=answers.historical,
    )


def read_each(
    question: Callable[[Item, str], Question], items: Sequence[Item], limits: Limits, call: Call
) -> list[Question | RemitError]:
    """A question that cannot be read is an error of its own, like one that cannot be answered."""
    read: list[Question | RemitError] = []
    for number, item in enumerate(items):
        call.interrupt()
        try:
            require_sizes(item, limits, item.ByteSize())
            read.append(question(item, f"items[{number}]."))
        except RemitError as error:
            read.append(error)
    return read


def _check_many_result(result: CheckResult | RemitError) -> permissions_pb2.CheckManyResult:
    if isinstance(result, RemitError):
        return permissions_pb2.CheckManyResult(error=encode_status(result))
    answer = permissions_pb2.CheckAnswer(
        verdict=encode_verdict(result.verdict), missing=result.missing, steps=result.steps
    )
    return permissions_pb2.CheckManyResult(answer=answer)


def expand(engine: Engine, request: permissions_pb2.ExpandRequest, call: Call) -> permissions_pb2.ExpandResponse:
    result = engine.expand(
        request.store,
        decode_object(request.resource, "resource"),
        decode_permission(request.permission),
        **_consistency(request.consistency),
        contextual=_contextual(request.contextual),
        depth=request.depth,
        interrupt=call.interrupt,
    )
    return permissions_pb2.ExpandResponse(
        sets=encode_sets(result.expansion),
        token=result.token,
        evaluated_at=encode_time(result.evaluated_at_us),
        historical=result.historical,
    )


def _question(message: permissions_pb2.CheckRequest | permissions_pb2.CheckItem, prefix: str) -> Question:
    return Question(
        decode_object(message.resource, f"{prefix}resource"),
        decode_permission(message.permission, f"{prefix}permission"),
        decode_subject(message.subject, f"{prefix}subject"),
        decode_context(message.context, f"{prefix}context") if message.HasField("context") else {},
    )


def _contextual(messages: Sequence[core_pb2.Relationship]) -> list[Relationship]:
    return [decode_relationship(message, f"contextual[{number}]") for number, message in enumerate(messages)]


# --- relationships ----------------------------------------------------------------------------------------------


def write(engine: Engine, request: relationships_pb2.WriteRequest, call: Call) -> relationships_pb2.WriteResponse:
    """Once handed to the engine a write is carried out, whether or not the caller still waits."""
    result = engine.write(
        request.store,
        [decode_update(update, f"updates[{number}]") for number, update in enumerate(request.updates)],
        preconditions=_preconditions(request.preconditions),
        replace=decode_filter(request.replace, "replace") if request.HasField("replace") else None,
        metadata_json=decode_context_json(request.metadata, "metadata"),
        dry_run=request.dry_run,
        caller=call.caller,
    )
    return relationships_pb2.WriteResponse(token=result.token, replaced=result.replaced)


def delete(engine: Engine, request: relationships_pb2.DeleteRequest, call: Call) -> relationships_pb2.DeleteResponse:
    result = engine.delete(
        request.store,
        decode_filter(request.filter, "filter"),
        preconditions=_preconditions(request.preconditions),
        limit=request.limit,
        metadata_json=decode_context_json(request.metadata, "metadata"),
        dry_run=request.dry_run,
        caller=call.caller,
    )
    return relationships_pb2.DeleteResponse(token=result.token, deleted=result.deleted, complete=result.complete)


def _preconditions(messages: Sequence[relationships_pb2.Precondition]) -> list[Precondition]:
    return [decode_precondition(message, f"preconditions[{number}]") for number, message in enumerate(messages)]


def read(engine: Engine, request: relationships_pb2.ReadRequest, call: Call) -> relationships_pb2.ReadResponse:
    page = engine.read(
        request.store,
        decode_filter(request.filter, "filter") if request.HasField("filter") else RelationshipFilter(),
        at_least=at_least_of(request.consistency),
        limit=request.limit,
        cursor=request.cursor,
        interrupt=call.interrupt,
    )
    return relationships_pb2.ReadResponse(
        items=[encode_stored(stored) for stored in page.items], next_cursor=page.next_cursor, token=page.token
    )


# --- schemas ----------------------------------------------------------------------------------------------------


def write_schema(
    engine: Engine, request: schemas_pb2.WriteSchemaRequest, call: Call
) -> schemas_pb2.WriteSchemaResponse:
    written = engine.write_schema(request.store, request.schema, dry_run=request.dry_run, caller=call.caller)
    return schemas_pb2.WriteSchemaResponse(
        token=written.token, warnings=[encode_issue(warning) for warning in written.warnings]
    )


def read_schema(engine: Engine, request: schemas_pb2.ReadSchemaRequest, call: Call) -> schemas_pb2.ReadSchemaResponse:
    schema = engine.read_schema(request.store, **_consistency(request.consistency))
    return schemas_pb2.ReadSchemaResponse(schema=schema.text, token=schema.token)


def diff_schema(engine: Engine, request: schemas_pb2.DiffSchemaRequest, call: Call) -> schemas_pb2.DiffSchemaResponse:
    found = engine.diff_schema(request.store, request.schema, at_least=at_least_of(request.consistency))
    return schemas_pb2.DiffSchemaResponse(
        changes=[encode_change(change) for change in found.changes],
        orphans=[encode_orphans(each) for each in found.orphans],
        warnings=[encode_issue(warning) for warning in found.warnings],
        token=found.token,
    )


# --- consistency ------------------------------------------------------------------------------------------------


# --- stores -----------------------------------------------------------------------------------------------------


def who_am_i(engine: Engine, request: stores_pb2.WhoAmIRequest, call: Call) -> stores_pb2.WhoAmIResponse:
    """Of a server without keys: everyone is `local` and holds every right."""
    key = call.key
    response = stores_pb2.WhoAmIResponse(
        principal=call.caller.principal,
        key_id=key.id if key is not None else "",
        stores=sorted(key.stores) if key is not None else [ALL_STORES],
        rights=right_names(key.rights if key is not None else ALL_RIGHTS),
        version=remit.__version__,
    )
    if key is not None and key.expiration_us is not None:
        response.expiration.CopyFrom(encode_time(key.expiration_us))
    return response


# --- what several verbs ask -------------------------------------------------------------------------------------


class _Consistency(TypedDict, total=False):
    """What the engine's questions take; empty for the head."""

    at_least: str
    at_exactly: str


def _consistency(consistency: core_pb2.Consistency) -> _Consistency:
    """An empty token that was set on purpose is a variable left unfilled, and refused."""
    match consistency.WhichOneof("requirement"):
        case "at_least":
            return {"at_least": _set_token(consistency.at_least, "at_least")}
        case "at_exactly":
            return {"at_exactly": _set_token(consistency.at_exactly, "at_exactly")}
        case _:
            return {}


def at_least_of(consistency: core_pb2.Consistency) -> str:
    """For lists, which are read from the store itself and know only its head."""
    if consistency.WhichOneof("requirement") == "at_exactly":
        raise InvalidArgument(
            "lists are of the head: `at_exactly` is for Check, CheckMany and Expand", field="consistency"
        )
    return _consistency(consistency).get("at_least", "")


def _set_token(token: str, name: str) -> str:
    if not token:
        raise InvalidToken(f"`{name}` is set to an empty token: leave it unset for the head", field="consistency")
    return token
