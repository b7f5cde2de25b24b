"""CONTRIBUTING.md is true: its words are of make, its paths are there, and fragments are of a kind that is rendered."""

from __future__ import annotations

import re
import tomllib

from tests.support.docs.blocks import code_words, table_cells
from tests.support.places import ROOT

PAGE = "../CONTRIBUTING.md"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_word_of_make_is_listed() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    helped = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    listed = {
        word.removeprefix("make ") for row in table_cells(PAGE, "## Build and test") for word in code_words(row[0])
    }
    assert listed | {"help", "run", "clean"} == helped


def test_every_path_of_a_table_is_there() -> None:
    for heading in re.findall(r"^## (?:A|An) \w+$", TEXT, re.MULTILINE):
        if heading in ("## A dependency", "## A commit"):
            continue
        rows = table_cells(PAGE, heading)
        assert rows, heading
        for row in rows:
            folder = ROOT
            for word in code_words(row[1]):
                if word.startswith("make "):
                    continue
                # The files behind the first of a cell are beside the one before.
                path = ROOT / word if "/" in word else folder / word
                assert path.exists(), f"{heading}: {word}"
                folder = path.parent


def test_every_path_in_the_text_is_there() -> None:
    paths = {
        word
        for word in re.findall(r"`([a-z_0-9./]+)`", TEXT)
        if "/" in word and not word.startswith(("store/", "eval/"))
    }
    rooms = ROOT / "engine" / "remit"
    assert [path for path in sorted(paths) if not (ROOT / path).exists() and not (rooms / path).exists()] == []


def test_every_test_that_is_named_in_a_command_is_there() -> None:
    for path in re.findall(r"pytest ((?:tests/\S+ ?)+)", TEXT):
        assert all((ROOT / each).exists() for each in path.split()), path


def test_fragments_are_of_a_kind_that_is_rendered() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    kinds = {kind["directory"] for kind in settings["type"]}
    assert {kind for kind in kinds if f"`{kind}`" in TEXT} == kinds
    fragments = [path.name for path in (ROOT / settings["directory"]).iterdir() if not path.name.startswith(".")]
    assert [name for name in fragments if not re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(kinds)})\.md", name)] == []
