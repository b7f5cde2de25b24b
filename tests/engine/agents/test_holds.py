"""Hold, Release, Terminate: one revision each, carried out once, and a stop that somebody misspelt is told so."""

from __future__ import annotations

import json

import pytest

from remit.engine.agents.lifecycles import LIFECYCLES
from remit.engine.agents.performing import Submission
from remit.engine.remembered import REMEMBERED_US, RequestKey
from remit.errors import (
    AgentsNotInSchema,
    InvalidArgument,
    LifecycleRefused,
    LimitExceeded,
    NotHoldable,
    NotTerminable,
    ObjectUnknown,
    RemitError,
    RequestIdReused,
)
from remit.model import Caller, Delta, ObjectRef, Verdict
from remit.notation import parse_object
from tests.support.engines import EngineOfTest

SCHEMA = 'use import\nimport "remit:agents@1"\n'
RUN = parse_object("run:r-1")
STOPPED = "run:r-1#stopped@run:r-1"
ANNE, BEN = Caller("service:anne"), Caller("service:ben")


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write("run:r-1#delegated_by@user:anne", "run:r-2#delegated_by@run:r-1")
    return engine


def deltas(world: EngineOfTest) -> list[Delta]:
    with world.store.read("default") as view:
        return list(view.changelog(0))


def sent(id: str, asks: str = "", caller: Caller = ANNE) -> Submission:
    return Submission(caller, RequestKey(id, asks))


def test_a_hold_silences_at_once_and_its_release_restores_exactly_what_was(world: EngineOfTest) -> None:
    before = world.facts()
    held = world.engine.holds.hold("", RUN, reason="odd", submission=Submission(ANNE)).told
    assert world.verdict(STOPPED) is Verdict.YES
    assert (held.on, held.is_placed, held.reason, held.placed_by) == (RUN, True, "odd", "service:anne")
    released = world.engine.holds.release("", held.id, submission=Submission(BEN)).told
    assert world.verdict(STOPPED) is Verdict.NO
    assert (released.is_placed, released.placed_by, released.placed_at_us) == (False, "service:anne", held.placed_at_us)
    assert world.facts() == before


def test_two_holds_of_one_object_do_not_cancel(world: EngineOfTest) -> None:
    first, second = (world.engine.holds.hold("", RUN, reason="").told.id for _ in range(2))
    world.engine.holds.release("", first)
    assert world.verdict(STOPPED) is Verdict.YES
    world.engine.holds.release("", second)
    assert world.verdict(STOPPED) is Verdict.NO


def test_an_id_is_used_once(world: EngineOfTest) -> None:
    holds = world.engine.holds
    holds.hold("", RUN, reason="", id="i-42")
    with pytest.raises(LifecycleRefused, match="`hold:i-42` is placed"):
        holds.hold("", parse_object("run:r-2"), reason="", id="i-42")
    holds.release("", "i-42")
    with pytest.raises(LifecycleRefused, match="`hold:i-42` is released"):
        holds.hold("", RUN, reason="", id="i-42")
    assert holds.release("", "i-42").told.is_placed is False


def test_a_hold_that_was_written_as_a_fact_is_released_too(world: EngineOfTest) -> None:
    world.write("run:r-1#hold@hold:by-hand", "user:anne#hold@hold:by-hand")
    world.engine.holds.release("", "by-hand")
    assert not [each for each in world.facts() if "#hold@" in each]


def test_what_is_held_must_be_known_and_holdable(world: EngineOfTest) -> None:
    holds, count = world.engine.holds, len(deltas(world))
    with pytest.raises(ObjectUnknown, match="`run:r-l`"):
        holds.hold("", parse_object("run:r-l"), reason="")
    with pytest.raises(ObjectUnknown, match="no hold `never`"):
        holds.release("", "never")
    with pytest.raises(NotHoldable, match="`team:x` cannot be held"):
        holds.hold("", parse_object("team:x"), reason="")
    with pytest.raises(LimitExceeded, match="1026 bytes"):
        holds.hold("", RUN, reason="é" * 513)
    with pytest.raises(NotTerminable, match="`tool:t`"):
        world.engine.ends.terminate("", parse_object("tool:t"))
    with pytest.raises(ObjectUnknown, match="`run:never`"):
        world.engine.ends.terminate("", parse_object("run:never"))
    assert len(deltas(world)) == count, "a refusal leaves nothing"


@pytest.mark.parametrize("schema", ["definition run {}", "definition hold {}\ndefinition run { relation hold: hold }"])
def test_without_the_agent_schema_there_are_no_verbs(engine: EngineOfTest, schema: str) -> None:
    engine.schema(schema)
    with pytest.raises(AgentsNotInSchema, match='import "remit:agents@1"'):
        engine.engine.holds.hold("", RUN, reason="")


