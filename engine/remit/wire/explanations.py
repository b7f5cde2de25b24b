"""Why a Check said so, as protobuf.

The questions of an explanation are a flat list already; only a definition's operators nest. A reader of protobuf stops
at a hundred nested messages (Java, Rust, C++ and Python by default), so an operator that stands too deep is shown by
its verdict alone, and the explanation says that it was truncated.
Law: `decode(encode(x)) == x` where nothing stands too deep; every encoding can be read with the default limits."""

from __future__ import annotations

from remit.errors import InvalidArgument
from remit.eval.trees import ExplainedQuestion, Explanation, ExplanationKind, ExplanationNode
from remit.model import ObjectRef, SubjectRef
from remit.v1 import core_pb2, permissions_pb2
from remit.wire.facts import (
    MadeRelationship,
    decode_relationship,
    decode_update,
    encode_object,
    encode_relationship,
    encode_subject,
    encode_update,
)
from remit.wire.values import decode_verdict, encode_verdict

# A node's fact may hold a context of CONTEXT_DEPTH_MAX levels, three messages each, below relationship, caveat and
# Struct. 100 - 3 * 20 - 2 = 38 for the node itself; four are kept for whatever an answer may be wrapped in one day.
_NESTING_MAX = 34
_DEFINITION_NESTING = 4  # CheckResponse, Explanation, ExplainedQuestion, and the node

_KIND_TO_WIRE = {
    ExplanationKind.QUESTION: permissions_pb2.ExplanationNode.KIND_QUESTION,
    ExplanationKind.RELATIONSHIP: permissions_pb2.ExplanationNode.KIND_RELATIONSHIP,
    ExplanationKind.UNION: permissions_pb2.ExplanationNode.KIND_UNION,
    ExplanationKind.INTERSECTION: permissions_pb2.ExplanationNode.KIND_INTERSECTION,
    ExplanationKind.EXCLUSION: permissions_pb2.ExplanationNode.KIND_EXCLUSION,
    ExplanationKind.CONSTANT: permissions_pb2.ExplanationNode.KIND_CONSTANT,
}
_KIND_FROM_WIRE: dict[int, ExplanationKind] = {number: kind for kind, number in _KIND_TO_WIRE.items()}


def encode_explanation(
    explanation: Explanation, made: MadeRelationship = lambda _: None
) -> permissions_pb2.Explanation:
    """`made` is called with each relationship as it becomes part of the answer. Cost: O(nodes). Raises what `made`
    raises."""
    message = permissions_pb2.Explanation()
    cut = False
    for question in explanation.questions:
        entry = message.questions.add(
            resource=encode_object(question.resource),
            relation=question.relation,
            subject=encode_subject(question.subject),
            verdict=encode_verdict(question.verdict),
        )
        cut |= _encode_node(question.definition, entry.definition, _DEFINITION_NESTING, made)
    message.truncated = explanation.truncated or cut
    for relationship in explanation.witness:
        message.witness.append(encode_relationship(relationship))
        made(message.witness[-1])
    for update in explanation.fix:
        message.fix.append(encode_update(update))
        made(message.fix[-1].relationship)
    message.unfinished = explanation.unfinished
    return message


def decode_explanation(message: permissions_pb2.Explanation) -> Explanation:
    """Raises InvalidArgument for what this version does not know."""
    return Explanation(
        tuple(_decode_question(question) for question in message.questions),
        message.truncated,
        tuple(decode_relationship(each, "witness") for each in message.witness),
        tuple(decode_update(each, "fix") for each in message.fix),
        message.unfinished,
    )


def _decode_question(message: permissions_pb2.ExplainedQuestion) -> ExplainedQuestion:
    return ExplainedQuestion(
        _plain_object(message.resource),
        message.relation,
        _plain_subject(message.subject),
        decode_verdict(message.verdict),
        _decode_node(message.definition),
    )


def _encode_node(
    node: ExplanationNode, message: permissions_pb2.ExplanationNode, nesting: int, made: MadeRelationship
) -> bool:
    """Fills the message; whether something had to be left out."""
    message.verdict = encode_verdict(node.verdict)
    if nesting == _NESTING_MAX and node.children:
        message.kind = permissions_pb2.ExplanationNode.KIND_CONSTANT
        message.note = "nested too deeply to be shown"
        return True
    message.kind = _KIND_TO_WIRE[node.kind]
    message.note = node.note
    message.relation = node.relation
    message.missing.extend(node.missing)
    if node.resource is not None:
        message.resource.CopyFrom(encode_object(node.resource))
    if node.subject is not None:
        message.subject.CopyFrom(encode_subject(node.subject))
    if node.relationship is not None:
        message.relationship.CopyFrom(encode_relationship(node.relationship))
        made(message.relationship)
    cut = False
    for child in node.children:
        cut |= _encode_node(child, message.children.add(), nesting + 1, made)
    return cut


def _decode_node(message: permissions_pb2.ExplanationNode) -> ExplanationNode:
    kind = _KIND_FROM_WIRE.get(message.kind)
    if kind is None:
        raise InvalidArgument(f"`{message.kind}` is no kind of operand", field="explanation")
    return ExplanationNode(
        kind,
        decode_verdict(message.verdict),
        _plain_object(message.resource) if message.HasField("resource") else None,
        message.relation,
        _plain_subject(message.subject) if message.HasField("subject") else None,
        decode_relationship(message.relationship, "relationship") if message.HasField("relationship") else None,
        tuple(message.missing),
        message.note,
        tuple(_decode_node(child) for child in message.children),
    )


def _plain_object(message: core_pb2.ObjectReference) -> ObjectRef:
    return ObjectRef(message.type, message.id)


def _plain_subject(message: core_pb2.SubjectReference) -> SubjectRef:
    return SubjectRef(message.object.type, message.object.id, message.relation)
