"""Law: a cursor goes on only with the filter it was given for, whatever becomes of the code that made it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import fields, replace

import msgpack
import pytest

from remit.engine.cursors import decode_cursor, encode_cursor
from remit.errors import InvalidCursor
from remit.model import ObjectRef, RelationshipFilter, RelationshipKey, SubjectRef

KEY = RelationshipKey(ObjectRef("doc", "a"), "viewer", SubjectRef("group", "g", "member"))
EVERYTHING = RelationshipFilter("doc", "a", "b", "viewer", "group", "g", "")


@pytest.mark.parametrize("filter", [RelationshipFilter(), RelationshipFilter("doc"), EVERYTHING])
def test_a_cursor_is_its_place(filter: RelationshipFilter) -> None:
    assert decode_cursor(encode_cursor(KEY, filter), filter) == KEY
    assert decode_cursor("", filter) is None


@pytest.mark.parametrize("name", [each.name for each in fields(RelationshipFilter)])
def test_every_part_of_a_filter_tells_it_from_others(name: str) -> None:
    for before in (EVERYTHING, RelationshipFilter()):
        for value in (None, "", "other"):
            after = replace(before, **{name: value})
            if after != before:
                with pytest.raises(InvalidCursor, match="of another filter"):
                    decode_cursor(encode_cursor(KEY, before), after)


def test_parts_are_told_apart_by_name() -> None:
    with pytest.raises(InvalidCursor, match="of another filter"):
        decode_cursor(encode_cursor(KEY, RelationshipFilter(resource_id="a")), RelationshipFilter(subject_id="a"))


def test_a_cursor_that_was_given_stays_one() -> None:
    """Written down here as it was given: who changes this breaks every list that is half read, and has to say so."""
    given = "lQLECD0LvyyS6n3pkqNkb2OhYaZ2aWV3ZXKTpWdyb3VwoWembWVtYmVy"
    assert encode_cursor(KEY, RelationshipFilter(resource_type="doc", subject_relation="")) == given


def test_a_cursor_of_another_version_says_what_to_do() -> None:
    """The first form, which had no number and hashed how Python shows a filter, and one that nobody knows yet."""
    filter = RelationshipFilter("doc")
    digest = hashlib.blake2b(repr(filter).encode(), digest_size=8).digest()
    for parts in ([digest, *KEY], [3, digest, *KEY], [1]):
        text = base64.urlsafe_b64encode(msgpack.packb(parts)).decode().rstrip("=")
        with pytest.raises(InvalidCursor, match="of another version of the server: begin the list anew") as refused:
            decode_cursor(text, filter)
        assert refused.value.field == "cursor"