def test_what_is_terminated_stays_so_and_is_told_to(world: EngineOfTest) -> None:
    ends = world.engine.ends
    assert ends.terminate("", RUN).told.was_over is False
    assert world.verdict(STOPPED) is Verdict.YES
    assert ends.terminate("", RUN).told.was_over is True
    with pytest.raises(RemitError, match="final"):
        world.write("delete run:r-1#terminated@directory:remit")
    assert world.verdict(STOPPED) is Verdict.YES


# --- a request that is sent again -------------------------------------------------------------------------------


def test_a_request_is_carried_out_once_however_often_it_is_sent(world: EngineOfTest) -> None:
    first = world.engine.holds.hold("", RUN, reason="", submission=sent("k"))
    again = world.engine.holds.hold("", RUN, reason="", submission=sent("k"))
    assert again.told == first.told
    assert len([each for each in world.facts() if "#hold@" in each]) == 1
    assert [bool(each.changes or each.records) for each in deltas(world)][-2:] == [True, False]


def test_one_that_is_sent_again_after_its_release_holds_nothing(world: EngineOfTest) -> None:
    held = world.engine.holds.hold("", RUN, reason="", submission=sent("k")).told
    world.engine.holds.release("", held.id)
    assert world.engine.holds.hold("", RUN, reason="", submission=sent("k")).told.is_placed is False
    assert world.verdict(STOPPED) is Verdict.NO


def test_an_id_with_another_request_is_refused(world: EngineOfTest) -> None:
    world.engine.holds.hold("", RUN, reason="", submission=sent("k", "this"))
    with pytest.raises(RequestIdReused, match="`k`"):
        world.engine.holds.hold("", RUN, reason="", submission=sent("k", "that"))


def test_the_ids_of_others_verbs_and_runs_are_others(world: EngineOfTest) -> None:
    speaking = Caller("service:anne", run="r-9")
    for submission in (sent("k"), sent("k", caller=BEN), sent("k", caller=speaking)):
        world.engine.holds.hold("", RUN, reason="", submission=submission)
    world.engine.ends.terminate("", parse_object("run:r-2"), submission=sent("k"))
    assert len([each for each in world.facts() if "#hold@" in each]) == 3


def test_an_id_counts_for_an_hour_to_the_microsecond_and_is_forgotten_after_two(world: EngineOfTest) -> None:
    world.engine.holds.hold("", RUN, reason="", submission=sent("k"))
    world.clock.advance_us(REMEMBERED_US - 1)
    world.engine.holds.hold("", RUN, reason="", submission=sent("k"))
    assert len([each for each in world.facts() if "#hold@" in each]) == 1
    world.clock.advance_us(1)
    world.engine.holds.hold("", RUN, reason="", submission=sent("k"))
    assert len([each for each in world.facts() if "#hold@" in each]) == 2

    world.clock.advance_us(3 * REMEMBERED_US)
    world.engine.upkeep()
    with world.store.read("default") as view:
        assert list(view.records("request")) == []


@pytest.mark.parametrize("id", ["two words", "é", "x" * 129, "\n"])
def test_an_id_of_a_request_is_printable(world: EngineOfTest, id: str) -> None:
    with pytest.raises(InvalidArgument, match="request id"):
        world.engine.holds.hold("", RUN, reason="", submission=sent(id))


def test_a_dry_run_is_judged_and_leaves_nothing(world: EngineOfTest) -> None:
    count = len(deltas(world))
    told = world.engine.holds.hold("", RUN, reason="", submission=Submission(ANNE, RequestKey("k"), dry_run=True))
    assert (told.token, told.told.is_placed) == ("", True)
    with pytest.raises(ObjectUnknown):
        world.engine.holds.hold("", parse_object("run:no"), reason="", submission=Submission(ANNE, dry_run=True))
    assert len(deltas(world)) == count
    assert world.engine.holds.hold("", RUN, reason="", submission=sent("k")).told.is_placed


# --- what it leaves ---------------------------------------------------------------------------------------------


def test_a_verb_leaves_an_entry_that_no_write_can_forge(world: EngineOfTest) -> None:
    world.engine.holds.hold("", RUN, reason="odd", id="i-1", submission=sent("k"))
    *_, last = deltas(world)
    assert json.loads(last.entry_json) == {
        "verb": "Hold", "hold": "i-1", "on": "run:r-1", "reason": "odd", "request_id": "k",
    }  # fmt: skip
    assert (last.principal, last.managed_bypass) == ("service:anne", False)
    world.write("run:r-1#hold@hold:by-hand")
    *_, last = deltas(world)
    assert last.entry_json == ""


def test_every_table_has_a_way_out_of_nothing_but_what_is_for_ever() -> None:
    for each in LIFECYCLES:
        assert each.states[0] == "absent"
        with pytest.raises(LifecycleRefused):
            for event in each.events:
                each.after("absent", event, ObjectRef(each.kind, "x"))
