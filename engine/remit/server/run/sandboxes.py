"""Sandboxes: `remit serve --testing` gives every bearer token an empty store of its own, in memory.

So that tests of other programs run side by side against one server: each test makes up a token, and finds an empty
world in which it may do everything, other stores beside `default` included. There are no keys: any token is as good as
another, and one who sends none has the sandbox of those who send none.
Law: nothing of one sandbox shows in another; what a server was given for testing is gone when it stops."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from remit.engine.clock import Clock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import TooManySandboxes
from remit.server.call import AUTHORIZATION, Metadata
from remit.store.memory import MemoryStore


class Sandboxes:
    """An engine for each token that was ever shown, up to `count_max` of them. Safe from many threads."""

    def __init__(self, clock: Clock, limits: Limits, count_max: int) -> None:
        self._clock = clock
        self._limits = limits
        self._count_max = count_max
        self._lock = threading.Lock()
        self._engines: dict[bytes, Engine] = {}
        self._on_new: Callable[[Engine], None] | None = None

    def __len__(self) -> int:
        return len(self._engines)

    def on_new(self, listener: Callable[[Engine], None]) -> None:
        """Call `listener` with each engine that is made from now on. Once, before the first is."""
        assert self._on_new is None, "sandboxes have one listener"
        self._on_new = listener

    def of(self, metadata: Metadata) -> Engine:
        """The sandbox of the token that a request shows. Raises TooManySandboxes. Cost: one SHA-256, and some
        milliseconds for a token that is new."""
        shown = "\n".join(str(value) for key, value in metadata if key == AUTHORIZATION)
        name = hashlib.sha256(shown.encode()).digest()
        with self._lock:
            engine = self._engines.get(name)
            if engine is None:
                engine = self._engines[name] = self._made()
        return engine

    def close(self) -> None:
        """Forget all of them."""
        with self._lock:
            engines, self._engines = list(self._engines.values()), {}
        for engine in engines:
            engine.close()

    def _made(self) -> Engine:
        if len(self._engines) >= self._count_max:
            raise TooManySandboxes(
                f"{self._count_max} tokens have a store for testing already, which is all there are: start the server "
                "anew, or with a larger --sandboxes-max",
                name="sandboxes_max",
                limit=self._count_max,
                given=self._count_max + 1,
            )
        engine = Engine(MemoryStore(clock_us=self._clock.now_us), self._clock, self._limits)
        if self._on_new is not None:
            self._on_new(engine)
        return engine
