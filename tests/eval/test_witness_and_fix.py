"""Examples of what supports an answer; the laws are in `tests/laws/test_witness_and_fix.py`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from remit.errors import DeadlineExceeded
from remit.eval.fixes import CHANGES_MAX
from remit.eval.plain import SUPPORT_STEPS_MAX, PlainEvaluator
from remit.eval.trees import Explanation
from remit.eval.witness import FACTS_MAX
from remit.graph.plain import Graph
from remit.interrupt import Interrupt, never_interrupted
from remit.model import Question
from remit.notation import format_relationship, parse_question, parse_relationship
from tests.support.small_worlds import BEFORE, NOW_US, plan_of
from tests.support.trial_views import TrialView

SCHEMA = """
use delegation
use expiration
caveat small(x int) { x < 10 }
definition hold {}
definition user { relation known: user }
definition run { relation by: run | user }
definition group { relation member: user | group#member }
definition doc {
    single relation owner: user
    relation viewer: user | user with small | user with expiration | group#member
    relation staff: group#member
    relation banned: user
    relation excused: user
    relation hold: hold
    final relation gone: hold
    single final relation maker: user
    relation parent: doc
    relation may: user | run
    permission view = (viewer + parent->view) - (banned - excused)
    permission read = viewer - hold.exists()
    permission all_parents = parent.all(view)
    permission both = viewer & staff
    permission kept = owner & viewer
    permission use = may.along(by)
    permission admitted = subject->known & viewer
    permission nobody = nil
    permission lasting = viewer - gone.exists()
    permission made = maker
    permission loose = lasting + (viewer - hold.exists())
}
"""


def explained(
    facts: Iterable[str], question: str, steps_max: int = 1_000_000, interrupt: Interrupt = never_interrupted
) -> Explanation:
    view = TrialView(plan_of(SCHEMA), Graph(map(parse_relationship, facts)), now_us=NOW_US)
    return PlainEvaluator().explain(view, Question(*parse_question(question)), steps_max, interrupt).explanation


def witness(facts: Iterable[str], question: str) -> list[str]:
    return [format_relationship(each) for each in explained(facts, question).witness]


def fix(facts: Iterable[str], question: str) -> list[str]:
    found = explained(facts, question).fix
    return [f"{each.operation.value} {format_relationship(each.relationship)}" for each in found]


def test_of_several_ways_a_witness_has_one() -> None:
    facts = ["doc:a#viewer@user:u", "doc:a#parent@doc:b", "doc:b#viewer@user:u", "doc:a#viewer@user:v"]
    assert witness(facts, "doc:a#view@user:u") == ["doc:a#viewer@user:u"]


def test_what_excuses_a_ban_is_in_no_witness_where_the_ban_is_not() -> None:
    """Alone the grant is enough: without the ban nobody needs to be excused."""
    facts = ["doc:a#viewer@user:u", "doc:a#banned@user:u", "doc:a#excused@user:u"]
    assert witness(facts, "doc:a#view@user:u") == ["doc:a#viewer@user:u"]


def test_of_all_one_is_enough_alone() -> None:
    facts = ["doc:a#parent@doc:b", "doc:a#parent@doc:c", "doc:b#viewer@user:u", "doc:c#viewer@user:u"]
    assert witness(facts, "doc:a#all_parents@user:u") == ["doc:a#parent@doc:b", "doc:b#viewer@user:u"]


def test_a_userset_is_in_itself_by_no_fact() -> None:
    assert witness([], "group:g#member@group:g#member") == []


@pytest.mark.parametrize(
    ("facts", "question", "expected"),
    [
        ([], "doc:a#view@user:u", ["touch doc:a#viewer@user:u"]),
        (["doc:a#viewer@user:u", "doc:a#banned@user:u"], "doc:a#view@user:u", ["touch doc:a#excused@user:u"]),
        (["doc:a#viewer@user:u", "doc:a#hold@hold:h", "doc:a#hold@hold:i"], "doc:a#read@user:u",
         ["delete doc:a#hold@hold:h", "delete doc:a#hold@hold:i"]),
        (["doc:a#viewer@user:u", "group:g#member@user:u"], "doc:a#both@user:u", ["touch doc:a#staff@group:g#member"]),
        (["doc:a#viewer@user:u", "doc:a#staff@group:g#member"], "doc:a#both@user:u", ["touch group:g#member@user:u"]),
        (["doc:a#owner@user:v", "doc:a#viewer@user:u"], "doc:a#kept@user:u",
         ["touch doc:a#owner@user:u", "delete doc:a#owner@user:v"]),
        ([f"doc:a#viewer@user:u[expiration:{BEFORE}]"], "doc:a#read@user:u", ["touch doc:a#viewer@user:u"]),
        (['doc:a#viewer@user:u[small:{"x":50}]'], "doc:a#read@user:u", ["touch doc:a#viewer@user:u"]),
        (["doc:a#may@run:r", "doc:a#may@user:u", "run:s#by@user:v"], "doc:a#use@run:r", ["touch run:r#by@user:u"]),
        (["doc:a#may@run:r", "run:r#by@user:u"], "doc:a#use@run:r", ["touch doc:a#may@user:u"]),
        (["doc:a#viewer@user:u"], "doc:a#admitted@user:u", ["touch user:u#known@user:u"]),
        (["doc:a#parent@doc:b", "doc:a#parent@doc:c", "doc:c#viewer@user:u"], "doc:a#all_parents@user:u",
         ["touch doc:b#viewer@user:u"]),
        ([], "doc:a#nobody@user:u", []),
        # Nobody may delete what is final.
        (["doc:a#viewer@user:u", "doc:a#gone@hold:h"], "doc:a#lasting@user:u", []),
        (["doc:a#viewer@user:u", "doc:a#gone@hold:h", "doc:a#hold@hold:h"], "doc:a#loose@user:u",
         ["delete doc:a#hold@hold:h"]),
        (["doc:a#maker@user:v"], "doc:a#made@user:u", []),
        ([], "doc:a#made@user:u", ["touch doc:a#maker@user:u"]),
        # The schema takes only usersets there, and there is none that the subject is in.
        ([], "doc:a#staff@user:u", []),
    ],
)  # fmt: skip
def test_a_fix_is(facts: list[str], question: str, expected: list[str]) -> None:
    assert fix(facts, question) == expected


def test_a_conditional_has_neither() -> None:
    found = explained(["doc:a#viewer@user:u[small]"], "doc:a#view@user:u")
    assert (found.witness, found.fix, found.unfinished) == ((), (), False)


# --- what it may cost -------------------------------------------------------------------------------------------


def line(length: int) -> list[str]:
    return [f"group:{each}#member@group:{each + 1}#member" for each in range(length - 1)]


def test_a_witness_is_looked_for_among_so_many_facts() -> None:
    longest = [*line(FACTS_MAX - 1), f"group:{FACTS_MAX - 2}#member@user:u"]
    assert len(witness(longest, "group:0#member@user:u")) == FACTS_MAX - 1
    longer = [*line(FACTS_MAX + 1), f"group:{FACTS_MAX}#member@user:u"]
    found = explained(longer, "group:0#member@user:u")
    assert (found.witness, found.unfinished) == ((), True)


def test_a_fix_has_so_many_changes() -> None:
    holds = [f"doc:a#hold@hold:{each}" for each in range(CHANGES_MAX)]
    assert len(fix(["doc:a#viewer@user:u", *holds], "doc:a#read@user:u")) == CHANGES_MAX
    assert fix(["doc:a#viewer@user:u", *holds, "doc:a#hold@hold:more"], "doc:a#read@user:u") == []


def test_where_the_steps_end_the_explanation_stands_without() -> None:
    facts = [*line(100), "group:99#member@user:u"]
    asked = "group:0#member@user:u"
    found = explained(facts, asked, steps_max=700)
    assert (found.witness, found.unfinished) == ((), True)
    assert found.questions == explained(facts, asked).questions
    many = [f"run:r{each}#by@user:u{each}" for each in range(SUPPORT_STEPS_MAX // 2 + 1)]
    rootless = explained([*many, "doc:a#may@run:r"], "doc:a#use@run:r")
    assert (rootless.fix, rootless.unfinished) == ((), True)


@pytest.mark.parametrize("facts", [[*line(150), "group:149#member@user:u"], line(150)])
def test_somebody_looks_all_along_whether_to_go_on(facts: list[str]) -> None:
    calls = 0

    def gone_at(last: int) -> Interrupt:
        def interrupt() -> None:
            nonlocal calls
            calls += 1
            if calls == last:
                raise DeadlineExceeded("gone")

        return interrupt

    explained(facts, "group:0#member@user:u", interrupt=gone_at(0))
    for last in range(1, calls, max(calls // 20, 1)):
        calls = 0
        with pytest.raises(DeadlineExceeded):
            explained(facts, "group:0#member@user:u", interrupt=gone_at(last))
