"""Law: what is deleted from a full store makes room, as operations.md says: by itself in small revisions, and once its
changelog has left the window."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.errors import StoreFull
from remit.model import Caller, Operation, RelationshipFilter, Update
from remit.notation import parse_relationship
from remit.store.lmdb.lmdb_store import LmdbStore
from tests.support.small_worlds import NOW_US

LIMIT_BYTES = 2 * 2**20
HOUR_US = 3_600_000_000
MALLORY, WARDEN = Caller("mallory", client_id="mallory"), Caller("warden", client_id="warden")
SCHEMA = "definition user {} definition run { relation held: user } definition doc { relation viewer: user | run }"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_US)


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    store = LmdbStore(tmp_path / "data", clock_us=clock.now_us, map_size_bytes=LIMIT_BYTES)
    engine = Engine(store, clock, retention_us=HOUR_US)
    engine.schemas.write("", SCHEMA)
    yield engine
    engine.close()


def write(engine: Engine, caller: Caller, *lines: str) -> None:
    updates = [Update(Operation.TOUCH, parse_relationship(line)) for line in lines]
    engine.relationships.write("", updates, caller=caller)


def fill(engine: Engine) -> None:
    chance = random.Random(7)
    for size in (300, 10, 1):
        for number in itertools.count():
            lines = [f"doc:{size}-{number}#viewer@run:{chance.randrange(10**9)}" for _ in range(size)]
            try:
                write(engine, MALLORY, *lines)
            except StoreFull:
                break


def test_deleting_from_a_full_store_makes_room(engine: Engine, clock: ManualClock) -> None:
    fill(engine)
    many = [f"doc:x#viewer@user:{number}" for number in range(100)]
    with pytest.raises(StoreFull):
        write(engine, WARDEN, *many)
    write(engine, WARDEN, "run:r-7#held@user:anne")
    deleted = engine.relationships.delete("", RelationshipFilter("doc", relation="viewer"), caller=WARDEN)
    assert not deleted.complete, "fewer than all at once"
    while not deleted.complete:
        deleted = engine.relationships.delete("", RelationshipFilter("doc", relation="viewer"), caller=WARDEN)
        clock.advance_us(2 * HOUR_US)
        engine.upkeep()
    write(engine, WARDEN, *many)


def test_what_has_expired_in_a_full_store_is_forgotten_and_swept(engine: Engine, clock: ManualClock) -> None:
    engine.schemas.write("", "use expiration " + SCHEMA.replace("viewer: user", "viewer: user with expiration | user"))
    for number in range(10):
        lines = (f"doc:{number}-{each}#viewer@user:a[expiration:2100-01-01T00:00:00Z]" for each in range(200))
        write(engine, MALLORY, *lines)
    fill(engine)
    clock.advance_us(100 * 366 * 24 * HOUR_US)
    engine.upkeep()
    left = engine.relationships.read("", RelationshipFilter("doc", resource_id_prefix="1-"), limit=1).items
    assert not [each for each in left if each.relationship.qualifiers.expiration_us]
