"""Law: the graph is a dictionary of triples, read forward and backward; the native one is the same dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given

from remit.graph.native import NativeGraph, available
from remit.graph.plain import Graph
from remit.model import (
    Change,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipKey,
    StoredRelationship,
)
from tests.support.graphs import STEPS, Model, model_of

GRAPHS = pytest.mark.parametrize("kind", [Graph, NativeGraph] if available() else [Graph])
AnyGraph = Graph | NativeGraph


def assert_same(graph: AnyGraph, model: Model, asked: set[RelationshipKey]) -> None:
    graph.check_invariants()
    assert len(graph) == len(model)
    assert {each.key: each.qualifiers for each in graph.relationships()} == model
    for key in asked:
        assert graph.find(*key) == model.get(key)
    for resource, relation in {key[:2] for key in asked}:
        edges = {key.subject: model[key] for key in model if key[:2] == (resource, relation)}
        assert list(graph.edges(resource, relation)) == [*_sorted_by_kind(graph.edges(resource, relation))]
        assert dict(graph.edges(resource, relation)) == edges
        assert dict(graph.usersets(resource, relation)) == {s: q for s, q in edges.items() if s.is_userset}
    for subject in {key.subject for key in asked}:
        assert set(graph.nodes_of(subject)) == {key[:2] for key in model if key.subject == subject}


def _sorted_by_kind(edges):  # type: ignore[no-untyped-def]
    """Plain subjects and wildcards, then usersets; within each in the order they came."""
    return sorted(edges, key=lambda edge: edge[0].is_userset)


@GRAPHS
@given(STEPS)
def test_a_graph_is_what_was_added_and_not_removed(
    kind: type[AnyGraph], steps: list[tuple[RelationshipKey, Qualifiers | None]]
) -> None:
    graph = kind()
    for key, qualifiers in steps:
        if qualifiers is None:
            graph.remove(key)
        else:
            graph.add(Relationship(*key, qualifiers))
    assert_same(graph, model_of(steps), {key for key, _ in steps})


@GRAPHS
@given(STEPS, STEPS)
def test_a_delta_brings_the_graph_from_before_to_after(
    kind: type[AnyGraph],
    first: list[tuple[RelationshipKey, Qualifiers | None]],
    second: list[tuple[RelationshipKey, Qualifiers | None]],
) -> None:
    before, after = model_of(first), model_of(first + second)
    graph = kind(Relationship(*key, qualifiers) for key, qualifiers in before.items())
    touched = sorted({key for key, _ in second})
    graph.apply(Change(_stored(before, key), _stored(after, key)) for key in touched if key in before or key in after)
    assert_same(graph, after, {key for key, _ in first + second})


@GRAPHS
@given(STEPS)
def test_undoing_a_delta_restores_the_graph(
    kind: type[AnyGraph], steps: list[tuple[RelationshipKey, Qualifiers | None]]
) -> None:
    model = model_of(steps)
    graph = kind()
    graph.apply(Change(None, _stored(model, key)) for key in model)
    assert_same(graph, model, set(model))
    graph.apply(Change(_stored(model, key), None) for key in model)
    assert_same(graph, {}, set(model))


def _stored(model: Model, key: RelationshipKey) -> StoredRelationship | None:
    qualifiers = model.get(key)
    if qualifiers is None:
        return None
    return StoredRelationship(Relationship(*key, qualifiers), Provenance("anne", "", 1))
