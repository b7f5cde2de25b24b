"""SpiceDB's WatchService: every change of the store as it happens, for as long as the caller listens.

Law: what was given can be gone on after: `Stream.resume` says where, whatever ends the stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from authzed.api.v1 import watch_service_pb2

from remit.engine.facade import Engine
from remit.errors import Fault, InvalidArgument
from remit.model import RelationshipFilter
from remit.server.handlers.spicedb import DEFAULT
from remit.server.handlers.watch import told_in_turns
from remit.server.streams import Stream, only_request
from remit.wire.spicedb.facts import decode_filter
from remit.wire.spicedb.watching import EncodedRevision, encode_checkpoint, encode_watched, with_token

CHECKPOINT_S = 1.0  # as often as SpiceDB does

_SCHEMA = watch_service_pb2.WATCH_KIND_INCLUDE_SCHEMA_UPDATES
_CHECKPOINTS = watch_service_pb2.WATCH_KIND_INCLUDE_CHECKPOINTS


async def watch(
    engine: Engine, requests: AsyncIterator[watch_service_pb2.WatchRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    """Relationships are told of whatever kinds are asked for, as in SpiceDB."""
    request = await only_request(requests)
    kinds = set(request.optional_update_kinds)
    watching = engine.streams.watch(
        DEFAULT, encode_watched, after=request.optional_start_cursor.token, filters=_filters(request)
    )
    clock = asyncio.get_running_loop().time
    token = watching.token
    checkpoint_due_s = clock() + CHECKPOINT_S if _CHECKPOINTS in kinds else None
    async with contextlib.aclosing(told_in_turns(watching, stream, lambda: checkpoint_due_s)) as turns:
        async for told in turns:
            messages = _messages(told, token, with_schema=_SCHEMA in kinds)
            for token, data in messages:
                stream.will_resume(token=token)
                yield data
            if checkpoint_due_s is not None and clock() >= checkpoint_due_s and not watching.is_in_a_revision:
                token = watching.token
                stream.will_resume(token=token)
                yield encode_checkpoint(token)
                checkpoint_due_s = clock() + CHECKPOINT_S


def _messages(told: list[EncodedRevision], token: str, *, with_schema: bool) -> Iterator[tuple[str, bytes]]:
    """Each message, and the token that it says all is told up to: of a piece that others of its revision follow, the
    one before it."""
    for each in told:
        token = each.token or token
        if each.relationships is not None:
            yield token, each.relationships if each.token else with_token(each.relationships, token)
        if each.schema is not None and with_schema:
            yield token, each.schema


def _filters(request: watch_service_pb2.WatchRequest) -> list[RelationshipFilter]:
    if request.optional_object_types and request.optional_relationship_filters:
        raise InvalidArgument(
            "`optional_object_types` and `optional_relationship_filters` exclude each other",
            field="optional_object_types",
        ).with_fault(Fault.FILTER_CONTRADICTS)
    types = [RelationshipFilter(resource_type=type) for type in request.optional_object_types]
    return types or [
        decode_filter(each, f"optional_relationship_filters[{number}]")
        for number, each in enumerate(request.optional_relationship_filters)
    ]
