"""A watch of a permission tells who gets it and who loses it, of which resources, at every revision and as time passes:
what is told, applied to the set as it was, is the set; or a reset is told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from remit.engine import loaded, permission_watching
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.engine.permission_watching import Made, PermissionsTold, PermissionWatch, ResetReason
from remit.engine.tokens import encode_token
from remit.engine.watching import STEP_REVISIONS
from remit.errors import (
    InvalidArgument,
    SchemaNotFound,
    StoreNotFound,
    UnknownRelation,
    UnknownType,
    WeakeningRefused,
)
from remit.eval.permission_sets import permission_set
from remit.eval.semantics import Answer, Evaluation
from remit.graph.plain import Graph
from remit.interrupt import TooHeavy
from remit.model import WILDCARD, Operation, RelationshipFilter, Update, Verdict, WatchedPermission
from remit.notation import format_time, parse_relationship
from remit.store.memory import MemoryStore
from tests.support.engines import EngineOfTest, EngineOpener
from tests.support.lookup_worlds import told as said
from tests.support.lookup_worlds import whole
from tests.support.seeds import Seeds
from tests.support.small_worlds import NOW_US

Set = dict[str, dict[str, object]]

AGENTS = """
use delegation
use expiration
use not_before
use self
caveat small(x int) { x < 10 }
definition user { permission live = self }
definition hold {}
definition group {
  relation member: user | group#member | user with not_before and expiration
}
definition run {
  relation delegated_by: user | run
  relation hold: hold | hold with expiration | hold with not_before
  permission stopped = hold.exists()
  permission live = self - stopped
}
definition domain {
  relation parent: domain
  relation hold: hold
  permission held = hold.exists() + parent->held
}
definition tool {
  relation domain: domain
  relation may_use: user | run | user:* | group#member | run with small | user with small | user with expiration
  relation banned: user | group#member
  relation both: group
  permission granted = may_use - banned - domain->held + both.all(member)
  permission allowed = granted & subject->live
  permission use = allowed.along(delegated_by)
}
"""
WATCHED = (
    WatchedPermission("tool", "use", "run"),
    WatchedPermission("tool", "use", "user"),
    WatchedPermission("tool", "granted", "group", "member"),
    WatchedPermission("run", "live", "run"),
)


def itself(told: PermissionsTold) -> Made:
    TOLD.append(told)
    return Made(b"", told.token, told.evaluated_at_us)


TOLD: list[PermissionsTold] = []


def watch(engine: Engine, watched: WatchedPermission, **after: object) -> PermissionWatch:
    return engine.streams.watch_permission("", watched, itself, **after)  # type: ignore[arg-type]


def everything(watching: PermissionWatch) -> Iterator[PermissionsTold]:
    """All there is to tell now, as a server takes it."""
    while watching.is_behind:
        if not watching.pass_over():
            TOLD.clear()
            watching.catch_up()
            yield from list(TOLD)


class Past:
    """What an engine held at each revision: to look up what no changelog remembers any more."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.graphs: dict[str, Graph] = {}
        self.note()

    def note(self) -> None:
        with self.engine._store.read("default") as view:
            token = encode_token(view.head.identity, view.head.revision)
            self.graphs[token] = Graph(stored.relationship for stored in view.scan(RelationshipFilter()))

    def set_at(self, watched: WatchedPermission, token: str, now_us: int) -> Set:
        """By definition: everybody is tried."""
        schema = self.engine.views.of("").schema
        evaluation = Evaluation(schema, self.graphs[token], now_us=now_us)
        found = permission_set(evaluation, watched, whole())
        return {id: {each: said(answer) for each, answer in listed.items()} for id, listed in found.items() if listed}


