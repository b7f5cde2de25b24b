"""What the laws of graphs are drawn from: few triples, so that steps meet; and the dictionary that a graph is."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from remit.graph.plain import Graph
from remit.graph.view import GraphView
from remit.model import (
    PLAIN,
    CaveatUse,
    ObjectRef,
    Qualifiers,
    Relationship,
    RelationshipKey,
    SubjectRef,
)

OBJECTS = st.builds(ObjectRef, st.sampled_from(("doc", "group")), st.sampled_from("ab"))
RELATIONS = st.sampled_from(("viewer", "member"))
SUBJECTS = st.builds(
    SubjectRef, st.sampled_from(("group", "user")), st.sampled_from(("a", "b", "*")), st.sampled_from(("", "member"))
).filter(lambda subject: not (subject.is_wildcard and subject.is_userset))
QUALIFIERS = st.sampled_from((PLAIN, Qualifiers(CaveatUse("c")), Qualifiers(expiration_us=7)))
KEYS = st.builds(RelationshipKey, OBJECTS, RELATIONS, SUBJECTS)

STEPS = st.lists(st.tuples(KEYS, st.none() | QUALIFIERS), max_size=40)  # None removes

Model = dict[RelationshipKey, Qualifiers]


def model_of(steps: list[tuple[RelationshipKey, Qualifiers | None]]) -> Model:
    model: Model = {}
    for key, qualifiers in steps:
        if qualifiers is None:
            model.pop(key, None)
        else:
            model[key] = qualifiers
    return model


def graph_of(facts: dict[RelationshipKey, Qualifiers]) -> Graph:
    return Graph(Relationship(*key, qualifiers) for key, qualifiers in facts.items())


def assert_reversed(graph: GraphView, facts: Mapping[RelationshipKey, Qualifiers], subject: SubjectRef) -> None:
    """The graph read backwards is every edge turned around by hand."""
    nodes = graph.nodes_of(subject)
    assert set(nodes) == {key[:2] for key in facts if key.subject == subject}
    assert len(nodes) == len(set(nodes)), "a node is told twice"
