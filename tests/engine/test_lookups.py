"""What a lookup answers at the engine's door: pages, cursors, revisions, contextual facts, errors."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from remit.engine.limits import Limits
from remit.engine.lookups import PageOptions
from remit.engine.results import LookupResult
from remit.errors import InvalidCursor, RemitError, StepBudgetSpent, UnknownRelation, UnknownType
from remit.model import (
    ObjectRef,
    PermissionLookup,
    RelationshipFilter,
    ResourceLookup,
    SubjectLookup,
    SubjectRef,
    Verdict,
)
from remit.notation import format_time, parse_relationship
from tests.support.engines import EngineOfTest
from tests.support.seeds import Seeds

SCHEMA = """use expiration

caveat few(count int) {
  count < 3
}

definition user {}

definition group {
  relation member: user | group#member
}

definition folder {
  relation viewer: user | group#member
  permission view = viewer
}

definition document {
  relation parent: folder
  relation viewer: user | user:* | user with few | group#member | user with expiration |
    user:* with expiration | user:* with few
  relation banned: user
  permission view = (viewer + parent->view) - banned
  permission edit = view & viewer
  permission odd = viewer - odd
}
"""
ANNE, EVE = SubjectRef("user", "anne"), SubjectRef("user", "eve")
VIEW = ResourceLookup("document", "view", ANNE)
VIEWERS = SubjectLookup(ObjectRef("document", "plan"), "view", "user")


def told(result: LookupResult) -> list[tuple[str, object]]:
    return [(id, answer.reason if isinstance(answer, RemitError) else answer.verdict) for id, answer in result.entries]


def ids(result: LookupResult) -> list[str]:
    return [id for id, _ in result.entries]


@pytest.fixture
def world() -> EngineOfTest:
    made = engine_of()
    made.write(*(f"document:d{number}#viewer@user:anne" for number in range(10)))
    made.write(
        "document:d3#banned@user:anne", "folder:all#viewer@group:staff#member", "document:plan#parent@folder:all"
    )
    made.write("group:staff#member@user:anne", "group:staff#member@user:ben")
    return made


def engine_of(limits: Limits | None = None) -> EngineOfTest:
    made = EngineOfTest("memory", Path(), limits)
    made.schema(SCHEMA)
    return made


def test_what_a_subject_has_is_sorted_and_complete(world: EngineOfTest) -> None:
    result = world.engine.lookups.resources("", VIEW)
    assert ids(result) == ["d0", "d1", "d2", "d4", "d5", "d6", "d7", "d8", "d9", "plan"]
    assert result.complete
    assert result.next_cursor == ""


def test_pages_come_to_the_whole_list(world: EngineOfTest) -> None:
    whole = told(world.engine.lookups.resources("", VIEW))
    for limit in range(1, 12):
        found: list[tuple[str, object]] = []
        cursor, complete = "", False
        while not complete:
            page = world.engine.lookups.resources("", VIEW, PageOptions(limit=limit, cursor=cursor))
            assert len(page.entries) <= limit
            found += told(page)
            cursor, complete = page.next_cursor, page.complete
            assert complete == (cursor == "")
        assert found == whole


def test_who_is_everybody_but_some(world: EngineOfTest) -> None:
    world.write("document:plan#viewer@user:*", "document:plan#banned@user:eve", "document:plan#viewer@user:zoe")
    result = world.engine.lookups.subjects("", VIEWERS)
    yes, no = Verdict.YES, Verdict.NO
    assert told(result) == [("*", yes), ("anne", yes), ("ben", yes), ("eve", no), ("zoe", yes)]


def test_a_caveat_that_waits_is_conditional_with_what_is_missing(world: EngineOfTest) -> None:
    world.write("document:plan#viewer@user:kim[few]")
    (kim,) = [entry for entry in world.engine.lookups.subjects("", VIEWERS).entries if entry.id == "kim"]
    assert not isinstance(kim.answer, RemitError)
    assert (kim.answer.verdict, kim.answer.missing) == (Verdict.CONDITIONAL, ("count",))
    assert "kim" in ids(world.engine.lookups.subjects("", VIEWERS._replace(context={"count": 1})))
    assert "kim" not in ids(world.engine.lookups.subjects("", VIEWERS._replace(context={"count": 9})))


def test_permissions_of_an_object(world: EngineOfTest) -> None:
    lookup = PermissionLookup(ObjectRef("document", "d1"), ANNE)
    with_relations = lookup._replace(relations=True)
    no_error = [("edit", Verdict.YES), ("odd", "NEGATIVE_CYCLE"), ("view", Verdict.YES)]
    result = world.engine.lookups.permissions("", lookup)
    assert told(result) == no_error
    assert not result.complete
    assert ids(world.engine.lookups.permissions("", with_relations)) == ["edit", "odd", "view", "viewer"]
    first = world.engine.lookups.permissions("", with_relations, PageOptions(limit=3))
    second = world.engine.lookups.permissions("", with_relations, PageOptions(limit=3, cursor=first.next_cursor))
    assert ids(second) == ["viewer"]
    assert (second.next_cursor, second.complete) == ("", False)  # the first page had a failure


def test_an_error_is_listed_and_the_list_is_not_complete(world: EngineOfTest) -> None:
    odd = ResourceLookup("document", "odd", ANNE)
    first = world.engine.lookups.resources("", odd, PageOptions(limit=9))
    last = world.engine.lookups.resources("", odd, PageOptions(limit=9, cursor=first.next_cursor))
    assert told(first) == [(f"d{number}", "NEGATIVE_CYCLE") for number in range(9)]
    assert (last.next_cursor, last.complete) == ("", False)


def test_a_page_of_the_past_and_of_contextual_facts(world: EngineOfTest) -> None:
    token = world.write("document:gone#viewer@user:eve").token
    world.write("delete document:gone#viewer@user:eve")
    eve = VIEW._replace(subject=EVE)
    assert ids(world.engine.lookups.resources("", eve)) == []
    past = world.engine.lookups.resources("", eve, PageOptions(at_exactly=token))
    assert (ids(past), past.historical, past.token) == (["gone"], True, token)
    fact = parse_relationship("document:borrowed#viewer@user:eve")
    assert ids(world.engine.lookups.resources("", eve, PageOptions(contextual=[fact]))) == ["borrowed"]


def test_what_has_expired_is_in_no_list(world: EngineOfTest) -> None:
    world.write(f"document:old#viewer@user:anne[expiration:{format_time(world.clock.now_us() + 1)}]")
    assert "old" in ids(world.engine.lookups.resources("", VIEW))
    world.clock.advance_us(1)
    assert "old" not in ids(world.engine.lookups.resources("", VIEW))


def test_what_held_throughout_is_listed_once_while_writes_go_on(world: EngineOfTest) -> None:
    steady = set(ids(world.engine.lookups.resources("", VIEW)))
    found: list[str] = []
    cursor, number = "", 0
    while True:
        page = world.engine.lookups.resources("", VIEW, PageOptions(limit=2, cursor=cursor))
        found += ids(page)
        number += 1
        world.write(f"document:a{number}#viewer@user:anne", f"document:e{number}#viewer@user:anne")
        world.write(f"delete document:e{number - 1}#viewer@user:anne", f"document:d3#viewer@user:u{number}")
        if not (cursor := page.next_cursor) or number > 50:
            break
    assert len(found) == len(set(found))
    assert steady <= set(found)


# --- everybody, from page to page -------------------------------------------------------------------------------


def test_pages_go_on_only_while_everybody_has_the_answer_of_the_first(world: EngineOfTest) -> None:
    """Whoever put the pages together would otherwise believe in a `*` that is gone, with nobody left out."""
    world.write("document:plan#viewer@user:*", "document:plan#banned@user:eve")
    first = world.engine.lookups.subjects("", VIEWERS, PageOptions(limit=2))
    assert ids(first) == ["*", "anne"]
    world.write("delete document:plan#viewer@user:*")
    with pytest.raises(
        InvalidCursor, match=r"`user:\*` had another answer when this list began: ask for it anew"
    ) as refused:
        world.engine.lookups.subjects("", VIEWERS, PageOptions(limit=2, cursor=first.next_cursor))
    assert refused.value.field == "cursor"
    without = world.engine.lookups.subjects("", VIEWERS, PageOptions(limit=1))
    world.write("document:plan#viewer@user:*")
    with pytest.raises(InvalidCursor, match="another answer"):
        world.engine.lookups.subjects("", VIEWERS, PageOptions(cursor=without.next_cursor))
    last = world.engine.lookups.subjects("", VIEWERS, PageOptions(cursor=first.next_cursor))
    assert told(last) == [("ben", Verdict.YES), ("eve", Verdict.NO)]


def test_pages_of_one_revision_notice_that_everybody_has_expired() -> None:
    world = engine_of()
    until = format_time(world.clock.now_us() + 5)
    token = world.write(
        f"document:plan#viewer@user:*[expiration:{until}]",
        "document:plan#viewer@user:amy",
        "document:plan#banned@user:zed",
    ).token
    first = world.engine.lookups.subjects("", VIEWERS, PageOptions(limit=2, at_exactly=token))
    world.clock.advance_us(5)
    with pytest.raises(InvalidCursor, match="another answer"):
        world.engine.lookups.subjects("", VIEWERS, PageOptions(cursor=first.next_cursor, at_exactly=token))


USERS = [f"u{number}" for number in range(6)]
UNSEEN = "unseen"


def a_write(random: Random, now_us: int) -> str:
    """One fact of `document:plan` or of the groups, to be written or taken away."""
    user = f"user:{random.choice(USERS)}"
    fact, *qualifiers = random.choice(
        (
            (f"document:plan#viewer@{user}", "", "[few]", f"[expiration:{format_time(now_us + random.randint(1, 9))}]"),
            ("document:plan#viewer@user:*", "", f"[expiration:{format_time(now_us + random.randint(1, 9))}]", "[few]"),
            (f"document:plan#banned@{user}", ""),
            (f"group:staff#member@{user}", ""),
            ("document:plan#viewer@group:staff#member", ""),
        )
    )
    return f"delete {fact}" if random.random() < 0.4 else fact + random.choice(qualifiers)


def answers(world: EngineOfTest, lookup: SubjectLookup) -> dict[str, object]:
    """What Check says of everybody there could be."""
    found: dict[str, object] = {}
    for id in (*USERS, UNSEEN):
        try:
            answer = world.check(f"{lookup.resource}#{lookup.permission}@user:{id}")
        except RemitError as error:
            found[id] = error.reason
        else:
            found[id] = answer.verdict
    return found


@pytest.mark.seeds(240, shards=2)
def test_pages_put_together_say_what_check_said_all_the_time(seeds: Seeds) -> None:
    """Whatever is written and whatever expires between two pages: either the next one is refused, or the list tells
    everybody what Check told them on every page."""
    kinds: Counter[str] = Counter()
    for seed in seeds:
        random = Random(seed)
        world = engine_of()
        for _ in range(random.randint(3, 12)):
            world.write(a_write(random, world.clock.now_us()))
        lookup = VIEWERS._replace(permission=random.choice(("view", "edit", "viewer", "odd")))
        always, listed, cursor = answers(world, lookup), dict[str, object](), ""
        try:
            while True:
                page = world.engine.lookups.subjects("", lookup, PageOptions(limit=random.randint(1, 3), cursor=cursor))
                listed |= dict(told(page))
                if not (cursor := page.next_cursor):
                    break
                for _ in range(random.randint(0, 2)):
                    world.write(a_write(random, world.clock.now_us()))
                world.clock.advance_us(random.randint(0, 3))
                now = answers(world, lookup)
                always = {id: answer for id, answer in always.items() if now[id] == answer}
        except InvalidCursor:
            assert UNSEEN not in always, f"seed {seed}: refused, and everybody has the answer they had"
            kinds["refused"] += 1
            continue
        everybody = listed.get("*", Verdict.NO)
        for id, answer in always.items():
            assert listed.get(id, everybody) == answer, f"seed {seed}: {lookup} {id}"
        kinds["everybody" if "*" in listed else "some"] += 1
    for kind in ("refused", "everybody", "some"):
        seeds.require(kinds[kind] >= 3, kinds)


# --- cursors ----------------------------------------------------------------------------------------------------


def test_a_cursor_goes_on_with_its_own_lookup_only(world: EngineOfTest) -> None:
    cursor = world.engine.lookups.resources("", VIEW, PageOptions(limit=2)).next_cursor
    others = [
        VIEW._replace(subject=EVE),
        VIEW._replace(permission="edit"),
        VIEW._replace(resource_type="folder"),
        VIEW._replace(context={"count": 1}),
    ]
    for other in others:
        with pytest.raises(InvalidCursor, match="of another lookup"):
            world.engine.lookups.resources("", other, PageOptions(cursor=cursor))
    with pytest.raises(InvalidCursor, match="of another lookup"):
        world.engine.lookups.subjects("", VIEWERS, PageOptions(cursor=cursor))
    fact = parse_relationship("document:d1#viewer@user:eve")
    with pytest.raises(InvalidCursor, match="of another lookup"):
        world.engine.lookups.resources("", VIEW, PageOptions(cursor=cursor, contextual=[fact]))
    assert ids(world.engine.lookups.resources("", VIEW, PageOptions(cursor=cursor, limit=1))) == ["d2"]


def test_a_cursor_of_another_store_or_schema_is_refused(world: EngineOfTest) -> None:
    cursor = world.engine.lookups.resources("", VIEW, PageOptions(limit=2)).next_cursor
    world.engine.stores.create("second")
    world.engine.schemas.write("second", SCHEMA)
    with pytest.raises(InvalidCursor, match="of another store"):
        world.engine.lookups.resources("second", VIEW, PageOptions(cursor=cursor))
    world.schema(SCHEMA + "\ndefinition other {}\n")
    with pytest.raises(InvalidCursor, match="schema is another"):
        world.engine.lookups.resources("", VIEW, PageOptions(cursor=cursor))


def test_a_cursor_of_a_list_of_relationships_is_refused_and_the_other_way_around(world: EngineOfTest) -> None:
    read = world.engine.relationships.read("", RelationshipFilter(), limit=1).next_cursor
    with pytest.raises(InvalidCursor, match="of a list of relationships"):
        world.engine.lookups.resources("", VIEW, PageOptions(cursor=read))
    cursor = world.engine.lookups.resources("", VIEW, PageOptions(limit=2)).next_cursor
    with pytest.raises(InvalidCursor, match="of a lookup"):
        world.engine.relationships.read("", RelationshipFilter(), cursor=cursor)
    for damaged in ("x", cursor[:-3], cursor + "AAAA", "gA", "wA"):
        with pytest.raises(InvalidCursor):
            world.engine.lookups.resources("", VIEW, PageOptions(cursor=damaged))


# --- what it may cost -------------------------------------------------------------------------------------------


def test_a_page_whose_steps_are_spent_is_gone_on_from() -> None:
    world = engine_of(Limits(steps_max=100))
    numbers = range(10)
    for number in numbers:
        world.write(*(f"document:d{number}#viewer@group:g{group}#member" for group in range(20)))
    world.write("group:g19#member@user:anne")
    found: list[str] = []
    cursor, complete = "", False
    while not complete:
        page = world.engine.lookups.resources("", VIEW, PageOptions(cursor=cursor))
        found += ids(page)
        cursor, complete = page.next_cursor, page.complete
    assert found == [f"d{number}" for number in numbers]


def test_a_page_of_permissions_costs_no_more_than_its_steps_and_is_gone_on_from() -> None:
    names = [f"p{number:02}" for number in range(30)]
    world = EngineOfTest("memory", Path(), Limits(steps_max=100))
    world.schema(
        "definition user {}\ndefinition group { relation member: user }\ndefinition document {\n"
        "relation viewer: group#member\n" + "\n".join(f"permission {name} = viewer" for name in names) + "\n}"
    )
    # Of a userset that is not there each name costs all groups anew where nothing is shared.
    world.write(*(f"document:a#viewer@group:g{group}#member" for group in range(40)))
    world.write("group:g39#member@user:anne")
    lookup = PermissionLookup(ObjectRef("document", "a"), ANNE)
    found: list[str] = []
    cursor, complete = "", False
    while not complete:
        page = world.engine.lookups.permissions("", lookup, PageOptions(cursor=cursor))
        assert page.steps <= 2 * 100
        found += ids(page)
        cursor, complete = page.next_cursor, page.complete
    assert found == names


def test_a_walk_without_an_end_in_sight_is_not_finished() -> None:
    world = engine_of(Limits(steps_max=30))
    world.write(*(f"document:d{number}#viewer@user:anne" for number in range(40)))
    with pytest.raises(StepBudgetSpent, match="not finished"):
        world.engine.lookups.resources("", VIEW)


def test_names_that_the_schema_does_not_know_are_refused(world: EngineOfTest) -> None:
    with pytest.raises(UnknownType):
        world.engine.lookups.resources("", VIEW._replace(resource_type="dokument"))
    with pytest.raises(UnknownRelation):
        world.engine.lookups.resources("", VIEW._replace(permission="vieu"))
    with pytest.raises(UnknownType):
        world.engine.lookups.subjects("", VIEWERS._replace(subject_type="usr"))
    with pytest.raises(UnknownRelation):
        world.engine.lookups.subjects("", VIEWERS._replace(subject_type="group", subject_relation="membr"))
    with pytest.raises(UnknownType):
        world.engine.lookups.permissions("", PermissionLookup(ObjectRef("dokument", "a"), ANNE))
