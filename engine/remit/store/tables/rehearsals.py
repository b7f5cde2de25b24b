"""Whose turn it is to rehearse: dry runs are judged on their callers' threads, one at a time.

They take nothing from the writer but the processor, and that is bounded here: a dozen of them at once would have the
writer wait for Python's lock behind each, some 5 ms apiece, at every step that gives the lock away.
Law: at most one is at work, and clients take turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from remit.store.tables.write_queue import Turns


class Rehearsals:
    """Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Turns[_Waiting] = Turns(1)
        self._is_busy = False

    @contextmanager
    def turn(self, client_id: str) -> Iterator[None]:
        """Wait for one's turn, and have it until the block ends."""
        with self._lock:
            waiting = None
            if self._is_busy:
                waiting = _Waiting(client_id)
                self._waiting.put(waiting)
            self._is_busy = True
        if waiting is not None:
            waiting.gate.acquire()
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.take().gate.release()  # and stays busy
                else:
                    self._is_busy = False


class _Waiting:
    """Who waits for a turn. The gate is closed until it is theirs."""

    __slots__ = ("client_id", "gate")

    weight = 1  # one turn each: what it costs is only known afterwards

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.gate = threading.Lock()
        self.gate.acquire()
