"""Law: what is remembered of a question is reckoned as it grows, no less than it takes, and it has an end."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import dataclass
from threading import Lock

import pytest

from remit.errors import Cancelled, RemitError, StepBudgetSpent
from remit.eval.budget import Budget
from remit.eval.plain import PlainEvaluator
from remit.eval.semantics import Answer, Evaluation
from remit.graph.native import NativeGraph
from remit.graph.overlay import Changed
from remit.graph.plain import Graph
from remit.graph.revisions import PinnedGraph, Stride
from remit.graph.view import GraphView
from remit.interrupt import never_interrupted
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.model import ObjectRef, Question, Relationship, SubjectRef, Verdict
from remit.notation import parse_question, parse_relationship

SIZE = 600
STEPS_MAX = 1_000_000

SCHEMA = compile_schema("""
caveat known(code string) { code != "" }
caveat broken(code int) { 1 / code > 0 }

definition user {}
definition group { relation member: user | group#member | user with broken }
definition folder {
  relation parent: folder
  relation viewer: user | group#member | group#member with known
  permission view = viewer + parent->view
  permission narrow = viewer & parent->narrow
}
definition position {
  relation move: position
  relation anyone: user:*
  permission won = move->lost
  permission lost = anyone - won
}
""").schema


def _facts() -> list[str]:
    facts = [f"folder:deep{at}#parent@folder:deep{at + 1}" for at in range(SIZE)]
    facts += [f"folder:ring{at}#parent@folder:ring{(at + 1) % SIZE}" for at in range(SIZE)]
    facts += [f"folder:shared#viewer@group:g{at}#member" for at in range(SIZE)]
    facts += [f"folder:long#viewer@group:{at:01024}#member" for at in range(SIZE)]
    facts += [f'folder:told#viewer@group:g{at}#member[known:{{"code":"{at:02000}"}}]' for at in range(SIZE)]
    facts += [f"position:p{at}#move@position:p{at + 1}" for at in range(SIZE)]
    facts += [f"position:p{at}#anyone@user:*" for at in range(SIZE)]
    return [*facts, "group:broken#member@user:ann[broken]"]


FACTS = [parse_relationship(each) for each in _facts()]
HEAVY = [
    "folder:deep0#view@user:nobody",
    "folder:ring0#view@user:nobody",
    "folder:shared#view@user:nobody",
    "folder:long#view@user:nobody",
    "folder:told#view@user:nobody",
    "position:p0#won@user:ann",
]


@dataclass
class View:
    """An `EvaluationView` made by hand."""

    graph: GraphView
    native: NativeGraph | None = None
    revision: int = 7
    changed: Changed | None = None
    now_us: int = 0
    schema: Schema = SCHEMA


def pinned(*more: Relationship) -> PinnedGraph:
    return PinnedGraph(Graph([*FACTS, *more]), Lock(), Stride(), 0)


def question(text: str, **context: object) -> Question:
    return Question(*parse_question(text), context)


@pytest.mark.parametrize("text", HEAVY)
def test_what_is_reckoned_is_no_less_than_what_is_remembered(text: str) -> None:
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, budget.bytes)

    budget = Budget(STEPS_MAX, look)
    evaluation = Evaluation(SCHEMA, pinned(), now_us=0)
    gc.collect()
    tracemalloc.start()
    evaluation.check(*parse_question(text), budget=budget)
    _, taken = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 1.1 * max(most, budget.bytes) + 64 * 1024


@pytest.mark.parametrize("text", HEAVY)
def test_what_is_too_much_to_remember_is_refused_by_name_and_is_never_a_no(text: str) -> None:
    for ask in (PlainEvaluator(200_000).check, PlainEvaluator(200_000).explain):
        with pytest.raises(StepBudgetSpent, match="this is not a no") as refused:
            ask(View(pinned()), question(text), STEPS_MAX, never_interrupted)
        assert refused.value.metadata["name"] == "evaluation_bytes_max"
        assert refused.value.metadata["limit"] == "200000"
        assert int(refused.value.metadata["given"]) > 200_000


def test_many_questions_are_answered_as_if_each_had_been_asked_alone_however_little_is_remembered() -> None:
    asked = [question(f"folder:deep{at}#view@user:{user}") for at in (0, 300, 500, 550) for user in ("ann", "bob")]
    asked += [question("folder:shared#view@user:ann", code=str(at)) for at in range(4)]
    for bytes_max in (100_000, 500_000, 1_000_000, 3_000_000):
        evaluator = PlainEvaluator(bytes_max)
        together = evaluator.check_many(View(pinned()), asked, STEPS_MAX, never_interrupted)
        alone = [_alone(evaluator, each) for each in asked]
        assert [_told(each) for each in together] == [_told(each) for each in alone]
    assert {each.verdict for each in together if isinstance(each, Answer)} == {Verdict.NO}
    assert not any(isinstance(each, RemitError) for each in together), "three mebibytes are enough for each"


def _alone(evaluator: PlainEvaluator, asked: Question) -> Answer | RemitError:
    try:
        return evaluator.check(View(pinned()), asked, STEPS_MAX, never_interrupted)
    except RemitError as error:
        return error


def _told(found: Answer | RemitError) -> object:
    return found.verdict if isinstance(found, Answer) else (found.reason, found.metadata["name"])


@pytest.mark.parametrize("text", [*HEAVY, "group:broken#member@user:ann"])
def test_nothing_is_left_of_a_question_and_no_collector_is_needed(text: str) -> None:
    """Of an error neither: it is kept until the whole request is answered."""
    view, evaluator = View(pinned()), PlainEvaluator(1_000_000)
    asked = question(text, code=0)
    evaluator.check_many(view, [asked], STEPS_MAX, never_interrupted)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        found = evaluator.check_many(view, [asked], STEPS_MAX, never_interrupted)
        left = len(gc.get_objects()) - before
    finally:
        gc.enable()
    assert left < 20, found


def test_whoever_goes_while_a_question_is_forgotten_is_noticed_and_nothing_is_left() -> None:
    """Of a thousand goals a look, and the answer is there by then."""
    view = View(pinned())
    asked = [question(f"folder:{shape}#view@user:u{at}") for shape in ("deep0", "shared") for at in range(4)]
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == last:
            raise Cancelled("gone")

    last = -1
    PlainEvaluator().check_many(view, asked, STEPS_MAX, look)
    evaluation = Evaluation(SCHEMA, view.graph, now_us=0)
    for each in asked:
        evaluation.check(each.resource, each.permission, each.subject)
    pieces = len(evaluation.settled) // 1_024
    assert looks > pieces > 3
    counted = looks
    for last in range(counted - pieces + 1, counted + 1):  # those while it is forgotten
        looks = 0
        gc.collect()
        before = len(gc.get_objects())
        with pytest.raises(Cancelled):
            PlainEvaluator().check_many(view, asked, STEPS_MAX, look)
        assert looks == last, "nobody is asked again who has gone"
        gc.collect()
        assert len(gc.get_objects()) - before < 50


def test_what_a_pin_has_forgotten_it_reads_again() -> None:
    graph = pinned()
    for node in {(each.resource, each.relation) for each in FACTS[::97]}:
        before = list(graph.edges(*node))
        usersets = list(graph.usersets(*node))
        graph.forget()
        assert (list(graph.edges(*node)), list(graph.usersets(*node))) == (before, usersets)


def test_whoever_goes_while_a_pin_forgets_is_noticed_and_what_is_left_is_not_read_any_more() -> None:
    """Of many nodes as of one of many edges; what it reads from then on, it reads anew."""
    crowd = ObjectRef("folder", "crowd")
    facts = [Relationship(crowd, "viewer", SubjectRef("user", f"u{at}")) for at in range(20_000)]
    graph = pinned(*facts)
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == last:
            raise Cancelled("gone")

    def read() -> list[object]:
        nodes = {(each.resource, each.relation) for each in FACTS}
        return [list(graph.edges(*node)) for node in (*sorted(nodes), (crowd, "viewer"))]

    before, last = read(), -1
    graph.forget(look)
    counted = looks
    assert counted >= len(facts) // 1_024
    for last in (1, counted // 2, counted):
        assert read() == before
        looks = 0
        with pytest.raises(Cancelled):
            graph.forget(look)
        assert looks == last
    graph.forget()
    assert read() == before
