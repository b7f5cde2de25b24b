"""Whose call the event loop takes next: a few at a time, and callers take turns.

A loop goes through everything that is ready before it looks for what is new, and to take a call is a millisecond of it.
With a few hundred calls ready at once, a probe needed four rounds of a third of a second each. So calls wait here,
where that costs nothing, until others are let in or refused.
Law: whoever waits for how many, another's call is taken after one of each caller that was there before it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque


class Turns:
    """`at_once` calls that are being taken. All belongs to one event loop."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # by caller, whose turn is first

    async def turn(self, caller: str) -> Turn:
        """Wait for a caller's turn. Cost: O(1)."""
        if self._free:
            self._free -= 1
            return Turn(self)
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(come)
        try:
            await come
        except asyncio.CancelledError:
            if come.done() and not come.cancelled():
                self.next()  # it had come already
            raise
        return Turn(self)

    def next(self) -> None:
        """A turn is over: it is given to who waits, the caller after the last one's first."""
        while self._waiting:
            caller, line = self._waiting.popitem(last=False)
            come = line.popleft()
            if line:
                self._waiting[caller] = line  # behind everybody else
            if not come.done():  # somebody still waits for it
                come.set_result(None)
                return
        self._free += 1


class Turn:
    """One that has come, until it is over."""

    def __init__(self, turns: Turns) -> None:
        self._turns: Turns | None = turns

    def end(self) -> None:
        """It may be over already."""
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.next()
