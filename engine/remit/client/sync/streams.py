"""Streams of the synchronous client: iterators that go on by themselves after a broken connection.

Law: closing one, from whichever thread, ends it at once; an error that does not pass is raised, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from remit.client.answers import ExportPage, WatchEvent
from remit.client.channel import remote_error
from remit.client.resume import ExportFollowing, Following, Retries, WatchFollowing
from remit.model import Relationship

F = TypeVar("F", bound=Following)

Open = Callable[[Following], Any]
"""Ask for the stream from where it is; gRPC's call, an iterator of messages."""


class _Messages(Generic[F]):
    """What comes, asked for again where it breaks."""

    def __init__(self, following: F, open: Open, endpoint: str, *, resume: bool) -> None:
        self.following = following
        self._open = open
        self._endpoint = endpoint
        self._retries = Retries(resume)
        self._call: Any = None
        self._closed = threading.Event()

    def next(self) -> object | None:
        """What the next message says; None at the end. Raises RemoteError."""
        while not self._closed.is_set():
            if self._call is None:
                self._call = self._opened()
                if self._closed.is_set():
                    self._call.cancel()  # closed in this very moment, before there was something to cancel
            try:
                for message in self._call:
                    self._retries.went_well()
                    said = self.following.receive(message)
                    if said is not None:
                        return said
                self._closed.set()
            except grpc.RpcError as error:
                self._call = None
                if not self._closed.is_set():
                    self._closed.wait(self._pause_s(remote_error(error, self._endpoint)))
        return None

    def _opened(self) -> Any:
        try:
            return self._open(self.following)
        except BaseException:
            self._closed.set()
            raise

    def _pause_s(self, error: Any) -> float:
        try:
            return self._retries.pause_s(error)
        except BaseException:
            self._closed.set()
            raise

    def close(self) -> None:
        self._closed.set()
        call = self._call
        if call is not None:
            call.cancel()


class Watch(Iterator[WatchEvent]):
    """The changes of a store, for as long as it is open. `token` is where to go on, some other day."""

    def __init__(self, following: WatchFollowing, open: Open, endpoint: str, *, resume: bool) -> None:
        self._messages = _Messages(following, open, endpoint, resume=resume)

    @property
    def token(self) -> str:
        """Everything up to this revision has been given."""
        return self._messages.following.token

    def __next__(self) -> WatchEvent:
        """Waits for the next event. Raises RemoteError."""
        event = self._messages.next()
        if event is None:
            raise StopIteration
        assert isinstance(event, WatchEvent), "a watch is told events"
        return event

    def close(self) -> None:
        """End it; whoever waits for the next event is given none. From any thread."""
        self._messages.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Export(Iterator[Relationship]):
    """Relationships, page after page. `token` is the revision it began at, once the first has been given; `cursor` is
    where to go on after the pages that were given whole."""

    def __init__(self, following: ExportFollowing, open: Open, endpoint: str, *, resume: bool) -> None:
        self._messages = _Messages(following, open, endpoint, resume=resume)
        self._page = iter(())  # type: Iterator[Relationship]
        self._next_cursor = self.cursor = following.cursor

    @property
    def token(self) -> str:
        return self._messages.following.token

    def pages(self) -> Iterator[ExportPage]:
        """The pages as they come: at least one, which may be empty. Either these or the relationships."""
        while (page := self._messages.next()) is not None:
            assert isinstance(page, ExportPage), "an export is told pages"
            self._next_cursor = page.cursor
            yield page
            self.cursor = page.cursor

    def __next__(self) -> Relationship:
        while True:
            relationship = next(self._page, None)
            if relationship is not None:
                return relationship
            self.cursor = self._next_cursor
            page = self._messages.next()
            if page is None:
                raise StopIteration
            assert isinstance(page, ExportPage), "an export is told pages"
            self._page, self._next_cursor = iter(page.relationships), page.cursor

    def close(self) -> None:
        self._messages.close()

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def run_import(call: Any, receive: Callable[[Message], None]) -> None:
    """Take an import's answers until its end. However it ends, the stream ends with it."""
    try:
        for message in call:
            receive(message)
    finally:
        call.cancel()
