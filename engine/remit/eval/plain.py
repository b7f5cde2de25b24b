"""The evaluator in Python: it answers everything, over any graph, by `semantics.py`, `expand.py`, `explain.py` and
`lookups.py`.

Laws: two questions about one view are answered as if each had been asked alone; no request has more to remember than
one question may."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from remit.errors import RemitError, StepBudgetSpent
from remit.eval.budget import EVALUATION_BYTES_MAX, Budget
from remit.eval.calls import CALL_BYTES_TIMES, JudgedCall
from remit.eval.candidates import SubjectCandidates, resource_candidates, subject_candidates
from remit.eval.equations import Goal
from remit.eval.evaluator import EvaluationView, Explained
from remit.eval.expand import expand
from remit.eval.explain import explain
from remit.eval.fixes import fix_of
from remit.eval.lookups import NOBODY, LookupPage, Place, lookup_resources, lookup_subjects
from remit.eval.semantics import Answer, Evaluation
from remit.eval.trees import Expansion, Explanation
from remit.eval.witness import witness_of
from remit.graph.in_order import InOrder
from remit.graph.view import GraphView
from remit.interrupt import Interrupt
from remit.model import Call, ObjectRef, Question, ResourceLookup, SubjectLookup, SubjectRef, Verdict
from remit.notation import canonical_json

# For what supports an answer: some tenths of a second. Who only wants to know why does not wait long for it.
SUPPORT_STEPS_MAX = 100_000


class PlainEvaluator:
    """Keeps nothing between two calls."""

    def __init__(self, bytes_max: int = EVALUATION_BYTES_MAX) -> None:
        """`bytes_max`: what may be remembered of one question, as reckoned; beyond it raises StepBudgetSpent."""
        self._bytes_max = bytes_max

    def check(self, view: EvaluationView, question: Question, steps_max: int, interrupt: Interrupt) -> Answer:
        with _evaluation(view, question.context, interrupt, question.call) as evaluation:
            return _check(evaluation, question, self._budget(steps_max, interrupt))

    def check_many(
        self,
        view: EvaluationView,
        questions: Sequence[Question],
        steps_max: int,
        interrupt: Interrupt,
        steps_together: int | None = None,
    ) -> list[Answer | RemitError]:
        many = _Many(view, interrupt)
        answers: list[Answer | RemitError] = []
        try:
            for question in questions:
                if answers and steps_together is not None and many.steps >= steps_together:
                    break
                answers.append(many.answer(question, self._budget(steps_max, interrupt)))
            return answers
        finally:
            many.forget()

    def expand(
        self,
        view: EvaluationView,
        resource: ObjectRef,
        name: str,
        depth: int,
        steps_max: int,
        interrupt: Interrupt,
    ) -> Expansion:
        budget = self._budget(steps_max, interrupt)
        return expand(view.schema, view.graph, resource, name, now_us=view.now_us, depth=depth, budget=budget)

    def explain(
        self,
        view: EvaluationView,
        question: Question,
        steps_max: int,
        interrupt: Interrupt,
        *,
        with_support: bool = True,
    ) -> Explained:
        budgets = [self._budget(steps_max, interrupt)]
        # Edges in order, so that the same is told of the same facts, however they are kept.
        graph = InOrder(view.graph, lambda: budgets[-1].spend())
        evaluation = _begun(view, question.context, question.call, graph)
        try:
            answer = _check(evaluation, question, budgets[-1])
            budgets.append(self._budget(steps_max, interrupt, budgets[-1].bytes))
            evaluation.equations.budget = budgets[-1]
            goal = evaluation.goal(question.resource, question.permission, question.subject)
            explanation = explain(evaluation, goal)
            if not with_support:
                return Explained(answer, explanation)
            budgets.append(self._budget(min(steps_max, SUPPORT_STEPS_MAX), interrupt, budgets[-1].bytes))
            return Explained(answer, _supported(evaluation, goal, answer, explanation, budgets[-1]))
        finally:
            _forget([evaluation], graph, interrupt)

    def lookup_resources(self, view: EvaluationView, lookup: ResourceLookup, place: Place) -> LookupPage:
        with _evaluation(view, lookup.context, place.interrupt) as evaluation:
            evaluation.goal(ObjectRef(lookup.resource_type, NOBODY), lookup.permission, lookup.subject)
            budget = self._place(place).budget()
            found = resource_candidates(view.schema, view.graph, lookup, view.now_us, budget)
        return self.judge_resources(view, lookup, place, found)

    def lookup_subjects(self, view: EvaluationView, lookup: SubjectLookup, place: Place) -> LookupPage:
        with _evaluation(view, lookup.context, place.interrupt) as evaluation:
            nobody = SubjectRef(lookup.subject_type, NOBODY, lookup.subject_relation)
            evaluation.goal(lookup.resource, lookup.permission, nobody)
            budget = self._place(place).budget()
            found = subject_candidates(view.schema, view.graph, lookup, view.now_us, budget)
        return self.judge_subjects(view, lookup, place, found)

    def judge_resources(
        self, view: EvaluationView, lookup: ResourceLookup, place: Place, candidates: Iterable[str]
    ) -> LookupPage:
        with _evaluation(view, lookup.context, place.interrupt) as evaluation:
            return lookup_resources(evaluation, lookup, self._place(place), candidates)

    def judge_subjects(
        self, view: EvaluationView, lookup: SubjectLookup, place: Place, candidates: SubjectCandidates
    ) -> LookupPage:
        with _evaluation(view, lookup.context, place.interrupt) as evaluation:
            return lookup_subjects(evaluation, lookup, self._place(place), candidates)

    def _place(self, place: Place) -> Place:
        return place._replace(bytes_max=self._bytes_max)

    def _budget(self, steps_max: int, interrupt: Interrupt, remembered: int = 0) -> Budget:
        return Budget(steps_max, interrupt, bytes_max=self._bytes_max, bytes=remembered)


class _Many:
    """The evaluations of many questions of one request: what those with the same context and the same call settle is
    remembered for the others, as long as it is no more than one question may have."""

    def __init__(self, view: EvaluationView, interrupt: Interrupt) -> None:
        self._view = view
        self._interrupt = interrupt
        self._evaluations: dict[tuple[str, Call | None], Evaluation] = {}  # by context and call
        self._remembered = 0
        self.steps = 0  # of all that was answered

    def answer(self, question: Question, budget: Budget) -> Answer | RemitError:
        """Or why there is none. Raises what the interrupt raises."""
        budget.interrupt()
        budget.bytes = self._remembered
        found = self._ask(question, budget)
        if budget.is_full and self._remembered:
            self.forget()
            budget = Budget(budget.steps_max, budget.interrupt, bytes_max=budget.bytes_max)
            found = self._ask(question, budget)
        self._remembered = budget.bytes
        self.steps += budget.steps
        return found

    def _ask(self, question: Question, budget: Budget) -> Answer | RemitError:
        asked_with = (canonical_json(question.context) if question.context else "", question.call)
        try:
            evaluation = self._evaluations.get(asked_with)
            if evaluation is None:
                evaluation = self._evaluations[asked_with] = _begun(self._view, question.context, question.call)
                budget.bytes += CALL_BYTES_TIMES * len(question.call.arguments) if question.call is not None else 0
            return _check(evaluation, question, budget)
        except RemitError as error:
            budget.interrupt()  # a deadline or a caller gone ends the request, not the item
            return error.with_traceback(None)  # which has all that the evaluation left open

    def forget(self) -> None:
        """Raises what the interrupt raises, when all is gone."""
        try:
            _forget(self._evaluations.values(), self._view.graph, self._interrupt)
        finally:
            self._evaluations.clear()
            self._remembered = 0


@contextmanager
def _evaluation(
    view: EvaluationView, context: Mapping[str, object], interrupt: Interrupt, call: Call | None = None
) -> Iterator[Evaluation]:
    """Of one request; what it remembers is let go of at the end. Raises what the interrupt raises, when all is gone."""
    evaluation = _begun(view, context, call)
    try:
        yield evaluation
    finally:
        _forget([evaluation], view.graph, interrupt)


def _forget(evaluations: Collection[Evaluation], graph: GraphView, interrupt: Interrupt) -> None:
    """What evaluations of one request remember, and what the graph has read for them. Raises what the interrupt raises,
    when all is gone."""
    try:
        for evaluation in evaluations:
            evaluation.forget(interrupt)
        graph.forget(interrupt)
    finally:
        # What is left where the caller has gone is let go of all the same, or it would be freed at a stretch.
        for evaluation in evaluations:
            evaluation.forget()
        graph.forget()


def _supported(
    evaluation: Evaluation, goal: Goal, answer: Answer, explanation: Explanation, budget: Budget
) -> Explanation:
    """With a witness of a YES, or a fix of a NO. Where they are not found in time the explanation stands without."""
    try:
        match answer.verdict:
            case Verdict.YES:
                witness = witness_of(evaluation, goal, explanation, budget)
                return replace(explanation, witness=witness or (), unfinished=witness is None)
            case Verdict.NO:
                return replace(explanation, fix=fix_of(evaluation, goal, budget))
            case Verdict.CONDITIONAL:
                return explanation
    except StepBudgetSpent:
        if not budget.is_spent:
            raise  # of what others committed meanwhile
        return replace(explanation, unfinished=True)


def _begun(
    view: EvaluationView, context: Mapping[str, object], call: Call | None, graph: GraphView | None = None
) -> Evaluation:
    """Over the view's graph, or another that has the same edges."""
    judged = JudgedCall(call, view.descriptor) if call is not None else None
    return Evaluation(view.schema, graph or view.graph, now_us=view.now_us, context=context, call=judged)


def _check(evaluation: Evaluation, question: Question, budget: Budget) -> Answer:
    return evaluation.check(question.resource, question.permission, question.subject, budget)
