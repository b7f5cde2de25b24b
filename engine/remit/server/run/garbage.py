"""How long Python's collector of garbage stops everybody.

A full collection looks at every object there is, and nobody else runs meanwhile. A server that is written to remembers
some hundred thousand changes, by which questions are answered as of the revision they began at, and with those a look
took 0.2 to 0.4 s, once or twice a second while imports ran. So what a full collection has found to be in use is set
aside, where the next ones do not look, and once a minute they look at everything again: what was in use and became
garbage since, in a cycle, waits no longer than that. All else is freed as ever, when nobody refers to it.
At its end Python looks at everything twice more, and takes apart what refers to itself: half a second and more with
200,000 facts, and seconds among many who want a processor, after all was closed and with no watchdog any more.
Law: garbage is collected within `FULL_S` and the collection that follows; between two such, a collection costs what is
new."""

from __future__ import annotations

import atexit
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

FULL_S = 60.0

_OLDEST = 2  # the generation of a full collection


@contextmanager
def short_collections(clock_s: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Of this process, until the block ends. Where the graph is Python's it sets itself aside for good, and this would
    have it looked at again: see `graph/plain.py`."""
    full_due_s = clock_s() + FULL_S

    def look(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        nonlocal full_due_s
        if info["generation"] < _OLDEST:
            return
        if phase == "stop":
            gc.freeze()
        elif clock_s() >= full_due_s:
            full_due_s = clock_s() + FULL_S
            gc.unfreeze()

    gc.callbacks.append(look)
    try:
        yield
    finally:
        gc.callbacks.remove(look)
        gc.unfreeze()


def leave_all_at_exit() -> None:
    """When the process ends, leave its memory to the system as it is: what was to be closed is closed by then."""
    atexit.register(gc.freeze)
