"""Wakes on the event loop whoever waits for a commit, which happens in another thread.

However many wait, the writer pays for at most one call into the loop a batch; and the loop, having woken everybody,
rests from it as long as that took, so that at a storm of commits half of its time is left for requests.
Law: a commit that happens while somebody waits, or before they begin to, wakes them; nobody waits for one in vain."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class CommitNotifier:
    """Of the event loop it is made on. `notify` may be called from any thread, all else belongs to the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._committed: set[str] = set()  # stores whose subscribers are still to be woken
        self._is_busy = False  # somebody is about to be woken, or the loop is resting from it
        self._subscribers: dict[str, set[asyncio.Event]] = {}

    def notify(self, store: str) -> None:
        """A store has committed. Cost: O(1), and next to nothing where nobody waits. Does nothing where the loop has
        ended."""
        if store not in self._subscribers:
            return  # whoever subscribes after this look finds the commit when it looks at the store
        with self._lock:
            self._committed.add(store)
            if self._is_busy:
                return
            self._is_busy = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: no subscriber is left
            self._loop.call_soon_threadsafe(self._wake)

    @contextlib.contextmanager
    def subscribed(self, store: str) -> Iterator[asyncio.Event]:
        """An event that is set at each commit of a store. Clear it, then look at the store, then wait."""
        event = asyncio.Event()
        subscribers = self._subscribers.setdefault(store, set())
        subscribers.add(event)
        try:
            yield event
        finally:
            subscribers.discard(event)
            if not subscribers:
                self._subscribers.pop(store, None)

    @property
    def waiting(self) -> int:
        """How many are subscribed."""
        return sum(map(len, self._subscribers.values()))

    def _wake(self) -> None:
        with self._lock:
            committed, self._committed = self._committed, set()
        for store in committed:
            for event in self._subscribers.get(store, ()):
                event.set()
        # Those who were woken take their step before this is called.
        self._loop.call_soon(self._rest, self._loop.time())

    def _rest(self, began_s: float) -> None:
        self._loop.call_later(self._loop.time() - began_s, self._end_rest)

    def _end_rest(self) -> None:
        with self._lock:
            if not self._committed:
                self._is_busy = False
                return
        self._wake()
