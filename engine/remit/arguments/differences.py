"""What two descriptors of a tool say differently, for whoever is to accept the later one.

They are compared as what they are: where JSON Schema reads a list as a set (`required`, `type`, `enum`, the parts of
`anyOf`), another order is no difference; in values (`default`, `const`) it is one.
Law: two descriptors without a difference let the same calls pass, and tell people the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from remit.arguments.json_text import Json, canonical_text, joined, read_object
from remit.arguments.keywords import KEYWORDS, Holds

DIFFERENCES_MAX = 200
BYTES_MAX = 128 * 1024  # of all that is told: long keys in one another make long pointers


class Difference(NamedTuple):
    """At a JSON Pointer into the descriptor: the JSON that was there, and that is there now; None where there is
    nothing."""

    pointer: str
    before: str | None
    after: str | None


class Differences(NamedTuple):
    """In the order of the pointers' parts; `is_complete`: there are no more than these."""

    found: tuple[Difference, ...]
    is_complete: bool


def differences(before: bytes, after: bytes) -> Differences:
    """Of two descriptors that were read before. Cost: O(bytes), times how deep alternatives are in one another."""
    found: list[Difference] = []
    size = 0
    for each in _descriptors("", *(read_object(each, exact_numbers=True) for each in (before, after))):
        size += len(each.pointer) + len(each.before or "") + len(each.after or "")
        if len(found) == DIFFERENCES_MAX or size > BYTES_MAX:
            return Differences(tuple(found), False)
        found.append(each)
    return Differences(tuple(found), True)


_Compare = Callable[[str, Json, Json], Iterator[Difference]]


def _objects(pointer: str, before: Json, after: Json, reading: Callable[[str], _Compare]) -> Iterator[Difference]:
    """Of two objects key by key, each value as its key has it read."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield from _wholes(pointer, before, after)
        return
    for key in sorted(before.keys() | after.keys()):
        at = joined(pointer, key)
        if key not in after:
            yield Difference(at, canonical_text(before[key]), None)
        elif key not in before:
            yield Difference(at, None, canonical_text(after[key]))
        else:
            yield from reading(key)(at, before[key], after[key])


def _descriptors(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    return _objects(pointer, before, after, lambda key: _schemas if key == "input_schema" else _values)


def _schemas(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    return _objects(pointer, before, after, _compared_under)


def _compared_under(keyword: str) -> _Compare:
    if keyword in ("allOf", "anyOf", "oneOf"):
        return _alternatives
    if keyword in ("enum", "required", "type"):
        return _sets
    if keyword == "dependentRequired":
        return _named_sets
    return _BY_WHAT_IT_HOLDS.get(KEYWORDS.get(keyword, Holds.NOTE), _values)


def _named_schemas(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    return _objects(pointer, before, after, lambda _: _schemas)


def _named_sets(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    return _objects(pointer, before, after, lambda _: _sets)


def _lists(pointer: str, before: Json, after: Json, compare: _Compare) -> Iterator[Difference]:
    if not isinstance(before, list) or not isinstance(after, list):
        yield from _wholes(pointer, before, after)
        return
    for index, (first, second) in enumerate(zip(before, after, strict=False)):
        yield from compare(joined(pointer, index), first, second)
    for index in range(len(after), len(before)):
        yield Difference(joined(pointer, index), canonical_text(before[index]), None)
    for index in range(len(before), len(after)):
        yield Difference(joined(pointer, index), None, canonical_text(after[index]))


def _schemas_in_order(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    return _lists(pointer, before, after, _schemas)


def _alternatives(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    if _texts(before) != _texts(after):
        yield from _schemas_in_order(pointer, before, after)


def _sets(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    if set(_texts(before)) != set(_texts(after)):
        yield Difference(pointer, canonical_text(before), canonical_text(after))


def _texts(value: Json) -> list[str]:
    return sorted(map(canonical_text, value if isinstance(value, list) else [value]))


def _values(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        return _objects(pointer, before, after, lambda _: _values)
    if isinstance(before, list) and isinstance(after, list):
        return _lists(pointer, before, after, _values)
    return _wholes(pointer, before, after)


def _wholes(pointer: str, before: Json, after: Json) -> Iterator[Difference]:
    first, second = canonical_text(before), canonical_text(after)
    if first != second:
        yield Difference(pointer, first, second)


_BY_WHAT_IT_HOLDS: Mapping[Holds, _Compare] = {
    Holds.SCHEMA: _schemas,
    Holds.SCHEMAS: _schemas_in_order,
    Holds.SCHEMAS_BY_NAME: _named_schemas,
}
