"""Schemas as SpiceDB's reflection tells them: every kind of difference, every filter, and what is made of what."""

from __future__ import annotations

import pytest
from authzed.api.v1 import schema_service_pb2 as schemas

from remit.errors import Fault, InvalidArgument
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.wire.spicedb.reflection import (
    Filters,
    computable_permissions,
    dependent_relations,
    encode_caveats,
    encode_definitions,
    encode_differences,
    encode_references,
)

FILTER = schemas.ReflectionSchemaFilter


def plan(text: str) -> Schema:
    return compile_schema(text).schema


SCHEMA = plan(
    """
use expiration
// at most so many
caveat small(amount int, most int) { amount <= most }
/** somebody */
definition user {}
definition group { relation member: user | group#member }
definition folder {
    relation viewer: user:* | group#member | user with small | user with expiration
    permission view = viewer
}
definition doc {
    // where it lies
    relation parent: folder
    relation editor: user
    permission edit = editor
    permission view = edit + parent->view
}
"""
)


def test_a_schema_is_told_part_by_part() -> None:
    folder = encode_definitions(SCHEMA, Filters([FILTER(optional_definition_name_filter="folder")]))[0]
    (viewer,) = folder.relations
    assert [(each.name, each.parent_definition_name) for each in folder.permissions] == [("view", "folder")]
    assert [
        (
            each.subject_definition_name,
            each.WhichOneof("typeref"),
            each.optional_relation_name,
            each.optional_caveat_name,
        )
        for each in viewer.subject_types
    ] == [
        ("user", "is_public_wildcard", "", ""),
        ("group", "optional_relation_name", "member", ""),
        ("user", "is_terminal_subject", "", "small"),
        ("user", "is_terminal_subject", "", ""),
    ]
    (caveat,) = encode_caveats(SCHEMA, Filters([]))
    assert (caveat.name, caveat.comment, caveat.expression) == ("small", "// at most so many", "amount <= most")
    assert [(each.name, each.type, each.parent_caveat_name) for each in caveat.parameters] == [
        ("amount", "int", "small"),
        ("most", "int", "small"),
    ]
    comments = {each.name: each.comment for each in encode_definitions(SCHEMA, Filters([]))}
    assert comments == {"user": "// somebody", "group": "", "folder": "", "doc": ""}


@pytest.mark.parametrize(
    ("filters", "definitions", "caveats", "relations", "permissions"),
    [
        ([], 4, 1, 4, 3),
        ([FILTER(optional_definition_name_filter="d")], 1, 0, 2, 2),
        ([FILTER(optional_definition_name_filter="d"), FILTER(optional_definition_name_filter="f")], 2, 0, 3, 3),
        ([FILTER(optional_caveat_name_filter="s")], 0, 1, 0, 0),
        ([FILTER(optional_caveat_name_filter="x")], 0, 0, 0, 0),
        ([FILTER(optional_definition_name_filter="doc", optional_relation_name_filter="p")], 1, 0, 1, 2),
        ([FILTER(optional_definition_name_filter="doc", optional_permission_name_filter="v")], 1, 0, 2, 1),
    ],
)
def test_filters_are_the_beginnings_of_names(
    filters: list[schemas.ReflectionSchemaFilter], definitions: int, caveats: int, relations: int, permissions: int
) -> None:
    wanted = Filters(filters)
    found = encode_definitions(SCHEMA, wanted)
    assert (len(found), len(encode_caveats(SCHEMA, wanted))) == (definitions, caveats)
    assert sum(len(each.relations) for each in found) == relations
    assert sum(len(each.permissions) for each in found) == permissions


@pytest.mark.parametrize(
    "filter",
    [
        FILTER(optional_definition_name_filter="a", optional_caveat_name_filter="b"),
        FILTER(optional_relation_name_filter="a"),
        FILTER(optional_permission_name_filter="a"),
        FILTER(
            optional_definition_name_filter="a", optional_relation_name_filter="b", optional_permission_name_filter="c"
        ),
    ],
)
def test_a_filter_that_contradicts_itself_is_refused(filter: schemas.ReflectionSchemaFilter) -> None:
    with pytest.raises(InvalidArgument) as raised:
        Filters([filter])
    assert (raised.value.field, raised.value.fault) == ("optional_filters[0]", Fault.FILTER_CONTRADICTS)


