"""Apply: an organisation is what its documents say, and the difference to what there is becomes one revision.

Documents belong to a set, and a record of each says which facts it has written: those are what a later Apply of the set
takes away again, or writes anew where somebody took them. What others have written is never changed: a fact that is
there already stays theirs, and one that a document would have otherwise is refused.
Law: applied again, documents change nothing and write nothing; and what Apply has not written, it does not remove."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from remit.engine.admission import KnownContexts
from remit.engine.agents.documents import DOCUMENTS_MAX, Described, Place, Problem, Translation, translate
from remit.engine.agents.kinds import BY_NAME, BY_TYPE, CEILINGS, Kind
from remit.engine.agents.performing import LOCALLY, STEPS_ASKED_MAX, Bulk, Decision, Performed, Submission, Verbs
from remit.engine.agents.scene import Scene
from remit.engine.limits import Limits
from remit.engine.record_kinds import AGENT, APPLIED, PROFILE, TOOL
from remit.engine.tokens import encode_token
from remit.errors import (
    ApplyInvalid,
    ApplyRefused,
    CallUnjudgeable,
    CaveatFailed,
    FilterTooBroad,
    InvalidArgument,
    NegativeCycle,
    RemitError,
    StepBudgetSpent,
)
from remit.eval.evaluator import Evaluator
from remit.interrupt import Interrupt
from remit.model import (
    PLAIN,
    ObjectRef,
    Operation,
    Qualifiers,
    Question,
    Relationship,
    RelationshipKey,
    SubjectRef,
    Update,
    Verdict,
)
from remit.notation import canonical_json, checked_id, format_relationship, parse_relationship
from remit.store.port import BULK_WEIGHT, DOCUMENT_BYTES_MAX

DEFAULT_SET = "default"
# Of each document what it has written, and what an agent, a profile or a tool is described by beside its facts.
_RECORDS_MAX = 3 * DOCUMENTS_MAX
# What one condition takes where the first of its owners is there, or the domain is in an estate; see STEPS_ASKED_MAX.
_STEPS_EACH = 20
_TOLD_BYTES_MAX = 600  # of problems, in a message
_ENTRY_NAMES_MAX = 20
_IN_UPDATE = re.compile(r"updates\[(\d+)\]")


class Change(Enum):
    """What becomes of a document, or of a fact. LEFT: it is as somebody else has had it since, who has changed what
    would be removed, or taken away what would be accepted or certified anew."""

    ADDED = 1
    CHANGED = 2
    REMOVED = 3
    UNCHANGED = 4
    LEFT = 5


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact in Remit's notation, or the ceilings of an agent as JSON. `before`: how it was, where it has changed."""

    change: Change
    fact: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """What becomes of one document. `document` and `pointer` say where it stands in the request; None and "" where it
    is removed, for it stands nowhere."""

    kind: str
    name: str
    change: Change
    facts: tuple[FactChange, ...] = ()
    document: int | None = None
    pointer: str = ""


Changes = tuple[DocumentChange, ...]


class _Origin(NamedTuple):
    """Which document an update is for, and where it says so; None where it is removed."""

    title: str
    place: Place | None


