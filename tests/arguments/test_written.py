"""Law: what is written of a constraint is read as that constraint again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest

from remit.arguments.document import ANY_PERMISSION, parse_document
from remit.arguments.side import Side
from remit.arguments.tree import Argument, Clause, Constraint, MaxLength, Part, Prefix
from remit.arguments.written import written
from tests.support.arguments.near_documents import pairs


def arguments_of(part: Part) -> Iterator[Argument]:
    if isinstance(part, Clause):
        yield from part.arguments
    else:
        for each in part.parts:
            yield from arguments_of(each)


@pytest.mark.parametrize("side", Side)
def test_what_is_written_is_read_again(side: Side) -> None:
    for document, _ in islice(pairs(Random(7), side), 200):
        for argument in arguments_of(document.root):
            text = json.dumps({"x": json.loads(written(argument.constraint))})
            read = parse_document(text, side, ANY_PERMISSION).root
            assert isinstance(read, Clause)
            assert written(read.arguments[0].constraint) == written(argument.constraint)
            assert read.arguments[0].constraint == argument.constraint


def test_members_of_one_name_are_written_one_by_one() -> None:
    several = Constraint((Prefix("a"), Prefix("ab"), MaxLength(3)))
    assert written(several) == '{"all_of":[{"prefix":"a"},{"prefix":"ab"},{"max_length":3}]}'
