"""Law: a pin answers as the graph did when it was taken, and tells the edges of a node in the same order every time."""

from __future__ import annotations

import threading
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import StepBudgetSpent
from remit.graph import revisions as pinned
from remit.graph.plain import Graph
from remit.graph.revisions import PinnedGraph, Stride
from remit.model import (
    Change,
    ObjectRef,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
)
from remit.notation import parse_relationship
from tests.support.graphs import KEYS, QUALIFIERS, STEPS, Model, assert_reversed, graph_of, model_of

BY = Provenance("test", "", 1)
Written = list[tuple[RelationshipKey, Qualifiers | None]]
COMMITS = st.lists(st.dictionaries(KEYS, st.none() | QUALIFIERS, min_size=1, max_size=4).map(dict.items), max_size=6)


class Committing:
    """A graph that commits are applied to, as a snapshot does it."""

    def __init__(self, model: Model) -> None:
        self.model = dict(model)
        self.graph = graph_of(model)
        self.lock = threading.Lock()
        self.stride = Stride()

    def pin(self, undone_max: int = 1_000) -> PinnedGraph:
        with self.lock:
            return PinnedGraph(self.graph, self.lock, self.stride, undone_max)

    def commit(self, written: Written) -> None:
        changes = []
        for key, qualifiers in written:
            before, after = self._stored(key, self.model.get(key)), self._stored(key, qualifiers)
            if before is not None or after is not None:
                changes.append(Change(before, after))
            if qualifiers is None:
                self.model.pop(key, None)
            else:
                self.model[key] = qualifiers
        with self.lock:
            self.graph.apply(changes)
            self.stride = self.stride.made(tuple(changes))

    def _stored(self, key: RelationshipKey, qualifiers: Qualifiers | None) -> StoredRelationship | None:
        return None if qualifiers is None else StoredRelationship(Relationship(*key, qualifiers), BY)


def assert_is(pin: PinnedGraph, model: Model, key: RelationshipKey) -> None:
    """One look of each kind, at one triple and its node."""
    assert pin.find(*key) == model.get(key)
    node = {each: value for each, value in model.items() if each[:2] == key[:2]}
    edges = list(pin.edges(*key[:2]))
    assert dict(edges) == {each.subject: value for each, value in node.items()}
    assert len(edges) == len(node), "an edge is told twice"
    usersets = list(pin.usersets(*key[:2]))
    assert dict(usersets) == {each.subject: value for each, value in node.items() if each.subject.relation}
    assert len(usersets) == len(dict(usersets)), "a userset is told twice"
    assert_reversed(pin, model, key.subject)


@pytest.fixture(autouse=True)
def few_edges_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nodes of a few edges are read in pieces."""
    monkeypatch.setattr(pinned, "EDGES_AT_ONCE", 2)


@given(STEPS, COMMITS, st.data())
def test_a_pin_answers_as_the_graph_did_when_it_was_taken(
    steps: Written, commits: list[Written], data: st.DataObject
) -> None:
    """However looks and commits cross, and whenever it was taken."""
    shared = Committing(model_of(steps))
    pins = [(shared.pin(), dict(shared.model))]
    asked = st.sampled_from([key for key, _ in steps]) | KEYS if steps else KEYS
    for written in commits:
        pin, model = data.draw(st.sampled_from(pins))
        assert_is(pin, model, data.draw(asked))
        shared.commit(written)
        pins.append((shared.pin(), dict(shared.model)))
    for pin, model in pins:
        for key in {key for key, _ in steps} | {key for written in commits for key, _ in written}:
            assert_is(pin, model, key)


NODE = (ObjectRef("doc", "a"), "viewer")
ONE_NODE = st.sampled_from(
    [RelationshipKey(*NODE, SubjectRef("group", f"s{n}", "member" if n % 2 else "")) for n in range(10)]
)


@given(
    st.dictionaries(ONE_NODE, QUALIFIERS, min_size=4),
    st.lists(st.dictionaries(ONE_NODE, st.none() | QUALIFIERS, min_size=1), min_size=1, max_size=3),
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=4),
)
def test_a_node_reads_the_same_every_time_however_far_it_was_read_before(
    model: Model, commits: list[dict[RelationshipKey, Qualifiers | None]], readings: list[tuple[bool, int]]
) -> None:
    """Readings that stop early, and readings that go on while commits move the edges about, all see one order."""
    shared = Committing(model)
    pin = shared.pin()
    ways = {True: pin.edges, False: pin.usersets}
    begun = [(all_edges, iter(ways[all_edges](*NODE)), count) for all_edges, count in readings]
    heads = [(all_edges, list(islice(edges, count)), edges) for all_edges, edges, count in begun]
    for written in commits:
        shared.commit(list(written.items()))
        again = [(all_edges, list(islice(edges, 1)), edges) for all_edges, _, edges in heads]
        heads = [(way, head + more, edges) for (way, head, edges), (_, more, _) in zip(heads, again, strict=True)]
    for all_edges, head, edges in heads:
        assert head + list(edges) == list(ways[all_edges](*NODE))
    for key in model:
        assert_is(pin, model, key)


def test_of_a_wide_node_no_more_is_read_than_somebody_asks_for() -> None:
    class Counting(Graph):
        told = 0

        def edges(self, *node):  # type: ignore[no-untyped-def]
            for edge in super().edges(*node):
                self.told += 1
                yield edge

    graph = Counting(parse_relationship(f"doc:a#viewer@user:u{n}") for n in range(100))
    pin = PinnedGraph(graph, threading.Lock(), Stride(), 0)
    next(iter(pin.edges(*NODE)))
    next(iter(pin.edges(*NODE)))
    assert graph.told == 2
    assert len(list(pin.edges(*NODE))) == len(list(pin.edges(*NODE))) == 100
    assert graph.told == 100


def test_what_nobody_stands_before_is_forgotten() -> None:
    shared = Committing({})
    first = shared.stride
    pin = shared.pin()
    shared.commit([(parse_relationship("doc:a#viewer@user:u").key, Qualifiers())])
    last = shared.stride
    assert first.next is last and not last.changes
    assert_is(pin, {}, parse_relationship("doc:a#viewer@user:u").key)
    assert pin._stride is last, "the pin goes along, and holds nothing that it has undone"


def test_a_pin_that_would_have_to_undo_too_much_says_so_every_time() -> None:
    keys = [parse_relationship(f"doc:a#viewer@user:u{n}").key for n in range(3)]
    shared = Committing({})
    pin = shared.pin(undone_max=2)
    for key in keys[:2]:
        shared.commit([(key, Qualifiers())])
    assert pin.find(*keys[0]) is None
    shared.commit([(keys[2], Qualifiers())])
    for _ in range(2):
        with pytest.raises(StepBudgetSpent, match="not a no") as refused:
            pin.find(*keys[0])
        assert (refused.value.metadata["name"], refused.value.metadata["limit"]) == ("undone_max", "2")
    with pytest.raises(StepBudgetSpent):
        pin.edges(*keys[0][:2])
    with pytest.raises(StepBudgetSpent):
        pin.usersets(*keys[0][:2])
    with pytest.raises(StepBudgetSpent):
        pin.nodes_of(keys[0].subject)
