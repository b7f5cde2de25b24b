"""Laws of the reader of OpenFGA's language: it reads what is written, says where it cannot, and needs no more time for
hostile texts than for others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import SchemaInvalid
from remit.openfga.language import DEPTH_MAX, parse_model
from remit.openfga.model import Combination, Combined, Computed, Direct, From, Restriction, Rewrite
from remit.openfga.translation import translate

HEAD = "model\n  schema 1.1\n"


def rewrite_of(text: str) -> Rewrite:
    model = parse_model(f"{HEAD}type user\ntype doc\n  relations\n    define it: {text}\n")
    return model.types[1].relations[0].rewrite


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[user]", Direct((Restriction("user"),))),
        (
            "[user, user:*, doc#it with c]",
            Direct(
                (Restriction("user"), Restriction("user", is_wildcard=True), Restriction("doc", "it", condition="c"))
            ),
        ),
        ("editor", Computed("editor")),
        ("viewer from parent", From("viewer", "parent")),
        ("a or b or c", Combined(Combination.OR, (Computed("a"), Computed("b"), Computed("c")))),
        (
            "a but not (b and c)",
            Combined(Combination.BUT_NOT, (Computed("a"), Combined(Combination.AND, (Computed("b"), Computed("c"))))),
        ),
        ("[\n  user,  # people\n  doc\n]", Direct((Restriction("user"), Restriction("doc")))),
        ("(a\n  or b)", Combined(Combination.OR, (Computed("a"), Computed("b")))),
        ("type", Computed("type")),
    ],
)
def test_a_rewrite_is_read_as_it_is_written(text: str, expected: Rewrite) -> None:
    assert rewrite_of(text) == expected


def test_a_condition_ends_where_its_own_brace_does() -> None:
    text = (
        HEAD
        + "type user\n# a comment\ncondition c(a: string, m: map<int>) {"
        + '\n  a == "}" && {"k": 1}["k"] == m["}"] // }\n}\n'
    )
    (condition,) = parse_model(text).conditions
    assert condition.expression == 'a == "}" && {"k": 1}["k"] == m["}"] // }'
    assert [(each.name, each.type) for each in condition.parameters] == [("a", "string"), ("m", "map<int>")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begins with `model`"),
        ("model\n  schema 1.0\ntype user", "schema 1.0 is not read"),
        ("module a\ntype user", "begins with `model`"),
        (HEAD + "typ user", "expected `type`"),
        (HEAD + "type user extra", "expected the end of the line"),
        (HEAD + "type a\n  relations\n    define b [user]", "expected `:`"),
        (HEAD + "condition c(a: int) { a", "not closed"),
        (HEAD + "extend type user", "an `fga.mod` lists"),
    ],
)
def test_what_is_not_of_the_language_is_refused(text: str, said: str) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        translate(parse_model(text, name="model.fga"))
    assert said in str(caught.value) + "".join(str(issue) for issue in caught.value.issues)


def test_parentheses_are_bounded() -> None:
    rewrite_of("(" * DEPTH_MAX + "a" + ")" * DEPTH_MAX)
    with pytest.raises(SchemaInvalid, match="nested more than"):
        rewrite_of("(" * 100_000 + "a")


@given(st.text(st.sampled_from(list("ab[](){}:,#*<>\n \t")) | st.characters(), max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in (text, HEAD + "type a\n  relations\n    define b: " + text):
        try:
            parse_model(whole)
        except SchemaInvalid as error:
            assert error.issues
