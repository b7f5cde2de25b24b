"""ListAgents and DescribeAgent: whoever is known is listed, each once, as of one revision."""

from __future__ import annotations

import pytest

from remit.engine.agents.ceiling_record import Ceilings
from remit.engine.agents.descriptions import AgentState, Digests, VersionState
from remit.engine.cursors import decode_names_cursor, encode_names_cursor
from remit.errors import InvalidCursor, ObjectUnknown
from remit.model import ObjectRef
from remit.notation import parse_subject
from remit.store.port import StoreIdentity
from tests.support.engines import EngineOfTest

SCHEMA = 'use import\nimport "remit:agents@1"\n'
DAY_US = 24 * 3600 * 1_000_000


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write("user:anne#registered@directory:people", "domain:retail#estate@estate:acme")
    return engine


def register(world: EngineOfTest, id: str) -> None:
    world.engine.registrations.register("", id, owners=[parse_subject("user:anne")], domain="retail")


def listed(world: EngineOfTest, limit: int = 0) -> list[AgentState]:
    found: list[AgentState] = []
    cursor = ""
    while True:
        page = world.engine.inventory.agents("", limit=limit, cursor=cursor)
        found += page.agents
        cursor = page.next_cursor
        if not cursor:
            return found


def versions(world: EngineOfTest, limit: int = 0) -> list[VersionState]:
    found: list[VersionState] = []
    cursor = ""
    while True:
        page = world.engine.inventory.agent("", "payer", limit=limit, cursor=cursor)
        found += page.versions
        cursor = page.next_cursor
        if not cursor:
            return found


def test_whoever_is_known_is_listed_with_its_state(world: EngineOfTest) -> None:
    for id in ("payer", "over"):
        register(world, id)
    world.engine.registrations.change("", "payer", ceilings=Ceilings(depth_max=2, profiles=("p",)))
    world.engine.registrations.retire("", "over")
    world.write("tool:t#may_use@agent:shadow", "agent:owned#owner@user:gone")
    world.write("tool:t#denied@agent:*")
    assert [(each.id, each.state, each.is_owned) for each in listed(world)] == [
        ("over", "terminated", True),
        ("owned", "unregistered", False),
        ("payer", "registered", True),
        ("shadow", "unregistered", False),
    ]
    payer = listed(world)[2]
    assert (payer.domain, payer.ceilings) == (ObjectRef("domain", "retail"), Ceilings(depth_max=2, profiles=("p",)))


def test_an_owner_who_leaves_shows(world: EngineOfTest) -> None:
    register(world, "payer")
    world.write("delete user:anne#registered@directory:people")
    (payer,) = listed(world)
    assert (payer.state, payer.is_owned, [str(each) for each in payer.owners]) == ("registered", False, ["user:anne"])


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1_000])
def test_pages_come_to_the_same_list(world: EngineOfTest, limit: int) -> None:
    for number in range(7):
        register(world, f"a{number}")
        register(world, f"gone{number}")
        world.write(f"delete tool:t#may_use@agent:ghost{number}")
    assert [each.id for each in listed(world, limit)] == [each.id for each in listed(world)]
    assert len(listed(world, limit)) == 14


def test_what_no_relationship_names_any_more_is_not_listed(world: EngineOfTest) -> None:
    world.write("tool:t#may_use@agent:ghost")
    world.write("delete tool:t#may_use@agent:ghost")
    assert listed(world) == []
    with pytest.raises(ObjectUnknown, match="`agent:ghost`"):
        world.engine.inventory.agent("", "ghost")


def test_versions_are_told_with_the_end_of_their_certificates(world: EngineOfTest) -> None:
    register(world, "payer")
    for number in range(5):
        world.engine.versions.add("", "payer", f"v{number}", digests=Digests(model="m"))
    end = world.clock.now_us() + DAY_US
    world.engine.versions.certify("", "v3", until_us=end)
    world.write("agent_version:v9#version_of@agent:payer", "profile:p#holder@agent:payer")
    for limit in (1, 2, 5, 6, 0):
        assert [(each.id, each.state, each.certified_until_us) for each in versions(world, limit)] == [
            ("v0", "added", None),
            ("v1", "added", None),
            ("v2", "added", None),
            ("v3", "certified", end),
            ("v4", "added", None),
            ("v9", "added", None),
        ]


def test_a_page_is_of_one_revision_its_records_too(world: EngineOfTest) -> None:
    register(world, "payer")
    token = world.engine.inventory.agents("").token
    before = world.engine.inventory.agent("", "payer").agent
    world.engine.registrations.change("", "payer", ceilings=Ceilings(depth_max=1))
    assert world.engine.inventory.agents("").token != token
    assert world.engine.inventory.agent("", "payer").agent.ceilings == Ceilings(depth_max=1)
    assert before.ceilings == Ceilings()


def test_a_cursor_is_of_its_list_and_its_store(world: EngineOfTest) -> None:
    for id in ("a", "payer"):
        register(world, id)
    cursor = world.engine.inventory.agents("", limit=1).next_cursor
    with pytest.raises(InvalidCursor, match="another list"):
        world.engine.inventory.agent("", "payer", cursor=cursor)
    with pytest.raises(InvalidCursor, match="not a cursor"):
        world.engine.inventory.agents("", cursor="zzz")
    mine, other = StoreIdentity("s", b"1" * 16, 0), StoreIdentity("s", b"1" * 16, 1)
    place = encode_names_cursor("a", mine, "agents")
    assert decode_names_cursor(place, mine, "agents") == "a"
    with pytest.raises(InvalidCursor, match="another store"):
        decode_names_cursor(place, other, "agents")
