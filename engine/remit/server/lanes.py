"""How many requests are worked on at once, and how many may wait: a lane for readers, another for writers.

Two lanes, because a writer waits for the disk and a reader never does: however slow the disk, answers go on. Within a
lane callers share. The turn goes around among those who wait, so one request never waits behind another caller's
hundred; and nobody takes a place who already holds more than are left free, so whoever comes next finds one: a single
greedy caller gets half of the places, two a third each, sixteen a seventeenth.
Laws: what a lane accepts it runs; what it does not, it refuses at once, before any work was spent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from remit.errors import FairShareSpent, Overloaded

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Work:
    """A request on its way through the lane."""

    caller: str
    run: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)


class Lane:
    """`threads` requests at work and the rest of `in_flight_max` waiting for one of them."""

    def __init__(self, name: str, *, threads: int, in_flight_max: int) -> None:
        self.name = name
        self.in_flight_max = in_flight_max
        self._threads_max = threads
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}  # places by caller; nobody holds none
        self._waiting: dict[str, deque[_Work]] = {}  # by caller, whose turn is next first; no queue is empty
        self._tickets: SimpleQueue[bool] = SimpleQueue()  # one for each work queued; False ends a thread
        self._in_flight = 0
        self._refused = 0
        self._is_closed = False

    def submit(self, caller: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The work's future, on behalf of a caller (a key's id, or a peer). Raises Overloaded where every place is
        taken, FairShareSpent where too many are the caller's. Cost: O(1); never blocks."""
        task = _Work(caller, lambda: work(*args, **kwargs))
        with self._lock:
            if self._is_closed:
                raise RuntimeError(f"lane `{self.name}` is closed")
            self._take_place(caller)
            self._queue(task)
        # A request counts until its thread is done with it, even if its caller has gone away long before.
        task.future.add_done_callback(lambda future: self._leave(caller, future))
        self._tickets.put(True)
        return task.future

    def _take_place(self, caller: str) -> None:
        held, free = self._held.get(caller, 0), self.in_flight_max - self._in_flight
        if free <= 0:
            self._refused += 1
            raise Overloaded(
                f"{self.in_flight_max} requests of `{self.name}` are under way, which is all the server takes on "
                "at once: try again a little later",
                name=f"{self.name}_in_flight_max",
                limit=self.in_flight_max,
                given=self._in_flight + 1,
            )
        if held > free:
            self._refused += 1
            raise FairShareSpent(
                f"{held} of the {self.in_flight_max} requests of `{self.name}` that the server takes on at once are "
                f"this caller's, more than the {free} left for everybody else: try again a little later",
                name=f"{self.name}_in_flight_max",
                limit=self.in_flight_max,
                given=held + 1,
                free=free,
            )
        self._held[caller] = held + 1
        self._in_flight += 1

    def _queue(self, task: _Work) -> None:
        self._waiting.setdefault(task.caller, deque()).append(task)
        # A thread that has just settled its work is busy for another moment: it comes for the next by itself.
        if self._in_flight > len(self._threads) and len(self._threads) < self._threads_max:
            thread = threading.Thread(target=self._run, name=f"remit-{self.name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _leave(self, caller: str, future: Future[Any]) -> None:
        with self._lock:
            self._in_flight -= 1
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]
            if future.cancelled():
                self._forget(caller, future)

    def _forget(self, caller: str, future: Future[Any]) -> None:
        """A cancelled request holds no place, so it must not stay in the queue either. Cost: O(the caller's places)."""
        kept = deque(task for task in self._waiting.pop(caller, ()) if task.future is not future)
        if kept:
            self._waiting[caller] = kept

    # --- the threads --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._tickets.get():
            task = self._next()
            if task is not None and task.future.set_running_or_notify_cancel():
                _settle(task)
            del task  # or its answer would be kept until the next one comes

    def _next(self) -> _Work | None:
        """The oldest request of the caller whose turn it is; None where it was cancelled while it waited."""
        with self._lock:
            caller = next(iter(self._waiting), None)
            if caller is None:
                return None
            queue = self._waiting.pop(caller)
            task = queue.popleft()
            if queue:
                self._waiting[caller] = queue  # behind everybody else
            return task

    # --- for whoever looks --------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def refused(self) -> int:
        """How many were refused since the start."""
        return self._refused

    def close(self) -> None:
        """Waits for what is at work; what still waits for a thread is dropped. Twice is once."""
        with self._lock:
            self._is_closed = True
            dropped = [task for queue in self._waiting.values() for task in queue]
            threads = list(self._threads)
        for task in dropped:
            task.future.cancel()
        for _ in threads:
            self._tickets.put(False)
        for thread in threads:
            thread.join()


def _settle(task: _Work) -> None:
    try:
        result = task.run()
    except BaseException as error:  # noqa: BLE001  # whoever asked gets it, whatever it is; the thread lives on
        task.future.set_exception(error)
    else:
        task.future.set_result(result)
