"""Laws of `remit check --tool`: the arguments arrive byte for byte, and what is half said of a call is no question."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.client import Client
from remit.server.run.background import BackgroundServer
from tests.support.cli_shell import Shell

SCHEMA = """
use arguments
definition user {}
definition tool { relation may_use: user with arguments }
"""
USE = "tool:pay#may_use@user:anne"
GRANT = f'{USE}[arguments:{{"amount":{{"max":"100"}}}}]'


@pytest.fixture
def store(shell: Shell, server: BackgroundServer) -> tuple[str, ...]:
    """The options that name a store of the schema."""
    named = ("--store", "calls")
    assert shell("store", "create", "calls").code == 0
    with Client(server.endpoint, store="calls") as client:
        client.write_schema(SCHEMA)
        client.touch(GRANT)
    return named


@pytest.mark.parametrize(
    ("call", "code", "says"),
    [
        ((), 3, "conditional (missing: arguments)\n"),
        (("--tool", "pay", "--arguments", '{"amount":"99"}'), 0, "yes\n"),
        (("--tool", "pay", "--arguments", ' {"amount": "99"}\n', "--purpose", "invoices"), 0, "yes\n"),
        (("--tool", "pay", "--arguments", '{"amount":"101"}'), 1, "no\n"),
        (("--tool", "pay", "--arguments", "{}"), 1, "no\n"),
    ],
)
def test_a_check_is_of_the_call(
    shell: Shell, store: tuple[str, ...], call: tuple[str, ...], code: int, says: str
) -> None:
    outcome = shell("check", USE, *call, *store)
    assert (outcome.code, outcome.out, outcome.err) == (code, says, "")


def test_arguments_come_from_a_file_or_standard_input(shell: Shell, store: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "arguments.json"
    file.write_text('{"amount":"99"}\n')
    assert shell("check", USE, "--tool", "pay", "--arguments", f"@{file}", *store).out == "yes\n"
    assert shell("check", USE, "--tool", "pay", "--arguments", "-", *store, stdin='{"amount":"99"}').out == "yes\n"
    file.write_bytes(b'{"amount":"\xff"}')
    outcome = shell("check", USE, "--tool", "pay", "--arguments", f"@{file}", *store)
    assert outcome.err.rstrip().endswith("(INVALID_CALL)")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (("--tool", "pay"), "USAGE"),
        (("--arguments", "{}"), "USAGE"),
        (("--purpose", "invoices"), "USAGE"),
        (("--tool", "pay", "--arguments", "@/nowhere"), "FILE_UNREADABLE"),
        (("--tool", "pay", "--arguments", '{"amount":1.0}'), "INVALID_CALL"),
        (("--tool", "pay", "--arguments", '{"amount":[]}'), "CALL_UNJUDGEABLE"),
        (("--tool", "mail", "--arguments", '{"amount":"1"}'), "CALL_UNJUDGEABLE"),
    ],
)
def test_every_error_exits_with_two(shell: Shell, store: tuple[str, ...], call: tuple[str, ...], reason: str) -> None:
    outcome = shell("check", USE, *call, *store)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.rstrip().endswith(f"({reason})")


def test_questions_and_arguments_cannot_both_be_on_standard_input(shell: Shell, store: tuple[str, ...]) -> None:
    outcome = shell("check", "-", "--tool", "pay", "--arguments", "-", *store, stdin=USE)
    assert outcome.err.rstrip().endswith("(USAGE)")
