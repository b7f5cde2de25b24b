"""A real engine on memory, behind a real gRPC server on a port of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from remit.client import Client
from remit.engine.facade import Engine
from remit.server.frontend.frontend import FrontendChoice
from remit.server.run import background
from remit.server.run.background import BackgroundServer
from tests.support.serving import SCHEMA, GatedEngine, opened

# The same suite over both ways in: `REMIT_FRONT_DOOR=on` puts the core's frontend before every server of it.
# Where the core is switched off as well (`REMIT_NATIVE=off`), there is none.
background.FRONTEND = FrontendChoice(os.environ.get("REMIT_FRONT_DOOR", background.FRONTEND))

# These are about the threads of Python, and use checks to fill them; or about a clock that only Python looks at.
_OF_PYTHON_S_ANSWERS = (
    "test_keys_share_and_not_their_connections",
    "test_a_limit_of_the_server_is_kept[readers]",
    "test_a_limit_of_the_server_is_kept[writers]",
    "test_a_limit_of_the_server_is_kept[stream_threads]",
    "test_a_slow_request_is_a_warning_that_names_the_question",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if background.FRONTEND is not FrontendChoice.OFF:
        for item in items:
            if item.name in _OF_PYTHON_S_ANSWERS:
                item.add_marker(pytest.mark.skip(reason="checks are answered by the frontend"))


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
