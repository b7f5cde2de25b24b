"""Whose turn it is to rehearse: dry runs are judged on their callers' threads, one at a time.

They take nothing from the writer but the processor and the threads they wait on, and both are bounded here. A dozen of
them at work at once would have the writer wait for Python's lock behind each, some 5 ms apiece, at every step that
gives the lock away; and one that waits keeps a thread from serving a hold.
Law: at most one is at work, and clients take turns; what is taken on is judged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from remit.store.tables.write_queue import Turns, refusal_of

# At work or waiting: half as many as the server has threads for writes, unless it is told otherwise.
REHEARSALS_MAX = 16


class Rehearsals:
    """Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Turns[_Waiting] = Turns(1)
        self._at_work: str | None = None  # by whom
        self.taken = 0  # at work or waiting

    @contextmanager
    def turn(self, client_id: str) -> Iterator[None]:
        """Wait for one's turn, and have it until the block ends. Raises StoreOverloaded, FairShareSpent."""
        with self._lock:
            if client_id:
                held = self._waiting.held(client_id) + (self._at_work == client_id)
                refusal = refusal_of("dry runs", REHEARSALS_MAX, self.taken, client_id, held)
                if refusal is not None:
                    raise refusal
            self.taken += 1
            waiting = _Waiting(client_id) if self._at_work is not None else None
            if waiting is not None:
                self._waiting.put(waiting)
            else:
                self._at_work = client_id
        if waiting is not None:
            waiting.gate.acquire()
        try:
            yield
        finally:
            with self._lock:
                self.taken -= 1
                self._at_work = None
                if self._waiting.lines:
                    following = self._waiting.take()
                    self._at_work = following.client_id
                    following.gate.release()


class _Waiting:
    """Who waits for a turn. The gate is closed until it is theirs."""

    __slots__ = ("client_id", "gate")

    weight = 1  # one turn each: what it costs is only known afterwards

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.gate = threading.Lock()
        self.gate.acquire()
