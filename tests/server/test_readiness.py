"""/readyz says no, and why, whenever something could not be answered; /healthz says that the process lives."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from remit.client import Client, RemoteError
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import Delta
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.scraping import fetched, scraped
from tests.support.serving import NOW_US, PATIENCE_S, SCHEMA, GatedEngine


def readiness(server: BackgroundServer) -> tuple[int, dict[str, object]]:
    status, body = fetched(server, "/readyz")
    return status, json.loads(body)


def test_a_server_is_ready_until_it_drains(gated: GatedEngine) -> None:
    with (
        BackgroundServer(gated, http="127.0.0.1:0") as server,
        Client(server.endpoint) as client,
        ThreadPoolExecutor(2) as others,
    ):
        assert readiness(server) == (200, {"ready": True, "why": []})
        asked = others.submit(client.check, "folder:sub#view@user:ann", timeout_s=PATIENCE_S)
        assert gated.begun.get(timeout=PATIENCE_S) == "check"
        stopping = others.submit(server.stop, PATIENCE_S)
        while server.server.serving:
            assert not stopping.done()
        assert readiness(server) == (503, {"ready": False, "why": ["draining"]})
        assert fetched(server, "/healthz")[0] == 200
        assert scraped(server).one("remit_ready") == 0
        gated.gate.set()
        assert asked.result(PATIENCE_S).allowed
        assert stopping.result(PATIENCE_S)


def test_a_server_whose_writer_has_ended_says_so_and_goes_on_answering() -> None:
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us, fatal=lambda _: None), clock)
    engine.schemas.write("", SCHEMA)

    def fail(name: str, deltas: Sequence[Delta]) -> None:
        raise ZeroDivisionError("memory is not what the disk is")

    with BackgroundServer(engine, http="127.0.0.1:0") as server, Client(server.endpoint) as client:
        assert readiness(server)[0] == 200
        engine.loaded.after_commit.append(fail)
        with pytest.raises(RemoteError):
            client.touch("folder:top#viewer@user:ann")
        status, told = readiness(server)
        assert (status, told["ready"]) == (503, False)
        assert "memory is not what the disk is" in str(told["why"])
        assert fetched(server, "/healthz")[0] == 200
        client.check("folder:top#view@user:ann")
    engine.close()


PROGRAM = """
import sys
from remit.server.run.app import serve

serve(data=None, in_memory=True, grpc="127.0.0.1:0", http=sys.argv[1], prepare=lambda _: sys.stdin.readline(),
      ready=lambda endpoint: print("ready", endpoint, flush=True))
"""


def asked(http: str, path: str) -> tuple[int, str]:
    """Status and body; (0, "") where nobody answers yet."""
    try:
        with urllib.request.urlopen(f"http://{http}{path}", timeout=PATIENCE_S) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


@contextmanager
def loading() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that loads its store until it is given a line, and the address of its HTTP edge."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        http = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, http],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        tick = threading.Event()
        for _ in range(int(PATIENCE_S * 20)):
            if asked(http, "/healthz")[0]:
                break
            assert process.poll() is None
            tick.wait(0.05)
        yield process, http
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_server_that_loads_its_store_lives_and_is_not_ready() -> None:
    with loading() as (process, http):
        assert asked(http, "/healthz") == (200, "ok\n")
        assert asked(http, "/readyz") == (503, '{"ready": false, "why": ["loading"]}\n')
        status, body = asked(http, "/metrics")
        assert (status, json.loads(body)["reason"]) == (503, "STORE_UNAVAILABLE")
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert any(line.startswith("ready ") for line in process.stdout)
        assert asked(http, "/readyz") == (200, '{"ready": true, "why": []}\n')
        assert "remit_ready 1.0" in asked(http, "/metrics")[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_a_server_that_is_told_to_stop_while_it_loads_stops_at_once() -> None:
    with loading() as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
