"""From the bytes of a request to the bytes of its answer, by the row of its verb.

Law: whatever bytes come in, the outcome is bytes or a RemitError; only a defect of ours raises anything else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Protocol

from google.protobuf.message import DecodeError, Message

from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import MalformedRequest
from remit.interrupt import Interrupt
from remit.server.call import LIGHT_BYTES_MAX, Call
from remit.server.rights import require_store
from remit.server.streams import Stream
from remit.server.verb import Queue, Verb

_PARSED_AT_ONCE_BYTES = 64 * 1024  # some 0.1 ms; more is a thread's work


class Codec(Protocol):
    """How a unary call is written on its way: what was sent becomes the bytes of a message, and an answer what is to be
    sent. Whatever is judged of a request is judged of those bytes, so it is the same over every transport."""

    def request(self, verb: Verb[Any], data: bytes, limits: Limits) -> bytes:
        """Raises RemitError."""

    def answer(self, response: Message, limits: Limits | None, interrupt: Interrupt) -> bytes:
        """Where there are limits, raises AnswerTooLarge, and what the interrupt raises. Where there are none it is to
        be told whatever its size, and nothing ends it: what was written is told however much there is to tell.
        Refused, it would look as if nothing had happened."""


class _Protobuf:
    """As it is."""

    def request(self, verb: Verb[Any], data: bytes, limits: Limits) -> bytes:
        return data

    def answer(self, response: Message, limits: Limits | None, interrupt: Interrupt) -> bytes:
        return response.SerializeToString() if limits is None else _serialized(response, limits)


PROTOBUF: Codec = _Protobuf()


def is_heavy(verb: Verb[Any], data: bytes) -> bool:
    """Whether a call is known to be heavy before its request is read."""
    return verb.is_heavy or len(data) > LIGHT_BYTES_MAX


def respond(verb: Verb[Any], engine: Engine, data: bytes, call: Call, codec: Codec = PROTOBUF) -> bytes:
    """Of a unary call, on a thread. Raises RemitError, and TooHeavy where the call is heavy from now on and is to begin
    again."""
    call.begin()
    call.interrupt()
    sent = codec.request(verb, data, engine.limits)
    call.request = request = _parsed(verb, sent, engine.limits)
    require_store(verb.about, request, call)
    verb.sizes.require(request, engine.limits, len(sent))
    response: Message = verb.handler(engine, request, call)
    is_done = verb.queue is Queue.WRITES
    answer = codec.answer(response, None if is_done else engine.limits, call.interrupt)
    call.response = response
    return answer


async def respond_each(
    verb: Verb[Any], engine: Engine, frames: AsyncIterator[bytes], stream: Stream
) -> AsyncGenerator[bytes, None]:
    """Of a streaming call, on the event loop. Raises RemitError. Close it."""
    requests = _requests(verb, frames, stream, engine.limits)
    async with contextlib.aclosing(verb.handler(engine, requests, stream)) as messages:
        async for message in messages:
            yield message if isinstance(message, bytes) else _serialized(message, engine.limits)


async def _requests(
    verb: Verb[Any], frames: AsyncIterator[bytes], stream: Stream, limits: Limits
) -> AsyncGenerator[Message, None]:
    is_first = True
    async for data in frames:
        if len(data) <= _PARSED_AT_ONCE_BYTES:
            request = _read(verb, data, limits)
        else:
            request = await stream.run_heavy(Queue.WRITES, _read, verb, data, limits)
        if is_first:
            stream.call.request = request
            require_store(verb.about, request, stream.call)
            is_first = False
        yield request


def _read(verb: Verb[Any], data: bytes, limits: Limits) -> Message:
    """A message of a stream, of which nothing is too much."""
    request = _parsed(verb, data, limits)
    verb.sizes.require(request, limits, len(data))
    return request


def _parsed(verb: Verb[Any], data: bytes, limits: Limits) -> Message:
    limits.require_request(len(data))
    try:
        verb.sizes.require_sent(verb.request, data, limits)
        return verb.request.FromString(data)
    except DecodeError as error:
        name = verb.request.DESCRIPTOR.full_name
        raise MalformedRequest(f"the request is not a `{name}`: {_fault(error)}") from error


def _fault(error: DecodeError) -> str:
    """What protobuf found wrong, for people. Its own words name its own parts."""
    text = str(error)
    if "UTF-8" in text:
        return "a string in it is not UTF-8"
    if "MaxDepth" in text:
        return "its messages nest deeper than 100 levels"
    return "its bytes are damaged, or are another message"


def _serialized(response: Message, limits: Limits) -> bytes:
    data = response.SerializeToString()
    limits.require_response(len(data))
    return data
