"""What Check means, rule by rule, each in a world small enough to be answered by head ("The meaning" in
docs/internals/design.md).

The laws over random worlds are in laws/test_one_meaning.py; here every rule has a name, an example and its edge."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import (
    CaveatFailed,
    DeadlineExceeded,
    InvalidReference,
    NegativeCycle,
    RemitError,
    StepBudgetSpent,
    UnknownRelation,
    UnknownType,
)
from remit.eval.budget import Budget
from remit.eval.negative_cycle import negative_cycle
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.model import ObjectRef, Relationship, SubjectRef, Verdict
from remit.notation import parse_question, parse_relationship
from tests.support.small_worlds import AFTER, AT, BEFORE, CONDITIONAL, NO, NOW_US, YES, answer, evaluation, verdict

GROUPS = """
definition user {}
definition group {
    relation member: user | user:* | group#member
    relation banned: user | user:*
    permission allowed = member - banned
}
definition team {
    relation member: user | team#member
    relation owner: user
}
definition doc {
    relation viewer: user | user:* | team#member | group#allowed
    relation folder: doc
    permission view = viewer + folder->view
}
"""

CAVEATS = """
use expiration
use not_before

caveat small(x int) { x < 10 }
caveat smaller(x int, y int) { x < y }
caveat ratio(z int) { 10 / z > 1 }

definition user {}
definition doc {
    relation a: user | user with small | user with smaller | user with ratio
    relation b: user | user with small | user with smaller | user with ratio
    relation c: user | user with small | user with smaller | user with ratio
    relation timed: user with expiration | user with not_before | user with not_before and expiration
    permission both = a & b
    permission either = a + b
    permission but = a - b
    permission mixed = (a & b) + c
}
"""


# --- identity, wildcards, usersets ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["member", "banned", "allowed"])
def test_a_userset_contains_itself_before_anything_else(name: str) -> None:
    world = evaluation(GROUPS, ["group:g#banned@user:*"])
    assert verdict(world, f"group:g#{name}@group:g#{name}") is YES


def test_a_userset_contains_no_other_of_its_object_unless_facts_say_so() -> None:
    world = evaluation(GROUPS, ["doc:d#viewer@team:g#member"])
    assert verdict(world, "doc:d#viewer@team:g#member") is YES
    assert verdict(world, "doc:d#view@team:g#member") is YES
    assert verdict(world, "doc:d#viewer@team:g#owner") is NO
    assert verdict(world, "doc:d#viewer@team:g") is NO
    assert verdict(world, "doc:d#viewer@team:h#member") is NO
    assert verdict(world, "team:g#member@team:g#owner") is NO


def test_a_userset_is_found_through_usersets() -> None:
    world = evaluation(GROUPS, ["doc:d#viewer@team:g#member", "team:g#member@team:h#member"])
    assert verdict(world, "doc:d#view@team:h#member") is YES


def test_a_wildcard_matches_every_plain_subject_of_its_type_and_no_userset() -> None:
    world = evaluation(GROUPS, ["group:g#member@user:*"])
    assert verdict(world, "group:g#member@user:anyone") is YES
    assert verdict(world, "group:g#member@group:h") is NO
    assert verdict(world, "group:g#member@group:h#member") is NO
    assert verdict(world, "doc:d#view@user:anyone") is NO


def test_a_wildcard_matches_no_userset_of_its_own_type() -> None:
    schema = """
        definition user {}
        definition group {
            relation member: user
        }
        definition doc {
            relation viewer: group:* | group#member
        }
        """
    world = evaluation(schema, ["doc:d#viewer@group:*"])
    assert verdict(world, "doc:d#viewer@group:g") is YES
    assert verdict(world, "doc:d#viewer@group:g#member") is NO


def test_a_wildcard_subtracts_everyone_but_usersets() -> None:
    world = evaluation(GROUPS, ["group:g#member@user:a", "group:g#member@group:h#member", "group:g#banned@user:*"])
    assert verdict(world, "group:g#allowed@user:a") is NO
    assert verdict(world, "group:g#allowed@group:h#member") is YES


def test_a_wildcard_reaches_through_usersets() -> None:
    world = evaluation(GROUPS, ["doc:d#viewer@group:g#allowed", "group:g#member@user:*", "group:g#banned@user:b"])
    assert verdict(world, "doc:d#view@user:a") is YES
    assert verdict(world, "doc:d#view@user:b") is NO


def test_nobody_asks_about_everyone_at_once() -> None:
    with pytest.raises(InvalidReference, match="asks about everyone at once"):
        parse_question("group:g#member@user:*")


def test_an_arrow_looks_at_the_object_of_a_userset() -> None:
    world = evaluation(
        """
        definition user {}
        definition group {
            relation member: user
            relation owner: user
        }
        definition doc {
            relation team: group#member
            permission own = team->owner
            permission all_own = team.all(owner)
        }
        """,
        ["doc:d#team@group:g#member", "group:g#owner@user:o", "group:g#member@user:m"],
    )
    assert verdict(world, "doc:d#own@user:o") is YES
    assert verdict(world, "doc:d#all_own@user:o") is YES
    assert verdict(world, "doc:d#own@user:m") is NO
    assert verdict(world, "doc:d#team@user:m") is YES


def test_an_arrow_to_a_type_without_the_name_is_no_one() -> None:
    schema = """
        definition user {}
        definition shelf {}
        definition doc {
            relation parent: doc | shelf
            relation viewer: user
            permission view = viewer + parent->view
            permission everywhere = parent.all(view)
        }
        """
    facts = ["doc:d#parent@shelf:s", "doc:d#parent@doc:e", "doc:e#viewer@user:a"]
    world = evaluation(schema, facts)
    assert verdict(world, "doc:d#view@user:a") is YES
    assert verdict(world, "doc:d#everywhere@user:a") is NO
    assert verdict(evaluation(schema, facts[1:]), "doc:d#everywhere@user:a") is YES
    assert verdict(evaluation(schema, []), "doc:d#everywhere@user:a") is NO, "all of none is no one"


def test_self_is_the_resource_as_a_plain_subject() -> None:
    world = evaluation("use self\ndefinition user {\n permission me = self\n permission nobody = nil\n}")
    assert verdict(world, "user:a#me@user:a") is YES
    assert verdict(world, "user:a#me@user:b") is NO
    assert verdict(world, "user:a#me@user:a#nobody") is NO
    assert verdict(world, "user:a#nobody@user:a") is NO


def test_names_that_do_not_exist_are_errors_and_subjects_that_cannot_reach_are_no() -> None:
    world = evaluation(GROUPS)
    with pytest.raises(UnknownType, match=r"`dcc` is not defined .*did you mean `doc`") as unknown:
        verdict(world, "dcc:d#view@user:a")
    assert unknown.value.field == "resource"
    with pytest.raises(UnknownType) as unknown:
        verdict(world, "doc:d#view@usr:a")
    assert unknown.value.field == "subject"
    with pytest.raises(UnknownRelation, match="`veiw` is not defined on `doc`; did you mean `view`"):
        verdict(world, "doc:d#veiw@user:a")
    with pytest.raises(UnknownRelation):
        verdict(world, "doc:d#view@group:g#membr")
    assert verdict(world, "doc:d#view@doc:d") is NO
    assert verdict(world, "doc:nothing#view@user:nobody") is NO


# --- exists and subject -----------------------------------------------------------------------------------------

DELEGATION = """
use delegation
use self
use expiration

