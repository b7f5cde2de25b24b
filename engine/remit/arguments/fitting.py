"""Whether constraints fit what a tool says of its arguments.

Law: a member that does not fit a type is never judged by a value of it, so a constraint that is refused for it when it
is written could have let nothing through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from remit.arguments.json_text import joined
from remit.arguments.tree import (
    AllOf,
    AnyOf,
    Bound,
    Cidr,
    Clause,
    Constraint,
    Document,
    Each,
    GlobOf,
    Host,
    Member,
    Misfit,
    Part,
    Some,
    Subpath,
    Url,
)
from remit.arguments.values import ValueType


def misfit_of(member: Member, type: ValueType) -> str | None:
    """Why a member speaks of no text of the type, as what follows "the argument"; None where it may."""
    match member:
        case Subpath() if type != "path":
            name, of = "subpath", "paths"
        case Cidr() if type != "address":
            name, of = "cidr", "addresses"
        case Host() if type != "host":
            name, of = "host", "hosts"
        case Url() if type != "url":
            name, of = "url", "URLs"
        case GlobOf() if type == "url":
            name, of = "glob", "paths and texts that could be one"
        case Bound(limit, _, is_max) if type != ("date" if isinstance(limit, date) else "decimal"):
            name, of = "max" if is_max else "min", "dates here" if isinstance(limit, date) else "numbers here"
        case _:
            return None
    return f"is of the type `{type}`, and `{name}` is of {of}"


def fits(document: Document, types: Mapping[str, ValueType]) -> Misfit | None:
    """The first constraint that does not fit the types of a tool; None where all do. The types are by JSON Pointers in
    which a key `*` is every element of a list."""
    return next(_misfits_of_part(document.root, types), None)


def _misfits_of_part(part: Part, types: Mapping[str, ValueType]) -> Iterator[Misfit]:
    if not isinstance(part, Clause):
        for each in part.parts:
            yield from _misfits_of_part(each, types)
        return
    for argument in part.arguments:
        patterns = [""]
        for key in argument.path:
            # Nobody knows here whether a number is a name or an index, so it may be either.
            either = [joined("", key), "/*"] if key.isascii() and key.isdigit() else [joined("", key)]
            patterns = [pattern + each for pattern in patterns for each in either if _is_begun(pattern + each, types)]
        for pattern in patterns:
            yield from _misfits(argument.constraint, pattern, types)


def _is_begun(pattern: str, types: Mapping[str, ValueType]) -> bool:
    """Whether a type is told of there or below; so that of many keys that are numbers few are followed both ways."""
    return any(told == pattern or told.startswith(f"{pattern}/") for told in types)


def _misfits(constraint: Constraint, pattern: str, types: Mapping[str, ValueType]) -> Iterator[Misfit]:
    for member in constraint.members:
        match member:
            case Each(below) | Some(below):
                yield from _misfits(below, f"{pattern}/*", types)
            case AnyOf(constraints) | AllOf(constraints):
                for each in constraints:
                    yield from _misfits(each, pattern, types)
            case _:
                if (type := types.get(pattern)) and (reason := misfit_of(member, type)):
                    yield Misfit(pattern, reason)
