"""What a server is to the harness: an address, a wire, and the means to load it and turn questions into requests.

Law: adapters translate and judge answers; none of them measures, and none knows which server the others speak to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import grpc
import grpc.aio

from bench.in_process import WrongAnswer
from bench.known_question import KnownQuestion
from bench.over_grpc import Load
from bench.peers.world import Expected, Kind, Workload
from remit.model import Question, Relationship, ResourceLookup, SubjectLookup, SubjectRef, Update, Verdict

T = TypeVar("T")
Metadata = tuple[tuple[str, str], ...]

_MESSAGE_BYTES_MAX = 64 << 20


class CannotAsk(Exception):
    """This server has no means to be asked this. The text is the reason, for the table."""


class Refused(Exception):
    """The server, or its library, answered with an error. The text is its code and words."""


class Occupied(Exception):
    """The server holds something already: what it answered would not be about our world."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How the facts went in: so many rows a request, so many requests under way, over which verb."""

    verb: str
    rows_a_request: int
    in_flight: int


class Peer(ABC):
    """A server over its own wire. Requests and answers are bytes here; adapters say what they mean."""

    kind: str  # the product, as in tables
    has_along = False

    def __init__(self, address: str, metadata: Metadata = ()) -> None:
        self.address = address
        self.metadata = metadata
        self.channel = grpc.aio.insecure_channel(
            address,
            options=(
                ("grpc.enable_http_proxy", 0),
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
            ),
        )

    async def close(self) -> None:
        await self.channel.close(None)

    async def call(self, path: str, request: bytes) -> bytes:
        """One request, outside of every clock. Raises grpc.aio.AioRpcError."""
        method = self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        answer: bytes = await method(request, metadata=self.metadata)
        return answer

    async def stream(self, path: str, request: bytes) -> AsyncGenerator[bytes, None]:
        """One request and all answers to it. Raises grpc.aio.AioRpcError."""
        method = self.channel.unary_stream(path, request_serializer=bytes, response_deserializer=bytes)
        call = method(request, metadata=self.metadata)
        try:
            async for answer in call:
                yield answer
        finally:
            call.cancel()  # nobody may want the rest

    async def call_if_there(self, path: str, request: bytes) -> bytes:
        """As `call`; nothing where the server says that there is none such."""
        try:
            return await self.call(path, request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return b""
            raise

    def load_of(self, workload: Workload, *, fresh: bool = False) -> Load:
        """The workload as requests. Raises CannotAsk."""
        if workload.needs_along and not self.has_along:
            raise CannotAsk("has no `along`: a chain cannot be asked about at every link; see the mandates")
        if workload.kind is Kind.BULK:
            return self.bulks(workload.bulks, fresh=fresh)
        if workload.kind is Kind.EXPAND:
            return self.expands(workload.expands)
        return self.checks(workload.checks, fresh=fresh)

    # --- loading --------------------------------------------------------------------------------------------------

    @abstractmethod
    async def prepare(self, world: str, schema: str) -> None:
        """Put the schema in. `world` names it where there are stores. Raises Occupied."""

    @abstractmethod
    async def take_up(self, world: str) -> None:
        """Go on with a world that an earlier run has loaded. Raises Occupied where there is none such."""

    @abstractmethod
    async def load(self, facts: Iterable[Relationship]) -> Imported:
        """All of them, by the verb that the server has for many."""

    # --- requests and what their answers must be --------------------------------------------------------------------

    @abstractmethod
    def checks(self, questions: Sequence[KnownQuestion], *, fresh: bool) -> Load:
        """`fresh`: each answer must know every write acknowledged before it was asked."""

    @abstractmethod
    def bulks(self, bulks: Sequence[Sequence[KnownQuestion]], *, fresh: bool) -> Load:
        """Raises CannotAsk."""

    @abstractmethod
    def expands(self, expands: Sequence[Expected]) -> Load:
        """Raises CannotAsk."""

    @abstractmethod
    def writes(self, requests: Sequence[Sequence[Update]]) -> Load: ...

    @abstractmethod
    def listing(self, lookup: ResourceLookup | SubjectLookup) -> AsyncGenerator[list[str], None]:
        """All ids that a lookup finds, as they come. Raises grpc.aio.AioRpcError."""

    @abstractmethod
    def check_after(self, asked: KnownQuestion, written: bytes) -> bytes:
        """The request that asks, knowing the write that was answered with `written`."""


def refusal(error: grpc.aio.AioRpcError) -> str:
    """For the table: the code and the first of its words."""
    words = " ".join((error.details() or "").split())
    return f"{error.code().name}: {words[:160]}"


def require_all(asked: Sequence[KnownQuestion], verdicts: Sequence[Verdict]) -> None:
    """Raises WrongAnswer."""
    if len(asked) != len(verdicts):
        raise WrongAnswer(f"{len(asked)} questions had {len(verdicts)} answers")
    for each, verdict in zip(asked, verdicts, strict=True):
        require(each, verdict)


def require(asked: KnownQuestion, verdict: Verdict) -> None:
    """Raises WrongAnswer."""
    if verdict is not asked.expected:
        raise WrongAnswer(f"`{written_out(asked.question)}` came to {verdict.name}, expected {asked.expected.name}")


def require_subjects(expected: Expected, named: set[SubjectRef]) -> None:
    """That an Expand named all, and nobody else. Raises WrongAnswer."""
    if named != set(expected.subjects):
        wanted, got = (", ".join(sorted(map(str, each))) for each in (expected.subjects, named))
        raise WrongAnswer(f"expanding `{expected.resource}#{expected.relation}` named [{got}], expected [{wanted}]")


def written_out(question: Question) -> str:
    return f"{question.resource}#{question.permission}@{question.subject}"


def in_batches(facts: Iterable[T], rows: int) -> Iterator[list[T]]:
    """So many at a time, the last time fewer."""
    left = iter(facts)
    while batch := list(islice(left, rows)):
        yield batch


async def as_stream(
    facts: Iterable[Relationship], rows: int, encode: Callable[[list[Relationship]], bytes]
) -> AsyncIterator[bytes]:
    """Messages made as the server takes them, so that ten million rows need the memory of one message."""
    for batch in in_batches(facts, rows):
        yield encode(batch)
