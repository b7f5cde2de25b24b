"""Laws of runs under verbs in any order: a run may exactly while every link of its chain stands, and one is started
exactly where it would be allowed at once. Judged by a model that knows no schema, no facts and no engine."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from remit.engine.agents.chains import DEPTH_MAX
from remit.engine.agents.run_requests import SpawnOrder
from remit.errors import RemitError
from remit.model import ObjectRef, RelationshipFilter, Verdict
from remit.notation import parse_object
from tests.support.agent_world import FACTS, SCHEMA
from tests.support.engines import EngineOfTest

S = 1_000_000
ANNE, BEN, CLOCK = map(parse_object, ("user:anne", "user:ben", "system:clock"))
# What is held at once for all: anne answers for the agent and for the system, and nobody else does.
SHARED = ("user:anne", "agent:payer", "agent_version:payer.2", "credential:local", "domain:office", "profile:pay")


@dataclass
class Run:
    delegator: ObjectRef
    depth: int
    ends_at_us: int
    consent: str = ""
    is_terminated: bool = False


@dataclass
class Model:
    """What there is, in plain words."""

    now_us: int
    runs: dict[ObjectRef, Run] = field(default_factory=dict)
    holds: dict[str, ObjectRef] = field(default_factory=dict)
    standing: dict[ObjectRef, set[str]] = field(default_factory=lambda: {ANNE: {"c"}, BEN: set()})

    def is_held(self, object: ObjectRef) -> bool:
        return object in self.holds.values()

    def may(self, object: ObjectRef) -> bool:
        """Whether every link from here up stands."""
        if any(self.is_held(parse_object(each)) for each in SHARED) or self.is_held(object):
            return False
        run = self.runs.get(object)
        if run is None:
            return True
        return (
            not run.is_terminated
            and run.ends_at_us > self.now_us
            and (run.delegator.type != "user" or run.consent in self.standing[run.delegator])
            and self.may(run.delegator)
        )

    def may_start_below(self, delegator: ObjectRef) -> bool:
        consents = delegator.type != "user" or bool(self.standing[delegator])
        is_shallow = delegator not in self.runs or self.runs[delegator].depth < DEPTH_MAX
        return self.may(delegator) and consents and is_shallow


class Spawning(RuleBasedStateMachine):
    picks = st.integers(0, 10_000)

    @initialize()
    def begin(self) -> None:
        self.world = EngineOfTest("memory", Path())
        self.world.schema(SCHEMA)
        self.world.write(*FACTS)
        self.model = Model(self.world.clock.now_us())
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.engine.close()

    def some(self, pick: int) -> ObjectRef:
        objects = [ANNE, BEN, CLOCK, *self.model.runs]
        return objects[pick % len(objects)]

    @rule(pick=picks, lifetime_s=st.sampled_from((10, 60)))
    def spawn(self, pick: int, lifetime_s: int) -> None:
        delegator = self.some(pick)
        order = SpawnOrder(delegator, "payer.2", ["pay"], lifetime_s=lifetime_s)
        may_start = self.model.may_start_below(delegator)
        try:
            run = self.world.engine.runs.spawn("", order).told.run
        except RemitError as error:
            assert not may_start, (delegator, error)
            return
        assert may_start, delegator
        depth = self.model.runs[delegator].depth + 1 if delegator in self.model.runs else 1
        named = RelationshipFilter("consent", relation="run", subject_type="run", subject_id=run.id)
        consents = [each.relationship.resource.id for each in self.world.stored(named)]
        assert len(consents) == (delegator.type == "user")
        consent = consents[0] if consents else ""
        assert run.ends_at_us is not None
        self.model.runs[run.object] = Run(delegator, depth, run.ends_at_us, consent)
        assert self.model.may(run.object)

    @rule(pick=picks, shared=st.sampled_from((None, None, *SHARED)))
    def hold(self, pick: int, shared: str | None) -> None:
        on = parse_object(shared) if shared is not None else self.some(pick)
        self.count += 1
        self.world.engine.holds.hold("", on, reason="", id=f"h{self.count}")
        self.model.holds[f"h{self.count}"] = on

    @precondition(lambda self: self.model.holds)
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        id = sorted(self.model.holds)[pick % len(self.model.holds)]
        self.world.engine.holds.release("", id)
        del self.model.holds[id]

    @precondition(lambda self: self.model.runs)
    @rule(pick=picks)
    def terminate(self, pick: int) -> None:
        run = list(self.model.runs)[pick % len(self.model.runs)]
        self.world.engine.ends.terminate("", run)
        self.model.runs[run].is_terminated = True

    @rule(person=st.sampled_from((ANNE, BEN)))
    def give(self, person: ObjectRef) -> None:
        self.model.standing[person].add(self.world.engine.consents.give("", person, ["payer"]).told.id)

    @rule(person=st.sampled_from((ANNE, BEN)), pick=picks)
    def withdraw(self, person: ObjectRef, pick: int) -> None:
        standing = sorted(self.model.standing[person])
        if standing:
            id = standing[pick % len(standing)]
            self.world.engine.consents.withdraw("", id)
            self.model.standing[person].remove(id)

    @precondition(lambda self: self.model.runs)
    @rule(pick=picks)
    def renew(self, pick: int) -> None:
        object = list(self.model.runs)[pick % len(self.model.runs)]
        run = self.model.runs[object]
        is_living = not run.is_terminated and run.ends_at_us > self.model.now_us
        try:
            state = self.world.engine.runs.renew("", object.id, lifetime_s=60).told
        except RemitError:
            assert not is_living
            return
        assert is_living
        run.ends_at_us = max(run.ends_at_us, self.model.now_us + 60 * S)
        assert state.ends_at_us == run.ends_at_us

    @rule(seconds=st.sampled_from((1, 10, 30)))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance_us(seconds * S)
        self.model.now_us = self.world.clock.now_us()

    @invariant()
    def every_run_may_exactly_while_its_chain_stands(self) -> None:
        for run in self.model.runs if hasattr(self, "model") else ():
            may = self.world.verdict(f"tool:erp.pay#use@{run}") is Verdict.YES
            assert may is self.model.may(run), run


Spawning.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSpawning = Spawning.TestCase


def test_no_run_below_a_held_parent_is_allowed_whoever_was_first(tmp_path: Path) -> None:
    """Spawns of four threads, while a fifth holds the parent: once the hold is acknowledged no run below may, and no
    spawn that begins after it starts one."""
    world = EngineOfTest("lmdb", tmp_path)
    world.schema(SCHEMA)
    world.write(*FACTS)
    spawn = world.engine.runs.spawn
    started = 0
    for _ in range(5):
        parent = spawn("", SpawnOrder(ANNE, "payer.2", ["pay"])).told.run
        order = SpawnOrder(parent.object, "payer.2", ["pay"])
        is_held, begun = threading.Event(), threading.Barrier(5)
        found: list[ObjectRef] = []
        too_late: list[ObjectRef] = []

        def spawning(
            order: SpawnOrder = order,
            is_held: threading.Event = is_held,
            begun: threading.Barrier = begun,
            found: list[ObjectRef] = found,
            too_late: list[ObjectRef] = too_late,
        ) -> None:
            begun.wait()
            while True:
                was_held = is_held.is_set()
                try:
                    run = spawn("", order).told.run.object
                except RemitError:
                    return
                (too_late if was_held else found).append(run)

        threads = [threading.Thread(target=spawning) for _ in range(4)]
        for each in threads:
            each.start()
        begun.wait()
        while len(found) < 3:
            time.sleep(0.001)
        world.engine.holds.hold("", parent.object, reason="")
        is_held.set()
        may = [each for each in list(found) if world.verdict(f"tool:erp.pay#use@{each}") is Verdict.YES]
        for thread in threads:
            thread.join()
        assert may == []
        assert too_late == []
        assert [each for each in found if world.verdict(f"tool:erp.pay#use@{each}") is Verdict.YES] == []
        started += len(found)
    assert started >= 15
    world.engine.close()