class Held:
    """What one who watches holds."""

    def __init__(self, past: Past, watched: WatchedPermission) -> None:
        self.past = past
        self.engine = engine = past.engine
        self.watched = watched
        self.watching = watch(engine, watched)
        self.token, self.now_us = self.watching.token, self.watching.evaluated_at_us
        self.set = self.looked_up()
        self.kinds: Counter[object] = Counter()
        self.pieces = 0

    def looked_up(self) -> Set:
        return self.past.set_at(self.watched, self.token, self.now_us)

    def take(self) -> None:
        for each in everything(self.watching):
            if each.reset is not None:
                self.kinds[each.reset] += 1
                self.token, self.now_us = each.token, each.evaluated_at_us
                self.set = self.looked_up()
                continue
            assert each.updates, "nothing is told where nothing changed"
            self.apply(each)
            if each.token:
                self.token, self.now_us = each.token, each.evaluated_at_us
                assert self.set == self.looked_up(), f"{self.watched} as told at {format_time(self.now_us)}"
        self.token, self.now_us = self.watching.token, self.watching.evaluated_at_us
        assert self.set == self.looked_up(), f"{self.watched}: something was not told"

    def apply(self, told: PermissionsTold) -> None:
        for resource, subject, before, now in told.updates:
            listed = self.set.setdefault(resource.id, {})
            assert (subject.id in listed) == before.listed
            assert not before.listed or listed[subject.id] == said(before.answer), "it was something else before"
            assert (before.listed, said(before.answer)) != (now.listed, said(now.answer)), "nothing changed"
            self.kinds[now.answer.verdict if isinstance(now.answer, Answer) else type(now.answer)] += 1
            self.kinds[WILDCARD] += subject.id == WILDCARD
            if now.listed:
                listed[subject.id] = said(now.answer)
            else:
                del listed[subject.id]
            if not listed:
                del self.set[resource.id]

    def break_off(self) -> None:
        """Go on in another stream from where this one was."""
        self.watching.close()
        self.watching = watch(self.engine, self.watched, after=self.token, evaluated_at_us=self.now_us)


def random_fact(random: Random) -> str:
    def one(*ids: str) -> str:
        return random.choice(ids)

    def at(*kinds: str) -> str:
        start, end = (format_time(NOW_US + random.randint(0, 40)) for _ in range(2))
        return {"": "", "b": f"[not_before:{start}]", "e": f"[expiration:{end}]"}[random.choice(kinds)]

    user, run = f"user:{one('anne', 'ben', 'carl')}", f"run:{one('1', '2', '3', '4')}"
    group, tool, domain = f"group:{one('a', 'b', 'c')}", f"tool:{one('s', 't', 'u')}", f"domain:{one('x', 'y')}"
    match random.randrange(16):
        case 0:
            return f"{group}#member@{user}"
        case 1:
            begin = random.randint(0, 30)
            times = f"[not_before:{format_time(NOW_US + begin)}][expiration:{format_time(NOW_US + begin + 9)}]"
            return f"{group}#member@{user}{times}"
        case 2:
            return f"{group}#member@group:{one('a', 'b', 'c')}#member"
        case 3 | 4:
            return f"{run}#delegated_by@{one(user, 'run:1', 'run:2', 'run:3', 'run:4')}"
        case 5:
            return f"{run}#hold@hold:{one('h', 'i')}{at('', 'b', 'e')}"
        case 6:
            return f"{domain}#parent@domain:{one('x', 'y')}"
        case 7:
            return f"{domain}#hold@hold:h"
        case 8:
            return f"{tool}#domain@{domain}"
        case 9 | 10:
            return f"{tool}#may_use@{one(user, run, run, 'user:*', group + '#member')}"
        case 11 | 14 | 15:
            return f"{tool}#may_use@{one(run + '[small]', user + '[small]', user + at('e'))}"
        case 12:
            return f"{tool}#banned@{one(user, group + '#member')}"
        case _:
            return f"{tool}#both@{group}"


def random_write(engine: Engine, random: Random, most: int) -> None:
    """In one revision. What may not be made less of by a TOUCH is deleted instead, and may be written anew later."""
    facts = {parse_relationship(random_fact(random)) for _ in range(random.randint(1, most))}
    facts_by_key = {fact.key: fact for fact in facts}
    stored = [item.relationship for item in engine.relationships.read("", RelationshipFilter(), limit=1_000).items]
    updates = {key: Update(Operation.TOUCH, fact) for key, fact in facts_by_key.items()}
    for fact in random.sample(stored, min(len(stored), random.randint(0, most))):
        updates.setdefault(fact.key, Update(Operation.DELETE, fact))
    while True:
        try:
            engine.relationships.write("", list(updates.values()))
        except WeakeningRefused as refusal:
            refused = parse_relationship(refusal.metadata["relationship"])
            assert updates[refused.key].operation is Operation.TOUCH, refusal
            updates[refused.key] = Update(Operation.DELETE, refused)
        else:
            return


