"""Random descriptions of tools, and arguments that come near to fitting them.

Most schemas are of what is accepted; some have a mistake put into them, so that what is refused is told alike, too.
Arguments are made for a schema, and then some of them are spoilt in one place."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any

Schema = Any  # as JSON has it

KEYS = ("a", "b", "to", "x/y", "~k", "é", "0")
TEXTS = (
    "",
    "a",
    "ab",
    "a1",
    "42",
    "é",
    "x" * 12,
    "a\n",
    "\u2028",
    "2026-11-30",
    "-",
    "A_b",
    "\U0001f600b",
    "foo/bar",
    "]",
)
NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    0.5,
    -2.5,
    1e-7,
    10,
    9007199254740991,
    9007199254740994,
    1e20,
    1e21,
    -1e300,
    123456789012345680000,
)
SMALL = (0, 1, 2, 3)
PATTERNS = (
    "^a",
    "^a$",
    "a|b",
    "^[a-z]+$",
    "^\\d{4}-\\d{2}-\\d{2}$",
    "^\\w+$",
    "\\s",
    "^\\S*$",
    "^.{2,3}$",
    "^(a|ab|-)$",
    "[^a-c]",
    "^[\\w.-]+$",
    "\\.",
    "^a?b*$",
    "^(?:a(?:b|1))+$",
    "x{3,}",
    "^$",
    "$^",
    "\\u00e9",
    "[\\]\\-]",
    "\\n$",
    "^[^\\n]*$",
    "/",
    "^\\D+$",
    "^(?:)$",
    "^(?:a||b)$",
    "(?:^a|b$)",
    "^[&~]|--",
    "a.?b",
)
REFUSED_PATTERNS = (
    "(?=a)",
    "\\b",
    "(a)\\1",
    "a{2,1}",
    "[b-a]",
    "[",
    "(",
    "\\p{L}",
    "(?i)a",
    ".{1001}",
    "(.{50}){50}",
    "a**",
)
NOTES = {"title": "T", "description": "d", "format": "uri", "examples": [1], "deprecated": True}


def random_descriptor(rng: Random) -> tuple[dict[str, Any], Schema]:
    """A descriptor, and its schema."""
    schemas = _Schemas(rng)
    schema = schemas.an_object(3)
    if schemas.definitions:
        schema["$defs"] = schemas.definitions
    schema.pop("default", None)
    schema["type"] = "object"
    if rng.random() < 0.25:
        _spoil(rng, schema)
    descriptor: dict[str, Any] = {"input_schema": schema}
    if rng.random() < 0.3:
        names = [*KEYS, "/a/*", "/to/*/a", "/b/a", "/x~1y", "/~0k", "/a/0"]
        types = ("path", "url", "host", "email", "address", "decimal", "date", "dates")
        descriptor["types"] = {rng.choice(names): rng.choice(types) for _ in range(rng.choice((1, 1, 2)))}
    return descriptor, schema


class _Schemas:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.definitions: dict[str, Schema] = {}

    def a_schema(self, depth: int) -> Schema:
        rng = self.rng
        makers = [self.a_text, self.a_number, self.a_constant, self.anything, self.several_types]
        if depth > 0:
            makers += [self.an_object, self.an_object, self.a_list, self.a_list, self.alternatives, self.a_reference]
            makers += [self.all_of]
        schema = rng.choice(makers)(depth)
        if isinstance(schema, dict) and rng.random() < 0.1:
            schema.update(rng.sample(list(NOTES.items()), 2))
        return schema

    def maybe(self, schema: dict[str, Any], chance: float, **keywords: Any) -> None:
        for keyword, value in keywords.items():
            if self.rng.random() < chance:
                schema[keyword] = value

    def a_text(self, depth: int) -> Schema:
        rng = self.rng
        schema: dict[str, Any] = {"type": "string"}
        self.maybe(
            schema, 0.2, minLength=rng.choice(SMALL), maxLength=rng.choice((1, 2, 12)), enum=rng.sample(TEXTS, 3)
        )
        self.maybe(schema, 0.4, pattern=rng.choice(PATTERNS))
        return schema

    def a_number(self, depth: int) -> Schema:
        rng = self.rng
        schema: dict[str, Any] = {"type": rng.choice(("integer", "number"))}
        limits = (-2.5, -1, 0, 0.5, 1, 3, 9007199254740991)
        self.maybe(
            schema, 0.2, minimum=rng.choice(limits), maximum=rng.choice(limits), multipleOf=rng.choice((1, 2, 7))
        )
        self.maybe(schema, 0.1, exclusiveMinimum=rng.choice(limits), exclusiveMaximum=rng.choice(limits))
        return schema

    def a_constant(self, depth: int) -> Schema:
        rng = self.rng
        values = [None, True, False, 0, 1, 0.5, "a", "ab", [], [1], [True], {"a": 1}, {"a": True}, {}]
        return {"const": rng.choice(values)} if rng.random() < 0.5 else {"enum": rng.sample(values, 3)}

    def anything(self, depth: int) -> Schema:
        return self.rng.choice((True, {}, {"title": "anything"}))

    def several_types(self, depth: int) -> Schema:
        types = ("null", "boolean", "integer", "number", "string", "array", "object")
        return {"type": self.rng.sample(types, self.rng.choice((1, 2, 3)))}

    def an_object(self, depth: int) -> Schema:
        rng = self.rng
        schema: dict[str, Any] = {"type": "object"} if rng.random() < 0.8 else {}
        keys = rng.sample(KEYS, rng.choice((0, 1, 2, 3)))
        schema["properties"] = {key: self.a_property(depth - 1) for key in keys}
        if keys and rng.random() < 0.4:
            schema["required"] = rng.sample(keys, rng.choice((1, len(keys))))
        if rng.random() < 0.2:
            schema["additionalProperties"] = rng.choice((True, False, self.a_schema(depth - 1)))
        self.maybe(schema, 0.05, minProperties=rng.choice(SMALL), maxProperties=rng.choice(SMALL))
        self.maybe(schema, 0.05, propertyNames={"maxLength": 1}, dependentRequired={"a": ["b"], "to": []})
        if keys:
            self.restrict(schema, keys)
        return schema

    def a_property(self, depth: int) -> Schema:
        rng = self.rng
        schema = self.a_schema(depth)
        if isinstance(schema, dict) and rng.random() < 0.3:
            schema["default"] = some_value(rng, schema, self.definitions)
        return schema

    def restrict(self, schema: dict[str, Any], keys: list[str]) -> None:
        """Combinators beside a description."""
        rng = self.rng
        some, other = {"required": rng.sample(keys, 1)}, {"required": rng.sample(keys, 1)}
        valued = {"properties": {rng.choice(keys): self.a_plain_schema()}}
        if rng.random() < 0.25:
            keyword = rng.choice(("anyOf", "oneOf", "allOf", "not", "if", "dependentSchemas"))
            schema[keyword] = {
                "anyOf": [some, valued],
                "oneOf": [some, valued, other],
                "allOf": [valued, {"not": some}],
                "not": valued,
                "if": valued,
                "dependentSchemas": {rng.choice(keys): valued},
            }[keyword]
            if keyword == "if":
                self.maybe(schema, 0.7, **{"then": some, "else": other})

    def a_plain_schema(self) -> Schema:
        return self.rng.choice((self.a_text, self.a_number, self.a_constant))(0)

    def a_list(self, depth: int) -> Schema:
        rng = self.rng
        schema: dict[str, Any] = {"type": "array"} if rng.random() < 0.9 else {}
        if rng.random() < 0.8:
            schema["items"] = self.a_schema(depth - 1)
        if rng.random() < 0.2:
            schema["prefixItems"] = [self.a_schema(depth - 1)]
        self.maybe(schema, 0.15, minItems=rng.choice(SMALL), maxItems=rng.choice(SMALL), uniqueItems=True)
        if rng.random() < 0.15:
            schema["contains"] = self.a_plain_schema()
            self.maybe(schema, 0.4, minContains=rng.choice(SMALL), maxContains=rng.choice(SMALL))
        return schema

    def alternatives(self, depth: int) -> Schema:
        rng = self.rng
        branches = [self.a_schema(depth - 1), {"type": "null"}]
        if rng.random() < 0.5:
            branches.append(self.a_schema(depth - 1))
        schema: dict[str, Any] = {rng.choice(("anyOf", "oneOf")): branches}
        self.maybe(schema, 0.1, type=["object", "null"])
        return schema

    def all_of(self, depth: int) -> Schema:
        parts = [self.a_schema(depth - 1), {"not": self.a_plain_schema()}]
        return {"allOf": parts[: self.rng.choice((1, 2))]}

    def a_reference(self, depth: int) -> Schema:
        name = f"d{len(self.definitions)}"
        if self.definitions and self.rng.random() < 0.5:
            return {"$ref": f"#/$defs/{self.rng.choice(list(self.definitions))}"}
        schema = self.a_schema(depth - 1)
        self.definitions[name] = schema
        return {"$ref": f"#/$defs/{name}"}


def _spoil(rng: Random, schema: Schema) -> None:
    """Put something into it that is refused, or should be."""
    places = [each for each in _schemas_in(schema) if isinstance(each, dict)]
    place = rng.choice(places)
    mistakes: list[dict[str, Any]] = [
        {"patternProperties": {}},
        {"unevaluatedProperties": False},
        {"propertees": {}},
        {"definitions": {}},
        {"$id": "x"},
        {"pattern": rng.choice(REFUSED_PATTERNS)},
        {"multipleOf": 0.1},
        {"multipleOf": 0},
        {"maximum": 1e300},
        {"minLength": -1},
        {"maximum": "1"},
        {"minLength": 1.5},
        {"type": "text"},
        {"type": []},
        {"enum": []},
        {"required": ["a", "a"]},
        {"required": ["zz"]},
        {"const": [1e22]},
        {"uniqueItems": 1},
        {"then": {}},
        {"minContains": 1},
        {"default": 1},
        {"$ref": "#/$defs/none"},
        {"$ref": "#"},
        {"$ref": "other.json"},
        {"items": False},
        {"not": 1},
        {"anyOf": []},
        {"allOf": [{"properties": {"zz": {}}}]},
        {"anyOf": [{"additionalProperties": False}, {"required": ["a"]}]},
        {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
        {"$defs": {}},
        {"properties": []},
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {"title": 1},
        {"dependentRequired": {"a": "b"}},
        {"oneOf": [{"type": "object", "properties": {"a": {"default": 1}}}, {"type": "object"}]},
        {"prefixItems": {}},
    ]
    place.update(rng.choice(mistakes))
    if rng.random() < 0.1:
        schema.setdefault("$defs", {})["r"] = {"properties": {"a": {"$ref": "#/$defs/r"}}}
        place.clear()
        place["$ref"] = "#/$defs/r"


def _schemas_in(schema: Schema) -> list[Schema]:
    found = [schema]
    if not isinstance(schema, dict):
        return found
    for keyword, value in schema.items():
        if keyword in ("properties", "dependentSchemas", "$defs") and isinstance(value, dict):
            found += [inner for each in value.values() for inner in _schemas_in(each)]
        elif keyword in ("allOf", "anyOf", "oneOf", "prefixItems") and isinstance(value, list):
            found += [inner for each in value for inner in _schemas_in(each)]
        elif keyword in ("items", "not", "if", "then", "else", "contains", "propertyNames", "additionalProperties"):
            found += _schemas_in(value)
    return found


# --- arguments --------------------------------------------------------------------------------------------------


def random_arguments(rng: Random, schema: Schema) -> dict[str, Any]:
    """Arguments that a schema may take."""
    value = some_value(rng, schema, schema.get("$defs", {}))
    value = value if isinstance(value, dict) else {}
    for _ in range(rng.choice((0, 0, 1, 2))):
        value = _spoilt(rng, value)
    return value if isinstance(value, dict) else {"a": value}


def some_value(rng: Random, schema: Schema, definitions: dict[str, Schema], depth: int = 6) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return _a_value(rng)
    schema_ref = schema.get("$ref")
    if isinstance(schema_ref, str):
        return some_value(rng, definitions.get(schema_ref.removeprefix("#/$defs/"), True), definitions, depth - 1)
    if "const" in schema:
        return deepcopy(schema["const"])
    if isinstance(schema.get("enum"), list) and schema["enum"] and rng.random() < 0.9:
        return deepcopy(rng.choice(schema["enum"]))
    if isinstance(schema.get("properties"), dict):
        return _an_object(rng, schema, definitions, depth)
    if "items" in schema or "prefixItems" in schema:
        prefix = schema.get("prefixItems", [])
        prefix = prefix if isinstance(prefix, list) else []
        items = [some_value(rng, each, definitions, depth - 1) for each in prefix]
        count = rng.choice(SMALL)
        return items + [some_value(rng, schema.get("items", True), definitions, depth - 1) for _ in range(count)]
    for keyword in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(keyword), list) and schema[keyword]:
            return some_value(rng, rng.choice(schema[keyword]), definitions, depth - 1)
    types = schema.get("type")
    type = rng.choice(types) if isinstance(types, list) and types else types
    return _of_type(rng, type, schema)


def _an_object(rng: Random, schema: dict[str, Any], definitions: dict[str, Schema], depth: int) -> dict[str, Any]:
    required = schema.get("required", [])
    value = {}
    for key, below in schema["properties"].items():
        if (isinstance(required, list) and key in required and rng.random() < 0.97) or rng.random() < 0.6:
            value[key] = some_value(rng, below, definitions, depth - 1)
    if schema.get("additionalProperties") and rng.random() < 0.6:
        value["more"] = some_value(rng, schema["additionalProperties"], definitions, depth - 1)
    return value


def _of_type(rng: Random, type: Any, schema: dict[str, Any]) -> Any:
    match type:
        case "string":
            return rng.choice(TEXTS)
        case "integer":
            return rng.choice([each for each in NUMBERS if isinstance(each, int)])
        case "number":
            return rng.choice(NUMBERS)
        case "null":
            return None
        case "boolean":
            return rng.choice((True, False))
        case "array":
            return [_a_value(rng) for _ in range(rng.choice(SMALL))]
        case "object":
            return {}
    return _a_value(rng)


def _a_value(rng: Random) -> Any:
    scalars = [None, True, False, *TEXTS, *NUMBERS]
    nested = [[], {}, [1, True], [[1], [True], [1]], {"a": 1}, ["a", "a"], [{"a": 1}, {"a": 1}], [None, "a", 0]]
    return deepcopy(rng.choice(rng.choice((scalars, scalars, nested))))


def _spoilt(rng: Random, value: Any) -> Any:
    """The value, changed in one place."""
    if isinstance(value, dict) and value and rng.random() < 0.7:
        key = rng.choice(list(value))
        match rng.choice(("below", "below", "left out", "more")):
            case "below":
                return {**value, key: _spoilt(rng, value[key])}
            case "left out":
                return {each: below for each, below in value.items() if each != key}
            case _:
                return {**value, "zz": _a_value(rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        index = rng.randrange(len(value))
        return [_spoilt(rng, each) if number == index else each for number, each in enumerate(value)]
    return _a_value(rng)


def as_bytes(value: Any) -> bytes:
    """As JSON, whose numbers are written as RFC 8785 has them where they are arguments' own."""
    from remit.arguments.json_text import canonical_text

    return canonical_text(json.loads(json.dumps(value))).encode()