caveat small(x int) { x < 10 }

definition user {
    relation registered: user | user with expiration | user with small
    permission live = registered.exists()
}
definition ghost {
    permission haunts = nil
}
definition run {
    relation by: run | user
    relation stopped: user | user:*
    permission live = self - stopped.exists()
}
definition tool {
    relation may: user | run | ghost | user:* | user with small | run#live
    relation also: user | run
    permission living = may & subject->live
    permission use = may.along(by)
    permission strict = living.along(by)
}
"""


def test_exists_counts_valid_relationships_whoever_asks() -> None:
    assert verdict(evaluation(DELEGATION), "user:a#live@user:b") is NO
    assert verdict(evaluation(DELEGATION, ["user:a#registered@user:z"]), "user:a#live@user:b") is YES
    assert verdict(evaluation(DELEGATION, ["user:a#registered@user:z"]), "user:a#live@run:r#live") is YES
    assert verdict(evaluation(DELEGATION, ["run:r#stopped@user:*"]), "run:r#live@run:r") is NO
    over = evaluation(DELEGATION, [f"user:a#registered@user:z[expiration:{AT}]"])
    assert verdict(over, "user:a#live@user:a") is NO
    held = evaluation(DELEGATION, ["user:a#registered@user:z[small]"])
    assert answer(held, "user:a#live@user:a").verdict is CONDITIONAL
    assert answer(held, "user:a#live@user:a").missing == ("x",)
    assert verdict(evaluation(DELEGATION, ["user:a#registered@user:z[small]"], {"x": 50}), "user:a#live@user:a") is NO


def test_subject_arrow_asks_the_acting_subject_about_itself() -> None:
    facts = ["tool:t#may@user:a", "tool:t#may@user:b", "user:a#registered@user:a", "tool:t#may@ghost:g"]
    world = evaluation(DELEGATION, facts)
    assert verdict(world, "tool:t#living@user:a") is YES
    assert verdict(world, "tool:t#living@user:b") is NO
    assert verdict(world, "tool:t#living@ghost:g") is NO, "a type without the permission is NO"


def test_subject_arrow_is_no_for_a_userset() -> None:
    world = evaluation(DELEGATION, ["tool:t#may@run:r#live"])
    assert verdict(world, "tool:t#may@run:r#live") is YES
    assert verdict(world, "tool:t#living@run:r#live") is NO


# --- along ------------------------------------------------------------------------------------------------------

CHAIN = ["tool:t#may@run:r1", "tool:t#may@run:r2", "tool:t#may@user:u", "run:r2#by@run:r1", "run:r1#by@user:u"]


def test_along_is_yes_where_every_link_is_in_it() -> None:
    world = evaluation(DELEGATION, CHAIN)
    for link in ("run:r1", "run:r2", "user:u"):
        assert verdict(world, f"tool:t#use@{link}") is YES


@pytest.mark.parametrize("gone", range(len(CHAIN)))
def test_along_is_no_without_any_one_of_its_facts(gone: int) -> None:
    world = evaluation(DELEGATION, [fact for index, fact in enumerate(CHAIN) if index != gone])
    assert verdict(world, "tool:t#use@run:r2") is NO, f"without {CHAIN[gone]}"


def test_along_asks_every_delegator_of_every_link() -> None:
    second = ["run:r1#by@user:v"]
    assert verdict(evaluation(DELEGATION, CHAIN + second), "tool:t#use@run:r2") is NO
    assert verdict(evaluation(DELEGATION, [*CHAIN, *second, "tool:t#may@user:v"]), "tool:t#use@run:r2") is YES


def test_a_chain_that_goes_around_has_no_root() -> None:
    everyone = [f"tool:t#may@run:r{i}" for i in range(4)] + ["tool:t#may@user:u"]
    itself = evaluation(DELEGATION, [*everyone, "run:r0#by@run:r0"])
    assert verdict(itself, "tool:t#use@run:r0") is NO
    ring = evaluation(DELEGATION, [*everyone, *(f"run:r{i}#by@run:r{(i + 1) % 3}" for i in range(3))])
    assert [verdict(ring, f"tool:t#use@run:r{i}") for i in range(3)] == [NO] * 3
    below = evaluation(DELEGATION, [*everyone, "run:r0#by@run:r0", "run:r1#by@run:r0"])
    assert verdict(below, "tool:t#use@run:r1") is NO
    with_root = evaluation(DELEGATION, [*everyone, "run:r0#by@run:r0", "run:r0#by@user:u"])
    assert verdict(with_root, "tool:t#use@run:r0") is NO, "a second delegator does not open the ring"


def test_a_rootless_chain_is_no() -> None:
    world = evaluation(DELEGATION, ["tool:t#may@run:r1", "tool:t#may@run:r0", "run:r1#by@run:r0"])
    assert verdict(world, "tool:t#use@run:r1") is NO


def test_along_asks_a_type_without_a_delegator_only_itself() -> None:
    world = evaluation(DELEGATION, ["tool:t#may@ghost:g", "tool:t#may@user:*"])
    assert verdict(world, "tool:t#use@ghost:g") is YES
    assert verdict(world, "tool:t#use@user:anyone") is YES


def test_along_is_no_for_a_userset() -> None:
    world = evaluation(DELEGATION, [*CHAIN, "tool:t#may@run:r1#live"])
    assert verdict(world, "tool:t#may@run:r1#live") is YES
    assert verdict(world, "tool:t#use@run:r1#live") is NO


def test_a_hold_anywhere_above_silences_the_chain() -> None:
    facts = [*CHAIN, "user:u#registered@user:u"]
    assert verdict(evaluation(DELEGATION, facts), "tool:t#strict@run:r2") is YES
    for held in ("run:r2", "run:r1"):
        world = evaluation(DELEGATION, [*facts, f"{held}#stopped@user:boss"])
        assert verdict(world, "tool:t#strict@run:r2") is NO
        assert verdict(world, "tool:t#strict@user:u") is YES


def test_a_conditional_link_makes_the_chain_conditional() -> None:
    facts = [fact for fact in CHAIN if fact != "tool:t#may@user:u"] + ["tool:t#may@user:u[small]"]
    world = evaluation(DELEGATION, facts)
    found = answer(world, "tool:t#use@run:r2")
    assert (found.verdict, found.missing) == (CONDITIONAL, ("x",))
    assert verdict(evaluation(DELEGATION, facts, {"x": 1}), "tool:t#use@run:r2") is YES
    assert verdict(evaluation(DELEGATION, facts, {"x": 11}), "tool:t#use@run:r2") is NO


def test_along_of_several_relations_needs_each_that_a_type_declares() -> None:
    schema = """
        use delegation
        definition user {}
        definition agent {}
        definition run {
            relation by: run | user
            relation of: agent
        }
        definition tool {
            relation may: user | agent | run
            permission use = may.along(by, of)
        }
        """
    facts = [*CHAIN, "run:r1#of@agent:g", "run:r2#of@agent:g", "tool:t#may@agent:g"]
    assert verdict(evaluation(schema, facts), "tool:t#use@run:r2") is YES
    for gone in facts:
        assert verdict(evaluation(schema, [f for f in facts if f != gone]), "tool:t#use@run:r2") is NO, gone


# --- cycles ----------------------------------------------------------------------------------------------------

FOLDERS = """
definition user {}
definition doc {
    relation next: doc
    relation viewer: user
    relation base: user
    permission view = viewer + next->view
    permission twice = once + viewer
    permission once = twice + nil
    permission won = base - next->won
    permission odd = base - even
    permission even = base - odd
    permission fine = viewer + odd
    permission closed = viewer & odd
    permission bare = viewer - odd
    permission held = odd - viewer
}
"""


def test_a_positive_cycle_holds_who_is_founded_outside_it() -> None:
    ring = [f"doc:{i}#next@doc:{(i + 1) % 5}" for i in range(5)]
    nobody = evaluation(FOLDERS, ring)
    somebody = evaluation(FOLDERS, [*ring, "doc:3#viewer@user:a"])
    for i in range(5):
        assert verdict(nobody, f"doc:{i}#view@user:a") is NO
        assert verdict(somebody, f"doc:{i}#view@user:a") is YES
        assert verdict(somebody, f"doc:{i}#view@user:b") is NO


def test_groups_that_contain_each_other_contain_nobody() -> None:
    world = evaluation(GROUPS, ["group:g#member@group:h#member", "group:h#member@group:g#member"])
    assert verdict(world, "group:g#member@user:a") is NO
    assert verdict(world, "group:g#member@group:h#member") is YES
    assert verdict(world, "group:h#member@group:g#member") is YES
    assert verdict(evaluation(GROUPS, ["group:g#member@group:g#member"]), "group:g#member@user:a") is NO


def test_permissions_that_are_one_another_are_founded_from_either_side() -> None:
    world = evaluation(FOLDERS, ["doc:1#viewer@user:a"])
    for permission in ("once", "twice"):
        assert verdict(world, f"doc:1#{permission}@user:a") is YES
        assert verdict(world, f"doc:1#{permission}@user:b") is NO


def test_what_depends_on_its_own_negation_is_an_error_that_names_the_cycle() -> None:
    world = evaluation(FOLDERS, ["doc:1#base@user:a"])
    with pytest.raises(NegativeCycle) as raised:
        verdict(world, "doc:1#odd@user:a")
    assert raised.value.message == (
        "`doc:1#odd@user:a` is undefined: it depends on its own negation, "
        "`doc:1#even@user:a` → `doc:1#odd@user:a` → `doc:1#even@user:a`"
    )
    assert verdict(world, "doc:1#odd@user:b") is NO, "a NO base ends it"


def test_the_undefined_is_absorbed_by_what_decides_alone() -> None:
    world = evaluation(FOLDERS, ["doc:1#base@user:a", "doc:1#viewer@user:a", "doc:2#base@user:a"])
    assert verdict(world, "doc:1#fine@user:a") is YES
    assert verdict(world, "doc:1#held@user:a") is NO
    assert verdict(world, "doc:2#closed@user:a") is NO
    assert verdict(world, "doc:2#bare@user:a") is NO
    for undefined in ("doc:1#closed", "doc:1#bare", "doc:2#fine", "doc:2#held"):
        with pytest.raises(NegativeCycle):
            verdict(world, f"{undefined}@user:a")


def test_a_negative_chain_that_ends_is_no_cycle() -> None:
    """Who moves last wins: `won` is base, unless the next has won. The end of the line wins, the one before loses."""
    line = [f"doc:{i}#next@doc:{i + 1}" for i in range(6)] + [f"doc:{i}#base@user:a" for i in range(7)]
    world = evaluation(FOLDERS, line)
    assert [verdict(world, f"doc:{i}#won@user:a") for i in range(7)] == [YES, NO, YES, NO, YES, NO, YES]


def test_a_negative_cycle_with_a_way_out_is_decided() -> None:
    """0 → 1 → 2 → 0, but 1 may also move to the end of a line, which has won: so 1 has lost and 0 has won."""
    moves = ["doc:0#next@doc:1", "doc:1#next@doc:2", "doc:2#next@doc:0", "doc:1#next@doc:9"]
    facts = [*moves, *(f"doc:{i}#base@user:a" for i in (0, 1, 2, 9))]
    for order in itertools.permutations(facts[:4]):
        world = evaluation(FOLDERS, [*order, *facts[4:]])
        assert verdict(world, "doc:1#won@user:a") is NO
        assert verdict(world, "doc:0#won@user:a") is YES
        assert verdict(world, "doc:2#won@user:a") is NO


def ring_of_moves(size: int) -> list[str]:
    return [f"doc:{i}#next@doc:{(i + 1) % size}" for i in range(size)] + [f"doc:{i}#base@user:a" for i in range(size)]


@given(st.permutations([*ring_of_moves(3), "doc:0#next@doc:0", "doc:7#next@doc:1", "doc:7#base@user:a"]))
def test_an_undefined_answer_has_the_same_words_in_every_order(facts: Sequence[str]) -> None:
    world = evaluation(FOLDERS, facts)
    for before in ("doc:2", "doc:1", ""):
        if before:
            with pytest.raises(NegativeCycle):
                verdict(world, f"{before}#won@user:a")
        with pytest.raises(NegativeCycle, match=r"`doc:0#won@user:a` → `doc:0#won@user:a`$"):
            verdict(world, "doc:7#won@user:a")


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_cycle_is_told_from_its_least_question(size: int) -> None:
    facts = ring_of_moves(size)
    Random(size).shuffle(facts)
    with pytest.raises(NegativeCycle) as raised:
        verdict(evaluation(FOLDERS, facts), f"doc:{size - 1}#won@user:a")
    cycle = [*range(size), 0]
    assert raised.value.message.endswith(" → ".join(f"`doc:{i}#won@user:a`" for i in cycle))


def test_a_cycle_of_thousands_is_found_quickly_and_told_briefly() -> None:
    size = 2_001
    budget = Budget(steps_max=60 * size)
    with pytest.raises(NegativeCycle) as raised:
        answer(evaluation(FOLDERS, ring_of_moves(size)), "doc:0#won@user:a", budget)
    assert "… 1990 more …" in raised.value.message
    assert len(raised.value.message) < 1_000


def test_a_double_negation_is_no_negation() -> None:
    """`p = base - (other - p)` holds p positively: nothing founds it outside, so it is NO, not undefined."""
    schema = """
        definition user {}
        definition doc {
            relation base: user
            relation other: user
            permission p = base - q
            permission q = other - p
            permission r = base - (other - r)
        }
        """
    world = evaluation(schema, ["doc:1#base@user:a", "doc:1#other@user:a"])
    assert verdict(world, "doc:1#r@user:a") is NO
    with pytest.raises(NegativeCycle):
        verdict(world, "doc:1#p@user:a")


def test_a_cycle_that_is_told_goes_through_a_negation() -> None:
    """`r` asks itself too, but negated twice, which is harmless: what makes it undefined is `t` and `s`."""
    schema = """
        definition user {}
        definition doc {
            relation base: user
            permission r = (base - (base - r)) + t
            permission t = base - s
            permission s = base - r
        }
        """
    with pytest.raises(NegativeCycle) as raised:
        verdict(evaluation(schema, ["doc:1#base@user:a"]), "doc:1#r@user:a")
    assert raised.value.message.endswith(" → ".join(f"`doc:1#{name}@user:a`" for name in "srts"))


@given(st.integers(0, 2**32))
def test_the_cycle_to_tell_does_not_depend_on_the_order(seed: int) -> None:
    """And it is one: each asks the next, the last is the first, and some step goes through a `-`."""
    random = Random(seed)
    size = random.randint(1, 7)
    asks: dict[str, dict[str, bool]] = {str(i): {} for i in range(size)}
    for _ in range(random.randint(1, 14)):
        asks[str(random.randrange(size))][str(random.randrange(size))] = random.random() < 0.5
    home = str(random.randrange(size))
    asks[home][home] = True
    keys = list(asks)
    random.shuffle(keys)
    shuffled = {key: dict(random.sample(list(asks[key].items()), len(asks[key]))) for key in keys}
    cycle = negative_cycle(asks, lambda: None)
    assert negative_cycle(shuffled, lambda: None) == cycle
    assert cycle[0] == cycle[-1]
    assert len(cycle) > 1
    steps = list(itertools.pairwise(cycle))
    assert all(part in asks[goal] for goal, part in steps)
    assert any(asks[goal][part] for goal, part in steps)


# --- provisional answers ----------------------------------------------------------------------------------------

CONDITIONAL_CYCLE = """
caveat one(x int) { x < 10 }
caveat two(y int) { y < 10 }
definition user {}
definition group {
    relation member: user | user with one | user with two | group#member | group#member with two
}
"""


@pytest.mark.parametrize("asked_first", ["group:a", "group:b", "group:c"])
def test_a_conditional_answer_inside_a_cycle_is_not_remembered_too_early(asked_first: str) -> None:
    """Asked first, a meets itself through b and c while it is unfinished. What b and c are then is provisional: had it
    been kept, c would later be NO (a memo that forgot this was a CVE in a peer)."""
    facts = [
        "group:a#member@group:b#member",
        "group:b#member@group:c#member",
        "group:c#member@group:a#member",
        "group:a#member@user:u[one]",
    ]
    for order in itertools.permutations(facts):
        world = evaluation(CONDITIONAL_CYCLE, order)
        verdict(world, f"{asked_first}#member@user:u")
        for group in "abc":
            found = answer(world, f"group:{group}#member@user:u")
            assert (found.verdict, found.missing) == (CONDITIONAL, ("x",)), order


@pytest.mark.parametrize("asked_first", ["group:a", "group:b", "group:c"])
def test_missing_names_inside_a_cycle_are_those_of_the_whole_cycle(asked_first: str) -> None:
    facts = [
        "group:a#member@group:b#member",
        "group:b#member@group:a#member[two]",
        "group:b#member@group:c#member",
        "group:c#member@group:b#member",
        "group:a#member@user:u[one]",
    ]
    for order in itertools.permutations(facts):
        world = evaluation(CONDITIONAL_CYCLE, order)
        verdict(world, f"{asked_first}#member@user:u")
        assert {g: answer(world, f"group:{g}#member@user:u").missing for g in "abc"} == dict.fromkeys("abc", ("x", "y"))


@pytest.mark.parametrize("asked_first", ["group:a", "group:b", "group:c"])
def test_a_no_inside_a_cycle_is_not_remembered_too_early(asked_first: str) -> None:
    facts = [
        "group:a#member@group:b#member",
        "group:b#member@group:a#member",
        "group:b#member@group:c#member",
        "group:c#member@group:b#member",
        "group:a#member@user:u",
    ]
    for order in itertools.permutations(facts):
        world = evaluation(CONDITIONAL_CYCLE, order)
        verdict(world, f"{asked_first}#member@user:u")
        assert [verdict(world, f"group:{group}#member@user:u") for group in "abc"] == [YES] * 3, order


def test_an_error_half_way_leaves_nothing_half_remembered() -> None:
    """A budget that ends inside a cycle must not leave provisional answers to the next question."""
    size = 12
    ring = [f"group:{i}#member@group:{(i + 1) % size}#member" for i in range(size)]
    for steps_max in range(1, 10 * size):
        world = evaluation(CONDITIONAL_CYCLE, [*ring, "group:7#member@user:u[one]"])
        try:
            answer(world, "group:0#member@user:u", Budget(steps_max))
        except StepBudgetSpent:
            for i in (0, 3, 7, 11):
                found = answer(world, f"group:{i}#member@user:u", Budget())
                assert (found.verdict, found.missing) == (CONDITIONAL, ("x",)), f"after {steps_max} steps"
        else:
            assert steps_max > 2 * size
            return
    raise AssertionError("the budget never sufficed")


# --- caveats ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "expected", "missing"),
    [({}, CONDITIONAL, ("x",)), ({"x": 9}, YES, ()), ({"x": 10}, NO, ()), ({"y": 1}, CONDITIONAL, ("x",))],
)
def test_a_caveat_without_its_parameters_is_conditional(
    context: dict[str, object], expected: Verdict, missing: tuple[str, ...]
) -> None:
    found = answer(evaluation(CAVEATS, ["doc:1#a@user:u[small]"], context), "doc:1#a@user:u")
    assert (found.verdict, found.missing) == (expected, missing)


def test_what_the_relationship_fixed_no_request_can_change() -> None:
    world = evaluation(CAVEATS, ['doc:1#a@user:u[small:{"x":50}]', 'doc:1#b@user:u[small:{"x":5}]'], {"x": 7})
    assert verdict(world, "doc:1#a@user:u") is NO
    assert verdict(evaluation(CAVEATS, ['doc:1#b@user:u[small:{"x":5}]'], {"x": 70}), "doc:1#b@user:u") is YES
    fixed = evaluation(CAVEATS, ['doc:1#a@user:u[smaller:{"x":5}]'], {"x": 50, "y": 10})
    assert verdict(fixed, "doc:1#a@user:u") is YES


def test_missing_is_the_sorted_union_over_what_leaves_the_answer_conditional() -> None:
    facts = ['doc:1#a@user:u[smaller:{"x":5}]', "doc:1#b@user:u[small]", "doc:1#c@user:u[ratio]"]
    world = evaluation(CAVEATS, facts)
    assert answer(world, "doc:1#both@user:u").missing == ("x", "y")
    assert answer(world, "doc:1#mixed@user:u").missing == ("x", "y", "z")
    assert answer(world, "doc:1#but@user:u").missing == ("x", "y")
    assert answer(evaluation(CAVEATS, [*facts[:2], "doc:1#c@user:u"]), "doc:1#mixed@user:u").missing == ()


def test_what_does_not_leave_the_answer_conditional_is_not_missing() -> None:
    """A conditional operand of a branch that is NO, or beside one that is YES, waits for nothing."""
    world = evaluation(CAVEATS, ["doc:1#a@user:u[smaller]", "doc:1#c@user:u[small]"])
    found = answer(world, "doc:1#mixed@user:u")  # (a & b) + c, and b is NO
    assert (found.verdict, found.missing) == (CONDITIONAL, ("x",))
    world = evaluation(CAVEATS, ["doc:1#a@user:u[smaller]", "doc:1#b@user:u"])
    assert answer(world, "doc:1#both@user:u").missing == ("x",)  # and then `y`, which nobody asks for before
    assert answer(world, "doc:1#but@user:u").verdict is NO
    assert answer(world, "doc:1#either@user:u").verdict is YES


def test_what_is_subtracted_conditionally_leaves_the_answer_conditional() -> None:
    world = evaluation(CAVEATS, ["doc:1#a@user:u", "doc:1#b@user:u[small]"])
    found = answer(world, "doc:1#but@user:u")
    assert (found.verdict, found.missing) == (CONDITIONAL, ("x",))
    assert verdict(evaluation(CAVEATS, ["doc:1#a@user:u", "doc:1#b@user:u[small]"], {"x": 1}), "doc:1#but@user:u") is NO


def test_a_failed_caveat_is_an_error_only_where_the_answer_hangs_on_it() -> None:
    facts = ["doc:1#a@user:u[ratio]", "doc:1#b@user:u", "doc:2#a@user:u[ratio]", "doc:3#b@user:u[ratio]"]
    world = evaluation(CAVEATS, facts, {"z": 0})
    assert verdict(world, "doc:1#either@user:u") is YES
    assert verdict(world, "doc:2#both@user:u") is NO
    assert verdict(world, "doc:3#but@user:u") is NO
    for question in ("doc:1#a", "doc:1#both", "doc:2#either", "doc:2#but"):
        with pytest.raises(CaveatFailed, match="divide by zero"):
            verdict(world, f"{question}@user:u")
    assert verdict(world, "doc:1#but@user:u") is NO, "the base hangs on it, but b is subtracted whole"


def test_a_parameter_of_the_wrong_type_fails_the_caveat() -> None:
    world = evaluation(CAVEATS, ["doc:1#a@user:u[small]"], {"x": "nine"})
    with pytest.raises(CaveatFailed, match="`x` as int"):
        verdict(world, "doc:1#a@user:u")


def test_a_conditional_and_a_failed_caveat_together_are_an_error_where_both_matter() -> None:
    world = evaluation(CAVEATS, ["doc:1#a@user:u[ratio]", "doc:1#b@user:u[small]"], {"z": 0})
    for question in ("both", "either", "but"):
        with pytest.raises(CaveatFailed):
            verdict(world, f"doc:1#{question}@user:u")


def test_the_first_failure_by_its_words_is_told_whatever_the_order() -> None:
    facts = ['doc:1#a@user:u[ratio:{"z":0}]', "doc:1#b@user:u[small]"]
    messages = set()
    for order in (facts, facts[::-1]):
        world = evaluation(CAVEATS, order, {"x": "nine"})
        with pytest.raises(CaveatFailed) as raised:
            verdict(world, "doc:1#both@user:u")
        messages.add(raised.value.message)
    assert len(messages) == 1


# --- times ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trailers", "expected"),
    [
        (f"[expiration:{BEFORE}]", NO),
        (f"[expiration:{AT}]", NO),
        (f"[expiration:{AFTER}]", YES),
        (f"[not_before:{BEFORE}]", YES),
        (f"[not_before:{AT}]", YES),
        (f"[not_before:{AFTER}]", NO),
        (f"[not_before:{AT}][expiration:{AFTER}]", YES),
        (f"[not_before:{AFTER}][expiration:{AFTER}]", NO),
        (f"[not_before:{BEFORE}][expiration:{AT}]", NO),
    ],
)
def test_a_relationship_counts_from_its_beginning_until_just_before_its_end(trailers: str, expected: Verdict) -> None:
    world = evaluation(CAVEATS, [f"doc:1#timed@user:u{trailers}"])
    assert verdict(world, "doc:1#timed@user:u") is expected


TIMED = """
use expiration
use delegation
definition user {}
definition group {
    relation member: user | user:* with expiration
}
definition team {
    relation member: user
}
definition doc {
    relation parent: doc with expiration
    relation viewer: user | team#member with expiration
    permission up = parent->viewer
    permission every = parent.all(viewer)
    permission has = parent.exists()
}
"""


@pytest.mark.parametrize(("end", "expected"), [(AT, NO), (AFTER, YES)])
def test_time_is_kept_on_every_way(end: str, expected: Verdict) -> None:
    world = evaluation(
        TIMED,
        [
            f"group:w#member@user:*[expiration:{end}]",
            f"doc:d#viewer@team:g#member[expiration:{end}]",
            "team:g#member@user:u",
            f"doc:d#parent@doc:p[expiration:{end}]",
            "doc:p#viewer@user:u",
        ],
    )
    assert verdict(world, "group:w#member@user:u") is expected
    assert verdict(world, "doc:d#viewer@user:u") is expected
    assert verdict(world, "doc:d#viewer@team:g#member") is expected
    assert verdict(world, "doc:d#up@user:u") is expected
    assert verdict(world, "doc:d#every@user:u") is expected
    assert verdict(world, "doc:d#has@user:u") is expected


def test_what_is_over_is_none_of_all() -> None:
    facts = [f"doc:d#parent@doc:p[expiration:{AFTER}]", f"doc:d#parent@doc:q[expiration:{AT}]", "doc:p#viewer@user:u"]
    assert verdict(evaluation(TIMED, facts), "doc:d#every@user:u") is YES


# --- budget and interrupt ---------------------------------------------------------------------------------------


def test_a_spent_budget_is_an_error_and_never_a_no() -> None:
    line = [f"doc:{i}#folder@doc:{i + 1}" for i in range(50)]
    world = evaluation(GROUPS, line)
    needed = answer(world, "doc:0#view@user:a").steps
    assert answer(evaluation(GROUPS, line), "doc:0#view@user:a", Budget(needed)).verdict is NO
    for steps_max in (0, 1, needed // 2, needed - 1):
        with pytest.raises(StepBudgetSpent, match="this is not a no"):
            answer(evaluation(GROUPS, line), "doc:0#view@user:a", Budget(steps_max))


def test_the_interrupt_ends_the_evaluation() -> None:
    def gone() -> None:
        raise DeadlineExceeded("the deadline passed")

    line = [f"doc:{i}#folder@doc:{i + 1}" for i in range(1_000)]
    world = evaluation(GROUPS, line)
    budget = Budget(interrupt=gone)
    with pytest.raises(DeadlineExceeded):
        answer(world, "doc:0#view@user:a", budget)
    assert budget.steps <= 64, "it is asked about every millisecond"


@pytest.mark.parametrize(
    ("schema", "facts", "question"),
    [
        (FOLDERS, ring_of_moves(1_001), "doc:0#won@user:a"),
        (
            CONDITIONAL_CYCLE,
            [f"group:{i}#member@group:{(i + 1) % 1_500}#member" for i in range(1_500)] + ["group:9#member@user:a[one]"],
            "group:0#member@user:a",
        ),
    ],
)
def test_the_interrupt_is_asked_all_along(schema: str, facts: list[str], question: str) -> None:
    """Also while cycles settle, while missing names are gathered, and while a cycle to tell is sought."""
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    budget = Budget(interrupt=count)
    try:
        answer(evaluation(schema, facts), question, budget)
    except NegativeCycle:
        assert question.startswith("doc:")
    assert calls >= budget.steps // 64
    assert calls > 80


def test_after_each_caveat_somebody_looks_whether_to_go_on() -> None:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    schema = """
        caveat small(x int, most int) { x < most }
        definition user {}
        definition doc { relation viewer: user
        relation group: doc with small
        permission view = group->viewer }
    """
    facts = [f'doc:a#group@doc:{number}[small:{{"most":{number}}}]' for number in range(20)]
    budget = Budget(interrupt=count)
    assert answer(evaluation(schema, facts, {"x": 9}), "doc:a#view@user:a", budget).verdict is NO
    assert calls >= 20


# --- size -------------------------------------------------------------------------------------------------------


def group_evaluation(edges: Sequence[tuple[str, str]], *facts: str) -> Evaluation:
    """Groups in groups, without the detour of text."""
    graph = Graph(
        Relationship(ObjectRef("group", outer), "member", SubjectRef("group", inner, "member"))
        for outer, inner in edges
    )
    for fact in facts:
        graph.add(parse_relationship(fact))
    return Evaluation(compile_schema(CONDITIONAL_CYCLE).schema, graph, now_us=NOW_US)


def test_a_chain_of_a_hundred_thousand_is_walked_in_as_many_steps() -> None:
    length = 100_000
    world = group_evaluation([(str(i), str(i + 1)) for i in range(length)], f"group:{length}#member@user:u")
    found = answer(world, "group:0#member@user:u", Budget(2 * length + 10))
    assert found.verdict is YES


@pytest.mark.parametrize("fact", ["", "group:9999#member@user:u[one]"])
def test_a_ring_of_twenty_thousand_groups_settles_in_linear_steps(fact: str) -> None:
    size = 20_000
    ring = [(str(i), str((i + 1) % size)) for i in range(size)]
    world = group_evaluation(ring, *([fact] if fact else []))
    found = answer(world, "group:0#member@user:u", Budget(9 * size))
    assert found.verdict is (CONDITIONAL if fact else NO)


def test_diamonds_cost_their_edges_and_not_their_ways() -> None:
    """Sixty layers of two: 2^60 ways to the bottom, and 240 edges."""
    edges = [(f"{layer}{a}", f"{layer + 1}{b}") for layer in range(60) for a in "ab" for b in "ab"]
    for fact, expected in (("", NO), ("group:60a#member@user:u", YES), ("group:60a#member@user:u[one]", CONDITIONAL)):
        world = group_evaluation(edges, *([fact] if fact else []))
        assert answer(world, "group:0a#member@user:u", Budget(2_000)).verdict is expected


@pytest.mark.parametrize("size", [500, 2_000])
def test_a_hub_of_many_groups_in_one_cycle_settles_in_linear_steps(size: int) -> None:
    """Each rises after the one before it, and the hub asks them all: looking at the hub again each time would cost the
    square (it did: two thousand groups spent the whole budget)."""
    hub = [("hub", str(i)) for i in range(size)] + [("hub", "last")]
    chain = [(str(i), str(i - 1)) for i in range(1, size)] + [("0", "hub")]
    world = group_evaluation([*hub, *chain], "group:last#member@user:u[one]")
    found = answer(world, "group:hub#member@user:u", Budget(20 * size))
    assert (found.verdict, found.missing) == (CONDITIONAL, ("x",))
    assert answer(world, f"group:{size - 1}#member@user:u", Budget(20 * size)).verdict is CONDITIONAL


def test_a_crowd_costs_a_lookup() -> None:
    graph = Graph(
        Relationship(ObjectRef("group", "crowd"), "member", SubjectRef("user", str(i))) for i in range(10_000)
    )
    world = Evaluation(compile_schema(CONDITIONAL_CYCLE).schema, graph, now_us=NOW_US)
    assert answer(world, "group:crowd#member@user:9999").steps <= 2
    assert answer(world, "group:crowd#member@user:nobody").steps <= 2


def nested(operators: str, depth: int) -> str:
    """`a`, wrapped again and again: as deep as the parser lets an expression be."""
    expression = "a"
    for level in range(depth - 1):
        operator = operators[level % len(operators)]
        expression = f"({expression}) {operator} {'b' if operator == '-' else 'c' if operator == '&' else 'a'}"
    return expression


def turned(depth: int) -> str:
    expression = "a"
    for _ in range(depth - 1):
        expression = f"c - ({expression})"
    return expression


DEEPEST = {
    "union of intersections": nested("+&", 199),
    "exclusions to the left": nested("-", 199),
    "exclusions to the right": turned(199),
    "all three": nested("+&-", 199),
}


@pytest.mark.parametrize("expression", DEEPEST.values(), ids=list(DEEPEST))
def test_the_deepest_expression_leaves_the_stack_whole(expression: str) -> None:
    """In a thread of its own, whose stack has Python's usual limit, with cycles through all of it."""
    schema = f"""
        caveat small(x int) {{ x < 10 }}
        definition user {{}}
        definition doc {{
            relation a: user | user with small
            relation b: user
            relation c: user
            relation next: doc
            permission deep = {expression}
            permission round = deep - next->round
            permission down = (deep + next->down) & c
        }}
        """
    plan = compile_schema(schema).schema
    told: list[object] = []

    def ask() -> None:
        for caveat in ("", "[small]"):
            facts = [f"doc:1#a@user:u{caveat}", "doc:1#c@user:u", "doc:1#next@doc:1"]
            world = Evaluation(plan, Graph(map(parse_relationship, facts)), now_us=NOW_US)
            for permission in ("deep", "round", "down"):
                try:
                    told.append(verdict(world, f"doc:1#{permission}@user:u"))
                except NegativeCycle as error:
                    told.append(error.reason)
                except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
                    told.append(error)

    assert sys.getrecursionlimit() == 1_000
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(told) == 6
    assert not [each for each in told if not isinstance(each, (Verdict, str))]


