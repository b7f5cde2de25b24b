"""Upkeep: what is long past goes, what can still be asked about stays, and no answer changes."""

from __future__ import annotations

import contextlib
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.engine.upkeep import DAY_US, SWEEP_MAX, Housekeeper
from remit.engine.watching import Watched
from remit.errors import RevisionGone, StoreFull, StoreNotFound
from remit.model import ObjectRef, Operation, RelationshipFilter, RelationshipKey, SubjectRef, Update, Verdict
from remit.notation import format_time, parse_relationship
from remit.store.port import Admission, Draft, WriteTransaction
from tests.support.engines import EngineOfTest, EngineOpener, update
from tests.support.small_worlds import NOW_US

SCHEMA = """
use expiration
definition user {}
definition doc {
    relation viewer: user | user with expiration
    permission view = viewer
}
"""
HOUR_US = DAY_US // 24


def expiring(id: str, at_us: int) -> str:
    return f"doc:{id}#viewer@user:anne[expiration:{format_time(at_us)}]"


@pytest.fixture
def written(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write("doc:kept#viewer@user:anne", expiring("soon", NOW_US + HOUR_US), expiring("late", NOW_US + 9 * DAY_US))
    return engine


def rows(engine: EngineOfTest) -> list[str]:
    """Everything that is stored, expired or not."""
    with engine.store.read("default") as view:
        return [str(stored.relationship.key) for stored in view.scan(RelationshipFilter())]


def oldest(engine: EngineOfTest) -> int:
    with engine.store.read("default") as view:
        return view.head.oldest_revision


# --- sweeping ---------------------------------------------------------------------------------------------------


def test_what_is_over_for_longer_than_the_window_is_swept_and_nothing_else(written: EngineOfTest) -> None:
    written.clock.advance_us(HOUR_US + DAY_US - 1)
    written.engine.upkeep()
    assert len(rows(written)) == 3
    written.clock.advance_us(1)
    written.engine.upkeep()
    assert rows(written) == ["doc:kept#viewer@user:anne", "doc:late#viewer@user:anne"]
    assert len(written.graph()) == 2


def test_a_sweep_is_a_revision_by_remit_that_says_what_it_is(written: EngineOfTest) -> None:
    watch = written.engine.streams.watch("", _told)
    written.clock.advance_us(2 * DAY_US)
    written.engine.upkeep()
    (told,) = watch.catch_up()
    assert (told.principal, told.metadata_json) == ("remit", '{"sweep":true}')
    assert [(str(change.key), change.after) for change in told.changes] == [("doc:soon#viewer@user:anne", None)]
    watch.close()


def _told(watched: Watched) -> Watched:
    return watched


def test_nothing_to_sweep_is_no_revision(written: EngineOfTest) -> None:
    before = written.engine.stores.info("").token
    written.engine.upkeep()
    written.clock.advance_us(2 * HOUR_US)
    written.engine.upkeep()
    assert written.engine.stores.info("").token == before


def test_a_sweep_is_of_a_thousand_at_most(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    for start in (0, 1000):
        engine.write(*(expiring(f"{number:04}", NOW_US + 1) for number in range(start, start + 1000)))
    engine.write(expiring("9999", NOW_US + 1))
    first = engine.engine.relationships.write("", [update("doc:kept#viewer@user:anne")]).revision
    engine.clock.advance_us(2 * DAY_US)
    engine.engine.upkeep()
    assert rows(engine) == ["doc:kept#viewer@user:anne"]
    with engine.store.read("default") as view:
        sizes = [len(delta.changes) for delta in view.changelog(first)]
    assert sizes == [SWEEP_MAX, SWEEP_MAX, 1]


def test_what_was_written_anew_meanwhile_is_not_swept(written: EngineOfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists are made before the sweep is queued; a write overtakes it there."""
    submit = written.store.submit
    overtaking = [
        [Update(Operation.TOUCH, parse_relationship(expiring("soon", NOW_US + 9 * DAY_US)))],
        [Update(Operation.TOUCH, parse_relationship("doc:soon#viewer@user:anne"))],
        [Update(Operation.DELETE, parse_relationship("doc:soon#viewer@user:anne"))],
    ]
    written.clock.advance_us(2 * DAY_US)
    for updates in overtaking:
        written.write(expiring("soon", NOW_US + HOUR_US))

        def late(name: str, admission: Admission, *turn: object, updates: list[Update] = updates) -> object:
            monkeypatch.setattr(written.store, "submit", submit)
            written.engine.relationships.write("", updates)
            return submit(name, admission, *turn)  # type: ignore[arg-type]

        monkeypatch.setattr(written.store, "submit", late)
        written.engine.upkeep()
        is_there = updates[0].operation is not Operation.DELETE
        assert ("doc:soon#viewer@user:anne" in rows(written)) == is_there


def test_a_sweep_undoes_nothing_that_can_still_be_asked(written: EngineOfTest) -> None:
    """A past revision is asked with the clock of now: what is over then was over before the sweep."""
    questions = [f"doc:{id}#view@user:anne" for id in ("kept", "soon", "late")]
    written.clock.advance_us(DAY_US)
    token = written.write("doc:new#viewer@user:anne").token
    written.clock.advance_us(DAY_US - 1)
    before = [written.verdict(question, at_exactly=token) for question in questions]
    written.engine.upkeep()
    assert len(rows(written)) == 3
    assert [written.verdict(question, at_exactly=token) for question in questions] == before
    assert before == [Verdict.YES, Verdict.NO, Verdict.YES]


def test_expirations_are_known_again_after_a_restart(open_engine: EngineOpener) -> None:
    engine = open_engine()
    if engine.kind == "memory":
        pytest.skip("memory ends with its process")
    engine.schema(SCHEMA)
    engine.write(expiring("soon", NOW_US + 1), "doc:kept#viewer@user:anne")
    engine.reopen()
    engine.clock.advance_us(2 * DAY_US)
    engine.engine.upkeep()
    assert rows(engine) == ["doc:kept#viewer@user:anne"]


step = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("abc"), st.integers(-30, 60)),
    st.tuples(st.just("plain"), st.sampled_from("abc"), st.just(0)),
    st.tuples(st.just("delete"), st.sampled_from("abc"), st.just(0)),
    st.tuples(st.just("pass"), st.just(""), st.integers(1, 30)),
    st.tuples(st.just("upkeep"), st.just(""), st.just(0)),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(history=st.lists(step, max_size=14))
def test_upkeep_changes_no_answer_of_the_window(open_engine: EngineOpener, history: list[tuple[str, str, int]]) -> None:
    """A law: with and without upkeep, every revision of the window gives the same answers; older ones are gone."""
    kept, swept = open_engine(), open_engine()
    tokens: list[tuple[int, str, str]] = []  # when it was no longer the head, and its tokens there
    for each in (kept, swept):
        each.schema(SCHEMA)
    for word, id, hours in history:
        now_us = kept.clock.now_us()
        match word:
            case "write":
                line = expiring(id, now_us + hours * HOUR_US)
            case "plain":
                line = f"doc:{id}#viewer@user:anne"
            case "delete":
                line = f"delete doc:{id}#viewer@user:anne"
            case "pass":
                kept.clock.advance_us(hours * HOUR_US)
                swept.clock.advance_us(hours * HOUR_US)
                continue
            case _:
                swept.engine.upkeep()
                continue
        heads = kept.engine.stores.info("").token, swept.engine.stores.info("").token
        kept.write(line)
        swept.write(line)
        tokens.append((now_us, *heads))
    questions = [f"doc:{id}#view@user:anne" for id in "abc"]
    assert [kept.verdict(each) for each in questions] == [swept.verdict(each) for each in questions]
    for replaced_us, kept_token, swept_token in tokens:
        if replaced_us > kept.clock.now_us() - DAY_US:
            for each in questions:
                assert kept.verdict(each, at_exactly=kept_token) == swept.verdict(each, at_exactly=swept_token)
    for each in (kept, swept):
        each.check_laws()


# --- forgetting -------------------------------------------------------------------------------------------------


def test_what_was_the_head_within_the_window_can_be_asked_about_and_what_was_before_is_gone(
    engine: EngineOfTest,
) -> None:
    first = engine.schema(SCHEMA)
    engine.clock.advance_us(10)
    second = engine.write("doc:1#viewer@user:anne").token
    engine.clock.advance_us(DAY_US - 1)
    third = engine.write("doc:2#viewer@user:anne").token
    engine.engine.upkeep()  # the first was the head until a day ago, less a microsecond
    assert engine.verdict("doc:1#view@user:anne", at_exactly=first) is Verdict.NO
    engine.clock.advance_us(1)
    engine.engine.upkeep()
    with pytest.raises(RevisionGone) as gone:
        engine.verdict("doc:1#view@user:anne", at_exactly=first)
    assert gone.value.field == "consistency"
    assert engine.verdict("doc:1#view@user:anne", at_exactly=second) is Verdict.YES
    engine.clock.advance_us(9 * DAY_US)
    engine.engine.upkeep()
    assert engine.verdict("doc:2#view@user:anne", at_exactly=third) is Verdict.YES  # the head stays for ever
    assert oldest(engine) == 3


def test_a_watch_of_what_is_forgotten_says_so(engine: EngineOfTest) -> None:
    first = engine.schema(SCHEMA)
    open_before = engine.engine.streams.watch("", _told, after=first)
    engine.schema(SCHEMA + "definition more {}")  # which memory does not hold for those who watch
    engine.clock.advance_us(2 * DAY_US)
    engine.engine.upkeep()
    with (
        contextlib.closing(engine.engine.streams.watch("", _told, after=first)) as late,
        pytest.raises(RevisionGone) as gone,
    ):
        late.require_reachable()
    assert gone.value.field == "after"
    assert open_before.live() is None
    with pytest.raises(RevisionGone):
        open_before.catch_up()
    open_before.close()


def test_the_past_is_asked_under_its_own_schema_after_older_ones_are_forgotten(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    token = engine.write("doc:1#viewer@user:anne").token
    engine.clock.advance_us(DAY_US)
    engine.schema(SCHEMA.replace("permission view = viewer", "permission view = nil"))
    engine.engine.upkeep()
    assert oldest(engine) == 2
    assert engine.verdict("doc:1#view@user:anne", at_exactly=token) is Verdict.YES
    assert engine.verdict("doc:1#view@user:anne") is Verdict.NO


def test_no_window_at_all_keeps_the_head_only(open_engine: EngineOpener) -> None:
    engine = open_engine(retention_us=0)
    first = engine.schema(SCHEMA)
    engine.write("doc:1#viewer@user:anne", expiring("2", NOW_US))
    engine.engine.upkeep()
    engine.engine.upkeep()
    assert rows(engine) == ["doc:1#viewer@user:anne"]
    with pytest.raises(RevisionGone):
        engine.verdict("doc:1#view@user:anne", at_exactly=first)


def test_every_store_is_looked_after_and_one_that_fails_stops_no_other(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("another", "removed"):
        engine.engine.stores.create(name)
        engine.engine.schemas.write(name, SCHEMA)
    engine.schema(SCHEMA)
    engine.clock.advance_us(2 * DAY_US)
    trim = engine.store.trim

    def failing(name: str, until_us: int) -> int:
        if name == "another":
            raise StoreFull("no room")
        if name == "removed":
            raise StoreNotFound("gone")
        return trim(name, until_us)

    monkeypatch.setattr(engine.store, "trim", failing)
    with pytest.raises(StoreFull):
        engine.engine.upkeep()
    assert oldest(engine) == 1


# --- the housekeeper --------------------------------------------------------------------------------------------


def test_the_housekeeper_works_until_it_is_closed_whatever_fails() -> None:
    rounds = threading.Semaphore(0)
    failures = iter([StoreFull("no room"), StoreFull("no room"), ValueError("ours")])

    def work(interrupt: object) -> None:
        rounds.release()
        failure = next(failures, None)
        if failure is not None:
            raise failure

    housekeeper = Housekeeper(work, every_s=0.001)
    housekeeper.start()
    for _ in range(5):
        assert rounds.acquire(timeout=60)
    housekeeper.close()


def test_a_round_under_way_ends_when_the_housekeeper_is_closed() -> None:
    begun = threading.Event()

    def work(interrupt: object) -> None:
        assert callable(interrupt)
        begun.set()
        while True:
            interrupt()

    housekeeper = Housekeeper(work, every_s=0.001)
    housekeeper.start()
    assert begun.wait(60)
    housekeeper.close()
    assert not housekeeper._thread.is_alive()


# --- beside writers ---------------------------------------------------------------------------------------------


def test_upkeep_beside_writers_loses_nothing(open_engine: EngineOpener) -> None:
    """Writers renew leases that upkeep would sweep; each is there at the end, as it was last written."""
    engine = open_engine(retention_us=0)
    engine.schema(SCHEMA)
    done = threading.Event()

    def keep_house() -> None:
        while not done.is_set():
            engine.engine.upkeep()

    house = threading.Thread(target=keep_house)
    house.start()
    try:
        for number in range(60):
            now_us = engine.clock.now_us()
            engine.write(*(expiring(f"{number}-{place}", now_us) for place in range(5)))
            engine.clock.advance_us(1)
            engine.write(expiring(f"{number}-0", now_us + 9 * DAY_US), f"doc:{number}-1#viewer@user:anne")
    finally:
        done.set()
        house.join()
    engine.engine.upkeep()
    expected = {f"doc:{number}-{place}#viewer@user:anne" for number in range(60) for place in (0, 1)}
    assert set(rows(engine)) == expected


def test_the_admission_of_a_sweep_may_be_called_twice(written: EngineOfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that could not be finished is tried again, from the beginning."""
    submit = written.store.submit

    def twice(name: str, admission: Admission, *turn: object) -> object:
        def again(view: WriteTransaction) -> Draft:
            admission(view)
            return admission(_Restored(view))

        return submit(name, again, *turn)  # type: ignore[arg-type]

    class _Restored:
        """The view as it was before the first call."""

        def __init__(self, view: WriteTransaction) -> None:
            self._view = view

        def get(self, key: RelationshipKey) -> object:
            return stored if key == soon else self._view.get(key)

        def __getattr__(self, name: str) -> object:
            return getattr(self._view, name)

    soon = RelationshipKey(ObjectRef("doc", "soon"), "viewer", SubjectRef("user", "anne"))
    with written.store.read("default") as view:
        stored = view.get(soon)
    written.clock.advance_us(2 * DAY_US)
    monkeypatch.setattr(written.store, "submit", twice)
    written.engine.upkeep()
    monkeypatch.undo()
    assert "doc:soon#viewer@user:anne" not in rows(written)
