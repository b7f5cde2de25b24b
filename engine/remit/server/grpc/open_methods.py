"""The methods that need no key, health and reflection, and what strangers may cost by them.

gRPC makes room for a message of any size that is allowed, and whoever sends one slowly keeps it. Where a key is asked
for, that waits until the key is known. Here nobody is known, so but few messages are waited for beyond a moment (see
`readings`). An honest message comes with its call, and is a name: what is larger, or is none, is refused as any request
is, and costs no line in the log.

A call also lasts until its answer is taken, which its caller may put off for ever, and gRPC has no way to end it. So
each kind of call has places of its own, shared by a fair quota among addresses, and those of an address among its
connections: whoever holds others, a question of health finds one, and a watch, which stays as long as its caller likes,
never takes the place of a question.
Law: what callers without a key hold, in memory and in calls, is bounded, however many they are."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from remit.errors import MalformedRequest, NotOneRequest, RemitError, SlowConsumer
from remit.server.call import peer_of
from remit.server.grpc.grpc_compat import add_methods
from remit.server.limits.by_address import HoldingsByAddress, address_of
from remit.server.limits.open_calls import (
    CALLS_MAX,
    CHECKS_MAX,
    MESSAGE_BYTES_MAX,
    WATCHES_MAX,
    WATCHES_PER_PEER_MAX,
    message_too_long,
    too_many_open,
)
from remit.server.limits.readings import Readings

T = TypeVar("T")
_END: Any = aio.EOF  # type: ignore[attr-defined]  # unknown to the stubs
Context = aio.ServicerContext[Any, Any]
Answer = Callable[[Any, Context], Awaitable[Any]]
Parse = Callable[[bytes], Any]
Refuse = Callable[[Context, RemitError], Awaitable[object]]

# Of each of the three kinds of calls: two dozen of the largest messages that gRPC takes, 32 MiB each, are what a small
# machine has to spare.
READS_MAX = 8
PATIENCE_S = 2.0
ANSWER_S = 20.0  # for an answer to be taken


class OpenMethods:
    """What a servicer is added to in place of the server. All belongs to its event loop."""

    def __init__(
        self,
        server: aio.Server,
        refuse: Refuse,
        *,
        reads_max: int = READS_MAX,
        checks_max: int = CHECKS_MAX,
        calls_max: int = CALLS_MAX,
        watches_max: int = WATCHES_MAX,
        watches_per_peer_max: int = WATCHES_PER_PEER_MAX,
        patience_s: float = PATIENCE_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        """`refuse` ends a call with an error. Beyond `reads_max` messages of a kind none is waited for longer than
        `patience_s`; there are `checks_max` questions of health at once, `calls_max` other calls and `watches_max`
        watches, of one address `watches_per_peer_max`. An answer is to be taken within `answer_s`."""
        self._server = server
        self._refuse = refuse
        self._watches_max = watches_max
        self._watches_per_peer_max = watches_per_peer_max
        self._answer_s = answer_s
        self.says_when_let_in = False  # by the head of its answer, for a frontend that waits for that
        self._watches: Counter[str] = Counter()  # by address
        kind = partial(_Kind, reads_max, patience_s)
        self._checks = kind("checks_max", checks_max, "questions of health")
        self._calls = kind("calls_max", calls_max, "calls without a key")
        self._watching = kind("watches_max", watches_max, "watches of health")
        self.kinds = (self._checks, self._calls, self._watching)

    @property
    def calls(self) -> int:
        """How many there are, watches aside."""
        return self._checks.taken + self._calls.taken

    @property
    def watches(self) -> int:
        return self._watching.taken

    @property
    def reads(self) -> int:
        """How many messages are waited for."""
        return sum(len(kind.readings) for kind in self.kinds)

    @property
    def ended(self) -> int:
        """Calls whose message was waited for no longer."""
        return sum(kind.readings.ended for kind in self.kinds)

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
            async def answer_one(place: _Place) -> Any:
                return await answer(await _only_request(context, parse, place), context)

            return await self._counted(self._checks, context, answer_one)

        return bounded

    def _watch(self, answer: Answer, parse: Parse) -> Answer:
        async def bounded(_: object, context: Context) -> None:
            address = address_of(_peer(context))
            if self._watches[address] >= self._watches_per_peer_max:
                what = "watches of health from one address"
                await self._refuse(context, too_many_open("watches_per_peer_max", self._watches_per_peer_max, what))
                return

            async def watch(place: _Place) -> None:
                await answer(await _only_request(context, parse, place), context)

            self._watches[address] += 1
            _when_done(context, partial(self._forget_watch, address))
            await self._counted(self._watching, context, watch)

        return bounded

    def _forget_watch(self, address: str) -> None:
        self._watches[address] -= 1
        if not self._watches[address]:
            del self._watches[address]

    def _stream(self, answers: Callable[[Any, Context], AsyncIterator[Any]], parse: Parse) -> Answer:
        async def bounded(_: object, context: Context) -> None:
            async def write_all(place: _Place) -> None:
                async for message in answers(_requests(context, parse, place), context):
                    await self._write(context, message)

            await self._counted(self._calls, context, write_all)

        return bounded

    async def _write(self, context: Context, message: Any) -> None:
        """Raises SlowConsumer."""
        try:
            async with asyncio.timeout(self._answer_s):
                await context.write(message)
        except TimeoutError:
            limit = f"{self._answer_s:g}"
            raise SlowConsumer(f"no message was taken for {limit} s", name="open_answer_s", limit=limit) from None

    async def _counted(self, kind: _Kind, context: Context, work: Callable[[_Place], Awaitable[T]]) -> T | None:
        """Do a call's work in a place that it has until it is done, which is when its answer was taken."""
        place = kind.place(_peer(context))
        if place is None:
            await self._refuse(context, too_many_open(kind.name, kind.limit, kind.what))
            return None
        _when_done(context, place.give_back)
        try:
            if self.says_when_let_in:
                await context.send_initial_metadata(())
            return await work(place)
        except RemitError as error:
            await self._refuse(context, error)
            return None


