"""Keys as bytes: what goes in comes out, and every filter finds what it means under one prefix."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from remit.errors import StoreDamaged
from remit.model import PLAIN, Provenance, Relationship, RelationshipFilter, RelationshipKey, StoredRelationship
from remit.store.codec import encode_triple, encode_value, sort_key
from remit.store.tables import keys as coding
from remit.store.tables.interface import KEY_BYTES_MAX, Table, next_key
from tests.support.store_strategies import AT_THE_EDGE, LONGEST, filters, keys, provenances, qualifiers
from tests.support.store_worlds import key

few = settings(max_examples=60)
PREFIX = coding.store_prefix(7)


@few
@given(keys)
@example(LONGEST)
def test_a_triple_comes_back_with_the_subject_first(triple: RelationshipKey) -> None:
    assert coding.decode_subject_first(coding.subject_first(*triple)) == triple


@few
@given(keys, qualifiers, provenances)
@example(LONGEST, PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[0], PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[1], PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[2], PLAIN, Provenance("p", "", 1))
def test_a_row_comes_back_however_long(name: RelationshipKey, qualified: object, provenance: Provenance) -> None:
    stored = StoredRelationship(Relationship(*name, qualified), provenance)  # type: ignore[arg-type]
    triple = encode_triple(*name)
    row = (PREFIX + sort_key(triple), encode_value(stored, triple))
    assert list(coding.decode_rows([row, row])) == [stored, stored]

    turned = coding.subject_first(*name)
    assert coding.decode_pointer(PREFIX + sort_key(turned), coding.encode_pointer(turned)) == name


@few
@given(keys, keys)
@example(LONGEST, LONGEST._replace(relation="viewers"))
def test_keys_fit_and_differ_exactly_when_triples_differ(one: RelationshipKey, other: RelationshipKey) -> None:
    for encode in (encode_triple, coding.subject_first):
        first, second = PREFIX + sort_key(encode(*one)), PREFIX + sort_key(encode(*other))
        assert len(next_key(first)) <= KEY_BYTES_MAX + 1
        assert (first == second) == (one == other)


@few
@given(filters(keys), keys)
def test_every_match_of_a_filter_lies_under_its_prefix(meant: object, triple: RelationshipKey) -> None:
    table, prefix, covers = coding.scan_plan(meant)  # type: ignore[arg-type]
    encode = encode_triple if table is Table.RELATIONSHIPS else coding.subject_first
    lies_under = sort_key(encode(*triple)).startswith(prefix)
    if meant.matches(triple):  # type: ignore[attr-defined]
        assert lies_under
    if covers and lies_under:
        assert meant.matches(triple)  # type: ignore[attr-defined]


def test_a_filter_is_answered_by_the_table_its_strongest_part_leads_to() -> None:
    def table(**named: str) -> Table:
        return coding.scan_plan(RelationshipFilter(**named))[0]

    assert table() is Table.RELATIONSHIPS
    assert table(resource_type="doc") is Table.RELATIONSHIPS
    assert table(resource_type="doc", subject_type="user") is Table.RELATIONSHIPS
    assert table(resource_type="doc", subject_type="user", subject_id="1") is Table.BY_SUBJECT
    assert table(resource_type="doc", resource_id="1", subject_type="user", subject_id="1") is Table.RELATIONSHIPS
    assert table(subject_type="user") is Table.BY_SUBJECT
    assert table(subject_type="user", subject_id="1") is Table.BY_SUBJECT


def test_a_row_that_holds_another_triple_is_damage() -> None:
    other = LONGEST._replace(relation="owner")
    triple, other_triple = encode_triple(*LONGEST), encode_triple(*other)
    stored = StoredRelationship(Relationship(*other), Provenance("p", "", 1))
    value = encode_value(stored, other_triple)
    with pytest.raises(StoreDamaged):
        list(coding.decode_rows([(PREFIX + sort_key(triple), value)]))


@pytest.mark.parametrize("value", [b"", b"\xff", b"\x93", b"\x91\x01", b"\xc1"])
def test_garbage_in_a_row_is_damage_not_a_crash(value: bytes) -> None:
    triple = encode_triple(*key("doc:1#viewer@user:1"))
    with pytest.raises(StoreDamaged):
        list(coding.decode_rows([(PREFIX + triple, value)]))
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
