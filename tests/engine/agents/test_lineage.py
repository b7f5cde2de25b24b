"""Who stands above a run, and who below: page by page the same as all at once, in rings and beyond any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.engine.agents.lineage import SHOWN_DEPTH_MAX, RunBelow
from remit.engine.agents.run_requests import SpawnOrder
from remit.errors import InvalidArgument, InvalidCursor, ObjectUnknown
from remit.model import ObjectRef
from remit.notation import parse_object
from tests.support.agent_world import FACTS, SCHEMA
from tests.support.engines import EngineOfTest

ANNE = parse_object("user:anne")


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write(*FACTS)
    return engine


def below(world: EngineOfTest, start: ObjectRef, limit: int = 0) -> list[RunBelow]:
    """Page by page."""
    found: list[RunBelow] = []
    cursor = ""
    while True:
        page = world.engine.lineage.subtree("", start, limit=limit, cursor=cursor)
        found += page.runs
        cursor = page.next_cursor
        if not cursor:
            return found


def walked(above: Mapping[str, str], start: str, depth: int = 1) -> Iterator[tuple[str, int]]:
    """The plain meaning: those below, by their ids, each before those below itself."""
    for run in sorted(each for each, over in above.items() if over == start):
        yield run, depth
        yield from walked(above, f"run:{run}", depth + 1)


@settings(max_examples=40, deadline=None)
@given(
    parents=st.lists(st.integers(0, 30), max_size=25),
    limit=st.integers(1, 9),
    start=st.integers(0, 25),
)
def test_pages_of_any_size_are_the_subtree(parents: list[int], limit: int, start: int) -> None:
    names = [f"{(n * 7) % 26:02d}" for n in range(len(parents))]
    above = {
        name: f"run:{names[parent % n]}" if n and parent else "user:anne"
        for n, (name, parent) in enumerate(zip(names, parents, strict=True))
    }
    world = EngineOfTest("memory", Path())
    world.schema(SCHEMA)
    world.write("user:anne#registered@directory:people", *(f"run:{run}#delegated_by@{on}" for run, on in above.items()))
    top = f"run:{names[start]}" if start < len(names) else "user:anne"
    expected = list(walked(above, top))
    for size in (limit, 0):
        assert [(each.run.id, each.depth) for each in below(world, parse_object(top), size)] == expected
    world.engine.close()


def test_a_page_goes_on_where_the_last_one_ended_whatever_came_and_went(world: EngineOfTest) -> None:
    world.write(*(f"run:{name}#delegated_by@user:anne" for name in ("b", "d", "f")))
    world.write("run:b1#delegated_by@run:b")
    first = world.engine.lineage.subtree("", ANNE, limit=2)
    assert [each.run.id for each in first.runs] == ["b", "b1"]
    world.write("delete run:b1#delegated_by@run:b", "delete run:b#delegated_by@user:anne")
    world.write("run:a#delegated_by@user:anne", "run:c#delegated_by@user:anne", "run:b2#delegated_by@run:b")
    rest = world.engine.lineage.subtree("", ANNE, cursor=first.next_cursor)
    assert [each.run.id for each in rest.runs] == ["b2", "c", "d", "f"]


def test_a_ring_ends_and_what_is_too_deep_is_told(world: EngineOfTest) -> None:
    world.write("run:a#delegated_by@run:b", "run:b#delegated_by@run:c", "run:c#delegated_by@run:a")
    assert [each.run.id for each in below(world, parse_object("run:a"), 1)] == ["c", "b"]
    assert len(world.engine.lineage.chain("", "a")) == SHOWN_DEPTH_MAX
    world.write("run:0#delegated_by@user:ben", *(f"run:{n}#delegated_by@run:{n - 1}" for n in range(1, 70)))
    for limit in (0, 1, 63, 64, 65):
        shown = below(world, parse_object("user:ben"), limit)
        assert [each.depth for each in shown] == list(range(1, SHOWN_DEPTH_MAX + 1))
        assert [each.is_cut for each in shown] == [False] * (SHOWN_DEPTH_MAX - 1) + [True]


def test_a_person_with_the_name_of_a_run_hides_none(world: EngineOfTest) -> None:
    world.write("run:anne#delegated_by@user:anne")
    assert [each.run.id for each in below(world, ANNE)] == ["anne"]


def test_a_chain_tells_of_each_link_whether_it_is_live_and_held(world: EngineOfTest) -> None:
    top = world.engine.runs.spawn("", SpawnOrder(ANNE, "payer.2", ["pay"])).told.run
    run = world.engine.runs.spawn("", SpawnOrder(top.object, "payer.2", ["pay"])).told.run
    world.engine.holds.hold("", top.object, reason="", id="h")
    links = world.engine.lineage.chain("", run.id)
    assert [str(each.object) for each in links] == [
        f"run:{run.id}", "agent_version:payer.2", "agent:payer",
        f"run:{top.id}", "agent_version:payer.2", "agent:payer", "user:anne",
    ]  # fmt: skip
    assert [str(each.object) for each in links if not each.is_live] == [f"run:{top.id}"]
    assert [each.holds for each in links if each.holds] == [("h",)]


def test_lists_are_of_whom_they_are_asked(world: EngineOfTest) -> None:
    spawn = world.engine.runs.spawn
    top = spawn("", SpawnOrder(ANNE, "payer.2", ["pay"])).told.run.object
    under = [spawn("", SpawnOrder(top, "payer.2", ["pay"])).told.run.id for _ in range(12)]
    for id in under[:11]:
        world.engine.ends.terminate("", ObjectRef("run", id))
    lineage = world.engine.lineage

    def listed(**asked: object) -> list[str]:
        found, cursor = [], ""
        while True:
            page = lineage.runs("", limit=1, cursor=cursor, **asked)  # type: ignore[arg-type]
            found += [each.id for each in page.runs]
            cursor = page.next_cursor
            if not cursor:
                return found

    assert listed() == sorted([top.id, *under])
    assert listed(delegator=top) == sorted(under)
    assert sorted(listed(version="payer.2", living=True)) == sorted([top.id, under[11]])
    assert listed(delegator=ANNE, version="payer.1") == []


def test_what_is_asked_wrongly_is_told(world: EngineOfTest) -> None:
    lineage = world.engine.lineage
    with pytest.raises(ObjectUnknown):
        lineage.chain("", "r-9")
    with pytest.raises(ObjectUnknown):
        lineage.describe("", "payer")
    with pytest.raises(InvalidArgument, match="`agent:payer`"):
        lineage.subtree("", parse_object("agent:payer"))
    world.write("run:a#delegated_by@user:anne", "run:b#delegated_by@user:anne")
    cursor = lineage.subtree("", ANNE, limit=1).next_cursor
    for wrong in ("x", cursor[:-3], lineage.runs("", limit=1).next_cursor):
        with pytest.raises(InvalidCursor):
            lineage.subtree("", ANNE, cursor=wrong)
    with pytest.raises(InvalidCursor, match="user:anne"):
        lineage.subtree("", parse_object("user:ben"), cursor=cursor)
    with pytest.raises(InvalidCursor):
        lineage.runs("", cursor=cursor)