USER = "definition user {}\n"
CAVEAT = "caveat c(a int) { a < 1 }\n"
DIFFERENCES = {
    "definition_added": (USER, USER + "definition more {}"),
    "definition_removed": (USER + "definition more {}", USER),
    "definition_doc_comment_changed": (USER, "// somebody\n" + USER),
    "relation_added": ("definition user {}", "definition user { relation a: user }"),
    "relation_removed": ("definition user { relation a: user }", "definition user {}"),
    "relation_doc_comment_changed": (
        "definition user { relation a: user }",
        "definition user {\n// a\nrelation a: user }",
    ),
    "relation_subject_type_added": (
        "definition user { relation a: user }",
        "definition user { relation a: user | user:* }",
    ),
    "relation_subject_type_removed": (
        "definition user { relation a: user | user:* }",
        "definition user { relation a: user }",
    ),
    "permission_added": ("definition user {}", "definition user { permission a = nil }"),
    "permission_removed": ("definition user { permission a = nil }", "definition user {}"),
    "permission_doc_comment_changed": (
        "definition user { permission a = nil }",
        "definition user {\n// a\npermission a = nil }",
    ),
    "permission_expr_changed": (
        "definition user { relation b: user\n permission a = nil }",
        "definition user { relation b: user\n permission a = b }",
    ),
    "caveat_added": (USER, CAVEAT + USER),
    "caveat_removed": (CAVEAT + USER, USER),
    "caveat_doc_comment_changed": (CAVEAT, "// a\n" + CAVEAT),
    "caveat_expr_changed": (CAVEAT, CAVEAT.replace("< 1", "< 2")),
    "caveat_parameter_added": (
        "caveat c(a int, b int) { a < b }\n",
        "caveat c(a int, b int, d int) { a < b && d == 1 }\n",
    ),
    "caveat_parameter_removed": (
        "caveat c(a int, b int, d int) { a < b && d == 1 }\n",
        "caveat c(a int, b int) { a < b }\n",
    ),
    "caveat_parameter_type_changed": (CAVEAT, CAVEAT.replace("a int", "a double").replace("< 1", "< 1.0")),
}


def test_every_kind_of_difference_has_its_case() -> None:
    (oneof,) = schemas.ReflectionSchemaDiff.DESCRIPTOR.oneofs
    assert {field.name for field in oneof.fields} == set(DIFFERENCES)


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_a_difference_is_told_by_its_kind(kind: str) -> None:
    old, new = map(plan, DIFFERENCES[kind])
    kinds = [each.WhichOneof("diff") for each in encode_differences(old, new)]
    assert kind in kinds
    assert len(kinds) == 1 or kind.startswith("caveat_parameter"), kinds
    assert list(encode_differences(new, new)) == []


def test_what_a_permission_is_made_of() -> None:
    assert dependent_relations(SCHEMA, "doc", "view") == {
        ("doc", "edit"),
        ("doc", "editor"),
        ("doc", "parent"),
        ("folder", "view"),
        ("folder", "viewer"),
        ("group", "member"),
    }
    assert dependent_relations(SCHEMA, "doc", "edit") == {("doc", "editor")}
    assert [
        (each.definition_name, each.relation_name, each.is_permission)
        for each in encode_references(SCHEMA, dependent_relations(SCHEMA, "folder", "view"))
    ] == [("folder", "viewer", False), ("group", "member", False)]


def test_what_a_relation_makes() -> None:
    assert computable_permissions(SCHEMA, "group", "member") == {
        ("folder", "viewer"),
        ("folder", "view"),
        ("doc", "view"),
    }
    assert computable_permissions(SCHEMA, "doc", "editor") == {("doc", "edit"), ("doc", "view")}
    assert computable_permissions(SCHEMA, "user", "") == {
        ("group", "member"),
        ("folder", "viewer"),
        ("folder", "view"),
        ("doc", "editor"),
        ("doc", "edit"),
        ("doc", "view"),
    }
    assert computable_permissions(SCHEMA, "folder", "") == {("doc", "parent")}


CALLS = """
use arguments
definition user {}
definition book { relation contact: user }
definition doc {
    relation viewer: user with arguments(book#contact)
    permission view = viewer
}
"""


def test_the_caveats_that_are_built_in_are_told_and_what_documents_may_ask() -> None:
    schema = plan(CALLS)
    told = encode_caveats(schema, Filters([]))
    assert [(each.name, each.expression, len(each.parameters)) for each in told] == [
        ("arguments", "", 0),
        ("matching", "", 0),
    ]
    without = plan(CALLS.replace("use arguments\n", "").replace(" with arguments(book#contact)", ""))
    assert sorted(
        each.caveat_added.name for each in encode_differences(without, schema) if each.HasField("caveat_added")
    ) == ["arguments", "matching"]
    assert dependent_relations(schema, "doc", "view") == {("doc", "viewer"), ("book", "contact")}
    assert dependent_relations(without, "doc", "view") == {("doc", "viewer")}
