"""What Check means. Slow, plain, and the judge of everything faster; read this file first.

A *goal* asks whether a subject has a relation or permission of an object. Each goal has one *equation*
(`equations.py`): how its value follows from facts and from other goals, built with `+` (the greatest), `&` (the least)
and `-` (the first, unless the second). Facts may form circles, so equations may too, and their meaning is the
well-founded model: what can be founded without going around in a circle is so, what cannot is not, and only a circle
through the right of a `-` can leave a goal undefined.

Values are NO < CONDITIONAL < YES. While a goal is unfinished it is known only between bounds, (low, high), and
everything here computes with bounds: that makes a cut circle, a goal that is undefined for good, and a caveat that
failed one and the same thing, and an answer that does not hang on it comes out exact whatever the order.

Laws: the answer does not depend on the order of evaluation; a goal below YES that rested on an unfinished goal is
remembered only when its whole circle is settled; each goal is settled once, so the cost is polynomial."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from remit.errors import CaveatFailed, NegativeCycle
from remit.eval.budget import Budget
from remit.eval.equations import (
    CONDITIONAL,
    NO,
    UNKNOWN,
    YES,
    AllOf,
    AnyOf,
    Bounds,
    ButNot,
    Equations,
    Fact,
    Goal,
    Operand,
)
from remit.eval.negative_cycle import negative_circle
from remit.graph.view import GraphView
from remit.language import plan
from remit.language.names import require_name, require_type
from remit.model import (
    ObjectRef,
    SubjectRef,
    Verdict,
)

_HIGHEST = 2
_CIRCLE_TOLD_MAX = 12  # goals of a circle that a message names; a longer one is cut in the middle


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question came to. `missing` are the caveat parameters a CONDITIONAL waits for, sorted."""

    verdict: Verdict
    missing: tuple[str, ...] = ()
    steps: int = 0


# --- evaluation -------------------------------------------------------------------------------------------------

Folding = Generator[Goal, Bounds, Bounds]


def fold(operand: Operand) -> Folding:
    """The bounds of an operand. Yields the goals whose bounds it needs, and stops asking when it can know no more.

    Goals and facts, which most operands are, are taken as they are instead of being folded, and what cannot change the
    bounds is not compared: 13 % fewer instructions a check, on documents and on agents alike."""
    match operand:
        case Goal():
            return (yield operand)
        case Fact(bounds):
            return bounds
        case AnyOf(operands):
            low, high = NO
            for each in operands:
                if type(each) is Fact:
                    bounds = each.bounds
                else:
                    bounds = (yield each) if type(each) is Goal else (yield from fold(each))
                if bounds == YES:
                    return YES
                if bounds != NO:
                    low, high = max(low, bounds[0]), max(high, bounds[1])
            return low, high
        case AllOf(operands):
            low, high = YES
            for each in operands:
                if type(each) is Fact:
                    bounds = each.bounds
                else:
                    bounds = (yield each) if type(each) is Goal else (yield from fold(each))
                if bounds == NO:
                    return NO
                if bounds != YES:
                    low, high = min(low, bounds[0]), min(high, bounds[1])
            return low, high
        case ButNot(base, subtracted):
            low, high = yield from fold(base)
            if high == 0:
                return NO
            minus_low, minus_high = yield from fold(subtracted)
            return min(low, _HIGHEST - minus_high), min(high, _HIGHEST - minus_low)


class Told(NamedTuple):
    """An operand after the evaluation: its bounds, and the operands it was made of as they were told one by one."""

    operand: Operand  # its own iterables are used up
    bounds: Bounds
    parts: tuple[Told, ...] = ()


Done = Callable[[Told, bool], bool]
"""Whether an operand needs no more parts after this one; True for one that is made of every part, False of any."""


def decided(part: Told, every: bool) -> bool:
    """As `fold` does it: one NO among all, one YES among any."""
    return part.bounds == (NO if every else YES)


@dataclass(slots=True)
class _Frame:
    """A goal being worked on. `lowest` is the earliest waiting goal that it, or what it asked, has met (Tarjan)."""

    goal: Goal
    folding: Folding
    order: int
    lowest: int
    received: Bounds | None = None  # what to send into the folding next; None starts it


