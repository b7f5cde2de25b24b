"""Laws of reading a world file: all of it is understood, or it is refused with the line that is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from remit.errors import FileUnreadable, RemitError, WorldInvalid, WorldUnreadable
from remit.model import Verdict
from remit.notation import format_relationship, parse_time
from remit.world import Finding, World, verify
from remit.world.finding import FindingKind

SCHEMA = """\
schema: |-
  definition user {}
  definition doc {
    relation viewer: user
    permission view = viewer
  }
"""


def world_of(tmp_path: Path, text: str, name: str = "world.yaml") -> World:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return World.read(path)


def findings_of(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(WorldInvalid) as caught:
        world_of(tmp_path, text)
    prefix = f"{tmp_path}/world.yaml:"
    assert caught.value.message == caught.value.findings[0].render().splitlines()[0]
    return [finding.render().removeprefix(prefix) for finding in caught.value.findings]


def refusal_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(WorldUnreadable) as caught:
        world_of(tmp_path, text)
    return caught.value.message.removeprefix(f"{tmp_path}/world.yaml")


# --- what is read -----------------------------------------------------------------------------------------------


def test_every_part_is_read_with_its_lines(tmp_path: Path) -> None:
    world = world_of(
        tmp_path,
        SCHEMA
        + """\
relationships: |

  // anne reads
  doc:a#viewer@user:anne
    doc:b#viewer@user:anne@example.com
assertions:
  assertTrue:
    - doc:a#view@user:anne
  assertCaveated: []
  assertFalse:
    - 'doc:b#view@user:anne with {"ip": "10.0.0.1", "n": 2.0}'
validation:
  doc:a#view:
    - "[user:anne] is <doc:a#viewer>"
