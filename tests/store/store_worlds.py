"""Small words for the tests of the store: stores to open, relationships to write, strategies to draw them from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from hypothesis import strategies as st
from remit.model import (
    PLAIN,
    CaveatUse,
    Delta,
    ObjectRef,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
)
from remit.store.interface import Admission, Draft, WriteTransaction
from remit.store.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore
from remit.store.stores import TableStore

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


def refusing(error: BaseException, before: Admission) -> Admission:
    """An admission that writes, then raises."""

    def admission(transaction: WriteTransaction) -> Draft:
        before(transaction)
        raise error

    return admission


def write(store: TableStore, admission: Admission, name: str = "default") -> Delta:
    return store.submit(name, admission).result(10)


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

# --- strategies -------------------------------------------------------------------------------------------------

_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#[]")
_LONG = st.builds(
    lambda letter, count, tail: (letter * count + tail)[-1024:],
    st.sampled_from("ab"),
    st.integers(400, 1024),
    st.text(_PRINTABLE, max_size=4),
)
names = st.sampled_from(["user", "team", "document", "a", "acme/doc"])
ids = st.one_of(st.sampled_from(["1", "2", "10", "anne", "*"]), st.text(_PRINTABLE, min_size=1, max_size=8), _LONG)
relations = st.sampled_from(["viewer", "owner", "member"])
objects = st.builds(ObjectRef, names, ids)
subjects = st.builds(SubjectRef, names, ids, st.sampled_from(["", "", "member"]))
keys = st.builds(RelationshipKey, objects, relations, subjects)
times = st.none() | st.integers(0, 2**52)
qualifiers = st.one_of(
    st.just(PLAIN),
    st.builds(
        Qualifiers,
        st.none() | st.builds(CaveatUse, st.sampled_from(["c", "on_call"]), st.sampled_from(["{}", '{"a":1}'])),
        times,
        times,
    ),
)

# A narrower world, in which triples meet. Two of its ids differ only behind what a key can hold.
_few_ids = st.sampled_from(["1", "10", "2", "x" * 600, "x" * 600 + "y"])
few_keys = st.builds(
    RelationshipKey,
    st.builds(ObjectRef, st.sampled_from(["doc", "docs"]), _few_ids),
    st.sampled_from(["viewer", "owner"]),
    st.builds(SubjectRef, st.sampled_from(["user", "team"]), _few_ids, st.sampled_from(["", "member"])),
)


@st.composite
def filters(draw: st.DrawFn, of: st.SearchStrategy[RelationshipKey] = few_keys) -> RelationshipFilter:
    """A filter made of some parts of some triple, so that it often matches."""
    model = draw(of)

    def sometimes(value: str) -> str | None:
        return draw(st.sampled_from([value, None]))

    resource_id = sometimes(model.resource.id)
    prefix = None if resource_id is not None else sometimes(model.resource.id[: draw(st.integers(0, 1200))])
    return RelationshipFilter(
        sometimes(model.resource.type),
        resource_id,
        prefix,
        sometimes(model.relation),
        sometimes(model.subject.type),
        sometimes(model.subject.id),
        sometimes(model.subject.relation),
    )
