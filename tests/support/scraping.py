"""Reading a server's /metrics in tests, by the parser that `remit top` uses."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from remit.cli.metrics import Sample, parse_metrics
from remit.server.run.background import BackgroundServer
from tests.support.serving import PATIENCE_S


def fetched(server: BackgroundServer, path: str, token: str = "") -> tuple[int, str]:
    """Status and body."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(server.http_endpoint + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def scraped(server: BackgroundServer, token: str = "") -> Sample:
    status, body = fetched(server, "/metrics", token)
    assert status == 200, body
    return parse_metrics(body)


def refused(server: BackgroundServer, path: str, token: str = "") -> tuple[int, str]:
    """Status and reason."""
    status, body = fetched(server, path, token)
    told: dict[str, Any] = json.loads(body)
    return status, told["reason"]


def counts(sample: Sample, name: str) -> dict[str, int]:
    """A metric as `label=value,…` → count, without what is zero."""
    return {
        ",".join(f"{label}={value}" for label, value in labels): int(count)
        for labels, count in sample.values.get(name, {}).items()
        if count
    }
