"""Whose turn it is to rehearse: dry runs are judged on their callers' threads, one at a time.

They take nothing from the writer but the processor and the threads they wait on, and both are bounded here. A dozen of
them at work at once would have the writer wait for Python's lock behind each, some 5 ms apiece, at every step that
gives the lock away; and one that waits keeps a thread from serving a hold.
Law: at most one is at work, and clients take turns; what is taken on is judged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from remit.interrupt import Interrupt, never_interrupted
from remit.store.tables.write_queue import Turns, refusal_of

# At work or waiting. No flag, as the length of the writer's queue is none: how many a server has at once is decided by
# its threads for heavy writes (`heavy_writers`), each of which judges one. This is for who asks a store in the process,
# and for a server that was given so many threads that dry runs could keep them all.
REHEARSALS_MAX = 16

_LOOK_S = 0.05  # how often one that waits asks whether to


class Rehearsals:
    """Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Turns[_Waiting] = Turns(1)
        self._at_work: str | None = None  # by whom
        self.taken = 0  # at work or waiting

    @contextmanager
    def turn(self, client_id: str, interrupt: Interrupt = never_interrupted) -> Iterator[None]:
        """Wait for one's turn, and have it until the block ends. Raises StoreOverloaded, FairShareSpent, and what
        `interrupt` raises while it waits."""
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
        try:
            if waiting is not None:
                self._wait(waiting, interrupt)
            yield
        finally:
            with self._lock:
                self.taken -= 1
                if waiting is None or waiting.has_turn:
                    self._pass_on()

    def _wait(self, waiting: _Waiting, interrupt: Interrupt) -> None:
        while not waiting.gate.acquire(timeout=_LOOK_S):
            try:
                interrupt()
            except BaseException:
                with self._lock:
                    if not waiting.has_turn:
                        self._waiting.remove(waiting)
                raise

    def _pass_on(self) -> None:
        self._at_work = None
        if self._waiting.lines:
            following = self._waiting.take()
            self._at_work = following.client_id
            following.has_turn = True
            following.gate.release()


class _Waiting:
    """Who waits for a turn. The gate is closed until it is theirs."""

    __slots__ = ("client_id", "gate", "has_turn")

    weight = 1  # one turn each: what it costs is only known afterwards

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.gate = threading.Lock()
        self.gate.acquire()
        self.has_turn = False
