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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from remit.engine.agents.performing import Performed, Submission
from remit.engine.agents.run_requests import SpawnOrder
from remit.engine.clock import ManualClock
from remit.engine.entry_files import ENTRIES_FOLDER, EntryFiles
from remit.engine.facade import Engine
from remit.engine.remembered import RequestKey
from remit.model import LOCAL_CALLER, Caller, Delta, ObjectRef, Operation, Update
from remit.notation import format_time, parse_relationship
from remit.store.lmdb.lmdb_store import LmdbStore
from tests.support.agent_world import FACTS, SCHEMA
from tests.support.simulation.forked import Child, Say, done
from tests.support.small_worlds import NOW_US
from tests.support.store.worlds import check

RUNS = 60  # that verbs are about, one after the other
CALLER = Caller("service:anne", run="r-0")
MAP_SIZE_BYTES = 64 * 2**20

Verb = Callable[[Engine, int, Submission], Performed[Any]]


def hold(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    return engine.holds.hold("", run(number), reason="odd", id=f"h-{number}", submission=submission)


def release(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    return engine.holds.release("", f"h-{number}", reason="mended", submission=submission)


def terminate(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    return engine.ends.terminate("", run(number), reason="over", submission=submission)


def give_consent(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    return engine.consents.give("", ObjectRef("user", "ben"), ["payer"], reason="pays", submission=submission)


def withdraw_consent(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    return engine.consents.withdraw("", f"c-{number}", reason="pays no more", submission=submission)


def spawn(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    order = SpawnOrder(
        ObjectRef("system", "clock"), "payer.2", ["pay"], bindings={"invoice": "881"}, session=f"{number}"
    )
    return engine.runs.spawn("", order, submission=submission)


def renew(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    return engine.runs.renew("", run(number).id, lifetime_s=7200, submission=submission)


def narrow(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    return engine.runs.narrow("", run(number).id, "small", submission=submission)


def declare_intent(engine: Engine, number: int, submission: Submission) -> Performed[Any]:
    return engine.runs.declare_intent("", run(number).id, "pay", submission=submission)


# Every verb of agents that changes something has a row: how it is asked about the `number`-th run, which exists. About
# each run they are asked in this order.
VERBS: dict[str, Verb] = {
    "GiveConsent": give_consent,
    "WithdrawConsent": withdraw_consent,
    "Spawn": spawn,
    "Renew": renew,
    "Narrow": narrow,
    "DeclareIntent": declare_intent,
    "Hold": hold,
    "Release": release,
    "Terminate": terminate,
}
NAMES = tuple(VERBS)
ASKED_MAX = len(NAMES) + 2  # by one process, before it is killed
UNKILLED, UNCOUNTED = 0, -1


def run(number: int) -> ObjectRef:
    return ObjectRef("run", f"r-{number}")


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
        facts = [*FACTS, *(fact for each in range(RUNS) for fact in facts_of(each))]
        updates = [Update(Operation.TOUCH, parse_relationship(each)) for each in facts]
        engine.relationships.write("", updates, caller=LOCAL_CALLER)


def facts_of(number: int) -> Iterator[str]:
    """A run that lives for an hour, and a consent beside it."""
    until = f"[expiration:{format_time(NOW_US + 3600 * 1_000_000)}]"
    yield f"{run(number)}#delegated_by@user:anne"
    yield f"{run(number)}#instance_of@agent_version:payer.2"
    yield f"profile:pay#holder@{run(number)}{until}"
    yield f"profile:pay#declarer@{run(number)}{until}"
    yield f"user:ben#consent@consent:c-{number}"
    yield f"consent:c-{number}#agent@agent:payer"


class Steps:
    """Counts the steps of all threads of this process, and at one of them kills it."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at = kill_at
        self.taken = 0
        self.is_counting = False
        threading.setprofile(self)
        sys.setprofile(self)

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if self.is_counting:
            self.taken += 1
            if self.taken == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def carry_out(path: Path, first: int, count: int, kill_at: int, say: Say, *, from_opening: bool = False) -> None:
    """Some requests, one after the other. Of each a line is said before it is sent, with the steps that were taken by
    then, and one when it is answered, with its revision. `kill_at` UNKILLED: steps are counted; UNCOUNTED: they are
    not, and are as quick as ever."""
    steps = Steps(kill_at) if kill_at != UNCOUNTED else None
    if steps is not None:
        steps.is_counting = from_opening
    with opened(path) as engine:
        assert engine.entries is not None
        engine.entries.start()
        if steps is not None:
            steps.is_counting = True
        for number in range(first, first + count):
            say(f"sent {number} {steps.taken if steps is not None else 0}\n")
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
    *_, last, _ = done(partial(carry_out, undisturbed, 0, len(NAMES) + 1, UNKILLED)).splitlines()
    steps_max = int(last.split()[2])  # of all verbs, once each
    shapes = json.loads(done(partial(tell_shapes, undisturbed)))
    assert tuple(shapes) == NAMES, "every verb leaves an entry under its name"

    met: Counter[str] = Counter()
    told: dict[int, int] = {}
    path = folder / "data"
    for point in range(points):
        first = max(told, default=-1) + 1
        if not point or first + ASKED_MAX > RUNS * len(NAMES):  # no run is left
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
    """What the process said that was killed: by itself at a step, or by us at a moment."""
    if chance.random() < 0.6:
        kill_at, from_opening = chance.randint(1, steps_max), chance.random() < 0.2
        child = Child(partial(carry_out, path, first, ASKED_MAX, kill_at, from_opening=from_opening))
        said, _ = child.end()
        return said
    child = Child(partial(carry_out, path, first, ASKED_MAX, UNCOUNTED))
    child.await_lines(chance.randint(1, 2 * len(NAMES)))
    select.select([], [], [], chance.random() * 0.004)  # into what comes next, or its commit
    said, _ = child.end(kill=True)
    return said


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Random(int(sys.argv[2])), int(sys.argv[3]))))
