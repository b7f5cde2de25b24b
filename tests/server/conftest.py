"""A real engine on memory, behind a real gRPC server on a port of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from remit.client import Client
from remit.clock import ManualClock
from remit.engine import Engine
from remit.server.background import BackgroundServer
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


def opened() -> Engine:
    clock = ManualClock(NOW_US)
    return Engine(MemoryStore(clock_us=clock.now_us), clock)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = opened()
    yield engine
    engine.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    """A client of a server whose store has the schema and one fact."""
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        client.touch("folder:top#viewer@user:ann", "folder:sub#parent@folder:top")
        yield client
