"""Stores that come and go under an engine: nobody sees half of one, and nobody is answered from another."""

from __future__ import annotations

import contextlib
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import remit
from remit.engine import copies
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.engine.results import CheckResult
from remit.engine.watching import Watched
from remit.errors import (
    BackupDamaged,
    BackupRefused,
    Cancelled,
    DeadlineExceeded,
    ForeignToken,
    InvalidReference,
    LimitExceeded,
    RemitError,
    StoreExists,
    StoreFull,
    StoreNotFound,
)
from remit.model import Provenance, Question, RelationshipFilter, StoredRelationship, StoreInfo, Verdict
from remit.notation import checked_store, format_relationship, parse_question, parse_relationship
from remit.store import scratch
from remit.store.port import Draft, WriteTransaction
from remit.world import World
from tests.support.engines import EngineOfTest, EngineOpener, update
from tests.support.restoring import feed
from tests.support.store.worlds import record

ORGANISATION = Path(remit.__file__).parent / "schema" / "worlds" / "organisation.yaml"
SCHEMA = """
use delegation
use expiration
definition user {}
definition doc {
    relation viewer: user | user with expiration
    single relation owner: user
    permission view = viewer + owner
}
"""
ANNE = "doc:1#viewer@user:anne"
VIEW = Question(*parse_question("doc:1#view@user:anne"))


def names(engine: EngineOfTest) -> list[str]:
    return [info.name for info in engine.engine.stores.list()]


def fill(engine: EngineOfTest, name: str, *lines: str) -> str:
    engine.engine.schemas.write(name, SCHEMA)
    return engine.engine.relationships.write(name, [update(line) for line in lines or (ANNE,)]).token


def backup(engine: EngineOfTest, name: str = "") -> bytes:
    with contextlib.closing(engine.engine.stores.backup(name)) as copy:
        copy.take()
        return b"".join(iter(lambda: copy.read(10_000), b""))


def restore(engine: EngineOfTest, data: bytes, name: str = "copy") -> StoreInfo:
    with contextlib.closing(engine.engine.stores.restore(name)) as restoring:
        for start in range(0, len(data), 10_000):
            feed(restoring, data[start : start + 10_000])
        return restoring.finish()


# --- making and removing ----------------------------------------------------------------------------------------


def test_a_new_store_is_empty_and_its_own_world(engine: EngineOfTest) -> None:
    fill(engine, "default")
    with pytest.raises(StoreNotFound):
        engine.engine.questions.check("other", VIEW)
    made = engine.engine.stores.create("other")
    assert (made.name, made.relationships, made.has_schema) == ("other", 0, False)
    assert names(engine) == ["default", "other"]
    token = fill(engine, "other", "doc:1#owner@user:anne")
    assert engine.engine.questions.check("other", VIEW, at_least=token).verdict is Verdict.YES
    with pytest.raises(ForeignToken):
        engine.engine.questions.check("default", VIEW, at_least=token)
    told = {info.name: info for info in engine.engine.stores.list()}
    assert {name: info.relationships for name, info in told.items()} == {"default": 1, "other": 1}
    assert told["other"].token == token
    assert told["other"].uuid != told["default"].uuid


def test_a_name_is_given_once(engine: EngineOfTest) -> None:
    engine.engine.stores.create("other")
    with pytest.raises(StoreExists) as taken:
        engine.engine.stores.create("other")
    assert taken.value.field == "name"
    engine.engine.stores.delete("other")
    engine.engine.stores.create("other")


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab1-_A é/."), max_size=3) | st.integers(60, 66).map(lambda length: "a" * length))
def test_a_name_is_of_its_form_or_refused(name: str) -> None:
    is_good = 0 < len(name) <= 63 and name[0] in "ab" and set(name) <= set("ab1-_")
    if is_good:
        assert checked_store(name) == name
    else:
        with pytest.raises(InvalidReference):
            checked_store(name)


@pytest.mark.parametrize("name", ["", "Default", "1st", "a b", "../up", "a" * 64])
def test_a_bad_name_is_refused_before_anything_is_done(engine: EngineOfTest, name: str) -> None:
    for verb in (engine.engine.stores.create, engine.engine.stores.delete, engine.engine.stores.restore):
        with pytest.raises(InvalidReference) as refused:
            verb(name)
        assert refused.value.field == "name"
    assert names(engine) == ["default"]


