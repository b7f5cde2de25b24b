"""From text to plan: what stays, what vanishes, what is remembered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import SchemaInvalid
from remit.language import compile_schema, format_schema
from remit.language.plan import (
    Along,
    Arrow,
    Exclusion,
    Exists,
    Expression,
    Intersection,
    Name,
    Nil,
    Self,
    SubjectArrow,
    SubjectType,
    Union,
    nodes_of,
)
from tests.support.places import CONFORMANCE

HEAD = """use delegation
use self
definition user {}
definition run { relation boss: run | user }
definition doc {
    relation a: user | run
    relation b: user | run
    relation c: user | run
    relation parent: doc
"""
A, B, C = Name("a"), Name("b"), Name("c")


def expression_of(text: str) -> Expression:
    schema = compile_schema(f"{HEAD}    permission p = {text}\n}}\n").schema
    return schema.definitions["doc"].permissions["p"].expression


EXPRESSIONS: dict[str, Expression] = {
    "a": A,
    "(((a)))": A,
    "nil": Nil(),
    "self": Self(),
    "a + b + c": Union((A, B, C)),
    "a + (b + c)": Union((A, B, C)),
    "(a + b) + (c + nil)": Union((A, B, C, Nil())),
    "a & (b & c)": Intersection((A, B, C)),
    "a - b - c": Exclusion(Exclusion(A, B), C),
    "a - (b - c)": Exclusion(A, Exclusion(B, C)),
    "a - b + c": Exclusion(A, Union((B, C))),
    "a + b & c - a": Exclusion(Intersection((Union((A, B)), C)), A),
    "a + (b & c) + a": Union((A, Intersection((B, C)), A)),
    "parent->a": Arrow("parent", "a"),
    "parent.any(a)": Arrow("parent", "a"),
    "parent.all(a)": Arrow("parent", "a", all=True),
    "subject->boss": SubjectArrow("boss"),
    "a.exists()": Exists("a"),
    "a.along(boss)": Along("a", ("boss",)),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_has_one_plan(text: str) -> None:
    assert expression_of(text) == EXPRESSIONS[text]


@given(
    st.recursive(
        st.sampled_from(["a", "b", "nil"]), lambda e: st.builds("({} {} {})".format, e, st.sampled_from("+&-"), e)
    )
)
@settings(max_examples=60, deadline=None)
def test_unions_and_intersections_have_no_child_of_their_own_kind(text: str) -> None:
    for node in nodes_of(expression_of(text)):
        if isinstance(node, (Union, Intersection)):
            assert len(node.children) >= 2
            assert not any(isinstance(child, type(node)) for child in node.children)


def test_printing_first_changes_no_plan() -> None:
    text = HEAD + "    permission p = a - b + c & parent->p\n    permission q = (a + (b + p)) - a.along(boss)\n}\n"
    once, again = compile_schema(text).schema, compile_schema(format_schema(text)).schema
    assert once.definitions == again.definitions
    assert once.caveats == again.caveats


def test_subject_types_keep_their_traits() -> None:
    text = (
        "use expiration\nuse not_before\ncaveat limit(a int) { a < 1 }\n"
        "definition user { relation r: user#... | user:* | user#r with limit | user with not_before and expiration }\n"
    )
    assert compile_schema(text).schema.definitions["user"].relations["r"].subject_types == (
        SubjectType("user"),
        SubjectType("user", wildcard=True),
        SubjectType("user", "r", caveat="limit"),
        SubjectType("user", expiration=True, not_before=True),
    )


def test_comments_become_documentation_without_their_markers() -> None:
    text = """
/** A doc is
 *  what people read. */
definition doc {
    // spicedb-ignore-warning: relation-name-references-parent
    // who may read
    relation view_doc: doc
    /* and who
       may not */
    permission none = nil
}
// a cap
caveat limit(a int) { a < 1 }
"""
    schema = compile_schema(text).schema
    assert schema.definitions["doc"].doc == "A doc is\n what people read."
    assert schema.definitions["doc"].relations["view_doc"].doc == "who may read"
    assert schema.definitions["doc"].permissions["none"].doc == "and who\nmay not"
    assert schema.caveats["limit"].doc == "a cap"


def test_the_schema_keeps_the_text_as_it_was_given() -> None:
    text = "definition   user{}  // mine\n"
    assert compile_schema(text).schema.text == text


def test_a_schema_with_imports_keeps_the_text_they_make_together() -> None:
    files = {"people.zed": "use self\ndefinition user { permission me = self }\n"}
    text = 'use import\nimport "people.zed"\ndefinition doc { relation viewer: user }\n'
    schema = compile_schema(text, resolver=lambda path, _: (path, files[path])).schema
    assert set(schema.definitions) == {"user", "doc"}
    assert 'import "' not in schema.text
    assert compile_schema(schema.text).schema.definitions == schema.definitions


def test_a_mistake_in_an_imported_file_names_that_file() -> None:
    files = {"people.zed": "definition user {\n\trelation boss: usr\n}\n"}
    with pytest.raises(SchemaInvalid) as caught:
        compile_schema('use import\nimport "people.zed"\n', resolver=lambda path, _: (path, files[path]))
    (issue,) = caught.value.issues
    assert (issue.file, issue.line, issue.column) == ("people.zed", 2, 17)  # type: ignore[attr-defined]


def test_partials_are_spelled_out() -> None:
    text = (
        "use partial\ndefinition user {}\npartial watched { relation watcher: user }\n"
        "definition doc {\n...watched\npermission watch = watcher\n}\n"
    )
    schema = compile_schema(text).schema
    assert schema.definitions["doc"].relations["watcher"].subject_types == (SubjectType("user"),)
    assert schema.text == text


def test_equal_texts_make_equal_plans() -> None:
    text = HEAD + "    permission p = a\n}\ncaveat c(x int) { x == 1 }\n"
    assert compile_schema(text).schema == compile_schema(text).schema


@pytest.mark.skipif(not CONFORMANCE.exists(), reason=f"no conformance data at {CONFORMANCE}")
def test_a_schema_of_a_thousand_members_compiles() -> None:
    text = (CONFORMANCE / "spicedb-schema/accept/superlarge.zed").read_text()
    schema = compile_schema(text).schema
    assert sum(len(d.relations) + len(d.permissions) for d in schema.definitions.values()) == 1460
