"""Laws of `remit schema`: what `check` accepts `write` writes, and what is refused is shown where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_shell import SCHEMA, Shell

from remit.server.background import BackgroundServer

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
