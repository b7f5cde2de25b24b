"""What a tool says of its arguments: a JSON Schema, and what its texts mean beyond being texts.

A descriptor is a JSON object: `input_schema` as MCP has it (draft 2020-12), `types` with the semantic type of arguments
that are a path, an address and so on, and, for people, `name` and `description`. Before a call is judged it has to fit
the schema, and what it left out is filled in, so that constraints see what the tool is going to see.
Law: the same arguments filled in twice are the same, and what is filled in fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, repeat
from typing import cast

from remit.arguments.closed_schema import ClosedSchema, Default, Place, closed
from remit.arguments.json_text import (
    DEPTH_MAX,
    Json,
    JsonRefused,
    canonical_text,
    joined,
    path_of,
    pointer_of,
    read_object,
)
from remit.arguments.schema_library import WORK_MAX, Unfit, Validator
from remit.arguments.values import VALUE_TYPES, ValueType
from remit.errors import DescriptorInvalid
from remit.notation import shortened
from remit.suggest import did_you_mean

BYTES_MAX = 64 * 1024
VALUES_MAX = 1_000  # of arguments, with what was filled in
EACH = "*"  # in a pointer: every item of a list

_KEYS = ("name", "description", "input_schema", "types")


@dataclass(frozen=True)
class Descriptor:
    """A tool's description, read and checked. Nothing of it changes, so many threads may have it."""

    name: str
    description: str
    types: Mapping[str, ValueType]  # by JSON Pointers, in which EACH is every item of a list
    _closed: ClosedSchema = field(repr=False)

    def filled(self, arguments: dict[str, Json]) -> dict[str, Json] | Unfit:
        """The arguments as the tool gets to see them, or why they do not fit. They have to fit as they were given, and
        with what is filled in. Cost: O(values x subschemas + bytes of texts x characters of patterns)."""
        if unfit := self._validator.unfit(arguments):
            return unfit
        if not self._closed.place.fills:
            return arguments
        try:
            filled = _Filling().fill(self._closed.place, arguments)
        except _TooMuch as error:
            return Unfit("", error.reason)
        size = len(canonical_text(filled).encode())
        if size > BYTES_MAX:
            return Unfit("", f"has {size} bytes with its defaults, and may have {BYTES_MAX}")
        return self._validator.unfit(filled) or cast(dict[str, Json], filled)

    def type_of(self, pointer: str) -> ValueType | None:
        """The semantic type of what a JSON Pointer into arguments leads to, None where it has none. Cost: O(types)."""
        path = path_of(pointer) if pointer.startswith("/") else None
        return next((type for name, type in self.types.items() if path is not None and _leads_to(name, path)), None)

    def place_of(self, path: tuple[str, ...]) -> Place | None:
        """Where the keys lead to, EACH for every item of a list; None where that is not described in one place."""
        place: Place | None = self._closed.place
        for key in path:
            if place is None:
                return None
            if key == EACH and "object" not in place.kinds:
                place = None if place.prefix else place.items
            else:
                place = place.properties[key].place if key in place.properties else place.additional
        return place

    @cached_property
    def _validator(self) -> Validator:
        return Validator(self._closed.schema, self._closed.size)


def read_descriptor(document: bytes) -> Descriptor:
    """Raises DescriptorInvalid, with a pointer into the document. Cost: O(bytes)."""
    if len(document) > BYTES_MAX:
        raise DescriptorInvalid("", f"has {len(document)} bytes, and may have {BYTES_MAX}", "describe less")
    try:
        whole = read_object(document, exact_numbers=True)
    except JsonRefused as error:
        raise DescriptorInvalid(error.pointer, error.reason, "write it as RFC 8785 has it") from error
    for key in whole:
        if key not in _KEYS:
            fix = did_you_mean(key, _KEYS) or "leave it out"
            raise DescriptorInvalid("", f"has the unknown key `{shortened(key)}`", fix)
    if "input_schema" not in whole:
        raise DescriptorInvalid("", "has no `input_schema`", "give the tool's JSON Schema under it")
    name, description = (_text(whole, key) for key in ("name", "description"))
    descriptor = Descriptor(name, description, {}, closed(whole["input_schema"], "/input_schema"))
    _check_defaults(descriptor._closed.defaults)
    types = dict(_types(descriptor, whole.get("types", {})))
    return Descriptor(name, description, types, descriptor._closed)


def _text(whole: Mapping[str, Json], key: str) -> str:
    text = whole.get(key, "")
    if not isinstance(text, str):
        raise DescriptorInvalid(joined("", key), "is not a string", "say it in words")
    return text


