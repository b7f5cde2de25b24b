"""Sandboxes: `remit serve --testing` gives every bearer token an empty store of its own, in memory.

So that tests of other programs run side by side against one server: each test makes up a token, and finds an empty
world in which it may do everything, other stores beside `default` included. There are no keys: any token is as good as
another, and one who sends none has the sandbox of those who send none. Where there are as many as may be, those whose
token nobody has shown for an hour, and that nobody watches, are let go of: suites make up tokens for as long as the
server stands.
Law: nothing of one sandbox shows in another; what a server was given for testing is gone when it stops."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

from remit.engine.clock import Clock
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import TooManySandboxes
from remit.server.call import AUTHORIZATION, Metadata
from remit.store.memory import MemoryStore

IDLE_S = 3_600.0  # longer than a test that waits for something, or a person at a debugger


class Sandboxes:
    """An engine for each token that was shown, up to `count_max` of them. Safe from many threads."""

    def __init__(
        self, clock: Clock, limits: Limits, count_max: int, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._count_max = count_max
        self._lock = threading.Lock()
        self._clock_s = clock_s
        self._engines: dict[bytes, Engine] = {}
        self._shown_s: dict[bytes, float] = {}  # when each token was shown last, the one of longest ago first
        self._on_new: Callable[[Engine], object] | None = None

    def __len__(self) -> int:
        return len(self._engines)

    def on_new(self, listener: Callable[[Engine], object]) -> None:
        """Call `listener` with each engine that is made from now on. Once, before the first is."""
        assert self._on_new is None, "sandboxes have one listener"
        self._on_new = listener

    def of(self, metadata: Metadata) -> Engine:
        """The sandbox of the token that a request shows. Raises TooManySandboxes. Cost: one SHA-256, and some
        milliseconds for a token that is new."""
        shown = "\n".join(str(value) for key, value in metadata if key == AUTHORIZATION)
        name = hashlib.sha256(shown.encode()).digest()
        idle: list[Engine] = []
        with self._lock:
            now_s = self._clock_s()
            engine = self._engines.get(name)
            if engine is None:
                idle = self._let_go(now_s)
                engine = self._engines[name] = self._made()
            self._shown_s.pop(name, None)
            self._shown_s[name] = now_s
        for each in idle:
            each.close()
        return engine

    def _let_go(self, now_s: float) -> list[Engine]:
        """The engines of idle tokens, taken out of the table where all places are taken: the caller closes them."""
        idle: list[Engine] = []
        while len(self._engines) >= self._count_max:
            name, shown_s = next(iter(self._shown_s.items()))
            if now_s - shown_s < IDLE_S:
                break
            del self._shown_s[name]
            if self._engines[name].streams.is_watched:
                self._shown_s[name] = now_s  # a watch shows its token once, and goes on
                continue
            idle.append(self._engines.pop(name))
        return idle

    def close(self) -> None:
        """Forget all of them."""
        with self._lock:
            engines, self._engines, self._shown_s = list(self._engines.values()), {}, {}
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
