"""OpenFGA's authorization model as its API gives it, JSON → `Model`.

Law: what is not of that form is refused, naming the type and relation; nothing is skipped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.errors import MalformedRequest
from remit.language.source import Source, SourceMap
from remit.notation import shortened
from remit.openfga.language import SCHEMA_VERSIONS
from remit.openfga.model import (
    Combination,
    Combined,
    Computed,
    Condition,
    Direct,
    From,
    Model,
    Parameter,
    Relation,
    Restriction,
    Rewrite,
    Type,
)

DEPTH_MAX = 100  # of rewrites

_TYPE_PREFIX = "TYPE_NAME_"
_CHILDREN = {"union": Combination.OR, "intersection": Combination.AND}


def read_api_model(document: object, *, name: str = "authorization model") -> Model:
    """Raises MalformedRequest where the document is no model of schema 1.1 or 1.2. Places are all `name`, line 1."""
    whole = _object(document, "the model")
    if (version := whole.get("schema_version")) not in SCHEMA_VERSIONS:
        raise _malformed("the model", f"schema {shortened(str(version))} is not read: 1.1 and 1.2 are")
    types = tuple(_type(each) for each in _list(whole.get("type_definitions"), "`type_definitions`"))
    conditions = tuple(
        _condition(key, each) for key, each in _object(whole.get("conditions") or {}, "`conditions`").items()
    )
    return Model(types, conditions, sources=SourceMap((Source(name, ""),)))


def _type(document: object) -> Type:
    written = _object(document, "a type")
    name = _text(written.get("type"), "the name of a type")
    metadata = _object(_object(written.get("metadata") or {}, name).get("relations") or {}, name)
    relations = []
    for relation, rewrite in _object(written.get("relations") or {}, f"relations of {name}").items():
        where = f"`{relation}` of `{name}`"
        restrictions = _restrictions(metadata.get(relation) or {}, where)
        relations.append(Relation(relation, _rewrite(rewrite, restrictions, where, 0)))
    return Type(name, tuple(relations))


def _restrictions(document: object, where: str) -> tuple[Restriction, ...]:
    kinds = _object(document, where).get("directly_related_user_types") or []
    return tuple(_restriction(_object(each, where), where) for each in _list(kinds, where))


def _restriction(written: Mapping[str, Any], where: str) -> Restriction:
    relation, condition = written.get("relation") or "", written.get("condition") or ""
    return Restriction(
        _text(written.get("type"), where),
        _text(relation, where),
        written.get("wildcard") is not None,
        _text(condition, where),
    )


def _rewrite(document: object, direct: tuple[Restriction, ...], where: str, depth: int) -> Rewrite:
    if depth > DEPTH_MAX:
        raise _malformed(where, f"rewrites are nested more than {DEPTH_MAX} deep")
    written = _object(document, where)
    if len(written) != 1:
        raise _malformed(
            where, f"a rewrite is one of `this`, `computedUserset`, …; found {shortened(', '.join(written)) or 'none'}"
        )
    ((kind, inside),) = written.items()
    match kind:
        case "this":
            return Direct(direct)
        case "computedUserset":
            return Computed(_text(_object(inside, where).get("relation"), where))
        case "tupleToUserset":
            parts = _object(inside, where)
            tupleset, computed = _object(parts.get("tupleset"), where), _object(parts.get("computedUserset"), where)
            return From(_text(computed.get("relation"), where), _text(tupleset.get("relation"), where))
        case "union" | "intersection":
            children = _list(_object(inside, where).get("child"), where)
            operands = tuple(_rewrite(each, direct, where, depth + 1) for each in children)
            return operands[0] if len(operands) == 1 else Combined(_CHILDREN[kind], operands)
        case "difference":
            parts = _object(inside, where)
            sides = (parts.get("base"), parts.get("subtract"))
            base, subtracted = (_rewrite(each, direct, where, depth + 1) for each in sides)
            return Combined(Combination.BUT_NOT, (base, subtracted))
    raise _malformed(where, f"there is no rewrite `{shortened(kind)}`")


def _condition(name: str, document: object) -> Condition:
    written = _object(document, f"condition `{name}`")
    parameters = _object(written.get("parameters") or {}, f"condition `{name}`")
    read = tuple(
        Parameter(each, _parameter_type(type_, f"`{each}` of condition `{name}`")) for each, type_ in parameters.items()
    )
    return Condition(name, read, _text(written.get("expression"), f"condition `{name}`").strip())


def _parameter_type(document: object, where: str) -> str:
    written = _object(document, where)
    name = _text(written.get("type_name"), where).removeprefix(_TYPE_PREFIX).lower()
    children = _list(written.get("generic_types") or [], where)
    return f"{name}<{_parameter_type(children[0], where)}>" if len(children) == 1 else name


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(where, "an object is wanted")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _malformed(where, "a list is wanted")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _malformed(where, "a text is wanted")
    return value


def _malformed(where: str, message: str) -> MalformedRequest:
    return MalformedRequest(f"this is no authorization model of OpenFGA: {where}: {message}")
