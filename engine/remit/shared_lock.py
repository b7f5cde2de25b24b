"""A lock that many may share or one may hold: checks share the graph, a commit holds it to apply its delta.

Law: whoever holds it is alone; one who waits to hold it is overtaken by nobody who comes later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Not reentrant, in either way. Cost: about a microsecond to share."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._waiting = 0
        self._held = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Share it with others who share it."""
        with self._changed:
            # Whoever waits to hold it goes first: a steady stream of checks must not starve a revoke.
            while self._held or self._waiting:
                self._changed.wait()
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                if not self._sharing:
                    self._changed.notify_all()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it alone."""
        with self._changed:
            self._waiting += 1
            while self._held or self._sharing:
                self._changed.wait()
            self._waiting -= 1
            self._held = True
        try:
            yield
        finally:
            with self._changed:
                self._held = False
                self._changed.notify_all()
