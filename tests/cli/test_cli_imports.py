"""Laws of `remit import` and `remit export`: what goes out comes in again, and an import says how far it got."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remit.client import Client
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore
from tests.support.cli_shell import FACTS, SCHEMA, Shell


def exported(shell: Shell) -> list[str]:
    outcome = shell("export")
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.lines


def numbered(count: int) -> list[str]:
    return [f"doc:n{number}#viewer@user:zoe" for number in range(count)]


def test_what_is_exported_is_imported_again(shell: Shell, tmp_path: Path) -> None:
    shell("touch", 'doc:"x"@y#viewer@user:*', "doc:t#viewer@user:zoe[expiration:2027-01-01T00:00:00.000001Z]")
    before = exported(shell)
    assert len(before) == len(FACTS) + 2
    path = tmp_path / "backup.txt"
    assert shell("export", str(path)).code == 0
    assert path.read_text().splitlines() == before

    engine = Engine(MemoryStore(clock_us=lambda: 0), ManualClock(0))
    with BackgroundServer(engine) as other, Client(other.endpoint) as client:
        client.write_schema(SCHEMA)
        outcome = shell("import", str(path), "--endpoint", other.endpoint)
        assert (outcome.code, outcome.out, outcome.err) == (0, "", f"{len(before)} relationships are written\n")
        assert sorted(shell("export", "--endpoint", other.endpoint).lines) == sorted(before)
    engine.close()


def test_an_import_may_be_repeated(shell: Shell) -> None:
    text = "\n".join(exported(shell))
    for _ in range(2):
        assert shell("import", "-", stdin=text).code == 0
    assert exported(shell) == text.splitlines()


def test_an_import_of_more_than_one_write_reads_comments_and_blank_lines(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("\ufeff// many\n\n" + "\r\n".join(numbered(2_345)) + "\n// the end")
    outcome = shell("import", str(path), "--json")
    assert outcome.code == 0
    assert outcome.json == [{"relationships": 2_345, "token": outcome.json[0]["token"]}]
    assert len(shell("read", "@user:zoe", "--at-least", outcome.json[0]["token"]).lines) == 2_345


def test_of_two_lines_about_one_triple_the_later_one_counts(shell: Shell) -> None:
    lines = [*numbered(3), "doc:n1#viewer@user:zoe[expiration:2028-01-01T00:00:00Z]", "doc:n3#viewer@user:zoe"]
    outcome = shell("import", "-", stdin="\n".join(lines))
    assert outcome.code == 0
    assert shell("read", "doc:n1").lines == [lines[3]]
    assert len(shell("read", "@user:zoe").lines) == 4


@pytest.mark.parametrize(
    ("bad", "reason", "place"),
    [
        ("doc:bad#viewer", "INVALID_RELATIONSHIP", "many.txt:1501: "),
        ("doc:bad#view@user:zoe", "RELATIONSHIP_NOT_ALLOWED", "many.txt:1501: "),
    ],
)
def test_an_import_that_stops_says_how_far_it_got_and_goes_on_from_there(
    shell: Shell, tmp_path: Path, bad: str, reason: str, place: str
) -> None:
    lines = numbered(2_500)
    path = tmp_path / "many.txt"
    path.write_text("\n".join([*lines[:1_500], bad, *lines[1_501:]]))
    outcome = shell("import", str(path))
    assert outcome.code == 2
    assert place in outcome.err and f"({reason})" in outcome.err
    said = re.search(r"([\d,]+) relationships are written; go on with `--skip (\d+)`", outcome.err)
    assert said is not None
    written, skip = int(said[1].replace(",", "")), int(said[2])
    assert written == skip == (1_500 if reason == "INVALID_RELATIONSHIP" else 1_000)
    assert len(shell("read", "@user:zoe").lines) == written

    path.write_text("\n".join(lines))
    assert shell("import", str(path), "--skip", str(skip)).code == 0
    assert len(shell("read", "@user:zoe").lines) == 2_500


def test_an_interrupted_import_says_how_far_it_got(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from remit.cli.commands import imports

    def typed(*given: Any) -> Iterator[Any]:
        yield from real(*given)
        raise KeyboardInterrupt

    real = imports._read
    monkeypatch.setattr(imports, "_read", typed)
    outcome = shell("import", "-", stdin="\n".join(numbered(1_001)))
    assert outcome.code == 130
    assert "1,001 relationships are written; go on with `--skip 1001`" in outcome.err


@pytest.mark.parametrize("name", ["nowhere.txt", "."])
def test_a_file_that_cannot_be_read_is_an_error(shell: Shell, tmp_path: Path, name: str) -> None:
    outcome = shell("import", str(tmp_path / name))
    assert outcome.code == 2
    assert "(FILE_UNREADABLE)" in outcome.err


def test_an_export_that_fails_leaves_no_file_behind(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "backup.txt"
    path.write_text("the last good one\n")
    assert shell("export", str(path), "--store", "elsewhere").code == 2
    assert [found.name for found in tmp_path.iterdir()] == ["backup.txt"]
    assert path.read_text() == "the last good one\n"
    outcome = shell("export", str(tmp_path / "no" / "folder.txt"))
    assert outcome.code == 2
    assert "(FILE_UNWRITABLE)" in outcome.err


def test_an_export_for_programs_is_one_object_a_line(shell: Shell, tmp_path: Path) -> None:
    facts = shell("export", "--json").json
    assert sorted(fact["relationship"] for fact in facts) == sorted(exported(shell))
    path = tmp_path / "facts.json"
    said = shell("export", str(path), "--json").json
    assert said == [{"relationships": len(facts), "file": str(path), "token": said[0]["token"]}]
    assert len(path.read_text().splitlines()) == len(facts)


def test_what_had_expired_is_told_with_its_line_once_it_is_imported(shell: Shell, tmp_path: Path) -> None:
    lines = numbered(1_500)
    old = range(20, 1_400, 100)
    for place in old:
        lines[place] += "[expiration:2020-01-01T00:00:00Z]"
    path = tmp_path / "many.txt"
    path.write_text("\n".join(["// a comment", *lines]))
    outcome = shell("import", str(path))
    assert outcome.code == 0
    told = re.findall(r"many\.txt:(\d+): this has expired already", outcome.err)
    assert [int(number) for number in told] == [place + 2 for place in old][:10]  # the first of them
    assert "warning: 14 of them had expired already: they count for nothing" in outcome.err
    (said,) = shell("import", "-", "--json", stdin="\n".join(lines)).json
    assert (said["relationships"], said["expired"]) == (1_500, 14)
    (said,) = shell("import", "-", "--json", stdin="\n".join(numbered(3))).json
    assert "expired" not in said


# --- a world ------------------------------------------------------------------------------------------------------

WORLD = """\
schema: |-
  use expiration
  definition user {}
  definition doc {
    relation viewer: user | user with expiration
    permission view = viewer
  }
