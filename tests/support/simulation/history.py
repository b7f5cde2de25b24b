"""What concurrent clients did to one store, and whether there is an order in which it all makes sense.

Every request is noted with when it was sent and when its answer came, on one counter for all threads. The order of
writes is what a watcher was told; the checker holds every other note against it.
Law: no answer at a revision ≥ r ignores an acknowledged write r, and no answer is older than what anybody was told
before it was asked for."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from remit.language.plan import Schema
from remit.model import Relationship, RelationshipKey, SubjectRef
from tests.support.judge import Judge

Facts = frozenset[RelationshipKey]


@dataclass(frozen=True)
class Question:
    """What was asked, and whether it was a yes."""

    key: RelationshipKey
    held: bool


@dataclass(frozen=True)
class Note:
    """One request. `sent` None: a watcher was told unasked. `told` None: nobody waited for the answer. `revision`: of
    the answer."""

    client: str
    sent: int | None
    told: int | None
    revision: int
    exactly: int | None = None  # the revision that was asked for, where one was
    write: str = ""  # the name of a write
    questions: tuple[Question, ...] = ()
    page: Facts | None = None  # of a read: everything

    def __str__(self) -> str:
        what = f"write {self.write}" if self.write else f"answer to {[str(each.key) for each in self.questions]}"
        return f"{what} of {self.client} at revision {self.revision} ({self.sent} to {self.told})"


@dataclass(frozen=True)
class Committed:
    """What a watcher was told of a revision: the write's name, and what it made of which triples."""

    revision: int
    write: str
    changes: Mapping[RelationshipKey, bool]


@dataclass
class History:
    """Notes from many threads."""

    notes: list[Note] = field(default_factory=list)
    _ticks: itertools.count[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tick(self) -> int:
        with self._lock:
            return next(self._ticks)

    def note(self, note: Note) -> None:
        with self._lock:
            self.notes.append(note)


def violations(schema: Schema, first: tuple[int, Facts], log: Sequence[Committed], notes: Sequence[Note]) -> list[str]:
    """Everything that fits into no order. `first`: the revision and the facts that all began with."""
    found: list[str] = []
    states = {first[0]: first[1]}
    names: dict[str, int] = {}
    for number, committed in enumerate(log, first[0] + 1):
        if committed.revision != number:
            found.append(f"the watcher was told of revision {committed.revision} where {number} comes next")
            return found
        facts = set(states[number - 1])
        for key, is_there in committed.changes.items():
            (facts.add if is_there else facts.discard)(key)
        states[number] = frozenset(facts)
        if committed.write in names:
            found.append(f"write {committed.write} is two revisions, {names[committed.write]} and {number}")
        names[committed.write] = number
    found += _of_writes(names, notes)
    found += _of_time(first[0], names, notes)
    judges: dict[tuple[int, SubjectRef], Judge] = {}
    for note in notes:
        if note.revision not in states:
            found.append(f"{note}: there was no such revision")
            continue
        if note.exactly is not None and note.revision != note.exactly:
            found.append(f"{note}: revision {note.exactly} was asked for")
        if note.page is not None and note.page != states[note.revision]:
            found.append(f"{note}: the page differs by {sorted(map(str, note.page ^ states[note.revision]))}")
        for question in note.questions:
            seen = (note.revision, question.key.subject)
            if seen not in judges:
                facts_then = [Relationship(*key) for key in states[note.revision]]
                judges[seen] = Judge(schema, facts_then, question.key.subject, 0, {})
                judges[seen].table()
            cell = (question.key.resource, question.key.relation, question.key.subject)
            if question.held != (judges[seen].low.get(cell, 0) == 2):
                found.append(f"{note}: `{question.key}` was answered {question.held}")
    return found


def _of_writes(names: Mapping[str, int], notes: Sequence[Note]) -> list[str]:
    """An acknowledged write is the revision it was told it is; one that was not waited for is one or none."""
    return [
        f"{note}: the watcher was told that it is {names.get(note.write)}"
        for note in notes
        if note.write and note.told is not None and names.get(note.write) != note.revision
    ]


def _of_time(first: int, names: Mapping[str, int], notes: Sequence[Note]) -> list[str]:
    """Nothing is answered from before what anybody was already told, nor from after what anybody had yet asked for. All
    were told of the first revision before they began."""
    found: list[str] = []
    events: list[tuple[int, bool, Note]] = []
    for note in notes:
        if note.sent is not None:
            events.append((note.sent, False, note))
        if note.told is not None:
            events.append((note.told, True, note))
    newest_told, newest_sent = first, first
    least: dict[int | None, int] = {None: first}  # by when it was sent: the revision that must be seen
    for _, is_told, note in sorted(events, key=lambda event: event[0]):
        revision = names.get(note.write, 0) if note.write else note.revision
        if not is_told:
            least[note.sent] = newest_told
            newest_sent = max(newest_sent, names.get(note.write, 0))
            continue
        if note.exactly is None:
            if revision < least[note.sent] + bool(note.write):
                found.append(f"{note}: revision {least[note.sent]} had been told before it was sent")
            newest_told = max(newest_told, revision)
        if not note.write and note.revision > max(newest_sent, least[note.sent]):
            found.append(f"{note}: nobody had yet sent what became that revision")
    return found
