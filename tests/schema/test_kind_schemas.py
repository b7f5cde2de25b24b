"""The JSON Schemas of documents: current, and as strict as the translation about what a file alone can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from remit.engine.agents.documents import translate
from remit.engine.agents.kind_schemas import schema_of, schema_of_all
from remit.engine.agents.kinds import KINDS
from tests.support.apply_documents import EXAMPLE, MISFORMED, SMALL, document
from tests.support.docs.blocks import blocks_of
from tests.support.places import ROOT

ALL = Draft202012Validator(schema_of_all())
OF_KIND = {name: Draft202012Validator(schema_of(kind)) for kind in KINDS for name in (kind.name, kind.list)}
# What the schemas do not say: of which types a name may be, how names and labels are written, what stands twice, what a
# time is, what a descriptor says, and that of two fields there is one.
_BEYOND = {
    "everybody", "a bad name", "twice the same", "a type too many", "everybody as owner", "another relation",
    "a time that is none", "tagged and not", "untagged: false", "a schema that is none",
    "an item twice", "a label that is none",
}  # fmt: skip


def test_the_file_for_editors_is_current() -> None:
    text = (ROOT / "schema" / "kinds" / "remit.v1.json").read_text(encoding="utf-8")
    assert json.loads(text) == schema_of_all(), "run engine/generate_kind_schemas.py"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_they_are_schemas(kind: Any) -> None:
    Draft202012Validator.check_schema(schema_of(kind))
    Draft202012Validator.check_schema(schema_of_all())


def examples() -> list[Any]:
    pages = [
        block.text
        for block in blocks_of("apply.md", "yaml")
        if "# yaml" not in block.text and "wrong" not in str(block.says)
    ]
    return [each for text in (EXAMPLE, SMALL, *pages) for each in yaml.safe_load_all(text)]


@pytest.mark.parametrize("whole", examples(), ids=lambda whole: whole["kind"])
def test_examples_are_valid(whole: Any) -> None:
    ALL.validate(whole)
    OF_KIND[whole["kind"]].validate(whole)
    assert not translate([json.dumps(whole).encode()], context_bytes_max=25_000).problems


@pytest.mark.parametrize(("name", "sent"), [row[:2] for row in MISFORMED], ids=[row[0] for row in MISFORMED])
def test_what_is_not_of_its_form_is_invalid(name: str, sent: Any) -> None:
    whole = json.loads(document(sent[0], sent[1], **sent[2])) if isinstance(sent, tuple) else sent
    assert ALL.is_valid(whole) == (name in _BEYOND)
    if whole.get("kind") in OF_KIND:
        assert OF_KIND[whole["kind"]].is_valid(whole) == (name in _BEYOND)
