"""The threads that answer unary calls of the frontend: each takes a call, answers it, and takes the next.

A call comes with its whole request, so a thread waits for nobody but the engine, and no event loop stands in between:
that is what makes it some ten times cheaper than a call over grpcio. How many calls may wait, whose turn it is, and who
is refused is decided in the frontend (`dispatch/work_queue.rs`), as `limits/work_queue.py` decides it; everything else
about a call is the pipeline's. What is heavy, or turns out to be, the pipeline hands on to the few threads for that
(`limits/thread_pool.py`), which answer it: so a thread here is never long away, and what is small is soon begun.
Law: every call that was taken is answered once, and told once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from remit.precedence import python_lock
from remit.server.call import Call, call_of
from remit.server.error_mapping import status_parts
from remit.server.pipeline import Outcome, Pipeline
from remit.server.verb import Queue
from remit.server.verbs import UNARY

if TYPE_CHECKING:
    from remit import _core


@dataclass(frozen=True, slots=True)
class QueueThreads:
    """A work queue of the frontend: its number there, and how many threads it may have."""

    number: int
    name: str
    threads_max: int


class Dispatcher:
    """The threads of one frontend, from `start` until it is closed. A thread is started when there is a call for it and
    no other waits."""

    def __init__(self, native: _core.Frontend, queues: Sequence[QueueThreads], pipeline: Pipeline) -> None:
        self._native = native
        self._queues = queues
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self._threads: dict[str, list[threading.Thread]] = {queue.name: [] for queue in queues}

    def start(self) -> None:
        """Take calls from now on."""
        for queue in self._queues:
            self._start_another(queue)

    def join(self) -> None:
        """Wait for every thread to end, which they do once the frontend is closed."""
        for threads in self._threads.values():
            for thread in threads:
                thread.join()

    def _start_another(self, queue: QueueThreads) -> None:
        threads = self._threads[queue.name]
        if len(threads) >= queue.threads_max:
            return
        with self._lock:
            if len(threads) < queue.threads_max:
                name = f"remit-front-{queue.name}-{len(threads)}"
                threads.append(threading.Thread(target=self._run, args=(queue,), name=name, daemon=True))
                threads[-1].start()

    def _run(self, queue: QueueThreads) -> None:
        while self._answer_next(queue):
            pass  # each call's messages are forgotten with the frame that answered it

    def _answer_next(self, queue: QueueThreads) -> bool:
        """Whether there was a call: none comes any more once the frontend is closed."""
        taken = self._native.take(queue.number)
        if taken is None:
            return False
        number, metadata, peer, left_s, data, reply, others = taken
        if not others:
            self._start_another(queue)
        verb, call = UNARY[number], call_of(metadata, peer, left_s, reply.is_gone)
        with python_lock.working if verb.queue is Queue.READS else nullcontext():
            self._pipeline.answer(verb, metadata, call, data, reply.make_room, partial(_send, reply, call))
        return True


def _send(reply: _core.Reply, call: Call, outcome: Outcome) -> None:
    if isinstance(outcome, bytes):
        reply.answer(outcome)
    else:
        reply.refuse(status_parts(outcome), call.request_id)
