"""Law: an overlay answers as the graph would after `add` and `remove` of the same triples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.graph.overlay import Overlay
from remit.graph.plain import Graph
from remit.model import Qualifiers, Relationship, RelationshipKey
from tests.graph.test_plain import KEYS, QUALIFIERS

FACTS = st.dictionaries(KEYS, QUALIFIERS, max_size=12)
CHANGES = st.dictionaries(KEYS, st.none() | QUALIFIERS, max_size=12)


def graph_of(facts: dict[RelationshipKey, Qualifiers]) -> Graph:
    return Graph(Relationship(*key, qualifiers) for key, qualifiers in facts.items())


@given(FACTS, CHANGES, CHANGES)
def test_an_overlay_is_the_graph_as_it_would_be(
    facts: dict[RelationshipKey, Qualifiers],
    changes: dict[RelationshipKey, Qualifiers | None],
    more: dict[RelationshipKey, Qualifiers | None],
) -> None:
    """Also one laid over another: a past revision with facts of one request over it."""
    base = graph_of(facts)
    after = {key: value for key, value in {**facts, **changes, **more}.items() if value is not None}
    overlay, graph = Overlay(Overlay(base, changes), more), graph_of(after)
    for key in {*facts, *changes, *more}:
        assert overlay.find(*key) == graph.find(*key)
        assert dict(overlay.edges(*key[:2])) == dict(graph.edges(*key[:2]))
        assert dict(overlay.usersets(*key[:2])) == dict(graph.usersets(*key[:2]))
        assert len(list(overlay.edges(*key[:2]))) == len(list(graph.edges(*key[:2]))), "an edge is told twice"
    assert {each.key: each.qualifiers for each in base.relationships()} == facts, "the base is as it was"
