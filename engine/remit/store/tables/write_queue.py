"""What waits for the writer, in the order in which it is served: small tasks first, and clients by turns.

A hold is one small write, and whoever sends it cannot choose what others have queued before. So small tasks (a change
or a few, and the store's own) pass by bulk ones (imports, large writes and deletes, pieces of a restore, trims). Within
each of these classes clients take turns, by deficit round robin (Shreedhar and Varghese, 1995): at each turn a client
may have so many changes written, and what it does not use of that, because its next task weighs more, it keeps for its
next turn. So who sends large tasks, or many, waits for them alone.

The places of the queue are shared as those of the server are: nobody takes one who holds more than are left free.
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
    """`waiting_max` tasks in all. `put` from any thread; what takes belongs to the writer's."""

    def __init__(self, waiting_max: int) -> None:
        self._places = Places(waiting_max, "writes")
        self._lock = threading.Lock()
        self._small: Turns[Task[Any]] = Turns(SMALL_TURN)
        self._bulk: Turns[Task[Any]] = Turns(BULK_TURN)
        self._passed = 0  # times that small tasks went before a bulk one that waits
        self._refusal: RemitError | None = None  # why nothing is taken any more
        self._is_idle = False  # the writer waits for `_wake`
        self._wake = threading.Lock()
        self._wake.acquire()

    def __len__(self) -> int:
        return self._places.taken

    @property
    def refusal(self) -> RemitError | None:
        """Why nothing is taken any more; None where it is."""
        return self._refusal

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left, and nothing will come."""
        return self._refusal is not None and not self._places.taken

    def put(self, task: Task[Any], *, may_be_refused: bool = True) -> RemitError | None:
        """Queue a task, or say why it is not. Cost: O(1); never blocks.

        `may_be_refused` false goes beyond the bounds: for the store's own few, whose callers wait for them."""
        with self._lock:
            if self._refusal is not None:
                return self._refusal
            refusal = self._places.take(task.client_id, may_be_refused)
            if refusal is not None:
                return refusal
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

    # --- the writer ---------------------------------------------------------------------------------------------

    def wait(self) -> bool:
        """Until there is something to take; False where there is nothing, and never will be."""
        with self._lock:
            if self._places.taken or self._refusal is not None:
                return self._places.taken > 0
            self._is_idle = True
        self._wake.acquire()
        return self._places.taken > 0

    def take_first(self) -> Task[Any] | None:
        """What the next commit begins with: a small task, or a bulk one where none waits, or enough have gone before
        it. None where nothing waits."""
        with self._lock:
            small, bulk = self._small, self._bulk
            if small and not (bulk and self._passed >= PASSED_MAX):
                self._passed = self._passed + 1 if bulk else 0
                return self._left(small.take())
            if bulk:
                self._passed = 0
                return self._left(bulk.take())
            return None

    def take_small(self) -> Task[Any] | None:
        """The next small task, None where none waits: what may share a commit with others."""
        if not self._small:  # true or false a moment later: the next commit looks again
            return None
        with self._lock:
            return self._left(self._small.take()) if self._small else None

    def _left(self, task: Task[Any]) -> Task[Any]:
        self._places.give_back(task.client_id)
        return task


class Places:
    """How many may wait, `what` in words: shared by the rule of the server's quotas. Whoever has it locks it. "" is the
    process itself, which shares with nobody."""

    __slots__ = ("_held", "_limit", "_what", "taken")

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._held: dict[str, int] = {}  # by client; nobody in it holds none
        self.taken = 0

    def take(self, client_id: str, may_be_refused: bool = True) -> RemitError | None:
        """A place, or why there is none for this client. Cost: O(1)."""
        held = self._held.get(client_id, 0) if client_id else 0
        if may_be_refused:
            free = self._limit - self.taken
            if free <= 0:
                return StoreOverloaded(
                    f"`{self._limit}` {self._what} are waiting already: try again a little later", waiting=self._limit
                )
            if held > free:
                return FairShareSpent(
                    f"of the {self._limit} {self._what} that the store has room for, {held} are this caller's, more "
                    f"than the {free} left for everybody else: try again a little later",
                    name=f"{self._what.replace(' ', '_')}_waiting_max",
                    limit=self._limit,
                    given=held + 1,
                    free=free,
                )
        if client_id:
            self._held[client_id] = held + 1
        self.taken += 1
        return None

    def give_back(self, client_id: str) -> None:
        self.taken -= 1
        if client_id:
            held = self._held[client_id] - 1
            if held:
                self._held[client_id] = held
            else:
                del self._held[client_id]


class Turns(Generic[E]):
    """What waits in one class. Clients take turns; `turn` is the weight that each may have served at one."""

    __slots__ = ("_lines", "_turn")

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._lines: OrderedDict[str, _Line[E]] = OrderedDict()  # by client, whose turn it is first; none is empty

    def __bool__(self) -> bool:
        return bool(self._lines)

    def put(self, task: E) -> None:
        """Behind the client's others; a client that had none waits for everybody's turn."""
        line = self._lines.get(task.client_id)
        if line is None:
            line = self._lines[task.client_id] = _Line(self._turn)
        line.tasks.append(task)

    def take(self) -> E:
        """The next task; there must be one. Cost: O(1), and a step for each turn that a large task saves up for."""
        lines = self._lines
        while True:
            client_id = next(iter(lines))
            line = lines[client_id]
            weight = line.tasks[0].weight
            if weight <= line.credit or len(lines) == 1:  # alone, it takes from nobody
                break
            line.credit += self._turn
            lines.move_to_end(client_id)
        task = line.tasks.popleft()
        line.credit = max(line.credit - weight, 0)
        if not line.tasks:
            del lines[client_id]
        return task


class _Line(Generic[E]):
    """What one client waits for, oldest first, and the weight that it may still have served at this turn."""

    __slots__ = ("credit", "tasks")

    def __init__(self, credit: int) -> None:
        self.credit = credit
        self.tasks: deque[E] = deque()
