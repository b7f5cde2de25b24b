"""Laws: what a request sees, for its whole length, is what the store held at one revision; no write waits for it; and
nobody is told of a revision that could not be asked about."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.engine.results import CheckManyResult, CheckResult, ExpandResult
from remit.engine.schema_plans import PLANS_MAX
from remit.engine.tokens import decode_token, encode_token
from remit.errors import Cancelled, RemitError, StepBudgetSpent
from remit.eval import budget
from remit.interrupt import Interrupt
from remit.language import compile_kept
from remit.model import Question, RelationshipFilter, Verdict
from remit.notation import parse_question
from tests.support.engines import EngineOfTest, EngineOpener, facts, update

SCHEMA = """
use expiration
definition user {}
definition group { relation member: user | group#member }
definition doc {
    relation parent: doc
    relation viewer: user | group#member
    relation banned: user
    permission view = (viewer + parent->view) - banned
}
"""
PATIENCE_S = 30  # how long a test waits for what must come
CHAIN = [f"group:g{n}#member@group:g{n + 1}#member" for n in range(600)]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after whoever waits at every step, not only now and then."""
    monkeypatch.setattr(budget, "_STEPS_BETWEEN_INTERRUPTS", 1)


def once(work: Callable[[], object]) -> Callable[[], None]:
    """An interrupt that does something the first time it is called: in the middle of a question."""
    left = [work]

    def interrupt() -> None:
        if left:
            left.pop()()

    return interrupt


# --- a request and writes in its middle -------------------------------------------------------------------------


def test_a_write_is_acknowledged_in_the_middle_of_a_check_which_goes_on_as_it_began(engine: EngineOfTest) -> None:
    """The write is made by the very thread that asks: if it waited for the check, it would wait for ever."""
    engine.schema(SCHEMA)
    engine.write(*CHAIN, "group:g600#member@user:ann", "doc:a#viewer@group:g0#member")
    before = engine.check("doc:a#view@user:ann")
    told: list[str] = []
    hold = once(lambda: told.append(engine.write("doc:a#banned@user:ann").token))
    during = engine.check("doc:a#view@user:ann", interrupt=hold)
    after = engine.check("doc:a#view@user:ann")
    assert [each.verdict for each in (before, during, after)] == [Verdict.YES, Verdict.YES, Verdict.NO]
    assert during.token == before.token and [after.token] == told


def test_the_items_of_one_request_are_all_of_one_revision(engine: EngineOfTest) -> None:
    engine.schema(SCHEMA)
    engine.write("doc:a#viewer@user:ann")
    asked = [Question(*parse_question("doc:a#view@user:ann"))] * 3
    ban = once(lambda: engine.write("doc:a#banned@user:ann"))
    answered = engine.engine.questions.check_many("", asked, interrupt=ban)
    assert [each.verdict for each in answered.results if isinstance(each, CheckResult)] == [Verdict.YES] * 3
    assert engine.verdict("doc:a#view@user:ann") is Verdict.NO


def test_a_schema_written_in_the_middle_is_not_seen(engine: EngineOfTest, looks: None) -> None:
    engine.schema(SCHEMA)
    engine.write("doc:a#viewer@user:ann", "doc:b#parent@doc:a")
    change = once(lambda: engine.schema(SCHEMA.replace("- banned", "- viewer")))
    during = engine.check("doc:b#view@user:ann", interrupt=change)
    assert during.verdict is Verdict.YES
    assert engine.verdict("doc:b#view@user:ann") is Verdict.NO


def test_a_steady_stream_of_writes_starves_no_check(engine: EngineOfTest, looks: None) -> None:
    """A write at every step, and the check is done all the same, in about as many steps as without."""
    engine.schema(SCHEMA)
    engine.write(*CHAIN[:50], "group:g50#member@user:ann", "doc:a#viewer@group:g0#member")
    alone = engine.check("doc:a#view@user:ann")
    lines = ["delete group:g40#member@group:g41#member", "group:g40#member@group:g41#member"]
    count = iter(range(10_000))
    among = engine.check("doc:a#view@user:ann", interrupt=lambda: engine.write(lines[next(count) % 2]) and None)
    assert (among.verdict, among.token) == (Verdict.YES, alone.token)
    # Alone it may be answered by the core, which meets the fifty groups from the side of their member.
    assert alone.steps <= among.steps <= 2 * alone.steps
    assert next(count) > 100


def test_a_check_that_would_have_to_undo_too_much_says_so(open_engine: EngineOpener, looks: None) -> None:
    engine = open_engine(Limits(undone_max=20))
    engine.schema(SCHEMA)
    engine.write(*CHAIN[:50], "group:g50#member@user:ann", "doc:a#viewer@group:g0#member")
    with pytest.raises(StepBudgetSpent, match="others committed meanwhile; this is not a no") as refused:
        engine.check("doc:a#view@user:ann", interrupt=lambda: engine.write("doc:z#viewer@user:zoe") and None)
    assert refused.value.metadata["name"] == "undone_max"


IDS = st.sampled_from("abc")
FACT = st.one_of(
    st.builds("doc:{}#parent@doc:{}".format, IDS, IDS),
    st.builds("doc:{}#viewer@user:{}".format, IDS, IDS),
    st.builds("doc:{}#viewer@group:{}#member".format, IDS, IDS),
    st.builds("doc:{}#banned@user:{}".format, IDS, IDS),
    st.builds("group:{}#member@group:{}#member".format, IDS, IDS),
    st.builds("group:{}#member@user:{}".format, IDS, IDS),
)


@settings(max_examples=60)
@given(
    st.sets(FACT, max_size=20), st.integers(0, 2**32), st.booleans(), st.builds("doc:{}#view@user:{}".format, IDS, IDS)
)
def test_whatever_is_written_in_its_middle_a_request_answers_as_of_its_revision(
    lines: set[str], seed: int, is_contextual: bool, asked: str
) -> None:
    """Check with its explanation, CheckMany and Expand, while facts come and go at every step: the same as asked again
    for exactly that revision, in peace."""
    world = world_of(lines)
    question = Question(*parse_question(asked))
    contextual = facts("doc:a#viewer@group:b#member") if is_contextual else ()
    random = Random(seed)
    pool = sorted(lines) or ["doc:a#viewer@user:a"]

    def write() -> None:
        line = random.choice(pool)
        world.engine.relationships.write("", [update(("" if random.randrange(2) else "delete ") + line)])

    def all_asked(exactly: str, interrupt: Callable[[], None]) -> list[Any]:
        options: dict[str, Any] = {"at_exactly": exactly, "contextual": contextual, "interrupt": interrupt}
        asks: list[Callable[[], Any]] = [
            lambda: world.engine.questions.check("", question, explain=True, **options),
            lambda: world.engine.questions.check_many("", [question] * 2, **options),
            lambda: world.engine.questions.expand("", question.resource, "view", **options),
        ]
        return [ask() for ask in asks]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "_STEPS_BETWEEN_INTERRUPTS", 1)
        patch.setattr("remit.graph.revisions.EDGES_AT_ONCE", 2)
        for answer in all_asked("", write):
            told = {kind(each): each for each in all_asked(answer.token, lambda: None)}
            assert meant(told[kind(answer)]) == meant(answer)
    world.engine.close()


