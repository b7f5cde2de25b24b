"""How many requests are worked on at once, and how many may wait: a lane for readers, another for writers.

Two lanes, because a writer waits for the disk and a reader never does: however slow the disk, answers go on.
Law: what a lane accepts it runs; what it does not, it refuses at once, before any work was spent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from remit.errors import Overloaded

P = ParamSpec("P")
R = TypeVar("R")


class Lane:
    """`threads` requests at work and the rest of `in_flight_max` waiting for one of them."""

    def __init__(self, name: str, *, threads: int, in_flight_max: int) -> None:
        self.name = name
        self.in_flight_max = in_flight_max
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"remit-{name}")
        self._lock = threading.Lock()
        self._in_flight = 0
        self._refused = 0

    def submit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The work's future. Raises Overloaded. Cost: O(1); never blocks."""
        with self._lock:
            if self._in_flight >= self.in_flight_max:
                self._refused += 1
                raise Overloaded(
                    f"{self.in_flight_max} requests of `{self.name}` are under way, which is all the server takes on "
                    "at once: try again a little later",
                    limit=self.in_flight_max,
                )
            self._in_flight += 1
        try:
            future = self._executor.submit(work, *args, **kwargs)
        except BaseException:
            self._leave()
            raise
        # A request counts until its thread is done with it, even if its caller has gone away long before.
        future.add_done_callback(lambda _: self._leave())
        return future

    def _leave(self) -> None:
        with self._lock:
            self._in_flight -= 1

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def refused(self) -> int:
        """How many were refused since the start."""
        return self._refused

    def close(self) -> None:
        """Waits for what is at work; what still waits for a thread is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)
