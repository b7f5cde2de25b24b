"""What tests of several files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from remit.engine.limits import Limits
from remit.engine.upkeep import RETENTION_US
from tests.support.engines import EngineOfTest, EngineOpener

# How long an example takes, or its drawing, says more about the machine than about the law.
# With `REMIT_SEED` every run draws the same: a verdict is then about the commit alone.
settings.register_profile(
    "remit",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="REMIT_SEED" in os.environ,
)
settings.load_profile("remit")


@pytest.fixture(params=["lmdb", "memory"])
def open_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineOpener]:
    """Opens an engine over either store; each keeps its laws to the end, and is closed."""
    opened: list[EngineOfTest] = []

    def opener(limits: Limits | None = None, retention_us: int = RETENTION_US) -> EngineOfTest:
        opened.append(EngineOfTest(request.param, tmp_path / f"data-{len(opened)}", limits, retention_us))
        return opened[-1]

    yield opener
    for each in opened:
        each.check_laws()
        each.engine.close()


@pytest.fixture
def engine(open_engine: EngineOpener) -> EngineOfTest:
    return open_engine()
