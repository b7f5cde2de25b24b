"""How much judging by one document may take where judging by another was possible.

A call that takes too many judgements, or leaves too many goals to the graph, is unknown. So a document that says more
of the elements of a list can be unknown of a list that is long, where one that says less of them lets it through; and
one with more globs can be of a text that is long.
Law: None says that every call that the first document could judge the second can judge, as far as bounds go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import zip_longest
from math import inf

from remit.arguments.call import ARGUMENTS_BYTES_MAX, PURPOSE_BYTES_MAX, VALUES_MAX
from remit.arguments.inclusion import Doubt
from remit.arguments.json_text import pointer_of
from remit.arguments.judge import GOALS_MAX, JUDGEMENTS_MAX, STEPS_OF_A_JUDGEMENT, index_of
from remit.arguments.presence import is_absent
from remit.arguments.side import Side
from remit.arguments.tree import (
    AllClauses,
    AllOf,
    AnyClause,
    AnyOf,
    Bound,
    Cidr,
    Clause,
    Constraint,
    Document,
    Each,
    Equals,
    EqualsBinding,
    GlobOf,
    Host,
    MaxLength,
    Member,
    OneOf,
    Part,
    RelatedTo,
    Some,
    Subpath,
    Url,
)
from remit.arguments.values import HOST_LENGTH_MAX, PATH_BYTES_MAX
from remit.notation import ID_BYTES_MAX

_Path = tuple[str, ...]
_Goal = RelatedTo | EqualsBinding
_ELEMENTS = "*"
# No argument's: the first key of an argument is a name.
_TOOL: _Path = (_ELEMENTS, "tool")
_PURPOSE: _Path = (_ELEMENTS, "purpose")
_LENGTHS_ABOUT_THE_CALL = {_TOOL: ID_BYTES_MAX, _PURPOSE: PURPOSE_BYTES_MAX}


@dataclass(slots=True)
class _Load:
    """What each value at one place takes: judgements; what its globs take of each character, a glob at a time; and
    goals by what is asked of it."""

    judgements: int = 0
    globs: list[int] = field(default_factory=list)
    goals: set[_Goal] = field(default_factory=set)

    def takes_no_more_than(self, other: _Load) -> bool:
        """Of judgements, whatever the value. Globs are held to globs, since what each takes is rounded by itself."""
        globs = zip_longest(sorted(self.globs, reverse=True), sorted(other.globs, reverse=True), fillvalue=0)
        return self.judgements <= other.judgements and all(mine <= theirs for mine, theirs in globs)


def excess(a: Document, b: Document) -> Doubt | None:
    """Where a call that `a` can judge might take too much of `b`. Cost: O(constraints of both)."""
    ours, theirs = _loads_of(a), _loads_of(b)
    # Where authority is taken, a document says nothing of what it does not name.
    there = {path: load for path, load in theirs.items() if a.side is Side.MATCHING or _may_be_there(path, a.root)}
    longest = {path: _longest(path, a, ours[path] if path in ours else _Load()) for path in there}
    return _too_many_judgements(a, ours, there, longest) or _too_many_goals(ours, there, longest)


def _too_many_judgements(
    a: Document, ours: dict[_Path, _Load], theirs: dict[_Path, _Load], longest: dict[_Path, int]
) -> Doubt | None:
    if all(path in ours and load.takes_no_more_than(ours[path]) for path, load in theirs.items()):
        return None
    lists = {path: load.judgements for path, load in theirs.items() if _is_of_elements(path)}
    alone = sum(load.judgements for path, load in theirs.items() if path not in lists)
    most = sum(judgements * longest[path] for path, judgements in lists.items())
    if not any(index_of(key) is not None for path in lists for key in path):
        # No value is at two such places, so all that there can be are at the dearest.
        most = min(most, VALUES_MAX * max(lists.values(), default=0))
    globs = {
        path: sum(load.globs) * _characters(path, a, longest[path]) // STEPS_OF_A_JUDGEMENT
        for path, load in theirs.items()
        if load.globs
    }
    if alone + most + sum(globs.values()) <= JUDGEMENTS_MAX:
        return None
    dearest = max(theirs, key=lambda path: lists.get(path, 0) * longest[path] + globs.get(path, 0))
    return _doubt(dearest, f"may take more than {JUDGEMENTS_MAX} judgements")


def _too_many_goals(ours: dict[_Path, _Load], theirs: dict[_Path, _Load], longest: dict[_Path, int]) -> Doubt | None:
    asking = {path: load.goals for path, load in theirs.items() if load.goals}
    if all(path in ours and goals <= ours[path].goals for path, goals in asking.items()):
        return None
    most = {
        path: sum(_distinct(goal, ours[path].goals if path in ours else set(), longest[path]) for goal in goals)
        for path, goals in asking.items()
    }
    if sum(most.values()) <= GOALS_MAX:
        return None
    return _doubt(max(most, key=lambda path: most[path]), f"may ask the graph more than {GOALS_MAX} questions")


def _distinct(goal: _Goal, ours: set[_Goal], longest: int) -> int:
    """Of how many values at a place the goal may be asked: each takes those of the first as well that are asked of any
    such value. A binding is asked of any scalar, and what is related of ids alone."""
    asked = ours if isinstance(goal, RelatedTo) else {each for each in ours if isinstance(each, EqualsBinding)}
    return min(longest, GOALS_MAX // len(asked)) if asked else longest


def _doubt(path: _Path, what: str) -> Doubt:
    if path in _LENGTHS_ABOUT_THE_CALL:
        return Doubt("", f"the second {what}, and is unknown then")
    of_list = (
        f" of a long list at `{pointer_of(path[:-1])}`: say its `max_length` in the first"
        if _is_of_elements(path)
        else ""
    )
    return Doubt(pointer_of(path), f"the second {what}{of_list}, and is unknown then")


def _is_of_elements(path: _Path) -> bool:
    return _ELEMENTS in path[1:]


# --- what a document takes --------------------------------------------------------------------------------------


def _loads_of(document: Document) -> dict[_Path, _Load]:
    """By the keys that lead to values."""
    loads: dict[_Path, _Load] = defaultdict(_Load)
    for path, constraint in _constraints_of(document.root):
        _add(constraint, path, loads)
    return dict(loads)


def _constraints_of(part: Part) -> Iterator[tuple[_Path, Constraint]]:
    yield _TOOL, part.tool
    yield _PURPOSE, part.purpose
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
            case GlobOf(glob):
                loads[path].globs.append(glob.steps("x"))
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


# --- how many values there may be, and how long ----------------------------------------------------------------


def _may_be_there(path: _Path, part: Part) -> bool:
    if path in _LENGTHS_ABOUT_THE_CALL:
        return True
    match part:
        case Clause():
            return not is_absent(path, part)
        case AnyClause(_, _, parts):
            return any(_may_be_there(path, each) for each in parts)
        case AllClauses(_, _, parts):
            return all(_may_be_there(path, each) for each in parts)


def _longest(path: _Path, document: Document, load: _Load) -> int:
    """How many values there may be at the place in a call that the document lets through, which takes so much of it."""
    if not _is_of_elements(path):
        return 1
    judged = JUDGEMENTS_MAX // load.judgements if load.judgements else VALUES_MAX
    told = VALUES_MAX
    if path.index(_ELEMENTS) == len(path) - 1:
        told = int(min(_length_max(document, path[:-1]), VALUES_MAX))
    return min(VALUES_MAX, judged, told)


def _characters(path: _Path, document: Document, values: int) -> int:
    """How many characters so many texts at the place may have in a call that the document lets through."""
    if (length := _LENGTHS_ABOUT_THE_CALL.get(path)) is not None:
        return length
    return int(min(values * _length_max(document, path), ARGUMENTS_BYTES_MAX))


def _length_max(document: Document, path: _Path) -> float:
    """How many characters a text at the place has at most, or elements a list, where the document lets a call through.
    One that takes authority lets through what is of any length, if some other argument is as it must be."""
    return _length_max_of_part(document.root, path) if document.side is Side.ARGUMENTS else inf


def _length_max_of_part(part: Part, path: _Path) -> float:
    match part:
        case Clause(_, _, arguments):
            name = path[: path.index(_ELEMENTS)] if _ELEMENTS in path else path
            depth = len(path) - len(name)
            return min((_length_max_of(each.constraint, depth) for each in arguments if each.path == name), default=inf)
        case AnyClause(_, _, parts):
            return max(_length_max_of_part(each, path) for each in parts)
        case AllClauses(_, _, parts):
            return min(_length_max_of_part(each, path) for each in parts)


def _length_max_of(constraint: Constraint, depth: int) -> float:
    """Of the elements of lists that are so deep in one another."""
    return min((_length_max_of_member(each, depth) for each in constraint.members), default=inf)


def _length_max_of_member(member: Member, depth: int) -> float:
    match member:
        case AllOf(constraints):
            return min(_length_max_of(each, depth) for each in constraints)
        case AnyOf(constraints):
            return max(_length_max_of(each, depth) for each in constraints)
        case Each(below) if depth:
            return _length_max_of(below, depth - 1)
        case _ if depth:
            return inf
        case MaxLength(length):
            return length
        case Equals(value):
            return len(value) if isinstance(value, str) else 0
        case OneOf(values, negated=False):
            return max(len(each) if isinstance(each, str) else 0 for each in values)
        case Subpath() | GlobOf():
            return PATH_BYTES_MAX
        case Host() | Cidr():
            return HOST_LENGTH_MAX
        case Bound(date()):
            return len("2026-01-31")
        case RelatedTo():
            return ID_BYTES_MAX
        case _:
            return inf
