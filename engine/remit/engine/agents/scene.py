"""What a verb sees of a store, within the transaction that it may become a revision of, and what it stages there.

What it reads is how its predecessors of the batch left the store, without what it stages itself: that is written at the
end, all of it or nothing.
Law: what a verb writes passes the same admission as anybody's write, but that it may write what is managed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from remit.engine.admission import (
    KnownContexts,
    NotSmall,
    Scanning,
    apply_records,
    apply_updates,
    check_updates,
)
from remit.engine.record_kinds import RECORDS_MAX, check_records
from remit.errors import NotHoldable, ObjectUnknown
from remit.language.plan import Definition, Schema
from remit.model import (
    Caller,
    ObjectRef,
    Operation,
    Qualifiers,
    Record,
    RecordKey,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRecord,
    SubjectRef,
    Update,
    Verdict,
)
from remit.notation import canonical_json
from remit.store.port import SMALL_DOCUMENTS_BYTES, SMALL_WEIGHT_MAX, ReadTransaction, WriteTransaction

NOTHING_KNOWN = KnownContexts(None, frozenset())


@dataclass(slots=True)
class Sight:
    """What is there, for a verb or for who only looks. `now_us`: what counts as now."""

    view: ReadTransaction
    now_us: int
    scanning: Scanning

    def edges(self, resource: ObjectRef, relation: str) -> list[tuple[SubjectRef, Qualifiers]]:
        """Whom a resource's relation leads to now. Cost: O(those that are stored)."""
        return [(each.subject, each.qualifiers) for each in self.related(resource, relation)]

    def related(self, resource: ObjectRef, relation: str) -> list[Relationship]:
        """The relationships of a resource's relation that count now. Cost: O(those that are stored)."""
        filter = RelationshipFilter(resource_type=resource.type, resource_id=resource.id, relation=relation)
        return list(self._counting(filter, "updates"))

    def has(self, resource: ObjectRef, relation: str, subject: ObjectRef | None = None) -> bool:
        """Whether a relation leads anywhere, or to a subject, now."""
        if subject is None:
            filter = RelationshipFilter(resource_type=resource.type, resource_id=resource.id, relation=relation)
            return next(self._counting(filter, "updates"), None) is not None
        there = self.view.get(RelationshipKey(resource, relation, SubjectRef(*subject)))
        return there is not None and there.relationship.qualifiers.counts_at(self.now_us)

    def naming(self, subject: ObjectRef, resource_type: str, relation: str) -> Iterator[Relationship]:
        """The relationships by which objects of a type name a subject, that count now. Cost: O(those that name it)."""
        filter = RelationshipFilter(
            resource_type=resource_type, relation=relation, subject_type=subject.type, subject_id=subject.id
        )
        return self._counting(filter, "updates")

    def is_known(self, object: ObjectRef) -> bool:
        """Whether anything was ever said of the object that is still stored. Cost: O(log n)."""
        sides = (
            RelationshipFilter(resource_type=object.type, resource_id=object.id),
            RelationshipFilter(subject_type=object.type, subject_id=object.id),
        )
        return any(next(iter(self.view.scan(side, look=self.scanning.look)), None) is not None for side in sides)

    def _counting(self, filter: RelationshipFilter, field: str) -> Iterator[Relationship]:
        for stored in self.scanning.matching(self.view, filter, field):
            if stored.relationship.qualifiers.counts_at(self.now_us):
                yield stored.relationship

    def record(self, kind: str, object: ObjectRef) -> StoredRecord | None:
        return self.view.get_record(RecordKey(kind, object))

    def document(self, kind: str, object: ObjectRef) -> dict[str, Any] | None:
        """The record's document, of a kind that the verbs write as JSON; None where there is none."""
        stored = self.record(kind, object)
        return json.loads(stored.record.document) if stored is not None else None

    def has_record(self, kind: str, object: ObjectRef) -> bool:
        return self.record(kind, object) is not None


