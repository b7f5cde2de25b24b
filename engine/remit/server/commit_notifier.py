"""The bell: a commit in the writer's thread wakes whoever waits for it on the event loop.

However many wait, the writer pays for at most one call into the loop a batch; and the loop, having woken everybody,
rests from it as long as that took, so that at a storm of commits half of its time is left for requests.
Law: a commit that happens while somebody waits, or before they begin to, is heard; none is waited for in vain."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class Bell:
    """Of one event loop. `ring` may be called from any thread, all else belongs to the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._rung: set[str] = set()
        self._is_busy = False  # somebody is about to be woken, or the loop is resting from it
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def ring(self, store: str) -> None:
        """Cost: O(1), and next to nothing where nobody waits. Nobody hears it where the loop has ended."""
        if store not in self._waiting:
            return  # whoever begins to listen after this look finds the commit when it looks at the store
        with self._lock:
            self._rung.add(store)
            if self._is_busy:
                return
            self._is_busy = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear
            self._loop.call_soon_threadsafe(self._wake)

    @contextlib.contextmanager
    def heard(self, store: str) -> Iterator[asyncio.Event]:
        """An event that is set at each commit of a store. Clear it, then look at the store, then wait."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(store, set())
        waiting.add(event)
        try:
            yield event
        finally:
            waiting.discard(event)
            if not waiting:
                self._waiting.pop(store, None)

    @property
    def waiting(self) -> int:
        """How many listen."""
        return sum(map(len, self._waiting.values()))

    def _wake(self) -> None:
        with self._lock:
            rung, self._rung = self._rung, set()
        for store in rung:
            for event in self._waiting.get(store, ()):
                event.set()
        # Those who were woken take their step before this is called.
        self._loop.call_soon(self._rest, self._loop.time())

    def _rest(self, began_s: float) -> None:
        self._loop.call_later(self._loop.time() - began_s, self._listen)

    def _listen(self) -> None:
        with self._lock:
            if not self._rung:
                self._is_busy = False
                return
        self._wake()
