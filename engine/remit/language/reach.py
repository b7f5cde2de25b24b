"""Which subjects can stand in a relation or permission at all, by the schema alone: usersets, plain types, wildcards.

A question about a subject that cannot is NO without a walk, and the compiler judges with it what an expression can
hold. A set of subjects is one integer with a bit per kind of subject, so a schema of a thousand permissions settles in
milliseconds.
Law: sound, never tight. Where some world answers Check with YES or CONDITIONAL, `can_reach` is true."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from remit.language.effort import Effort
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


Goal = tuple[str, ...]
"""What a set of subjects is worked out for: a relation or permission (its type and name), or what many expressions ask
alike: an arrow (its type, relation and name), `subject->name` (the name alone)."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """The types that some relations of an `along` lead to, as bits."""

    declaring: int  # the types that declare one of the relations
    leading: Mapping[int, tuple[tuple[int, int], ...]]  # a type → the types that lead to it, and by which relation
    links: Mapping[int, int]  # a type that declares some → how many


class Reach:
    """What can reach each relation and permission of a schema.

    The keywords leave a way out, for judgements on the schema: without `identity`, a userset does not reach its own
    name (`doc:1#viewer` is in `viewer` of `doc:1` whatever is written); without `along`, `exists` or `selves`, those
    forms hold nobody."""

    def __init__(
        self,
        schema: Schema,
        *,
        identity: bool = True,
        along: bool = True,
        exists: bool = True,
        selves: bool = True,
        effort: Effort | None = None,
    ) -> None:
        """Cost: O(schema), and in cycles as often as what they hold grows, typically twice."""
        self._schema = schema
        self._effort = effort or Effort()
        self._counts_along = along
        self._counts_selves = selves
        self._types = list(schema.definitions)
        self._plain = {type_: 1 << index for index, type_ in enumerate(self._types)}
        self._every_plain = (1 << len(self._types)) - 1
        self._wildcard = {type_: bit << len(self._plain) for type_, bit in self._plain.items()}
        self._names: list[tuple[str, str]] = []
        self._userset: dict[tuple[str, str], int] = {}
        self._holders: dict[str, dict[str, None]] = {}  # a name → the types that have it
        for type_, definition in schema.definitions.items():
            for name in (*definition.relations, *definition.permissions):
                self._effort.step()
                self._userset[type_, name] = 1 << (2 * len(self._plain) + len(self._names))
                self._names.append((type_, name))
                self._holders.setdefault(name, {})[type_] = None
        everyone = (1 << (2 * len(self._plain) + len(self._names))) - 1
        self._exists = everyone if exists else 0
        self._bits: dict[Goal, int] = {goal: bit if identity else 0 for goal, bit in self._userset.items()}
        self._asked: dict[Goal, tuple[Goal, ...]] = {}  # what the goals that are no names ask, in the end, of names
        self._targets: dict[tuple[str, str], dict[str, None]] = {}  # the types that a relation leads to
        self._chains: dict[tuple[str, ...], _Chain] = {}
        self._standing: dict[tuple[int, tuple[str, ...]], int] = {}
        self._readers: dict[Goal, set[Goal]] = {}
        self._reader: Goal | None = None  # whose bits are being made
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

    def plain_bits(self, resource_type: str, name: str) -> int:
        """The types whose subjects can reach a relation or permission, as a number that is equal for the same types."""
        return self._bits.get((resource_type, name), 0) & self._every_plain

    def plain_of(self, resource_type: str, name: str, among: Collection[str]) -> frozenset[str]:
        """Those of some types whose subjects can reach a relation or permission. Cost: O(types among)."""
        return self._plain_among(self._bits.get((resource_type, name), 0), among)

    def plain_of_expression(self, resource_type: str, expression: Expression, among: Collection[str]) -> frozenset[str]:
        """Those of some types whose subjects can reach an expression that stands in that definition."""
        return self._plain_among(self._expression(resource_type, expression), among)

    def _plain_among(self, bits: int, among: Collection[str]) -> frozenset[str]:
        self._effort.step(len(among))
        return frozenset(type_ for type_ in among if bits & self._plain[type_])

    def holders(self, name: str) -> Collection[str]:
        """The types that have a relation or permission of that name."""
        return self._holders.get(name, {}).keys()

    def holders_among(self, resource_type: str, relation: str, name: str) -> list[str]:
        """The types that a relation leads to and that have the name, in its order."""
        targets, holders = self._targets_of(resource_type, relation), self._holders.get(name, {})
        self._effort.step(min(len(targets), len(holders)))
        if len(holders) < len(targets):
            return sorted(targets.keys() & holders.keys(), key=list(targets).index) if holders else []
        return [type_ for type_ in targets if type_ in holders]

    def asked_by(self, type_: str, node: Expression) -> Iterator[tuple[str, str]]:
        """The relations and permissions that a node of a definition asks of its resource and of what relations lead to:
        of those that have the name."""
        reads = reads_of(node)
        for name in reads.here:
            yield type_, name
        for relation, name in reads.targets:
            for target in self.holders_among(type_, relation, name):
                yield target, name

    def _targets_of(self, type_: str, relation: str) -> dict[str, None]:
        key = type_, relation
        if key not in self._targets:
            subject_types = self._schema.definitions[type_].relations[relation].subject_types
            self._targets[key] = {subject.type: None for subject in subject_types}
        return self._targets[key]

    def _settle(self) -> None:
        # The least fixed point: a step only adds bits, and only what reads a goal that grew is looked at again. It goes
        # from the bottom up, so that without cycles no goal is looked at twice.
        goals = dict(self._goals())
        waiting = deque(self._from_the_bottom(goals))
        queued = set(waiting)
        while waiting:
            self._reader = goal = waiting.popleft()
            queued.discard(goal)
            self._effort.step()
            what = goals.get(goal)
            before = self._bits.get(goal, 0)
            if what is None:
                held = self._shared(goal)
            else:
                held = self._relation(what) if isinstance(what, Relation) else self._expression(goal[0], what)
            if before | held != before:
                self._bits[goal] = before | held
                for reader in self._readers.get(goal, ()):
                    self._effort.step()
                    if reader not in queued:
                        queued.add(reader)
                        waiting.append(reader)
        self._reader = None

    def _from_the_bottom(self, goals: Mapping[Goal, Relation | Expression]) -> list[Goal]:
        """The goals, each after those it reads, as far as cycles let it. Depth-first, on a stack of our own."""
        met: set[Goal] = set()
        order: list[Goal] = []
        for root in goals:
            path = [(root, self._read_by(root, goals))] if root not in met else []
            met.add(root)
            while path:
                goal, reads = path[-1]
                for other in reads:
                    self._effort.step()
                    if other not in met:
                        met.add(other)
                        path.append((other, self._read_by(other, goals)))
                        break
                else:
                    order.append(goal)
                    path.pop()
        return order

    def _read_by(self, goal: Goal, goals: Mapping[Goal, Relation | Expression]) -> Iterator[Goal]:
        """The goals whose bits are asked for to work out this one's."""
        what = goals.get(goal)
        if what is None:
            yield from self._asked[goal]
        elif isinstance(what, Relation):
            yield from ((subject.type, subject.relation) for subject in what.subject_types if subject.relation)
        else:
            for node in nodes_of(what):
                reads = reads_of(node)
                yield from ((goal[0], name) for name in reads.here)
                yield from (self._arrow(goal[0], relation, name) for relation, name in reads.targets)
                yield from (self._subject_arrow(name) for name in reads.subject)

    def _arrow(self, type_: str, relation: str, name: str) -> Goal:
        """The goal of what the objects that a relation leads to have by a name."""
        goal = type_, relation, name
        if goal not in self._asked:
            self._asked[goal] = tuple((target, name) for target in self.holders_among(type_, relation, name))
        return goal

    def _subject_arrow(self, name: str) -> Goal:
        """The goal of the subjects that have a name of their own object for themselves: only of types that have it."""
        goal = (name,)
        if goal not in self._asked:
            self._asked[goal] = tuple((type_, name) for type_ in self._holders.get(name, {}))
        return goal

    def _shared(self, goal: Goal) -> int:
        """The bits of a goal that many expressions ask alike."""
        held = 0
        for asked in self._asked[goal]:
            bits = self._held(asked)
            held |= bits & self._plain[asked[0]] if len(goal) == 1 else bits
        return held

    def _held(self, goal: Goal) -> int:
        """The bits of a goal as far as they are known."""
        self._effort.step()
        if self._reader is not None:
            self._readers.setdefault(goal, set()).add(self._reader)
            return self._bits.get(goal, 0)
        if goal in self._asked and goal not in self._bits:  # an expression of no permission asks what none asked
            return self._shared(goal)
        return self._bits.get(goal, 0)

    def _goals(self) -> Iterator[tuple[Goal, Relation | Expression]]:
        for type_, definition in self._schema.definitions.items():
            self._effort.step(1 + len(definition.relations) + len(definition.permissions))
            for relation in definition.relations.values():
                yield (type_, relation.name), relation
            for permission in definition.permissions.values():
                yield (type_, permission.name), permission.expression

    def _relation(self, relation: Relation) -> int:
        held = 0
        for subject in relation.subject_types:
            self._effort.step()
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
                return self._held(self._arrow(type_, relation, name))
            case SubjectArrow(name):
                return self._held(self._subject_arrow(name))
            case Exists():
                return self._exists
            case Along(child, relations):
                return self._along(self._held((type_, child)), relations) if self._counts_along else 0

    def _along(self, child: int, relations: tuple[str, ...]) -> int:
        """A type stands if it reaches the child and, by each listed relation it declares, a type that stands."""
        key = child & self._every_plain, relations
        if key not in self._standing:
            self._standing[key] = self._stand(*key)
        held = self._standing[key]
        return held | (child & (held << len(self._plain)))

    def _stand(self, child: int, relations: tuple[str, ...]) -> int:
        """Found from the roots up, as the chain itself is: a ring of types with no way out holds nobody."""
        if relations not in self._chains:
            self._chains[relations] = self._chain(relations)
        chain = self._chains[relations]
        held = child & ~chain.declaring
        left = dict(chain.links)
        led: set[tuple[int, int]] = set()
        waiting = [target for target in chain.leading if held & target]
        while waiting:
            for link in chain.leading.get(waiting.pop(), ()):
                self._effort.step()
                type_ = link[0]
                if link not in led and child & type_:
                    led.add(link)
                    left[type_] -= 1
                    if not left[type_]:
                        held |= type_
                        waiting.append(type_)
        return held

    def _chain(self, relations: tuple[str, ...]) -> _Chain:
        declaring = 0
        leading: dict[int, dict[tuple[int, int], None]] = {}
        links: dict[int, int] = {}
        for number, name in enumerate(relations):
            for type_ in self._holders.get(name, {}):
                relation = self._schema.definitions[type_].relations.get(name)
                if relation is None:
                    continue
                bit = self._plain[type_]
                declaring |= bit
                links[bit] = links.get(bit, 0) + 1
                for subject in relation.subject_types:
                    self._effort.step()
                    if not subject.relation and not subject.wildcard:
                        leading.setdefault(self._plain[subject.type], {})[bit, number] = None
        return _Chain(declaring, {target: tuple(each) for target, each in leading.items()}, links)

    def _read(self, bits: int) -> Subjects:
        """Cost: O(the kinds of subjects among the bits)."""
        plain, wildcards, usersets = [], [], []
        types = len(self._plain)
        while bits:
            self._effort.step()
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
