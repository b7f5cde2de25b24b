"""Descriptors of tools: found by their digests as they stood at the revision of a view, and read once."""

from __future__ import annotations

from hashlib import sha256

import pytest

from remit.engine import descriptors
from remit.errors import RevisionGone
from remit.model import ObjectRef, Record, RecordKey
from remit.store.port import Draft, WriteTransaction
from tests.support.engines import EngineOfTest, update
from tests.support.store.worlds import recording

SCHEMA = "definition descriptor {}\ndefinition tool { relation descriptor: descriptor }"
DOCUMENT = b'{"input_schema":{"type":"object"},"name":"pay"}'
DIGEST = sha256(DOCUMENT).hexdigest()
KEY = RecordKey("descriptor", ObjectRef("descriptor", DIGEST))
PAYS = Record(*KEY, DOCUMENT)
FACT = "tool:pay#descriptor@descriptor:d"


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    return engine


def write(world: EngineOfTest, *records: Record) -> str:
    return world.engine.relationships.write("", [update(FACT)], records=records).token


def name_at(world: EngineOfTest, token: str = "", digest: str = DIGEST) -> str | None:
    descriptor = world.engine.views.of("", at_exactly=token).descriptor(digest)
    return descriptor.name if descriptor is not None else None


def test_a_view_has_the_descriptors_of_its_revision(world: EngineOfTest) -> None:
    before = write(world)
    old_view = world.engine.views.of("")
    there = write(world, PAYS)
    held_view = world.engine.views.of("")
    again = write(world, PAYS)

    def forget(view: WriteTransaction) -> Draft:
        view.delete_record(KEY)
        return Draft("remit")

    world.store.write("default", forget)
    gone = write(world)
    assert [name_at(world, token) for token in (before, there, again, gone, "")] == [None, "pay", "pay", None, None]
    assert old_view.descriptor(DIGEST) is None
    assert held_view.descriptor(DIGEST) is not None, "what goes on meanwhile is nothing to a view"
    write(world, PAYS)
    assert name_at(world, gone) is None, "what was written since was not there"
    assert [name_at(world, token) for token in (there, "")] == ["pay", "pay"]
    assert name_at(world, digest="d") is None


def test_contextual_facts_and_transactions_see_them_too(world: EngineOfTest) -> None:
    seen: list[str | None] = []

    def admission(transaction: WriteTransaction) -> Draft:
        for _ in range(2):
            staged = world.engine.views.staged(transaction).descriptor(DIGEST)
            seen.append(staged.name if staged is not None else None)
            recording(PAYS)(transaction)
        return Draft("remit")

    world.store.write("default", admission)
    assert seen == [None, "pay"]
    view = world.engine.views.of("", contextual=[update("tool:mail#descriptor@descriptor:d").relationship])
    assert view.descriptor(DIGEST) is not None


def test_what_the_changelog_has_forgotten_is_an_error_and_no_answer(world: EngineOfTest) -> None:
    view = world.engine.views.of("")
    write(world, PAYS)
    world.clock.advance_us(10**12)
    world.engine.upkeep()
    with pytest.raises(RevisionGone):
        view.descriptor(DIGEST)


def test_one_that_can_no_longer_be_read_is_none(world: EngineOfTest) -> None:
    document = b'{"input_schema":{"type":"object","patternProperties":{}}}'
    digest = sha256(document).hexdigest()
    world.store.write("default", recording(Record("descriptor", ObjectRef("descriptor", digest), document)))
    assert name_at(world, digest=digest) is None


def test_it_is_read_once_and_a_bounded_number_is_kept(world: EngineOfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "KEPT_MAX", 2)
    documents = [b'{"input_schema":{"type":"object"},"name":"%d"}' % number for number in range(3)]
    records = [Record("descriptor", ObjectRef("descriptor", sha256(each).hexdigest()), each) for each in documents]
    write(world, *records)
    view = world.engine.views.of("")
    first, second, third = (each.object.id for each in records)
    kept = [view.descriptor(first), view.descriptor(second)]
    assert view.descriptor(first) is kept[0]
    assert view.descriptor(third) is not None
    assert view.descriptor(first) is kept[0]
    assert view.descriptor(second) is not kept[1]
    assert view.descriptor(second) == kept[1]
