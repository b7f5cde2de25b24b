"""The compiled schema: what the evaluator, the store's admission and every listing read.

Everything is resolved and checked: a name that stands in here exists. It is plain frozen data with no behaviour but
lookups, so a second engine can be built from it field by field.
Law: two schema texts with the same plan mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, assert_never

from remit.arguments.side import SIDES, Side
from remit.language.caveats import Caveat
from remit.language.kept import keep
from remit.model import Qualifiers, SubjectRef

Member = tuple[str, str]
"""A relation or permission, by its type and name."""

TOOL = "tool"  # the type of which a call names an object
DESCRIPTOR = "descriptor"  # the relation of it that leads to its descriptors, and their type


@dataclass(frozen=True, slots=True)
class SubjectType:
    """One alternative right of a relation's colon: `user`, `user:*`, `group#member`, with its traits. `declared` are,
    in order, the permissions that documents of its built-in caveat may name."""

    type: str
    relation: str = ""  # "" for plain and wildcard; `type#...` is plain
    wildcard: bool = False
    caveat: str | None = None
    expiration: bool = False
    not_before: bool = False
    declared: tuple[Member, ...] = ()

    def __str__(self) -> str:
        """As a schema writes it."""
        text = f"{self.type}:*" if self.wildcard else f"{self.type}#{self.relation}" if self.relation else self.type
        asked = f"({', '.join(f'{type}#{name}' for type, name in self.declared)})" if self.declared else ""
        traits = [f"{self.caveat or ''}{asked}", "not_before" * self.not_before, "expiration" * self.expiration]
        named = " and ".join(trait for trait in traits if trait)
        return f"{text} with {named}" if named else text


def subject_type_of(subject: SubjectRef, qualifiers: Qualifiers) -> SubjectType:
    """What a relationship with this subject is written as, whatever documents of it may name."""
    return SubjectType(
        subject.type,
        subject.relation,
        subject.is_wildcard,
        qualifiers.caveat.name if qualifiers.caveat else None,
        qualifiers.expiration_us is not None,
        qualifiers.not_before_us is not None,
    )


# --- expressions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Nil:
    """`nil`: nobody."""


@dataclass(frozen=True, slots=True)
class Self:
    """`self`: the resource itself, as a plain subject."""


@dataclass(frozen=True, slots=True)
class Name:
    """A relation or permission of the same definition."""

    name: str


@dataclass(frozen=True, slots=True)
class Union:
    """`a + b + …`: the greatest of the children. At least two; nested unions are flattened."""

    children: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Intersection:
    """`a & b & …`: the least of the children. At least two; nested intersections are flattened."""

    children: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """`base - subtracted`: min(base, not subtracted)."""

    base: Expression
    subtracted: Expression


@dataclass(frozen=True, slots=True)
class Arrow:
    """`relation->name` and `relation.any(name)` (all=False), `relation.all(name)` (all=True): asked of the objects that
    `relation` leads to. A target type without `name` answers NO for its objects."""

    relation: str
    name: str
    all: bool = False


@dataclass(frozen=True, slots=True)
class SubjectArrow:
    """`subject->name`: the acting subject's own object has `name` for itself."""

    name: str


@dataclass(frozen=True, slots=True)
class Exists:
    """`relation.exists()`: at least one valid relationship, whoever the subject is."""

    relation: str


@dataclass(frozen=True, slots=True)
class Along:
    """`child.along(relations…)`: every link of the subject's chain is in `child` of this resource."""

    child: str  # a relation or permission of the same definition
    relations: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.child}.along({', '.join(self.relations)})"


Expression = Nil | Self | Name | Union | Intersection | Exclusion | Arrow | SubjectArrow | Exists | Along


