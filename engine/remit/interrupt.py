"""How whoever works for a caller notices that the caller no longer waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

Interrupt = Callable[[], None]
"""Raises DeadlineExceeded or Cancelled when the caller no longer waits; otherwise returns."""


def never_interrupted() -> None:
    """The interrupt of a caller who waits as long as it takes."""


class TooHeavy(Exception):
    """Raised, as by an interrupt, where work that was begun as light is not: it leaves no trace, and is begun again
    where heavy work is done. Nobody who asked hears of it."""


class TurnEnded(TooHeavy):
    """Raised where heavy work has done a part that stays done: with the next it goes on after others had their turn."""


def paced(interrupt: Interrupt, steps: int) -> Interrupt:
    """For work in steps that are too short to ask at each: asks at the first of so many calls."""
    count = 0

    def look() -> None:
        nonlocal count
        if not count % steps:
            interrupt()
        count += 1

    return look


def looked_at(items: Iterable[T], look: Interrupt) -> Iterator[T]:
    """The items, with a look before each."""
    for item in items:
        look()
        yield item
