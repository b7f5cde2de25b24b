"""Streams: how many are open, what a handler of one may ask for, and how one is ended from outside.

A stream has no thread. Its handler is an asynchronous generator on the event loop, which borrows a thread for each step
that reads the disk or computes, and otherwise waits.
Clients share the streams there may be as they share a queue: see `fair_quota`.
Law: a stream that is ended says why and where to go on; none outlives the drain of its server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from google.protobuf.message import Message

from remit.errors import Draining, MalformedRequest, TooManyStreams
from remit.interrupt import TooHeavy
from remit.server.call import Call
from remit.server.commit_notifier import CommitNotifier
from remit.server.limits.fair_quota import FairQuota, share
from remit.server.limits.thread_pool import ThreadPool
from remit.server.limits.work_queue import WorkQueue
from remit.server.verb import Queue

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Message)


class Stream:
    """One stream, as its handler sees it. `resume` is told with whatever ends it: a token, a cursor, a count."""

    # What a handler says of the message it is about to give becomes true in the moment it is handed to the transport,
    # which keeps the order: whoever reads the error has read the message.
    def __init__(
        self,
        call: Call,
        queue: WorkQueue,
        heavy: Mapping[Queue, ThreadPool],
        schemas: ThreadPool,
        notifier: CommitNotifier,
        remembered: FairQuota,
    ) -> None:
        self.call = call
        self.resume: dict[str, str] = {}
        self._next_resume: dict[str, str] = {}
        self._queue = queue
        self._heavy = heavy
        self._schemas = schemas
        self._notifier = notifier
        self._remembered = remembered
        self._remembered_bytes = 0
        self._is_over = False
        self._lock = threading.Lock()

    def will_resume(self, **where: str) -> None:
        """For the handler: where to go on once the message it gives next is on its way."""
        self._next_resume = where

    def sending(self) -> None:
        """For the transport: the message is about to be on its way."""
        self.resume |= self._next_resume

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A step on a thread of the work queue. One at a time, so that what thousands of streams want has an end."""
        return await asyncio.wrap_future(self._queue.submit(self.call.client_id, work, *args, **kwargs))

    async def run_heavy(self, queue: Queue, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A step on one of the threads for heavy reads or writes, for which it waits as such a request does."""
        return await self._run_among(self._heavy[queue], work, *args, **kwargs)

    async def run_schema(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A step that compiles a schema, on one of the threads for those."""
        return await self._run_among(self._schemas, work, *args, **kwargs)

    async def _run_among(self, pool: ThreadPool, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Every step has a place of the streams' queue, whichever threads it is done on."""
        return await asyncio.wrap_future(self._queue.submit_among(pool, self.call.client_id, work, *args, **kwargs))

    async def run_until_heavy(self, queue: Queue, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A step on a thread of the work queue, which begins again among the heavy where it turns out to be; further
        ones of this stream begin there, until it is `caught_up`. `work` raises TooHeavy, by the call's interrupt, as a
        unary call's does."""

        def lightly() -> R:
            self.call.begin()
            try:
                return work(*args, **kwargs)
            finally:
                self.call.end_step()

        if not self.call.is_heavy:
            with contextlib.suppress(TooHeavy):
                return await self.run(lightly)
        return await self.run_heavy(queue, work, *args, **kwargs)

    def caught_up(self) -> None:
        """What was much is done: what comes now may be little again."""
        self.call.is_heavy = False

    def submit_next(self, queue: Queue, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Such a step for who holds what others wait for: before all else of its caller."""
        return self._queue.submit_next_among(self._heavy[queue], self.call.client_id, work, *args, **kwargs)

    def remember(self, size: int) -> None:
        """Count what the stream keeps in memory from step to step, so many bytes more, until it is over. Raises
        Overloaded."""
        with self._lock:
            if not self._is_over:  # else what is kept goes with the step that is the last one
                self._remembered.take(self.call.client_id, size)
                self._remembered_bytes += size

    def let_go(self, size: int) -> None:
        """So many bytes of what was counted are kept no more."""
        with self._lock:
            if not self._is_over:
                self._remembered.give_back(self.call.client_id, size)
                self._remembered_bytes -= size

    def forget(self) -> None:
        """It is over."""
        with self._lock:
            self._is_over = True
            if self._remembered_bytes:
                self._remembered.give_back(self.call.client_id, self._remembered_bytes)

    def commits(self, store: str) -> contextlib.AbstractContextManager[asyncio.Event]:
        """An event that is set at each commit of a store; see `CommitNotifier.subscribed`."""
        return self._notifier.subscribed(store)


class Streams:
    """The streams of one server. All methods belong to its event loop."""

    def __init__(self, *, streams_max: int, per_key_max: int) -> None:
        self._streams_max = streams_max
        self._per_key_max = per_key_max
        self._open: set[Call] = set()
        self._by_client: Counter[str] = Counter()
        self._is_draining = False
        self.refused = 0

    def __len__(self) -> int:
        return len(self._open)

    @contextlib.contextmanager
    def opened(self, call: Call) -> Iterator[None]:
        """Count a stream while it is open; when its call is ended, the task that is in here is interrupted, and the
        CancelledError it gets means that `call.ended_by` is set. Raises TooManyStreams or Draining."""
        call.interrupt()
        self._require_room(call.client_id)
        task = asyncio.current_task()
        assert task is not None, "a stream is answered by a task"
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            if call in self._open:
                task.cancel()

        call.on_end = lambda: loop.call_soon_threadsafe(interrupt)
        self._open.add(call)
        self._by_client[call.client_id] += 1
        try:
            yield
        finally:
            self._open.discard(call)
            self._by_client[call.client_id] -= 1
            if not self._by_client[call.client_id]:
                del self._by_client[call.client_id]
            call.on_end = None

    def _require_room(self, client_id: str) -> None:
        if self._is_draining:
            raise _draining()
        if len(self._open) >= self._streams_max:
            self.refused += 1
            raise TooManyStreams(
                f"{self._streams_max} streams are open, which is all the server keeps at once: try again later, or "
                "elsewhere",
                name="streams_max",
                limit=self._streams_max,
                given=len(self._open) + 1,
            )
        held, free = self._by_client[client_id], self._streams_max - len(self._open)
        if held >= self._per_key_max:
            self.refused += 1
            raise TooManyStreams(
                f"{held} streams of this caller are open, which is all one may have at once: close some",
                name="streams_per_key_max",
                limit=self._per_key_max,
                given=held + 1,
            )
        if held > share(self._streams_max, free):
            self.refused += 1
            raise TooManyStreams(
                f"{held} streams of this caller are open, and the {free} that are left are for others: close some",
                name="streams_max",
                limit=self._streams_max,
                given=held + 1,
                free=free,
            )

    def drain(self) -> None:
        """End all, and take no more."""
        self._is_draining = True
        for call in list(self._open):
            call.end(_draining())


def _draining() -> Draining:
    return Draining("the server is about to stop: go on from the last message in a while, or elsewhere")


async def only_request(requests: AsyncIterator[M]) -> M:
    """The request of a stream that has one. Raises MalformedRequest."""
    async for request in requests:
        return request
    raise MalformedRequest("the stream ended before its request")
