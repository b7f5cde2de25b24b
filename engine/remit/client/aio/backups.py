"""Backups on their way: what arrives is checked to be whole, what is sent is cut into messages.

Law: a backup that was not whole is an error, never a shorter backup."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

import grpc
from grpc import aio

from remit.client.aio.connection import told_when_lost
from remit.client.channel import remote_error
from remit.store.backup import BackupReader
from remit.v1 import stores_pb2
from remit.wire.stores import CHUNK_BYTES

BACKUP = "/remit.v1.Stores/Backup"
RESTORE = "/remit.v1.Stores/Restore"


class _Arriving:
    """What both clients know of a backup that arrives."""

    def __init__(self) -> None:
        self.token = ""
        self._reader = BackupReader()

    def take(self, message: stores_pb2.BackupResponse) -> bytes:
        self.token = message.token or self.token
        for _ in self._reader.feed(message.chunk):
            continue
        return message.chunk

    def finish(self) -> None:
        self._reader.finish()


class Backup(Iterator[bytes]):
    """The bytes of a backup, as they come. `token` is the revision it is of, once the first have come. Its end says
    that all were there and right: until then, keep it apart from backups that are."""

    def __init__(self, call: Any, endpoint: str) -> None:
        self._call = call
        self._endpoint = endpoint
        self._arriving = _Arriving()

    @property
    def token(self) -> str:
        return self._arriving.token

    def __next__(self) -> bytes:
        """Raises RemoteError, and BackupDamaged for bytes that changed on their way."""
        try:
            return self._arriving.take(next(self._call))
        except StopIteration:
            self._arriving.finish()
            raise
        except grpc.RpcError as error:
            raise remote_error(error, self._endpoint) from error

    def close(self) -> None:
        self._call.cancel()

    def __enter__(self) -> Backup:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncBackup(AsyncIterator[bytes]):
    """As `Backup`."""

    def __init__(self, call: Any, endpoint: str) -> None:
        self._call = call
        self._messages = aiter(call)
        self._endpoint = endpoint
        self._arriving = _Arriving()

    @property
    def token(self) -> str:
        return self._arriving.token

    async def __anext__(self) -> bytes:
        """Raises RemoteError, and BackupDamaged for bytes that changed on their way."""
        try:
            with told_when_lost():
                message = await anext(self._messages)
            return self._arriving.take(message)
        except StopAsyncIteration:
            self._arriving.finish()
            raise
        except aio.AioRpcError as error:
            raise remote_error(error, self._endpoint) from error

    def close(self) -> None:
        self._call.cancel()

    async def __aenter__(self) -> AsyncBackup:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()


class Sending:
    """A restore's messages. What fails while the bytes are read ends the stream early, which the server refuses as cut
    off, and is kept in `failure`: gRPC would swallow it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.failure: Exception | None = None

    def messages(self, chunks: Iterable[bytes]) -> Iterator[stores_pb2.RestoreRequest]:
        yield stores_pb2.RestoreRequest(name=self._name)
        try:
            for chunk in chunks:
                yield from _cut(chunk)
        except Exception as error:  # noqa: BLE001  # told when the stream has ended
            self.failure = error

    async def async_messages(
        self, chunks: Iterable[bytes] | AsyncIterable[bytes]
    ) -> AsyncIterator[stores_pb2.RestoreRequest]:
        if not isinstance(chunks, AsyncIterable):
            for message in self.messages(chunks):
                yield message
            return
        yield stores_pb2.RestoreRequest(name=self._name)
        try:
            async for chunk in chunks:
                for message in _cut(chunk):
                    yield message
        except Exception as error:  # noqa: BLE001  # told when the stream has ended
            self.failure = error


def _cut(chunk: bytes) -> Iterator[stores_pb2.RestoreRequest]:
    for start in range(0, len(chunk), CHUNK_BYTES):
        yield stores_pb2.RestoreRequest(chunk=chunk[start : start + CHUNK_BYTES])
