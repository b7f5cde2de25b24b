"""Streams of the asyncio client: asynchronous iterators that go on by themselves after a broken connection.

Law: they give what the synchronous ones give; closing one, or cancelling the task that waits, ends it at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from grpc import aio

from remit.client.aio.connection import is_set_within, told_when_lost
from remit.client.answers import ExportPage, WatchEvent
from remit.client.channel import remote_error
from remit.client.resume import ExportFollowing, Following, Importing, Retries, WatchFollowing
from remit.errors import RemoteError
from remit.model import Relationship
from remit.v1 import relationships_pb2

F = TypeVar("F", bound=Following)

Open = Callable[[Following], Any]


class _Messages(Generic[F]):
    """What comes, asked for again where it breaks."""

    def __init__(self, following: F, open: Open, endpoint: str, *, resume: bool) -> None:
        self.following = following
        self._open = open
        self._endpoint = endpoint
        self._retries = Retries(resume)
        self._call: Any = None
        self._closed = asyncio.Event()

    async def next(self) -> object | None:
        """What the next message says; None at the end. Raises RemoteError."""
        while not self._closed.is_set():
            if self._call is None:
                self._call = self._opened()
            try:
                with told_when_lost():
                    async for message in self._call:
                        self._retries.went_well()
                        said = self.following.receive(message)
                        if said is not None:
                            return said
                self._closed.set()
            except aio.AioRpcError as error:
                self._call = None
                if not self._closed.is_set():
                    await self._pause(remote_error(error, self._endpoint))
            except (asyncio.CancelledError, RemoteError):
                if not self._closed.is_set():
                    self.close()
                    raise
        return None

    def _opened(self) -> Any:
        try:
            return self._open(self.following)
        except BaseException:
            self._closed.set()
            raise

    async def _pause(self, error: RemoteError) -> None:
        try:
            pause_s = self._retries.pause_s(error)
        except BaseException:
            self._closed.set()
            raise
        await is_set_within(self._closed, pause_s)

    def close(self) -> None:
        self._closed.set()
        if self._call is not None:
            self._call.cancel()


class AsyncWatch(AsyncIterator[WatchEvent]):
    """The changes of a store, for as long as it is open. `token` is where to go on, some other day."""

    def __init__(self, following: WatchFollowing, open: Open, endpoint: str, *, resume: bool) -> None:
        self._messages = _Messages(following, open, endpoint, resume=resume)

    @property
    def token(self) -> str:
        """Everything up to this revision has been given."""
        return self._messages.following.token

    async def __anext__(self) -> WatchEvent:
        """Waits for the next event. Raises RemoteError."""
        event = await self._messages.next()
        if event is None:
            raise StopAsyncIteration
        assert isinstance(event, WatchEvent), "a watch is told events"
        return event

    def close(self) -> None:
        """End it; whoever waits for the next event is given none."""
        self._messages.close()

    async def __aenter__(self) -> AsyncWatch:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()


class AsyncExport(AsyncIterator[Relationship]):
    """Relationships, page after page. `token` is the revision it began at, once the first has been given; `cursor` is
    where to go on after the pages that were given whole."""

    def __init__(self, following: ExportFollowing, open: Open, endpoint: str, *, resume: bool) -> None:
        self._messages = _Messages(following, open, endpoint, resume=resume)
        self._page: Iterator[Relationship] = iter(())
        self._next_cursor = self.cursor = following.cursor

    @property
    def token(self) -> str:
        return self._messages.following.token

    async def pages(self) -> AsyncGenerator[ExportPage, None]:
        """The pages as they come: at least one, which may be empty. Either these or the relationships."""
        while (page := await self._messages.next()) is not None:
            assert isinstance(page, ExportPage), "an export is told pages"
            self._next_cursor = page.cursor
            yield page
            self.cursor = page.cursor

    async def __anext__(self) -> Relationship:
        while True:
            relationship = next(self._page, None)
            if relationship is not None:
                return relationship
            self.cursor = self._next_cursor
            page = await self._messages.next()
            if page is None:
                raise StopAsyncIteration
            assert isinstance(page, ExportPage), "an export is told pages"
            self._page, self._next_cursor = iter(page.relationships), page.cursor

    def close(self) -> None:
        self._messages.close()

    async def __aenter__(self) -> AsyncExport:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()


async def messages_of(
    importing: Importing, relationships: Iterable[str | Relationship] | AsyncIterable[str | Relationship]
) -> AsyncGenerator[relationships_pb2.ImportRequest, None]:
    """An import's messages, of relationships that may come asynchronously themselves."""
    if not isinstance(relationships, AsyncIterable):
        for message in importing.messages(relationships):
            yield message
        return
    try:
        async for given in relationships:
            full = importing.add(given)
            if full is not None:
                yield full
    except Exception as error:  # noqa: BLE001  # told when the stream has ended, as in `Importing.messages`
        importing.failure = error
    last = importing.rest()
    if last is not None:
        yield last


async def run_import(call: Any, importing: Importing) -> None:
    """Take an import's answers until its end. However it ends, the stream ends with it."""
    try:
        with told_when_lost():
            async for message in call:
                importing.receive(message)
    finally:
        call.cancel()
