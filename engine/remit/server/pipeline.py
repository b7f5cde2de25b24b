"""The one way that every call goes, whatever carried it here, and all that bounds it.

    gate → rate → engine → room to read it → request → queue → answer → room to send it → telemetry

The gate says who calls and whether it may (`rights`), the rate how often; then there is an engine that answers. Only
then is a request waited for, and a place taken in the queue of its verb; a thread turns its bytes into an answer's
(`answering`), which is counted until it is read. What is heavy, by its request or as it turns out, waits for one of the
few threads for that (`limits/thread_pool`), whatever carried it. A failure at any stage becomes a RemitError in one
place (`error_mapping`), and each call is told once, by its outcome, before its caller knows it (`telemetry`).

What arrives on the event loop stands in no queue while its request comes or its answer waits to be taken: it is counted
by who makes it (`CallPlaces`), and a message has its time and its share of the memory for all that come.

A transport only adapts: it makes a Call, brings bytes and sends what it is given. A call that has waited elsewhere for
a thread of its own is answered by `answer`; one that arrives on the event loop by `answer_in_turn`, or as a stream by
`stream`. A check that every call must pass belongs in `admit`.
Law: a call is answered, or ends with a reason; nothing is read before its caller is admitted; what is taken for a call
is given back when it has left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from remit.engine.facade import Engine
from remit.errors import RemitError, SlowConsumer, UnknownMethod
from remit.interrupt import TooHeavy
from remit.server.answering import PROTOBUF, Codec, is_heavy, respond, respond_each
from remit.server.call import Call, Metadata
from remit.server.call_places import CallPlaces
from remit.server.commit_notifier import CommitNotifier
from remit.server.error_mapping import remit_error_of, unexpected
from remit.server.limits.fair_quota import FairQuota, Holdings
from remit.server.limits.rates import Rates
from remit.server.limits.readings import slow_request
from remit.server.limits.serve_limits import ServeLimits, calls_max
from remit.server.limits.thread_pool import HEAVY_PER_CLIENT_MAX, SCHEMA_THREADS, ThreadPool, stopping
from remit.server.limits.work_queue import WorkQueue
from remit.server.rights import Gate
from remit.server.streams import Stream, Streams
from remit.server.telemetry.metrics import UNKNOWN
from remit.server.telemetry.telemetry import Observed, Telemetry
from remit.server.verb import Queue, Verb

if TYPE_CHECKING:
    from remit import _core

SMALL_BYTES = 4 * 1024  # messages that are not counted: a call of its own weighs more, and those are bounded

Outcome = bytes | RemitError
"""An answer, or why there is none."""


class StreamTransport(Protocol):
    """What carries a stream: the messages that come, and where to send others."""

    @property
    def frames(self) -> AsyncIterator[bytes]: ...

    async def open(self) -> None:
        """The call was admitted: messages follow, perhaps much later."""

    async def send(self, data: bytes) -> None:
        """Returns once the message is on its way."""


class Pipeline:
    """The pipeline of one server. Made on the event loop, to which `answer_in_turn`, `stream`, `hurry` and `close`
    belong; all else is safe from many threads."""

    def __init__(
        self,
        engine_of: Callable[[Metadata], Engine],
        gate: Gate,
        telemetry: Telemetry,
        limits: ServeLimits,
        holdings: Callable[[int], Holdings | _core.Holdings] = Holdings,
    ) -> None:
        """`engine_of`: which engine answers a call with that metadata; it raises RemitError where none does.
        `holdings` makes what clients of all transports take of, each up to its limit."""
        self._engine_of = engine_of
        self.gate = gate
        self.telemetry = telemetry
        self.rates = Rates(limits.rate_per_key)
        reads, writes, unsent = limits.reads_in_flight_max, limits.writes_in_flight_max, limits.unsent_bytes_max
        heavy = partial(ThreadPool, per_client_max=HEAVY_PER_CLIENT_MAX)
        self.heavy_reads = heavy("heavy reads", threads=limits.heavy_readers)
        self.heavy_writes = heavy("heavy writes", threads=limits.heavy_writers)
        self._heavy = {Queue.READS: self.heavy_reads, Queue.WRITES: self.heavy_writes}
        self.reads = WorkQueue(
            "reads",
            threads=limits.readers,
            heavy=self.heavy_reads,
            in_flight_max=reads,
            holdings=holdings(reads),
        )
        self.writes = WorkQueue(
            "writes",
            threads=limits.writers,
            heavy=self.heavy_writes,
            in_flight_max=writes,
            holdings=holdings(writes),
            stands_aside=False,
        )
        # To compile a schema takes seconds, and a caller has one compiled at a time (`engine/one_at_a_time.py`): on a
        # thread of the others' pools, the second of a caller would sleep there, and keep everybody else from it.
        self.schemas = ThreadPool("schemas", threads=SCHEMA_THREADS, per_client_max=1)
        # Twice as many places as streams, each of which takes one at most: who is let in is not refused later.
        self.stream_steps = WorkQueue("streams", threads=limits.stream_threads, in_flight_max=2 * limits.streams_max)
        self.unsent = FairQuota(
            "unsent_bytes_max", unsent, "bytes of answers that wait for their readers", holdings(unsent)
        )
        self.unanswered = FairQuota(
            "unanswered_bytes_max", limits.unanswered_bytes_max, "bytes of requests that are not answered yet"
        )
        self.remembered = FairQuota(
            "remembered_bytes_max", limits.remembered_bytes_max, "bytes that streams keep from step to step"
        )
        self.places = CallPlaces(calls_max(limits))
        self.streams = Streams(streams_max=limits.streams_max, per_key_max=limits.streams_per_key_max)
        self.notifier = CommitNotifier()
        self._default_deadline_s = limits.default_deadline_s
        self._slow_consumer_s = limits.slow_consumer_s
        self._request_s = limits.request_s
        self._under_way: dict[int, Call] = {}
        self._reading: dict[int, asyncio.Timeout] = {}  # calls whose request is waited for, on the event loop
        self._queued: dict[int, tuple[Call, Future[bytes]]] = {}  # calls that wait for a thread, or are on one
        self._is_hurried = False

    # --- the ways through ---------------------------------------------------------------------------------------

    def answer(
        self,
        verb: Verb[Any],
        metadata: Metadata,
        call: Call,
        data: bytes,
        make_room: Callable[[int], tuple[int, int] | None],
        reply: Callable[[Outcome], None],
    ) -> None:
        """A call whose request is whole, and which has a place in its queue, on a thread that it has waited for.
        `make_room` takes of `unsent` for an answer of so many bytes: None, or where there is not enough, what the
        client holds and what is left. `reply` is given the outcome, once: on this thread, or later on one of those for
        what is heavy."""
        try:
            observed = self.telemetry.begin(verb, call)
        except Exception as error:  # noqa: BLE001  # of what looks on, such as a tracer: it costs a call, and no thread
            reply(verb.told(unexpected(error, verb.path, call)))
            return

        def work() -> bytes:
            answer = respond(verb, engine, data, call)
            # What was written is told, and not called refused for want of room.
            if verb.queue is Queue.READS and (refused := make_room(len(answer))):
                raise self.unsent.refusal(*refused, len(answer))
            return answer

        def end(outcome: Outcome) -> None:
            self._under_way.pop(id(call), None)
            try:
                outcome = _told(verb, observed, call, outcome)
            except Exception as error:  # noqa: BLE001  # of what looks on, as above
                outcome = verb.told(unexpected(error, verb.path, call))
            reply(outcome)

        def answered(future: Future[bytes]) -> None:
            error = future.exception()
            end(future.result() if error is None else remit_error_of(error, verb.path, call))

        outcome: Outcome | None = None
        try:
            engine = self.admit(verb, metadata, call)
            call.require_deadline(self._default_deadline_s)
            # Only now is its key known: before, a look at the keys would take it for the call of a key that is gone.
            self._under_way[id(call)] = call
            self.gate.end_if_revoked(call)  # by a look that came in between
            call.is_heavy = is_heavy(verb, data)
            with contextlib.suppress(TooHeavy):
                outcome = None if call.is_heavy else work()
            if outcome is None:
                future = self._heavy_pool(verb).submit(call.client_id, work)
                self._note_queued(call, future)
                future.add_done_callback(answered)
                return
        except Exception as error:  # noqa: BLE001  # the last line of defence: told in the log, not to the caller
            outcome = remit_error_of(error, verb.path, call)
        end(outcome)

    async def answer_in_turn(
        self,
        verb: Verb[Any],
        metadata: Metadata,
        call: Call,
        read: Callable[[], Awaitable[bytes]],
        codec: Codec = PROTOBUF,
    ) -> Outcome:
        """A call on the event loop, between `enter` and `leave`. Its request is read once it is admitted, and waits for
        a thread. Raises CancelledError where the caller went away."""
        observed = self.telemetry.begin(verb, call)
        outcome: Outcome
        try:
            engine = self._admit_in_turn(verb, metadata, call)
            call.require_deadline(self._default_deadline_s)
            data = await self._read(call, read())
            call.is_heavy = is_heavy(verb, data)
            queue = self._queue(verb)
            pool = self._heavy_pool(verb) if call.is_heavy else queue.light
            future = queue.submit_among(pool, call.client_id, respond, verb, engine, data, call, codec)
            self._note_queued(call, future)
            outcome = await asyncio.wrap_future(future)
            self._release_unanswered(call)
            if queue is self.reads:  # what was written is told
                self._hold_unsent(call, len(outcome))
        except asyncio.CancelledError:
            call.cancel()
            self._give_up_if_ended(call)
            _tell(observed, call, call.ending())
            raise
        except Exception as error:  # noqa: BLE001  # the last line of defence: told in the log, not to the caller
            outcome = remit_error_of(error, verb.path, call)
        return _told(verb, observed, call, outcome)

    async def stream(
        self, verb: Verb[Any], metadata: Metadata, call: Call, transport: StreamTransport
    ) -> RemitError | None:
        """A call of a streaming verb on the event loop, between `enter` and `leave`, until it ends; and why it did,
        where there is anything to say. Raises CancelledError where the caller went away."""
        stream = Stream(call, self.stream_steps, self._heavy, self.schemas, self.notifier, self.remembered)
        observed = self.telemetry.begin(verb, call)
        ending: RemitError | None = None
        try:
            engine = self._admit_in_turn(verb, metadata, call)
            with self.streams.opened(call):
                await transport.open()
                frames = self._read_each(call, transport.frames)
                async with contextlib.aclosing(respond_each(verb, engine, frames, stream)) as messages:
                    async for data in messages:
                        await self._send(stream, transport, data)
                        observed.messages += 1
        except asyncio.CancelledError:
            if call.ended_by is None:
                call.cancel()
                _tell(observed, call, call.ending())
                raise
            task = asyncio.current_task()
            assert task is not None, "a stream is answered by a task"
            task.uncancel()
            ending = call.ended_by
        except Exception as error:  # noqa: BLE001  # the last line of defence: told in the log, not to the caller
            ending = remit_error_of(error, verb.path, call)
        finally:
            stream.forget()
        _tell(observed, call, ending)
        if ending is None:
            return None
        return _resumable(verb.told(ending), stream.resume)

    def unknown_method(self) -> RemitError:
        """What to say to a call of no verb, whose name is the caller's and is not told."""
        error = UnknownMethod("there is no such method; reflection lists those there are")
        self.telemetry.metrics.request(UNKNOWN, error.reason, None)
        return error

    def _queue(self, verb: Verb[Any]) -> WorkQueue:
        return self.writes if verb.queue is Queue.WRITES else self.reads

    def _heavy_pool(self, verb: Verb[Any]) -> ThreadPool:
        return self.schemas if verb.is_heavy else self._heavy[verb.queue]

    # --- stages -------------------------------------------------------------------------------------------------

    def admit(self, verb: Verb[Any], metadata: Metadata, call: Call) -> Engine:
        """Who calls, and whether it may, and whether it may already again; and the engine that answers. Raises
        Unauthenticated, RightMissing, RateLimited, TooManySandboxes, and StoreUnavailable once all are to stop."""
        if self._is_hurried:
            raise stopping()
        self.gate.admit(verb.method, verb.right, metadata, call)
        self.rates.take(call.key.id if call.key is not None else "")
        return self._engine_of(metadata)

    def _admit_in_turn(self, verb: Verb[Any], metadata: Metadata, call: Call) -> Engine:
        """The same for a call on the event loop, which is counted from now until it leaves. Raises Overloaded too."""
        self.places.arrive(call)
        engine = self.admit(verb, metadata, call)
        self.places.admit(call)
        return engine

    async def _read(self, call: Call, message: Awaitable[bytes]) -> bytes:
        """A message of a call, counted until the call leaves. Raises SlowRequest, Overloaded, and where the call was
        told to stop, why."""
        try:
            async with asyncio.timeout(self._request_s) as waiting:
                self._reading[id(call)] = waiting
                data = await message
        except TimeoutError:
            if call.cancelled:
                raise call.ending() from None
            raise slow_request(self._request_s) from None
        finally:
            self._reading.pop(id(call), None)
        self.hold_unanswered(call, len(data))
        return data

    async def _read_each(self, call: Call, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The messages of a stream. The first is waited for as that of any call is; a stream may rest after it."""
        with contextlib.suppress(StopAsyncIteration):
            yield await self._read(call, anext(frames))
            while True:
                data = await anext(frames)
                self.hold_unanswered(call, len(data))
                yield data

    def hold_unanswered(self, call: Call, size: int) -> None:
        """Count a message, of a stream the largest so far: one is worked on at a time. Raises Overloaded."""
        if size > max(SMALL_BYTES, call.unanswered_bytes):
            self._release_unanswered(call)
            self.unanswered.take(call.client_id, size)
            call.unanswered_bytes = size

    def _release_unanswered(self, call: Call) -> None:
        if call.unanswered_bytes:
            self.unanswered.give_back(call.client_id, call.unanswered_bytes)
            call.unanswered_bytes = 0

    async def _send(self, stream: Stream, transport: StreamTransport, data: bytes) -> None:
        """Raises SlowConsumer where the message is not taken in time. It is still on its way then, and arrives before
        the error does, if ever the reader reads on. Raises Overloaded where too much waits for other readers."""
        self._hold_unsent(stream.call, len(data))
        stream.sending()
        limit_s = self._slow_consumer_s
        try:
            async with asyncio.timeout(limit_s):
                await transport.send(data)
        except TimeoutError:
            raise SlowConsumer(
                f"no message was taken for {limit_s:g} s: go on from the last one",
                name="slow_consumer_s",
                limit=f"{limit_s:g}",
            ) from None
        self._release_unsent(stream.call)

    def _hold_unsent(self, call: Call, size: int) -> None:
        """Count an answer that is about to be sent, until it is, or nobody is there any more. Raises Overloaded."""
        if size > SMALL_BYTES:
            self.unsent.take(call.client_id, size)
            call.unsent_bytes += size

    def _release_unsent(self, call: Call) -> None:
        if call.unsent_bytes:
            self.unsent.give_back(call.client_id, call.unsent_bytes)
            call.unsent_bytes = 0

    # --- calls under way ----------------------------------------------------------------------------------------

    def enter(self, call: Call) -> None:
        """Count a call until it leaves, so that a drain does not cut its answer off."""
        self._under_way[id(call)] = call

    def leave(self, call: Call) -> None:
        """Its last byte is sent, or nobody waits for it."""
        self._under_way.pop(id(call), None)
        self.places.leave(call)
        self._release_unanswered(call)
        self._release_unsent(call)

    def calls(self) -> list[Call]:
        """All that are under way, whichever way they came."""
        return list(self._under_way.values())

    @property
    def queues(self) -> tuple[WorkQueue, WorkQueue, WorkQueue]:
        return self.reads, self.writes, self.stream_steps

    @property
    def _pools(self) -> tuple[ThreadPool, ...]:
        """Those that are no queue's own."""
        return self.heavy_reads, self.heavy_writes, self.schemas

    def end_revoked(self) -> None:
        """End the calls of keys that are not valid any more, or have expired."""
        for call in self.calls():
            self.gate.end_if_revoked(call)

    def give_up_ended(self) -> None:
        """Answer what waits for a thread and has ended: its deadline passed, its caller is gone, or its key. It would
        keep its place until its turn came. What is on a thread finds out by itself."""
        for call, _ in list(self._queued.values()):
            self._give_up_if_ended(call)

    def _give_up_if_ended(self, call: Call) -> None:
        if (queued := self._queued.get(id(call))) is None:
            return
        try:
            call.interrupt()
        except RemitError as error:
            for pool in (self.reads.light, self.writes.light, *self._pools):
                pool.give_up(call.client_id, queued[1], error)

    def _note_queued(self, call: Call, future: Future[bytes]) -> None:
        self._queued[id(call)] = call, future
        future.add_done_callback(lambda _: self._queued.pop(id(call), None))

    def hurry(self) -> None:
        """Tell everything under way to stop now, and let in nothing more: a connection that was there before the drain
        may bring calls for as long as it is open, and whoever closes the pools would wait for those as well. A write
        that is on its way to the disk still gets there."""
        self._is_hurried = True
        for call in self.calls():
            call.cancel()
        for waiting in self._reading.values():
            if not waiting.expired():
                waiting.reschedule(asyncio.get_running_loop().time())
        self.give_up_ended()

    async def close(self) -> None:
        """Wait for what is at work; what still waits for a thread is dropped."""
        closes = [each.close for each in self.queues] + [each.close for each in self._pools]
        await asyncio.gather(*map(asyncio.to_thread, closes))


def _tell(observed: Observed, call: Call, outcome: Outcome | None) -> None:
    """Count the call, and log it, before its caller has the answer: who asks for the metrics next finds it there."""
    observed.end(outcome if isinstance(outcome, RemitError) else None)
    call.forget_messages()


def _told(verb: Verb[Any], observed: Observed, call: Call, outcome: Outcome) -> Outcome:
    """The outcome as its caller is told of it, once it is counted."""
    _tell(observed, call, outcome)
    return _resumable(verb.told(outcome), call.resume) if isinstance(outcome, RemitError) else outcome


def _resumable(error: RemitError, resume: Mapping[str, str]) -> RemitError:
    """Of much that an error says, what comes first is told: where to go on is the first thing to know."""
    if resume:
        error.metadata = {**resume, **error.metadata, **resume}
    return error
