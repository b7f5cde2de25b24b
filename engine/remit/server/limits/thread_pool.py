"""The threads of one kind of work, and whose turn it is among those who wait for one.

Python runs one thread at a time, so it is not how much waits that delays a hold but how many threads want to go on at
once: each of them has Python's lock before it, at every step for which the hold needs that. So a queue has two pools.
What is small has threads enough; what is heavy has few of its own, and whatever turns out to be heavy begins again
among those, where it waits for its turn and keeps nobody from anything.
Law: what a pool takes it runs once, on one of its threads; clients take turns, and none has more at work than it
may."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ParamSpec, TypeVar

from remit.errors import RemitError, StoreUnavailable
from remit.interrupt import TooHeavy, TurnEnded
from remit.precedence import python_lock

P = ParamSpec("P")
R = TypeVar("R")

HEAVY_PER_CLIENT_MAX = 2
SCHEMA_THREADS = 2  # each for one caller: a schema that takes seconds does not keep another caller's from being read

_Waiting = OrderedDict[Future[Any], Callable[[], Any]]  # what one client waits for, oldest first


class ThreadPool:
    """`threads` at work at once, started as they are needed."""

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        per_client_max: int | None = None,
        heavy: ThreadPool | None = None,
        stands_aside: bool = True,
    ) -> None:
        """`per_client_max`: so many of one client are at work at most, and none begins that has more at work than
        threads are free; None: as many as there are threads. `heavy`: where work begins again that raises TooHeavy;
        where there is none, here if that has ended its turn, and otherwise whoever asked gets it. `stands_aside`: its
        threads let writers go first (see `precedence`)."""
        self.name = name
        self._working: AbstractContextManager[None] = python_lock.working if stands_aside else nullcontext()
        self._heavy = heavy
        self._threads_max = threads
        self._per_client_max = per_client_max
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()  # by client, whose turn is next first; none is empty
        self._threads: list[threading.Thread] = []
        self._idle = 0  # threads that wait, and were not called
        self._at_work: Counter[str] = Counter()  # by client
        self._is_closed = False

    def submit(self, client_id: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The work's future, on behalf of a client. Raises StoreUnavailable once the pool is closed. Cost: O(1); never
        blocks."""
        return self._submit(client_id, partial(work, *args, **kwargs), is_next=False)

    def submit_next(self, client_id: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The same, before all else of the client that waits."""
        return self._submit(client_id, partial(work, *args, **kwargs), is_next=True)

    def _submit(self, client_id: str, work: Callable[[], R], *, is_next: bool) -> Future[R]:
        future: Future[R] = Future()
        future.add_done_callback(partial(self._forget_cancelled, client_id))
        self.put(client_id, future, work, is_next=is_next)
        return future

    def put(self, client_id: str, future: Future[Any], work: Callable[[], Any], *, is_next: bool = False) -> None:
        """The same for a future that there is already, and that may run."""
        with self._lock:
            if self._is_closed:
                raise stopping()
            waiting = self._waiting.setdefault(client_id, _Waiting())
            waiting[future] = work
            if is_next:
                waiting.move_to_end(future, last=False)
            if self._idle:
                self._call_one()
            elif len(self._threads) < self._threads_max:
                name = f"remit-{self.name.replace(' ', '-')}-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
                self._threads[-1].start()

    def _call_one(self) -> None:
        self._idle -= 1
        self._arrived.notify()

    def _forget_cancelled(self, client_id: str, future: Future[Any]) -> None:
        """What nobody waits for is not begun."""
        if future.cancelled():
            with self._lock:
                waiting = self._waiting.get(client_id)
                if waiting is not None and waiting.pop(future, None) is not None and not waiting:
                    del self._waiting[client_id]

    def give_up(self, client_id: str, future: Future[Any], error: Exception) -> None:
        """Settle what waits here, and may have run elsewhere before, with an error; what does not wait here, not."""
        with self._lock:
            waiting = self._waiting.get(client_id)
            if waiting is None or waiting.pop(future, None) is None:
                return
            if not waiting:
                del self._waiting[client_id]
        if future.running() or future.set_running_or_notify_cancel():
            future.set_exception(error)

    # --- the threads --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            client_id, future, work = taken
            try:
                # What turned out to be heavy runs already, as far as its caller can see.
                if future.running() or future.set_running_or_notify_cancel():
                    self._settle(client_id, future, work)
            finally:
                del future, work, taken  # nothing of it is kept while the thread waits
                self._leave(client_id)

    def _take(self) -> tuple[str, Future[Any], Callable[[], Any]] | None:
        """The oldest work of the client whose turn it is, waited for; None once the pool is closed."""
        with self._lock:
            while not self._is_closed:
                client_id = self._next()
                if client_id is None:
                    self._idle += 1
                    self._arrived.wait()
                    continue
                waiting = self._waiting[client_id]
                future, work = waiting.popitem(last=False)
                if waiting:
                    self._waiting.move_to_end(client_id)  # behind everybody else
                else:
                    del self._waiting[client_id]
                self._at_work[client_id] += 1
                # What has just ended may have let two begin: this one, and another of a client that waited for it.
                if self._idle and self._next() is not None:
                    self._call_one()
                return client_id, future, work
            return None

    def _next(self) -> str | None:
        """Whose turn it is. Cost: O(threads), for so many at most have too much at work."""
        if self._per_client_max is None:
            return next(iter(self._waiting), None)
        free = self._threads_max - self._at_work.total()
        for client_id in self._waiting:
            if self._at_work[client_id] < min(self._per_client_max, free + 1):
                return client_id
        return None

    def _leave(self, client_id: str) -> None:
        with self._lock:
            self._at_work[client_id] -= 1
            if not self._at_work[client_id]:
                del self._at_work[client_id]

    def _settle(self, client_id: str, future: Future[Any], work: Callable[[], Any]) -> None:
        try:
            with self._working:
                result = work()
            future.set_result(result)
        except TooHeavy as reason:
            if self._heavy is None and not isinstance(reason, TurnEnded):
                future.set_exception(reason)  # whoever asked begins it again elsewhere, or finds a defect
                return
            try:
                (self._heavy or self).put(client_id, future, work)
            except RemitError as error:
                future.set_exception(error)
        except BaseException as error:  # noqa: BLE001  # whoever asked gets it, whatever it is; the thread lives on
            future.set_exception(error)

    # --- for whoever looks --------------------------------------------------------------------------------------

    @property
    def at_work(self) -> int:
        with self._lock:
            return self._at_work.total()

    @property
    def waiting(self) -> int:
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def close(self) -> None:
        """Waits for what is at work; what still waits for a thread is refused. It may be called again."""
        with self._lock:
            self._is_closed = True
            dropped = [future for waiting in self._waiting.values() for future in waiting]
            self._waiting.clear()
            self._arrived.notify_all()
            threads = list(self._threads)
        for future in dropped:
            if future.running() or future.set_running_or_notify_cancel():
                future.set_exception(stopping())
        for thread in threads:
            thread.join()


def stopping() -> StoreUnavailable:
    return StoreUnavailable("the server is starting or stopping: try again a little later")
