"""Laws of costs: a server's are those of all its processes, and no secret is kept with a result."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.peers.costs import Costs, flags_of, listener, version_of, without_secrets

ON_LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="costs are read from /proc")
# Works for 30 ms of processor time, says so, and waits to be told to end.
WORKER = "import sys, time\nwhile time.process_time() < 0.03: pass\nprint('done', flush=True)\nsys.stdin.read()"


@ON_LINUX
def test_the_cost_of_a_process_holds_that_of_its_children_living_and_ended() -> None:
    own = Costs((os.getpid(),))
    before = own.cpu_s()
    with subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.readline() == b"done\n"
        alone, living = Costs((child.pid,)).cpu_s(), own.cpu_s()
        assert alone is not None and before is not None and living is not None
        assert alone >= 0.02
        assert living >= before + 0.02
        bytes_of_both, bytes_of_child = own.resident_bytes(), Costs((child.pid,)).resident_bytes()
        assert bytes_of_both is not None and bytes_of_child is not None
        assert bytes_of_both > bytes_of_child > 0
    ended = own.cpu_s()
    assert ended is not None
    assert ended >= living, "what it did is not lost when it ends"
    assert Costs((child.pid,)).cpu_s() == 0


def test_the_cost_of_nobody_known_is_unknown() -> None:
    assert Costs(()).cpu_s() is None
    assert Costs(()).resident_bytes() is None


@ON_LINUX
def test_who_listens_is_found_and_who_does_not_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listener(f"127.0.0.1:{port}") == os.getpid()
    assert listener(f"127.0.0.1:{port}") is None
    assert listener("192.0.2.1:50051") is None


@ON_LINUX
def test_a_program_tells_its_version() -> None:
    assert version_of(os.getpid()).startswith("Python 3.")
    assert version_of(None) == "unknown"
    assert flags_of(os.getpid())
    assert flags_of(None) == []


@pytest.mark.parametrize(
    ("words", "kept"),
    (
        (["spicedb", "serve", "--grpc-preshared-key", "k"], ["spicedb", "serve", "--grpc-preshared-key", "***"]),
        (["--datastore-conn-uri=postgres://u:p@h/d", "--x=1"], ["--datastore-conn-uri=***", "--x=1"]),
        (["--authn-preshared-keys", "a,b", "-v"], ["--authn-preshared-keys", "***", "-v"]),
        (["run", "key"], ["run", "key"]),
    ),
)
def test_no_secret_is_kept(words: list[str], kept: list[str]) -> None:
    assert list(without_secrets(words)) == kept
