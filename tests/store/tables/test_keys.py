"""Keys and values as bytes: what goes in comes out, and the order is the order of parts."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from remit.errors import StoreDamaged
from remit.model import PLAIN, ObjectRef, Provenance, Relationship, RelationshipKey, StoredRelationship, SubjectRef
from remit.store.tables import keys as coding
from remit.store.tables.interface import KEY_BYTES_MAX, Table, next_key
from tests.support.store_strategies import filters, keys, qualifiers
from tests.support.store_worlds import key

few = settings(max_examples=60)
PREFIX = coding.store_prefix(7)
LONGEST = RelationshipKey(ObjectRef("t", "r" * 1024), "viewer", SubjectRef("u", "s" * 1024, "member"))
# Triples of exactly the length that a key can hold, one byte less and one more.
AT_THE_EDGE = [
    RelationshipKey(ObjectRef("t", "r" * (coding.TRIPLE_BYTES_MAX + more - 12)), "v", SubjectRef("u", "s" * 4, ""))
    for more in (-1, 0, 1)
]
provenances = st.builds(Provenance, st.text(max_size=9), st.sampled_from(["", "run:r-7"]), st.integers(0, 2**63))


def parts(triple: RelationshipKey) -> tuple[str, ...]:
    return (*triple.resource, triple.relation, *triple.subject)


@few
@given(keys)
@example(LONGEST)
def test_a_triple_comes_back_from_both_its_keys(triple: RelationshipKey) -> None:
    assert coding.decode_resource_first(coding.resource_first(*triple)) == triple
    assert coding.decode_subject_first(coding.subject_first(*triple)) == triple


@few
@given(keys, qualifiers, provenances)
@example(LONGEST, PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[0], PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[1], PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[2], PLAIN, Provenance("p", "", 1))
def test_a_row_comes_back_however_long(triple: RelationshipKey, qualified: object, provenance: Provenance) -> None:
    stored = StoredRelationship(Relationship(*triple, qualified), provenance)  # type: ignore[arg-type]
    whole = coding.resource_first(*triple)
    row = (PREFIX + coding.shorten(whole), coding.encode_value(stored, whole))
    assert coding.whole_triple(*row) == whole
    assert coding.decode_value(whole, row[1]) == stored
    assert list(coding.decode_rows([row, row])) == [stored, stored]

    pointer = coding.subject_first(*triple)
    assert coding.decode_pointer(PREFIX + coding.shorten(pointer), coding.encode_pointer(pointer)) == triple


def test_the_edge_is_where_we_think() -> None:
    lengths = [len(coding.resource_first(*triple)) - coding.TRIPLE_BYTES_MAX for triple in AT_THE_EDGE]
    assert lengths == [-1, 0, 1]
    rows = [coding.shorten(coding.resource_first(*triple)) for triple in AT_THE_EDGE]
    assert [coding.is_shortened(row) for row in rows] == [False, False, True]


@few
@given(keys, keys)
@example(LONGEST, LONGEST._replace(relation="viewers"))
def test_keys_fit_and_differ_exactly_when_triples_differ(one: RelationshipKey, other: RelationshipKey) -> None:
    for encode in (coding.resource_first, coding.subject_first):
        first, second = PREFIX + coding.shorten(encode(*one)), PREFIX + coding.shorten(encode(*other))
        assert len(next_key(first)) <= KEY_BYTES_MAX + 1
        assert (first == second) == (one == other)


@few
@given(keys, keys)
def test_short_keys_are_ordered_by_their_parts(one: RelationshipKey, other: RelationshipKey) -> None:
    first, second = coding.resource_first(*one), coding.resource_first(*other)
    if max(len(first), len(second)) <= coding.TRIPLE_BYTES_MAX:
        assert (coding.shorten(first) < coding.shorten(second)) == (parts(one) < parts(other))


@few
@given(keys, keys)
def test_long_keys_are_ordered_by_their_beginning(one: RelationshipKey, other: RelationshipKey) -> None:
    first, second = coding.resource_first(*one), coding.resource_first(*other)
    if first[: coding.HEAD_BYTES] < second[: coding.HEAD_BYTES]:
        assert coding.shorten(first) < coding.shorten(second)


@few
@given(filters(keys), keys)
def test_every_match_of_a_filter_lies_under_its_prefix(meant: object, triple: RelationshipKey) -> None:
    table, prefix, covers = coding.scan_plan(meant)  # type: ignore[arg-type]
    encode = coding.resource_first if table is Table.RELATIONSHIPS else coding.subject_first
    lies_under = coding.shorten(encode(*triple)).startswith(prefix)
    if meant.matches(triple):  # type: ignore[attr-defined]
        assert lies_under
    if covers and lies_under:
        assert meant.matches(triple)  # type: ignore[attr-defined]


def test_a_filter_is_answered_by_the_table_its_strongest_part_leads_to() -> None:
    def table(**named: str) -> Table:
        return coding.scan_plan(coding.RelationshipFilter(**named))[0]

    assert table() is Table.RELATIONSHIPS
    assert table(resource_type="doc") is Table.RELATIONSHIPS
    assert table(resource_type="doc", subject_type="user") is Table.RELATIONSHIPS
    assert table(resource_type="doc", subject_type="user", subject_id="1") is Table.BY_SUBJECT
    assert table(resource_type="doc", resource_id="1", subject_type="user", subject_id="1") is Table.RELATIONSHIPS
    assert table(subject_type="user") is Table.BY_SUBJECT
    assert table(subject_type="user", subject_id="1") is Table.BY_SUBJECT


def test_a_row_that_holds_another_triple_is_damage() -> None:
    other = LONGEST._replace(relation="owner")
    whole, other_whole = coding.resource_first(*LONGEST), coding.resource_first(*other)
    stored = StoredRelationship(Relationship(*other), Provenance("p", "", 1))
    value = coding.encode_value(stored, other_whole)
    with pytest.raises(StoreDamaged):
        coding.decode_value(whole, value)
    with pytest.raises(StoreDamaged):
        coding.whole_triple(PREFIX + coding.shorten(whole), value)
    with pytest.raises(StoreDamaged):
        list(coding.decode_rows([(PREFIX + coding.shorten(whole), value)]))


@pytest.mark.parametrize("value", [b"", b"\xff", b"\x93", b"\x91\x01", b"\xc1"])
def test_garbage_in_a_row_is_damage_not_a_crash(value: bytes) -> None:
    whole = coding.resource_first(*key("doc:1#viewer@user:1"))
    with pytest.raises(StoreDamaged):
        coding.decode_value(whole, value)
    with pytest.raises(StoreDamaged):
        list(coding.decode_rows([(PREFIX + whole, value)]))
    with pytest.raises(StoreDamaged):
        coding.decode_pointer(PREFIX + b"not a triple", b"")


@few
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_a_revision_comes_back_from_its_key(number: int, revision: int, part: int) -> None:
    assert coding.decode_revision(coding.revision_key(coding.store_prefix(number), revision, part)) == (revision, part)


@few
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_schema_of_a_later_revision_comes_first(one: int, other: int) -> None:
    assert (coding.schema_key(PREFIX, one) < coding.schema_key(PREFIX, other)) == (one > other)
