"""Why a Check said what it said: the questions that mattered, and the facts that decided each.

Made after the fact from a finished evaluation, so that deciding pays nothing for it. For YES one sufficient branch is
told, for NO and CONDITIONAL every operand that kept it there; a question is told once, however often it was met.
Law: each question's verdict is the one Check gives, and follows from the operands shown."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from remit.model import Verdict
from remit.semantics import (
    NO,
    AllOf,
    AnyOf,
    ButNot,
    Evaluation,
    Fact,
    Goal,
    Operand,
    materialized,
)
from remit.trees import ExplainedQuestion, Explanation, ExplanationKind, ExplanationNode

QUESTIONS_MAX = 200  # an explanation longer than that explains nothing to anyone


def explain(evaluation: Evaluation, root: Goal) -> Explanation:
    """The explanation of an answered goal. Cost: O(the questions told); a no asks more than the check did, since there
    nothing is cut short. Raises what the evaluation's budget raises."""
    questions: list[ExplainedQuestion] = []
    seen = {root}
    queue = deque([root])
    while queue and len(questions) < QUESTIONS_MAX:
        goal = queue.popleft()
        asked: list[Goal] = []
        definition = _node(evaluation, materialized(evaluation.equations.of(goal)), asked)
        name = goal.name if isinstance(goal.name, str) else str(goal.name)
        questions.append(ExplainedQuestion(goal.object, name, goal.subject, _verdict(evaluation, goal), definition))
        for each in asked:
            if each not in seen:
                seen.add(each)
                queue.append(each)
    return Explanation(tuple(questions), truncated=bool(queue))


def _verdict(evaluation: Evaluation, operand: Operand) -> Verdict:
    """What an operand comes to at least: an undefined one is told as its lower bound, and noted as such."""
    return Verdict(evaluation.value(operand)[0])


def _node(evaluation: Evaluation, operand: Operand, asked: list[Goal]) -> ExplanationNode:
    low, high = evaluation.value(operand)
    verdict = Verdict(low)
    doubt = "" if low == high else "undefined"
    match operand:
        case Goal(object, name, subject):
            asked.append(operand)
            return ExplanationNode(
                ExplanationKind.QUESTION,
                verdict,
                object,
                name if isinstance(name, str) else str(name),
                subject,
                note=doubt,
            )
        case Fact(_, relationship, note, missing, failure):
            kind = ExplanationKind.CONSTANT if relationship is None else ExplanationKind.RELATIONSHIP
            return ExplanationNode(
                kind,
                verdict,
                relationship=relationship,
                missing=tuple(sorted(missing)),
                note=failure.message if failure else note,
            )
        case AnyOf(operands):
            return _several(evaluation, ExplanationKind.UNION, tuple(operands), verdict, asked)
        case AllOf(operands):
            return _several(evaluation, ExplanationKind.INTERSECTION, tuple(operands), verdict, asked)
        case ButNot(base, subtracted):
            base_node = _node(evaluation, base, asked)
            if evaluation.value(base) == NO:
                return ExplanationNode(ExplanationKind.EXCLUSION, verdict, children=(base_node,))
            return ExplanationNode(
                ExplanationKind.EXCLUSION, verdict, children=(base_node, _node(evaluation, subtracted, asked))
            )


def _several(
    evaluation: Evaluation, kind: ExplanationKind, operands: Sequence[Operand], verdict: Verdict, asked: list[Goal]
) -> ExplanationNode:
    """The operands that decided: for a union that is YES the first YES, for an intersection that is YES all of them,
    otherwise all that are at the verdict. A union or intersection of one says nothing by itself and is left out."""
    if kind is ExplanationKind.UNION and verdict is Verdict.YES:
        decisive = [next(each for each in operands if _verdict(evaluation, each) is Verdict.YES)]
    else:
        decisive = [each for each in operands if _verdict(evaluation, each) is verdict]
    if len(decisive) == 1:
        return _node(evaluation, decisive[0], asked)
    note = "" if decisive else "no relationship"
    children = tuple(_node(evaluation, each, asked) for each in decisive)
    return ExplanationNode(kind if children else ExplanationKind.CONSTANT, verdict, note=note, children=children)
