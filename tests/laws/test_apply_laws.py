"""Laws of Apply, on random organisations that two sets and somebody else write at once: it is what the plain meaning
below says, what others have written stays, and what is applied again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.engine.agents.applies import Change
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import ApplyRefused
from remit.model import Operation, RelationshipFilter, Update
from remit.notation import format_relationship, parse_relationship
from remit.store.memory import MemoryStore
from tests.support.small_worlds import NOW_US

SCHEMA = 'use import\nimport "remit:agents@1"\n'
USERS = tuple(f"u{each}" for each in range(2))
BASE = tuple(f"user:{each}#registered@directory:base" for each in USERS)  # so that whoever is named is known
SETS = ("a", "b")

Document = tuple[str, str, frozenset[str]]  # kind, name, whom it names

documents = st.dictionaries(
    st.sampled_from([("Team", "t0"), ("Contact", "u0")]),
    st.frozensets(st.sampled_from(USERS), min_size=1),
    min_size=1,
)
applies = st.tuples(st.just("apply"), st.sampled_from(SETS), documents, st.booleans())
facts_of_others = st.builds(
    lambda of, who: f"{of}@user:{who}",
    st.sampled_from(["team:t0#member", "user:u0#contact"]),
    st.sampled_from(USERS),
)
others = st.tuples(st.sampled_from(["write", "delete"]), facts_of_others)
steps = st.lists(st.one_of(applies, others), min_size=4, max_size=12)


def meant(kind: str, name: str, named: frozenset[str]) -> set[str]:
    of = f"team:{name}#member" if kind == "Team" else f"user:{name}#contact"
    return {f"{of}@user:{who}" for who in named}


def sent(kind: str, name: str, named: frozenset[str]) -> bytes:
    spec = {"members" if kind == "Team" else "known_by": sorted(named)}
    whole = {"apiVersion": "remit/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return json.dumps(whole).encode()


@dataclass
class Meaning:
    """The facts of the store; and of each document of which set it is, and which of its facts Apply has written."""

    facts: set[str] = field(default_factory=lambda: set(BASE))
    of_set: dict[tuple[str, str], str] = field(default_factory=dict)
    written: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def refuses(self, of_set: str, given: dict[tuple[str, str], frozenset[str]]) -> bool:
        return any(self.of_set.get(each, of_set) != of_set for each in given)

    def apply(self, of_set: str, given: dict[tuple[str, str], frozenset[str]], prune: bool) -> None:
        gone = [each for each, of in self.of_set.items() if prune and of == of_set and each not in given]
        for each in gone:
            self.facts -= self.written.pop(each)
            del self.of_set[each]
        for each, named in given.items():
            wanted, before = meant(*each, named), self.written.get(each, set())
            self.facts -= before - wanted
            self.written[each] = (wanted & before) | (wanted - self.facts)
            self.facts |= wanted
            self.of_set[each] = of_set


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One for all examples, each with a store of its own: to compile the schema takes longer than all the rest."""
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    yield engine
    engine.close()


@settings(max_examples=50, deadline=None)
@given(steps=steps)
def test_apply_is_what_it_means_whoever_writes_beside_it(engine: Engine, steps: list[tuple[object, ...]]) -> None:
    store = "example"
    engine.stores.create(store)
    try:
        engine.schemas.write(store, SCHEMA)
        write(engine, store, Operation.TOUCH, *BASE)
        meaning = Meaning()
        for step in steps:
            take(engine, store, meaning, step)
            assert facts(engine, store) == meaning.facts
    finally:
        engine.stores.delete(store)


def take(engine: Engine, store: str, meaning: Meaning, step: tuple[object, ...]) -> None:
    match step:
        case ("write", str(fact)):
            write(engine, store, Operation.TOUCH, fact)
            meaning.facts |= {fact}
        case ("delete", str(fact)):
            write(engine, store, Operation.DELETE, fact)
            meaning.facts -= {fact}
        case ("apply", str(of), dict(given), bool(prune)):
            requests = [sent(*each, named) for each, named in given.items()]
            if meaning.refuses(of, given):
                with pytest.raises(ApplyRefused):
                    engine.applies.apply(store, requests, set=of, prune=prune)
                return
            token = engine.applies.apply(store, requests, set=of, prune=prune).token
            meaning.apply(of, given, prune)
            again = engine.applies.apply(store, requests, set=of, prune=prune)
            assert {each.change for each in again.told} == {Change.UNCHANGED}
            assert again.token == token
        case _:
            raise AssertionError(step)


def write(engine: Engine, store: str, operation: Operation, *lines: str) -> None:
    engine.relationships.write(store, [Update(operation, parse_relationship(line)) for line in lines])


def facts(engine: Engine, store: str) -> set[str]:
    found = engine.relationships.read(store, RelationshipFilter()).items
    return {format_relationship(each.relationship) for each in found}
