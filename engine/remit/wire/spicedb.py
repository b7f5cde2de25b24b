"""SpiceDB's messages (`authzed.api.v1`) as Remit's data and back: the same nouns under other names.

Its `...` is our plain subject, its unset fields are our None, its ZedToken carries our token.
Law: what cannot be said in Remit's terms is refused by name, never dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from authzed.api.v1 import core_pb2, permission_service_pb2

from remit.errors import InvalidArgument, InvalidToken
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
    Verdict,
)
from remit.notation import checked_id, checked_name, checked_subject, checked_type
from remit.wire.facts import checked_filter
from remit.wire.values import decode_context_json, decode_time, unknown_enum

_ELLIPSIS = "..."  # SpiceDB's word for the object itself

# --- references -------------------------------------------------------------------------------------------------


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
    relation = subject.relation
    return SubjectRef(type_name, id, checked_name(relation, field=f"{field}.optional_relation") if relation else "")


# --- relationships ----------------------------------------------------------------------------------------------


def decode_relationship(message: core_pb2.Relationship, field: str) -> Relationship:
    """Raises InvalidReference, InvalidContext or InvalidArgument."""
    resource, relation, subject = _decode_triple(message, field)
    caveat: CaveatUse | None = None
    expiration_us: int | None = None
    if message.HasField("optional_caveat"):
        name = checked_type(message.optional_caveat.caveat_name, field=f"{field}.optional_caveat.caveat_name")
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
        raise InvalidArgument(f"`{field}.filter` is missing: an empty one means everything", field=f"{field}.filter")
    return Precondition(decode_filter(message.filter, f"{field}.filter"), message.operation == _MUST_MATCH)


def decode_filter(message: permission_service_pb2.RelationshipFilter, field: str) -> RelationshipFilter:
    """Raises InvalidReference, InvalidArgument."""
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


# --- consistency and answers ------------------------------------------------------------------------------------


class Consistency(TypedDict, total=False):
    """What of these an engine is asked for; of none, its head."""

    at_least: str
    at_exactly: str


def decode_consistency(message: permission_service_pb2.Consistency) -> Consistency:
    """Raises InvalidToken. Remit's head is its quickest answer, so whoever asks
    for the quickest gets the head."""
    match message.WhichOneof("requirement"):
        case "at_least_as_fresh":
            return {"at_least": _token(message.at_least_as_fresh, "at_least_as_fresh")}
        case "at_exact_snapshot":
            return {"at_exactly": _token(message.at_exact_snapshot, "at_exact_snapshot")}
        case _:
            return {}


def _token(message: core_pb2.ZedToken, name: str) -> str:
    if not message.token:
        raise InvalidToken(f"`{name}` has an empty token: leave `consistency` unset for the head", field="consistency")
    return message.token


_PERMISSIONSHIPS = {
    Verdict.NO: permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_NO_PERMISSION,
    Verdict.CONDITIONAL: permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_CONDITIONAL_PERMISSION,
    Verdict.YES: permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION,
}


def encode_permissionship(
    verdict: Verdict,
) -> permission_service_pb2.CheckPermissionResponse.Permissionship.ValueType:
    return _PERMISSIONSHIPS[verdict]


def encode_missing(missing: Sequence[str]) -> core_pb2.PartialCaveatInfo | None:
    """The caveat parameters an answer waits for; None where it waits for none."""
    return core_pb2.PartialCaveatInfo(missing_required_context=missing) if missing else None


def encode_token(token: str) -> core_pb2.ZedToken:
    return core_pb2.ZedToken(token=token)
