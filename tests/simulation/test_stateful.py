"""The whole server against its model, a dictionary for every revision: whatever the requests, every answer is the
judge's on what the model holds, every refusal has its reason, and nothing else changes anything.

Three machines do the same steps: over memory, over LMDB with restarts and kills, and through a real gRPC server. The
model is in `support.simulation.model`; what is asked is drawn in `support.simulation.requests`."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.engine.results import CheckResult
from remit.engine.tokens import decode_token, encode_token
from remit.engine.watching import Watched
from remit.errors import RemitError
from remit.model import (
    LOCAL_CALLER,
    Caller,
    Operation,
    Question,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
    Update,
    Verdict,
)
from remit.server.run.background import BackgroundServer
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore
from remit.store.port import StoreIdentity
from tests.support.restoring import feed
from tests.support.simulation.model import Judged, Model, Seen, Written, filter_faults, is_final, name_faults, seen
from tests.support.simulation.requests import OBJECTS, START_US, Requests
from tests.support.simulation.schemas import FULL
from tests.support.simulation.wire import WireEngine

STORES = ("default", "other")
CALLERS = [LOCAL_CALLER, LOCAL_CALLER, Caller("anne", "run:r", True), Caller("ben", may_write_managed=False)]
MAP_SIZE_BYTES = 64 * 2**20
RETENTION_US = 8

Expected = tuple[set[str], int | None, tuple[str, ...]]
"""The faults of a question, or its verdict and what it misses."""

seeds = st.integers(0, 2**32)


class EngineMachine(RuleBasedStateMachine):
    """Two stores in memory, asked without a transport in between. Each step is a function of its seed."""

    told: Counter[object]  # what was answered, so that the run is known to have meant something

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(START_US)
        self.models = {name: Model() for name in STORES}
        self.store: MemoryStore | LmdbStore = self.open_store()
        for name in STORES:
            self.store.create(name)
        self.engine = self.opened_engine()
        self.identities = {name: self.identity_of(name) for name in STORES}
        self.gone: list[StoreIdentity] = []  # of stores that were removed
        self.final: dict[str, dict[RelationshipKey, StoredRelationship]] = {}  # by store
        self.asked: Any = self.engine
        self.answer: Any = None

    def opened_engine(self) -> Engine:
        return Engine(self.store, self.clock, retention_us=RETENTION_US)

    def identity_of(self, name: str) -> StoreIdentity:
        with self.store.read(name) as view:
            return view.head.identity

    def open_store(self) -> MemoryStore | LmdbStore:
        return MemoryStore(clock_us=self.clock.now_us)

    def teardown(self) -> None:
        for name in self.models:
            self.require_history(name)
        self.engine.close()

    # --- small words --------------------------------------------------------------------------------------------

    def begin(self, seed: int) -> tuple[Requests, str]:
        """What to draw a step's request from, and the store it is about."""
        store = Random(seed).choice(["default", "default", "", "other", "copy"])
        if store == "copy" and store not in self.models:
            question = Requests(seed).questions(1)[:1] or [Question(OBJECTS[0], "live", SubjectRef(*OBJECTS[0]))]
            self.refused({"STORE_NOT_FOUND"}, lambda: self.asked.questions.check(store, question[0]))
            store = "default"
        return Requests(seed, [each.relationship for each in self.model(store).now.facts.values()]), store

    def model(self, store: str) -> Model:
        return self.models[store or "default"]

    def token(self, store: str, revision: int) -> str:
        return encode_token(self.identities[store or "default"], revision)

    def revision(self, store: str, token: str) -> int:
        identity = self.identities[store or "default"]
        uuid, epoch, revision = decode_token(token)
        assert (uuid, epoch) == (identity.uuid, identity.epoch), "a token of another store"
        return revision

    def consistency(self, store: str, draw: Requests, *words: str) -> tuple[dict[str, str], int, set[str]]:
        """What to ask of freshness, the revision that must be seen, and the faults of it."""
        model = self.model(store)
        head, revision = model.head, draw.random.randint(0, model.head)
        word = draw.of(words)
        match draw.random.randrange(12):
            case 0:
                token, fault = self.wrong_token(store, draw, revision)
                return {word: token}, head, {fault}
            case 1 | 2 | 3 | 4 | 5 | 6 | 7:
                passed = {word: self.token(store, revision)}
                if word == "at_least":
                    return passed, head, set()
                return passed, revision, {"REVISION_GONE"} if revision < model.oldest else set()
            case _:
                return {}, head, set()

    def wrong_token(self, store: str, draw: Requests, revision: int) -> tuple[str, str]:
        identity = self.identities[store or "default"]
        stranger = "other" if store != "other" else "default"
        right = self.token(store, revision)
        at = draw.random.randrange(3, len(right))
        mistyped = right[:at] + ("A" if right[at] != "A" else "B") + right[at + 1 :]
        return draw.of(
            [
                (self.token(store, self.model(store).head + 1 + draw.random.getrandbits(20)), "FUTURE_TOKEN"),
                (self.token(stranger, revision), "FOREIGN_TOKEN"),
                (
                    encode_token(draw.of([replace(identity, epoch=identity.epoch + 9), *self.gone]), revision),
                    "FOREIGN_TOKEN",
                ),
                (mistyped, "INVALID_TOKEN"),
                ("garbage", "INVALID_TOKEN"),
            ]
        )

    def refused(self, faults: set[str] | frozenset[str], ask: Callable[[], object]) -> bool:
        """Ask; whether it was refused, as it must be exactly where there are faults."""
        try:
            answer = ask()
        except RemitError as error:
            assert error.reason in faults, f"refused with {error.reason} ({error.message}), expected {sorted(faults)}"
            self.told[error.reason] += 1
            return True
        assert not faults, f"answered {answer}, though {sorted(faults)}"
        self.answer = answer
        return False

    def become(self, store: str, written: Written, token: str) -> None:
        """An acknowledged write is the next revision."""
        model = self.model(store)
        assert self.revision(store, token) == model.head + 1
        model.become(written.state, self.clock.now_us())

    def caller(self, draw: Requests) -> Caller:
        return draw.of(CALLERS)

    # --- writing ------------------------------------------------------------------------------------------------

    @initialize(number=seeds)
    def settle(self, number: int) -> None:
        """One in ten begins with nothing at all."""
        draw = Requests(number)
        if draw.one_in(10):
            return
        for store in STORES:
            self.do_write_schema(store, FULL, dry_run=False)
            updates = [Update(Operation.TOUCH, each) for each in draw.world()]
            written = self.model(store).write(updates, [], None, LOCAL_CALLER, self.clock.now_us())
            ask = lambda: self.asked.relationships.write(store, updates, caller=LOCAL_CALLER)  # noqa: B023, E731
            assert not self.refused(written.faults, ask)
            self.become(store, written, self.answer.token)

    def write(self, number: int) -> None:
        draw, store = self.begin(number)
        caller = self.caller(draw)
        updates, preconditions = draw.updates(), draw.preconditions()
        replacing = draw.filter(parts=4) if draw.one_in(6) else None
        dry_run = draw.one_in(8)
        written = self.model(store).write(updates, preconditions, replacing, caller, self.clock.now_us())
        options: dict[str, Any] = {"preconditions": preconditions, "replace": replacing, "metadata_json": '{"by":"us"}'}
        ask = lambda: self.asked.relationships.write(store, updates, **options, dry_run=dry_run, caller=caller)  # noqa: E731
        if self.refused(written.faults, ask):
            return
        assert self.answer.replaced == len(written.removed)
        if dry_run:
            assert self.answer.token == ""
        else:
            self.become(store, written, self.answer.token)

    # Twice, because what is written is what all else is about.
    write_one = rule(number=seeds)(write)
    write_another = rule(number=seeds)(write)

    @rule(number=seeds)
    def delete(self, number: int) -> None:
        draw, store = self.begin(number)
        caller = self.caller(draw)
        filter, preconditions, limit, dry_run = (
            draw.filter(4),
            draw.preconditions(),
            draw.of([0, 0, 1, 2]),
            draw.one_in(4),
        )
        model = self.model(store)
        written = model.delete(filter, preconditions, caller, self.clock.now_us())
        if "FINAL_RELATION" in written.faults:
            limit = 0  # whether the final ones come first is the store's to say
        count = min(len(written.removed), limit or len(written.removed))
        faults = set(written.faults)
        if count < len(written.removed) and faults == {"MANAGED_RELATION"}:
            caller, faults = LOCAL_CALLER, set()  # whether the managed ones come first is the store's to say
        options: dict[str, Any] = {"preconditions": preconditions, "limit": limit, "dry_run": dry_run}
        if self.refused(faults, lambda: self.asked.relationships.delete(store, filter, **options, caller=caller)):
            return
        assert self.answer.deleted == count
        assert self.answer.complete == (count == len(written.removed))
        if dry_run:
            assert self.answer.token == ""
            return
        if count < len(written.removed):
            # Which ones went is the store's to say, and must be among those that were meant.
            gone = set(model.now.facts) - self.keys_now(store)
            assert gone <= written.removed and len(gone) == count
            written = Written(frozenset(), model.without(gone), frozenset(gone))
        self.become(store, written, self.answer.token)

    @rule(number=seeds)
    def delete_what_is_final(self, number: int) -> None:
        """By its name, by a filter, by what a write replaces: by whoever may do everything."""
        draw, store = self.begin(number)
        model = self.model(store)
        final = [key for key in model.now.facts if is_final(model.now, key)]
        if not final:
            return
        resource, relation, _ = key = draw.of(sorted(final))
        filter = RelationshipFilter(resource.type, None if draw.one_in(2) else resource.id, relation=relation)
        verb, by_name = self.asked.relationships, [Update(Operation.DELETE, Relationship(*key))]
        for attempt in (
            lambda: verb.write(store, by_name, caller=LOCAL_CALLER),
            lambda: verb.delete(store, filter, caller=LOCAL_CALLER),
            lambda: verb.write(store, [], replace=filter, caller=LOCAL_CALLER),
        ):
            assert self.refused({"FINAL_RELATION"}, attempt)

    @rule(number=seeds)
    def write_schema(self, number: int) -> None:
        """One in three is a dry run, so that schemas stay for a while."""
        draw, store = self.begin(number)
        self.do_write_schema(store, draw.schema(), dry_run=draw.one_in(3))

    def do_write_schema(self, store: str, text: str, dry_run: bool) -> None:
        written = self.model(store).write_schema(text, self.clock.now_us())
        if self.refused(written.faults, lambda: self.asked.schemas.write(store, text, dry_run=dry_run)):
            return
        if dry_run:
            assert self.answer.token == ""
        else:
            self.become(store, written, self.answer.token)

    # --- time, upkeep, copies -----------------------------------------------------------------------------------

    @rule(by_us=st.integers(1, 3))
    def advance(self, by_us: int) -> None:
        self.clock.advance_us(by_us)

    @rule()
    def look_after(self) -> None:
        """What upkeep sweeps and forgets is nothing that anyone could have been answered with."""
        self.engine.upkeep()
        for model in self.models.values():
            model.look_after(self.clock.now_us(), RETENTION_US)

    @rule(number=seeds)
    def copy(self, number: int) -> None:
        """A store is backed up and restored under another name; or the copy is removed again."""
        if "copy" in self.models:
            self.engine.stores.delete("copy")
            self.gone.append(self.identities.pop("copy"))
            del self.models["copy"], self.final["copy"]
            return
        draw, store = self.begin(number)
        chunks = []
        with closing(self.engine.stores.backup(store)) as backup:
            assert self.revision(store, backup.take()) == self.model(store).head
            while chunk := backup.read(draw.random.randint(1, 4_096)):
                chunks.append(chunk)
        with closing(self.engine.stores.restore("copy")) as restore:
            for chunk in chunks:
                feed(restore, chunk)
            restore.finish()
        self.models["copy"] = self.model(store).copy()
        self.final["copy"] = dict(self.final[store or "default"])
        self.identities["copy"] = self.identity_of("copy")
        assert self.identities["copy"] not in (self.identities[store or "default"], *self.gone)
        self.told["copy"] += 1

    # --- asking -------------------------------------------------------------------------------------------------

    @rule(number=seeds)
    def check(self, number: int) -> None:
        draw, store = self.begin(number)
        questions, contextual, explain = draw.questions(8), draw.contextual(), draw.one_in(5)
        passed, revision, faults = self.consistency(store, draw, "at_least", "at_exactly", "at_exactly")
        sees, judged = self.sees(store, revision, contextual), {}
        for question in questions:
            expected = self.expected(sees, question, judged)
            options: dict[str, Any] = {"contextual": contextual, "explain": explain, **passed}
            ask = lambda: self.asked.questions.check(store, question, **options)  # noqa: B023, E731
            if not self.refused(faults | sees.faults | expected[0], ask):
                self.require_seen(store, self.answer, revision)
                self.require_answer(self.answer, expected)
                if explain:
                    assert self.answer.explanation.questions[0].verdict is self.answer.verdict

    @rule(number=seeds)
    def check_many(self, number: int) -> None:
        draw, store = self.begin(number)
        items = draw.questions(8) + draw.questions(8)
        draw.random.shuffle(items)
        contextual = draw.contextual()
        passed, revision, faults = self.consistency(store, draw, "at_least", "at_exactly", "at_exactly")
        sees, judged = self.sees(store, revision, contextual), {}
        ask = lambda: self.asked.questions.check_many(store, items, contextual=contextual, **passed)  # noqa: E731
        if self.refused(faults | sees.faults, ask):
            return
        self.require_seen(store, self.answer, revision)
        for question, result in zip(items, self.answer.results, strict=True):
            expected = self.expected(sees, question, judged)
            if isinstance(result, RemitError):
                assert result.reason in expected[0], f"{question}: {result.reason}, expected {expected}"
                self.told[result.reason] += 1
            else:
                assert not expected[0], f"{question} answered {result}, though {expected[0]}"
                self.require_answer(result, expected)

    @rule(number=seeds)
    def expand(self, number: int) -> None:
        draw, store = self.begin(number)
        what, depth, contextual = draw.asked(), draw.of([0, 0, 1, 2]), draw.contextual()
        passed, revision, faults = self.consistency(store, draw, "at_least", "at_exactly", "at_exactly")
        sees = self.sees(store, revision, contextual)
        faults |= sees.faults | name_faults(sees.state.schema, what[0].type, what[1])
        ask = lambda: self.asked.questions.expand(store, *what, depth=depth, contextual=contextual, **passed)  # noqa: E731
        if self.refused(faults, ask):
            return
        self.require_seen(store, self.answer, revision)
        subject = draw.subject()
        if not name_faults(sees.state.schema, subject.type, subject.relation):
            Judged(sees, subject, draw.context(), OBJECTS).require_tells(self.answer.expansion, depth)
            self.told["expansion"] += 1

    def sees(self, store: str, revision: int, contextual: Sequence[Relationship]) -> Seen:
        return seen(self.model(store).states[revision], contextual, self.clock.now_us())

    def expected(self, sees: Seen, question: Question, judged: dict[object, Judged]) -> Expected:
        """`judged` keeps what was judged of the same sight."""
        schema, subject = sees.state.schema, question.subject
        faults = name_faults(schema, question.resource.type, question.permission)
        faults |= name_faults(schema, subject.type, subject.relation)
        if faults or sees.faults:
            return faults, None, ()
        key = (subject, str(question.context))
        if key not in judged:
            judged[key] = Judged(sees, subject, question.context, OBJECTS)
        verdict, missing = judged[key].answer(question.resource, question.permission)
        return set() if verdict is not None else {"NEGATIVE_CYCLE", "CAVEAT_FAILED"}, verdict, missing

    def require_answer(self, answer: CheckResult, expected: Expected) -> None:
        assert (int(answer.verdict), answer.missing) == expected[1:]
        self.told[answer.verdict] += 1
        self.told[answer.verdict, "of the past"] += answer.historical

    def require_seen(self, store: str, answer: Any, revision: int) -> None:
        assert self.revision(store, answer.token) == revision
        assert answer.historical == (revision < self.model(store).head)
        assert answer.evaluated_at_us == self.clock.now_us()

    # --- lists --------------------------------------------------------------------------------------------------

    @rule(number=seeds)
    def read(self, number: int) -> None:
        """Page by page; time may pass in between."""
        draw, store = self.begin(number)
        filter = RelationshipFilter() if draw.one_in(4) else draw.filter()
        limit = draw.of([0, 1, 2, 3])
        passed, revision, faults = self.consistency(store, draw, "at_least")
        there = self.model(store).now.matching(filter)
        faults |= filter_faults(self.model(store).now, filter)
        told, cursor = [], ""
        while True:
            ask = lambda: self.asked.relationships.read(store, filter, limit=limit, cursor=cursor, **passed)  # noqa: B023, E731
            if self.refused(faults, ask):
                return
            page, now_us = self.answer, self.clock.now_us()
            assert self.revision(store, page.token) == revision
            assert len(page.items) <= (limit or 1_000)
            assert not any(each.relationship.qualifiers.is_over(now_us) for each in page.items), "an expired fact"
            told += page.items
            cursor = page.next_cursor
            if not cursor:
                break
            assert page.items, "a page without facts that is not the last"
            self.clock.advance_us(draw.random.randint(0, 1))
        assert len(told) == len({each.relationship.key for each in told}), "a fact is told twice"
        assert all(each in there for each in told), "a fact that is not there, or of another writer"
        alive = [each for each in there if not each.relationship.qualifiers.is_over(self.clock.now_us())]
        assert all(each in told for each in alive), "a fact is left out"
        self.told["read"] += len(told)

    @rule(number=seeds)
    def read_with_a_wrong_cursor(self, number: int) -> None:
        """A cursor goes on only with its own filter, and only as it was given."""
        draw, store = self.begin(number)
        everything = RelationshipFilter()
        cursor = self.asked.relationships.read(store, everything, limit=1).next_cursor
        if not cursor:
            return
        filter = draw.filter()
        if filter != everything:
            faults = {"INVALID_CURSOR"} | filter_faults(self.model(store).now, filter)
            self.refused(faults, lambda: self.asked.relationships.read(store, filter, cursor=cursor))
        cut = cursor[: draw.random.randrange(1, len(cursor))]
        self.refused({"INVALID_CURSOR"}, lambda: self.asked.relationships.read(store, everything, cursor=cut))

    @rule(number=seeds)
    def read_schema(self, number: int) -> None:
        draw, store = self.begin(number)
        passed, revision, faults = self.consistency(store, draw, "at_least", "at_exactly")
        text = self.model(store).states[revision].schema_text
        faults |= {"SCHEMA_NOT_FOUND"} if text is None else set()
        if not self.refused(faults, lambda: self.asked.schemas.read(store, **passed)):
            assert (self.answer.text, self.answer.expansion) == (text, text), "no schema here imports a library"
            assert self.revision(store, self.answer.token) == revision

    @rule(number=seeds)
    def watch(self, number: int) -> None:
        draw, store = self.begin(number)
        filters = [draw.filter(4) for _ in draw.some(2)]
        after = draw.random.randint(0, self.model(store).head)
        if after >= self.model(store).oldest:
            self.require_watched(store, after, filters)
        else:
            self.refused({"REVISION_GONE"}, lambda: self.watched(store, after, filters))

    def require_watched(self, store: str, after: int, filters: Sequence[RelationshipFilter] = ()) -> None:
        """What a watch tells from a revision on, replayed on what was there, is what its filters mean of the store."""
        states = self.model(store).states

        def meant(revision: int) -> dict[RelationshipKey, Relationship]:
            facts = states[revision].facts
            return {key: each.relationship for key, each in facts.items() if means(key)}

        def means(key: RelationshipKey) -> bool:
            return not filters or any(each.matches(key) for each in filters)

        replayed, last, schema_text = meant(after), after, states[after].schema_text
        for watched in self.watched(store, after, filters):
            assert watched.token, "no revision here is so long that it comes in pieces"
            assert self.revision(store, watched.token) == watched.revision
            assert watched.revision > last, "a revision twice, or out of order"
            last = watched.revision
            schema_text = watched.schema_text or schema_text
            for change in watched.changes:
                assert means(change.key)
                if change.after is not None:
                    replayed[change.key] = change.after.relationship
                else:
                    del replayed[change.key]
            assert (replayed, schema_text) == (meant(last), states[last].schema_text)
        assert (replayed, schema_text) == (meant(-1), states[-1].schema_text)

    def watched(self, store: str, after: int, filters: Sequence[RelationshipFilter]) -> list[Watched]:
        watch = self.engine.streams.watch(
            store, lambda watched: watched, after=self.token(store, after), filters=filters
        )
        told: list[Watched] = []
        try:
            while watch.is_behind:
                told += watch.catch_up()
        finally:
            watch.close()
        return told

    def keys_now(self, store: str) -> set[RelationshipKey]:
        """The triples in the store, expired or not."""
        with self.store.read(store or "default") as view:
            return {each.relationship.key for each in view.scan(RelationshipFilter())}

    # --- always -------------------------------------------------------------------------------------------------

    @invariant()
    def sizes_agree(self) -> None:
        assert self.engine.stores.sizes() == {name: len(model.now.facts) for name, model in self.models.items()}

    @invariant()
    def what_is_final_stays(self) -> None:
        """Through whatever was asked since, with who wrote it; and in copies, too."""
        for name, model in self.models.items():
            with self.store.read(name) as view:
                there = {
                    each.relationship.key: each
                    for each in view.scan(RelationshipFilter(relation="ended"))
                    if is_final(model.now, each.relationship.key)
                }
            assert self.final.get(name, {}).items() <= there.items()
            self.final[name] = there
            self.told["final"] += len(there)

    def require_history(self, store: str) -> None:
        """Every revision that ever was is still the one it was, and the store is the last of them."""
        self.require_watched(store, self.models[store].oldest)
        with self.store.read(store) as view:
            view.check_invariants()
            there = {each.relationship.key: each for each in view.scan(RelationshipFilter())}
        assert there == self.models[store].now.facts