now: 2027-01-31T12:00:00Z
""",
    )
    assert [(fact.line, format_relationship(fact.relationship)) for fact in world.facts] == [
        (10, "doc:a#viewer@user:anne"),
        (11, "doc:b#viewer@user:anne@example.com"),
    ]
    assert [(a.line, a.text, a.expected, a.context) for a in world.assertions] == [
        (14, "doc:a#view@user:anne", Verdict.YES, {}),
        (17, "doc:b#view@user:anne", Verdict.NO, {"ip": "10.0.0.1", "n": 2}),
    ]
    assert [(each.line, str(each), [line for line, _ in each.members]) for each in world.expected_sets] == [
        (19, "doc:a#view", [20])
    ]
    assert world.now_us == parse_time("2027-01-31T12:00:00Z")
    assert len(world.graph()) == 2


@pytest.mark.parametrize(
    ("style", "lines"),
    [
        ("|\n  doc:a#viewer@user:anne\n  // between\n\n  doc:a#viewer@user:an\n", (8, 11)),
        (">-\n  // above\n\n  doc:a#viewer@user:anne\n\n  doc:a#viewer@user:an\n", (10, 12)),
        ("'doc:a#viewer@user:anne\n\n  doc:a#viewer@user:an'\n", (7, 9)),
    ],
)
def test_the_lines_of_facts_are_the_files_however_the_block_is_written(
    tmp_path: Path, style: str, lines: tuple[int, int]
) -> None:
    world = world_of(tmp_path, f"{SCHEMA}relationships: {style}")
    assert tuple(fact.line for fact in world.facts)[1:] == lines[1:]
    assert world.facts[0].line in (lines[0], lines[0] + 1)


def test_a_world_may_hold_nothing_but_a_schema(tmp_path: Path) -> None:
    world = world_of(tmp_path, f"{SCHEMA}relationships:\nassertions:\n  assertTrue:\nvalidation:\n")
    assert (world.facts, world.assertions, world.expected_sets, verify(world, 0)) == ((), (), (), [])


def test_a_schema_file_is_found_beside_the_world_and_brings_its_imports(tmp_path: Path) -> None:
    (tmp_path / "schemas" / "parts").mkdir(parents=True)
    (tmp_path / "worlds").mkdir()
    (tmp_path / "schemas" / "main.zed").write_text(
        'use import\nimport "parts/user.zed"\ndefinition doc { relation viewer: user }\n'
    )
    (tmp_path / "schemas" / "parts" / "user.zed").write_text("definition user {}\n")
    text = "schemaFile: ../schemas/main.zed\nrelationships: doc:a#viewer@user:anne\n"
    world = world_of(tmp_path / "worlds", text)
    assert set(world.schema.definitions) == {"user", "doc"}
    assert verify(world, 0) == []


def test_a_line_that_stands_there_twice_is_one_fact(tmp_path: Path) -> None:
    world = world_of(tmp_path, f"{SCHEMA}relationships: |-\n  doc:a#viewer@user:anne\n  doc:a#viewer@user:anne\n")
    assert [fact.line for fact in world.facts] == [8]
    assert verify(world, 0) == []


def test_a_key_of_another_tool_is_told_of_and_passed_over(tmp_path: Path) -> None:
    world = world_of(tmp_path, f"{SCHEMA}colour: [red, {{deep: green}}]\nrelationships: doc:a#viewer@user:anne\n")
    (told,) = world.unknown_keys
    assert (told.line, told.about, told.kind) == (7, "colour", FindingKind.KEY)
    assert "`colour` means nothing here" in told.message
    assert (world.warning_findings[0], len(world.facts)) == (told, 1)


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: the file is empty"),
        ("just text", ":1: the world must be keys and values, not text"),
        ("- a\n- b\n", ":1: the world must be keys and values, not a list"),
        ("relationships: ''\n", ":1: the world has no schema"),
        (SCHEMA + "schemaFile: other.zed\n", ":7: the world has both"),
        (SCHEMA + "relationship: |-\n", ":7: the world has no key `relationship`; did you mean `relationships`?"),
        (SCHEMA + "validation_tuples: []\n", "SpiceDB has given it up for `relationships`"),
        (SCHEMA + "now: yesterday\n", ":7: `yesterday` is not an RFC 3339 time"),
        (SCHEMA + "now: []\n", ":7: `now` must be text, not a list"),
        (SCHEMA + "schema: ''\n", ":7: the key `schema` is already there, on line 1"),
        (SCHEMA + "assertions: []\n", ":7: `assertions` must be keys and values, not a list"),
        (
            SCHEMA + "assertions:\n  assertTru: []\n",
            ":8: `assertions` has no key `assertTru`; did you mean `assertTrue`",
        ),
        (SCHEMA + "assertions:\n  assertTrue: 'a'\n", ":8: `assertTrue` must be a list, not text"),
        (SCHEMA + "assertions:\n  assertTrue:\n    - {a: b}\n", ":9: an item of `assertTrue` must be text"),
        (SCHEMA + "relationships:\n  - 'a'\n", ":8: `relationships` must be text, not a list"),
        (SCHEMA + "? [a]\n: b\n", ":7: a key of the world must be text, not a list"),
        (SCHEMA + "relationships: 'open\n", ": not YAML"),
        (SCHEMA + "---\n" + SCHEMA, ":7: not YAML"),
        ("schem: &a [*a]\n", "no key `schem`"),
        ("[" * 5_000, "not YAML"),
        ("a: \x00\n", "not YAML"),
    ],
)
def test_what_has_not_the_shape_of_a_world_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    message = refusal_of(tmp_path, text)
    assert says in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_said_to_be_unreadable(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"schema: '\xe9'\n")
    for name, says in [
        ("nowhere.yaml", "no such file"),
        (".", "is a directory"),
        ("latin.yaml", "byte 9 is not UTF-8"),
    ]:
        with pytest.raises(FileUnreadable, match=says):
            World.read(tmp_path / name)
    with pytest.raises(FileUnreadable, match=r"nowhere\.zed"):
        world_of(tmp_path, "schemaFile: nowhere.zed\n")


def test_every_line_that_means_nothing_is_found_at_once(tmp_path: Path) -> None:
    text = """\
