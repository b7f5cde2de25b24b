"""Laws of `remit agent` and `remit version`: what is told is what the server said, and a refusal says what to do."""

from __future__ import annotations

import pytest

import remit
from remit.notation import format_time
from tests.support.cli_shell import NOW_US, Shell

OWNED = ("--owner", "user:anne", "--domain", "retail")


@pytest.fixture
def office(shell: Shell) -> Shell:
    """A shell whose store has the agent schema, a person who is there and a domain."""

    def run(*arguments: str) -> object:
        return shell("--store", "office", *arguments)

    assert shell("store", "create", "office").code == 0
    schema = 'use import\nimport "remit:agents@1"\n'
    assert shell("--store", "office", "schema", "write", "-", stdin=schema).code == 0
    facts = ("user:anne#registered@directory:people", "domain:retail#estate@estate:acme")
    assert shell("--store", "office", "touch", *facts).code == 0
    return run  # type: ignore[return-value]


def test_an_agent_is_registered_shown_changed_and_retired(office: Shell) -> None:
    done = office("agent", "register", "agent:payer", *OWNED, "--depth-max", "3", "--lifetime-max", "1h")
    assert (done.code, done.out) == (0, "")
    assert "`agent:payer` is registered; it answers to `user:anne`" in done.err
    assert office("agent", "change", "payer", "--profile", "close@3").code == 0
    (shown,) = office("agent", "show", "payer", "--json").json
    assert shown["ceilings"] == {"profiles": ["close@3"]}, "who names one ceiling names all"
    assert office("agent", "change", "payer", "--no-ceilings").code == 0
    lines = office("agent", "show", "payer").lines
    assert lines[:2] == ["state     registered", "owners    user:anne"]
    assert "profiles  any" in lines
    assert "is retired" in office("agent", "retire", "payer").err
    assert "had ended before" in office("agent", "retire", "payer").err
    heading, row = office("agent", "list").lines
    assert heading.split() == ["ID", "STATE", "OWNED", "DOMAIN", "OWNERS"]
    assert row.split() == ["payer", "terminated", "yes", "retail", "user:anne"]


def test_a_version_is_added_certified_and_decertified(office: Shell) -> None:
    office("agent", "register", "payer", *OWNED)
    assert "is added" in office("version", "add", "payer", "payer/1", "--model", "m", "--prompt", "p").err
    second = office("version", "add", "payer", "payer/2", "--like", "payer/1", "--prompt", "q")
    assert "it differs from `payer/1` in its prompt" in second.err
    end = format_time(NOW_US + 10**12)
    done = office("version", "certify", "agent_version:payer/1", "--until", end)
    assert (done.code, f"is certified until {end}" in done.err) == (0, True)
    assert done.out == "it can use 0 tools and read 0 datasets\n"
    lines = office("version", "list", "payer").lines
    assert [line.split() for line in lines[1:]] == [
        ["payer/1", "certified", end, "local"],
        ["payer/2", "added", "payer/1,", "but", "for", "its", "prompt"],
    ]
    assert "is added, and not certified" in office("version", "decertify", "payer/1").err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("agent", "register", "payer", "--owner", "user:ann", "--domain", "retail"), "OBJECT_UNKNOWN"),
        (("agent", "register", "payer", "--owner", "user:anne", "--domain", "nowhere"), "OBJECT_UNKNOWN"),
        (("agent", "register", "payer", "--owner", "anne", "--domain", "retail"), "INVALID_REFERENCE"),
        (("agent", "register", "payer", *OWNED, "--depth-max", "17"), "USAGE"),
        (("agent", "register", "payer", *OWNED, "--lifetime-max", "soon"), "INVALID_ARGUMENT"),
        (("agent", "change", "payer", *OWNED), "OBJECT_UNKNOWN"),
        (("agent", "change", "payer", "--no-ceilings", "--depth-max", "2"), "USAGE"),
        (("agent", "show", "payer"), "OBJECT_UNKNOWN"),
        (("version", "certify", "payer/1"), "USAGE"),
        (("version", "certify", "payer/1", "--for", "9d", "--until", "2099-01-01T00:00:00Z"), "USAGE"),
        (("version", "certify", "payer/1", "--for", "9d"), "OBJECT_UNKNOWN"),
        (("version", "list", "payer"), "OBJECT_UNKNOWN"),
    ],
)
def test_what_is_refused_says_so(office: Shell, arguments: tuple[str, ...], says: str) -> None:
    outcome = office(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"({says})" in outcome.err


def test_a_dry_run_says_that_nothing_was_changed(office: Shell) -> None:
    office("agent", "register", "over", *OWNED)
    assert "could be registered; nothing was changed" in office("agent", "register", "payer", *OWNED, "--dry-run").err
    assert "could be retired; nothing was changed" in office("agent", "retire", "over", "--dry-run").err
    assert [each["id"] for each in office("agent", "list", "--json").json] == ["over"]


def test_version_alone_is_the_programs_own(office: Shell) -> None:
    assert office("version").lines[0] == f"remit {remit.__version__}"
    office("agent", "register", "payer", *OWNED)
    office("version", "add", "payer", "payer/1", "--model", "m")
    assert [each["id"] for each in office("version", "--json", "list", "payer").json] == ["payer/1"]
