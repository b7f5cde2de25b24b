"""Law: under any interleaving of writes, schemas, clocks and questions, with the cache on as with it off, the core
answers as a graph that is built anew, and as `semantics.py`."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from remit.eval import native
from remit.eval.native_plan import schema_of
from remit.graph.native import NativeGraph
from remit.language import compile_schema
from remit.model import (
    Change,
    ObjectRef,
    Provenance,
    Relationship,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
    Verdict,
)
from remit.notation import parse_question, parse_relationship
from tests.support.native.worlds import LargerWorlds, WideWorlds, cache_of, compare, dear_from, needs_core
from tests.support.seeds import Seeds

pytestmark = needs_core


def _stored(relationship: Relationship | None) -> StoredRelationship | None:
    return StoredRelationship(relationship, Provenance("anne", "", 1)) if relationship is not None else None


def live_through(seed: int, steps: int) -> Counter[object]:
    """Deltas of some changes each, and questions between them, among them always the same ones."""
    random = Random(seed)
    worlds = LargerWorlds(random, ids=6) if seed % 2 else WideWorlds(random)
    held: dict[RelationshipKey, Relationship] = {}
    graph = NativeGraph()
    native.install(graph, worlds.schema)
    asked_again = worlds.questions(8)
    counts: Counter[object] = Counter()
    now_us = 0
    for revision in range(1, steps):
        changes = []
        for _ in range(random.choice((0, 1, 1, 2, 5, 30))):
            fact = held[random.choice(sorted(held))] if held and random.random() < 0.4 else worlds.fact()
            key = fact.key
            after = None if key in held and random.random() < 0.7 else fact
            changes.append(Change(_stored(held.get(key)), _stored(after)))
            if after is None:
                held.pop(key, None)
            else:
                held[key] = after
        schema = None
        if random.random() < 0.1:
            worlds.change_schema()
            schema = worlds.schema
        graph.apply(changes, revision, schema_of(schema) if schema is not None else None)
        now_us = random.choice((now_us, now_us, now_us + 1, random.randrange(6)))
        questions = asked_again + worlds.questions(4)
        with dear_from(revision % 20):  # so that what is remembered was met from the subject's side, now and then
            native.check_many(graph, questions, now_us=now_us)
        counts += compare(worlds.schema, graph, held.values(), questions, now_us)
        rebuilt = NativeGraph(held.values())
        native.install(rebuilt, worlds.schema, revision)
        for question in questions:
            anew = native.check(rebuilt, *question, now_us=now_us)
            answered = native.check(graph, *question, now_us=now_us)
            assert (anew and anew[::2]) == (answered and answered[::2]), f"seed {seed}, revision {revision}: {question}"
        graph.check_invariants()
    return counts


@pytest.mark.seeds(4)
@pytest.mark.parametrize("cached", [0, 64, 4096])
def test_the_core_lives_through_writes_as_if_it_were_made_anew(seeds: Seeds, cached: int) -> None:
    counts: Counter[object] = Counter()
    with cache_of(cached):
        for seed in seeds:
            counts += live_through(seed, steps=60)
        hits, misses, _, _ = native.cache_stats()
    seeds.require(counts[Verdict.YES] >= 50 and counts[Verdict.NO] >= 50, counts)
    assert bool(hits) == bool(cached) and bool(misses) == bool(cached), "the cache is what was asked for"


def test_what_rests_on_the_schema_alone_is_forgotten_with_it() -> None:
    anne = ObjectRef("user", "anne")
    fact = Relationship(anne, "friend", SubjectRef(*anne))
    with cache_of(64):
        graph = NativeGraph([fact])
        for revision, (rule, expected) in enumerate((("self", Verdict.YES), ("nil", Verdict.NO)) * 2):
            schema = compile_schema(f"use self\ndefinition user {{ relation friend: user\n permission own = {rule} }}")
            native.install(graph, schema.schema, revision)
            for _ in range(2):
                answered = native.check(graph, anne, "own", SubjectRef(*anne), now_us=0)
                assert answered is not None and answered[::2] == (expected, revision)


FROM_THE_SUBJECT = {
    # Each a way to meet an answer from the subject's side: what is shared with, what is asked, and what makes it a yes.
    "a closure of relations": (
        "definition group { relation member: user | group#member }\n"
        "definition tool { relation holder: group#member\n permission use = holder }",
        "tool:saw#holder@group:{}#member\ngroup:{}#member@user:bob",
        "group:1999#member@user:anne",
    ),
    "a closure of permissions": (
        "definition group { relation member: user\n relation hold: user\n permission holds = member - hold }\n"
        "definition tool { relation holder: group#holds\n permission use = holder }",
        "tool:saw#holder@group:{}#holds\ngroup:{}#member@user:bob",
        "group:1999#member@user:anne",
    ),
    "targets of an arrow": (
        "definition group { relation member: user }\n"
        "definition tool { relation holder: group\n permission use = holder->member }",
        "tool:saw#holder@group:{}\ngroup:{}#member@user:bob",
        "group:1999#member@user:anne",
    ),
    "a walk that has become dear": (
        "definition group { relation member: user\n relation part: group\n permission all = member + part->all }\n"
        "definition lab { relation fellow: user\n relation wing: lab\n permission all = fellow + wing->all }\n"
        "definition tool { relation holder: group | lab\n permission use = holder->all }",
        "tool:saw#holder@group:{}\ngroup:{}#member@user:bob\ntool:saw#holder@lab:{}",
        "lab:1999#fellow@user:anne",
    ),
}


@pytest.mark.parametrize("way", FROM_THE_SUBJECT)
def test_a_no_met_from_the_subject_is_forgotten_when_what_was_not_looked_at_is_written(way: str) -> None:
    """Few of what the answer rests on are looked at, so what was looked at is not enough to tell when it changes."""
    definitions, shared, lets_in = FROM_THE_SUBJECT[way]
    lines = [line.replace("{}", str(number)) for line in shared.splitlines() for number in range(2_000)]
    facts = [*lines, "group:elsewhere#member@user:anne"]
    graph = NativeGraph(parse_relationship(line) for line in facts)
    native.install(graph, compile_schema(f"definition user {{}}\n{definitions}").schema)
    asked = parse_question("tool:saw#use@user:anne")
    fact = _stored(parse_relationship(lets_in))
    with cache_of(4096):
        for revision in range(1, 6):
            for _ in range(2):
                answered = native.check(graph, *asked, now_us=0)
                assert answered is not None and answered.steps < 1_000, "the walk from the tool takes thousands"
                assert answered.verdict is (Verdict.NO if revision % 2 else Verdict.YES)
            assert native.cache_stats()[0] == revision, "the second answer is a remembered one"
            change = Change(None, fact) if revision % 2 else Change(fact, None)
            graph.apply([change], revision, None)


@pytest.mark.long
@pytest.mark.seeds(60, shards=4, fresh=True)
def test_the_core_lives_through_writes_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        with cache_of((0, 64, 4096)[seed % 3]):
            live_through(seed, steps=200)
