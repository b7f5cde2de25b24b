"""Moments: exactly what will begin and end, soonest first, whatever is written and removed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.graph.moments import Beginnings, Expirations, Moment
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
@given(steps, st.integers(0, 12), st.integers(0, 12), st.integers(0, 4))
def test_they_hold_what_begins_and_ends_and_nothing_else(
    history: list[tuple[RelationshipKey, Qualifiers | None]], after_us: int, until_us: int, count_max: int
) -> None:
    beginnings, expirations = Beginnings(), Expirations()
    held: dict[RelationshipKey, StoredRelationship] = {}
    for key, drawn in history:
        before = held.pop(key, None)
        after = None
        if drawn is not None:
            held[key] = after = StoredRelationship(Relationship(*key, drawn), Provenance("anne", "", 1))
        for each in (beginnings, expirations):
            if before is not None or after is not None:
                each.apply([Change(before, after)])
            each.check_invariants(stored.relationship for stored in held.values())
    for moments in (beginnings, expirations):
        times = [(moments.of(stored.relationship.qualifiers), key) for key, stored in held.items()]
        known = sorted((each, key) for each, key in times if each is not None)
        assert moments.by(until_us, count_max) == [key for each, key in known if each <= until_us][:count_max]
        between = [moment for moment in known if after_us < moment[0] <= until_us]
        assert moments.between(after_us, until_us, count_max) == between[:count_max]
        assert moments.after(after_us, count_max) == [moment for moment in known if moment[0] > after_us][:count_max]


def test_what_is_loaded_is_what_would_have_been_applied() -> None:
    moments: list[Moment] = [(9, KEYS[0]), (5, KEYS[2]), (5, KEYS[1])]
    expirations = Expirations(moments)
    assert len(expirations) == 3
    assert expirations.by(5, 10) == [KEYS[1], KEYS[2]]
    assert expirations.by(4, 10) == []