relationships: |-
  doc:a#viewer@user:anne
  doc:a#viewer
  doc:a#viewer@user:anne[expiration:2027-01-31T12:00:00Z]
  doc:a#viewer@user:ben[expiration:soon]
assertions:
  assertTrue:
    - "doc:a#view@user:*"
    - "doc:a#view"
  assertFalse:
    - 'doc:a#view@user:anne with {"a": 1'
    - 'doc:a#view@user:anne with [1]'
validation:
  doc:a:
    - "[user:anne] is <doc:a#viewer>"
  doc:a#view:
    - "user:anne is <doc:a#viewer>"
    - "[user anne] is <doc:a#viewer>"
"""
    assert [(line.split(":")[0], line.split(": ")[1][:38]) for line in findings_of(tmp_path, SCHEMA + text)] == [
        ("9", "`doc:a#viewer` is not of the form `typ"),
        ("10", "`doc:a#viewer@user:anne` is already th"),
        ("11", "`soon` is not an RFC 3339 time such as"),
        ("14", "`user:*` asks about everyone at once"),
        ("15", "`doc:a#view` is not of the form `type:"),
        ("17", "the context is not JSON"),
        ("18", "a context is a JSON object, not list"),
        ("20", "`doc:a` is not a set"),
        ("23", "`user:anne is <doc:a#viewer>` is not o"),
        ("24", "`[user anne] is <doc:a#viewer>` is not"),
    ]


def test_a_mistake_in_the_schema_is_shown_where_the_file_has_it(tmp_path: Path) -> None:
    wrong = SCHEMA.replace("permission view = viewer", "permission view = viewr")
    (only,) = findings_of(tmp_path, wrong)
    assert only.startswith("5: ")
    assert "viewr" in only.splitlines()[0]
    assert "^^^^^" in only
    (tmp_path / "apart.zed").write_text("definition doc {\n  relation viewer: usr\n}\n")
    (only,) = findings_of(tmp_path, "schemaFile: apart.zed\n")
    assert only.startswith(f"{tmp_path}/apart.zed:2: ")


PIECES = [
    *("schema: ", "schemaFile: ", "relationships: ", "assertions:", "validation:", "now: ", "  assertTrue:", "    - "),
    *("definition user {}", "doc:a#view@user:b", "doc:a#view", " with {", "}", "[", "]", "&a ", "*a", "!!set", "<<: "),
    *("'", '"', "%YAML 9.9", "---", "2027-01-01T00:00:00Z", ">-", "|-", "\n", "\n", "\n  ", "\t", "\x85", "é"),
]
world_texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=world_texts)
@example(text="schemaFile: definition user {}\n\n with {")  # a file's name on two lines
def test_no_file_however_mangled_is_answered_with_a_crash(tmp_path: Path, text: str) -> None:
    try:
        world = world_of(tmp_path, text)
    except RemitError as error:
        assert str(tmp_path) in error.message
        assert "\n" not in error.message
    else:
        assert isinstance(verify(world, 0), list)


# --- where the schema's mistakes and warnings are ------------------------------------------------------------------

MIXED = "definition user {}\ndefinition doc {\n  relation a: user\n  permission p = a & a + b\n  relation b: user\n}\n"


@pytest.mark.parametrize("indentation", ["  ", "      "])
@pytest.mark.parametrize("lead", ["", "\n\n", "# about the schema\n"])
def test_a_warning_stands_where_the_file_has_it(tmp_path: Path, indentation: str, lead: str) -> None:
    block = "".join(f"{indentation}{line}\n" for line in MIXED.splitlines())
    text = f"{lead}schema: |-\n{block}now: 2027-01-01T00:00:00Z\n"
    world = world_of(tmp_path, text)
    (warning,) = world.warnings
    line = text.splitlines()[warning.line - 1]
    assert line[warning.column - 1 :].startswith("a & a + b")
    assert f"  {warning.line} | {line}\n" in warning.render(), "the line is shown as it stands in the file"
    (finding,) = world.warning_findings
    assert (finding.file, finding.line) == (str(tmp_path / "world.yaml"), warning.line)
    assert finding.render().startswith(f"{tmp_path}/world.yaml:{warning.line}: `p` mixes operators")


def test_in_a_folded_schema_places_are_the_files_too(tmp_path: Path) -> None:
    """Folding joins the lines that stand at its margin: two definitions are then one line of the text."""
    lines = ["definition user {}", "/** a doc */", "definition doc {", *MIXED.splitlines()[2:]]
    text = "schema: >-\n" + "".join(f"  {line}\n" for line in lines)
    (warning,) = world_of(tmp_path, text).warnings
    line = text.splitlines()[warning.line - 1]
    assert (warning.line, line[warning.column - 1 :]) == (6, "a & a + b")
    (only,) = findings_of(tmp_path, text.replace("relation b: user", "relation b: usr"))
    assert only.startswith("7: ") and "\n  7 |     relation b: usr\n" in only


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(["", "definition {} {{}}", "// {}", "  ", "/* {} */ definition {} {{}}"]), max_size=8),
    st.sampled_from(["|", "|-", "|+", "|2-", ">", ">-", "|-  # the schema"]),
)
def test_every_piece_of_an_inline_schema_is_found_where_it_stands(
    tmp_path: Path, written: list[str], style: str
) -> None:
    lines = ["definition d {}", *(line.format(*"ab") for line in written), "definition z {}"]
    text = f"# a world\nschema: {style}\n" + "".join(f"  {line}\n" for line in lines) + "now: 2027-01-01T00:00:00Z\n"
    (tmp_path / "world.yaml").write_text(text)
    try:
        tree = World.read(tmp_path / "world.yaml").tree
    except WorldInvalid as error:  # the same name twice, or a comment that folding made swallow what follows
        findings = error.findings
        assert all(text.splitlines()[each.line - 1].strip() for each in findings if isinstance(each, Finding))
        return
    for item in tree.items:
        place = tree.sources.place(item.span.start)
        assert text.splitlines()[place.line - 1] == place.text
        assert place.text[place.column - 1 :].startswith("definition ")


def test_in_a_quoted_schema_places_count_from_its_beginning_and_say_so(tmp_path: Path) -> None:
    text = "now: 2027-01-01T00:00:00Z\nschema: " + repr(MIXED).replace("'", '"') + "\n"
    (finding,) = world_of(tmp_path, text).warning_findings
    assert (finding.file, finding.line) == (str(tmp_path / "world.yaml"), 2)
    assert f"{tmp_path}/world.yaml (schema):4:18: warning" in finding.detail


def test_a_schema_file_is_named_without_detours(tmp_path: Path) -> None:
    (tmp_path / "worlds").mkdir()
    (tmp_path / "schema.zed").write_text(MIXED)
    (finding,) = world_of(tmp_path / "worlds", "schemaFile: ../schema.zed\n").warning_findings
    assert (finding.file, finding.line) == (str(tmp_path / "schema.zed"), 4)


def test_a_detour_through_a_link_is_kept(tmp_path: Path) -> None:
    """`link/..` is the folder that the linked one is in, not the one that the link is in."""
    (tmp_path / "far" / "worlds").mkdir(parents=True)
    (tmp_path / "far" / "schema.zed").write_text(MIXED)
    (tmp_path / "schema.zed").write_text("definition user {}\n")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "worlds")
    (finding,) = world_of(tmp_path / "link", "schemaFile: ../schema.zed\n").warning_findings
    assert Path(finding.file).resolve() == tmp_path / "far" / "schema.zed"


def test_a_character_that_yaml_does_not_allow_is_told_with_its_line(tmp_path: Path) -> None:
    assert refusal_of(tmp_path, "schema: é\na:\n  b\x07\n").startswith(":3: not YAML")
