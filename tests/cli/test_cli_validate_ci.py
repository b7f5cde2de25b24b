"""Laws of `remit validate` in CI: what it is given, what it reports, and when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.cli.render.examined import Examined
from remit.cli.render.junit import write_junit
from remit.errors import WorldUnreadable
from remit.world import Finding
from remit.world.finding import FindingKind, Outcome
from tests.support.cli_shell import Shell

TRUE = """\
schema: |-
  definition user {}
  definition doc {
    relation viewer: user
    relation banned: user
    permission view = viewer - banned
  }
relationships: |-
  doc:a#viewer@user:anne
  doc:a#viewer@user:ben
  doc:a#banned@user:ben
assertions:
  assertTrue:
    - doc:a#view@user:anne
  assertFalse:
    - doc:a#view@user:ben
validation:
  doc:a#view:
    - "[user:anne] is <doc:a#viewer>"
lookups:
  doc:a#view@user:
    - user:anne
now: 2027-01-01T00:00:00Z
"""
UNTRUE = TRUE.replace("assertTrue", "assertCaveated").replace("[user:anne] is", "[user:zoe] is")
WARNED = TRUE.replace("viewer - banned", "viewer & viewer - banned")
MISTAKEN = TRUE.replace("doc:a#banned@user:ben", "doc:a#banned")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "worlds").mkdir()
    for name in ("b.yaml", "a.yaml"):
        (tmp_path / "worlds" / name).write_text(TRUE)
    (tmp_path / "worlds" / "notes.txt").write_text("not a world")
    return tmp_path / "worlds"


def written(tmp_path: Path, text: str, name: str = "world.yaml") -> str:
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


# --- what it is given -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argument", [".", "./", "*.yaml", "[ab].yaml", "../worlds", "../**/*.yaml"])
def test_a_folder_or_a_pattern_means_its_worlds_in_order(
    bare_shell: Shell, folder: Path, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    outcome = bare_shell("validate", argument)
    assert (outcome.code, outcome.err) == (0, "")
    assert [Path(line.partition(":")[0]).name for line in outcome.lines[:-1]] == ["a.yaml", "b.yaml"]
    assert outcome.lines[-1] == "2 of 2 worlds hold"


@pytest.mark.parametrize(
    ("argument", "says"), [("empty", "no `*.yaml`"), ("*.yml", "no file is of that pattern"), ("none.yaml", "no such")]
)
def test_what_means_no_world_is_an_error(
    bare_shell: Shell, folder: Path, argument: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    outcome = bare_shell("validate", argument)
    assert outcome.code == 2
    assert says in outcome.err and "(FILE_UNREADABLE)" in outcome.err


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(bare_shell: Shell, tmp_path: Path) -> None:
    assert bare_shell("validate", written(tmp_path, TRUE, "[a].yaml")).code == 0


# --- warnings ---------------------------------------------------------------------------------------------------


def test_warnings_fail_only_where_they_should(bare_shell: Shell, tmp_path: Path) -> None:
    world = written(tmp_path, WARNED)
    outcome = bare_shell("validate", world)
    assert outcome.code == 0
    assert "mixed-operators-without-parentheses" in outcome.err
    outcome = bare_shell("validate", world, "--fail-on-warn")
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.lines[0] == f"{world}:6: `view` mixes operators without parentheses"
    assert outcome.lines[-1] == f"{world}: 1 thing does not hold"
    assert bare_shell("validate", written(tmp_path, TRUE), "--fail-on-warn").code == 0


def test_a_warning_of_a_shared_schema_is_told_once_and_fails_each_world(bare_shell: Shell, tmp_path: Path) -> None:
    schema = "definition user {}\ndefinition doc {\n  relation a: user\n  permission p = a & a - a\n}\n"
    (tmp_path / "schema.zed").write_text(schema)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("schemaFile: schema.zed\n")
    outcome = bare_shell("validate", str(tmp_path), "--fail-on-warn")
    assert outcome.code == 1
    assert outcome.out.count("mixes operators without parentheses [") == 1
    assert outcome.lines[-1] == "0 of 2 worlds hold"


# --- coverage ---------------------------------------------------------------------------------------------------


def test_coverage_is_told_by_definition_with_every_lack_and_its_line(bare_shell: Shell, tmp_path: Path) -> None:
    world = written(tmp_path, TRUE)
    outcome = bare_shell("validate", world, "--coverage")
    assert outcome.code == 0
    assert outcome.lines[1:] == [
        f"coverage of {world} by 2 assertions of 1 world: 78.5% (11 of 14)",
        "  doc  78.5%  11 of 14",
        f"{world}:4: relation `viewer` of `doc` is not covered with no: it is never no",
        f"{world}:4: `user` in relation `viewer` of `doc` is not covered with no: it is never no",
        f"{world}:6: `viewer` in permission `view` of `doc` is not covered with no: it is never no",
    ]


def test_too_little_coverage_fails(bare_shell: Shell, tmp_path: Path) -> None:
    world = written(tmp_path, TRUE)
    percent = json.loads(bare_shell("validate", world, "--coverage", "--json").lines[-1])["percent"]
    assert bare_shell("validate", world, "--coverage-min", str(percent)).code == 0
    outcome = bare_shell("validate", world, "--coverage-min", str(percent + 0.1))
    assert outcome.code == 1
    assert outcome.lines[-1] == f"{world}: {percent:g}% is covered, less than {percent + 0.1:g}%"
    assert bare_shell("validate", world, "--coverage-min", "101").code == 2


def test_coverage_for_programs(bare_shell: Shell, tmp_path: Path) -> None:
    world = written(tmp_path, TRUE)
    first, shape = bare_shell("validate", world, "--coverage-min", "100", "--json").json
    assert first["ok"] is True
    assert (shape["schema"], shape["ok"], shape["worlds"], shape["assertions"]) == (world, False, 1, 2)
    assert shape["total"] - shape["covered"] == len(shape["uncovered"])
    assert shape["definitions"] == [
        {key: shape[key] for key in ("percent", "covered", "total")} | {"kind": "definition", "name": "doc"}
    ]
    lack = next(each for each in shape["uncovered"] if each["kind"] == "subject-type")
    assert lack == {
        "file": world,
        "line": 4,
        "column": 22,
        "kind": "subject-type",
        "definition": "doc",
        "name": "viewer",
        "text": "user",
        "value": "no",
        "message": "`user` in relation `viewer` of `doc` is not covered with no: it is never no",
    }


def test_the_worlds_of_one_schema_are_counted_together_and_others_apart(bare_shell: Shell, tmp_path: Path) -> None:
    schema = "definition user {}\ndefinition doc {\n  relation a: user\n}\n"
    (tmp_path / "schema.zed").write_text(schema)
    fact = "schemaFile: schema.zed\nrelationships: doc:x#a@user:u\n"
    (tmp_path / "1.yaml").write_text(f"{fact}assertions:\n  assertTrue: ['doc:x#a@user:u']\n")
    (tmp_path / "2.yaml").write_text(f"{fact}assertions:\n  assertFalse: ['doc:x#a@user:v']\n")
    (tmp_path / "3.yaml").write_text(TRUE)
    shapes = bare_shell("validate", str(tmp_path), "--coverage", "--json").json[3:]
    assert [(shape["schema"], shape["worlds"]) for shape in shapes] == [
        (str(tmp_path / "schema.zed"), 2),
        (str(tmp_path / "3.yaml"), 1),
    ]
    assert shapes[0]["percent"] == 100


# --- JUnit ------------------------------------------------------------------------------------------------------


def checked_report(path: Path) -> list[ET.Element]:
    """The suites of a report, after what every reader of such reports relies on."""
    root = ET.parse(path).getroot()
    assert root.tag == "testsuites"
    suites = list(root)
    for suite in suites:
        assert suite.tag == "testsuite" and suite.get("name")
        assert float(suite.get("time", "")) >= 0
        cases = list(suite)
        names = [(case.get("classname"), case.get("name")) for case in cases]
        assert len(set(names)) == len(names), "cases are told apart by class and name"
        for case in cases:
            assert case.tag == "testcase" and case.get("classname") and case.get("name") and case.get("file")
            assert int(case.get("line", "")) >= 1
            assert [problem.tag for problem in case] in ([], ["failure"], ["error"])
            for problem in case:
                assert problem.get("message") and problem.get("type") and problem.text
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))
        assert suite.get("skipped") == "0"
    for name in ("tests", "failures", "errors"):
        assert root.get(name) == str(sum(int(suite.get(name, "")) for suite in suites))
    return suites


def test_every_assertion_and_expectation_is_a_case(bare_shell: Shell, tmp_path: Path) -> None:
    world, report = written(tmp_path, TRUE), tmp_path / "report.xml"
    assert bare_shell("validate", world, "--junit", str(report)).code == 0
    (suite,) = checked_report(report)
    assert suite.get("name") == world
    assert [(case.get("name"), case.get("line"), len(case)) for case in suite] == [
        ("schema: the schema compiles", "1", 0),
        ("assertion: assertTrue doc:a#view@user:anne", "14", 0),
        ("assertion: assertFalse doc:a#view@user:ben", "16", 0),
        ("validation: doc:a#view", "18", 0),
        ("validation: doc:a#view: [user:anne] is <doc:a#viewer>", "19", 0),
        ("lookup: doc:a#view@user", "21", 0),
        ("lookup: doc:a#view@user: user:anne", "22", 0),
    ]


def test_what_does_not_hold_is_a_failure_of_its_case(bare_shell: Shell, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    worlds = [
        written(tmp_path, UNTRUE, "untrue.yaml"),
        written(tmp_path, WARNED, "warned.yaml"),
        written(tmp_path, MISTAKEN, "mistaken.yaml"),
        written(tmp_path, "schema: [", "broken.yaml"),
    ]
    outcome = bare_shell("validate", *worlds, "--fail-on-warn", "--coverage-min", "100", "--junit", str(report))
    assert outcome.code == 2
    untrue, warned, mistaken, broken, *coverage = checked_report(report)
    failed = {case.get("name"): case[0].get("message") for case in untrue if len(case)}
    assert failed == {
        "assertion: assertCaveated doc:a#view@user:anne": "`doc:a#view@user:anne` should be conditional, but is yes",
        "validation: doc:a#view": "`user:anne` has `doc:a#view` by <doc:a#viewer>, but is not listed",
        "validation: doc:a#view: [user:zoe] is <doc:a#viewer>": "`user:zoe` is listed, but does not have `doc:a#view`",
    }
    assert [case.get("name") for case in warned if len(case)] == ["schema: the schema compiles"]
    assert [case.get("name") for case in mistaken if len(case)] == ["relationship: doc:a#banned"]
    assert [problem.tag for case in broken for problem in case] == ["error"]
    assert [suite.get("failures") for suite in coverage] == ["1", "1"], "two schemas were read, neither is all covered"


def test_a_report_that_cannot_be_written_is_an_error(bare_shell: Shell, tmp_path: Path) -> None:
    outcome = bare_shell("validate", written(tmp_path, TRUE), "--junit", str(tmp_path / "none" / "report.xml"))
    assert outcome.code == 2
    assert "cannot write" in outcome.err and "(FILE_UNWRITABLE)" in outcome.err


texts = st.text(st.characters(codec=None), max_size=20)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(texts, texts, st.sampled_from(FindingKind)), max_size=4), texts)
def test_a_report_is_xml_whatever_a_world_has_in_it(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, str, FindingKind]], file: str
) -> None:
    file, path = f"w{file}", tmp_path_factory.getbasetemp() / "report.xml"
    outcomes = [
        Outcome(kind, line, about, (Finding(file, line, kind, about, f"m{message}", detail=message),))
        for line, (about, message, kind) in enumerate(written, 1)
    ]
    broken = Examined(file, 0.0, error=WorldUnreadable(f"m{file}"))
    write_junit(path, [Examined(file, 1.5, outcomes=tuple(outcomes)), broken], [], 0.0)
    held, unreadable = checked_report(path)
    assert (held.get("failures"), unreadable.get("errors")) == (str(len(outcomes)), "1")
