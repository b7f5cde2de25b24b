"""The service Permissions: Check, CheckMany, Expand.

Each verb is a plain function: decode the request, ask the engine, encode what it says. No transport is known here, nor
in any other file of this folder: all of them come by the table in `verbs.py`.
Law: a handler decides nothing; it raises RemitError for a caller's fault and anything else only for our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.engine.results import CheckResult
from remit.errors import RemitError
from remit.model import Question, Relationship
from remit.server.call import Call
from remit.server.handlers.consistency import decode_consistency
from remit.server.limits.answer_size import AnswerSize
from remit.server.limits.request_size import read_context
from remit.v1 import core_pb2, permissions_pb2
from remit.wire.calls import decode_call
from remit.wire.expansions import encode_sets
from remit.wire.explanations import encode_explanation
from remit.wire.facts import decode_object, decode_permission, decode_relationship, decode_subject
from remit.wire.status import encode_status
from remit.wire.values import encode_time, encode_verdict

Item = TypeVar("Item", bound=Message)


def check(engine: Engine, request: permissions_pb2.CheckRequest, call: Call) -> permissions_pb2.CheckResponse:
    result = engine.questions.check(
        request.store,
        _question(request, "", engine.limits),
        **decode_consistency(request.consistency),
        contextual=decode_contextual(request.contextual),
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
        response.explanation.CopyFrom(encode_explanation(result.explanation, AnswerSize(engine.limits, call.interrupt)))
    return response


def check_many(
    engine: Engine, request: permissions_pb2.CheckManyRequest, call: Call
) -> permissions_pb2.CheckManyResponse:
    consistency = decode_consistency(request.consistency)
    contextual = decode_contextual(request.contextual)
    read = read_each(_question, request.items, engine.limits, call)
    questions = [question for question in read if isinstance(question, Question)]
    answers = engine.questions.check_many(
        request.store, questions, **consistency, contextual=contextual, interrupt=call.interrupt
    )
    following = iter(answers.results)
    results = [next(following) if isinstance(question, Question) else question for question in read]
    return permissions_pb2.CheckManyResponse(
        results=[_check_many_result(result, call) for result in results],
        token=answers.token,
        evaluated_at=encode_time(answers.evaluated_at_us),
        historical=answers.historical,
    )


def read_each(
    question: Callable[[Item, str, Limits], Question], items: Sequence[Item], limits: Limits, call: Call
) -> list[Question | RemitError]:
    """A question that cannot be read, or brings too much, is an error of its own, like one that cannot be answered; and
    nobody evaluates it."""
    read: list[Question | RemitError] = []
    for number, item in enumerate(items):
        call.interrupt()
        try:
            read.append(question(item, f"items[{number}].", limits))
        except RemitError as error:
            read.append(error)
    return read


def _check_many_result(result: CheckResult | RemitError, call: Call) -> permissions_pb2.CheckManyResult:
    call.interrupt()
    if isinstance(result, RemitError):
        return permissions_pb2.CheckManyResult(error=encode_status(result))
    answer = permissions_pb2.CheckAnswer(
        verdict=encode_verdict(result.verdict), missing=result.missing, steps=result.steps
    )
    return permissions_pb2.CheckManyResult(answer=answer)


def expand(engine: Engine, request: permissions_pb2.ExpandRequest, call: Call) -> permissions_pb2.ExpandResponse:
    result = engine.questions.expand(
        request.store,
        decode_object(request.resource, "resource"),
        decode_permission(request.permission),
        **decode_consistency(request.consistency),
        contextual=decode_contextual(request.contextual),
        depth=request.depth,
        interrupt=call.interrupt,
    )
    response = permissions_pb2.ExpandResponse(
        token=result.token, evaluated_at=encode_time(result.evaluated_at_us), historical=result.historical
    )
    encode_sets(result.expansion, response, AnswerSize(engine.limits, call.interrupt))
    return response


def _question(
    message: permissions_pb2.CheckRequest | permissions_pb2.CheckItem, prefix: str, limits: Limits
) -> Question:
    return Question(
        decode_object(message.resource, f"{prefix}resource"),
        decode_permission(message.permission, f"{prefix}permission"),
        decode_subject(message.subject, f"{prefix}subject"),
        read_context(message.context, limits, f"{prefix}context") if message.HasField("context") else {},
        decode_call(message.call) if message.HasField("call") else None,
    )


def decode_contextual(messages: Sequence[core_pb2.Relationship]) -> list[Relationship]:
    return [decode_relationship(message, f"contextual[{number}]") for number, message in enumerate(messages)]