class Applies:
    """What is applied, in all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs, evaluator: Evaluator, limits: Limits) -> None:
        self._verbs = verbs
        self._evaluator = evaluator
        self._limits = limits

    def apply(
        self,
        store: str,
        documents: Sequence[bytes],
        *,
        set: str = "",
        selector: Mapping[str, str] | None = None,
        prune: bool = False,
        submission: Submission = LOCALLY,
    ) -> Performed[Changes]:
        """Make the store say what the documents say. `selector`: only those with these labels, the others are passed
        over. `prune`: remove what the set has with those labels and the documents do not have.

        It is rehearsed first, where no write waits, so that what changes nothing is no revision: then the answer is of
        the last one. Raises ApplyInvalid, ApplyRefused, LimitExceeded, and what `Verbs.perform` raises."""
        name = checked_id(set, field="set") if set else DEFAULT_SET
        if not documents:
            raise InvalidArgument("nothing is applied: give at least one of `documents`", field="documents")
        most = self._limits.relationship_context_bytes_max
        translation = translate(documents, context_bytes_max=most, interrupt=submission.interrupt)
        if translation.problems:
            raise _error(ApplyInvalid, translation.problems)
        asked = _Asked(translation, name, dict(selector or {}), prune)
        facts = [fact for each in asked.described for fact, _ in each.facts.values()]
        known = KnownContexts.of(self._verbs.stores.of(store).schema, facts, submission.interrupt)
        head = [("", 0)]
        found: list[_Difference] = []
        judged: list[int] = []  # the revision that it would have been

        def decide(scene: Scene) -> Decision[Changes]:
            head[:] = [(encode_token(scene.view.head.identity, scene.view.head.revision), scene.view.head.revision)]
            # Nothing was written since it was rehearsed: the writer, for whom a hold waits, does not work it out anew.
            is_judged = judged == [scene.view.next_revision]
            if not is_judged:
                found[:] = [_Difference.of(scene, asked)]
            (difference,) = found
            difference.stage(scene)
            scene.write()
            if not is_judged:
                self._judge(scene, difference, submission.interrupt)
                judged[:] = [scene.view.next_revision]
            return Decision(difference.told, entry=difference.entry())

        def again(scene: Scene, made: str) -> Changes:
            found[:] = [_Difference.of(scene, asked)]
            return found[0].told

        def perform(submission: Submission, changes: int) -> Performed[Changes]:
            bulk = Bulk(changes, _RECORDS_MAX, known)
            try:
                return self._verbs.perform(store, "Apply", submission, decide, again, bulk)
            except RemitError as error:
                _blame(error, found[0].origins if found else ())
                raise

        rehearsed = perform(replace(submission, dry_run=True), 0)
        if submission.dry_run:
            return rehearsed
        if not found[0].changes:
            return Performed(rehearsed.told, *head[0])
        # All that is looked at takes its time, also where little of it changes: a hold does not wait for that.
        looked_at = len(facts) + len(asked.described) + (BULK_WEIGHT if prune else 0)
        return perform(submission, max(looked_at, found[0].changes))

    def _judge(self, scene: Scene, difference: _Difference, interrupt: Interrupt) -> None:
        """That what was written has owners who are present, and domains that an estate can stop: asked of the store as
        it would be, within a bound of steps for all of it, for other writes may wait. What is not answered within it is
        no yes. Raises ApplyRefused."""
        asked = list(difference.conditions())
        if not asked:
            return
        view = self._verbs.views.staged(scene.view)
        left = min(STEPS_ASKED_MAX + _STEPS_EACH * len(asked), self._limits.steps_max)
        problems = []
        for each in asked:
            try:
                answer = self._evaluator.check(view, each.question, left, interrupt)
            except StepBudgetSpent:
                left = 0
            except (CallUnjudgeable, CaveatFailed, NegativeCycle):
                pass
            else:
                left -= answer.steps
                if answer.verdict is Verdict.YES:
                    continue
            problems.append(each.problem)
        if problems:
            raise _error(ApplyRefused, problems)


class _Condition(NamedTuple):
    """What has to be answered with yes, and what is wrong where it is not."""

    question: Question
    problem: Problem


class _Asked(NamedTuple):
    """What a request asks for, whatever the store."""

    translation: Translation
    set: str
    selector: Mapping[str, str]
    prune: bool

    @property
    def described(self) -> list[Described]:
        return [each for each in self.translation.described if self.selects(each.labels)]

    def selects(self, labels: Mapping[str, str]) -> bool:
        return self.selector.items() <= labels.items()


@dataclass(slots=True)
class _Difference:
    """What a request would change of a store. `origins` are beside `updates`; `documents` are those that change."""

    asked: _Asked
    changed: list[DocumentChange] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    origins: list[_Origin] = field(default_factory=list)
    records: list[tuple[str, ObjectRef, Mapping[str, object]]] = field(default_factory=list)
    descriptors: dict[ObjectRef, bytes] = field(default_factory=dict)
    forgotten: list[ObjectRef] = field(default_factory=list)
    documents: list[Described] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    free: dict[ObjectRef, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, scene: Scene, asked: _Asked) -> _Difference:
        """Stages nothing. Raises ApplyRefused, FilterTooBroad, and what the interrupt raises. Cost: O(facts x log n),
        and to prune O(documents of all sets)."""
        difference = cls(asked)
        described = asked.described
        there = {each.object for each in described if each.kind.type in BY_TYPE and each.kind.name != _CONTACT}
        removed = list(difference._removed(scene)) if asked.prune else []
        gone = {object for kind, name, _ in removed if (object := _object_of(kind, name)) is not None}
        said = {record.object for each in described for record in each.descriptors}
        known: dict[ObjectRef, bool] = {}
        for each in described:
            difference._require_references(scene, each, there, gone, said, known)
            difference._compare(scene, each)
        for kind, name, written in removed:
            difference._remove(scene, kind, name, written)
        if difference.problems:
            raise _error(ApplyRefused, difference.problems)
        return difference

    @property
    def told(self) -> Changes:
        return tuple(self.changed)

    @property
    def changes(self) -> int:
        return len(self.updates) + len(self.records) + len(self.descriptors) + len(self.forgotten)

    def stage(self, scene: Scene) -> None:
        scene.updates += self.updates
        for kind, object, document in self.records:
            scene.keep(kind, object, document)
        for object, text in self.descriptors.items():
            scene.keep_bytes(object.type, object, text)
        for object in self.forgotten:
            scene.forget(APPLIED, object)

    def entry(self) -> Mapping[str, object]:
        """What the journal tells of it: how much, and which documents first."""
        names = [f"{each.kind}/{each.name}" for each in self.changed if each.change is not Change.UNCHANGED]
        counts = {
            change.name.lower(): count
            for change in (Change.ADDED, Change.CHANGED, Change.REMOVED)
            if (count := sum(each.change is change for each in self.changed))
        }
        return {"set": self.asked.set, **counts, "documents": names[:_ENTRY_NAMES_MAX]}

    def conditions(self) -> Iterator[_Condition]:
        """What has to be true of the documents that change, once they are written."""
        placed: set[ObjectRef] = set()
        for each in self.documents:
            if each.kind.field("owners") is not None:
                problem = "has no owner who is present", "name somebody who is registered and not held"
                yield _condition(each, each.object, "owned", "owner", *problem)
            for key, (_, place) in each.facts.items():
                domain = key.subject.object
                if key.relation == _DOMAIN and domain not in placed:
                    placed.add(domain)
                    unplaced = Problem(place, each.title, f"`{domain}` is in no estate", "give the domain its `estate`")
                    yield _Condition(Question(domain, "placed", SubjectRef(*domain)), unplaced)

    # --- one document -------------------------------------------------------------------------------------------

    def _require_references(
        self,
        scene: Scene,
        described: Described,
        there: set[ObjectRef],
        gone: set[ObjectRef],
        said: set[ObjectRef],
        known: dict[ObjectRef, bool],
    ) -> None:
        """That what a document names is there, or applied with it, and goes on to be."""
        for object, place in described.references.items():
            if object in there:
                continue
            kind = BY_TYPE[object.type]
            if object in gone:
                problem = f"names `{object}`, which this very request removes"
                self._refuse(described, place, problem, "keep its document, or name another")
                continue
            if object not in known:
                record = scene.record(APPLIED, _applied(kind.name, object.id))
                known[object] = record is not None or scene.is_known(object)
            if not known[object]:
                fix = f"look at how it is spelt, or apply a `{kind.name}` of that name with it"
                self._refuse(described, place, f"names `{object}`, of which nothing is known", fix)
        for descriptor, place in described.digests:
            if descriptor not in said and scene.record(descriptor.type, descriptor) is None:
                self._refuse(described, place, f"names `{descriptor}`, which is not kept here", "give the whole of it")

    def _compare(self, scene: Scene, described: Described) -> None:
        kind, applied_to = described.kind, described.object
        applied = _applied(kind.name, described.name)
        before = scene.document(APPLIED, applied)
        if before is not None and before["set"] != self.asked.set:
            fix = "apply it there, or remove it there first"
            self._refuse(described, described.place, f"is of the set `{before['set']}`", fix)
            return
        if kind.ended_by and scene.has(applied_to, kind.ended_by):
            self._refuse(
                described, described.place, f"`{applied_to}` is {kind.ended_by} for good", "give it another name"
            )
            return
        if kind.type == TOOL and "retired_at" in (scene.document(TOOL, applied_to) or {}):
            self._refuse(described, described.place, f"`{applied_to}` is retired for good", "give it another name")
            return
        facts, written = self._facts(scene, described, _written(before))
        facts += self._removals(scene, _origin(described), _written(before), described.facts)
        facts += self._ceilings(scene, described, bool(before and before.get("ceilings")))
        self._profile(scene, described)
        self._fixed(described, _written(before))
        for record in described.descriptors:
            if scene.record(record.kind, record.object) is None:
                self.descriptors[record.object] = record.document
        after: dict[str, object] = {"facts": written, "labels": dict(described.labels), "set": self.asked.set}
        if described.ceilings is not None:
            after["ceilings"] = True
        if after != before:
            if len(canonical_json(after)) > DOCUMENT_BYTES_MAX:
                problem = f"writes {len(written)} facts, more than are kept of one document"
                self._refuse(described, described.place, problem, "make several of it")
            self.records.append((APPLIED, applied, after))
        differs = after != before or any(each.change is not Change.LEFT for each in facts)
        change = Change.ADDED if before is None else Change.CHANGED if differs else Change.UNCHANGED
        if change is not Change.UNCHANGED:
            self.documents.append(described)
        document, pointer = described.place
        self.changed.append(DocumentChange(kind.name, described.name, change, tuple(facts), document, pointer))

    def _facts(
        self, scene: Scene, described: Described, before: Mapping[str, str]
    ) -> tuple[list[FactChange], dict[str, str]]:
        """How what it says differs from what is there; and what of it was written by Apply, with this. What is over is
        as absent, on either side."""
        changes: list[FactChange] = []
        written: dict[str, str] = {}
        for key, (fact, place) in described.facts.items():
            scene.scanning.look()
            text, told = str(key), format_relationship(fact)
            if fact.qualifiers.is_over(scene.now_us):
                written |= {text: before[text]} if text in before else {}
                continue
            there = _there(scene, key)
            if there is None and text in before and key in described.staying_away:
                changes.append(FactChange(Change.LEFT, told))
                written[text] = before[text]
                continue
            if there is None:
                changes.append(FactChange(Change.ADDED, told))
            elif there.qualifiers != fact.qualifiers:
                was = format_relationship(there)
                if text not in before:
                    problem = f"would change `{was}`, which was written by somebody else"
                    self._refuse(described, place, problem, "have it say the same, or remove it first")
                    continue
                changes.append(FactChange(Change.CHANGED, told, was))
                # A write never weakens what holds back; to take it away first is to mean it.
                self._update(Operation.DELETE, there, _Origin(described.title, place))
            elif text not in before:
                continue  # somebody else's, who said the same
            else:
                written[text] = _digest(fact.qualifiers)
                continue
            self._update(Operation.TOUCH, fact, _Origin(described.title, place))
            written[text] = _digest(fact.qualifiers)
        return changes, written

    def _removals(
        self,
        scene: Scene,
        origin: _Origin,
        before: Mapping[str, str],
        kept: Mapping[RelationshipKey, object],
    ) -> list[FactChange]:
        """What Apply has written and is not said any more. What somebody has changed since is theirs, and left."""
        changes = []
        for text, digest in before.items():
            scene.scanning.look()
            key = parse_relationship(text).key
            there = _there(scene, key) if key not in kept else None
            if there is None:
                continue
            change = Change.REMOVED if _digest(there.qualifiers) == digest else Change.LEFT
            if key.relation in (_DOMAIN, _ESTATE):
                self._require_free(scene, there, origin)
            changes.append(FactChange(change, format_relationship(there)))
            if change is Change.REMOVED:
                self._update(Operation.DELETE, there, origin)
        return changes

    def _require_free(self, scene: Scene, placed: Relationship, origin: _Origin) -> None:
        """That nothing is taken out of a domain or an estate that is held, and so from under the hold: who applies may
        not release, and what is removed today may stand elsewhere tomorrow."""
        above = placed.subject.object
        if above not in self.free:
            self.free[above] = scene.rules_out(above, "stopped", SubjectRef(*above))
        if not self.free[above]:
            problem = f"would take `{placed.resource}` out of `{above}`, which is held, or may be"
            self.problems.append(
                Problem(origin.place or _NOWHERE, origin.title, problem, "release that first, or leave it there")
            )

    def _ceilings(self, scene: Scene, described: Described, had: bool) -> list[FactChange]:
        """An agent's record has more in it than a document says, which stays."""
        if described.ceilings is None and not had:
            return []
        before = scene.document(AGENT, described.object) or {}
        after = {key: value for key, value in before.items() if key not in CEILINGS} | dict(described.ceilings or {})
        if after == before:
            return []
        self.records.append((AGENT, described.object, after))
        change = Change.ADDED if not before.keys() & CEILINGS.keys() else Change.CHANGED
        was = _ceilings_text(described.object, before) if change is Change.CHANGED else ""
        return [FactChange(change, _ceilings_text(described.object, after), was)]

    def _profile(self, scene: Scene, described: Described) -> None:
        """What a profile gives is kept as it was first, also after it was removed: its name means nothing else."""
        if described.kind.type != PROFILE:
            return
        text = "\n".join(sorted(map(format_relationship, described.fixed)))
        content = {"facts_sha256": sha256(text.encode()).hexdigest()}
        before = scene.document(PROFILE, described.object)
        if before is None:
            self.records.append((PROFILE, described.object, content))
        elif before != content:
            problem = "gives or covers something else than it did, and a profile is not edited"
            self._refuse(described, described.place, problem, "give the new one another name, such as with a version")

    def _fixed(self, described: Described, before: Mapping[str, str]) -> None:
        """What is said once and for all is not said otherwise: a version that was examined belongs to its agent."""
        if described.kind.type == PROFILE:
            return
        said = {each.relation: each for each in described.fixed}
        for text in before:
            key = parse_relationship(text).key
            if key.relation in said and key not in described.facts:
                fact = said[key.relation]
                problem = f"would write `{fact.key}` in the place of `{key}`, which is said once and for all"
                self._refuse(described, described.facts[fact.key][1], problem, "give the new one another name")

    # --- documents that are there no more -----------------------------------------------------------------------

    def _removed(self, scene: Scene) -> Iterator[tuple[str, str, dict[str, object]]]:
        """The documents of the set that the request does not have: kind, name, and what is kept of each. One that it
        has and passes over, for its labels are others now, is there."""
        given = {_applied(each.kind.name, each.name) for each in self.asked.translation.described}
        most = scene.scanning.rows_max
        for count, stored in enumerate(scene.view.records(APPLIED), 1):
            scene.scanning.look()
            if count > most:
                raise FilterTooBroad(
                    f"the store has more than {most} applied documents, and all would be looked at: prune in a server "
                    "with a higher `--scanned-max`",
                    field="prune",
                    name="scanned_max",
                    limit=most,
                    given=count,
                )
            object = stored.record.object
            document = scene.document(APPLIED, object) or {}
            labels = document["labels"]
            assert isinstance(labels, dict), "it is kept as it was read"
            if document["set"] == self.asked.set and object not in given and self.asked.selects(labels):
                kind, _, name = object.id.partition("/")
                yield kind, name, document

    def _remove(self, scene: Scene, kind: str, name: str, document: Mapping[str, object]) -> None:
        facts = self._removals(scene, _Origin(f"{kind}/{name}", None), _written(document), {})
        self.forgotten.append(_applied(kind, name))
        self.changed.append(DocumentChange(kind, name, Change.REMOVED, tuple(facts)))

    def _update(self, operation: Operation, relationship: Relationship, origin: _Origin) -> None:
        self.updates.append(Update(operation, relationship))
        self.origins.append(origin)

    def _refuse(self, described: Described, place: Place, problem: str, fix: str) -> None:
        self.problems.append(Problem(place, described.title, problem, fix))


