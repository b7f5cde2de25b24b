"""Many clients at once through real gRPC: whatever they were told fits into one order, the order of the revisions.

Writers toggle facts, some without waiting for the answer; checkers ask at head, at least and exactly; a reader lists; a
watcher is told. All of it is noted and judged afterwards by `support.simulation.history`, which has tests of its own
below: a checker that finds nothing must be one that would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from remit.engine.clock import SystemClock
from remit.engine.facade import Engine
from remit.engine.tokens import decode_token
from remit.errors import RemitError
from remit.language import compile_schema
from remit.model import (
    LOCAL_CALLER,
    Operation,
    Precondition,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    Update,
    Verdict,
)
from remit.model import Question as Asked
from remit.notation import parse_relationship
from remit.server.run.background import BackgroundServer
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore
from remit.store.port import Store
from remit.v1 import relationships_pb2
from remit.wire.facts import decode_relationship
from tests.support.simulation.history import Committed, History, Note, Question, violations
from tests.support.simulation.wire import PATIENCE_S, WireEngine, connected

SCHEMA = """
use delegation

definition user {}

definition group {
    relation member: user | group#member
}

definition doc {
    relation parent: doc
    single relation owner: user
    relation viewer: user | group#member
    relation banned: user
    permission view = (viewer + owner + parent->view) - banned
}
"""


def key(text: str) -> RelationshipKey:
    return parse_relationship(text).key


TOGGLED = [
    key(text)
    for text in (
        "doc:a#viewer@user:ann",
        "doc:a#viewer@group:g#member",
        "doc:b#parent@doc:a",
        "doc:c#parent@doc:b",
        "group:g#member@user:ben",
        "group:g#member@group:h#member",
        "group:h#member@user:ben",
        "doc:b#banned@user:ben",
        "doc:c#viewer@user:ben",
    )
]
ASKED = [key(f"doc:{doc}#view@user:{user}") for doc in "abc" for user in ("ann", "ben")]


def revision(token: str) -> int:
    return decode_token(token)[2]


@contextmanager
def serving(kind: str, folder: Path) -> Iterator[str]:
    """The endpoint of a server on that kind of store, whose schema is revision 1."""
    clock = SystemClock()
    store: Store = (
        LmdbStore(folder / "data", clock_us=clock.now_us) if kind == "lmdb" else MemoryStore(clock_us=clock.now_us)
    )
    engine = Engine(store, clock)
    try:
        engine.schemas.write("", SCHEMA)
        with BackgroundServer(engine) as server:
            yield server.endpoint
    finally:
        engine.close()


# --- the clients ------------------------------------------------------------------------------------------------


class Client:
    """One thread's connection, its chances and its notes."""

    def __init__(self, name: str, wire: WireEngine, history: History, random: Random) -> None:
        self.name, self.wire, self.history, self.random = name, wire, history, random
        self.tokens = [wire.schemas.read("").token]  # of what it was told

    def write(self, number: int) -> None:
        """One to four facts, on or off, as one revision. One in ten is sent and left.

        A watcher passes over revisions that change nothing, so a touch is always among them."""
        touched, *others = self.random.sample(TOGGLED, self.random.randint(1, 4))
        updates = [Update(Operation.TOUCH, Relationship(*touched))]
        updates += [Update(Operation.DELETE, Relationship(*each)) for each in others]
        self.send(f"{self.name}-{number}", updates, is_left=self.random.randrange(10) == 0)

    def send(self, name: str, updates: list[Update], is_left: bool = False) -> None:
        metadata_json = f'{{"write":"{name}"}}'
        sent = self.history.tick()
        if is_left:
            self.wire.write_and_leave("", updates, metadata_json=metadata_json)
            self.history.note(Note(self.name, sent, None, 1, write=name))
            return
        token = self.wire.relationships.write("", updates, metadata_json=metadata_json, caller=LOCAL_CALLER).token
        self.tokens.append(token)
        self.history.note(Note(self.name, sent, self.history.tick(), revision(token), write=name))

    def ask(self, number: int) -> None:
        match self.random.randrange(6):
            case 0:
                self.ask_many()
            case 1:
                self.read()
            case _:
                self.check()

    def check(self) -> None:
        asked = self.random.choice(ASKED)
        token = self.random.choice(self.tokens)
        word = self.random.choice(["", "", "at_least", "at_exactly"])
        sent = self.history.tick()
        answer = self.wire.questions.check("", Asked(*asked), **({word: token} if word else {}))  # type: ignore[arg-type]
        told = self.history.tick()
        self.tokens.append(answer.token)
        question = Question(asked, answer.verdict is Verdict.YES)
        exactly = revision(token) if word == "at_exactly" else None
        self.history.note(Note(self.name, sent, told, revision(answer.token), exactly, questions=(question,)))

    def ask_many(self) -> None:
        sent = self.history.tick()
        answer = self.wire.questions.check_many("", [Asked(*each) for each in ASKED])
        told = self.history.tick()
        self.tokens.append(answer.token)
        questions = []
        for asked, result in zip(ASKED, answer.results, strict=True):
            assert not isinstance(result, RemitError), result
            questions.append(Question(asked, result.verdict is Verdict.YES))
        self.history.note(Note(self.name, sent, told, revision(answer.token), questions=tuple(questions)))

    def read(self) -> None:
        sent = self.history.tick()
        page = self.wire.relationships.read("", RelationshipFilter())
        told = self.history.tick()
        facts = frozenset(each.relationship.key for each in page.items)
        self.history.note(Note(self.name, sent, told, revision(page.token), page=facts))

    def watch(self, begun: threading.Event) -> list[Committed]:
        """Everything until the write called `last`. What a watcher was told is told, as any answer is."""
        log: list[Committed] = []
        for message in self.wire.watch("", self.tokens[0]):
            told = self.history.tick()
            begun.set()
            if message.checkpoint:
                continue
            name = message.metadata.fields["write"].string_value
            log.append(Committed(revision(message.token), name, dict(map(changed, message.changes))))
            self.history.note(Note(self.name, None, told, log[-1].revision))
            if name == "last":
                break
        return log


