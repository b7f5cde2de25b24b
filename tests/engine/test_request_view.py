"""Laws: a view of any revision, with facts of a request over it, is what the store's relationships were then, both
ways; and what an admission sees of its own transaction is what everybody sees after the commit."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.engine.admission import apply_updates
from remit.engine.request_view import RequestView
from remit.engine.tokens import encode_token
from remit.errors import RemitError, SchemaNotFound
from remit.eval.evaluators import quickest_evaluator
from remit.interrupt import never_interrupted
from remit.model import (
    LOCAL_CALLER,
    PLAIN,
    Delta,
    ObjectRef,
    Operation,
    Qualifiers,
    Question,
    Relationship,
    RelationshipKey,
    SubjectRef,
    Update,
)
from remit.store.port import Draft, WriteTransaction
from tests.support.engines import EngineOfTest
from tests.support.small_worlds import NOW_US

SCHEMA = """
use expiration
definition user {}
definition group {
  relation member: SOMEBODY
}
definition doc {
  relation viewer: ANYBODY
  relation banned: ANYBODY
  permission view = viewer - banned
}
"""
SOMEBODY = "user | group#member | user with expiration | group#member with expiration"
SCHEMA = SCHEMA.replace("SOMEBODY", SOMEBODY).replace("ANYBODY", f"{SOMEBODY} | user:* | user:* with expiration")
STRICTER = SCHEMA.replace("viewer - banned", "viewer & banned")

PATIENCE_S = 30.0  # what a test waits at most for something that should happen at once

LONG = "x" * 600  # its rows have shortened keys
NODES = [(ObjectRef("doc", "a"), "viewer"), (ObjectRef("doc", "a"), "banned"), (ObjectRef("doc", LONG), "viewer")]
NODES += [(ObjectRef("group", id), "member") for id in ("g", "h")]
SUBJECTS = [SubjectRef("user", id) for id in ("ann", "bob", LONG, "*")]
SUBJECTS += [SubjectRef("group", id, "member") for id in ("g", "h")]
KEYS = st.sampled_from(
    [
        RelationshipKey(*node, subject)
        for node in NODES
        for subject in SUBJECTS
        if node[1] != "member" or not subject.is_wildcard
    ]
)
QUALIFIERS = st.sampled_from((PLAIN, PLAIN, Qualifiers(expiration_us=NOW_US + 10**9), Qualifiers(expiration_us=NOW_US)))
WRITTEN = st.dictionaries(KEYS, st.none() | QUALIFIERS, min_size=1, max_size=5)

REQUESTS = st.tuples(WRITTEN, st.sampled_from(("", "", STRICTER)), st.booleans())  # the last: whether it is refused

Written = Mapping[RelationshipKey, Qualifiers | None]
Held = Mapping[RelationshipKey, Qualifiers]

QUESTIONS = [
    Question(ObjectRef("doc", id), name, subject)
    for id in ("a", LONG)
    for name in ("view", "viewer", "banned")
    for subject in (SubjectRef("user", "ann"), SubjectRef("user", LONG), SubjectRef("group", "g", "member"))
]


@contextmanager
def opened(kind: str, schema: str = SCHEMA) -> Iterator[EngineOfTest]:
    with tempfile.TemporaryDirectory() as path:
        world = EngineOfTest(kind, Path(path))
        if schema:
            world.schema(schema)
        try:
            yield world
        finally:
            world.engine.close()


def updates_of(written: Written) -> list[Update]:
    return [
        Update(Operation.TOUCH if qualifiers is not None else Operation.DELETE, Relationship(*key, qualifiers or PLAIN))
        for key, qualifiers in written.items()
    ]


def written_over(held: Held, written: Written) -> Held:
    return {key: value for key, value in {**held, **written}.items() if value is not None}


def assert_shows(view: RequestView, held: Held) -> None:
    for subject in SUBJECTS:
        nodes = view.graph.nodes_of(subject)
        assert set(nodes) == {key[:2] for key in held if key.subject == subject}
        assert len(nodes) == len(set(nodes)), "a node is told twice"
    for node in NODES:
        edges = dict(view.graph.edges(*node))
        assert edges == {key.subject: value for key, value in held.items() if key[:2] == node}


@settings(max_examples=40, deadline=None)
@given(st.lists(WRITTEN, min_size=1, max_size=6), st.data())
def test_a_view_of_any_revision_is_what_was_written_by_then_both_ways(
    commits: list[Written], data: st.DataObject
) -> None:
    """The head, which commits leave behind; the past; and either with facts of a request over it."""
    with opened("memory") as world:
        views, helds, tokens = [], [], []
        held: Held = {}
        for written in commits:
            tokens.append(world.engine.relationships.write("", updates_of(written)).token)
            held = written_over(held, written)
            helds.append(held)
            views.append(world.engine.views.of(""))
        brought = data.draw(st.dictionaries(KEYS, QUALIFIERS, max_size=3))
        contextual = [Relationship(*key, qualifiers) for key, qualifiers in brought.items()]
        for view, token, held in zip(views, tokens, helds, strict=True):
            assert_shows(view, held)
            assert_shows(world.engine.views.of("", at_exactly=token), held)
            with_brought = world.engine.views.of("", at_exactly=token, contextual=contextual)
            assert_shows(with_brought, {**held, **brought})


# --- what a transaction would make of the store -------------------------------------------------------------------


def asked_over(view: RequestView) -> list[object]:
    found = quickest_evaluator().check_many(view, QUESTIONS, 10_000, never_interrupted)
    return [each.reason if isinstance(each, RemitError) else (each.verdict, each.missing) for each in found]


class Batch:
    """Admissions that one commit carries: each is queued while the first holds the writer up."""

    def __init__(self, world: EngineOfTest) -> None:
        self.world = world
        self.queued = threading.Event()
        self.futures: list[Future[Delta]] = []
        self.staged: dict[int, list[object]] = {}  # by the place of the admission
        self.shown: dict[int, Held] = {}

    def add(self, written: Written, *, schema: str = "", is_refused: bool = False) -> None:
        place = len(self.futures)
        engine = self.world.engine
        identity = engine.loaded.of("").identity

        def admission(transaction: WriteTransaction) -> Draft:
            assert self.queued.wait(PATIENCE_S)
            if schema:
                transaction.put_schema(schema)
            plan = engine.loaded.plans.of_transaction(transaction)
            apply_updates(transaction, plan, updates_of(written), LOCAL_CALLER, NOW_US)
            view = engine.views.staged(transaction)
            self.staged[place] = asked_over(view)
            rows = {node: dict(view.graph.edges(*node)) for node in NODES}
            self.shown[place] = {RelationshipKey(*n, s): q for n, edges in rows.items() for s, q in edges.items()}
            assert_shows(view, self.shown[place])
            if is_refused:
                raise ValueError("of no use")
            return Draft("test")

        self.futures.append(engine.loaded.submit(identity, admission))


@pytest.mark.parametrize("kind", ["memory", "lmdb"])
@settings(max_examples=15, deadline=None)
@given(
    WRITTEN, st.lists(st.tuples(WRITTEN, st.sampled_from(("", "", STRICTER)), st.booleans()), min_size=1, max_size=4)
)
def test_what_a_transaction_sees_of_itself_is_what_everybody_sees_after_it(
    kind: str, before: Written, requests: Sequence[tuple[Written, str, bool]]
) -> None:
    """Also behind others of the same commit, some of which are refused, and under a schema that is put with it."""
    with opened(kind) as world:
        world.engine.relationships.write("", updates_of(before))
        held, batch = written_over({}, before), Batch(world)
        for written, schema, is_refused in requests:
            batch.add(written, schema=schema, is_refused=is_refused)
        batch.queued.set()
        revisions: dict[int, int] = {}
        for place, (future, (written, _, is_refused)) in enumerate(zip(batch.futures, requests, strict=True)):
            if is_refused:
                with pytest.raises(ValueError, match="of no use"):
                    future.result(PATIENCE_S)
            else:
                revisions[place] = future.result(PATIENCE_S).revision
            assert batch.shown[place] == written_over(held, written)
            held = held if is_refused else batch.shown[place]
        for place, revision in revisions.items():
            token = encode_token(world.engine.loaded.of("").identity, revision)
            assert batch.staged[place] == asked_over(world.engine.views.of("", at_exactly=token))
        assert_shows(world.engine.views.of(""), held)
        world.check_laws()


def test_without_a_schema_a_transaction_sees_none_either() -> None:
    with opened("memory", schema="") as world:
        batch = Batch(world)
        batch.add({})
        batch.queued.set()
        with pytest.raises(SchemaNotFound):
            batch.futures[0].result(PATIENCE_S)
