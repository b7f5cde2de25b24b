"""Small words for the tests of the store: stores to open, relationships to write.

Children of the crash tests start with this, so it imports little."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from remit.model import (
    PLAIN,
    Delta,
    ObjectRef,
    Provenance,
    Qualifiers,
    Record,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRecord,
    StoredRelationship,
    SubjectRef,
)
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore
from remit.store.port import Admission, Draft, WriteTransaction
from remit.store.tables.table_store import TableStore

MAP_SIZE_BYTES = 64 * 2**20


class Ticks:
    """A clock that moves by one microsecond each time it is read."""

    def __init__(self, start_us: int = 1_000_000) -> None:
        self.now_us = start_us

    def __call__(self) -> int:
        self.now_us += 1
        return self.now_us


def open_lmdb(path: Path, **options: object) -> LmdbStore:
    return LmdbStore(path, **({"clock_us": Ticks(), "map_size_bytes": MAP_SIZE_BYTES} | options))  # type: ignore[arg-type]


def open_memory(**options: object) -> MemoryStore:
    return MemoryStore(**({"clock_us": Ticks()} | options))  # type: ignore[arg-type]


def key(text: str) -> RelationshipKey:
    """`document:1#viewer@user:anne` as a triple."""
    resource, _, rest = text.partition("#")
    relation, _, subject = rest.partition("@")
    subject, _, subject_relation = subject.partition("#")
    return RelationshipKey(
        ObjectRef(*resource.split(":", 1)), relation, SubjectRef(*subject.split(":", 1), subject_relation)
    )


def relationship(text: str, qualifiers: Qualifiers = PLAIN) -> Relationship:
    return Relationship(*key(text), qualifiers)


def putting(*relationships: Relationship | str, principal: str = "anne", run: str = "") -> Admission:
    """An admission that writes them all."""

    def admission(transaction: WriteTransaction) -> Draft:
        provenance = Provenance(principal, run, transaction.next_revision)
        for each in relationships:
            transaction.put(StoredRelationship(relationship(each) if isinstance(each, str) else each, provenance))
        return Draft(principal)

    return admission


def deleting(*keys: str) -> Admission:
    def admission(transaction: WriteTransaction) -> Draft:
        for each in keys:
            transaction.delete(key(each))
        return Draft("anne")

    return admission


def record(kind: str, object: str, document: bytes = b"") -> Record:
    """`record("hold", "hold:1", b"why")`."""
    return Record(kind, ObjectRef(*object.split(":", 1)), document)


def recording(*records: Record, principal: str = "anne") -> Admission:
    """An admission that writes them all."""

    def admission(transaction: WriteTransaction) -> Draft:
        for each in records:
            transaction.put_record(StoredRecord(each, Provenance(principal, "", transaction.next_revision)))
        return Draft(principal)

    return admission


def forgetting(*records: Record) -> Admission:
    def admission(transaction: WriteTransaction) -> Draft:
        for each in records:
            transaction.delete_record(each.key)
        return Draft("anne")

    return admission


def all_records(store: TableStore, name: str = "default") -> list[StoredRecord]:
    with store.read(name) as view:
        return list(view.records())


def refusing(error: BaseException, before: Admission) -> Admission:
    """An admission that writes, then raises."""

    def admission(transaction: WriteTransaction) -> Draft:
        before(transaction)
        raise error

    return admission


def write(store: TableStore, admission: Admission, name: str = "default") -> Delta:
    return store.submit(name, admission).result(60)


def texts(stored: Iterable[StoredRelationship]) -> list[str]:
    return [str(each.relationship.key) for each in stored]


def everything(store: TableStore, name: str = "default") -> list[StoredRelationship]:
    with store.read(name) as view:
        return list(view.scan(RelationshipFilter()))


def deltas(store: TableStore, name: str = "default") -> list[Delta]:
    with store.read(name) as view:
        return list(view.changelog(0))


def check(store: TableStore) -> None:
    """Every named store keeps its own laws."""
    for name in store.names():
        with store.read(name) as view:
            view.check_invariants()


Opener = Callable[..., TableStore]
