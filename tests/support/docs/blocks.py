"""The fenced blocks of a page of docs/, with what their info string says of them."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass
from typing import Any

from tests.support.places import DOCS

_FENCE = re.compile(r"^```(\S*)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """`language` is the word behind the opening fence, `says` the words after it, `key=value` or alone."""

    page: str
    line: int
    language: str
    says: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, *languages: str) -> list[Block]:
    """The blocks in the order of the page; of these languages only, where any are named."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1], _said(found[2]), found[3])
        for found in _FENCE.finditer(text)
        if not languages or found[1] in languages
    ]


def _said(words: str) -> dict[str, str]:
    parted = (word.partition("=") for word in words.split())
    return {key: value for key, _, value in parted}


def run_python(block: Block, namespace: dict[str, Any]) -> None:
    """Run a block of Python, which must print what its `# →` comments say."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.text, str(block), "exec"), namespace)
    assert printed.getvalue().splitlines() == re.findall(r"# → (.*)$", block.text, re.MULTILINE), str(block)


def table_cells(page: str, heading: str) -> list[list[str]]:
    """The rows of the tables under a heading, up to the next heading of its level or above: cells as they are written,
    without each table's first row."""
    text = (DOCS / page).read_text(encoding="utf-8")
    level = len(heading) - len(heading.lstrip("#"))
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"{page} has no heading `{heading}`"
    section = re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    rows = []
    is_body = False
    for line in section.splitlines():
        if not line.startswith("|"):
            is_body = False
        elif set(line) <= set("|-: "):
            is_body = True
        elif is_body:
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))])
    return rows


def code_words(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)