class _Kind:
    """The places of one kind of call, and the messages that are waited for in them."""

    def __init__(self, reads_max: int, patience_s: float, name: str, limit: int, what: str) -> None:
        self.name = name
        self.limit = limit
        self.what = what
        self.readings = Readings(
            reads_max, patience_s, lambda: too_many_open("reads_max", reads_max, f"messages of {what}")
        )
        self._holdings = HoldingsByAddress(limit)

    @property
    def taken(self) -> int:
        return self._holdings.stats()[0]

    def place(self, peer: str) -> _Place | None:
        """A place for a connection; None where there is none. Who only keeps us waiting makes room: a call from the
        same address, of a connection that holds as much at least, or anybody's where nothing is left for any address.
        So who holds many answers that it does not read ends no probe that has only just come."""
        if self._holdings.take(peer, 1) is not None:
            is_room_made = self._make_room(peer)
            if not is_room_made or self._holdings.take(peer, 1) is not None:
                return None
        return _Place(self.readings, self._holdings, peer)

    def _make_room(self, peer: str) -> bool:
        address, held = address_of(peer), self._holdings.held(peer)
        if self.readings.end_oldest_of_most(
            lambda other: address_of(other) == address and self._holdings.held(other) >= held
        ):
            return True
        return self.taken >= self.limit and self.readings.end_oldest_of_most()


class _Place:
    """One call's, until it is done."""

    def __init__(self, readings: Readings, holdings: HoldingsByAddress, holder: str) -> None:
        self._readings = readings
        self._holdings = holdings
        self._holder = holder
        self._is_held = True

    def give_back(self) -> None:
        if self._is_held:
            self._is_held = False
            self._holdings.give_back(self._holder, 1)

    async def read(self, context: Context) -> Any:
        """The call's next message. Raises TooManyStreams where it did not come in time, and others are waited for."""
        return await self._readings.read(self._holder, context.read(), self.give_back)


async def _only_request(context: Context, parse: Parse, place: _Place) -> Any:
    data = await place.read(context)
    if data is _END:
        raise NotOneRequest("the call ended without a request: the method takes exactly one")
    return _parsed(parse, data)


async def _requests(context: Context, parse: Parse, place: _Place) -> AsyncIterator[Any]:
    while (data := await place.read(context)) is not _END:
        yield _parsed(parse, data)


def _peer(context: Context) -> str:
    return peer_of(context.peer(), tuple(context.invocation_metadata() or ()))


def _when_done(context: Context, then: Callable[[], object]) -> None:
    # The stubs ask for a class; any callable does.
    context.add_done_callback(lambda _: then())  # type: ignore[arg-type]


def _parsed(parse: Parse, data: bytes) -> Any:
    if len(data) > MESSAGE_BYTES_MAX:
        raise message_too_long(len(data))
    try:
        return parse(data)
    except DecodeError as error:
        raise MalformedRequest("the request is not a message of this method: its bytes are damaged") from error
