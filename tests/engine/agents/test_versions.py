"""AddVersion, Certify, Decertify: nobody certifies what they own, and what is certified is so until a time."""

from __future__ import annotations

import json

import pytest

from remit.engine.agents.descriptions import Digests, VersionState
from remit.engine.agents.performing import Performed, Submission
from remit.engine.agents.versions import CERTIFIED_DAYS_MAX, CertifiedVersion
from remit.engine.remembered import RequestKey
from remit.errors import (
    AgentsNotInSchema,
    CertifierOwns,
    InvalidArgument,
    LifecycleRefused,
    LimitExceeded,
    ObjectUnknown,
    RecordFixed,
    VersionOfAnotherAgent,
)
from remit.model import Caller, ObjectRef, RecordKey, Verdict
from remit.notation import format_time, parse_subject
from tests.support.engines import EngineOfTest

SCHEMA = 'use import\nimport "remit:agents@1"\n'
FACTS = (
    "user:anne#registered@directory:people",
    "user:ben#registered@directory:people",
    "team:pay#member@team:core#member",
    "team:core#member@user:ben",
    "domain:retail#estate@estate:acme",
    "system:cron#registered@directory:people",
    "system:cron#owner@user:anne",
    "system:cron#domain@domain:retail",
)
OFFERED = (
    "#registered@directory:remit", "#domain@domain:retail", "#descriptor@descriptor:d", "#untagged@directory:remit",
)  # fmt: skip
DAY_US = 24 * 3600 * 1_000_000
AUDITOR = Caller("service:audit")


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write(*FACTS)
    register(engine, "payer", "user:anne")
    return engine


def register(world: EngineOfTest, id: str, *owners: str) -> None:
    world.engine.registrations.register("", id, owners=[parse_subject(each) for each in owners], domain="retail")


def add(
    world: EngineOfTest, id: str, *digests: str, agent: str = "payer", like: str = "", key: str = ""
) -> VersionState:
    submission = Submission(AUDITOR, RequestKey(key))
    return world.engine.versions.add("", agent, id, digests=Digests(*digests), like=like, submission=submission).told


def certify(
    world: EngineOfTest, id: str, days: float = 90, caller: Caller = AUDITOR, key: str = "", dry_run: bool = False
) -> Performed[CertifiedVersion]:
    until_us = world.clock.now_us() + int(days * DAY_US)
    submission = Submission(caller, RequestKey(key), dry_run)
    return world.engine.versions.certify("", id, until_us=until_us, reason="looked at", submission=submission)


def live(world: EngineOfTest, id: str = "v1") -> bool:
    return world.verdict(f"agent_version:{id}#live@agent_version:{id}") is Verdict.YES


# --- what is added ----------------------------------------------------------------------------------------------


def test_a_version_is_known_by_its_digests_and_not_certified_yet(world: EngineOfTest) -> None:
    told = add(world, "v1", "sha256:m", "sha256:p", "sha256:t")
    assert (told.state, told.digests, told.added_by) == (
        "added",
        Digests("sha256:m", "sha256:p", "sha256:t"),
        "service:audit",
    )
    assert "agent_version:v1#version_of@agent:payer" in world.facts()
    assert not live(world)


def test_like_takes_over_what_is_not_given_and_says_what_differs(world: EngineOfTest) -> None:
    add(world, "v1", "m", "p", "t")
    told = add(world, "v2", "", "p2", like="v1")
    assert (told.digests, told.like, told.differs) == (Digests("m", "p2", "t"), "v1", ("prompt",))
    with world.store.read("default") as view:
        *_, last = view.changelog(0)
    assert json.loads(last.entry_json) == {
        "verb": "AddVersion", "agent": "payer", "version": "v2", "like": "v1", "differs": ["prompt"],
        "digests": {"model": "m", "prompt": "p2", "tools": "t"},
    }  # fmt: skip
    assert add(world, "v3", like="v2").differs == ()


def test_versions_are_of_one_agent(world: EngineOfTest) -> None:
    register(world, "other", "user:anne")
    add(world, "v1", "m")
    with pytest.raises(VersionOfAnotherAgent, match="`agent_version:v1` is a version of `agent:payer`"):
        add(world, "v1", "m", agent="other")
    with pytest.raises(VersionOfAnotherAgent, match="like an earlier one of its own"):
        add(world, "v2", agent="other", like="v1")
    with pytest.raises(ObjectUnknown, match="`never` to be like"):
        add(world, "v2", like="never")
    with pytest.raises(LifecycleRefused, match="`agent_version:v1` is added"):
        add(world, "v1", "m")


def test_what_is_not_registered_has_no_versions(world: EngineOfTest) -> None:
    with pytest.raises(ObjectUnknown, match="`agent:pyaer`"):
        add(world, "v1", "m", agent="pyaer")
    world.write("agent:shadow#owner@user:anne")
    with pytest.raises(LifecycleRefused, match="`agent:shadow` is unregistered"):
        add(world, "v1", "m", agent="shadow")
    world.engine.registrations.retire("", "payer")
    with pytest.raises(LifecycleRefused, match="`agent:payer` is terminated"):
        add(world, "v1", "m")


