"""References, relationships, updates and filters as SpiceDB says them.

Its `...` is our plain subject, and its unset fields are our None. When a relationship begins it cannot say, so nobody
is told of one before that.
Law: `decode(encode(x)) == x` for every relationship that has begun, when it began aside."""

from __future__ import annotations

from authzed.api.v1 import core_pb2, permission_service_pb2

from remit.errors import Fault, InvalidArgument
from remit.model import (
    PLAIN,
    CaveatUse,
    ObjectRef,
    Operation,
    Precondition,
    Qualifiers,
    Relationship,
    RelationshipFilter,
    SubjectRef,
    Update,
)
from remit.notation import checked_caveat, checked_id, checked_name, checked_subject, checked_type
from remit.wire.facts import checked_filter
from remit.wire.values import decode_context_json, decode_time, encode_context_json, encode_time, unknown_enum

_ELLIPSIS = "..."  # SpiceDB's word for the object itself

# --- references -------------------------------------------------------------------------------------------------


def encode_object(object: ObjectRef) -> core_pb2.ObjectReference:
    return core_pb2.ObjectReference(object_type=object.type, object_id=object.id)


def encode_subject(subject: SubjectRef) -> core_pb2.SubjectReference:
    object = core_pb2.ObjectReference(object_type=subject.type, object_id=subject.id)
    return core_pb2.SubjectReference(object=object, optional_relation=subject.relation)


def decode_object(message: core_pb2.ObjectReference, field: str) -> ObjectRef:
    """Raises InvalidReference."""
    return ObjectRef(
        checked_type(message.object_type, field=f"{field}.object_type"),
        checked_id(message.object_id, field=f"{field}.object_id"),
    )


def decode_subject(message: core_pb2.SubjectReference, field: str, *, wildcard: bool = False) -> SubjectRef:
    """Raises InvalidReference; for a wildcard too, unless the caller may mean one."""
    object, relation = message.object, message.optional_relation
    subject = SubjectRef(object.object_type, object.object_id, "" if relation == _ELLIPSIS else relation)
    if subject.is_wildcard:
        return checked_subject(subject, wildcard=wildcard, field=f"{field}.object.object_id")
    type_name, id = decode_object(object, f"{field}.object")
    return SubjectRef(type_name, id, decode_subject_relation(relation, f"{field}.optional_relation"))


def decode_subject_relation(relation: str, field: str) -> str:
    """ "" for the object itself. Raises InvalidReference."""
    return checked_name(relation, field=field) if relation not in ("", _ELLIPSIS) else ""


# --- relationships ----------------------------------------------------------------------------------------------


def encode_relationship(relationship: Relationship) -> core_pb2.Relationship:
    message = core_pb2.Relationship(
        resource=encode_object(relationship.resource),
        relation=relationship.relation,
        subject=encode_subject(relationship.subject),
    )
    caveat, _, expiration_us = relationship.qualifiers
    if caveat is not None:
        message.optional_caveat.caveat_name = caveat.name
        if caveat.context_json != "{}":
            message.optional_caveat.context.CopyFrom(encode_context_json(caveat.context_json))
    if expiration_us is not None:
        message.optional_expires_at.CopyFrom(encode_time(expiration_us))
    return message


def decode_relationship(message: core_pb2.Relationship, field: str) -> Relationship:
    """Raises InvalidReference, InvalidContext or InvalidArgument."""
    resource, relation, subject = _decode_triple(message, field)
    caveat: CaveatUse | None = None
    expiration_us: int | None = None
    if message.HasField("optional_caveat"):
        name = checked_caveat(message.optional_caveat.caveat_name, field=f"{field}.optional_caveat.caveat_name")
        context = decode_context_json(message.optional_caveat.context, f"{field}.optional_caveat.context")
        caveat = CaveatUse(name, context)
    if message.HasField("optional_expires_at"):
        expiration_us = decode_time(message.optional_expires_at, f"{field}.optional_expires_at")
    qualifiers = PLAIN if caveat is None and expiration_us is None else Qualifiers(caveat, None, expiration_us)
    return Relationship(resource, relation, subject, qualifiers)


def _decode_triple(message: core_pb2.Relationship, field: str) -> tuple[ObjectRef, str, SubjectRef]:
    return (
        decode_object(message.resource, f"{field}.resource"),
        checked_name(message.relation, field=f"{field}.relation"),
        decode_subject(message.subject, f"{field}.subject", wildcard=True),
    )


_OPERATIONS = {
    core_pb2.RelationshipUpdate.OPERATION_CREATE: Operation.CREATE,
    core_pb2.RelationshipUpdate.OPERATION_TOUCH: Operation.TOUCH,
    core_pb2.RelationshipUpdate.OPERATION_DELETE: Operation.DELETE,
}


def decode_update(message: core_pb2.RelationshipUpdate, field: str) -> Update:
    """For DELETE only the triple is read. Raises what `decode_relationship` raises."""
    operation = _OPERATIONS.get(message.operation)
    if operation is None:
        raise unknown_enum(message.operation, f"{field}.operation", "CREATE, TOUCH, DELETE")
    if operation is Operation.DELETE:
        return Update(operation, Relationship(*_decode_triple(message.relationship, f"{field}.relationship")))
    return Update(operation, decode_relationship(message.relationship, f"{field}.relationship"))


# --- filters ----------------------------------------------------------------------------------------------------

_MUST_MATCH = permission_service_pb2.Precondition.OPERATION_MUST_MATCH
_MUST_NOT_MATCH = permission_service_pb2.Precondition.OPERATION_MUST_NOT_MATCH


def decode_precondition(message: permission_service_pb2.Precondition, field: str) -> Precondition:
    """Raises InvalidArgument; also where the filter is missing, which would otherwise mean everything."""
    if message.operation not in (_MUST_MATCH, _MUST_NOT_MATCH):
        raise unknown_enum(message.operation, f"{field}.operation", "MUST_MATCH, MUST_NOT_MATCH")
    if not message.HasField("filter"):
        raise InvalidArgument(
            f"`{field}.filter` is missing: an empty one means everything",
            field=f"{field}.filter",
        ).with_fault(Fault.PRECONDITION_EMPTY)
    return Precondition(decode_filter(message.filter, f"{field}.filter"), message.operation == _MUST_MATCH)


def decode_filter(message: permission_service_pb2.RelationshipFilter, field: str) -> RelationshipFilter:
    """Raises InvalidReference, InvalidArgument; also where it names nothing."""
    if not message.ListFields():
        raise InvalidArgument(f"`{field}` is empty: name at least one part of what is meant", field=field).with_fault(
            Fault.FILTER_EMPTY
        )
    subject_type = subject_id = subject_relation = None
    if message.HasField("optional_subject_filter"):
        subject = message.optional_subject_filter
        subject_type, subject_id = subject.subject_type, subject.optional_subject_id or None
        if subject.HasField("optional_relation"):
            named = subject.optional_relation.relation
            subject_relation = "" if named == _ELLIPSIS else named
    return checked_filter(
        RelationshipFilter(
            resource_type=message.resource_type or None,
            resource_id=message.optional_resource_id or None,
            resource_id_prefix=message.optional_resource_id_prefix or None,
            relation=message.optional_relation or None,
            subject_type=subject_type,
            subject_id=subject_id,
            subject_relation=subject_relation,
        ),
        field,
    )
