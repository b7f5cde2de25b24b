"""How much work a question may cost, and how a caller who has gone away is noticed.

Law: a budget that ends is an error of its own, never a no."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from remit.errors import StepBudgetSpent
from remit.interrupt import Interrupt, never_interrupted

T = TypeVar("T")

STEPS_MAX = 1_000_000  # some seconds of the Python engine; a deadline usually ends it sooner
_STEPS_BETWEEN_INTERRUPTS = 256  # about a millisecond of work


def interruptible(items: Iterator[T], interrupt: Interrupt) -> Iterator[T]:
    """The items, with a look now and then whether anybody waits for them."""
    for count, item in enumerate(items):
        if not count % _STEPS_BETWEEN_INTERRUPTS:
            interrupt()
        yield item


def budget_spent(steps_max: int, steps: int, name: str = "steps_max") -> StepBudgetSpent:
    """What a budget says when it ends, by the name of its limit."""
    message = f"not finished within {steps_max} steps; this is not a no"
    return StepBudgetSpent(message, name=name, limit=steps_max, given=steps)


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
            raise budget_spent(self.steps_max, self.steps, self.name)
        if self.steps % _STEPS_BETWEEN_INTERRUPTS == 0:
            self.interrupt()
