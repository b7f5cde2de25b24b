"""Many hold, release, terminate and ask at once, through each way in: whatever they were told fits into one order.

Some requests are sent and left, and sent again under their id. All is noted and judged by `support.simulation.history`,
by the whole agent schema; the order is what a watcher was told.
Laws: hold, then release, is nothing; what is terminated stays terminated; a request id is carried out once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from remit.client import ChangeKind, Client, RemoteError
from remit.engine.clock import SystemClock
from remit.engine.facade import Engine
from remit.engine.tokens import decode_token
from remit.graph.native import available
from remit.language import compile_schema
from remit.model import RelationshipFilter, RelationshipKey
from remit.notation import parse_object, parse_question, parse_relationship
from remit.server.frontend.frontend import FrontendChoice
from remit.server.run.background import BackgroundServer
from remit.store.lmdb.lmdb_store import LmdbStore
from remit.v1 import agents_pb2
from remit.wire.facts import encode_object
from tests.support.simulation.history import Committed, History, Note, Question, violations
from tests.support.simulation.wire import PATIENCE_S, connected

SCHEMA = """
use delegation
use import

import "remit:agents@1"

definition desk {
    relation viewer: user | run
    permission granted = viewer - subject->stopped
    // Versions and agents are not asked: these runs have none.
    // remit-ignore-warning: along-leaves-links-out
    permission open = granted.along(delegated_by)
}
"""
PLAN = compile_schema(SCHEMA).schema
RUNS = ["run:r-1", "run:r-2", "run:r-3", "run:r-4"]
ENDING = "run:r-3"
FACTS = [
    "run:r-1#delegated_by@user:anne",
    "run:r-2#delegated_by@run:r-1",
    "run:r-3#delegated_by@run:r-2",
    "run:r-4#delegated_by@user:anne",
    *(f"desk:d#viewer@{each}" for each in ["user:anne", *RUNS]),
]
ENDED = parse_relationship(f"{ENDING}#terminated@directory:remit").key
ASKED = [f"desk:d#open@{each}" for each in ["user:anne", *RUNS]] + [f"{each}#stopped@{each}" for each in RUNS]


def revision(token: str) -> int:
    return decode_token(token)[2]


@contextmanager
def serving(folder: Path, frontend: FrontendChoice) -> Iterator[str]:
    clock = SystemClock()
    engine = Engine(LmdbStore(folder / "data", clock_us=clock.now_us), clock)
    try:
        with BackgroundServer(engine, frontend=frontend) as server:
            yield server.endpoint
    finally:
        engine.close()


class Storm:
    """What all clients share: the notes, and the holds there may be."""

    def __init__(self, endpoint: str, seed: int) -> None:
        self.endpoint = endpoint
        self.seed = seed
        self.history = History()
        self.placed: set[str] = set()  # holds that were acknowledged
        self.left: dict[str, str] = {}  # holds that were sent and left, and what they are on
        self.repeated: set[str] = set()  # request ids that were sent more than once
        self.log: list[Committed] = []
        with Client(endpoint) as client:
            client.write_schema(SCHEMA)
            self.begun = client.touch(*FACTS)
        self.tokens = [self.begun]

    def client(self, name: str) -> StormClient:
        return StormClient(self, name)

    def note(self, name: str, sent: int, token: str, **told: object) -> None:
        self.tokens.append(token)
        self.history.note(Note(name, sent, self.history.tick(), revision(token), **told))  # type: ignore[arg-type]


class StormClient:
    """One thread's connection and chances. A request's id is that of its note."""

    def __init__(self, storm: Storm, name: str) -> None:
        self.storm, self.name = storm, name
        self.client = Client(storm.endpoint, timeout_s=PATIENCE_S)
        self.random = Random(f"{storm.seed} {name}")

    def stop(self, number: int) -> None:
        match self.random.randrange(8):
            case 0 | 1 | 2:
                self.hold(f"{self.name}-{number}", self.random.choice(["user:anne", *RUNS]))
            case 3:
                self.hold_and_leave(f"{self.name}-{number}", self.random.choice(RUNS))
            case 4 if self.storm.left:  # again, as it was
                id = self.random.choice(sorted(self.storm.left))
                self.storm.repeated.add(id)
                self.hold(id, self.storm.left[id])
            case 5 if number > 10:
                self.terminate(f"{self.name}-{number}")
            case _:
                self.release(f"{self.name}-{number}")

    def hold(self, id: str, on: str) -> None:
        sent = self.storm.history.tick()
        token = self.client.hold(on, reason="odd", id=id, request_id=id).token
        self.storm.note(self.name, sent, token, write=id)
        self.storm.placed.add(id)

    def hold_and_leave(self, id: str, on: str) -> None:
        """Cancelled at once, whatever becomes of it."""
        request = agents_pb2.HoldRequest(on=encode_object(parse_object(on)), reason="odd", id=id, request_id=id)
        begun = revision(self.storm.begun)
        self.storm.history.note(Note(self.name, self.storm.history.tick(), None, begun, write=id))
        with connected(self.storm.endpoint) as wire:
            wire.channel.unary_unary("/remit.v1.Agents/Hold").future(request.SerializeToString()).cancel()
        self.storm.left[id] = on

    def release(self, request_id: str) -> None:
        known = sorted(self.storm.placed | self.storm.left.keys())
        if not known:
            return
        id = self.random.choice(known)
        was_placed = id in self.storm.placed
        sent = self.storm.history.tick()
        try:
            token = self.client.release(id, request_id=request_id).token
        except RemoteError as error:
            assert error.reason == "OBJECT_UNKNOWN" and not was_placed, error
            return
        self.storm.note(self.name, sent, token, write=request_id)

    def terminate(self, request_id: str) -> None:
        """Final: who deletes it is refused."""
        sent = self.storm.history.tick()
        self.storm.note(self.name, sent, self.client.terminate(ENDING, request_id=request_id).token, write=request_id)
        with pytest.raises(RemoteError) as refused:
            self.client.delete_by_filter(RelationshipFilter("run", relation="terminated"))
        assert refused.value.reason == "FINAL_RELATION"

    def release_all(self) -> None:
        """Those too that were sent and left: sent again, they are placed for certain."""
        with self.client:
            for id, on in sorted(self.storm.left.items()):
                self.storm.repeated.add(id)
                self.hold(id, on)
            for id in sorted(self.storm.placed):
                sent = self.storm.history.tick()
                self.storm.note(
                    self.name, sent, self.client.release(id, request_id=f"end-{id}").token, write=f"end-{id}"
                )

    def ask(self, number: int) -> None:
        asked = self.random.choice(ASKED)
        token = self.random.choice(self.storm.tokens)
        word = self.random.choice(["", "", "at_least", "at_exactly"])
        sent = self.storm.history.tick()
        answer = self.client.check(asked, **({word: token} if word else {}))  # type: ignore[arg-type]
        exactly = revision(token) if word == "at_exactly" else None
        questions = (Question(RelationshipKey(*parse_question(asked)), answer.allowed),)
        self.storm.note(self.name, sent, answer.token, exactly=exactly, questions=questions)

    def watch(self, begun: threading.Event) -> None:
        """Everything until the request called `last`."""
        with self.client.watch(self.storm.begun) as watch:
            for event in watch:
                begun.set()
                if event.checkpoint:
                    continue
                changes = {each.relationship.key: each.kind is ChangeKind.TOUCHED for each in event.changes}
                name = str(event.entry["request_id"])
                self.storm.log.append(Committed(revision(event.token), name, changes))
                if name == "last":
                    return


def blow(storm: Storm, stoppers: int, checkers: int, steps: int) -> None:
    """Let them all loose; then release all that is held, or may be."""
    begun, over = threading.Event(), threading.Event()

    def run(name: str, work: Callable[[StormClient, int], None], until: threading.Event | None = None) -> None:
        one = storm.client(name)
        with one.client:
            number = 0
            while number < steps or (until is not None and not until.is_set()):
                work(one, number)
                number += 1

    with ThreadPoolExecutor(stoppers + checkers + 1) as threads, storm.client("main").client as main:
        watching = threads.submit(storm.client("watcher").watch, begun)
        assert begun.wait(PATIENCE_S)
        checking = [threads.submit(run, f"checker{n}", StormClient.ask, over) for n in range(checkers)]
        try:
            for each in [threads.submit(run, f"stopper{n}", StormClient.stop) for n in range(stoppers)]:
                each.result(PATIENCE_S)
            storm.client("main").release_all()
        finally:
            over.set()
            sent = storm.history.tick()
            storm.note("main", sent, main.terminate(ENDING, request_id="last").token, write="last")
        for each in [*checking, watching]:
            each.result(PATIENCE_S)


def judged(storm: Storm) -> tuple[list[Committed], list[Note]]:
    """The whole order, and all notes in terms of it. A revision that a watcher is not told of changed nothing: it is
    the answer to a request that was sent again."""
    told = {each.revision: each for each in storm.log}
    first, last = revision(storm.begun), storm.log[-1].revision
    log = [told.get(each) or Committed(each, f"again-{each}", {}) for each in range(first + 1, last + 1)]
    names = {each.write: each.revision for each in log}
    notes = []
    for note in storm.history.notes:
        if note.told is not None and note.write in storm.repeated and names[note.write] < note.revision:
            note = replace(note, write=f"again-{note.revision}")
        notes.append(note)
    noted = {note.write for note in notes}
    # Sent and left, and carried out after it was sent again: by nobody who waits.
    notes += [
        Note("nobody", 0, None, first, write=name) for name in names if name.startswith("again-") and name not in noted
    ]
    return log, notes


def require_one_order(storm: Storm) -> None:
    log, notes = judged(storm)
    beginning = revision(storm.begun), frozenset(parse_relationship(each).key for each in FACTS)
    assert violations(PLAN, beginning, log, notes) == []
    changes = [change for committed in log for change in committed.changes.items()]
    assert changes.count((ENDED, True)) >= 1 and (ENDED, False) not in changes, "what is terminated stays so"
    with Client(storm.endpoint) as client:
        left = {str(each.relationship.key) for each in client.read()}
        assert left == {*FACTS, str(ENDED)}, "hold, then release, is nothing"
        assert [client.check(f"desk:d#open@{each}").allowed for each in RUNS] == [True, True, False, True]


WAYS = [FrontendChoice.OFF, *([FrontendChoice.ON] if available() else [])]


@pytest.mark.parametrize("frontend", WAYS)
def test_what_is_told_while_many_hold_and_release_fits_into_one_order(
    tmp_path: Path, seed: int, frontend: FrontendChoice
) -> None:
    with serving(tmp_path, frontend) as endpoint:
        storm = Storm(endpoint, seed)
        blow(storm, stoppers=3, checkers=3, steps=30)
        require_one_order(storm)
    answers = [question.held for note in storm.history.notes for question in note.questions]
    assert min(answers.count(True), answers.count(False)) >= 5, "the answers were all alike"


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("frontend", WAYS)
def test_what_is_told_while_many_more_hold_and_release_fits_into_one_order(
    tmp_path: Path, seed: int, frontend: FrontendChoice
) -> None:
    for round in range(10):
        folder = tmp_path / str(round)
        folder.mkdir()
        with serving(folder, frontend) as endpoint:
            storm = Storm(endpoint, seed + round)
            blow(storm, stoppers=8, checkers=8, steps=100)
            require_one_order(storm)