def world_of(lines: set[str]) -> EngineOfTest:
    world = EngineOfTest("memory", Path("unused"))
    world.schema(SCHEMA)
    if lines:
        world.write(*sorted(lines))
    return world


def kind(answer: object) -> str:
    return type(answer).__name__


def meant(answer: Any) -> object:
    """What an answer says, but for how it was come by."""
    match answer:
        case CheckResult():
            return answer.verdict, answer.missing, answer.token
        case CheckManyResult():
            return [meant(each) for each in answer.results], answer.token
        case ExpandResult():
            return sorted(map(repr, answer.expansion.sets)), answer.token
    raise AssertionError(answer)


# --- what is told of the store itself ---------------------------------------------------------------------------

READINGS: dict[str, Callable[[Engine], str]] = {
    "read": lambda engine: engine.relationships.read("", RelationshipFilter()).token,
    "export": lambda engine: next(engine.streams.export("", RelationshipFilter())).token,
    "diff_schema": lambda engine: engine.schemas.diff("", SCHEMA).token,
    "backup": lambda engine: backup_token(engine),
}


def backup_token(engine: Engine) -> str:
    backup = engine.stores.backup("")
    try:
        return backup.take()
    finally:
        backup.close()


@pytest.mark.parametrize("verb", READINGS)
def test_nobody_is_told_of_a_revision_before_it_can_be_asked_about(engine: EngineOfTest, verb: str) -> None:
    """The store knows of a revision a moment before memory does, and these look into the store. Here that moment lasts
    until somebody waits for its end, or did not have to."""
    engine.schema(SCHEMA)
    stores, loaded = engine.engine.loaded, engine.engine.loaded.of("")
    apply, wait_for = stores._committed, loaded.wait_for
    met = threading.Event()
    told: list[tuple[int, int]] = []

    def waiting(revision: int, timeout_s: float) -> bool:
        if revision > loaded.revision:
            met.set()
        return wait_for(revision, timeout_s)

    def reading() -> None:
        try:
            token = READINGS[verb](engine.engine)
            told.append((decode_token(token)[2], loaded.revision))
        finally:
            met.set()

    thread = threading.Thread(target=reading)

    def committed(name: str, delta: Any) -> None:
        thread.start()
        assert met.wait(PATIENCE_S)
        apply(name, delta)

    loaded.wait_for = waiting  # type: ignore[method-assign]
    engine.store._listener = committed
    engine.write("doc:a#viewer@user:ann")
    thread.join(PATIENCE_S)
    engine.store._listener = apply
    assert told == [(2, 2)], "told of the new revision, once memory has it"


