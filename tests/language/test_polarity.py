"""What holds an answer back is found wherever it stands behind a `-`, and only under `use delegation`."""

from __future__ import annotations

import pytest

from remit.language import compile_schema

HEAD = "use delegation\nuse expiration\n"
TYPES = "definition user {}\ndefinition team { relation member: user }\n"


def subtracted(text: str) -> set[str]:
    return {f"{type}#{relation}" for type, relation in compile_schema(HEAD + TYPES + text).schema.subtracted}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ("relation a: user; permission p = a", set()),
        ("relation a: user; relation b: user; permission p = a - b", {"doc#b"}),
        ("relation a: user; relation b: user; permission p = a - (a - b)", {"doc#a"}),
        ("relation a: user; relation b: user; permission q = a - b; permission p = a - q", {"doc#a", "doc#b"}),
        ("relation a: user; relation b: user; permission p = a - b.exists()", {"doc#b"}),
        ("relation a: user; relation b: team#member; permission p = a - b", {"doc#b", "team#member"}),
        ("relation a: user; relation b: team#member; permission p = a - b.exists()", {"doc#b"}),
        ("relation a: user; relation up: doc; permission p = a - up->q; permission q = a", {"doc#a", "doc#up"}),
        ("relation a: user; relation up: doc; permission p = up.all(a)", {"doc#up"}),
        ("relation a: user; relation up: doc; permission p = up.any(a)", set()),
    ],
)
def test_what_stands_behind_a_minus_is_found(members: str, expected: set[str]) -> None:
    assert subtracted(f"definition doc {{ {members} }}\n") == expected


def test_it_is_found_behind_the_subject_and_the_chain() -> None:
    found = subtracted("""
        definition run {
            relation boss: run | user
            relation hold: team
            relation note: team
            permission held = hold.exists()
            permission live = boss - held
        }
        definition tool {
            relation may: run
            relation off: run
            permission link = (may & subject->live) - off
            permission use = link.along(boss)
        }
    """)
    assert found == {"run#hold", "run#boss", "tool#off"}


def test_nothing_of_a_schema_without_delegation_is_looked_at() -> None:
    """There a TOUCH means what it means to SpiceDB."""
    text = "definition user {}\ndefinition doc { relation a: user; relation b: user; permission p = a - b }"
    assert compile_schema(text).schema.subtracted == frozenset()
