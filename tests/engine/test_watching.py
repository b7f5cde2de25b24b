"""A watch tells each revision once, whole and in order; replayed, it is the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.engine import watching
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.watching import Watch, Watched
from remit.errors import (
    ForeignToken,
    FutureToken,
    InvalidToken,
    LimitExceeded,
    RevisionGone,
    StoreNotFound,
)
from remit.interrupt import Interrupt, TooHeavy, never_interrupted
from remit.model import Operation, Relationship, RelationshipFilter, RelationshipKey, Update
from remit.notation import parse_relationship
from remit.store.memory import MemoryStore
from tests.support.engines import EngineOfTest, EngineOpener

Held = dict[RelationshipKey, Relationship]


def schema(number: int = 1) -> str:
    return f"definition user {{}}\ndefinition doc {{ relation viewer: user\nrelation owner: user }}\n// {number}"


def itself(watched: Watched) -> Watched:
    return watched


def watch(engine: Engine, after: str = "", *filters: RelationshipFilter) -> Watch[Watched]:
    return engine.streams.watch("", itself, after=after, filters=filters)


def everything(watched: Watch[Watched]) -> Iterator[Watched]:
    """All there is to tell now, as a server takes it."""
    while watched.is_behind:
        yield from watched.catch_up() if (live := watched.live()) is None else live


class Copy:
    """What one who watches makes of it."""

    def __init__(self, filters: tuple[RelationshipFilter, ...], held: Held) -> None:
        self.filters = filters
        self.held = held
        self.revision = 0  # of the last whole revision
        self.token = ""
        self.pending: list[Watched] = []

    def take(self, told: Watched) -> None:
        assert told.revision > self.revision, "each revision once, and in order"
        assert not self.pending or self.pending[-1].revision == told.revision, "pieces of a revision stay together"
        assert all(self.means(change.key) for change in told.changes)
        self.pending.append(told)
        if not told.token:
            assert told.schema_text is None
            return
        for piece in self.pending:
            assert (piece.committed_at_us, piece.principal) == (told.committed_at_us, told.principal)
            for change in piece.changes:
                if change.after is None:
                    del self.held[change.key]
                else:
                    self.held[change.key] = change.after.relationship
        self.pending, self.revision, self.token = [], told.revision, told.token

    def broken_off(self) -> None:
        """A connection is lost: what was not whole is forgotten."""
        self.pending = []

    def means(self, key: RelationshipKey) -> bool:
        return not self.filters or any(each.matches(key) for each in self.filters)


def meant(engine: Engine, filters: tuple[RelationshipFilter, ...]) -> Held:
    with engine._store.read("default") as view:
        all_of = {stored.relationship.key: stored.relationship for stored in view.scan(RelationshipFilter())}
    return {key: each for key, each in all_of.items() if not filters or any(one.matches(key) for one in filters)}


# --- the law ----------------------------------------------------------------------------------------------------

numbers = st.integers(0, 5)
facts = st.builds(
    lambda number, relation, name: parse_relationship(f"doc:d{number}#{relation}@user:{name}"),
    numbers,
    st.sampled_from(["viewer", "owner"]),
    st.sampled_from(["ann", "ben", "carl"]),
)
writes = st.lists(
    st.builds(Update, st.sampled_from([Operation.TOUCH, Operation.DELETE]), facts),
    min_size=1,
    max_size=8,
    unique_by=lambda update: update.relationship.key,
)
filter_sets = st.sampled_from(
    [
        (),
        (RelationshipFilter(resource_type="doc"),),
        (RelationshipFilter(relation="owner"),),
        (RelationshipFilter(resource_id_prefix="d1"), RelationshipFilter(subject_id="ben")),
        (RelationshipFilter(resource_type="nothing"),),
    ]
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), writes),
        st.tuples(st.just("schema"), numbers),
        st.tuples(st.just("open"), filter_sets),
        st.tuples(st.just("take"), st.integers(0, 9)),
        st.tuples(st.just("break"), st.integers(0, 9)),
    ),
    max_size=25,
)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=steps, step_bytes=st.sampled_from([1, 200, 64 * 1024]), live_max=st.sampled_from([0, 3, 100]))
def test_what_is_told_replayed_is_what_the_filters_mean_of_the_store(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, Any]], step_bytes: int, live_max: int
) -> None:
    """However small the steps, however short the memory, wherever it is broken off and gone on with."""
    monkeypatch.setattr(watching, "STEP_BYTES", step_bytes)
    monkeypatch.setattr(watching, "LIVE_CHANGES_MAX", live_max)
    monkeypatch.setattr(watching, "RECENT_REVISIONS_MAX", 3)
    clock = ManualClock(1)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", schema())
    watches: list[tuple[Watch[Watched], Copy]] = []
    for kind, value in steps:
        if kind == "write":
            engine.relationships.write("", value)
        elif kind == "schema":
            engine.schemas.write("", schema(value))
        elif kind == "open":
            opened = watch(engine, "", *value)
            watches.append((opened, Copy(value, meant(engine, value))))
        elif watches:
            watched, copy = watches[value % len(watches)]
            told = watched.catch_up() if (live := watched.live()) is None else live
            for each in told:
                copy.take(each)
            if kind == "break":
                token = copy.token or watched.token
                watched.close()
                copy.broken_off()
                watches[value % len(watches)] = watch(engine, token, *copy.filters), copy
    for watched, copy in watches:
        for each in everything(watched):
            copy.take(each)
        assert not copy.pending
        assert copy.held == meant(engine, copy.filters)
        assert watched.token == engine.relationships.read("", RelationshipFilter()).token
        watched.close()
    assert not engine.streams._watches._recent, "nothing is kept for nobody"
    engine.close()


def test_watches_beside_concurrent_writers_miss_nothing(engine: EngineOfTest) -> None:
    engine.schema(schema())
    copies = [Copy(filters, {}) for filters in ((), (RelationshipFilter(resource_id_prefix="w1"),))]
    watches = [watch(engine.engine, "", *copy.filters) for copy in copies]

    def write(writer: int) -> None:
        for number in range(30):
            engine.write(
                f"doc:w{writer}-{number % 7}#viewer@user:u{number}", f"delete doc:w{writer}-0#viewer@user:u{number - 7}"
            )

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        for watched, copy in zip(watches, copies, strict=True):
            for told in watched.catch_up() if (live := watched.live()) is None else live:
                copy.take(told)
    for watched, copy in zip(watches, copies, strict=True):
        for told in everything(watched):
            copy.take(told)
        assert copy.held == meant(engine.engine, copy.filters)
        watched.close()
    assert copies[0].revision == 91


def test_a_watch_goes_on_in_another_process(open_engine: EngineOpener) -> None:
    engine = open_engine()
    if engine.kind == "memory":
        pytest.skip("memory ends with its process")
    engine.schema(schema())
    copy = Copy((), {})
    first = watch(engine.engine)
    for number in range(3):
        engine.write(f"doc:{number}#viewer@user:ann")
    for told in everything(first):
        copy.take(told)
    engine.write("doc:4#viewer@user:ann")
    engine.reopen()
    engine.write("delete doc:0#viewer@user:ann")
    for told in everything(watch(engine.engine, copy.token)):
        copy.take(told)
    assert copy.held == meant(engine.engine, ())


# --- what is told -----------------------------------------------------------------------------------------------


def test_a_watch_tells_who_wrote_when_and_why_and_the_schema(engine: EngineOfTest) -> None:
    engine.schema(schema())
    told = watch(engine.engine)
    engine.clock.advance_us(5)
    update = Update(Operation.TOUCH, parse_relationship("doc:a#viewer@user:ann"))
    engine.engine.relationships.write("", [update], metadata_json='{"why":"because"}')
    token = engine.schema(schema(2))
    written, changed = everything(told)
    assert (written.principal, written.committed_at_us) == ("local", engine.clock.now_us())
    assert written.metadata_json == '{"why":"because"}'
    assert [change.key for change in written.changes] == [update.relationship.key]
    assert written.schema_text is None
    assert (changed.schema_text, changed.changes, changed.token) == (schema(2), (), token)


def test_a_change_of_schema_is_told_whatever_the_filters(engine: EngineOfTest) -> None:
    engine.schema(schema())
    told = watch(engine.engine, "", RelationshipFilter(resource_type="nothing"))
    engine.write("doc:a#viewer@user:ann")
    engine.schema(schema(2))
    assert [each.schema_text for each in everything(told)] == [schema(2)]


def test_a_revision_that_changed_nothing_is_passed_over(engine: EngineOfTest) -> None:
    engine.schema(schema())
    told = watch(engine.engine)
    token = engine.write("delete doc:a#viewer@user:nobody").token
    assert list(everything(told)) == []
    assert told.token == token


def test_a_removed_relationship_is_told_as_it_was(engine: EngineOfTest) -> None:
    engine.schema("use expiration\ndefinition user {}\ndefinition doc { relation viewer: user with expiration }")
    engine.write("doc:a#viewer@user:ann[expiration:2099-01-01T00:00:00Z]")
    told = watch(engine.engine)
    engine.write("delete doc:a#viewer@user:ann")
    ((change,),) = (each.changes for each in everything(told))
    assert change.after is None and change.before is not None
    assert change.before.relationship.qualifiers.expiration_us is not None


def test_a_revision_of_many_changes_comes_in_pieces_of_bounded_size(engine: EngineOfTest) -> None:
    engine.schema(schema())
    for batch in range(5):
        lines = [f"doc:{'x' * 900}-{batch}-{number}#viewer@user:ann" for number in range(200)]
        engine.engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(line)) for line in lines])
    told = watch(engine.engine)
    engine.engine.relationships.delete("", RelationshipFilter(resource_type="doc"))
    engine.write("doc:a#viewer@user:ann")
    *pieces, last, small = everything(told)
    assert len(pieces) > 10
    assert [bool(each.token) for each in (*pieces, last, small)] == [False] * len(pieces) + [True, True]
    assert {each.revision for each in (*pieces, last)} == {small.revision - 1}
    assert sum(len(each.changes) for each in (*pieces, last)) == 1_000
    for each in pieces:
        size = sum(watching.size_bytes(change.before.relationship) for change in each.changes if change.before)
        assert size < 2 * watching.STEP_BYTES


def test_what_watches_with_the_same_filters_are_told_is_made_once(engine: EngineOfTest) -> None:
    engine.schema(schema())
    made: list[int] = []

    def make(watched: Watched) -> int:
        made.append(watched.revision)
        return watched.revision

    filters = [RelationshipFilter(relation="viewer")]
    watches = [engine.engine.streams.watch("", make, filters=filters) for _ in range(10)]
    revision = engine.write("doc:a#viewer@user:ann").revision
    assert [each.live() for each in watches] == [[revision]] * 10
    assert made == [revision]
    for each in watches:
        each.close()


# --- where it may begin -----------------------------------------------------------------------------------------


def test_a_watch_begins_where_it_can_be_answered_for(open_engine: EngineOpener) -> None:
    engine, other = open_engine(), open_engine()
    engine.schema(schema())
    other.schema(schema())
    token = engine.write("doc:a#viewer@user:ann").token
    refused: list[tuple[str, type[Exception]]] = [("r1.nonsense", InvalidToken), (token, ForeignToken)]
    for text, error in refused:
        with pytest.raises(error) as caught:
            watch(other.engine, text)
        assert caught.value.field == "after"  # type: ignore[attr-defined]
    with pytest.raises(StoreNotFound):
        engine.engine.streams.watch("elsewhere", itself)
    with pytest.raises(LimitExceeded):
        watch(engine.engine, "", *[RelationshipFilter()] * 101)


def test_a_token_of_the_future_is_refused(engine: EngineOfTest) -> None:
    engine.schema(schema())
    from remit.engine.tokens import encode_token

    with pytest.raises(FutureToken):
        watch(engine.engine, encode_token(engine.engine.loaded.of("").identity, 99))


def test_a_watch_from_before_what_the_changelog_remembers_is_gone() -> None:
    clock = ManualClock(1)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)

    def write(id: str) -> str:
        clock.advance_us(1)
        return engine.relationships.write(
            "", [Update(Operation.TOUCH, parse_relationship(f"doc:{id}#viewer@user:ann"))]
        ).token

    tokens = [engine.schemas.write("", schema()).token, *map(write, "abcd")]
    behind = watch(engine, tokens[0])
    behind.require_reachable()
    engine._store.trim("default", clock.now_us() - 1)  # all but `d`
    for watched in (behind, watch(engine, tokens[2])):
        for ask in (watched.require_reachable, watched.catch_up):
            with pytest.raises(RevisionGone, match="export, then watch from the export's token") as caught:
                ask()
            assert caught.value.field == "after"
    assert [each.token for each in everything(watch(engine, tokens[3]))] == [tokens[4]]
    engine._store.trim("default", clock.now_us())
    at_the_head = watch(engine, tokens[4])
    at_the_head.require_reachable()
    token = write("e")
    assert [each.token for each in everything(at_the_head)] == [token]
    engine.close()


def test_nothing_is_told_before_it_can_be_asked_about(engine: EngineOfTest) -> None:
    """The store knows of a revision a moment before memory does; a token told then would be of the future."""
    engine.schema(schema())
    told = watch(engine.engine)
    seen: list[list[Watched]] = []
    stores = engine.engine.loaded
    real: Callable[..., None] = stores._committed

    def committed(name: str, delta: Any) -> None:
        seen.append(told.catch_up())
        real(name, delta)
        seen.append(told.live() or told.catch_up())

    engine.store._listener = committed
    engine.write("doc:a#viewer@user:ann")
    assert [len(each) for each in seen] == [0, 1]


@settings(max_examples=60, deadline=None)
@given(looks=st.integers(0, 40), step_bytes=st.sampled_from([1, 500, 64 * 1024]), filters=st.integers(0, 2))
def test_a_step_that_turns_out_to_be_heavy_leaves_no_trace(looks: int, step_bytes: int, filters: int) -> None:
    clock = ManualClock(1)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", schema())
    token = engine.schemas.read("").token
    for size in (1, 30, 2, 20):
        facts = [parse_relationship(f"doc:{size}_{number}#viewer@user:u") for number in range(size)]
        engine.relationships.write("", [Update(Operation.TOUCH, fact) for fact in facts])
    meant = [RelationshipFilter(resource_type="doc"), RelationshipFilter(relation="owner")][:filters]
    left = looks

    def interrupt() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise TooHeavy

    def told_by(watched: Watch[Watched], interrupt: Interrupt) -> list[Watched]:
        told: list[Watched] = []
        while watched.is_behind:
            with suppress(TooHeavy):
                told += watched.catch_up(interrupt)
        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "STEP_BYTES", step_bytes)
        plain = told_by(watch(engine, token, *meant), never_interrupted)
        assert told_by(watch(engine, token, *meant), interrupt) == plain
    engine.close()


# --- notifications -----------------------------------------------------------------------------------------------


def test_each_commit_rings_once_it_can_be_asked_about_until_it_is_ended(engine: EngineOfTest) -> None:
    rung: list[tuple[str, int]] = []
    end = engine.engine.streams.on_change(lambda name: rung.append((name, engine.engine.loaded.of(name).revision)))
    engine.schema(schema())
    engine.write("doc:a#viewer@user:ann")
    end()
    engine.write("doc:b#viewer@user:ann")
    assert rung == [("default", 1), ("default", 2)]
