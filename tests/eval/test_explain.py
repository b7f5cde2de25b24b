"""Laws of explanations: every verdict told is Check's, follows from what is shown below it, and rests on facts that are
there; a YES can be proved from what is shown, and what a CONDITIONAL misses is what its facts miss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from remit.errors import CaveatFailed, NegativeCycle, StepBudgetSpent
from remit.eval.budget import Budget
from remit.eval.equations import Goal
from remit.eval.explain import OPERANDS_MAX, QUESTIONS_MAX, explain
from remit.eval.semantics import Evaluation
from remit.eval.trees import ExplainedQuestion, Explanation, ExplanationKind, ExplanationNode
from remit.graph.plain import Graph
from remit.language import plan
from remit.model import ObjectRef, SubjectRef, Verdict
from remit.notation import parse_question
from tests.support.random_worlds import NOW_US, RandomWorld, random_world
from tests.support.seeds import Seeds
from tests.support.small_worlds import CONDITIONAL, NO, YES, answer, evaluation

Key = tuple[ObjectRef, str, SubjectRef]


def explained(world: Evaluation, question: str) -> Explanation:
    return explain(world, world.goal(*parse_question(question)))


def key_of(told: ExplainedQuestion) -> Key:
    return told.resource, told.relation, told.subject


def asked_by(node: ExplanationNode) -> Key:
    assert node.resource is not None and node.subject is not None
    return node.resource, node.relation, node.subject


def nodes_of(node: ExplanationNode) -> Iterator[ExplanationNode]:
    yield node
    for child in node.children:
        yield from nodes_of(child)


def is_undefined(node: ExplanationNode) -> bool:
    return node.note.startswith("undefined")


# --- what must be true of any explanation -----------------------------------------------------------------------


def assert_follows(node: ExplanationNode) -> None:
    """The verdict of each node follows from those of its children, by its kind."""
    verdicts = [child.verdict for child in node.children if not is_undefined(child)]
    match node.kind:
        case ExplanationKind.UNION:
            assert len(node.children) > 1
            assert node.verdict is not YES, "of a union that is YES one operand is told, and stands for it"
            assert set(verdicts) == {node.verdict}
        case ExplanationKind.INTERSECTION:
            assert len(node.children) > 1
            assert set(verdicts) == {node.verdict}
        case ExplanationKind.EXCLUSION:
            if len(node.children) == 1:
                assert verdicts == [NO]
                assert node.verdict is NO
            elif len(verdicts) == 2:
                assert node.verdict == min(verdicts[0], 2 - verdicts[1])
            else:
                assert verdicts == [node.verdict] if is_undefined(node.children[1]) else verdicts == [2 - node.verdict]
        case _:
            assert not node.children
    for child in node.children:
        assert_follows(child)


def assert_facts_are_there(node: ExplanationNode, evaluation: Evaluation) -> None:
    for each in nodes_of(node):
        assert (each.relationship is not None) is (each.kind is ExplanationKind.RELATIONSHIP)
        if each.relationship is None:
            assert not each.missing
            continue
        found = evaluation.equations.graph.find(*each.relationship.key)
        assert found == each.relationship.qualifiers, f"{each.relationship} is not there"
        assert found.counts_at(evaluation.equations.now_us)
        expected: tuple[Verdict, frozenset[str]] = (YES, frozenset())
        if found.caveat is not None:
            caveat = evaluation.schema.caveats[found.caveat.name]
            expected = caveat.evaluate_written(found.caveat.context_json, evaluation.equations.context)
        assert (each.verdict, frozenset(each.missing)) == expected


def proved(explanation: Explanation) -> set[Key]:
    """The questions that are YES by what is shown, each founded on others that are; a NO is believed."""
    found: set[Key] = set()

    def holds(node: ExplanationNode) -> bool:
        if node.verdict is not YES:
            return False
        match node.kind:
            case ExplanationKind.QUESTION:
                return asked_by(node) in found
            case ExplanationKind.INTERSECTION:
                return all(map(holds, node.children))
            case ExplanationKind.EXCLUSION:
                return holds(node.children[0]) and node.children[1].verdict is NO
        return node.kind is not ExplanationKind.UNION

    while True:
        before = len(found)
        found |= {key_of(told) for told in explanation.questions if holds(told.definition)}
        if len(found) == before:
            return found


def assert_lawful(explanation: Explanation, evaluation: Evaluation, along: dict[str, plan.Along]) -> None:
    keys = [key_of(told) for told in explanation.questions]
    assert len(set(keys)) == len(keys), "a question is told once"
    assert len(keys) <= QUESTIONS_MAX
    for told in explanation.questions:
        assert told.definition.verdict is told.verdict
        name = along.get(told.relation, told.relation)
        bounds = evaluation.solve(Goal(told.resource, name, told.subject))
        assert bounds == (told.verdict, told.verdict), f"{told.resource}#{told.relation}@{told.subject}"
        assert_follows(told.definition)
        assert_facts_are_there(told.definition, evaluation)
        for node in nodes_of(told.definition):
            assert len(node.children) <= OPERANDS_MAX
            if node.kind is ExplanationKind.QUESTION and not explanation.truncated:
                (other,) = [each for each in explanation.questions if key_of(each) == asked_by(node)]
                assert other.verdict is node.verdict
    if not explanation.truncated:
        yes = {key_of(told) for told in explanation.questions if told.verdict is YES}
        assert proved(explanation) == yes, "a YES rests on itself"


def conditional_nodes(node: ExplanationNode) -> Iterator[ExplanationNode]:
    """The nodes that are CONDITIONAL all the way from the top."""
    if node.verdict is CONDITIONAL and not is_undefined(node):
        yield node
        for child in node.children:
            yield from conditional_nodes(child)


def missing_in(explanation: Explanation) -> tuple[str, ...]:
    """What is missing at the facts that leave the first question CONDITIONAL."""
    definitions = {key_of(told): told.definition for told in explanation.questions}
    names: set[str] = set()
    waiting = [key_of(explanation.questions[0])]
    for key in waiting:
        for node in conditional_nodes(definitions[key]):
            names |= set(node.missing)
            if node.kind is ExplanationKind.QUESTION and asked_by(node) not in waiting:
                waiting.append(asked_by(node))
    return tuple(sorted(names))


def alongs_of(world: RandomWorld) -> dict[str, plan.Along]:
    """Every `along` of a schema by its text, as an explanation names it."""
    return {
        str(node): node
        for definition in world.schema.definitions.values()
        for permission in definition.permissions.values()
        for node in plan.nodes_of(permission.expression)
        if isinstance(node, plan.Along)
    }


# --- laws -------------------------------------------------------------------------------------------------------


@pytest.mark.seeds(400, shards=4)
def test_an_explanation_keeps_its_laws_on_random_worlds(seeds: Seeds) -> None:
    verdicts: Counter[object] = Counter()
    kinds: Counter[object] = Counter()
    for seed in seeds:
        world = random_world(seed)
        graph = Graph(world.relationships)
        for resource in sorted({r.resource for r in world.relationships}):
            for name in ("r0", "p0", "p1"):
                fresh = Evaluation(world.schema, graph, now_us=NOW_US, context=world.context)
                try:
                    found = fresh.check(resource, name, world.subject)
                except (NegativeCycle, CaveatFailed):
                    continue
                explanation = explain(fresh, fresh.goal(resource, name, world.subject))
                assert key_of(explanation.questions[0]) == (resource, name, world.subject)
                assert explanation.questions[0].verdict is found.verdict
                try:
                    assert_lawful(explanation, fresh, alongs_of(world))
                    assert missing_in(explanation) == found.missing
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}, {resource}#{name}@{world.subject}: {error}") from error
                verdicts[found.verdict] += 1
                kinds.update(node.kind for told in explanation.questions for node in nodes_of(told.definition))
    for verdict in Verdict:
        seeds.require(verdicts[verdict] >= 3, f"{verdict} in {verdicts}")
    seeds.require(len(kinds) == len(ExplanationKind), kinds)


@pytest.mark.seeds(100)
def test_explaining_changes_no_answer(seeds: Seeds) -> None:
    """What an explanation asks besides is remembered, and is as true as if it had been asked first."""
    for seed in seeds:
        world = random_world(seed)
        graph = Graph(world.relationships)
        told = Evaluation(world.schema, graph, now_us=NOW_US, context=world.context)
        for resource in sorted({r.resource for r in world.relationships}):
            for name in ("p0", "p1", "p2"):
                fresh = Evaluation(world.schema, graph, now_us=NOW_US, context=world.context)
                goal = fresh.goal(resource, name, world.subject)
                assert told.solve(goal) == fresh.solve(goal), f"seed {seed}: {goal}"
                explain(told, goal)


# --- examples ---------------------------------------------------------------------------------------------------

SCHEMA = """
caveat small(x int) { x < 10 }
definition user {}
definition group {
    relation member: user | group#member | user with small
}
definition doc {
    relation viewer: user | group#member
    relation banned: user
    relation parent: doc
    permission view = (viewer + parent->view) - banned
    permission first = second + viewer
    permission second = first + nil
    permission all_parents = parent.all(view)
}
"""


def test_a_yes_that_goes_around_is_told_by_what_founds_it() -> None:
    """`first` asks `second` before it looks at `viewer`, and `second` is YES too: because `first` is."""
    world = evaluation(SCHEMA, ["doc:1#viewer@user:a"])
    assert answer(world, "doc:1#first@user:a").verdict is YES
    told = explained(world, "doc:1#first@user:a")
    assert [each.relation for each in told.questions] == ["first", "viewer"]
    told = explained(world, "doc:1#second@user:a")
    assert [each.relation for each in told.questions] == ["second", "first", "viewer"]


def test_a_yes_that_only_its_circle_decides_is_told_by_what_founds_it() -> None:
    """`open` holds since nothing founds `shut`, which is known only when the whole cycle is settled."""
    world = evaluation(
        """
        definition user {}
        definition doc {
            relation base: user
            permission first = second + open
            permission second = first + nil
            permission open = base - shut
            permission shut = kept & first
            permission kept = shut + nil
        }
        """,
        ["doc:1#base@user:a"],
    )
    assert answer(world, "doc:1#first@user:a").verdict is YES
    told = explained(world, "doc:1#second@user:a")
    assert [each.relation for each in told.questions][:3] == ["second", "first", "open"]
    assert_lawful(told, world, {})


def test_a_yes_tells_one_sufficient_branch() -> None:
    facts = ["doc:1#viewer@group:g#member", "doc:1#viewer@group:h#member", "doc:1#parent@doc:2", "doc:2#viewer@user:a"]
    world = evaluation(SCHEMA, [*facts, "group:g#member@user:a", "group:h#member@user:a"])
    told = explained(world, "doc:1#view@user:a")
    assert [f"{each.resource}#{each.relation}" for each in told.questions] == [
        "doc:1#view",
        "doc:1#viewer",
        "doc:1#banned",
        "group:g#member",
    ]
    assert told.questions[2].definition.note == "no relationship"


def test_a_no_tells_every_operand_that_kept_it_there() -> None:
    facts = ["doc:1#viewer@group:g#member", "doc:1#viewer@group:h#member", "doc:1#parent@doc:2"]
    told = explained(evaluation(SCHEMA, facts), "doc:1#view@user:a")
    assert {f"{each.resource}#{each.relation}" for each in told.questions} == {
        "doc:1#view",
        "doc:1#viewer",
        "doc:2#view",
        "doc:2#viewer",
        "group:g#member",
        "group:h#member",
    }


def test_who_is_banned_is_told_so() -> None:
    world = evaluation(SCHEMA, ["doc:1#viewer@user:a", "doc:1#banned@user:a"])
    told = explained(world, "doc:1#view@user:a")
    exclusion = told.questions[0].definition
    assert (exclusion.kind, exclusion.verdict) == (ExplanationKind.EXCLUSION, NO)
    assert [child.verdict for child in exclusion.children] == [YES, YES]


def test_a_conditional_names_what_each_fact_misses() -> None:
    world = evaluation(SCHEMA, ["doc:1#viewer@group:g#member", "group:g#member@user:a[small]"])
    told = explained(world, "doc:1#view@user:a")
    fact = told.questions[-1].definition
    assert (fact.kind, fact.verdict, fact.missing) == (ExplanationKind.RELATIONSHIP, CONDITIONAL, ("x",))


def test_a_long_explanation_is_cut_and_says_so() -> None:
    line = [f"group:{i}#member@group:{i + 1}#member" for i in range(2 * QUESTIONS_MAX)]
    told = explained(evaluation(SCHEMA, line), "group:0#member@user:a")
    assert len(told.questions) == QUESTIONS_MAX
    assert told.truncated
    short = explained(evaluation(SCHEMA, line[: QUESTIONS_MAX - 1]), "group:0#member@user:a")
    assert len(short.questions) == QUESTIONS_MAX
    assert not short.truncated


def test_many_operands_are_told_by_some_of_them() -> None:
    for count, is_cut in ((OPERANDS_MAX, False), (OPERANDS_MAX + 7, True)):
        facts = [f"group:hub#member@group:{i}#member" for i in range(count)]
        told = explained(evaluation(SCHEMA, facts), "group:hub#member@user:a")
        assert told.truncated is is_cut
        assert len(told.questions[0].definition.children) == OPERANDS_MAX
        assert told.questions[0].definition.note == ("and 7 more like these" if is_cut else "")


def test_a_yes_asks_nothing_that_the_check_did_not() -> None:
    """The wide branch comes after the one that decides, so neither the check nor its explanation looks at it."""
    facts = ["doc:1#viewer@user:a", "doc:1#parent@doc:2"]
    facts += [f"doc:2#viewer@group:{i}#member" for i in range(500)]
    world = evaluation(SCHEMA, facts)
    answer(world, "doc:1#view@user:a", Budget(20))
    world.equations.budget = Budget(20)
    explained(world, "doc:1#view@user:a")


def test_a_spent_budget_is_an_error() -> None:
    world = evaluation(SCHEMA, [f"group:{i}#member@group:{i + 1}#member" for i in range(50)])
    answer(world, "group:0#member@user:a")
    world.equations.budget = Budget(10)
    with pytest.raises(StepBudgetSpent):
        explained(world, "group:0#member@user:a")
