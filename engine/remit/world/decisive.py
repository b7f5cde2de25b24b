"""What an answer rests on: the parts of the schema without which it would be another.

An answer has reasons: for a yes, the facts and operands that found it; for a no, those that leave it unfounded. Where
several reasons stand side by side, none of them alone is decisive; what all of them share is. So a reason is a claim,
"this goal is at least yes" or "at most no", that holds by every one of some other claims or by any one of them. What is
decisive to a claim is its own part, with what is decisive to some of those it needs every one of, or to all of those
any one of which would do. A claim of a yes may not rest on itself, and a claim of a no may: so the first are counted
down from everything and the second up from nothing.
Law: where no part stands on both sides of a `-`, one is decisive with yes exactly if the answer is another when nobody
is ever in the part, and with no exactly if it is another when everybody always is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from remit.eval.equations import CONDITIONAL, NO, YES, AllOf, AnyOf, Bounds, ButNot, Fact, Goal
from remit.eval.semantics import EvaluatedOperand, Evaluation
from remit.language import plan
from remit.language.reach import Reach
from remit.model import ObjectRef, SubjectRef
from remit.world.parts import Part, PartKey, PartKind, Path


class Decisive(NamedTuple):
    """Sets of (part, value) as bits: see `Bits`. `asked` are those that came up at all."""

    decided: int
    asked: int


class Bits:
    """A bit for each part being no and each being yes."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._index: Mapping[PartKey, int] = {part.key: index for index, part in enumerate(parts)}
        self.all = (1 << (2 * len(parts))) - 1

    def of(self, bounds: Bounds, *key: object) -> int:
        """The bit of a part with a value; none where it is neither yes nor no, or the schema has no such part."""
        index = self._index.get(key)
        if index is None or bounds not in (NO, YES):
            return 0
        return 1 << (2 * index + (bounds == YES))


class _Claim(NamedTuple):
    """The claim that a goal is at least, or at most, what the answer says."""

    goal: Goal
    at_least: bool


class _Reason(NamedTuple):
    """Holds by every one of its grounds, or by any one. `bits` are its own."""

    every: bool
    bits: int = 0
    grounds: tuple[_Reason | _Claim, ...] = ()


@dataclass(slots=True)
class _Settled:
    """What is known of claims, whatever answer they were met on the way to: what is decisive to each, and what was
    asked beneath it."""

    decisive: dict[_Claim, int] = field(default_factory=dict)
    asked: dict[_Claim, int] = field(default_factory=dict)


