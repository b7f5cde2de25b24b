"""The methods that need no key, health and reflection, and what strangers may cost by them.

gRPC makes room for a message of any size that is allowed, and whoever sends one slowly keeps it. Where a key is asked
for, that waits until the key is known. Here nobody is known, so but few messages are waited for beyond a moment: where
there are more, the calls that have waited longest are ended. An honest message comes with its call.
Law: what callers without a key hold, in memory and in calls, is bounded, however many they are."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import grpc
from grpc import aio

from remit.errors import NotOneRequest, RemitError, TooManyStreams
from remit.server.grpc.grpc_compat import add_methods

T = TypeVar("T")
_END: Any = aio.EOF  # type: ignore[attr-defined]  # unknown to the stubs
Context = aio.ServicerContext[Any, Any]
Refuse = Callable[[Context, RemitError], Awaitable[object]]

# Two dozen of the largest messages that gRPC takes, 32 MiB each, are what a small machine has to spare.
READS_MAX = 24
CALLS_MAX = 1_024  # watchers of health stay
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
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`refuse` ends a call with an error. Beyond `reads_max` messages none is waited for longer than `patience_s`;
        there are `calls_max` calls at once."""
        self._server = server
        self._refuse = refuse
        self._reads_max = reads_max
        self._calls_max = calls_max
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._reads: dict[asyncio.Future[Any], float] = {}  # until when they may take as they like, the oldest first
        self.calls = 0
        self.ended = 0  # calls whose message was waited for no longer

    @property
    def reads(self) -> int:
        """How many messages are waited for."""
        return len(self._reads)

    # --- as generated code asks a server ------------------------------------------------------------------------

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same methods again, for servers that know no registered ones: see `grpc_compat`."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """All that the servicer has; those it has not made its own would fail, and are not there."""
        bounded = {name: self._bounded(handler) for name, handler in handlers.items()}
        add_methods(self._server, service, {name: each for name, each in bounded.items() if each is not None})

    def _bounded(self, handler: Any) -> grpc.RpcMethodHandler[Any, Any] | None:
        parsing = handler.request_deserializer, handler.response_serializer
        if inspect.iscoroutinefunction(handler.unary_unary):
            return grpc.stream_unary_rpc_method_handler(self._unary(handler.unary_unary), *parsing)
        if inspect.iscoroutinefunction(handler.unary_stream):
            return grpc.stream_stream_rpc_method_handler(self._unary(handler.unary_stream), *parsing)
        if inspect.isasyncgenfunction(handler.stream_stream):
            return grpc.stream_stream_rpc_method_handler(self._stream(handler.stream_stream), *parsing)
        return None

    def _unary(self, answer: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
        async def bounded(_: object, context: Context) -> Any:
            return await self._counted(context, lambda: self._answer_one(answer, context))

        return bounded

    async def _answer_one(self, answer: Callable[[Any, Context], Awaitable[T]], context: Context) -> T:
        request = await self._read(context)
        if request is _END:
            raise NotOneRequest("the call ended without a request: the method takes exactly one")
        return await answer(request, context)

    def _stream(self, answers: Callable[[Any, Context], AsyncIterator[Any]]) -> Callable[[Any, Context], Any]:
        async def bounded(_: object, context: Context) -> None:
            async def write_all() -> None:
                async for message in answers(self._requests(context), context):
                    await context.write(message)

            await self._counted(context, write_all)

        return bounded

    async def _requests(self, context: Context) -> AsyncIterator[Any]:
        while (request := await self._read(context)) is not _END:
            yield request

    # --- bounds -------------------------------------------------------------------------------------------------

    async def _counted(self, context: Context, work: Callable[[], Awaitable[T]]) -> T | None:
        if self.calls >= self._calls_max:
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
            oldest, until_s = next(iter(self._reads.items()))
            if until_s > now_s:
                return
            del self._reads[oldest]
            oldest.cancel()
            self.ended += 1


def _too_many(name: str, limit: int, what: str) -> TooManyStreams:
    return TooManyStreams(
        f"the server waits for {limit} {what} at once, and for no more: try again a little later",
        name=f"open_{name}",
        limit=limit,
        given=limit + 1,
    )
