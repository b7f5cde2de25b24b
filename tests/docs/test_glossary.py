"""docs/glossary.md is true: what it names is where it says, and what it says is not used is not."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from tests.support.doc_blocks import DOCS, code_words, table_cells
from tests.support.places import ROOT

PAGE = "glossary.md"
ENGINE = ROOT / "engine"
UNUSED = "## Words that are not used"
TERMS = [
    f"## {heading}"
    for heading in re.findall(r"^## (.*)$", (DOCS / PAGE).read_text(encoding="utf-8"), re.MULTILINE)
    if f"## {heading}" != UNUSED
]

# Words whose last uses are on their way out.
NOT_YET = {
    "*_graves",
    "Asked",
    "Bell",
    "Callers",
    "Choices",
    "Decider",
    "Door",
    "EngineStanding",
    "FrontDoor",
    "FrontDoor?*",
    "Handed",
    "HandlerThreads",
    "Held",
    "Lane",
    "Lane?*",
    "LaneStanding",
    "Numbers",
    "Oracle",
    "Plain",
    "Posed",
    "PyDoor",
    "Refusals",
    "Roster",
    "STRANGER",
    "Said",
    "Seen",
    "Sharer",
    "Shares",
    "Snapshots",
    "Standing",
    "Told",
    "TrimView",
    "View",
    "WriteView",
    "_bury*",
    "bell",
    "bury",
    "circle",
    "circles",
    "decider",
    "grave",
    "handed",
    "lane",
    "lanes",
    "oracle",
    "sharer",
    "why",
}


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
            defines = (
                rf"^\s*(?:pub(?:\(\w+\))? )?(?:class|def|struct|enum|trait|type|message) {name}\b|^{name}(?::.*)? ="
            )
            assert re.search(defines, text, re.MULTILINE), f"{word}: {path} does not define {name}"


def test_no_word_stands_twice() -> None:
    words = [word for heading in TERMS for row in table_cells(PAGE, heading) for word in row[0].split(", ")]
    twice = {word for word in words if words.count(word) > 1}
    assert twice == {"session"}  # of the core and of the command line: what one of whoever asks keeps


# --- words that are not used ------------------------------------------------------------------------------------


@cache
def identifiers() -> dict[str, str]:
    """Every identifier of the engine's sources, with a file that has it."""
    found: dict[str, str] = {}
    for path in sorted(ENGINE.rglob("*.py")) + sorted(ENGINE.rglob("*.rs")):
        if "target" in path.parts or path.is_relative_to(ENGINE / "remit" / "v1"):
            continue
        names = python_names(path) if path.suffix == ".py" else rust_names(path.read_text(encoding="utf-8"))
        found.update((name, str(path.relative_to(ROOT))) for name in names)
    return found


def python_names(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        yield from (token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME)


_NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|b?r?"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', re.DOTALL)


def rust_names(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", _NOT_CODE.sub(" ", text)))


def test_what_is_not_used_is_no_identifier() -> None:
    patterns = [pattern for row in table_cells(PAGE, UNUSED) for pattern in code_words(row[0])]
    assert len(patterns) == len(set(patterns)) > 40
    assert set(patterns) >= NOT_YET
    used = [
        f"{name} in {file}: see `{pattern}` in {PAGE}"
        for pattern in patterns
        if pattern not in NOT_YET
        for name, file in identifiers().items()
        if fnmatchcase(name, pattern)
    ]
    assert used == []


def test_identifiers_are_those_of_the_code_alone() -> None:
    assert rust_names("let Oracle = \"Bell\"; // Told\nlet c = 'x';") == {"let", "Oracle", "c"}
    assert {"Engine", "Evaluation"} <= identifiers().keys()