@pytest.mark.seeds(80, shards=4)
def test_what_is_told_applied_to_the_set_is_the_set(seeds: Seeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written, however much between two looks and however little of it at once, wherever it is broken off,
    as time passes and what is over is swept."""
    kinds: Counter[object] = Counter()
    for seed in seeds:
        random = Random(seed)
        monkeypatch.setattr(permission_watching, "STEP_REVISIONS", random.choice((1, 2, STEP_REVISIONS)))
        clock = ManualClock(NOW_US)
        engine = Engine(MemoryStore(clock_us=clock.now_us), clock, retention_us=random.choice((0, 3, 1_000)))
        engine.schemas.write("", AGENTS)
        for _ in range(4):
            random_write(engine, random, 6)
        past = Past(engine)
        held = [Held(past, watched) for watched in WATCHED]
        for _ in range(14):
            match random.randrange(6):
                case 0 | 1 | 2:
                    random_write(engine, random, 3)
                case 3:
                    clock.advance_us(random.randint(1, 8))
                case 4:
                    if random.random() < 0.3:
                        engine.upkeep()
                    clock.advance_us(1)
                case _:
                    random.choice(held).break_off()
            past.note()
            if random.random() < 0.7:
                for each in held:
                    each.take()
        for each in held:
            each.take()
            kinds += each.kinds
            each.watching.close()
        assert not engine.streams._watches._recent, "nothing is kept for nobody"
        engine.close()
    for kind in (*Verdict, WILDCARD):
        seeds.require(kinds[kind] >= 1, f"{kind} in {kinds}")


def test_a_watch_beside_concurrent_writers_misses_nothing(engine: EngineOfTest) -> None:
    """Steps are of revisions that others have written over meanwhile."""
    engine.schema(AGENTS)
    past = Past(engine.engine)
    watching = watch(engine.engine, WATCHED[1])
    held = past.set_at(WATCHED[1], watching.token, watching.evaluated_at_us)

    def write(writer: int) -> None:
        for number in range(25):
            engine.write(
                f"tool:{'stu'[number % 3]}#may_use@user:w{writer}-{number % 7}",
                f"tool:{'stu'[writer]}#may_use@group:a#member",
                f"delete tool:{'stu'[number % 3]}#may_use@user:w{writer}-{(number + 3) % 7}",
                f"group:a#member@user:w{writer}-{number}",
            )

    def take() -> None:
        for each in everything(watching):
            assert each.reset is None
            for resource, subject, before, now in each.updates:
                listed = held.setdefault(resource.id, {})
                assert before.listed == (subject.id in listed)
                if now.listed:
                    listed[subject.id] = said(now.answer)
                else:
                    del listed[subject.id]

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        take()
    take()
    past.note()
    found = past.set_at(WATCHED[1], watching.token, watching.evaluated_at_us)
    assert {id: listed for id, listed in held.items() if listed} == found


# --- what is told -----------------------------------------------------------------------------------------------


def one_by_one(watching: PermissionWatch) -> list[str]:
    """In short: the resource, the subject, and what it has now."""
    told = []
    for each in everything(watching):
        assert each.reset is None, each.reset
        for resource, subject, before, now in each.updates:
            answers = (before.answer, now.answer)
            words = [said.verdict.name for said in answers if isinstance(said, Answer)]
            told.append(f"{resource} {subject} {' '.join(words)}")
    return told


@pytest.fixture
def agents(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(AGENTS)
    engine.write("run:1#delegated_by@user:anne", "run:2#delegated_by@run:1", "run:3#delegated_by@run:2")
    for tool in ("s", "t"):
        engine.write(*(f"tool:{tool}#may_use@{each}" for each in ("user:anne", "run:1", "run:2", "run:3")))
    return engine


def test_a_hold_stops_a_whole_subtree_in_one_revision(agents: EngineOfTest) -> None:
    watching = watch(agents.engine, WATCHED[0])
    agents.write("run:2#hold@hold:h")
    (told,) = everything(watching)
    stopped = {(update.resource.id, update.subject.id) for update in told.updates}
    assert stopped == {(tool, run) for tool in ("s", "t") for run in ("2", "3")}
    agents.write("delete run:2#hold@hold:h")
    assert one_by_one(watching) == [f"tool:{tool} run:{run} NO YES" for tool in ("s", "t") for run in ("2", "3")]


def test_nothing_is_told_of_what_has_no_part_in_it(agents: EngineOfTest) -> None:
    watching = watch(agents.engine, WatchedPermission("run", "stopped", "user"))
    TOLD.clear()
    watching.catch_up()
    agents.write("tool:s#may_use@user:ben")
    assert watching.is_behind
    assert watching.pass_over()
    assert not watching.is_behind
    assert not TOLD


def test_what_time_changes_is_told_with_the_time(engine: EngineOfTest) -> None:
    engine.schema(AGENTS)
    watching = watch(engine.engine, WATCHED[1])
    begin, end = format_time(NOW_US + 10), format_time(NOW_US + 20)
    engine.write(f"group:a#member@user:anne[not_before:{begin}][expiration:{end}]", "tool:t#may_use@group:a#member")
    assert one_by_one(watching) == []
    assert watching.due_in_us == 10
    engine.clock.advance_us(9)
    assert not watching.is_behind
    engine.clock.advance_us(1)
    token = watching.token
    (told,) = everything(watching)
    assert (told.token, told.evaluated_at_us) == (token, NOW_US + 10)
    assert watching.due_in_us == 10
    engine.clock.advance_us(10)
    assert one_by_one(watching) == ["tool:t user:anne YES NO"]
    assert watching.due_in_us is None


def test_what_was_told_in_part_and_then_passed_over_ends_when_it_does(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was many revisions behind has seen less than the head when the rest turns out not to matter."""
    monkeypatch.setattr(permission_watching, "STEP_REVISIONS", 1)
    engine.schema(AGENTS)
    watching = watch(engine.engine, WatchedPermission("group", "member", "user"))
    assert one_by_one(watching) == []
    engine.write(f"group:a#member@user:anne[not_before:{format_time(NOW_US)}][expiration:{format_time(NOW_US + 10)}]")
    engine.write("domain:x#hold@hold:h")
    watching.catch_up()
    engine.clock.advance_us(10)
    assert one_by_one(watching) == ["group:a user:anne YES NO"]


def test_what_begins_and_ends_and_has_no_part_in_it_wakes_nobody(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.schema(AGENTS)
    end = NOW_US + 10
    engine.write(f"group:a#member@user:ben[not_before:{format_time(NOW_US)}][expiration:{format_time(end + 3)}]")
    watching = watch(engine.engine, WatchedPermission("group", "member", "user"))
    engine.write(*(f"run:{number}#hold@hold:h[expiration:{format_time(end + number)}]" for number in range(3)))
    assert one_by_one(watching) == []
    assert watching.due_in_us == 13, "when ben's ends"
    for module in (loaded, permission_watching):
        monkeypatch.setattr(module, "LATER_MAX", 2)
    engine.clock.advance_us(1)
    engine.write("group:b#member@user:ann")
    assert one_by_one(watching) == ["group:b user:ann NO YES"]
    assert watching.due_in_us == 10, "as far as was looked ahead"
    engine.clock.advance_us(10)
    assert one_by_one(watching) == []
    assert watching.due_in_us == 2
    engine.clock.advance_us(2)
    assert one_by_one(watching) == ["group:a user:ben YES NO"]
    assert watching.due_in_us is None


def test_a_wildcard_is_told_with_those_it_does_not_stand_for(engine: EngineOfTest) -> None:
    engine.schema(AGENTS)
    engine.write("tool:t#may_use@user:anne", "tool:t#banned@user:mal")
    watching = watch(engine.engine, WATCHED[1])
    engine.write("tool:t#may_use@user:*")
    assert one_by_one(watching) == ["tool:t user:* NO YES", "tool:t user:mal NO NO"]
    engine.write("delete tool:t#may_use@user:anne")
    assert one_by_one(watching) == ["tool:t user:anne YES YES"], "she has what `*` has, and is not listed apart"
    engine.write("delete tool:t#may_use@user:*")
    assert one_by_one(watching) == ["tool:t user:* YES NO", "tool:t user:mal NO NO"]


def test_a_step_of_many_updates_comes_in_pieces(engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission_watching, "STEP_BYTES", 1_000)
    engine.schema(AGENTS)
    engine.write(*(f"group:a#member@user:u{number}" for number in range(100)))
    watching = watch(engine.engine, WATCHED[1])
    engine.write("tool:t#may_use@group:a#member")
    *pieces, last = everything(watching)
    assert len(pieces) > 5
    assert [each.token for each in pieces] == [""] * len(pieces)
    assert last.token == watching.token
    assert sum(len(each.updates) for each in (*pieces, last)) == 100


# --- when it gives up -------------------------------------------------------------------------------------------


def reset_of(watching: PermissionWatch) -> ResetReason | None:
    (told,) = everything(watching)
    assert (told.token, told.evaluated_at_us) == (watching.token, watching.evaluated_at_us)
    assert not told.updates
    return told.reset


def test_another_schema_is_told_as_a_reset(engine: EngineOfTest) -> None:
    engine.schema(AGENTS)
    watching = watch(engine.engine, WATCHED[1])
    engine.write("tool:t#may_use@user:anne")
    engine.schema(AGENTS.replace("may_use - banned", "may_use"))
    assert reset_of(watching) is ResetReason.SCHEMA
    engine.write("tool:t#may_use@user:ben")
    assert one_by_one(watching) == ["tool:t user:ben NO YES"]


def test_a_schema_without_the_permission_ends_it(engine: EngineOfTest) -> None:
    engine.schema(AGENTS)
    watching = watch(engine.engine, WATCHED[1])
    engine.schema("definition user {}\ndefinition tool {}")
    with pytest.raises(UnknownRelation):
        list(everything(watching))


def test_a_budget_that_ends_is_told_and_it_goes_on(open_engine: EngineOpener) -> None:
    engine = open_engine(limits=Limits(steps_max=200))
    engine.schema(AGENTS)
    engine.write(*(f"group:a#member@user:u{number}" for number in range(300)))
    watching = watch(engine.engine, WATCHED[1])
    engine.write("tool:t#may_use@group:a#member")
    assert reset_of(watching) is ResetReason.BUDGET
    engine.write("tool:s#may_use@user:ben")
    assert one_by_one(watching) == ["tool:s user:ben NO YES"]


def test_more_than_an_answer_may_have_is_told_as_a_reset(
    open_engine: EngineOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permission_watching, "STEP_BYTES", 1_000)
    engine = open_engine(limits=Limits(response_bytes_max=2_000))
    engine.schema(AGENTS)
    engine.write(*(f"group:a#member@user:u{number}" for number in range(100)))

    def large(told: PermissionsTold) -> Made:
        made = itself(told)
        return made._replace(data=bytes(60 * len(told.updates)))

    watching = engine.engine.streams.watch_permission("", WATCHED[1], large)
    engine.write("tool:t#may_use@group:a#member")
    watching.catch_up()
    assert TOLD[-1].reset is ResetReason.BUDGET


def test_more_beginnings_than_are_looked_at_are_told_as_a_reset(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permission_watching, "MOMENTS_MAX", 2)
    engine.schema(AGENTS)
    end = format_time(NOW_US + 10)
    engine.write(*(f"tool:t#may_use@user:u{number}[expiration:{end}]" for number in range(3)))
    watching = watch(engine.engine, WATCHED[1])
    engine.clock.advance_us(10)
    assert reset_of(watching) is ResetReason.BUDGET


def test_a_past_that_is_gone_is_told_as_a_reset() -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock, retention_us=10)
    engine.schemas.write("", AGENTS)
    token = engine.relationships.read("", RelationshipFilter()).token
    for number in range(3):
        update = Update(Operation.TOUCH, parse_relationship(f"tool:t#may_use@user:u{number}"))
        engine.relationships.write("", [update])
        clock.advance_us(20)
    engine.upkeep()
    watching = watch(engine, WATCHED[1], after=token, evaluated_at_us=NOW_US)
    assert reset_of(watching) is ResetReason.GONE
    engine.close()


def test_a_step_that_is_too_heavy_leaves_the_watch_where_it_was(agents: EngineOfTest) -> None:
    watching = watch(agents.engine, WATCHED[0])
    agents.write("run:2#hold@hold:h")
    place = watching.token

    def too_heavy() -> None:
        raise TooHeavy

    TOLD.clear()
    with pytest.raises(TooHeavy):
        watching.catch_up(too_heavy)
    assert watching.token == place
    assert not TOLD
    assert len(one_by_one(watching)) == 4


# --- where it may begin -----------------------------------------------------------------------------------------


def test_a_watch_begins_where_it_can_be_answered_for(engine: EngineOfTest) -> None:
    with pytest.raises(SchemaNotFound):
        watch(engine.engine, WATCHED[0]).require_known()
    token = engine.schema(AGENTS)
    with pytest.raises(StoreNotFound):
        engine.engine.streams.watch_permission("elsewhere", WATCHED[0], itself)
    for wrong, error in (
        (WatchedPermission("toll", "use", "user"), UnknownType),
        (WatchedPermission("tool", "uses", "user"), UnknownRelation),
        (WatchedPermission("tool", "use", "users"), UnknownType),
        (WatchedPermission("tool", "use", "group", "members"), UnknownRelation),
    ):
        with pytest.raises(error):
            watch(engine.engine, wrong).require_known()
    for after, at_us in ((token, None), ("", NOW_US), (token, NOW_US + 1)):
        with pytest.raises(InvalidArgument):
            watch(engine.engine, WATCHED[0], after=after, evaluated_at_us=at_us)
