"""Descriptions of tools: closed unless they say otherwise, defaults filled in where they count, the rest refused."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from remit.arguments.closed_schema import DEPTH_MAX, SUBSCHEMAS_MAX
from remit.arguments.json_text import read_object
from remit.arguments.keywords import KEYWORDS, refusal_of
from remit.arguments.tool_schema import BYTES_MAX, VALUES_MAX, Descriptor, Unfit, read_descriptor
from remit.errors import DescriptorInvalid
from tests.support.arguments.tool_schemas import as_bytes, random_arguments, random_descriptor
from tests.support.seeds import Seeds

TEXT = {"type": "string"}
OBJECT = {"type": "object"}


def described(types: dict[str, str] | None = None, **schema: Any) -> Descriptor:
    return read_descriptor(as_bytes({"input_schema": {**OBJECT, **schema}, "types": types or {}}))


def with_argument(schema: Any, **more: Any) -> Descriptor:
    """Of a tool with the one argument `a`."""
    return described(properties={"a": schema}, **more)


def refused(document: Any) -> DescriptorInvalid:
    with pytest.raises(DescriptorInvalid) as caught:
        read_descriptor(document if isinstance(document, bytes) else as_bytes(document))
    return caught.value


# --- what is read -----------------------------------------------------------------------------------------------


def test_it_says_what_people_and_judges_need() -> None:
    document = {"name": "pay", "description": "Pays.", "input_schema": {**OBJECT, "properties": {"to": TEXT}}}
    descriptor = read_descriptor(as_bytes({**document, "types": {"to": "email"}}))
    assert (descriptor.name, descriptor.description, descriptor.types) == ("pay", "Pays.", {"/to": "email"})
    assert read_descriptor(as_bytes(document)).types == {}


def test_numbers_may_be_written_as_their_writers_do() -> None:
    document = b'{"input_schema":{"type":"object","properties":{"a":{"type":"number","minimum":0.0,"default":1.0}}}}'
    assert read_descriptor(document).filled({}) == {"a": 1}


@pytest.mark.parametrize(
    ("document", "pointer", "why"),
    [
        (b"[]", "", "is not a JSON object"),
        (b'{"input_schema":{"type":"object","type":"object"}}', "/input_schema/type", "stands twice"),
        (
            b'{"input_schema":{"type":"object","maxProperties":9007199254740993}}',
            "/input_schema/maxProperties",
            "RFC 8785",
        ),
        (b" " * (BYTES_MAX + 1), "", f"has {BYTES_MAX + 1} bytes, and may have {BYTES_MAX}"),
        ({}, "", "has no `input_schema`"),
        ({"inputSchema": OBJECT}, "", "has the unknown key `inputSchema`"),
        ({"input_schema": OBJECT, "name": 1}, "/name", "is not a string"),
        ({"input_schema": []}, "/input_schema", "is not an object"),
        ({"input_schema": {}}, "/input_schema", "does not say `type: object`"),
        ({"input_schema": {"type": ["object"]}}, "/input_schema", "does not say `type: object`"),
        ({"input_schema": OBJECT, "types": []}, "/types", "is not an object"),
    ],
)
def test_what_is_no_descriptor_is_refused_with_its_place(document: Any, pointer: str, why: str) -> None:
    error = refused(document)
    assert (error.pointer, error.reason) == (pointer, "DESCRIPTOR_INVALID")
    assert why in error.problem
    assert error.fix, "and says what to do"
    assert error.metadata["pointer"] == pointer


def test_a_slip_of_the_pen_is_told() -> None:
    assert refused({"inputschema": OBJECT}).fix == "did you mean `input_schema`?"
    assert refused({"input_schema": {**OBJECT, "propertys": {}}}).fix == "did you mean `properties`?"


# --- which schemas ----------------------------------------------------------------------------------------------

A = "/input_schema/properties/a"


@pytest.mark.parametrize(
    ("schema", "pointer", "why"),
    [
        (False, A, "is `false`"),
        ([], A, "is not a schema"),
        ({"patternProperties": {}}, A, "has `patternProperties`"),
        ({"unevaluatedProperties": False}, A, "has `unevaluatedProperties`"),
        ({"definitions": {}}, A, "has `definitions`, which is not of draft 2020-12"),
        ({"nullable": True}, A, "has `nullable`, which is not of draft 2020-12"),
        ({"x-order": 1}, A, "has the unknown keyword `x-order`"),
        ({"$defs": {}}, A, "has `$defs`, which stands at the root only"),
        ({"then": {}}, A, "has `then` without `if`"),
        ({"maxContains": 1}, A, "has `maxContains` without `contains`"),
        ({"type": "text"}, f"{A}/type", "is none of `null`, `boolean`"),
        ({"type": ["string", "string"]}, f"{A}/type", "is none of"),
        ({"enum": []}, f"{A}/enum", "is not a list of at least one value"),
        ({"const": {"a": [1e16]}}, f"{A}/const", "has a number that is beyond 2^53 - 1"),
        ({"maximum": -(2.0**54)}, f"{A}/maximum", "is beyond 2^53 - 1"),
        ({"maximum": "1"}, f"{A}/maximum", "is not a number"),
        ({"multipleOf": 0.01}, f"{A}/multipleOf", "is not a whole number, and floating-point arithmetic"),
        ({"multipleOf": 0}, f"{A}/multipleOf", "is 0"),
        ({"minLength": -1}, f"{A}/minLength", "is not a whole number from 0"),
        ({"minLength": True}, f"{A}/minLength", "is not a whole number from 0"),
        ({"pattern": "(?=a)"}, f"{A}/pattern", "which not every engine has"),
        ({"pattern": 1}, f"{A}/pattern", "is not a string"),
        ({"required": ["a", "a"]}, f"{A}/required", "is not a list of different names"),
        ({"dependentRequired": {"a": "b"}}, f"{A}/dependentRequired", "is not a list of different names"),
        ({"uniqueItems": "yes"}, f"{A}/uniqueItems", "is neither true nor false"),
        ({"title": 1}, f"{A}/title", "is not a string"),
        ({"examples": 1}, f"{A}/examples", "is not a list"),
        ({"anyOf": []}, f"{A}/anyOf", "is not a list of at least one schema"),
        ({"properties": []}, f"{A}/properties", "is not an object of schemas"),
        ({"anyOf": [{"items": 1}]}, f"{A}/anyOf/0/items", "is not a schema"),
        ({"$ref": "#/$defs/none"}, f"{A}/$ref", "leads to `none`, which `$defs` lacks"),
        ({"$ref": "#"}, f"{A}/$ref", "leads elsewhere than to `#/$defs/NAME`"),
        ({"$ref": "https://example.com/a.json"}, f"{A}/$ref", "leads elsewhere"),
        ({"$ref": "#/$defs/a%20b"}, f"{A}/$ref", "leads elsewhere"),
        ({"$ref": 1}, f"{A}/$ref", "leads elsewhere"),
        ({"$ref": "#/$defs/x", "type": "string"}, A, "has `type` beside `$ref`"),
    ],
)
def test_what_libraries_could_judge_differently_is_refused_by_name(schema: Any, pointer: str, why: str) -> None:
    error = refused({"input_schema": {**OBJECT, "properties": {"a": schema}}})
    assert error.pointer == pointer
    assert why in error.problem
    assert error.fix


def test_every_refused_keyword_says_why() -> None:
    for keyword in (
        "$id",
        "$anchor",
        "$dynamicRef",
        "$dynamicAnchor",
        "$vocabulary",
        "contentSchema",
        "unevaluatedItems",
    ):
        assert keyword not in KEYWORDS
        why, fix = refusal_of(keyword)
        assert keyword in why and "unknown" not in why and fix


def test_another_draft_is_refused_and_no_word_means_this_one() -> None:
    for draft in ("http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema", 7):
        error = refused({"input_schema": {**OBJECT, "$schema": draft}})
        assert (error.pointer, error.problem) == ("/input_schema/$schema", "is not draft 2020-12")
    described(**{"$schema": "https://json-schema.org/draft/2020-12/schema"})


def test_a_schema_does_not_lead_back_to_itself() -> None:
    for tree in ({"properties": {"child": {"$ref": "#/$defs/tree"}}}, {"$ref": "#/$defs/tree"}):
        error = refused(
            {"input_schema": {**OBJECT, "properties": {"a": {"$ref": "#/$defs/tree"}}, "$defs": {"tree": tree}}}
        )
        assert error.problem == "leads back to where it stands"


def test_a_schema_that_unfolds_to_a_forest_is_refused_at_once() -> None:
    definitions = {"d0": TEXT}
    for level in range(1, 30):
        below = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"anyOf": [below, below]}
    error = refused({"input_schema": {**OBJECT, "properties": {"a": {"$ref": "#/$defs/d29"}}, "$defs": definitions}})
    assert str(SUBSCHEMAS_MAX) in error.problem or str(DEPTH_MAX) in error.problem
    wide = {"enum": ["x" * 1_000]}
    many = {f"k{number}": {"$ref": "#/$defs/wide"} for number in range(100)}
    assert (
        str(SUBSCHEMAS_MAX)
        in refused({"input_schema": {**OBJECT, "properties": many, "$defs": {"wide": wide}}}).problem
    )


def test_what_a_library_is_given_several_times_counts_as_often() -> None:
    """Of a `oneOf` that describes, each alternative is given closed and as it is; so are those within it."""
    wide: Any = {"anyOf": [{"const": number} for number in range(340)]}
    once = {"oneOf": [{**OBJECT, "properties": {"b": wide}}]}
    assert with_argument(once).filled({"a": {"b": 339}}) == {"a": {"b": 339}}
    schema = {**OBJECT, "properties": {"a": {"oneOf": [{**OBJECT, "properties": {"b": once}}]}}}
    assert str(SUBSCHEMAS_MAX) in refused({"input_schema": schema}).problem


def test_the_depth_is_bounded_with_references_followed() -> None:
    chain = {f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}]} for level in range(40)} | {"d40": TEXT}
    schema = {**OBJECT, "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": chain}
    assert refused({"input_schema": schema}).problem == f"is more than {DEPTH_MAX} subschemas deep"


# --- closed -----------------------------------------------------------------------------------------------------

NAMED = {"properties": {"x": TEXT}}


@pytest.mark.parametrize(
    ("schema", "fits", "unfit"),
    [
        # What describes an object is closed, wherever it stands.
        (NAMED, {"x": ""}, {"x": "", "y": 1}),
        (OBJECT, {}, {"y": 1}),
        ({"type": ["object", "null"]}, None, {"y": 1}),
        ({"minProperties": 0}, {}, {"y": 1}),
        ({"items": NAMED}, [{"x": ""}], [{"x": "", "y": 1}]),
        ({"prefixItems": [NAMED]}, [{"x": ""}, {"y": 1}], [{"y": 1}]),
        ({"additionalProperties": NAMED}, {"z": {"x": ""}}, {"z": {"y": 1}}),
        ({"$ref": "#/$defs/named"}, {"x": ""}, {"y": 1}),
        # Unless it says otherwise.
        ({**NAMED, "additionalProperties": True}, {"y": 1}, {"x": 1}),
        ({**NAMED, "additionalProperties": {"type": "integer"}}, {"y": 1}, {"y": ""}),
        (True, {"y": [{"z": 1}]}, None),
        ({"title": "Anything"}, {"y": 1}, None),
        # Alternatives that stand in place of a description are closed, each for itself.
        ({"anyOf": [NAMED, {"type": "null"}]}, None, {"y": 1}),
        ({"anyOf": [TEXT, {"$ref": "#/$defs/named"}]}, {"x": ""}, {"y": 1}),
        ({"type": "object", "anyOf": [NAMED, {"properties": {"y": {"type": "integer"}}}]}, {"y": 1}, {"x": "", "y": 1}),
        ({"type": "object", "anyOf": [NAMED, {"title": "or nothing"}]}, {"x": ""}, {"y": 1}),
        ({"allOf": [{"$ref": "#/$defs/named"}]}, {"x": ""}, {"y": 1}),
        ({"allOf": [NAMED, {"not": {"const": {"x": "no"}}}]}, {"x": ""}, {"x": "no"}),
        # Of `oneOf` exactly one must fit, by the schema as it was written.
        ({"oneOf": [NAMED, {"properties": {"y": TEXT}, "required": ["y"]}]}, {"x": ""}, {"y": ""}),
        # A combinator beside a description restricts, and closes nothing.
        (
            {"properties": {"x": TEXT, "y": True}, "anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
            {"x": "", "y": 1},
            {},
        ),
        ({"properties": {"x": TEXT, "y": True}, "not": {"required": ["x", "y"]}}, {"y": 1}, {"x": "", "y": 1}),
        (
            {
                "properties": {"x": TEXT, "y": True},
                "if": {"properties": {"x": {"const": "z"}}},
                "then": {"required": ["y"]},
            },
            {"x": "z", "y": 1},
            {"x": "z"},
        ),
        ({"properties": {"x": True}, "not": {"properties": {"x": NAMED}}}, {"x": {"x": 1}}, {"x": {"y": 1}}),
    ],
)
def test_a_schema_is_closed_unless_it_says_otherwise(schema: Any, fits: Any, unfit: Any) -> None:
    descriptor = with_argument(schema, **{"$defs": {"named": NAMED}})
    assert descriptor.filled({"a": fits}) == {"a": fits}
    if unfit is not None:
        assert isinstance(descriptor.filled({"a": unfit}), Unfit)
    assert descriptor.filled({"b": 1}) == Unfit("/b", "is not among what the schema describes")


@pytest.mark.parametrize(
    ("schema", "pointer", "why"),
    [
        (
            {**NAMED, "anyOf": [{"properties": {"y": TEXT}}]},
            f"{A}/anyOf/0/properties",
            "names `y` in a combinator only",
        ),
        ({**NAMED, "anyOf": [{"$ref": "#/$defs/other"}]}, "/input_schema/$defs/other/properties", "names `y` in"),
        ({"allOf": [NAMED, {"properties": {"y": TEXT}}]}, f"{A}/allOf", "describes the value in several parts"),
        ({"anyOf": [NAMED], "allOf": [NAMED]}, A, "describes the value in `allOf` and `anyOf`"),
        (
            {**NAMED, "allOf": [{"additionalProperties": False}]},
            f"{A}/allOf/0",
            "has `additionalProperties` in a combinator",
        ),
        (
            {"additionalProperties": False, "allOf": [NAMED]},
            f"{A}/allOf/0/properties",
            "names `x` in a combinator only",
        ),
        ({"if": NAMED, "then": NAMED}, f"{A}/if/properties", "names `x` in a combinator only"),
        ({**NAMED, "required": ["y"]}, f"{A}/required", "names `y`, which `properties` lacks"),
        ({"required": ["y"]}, f"{A}/required", "names `y`, which `properties` lacks"),
    ],
)
def test_where_closed_could_mean_two_things_it_is_refused(schema: Any, pointer: str, why: str) -> None:
    definitions = {"other": {"properties": {"y": TEXT}}}
    error = refused({"input_schema": {**OBJECT, "properties": {"a": schema}, "$defs": definitions}})
    assert error.pointer == pointer
    assert why in error.problem


# --- defaults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "given", "filled"),
    [
        ({"type": "boolean", "default": False}, {}, {"a": False}),
        ({"type": "boolean", "default": False}, {"a": True}, {"a": True}),
        ({"anyOf": [TEXT, {"type": "null"}], "default": None}, {}, {"a": None}),
        ({"$ref": "#/$defs/options", "default": {}}, {}, {"a": {"limit": 5}}),
        ({"$ref": "#/$defs/options"}, {"a": {}}, {"a": {"limit": 5}}),
        ({"$ref": "#/$defs/options"}, {}, {}),  # an object that is not there is not invented
        ({"items": {"$ref": "#/$defs/options"}}, {"a": [{}, {"limit": 1}]}, {"a": [{"limit": 5}, {"limit": 1}]}),
        ({"prefixItems": [{"$ref": "#/$defs/options"}]}, {"a": [{}]}, {"a": [{"limit": 5}]}),
        ({"additionalProperties": {"$ref": "#/$defs/options"}}, {"a": {"x": {}}}, {"a": {"x": {"limit": 5}}}),
        ({"anyOf": [{"$ref": "#/$defs/options"}, {"type": "null"}]}, {"a": {}}, {"a": {"limit": 5}}),
        ({"oneOf": [TEXT, {"$ref": "#/$defs/options"}]}, {"a": {}}, {"a": {"limit": 5}}),
        ({"oneOf": [TEXT, {"$ref": "#/$defs/options"}]}, {"a": ""}, {"a": ""}),
    ],
)
def test_a_default_is_filled_in_where_it_counts(schema: Any, given: Any, filled: Any) -> None:
    options = {**OBJECT, "properties": {"limit": {"type": "integer", "default": 5}}}
    descriptor = with_argument(schema, **{"$defs": {"options": options}})
    before = json.dumps(given)
    assert descriptor.filled(given) == filled
    assert json.dumps(given) == before, "what was given is left as it was"


DEFAULTED = {**OBJECT, "properties": {"x": {"default": 1}}}


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"anyOf": [{"type": "string", "default": "x"}]}, f"{A}/anyOf/0/default"),
        ({"anyOf": [DEFAULTED, {"type": "array"}]}, f"{A}/anyOf/0/properties/x/default"),
        ({"oneOf": [DEFAULTED, OBJECT]}, f"{A}/oneOf/0/properties/x/default"),
        ({"allOf": [DEFAULTED]}, f"{A}/allOf/0/properties/x/default"),
        ({**OBJECT, "properties": {"x": True}, "anyOf": [DEFAULTED]}, f"{A}/anyOf/0/properties/x/default"),
        ({"items": {"default": 1}}, f"{A}/items/default"),
        ({"$ref": "#/$defs/x"}, "/input_schema/$defs/x/default"),
    ],
)
def test_a_default_that_nobody_here_would_see_is_refused(schema: Any, pointer: str) -> None:
    definitions = {"x": {"type": "integer", "default": 1}}
    error = refused({"input_schema": {**OBJECT, "properties": {"a": schema}, "$defs": definitions}})
    assert (error.pointer, error.problem) == (pointer, "is a default where none counts")


def test_a_default_that_does_not_fit_is_refused_when_it_is_described() -> None:
    wrong = {"type": "array", "items": {"type": "string"}, "default": ["x", 1]}
    error = refused({"input_schema": {**OBJECT, "properties": {"a": wrong}}})
    assert (error.pointer, error.problem) == (f"{A}/default/1", "does not fit `type`, as a default")
    lacking = {**OBJECT, "properties": {"x": {"type": "integer", "default": 1}}, "maxProperties": 0, "default": {}}
    error = refused({"input_schema": {**OBJECT, "properties": {"a": lacking}}})
    assert (error.pointer, error.problem) == (f"{A}/default", "does not fit `maxProperties`, as a default")


def test_defaults_in_one_another_take_no_longer_together_than_a_call() -> None:
    schema: Any = {"type": "array", "items": {"anyOf": [{"const": number} for number in range(400)]}}
    value: Any = [0] * 140
    for _ in range(4):
        schema, value = {**OBJECT, "properties": {"a": {**schema, "default": value}}}, {"a": value}
    error = refused({"input_schema": schema})
    assert (error.pointer, error.problem) == (f"{A}/default", "is, with the defaults before it, too much to judge")
    described(properties=schema["properties"]["a"]["properties"])  # one less: three times 140 x 400 are below the bound
    # Of many beside one another each is held against its own schema alone.
    beside = {f"k{number}": {"type": "boolean", "default": False} for number in range(430)}
    assert described(properties=beside).filled({}) == dict.fromkeys(beside, False)


def test_a_required_argument_has_to_be_given_also_where_it_has_a_default() -> None:
    descriptor = with_argument({"type": "integer", "default": 1}, required=["a"])
    assert descriptor.filled({}) == Unfit("/a", "is required, and not there")


def test_arguments_have_to_fit_with_what_is_filled_in() -> None:
    properties = {"a": {"type": "integer", "default": 1}, "b": True}
    descriptor = described(properties=properties, **{"not": {"required": ["a", "b"]}})
    assert descriptor.filled({}) == {"a": 1}
    assert descriptor.filled({"b": 1}) == Unfit("", "does not fit `not`")


def test_what_is_filled_in_is_bounded() -> None:
    item = {**OBJECT, "properties": {f"k{number}": {"default": number} for number in range(10)}}
    many = with_argument({"items": item})
    assert isinstance(many.filled({"a": [{}] * 90}), dict)
    assert many.filled({"a": [{}] * 95}) == Unfit("", f"has more than {VALUES_MAX} values with its defaults")
    large = with_argument({"items": {**OBJECT, "properties": {"k": {"default": "x" * 10_000}}}})
    assert isinstance(large.filled({"a": [{}] * 6}), dict)
    unfit = large.filled({"a": [{}] * 7})
    assert isinstance(unfit, Unfit) and f"and may have {BYTES_MAX}" in unfit.reason


# --- what fits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "value", "pointer", "reason"),
    [
        ({"type": "integer"}, 0.5, "/a", "does not fit `type`"),
        ({"type": "integer"}, True, "/a", "does not fit `type`"),
        ({"items": {"maximum": 2}}, [1, 3, 4], "/a/1", "does not fit `maximum`"),
        ({"pattern": "^x"}, "y", "/a", "does not fit `pattern`"),
        ({"uniqueItems": True}, [[1], [True], [1]], "/a", "does not fit `uniqueItems`"),
        ({"contains": {"const": 1}, "maxContains": 1}, [1, 1], "/a", "does not fit `contains`"),
        (
            {**OBJECT, "additionalProperties": True, "propertyNames": {"maxLength": 1}},
            {"xx": 1},
            "/a",
            "does not fit `propertyNames`",
        ),
        (
            {**OBJECT, "properties": {"x/y": True, "~": True}, "required": ["x/y"]},
            {},
            "/a/x~1y",
            "is required, and not there",
        ),
    ],
)
def test_a_misfit_is_told_with_its_place(schema: Any, value: Any, pointer: str, reason: str) -> None:
    assert with_argument(schema).filled({"a": value}) == Unfit(pointer, reason)


def test_what_would_take_long_is_refused_and_what_takes_some_time_is_told_in_short() -> None:
    branches = [{"type": "string", "minLength": length} for length in range(898)]
    descriptor = with_argument({"items": {"anyOf": branches}})
    long = descriptor.filled({"a": ["x"] * 300})
    assert long == Unfit("", "has 302 values, too many to hold against a schema of 901 subschemas")
    assert descriptor.filled({"a": [1] * 100}) == Unfit("", "does not fit, and is too much to tell where")
    assert descriptor.filled({"a": [1] * 10}) == Unfit("/a/0", "does not fit `anyOf`")
    patterns = {f"k{number}": {"pattern": "[^a]{500}"} for number in range(40)}
    assert str(SUBSCHEMAS_MAX) in refused({"input_schema": {**OBJECT, "properties": patterns}}).problem


def test_long_texts_are_held_against_patterns_as_long_as_it_takes_values() -> None:
    """An engine that cannot know where `a` begins what is looked for follows every one, for each byte of the text."""
    patterns = [{"pattern": f"a[ab]{{{length}}}c"} for length in range(100, 116)]
    descriptor = with_argument({"anyOf": [*patterns, True]})
    assert descriptor.filled({"a": "ab" * 10_000}) == {"a": "ab" * 10_000}
    reason = "has 60001 bytes of text, too many to hold against patterns of 1752 characters"
    assert descriptor.filled({"a": "é" * 30_000}) == Unfit("", reason)
    assert descriptor.filled({"a": {"é" * 30_000: 1}}) == Unfit("", reason), "keys may have patterns, too"
    assert with_argument({"allOf": patterns}).filled({"a": "ab" * 10_000}) == Unfit(
        "", "does not fit, and is too much to tell where"
    )
    twice = with_argument({"oneOf": [{**OBJECT, "properties": {"b": {"anyOf": [*patterns[:8], True]}}}]})
    assert isinstance(twice.filled({"a": {"b": "é" * 30_000}}), Unfit)
    assert isinstance(with_argument({"anyOf": [*patterns[:8], True]}).filled({"a": "é" * 30_000}), dict)


def test_large_whole_numbers_are_doubles() -> None:
    descriptor = with_argument({"type": "integer", "not": {"multipleOf": 2}})
    arguments = read_object(b'{"a":123456789012345680000}')
    assert isinstance(descriptor.filled(arguments), Unfit), "the double is even, as every such is"
    assert with_argument({"type": "integer"}).filled(arguments) == arguments


def test_a_format_is_a_note() -> None:
    assert with_argument({"type": "string", "format": "email"}).filled({"a": "nobody"}) == {"a": "nobody"}


# --- types ------------------------------------------------------------------------------------------------------

TYPED = {
    "to": {"type": "array", "items": TEXT},
    "x/y": {**OBJECT, "properties": {"0": {"type": ["string", "null"]}, "*": TEXT}},
    "maybe": {"anyOf": [{"type": "null"}, {**OBJECT, "properties": {"file": TEXT}}]},
    "mode": {"enum": ["a", "b"]},
    "count": {"type": "integer"},
    "any": True,
    "either": {"type": ["array", "object"], "items": TEXT},
    "pair": {"type": "array", "prefixItems": [TEXT], "items": TEXT},
    "files": {"type": "object", "additionalProperties": TEXT},
}


def test_a_type_is_found_by_the_pointer_of_what_it_is_of() -> None:
    types = {"/to/*": "email", "/x~1y/0": "date", "/maybe/file": "path", "mode": "host"}
    descriptor = described(types, properties=TYPED)
    found = {
        pointer: descriptor.type_of(pointer)
        for pointer in (
            "/to/0",
            "/to/17",
            "/to/*",
            "/to/x",
            "/to",
            "/x~1y/0",
            "/x~1y/1",
            "/maybe/file",
            "/mode",
            "mode",
            "",
        )
    }
    assert {pointer: type for pointer, type in found.items() if type} == {
        "/to/0": "email",
        "/to/17": "email",
        "/to/*": "email",
        "/x~1y/0": "date",
        "/maybe/file": "path",
        "/mode": "host",
    }


@pytest.mark.parametrize(
    ("types", "pointer", "why"),
    [
        ({"count": "decimal"}, "/types/count", "is `decimal`, which is a string, and the schema says number"),
        ({"any": "path"}, "/types/any", "the schema says array or boolean or number or object or string"),
        ({"to": "email"}, "/types/to", "is `email`, which is a string, and the schema says array"),
        ({"/to/0": "email"}, "/types/~1to~10", "leads to `/to/0`, in a list"),
        ({"/x~1y/*": "path"}, "/types/~1x~01y~1*", "leads to `/x~1y/*`, in an object"),
        ({"/pair/*": "path"}, "/types/~1pair~1*", "leads to `/pair/*`, in a list"),
        ({"/either/*": "path"}, "/types/~1either~1*", "leads through `/either`, which may be an object or a list"),
        ({"/count/x": "path"}, "/types/~1count~1x", "leads through `/count`, which is neither an object nor a list"),
        ({"/files/x": "path"}, "/types/~1files~1x", "leads to `/files/x`, which `properties` lacks"),
        ({"mods": "path"}, "/types/mods", "leads to `/mods`, which `properties` lacks"),
        ({"mode": "paths"}, "/types/mode", "is no type"),
        ({"mode": 1}, "/types/mode", "is no type"),
        ({"/mode~": "path"}, "/types/~1mode~0", "is no JSON Pointer"),
        ({"mode": "path", "/mode": "path"}, "/types/mode", "names what `/mode` names"),
    ],
)
def test_a_type_that_does_not_fit_its_argument_is_refused(types: Any, pointer: str, why: str) -> None:
    error = refused({"input_schema": {**OBJECT, "properties": TYPED}, "types": types})
    assert error.pointer == pointer
    assert why in error.problem
    assert error.fix


def test_a_type_is_guessed() -> None:
    assert (
        refused({"input_schema": {**OBJECT, "properties": TYPED}, "types": {"mode": "paths"}}).fix
        == "did you mean `path`?"
    )
    assert (
        refused({"input_schema": {**OBJECT, "properties": TYPED}, "types": {"mod": "path"}}).fix
        == "did you mean `mode`?"
    )


# --- laws -------------------------------------------------------------------------------------------------------


@pytest.mark.seeds(1_600, shards=4)
def test_what_fits_is_no_more_than_the_tools_own_schema_takes(seeds: Seeds) -> None:
    """And filled in twice it is the same; and a key that nobody named fits only where the schema says that it may."""
    fit = unfit = 0
    for seed in seeds:
        rng = Random(seed)
        document, schema = random_descriptor(rng)
        try:
            descriptor = read_descriptor(as_bytes(document))
        except DescriptorInvalid:
            continue
        # The library gives its patterns to another engine, which reads some of them otherwise.
        own = Draft202012Validator(schema) if "pattern" not in json.dumps(schema) else None
        for _ in range(4):
            given = read_object(as_bytes(random_arguments(rng, schema)))
            filled = descriptor.filled(given)
            if isinstance(filled, Unfit):
                unfit += 1
                continue
            fit += 1
            assert descriptor.filled(filled) == filled
            for arguments in (given, filled):
                assert own is None or own.is_valid(json.loads(json.dumps(arguments), parse_int=float)), (
                    seed,
                    arguments,
                )
            if "additionalProperties" not in schema:
                assert isinstance(descriptor.filled({**given, "nobody named it": 1}), Unfit)
    seeds.require(fit > 100 < unfit, (fit, unfit))
