"""Records: of kinds there are, fixed where a name promises it, and in the revision of the facts they go with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256

import pytest

from remit.engine.record_kinds import KINDS, RECORDS_MAX, Naming, check_record
from remit.engine.watching import Watched
from remit.errors import (
    BackupRefused,
    InvalidArgument,
    LimitExceeded,
    RecordFixed,
    RecordRefused,
    RelationshipRefused,
    RemitError,
    RevisionGone,
)
from remit.model import LOCAL_CALLER, Caller, ObjectRef, Record, RecordKey, RelationshipFilter
from remit.store.port import DOCUMENT_BYTES_MAX, Draft, WriteTransaction
from tests.support.engines import EngineOfTest, update
from tests.support.restoring import feed
from tests.support.store.worlds import record, recording

SCHEMA = "definition hold {}\ndefinition run { relation hold: hold }"
WHY = record("hold", "hold:1", b"too much")
CEILINGS = record("agent", "agent:a", b"3 deep")
PAYS = b'{"input_schema":{"type":"object"}}'


def descriptor(document: bytes) -> Record:
    return Record("descriptor", ObjectRef("descriptor", sha256(document).hexdigest()), document)


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    return engine


def write(world: EngineOfTest, *records: Record, facts: Sequence[str] = (), caller: Caller = LOCAL_CALLER) -> str:
    updates = [update(fact) for fact in facts]
    return world.engine.relationships.write("", updates, records=records, caller=caller).token


def there(world: EngineOfTest, key: RecordKey, at_exactly: str = "") -> bytes | None:
    stored = world.engine.records.read("", key, at_exactly=at_exactly)
    return stored.record.document if stored is not None else None


def refused(world: EngineOfTest, error: type[RemitError], *records: Record, match: str | None = None) -> RemitError:
    head = write(world, facts=["run:head#hold@hold:0"])
    with pytest.raises(error, match=match) as caught:
        write(world, *records, facts=["run:r#hold@hold:1"])
    assert "run:r#hold@hold:1" not in world.facts()
    assert world.engine.schemas.read("").token == head, "a refused write is no revision"
    return caught.value


# --- what a record is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (record("holt", "hold:1"), "there is no kind of records `holt`; did you mean `hold`?"),
        (record("secret", "hold:1"), "there are " + ", ".join(f"`{kind}`" for kind in sorted(KINDS))),
        (record("hold", "run:1"), "a record `hold` is of a `hold`, not `run:1`"),
        (record("hold", "hold:1", bytes(DOCUMENT_BYTES_MAX + 1)), f"has {DOCUMENT_BYTES_MAX + 1} bytes, and may have"),
        (record("descriptor", "descriptor:pay", b"{}"), f"name it `{sha256(b'{}').hexdigest()}`"),
        (record("mapping", f"mapping:{sha256(b'x').hexdigest()}", b"y"), "is not the digest of its document"),
    ],
)
def test_what_is_no_record_of_its_kind_is_refused_with_the_fix(world: EngineOfTest, wrong: Record, words: str) -> None:
    error = refused(world, RecordRefused, WHY, wrong)
    assert words in error.message
    assert (error.reason, error.field) == ("RECORD_NOT_ALLOWED", "records[1]")
    assert f"`{wrong.key}`" in error.message


def test_every_kind_takes_its_own() -> None:
    for name, kind in KINDS.items():
        document = PAYS if name == "descriptor" else b"{}"
        id = sha256(document).hexdigest() if kind.naming is Naming.DIGEST else "x"
        check_record(Record(name, ObjectRef(kind.type, id), document))


def test_a_descriptor_that_cannot_be_judged_by_is_refused_with_its_place(world: EngineOfTest) -> None:
    wrong = descriptor(b'{"input_schema":{"type":"object","propertes":{}}}')
    error = refused(world, RecordRefused, wrong)
    assert (error.reason, error.field) == ("RECORD_NOT_ALLOWED", "records[0]")
    assert error.message.endswith(
        "the descriptor: `/input_schema` has the unknown keyword `propertes`: did you mean `properties`?"
    )


def test_one_request_has_so_many_and_each_once(world: EngineOfTest) -> None:
    many = [record("hold", f"hold:{number}") for number in range(RECORDS_MAX + 1)]
    assert refused(world, LimitExceeded, *many).metadata["name"] == "records_max"
    write(world, *many[:RECORDS_MAX])
    refused(world, InvalidArgument, CEILINGS, CEILINGS, match="`agent of agent:a` occurs twice")


# --- in one revision --------------------------------------------------------------------------------------------


def test_it_is_there_with_its_facts_or_not_at_all(world: EngineOfTest) -> None:
    token = write(world, WHY, facts=["run:r#hold@hold:1"], caller=Caller("ann", run="run:r"))
    stored = world.engine.records.read("", WHY.key)
    assert stored is not None
    assert stored.record == WHY
    assert (stored.provenance.principal, stored.provenance.run) == ("ann", "run:r")
    with world.store.read("default") as view:
        delta = list(view.changelog(view.head.revision - 1))[-1]
    assert delta.records[0].after == stored
    assert len(delta.changes) == 1
    with pytest.raises(RelationshipRefused):
        write(world, CEILINGS, facts=["run:r#hold@run:r"])
    assert there(world, CEILINGS.key) is None
    assert token == world.engine.schemas.read("").token


def test_a_write_may_be_of_records_alone(world: EngineOfTest) -> None:
    write(world, CEILINGS)
    assert there(world, CEILINGS.key) == b"3 deep"


def test_a_past_revision_has_the_record_it_had(world: EngineOfTest) -> None:
    before = write(world, facts=["run:r#hold@hold:1"])
    first, second = write(world, CEILINGS), write(world, CEILINGS._replace(document=b"4 deep"))
    write(world, facts=["run:s#hold@hold:1"])

    def forget(view: WriteTransaction) -> Draft:
        view.delete_record(CEILINGS.key)
        return Draft("remit")

    world.store.write("default", forget)
    tokens = (before, first, second, "")
    assert [there(world, CEILINGS.key, token) for token in tokens] == [None, b"3 deep", b"4 deep", None]
    world.clock.advance_us(10**12)
    world.engine.upkeep()
    with pytest.raises(RevisionGone):
        there(world, CEILINGS.key, first)


# --- what stays -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixed", [WHY, record("profile", "profile:close@3", b"{}"), descriptor(PAYS)])
def test_a_document_that_a_fact_may_choose_stays_what_it_is(world: EngineOfTest, fixed: Record) -> None:
    write(world, fixed, caller=Caller("first"))
    write(world, fixed, caller=Caller("second"))
    stored = world.engine.records.read("", fixed.key)
    assert stored is not None and stored.provenance.principal == "first"
    other = fixed._replace(document=b"another")
    error = refused(world, RecordRefused if fixed.kind == "descriptor" else RecordFixed, other)
    assert error.reason == ("RECORD_NOT_ALLOWED" if fixed.kind == "descriptor" else "RECORD_FIXED")
    assert there(world, fixed.key) == fixed.document


def test_what_may_change_is_replaced(world: EngineOfTest) -> None:
    write(world, CEILINGS)
    write(world, CEILINGS._replace(document=b""))
    assert there(world, CEILINGS.key) == b""


# --- copies and watches -----------------------------------------------------------------------------------------


def backup(world: EngineOfTest) -> bytes:
    with closing(world.engine.stores.backup("")) as taken:
        taken.take()
        return b"".join(iter(lambda: taken.read(1000), b""))


def test_a_restored_store_has_them_and_keeps_them_fixed(world: EngineOfTest) -> None:
    write(world, WHY, CEILINGS, descriptor(PAYS), facts=["run:r#hold@hold:1"])
    with closing(world.engine.stores.restore("copy")) as restore:
        feed(restore, backup(world))
        restore.finish()
    for each in (WHY, CEILINGS, descriptor(PAYS)):
        assert world.engine.records.read("copy", each.key) == world.engine.records.read("", each.key)
    with pytest.raises(RecordFixed):
        world.engine.relationships.write("copy", [], records=[WHY._replace(document=b"")])
    world.check_laws()


def test_a_backup_with_a_document_that_is_not_what_its_name_says_is_refused(world: EngineOfTest) -> None:
    forged = descriptor(PAYS)._replace(document=PAYS + b" ")
    world.store.write("default", recording(forged))
    wrong = pytest.raises(BackupRefused, match="is not the digest of its document")
    with closing(world.engine.stores.restore("copy")) as restore, wrong:
        feed(restore, backup(world))


@pytest.mark.parametrize(
    ("filter", "is_told"),
    [
        (None, True),
        (RelationshipFilter("hold"), True),
        (RelationshipFilter("hold", "1"), True),
        (RelationshipFilter("hold", resource_id_prefix=""), True),
        (RelationshipFilter("run"), False),
        (RelationshipFilter("hold", relation="of"), False),
        (RelationshipFilter("hold", subject_type="user"), False),
    ],
)
@pytest.mark.parametrize("is_live", [True, False])
def test_a_watch_tells_of_them_with_their_revision(
    world: EngineOfTest, filter: RelationshipFilter | None, is_told: bool, is_live: bool
) -> None:
    after = world.engine.schemas.read("").token
    filters = [] if filter is None else [filter]
    streams = world.engine.streams
    with closing(streams.watch("", lambda watched: watched, after=after, filters=filters)) as watch:
        token = write(world, WHY)
        told: list[Watched] = []
        while watch.is_behind:
            told += (watch.live() if is_live else watch.catch_up()) or []
    assert [(each.token, [change.key for change in each.records]) for each in told] == (
        [(token, [WHY.key])] if is_told else []
    )


def test_many_are_read_as_of_one_revision(world: EngineOfTest) -> None:
    token = write(world, CEILINGS, facts=["run:r#hold@hold:1"])
    write(world, CEILINGS._replace(document=b"2 deep"), WHY, facts=["run:r#hold@hold:2"])
    write(world, CEILINGS._replace(document=b"1 deep"), facts=["run:r#hold@hold:3"])
    keys = (WHY.key, CEILINGS.key, RecordKey("agent", ObjectRef("agent", "never")))
    then = world.engine.records.read_many("", keys, at_exactly=token)
    assert [each.record if each is not None else None for each in then] == [None, CEILINGS, None]
    now = world.engine.records.read_many("", keys)
    assert [each.record.document if each is not None else None for each in now] == [b"too much", b"1 deep", None]
