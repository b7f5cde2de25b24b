"""What a constraint document comes to for one call.

Two things are asked of a value: whether its constraint holds, and, where authority is given, whether it covers the
value, so that nothing of a call goes by unseen. A value that holds others is covered by whichever one member says
something of all of them.
Law: whatever is not judged as it stands is unknown and stays so: a value of another kind, or one that is not written as
its type is, is neither repaired nor taken for a no."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from remit.arguments.call import ReadCall, read_call
from remit.arguments.document import BINDING
from remit.arguments.fitting import misfit_of
from remit.arguments.json_text import (
    Json,
    canonical_text,
    joined,
    kind_of,
    pointer_of,
    scalar_key,
)
from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.arguments.side import Side
from remit.arguments.tree import (
    AllClauses,
    AllOf,
    AnyClause,
    AnyOf,
    Argument,
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
    Prefix,
    RelatedTo,
    Some,
    Subpath,
    Url,
)
from remit.arguments.values import (
    DEFAULT_PORTS,
    Looks,
    address_of,
    host_of,
    is_address_like,
    is_below,
)
from remit.errors import InvalidReference
from remit.model import ObjectRef
from remit.notation import checked_id

__all__ = ["ReadCall", "judge", "read_call"]

# Of a list each element is judged by each member that speaks of it. What a person says stays below a thousand; this is
# some ten milliseconds.
JUDGEMENTS_MAX = 10_000
STEPS_OF_A_JUDGEMENT = 16  # of a glob: about as long as the other members take
GOALS_MAX = 100
_SHOWN_MAX = 80


def judge(document: Document, call: ReadCall) -> Judged:
    """What the document comes to for the call; it asks nobody, and raises nothing. Cost: O(values * constraints), at
    most `JUDGEMENTS_MAX` of them."""
    if cannot := call.unjudged or call.refused:
        return cannot
    judging = _Judging(document.side, call)
    if judging.exceeds_the_most(document.root):
        return Unjudged("", f"takes more than {JUDGEMENTS_MAX} judgements of values by constraints")
    judged = judging.part(document.root)
    if len(set(_goals(judged))) > GOALS_MAX:
        return Unjudged("", f"asks the graph more than {GOALS_MAX} questions")
    return judged


def _goals(judged: Judged) -> Iterator[tuple[ObjectRef, str]]:
    match judged:
        case Related(object, permission):
            yield object, permission
        case Every(parts) | Any(parts):
            for part in parts:
                yield from _goals(part)
        case Unless(part):
            yield from _goals(part)


class Place(NamedTuple):
    """A value where it stands: its JSON Pointer, and the pointer by which the tool says its type."""

    value: Json
    pointer: str
    pattern: str
    looks: Looks

    def at(self, value: Json, pointer: str, pattern: str) -> Place:
        return Place(value, pointer, pattern, self.looks)

    def elements(self) -> list[Place]:
        assert isinstance(self.value, list), "whoever asks for elements has found a list"
        return [
            self.at(each, joined(self.pointer, index), f"{self.pattern}/*") for index, each in enumerate(self.value)
        ]

    @property
    def holds_others(self) -> bool:
        return isinstance(self.value, list | dict) and len(self.value) > 0

    def known(self, truth: bool, holds: str, does_not: str) -> Known:
        return Known(truth, f"{_named(self.pointer)} {holds if truth else does_not}")

    def unjudged(self, reason: str) -> Unjudged:
        return Unjudged(self.pointer, reason)


_Conjunct = tuple[Callable[[bool], Judged], bool]
"""What it comes to, covering the value or not; and whether it may cover one that holds others."""


@dataclass(frozen=True, slots=True)
class _Judging:
    side: Side
    call: ReadCall

    # --- documents ----------------------------------------------------------------------------------------------

    def part(self, part: Part) -> Judged:
        about = [
            self.constraint(constraint, place, covering=False)
            for constraint, place in self.about_the_call(part)
            if constraint.members
        ]
        match part:
            case Clause():
                return _every([*about, *self.clause(part)])
            case AnyClause(_, _, parts):
                return _every([*about, Any(tuple(map(self.part, parts)))])
            case AllClauses(_, _, parts):
                return _every([*about, *map(self.part, parts)])

    def about_the_call(self, part: Part) -> Iterator[tuple[Constraint, Place]]:
        yield part.tool, Place(self.call.tool, "tool", "tool", self.call.looks)
        yield part.purpose, Place(self.call.purpose, "purpose", "purpose", self.call.looks)

    def clause(self, clause: Clause) -> Iterator[Judged]:
        for argument in clause.arguments:
            yield self.argument(argument, covering=self.side is Side.ARGUMENTS and not clause.is_open)
        if self.side is Side.ARGUMENTS and not clause.is_open:
            named = _tree_of(clause.arguments)
            first = next(_unnamed(self.call.arguments, named, ""), None)
            if first is not None:
                others = _count_unnamed(self.call.arguments, named) - 1
                yield Known(False, f"{_named(first)} is not named{f', and {others} more' if others else ''}")

    def argument(self, argument: Argument, covering: bool) -> Judged:
        found = self.find(argument.path)
        if isinstance(found, Unjudged):
            return found
        if found is not None:
            return self.constraint(argument.constraint, found, covering)
        name = _named(pointer_of(argument.path))
        if self.side is Side.ARGUMENTS:
            return Known(argument.is_optional, f"{name} is absent{', and optional' if argument.is_optional else ''}")
        return Known(not argument.if_present, f"{name} is absent{'' if argument.if_present else ', which matches'}")

    def find(self, path: tuple[str, ...]) -> Place | Unjudged | None:
        """What the keys lead to; None where it is absent."""
        place = Place(self.call.arguments, "", "", self.call.looks)
        for key in path:
            value, pointer, pattern, _ = place
            if isinstance(value, dict):
                if key not in value:
                    return None
                place = place.at(value[key], joined(pointer, key), joined(pattern, key))
            elif isinstance(value, list):
                index = index_of(key)
                if index is None:
                    return place.unjudged("is a list, which has elements and no names")
                if index >= len(value):
                    return None
                place = place.at(value[index], joined(pointer, index), f"{pattern}/*")
            else:
                return place.unjudged(f"is {_a(value)}, which has no names")
        return place

    # --- constraints --------------------------------------------------------------------------------------------

    def constraint(self, constraint: Constraint, place: Place, covering: bool) -> Judged:
        if not constraint.members:
            return place.known(True, "may be anything", "")
        conjuncts = [(partial(self.member, each, place), may_cover(each)) for each in constraint.members]
        return self.conjunction(conjuncts, place, covering=covering)

    def conjunction(self, conjuncts: Sequence[_Conjunct], place: Place, *, covering: bool) -> Judged:
        """All of them; and one that covers the value, where it is to be covered and holds others. Whichever covers it
        holds too, so that one alone which may is not judged twice."""
        if not (covering and place.holds_others):
            return _every([judged(False) for judged, _ in conjuncts])
        covers = [judged for judged, may_cover in conjuncts if may_cover]
        held = [judged(False) for judged, may_cover in conjuncts if not may_cover or len(covers) > 1]
        if not covers:
            return _every([*held, place.known(False, "", "holds values that no constraint speaks of")])
        return _every([*held, _any([judged(True) for judged in covers])])

    def member(self, member: Member, place: Place, covering: bool) -> Judged:
        type = self.call.types.get(place.pattern)
        if type and (misfit := misfit_of(member, type)):
            return place.unjudged(misfit)
        match member:
            case AnyOf(constraints):
                return _any([self.constraint(each, place, covering) for each in constraints])
            case AllOf(constraints):
                parts = [(partial(self.constraint, each, place), constraint_may_cover(each)) for each in constraints]
                return self.conjunction(parts, place, covering=covering)
            case Each() | Some():
                return self.of_list(member, place, covering)
            case MaxLength(length):
                return _of_length(place, length)
            case Equals() | OneOf() | EqualsBinding():
                return _of_scalar(member, place)
            case Bound():
                return _of_bound(member, place)
        if not isinstance(place.value, str):
            return place.unjudged(f"is {_a(place.value)}, and no string")
        return _OF_TEXT[member.__class__](member, place, place.value)

    def of_list(self, member: Each | Some, place: Place, covering: bool) -> Judged:
        if not isinstance(place.value, list):
            return place.unjudged(f"is {_a(place.value)}, and no list")
        judged = [self.constraint(member.constraint, each, covering) for each in place.elements()]
        if isinstance(member, Some):
            return _any(judged) if judged else place.known(False, "", "is an empty list")
        if len(judged) < member.items_min:
            return place.known(False, "", f"has fewer elements than {member.items_min}")
        return _every(judged) if judged else place.known(True, "is an empty list", "")

    # --- how much there is to judge -----------------------------------------------------------------------------

    def exceeds_the_most(self, part: Part) -> bool:
        left = JUDGEMENTS_MAX
        for weight in self.weights(part):
            left -= weight
            if left < 0:
                return True
        return False

    def weights(self, part: Part) -> Iterator[int]:
        for constraint, place in self.about_the_call(part):
            yield from _weights(constraint, place.value)
        if not isinstance(part, Clause):
            for each in part.parts:
                yield from self.weights(each)
            return
        for argument in part.arguments:
            found = self.find(argument.path)
            yield from _weights(argument.constraint, found.value if isinstance(found, Place) else None)


def _weights(constraint: Constraint, value: Json) -> Iterator[int]:
    """One for the constraint and one for each of its members, as often as there are values that they are judged by; one
    for each host or network that a value is compared with; and what a glob takes for a long text."""
    yield 1
    for member in constraint.members:
        yield 1
        match member:
            case Each(below) | Some(below):
                for element in value if isinstance(value, list) else []:
                    yield from _weights(below, element)
            case AnyOf(constraints) | AllOf(constraints):
                for each in constraints:
                    yield from _weights(each, value)
            case GlobOf(glob) if isinstance(value, str):
                yield glob.steps(value) // STEPS_OF_A_JUDGEMENT
            case Cidr(networks):
                yield len(networks)
            case Host(hosts) | Url(host=Host(hosts)):
                yield len(hosts)


# --- what covers, and what is named -----------------------------------------------------------------------------


def may_cover(member: Member) -> bool:
    """Whether the member could speak of all that a value holds."""
    match member:
        case Each():
            return True
        case AnyOf(constraints) | AllOf(constraints):
            return any(map(constraint_may_cover, constraints))
        case _:
            return False


def constraint_may_cover(constraint: Constraint) -> bool:
    return not constraint.members or any(map(may_cover, constraint.members))


_Named = dict[str, "_Named"]
"""The keys that lead to named arguments; an argument itself has none below it."""


def _tree_of(arguments: Iterable[Argument]) -> _Named:
    tree: _Named = {}
    for argument in arguments:
        node = tree
        for key in argument.path:
            node = node.setdefault(key, {})
    return tree


# A document may have hundreds of parts, each with names of its own, so what is below is not gone through for each.
def _unnamed(value: Json, named: _Named, pointer: str) -> Iterator[str]:
    """Where values stand that no named argument reaches, as the call has them. Cost: O(names) until the first."""
    if isinstance(value, dict):
        entries: Iterator[tuple[str, Json]] = iter(value.items())
    else:
        entries = ((str(index), item) for index, item in enumerate(value if isinstance(value, list) else []))
    if pointer and not (isinstance(value, list | dict) and value):
        yield pointer
    for key, item in entries:
        below = joined(pointer, key)
        if key not in named:
            yield below
        elif named[key]:
            yield from _unnamed(item, named[key], below)


def _count_unnamed(value: Json, named: _Named) -> int:
    """How many these are, of a value that holds others or is itself one of them. Cost: O(names)."""
    if not isinstance(value, list | dict) or not value:
        return 1
    reached = list(_reached(value, named))
    return len(value) - len(reached) + sum(_count_unnamed(item, below) for item, below in reached if below)


def _reached(value: list[Json] | dict[str, Json], named: _Named) -> Iterator[tuple[Json, _Named]]:
    """What is there of what the names lead to, each with the names below it."""
    for key, below in named.items():
        if isinstance(value, dict):
            if key in value:
                yield value[key], below
        elif (index := index_of(key)) is not None and index < len(value):
            yield value[index], below


def index_of(key: str) -> int | None:
    """The index that a key of a JSON Pointer is, or None; with the zeros of `01` it is none."""
    return int(key) if key.isascii() and key.isdigit() and len(key) < 10 and str(int(key)) == key else None


# --- scalars ----------------------------------------------------------------------------------------------------


def _of_scalar(member: Equals | OneOf | EqualsBinding, place: Place) -> Judged:
    value = place.value
    if isinstance(value, list | dict):
        return place.unjudged(f"is {_a(value)}, and no scalar")
    if isinstance(value, str) and (reason := place.looks.text_refusal(value)):
        return place.unjudged(reason)
    match member:
        case EqualsBinding(name):
            digest = sha256(canonical_text(value).encode()).hexdigest()
            return Related(ObjectRef(BINDING[0], f"{name}/{digest}"), BINDING[1], place.pointer)
        case Equals(expected):
            if kind_of(value) != kind_of(expected):
                return place.unjudged(f"is {_a(value)}, and compared with {_a(expected)}")
            shown = _shown(member.text)
            return place.known(scalar_key(value) == scalar_key(expected), f"is `{shown}`", f"is not `{shown}`")
        case OneOf(_, negated):
            if kind_of(value) not in member.kinds:
                return place.unjudged(f"is {_a(value)}, and compared with none")
            shown = _shown(member.text)
            is_among, is_none = f"is one of `{shown}`", f"is none of `{shown}`"
            truth = (scalar_key(value) in member.keys) is not negated
            return place.known(truth, is_none if negated else is_among, is_among if negated else is_none)


def _of_bound(bound: Bound, place: Place) -> Judged:
    value = place.value
    number: Decimal | date
    if isinstance(bound.limit, date):
        if not isinstance(value, str):
            return place.unjudged(f"is {_a(value)}, and no date")
        if reason := place.looks.refusal("date", value):
            return place.unjudged(reason)
        number = date.fromisoformat(value)
        within = number <= bound.limit if bound.is_max else number >= bound.limit
    else:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return place.unjudged(f"is {_a(value)}, and no number")
        text = value if isinstance(value, str) else canonical_text(value)
        if isinstance(value, str) and (reason := place.looks.refusal("decimal", value)):
            return place.unjudged(reason)
        # Comparing two Decimals is exact, whatever their lengths and exponents.
        number = Decimal(text)
        within = number <= bound.limit if bound.is_max else number >= bound.limit
    limit = _shown(bound.text)
    if bound.is_max:
        return place.known(within, f"is at most `{limit}`", f"is more than `{limit}`")
    return place.known(within, f"is at least `{limit}`", f"is less than `{limit}`")


def _of_length(place: Place, length_max: int) -> Judged:
    value = place.value
    if not isinstance(value, str | list):
        return place.unjudged(f"is {_a(value)}, and has no length")
    if isinstance(value, str) and (reason := place.looks.text_refusal(value)):
        return place.unjudged(reason)
    return place.known(len(value) <= length_max, f"is no longer than {length_max}", f"is longer than {length_max}")


# --- texts ------------------------------------------------------------------------------------------------------


def _of_prefix(member: Prefix, place: Place, text: str) -> Judged:
    if reason := place.looks.text_refusal(text):
        return place.unjudged(reason)
    shown = _shown(member.text)
    return place.known(text.startswith(member.text), f"begins with `{shown}`", f"does not begin with `{shown}`")


def _of_subpath(member: Subpath, place: Place, text: str) -> Judged:
    if reason := place.looks.refusal("path", text):
        return place.unjudged(reason)
    shown = _shown(member.directory)
    return place.known(is_below(member.directory, text), f"is within `{shown}`", f"is not within `{shown}`")


def _of_glob(member: GlobOf, place: Place, text: str) -> Judged:
    if reason := place.looks.refusal("path", text):
        return place.unjudged(reason)
    shown = _shown(member.glob.pattern)
    return place.known(member.glob.matches(text), f"is of the form `{shown}`", f"is not of the form `{shown}`")


def _of_cidr(member: Cidr, place: Place, text: str) -> Judged:
    if reason := place.looks.refusal("address", text):
        return place.unjudged(reason)
    address = address_of(text)
    within = any(address.version == network.version and address in network for network in member.networks)
    shown = _shown(", ".join(map(str, member.networks)))
    return place.known(within, f"is within `{shown}`", f"is not within `{shown}`")


def _of_host(member: Host, place: Place, text: str) -> Judged:
    if reason := place.looks.refusal("host", text):
        return place.unjudged(reason)
    return _of_host_name(member, place, text)


def _of_host_name(member: Host, place: Place, host: str) -> Judged:
    if is_address_like(host) and host not in member.hosts:
        return place.unjudged("leads to an address that the constraint does not list")
    shown = _shown(", ".join(member.hosts))
    is_of = any(host == each or (each.startswith(".") and host.endswith(each)) for each in member.hosts)
    return place.known(is_of, f"is of the host `{shown}`", f"is not of the host `{shown}`")


def _of_url(member: Url, place: Place, text: str) -> Judged:
    if reason := place.looks.refusal("url", text):
        return place.unjudged(reason)
    url = place.looks.url_of(text)
    scheme = url.protocol.removesuffix(":")
    port = int(url.port) if url.port else DEFAULT_PORTS[scheme]
    ports = (DEFAULT_PORTS[scheme],) if member.ports is None else member.ports
    shown = _shown(", ".join(member.schemes))
    judged: list[Judged] = [
        place.known(scheme in member.schemes, f"is of the scheme `{shown}`", f"is not of the scheme `{shown}`"),
        place.known(port in ports, "is of a port that is listed", f"is of the port {port}, which is not listed"),
        _of_host_name(member.host, place, host_of(url)),
    ]
    if member.directory is not None:
        judged.append(_of_subpath(Subpath(member.directory), place, url.pathname))
    return _every(judged)


def _of_related(member: RelatedTo, place: Place, text: str) -> Judged:
    try:
        checked_id(text)
    except InvalidReference:
        return place.unjudged("is not written as the ids of objects are")
    related = Related(ObjectRef(member.type, text), member.permission, place.pointer)
    return Unless(related) if member.negated else related


_OF_TEXT: dict[type, Callable[..., Judged]] = {
    Prefix: _of_prefix,
    Subpath: _of_subpath,
    GlobOf: _of_glob,
    Cidr: _of_cidr,
    Host: _of_host,
    Url: _of_url,
    RelatedTo: _of_related,
}


# --- words ------------------------------------------------------------------------------------------------------


def _every(parts: Sequence[Judged]) -> Judged:
    if not parts:
        return Known(True, "nothing is asked of the call")
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _any(parts: Sequence[Judged]) -> Judged:
    return parts[0] if len(parts) == 1 else Any(tuple(parts))


def _named(pointer: str) -> str:
    return f"`{_shown(pointer)}`" if pointer.startswith("/") else f"the {pointer}"


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"


def _a(value: Json) -> str:
    """The value's kind as a sentence has it."""
    kind = kind_of(value)
    return {"null": "null", "object": "an object"}.get(kind, f"a {kind}")
