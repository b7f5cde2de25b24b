"""Expirations: exactly what will expire, soonest first, whatever is written and removed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.graph.expirations import Due, Expirations
from remit.model import (
    PLAIN,
    Change,
    ObjectRef,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
)

KEYS = [RelationshipKey(ObjectRef("doc", id), "viewer", SubjectRef("user", "anne")) for id in ("1", "2", "3")]

qualifiers = st.sampled_from([PLAIN, Qualifiers(expiration_us=5), Qualifiers(None, 3, 5), Qualifiers(expiration_us=9)])
steps = st.lists(st.tuples(st.sampled_from(KEYS), st.none() | qualifiers), max_size=12)


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(0, 12), st.integers(0, 4))
def test_it_holds_what_expires_and_nothing_else(
    history: list[tuple[RelationshipKey, Qualifiers | None]], until_us: int, count_max: int
) -> None:
    expirations = Expirations()
    held: dict[RelationshipKey, StoredRelationship] = {}
    for key, drawn in history:
        before = held.pop(key, None)
        after = None
        if drawn is not None:
            held[key] = after = StoredRelationship(Relationship(*key, drawn), Provenance("anne", "", 1))
        if before is not None or after is not None:
            expirations.apply([Change(before, after)])
        expirations.check_invariants(stored.relationship for stored in held.values())
    over: list[Due] = sorted(
        (stored.relationship.qualifiers.expiration_us, key)
        for key, stored in held.items()
        if stored.relationship.qualifiers.is_over(until_us) and stored.relationship.qualifiers.expiration_us is not None
    )
    assert expirations.over_by(until_us, count_max) == [key for _, key in over[:count_max]]


def test_what_is_loaded_is_what_would_have_been_applied() -> None:
    due: list[Due] = [(9, KEYS[0]), (5, KEYS[2]), (5, KEYS[1])]
    expirations = Expirations(due)
    assert len(expirations) == 3
    assert expirations.over_by(5, 10) == [KEYS[1], KEYS[2]]
    assert expirations.over_by(4, 10) == []
