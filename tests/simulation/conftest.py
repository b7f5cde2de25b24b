"""One server for all who mean it ill: see `tests.support.simulation.hostile`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.simulation.hostile import Hostile, hostile_server


@pytest.fixture(scope="session")
def hostile_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with hostile_server(tmp_path_factory.mktemp("hostile")) as server:
        yield server


@pytest.fixture
def hostile(hostile_process: Hostile) -> Iterator[Hostile]:
    """The server, which must have outlived the test, and have failed at nothing."""
    yield hostile_process
    hostile_process.require_good()
    hostile_process.served.require_nothing_failed()
