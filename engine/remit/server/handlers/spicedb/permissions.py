"""The questions of SpiceDB's PermissionsService: CheckPermission, CheckBulkPermissions, ExpandPermissionTree.

Law: all that one answer says, its traces too, is of one revision and one time."""

from __future__ import annotations

from collections.abc import Iterator

from authzed.api.v1 import core_pb2, debug_pb2, permission_service_pb2

from remit.engine.facade import Engine
from remit.engine.limits import SPICEDB_WIRE, Limits
from remit.engine.results import CheckManyResult, CheckResult
from remit.errors import RemitError
from remit.eval.budget import Budget
from remit.model import Question
from remit.notation import checked_name
from remit.server.call import Call
from remit.server.handlers.permissions import read_each
from remit.server.handlers.spicedb import DEFAULT
from remit.server.limits.answer_size import AnswerSize
from remit.server.limits.request_size import read_context
from remit.wire.spicedb.answers import decode_consistency, encode_missing, encode_permissionship, encode_token
from remit.wire.spicedb.expansions import DEPTH_MAX, encode_tree
from remit.wire.spicedb.facts import decode_object, decode_subject
from remit.wire.spicedb.refusals import told_as_spicedb
from remit.wire.spicedb.traces import encode_debug, expires_at_us
from remit.wire.status import encode_status
from remit.wire.values import encode_time


def check_permission(
    engine: Engine, request: permission_service_pb2.CheckPermissionRequest, call: Call
) -> permission_service_pb2.CheckPermissionResponse:
    question = _question(request, "", engine.limits)
    result = engine.questions.check(
        DEFAULT,
        question,
        **decode_consistency(request.consistency),
        explain=request.with_tracing,
        with_support=False,  # a trace has no place for it
        interrupt=call.interrupt,
    )
    response = permission_service_pb2.CheckPermissionResponse(
        checked_at=encode_token(result.token),
        permissionship=encode_permissionship(result.verdict),
        partial_caveat_info=encode_missing(result.missing),
    )
    if result.explanation is not None:
        response.debug_trace.CopyFrom(_debug(engine, question, result, call))
        end_us = expires_at_us(result.explanation)
        if end_us is not None:
            response.optional_expires_at.CopyFrom(encode_time(end_us))
    return response


def check_bulk_permissions(
    engine: Engine, request: permission_service_pb2.CheckBulkPermissionsRequest, call: Call
) -> permission_service_pb2.CheckBulkPermissionsResponse:
    read = read_each(_question, request.items, engine.limits, call)
    questions = [question for question in read if isinstance(question, Question)]
    answers = engine.questions.check_many(
        DEFAULT, questions, **decode_consistency(request.consistency), interrupt=call.interrupt, wire=SPICEDB_WIRE
    )
    following: Iterator[CheckResult | RemitError] = iter(answers.results)
    response = permission_service_pb2.CheckBulkPermissionsResponse(checked_at=encode_token(answers.token))
    made = AnswerSize(engine.limits, call.interrupt)
    for item, each in zip(request.items, read, strict=True):
        call.interrupt()
        result = next(following) if isinstance(each, Question) else each
        if request.with_tracing and isinstance(each, Question) and isinstance(result, CheckResult):
            result = _explained(answers, each, result, call)
        pair = _pair(engine, item, each, result, call)
        made.grew(pair.ByteSize() if request.with_tracing else 0)  # each trace brings the schema along
        response.pairs.append(pair)
    return response


def _explained(answers: CheckManyResult, question: Question, answer: CheckResult, call: Call) -> CheckResult:
    """The answer with what explains it; as it is where that takes too much."""
    try:
        return answers.explain(question)
    except RemitError:
        call.interrupt()  # whoever has left, or waited long enough, is not answered
        return answer


def _pair(
    engine: Engine,
    item: permission_service_pb2.CheckBulkPermissionsRequestItem,
    question: Question | RemitError,
    result: CheckResult | RemitError,
    call: Call,
) -> permission_service_pb2.CheckBulkPermissionsPair:
    if isinstance(result, RemitError):
        status = encode_status(told_as_spicedb(result))
        return permission_service_pb2.CheckBulkPermissionsPair(request=item, error=status)
    answer = permission_service_pb2.CheckBulkPermissionsResponseItem(
        permissionship=encode_permissionship(result.verdict), partial_caveat_info=encode_missing(result.missing)
    )
    if result.explanation is not None and isinstance(question, Question):
        answer.debug_trace.CopyFrom(_debug(engine, question, result, call))
    return permission_service_pb2.CheckBulkPermissionsPair(request=item, item=answer)


def _debug(engine: Engine, question: Question, result: CheckResult, call: Call) -> debug_pb2.DebugInformation:
    assert result.explanation is not None and result.schema is not None, "it was asked for"
    return encode_debug(result.explanation, question, result.schema, AnswerSize(engine.limits, call.interrupt).grew)


def expand_permission_tree(
    engine: Engine, request: permission_service_pb2.ExpandPermissionTreeRequest, call: Call
) -> permission_service_pb2.ExpandPermissionTreeResponse:
    result = engine.questions.expand_names(
        DEFAULT,
        decode_object(request.resource, "resource"),
        checked_name(request.permission, field="permission"),
        **decode_consistency(request.consistency),
        depth=DEPTH_MAX,
        interrupt=call.interrupt,
    )
    with engine.limits.expanding() as steps_max:
        tree: core_pb2.PermissionRelationshipTree = encode_tree(result.expansion, Budget(steps_max, call.interrupt))
    return permission_service_pb2.ExpandPermissionTreeResponse(expanded_at=encode_token(result.token), tree_root=tree)


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
