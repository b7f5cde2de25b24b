"""A heavy request worked on where it can be counted or timed: in this process, on the thread that asks.

Law: every step of a call runs inside `watched`, also those that a server gives to threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from remit.errors import RemitError
from remit.server.answering import respond, respond_each
from remit.server.call import Call
from remit.server.commit_notifier import CommitNotifier
from remit.server.limits.fair_quota import FairQuota
from remit.server.limits.thread_pool import ThreadPool
from remit.server.limits.work_queue import WorkQueue
from remit.server.streams import Stream
from remit.server.verb import Queue, Verb
from tests.support.simulation.heavy import HeavyWorld

Watched = Callable[[], AbstractContextManager[None]]

MESSAGES_TAKEN = 6  # of a stream's answers


def worked(
    verb: Verb[Any], world: HeavyWorld, messages: list[bytes], call: Call, watched: Watched = nullcontext
) -> RemitError | None:
    """How a request was refused; None where it was answered, or as much of it as is taken here."""
    try:
        if verb.is_stream:
            asyncio.run(_stream(verb, world, messages, call, watched))
        else:
            with watched():
                respond(verb, world.engine, messages[0], call)
    except RemitError as error:
        return error
    return None


async def _stream(verb: Verb[Any], world: HeavyWorld, messages: list[bytes], call: Call, watched: Watched) -> None:
    async def frames() -> AsyncIterator[bytes]:
        for message in messages:
            yield message

    queue = _QueueOnThisThread(watched)
    heavy = {Queue.READS: queue.light, Queue.WRITES: queue.light}
    remembered = FairQuota("remembered", world.limits.evaluation_bytes_max, "bytes that streams remember")
    stream = Stream(call, queue, heavy, queue.light, CommitNotifier(), remembered)
    given = 0
    async for _ in respond_each(verb, world.engine, frames(), stream):
        given += 1
        if given == MESSAGES_TAKEN:
            return


class _QueueOnThisThread(WorkQueue):
    """A queue whose work is done at once."""

    def __init__(self, watched: Watched) -> None:
        super().__init__("streams", threads=1, in_flight_max=1)
        self.light = _OnThisThread(watched)


class _OnThisThread(ThreadPool):
    """A pool without a thread of its own."""

    def __init__(self, watched: Watched) -> None:
        super().__init__("streams", threads=1)
        self._watched = watched

    def submit(self, client_id: str, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._watched():
            try:
                future.set_result(work(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # whoever asked gets it
                future.set_exception(error)
        return future

    submit_next = submit
