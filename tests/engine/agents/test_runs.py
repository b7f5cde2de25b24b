"""Spawn, Renew, Narrow, DeclareIntent: a run that is started may do what its chain may, and no other is started."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

import pytest

from remit.engine.admission import apply_records
from remit.engine.agents.chains import DEPTH_MAX
from remit.engine.agents.performing import Submission
from remit.engine.agents.run_requests import SpawnOrder
from remit.engine.agents.run_states import RunLife, RunState, run_state
from remit.engine.remembered import RequestKey
from remit.errors import (
    CeilingExceeded,
    ConsentMissing,
    Excess,
    InvalidArgument,
    LifecycleRefused,
    LimitExceeded,
    NotLive,
    NotNarrower,
    ObjectUnknown,
    RemitError,
    RightMissing,
    SessionDiffers,
)
from remit.model import LOCAL_CALLER, Call, Caller, Delta, ObjectRef, Question, Record, SubjectRef, Verdict
from remit.notation import format_time, parse_object
from remit.store.port import Draft, WriteTransaction
from tests.support.agent_world import FACTS, NEEDED, SCHEMA
from tests.support.engines import EngineOfTest

ANNE = parse_object("user:anne")
ORDER = SpawnOrder(ANNE, "payer.2", ["pay"])
S = 1_000_000


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    return built(engine, FACTS)


def built(engine: EngineOfTest, facts: Iterable[str]) -> EngineOfTest:
    engine.schema(SCHEMA)
    engine.write(*facts)
    return engine


def spawned(world: EngineOfTest, order: SpawnOrder = ORDER, **submission: object) -> RunState:
    return world.engine.runs.spawn("", order, submission=Submission(**submission)).told.run  # type: ignore[arg-type]


def below(run: RunState, order: SpawnOrder = ORDER) -> SpawnOrder:
    return replace(order, delegator=run.object)


def use(world: EngineOfTest, run: RunState, tool: str = "erp.pay") -> bool:
    return world.verdict(f"tool:{tool}#use@run:{run.id}") is Verdict.YES


def deltas(world: EngineOfTest) -> list[Delta]:
    with world.store.read("default") as view:
        return list(view.changelog(0))


def with_ceilings(world: EngineOfTest, **said: object) -> None:
    """As the registry writes them."""
    with_record(world, Record("agent", ObjectRef("agent", "payer"), json.dumps(said).encode()))


def described(tool: object) -> Record:
    document = json.dumps(tool).encode()
    return Record("descriptor", ObjectRef("descriptor", sha256(document).hexdigest()), document)


def with_record(world: EngineOfTest, record: Record) -> None:

    def admission(view: WriteTransaction) -> Draft:
        apply_records(view, [record], LOCAL_CALLER)
        return Draft("registry")

    loaded = world.engine.loaded.of("")
    world.engine.loaded.write(loaded.identity, admission)


# --- whom no run is started for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", NEEDED)
def test_where_one_fact_is_missing_no_run_is_started(engine: EngineOfTest, missing: str) -> None:
    world = built(engine, (each for each in NEEDED if each != missing))
    before = world.facts()
    if missing in _LATER:
        assert not use(world, spawned(world))  # it is asked for at every call
        return
    with pytest.raises((NotLive, ConsentMissing, Excess)):
        spawned(world)
    assert world.facts() == before


# What is no part of the delegator's chain: its version and agent may be given it later.
_LATER = (
    "tool:erp.pay#in_intent@profile:pay#declares",
    "profile:pay#holder@agent:payer",
    "profile:pay#holder@agent_version:payer.2",
)


@pytest.mark.parametrize(
    "held",
    [
        "user:anne", "agent:payer", "agent_version:payer.2", "credential:local", "domain:office", "estate:harbour",
        "tool:erp.pay", "profile:pay",
    ],
)  # fmt: skip
def test_nothing_is_started_below_what_is_held(world: EngineOfTest, held: str) -> None:
    parent = spawned(world)
    world.engine.holds.hold("", parse_object(held), reason="", id="stop")
    for order in (ORDER, below(parent)):
        with pytest.raises((NotLive, Excess)):
            spawned(world, order)
    world.engine.holds.release("", "stop")
    assert use(world, spawned(world, below(parent)))


def test_nothing_is_started_below_a_run_that_is_held_ended_or_over(world: EngineOfTest) -> None:
    parent = spawned(world)
    child = spawned(world, below(parent))
    world.engine.holds.hold("", parent.object, reason="", id="stop")
    for run in (parent, child):
        with pytest.raises(NotLive, match=f"`run:{parent.id}`"):
            spawned(world, below(run))
    world.engine.holds.release("", "stop")
    world.clock.advance_us(3600 * S)
    with pytest.raises((NotLive, Excess)):
        spawned(world, below(parent))
    other = spawned(world)
    world.engine.ends.terminate("", other.object)
    with pytest.raises(NotLive):
        spawned(world, below(other))


@pytest.mark.parametrize("version", ["payer.1", "payer.3", "payer.9"])
def test_a_version_is_certified_and_has_not_ended(world: EngineOfTest, version: str) -> None:
    with pytest.raises(NotLive, match=f"`agent_version:{version}`"):
        spawned(world, replace(ORDER, version=version))


def test_who_stands_below_nobody_starts_nothing(world: EngineOfTest) -> None:
    world.write("run:a#delegated_by@run:b", "run:b#delegated_by@run:a")
    for run in ("a", "b", "never"):
        with pytest.raises(NotLive):
            spawned(world, replace(ORDER, delegator=ObjectRef("run", run)))


def test_a_person_who_has_not_shown_that_they_are_there_takes_a_right_of_its_own(world: EngineOfTest) -> None:
    spawner = Caller("service:x", credential="local")
    with pytest.raises(RightMissing, match="spawn-unproven"):
        spawned(world, caller=spawner)
    run = spawned(world, caller=spawner._replace(may_spawn_unproven=True))
    assert use(world, spawned(world, below(run), caller=spawner))
    assert use(world, spawned(world, replace(ORDER, delegator=parse_object("system:clock")), caller=spawner))


# --- consent ----------------------------------------------------------------------------------------------------


def test_a_run_below_a_person_stands_and_falls_with_their_consent(world: EngineOfTest) -> None:
    ben = replace(ORDER, delegator=parse_object("user:ben"))
    with pytest.raises(ConsentMissing, match=r"`user:ben`.*`agent:payer`"):
        spawned(world, ben)
    own = world.engine.consents.give("", parse_object("user:ben"), ["payer"]).told
    run = spawned(world, ben)
    assert use(world, run)
    world.engine.consents.withdraw("", own.id)
    assert not use(world, run)
    with pytest.raises(ConsentMissing):
        spawned(world, ben)
    for_all = world.engine.consents.give("", parse_object("directory:guests"), ["payer"]).told
    assert not use(world, run), "given anew it is another"
    again = spawned(world, ben)
    assert use(world, again)
    world.engine.consents.withdraw("", for_all.id)
    assert not use(world, again)


# --- what it writes ---------------------------------------------------------------------------------------------


def test_a_run_is_one_revision_of_few_facts_that_end_with_it(world: EngineOfTest) -> None:
    before, count = set(world.facts()), len(deltas(world))
    done = world.engine.runs.spawn("", replace(ORDER, bindings={"invoice": '"881"'}, lifetime_s=60))
    run = done.told.run
    new = {each.replace(run.id, "R") for each in set(world.facts()) - before}
    assert {each for each in new if not each.startswith("binding")} == {
        "run:R#delegated_by@user:anne", "run:R#instance_of@agent_version:payer.2", "run:R#spawned_by@credential:local",
        "consent:c#run@run:R", f"profile:pay#holder@run:R{_end(run)}", f"profile:pay#declarer@run:R{_end(run)}",
    }  # fmt: skip
    assert len(deltas(world)) == count + 1
    assert done.told.was_there is False
    assert (run.life, run.intent, run.profiles, run.bindings) == (RunLife.LIVE, "pay", ("pay",), {"invoice": '"881"'})
    assert run.ends_at_us == world.clock.now_us() + 60 * S
    with world.store.read("default") as view:
        assert run_state(view, run.id, world.clock.now_us()) == run
    world.clock.advance_us(60 * S - 1)
    assert use(world, run)
    world.clock.advance_us(1)
    assert not use(world, run)


def _end(run: RunState) -> str:
    assert run.ends_at_us is not None
    return f"[expiration:{format_time(run.ends_at_us)}]"


def test_what_a_run_is_bound_to_is_what_a_document_asks_for(world: EngineOfTest) -> None:
    world.write(
        "tool:erp.pay#may_use@profile:pay#holds"
        '[arguments:{"additional":true,"invoice":{"equals":{"binding":"invoice"}}}]'
    )
    descriptor = {"input_schema": {"type": "object", "properties": {"invoice": {}}}}
    with_record(world, tool := described(descriptor))
    world.write("delete tool:erp.pay#descriptor@descriptor:d1", f"tool:erp.pay#descriptor@{tool.object}")
    for bound, value, may in [
        ('"881"', '"881"', True), ("881", '"881"', False), ("8.81e2", "881", True), ("true", "true", True),
        ("null", "null", True), ('"881"', '"882"', False),
    ]:  # fmt: skip
        run = spawned(world, replace(ORDER, bindings={"invoice": bound}))
        call = Call("erp.pay", f'{{"invoice":{value}}}'.encode(), descriptor=tool.object.id)
        question = Question(parse_object("tool:erp.pay"), "use", SubjectRef(*run.object), call=call)
        assert (world.engine.questions.check("", question).verdict is Verdict.YES) is may, (bound, value)


@pytest.mark.parametrize("text", ["", "881,", '1,"x":2', "{}", "[1]", '{"a":1}', "NaN", "abc", '"\\ud800"', "1" * 1025])
def test_what_is_no_value_binds_nothing(world: EngineOfTest, text: str) -> None:
    with pytest.raises((InvalidArgument, LimitExceeded)):
        spawned(world, replace(ORDER, bindings={"invoice": text}))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"profiles": []}, "profiles"),
        ({"profiles": ["pay", "look"]}, "intent"),
        ({"profiles": ["p" + str(n) for n in range(17)]}, "profiles"),
        ({"delegator": parse_object("agent:payer")}, "delegator"),
        ({"lifetime_s": -1}, "lifetime_s"),
        ({"bindings": {"a b": "1"}}, "bindings"),
        ({"session": "a\nb"}, "session"),
    ],
)
def test_what_is_asked_for_wrongly_is_told_by_field(
    world: EngineOfTest, changed: dict[str, object], field: str
) -> None:
    with pytest.raises(RemitError) as refused:
        spawned(world, replace(ORDER, **changed))  # type: ignore[arg-type]
    assert refused.value.field == field


def test_a_profile_that_nobody_has_heard_of_is_told(world: EngineOfTest) -> None:
    for order in (replace(ORDER, profiles=["pya"]), replace(ORDER, intent="pya")):
        with pytest.raises(ObjectUnknown, match="`profile:pya`"):
            spawned(world, order)


# --- excess -----------------------------------------------------------------------------------------------------


def test_what_the_delegator_has_not_is_listed_exactly(world: EngineOfTest) -> None:
    order = replace(ORDER, profiles=["tell", "look"], intent="tell")
    with pytest.raises(Excess) as refused:
        spawned(world, order)
    assert refused.value.metadata["resources"] == "dataset:ledger, tool:mail.send"
    assert refused.value.metadata["count"] == "2"
    dry = world.engine.runs.spawn("", order, submission=Submission(dry_run=True)).told
    assert list(map(str, dry.excess)) == ["dataset:ledger", "tool:mail.send"]
    world.write("profile:tell#holder@user:anne", "dataset:ledger#reader@user:anne", "level:internal#cleared@user:anne")
    assert set(spawned(world, order).profiles) == {"tell", "look"}


def test_an_intent_beyond_what_the_delegator_has_is_excess_too(world: EngineOfTest) -> None:
    with pytest.raises(Excess, match=r"tool:mail\.send"):
        spawned(world, replace(ORDER, intent="tell"))


def test_what_is_conditional_for_the_delegator_is_no_excess(world: EngineOfTest) -> None:
    world.write('tool:erp.pay#may_use@profile:pay#holds[arguments:{"additional":true,"amount":{"max":"9"}}]')
    assert spawned(world).intent == "pay"


def test_a_profile_of_too_many_tools_is_told(world: EngineOfTest) -> None:
    world.write(*(f"tool:t{n}#may_use@profile:wide#holds" for n in range(1_000)))
    world.write("tool:t1000#may_use@profile:wide#holds")
    with pytest.raises(LimitExceeded, match="1001 tools"):
        spawned(world, replace(ORDER, profiles=["wide"]))


# --- ceilings ---------------------------------------------------------------------------------------------------


def test_a_run_lives_an_hour_and_a_day_at_most_unless_its_agent_says_less(world: EngineOfTest) -> None:
    def lives_s(asked: int) -> int:
        run = spawned(world, replace(ORDER, lifetime_s=asked))
        assert run.ends_at_us is not None
        return (run.ends_at_us - world.clock.now_us()) // S

    assert (lives_s(0), lives_s(86_400)) == (3600, 86_400)
    with pytest.raises(CeilingExceeded, match="86400 s"):
        lives_s(86_401)
    with_ceilings(world, lifetime_max_s=600)
    assert (lives_s(0), lives_s(600)) == (600, 600)
    with pytest.raises(CeilingExceeded, match=r"600 s.*601"):
        lives_s(601)


def test_depth_ends_at_sixteen_or_where_the_agent_says(world: EngineOfTest) -> None:
    run = spawned(world)
    for _ in range(DEPTH_MAX - 1):
        run = spawned(world, below(run))
    assert use(world, run)
    with pytest.raises(CeilingExceeded, match="16 runs deep"):
        spawned(world, below(run))
    with_ceilings(world, depth_max=2)
    first = spawned(world)
    second = spawned(world, below(first))
    with pytest.raises(CeilingExceeded, match="2 runs deep"):
        spawned(world, below(second))


def test_fan_out_counts_those_that_live(world: EngineOfTest) -> None:
    with_ceilings(world, fan_out_max=2)
    parent = spawned(world)
    first, _ = (spawned(world, below(parent)) for _ in range(2))
    with pytest.raises(CeilingExceeded, match="2 runs live"):
        spawned(world, below(parent))
    world.engine.ends.terminate("", first.object)
    spawned(world, below(parent))
    world.engine.runs.renew("", parent.id, lifetime_s=7200)
    world.clock.advance_us(3600 * S)
    spawned(world, below(parent))


def test_profiles_of_an_agent_are_named(world: EngineOfTest) -> None:
    with_ceilings(world, profiles=["look"])
    with pytest.raises(CeilingExceeded, match="look"):
        spawned(world)


# --- sessions and requests that are sent again ------------------------------------------------------------------


def test_a_session_is_the_run_that_lives_under_its_name(world: EngineOfTest) -> None:
    order = replace(ORDER, session="chat 7")
    first = spawned(world, order)
    again = world.engine.runs.spawn("", order).told
    assert (again.run.id, again.was_there) == (first.id, True)
    for other in (replace(order, session="chat 8"), below(first, order)):
        assert spawned(world, other).id != first.id
    for changed in (replace(order, bindings={"a": "1"}), replace(order, profiles=["pay", "small"], intent="pay")):
        with pytest.raises(SessionDiffers, match=f"`run:{first.id}`"):
            spawned(world, changed)
    world.engine.ends.terminate("", first.object)
    second = spawned(world, order)
    assert second.id != first.id
    world.clock.advance_us(3600 * S)
    assert spawned(world, order).id not in (first.id, second.id)


def test_a_request_starts_one_run_however_often_it_is_sent(world: EngineOfTest) -> None:
    key = RequestKey("k", "x")
    first = spawned(world, key=key)
    world.engine.ends.terminate("", first.object)
    world.engine.holds.hold("", ANNE, reason="")
    again = world.engine.runs.spawn("", ORDER, submission=Submission(key=key)).told
    assert (again.run.id, again.run.life, again.was_there) == (first.id, RunLife.TERMINATED, False)
    assert len([each for each in world.facts() if "#delegated_by@" in each]) == 1


# --- what becomes of a run --------------------------------------------------------------------------------------


def test_renewed_a_run_lives_longer_and_never_shorter(world: EngineOfTest) -> None:
    run = spawned(world, replace(ORDER, lifetime_s=600))
    for_a_while = f"profile:look#holder@run:{run.id}[expiration:2026-01-01T00:00:30Z]"
    world.write(for_a_while)
    renewed = world.engine.runs.renew("", run.id, lifetime_s=1200).told
    assert renewed.ends_at_us == world.clock.now_us() + 1200 * S
    assert world.engine.runs.renew("", run.id, lifetime_s=5).told.ends_at_us == renewed.ends_at_us
    assert for_a_while in world.facts()
    world.clock.advance_us(1199 * S)
    assert use(world, run)
    with_ceilings(world, lifetime_max_s=600)
    with pytest.raises(CeilingExceeded):
        world.engine.runs.renew("", run.id, lifetime_s=601)
    world.clock.advance_us(1 * S)
    assert not use(world, run)
    with pytest.raises(LifecycleRefused, match="over"):
        world.engine.runs.renew("", run.id)


def test_what_was_taken_from_a_run_is_not_renewed(world: EngineOfTest) -> None:
    run = spawned(world, replace(ORDER, lifetime_s=600))
    world.write(f"delete profile:pay#holder@run:{run.id}")
    world.engine.runs.renew("", run.id, lifetime_s=1200)
    assert not use(world, run)
    assert not [each for each in world.facts() if f"#holder@run:{run.id}" in each]


def test_an_intent_is_narrowed_to_what_is_inside_of_it(world: EngineOfTest) -> None:
    runs = world.engine.runs
    run = spawned(world)
    for wider in ("tell", "look"):
        with pytest.raises(NotNarrower, match=f"`profile:{wider}` covers"):
            runs.narrow("", run.id, wider)
    with pytest.raises(ObjectUnknown, match="nowhere"):
        runs.narrow("", run.id, "nowhere")
    narrowed = runs.narrow("", run.id, "small").told
    assert (narrowed.intent, narrowed.ends_at_us, narrowed.profiles) == ("small", run.ends_at_us, ("pay",))
    with pytest.raises(NotNarrower, match="for calls"):
        runs.narrow("", run.id, "pay")
    assert runs.narrow("", run.id, "smaller").told.intent == "smaller"
    with pytest.raises(NotNarrower):
        runs.narrow("", run.id, "small")
    assert len([each for each in world.facts() if f"#declarer@run:{run.id}" in each]) == 1


def test_what_is_declared_anew_is_no_more_than_the_delegator_has(world: EngineOfTest) -> None:
    runs = world.engine.runs
    run = runs.narrow("", spawned(world).id, "smaller").told
    with pytest.raises(Excess, match=r"tool:mail\.send"):
        runs.declare_intent("", run.id, "tell")
    assert runs.declare_intent("", run.id, "pay").told.intent == "pay"
    assert use(world, run)
    with_ceilings(world, profiles=["pay"])
    with pytest.raises(CeilingExceeded):
        runs.declare_intent("", run.id, "small")
    world.engine.ends.terminate("", run.object)
    for verb in (runs.narrow, runs.declare_intent):
        with pytest.raises(LifecycleRefused, match="terminated"):
            verb("", run.id, "pay")


def test_each_leaves_an_entry(world: EngineOfTest) -> None:
    run = spawned(world)
    world.engine.runs.renew("", run.id, lifetime_s=7200)
    world.engine.runs.narrow("", run.id, "small")
    world.engine.runs.declare_intent("", run.id, "pay")
    assert [json.loads(each.entry_json)["verb"] for each in deltas(world)[-4:]] == [
        "Spawn", "Renew", "Narrow", "DeclareIntent",
    ]  # fmt: skip