class Reads(NamedTuple):
    """What a node reads beside its operands: `here` are names of the same definition, asked of the same resource;
    `targets` are (relation, name), a name asked of whatever the relation leads to; `subject` are names asked of the
    subject's own object; `edges` are relations whose relationships count, and nothing of what they lead to."""

    here: tuple[str, ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    subject: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()


def reads_of(node: Expression) -> Reads:
    """The one place that says this of each operator: reach, lints, the rules of delegation and the diff build on it."""
    match node:
        case Nil() | Self() | Union() | Intersection() | Exclusion():
            return Reads()
        case Name(name):
            return Reads(here=(name,))
        case Arrow(relation, name):
            return Reads(targets=((relation, name),))
        case SubjectArrow(name):
            return Reads(subject=(name,))
        case Exists(relation):
            return Reads(edges=(relation,))
        case Along(child, relations):
            return Reads(here=(child,), edges=relations)
    assert_never(node)


def operands_of(node: Expression) -> tuple[Expression, ...]:
    """The expressions that stand directly inside a node, in their order."""
    match node:
        case Union(children) | Intersection(children):
            return children
        case Exclusion(base, subtracted):
            return base, subtracted
        case Nil() | Self() | Name() | Arrow() | SubjectArrow() | Exists() | Along():
            return ()
    assert_never(node)


def nodes_of(expression: Expression) -> Iterator[Expression]:
    """The expression and every expression inside it, each before its own operands."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(operands_of(node)))


# --- definitions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Relation:
    """`relation name: subject_types`."""

    name: str
    subject_types: tuple[SubjectType, ...]
    single: bool = False
    final: bool = False  # what is written stays: nobody deletes it or writes it otherwise
    managed: bool = False
    doc: str = ""
    _taken: Mapping[SubjectType, SubjectType] = field(init=False, repr=False, compare=False)
    _places: frozenset[tuple[str, str, bool]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        taken = {replace(each, declared=()) if each.declared else each: each for each in self.subject_types}
        object.__setattr__(self, "_taken", taken)
        places = frozenset((each.type, each.relation, each.wildcard) for each in self.subject_types)
        object.__setattr__(self, "_places", places)

    def alternative(self, subject: SubjectRef, qualifiers: Qualifiers) -> SubjectType | None:
        """The one that a relationship is written as; None where there is none. Cost: O(1), of however many."""
        return self._taken.get(subject_type_of(subject, qualifiers))

    def has_place(self, wanted: SubjectType) -> bool:
        """Whether it takes such subjects, qualified in whichever way. Cost: O(1)."""
        return (wanted.type, wanted.relation, wanted.wildcard) in self._places


def asked_by_documents(schema: Schema, relation: Relation) -> Iterator[Member]:
    """What the constraint documents beside a relation may ask of the graph: the permissions that they may name, and by
    which descriptor the call is judged. The one place that says so, as `reads_of` is of expressions."""
    for subject in relation.subject_types:
        if subject.caveat is not None and schema.side_of(subject.caveat) is not None:
            yield from subject.declared
            if schema.describing is not None:
                yield schema.describing


@dataclass(frozen=True, slots=True)
class Permission:
    """`permission name = expression`. `annotation` holds the types of `permission name: a | b =`, informative."""

    name: str
    expression: Expression
    annotation: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """An object type: its relations and permissions by name. The two never share a name."""

    name: str
    relations: Mapping[str, Relation]
    permissions: Mapping[str, Permission]
    doc: str = ""

    _is_ending: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_is_ending", any(relation.final for relation in self.relations.values()))

    @property
    def is_ending(self) -> bool:
        """Whether something final can be said of its objects. Cost: O(1)."""
        return self._is_ending

    def has(self, name: str) -> bool:
        return name in self.relations or name in self.permissions


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema: definitions and caveats by name, and the text it came from: files that it imports are brought
    in, libraries of Remit are still imported. In its expansion they are brought in too. Where it `uses_arguments` there
    are two caveats more, which are not among `caveats`: see `side_of`."""

    definitions: Mapping[str, Definition]
    caveats: Mapping[str, Caveat]
    text: str = ""
    expansion: str = ""
    kept: str = field(init=False, repr=False, compare=False)  # what a store keeps of it: equal ones are equal schemas
    chain_relations: frozenset[str] = frozenset()  # every relation named in an `along`
    # Under `use delegation` or `use arguments`: the relations that hold answers back (see `polarity.py`).
    subtracted: frozenset[Member] = frozenset()
    counted: frozenset[Member] = frozenset()  # of these, those that do so whoever asks
    uses_arguments: bool = False
    worked_out: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was found of the schema alone when it was needed, by what it is: kept as long as the schema is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept", keep(self.text, self.expansion))

    def side_of(self, caveat: str) -> Side | None:
        """Of a built-in caveat, whose context is a constraint document; None for any other. Cost: O(1)."""
        return SIDES.get(caveat) if self.uses_arguments else None

    @property
    def describing(self) -> Member | None:
        """The relation whose edges say by which descriptor a call of a tool is judged; None where there is none."""
        tool = self.definitions.get(TOOL)
        return (TOOL, DESCRIPTOR) if tool is not None and DESCRIPTOR in tool.relations else None
