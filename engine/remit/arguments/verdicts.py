"""What a judged call may come to before the graph is asked, or where it is assumed what the graph says.

Law: what may come of the whole are the combinations of what may come of its parts, each goal being a yes or a no by
itself; a verdict that is not among them does not come, whatever the graph answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import reduce
from itertools import product, starmap

from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless


class Outcome(IntEnum):
    """Ordered as `&` and `+` order them: the least of several, the greatest of several."""

    NO = 0
    UNJUDGED = 1
    YES = 2


Assumed = Callable[[Related], bool | None]
"""What the graph answers to a goal; None where either is possible."""


def nothing_assumed(goal: Related) -> bool | None:
    return None


def outcomes_of(judged: Judged, assumed: Assumed = nothing_assumed) -> frozenset[Outcome]:
    """Every outcome that there may be, or more where a goal stands twice. Cost: O(parts)."""
    match judged:
        case Known(truth):
            return frozenset({_of(truth)})
        case Unjudged():
            return frozenset({Outcome.UNJUDGED})
        case Related():
            answer = assumed(judged)
            return frozenset({Outcome.NO, Outcome.YES}) if answer is None else frozenset({_of(answer)})
        case Every(parts):
            return _combined(min, Outcome.YES, [outcomes_of(each, assumed) for each in parts])
        case Any(parts):
            return _combined(max, Outcome.NO, [outcomes_of(each, assumed) for each in parts])
        case Unless(part):
            return frozenset(Outcome(Outcome.YES - each) for each in outcomes_of(part, assumed))


def _of(truth: bool) -> Outcome:
    return Outcome.YES if truth else Outcome.NO


def _combined(
    chosen: Callable[[Outcome, Outcome], Outcome], start: Outcome, parts: Sequence[frozenset[Outcome]]
) -> frozenset[Outcome]:
    return reduce(lambda ours, others: frozenset(starmap(chosen, product(ours, others))), parts, frozenset({start}))


def goals_of(judged: Judged) -> Iterator[Related]:
    """Every goal, as often as it stands there."""
    match judged:
        case Related():
            yield judged
        case Every(parts) | Any(parts):
            for part in parts:
                yield from goals_of(part)
        case Unless(part):
            yield from goals_of(part)
        case _:
            pass


def reason_of(judged: Judged, outcome: Outcome, assumed: Assumed = nothing_assumed) -> tuple[str, str]:
    """A pointer and a sentence: of the parts that alone make it that outcome, the first. The pointer is "" where the
    sentence names its place itself. The outcome must be the only one there may be."""
    match judged:
        case Known(_, reason):
            return "", reason
        case Unjudged(pointer, reason):
            return pointer, f"{f'`{pointer}`' if pointer else 'the call'} {reason}"
        case Related(object, permission, pointer):
            answer = "has" if outcome is Outcome.YES else "has not"
            return pointer, f"the subject {answer} `{permission}` of `{object}`"
        case Every(parts) | Any(parts):
            for part in parts:
                if outcomes_of(part, assumed) == {outcome}:
                    return reason_of(part, outcome, assumed)
            return "", "nothing is asked of the call"
        case Unless(part):
            return reason_of(part, Outcome(Outcome.YES - outcome), assumed)
