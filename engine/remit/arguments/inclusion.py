"""Whether every value that some constraints let through is let through by another one.

Where authority is given, to be let through is to be judged a yes: what is unknown opens nothing. Where it is taken, it
is to be judged anything but a no: what is unknown holds back as a match does. So each side has an inclusion of its own,
and on both a value that one of the two cannot judge counts against a yes.
Law: no doubt ⇒ no value, of whatever type a tool says it is, for which the constraints that are known let it through
and the one that is wanted does not, while every goal has the same answer on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from itertools import product
from typing import Literal, NamedTuple

from remit.arguments.json_text import Scalar, canonical_text, joined, kind_of, pointer_of
from remit.arguments.judge import ReadCall, constraint_may_cover, index_of, judge, may_cover
from remit.arguments.side import Side
from remit.arguments.text_sets import Beginning, Below, Globbed, Paths, TextSet, text_outside
from remit.arguments.tree import (
    ANYTHING,
    AllOf,
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
    Prefix,
    RelatedTo,
    Some,
    Subpath,
    Url,
)
from remit.arguments.values import DEFAULT_PORTS, VALUE_TYPES, Network, ValueType, is_address_like, is_below, refusal
from remit.arguments.verdicts import Outcome, outcomes_of
from remit.arguments.written import written
from remit.notation import shortened


class TooIntricate(Exception):
    """It was not found out within bounds. It is never a yes."""


class Steps:
    """Those that a comparison may take yet. What people write takes some hundred; all of them are a second or two."""

    def __init__(self, steps: int = 300_000) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Raises TooIntricate where no more are left."""
        self._left -= steps
        if self._left < 0:
            raise TooIntricate


class Doubt(NamedTuple):
    """Where something could be let through that must not be, by a JSON Pointer into the arguments in which a key `*` is
    every element of a list; and why, as a sentence."""

    pointer: str
    reason: str


class Place(NamedTuple):
    """Of which value one speaks. `types` are those that its tool may say it has, None for that it says none."""

    name: str
    path: tuple[str, ...]
    types: tuple[ValueType | None, ...]
    is_text: bool = False

    @property
    def pointer(self) -> str:
        return pointer_of(self.path)


_ANY_TYPE: tuple[ValueType | None, ...] = (None, *VALUE_TYPES)
_PATTERNS_MAX = 64


class Named(NamedTuple):
    """A constraint that is known to hold. `is_covering`: it covers the value besides, whatever that holds."""

    constraint: Constraint
    is_covering: bool


# --- which values a member judges -------------------------------------------------------------------------------


class Texts(Enum):
    """Kinds of strings that members judge; each alone is a kind of what any of `_WITHIN` it names."""

    ANY = "strings"
    PATH_FORM = "strings of the form of paths that no tool calls a URL"
    PATH = "paths"
    URL = "URLs"
    HOST = "hosts"
    ADDRESS = "addresses"
    DATE = "dates"
    DECIMAL = "decimals"
    ID = "ids of objects"


# Any other pair is in neither order. An id may be called a URL by its tool, of which no glob judges anything.
_WITHIN = {
    Texts.ANY: {Texts.ANY},
    Texts.PATH_FORM: {Texts.PATH_FORM, Texts.ANY},
    Texts.PATH: {Texts.PATH, Texts.PATH_FORM, Texts.ANY},
    Texts.URL: {Texts.URL, Texts.ANY},
    Texts.HOST: {Texts.HOST, Texts.PATH_FORM, Texts.ANY},
    Texts.ADDRESS: {Texts.ADDRESS, Texts.PATH_FORM, Texts.ANY},
    Texts.DATE: {Texts.DATE, Texts.PATH_FORM, Texts.ANY},
    Texts.DECIMAL: {Texts.DECIMAL, Texts.PATH_FORM, Texts.ANY},
    Texts.ID: {Texts.ID, Texts.ANY},
}
_OF_TYPE: dict[ValueType, Texts] = {
    "path": Texts.PATH,
    "url": Texts.URL,
    "host": Texts.HOST,
    "address": Texts.ADDRESS,
    "date": Texts.DATE,
    "decimal": Texts.DECIMAL,
}


