"""docs/glossary.md is true: what it names is where it says, and what it says is not used is not."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from tests.support.docs.blocks import DOCS, code_words, table_cells
from tests.support.places import ROOT

PAGE = "glossary.md"
ENGINE = ROOT / "engine"
TOLD = ENGINE / "remit" / "_core.pyi"  # what the core is to Python
TWICE, UNUSED = "## Words with two meanings", "## Words that are not used"
TERMS = [
    f"## {heading}"
    for heading in re.findall(r"^## (.*)$", (DOCS / PAGE).read_text(encoding="utf-8"), re.MULTILINE)
    if f"## {heading}" not in (TWICE, UNUSED)
]

KINDS = "class|def|struct|enum|trait|type|const|message"

# Words that the core still says, and Python only where it names what the core calls so.
STILL_IN_THE_CORE = {"Numbers", "Plain", "View", "why"}


def place_of(path: str) -> Path:
    if path.startswith(("tests/", "bench/")):
        return ROOT / path
    below = {".rs": ENGINE / "core", ".proto": ROOT / "proto" / "remit" / "v1"}
    return below.get(Path(path).suffix, ENGINE / "remit") / path


@pytest.mark.parametrize("heading", TERMS)
def test_every_word_lives_where_it_says(heading: str) -> None:
    rows = table_cells(PAGE, heading)
    assert rows
    for word, meaning, where in rows:
        path, *names = code_words(where)
        assert meaning, word
        assert place_of(path).exists(), f"{word}: {path}"
        for name in names:
            text = place_of(path).read_text(encoding="utf-8")
            defines = rf"^\s*(?:pub(?:\(\w+\))? )?(?:{KINDS}) {name}\b|^\s*{name}(?::.*)? ="
            assert re.search(defines, text, re.MULTILINE), f"{word}: {path} does not define {name}"


def test_a_word_stands_twice_only_where_both_meanings_are_told() -> None:
    words = [word for heading in TERMS for row in table_cells(PAGE, heading) for word in row[0].split(", ")]
    assert {word for word in words if words.count(word) > 1} == {row[0] for row in table_cells(PAGE, TWICE)}
    assert max(words.count(word) for word in words) == 2


# --- words that are not used ------------------------------------------------------------------------------------


Names = dict[str, str]
"""Identifiers, each with a file that has it."""


@cache
def names_of_python() -> Names:
    paths = [path for path in sorted(ENGINE.rglob("*.py")) if not path.is_relative_to(ENGINE / "remit" / "v1")]
    return {name: str(path.relative_to(ROOT)) for path in paths for name in python_names(path)}


@cache
def names_of_the_core() -> Names:
    """Its own, and those that Python is told."""
    found = dict.fromkeys(python_names(TOLD), str(TOLD.relative_to(ROOT)))
    for path in sorted(ENGINE.rglob("*.rs")):
        if "target" not in path.parts:
            found.update(dict.fromkeys(rust_names(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT))))
    return found


def python_names(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        yield from (token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME)


_NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|b?r?"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', re.DOTALL)


def rust_names(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", _NOT_CODE.sub(" ", text)))


def patterns() -> list[str]:
    return [pattern for row in table_cells(PAGE, UNUSED) for pattern in code_words(row[0])]


def uses(pattern: str, names: Names) -> list[str]:
    return [
        f"{name} in {file}: see `{pattern}` in {PAGE}" for name, file in names.items() if fnmatchcase(name, pattern)
    ]


def test_what_is_not_used_stands_there_once() -> None:
    assert len(patterns()) == len(set(patterns())) > 40


def test_what_is_not_used_is_no_identifier_of_python() -> None:
    """But where Python names what the core calls so."""
    told = set(python_names(TOLD))
    names = {name: file for name, file in names_of_python().items() if name not in told}
    assert [use for pattern in patterns() for use in uses(pattern, names)] == []


def test_what_is_not_used_is_no_identifier_of_the_core() -> None:
    assert set(patterns()) >= STILL_IN_THE_CORE
    used = {pattern: uses(pattern, names_of_the_core()) for pattern in patterns()}
    assert [use for pattern in used.keys() - STILL_IN_THE_CORE for use in used[pattern]] == []
    assert [
        pattern for pattern in STILL_IN_THE_CORE if not used[pattern]
    ] == []  # such a one is gone, and held from now on


def test_identifiers_are_those_of_the_code_alone() -> None:
    assert rust_names("let Oracle = \"Bell\"; // Told\nlet c = 'x';") == {"let", "Oracle", "c"}
    assert {"Engine", "Evaluation"} <= names_of_python().keys()
    assert {"Store", "NativeCore"} <= names_of_the_core().keys()
