"""Why a check said so, as SpiceDB's debug information: the questions that were asked, each below the one that asked it.

An explanation tells each question once; so does the tree, and where a question comes up again only its result stands,
marked as known. A reader of protobuf stops at a hundred nested messages, so a question that stands too deep is shown by
its result alone, too.
Law: each result is the one that the explanation has; every trace can be read with the default limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from authzed.api.v1 import core_pb2, debug_pb2

from remit.eval.trees import ExplainedQuestion, Explanation, ExplanationKind, ExplanationNode
from remit.language.plan import Schema
from remit.model import ObjectRef, Question, Relationship, SubjectRef, Verdict
from remit.notation import parse_context
from remit.wire.spicedb.facts import encode_object, encode_subject
from remit.wire.values import encode_context, encode_time

# Two levels for each trace below two of the answer, and below the last a context, whose levels take three each.
_DEPTH_MAX = 15

_TRACE = debug_pb2.CheckDebugTrace
_RESULTS = {
    Verdict.NO: _TRACE.PERMISSIONSHIP_NO_PERMISSION,
    Verdict.CONDITIONAL: _TRACE.PERMISSIONSHIP_CONDITIONAL_PERMISSION,
    Verdict.YES: _TRACE.PERMISSIONSHIP_HAS_PERMISSION,
}
_CAVEAT_RESULTS = {
    Verdict.NO: debug_pb2.CaveatEvalInfo.RESULT_FALSE,
    Verdict.CONDITIONAL: debug_pb2.CaveatEvalInfo.RESULT_MISSING_SOME_CONTEXT,
    Verdict.YES: debug_pb2.CaveatEvalInfo.RESULT_TRUE,
}

_Key = tuple[ObjectRef, str, SubjectRef]

Grew = Callable[[int], None]
"""Told of each part of an answer how many bytes it has, 0 where it is small; what it raises ends the answer."""


def encode_debug(
    explanation: Explanation, question: Question, schema: Schema, grew: Grew = lambda _: None
) -> debug_pb2.DebugInformation:
    """Cost: O(the explanation). Raises what `grew` raises."""
    debug = debug_pb2.DebugInformation(schema_used=schema.expansion)
    grew(len(schema.expansion))
    root = explanation.questions[0]
    _Tracing(explanation, question, schema, grew).fill(debug.check, _key(root), root.verdict, 1)
    return debug


def expires_at_us(explanation: Explanation) -> int | None:
    """When the first of the relationships ends that an answer which is not no was found by."""
    ends_us = [
        node.relationship.qualifiers.expiration_us
        for question in explanation.questions
        for node in _nodes(question.definition)
        if node.relationship is not None and node.relationship.qualifiers.expiration_us is not None
    ]
    return min(ends_us, default=None) if explanation.questions[0].verdict is not Verdict.NO else None


class _Tracing:
    def __init__(self, explanation: Explanation, question: Question, schema: Schema, grew: Grew) -> None:
        self._questions = {_key(each): each for each in explanation.questions}
        self._context = question.context
        self._schema = schema
        self._grew = grew
        self._told: set[_Key] = set()

    def fill(self, trace: debug_pb2.CheckDebugTrace, key: _Key, verdict: Verdict, depth: int) -> None:
        resource, name, subject = key
        trace.resource.CopyFrom(encode_object(resource))
        trace.permission = name
        trace.permission_type = self._kind(resource.type, name)
        trace.subject.CopyFrom(encode_subject(subject))
        trace.result = _RESULTS[verdict]
        trace.source = "remit"
        explained = self._questions.get(key)
        if explained is None or key in self._told or depth > _DEPTH_MAX:
            trace.was_cached_result = True
            return
        self._told.add(key)
        trace.trace_operation_id = str(len(self._told))
        nodes = list(_nodes(explained.definition))
        self._tell_relationships(trace, nodes)
        asked = [node for node in nodes if node.kind is ExplanationKind.QUESTION]
        trace.was_cached_result = False
        for node in asked:
            if node.resource is not None and node.subject is not None:
                below = (node.resource, node.relation, node.subject)
                self.fill(trace.sub_problems.traces.add(), below, node.verdict, depth + 1)

    def _kind(self, type: str, name: str) -> debug_pb2.CheckDebugTrace.PermissionType.ValueType:
        definition = self._schema.definitions[type]
        if name in definition.relations:
            return _TRACE.PERMISSION_TYPE_RELATION
        if name in definition.permissions:
            return _TRACE.PERMISSION_TYPE_PERMISSION
        return _TRACE.PERMISSION_TYPE_UNSPECIFIED  # `child.along(…)`

    def _tell_relationships(self, trace: debug_pb2.CheckDebugTrace, nodes: list[ExplanationNode]) -> None:
        ends_us: list[int] = []
        for node in nodes:
            self._grew(0)
            if node.relationship is None:
                continue
            qualifiers = node.relationship.qualifiers
            if qualifiers.expiration_us is not None:
                ends_us.append(qualifiers.expiration_us)
            if qualifiers.caveat is not None and not trace.HasField("caveat_evaluation_info"):
                self._tell_caveat(trace.caveat_evaluation_info, node, node.relationship)
        if ends_us:
            trace.optional_expires_at.CopyFrom(encode_time(min(ends_us)))

    def _tell_caveat(self, info: debug_pb2.CaveatEvalInfo, node: ExplanationNode, relationship: Relationship) -> None:
        use = relationship.qualifiers.caveat
        assert use is not None, "it was looked at before"
        caveat = self._schema.caveats.get(use.name)  # none where it is built in: then all of it stands in its context
        given: Mapping[str, object] = {
            **{name: value for name, value in self._context.items() if caveat and name in caveat.parameters},
            **parse_context(use.context_json),  # what was fixed when it was written comes first
        }
        info.caveat_name = use.name
        info.expression = caveat.expression if caveat else ""
        info.result = _CAVEAT_RESULTS[node.verdict]
        info.context.CopyFrom(encode_context(given))
        self._grew(info.ByteSize())
        if node.missing:
            info.partial_caveat_info.CopyFrom(core_pb2.PartialCaveatInfo(missing_required_context=node.missing))


def _key(question: ExplainedQuestion) -> _Key:
    return question.resource, question.relation, question.subject


def _nodes(node: ExplanationNode) -> Iterator[ExplanationNode]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(reversed(each.children))
