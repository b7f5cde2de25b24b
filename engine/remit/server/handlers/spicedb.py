"""SpiceDB's verbs over Remit's engine: its clients load and ask Remit as they would SpiceDB.

A thin translation at the edge, with no logic of its own; SpiceDB has one store, which here is `default`.
Law: the same question over either wire has the same answer."""

from __future__ import annotations

from authzed.api.v1 import permission_service_pb2, schema_service_pb2

from remit.engine.commits import is_bulk
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.engine.results import CheckResult
from remit.errors import InvalidArgument, RemitError
from remit.model import Question
from remit.notation import checked_name
from remit.server.call import Call
from remit.server.handlers.permissions import read_each
from remit.server.limits.request_size import read_context
from remit.wire.spicedb import (
    decode_consistency,
    decode_object,
    decode_precondition,
    decode_subject,
    decode_update,
    encode_missing,
    encode_permissionship,
    encode_token,
)
from remit.wire.status import encode_status
from remit.wire.values import decode_context_json

DEFAULT = ""


def check_permission(
    engine: Engine, request: permission_service_pb2.CheckPermissionRequest, call: Call
) -> permission_service_pb2.CheckPermissionResponse:
    _refuse_tracing(request.with_tracing)
    result = engine.questions.check(
        DEFAULT,
        _question(request, "", engine.limits),
        **decode_consistency(request.consistency),
        interrupt=call.interrupt,
    )
    return permission_service_pb2.CheckPermissionResponse(
        checked_at=encode_token(result.token),
        permissionship=encode_permissionship(result.verdict),
        partial_caveat_info=encode_missing(result.missing),
    )


def check_bulk_permissions(
    engine: Engine, request: permission_service_pb2.CheckBulkPermissionsRequest, call: Call
) -> permission_service_pb2.CheckBulkPermissionsResponse:
    _refuse_tracing(request.with_tracing)
    read = read_each(_question, request.items, engine.limits, call)
    questions = [question for question in read if isinstance(question, Question)]
    answers = engine.questions.check_many(
        DEFAULT, questions, **decode_consistency(request.consistency), interrupt=call.interrupt
    )
    following = iter(answers.results)
    return permission_service_pb2.CheckBulkPermissionsResponse(
        checked_at=encode_token(answers.token),
        pairs=[
            _pair(item, next(following) if isinstance(question, Question) else question)
            for item, question in zip(request.items, read, strict=True)
        ],
    )


def _pair(
    item: permission_service_pb2.CheckBulkPermissionsRequestItem, result: CheckResult | RemitError
) -> permission_service_pb2.CheckBulkPermissionsPair:
    if isinstance(result, RemitError):
        return permission_service_pb2.CheckBulkPermissionsPair(request=item, error=encode_status(result))
    answer = permission_service_pb2.CheckBulkPermissionsResponseItem(
        permissionship=encode_permissionship(result.verdict), partial_caveat_info=encode_missing(result.missing)
    )
    return permission_service_pb2.CheckBulkPermissionsPair(request=item, item=answer)


def _question(
    message: permission_service_pb2.CheckPermissionRequest | permission_service_pb2.CheckBulkPermissionsRequestItem,
    prefix: str,
    limits: Limits,
) -> Question:
    return Question(
        decode_object(message.resource, f"{prefix}resource"),
        checked_name(message.permission, field=f"{prefix}permission"),
        decode_subject(message.subject, f"{prefix}subject"),
        read_context(message.context, limits, f"{prefix}context") if message.HasField("context") else {},
    )


def _refuse_tracing(is_asked: bool) -> None:
    if is_asked:
        raise InvalidArgument(
            "`with_tracing` is not answered in SpiceDB's form: ask remit.v1.Permissions/Check with `explain`",
            field="with_tracing",
        )


def write_relationships(
    engine: Engine, request: permission_service_pb2.WriteRelationshipsRequest, call: Call
) -> permission_service_pb2.WriteRelationshipsResponse:
    """Once it is judged a write is carried out, whether or not the caller still waits."""
    if is_bulk(len(request.updates)):
        call.require_heavy()  # before any of them is read
    updates = []
    for number, update in enumerate(request.updates):
        call.interrupt()
        updates.append(decode_update(update, f"updates[{number}]"))
    result = engine.relationships.write(
        DEFAULT,
        updates,
        preconditions=[
            decode_precondition(each, f"optional_preconditions[{number}]")
            for number, each in enumerate(request.optional_preconditions)
        ],
        metadata_json=decode_context_json(request.optional_transaction_metadata, "optional_transaction_metadata"),
        caller=call.caller,
        before_bulk=call.require_heavy,
        interrupt=call.interrupt,
    )
    return permission_service_pb2.WriteRelationshipsResponse(written_at=encode_token(result.token))


def write_schema(
    engine: Engine, request: schema_service_pb2.WriteSchemaRequest, call: Call
) -> schema_service_pb2.WriteSchemaResponse:
    written = engine.schemas.write(DEFAULT, request.schema, caller=call.caller, interrupt=call.interrupt)
    return schema_service_pb2.WriteSchemaResponse(written_at=encode_token(written.token))


def read_schema(
    engine: Engine, request: schema_service_pb2.ReadSchemaRequest, call: Call
) -> schema_service_pb2.ReadSchemaResponse:
    read = engine.schemas.read(DEFAULT)
    return schema_service_pb2.ReadSchemaResponse(schema_text=read.text, read_at=encode_token(read.token))
