"""A model of OpenFGA as a tree, whichever way it was written: in its language, in modules, or as its API's JSON.

Each part knows where it was written, for messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn

from remit.language.source import NO_SOURCES, NOWHERE, Issue, SourceMap, Span, refusal


@dataclass(frozen=True, slots=True)
class Restriction:
    """What may be written into a relation: `user`, `user:*`, `group#member`, each perhaps `with` a condition."""

    type: str
    relation: str = ""
    is_wildcard: bool = False
    condition: str = ""
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def __str__(self) -> str:
        kind = f"{self.type}:*" if self.is_wildcard else f"{self.type}#{self.relation}" if self.relation else self.type
        return f"{kind} with {self.condition}" if self.condition else kind


@dataclass(frozen=True, slots=True)
class Direct:
    """`[user, group#member]`: who is written."""

    restrictions: tuple[Restriction, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Computed:
    """`editor`: who has another relation of the same object."""

    relation: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class From:
    """`viewer from parent`: who has `viewer` of an object that is written into `parent`."""

    relation: str
    tupleset: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


class Combination(Enum):
    """The word between the operands."""

    OR = "or"
    AND = "and"
    BUT_NOT = "but not"


@dataclass(frozen=True, slots=True)
class Combined:
    """Operands under one word; `but not` has two."""

    combination: Combination
    operands: tuple[Rewrite, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


Rewrite = Direct | Computed | From | Combined


def leaves_of(rewrite: Rewrite) -> Iterator[Direct | Computed | From]:
    """All but the operators, from the left."""
    waiting: list[Rewrite] = [rewrite]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Combined):
            waiting += reversed(node.operands)
        else:
            yield node


@dataclass(frozen=True, slots=True)
class Relation:
    """`define name: rewrite`."""

    name: str
    rewrite: Rewrite
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    @property
    def restrictions(self) -> tuple[Restriction, ...]:
        """What may be written into it; nothing, where it is only computed."""
        return tuple(
            restriction
            for leaf in leaves_of(self.rewrite)
            if isinstance(leaf, Direct)
            for restriction in leaf.restrictions
        )


@dataclass(frozen=True, slots=True)
class Type:
    """`type name`; `is_extension` where it was written `extend type name`."""

    name: str
    relations: tuple[Relation, ...] = ()
    is_extension: bool = False
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a condition, its type as Remit and OpenFGA both write it: `int`, `list<string>`."""

    name: str
    type: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Condition:
    """`condition name(parameters) { expression }`, the expression in CEL."""

    name: str
    parameters: tuple[Parameter, ...]
    expression: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Model:
    """All of it. `sources` knows the place of each span."""

    types: tuple[Type, ...]
    conditions: tuple[Condition, ...] = ()
    sources: SourceMap = field(default=NO_SOURCES, compare=False, kw_only=True)

    def refuse(self, code: str, message: str, span: Span, suggestion: str = "") -> NoReturn:
        """Raises SchemaInvalid, with the place."""
        raise refusal([Issue("error", code, message, span, self.sources, suggestion)])
