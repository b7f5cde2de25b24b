"""Law: checks and writes from many threads never wait for each other in a cycle, and a check sees a delta whole."""

from __future__ import annotations

import threading
from collections.abc import Callable

from remit.errors import StepBudgetSpent
from remit.eval import native
from remit.graph.native import NativeGraph
from remit.language import compile_schema
from remit.model import Change, ObjectRef, Provenance, Relationship, StoredRelationship, SubjectRef, Verdict
from remit.notation import parse_relationship
from tests.support.native.worlds import cache_of, needs_core

pytestmark = needs_core

SCHEMA = compile_schema(
    """
    use delegation
    definition user {}
    definition folder {
      relation parent: folder
      relation viewer: user
      relation shown: user
      permission view = viewer + parent->view
      // not bounded by what leads to a subject, so that no walk from its side settles it: all of the chain is walked
      permission opened = viewer + parent->opened + shown.exists()
    }
    """
).schema
DEPTH = 12_000  # more steps than are done with the GIL held, and enough for the interrupt to be asked
ANNE = SubjectRef("user", "anne")
TOP = StoredRelationship(parse_relationship("folder:0#viewer@user:anne"), Provenance("anne", "", 1))
OTHER_TOP = StoredRelationship(parse_relationship("folder:other#viewer@user:anne"), Provenance("anne", "", 1))
ASKED = [(ObjectRef("folder", id), "view", ANNE) for id in ("0", "other", str(DEPTH), "1")]


def all_together(*works: Callable[[], None]) -> None:
    """Run each in a thread of its own; the first failure is raised. Who waits for ever fails."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told below, whatever it is
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    for failure in failures:
        raise failure


def test_checks_and_writes_never_wait_in_a_cycle() -> None:
    """The two facts come and go in one delta, so whoever sees one without the other saw half of it."""
    facts = [
        Relationship(ObjectRef("folder", str(n + 1)), "parent", SubjectRef("folder", str(n))) for n in range(DEPTH)
    ]
    graph = NativeGraph(facts)
    native.install(graph, SCHEMA)
    ended = threading.Event()
    asked_of_python = [0, 0, 0]

    def write() -> None:
        try:
            for revision in range(1, 1_500):
                is_there = revision % 2 == 1
                before, after = (None, 1) if is_there else (1, None)
                graph.apply(
                    [Change(before and each, after and each) for each in (TOP, OTHER_TOP)],  # type: ignore[arg-type]
                    revision,
                )
                answered = native.check(graph, *ASKED[revision % 2], now_us=0)
                expected = Verdict.YES if is_there else Verdict.NO
                assert answered == (expected, answered and answered.steps, revision), (
                    "a write is seen by the next check"
                )
        finally:
            ended.set()

    def check(place: int) -> None:
        def interrupt() -> None:
            asked_of_python[place] += 1

        with cache_of((0, 1024, 1024)[place]):
            while not ended.is_set():
                answers = native.check_many(graph, ASKED * 10, now_us=0, interrupt=interrupt)
                assert len({each and each[::2] for each in answers if not isinstance(each, StepBudgetSpent)}) == 1
                assert len(answers) == 40  # all of one state, or all left to Python after giving way too often
                native.check(graph, *ASKED[2], now_us=0, interrupt=interrupt)
                edges = graph.edges(ObjectRef("folder", "7"), "parent")
                assert [subject for subject, _ in edges] == [SubjectRef("folder", "6")]
                assert len(graph) >= DEPTH

    all_together(write, *(lambda place=place: check(place) for place in range(3)))
    graph.check_invariants()


def test_a_question_that_writes_overtake_ends_all_the_same() -> None:
    """It begins anew after each of them, and gives way to who waits; to no end: then Python has to answer it."""
    deep = 60_000
    facts = [Relationship(ObjectRef("folder", str(n + 1)), "parent", SubjectRef("folder", str(n))) for n in range(deep)]
    facts.append(
        Relationship(ObjectRef("folder", "elsewhere"), "viewer", ANNE)
    )  # or nothing leads to her, and no step is taken
    graph = NativeGraph(facts)
    native.install(graph, SCHEMA)
    bottom = ObjectRef("folder", str(deep))
    looked_up, wrote = 0, 0
    ended = threading.Event()

    def look_up() -> None:
        nonlocal looked_up
        looked_up += 1

    def overtake() -> None:
        nonlocal wrote
        wrote += 1
        graph.add(Relationship(ObjectRef("folder", f"new{wrote}"), "viewer", ANNE))

    def write() -> None:
        while not ended.is_set():
            overtake()

    def check() -> None:
        try:
            for _ in range(3):
                answered = native.check(graph, bottom, "opened", ANNE, now_us=1, interrupt=look_up)
                assert answered is None or answered.verdict is Verdict.NO
        finally:
            ended.set()

    with cache_of(0):
        answered = native.check(graph, bottom, "opened", ANNE, now_us=1, interrupt=look_up)
        assert answered is not None and answered.verdict is Verdict.NO and answered.steps > 2 * deep
        assert looked_up > 0
        answered = native.check(graph, bottom, "opened", ANNE, now_us=1, interrupt=overtake)
        assert answered is not None and answered.verdict is Verdict.NO and answered.steps > 2 * deep
        assert wrote > 0
    all_together(check, write)
    graph.check_invariants()
