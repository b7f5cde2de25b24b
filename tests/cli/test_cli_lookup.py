"""Laws of `remit lookup`: a list is all there is, or ends in an error."""

from __future__ import annotations

import json

import pytest

from remit.client import Client
from remit.server.run.background import BackgroundServer
from tests.support.cli_shell import Shell


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("resources", "doc#view@user:anne"), "doc:part\ndoc:plan\n"),
        (
            ("resources", "doc#view@user:ben"),
            "".join(f"doc:{id}\tconditional (missing: ip)\n" for id in ("part", "plan")),
        ),
        (("resources", "doc#view@user:ben", "--context", '{"ip": "10.1.2.3"}'), "doc:part\ndoc:plan\n"),
        (("resources", "doc#view@user:eve"), ""),
        (("resources", "doc#view@user:eve", "--with", "doc:extra#owner@user:eve"), "doc:extra\n"),
        (("subjects", "doc:plan#view@user"), "user:anne\nuser:ben\tconditional (missing: ip)\nuser:carl\n"),
        (("subjects", "doc:plan#view@team#member"), "team:sales#member\n"),
        (("permissions", "doc:plan@user:anne"), "view\n"),
        (("permissions", "doc:plan@user:anne", "--relations"), "owner\nview\n"),
    ],
)
def test_lists(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    outcome = shell("lookup", *arguments)
    assert (outcome.code, outcome.out, outcome.err) == (0, says, "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("resources", "doc:plan#view@user:anne"), "INVALID_REFERENCE"),
        (("resources", "doc#view"), "INVALID_REFERENCE"),
        (("resources", "cat#view@user:anne"), "UNKNOWN_TYPE"),
        (("resources", "doc#edit@user:anne"), "UNKNOWN_RELATION"),
        (("resources", "doc#view@user:*"), "INVALID_REFERENCE"),
        (("subjects", "doc:plan#view@user:anne"), "INVALID_REFERENCE"),
        (("subjects", "doc:plan#view@team#"), "INVALID_REFERENCE"),
        (("permissions", "doc:plan#view@user:anne"), "INVALID_REFERENCE"),
        (("permissions", "doc:plan"), "INVALID_REFERENCE"),
        (("resources", "doc#view@user:ben", "--context", '{"ip": 7}'), "CAVEAT_FAILED"),
        (("resources",), "USAGE"),
    ],
)
def test_what_cannot_be_listed_is_an_error(shell: Shell, arguments: tuple[str, ...], reason: str) -> None:
    outcome = shell("lookup", *arguments)
    assert outcome.code == 2
    assert f"({reason})" in outcome.err


def test_everybody_comes_last_with_those_it_does_not_stand_for(shell: Shell, server: BackgroundServer) -> None:
    with Client(server.endpoint) as client:
        client.write_schema(f"{client.read_schema().text.rstrip()[:-1]}  permission some = viewer - owner\n}}\n")
        client.touch("doc:plan#viewer@user:*")
    outcome = shell("lookup", "subjects", "doc:plan#some@user")
    assert outcome.lines == ["user:ben", "user:carl", "user:* - {user:anne}"]
    shown = [json.loads(line) for line in shell("lookup", "subjects", "doc:plan#some@user", "--json").lines]
    assert shown[-1] == {"subject": "user:*", "verdict": "yes", "missing": [], "excluded": ["user:anne"]}


def test_a_limit_says_that_there_are_more(shell: Shell) -> None:
    outcome = shell("lookup", "resources", "doc#view@user:anne", "--limit", "1", "--json")
    assert json.loads(outcome.out) == {"resource": "doc:part", "verdict": "yes", "missing": []}
    assert outcome.err == "stopped after 1: there are more\n"
    assert shell("lookup", "resources", "doc#view@user:anne", "--limit", "2").err == ""
