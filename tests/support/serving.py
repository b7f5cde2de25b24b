"""A real engine on memory, to be put behind a server; and one whose checks wait until they are let go."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.results import CheckResult, WriteResult
from remit.errors import RemitError
from remit.interrupt import Interrupt, TooHeavy, never_interrupted
from remit.model import Question
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore

NOW_US = 1_800_000_000_000_000

SCHEMA = """
use expiration

caveat small(amount int, most int) { amount <= most }

definition user {}

definition folder {
    relation parent: folder
    relation viewer: user | user with small | user with expiration
    permission view = viewer + parent->view
}
"""

# Who writes this is told of each permission that it mixes operators: some ten kilobytes.
# The same beside the agent schema, which has users of its own.
AGENT_SCHEMA = 'use import\nimport "remit:agents@1"\n' + SCHEMA.replace("definition user {}\n", "")

MIXED_SCHEMA = SCHEMA.replace(
    "permission view",
    "\n".join(f"relation r{n}: user\npermission p{n} = viewer + r{n} & viewer - r{n}" for n in range(100))
    + "\npermission view",
)

PATIENCE_S = 30.0  # what a test waits at most for something that should happen at once


def opened(engine: type[Engine] = Engine) -> Engine:
    clock = ManualClock(NOW_US)
    return engine(MemoryStore(clock_us=clock.now_us), clock)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what somebody else makes true, at once or nearly."""
    tick = threading.Event()
    for _ in range(int(PATIENCE_S * 1_000)):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError("it did not happen")


class GatedEngine(Engine):
    """A real engine whose checks and writes begin by saying so and go on when `gate` is opened.

    A waiting check asks its interrupt as an evaluation does. `endings` tells how each check ended."""

    core = None  # or the frontend would answer, and the gate is in Python

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gate = threading.Event()
        self.begun: queue.Queue[str] = queue.Queue()
        self.endings: queue.Queue[str] = queue.Queue()
        self._check, self._write = self.questions.check, self.relationships.write
        self.questions.check = self.check  # type: ignore[method-assign]
        self.relationships.write = self.write  # type: ignore[method-assign]

    def check(
        self, store: str, question: Question, *, interrupt: Interrupt = never_interrupted, **options: Any
    ) -> CheckResult:
        self.begun.put("check")
        try:
            self._wait(interrupt)
            result = self._check(store, question, interrupt=interrupt, **options)
        except RemitError as error:
            self.endings.put(error.reason)
            raise
        self.endings.put(result.verdict.name)
        return result

    def write(self, *arguments: Any, **options: Any) -> WriteResult:
        self.begun.put("write")
        self._wait(never_interrupted)
        return self._write(*arguments, **options)

    def _wait(self, interrupt: Interrupt) -> None:
        until = time.monotonic() + PATIENCE_S
        while not self.gate.wait(0.001):
            with contextlib.suppress(TooHeavy):  # what waits here is no work, however often it asks
                interrupt()
            assert time.monotonic() < until, "nobody opened the gate"


def health_watches(server: BackgroundServer) -> int:
    """How many watch health, behind the frontend and before it."""
    native = server.server.frontend
    return server.server.grpc.open_methods.watches + (native.stats()["strangers"] if native is not None else 0)
