"""A real engine on memory, behind a real gRPC server on a port of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from serving import SCHEMA, GatedEngine, opened

from remit.client import Client
from remit.engine import Engine
from remit.server import background
from remit.server.background import BackgroundServer
from remit.server.front_door import FrontDoorChoice

# The same suite over both ways in: `REMIT_FRONT_DOOR=on` puts the core's front door before every server of it.
background.FRONT_DOOR = FrontDoorChoice(os.environ.get("REMIT_FRONT_DOOR", background.FRONT_DOOR))


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = opened()
    yield engine
    engine.close()


@pytest.fixture
def gated() -> Iterator[GatedEngine]:
    """Has the schema and one fact; its gate is closed."""
    engine = opened(GatedEngine)
    assert isinstance(engine, GatedEngine)
    engine.gate.set()
    fill(engine)
    assert engine.begun.get_nowait() == "write"
    engine.gate.clear()
    yield engine
    engine.gate.set()
    engine.close()


def fill(engine: Engine) -> None:
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        client.write_schema(SCHEMA)
        client.touch("folder:top#viewer@user:ann", "folder:sub#parent@folder:top")


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    """A client of a server whose store has the schema and one fact."""
    fill(engine)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        yield client
