"""The command line, run in this process against a real server on a port of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from remit.cli.main import main
from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.cli_shell import FACTS, NOW_US, SCHEMA, Outcome, Shell, Typed


@pytest.fixture
def bare_shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell in which nothing listens and no environment variable says anything."""
    for name in [name for name in os.environ if name.startswith("REMIT_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, stdin: bytes | str | None = None) -> Outcome:
        monkeypatch.setattr("sys.stdin", Typed(stdin))
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run


@pytest.fixture
def engine() -> Iterator[Engine]:
    """What the server asks."""
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    yield engine
    engine.close()


@pytest.fixture
def empty_server(engine: Engine) -> Iterator[BackgroundServer]:
    with BackgroundServer(engine) as server:
        yield server


@pytest.fixture
def server(empty_server: BackgroundServer) -> BackgroundServer:
    """A server whose store holds SCHEMA and FACTS."""
    with Client(empty_server.endpoint) as client:
        client.write_schema(SCHEMA)
        client.touch(*FACTS)
    return empty_server


@pytest.fixture
def shell(server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell that knows the server."""
    monkeypatch.setenv("REMIT_ENDPOINT", server.endpoint)
    return bare_shell
