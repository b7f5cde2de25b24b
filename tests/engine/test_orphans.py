"""Laws of looking for what a schema leaves without a place: it ends with its caller, and guesses once."""

from __future__ import annotations

import pytest

from remit import suggest
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.orphans import find_orphans, judge
from remit.errors import Cancelled, SchemaOrphansRelationships
from remit.language import compile_schema
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.store.memory import MemoryStore

NOW_US = 1_800_000_000_000_000
FACTS = 1_000

OLD = compile_schema("definition user {} definition doc { relation viewer: user; relation editor: user }").schema
NEW = compile_schema("definition user {} definition doc { relation viewr: user; relation editor: user }").schema


@pytest.fixture(name="store")
def _store() -> MemoryStore:
    clock = ManualClock(NOW_US)
    store = MemoryStore(clock_us=clock.now_us)
    engine = Engine(store, clock)
    engine.schemas.write("", OLD.text)
    facts = [parse_relationship(f"doc:{at}#viewer@user:u{at}") for at in range(FACTS)]
    engine.relationships.write("", [Update(Operation.TOUCH, fact) for fact in facts])
    return store


def test_what_is_meant_by_a_relation_that_is_gone_is_guessed_once(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    guessed = []
    monkeypatch.setattr(suggest, "_closest", lambda word, candidates: guessed.append(word) or "viewr")
    with store.read("default") as view:
        (orphans,) = find_orphans(view, OLD, NEW, NOW_US)
    assert orphans.count == FACTS
    assert {reason for _, reason in orphans.examples} == {
        "relation `viewer` is not defined on `doc`; did you mean `viewr`?"
    }
    assert guessed == ["viewer"]


def test_the_look_ends_when_nobody_waits_for_it(store: MemoryStore) -> None:
    looks = []

    def left() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise Cancelled("the caller left")

    with store.read("default") as view:
        with pytest.raises(SchemaOrphansRelationships):
            judge(view, OLD, NEW, NOW_US, 10)
        with pytest.raises(Cancelled):
            judge(view, OLD, NEW, NOW_US, 10, left)
    assert len(looks) == 3
