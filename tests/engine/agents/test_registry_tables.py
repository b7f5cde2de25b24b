"""Each cell of the tables of agents and versions, by doing it: what follows is what the table says, or a refusal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from remit.engine.agents.descriptions import Digests
from remit.engine.agents.lifecycles import ABSENT, AGENT, REFUSED, VERSION, Lifecycle
from remit.errors import LifecycleRefused, ObjectUnknown
from remit.model import ObjectRef, SubjectRef
from tests.support.engines import EngineOfTest

SCHEMA = 'use import\nimport "remit:agents@1"\n'
ANNE = SubjectRef("user", "anne")
DAY_US = 24 * 3600 * 1_000_000

Step = Callable[[EngineOfTest], object]


def register(id: str) -> Step:
    return lambda world: world.engine.registrations.register("", id, owners=[ANNE], domain="d")


def add(agent: str, id: str) -> Step:
    return lambda world: world.engine.versions.add("", agent, id, digests=Digests(model="m"))


def certify(id: str) -> Step:
    return lambda world: world.engine.versions.certify("", id, until_us=world.clock.now_us() + DAY_US)


def terminate(type: str) -> Step:
    return lambda world: world.engine.ends.terminate("", ObjectRef(type, "x"))


def written(*facts: str) -> Step:
    return lambda world: world.write(*facts)


TO_AGENT: dict[str, tuple[Step, ...]] = {
    "absent": (),
    "unregistered": (written("agent:x#owner@user:anne", "agent_version:v#version_of@agent:x"),),
    "registered": (register("x"), add("x", "v")),
    "terminated": (register("x"), add("x", "v"), terminate("agent")),
}
ON_AGENT: dict[str, Step] = {
    "RegisterAgent": register("x"),
    "ChangeAgent": lambda world: world.engine.registrations.change("", "x", owners=[ANNE]),
    "RetireAgent": lambda world: world.engine.registrations.retire("", "x"),
    "AddVersion": add("x", "w"),
    "Certify": certify("v"),
    "Terminate": terminate("agent"),
}
TO_VERSION: dict[str, tuple[Step, ...]] = {
    "absent": (register("a"),),
    "added": (register("a"), add("a", "x")),
    "certified": (register("a"), add("a", "x"), certify("x")),
    "terminated": (register("a"), add("a", "x"), certify("x"), terminate("agent_version")),
}
ON_VERSION: dict[str, Step] = {
    "AddVersion": add("a", "x"),
    "Certify": certify("x"),
    "Decertify": lambda world: world.engine.versions.decertify("", "x"),
    "Terminate": terminate("agent_version"),
}


def state_of(world: EngineOfTest, lifecycle: Lifecycle) -> str:
    inventory = world.engine.inventory
    try:
        found = inventory.agent("", "x" if lifecycle is AGENT else "a")
    except ObjectUnknown:
        return ABSENT
    if lifecycle is AGENT:
        return found.agent.state
    return next((each.state for each in found.versions if each.id == "x"), ABSENT)


TABLES = ((AGENT, TO_AGENT, ON_AGENT), (VERSION, TO_VERSION, ON_VERSION))


@pytest.mark.parametrize(
    ("lifecycle", "state", "event"),
    [(lifecycle, state, event) for lifecycle, _, _ in TABLES for state, event in lifecycle.cells],
    ids=lambda each: each.kind if isinstance(each, Lifecycle) else each,
)
def test_what_follows_is_what_the_table_says(
    engine: EngineOfTest, lifecycle: Lifecycle, state: str, event: str
) -> None:
    _, ways, events = next(each for each in TABLES if each[0] is lifecycle)
    engine.schema(SCHEMA)
    engine.write("user:anne#registered@directory:people", "domain:d#estate@estate:e")
    for step in ways[state]:
        step(engine)
    assert state_of(engine, lifecycle) == state
    facts = engine.facts()
    following = lifecycle.cells[state, event]
    if following == REFUSED:
        with pytest.raises((LifecycleRefused, ObjectUnknown)):
            events[event](engine)
        assert engine.facts() == facts
    else:
        events[event](engine)
        assert state_of(engine, lifecycle) == following
