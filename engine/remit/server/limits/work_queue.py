"""How many requests are worked on at once, and how many may wait: a queue for reads, another for writes, and one for
the steps of streams.

Reads and writes have one each, because a writer waits for the disk and a reader never does: however slow the disk,
answers go on. Clients share a queue: its places (see `fair_quota`), and its threads (see `thread_pool`), whose turns go
around among those who wait. So however much one client asks, another finds a place, and waits for one request of each,
not for hundreds; and what is small never waits for what is heavy, whoever asks for that.
Law: what a queue accepts it runs; what it does not, it refuses at once, before any work was spent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from remit.server.limits.fair_quota import FairQuota, Holdings
from remit.server.limits.thread_pool import ThreadPool

if TYPE_CHECKING:
    from remit import _core

P = ParamSpec("P")
R = TypeVar("R")


class WorkQueue:
    """`threads` small requests at work, heavy ones on the threads of other pools, and the rest of `in_flight_max`
    waiting for one of all these."""

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        in_flight_max: int,
        heavy: ThreadPool | None = None,
        holdings: Holdings | _core.Holdings | None = None,
        stands_aside: bool = True,
    ) -> None:
        """`heavy`: where work begins again that raises TooHeavy; None: whoever asked gets that. `holdings`: of its
        places, where others take of them too."""
        self.name = name
        self.in_flight_max = in_flight_max
        self.places = FairQuota(f"{name}_in_flight_max", in_flight_max, f"requests of `{name}`", holdings)
        self.light = ThreadPool(name, threads=threads, heavy=heavy, stands_aside=stands_aside)

    def submit(self, client_id: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The work's future, on behalf of a client (a key's id, or a peer). Raises Overloaded where every place is
        taken, FairShareSpent where too many are the client's, StoreUnavailable once the queue is closed. Cost: O(1);
        never blocks."""
        return self._submit(self.light.submit, client_id, partial(work, *args, **kwargs))

    def submit_among(
        self, pool: ThreadPool, client_id: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        """The same on the threads of another pool, with a place of this queue."""
        return self._submit(pool.submit, client_id, partial(work, *args, **kwargs))

    def submit_next_among(
        self, pool: ThreadPool, client_id: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        """The same, before all else of the client that waits there."""
        return self._submit(pool.submit_next, client_id, partial(work, *args, **kwargs))

    def _submit(
        self, submit: Callable[[str, Callable[[], R]], Future[R]], client_id: str, work: Callable[[], R]
    ) -> Future[R]:
        self.places.take(client_id)
        try:
            future = submit(client_id, work)
        except BaseException:
            self.places.give_back(client_id)
            raise
        # A request counts until its thread is done with it, even if its caller has gone away long before.
        future.add_done_callback(partial(self._leave, client_id))
        return future

    def _leave(self, client_id: str, _: Future[Any]) -> None:
        self.places.give_back(client_id)

    @property
    def in_flight(self) -> int:
        return self.places.taken

    @property
    def refused(self) -> int:
        """How many were refused since the start."""
        return self.places.refused

    def close(self) -> None:
        """Waits for what is at work on its own threads; what still waits for one is refused. It may be called again."""
        self.light.close()
