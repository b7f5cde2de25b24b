"""Laws of reading constraint documents: what is wrong is refused by its place, and what is read is read alike again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.arguments.document import CONSTRAINTS_MAX, DOCUMENT_BYTES_MAX, parse_document
from remit.arguments.fitting import fits
from remit.arguments.side import Side
from remit.arguments.tree import Misfit
from remit.errors import DocumentInvalid, Status
from tests.support.arguments.random_calls import DECLARED
from tests.support.arguments.tables import rows_of, text_of


@pytest.mark.parametrize("row", rows_of("refused_documents", "documents"), ids=lambda row: f"{row['pointer']}")
def test_what_is_no_document_is_refused_by_place_and_reason(row: dict[str, Any]) -> None:
    text = json.dumps(row["document"]) if "document" in row else text_of(row, "text")
    with pytest.raises(DocumentInvalid) as raised:
        parse_document(text, Side(row["side"]), DECLARED)
    assert (raised.value.pointer, raised.value.problem, raised.value.fix) == (row["pointer"], row["reason"], row["fix"])


def test_a_refusal_names_place_reason_and_fix() -> None:
    with pytest.raises(DocumentInvalid) as raised:
        parse_document('{"to": {"each": {"prefx": "a"}}}', Side.ARGUMENTS, ())
    error = raised.value
    assert str(error) == (
        "the constraint document: `/to/each/prefx` is no member of a constraint: did you mean `prefix`?"
    )
    assert (error.reason, error.status) == ("DOCUMENT_INVALID", Status.INVALID_ARGUMENT)
    assert error.metadata["pointer"] == "/to/each/prefx"


def test_a_document_has_one_text_and_one_tree() -> None:
    texts = [
        '{"a":{"equals":1},"b":{}}',
        ' { "b" : {} , "a" : { "equals" : 1.0 } } ',
        '{"\\u0062":{},"a":{"equals":10e-1}}',
    ]
    [document, *others] = [parse_document(text, Side.ARGUMENTS, ()) for text in texts]
    assert document.text == texts[0]
    assert others == [document, document]
    globs = [parse_document('{"a":{"glob":"/srv/**"}}', Side.ARGUMENTS, ()) for _ in range(2)]
    assert len({document, *others, *globs}) == 2


@pytest.mark.parametrize("member", [{"equals": 1}, {"one_of": [1, "a"]}, {"not_one_of": [1]}])
def test_true_is_no_1_in_a_tree_either(member: dict[str, Any]) -> None:
    one, true = (
        parse_document(json.dumps({"a": member}).replace("1", value), Side.ARGUMENTS, ()).root
        for value in ("1", "true")
    )
    assert one != true
    assert one == parse_document(json.dumps({"a": member}).replace("1", "1.0"), Side.ARGUMENTS, ()).root


def test_bounds_are_what_they_say() -> None:
    at_most = json.dumps({f"a{index}": {} for index in range(CONSTRAINTS_MAX - 1)})
    assert parse_document(at_most, Side.ARGUMENTS, ()).constraints == CONSTRAINTS_MAX
    room = DOCUMENT_BYTES_MAX - len('{"a":{"prefix":""}}')
    parse_document(f'{{"a":{{"prefix":"{"x" * room}"}}}}', Side.ARGUMENTS, ())
    with pytest.raises(DocumentInvalid, match="16385 bytes"):
        parse_document(f'{{"a":{{"prefix":"{"x" * (room + 1)}"}}}}', Side.ARGUMENTS, ())


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "/a", "**", "1", ".a"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["a", "/a", "/a/b", "tool", "purpose", "additional", "any_of", "all_of", "equals", "one_of", "min", "max",
             "each", "some", "url", "host", "cidr", "glob", "subpath", "related", "unrelated", "optional", "if_present",
             "min_items", "max_length", "prefix", "binding", "type", "permission", "scheme", "port", "path"]
        ),
        inner,
        max_size=3,
    ),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_a_document_or_refused(value: object) -> None:
    for side in Side:
        try:
            document = parse_document(json.dumps(value), side, DECLARED)
        except DocumentInvalid:
            continue
        assert parse_document(document.text, side, DECLARED) == document


PATH_BY_HOST = "is of the type `path`, and `host` is of hosts"
GLOBS_ARE_OF = "paths and texts that could be one"
TYPES: dict[str, Any] = {"/p": "path", "/u": "url", "/to/*": "email", "/n": "decimal", "/d": "date", "/a/0": "host"}


@pytest.mark.parametrize(
    ("document", "misfit"),
    [
        ({"p": {"subpath": "/srv"}, "u": {"url": {"host": "a"}}, "n": {"max": "5"}, "d": {"min": "2026-01-01"}}, None),
        ({"p": {"glob": "**", "prefix": "/", "equals": "/a", "max_length": 5}}, None),
        ({"x": {"subpath": "/srv"}}, None),
        ({"u": {"subpath": "/srv"}}, Misfit("/u", "is of the type `url`, and `subpath` is of paths")),
        ({"u": {"glob": "**"}}, Misfit("/u", f"is of the type `url`, and `glob` is of {GLOBS_ARE_OF}")),
        ({"to": {"each": {"host": "a"}}}, Misfit("/to/*", "is of the type `email`, and `host` is of hosts")),
        ({"/to/0": {"host": "a"}}, Misfit("/to/*", "is of the type `email`, and `host` is of hosts")),
        ({"/a/0": {"url": {"host": "a"}}}, Misfit("/a/0", "is of the type `host`, and `url` is of URLs")),
        ({"n": {"max": "2026-01-01"}}, Misfit("/n", "is of the type `decimal`, and `max` is of dates here")),
        ({"d": {"min": "5"}}, Misfit("/d", "is of the type `date`, and `min` is of numbers here")),
        ({"p": {"any_of": [{}, {"all_of": [{"host": "a"}]}]}}, Misfit("/p", PATH_BY_HOST)),
        ({"any_of": [{}, {"p": {"url": {"host": "a"}}}]}, Misfit("/p", "is of the type `path`, and `url` is of URLs")),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_tool_is_found(document: dict[str, Any], misfit: Misfit | None) -> None:
    assert fits(parse_document(json.dumps(document), Side.ARGUMENTS, ()), TYPES) == misfit


def test_many_numbers_in_a_pointer_are_not_followed_in_every_way() -> None:
    document = parse_document(json.dumps({"/0" * 1_000: {"subpath": "/"}}), Side.ARGUMENTS, ())
    assert fits(document, TYPES) is None
