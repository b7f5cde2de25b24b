"""What may be written: each request judged against the schema and against the facts it would stand among.

Runs inside the store's write transaction, so that two writers cannot both be right.
Law: a request is admitted whole or not at all, and what it names as wrong is wrong at that very revision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from remit.errors import (
    InvalidContext,
    ManagedRefused,
    PreconditionFailed,
    RelationshipExists,
    RelationshipRefused,
    SchemaOrphansRelationships,
    SingleTaken,
    UnknownType,
)
from remit.language.names import require_type
from remit.language.plan import Relation, Schema, SubjectType
from remit.language.suggest import did_you_mean
from remit.model import (
    Caller,
    ObjectRef,
    Operation,
    Precondition,
    Provenance,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    Update,
)
from remit.notation import format_relationship, parse_context
from remit.store.interface import ReadTransaction, WriteTransaction

_ORPHANS_NAMED = 5


# --- one relationship -------------------------------------------------------------------------------------------


def check_relationship(schema: Schema, relationship: Relationship, field: str = "") -> Relation:
    """The relation it is written to. Raises UnknownType, RelationshipRefused or InvalidContext."""
    relation = require_relation(schema, relationship.resource.type, relationship.relation, field)
    subject, qualifiers = relationship.subject, relationship.qualifiers
    wanted = SubjectType(
        subject.type,
        subject.relation,
        subject.is_wildcard,
        qualifiers.caveat.name if qualifiers.caveat else None,
        qualifiers.expiration_us is not None,
        qualifiers.not_before_us is not None,
    )
    if wanted not in relation.subject_types:
        allowed = ", ".join(f"`{describe(each)}`" for each in relation.subject_types)
        raise RelationshipRefused(
            f"`{relationship.key}`: relation `{relation.name}` of `{relationship.resource.type}` takes {allowed}, "
            f"not `{describe(wanted)}`",
            field=field,
            relationship=relationship.key,
        )
    if qualifiers.caveat is not None:
        try:
            schema.caveats[qualifiers.caveat.name].check_context(parse_context(qualifiers.caveat.context_json))
        except InvalidContext as error:
            raise InvalidContext(f"`{relationship.key}`: {error.message}", field=field, **error.metadata) from error
    return relation


def require_relation(schema: Schema, type: str, name: str, field: str = "") -> Relation:
    """The relation `type#name`. Raises UnknownType, or RelationshipRefused for a permission or an unknown name."""
    definition = require_type(schema, type, field=field)
    relation = definition.relations.get(name)
    if relation is not None:
        return relation
    if name in definition.permissions:
        raise RelationshipRefused(
            f"`{name}` of `{type}` is a permission: facts are written to relations",
            field=field,
            type=type,
            relation=name,
        )
    guess = did_you_mean(name, definition.relations)
    raise RelationshipRefused(
        f"relation `{name}` is not defined on `{type}`" + (f"; {guess}" if guess else ""),
        field=field,
        type=type,
        relation=name,
    )


def describe(subject_type: SubjectType) -> str:
    """A subject type as a schema writes it."""
    text = subject_type.type
    if subject_type.wildcard:
        text += ":*"
    elif subject_type.relation:
        text += f"#{subject_type.relation}"
    traits = [subject_type.caveat or "", "not_before" * subject_type.not_before, "expiration" * subject_type.expiration]
    named = " and ".join(trait for trait in traits if trait)
    return f"{text} with {named}" if named else text


# --- a write ----------------------------------------------------------------------------------------------------


def check_updates(schema: Schema, updates: Sequence[Update], caller: Caller) -> bool:
    """That each update may be written under this schema by this caller. Returns whether a managed relation is among
    them. Raises what `check_relationship` raises, and ManagedRefused."""
    touches_managed = False
    for index, update in enumerate(updates):
        field = f"updates[{index}]"
        relationship = update.relationship
        if update.operation is Operation.DELETE:
            relation = require_relation(schema, relationship.resource.type, relationship.relation, field)
        else:
            relation = check_relationship(schema, relationship, field)
        if relation.managed:
            if not caller.may_write_managed:
                raise ManagedRefused(
                    f"`{relationship.key}`: relation `{relation.name}` of `{relationship.resource.type}` is managed: it "
                    "is written by Remit's own verbs, or by a key with the right `write-managed`",
                    field=field,
                    relationship=relationship.key,
                )
            touches_managed = True
    return touches_managed


def check_preconditions(view: ReadTransaction, preconditions: Sequence[Precondition], now_us: int) -> None:
    """Raises PreconditionFailed naming the first that does not hold. What does not count now is as absent."""
    for index, precondition in enumerate(preconditions):
        found = next(_counting(view.scan(precondition.filter), now_us), None)
        if (found is not None) != precondition.must_match:
            why = "nothing matches" if found is None else f"`{found.relationship.key}` matches"
            raise PreconditionFailed(
                f"precondition {index} does not hold: {why} {_describe_filter(precondition.filter)}",
                field=f"preconditions[{index}]",
            )


def apply_updates(
    view: WriteTransaction, schema: Schema, updates: Sequence[Update], caller: Caller, now_us: int
) -> None:
    """Write the updates. Deletes first, so that one request may replace what a `single` relation holds whatever the
    order of its lines. Raises RelationshipExists and SingleTaken."""
    provenance = Provenance(caller.principal, caller.run, view.next_revision)
    singles: dict[tuple[ObjectRef, str], int] = {}
    for update in updates:
        if update.operation is Operation.DELETE:
            view.delete(update.relationship.key)
    for index, update in enumerate(updates):
        relationship = update.relationship
        if update.operation is Operation.DELETE:
            continue
        if update.operation is Operation.CREATE:
            there = view.get(relationship.key)
            if there is not None and there.relationship.qualifiers.counts_at(now_us):
                raise RelationshipExists(
                    f"`{relationship.key}` is already there; use TOUCH to write it whatever was there",
                    field=f"updates[{index}]",
                    relationship=relationship.key,
                )
        view.put(StoredRelationship(relationship, provenance))
        if schema.definitions[relationship.resource.type].relations[relationship.relation].single:
            singles.setdefault((relationship.resource, relationship.relation), index)
    for (resource, relation), index in singles.items():
        _check_single(view, resource, relation, now_us, f"updates[{index}]")


def _check_single(view: ReadTransaction, resource: ObjectRef, relation: str, now_us: int, field: str) -> None:
    """One subject at most. What has ended is as absent; what has not begun is not, for it will begin."""
    filter = RelationshipFilter(resource_type=resource.type, resource_id=resource.id, relation=relation)
    held = [stored.relationship for stored in view.scan(filter) if not _is_over(stored.relationship, now_us)]
    if len(held) > 1:
        subjects = " and ".join(f"`{each.subject}`" for each in held[:2])
        raise SingleTaken(
            f"`{resource}#{relation}` is single and would lead to {subjects}: delete the one in the same request",
            field=field,
            resource=resource,
            relation=relation,
        )


def _is_over(relationship: Relationship, now_us: int) -> bool:
    expiration_us = relationship.qualifiers.expiration_us
    return expiration_us is not None and expiration_us <= now_us


def _counting(stored: Iterable[StoredRelationship], now_us: int) -> Iterator[StoredRelationship]:
    return (each for each in stored if each.relationship.qualifiers.counts_at(now_us))


def _describe_filter(filter: RelationshipFilter) -> str:
    resource_id = filter.resource_id if filter.resource_id is not None else f"{filter.resource_id_prefix or ''}*"
    text = f"{filter.resource_type or '*'}:{resource_id}#{filter.relation or '*'}@"
    text += f"{filter.subject_type or '*'}:{filter.subject_id if filter.subject_id is not None else '*'}"
    return f"`{text}#{filter.subject_relation}`" if filter.subject_relation else f"`{text}`"


# --- a change of schema -----------------------------------------------------------------------------------------


def check_orphans(view: ReadTransaction, old: Schema, new: Schema, now_us: int) -> None:
    """That the new schema has a place for every relationship there is. Only relations whose declaration, or whose
    caveats, have changed are looked through. Raises SchemaOrphansRelationships, counting and naming."""
    orphans = 0
    reasons: Counter[str] = Counter()
    named: list[str] = []
    for type, relation in _changed_relations(old, new):
        last: RelationshipKey | None = None
        for stored in view.scan(RelationshipFilter(resource_type=type, relation=relation)):
            relationship = stored.relationship
            reason = _misfit(new, relationship, last, now_us)
            if not _is_over(relationship, now_us):
                last = relationship.key
            if reason:
                orphans += 1
                reasons[f"{type}#{relation}"] += 1
                if len(named) < _ORPHANS_NAMED:
                    named.append(f"`{format_relationship(relationship)}` ({reason})")
    if orphans:
        more = "" if orphans <= len(named) else f", and {orphans - len(named)} more"
        raise SchemaOrphansRelationships(
            f"the schema leaves no place for {orphans} relationships: {', '.join(named)}{more}; delete them first",
            field="schema",
            count=orphans,
            relations=", ".join(f"{name} ({count})" for name, count in sorted(reasons.items())),
        )


def _misfit(schema: Schema, relationship: Relationship, before: RelationshipKey | None, now_us: int) -> str:
    """Why the relationship has no place under the schema; "" where it has. `before` is the one scanned before it."""
    try:
        relation = check_relationship(schema, relationship)
    except (UnknownType, RelationshipRefused, InvalidContext) as error:
        return error.message
    same_place = before is not None and before[:2] == (relationship.resource, relationship.relation)
    if relation.single and same_place and not _is_over(relationship, now_us):
        return f"`{relation.name}` would be single"
    return ""


def _changed_relations(old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    for type, definition in old.definitions.items():
        kept = new.definitions[type].relations if type in new.definitions else {}
        for name, relation in definition.relations.items():
            successor = kept.get(name)
            if (
                successor is None
                or not set(relation.subject_types) <= set(successor.subject_types)
                or (successor.single and not relation.single)
                or any(old.caveats[use] != new.caveats[use] for use in _caveats_of(relation))
            ):
                yield type, name


def _caveats_of(relation: Relation) -> set[str]:
    return {each.caveat for each in relation.subject_types if each.caveat is not None}
