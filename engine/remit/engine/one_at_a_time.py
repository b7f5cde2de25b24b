"""What each caller may have done for it once at a time: a schema compiled.

To compile is CEL's work to a good part, which holds up all other threads for milliseconds at a stretch. One schema is a
caller's own affair; a dozen at once would be everybody's.
Law: of one caller one thread is in its turn; others wait for it, as long as somebody waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from remit.interrupt import Interrupt

_LOOK_S = 0.01


class OneAtATime:
    """The turns of all callers. Safe from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy: set[str] = set()

    @contextmanager
    def turn(self, client_id: str, interrupt: Interrupt) -> Iterator[None]:
        """Waits until nobody else is in the client's turn. Raises what the interrupt raises meanwhile."""
        with self._changed:
            while client_id in self._busy:
                interrupt()
                self._changed.wait(_LOOK_S)
            self._busy.add(client_id)
        try:
            yield
        finally:
            with self._changed:
                self._busy.discard(client_id)
                self._changed.notify_all()
