"""Whether the schema knows a name that a caller used, and what was probably meant where it does not."""

from __future__ import annotations

from collections.abc import Iterable

from remit.errors import UnknownRelation, UnknownType
from remit.language.plan import Definition, Schema
from remit.notation import shortened
from remit.suggest import did_you_mean


def require_type(schema: Schema, type: str, *, field: str) -> Definition:
    """The definition of that name. Raises UnknownType."""
    definition = schema.definitions.get(type)
    if definition is None:
        raise UnknownType(
            f"type `{shortened(type)}` is not defined in the schema{_hint(type, schema.definitions)}",
            field=field,
            type=type,
        )
    return definition


def require_name(schema: Schema, type: str, name: str, *, field: str) -> None:
    """Nothing, where `type` has a relation or permission of that name. Raises UnknownType or UnknownRelation."""
    definition = require_type(schema, type, field=field)
    if not definition.has(name):
        raise UnknownRelation(
            f"relation or permission `{shortened(name)}` is not defined on `{type}`"
            f"{_hint(name, (*definition.relations, *definition.permissions))}",
            field=field,
            type=type,
            relation=name,
        )


def _hint(name: str, candidates: Iterable[str]) -> str:
    guess = did_you_mean(name, candidates)
    return f"; {guess}" if guess else ""
