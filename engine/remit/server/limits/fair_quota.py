"""How clients share what runs out: places in a work queue, memory for answers that wait to be read.

Nobody takes more who already holds more than is left free, the last eighth aside: of that only those take who hold
little, a sixteenth of what is left. So a single greedy client gets nearly half, two nearly a third each, and whoever
comes next finds something, also after many who took all that they could get one after the other. Without the second
half of the rule each of these left half of what it found, and ten took all of 1,024 places.
Law: what is taken never exceeds the limit; and as long as fewer than `crowd(limit)` clients take units one at a time,
in whatever order, one more finds a unit."""

from __future__ import annotations

import threading
from typing import Protocol

from remit.errors import FairShareSpent, Overloaded

_RESERVED_PART = 8  # of the limit
_SMALL_PART = 16  # of what is left


def share(limit: int, free: int) -> int:
    """Who holds more than this takes no more, where so much of the limit is left."""
    return max(free - limit // _RESERVED_PART, free // _SMALL_PART)


def crowd(limit: int) -> int:
    """How many clients it takes to leave nothing: 30 for 256 units, 51 for 1,024, 77 for 5,120. Each takes all that it
    can get after the one before, or more would be left. Cost: O(limit)."""
    clients, free = 0, limit
    while free:
        own = 0
        while free and own <= share(limit, free):
            own, free = own + 1, free - 1
        clients += 1
    return clients


class Shared(Protocol):
    """What a quota counts by."""

    def take(self, client_id: str, amount: int) -> tuple[int, int] | None: ...
    def give_back(self, client_id: str, amount: int) -> bool: ...
    def stats(self) -> tuple[int, int, int]: ...


class Holdings:
    """Who holds how much of `limit` units. Safe from many threads. `remit._core.Holdings` is the same, for a quota that
    clients of the frontend take of as well."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._by_client: dict[str, int] = {}  # nobody in it holds none
        self._taken = 0
        self._refused = 0

    def take(self, client_id: str, amount: int) -> tuple[int, int] | None:
        """None; or where there is not enough, or not for this client, what it holds and what is left."""
        with self._lock:
            own, free = self._by_client.get(client_id, 0), self._limit - self._taken
            if amount > free or own > share(self._limit, free):
                self._refused += 1
                return own, free
            self._by_client[client_id] = own + amount
            self._taken += amount
            return None

    def give_back(self, client_id: str, amount: int) -> bool:
        """False where the client does not hold as much."""
        with self._lock:
            own = self._by_client.get(client_id, 0) - amount
            if own < 0:
                return False
            self._taken -= amount
            if own:
                self._by_client[client_id] = own
            else:
                del self._by_client[client_id]
            return True

    def held(self, client_id: str) -> int:
        """How many a client holds."""
        return self._by_client.get(client_id, 0)

    def stats(self) -> tuple[int, int, int]:
        """How much is taken, how many hold something, and how many were refused."""
        return self._taken, len(self._by_client), self._refused


class FairQuota:
    """`limit` units of something, `what` in words, `name` as the limit is called. Safe from many threads."""

    def __init__(self, name: str, limit: int, what: str, holdings: Shared | None = None) -> None:
        self.name = name
        self.limit = limit
        self.what = what
        self.holdings = holdings or Holdings(limit)

    def take(self, client_id: str, amount: int = 1) -> None:
        """For a client (a key's id, or a peer). Raises Overloaded where not enough is left, FairShareSpent where too
        much is the client's. Cost: O(1)."""
        refused = self.holdings.take(client_id, amount)
        if refused is not None:
            raise self.refusal(*refused, amount)

    def give_back(self, client_id: str, amount: int = 1) -> None:
        is_given_back = self.holdings.give_back(client_id, amount)
        assert is_given_back, "only what was taken is given back"

    def refusal(self, held: int, free: int, amount: int) -> Overloaded:
        """What to say to who holds so much, and wants more than there is or is left for others."""
        if amount <= free:
            return FairShareSpent(
                f"of the {self.limit} {self.what} that the server has room for, {held} are this caller's, and the "
                f"{free} that are left are for others: try again a little later",
                name=self.name,
                limit=self.limit,
                given=held + amount,
                free=free,
            )
        return overloaded(self.name, self.limit, self.what, taken=self.limit - free, given=self.limit - free + amount)

    @property
    def taken(self) -> int:
        return self.holdings.stats()[0]

    @property
    def clients(self) -> int:
        """How many hold something."""
        return self.holdings.stats()[1]

    @property
    def refused(self) -> int:
        """How many were refused since the start."""
        return self.holdings.stats()[2]


# --- errors -----------------------------------------------------------------------------------------------------


def overloaded(name: str, limit: int, what: str, *, taken: int, given: int) -> Overloaded:
    return Overloaded(
        f"the server has room for {limit} {what} at once, and {taken} are taken: try again a little later",
        name=name,
        limit=limit,
        given=given,
    )


def fair_share_spent(name: str, limit: int, what: str) -> FairShareSpent:
    """The error in the words of the frontend, which does not tell each client its own numbers."""
    return FairShareSpent(
        f"of the {limit} {what} that the server has room for, this caller has its share, and those that are left are "
        "for others: try again a little later",
        name=name,
        limit=limit,
    )
