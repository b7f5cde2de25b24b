"""Laws: the pages of a list at one revision are together what was there at its revision, in a scan's order, whatever is
written meanwhile and wherever a cursor goes on; and beyond its bounds it ends with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.engine import past_rows, streams
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, SPICEDB_WIRE, Limits
from remit.errors import ForeignToken, InvalidCursor, Overloaded, StepBudgetSpent, UnknownRelation, UnknownType
from remit.eval import budget
from remit.interrupt import TooHeavy
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
    pages = world.engine.streams.read_revision("", filter, at_exactly=token, page_max=page_max)
    while (page := next(pages, None)) is not None:
        assert page.token == token
        found += [format_relationship(each) for each in page.relationships]
        world.write(*unique(next(writes, [])), wire=SPICEDB_WIRE)
        if resume and page.relationships:
            cursor = page.cursor_of(page.relationships[-1])
            pages = world.engine.streams.read_revision("", filter, at_exactly=token, page_max=page_max, cursor=cursor)
    assert found == wanted
    world.engine.close()


def test_without_a_token_it_is_the_head_as_it_is_when_it_begins(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    written = world.write("doc:1#viewer@user:x", "doc:2#viewer@user:x")
    pages = world.engine.streams.read_revision("", RelationshipFilter(), page_max=1)
    first = next(pages)
    world.write("delete doc:2#viewer@user:x", "doc:3#viewer@user:x")
    rest = [format_relationship(each) for page in pages for each in page.relationships]
    assert (first.token, rest) == (written.token, ["doc:2#viewer@user:x"])
    limited = world.engine.streams.read_revision("", RelationshipFilter(), page_max=1, limit=1)
    assert [len(page.relationships) for page in limited] == [1]


def test_it_ends_with_a_reason_where_too_much_came_later(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path, Limits(undone_max=2))
    world.schema(SCHEMA)
    token = world.write("doc:1#viewer@user:x").token
    for _ in range(2):
        world.write("doc:2#viewer@user:x")
    assert len(list(world.engine.streams.read_revision("", RelationshipFilter(), at_exactly=token))) == 1
    world.write("doc:2#viewer@user:x")
    with pytest.raises(StepBudgetSpent) as raised:
        list(world.engine.streams.read_revision("", RelationshipFilter(), at_exactly=token))
    assert raised.value.metadata["name"] == "undone_max"


def test_it_is_read_by_the_schema_of_its_revision(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    token = world.write("doc:1#editor@user:x").token
    world.write("delete doc:1#editor@user:x")
    world.schema(SCHEMA.replace("relation editor: user", ""))
    editors = RelationshipFilter(resource_type="doc", relation="editor")
    (page,) = world.engine.streams.read_revision("", editors, at_exactly=token)
    assert [format_relationship(each) for each in page.relationships] == ["doc:1#editor@user:x"]
    with pytest.raises(UnknownRelation):
        list(world.engine.streams.read_revision("", editors))
    with pytest.raises(UnknownType):
        list(world.engine.streams.read_revision("", RelationshipFilter(resource_type="nope")))


def test_a_token_of_another_store_and_a_cursor_of_another_filter_are_refused(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    world.write("doc:1#viewer@user:x", "doc:2#viewer@user:x")
    other = world.engine.stores.create("other").token
    with pytest.raises(ForeignToken):
        list(world.engine.streams.read_revision("", RelationshipFilter(), at_exactly=other))
    page = next(world.engine.streams.read_revision("", RelationshipFilter(), page_max=1))
    cursor = page.cursor_of(page.relationships[0])
    with pytest.raises(InvalidCursor):
        list(world.engine.streams.read_revision("", RelationshipFilter(resource_type="doc"), cursor=cursor))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    before=st.lists(st.sampled_from(LINES), max_size=12, unique=True),
    after=st.lists(WRITES, max_size=3),
    interrupted=st.sets(st.integers(0, 40)),
    page_max=st.integers(1, 5),
)
def test_a_page_whose_reading_was_ended_is_read_again(
    tmp_path: Path, before: list[str], after: list[list[str]], interrupted: set[int], page_max: int
) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    token = world.write(*before, wire=SPICEDB_WIRE).token
    wanted = world.facts(RelationshipFilter())
    for lines in after:
        world.write(*unique(lines), wire=SPICEDB_WIRE)
    looks, remembered = count(), 0

    def interrupt() -> None:
        if next(looks) in interrupted:
            raise TooHeavy

    def remember(size: int) -> None:
        nonlocal remembered
        remembered += size

    how: Any = {"at_exactly": token, "page_max": page_max}
    pages = world.engine.streams.read_revision("", RelationshipFilter(), **how, interrupt=interrupt, remember=remember)
    found: list[str] = []
    with unpaced():
        while True:
            with suppress(TooHeavy):
                if (page := pages.peek()) is None:
                    break
                interrupt()  # as whatever is made of it may be ended
                found += [format_relationship(each) for each in page.relationships]
                next(pages)
    assert found == wanted
    once = remembered
    remembered = 0
    list(world.engine.streams.read_revision("", RelationshipFilter(), **how, remember=remember))
    assert once == remembered, "nothing is counted twice"
    world.engine.close()


@contextmanager
def unpaced() -> Iterator[None]:
    """Looks after whoever waits at every row."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(past_rows, "ROWS_BETWEEN_INTERRUPTS", 1)
        patch.setattr(budget, "_STEPS_BETWEEN_INTERRUPTS", 1)
        yield


def test_what_was_there_is_put_in_order_once_and_not_for_each_page(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    lines = [f"doc:{number:04}#viewer@user:x" for number in range(1_000)]
    token = world.write(*lines).token
    world.write(*(f"delete {line}" for line in lines))
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1

    pages = world.engine.streams.read_revision("", RelationshipFilter(), at_exactly=token, page_max=1, interrupt=look)
    next(pages)
    at_first, looks = looks, 0
    for _ in range(20):
        next(pages)
    assert at_first >= 1_000 / ROWS_BETWEEN_INTERRUPTS > looks


def test_what_has_ended_is_passed_in_steps_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema("use expiration\ndefinition user {}\ndefinition doc { relation viewer: user with expiration | user }")
    over = [f"doc:{number:02}#viewer@user:x[expiration:2001-01-01T00:00:00Z]" for number in range(20)]
    world.write(*over, "doc:07#viewer@user:y", "doc:99#viewer@user:y")
    monkeypatch.setattr(streams, "LOOKED_AT_MAX", 4)
    pages = list(world.engine.streams.read_revision("", RelationshipFilter()))
    assert [len(page.relationships) for page in pages] == [0, 0, 1, 0, 0, 1]


def test_it_ends_where_whoever_counts_what_it_remembers_says_so(tmp_path: Path) -> None:
    world = EngineOfTest("memory", tmp_path)
    world.schema(SCHEMA)
    token = world.write("doc:1#viewer@user:x").token
    world.write("delete doc:1#viewer@user:x")

    def refuse(size: int) -> None:
        raise Overloaded(f"{size} bytes are too many", name="x", limit=1, given=2)

    with pytest.raises(Overloaded):
        list(world.engine.streams.read_revision("", RelationshipFilter(), at_exactly=token, remember=refuse))
