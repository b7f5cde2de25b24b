"""Law 1 for the native core: whatever it answers, `semantics.py` answers the same; what it leaves to Python hangs on a
caveat, is undefined, or names what the schema does not know."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings

from bench.profile_world import ProfileWorld, Sizes
from remit.errors import Cancelled, StepBudgetSpent
from remit.eval import native
from remit.eval.semantics import Evaluation
from remit.graph.native import NativeGraph
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.model import ObjectRef, Relationship, SubjectRef, Verdict
from remit.notation import parse_question, parse_relationship, parse_time
from remit.world import World
from tests.support.native.worlds import (
    WORLD_FILES,
    HubWorlds,
    LargerWorlds,
    WideWorlds,
    cache_of,
    compare,
    every_question,
    needs_core,
)
from tests.support.organisations import ACTION, Organisation, agents_schema, organisations
from tests.support.organisations import NOW_US as ORGANISATION_NOW_US
from tests.support.profile_organisations import STAGES, profile_organisations, profiles_schema
from tests.support.random_worlds import NOW_US, OBJECTS, random_world
from tests.support.seeds import Seeds

pytestmark = needs_core

ASKED_AT_US = parse_time("2026-01-01T00:00:00Z")


def judge_world(seed: int) -> Counter[object]:
    world = random_world(seed)
    graph = NativeGraph(world.relationships)
    native.install(graph, world.schema)
    graph.check_invariants()
    asked = every_question(world.schema, OBJECTS, [world.subject])
    Random(seed).shuffle(asked)
    counts = compare(world.schema, graph, world.relationships, asked, NOW_US)
    if world.context:
        counts += compare(world.schema, graph, world.relationships, asked, NOW_US, world.context)
    for each in world.relationships:
        if each.qualifiers.caveat is not None:
            answered = native.check(
                graph, each.resource, each.relation, each.subject, now_us=NOW_US, context=world.context
            )
            counts["with a caveat, answered" if answered is not None else "with a caveat, left"] += 1
    return counts


@pytest.mark.seeds(150)
@pytest.mark.parametrize("cached", [0, 4096])
def test_the_core_answers_as_semantics_does(seeds: Seeds, cached: int) -> None:
    counts: Counter[object] = Counter()
    with cache_of(cached):
        for seed in seeds:
            counts += judge_world(seed)
    for kind in (Verdict.NO, Verdict.YES, "NegativeCycle", "elsewhere", "with a caveat, answered"):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")


def judge_larger_world(seed: int) -> Counter[object]:
    worlds = LargerWorlds(Random(seed))
    facts = list({fact.key: fact for fact in (worlds.fact() for _ in range(worlds.random.randint(20, 110)))}.values())
    graph = NativeGraph(facts)
    native.install(graph, worlds.schema)
    return compare(worlds.schema, graph, facts, worlds.questions(60), now_us=2)


@pytest.mark.seeds(120)
def test_long_circles_mean_the_same(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_larger_world(seed)
    assert not counts["elsewhere"], "without caveats only what is undefined is left to Python"
    for kind in (Verdict.NO, Verdict.YES, "NegativeCycle"):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")


def judge_wide_world(seed: int) -> Counter[object]:
    random = Random(seed)
    worlds = WideWorlds(random, caveats=random.random() < 0.3)
    facts = list({fact.key: fact for fact in (worlds.fact() for _ in range(random.choice((60, 200))))}.values())
    graph = NativeGraph(facts)
    native.install(graph, worlds.schema)
    return compare(worlds.schema, graph, facts, worlds.questions(80), now_us=2)


@pytest.mark.seeds(60)
def test_what_is_shared_with_many_is_met_from_the_subject_and_means_the_same(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_wide_world(seed)
    for kind in (Verdict.NO, Verdict.YES, "elsewhere"):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")


def judge_hub_world(seed: int) -> Counter[object]:
    random = Random(seed)
    worlds = HubWorlds(random, caveats=random.random() < 0.3)
    world = worlds.world()
    graph = NativeGraph(world.relationships)
    native.install(graph, world.schema)
    graph.check_invariants()
    return compare(world.schema, graph, world.relationships, worlds.questions(60), NOW_US, world.context)


@pytest.mark.seeds(160, shards=2)
def test_what_much_leads_from_is_met_from_the_subject_and_means_the_same(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        counts += judge_hub_world(seed)
    for kind in (Verdict.NO, Verdict.YES, "NegativeCycle", "elsewhere"):
        seeds.require(counts[kind] >= 3, f"{kind} in {counts}")


def test_a_relation_of_many_usersets_costs_what_the_subject_is_in() -> None:
    schema = compile_schema(
        """
        definition user {}
        definition group { relation member: user | group#member }
        definition doc { relation viewer: group#member }
        """
    ).schema
    facts = [parse_relationship(f"doc:a#viewer@group:{n}#member") for n in range(5_000)]
    facts += [parse_relationship(f"group:{n}#member@user:anne") for n in (7, 5_001)]
    facts += [parse_relationship(f"group:{n}#member@user:bob") for n in range(5_001, 5_010)]
    graph = NativeGraph(facts)
    native.install(graph, schema)
    with cache_of(0):
        for name, expected in (("anne", Verdict.YES), ("bob", Verdict.NO), ("nobody", Verdict.NO)):
            answered = native.check(graph, ObjectRef("doc", "a"), "viewer", SubjectRef("user", name), now_us=0)
            assert answered is not None and answered.verdict is expected
            assert answered.steps < 50


def test_whoever_is_in_too_much_is_so_however_often_they_are_asked_about() -> None:
    """Of a hundred profiles, each held by a name of its own, a person may have two permissions: more than a narrow
    relation looks at. A circle asks its goals again, and has to be told the same."""
    schema = compile_schema(
        """
        definition user {}
        definition group { relation member: user | group#member }
        definition profile {
          relation viewer: user
          relation holder: user
          permission holds = holder
          permission declares = holder
        }
        definition doc {
          relation shown: profile#viewer | profile#holds | profile#declares
          relation team: group
          relation parent: doc
          permission view = team->member + parent->view
        }
        """
    ).schema
    facts = [f"profile:{n}#holder@user:anne\ndoc:else#shown@profile:{n}#viewer" for n in range(100)]
    facts += ["doc:else#shown@profile:none#holds\ndoc:else#shown@profile:none#declares"]
    facts += ["group:a#member@group:b#member\ngroup:b#member@group:c#member\ngroup:c#member@user:bob"]
    facts += ["doc:1#team@group:a\ndoc:1#parent@doc:2\ndoc:2#parent@doc:1"]
    graph = NativeGraph(parse_relationship(line) for lines in facts for line in lines.splitlines())
    native.install(graph, schema)
    with cache_of(0):
        for name, expected in (("anne", Verdict.NO), ("bob", Verdict.YES)):
            answered = native.check(graph, ObjectRef("doc", "1"), "view", SubjectRef("user", name), now_us=0)
            assert answered is not None and answered.verdict is expected


def test_ten_thousand_profiles_on_a_tool_and_as_many_consents_cost_what_ten_do() -> None:
    costs = []
    for count in (10, 10_000):
        world = ProfileWorld(Sizes(profiles=count, consents=count, runs=5_000))
        graph = NativeGraph(world.relationships())
        native.install(graph, compile_schema(world.schema).schema)
        steps: Counter[str] = Counter()
        with cache_of(0):
            for name, questions in world.workloads().items():
                for asked, expected in questions:
                    found = native.check(graph, asked.resource, asked.permission, asked.subject, now_us=0)
                    assert found is not None and found.verdict is expected, asked
                    steps[name] += found.steps
        costs.append(steps)
    few, many = costs
    assert all(many[name] <= 1.01 * few[name] for name in few), costs


CREWS = compile_schema(
    """
    caveat weekday(day int) { day < 6 }
    definition agent {
      relation delegate: agent
      permission acting = delegate + delegate->acting
    }
    definition crew {
      relation member: agent | agent with weekday | agent#acting
      relation barred: agent
      relation part: crew
      permission everyone = member + part->everyone
      permission trusted = everyone - barred
    }
    definition tool {
      relation holder: crew#everyone | crew#trusted
      relation box: tool
      permission use = holder + box->use
      permission use_alone = use - barred
      relation barred: agent
    }
    """
).schema


def test_a_walk_through_thousands_is_met_from_the_subject() -> None:
    """Tools that a crew of two thousand families holds; whoever is asked about is in one of them, or in none."""
    facts = [f"agent:{n}-0#delegate@agent:{n}-1\nagent:{n}-1#delegate@agent:{n}-2" for n in range(2_001)]
    facts += [f"crew:{n}#member@agent:{n}-0\ncrew:{n}#member@agent:{n}-0#acting" for n in range(2_000)]
    facts += [f"crew:all#part@crew:{n}" for n in range(2_000)]
    facts += ["tool:box#holder@crew:all#everyone", "tool:saw#box@tool:box", "tool:saw#barred@agent:1-2"]
    facts += ["tool:axe#holder@crew:all#trusted", "crew:all#barred@agent:7-1"]
    facts += ['crew:1#member@agent:2000-1[weekday:{"day":7}]', "crew:2#member@agent:2000-2[weekday:{}]"]
    relationships = [parse_relationship(line) for lines in facts for line in lines.splitlines()]
    graph = NativeGraph(relationships)
    native.install(graph, CREWS)
    yes, no = Verdict.YES, Verdict.NO
    expected = {
        "tool:saw#use@agent:1999-2": yes,
        "tool:saw#use@agent:2000-0": no,
        "tool:saw#use@agent:2000-1": no,  # as of a Sunday
        "tool:saw#use@agent:2000-2": None,  # hangs on the day
        "tool:saw#use@agent:nobody": no,
        "tool:saw#use_alone@agent:1-2": no,
        "tool:saw#use_alone@agent:1-1": yes,
        "tool:axe#use@agent:7-1": no,
        "tool:axe#use@agent:7-2": yes,
        "tool:axe#use@agent:2000-0": no,
        "crew:all#everyone@agent:3-1": yes,
        "crew:all#trusted@agent:2000-0": no,
    }
    evaluation = Evaluation(CREWS, Graph(relationships), now_us=0)
    with cache_of(0):
        for text, verdict in expected.items():
            question = parse_question(text)
            if verdict is None:
                assert native.check(graph, *question, now_us=0) is None
                continue
            assert evaluation.check(*question).verdict is verdict
            answered = native.check(graph, *question, now_us=0, steps_max=1_500)
            assert answered is not None and answered.verdict is verdict, text


@pytest.mark.long
@pytest.mark.seeds(5_000, shards=4, fresh=True)
def test_the_core_answers_as_semantics_does_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        judge_world(seed)
        judge_larger_world(seed)
        judge_wide_world(seed)
        judge_hub_world(seed)


@settings(max_examples=25)
@given(organisations())
def test_organisations_are_judged_the_same(organisation: Organisation) -> None:
    graph = NativeGraph(organisation.facts)
    native.install(graph, agents_schema())
    asked = [
        (resource, ACTION[resource.type], SubjectRef(*link))
        for resource in organisation.objects("tool", "dataset")
        for link in organisation.objects("user", "system", "run", "agent", "agent_version")
    ]
    counts = compare(agents_schema(), graph, organisation.facts, asked, ORGANISATION_NOW_US)
    assert not counts["elsewhere"]


@settings(max_examples=15)
@given(profile_organisations())
def test_organisations_with_profiles_are_judged_the_same(organisation: Organisation) -> None:
    """Of the whole and of one of its stages each."""
    graph = NativeGraph(organisation.facts)
    native.install(graph, profiles_schema())
    asked = [
        (resource, permission, SubjectRef(*link))
        for resource in organisation.objects("tool", "dataset")
        for permission in (ACTION[resource.type], *STAGES[resource.type])
        for link in organisation.objects("user", "system", "run", "agent", "agent_version")
    ]
    counts = compare(profiles_schema(), graph, organisation.facts, asked, ORGANISATION_NOW_US)
    assert not counts["elsewhere"]


@pytest.mark.parametrize("path", WORLD_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_worlds_hold_in_the_core(path: Path) -> None:
    world = World.read(path)
    graph = NativeGraph(world.relationships)
    native.install(graph, world.schema)
    graph.check_invariants()
    for each in world.assertions:
        asked = [(each.resource, each.permission, each.subject)]
        compare(world.schema, graph, world.relationships, asked, ASKED_AT_US, each.context)


# --- what is no answer -------------------------------------------------------------------------------------------

FOLDERS = compile_schema(
    """
    definition user {}
    definition folder {
      relation parent: folder
      relation viewer: user | folder#view
      permission view = viewer + parent->view
    }
    """
).schema
ANNE = SubjectRef("user", "anne")


def chain(depth: int, top: str = "folder:0#viewer@user:anne") -> list[Relationship]:
    facts = [parse_relationship(f"folder:{number + 1}#parent@folder:{number}") for number in range(depth)]
    return [parse_relationship(top), *facts]


def folders(depth: int) -> NativeGraph:
    graph = NativeGraph(chain(depth))
    native.install(graph, FOLDERS, revision=7)
    return graph


def test_a_spent_budget_is_no_no() -> None:
    graph = folders(1_000)
    deepest = ObjectRef("folder", "1000")
    with cache_of(0):
        answered = native.check(graph, deepest, "view", ANNE, now_us=0)
        assert answered is not None
        verdict, steps, revision = answered
        assert (verdict, revision) == (Verdict.YES, 7)
        for steps_max in (1, 100, 2_500, steps - 1):
            with pytest.raises(StepBudgetSpent) as spent:
                native.check(graph, deepest, "view", ANNE, now_us=0, steps_max=steps_max)
            assert f"within {steps_max} steps" in spent.value.message
        assert native.check(graph, deepest, "view", ANNE, now_us=0, steps_max=steps) == answered


def test_who_runs_out_of_steps_takes_nobody_from_the_groups_they_are_in() -> None:
    """Of so many, some share a place in the memory of closures: what is begun there and given up is of neither."""
    schema = compile_schema(
        "definition user {}\ndefinition group { relation member: user }\ndefinition doc {\n"
        "relation viewer: user\nrelation banned: group#member\npermission view = viewer - banned\n}"
    ).schema
    users, groups = range(200), range(20)
    lines = [f"group:{user % 20}#member@user:{user}" for user in users]
    for doc in range(3):
        lines += [f"doc:{doc}#banned@group:{group}#member" for group in groups]
        lines += [f"doc:{doc}#viewer@user:{user}" for user in users]
    graph = NativeGraph([parse_relationship(line) for line in lines])
    native.install(graph, schema)
    asked = parse_question("doc:0#view@user:0")
    spent = 0
    with cache_of(0):
        for user in users[1:]:
            before = native.check(graph, *asked, now_us=0)
            try:
                native.check(graph, *parse_question(f"doc:1#view@user:{user}"), now_us=0, steps_max=3)
            except StepBudgetSpent:
                spent += 1
            after = native.check(graph, *asked, now_us=0)
            assert before is not None and after is not None
            assert before.verdict is after.verdict is Verdict.NO
    assert spent > 100


def test_a_spent_item_leaves_the_others_their_answers() -> None:
    graph = folders(1_000)
    asked = [(ObjectRef("folder", id), "view", ANNE) for id in ("3", "1000", "4")]
    first, spent, last = native.check_many(graph, asked, now_us=0, steps_max=100)
    assert isinstance(spent, StepBudgetSpent)
    assert isinstance(first, native.Answered) and isinstance(last, native.Answered)
    assert (first.verdict, last.verdict) == (Verdict.YES, Verdict.YES)


def test_who_no_longer_waits_is_heard_and_the_next_is_answered() -> None:
    graph = folders(40_000)
    asked = 0

    def interrupt() -> None:
        nonlocal asked
        asked += 1
        raise Cancelled("the caller has gone away")

    with cache_of(0):
        deepest = ObjectRef("folder", "40000")
        with pytest.raises(Cancelled):
            native.check(graph, deepest, "view", ANNE, now_us=0, interrupt=interrupt)
        assert asked == 1
        answered = native.check(graph, deepest, "view", ANNE, now_us=0, interrupt=lambda: None)
    assert answered is not None and answered.verdict is Verdict.YES


@pytest.mark.parametrize(
    "question",
    [
        (ObjectRef("nothing", "a"), "view", ANNE),
        (ObjectRef("folder", "0"), "nothing", ANNE),
        (ObjectRef("folder", "0"), "view", SubjectRef("nothing", "a")),
        (ObjectRef("folder", "0"), "view", SubjectRef("folder", "0", "nothing")),
    ],
    ids=str,
)
def test_an_unknown_name_is_left_to_python(question: tuple[ObjectRef, str, SubjectRef]) -> None:
    assert native.check(folders(1), *question, now_us=0) is None


def test_without_a_schema_everything_is_left_to_python() -> None:
    assert native.check(NativeGraph(chain(1)), ObjectRef("folder", "0"), "view", ANNE, now_us=0) is None


def test_depth_is_no_limit() -> None:
    answered = native.check(folders(20_000), ObjectRef("folder", "20000"), "view", ANNE, now_us=0)
    assert answered is not None and answered.verdict is Verdict.YES


def test_a_ring_costs_what_is_in_it() -> None:
    """Every goal of a cycle is settled once, so asking all of a ring costs little more than asking one of it."""
    size = 2_000
    ring = [parse_relationship(f"folder:{n}#parent@folder:{(n + 1) % size}") for n in range(size)]
    graph = NativeGraph([*ring, *(parse_relationship(f"folder:{n}#viewer@folder:0#view") for n in range(size))])
    native.install(graph, FOLDERS)
    asked = [(ObjectRef("folder", str(n)), "view", ANNE) for n in range(size)]
    with cache_of(0):
        answers = native.check_many(graph, asked, now_us=0)
    assert all(isinstance(each, native.Answered) and each.verdict is Verdict.NO for each in answers)
    assert sum(each.steps for each in answers if isinstance(each, native.Answered)) < 60 * size
