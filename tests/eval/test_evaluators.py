"""Law: who asks an evaluator cannot tell whether the core answered or Python did behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from remit.errors import Cancelled, RemitError, StepBudgetSpent, UnknownRelation
from remit.eval import native
from remit.eval.evaluator import EvaluationView, Explained
from remit.eval.evaluators import quickest_evaluator
from remit.eval.native import NativeEvaluator
from remit.eval.plain import PlainEvaluator
from remit.eval.semantics import Answer
from remit.eval.trees import Expansion
from remit.graph.native import NativeGraph, available
from remit.graph.overlay import Changed, Overlay
from remit.graph.plain import Graph
from remit.graph.view import GraphView
from remit.interrupt import Interrupt, never_interrupted
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.model import PLAIN, ObjectRef, Question, Verdict
from remit.native_core import SWITCH
from remit.notation import parse_question, parse_relationship

needs_core = pytest.mark.skipif(not available(), reason="the native core is not built here")

SCHEMA = compile_schema("""
caveat up_to(amount int, most int) { amount <= most }
definition user {}
definition doc {
  relation viewer: user | user with up_to
  relation parent: doc
  permission view = viewer + parent->view
}
""").schema
FACTS = [
    parse_relationship(line)
    for line in ("doc:a#viewer@user:ann", "doc:b#parent@doc:a", 'doc:a#viewer@user:bob[up_to:{"most":5}]')
]
DOC = ObjectRef("doc", "b")


@dataclass
class View:
    """An `EvaluationView` made by hand."""

    graph: GraphView
    native: NativeGraph | None = None
    revision: int = 7
    changed: Changed | None = None
    now_us: int = 0
    schema: Schema = SCHEMA


@dataclass
class Noting:
    """Python's evaluator, and what it was left."""

    asked: list[Question | ObjectRef] = field(default_factory=list)
    plain: PlainEvaluator = field(default_factory=PlainEvaluator)

    def check(self, view: EvaluationView, question: Question, steps_max: int, interrupt: Interrupt) -> Answer:
        self.asked.append(question)
        return self.plain.check(view, question, steps_max, interrupt)

    def check_many(
        self,
        view: EvaluationView,
        questions: Sequence[Question],
        steps_max: int,
        interrupt: Interrupt,
        steps_together: int | None = None,
    ) -> list[Answer | RemitError]:
        self.asked += questions
        return self.plain.check_many(view, questions, steps_max, interrupt, steps_together)

    def expand(
        self, view: EvaluationView, resource: ObjectRef, name: str, depth: int, steps_max: int, interrupt: Interrupt
    ) -> Expansion:
        self.asked.append(resource)
        return self.plain.expand(view, resource, name, depth, steps_max, interrupt)

    def explain(
        self,
        view: EvaluationView,
        question: Question,
        steps_max: int,
        interrupt: Interrupt,
        *,
        with_support: bool = True,
    ) -> Explained:
        self.asked.append(question)
        return self.plain.explain(view, question, steps_max, interrupt)


def question(text: str, **context: object) -> Question:
    return Question(*parse_question(text), context)


def native_view() -> View:
    graph = NativeGraph(FACTS)
    native.install(graph, SCHEMA, 7)
    return View(graph, graph)


YES, NO = question("doc:b#view@user:ann"), question("doc:b#view@user:zoe")
CONDITIONAL = question("doc:b#view@user:bob")  # which the core leaves to Python, with what is missing


def test_the_quickest_is_the_core_where_it_is_built_and_not_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(quickest_evaluator(), NativeEvaluator if available() else PlainEvaluator)
    monkeypatch.setenv(SWITCH, "off")
    assert isinstance(quickest_evaluator(), PlainEvaluator)


@needs_core
def test_python_is_left_what_the_core_does_not_decide_and_nothing_else() -> None:
    fallback = Noting()
    evaluator = NativeEvaluator(fallback)
    view = native_view()
    answers = [evaluator.check(view, each, 100, never_interrupted) for each in (YES, NO, CONDITIONAL)]
    assert [each.verdict for each in answers] == [Verdict.YES, Verdict.NO, Verdict.CONDITIONAL]
    assert answers[2].missing == ("amount",)
    together = evaluator.check_many(view, [YES, CONDITIONAL, NO], 100, never_interrupted)
    assert [each.verdict for each in together if isinstance(each, Answer)] == [answers[n].verdict for n in (0, 2, 1)]
    assert fallback.asked == [CONDITIONAL, CONDITIONAL]
    plain = PlainEvaluator()
    assert evaluator.expand(view, DOC, "view", 0, 100, never_interrupted) == plain.expand(
        view, DOC, "view", 0, 100, never_interrupted
    )
    assert fallback.asked == [CONDITIONAL, CONDITIONAL]
    explained = evaluator.explain(view, YES, 100, never_interrupted)
    assert explained.answer.verdict is Verdict.YES and explained.explanation.questions
    assert fallback.asked[2:] == [YES], "the core explains nothing"


@needs_core
def test_what_the_core_says_of_another_revision_is_not_taken() -> None:
    """A commit between the pin and the question: the view's graph is as it was, the core's has gone on."""
    fallback = Noting()
    evaluator = NativeEvaluator(fallback)
    view = native_view()
    view.revision, view.graph = 6, Graph(FACTS[1:])
    assert evaluator.check(view, YES, 100, never_interrupted).verdict is Verdict.NO
    (answer,) = evaluator.check_many(view, [YES], 100, never_interrupted)
    assert isinstance(answer, Answer) and answer.verdict is Verdict.NO
    expansion = evaluator.expand(view, DOC, "view", 0, 100, never_interrupted)
    assert expansion == PlainEvaluator().expand(view, DOC, "view", 0, 100, never_interrupted)
    assert fallback.asked == [YES, YES, DOC]


@needs_core
def test_of_facts_that_a_request_brings_the_core_checks_and_python_expands() -> None:
    fallback = Noting()
    evaluator = NativeEvaluator(fallback)
    view = native_view()
    view.changed = {parse_relationship("doc:a#viewer@user:zoe").key: PLAIN}
    view.graph = Overlay(view.graph, view.changed)
    assert evaluator.check(view, NO, 100, never_interrupted).verdict is Verdict.YES
    assert fallback.asked == []
    evaluator.expand(view, DOC, "view", 0, 100, never_interrupted)
    assert fallback.asked == [DOC]


@pytest.mark.parametrize("kind", ["plain", pytest.param("native", marks=needs_core)])
def test_an_error_of_one_question_is_not_of_the_others_and_who_has_gone_ends_them_all(kind: str) -> None:
    evaluator = PlainEvaluator() if kind == "plain" else NativeEvaluator(PlainEvaluator())
    view = View(Graph(FACTS)) if kind == "plain" else native_view()
    unknown = question("doc:b#edit@user:ann")
    first, second, third = evaluator.check_many(view, [unknown, YES, CONDITIONAL], 100, never_interrupted)
    assert isinstance(first, UnknownRelation)
    assert isinstance(second, Answer) and second.verdict is Verdict.YES
    assert isinstance(third, Answer) and third.missing == ("amount",)
    (spent,) = evaluator.check_many(view, [CONDITIONAL], 1, never_interrupted)
    assert isinstance(spent, StepBudgetSpent)

    def gone() -> None:
        raise Cancelled("the caller went away")

    with pytest.raises(Cancelled):
        evaluator.check_many(view, [YES, unknown], 100, gone)
