"""docs/tools.md is true: its descriptors are read or refused where it says, and calls fit them as they say."""

from __future__ import annotations

import pytest

from remit.arguments import closed_schema, patterns, schema_library, tool_schema
from remit.arguments.json_text import DEPTH_MAX, canonical_text, read_object
from remit.arguments.keywords import KEYWORDS, refusal_of
from remit.arguments.tool_schema import Descriptor, Unfit, read_descriptor
from remit.arguments.values import VALUE_TYPES
from remit.errors import DescriptorInvalid
from tests.support.docs.blocks import DOCS, Block, blocks_of, code_words, table_cells

PAGE = "tools.md"
BLOCKS = blocks_of(PAGE, "json")


def described_before(block: Block) -> Descriptor:
    """The last descriptor above a block."""
    return read_descriptor(
        [each for each in BLOCKS if "descriptor" in each.says and each.line < block.line][-1].text.encode()
    )


@pytest.mark.parametrize("block", [each for each in BLOCKS if "descriptor" in each.says], ids=str)
def test_every_descriptor_is_read(block: Block) -> None:
    read_descriptor(block.text.encode())


@pytest.mark.parametrize("block", [each for each in BLOCKS if "refused" in each.says], ids=str)
def test_what_it_says_is_refused_is_refused_there(block: Block) -> None:
    with pytest.raises(DescriptorInvalid) as caught:
        read_descriptor(block.text.encode())
    assert caught.value.pointer == block.says["refused"]


@pytest.mark.parametrize("block", [each for each in BLOCKS if "call" in each.says], ids=str)
def test_every_call_fits_or_does_not_as_it_says(block: Block) -> None:
    descriptor, arguments = described_before(block), read_object(block.text.encode())
    filled = descriptor.filled(arguments)
    if "unfit" in block.says:
        assert isinstance(filled, Unfit)
        assert filled.pointer == block.says["unfit"]
        return
    assert not isinstance(filled, Unfit), filled
    following = BLOCKS[BLOCKS.index(block) + 1]
    expected = read_object((following if "filled" in following.says else block).text.encode())
    assert canonical_text(filled) == canonical_text(expected)


def test_every_block_is_tested() -> None:
    kinds = [set(each.says) & {"descriptor", "refused", "call", "filled"} for each in BLOCKS]
    assert all(len(each) == 1 for each in kinds)
    assert {"descriptor", "refused", "call", "filled"} == set().union(*kinds)


def test_the_keywords_that_it_says_are_refused_are() -> None:
    cells = " ".join(row[0] for row in table_cells(PAGE, "## What is refused"))
    named = [
        word
        for word in code_words(cells)
        if word not in ("$schema", "$ref", "#/$defs/NAME", "false", "default", "multipleOf")
    ]
    assert named
    for keyword in named:
        assert keyword not in KEYWORDS and "unknown" not in refusal_of(keyword)[0]


def test_its_types_and_bounds_are_those_there_are() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    for type in VALUE_TYPES:
        assert f"`{type}`" in text
    rows = table_cells(PAGE, "## Bounds")
    assert [row[1] for row in rows] == [
        f"{tool_schema.BYTES_MAX:,}", f"{DEPTH_MAX}", f"{closed_schema.SUBSCHEMAS_MAX:,}", f"{closed_schema.DEPTH_MAX}",
        f"{patterns.CHARACTERS_MAX}; {patterns.SIZE_MAX:,}",
    ]  # fmt: skip
    assert f"{closed_schema.BYTES_EACH} bytes of its rules" in rows[2][0]
    assert f"{schema_library.WORK_MAX:,}; beyond {schema_library.WORK_TOLD_MAX:,}" in text
    assert f"a {schema_library.STEPS_EACH}th of the bytes of their texts" in " ".join(text.split())
    assert f"{tool_schema.BYTES_MAX:,} bytes, {tool_schema.VALUES_MAX:,} values and be {DEPTH_MAX} deep" in text