class Evaluation:
    """Answers questions over one schema, graph, time and request context, remembering what it has settled.

    Cost of a check: O(goals reached + edges looked at), and in circles through `-` at most that times their size."""

    def __init__(
        self,
        schema: plan.Schema,
        graph: GraphView,
        *,
        now_us: int,
        context: Mapping[str, object] | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.schema = schema
        self.equations = Equations(schema, graph, now_us, context or {}, budget or Budget())
        self.settled: dict[Goal, Bounds] = {}

    def check(self, resource: ObjectRef, name: str, subject: SubjectRef, budget: Budget | None = None) -> Answer:
        """Raises UnknownType, UnknownRelation, StepBudgetSpent, NegativeCycle, CaveatFailed, and what the budget's
        interrupt raises. Pass a budget to give each question its own."""
        if budget is not None:
            self.equations.budget = budget
        goal = self.goal(resource, name, subject)
        low, high = self.solve(goal)
        if low != high:
            raise self._undefined(goal)
        verdict = Verdict(low)
        missing = self._missing(goal) if verdict is Verdict.CONDITIONAL else ()
        return Answer(verdict, missing, self.equations.budget.steps)

    def goal(self, resource: ObjectRef, name: str, subject: SubjectRef) -> Goal:
        """The question as a goal, its names known to the schema."""
        require_name(self.schema, resource.type, name, field="resource")
        if subject.relation:
            require_name(self.schema, subject.type, subject.relation, field="subject")
        else:
            require_type(self.schema, subject.type, field="subject")
        return Goal(resource, name, subject)

    def solve(self, root: Goal) -> Bounds:
        """The bounds of a goal, everything it rests on settled. Depth-first, on a stack of our own."""
        known = self.settled.get(root)
        if known is not None:
            return known
        path: list[_Frame] = []
        waiting: list[Goal] = []  # met but not settled, in the order met: the goals of unfinished circles
        order: dict[Goal, int] = {}  # of the waiting
        provisional: dict[Goal, Bounds] = {}  # of the waiting

        def open_goal(goal: Goal) -> None:
            number = len(order)
            order[goal] = number
            provisional[goal] = UNKNOWN
            waiting.append(goal)
            path.append(_Frame(goal, fold(self.equations.of(goal)), number, number))

        open_goal(root)
        while path:
            frame = path[-1]
            try:
                wanted = frame.folding.send(frame.received)  # type: ignore[arg-type]  # None starts a generator
            except StopIteration as finished:
                bounds: Bounds = finished.value
            else:
                known = self.settled.get(wanted)
                if known is not None:
                    frame.received = known
                elif wanted in order:
                    frame.lowest = min(frame.lowest, order[wanted])
                    frame.received = provisional[wanted]
                else:
                    open_goal(wanted)
                continue
            path.pop()
            provisional[frame.goal] = bounds
            if bounds[0] == bounds[1]:
                # Exact whatever the unfinished goals come to, so it may be remembered at once.
                self.settled[frame.goal] = bounds
            if frame.lowest == frame.order:
                circle = waiting[frame.order :]
                del waiting[frame.order :]
                if unsettled := [goal for goal in circle if goal not in self.settled]:
                    self._settle(unsettled, provisional)
                for goal in circle:
                    del order[goal], provisional[goal]
            elif path:
                # Even where this goal itself is exact, the goals it left waiting hang on the earlier one.
                path[-1].lowest = min(path[-1].lowest, frame.lowest)
            if path:
                path[-1].received = self.settled.get(frame.goal, bounds)
        return self.settled[root]

    def _settle(self, circle: list[Goal], bounds: Mapping[Goal, Bounds]) -> None:
        """Settle the goals of a finished circle: the alternating fixed point (Van Gelder 1989).

        With what is subtracted taken at its lowest, rising from below gives an upper bound; with that as what is
        subtracted, rising gives a better lower bound; and so on until nothing moves. Without a `-` inside the circle
        the first turn is the last. What still has low < high then is undefined, and stays so."""
        low = {goal: bounds[goal][0] for goal in circle}
        high: dict[Goal, int] = {}
        while low != high:
            high = self._rise(circle, low, low, side=1)
            better = self._rise(circle, low, high, side=0)
            if better == low:
                break
            low = better
        for goal, lowest in low.items():
            self.settled[goal] = (lowest, high[goal])

    def _rise(
        self, circle: list[Goal], start: Mapping[Goal, int], other: Mapping[Goal, int], side: int
    ) -> dict[Goal, int]:
        """The least fixed point above `start` of one side of the bounds (0 low, 1 high), the other side standing still;
        the goals in the order in which they last rose. Cost: O(edges within the circle)."""
        rising = _Rising(self.settled, start, other, side)
        for goal in reversed(circle):  # those met last hang least on the others
            rising.add(goal, self.equations.of(goal))
        return rising.value

    # --- what a finished evaluation can tell --------------------------------------------------------------------

    def tell(self, operand: Operand, done: Done = decided) -> Told:
        """An operand with what it is made of, part by part until it is `done`. Cost: O(parts), and what goals among
        them cost that were not asked yet."""
        match operand:
            case Goal():
                return Told(operand, self.solve(operand))
            case Fact(bounds):
                return Told(operand, bounds)
            case ButNot(base, subtracted):
                first = self.tell(base, done)
                if first.bounds == NO:
                    return Told(operand, NO, (first,))
                second = self.tell(subtracted, done)
                low = min(first.bounds[0], _HIGHEST - second.bounds[1])
                high = min(first.bounds[1], _HIGHEST - second.bounds[0])
                return Told(operand, (low, high), (first, second))
            case AnyOf(operands) | AllOf(operands):
                every = isinstance(operand, AllOf)
                nearest = min if every else max
                low, high = YES if every else NO
                parts = []
                for each in operands:
                    part = self.tell(each, done)
                    parts.append(part)
                    low, high = nearest(low, part.bounds[0]), nearest(high, part.bounds[1])
                    if done(part, every):
                        break
                return Told(operand, (low, high), tuple(parts))

    def _missing(self, root: Goal) -> tuple[str, ...]:
        """The parameters missing at every caveat that leaves the answer conditional, sorted."""
        names: set[str] = set()
        seen = {root}
        queue = deque([root])
        while queue:
            told = self.tell(self.equations.of(queue.popleft()))
            for leaf, _ in _leaves(told, lambda bounds: bounds == CONDITIONAL):
                if isinstance(leaf, Fact):
                    names |= leaf.missing
                elif leaf not in seen:
                    seen.add(leaf)
                    queue.append(leaf)
        return tuple(sorted(names))

    def _undefined(self, root: Goal) -> CaveatFailed | NegativeCycle:
        """Why the answer is undefined: the first failed caveat by its message, else a circle through a `-`. Both are
        chosen by text, so that the same world fails with the same words in whatever order it was walked."""
        failures: list[CaveatFailed] = []
        asks: dict[Goal, dict[Goal, bool]] = {root: {}}
        queue = deque([root])
        while queue:
            goal = queue.popleft()
            for leaf, is_negative in _leaves(self.tell(self.equations.of(goal)), lambda bounds: bounds[0] < bounds[1]):
                if isinstance(leaf, Fact):
                    assert leaf.failure is not None, "a fact is undefined only where its caveat failed"
                    failures.append(leaf.failure)
                    continue
                asks[goal][leaf] = asks[goal].get(leaf, False) or is_negative
                if leaf not in asks:
                    asks[leaf] = {}
                    queue.append(leaf)
        if failures:
            return min(failures, key=lambda failure: failure.message)
        circle = [f"`{goal}`" for goal in negative_circle(asks, self.equations.budget.spend)]
        if len(circle) > _CIRCLE_TOLD_MAX:
            circle[_CIRCLE_TOLD_MAX // 2 : -_CIRCLE_TOLD_MAX // 2] = [f"… {len(circle) - _CIRCLE_TOLD_MAX} more …"]
        return NegativeCycle(
            f"`{root}` is undefined: it depends on its own negation, {' → '.join(circle)}", question=root
        )


def _leaves(told: Told, wanted: Callable[[Bounds], bool]) -> Iterator[tuple[Goal | Fact, bool]]:
    """The goals and facts that an operand's value hangs on, those whose bounds are `wanted` all the way down, and with
    each whether it is negated: it stands to the right of an odd number of `-`."""
    waiting = [(told, False)]
    while waiting:
        (operand, bounds, parts), is_negated = waiting.pop()
        if not wanted(bounds):
            continue
        match operand:
            case Goal() | Fact():
                yield operand, is_negated
            case ButNot():
                waiting += [(part, is_negated ^ bool(index)) for index, part in enumerate(parts)]
            case _:
                waiting += [(part, is_negated) for part in parts]


# --- circles -----------------------------------------------------------------------------------------------------


class _Gate:
    """A goal of a circle, or an operand that hangs on one: rises above n once `lacking[n]` more of its parts have."""

    __slots__ = ("goal", "lacking", "part_of")

    def __init__(self, part_of: _Gate | None, goal: Goal | None = None) -> None:
        self.part_of = part_of
        self.goal = goal
        self.lacking = [1, 1]


class _Rising:
    """One side of the bounds of a circle's goals, rising to its least fixed point while the other side stands still.

    A `-` turns around what is right of it: there the greatest becomes the least, the other side is read, and values
    count down from the highest. So only greatest and least are left, which rise when enough of their parts have, and
    nothing is looked at again that has not risen (Dowling and Gallier 1984)."""

    def __init__(
        self, settled: Mapping[Goal, Bounds], start: Mapping[Goal, int], other: Mapping[Goal, int], side: int
    ) -> None:
        self.value = dict(start)  # in the order in which they last rose
        self._settled = settled
        self._other = other
        self._side = side
        self._part_of: dict[Goal, list[_Gate]] = {}
        self._risen: deque[tuple[_Gate, int]] = deque()  # a part of the gate rose above that number

    def add(self, goal: Goal, equation: Operand) -> None:
        """Let a goal of the circle take part, and rise as far as those can that do."""
        gate = _Gate(None, goal)
        self._rise(gate, 0, self._wire(equation, gate, False) or 0)
        while self._risen:
            gate, number = self._risen.popleft()
            gate.lacking[number] -= 1
            if gate.lacking[number]:
                continue
            if gate.goal is None:
                assert gate.part_of is not None, "what is no goal is part of something"
                self._risen.append((gate.part_of, number))
            elif number >= (before := self.value[gate.goal]):
                del self.value[gate.goal]
                self.value[gate.goal] = number + 1
                for listening in self._part_of.get(gate.goal, ()):
                    self._rise(listening, before, number + 1)

    def _wire(self, operand: Operand, part_of: _Gate, negated: bool) -> int | None:
        """The value of an operand; None where it hangs on the circle, and `part_of` will hear of it. Like `fold` it
        asks no further once it knows, so it meets no goal that was not met before."""
        match operand:
            case Goal():
                bounds = self._settled.get(operand)
                if bounds is not None:
                    return self._read(bounds, negated)
                if negated:
                    return _HIGHEST - self._other[operand]
                self._part_of.setdefault(operand, []).append(part_of)
                self._rise(part_of, 0, self.value[operand])
                return None
            case Fact(bounds):
                return self._read(bounds, negated)
            case AnyOf(operands):
                parts: Iterable[tuple[Operand, bool]] = ((each, negated) for each in operands)
                every = negated
            case AllOf(operands):
                parts = ((each, negated) for each in operands)
                every = not negated
            case ButNot(base, subtracted):
                parts = ((base, negated), (subtracted, not negated))
                every = not negated
        gate = _Gate(part_of)
        decisive = 0 if every else _HIGHEST
        known, hanging = _HIGHEST - decisive, 0
        for each, is_negated in parts:
            value = self._wire(each, gate, is_negated)
            if value is None:
                hanging += 1
            elif value == decisive:
                gate.lacking = [0, 0]  # whatever its other parts come to, it never rises
                return value
            else:
                known = min(known, value) if every else max(known, value)
        if not hanging:
            return known
        if every:
            gate.lacking = [hanging + 1, hanging + 1]  # and what is known already, as one part
        self._rise(gate, 0, known)
        return None

    def _read(self, bounds: Bounds, negated: bool) -> int:
        return _HIGHEST - bounds[1 - self._side] if negated else bounds[self._side]

    def _rise(self, gate: _Gate, before: int, after: int) -> None:
        self._risen.extend((gate, number) for number in range(before, after))
