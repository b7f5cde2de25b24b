"""RegisterAgent, ChangeAgent, RetireAgent: an owner who is there, a domain that can be stopped, and an end for good."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from remit.engine.agents.ceiling_record import Ceilings
from remit.engine.agents.descriptions import AgentState
from remit.engine.agents.performing import STEPS_ASKED_MAX, Performed, Submission
from remit.engine.ended import sweep_ended
from remit.engine.remembered import RequestKey
from remit.engine.upkeep import RETENTION_US
from remit.errors import (
    AgentsNotInSchema,
    DomainNotPlaced,
    DomainStopped,
    InvalidArgument,
    InvalidReference,
    LifecycleRefused,
    LimitExceeded,
    ObjectUnknown,
    OwnerNotPresent,
    RelationshipRefused,
    RemitError,
)
from remit.model import Caller, ObjectRef, Verdict
from remit.notation import format_time, parse_subject
from remit.store.port import Draft, WriteTransaction
from tests.support.engines import EngineOfTest
from tests.support.serving import until

SCHEMA = 'use import\nimport "remit:agents@1"\n'
FACTS = (
    "user:anne#registered@directory:people",
    "team:pay#member@user:anne",
    "team:left#member@user:gone",
    "domain:retail#estate@estate:acme",
    "domain:lab#estate@estate:acme",
    "domain:loose#hold@hold:before",  # known, and in no estate
    "system:cron#registered@directory:people",
    "system:cron#owner@user:anne",
    "system:cron#domain@domain:retail",
    "system:orphan#registered@directory:people",
    "system:orphan#owner@user:gone",
    "system:orphan#domain@domain:retail",
)
PAYER = ObjectRef("agent", "payer")
OPS = Caller("service:ops")


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write(*FACTS)
    return engine


def register(
    world: EngineOfTest, *owners: str, id: str = "payer", domain: str = "retail", key: str = "", dry_run: bool = False
) -> Performed[AgentState]:
    return world.engine.registrations.register(
        "",
        id,
        owners=[parse_subject(each) for each in owners],
        domain=domain,
        submission=Submission(OPS, RequestKey(key), dry_run),
    )


def change(world: EngineOfTest, *owners: str, domain: str = "", ceilings: Ceilings | None = None) -> AgentState:
    named = [parse_subject(each) for each in owners]
    return world.engine.registrations.change("", "payer", owners=named, domain=domain, ceilings=ceilings).told


def of_agents(world: EngineOfTest) -> list[str]:
    return sorted(each for each in world.facts() if each.startswith("agent:"))


def revisions(world: EngineOfTest) -> int:
    with world.store.read("default") as view:
        return view.head.revision


# --- what is registered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "owner", ["user:anne", "team:pay#member", "system:cron"], ids=["a person", "a team", "a system that one owns"]
)
def test_an_agent_with_an_owner_who_is_there_is_registered_in_one_revision(world: EngineOfTest, owner: str) -> None:
    before = revisions(world)
    told = register(world, owner).told
    assert of_agents(world) == [
        "agent:payer#domain@domain:retail", f"agent:payer#owner@{owner}", "agent:payer#registered@directory:remit",
    ]  # fmt: skip
    assert world.verdict("agent:payer#live@agent:payer") is Verdict.YES
    assert (told.state, told.is_owned, told.registered_by) == ("registered", True, "service:ops")
    assert revisions(world) == before + 1


def test_one_owner_who_is_there_is_enough_and_each_is_told_once(world: EngineOfTest) -> None:
    told = register(world, "team:left#member", "user:anne", "user:anne").told
    assert [str(each) for each in told.owners] == ["team:left#member", "user:anne"]


@pytest.mark.parametrize(
    "owners",
    [
        ["user:gone"],
        ["team:left#member"],
        ["system:orphan"],
        ["user:gone", "team:left#member", "system:orphan"],
    ],
    ids=["one who left", "a team of such", "a system of such a one", "all of them"],
)
def test_owners_who_left_are_none(world: EngineOfTest, owners: list[str]) -> None:
    with pytest.raises(OwnerNotPresent, match="nobody is there now"):
        register(world, *owners)
    assert of_agents(world) == []


def test_an_owner_who_is_held_is_none(world: EngineOfTest) -> None:
    world.engine.holds.hold("", ObjectRef("user", "anne"), reason="", id="h")
    with pytest.raises(OwnerNotPresent):
        register(world, "user:anne")
    world.engine.holds.release("", "h")
    register(world, "user:anne")


def test_without_owners_or_with_strange_ones_nothing_is_registered(world: EngineOfTest) -> None:
    with pytest.raises(InvalidArgument, match="`owners` is empty"):
        register(world)
    with pytest.raises(ObjectUnknown, match="`user:ann`") as refused:
        register(world, "user:anne", "user:ann")
    assert refused.value.field == "owners[1]"
    with pytest.raises(RelationshipRefused, match="agent:other"):
        register(world, "agent:other")
    with pytest.raises(RelationshipRefused):
        register(world, "team:pay")
    with pytest.raises(LimitExceeded, match="at most 20 owners"):
        register(world, *(f"user:u{number}" for number in range(21)))
    assert of_agents(world) == []


def test_a_domain_is_one_that_an_estate_can_stop(world: EngineOfTest) -> None:
    with pytest.raises(DomainNotPlaced, match="`domain:loose` belongs to no estate"):
        register(world, "user:anne", domain="loose")
    with pytest.raises(ObjectUnknown, match="`domain:retial`"):
        register(world, "user:anne", domain="retial")
    with pytest.raises(InvalidReference, match="missing"):
        register(world, "user:anne", domain="")
    assert of_agents(world) == []


def test_what_was_said_of_it_before_does_not_stay(world: EngineOfTest) -> None:
    """An owner whom nobody named, and a domain, written as facts ahead of it."""
    world.write("agent:payer#owner@user:gone", "agent:payer#domain@domain:lab")
    register(world, "user:anne")
    assert of_agents(world) == [
        "agent:payer#domain@domain:retail", "agent:payer#owner@user:anne", "agent:payer#registered@directory:remit",
    ]  # fmt: skip


def test_an_id_is_registered_once(world: EngineOfTest) -> None:
    register(world, "user:anne")
    with pytest.raises(LifecycleRefused, match="`agent:payer` is registered"):
        register(world, "user:anne")


def test_a_registration_that_ran_out_may_be_renewed(world: EngineOfTest) -> None:
    end = f"[expiration:{format_time(world.clock.now_us() + 10**9)}]"
    world.write(f"agent:payer#registered@directory:people{end}", "agent:payer#owner@user:anne")
    with pytest.raises(LifecycleRefused, match="is registered"):
        register(world, "user:anne")
    world.clock.advance_us(10**9)
    register(world, "user:anne")


def test_a_team_too_large_to_look_through_is_no_owner(world: EngineOfTest) -> None:
    """All other writers wait meanwhile: so it is not looked through to its end, and others are judged first."""
    members = [f"team:crowd#member@user:u{number}" for number in range(STEPS_ASKED_MAX)]
    for begin in range(0, len(members), 1_000):
        world.write(*members[begin : begin + 1_000])
    with pytest.raises(OwnerNotPresent, match="or certain to be"):
        register(world, "team:crowd#member")
    register(world, "team:crowd#member", "user:anne")


# --- what is changed --------------------------------------------------------------------------------------------


def test_what_is_named_replaces_and_the_rest_stays(world: EngineOfTest) -> None:
    register(world, "user:anne")
    ceilings = Ceilings(depth_max=3, fan_out_max=5, lifetime_max_s=60, profiles=("close@3",))
    assert change(world, ceilings=ceilings).ceilings == ceilings
    told = change(world, "system:cron")
    assert ([str(each) for each in told.owners], told.ceilings) == (["system:cron"], ceilings)
    told = change(world, domain="lab")
    assert (told.domain, told.ceilings, told.registered_by) == (ObjectRef("domain", "lab"), ceilings, "service:ops")
    assert world.engine.inventory.agent("", "payer").agent == told
    assert of_agents(world) == [
        "agent:payer#domain@domain:lab", "agent:payer#owner@system:cron", "agent:payer#registered@directory:remit",
    ]  # fmt: skip
    assert change(world, ceilings=Ceilings()).ceilings == Ceilings()


def test_no_change_leaves_it_without_an_owner_who_is_there(world: EngineOfTest) -> None:
    register(world, "user:anne")
    with pytest.raises(OwnerNotPresent):
        change(world, "user:gone", "system:orphan")
    world.write("delete user:anne#registered@directory:people", "user:ben#registered@directory:people")
    with pytest.raises(OwnerNotPresent, match="name owners in the same request"):
        change(world, domain="lab")
    assert change(world, "user:ben", domain="lab").is_owned


def test_a_change_names_something(world: EngineOfTest) -> None:
    register(world, "user:anne")
    with pytest.raises(InvalidArgument, match="nothing is to be changed"):
        change(world)
    with pytest.raises(LimitExceeded, match="17 is more than the 16"):
        change(world, ceilings=Ceilings(depth_max=17))
    with pytest.raises(LimitExceeded, match="86401 is more than the 86400"):
        change(world, ceilings=Ceilings(lifetime_max_s=86_401))
    with pytest.raises(LimitExceeded, match="101 is more than the 100"):
        change(world, ceilings=Ceilings(profiles=tuple(map(str, range(101)))))
    with pytest.raises(InvalidReference):
        change(world, ceilings=Ceilings(profiles=("two words",)))


@pytest.mark.parametrize("held", ["domain:retail", "estate:acme"])
def test_nobody_moves_an_agent_from_under_a_hold(world: EngineOfTest, held: str) -> None:
    """Who may register may not release."""
    world.write("domain:free#estate@estate:other")
    register(world, "user:anne")
    type, _, id = held.partition(":")
    world.engine.holds.hold("", ObjectRef(type, id), reason="", id="h")
    with pytest.raises(DomainStopped, match="`domain:retail`, which is held"):
        change(world, domain="free")
    change(world, "user:anne", domain="retail")  # it stays where it is
    world.engine.holds.release("", "h")
    change(world, domain="free")


def test_what_is_not_there_is_not_changed(world: EngineOfTest) -> None:
    with pytest.raises(ObjectUnknown, match="`agent:payer`"):
        change(world, "user:anne")
    world.write("agent:payer#owner@user:anne")
    with pytest.raises(LifecycleRefused, match="`agent:payer` is unregistered"):
        change(world, "user:anne")


# --- what is retired --------------------------------------------------------------------------------------------


def test_a_retired_id_never_returns(world: EngineOfTest) -> None:
    register(world, "user:anne")
    retired = world.engine.registrations.retire("", "payer", reason="done").told
    assert (retired.agent.state, retired.was_over) == ("terminated", False)
    assert [each for each in of_agents(world) if "registered" in each] == []
    assert world.verdict("agent:payer#live@agent:payer") is Verdict.NO
    with pytest.raises(LifecycleRefused, match="`agent:payer` is terminated"):
        register(world, "user:anne")
    with pytest.raises(LifecycleRefused, match="is terminated"):
        change(world, "user:anne")
    with pytest.raises(RemitError, match="final"):
        world.write("delete agent:payer#terminated@directory:remit")
    assert world.engine.registrations.retire("", "payer").told.was_over is True


def test_what_was_terminated_or_swept_is_not_registered_again(world: EngineOfTest) -> None:
    register(world, "user:anne")
    world.engine.ends.terminate("", PAYER)
    with pytest.raises(LifecycleRefused, match="is terminated"):
        register(world, "user:anne")
    assert world.engine.registrations.retire("", "payer").told.was_over is True
    assert [each for each in of_agents(world) if "registered" in each] == []


def test_a_swept_id_never_returns_either(world: EngineOfTest) -> None:
    register(world, "user:anne")
    world.engine.registrations.retire("", "payer")
    world.clock.advance_us(RETENTION_US + 1)
    world.engine.upkeep()
    loaded = world.engine.loaded
    (rows,) = sweep_ended(loaded, loaded.of(""), [PAYER], "terminated")
    assert rows
    with pytest.raises(LifecycleRefused, match="is terminated"):
        register(world, "user:anne")
    assert world.engine.registrations.retire("", "payer").told.was_over is True
    assert of_agents(world) == []
    assert world.engine.inventory.agents("").agents == ()


def test_a_misspelt_agent_is_not_retired(world: EngineOfTest) -> None:
    before = revisions(world)
    with pytest.raises(ObjectUnknown, match="`agent:payre`"):
        world.engine.registrations.retire("", "payre")
    assert revisions(world) == before


# --- as verbs are -----------------------------------------------------------------------------------------------


def test_an_owner_who_is_removed_just_before_in_the_batch_is_none(world: EngineOfTest) -> None:
    is_busy, may_end = threading.Event(), threading.Event()

    def busy(view: WriteTransaction) -> Draft:
        is_busy.set()
        assert may_end.wait(30)
        return Draft("busy")

    before = revisions(world)
    with ThreadPoolExecutor() as others:
        blocking = others.submit(world.store.write, "default", busy)
        assert is_busy.wait(30)
        removing = others.submit(world.write, "delete user:anne#registered@directory:people")
        until(lambda: world.store.writes_waiting() >= 1)
        waiting = world.store.writes_waiting()
        registering = others.submit(register, world, "user:anne")
        until(lambda: world.store.writes_waiting() > waiting)
        may_end.set()
        blocking.result(30)
        removing.result(30)
        with pytest.raises(OwnerNotPresent):
            registering.result(30)
    assert revisions(world) == before + 2
    assert of_agents(world) == []


def test_a_request_is_carried_out_once_and_told_how_things_stand(world: EngineOfTest) -> None:
    first = register(world, "user:anne", key="k").told
    assert register(world, "user:anne", key="k").told == first
    world.write("delete user:anne#registered@directory:people")
    assert register(world, "user:anne", key="k").told.is_owned is False
    world.engine.registrations.retire("", "payer", submission=Submission(OPS, RequestKey("r")))
    assert register(world, "user:anne", key="k").told.state == "terminated"
    assert world.engine.registrations.retire("", "payer", submission=Submission(OPS, RequestKey("r"))).told.was_over


def test_a_dry_run_leaves_nothing(world: EngineOfTest) -> None:
    before = revisions(world)
    assert register(world, "user:anne", dry_run=True).token == ""
    with pytest.raises(OwnerNotPresent):
        register(world, "user:gone", "team:left#member", dry_run=True)
    assert (revisions(world), of_agents(world)) == (before, [])


def test_the_entry_says_what_was_named(world: EngineOfTest) -> None:
    register(world, "user:anne", key="k")
    change(world, ceilings=Ceilings(depth_max=2))
    with world.store.read("default") as view:
        *_, registered, changed = view.changelog(0)
    assert json.loads(registered.entry_json) == {
        "verb": "RegisterAgent", "request_id": "k", "agent": "payer", "directory": "remit", "owners": ["user:anne"],
        "domain": "retail", "ceilings": {},
    }  # fmt: skip
    assert json.loads(changed.entry_json) == {"verb": "ChangeAgent", "agent": "payer", "ceilings": {"depth_max": 2}}


def test_elsewhere_there_are_no_agents(engine: EngineOfTest) -> None:
    engine.schema("definition agent {}")
    with pytest.raises(AgentsNotInSchema):
        register(engine, "user:anne")
    with pytest.raises(AgentsNotInSchema):
        engine.engine.inventory.agents("")
