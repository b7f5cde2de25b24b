"""What a watch of a permission tells, as protobuf."""

from __future__ import annotations

from remit.engine.permission_watching import PermissionsTold, ResetReason
from remit.errors import RemitError
from remit.eval.permission_sets import Permissionship, PermissionUpdate
from remit.v1 import permissions_pb2
from remit.wire.facts import encode_object, encode_subject
from remit.wire.status import encode_status
from remit.wire.values import encode_time, encode_verdict

_RESETS = {
    None: permissions_pb2.WatchPermissionResponse.RESET_UNSPECIFIED,
    ResetReason.SCHEMA: permissions_pb2.WatchPermissionResponse.RESET_SCHEMA,
    ResetReason.BUDGET: permissions_pb2.WatchPermissionResponse.RESET_BUDGET,
    ResetReason.GONE: permissions_pb2.WatchPermissionResponse.RESET_GONE,
}


def encode_permissions_told(told: PermissionsTold) -> permissions_pb2.WatchPermissionResponse:
    return permissions_pb2.WatchPermissionResponse(
        token=told.token,
        evaluated_at=encode_time(told.evaluated_at_us),
        updates=[_encode_update(update) for update in told.updates],
        reset=_RESETS[told.reset],
    )


def encode_permission_checkpoint(token: str, evaluated_at_us: int) -> permissions_pb2.WatchPermissionResponse:
    evaluated_at = encode_time(evaluated_at_us)
    return permissions_pb2.WatchPermissionResponse(token=token, evaluated_at=evaluated_at, checkpoint=True)


def _encode_update(update: PermissionUpdate) -> permissions_pb2.PermissionUpdate:
    return permissions_pb2.PermissionUpdate(
        resource=encode_object(update.resource),
        subject=encode_subject(update.subject),
        before=_encode_permissionship(update.before),
        now=_encode_permissionship(update.now),
    )


def _encode_permissionship(permissionship: Permissionship) -> permissions_pb2.Permissionship:
    answer, listed = permissionship
    if isinstance(answer, RemitError):
        return permissions_pb2.Permissionship(listed=listed, error=encode_status(answer))
    return permissions_pb2.Permissionship(verdict=encode_verdict(answer.verdict), missing=answer.missing, listed=listed)
