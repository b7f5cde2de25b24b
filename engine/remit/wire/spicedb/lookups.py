"""What a lookup finds, as SpiceDB says it: a message for each resource and each subject.

Law: of nobody is more said than Check says, also by `*`, once those are taken out whom it does not stand for."""

from __future__ import annotations

from authzed.api.v1 import core_pb2, permission_service_pb2

from remit.eval.semantics import Answer
from remit.model import Verdict
from remit.wire.spicedb.answers import encode_missing

_P = permission_service_pb2

_PERMISSIONSHIPS = {
    Verdict.CONDITIONAL: _P.LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION,
    Verdict.YES: _P.LOOKUP_PERMISSIONSHIP_HAS_PERMISSION,
}


def encode_resource(
    id: str, answer: Answer, looked_up_at: core_pb2.ZedToken, cursor: core_pb2.Cursor
) -> permission_service_pb2.LookupResourcesResponse:
    """Of a YES or CONDITIONAL."""
    return _P.LookupResourcesResponse(
        looked_up_at=looked_up_at,
        resource_object_id=id,
        permissionship=_PERMISSIONSHIPS[answer.verdict],
        partial_caveat_info=encode_missing(answer.missing),
        after_result_cursor=cursor,
    )


def encode_subject(
    id: str, answer: Answer, looked_up_at: core_pb2.ZedToken, cursor: core_pb2.Cursor
) -> permission_service_pb2.LookupSubjectsResponse:
    """Of a YES or CONDITIONAL. The fields that SpiceDB has deprecated say the same once more."""
    missing = encode_missing(answer.missing)
    permissionship = _PERMISSIONSHIPS[answer.verdict]
    return _P.LookupSubjectsResponse(
        looked_up_at=looked_up_at,
        subject_object_id=id,
        permissionship=permissionship,
        partial_caveat_info=missing,
        subject=_P.ResolvedSubject(subject_object_id=id, permissionship=permissionship, partial_caveat_info=missing),
        after_result_cursor=cursor,
    )


def encode_excluded(id: str, answer: Answer) -> permission_service_pb2.ResolvedSubject:
    """Somebody whom `*` does not stand for, by their own answer: of a NO they are excluded, and of a CONDITIONAL
    perhaps, which waits for what their answer waits for."""
    is_certain = answer.verdict is Verdict.NO
    return _P.ResolvedSubject(
        subject_object_id=id,
        permissionship=_PERMISSIONSHIPS[Verdict.YES if is_certain else Verdict.CONDITIONAL],
        partial_caveat_info=encode_missing(answer.missing),
    )
