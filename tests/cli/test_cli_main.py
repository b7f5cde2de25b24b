"""Laws of the command line as a whole: every ending has a code and a sentence, and none is a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import remit
from remit.client import Client
from remit.server.run.background import BackgroundServer
from tests.support.cli_shell import Shell

COMMANDS = [
    *(
        "serve",
        "check",
        "expand",
        "write",
        "touch",
        "delete",
        "read",
        "import file",
        "import spicedb",
        "import openfga",
        "export",
        "validate",
        "demo",
        "version",
    ),
    *("schema write", "schema read", "schema check"),
]
ONLINE = [
    ["check", "a:b#c@d:e"],
    ["check", "a:b#c@d:e", "a:b#c@d:f"],
    ["expand", "a:b#c"],
    ["write", "a:b#c@d:e"],
    ["touch", "a:b#c@d:e"],
    ["delete", "a:b#c@d:e"],
    ["read"],
    ["export"],
    ["schema", "read"],
    ["demo"],
]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "remit.cli.main", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_json(bare_shell: Shell, command: str) -> None:
    outcome = bare_shell(*command.split(), "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"remit {command}" in outcome.out
    assert "--json" in outcome.out
    if command not in ("version", "demo"):
        assert "Example" in outcome.out


def test_the_program_lists_its_commands(bare_shell: Shell) -> None:
    outcome = bare_shell("--help")
    for command in COMMANDS:
        assert command.split()[0] in outcome.out
    assert bare_shell().code == 2


@pytest.mark.parametrize("arguments", ONLINE, ids=" ".join)
def test_where_no_server_answers_the_way_to_one_is_told(bare_shell: Shell, arguments: list[str]) -> None:
    outcome = bare_shell(*arguments, "--endpoint", "127.0.0.1:1")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "error: no server answers at `127.0.0.1:1`: start one with `remit serve`, "
        "or name another with --endpoint (UNAVAILABLE)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chek"], "no such command 'chek'"),
        (["check", "--expalin"], "--explain"),
        (["expand"], "missing argument 'SET'"),
        (["read", "--limit", "-1"], "invalid value for '--limit'"),
        (["serve", "--in-memory", "--data", "x"], "not both"),
        (["schema", "wirte"], "no such command 'wirte'"),
        (["check", "--timeout", "soon"], "'--timeout': `soon` should be a valid number"),
        (["serve", "--updates-max", "0"], "'--updates-max': `0` should be greater than or equal to 1"),
        (["serve", "--log-level", "loud"], "'--log-level': 'loud' is not one of 'debug'"),
        (["serve", "--tls-cert", "x.pem"], "error: TLS takes --tls-cert"),
    ],
)
def test_a_wrong_command_line_is_an_error_with_a_hint(bare_shell: Shell, arguments: list[str], says: str) -> None:
    outcome = bare_shell(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err
    assert "(USAGE)" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "a:b#c@d:e", "--at-least", ""],
        ["check", "a:b#c@d:e", "--at-exactly", ""],
        ["expand", "a:b#c", "--at-exactly", ""],
        ["read", "--at-least", ""],
        ["schema", "read", "--at-exactly", ""],
        ["export", "--cursor", ""],
        ["watch", "--from", ""],
    ],
    ids=" ".join,
)
def test_an_empty_token_is_not_taken_for_none(shell: Shell, arguments: list[str]) -> None:
    outcome = shell(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"'{arguments[-2]}': `` is empty" in outcome.err


@pytest.mark.parametrize("endpoint", ["localhost", "127.0.0.1:99999", "127.0.0.1:x", ":50051", "http://127.0.0.1:1"])
def test_what_is_no_endpoint_is_told_before_anybody_is_asked(bare_shell: Shell, endpoint: str) -> None:
    outcome = bare_shell("whoami", "--endpoint", endpoint)
    assert outcome.code == 2
    assert outcome.err == (
        f"error: `{endpoint}` is not an endpoint: write HOST:PORT, as in `127.0.0.1:50051` (INVALID_ARGUMENT)\n"
    )


def test_options_stand_before_the_command_or_after_it_and_after_wins(
    server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = ("check", "doc:plan#view@user:anne")
    nowhere = "127.0.0.1:1"
    assert bare_shell("--endpoint", server.endpoint, *question).code == 0
    assert bare_shell(*question, "--endpoint", server.endpoint).code == 0
    assert bare_shell("--endpoint", nowhere, *question, "--endpoint", server.endpoint).code == 0
    assert bare_shell("--endpoint", server.endpoint, *question, "--endpoint", nowhere).code == 2
    monkeypatch.setenv("REMIT_ENDPOINT", nowhere)
    assert bare_shell(*question).code == 2
    assert bare_shell("--endpoint", server.endpoint, *question).code == 0
    assert bare_shell(*question, "--endpoint", server.endpoint).code == 0


def test_the_store_comes_from_the_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMIT_STORE", "elsewhere")
    assert "(STORE_NOT_FOUND)" in shell("read").err
    assert shell("read", "--store", "default").code == 0


def test_a_token_is_not_shown_to_the_network(bare_shell: Shell) -> None:
    outcome = bare_shell("read", "--token", "secret", "--endpoint", "192.0.2.1:50051")
    assert outcome.code == 2
    assert "unencrypted" in outcome.err
    assert "secret" not in outcome.err


def test_version(bare_shell: Shell) -> None:
    said = bare_shell("version").out.splitlines()
    assert said[0] == f"remit {remit.__version__}"
    assert "native core" in said[1]
    assert bare_shell("--version").out == f"remit {remit.__version__}\n"
    (shape,) = bare_shell("version", "--json").json
    assert shape["version"] == remit.__version__
    assert (said[1] == f"native core {shape['core']}") == bool(shape["core"])


def test_a_bug_is_a_sentence_and_not_a_traceback(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of course")

    monkeypatch.setattr(Client, "check", broken)
    outcome = shell("check", "a:b#c@d:e")
    assert (outcome.code, outcome.out) == (2, "")
    assert "unexpected ZeroDivisionError: of course" in outcome.err and "(INTERNAL)" in outcome.err
    assert "Traceback" not in outcome.err
    monkeypatch.setenv("REMIT_DEBUG", "1")
    assert "Traceback" in shell("check", "a:b#c@d:e").err


def test_an_interrupt_is_130(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "check", interrupted)
    outcome = shell("check", "a:b#c@d:e")
    assert (outcome.code, outcome.out) == (130, "")


def test_a_reader_who_leaves_is_no_error_worth_a_word(server: BackgroundServer) -> None:
    with Client(server.endpoint) as client:
        client.touch(*(f"doc:{'x' * 900}{number}#viewer@user:zoe" for number in range(500)))
    process = subprocess.Popen(
        [sys.executable, "-m", "remit.cli.main", "export", "--endpoint", server.endpoint],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_shells_complete_commands() -> None:
    completed = run(_REMIT_COMPLETE="complete_bash", COMP_WORDS="remit ex", COMP_CWORD="1")
    assert completed.stdout.split() == ["expand", "export"]


def test_the_module_runs_as_a_program_too(tmp_path: Path) -> None:
    completed = run("schema", "check", str(tmp_path / "none.zed"))
    assert completed.returncode == 2
    assert completed.stderr.startswith("error: cannot read")
