"""The evaluator in Python: it answers everything, over any graph, by `semantics.py`, `expand.py` and `explain.py`.

Law: two questions about one view are answered as if each had been asked alone."""

from __future__ import annotations

from collections.abc import Sequence

from remit.errors import RemitError
from remit.eval.budget import Budget
from remit.eval.evaluator import EvaluationView, Explained
from remit.eval.expand import expand
from remit.eval.explain import explain
from remit.eval.semantics import Answer, Evaluation
from remit.eval.trees import Expansion
from remit.interrupt import Interrupt
from remit.model import ObjectRef, Question
from remit.notation import canonical_json


class PlainEvaluator:
    """Keeps nothing between two calls."""

    def check(self, view: EvaluationView, question: Question, steps_max: int, interrupt: Interrupt) -> Answer:
        return _check(_evaluation(view, question), question, Budget(steps_max, interrupt))

    def check_many(
        self, view: EvaluationView, questions: Sequence[Question], steps_max: int, interrupt: Interrupt
    ) -> list[Answer | RemitError]:
        evaluations: dict[str, Evaluation] = {}  # by context
        answers: list[Answer | RemitError] = []
        for question in questions:
            interrupt()
            context = canonical_json(question.context) if question.context else ""
            if context not in evaluations:
                evaluations[context] = _evaluation(view, question)
            try:
                answers.append(_check(evaluations[context], question, Budget(steps_max, interrupt)))
            except RemitError as error:
                interrupt()  # a deadline or a caller gone ends the request, not the item
                answers.append(error)
        return answers

    def expand(
        self,
        view: EvaluationView,
        resource: ObjectRef,
        name: str,
        depth: int,
        steps_max: int,
        interrupt: Interrupt,
    ) -> Expansion:
        budget = Budget(steps_max, interrupt)
        return expand(view.schema, view.graph, resource, name, now_us=view.now_us, depth=depth, budget=budget)

    def explain(self, view: EvaluationView, question: Question, steps_max: int, interrupt: Interrupt) -> Explained:
        evaluation = _evaluation(view, question)
        answer = _check(evaluation, question, Budget(steps_max, interrupt))
        evaluation.equations.budget = Budget(steps_max, interrupt)
        goal = evaluation.goal(question.resource, question.permission, question.subject)
        return Explained(answer, explain(evaluation, goal))


def _evaluation(view: EvaluationView, question: Question) -> Evaluation:
    return Evaluation(view.schema, view.graph, now_us=view.now_us, context=question.context)


def _check(evaluation: Evaluation, question: Question, budget: Budget) -> Answer:
    return evaluation.check(question.resource, question.permission, question.subject, budget)
