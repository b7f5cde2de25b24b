"""The lookups of the service Permissions: LookupResources, LookupSubjects, LookupPermissions.

What was found, what is excluded and what failed are lists of their own, so that who reads only what was found is never
told of more than there is.
Law: see `permissions.py`."""

from __future__ import annotations

from remit.engine.facade import Engine
from remit.engine.lookups import PageOptions
from remit.engine.results import LookupResult
from remit.errors import RemitError
from remit.model import ObjectRef, PermissionLookup, ResourceLookup, SubjectLookup, SubjectRef, Verdict
from remit.server.call import Call
from remit.server.handlers.consistency import decode_consistency
from remit.server.handlers.permissions import decode_contextual
from remit.server.limits.request_size import read_context
from remit.v1.permissions_pb2 import (
    LookupPermissionsRequest,
    LookupPermissionsResponse,
    LookupResourcesRequest,
    LookupResourcesResponse,
    LookupSubjectsRequest,
    LookupSubjectsResponse,
)
from remit.wire.facts import (
    decode_object,
    decode_permission,
    decode_subject,
    decode_type,
    encode_object,
    encode_subject,
)
from remit.wire.status import encode_status
from remit.wire.values import encode_time, encode_verdict

_Request = LookupResourcesRequest | LookupSubjectsRequest | LookupPermissionsRequest
_Response = LookupResourcesResponse | LookupSubjectsResponse | LookupPermissionsResponse


def lookup_resources(engine: Engine, request: LookupResourcesRequest, call: Call) -> LookupResourcesResponse:
    type_name = decode_type(request.resource_type, "resource_type")
    permission, subject = decode_permission(request.permission), decode_subject(request.subject, "subject")
    lookup = ResourceLookup(type_name, permission, subject, _context(engine, request))
    result = engine.lookups.resources(request.store, lookup, _options(request, call))
    response = LookupResourcesResponse()
    for id, answer in result.entries:
        resource = encode_object(ObjectRef(type_name, id))
        if isinstance(answer, RemitError):
            response.failed.add(resource=resource, error=encode_status(answer))
        else:
            response.resources.add(resource=resource, verdict=encode_verdict(answer.verdict), missing=answer.missing)
    _finish(response, result)
    return response


def lookup_subjects(engine: Engine, request: LookupSubjectsRequest, call: Call) -> LookupSubjectsResponse:
    resource, permission = decode_object(request.resource, "resource"), decode_permission(request.permission)
    type_name = decode_type(request.subject_type, "subject_type")
    relation = decode_permission(request.subject_relation, "subject_relation") if request.subject_relation else ""
    lookup = SubjectLookup(resource, permission, type_name, relation, _context(engine, request))
    result = engine.lookups.subjects(request.store, lookup, _options(request, call))
    response = LookupSubjectsResponse()
    for id, answer in result.entries:
        subject = encode_subject(SubjectRef(type_name, id, relation))
        if isinstance(answer, RemitError):
            response.failed.add(subject=subject, error=encode_status(answer))
        elif answer.verdict is Verdict.NO:
            response.excluded.append(subject)
        else:
            response.subjects.add(subject=subject, verdict=encode_verdict(answer.verdict), missing=answer.missing)
    _finish(response, result)
    return response


def lookup_permissions(engine: Engine, request: LookupPermissionsRequest, call: Call) -> LookupPermissionsResponse:
    resource, subject = decode_object(request.resource, "resource"), decode_subject(request.subject, "subject")
    lookup = PermissionLookup(resource, subject, request.relations, _context(engine, request))
    result = engine.lookups.permissions(request.store, lookup, _options(request, call))
    response = LookupPermissionsResponse()
    for name, answer in result.entries:
        if isinstance(answer, RemitError):
            response.failed.add(permission=name, error=encode_status(answer))
        else:
            response.permissions.add(permission=name, verdict=encode_verdict(answer.verdict), missing=answer.missing)
    _finish(response, result)
    return response


def _context(engine: Engine, request: _Request) -> dict[str, object]:
    return read_context(request.context, engine.limits, "context") if request.HasField("context") else {}


def _options(request: _Request, call: Call) -> PageOptions:
    return PageOptions(
        **decode_consistency(request.consistency),
        contextual=decode_contextual(request.contextual),
        limit=request.limit,
        cursor=request.cursor,
        interrupt=call.interrupt,
    )


def _finish(response: _Response, result: LookupResult) -> None:
    """What every page ends with."""
    response.next_cursor = result.next_cursor
    response.complete = result.complete
    response.token = result.token
    response.evaluated_at.CopyFrom(encode_time(result.evaluated_at_us))
    response.steps = result.steps
    response.historical = result.historical
