"""Ten thousand connections that ask nothing: memory in proportion, and everybody who asks is answered."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import urllib.request

import pytest

from remit.cli.metrics import Sample, parse_metrics
from remit.client import Client
from tests.support.raw_http2 import Connection
from tests.support.serving import PATIENCE_S

CONNECTIONS = 10_000
# Measured: 17 KiB, all of it gRPC's own.
BYTES_EACH_MAX = 64 * 1024


def scraped(http: str) -> Sample:
    with urllib.request.urlopen(f"{http}/metrics", timeout=PATIENCE_S) as response:
        return parse_metrics(response.read().decode())


@pytest.mark.long
def test_ten_thousand_idle_connections_cost_little_and_keep_nobody_out() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CONNECTIONS + 500:
        pytest.skip(f"this machine lets a process open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    command = ["serve", "--in-memory", "--with-example", "--json", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "remit.cli.main", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None and server.stderr is not None
        endpoint = json.loads(server.stdout.readline())["serving"]
        http = next(line.split()[1] for line in server.stderr if line.strip().startswith("http "))
        before = scraped(http)
        connections = [Connection(endpoint) for _ in range(CONNECTIONS)]
        for each in connections:
            each.wait_until_open()
        full = scraped(http)
        assert full.one("process_open_fds") >= CONNECTIONS
        each_bytes = (
            full.one("process_resident_memory_bytes") - before.one("process_resident_memory_bytes")
        ) / CONNECTIONS
        print(f"{CONNECTIONS:,} idle connections, {each_bytes / 1024:.0f} KiB each")
        assert each_bytes < BYTES_EACH_MAX
        with Client(endpoint, timeout_s=PATIENCE_S) as client:
            for _ in range(100):
                assert client.check("tool:erp.pay#use@run:r-7")
        for each in connections:
            each.close()
        while scraped(http).one("process_open_fds") > 100:
            assert server.poll() is None
        with Client(endpoint, timeout_s=PATIENCE_S) as client:
            assert client.check("tool:erp.pay#use@run:r-7")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        server.terminate()
        server.communicate(timeout=PATIENCE_S * 2)
