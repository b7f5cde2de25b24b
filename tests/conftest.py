"""What tests of several files share."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from remit.engine.limits import Limits
from remit.engine.upkeep import RETENTION_US
from remit.native_core import core
from tests.support.engines import EngineOfTest, EngineOpener
from tests.support.forms import FORMS, forms_of
from tests.support.seeds import FIRST_FRESH, Seeds, again, alone, shards_of

# How long an example takes, or its drawing, says more about the machine than about the law.
# With `REMIT_SEED` every run draws the same: a verdict is then about the commit alone.
settings.register_profile(
    "remit",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="REMIT_SEED" in os.environ,
)
settings.load_profile("remit")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--form", choices=FORMS, help="run what has a part in this form of the suite alone")
    parser.addoption("--seed", type=int, help="try random laws with this seed alone")


# --- forms: see tests/support/forms.py ----------------------------------------------------------------------------


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out, before it is even imported, what has no part in the form that is asked for."""
    if not fnmatch(collection_path.name, "test_*.py"):
        return None
    try:
        forms = forms_of(collection_path)
    except LookupError as missing:
        raise pytest.UsageError(str(missing)) from None
    form = config.getoption("--form")
    return True if form is not None and form not in forms else None


# --- seeds: see tests/support/seeds.py ----------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if mark := metafunc.definition.get_closest_marker("seeds"):
        seed = metafunc.config.getoption("--seed")
        shards = shards_of(*mark.args, **mark.kwargs) if seed is None else alone(seed)
        metafunc.parametrize("seeds", shards, ids=lambda shard: shard.name)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """One that nobody has tried, unless REMIT_SEED or `--seed` says which."""
    chosen = request.config.getoption("--seed")
    return FIRST_FRESH if chosen is None else chosen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure says which seed it was, and how to try it again."""
    report = yield
    if report.failed:
        seeds = item.funcargs.get("seeds")
        failing = seeds.current if isinstance(seeds, Seeds) else item.funcargs.get("seed")
        if failing is not None:
            report.sections.append(("seed", again(item.nodeid, failing)))
    return report


# --- the native core -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_panic_of_the_core() -> Iterator[None]:
    """What the core leaves to Python because it panicked has the right answer, and is a mistake all the same."""
    before = core.panics() if core is not None else 0
    yield
    assert core is None or core.panics() == before, "the core panicked, and left the answer to Python: see stderr"


# --- engines ------------------------------------------------------------------------------------------------------


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
