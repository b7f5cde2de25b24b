"""Law: what a lookup costs grows with its schema and no faster, whoever answers; it stays within its steps and its
memory, and gives whoever waits a look in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from remit.errors import Cancelled, StepBudgetSpent
from remit.eval.budget import Budget
from remit.eval.drivers import Drivers, drivers_of
from remit.eval.evaluators import quickest_evaluator
from remit.eval.lookups import LookupPage, Place
from remit.eval.native import NativeEvaluator, install
from remit.eval.plain import PlainEvaluator
from remit.graph.native import NativeGraph, available
from remit.graph.overlay import Changed
from remit.graph.plain import Graph
from remit.graph.view import GraphView
from remit.interrupt import Interrupt, never_interrupted
from remit.language import plan
from remit.language.compiler import compile_schema
from remit.model import ObjectRef, Question, ResourceLookup, SubjectLookup, SubjectRef, Verdict
from remit.notation import parse_relationship

ANNE = SubjectRef("user", "anne")
Lookup = ResourceLookup | SubjectLookup


@dataclass(frozen=True)
class View:
    schema: plan.Schema
    graph: GraphView
    native: NativeGraph | None
    changed: Changed | None = None
    revision: int = 0
    now_us: int = 0


def view_of(text: str, *facts: str) -> View:
    """Asked of the core where there is one, and of Python without."""
    schema = compile_schema(text).schema
    relationships = [parse_relationship(fact) for fact in facts]
    if not available():
        return View(schema, Graph(relationships), None)
    graph = NativeGraph(relationships)
    install(graph, schema)
    return View(schema, Graph(relationships), graph)


def chain(length: int) -> str:
    """Each name is the next, the last a relation."""
    names = "\n".join(f"permission p{number} = p{number + 1}" for number in range(length))
    return f"definition user {{}}\ndefinition d {{\nrelation r: user\n{names}\npermission p{length} = r\n}}"


def wide_chain(length: int) -> str:
    """The same, and it may hold for everybody."""
    return "use delegation\n" + chain(length).replace(f"p{length} = r", f"p{length} = r.exists()")


def chain_of_arrows(length: int) -> str:
    """Each type's permission asks that of the next type."""
    types = "\n".join(
        f"definition t{number} {{\nrelation up: t{number + 1}\npermission p = up->p\n}}" for number in range(length)
    )
    return f"definition user {{}}\n{types}\ndefinition t{length} {{\nrelation r: user\npermission p = r\n}}"


def braid(length: int) -> str:
    """Each name is any of the two after it."""
    names = "\n".join(f"permission p{number} = p{number + 1} + p{number + 2}" for number in range(length))
    ends = f"permission p{length} = r\npermission p{length + 1} = r"
    return f"definition user {{}}\ndefinition d {{\nrelation r: user\n{names}\n{ends}\n}}"


def broad(length: int) -> str:
    """One name is any of many, and one relation leads to its own type."""
    names = "\n".join(f"relation r{number}: user" for number in range(1, length))
    every = " + ".join(f"r{number}" for number in range(1, length))
    own = f"relation r: user\nrelation up: d\n{names}\npermission p0 = r + up->p0 + {every}"
    return f"definition user {{}}\ndefinition d {{\n{own}\n}}"


SHAPES: dict[str, tuple[Callable[[int], str], tuple[str, ...], str, str]] = {
    "chain": (chain, ("d:a#r@user:anne",), "d", "p0"),
    "wide chain": (wide_chain, ("d:a#r@user:anne",), "d", "p0"),
    "chain of arrows": (chain_of_arrows, (), "t0", "p"),
    "braid": (braid, ("d:a#r@user:anne",), "d", "p0"),
    "broad": (broad, ("d:a#r@user:anne", "d:b#up@d:a"), "d", "p0"),
}


def lookups_of(type: str, permission: str) -> Iterator[Lookup]:
    yield ResourceLookup(type, permission, ANNE)
    yield SubjectLookup(ObjectRef(type, "a"), permission, "user")


def page(evaluator: NativeEvaluator | PlainEvaluator, view: View, lookup: Lookup, place: Place) -> LookupPage:
    if isinstance(lookup, ResourceLookup):
        return evaluator.lookup_resources(view, lookup, place)
    return evaluator.lookup_subjects(view, lookup, place)


def place(steps_max: int = 1_000_000, interrupt: Interrupt = never_interrupted) -> Place:
    return Place("", 100, steps_max, interrupt)


def told(found: LookupPage) -> list[tuple[str, object]]:
    return [(id, answer) if isinstance(answer, Exception) else (id, answer.verdict) for id, answer in found.entries]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_core_and_python_find_the_same_in_steps_that_grow_as_the_schema_does(shape: str) -> None:
    text_of, facts, type, permission = SHAPES[shape]
    length = 2_000
    view = view_of(text_of(length), *facts)
    for lookup in lookups_of(type, permission):
        budget_of_a_walk = 8 * length  # the square would be four million
        found = [
            told(page(evaluator, view, lookup, place(budget_of_a_walk)))
            for evaluator in (quickest_evaluator(), PlainEvaluator())
        ]
        assert found[0] == found[1]
        assert bool(found[0]) == bool(facts)


