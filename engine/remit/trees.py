"""The two trees an answer can come with: why a Check said so, and who an Expand found.

Frozen data, made by the evaluator and rendered at the edges; each node mirrors a message of permissions.proto."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from remit.model import ObjectRef, Relationship, SubjectRef, Verdict


class ExplanationKind(Enum):
    """What kind of step a node of an explanation is."""

    QUESTION = 1
    RELATIONSHIP = 2
    UNION = 3
    INTERSECTION = 4
    EXCLUSION = 5
    CONSTANT = 6
    REFERENCE = 7


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a verdict is what it is. For YES one sufficient branch is shown, otherwise every operand that kept it there.

    `resource`, `relation`, `subject` are set for questions and references, `relationship` for relationships."""

    kind: ExplanationKind
    verdict: Verdict
    resource: ObjectRef | None = None
    relation: str = ""
    subject: SubjectRef | None = None
    relationship: Relationship | None = None
    missing: tuple[str, ...] = ()
    note: str = ""
    children: tuple[Explanation, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpandSet:
    """`resource#relation`, opened. It always contains the userset `resource#relation` itself."""

    resource: ObjectRef
    relation: str
    definition: ExpandNode


@dataclass(frozen=True, slots=True)
class ExpandReference:
    """`resource#relation`, opened elsewhere in the tree (`cycle`: around this very node), or beyond the depth asked."""

    resource: ObjectRef
    relation: str
    cycle: bool = False
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
    """One fact; `userset` is the set of its subject where there is one to open."""

    relationship: Relationship
    userset: ExpandNode | None = None


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


ExpandNode = (
    ExpandSet
    | ExpandReference
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