def changed(change: relationships_pb2.WatchedChange) -> tuple[RelationshipKey, bool]:
    touched = change.kind == relationships_pb2.WatchedChange.KIND_TOUCHED
    return decode_relationship(change.relationship, "change").key, touched


def storm(endpoint: str, seed: int, writers: int, checkers: int, steps: int) -> tuple[list[Committed], History]:
    """Let them all loose, and wait for all of them."""
    history = History()
    begun, asked, written = threading.Event(), threading.Semaphore(0), threading.Event()

    def client(name: str, work: Callable[[Client, int], None], until: threading.Event | None = None) -> None:
        with connected(endpoint) as wire:
            one = Client(name, wire, history, Random(f"{seed} {name}"))
            number = 0
            while number < steps or (until is not None and not until.is_set()):
                work(one, number)
                if until is not None and number == 0:
                    asked.release()
                number += 1

    def watcher() -> list[Committed]:
        with connected(endpoint) as wire:
            return Client("watcher", wire, history, Random(seed)).watch(begun)

    with ThreadPoolExecutor(writers + checkers + 1) as threads:
        watching = threads.submit(watcher)
        assert begun.wait(PATIENCE_S)
        # As long as there are writes: on a slow disk, checks would be done before the first facts are there. And from
        # the first write on: where threads are slow to begin, writes would be done before the first check.
        checking = [threads.submit(client, f"checker{n}", Client.ask, written) for n in range(checkers)]
        try:
            assert all(asked.acquire(timeout=PATIENCE_S) for _ in range(checkers))
            writing = [threads.submit(client, f"writer{n}", Client.write) for n in range(writers)]
            for each in writing:
                each.result(PATIENCE_S)
        finally:
            written.set()
        for each in checking:
            each.result(PATIENCE_S)
        with connected(endpoint) as wire:
            Client("main", wire, history, Random(seed)).send(
                "last", [Update(Operation.TOUCH, Relationship(*TOGGLED[0]))]
            )
        return watching.result(PATIENCE_S), history


PLAN = compile_schema(SCHEMA).schema
BEGINNING = (1, frozenset[RelationshipKey]())


@pytest.mark.parametrize("kind", ["memory", "lmdb"])
def test_what_concurrent_clients_are_told_fits_into_one_order(kind: str, tmp_path: Path, seed: int) -> None:
    with serving(kind, tmp_path) as endpoint:
        log, history = storm(endpoint, seed, writers=3, checkers=3, steps=60)
    assert violations(PLAN, BEGINNING, log, history.notes) == []
    answers = [question.held for note in history.notes for question in note.questions]
    assert min(answers.count(True), answers.count(False)) >= 5, "the answers were all alike"  # usually 50 to 80


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("kind", ["memory", "lmdb"])
def test_what_many_more_clients_are_told_fits_into_one_order(kind: str, tmp_path: Path, seed: int) -> None:
    for round in range(20):
        folder = tmp_path / str(round)
        folder.mkdir()
        with serving(kind, folder) as endpoint:
            log, history = storm(endpoint, seed + round, writers=8, checkers=8, steps=300)
        assert violations(PLAN, BEGINNING, log, history.notes) == []


# --- races ------------------------------------------------------------------------------------------------------

RACERS, RACES = 4, 12


def creating(racer: int, race: int) -> tuple[list[Update], list[Precondition]]:
    return [Update(Operation.CREATE, parse_relationship(f"doc:{race}#viewer@user:x"))], []


def taking_what_is_single(racer: int, race: int) -> tuple[list[Update], list[Precondition]]:
    return [Update(Operation.TOUCH, parse_relationship(f"doc:{race}#owner@user:{racer}"))], []


def locking_by_a_precondition(racer: int, race: int) -> tuple[list[Update], list[Precondition]]:
    nobody = Precondition(RelationshipFilter("doc", f"{race}", relation="banned"), must_match=False)
    return [Update(Operation.TOUCH, parse_relationship(f"doc:{race}#banned@user:{racer}"))], [nobody]


