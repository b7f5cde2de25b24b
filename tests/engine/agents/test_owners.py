"""Orphans and TransferOwner: a leaver is seen first, and handed over in one revision, and only to who is there."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from remit.engine.agents import owners
from remit.engine.agents.performing import Submission
from remit.engine.remembered import RequestKey
from remit.errors import (
    InvalidArgument,
    InvalidCursor,
    LimitExceeded,
    NotOwned,
    ObjectUnknown,
    OwnerNotPresent,
    RelationshipRefused,
    RemitError,
)
from remit.eval.budget import budget_spent
from remit.model import Caller, Delta, ObjectRef, SubjectRef, Verdict
from remit.notation import parse_object, parse_subject
from tests.support.engines import EngineOfTest
from tests.support.serving import until

SCHEMA = 'use import\nimport "remit:agents@1"\n'
TWELVE = [f"agent:a{each:02}" for each in range(12)]
ANNE, BEN = parse_subject("user:anne"), parse_subject("user:ben")
FINANCE = parse_subject("team:finance#member")

FACTS = (
    "user:anne#registered@directory:people",
    "user:ben#registered@directory:people",
    "user:cora#registered@directory:people",
    "user:cora#hold@hold:sick",
    "user:dave#contact@user:ben",
    "team:finance#member@user:ben",
    "team:former#member@user:dave",
    "domain:d#estate@estate:e",
    *(f"{each}#registered@directory:remit" for each in TWELVE),
    *(f"{each}#domain@domain:d" for each in TWELVE),
    *(f"{each}#owner@user:anne" for each in TWELVE),
    "agent:of-ben#registered@directory:remit",
    "agent:of-ben#domain@domain:d",
    "agent:of-ben#owner@user:ben",
)


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write(*FACTS)
    return engine


def orphans(world: EngineOfTest, leaving: str = "", limit: int = 0) -> list[str]:
    """Of all pages."""
    found: list[str] = []
    cursor = ""
    while True:
        page = world.engine.owners.orphans(
            "", leaving=parse_object(leaving) if leaving else None, limit=limit, cursor=cursor
        )
        found += [str(each.object) for each in page.orphans]
        cursor = page.next_cursor
        if not cursor:
            return found


def transfer(world: EngineOfTest, source: SubjectRef, target: SubjectRef, *only: str, **options: object) -> list[str]:
    done = world.engine.owners.transfer(
        "",
        source,
        target,
        only=[parse_object(each) for each in only],
        **options,  # type: ignore[arg-type]
    )
    return [str(each) for each in done.told.objects]


def owned_by(world: EngineOfTest, owner: SubjectRef) -> list[str]:
    return sorted(each.split("#")[0] for each in world.facts() if each.endswith(f"#owner@{owner}"))


def last(world: EngineOfTest) -> Delta:
    with world.store.read("default") as view:
        return list(view.changelog(0))[-1]


# --- who has none -----------------------------------------------------------------------------------------------


def test_a_leaver_is_seen_first_and_handed_over_at_once(world: EngineOfTest) -> None:
    assert orphans(world) == []
    assert orphans(world, "user:anne") == TWELVE
    assert transfer(world, ANNE, FINANCE) == TWELVE
    assert orphans(world, "user:anne") == []
    world.write("delete user:anne#registered@directory:people")
    assert orphans(world) == []
    assert all(world.verdict(f"{each}#live@{each}") is Verdict.YES for each in TWELVE)


def test_who_has_left_is_seen_with_all_that_they_alone_answered_for(world: EngineOfTest) -> None:
    world.write("delete user:anne#registered@directory:people")
    assert orphans(world) == orphans(world, "user:anne") == TWELVE


def test_a_second_owner_who_is_there_is_enough(world: EngineOfTest) -> None:
    world.write("agent:a00#owner@user:ben", "agent:a01#owner@user:cora", "agent:a02#owner@team:finance#member")
    assert orphans(world, "user:anne") == [each for each in TWELVE if each not in ("agent:a00", "agent:a02")]


def test_who_is_held_is_not_there(world: EngineOfTest) -> None:
    world.write("user:anne#hold@hold:h")
    assert orphans(world) == TWELVE
    world.write("delete user:anne#hold@hold:h", "estate:e#hold@hold:all")
    assert orphans(world) == [], "what is stopped with its owner there has one"


def test_what_rests_on_a_person_through_a_team_or_a_system_is_found(world: EngineOfTest) -> None:
    world.write(
        "team:finance#member@team:inner#member",
        "delete team:finance#member@user:ben",
        "team:inner#member@user:ben",
        "system:nightly#registered@directory:remit",
        "system:nightly#domain@domain:d",
        "system:nightly#owner@team:finance#member",
        "agent:of-system#registered@directory:remit",
        "agent:of-system#owner@system:nightly",
    )
    assert orphans(world, "user:ben") == ["agent:of-ben", "agent:of-system", "system:nightly"]
    world.write("system:nightly#hold@hold:h")
    assert orphans(world) == ["agent:of-system"]


def test_what_has_no_owner_at_all_is_listed_and_what_is_over_is_not(world: EngineOfTest) -> None:
    world.write("agent:stray#registered@directory:remit", "profile:p#holder@agent:only-named")
    assert orphans(world) == ["agent:stray"]
    world.engine.ends.terminate("", parse_object("agent:stray"))
    assert orphans(world) == []
    world.engine.ends.terminate("", parse_object("agent:a00"))
    assert orphans(world, "user:anne") == TWELVE[1:]


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 13])
def test_pages_come_to_the_same_list(world: EngineOfTest, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("delete user:anne#registered@directory:people", "system:a#registered@directory:remit")
    assert orphans(world, limit=limit) == [*TWELVE, "system:a"]
    assert orphans(world, "user:anne", limit=limit) == TWELVE
    monkeypatch.setattr(owners, "JUDGED_MAX", 3)
    assert orphans(world, limit=limit) == [*TWELVE, "system:a"]


def test_a_cursor_goes_on_with_its_own_list(world: EngineOfTest) -> None:
    page = world.engine.owners.orphans("", leaving=ObjectRef("user", "anne"), limit=1)
    with pytest.raises(InvalidCursor):
        world.engine.owners.orphans("", cursor=page.next_cursor)
    with pytest.raises(InvalidCursor):
        world.engine.owners.orphans("", leaving=ObjectRef("user", "ben"), cursor=page.next_cursor)


def test_who_leaves_is_a_person_that_somebody_knows(world: EngineOfTest) -> None:
    with pytest.raises(ObjectUnknown, match="`user:ane`"):
        orphans(world, "user:ane")
    with pytest.raises(InvalidArgument, match="`team:finance` is no person"):
        orphans(world, "team:finance")


def test_what_was_not_finished_is_listed_and_says_so(world: EngineOfTest) -> None:
    world.write(
        *(f"team:crowd#member@user:gone{each:03}" for each in range(200)),
        "agent:crowded#registered@directory:remit",
        "agent:crowded#owner@team:crowd#member",
    )
    found = world.engine.owners.orphans("").orphans
    assert [(str(each.object), each.is_undecided) for each in found] == [("agent:crowded", False)]
    assert [str(each) for each in found[0].owners] == ["team:crowd#member"]
    judged = owners.Owners(world.engine.owners._verbs, _NeverFinished(), world.engine.limits).orphans("").orphans
    assert len(judged) == 14 and all(each.is_undecided for each in judged)


class _NeverFinished:
    """An evaluator whose every question costs more than it may."""

    def check_many(self, view: object, questions: list[object], *_: object) -> list[RemitError]:
        return [budget_spent(1, 2) for _ in questions]


# --- worlds that say no -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        ("user:dave", OwnerNotPresent),  # known, and in no directory: has left
        ("user:cora", OwnerNotPresent),  # held
        ("team:former#member", OwnerNotPresent),  # of those who have left
        ("user:nobody", ObjectUnknown),
        ("team:empty#member", ObjectUnknown),
        ("user:anne", InvalidArgument),
        ("team:finance", InvalidArgument),
        ("run:r-1", InvalidArgument),
        ("agent:a00", InvalidArgument),
        ("system:undeclared", ObjectUnknown),
    ],
)
def test_who_takes_over_is_there(world: EngineOfTest, target: str, refusal: type[RemitError]) -> None:
    before = world.facts()
    with pytest.raises(refusal):
        transfer(world, ANNE, parse_subject(target))
    with pytest.raises(refusal):
        transfer(world, ANNE, parse_subject(target), submission=Submission(dry_run=True))
    assert world.facts() == before


def test_a_team_that_was_emptied_takes_nothing_over(world: EngineOfTest) -> None:
    world.write("tool:t#may_use@team:hollow#member")
    with pytest.raises(OwnerNotPresent, match="`team:hollow#member`"):
        transfer(world, ANNE, parse_subject("team:hollow#member"))


def test_a_system_takes_over_agents_where_somebody_answers_for_it(world: EngineOfTest) -> None:
    system = parse_subject("system:nightly")
    world.write("system:nightly#registered@directory:remit", "system:nightly#domain@domain:d")
    with pytest.raises(OwnerNotPresent):
        transfer(world, ANNE, system)
    world.write("system:nightly#owner@user:anne")
    with pytest.raises(RelationshipRefused, match="`system:nightly#owner@system:nightly`"):
        transfer(world, ANNE, system)
    assert transfer(world, ANNE, system, *TWELVE) == TWELVE
    assert transfer(world, ANNE, BEN) == ["system:nightly"]
    assert transfer(world, system, BEN) == TWELVE


@pytest.mark.parametrize("source", ["user:cora", "team:finance#member"])
def test_who_owns_nothing_hands_nothing_over(world: EngineOfTest, source: str) -> None:
    with pytest.raises(NotOwned, match=f"`{source}` owns no agent"):
        transfer(world, parse_subject(source), BEN)


def test_nobody_hands_nothing_over(world: EngineOfTest) -> None:
    with pytest.raises(ObjectUnknown, match="`user:ane`"):
        transfer(world, parse_subject("user:ane"), BEN)
    with pytest.raises(RemitError):
        transfer(world, SubjectRef("user", "*"), BEN)
    with pytest.raises(RemitError):
        transfer(world, SubjectRef("user", ""), BEN)


def test_only_what_is_named_and_nothing_that_is_not_theirs(world: EngineOfTest) -> None:
    with pytest.raises(NotOwned, match="`agent:of-ben` is not owned by `user:anne`"):
        transfer(world, ANNE, BEN, "agent:a00", "agent:of-ben")
    with pytest.raises(InvalidArgument, match="occurs twice"):
        transfer(world, ANNE, BEN, "agent:a00", "agent:a00")
    with pytest.raises(InvalidArgument, match="`tool:t`"):
        transfer(world, ANNE, BEN, "tool:t")
    assert transfer(world, ANNE, BEN, "agent:a05", "agent:a00") == ["agent:a00", "agent:a05"]
    assert owned_by(world, ANNE) == [each for each in TWELVE if each not in ("agent:a00", "agent:a05")]


@pytest.mark.parametrize("leaves_first", [True, False])
def test_a_transfer_is_judged_after_what_comes_before_it_in_its_batch(world: EngineOfTest, leaves_first: bool) -> None:
    begun, gate = threading.Event(), threading.Event()

    def takes_time(_: object) -> Any:
        begun.set()
        assert gate.wait(30), "nobody let it go"
        raise InvalidArgument("only to take time")

    holding = world.store.submit("default", takes_time)
    assert begun.wait(30)
    before = world.store.writes_waiting()
    leaves = partial(world.write, "delete user:ben#registered@directory:people")
    takes_over = partial(transfer, world, ANNE, BEN, "agent:a00", "agent:a01")
    with ThreadPoolExecutor(2) as pool:
        futures: list[Future[Any]] = []
        for each in (leaves, takes_over) if leaves_first else (takes_over, leaves):
            futures.append(pool.submit(each))  # type: ignore[arg-type]
            until(lambda: world.store.writes_waiting() == before + len(futures))
        gate.set()
        assert holding.exception(30) is not None
        failures = [each.exception(30) for each in futures]
    if leaves_first:
        assert failures[0] is None and isinstance(failures[1], OwnerNotPresent)
        assert owned_by(world, ANNE) == TWELVE
    else:
        assert failures == [None, None]
        assert owned_by(world, ANNE) == TWELVE[2:]
        assert orphans(world) == ["agent:a00", "agent:a01", "agent:of-ben"]


def test_what_the_leaver_is_given_meanwhile_is_handed_over_too(world: EngineOfTest) -> None:
    """Between the look at what they own and the turn of the writer: in a revision of before, and in the same batch."""
    perform = world.engine.owners._verbs.perform

    def late(*arguments: Any) -> Any:
        world.write("agent:late#owner@user:anne", "delete agent:a00#owner@user:anne")
        return perform(*arguments)

    world.engine.owners._verbs.perform = late  # type: ignore[method-assign]
    assert transfer(world, ANNE, BEN) == [*TWELVE[1:], "agent:late"]
    assert owned_by(world, ANNE) == []


# --- what a transfer is -----------------------------------------------------------------------------------------


def test_a_transfer_is_one_revision_with_an_entry_that_names_all(world: EngineOfTest) -> None:
    before = set(world.facts())
    revision = last(world).revision
    world.engine.owners.transfer("", ANNE, FINANCE, reason="leaves", submission=Submission(Caller("service:hr")))
    delta = last(world)
    assert delta.revision == revision + 1
    assert json.loads(delta.entry_json) == {
        "verb": "TransferOwner", "from": "user:anne", "to": "team:finance#member", "objects": TWELVE,
        "reason": "leaves",
    }  # fmt: skip
    assert (delta.principal, delta.managed_bypass) == ("service:hr", False)
    after = set(world.facts())
    assert before - after == {f"{each}#owner@user:anne" for each in TWELVE}
    assert after - before == {f"{each}#owner@team:finance#member" for each in TWELVE}
    world.check_laws()


def test_what_both_own_is_the_new_owners_alone(world: EngineOfTest) -> None:
    world.write("agent:a00#owner@user:ben", "delete agent:a01#owner@user:anne")
    transfer(world, ANNE, BEN)
    assert owned_by(world, ANNE) == []
    assert owned_by(world, BEN) == ["agent:a00", *TWELVE[2:], "agent:of-ben"]


def test_what_is_over_is_handed_over_too(world: EngineOfTest) -> None:
    world.engine.ends.terminate("", parse_object("agent:a00"))
    assert transfer(world, ANNE, BEN) == TWELVE


def test_a_relation_of_that_name_elsewhere_is_nobodys_business(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA + "definition document { relation owner: user }")
    engine.write(*FACTS, "document:x#owner@user:anne")
    transfer(engine, ANNE, BEN)
    assert "document:x#owner@user:anne" in engine.facts()


def test_a_dry_run_shows_the_list_and_changes_nothing(world: EngineOfTest) -> None:
    before, revision = world.facts(), last(world).revision
    assert transfer(world, ANNE, BEN, submission=Submission(dry_run=True)) == TWELVE
    assert (world.facts(), last(world).revision) == (before, revision)


def test_a_request_that_is_sent_again_tells_what_is_still_so(world: EngineOfTest) -> None:
    again = Submission(key=RequestKey("k", "digest"))
    assert transfer(world, ANNE, BEN, submission=again) == TWELVE
    assert transfer(world, ANNE, BEN, submission=again) == TWELVE
    world.write("agent:new#owner@user:anne")
    transfer(world, BEN, FINANCE, "agent:a03")
    assert transfer(world, ANNE, BEN, submission=again) == [each for each in TWELVE if each != "agent:a03"]
    assert owned_by(world, ANNE) == ["agent:new"], "it is not carried out again"


def test_what_is_too_much_for_one_transfer_is_refused_naming_how_much(
    world: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "OBJECTS_MAX", 11)
    with pytest.raises(LimitExceeded, match="`user:anne` owns 12 agents and systems, and one transfer may have 11"):
        transfer(world, ANNE, BEN)
    with pytest.raises(LimitExceeded, match="`only` names 12"):
        transfer(world, ANNE, BEN, *TWELVE)
    assert transfer(world, ANNE, BEN, *TWELVE[:11]) == TWELVE[:11]
    monkeypatch.setattr(owners, "NAMES_BYTES_MAX", 10)
    with pytest.raises(LimitExceeded, match="have 11 bytes"):
        transfer(world, ANNE, BEN)


def test_a_thousand_with_the_longest_names_that_fit_are_one_revision(world: EngineOfTest) -> None:
    many = [f"agent:m{each:03}" for each in range(988)]
    for begin in range(0, len(many), 900):
        world.write(*(f"{each}#owner@user:anne" for each in many[begin : begin + 900]))
    assert len(transfer(world, ANNE, BEN)) == 1_000
    assert owned_by(world, ANNE) == []
    backslashes = "\\" * 455  # of which JSON makes twice as many
    longest = [f"agent:{each:02}{backslashes}" for each in range(53)]
    world.write(*(f"{each}#owner@user:anne" for each in longest))
    submission = Submission(key=RequestKey("k", "digest"))  # which is kept in a record of bounded size
    assert len(transfer(world, ANNE, BEN, submission=submission)) == 53
    assert len(transfer(world, ANNE, BEN, submission=submission)) == 53
