"""Whether one constraint document is narrower than another: authority under it is none that the other would not give.

Where authority is given (`arguments`), every call that the first lets through the second lets through. Where it is
taken (`matching`), every call that the first lets be the second lets be: a denial that is wider leaves less.
Law: a yes is never wrong, whatever the tool is, the call, its types, and how the graph answers what both leave to it. A
no may be: what would take long to find out, or hangs on how two constraints meet, is a no with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from remit.arguments.document import ANY_PERMISSION, parse_document
from remit.arguments.inclusion import Doubt, Inclusion, Named, Place, Steps, TooIntricate
from remit.arguments.json_text import pointer_of
from remit.arguments.judging_load import excess
from remit.arguments.presence import can_be_followed, is_absent
from remit.arguments.side import SIDES, Side
from remit.arguments.tree import AllClauses, AnyClause, Argument, Clause, Constraint, Document, Part
from remit.arguments.values import ValueType
from remit.model import CaveatUse, Qualifiers


@dataclass(frozen=True, slots=True)
class Narrower:
    """True where it is narrower. Else `pointer` says at which argument a call could tell the two apart ("" where it is
    none: the tool, the purpose, the whole), `*` being every element of a list; and `reason` why."""

    is_narrower: bool
    pointer: str = ""
    reason: str = ""

    def __bool__(self) -> bool:
        return self.is_narrower


YES = Narrower(True)


def narrower(a: Document, b: Document, types: Mapping[str, ValueType] | None = None) -> Narrower:
    """Whether `a` is narrower than `b`. `types`: those of the tool where both are of one, by JSON Pointers; None where
    they may be of any. Cost: what `Steps` allows, and then it is a no."""
    if a.side is not b.side:
        return Narrower(False, "", "one says what is given (`arguments`) and the other what is taken (`matching`)")
    if a.text == b.text:
        return YES
    known, wanted = (a, b) if a.side is Side.ARGUMENTS else (b, a)
    try:
        doubt = _Comparison(a.side, types).document(known.root, wanted.root) or excess(a, b)
    except TooIntricate:
        return Narrower(False, "", "the two are too intricate to be compared: say less in one of them")
    return Narrower(False, *doubt) if doubt else YES


def narrower_use(
    a: Qualifiers, b: Qualifiers, now_us: int, *, is_taken: bool = False, types: Mapping[str, ValueType] | None = None
) -> Narrower:
    """Whether a relationship qualified by `a` gives, from `now_us` on, no more than one qualified by `b`; `is_taken`:
    whether, of two that are subtracted, the first leaves no more than the second.

    Caveats that a schema defines are compared by name and context alone. Raises DocumentInvalid."""
    known, wanted = (b, a) if is_taken else (a, b)
    if not wanted._replace(caveat=None).covers(known._replace(caveat=None), now_us):
        what = (
            "holds back at times at which the first does not" if is_taken else "does not count whenever the first does"
        )
        return Narrower(False, "", f"the second {what}")
    if wanted.caveat is None or wanted.caveat == known.caveat:
        return YES
    ours, theirs = _document_of(a.caveat), _document_of(b.caveat)
    if ours is not None and theirs is not None and (ours.side is Side.MATCHING) is is_taken:
        return narrower(ours, theirs, types)
    name = wanted.caveat.name
    return Narrower(False, "", f"the caveat `{name}` of the {'first' if is_taken else 'second'} is not the other's")


def _document_of(caveat: CaveatUse | None) -> Document | None:
    """The document of a built-in caveat; what it asks of the graph was allowed when it was written."""
    if caveat is None or caveat.name not in SIDES:
        return None
    return parse_document(caveat.context_json, SIDES[caveat.name], ANY_PERMISSION)


# --- documents --------------------------------------------------------------------------------------------------


class _Case(NamedTuple):
    """One of the ways in which a document can hold: constraints and clauses all of which do."""

    tool: tuple[Constraint, ...]
    purpose: tuple[Constraint, ...]
    clauses: tuple[Clause, ...]


def _cases_of(part: Part, steps: Steps) -> Iterator[_Case]:
    match part:
        case Clause(tool, purpose):
            yield _Case((tool,), (purpose,), (part,))
        case AnyClause(tool, purpose, parts):
            for each in parts:
                for case in _cases_of(each, steps):
                    yield _all_of(_Case((tool,), (purpose,), ()), case)
        case AllClauses(tool, purpose, parts):
            for cases in product(*(list(_cases_of(each, steps)) for each in parts)):
                steps.spend(len(cases))
                yield _all_of(_Case((tool,), (purpose,), ()), *cases)


def _all_of(*cases: _Case) -> _Case:
    return _Case(
        tuple(each for case in cases for each in case.tool),
        tuple(each for case in cases for each in case.purpose),
        tuple(each for case in cases for each in case.clauses),
    )


class _Comparison:
    """Two documents of one side. Where authority is taken they have changed places."""

    def __init__(self, side: Side, types: Mapping[str, ValueType] | None) -> None:
        self._is_given = side is Side.ARGUMENTS
        self._steps = Steps()
        self._values = Inclusion(side, types, self._steps)
        self._tool = Place("the tool", (), (None,), is_text=True)
        self._purpose = Place("the purpose", (), (None,), is_text=True)
        self._known, self._wanted = ("the first", "the second") if self._is_given else ("the second", "the first")
        self._passes = "lets through calls" if self._is_given else "matches calls"

    def document(self, known: Part, wanted: Part) -> Doubt | None:
        """Of a left `any_of` every part, of a right one a single part."""
        doubts = (self._part(case, wanted) for case in _cases_of(known, self._steps))
        return next(filter(None, doubts), None)

    def _part(self, case: _Case, wanted: Part) -> Doubt | None:
        self._steps.spend(1)
        about_the_call = ((case.tool, wanted.tool, self._tool), (case.purpose, wanted.purpose, self._purpose))
        for known, constraint, place in about_the_call:
            if doubt := self._values.doubt([Named(each, False) for each in known], constraint, place):
                return doubt
        match wanted:
            case Clause():
                return self._clause(case, wanted)
            case AllClauses(_, _, parts):
                return next(filter(None, (self._part(case, each) for each in parts)), None)
            case AnyClause(_, _, parts):
                return self._any(case, parts)

    def _any(self, case: _Case, parts: Sequence[Part]) -> Doubt | None:
        doubts = []
        for each in parts:
            doubt = self._part(case, each)
            if doubt is None:
                return None
            doubts.append(doubt)
        pointer, reason = doubts[0]
        if len(doubts) == 1:
            return doubts[0]
        lies = f"it lies within no single part of `any_of` in {self._wanted}"
        return Doubt(pointer, f"{lies}: of the first part, {reason}")

    def _clause(self, case: _Case, wanted: Clause) -> Doubt | None:
        closed = self._is_given and not wanted.is_open
        for argument in wanted.arguments:
            if doubt := self._argument(case, argument, covering=closed):
                return doubt
        return self._unnamed(case, wanted) if closed else None

    # --- arguments ----------------------------------------------------------------------------------------------

    def _argument(self, case: _Case, wanted: Argument, covering: bool) -> Doubt | None:
        pointer = pointer_of(wanted.path)
        if self._is_needed(wanted) and not any(self._is_there(each, wanted.path) for each in _arguments(case)):
            return Doubt(pointer, f"{self._known} {self._passes} without `{pointer}`, and {self._wanted} does not")
        named = [
            Named(argument.constraint, self._is_given and not clause.is_open)
            for clause in case.clauses
            for argument in clause.arguments
            if argument.path == wanted.path
        ]
        if not named and self._is_given:
            if any(is_absent(wanted.path, clause) for clause in case.clauses):
                return None
            if wanted.constraint.members or not can_be_followed(wanted.path, list(_arguments(case))):
                return Doubt(pointer, f"{self._wanted} names `{pointer}`, which {self._known} lets be anything")
        place = self._values.place(wanted.path)
        return self._values.doubt(named, wanted.constraint, place, covering=covering)

    def _is_needed(self, argument: Argument) -> bool:
        return not argument.is_optional if self._is_given else argument.if_present

    def _is_there(self, argument: Argument, path: tuple[str, ...]) -> bool:
        """Whether what the path leads to is there wherever the argument is what it must be."""
        return self._is_needed(argument) and argument.path[: len(path)] == path

    def _unnamed(self, case: _Case, wanted: Clause) -> Doubt | None:
        """Whether there may be something that the wanted clause does not name."""
        doubts = [_unreached(clause, wanted) for clause in case.clauses if not clause.is_open]
        if not doubts:
            return Doubt("", f"{self._known} lets through arguments that it does not name, and {self._wanted} does not")
        [*pointers] = filter(None, doubts)
        if len(pointers) < len(doubts):
            return None
        pointer = pointers[0]
        return Doubt(pointer, f"{self._known} lets `{pointer}` through, which {self._wanted} does not name")


def _arguments(case: _Case) -> Iterable[Argument]:
    return (argument for clause in case.clauses for argument in clause.arguments)


def _unreached(known: Clause, wanted: Clause) -> str | None:
    """An argument that one closed clause names and the other does not reach; None where it reaches them all."""
    reached = {argument.path: argument.constraint for argument in wanted.arguments}
    for argument in known.arguments:
        path = argument.path
        if path in reached:
            continue
        above = [reached[path[:length]] for length in range(1, len(path)) if path[:length] in reached]
        if not above:
            return pointer_of(path)
    return None
