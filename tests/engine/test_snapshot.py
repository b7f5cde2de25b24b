"""Laws: the pages of a snapshot are together what was there at its revision, in a scan's order, whatever is written
meanwhile and wherever a cursor goes on; and beyond its bounds it ends with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.engine.limits import SPICEDB_WIRE, Limits
from remit.errors import ForeignToken, InvalidCursor, StepBudgetSpent, UnknownRelation, UnknownType
from remit.model import RelationshipFilter
from remit.notation import format_relationship
from tests.support.engines import EngineOfTest

SCHEMA = """
definition user {}
definition group { relation member: user | group#member }
definition doc { relation viewer: user | group#member
 relation editor: user }
"""
LINES = [
    f"{resource}@{subject}"
    for resource in ("doc:1#viewer", "doc:1#editor", "doc:10#viewer", "doc:2#viewer", "group:a#member")
    for subject in ("user:x", "user:y", "group:a#member")
    if not (resource.endswith("editor") and "#" in subject)
]
FILTERS = [
    RelationshipFilter(),
    RelationshipFilter(resource_type="doc"),
    RelationshipFilter(resource_type="doc", resource_id_prefix="1"),
    RelationshipFilter(resource_type="doc", resource_id="1", relation="viewer"),
    RelationshipFilter(subject_type="user"),
    RelationshipFilter(subject_type="user", subject_id="x"),
    RelationshipFilter(resource_type="doc", subject_type="group", subject_id="a", subject_relation="member"),
    RelationshipFilter(relation="member"),
]
WRITES = st.lists(st.tuples(st.sampled_from(("", "delete ")), st.sampled_from(LINES)).map("".join), max_size=6)


def unique(lines: list[str]) -> list[str]:
    """A request says one thing about a relationship."""
    return list({line.removeprefix("delete "): line for line in lines}.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    before=st.lists(st.sampled_from(LINES), max_size=12, unique=True),
    after=st.lists(WRITES, max_size=3),
    between=st.lists(WRITES, max_size=8),
    filter=st.sampled_from(FILTERS),
    page_max=st.integers(1, 5),
    resume=st.booleans(),
)
def test_pages_of_a_past_revision_are_what_was_there(
    tmp_path: Path,
    before: list[str],
    after: list[list[str]],
    between: list[list[str]],
    filter: RelationshipFilter,
    page_max: int,
    resume: bool,
) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    token = world.write(*before, wire=SPICEDB_WIRE).token
    wanted = world.facts(filter)
    for lines in after:
        world.write(*unique(lines), wire=SPICEDB_WIRE)
    writes = iter(between)
    found: list[str] = []
    cursor = ""
    pages = world.engine.streams.snapshot("", filter, at_exactly=token, page_max=page_max)
    while (page := next(pages, None)) is not None:
        assert page.token == token
        found += [format_relationship(each) for each in page.relationships]
        world.write(*unique(next(writes, [])), wire=SPICEDB_WIRE)
        if resume and page.relationships:
            cursor = page.cursor_of(page.relationships[-1])
            pages = world.engine.streams.snapshot("", filter, at_exactly=token, page_max=page_max, cursor=cursor)
    assert found == wanted
    world.engine.close()


def test_without_a_token_it_is_the_head_as_it_is_when_it_begins(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    written = world.write("doc:1#viewer@user:x", "doc:2#viewer@user:x")
    pages = world.engine.streams.snapshot("", RelationshipFilter(), page_max=1)
    first = next(pages)
    world.write("delete doc:2#viewer@user:x", "doc:3#viewer@user:x")
    rest = [format_relationship(each) for page in pages for each in page.relationships]
    assert (first.token, rest) == (written.token, ["doc:2#viewer@user:x"])
    limited = world.engine.streams.snapshot("", RelationshipFilter(), page_max=1, limit=1)
    assert [len(page.relationships) for page in limited] == [1]


def test_it_ends_with_a_reason_where_too_much_came_later(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path, Limits(undone_max=2))
    world.schema(SCHEMA)
    token = world.write("doc:1#viewer@user:x").token
    for _ in range(2):
        world.write("doc:2#viewer@user:x")
    assert len(list(world.engine.streams.snapshot("", RelationshipFilter(), at_exactly=token))) == 1
    world.write("doc:2#viewer@user:x")
    with pytest.raises(StepBudgetSpent) as raised:
        list(world.engine.streams.snapshot("", RelationshipFilter(), at_exactly=token))
    assert raised.value.metadata["name"] == "undone_max"


def test_it_is_read_by_the_schema_of_its_revision(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    token = world.write("doc:1#editor@user:x").token
    world.write("delete doc:1#editor@user:x")
    world.schema(SCHEMA.replace("relation editor: user", ""))
    editors = RelationshipFilter(resource_type="doc", relation="editor")
    (page,) = world.engine.streams.snapshot("", editors, at_exactly=token)
    assert [format_relationship(each) for each in page.relationships] == ["doc:1#editor@user:x"]
    with pytest.raises(UnknownRelation):
        list(world.engine.streams.snapshot("", editors))
    with pytest.raises(UnknownType):
        list(world.engine.streams.snapshot("", RelationshipFilter(resource_type="nope")))


def test_a_token_of_another_store_and_a_cursor_of_another_filter_are_refused(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    world.write("doc:1#viewer@user:x", "doc:2#viewer@user:x")
    other = world.engine.stores.create("other").token
    with pytest.raises(ForeignToken):
        list(world.engine.streams.snapshot("", RelationshipFilter(), at_exactly=other))
    page = next(world.engine.streams.snapshot("", RelationshipFilter(), page_max=1))
    cursor = page.cursor_of(page.relationships[0])
    with pytest.raises(InvalidCursor):
        list(world.engine.streams.snapshot("", RelationshipFilter(resource_type="doc"), cursor=cursor))
