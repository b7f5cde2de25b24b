"""A tool's JSON Schema as libraries are given it: closed, without references, without notes, its patterns written out.

By JSON Schema alone an object may have keys that nobody named. A tool may do with those what it likes, so here they are
refused, unless the schema says `additionalProperties`. What that means is clear where a value is *described*: at the
root, under `properties`, `items`, `prefixItems` and `additionalProperties`, and in alternatives (`anyOf`, `oneOf`) that
stand in place of a description. All else *restricts* what is described elsewhere: it closes nothing, and names no key
that the description beside it lacks. A default counts where a value is described, and is refused where it is not, for a
tool would fill it in and nobody here would see it.
Law: what fits the closed schema fits the tool's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast

from remit.arguments.json_text import Json, canonical_text, joined
from remit.arguments.keywords import DRAFT, KEYWORDS, NEEDS, NOTES, ONLY_AT_ROOT, RULES, Holds, refusal_of
from remit.arguments.patterns import written_out
from remit.errors import DescriptorInvalid

# Each counted wherever a `$ref` leads to it, again for every hundred bytes of its rules, and all of that once more for
# every `oneOf` around it, whose alternatives a library is given twice.
SUBSCHEMAS_MAX = 1_000
DEPTH_MAX = 32  # of subschemas in one another, `$ref`s followed
BYTES_EACH = 100
_BYTES_A_CHARACTER = 5  # that a pattern stands for: to make an engine of twenty takes some tens of microseconds

Object = dict[str, Json]

_DESCRIBING = ("properties", "additionalProperties", "items", "prefixItems")  # what is below a value
_OF_OBJECTS = (
    "properties", "additionalProperties", "required", "minProperties", "maxProperties", "propertyNames",
    "dependentRequired", "dependentSchemas",
)  # fmt: skip
_COMBINATORS = ("allOf", "anyOf", "oneOf")
_IN_PLACE = (*_COMBINATORS, "not", "if", "then", "else", "dependentSchemas")  # of the same value

_KINDS = frozenset({"null", "boolean", "number", "string", "array", "object"})
_NESTED = frozenset({"array", "object"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is described: of which kinds it may be, and the places below it. An `integer` is a number."""

    kinds: frozenset[str] = _KINDS
    properties: Mapping[str, Property] = field(default_factory=dict)
    additional: Place | None = None
    prefix: tuple[Place, ...] = ()
    items: Place | None = None  # behind the prefix
    fills: bool = False  # whether a default is below


class Property(NamedTuple):
    """A key that is named. `default` is a list of the one there is, or of none: it may be null."""

    place: Place
    default: tuple[Json, ...]


class Size(NamedTuple):
    """How much a library is given: subschemas, as SUBSCHEMAS_MAX counts them, and the characters that patterns stand
    for."""

    subschemas: int
    patterns: int


class Default(NamedTuple):
    """A default, where it stands, what it has to fit, how much that is, and the place that it is of."""

    at: str
    value: Json
    schema: Object
    size: Size
    place: Place


class ClosedSchema(NamedTuple):
    """`schema` is what is given to a library."""

    schema: Object
    place: Place
    defaults: tuple[Default, ...]
    size: Size


def closed(schema: Json, at: str) -> ClosedSchema:
    """The closed schema of one that stands at a pointer. Raises DescriptorInvalid. Cost: O(bytes + SUBSCHEMAS_MAX)."""
    if not isinstance(schema, dict):
        raise DescriptorInvalid(at, "is not an object", "give the tool's JSON Schema")
    _check(schema, at, is_root=True)
    if schema.get("type") != "object":
        raise DescriptorInvalid(at, "does not say `type: object`", "arguments are an object, and MCP wants it said")
    definitions = cast(Object, schema.get("$defs", {}))
    unfolding = _Unfolding(definitions, joined(at, "$defs"))
    unfolding.walk(schema, at, 1)
    closing = _Closing(definitions, joined(at, "$defs"))
    closed_schema, place = closing.described(schema, at)
    return ClosedSchema(closed_schema, place, tuple(closing.defaults), unfolding.size)


# --- what is there ----------------------------------------------------------------------------------------------


