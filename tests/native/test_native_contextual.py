"""Law: with facts of a request laid over its graph, the core answers as `semantics.py` does of the relationships there
would be; and what one request brings, no other ever sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings

from remit.errors import StepBudgetSpent
from remit.eval import native
from remit.eval.expand import expand
from remit.eval.semantics import Evaluation
from remit.graph.native import NativeGraph
from remit.graph.overlay import Changed
from remit.language import compile_schema, plan
from remit.model import ObjectRef, Question, Relationship, SubjectRef, Verdict
from remit.notation import parse_question, parse_relationship, parse_subject, parse_time
from remit.world import World
from tests.support.engines import EngineOpener
from tests.support.native.worlds import (
    HubWorlds,
    LargerWorlds,
    Questions,
    WideWorlds,
    cache_of,
    compare,
    every_question,
    needs_core,
    split,
)
from tests.support.organisations import ACTION, Organisation, agents_schema, organisations
from tests.support.organisations import NOW_US as ORGANISATION_NOW_US
from tests.support.places import ROOT
from tests.support.random_worlds import NOW_US, OBJECTS, random_world
from tests.support.seeds import Seeds

pytestmark = needs_core

WORLDS = sorted((ROOT / "schema" / "worlds").glob("*.yaml"))
ASKED_AT_US = parse_time("2026-01-01T00:00:00Z")


# --- one meaning -------------------------------------------------------------------------------------------------


def requests_in_turn(
    random: Random,
    schema: plan.Schema,
    facts: Iterable[Relationship],
    asked: Questions,
    now_us: int,
    context: dict[str, object] | None = None,
) -> Counter[object]:
    """One graph, asked by requests with facts of their own, with other facts and with none, in turn."""
    stored, (first, second) = split(random, facts, requests=2)
    graph = NativeGraph(stored)
    native.install(graph, schema)
    counts: Counter[object] = Counter()
    for changed in (None, first, second, None, first):
        counts += compare(schema, graph, stored, asked, now_us, context, changed)
    graph.check_invariants()
    assert {each.key: each.qualifiers for each in graph.relationships()} == {
        each.key: each.qualifiers for each in stored
    }, "the graph is as it was"
    return counts


def judge_world(seed: int) -> Counter[object]:
    random = Random(seed)
    world = random_world(seed)
    strangers = [ObjectRef("doc", "unknown"), ObjectRef("run", "unknown")]
    asked = every_question(world.schema, [*OBJECTS, *strangers], [world.subject])
    asked = random.sample(asked, min(30, len(asked)))
    context = random.choice((None, world.context))
    return requests_in_turn(random, world.schema, world.relationships, asked, NOW_US, context)


def judge_larger_world(seed: int) -> Counter[object]:
    random = Random(seed)
    worlds = LargerWorlds(random, ids=random.choice((5, 14)))
    facts = {fact.key: fact for fact in (worlds.fact() for _ in range(random.randint(20, 110)))}
    return requests_in_turn(random, worlds.schema, facts.values(), worlds.questions(40), now_us=2)


def judge_wide_world(seed: int) -> Counter[object]:
    random = Random(seed)
    worlds = WideWorlds(random, caveats=random.random() < 0.3)
    facts = {fact.key: fact for fact in (worlds.fact() for _ in range(random.choice((60, 200))))}
    return requests_in_turn(random, worlds.schema, facts.values(), worlds.questions(40), now_us=2)


def judge_hub_world(seed: int) -> Counter[object]:
    random = Random(seed)
    worlds = HubWorlds(random, caveats=random.random() < 0.3)
    world = worlds.world()
    return requests_in_turn(random, world.schema, world.relationships, worlds.questions(40), NOW_US, world.context)


@pytest.mark.seeds(48)
@pytest.mark.parametrize("cached", [0, 4096])
def test_with_facts_of_a_request_the_core_answers_as_semantics_does(seeds: Seeds, cached: int) -> None:
    counts: Counter[object] = Counter()
    with cache_of(cached):
        for seed in seeds:
            counts += judge_world(seed)
            if seed % 4 == 0:
                counts += judge_larger_world(seed)
                counts += judge_wide_world(seed)
                counts += judge_hub_world(seed)
    for kind in (Verdict.NO, Verdict.YES, "NegativeCycle", "elsewhere"):
        seeds.require(counts[kind] >= 30, f"{kind} in {counts}")


@pytest.mark.long
@pytest.mark.seeds(500, shards=4, fresh=True)
def test_with_facts_of_a_request_the_core_answers_as_semantics_does_on_fresh_seeds(seeds: Seeds) -> None:
    counts: Counter[object] = Counter()
    for seed in seeds:
        with cache_of(seed % 2 * 4096):
            for judge in (judge_world, judge_larger_world, judge_wide_world, judge_hub_world):
                counts += judge(seed)
    print(counts)


@settings(max_examples=10)
@given(organisations())
def test_organisations_with_facts_of_a_request_are_judged_the_same(organisation: Organisation) -> None:
    asked = [
        (resource, ACTION[resource.type], SubjectRef(*link))
        for resource in organisation.objects("tool", "dataset")
        for link in organisation.objects("user", "system", "run", "agent", "agent_version")
    ]
    random = Random(len(organisation.facts))
    asked = random.sample(asked, min(20, len(asked)))
    requests_in_turn(random, agents_schema(), organisation.facts, asked, ORGANISATION_NOW_US)


@pytest.mark.parametrize("path", WORLDS, ids=lambda path: path.stem)
def test_worlds_hold_whoever_brings_their_facts(path: Path) -> None:
    """All of them by the request, over an empty graph; then a part."""
    world = World.read(path)
    facts = {each.key: each.qualifiers for each in world.relationships}
    for stored in ([], world.relationships[::2]):
        graph = NativeGraph(stored)
        native.install(graph, world.schema)
        for each in world.assertions:
            asked = [(each.resource, each.permission, each.subject)]
            compare(world.schema, graph, stored, asked, ASKED_AT_US, each.context, facts)


# --- what the graph alone says ------------------------------------------------------------------------------------

SCHEMA = compile_schema(
    """
    use delegation
    use expiration
    use self
    caveat small(x int) { x < 10 }
    definition user { permission live = self }
    definition run {
      relation boss: run | user
      permission live = self
    }
    definition group { relation member: user | run | group#member | user with small }
    definition team { relation member: user with expiration }
    definition doc {
      relation parent: doc
      relation banned: team#member
      relation viewer: user | user:* | user with small | user with expiration | group#member | run
      permission direct = viewer
      permission inherited = viewer + parent->inherited
      permission every = parent.all(direct)
      permission any = viewer.exists()
      permission chained = viewer.along(boss)
    }
    """
).schema


def changes(*lines: str) -> Changed:
    """Each a relationship, or after `-` one that is taken away."""
    parsed = [(line[0] != "-", parse_relationship(line.removeprefix("-"))) for line in lines]
    return {each.key: each.qualifiers if is_there else None for is_there, each in parsed}


def graph_of(*lines: str) -> NativeGraph:
    graph = NativeGraph(parse_relationship(line) for line in lines)
    native.install(graph, SCHEMA, 1)
    return graph


def verdict(graph: NativeGraph, question: str, changed: Changed | None = None) -> Verdict:
    answered = native.check(graph, *parse_question(question), now_us=NOW_US, changed=changed)
    assert answered is not None
    return answered.verdict


NO, YES = Verdict.NO, Verdict.YES
BEFORE, AFTER = "1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"  # of what ends then: over at NOW_US, or not yet

# Of each question what is stored, and what a request brings that turns NO into YES: mostly the first of its kind, or of
# whom the graph does not know.
TURNS = [
    ("doc:d#direct@user:a", [], ["doc:d#viewer@user:a"]),
    ("doc:d#direct@user:a", [], ["doc:d#viewer@user:*"]),
    ("doc:d#direct@user:a", ["doc:d#viewer@user:b"], ["doc:d#viewer@group:g#member", "group:g#member@user:*"]),
    (
        "doc:d#direct@user:a",
        ["doc:d#viewer@group:g#member"],
        ["group:g#member@group:h#member", "group:h#member@user:a"],
    ),
    ("doc:d#direct@user:a", ["group:g#member@user:a"], ["doc:d#viewer@group:g#member"]),
    ("doc:d#direct@group:g#member", [], ["doc:d#viewer@group:g#member"]),
    ("doc:d#direct@group:h#member", ["group:g#member@group:h#member"], ["doc:d#viewer@group:g#member"]),
    ("doc:d#direct@run:r", ["doc:d#viewer@user:a"], ["doc:d#viewer@run:r"]),
    ("doc:d#direct@user:a", [f"doc:d#viewer@user:a[expiration:{BEFORE}]"], ["doc:d#viewer@user:a"]),
    ("doc:d#direct@user:a", [], ['doc:d#viewer@user:a[small:{"x":3}]']),
    ("doc:d#direct@user:a", ['doc:d#viewer@user:a[small:{"x":30}]'], ['doc:d#viewer@user:a[small:{"x":3}]']),
    ("doc:d#inherited@user:a", ["doc:top#viewer@user:a"], ["doc:d#parent@doc:mid", "doc:mid#parent@doc:top"]),
    (
        "doc:d#every@user:a",
        ["doc:d#parent@doc:e", "doc:d#parent@doc:f", "doc:e#viewer@user:a"],
        ["-doc:d#parent@doc:f"],
    ),
    ("doc:d#every@user:a", ["doc:e#viewer@user:a"], ["doc:d#parent@doc:e"]),
    ("doc:d#any@user:a", [], ["doc:d#viewer@user:b"]),
    ("doc:d#chained@run:r", ["doc:d#viewer@run:r", "doc:d#viewer@user:a"], ["run:r#boss@user:a"]),
    (
        "doc:d#chained@run:r",
        ["doc:d#viewer@run:r"],
        ["run:r#boss@run:s", "run:s#boss@user:a", "doc:d#viewer@run:s", "doc:d#viewer@user:a"],
    ),
]


@pytest.mark.parametrize("cached", [0, 64])
@pytest.mark.parametrize(("question", "stored", "brought"), TURNS, ids=str)
def test_what_a_request_brings_counts_for_it_and_for_nobody_else(
    question: str, stored: list[str], brought: list[str], cached: int
) -> None:
    graph = graph_of(*stored)
    taken = changes(*(f"-{line}" for line in [*stored, *brought] if not line.startswith("-")))
    with cache_of(cached):
        for _ in range(2):
            assert verdict(graph, question) is NO
            assert verdict(graph, question, changes(*brought)) is YES
            assert verdict(graph, question, taken) is NO
    for fact in stored:
        graph.remove(parse_relationship(fact).key)
    assert verdict(graph, question, {**changes(*stored), **changes(*brought)}) is YES, "all of it by the request"
    assert verdict(graph, question) is NO


def test_a_closure_is_of_the_graph_and_stays_so() -> None:
    """Groups of the subject are remembered between requests: neither may they hide what one brings, nor tell of it."""
    stored = [f"doc:d#viewer@group:{n}#member" for n in range(40)] + [
        "group:7#member@user:a",
        "group:8#member@group:9#member",
    ]
    graph = graph_of(*stored, "group:50#member@group:51#member", "doc:e#parent@doc:d")
    a, b = "doc:d#direct@user:a", "doc:d#direct@user:b"
    for _ in range(2):
        assert (verdict(graph, a), verdict(graph, b)) == (YES, NO)
        assert verdict(graph, a, changes("-group:7#member@user:a")) is NO
        assert verdict(graph, a, changes("-doc:d#viewer@group:7#member")) is NO
        assert verdict(graph, b, changes("group:9#member@user:b")) is YES
        assert verdict(graph, b, changes("doc:d#viewer@group:60#member", "group:60#member@user:b")) is YES
        # Where nothing beneath is changed, groups are still met from the subject's side.
        answered = native.check(graph, *parse_question(b), now_us=NOW_US, changed=changes("doc:e#parent@doc:f"))
        assert answered is not None and (answered.verdict, answered.steps < 10) == (NO, True)


@pytest.mark.parametrize(("stored", "brought"), [(AFTER, BEFORE), (BEFORE, AFTER)], ids=["counts", "is over"])
def test_a_closure_made_over_changes_is_of_the_graph_all_the_same(stored: str, brought: str) -> None:
    """It is found while one is asked who brings something, and used for the next, who asks of what that changed."""
    lines = ["group:50#member@user:z", *(f"doc:d#viewer@group:{n}#member" for n in range(20))]
    lines += [f"doc:d#banned@team:{n}#member" for n in range(20)]
    graph = graph_of(*lines, f"team:1#member@user:a[expiration:{stored}]")
    expected = YES if stored == AFTER else NO
    changed = changes(f"team:1#member@user:a[expiration:{brought}]")
    assert verdict(graph, "doc:d#direct@user:a", changed) is NO
    assert verdict(graph, "doc:d#banned@user:a") is expected
    assert verdict(graph, "doc:d#banned@user:a", changed) is not expected
    assert verdict(graph, "doc:d#banned@user:a") is expected


def test_a_spent_budget_is_no_no_over_changes_too() -> None:
    graph = graph_of(*(f"doc:{n + 1}#parent@doc:{n}" for n in range(3_000)))
    changed = changes("doc:0#viewer@user:a")
    question = parse_question("doc:3000#inherited@user:a")
    answered = native.check(graph, *question, now_us=NOW_US, changed=changed)
    assert answered is not None and answered.verdict is YES
    with pytest.raises(StepBudgetSpent, match="within 100 steps"):
        native.check(graph, *question, now_us=NOW_US, steps_max=100, changed=changed)
    assert native.check(graph, *question, now_us=NOW_US, steps_max=answered.steps, changed=changed) == answered


@pytest.mark.parametrize("line", ["nothing:d#viewer@user:a", "doc:d#nothing@user:a", "doc:d#viewer@nothing:a"])
def test_an_unknown_name_among_the_changes_is_left_to_python(line: str) -> None:
    graph = graph_of("doc:d#viewer@user:a")
    question = parse_question("doc:d#direct@user:a")
    assert native.check(graph, *question, now_us=NOW_US, changed=changes(line)) is None
    assert verdict(graph, "doc:d#direct@user:a", changes(f"-{line}")) is YES, "it has no edge to take away"


def test_threads_with_other_facts_see_their_own() -> None:
    graph = graph_of(*(f"doc:d#viewer@group:{n}#member" for n in range(20)), "doc:e#parent@doc:d")
    asked = [parse_question(f"doc:e#inherited@user:{name}") for name in "abc"]

    def ask(name: str) -> None:
        brought = changes(f"group:1#member@user:{name}") if name else None
        for _ in range(300):
            together = native.check_many(graph, asked, now_us=NOW_US, changed=brought)
            for question, answered in zip(asked, together, strict=True):
                assert isinstance(answered, native.Answered)
                assert answered.verdict is (YES if question[2].id == name else NO)

    with ThreadPoolExecutor(4) as threads:
        for asking in [threads.submit(ask, name) for name in ("a", "b", "", "c")]:
            asking.result()


# --- through the engine -------------------------------------------------------------------------------------------


def test_an_engine_lets_the_core_answer_over_contextual_facts(
    open_engine: EngineOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_engine()
    world.schema(SCHEMA.text)
    world.write("doc:d#viewer@group:g#member")
    brought = [parse_relationship("group:g#member@user:a")]
    asked = [Question(*parse_question(f"doc:d#direct@user:{name}")) for name in "ab"]

    def never(*_: object) -> None:
        raise AssertionError("Python was asked")

    monkeypatch.setattr(Evaluation, "check", never)
    for _ in range(2):
        assert world.engine.questions.check("", asked[0], contextual=brought).verdict is YES
        assert world.engine.questions.check("", asked[0]).verdict is NO
        both = world.engine.questions.check_many("", asked, contextual=brought).results
        assert [getattr(each, "verdict", each) for each in both] == [YES, NO]


def test_an_expansion_shows_what_a_request_brings(open_engine: EngineOpener) -> None:
    """Whoever opens the sets: they are those that Check is answered by."""
    world = open_engine()
    world.schema(SCHEMA.text)
    world.write("doc:d#viewer@user:a")
    brought = [parse_relationship("doc:d#viewer@group:g#member"), parse_relationship("group:g#member@user:b")]
    resource = ObjectRef("doc", "d")
    found = world.engine.questions.expand("", resource, "direct", contextual=brought).expansion
    view = world.engine.views.of("", contextual=brought)
    assert found == expand(view.schema, view.graph, resource, "direct", now_us=view.now_us)
    assert (ObjectRef("group", "g"), "member") in [(each.resource, each.relation) for each in found.sets]
    assert len(world.engine.questions.expand("", resource, "direct").expansion.sets) < len(found.sets)


def test_what_the_core_leaves_over_contextual_facts_python_tells(open_engine: EngineOpener) -> None:
    world = open_engine()
    world.schema(SCHEMA.text)
    brought = [parse_relationship("doc:d#viewer@user:a[small]")]
    found = world.engine.questions.check("", Question(*parse_question("doc:d#direct@user:a")), contextual=brought)
    assert (found.verdict, found.missing) == (Verdict.CONDITIONAL, ("x",))
    subject = parse_subject("user:a")
    with_x = Question(ObjectRef("doc", "d"), "direct", subject, {"x": 3})
    assert world.engine.questions.check("", with_x, contextual=brought).verdict is YES
