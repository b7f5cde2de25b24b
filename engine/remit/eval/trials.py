"""What a question would be answered over other facts than there are: for those who look for what an answer rests on, or
would take to change.

Law: what is said of other facts is what Check would say of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from remit.eval.budget import Budget
from remit.eval.equations import YES, Goal
from remit.eval.semantics import Evaluation
from remit.graph.view import GraphView

T = TypeVar("T")


class Trials:
    """One question, asked over and over of as many graphs. All trials share one budget, and each forgets."""

    def __init__(self, evaluation: Evaluation, goal: Goal, budget: Budget) -> None:
        """`evaluation` is of the schema, the time, the context and the call."""
        self._evaluation = evaluation
        self._goal = goal
        self._budget = budget
        self._bytes = budget.bytes

    def is_yes(self, graph: GraphView) -> bool:
        """Raises what the budget raises. Cost: that of a check."""
        self._budget.bytes = self._bytes
        equations = self._evaluation.equations
        trial = Evaluation(
            self._evaluation.schema,
            graph,
            now_us=equations.now_us,
            context=equations.context,
            call=equations.call,
            budget=self._budget,
        )
        try:
            return trial.solve(self._goal) == YES
        finally:
            trial.forget()


def minimal(items: Sequence[T], holds: Callable[[Sequence[T]], bool], chunk: int = 1) -> list[T]:
    """Of items that hold together as many as must stay: of what is left none can be taken away alone. `chunk`: how many
    are tried to be left out at once, at first. Cost: some tries for each item that stays."""
    kept = list(items)
    while True:
        before = end = len(kept)
        while end > 0:  # from the end, so that of two that can stand for each other the first stays
            begin = max(end - chunk, 0)
            fewer = kept[:begin] + kept[end:]
            if holds(fewer):
                kept = fewer
            end = begin
        if chunk == 1 and len(kept) == before:
            return kept
        # Where something is subtracted, what could not be left out may be once something else is.
        chunk = max(chunk // 2, 1)
