"""What may be written: each request judged against the schema and against the facts it would stand among.

Runs inside the store's write transaction, so that two writers cannot both be right.
Law: a request is admitted whole or not at all, and what it names as wrong is wrong at that very revision."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from remit.arguments.document import parse_document
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS
from remit.engine.record_kinds import SWEPT, is_fixed
from remit.errors import (
    DocumentInvalid,
    Fault,
    FilterTooBroad,
    FinalRefused,
    InvalidArgument,
    InvalidContext,
    ManagedRefused,
    PreconditionFailed,
    RecordFixed,
    RelationshipExists,
    RelationshipRefused,
    SingleTaken,
    SweptRefused,
    WeakeningRefused,
)
from remit.graph.view import GraphView
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.language.names import require_name, require_type
from remit.language.plan import Member, Relation, Schema, SubjectType, subject_type_of
from remit.model import (
    PLAIN,
    WILDCARD,
    Caller,
    CaveatUse,
    ObjectRef,
    Operation,
    Precondition,
    Provenance,
    Qualifiers,
    Record,
    RecordKey,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRecord,
    StoredRelationship,
    SubjectRef,
    Update,
)
from remit.notation import format_relationship, parse_context
from remit.store.port import SMALL_WEIGHT_MAX, ReadTransaction, WriteTransaction
from remit.suggest import did_you_mean

# Rows that the filters of a small write may look at: half a millisecond of them at most.
SMALL_ROWS_MAX = 100

_TYPES_FEW = 8  # sooner looked through than a type is made to look for
_TYPES_NAMED_MAX = 20

_CREATE, _DELETE = Operation.CREATE, Operation.DELETE  # looked up once: an enumeration looks its members up by name

# --- one relationship -------------------------------------------------------------------------------------------


def check_relationship(
    schema: Schema, relationship: Relationship, field: str = "", *, is_context_known: bool = False
) -> Relation:
    """The relation it is written to. Raises UnknownType, RelationshipRefused, InvalidContext or DocumentInvalid.
    `is_context_known`: the caveat's context was checked before, under the same schema."""
    relation = require_relation(schema, relationship.resource.type, relationship.relation, field)
    subject, qualifiers = relationship.subject, relationship.qualifiers
    if qualifiers is PLAIN and _takes_plainly(relation, subject):
        return relation
    alternative = relation.alternative(subject, qualifiers)
    if alternative is None:
        raise _not_taken(schema, relationship, relation, subject_type_of(subject, qualifiers), field)
    if qualifiers.caveat is not None and not is_context_known:
        try:
            _check_context(schema, qualifiers.caveat, alternative.declared)
        except InvalidContext as error:
            whole = InvalidContext(f"`{relationship.key}`: {error.message}", field=field, **error.metadata)
            raise whole.with_fault(Fault.CAVEAT_ARGUMENT) from error
        except DocumentInvalid as error:
            document = DocumentInvalid(
                error.pointer, error.problem, error.fix, relationship=relationship.key, field=field
            )
            raise document.with_fault(Fault.CAVEAT_ARGUMENT) from error
    return relation


def _check_context(schema: Schema, use: CaveatUse, declared: tuple[Member, ...]) -> None:
    """That a relationship may be written with this context; `declared` are the permissions that a constraint document
    may name there. Raises InvalidContext or DocumentInvalid."""
    side = schema.side_of(use.name)
    if side is None:
        schema.caveats[use.name].check_context(parse_context(use.context_json))
    else:
        parse_document(use.context_json, side, declared)


def check_place(schema: Schema, relationship: Relationship, field: str = "") -> Relation:
    """The relation that has a place for a triple, whatever qualified it. Raises UnknownType, RelationshipRefused."""
    relation = require_relation(schema, relationship.resource.type, relationship.relation, field)
    subject = relationship.subject
    wanted = SubjectType(subject.type, subject.relation, subject.is_wildcard)
    if not relation.has_place(wanted):
        raise _not_taken(schema, relationship, relation, wanted, field)
    return relation