def test_digests_are_given_and_printable(world: EngineOfTest) -> None:
    world.write("agent_version:by-hand#version_of@agent:payer")
    for like in ("", "by-hand"):
        with pytest.raises(InvalidArgument, match="give one"):
            add(world, "v1", like=like)
    for digest in ("two words", "é", "x" * 257, "\n"):
        with pytest.raises(InvalidArgument, match="printable") as refused:
            add(world, "v1", "m", digest)
        assert refused.value.field == "digests.prompt"


def test_what_a_version_is_made_of_never_changes(world: EngineOfTest) -> None:
    """Not even by whoever takes its agent away as a fact, and adds it anew."""
    add(world, "v1", "m")
    world.write("delete agent_version:v1#version_of@agent:payer")
    with pytest.raises(RecordFixed):
        add(world, "v1", "another")


def test_a_certification_from_before_there_was_anything_does_not_count(world: EngineOfTest) -> None:
    world.write("agent_version:v1#certified@directory:people")
    assert add(world, "v1", "m").state == "added"
    assert not live(world)


def test_a_terminated_version_is_neither_added_nor_certified_again(world: EngineOfTest) -> None:
    add(world, "v1", "m")
    world.engine.ends.terminate("", ObjectRef("agent_version", "v1"))
    with pytest.raises(LifecycleRefused, match="is terminated"):
        add(world, "v1", "m")
    with pytest.raises(LifecycleRefused, match="is terminated"):
        certify(world, "v1")


# --- what is certified ------------------------------------------------------------------------------------------


def test_a_version_is_certified_until_a_time(world: EngineOfTest) -> None:
    add(world, "v1", "m")
    told = certify(world, "v1", days=1).told.version
    assert (told.state, told.certified_by) == ("certified", "service:audit")
    assert told == world.engine.inventory.agent("", "payer").versions[0]
    assert live(world)
    world.clock.advance_us(DAY_US - 1)
    assert live(world)
    world.clock.advance_us(1)
    assert not live(world)
    assert world.engine.inventory.agent("", "payer").versions[0].state == "added"


def test_certified_anew_the_later_word_counts(world: EngineOfTest) -> None:
    add(world, "v1", "m")
    certify(world, "v1", days=90)
    told = certify(world, "v1", days=1).told.version
    assert told.certified_until_us == world.clock.now_us() + DAY_US
    world.clock.advance_us(DAY_US)
    assert not live(world)


@pytest.mark.parametrize(("days", "error"), [(0, InvalidArgument), (-1, InvalidArgument), (400.00001, LimitExceeded)])
def test_the_time_is_to_come_and_not_far_away(world: EngineOfTest, days: float, error: type[Exception]) -> None:
    add(world, "v1", "m")
    with pytest.raises(error) as refused:
        certify(world, "v1", days)
    assert refused.value.field == "until"  # type: ignore[attr-defined]
    assert not live(world)
    certify(world, "v1", CERTIFIED_DAYS_MAX)


@pytest.mark.parametrize(
    ("owner", "principal"),
    [
        ("user:anne", "user:anne"),
        ("user:anne", "anne"),
        ("team:pay#member", "user:ben"),
        ("team:pay#member", "ben"),
        ("system:cron", "system:cron"),
        ("system:cron", "user:anne"),
    ],
)
def test_an_owner_does_not_certify(world: EngineOfTest, owner: str, principal: str) -> None:
    register(world, "own", owner)
    add(world, "v1", "m", agent="own")
    with pytest.raises(CertifierOwns, match=r"answers for `agent:own`"):
        certify(world, "v1", caller=Caller(principal))
    assert not live(world)
    certify(world, "v1", caller=Caller("carol@example.com"))


def test_who_left_the_team_in_the_same_breath_may(world: EngineOfTest) -> None:
    """What counts is who owns it when it is certified."""
    register(world, "own", "team:pay#member")
    add(world, "v1", "m", agent="own")
    world.write("delete team:core#member@user:ben")
    certify(world, "v1", caller=Caller("user:ben"))


def test_of_whom_it_cannot_be_told_that_they_own_nothing_they_do_not_certify(world: EngineOfTest) -> None:
    """A chain of teams that is not looked through to its end is no proof."""
    world.write("team:t0#member@user:anne")
    chain = [f"team:t{number}#member@team:t{number + 1}#member" for number in range(3_000)]
    for begin in range(0, len(chain), 1_000):
        world.write(*chain[begin : begin + 1_000])
    register(world, "own", "team:t0#member", "user:anne")
    add(world, "v1", "m", agent="own")
    with pytest.raises(CertifierOwns):
        certify(world, "v1", caller=Caller("user:carol"))