@pytest.mark.parametrize("shape", SHAPES)
def test_whoever_has_gone_is_noticed_in_a_large_schema(shape: str) -> None:
    text_of, facts, type, permission = SHAPES[shape]
    view = view_of(text_of(2_000), *facts)

    def gone() -> None:
        raise Cancelled("gone")

    for lookup in lookups_of(type, permission):
        with pytest.raises(Cancelled):
            page(PlainEvaluator(), view, lookup, place(interrupt=gone))


@pytest.mark.parametrize("shape", SHAPES)
def test_few_steps_end_in_an_error_or_in_the_right_list(shape: str) -> None:
    text_of, facts, type, permission = SHAPES[shape]
    view = view_of(text_of(300), *facts)
    for lookup in lookups_of(type, permission):
        expected = told(page(PlainEvaluator(), view, lookup, place()))
        for evaluator in (quickest_evaluator(), PlainEvaluator()):
            for steps_max in (1, 10, 100, 1_000, 10_000):
                try:
                    found = told(page(evaluator, view, lookup, place(steps_max)))
                except StepBudgetSpent:
                    continue
                assert found == expected or any(isinstance(answer, StepBudgetSpent) for _, answer in found)


@pytest.mark.parametrize("shape", SHAPES)
def test_drivers_cost_the_schema_once_and_not_its_square(shape: str) -> None:
    text_of, *_ = SHAPES[shape]
    length = 3_000
    schema = compile_schema(text_of(length)).schema
    budget = Budget()
    drivers = drivers_of(schema, budget)
    assert isinstance(drivers, Drivers)
    assert 0 < budget.looks <= 8 * length
    before = budget.looks
    assert drivers_of(schema, budget) is drivers
    assert budget.looks == before


CAVEATED = """
caveat odd(x int) { x > 1 }
definition user {}
definition folder {
  relation parent: folder
  relation viewer: user with odd
  permission view = viewer + parent->view
}
"""


def test_what_the_core_leaves_has_no_more_to_remember_than_one_question_may() -> None:
    depth = 3_000
    chain_of_folders = [f"folder:f{number}#parent@folder:f{number + 1}" for number in range(depth)]
    view = view_of(CAVEATED, *chain_of_folders, f"folder:f{depth}#viewer@user:anne[odd]")
    of_subjects = SubjectLookup(ObjectRef("folder", "f0"), "view", "user")
    of_resources = ResourceLookup("folder", "view", ANNE)
    first = Place("", 1, 1_000_000, never_interrupted)
    for lookup in (of_subjects, of_resources):
        for evaluator in (quickest_evaluator(1 << 20), PlainEvaluator(1 << 20)):
            try:
                entries = page(evaluator, view, lookup, first).entries
            except StepBudgetSpent:
                continue  # of the walk
            assert entries
            assert all(isinstance(answer, StepBudgetSpent) for _, answer in entries)
    assert told(page(quickest_evaluator(), view, of_subjects, place())) == [("anne", Verdict.CONDITIONAL)]
    assert told(page(quickest_evaluator(), view, of_resources, first)) == [("f0", Verdict.CONDITIONAL)]


EVERYBODY = """
definition user {}
definition group { relation member: user | group#member }
definition doc { relation viewer: user:* | user | group#member
permission view = viewer & everyone
permission everyone = viewer }
"""


def test_who_is_named_is_listed_beside_everybody_whatever_the_steps() -> None:
    """Also where the core's steps are spent on the very first, and Python judges it."""
    view = view_of(EVERYBODY, "doc:a#viewer@user:*", "doc:a#viewer@user:anne")
    lookup = SubjectLookup(ObjectRef("doc", "a"), "view", "user")
    expected = [("*", Verdict.YES), ("anne", Verdict.YES)]
    for evaluator in (quickest_evaluator(), PlainEvaluator()):
        for steps_max in range(1, 40):
            entries: list[tuple[str, object]] = []
            after: str | None = ""
            try:
                while after is not None:
                    found = page(evaluator, view, lookup, Place(after, 1, steps_max, never_interrupted))
                    entries += told(found)
                    after = found.next_after
            except StepBudgetSpent:
                continue
            if not any(isinstance(answer, StepBudgetSpent) for _, answer in entries):
                assert entries == expected, steps_max


def test_questions_that_have_cost_enough_together_are_the_last() -> None:
    view = view_of(chain(50), "d:a#r@user:anne")
    questions = [Question(ObjectRef("d", "a"), f"p{number}", ANNE) for number in reversed(range(50))]
    for evaluator in (quickest_evaluator(), PlainEvaluator()):
        whole = evaluator.check_many(view, questions, 1_000, never_interrupted)
        first = evaluator.check_many(view, questions, 1_000, never_interrupted, steps_together=1)
        assert (len(whole), len(first)) == (50, 1)
        some = evaluator.check_many(view, questions, 1_000, never_interrupted, steps_together=40)
        assert 1 < len(some) < 50