def _check(schema: Json, at: str, *, is_root: bool = False) -> None:
    """That each keyword is known, and has under it what it should. Raises DescriptorInvalid."""
    if schema is True:
        return
    if schema is False:
        raise DescriptorInvalid(at, "is `false`, which nothing fits", "leave it out, or say `maxItems` of a list")
    if not isinstance(schema, dict):
        raise DescriptorInvalid(at, "is not a schema", "a schema is an object, or `true`")
    for keyword, value in schema.items():
        below = joined(at, keyword)
        holds = KEYWORDS.get(keyword)
        if holds is None:
            problem, fix = refusal_of(keyword)
            raise DescriptorInvalid(at, problem, fix)
        if keyword in ONLY_AT_ROOT and not is_root:
            raise DescriptorInvalid(at, f"has `{keyword}`, which stands at the root only", "move it there")
        if keyword in NEEDS and NEEDS[keyword] not in schema:
            raise DescriptorInvalid(at, f"has `{keyword}` without `{NEEDS[keyword]}`", "give both, or none")
        _check_value(keyword, holds, value, below)
    if "$ref" in schema:
        beside = next((each for each in schema if each not in ("$ref", "default", *NOTES, *ONLY_AT_ROOT)), "")
        if beside:
            raise DescriptorInvalid(at, f"has `{beside}` beside `$ref`", "write out what the `$ref` leads to")


def _check_value(keyword: str, holds: Holds, value: Json, at: str) -> None:
    match holds:
        case Holds.NOTE if keyword == "$schema":
            if value not in (DRAFT, f"{DRAFT}#"):
                raise DescriptorInvalid(
                    at, "is not draft 2020-12", f"say `{DRAFT}`, or nothing, where the schema is meant by it"
                )
        case Holds.NOTE | Holds.RULE:
            wrong = {**NOTES, **RULES}.get(keyword)
            if wrong is not None and (problem := wrong(value)):
                raise DescriptorInvalid(at, problem, f"see `{keyword}` in JSON Schema 2020-12")
        case Holds.SCHEMA if keyword == "additionalProperties" and value is False:
            pass
        case Holds.SCHEMA:
            _check(value, at)
        case Holds.SCHEMAS:
            if not isinstance(value, list) or not value:
                raise DescriptorInvalid(at, "is not a list of at least one schema", "leave it out, or give one")
            for index, each in enumerate(value):
                _check(each, joined(at, index))
        case Holds.SCHEMAS_BY_NAME:
            if not isinstance(value, dict):
                raise DescriptorInvalid(at, "is not an object of schemas", "give each under its name")
            for name, each in value.items():
                _check(each, joined(at, name))


def _below(schema: Object, at: str) -> Iterator[tuple[str, Json, str]]:
    """The subschemas that stand in a schema, under which keyword, and where; of its `$defs` none."""
    for keyword, value in schema.items():
        below = joined(at, keyword)
        match KEYWORDS[keyword]:
            case Holds.SCHEMA if value is not False:
                yield keyword, value, below
            case Holds.SCHEMAS:
                assert isinstance(value, list), "it was checked"
                yield from ((keyword, each, joined(below, index)) for index, each in enumerate(value))
            case Holds.SCHEMAS_BY_NAME if keyword != "$defs":
                assert isinstance(value, dict), "it was checked"
                yield from ((keyword, each, joined(below, name)) for name, each in value.items())


class _Definitions:
    """What `$ref`s may lead to."""

    def __init__(self, definitions: Object, at: str) -> None:
        self._definitions = definitions
        self._at = at

    def target(self, reference: Json, at: str) -> tuple[Json, str]:
        """What a `$ref` leads to, and where that stands. Raises DescriptorInvalid."""
        name = reference.removeprefix("#/$defs/") if isinstance(reference, str) else ""
        if not name or name == reference or "/" in name or "~" in name or "%" in name:
            raise DescriptorInvalid(
                joined(at, "$ref"), "leads elsewhere than to `#/$defs/NAME`", "put what it leads to under `$defs`"
            )
        if name not in self._definitions:
            raise DescriptorInvalid(joined(at, "$ref"), f"leads to `{name}`, which `$defs` lacks", "define it there")
        return self._definitions[name], joined(self._at, name)


