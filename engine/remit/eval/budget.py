"""How much work a question may cost and how much memory, and how a caller who has gone away is noticed.

Law: a budget that ends is an error of its own, never a no."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from remit.errors import StepBudgetSpent
from remit.interrupt import Interrupt, never_interrupted

STEPS_MAX = 1_000_000  # some seconds of the Python engine; a deadline usually ends it sooner
EVALUATION_BYTES_MAX = 128 * 1024 * 1024

# What Python remembers of a question until it is answered, ids and contexts not counted: of each goal, of one that is
# worked on besides, and of each edge. Measured on a chain of documents, where one goal in two is still worked on when
# the last one is asked: 3.9 KB for these two and an edge.
GOAL_BYTES = 512
WORKED_ON_BYTES = 2_304
EDGE_BYTES = 640
_STEPS_BETWEEN_INTERRUPTS = 64  # about a millisecond of work, over a past or under a caveat some more


def budget_spent(steps_max: int, steps: int, name: str = "steps_max") -> StepBudgetSpent:
    """What a budget says when it ends, by the name of its limit."""
    message = f"not finished within {steps_max} steps; this is not a no"
    return StepBudgetSpent(message, name=name, limit=steps_max, given=steps)


def memory_spent(bytes_max: int, size: int) -> StepBudgetSpent:
    """What a budget says when there is too much to remember."""
    message = f"not finished within {bytes_max} bytes of what has to be remembered; this is not a no"
    return StepBudgetSpent(message, name="evaluation_bytes_max", limit=bytes_max, given=size)


@dataclass(slots=True)
class Budget:
    """Counts a step for each equation and each edge looked at. `look` is for what takes time and is no step.

    `bytes` is what is remembered, as reckoned; whoever remembers something adds to it, and `spend` looks at it now and
    then."""

    steps_max: int = STEPS_MAX
    interrupt: Interrupt = never_interrupted
    steps: int = 0
    name: str = "steps_max"  # what the limit is called
    looks: int = 0
    bytes_max: int = sys.maxsize
    bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether there is more to remember than may be."""
        return self.bytes > self.bytes_max

    @property
    def is_spent(self) -> bool:
        return self.steps > self.steps_max or self.is_full

    def spend(self) -> None:
        """One step. Raises StepBudgetSpent, or what the interrupt raises."""
        self.steps += 1
        if self.steps > self.steps_max:
            raise budget_spent(self.steps_max, self.steps, self.name)
        if self.steps % _STEPS_BETWEEN_INTERRUPTS == 0:
            if self.is_full:
                raise memory_spent(self.bytes_max, self.bytes)
            self.interrupt()

    def look(self) -> None:
        """Raises what the interrupt raises."""
        self.looks += 1
        if self.looks % _STEPS_BETWEEN_INTERRUPTS == 0:
            self.interrupt()
