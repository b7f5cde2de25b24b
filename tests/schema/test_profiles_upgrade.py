"""From the agent schema before profiles to `remit:agents@1`: what was answered before is answered after each step.

So it is of the worlds of the old schema and of random organisations over it, now and at every time at which one of
their facts begins or ends."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from remit.cli.transfer.agents_upgrade import AFTER, Step, outlasting, plan, schema_before, steps_left
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import InvalidArgument
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.model import (
    Caller,
    ObjectRef,
    Operation,
    Qualifiers,
    Question,
    Relationship,
    RelationshipFilter,
    SubjectRef,
    Update,
    Verdict,
)
from remit.store.memory import MemoryStore
from remit.world import World
from tests.support import organisations
from tests.support.agent_worlds import NOW_US
from tests.support.organisations import Organisation
from tests.support.places import ROOT

WORLDS = sorted((ROOT / "tests" / "schema" / "before_profiles").glob("*.yaml"))
PERMISSIONS = {"tool": ("use", "granted"), "dataset": ("read", "granted")}
LINKS = ("user", "system", "run", "agent", "agent_version")

Answers = dict[tuple[ObjectRef, str, ObjectRef, int], bool]


@cache
def compiled(text: str) -> Schema:
    return compile_schema(text).schema


def answers(schema: Schema, graph: Graph, world: Organisation, times: list[int]) -> Answers:
    return {
        (resource, permission, link, at_us): evaluation.check(resource, permission, SubjectRef(*link)).verdict
        is Verdict.YES
        for at_us in times
        for evaluation in (Evaluation(schema, graph, now_us=at_us),)
        for resource in world.objects(*PERMISSIONS)
        for permission in PERMISSIONS[resource.type]
        for link in world.objects(*LINKS)
    }


def times_of(world: Organisation, now_us: int) -> list[int]:
    """Now, and when something begins or ends after it."""
    found = {now_us}
    for fact in world.facts:
        for at_us in (fact.qualifiers.not_before_us, fact.qualifiers.expiration_us):
            if at_us is not None and at_us >= now_us:
                found |= {at_us - 1, at_us} if at_us > now_us else {at_us}
    return sorted(found)


def walk(world: Organisation, now_us: int) -> Answers:
    """The steps over a graph, each judged; the answers, which are the same throughout."""
    graph, schema, times = Graph(world.facts), compiled(schema_before()), times_of(world, now_us)
    before = answers(schema, graph, world, times)
    for step in plan(world.facts, now_us):
        schema = compiled(step.schema) if step.schema else schema
        for fact in step.written:
            graph.add(fact)
        for key in step.deleted:
            graph.remove(key)
        after = answers(schema, graph, world, times)
        changed = [f"{question} is {after[question]}" for question in before if before[question] != after[question]]
        assert not changed, f"{step.title}: {changed[:3]}"
    assert schema.text == AFTER
    return before


@pytest.mark.parametrize("path", WORLDS, ids=lambda path: path.stem)
def test_every_world_of_the_old_schema_comes_along(path: Path) -> None:
    world = World.read(path)
    assert any(walk(Organisation(world.relationships), NOW_US).values())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(organisations.organisations())
def test_every_organisation_comes_along(world: Organisation) -> None:
    found = walk(world, organisations.NOW_US)
    event(f"{'some' if any(found.values()) else 'no'} yes")


@pytest.mark.parametrize("path", WORLDS, ids=lambda path: path.stem)
def test_a_store_takes_every_step_and_what_is_done_twice_is_done_once(path: Path) -> None:
    """With what a store refuses: facts without a place, two subjects where there is one, what is final."""
    if path.stem == "second-delegator":
        return  # no store takes it to begin with
    clock = ManualClock(NOW_US)
    engine, owner = Engine(MemoryStore(clock_us=clock.now_us), clock), Caller("owner", may_write_managed=True)
    engine.schemas.write("", schema_before())
    world = World.read(path)
    engine.relationships.write("", [Update(Operation.TOUCH, fact) for fact in world.relationships], caller=owner)
    steps = plan(world.relationships, NOW_US)
    for step in steps:
        for _ in range(2):
            do(engine, step, owner)
    assert engine.schemas.read("").text == AFTER
    left = [each.relationship for each in engine.relationships.read("", RelationshipFilter(), limit=1_000).items]
    assert not [fact for fact in left if fact.relation in ("intent", "without_intent")]
    for assertion in world.assertions:
        if assertion.permission in ("use", "read", "granted"):
            question = Question(assertion.resource, assertion.permission, assertion.subject)
            assert engine.questions.check("", question).verdict is assertion.expected, assertion.text
    engine.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data(), organisations.organisations(damages_max=1), st.sampled_from([1, 2]))
def test_an_intent_that_is_withdrawn_or_cut_short_on_the_way_stays_so(
    data: st.DataObject, world: Organisation, after: int
) -> None:
    """Between the reading of the facts and the change of the meaning, which opens nothing again, now or later."""
    now_us = organisations.NOW_US
    graph, steps = Graph(world.facts), plan(world.facts, now_us)
    old, new = compiled(steps[0].schema), compiled(steps[3].schema)
    for step in steps[1:3]:
        for fact in step.written:
            graph.add(fact)
        for key in step.deleted:
            graph.remove(key)
        if step is steps[after]:
            intents = [fact for fact in world.facts if fact.relation in ("intent", "without_intent")]
            for fact in data.draw(st.lists(st.sampled_from(intents), max_size=4, unique=True)) if intents else ():
                graph.remove(fact.key)
                if data.draw(st.booleans(), label="cut short"):
                    graph.add(replace(fact, qualifiers=Qualifiers(expiration_us=now_us + 5)))
    times = [*times_of(world, now_us), now_us + 4, now_us + 5]
    before = answers(old, graph, world, times)
    written, deleted = outlasting(list(graph.relationships()), now_us)
    for key in (*deleted, *(fact.key for fact in written)):
        graph.remove(key)
    for fact in written:
        graph.add(fact)
    event("something had to go" if written or deleted else "nothing had to go")
    assert answers(new, graph, world, times) == before


def do(engine: Engine, step: Step, owner: Caller) -> None:
    if step.schema:
        engine.schemas.write("", step.schema, caller=owner)
    for operation, facts in (
        (Operation.TOUCH, step.written),
        (Operation.DELETE, tuple(Relationship(*key) for key in step.deleted)),
    ):
        if facts:
            engine.relationships.write("", [Update(operation, fact) for fact in facts], caller=owner)


def test_equal_intents_become_one_profile_and_ends_stay() -> None:
    """Two runs about the same share a profile; what ended at a time is declared until then."""
    world = World.read(WORLDS[[path.stem for path in WORLDS].index("organisation")])
    written = plan(world.relationships, NOW_US)[1].written
    declared = {(str(fact.subject), fact.resource, fact.qualifiers) for fact in written if fact.relation == "declarer"}
    by_run = {run: (profile, ends) for run, profile, ends in declared}
    assert by_run["run:r-1"][0] != by_run["run:r-6"][0]
    assert by_run["run:r-22"][0] == by_run["run:r-41"][0]  # mail, both of them
    assert by_run["run:r-7"][1].expiration_us is not None
    assert len({profile for _, profile, _ in declared}) < len(declared)


def test_a_store_that_stopped_on_the_way_goes_on_where_it_stopped() -> None:
    facts = World.read(WORLDS[0]).relationships
    steps = plan(facts, NOW_US)
    for at, step in enumerate(steps):
        if step.schema:
            assert [each.title for each in steps_left(step.schema, facts, NOW_US)] == [
                each.title for each in steps[at + 1 :]
            ]
    assert steps_left(schema_before(), facts, NOW_US) == steps
    assert steps_left(f"// ours\n{schema_before()}", facts, NOW_US) == steps


def test_a_store_that_has_the_library_is_done_whatever_stands_beside_it() -> None:
    assert steps_left(AFTER, (), NOW_US) == ()
    ours = "caveat weekday(day int) { day < 6 }\ndefinition note { relation reader: user with weekday }\n"
    assert steps_left(AFTER + ours, (), NOW_US) == ()


@pytest.mark.parametrize(
    "text", ["definition user {}", schema_before().replace("permission actor = self", "permission actor = nil", 1)]
)
def test_another_schema_is_told_to_be_another(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not the agent schema before profiles"):
        steps_left(text, (), NOW_US)


def test_the_old_schema_is_still_what_it_was() -> None:
    """A store that has it goes on: nothing of it is renamed, and it takes no library to compile."""
    schema = compiled(schema_before())
    assert {"intent", "run", "tool", "dataset"} <= schema.definitions.keys()
    assert schema.expansion == schema_before()
    assert schema.definitions["tool"].relations["in_intent"].subject_types[0].type == "run"
