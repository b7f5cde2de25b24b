"""Which subjects can stand in a relation or permission at all, by the schema alone: usersets, plain types, wildcards.

A question about a subject that cannot is NO without a walk (DESIGN 3: "when it prunes by subject type"), and the
compiler judges with it what an expression can hold. A set of subjects is one integer with a bit per kind of subject,
so a schema of a thousand permissions settles in milliseconds.
Law: sound, never tight. Where some world answers Check with YES or CONDITIONAL, `can_reach` is true."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from remit.language.plan import (
    Along,
    Arrow,
    Exclusion,
    Exists,
    Expression,
    Intersection,
    Name,
    Nil,
    Relation,
    Schema,
    Self,
    SubjectArrow,
    Union,
    nodes_of,
    reads_of,
)


@dataclass(frozen=True, slots=True)
class Subjects:
    """Kinds of subjects: plain by type, usersets by type and relation, wildcards by type.

    A wildcard also counts as the plain subjects of its type, for it matches them."""

    plain: frozenset[str]
    usersets: frozenset[tuple[str, str]]
    wildcards: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.plain or self.usersets or self.wildcards)


class Reach:
    """What can reach each relation and permission of a schema.

    The keywords leave a way out, for judgements on the schema: without `identity`, a userset does not reach its own
    name (`doc:1#viewer` is in `viewer` of `doc:1` whatever is written); without `along`, `exists` or `selves`, those
    forms hold nobody."""

    def __init__(
        self, schema: Schema, *, identity: bool = True, along: bool = True, exists: bool = True, selves: bool = True
    ) -> None:
        """Cost: O(schema), and in cycles as often as what they hold grows, typically twice."""
        self._schema = schema
        self._counts_along = along
        self._counts_selves = selves
        self._types = list(schema.definitions)
        self._plain = {type_: 1 << index for index, type_ in enumerate(self._types)}
        self._wildcard = {type_: bit << len(self._plain) for type_, bit in self._plain.items()}
        self._names = names = [
            (type_, name)
            for type_, definition in schema.definitions.items()
            for name in (*definition.relations, *definition.permissions)
        ]
        self._userset = {goal: 1 << (2 * len(self._plain) + index) for index, goal in enumerate(names)}
        everyone = (1 << (2 * len(self._plain) + len(names))) - 1
        self._exists = everyone if exists else 0
        self._bits: dict[tuple[str, str], int] = {goal: self._userset[goal] if identity else 0 for goal in names}
        self._readers: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._reader: tuple[str, str] | None = None  # whose bits are being made
        self._settle()

    def can_reach(self, resource_type: str, name: str, subject_type: str, subject_relation: str = "") -> bool:
        """Whether a subject of that type (a userset where `subject_relation` is given) may be in `name` of a resource
        of that type. False for names that the schema does not know. Cost: O(1)."""
        if subject_relation:
            bit = self._userset.get((subject_type, subject_relation), 0)
        else:
            bit = self._plain.get(subject_type, 0)
        return bool(self._bits.get((resource_type, name), 0) & bit)

    def is_empty(self, resource_type: str, name: str) -> bool:
        """Whether nobody can be in a relation or permission. Cost: O(1)."""
        return not self._bits.get((resource_type, name), 0)

    def subjects(self, resource_type: str, name: str) -> Subjects:
        """Everything that can reach a relation or permission."""
        return self._read(self._bits.get((resource_type, name), 0))

    def subjects_of(self, resource_type: str, expression: Expression) -> Subjects:
        """Everything that can reach an expression that stands in that definition."""
        return self._read(self._expression(resource_type, expression))

    def _settle(self) -> None:
        # The least fixed point: a step only adds bits, and only what reads a goal that grew is looked at again. It goes
        # from the bottom up, so that without cycles no goal is looked at twice.
        goals = dict(self._goals())
        waiting = deque(self._from_the_bottom(goals))
        queued = set(goals)
        while waiting:
            self._reader = goal = waiting.popleft()
            queued.discard(goal)
            what = goals[goal]
            before = self._bits[goal]
            held = self._relation(what) if isinstance(what, Relation) else self._expression(goal[0], what)
            if before | held != before:
                self._bits[goal] = before | held
                grown = self._readers.get(goal, set()) - queued
                waiting.extend(grown)
                queued |= grown
        self._reader = None

    def _from_the_bottom(self, goals: Mapping[tuple[str, str], Relation | Expression]) -> list[tuple[str, str]]:
        """The goals, each after those it reads, as far as cycles let it. Depth-first, on a stack of our own."""
        met: set[tuple[str, str]] = set()
        order: list[tuple[str, str]] = []
        for root in goals:
            path = [(root, self._read_by(root[0], goals[root]))] if root not in met else []
            met.add(root)
            while path:
                goal, reads = path[-1]
                for other in reads:
                    if other in goals and other not in met:
                        met.add(other)
                        path.append((other, self._read_by(other[0], goals[other])))
                        break
                else:
                    order.append(goal)
                    path.pop()
        return order

    def _read_by(self, type_: str, what: Relation | Expression) -> Iterator[tuple[str, str]]:
        """The goals whose bits `_relation` or `_expression` asks for, and names that are none."""
        if isinstance(what, Relation):
            yield from ((subject.type, subject.relation) for subject in what.subject_types if subject.relation)
            return
        for node in nodes_of(what):
            yield from self._schema.asked_by(type_, node)
            for name in reads_of(node).subject:
                yield from ((subject_type, name) for subject_type in self._plain)

    def _held(self, goal: tuple[str, str]) -> int:
        """The bits of a goal as far as they are known; nothing for a name that its type does not have."""
        if self._reader is not None:
            self._readers.setdefault(goal, set()).add(self._reader)
        return self._bits.get(goal, 0)

    def _goals(self) -> Iterator[tuple[tuple[str, str], Relation | Expression]]:
        for type_, definition in self._schema.definitions.items():
            for relation in definition.relations.values():
                yield (type_, relation.name), relation
            for permission in definition.permissions.values():
                yield (type_, permission.name), permission.expression

    def _relation(self, relation: Relation) -> int:
        held = 0
        for subject in relation.subject_types:
            if subject.wildcard:
                held |= self._plain[subject.type] | self._wildcard[subject.type]
            elif subject.relation:
                userset = (subject.type, subject.relation)
                held |= self._userset[userset] | self._held(userset)
            else:
                held |= self._plain[subject.type]
        return held

    def _expression(self, type_: str, expression: Expression) -> int:
        match expression:
            case Nil():
                return 0
            case Self():
                return self._plain[type_] if self._counts_selves else 0
            case Name(name):
                return self._held((type_, name))
            case Union(children):
                held = 0
                for child in children:
                    held |= self._expression(type_, child)
                return held
            case Intersection(children):
                held = -1
                for child in children:
                    held &= self._expression(type_, child)
                return held
            case Exclusion(base, _):
                return self._expression(type_, base)
            case Arrow(relation, name):
                held = 0
                for subject in self._schema.definitions[type_].relations[relation].subject_types:
                    held |= self._held((subject.type, name))
                return held
            case SubjectArrow(name):
                # The question is asked of the subject's own object for itself, so only types that can answer it count.
                held = 0
                for subject_type, bit in self._plain.items():
                    held |= self._held((subject_type, name)) & bit
                return held
            case Exists():
                return self._exists
            case Along(child, relations):
                return self._along(self._held((type_, child)), relations) if self._counts_along else 0

    def _along(self, child: int, relations: tuple[str, ...]) -> int:
        """A type stands if it reaches the child and, by each listed relation it declares, a type that stands. Found
        from the roots up, as the chain itself is: a ring of types with no way out holds nobody."""
        held = 0
        waiting = [type_ for type_, bit in self._plain.items() if child & bit]
        grew = True
        while grew:
            grew = False
            for type_ in list(waiting):
                if all(targets & held for targets in self._links(type_, relations)):
                    held |= self._plain[type_]
                    waiting.remove(type_)
                    grew = True
        return held | (child & (held << len(self._plain)))

    def _links(self, type_: str, relations: tuple[str, ...]) -> Iterator[int]:
        declared: Mapping[str, Relation] = self._schema.definitions[type_].relations
        for name in relations:
            if name in declared:
                targets = 0
                for subject in declared[name].subject_types:
                    if not subject.relation and not subject.wildcard:
                        targets |= self._plain[subject.type]
                yield targets

    def _read(self, bits: int) -> Subjects:
        """Cost: O(the kinds of subjects among the bits)."""
        plain, wildcards, usersets = [], [], []
        types = len(self._plain)
        while bits:
            lowest = bits & -bits
            bits ^= lowest
            index = lowest.bit_length() - 1
            if index < types:
                plain.append(self._types[index])
            elif index < 2 * types:
                wildcards.append(self._types[index - types])
            else:
                usersets.append(self._names[index - 2 * types])
        return Subjects(frozenset(plain), frozenset(usersets), frozenset(wildcards))