@dataclass(slots=True)
class Deciding:
    """Finds what is decisive to the answers of one evaluation. Keep it for all of them: what two answers share is
    worked out once."""

    evaluation: Evaluation
    bits: Bits
    reach: Reach
    _asked: int = field(default=0, init=False)
    _level: int = field(default=0, init=False)  # how much is claimed: 2 where the answer is definite, 1 where not
    _settled: dict[int, _Settled] = field(default_factory=dict, init=False)  # by level

    def of(self, root: Goal) -> Decisive:
        """Of an answered goal. Of a conditional answer: what holds it open, and what keeps it from a yes.

        Cost: O(what its explanation would tell that none before it told), and nothing of it is cut short; in cycles,
        as often as what is decisive in them changes. Raises what the budget raises."""
        bounds = self.evaluation.solve(root)
        self._level = 1 if bounds == CONDITIONAL else 2
        settled = self._settled.setdefault(self._level, _Settled())
        decided = asked = 0
        for claim in (_Claim(root, True), _Claim(root, False)):
            if self._holds(bounds, claim.at_least):
                if claim not in settled.decisive:
                    self._settle(claim, settled)
                decided |= settled.decisive[claim]
                asked |= settled.asked[claim]
        return Decisive(decided, asked | decided)

    def _settle(self, root: _Claim, settled: _Settled) -> None:
        """Everything that a claim rests on, from the bottom up, and what goes around in a cycle together: Tarjan's
        strongly connected components, on a stack of our own."""
        reasons: dict[_Claim, _Reason] = {}
        own: dict[_Claim, int] = {}
        number: dict[_Claim, int] = {}
        lowest: dict[_Claim, int] = {}
        open_: list[_Claim] = []  # numbered, and not settled yet
        path: list[tuple[_Claim, Iterator[_Claim]]] = []

        def enter(claim: _Claim) -> None:
            self._asked = 0
            reasons[claim] = self._reason(claim)
            own[claim] = self._asked
            number[claim] = lowest[claim] = len(number)
            open_.append(claim)
            path.append((claim, _claims_in(reasons[claim])))

        enter(root)
        while path:
            claim, rest = path[-1]
            for ground in rest:
                if ground in settled.decisive:
                    continue
                if ground not in number:
                    enter(ground)
                    break
                lowest[claim] = min(lowest[claim], number[ground])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[claim])
                if lowest[claim] == number[claim]:
                    cycle = [open_.pop()]
                    while cycle[-1] != claim:
                        cycle.append(open_.pop())
                    self._settle_cycle(cycle, reasons, own, settled)

    def _settle_cycle(
        self,
        cycle: Sequence[_Claim],
        reasons: Mapping[_Claim, _Reason],
        own: Mapping[_Claim, int],
        settled: _Settled,
    ) -> None:
        """Claims that rest on one another, or one alone; what else they rest on is settled."""
        decisive, asked = settled.decisive, 0
        for claim in cycle:
            decisive[claim] = self.bits.all if claim.at_least else 0
            asked |= own[claim]
        # Only where a cycle leads through a `-` might this go on for ever; what it says then is bounded by the rounds.
        for _ in range(2 * len(cycle) + 2):
            is_still = True
            for claim in cycle:
                found = _shared(reasons[claim], decisive)
                is_still = is_still and found == decisive[claim]
                decisive[claim] = found
            if is_still:
                break
        for claim in cycle:
            for ground in _claims_in(reasons[claim]):
                asked |= settled.asked.get(ground, 0)
        settled.asked.update(dict.fromkeys(cycle, asked))

    def _holds(self, bounds: Bounds, at_least: bool) -> bool:
        return bounds[0] >= self._level if at_least else bounds[1] <= 2 - self._level

    # --- the reason of a claim ----------------------------------------------------------------------------------

    def _reason(self, claim: _Claim) -> _Reason:
        goal, at_least = claim
        object, name, subject = goal
        definition = self.evaluation.schema.definitions[object.type]
        evaluated = self._evaluated(goal)
        if isinstance(name, plan.Along):
            return self._along(evaluated, at_least, goal, name)
        if subject == (*object, name):
            return _Reason(every=True)  # a userset contains itself, whatever the schema says
        if name in definition.relations:
            reason = self._node(evaluated, at_least, None, goal)
            bits = self._asked_of(self.bits.of(evaluated.bounds, PartKind.RELATION, object.type, name))
            if evaluated.bounds == NO:
                bits |= self._lacking(
                    object.type, definition.relations[name], lambda type_: self._is_in(type_, subject)
                )
        else:
            expression = definition.permissions[name].expression if name in definition.permissions else None
            reason = self._node(evaluated, at_least, expression, goal)
            bits = self._asked_of(self.bits.of(evaluated.bounds, PartKind.PERMISSION, object.type, name))
        return _Reason(True, bits, (reason,))

    def _along(self, evaluated: EvaluatedOperand, at_least: bool, goal: Goal, along: plan.Along) -> _Reason:
        """A chain's links, and where the chain is broken, the relation that should have led on."""
        type_, subject = goal.subject.type, goal.subject
        declared = self.evaluation.schema.definitions[type_].relations
        broken = iter(
            [] if subject.relation else [name for name in along.relations if self._leads_nowhere(subject.object, name)]
        )
        grounds: list[_Reason | _Claim] = []
        for part in evaluated.parts:
            ground = self._node(part, at_least, None, goal)
            if isinstance(part.operand, Fact) and part.operand.relationship is None:
                relation = next(broken, None)
                if relation is not None:
                    bits = self._asked_of(self.bits.of(NO, PartKind.RELATION, type_, relation))
                    ground = _Reason(True, bits | self._lacking(type_, declared[relation], lambda each: True))
            if at_least or self._holds(part.bounds, at_least):
                grounds.append(ground)
        return _Reason(at_least, 0, tuple(grounds))

    def _leads_nowhere(self, object: ObjectRef, relation: str) -> bool:
        """Whether a link's type declares the relation, and no relationship of it counts."""
        equations = self.evaluation.equations
        return relation in self.evaluation.schema.definitions[object.type].relations and not any(
            found.counts_at(equations.now_us) for _, found in equations.graph.edges(object, relation)
        )

    def _evaluated(self, goal: Goal) -> EvaluatedOperand:
        return self.evaluation.evaluated(self.evaluation.equations.of(goal), lambda part, every: False)

    def _node(
        self,
        evaluated: EvaluatedOperand,
        at_least: bool,
        expression: plan.Expression | None,
        goal: Goal,
        path: Path = (),
    ) -> _Reason | _Claim:
        """The reason of one operand. `expression` is what it came from, where that is part of a permission of the
        goal's, and `path` where in it."""
        operand, parts = evaluated.operand, evaluated.parts
        match operand:
            case Goal():
                return _Claim(operand, at_least)
            case Fact():
                return _Reason(True, self._fact(operand, goal))
            case ButNot():
                base = parts[0]
                # The evaluation asks no further where the base is a no.
                minus = parts[1] if len(parts) > 1 else self.evaluation.evaluated(operand.subtracted, lambda *_: False)
                sides = [(base, at_least), (minus, not at_least)]
            case AnyOf() | AllOf():
                sides = [(part, at_least) for part in parts]
        inner = _operands_of(expression, len(sides))
        grounds: list[_Reason | _Claim] = []
        every = at_least if isinstance(operand, AllOf | ButNot) else not at_least
        for index, ((part, side), of) in enumerate(zip(sides, inner, strict=True)):
            ground = self._node(part, side, of, goal, (*path, index))
            if of is not None:
                object, name, _ = goal
                bits = self._asked_of(self.bits.of(part.bounds, PartKind.OPERAND, object.type, name, (*path, index)))
                ground = _Reason(True, bits, (ground,))
            if every or self._holds(part.bounds, side):
                grounds.append(ground)
        if isinstance(expression, plan.Arrow) and expression.all:
            grounds = self._all(expression.relation, grounds, goal.object)
        return _Reason(every, self._missing_edges(evaluated, expression, goal), tuple(grounds))

    def _all(self, relation: str, grounds: list[_Reason | _Claim], object: ObjectRef) -> list[_Reason | _Claim]:
        """`relation.all(name)` needs some edge, and of what is there every one. Without those of one subject type it
        would still be a yes by those of another, so then neither type is decisive."""
        types = self.evaluation.schema.definitions[object.type].relations[relation].subject_types
        bits = [self.bits.of(YES, PartKind.SUBJECT_TYPE, object.type, relation, type_) for type_ in types]
        walked = [bit for bit in bits if any(isinstance(each, _Reason) and _has(each, bit) for each in grounds)]
        if len(walked) < 2:
            return grounds
        return [_without(each, sum(walked)) if isinstance(each, _Reason) else each for each in grounds]

    # --- facts, and the lack of them ----------------------------------------------------------------------------

    def _fact(self, fact: Fact, goal: Goal) -> int:
        """A relationship counts for its subject type and its caveat; for its relation where that is walked."""
        relationship = fact.relationship
        if relationship is None:
            return 0
        type_, relation = relationship.resource.type, relationship.relation
        subject, qualifiers = relationship.subject, relationship.qualifiers
        subject_type = self.evaluation.schema.definitions[type_].relations[relation].alternative(subject, qualifiers)
        bits = self.bits.of(fact.bounds, PartKind.SUBJECT_TYPE, type_, relation, subject_type)
        if goal[:2] != (relationship.resource, relation):
            bits |= self.bits.of(fact.bounds, PartKind.RELATION, type_, relation)
        if qualifiers.caveat is not None:
            bits |= self.bits.of(fact.bounds, PartKind.CAVEAT, qualifiers.caveat.name)
        return self._asked_of(bits)

    def _missing_edges(self, evaluated: EvaluatedOperand, expression: plan.Expression | None, goal: Goal) -> int:
        """An arrow or `exists()` that found no edge to walk: the lack of one decided."""
        object, _, subject = goal
        match expression:
            case plan.Arrow(relation, name) if all(isinstance(part.operand, Fact) for part in evaluated.parts):

                def lets_in(type_: plan.SubjectType) -> bool:
                    return self.reach.can_reach(type_.type, name, subject.type, subject.relation)

            case plan.Exists(relation) if not evaluated.parts:

                def lets_in(type_: plan.SubjectType) -> bool:
                    return True

            case _:
                return 0
        declared = self.evaluation.schema.definitions[object.type].relations[relation]
        bits = self.bits.of(NO, PartKind.RELATION, object.type, relation)
        return self._asked_of(bits | self._lacking(object.type, declared, lets_in))

    def _lacking(self, type: str, relation: plan.Relation, lets_in: Callable[[plan.SubjectType], bool]) -> int:
        """The subject types by which a relationship, were it there, could have let the subject in."""
        bits = 0
        for type_ in relation.subject_types:
            if lets_in(type_):
                bits |= self.bits.of(NO, PartKind.SUBJECT_TYPE, type, relation.name, type_)
        return self._asked_of(bits)

    def _is_in(self, type_: plan.SubjectType, subject: SubjectRef) -> bool:
        """Whether a relationship of that subject type may mean the subject."""
        if type_.relation:
            return self.reach.can_reach(type_.type, type_.relation, subject.type, subject.relation)
        return type_.type == subject.type and not subject.relation

    def _asked_of(self, bits: int) -> int:
        self._asked |= bits
        return bits


