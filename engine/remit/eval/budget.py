"""How much work a question may cost, and how a caller who has gone away is noticed.

Law: a budget that ends is an error of its own, never a no."""

from __future__ import annotations

from dataclasses import dataclass

from remit.errors import StepBudgetSpent
from remit.interrupt import Interrupt, never_interrupted

STEPS_MAX = 1_000_000  # some seconds of the Python engine; a deadline usually ends it sooner
_STEPS_BETWEEN_INTERRUPTS = 64  # about a millisecond of work, over a past or under a caveat some more


def budget_spent(steps_max: int, steps: int, name: str = "steps_max") -> StepBudgetSpent:
    """What a budget says when it ends, by the name of its limit."""
    message = f"not finished within {steps_max} steps; this is not a no"
    return StepBudgetSpent(message, name=name, limit=steps_max, given=steps)


@dataclass(slots=True)
class Budget:
    """Counts a step for each equation and each edge looked at. `look` is for what takes time and is no step."""

    steps_max: int = STEPS_MAX
    interrupt: Interrupt = never_interrupted
    steps: int = 0
    name: str = "steps_max"  # what the limit is called
    looks: int = 0

    @property
    def is_spent(self) -> bool:
        return self.steps > self.steps_max

    def spend(self) -> None:
        """One step. Raises StepBudgetSpent, or what the interrupt raises."""
        self.steps += 1
        if self.steps > self.steps_max:
            raise budget_spent(self.steps_max, self.steps, self.name)
        if self.steps % _STEPS_BETWEEN_INTERRUPTS == 0:
            self.interrupt()

    def look(self) -> None:
        """Raises what the interrupt raises."""
        self.looks += 1
        if self.looks % _STEPS_BETWEEN_INTERRUPTS == 0:
            self.interrupt()
