"""How much work a question may cost, and how a caller who has gone away is noticed.

Law: a budget that ends is an error of its own, never a no."""

from __future__ import annotations

from dataclasses import dataclass

from remit.errors import StepBudgetSpent
from remit.interrupt import Interrupt as Interrupt
from remit.interrupt import never_interrupted as never_interrupted

STEPS_MAX = 1_000_000  # some seconds of the Python engine; a deadline usually ends it sooner
_STEPS_BETWEEN_INTERRUPTS = 256  # about a millisecond of work


@dataclass(slots=True)
class Budget:
    """Counts a step for each equation and each edge looked at."""

    steps_max: int = STEPS_MAX
    interrupt: Interrupt = never_interrupted
    steps: int = 0
    name: str = "steps_max"  # what the limit is called

    def spend(self) -> None:
        """One step. Raises StepBudgetSpent, or what the interrupt raises."""
        self.steps += 1
        if self.steps > self.steps_max:
            raise StepBudgetSpent(
                f"not finished within {self.steps_max} steps; this is not a no",
                name=self.name,
                limit=self.steps_max,
                given=self.steps,
            )
        if self.steps % _STEPS_BETWEEN_INTERRUPTS == 0:
            self.interrupt()