class LmdbMachine(EngineMachine):
    """The same over LMDB, which may be closed and opened, or killed, at any moment."""

    def open_store(self) -> LmdbStore:
        self.folder = Path(tempfile.mkdtemp(prefix="remit-stateful-"))
        return self.opened()

    def opened(self) -> LmdbStore:
        return LmdbStore(self.folder / "data", clock_us=self.clock.now_us, map_size_bytes=MAP_SIZE_BYTES)

    @rule()
    def restart(self) -> None:
        self.engine.close()
        self.begin_again()

    @rule()
    def kill(self) -> None:
        """What `kill -9` leaves is the file as it is at that moment: everything acknowledged is in it."""
        data = self.folder / "data"
        shutil.copyfile(data / "data.mdb", self.folder / "left")
        self.engine.close()
        shutil.rmtree(data)
        data.mkdir()
        (self.folder / "left").rename(data / "data.mdb")
        self.begin_again()

    def begin_again(self) -> None:
        self.store = self.opened()
        self.engine = self.asked = self.opened_engine()
        self.told["restart"] += 1

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            shutil.rmtree(self.folder)


class WireMachine(EngineMachine):
    """The same through a real gRPC server."""

    def __init__(self) -> None:
        super().__init__()
        self.server = BackgroundServer(self.engine)
        self.server.__enter__()
        self.asked = self.wire = WireEngine(self.server.endpoint)

    def caller(self, draw: Requests) -> Caller:
        """A server without keys takes everyone for `local`; the run is told by whoever calls."""
        return Caller(LOCAL_CALLER.principal, draw.of(CALLERS).run, may_write_managed=True)

    def teardown(self) -> None:
        try:
            self.wire.close()
            self.server.stop(grace_s=5.0)
        finally:
            super().teardown()


