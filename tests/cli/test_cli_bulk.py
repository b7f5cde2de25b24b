"""Laws of `remit import` and `remit export`: what goes out comes in again, and an import says how far it got."""

from __future__ import annotations

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
    from remit.cli.commands import bulk

    def typed(*given: Any) -> Iterator[Any]:
        yield from real(*given)
        raise KeyboardInterrupt

    real = bulk._read
    monkeypatch.setattr(bulk, "_read", typed)
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
