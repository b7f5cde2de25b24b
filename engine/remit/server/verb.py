"""What a row of the table of verbs says: all that is known of one method, wherever it is needed.

Law: a method is described in one place; the gate, the pipeline, telemetry and the core read it from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from remit.access.keys import Right
from remit.errors import RemitError
from remit.server.limits.request_size import UNBOUNDED, SizeLimits
from remit.server.request_summary import PLAIN, Reader
from remit.wire.spicedb.refusals import told_as_spicedb


class About(Enum):
    """Which store a request is about, and so which one the key must see."""

    STORE = "the one in `store`"
    NAMED = "the one in `name`"
    NEW = "the one to be made, in `name`: whether there is one already must not show"
    ALL = "none, or as many as the key sees: the handler shows only those"
    DEFAULT = "`default`, the only one that SpiceDB's wire can name"


class Queue(StrEnum):
    """Where a call waits for a thread. Writes have a queue of their own, so that who waits for the disk never holds up
    readers; a stream waits there for each of its steps."""

    READS = "reads"
    WRITES = "writes"
    STREAMS = "streams"


Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb(Generic[Handler]):
    """A method of the API. `right` None: it asks nothing of a key but to be valid. `is_hot`: the frontend may answer it
    without Python. `is_heavy`: it is about a whole schema, and waits for one of the threads for those however small its
    request is; others wait among the heavy where their request is large, or once they turn out to be. `sizes`: what of
    a request is counted and measured before it is read. `reader`: what telemetry tells of it."""

    service: str
    method: str
    handler: Handler
    request: type[Message]
    response: type[Message]
    right: Right | None
    about: About
    queue: Queue
    is_hot: bool = False
    is_heavy: bool = False
    sizes: SizeLimits = UNBOUNDED
    reader: Reader = PLAIN
    # Asked for at every call, and so worked out once.
    path: str = field(init=False)
    label: str = field(init=False)  # in metrics, traces and logs
    is_stream: bool = field(init=False)
    of_spicedb: bool = field(init=False)

    def __post_init__(self) -> None:
        of_spicedb = self.service.startswith("authzed.")
        object.__setattr__(self, "of_spicedb", of_spicedb)
        object.__setattr__(self, "path", f"/{self.service}/{self.method}")
        object.__setattr__(self, "label", ("spicedb." if of_spicedb else "") + self.method)
        object.__setattr__(self, "is_stream", self.queue is Queue.STREAMS)

    def told(self, error: RemitError) -> RemitError:
        """An error as a caller of this method is told of it. Metrics and logs keep to Remit's own words."""
        return told_as_spicedb(error, self.method) if self.of_spicedb else error
