"""Law: whatever is done to it, the native graph is the plain one; and what the store's rows say is in it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from remit.graph.native import NativeGraph
from remit.graph.plain import Graph
from remit.model import (
    PLAIN,
    CaveatUse,
    Change,
    ObjectRef,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
)
from remit.store.codec import encode_triple, encode_value, sort_key
from tests.support.native.worlds import needs_core

pytestmark = needs_core

BEFORE = b"\0\0\0\x03"  # what a key of the store has before its triple

IDS = st.sampled_from(("a", "b", "c", "*", "x" * 300, "é", "y" * 1024))
KEYS = st.builds(
    RelationshipKey,
    st.builds(ObjectRef, st.sampled_from(("doc", "group")), IDS),
    st.sampled_from(("viewer", "member")),
    st.builds(SubjectRef, st.sampled_from(("group", "user", "doc")), IDS, st.sampled_from(("", "", "member"))),
)
TIMES = st.none() | st.sampled_from((-(2**63), -1, 0, 127, 128, 2**31, 2**63 - 1))
CAVEATS = st.none() | st.builds(
    CaveatUse, st.sampled_from(("c", "d")), st.sampled_from(("{}", "{" + " " * 5_000 + "}"))
)
QUALIFIERS = st.just(PLAIN) | st.builds(Qualifiers, CAVEATS, TIMES, TIMES)


class GraphMachine(RuleBasedStateMachine):
    """One graph of each kind, changed alike."""

    def __init__(self) -> None:
        super().__init__()
        self.native = NativeGraph()
        self.plain = Graph()
        self.keys: set[RelationshipKey] = set()

    @rule(key=KEYS, qualifiers=QUALIFIERS)
    def add(self, key: RelationshipKey, qualifiers: Qualifiers) -> None:
        self.keys.add(key)
        for graph in (self.native, self.plain):
            graph.add(Relationship(*key, qualifiers))

    @rule(key=KEYS)
    def remove(self, key: RelationshipKey) -> None:
        for graph in (self.native, self.plain):
            graph.remove(key)

    @rule(data=st.data())
    def remove_what_is_there(self, data: st.DataObject) -> None:
        if there := sorted(each.key for each in self.plain.relationships()):
            self.remove(data.draw(st.sampled_from(there)))

    @rule(count=st.integers(100, 200), first=st.integers(0, 100), relation=st.sampled_from(("", "member")))
    def crowd(self, count: int, first: int, relation: str) -> None:
        """A node wide enough to be kept in another way, and a subject that many lead to."""
        for number in range(first, first + count):
            subject = SubjectRef("group", str(number), relation)
            self.add(RelationshipKey(ObjectRef("doc", "a"), "viewer", subject), PLAIN)
            self.add(
                RelationshipKey(ObjectRef("doc", str(number)), "viewer", SubjectRef("group", "a", relation)), PLAIN
            )

    @rule(count=st.integers(1, 20))
    def relate(self, count: int) -> None:
        """An object with more relations than are looked through one by one."""
        for number in range(count):
            self.add(RelationshipKey(ObjectRef("doc", "a"), f"r{number}", SubjectRef("user", "a")), PLAIN)

    @rule(data=st.data())
    def thin_out(self, data: st.DataObject) -> None:
        random = Random(data.draw(st.integers(0, 2**16)))
        for key in random.sample(sorted(each.key for each in self.plain.relationships()), len(self.plain) // 2):
            self.remove(key)

    @invariant()
    def they_are_the_same(self) -> None:
        self.native.check_invariants()
        assert len(self.native) == len(self.plain)
        held = {each.key: each.qualifiers for each in self.plain.relationships()}
        assert {each.key: each.qualifiers for each in self.native.relationships()} == held
        for key in self.keys:
            assert self.native.find(*key) == self.plain.find(*key)
        for node in {key[:2] for key in self.keys}:
            edges = list(self.native.edges(*node))
            assert edges == sorted(edges, key=lambda edge: edge[0].is_userset), "usersets come last"
            assert dict(edges) == dict(self.plain.edges(*node))
            assert dict(self.native.usersets(*node)) == dict(self.plain.usersets(*node))
        for subject in {key.subject for key in self.keys}:
            assert set(self.native.nodes_of(subject)) == set(self.plain.nodes_of(subject))


GraphMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
test_the_native_graph_is_the_plain_one = GraphMachine.TestCase


@settings(max_examples=40)
@given(st.lists(st.tuples(KEYS, QUALIFIERS), max_size=40), st.integers(0, 40))
def test_rows_of_the_store_are_loaded_as_they_were_written(
    facts: list[tuple[RelationshipKey, Qualifiers]], early: int
) -> None:
    """In two batches, the second of which has again what the first had, perhaps qualified otherwise."""
    batches = [dict(facts[:early]), dict(facts)]
    graph = NativeGraph()
    timed: list[tuple[RelationshipKey, int | None, int | None]] = []
    graph.load(((list(_rows(each)), len(BEFORE)) for each in batches), told=lambda *each: timed.append(each))
    graph.check_invariants()
    assert {each.key: each.qualifiers for each in graph.relationships()} == batches[-1]
    told = [(key, each.not_before_us, each.expiration_us) for batch in batches for key, each in batch.items()]
    assert sorted(timed, key=str) == sorted((each for each in told if each[1:] != (None, None)), key=str)


def _rows(held: dict[RelationshipKey, Qualifiers]) -> Iterator[tuple[bytes, bytes]]:
    for key, qualifiers in held.items():
        triple = encode_triple(*key)
        stored = StoredRelationship(Relationship(*key, qualifiers), Provenance("anne", "run-7", 2**40))
        yield BEFORE + sort_key(triple), encode_value(stored, triple)


def test_a_damaged_row_is_refused() -> None:
    key = BEFORE + b"doc\0a\0viewer\0user\0anne\0"
    for row in ((key, b""), (key, b"\x81\xa1a\x01"), (key[:-6], b"\x93\xa4anne\xa0\x01")):
        with pytest.raises(ValueError, match="cannot be read"):
            NativeGraph().load([([row], len(BEFORE))], told=lambda *timed: None)


def test_a_size_that_changes_under_a_reader_is_noticed() -> None:
    graph = NativeGraph(Relationship(ObjectRef("doc", "a"), "viewer", SubjectRef("user", str(n))) for n in range(500))
    edges = iter(graph.edges(ObjectRef("doc", "a"), "viewer"))
    next(edges)
    graph.remove(RelationshipKey(ObjectRef("doc", "a"), "viewer", SubjectRef("user", "7")))
    with pytest.raises(RuntimeError, match="was written"):
        list(edges)


def test_memory_is_given_back_to_what_comes_next() -> None:
    """What is added and removed again and again takes no more than it took once."""
    graph = NativeGraph()
    sizes = []
    for round in range(6):
        facts = [
            Relationship(ObjectRef("run", f"{round}-{n}"), "delegated_by", SubjectRef("user", f"{round}-{n % 50}"))
            for n in range(4_000)
        ]
        stored = [StoredRelationship(fact, Provenance("anne", "", 1)) for fact in facts]
        graph.apply(Change(None, each) for each in stored)
        graph.apply(Change(each, None) for each in stored)
        graph.check_invariants()
        sizes.append(graph.bytes())
    assert len(graph) == 0
    assert sizes[-1] < sizes[0] * 1.3
