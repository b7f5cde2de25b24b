"""What waits for the writer, in the order in which it is served: small tasks first, and clients by turns.

A hold is one small write, and whoever sends it cannot choose what others have queued before. So small tasks (a change
or a few, and the store's own) pass by bulk ones (imports, large writes and deletes, pieces of a restore, trims). Within
each of these classes clients take turns, by deficit round robin (Shreedhar and Varghese, 1995): at each turn a client
may have so many changes written, and what it does not use of that, because its next task weighs more, it keeps for its
next turn. So who sends large tasks, or many, waits for them alone.

The places of the queue are shared as those of the server are: nobody takes one who holds more than are left free, the
last eighth aside, which is for who holds little.
Law: tasks of one client and class are served in the order they were queued, each once, and none waits for ever."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Any, Generic, Protocol, TypeVar

from remit.errors import FairShareSpent, RemitError, StoreOverloaded
from remit.store.port import SMALL_WEIGHT_MAX
from remit.store.tables.task import Task

# Changes that a client may have written at a turn: a small task always fits, and so does a message of an import.
SMALL_TURN = SMALL_WEIGHT_MAX
BULK_TURN = 1_000

# How many times small tasks may go before a bulk one that waits. A commit of small ones takes a few milliseconds, and
# clients who write one after another always have some waiting: without an end the bulk would never be written.
PASSED_MAX = 8


class Turned(Protocol):
    """What waits for a turn of its client's; `weight` is how much of one it takes."""

    @property
    def client_id(self) -> str: ...

    @property
    def weight(self) -> int: ...


E = TypeVar("E", bound=Turned)


class WriteQueue:
    """`waiting_max` tasks in all. `put` from any thread; what takes belongs to the writer's, or to the one thread that
    has borrowed its place."""

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._lock = threading.Lock()
        self._small: Turns[Task[Any]] = Turns(SMALL_TURN)
        self._bulk: Turns[Task[Any]] = Turns(BULK_TURN)
        self._waiting = 0
        self._passed = 0  # times that small tasks went before a bulk one that waits
        self._refusal: RemitError | None = None  # why nothing is taken any more
        self._is_idle = False  # the writer waits for `_wake`
        self._wake = threading.Lock()
        self._wake.acquire()

    def __len__(self) -> int:
        return self._waiting

    @property
    def refusal(self) -> RemitError | None:
        """Why nothing is taken any more; None where it is."""
        return self._refusal

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left, and nothing will come."""
        return self._refusal is not None and not self._waiting

    def put(self, task: Task[Any], may_be_refused: bool = True) -> RemitError | None:
        """Queue a task, or say why it is not. Cost: O(1); never blocks.

        `may_be_refused` false goes beyond the bounds: for the store's own few, whose callers wait for them."""
        with self._lock:
            if self._refusal is not None:
                return self._refusal
            # While less than seven sixteenths are taken, nobody holds more than is left beside the last eighth.
            if may_be_refused and self._waiting * 16 >= self._waiting_max * 7:
                client_id = task.client_id
                held = self._small.held(client_id) + self._bulk.held(client_id)
                refusal = refusal_of("writes", self._waiting_max, self._waiting, client_id, held)
                if refusal is not None:
                    return refusal
            self._waiting += 1
            (self._small if task.weight <= SMALL_WEIGHT_MAX else self._bulk).put(task)
            if self._is_idle:
                self._is_idle = False
                self._wake.release()
        return None

    def close(self, refusal: RemitError) -> None:
        """Take no more, and say why; what is queued may still be taken. The first reason stays."""
        with self._lock:
            if self._refusal is None:
                self._refusal = refusal
            if self._is_idle:
                self._is_idle = False
                self._wake.release()

    def borrow_place(self) -> bool:
        """Whether the writer waits with nothing to do: then it is held up there, and the calling thread writes in its
        place until it gives that back. Nobody is passed by, for nothing waits. Cost: O(1); never blocks."""
        with self._lock:
            is_free, self._is_idle = self._is_idle, False
        return is_free

    def give_place_back(self) -> None:
        """The writer goes on, with what has come meanwhile."""
        with self._lock:
            if self._waiting or self._refusal is not None:
                self._wake.release()
            else:
                self._is_idle = True

    # --- the writer ---------------------------------------------------------------------------------------------

    def take_first(self, wait: bool) -> Task[Any] | None:
        """What the next commit begins with: a small task, or a bulk one where none waits, or enough have gone before
        it. None where nothing waits, or, if it is waited for, where nothing ever will."""
        if not self._waiting and not (wait and self._wait()):  # nobody else takes: what waits stays
            return None
        with self._lock:
            self._waiting -= 1
            small, bulk = self._small, self._bulk
            if not bulk.lines:
                return small.take()
            if small.lines and self._passed < PASSED_MAX:
                self._passed += 1
                return small.take()
            self._passed = 0
            return bulk.take()

    def _wait(self) -> bool:
        """Until there is something to take; False where there never will be."""
        with self._lock:
            if self._waiting or self._refusal is not None:
                return self._waiting > 0
            self._is_idle = True
        self._wake.acquire()
        return self._waiting > 0

    def take_small(self) -> Task[Any] | None:
        """The next small task, None where none waits: what may share a commit with others."""
        if not self._small.lines:  # a moment later it may be otherwise: the next commit looks again
            return None
        with self._lock:
            self._waiting -= 1
            return self._small.take()


