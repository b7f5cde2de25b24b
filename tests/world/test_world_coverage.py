"""Laws of coverage: what is covered would be missed, what is not has a line, and worlds add up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.language.compiler import compile_schema
from remit.model import Verdict
from remit.notation import parse_time
from remit.world import World
from remit.world.coverage import Coverage, CoverageReport, percent_of, schema_key
from remit.world.parts import PartKind, parts_of
from remit.world.verification import outcomes_of

NOW_US = parse_time("2027-01-01T00:00:00Z")
SCHEMA = """\
use delegation
use expiration
use self
caveat on_ip(ip ipaddress, cidr string) { ip.in_cidr(cidr) }
definition user {}
definition group { relation member: user | group#member }
definition run {
  relation delegated_by: run | user
}
definition doc {
  relation viewer: user | user:* | group#member | user with on_ip | run with expiration
  relation writer: user | run
  relation parent: doc
  relation lock: user
  permission view = (viewer + writer) - banned
  relation banned: user
  permission above = parent->view
  permission all_above = parent.all(view)
  permission chained = writer.along(delegated_by)
  permission locked = lock.exists()
  permission nobody = nil
  permission mixed = nil + self
}
"""
CARRIED = "".join(f"  {line}\n" for line in SCHEMA.splitlines())
LINE_OF_SCHEMA = 2  # of its first line, in a world


def world_of(tmp_path: Path, facts: list[str], rest: dict[str, list[str]], name: str = "world.yaml") -> World:
    lines = [f"schema: |-\n{CARRIED}relationships: |-\n", *(f"  {fact}\n" for fact in facts), "assertions:\n"]
    for key, questions in rest.items():
        lines += [f"  {key}:\n", *(f"    - '{question}'\n" for question in questions)]
    path = tmp_path / name
    path.write_text("".join(lines), encoding="utf-8")
    return World.read(path)


def covered_by(*worlds: World) -> tuple[Coverage, CoverageReport]:
    coverage = Coverage.of(worlds[0])
    for world in worlds:
        coverage.begin()
        findings = [each for outcome in outcomes_of(world, NOW_US, coverage.observe) for each in outcome.findings]
        assert findings == [], [finding.render() for finding in findings]
    return coverage, coverage.report()


def covered(tmp_path: Path, facts: list[str], **rest: list[str]) -> set[str]:
    """What is covered, as `value text` or, for a subject type, `value relation: text`."""
    coverage, report = covered_by(world_of(tmp_path, facts, rest))
    lacking = {(lack.part, lack.value) for lack in report.lacks}
    found = set()
    for part in coverage.parts:
        about = f"{part.name}: {part.text}" if part.kind is PartKind.SUBJECT_TYPE else part.text
        for value in (Verdict.NO, Verdict.YES) if part.can_be_yes else (Verdict.NO,):
            if (part, value) not in lacking:
                found.add(f"{value.name.lower()} {about}")
    return found


# --- what covers what -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "rest", "expected"),
    [
        ([], {}, set()),
        (
            ["doc:a#viewer@user:u"],
            {"assertTrue": ["doc:a#view@user:u"]},
            {"yes view", "yes viewer + writer", "yes viewer", "yes viewer: user", "no banned", "no banned: user"},
        ),
        (
            ["doc:a#viewer@user:u", "doc:a#writer@user:u"],  # either would do
            {"assertTrue": ["doc:a#view@user:u"]},
            {"yes view", "yes viewer + writer", "no banned", "no banned: user"},
        ),
        (
            ["doc:a#viewer@user:u", "doc:a#banned@user:u"],
            {"assertFalse": ["doc:a#view@user:u"]},
            {"no view", "yes banned", "yes banned: user"},
        ),
        (
            ["doc:a#viewer@user:u", "doc:a#viewer@user:*"],
            {"assertTrue": ["doc:a#viewer@user:u"]},
            {"yes viewer"},
        ),
        (
            ["doc:a#viewer@group:g#member", "group:g#member@user:u"],
            {"assertTrue": ["doc:a#viewer@user:u"]},
            {"yes viewer", "yes viewer: group#member", "yes member", "yes member: user"},
        ),
        (
            ['doc:a#viewer@user:u[on_ip:{"cidr":"10.0.0.0/8"}]'],
            {"assertTrue": ['doc:a#viewer@user:u with {"ip":"10.1.1.1"}']},
            {"yes viewer", "yes viewer: user with on_ip", "yes on_ip"},
        ),
        (
            ['doc:a#viewer@user:u[on_ip:{"cidr":"10.0.0.0/8"}]'],
            {"assertFalse": ['doc:a#viewer@user:u with {"ip":"11.1.1.1"}']},
            {
                "no viewer", "no on_ip", "no viewer: user", "no viewer: user:*", "no viewer: group#member",
                "no viewer: user with on_ip",
            },
        ),
        # What a caveat leaves open is neither; what stands beside it may still be decisive.
        (
            ['doc:a#viewer@user:u[on_ip:{"cidr":"10.0.0.0/8"}]'],
            {"assertCaveated": ["doc:a#view@user:u"]},
            {"no writer", "no writer: user", "no banned", "no banned: user"},
        ),
        ([], {"assertFalse": ["doc:a#above@user:u"]}, {"no above", "no parent", "no parent: doc"}),
        (
            ["doc:a#parent@doc:b", "doc:b#writer@user:u"],
            {"assertTrue": ["doc:a#all_above@user:u"]},
            {
                "yes all_above", "yes parent", "yes parent: doc", "yes view", "yes viewer + writer", "yes writer",
                "yes writer: user", "no banned", "no banned: user",
            },
        ),
        ([], {"assertFalse": ["doc:a#locked@user:u"]}, {"no locked", "no lock", "no lock: user"}),
        (
            ["doc:a#lock@user:z"],
            {"assertTrue": ["doc:a#locked@user:u"]},
            {"yes locked", "yes lock", "yes lock: user"},
        ),
        (
            ["run:r#delegated_by@user:u", "doc:a#writer@run:r", "doc:a#writer@user:u"],
            {"assertTrue": ["doc:a#chained@run:r"]},
            {
                "yes chained", "yes writer", "yes writer: user", "yes writer: run", "yes delegated_by",
                "yes delegated_by: user",
            },
        ),
        (
            ["doc:a#writer@run:r"],  # nobody above it
            {"assertFalse": ["doc:a#chained@run:r"]},
            {"no chained", "no delegated_by", "no delegated_by: run", "no delegated_by: user"},
        ),
        ([], {"assertFalse": ["doc:a#nobody@user:u"]}, {"no nobody"}),
        ([], {"assertTrue": ["doc:a#mixed@doc:a"]}, {"yes mixed", "yes self"}),
        ([], {"assertFalse": ["doc:a#mixed@doc:b"]}, {"no mixed", "no nil", "no self"}),
        ([], {"assertTrue": ["doc:a#view@doc:a#view"]}, set()),  # true in any schema
    ],
)  # fmt: skip
def test_an_assertion_covers_what_its_answer_hangs_on(
    tmp_path: Path, facts: list[str], rest: dict[str, list[str]], expected: set[str]
) -> None:
    assert covered(tmp_path, facts, **rest) == expected


def test_what_is_expired_does_not_cover(tmp_path: Path) -> None:
    fact = "doc:a#writer@user:u"
    gone = "doc:a#viewer@run:r[expiration:2026-12-31T00:00:00Z]"
    found = covered(tmp_path, [fact, gone], assertFalse=["doc:a#viewer@run:r"])
    assert found == {"no viewer", "no viewer: run with expiration"}


# --- the report -------------------------------------------------------------------------------------------------


def test_everything_that_is_not_covered_is_told_with_its_place(tmp_path: Path) -> None:
    world = world_of(tmp_path, ["doc:a#viewer@user:u"], {"assertTrue": ["doc:a#viewer@user:u"]})
    _, report = covered_by(world)
    lines = SCHEMA.splitlines()
    for lack in report.lacks:
        assert lack.part.file == str(tmp_path / "world.yaml")
        line = lines[lack.part.line - LINE_OF_SCHEMA]
        assert line[lack.part.column - 3 :].startswith(lack.part.text.removeprefix("(")[:4])
    told = {str(lack) for lack in report.lacks}
    assert "`user` in relation `viewer` of `doc` is not covered with no: it is never no" in told
    assert "relation `viewer` of `doc` is not covered with no: it is never no" in told
    assert "`viewer + writer` in permission `view` of `doc` is not covered with yes: no assertion asks it" in told
    assert "caveat `on_ip` is not covered with no: no assertion asks it" in told


def test_what_was_met_and_did_not_matter_is_told_apart_from_what_was_not(tmp_path: Path) -> None:
    world = world_of(tmp_path, ["doc:a#viewer@user:u", "doc:a#writer@user:u"], {"assertTrue": ["doc:a#view@user:u"]})
    told = {str(lack) for lack in covered_by(world)[1].lacks}
    writer = "`writer` in permission `view` of `doc` is not covered with"
    assert f"{writer} no: it is never no" in told
    assert f"{writer} yes: where it is yes, the answer does not hang on it" in told


def test_the_counts_are_of_two_values_a_part_and_one_where_nobody_can_be(tmp_path: Path) -> None:
    coverage, report = covered_by(world_of(tmp_path, [], {"assertFalse": ["doc:a#nobody@user:u"]}))
    assert report.total == sum(2 if part.can_be_yes else 1 for part in coverage.parts)
    assert report.covered == 1 == report.total - len(report.lacks)
    assert [part.text for part in coverage.parts if not part.can_be_yes] == ["nobody", "nil"]
    rows = {(row.kind, row.name): (row.covered, row.total) for row in report.rows}
    assert ("definition", "user") not in rows, "a definition without anything in it has nothing to cover"
    assert rows["caveat", "on_ip"] == (0, 2)
    assert rows["definition", "group"] == (0, 6)
    assert (sum(row.covered for row in report.rows), sum(row.total for row in report.rows)) == (1, report.total)


def test_a_hundred_percent_is_said_of_all_only() -> None:
    assert [percent_of(*each) for each in [(0, 0), (999, 1000), (9_999, 10_000), (1, 3), (7, 7)]] == [
        100.0,
        99.9,
        99.9,
        33.3,
        100.0,
    ]


QUESTIONS = {
    "assertTrue": ["doc:a#view@user:u", "doc:a#viewer@user:u", "doc:a#mixed@doc:a", "doc:b#above@user:u"],
    "assertFalse": ["doc:a#view@user:v", "doc:a#writer@user:u", "doc:b#view@user:u", "doc:a#locked@user:u"],
}
ASKED = [(key, question) for key, questions in QUESTIONS.items() for question in questions]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.sampled_from(ASKED), unique=True), st.data())
def test_worlds_add_up_in_any_order(tmp_path: Path, asked: list[tuple[str, str]], data: st.DataObject) -> None:
    facts = ["doc:a#viewer@user:u", "doc:b#parent@doc:a"]

    def world(name: str, part: list[tuple[str, str]]) -> World:
        rest = {key: [question for of, question in part if of == key] for key in QUESTIONS}
        return world_of(tmp_path, facts, {key: each for key, each in rest.items() if each} or {"assertTrue": []}, name)

    cut = data.draw(st.integers(0, len(asked)))
    shuffled = data.draw(st.permutations(asked))
    together = covered_by(world("world.yaml", asked))[1]
    apart = covered_by(*(world("world.yaml", part) for part in (shuffled[:cut], shuffled[cut:])))[1]
    assert (apart.lacks, apart.rows, apart.assertions) == (together.lacks, together.rows, together.assertions)


# --- parts ------------------------------------------------------------------------------------------------------


def test_every_operand_of_an_expression_is_a_part_and_neighbours_are_joined() -> None:
    compiled = compile_schema(
        "definition user {}\ndefinition doc {\n  relation a: user\n  relation b: user\n"
        "  permission one = a\n  permission two = a + (b + (a & b)) - b\n}"
    )
    operands = [(part.name, part.text, part.key[-1]) for part in parts_of(compiled.tree) if len(part.key) == 4]
    assert [each for each in operands if isinstance(each[2], tuple) and each[0] == "two"] == [
        ("two", "a + (b + (a & b))", (0,)),
        ("two", "a", (0, 0)),
        ("two", "b", (0, 1)),
        ("two", "a & b", (0, 2)),
        ("two", "a", (0, 2, 0)),
        ("two", "b", (0, 2, 1)),
        ("two", "b", (1,)),
    ]
    assert not [each for each in operands if each[0] == "one"]


def test_worlds_that_share_a_schema_file_share_its_coverage(tmp_path: Path) -> None:
    (tmp_path / "schema.zed").write_text(SCHEMA)
    (tmp_path / "deep").mkdir()
    (tmp_path / "one.yaml").write_text("schemaFile: schema.zed\n")
    (tmp_path / "deep" / "two.yaml").write_text("schemaFile: ../schema.zed\n")
    one, two = World.read(tmp_path / "one.yaml"), World.read(tmp_path / "deep" / "two.yaml")
    assert schema_key(one.tree) == schema_key(two.tree)
    assert schema_key(world_of(tmp_path, [], {}).tree) != schema_key(one.tree)