def _check_defaults(defaults: Iterable[Default]) -> None:
    """That each fits as it stands, and with the defaults below it. All of them together may take as long as the
    arguments of one call: each of several in one another is looked at with all that is below it."""
    work = 0
    for default in defaults:
        validator = Validator(default.schema, default.size)
        unfit = validator.unfit(default.value)
        if unfit is None:
            try:
                filled = _Filling().fill(default.place, default.value)
                work += validator.work(filled)
                if work > WORK_MAX:
                    fix = "give fewer defaults in one another, or shorter ones"
                    raise DescriptorInvalid(default.at, "is, with the defaults before it, too much to judge", fix)
                unfit = validator.unfit(filled)
            except _TooMuch as error:
                unfit = Unfit("", error.reason)
        if unfit is not None:
            fix = "correct it, for who leaves the argument out gets it"
            raise DescriptorInvalid(default.at + unfit.pointer, f"{unfit.reason}, as a default", fix)


# --- types ------------------------------------------------------------------------------------------------------


def _types(descriptor: Descriptor, types: Json) -> Iterator[tuple[str, ValueType]]:
    if not isinstance(types, dict):
        raise DescriptorInvalid("/types", "is not an object", "give a type for each argument that has one")
    seen: dict[tuple[str, ...], str] = {}
    for name, type in types.items():
        at = joined("/types", name)
        path = path_of(name) if name.startswith("/") else (name,)
        if path is None:
            raise DescriptorInvalid(at, "is no JSON Pointer", "write `~` in a key as `~0`, and `/` as `~1`")
        if path in seen:
            raise DescriptorInvalid(at, f"names what `{shortened(seen[path])}` names", "leave one of them out")
        seen[path] = name
        if type not in VALUE_TYPES:
            near = did_you_mean(type, VALUE_TYPES) if isinstance(type, str) else ""
            fix = near or f"there are {', '.join(f'`{each}`' for each in VALUE_TYPES)}"
            raise DescriptorInvalid(at, "is no type", fix)
        _check_typed(descriptor, path, type, at)
        yield pointer_of(path), type


def _check_typed(descriptor: Descriptor, path: tuple[str, ...], type: Json, at: str) -> None:
    """That the path leads to a text, through what is described."""
    for length, key in enumerate(path):
        above = descriptor.place_of(path[:length])
        assert above is not None, "the step before has led there"
        pointer = shortened(pointer_of(path[: length + 1]))
        nesting = above.kinds & {"array", "object"}
        if nesting == {"array"}:
            if key != EACH or above.prefix or above.items is None:
                fix = f"`{EACH}` names every item of a list that `items` alone describes"
                raise DescriptorInvalid(at, f"leads to `{pointer}`, in a list", fix)
        elif nesting != {"object"}:
            where = shortened(pointer_of(path[:length]))
            what = "may be an object or a list" if nesting else "is neither an object nor a list"
            raise DescriptorInvalid(at, f"leads through `{where}`, which {what}", "name what the schema describes")
        elif key not in above.properties or key == EACH:
            fix = did_you_mean(key, above.properties) or "name what the schema describes, outside of alternatives"
            problem = "in an object" if key == EACH else "which `properties` lacks"
            raise DescriptorInvalid(at, f"leads to `{pointer}`, {problem}", fix)
    place = descriptor.place_of(path)
    assert place is not None, "the last step has led there"
    if "string" not in place.kinds or place.kinds - {"string", "null"}:
        others = " or ".join(sorted(place.kinds - {"null"}))
        fix = "say `type: string` there, or leave the type out here"
        raise DescriptorInvalid(at, f"is `{type}`, which is a string, and the schema says {others}", fix)


def _leads_to(name: str, path: tuple[str, ...]) -> bool:
    keys = path_of(name)
    assert keys is not None, "it was read as a pointer"
    return len(keys) == len(path) and all(
        key == step or (key == EACH and step.isascii() and step.isdecimal())
        for key, step in zip(keys, path, strict=True)
    )


# --- defaults ---------------------------------------------------------------------------------------------------


class _TooMuch(Exception):
    """What is filled in goes beyond what arguments may have."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Filling:
    """Fills in what one call left out. A list of a thousand objects may lack as many defaults, so it counts."""

    def __init__(self) -> None:
        self._values = 0

    def fill(self, place: Place, value: Json, depth: int = 1) -> Json:
        """The value with its defaults, `depth` objects and lists within others. Raises _TooMuch."""
        self._values += 1
        if self._values > VALUES_MAX:
            raise _TooMuch(f"has more than {VALUES_MAX} values with its defaults")
        if isinstance(value, dict | list) and depth > DEPTH_MAX:
            raise _TooMuch(f"is nested deeper than {DEPTH_MAX} with its defaults")
        if isinstance(value, dict):
            filled = {}
            for key, each in value.items():
                named = place.properties.get(key)
                below = named.place if named is not None else place.additional
                filled[key] = self.fill(below or _OPEN, each, depth + 1)
            for key, left_out in place.properties.items():
                if key not in value and left_out.default:
                    filled[key] = self.fill(left_out.place, left_out.default[0], depth + 1)
            return filled
        if isinstance(value, list):
            places = chain(place.prefix, repeat(place.items or _OPEN))
            return [self.fill(next(places), each, depth + 1) for each in value]
        return value


_OPEN = Place()