relationships: |-
  doc:1#viewer@user:a
  doc:1#viewer@user:a
  doc:2#viewer@user:b[expiration:2020-01-01T00:00:00Z]
assertions:
  assertTrue:
    - doc:1#view@user:a
  assertFalse:
    - doc:2#view@user:b
    - doc:3#view@user:c
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "world.yaml").write_text(WORLD)
    return tmp_path / "world.yaml"


@pytest.fixture
def empty(empty_server: BackgroundServer, bare_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("REMIT_ENDPOINT", empty_server.endpoint)
    return bare_shell


def test_a_world_is_written_with_its_schema_and_its_assertions_are_asked(empty: Shell, world: Path) -> None:
    for _ in range(2):  # it may be repeated
        outcome = empty("import", str(world))
        assert outcome.code == 0, outcome.err
        assert "a schema and 2 relationships are written" in outcome.err
        assert "3 of 3 assertions hold on the server" in outcome.err
        assert "`doc:2#viewer@user:b` has expired already" in outcome.err
    assert empty("check", "doc:1#view@user:a").code == 0
    assert "definition doc" in empty("schema", "read").out


def test_what_does_not_hold_on_the_server_is_told_with_its_line(empty: Shell, world: Path) -> None:
    assert empty("import", str(world)).code == 0
    empty("touch", "doc:3#viewer@user:c")
    outcome = empty("import", str(world))
    assert outcome.code == 1
    assert outcome.lines == [f"{world.as_posix()}:17: `doc:3#view@user:c` is yes on the server, expected no"]
    (told,) = empty("--json", "import", str(world)).json
    message = "`doc:3#view@user:c` is yes on the server, expected no"
    assert (told["relationships"], told["assertions"], told["failed"]) == (2, 3, [{"line": 17, "message": message}])


def test_a_dry_run_of_a_world_judges_all_of_it_and_writes_nothing(empty: Shell, world: Path) -> None:
    outcome = empty("import", str(world), "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "nothing is written" in outcome.err
    assert empty("schema", "read").code != 0
    world.write_text(WORLD.replace("- doc:1#view@user:a", "- doc:1#view@user:z"))
    outcome = empty("import", str(world), "--dry-run")
    assert outcome.code == 1
    assert "doc:1#view@user:z" in outcome.err
    (told,) = empty("--json", "import", str(world), "--dry-run").json
    assert [each["line"] for each in told["failed"]] == [14]
    assert "token" not in told


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  doc:1#viewer@user:a\n", "  doc:1#editor@user:a\n", "relation `editor` is not defined on `doc`"),
        ("  doc:1#viewer@user:a\n", "  doc:1#viewer\n", "doc:1#viewer"),
        ("viewer: user |", "viewer: usr |", "usr"),
        ("relationships:", "relationship:", "relationship"),
    ],
)
def test_a_world_with_a_mistake_is_refused_before_anything_is_written(
    empty: Shell, world: Path, old: str, new: str, said: str
) -> None:
    world.write_text(WORLD.replace(old, new, 1))
    outcome = empty("import", str(world))
    assert outcome.code == 2
    assert said in outcome.err
    assert empty("schema", "read").code != 0
    refused = empty("--json", "import", str(world))
    assert (refused.code, refused.out) == (2, "")
    error = json.loads(refused.err.splitlines()[-1])["error"]
    assert said in error["message"] + str(error.get("findings"))


def test_a_key_that_means_nothing_is_told_of(empty: Shell, world: Path) -> None:
    world.write_text(WORLD + "colour: red\n")
    outcome = empty("import", str(world))
    assert outcome.code == 0
    assert "colour" in outcome.err


def test_a_world_that_leaves_a_relationship_without_a_place_is_refused(shell: Shell, world: Path) -> None:
    outcome = shell("import", str(world))
    assert outcome.code != 0
    assert "team" in outcome.err
    assert "permission view = viewer + owner" in shell("schema", "read").out


def test_what_is_no_world_says_what_to_do(empty: Shell, world: Path, tmp_path: Path) -> None:
    assert "remit schema write" in empty("import", str(tmp_path / "x.zed")).err
    assert "--skip" in empty("import", str(world), "--skip", "3").err
    assert "remit touch --dry-run" in empty("import", "facts.txt", "--dry-run").err
    assert "remit schema write" in empty("import", str(tmp_path / "x.zed"), "--dry-run").err
