"""The whole process: it starts, tells where it is, stops in good order, and shares nothing with a second one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remit import native_core as built
from remit.client import Client
from remit.graph.native import available
from tests.support.serving import PATIENCE_S, SCHEMA

PROGRAM = """
import sys
from pathlib import Path
from remit.errors import RemitError
from remit.server.run.app import serve

data, grpc = sys.argv[1:]
try:
    sys.exit(
        serve(
            data=Path(data) if data else None,
            grpc=grpc,
            http="127.0.0.1:0",
            prepare=lambda engine: print("prepared", engine.stores.sizes(), flush=True),
            ready=lambda address: print("ready", address, flush=True),
        )
    )
except RemitError as error:
    print("refused", error.reason, error.message, flush=True)
    sys.exit(2)
"""


@contextmanager
def process(data: Path | str, grpc: str = "127.0.0.1:0") -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(data), grpc],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()


def lines_until_ready(started: subprocess.Popen[str]) -> tuple[list[str], str]:
    """What it printed, and its address."""
    assert started.stdout is not None
    lines = []
    for line in started.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("ready "):
            return lines, line.split()[1]
    raise AssertionError(f"it ended before it was ready: {lines}")


def ended(started: subprocess.Popen[str], number: signal.Signals) -> tuple[int, list[dict[str, object]]]:
    """Its exit code after the signal, and its log."""
    started.send_signal(number)
    _, errors = started.communicate(timeout=PATIENCE_S)
    return started.returncode, [json.loads(line) for line in errors.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_stops_when_told_to(number: signal.Signals) -> None:
    with process("") as started:
        lines, address = lines_until_ready(started)
        assert lines[0] == "prepared {'default': 0}"
        banner = "\n".join(lines)
        assert address in banner and "http://127.0.0.1:" in banner
        assert "no keys: loopback only, and every caller holds every right" in banner
        with Client(address) as client:
            assert list(client.read()) == []
        code, log = ended(started, number)
    assert code == 0
    if not available():
        said = log.pop(0)["event"]
        assert said.startswith(f"no native core ({built.absence()}): every request is answered in Python")
    events = [line["event"] for line in log]
    assert events[0] == "serving" and events[-1] == "stopped"
    assert log[events.index("signal")]["signal"] == number.name


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    with process(tmp_path / "data") as started:
        _, address = lines_until_ready(started)
        with Client(address) as client:
            client.write_schema(SCHEMA)
            token = client.touch("folder:top#viewer@user:ann")
        code, _ = ended(started, signal.SIGTERM)
    assert code == 0
    with process(tmp_path / "data") as started:
        lines, address = lines_until_ready(started)
        assert lines[0] == "prepared {'default': 1}"
        assert any("default (1 relationships)" in line for line in lines)
        with Client(address) as client:
            assert client.check("folder:top#view@user:ann", at_least=token).allowed
        ended(started, signal.SIGTERM)


def test_a_second_process_on_the_port_or_the_directory_is_refused(tmp_path: Path) -> None:
    with process(tmp_path / "data") as first:
        _, address = lines_until_ready(first)
        with process("", address) as second:
            out, _ = second.communicate(timeout=PATIENCE_S)
            assert (second.returncode, "refused ADDRESS_REFUSED" in out) == (2, True)
            assert "another server" in out
        with process(tmp_path / "data") as third:
            out, _ = third.communicate(timeout=PATIENCE_S)
            assert (third.returncode, "refused STORE_LOCKED" in out) == (2, True)
        with Client(address) as client:
            assert list(client.read()) == []


def test_without_keys_an_open_address_is_refused() -> None:
    with process("", "0.0.0.0:0") as started:
        out, _ = started.communicate(timeout=PATIENCE_S)
    assert (started.returncode, "refused ADDRESS_REFUSED" in out) == (2, True)
