"""SpiceDB's ExperimentalService: what its clients called before it had another name, answered as it is now.

The messages of both are the same but for their names, and a test holds them to that.
Law: a verb here says what the verb that it became says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from authzed.api.v1 import experimental_service_pb2 as old
from authzed.api.v1 import permission_service_pb2 as permissions
from authzed.api.v1 import schema_service_pb2 as schemas
from google.protobuf.message import Message

from remit.engine.facade import Engine
from remit.server.call import Call
from remit.server.handlers.spicedb import schemas as schema_handlers
from remit.server.handlers.spicedb.permissions import check_bulk_permissions
from remit.server.handlers.spicedb.relationships import export_bulk_relationships, import_bulk_relationships
from remit.server.streams import Stream

Handler = Callable[[Engine, Any, Call], Message]


def _as(kind: type[Message], message: Message) -> Message:
    return kind.FromString(message.SerializeToString())


def _renamed(handler: Handler, request: type[Message], response: type[Message]) -> Handler:
    """A handler that takes messages of another name, and gives them."""

    def renamed(engine: Engine, message: Message, call: Call) -> Message:
        return _as(response, handler(engine, _as(request, message), call))

    return renamed


bulk_check_permission = _renamed(
    check_bulk_permissions, permissions.CheckBulkPermissionsRequest, old.BulkCheckPermissionResponse
)
reflect_schema = _renamed(
    schema_handlers.reflect_schema, schemas.ReflectSchemaRequest, old.ExperimentalReflectSchemaResponse
)
diff_schema = _renamed(schema_handlers.diff_schema, schemas.DiffSchemaRequest, old.ExperimentalDiffSchemaResponse)
computable_permissions = _renamed(
    schema_handlers.computable, schemas.ComputablePermissionsRequest, old.ExperimentalComputablePermissionsResponse
)
dependent_relations = _renamed(
    schema_handlers.dependent, schemas.DependentRelationsRequest, old.ExperimentalDependentRelationsResponse
)


async def bulk_import_relationships(
    engine: Engine, requests: AsyncIterator[old.BulkImportRelationshipsRequest], stream: Stream
) -> AsyncGenerator[Message, None]:
    # Their messages have the same fields; nothing but those is asked for.
    async with contextlib.aclosing(import_bulk_relationships(engine, requests, stream)) as answers:  # type: ignore[arg-type]
        async for answer in answers:
            yield _as(old.BulkImportRelationshipsResponse, answer)


def bulk_export_relationships(
    engine: Engine, requests: AsyncIterator[old.BulkExportRelationshipsRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    return export_bulk_relationships(engine, requests, stream)  # type: ignore[arg-type]  # as above
