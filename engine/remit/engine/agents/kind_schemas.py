"""The kinds of documents as JSON Schemas, for editors, and for whoever checks files without a server.

Law: what a schema refuses the translation refuses; what only a store can tell, such as whether a name is known, neither
does."""

from __future__ import annotations

from collections.abc import Sequence

from remit.engine.agents.documents import LABELS_MAX, NAME_BYTES_MAX
from remit.engine.agents.kinds import API_VERSION, CEILINGS, INTENT, KINDS, Field, Form, Kind

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
Shape = dict[str, object]

_NAME: Shape = {"type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX}
_LABELS: Shape = {"type": "object", "maxProperties": LABELS_MAX, "additionalProperties": {"type": "string"}}
_QUALIFIERS: dict[str, Shape] = {
    "from": {"type": "string", "format": "date-time", "description": "From when on it counts."},
    "until": {"type": "string", "format": "date-time", "description": "When it ends."},
    "arguments": {"type": "object", "description": "A constraint document: for which calls it is given."},
    "matching": {"type": "object", "description": "A constraint document: which calls are forbidden."},
}


def schema_of(kind: Kind) -> Shape:
    """Of the documents of one kind, and of lists of it."""
    return {"$schema": _DIALECT, "title": kind.name, "description": kind.about, "anyOf": [_single(kind), _list(kind)]}


def schema_of_all() -> Shape:
    """Of the documents of every kind. Which one is meant is told by the `kind`, so that an editor names its faults."""
    known = [name for kind in KINDS for name in (kind.name, kind.list)]
    cases: list[Shape] = []
    for kind in KINDS:
        for name, shape in ((kind.name, _single(kind)), (kind.list, _list(kind))):
            cases.append({"if": {"properties": {"kind": {"const": name}}}, "then": shape})
    return {
        "$schema": _DIALECT,
        "title": "Documents of remit apply",
        "type": "object",
        "properties": {"apiVersion": {"const": API_VERSION}, "kind": {"enum": known}},
        "required": ["apiVersion", "kind"],
        "allOf": cases,
    }


def _single(kind: Kind) -> Shape:
    needs_spec = bool(_required(kind)) or bool(kind.either)
    metadata = _object({"name": _NAME, "labels": _LABELS}, ["name"])
    spec = _object({each.name: _value(each) for each in kind.fields}, _required(kind)) | _either(kind)
    said = {"apiVersion": {"const": API_VERSION}, "kind": {"const": kind.name}, "metadata": metadata, "spec": spec}
    return _object(said, ["apiVersion", "kind", "metadata", *(["spec"] if needs_spec else [])])


def _list(kind: Kind) -> Shape:
    """What a default gives is not required of an item, so nothing is."""
    fields = {each.name: _value(each) for each in kind.fields}
    item = {"anyOf": [_NAME, _object({"name": _NAME, "labels": _LABELS, **fields}, ["name"])]}
    said = {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": kind.list},
        "metadata": _object({"labels": _LABELS}, []),
        "defaults": _object(fields, []),
        "items": {"type": "array", "items": item},
    }
    return _object(said, ["apiVersion", "kind", "items"])


def _required(kind: Kind) -> list[str]:
    return [each.name for each in kind.fields if each.is_required]


def _either(kind: Kind) -> Shape:
    return {"anyOf": [{"required": [name]} for name in kind.either]} if kind.either else {}


def _value(field: Field) -> Shape:
    return {"description": field.about} | _shape(field)


def _shape(field: Field) -> Shape:
    match field.form:
        case Form.ONE:
            return _named(field)
        case Form.MANY:
            least: Shape = {"minItems": 1} if field.is_required else {}
            return {"type": "array", "items": _named(field)} | least
        case Form.FLAG:
            return {"type": "boolean"}
        case Form.CHOICE:
            return {"enum": list(field.types)}
        case Form.DESCRIPTOR:
            digest = {"type": "string", "pattern": "^(descriptor:)?[0-9a-f]{64}$"}
            return {"anyOf": [digest, {"type": "object", "required": ["input_schema"]}]}
        case Form.INTENT:
            return {"anyOf": [{"enum": ["same", "none"]}, _object({each.name: _value(each) for each in INTENT}, [])]}
        case Form.CEILINGS:
            return _object({name: _ceiling(name, about) for name, about in CEILINGS.items()}, [])


def _ceiling(name: str, about: str) -> Shape:
    shape: Shape = {"type": "array", "items": _NAME} if name == "profiles" else {"type": "integer", "minimum": 1}
    return {"description": about} | shape


def _named(field: Field) -> Shape:
    """A name, or a mapping with one and what it takes beside it."""
    name = {"type": "string", "minLength": 1, "examples": list(field.types)}
    return {"anyOf": [name, _object({"name": name, **{each: _QUALIFIERS[each] for each in field.takes}}, ["name"])]}


def _object(properties: Shape | dict[str, Shape], required: Sequence[str]) -> Shape:
    shape: Shape = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return shape | ({"required": list(required)} if required else {})