def _not_taken(
    schema: Schema, relationship: Relationship, relation: Relation, wanted: SubjectType, field: str
) -> RelationshipRefused:
    definition, fault = schema.definitions.get(wanted.type), Fault.SUBJECT_NOT_TAKEN
    if definition is None:
        fault = Fault.SUBJECT_TYPE_UNKNOWN
    elif wanted.relation and not definition.has(wanted.relation):
        fault = Fault.SUBJECT_RELATION_UNKNOWN
    allowed = ", ".join(f"`{each}`" for each in relation.subject_types[:_TYPES_NAMED_MAX])
    more = len(relation.subject_types) - _TYPES_NAMED_MAX
    allowed += f" and {more} more" if more > 0 else ""
    return RelationshipRefused(
        f"`{relationship.key}`: relation `{relation.name}` of `{relationship.resource.type}` takes {allowed}, "
        f"not `{wanted}`",
        field=field,
        relationship=relationship.key,
        type=relationship.resource.type,
        relation=relation.name,
        subject_type=wanted,
    ).with_fault(fault)


def _takes_plainly(relation: Relation, subject: SubjectRef) -> bool:
    """Whether one of its first few types takes the subject without caveat and times: most of what is ever written."""
    type, id, userset = subject
    is_wildcard = id == WILDCARD
    for each in relation.subject_types[:_TYPES_FEW]:
        if each.type == type and each.relation == userset and each.wildcard == is_wildcard:
            is_plain = each.caveat is None and not each.expiration and not each.not_before
            if is_plain:
                return True
    return False


def require_relation(schema: Schema, type: str, name: str, field: str = "") -> Relation:
    """The relation `type#name`. Raises UnknownType, or RelationshipRefused for a permission or an unknown name."""
    definition = schema.definitions.get(type) or require_type(schema, type, field=field)
    relation = definition.relations.get(name)
    if relation is not None:
        return relation
    if name in definition.permissions:
        raise RelationshipRefused(
            f"`{name}` of `{type}` is a permission: facts are written to relations",
            field=field,
            type=type,
            relation=name,
        ).with_fault(Fault.PERMISSION_WRITTEN)
    guess = did_you_mean(name, definition.relations)
    raise RelationshipRefused(
        f"relation `{name}` is not defined on `{type}`" + (f"; {guess}" if guess else ""),
        field=field,
        type=type,
        relation=name,
    ).with_fault(Fault.RELATION_UNKNOWN)


# --- a write ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KnownContexts:
    """Which contexts of a request fit their caveats under a schema, found out where no other write waits for it: to
    look through those of one large request takes a second."""

    schema: Schema | None
    good: frozenset[tuple[CaveatUse, tuple[Member, ...]]]

    @classmethod
    def of(cls, schema: Schema | None, relationships: Iterable[Relationship], interrupt: Interrupt) -> KnownContexts:
        """Says nothing of those that do not fit: that is for the admission. Raises what the interrupt raises. Cost:
        O(bytes of the contexts)."""
        good: set[tuple[CaveatUse, tuple[Member, ...]]] = set()
        if schema is None:
            return cls(schema, frozenset())
        for relationship in relationships:
            use = relationship.qualifiers.caveat
            declared = declared_beside(schema, relationship) if use is not None else None
            if use is None or declared is None or (use, declared) in good:
                continue
            interrupt()
            with suppress(InvalidContext, DocumentInvalid):
                _check_context(schema, use, declared)
                good.add((use, declared))
        return cls(schema, frozenset(good))

    def knows(self, schema: Schema, relationship: Relationship) -> bool:
        use = relationship.qualifiers.caveat
        if schema is not self.schema or use is None:
            return False
        return (use, declared_beside(schema, relationship)) in self.good


