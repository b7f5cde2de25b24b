"""An object that is over for good is swept as a whole: nothing names it any more, its name never returns, and nobody
else may do more than before."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from remit.engine import ended
from remit.engine.ended import ROWS_MAX, sweep_ended, sweepable
from remit.errors import SweptRefused
from remit.language import plan
from remit.language.effort import Effort
from remit.language.polarity import find_subtracted
from remit.language.reach import Reach
from remit.model import Call, ObjectRef, Provenance, Question, RecordKey, Relationship, StoredRelationship, Verdict
from remit.notation import format_relationship, format_time, parse_question
from remit.store.memory import MemoryStore
from remit.store.port import SMALL_WEIGHT_MAX, Draft, WriteTransaction
from remit.world import World
from tests.support.engines import EngineOfTest, facts
from tests.support.judge import Judge
from tests.support.places import ROOT
from tests.support.random_worlds import NOW_US, OBJECTS, declared_as_held, random_world
from tests.support.seeds import Seeds
from tests.support.store.worlds import record

SCHEMA = """
use delegation
use expiration
definition directory {}
definition hold {}
definition credential {}
definition user { permission live = registered; relation registered: user }
definition run {
    single relation delegated_by: run | user
    relation hold: hold
    single final managed relation spawned_by: credential
    final managed relation terminated: directory
    permission live = delegated_by.exists() - (hold.exists() + terminated.exists())
}
definition profile { relation holder: user | run | run with expiration }
definition tool {
    relation may_use: profile#holder | run
    relation denied: run | run#delegated_by
    relation stopped_by: run
    permission link = may_use - denied
    permission use = link.along(delegated_by)
    permission free = may_use - stopped_by.exists()
}
"""
LONG_US = 10**12
RUN = ObjectRef("run", "r")


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    return engine


def sweep(world: EngineOfTest, object: ObjectRef = RUN, end: str = "terminated") -> int:
    (count,) = sweep_ended(world.engine.loaded, world.engine.loaded.of(""), [object], end)
    return count


def let_pass(world: EngineOfTest) -> None:
    """As long as revisions can be asked about, and a revision after that."""
    world.clock.advance_us(LONG_US)
    world.engine.upkeep()


def test_all_that_names_it_goes_in_one_revision_and_its_name_never_returns(world: EngineOfTest) -> None:
    world.write("run:r#delegated_by@user:u", "run:r#terminated@directory:d", "run:r#hold@hold:h")
    world.write("profile:p#holder@run:r", "tool:t#denied@run:r", "tool:t#may_use@run:r", "profile:p#holder@user:u")
    world.engine.relationships.write("", [], records=[record("hold", "hold:h", b"why")])
    let_pass(world)
    head = world.engine.loaded.of("").revision
    assert sweep(world) == 6
    assert world.engine.loaded.of("").revision == head + 1
    assert world.facts() == ["profile:p#holder@user:u"]
    assert {str(each.key) for each in world.graph().relationships()} == {"profile:p#holder@user:u"}
    stored = world.engine.records.read("", RecordKey("swept", RUN))
    assert stored is not None and stored.provenance.principal == "remit"
    for line in ("run:r#delegated_by@user:u", "create run:r#terminated@directory:d", "run:r#hold@hold:h"):
        with pytest.raises(SweptRefused, match="what begins anew has another id") as refused:
            world.write("run:s#delegated_by@user:u", line)
        assert (refused.value.reason, refused.value.field) == ("OBJECT_SWEPT", "updates[1]")
    failed = world.engine.streams.import_("").take(facts("run:r#delegated_by@user:u")).exception(30)
    assert isinstance(failed, SweptRefused)
    world.write("delete run:r#hold@hold:h", "run:s#delegated_by@user:u")
    assert sweep(world) == 0, "and is not swept again"
    world.check_laws()


def test_what_its_end_would_hold_back_is_not_put_below_a_name_that_was_swept(world: EngineOfTest) -> None:
    world.write("profile:p#holder@user:u", "run:r#terminated@directory:d")
    let_pass(world)
    assert sweep(world) == 1
    for line in (
        "run:below#delegated_by@run:r",
        "tool:t#stopped_by@run:r",
        "tool:t#denied@run:r#delegated_by",
        f"profile:p#holder@run:r[expiration:{format_time(NOW_US + 2 * LONG_US)}]",
    ):
        with pytest.raises(SweptRefused) as refused:
            world.write("tool:t#may_use@run:s", line)
        assert (refused.value.field, refused.value.metadata["object"]) == ("updates[1]", "run:r")
    assert world.facts() == ["profile:p#holder@user:u"]


def test_the_past_still_has_it_for_as_long_as_it_can_be_asked(world: EngineOfTest) -> None:
    world.write("run:r#delegated_by@user:u", "run:r#terminated@directory:d", "tool:t#denied@run:r")
    let_pass(world)
    before = world.engine.schemas.read("").token
    assert sweep(world)
    with world.store.read("default") as view:
        (delta,) = view.changelog(view.head.revision - 1)
    assert len(delta.changes) == 3
    assert world.verdict("tool:t#denied@run:r", at_exactly=before) is Verdict.YES


def test_it_is_not_swept_before_its_end_is_long_past(world: EngineOfTest) -> None:
    world.write("run:r#delegated_by@user:u")
    let_pass(world)
    assert sweep(world) == 0, "it is not over"
    world.write("run:r#terminated@directory:d")
    assert sweep(world) == 0, "its end can still be asked about"
    let_pass(world)
    assert sweep(world) == 2


def test_what_is_final_and_no_end_is_no_reason_to_sweep(world: EngineOfTest) -> None:
    """With which credential a run was started is final from its first moment on."""
    world.write("run:r#delegated_by@user:u", "run:r#spawned_by@credential:c", "run:r#hold@hold:h")
    let_pass(world)
    assert sweep(world) == 0
    world.write("run:r#terminated@directory:d")
    let_pass(world)
    assert [sweep(world, end=end) for end in ("hold", "live", "unheard_of")] == [0, 0, 0], "none of these is final"
    assert sweep(world, ObjectRef("rum", "r")) == 0
    assert sweep(world) == 4


@pytest.mark.parametrize(
    ("tied", "is_put_off"),
    [
        ("run:below#delegated_by@run:r", True),
        ("tool:t#stopped_by@run:r", True),
        ("tool:t#denied@run:r#delegated_by", True),
        ("tool:t#denied@run:r", False),
        ("tool:t#may_use@run:r", False),
    ],
)
def test_it_is_not_swept_while_it_holds_others_back(world: EngineOfTest, tied: str, is_put_off: bool) -> None:
    world.write("run:r#delegated_by@user:u", "run:r#terminated@directory:d", tied)
    let_pass(world)
    assert (sweep(world) == 0) is is_put_off
    world.write(f"delete {tied}")
    assert bool(sweep(world)) is is_put_off


def test_what_a_document_may_ask_about_is_not_swept(engine: EngineOfTest) -> None:
    """A call names it, and no relationship does, so nothing ties it to whom it holds back."""
    schema = """
        use arguments
        use delegation
        definition directory {}
        definition user {}
        definition account {
            final relation closed: directory
            relation sanctioned: user:*
            permission barred = sanctioned
        }
        definition tool {
            relation may_use: user with arguments
            relation denied: user:* with matchingASKED
            permission use = may_use - denied
        }
    """
    engine.schema(schema.replace("ASKED", "(account#barred)"))
    engine.write("account:x#sanctioned@user:*", "account:x#closed@directory:d")
    engine.write('tool:pay#may_use@user:u[arguments:{"to":{}}]')
    engine.write('tool:pay#denied@user:*[matching:{"to":{"related":{"type":"account","permission":"barred"}}}]')
    pays = Question(*parse_question("tool:pay#use@user:u"), call=Call("pay", b'{"to":"x"}'))
    assert engine.engine.questions.check("", pays).verdict is Verdict.NO
    let_pass(engine)
    assert sweep(engine, ObjectRef("account", "x"), "closed") == 0
    assert engine.engine.questions.check("", pays).verdict is Verdict.NO
    engine.write("delete tool:pay#denied@user:*")
    engine.schema(schema.replace("ASKED", ""))
    let_pass(engine)
    assert sweep(engine, ObjectRef("account", "x"), "closed") == 2


def test_a_run_below_is_swept_before_the_one_above(world: EngineOfTest) -> None:
    world.write("run:r#delegated_by@user:u", "run:r#terminated@directory:d")
    world.write("run:below#delegated_by@run:r", "run:below#terminated@directory:d")
    let_pass(world)
    assert [sweep(world, each) for each in (RUN, ObjectRef("run", "below"), RUN)] == [0, 2, 2]


def test_what_is_more_than_one_revision_takes_is_not_begun(
    world: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"profile:p{number}#holder@run:r" for number in range(SMALL_WEIGHT_MAX + 5)]
    world.write("run:r#delegated_by@user:u", "run:r#terminated@directory:d", *many)
    let_pass(world)
    monkeypatch.setattr(ended, "ROWS_MAX", len(many) + 1)
    assert sweep(world) == 0
    assert len(world.facts()) == len(many) + 2
    world.write(f"delete {many[0]}")
    assert sweep(world) == len(many) + 1, "many are one revision still"
    assert world.facts() == []


def test_runs_that_were_swept_leave_nothing_in_memory(world: EngineOfTest) -> None:
    runs = [ObjectRef("run", f"n{number}") for number in range(200)]
    for run in runs:
        world.write(f"{run}#delegated_by@user:u", f"profile:p#holder@{run}", f"{run}#terminated@directory:d")
    let_pass(world)
    assert sweep_ended(world.engine.loaded, world.engine.loaded.of(""), runs, "terminated") == [3] * len(runs)
    assert len(world.graph()) == 0
    let_pass(world)
    world.check_laws()


def test_in_the_shipped_schema_what_was_over_has_nothing_back_when_it_is_swept(engine: EngineOfTest) -> None:
    """Where a schema lets through whom it never heard of, a swept name is let through again. This one does not: of the
    swept run, as of all others, no answer has become more of a yes."""
    world = World.read(ROOT / "schema" / "worlds" / "terminated-run.yaml")
    engine.schema(world.schema.text)
    below = {ObjectRef("run", "r-3"), ObjectRef("run", "r-4")}
    written = [each for each in world.relationships if not below & {each.resource, each.subject.object}]
    engine.write(*(format_relationship(each) for each in written))
    objects = {each for fact in written for each in (fact.resource, fact.subject.object)}
    definitions = world.schema.definitions
    questions = [
        f"{object}#{permission}@{subject}"
        for object in objects
        for permission in definitions[object.type].permissions
        for subject in objects
    ]
    let_pass(engine)
    before = {each: engine.verdict(each) for each in questions}
    assert sweep(engine, ObjectRef("run", "r-2")) == 5
    gained = [each for each in questions if engine.verdict(each).value > before[each].value]
    assert gained == []


# --- nobody else gains --------------------------------------------------------------------------------------------


END = "r1"


def with_ends(schema: plan.Schema) -> plan.Schema:
    """The schema with a relation of each type that is final."""
    definitions = {
        type: replace(
            definition,
            relations={name: replace(each, final=name == END) for name, each in definition.relations.items()},
        )
        for type, definition in schema.definitions.items()
    }
    schema = replace(schema, definitions=definitions)
    relations, counted = find_subtracted(schema, Reach(schema, identity=False), Effort())
    return replace(schema, subtracted=relations, counted=counted)


def kept(world_facts: list[Relationship], schema: plan.Schema, object: ObjectRef) -> list[Relationship] | None:
    """What a sweep of the object leaves; None where it is put off."""
    store = MemoryStore(clock_us=lambda: 1)

    def put(view: WriteTransaction) -> Draft:
        for each in world_facts:
            view.put(StoredRelationship(each, Provenance("", "", 1)))
        return Draft("")

    try:
        store.create("default")
        store.submit("default", put).result(60)
        store.trim("default", 1)
        with store.read("default") as view:
            gone = set(sweepable(view, schema, object, END, ROWS_MAX))
    finally:
        store.close()
    return [each for each in world_facts if each.key not in gone] if gone else None


@pytest.mark.seeds(240, shards=4)
def test_nobody_else_gains_by_a_sweep(seeds: Seeds) -> None:
    """Neither what an answer is at least nor what it is at most."""
    swept = put_off = 0
    for seed in seeds:
        world, random = random_world(seed), Random(seed)
        schema = with_ends(declared_as_held(world))
        object = random.choice([each for each in OBJECTS[:6] if each != world.subject.object])
        left = kept(world.relationships, schema, object)
        if left is None:
            put_off += 1
            continue
        swept += 1
        before, after = (
            Judge(schema, facts, world.subject, NOW_US, world.context) for facts in (world.relationships, left)
        )
        before.table(), after.table()
        for cell in after.low:
            if cell[0] != object and cell[2].object != object:
                is_more = after.low[cell] > before.low.get(cell, 0) or after.high[cell] > before.high.get(cell, 0)
                assert not is_more, f"seed {seed}: {cell} rises without {object}"
    seeds.require(swept > 3 and put_off > 3, f"{swept} swept, {put_off} put off")
