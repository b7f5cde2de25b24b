"""The connection of the synchronous client, over gRPC's threads: calls, streams, and waiting for either.

`aio/connection.py` is its counterpart for asyncio. The two offer the same, and are all that is written twice.
Law: what fails on the way is a RemoteError."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from remit.client.channel import closed_under, options_of, remote_error
from remit.client.requests.request import Request
from remit.client.uploads import Upload

T = TypeVar("T")

Items = Iterable[T]
"""What is uploaded."""


class Closed(threading.Event):
    """Set when something was closed."""

    def is_set_within(self, seconds: float) -> bool:
        """Wait that long at most; whether it is set."""
        return self.wait(seconds)


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
            grpc.secure_channel(endpoint, credentials, options)
            if credentials is not None
            else grpc.insecure_channel(endpoint, options)
        )

    def call(self, request: Request[Any], timeout_s: float) -> Any:
        """The response message of one attempt."""
        method = self._channel.unary_unary(
            request.path,
            request_serializer=type(request.message).SerializeToString,
            response_deserializer=request.response.FromString,
        )
        with _remote_errors(self._endpoint):
            return method(request.message, timeout=timeout_s, metadata=self._metadata)

    def stream(self, path: str, request: Message, response: type[Message]) -> Stream:
        """One request, many responses."""
        if self.closed.is_set():
            raise closed_under()
        method = self._channel.unary_stream(
            path, request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
        )
        return Stream(method(request, metadata=self._metadata), self._endpoint)

    def upload(self, upload: Upload[T], items: Items[T]) -> Any:
        """Many requests, one response."""
        method = self._channel.stream_unary(
            upload.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=upload.response.FromString,
        )
        with _remote_errors(self._endpoint):
            return method(upload.messages(items), metadata=self._metadata)

    def exchange(self, upload: Upload[T], items: Items[T]) -> Stream:
        """Many requests, many responses."""
        method = self._channel.stream_stream(
            upload.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=upload.response.FromString,
        )
        return Stream(method(upload.messages(items), metadata=self._metadata), self._endpoint)

    def close(self) -> None:
        self.closed.set()  # first: who is cut off by the next line asks nothing again
        self._channel.close()


class Stream:
    """The messages that a call receives. Raises RemoteError."""

    def __init__(self, call: Any, endpoint: str) -> None:
        self._call = call
        self._endpoint = endpoint

    def next(self) -> Any:
        """The next message; None at the end."""
        with _remote_errors(self._endpoint):
            return next(self._call, None)

    def cancel(self) -> None:
        """End it, from any thread; whoever waits for the next message meets an error."""
        self._call.cancel()


@contextlib.contextmanager
def _remote_errors(endpoint: str) -> Iterator[None]:
    """Raises RemoteError for what the call within raises."""
    try:
        yield
    except grpc.RpcError as error:
        raise remote_error(error, endpoint) from error
