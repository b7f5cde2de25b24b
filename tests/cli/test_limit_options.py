"""Laws of the options that set limits: each limit has one, by its name, and what is given is what the server gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

import remit.server.run.app
from remit.cli.arguments.limit_options import HELP, parse_size
from remit.engine.limits import MIB, Limits
from remit.server.limits.serve_limits import ServeLimits, flag_of, shown, size_text
from remit.server.run.config import Config
from remit.server.telemetry.log import LogFormat, LogLevel, RequestLog
from remit.store.lmdb.lmdb_store import MAP_SIZE_BYTES
from tests.support.cli_shell import Shell

NAMES = [*(field.name for field in fields(Limits)), *(field.name for field in fields(ServeLimits))]


@pytest.fixture
def serves(monkeypatch: pytest.MonkeyPatch, bare_shell: Shell) -> Callable[..., Config]:
    """What the server would be started with."""
    taken: list[dict[str, Any]] = []

    def serve(**chosen: Any) -> int:
        taken.append(chosen)
        return 0

    monkeypatch.setattr(remit.server.run.app, "serve", serve)

    def run(*arguments: str) -> Config:
        outcome = bare_shell("serve", "--in-memory", *arguments)
        assert outcome.code == 0, outcome.err
        config = taken.pop()["config"]
        assert isinstance(config, Config)
        return config

    return run


def test_every_limit_says_what_it_is_for_and_no_other_is_told_of() -> None:
    assert sorted(HELP) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    assert all(text.endswith(".") for text in HELP.values())


def test_the_help_names_every_limit_with_its_default(bare_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    told = bare_shell("serve", "--help").out
    for kind in (Limits, ServeLimits):
        for field in fields(kind):
            (line,) = [line for line in told.splitlines() if f" {flag_of(field.name)} " in line]
            assert f"Default {shown(field.name, getattr(kind(), field.name))}." in line
    assert f"Default {size_text(MAP_SIZE_BYTES)}." in told


def test_without_options_everything_is_as_it_comes(serves: Callable[..., Config]) -> None:
    assert serves() == Config()


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_that_is_given_is_the_one_that_the_server_keeps(serves: Callable[..., Config], name: str) -> None:
    kind = Limits if name in {field.name for field in fields(Limits)} else ServeLimits
    value = getattr(kind(), name) * 3 or 3.0
    config = serves(flag_of(name), str(value))
    expected = Config(limits=replace(Limits(), **{name: value})) if kind is Limits else None
    assert config == (expected or Config(serve_limits=replace(ServeLimits(), **{name: value})))


def test_what_a_server_tells_is_chosen_likewise(serves: Callable[..., Config]) -> None:
    assert serves("--log-format", "text", "--log-level", "debug", "--log-requests", "--slow-ms", "250") == Config(
        log_format=LogFormat.TEXT, log_level=LogLevel.DEBUG, requests=RequestLog(every=True, slow_s=0.25)
    )
    assert serves("--slow-ms", "0").requests.slow_s is None
    assert serves("--open-metrics").open_metrics
    assert serves("--store-bytes-max", "3GiB").store_bytes_max == 3 << 30
    assert serves("--grace-s", "0").grace_s == 0
    assert serves("--drain-delay", "2.5").drain_delay_s == 2.5


@pytest.mark.parametrize(
    "arguments",
    [
        ("--updates-max", "0"),
        ("--updates-max", "many"),
        ("--rate-per-key", "-1"),
        ("--schema-bytes-max", "0"),
        ("--schema-bytes-max", "4 parsecs"),
        ("--request-bytes-max", "2GiB"),
        ("--response-bytes-max", "2GiB"),
        ("--idle-connection-s", "0"),
        ("--log-level", "loud"),
        ("--slow-ms", "-5"),
        ("--drain-delay", "-1"),
    ],
)
def test_a_limit_that_cannot_be_is_a_usage_error(bare_shell: Shell, arguments: tuple[str, str]) -> None:
    outcome = bare_shell("serve", "--in-memory", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "(USAGE)" in outcome.err


@given(st.integers(1, 1 << 50))
def test_a_size_that_is_shown_is_read_as_it_was(size: int) -> None:
    assert parse_size(size_text(size)) == parse_size(str(size)) == parse_size(size) == size


@given(st.text(max_size=12))
def test_whatever_is_written_is_a_size_or_refused(text: str) -> None:
    try:
        assert parse_size(text) > 0
    except typer.BadParameter:
        return


def test_sizes_may_be_written_as_people_do() -> None:
    assert parse_size("4mib") == parse_size("4M") == parse_size("4 MiB") == 4 * MIB
