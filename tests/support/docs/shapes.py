"""The shapes of JSON that a page of docs/ promises, read as they are written there.

`{"a", "b"?, "c": [name or other]}` is an object with `a` and `c`, perhaps `b`, and in `c` a list of what the page calls
so, each one or the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.docs.blocks import code_words


@dataclass(frozen=True)
class Shape:
    """An object: key → (whether it may be absent, what is in it: a shape, the names of some, a list of either, or None
    for what the page says no more of)."""

    text: str
    keys: dict[str, tuple[bool, Any]] = field(default_factory=dict)


_TOKEN = re.compile(r'\s*(?:"([a-z_0-9]+)"(\?)?|([a-z_]+(?: or [a-z_]+)*)|([{}\[\]:,]))')


def shapes_in(cell: str) -> list[Shape]:
    """Every shape that stands in backticks."""
    return [parse_shape(word) for word in code_words(cell) if word.startswith("{")]


def parse_shape(text: str) -> Shape:
    tokens = list(_TOKEN.finditer(text))
    assert "".join(token[0] for token in tokens) == text, f"not a shape: {text}"
    shape, rest = _parsed(tokens, text)
    assert rest == [] and isinstance(shape, Shape)
    return shape


def _parsed(tokens: list[re.Match[str]], text: str) -> tuple[Any, list[re.Match[str]]]:
    first, *rest = tokens
    if first[3]:
        return tuple(first[3].split(" or ")), rest
    if first[4] == "[":
        inside, rest = _parsed(rest, text)
        assert rest[0][4] == "]", text
        return [inside], rest[1:]
    assert first[4] == "{", text
    keys: dict[str, tuple[bool, Any]] = {}
    while rest[0][4] != "}":
        key, inside = rest[0], None
        assert key[1], text
        rest = rest[1:]
        if rest[0][4] == ":":
            inside, rest = _parsed(rest[1:], text)
        keys[key[1]] = (key[2] == "?", inside)
        if rest[0][4] == ",":
            rest = rest[1:]
    return Shape(text, keys), rest[1:]


class Seen:
    """Holds values to shapes, and remembers which keys of each shape some value had.

    `named` are the shapes that others name; where one has several by the key `kind`, a value's own `kind` chooses."""

    def __init__(self, named: Mapping[str, list[Shape] | Mapping[str, Shape]]) -> None:
        self._named = named
        self.keys: set[tuple[str, str]] = set()

    def fits(self, value: object, shape: object) -> bool:
        """Whether a value has every key it must, and none that is not promised."""
        match shape:
            case None:
                return True
            case list():
                return isinstance(value, list) and all(self.fits(each, shape[0]) for each in value)
            case tuple():
                return any(self.fits(value, name) for name in shape)
            case str():
                known = self._named[shape]
                if isinstance(known, Mapping):
                    return isinstance(value, dict) and self.fits(value, known[value["kind"]])
                return any(self.fits(value, each) for each in known)
        assert isinstance(shape, Shape)
        if not isinstance(value, dict) or not value.keys() <= shape.keys.keys() or None in value.values():
            return False
        if any(not optional and key not in value for key, (optional, _) in shape.keys.items()):
            return False
        if not all(self.fits(each, shape.keys[key][1]) for key, each in value.items()):
            return False
        self.keys |= {(shape.text, key) for key in value}
        return True
