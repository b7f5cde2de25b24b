"""Runs that are over are ended for good, and swept as a whole, a few at a time; what lives and what is above stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remit.engine.agents.run_requests import SpawnOrder
from remit.engine.agents.run_states import RunLife
from remit.engine.ended_runs import LOOKED_AT_MAX
from remit.engine.upkeep import RETENTION_US
from remit.errors import ObjectUnknown, RemitError
from remit.model import ObjectRef, Verdict
from remit.notation import parse_object
from tests.support.agent_world import FACTS, SCHEMA
from tests.support.engines import EngineOfTest

ORDER = SpawnOrder(parse_object("system:clock"), "payer.2", ["pay"], session="s", lifetime_s=60)
S = 1_000_000


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write(*FACTS)
    return engine


def spawned(world: EngineOfTest, order: SpawnOrder = ORDER) -> ObjectRef:
    return world.engine.runs.spawn("", order).told.run.object


def let_pass(world: EngineOfTest) -> None:
    """A retention, and the changelog's oldest revision is another."""
    world.clock.advance_us(RETENTION_US + 61 * S)
    world.write("user:marker#registered@directory:people")
    world.engine.upkeep()


def life(world: EngineOfTest, run: ObjectRef) -> RunLife:
    return world.engine.lineage.describe("", run.id).life


def records(world: EngineOfTest, kind: str) -> list[ObjectRef]:
    with world.store.read("default") as view:
        return [each.record.object for each in view.records(kind)]


@pytest.mark.parametrize("delegator", ["system:clock", "user:anne"])
def test_a_run_that_is_over_is_ended_for_good_and_then_gone(world: EngineOfTest, delegator: str) -> None:
    before = set(world.facts())
    run = spawned(world, replace(ORDER, delegator=parse_object(delegator), bindings={"invoice": "1"}))
    world.clock.advance_us(60 * S)
    assert life(world, run) is RunLife.OVER
    let_pass(world)
    assert life(world, run) is RunLife.TERMINATED
    for _ in range(3):
        let_pass(world)
    assert set(world.facts()) - before == {"user:marker#registered@directory:people"}
    with pytest.raises(ObjectUnknown):
        world.engine.lineage.describe("", run.id)
    assert records(world, "run") == records(world, "session") == []
    with pytest.raises(RemitError):
        world.write(f"{run}#delegated_by@user:anne")


def test_a_run_that_was_terminated_is_swept_when_nobody_can_ask_how_it_was(world: EngineOfTest) -> None:
    run = spawned(world, replace(ORDER, lifetime_s=24 * 3600))
    world.engine.ends.terminate("", run)
    world.engine.upkeep()
    assert life(world, run) is RunLife.TERMINATED
    for _ in range(2):
        let_pass(world)
    assert records(world, "swept") == [run]


def test_what_lives_is_left_alone_whatever_it_had_declared_before(world: EngineOfTest) -> None:
    run = spawned(world)
    world.write(f"profile:small#declarer@{run}[expiration:2026-01-01T00:00:01Z]")
    for _ in range(30):
        world.engine.runs.renew("", run.id, lifetime_s=24 * 3600)
        world.clock.advance_us(8 * 3600 * S)
        world.write("user:marker#registered@directory:people")
        world.engine.upkeep()
    assert life(world, run) is RunLife.LIVE
    assert world.verdict(f"tool:erp.pay#use@{run}") is Verdict.YES


def test_a_session_that_has_another_run_by_now_keeps_it(world: EngineOfTest) -> None:
    first = spawned(world)
    world.engine.ends.terminate("", first)
    let_pass(world)
    second = spawned(world)
    let_pass(world)
    assert records(world, "swept") == [first]
    assert len(records(world, "session")) == 1
    assert life(world, second) is RunLife.TERMINATED


def test_those_below_go_before_those_above(world: EngineOfTest) -> None:
    chain = [spawned(world)]
    for _ in range(4):
        chain.append(spawned(world, replace(ORDER, delegator=chain[-1])))
    for run in chain:
        world.engine.ends.terminate("", run)
    for _ in range(7):
        let_pass(world)
    assert set(records(world, "swept")) == set(chain)


def test_runs_that_were_written_as_facts_are_theirs_to_end(world: EngineOfTest) -> None:
    world.write("run:a#delegated_by@user:anne", "profile:pay#declarer@run:a[expiration:2026-01-01T00:00:01Z]")
    for _ in range(3):
        let_pass(world)
    assert "run:a#delegated_by@user:anne" in world.facts()
    assert not [each for each in world.facts() if "run:a#terminated" in each]


def test_a_round_goes_on_where_the_last_one_stopped(world: EngineOfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOOKED_AT_MAX == 1_000
    monkeypatch.setattr("remit.engine.ended_runs.LOOKED_AT_MAX", 2)
    runs = [spawned(world, replace(ORDER, session="")) for _ in range(7)]
    for run in runs:
        world.engine.ends.terminate("", run)
    let_pass(world)
    world.engine.upkeep()
    swept = len(records(world, "swept"))
    assert 0 < swept < 7
    for _ in range(6):
        world.engine.upkeep()
    assert set(records(world, "swept")) == set(runs)
