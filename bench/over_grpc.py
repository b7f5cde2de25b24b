"""Questions and writes over gRPC, from one asyncio client that keeps so many requests in flight, and no more.

The loop is closed: the next request is sent when one has come back. So when the server stalls, the requests that would
have met the stall are never sent, and latencies look better than those of callers who come by themselves (coordinated
omission). They compare one server with another under the same loop, and promise nobody a response time.
Law: a client works alike whatever the server: bytes in and out, parsed and compared when the clock has stopped."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import grpc.aio

from bench import echo
from bench.figures import Slice
from bench.in_process import WrongAnswer, wrong
from bench.known_question import KnownQuestion
from bench.processes import Running
from remit.engine.results import Question
from remit.model import Operation, Relationship, Update, Verdict
from remit.v1 import permissions_pb2, relationships_pb2
from remit.wire.facts import encode_object, encode_subject, encode_update
from remit.wire.values import decode_verdict, encode_verdict

CHECK = "/remit.v1.Permissions/Check"
CHECK_MANY = "/remit.v1.Permissions/CheckMany"
WRITE = "/remit.v1.Relationships/Write"

_WARM_CALLS = 50
_SEEN_AT_ONCE = 500  # acknowledged writes asked after in one request

Send = Callable[[bytes], "grpc.aio.UnaryUnaryCall[bytes, bytes]"]


@dataclass(frozen=True, slots=True)
class Load:
    """Requests, sent round and round, and what must be true of the answer to the one with a number.

    `verdicts`: for a client that parses nothing, the byte that each answer must have at `verdict_at`; 0 where any.
    `in_order`: to be sent one after the other, so over one connection."""

    path: str
    requests: Sequence[bytes]
    require: Callable[[int, bytes], None]  # raises WrongAnswer
    verdicts: bytes = b""
    verdict_at: int = 1
    in_order: bool = False


def check_load(questions: Sequence[KnownQuestion]) -> Load:
    requests = [_check_request(each.question).SerializeToString() for each in questions]

    def require(number: int, answer: bytes) -> None:
        verdict = decode_verdict(permissions_pb2.CheckResponse.FromString(answer).verdict)
        if verdict is not questions[number].expected:
            raise wrong(questions[number], verdict)

    # An answer begins with its verdict: the key of field 1, and its value.
    return Load(CHECK, requests, require, bytes(encode_verdict(each.expected) for each in questions))


def check_many_load(bulks: Sequence[Sequence[KnownQuestion]]) -> Load:
    requests = [_check_many_request([each.question for each in bulk]).SerializeToString() for bulk in bulks]

    def require(number: int, answer: bytes) -> None:
        results = permissions_pb2.CheckManyResponse.FromString(answer).results
        for asked, result in zip(bulks[number], results, strict=True):
            verdict = decode_verdict(result.answer.verdict) if result.HasField("answer") else Verdict.NO
            if verdict is not asked.expected:
                raise wrong(asked, verdict)

    return Load(CHECK_MANY, requests, require)


def write_load(facts: Sequence[Relationship]) -> Load:
    """Writes of one relationship each. Sent again they are answered alike but replace what is there, which costs
    otherwise: let there be more than will be sent."""
    requests = [
        relationships_pb2.WriteRequest(updates=[encode_update(Update(Operation.TOUCH, fact))]).SerializeToString()
        for fact in facts
    ]

    def require(number: int, answer: bytes) -> None:
        if not relationships_pb2.WriteResponse.FromString(answer).token:
            raise WrongAnswer(f"`{facts[number].key}` was written, and no revision was told")

    return Load(WRITE, requests, require)


class Client:
    """One channel to Remit, one to the echo server, in turn under the same load."""

    def __init__(self, remit: Running, echoing: Running) -> None:
        options = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
        self._remit, self._echoing = remit, echoing
        self._to_remit = grpc.aio.insecure_channel(remit.address, options=options)
        self._to_echo = grpc.aio.insecure_channel(echoing.address, options=options)

    async def close(self) -> None:
        await self._to_remit.close(None)
        await self._to_echo.close(None)

    async def compare(
        self, load: Load, *, in_flight: int, seconds: float, slices: int
    ) -> tuple[list[Slice], list[Slice], list[int]]:
        """Slices of Remit's and of the echo's, taken in turn so that a noisy neighbour disturbs both, and the numbers
        of the requests that were answered."""
        send = _method(self._to_remit, load.path)
        answer = await send(load.requests[0])
        load.require(0, answer)
        echoed = _method(self._to_echo, echo.path(len(answer)))
        for warm in (send, echoed):
            for number in range(_WARM_CALLS):
                await warm(load.requests[number % len(load.requests)])
        ours: list[Slice] = []
        theirs: list[Slice] = []
        answered: list[int] = []
        numbers = count(_WARM_CALLS)
        for _ in range(slices):
            part, answers = await _closed_loop(send, self._remit, load.requests, numbers, in_flight, seconds / slices)
            for number, data in answers:
                load.require(number, data)
                answered.append(number)
            ours.append(part)
            part, _ = await _closed_loop(echoed, self._echoing, load.requests, count(), in_flight, seconds / slices)
            theirs.append(part)
        return ours, theirs, answered

    async def require_seen(self, questions: Sequence[Question]) -> None:
        """That the answer to every one is yes. Raises WrongAnswer."""
        send = _method(self._to_remit, CHECK_MANY)
        for start in range(0, len(questions), _SEEN_AT_ONCE):
            part = [KnownQuestion(each, Verdict.YES) for each in questions[start : start + _SEEN_AT_ONCE]]
            load = check_many_load([part])
            load.require(0, await send(load.requests[0]))


def _method(channel: grpc.aio.Channel, path: str) -> Send:
    """Bytes go in and out as they are."""
    return channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)


async def _closed_loop(
    send: Send, server: Running, requests: Sequence[bytes], numbers: count[int], in_flight: int, seconds: float
) -> tuple[Slice, list[tuple[int, bytes]]]:
    """So many tasks, each sending its next request when its last is answered, and at least one."""
    taken = array("Q")
    answers: list[tuple[int, bytes]] = []
    now = time.perf_counter_ns
    cpu_s, begun = server.cpu_s(), now()
    end = begun + int(seconds * 1e9)

    async def ask() -> None:
        while True:
            number = next(numbers) % len(requests)
            before = now()
            answer = await send(requests[number])
            taken.append(now() - before)
            answers.append((number, answer))
            if now() >= end:
                break

    await asyncio.gather(*(ask() for _ in range(in_flight)))
    return Slice(taken, (now() - begun) / 1e9, server.cpu_s() - cpu_s), answers


def _check_request(question: Question) -> permissions_pb2.CheckRequest:
    return permissions_pb2.CheckRequest(
        resource=encode_object(question.resource),
        permission=question.permission,
        subject=encode_subject(question.subject),
    )


def _check_many_request(questions: Sequence[Question]) -> permissions_pb2.CheckManyRequest:
    request = permissions_pb2.CheckManyRequest()
    for question in questions:
        request.items.add(
            resource=encode_object(question.resource),
            permission=question.permission,
            subject=encode_subject(question.subject),
        )
    return request
