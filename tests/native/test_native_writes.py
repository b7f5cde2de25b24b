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
from tests.support.native.worlds import LargerWorlds, WideWorlds, cache_of, compare, needs_core
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


@pytest.mark.long
@pytest.mark.seeds(60, shards=4, fresh=True)
def test_the_core_lives_through_writes_on_fresh_seeds(seeds: Seeds) -> None:
    for seed in seeds:
        with cache_of((0, 64, 4096)[seed % 3]):
            live_through(seed, steps=200)
