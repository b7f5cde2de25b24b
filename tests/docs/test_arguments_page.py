"""docs/arguments.md is true: every example comes to what it says, for the reason it says, and every member has both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from remit.arguments.call import read_call
from remit.arguments.document import parse_document
from remit.arguments.judge import judge
from remit.arguments.judged import Judged, Known, Related, Unjudged
from remit.arguments.side import Side
from remit.arguments.values import refusal
from remit.errors import InvalidCall
from remit.model import Call
from tests.support.arguments.bounds import answer_of, leaves_of
from tests.support.arguments.random_calls import DECLARED, MEMBERS
from tests.support.docs.blocks import DOCS, Block, blocks_of, code_words, table_cells

PAGE = "arguments.md"
BLOCKS = blocks_of(PAGE, "constraint")
NESTED = {"each", "min_items", "some", "any_of", "all_of", "unrelated", "optional", "if_present"}


class Example(NamedTuple):
    expected: str
    call: Call
    reason: str


def examples_of(block: Block) -> tuple[str, list[Example]]:
    """The document, and the calls: `yes {arguments} tool=… purpose=…  # reason`."""
    document, *lines = block.text.splitlines()
    examples = []
    for line in lines:
        expected, _, rest = line.partition(" ")
        text = rest.strip()
        _, end = json.JSONDecoder().raw_decode(text)
        words, _, reason = text[end:].partition("# ")
        said = dict(word.split("=") for word in words.split())
        call = Call(said.get("tool", "erp.pay"), text[:end].encode(), said.get("purpose", ""))
        examples.append(Example(expected, call, reason.strip()))
    return document, examples


def reasons_of(judged: Judged) -> Iterator[str]:
    for leaf in leaves_of(judged):
        match leaf:
            case Related(object, permission):
                yield f"{object}#{permission}"
            case Unjudged(_, reason) | Known(False, reason):
                yield reason


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_example_comes_to_what_it_says(block: Block) -> None:
    text, examples = examples_of(block)
    document = parse_document(text, Side(block.says["side"]), DECLARED)
    for example in examples:
        judged = judge(document, read_call(example.call))
        assert answer_of(judged) == example.expected, (block, example, judged)
        assert example.expected == "yes" or example.reason, f"{block}: {example} says no reason"
        assert not example.reason or any(example.reason in said for said in reasons_of(judged)), (example, judged)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_document_is_shown_from_more_than_one_side(block: Block) -> None:
    assert len({example.expected for example in examples_of(block)[1]}) > 1


def test_every_member_has_an_example() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    headings = {word for heading in re.findall(r"^### (.*)$", text, re.MULTILINE) for word in code_words(heading)}
    assert headings == {*MEMBERS, *NESTED}
    documents = " ".join(block.text for block in BLOCKS)
    assert [name for name in headings if f'"{name}":' not in documents] == []


@pytest.mark.parametrize("row", table_cells(PAGE, "## How values are written")[1:], ids=lambda row: row[0])
def test_values_are_written_so_and_not_otherwise(row: list[str]) -> None:
    type, accepted, refused = row
    assert [text for text in code_words(accepted) if refusal(type, text)] == []
    assert [text for text in code_words(refused) if not refusal(type, text)] == []
    assert code_words(accepted) and code_words(refused)


@pytest.mark.parametrize("row", table_cells(PAGE, "## How a call is read"), ids=lambda row: row[0])
def test_arguments_are_read_so_and_not_otherwise(row: list[str]) -> None:
    read, refused = row
    for text in code_words(read):
        read_call(Call("t", text.encode()))
    for text in code_words(refused):
        with pytest.raises(InvalidCall):
            read_call(Call("t", text.encode()))