@dataclass(slots=True)
class Scene(Sight):
    """What a verb sees, and what it stages. `answers`: what a question is answered with, as the store is left so far,
    or None where it could not be. `known`: what was found out of constraints before."""

    view: WriteTransaction
    schema: Schema
    caller: Caller
    answers: Callable[[ObjectRef, str, SubjectRef], Verdict | None]
    updates: list[Update] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    checked_records: list[Record] = field(default_factory=list)  # where no other write waited for it
    forgotten: list[RecordKey] = field(default_factory=list)
    known: KnownContexts = NOTHING_KNOWN
    records_max: int = RECORDS_MAX
    _written: tuple[int, int, int, int] = (0, 0, 0, 0)

    def asks(self, resource: ObjectRef, permission: str, subject: SubjectRef) -> bool:
        """Whether the subject has the permission. What is conditional or was not judged is no yes."""
        return self.answers(resource, permission, subject) is Verdict.YES

    def rules_out(self, resource: ObjectRef, permission: str, subject: SubjectRef) -> bool:
        """Whether it is certain that the subject has not. What was not judged is no certainty."""
        return self.answers(resource, permission, subject) is Verdict.NO

    def touch(
        self, resource: ObjectRef, relation: str, subject: ObjectRef | SubjectRef, qualifiers: Qualifiers | None = None
    ) -> None:
        """Stage a relationship, whatever is there."""
        to = subject if isinstance(subject, SubjectRef) else SubjectRef(*subject)
        written = (
            Relationship(resource, relation, to)
            if qualifiers is None
            else Relationship(resource, relation, to, qualifiers)
        )
        self.updates.append(Update(Operation.TOUCH, written))

    def remove(self, relationship: Relationship) -> None:
        """Stage that a relationship is removed."""
        self.updates.append(Update(Operation.DELETE, relationship))

    def keep(self, kind: str, object: ObjectRef, document: Mapping[str, object]) -> None:
        """Stage a record whose document is JSON."""
        self.keep_bytes(kind, object, canonical_json(document).encode())

    def keep_bytes(self, kind: str, object: ObjectRef, document: bytes) -> None:
        """Stage a record whose document is kept as it is."""
        self.records.append(Record(kind, object, document))

    def forget(self, kind: str, object: ObjectRef) -> None:
        """Stage that a record is removed."""
        self.forgotten.append(RecordKey(kind, object))

    def write(self) -> None:
        """Write what is staged, and was not yet: a verb may write before it has decided, to judge what it would leave.
        Raises what a write is refused with, and NotSmall where it is more than was thought."""
        updates_written, records_written, checked_written, forgotten_written = self._written
        self._written = len(self.updates), len(self.records), len(self.checked_records), len(self.forgotten)
        check_records(self.records, self.records_max)
        if self.scanning.is_small:
            documents = sum(len(each.document) for each in (*self.records, *self.checked_records))
            if sum(self._written) > SMALL_WEIGHT_MAX or documents > SMALL_DOCUMENTS_BYTES:
                raise NotSmall
        writer = self.caller._replace(may_write_managed=True)
        updates = self.updates[updates_written:]
        check_updates(self.schema, updates, writer, self.known)
        apply_updates(self.view, self.schema, updates, writer, self.now_us)
        apply_records(self.view, self.records[records_written:], writer)
        apply_records(self.view, self.checked_records[checked_written:], writer)
        for key in self.forgotten[forgotten_written:]:
            self.view.delete_record(key)


def require_known(scene: Scene, object: ObjectRef, field: str) -> None:
    """That somebody has heard of the object, so that a misspelt one is not believed to be stopped. Raises
    ObjectUnknown."""
    if not scene.is_known(object):
        raise ObjectUnknown(
            f"nothing is known of `{object}`: no relationship names it; look at how it is spelt",
            field=field,
            object=object,
        )


def require_holdable(schema: Schema, on: ObjectRef, field: str) -> None:
    """That the schema has holds on such objects. Raises NotHoldable. Cost: O(1)."""
    definition = schema.definitions.get(on.type)
    if definition is not None and _takes_holds(definition):
        return
    holdable = ", ".join(f"`{name}`" for name, each in sorted(schema.definitions.items()) if _takes_holds(each))
    raise NotHoldable(f"`{on}` cannot be held: the schema has holds on {holdable}", field=field, object=on)


def _takes_holds(definition: Definition) -> bool:
    relation = definition.relations.get("hold")
    return relation is not None and any(to.type == "hold" for to in relation.subject_types)
