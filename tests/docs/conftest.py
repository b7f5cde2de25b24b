"""What pages are run against: a server with the shipped organisation in `default`, and a shell that knows it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from remit.cli.commands.example import write_example
from remit.cli.main import main
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.notation import parse_time
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.docs.consoles import Run
from tests.support.places import ROOT

NOW_US = parse_time("2026-06-01T12:00:00Z")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server as `make run` starts it; whatever a page says of 127.0.0.1:50051 goes there."""
    for name in [name for name in os.environ if name.startswith("REMIT_")]:
        monkeypatch.delenv(name)
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    write_example(engine)
    with BackgroundServer(engine) as server:
        monkeypatch.setattr("remit.client.sync.client.endpoint_of", lambda _: server.endpoint)
        yield server.endpoint
    engine.close()


@pytest.fixture
def run(example: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `remit` in the root of the checkout, as a page says it."""
    monkeypatch.chdir(ROOT)

    def remit(arguments: list[str]) -> tuple[int, str]:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out + err

    return remit