class _Unfolding(_Definitions):
    """Counts what a schema is with all `$ref`s followed, before anything is done for each."""

    def __init__(self, definitions: Object, at: str) -> None:
        super().__init__(definitions, at)
        self.size = Size(0, 0)
        self._within: list[str] = []  # the references that are being followed

    def walk(self, schema: Json, at: str, depth: int, times: int = 1) -> None:
        """`times`: how often a library may be given it."""
        patterns = _characters(schema) if isinstance(schema, dict) else 0
        weight = _weight(schema) + patterns * _BYTES_A_CHARACTER if isinstance(schema, dict) else 0
        subschemas = self.size.subschemas + times * (1 + weight // BYTES_EACH)
        self.size = Size(subschemas, self.size.patterns + times * patterns)
        if subschemas > SUBSCHEMAS_MAX:
            fix = "describe less, or leave parts open with `additionalProperties: true`"
            raise DescriptorInvalid(at, f"is beyond {SUBSCHEMAS_MAX} subschemas, `$ref`s followed", fix)
        if depth > DEPTH_MAX:
            raise DescriptorInvalid(at, f"is more than {DEPTH_MAX} subschemas deep", "describe it flatter")
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            target, target_at = self.target(schema["$ref"], at)
            if target_at in self._within:
                fix = "write out as many levels as there may be"
                raise DescriptorInvalid(joined(at, "$ref"), "leads back to where it stands", fix)
            self._within.append(target_at)
            self.walk(target, target_at, depth + 1, times)
            self._within.pop()
        for keyword, below, below_at in _below(schema, at):
            self.walk(below, below_at, depth + 1, times + (keyword == "oneOf"))


def _weight(schema: Object) -> int:
    """How many bytes a schema's own rules and names have."""
    size = 0
    for keyword, value in schema.items():
        if keyword in RULES or keyword == "default":
            size += len(canonical_text(value).encode())
        elif KEYWORDS[keyword] is Holds.SCHEMAS_BY_NAME and keyword != "$defs":
            assert isinstance(value, dict), "it was checked"
            size += sum(len(name.encode()) for name in value)
    return size


def _characters(schema: Object) -> int:
    """That a schema's own pattern stands for."""
    return written_out(cast(str, schema["pattern"])).size if "pattern" in schema else 0


# --- what is made of it -----------------------------------------------------------------------------------------


class _Closing(_Definitions):
    """Closes the schemas of places, and collects defaults. What it walks was checked, and unfolds to a bounded size."""

    def __init__(self, definitions: Object, at: str) -> None:
        super().__init__(definitions, at)
        self.defaults: list[Default] = []

    # `is_object`: the schema that this one stands in says that the value is an object. `fills`: a default here counts.

    def described(
        self, schema: Json, at: str, *, is_object: bool = False, fills: bool = True, is_property: bool = False
    ) -> tuple[Object, Place]:
        """The closed schema of a place."""
        if not isinstance(schema, dict):
            return ({"additionalProperties": False} if is_object else {}), Place()
        if not is_property:
            _refuse_default(schema, at)
        if "$ref" in schema:
            target, target_at = self.target(schema["$ref"], at)
            return self.described(target, target_at, is_object=is_object, fills=fills)
        says_object = is_object or _says_object(schema)
        standing_in = [each for each in _COMBINATORS if each in schema and self._describes_any(schema[each])]
        if any(each in schema for each in _DESCRIBING) or not standing_in:
            return self._by_itself(schema, at, says_object=says_object, fills=fills)
        if len(standing_in) > 1:
            names = " and ".join(f"`{each}`" for each in standing_in)
            raise DescriptorInvalid(at, f"describes the value in {names}", "describe it in one place")
        if standing_in == ["allOf"]:
            return self._by_one_of_all(schema, at, says_object=says_object)
        return self._by_alternatives(schema, at, standing_in[0], says_object=says_object, fills=fills)

    def _by_itself(self, schema: Object, at: str, *, says_object: bool, fills: bool) -> tuple[Object, Place]:
        additional_schema = schema.get("additionalProperties", False)
        known = None if additional_schema is not False else frozenset(cast(Object, schema.get("properties", {})))
        if says_object and known is not None:
            unnamed = next((name for name in cast(list[str], schema.get("required", [])) if name not in known), None)
            if unnamed is not None:
                fix = "name it there, or say `additionalProperties: true`"
                raise DescriptorInvalid(joined(at, "required"), f"names `{unnamed}`, which `properties` lacks", fix)
        made = self._rest(schema, at, known)
        for keyword in _COMBINATORS:
            if keyword in schema:
                made[keyword] = self._all_restricting(schema, at, keyword, known)
        properties: dict[str, Property] = {}
        if "properties" in schema:
            closed_properties: Object = {}
            for name, below, below_at in _named(schema, at, "properties"):
                closed_properties[name], place = self.described(below, below_at, fills=fills, is_property=True)
                default = (below["default"],) if isinstance(below, dict) and "default" in below else ()
                if default and not fills:
                    _refuse_default(cast(Object, below), below_at)
                properties[name] = Property(place, default)
                if default:
                    unfolding = _Unfolding(self._definitions, self._at)
                    unfolding.walk(below, below_at, 1)
                    closed_property = cast(Object, closed_properties[name])
                    default_at = joined(below_at, "default")
                    self.defaults.append(Default(default_at, *default, closed_property, unfolding.size, place))
            made["properties"] = closed_properties
        additional: Place | None = None
        if says_object and known is not None:
            made["additionalProperties"] = False
        elif isinstance(additional_schema, dict):
            additional_at = joined(at, "additionalProperties")
            made["additionalProperties"], additional = self.described(additional_schema, additional_at, fills=fills)
        prefix: list[Place] = []
        if "prefixItems" in schema:
            closed_items: list[Json] = []
            for below, below_at in _each(schema, at, "prefixItems"):
                closed_item, place = self.described(below, below_at, fills=fills)
                closed_items.append(closed_item)
                prefix.append(place)
            made["prefixItems"] = closed_items
        items: Place | None = None
        if "items" in schema:
            made["items"], items = self.described(schema["items"], joined(at, "items"), fills=fills)
        below_places = [*(each.place for each in properties.values()), *prefix, *filter(None, (additional, items))]
        place_fills = any(each.default for each in properties.values()) or any(each.fills for each in below_places)
        return made, Place(self._kinds(schema), properties, additional, tuple(prefix), items, place_fills)

    def _by_alternatives(
        self, schema: Object, at: str, keyword: str, *, says_object: bool, fills: bool
    ) -> tuple[Object, Place]:
        """The description is one of several. What is below the value, and which defaults count, is known where only one
        of them takes an object or a list."""
        made = self._rest(schema, at, frozenset())
        nesting = [each for each, _ in _each(schema, at, keyword) if self._kinds(each) & _NESTED]
        fills = fills and len(nesting) == 1
        alternatives: list[Json] = []
        below = Place()
        for each, each_at in _each(schema, at, keyword):
            alternative, place = self.described(each, each_at, is_object=says_object, fills=fills)
            alternatives.append(alternative)
            if len(nesting) == 1 and each is nesting[0]:
                below = place
        for other in _COMBINATORS:
            if other != keyword and other in schema:
                made[other] = self._all_restricting(schema, at, other, frozenset())
        if keyword == "oneOf":
            # Of closed alternatives one may fit where of open ones two do, which the tool's own schema refuses.
            made["oneOf"] = [self._as_it_is(each) for each, _ in _each(schema, at, keyword)]
            made["allOf"] = [*cast(list[Json], made.get("allOf", [])), {"anyOf": alternatives}]
        else:
            made[keyword] = alternatives
        return made, replace(below, kinds=self._kinds(schema))

    def _by_one_of_all(self, schema: Object, at: str, *, says_object: bool) -> tuple[Object, Place]:
        """The description stands in an `allOf`, beside what restricts it."""
        describing = [each for each, _ in _each(schema, at, "allOf") if self._describes(each)]
        if len(describing) > 1:
            fix = "write its properties in one place, for each part alone would refuse those of the others"
            raise DescriptorInvalid(joined(at, "allOf"), "describes the value in several parts", fix)
        made = self._rest(schema, at, frozenset())
        parts: list[Json] = []
        below = Place()
        for each, each_at in _each(schema, at, "allOf"):
            if each is describing[0]:
                part, below = self.described(each, each_at, is_object=says_object, fills=False)
            else:
                part = self._restricting(each, each_at, frozenset())
            parts.append(part)
        made["allOf"] = parts
        for other in ("anyOf", "oneOf"):
            if other in schema:
                made[other] = self._all_restricting(schema, at, other, frozenset())
        return made, replace(below, kinds=self._kinds(schema))

    def _rest(self, schema: Object, at: str, known: frozenset[str] | None) -> Object:
        """What stands in a schema beside descriptions and combinators: rules, and what restricts by itself."""
        made = _rules(schema)
        for keyword in ("not", "if", "then", "else"):
            if keyword in schema:
                made[keyword] = self._restricting(schema[keyword], joined(at, keyword), known)
        for keyword in ("contains", "propertyNames"):
            if keyword in schema:
                made[keyword] = self._restricting(schema[keyword], joined(at, keyword), None, in_place=False)
        if "dependentSchemas" in schema:
            made["dependentSchemas"] = {
                name: self._restricting(below, below_at, known)
                for name, below, below_at in _named(schema, at, "dependentSchemas")
            }
        return made

    def _all_restricting(self, schema: Object, at: str, keyword: str, known: frozenset[str] | None) -> list[Json]:
        return [self._restricting(each, each_at, known) for each, each_at in _each(schema, at, keyword)]

    def _restricting(self, schema: Json, at: str, known: frozenset[str] | None, *, in_place: bool = True) -> Object:
        """The schema of what is described elsewhere, as it is. `known`: which keys the description `in_place` names;
        None where any may be there."""
        self._check_restricting(schema, at, known, in_place=in_place)
        return self._as_it_is(schema)

    def _check_restricting(self, schema: Json, at: str, known: frozenset[str] | None, *, in_place: bool) -> None:
        if not isinstance(schema, dict):
            return
        _refuse_default(schema, at)
        if "$ref" in schema:
            self._check_restricting(*self.target(schema["$ref"], at), known, in_place=in_place)
        if in_place and "additionalProperties" in schema:
            fix = "say it beside the `properties` that it is about"
            raise DescriptorInvalid(at, "has `additionalProperties` in a combinator", fix)
        if in_place and known is not None:
            unknown = next((name for name in cast(Object, schema.get("properties", {})) if name not in known), None)
            if unknown is not None:
                fix = "name it under the `properties` outside of it too, or describe each alternative whole"
                raise DescriptorInvalid(joined(at, "properties"), f"names `{unknown}` in a combinator only", fix)
        for keyword, below, below_at in _below(schema, at):
            stays = in_place and keyword in _IN_PLACE
            self._check_restricting(below, below_at, known if stays else None, in_place=stays)

    def _as_it_is(self, schema: Json) -> Object:
        """A schema with its `$ref`s written out, and without notes."""
        if not isinstance(schema, dict):
            return {}
        if "$ref" in schema:
            return self._as_it_is(self.target(schema["$ref"], "")[0])
        made = _rules(schema)
        for keyword, value in schema.items():
            match KEYWORDS[keyword]:
                case Holds.SCHEMA:
                    made[keyword] = False if value is False else self._as_it_is(value)
                case Holds.SCHEMAS:
                    made[keyword] = [self._as_it_is(each) for each in cast(list[Json], value)]
                case Holds.SCHEMAS_BY_NAME if keyword != "$defs":
                    made[keyword] = {name: self._as_it_is(each) for name, each in cast(Object, value).items()}
        return made

    # --- what a schema says of its value -----------------------------------------------------------------------

    def _describes_any(self, schemas: Json) -> bool:
        return any(self._describes(each) for each in cast(list[Json], schemas))

    def _describes(self, schema: Json) -> bool:
        """Whether it says that the value is an object, or what is below it."""
        if not isinstance(schema, dict):
            return False
        if "$ref" in schema:
            return self._describes(self.target(schema["$ref"], "")[0])
        return (
            _says_object(schema)
            or any(each in schema for each in _DESCRIBING)
            or any(self._describes_any(schema[each]) for each in _COMBINATORS if each in schema)
        )

    def _kinds(self, schema: Json) -> frozenset[str]:
        """The kinds that a value may be of, and perhaps some of which none fits."""
        if not isinstance(schema, dict):
            return _KINDS
        if "$ref" in schema:
            return self._kinds(self.target(schema["$ref"], "")[0])
        kinds = _KINDS
        if "type" in schema:
            kinds &= {"number" if each == "integer" else each for each in _types(schema)}
        if "enum" in schema:
            kinds &= {_kind(each) for each in cast(list[Json], schema["enum"])}
        if "const" in schema:
            kinds &= {_kind(schema["const"])}
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                kinds &= frozenset().union(*(self._kinds(each) for each in cast(list[Json], schema[keyword])))
        for each in cast(list[Json], schema.get("allOf", [])):
            kinds &= self._kinds(each)
        return kinds


def _rules(schema: Object) -> Object:
    made = {keyword: value for keyword, value in schema.items() if keyword in RULES}
    if "pattern" in made:
        made["pattern"] = written_out(cast(str, made["pattern"])).text
    return made


def _refuse_default(schema: Object, at: str) -> None:
    if "default" in schema:
        fix = "put it beside the property, outside of `anyOf` and the like; a tool would fill it in unseen"
        raise DescriptorInvalid(joined(at, "default"), "is a default where none counts", fix)


def _each(schema: Object, at: str, keyword: str) -> Iterator[tuple[Json, str]]:
    below = joined(at, keyword)
    for index, each in enumerate(cast(list[Json], schema[keyword])):
        yield each, joined(below, index)


def _named(schema: Object, at: str, keyword: str) -> Iterator[tuple[str, Json, str]]:
    below = joined(at, keyword)
    for name, each in cast(Object, schema[keyword]).items():
        yield name, each, joined(below, name)


def _types(schema: Object) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else cast(list[str], types)


def _says_object(schema: Object) -> bool:
    return "object" in _types(schema) or any(each in schema for each in _OF_OBJECTS)


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