def test_there_are_no_more_stores_than_allowed(open_engine: EngineOpener) -> None:
    engine = open_engine(Limits(stores_max=2))
    engine.engine.stores.create("second")
    for verb in (engine.engine.stores.create, engine.engine.stores.restore):
        with pytest.raises(LimitExceeded):
            verb("third")
    engine.engine.stores.delete("second")
    engine.engine.stores.create("third")


def test_a_store_that_was_removed_is_as_one_that_never_was(engine: EngineOfTest) -> None:
    engine.engine.stores.create("other")
    token = fill(engine, "other")
    engine.engine.stores.delete("other")

    def refusals(name: str) -> list[str]:
        told = []
        for verb in (
            lambda: engine.engine.questions.check(name, VIEW),
            lambda: engine.engine.relationships.write(name, [update(ANNE)]),
            lambda: engine.engine.relationships.read(name, RelationshipFilter()),
            lambda: engine.engine.stores.delete(name),
            lambda: engine.engine.stores.backup(name),
            lambda: engine.engine.stores.info(name),
        ):
            with pytest.raises(StoreNotFound) as gone:
                verb()
            told.append(gone.value.message.replace(name, "x"))
        return told

    assert refusals("other") == refusals("never")
    engine.engine.stores.create("other")
    assert engine.engine.relationships.read("other", RelationshipFilter()).items == ()
    with pytest.raises(ForeignToken):
        engine.engine.schemas.read("other", at_least=token)


def test_default_can_go_and_does_not_come_back_beside_others(open_engine: EngineOpener) -> None:
    engine = open_engine()
    engine.engine.stores.create("other")
    engine.engine.stores.delete("default")
    with pytest.raises(StoreNotFound):
        engine.engine.questions.check("", VIEW)
    if engine.kind == "lmdb":
        engine.reopen()
        assert names(engine) == ["other"]
        engine.engine.stores.delete("other")
        engine.reopen()
        assert names(engine) == ["default"]


def test_who_watches_a_store_that_is_removed_is_rung_and_told(engine: EngineOfTest) -> None:
    fill(engine, "default")
    watch = engine.engine.streams.watch("", _told)
    rung: list[str] = []
    end = engine.engine.streams.on_change(rung.append)
    engine.engine.stores.delete("default")
    assert rung == ["default"]
    with pytest.raises(StoreNotFound):
        watch.live()
    watch.close()
    end()


def _told(watched: Watched) -> Watched:
    return watched


# --- at the same time -------------------------------------------------------------------------------------------


def test_checks_go_on_until_a_store_is_gone_and_are_never_answered_from_another(engine: EngineOfTest) -> None:
    """The store is removed and made again, each time with the opposite fact, while others ask."""
    questions = {even: Question(*parse_question(f"doc:{even}#view@user:anne")) for even in (0, 1)}
    wrong: list[object] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                both = engine.engine.questions.check_many("other", [questions[0], questions[1]])
            except RemitError as error:
                if error.reason not in ("STORE_NOT_FOUND", "SCHEMA_NOT_FOUND"):
                    wrong.append(error)
                continue
            verdicts = [getattr(result, "verdict", None) for result in both.results]
            if verdicts == [Verdict.YES, Verdict.YES]:
                wrong.append(verdicts)  # which no life of the store ever allowed

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for life in range(6):
        engine.engine.stores.create("other")
        fill(engine, "other", f"doc:{life % 2}#viewer@user:anne")
        engine.engine.stores.delete("other")
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_of_many_who_make_and_remove_one_name_each_is_told_the_truth(engine: EngineOfTest) -> None:
    """Whoever makes it after all is the last to have: what was told adds up to what is there."""

    def one(number: int) -> str:
        try:
            if number % 2:
                engine.engine.stores.create("other")
                return "made"
            engine.engine.stores.delete("other")
            return "removed"
        except (StoreExists, StoreNotFound) as error:
            return error.reason

    with ThreadPoolExecutor(8) as pool:
        told = Counter(pool.map(one, range(200)))
    assert set(told) <= {"made", "removed", "STORE_EXISTS", "STORE_NOT_FOUND"}
    assert told["made"] - told["removed"] == ("other" in names(engine))
    assert names(engine) == sorted(engine.store.names())
    assert told["made"] > 0 and told["removed"] > 0