def declared_beside(schema: Schema, relationship: Relationship) -> tuple[Member, ...] | None:
    """The permissions that a constraint document may name where the relationship is written; None where the schema has
    no place for it."""
    definition = schema.definitions.get(relationship.resource.type)
    relation = definition.relations.get(relationship.relation) if definition is not None else None
    alternative = relation.alternative(relationship.subject, relationship.qualifiers) if relation is not None else None
    return alternative.declared if alternative is not None else None


def check_updates(
    schema: Schema, updates: Sequence[Update], caller: Caller, known: KnownContexts, where: str = "updates"
) -> bool:
    """That each update may be written under this schema by this caller. Returns whether a managed relation is among
    them. `where` names the request's list in errors. Raises what `check_relationship` raises, ManagedRefused, and
    FinalRefused."""
    touches_managed = False
    for index, (operation, relationship) in enumerate(updates):
        relation = _plain_relation(schema, relationship)
        if relation is None:
            field = f"{where}[{index}]"
            if operation is _DELETE:
                relation = check_place(schema, relationship, field)
            else:
                is_known = known.knows(schema, relationship)
                relation = check_relationship(schema, relationship, field, is_context_known=is_known)
        if relation.managed:
            _require_write_managed(relationship.key, caller, f"{where}[{index}]")
            touches_managed = True
        if relation.final and operation is _DELETE:
            raise _final_refused(relationship.key, f"{where}[{index}]")
    return touches_managed


def _plain_relation(schema: Schema, relationship: Relationship) -> Relation | None:
    """The relation that takes a relationship without caveat and times, and so has a place for it whatever is done to
    it; None where that is not seen at one look. Cost: O(1)."""
    if relationship.qualifiers is not PLAIN:
        return None
    definition = schema.definitions.get(relationship.resource.type)
    relation = definition.relations.get(relationship.relation) if definition is not None else None
    return relation if relation is not None and _takes_plainly(relation, relationship.subject) else None


def _require_write_managed(key: RelationshipKey, caller: Caller, field: str) -> None:
    if not caller.may_write_managed:
        raise ManagedRefused(
            f"`{key}`: relation `{key.relation}` of `{key.resource.type}` is managed: it is written by Remit's own "
            "verbs, or by a key with the right `write-managed`",
            field=field,
            relationship=key,
        )


def _final_refused(key: RelationshipKey, field: str) -> FinalRefused:
    """The same whether it is there or not: whoever may not read learns nothing by it."""
    return FinalRefused(
        f"`{key}`: relation `{key.relation}` of `{key.resource.type}` is final: what is written there is deleted by "
        "nobody; name other relations",
        field=field,
        relationship=key,
    )


def check_contextual(
    schema: Schema, stored: GraphView, graph: GraphView, contextual: Sequence[Relationship], now_us: int
) -> None:
    """That facts of one request are such as a write would accept, and that none is of a managed relation, which no
    caller may claim for itself. `graph` has them laid over what is stored. Raises as a write would, and
    ManagedRefused."""
    for index, relationship in enumerate(contextual):
        field = f"contextual[{index}]"
        relation = check_relationship(schema, relationship, field)
        if relation.managed:
            raise ManagedRefused(
                f"`{relationship.key}`: relation `{relation.name}` of `{relationship.resource.type}` is managed, and "
                "so never contextual: only what is written counts",
                field=field,
                relationship=relationship.key,
            )
        if _may_weaken(schema, relationship):
            there = stored.find(*relationship.key)
            _require_as_much(relationship, there, now_us, field, "no contextual fact takes its place")
        if relation.single:
            resource = relationship.resource
            _require_single(resource, relation, graph.edges(resource, relation.name), now_us, field)


class NotSmall(Exception):  # not an error: how a write leaves the small ones, to be queued as what it is
    """More rows would be looked at, or removed, than others should wait for who ask for little."""