def _operands_of(expression: plan.Expression | None, count: int) -> tuple[plan.Expression | None, ...]:
    """The expressions of an operand's parts; None for what a relation or a walk is made of."""
    return (plan.operands_of(expression) if expression is not None else ()) or (None,) * count


def _has(reason: _Reason, bit: int) -> bool:
    return bool(reason.bits & bit) or any(isinstance(each, _Reason) and _has(each, bit) for each in reason.grounds)


def _without(reason: _Reason, bits: int) -> _Reason:
    grounds = tuple(_without(each, bits) if isinstance(each, _Reason) else each for each in reason.grounds)
    return _Reason(reason.every, reason.bits & ~bits, grounds)


def _claims_in(reason: _Reason) -> Iterator[_Claim]:
    for ground in reason.grounds:
        if isinstance(ground, _Claim):
            yield ground
        else:
            yield from _claims_in(ground)


def _shared(reason: _Reason, decisive: Mapping[_Claim, int]) -> int:
    """What is decisive to a reason, from what is to the claims it rests on."""
    found = [decisive[each] if isinstance(each, _Claim) else _shared(each, decisive) for each in reason.grounds]
    bits = reason.bits
    if reason.every:
        for each in found:
            bits |= each
    elif found:
        shared = found[0]
        for each in found[1:]:
            shared &= each
        bits |= shared
    return bits
