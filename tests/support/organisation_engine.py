"""Random organisations in a real engine, whose schema is compiled once."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import assume

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import SingleTaken
from remit.model import Operation, RelationshipFilter, Update
from remit.store.memory import MemoryStore
from remit.store.port import Draft, WriteTransaction
from tests.support.organisations import NOW_US, Organisation

STORE = "organisation"


@functools.cache
def _engine() -> tuple[Engine, MemoryStore, str]:
    """With its store, and the schema as it is kept."""
    clock = ManualClock(NOW_US)
    store = MemoryStore(clock_us=clock.now_us)
    engine = Engine(store, clock)
    engine.schemas.write("", 'use import\nimport "remit:agents@1"')
    with store.read("default") as view:
        kept = view.head.schema_text
    assert kept is not None
    return engine, store, kept


@contextmanager
def engine_of(organisation: Organisation) -> Iterator[Engine]:
    """An engine with the organisation in the store `STORE`, for as long as it is wanted. Discards what has two at once
    where a relation takes one."""
    engine, store, kept = _engine()
    engine.stores.create(STORE)

    def as_kept(view: WriteTransaction) -> Draft:
        view.put_schema(kept)  # it would take half a second to compile it each time
        return Draft("tests")

    try:
        store.write(STORE, as_kept)
        try:
            engine.relationships.write(STORE, [Update(Operation.TOUCH, each) for each in organisation.facts])
        except SingleTaken:
            assume(False)
        yield engine
    finally:
        engine.stores.delete(STORE)


def facts_of(engine: Engine) -> Organisation:
    """What the store holds."""
    found = engine.relationships.read(STORE, RelationshipFilter())
    assert not found.next_cursor
    return Organisation(tuple(each.relationship for each in found.items))
