"""How many requests are worked on at once, and how many may wait: a queue for reads, another for writes, and one for
the steps of streams.

Reads and writes have one each, because a writer waits for the disk and a reader never does: however slow the disk,
answers go on. Clients share a queue: its places (see `fair_quota`), and its threads, whose turns go around among those
who wait. So however much one client asks, another finds a place, and waits for one request of each, not for hundreds.
Law: what a queue accepts it runs; what it does not, it refuses at once, before any work was spent."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from remit.server.limits.fair_quota import FairQuota, Holdings

if TYPE_CHECKING:
    from remit import _core

P = ParamSpec("P")
R = TypeVar("R")


_Waiting = OrderedDict[Future[Any], Callable[[], Any]]  # what one client waits for, oldest first


class WorkQueue:
    """`threads` requests at work and the rest of `in_flight_max` waiting for one of them."""

    def __init__(
        self, name: str, *, threads: int, in_flight_max: int, holdings: Holdings | _core.Holdings | None = None
    ) -> None:
        """`holdings`: of its places, where others take of them too."""
        self.name = name
        self.in_flight_max = in_flight_max
        self.places = FairQuota(f"{name}_in_flight_max", in_flight_max, f"requests of `{name}`", holdings)
        self._threads_max = threads
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()  # by client, whose turn is next first; none is empty
        self._tickets: SimpleQueue[bool] = SimpleQueue()  # one for each work queued; False ends a thread
        self._is_closed = False

    def submit(self, client_id: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The work's future, on behalf of a client (a key's id, or a peer). Raises Overloaded where every place is
        taken, FairShareSpent where too many are the client's. Cost: O(1); never blocks."""
        future: Future[R] = Future()
        self.places.take(client_id)
        with self._lock:
            if self._is_closed:
                self.places.give_back(client_id)
                raise RuntimeError(f"work queue `{self.name}` is closed")
            self._waiting.setdefault(client_id, _Waiting())[future] = partial(work, *args, **kwargs)
            self._start_thread_if_needed()
        # A request counts until its thread is done with it, even if its caller has gone away long before.
        future.add_done_callback(partial(self._leave, client_id))
        self._tickets.put(True)
        return future

    def _start_thread_if_needed(self) -> None:
        # A thread that has just settled its work is busy for another moment: it comes for the next by itself.
        if self.in_flight > len(self._threads) and len(self._threads) < self._threads_max:
            thread = threading.Thread(target=self._run, name=f"remit-{self.name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _leave(self, client_id: str, future: Future[Any]) -> None:
        self.places.give_back(client_id)
        if future.cancelled():
            with self._lock:
                self._forget(client_id, future)

    def _forget(self, client_id: str, future: Future[Any]) -> None:
        """A request that was cancelled holds no place, so it must not stay in the queue either."""
        waiting = self._waiting.get(client_id)
        if waiting is not None and waiting.pop(future, None) is not None and not waiting:
            del self._waiting[client_id]

    # --- the threads --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._tickets.get():
            self._run_next()

    def _run_next(self) -> None:
        """The oldest request of the client whose turn it is; nothing where it was cancelled while it waited."""
        with self._lock:
            client_id = next(iter(self._waiting), None)
            if client_id is None:
                return
            waiting = self._waiting[client_id]
            future, work = waiting.popitem(last=False)
            if waiting:
                self._waiting.move_to_end(client_id)  # behind everybody else
            else:
                del self._waiting[client_id]
        if future.set_running_or_notify_cancel():
            _settle(future, work)

    # --- for whoever looks --------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        return self.places.taken

    @property
    def refused(self) -> int:
        """How many were refused since the start."""
        return self.places.refused

    def close(self) -> None:
        """Waits for what is at work; what still waits for a thread is dropped. It may be called again."""
        with self._lock:
            self._is_closed = True
            dropped = [future for waiting in self._waiting.values() for future in waiting]
            threads = list(self._threads)
        for future in dropped:
            future.cancel()
        for _ in threads:
            self._tickets.put(False)
        for thread in threads:
            thread.join()


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001  # whoever asked gets it, whatever it is; the thread lives on
        future.set_exception(error)
    else:
        future.set_result(result)
