"""The smallest world that has all parts, made once; and a server of Remit's own that holds nothing yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from bench.peers.world import PeerWorld
from bench.worlds import Sizes
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore

TINY = Sizes(4_500, group_members=50, folder_depth=8, chain_depth=3, wide_groups=20, questions=100)
TINY_FLAGS = ("--relationships", "4500", "--group-members", "50", "--folder-depth", "8", "--chain-depth", "3")
TINY_FLAGS += ("--wide-groups", "20", "--questions", "100", "--no-pin", "--generator", "asyncio")


@cache
def tiny_world() -> PeerWorld:
    return PeerWorld(TINY, 1)


@contextmanager
def empty_remit() -> Iterator[str]:
    """Its address."""
    clock = ManualClock()
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    try:
        with BackgroundServer(engine) as server:
            yield server.endpoint
    finally:
        engine.close()