class Scanning:
    """The rows that the filters of one write look at, in all: other writes wait meanwhile. While it `is_small` a hold
    may be among them, and it is a few."""

    def __init__(self, rows_max: int, interrupt: Interrupt = never_interrupted) -> None:
        """`interrupt` is asked while rows are looked at, and before what they mean is removed."""
        self.rows_max = rows_max
        self.look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        self._rows = self._seeks = 0
        self.is_small = False

    def begin(self) -> None:
        """An admission begins, perhaps not for the first time."""
        self._rows = self._seeks = 0

    def seek(self) -> None:
        """To be called where one filter of many is looked for, which takes time though it may mean nothing. Raises
        NotSmall, and what the interrupt raises."""
        self._seeks += 1
        self.look()
        if self.is_small and self._seeks > SMALL_ROWS_MAX:
            raise NotSmall

    def require_small(self, removed: int) -> None:
        """To be called before so many relationships are removed. Raises NotSmall."""
        if self.is_small and removed > SMALL_WEIGHT_MAX:
            raise NotSmall

    def matching(
        self, view: ReadTransaction, filter: RelationshipFilter, field: str
    ) -> Generator[StoredRelationship, None, None]:
        """What a filter means. Raises FilterTooBroad, naming the filter by its `field`, NotSmall, and what the
        interrupt raises."""

        def look() -> None:
            self._rows += 1
            self.look()
            if self.is_small and self._rows > SMALL_ROWS_MAX:
                raise NotSmall
            if self._rows > self.rows_max:
                raise FilterTooBroad(
                    f"to find what {_describe_filter(filter)} means, more than {self.rows_max} relationships would be "
                    "looked at: name a resource with its id, or a subject with its type and id; or read first, and "
                    "delete by name",
                    field=field,
                    name="scanned_max",
                    limit=self.rows_max,
                    given=self._rows,  # or more: nobody looked on
                )

        yield from view.scan(filter, look=look)


def delete_matching(
    view: WriteTransaction,
    schema: Schema,
    filter: RelationshipFilter,
    caller: Caller,
    limit: int,
    field: str,
    scanning: Scanning,
    *,
    partly: bool = False,
    written: Collection[RelationshipKey] = (),
) -> tuple[set[RelationshipKey], bool, bool]:
    """Remove what a filter means, `limit` at most: what was removed, whether nothing else matches, and whether a
    managed relation was among it. Raises ManagedRefused, FilterTooBroad, and FinalRefused, but for what the same
    request has `written`, which stays. `partly`: FilterTooBroad only where nothing was found, for what was found can be
    removed, and asked for again."""
    found: list[RelationshipKey] = []
    is_complete = False
    try:
        found.extend(each.relationship.key for each in islice(scanning.matching(view, filter, field), limit + 1))
        is_complete = len(found) <= limit
    except FilterTooBroad:
        if not (partly and found):
            raise
    removed = found[:limit]
    scanning.require_small(len(removed))
    touches_managed = False
    for key in removed:
        scanning.look()
        # What is stored has a place in the schema: no schema is accepted that leaves it none.
        relation = schema.definitions[key.resource.type].relations[key.relation]
        if relation.managed:
            _require_write_managed(key, caller, field)
            touches_managed = True
        if relation.final:
            if key not in written:
                raise _final_refused(key, field)
            continue
        view.delete(key)
    return set(removed), is_complete, touches_managed


def check_filter(schema: Schema, filter: RelationshipFilter, field: str) -> None:
    """That the names a filter uses exist, so that a misspelt one is not taken for an empty list. Raises
    InvalidArgument, UnknownType or UnknownRelation."""
    if filter.resource_id is not None and filter.resource_id_prefix is not None:
        raise InvalidArgument("a filter has a resource id or the beginning of one, not both", field=field).with_fault(
            Fault.FILTER_CONTRADICTS
        )
    if filter.resource_type is not None:
        require_type(schema, filter.resource_type, field=f"{field}.resource_type")
        if filter.relation is not None:
            require_name(schema, filter.resource_type, filter.relation, field=f"{field}.relation")
    if filter.subject_type is not None:
        require_type(schema, filter.subject_type, field=f"{field}.subject_type")
        if filter.subject_relation:
            require_name(schema, filter.subject_type, filter.subject_relation, field=f"{field}.subject_relation")


