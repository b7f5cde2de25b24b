"""Laws of `remit apply`: what it tells is what becomes of the store, and what is wrong stands on the line it tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.client import Client
from remit.engine.facade import Engine
from remit.errors import InvalidArgument
from remit.model import RelationshipFilter
from remit.server.run.background import BackgroundServer
from tests.support.cli_shell import Shell

FILE = """\
# an estate with a domain
{apiVersion: remit/v1, kind: Estate, metadata: {name: acme}}
---
apiVersion: remit/v1
kind: Domains
defaults:
  estate: acme
items:
  - office
  - name: lab
---
"""


@pytest.fixture
def shell(
    engine: Engine, empty_server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    engine.schemas.write("", 'use import\nimport "remit:agents@1"\n')
    monkeypatch.setenv("REMIT_ENDPOINT", empty_server.endpoint)
    yield bare_shell


def facts(engine: Engine) -> list[str]:
    return [str(each.relationship.key) for each in engine.relationships.read("", RelationshipFilter()).items]


def test_a_difference_is_told_and_then_written(shell: Shell, tmp_path: Path, engine: Engine) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(FILE)
    diff = shell("apply", "-f", str(path), "--diff")
    assert diff.code == 1
    assert diff.out == (
        "+ Estate/acme\n"
        "+ Domain/office\n    + domain:office#estate@estate:acme\n"
        "+ Domain/lab\n    + domain:lab#estate@estate:acme\n"
    )
    assert diff.err == "3 documents: 3 added; nothing was changed\n"
    assert facts(engine) == []
    dry = shell("apply", "-f", str(path), "--dry-run")
    assert (dry.code, dry.out) == (0, diff.out)
    done = shell("apply", "-f", str(path))
    assert (done.code, done.err) == (0, "3 documents: 3 added\n")
    assert done.out.startswith(diff.out + "r1.")
    assert len(facts(engine)) == 2
    again = shell("apply", "-f", str(path), "--diff")
    assert (again.code, again.out, again.err) == (0, "", "3 documents: 3 unchanged\n")


def test_nothing_is_coloured_in_a_pipe(shell: Shell, tmp_path: Path) -> None:
    assert "\x1b" not in shell("apply", "-f", "-", "--diff", stdin=FILE).out


def test_folders_files_and_standard_input_are_one_request(shell: Shell, tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "below" / "further").mkdir(parents=True)
    (tmp_path / "below" / "b.yml").write_text('{"apiVersion": "remit/v1", "kind": "Person", "metadata": {"name": "b"}}')
    person = {"apiVersion": "remit/v1", "kind": "Person", "metadata": {"name": "c"}}
    (tmp_path / "below" / "further" / "c.json").write_text(json.dumps(person))
    (tmp_path / "below" / "notes.txt").write_text("no document: [")
    done = shell("apply", "-f", str(tmp_path / "below"), "-f", "-", "--json", stdin=FILE)
    (told,) = done.json
    assert [f"{each['kind']}/{each['name']}" for each in told["changes"]] == [
        "Person/b", "Person/c", "Estate/acme", "Domain/office", "Domain/lab",
    ]  # fmt: skip
    assert [(Path(each["file"]).name, each["line"]) for each in told["changes"]] == [
        ("b.yml", 1), ("c.json", 1), ("<stdin>", 2), ("<stdin>", 9), ("<stdin>", 10),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (FILE.replace("  estate: acme", "  esate: acme"), ":7: ", "did you mean `estate`?"),
        (FILE.replace("- office", "- {name: office, estate: 7}"), ":9: ", "write it in quotes"),
        (FILE.replace("- office", "- lab"), ":10: ", "is there twice"),
        (FILE.replace("acme}}", "acm}}"), ":7: ", "`estate:acme`"),
        ("a: [\n", ":2: ", "not YAML"),
        ("a: 1\na: 2\n", ":2: ", "there twice"),
        ("a: !thing 1\n", ":1: ", "the tag `!thing`"),
        ("? [a]\n: 1\n", ":1: ", "a key must be text"),
        ("- a\n", ":1: ", "is"),
        ("a: &a [*a]\n", ":1: ", "leads into itself"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
         "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
         "f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", ":1: ", "more than anybody writes"),
        ("a: .inf\n", ":1: ", "apiVersion"),
        ("", "", "has no documents"),
        ("---\n---\n", "", "has no documents"),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_on_the_line_that_is_told(
    shell: Shell, tmp_path: Path, engine: Engine, text: str, place: str, words: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    outcome = shell("apply", "-f", str(path))
    assert (outcome.code, outcome.out) == (2, "")
    assert f"{path}{place}" in outcome.err
    assert words in outcome.err
    assert facts(engine) == []


def test_two_files_that_say_the_same_are_both_named(shell: Shell, tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(FILE)
    outcome = shell("apply", "-f", str(tmp_path))
    assert outcome.code == 2
    assert f"{tmp_path}/b.yaml:2: Estate/acme" in outcome.err
    assert f"{tmp_path}/a.yaml:2: it is here first" in outcome.err


def test_plain_words_are_those_of_json(shell: Shell, tmp_path: Path) -> None:
    text = "{apiVersion: remit/v1, kind: People, items: [on, no, yes, 12:30, 2027-01-31]}"
    (told,) = shell("apply", "-f", "-", "--json", stdin=text).json
    assert [each["name"] for each in told["changes"]] == ["on", "no", "yes", "12:30", "2027-01-31"]
    refused = shell("apply", "-f", "-", stdin="{apiVersion: remit/v1, kind: People, items: [true]}")
    assert "write it in quotes" in refused.err or "a name, or" in refused.err


def test_prune_removes_of_the_set_and_with_the_labels(shell: Shell, engine: Engine) -> None:
    text = "{apiVersion: remit/v1, kind: People, metadata: {labels: {team: %s}}, items: [%s]}"
    shell("apply", "-f", "-", "--set", "f", stdin=text % ("finance", "a, b"))
    shell("apply", "-f", "-", "--set", "s", stdin=text % ("support", "c"))
    done = shell("apply", "-f", "-", "--set", "f", "--prune", "-l", "team=finance", stdin=text % ("finance", "a"))
    assert done.out.startswith("- Person/b\n    - user:b#registered@directory:remit\n")
    assert len(facts(engine)) == 2


@pytest.mark.parametrize(
    "arguments",
    [(), ("-f", "-", "-l", "team"), ("-f", "-", "-l", "=x"), ("--schema", "Agnet")],
)
def test_a_wrong_command_line_is_told(shell: Shell, arguments: tuple[str, ...]) -> None:
    outcome = shell("apply", *arguments, stdin=FILE)
    assert outcome.code == 2
    assert "(USAGE)" in outcome.err


def test_a_schema_is_printed_without_a_server(bare_shell: Shell) -> None:
    assert json.loads(bare_shell("apply", "--schema", "Agent").out)["title"] == "Agent"
    assert json.loads(bare_shell("apply", "--schema", "Tools").out)["title"] == "Tool"
    assert "allOf" in json.loads(bare_shell("apply", "--schema", "all").out)


def test_the_client_takes_mappings_and_says_which_is_no_json(
    engine: Engine, shell: Shell, empty_server: BackgroundServer
) -> None:
    with Client(empty_server.endpoint) as client, pytest.raises(InvalidArgument, match="document 1 is not JSON"):
        client.apply([{"kind": "x"}, {"kind": {1, 2}}])  # type: ignore[dict-item]
