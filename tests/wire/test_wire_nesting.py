"""No answer nests deeper than a reader of protobuf follows by default."""

from __future__ import annotations

import pytest

from remit.errors import AnswerTooLarge, InvalidContext
from remit.eval.trees import (
    ExpandExclusion,
    ExpandLeaf,
    ExpandNobody,
    ExpandNode,
    ExpandSet,
    ExpandSubject,
    Expansion,
    ExplainedQuestion,
    Explanation,
    ExplanationKind,
    ExplanationNode,
)
from remit.model import CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef, Verdict
from remit.notation import CONTEXT_DEPTH_MAX, canonical_json
from remit.v1 import permissions_pb2
from remit.wire.expansions import decode_sets, encode_sets
from remit.wire.explanations import decode_explanation, encode_explanation

DOCUMENT = ObjectRef("document", "d")
READER = SubjectRef("user", "ann")


def deep_context(levels: int) -> str:
    context: dict[str, object] = {"last": 1}
    for _ in range(levels - 1):
        context = {"next": context}
    return canonical_json(context)


# A fact as deep as a fact may be.
DEEP_FACT = Relationship(DOCUMENT, "reader", READER, Qualifiers(CaveatUse("c", deep_context(CONTEXT_DEPTH_MAX))))


def test_a_context_deeper_than_the_bound_is_refused_before_it_is_anywhere() -> None:
    with pytest.raises(InvalidContext, match="nested deeper"):
        deep_context(CONTEXT_DEPTH_MAX + 1)


def explained(operators: int) -> Explanation:
    node = ExplanationNode(ExplanationKind.RELATIONSHIP, Verdict.YES, relationship=DEEP_FACT)
    for _ in range(operators):
        node = ExplanationNode(ExplanationKind.UNION, Verdict.YES, children=(node,))
    return Explanation((ExplainedQuestion(DOCUMENT, "read", READER, Verdict.YES, node),))


@pytest.mark.parametrize("operators", [0, 5, 29, 30])
def test_an_explanation_of_thirty_operators_is_whole(operators: int) -> None:
    response = permissions_pb2.CheckResponse(explanation=encode_explanation(explained(operators)))
    received = permissions_pb2.CheckResponse.FromString(response.SerializeToString())
    assert decode_explanation(received.explanation) == explained(operators)


@pytest.mark.parametrize("operators", [31, 32, 200])
def test_what_stands_too_deep_in_an_explanation_is_left_out_and_that_is_said(operators: int) -> None:
    response = permissions_pb2.CheckResponse(explanation=encode_explanation(explained(operators)))
    received = decode_explanation(permissions_pb2.CheckResponse.FromString(response.SerializeToString()).explanation)
    assert received.truncated
    node = received.questions[0].definition
    while node.children:
        (node,) = node.children
    assert (node.kind, node.verdict) == (ExplanationKind.CONSTANT, Verdict.YES)


def expanded(operators: int) -> Expansion:
    node: ExpandNode = ExpandLeaf("reader", (ExpandSubject(DEEP_FACT),))
    for _ in range(operators):
        node = ExpandExclusion(node, ExpandNobody())
    return Expansion((ExpandSet(DOCUMENT, "read", node),))


@pytest.mark.parametrize("operators", [0, 5, 16])
def test_an_expansion_of_sixteen_operators_can_be_read(operators: int) -> None:
    response = permissions_pb2.ExpandResponse()
    encode_sets(expanded(operators), response)
    received = permissions_pb2.ExpandResponse.FromString(response.SerializeToString())
    assert decode_sets(received.sets) == expanded(operators)


@pytest.mark.parametrize("operators", [17, 200])
def test_an_expansion_too_deep_for_its_readers_is_an_error_and_never_cut(operators: int) -> None:
    with pytest.raises(AnswerTooLarge, match="names of their own"):
        encode_sets(expanded(operators), permissions_pb2.ExpandResponse())
