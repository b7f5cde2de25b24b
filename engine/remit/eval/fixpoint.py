"""What the goals of a finished cycle come to: the alternating fixed point (Van Gelder 1989).

With what is subtracted taken at its lowest, rising from below gives an upper bound; with that as what is subtracted,
rising gives a better lower bound; and so on until nothing moves. Without a `-` inside the cycle the first turn is the
last. What still has low < high then is undefined, and stays so.
Law: the bounds found are the cycle's part of the well-founded model, whatever order its goals are listed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence

from remit.eval.equations import Bounds, Fact, Goal, Not, Operand, Part, parts_of

_HIGHEST = 2


def settle_cycle(
    cycle: Sequence[Goal],
    bounds: Mapping[Goal, Bounds],
    settled: MutableMapping[Goal, Bounds],
    equation_of: Callable[[Goal], Operand],
    look: Callable[[], None],
) -> None:
    """Settle the goals of a finished cycle, from the bounds they were left at. All else that they ask is settled.
    `look` is called for each look at an edge. Cost: O(edges within the cycle) a turn. Raises what `equation_of` and
    `look` raise."""
    low = {goal: bounds[goal][0] for goal in cycle}
    high: dict[Goal, int] = {}

    def rise(other: Mapping[Goal, int], side: int) -> dict[Goal, int]:
        """The least fixed point above `low` of one side of the bounds, the other side standing still; the goals in the
        order in which they last rose."""
        rising = _Rising(settled, low, other, side, look)
        for goal in reversed(cycle):  # those met last hang least on the others
            rising.add(goal, equation_of(goal))
        return rising.value

    while low != high:
        high = rise(low, side=1)
        better = rise(high, side=0)
        if better == low:
            break
        low = better
    for goal, lowest in low.items():
        settled[goal] = (lowest, high[goal])


class _Gate:
    """A goal of a cycle, or an operand that hangs on one: rises above n once `lacking[n]` more of its parts have."""

    __slots__ = ("goal", "lacking", "part_of")

    def __init__(self, part_of: _Gate | None, goal: Goal | None = None) -> None:
        self.part_of = part_of
        self.goal = goal
        self.lacking = [1, 1]


class _Rising:
    """One side of the bounds of a cycle's goals, rising to its least fixed point while the other side stands still.

    A `-` turns around what is right of it: there the greatest becomes the least, the other side is read, and values
    count down from the highest. So only greatest and least are left, which rise when enough of their parts have, and
    nothing is looked at again that has not risen (Dowling and Gallier 1984)."""

    def __init__(
        self,
        settled: Mapping[Goal, Bounds],
        start: Mapping[Goal, int],
        other: Mapping[Goal, int],
        side: int,
        look: Callable[[], None],
    ) -> None:
        self.value = dict(start)  # in the order in which they last rose
        self._settled = settled
        self._other = other
        self._side = side
        self._look = look
        self._part_of: dict[Goal, list[_Gate]] = {}
        self._risen: deque[tuple[_Gate, int]] = deque()  # a part of the gate rose above that number

    def add(self, goal: Goal, equation: Operand) -> None:
        """Let a goal of the cycle take part, and rise as far as those can that do."""
        gate = _Gate(None, goal)
        self._rise(gate, 0, self._wire(equation, gate, False) or 0)
        while self._risen:
            self._look()
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

    def _wire(self, operand: Part, part_of: _Gate, is_negated: bool) -> int | None:
        """The value of an operand; None where it hangs on the cycle, and `part_of` will hear of it. Like `fold` it
        asks no further once it knows, so it meets no goal that was not met before."""
        self._look()
        if type(operand) is Goal:
            bounds = self._settled.get(operand)
            if bounds is not None:
                return self._read(bounds, is_negated)
            if is_negated:
                return _HIGHEST - self._other[operand]
            self._part_of.setdefault(operand, []).append(part_of)
            self._rise(part_of, 0, self.value[operand])
            return None
        if type(operand) is Fact:
            return self._read(operand.bounds, is_negated)
        if type(operand) is Not:
            return self._wire(operand.operand, part_of, not is_negated)
        every, operands = parts_of(operand)
        every ^= is_negated
        gate = _Gate(part_of)
        decisive = 0 if every else _HIGHEST
        known, hanging = _HIGHEST - decisive, 0
        for each in operands:
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

    def _read(self, bounds: Bounds, is_negated: bool) -> int:
        return _HIGHEST - bounds[1 - self._side] if is_negated else bounds[self._side]

    def _rise(self, gate: _Gate, before: int, after: int) -> None:
        self._risen.extend((gate, number) for number in range(before, after))