class Domain(NamedTuple):
    """The values that a member judges at all: those of some of JSON's kinds, and some strings."""

    kinds: frozenset[str]
    texts: Texts | None

    def is_within(self, other: Domain) -> bool:
        return self.kinds <= other.kinds and (
            self.texts is None or (other.texts is not None and other.texts in _WITHIN[self.texts])
        )


_NO_KIND: frozenset[str] = frozenset()
_ANY_TEXT = Domain(_NO_KIND, Texts.ANY)
_ANY_SCALAR = Domain(frozenset({"null", "boolean", "number"}), Texts.ANY)


def domain_of(member: Member) -> Domain:
    """Which values the member judges. What is combined of others has none of its own."""
    match member:
        case Equals(value):
            return _domain_of_kinds({kind_of(value)})
        case OneOf(values):
            return _domain_of_kinds({kind_of(value) for value in values})
        case EqualsBinding():
            return _ANY_SCALAR
        case Bound(limit):
            is_date = isinstance(limit, date)
            return Domain(_NO_KIND, Texts.DATE) if is_date else Domain(frozenset({"number"}), Texts.DECIMAL)
        case MaxLength():
            return Domain(frozenset({"list"}), Texts.ANY)
        case Each() | Some():
            return Domain(frozenset({"list"}), None)
        case Prefix():
            return _ANY_TEXT
        case GlobOf():
            return Domain(_NO_KIND, Texts.PATH_FORM)
        case Subpath():
            return Domain(_NO_KIND, Texts.PATH)
        case Cidr():
            return Domain(_NO_KIND, Texts.ADDRESS)
        case Host():
            return Domain(_NO_KIND, Texts.HOST)
        case Url():
            return Domain(_NO_KIND, Texts.URL)
        case RelatedTo():
            return Domain(_NO_KIND, Texts.ID)
        case AnyOf() | AllOf():
            raise AssertionError("constraints are taken apart before their members are compared")


def _domain_of_kinds(kinds: set[str]) -> Domain:
    return Domain(frozenset(kinds - {"string"}), Texts.ANY if "string" in kinds else None)


# --- what is known of a value -----------------------------------------------------------------------------------


class _Known(NamedTuple):
    """Constraints that hold, taken apart: members; those of them that cover what the value holds; what is left to be
    told apart into cases; and whether the value surely holds no others."""

    members: tuple[Member, ...] = ()
    covering: frozenset[int] = frozenset()
    choices: tuple[tuple[AnyOf, bool], ...] = ()
    holds_no_others: bool = False

    def and_also(self, named: Named) -> _Known:
        constraint, is_covering = named
        if not constraint.members:
            return self
        coverers = [member for member in constraint.members if may_cover(member)]
        known = self._replace(holds_no_others=True) if is_covering and not coverers else self
        for member in constraint.members:
            # Where several may cover it, any one of them does; which one, nobody knows.
            known = known._and_member(member, is_covering and coverers == [member])
        return known

    def _and_member(self, member: Member, is_covering: bool) -> _Known:
        match member:
            case AnyOf():
                return self._replace(choices=(*self.choices, (member, is_covering)))
            case AllOf(constraints):
                coverers = [each for each in constraints if constraint_may_cover(each)]
                known = self
                for each in constraints:
                    known = known.and_also(Named(each, is_covering and coverers == [each]))
                return known
            case _:
                covering = self.covering | {len(self.members)} if is_covering else self.covering
                return self._replace(members=(*self.members, member), covering=covering)

    def cases(self) -> Iterator[_Known]:
        """The same with the first choice made, in each way that it can be."""
        (choice, is_covering), *others = self.choices
        for each in choice.constraints:
            yield self._replace(choices=tuple(others)).and_also(Named(each, is_covering))

    def constraint(self) -> Constraint:
        return Constraint((*self.members, *(choice for choice, _ in self.choices)))


# --- the comparison ---------------------------------------------------------------------------------------------


