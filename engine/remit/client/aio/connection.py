"""The connection of the asyncio client, over grpc.aio: calls, streams, and waiting for either.

`sync/connection.py` is its counterpart for threads. The two offer the same, and are all that is written twice.
Law: what fails on the way is a RemoteError, and a task ends as cancelled only where somebody cancelled it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from grpc import aio

from remit.client.channel import closed_under, options_of, remote_error
from remit.client.requests.request import Request
from remit.client.uploads import Upload

T = TypeVar("T")

Items = Iterable[T] | AsyncIterable[T]
"""What is uploaded: it may arrive asynchronously."""


class Closed(asyncio.Event):
    """Set when something was closed."""

    async def is_set_within(self, seconds: float) -> bool:
        """Wait that long at most; whether it is set."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), seconds)
        return self.is_set()


class Connection:
    """A channel to one server. `metadata` accompanies every request."""

    def __init__(
        self, endpoint: str, credentials: grpc.ChannelCredentials | None, metadata: tuple[tuple[str, str], ...]
    ) -> None:
        self.closed = Closed()
        self._endpoint = endpoint
        self._metadata = metadata
        options = options_of(endpoint)
        self._channel = (
            aio.secure_channel(endpoint, credentials, options=options)
            if credentials is not None
            else aio.insecure_channel(endpoint, options=options)
        )

    async def call(self, request: Request[Any], timeout_s: float) -> Any:
        """The response message of one attempt."""
        method = self._channel.unary_unary(
            request.path,
            request_serializer=type(request.message).SerializeToString,
            response_deserializer=request.response.FromString,
        )
        with _remote_errors(self._endpoint):
            return await method(request.message, timeout=timeout_s, metadata=self._metadata)

    def stream(self, path: str, request: Message, response: type[Message]) -> Stream:
        """One request, many responses."""
        if self.closed.is_set():
            raise closed_under()
        method = self._channel.unary_stream(
            path, request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
        )
        return Stream(method(request, metadata=self._metadata), self._endpoint)

    async def upload(self, upload: Upload[T], items: Items[T]) -> Any:
        """Many requests, one response."""
        method = self._channel.stream_unary(
            upload.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=upload.response.FromString,
        )
        with _remote_errors(self._endpoint):
            return await method(_messages_of(upload, items), metadata=self._metadata)

    def exchange(self, upload: Upload[T], items: Items[T]) -> Stream:
        """Many requests, many responses."""
        method = self._channel.stream_stream(
            upload.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=upload.response.FromString,
        )
        return Stream(method(_messages_of(upload, items), metadata=self._metadata), self._endpoint)

    async def close(self) -> None:
        self.closed.set()  # first: who is cut off by the next line asks nothing again
        await self._channel.close(None)


class Stream:
    """The messages that a call receives. Raises RemoteError."""

    def __init__(self, call: Any, endpoint: str) -> None:
        self._call = call
        self._messages = aiter(call)
        self._endpoint = endpoint

    async def next(self) -> Any:
        """The next message; None at the end."""
        with _remote_errors(self._endpoint):
            return await anext(self._messages, None)

    def cancel(self) -> None:
        """End it; whoever waits for the next message meets an error."""
        self._call.cancel()


@contextlib.contextmanager
def _remote_errors(endpoint: str) -> Iterator[None]:
    """Raises RemoteError for what the call within raises. grpc.aio raises CancelledError where the task was cancelled
    and also where only the call was, as when the client is closed under it: only the latter becomes a RemoteError."""
    try:
        yield
    except aio.AioRpcError as error:
        raise remote_error(error, endpoint) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise closed_under() from None


async def _messages_of(upload: Upload[T], items: Items[T]) -> AsyncIterator[Message]:
    """As `Upload.messages`, of items that may arrive asynchronously."""
    if not isinstance(items, AsyncIterable):
        for message in upload.messages(items):
            yield message
        return
    for message in upload.first():
        yield message
    try:
        async for item in items:
            for message in upload.add(item):
                yield message
    except Exception as error:  # noqa: BLE001  # raised when the stream has ended
        upload.failure = error
    for message in upload.rest():
        yield message
