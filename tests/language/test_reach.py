"""Who can reach what, form by form. That reach never prunes an answer is a law of its own: tests/laws."""

from __future__ import annotations

import pytest
import yaml

from remit.language import compile_schema
from remit.language.reach import Reach, Subjects
from remit.notation import parse_question
from tests.support.places import CONFORMANCE, SPICEDB_RANDOM

SCHEMA = """
use delegation
use self
use expiration
caveat limit(amount int) { amount < 10 }
definition user { permission live = self }
definition bot {}
definition team { relation member: user | team#member }
definition run {
    relation boss: run | user
    relation made_of: bot
    permission live = self
}
definition folder {
    relation parent: folder
    relation viewer: user with limit
    permission view = viewer + parent->view
}
definition doc {
    relation folder: folder
    relation viewer: user | team#member | bot:* with expiration
    relation editor: run | user
    relation robot: bot
    relation empty: team#member
    permission view = viewer + folder->view
    permission both = viewer & editor
    permission less = editor - viewer
    permission nobody = nil
    permission itself = self
    permission awake = subject->live
    permission any = robot.exists()
    permission chained = editor.along(boss)
    permission broken = editor.along(boss, made_of)
    permission never = robot & editor
    permission every = folder.all(view)
    permission alias = never + itself
}
"""
MEMBER = ("team", "member")

REACHING = {
    "viewer": Subjects(frozenset({"user", "bot"}), frozenset({MEMBER}), frozenset({"bot"})),
    "editor": Subjects(frozenset({"run", "user"}), frozenset(), frozenset()),
    "empty": Subjects(frozenset({"user"}), frozenset({MEMBER}), frozenset()),
    "view": Subjects(frozenset({"user", "bot"}), frozenset({MEMBER}), frozenset({"bot"})),
    "both": Subjects(frozenset({"user"}), frozenset(), frozenset()),
    "less": Subjects(frozenset({"run", "user"}), frozenset(), frozenset()),
    "nobody": Subjects(frozenset(), frozenset(), frozenset()),
    "itself": Subjects(frozenset({"doc"}), frozenset(), frozenset()),
    "awake": Subjects(frozenset({"user", "run"}), frozenset(), frozenset()),
    "chained": Subjects(frozenset({"user", "run"}), frozenset(), frozenset()),
    # A run is made of a bot, and no bot edits.
    "broken": Subjects(frozenset({"user"}), frozenset(), frozenset()),
    "never": Subjects(frozenset(), frozenset(), frozenset()),
    "every": Subjects(frozenset({"user"}), frozenset(), frozenset()),
    "alias": Subjects(frozenset({"doc"}), frozenset(), frozenset()),
}


@pytest.mark.parametrize("name", REACHING)
def test_each_form_holds_what_it_says(name: str) -> None:
    assert Reach(compile_schema(SCHEMA).schema, identity=False).subjects("doc", name) == REACHING[name]


def test_exists_holds_everyone() -> None:
    schema = compile_schema(SCHEMA).schema
    reach = Reach(schema)
    for type_, definition in schema.definitions.items():
        assert reach.can_reach("doc", "any", type_)
        for name in (*definition.relations, *definition.permissions):
            assert reach.can_reach("doc", "any", type_, name)
    assert not Reach(schema, identity=False, exists=False).subjects("doc", "any")


def test_a_userset_always_reaches_its_own_name_and_what_reads_it() -> None:
    schema = compile_schema(SCHEMA).schema
    reach = Reach(schema)
    for type_, definition in schema.definitions.items():
        for name in (*definition.relations, *definition.permissions):
            assert reach.can_reach(type_, name, type_, name)
    assert reach.can_reach("doc", "view", "doc", "viewer")
    assert reach.can_reach("doc", "view", "folder", "viewer")
    assert not reach.can_reach("doc", "viewer", "doc", "view")
    assert not reach.can_reach("doc", "chained", "doc", "editor")


def test_what_the_schema_does_not_know_reaches_nothing() -> None:
    reach = Reach(compile_schema(SCHEMA).schema)
    assert not reach.can_reach("doc", "view", "martian")
    assert not reach.can_reach("doc", "view", "team", "captain")
    assert not reach.can_reach("doc", "glance", "user")
    assert not reach.can_reach("martian", "view", "user")


def test_without_along_what_only_a_chain_gives_is_gone() -> None:
    schema = compile_schema(SCHEMA).schema
    assert not Reach(schema, identity=False, along=False).subjects("doc", "chained")
    assert Reach(schema, identity=False, along=False).subjects("doc", "editor").plain == {"run", "user"}


def test_without_selves_no_object_is_in_its_own() -> None:
    assert not Reach(compile_schema(SCHEMA).schema, identity=False, selves=False).subjects("doc", "itself")


def test_a_ring_of_types_without_a_root_holds_nobody() -> None:
    ring = (
        "use delegation\n"
        "definition ping { relation boss: pong }\ndefinition pong { relation boss: ping }\n"
        "definition door {\nrelation may: ping | pong\npermission open = may.along(boss)\n}"
    )
    assert not Reach(compile_schema(ring).schema, identity=False).subjects("door", "open")


def test_what_spicedb_answered_with_yes_can_be_reached() -> None:
    compared = pruned = 0
    for path in [*SPICEDB_RANDOM.glob("*.yaml"), *CONFORMANCE.glob("spicedb-answers/*.yaml")]:
        world = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        reach = Reach(compile_schema(world["schema"], name=path.name).schema)
        for kind, lines in world["assertions"].items():
            for line in lines or ():
                resource, name, subject = parse_question(line.partition(" with ")[0])
                reached = reach.can_reach(resource.type, name, subject.type, subject.relation)
                assert reached or kind == "assertFalse", f"{path.name}: {line}"
                compared += 1
                pruned += not reached
    assert compared > 20_000
    assert pruned > 5_000
