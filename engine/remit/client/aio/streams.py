"""Streams of the asyncio client: iterators that resume by themselves where a connection broke, and backups.

`sync/streams.py` is generated from this file (`make client`).
Law: closing one, or cancelling the task that waits, ends it at once; an error that does not pass is raised, once; a
backup that was not whole is an error, never a shorter backup."""

from __future__ import annotations

import asyncio  # asyncio only
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Generic, TypeVar

from remit.client.aio.connection import Closed, Connection, Stream
from remit.client.answers import ExportPage, PermissionEvent, WatchEvent
from remit.client.resume import Resumable, ResumableExport, ResumablePermissionWatch, ResumableWatch, Retries
from remit.errors import RemoteError
from remit.model import Relationship
from remit.store.backup import BackupReader

R = TypeVar("R", bound=Resumable)


class _Resuming(Generic[R]):
    """What a stream receives, asked for again where it breaks."""

    def __init__(self, resumable: R, connection: Connection, *, resume: bool) -> None:
        self.resumable = resumable
        self._connection = connection
        self._retries = Retries(resume)
        self._stream: Stream | None = None
        self._closed = Closed()

    async def next(self) -> object | None:
        """What the next message says; None at the end. Raises RemoteError."""
        while not self._closed.is_set():
            stream = self._opened()
            try:
                while (message := await stream.next()) is not None:
                    self._retries.went_well()
                    received = self.resumable.receive(message)
                    if received is not None:
                        return received
                self._closed.set()
            except RemoteError as error:
                self._stream = None
                if not self._closed.is_set():
                    await self._closed.is_set_within(self._pause_s(error))
            except asyncio.CancelledError:  # asyncio only
                self.close()  # asyncio only
                raise  # asyncio only
        return None

    def _opened(self) -> Stream:
        if self._stream is None:
            try:
                request = self.resumable.request()
                self._stream = self._connection.stream(self.resumable.path, request, self.resumable.response)
            except BaseException:
                self._closed.set()
                raise
            if self._closed.is_set():
                self._stream.cancel()  # closed in this very moment, before there was something to cancel
        return self._stream

    def _pause_s(self, error: RemoteError) -> float:
        try:
            return self._retries.pause_s(error)
        except BaseException:
            self._closed.set()
            raise

    def close(self) -> None:
        self._closed.set()
        stream = self._stream
        if stream is not None:
            stream.cancel()


class AsyncWatch(AsyncIterator[WatchEvent]):
    """The changes of a store, for as long as it is open. `token` is where to go on, some other day."""

    def __init__(self, watch: ResumableWatch, connection: Connection, *, resume: bool) -> None:
        self._resuming = _Resuming(watch, connection, resume=resume)

    @property
    def token(self) -> str:
        """Everything up to this revision has been given."""
        return self._resuming.resumable.token

    async def __anext__(self) -> WatchEvent:
        """Waits for the next event. Raises RemoteError."""
        event = await self._resuming.next()
        if event is None:
            raise StopAsyncIteration
        assert isinstance(event, WatchEvent), "a watch receives events"
        return event

    def close(self) -> None:
        """End it; whoever waits for the next event is given none."""
        self._resuming.close()

    async def __aenter__(self) -> AsyncWatch:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()


class AsyncPermissionWatch(AsyncIterator[PermissionEvent]):
    """Who has a permission of which resources, as that changes, for as long as it is open. `token` and
    `evaluated_at_us` are where to go on, some other day."""

    def __init__(self, watch: ResumablePermissionWatch, connection: Connection, *, resume: bool) -> None:
        self._resuming = _Resuming(watch, connection, resume=resume)

    @property
    def token(self) -> str:
        """Everything up to this revision has been given."""
        return self._resuming.resumable.token

    @property
    def evaluated_at_us(self) -> int | None:
        """And up to this time; None where nothing was given yet, and none was named."""
        return self._resuming.resumable.evaluated_at_us

    async def __anext__(self) -> PermissionEvent:
        """Waits for the next event. Raises RemoteError."""
        event = await self._resuming.next()
        if event is None:
            raise StopAsyncIteration
        assert isinstance(event, PermissionEvent), "a watch of a permission receives these"
        return event

    def close(self) -> None:
        """End it; whoever waits for the next event is given none."""
        self._resuming.close()

    async def __aenter__(self) -> AsyncPermissionWatch:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()


class AsyncExport(AsyncIterator[Relationship]):
    """Relationships, page after page. `token` is the revision it began at, once the first has been given; `cursor` is
    where to go on after the pages that were given whole."""

    def __init__(self, export: ResumableExport, connection: Connection, *, resume: bool) -> None:
        self._resuming = _Resuming(export, connection, resume=resume)
        self._page: Iterator[Relationship] = iter(())
        self._next_cursor = self.cursor = export.cursor

    @property
    def token(self) -> str:
        return self._resuming.resumable.token

    async def pages(self) -> AsyncGenerator[ExportPage, None]:
        """The pages as they come: at least one, which may be empty. Either these or the relationships."""
        while (page := await self._next_page()) is not None:
            self._next_cursor = page.cursor
            yield page
            self.cursor = page.cursor

    async def __anext__(self) -> Relationship:
        while True:
            relationship = next(self._page, None)
            if relationship is not None:
                return relationship
            self.cursor = self._next_cursor
            page = await self._next_page()
            if page is None:
                raise StopAsyncIteration
            self._page, self._next_cursor = iter(page.relationships), page.cursor

    async def _next_page(self) -> ExportPage | None:
        page = await self._resuming.next()
        assert page is None or isinstance(page, ExportPage), "an export receives pages"
        return page

    def close(self) -> None:
        self._resuming.close()

    async def __aenter__(self) -> AsyncExport:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()


class AsyncBackup(AsyncIterator[bytes]):
    """The bytes of a backup, as they come. `token` is the revision it is of, once the first have come. Its end says
    that all were there and right: until then, keep it apart from backups that are."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._reader = BackupReader()
        self.token = ""

    async def __anext__(self) -> bytes:
        """Raises RemoteError, and BackupDamaged for bytes that changed on their way."""
        message = await self._stream.next()
        if message is None:
            self._reader.finish()
            raise StopAsyncIteration
        self.token = message.token or self.token
        for _ in self._reader.feed(message.chunk):
            continue
        chunk: bytes = message.chunk
        return chunk

    def close(self) -> None:
        self._stream.cancel()

    async def __aenter__(self) -> AsyncBackup:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()
