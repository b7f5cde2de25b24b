"""The requests of the service `Relationships` that have one response: write, delete by filter, read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from remit.client.answers import Deleted, Page, Written
from remit.client.requests.request import Request, consistency_of, filter_of, struct_of
from remit.model import Precondition, RelationshipFilter, Update
from remit.v1 import relationships_pb2
from remit.wire.facts import decode_stored, encode_precondition, encode_update


def write(
    store: str,
    updates: Iterable[Update],
    preconditions: Iterable[Precondition],
    metadata: Mapping[str, object] | None,
    dry_run: bool,
    replace: RelationshipFilter | None = None,
) -> Request[Written]:
    request = relationships_pb2.WriteRequest(
        store=store,
        updates=[encode_update(update) for update in updates],
        preconditions=[encode_precondition(each) for each in preconditions],
        metadata=struct_of(metadata),
        dry_run=dry_run,
        replace=filter_of(replace, "replace"),
    )
    return Request(
        "/remit.v1.Relationships/Write",
        request,
        relationships_pb2.WriteResponse,
        lambda answer: Written(answer.token, answer.replaced, tuple(answer.expired)),
    )


def delete_by_filter(
    store: str,
    filter: RelationshipFilter,
    preconditions: Iterable[Precondition],
    metadata: Mapping[str, object] | None,
    dry_run: bool,
    limit: int,
) -> Request[Deleted]:
    request = relationships_pb2.DeleteRequest(
        store=store,
        filter=filter_of(filter, "filter"),
        preconditions=[encode_precondition(each) for each in preconditions],
        metadata=struct_of(metadata),
        dry_run=dry_run,
        limit=limit,
    )
    return Request(
        "/remit.v1.Relationships/Delete",
        request,
        relationships_pb2.DeleteResponse,
        lambda answer: Deleted(answer.token, answer.deleted, answer.complete),
    )


class Deleting:
    """A delete by filter as it goes from call to call, a revision each, until nothing is left or `limit` is reached."""

    def __init__(self, limit: int, dry_run: bool, progress: Callable[[int], None] | None) -> None:
        """`limit` 0: all. `progress` hears how many are gone by now."""
        self._limit = limit
        self._is_last = dry_run
        self._progress = progress
        self.deleted = Deleted("", 0, complete=False)

    @property
    def call_limit(self) -> int:
        """For the next call; 0: as many as one revision may."""
        return max(self._limit - self.deleted.deleted, 0)

    def goes_on(self, answer: Deleted) -> bool:
        """Count a call's answer; whether there is another to make."""
        deleted = self.deleted.deleted + answer.deleted
        self.deleted = Deleted(answer.token, deleted, answer.complete)
        if self._progress is not None:
            self._progress(deleted)
        return not (answer.complete or self._is_last or (self._limit and deleted >= self._limit))


def read(store: str, filter: RelationshipFilter | None, at_least: str, limit: int, cursor: str) -> Request[Page]:
    request = relationships_pb2.ReadRequest(
        store=store,
        consistency=consistency_of(at_least),
        filter=filter_of(filter, "filter"),
        limit=limit,
        cursor=cursor,
    )
    return Request("/remit.v1.Relationships/Read", request, relationships_pb2.ReadResponse, _page, is_repeatable=True)


def _page(message: relationships_pb2.ReadResponse) -> Page:
    return Page(tuple(decode_stored(item, "items") for item in message.items), message.next_cursor, message.token)
