"""The evaluator in Python: it answers everything, over any graph, by `semantics.py`, `expand.py`, `explain.py` and
`lookups.py`.

Law: two questions about one view are answered as if each had been asked alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from remit.errors import RemitError
from remit.eval.budget import Budget
from remit.eval.candidates import resource_candidates, subject_candidates
from remit.eval.evaluator import EvaluationView, Explained
from remit.eval.expand import expand
from remit.eval.explain import explain
from remit.eval.lookups import NOBODY, LookupPage, Place, lookup_resources, lookup_subjects
from remit.eval.semantics import Answer, Evaluation
from remit.eval.trees import Expansion
from remit.interrupt import Interrupt
from remit.model import ObjectRef, Question, ResourceLookup, SubjectLookup, SubjectRef
from remit.notation import canonical_json


class PlainEvaluator:
    """Keeps nothing between two calls."""

    def check(self, view: EvaluationView, question: Question, steps_max: int, interrupt: Interrupt) -> Answer:
        return _check(_evaluation(view, question.context), question, Budget(steps_max, interrupt))

    def check_many(
        self, view: EvaluationView, questions: Sequence[Question], steps_max: int, interrupt: Interrupt
    ) -> list[Answer | RemitError]:
        evaluations: dict[str, Evaluation] = {}  # by context
        answers: list[Answer | RemitError] = []
        for question in questions:
            interrupt()
            context = canonical_json(question.context) if question.context else ""
            if context not in evaluations:
                evaluations[context] = _evaluation(view, question.context)
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
        evaluation = _evaluation(view, question.context)
        answer = _check(evaluation, question, Budget(steps_max, interrupt))
        evaluation.equations.budget = Budget(steps_max, interrupt)
        goal = evaluation.goal(question.resource, question.permission, question.subject)
        return Explained(answer, explain(evaluation, goal))

    def lookup_resources(self, view: EvaluationView, lookup: ResourceLookup, place: Place) -> LookupPage:
        evaluation = _evaluation(view, lookup.context)
        evaluation.goal(ObjectRef(lookup.resource_type, NOBODY), lookup.permission, lookup.subject)
        found = resource_candidates(view.schema, view.graph, lookup, view.now_us, place.budget())
        return lookup_resources(evaluation, lookup, place, found)

    def lookup_subjects(self, view: EvaluationView, lookup: SubjectLookup, place: Place) -> LookupPage:
        evaluation = _evaluation(view, lookup.context)
        nobody = SubjectRef(lookup.subject_type, NOBODY, lookup.subject_relation)
        evaluation.goal(lookup.resource, lookup.permission, nobody)
        found = subject_candidates(view.schema, view.graph, lookup, view.now_us, place.budget())
        return lookup_subjects(evaluation, lookup, place, found)


def _evaluation(view: EvaluationView, context: Mapping[str, object]) -> Evaluation:
    return Evaluation(view.schema, view.graph, now_us=view.now_us, context=context)


def _check(evaluation: Evaluation, question: Question, budget: Budget) -> Answer:
    return evaluation.check(question.resource, question.permission, question.subject, budget)
