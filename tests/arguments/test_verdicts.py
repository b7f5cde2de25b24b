"""Laws of what a judged call may come to: all there is to come, each with a reason."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless
from remit.arguments.verdicts import Outcome, goals_of, outcomes_of, reason_of
from remit.model import ObjectRef
from tests.support.seeds import Seeds


def drawn(random: Random, goals: list[Related], depth: int = 3) -> Judged:
    """A tree in which no goal stands twice."""
    kind = random.randrange(6 if depth else 3)
    match kind:
        case 0:
            return Known(random.random() < 0.5, "`/a` is so")
        case 1:
            return Unjudged("/b", "is a list")
        case 2:
            goals.append(Related(ObjectRef("user", f"u{len(goals)}"), "contact", "/c"))
            return goals[-1]
        case 3:
            return Unless(drawn(random, goals, depth - 1))
    parts = tuple(drawn(random, goals, depth - 1) for _ in range(random.randint(1, 3)))
    return Every(parts) if kind == 4 else Any(parts)


@pytest.mark.seeds(600)
def test_the_outcomes_are_those_that_some_answers_bring(seeds: Seeds) -> None:
    for seed in seeds:
        goals: list[Related] = []
        judged = drawn(Random(seed), goals)
        assert list(goals_of(judged)) == goals
        if len(goals) > 6:
            continue
        come = set()
        for answers in product((False, True), repeat=len(goals)):
            answered = dict(zip(goals, answers, strict=True))
            [outcome] = outcomes_of(judged, answered.__getitem__)
            come.add(outcome)
            pointer, reason = reason_of(judged, outcome, answered.__getitem__)
            assert reason and pointer in ("", "/b", "/c")
        assert outcomes_of(judged) == come, seed


def test_of_nothing_all_holds_and_none_does() -> None:
    assert outcomes_of(Every(())) == {Outcome.YES}
    assert outcomes_of(Any(())) == {Outcome.NO}
