"""What two descriptors say differently: all of it, and nothing that is said in another order alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.arguments.differences import BYTES_MAX, DIFFERENCES_MAX, Difference, differences
from remit.arguments.json_text import path_of

NAMES = st.sampled_from(["a", "b", "required", "type", "x/y", "~", ""])
LEAVES = st.sampled_from([None, True, 0, 1, "a", "b"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
SETS = st.lists(NAMES, max_size=3, unique=True)


def _with_parts(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(["object", "string"]) | st.lists(st.sampled_from(["object", "string"]), unique=True),
        "enum": st.lists(VALUES, max_size=3),
        "required": SETS,
        "dependentRequired": st.dictionaries(NAMES, SETS, max_size=2),
        "default": VALUES,
        "description": st.sampled_from(["one", "two"]),
        "properties": st.dictionaries(NAMES, inner, max_size=3),
        "$defs": st.dictionaries(NAMES, inner, max_size=2),
        "items": inner,
        "prefixItems": st.lists(inner, max_size=3),
        "anyOf": st.lists(inner, max_size=3),
    }
    return st.fixed_dictionaries({}, optional=parts)


SCHEMAS = st.recursive(st.booleans() | st.just({}), _with_parts, max_leaves=8)
DESCRIPTORS = st.fixed_dictionaries(
    {"input_schema": SCHEMAS}, optional={"name": st.sampled_from(["n", "m"]), "types": st.dictionaries(NAMES, NAMES)}
)


def of(before: object, after: object) -> tuple[Difference, ...]:
    found, is_complete = differences(json.dumps(before).encode(), json.dumps(after).encode())
    assert is_complete
    return found


def shuffled(schema: Any, draw: Any) -> Any:
    """The same schema, its sets in another order."""
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key in draw(st.permutations(list(schema))):
        value = schema[key]
        if key in ("required", "enum", "type") and isinstance(value, list):
            value = draw(st.permutations(value))
        elif key == "dependentRequired":
            value = {name: draw(st.permutations(names)) for name, names in value.items()}
        elif key in ("properties", "$defs"):
            value = {name: shuffled(each, draw) for name, each in value.items()}
        elif key == "items":
            value = shuffled(value, draw)
        elif key == "prefixItems":
            value = [shuffled(each, draw) for each in value]
        elif key == "anyOf":
            value = draw(st.permutations(value))
        made[key] = value
    return made


@given(DESCRIPTORS, st.data())
def test_another_order_of_a_set_is_no_difference(descriptor: dict[str, Any], data: st.DataObject) -> None:
    other = {**descriptor, "input_schema": shuffled(descriptor["input_schema"], data.draw)}
    assert of(descriptor, other) == ()
    assert of(other, descriptor) == ()


@given(DESCRIPTORS, DESCRIPTORS)
def test_whoever_makes_all_the_changes_has_what_is_said_now(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The first descriptor with every difference made in it says nothing else than the second."""
    made: Any = json.loads(json.dumps(before))
    found = of(before, after)
    # What is removed from a list is at its end: the last goes first.
    for pointer, was, now in (*(each for each in found if each.after is not None), *_removed(found)):
        path = path_of(pointer)
        assert path, "the whole is an object on both sides"
        above = made
        for step in path[:-1]:
            above = above[int(step)] if isinstance(above, list) else above[step]
        key = int(path[-1]) if isinstance(above, list) else path[-1]
        if was is not None:
            assert json.loads(was) == above[key]
        if now is None:
            del above[key]
        elif isinstance(above, list) and was is None:
            assert key == len(above), "what is added to a list is added at its end"
            above.append(json.loads(now))
        else:
            above[key] = json.loads(now)
    assert of(made, after) == ()


def _removed(found: tuple[Difference, ...]) -> list[Difference]:
    return [each for each in reversed(found) if each.after is None]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (
            {"default": [1, 2]},
            {"default": [2, 1]},
            [("/input_schema/default/0", "1", "2"), ("/input_schema/default/1", "2", "1")],
        ),
        ({"const": 1}, {"const": True}, [("/input_schema/const", "1", "true")]),
        ({"type": "object"}, {"type": ["object"]}, []),
        ({"properties": {"type": {}}}, {"properties": {}}, [("/input_schema/properties/type", "{}", None)]),
        (True, {"type": "object"}, [("/input_schema", "true", '{"type":"object"}')]),
        ({"x-y": [1]}, {"x-y": [1, {"k/": 2}]}, [("/input_schema/x-y/1", None, '{"k/":2}')]),
        (
            {"anyOf": [{"type": "null"}, {"type": "string"}]},
            {"anyOf": [{"type": "null"}, {"type": "integer"}]},
            [("/input_schema/anyOf/1/type", '"string"', '"integer"')],
        ),
    ],
)  # fmt: skip
def test_a_difference_is_told_where_it_is(before: object, after: object, found: list[tuple[object, ...]]) -> None:
    assert list(of({"input_schema": before}, {"input_schema": after})) == found


def test_what_is_told_has_an_end() -> None:
    many = {"input_schema": {"properties": {f"p{n}": {} for n in range(DIFFERENCES_MAX + 1)}}}
    found, is_complete = differences(
        json.dumps({"input_schema": {"properties": {}}}).encode(), json.dumps(many).encode()
    )
    assert (len(found), is_complete) == (DIFFERENCES_MAX, False)

    def deep(value: str) -> bytes:
        schema: dict[str, Any] = {f"p{n}": {"title": value} for n in range(100)}
        for _ in range(12):
            schema = {"x" * 2_000: {"properties": schema}}
        return json.dumps({"input_schema": {"properties": schema}}).encode()

    found, is_complete = differences(deep("one"), deep("two"))
    assert not is_complete
    assert 0 < sum(len(each.pointer) for each in found) <= BYTES_MAX