def check_bounded(schema: Schema, filter: RelationshipFilter, field: str) -> None:
    """That a filter that removes names at least a type: an empty one is more likely a mistake than a wish. Raises
    InvalidArgument, and what `check_filter` raises."""
    if filter.resource_type is None and filter.subject_type is None:
        raise InvalidArgument("a filter that removes names a resource type or a subject type", field=field).with_fault(
            Fault.FILTER_EMPTY
        )
    check_filter(schema, filter, field)


def check_preconditions(
    view: ReadTransaction, schema: Schema, preconditions: Sequence[Precondition], now_us: int, scanning: Scanning
) -> None:
    """Raises PreconditionFailed naming the first that does not hold, FilterTooBroad, and what `check_filter` raises:
    that nothing matches a misspelt name would hold for ever. What does not count now is as absent."""
    for index, precondition in enumerate(preconditions):
        scanning.seek()
        field = f"preconditions[{index}].filter"
        check_filter(schema, precondition.filter, field)
        found = next(_counting(scanning.matching(view, precondition.filter, field), now_us), None)
        if (found is not None) != precondition.must_match:
            reason = "nothing matches" if found is None else f"`{found.relationship.key}` matches"
            raise PreconditionFailed(
                f"precondition {index} does not hold: {reason} {_describe_filter(precondition.filter)}",
                field=f"preconditions[{index}]",
            )


def apply_updates(
    view: WriteTransaction,
    schema: Schema,
    updates: Sequence[Update],
    caller: Caller,
    now_us: int,
    where: str = "updates",
) -> None:
    """Write the updates. Deletes first, so that one request may replace what a `single` relation holds whatever the
    order of its lines. What is final and there stays as it is, with who wrote it. Raises RelationshipExists,
    SweptRefused, WeakeningRefused and SingleTaken."""
    provenance = Provenance(caller.principal, caller.run, view.next_revision)
    singles: dict[tuple[ObjectRef, str], tuple[Relation, int]] = {}
    definitions = schema.definitions
    for update in updates:
        if update.operation is _DELETE:
            view.delete(update.relationship.key)
    for index, update in enumerate(updates):
        operation, relationship = update.operation, update.relationship
        if operation is _DELETE:
            continue
        resource, subject = relationship.resource, relationship.subject
        definition = definitions[resource.type]
        relation = definition.relations[relationship.relation]
        if definition.is_ending:
            _require_not_swept(view, resource, f"{where}[{index}]")
        if definitions[subject.type].is_ending:
            _require_not_swept(view, subject.object, f"{where}[{index}]")
        may_weaken = _may_weaken(schema, relationship)
        if operation is _CREATE or relation.final or may_weaken:
            there = view.get(relationship.key)
            if operation is _CREATE:
                _require_absent(relationship, there, now_us, f"{where}[{index}]")
            if there is not None and relation.final:
                continue
            if there is not None and may_weaken:
                advice = "delete it first, or let `replace` mean it"
                _require_as_much(relationship, there.relationship.qualifiers, now_us, f"{where}[{index}]", advice)
        view.put(StoredRelationship(relationship, provenance))
        if relation.single:
            singles.setdefault((resource, relation.name), (relation, index))
    for (resource, _), (relation, index) in singles.items():
        _check_single(view, resource, relation, now_us, f"{where}[{index}]")


