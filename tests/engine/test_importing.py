"""An import writes its messages in order, and none after one that was refused, wherever it is refused; an export gives
everything once, in pages that stand on their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.engine import streams as streams_module
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.importing import Backlog
from remit.engine.limits import Limits
from remit.errors import (
    Cancelled,
    ForeignToken,
    InvalidArgument,
    InvalidCursor,
    LimitExceeded,
    ManagedRefused,
    RelationshipRefused,
    SingleTaken,
    StoreNotFound,
    StoreUnavailable,
    UnknownType,
)
from remit.model import Delta, Operation, Relationship, RelationshipFilter, Update
from remit.notation import format_relationship, parse_relationship
from remit.store.memory import MemoryStore, MemoryTransaction
from tests.support.engines import STRANGER, EngineOfTest, EngineOpener

SCHEMA = """use expiration
use delegation
definition user {}
definition doc {
    relation viewer: user | user with expiration
    single relation owner: user
    managed relation hold: user
}"""


def facts(*lines: str) -> list[Relationship]:
    return [parse_relationship(line) for line in lines]


class Held:
    """Keeps the writer's thread busy until it is let go, so that what is queued meanwhile is one batch."""

    def __init__(self, engine: Engine) -> None:
        begun, self._gate = threading.Event(), threading.Event()

        def admission(_: object) -> Any:
            begun.set()
            assert self._gate.wait(30), "nobody let it go"
            raise InvalidArgument("only to take time")

        self._future = engine._store.submit("default", admission)
        assert begun.wait(30)

    def let_go(self) -> None:
        self._gate.set()
        assert self._future.exception(30) is not None


# --- import -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(bad_at=st.one_of(st.none(), st.integers(0, 5)), held=st.sampled_from([0, 1, 3, 6]))
def test_messages_are_revisions_in_order_up_to_the_first_that_is_refused(bad_at: int | None, held: int) -> None:
    """Whether they meet in one batch of the writer or not."""
    clock = ManualClock(1)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    importing = engine.streams.import_("")
    holding = Held(engine) if held else None
    futures: list[Future[Delta]] = []
    for number in range(6):
        bad = ["doc:a#nothing@user:u"] if number == bad_at else []
        futures.append(importing.take(facts(*bad, f"doc:d#viewer@user:u{number}", f"doc:d{number}#viewer@user:u")))
        if number + 1 == held and holding is not None:
            holding.let_go()
    failures = [future.exception(30) for future in futures]
    good = 6 if bad_at is None else bad_at
    assert failures[:good] == [None] * good
    assert [future.result().revision for future in futures[:good]] == list(range(2, 2 + good))
    if bad_at is not None:
        refusal = failures[bad_at]
        assert isinstance(refusal, RelationshipRefused)
        assert refusal.field == "relationships[0]"
        assert all(isinstance(failure, Cancelled) for failure in failures[bad_at + 1 :])
    written = {
        format_relationship(stored.relationship) for stored in engine.relationships.read("", RelationshipFilter()).items
    }
    assert written == {line for n in range(good) for line in (f"doc:d#viewer@user:u{n}", f"doc:d{n}#viewer@user:u")}
    engine.close()


def test_nothing_is_written_after_a_message_whose_commit_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(1)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    importing = engine.streams.import_("")
    commit = MemoryTransaction.commit

    def failing(transaction: MemoryTransaction) -> None:
        if transaction._parent is None:
            raise OSError("the disk is on fire")
        commit(transaction)

    with monkeypatch.context() as burning:
        burning.setattr(MemoryTransaction, "commit", failing)
        failed = importing.take(facts("doc:a#viewer@user:u"))
        assert isinstance(failed.exception(30), StoreUnavailable)
    assert isinstance(importing.take(facts("doc:b#viewer@user:u")).exception(30), Cancelled)
    assert engine.relationships.read("", RelationshipFilter()).items == ()
    engine.close()


