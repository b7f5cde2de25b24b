"""Relationships as bytes: what goes in comes out, and the order is the order of parts."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings

from remit.errors import StoreDamaged
from remit.model import PLAIN, Provenance, Relationship, RelationshipKey, StoredRelationship
from remit.store import codec
from tests.support.store_strategies import AT_THE_EDGE, LONGEST, keys, provenances, qualifiers
from tests.support.store_worlds import key

few = settings(max_examples=60)


def parts(triple: RelationshipKey) -> tuple[str, ...]:
    return (*triple.resource, triple.relation, *triple.subject)


@few
@given(keys)
@example(LONGEST)
def test_a_triple_comes_back_from_its_bytes(triple: RelationshipKey) -> None:
    assert codec.decode_triple(codec.encode_triple(*triple)) == triple


@few
@given(keys, qualifiers, provenances)
@example(LONGEST, PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[0], PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[1], PLAIN, Provenance("p", "", 1))
@example(AT_THE_EDGE[2], PLAIN, Provenance("p", "", 1))
def test_a_value_comes_back_and_repeats_a_triple_that_is_cut(
    name: RelationshipKey, qualified: object, provenance: Provenance
) -> None:
    stored = StoredRelationship(Relationship(*name, qualified), provenance)  # type: ignore[arg-type]
    triple = codec.encode_triple(*name)
    value = codec.encode_value(stored, triple)
    assert codec.decode_value(triple, value) == stored
    assert codec.whole_triple(codec.sort_key(triple), value) == triple
    assert codec.is_cut(codec.sort_key(triple)) == (codec.unpack(value)[-1] == triple)


def test_the_edge_is_where_we_think() -> None:
    lengths = [len(codec.encode_triple(*triple)) - codec.SORT_KEY_BYTES_MAX for triple in AT_THE_EDGE]
    assert lengths == [-1, 0, 1]
    sort_keys = [codec.sort_key(codec.encode_triple(*triple)) for triple in AT_THE_EDGE]
    assert [codec.is_cut(each) for each in sort_keys] == [False, False, True]


@few
@given(keys, keys)
def test_short_triples_are_ordered_by_their_parts(one: RelationshipKey, other: RelationshipKey) -> None:
    first, second = codec.encode_triple(*one), codec.encode_triple(*other)
    if max(len(first), len(second)) <= codec.SORT_KEY_BYTES_MAX:
        assert (codec.sort_key(first) < codec.sort_key(second)) == (parts(one) < parts(other))


@few
@given(keys, keys)
def test_long_triples_are_ordered_by_their_beginning(one: RelationshipKey, other: RelationshipKey) -> None:
    first, second = codec.encode_triple(*one), codec.encode_triple(*other)
    if first[: codec.BEGINNING_BYTES] < second[: codec.BEGINNING_BYTES]:
        assert codec.sort_key(first) < codec.sort_key(second)


def test_a_value_of_another_triple_is_damage() -> None:
    other = LONGEST._replace(relation="owner")
    value = codec.encode_value(
        StoredRelationship(Relationship(*other), Provenance("p", "", 1)), codec.encode_triple(*other)
    )
    with pytest.raises(StoreDamaged):
        codec.decode_value(codec.encode_triple(*LONGEST), value)
    with pytest.raises(StoreDamaged):
        codec.whole_triple(codec.sort_key(codec.encode_triple(*LONGEST)), value)


@pytest.mark.parametrize("value", [b"", b"\xff", b"\x93", b"\x91\x01", b"\xc1"])
def test_garbage_for_a_value_is_damage_not_a_crash(value: bytes) -> None:
    with pytest.raises(StoreDamaged):
        codec.decode_value(codec.encode_triple(*key("doc:1#viewer@user:1")), value)
