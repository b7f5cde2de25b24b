"""Laws of `remit store`: a backup is a file or none, a restore a store or none, and nothing is removed unasked."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from remit.server.run.background import BackgroundServer
from tests.support.cli_shell import FACTS, Shell


def names(shell: Shell) -> list[str]:
    return [info["name"] for info in shell("store", "list", "--json").json]


def test_a_store_is_made_listed_and_removed(shell: Shell) -> None:
    token = shell("store", "create", "second").out.strip()
    assert token.startswith("r1.")
    assert names(shell) == ["default", "second"]
    lines = shell("store", "list").lines
    assert lines[0].split() == ["NAME", "RELATIONSHIPS", "SCHEMA", "UUID"]
    assert lines[1].split()[:3] == ["default", str(len(FACTS)), "yes"]
    assert lines[2].split()[:3] == ["second", "0", "no"]
    assert shell("--store", "second", "schema", "read").code == 2
    assert shell("store", "delete", "second", "--yes").code == 0
    assert names(shell) == ["default"]


def test_the_shape_of_a_store(shell: Shell) -> None:
    (made,) = shell("store", "create", "second", "--json").json
    assert set(made) == {"name", "uuid", "epoch", "token", "relationships", "has_schema"}
    assert made in shell("store", "list", "--json").json
    assert shell("store", "delete", "second", "--yes", "--json").json == [{"deleted": "second"}]


def test_nothing_is_removed_unasked(shell: Shell) -> None:
    outcome = shell("store", "delete", "default", stdin="y\n")
    assert outcome.code == 2
    assert "--yes" in outcome.err
    assert shell("store", "delete", "default").code == 130  # a terminal at which nobody says yes
    assert names(shell) == ["default"]


@pytest.mark.parametrize("command", ["create", "delete"])
def test_a_bad_name_is_refused_before_anything_is_sent(bare_shell: Shell, command: str) -> None:
    arguments = ["--yes"] if command == "delete" else []
    outcome = bare_shell("store", command, "No Such", *arguments, "--endpoint", "127.0.0.1:1")
    assert outcome.code == 2
    assert "(INVALID_REFERENCE)" in outcome.err


def test_a_backup_restored_is_the_store(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "default.remit-backup"
    outcome = shell("store", "backup", "default", str(path))
    assert (outcome.code, outcome.out) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shell("touch", "doc:late#viewer@user:zoe")
    token = shell("store", "restore", "copy", str(path)).out.strip()
    copied = shell("--store", "copy", "read", "--at-least", token, "--json").json
    original = [each for each in shell("read", "--json").json if each["resource"]["id"] != "late"]
    assert copied == original
    assert shell("--store", "copy", "schema", "diff", "-", stdin=shell("schema", "read").out).code == 0


def test_the_shapes_of_a_backup_and_a_restore(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    (told,) = shell("store", "backup", "default", str(path), "--json").json
    assert (told["store"], told["file"], told["bytes"]) == ("default", str(path), path.stat().st_size)
    assert shell("check", "doc:plan#view@user:anne", "--at-least", told["token"]).code == 0
    (restored,) = shell("store", "restore", "copy", str(path), "--json").json
    assert (restored["name"], restored["relationships"]) == ("copy", len(FACTS))


def test_a_backup_goes_through_a_pipe(shell: Shell, server: BackgroundServer) -> None:
    program = [sys.executable, "-m", "remit.cli.main", "--endpoint", server.endpoint, "store", "backup", "default", "-"]
    data = subprocess.run(program, stdout=subprocess.PIPE, check=True).stdout
    assert shell("store", "restore", "copy", "-", stdin=data).code == 0
    assert names(shell) == ["copy", "default"]


def test_what_there_was_stays_where_a_backup_fails(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"what there was")
    outcome = shell("store", "backup", "never", str(path))
    assert (outcome.code, path.read_bytes()) == (2, b"what there was")
    assert "(STORE_NOT_FOUND)" in outcome.err
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
    outcome = shell("store", "backup", "default", str(tmp_path / "missing" / "copy"))
    assert outcome.code == 2
    assert "(FILE_UNWRITABLE)" in outcome.err


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-1], "BACKUP_DAMAGED"),
        (lambda data: data[:40] + b"x" + data[41:], "BACKUP_DAMAGED"),
        (lambda data: b"", "BACKUP_DAMAGED"),
        (lambda data: b"a tar file, say", "BACKUP_FORMAT_UNKNOWN"),
    ],
)
def test_what_is_no_whole_backup_makes_no_store(shell: Shell, tmp_path: Path, damage: object, reason: str) -> None:
    path = tmp_path / "copy"
    shell("store", "backup", "default", str(path))
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    outcome = shell("store", "restore", "copy", str(path))
    assert (outcome.code, outcome.out) == (2, "")
    assert f"({reason})" in outcome.err
    assert names(shell) == ["default"]


def test_a_file_that_is_not_there_is_said_so(shell: Shell, tmp_path: Path) -> None:
    outcome = shell("store", "restore", "copy", str(tmp_path / "none"))
    assert outcome.code == 2
    assert "(FILE_UNREADABLE)" in outcome.err
    outcome = shell("store", "restore", "default", str(tmp_path / "none"))
    assert outcome.code == 2
