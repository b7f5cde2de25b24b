"""Laws of the benchmark's worlds: what they expect is what Check answers, and a seed means one world for ever."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from bench.in_process import WrongAnswer
from bench.known_question import KnownQuestion
from bench.lists import PAGE, first_pages, pages, wholes
from bench.profile_world import CHAINS, ProfileWorld, conversation
from bench.profile_world import Sizes as ProfileSizes
from bench.run import in_requests
from bench.worlds import BULK, Sizes, World
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.language import compile_schema
from remit.model import ObjectRef, Operation, SubjectRef, Update, Verdict
from tests.support.engines import EngineOfTest

SMALL = Sizes(6_000, group_members=100, folder_depth=12, chain_depth=5, wide_groups=30, questions=400)
SEEDS = (1, 2, 3)
ASKED_OF_EACH = 150


@cache
def world_of(seed: int) -> World:
    return World(SMALL, seed)


def answers(world: World, questions: list[KnownQuestion]) -> Counter[tuple[Verdict, Verdict]]:
    """How often which verdict was expected and given."""
    schema, graph = compile_schema(world.schema).schema, Graph(world.relationships())
    evaluation = Evaluation(schema, graph, now_us=0)
    return Counter(
        (
            each.expected,
            evaluation.check(each.question.resource, each.question.permission, each.question.subject).verdict,
        )
        for each in questions
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_every_expected_verdict_is_what_check_answers(seed: int) -> None:
    world = world_of(seed)
    questions = [each for workload in world.workloads().values() for each in workload[:ASKED_OF_EACH]]
    questions += [each for bulks in world.bulks().values() for each in bulks[0]]
    counted = answers(world, questions)
    assert set(counted) == {(Verdict.YES, Verdict.YES), (Verdict.NO, Verdict.NO)}
    assert min(counted.values()) > ASKED_OF_EACH, "both answers are asked for, often"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_workload_asks_what_its_name_says(seed: int) -> None:
    for name, questions in world_of(seed).workloads().items():
        expected = {each.expected for each in questions}
        if name.endswith("denied"):
            assert expected == {Verdict.NO}, name
        elif name.endswith("allowed") or name == "hot pair":
            assert expected == {Verdict.YES}, name
        else:
            assert expected == {Verdict.NO, Verdict.YES}, name
    for name, bulks in world_of(seed).bulks().items():
        assert {len(bulk) for bulk in bulks} == {BULK}, name


def test_every_list_is_what_a_lookup_finds(tmp_path: Path) -> None:
    world = world_of(1)
    made = EngineOfTest("memory", tmp_path)
    made.schema(world.schema)
    for rows in in_requests(world.relationships(), 1_000):
        made.engine.relationships.write("", [Update(Operation.TOUCH, row) for row in rows])
    for name, lists in world.lists().items():
        assert all(each.ids for each in lists), name
        take = pages(made.engine, lists)
        for number in range(2 * sum(-(-len(each.ids) // PAGE) for each in lists)):
            take(number)  # raises WrongAnswer
    for lists, taking in ((world.first_pages(), first_pages), (world.whole_lists(), wholes)):
        for known in lists.values():
            take = taking(made.engine, known)
            for number in range(len(known) + 1):
                take(number)
            lacking = [each._replace(ids=each.ids[1:]) for each in known if each.ids]
            with pytest.raises(WrongAnswer):
                taking(made.engine, lacking)(0)
    made.engine.close()


def test_of_profiles_every_expected_verdict_is_what_check_answers() -> None:
    world = ProfileWorld(ProfileSizes(profiles=20, consents=20, runs=10))
    facts = list(world.relationships())
    assert len({fact.key for fact in facts}) == len(facts)
    schema, graph = compile_schema(world.schema).schema, Graph(facts)
    evaluation = Evaluation(schema, graph, now_us=0)
    for name, questions in world.workloads().items():
        assert len(questions) >= CHAINS // 3, name
        assert {each.expected for each in questions} == {
            Verdict.YES if name.endswith(("allowed", "given")) else Verdict.NO
        }
        for each in questions[:: len(questions) // 10]:
            asked = each.question
            found = evaluation.check(asked.resource, asked.permission, asked.subject).verdict
            assert found is each.expected, f"{name}: {asked}"


def test_a_run_below_a_run_is_four_facts_and_may_use_what_is_in_its_profile() -> None:
    world = ProfileWorld(ProfileSizes(profiles=10, consents=10, runs=0))
    below = conversation(1, ObjectRef("run", "consented-1"))
    assert len(below) == 4
    schema, graph = compile_schema(world.schema).schema, Graph([*world.relationships(), *below])
    evaluation = Evaluation(schema, graph, now_us=0)
    run = SubjectRef(*below[0].resource)
    assert evaluation.check(ObjectRef("tool", "t0"), "use", run).verdict is Verdict.YES
    assert evaluation.check(ObjectRef("tool", "t1"), "use", run).verdict is Verdict.NO


def test_what_is_served_is_a_workload() -> None:
    world = world_of(1)
    assert set(world.served()) < {*world.workloads(), *world.bulks(), *world.first_pages()}


@pytest.mark.parametrize("relationships", (5_000, 5_001, 5_002, 5_003, 5_004, 7_777))
def test_a_world_has_exactly_as_many_relationships_as_asked_for(relationships: int) -> None:
    keys = [each.key for each in World(Sizes(relationships, 100, 12, 5, 30, questions=400), seed=7).relationships()]
    assert len(keys) == len(set(keys)) == relationships


def test_a_seed_means_one_world() -> None:
    again = World(SMALL, 1)
    assert list(again.relationships()) == list(world_of(1).relationships())
    assert again.workloads() == world_of(1).workloads()
    assert again.bulks() == world_of(1).bulks()
    assert again.lists() == world_of(1).lists()
    assert set(again.relationships()) != set(world_of(2).relationships())


@pytest.mark.parametrize("relationships", (0, 300, 1_500))
def test_sizes_that_cannot_be_met_are_refused(relationships: int) -> None:
    with pytest.raises(ValueError, match="is too small"):
        World(Sizes(relationships, 100, 12, 5, 30, questions=400), seed=1)
