"""References, relationships, updates and filters as protobuf.

Decoding is the edge: every name and id is checked here, and an error names the field it came from, as in
`updates[3].relationship.subject.object.id`.
Law: `decode(encode(x)) == x` for every valid x; what a decode returns is valid."""

from __future__ import annotations

from collections.abc import Callable

from remit.errors import Fault, InvalidArgument, InvalidReference
from remit.model import (
    PLAIN,
    WILDCARD,
    CaveatUse,
    ObjectRef,
    Operation,
    Precondition,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipFilter,
    StoredRelationship,
    SubjectRef,
    Update,
)
from remit.notation import checked_caveat, checked_id, checked_id_prefix, checked_name, checked_subject, checked_type
from remit.v1 import core_pb2, relationships_pb2
from remit.wire.values import decode_context_json, decode_time, encode_context_json, encode_time, unknown_enum

# --- references -------------------------------------------------------------------------------------------------


MadeRelationship = Callable[[core_pb2.Relationship], None]
"""Called with each relationship of an answer as it grows; what it raises ends the making."""


def encode_object(object: ObjectRef) -> core_pb2.ObjectReference:
    return core_pb2.ObjectReference(type=object.type, id=object.id)


def decode_object(message: core_pb2.ObjectReference, field: str) -> ObjectRef:
    """Raises InvalidReference."""
    type_name, id = message.type, message.id
    if not type_name and not id:
        raise InvalidReference(f"`{field}` is missing: give its type and id", field=field)
    return ObjectRef(checked_type(type_name, field=f"{field}.type"), checked_id(id, field=f"{field}.id"))


def encode_subject(subject: SubjectRef) -> core_pb2.SubjectReference:
    type_name, id, relation = subject
    return core_pb2.SubjectReference(object=core_pb2.ObjectReference(type=type_name, id=id), relation=relation)


def decode_subject(message: core_pb2.SubjectReference, field: str, *, wildcard: bool = False) -> SubjectRef:
    """Raises InvalidReference; for a wildcard too, unless the caller may mean one."""
    object, relation = message.object, message.relation
    if object.id == WILDCARD:
        subject = SubjectRef(object.type, WILDCARD, relation)
        return checked_subject(subject, wildcard=wildcard, field=f"{field}.object.id")
    type_name, id = decode_object(object, f"{field}.object")
    return SubjectRef(type_name, id, checked_name(relation, field=f"{field}.relation") if relation else "")


def decode_type(name: str, field: str) -> str:
    """Raises InvalidReference."""
    if not name:
        raise InvalidReference(f"`{field}` is missing: name a type of the schema", field=field)
    return checked_type(name, field=field)


def decode_permission(name: str, field: str = "permission") -> str:
    """Raises InvalidReference."""
    if not name:
        raise InvalidReference(f"`{field}` is missing: name a relation or permission", field=field)
    return checked_name(name, field=field)


# --- relationships ----------------------------------------------------------------------------------------------


def encode_relationship(relationship: Relationship) -> core_pb2.Relationship:
    message = core_pb2.Relationship(
        resource=encode_object(relationship.resource),
        relation=relationship.relation,
        subject=encode_subject(relationship.subject),
    )
    qualifiers = relationship.qualifiers
    if qualifiers is PLAIN:
        return message
    caveat, not_before_us, expiration_us = qualifiers
    if caveat is not None:
        message.caveat.name = caveat.name
        if caveat.context_json != "{}":
            message.caveat.context.CopyFrom(encode_context_json(caveat.context_json))
    if not_before_us is not None:
        message.not_before.CopyFrom(encode_time(not_before_us))
    if expiration_us is not None:
        message.expiration.CopyFrom(encode_time(expiration_us))
    return message


def decode_relationship(message: core_pb2.Relationship, field: str) -> Relationship:
    """Raises InvalidReference, InvalidContext or InvalidArgument."""
    resource, relation, subject = _decode_triple(message, field)
    return Relationship(resource, relation, subject, _decode_qualifiers(message, field))


def _decode_triple(message: core_pb2.Relationship, field: str) -> tuple[ObjectRef, str, SubjectRef]:
    return (
        decode_object(message.resource, f"{field}.resource"),
        decode_permission(message.relation, f"{field}.relation"),
        decode_subject(message.subject, f"{field}.subject", wildcard=True),
    )


def _decode_qualifiers(message: core_pb2.Relationship, field: str) -> Qualifiers:
    """A fact begins at the next whole microsecond and ends at the last one: rounding never makes it count longer."""
    caveat: CaveatUse | None = None
    not_before_us: int | None = None
    expiration_us: int | None = None
    if message.HasField("caveat"):
        name = checked_caveat(message.caveat.name, field=f"{field}.caveat.name")
        caveat = CaveatUse(name, decode_context_json(message.caveat.context, f"{field}.caveat.context"))
    if message.HasField("not_before"):
        not_before_us = decode_time(message.not_before, f"{field}.not_before", round_up=True)
    if message.HasField("expiration"):
        expiration_us = decode_time(message.expiration, f"{field}.expiration")
    if caveat is None and not_before_us is None and expiration_us is None:
        return PLAIN
    return Qualifiers(caveat, not_before_us, expiration_us)


