"""The requests of the service `Permissions` that look up: which resources, which subjects, which permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from remit.client.answers import FailedLookup, Found, LookupPage
from remit.client.requests.request import ReadOptions, Request, struct_of
from remit.model import WILDCARD, ObjectRef, SubjectRef
from remit.notation import parse_permission_lookup, parse_resource_lookup, parse_subject_lookup
from remit.v1 import permissions_pb2
from remit.wire.facts import decode_object, decode_subject, encode_object, encode_subject
from remit.wire.status import decode_status
from remit.wire.values import decode_time, decode_verdict

T = TypeVar("T")
Context = Mapping[str, object] | None


class PageOf(NamedTuple):
    """Which page of a lookup: at most so many (0: as many as the server gives), after a cursor ("": the first)."""

    limit: int = 0
    cursor: str = ""


def lookup_resources(
    store: str, lookup: str, context: Context, options: ReadOptions, page: PageOf
) -> Request[LookupPage[ObjectRef]]:
    type_name, permission, subject = parse_resource_lookup(lookup)
    request = permissions_pb2.LookupResourcesRequest(
        store=store,
        consistency=options.consistency(),
        contextual=options.facts(),
        resource_type=type_name,
        permission=permission,
        subject=encode_subject(subject),
        context=struct_of(context),
        limit=page.limit,
        cursor=page.cursor,
    )
    return Request(
        "/remit.v1.Permissions/LookupResources",
        request,
        permissions_pb2.LookupResourcesResponse,
        lambda message: _page(message, message.resources, lambda each: decode_object(each.resource, "resource")),
        is_repeatable=True,
    )


def lookup_subjects(
    store: str, lookup: str, context: Context, options: ReadOptions, page: PageOf
) -> Request[LookupPage[SubjectRef]]:
    resource, permission, type_name, relation = parse_subject_lookup(lookup)
    request = permissions_pb2.LookupSubjectsRequest(
        store=store,
        consistency=options.consistency(),
        contextual=options.facts(),
        resource=encode_object(resource),
        permission=permission,
        subject_type=type_name,
        subject_relation=relation,
        context=struct_of(context),
        limit=page.limit,
        cursor=page.cursor,
    )
    return Request(
        "/remit.v1.Permissions/LookupSubjects", request, permissions_pb2.LookupSubjectsResponse, _subjects, True
    )


def _subjects(message: permissions_pb2.LookupSubjectsResponse) -> LookupPage[SubjectRef]:
    return _page(message, message.subjects, lambda each: _subject(each.subject), map(_subject, message.excluded))


def _subject(message: Any) -> SubjectRef:
    """A subject of the answer; a userset with the id `*`, which no question may name, is every other userset."""
    if message.object.id == WILDCARD:
        return SubjectRef(message.object.type, WILDCARD, message.relation)
    return decode_subject(message, "subject")


def lookup_permissions(
    store: str, lookup: str, relations: bool, context: Context, options: ReadOptions, page: PageOf
) -> Request[LookupPage[str]]:
    resource, subject = parse_permission_lookup(lookup)
    request = permissions_pb2.LookupPermissionsRequest(
        store=store,
        consistency=options.consistency(),
        contextual=options.facts(),
        resource=encode_object(resource),
        subject=encode_subject(subject),
        relations=relations,
        context=struct_of(context),
        limit=page.limit,
        cursor=page.cursor,
    )
    return Request(
        "/remit.v1.Permissions/LookupPermissions",
        request,
        permissions_pb2.LookupPermissionsResponse,
        lambda message: _page(message, message.permissions, lambda each: str(each.permission)),
        is_repeatable=True,
    )


def _page(message: Any, found: Iterable[Any], what: Callable[[Any], T], excluded: Iterable[T] = ()) -> LookupPage[T]:
    return LookupPage(
        tuple(Found(what(each), decode_verdict(each.verdict), tuple(each.missing)) for each in found),
        tuple(excluded),
        tuple(FailedLookup(what(each), decode_status(each.error)) for each in message.failed),
        message.next_cursor,
        message.complete,
        message.token,
        decode_time(message.evaluated_at, "evaluated_at"),
        message.steps,
        message.historical,
    )


class Looking:
    """A lookup of subjects as it goes from page to page: `*` is kept until all that it does not stand for are known,
    and is not told where it may stand for somebody who has no answer."""

    def __init__(self) -> None:
        self.everybody: list[Found[SubjectRef]] = []
        self.excluded: list[SubjectRef] = []
        self.has_failed = False

    def told(self, page: LookupPage[SubjectRef]) -> Iterator[Found[SubjectRef]]:
        """Those of the page that can be told by now; after the last one, `*`, if nobody failed."""
        self.excluded.extend(page.excluded)
        self.has_failed |= bool(page.failed)
        for each in page.found:
            if each.what.id == WILDCARD:
                self.everybody.append(each)
            else:
                yield each
        if not page.next_cursor and not self.has_failed:
            yield from (replace(each, excluded=tuple(self.excluded)) for each in self.everybody)
