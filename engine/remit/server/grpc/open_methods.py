"""The methods that need no key, health and reflection, and what strangers may cost by them.

gRPC makes room for a message of any size that is allowed, and whoever sends one slowly keeps it. Where a key is asked
for, that waits until the key is known. Here nobody is known, so but few messages are waited for beyond a moment: where
there are more, the calls that have waited longest are ended. An honest message comes with its call, and is a name: what
is larger, or is none, is refused as any request is, and costs no line in the log. A watch of health stays as long as
its caller likes, so watches are counted apart, and by address: they never take the place of a question.
Law: what callers without a key hold, in memory and in calls, is bounded, however many they are."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from remit.errors import LimitExceeded, MalformedRequest, NotOneRequest, RemitError, TooManyStreams
from remit.server.call import peer_of
from remit.server.grpc.grpc_compat import add_methods

T = TypeVar("T")
_END: Any = aio.EOF  # type: ignore[attr-defined]  # unknown to the stubs
Context = aio.ServicerContext[Any, Any]
Answer = Callable[[Any, Context], Awaitable[Any]]
Parse = Callable[[bytes], Any]
Refuse = Callable[[Context, RemitError], Awaitable[object]]

# Two dozen of the largest messages that gRPC takes, 32 MiB each, are what a small machine has to spare.
READS_MAX = 24
CALLS_MAX = 1_024
WATCHES_MAX = 1_024
WATCHES_PER_PEER_MAX = 128  # of one address: those of a proxy that watches for many share it
MESSAGE_BYTES_MAX = 4 * 1024  # the longest name of a service or symbol is a few hundred
PATIENCE_S = 2.0


class OpenMethods:
    """What a servicer is added to in place of the server. All belongs to its event loop."""

    def __init__(
        self,
        server: aio.Server,
        refuse: Refuse,
        *,
        reads_max: int = READS_MAX,
        calls_max: int = CALLS_MAX,
        watches_max: int = WATCHES_MAX,
        watches_per_peer_max: int = WATCHES_PER_PEER_MAX,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`refuse` ends a call with an error. Beyond `reads_max` messages none is waited for longer than `patience_s`;
        there are `calls_max` calls at once, of which the one that has waited longest for a message makes room for the
        next, and beside them `watches_max` watches, `watches_per_peer_max` of one address."""
        self._server = server
        self._refuse = refuse
        self._reads_max = reads_max
        self._calls_max = calls_max
        self._watches_max = watches_max
        self._watches_per_peer_max = watches_per_peer_max
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._reads: dict[asyncio.Future[Any], float] = {}  # until when they may take as they like, the oldest first
        self.calls = 0
        self._watches: Counter[str] = Counter()  # by address
        self.ended = 0  # calls whose message was waited for no longer

    @property
    def reads(self) -> int:
        """How many messages are waited for."""
        return len(self._reads)

    @property
    def watches(self) -> int:
        return self._watches.total()

    # --- as generated code asks a server ------------------------------------------------------------------------

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same methods again, for servers that know no registered ones: see `grpc_compat`."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """All that the servicer has; those it has not made its own would fail, and are not there."""
        bounded = {name: self._bounded(handler) for name, handler in handlers.items()}
        add_methods(self._server, service, {name: each for name, each in bounded.items() if each is not None})

    def _bounded(self, handler: Any) -> grpc.RpcMethodHandler[Any, Any] | None:
        # gRPC is given nothing to parse with: to it, a message that cannot be parsed is a defect of ours.
        parse, serialize = handler.request_deserializer, handler.response_serializer
        if inspect.iscoroutinefunction(handler.unary_unary):
            unary = self._unary(handler.unary_unary, parse)
            return grpc.stream_unary_rpc_method_handler(unary, response_serializer=serialize)
        if inspect.iscoroutinefunction(handler.unary_stream):
            watch = self._watch(handler.unary_stream, parse)
            return grpc.stream_stream_rpc_method_handler(watch, response_serializer=serialize)
        if inspect.isasyncgenfunction(handler.stream_stream):
            stream = self._stream(handler.stream_stream, parse)
            return grpc.stream_stream_rpc_method_handler(stream, response_serializer=serialize)
        return None

    def _unary(self, answer: Answer, parse: Parse) -> Answer:
        async def bounded(_: object, context: Context) -> Any:
            async def answer_one() -> Any:
                return await answer(await self._only_request(context, parse), context)

            return await self._counted(context, answer_one)

        return bounded

    def _watch(self, answer: Answer, parse: Parse) -> Answer:
        async def bounded(_: object, context: Context) -> None:
            request = await self._counted(context, lambda: self._only_request(context, parse))
            peer = peer_of(context.peer(), tuple(context.invocation_metadata() or ()))
            host = peer.rpartition(":")[0]
            if self._watches[host] >= self._watches_per_peer_max:
                what = "watches of health from one address"
                await self._refuse(context, _too_many("watches_per_peer_max", self._watches_per_peer_max, what))
            if self.watches >= self._watches_max:
                await self._refuse(context, _too_many("watches_max", self._watches_max, "watches of health"))
            self._watches[host] += 1
            try:
                await answer(request, context)
            finally:
                self._watches[host] -= 1
                if not self._watches[host]:
                    del self._watches[host]

        return bounded

    def _stream(self, answers: Callable[[Any, Context], AsyncIterator[Any]], parse: Parse) -> Answer:
        async def bounded(_: object, context: Context) -> None:
            async def write_all() -> None:
                async for message in answers(self._requests(context, parse), context):
                    await context.write(message)

            await self._counted(context, write_all)

        return bounded

    async def _only_request(self, context: Context, parse: Parse) -> Any:
        data = await self._read(context)
        if data is _END:
            raise NotOneRequest("the call ended without a request: the method takes exactly one")
        return _parsed(parse, data)

    async def _requests(self, context: Context, parse: Parse) -> AsyncIterator[Any]:
        while (data := await self._read(context)) is not _END:
            yield _parsed(parse, data)

    # --- bounds -------------------------------------------------------------------------------------------------

    async def _counted(self, context: Context, work: Callable[[], Awaitable[T]]) -> T | None:
        if self.calls >= self._calls_max and not self._end_first():
            await self._refuse(context, _too_many("calls_max", self._calls_max, "calls without a key"))
        self.calls += 1
        try:
            return await work()
        except RemitError as error:
            await self._refuse(context, error)
            return None
        finally:
            self.calls -= 1

    async def _read(self, context: Context) -> Any:
        """The next message. Raises TooManyStreams where it did not come in time, and others are waited for."""
        reading = asyncio.ensure_future(context.read())
        self._reads[reading] = until_s = self._loop.time() + self._patience_s
        looking = self._loop.call_at(until_s, self._end_oldest, until_s)
        try:
            return await reading
        except asyncio.CancelledError:
            if reading in self._reads:
                raise  # the caller left, or the server stops
            raise _too_many("reads_max", self._reads_max, "messages of callers without a key") from None
        finally:
            looking.cancel()
            self._reads.pop(reading, None)

    def _end_oldest(self, now_s: float) -> None:
        while len(self._reads) > self._reads_max:
            if next(iter(self._reads.values())) > now_s:
                return
            self._end_first()

    def _end_first(self) -> bool:
        """Wait no longer for the message that was waited for longest; whether there was one."""
        oldest = next(iter(self._reads), None)
        if oldest is None:
            return False
        del self._reads[oldest]
        oldest.cancel()
        self.ended += 1
        return True


def _parsed(parse: Parse, data: bytes) -> Any:
    if len(data) > MESSAGE_BYTES_MAX:
        raise LimitExceeded(
            f"a message of {len(data)} bytes is larger than the {MESSAGE_BYTES_MAX} that this method takes",
            name="open_message_bytes_max",
            limit=MESSAGE_BYTES_MAX,
            given=len(data),
        )
    try:
        return parse(data)
    except DecodeError as error:
        raise MalformedRequest("the request is not a message of this method: its bytes are damaged") from error


def _too_many(name: str, limit: int, what: str) -> TooManyStreams:
    return TooManyStreams(
        f"the server waits for {limit} {what} at once, and for no more: try again a little later",
        name=f"open_{name}",
        limit=limit,
        given=limit + 1,
    )
