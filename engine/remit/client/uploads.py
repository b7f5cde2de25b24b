"""Requests that are sent as streams, import and restore: which messages the caller's items become.

Law: what the caller's own items raise is kept, and raised when the stream has ended; what came before is still sent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from google.protobuf.message import Message

from remit.client.answers import Imported
from remit.client.requests.request import relationship_of
from remit.errors import RemoteError
from remit.model import Relationship, RelationshipKey
from remit.v1 import relationships_pb2, stores_pb2
from remit.wire.facts import encode_relationship
from remit.wire.stores import CHUNK_BYTES

BATCH_MAX = 1_000  # relationships of one message, and so of one revision
BATCH_BYTES = 1024 * 1024  # about; a message may have 8 MiB

Progress = Callable[[int], None]
Item = TypeVar("Item")


class Upload(ABC, Generic[Item]):
    """The messages of one request. `failure` is what the caller's items raised: gRPC reads them in a place of its own,
    and would swallow it."""

    path: str
    response: type[Message]

    def __init__(self) -> None:
        self.failure: BaseException | None = None

    def messages(self, items: Iterable[Item]) -> Iterator[Message]:
        yield from self.first()
        try:
            for item in items:
                yield from self.add(item)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  # gRPC's thread is no place for it: raised when the stream ends
            self.failure = error
        yield from self.rest()

    def first(self) -> Iterator[Message]:
        """What goes before all items."""
        return iter(())

    @abstractmethod
    def add(self, item: Item) -> Iterator[Message]:
        """Take an item; the messages that are full."""

    def rest(self) -> Iterator[Message]:
        """What has been taken and not been sent."""
        return iter(())


class ImportUpload(Upload[str | Relationship]):
    """As many relationships as a message takes, and none twice in one: of two about the same triple the later one
    counts, so it goes into the next."""

    path = "/remit.v1.Relationships/Import"
    response: type[Message] = relationships_pb2.ImportResponse

    def __init__(self, store: str, progress: Progress | None, expired: Progress | None = None) -> None:
        super().__init__()
        self._store = store
        self._progress = progress
        self._expired = expired
        self.done = Imported("", 0)
        self._message = relationships_pb2.ImportRequest(store=store)
        self._keys: set[RelationshipKey] = set()
        self._bytes = 0

    def add(self, item: str | Relationship) -> Iterator[relationships_pb2.ImportRequest]:
        relationship = relationship_of(item)
        encoded = encode_relationship(relationship)
        if (
            len(self._keys) == BATCH_MAX
            or (self._keys and self._bytes + encoded.ByteSize() > BATCH_BYTES)
            or relationship.key in self._keys
        ):
            yield from self.rest()
        self._message.relationships.append(encoded)
        self._keys.add(relationship.key)
        self._bytes += encoded.ByteSize()

    def rest(self) -> Iterator[relationships_pb2.ImportRequest]:
        if self._keys:
            yield self._message
            self._message, self._keys, self._bytes = relationships_pb2.ImportRequest(store=self._store), set(), 0

    def receive(self, message: Message) -> None:
        assert isinstance(message, relationships_pb2.ImportResponse), "the method answers with these"
        if self._expired is not None:
            for place in message.expired:
                self._expired(self.done.imported + place)
        self.done = Imported(message.token, message.imported, self.done.expired + len(message.expired))
        if self._progress is not None:
            self._progress(message.imported)

    def refused(self, error: RemoteError) -> RemoteError:
        """The error, saying how many relationships are written and, where it is known, which one was refused, counted
        from 0 in what was given."""
        where = dict(error.metadata)
        where["imported"] = str(self.done.imported)
        # The server names a place in the message after the last that it answered.
        prefix, _, rest = error.field.partition("[")
        if prefix == "relationships" and rest.partition("]")[0].isdigit():
            where["index"] = str(self.done.imported + int(rest.partition("]")[0]))
        error.metadata = where
        return error


class RestoreUpload(Upload[bytes]):
    """The new store's name, then its backup cut into messages. Where the caller's bytes fail the stream ends early,
    which the server refuses as cut off."""

    path = "/remit.v1.Stores/Restore"
    response: type[Message] = stores_pb2.RestoreResponse

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def first(self) -> Iterator[stores_pb2.RestoreRequest]:
        yield stores_pb2.RestoreRequest(name=self._name)

    def add(self, item: bytes) -> Iterator[stores_pb2.RestoreRequest]:
        for start in range(0, len(item), CHUNK_BYTES):
            yield stores_pb2.RestoreRequest(chunk=item[start : start + CHUNK_BYTES])
