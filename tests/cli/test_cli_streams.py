"""Laws of `remit watch` and what came with it: what is watched can be written, what is exported imported, and what is
only rehearsed changes nothing."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.cli.arguments.filters import parse_filter
from remit.cli.arguments.relationship_json import parse_relationship_json
from remit.cli.render.as_json import relationship_json
from remit.client import Client
from remit.engine.facade import Engine
from remit.errors import RemitError
from remit.model import Operation, Relationship, Update
from remit.notation import format_time, parse_relationship
from remit.server.run.background import BackgroundServer
from tests.support.cli_shell import FACTS, NOW_US, SCHEMA, Shell
from tests.support.store.worlds import record


def token_of(shell: Shell) -> str:
    outcome = shell("touch", "doc:now#viewer@user:zoe")
    assert outcome.code == 0
    return outcome.out.strip()


# --- watch ------------------------------------------------------------------------------------------------------


def test_what_is_watched_are_updates_that_write_takes(shell: Shell) -> None:
    token = token_of(shell)
    shell("touch", "doc:a#viewer@user:ann[expiration:2099-01-01T00:00:00Z]", "doc:b#viewer@user:ann")
    shell("delete", "doc:b#viewer@user:ann", "--metadata", '{"why": "over"}')
    outcome = shell("watch", "--from", token, "--limit", "2")
    assert outcome.code == 0
    assert [line for line in outcome.lines if not line.startswith("//")] == [
        "touch doc:a#viewer@user:ann[expiration:2099-01-01T00:00:00Z]",
        "touch doc:b#viewer@user:ann",
        "delete doc:b#viewer@user:ann",
    ]
    ends = [line for line in outcome.lines if line.startswith("//")]
    assert all(re.fullmatch(r"// r1\.\S+ \S+Z by local( \{.*\})?", line) for line in ends)
    assert ends[1].endswith('{"why": "over"}')
    before = shell("export").out
    assert shell("write", "-", stdin=outcome.out).code == 2  # one request says one thing about a triple
    for part in outcome.out.split("// ")[:2]:
        text = "\n".join(line for line in part.splitlines() if line.startswith(("touch", "delete")))
        assert shell("write", "-", stdin=text).code == 0
    assert shell("export").out == before


def test_a_watch_for_programs_is_one_object_an_event(shell: Shell) -> None:
    token = token_of(shell)
    shell("schema", "write", "-", stdin=SCHEMA + "// again\n")
    shell("touch", "doc:a#viewer@user:ann", "--metadata", '{"n": 1}')
    shell("delete", "doc:a#viewer@user:ann")
    outcome = shell("watch", "--json", "--from", token, "--limit", "3", "--filter", "doc:a", "--filter", "@user:none")
    begun, schema, touched, deleted = outcome.json
    assert begun == {"token": token, "checkpoint": True}
    assert (schema["changes"], schema["schema"]) == ([], SCHEMA + "// again\n")
    assert touched["metadata"] == {"n": 1} and touched["written_by"] == "local"
    assert touched["changes"][0]["kind"] == "touched"
    assert touched["changes"][0]["relationship"] == "doc:a#viewer@user:ann"
    assert deleted["changes"][0]["kind"] == "deleted"
    assert touched["committed_at"].endswith("Z")


def test_a_watch_tells_which_verb_of_agents_a_revision_was(shell: Shell, engine: Engine) -> None:
    """One that changed nothing too, where there are no filters."""
    engine.stores.create("agents")
    store = ("--store", "agents")
    shell(*store, "schema", "write", "-", stdin='use import\nimport "remit:agents@1"\n')
    token = shell(*store, "touch", "run:r-1#delegated_by@user:ann").out.strip()
    assert shell(*store, "hold", "run:r-1", "--reason", "odd", "--id", "i-1").code == 0
    for _ in range(2):
        assert shell(*store, "terminate", "run:r-1").code == 0
    told = shell(*store, "watch", "--json", "--from", token, "--limit", "3").json[1:]
    assert [each["entry"]["verb"] for each in told] == ["Hold", "Terminate", "Terminate"]
    assert told[0]["entry"].items() >= {"hold": "i-1", "on": "run:r-1", "reason": "odd"}.items()
    assert told[0]["changes"][0]["relationship"] == "run:r-1#hold@hold:i-1"
    assert told[2]["changes"] == []
    lines = shell(*store, "watch", "--from", token, "--limit", "1").lines
    assert [json.loads(line.removeprefix("// entry ")) for line in lines if line.startswith("// entry ")] == [
        told[0]["entry"]
    ]
    filtered = shell(*store, "watch", "--json", "--from", token, "--limit", "1", "--filter", "run#terminated").json[1:]
    assert [each["entry"]["verb"] for each in filtered] == ["Terminate"]


def test_a_watch_names_the_records_that_a_revision_wrote(shell: Shell, engine: Engine) -> None:
    token = token_of(shell)
    why = record("hold", "hold:h", b"why")
    fact = Update(Operation.TOUCH, parse_relationship("doc:held#viewer@user:zoe"))
    engine.relationships.write("", [fact], records=[why])
    engine.relationships.write("", [], records=[record("agent", "agent:a", b"1")])
    asked = ("watch", "--from", token, "--limit", "2")
    lines = [re.sub(r"r1\S+ \S+Z", "...", line) for line in shell(*asked).lines]
    assert lines == [
        "touch doc:held#viewer@user:zoe",
        "// record hold of hold:h touched",
        "// ... by local",
        "// record agent of agent:a touched",
        "// ... by local",
    ]
    told = [event["records"] for event in shell(*asked, "--json").json if "records" in event]
    assert told == [
        [{"kind": "touched", "record": "hold", "object": "hold:h"}],
        [{"kind": "touched", "record": "agent", "object": "agent:a"}],
    ]


def test_an_interrupted_watch_says_where_to_go_on(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from remit.client import Watch

    token = token_of(shell)
    real = Watch.__next__
    events = iter([None])

    def interrupted(watch: Watch) -> object:
        if next(events, "over") == "over":
            raise KeyboardInterrupt
        return real(watch)

    monkeypatch.setattr(Watch, "__next__", interrupted)
    outcome = shell("watch", "--from", token)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == f"go on with `--from {token}`\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--from", "r1.nonsense"), "INVALID_TOKEN"),
        (("--filter", "doc:#"), "INVALID_REFERENCE"),
        (("--store", "elsewhere"), "STORE_NOT_FOUND"),
    ],
)
def test_a_watch_that_cannot_be_is_an_error(shell: Shell, arguments: tuple[str, ...], reason: str) -> None:
    outcome = shell("watch", *arguments)
    assert outcome.code == 2
    assert f"({reason})" in outcome.err


def test_a_watch_of_a_permission_tells_who_gets_it_and_who_loses_it(shell: Shell) -> None:
    token = token_of(shell)
    shell("touch", "team:sales#member@user:dora", "doc:plan#viewer@user:*")
    shell("delete", "team:sales#member@user:carl")
    place = ("--from", token, "--evaluated-at", format_time(NOW_US))
    outcome = shell("watch", "--permission", "doc#view@user", *place, "--limit", "1")
    assert outcome.code == 0, outcome.err
    *lines, end = outcome.lines
    assert sorted(lines) == sorted(
        [
            *(f"doc:{doc}#view@user:*\tno → yes" for doc in ("part", "plan")),
            *(f"doc:{doc}#view@user:ben\tconditional (missing: ip) → yes" for doc in ("part", "plan")),
            *(f"doc:{doc}#view@user:dora\tno → yes" for doc in ("part", "plan")),
        ]
    )
    _, token, at = end.split(" ")
    outcome = shell("watch", "--permission", "doc#view@user", "--from", token, "--evaluated-at", at, "--limit", "1")
    *lines, end = outcome.lines
    assert sorted(lines) == [f"doc:{doc}#view@user:carl\tyes → yes, as user:*" for doc in ("part", "plan")]
    shell("schema", "write", "-", stdin=SCHEMA + "// again\n")
    _, token, at = end.split(" ")
    outcome = shell("watch", "--permission", "doc#view@user", "--from", token, "--evaluated-at", at, "--limit", "1")
    (line,) = outcome.lines
    assert line.endswith(" reset (schema): look up anew")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--permission", "doc:a#view@user"), "INVALID_REFERENCE"),
        (("--permission", "doc#view"), "INVALID_REFERENCE"),
        (("--permission", "doc#veiw@user"), "UNKNOWN_RELATION"),
        (("--permission", "doc#view@user", "--filter", "doc"), "--filter"),
        (("--evaluated-at", "2026-01-01T00:00:00Z"), "--permission"),
        (("--permission", "doc#view@user", "--evaluated-at", "2026-01-01T00:00:00Z"), "INVALID_ARGUMENT"),
    ],
)
def test_a_watch_of_a_permission_that_cannot_be_is_an_error(
    shell: Shell, arguments: tuple[str, ...], problem: str
) -> None:
    outcome = shell("watch", *arguments)
    assert outcome.code == 2
    assert problem in outcome.err


def test_an_interrupted_watch_of_a_permission_says_where_to_go_on(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from remit.client import PermissionWatch

    real = PermissionWatch.__next__
    begun: list[object] = []

    def interrupted(watch: PermissionWatch) -> object:
        if begun:
            raise KeyboardInterrupt
        begun.append(real(watch))
        return begun[0]

    monkeypatch.setattr(PermissionWatch, "__next__", interrupted)
    outcome = shell("watch", "--permission", "doc#view@user")
    assert (outcome.code, outcome.out) == (130, "")
    assert re.fullmatch(r"go on with `--from r1\.\S+ --evaluated-at \S+Z`\n", outcome.err)


# --- JSON lines -------------------------------------------------------------------------------------------------


def test_json_lines_that_are_exported_are_imported_again(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    assert shell("export", str(path), "--format", "jsonl").code == 0
    before = shell("export").lines
    assert sorted(before) == sorted(FACTS)
    assert shell("delete", "--filter", "doc").code == 0
    outcome = shell("import", str(path), "--format", "jsonl", "--json")
    assert outcome.json[0]["relationships"] == len(FACTS)
    assert shell("export").lines == before


TRAILERS = [
    "",
    "[on_ip]",
    '[on_ip:{"a":[1,{"b":null}]}]',
    "[not_before:2020-01-01T00:00:00.000001Z]",
    "[expiration:2099-01-01T00:00:00Z]",
]


@given(
    st.builds(
        lambda subject, trailer: parse_relationship(f"acme/doc:a#viewer@{subject}{trailer}"),
        st.sampled_from(["user:*", "team:x#member", "user:ann@example.com"]),
        st.sampled_from(TRAILERS),
    ),
    st.booleans(),
)
def test_a_relationship_as_an_object_reads_back_from_its_text_and_from_its_parts(
    relationship: Relationship, has_text: bool
) -> None:
    shape = relationship_json(relationship)
    if not has_text:
        del shape["relationship"]
    assert parse_relationship_json(json.dumps(shape)) == relationship


@pytest.mark.parametrize(
    "line",
    [
        "doc:a#viewer@user:ann",
        "[]",
        "{",
        "{}",
        '{"relationship": 7}',
        '{"relationship": "doc:a#viewer"}',
        '{"resource": {"type": "doc", "id": "a"}, "relation": "viewer"}',
        '{"resource": {"type": "doc", "id": "a#b@c:d"}, "relation": "viewer", "subject": {"type": "user", "id": "a"}}',
        '{"resource": {"type": "doc", "id": "a"}, "relation": "viewer", "subject": {"type": "user", "id": "a"},'
        ' "caveat": {"name": "x[expiration:2099-01-01T00:00:00Z]"}}',
        '{"relationship": "doc:a#viewer@user:a", "relationship": "doc:a#viewer@user:b"}',
    ],
)
def test_an_object_that_is_no_relationship_is_refused_with_its_line(shell: Shell, line: str) -> None:
    with pytest.raises(RemitError):
        parse_relationship_json(line)
    outcome = shell("import", "-", "--format", "jsonl", stdin=line)
    assert outcome.code == 2
    assert "<stdin>:1: " in outcome.err


def test_an_export_of_a_filter_goes_on_by_cursor(shell: Shell, server: BackgroundServer) -> None:
    with Client(server.endpoint) as client:
        client.import_(f"doc:{number:04}#viewer@user:zoe" for number in range(1_500))
        cursor = next(client.export(parse_filter("doc#viewer@user:zoe")).pages()).cursor
    all_of = shell("export", "--filter", "doc#viewer@user:zoe").lines
    assert len(all_of) == 1_500
    assert shell("export", "--filter", "doc#viewer@user:zoe", "--cursor", cursor).lines == all_of[1_000:]


def test_an_export_that_breaks_says_how_to_go_on(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from remit.client import Export

    shell("import", "-", stdin="\n".join(f"doc:{number:04}#viewer@user:zoe" for number in range(2_500)))
    whole = shell("export").lines
    real = Export.pages

    def broken(export: Export):
        pages = real(export)
        yield next(pages)
        export.cursor = export._next_cursor  # the page was taken
        raise KeyboardInterrupt

    with monkeypatch.context() as breaking:
        breaking.setattr(Export, "pages", broken)
        outcome = shell("export")
    assert outcome.code == 130
    said = re.search(r"the export is not complete; go on with `--cursor (\S+)`", outcome.err)
    assert said is not None
    assert outcome.lines + shell("export", "--cursor", said[1]).lines == whole


# --- delete, replace, rehearse ----------------------------------------------------------------------------------


def test_a_delete_by_filter_removes_what_matches_and_says_how_many(shell: Shell) -> None:
    outcome = shell("delete", "--filter", "doc:plan#viewer", "--dry-run")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "2 relationships would be deleted\n")
    assert len(shell("export").lines) == len(FACTS)
    outcome = shell("delete", "--filter", "doc:plan#viewer", "--limit", "1")
    assert outcome.err == "1 relationships are deleted; more match\n" and outcome.out.startswith("r1.")
    outcome = shell("delete", "--filter", "doc:plan#viewer", "--json")
    assert outcome.json == [{"token": outcome.json[0]["token"], "deleted": 1, "complete": True}]
    assert len(shell("export").lines) == len(FACTS) - 2
    outcome = shell("delete", "--filter", "doc", "--must-match", "doc:none")
    assert (outcome.code, "(PRECONDITION_FAILED)" in outcome.err) == (2, True)
    assert shell("delete", "doc:plan#owner@user:anne", "--filter", "doc").code == 2


def test_a_write_replaces_what_matches_in_one_revision(shell: Shell) -> None:
    token = token_of(shell)
    arguments = ("write", "--replace", "doc:plan#viewer", "touch doc:plan#viewer@user:dora")
    dry = shell(*arguments, "--dry-run")
    assert (dry.code, dry.out) == (0, "")
    assert dry.err == "2 relationships would be removed\nit would be accepted; nothing is written\n"
    assert shell(*arguments, "--json").json[0]["replaced"] == 2
    assert shell("read", "doc:plan#viewer").lines == ["doc:plan#viewer@user:dora"]
    (event,) = [each for each in shell("watch", "--json", "--from", token, "--limit", "1").json if "changes" in each]
    assert sorted(change["kind"] for change in event["changes"]) == ["deleted", "deleted", "touched"]


@pytest.mark.parametrize("verb", ["write", "touch", "delete"])
def test_a_dry_run_says_what_a_write_would_and_changes_nothing(shell: Shell, verb: str) -> None:
    before = shell("export").lines
    good = shell(verb, "doc:x#viewer@user:zoe", "--dry-run")
    assert (good.code, good.out, good.err) == (0, "", "it would be accepted; nothing is written\n")
    assert shell(verb, "doc:x#viewer@user:zoe", "--dry-run", "--json").json == [{"token": "", "updates": 1}]
    assert shell(verb, "doc:x#view@user:zoe", "--dry-run").code == 2
    assert shell("export").lines == before


def test_a_schema_is_rehearsed(shell: Shell) -> None:
    outcome = shell("schema", "write", "-", "--dry-run", stdin=SCHEMA + "// other\n")
    assert (outcome.code, outcome.out) == (0, "")
    assert "nothing is written" in outcome.err
    assert shell("schema", "read").out == SCHEMA
    outcome = shell("schema", "write", "-", "--dry-run", stdin="definition user {}")
    assert "(SCHEMA_ORPHANS_RELATIONSHIPS)" in outcome.err


# --- the past, and facts of one question ------------------------------------------------------------------------


def test_the_past_is_asked_about_exactly(shell: Shell) -> None:
    held = shell("touch", "doc:x#viewer@user:zoe").out.strip()
    shell("delete", "doc:x#viewer@user:zoe")
    assert shell("check", "doc:x#view@user:zoe").code == 1
    past = shell("check", "doc:x#view@user:zoe", "--at-exactly", held, "--json")
    assert past.code == 0 and past.json[0]["historical"] is True
    several = shell("check", "doc:x#view@user:zoe", "doc:x#viewer@user:zoe", "--at-exactly", held)
    assert several.code == 0
    assert shell("expand", "doc:x#view", "--at-exactly", held, "--json").json[0]["historical"] is True
    shell("schema", "write", "-", stdin=SCHEMA + "// later\n")
    assert shell("schema", "read", "--at-exactly", held).out == SCHEMA
    outcome = shell("check", "doc:x#view@user:zoe", "--at-exactly", held, "--at-least", held)
    assert (outcome.code, "exclude each other" in outcome.err) == (2, True)


def test_facts_given_with_a_question_count_for_it_alone(shell: Shell) -> None:
    facts = ("--with", "doc:x#viewer@team:new#member", "--with", "team:new#member@user:zoe")
    assert shell("check", "doc:x#view@user:zoe", *facts).code == 0
    assert shell("check", "doc:x#view@user:zoe", "doc:x#view@user:zed", *facts).code == 1
    assert shell("check", "doc:x#view@user:zoe").code == 1
    assert "user:zoe" in shell("expand", "doc:x#view", *facts).out
    assert shell("check", "doc:x#view@user:zoe", "--with", "doc:x#view@user:zoe").code == 2


def test_a_watch_sees_what_is_written_while_it_runs(shell: Shell, server: BackgroundServer) -> None:
    token = token_of(shell)

    def write() -> None:
        with Client(server.endpoint) as client:
            client.touch("doc:later#viewer@user:zoe")

    writer = threading.Thread(target=write)
    writer.start()
    outcome = shell("watch", "--from", token, "--limit", "1")
    writer.join()
    assert outcome.lines[0] == "touch doc:later#viewer@user:zoe"
