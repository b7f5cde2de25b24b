"""Lists of which the whole is known, and pages of them: what a person may view, who may view a document, and what a
person may do with it.

Law: every page is compared with the expected one, in process inside the time that is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.in_process import WrongAnswer
from bench.over_grpc import Load
from remit.engine.facade import Engine
from remit.engine.lookups import PageOptions
from remit.engine.results import LookupResult
from remit.model import Lookup, PermissionLookup, ResourceLookup, SubjectLookup
from remit.v1 import permissions_pb2
from remit.wire.facts import encode_object, encode_subject
from remit.wire.values import encode_context

PAGE = 100

_LOOKUP_RESOURCES = "/remit.v1.Permissions/LookupResources"
_LOOKUP_SUBJECTS = "/remit.v1.Permissions/LookupSubjects"
_LOOKUP_PERMISSIONS = "/remit.v1.Permissions/LookupPermissions"

LookupRequest = (
    permissions_pb2.LookupResourcesRequest
    | permissions_pb2.LookupSubjectsRequest
    | permissions_pb2.LookupPermissionsRequest
)


class KnownList(NamedTuple):
    """A lookup and all ids that it finds, sorted."""

    lookup: Lookup
    ids: tuple[str, ...]


# --- in process -------------------------------------------------------------------------------------------------


def pages(engine: Engine, lists: Sequence[KnownList], limit: int = PAGE) -> Callable[[int], None]:
    """Takes the next page of the lists each time it is called, from beginning to end, one list after the other. Raises
    WrongAnswer."""
    place, told, cursor = 0, 0, ""

    def take(_: int) -> None:
        nonlocal place, told, cursor
        lookup, ids = lists[place % len(lists)]
        page = _looked_up(engine, lookup, PageOptions(limit=limit, cursor=cursor))
        found = tuple(id for id, _ in page.entries)
        require_ids(lookup, ids[told : told + len(found)], found)
        told, cursor = told + len(found), page.next_cursor
        if not cursor:
            require_all(lookup, ids, told)
            place, told = place + 1, 0

    return take


def first_pages(engine: Engine, lists: Sequence[KnownList]) -> Callable[[int], None]:
    """Takes the first page of a list each time it is called, one list after the other. Raises WrongAnswer."""

    def take(number: int) -> None:
        lookup, ids = lists[number % len(lists)]
        page = _looked_up(engine, lookup, PageOptions(limit=PAGE))
        require_ids(lookup, ids[:PAGE], tuple(id for id, _ in page.entries))

    return take


def wholes(engine: Engine, lists: Sequence[KnownList]) -> Callable[[int], None]:
    """Takes a whole list each time it is called, in pages as large as they may be. Raises WrongAnswer."""

    def take(number: int) -> None:
        lookup, ids = lists[number % len(lists)]
        told, cursor = 0, ""
        while True:
            page = _looked_up(engine, lookup, PageOptions(cursor=cursor))
            found = tuple(id for id, _ in page.entries)
            require_ids(lookup, ids[told : told + len(found)], found)
            told, cursor = told + len(found), page.next_cursor
            if not cursor:
                break
        require_all(lookup, ids, told)

    return take


def _looked_up(engine: Engine, lookup: Lookup, options: PageOptions) -> LookupResult:
    match lookup:
        case ResourceLookup():
            return engine.lookups.resources("", lookup, options)
        case SubjectLookup():
            return engine.lookups.subjects("", lookup, options)
        case PermissionLookup():
            return engine.lookups.permissions("", lookup, options)


def require_ids(lookup: Lookup, expected: Sequence[str], found: Sequence[str]) -> None:
    """Raises WrongAnswer."""
    if tuple(found) != tuple(expected):
        raise WrongAnswer(f"a page of {lookup} is not the {len(expected)} ids that it should be")


def require_all(lookup: Lookup, ids: Sequence[str], told: int) -> None:
    """Raises WrongAnswer."""
    if told != len(ids):
        raise WrongAnswer(f"{lookup} ended after {told} of {len(ids)} ids")


# --- over gRPC --------------------------------------------------------------------------------------------------


def list_load(lists: Sequence[KnownList]) -> Load:
    """The first pages of lists of one kind."""
    requests = [page_request(each.lookup, PAGE, "").SerializeToString() for each in lists]

    def require(number: int, answer: bytes) -> None:
        lookup, ids = lists[number]
        require_ids(lookup, ids[:PAGE], page_of(lookup, answer)[0])

    return Load(path_of(lists[0].lookup), requests, require)


def path_of(lookup: Lookup) -> str:
    match lookup:
        case ResourceLookup():
            return _LOOKUP_RESOURCES
        case SubjectLookup():
            return _LOOKUP_SUBJECTS
        case PermissionLookup():
            return _LOOKUP_PERMISSIONS


def page_request(lookup: Lookup, limit: int, cursor: str) -> LookupRequest:
    request: LookupRequest
    match lookup:
        case ResourceLookup(resource_type, permission, subject):
            request = permissions_pb2.LookupResourcesRequest(
                resource_type=resource_type,
                permission=permission,
                subject=encode_subject(subject),
                limit=limit,
                cursor=cursor,
            )
        case SubjectLookup(resource, permission, subject_type, subject_relation):
            request = permissions_pb2.LookupSubjectsRequest(
                resource=encode_object(resource),
                permission=permission,
                subject_type=subject_type,
                subject_relation=subject_relation,
                limit=limit,
                cursor=cursor,
            )
        case PermissionLookup(resource, subject, relations):
            request = permissions_pb2.LookupPermissionsRequest(
                resource=encode_object(resource),
                subject=encode_subject(subject),
                relations=relations,
                limit=limit,
                cursor=cursor,
            )
    if lookup.context:
        request.context.CopyFrom(encode_context(lookup.context))
    return request


def page_of(lookup: Lookup, answer: bytes) -> tuple[list[str], str]:
    """The ids of a page, and the cursor to go on with."""
    match lookup:
        case ResourceLookup():
            resources = permissions_pb2.LookupResourcesResponse.FromString(answer)
            return [each.resource.id for each in resources.resources], resources.next_cursor
        case SubjectLookup():
            subjects = permissions_pb2.LookupSubjectsResponse.FromString(answer)
            return [each.subject.object.id for each in subjects.subjects], subjects.next_cursor
        case PermissionLookup():
            permissions = permissions_pb2.LookupPermissionsResponse.FromString(answer)
            return [each.permission for each in permissions.permissions], permissions.next_cursor