def test_nothing_is_written_after_a_message_that_was_taken_back(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    importing = engine.engine.streams.import_("")
    holding = Held(engine.engine)
    first, second = importing.take(facts("doc:a#viewer@user:u")), importing.take(facts("doc:b#viewer@user:u"))
    assert first.cancel()
    holding.let_go()
    assert isinstance(second.exception(30), Cancelled)
    with pytest.raises(CancelledError):
        first.result()
    assert engine.facts() == []


def test_an_import_may_be_repeated_and_is_told_as_written_by_its_caller(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    for _ in range(2):
        importing = engine.engine.streams.import_("", caller=STRANGER)
        delta = importing.take(facts("doc:a#viewer@user:u", "doc:a#owner@user:u")).result(30)
        assert importing.token_of(delta) == engine.engine.relationships.read("", RelationshipFilter()).token
    assert {stored.provenance.principal for stored in engine.stored()} == {"stranger"}
    assert engine.facts() == ["doc:a#owner@user:u", "doc:a#viewer@user:u"]


def test_an_import_keeps_every_rule_of_a_write(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    refused: list[tuple[list[str], type[Exception], str]] = [
        (["doc:a#viewer@user:u", "doc:a#hold@user:u"], ManagedRefused, "relationships[1]"),
        (["doc:a#owner@user:u", "doc:a#owner@user:v"], SingleTaken, "relationships[0]"),
        (["nothing:a#owner@user:u"], UnknownType, "relationships[0]"),
    ]
    for lines, error, field in refused:
        failure = engine.engine.streams.import_("", caller=STRANGER).take(facts(*lines)).exception(30)
        assert isinstance(failure, error)
        assert failure.field == field  # type: ignore[attr-defined]
    twice = ["doc:a#viewer@user:u", "doc:a#viewer@user:u[expiration:2099-01-01T00:00:00Z]"]
    many = [f"doc:{number}#viewer@user:u" for number in range(1_001)]
    for lines, error in [([], InvalidArgument), (twice, InvalidArgument), (many, LimitExceeded)]:
        with pytest.raises(error) as caught:
            engine.engine.streams.import_("").take(facts(*lines))
        assert caught.value.field.startswith("relationships")  # type: ignore[attr-defined]
    with pytest.raises(StoreNotFound):
        engine.engine.streams.import_("elsewhere")
    assert engine.facts() == []
    managed = engine.engine.streams.import_("").take(facts("doc:a#hold@user:u")).result(30)
    assert managed.managed_bypass


def test_a_long_import_keeps_nothing_of_what_is_written(engine: EngineOfTest) -> None:
    """Each message knows the one before it only as long as that is not settled."""
    engine.schema(SCHEMA)
    importing = engine.engine.streams.import_("")
    for number in range(50):
        importing.take(facts(f"doc:{number}#viewer@user:u")).result(30)
    message, depth = importing._last, 0
    while message is not None:
        message, depth = message._before, depth + 1
    assert depth <= 2


# --- export -----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 25), page_max=st.integers(1, 7), stop_after=st.integers(0, 9))
def test_an_export_gives_everything_once_however_it_is_cut_and_gone_on_with(
    count: int, page_max: int, stop_after: int
) -> None:
    clock = ManualClock(1)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock, Limits(page_max=page_max))
    engine.schemas.write("", SCHEMA)
    lines = [f"doc:{number:02}#viewer@user:u" for number in range(count)]
    engine.relationships.write("", [Update(Operation.TOUCH, each) for each in facts(*lines, "doc:z#owner@user:u")])
    filter = RelationshipFilter(relation="viewer")
    first = list(zip(range(stop_after + 1), engine.streams.export("", filter), strict=False))
    rest = list(engine.streams.export("", filter, cursor=first[-1][1].cursor, at_least=first[0][1].token))
    pages = [page for _, page in first] + rest
    given_ = [format_relationship(each) for page in pages for each in page.relationships]
    assert given_ == lines
    assert all(len(page.relationships) <= page_max for page in pages)
    assert len({page.token for page in pages}) == 1
    engine.close()


def test_what_is_written_during_an_export_is_told_by_a_watch_from_its_token(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    engine.write(*[f"doc:{number:04}#viewer@user:u" for number in range(0, 1_000, 2)])
    engine.write(*[f"doc:{number:04}#viewer@user:u" for number in range(1_000, 2_000)])
    held: dict[str, Relationship] = {}
    for page in engine.engine.streams.export("", RelationshipFilter()):
        held.update({str(each.key): each for each in page.relationships})
        engine.write("delete doc:0000#viewer@user:u", "doc:0001#viewer@user:u", "delete doc:1999#viewer@user:u")
        engine.write("doc:1998#viewer@user:u[expiration:2099-01-01T00:00:00Z]")
    watched = engine.engine.streams.watch("", lambda told: told, after=page.token)
    while watched.is_behind:
        for told in watched.catch_up():
            for change in told.changes:
                if change.after is None:
                    held.pop(str(change.key), None)
                else:
                    held[str(change.key)] = change.after.relationship
    assert sorted(map(format_relationship, held.values())) == sorted(engine.facts())


def test_pages_are_bounded_in_bytes_too(engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "PAGE_BYTES", 5_000)
    engine.schema(SCHEMA)
    engine.write(*[f"doc:{'x' * 900}{number}#viewer@user:u" for number in range(20)])
    pages = list(engine.engine.streams.export("", RelationshipFilter()))
    assert [len(page.relationships) for page in pages] == [6, 6, 6, 2]


def test_an_empty_export_is_one_page_with_a_token(engine: EngineOfTest) -> None:
    token = engine.schema(SCHEMA)
    (page,) = engine.engine.streams.export("", RelationshipFilter())
    assert (page.relationships, page.cursor, page.token) == ((), "", token)


def test_what_has_expired_is_left_out_of_an_export(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    engine.write("doc:a#viewer@user:u[expiration:2099-01-01T00:00:00Z]", "doc:b#viewer@user:u")
    engine.clock.advance_us(100 * 365 * 24 * 3600 * 1_000_000)
    (page,) = engine.engine.streams.export("", RelationshipFilter())
    assert [each.resource.id for each in page.relationships] == ["b"]


def test_an_export_refuses_what_is_not_its_own(open_engine: EngineOpener) -> None:
    engine, other = open_engine(), open_engine()
    token = engine.schema(SCHEMA)
    other.schema(SCHEMA)
    other.write("doc:a#viewer@user:u")
    (page,) = other.engine.streams.export("", RelationshipFilter(resource_type="doc"))

    def exported(one: EngineOfTest, filter: RelationshipFilter | None = None, **options: str) -> Iterator[object]:
        return one.engine.streams.export("", filter or RelationshipFilter(), **options)

    for pages, error in [
        (exported(other, cursor=page.cursor), InvalidCursor),
        (exported(other, at_least=token), ForeignToken),
        (exported(other, RelationshipFilter(resource_type="nothing")), UnknownType),
        (engine.engine.streams.export("elsewhere", RelationshipFilter()), StoreNotFound),
    ]:
        with pytest.raises(error):
            next(pages)


def test_an_export_notices_that_its_store_was_made_anew() -> None:
    clock = ManualClock(1)
    store = MemoryStore(clock_us=clock.now_us)
    engine = Engine(store, clock, Limits(page_max=1))
    engine.schemas.write("", SCHEMA)
    engine.relationships.write(
        "", [Update(Operation.TOUCH, each) for each in facts("doc:a#viewer@user:u", "doc:b#viewer@user:u")]
    )
    pages = engine.streams.export("", RelationshipFilter())
    next(pages)
    store.delete("default")
    store.create("default")
    with pytest.raises(StoreNotFound):
        next(pages)
    engine.close()


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["ask", "ask", "leave it", "read", "fail to read", "never read", "write", "fail"]),
            st.integers(0, 9),
        ),
        max_size=60,
    )
)
def test_no_more_is_read_than_there_is_room_for_and_whatever_becomes_of_it_gives_it_back(
    steps: list[tuple[str, int]],
) -> None:
    """Against the plain meaning: two rooms, given to the oldest of the client whose turn it is."""
    backlog, given_ = Backlog(2), list[Future[None]]()
    waiting: list[tuple[str, list[Future[None]]]] = []  # clients in their order
    reading: list[Future[Delta]] = []

    def left() -> None:
        if waiting:
            client, rooms = waiting.pop(0)
            given_.append(rooms.pop(0))
            waiting.extend([(client, rooms)] if rooms else [])

    for step, number in steps:
        if step == "ask":
            client = "abc"[number % 3]
            room = backlog.room(client)
            if len(given_) + len(reading) < 2:
                given_.append(room)
            elif client in dict(waiting):
                dict(waiting)[client].append(room)
            else:
                waiting.append((client, [room]))
        elif step == "leave it" and waiting:
            client, rooms = waiting[number % len(waiting)]
            assert rooms.pop(number % len(rooms)).cancel()
            waiting = [each for each in waiting if each[1]]
        elif step in ("read", "fail to read", "never read") and given_:
            assert not given_.pop(0).cancel(), "what was given is given back by whoever has it"
            step_done: Future[Future[Delta]] = Future()
            backlog.leave_after(step_done)
            if step == "read":
                reading.append(Future())
                step_done.set_result(reading[-1])
            else:
                if step == "never read":
                    assert step_done.cancel()
                else:
                    step_done.set_exception(Cancelled("it cannot be read"))
                left()
        elif step in ("write", "fail") and reading:
            future = reading.pop(0)
            if step == "write":
                future.set_result(Delta(1, 1, "ann"))
            else:
                future.set_exception(Cancelled("the disk"))
            left()
        assert all(room.done() for room in given_)
        assert not any(room.done() for _, rooms in waiting for room in rooms)
    for _, rooms in waiting:
        assert all(room.cancel() for room in rooms)
    for _ in range(len(given_) + len(reading)):
        backlog.leave()
    assert [backlog.room("a").done() for _ in range(3)] == [True, True, False]


def test_rooms_that_are_given_and_given_up_by_many_threads_are_all_there_in_the_end() -> None:
    backlog = Backlog(2)

    def work(client: str) -> None:
        for number in range(200):
            room = backlog.room(client)
            if number % 3 == 0 and room.cancel():
                continue
            room.result(30)
            backlog.leave()

    threads = [threading.Thread(target=work, args=(f"client-{number % 3}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [backlog.room("ann").done() for _ in range(3)] == [True, True, False]
    assert list(backlog._waiting) == ["ann"]