class Turns(Generic[E]):
    """What waits in one class. Clients take turns; `turn` is the weight that each may have served at one."""

    __slots__ = ("_spare", "_turn", "lines")

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self.lines: OrderedDict[str, _Line[E]] = OrderedDict()  # by client, whose turn it is first; none is empty
        self._spare: _Line[E] | None = None  # one that was emptied: most clients have one task at a time

    def held(self, client_id: str) -> int:
        """How many of a client wait."""
        line = self.lines.get(client_id)
        return len(line.tasks) if line is not None else 0

    def put(self, task: E) -> None:
        """Behind the client's others; a client that had none waits for everybody's turn."""
        line = self.lines.get(task.client_id)
        if line is None:
            line, self._spare = self._spare or _Line(), None
            line.credit = self._turn
            self.lines[task.client_id] = line
        line.tasks.append(task)

    def take(self) -> E:
        """The next task; there must be one. Cost: O(1), or O(clients) where the first cannot have its task served yet,
        whatever tasks weigh."""
        lines = self.lines
        is_saved_up = False
        while True:
            client_id = next(iter(lines))
            line = lines[client_id]
            tasks = line.tasks
            weight = tasks[0].weight
            if weight <= line.credit or len(lines) == 1:  # alone, it takes from nobody
                break
            if not is_saved_up:
                is_saved_up = True
                self._save_up()
                continue
            line.credit += self._turn
            lines.move_to_end(client_id)
        task = tasks.popleft()
        if tasks:
            line.credit = max(line.credit - weight, 0)
        else:
            del lines[client_id]
            self._spare = line
        return task

    def _save_up(self) -> None:
        """All the rounds at once in which everybody only saves up for a large task."""
        rounds = min(-((line.credit - line.tasks[0].weight) // self._turn) for line in self.lines.values())
        if rounds > 0:
            for line in self.lines.values():
                line.credit += rounds * self._turn

    def remove(self, task: E) -> None:
        """Forget one that waits: it must be there. Cost: O(what its client waits for)."""
        line = self.lines[task.client_id]
        line.tasks.remove(task)
        if not line.tasks:
            del self.lines[task.client_id]


class _Line(Generic[E]):
    """What one client waits for, oldest first, and the weight that it may still have served at this turn."""

    __slots__ = ("credit", "tasks")

    def __init__(self) -> None:
        self.credit = 0
        self.tasks: deque[E] = deque()


def share(limit: int, free: int) -> int:
    """Who holds more than this takes no more: `server/limits/fair_quota.py` says why, and a test that both agree."""
    return max(free - limit // 8, free // 16)


def refusal_of(what: str, limit: int, taken: int, client_id: str, held: int) -> RemitError | None:
    """Why there is no place for a client that holds so many, where so many of all are taken; None where there is one.
    The rule is that of the server's quotas. "" is the process itself, which shares with nobody."""
    free = limit - taken
    if free <= 0:
        return StoreOverloaded(f"`{limit}` {what} are waiting already: try again a little later", waiting=limit)
    if client_id and held > share(limit, free):
        return FairShareSpent(
            f"of the {limit} {what} that the store has room for, {held} are this caller's, and the {free} that are "
            "left are for others: try again a little later",
            name=f"{what.replace(' ', '_')}_waiting_max",
            limit=limit,
            given=held + 1,
            free=free,
        )
    return None
