"""The keywords that a tool's JSON Schema may have, and what may stand under each: of draft 2020-12 those about which no
two libraries differ.

Law: what is accepted here means one thing; what could mean two, or is of another draft, is refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import cast

from remit.arguments.json_text import Json
from remit.arguments.patterns import PatternRefused, written_out
from remit.notation import shortened
from remit.suggest import did_you_mean

DRAFT = "https://json-schema.org/draft/2020-12/schema"
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
WHOLE_MAX = 2**53 - 1  # what every double, and so every reader of JSON, holds exactly


class Holds(Enum):
    """What stands under a keyword."""

    NOTE = 1  # what tells people something, and judges nothing
    RULE = 2  # what is asked of a value
    SCHEMA = 3
    SCHEMAS = 4  # a list of them
    SCHEMAS_BY_NAME = 5


Wrong = Callable[[Json], str]
"""What is wrong with a value, as the rest of a sentence; "" where nothing is."""


def _text(value: Json) -> str:
    return "" if isinstance(value, str) else "is not a string"


def _truth(value: Json) -> str:
    return "" if isinstance(value, bool) else "is neither true nor false"


def _list(value: Json) -> str:
    return "" if isinstance(value, list) else "is not a list"


def _anything(_: Json) -> str:
    return ""


def _count(value: Json) -> str:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= WHOLE_MAX
    return "" if is_count else "is not a whole number from 0 to 2^53 - 1"


def _divisor(value: Json) -> str:
    if isinstance(value, float):
        return "is not a whole number, and floating-point arithmetic decides what is a multiple of it"
    return _count(value) or ("" if value else "is 0, of which nothing is a multiple")


def _number(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    return "" if abs(value) <= WHOLE_MAX else "is beyond 2^53 - 1, from where on readers round differently"


def _constant(value: Json) -> str:
    """Numbers in it are held to what every reader reads."""
    if isinstance(value, dict):
        return next(filter(None, map(_constant, value.values())), "")
    if isinstance(value, list):
        return next(filter(None, map(_constant, value)), "")
    if isinstance(value, int | float) and not isinstance(value, bool) and _number(value):
        return f"has a number that {_number(value)}"
    return ""


def _constants(value: Json) -> str:
    return _constant(value) if isinstance(value, list) and value else "is not a list of at least one value"


def _names(value: Json) -> str:
    names = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    are_names = isinstance(value, list) and len(set(names)) == len(value)
    return "" if are_names else "is not a list of different names"


def _lists_of_names(value: Json) -> str:
    if not isinstance(value, dict):
        return "is not an object"
    return next(filter(None, map(_names, value.values())), "")


def _types(value: Json) -> str:
    names = cast(Json, value if isinstance(value, list) else [value])
    if names and not _names(names) and set(cast(list[str], names)) <= set(TYPES):
        return ""
    return f"is none of {', '.join(f'`{each}`' for each in TYPES)}, and no list of these"


def _pattern(value: Json) -> str:
    if not isinstance(value, str):
        return "is not a string"
    try:
        written_out(value)
    except PatternRefused as error:
        return error.reason
    return ""


NOTES: Mapping[str, Wrong] = {
    "title": _text, "description": _text, "$comment": _text, "format": _text, "contentEncoding": _text,
    "contentMediaType": _text, "deprecated": _truth, "readOnly": _truth, "writeOnly": _truth, "examples": _list,
}  # fmt: skip
"""`format` too, as draft 2020-12 has it: libraries differ about every one. What Remit asks of a value stands under the
descriptor's `types`."""

RULES: Mapping[str, Wrong] = {
    "type": _types, "enum": _constants, "const": _constant,
    "multipleOf": _divisor, "maximum": _number, "exclusiveMaximum": _number, "minimum": _number,
    "exclusiveMinimum": _number,
    "maxLength": _count, "minLength": _count, "pattern": _pattern,
    "maxItems": _count, "minItems": _count, "uniqueItems": _truth, "maxContains": _count, "minContains": _count,
    "maxProperties": _count, "minProperties": _count, "required": _names, "dependentRequired": _lists_of_names,
}  # fmt: skip

_APPLICATORS: Mapping[str, Holds] = {
    "items": Holds.SCHEMA, "contains": Holds.SCHEMA, "additionalProperties": Holds.SCHEMA,
    "propertyNames": Holds.SCHEMA, "not": Holds.SCHEMA, "if": Holds.SCHEMA, "then": Holds.SCHEMA,
    "else": Holds.SCHEMA,
    "prefixItems": Holds.SCHEMAS, "allOf": Holds.SCHEMAS, "anyOf": Holds.SCHEMAS, "oneOf": Holds.SCHEMAS,
    "properties": Holds.SCHEMAS_BY_NAME, "dependentSchemas": Holds.SCHEMAS_BY_NAME, "$defs": Holds.SCHEMAS_BY_NAME,
}  # fmt: skip

KEYWORDS: Mapping[str, Holds] = {
    **dict.fromkeys([*NOTES, "$schema"], Holds.NOTE),
    **dict.fromkeys([*RULES, "default", "$ref"], Holds.RULE),
    **_APPLICATORS,
}

ONLY_AT_ROOT = ("$schema", "$defs")
NEEDS: Mapping[str, str] = {"then": "if", "else": "if", "minContains": "contains", "maxContains": "contains"}
"""What says nothing without another."""

_REFUSED: Mapping[str, tuple[str, str]] = {
    "patternProperties": ("tells keys by expressions", "name them under `properties`, or use `additionalProperties`"),
    "unevaluatedProperties": (
        "depends on what other keywords looked at",
        "put all properties in one place: what they do not name is refused anyway",
    ),
    "unevaluatedItems": ("depends on what other keywords looked at", "use `items` beside `prefixItems`"),
    "$id": ("gives a schema an address of its own", "leave it out"),
    "$anchor": ("gives a schema a name of its own", "put it under `$defs`"),
    "$dynamicRef": ("leads elsewhere depending on where it is met", "use `$ref`"),
    "$dynamicAnchor": ("is for `$dynamicRef`", "put the schema under `$defs`"),
    "$vocabulary": ("is for schemas of schemas", "leave it out"),
    "contentSchema": ("describes what is inside a string", "leave it out"),
}
_ELSEWHERE: Mapping[str, str] = {
    "definitions": "`$defs`", "dependencies": "`dependentRequired` or `dependentSchemas`",
    "additionalItems": "`items` beside `prefixItems`", "$recursiveRef": "`$ref`", "$recursiveAnchor": "`$defs`",
    "id": "no name", "extends": "`allOf`", "disallow": "`not`", "divisibleBy": "`multipleOf`",
    "nullable": "`null` in a list under `type`", "example": "`examples`",
    "discriminator": "`const` in each alternative",
}  # fmt: skip
"""Of other drafts, and of OpenAPI."""


def refusal_of(keyword: str) -> tuple[str, str]:
    """Why a keyword that is none of KEYWORDS is refused, as the rest of a sentence, and what to do."""
    if keyword in _REFUSED:
        why, fix = _REFUSED[keyword]
        return f"has `{keyword}`, which {why}", fix
    if keyword in _ELSEWHERE:
        return f"has `{keyword}`, which is not of draft 2020-12", f"there it is {_ELSEWHERE[keyword]}"
    return f"has the unknown keyword `{shortened(keyword)}`", did_you_mean(keyword, KEYWORDS) or "leave it out"
