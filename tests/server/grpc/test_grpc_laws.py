"""Laws over the whole way, from a client's text to the store and back."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.client import Client, Operation, RelationshipFilter, Update
from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import PLAIN, CaveatUse, ObjectRef, Qualifiers, Relationship, SubjectRef
from remit.notation import canonical_json, format_relationship, parse_relationship
from remit.server.run.background import BackgroundServer
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore
from remit.store.port import Store
from tests.support.serving import NOW_US

SCHEMA = """
use expiration
use not_before

caveat free(given map<any>) { size(given) >= 0 }

definition user {}
definition team { relation member: user | team#member }
definition document {
    relation reader: user | user:* | team#member | user with free | user with expiration | user with not_before |
        user with free and expiration | user with free and not_before | user with not_before and expiration |
        user with free and not_before and expiration
}
"""

_FIRST_US = -62_135_596_800_000_000
_LAST_US = 253_402_300_799_999_999

ids = st.text("".join(set(string.printable[:94]) - set("#[]")), min_size=1, max_size=20).filter(lambda id: id != "*")
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)  # CEL knows no NUL
contexts = st.dictionaries(
    texts,
    st.recursive(st.none() | st.booleans() | st.floats(-1e9, 1e9) | texts, lambda each: st.lists(each, max_size=3)),
)
caveats = contexts.map(lambda given: CaveatUse("free", canonical_json({"given": given})))


@st.composite
def relationships(draw: st.DrawFn) -> Relationship:
    """Any fact the schema allows that has not expired."""
    document = ObjectRef("document", draw(ids))
    kind = draw(st.sampled_from(["userset", "wildcard", "user"]))
    if kind == "userset":
        return Relationship(document, "reader", SubjectRef("team", draw(ids), "member"))
    if kind == "wildcard":
        return Relationship(document, "reader", SubjectRef("user", "*"))
    qualifiers = Qualifiers(
        draw(st.none() | caveats),
        draw(st.none() | st.integers(_FIRST_US, _LAST_US)),
        draw(st.none() | st.integers(NOW_US + 1, _LAST_US)),
    )
    if qualifiers == PLAIN:
        qualifiers = PLAIN
    return Relationship(document, "reader", SubjectRef("user", draw(ids)), qualifiers)


@pytest.fixture(scope="module", params=["memory", "lmdb"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    clock = ManualClock(NOW_US)
    directory: Path = tmp_path_factory.mktemp("laws")
    store: Store
    if request.param == "memory":
        store = MemoryStore(clock_us=clock.now_us)
    else:
        store = LmdbStore(directory, clock_us=clock.now_us)
    engine = Engine(store, clock)
    engine.schemas.write("", SCHEMA)
    with BackgroundServer(engine) as server, Client(server.endpoint) as client:
        yield client
    engine.close()


@settings(max_examples=60, deadline=None)
@given(relationships())
def test_what_is_written_is_read_as_it_was_written(served: Client, written: Relationship) -> None:
    token = served.write([Update(Operation.TOUCH, written)])
    (read,) = served.read(
        RelationshipFilter(
            resource_type="document",
            resource_id=written.resource.id,
            subject_type=written.subject.type,
            subject_id=written.subject.id,
        ),
        at_least=token,
    )
    assert read.relationship == written
    assert parse_relationship(format_relationship(read.relationship)) == written
    served.delete(written)


@settings(max_examples=25, deadline=None)
@given(st.lists(relationships(), max_size=8, unique_by=lambda each: each.key), st.integers(1, 4))
def test_pages_of_any_size_make_the_same_list(served: Client, written: list[Relationship], page_size: int) -> None:
    if written:
        served.touch(*written)
    whole = list(served.read())
    assert {each.relationship for each in whole} == set(written)
    assert list(served.read(page_size=page_size)) == whole
    if written:
        served.delete(*written)
    assert list(served.read()) == []
