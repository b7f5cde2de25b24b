"""docs/language.md is true: its worlds hold, its schemas compile or are refused as they say, its tables are whole."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from remit.errors import SchemaInvalid
from remit.language import parameters
from remit.language.lints import LINTS
from remit.language.source import Issue
from remit.language.tokens import FLAGS
from remit.notation import parse_time
from remit.world import World, read_schema, verify
from tests.support.docs.blocks import DOCS, Block, blocks_of, code_words, table_cells
from tests.support.places import LANGUAGE

PAGE = "language.md"
NOW_US = parse_time("2027-01-31T12:00:00Z")


@pytest.mark.parametrize("block", blocks_of(PAGE, "yaml"), ids=str)
def test_every_world_holds_and_asks_both_ways(block: Block, tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(block.text, encoding="utf-8")
    world = World.read(tmp_path / "world.yaml")
    assert [finding.render() for finding in verify(world, NOW_US)] == []
    assert [warning.code for warning in world.warnings] == []
    assert {assertion.expected.name for assertion in world.assertions} >= {"YES", "NO"}


@pytest.mark.parametrize("block", blocks_of(PAGE, "zed"), ids=str)
def test_every_schema_compiles_or_is_refused_as_it_says(block: Block, tmp_path: Path) -> None:
    files = [each for each in blocks_of(PAGE, "zed") if "file" in each.says and each.line < block.line]
    for each in [*files, block]:
        path = tmp_path / each.says.get("file", "schema.zed")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each.text, encoding="utf-8")
    if "refused" in block.says:
        with pytest.raises(SchemaInvalid) as caught:
            read_schema(path)
        codes = [issue.code for issue in caught.value.issues if isinstance(issue, Issue)]
        assert codes == [block.says["refused"]]
    else:
        expected = [code for code in block.says.get("warns", "").split(",") if code]
        assert [warning.code for warning in read_schema(path).warnings] == expected


def test_there_are_examples_of_everything() -> None:
    text = "\n".join(block.text for block in blocks_of(PAGE, "yaml", "zed"))
    for flag in FLAGS:
        assert f"use {flag}" in text
    for form in (
        *(" + ", " & ", " - ", "->", ".all(", "nil", "self", ":*", "#member", "...owned", "import ", "partial "),
        *("subject->", ".exists()", ".along(", "single managed relation", "with expiration", "and expiration"),
        *("[expiration:", "[not_before:", "in_cidr", "isSubtreeOf", "remit-ignore-warning", "/**", "assertCaveated"),
    ):
        assert form in text, f"`{form}` has no example"


def test_every_parameter_type_is_listed_and_used_in_a_caveat() -> None:
    listed = [
        word.removesuffix("<T>") for row in table_cells(PAGE, "### Parameter types") for word in code_words(row[0])
    ]
    assert sorted(listed) == sorted(parameters.NAMES)
    caveats = " ".join(re.findall(r"caveat \w+\((.*?)\) \{", "\n".join(block.text for block in blocks_of(PAGE))))
    for name in parameters.NAMES:
        assert re.search(rf"\b{name}\b", caveats), f"`{name}` is in no caveat"


def test_every_flag_is_listed() -> None:
    assert [row[0].strip("`").removeprefix("use ") for row in table_cells(PAGE, "## Words and lines")] == [
        *("expiration", "not_before", "self", "typechecking", "partial", "import", "delegation", "arguments")
    ]
    assert len(FLAGS) == len(table_cells(PAGE, "## Words and lines"))


def test_every_warning_is_listed_in_its_own_words() -> None:
    assert {row[0].strip("`"): row[1] for row in table_cells(PAGE, "## What it warns of")} == dict(LINTS)


def test_every_refusal_is_listed() -> None:
    listed = [code for row in table_cells(PAGE, "## What the compiler refuses") for code in code_words(row[0])]
    assert len(set(listed)) == len(listed)
    assert set(listed) == codes_in_the_compiler()


def codes_in_the_compiler() -> set[str]:
    """Every word of the form of a code that the compiler's sources hold, but for those of warnings and of diffs."""
    words = set()
    for path in LANGUAGE.glob("*.py"):
        if path.name in ("lints.py", "diff.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words |= {node.value} & {"cel"} or set(re.findall(r"\A[a-z]+(?:-[a-z]+)+\Z", node.value))
    assert len(words) > 40
    return words


def test_links_within_the_page_lead_somewhere() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        assert anchor in headings
    for file in re.findall(r"\]\(([a-z]+\.md)", text):
        assert (DOCS / file).is_file()
