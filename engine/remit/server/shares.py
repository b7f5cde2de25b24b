"""How callers share what runs out: places in a lane, memory for answers that wait to be read.

Nobody takes more who already holds more than is left free. So a single greedy caller gets half, two get a third each,
sixteen a seventeenth, and whoever comes next finds something; nothing is set aside for callers who are not there.
Law: what is taken never exceeds the limit."""

from __future__ import annotations

import threading

from remit.errors import FairShareSpent, Overloaded


class Shares:
    """`limit` units of something, `what` in words, `name` as the limit is called. Safe from many threads."""

    def __init__(self, name: str, limit: int, what: str) -> None:
        self.name = name
        self.limit = limit
        self.what = what
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}  # by caller; nobody holds none
        self._taken = 0
        self._refused = 0

    def take(self, caller: str, amount: int = 1) -> None:
        """For a caller (a key's id, or a peer). Raises Overloaded where not enough is left, FairShareSpent where too
        much is the caller's. Cost: O(1)."""
        with self._lock:
            held, free = self._held.get(caller, 0), self.limit - self._taken
            if held > free or amount > free:
                self._refused += 1
                raise self._refusal(held, free, amount)
            self._held[caller] = held + amount
            self._taken += amount

    def give_back(self, caller: str, amount: int = 1) -> None:
        with self._lock:
            held = self._held[caller] - amount
            assert held >= 0, "only what was taken is given back"
            self._taken -= amount
            if held:
                self._held[caller] = held
            else:
                del self._held[caller]

    def _refusal(self, held: int, free: int, amount: int) -> Overloaded:
        if amount <= free:
            return FairShareSpent(
                f"of the {self.limit} {self.what} that the server has room for, {held} are this caller's, more than "
                f"the {free} left for everybody else: try again a little later",
                name=self.name,
                limit=self.limit,
                given=held + amount,
                free=free,
            )
        return Overloaded(
            f"the server has room for {self.limit} {self.what} at once, and {self.limit - free} are taken: try again a "
            "little later",
            name=self.name,
            limit=self.limit,
            given=self.limit - free + amount,
        )

    @property
    def taken(self) -> int:
        return self._taken

    @property
    def callers(self) -> int:
        """How many hold something."""
        return len(self._held)

    @property
    def refused(self) -> int:
        """How many were refused since the start."""
        return self._refused
