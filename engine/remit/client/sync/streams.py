"""Streams of the synchronous client: iterators that resume by themselves where a connection broke, and backups.

Generated from `aio/streams.py` (`make client`).
Law: closing one, from whichever thread, ends it at once; an error that does not pass is raised, once; a
backup that was not whole is an error, never a shorter backup."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

from remit.client.answers import ExportPage, PermissionEvent, WatchEvent
from remit.client.resume import Resumable, ResumableExport, ResumablePermissionWatch, ResumableWatch, Retries
from remit.client.sync.connection import Closed, Connection, Stream
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

    def next(self) -> object | None:
        """What the next message says; None at the end. Raises RemoteError."""
        while not self._closed.is_set():
            stream = self._opened()
            try:
                while (message := stream.next()) is not None:
                    self._retries.went_well()
                    received = self.resumable.receive(message)
                    if received is not None:
                        return received
                self._closed.set()
            except RemoteError as error:
                self._stream = None
                if not self._closed.is_set():
                    self._closed.is_set_within(self._pause_s(error))
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


class Watch(Iterator[WatchEvent]):
    """The changes of a store, for as long as it is open. `token` is where to go on, some other day."""

    def __init__(self, watch: ResumableWatch, connection: Connection, *, resume: bool) -> None:
        self._resuming = _Resuming(watch, connection, resume=resume)

    @property
    def token(self) -> str:
        """Everything up to this revision has been given."""
        return self._resuming.resumable.token

    def __next__(self) -> WatchEvent:
        """Waits for the next event. Raises RemoteError."""
        event = self._resuming.next()
        if event is None:
            raise StopIteration
        assert isinstance(event, WatchEvent), "a watch receives events"
        return event

    def close(self) -> None:
        """End it; whoever waits for the next event is given none."""
        self._resuming.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class PermissionWatch(Iterator[PermissionEvent]):
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

    def __next__(self) -> PermissionEvent:
        """Waits for the next event. Raises RemoteError."""
        event = self._resuming.next()
        if event is None:
            raise StopIteration
        assert isinstance(event, PermissionEvent), "a watch of a permission receives these"
        return event

    def close(self) -> None:
        """End it; whoever waits for the next event is given none."""
        self._resuming.close()

    def __enter__(self) -> PermissionWatch:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Export(Iterator[Relationship]):
    """Relationships, page after page. `token` is the revision it began at, once the first has been given; `cursor` is
    where to go on after the pages that were given whole."""

    def __init__(self, export: ResumableExport, connection: Connection, *, resume: bool) -> None:
        self._resuming = _Resuming(export, connection, resume=resume)
        self._page: Iterator[Relationship] = iter(())
        self._next_cursor = self.cursor = export.cursor

    @property
    def token(self) -> str:
        return self._resuming.resumable.token

    def pages(self) -> Generator[ExportPage, None]:
        """The pages as they come: at least one, which may be empty. Either these or the relationships."""
        while (page := self._next_page()) is not None:
            self._next_cursor = page.cursor
            yield page
            self.cursor = page.cursor

    def __next__(self) -> Relationship:
        while True:
            relationship = next(self._page, None)
            if relationship is not None:
                return relationship
            self.cursor = self._next_cursor
            page = self._next_page()
            if page is None:
                raise StopIteration
            self._page, self._next_cursor = iter(page.relationships), page.cursor

    def _next_page(self) -> ExportPage | None:
        page = self._resuming.next()
        assert page is None or isinstance(page, ExportPage), "an export receives pages"
        return page

    def close(self) -> None:
        self._resuming.close()

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Backup(Iterator[bytes]):
    """The bytes of a backup, as they come. `token` is the revision it is of, once the first have come. Its end says
    that all were there and right: until then, keep it apart from backups that are."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._reader = BackupReader()
        self.token = ""

    def __next__(self) -> bytes:
        """Raises RemoteError, and BackupDamaged for bytes that changed on their way."""
        message = self._stream.next()
        if message is None:
            self._reader.finish()
            raise StopIteration
        self.token = message.token or self.token
        for _ in self._reader.feed(message.chunk):
            continue
        chunk: bytes = message.chunk
        return chunk

    def close(self) -> None:
        self._stream.cancel()

    def __enter__(self) -> Backup:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