def apply_records(view: WriteTransaction, records: Sequence[Record], caller: Caller) -> None:
    """Write records that `check_records` has nothing against, in the revision of the facts they go with. What is fixed
    and there stays as it is. Raises RecordFixed where it would become another."""
    provenance = Provenance(caller.principal, caller.run, view.next_revision)
    for index, record in enumerate(records):
        there = view.get_record(record.key) if is_fixed(record.kind) else None
        if there is None:
            view.put_record(StoredRecord(record, provenance))
        elif there.record.document != record.document:
            raise RecordFixed(
                f"record `{record.key}` is there with another document, and stays as it is: give the new one an object "
                "of its own",
                field=f"records[{index}]",
                record=record.key,
            )


def _require_not_swept(view: ReadTransaction, object: ObjectRef, field: str) -> None:
    """Also as a subject: its end would be missed by whoever asks for it through that relationship."""
    if view.get_record(RecordKey(SWEPT, object)) is not None:
        raise SweptRefused(
            f"`{object}` was over for good, and is swept: what begins anew has another id",
            field=field,
            object=object,
        )


def _require_absent(relationship: Relationship, there: StoredRelationship | None, now_us: int, field: str) -> None:
    """What does not count now is as absent."""
    if there is not None and there.relationship.qualifiers.counts_at(now_us):
        raise RelationshipExists(
            f"`{relationship.key}` is already there; use TOUCH to write it whatever was there",
            field=field,
            relationship=relationship.key,
        )


def _may_weaken(schema: Schema, relationship: Relationship) -> bool:
    """What is written plainly holds back no less than what was there, whatever that is. Cost: O(1)."""
    if relationship.qualifiers is PLAIN:
        return False
    return (relationship.resource.type, relationship.relation) in schema.subtracted


def _require_as_much(
    relationship: Relationship, there: Qualifiers | None, now_us: int, field: str, advice: str
) -> None:
    """That what is subtracted holds back no less for being written anew. To delete it is to mean that; to write it may
    be meant to deny."""
    if there is not None and not there.is_over(now_us) and not relationship.qualifiers.covers(there, now_us):
        raise WeakeningRefused(
            f"`{relationship.key}` is there and holds answers back, and as `{format_relationship(relationship)}` it "
            f"would hold back less: {advice}",
            field=field,
            relationship=relationship.key,
        )


def _check_single(view: ReadTransaction, resource: ObjectRef, relation: Relation, now_us: int, field: str) -> None:
    filter = RelationshipFilter(resource_type=resource.type, resource_id=resource.id, relation=relation.name)
    stored = (each.relationship for each in view.scan(filter))
    _require_single(resource, relation, ((each.subject, each.qualifiers) for each in stored), now_us, field)


def _require_single(
    resource: ObjectRef, relation: Relation, edges: Iterable[tuple[SubjectRef, Qualifiers]], now_us: int, field: str
) -> None:
    """One subject at most. What is over is as absent; what has not begun is not, for it will begin."""
    held = [subject for subject, qualifiers in edges if not qualifiers.is_over(now_us)]
    if len(held) > 1:
        advice = "it is final, and keeps what it has" if relation.final else "delete the one in the same request"
        raise SingleTaken(
            f"`{resource}#{relation.name}` is single and would lead to `{held[0]}` and `{held[1]}`: {advice}",
            field=field,
            resource=resource,
            relation=relation.name,
        )


def _counting(stored: Iterable[StoredRelationship], now_us: int) -> Iterator[StoredRelationship]:
    return (each for each in stored if each.relationship.qualifiers.counts_at(now_us))


def _describe_filter(filter: RelationshipFilter) -> str:
    resource_id = filter.resource_id if filter.resource_id is not None else f"{filter.resource_id_prefix or ''}*"
    text = f"{filter.resource_type or '*'}:{resource_id}#{filter.relation or '*'}@"
    text += f"{filter.subject_type or '*'}:{filter.subject_id if filter.subject_id is not None else '*'}"
    return f"`{text}#{filter.subject_relation}`" if filter.subject_relation else f"`{text}`"