# The same runs every time: whether enough was asked to mean anything must not hang on luck. The long ones are random.
QUICK = settings(deadline=None, stateful_step_count=40, suppress_health_check=list(HealthCheck), derandomize=True)
# A step through a server takes milliseconds, so shrinking would take minutes; what failed is its last step anyway.
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def run(machine: type[EngineMachine], chosen: settings, number: int | None = None) -> Counter[object]:
    """Run a machine; what it was told."""
    told: Counter[object] = Counter()
    counted = type(machine.__name__, (machine,), {"told": told})
    run_state_machine_as_test(counted if number is None else seed(number)(counted), settings=chosen)
    return told


def require_meaning(told: Counter[object], *also: object) -> None:
    """That enough kinds of answers were met."""
    kinds = (Verdict.NO, Verdict.YES, "expansion", "read", *also)
    assert all(told[kind] for kind in kinds), f"too little was asked to mean anything: {told}"


def test_the_engine_over_memory_is_its_model() -> None:
    met = ((Verdict.YES, "of the past"), "copy", "final", "FINAL_RELATION", "SUBTRACTED_WEAKENED")
    require_meaning(run(EngineMachine, settings(QUICK, max_examples=50)), *met)


def test_the_engine_over_lmdb_is_its_model_across_restarts_and_kills() -> None:
    require_meaning(run(LmdbMachine, settings(QUICK, max_examples=20)), "restart")


def test_the_server_over_grpc_is_its_model() -> None:
    require_meaning(run(WireMachine, settings(QUICK, max_examples=15, phases=NO_SHRINKING)))


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("machine", "examples"), [(EngineMachine, 2_000), (LmdbMachine, 1_000), (WireMachine, 400)])
def test_the_server_is_its_model_at_length(machine: type[EngineMachine], examples: int, seed: int) -> None:
    told = run(
        machine,
        settings(QUICK, max_examples=examples, stateful_step_count=80, database=None, derandomize=False),
        seed,
    )
    print(told)
    past = [(verdict, "of the past") for verdict in Verdict]
    require_meaning(
        told,
        *past,
        "NEGATIVE_CYCLE",
        "CAVEAT_FAILED",
        "FOREIGN_TOKEN",
        "FUTURE_TOKEN",
        "INVALID_TOKEN",
        "INVALID_CURSOR",
        "SCHEMA_ORPHANS_RELATIONSHIPS",
    )
