"""The table of verbs: which function answers which method, and the way from bytes to bytes that all of them go.

A person should be able to proofread it by eye against proto/remit/v1.
Law: whatever bytes come in, the outcome is bytes or a RemitError; only a defect of ours raises anything else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from authzed.api.v1 import permission_service_pb2, schema_service_pb2
from google.protobuf.message import DecodeError, Message

from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import MalformedRequest
from remit.server.call import Call
from remit.server.handlers import permissions as handlers
from remit.server.handlers import spicedb as spicedb_handlers
from remit.server.handlers import stores as store_handlers
from remit.server.handlers import streams as stream_handlers
from remit.server.limits.request_size import require_sizes
from remit.server.rights import require_store
from remit.server.streams import Stream
from remit.v1 import permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2


@dataclass(frozen=True, slots=True)
class Verb:
    """A method of the API. `changes` says whether it waits for the disk, so that writers never hold up readers."""

    service: str
    method: str
    handler: Callable[[Engine, Any, Call], Message]
    request: type[Message]
    response: type[Message]
    changes: bool = False

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.method}"

    def answer(self, engine: Engine, data: bytes, call: Call) -> bytes:
        """From bytes to bytes: what a transport runs on a thread of its own choosing. Raises RemitError."""
        call.interrupt()
        call.request = request = _parsed(self.request, data, engine.limits)
        require_store(self.path, request, call)
        require_sizes(request, engine.limits, len(data))
        response = self.handler(engine, request, call)
        answer = _serialized(response, engine.limits)
        call.response = response
        return answer


@dataclass(frozen=True, slots=True)
class StreamVerb:
    """A method of which the requests, the responses, or both are a stream. Its handler gives messages, or their bytes
    where it has them already."""

    service: str
    method: str
    handler: Callable[[Engine, Any, Stream], AsyncGenerator[Message | bytes, None]]
    request: type[Message]
    response: type[Message]

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.method}"

    async def answers(
        self, engine: Engine, frames: AsyncIterator[bytes], stream: Stream
    ) -> AsyncGenerator[bytes, None]:
        """From bytes to bytes: what a transport drives on its event loop. Raises RemitError. Close it."""
        requests = self._requests(frames, stream, engine.limits)
        async with contextlib.aclosing(self.handler(engine, requests, stream)) as messages:
            async for message in messages:
                yield message if isinstance(message, bytes) else _serialized(message, engine.limits)

    async def _requests(
        self, frames: AsyncIterator[bytes], stream: Stream, limits: Limits
    ) -> AsyncGenerator[Message, None]:
        is_first = True
        async for data in frames:
            if len(data) <= _PARSED_AT_ONCE_BYTES:
                request = _parsed(self.request, data, limits)
            else:
                request = await stream.run(_parsed, self.request, data, limits)
            if is_first:
                stream.call.request = request
                require_store(self.path, request, stream.call)
                is_first = False
            require_sizes(request, limits, len(data))
            yield request


_PARSED_AT_ONCE_BYTES = 64 * 1024  # some 0.1 ms; more is a thread's work


def _parsed(kind: type[Message], data: bytes, limits: Limits) -> Message:
    limits.require_request(len(data))
    try:
        return kind.FromString(data)
    except DecodeError as error:
        name = kind.DESCRIPTOR.full_name
        raise MalformedRequest(f"the request is not a `{name}`: {_fault(error)}") from error


def _fault(error: DecodeError) -> str:
    """What protobuf found wrong, for people. Its own words name its own parts."""
    text = str(error)
    if "UTF-8" in text:
        return "a string in it is not UTF-8"
    if "MaxDepth" in text:
        return "its messages nest deeper than 100 levels"
    return "its bytes are damaged, or are another message"


def _serialized(response: Message, limits: Limits) -> bytes:
    data = response.SerializeToString()
    limits.require_response(len(data))
    return data


_P, _R, _S, _T = permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
_SP, _SS = permission_service_pb2, schema_service_pb2

# fmt: off
VERBS = (
    Verb("remit.v1.Permissions", "Check", handlers.check, _P.CheckRequest, _P.CheckResponse),
    Verb("remit.v1.Permissions", "CheckMany", handlers.check_many, _P.CheckManyRequest, _P.CheckManyResponse),
    Verb("remit.v1.Permissions", "Expand", handlers.expand, _P.ExpandRequest, _P.ExpandResponse),
    Verb("remit.v1.Relationships", "Write", handlers.write, _R.WriteRequest, _R.WriteResponse, changes=True),
    Verb("remit.v1.Relationships", "Delete", handlers.delete, _R.DeleteRequest, _R.DeleteResponse, changes=True),
    Verb("remit.v1.Relationships", "Read", handlers.read, _R.ReadRequest, _R.ReadResponse),
    Verb("remit.v1.Schemas", "WriteSchema", handlers.write_schema,
         _S.WriteSchemaRequest, _S.WriteSchemaResponse, changes=True),
    Verb("remit.v1.Schemas", "ReadSchema", handlers.read_schema, _S.ReadSchemaRequest, _S.ReadSchemaResponse),
    Verb("remit.v1.Schemas", "DiffSchema", handlers.diff_schema, _S.DiffSchemaRequest, _S.DiffSchemaResponse),
    Verb("remit.v1.Stores", "CreateStore", store_handlers.create_store,
         _T.CreateStoreRequest, _T.CreateStoreResponse, changes=True),
    Verb("remit.v1.Stores", "ListStores", store_handlers.list_stores, _T.ListStoresRequest, _T.ListStoresResponse),
    Verb("remit.v1.Stores", "DeleteStore", store_handlers.delete_store,
         _T.DeleteStoreRequest, _T.DeleteStoreResponse, changes=True),
    Verb("remit.v1.Stores", "WhoAmI", handlers.who_am_i, _T.WhoAmIRequest, _T.WhoAmIResponse),
)
STREAMS = (
    StreamVerb("remit.v1.Relationships", "Import", stream_handlers.import_, _R.ImportRequest, _R.ImportResponse),
    StreamVerb("remit.v1.Relationships", "Export", stream_handlers.export, _R.ExportRequest, _R.ExportResponse),
    StreamVerb("remit.v1.Relationships", "Watch", stream_handlers.watch, _R.WatchRequest, _R.WatchResponse),
    StreamVerb("remit.v1.Stores", "Backup", store_handlers.backup, _T.BackupRequest, _T.BackupResponse),
    StreamVerb("remit.v1.Stores", "Restore", store_handlers.restore, _T.RestoreRequest, _T.RestoreResponse),
)
# Those of SpiceDB that are answered, for its clients: see `spicedb_handlers`.
SPICEDB_VERBS = (
    Verb("authzed.api.v1.PermissionsService", "CheckPermission", spicedb_handlers.check_permission,
         _SP.CheckPermissionRequest, _SP.CheckPermissionResponse),
    Verb("authzed.api.v1.PermissionsService", "CheckBulkPermissions", spicedb_handlers.check_bulk_permissions,
         _SP.CheckBulkPermissionsRequest, _SP.CheckBulkPermissionsResponse),
    Verb("authzed.api.v1.PermissionsService", "WriteRelationships", spicedb_handlers.write_relationships,
         _SP.WriteRelationshipsRequest, _SP.WriteRelationshipsResponse, changes=True),
    Verb("authzed.api.v1.SchemaService", "WriteSchema", spicedb_handlers.write_schema,
         _SS.WriteSchemaRequest, _SS.WriteSchemaResponse, changes=True),
    Verb("authzed.api.v1.SchemaService", "ReadSchema", spicedb_handlers.read_schema,
         _SS.ReadSchemaRequest, _SS.ReadSchemaResponse),
)
# fmt: on
UNARY = (*VERBS, *SPICEDB_VERBS)
SERVICES = tuple(dict.fromkeys(verb.service for verb in (*UNARY, *STREAMS)))
