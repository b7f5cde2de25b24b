"""Impact: what would stop, and the chains that lead there; of one revision, bounded, and never more than is asked."""

from __future__ import annotations

import pytest

from remit.engine.agents import impacts, stops
from remit.engine.agents.impacts import Impact
from remit.engine.agents.performing import Submission
from remit.errors import AgentsNotInSchema, Cancelled, InvalidArgument, NotHoldable, ObjectUnknown
from remit.notation import format_relationship, parse_object
from tests.support.engines import EngineOfTest

SCHEMA = 'use import\nimport "remit:agents@1"\ndefinition vault { relation hold: hold }'
FACTS = (
    "domain:d#estate@estate:e",
    "domain:other#estate@estate:e",
    "user:anne#registered@directory:people",
    "user:ben#registered@directory:people",
    "directory:people#consent@consent:c",
    "credential:k#registered@directory:remit",
    *(
        fact
        for agent in ("boss", "worker")
        for fact in (
            f"agent:{agent}#registered@directory:remit",
            f"agent:{agent}#owner@user:ben",
            f"agent:{agent}#domain@domain:d",
            f"agent_version:{agent}.1#version_of@agent:{agent}",
            f"agent_version:{agent}.1#certified@directory:remit",
            f"consent:c#agent@agent:{agent}",
        )
    ),
    "consent:c#run@run:top",
    "run:top#spawned_by@credential:k",
    "run:top#delegated_by@user:anne",
    "run:top#instance_of@agent_version:boss.1",
    *(f"run:w{each}#delegated_by@run:top" for each in range(3)),
    *(f"run:w{each}#instance_of@agent_version:worker.1" for each in range(3)),
    "tool:t#registered@directory:tools",
    "tool:t#domain@domain:d",
    "tool:t#descriptor@descriptor:x",
    "tool:t#untagged@directory:tools",
    "dataset:s#domain@domain:other",
    "profile:p#holder@run:top",
    "vault:v#hold@hold:before",
)
RUNS = ["run:top", "run:w0", "run:w1", "run:w2"]


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write(*FACTS)
    return engine


def impact(world: EngineOfTest, object: str, *, is_leaving: bool = False, with_chains: bool = False) -> Impact:
    return world.engine.impacts.impact("", parse_object(object), is_leaving=is_leaving, with_chains=with_chains)


def stopped(world: EngineOfTest, object: str, *, is_leaving: bool = False) -> list[str]:
    found = impact(world, object, is_leaving=is_leaving).stops
    assert not found.more
    return sorted(str(each) for some in found.objects.values() for each in some)


@pytest.mark.parametrize(
    ("object", "expected"),
    [
        ("run:w1", ["run:w1"]),
        ("run:top", RUNS),
        ("user:anne", [*RUNS, "user:anne"]),
        ("agent:worker", ["agent:worker", "agent_version:worker.1", *RUNS[1:]]),
        ("agent_version:boss.1", ["agent_version:boss.1", *RUNS]),
        ("credential:k", ["credential:k", *RUNS]),
        ("tool:t", ["tool:t"]),
        ("dataset:s", ["dataset:s"]),
        ("profile:p", ["profile:p"]),
        ("vault:v", []),
        ("domain:other", ["dataset:s", "domain:other"]),
    ],
)
def test_what_a_hold_stops(world: EngineOfTest, object: str, expected: list[str]) -> None:
    assert stopped(world, object) == expected
    world.engine.holds.hold("", parse_object(object), reason="")
    assert stopped(world, object) == [], "what is stopped already stops no more"


def test_an_owner_who_alone_answers_for_agents_stops_them_too(world: EngineOfTest) -> None:
    agents = ["agent:boss", "agent:worker", "agent_version:boss.1", "agent_version:worker.1", *RUNS]
    assert stopped(world, "user:ben") == stopped(world, "user:ben", is_leaving=True) == [*agents, "user:ben"]
    world.write("agent:boss#owner@user:anne", "agent:worker#owner@user:anne")
    assert stopped(world, "user:ben") == ["user:ben"]


def test_a_kill_switch_stops_everything_that_was_not(world: EngineOfTest) -> None:
    world.engine.holds.hold("", parse_object("agent:worker"), reason="")
    assert stopped(world, "estate:e") == [
        "agent:boss", "agent_version:boss.1", "dataset:s", "domain:d", "domain:other", "estate:e", "run:top", "tool:t",
    ]  # fmt: skip


def test_chains_lead_up_to_the_people(world: EngineOfTest) -> None:
    found = impact(world, "agent:worker", with_chains=True)
    assert sorted(map(format_relationship, found.chains)) == sorted(
        each for each in FACTS if "#delegated_by@" in each or "#instance_of@" in each or "#version_of@" in each
    )
    assert (found.chains_more, impact(world, "agent:worker").chains) == (False, ())


def test_who_has_left_is_not_said_to_stop_anything_more(world: EngineOfTest) -> None:
    world.write("delete user:anne#registered@directory:people")
    assert stopped(world, "user:anne", is_leaving=True) == stopped(world, "user:anne") == []


def test_a_circle_of_runs_is_stopped_as_it_is_and_the_walk_ends(world: EngineOfTest) -> None:
    world.write("run:x#delegated_by@run:y", "run:y#delegated_by@run:x")
    assert stopped(world, "run:x") == []


def test_no_more_is_looked_for_than_one_answer_is_about_and_it_says_so(
    world: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stops, "OBJECTS_MAX", 3)
    found = impact(world, "run:top", with_chains=True)
    assert (found.stops.more, found.stops.counts()) == (True, {"run": 3})
    monkeypatch.setattr(stops, "OBJECTS_MAX", 4)
    assert not impact(world, "run:top").stops.more
    monkeypatch.setattr(impacts, "CHAINS_MAX", 5)
    cut = impact(world, "run:top", with_chains=True)
    assert (len(cut.chains), cut.chains_more) == (5, True)


def test_who_no_longer_waits_ends_it(world: EngineOfTest) -> None:
    def gone() -> None:
        raise Cancelled("nobody waits")

    with pytest.raises(Cancelled):
        world.engine.impacts.impact("", parse_object("estate:e"), interrupt=gone)


def test_what_is_asked_about_is_known_and_could_be_held(world: EngineOfTest, engine: EngineOfTest) -> None:
    with pytest.raises(ObjectUnknown, match="`run:tap`"):
        impact(world, "run:tap")
    with pytest.raises(NotHoldable, match="`team:x`"):
        impact(world, "team:x")
    with pytest.raises(NotHoldable, match="`nothing:x`"):
        impact(world, "nothing:x")
    with pytest.raises(InvalidArgument, match="`agent:boss` is no person"):
        impact(world, "agent:boss", is_leaving=True)


def test_without_the_agent_schema_there_is_none(engine: EngineOfTest) -> None:
    engine.schema("definition run {}")
    with pytest.raises(AgentsNotInSchema):
        impact(engine, "run:r")
    with pytest.raises(AgentsNotInSchema):
        engine.engine.owners.orphans("")


def test_it_leaves_nothing_behind(world: EngineOfTest) -> None:
    before = world.facts()
    impact(world, "estate:e", with_chains=True)
    world.engine.holds.hold("", parse_object("estate:e"), reason="", submission=Submission(dry_run=True))
    assert world.facts() == before
    world.check_laws()
