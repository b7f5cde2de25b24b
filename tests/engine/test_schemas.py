"""Law: no schema comes into force that leaves a stored relationship without a place, also none written meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from remit.engine.limits import Limits
from remit.errors import RelationshipRefused, SchemaInvalid, SchemaOrphansRelationships, SingleTaken, TooManyMatch
from remit.model import RelationshipFilter
from remit.notation import parse_relationship
from tests.support.engines import EngineOfTest, EngineOpener, facts
from tests.support.restoring import feed
from tests.support.small_worlds import AFTER, AT, NO, YES

SCHEMA = """
use delegation
use expiration
use not_before

caveat small(x int) { x < 10 }
caveat other(y string) { y == "yes" }

definition user {}
definition group {
    relation member: user | group#member
}
definition doc {
    relation viewer: user | user:* | group#member
    relation editor: user with small | user with expiration | user with small and expiration
    relation soon: user with not_before | user with not_before and expiration
    relation crowd: group#member with other
    single relation owner: user | user with expiration | user with not_before
    single relation home: doc
    permission view = viewer + editor
}
"""


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    return engine


def test_a_schema_that_fits_the_facts_replaces_the_old_one(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a", "doc:1#editor@user:b[small]")
    world.schema(SCHEMA.replace("view = viewer + editor", "view = viewer - editor"))
    assert world.verdict("doc:1#view@user:a") is YES
    world.schema(SCHEMA.replace("permission view = viewer + editor", "permission view = editor"))
    assert world.verdict("doc:1#view@user:a") is NO
    assert world.facts() == ["doc:1#editor@user:b[small]", "doc:1#viewer@user:a"]


def test_a_schema_that_does_not_compile_changes_nothing(world: EngineOfTest) -> None:
    with pytest.raises(SchemaInvalid):
        world.schema("definition user {")
    assert world.engine.schemas.read("").text == SCHEMA


ORPHANS = [
    ("doc:1#viewer@user:a", "relation viewer: user | user:*", "relation viewer: user:*", "not `user`"),
    ("doc:1#viewer@user:*", "relation viewer: user | user:*", "relation viewer: user", "not `user:*`"),
    ("doc:1#viewer@group:g#member", "user:* | group#member", "user:*", "not `group#member`"),
    ("doc:1#editor@user:a[small]", "user with small | user with exp", "user with exp", "not `user with small`"),
    (f"doc:1#editor@user:a[expiration:{AFTER}]", "user with expiration | ", "", "not `user with expiration`"),
    (f"doc:1#soon@user:a[not_before:{AFTER}]", "user with not_before | ", "", "not `user with not_before`"),
    ("doc:1#viewer@user:a", "relation viewer: user", "relation watcher: user", "`viewer` is not defined"),
    ('doc:1#editor@user:a[small:{"x":1}]', "small(x int) { x < 10 }", "small(z int) { z < 10 }", "no parameter `x`"),
    (
        'doc:1#editor@user:a[small:{"x":1}]',
        "small(x int) { x < 10 }",
        'small(x string) { x == "" }',
        "parameter `x` as string",
    ),
    ("doc:1#home@doc:2", "single relation home: doc", "permission home = viewer", "`home` of `doc` is a permission"),
]


@pytest.mark.parametrize(("line", "old", "new", "words"), ORPHANS)
def test_a_schema_that_has_no_place_for_a_fact_is_refused(
    world: EngineOfTest, line: str, old: str, new: str, words: str
) -> None:
    assert old in SCHEMA
    changed = SCHEMA.replace(old, new)
    if "watcher" in changed or "permission home" in changed:
        changed = changed.replace("view = viewer", "view = editor")
    world.write(line, "doc:9#home@doc:8") if "home" not in line else world.write(line)
    with pytest.raises(SchemaOrphansRelationships) as raised:
        world.schema(changed)
    assert words in raised.value.message
    assert f"`{parse_relationship(line).key}" in raised.value.message
    assert raised.value.metadata["count"] == "1"
    assert world.engine.schemas.read("").text == SCHEMA
    world.write(f"delete {line}")
    world.schema(changed)


def test_a_definition_with_facts_cannot_go(world: EngineOfTest) -> None:
    world.write("group:g#member@user:a", "doc:1#viewer@group:g#member")
    without = (
        SCHEMA.replace("definition group {\n    relation member: user | group#member\n}", "definition group {}")
        .replace(" | group#member", "")
        .replace("    relation crowd: group#member with other\n", "")
    )
    without = without.replace('caveat other(y string) { y == "yes" }\n', "")
    with pytest.raises(SchemaOrphansRelationships, match="no place for 2 relationships") as raised:
        world.schema(without)
    assert set(raised.value.metadata["relations"].split(", ")) == {"doc#viewer (1)", "group#member (1)"}


def test_a_relation_becomes_single_only_where_it_is(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a", "doc:2#viewer@user:a", "doc:2#viewer@group:g#member", "doc:3#viewer@user:*")
    single = SCHEMA.replace("    relation viewer", "    single relation viewer")
    with pytest.raises(SchemaOrphansRelationships, match="`viewer` would be single") as raised:
        world.schema(single)
    assert raised.value.metadata["count"] == "1"
    world.write("delete doc:2#viewer@user:a")
    world.schema(single)
    with pytest.raises(SingleTaken):
        world.write("doc:1#viewer@user:b")


def test_what_is_over_does_not_keep_a_relation_from_becoming_single(world: EngineOfTest) -> None:
    world.write(
        f"doc:1#editor@user:a[expiration:{AT}]",
        f"doc:1#editor@user:b[expiration:{AFTER}]",
        f"doc:1#editor@user:c[expiration:{AT}]",
    )
    world.schema(SCHEMA.replace("    relation editor", "    single relation editor"))


def test_many_orphans_are_counted_and_some_are_named(world: EngineOfTest) -> None:
    world.write(*(f"doc:{i}#viewer@user:a" for i in range(9)))
    with pytest.raises(SchemaOrphansRelationships, match=r"no place for 9 relationships: .*, and 4 more; delete them"):
        world.schema(SCHEMA.replace("relation viewer: user | user:*", "relation viewer: user:*"))


NO_EXPIRING_EDITOR = SCHEMA.replace("user with small | user with expiration | user", "user with small | user")


def test_what_has_expired_keeps_no_schema_from_being_written_and_goes_with_it(open_engine: EngineOpener) -> None:
    """As absent as for every question: the row goes in the schema's own revision, watched like any other, and the past
    has it still. What is left is what a restore accepts."""
    world = open_engine()
    world.schema(SCHEMA)
    over, alive = f"doc:1#editor@user:a[expiration:{AT}]", "doc:1#viewer@user:b"
    before = world.write(over, alive).token
    assert world.engine.schemas.diff("", NO_EXPIRING_EDITOR).orphans == ()
    world.engine.schemas.write("", NO_EXPIRING_EDITOR, dry_run=True)
    assert len(world.graph()) == 2, "a dry run leaves it"
    watch = world.engine.streams.watch("", lambda told: told, after=before)
    world.schema(NO_EXPIRING_EDITOR)
    assert world.graph().find(*facts(over)[0].key) is None
    assert world.facts() == [alive]
    (told,) = watch.catch_up()
    watch.close()
    assert told.schema_text == NO_EXPIRING_EDITOR
    assert [(change.key, change.after) for change in told.changes] == [(facts(over)[0].key, None)]
    assert world.engine.schemas.read("", at_exactly=before).text == SCHEMA
    past = world.engine.views.of("", at_exactly=before)
    assert past.graph.find(*facts(over)[0].key) == facts(over)[0].qualifiers
    restore = world.engine.stores.restore("copy")
    backup = world.engine.stores.backup("")
    backup.take()
    while data := backup.read(1 << 16):
        feed(restore, data)
    restore.finish()
    backup.close()
    world.check_laws()


@contextmanager
def meanwhile(world: EngineOfTest, *lines: str) -> Iterator[None]:
    """Written once the next write of a schema has looked at what is stored, before it is a write itself."""
    stores = world.engine.loaded
    with pytest.MonkeyPatch.context() as patched:

        def write(*arguments: Any) -> Any:
            patched.undo()
            world.write(*lines)
            return stores.write(*arguments)

        patched.setattr(stores, "write", write)
        yield


@pytest.mark.parametrize(("line", "old", "new", "words"), ORPHANS)
def test_a_fact_written_while_a_schema_is_looked_at_is_not_overlooked(
    world: EngineOfTest, line: str, old: str, new: str, words: str
) -> None:
    changed = SCHEMA.replace(old, new)
    if "watcher" in changed or "permission home" in changed:
        changed = changed.replace("view = viewer", "view = editor")
    with meanwhile(world, line), pytest.raises(SchemaOrphansRelationships) as raised:
        world.schema(changed)
    assert words in raised.value.message
    assert raised.value.metadata["count"] == "1"
    assert world.engine.schemas.read("").text == SCHEMA


def test_a_second_fact_written_meanwhile_keeps_a_relation_from_becoming_single(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a", "doc:2#viewer@user:a")
    single = SCHEMA.replace("    relation viewer", "    single relation viewer")
    with meanwhile(world, "doc:1#viewer@group:g#member"), pytest.raises(SchemaOrphansRelationships, match="be single"):
        world.schema(single)
    world.write("delete doc:1#viewer@group:g#member")
    with meanwhile(world, "delete doc:2#viewer@user:a", "doc:3#viewer@user:b"):
        world.schema(single)


def test_what_had_expired_and_was_written_anew_meanwhile_is_not_removed(open_engine: EngineOpener) -> None:
    world = open_engine()
    world.schema(SCHEMA)
    world.write(f"doc:1#editor@user:a[expiration:{AT}]", f"doc:1#editor@user:b[expiration:{AT}]")
    again = f"doc:1#editor@user:a[expiration:{AFTER}]"
    with meanwhile(world, again), pytest.raises(SchemaOrphansRelationships, match="no place for 1 relationships"):
        world.schema(NO_EXPIRING_EDITOR)
    assert len(world.graph()) == 2
    world.write("delete doc:1#editor@user:a")
    with meanwhile(world, "doc:1#editor@user:b[small]"):
        world.schema(NO_EXPIRING_EDITOR)
    assert world.facts() == ["doc:1#editor@user:b[small]"]
    world.check_laws()


def test_what_has_not_expired_yet_keeps_its_place(world: EngineOfTest) -> None:
    """And where a schema is refused for it, what has expired stays, too."""
    world.write(f"doc:1#editor@user:a[expiration:{AT}]", f"doc:1#editor@user:b[expiration:{AFTER}]")
    with pytest.raises(SchemaOrphansRelationships, match="no place for 1 relationships") as refused:
        world.schema(NO_EXPIRING_EDITOR)
    assert refused.value.metadata["count"] == "1"
    assert len(world.graph()) == 2


def test_a_schema_removes_no_more_of_what_has_expired_than_a_revision_may(open_engine: EngineOpener) -> None:
    world = open_engine(Limits(matches_max=2))
    world.schema(SCHEMA)
    world.write(*(f"doc:{n}#editor@user:a[expiration:{AT}]" for n in range(3)))
    with pytest.raises(TooManyMatch, match="delete those of the relation first, in parts") as refused:
        world.schema(NO_EXPIRING_EDITOR)
    assert refused.value.metadata["name"] == "matches_max"
    world.engine.relationships.delete("", RelationshipFilter(resource_type="doc", relation="editor"), limit=1)
    world.schema(NO_EXPIRING_EDITOR)
    assert len(world.graph()) == 0


def test_a_changed_caveat_is_judged_only_by_its_parameters(world: EngineOfTest) -> None:
    world.write('doc:1#editor@user:a[small:{"x":1}]')
    world.schema(SCHEMA.replace("x < 10", "x > 10"))
    assert world.verdict("doc:1#view@user:a") is NO
    world.schema(SCHEMA.replace("small(x int) { x < 10 }", "small(x int, z int) { x < z }"))
    assert world.check("doc:1#view@user:a").missing == ("z",)


def test_no_schema_makes_a_chain_of_what_is_stored_that_is_not_plain(world: EngineOfTest) -> None:
    """The compiler wants chain relations plain, and admission holds the facts to the schema: together they keep
    usersets, caveats and times out of chains, whatever was stored before."""
    chained = SCHEMA.replace(
        "permission view = viewer + editor", "permission view = viewer + editor\n permission link = view.along(owner)"
    )
    with pytest.raises(SchemaInvalid, match="the links of a chain are plain"):
        world.schema(chained)
    plain = chained.replace("owner: user | user with expiration | user with not_before", "owner: user | doc").replace(
        "relation viewer: user", "relation viewer: doc | user"
    )
    world.write(f"doc:1#owner@user:a[expiration:{AFTER}]")
    with pytest.raises(SchemaOrphansRelationships):
        world.schema(plain)
    world.write("doc:1#owner@user:a")
    world.schema(plain)
    world.write("doc:2#viewer@user:a", "doc:2#viewer@doc:1")
    assert world.verdict("doc:2#link@doc:1") is YES
    with pytest.raises(RelationshipRefused):
        world.write("doc:3#owner@group:g#member")