@pytest.mark.parametrize("consistency", ["at_least", "at_exactly"])
def test_a_token_that_only_the_disk_has_reached_is_waited_for(engine: EngineOfTest, consistency: str) -> None:
    """Whoever made a commit may tell of it before memory here has it. That moment lasts until somebody waits."""
    engine.schema(SCHEMA)
    stores, loaded = engine.engine.loaded, engine.engine.loaded.of("")
    apply, wait_for = stores._committed, loaded.wait_for
    met = threading.Event()
    verdicts: list[Verdict] = []

    def waiting(revision: int, timeout_s: float) -> bool:
        met.set()
        return wait_for(revision, timeout_s)

    def asking() -> None:
        try:
            token = encode_token(loaded.identity, 2)
            verdicts.append(engine.verdict("doc:a#view@user:ann", **{consistency: token}))
        finally:
            met.set()

    thread = threading.Thread(target=asking)

    def committed(name: str, delta: Any) -> None:
        thread.start()
        assert met.wait(PATIENCE_S)
        assert verdicts == [], "nobody answers before memory has it"
        apply(name, delta)

    loaded.wait_for = waiting  # type: ignore[method-assign]
    engine.store._listener = committed
    engine.write("doc:a#viewer@user:ann")
    thread.join(PATIENCE_S)
    engine.store._listener = apply
    assert verdicts == [Verdict.YES]


def test_who_waits_for_a_writer_that_has_ended_is_told_so(
    open_engine: EngineOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    engine.schema(SCHEMA)
    monkeypatch.setattr("remit.engine.loaded._LOOK_UP_S", 0.0)
    monkeypatch.setattr(type(engine.store), "problem", lambda _: "the writer has ended")
    monkeypatch.setattr(engine.engine.loaded.of(""), "revision", 0)
    with pytest.raises(RemitError, match="the writer has ended") as refused:
        engine.engine.relationships.read("", RelationshipFilter())
    assert refused.value.reason == "STORE_UNAVAILABLE"


# --- plans ------------------------------------------------------------------------------------------------------


def test_what_is_in_force_stays_compiled_whatever_else_is(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not pushed out by schemas that are tried, nor by those of the past; and those are not kept without end."""
    first = engine.schema(SCHEMA)
    texts = [f"{SCHEMA}// {n}" for n in range(PLANS_MAX + 5)]
    tokens = [engine.schema(text) for text in texts]
    engine.engine.stores.create("other")
    engine.engine.schemas.write("other", SCHEMA)
    for text in texts:
        engine.engine.schemas.write("", text + " tried", dry_run=True)
        engine.engine.schemas.diff("", text + " looked at")
    compiled: list[str] = []

    def counting(text: str, **how: Any) -> Any:
        compiled.append(text)
        return compile_kept(text, **how)

    monkeypatch.setattr("remit.engine.schema_plans.compile_kept", counting)
    engine.write("doc:a#viewer@user:ann")
    engine.engine.relationships.write("other", [update("doc:a#viewer@user:ann")])
    engine.engine.schemas.diff("", SCHEMA)
    assert compiled == []
    assert engine.engine.schemas.read("", at_exactly=first).text == SCHEMA
    for token in tokens:
        assert engine.verdict("doc:a#view@user:ann", at_exactly=token) is Verdict.NO
    assert len(engine.engine.loaded.plans._plans) <= PLANS_MAX + 2
    assert compiled.count(texts[-1]) == 0


def test_of_the_schemas_that_were_the_last_ones_stay_compiled(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"{SCHEMA}// {n}" for n in range(2 * PLANS_MAX)]
    tokens = [engine.schema(text) for text in texts]

    def refused(text: str, **_: Any) -> Any:
        raise AssertionError(f"compiled again: {text[-6:]}")

    monkeypatch.setattr("remit.engine.schema_plans.compile_kept", refused)
    for token in tokens[-PLANS_MAX:]:  # what is in force is one of them, and one that is about to be has room
        engine.verdict("doc:a#view@user:ann", at_exactly=token)


def test_a_schema_of_long_ago_is_compiled_once_and_as_long_as_somebody_waits(
    engine: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = engine.schema(SCHEMA)
    for n in range(PLANS_MAX + 5):
        engine.schema(f"{SCHEMA}// {n}")
    compiled: list[str] = []
    begun, may_go_on = threading.Event(), threading.Event()

    def slowly(text: str, *, interrupt: Interrupt) -> Any:
        compiled.append(text)
        begun.set()
        assert may_go_on.wait(PATIENCE_S)
        interrupt()
        return compile_kept(text, interrupt=interrupt)

    def gone() -> None:
        raise Cancelled("nobody waits")

    monkeypatch.setattr("remit.engine.schema_plans.compile_kept", slowly)
    plans = engine.engine.loaded.plans
    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(engine.engine.schemas.read, "", at_exactly=token)]
        assert begun.wait(PATIENCE_S)
        asked.append(threads.submit(engine.engine.schemas.read, "", at_exactly=token))
        with pytest.raises(Cancelled):  # while another compiles the same
            plans.of(SCHEMA, gone)
        may_go_on.set()
        assert [each.result().text for each in asked] == [SCHEMA, SCHEMA]
    assert compiled == [SCHEMA]
    for n in range(PLANS_MAX + 5):
        engine.schema(f"{SCHEMA}// again {n}")
    with pytest.raises(Cancelled):  # while it compiles
        plans.of(SCHEMA, gone)