class Inclusion:
    """Constraints of one side compared. `types` are those of the tool where it is known, by JSON Pointers; None where
    it may be any tool."""

    def __init__(self, side: Side, types: Mapping[str, ValueType] | None, steps: Steps) -> None:
        self.side = side
        self._is_given = side is Side.ARGUMENTS
        self._types = types
        self._steps = steps

    def types_at(self, path: Sequence[str]) -> tuple[ValueType | None, ...]:
        """What a tool may say of what the keys lead to, `*` being every element of a list."""
        if self._types is None:
            return _ANY_TYPE
        patterns = [""]
        for key in path:
            # Nobody knows whether a number is a name or an index, so it may be either.
            keys = [joined("", key)] if index_of(key) is None else [joined("", key), "/*"]
            patterns = [pattern + each for pattern in patterns for each in keys]
            if len(patterns) > _PATTERNS_MAX:
                return _ANY_TYPE
        return tuple(dict.fromkeys(self._types.get(each) for each in patterns))

    def place(self, path: tuple[str, ...]) -> Place:
        return Place(f"`{pointer_of(path)}`", path, self.types_at(path))

    def doubt(
        self, known: Sequence[Named], wanted: Constraint, place: Place, *, covering: bool = False
    ) -> Doubt | None:
        """Why a value of which all that is known holds might not be let through by what is wanted, or, where that
        matters, might not be covered by it; None where it surely is."""
        taken_apart = _Known()
        for each in known:
            taken_apart = taken_apart.and_also(each)
        return self._doubt(taken_apart, wanted, place, covering)

    def _doubt(self, known: _Known, wanted: Constraint, place: Place, covering: bool) -> Doubt | None:
        self._steps.spend(1)
        if not wanted.members:
            return None
        covering = covering and not self._holds_no_others(known, place)
        doubt = self._conjunction(known, wanted, place, covering)
        if doubt is None or not known.choices:
            return doubt
        # It does not follow whatever is chosen; perhaps it follows from each choice for a reason of its own.
        return next((found for each in known.cases() if (found := self._doubt(each, wanted, place, covering))), None)

    def _holds_no_others(self, known: _Known, place: Place) -> bool:
        return (
            place.is_text or known.holds_no_others or any("list" not in domain_of(each).kinds for each in known.members)
        )

    def _conjunction(self, known: _Known, wanted: Constraint, place: Place, covering: bool) -> Doubt | None:
        told = self._at_values(known, wanted, place)
        if told is not False:
            return told
        doubts = (self._member(known, member, place, covering=False) for member in wanted.members)
        if doubt := next(filter(None, doubts), None):
            return doubt
        if not covering:
            return None
        coverers = [member for member in wanted.members if may_cover(member)]
        if any(self._member(known, member, place, covering=True) is None for member in coverers):
            return None
        return Doubt(place.pointer, f"{place.name} may hold values that {self._wanted} says nothing of")

    def _member(self, known: _Known, wanted: Member, place: Place, *, covering: bool) -> Doubt | None:
        self._steps.spend(len(known.members) + 1)
        match wanted:
            case AllOf(constraints) if covering:
                return self._all_covering(known, constraints, place)
            case AllOf(constraints):
                doubts = (self._doubt(known, each, place, covering=False) for each in constraints)
                return next(filter(None, doubts), None)
            case AnyOf(constraints):
                return self._any(known, constraints, place, covering)
            case Each():
                return self._each(known, wanted, place, covering)
            case EqualsBinding() | RelatedTo() if wanted in known.members:
                return None
            case Some(constraint):
                return self._some(known, constraint, wanted, place)
            case OneOf(negated=True):
                return self._none_of(known, wanted, place)
        told = self._at_values(known, Constraint((wanted,)), place)
        if told is not False:
            return told
        usable = self._usable(known, wanted, place)
        if usable is None:
            return self._no_reason(known, wanted, place)
        match wanted:
            case Prefix() | GlobOf() | Subpath():
                return self._text(known, usable, wanted, place)
            case _ if any(_implies(each, wanted, self._is_given) for each in usable):
                return None
        return self._no_reason(known, wanted, place)

    # --- what is combined ---------------------------------------------------------------------------------------

    def _all_covering(self, known: _Known, parts: tuple[Constraint, ...], place: Place) -> Doubt | None:
        doubts = (self._doubt(known, each, place, covering=False) for each in parts)
        if doubt := next(filter(None, doubts), None):
            return doubt
        if any(constraint_may_cover(each) and self._doubt(known, each, place, covering=True) is None for each in parts):
            return None
        return Doubt(place.pointer, f"{place.name} may hold values that {self._wanted} says nothing of")

    def _any(self, known: _Known, parts: tuple[Constraint, ...], place: Place, covering: bool) -> Doubt | None:
        """Of a right `any_of` a single one."""
        said = written(Constraint((AnyOf(parts),)))
        for choice, is_covering in known.choices:
            if (is_covering or not covering) and written(Constraint((choice,))) == said:
                return None
        doubts = []
        for each in parts:
            doubt = self._doubt(known, each, place, covering)
            if doubt is None:
                return None
            doubts.append(doubt)
        if len(doubts) == 1:
            return doubts[0]
        return Doubt(
            doubts[0].pointer,
            f"{place.name} is let into no single part of `any_of` in {self._wanted}: of the first part, "
            f"{doubts[0].reason}",
        )

    def _each(self, known: _Known, wanted: Each, place: Place, covering: bool) -> Doubt | None:
        lists = [(each, at in known.covering) for at, each in enumerate(known.members) if isinstance(each, Each)]
        if not lists:
            return self._no_reason(known, wanted, place)
        if max(each.items_min for each, _ in lists) < wanted.items_min:
            return Doubt(
                place.pointer, f"{place.name} may have fewer elements than the {wanted.items_min} of {self._wanted}"
            )
        elements = self.place((*place.path, "*"))
        named = [Named(each.constraint, is_covering) for each, is_covering in lists]
        return self.doubt(named, wanted.constraint, elements, covering=covering)

    def _some(self, known: _Known, constraint: Constraint, wanted: Some, place: Place) -> Doubt | None:
        lists = [each for each in known.members if isinstance(each, Some)]
        elements = self.place((*place.path, "*"))
        doubts = [self.doubt([Named(each.constraint, False)], constraint, elements) for each in lists]
        if None in doubts:
            return None
        return doubts[0] if doubts else self._no_reason(known, wanted, place)

    # --- values that can be counted -----------------------------------------------------------------------------

    def _at_values(self, known: _Known, wanted: Constraint, place: Place) -> Doubt | Literal[False] | None:
        """Where only so many values are left, each is judged. False where they are more, or it hangs on a goal."""
        candidates = self._candidates(known, wanted, place)
        if candidates is None:
            return False
        constraint, hangs = known.constraint(), False
        for value, type in product(candidates, place.types):
            if self._is_of(value, type):
                self._steps.spend(len(constraint.members) + len(wanted.members))
                if self._may_pass(constraint, value, type):
                    outcomes = self._outcomes(wanted, value, type)
                    if not outcomes & self._passing:
                        return self._counterexample(canonical_text(value), type, wanted, place)
                    hangs = hangs or not outcomes <= self._passing
        return False if hangs else None

    def _candidates(self, known: _Known, wanted: Constraint, place: Place) -> tuple[Scalar, ...] | None:
        """All values that what is known lets through, or more; None where that may be any number of them."""
        found = [
            values
            for each in known.members
            if (values := self._values_of(each)) is not None
            and (self._is_given or self._is_judged_within(wanted, domain_of(each), place))
        ]
        return min(found, key=len, default=None)

    def _values_of(self, member: Member) -> tuple[Scalar, ...] | None:
        """The only values that the member lets through of those that it judges; None where they are not counted."""
        match member:
            case Equals(value):
                return (value,)
            case OneOf(values, negated=False):
                return values
            case GlobOf(glob) if not set("*?") & set(glob.pattern):
                return (glob.pattern,)
            case Cidr(networks) if all(each.num_addresses == 1 for each in networks):
                return tuple(str(each.network_address) for each in networks)
            # Where authority is taken, addresses that are not listed are let through as well.
            case Host(hosts) if self._is_given and not any(each.startswith(".") for each in hosts):
                return hosts
            case _:
                return None

    def _none_of(self, known: _Known, wanted: OneOf, place: Place) -> Doubt | None:
        if self._usable(known, wanted, place) is None:
            return self._no_reason(known, wanted, place)
        constraint, only = known.constraint(), Constraint((wanted,))
        for value, type in product(wanted.values, place.types):
            if self._is_of(value, type):
                self._steps.spend(len(constraint.members))
                is_out = not self._outcomes(only, value, type) <= self._passing
                if is_out and self._may_pass(constraint, value, type):
                    return self._counterexample(canonical_text(value), type, only, place)
        return None

    def _is_of(self, value: Scalar, type: ValueType | None) -> bool:
        """Whether a call with that value can be judged at all, where the tool says that type of it."""
        return type is None or not isinstance(value, str) or refusal(type, value) is None

    @property
    def _passing(self) -> frozenset[Outcome]:
        """What is let through."""
        return frozenset({Outcome.YES}) if self._is_given else frozenset({Outcome.UNJUDGED, Outcome.YES})

    def _may_pass(self, constraint: Constraint, value: Scalar, type: ValueType | None) -> bool:
        return bool(self._outcomes(constraint, value, type) & self._passing)

    def _outcomes(self, constraint: Constraint, value: Scalar, type: ValueType | None) -> frozenset[Outcome]:
        """What the constraint may come to for the value, whatever its goals are answered."""
        argument = Argument(("value",), constraint)
        document = Document(self.side, Clause(ANYTHING, ANYTHING, (argument,), is_open=True), "", 0)
        call = ReadCall("any", "", {"value": value})
        judged = judge(document, call.typed(call.arguments, {"/value": type}) if type else call)
        return outcomes_of(judged)

    # --- members ------------------------------------------------------------------------------------------------

    def _domain(self, member: Member, place: Place) -> Domain:
        """Which values the member judges there."""
        domain = domain_of(member)
        if domain.texts in (Texts.ANY, Texts.PATH_FORM) and len(place.types) == 1:
            [type] = place.types
            if type in _OF_TYPE and (of_type := _OF_TYPE[type]) in _WITHIN and domain.texts in _WITHIN[of_type]:
                return Domain(domain.kinds, of_type)
        return domain

    def _usable(self, known: _Known, wanted: Member, place: Place) -> list[Member] | None:
        """What is known that may be compared with what is wanted. Where authority is given, that is all of it, so long
        as some of it says that the value is one that `wanted` judges; None where nothing does. Where it is taken, what
        judges whatever `wanted` does: of other values it is unknown, and no `no`."""
        domain = self._domain(wanted, place)
        if not self._is_given:
            return [each for each in known.members if self._is_within(domain, domain_of(each), place)]
        is_judged = any(self._domain(each, place).is_within(domain) for each in known.members)
        return list(known.members) if is_judged or (place.is_text and _ANY_TEXT.is_within(domain)) else None

    def _is_within(self, domain: Domain, other: Domain, place: Place) -> bool:
        return domain.is_within(other) or (place.is_text and _ANY_TEXT.is_within(other))

    def _is_judged_within(self, wanted: Constraint, domain: Domain, place: Place) -> bool:
        """Whether every value that the constraint judges a no is of the domain."""
        return all(self._is_member_judged_within(each, domain, place) for each in wanted.members)

    def _is_member_judged_within(self, wanted: Member, domain: Domain, place: Place) -> bool:
        match wanted:
            case AllOf(constraints):
                return all(self._is_judged_within(each, domain, place) for each in constraints)
            case AnyOf(constraints):
                return any(each.members and self._is_judged_within(each, domain, place) for each in constraints)
            case _:
                return self._is_within(self._domain(wanted, place), domain, place)

    def _text(
        self, known: _Known, usable: list[Member], wanted: Prefix | GlobOf | Subpath, place: Place
    ) -> Doubt | None:
        sets = [each for member in usable if (each := self._text_set(member)) is not None]
        judged = [self._domain(each, place) for each in (usable if self._is_given else [wanted])]
        if any(each.texts in (Texts.PATH, Texts.PATH_FORM) and not each.kinds for each in judged):
            sets.append(Paths())
        outside = text_outside(sets, [_exact_text_set(wanted)], self._steps.spend)
        if outside is None:
            return None
        only = Constraint((wanted,))
        for type in place.types:
            is_example = (
                self._is_of(outside, type) and self._outcomes(known.constraint(), outside, type) <= self._passing
            )
            if is_example and not self._outcomes(only, outside, type) & self._passing:
                return self._counterexample(canonical_text(outside), type, only, place)
        return self._no_reason(known, wanted, place)

    def _text_set(self, member: Member) -> TextSet | None:
        """The strings that the member lets through, or more; None where those are no set that is compared."""
        match member:
            case Prefix() | GlobOf() | Subpath():
                return _exact_text_set(member)
            case Url(schemes, Host(hosts)) if self._is_given:
                return Beginning(tuple(_beginning(scheme, host) for scheme, host in product(schemes, hosts)))
            case _:
                return None

    # --- words --------------------------------------------------------------------------------------------------

    @property
    def _wanted(self) -> str:
        """Whose constraint is wanted: where authority is taken, the first must hold back what the second does."""
        return "the second" if self._is_given else "the first"

    @property
    def _other(self) -> str:
        return "the first" if self._is_given else "the second"

    def _no_reason(self, known: _Known, wanted: Member, place: Place) -> Doubt:
        said, named = shortened(written(Constraint((wanted,)))), known.constraint()
        if not named.members:
            return Doubt(place.pointer, f"{place.name} may be anything, and `{said}` of {self._wanted} is not")
        follows = f"does not follow from `{shortened(written(named))}` of {self._other}"
        return Doubt(place.pointer, f"of {place.name}, `{said}` of {self._wanted} {follows}")

    def _counterexample(self, value: str, type: ValueType | None, wanted: Constraint, place: Place) -> Doubt:
        what = f"`{shortened(value)}`" + (f", which a tool may call a {type}" if type else "")
        passes = "does not let it through" if self._is_given else "does not match it"
        said = shortened(written(wanted))
        return Doubt(place.pointer, f"{place.name} may be {what}; `{said}` of {self._wanted} {passes}")


