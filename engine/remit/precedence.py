"""Who goes first where several threads want Python's lock: a store's writer and the event loop, before all whose work
can wait.

The writer lets that lock go at each look into LMDB, at each row that it puts and for the disk, and has it back only
behind every thread that wants it too. What it does for a hold is some 0.5 ms of a processor; beside twenty busy threads
a commit took it 20 to 60 ms, and everybody whose write waits as long. The event loop takes one call of gRPC's in each
of its rounds, which took as long. So while either has something to do, who can wait does so at its next look (see
`interrupt`), which is milliseconds away. While a writer only waits for the disk, one of the others may work: Python
would run no more than one.
Law: who stands aside goes on in the end, however much the others have to do: one after the other, each after its
patience."""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable
from typing import Any

# So long a thread waits, alone: the next one's patience begins when it has gone on. A thread works some 5 ms between
# two looks, so that beside a writer who never ends a fifth of a processor is left to all others together, and half of
# one beside an event loop that never rests. Beside a slow disk nothing is lost.
PATIENCE_S = 0.02
SHORT_PATIENCE_S = 0.005


class Precedence:
    """Of the threads of one process. Safe from many threads: adding to a set and discarding are one step each."""

    def __init__(self) -> None:
        self._writing: set[int] = set()  # threads
        self._serving: set[int] = set()
        self._at_disk: set[int] = set()
        self._working: set[int] = set()  # that have something to do which can wait, and do not stand aside
        self._are_done = threading.Event()
        self._one_by_one = threading.Lock()
        # Of the thread that enters it, each: that it is a writer that wants to go on; that it waits for the disk, where
        # it is not `writing` in there; that it does what can wait.
        self.writing = _Among(self._writing, self._done)
        self.at_disk = _Among(self._at_disk, self._done)
        self.working = _Among(self._working)

    def selector(self) -> selectors.BaseSelector:
        """For an event loop, which goes first whenever it is awake."""
        return _Selector(_Among(self._serving, self._done))

    def _done(self) -> None:
        # Who clears this looks once more before it waits, and waits no longer than its patience.
        if not (self._writing or self._serving or self._at_disk or self._are_done.is_set()):
            self._are_done.set()

    def stand_aside(self) -> None:
        """For who is `working` and holds no lock that those may want who go first. Cost: a look at three sets where
        they have nothing to do."""
        if not (self._writing or self._serving or self._at_disk):
            return
        thread = threading.get_ident()
        if thread not in self._working:
            return
        self._working.discard(thread)
        try:
            if self._patience_s():
                with self._one_by_one:
                    self._are_done.clear()
                    if patience_s := self._patience_s():
                        self._are_done.wait(patience_s)
        finally:
            self._working.add(thread)

    def _patience_s(self) -> float:
        """Of a thread that is not at work: 0 where it may be."""
        if self._writing:
            return PATIENCE_S
        return SHORT_PATIENCE_S if self._serving or (self._at_disk and self._working) else 0.0


class _Among:
    """The thread that enters is among some until it leaves. One for all threads: by a generator each `with` would cost
    a microsecond, and a write has four."""

    __slots__ = ("_done", "_threads")

    def __init__(self, threads: set[int], done: Callable[[], None] = lambda: None) -> None:
        self._threads = threads
        self._done = done

    def enter(self) -> None:
        self._threads.add(threading.get_ident())

    __enter__ = enter

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        self._threads.discard(threading.get_ident())
        self._done()


class _Selector(selectors.DefaultSelector):
    """What an event loop waits by, which tells when it does."""

    def __init__(self, awake: _Among) -> None:
        super().__init__()
        self._awake = awake

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        self._awake.leave()
        try:
            return super().select(timeout)
        finally:
            self._awake.enter()

    def close(self) -> None:
        self._awake.leave()
        super().close()


python_lock = Precedence()
"""That of this process: Python's lock is one, however many stores and servers there are."""
