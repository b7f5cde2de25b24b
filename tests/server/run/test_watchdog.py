"""A process that is told to stop ends, whatever hangs in it, and says where."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading

import grpc
import pytest

from remit.server.run import watchdog
from remit.server.run.watchdog import EXIT_CODE, Watchdog
from tests.support.serving import PATIENCE_S

PROGRAM = """
import ctypes, sys, threading
from remit.server.run import app, watchdog
from remit.server.run.config import Config

app._CLOSING_S, watchdog._LOCK_HELD_S = 0.2, 0.2

def hang(*_, **__):
    print("hangs", flush=True)
    threading.Event().wait()

def hang_with_the_lock(*_, **__):
    print("hangs", flush=True)
    while True:
        ctypes.PyDLL(None).sleep(1000)

def spoil(engine):
    if sys.argv[1] == "handler":
        engine.stores.list = hang
    else:
        engine.close = {"closing": hang, "lock": hang_with_the_lock}[sys.argv[1]]

sys.exit(app.serve(data=None, grpc="127.0.0.1:0", config=Config(grace_s=0.1), prepare=spoil,
                   ready=lambda address: print("ready", address, flush=True)))
"""


def test_it_barks_once_its_time_is_over_and_a_shorter_time_counts() -> None:
    ended: queue.Queue[int] = queue.Queue()
    beside = Watchdog(ended.put)
    beside.begin(10 * PATIENCE_S)
    beside.begin(0.01)
    beside.begin(10 * PATIENCE_S)
    assert ended.get(timeout=PATIENCE_S) == EXIT_CODE


def test_it_ends_the_process_where_nobody_reads_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: queue.Queue[int] = queue.Queue()
    reading = threading.Event()
    monkeypatch.setattr(watchdog.log, "critical", lambda *_, **__: reading.wait())
    monkeypatch.setattr(watchdog, "_LOG_S", 0.01)
    Watchdog(ended.put).begin(0.01)
    assert ended.get(timeout=PATIENCE_S) == EXIT_CODE
    reading.set()


def test_who_stops_in_time_is_left_alone() -> None:
    ended: queue.Queue[int] = queue.Queue()
    stopped = Watchdog(ended.put)
    stopped.begin(0.05)
    stopped.cancel()
    beside = Watchdog(ended.put)
    beside.begin(0.1)
    ended.get(timeout=PATIENCE_S)
    assert ended.empty()


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("what", ["handler", "closing", "lock"])
def test_a_process_that_hangs_ends_all_the_same_and_says_where(what: str, times: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, what], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        endpoint = next(line.split()[1] for line in process.stdout if line.startswith("ready "))
        with grpc.insecure_channel(endpoint) as channel:
            if what == "handler":
                asked = channel.unary_unary("/remit.v1.Stores/ListStores").future(b"", PATIENCE_S)
                assert process.stdout.readline() == "hangs\n" and not asked.done()
            for _ in range(times):
                process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == EXIT_CODE
    if what == "lock":  # nothing of Python could run any more
        assert "hang_with_the_lock" in errors
        return
    last = json.loads(errors.splitlines()[-1])
    assert (last["event"], last["level"], last["exit_code"]) == ("stop overdue", "critical", EXIT_CODE)
    assert any("Condition.wait" in place for place in last["at"])