def encode_stored(stored: StoredRelationship) -> relationships_pb2.ReadItem:
    principal, run = stored.provenance.principal, stored.provenance.run
    return relationships_pb2.ReadItem(
        relationship=encode_relationship(stored.relationship),
        written_by=principal,
        written_by_run=run,
        revision=stored.provenance.revision,
    )


def decode_stored(message: relationships_pb2.ReadItem, field: str) -> StoredRelationship:
    relationship = decode_relationship(message.relationship, f"{field}.relationship")
    return StoredRelationship(relationship, Provenance(message.written_by, message.written_by_run, message.revision))


# --- writes -----------------------------------------------------------------------------------------------------

_OPERATION_TO_WIRE = {
    Operation.TOUCH: relationships_pb2.OPERATION_TOUCH,
    Operation.CREATE: relationships_pb2.OPERATION_CREATE,
    Operation.DELETE: relationships_pb2.OPERATION_DELETE,
}
_OPERATION_FROM_WIRE: dict[int, Operation] = {number: word for word, number in _OPERATION_TO_WIRE.items()}


def encode_update(update: Update) -> relationships_pb2.Update:
    return relationships_pb2.Update(
        operation=_OPERATION_TO_WIRE[update.operation], relationship=encode_relationship(update.relationship)
    )


def decode_update(message: relationships_pb2.Update, field: str) -> Update:
    """For DELETE only the triple is read. Raises what `decode_relationship` raises."""
    operation = _OPERATION_FROM_WIRE.get(message.operation)
    if operation is None:
        raise unknown_enum(message.operation, f"{field}.operation", "TOUCH, CREATE, DELETE")
    if operation is Operation.DELETE:
        triple = _decode_triple(message.relationship, f"{field}.relationship")
        return Update(operation, Relationship(*triple))
    return Update(operation, decode_relationship(message.relationship, f"{field}.relationship"))


_MUST_MATCH = relationships_pb2.Precondition.KIND_MUST_MATCH
_MUST_NOT_MATCH = relationships_pb2.Precondition.KIND_MUST_NOT_MATCH


def encode_precondition(precondition: Precondition) -> relationships_pb2.Precondition:
    return relationships_pb2.Precondition(
        kind=_MUST_MATCH if precondition.must_match else _MUST_NOT_MATCH, filter=encode_filter(precondition.filter)
    )


def decode_precondition(message: relationships_pb2.Precondition, field: str) -> Precondition:
    """Raises InvalidArgument; also where the filter is missing, which would otherwise mean everything."""
    if message.kind not in (_MUST_MATCH, _MUST_NOT_MATCH):
        raise unknown_enum(message.kind, f"{field}.kind", "MUST_MATCH, MUST_NOT_MATCH")
    if not message.HasField("filter"):
        raise InvalidArgument(f"`{field}.filter` is missing: an empty one means everything", field=f"{field}.filter")
    return Precondition(decode_filter(message.filter, f"{field}.filter"), message.kind == _MUST_MATCH)


# --- filters ----------------------------------------------------------------------------------------------------


def encode_filter(filter: RelationshipFilter) -> core_pb2.RelationshipFilter:
    # protobuf takes None for "unset".
    return core_pb2.RelationshipFilter(
        resource_type=filter.resource_type,
        resource_id=filter.resource_id,
        resource_id_prefix=filter.resource_id_prefix,
        relation=filter.relation,
        subject_type=filter.subject_type,
        subject_id=filter.subject_id,
        subject_relation=filter.subject_relation,
    )


def decode_filter(message: core_pb2.RelationshipFilter, field: str) -> RelationshipFilter:
    """Raises InvalidReference for a part no relationship could have, InvalidArgument for a contradiction."""
    return checked_filter(RelationshipFilter(**{part.name: value for part, value in message.ListFields()}), field)


def checked_filter(filter: RelationshipFilter, field: str) -> RelationshipFilter:
    """The filter with valid parts."""
    if filter.resource_id is not None and filter.resource_id_prefix is not None:
        raise InvalidArgument("`resource_id` and `resource_id_prefix` exclude each other", field=field).with_fault(
            Fault.FILTER_CONTRADICTS
        )
    if filter.resource_type is not None:
        checked_type(filter.resource_type, field=f"{field}.resource_type")
    if filter.resource_id is not None:
        checked_id(filter.resource_id, field=f"{field}.resource_id")
    if filter.resource_id_prefix is not None:
        checked_id_prefix(filter.resource_id_prefix, field=f"{field}.resource_id_prefix")
    if filter.relation is not None:
        checked_name(filter.relation, field=f"{field}.relation")
    if filter.subject_type is not None:
        checked_type(filter.subject_type, field=f"{field}.subject_type")
    if filter.subject_id is not None and filter.subject_id != WILDCARD:
        checked_id(filter.subject_id, field=f"{field}.subject_id")
    if filter.subject_relation:
        checked_name(filter.subject_relation, field=f"{field}.subject_relation")
    return filter
