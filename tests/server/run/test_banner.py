"""What stands in the banner: every choice that differs from the defaults, and whatever may surprise."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from remit import native_core as built
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.graph.native import available
from remit.server.frontend.frontend import FrontendChoice
from remit.server.limits.serve_limits import ServeLimits, flag_of, shown, size_text
from remit.server.net.listen import Address
from remit.server.run.banner import banner
from remit.server.run.config import Config
from remit.server.telemetry.log import LogFormat, LogLevel, RequestLog
from remit.server.telemetry.telemetry import Telemetry
from tests.support.keyed import Keyed, keyed_server

GRPC, HTTP = Address("127.0.0.1", 50051), Address("127.0.0.1", 8080)


def said(
    engine: Engine, config: Config, keyed: Keyed | None = None, http: Address | None = HTTP, *, http_api: bool = False
) -> str:
    ring = keyed.server.server.pipeline.gate.ring if keyed is not None else None
    return banner(engine, "nowhere", ring, None, config, GRPC, http, Telemetry(), http_api=http_api)


def test_a_server_as_it_comes_says_that_it_is_open_to_its_machine(engine: Engine) -> None:
    text = said(engine, Config())
    for line in (
        "  grpc    127.0.0.1:50051",
        "  http    http://127.0.0.1:8080",
        "  tls     none: what is sent can be read on its way",
        "  no keys: loopback only, and every caller holds every right",
        "  limits  the defaults, see `remit serve --help`",
        "  metrics /metrics, to everyone",
        "  traces  none: no OpenTelemetry SDK",
        "  logs    json, from level info, requests that take longer than 1000 ms, with their question",
    ):
        assert line in text.splitlines()
    assert "metrics" not in said(engine, Config(), http=None)
    assert "  json    none, no --http-api" in text.splitlines()
    assert "  json    answered over HTTP too, see /openapi.json" in said(engine, Config(), http_api=True).splitlines()


@pytest.mark.parametrize("field", fields(Limits), ids=lambda field: field.name)
def test_every_limit_of_a_request_that_differs_is_shown(engine: Engine, field: object) -> None:
    name = field.name  # type: ignore[attr-defined]
    usual = getattr(Limits(), name)
    text = said(engine, Config(limits=replace(Limits(), **{name: usual * 2})))
    assert f"    {flag_of(name)} {shown(name, usual * 2)} instead of {shown(name, usual)}" in text.splitlines()
    assert text.count(" instead of ") == 1


@pytest.mark.parametrize("field", fields(ServeLimits), ids=lambda field: field.name)
def test_every_limit_of_the_server_that_differs_is_shown(engine: Engine, field: object) -> None:
    name = field.name  # type: ignore[attr-defined]
    usual = getattr(ServeLimits(), name)
    text = said(engine, Config(serve_limits=replace(ServeLimits(), **{name: usual * 2 or 5.0})))
    assert f"    {flag_of(name)} {shown(name, usual * 2 or 5.0)} instead of {shown(name, usual)}" in text.splitlines()
    assert text.count(" instead of ") == 1


def test_it_says_who_answers_and_never_that_the_core_does_where_it_does_not(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = "  door    the native core listens, and answers checks by itself"
    leaves = "  door    the native core listens, and leaves every answer to Python: see docs/operate/frontend.md"
    without = f"  door    none, the native core is {built.absence()}: every request is answered in Python"
    assert (answers if available() else without) in said(engine, Config()).splitlines()
    for config in (Config(serve_limits=replace(ServeLimits(), rate_per_key=5.0)), Config(testing=True)):
        assert (leaves if available() else without) in said(engine, config).splitlines()
    off = Config(frontend=FrontendChoice.OFF)
    assert "  door    none, --front-door off: every request is answered in Python" in said(engine, off).splitlines()
    monkeypatch.setenv(built.SWITCH, "off")
    why = "switched off by `REMIT_NATIVE=off`"
    without = f"  door    none, the native core is {why}: every request is answered in Python"
    assert without in said(engine, Config()).splitlines()


def test_what_is_told_of_requests_is_shown(engine: Engine) -> None:
    config = Config(log_format=LogFormat.TEXT, log_level=LogLevel.WARNING, requests=RequestLog(every=True))
    assert "  logs    text, from level warning, every request" in said(engine, config).splitlines()
    text = said(engine, Config(store_bytes_max=2**30))
    assert "    --store-bytes-max 1GiB instead of 256GiB" in text.splitlines()


def test_with_keys_it_says_how_many_and_who_may_read_the_numbers(engine: Engine, tmp_path: Path) -> None:
    with keyed_server(tmp_path) as keyed:
        text = said(engine, Config(), keyed)
        assert f"  keys    {keyed.path} (1)" in text.splitlines()
        assert "  metrics /metrics, to keys with the right `audit`" in text.splitlines()
        assert "  metrics /metrics, to everyone" in said(engine, Config(open_metrics=True), keyed).splitlines()


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "1"), (1024, "1KiB"), (25_000, "25000"), (4 << 20, "4MiB"), (3 << 30, "3GiB"), (1 << 40, "1TiB"), (0, "0")],
)
def test_sizes_are_shown_whole_or_as_they_are(size: int, text: str) -> None:
    assert size_text(size) == text
