"""Why a Check said what it said: the questions that mattered, and the facts that decided each.

Made after the fact from a finished evaluation, so that deciding pays nothing for it. For YES one sufficient branch is
told, for NO and CONDITIONAL every operand that kept it there; a question is told once, however often it was met.
Laws: each question's verdict is the one Check gives, and follows from the operands shown; a YES never rests on itself,
though the questions may go around in cycles."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import assert_never

from remit.eval.equations import NO, YES, AllOf, AnyOf, ButNot, Constrained, Fact, Goal
from remit.eval.semantics import EvaluatedOperand, Evaluation
from remit.eval.trees import ExplainedQuestion, Explanation, ExplanationKind, ExplanationNode
from remit.model import Verdict

QUESTIONS_MAX = 200  # an explanation longer than that explains nothing to anyone
OPERANDS_MAX = 50  # and so with the operands of one question: a group of ten thousand groups is not told group by group


def explain(evaluation: Evaluation, root: Goal) -> Explanation:
    """The explanation of an answered goal. Cost: O(the questions told); a no asks more than the check did, since there
    nothing is cut short. Raises what the evaluation's budget raises."""
    return _Explaining(evaluation).explain(root)


class _Explaining:
    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._positions: dict[Goal, int] = {}  # of what is settled, in the order it was settled
        self._asked: deque[Goal] = deque()
        self._is_cut = False

    def explain(self, root: Goal) -> Explanation:
        questions: dict[Goal, ExplainedQuestion] = {}
        self._asked.append(root)
        while self._asked:
            goal = self._asked.popleft()
            if goal in questions:
                continue
            if len(questions) == QUESTIONS_MAX:
                self._is_cut = True
                break
            verdict = Verdict(self._evaluation.solve(goal)[0])
            questions[goal] = ExplainedQuestion(
                goal.object, str(goal.name), goal.subject, verdict, self._node(self._evaluated(goal))
            )
        return Explanation(tuple(questions.values()), truncated=self._is_cut)

    # --- what was decisive --------------------------------------------------------------------------------------

    def _evaluated(self, goal: Goal) -> EvaluatedOperand:
        """The goal's equation: for YES as much as founds it, else everything."""
        equation = self._evaluation.equations.of(goal)
        if self._evaluation.solve(goal) != YES:
            return self._evaluation.evaluated(equation, lambda part, every: False)
        position = self._position(goal)
        return self._evaluation.evaluated(
            equation, lambda part, every: part.bounds == NO if every else self._founded(part) < position
        )

    def _position(self, goal: Goal) -> int:
        settled = self._evaluation.settled
        if goal not in self._positions:
            for each in islice(settled, len(self._positions), None):
                self._positions[each] = len(self._positions)
        return self._positions[goal]

    def _founded(self, evaluated: EvaluatedOperand) -> int:
        """From which position on the operand is YES without going around in a cycle: a goal is settled as YES only
        after what makes it so. For what is not YES, a position that never comes."""
        operand = evaluated.operand
        if evaluated.bounds != YES:
            return len(self._evaluation.settled)
        if type(operand) is Goal:
            return self._position(operand)
        # What is subtracted is a NO here, which needs no founding.
        positions = [self._founded(part) for part in evaluated.parts if not part.is_negated]
        return min(positions) if type(operand) is AnyOf else max(positions, default=-1)

    def _decisive(self, evaluated: EvaluatedOperand) -> tuple[EvaluatedOperand, ...]:
        """Of a union that is YES the operand that founds it, otherwise all that are at its verdict."""
        if type(evaluated.operand) is AnyOf and evaluated.bounds == YES:
            return (min(evaluated.parts, key=self._founded),)
        return tuple(part for part in evaluated.parts if part.bounds == evaluated.bounds)

    # --- as a tree ----------------------------------------------------------------------------------------------

    def _node(self, evaluated: EvaluatedOperand) -> ExplanationNode:
        operand, (low, high) = evaluated.operand, evaluated.bounds
        verdict = Verdict(low)
        if low != high:
            return ExplanationNode(ExplanationKind.CONSTANT, verdict, note="undefined, which does not matter here")
        match operand:
            case Goal(object, name, subject):
                self._asked.append(operand)
                return ExplanationNode(ExplanationKind.QUESTION, verdict, object, str(name), subject)
            case Fact(_, relationship, note, missing):
                kind = ExplanationKind.CONSTANT if relationship is None else ExplanationKind.RELATIONSHIP
                return ExplanationNode(
                    kind, verdict, relationship=relationship, missing=tuple(sorted(missing)), note=note
                )
            case Constrained():  # a document says nothing without the relationship that it stands beside
                children = tuple(map(self._node, evaluated.parts))
                return ExplanationNode(ExplanationKind.INTERSECTION, verdict, note="for this call", children=children)
            case ButNot():  # both sides say something, whatever each came to
                children = tuple(map(self._node, evaluated.parts))
                return ExplanationNode(ExplanationKind.EXCLUSION, verdict, children=children)
            case AnyOf():
                return self._several(ExplanationKind.UNION, verdict, self._decisive(evaluated))
            case AllOf():
                return self._several(ExplanationKind.INTERSECTION, verdict, self._decisive(evaluated))
            case _:
                assert_never(operand)

    def _several(
        self, kind: ExplanationKind, verdict: Verdict, decisive: tuple[EvaluatedOperand, ...]
    ) -> ExplanationNode:
        """A union or intersection of one says nothing by itself and is left out."""
        if not decisive:
            return ExplanationNode(ExplanationKind.CONSTANT, verdict, note="no relationship")
        if len(decisive) == 1:
            return self._node(decisive[0])
        note = ""
        if len(decisive) > OPERANDS_MAX:
            self._is_cut = True
            note = f"and {len(decisive) - OPERANDS_MAX} more like these"
        children = tuple(map(self._node, decisive[:OPERANDS_MAX]))
        return ExplanationNode(kind, verdict, note=note, children=children)
