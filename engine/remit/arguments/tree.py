"""Constraint documents as trees: what a relationship says of the calls that it counts for.

`document.py` reads them, `judge.py` judges calls by them, `narrower.py` compares two.
Law: nothing here is a matter of spelling; two documents that are read from one text by RFC 8785 are equal trees."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from remit.arguments.glob import Glob
from remit.arguments.json_text import Scalar, ScalarKey, canonical_text, kind_of, scalar_key
from remit.arguments.side import Side
from remit.arguments.values import Network

# --- what a constraint is made of -------------------------------------------------------------------------------


# Values are compared by their text: to Python true is 1, and here it is not.
@dataclass(frozen=True, slots=True)
class Equals:
    """`text` is how the value is said."""

    value: Scalar = field(compare=False)
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Here and not where a value is judged: hundreds of elements may be.
        object.__setattr__(self, "text", canonical_text(self.value))


@dataclass(frozen=True, slots=True)
class EqualsBinding:
    """The value that the run was given under the name when it was spawned."""

    name: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of the values; `negated`, none of them. `kinds` are those of the values, and `text` is how they are said."""

    values: tuple[Scalar, ...] = field(compare=False)
    negated: bool
    keys: frozenset[ScalarKey] = field(init=False, repr=False, compare=False)
    kinds: frozenset[str] = field(init=False, repr=False, compare=False)
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", frozenset(map(scalar_key, self.values)))
        object.__setattr__(self, "kinds", frozenset(map(kind_of, self.values)))
        object.__setattr__(self, "text", canonical_text(list(self.values)))


@dataclass(frozen=True, slots=True)
class Bound:
    """`min`, or `max`. `text` is the limit as it is written."""

    limit: Decimal | date
    text: str
    is_max: bool


@dataclass(frozen=True, slots=True)
class MaxLength:
    length: int


@dataclass(frozen=True, slots=True)
class Prefix:
    text: str


@dataclass(frozen=True, slots=True)
class Subpath:
    directory: str


@dataclass(frozen=True, slots=True)
class GlobOf:
    glob: Glob


@dataclass(frozen=True, slots=True)
class Cidr:
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """Names, those that begin with a dot for all that is strictly below; and addresses, each for itself."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Url:
    """`ports` is None where only the scheme's own is meant; `directory` None where every path is."""

    schemes: tuple[str, ...]
    host: Host
    ports: tuple[int, ...] | None
    directory: str | None


@dataclass(frozen=True, slots=True)
class Each:
    constraint: Constraint
    items_min: int


@dataclass(frozen=True, slots=True)
class Some:
    constraint: Constraint


@dataclass(frozen=True, slots=True)
class RelatedTo:
    """`related`; `negated`, `unrelated`."""

    type: str
    permission: str
    negated: bool


@dataclass(frozen=True, slots=True)
class AnyOf:
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    constraints: tuple[Constraint, ...]


Member = (
    Equals
    | EqualsBinding
    | OneOf
    | Bound
    | MaxLength
    | Prefix
    | Subpath
    | GlobOf
    | Cidr
    | Host
    | Url
    | Each
    | Some
    | RelatedTo
    | AnyOf
    | AllOf
)


@dataclass(frozen=True, slots=True)
class Constraint:
    """All of whose members must hold, in the order of their names. Without members it is anything."""

    members: tuple[Member, ...]


ANYTHING = Constraint(())


# --- what a document is made of ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument by the keys that lead to it. `is_optional`: it may be absent (`optional`). `if_present`: it does not
    match where it is absent."""

    path: tuple[str, ...]
    constraint: Constraint
    is_optional: bool = False
    if_present: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """What is said of one call, all of which must hold. `is_open`: arguments that it does not name are let through
    (`additional`)."""

    tool: Constraint
    purpose: Constraint
    arguments: tuple[Argument, ...]
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class AnyClause:
    """One of the parts, under what is said of the tool and the purpose."""

    tool: Constraint
    purpose: Constraint
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class AllClauses:
    """All of the parts, each of which is of the whole call."""

    tool: Constraint
    purpose: Constraint
    parts: tuple[Part, ...]


Part = Clause | AnyClause | AllClauses


@dataclass(frozen=True, slots=True)
class Document:
    """`text` is the document as RFC 8785 writes it; `constraints` how many it has, by which judging is paid for."""

    side: Side
    root: Part
    text: str
    constraints: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """A constraint that can hold of no value of its argument: of which, as a JSON Pointer into the arguments in which a
    key `*` is every element of a list, and why."""

    pointer: str
    reason: str
