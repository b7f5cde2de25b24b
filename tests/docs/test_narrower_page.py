"""docs/arguments.md is true of what is narrower, of the canonical form, and of what a shell prints."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex

import pytest

from remit.arguments.canonical import canonical_arguments
from remit.arguments.document import ANY_PERMISSION, parse_document
from remit.arguments.narrower import narrower
from remit.arguments.side import Side
from remit.cli.main import main
from remit.errors import InvalidCall
from tests.support.docs.blocks import Block, blocks_of, code_words, table_cells

PAGE = "arguments.md"


@pytest.mark.parametrize("block", blocks_of(PAGE, "narrower"), ids=str)
def test_what_is_narrower_is_so(block: Block) -> None:
    side, decoder = Side(block.says["side"]), json.JSONDecoder()
    for line in block.text.splitlines():
        expected, _, rest = line.partition(" ")
        rest = rest.strip()
        _, end = decoder.raw_decode(rest)
        first, rest = rest[:end], rest[end:].strip().removeprefix("within").strip()
        _, end = decoder.raw_decode(rest)
        second, why = rest[:end], rest[end:].partition("# ")[2]
        found = narrower(*(parse_document(each, side, ANY_PERMISSION) for each in (first, second)))
        assert bool(found) is (expected == "yes"), (line, found)
        assert why in found.reason, (line, found)
        assert why or found, f"{line} says no reason"


def test_the_function_of_the_clients_prints_what_stands_below_it() -> None:
    [block] = blocks_of(PAGE, "python")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block.text, str(block), "exec"), {})
    assert out.getvalue() in [each.text for each in blocks_of(PAGE, "")]


def test_a_shell_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    [block] = [each for each in blocks_of(PAGE, "") if each.text.startswith("$ ")]
    runs = re.split(r"^\$ remit ", block.text, flags=re.MULTILINE)[1:]
    assert len(runs) > 3
    for run in runs:
        command, _, expected = run.partition("\n")
        main(shlex.split(command))
        assert capsys.readouterr().out.strip() == expected.strip(), command


TYPES = {"path", "url", "host", "email", "address", "decimal"}


@pytest.mark.parametrize("row", table_cells(PAGE, "## Writing values as they must be"), ids=lambda row: row[0])
def test_what_is_written_otherwise_and_what_is_refused_are_so(row: list[str]) -> None:
    what, otherwise, refused = row
    types = {"x": what} if what in TYPES else {}

    def put(value: str) -> str:
        text = value if what == "number" else json.dumps(value)
        return canonical_arguments(f'{{"x":{text}}}', types).arguments.decode()

    before, arrow, after = otherwise.partition(" → ")
    if arrow:
        for given, form in zip(code_words(before), code_words(after), strict=True):
            assert put(given) == f'{{"x":{form if what == "number" else json.dumps(form, ensure_ascii=False)}}}'
    if what in ("number", "address", "decimal"):
        for value in code_words(refused):
            with pytest.raises(InvalidCall):
                put(value)