@pytest.mark.parametrize(
    ("request_of", "reason"),
    [
        (creating, "RELATIONSHIP_EXISTS"),
        (taking_what_is_single, "SINGLE_RELATION_TAKEN"),
        (locking_by_a_precondition, "PRECONDITION_FAILED"),
    ],
)
@pytest.mark.parametrize("kind", ["memory", "lmdb"])
def test_of_writers_who_race_for_the_same_exactly_one_wins(
    kind: str,
    request_of: Callable[[int, int], tuple[list[Update], list[Precondition]]],
    reason: str,
    tmp_path: Path,
) -> None:
    lined_up = threading.Barrier(RACERS, timeout=PATIENCE_S)

    def run(endpoint: str, racer: int) -> list[str]:
        """What came of each race: "" for a win, or the reason."""
        outcomes = []
        with connected(endpoint) as wire:
            wire.schemas.read("")  # connected
            for race in range(RACES):
                updates, preconditions = request_of(racer, race)
                lined_up.wait()
                try:
                    wire.relationships.write("", updates, preconditions=preconditions, caller=LOCAL_CALLER)
                    outcomes.append("")
                except RemitError as error:
                    outcomes.append(error.reason)
        return outcomes

    with serving(kind, tmp_path) as endpoint, ThreadPoolExecutor(RACERS) as threads:
        running = [threads.submit(run, endpoint, racer) for racer in range(RACERS)]
        races = list(zip(*(each.result(PATIENCE_S) for each in running), strict=True))
        assert [sorted(race) for race in races] == [["", *[reason] * (RACERS - 1)]] * RACES
        with connected(endpoint) as wire:
            page = wire.relationships.read("", RelationshipFilter())
            assert len(page.items) == RACES
            assert revision(page.token) == 1 + RACES


# --- the checker itself -----------------------------------------------------------------------------------------

ANN, BEN = TOGGLED[0], TOGGLED[8]
SEEN = ASKED[0]  # what ANN gives
LOG = [Committed(2, "w1", {ANN: True}), Committed(3, "w2", {BEN: True}), Committed(4, "w3", {ANN: False})]
NOTES = [
    Note("writer", 0, 2, 2, write="w1"),
    Note("checker", 1, 3, 1, questions=(Question(SEEN, False),)),
    Note("checker", 4, 5, 2, questions=(Question(SEEN, True),)),
    Note("writer", 6, None, 1, write="w2"),
    Note("reader", 7, 9, 3, page=frozenset({ANN, BEN})),
    Note("other", 8, 12, 4, write="w3"),
    Note("checker", 10, 11, 4, questions=(Question(SEEN, False),)),
    Note("watcher", None, 13, 3),
    Note("checker", 14, 15, 2, exactly=2, questions=(Question(SEEN, True),)),
    Note("writer", 16, None, 1, write="never"),
]


def swapped(at: int, **parts: object) -> list[Note]:
    return [replace(note, **parts) if number == at else note for number, note in enumerate(NOTES)]  # type: ignore[arg-type]


def test_the_checker_has_nothing_against_a_history_that_fits() -> None:
    assert violations(PLAN, BEGINNING, LOG, NOTES) == []


@pytest.mark.parametrize(
    ("log", "notes", "said"),
    [
        (LOG, swapped(2, revision=1, questions=()), "had been told before it was sent"),
        (LOG, swapped(2, questions=(Question(SEEN, False),)), "was answered False"),
        (LOG, swapped(1, revision=2), "was answered False"),
        (LOG, swapped(2, revision=3), "nobody had yet sent"),
        (LOG, swapped(4, page=frozenset({ANN})), "the page differs"),
        (LOG, swapped(4, revision=9), "no such revision"),
        (LOG, swapped(7, told=1), "nobody had yet sent"),
        (LOG, swapped(5, revision=3), "told that it is 4"),
        (LOG, swapped(5, write="lost"), "told that it is None"),
        (LOG, swapped(8, revision=4, questions=()), "revision 2 was asked for"),
        (LOG, swapped(8, exactly=None), "had been told before it was sent"),
        ([LOG[1], LOG[2]], NOTES, "where 2 comes next"),
        ([LOG[0], LOG[2]], NOTES, "where 3 comes next"),
        ([*LOG, Committed(5, "w1", {})], NOTES, "is two revisions"),
        ([LOG[0], Committed(3, "w3", {}), Committed(4, "w2", {})], NOTES, "told that it is 3"),
    ],
)
def test_the_checker_finds_what_does_not_fit(log: list[Committed], notes: list[Note], said: str) -> None:
    found = violations(PLAN, BEGINNING, log, notes)
    assert any(said in each for each in found), found


def test_the_checker_finds_a_write_that_is_older_than_what_was_told() -> None:
    log = [Committed(2, "later", {}), Committed(3, "earlier", {})]
    notes = [Note("a", 0, 1, 3, write="earlier"), Note("b", 2, 3, 2, write="later")]
    assert any("had been told before" in each for each in violations(PLAN, BEGINNING, log, notes))
