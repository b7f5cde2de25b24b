"""`remit orphans`, `transfer`, `impact`, a dry run of `hold`: a leaver is seen first, and handed over in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.client import Client
from remit.server.run.background import BackgroundServer
from tests.support import agent_world
from tests.support.cli_shell import Shell

TWELVE = [f"agent:bot-{each:02}" for each in range(12)]
CHAIN = (
    "run:top#delegated_by@user:anne",
    "run:top#spawned_by@credential:local",
    "consent:c#run@run:top",
    *(f"run:w{each}#delegated_by@run:top" for each in range(7)),
    *(f"run:{each}#instance_of@agent_version:payer.2" for each in ("top", *(f"w{each}" for each in range(7)))),
)


@pytest.fixture
def office(empty_server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    with Client(empty_server.endpoint) as client:
        client.write_schema(agent_world.SCHEMA)
        client.touch(*agent_world.FACTS, *CHAIN)
        for each in TWELVE:
            client.touch(f"{each}#registered@directory:agents", f"{each}#owner@user:cora")
        client.touch("user:cora#registered@directory:people")
    monkeypatch.setenv("REMIT_ENDPOINT", empty_server.endpoint)
    return bare_shell


def test_a_leaver_is_seen_first_and_handed_over_in_one_command(office: Shell) -> None:
    assert office("orphans").out == ""
    seen = office("orphans", "--leaving", "user:cora")
    assert seen.lines[:2] == ["WHAT          OWNERS", "agent:bot-00  user:cora"]
    assert [line.split()[0] for line in seen.lines[1:]] == TWELVE
    assert "12 agents and systems would have no owner without `user:cora`" in seen.err
    rehearsed = office("transfer", "--from", "user:cora", "--to", "user:ben", "--dry-run")
    assert (rehearsed.lines, "nothing was changed" in rehearsed.err) == (TWELVE, True)
    done = office("transfer", "--from", "user:cora", "--to", "user:ben", "--reason", "leaves")
    assert (done.code, done.lines) == (0, TWELVE)
    assert office("orphans", "--leaving", "user:cora").out == ""
    assert "no agents and no systems would have no owner" in office("orphans", "--leaving", "user:cora").err


def test_some_are_handed_over(office: Shell) -> None:
    some = ("--only", "agent:bot-03", "--only", "agent:bot-01")
    assert office("transfer", "--from", "user:cora", "--to", "user:ben", *some).lines == [
        "agent:bot-01",
        "agent:bot-03",
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("transfer", "--from", "user:cora", "--to", "user:dora"), "OBJECT_UNKNOWN"),
        (("transfer", "--from", "user:ben", "--to", "user:cora"), "NOT_OWNED"),
        (("transfer", "--from", "user:cora", "--to", "user:cora"), "INVALID_ARGUMENT"),
        (("transfer", "--from", "user:cora"), "USAGE"),
        (("orphans", "--leaving", "cora"), "INVALID_REFERENCE"),
        (("orphans", "--leaving", "user:nobody"), "OBJECT_UNKNOWN"),
        (("impact", "run:nobody"), "OBJECT_UNKNOWN"),
        (("impact", "directory:people"), "NOT_HOLDABLE"),
        (("impact", "agent:payer", "--leaving"), "INVALID_ARGUMENT"),
    ],
)
def test_what_cannot_be_is_an_error(office: Shell, arguments: tuple[str, ...], reason: str) -> None:
    outcome = office(*arguments)
    assert outcome.code == 2
    assert f"({reason})" in outcome.err


def test_an_impact_is_a_table_and_says_who_stands_alone(office: Shell) -> None:
    told = office("impact", "agent:payer")
    assert told.lines == [
        "TYPE           STOPS  WHICH",
        "run            8      run:top, run:w0, run:w1, run:w2, run:w3, and 3 more",
        "agent          1      agent:payer",
        "agent_version  1      agent_version:payer.2",
        "",
        "FOR        STANDS ALONE  BEFORE RUNS  AGENTS",
        "user:anne  run:top       7            1",
    ]
    assert "8 runs, 1 agent, 1 version would stop by a hold on `agent:payer`" in told.err
    leaving = office("impact", "user:anne", "--leaving")
    assert "would stop without `user:anne`" in leaving.err and "1 person" in leaving.err
    assert office("hold", "agent:payer").code == 0
    again = office("impact", "agent:payer")
    assert (again.out, "nothing would stop by a hold on `agent:payer`" in again.err) == ("", True)


def test_the_graph_is_written_whole_or_not_at_all(office: Shell, tmp_path: Path) -> None:
    drawn, told = tmp_path / "d.dot", tmp_path / "d.graphml"
    assert office("impact", "run:top", "--dot", str(drawn), "--graphml", str(told)).code == 0
    assert '  "user:anne" -> "run:top" [label="delegated_by"];' in drawn.read_text().splitlines()
    assert "agent_version:payer.2" in told.read_text()
    outcome = office("impact", "run:top", "--dot", str(tmp_path / "none" / "d.dot"))
    assert (outcome.code, "(FILE_UNWRITABLE)" in outcome.err) == (2, True)


def test_a_dry_run_of_a_hold_says_what_it_would_stop(office: Shell) -> None:
    told = office("hold", "run:top", "--dry-run")
    assert "it would stop 8 runs" in told.err
    (as_json,) = office("hold", "run:top", "--dry-run", "--json").json
    assert as_json["stops"] == {"types": [{"type": "run", "count": 8}], "more": False}
    (placed,) = office("hold", "run:top", "--json").json
    assert "stops" not in placed
    assert "it would stop nothing" in office("hold", "run:w0", "--dry-run").err