def overtaken(engine: EngineOfTest, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next time the engine turns to the store by this verb, the store is first removed and made again."""
    original: Callable[..., object] = getattr(engine.store, verb)

    def late(*arguments: object) -> object:
        monkeypatch.setattr(engine.store, verb, original)
        engine.engine.stores.delete("default")
        engine.engine.stores.create("default")
        fill(engine, "default", "doc:9#viewer@user:zoe")
        return original(*arguments)

    monkeypatch.setattr(engine.store, verb, late)


def test_a_write_overtaken_by_a_new_store_of_the_same_name_does_not_land_in_it(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, "default")
    importing = engine.engine.streams.import_("")
    for verb, write in (
        ("write", lambda: engine.write(ANNE)),
        ("rehearse", lambda: engine.write(ANNE, dry_run=True)),
        ("write", lambda: engine.schema(SCHEMA)),
        ("write", lambda: engine.engine.relationships.delete("", RelationshipFilter("doc"))),
    ):
        overtaken(engine, verb, monkeypatch)
        with pytest.raises(StoreNotFound):
            write()
    with pytest.raises(StoreNotFound):
        importing.take([parse_relationship(ANNE)]).result(60)
    assert engine.facts() == ["doc:9#viewer@user:zoe"]


def test_the_past_of_a_store_is_never_read_from_its_namesake(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = fill(engine, "default")
    engine.write("delete " + ANNE)
    assert engine.engine.questions.check("", VIEW, at_exactly=token).verdict is Verdict.YES
    overtaken(engine, "read", monkeypatch)
    with pytest.raises(StoreNotFound):
        engine.engine.questions.check("", VIEW, at_exactly=token)


def test_a_backup_is_never_of_a_namesake(engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(engine, "default")
    overtaken(engine, "read", monkeypatch)
    with contextlib.closing(engine.engine.stores.backup("")) as copy, pytest.raises(StoreNotFound):
        copy.take()


def test_a_store_that_cannot_be_loaded_is_not_left_on_the_disk(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(name: str) -> object:
        raise MemoryError("no room for it")

    monkeypatch.setattr(engine.engine.loaded, "_load", failing)
    with pytest.raises(MemoryError):
        engine.engine.stores.create("other")
    assert engine.store.names() == ["default"]


# --- copies -----------------------------------------------------------------------------------------------------


def asked(engine: Engine, store: str, world: World) -> list[object]:
    """Every question of a world, of every subject that one of them is about."""
    subjects = sorted({assertion.subject for assertion in world.assertions})
    goals = sorted({(assertion.resource, assertion.permission) for assertion in world.assertions})
    questions = [Question(*goal, subject) for goal in goals for subject in subjects]
    questions += [Question(each.resource, each.permission, each.subject, each.context) for each in world.assertions]
    answers: list[object] = []
    for start in range(0, len(questions), 1_000):
        asking = questions[start : start + 1_000]
        for question, result in zip(asking, engine.questions.check_many(store, asking).results, strict=True):
            assert isinstance(result, CheckResult)
            answers.append((question, result.verdict, result.missing))
    return answers


def test_a_restored_store_answers_as_the_original_did_while_it_was_written_to(open_engine: EngineOpener) -> None:
    """The organisation, copied in the middle of a storm that breaks and mends it, and restored elsewhere."""
    world = World.read(ORGANISATION)
    source, target = open_engine(), open_engine()
    source.engine.schemas.write("", world.schema.text)
    source.engine.relationships.write("", [update(format_relationship(each)) for each in world.relationships])
    for each in (source, target):
        if world.now_us is not None:
            each.clock.advance_us(max(0, world.now_us - each.clock.now_us()))
    done = threading.Event()
    writes = 0

    def storm() -> None:
        nonlocal writes
        while not done.is_set():
            source.write("run:r-4#hold@hold:storm")
            source.write("delete run:r-4#hold@hold:storm")
            writes += 1

    thread = threading.Thread(target=storm)
    thread.start()
    copies: list[bytes] = []
    while len(copies) < 3 or writes < 5:
        copies.append(backup(source))
    done.set()
    thread.join()
    source.write("delete run:r-4#hold@hold:storm")
    calm = asked(source.engine, "", world)
    source.write("run:r-4#hold@hold:storm")
    held = asked(source.engine, "", world)
    assert calm != held
    old_token = source.engine.stores.info("").token
    for number, data in enumerate(copies[-3:]):
        info = restore(target, data, f"copy-{number}")
        copy = asked(target.engine, info.name, world)
        with target.store.read(info.name) as view:
            is_held = view.get(parse_relationship("run:r-4#hold@hold:storm").key) is not None
        assert copy == (held if is_held else calm)
        with pytest.raises(ForeignToken):
            target.engine.questions.check(info.name, VIEW, at_least=old_token)
        with pytest.raises(ForeignToken):
            target.engine.questions.check(info.name, VIEW, at_exactly=old_token)


def test_a_restore_keeps_the_past_of_the_store_but_not_its_tokens(engine: EngineOfTest) -> None:
    first = fill(engine, "default")
    second = engine.write("delete " + ANNE).token
    info = restore(engine, backup(engine))
    assert info.token != second
    with engine.store.read("copy") as view, engine.store.read("default") as original:
        assert list(view.changelog(0)) == list(original.changelog(0))
    for token in (first, second):
        with pytest.raises(ForeignToken):
            engine.engine.questions.check("copy", VIEW, at_exactly=token)
        with pytest.raises(ForeignToken):
            engine.engine.streams.watch("copy", _told, after=token)
    assert engine.engine.relationships.write("copy", [update(ANNE)]).token
    assert engine.engine.questions.check("copy", VIEW, at_exactly=info.token).verdict is Verdict.NO


def test_a_restored_store_is_there_after_a_restart(open_engine: EngineOpener) -> None:
    engine = open_engine()
    fill(engine, "default")
    info = restore(engine, backup(engine))
    if engine.kind == "lmdb":
        engine.reopen()
    assert engine.engine.stores.info("copy") == info
    assert engine.engine.questions.check("copy", VIEW, at_least=info.token).verdict is Verdict.YES


def test_what_expires_goes_on_to_expire_in_a_restored_store(engine: EngineOfTest) -> None:
    fill(engine, "default", "doc:1#viewer@user:anne[expiration:2100-01-01T00:00:00Z]")
    restore(engine, backup(engine))
    assert len(engine.engine.loaded.of("copy").expirations) == 1


def test_a_restore_that_is_given_up_or_damaged_is_not_there(engine: EngineOfTest) -> None:
    fill(engine, "default")
    data = backup(engine)
    with contextlib.closing(engine.engine.stores.restore("copy")) as restoring:
        feed(restoring, data[:-1])
        with pytest.raises(BackupDamaged):
            restoring.finish()
    assert names(engine) == ["default"]
    restore(engine, data)


def test_the_first_to_finish_has_the_name(engine: EngineOfTest) -> None:
    fill(engine, "default")
    data = backup(engine)
    with (
        contextlib.closing(engine.engine.stores.restore("copy")) as first,
        contextlib.closing(engine.engine.stores.restore("copy")) as second,
    ):
        feed(first, data)
        feed(second, data)
        second.finish()
        with pytest.raises(StoreExists):
            first.finish()
    assert engine.engine.questions.check("copy", VIEW).verdict is Verdict.YES
    with pytest.raises(StoreExists):
        engine.engine.stores.restore("copy")


def written_past_the_engine(engine: EngineOfTest, *lines: str, schema: str | None = None) -> bytes:
    """A backup of a store that no engine would have let come to be."""
    engine.engine.stores.create("odd")
    if schema is None:
        engine.engine.schemas.write("odd", SCHEMA)

    def admission(view: WriteTransaction) -> Draft:
        if schema is not None:
            view.put_schema(schema)
        for line in lines:
            view.put(StoredRelationship(parse_relationship(line), Provenance("odd", "", view.next_revision)))
        return Draft("odd")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.engine.loaded, "_committed", lambda name, delta: None)
        engine.store._listener, listener = None, engine.store._listener
        engine.store.submit("odd", admission).result(60)
        engine.store._listener = listener
    with engine.store.read("odd") as view:
        data = b"".join(view.backup(engine.clock.now_us()))
    engine.engine.stores.delete("odd")
    return data


@pytest.mark.parametrize(
    ("lines", "schema", "words"),
    [
        (("folder:1#viewer@user:anne",), None, "folder"),
        (("doc:1#view@user:anne",), None, "doc:1#view@user:anne"),
        (("doc:1#owner@user:anne", "doc:1#owner@user:ben"), None, "single"),
        ((), "definition user { relation x: nobody }", "does not compile"),
        ((), "// " + "x" * 5_000_000, "262144"),
    ],
)
def test_what_no_write_would_have_been_allowed_is_not_restored(
    engine: EngineOfTest, lines: tuple[str, ...], schema: str | None, words: str
) -> None:
    data = written_past_the_engine(engine, *lines, schema=schema)
    with pytest.raises(BackupRefused, match=words):
        restore(engine, data)
    assert names(engine) == ["default"]


def test_relationships_without_a_schema_are_not_restored(engine: EngineOfTest) -> None:
    def admission(view: WriteTransaction) -> Draft:
        view.put(StoredRelationship(parse_relationship(ANNE), Provenance("odd", "", view.next_revision)))
        return Draft("odd")

    engine.store.create("odd")
    engine.store._listener, listener = None, engine.store._listener
    engine.store.submit("odd", admission).result(60)
    engine.store._listener = listener
    with engine.store.read("odd") as view:
        data = b"".join(view.backup(engine.clock.now_us()))
    engine.store.delete("odd")
    with pytest.raises(BackupRefused, match="no schema"):
        restore(engine, data)


def test_a_backup_from_a_clock_that_is_ahead_is_refused_until_it_is_reached(engine: EngineOfTest) -> None:
    """What had expired there would count again here."""
    fill(engine, "default")
    with engine.store.read("default") as view:
        data = b"".join(view.backup(engine.clock.now_us() + 1_000))
    with pytest.raises(BackupRefused, match="clock"):
        restore(engine, data)
    engine.clock.advance_us(1_000)
    restore(engine, data)


# --- what a copy costs ------------------------------------------------------------------------------------------


def test_a_backup_that_is_interrupted_leaves_nothing_open(engine: EngineOfTest) -> None:
    fill(engine, "default")

    def interrupt() -> None:
        raise Cancelled("enough")

    copy = engine.engine.stores.backup("")
    with pytest.raises(Cancelled):
        copy.take(interrupt)
    assert copy._scratch is None
    copy.close()


def test_a_backup_may_be_closed_while_it_is_taken(engine: EngineOfTest) -> None:
    fill(engine, "default")
    copy = engine.engine.stores.backup("")
    copy.take(copy.close)
    assert copy._scratch is not None
    with pytest.raises(ValueError, match="closed"):
        copy.read(1)


def test_no_view_is_open_while_a_backup_is_read(open_engine: EngineOpener) -> None:
    """However slow its reader is: LMDB reuses what writers leave behind."""
    engine = open_engine()
    fill(engine, "default")
    with contextlib.closing(engine.engine.stores.backup("")) as copy:
        copy.take()
        tables = engine.store._tables
        assert not getattr(tables, "_views", 0) and not getattr(tables, "_readers", {})
        assert copy.read(4) == b"remi"


def test_no_room_for_a_copy_is_told_and_nothing_else_is_harmed(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, "default")

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    monkeypatch.setattr(scratch.tempfile, "TemporaryFile", lambda dir: Full())
    with contextlib.closing(engine.engine.stores.backup("")) as copy, pytest.raises(StoreFull):
        copy.take()
    engine.write(ANNE)


def test_a_copy_needs_little_memory_however_large_the_store(tmp_path: Path) -> None:
    engine = EngineOfTest("lmdb", tmp_path / "data")
    engine.schema(SCHEMA)
    for start in range(0, 2_000, 500):
        engine.write(*(f"doc:{'x' * 1000}{number}#viewer@user:anne" for number in range(start, start + 500)))
    tracemalloc.start()
    with contextlib.closing(engine.engine.stores.backup("")) as copy:
        copy.take()
        after_taking = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        size = 0
        restoring = engine.store.restore("copy", _Agreeing())
        before = tracemalloc.get_traced_memory()[0]
        while data := copy.read(64 * 1024):
            size += len(data)
            feed(restoring, data)
        restoring.finish()
        restoring.close()
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 4_000_000
    assert after_taking < 2_000_000
    assert peak - before < 3_000_000
    engine.engine.close()


class _Agreeing:
    def schema(self, text: str) -> None: ...

    def relationship(self, relationship: object) -> None: ...

    def record(self, record: object) -> None: ...


@pytest.mark.parametrize("gone", [Cancelled("gone"), DeadlineExceeded("late")], ids=["cancelled", "late"])
def test_whoever_goes_while_a_restore_is_judged_is_told_so_and_not_that_the_backup_is_wrong(
    engine: EngineOfTest, gone: RemitError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "ROWS_BETWEEN_INTERRUPTS", 1)
    fill(engine, "default")
    engine.engine.relationships.write("", [], records=[record("hold", "hold:1", b"why")])
    data = backup(engine)
    looks, last = 0, -1

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == last:
            raise gone

    def restored(name: str) -> None:
        with contextlib.closing(engine.engine.stores.restore(name, look)) as restoring:
            feed(restoring, data)
            restoring.finish()

    restored("whole")
    counted = looks
    assert counted > 4
    for last in range(1, counted + 1):
        looks = 0
        with pytest.raises(type(gone)):
            restored("again")
        assert looks == last
