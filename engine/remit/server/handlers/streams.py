"""Each streaming verb as an asynchronous generator: take messages, ask the engine, give messages.

What reads the disk or computes for long is run through `Stream.run`; the rest happens on the event loop, so a stream
that waits costs nothing but its place.
Law: what was given can be gone on after: `Stream.resume` says where, whatever ends the stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from google.protobuf.message import Message

from remit.engine.facade import Engine
from remit.engine.importing import Import
from remit.engine.results import ExportPage
from remit.engine.watching import Watched
from remit.errors import InvalidArgument, MalformedRequest, RemitError
from remit.model import Delta, RelationshipFilter
from remit.server.handlers.permissions import at_least_of
from remit.server.streams import Stream
from remit.v1 import relationships_pb2
from remit.wire.facts import decode_filter, decode_relationship, encode_relationship
from remit.wire.watching import encode_checkpoint, encode_watched

IMPORTS_IN_FLIGHT = 3  # messages of one stream: one is on its way to the disk, one waits for it, one is being read

CHECKPOINT_MS = 10_000
CHECKPOINT_MS_MIN = 100


M = TypeVar("M", bound=Message)


async def only_one(requests: AsyncIterator[M]) -> M:
    """The request of a stream that has one. Raises MalformedRequest."""
    async for request in requests:
        return request
    raise MalformedRequest("the stream ended before its request")


# --- Export -----------------------------------------------------------------------------------------------------


async def export(
    engine: Engine, requests: AsyncIterator[relationships_pb2.ExportRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    request = await only_one(requests)
    pages = engine.export(
        request.store,
        decode_filter(request.filter, "filter") if request.HasField("filter") else RelationshipFilter(),
        at_least=at_least_of(request.consistency),
        cursor=request.cursor,
        interrupt=stream.call.interrupt,
    )
    while (page := await stream.run(_next_page, pages)) is not None:
        cursor, data = page
        stream.will_resume(cursor=cursor)
        yield data


def _next_page(pages: Iterator[ExportPage]) -> tuple[str, bytes] | None:
    """Where to go on, and the message; made in the thread that read it."""
    page = next(pages, None)
    if page is None:
        return None
    message = relationships_pb2.ExportResponse(
        relationships=[encode_relationship(each) for each in page.relationships], cursor=page.cursor, token=page.token
    )
    return page.cursor, message.SerializeToString()


# --- Import -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Queued:
    """A message on its way to the disk."""

    count: int
    token_of: Callable[[Delta], str]
    delta: asyncio.Future[Delta]


async def import_(
    engine: Engine, requests: AsyncIterator[relationships_pb2.ImportRequest], stream: Stream
) -> AsyncGenerator[Message, None]:
    """Messages are read, queued and answered in order, a few of them under way. One that is refused ends the stream
    once those before it are answered."""
    receiver = _Receiver(engine, requests, stream)
    reading: asyncio.Task[_Queued | None] | None = asyncio.create_task(receiver.receive())
    waiting: deque[_Queued] = deque()
    refusal: RemitError | None = None
    imported = 0
    stream.resume["imported"] = "0"
    try:
        while reading is not None or waiting:
            awaited: list[asyncio.Future[Any]] = [queued.delta for queued in islice(waiting, 1)]
            if reading is not None and len(waiting) < IMPORTS_IN_FLIGHT:
                awaited.append(reading)
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if waiting and waiting[0].delta.done():
                queued = waiting.popleft()
                token = queued.token_of(queued.delta.result())
                imported += queued.count
                stream.will_resume(imported=str(imported))
                yield relationships_pb2.ImportResponse(token=token, imported=imported)
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


class _Receiver:
    """Takes the messages of one import, one after another."""

    def __init__(
        self, engine: Engine, requests: AsyncIterator[relationships_pb2.ImportRequest], stream: Stream
    ) -> None:
        self._engine = engine
        self._requests = requests
        self._stream = stream
        self._import: Import | None = None

    async def receive(self) -> _Queued | None:
        """The next message, queued for the writer; None where there are no more. Raises what refuses it unseen."""
        request = await anext(self._requests, None)
        if request is None:
            return None
        if self._import is None:
            self._import = self._engine.import_(request.store, caller=self._stream.call.caller)
        future = await self._stream.run(_take, self._import, request)
        return _Queued(len(request.relationships), self._import.token_of, asyncio.wrap_future(future))


def _take(importing: Import, request: relationships_pb2.ImportRequest) -> Future[Delta]:
    messages = enumerate(request.relationships)
    return importing.take([decode_relationship(message, f"relationships[{number}]") for number, message in messages])


# --- Watch ------------------------------------------------------------------------------------------------------


async def watch(
    engine: Engine, requests: AsyncIterator[relationships_pb2.WatchRequest], stream: Stream
) -> AsyncGenerator[bytes, None]:
    """Begins with a checkpoint: where it stands, and that the request was understood."""
    request = await only_one(requests)
    checkpoint_s = _checkpoint_s(request.checkpoint_interval_ms)
    filters = [decode_filter(message, f"filters[{number}]") for number, message in enumerate(request.filters)]
    watching = engine.watch(request.store, _message_of, after=request.after, filters=filters)
    with contextlib.closing(watching), stream.commits(watching.store) as committed:
        if watching.is_behind:
            await stream.run(watching.require_reachable)
        clock = asyncio.get_running_loop().time
        stream.resume["token"] = watching.token
        yield encode_checkpoint(watching.token).SerializeToString()
        checkpoint_due_s = clock() + checkpoint_s
        while True:
            committed.clear()
            messages = watching.live()
            if messages is None:
                messages = await stream.run(watching.catch_up, stream.call.interrupt)
            for token, data in messages:
                stream.will_resume(**({"token": token} if token else {}))
                yield data
            if messages:
                checkpoint_due_s = clock() + checkpoint_s
            elif clock() >= checkpoint_due_s:
                stream.will_resume(token=watching.token)
                yield encode_checkpoint(watching.token).SerializeToString()
                checkpoint_due_s = clock() + checkpoint_s
            if watching.is_behind:
                await asyncio.sleep(0)  # others of the loop have their turn, also where nothing was told
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(checkpoint_due_s):
                        await committed.wait()


def _message_of(watched: Watched) -> tuple[str, bytes]:
    """The token to go on from ("" in a piece that others follow), and the message."""
    return watched.token, encode_watched(watched).SerializeToString()


def _checkpoint_s(interval_ms: int) -> float:
    if 0 < interval_ms < CHECKPOINT_MS_MIN:
        raise InvalidArgument(
            f"a checkpoint every {interval_ms} ms is too often: at least {CHECKPOINT_MS_MIN}, or 0 for {CHECKPOINT_MS}",
            field="checkpoint_interval_ms",
        )
    return (interval_ms or CHECKPOINT_MS) / 1_000
