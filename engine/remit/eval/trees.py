"""The two trees an answer can come with: what explains a Check, and who an Expand found.

Frozen data, made by the evaluator and rendered at the edges; each node mirrors a message of permissions.proto. Both are
flat lists whose entries refer to one another, so that depth and cycles in the facts cost nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from remit.model import ObjectRef, Relationship, SubjectRef, Update, Verdict


class ExplanationKind(Enum):
    """What kind of operand a node of an explanation is."""

    QUESTION = 1
    RELATIONSHIP = 2
    UNION = 3
    INTERSECTION = 4
    EXCLUSION = 5
    CONSTANT = 6


@dataclass(frozen=True, slots=True)
class ExplanationNode:
    """One operand of a definition. `resource`, `relation`, `subject` are set for questions, `relationship` and perhaps
    `missing` for relationships, `note` is a sentence for people."""

    kind: ExplanationKind
    verdict: Verdict
    resource: ObjectRef | None = None
    relation: str = ""
    subject: SubjectRef | None = None
    relationship: Relationship | None = None
    missing: tuple[str, ...] = ()
    note: str = ""
    children: tuple[ExplanationNode, ...] = ()


@dataclass(frozen=True, slots=True)
class ExplainedQuestion:
    """A question, its verdict, and what made it so. `relation` may read `child.along(r1, r2)`."""

    resource: ObjectRef
    relation: str
    subject: SubjectRef
    verdict: Verdict
    definition: ExplanationNode


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a verdict is what it is: each question that mattered once, the first the one asked. Nodes refer to others by
    (resource, relation, subject). For YES one sufficient branch is shown, else every operand that kept it there.

    `witness`, of a YES: relationships that alone make it one, none of which can be left out. `fix`, of a NO: what would
    make it a YES, none of which can be left out; empty where nothing is known. `unfinished`: neither was looked for to
    the end."""

    questions: tuple[ExplainedQuestion, ...]
    truncated: bool = False
    witness: tuple[Relationship, ...] = ()
    fix: tuple[Update, ...] = ()
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class ExpandSet:
    """`resource#relation`, opened. It always contains the userset `resource#relation` itself."""

    resource: ObjectRef
    relation: str
    definition: ExpandNode


@dataclass(frozen=True, slots=True)
class ExpandReference:
    """`resource#relation`, among the sets of the expansion, or `truncated`: beyond the depth asked."""

    resource: ObjectRef
    relation: str
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class ExpandUnion:
    children: tuple[ExpandNode, ...]


@dataclass(frozen=True, slots=True)
class ExpandIntersection:
    children: tuple[ExpandNode, ...]


@dataclass(frozen=True, slots=True)
class ExpandExclusion:
    base: ExpandNode
    subtracted: ExpandNode


@dataclass(frozen=True, slots=True)
class ExpandSubject:
    """One fact; `userset` is the set of its subject (in an arrow: of its target), where there is one."""

    relationship: Relationship
    userset: ExpandReference | None = None


@dataclass(frozen=True, slots=True)
class ExpandLeaf:
    """The facts of one relation that count now."""

    relation: str
    subjects: tuple[ExpandSubject, ...]


@dataclass(frozen=True, slots=True)
class ExpandExists:
    """Everyone or no one: whether any of these facts counts."""

    relation: str
    subjects: tuple[ExpandSubject, ...]


@dataclass(frozen=True, slots=True)
class ExpandArrow:
    """`relation->permission`, or `.all`. A target without a set (its type has no such permission) holds no one."""

    relation: str
    permission: str
    all: bool
    targets: tuple[ExpandSubject, ...]


@dataclass(frozen=True, slots=True)
class ExpandAlong:
    """Every link of the subject's chain by `relations` is in `child`."""

    child: ExpandNode
    relations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpandSubjectFilter:
    """Subjects whose own object has `permission` for itself."""

    permission: str


@dataclass(frozen=True, slots=True)
class ExpandSelf:
    """The resource itself."""

    resource: ObjectRef


@dataclass(frozen=True, slots=True)
class ExpandNobody:
    """The empty set."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """Everyone who has a relation or permission of a resource: sets made of sets, each opened once, breadth first; the
    first is the one asked for. A list, because facts may nest deeper than a message and go around in cycles."""

    sets: tuple[ExpandSet, ...]


ExpandNode = (
    ExpandReference
    | ExpandUnion
    | ExpandIntersection
    | ExpandExclusion
    | ExpandLeaf
    | ExpandExists
    | ExpandArrow
    | ExpandAlong
    | ExpandSubjectFilter
    | ExpandSelf
    | ExpandNobody
)
