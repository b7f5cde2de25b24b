"""Objects that are over for good, swept as a whole: one revision takes away all that was said of them.

What is final is deleted by nobody, so a million runs that have ended would stay in memory. The store's own sweep alone
takes it, once the end is older than anybody can ask about, and with it everything else that names the object. What is
left is a record on the disk, by which the name never returns: who ended it is believed for ever. Not everything final
is an end (with which credential a run was started is none), so whoever asks for a sweep says which relation is.

Nobody else may gain by it. So an object to which others are still tied by what holds them back (the runs below it, by
their chain) is not swept before they are; nor is one of a type that constraint documents may ask about, for a call
names it, and no relationship tells to whom. Of the object itself nothing is left to ask: to the schema its name is one
that was never heard of. So a sweep is for types that let nobody through without a fact, as all of `remit:agents` do.
Law: after a sweep no relationship names the object, none that does can be written, and no answer about another subject
has become more of a yes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from remit.engine.loaded import LoadedStore, LoadedStores
from remit.engine.record_kinds import KINDS, RUN, SESSION, SWEPT
from remit.language.plan import Schema, asked_by_documents
from remit.model import (
    Delta,
    ObjectRef,
    Provenance,
    Record,
    RecordKey,
    RelationshipFilter,
    RelationshipKey,
    StoredRecord,
)
from remit.notation import canonical_json
from remit.store.port import BULK_WEIGHT, SMALL_WEIGHT_MAX, Admission, Draft, ReadTransaction, WriteTransaction

ROWS_MAX = 1_000  # of one object in one revision: as many as a write may have updates

PRINCIPAL = "remit"
METADATA = canonical_json({"sweep": True})

_KEY = "types asked by documents"  # of what was worked out of a schema


def sweep_ended(stores: LoadedStores, loaded: LoadedStore, objects: Sequence[ObjectRef], end: str) -> list[int]:
    """Sweep objects that are over for good, as the final relation `end` says; of each, how many relationships went. 0
    where it is not over, not for as long as the changelog reaches back, tied to others still, of a type that documents
    may ask about, or in more than `ROWS_MAX`. One revision an object, or none. Cost: O(their relationships log n)."""

    def submit(object: ObjectRef, rows_max: int, weight: int) -> Future[Delta]:
        return stores.submit(loaded.identity, _sweeping(stores, object, end, rows_max), weight=weight)

    # Most have few, and those go to the disk together; one with many is a commit of its own.
    few = [submit(each, SMALL_WEIGHT_MAX, SMALL_WEIGHT_MAX) for each in objects]
    counts: list[int] = []
    for object, sweep in zip(objects, few, strict=True):
        try:
            counts.append(_removed(sweep))
        except _MoreRows:
            counts.append(_removed_if_any(submit(object, ROWS_MAX, BULK_WEIGHT)))
    return counts


def _sweeping(stores: LoadedStores, object: ObjectRef, end: str, rows_max: int) -> Admission:
    def admission(view: WriteTransaction) -> Draft:
        keys = sweepable(view, stores.plans.of_transaction(view), object, end, rows_max)
        if not keys:
            raise _NothingToSweep
        for key in keys:
            view.delete(key)
        for record in list(_records_of(view, object)):
            view.delete_record(record)
        provenance = Provenance(PRINCIPAL, "", view.next_revision)
        view.put_record(StoredRecord(Record(SWEPT, object, b""), provenance))
        return Draft(PRINCIPAL, METADATA)

    return admission


def _records_of(view: ReadTransaction, object: ObjectRef) -> Iterator[RecordKey]:
    """What is kept of the object, and of a run the session that leads to it."""
    for kind, known in KINDS.items():
        if known.type != object.type:
            continue
        key = RecordKey(kind, object)
        yield key
        stored = view.get_record(key) if kind == RUN else None
        session = json.loads(stored.record.document).get(SESSION) if stored is not None else None
        named = RecordKey(SESSION, ObjectRef(SESSION, session)) if session is not None else None
        leads = view.get_record(named) if named is not None else None
        if named is not None and leads is not None and json.loads(leads.record.document)[RUN] == object.id:
            yield named


def _removed(sweep: Future[Delta]) -> int:
    try:
        return len(sweep.result().changes)
    except _NothingToSweep:
        return 0


def _removed_if_any(sweep: Future[Delta]) -> int:
    try:
        return _removed(sweep)
    except _MoreRows:
        return 0


class _NothingToSweep(Exception):  # not an error: how a sweep leaves its transaction without a revision
    """The object is not over, or not yet to be swept."""


class _MoreRows(Exception):  # not an error: likewise
    """More relationships name the object than were asked for."""


def sweepable(
    view: ReadTransaction, schema: Schema, object: ObjectRef, end: str, rows_max: int
) -> list[RelationshipKey]:
    """All relationships that name the object, where it may be swept; else none. Raises where there are more than
    `rows_max`. Cost: O(those)."""
    definition = schema.definitions.get(object.type)
    relation = definition.relations.get(end) if definition is not None else None
    if relation is None or not relation.final:
        return []  # what could be deleted again is no end
    keys: list[RelationshipKey] = []
    is_over = False
    for stored in view.scan(RelationshipFilter(object.type, object.id)):
        key = stored.relationship.key
        keys.append(key)
        # The end is of a revision that is forgotten: nobody can ask any more how it was before.
        was_long_ago = stored.provenance.revision <= view.head.oldest_revision
        is_over |= key.relation == end and was_long_ago
        _require_few(keys, rows_max)
    if not is_over or object.type in _types_asked_by_documents(schema):
        return []
    for stored in view.scan(RelationshipFilter(subject_type=object.type, subject_id=object.id)):
        key = stored.relationship.key
        if key.resource != object:
            if _holds_others_back(schema, key):
                return []
            keys.append(key)
            _require_few(keys, rows_max)
    return keys


def _require_few(keys: Sequence[RelationshipKey], rows_max: int) -> None:
    if len(keys) > rows_max:
        raise _MoreRows


def _types_asked_by_documents(schema: Schema) -> frozenset[str]:
    """Of those that match, one may forbid what an object is related to; and a tool's descriptors are its own facts."""
    found = schema.worked_out.get(_KEY)
    if not isinstance(found, frozenset):
        relations = (each for definition in schema.definitions.values() for each in definition.relations.values())
        asked = (type for relation in relations for type, _ in asked_by_documents(schema, relation))
        found = schema.worked_out[_KEY] = frozenset(asked)
    return found


def _holds_others_back(schema: Schema, key: RelationshipKey) -> bool:
    place = key.resource.type, key.relation
    is_final = schema.definitions[key.resource.type].relations[key.relation].final
    return is_final or place in schema.counted or (place in schema.subtracted and bool(key.subject.relation))