def test_what_is_not_there_or_not_registered_is_not_certified(world: EngineOfTest) -> None:
    with pytest.raises(ObjectUnknown, match="no version `v1`"):
        certify(world, "v1")
    with pytest.raises(ObjectUnknown, match="no version `v1`"):
        world.engine.versions.decertify("", "v1")
    add(world, "v1", "m")
    world.engine.ends.terminate("", ObjectRef("agent", "payer"))
    with pytest.raises(LifecycleRefused, match="`agent:payer` is terminated"):
        certify(world, "v1")


def test_a_certification_is_taken_away_whosever_it_is(world: EngineOfTest) -> None:
    add(world, "v1", "m")
    certify(world, "v1")
    world.write("agent_version:v1#certified@directory:other")
    assert world.engine.inventory.agent("", "payer").versions[0].certified_until_us is None
    told = world.engine.versions.decertify("", "v1", reason="a leak").told
    assert (told.state, told.certified_until_us, told.certified_by) == ("added", None, "")
    assert not live(world)
    assert world.engine.versions.decertify("", "v1").told.state == "added"


def test_a_certificate_is_given_once_however_often_it_is_asked_for(world: EngineOfTest) -> None:
    add(world, "v1", "m", key="a")
    assert add(world, "v1", "m", key="a").state == "added"
    first = certify(world, "v1", key="c").told
    again = certify(world, "v1", key="c").told
    assert (again.version, again.snapshot) == (first.version, None)
    world.engine.versions.decertify("", "v1")
    assert certify(world, "v1", key="c").told.version.state == "added"
    assert not live(world)


# --- what it could do that day ----------------------------------------------------------------------------------


def test_the_snapshot_is_what_runs_could_be_given_at_most(world: EngineOfTest) -> None:
    add(world, "v1", "m")
    for tool in ("tool:both", "tool:some", "tool:half", "tool:nobody"):
        world.write(*(tool + each for each in OFFERED))
    world.write("tool:half#may_use@agent:payer")
    world.write("tool:both#may_use@agent:payer", "tool:both#may_use@agent_version:v1", "tool:some#may_use@agent:payer")
    world.write('tool:some#may_use@agent_version:v1[arguments:{"amount":{"max":"10"}}]')
    world.write("dataset:d#classification@level:l", "dataset:d#domain@domain:retail")
    for link in ("agent:payer", "agent_version:v1"):
        world.write(f"dataset:d#reader@{link}", f"level:l#cleared@{link}")
    done = certify(world, "v1")
    snapshot = done.told.snapshot
    assert snapshot is not None
    assert (snapshot.tools, snapshot.datasets, snapshot.if_called, snapshot.complete) == (
        ("both", "some"), ("d",), (ObjectRef("tool", "some"),), True,
    )  # fmt: skip
    record = world.engine.records.read("", RecordKey("certification", ObjectRef("agent_version", "v1")))
    assert record is not None
    said = json.loads(record.record.document)
    assert said["could"] == {
        "complete": True, "datasets": ["d"], "if_called": ["tool:some"], "revision": done.revision - 1,
        "tools": ["both", "some"],
    }  # fmt: skip
    assert (said["by"], said["reason"]) == ("service:audit", "looked at")
    assert said["until"] == format_time(world.clock.now_us() + 90 * DAY_US)


def test_a_snapshot_that_is_cut_says_so(world: EngineOfTest) -> None:
    add(world, "v1", "m")
    for number in range(501):
        tool = f"tool:t{number:03}"
        world.write(
            *(tool + each for each in OFFERED), f"{tool}#may_use@agent:payer", f"{tool}#may_use@agent_version:v1"
        )
    snapshot = certify(world, "v1").told.snapshot
    assert snapshot is not None
    assert (len(snapshot.tools), snapshot.tools[0], snapshot.complete) == (500, "t000", False)


def test_a_snapshot_of_long_ids_fits_its_record(world: EngineOfTest) -> None:
    add(world, "v1", "m")
    for number in range(100):
        tool = f"tool:{number:03}{'x' * 1_000}"
        world.write(
            *(tool + each for each in OFFERED), f"{tool}#may_use@agent:payer", f"{tool}#may_use@agent_version:v1"
        )
    snapshot = certify(world, "v1").told.snapshot
    assert snapshot is not None
    assert not snapshot.complete
    assert 0 < len(snapshot.tools) < 100


def test_a_dry_run_certifies_nothing(world: EngineOfTest) -> None:
    add(world, "v1", "m")
    done = certify(world, "v1", dry_run=True)
    assert (done.token, done.told.version.state) == ("", "certified")
    assert not live(world)


def test_elsewhere_there_are_no_versions(engine: EngineOfTest) -> None:
    engine.schema("definition agent {}")
    with pytest.raises(AgentsNotInSchema):
        certify(engine, "v1")
