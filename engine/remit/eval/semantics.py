"""What Check means. Slow, plain, and the judge of everything faster; read this file first.

A *goal* asks whether a subject has a relation or permission of an object. Each goal has one *equation*
(`equations.py`): how its value follows from facts and from other goals, built with `+` (the greatest), `&` (the least)
and `-` (the first, unless the second). Facts may form cycles, so equations may too, and their meaning is the
well-founded model: what can be founded without going around in a cycle is so, what cannot is not, and only a cycle
through the right of a `-` can leave a goal undefined.

Values are NO < CONDITIONAL < YES. While a goal is unfinished it is known only between bounds, (low, high), and
everything here computes with bounds: that makes a cycle that was cut, a goal that is undefined for good, a caveat that
failed and a constraint that a call cannot be judged by one and the same thing, and an answer that does not hang on it
comes out exact whatever the order.

Laws: the answer does not depend on the order of evaluation; a goal below YES that rested on an unfinished goal is
remembered only when its whole cycle is settled; each goal is settled once, so the cost is polynomial."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from remit.errors import CallUnjudgeable, CaveatFailed, NegativeCycle
from remit.eval.budget import GOAL_BYTES, WORKED_ON_BYTES, Budget
from remit.eval.calls import JudgedCall
from remit.eval.equations import (
    CONDITIONAL,
    NO,
    UNKNOWN,
    YES,
    Bounds,
    ButNot,
    Equations,
    Fact,
    Goal,
    Not,
    Operand,
    Part,
    negated,
    parts_of,
)
from remit.eval.fixpoint import settle_cycle
from remit.eval.negative_cycle import negative_cycle
from remit.graph.view import GraphView
from remit.interrupt import Interrupt, never_interrupted
from remit.language import plan
from remit.language.names import require_name, require_type
from remit.model import ObjectRef, SubjectRef, Verdict

# Some 100 us. A lookup over many subjects may leave a hundred thousand goals.
_FORGOTTEN_BETWEEN_INTERRUPTS = 1_024
_CYCLE_NAMED_MAX = 12  # goals of a cycle that a message names; a longer one is cut in the middle


class Answer(NamedTuple):
    """What a question came to. `missing` are the caveat parameters a CONDITIONAL waits for, and `arguments` for a call;
    sorted."""

    verdict: Verdict
    missing: tuple[str, ...] = ()
    steps: int = 0


# --- evaluation -------------------------------------------------------------------------------------------------

Folding = Generator[Goal, Bounds, Bounds]


def fold(operand: Part) -> Folding:
    """The bounds of an operand. Yields the goals whose bounds it needs, and stops asking when it can know no more.

    Goals and facts, which most operands are, are taken as they are instead of being folded, and what cannot change the
    bounds is not compared: 13 % fewer instructions a check, on documents and on agents alike."""
    if type(operand) is Goal:
        return (yield operand)
    if type(operand) is Fact:
        return operand.bounds
    if type(operand) is Not:
        return negated((yield from fold(operand.operand)))
    every, operands = parts_of(operand)
    neutral, decisive, nearest = (YES, NO, min) if every else (NO, YES, max)
    low, high = neutral
    for each in operands:
        if type(each) is Fact:
            bounds = each.bounds
        else:
            bounds = (yield each) if type(each) is Goal else (yield from fold(each))
        if bounds == decisive:
            return decisive
        if bounds != neutral:
            low, high = nearest(low, bounds[0]), nearest(high, bounds[1])
    return low, high


class EvaluatedOperand(NamedTuple):
    """An operand after the evaluation: its bounds, and as far as they were looked at the operands it was made of."""

    operand: Operand  # its own iterables are used up
    bounds: Bounds
    parts: tuple[EvaluatedOperand, ...] = ()
    is_negated: bool = False  # as a part: it is what a `-` subtracts, and its bounds are those of before


Enough = Callable[[EvaluatedOperand, bool], bool]
"""Whether a combination needs no more parts after this one; True for one that is made of every part, False of any."""


def decides(part: EvaluatedOperand, every: bool) -> bool:
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
    """Answers questions over one schema, graph, time, request context and call, remembering what it has settled.

    Cost of a check: O(goals reached + edges looked at), and in cycles through `-` at most that times their size."""

    def __init__(
        self,
        schema: plan.Schema,
        graph: GraphView,
        *,
        now_us: int,
        context: Mapping[str, object] | None = None,
        call: JudgedCall | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.schema = schema
        self.equations = Equations(schema, graph, now_us, context or {}, budget or Budget(), call)
        self.settled: dict[Goal, Bounds] = {}

    def check(self, resource: ObjectRef, name: str, subject: SubjectRef, budget: Budget | None = None) -> Answer:
        """Raises UnknownType, UnknownRelation, StepBudgetSpent, NegativeCycle, CaveatFailed, CallUnjudgeable, and what
        the budget's interrupt raises. Pass a budget to give each question its own."""
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
        budget = self.equations.budget
        path: list[_Frame] = []
        waiting: list[Goal] = []  # met but not settled, in the order met: the goals of unfinished cycles
        order: dict[Goal, int] = {}  # of the waiting
        provisional: dict[Goal, Bounds] = {}  # of the waiting

        def open_goal(goal: Goal) -> None:
            budget.bytes += GOAL_BYTES + WORKED_ON_BYTES + len(goal.object.id)
            number = len(order)
            order[goal] = number
            provisional[goal] = UNKNOWN
            waiting.append(goal)
            path.append(_Frame(goal, fold(self.equations.of(goal)), number, number))

        try:
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
                budget.bytes -= WORKED_ON_BYTES
                budget.look()
                provisional[frame.goal] = bounds
                if bounds[0] == bounds[1]:
                    # Exact whatever the unfinished goals come to, so it may be remembered at once.
                    self.settled[frame.goal] = bounds
                if frame.lowest == frame.order:
                    cycle = waiting[frame.order :]
                    del waiting[frame.order :]
                    if unsettled := [goal for goal in cycle if goal not in self.settled]:
                        self._settle(unsettled, provisional)
                    for goal in cycle:
                        del order[goal], provisional[goal]
                elif path:
                    # Even where this goal itself is exact, the goals it left waiting hang on the earlier one.
                    path[-1].lowest = min(path[-1].lowest, frame.lowest)
                if path:
                    path[-1].received = self.settled.get(frame.goal, bounds)
        finally:
            # What is left open where the budget or the caller ends it is let go of frame by frame, so that others come
            # in between: whoever frees a list of them holds Python's lock until the last is gone.
            while path:
                path.pop()
        return self.settled[root]

    def _settle(self, cycle: Sequence[Goal], provisional: Mapping[Goal, Bounds]) -> None:
        """The goals of a finished cycle. Their edges are read again, turn by turn, and are remembered already."""
        budget = self.equations.budget
        remembered = budget.bytes

        def equation_of(goal: Goal) -> Operand:
            budget.bytes = remembered
            return self.equations.of(goal)

        settle_cycle(cycle, provisional, self.settled, equation_of, budget.look)
        budget.bytes = remembered

    def forget(self, interrupt: Interrupt = never_interrupted) -> None:
        """Let go of what is settled, goal by goal, so that others come in between. Raises what the interrupt raises;
        the rest is still to be let go of then."""
        while self.settled:
            for _ in range(min(len(self.settled), _FORGOTTEN_BETWEEN_INTERRUPTS)):
                self.settled.popitem()
            if self.settled:
                interrupt()

    # --- what a finished evaluation can tell --------------------------------------------------------------------

    def evaluated(self, operand: Part, enough: Enough = decides) -> EvaluatedOperand:
        """An operand with what it is made of, part by part until it is `enough`. Cost: O(parts), and what goals among
        them cost that were not asked yet."""
        if type(operand) is Goal:
            return EvaluatedOperand(operand, self.solve(operand))
        if type(operand) is Fact:
            return EvaluatedOperand(operand, operand.bounds)
        if type(operand) is Not:
            return self.evaluated(operand.operand, enough)._replace(is_negated=True)
        every, operands = parts_of(operand)
        nearest = min if every else max
        low, high = YES if every else NO
        parts = []
        for each in operands:
            part = self.evaluated(each, enough)
            bounds = negated(part.bounds) if part.is_negated else part.bounds
            parts.append(part)
            low, high = nearest(low, bounds[0]), nearest(high, bounds[1])
            # Where a `-` has nothing to subtract from, nobody asks what it subtracts.
            if enough(part, every) or (type(operand) is ButNot and bounds == NO):
                break
        return EvaluatedOperand(operand, (low, high), tuple(parts))

    def _missing(self, root: Goal) -> tuple[str, ...]:
        """The parameters missing at every caveat that leaves the answer conditional, sorted."""
        names: set[str] = set()
        seen = {root}
        queue = deque([root])
        while queue:
            equation = self.evaluated(self.equations.of(queue.popleft()))
            for leaf, _ in _leaves(equation, lambda bounds: bounds == CONDITIONAL):
                if isinstance(leaf, Fact):
                    names |= leaf.missing
                elif leaf not in seen:
                    seen.add(leaf)
                    queue.append(leaf)
        return tuple(sorted(names))

    def _undefined(self, root: Goal) -> CaveatFailed | CallUnjudgeable | NegativeCycle:
        """Why the answer is undefined: the first by its message of failed caveats and of constraints that cannot be
        judged, else a cycle through a `-`. All are chosen by text, so that the same world fails with the same words in
        whatever order it was walked."""
        failures: list[CaveatFailed | CallUnjudgeable] = []
        asks: dict[Goal, dict[Goal, bool]] = {root: {}}
        queue = deque([root])
        while queue:
            goal = queue.popleft()
            equation = self.evaluated(self.equations.of(goal))
            for leaf, is_negative in _leaves(equation, lambda bounds: bounds[0] < bounds[1]):
                if isinstance(leaf, Fact):
                    assert leaf.failure is not None, "a fact is undefined only where something failed"
                    failures.append(leaf.failure)
                    continue
                asks[goal][leaf] = asks[goal].get(leaf, False) or is_negative
                if leaf not in asks:
                    asks[leaf] = {}
                    queue.append(leaf)
        if failures:
            return min(failures, key=lambda failure: failure.message)
        cycle = negative_cycle(asks, self.equations.budget.spend)
        half = _CYCLE_NAMED_MAX // 2
        if len(cycle) <= _CYCLE_NAMED_MAX:
            named = [f"`{goal}`" for goal in cycle]
        else:
            named = [f"`{goal}`" for goal in (*cycle[:half], *cycle[-half:])]
            named.insert(half, f"… {len(cycle) - _CYCLE_NAMED_MAX} more …")
        return NegativeCycle(
            f"`{root}` is undefined: it depends on its own negation, {' → '.join(named)}", question=root
        )


def _leaves(root: EvaluatedOperand, wanted: Callable[[Bounds], bool]) -> Iterator[tuple[Goal | Fact, bool]]:
    """The goals and facts that an operand's value hangs on, those whose bounds are `wanted` all the way down, and with
    each whether it is negated: it stands to the right of an odd number of `-`."""
    waiting = [(root, False)]
    while waiting:
        each, is_negated = waiting.pop()
        if not wanted(each.bounds):
            continue
        if isinstance(each.operand, Goal | Fact):
            yield each.operand, is_negated
        waiting += [(part, is_negated ^ part.is_negated) for part in each.parts]