# --- whatever the schema ----------------------------------------------------------------------------------------


@given(st.data())
def test_any_question_is_answered_or_refused_and_never_breaks(data: st.DataObject) -> None:
    """Over all names of a schema with everything in it, known and unknown."""
    facts = data.draw(st.lists(st.sampled_from(ANY_FACTS), unique=True))
    context = data.draw(st.sampled_from(({}, {"x": 1}, {"x": 50}, {"x": "nine"})))
    world = evaluation(DELEGATION, facts, context)
    name = st.sampled_from(("may", "living", "use", "strict", "live", "registered", "by", "stopped", "nothing"))
    objects = st.sampled_from(("user:u", "run:r1", "run:r2", "tool:t", "ghost:g", "none:n"))
    for _ in range(3):
        subject = data.draw(objects | st.builds("{}#{}".format, objects, name))
        try:
            found = answer(world, f"{data.draw(objects)}#{data.draw(name)}@{subject}")
        except RemitError as error:
            assert error.reason in ("UNKNOWN_TYPE", "UNKNOWN_RELATION", "CAVEAT_FAILED")
        else:
            assert bool(found.missing) is (found.verdict is CONDITIONAL)
            assert list(found.missing) == sorted(found.missing)


ANY_FACTS = [
    *CHAIN,
    "run:r1#by@run:r2",
    "run:r1#stopped@user:*",
    "tool:t#may@user:*",
    "tool:t#may@run:r1#live",
    "tool:t#may@user:u[small]",
    "user:u#registered@user:u[small]",
    f"user:u#registered@user:v[expiration:{AFTER}]",
]
