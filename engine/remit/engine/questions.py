"""Questions of a store: whether a subject has a permission, of many such whether each, and who has it.

Law: whatever answers, it answers at one revision and one time, which the answer names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remit.arguments.call import read_call
from remit.engine.limits import REMIT_WIRE, Limits, Wire
from remit.engine.request_view import RequestView, RequestViews
from remit.engine.results import CheckManyResult, CheckResult, ExpandResult
from remit.errors import RemitError
from remit.eval.budget import Budget
from remit.eval.evaluator import Evaluator
from remit.eval.expand import expand
from remit.eval.semantics import Answer
from remit.interrupt import Interrupt, never_interrupted
from remit.model import ObjectRef, Question, Relationship


class Questions:
    """The questions of all stores. Safe from many threads."""

    def __init__(self, views: RequestViews, evaluator: Evaluator, limits: Limits) -> None:
        self._views = views
        self._evaluator = evaluator
        self._limits = limits

    def check(
        self,
        store: str,
        question: Question,
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        explain: bool = False,
        with_support: bool = True,
        interrupt: Interrupt = never_interrupted,
    ) -> CheckResult:
        """Whether a subject has a relation or permission of a resource, and if asked for, an explanation,
        `with_support`: with a witness or a fix."""
        self._require(question)
        view = self._views.of(
            store, at_least=at_least, at_exactly=at_exactly, contextual=contextual, interrupt=interrupt
        )
        if explain:
            return self._explained(view, interrupt, question, with_support=with_support)
        answer = self._evaluator.check(view, question, self._limits.steps_max, interrupt)
        return _check_result(view, view.token, answer)

    def check_many(
        self,
        store: str,
        questions: Sequence[Question],
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        interrupt: Interrupt = never_interrupted,
        wire: Wire = REMIT_WIRE,
    ) -> CheckManyResult:
        """Many questions at one revision and time. Those with the same context and the same call share what they
        settle; each has its own budget, and its own error."""
        self._limits.require_items(len(questions), wire)
        view = self._views.of(
            store, at_least=at_least, at_exactly=at_exactly, contextual=contextual, interrupt=interrupt
        )
        _ = view.schema  # without one no item has an answer, so that is no error of an item's
        refusals = [self._refusal(question, interrupt) for question in questions]
        asked = [question for question, refusal in zip(questions, refusals, strict=True) if refusal is None]
        answers = iter(self._evaluator.check_many(view, asked, self._limits.steps_max, interrupt))
        token = view.token
        found = [next(answers) if refusal is None else refusal for refusal in refusals]
        results = [each if isinstance(each, RemitError) else _check_result(view, token, each) for each in found]
        explain = partial(self._explained, view, interrupt, with_support=False)
        return CheckManyResult(tuple(results), token, view.now_us, explain, view.historical)

    def _explained(
        self, view: RequestView, interrupt: Interrupt, question: Question, *, with_support: bool
    ) -> CheckResult:
        explained = self._evaluator.explain(
            view, question, self._limits.steps_max, interrupt, with_support=with_support
        )
        result = _check_result(view, view.token, explained.answer)
        return result._replace(explanation=explained.explanation, schema=view.stored_schema)

    def _refusal(self, question: Question, interrupt: Interrupt) -> RemitError | None:
        """Why an item of many is not even asked. Raises what the interrupt raises."""
        interrupt()
        try:
            self._require(question)
        except RemitError as error:
            return error
        return None

    def _require(self, question: Question) -> None:
        """Of what a question brings, before anything is evaluated. Raises LimitExceeded, InvalidCall."""
        self._limits.require_context(question.context)
        if question.call is not None:
            read_call(question.call)

    def expand(
        self,
        store: str,
        resource: ObjectRef,
        permission: str,
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        depth: int = 0,
        interrupt: Interrupt = never_interrupted,
    ) -> ExpandResult:
        """Everyone who has a relation or permission of a resource, as sets made of sets, at most `depth` deep.
        Raises AnswerTooLarge beyond `expanded_max`."""
        view = self._views.of(
            store, at_least=at_least, at_exactly=at_exactly, contextual=contextual, interrupt=interrupt
        )
        with self._limits.expanding() as steps_max:
            expansion = self._evaluator.expand(view, resource, permission, depth, steps_max, interrupt)
        return ExpandResult(expansion, view.token, view.now_us, view.historical)

    def expand_names(
        self,
        store: str,
        resource: ObjectRef,
        permission: str,
        *,
        at_least: str = "",
        at_exactly: str = "",
        depth: int = 0,
        interrupt: Interrupt = never_interrupted,
    ) -> ExpandResult:
        """What a relation or permission of a resource is made of, down to the facts of relations, at most `depth` deep;
        the usersets among these stay closed. The same in Python whatever the evaluator: it opens little. Raises
        AnswerTooLarge beyond `expanded_max`."""
        view = self._views.of(store, at_least=at_least, at_exactly=at_exactly, interrupt=interrupt)
        with self._limits.expanding() as steps_max:
            budget = Budget(steps_max, interrupt, bytes_max=self._limits.evaluation_bytes_max)
            expansion = expand(
                view.schema,
                view.graph,
                resource,
                permission,
                now_us=view.now_us,
                depth=depth,
                usersets=False,
                budget=budget,
            )
        return ExpandResult(expansion, view.token, view.now_us, view.historical)


def _check_result(view: RequestView, token: str, answer: Answer) -> CheckResult:
    verdict, missing, steps = answer
    return CheckResult(verdict, missing, steps, token, view.now_us, None, view.historical)
