"""docs/moving-in.md: the model that it shows becomes the schema that it shows, and so does each row of its table."""

from __future__ import annotations

from remit.openfga.language import parse_model
from remit.openfga.translation import translate
from tests.support.docs.blocks import blocks_of, table_cells

PAGE = "moving-in.md"
ROOM = """\
model
  schema 1.1
type user
type group
  relations
    define member: [user]
type it
  relations
    define parent: [it]
    define editor: [user]
    define a: [user]
    define b: [user]
"""


def test_the_model_becomes_the_schema_below_it() -> None:
    (model,), (schema,) = blocks_of(PAGE, "fga"), blocks_of(PAGE, "zed")
    assert translate(parse_model(model.text)).text == schema.text


def test_each_definition_becomes_what_stands_beside_it() -> None:
    rows = table_cells(PAGE, "## From OpenFGA")
    said = [(theirs.strip("`"), ours) for theirs, ours in rows if theirs.startswith("`define ")]
    assert len(said) == 4
    for theirs, ours in said:
        text = translate(parse_model(f"{ROOM}    {theirs}\n")).text
        for line in ours.split("` and `"):
            assert f"\t{line.strip('`').replace(chr(92), '')}\n" in text, text
