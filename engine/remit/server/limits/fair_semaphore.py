"""So many permits, and callers that wait for one by turns. As in `fair_semaphore.rs`.

Whoever finds no place in a quota is refused (`fair_quota`); here is what is over in moments, and worth waiting for.
Law: whoever waits for how many, another has a permit after one of each caller that was there before it; none is lost
with who does not wait any longer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque


class FairSemaphore:
    """Of one event loop."""

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # by caller, whose turn is first

    async def acquire(self, caller: str) -> Permit:
        """A permit, waited for by turns. Cost: O(1)."""
        if self._free:
            self._free -= 1
            return Permit(self)
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(come)
        try:
            await come
        except asyncio.CancelledError:
            if come.done() and not come.cancelled():
                self.give_on()  # it had come already
            raise
        return Permit(self)

    def give_on(self) -> None:
        """A permit is free: to who waits, the caller after the last one's first."""
        while self._waiting:
            caller, line = self._waiting.popitem(last=False)
            come = line.popleft()
            if line:
                self._waiting[caller] = line  # behind everybody else
            if not come.done():  # somebody still waits for it
                come.set_result(None)
                return
        self._free += 1


class Permit:
    """One, until it is released."""

    def __init__(self, semaphore: FairSemaphore) -> None:
        self._semaphore: FairSemaphore | None = semaphore

    def release(self) -> None:
        """It may be already."""
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.give_on()
