"""How much judging by one document may take where judging by another was possible.

A call that takes too many judgements, or leaves too many goals to the graph, is unknown. So a document that says more
of the elements of a list can be unknown of a list that is long, where one that says less of them lets it through.
Law: None says that every call that the first document could judge the second can judge, as far as bounds go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from remit.arguments.call import VALUES_MAX
from remit.arguments.inclusion import Doubt
from remit.arguments.json_text import pointer_of
from remit.arguments.judge import GOALS_MAX, JUDGEMENTS_MAX, index_of
from remit.arguments.presence import is_absent
from remit.arguments.side import Side
from remit.arguments.tree import (
    AllClauses,
    AllOf,
    AnyClause,
    AnyOf,
    Cidr,
    Clause,
    Constraint,
    Document,
    Each,
    EqualsBinding,
    Host,
    MaxLength,
    Part,
    RelatedTo,
    Some,
    Url,
)

_Path = tuple[str, ...]
_ELEMENTS = "*"


@dataclass(slots=True)
class _Load:
    """What each value at one place takes: judgements, and goals by what is asked of it."""

    judgements: int = 0
    goals: set[RelatedTo | EqualsBinding] = field(default_factory=set)


def excess(a: Document, b: Document) -> Doubt | None:
    """Where a call that `a` can judge might take too much of `b`. Cost: O(constraints of both)."""
    ours, theirs = _loads_of(a), _loads_of(b)
    there = {path: load for path, load in theirs.items() if _may_be_there(path, a.root)}
    longest = {path: _longest(path, a, ours[path] if path in ours else _Load()) for path in there}
    return _too_many_judgements(ours, there, longest) or _too_many_goals(ours, there, longest)


def _too_many_judgements(
    ours: dict[_Path, _Load], theirs: dict[_Path, _Load], longest: dict[_Path, int]
) -> Doubt | None:
    if all(path in ours and load.judgements <= ours[path].judgements for path, load in theirs.items()):
        return None
    lists = {path: load.judgements for path, load in theirs.items() if _ELEMENTS in path}
    alone = sum(load.judgements for path, load in theirs.items() if path not in lists)
    most = sum(judgements * longest[path] for path, judgements in lists.items())
    if not any(index_of(key) is not None for path in lists for key in path):
        # No value is at two such places, so all that there can be are at the dearest.
        most = min(most, VALUES_MAX * max(lists.values(), default=0))
    if alone + most <= JUDGEMENTS_MAX:
        return None
    dearest = max(lists, key=lambda path: lists[path] * longest[path], default=())
    return _doubt(dearest, f"may take more than {JUDGEMENTS_MAX} judgements")


def _too_many_goals(ours: dict[_Path, _Load], theirs: dict[_Path, _Load], longest: dict[_Path, int]) -> Doubt | None:
    asking = {path: load.goals for path, load in theirs.items() if load.goals}
    if all(path in ours and goals <= ours[path].goals for path, goals in asking.items()):
        return None
    most = {path: len(goals) * _distinct(path, ours, longest) for path, goals in asking.items()}
    if sum(most.values()) <= GOALS_MAX:
        return None
    return _doubt(max(most, key=lambda path: most[path]), f"may ask the graph more than {GOALS_MAX} questions")


def _distinct(path: _Path, ours: dict[_Path, _Load], longest: dict[_Path, int]) -> int:
    """How many values a place may have that goals tell apart: each of them takes all the goals of the first as well."""
    goals = len(ours[path].goals) if path in ours else 0
    return min(longest[path], GOALS_MAX // goals) if goals else longest[path]


def _doubt(path: _Path, what: str) -> Doubt:
    pointer = pointer_of(path)
    of_list = (
        f" of a long list at `{pointer_of(path[:-1])}`: say its `max_length` in the first"
        if path[-1:] == ("*",)
        else ""
    )
    return Doubt(pointer, f"the second {what}{of_list}, and is unknown then")


# --- what a document takes --------------------------------------------------------------------------------------


def _loads_of(document: Document) -> dict[_Path, _Load]:
    """By the keys that lead to values; what is asked of the tool and the purpose is with the whole, at no key."""
    loads: dict[_Path, _Load] = defaultdict(_Load)
    for path, constraint in _constraints_of(document.root):
        _add(constraint, path, loads)
    return dict(loads)


def _constraints_of(part: Part) -> Iterator[tuple[_Path, Constraint]]:
    yield (), part.tool
    yield (), part.purpose
    match part:
        case Clause(_, _, arguments):
            yield from ((argument.path, argument.constraint) for argument in arguments)
        case AnyClause(_, _, parts) | AllClauses(_, _, parts):
            for each in parts:
                yield from _constraints_of(each)


def _add(constraint: Constraint, path: _Path, loads: dict[_Path, _Load]) -> None:
    """What the constraint adds; as `judge.py` counts it."""
    loads[path].judgements += 1 + len(constraint.members)
    for member in constraint.members:
        match member:
            case Each(below) | Some(below):
                _add(below, (*path, _ELEMENTS), loads)
            case AnyOf(constraints) | AllOf(constraints):
                for each in constraints:
                    _add(each, path, loads)
            case Cidr(networks):
                loads[path].judgements += len(networks)
            case Host(hosts) | Url(host=Host(hosts)):
                loads[path].judgements += len(hosts)
            case RelatedTo(type, permission):
                loads[path].goals.add(RelatedTo(type, permission, negated=False))
            case EqualsBinding():
                loads[path].goals.add(member)
            case _:
                pass


# --- how many values there may be -------------------------------------------------------------------------------


def _may_be_there(path: _Path, part: Part) -> bool:
    match part:
        case Clause():
            return not is_absent(path, part)
        case AnyClause(_, _, parts):
            return any(_may_be_there(path, each) for each in parts)
        case AllClauses(_, _, parts):
            return all(_may_be_there(path, each) for each in parts)


def _longest(path: _Path, document: Document, load: _Load) -> int:
    """How many values there may be at the place in a call that the document lets through, which takes so much of it."""
    if _ELEMENTS not in path:
        return 1
    judged = JUDGEMENTS_MAX // load.judgements if load.judgements else VALUES_MAX
    told = VALUES_MAX
    if document.side is Side.ARGUMENTS and path.index(_ELEMENTS) == len(path) - 1:
        told = int(min(_length_max(document.root, path[:-1]), VALUES_MAX))
    return min(VALUES_MAX, judged, told)


def _length_max(part: Part, path: _Path) -> float:
    match part:
        case Clause(_, _, arguments):
            return min((_length_max_of(each.constraint) for each in arguments if each.path == path), default=inf)
        case AnyClause(_, _, parts):
            return max(_length_max(each, path) for each in parts)
        case AllClauses(_, _, parts):
            return min(_length_max(each, path) for each in parts)


def _length_max_of(constraint: Constraint) -> float:
    lengths = [inf]
    for member in constraint.members:
        match member:
            case MaxLength(length):
                lengths.append(length)
            case AllOf(constraints):
                lengths += map(_length_max_of, constraints)
            case AnyOf(constraints):
                lengths.append(max(map(_length_max_of, constraints)))
            case _:
                pass
    return min(lengths)
