"""Ten million relationships through the server: imported over the wire, loaded by a restart, asked at the frontend.

Law: every answer is the world's, and a relationship costs at most 100 bytes of memory. `REMIT_TUPLES` makes it another
size; it prints what the rest took, which is this machine's. Half an hour, and some six gigabytes of disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from remit.client import Client
from remit.graph.native import available
from remit.model import Verdict
from tests.support.wide_world import SCHEMA, WideWorld

TUPLES = int(os.environ.get("REMIT_TUPLES", "10_000_000"))
DISK_BYTES_A_TUPLE = 800
STREAMS = 4  # so that a commit carries several requests
CHECKS = 600
BYTES_A_TUPLE_MAX = 100
PROGRESS_EVERY = 250_000


@contextmanager
def serving(data: Path) -> Iterator[tuple[str, int, float]]:
    """The address, the process, and how long it took to be ready."""
    command = [sys.executable, "-m", "remit.cli.main", "serve", "--json", "--grpc", "127.0.0.1:0", "--data", str(data)]
    began = time.monotonic()
    with (data.parent / "serve.log").open("a") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said, (data.parent / "serve.log").read_text()
        yield json.loads(said)["serving"], process.pid, time.monotonic() - began
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 0, (data.parent / "serve.log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def anonymous_bytes(pid: int) -> int:
    """The memory a process holds, its mapped files not counted."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("this system does not tell what memory a process uses")


def imported(endpoint: str, world: WideWorld) -> float:
    """How many seconds it took."""
    began = time.monotonic()
    done = [0] * STREAMS
    told = 0

    def stream(part: int) -> None:
        def progress(count: int) -> None:
            nonlocal told
            done[part] = count
            if sum(done) >= told + PROGRESS_EVERY:
                told = sum(done)
                print(f"  {told:>10,} of {world.facts:,}, {told / (time.monotonic() - began):,.0f}/s", flush=True)

        with Client(endpoint) as client:
            client.import_(world.told(part, STREAMS), progress=progress)

    with ThreadPoolExecutor(STREAMS) as streams:
        for _ in streams.map(stream, range(STREAMS)):
            pass
    assert sum(done) == world.facts
    return time.monotonic() - began


@pytest.mark.long
@pytest.mark.timeout(4 * 3_600)
def test_ten_million_are_loaded_and_answered_at_a_hundred_bytes_each(tmp_path: Path) -> None:
    world = WideWorld(TUPLES)
    if shutil.disk_usage(tmp_path).free < world.facts * DISK_BYTES_A_TUPLE:
        pytest.skip(f"{world.facts:,} relationships need {world.facts * DISK_BYTES_A_TUPLE / 2**30:.0f} GiB of disk")
    data = tmp_path / "data"
    with serving(data) as (endpoint, pid, _):
        empty_bytes = anonymous_bytes(pid)
        with Client(endpoint) as client:
            client.write_schema(SCHEMA)
        took_s = imported(endpoint, world)
        print(f"\n{world.facts:,} imported in {took_s:,.0f} s, {world.facts / took_s:,.0f}/s", flush=True)
    disk_bytes = sum(each.stat().st_blocks * 512 for each in data.rglob("*") if each.is_file())
    with serving(data) as (endpoint, pid, ready_s):
        each = (anonymous_bytes(pid) - empty_bytes) / world.facts
        print(f"ready after {ready_s:.1f} s; {each:.0f} bytes of memory, {disk_bytes / world.facts:.0f} of disk each")
        yes = 0
        with Client(endpoint) as client:
            for document, user in world.questions(CHECKS):
                answer = client.check(f"document:document-{document}#view@user:user-{user}")
                assert answer.verdict is (Verdict.YES if world.may_view(document, user) else Verdict.NO)
                yes += answer.allowed
        print(f"{CHECKS} checks, {yes} of them yes", flush=True)
        assert 0 < yes < CHECKS
        if available() and world.facts > 1_000_000:  # of fewer, what an empty server weighs is most
            assert each <= BYTES_A_TUPLE_MAX
