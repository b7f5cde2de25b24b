"""What judging comes to, where the graph's answers are known: the least and the greatest that it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from remit.arguments.judged import Any, Every, Judged, Known, Related, Unjudged, Unless

Bounds = tuple[bool, bool]
UNKNOWN: Bounds = (False, True)


def bounds_of(judged: Judged, answer: Callable[[Related], bool]) -> Bounds:
    """By the rules of `+`, `&` and `-`, with what is unjudged between no and yes."""
    match judged:
        case Known(truth, _):
            return truth, truth
        case Unjudged():
            return UNKNOWN
        case Related():
            return (answer(judged),) * 2
        case Every(parts):
            bounds = [bounds_of(part, answer) for part in parts]
            return all(low for low, _ in bounds), all(high for _, high in bounds)
        case Any(parts):
            bounds = [bounds_of(part, answer) for part in parts]
            return any(low for low, _ in bounds), any(high for _, high in bounds)
        case Unless(part):
            low, high = bounds_of(part, answer)
            return not high, not low


def leaves_of(judged: Judged) -> Iterator[Known | Unjudged | Related]:
    match judged:
        case Every(parts) | Any(parts):
            for part in parts:
                yield from leaves_of(part)
        case Unless(part):
            yield from leaves_of(part)
        case _:
            yield judged


def answer_of(judged: Judged) -> str:
    """In a word: `asks` is said of what hangs on the graph."""
    bounds = {bounds_of(judged, lambda _, each=each: each) for each in (True, False)}
    if len(bounds) > 1:
        return "asks"
    return {(True, True): "yes", (False, False): "no", UNKNOWN: "unknown"}[bounds.pop()]