_NOWHERE = Place(-1)  # of what is said by no document of the request any more
_CONTACT = "Contact"
_DOMAIN, _ESTATE = "domain", "estate"


def _applied(kind: str, name: str) -> ObjectRef:
    """What the record of a document is of."""
    return ObjectRef(APPLIED, f"{kind}/{name}")


def _object_of(kind: str, name: str) -> ObjectRef | None:
    """What a document says is there; None of a kind that says it of nothing, or that is none any more."""
    known: Kind | None = BY_NAME.get(kind)
    return ObjectRef(known.type, name) if known is not None and known.name != _CONTACT else None


def _written(document: Mapping[str, object] | None) -> dict[str, str]:
    """The facts of a record, each with a digest of its qualifiers."""
    facts = document["facts"] if document is not None else {}
    assert isinstance(facts, dict), "it is kept as it was written"
    return facts


def _there(scene: Scene, key: RelationshipKey) -> Relationship | None:
    stored = scene.view.get(key)
    if stored is None or stored.relationship.qualifiers.is_over(scene.now_us):
        return None
    return stored.relationship


def _digest(qualifiers: Qualifiers) -> str:
    """By it what somebody else has changed is told from what was written: 64 bits, "" for none."""
    if qualifiers == PLAIN:
        return ""
    return sha256(repr(tuple(qualifiers)).encode()).hexdigest()[:16]


