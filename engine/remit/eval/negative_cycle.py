"""The cycle to tell when an answer is undefined: the questions that went around through a `-`.

Law: the same questions give the same cycle, whatever order they are listed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from heapq import nsmallest
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

Asks = Mapping[T, Mapping[T, bool]]
"""What each question asks, and whether it does so to the right of a `-`. Whatever is asked is a key itself."""

# From how many questions the way around is sought before the shortest is told. Where there are more cycles than that,
# one is as good as another, and each search may lead through all of them.
_STARTS_MAX = 8


def negative_cycle(asks: Asks[T], spend: Callable[[], None]) -> list[T]:
    """A short way from a question through a `-` back to it, both ends included. There must be one.

    `spend` is called for each step. Cost: O(questions asked, sorted)."""
    group = _groups(asks, spend)
    starts = nsmallest(
        _STARTS_MAX, _negations(asks, group, spend), key=lambda negation: (str(negation[0]), str(negation[1]))
    )
    assert starts, "what is undefined depends on its own negation"
    cycles = [[goal, *_shortest_way(asks, part, goal, spend)] for goal, part in starts]
    length = min(map(len, cycles))
    return min((cycle for cycle in cycles if len(cycle) == length), key=lambda cycle: _texts(cycle, spend))


def _texts(cycle: list[T], spend: Callable[[], None]) -> list[str]:
    texts = []
    for goal in cycle:
        spend()
        texts.append(str(goal))
    return texts


def _negations(asks: Asks[T], group: Mapping[T, int], spend: Callable[[], None]) -> Iterator[tuple[T, T]]:
    """What each question subtracts and is itself asked by."""
    for goal, parts in asks.items():
        for part, is_negative in parts.items():
            spend()
            if is_negative and group[goal] == group[part]:
                yield goal, part


def _groups(asks: Asks[T], spend: Callable[[], None]) -> dict[T, int]:
    """A number for each question, the same for those that lead to each other (Tarjan, on a stack of our own)."""
    group: dict[T, int] = {}
    order: dict[T, int] = {}
    lowest: dict[T, int] = {}
    waiting: list[T] = []  # met, in no group yet
    for root in asks:
        path = [] if root in order else [(root, iter(asks[root]))]
        while path:
            goal, parts = path[-1]
            if goal not in order:
                spend()
                order[goal] = lowest[goal] = len(order)
                waiting.append(goal)
            for part in parts:
                if part not in order:
                    path.append((part, iter(asks[part])))
                    break
                if part not in group:
                    lowest[goal] = min(lowest[goal], order[part])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[goal])
                if lowest[goal] == order[goal]:
                    while goal not in group:
                        group[waiting.pop()] = order[goal]
    return group


def _shortest_way(asks: Asks[T], start: T, end: T, spend: Callable[[], None]) -> list[T]:
    """The questions from `start` to `end`, both included. Ties are broken by text."""
    came_from: dict[T, T | None] = {start: None}
    queue = deque([start])
    while queue:
        goal = queue.popleft()
        spend()
        if goal == end:
            break
        for part in sorted(asks[goal], key=str):
            if part not in came_from:
                came_from[part] = goal
                queue.append(part)
    way = [end]
    while (before := came_from[way[-1]]) is not None:
        way.append(before)
    return way[::-1]
