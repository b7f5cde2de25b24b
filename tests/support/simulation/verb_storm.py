"""The process of the crash tests of verbs: it has others carry verbs out, kills each of them at some point, and looks
at what it left. `python -m tests.support.simulation.verb_storm DIRECTORY SEED POINTS` prints what it met.

A point is a step of any thread of the process that carries verbs out: a call or a return, LMDB's own among them; or a
moment in which it is killed from outside.
Law: a verb that was killed is whole or absent; what was acknowledged is there; and the same request, sent again,
completes it, once."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from remit.engine.agents.ceiling_record import Ceilings
from remit.engine.agents.descriptions import Digests
from remit.engine.agents.performing import Performed, Submission
from remit.engine.agents.run_requests import SpawnOrder
from remit.engine.clock import ManualClock
from remit.engine.entry_files import ENTRIES_FOLDER, EntryFiles
from remit.engine.facade import Engine
from remit.engine.remembered import RequestKey
from remit.model import LOCAL_CALLER, Delta, ObjectRef, Operation, RecordKey, SubjectRef, Update
from remit.notation import parse_relationship
from remit.store.lmdb.lmdb_store import LmdbStore
from tests.support.agent_world import FACTS, SCHEMA
from tests.support.apply_documents import AGENT_SPEC, document
from tests.support.simulation.forked import Child, Say, done
from tests.support.small_worlds import NOW_US
from tests.support.store.worlds import check

CALLER = LOCAL_CALLER._replace(principal="service:anne")
MAP_SIZE_BYTES = 64 * 2**20
TURNS_MAX = 20  # in one store

Verb = Callable[[Engine, int, Submission], Performed[Any]]

ANNE = ObjectRef("user", "anne")
OWNERS, BEN = [SubjectRef(*ANNE)], SubjectRef("user", "ben")


def descriptor(turn: int, text: str) -> bytes:
    described = {"name": f"t-{turn}", "description": text, "input_schema": {"type": "object", "properties": {}}}
    return json.dumps(described).encode()


def order(turn: int) -> SpawnOrder:
    return SpawnOrder(ANNE, "payer.2", ["pay"], session=f"s-{turn}", lifetime_s=600)


def run_of(engine: Engine, turn: int) -> ObjectRef:
    """The run that was spawned at that turn, whose id the server has made."""
    with engine.loaded.view(engine.loaded.of("").identity) as view:
        stored = view.get_record(RecordKey("session", order(turn).session_object))
    assert stored is not None, "a run is spawned before it is asked about"
    return ObjectRef("run", json.loads(stored.record.document)["run"])


def consent_of(engine: Engine, turn: int) -> str:
    (given,) = [each.id for each in engine.consents.list("", ANNE) if each.reason == f"c-{turn}"]
    return given


# Every verb of agents that changes something has a row: how it is asked at a turn, in this order. Each turn it does
# the same, to what others have made at that turn.
# fmt: off
VERBS: dict[str, Verb] = {
    "RegisterAgent": lambda engine, turn, as_asked: engine.registrations.register(
        "", f"a-{turn}", owners=OWNERS, domain="office", submission=as_asked),
    "ChangeAgent": lambda engine, turn, as_asked: engine.registrations.change(
        "", f"a-{turn}", ceilings=Ceilings(depth_max=2), submission=as_asked),
    "TransferOwner": lambda engine, turn, as_asked: engine.owners.transfer(
        "", *OWNERS, BEN, only=[ObjectRef("agent", f"a-{turn}")], submission=as_asked),
    "AddVersion": lambda engine, turn, as_asked: engine.versions.add(
        "", f"a-{turn}", f"v-{turn}", digests=Digests(model="m"), submission=as_asked),
    "Certify": lambda engine, turn, as_asked: engine.versions.certify(
        "", f"v-{turn}", until_us=NOW_US + 3_600_000_000, submission=as_asked),
    "Decertify": lambda engine, turn, as_asked: engine.versions.decertify("", f"v-{turn}", submission=as_asked),
    "RetireAgent": lambda engine, turn, as_asked: engine.registrations.retire("", f"a-{turn}", submission=as_asked),
    "RegisterTool": lambda engine, turn, as_asked: engine.tools.register(
        "", f"t-{turn}", domain="office", descriptor=descriptor(turn, "first"), is_untagged=True, risk="low",
        submission=as_asked),
    "ChangeTool": lambda engine, turn, as_asked: engine.tools.change("", f"t-{turn}", risk="high", submission=as_asked),
    "ProposeDescriptor": lambda engine, turn, as_asked: engine.tools.propose(
        "", f"t-{turn}", descriptor=descriptor(turn, "second"), submission=as_asked),
    "AcceptDescriptor": lambda engine, turn, as_asked: engine.tools.accept(
        "", f"t-{turn}", sha256(descriptor(turn, "second")).hexdigest(), submission=as_asked),
    "RejectDescriptor": lambda engine, turn, as_asked: engine.tools.reject(
        "", f"t-{turn}", sha256(descriptor(turn, "second")).hexdigest(), submission=as_asked),
    "RelaxTool": lambda engine, turn, as_asked: engine.tools.relax("", f"t-{turn}", risk="low", submission=as_asked),
    "RetireTool": lambda engine, turn, as_asked: engine.tools.retire("", f"t-{turn}", submission=as_asked),
    "Apply": lambda engine, turn, as_asked: engine.applies.apply(
        "", [document("Person", f"p-{turn}"), document("Agent", f"b-{turn}", **AGENT_SPEC)], submission=as_asked),
    "GiveConsent": lambda engine, turn, as_asked: engine.consents.give(
        "", ANNE, ["payer"], reason=f"c-{turn}", submission=as_asked),
    "Spawn": lambda engine, turn, as_asked: engine.runs.spawn("", order(turn), submission=as_asked),
    "Renew": lambda engine, turn, as_asked: engine.runs.renew(
        "", run_of(engine, turn).id, lifetime_s=1_200, submission=as_asked),
    "Narrow": lambda engine, turn, as_asked: engine.runs.narrow(
        "", run_of(engine, turn).id, "small", submission=as_asked),
    "DeclareIntent": lambda engine, turn, as_asked: engine.runs.declare_intent(
        "", run_of(engine, turn).id, "pay", submission=as_asked),
    "Hold": lambda engine, turn, as_asked: engine.holds.hold(
        "", run_of(engine, turn), reason="odd", id=f"h-{turn}", submission=as_asked),
    "Release": lambda engine, turn, as_asked: engine.holds.release(
        "", f"h-{turn}", reason="mended", submission=as_asked),
    "Terminate": lambda engine, turn, as_asked: engine.ends.terminate(
        "", run_of(engine, turn), reason="over", submission=as_asked),
    "WithdrawConsent": lambda engine, turn, as_asked: engine.consents.withdraw(
        "", consent_of(engine, turn), submission=as_asked),
}
# fmt: on
NAMES = tuple(VERBS)
ASKED_MAX = 4  # by one process, before it is killed


def verb_of(number: int) -> str:
    """Of the `number`-th request of all."""
    return NAMES[number % len(NAMES)]


def request_id(number: int) -> str:
    return f"request-{number}"


def ask(engine: Engine, number: int) -> int:
    """Its revision."""
    submission = Submission(CALLER, RequestKey(request_id(number), "as it was"))
    return VERBS[verb_of(number)](engine, number // len(NAMES), submission).revision


# --- the processes that carry verbs out -------------------------------------------------------------------------


@contextmanager
def opened(path: Path) -> Iterator[Engine]:
    clock = ManualClock(NOW_US)
    store = LmdbStore(path, clock_us=clock.now_us, map_size_bytes=MAP_SIZE_BYTES)
    check(store)
    engine = Engine(store, clock, entries=EntryFiles(path))
    try:
        yield engine
    finally:
        engine.close()


def begin(path: Path, say: Say) -> None:
    with opened(path) as engine:
        engine.schemas.write("", SCHEMA)
        facts = [Update(Operation.TOUCH, parse_relationship(each)) for each in FACTS]
        engine.relationships.write("", facts, caller=LOCAL_CALLER)


@dataclass
class Steps:
    """Kills this process at a step of its threads, or as soon as so many verbs are committed, the last of which nobody
    has been told of then; 0: at none. `is_quick`: steps are not counted, which takes several times as long."""

    kill_at: int = 0
    kill_at_commit: int = 0
    is_quick: bool = False
    taken: int = 0
    committed: int = 0
    is_counting: bool = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if self.is_counting:
            self.taken += 1
            self._kill_where(self.taken == self.kill_at)

    def commit(self, name: str, deltas: Sequence[Delta]) -> None:
        self.committed += len(deltas)
        self._kill_where(self.committed == self.kill_at_commit)

    def _kill_where(self, is_here: bool) -> None:
        if is_here:
            os.kill(os.getpid(), signal.SIGKILL)

    def count(self) -> None:
        """In this thread, and in those that begin."""
        threading.setprofile(self)
        sys.setprofile(self)


def carry_out(path: Path, first: int, count: int, steps: Steps, say: Say) -> None:
    """Some requests, one after the other. Of each a line is said before it is sent, with the steps that were taken by
    then, and one when it is answered, with its revision."""
    if not steps.is_quick:
        steps.count()
    with opened(path) as engine:
        assert engine.entries is not None
        engine.entries.start()
        engine.loaded.after_commit.append(steps.commit)
        steps.is_counting = True
        for number in range(first, first + count):
            say(f"sent {number} {steps.taken}\n")
            say(f"told {number} {ask(engine, number)}\n")
        engine.entries.close()


# --- what they left ---------------------------------------------------------------------------------------------

Shape = list[list[str]]


def shape(delta: Delta) -> Shape:
    """What a revision did, whatever it was about: a verb that is whole has the same one always."""
    changes = sorted(f"{each.key.resource.type}#{each.key.relation} {each.after is not None}" for each in delta.changes)
    records = sorted(f"{each.key.kind} {each.after is not None}" for each in delta.records)
    return [changes, records, sorted(json.loads(delta.entry_json))]


def deltas_of(engine: Engine) -> list[Delta]:
    with engine.loaded.view(engine.loaded.of("").identity) as view:
        return [each for each in view.changelog(0) if each.entry_json]


def revisions_by_request(engine: Engine) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for each in deltas_of(engine):
        found.setdefault(json.loads(each.entry_json)["request_id"], []).append(each.revision)
    return found


def tell_shapes(path: Path, say: Say) -> None:
    with opened(path) as engine:
        say(json.dumps({json.loads(each.entry_json)["verb"]: shape(each) for each in deltas_of(engine)}))


def examine(path: Path, told: dict[int, int], unanswered: int | None, shapes: dict[str, Shape], say: Say) -> None:
    """Complete the request that was not answered, if there is one; say whether it was `whole` or `absent`, and which
    revision it is."""
    with opened(path) as engine:
        expected = {request_id(number): [revision] for number, revision in told.items()}
        found = revisions_by_request(engine)
        if unanswered is not None:
            id = request_id(unanswered)
            before = found.pop(id, [])
            assert found == expected, "what was acknowledged is not what there is"
            ask(engine, unanswered)
            ask(engine, unanswered)
            completed = revisions_by_request(engine)[id]
            assert len(completed) == 1 and before in ([], completed), f"carried out as {before}, then {completed}"
            say(f"{'whole' if before else 'absent'} {completed[0]}")
            expected[id] = completed
        assert revisions_by_request(engine) == expected, "what was acknowledged is not what there is"
        for each in deltas_of(engine):
            assert shape(each) == shapes[json.loads(each.entry_json)["verb"]], f"half of {each}"
        assert engine.entries is not None
        engine.entries.take()
        require_file(path, deltas_of(engine))


def require_file(path: Path, deltas: list[Delta]) -> None:
    """That the file of entries has each once, in order."""
    file = path / ENTRIES_FOLDER / "default.jsonl"
    lines = [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []
    kept = [(each["revision"], each["entry"]) for each in lines]
    assert kept == [(each.revision, json.loads(each.entry_json)) for each in deltas]


# --- the process that kills -------------------------------------------------------------------------------------


def main(folder: Path, chance: Random, points: int) -> Counter[str]:
    """What was met: of a verb that was killed, its name and what it was; how often nobody waited for one."""
    folder.mkdir(exist_ok=True)
    undisturbed = folder / "undisturbed"
    done(partial(begin, undisturbed))
    *_, last, _ = done(partial(carry_out, undisturbed, 0, len(NAMES) + 1, Steps())).splitlines()
    steps_max = int(last.split()[2]) * ASKED_MAX // len(NAMES)  # of as many as one process is asked, or thereabouts
    shapes = json.loads(done(partial(tell_shapes, undisturbed)))
    assert tuple(shapes) == NAMES, "every verb leaves an entry under its name"

    met: Counter[str] = Counter()
    told: dict[int, int] = {}
    path = folder / "data"
    for point in range(points):
        first = max(told, default=-1) + 1
        if not point or first + ASKED_MAX > TURNS_MAX * len(NAMES):
            path, told, first = folder / f"data-{point}", {}, 0
            done(partial(begin, path))
        unanswered = None
        for line in killed(path, first, steps_max, chance).splitlines():
            word, number, value = line.split()
            unanswered = int(number) if word == "sent" else None
            if word == "told":
                told[int(number)] = int(value)
        found, *revision = done(partial(examine, path, told, unanswered, shapes)).split() or ["between"]
        met[found if unanswered is None else f"{verb_of(unanswered)} {found}"] += 1
        if unanswered is not None:
            told[unanswered] = int(revision[0])
    return met


def killed(path: Path, first: int, steps_max: int, chance: Random) -> str:
    """What the process said that was killed: by itself at a step or after a commit, or by us at a moment."""
    match chance.randrange(8):
        case 0 | 1 | 2 | 3:
            steps = Steps(
                kill_at=chance.randint(1, steps_max), is_counting=chance.random() < 0.2
            )  # perhaps at its start
        case 4 | 5:
            steps = Steps(kill_at_commit=chance.randint(1, ASKED_MAX), is_quick=True)
        case _:
            child = Child(partial(carry_out, path, first, ASKED_MAX, Steps(is_quick=True)))
            child.await_lines(chance.randint(1, 2 * ASKED_MAX - 1))
            select.select([], [], [], chance.random() * 0.004)  # into what comes next, or its commit
            said, _ = child.end(kill=True)
            return said
    said, _ = Child(partial(carry_out, path, first, ASKED_MAX, steps)).end()
    return said


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Random(int(sys.argv[2])), int(sys.argv[3]))))