# --- what one member says of another ----------------------------------------------------------------------------


def _implies(known: Member, wanted: Member, is_given: bool) -> bool:
    """Whether a value of which the known member holds has the wanted one hold, where both judge it."""
    match known, wanted:
        case Bound(ours, _, is_max), Bound(theirs, _, other_is_max) if is_max == other_is_max:
            if isinstance(ours, date) and isinstance(theirs, date):
                return ours <= theirs if is_max else ours >= theirs
            if isinstance(ours, Decimal) and isinstance(theirs, Decimal):
                return ours <= theirs if is_max else ours >= theirs
            return False
        case MaxLength(ours), MaxLength(theirs):
            return ours <= theirs
        case GlobOf(glob), MaxLength(theirs):
            return "*" not in glob.pattern and len(glob.pattern) <= theirs
        case Bound(date()), MaxLength(theirs):
            return theirs >= len("2026-01-31")
        case Cidr(ours), Cidr(theirs):
            return all(any(_is_subnet(each, other) for other in theirs) for each in ours)
        case Host(), Host():
            return _is_host_within(known, wanted, is_given)
        case Url(), Url():
            return _is_url_within(known, wanted, is_given)
        case _:
            return False


def _is_host_within(known: Host, wanted: Host, is_given: bool) -> bool:
    # An address that is not listed is unknown, which lets nothing through where authority is given, and all where it is
    # taken.
    hosts = [each for each in known.hosts if is_given or not is_address_like(each)]
    return all(
        any(each == other or (other.startswith(".") and each.endswith(other)) for other in wanted.hosts)
        and not (is_address_like(each) and each not in wanted.hosts)
        for each in hosts
    )


def _is_url_within(known: Url, wanted: Url, is_given: bool) -> bool:
    return (
        _ports_of(known) <= _ports_of(wanted)
        and _is_host_within(known.host, wanted.host, is_given)
        and (wanted.directory is None or (known.directory is not None and is_below(wanted.directory, known.directory)))
    )


def _ports_of(url: Url) -> set[tuple[str, int]]:
    return {(scheme, port) for scheme in url.schemes for port in url.ports or (DEFAULT_PORTS[scheme],)}


def _is_subnet(network: Network, other: Network) -> bool:
    return network.version == other.version and (
        network.network_address in other and network.broadcast_address in other
    )


def _exact_text_set(member: Prefix | GlobOf | Subpath) -> TextSet:
    """The strings that the member lets through of those that it judges."""
    match member:
        case Prefix(text):
            return Beginning((text,))
        case GlobOf(glob):
            return Globbed(glob)
        case Subpath(directory):
            return Below(directory)


def _beginning(scheme: str, host: str) -> str:
    """What every URL begins with that leads there."""
    if host.startswith("."):
        return f"{scheme}://"
    return f"{scheme}://[{host}]" if ":" in host else f"{scheme}://{host}"
