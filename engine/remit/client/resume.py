"""Streams that are resumed where they broke: what to ask for, how to read what arrives, and when to ask again.

Nothing here knows a connection, so both clients drive the same code.

Law: however often a stream breaks, its reader is given each revision once, whole and in order, and each page of
an export at most once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from google.protobuf.message import Message

from remit.client.answers import (
    ChangeKind,
    ExportPage,
    PermissionEvent,
    Permissionship,
    PermissionUpdate,
    Reset,
    WatchedChange,
    WatchedRecord,
    WatchEvent,
)
from remit.client.attempts import is_away, spread_s
from remit.errors import RemoteError
from remit.model import RelationshipFilter, SubjectRef
from remit.notation import parse_watched_permission
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2
from remit.wire.facts import checked_filter, decode_object, decode_relationship, encode_filter
from remit.wire.status import decode_status
from remit.wire.values import decode_context, decode_time, decode_verdict, encode_time

WATCH = "/remit.v1.Relationships/Watch"
WATCH_PERMISSION = "/remit.v1.Permissions/WatchPermission"
EXPORT = "/remit.v1.Relationships/Export"

PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 5.0


class Retries:
    """Whether and when a stream that broke is asked for again."""

    def __init__(self, resume: bool) -> None:
        self._resume = resume
        self._has_begun = False
        self._failures = 0

    def went_well(self) -> None:
        """A message came."""
        self._has_begun = True
        self._failures = 0

    def pause_s(self, error: RemoteError) -> float:
        """How long to wait before the next attempt. Raises the error where another would not help: what the server
        refused, and a server that was never reached."""
        if not (self._resume and self._has_begun and _passes(error)):
            raise error
        self._failures += 1
        return spread_s(min(PAUSE_FIRST_S * 2.0 ** min(self._failures - 1, 10), PAUSE_MAX_S), error)


def _passes(error: RemoteError) -> bool:
    """Whether it is the kind of failure that passes."""
    return is_away(error) or error.reason == "SLOW_CONSUMER" or error.retry_after_s is not None


class Resumable(Protocol):
    """A stream of answers to one request, which can be asked for again from where it broke."""

    path: str
    response: type[Message]

    def request(self) -> Message:
        """The request that goes on from here."""
        ...

    def receive(self, message: Message) -> object | None:
        """What a message says; None where it says nothing new, or not all yet."""
        ...


class ResumableWatch:
    """Puts the pieces of long revisions together."""

    path = WATCH
    response: type[Message] = relationships_pb2.WatchResponse

    def __init__(
        self, store: str, after: str, filters: Iterable[RelationshipFilter], checkpoint_interval_ms: int
    ) -> None:
        self._store = store
        self._filters = [
            encode_filter(checked_filter(filter, f"filters[{number}]")) for number, filter in enumerate(filters)
        ]
        self._checkpoint_interval_ms = checkpoint_interval_ms
        self.token = after  # everything up to it was received
        self._pieces: list[WatchedChange] = []

    def request(self) -> relationships_pb2.WatchRequest:
        self._pieces = []
        return relationships_pb2.WatchRequest(
            store=self._store,
            after=self.token,
            filters=self._filters,
            checkpoint_interval_ms=self._checkpoint_interval_ms,
        )

    def receive(self, message: Message) -> WatchEvent | None:
        assert isinstance(message, relationships_pb2.WatchResponse), "the method answers with these"
        self._pieces += [_decode_change(change) for change in message.changes]
        if not message.token:
            return None
        changes, self._pieces = tuple(self._pieces), []
        self.token = message.token
        if message.checkpoint:
            return WatchEvent(message.token, checkpoint=True)
        return WatchEvent(
            message.token,
            changes,
            message.schema or None,
            decode_context(message.metadata, "metadata") if message.HasField("metadata") else {},
            message.written_by,
            decode_time(message.committed_at, "committed_at"),
            records=tuple(_decode_record(each) for each in message.records),  # all with the last piece
            entry=decode_context(message.entry, "entry") if message.HasField("entry") else {},
        )


def _decode_change(message: relationships_pb2.WatchedChange) -> WatchedChange:
    """A kind that this client does not know raises: to pass over it would be to lose a change."""
    return WatchedChange(_KINDS[message.kind], decode_relationship(message.relationship, "relationship"))


def _decode_record(message: relationships_pb2.WatchedRecord) -> WatchedRecord:
    return WatchedRecord(_KINDS[message.kind], message.record_kind, decode_object(message.object, "object"))


_KINDS: dict[int, ChangeKind] = {
    relationships_pb2.WatchedChange.KIND_TOUCHED: ChangeKind.TOUCHED,
    relationships_pb2.WatchedChange.KIND_DELETED: ChangeKind.DELETED,
}


class ResumablePermissionWatch:
    """Puts the pieces of long steps together."""

    path = WATCH_PERMISSION
    response: type[Message] = permissions_pb2.WatchPermissionResponse

    def __init__(
        self, store: str, permission: str, after: str, evaluated_at_us: int | None, checkpoint_interval_ms: int
    ) -> None:
        self._store = store
        self._watched = parse_watched_permission(permission)
        self._checkpoint_interval_ms = checkpoint_interval_ms
        self.token = after  # everything up to it was received
        self.evaluated_at_us = evaluated_at_us
        self._pieces: list[PermissionUpdate] = []

    def request(self) -> permissions_pb2.WatchPermissionRequest:
        self._pieces = []
        resource_type, permission, subject_type, subject_relation = self._watched
        return permissions_pb2.WatchPermissionRequest(
            store=self._store,
            resource_type=resource_type,
            permission=permission,
            subject_type=subject_type,
            subject_relation=subject_relation,
            after=self.token,
            evaluated_at=encode_time(self.evaluated_at_us) if self.evaluated_at_us is not None else None,
            checkpoint_interval_ms=self._checkpoint_interval_ms,
        )

    def receive(self, message: Message) -> PermissionEvent | None:
        assert isinstance(message, permissions_pb2.WatchPermissionResponse), "the method answers with these"
        self._pieces += [_decode_update(update) for update in message.updates]
        if not message.token:
            return None
        updates, self._pieces = tuple(self._pieces), []
        self.token = message.token
        self.evaluated_at_us = decode_time(message.evaluated_at, "evaluated_at")
        return PermissionEvent(
            self.token, self.evaluated_at_us, updates, _RESETS[message.reset], checkpoint=message.checkpoint
        )


def _decode_update(message: permissions_pb2.PermissionUpdate) -> PermissionUpdate:
    subject = message.subject
    return PermissionUpdate(
        decode_object(message.resource, "resource"),
        SubjectRef(subject.object.type, subject.object.id, subject.relation),  # whose id may be `*`
        _decode_permissionship(message.before),
        _decode_permissionship(message.now),
    )


def _decode_permissionship(message: permissions_pb2.Permissionship) -> Permissionship:
    if message.HasField("error"):
        return Permissionship(None, (), message.listed, decode_status(message.error))
    return Permissionship(decode_verdict(message.verdict), tuple(message.missing), message.listed)


# A reset that this client does not know raises: to pass over it would be to hold what counts no more.
_RESETS: dict[int, Reset | None] = {
    permissions_pb2.WatchPermissionResponse.RESET_UNSPECIFIED: None,
    permissions_pb2.WatchPermissionResponse.RESET_SCHEMA: Reset.SCHEMA,
    permissions_pb2.WatchPermissionResponse.RESET_BUDGET: Reset.BUDGET,
    permissions_pb2.WatchPermissionResponse.RESET_GONE: Reset.GONE,
}


class ResumableExport:
    """Keeps the token of the first page: what is watched from it brings all pages up to date."""

    path = EXPORT
    response: type[Message] = relationships_pb2.ExportResponse

    def __init__(self, store: str, filter: RelationshipFilter | None, at_least: str, cursor: str) -> None:
        self._store = store
        self._filter = encode_filter(checked_filter(filter, "filter")) if filter is not None else None
        self._at_least = at_least
        self.cursor = cursor
        self.token = ""

    def request(self) -> relationships_pb2.ExportRequest:
        # Its own token, too, is one to be no older than: a store that was restored meanwhile is another one.
        at_least = self.token or self._at_least
        return relationships_pb2.ExportRequest(
            store=self._store,
            consistency=core_pb2.Consistency(at_least=at_least) if at_least else None,
            filter=self._filter,
            cursor=self.cursor,
        )

    def receive(self, message: Message) -> ExportPage:
        assert isinstance(message, relationships_pb2.ExportResponse), "the method answers with these"
        self.token = self.token or message.token
        self.cursor = message.cursor
        relationships = tuple(decode_relationship(each, "relationships") for each in message.relationships)
        return ExportPage(relationships, message.cursor, self.token)
