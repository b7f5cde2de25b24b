"""Law: the edges of a node are told alike of two graphs that have the same."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from remit.graph import in_order
from remit.graph.in_order import InOrder
from remit.graph.plain import Graph
from remit.model import Qualifiers, Relationship, RelationshipKey
from tests.support.graphs import KEYS, QUALIFIERS, graph_of


@given(st.dictionaries(KEYS, QUALIFIERS, max_size=12), st.randoms(), st.integers(1, 4))
def test_edges_come_in_the_order_of_their_subjects(
    facts: dict[RelationshipKey, Qualifiers], random: Random, run: int
) -> None:
    graph, spent = graph_of(facts), []
    shuffled = Graph(random.sample([Relationship(*key, each) for key, each in facts.items()], len(facts)))
    with patch.object(in_order, "_RUN", run):
        one, other = InOrder(graph, lambda: spent.append(1)), InOrder(shuffled, lambda: None)
        for key in facts:
            node = key[:2]
            edges = sorted(graph.edges(*node), key=lambda edge: edge[0])
            usersets = [edge for edge in edges if edge[0].relation]
            assert list(one.edges(*node)) == list(other.edges(*node)) == edges
            assert list(one.usersets(*node)) == list(other.usersets(*node)) == usersets
            assert one.find(*key) == facts[key]
    assert len(spent) >= len(facts), "what is put in order is paid for"
