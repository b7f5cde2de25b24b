"""What a change of schema is told to mean."""

from __future__ import annotations

import pytest

from remit.language import compile_schema
from remit.language.diff import Effect, SchemaChange, diff

BASE = """
use delegation
caveat small(x int) { x < 10 }
definition user {}
definition group { relation member: user }
definition doc {
  relation viewer: user | user with small
  relation editor: user
  relation banned: user
  permission edit = editor
  permission view = (viewer + edit) - banned
}
"""


def changes(old: str, new: str) -> list[tuple[str, str, Effect]]:
    found = diff(compile_schema(old).schema, compile_schema(new).schema)
    return [
        (each.code, f"{each.definition}#{each.name}" if each.name else each.definition, each.effect) for each in found
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("relation editor: user", "relation editor: user | group#member", ("subject-type-added", Effect.WIDENS)),
        ("relation viewer: user | user with small", "relation viewer: user", ("subject-type-removed", Effect.NARROWS)),
        ("relation banned: user", "relation banned: user | user:*", ("subject-type-added", Effect.BOTH)),
        ("permission edit = editor", "permission edit = editor + viewer", ("permission-changed", Effect.WIDENS)),
        ("permission edit = editor", "permission edit = editor & viewer", ("permission-changed", Effect.NARROWS)),
        ("permission edit = editor", "permission edit = editor - banned", ("permission-changed", Effect.NARROWS)),
        ("permission edit = editor", "permission edit = viewer", ("permission-changed", Effect.BOTH)),
        ("(viewer + edit) - banned", "viewer + edit", ("permission-changed", Effect.WIDENS)),
        ("relation editor: user", "single relation editor: user", ("relation-single-changed", Effect.NONE)),
        ("relation editor: user", "final relation editor: user", ("relation-final-changed", Effect.NONE)),
        ("x < 10", "x < 11", ("caveat-changed", Effect.BOTH)),
    ],
)
def test_each_difference_is_told_with_its_effect(before: str, after: str, expected: tuple[str, Effect]) -> None:
    found = changes(BASE, BASE.replace(before, after))
    assert [(code, effect) for code, _, effect in found] == [expected]


def test_comments_and_order_are_no_difference() -> None:
    lines = BASE.replace("  relation editor: user\n", "").replace(
        "  relation banned: user\n", "  relation banned: user // kept out\n  relation editor: user\n"
    )
    assert changes(BASE, lines) == []


def test_a_name_below_what_is_subtracted_works_both_ways() -> None:
    new = BASE.replace("- banned", "- kept_out").replace(
        "permission edit", "permission kept_out = banned + editor\n  permission edit"
    )
    wider = new.replace("relation editor: user", "relation editor: user | group#member")
    assert ("subject-type-added", "doc#editor", Effect.BOTH) in changes(new, wider)


def test_what_comes_and_goes_is_told() -> None:
    new = BASE.replace("definition group { relation member: user }", "definition team { relation lead: user }")
    assert [(code, where) for code, where, _ in changes(BASE, new)] == [
        ("definition-removed", "group"),
        ("definition-added", "team"),
    ]
    assert isinstance(diff(compile_schema(BASE).schema, compile_schema(new).schema)[0], SchemaChange)


CALLS = """
use arguments
definition user { relation contact: user }
definition descriptor {}
definition tool {
  relation may: user with arguments(user#contact) | user
  relation off: user with matching
  permission use = may - off
}
"""


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "arguments(user#contact)",
            "arguments",
            [("subject-type-removed", Effect.NARROWS), ("subject-type-added", Effect.WIDENS)],
        ),
        # What `arguments` asks rises with it; by `matching` it may take away.
        ("contact: user", "contact: user | tool", [("subject-type-added", Effect.WIDENS)]),
        # With it calls are judged by what is accepted, and without any not at all.
        ("relation may", "relation descriptor: descriptor\n  relation may", [("relation-added", Effect.BOTH)]),
    ],
)
def test_what_documents_rest_on_is_told(before: str, after: str, expected: list[tuple[str, Effect]]) -> None:
    found = changes(CALLS, CALLS.replace(before, after))
    assert [(code, effect) for code, _, effect in found] == expected


def test_what_a_matching_document_may_ask_works_both_ways() -> None:
    old = CALLS.replace("matching", "matching(user#contact)")
    assert changes(old, old.replace("contact: user", "contact: user | tool")) == [
        ("subject-type-added", "user#contact", Effect.BOTH)
    ]


def test_a_caveat_that_becomes_the_built_in_one_decides_otherwise() -> None:
    own = "caveat arguments(x int) { x > 1 }\ncaveat matching(x int) { x > 1 }\ndefinition user"
    old = CALLS.replace("use arguments\n", "").replace("definition user", own, 1).replace("(user#contact)", "")
    new = CALLS.replace("(user#contact)", "")
    told = [("caveat-changed", "arguments", Effect.BOTH), ("caveat-changed", "matching", Effect.BOTH)]
    assert changes(old, new) == changes(new, old) == told
