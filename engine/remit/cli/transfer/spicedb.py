"""A running SpiceDB, read over its own API: its schema, its relationships in bulk, and what changes from then on.

Law: what is read from a token on holds every change since, so that an import and what follows it leave nothing out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import grpc
from authzed.api.v1 import (
    core_pb2,
    permission_service_pb2,
    permission_service_pb2_grpc,
    schema_service_pb2,
    schema_service_pb2_grpc,
    watch_service_pb2,
    watch_service_pb2_grpc,
)

from remit.client.channel import Tls, credentials_of, endpoint_of, metadata_of, options_of
from remit.errors import RemoteError, Status
from remit.model import Operation, Relationship, Update
from remit.notation import shortened
from remit.wire.spicedb.facts import decode_relationship, decode_update

PAGE_SIZE = 1_000

_Consistency = permission_service_pb2.Consistency


class Changes(NamedTuple):
    """What one message of the watch brings: updates of one revision or a part of it, whether the schema changed, and
    the token that all is told up to. A checkpoint brings the token alone."""

    updates: Sequence[Update]
    is_schema_changed: bool
    token: str


class SpiceDb:
    """A connection; close it, or use it as a context manager."""

    def __init__(self, endpoint: str, token: str, tls: Tls | None, timeout_s: float) -> None:
        """Raises InvalidArgument where the token would travel unencrypted, FileUnreadable."""
        self.endpoint = endpoint_of(endpoint)
        self._timeout_s = timeout_s
        credentials = credentials_of(tls, None) if tls is not None else None
        self._metadata = metadata_of(token, self.endpoint, encrypted=credentials is not None)
        options = options_of(self.endpoint)
        self._channel = (
            grpc.insecure_channel(self.endpoint, options)
            if credentials is None
            else grpc.secure_channel(self.endpoint, credentials, options)
        )
        self._permissions = permission_service_pb2_grpc.PermissionsServiceStub(self._channel)
        self._schemas = schema_service_pb2_grpc.SchemaServiceStub(self._channel)
        self._watches = watch_service_pb2_grpc.WatchServiceStub(self._channel)

    def __enter__(self) -> SpiceDb:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def schema(self) -> tuple[str, str]:
        """The text, and the token of the revision it was read at. Raises RemoteError."""
        request = schema_service_pb2.ReadSchemaRequest()
        try:
            answer = self._schemas.ReadSchema(request, metadata=self._metadata, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise self._error(error) from error
        return answer.schema_text, answer.read_at.token

    def pages(self, cursor: str = "") -> Iterator[tuple[list[Relationship], str]]:
        """All relationships as of one revision, from a cursor on, with the cursor behind each page. Raises RemoteError,
        and what `decode_relationship` raises."""
        request = permission_service_pb2.ExportBulkRelationshipsRequest(
            consistency=None if cursor else _Consistency(fully_consistent=True),
            optional_limit=PAGE_SIZE,
            optional_cursor=core_pb2.Cursor(token=cursor) if cursor else None,
        )
        for answer in self._told(self._permissions.ExportBulkRelationships(request, metadata=self._metadata)):
            read = [decode_relationship(each, "relationships") for each in answer.relationships]
            yield read, answer.after_result_cursor.token

    def changes(self, token: str) -> Iterator[Changes]:
        """What changes after a token, for as long as it is listened to. Raises RemoteError."""
        kinds = (
            watch_service_pb2.WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES,
            watch_service_pb2.WATCH_KIND_INCLUDE_SCHEMA_UPDATES,
            watch_service_pb2.WATCH_KIND_INCLUDE_CHECKPOINTS,
        )
        request = watch_service_pb2.WatchRequest(
            optional_start_cursor=core_pb2.ZedToken(token=token), optional_update_kinds=kinds
        )
        for answer in self._told(self._watches.Watch(request, metadata=self._metadata)):
            updates = [_written(decode_update(each, "updates")) for each in answer.updates]
            yield Changes(updates, answer.schema_updated, answer.changes_through.token)

    def _told(self, call: Any) -> Iterator[Any]:
        try:
            yield from call
        except grpc.RpcError as error:
            raise self._error(error) from error
        finally:
            call.cancel()

    def _error(self, error: grpc.RpcError) -> RemoteError:
        code = error.code()
        message = f"SpiceDB at `{shortened(self.endpoint)}`: {shortened(error.details() or code.name, 300)}"
        return RemoteError(code.name, Status[code.name], message)


def _written(update: Update) -> Update:
    """As it can be repeated: what was created there may be here already."""
    return update if update.operation is Operation.DELETE else Update(Operation.TOUCH, update.relationship)