def _origin(described: Described) -> _Origin:
    return _Origin(described.title, described.place)


def _condition(
    described: Described, object: ObjectRef, permission: str, relation: str, problem: str, fix: str
) -> _Condition:
    places = [place for key, (_, place) in described.facts.items() if key.relation == relation]
    told = Problem(places[0] if places else described.place, described.title, problem, fix)
    return _Condition(Question(object, permission, SubjectRef(*object)), told)


def _ceilings_text(agent: ObjectRef, document: Mapping[str, object]) -> str:
    said = {key: value for key, value in document.items() if key in CEILINGS}
    return f"{agent} ceilings {canonical_json(said)}"


def _error(error: type[ApplyInvalid] | type[ApplyRefused], problems: Sequence[Problem]) -> RemitError:
    """As many of the problems as fit in a message; the first by its parts."""
    first = problems[0]
    told = str(first)
    count = 1
    for each in problems[1:]:
        if len(told) + len(str(each)) > _TOLD_BYTES_MAX:
            break
        told, count = f"{told}\n{each}", count + 1
    if count < len(problems):
        told += f"\nand {len(problems) - count} more"
    if first.place == _NOWHERE:
        return error(told, field="prune", problem=first.problem, fix=first.fix)
    other = {"other_document": first.other.document, "other_pointer": first.other.pointer} if first.other else {}
    return error(
        told,
        field=f"documents[{first.place.document}]",
        document=first.place.document,
        pointer=first.place.pointer,
        problem=first.problem,
        fix=first.fix,
        **other,
    )


def _blame(error: RemitError, origins: Sequence[_Origin]) -> None:
    """Have an error that names an update name the document that it was for."""
    found = _IN_UPDATE.fullmatch(error.field)
    if found is None or int(found[1]) >= len(origins):
        return
    title, place = origins[int(found[1])]
    at = f" at `{place.pointer}`" if place is not None and place.pointer else ""
    error.message = f"{title}{at}: {error.message}"
    if place is not None:
        error.field = f"documents[{place.document}]"
        error.metadata = {**error.metadata, "document": str(place.document), "pointer": place.pointer}
