"""Laws of `remit schema`: what `check` accepts `write` writes, and what is refused is shown where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.cli.transfer.agents_upgrade import AFTER, schema_before, steps_left, take
from remit.client import Client
from remit.language.libraries import AGENTS, library_text
from remit.server.run.background import BackgroundServer
from remit.world import World
from tests.support.cli_shell import NOW_US, SCHEMA, Shell
from tests.support.places import AGENTS_BEFORE_PROFILES, ROOT

BROKEN = "definition user {}\ndefinition doc { relation viewer: usr }\n"


def test_a_schema_is_read_as_it_was_written(shell: Shell) -> None:
    assert shell("schema", "read").out == SCHEMA
    (read,) = shell("schema", "read", "--json").json
    assert read["schema"] == SCHEMA
    assert set(read) == {"schema", "token"}


def test_a_written_schema_counts_at_once(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "schema.zed"
    path.write_text(SCHEMA.replace("permission view", "permission see = viewer\n  permission view"))
    token = shell("schema", "write", str(path)).out.strip()
    assert shell("check", "doc:plan#see@user:carl", "--at-least", token).code == 0


def test_a_schema_comes_on_standard_input(shell: Shell) -> None:
    (written,) = shell("schema", "write", "-", "--json", stdin=SCHEMA).json
    assert written == {"token": written["token"], "warnings": []}


def test_imports_are_brought_in(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "cat.zed").write_text("definition cat { relation owner: user }\n")
    path = tmp_path / "main.zed"
    path.write_text(SCHEMA.replace("use expiration", 'use expiration\nuse import\nimport "parts/cat.zed"', 1))
    assert shell("schema", "write", str(path)).code == 0
    assert shell("touch", "cat:tom#owner@user:anne").code == 0


def test_a_schema_that_orphans_relationships_is_refused(shell: Shell) -> None:
    outcome = shell("schema", "write", "-", stdin="definition user {}\n")
    assert (outcome.code, outcome.out) == (2, "")
    assert "(SCHEMA_ORPHANS_RELATIONSHIPS)" in outcome.err
    assert shell("schema", "read").out == SCHEMA


@pytest.mark.parametrize("command", ["write", "check"])
def test_a_mistake_is_shown_with_its_file_line_and_caret(shell: Shell, tmp_path: Path, command: str) -> None:
    path = tmp_path / "broken.zed"
    path.write_text(BROKEN)
    outcome = shell("schema", command, str(path))
    told = outcome.out + outcome.err
    assert f"{path}:2:35: error: " in told
    assert "^^^" in told
    assert "did you mean `user`?" in told
    assert outcome.code == (2 if command == "write" else 1)


def test_check_needs_no_server(bare_shell: Shell, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.zed", tmp_path / "bad.zed"
    good.write_text(SCHEMA)
    bad.write_text(BROKEN)
    assert bare_shell("schema", "check", str(good)).lines == [f"{good}: compiles"]
    assert bare_shell("schema", "check", str(good), str(bad)).code == 1
    assert bare_shell("schema", "check", "-", stdin=SCHEMA).lines == ["<stdin>: compiles"]
    assert bare_shell("schema", "check", str(good), str(tmp_path / "none.zed")).code == 2


def test_a_warning_is_told_and_does_not_count_as_a_mistake(bare_shell: Shell, shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "odd.zed"
    path.write_text(
        "definition user {}\ndefinition doc { relation doc_viewer: user\n permission view = nil & doc_viewer }\n"
    )
    checked = bare_shell("schema", "check", str(path))
    assert checked.code == 0
    assert "warning" in checked.out
    (findings,) = bare_shell("schema", "check", str(path), "--json").json
    assert findings["ok"] is True
    assert {"severity", "file", "code", "message", "line", "column"} <= set(findings["findings"][0])


def test_a_store_without_a_schema_says_so(empty_server: BackgroundServer, bare_shell: Shell) -> None:
    outcome = bare_shell("schema", "read", "--endpoint", empty_server.endpoint)
    assert (outcome.code, outcome.out) == (2, "")
    assert "(SCHEMA_NOT_FOUND)" in outcome.err


def test_the_shape_of_a_refused_schema(shell: Shell) -> None:
    import json

    outcome = shell("schema", "write", "-", "--json", stdin=BROKEN)
    error = json.loads(outcome.err)["error"]
    assert error["reason"] == "SCHEMA_INVALID"
    assert error["findings"][0]["code"] == "unknown-type"
    assert error["findings"][0]["line"] == 2


# --- diff -------------------------------------------------------------------------------------------------------


def test_a_schema_that_means_the_same_differs_in_nothing(shell: Shell) -> None:
    outcome = shell("schema", "diff", "-", stdin="// only a comment more\n" + SCHEMA)
    assert outcome.code == 0
    assert outcome.lines == ["same     it means what the store's schema means"]


def test_a_difference_is_told_with_what_it_may_do(shell: Shell) -> None:
    wider = SCHEMA.replace("viewer + owner + parent->view", "viewer + owner + parent->view + parent->owner")
    outcome = shell("schema", "diff", "-", stdin=wider)
    assert outcome.code == 1
    assert [line.split()[0] for line in outcome.lines] == ["widens"]
    assert "`view` of `doc`" in outcome.out
    assert shell("schema", "read").out == SCHEMA  # nothing was written


def test_a_difference_counts_who_would_lose_their_place(shell: Shell) -> None:
    narrower = SCHEMA.replace("relation parent: doc\n", "").replace(" + parent->view", "")
    outcome = shell("schema", "diff", "-", stdin=narrower)
    assert outcome.code == 1
    assert "orphans  1 relationship of `doc#parent` would have no place, such as" in outcome.lines
    assert "           doc:part#parent@doc:plan" in outcome.lines
    assert shell("schema", "write", "-", stdin=narrower).code == 2
    assert shell("schema", "write", "-", "--dry-run", stdin=narrower).code == 2


def test_the_shape_of_a_difference(shell: Shell) -> None:
    (found,) = shell("schema", "diff", "-", "--json", stdin="definition user {}\n").json
    assert set(found) == {"changes", "orphans", "warnings", "token"}
    assert {"code", "message", "definition", "effect"} <= set(found["changes"][0])
    assert {change["effect"] for change in found["changes"]} <= {"widens", "narrows", "either", "same"}
    assert sum(orphans["count"] for orphans in found["orphans"]) == 5
    assert set(found["orphans"][0]) == {"definition", "relation", "count", "examples"}
    (found,) = shell("schema", "diff", "-", "--json", stdin=SCHEMA).json
    assert (found["changes"], found["orphans"]) == ([], [])


def test_a_difference_to_what_does_not_compile_is_an_error(shell: Shell) -> None:
    outcome = shell("schema", "diff", "-", stdin=BROKEN)
    assert (outcome.code, outcome.out) == (2, "")
    assert "did you mean `user`?" in outcome.err


def test_everything_is_new_to_a_store_without_a_schema(empty_server: BackgroundServer, bare_shell: Shell) -> None:
    outcome = bare_shell("schema", "diff", "-", "--endpoint", empty_server.endpoint, stdin=SCHEMA)
    assert outcome.code == 1
    assert {line.split()[0] for line in outcome.lines} <= {"widens", "same"}


# --- format -----------------------------------------------------------------------------------------------------

UGLY = "definition   user{ }\n// who may\ndefinition doc{relation viewer:user\npermission view=viewer+viewer}\n"


def test_a_schema_is_printed_in_canonical_form(bare_shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "ugly.zed"
    path.write_text(UGLY)
    formatted = bare_shell("schema", "format", str(path)).out
    assert formatted == bare_shell("schema", "format", "-", stdin=UGLY).out != UGLY
    assert "// who may" in formatted
    assert bare_shell("schema", "format", "-", stdin=formatted).out == formatted
    assert path.read_text() == UGLY


def test_check_names_what_is_not_canonical_and_write_mends_it(bare_shell: Shell, tmp_path: Path) -> None:
    ugly, good = tmp_path / "ugly.zed", tmp_path / "good.zed"
    ugly.write_text(UGLY)
    good.write_text(bare_shell("schema", "format", "-", stdin=UGLY).out)
    outcome = bare_shell("schema", "format", "--check", str(good), str(ugly))
    assert (outcome.code, outcome.lines) == (1, [str(ugly)])
    assert ugly.read_text() == UGLY
    outcome = bare_shell("schema", "format", "--write", str(good), str(ugly))
    assert (outcome.code, outcome.lines) == (0, [str(ugly)])
    assert ugly.read_text() == good.read_text()
    assert bare_shell("schema", "format", "--check", str(good), str(ugly)).code == 0


def test_what_is_no_schema_is_left_as_it_is(bare_shell: Shell, tmp_path: Path) -> None:
    torn, ugly = tmp_path / "torn.zed", tmp_path / "ugly.zed"
    torn.write_text("definition {")
    ugly.write_text(UGLY)
    outcome = bare_shell("schema", "format", "--write", str(torn), str(ugly))
    assert outcome.code == 2
    assert "torn.zed:1:12" in outcome.err
    assert torn.read_text() == "definition {"
    assert ugly.read_text() != UGLY  # one that cannot be read does not keep the others from it


def test_format_is_told_one_thing_at_a_time(bare_shell: Shell, tmp_path: Path) -> None:
    assert bare_shell("schema", "format", "--check", "--write", str(tmp_path)).code == 2
    assert bare_shell("schema", "format", "--write", "-", stdin=UGLY).code == 2


def test_the_shape_of_a_formatted_schema(bare_shell: Shell) -> None:
    (told,) = bare_shell("schema", "format", "-", "--json", stdin=UGLY).json
    assert (set(told), told["differs"]) == ({"file", "differs", "schema"}, True)
    (told,) = bare_shell("schema", "format", "--check", "-", "--json", stdin=UGLY).json
    assert set(told) == {"file", "differs"}


def test_the_shipped_schema_is_in_canonical_form(bare_shell: Shell) -> None:
    text = library_text(AGENTS)
    assert bare_shell("schema", "format", "-", stdin=text).out == text


def test_a_library_stays_an_import_and_is_printed_expanded_where_that_is_asked(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "ours.zed"
    text = 'use import\n\nimport "remit:agents@1"\n'
    path.write_text(text)
    shell("store", "create", "agents")
    assert shell("--store", "agents", "schema", "write", str(path)).code == 0
    assert shell("--store", "agents", "schema", "read").out == text
    expanded = shell("--store", "agents", "schema", "read", "--expanded").out
    assert "definition agent_version {" in expanded and "remit:agents@1" not in expanded
    assert shell("--store", "agents", "schema", "diff", str(path)).code == 0
    assert shell("--store", "agents", "schema", "diff", "-", stdin=expanded).code == 0
    assert shell("schema", "check", str(path)).out == f"{path}: compiles\n"


def test_a_store_of_the_schema_before_profiles_comes_along(shell: Shell) -> None:
    """Shown first, then done, then nothing left to do; and a run that could pay still can."""
    shell("store", "create", "old")
    before = ("--store", "old")
    world = ROOT / "tests" / "schema" / "before_profiles" / "organisation.yaml"
    assert shell(*before, "import", "file", str(world)).code == 0
    shown = shell(*before, "schema", "upgrade-agents", "--dry-run")
    assert shown.code == 0 and "nothing is written" in shown.err
    assert [line[:3] for line in shown.lines if line[0].isdigit()] == [f"{n}. " for n in range(1, 7)]
    assert "   - tool:erp.pay#in_intent@run:r-1" in shown.out or "more" in shown.out
    assert shell(*before, "schema", "read").out == AGENTS_BEFORE_PROFILES.read_text()

    done = shell(*before, "schema", "upgrade-agents", "--json").json
    assert [bool(step.get("token")) for step in done] == [True] * 6
    assert shell(*before, "schema", "read").out == 'use import\n\nimport "remit:agents@1"\n'
    assert shell(*before, "check", "tool:erp.pay#use@run:r-7").code == 0
    assert shell(*before, "check", "tool:erp.pay#use@run:r-8").code == 1
    assert "already" in shell(*before, "schema", "upgrade-agents").err


def test_an_intent_that_is_withdrawn_while_a_store_comes_along_stays_withdrawn(empty_server: BackgroundServer) -> None:
    """Its run was allowed when the facts were read, and is not when the new meaning asks for other ones."""
    world = World.read(ROOT / "tests" / "schema" / "before_profiles" / "organisation.yaml")
    question = "tool:crm.find#use@run:r-20"
    with Client(empty_server.endpoint) as client:
        client.write_schema(schema_before())
        client.import_(world.relationships)
        assert client.check(question)
        for step in steps_left(schema_before(), client.export(), NOW_US):
            if step.is_turn:
                client.delete("run:r-20#intent@intent:case-4711")
                assert not client.check(question)
            take(client, step, NOW_US)
        assert client.read_schema().text == AFTER
        assert not client.check(question)


def test_another_schema_is_not_brought_along(shell: Shell) -> None:
    refused = shell("schema", "upgrade-agents")
    assert refused.code == 2 and "is not the agent schema before profiles" in refused.err
    assert shell("schema", "read").out == SCHEMA
