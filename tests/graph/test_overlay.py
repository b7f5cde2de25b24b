"""Law: an overlay answers as the graph would after `add` and `remove` of the same triples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.graph.overlay import Overlay
from remit.model import (
    Change,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipKey,
    StoredRelationship,
)
from tests.support.graphs import KEYS, QUALIFIERS, assert_reversed, graph_of

FACTS = st.dictionaries(KEYS, QUALIFIERS, max_size=12)
CHANGES = st.dictionaries(KEYS, st.none() | QUALIFIERS, max_size=12)


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
        assert_reversed(overlay, after, key.subject)
    assert {each.key: each.qualifiers for each in base.relationships()} == facts, "the base is as it was"


@given(FACTS, st.lists(CHANGES, max_size=5), st.data())
def test_an_overlay_that_undoes_commits_reads_backwards_what_was(
    facts: dict[RelationshipKey, Qualifiers],
    commits: list[dict[RelationshipKey, Qualifiers | None]],
    data: st.DataObject,
) -> None:
    """Whether it is asked before, between or after it is told of them."""
    base = graph_of(facts)
    overlay, held = Overlay(base, {}), dict(facts)
    asked = {key.subject for key in facts} | {key.subject for written in commits for key in written}
    for written in commits:
        fates = [(key, held.get(key), qualifiers) for key, qualifiers in written.items()]
        changes = tuple(_change(*each) for each in fates if each[1:] != (None, None))
        base.apply(changes)
        overlay.undo(changes)
        held = {key: value for key, value in {**held, **written}.items() if value is not None}
        if asked and data.draw(st.booleans()):
            assert_reversed(overlay, facts, data.draw(st.sampled_from(sorted(asked))))
    for subject in asked:
        assert_reversed(overlay, facts, subject)
        assert_reversed(base, held, subject)


@given(FACTS, st.lists(CHANGES, max_size=5), st.data())
def test_commits_that_were_undone_are_done_again_one_by_one(
    facts: dict[RelationshipKey, Qualifiers],
    commits: list[dict[RelationshipKey, Qualifiers | None]],
    data: st.DataObject,
) -> None:
    """Each leads to what was after it, whether it was asked before or not."""
    base, held = graph_of(facts), dict(facts)
    overlay = Overlay(base, {})
    asked = sorted({key.subject for key in facts} | {key.subject for written in commits for key in written})
    deltas = []
    for written in commits:
        fates = [(key, held.get(key), qualifiers) for key, qualifiers in written.items()]
        changes = tuple(_change(*each) for each in fates if each[1:] != (None, None))
        base.apply(changes)
        overlay.undo(changes)
        held = {key: value for key, value in {**held, **written}.items() if value is not None}
        deltas.append((changes, held))
    for changes, after in deltas:
        if asked and data.draw(st.booleans()):
            overlay.nodes_of(data.draw(st.sampled_from(asked)))
        overlay.redo(changes)
        graph = graph_of(after)
        for key in {*facts, *after}:
            assert dict(overlay.edges(*key[:2])) == dict(graph.edges(*key[:2]))
        for subject in asked:
            assert_reversed(overlay, after, subject)


def _change(key: RelationshipKey, before: Qualifiers | None, after: Qualifiers | None) -> Change:
    by = Provenance("test", "", 1)
    stored = [
        None if qualifiers is None else StoredRelationship(Relationship(*key, qualifiers), by)
        for qualifiers in (before, after)
    ]
    return Change(*stored)
