"""The requests of the service `Permissions`: check, check many, expand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from remit.client.answers import Answer, Expanded, Unanswered
from remit.client.requests.request import ReadOptions, Request
from remit.errors import InvalidReference
from remit.model import Call, ObjectRef, SubjectRef
from remit.notation import (
    checked_name,
    checked_object,
    checked_subject,
    normalized_context,
    parse_object,
    parse_question,
    shortened,
)
from remit.v1 import permissions_pb2
from remit.wire.calls import encode_call
from remit.wire.expansions import decode_sets
from remit.wire.explanations import decode_explanation
from remit.wire.facts import encode_object, encode_subject
from remit.wire.status import decode_status
from remit.wire.values import decode_time, decode_verdict, encode_context


class Question(NamedTuple):
    """Whether a subject has a permission of a resource, the parameters for caveats, and the call that it is about."""

    resource: ObjectRef
    permission: str
    subject: SubjectRef
    context: Mapping[str, object] = {}
    call: Call | None = None


def check(
    store: str,
    question: str | Question,
    context: Mapping[str, object] | None,
    call: Call | None,
    options: ReadOptions,
    explain: bool,
) -> Request[Answer]:
    parsed = _question(question, context, call)
    request = permissions_pb2.CheckRequest(
        store=store,
        consistency=options.consistency(),
        contextual=options.facts(),
        resource=encode_object(parsed.resource),
        permission=parsed.permission,
        subject=encode_subject(parsed.subject),
        context=encode_context(parsed.context) if parsed.context else None,
        explain=explain,
        call=encode_call(parsed.call) if parsed.call is not None else None,
    )
    return Request("/remit.v1.Permissions/Check", request, permissions_pb2.CheckResponse, _answer, is_repeatable=True)


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
    store: str,
    questions: Iterable[str | Question],
    context: Mapping[str, object] | None,
    call: Call | None,
    options: ReadOptions,
) -> Request[tuple[Answer | Unanswered, ...]]:
    request = permissions_pb2.CheckManyRequest(
        store=store, consistency=options.consistency(), contextual=options.facts()
    )
    for question in questions:
        parsed = _question(question, context, call)
        request.items.add(
            resource=encode_object(parsed.resource),
            permission=parsed.permission,
            subject=encode_subject(parsed.subject),
            context=encode_context(parsed.context) if parsed.context else None,
            call=encode_call(parsed.call) if parsed.call is not None else None,
        )
    return Request(
        "/remit.v1.Permissions/CheckMany", request, permissions_pb2.CheckManyResponse, _answers, is_repeatable=True
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


def expand(store: str, target: str, options: ReadOptions, depth: int) -> Request[Expanded]:
    resource, hash_sign, permission = target.partition("#")
    if not hash_sign:
        raise InvalidReference(f"`{shortened(target)}` names no set: write `type:id#permission`")
    request = permissions_pb2.ExpandRequest(
        store=store,
        consistency=options.consistency(),
        contextual=options.facts(),
        resource=encode_object(parse_object(resource)),
        permission=checked_name(permission),
        depth=depth,
    )
    return Request(
        "/remit.v1.Permissions/Expand", request, permissions_pb2.ExpandResponse, _expanded, is_repeatable=True
    )


def _expanded(message: permissions_pb2.ExpandResponse) -> Expanded:
    at_us = decode_time(message.evaluated_at, "evaluated_at")
    return Expanded(decode_sets(message.sets), message.token, at_us, message.historical)


def _question(question: str | Question, context: Mapping[str, object] | None, call: Call | None) -> Question:
    """The question with valid parts. A question's own context and call go before those given for all. Whether a call
    can be read, the server says."""
    if isinstance(question, str):
        return Question(*parse_question(question), normalized_context(context or {}), call)
    return Question(
        checked_object(question.resource),
        checked_name(question.permission),
        checked_subject(question.subject),
        normalized_context({**(context or {}), **question.context}),
        question.call if question.call is not None else call,
    )
