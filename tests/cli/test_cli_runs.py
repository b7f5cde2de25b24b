"""Laws of `remit run` and `remit consent`: what is printed can be gone on with, and a tree shows who holds what."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.client import Client
from remit.server.run.background import BackgroundServer
from tests.support.agent_world import FACTS
from tests.support.agent_world import SCHEMA as AGENTS
from tests.support.cli_shell import Shell


@pytest.fixture
def office(empty_server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    with Client(empty_server.endpoint) as client:
        client.write_schema(AGENTS)
        client.touch(*FACTS)
    monkeypatch.setenv("REMIT_ENDPOINT", empty_server.endpoint)
    return bare_shell


def spawned(office: Shell, delegator: str = "user:anne", *more: str) -> str:
    outcome = office("run", "spawn", delegator, "payer.2", "-p", "pay", *more)
    assert outcome.code == 0, outcome.err
    (id,) = outcome.lines
    return id


def test_what_a_spawn_prints_is_what_a_check_takes(office: Shell) -> None:
    run = spawned(office, "user:anne", "--lifetime", "15m", "--bind", "invoice=881", "--bind-json", "copies=2")
    assert office("check", f"tool:erp.pay#use@run:{run}").code == 0
    (shown,) = office("run", "show", f"run:{run}", "--json").json
    assert shown["bindings"] == {"invoice": "881", "copies": 2}
    assert [each["object"] for each in shown["chain"]] == [
        f"run:{run}", "agent_version:payer.2", "agent:payer", "user:anne",
    ]  # fmt: skip
    assert all(each["live"] for each in shown["chain"])


def test_a_tree_shows_each_run_below_its_delegator_with_who_holds_what(office: Shell) -> None:
    top = spawned(office)
    below = spawned(office, f"run:{top}", "--intent", "small")
    deepest = spawned(office, f"run:{below}")
    office("hold", f"run:{below}", "--id", "incident-42")
    lines = office("run", "tree", "user:anne").lines
    assert lines[0] == "user:anne"
    assert [line.index(run) for line, run in zip(lines[1:], (top, below, deepest), strict=True)] == [4, 8, 12]
    assert "about small" in lines[2] and "held by incident-42" in lines[2]
    assert "holds pay" in lines[1]
    assert len(office("run", "tree", top).lines) == 3
    cut = office("run", "tree", "user:anne", "--limit", "2")
    assert (len(cut.lines), "more than 2" in cut.err) == (3, True)
    assert "more than" not in office("run", "tree", "user:anne", "--limit", "3").err


def test_runs_are_listed_by_what_is_asked(office: Shell) -> None:
    top = spawned(office)
    below = spawned(office, f"run:{top}")
    office("terminate", f"run:{below}")
    assert len(office("run", "list").lines) == 3
    assert [each["id"] for each in office("run", "list", "--living", "--json").json] == [top]
    assert [each["id"] for each in office("run", "list", "--below", f"run:{top}", "--json").json] == [below]
    assert office("run", "list", "--version", "payer.3", "--json").json == []


def test_a_run_is_renewed_narrowed_and_declares(office: Shell) -> None:
    run = spawned(office, "user:anne", "--lifetime", "1m")
    (renewed,) = office("run", "renew", run, "--lifetime", "2m", "--json").json
    assert renewed["ends_at"] == "2027-01-01T00:02:00Z"
    assert office("run", "narrow", run, "small").code == 0
    refused = office("run", "narrow", run, "tell")
    assert (refused.code, "covers `tool:erp.pay`" in refused.err) == (2, True)
    assert "about" not in office("run", "declare", run, "pay").out


def test_a_dry_run_lists_the_excess_and_a_spawn_names_it(office: Shell) -> None:
    asked = ("run", "spawn", "user:anne", "payer.2", "--profile", "tell")
    dry = office(*asked, "--dry-run")
    assert (dry.code, dry.lines) == (1, ["tool:mail.send"])
    refused = office(*asked)
    assert (refused.code, refused.out) == (2, "")
    assert "tool:mail.send" in refused.err
    assert office("run", "spawn", "user:anne", "payer.2", "-p", "pay", "--dry-run").out == ""
    assert office("run", "list", "--json").json == []


def test_a_session_prints_the_run_that_lives(office: Shell) -> None:
    assert spawned(office, "user:anne", "--session", "s") == spawned(office, "user:anne", "--session", "s")


@pytest.mark.parametrize("binding", [("--bind", "invoice"), ("--bind-json", "n=abc"), ("--bind-json", "n=[1]")])
def test_a_binding_that_is_none_is_told(office: Shell, binding: tuple[str, str]) -> None:
    refused = office("run", "spawn", "user:anne", "payer.2", "-p", "pay", *binding)
    assert (refused.code, refused.out) == (2, "")
    assert binding[1].split("=")[-1] in refused.err


def test_consent_is_given_withdrawn_and_listed(office: Shell) -> None:
    (id,) = office("consent", "give", "user:ben", "payer").lines
    run = spawned(office, "user:ben")
    assert office("consent", "withdraw", id).code == 0
    assert office("check", f"tool:erp.pay#use@run:{run}").code == 1
    assert [line.split() for line in office("consent", "list", "user:ben").lines[1:]] == [[id, "withdrawn", "payer"]]


def test_what_nobody_has_heard_of_is_told(office: Shell, tmp_path: Path) -> None:
    for command in (("show", "r-9"), ("renew", "r-9"), ("narrow", "r-9", "pay"), ("declare", "r-9", "pay")):
        assert "`run:r-9`" in office("run", *command).err
    assert "`never`" in office("consent", "withdraw", "never").err
