"""SpiceDB's relationships: WriteRelationships, DeleteRelationships, ReadRelationships, and in bulk import and export.

What goes on for long goes on in the revision it began at, as SpiceDB's snapshots do.
Law: what a stream gave can be gone on after, by the cursor of its last message."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from authzed.api.v1 import core_pb2, permission_service_pb2
from google.protobuf.message import Message

from remit.engine.commits import is_bulk
from remit.engine.facade import Engine
from remit.engine.importing import Import
from remit.engine.limits import SPICEDB_WIRE
from remit.engine.results import RevisionPage
from remit.engine.streams import RevisionPages
from remit.errors import InvalidArgument
from remit.interrupt import Interrupt
from remit.model import Operation, Precondition, Relationship, RelationshipFilter
from remit.server.call import Call
from remit.server.handlers.relationships import decode_each, import_each
from remit.server.handlers.spicedb import DEFAULT
from remit.server.streams import Stream, only_request
from remit.server.verb import Queue
from remit.wire.spicedb.answers import Consistency, decode_consistency, decode_cursor, encode_cursor, encode_token
from remit.wire.spicedb.facts import (
    decode_filter,
    decode_precondition,
    decode_relationship,
    decode_update,
    encode_relationship,
)
from remit.wire.values import decode_context_json

_P = permission_service_pb2

# --- writing ----------------------------------------------------------------------------------------------------


def write_relationships(
    engine: Engine, request: permission_service_pb2.WriteRelationshipsRequest, call: Call
) -> permission_service_pb2.WriteRelationshipsResponse:
    """Once it is judged a write is carried out, whether or not the caller still waits."""
    if is_bulk(len(request.updates)):
        call.require_heavy()  # before any of them is read
    result = engine.relationships.write(
        DEFAULT,
        decode_each(request.updates, decode_update, "updates", call),
        preconditions=_preconditions(request, call),
        metadata_json=decode_context_json(request.optional_transaction_metadata, "optional_transaction_metadata"),
        caller=call.caller,
        before_bulk=call.require_heavy,
        interrupt=call.interrupt,
        wire=SPICEDB_WIRE,
    )
    return _P.WriteRelationshipsResponse(written_at=encode_token(result.token))


def delete_relationships(
    engine: Engine, request: permission_service_pb2.DeleteRelationshipsRequest, call: Call
) -> permission_service_pb2.DeleteRelationshipsResponse:
    """Without a limit everything goes, in as many revisions as it takes, each in a turn of its own, so that others who
    have much to write come in between. The preconditions are judged in the first."""
    if request.optional_limit:
        engine.limits.require_limit("matches_max", request.optional_limit, "optional_limit")
    result = engine.relationships.delete(
        DEFAULT,
        _filter(request, "relationship_filter"),
        preconditions=_preconditions(request, call) if not call.resume else (),
        limit=request.optional_limit,
        whole=bool(request.optional_limit) and not request.optional_allow_partial_deletions,
        metadata_json=decode_context_json(request.optional_transaction_metadata, "optional_transaction_metadata"),
        caller=call.caller,
        before_bulk=call.require_heavy,
        interrupt=call.interrupt,
        wire=SPICEDB_WIRE,
    )
    deleted = int(call.resume.get("deleted", "0")) + result.deleted
    if not result.complete and not request.optional_limit:
        call.end_turn(deleted=str(deleted), token=result.token)
    progress = _P.DeleteRelationshipsResponse.DELETION_PROGRESS_COMPLETE
    if not result.complete:
        progress = _P.DeleteRelationshipsResponse.DELETION_PROGRESS_PARTIAL
    return _P.DeleteRelationshipsResponse(
        deleted_at=encode_token(result.token), deletion_progress=progress, relationships_deleted_count=deleted
    )


def _preconditions(
    request: permission_service_pb2.WriteRelationshipsRequest | permission_service_pb2.DeleteRelationshipsRequest,
    call: Call,
) -> list[Precondition]:
    return decode_each(request.optional_preconditions, decode_precondition, "optional_preconditions", call)


def _filter(request: Any, field: str) -> RelationshipFilter:
    """Of a request that needs one. Raises InvalidArgument."""
    if not request.HasField(field):
        raise InvalidArgument(f"`{field}` is missing: name what is meant", field=field)
    return decode_filter(getattr(request, field), field)


# --- reading ----------------------------------------------------------------------------------------------------


async def read_relationships(
    engine: Engine, requests: AsyncIterator[permission_service_pb2.ReadRelationshipsRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    request = await only_request(requests)
    if request.optional_limit:
        engine.limits.require_limit("page_max", request.optional_limit, "optional_limit")
    filter = _filter(request, "relationship_filter")
    pages = _pages(engine, request, filter, request.optional_limit, stream)
    while (messages := await _next(pages, _each_alone, stream)) is not None:
        for message in messages:
            yield message


async def export_bulk_relationships(
    engine: Engine, requests: AsyncIterator[permission_service_pb2.ExportBulkRelationshipsRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    """`optional_limit` is how many come in one message, and no bound on how many come."""
    request = await only_request(requests)
    filter = RelationshipFilter()
    if request.HasField("optional_relationship_filter"):
        filter = decode_filter(request.optional_relationship_filter, "optional_relationship_filter")
    pages = _pages(engine, request, filter, 0, stream, most=request.optional_limit)
    while (messages := await _next(pages, _all_together, stream)) is not None:
        for message in messages:
            yield message


def _pages(
    engine: Engine, request: Any, filter: RelationshipFilter, limit: int, stream: Stream, most: int = 0
) -> RevisionPages:
    """Of the revision that the cursor goes on in, else of the one that the consistency asks for."""
    at: Consistency = decode_consistency(request.consistency)
    cursor = ""
    if request.HasField("optional_cursor"):
        token, cursor = decode_cursor(request.optional_cursor)
        at = {"at_exactly": token}
    return engine.streams.read_revision(
        DEFAULT,
        filter,
        **at,
        cursor=cursor,
        limit=limit,
        page_max=most,
        interrupt=stream.call.interrupt,
        remember=stream.remember,
    )


Make = Callable[[RevisionPage, Interrupt], list[bytes]]


async def _next(pages: RevisionPages, make: Make, stream: Stream) -> list[bytes] | None:
    """The messages of the next page, made in the thread that read it."""
    return await stream.run_until_heavy(Queue.READS, _next_messages, pages, make, stream.call.interrupt)


def _next_messages(pages: RevisionPages, make: Make, interrupt: Interrupt) -> list[bytes] | None:
    """None where there is no more. Where an interrupt ends it, it can be called again."""
    page = pages.peek()
    if page is None:
        return None
    messages = make(page, interrupt)
    next(pages)
    return messages


def _each_alone(page: RevisionPage, interrupt: Interrupt) -> list[bytes]:
    read_at = encode_token(page.token)
    messages = []
    for each in page.relationships:
        interrupt()
        message = _P.ReadRelationshipsResponse(
            read_at=read_at,
            relationship=encode_relationship(each),
            after_result_cursor=encode_cursor(page.token, page.cursor_of(each)),
        )
        messages.append(message.SerializeToString())
    return messages


def _all_together(page: RevisionPage, interrupt: Interrupt) -> list[bytes]:
    if not page.relationships:
        return []
    cursor: core_pb2.Cursor = encode_cursor(page.token, page.cursor_of(page.relationships[-1]))
    message = _P.ExportBulkRelationshipsResponse(after_result_cursor=cursor)
    for each in page.relationships:
        interrupt()
        message.relationships.append(encode_relationship(each))
    return [message.SerializeToString()]


# --- importing --------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """What one revision may hold of a message, from the relationship of that number on."""

    relationships: Sequence[core_pb2.Relationship]
    start: int


async def import_bulk_relationships(
    engine: Engine, requests: AsyncIterator[permission_service_pb2.ImportBulkRelationshipsRequest], stream: Stream
) -> AsyncGenerator[Message, None]:
    """Each relationship must be new. A revision for each message, or several where it is long: what was written stays,
    also where a later one is refused, which the whole of SpiceDB's import would be."""

    def begin(_: _Part) -> Import:
        return engine.streams.import_(DEFAULT, operation=Operation.CREATE, caller=stream.call.caller)

    stream.resume["imported"] = "0"
    loaded = 0
    parts = _parts(requests, engine.limits.updates_max)
    async with contextlib.aclosing(import_each(parts, stream, begin, _imported)) as written:
        async for _, loaded, _ in written:
            stream.resume["imported"] = str(loaded)  # nothing is on its way that would say so later
    yield _P.ImportBulkRelationshipsResponse(num_loaded=loaded)


async def _parts(
    requests: AsyncIterator[permission_service_pb2.ImportBulkRelationshipsRequest], at_once: int
) -> AsyncGenerator[_Part, None]:
    """Of each message at least one, so that an empty one is refused as such."""
    async for request in requests:
        for start in range(0, max(len(request.relationships), 1), at_once):
            yield _Part(request.relationships[start : start + at_once], start)


def _imported(part: _Part) -> Iterator[Relationship]:
    for number, message in enumerate(part.relationships, part.start):
        yield decode_relationship(message, f"relationships[{number}]")
