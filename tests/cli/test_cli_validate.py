"""Laws of `remit validate`: 0 says that every line of every file is true, and what is not is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli_shell import Shell
from tests.support.places import ROOT

TRUE = """\
schema: |-
  use expiration
  definition user {}
  definition doc {
    relation viewer: user with expiration
    permission view = viewer
  }
relationships: |-
  doc:a#viewer@user:anne[expiration:2027-01-31T00:00:00Z]
assertions:
  assertTrue:
    - doc:a#view@user:anne
validation:
  doc:a#view:
    - "[user:anne] is <doc:a#viewer>"
"""
AT = ("--now", "2027-01-01T00:00:00Z")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "world.yaml"
    path.write_text(TRUE)
    return path


def test_a_true_world_holds(bare_shell: Shell, world: Path) -> None:
    outcome = bare_shell("validate", str(world), *AT)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.lines == [f"{world}: holds (1 relationship, 1 assertion, 1 expected set)"]


def test_what_does_not_hold_is_told_with_its_line(bare_shell: Shell, world: Path) -> None:
    world.write_text(TRUE.replace("assertTrue", "assertFalse"))
    outcome = bare_shell("validate", str(world), *AT)
    assert outcome.code == 1
    assert outcome.lines == [
        f"{world}:12: `doc:a#view@user:anne` should be no, but is yes",
        f"{world}: 1 thing does not hold",
    ]


def test_the_time_may_be_given_and_a_worlds_own_time_wins(bare_shell: Shell, world: Path) -> None:
    later = ("--now", "2027-02-01T00:00:00Z")
    assert bare_shell("validate", str(world), *later).code == 1
    world.write_text(f"{TRUE}now: 2027-01-01T00:00:00Z\n")
    assert bare_shell("validate", str(world), *later).code == 0
    assert bare_shell("validate", str(world)).code == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("viewer: user", "viewer: usr"), 1),
        (("#viewer@user:anne[", "#editor@user:anne["), 1),
        (("doc:a#view@user:anne", "doc:a#view"), 1),
        (("[user:anne] is", "[user:ben] is"), 1),
        (("assertions:", "assertion:"), 2),
        (("assertions:", "assertions: ["), 2),
        (("relationships: |-", "relationships: 'x'\nrelationships: |-"), 2),
    ],
)
def test_untrue_is_one_and_unreadable_is_two(
    bare_shell: Shell, world: Path, change: tuple[str, str], code: int
) -> None:
    world.write_text(TRUE.replace(*change))
    outcome = bare_shell("validate", str(world), *AT)
    assert outcome.code == code
    assert f"{world}:" in outcome.out + outcome.err


def test_of_many_worlds_the_worst_counts_and_all_are_told(bare_shell: Shell, world: Path, tmp_path: Path) -> None:
    untrue = tmp_path / "untrue.yaml"
    untrue.write_text(TRUE.replace("user:anne]", "user:ben]"))
    outcome = bare_shell("validate", str(world), str(untrue), str(world), *AT)
    assert outcome.code == 1
    assert outcome.lines[-1] == "2 of 3 worlds hold"
    outcome = bare_shell("validate", str(tmp_path / "none.yaml"), str(untrue), *AT)
    assert outcome.code == 2
    assert "untrue.yaml: 2 things do not hold" in outcome.out


def test_the_shape_for_programs(bare_shell: Shell, world: Path, tmp_path: Path) -> None:
    untrue = tmp_path / "untrue.yaml"
    untrue.write_text(TRUE.replace("assertTrue", "assertFalse"))
    broken = tmp_path / "broken.yaml"
    broken.write_text("schema: [\n")
    outcome = bare_shell("validate", str(world), str(untrue), str(broken), "--json", *AT)
    assert (outcome.code, outcome.err) == (2, "")
    holds, does_not, is_none = outcome.json
    counts = {"relationships": 1, "records": 0, "assertions": 1, "expected_sets": 1, "expected_lists": 0}
    assert holds == {"file": str(world), "ok": True, **counts, "findings": [], "warnings": []}
    assert does_not["findings"] == [
        {
            "file": str(untrue),
            "line": 12,
            "kind": "assertion",
            "message": "`doc:a#view@user:anne` should be no, but is yes",
            "about": "doc:a#view@user:anne",
            "expected": "no",
            "found": "yes",
        }
    ]
    assert (is_none["ok"], is_none["error"]["reason"]) == (False, "WORLD_UNREADABLE")


def test_the_shipped_worlds_hold(bare_shell: Shell) -> None:
    worlds = sorted(str(path) for path in (ROOT / "schema" / "worlds").glob("*.yaml"))
    assert worlds
    outcome = bare_shell("validate", *worlds)
    assert (outcome.code, outcome.err) == (0, "")


def test_a_bad_time_is_an_error(bare_shell: Shell, world: Path) -> None:
    outcome = bare_shell("validate", str(world), "--now", "soon")
    assert outcome.code == 2
    assert "`soon` is not an RFC 3339 time" in outcome.err


def test_a_schema_file_that_is_not_there_is_told_with_the_world_that_names_it(bare_shell: Shell, world: Path) -> None:
    world.write_text("# a world\nschemaFile: missing.zed\n")
    outcome = bare_shell("validate", str(world))
    assert outcome.code == 2
    missing = world.parent / "missing.zed"
    assert outcome.err == f"error: {world}:2: cannot read `{missing}`: no such file or directory (FILE_UNREADABLE)\n"


def test_who_validates_a_schema_alone_is_shown_its_command(bare_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "schema.zed").write_text("definition user {}\n")
    outcome = bare_shell("validate", str(tmp_path / "schema.zed"))
    assert outcome.code == 2
    assert f"`remit schema check {tmp_path / 'schema.zed'}`" in outcome.err
    assert "(WORLD_UNREADABLE)" in outcome.err
