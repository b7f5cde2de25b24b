"""The service Relationships: Write, Delete, Read; and its streams, Export and Import. Watch has a file of its own.

A stream is an asynchronous generator: take messages, ask the engine, give messages. What reads the disk or computes
for long is run through `Stream.run`; the rest happens on the event loop, so a stream that waits costs nothing but its
place.
Law: what a stream gave can be gone on after: `Stream.resume` says where, whatever ends the stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.message import Message

from remit.engine.commits import is_bulk
from remit.engine.facade import Engine
from remit.engine.importing import Import
from remit.engine.results import ExportPage
from remit.errors import RemitError
from remit.interrupt import Interrupt
from remit.model import Delta, Relationship, RelationshipFilter
from remit.server.call import Call
from remit.server.handlers.consistency import decode_at_least
from remit.server.limits.answer_size import AnswerSize
from remit.server.streams import Stream, only_request
from remit.server.verb import Queue
from remit.v1 import relationships_pb2
from remit.wire.facts import (
    decode_filter,
    decode_precondition,
    decode_relationship,
    decode_update,
    encode_relationship,
    encode_stored,
)
from remit.wire.values import decode_context_json

M = TypeVar("M", bound=Message)
T = TypeVar("T")
R = TypeVar("R", bound=Any)  # messages with `relationships`

IMPORTS_IN_FLIGHT = 3  # messages of one stream: one is on its way to the disk, one waits for it, one is being read


def write(engine: Engine, request: relationships_pb2.WriteRequest, call: Call) -> relationships_pb2.WriteResponse:
    """Once it is judged a write is carried out, whether or not the caller still waits."""
    if is_bulk(len(request.updates)):
        call.require_heavy()  # before any of them is read
    result = engine.relationships.write(
        request.store,
        decode_each(request.updates, decode_update, "updates", call),
        preconditions=decode_each(request.preconditions, decode_precondition, "preconditions", call),
        replace=decode_filter(request.replace, "replace") if request.HasField("replace") else None,
        metadata_json=decode_context_json(request.metadata, "metadata"),
        dry_run=request.dry_run,
        caller=call.caller,
        before_bulk=call.require_heavy,
        interrupt=call.interrupt,
    )
    return relationships_pb2.WriteResponse(token=result.token, replaced=result.replaced, expired=result.expired)


def delete(engine: Engine, request: relationships_pb2.DeleteRequest, call: Call) -> relationships_pb2.DeleteResponse:
    result = engine.relationships.delete(
        request.store,
        decode_filter(request.filter, "filter"),
        preconditions=decode_each(request.preconditions, decode_precondition, "preconditions", call),
        limit=request.limit,
        metadata_json=decode_context_json(request.metadata, "metadata"),
        dry_run=request.dry_run,
        caller=call.caller,
        before_bulk=call.require_heavy,
        interrupt=call.interrupt,
    )
    return relationships_pb2.DeleteResponse(token=result.token, deleted=result.deleted, complete=result.complete)


def decode_each(messages: Iterable[M], decode: Callable[[M, str], T], field: str, call: Call) -> list[T]:
    """What a request repeats in a field. Raises what `decode` raises."""
    decoded = []
    for number, message in enumerate(messages):
        call.interrupt()  # each may have a context of many kilobytes
        decoded.append(decode(message, f"{field}[{number}]"))
    return decoded


def read(engine: Engine, request: relationships_pb2.ReadRequest, call: Call) -> relationships_pb2.ReadResponse:
    page = engine.relationships.read(
        request.store,
        decode_filter(request.filter, "filter") if request.HasField("filter") else RelationshipFilter(),
        at_least=decode_at_least(request.consistency),
        limit=request.limit,
        cursor=request.cursor,
        interrupt=call.interrupt,
    )
    made = AnswerSize(engine.limits, call.interrupt)
    items = []
    for stored in page.items:
        items.append(encode_stored(stored))
        made(items[-1].relationship)
    return relationships_pb2.ReadResponse(items=items, next_cursor=page.next_cursor, token=page.token)


# --- Export -----------------------------------------------------------------------------------------------------


async def export(
    engine: Engine, requests: AsyncIterator[relationships_pb2.ExportRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    request = await only_request(requests)
    pages = engine.streams.export(
        request.store,
        decode_filter(request.filter, "filter") if request.HasField("filter") else RelationshipFilter(),
        at_least=decode_at_least(request.consistency),
        cursor=request.cursor,
        interrupt=stream.call.interrupt,
    )
    while (page := await stream.run_heavy(Queue.READS, _next_page, pages, stream.call.interrupt)) is not None:
        cursor, data = page
        stream.will_resume(cursor=cursor)
        yield data


def _next_page(pages: Iterator[ExportPage], interrupt: Interrupt) -> tuple[str, bytes] | None:
    """Where to go on, and the message; made in the thread that read it."""
    page = next(pages, None)
    if page is None:
        return None
    message = relationships_pb2.ExportResponse(cursor=page.cursor, token=page.token)
    for each in page.relationships:
        interrupt()
        message.relationships.append(encode_relationship(each))
    return page.cursor, message.SerializeToString()


# --- Import -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Queued:
    """A message on its way to the disk."""

    count: int
    expirations: Sequence[tuple[int, int]]
    token_of: Callable[[Delta], str]
    delta: asyncio.Future[Delta]


class Durable(NamedTuple):
    """A message that is on the disk: its revision's token, how many relationships of the stream are there by now, and
    which of the message, counted from 0, had expired when it was committed."""

    token: str
    imported: int
    expired: Sequence[int]


async def import_(
    engine: Engine, requests: AsyncIterator[relationships_pb2.ImportRequest], stream: Stream
) -> AsyncGenerator[Message, None]:
    stream.resume["imported"] = "0"

    def begin(request: relationships_pb2.ImportRequest) -> Import:
        return engine.streams.import_(request.store, caller=stream.call.caller)

    async with contextlib.aclosing(import_each(requests, stream, begin, _imported)) as written:
        async for token, imported, expired in written:
            stream.will_resume(imported=str(imported))
            yield relationships_pb2.ImportResponse(token=token, imported=imported, expired=expired)


async def import_each(
    requests: AsyncIterator[R],
    stream: Stream,
    begin: Callable[[R], Import],
    read: Callable[[R], Iterator[Relationship]],
) -> AsyncGenerator[Durable, None]:
    """Messages are read, queued and answered in order, a few of them under way. One that is refused ends the stream
    once those before it are answered. `begin` makes the import that the first message is of, `read` gives what a
    message holds, as it is asked for."""
    receiver = _Receiver(requests, stream, begin, read)
    reading: asyncio.Task[_Queued | None] | None = asyncio.create_task(receiver.receive())
    waiting: deque[_Queued] = deque()
    refusal: RemitError | None = None
    imported = 0
    try:
        while reading is not None or waiting:
            awaited: list[asyncio.Future[Any]] = [queued.delta for queued in islice(waiting, 1)]
            if reading is not None and len(waiting) < IMPORTS_IN_FLIGHT:
                awaited.append(reading)
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if waiting and waiting[0].delta.done():
                queued = waiting.popleft()
                delta = queued.delta.result()
                imported += queued.count
                expired = [place for place, at_us in queued.expirations if at_us <= delta.committed_at_us]
                yield Durable(queued.token_of(delta), imported, expired)
            elif reading is not None and reading.done():
                done, reading = reading, None
                try:
                    received = done.result()
                except RemitError as error:
                    refusal = error
                    continue
                if received is not None:
                    waiting.append(received)
                    reading = asyncio.create_task(receiver.receive())
        if refusal is not None:
            raise refusal
    finally:
        # What is queued is written or not, and nobody will be told: its errors are seen here.
        unseen: list[asyncio.Future[Any]] = [queued.delta for queued in waiting]
        if reading is not None:
            reading.cancel()
            unseen.append(reading)
        for future in unseen:
            future.add_done_callback(_see)


def _see(settled: asyncio.Future[Any]) -> None:
    """Look at an error that nobody waits for; of a message that was read and not yet queued here, also at its commit's.
    What nobody has looked at, asyncio writes into the log as if it were a defect."""
    if not settled.cancelled() and settled.exception() is None and isinstance(settled.result(), _Queued):
        settled.result().delta.add_done_callback(_see)


class _Receiver(Generic[R]):
    """Takes the messages of one import, one after another."""

    def __init__(
        self,
        requests: AsyncIterator[R],
        stream: Stream,
        begin: Callable[[R], Import],
        read: Callable[[R], Iterator[Relationship]],
    ) -> None:
        self._requests = requests
        self._stream = stream
        self._begin = begin
        self._read = read
        self._import: Import | None = None

    async def receive(self) -> _Queued | None:
        """The next message, queued for the writer; None where there are no more. Raises what refuses it unseen."""
        request = await anext(self._requests, None)
        if request is None:
            return None
        if self._import is None:
            self._import = self._begin(request)
        expirations: list[tuple[int, int]] = []
        future = await self._queue(self._import, request, expirations)
        return _Queued(len(request.relationships), expirations, self._import.token_of, asyncio.wrap_future(future))

    async def _queue(self, importing: Import, request: R, expirations: list[tuple[int, int]]) -> Future[Delta]:
        """Read it once there is room, for which it waits here: the one thread for heavy writes has others to serve.
        When something of it expires is put down in `expirations`, with its place."""
        call, backlog = self._stream.call, importing.backlog
        room = backlog.room(call.client_id)
        try:
            await asyncio.wrap_future(room)
            message = self._read(request)
            reading = self._stream.submit_next(Queue.WRITES, _take, importing, message, expirations, call.interrupt)
        except BaseException:
            if not room.cancel():  # it was given, perhaps at this moment
                backlog.leave()
            raise
        backlog.leave_after(reading)
        return await asyncio.wrap_future(reading)


def _imported(request: relationships_pb2.ImportRequest) -> Iterator[Relationship]:
    for number, message in enumerate(request.relationships):
        yield decode_relationship(message, f"relationships[{number}]")


def _take(
    importing: Import, message: Iterator[Relationship], expirations: list[tuple[int, int]], interrupt: Interrupt
) -> Future[Delta]:
    relationships: list[Relationship] = []
    for relationship in message:
        interrupt()
        expiration_us = relationship.qualifiers.expiration_us
        if expiration_us is not None:
            expirations.append((len(relationships), expiration_us))
        relationships.append(relationship)
    return importing.take(relationships, interrupt)
