"""The gRPC server: grpc.aio takes bytes in and gives bytes out, threads do the work in between.

The event loop only counts, hands over and waits, so that a check of a second never delays the health of the server;
what is too much is refused before anything is spent on it. A deadline or a caller who leaves reaches the evaluation
through its Call.
Law: every request ends in an answer or in a status with a reason; nothing of an unexpected failure leaves the process
but the id under which the log tells more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from remit.access.keyring import KeyRing
from remit.engine.facade import Engine
from remit.engine.limits import Limits
from remit.errors import NotOneRequest, RemitError, SlowConsumer, UnknownMethod
from remit.graph import native
from remit.server.call import Call, Metadata, call_of, new_request_id
from remit.server.commit_notifier import Bell
from remit.server.error_mapping import ending_of, without_frames
from remit.server.frontend.frontend import FrontDoor, may_answer, peer_of, shared
from remit.server.grpc.grpc_compat import accepting_server, add_any_other, add_methods
from remit.server.grpc.open_methods import OpenMethods
from remit.server.limits.fair_quota import Held, Shares
from remit.server.limits.rates import Rates
from remit.server.limits.serve_limits import DEFAULT_LIMITS, ServeLimits
from remit.server.limits.work_queue import Lane
from remit.server.net.listen import Address, listening_socket, probe
from remit.server.net.tls import Certificates
from remit.server.rights import Gate
from remit.server.run.sandboxes import Sandboxes
from remit.server.streams import Stream, Streams
from remit.server.telemetry.metrics import UNKNOWN, LaneStanding, Standing
from remit.server.telemetry.telemetry import Telemetry
from remit.server.verbs import SERVICES, STREAMS, UNARY, StreamVerb, Verb
from remit.wire.status import encode_status

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0  # how long a revoked key may still be believed
_IDLE_LOOK_S = 0.01  # while draining, whether the front door's threads are done
_ABORT_S = 1.0  # for an error to be taken by a stream's reader
_SMALL_BYTES = 4 * 1024  # answers that are not counted: a call of its own weighs more, and those are bounded
_CLOSE_S = 2.0  # for the front door's callers to take what was said to them last
_CANCELLED_GRACE_S = 5.0  # for evaluations told to stop, which look up every millisecond or so


class GrpcServer:
    """One server on one address, from `start` to `stop`. All methods but `serving` belong to one event loop."""

    def __init__(
        self,
        engine: Engine,
        limits: ServeLimits = DEFAULT_LIMITS,
        *,
        keys: KeyRing | None = None,
        certificates: Certificates | None = None,
        telemetry: Telemetry | None = None,
        sandboxes: Sandboxes | None = None,
        front_door: bool = False,
    ) -> None:
        """`keys` None: every caller holds every right. `certificates` None: unencrypted. See `listen` for both.
        `sandboxes`: who asks is answered from one of them, and never from the engine. `front_door`: the core listens,
        and this server behind it; see `front_door.is_wanted`."""
        self._engine = engine
        self._sandboxes = sandboxes
        self._limits = limits
        self.telemetry = telemetry or Telemetry()
        self._gate = Gate(keys)
        self._certificates = certificates
        self._looking: asyncio.Task[None] | None = None
        self._look_now = asyncio.Event()
        self._one_look = asyncio.Lock()
        # What callers take of, they share, whichever way they come.
        held = shared if front_door else Held
        reads, writes, unsent = limits.reads_in_flight_max, limits.writes_in_flight_max, limits.unsent_bytes_max
        self.reading = Lane("reads", threads=limits.readers, in_flight_max=reads, held=held(reads))
        self.writing = Lane("writes", threads=limits.writers, in_flight_max=writes, held=held(writes))
        # Twice as many places as streams, each of which takes one at most: who is let in is not refused later.
        self.streaming = Lane("streams", threads=limits.stream_threads, in_flight_max=2 * limits.streams_max)
        self.unsent = Shares(
            "unsent_bytes_max", unsent, "bytes of answers that wait for their readers", held=held(unsent)
        )
        self.front_door: FrontDoor | None = None
        if front_door:
            self.front_door = FrontDoor(
                engine.clock,
                engine.limits,
                limits,
                core=engine.core,
                ring=keys,
                certificates=certificates,
            )
        self.rates = Rates(limits.rate_per_key)
        self.streams = Streams(streams_max=limits.streams_max, per_key_max=limits.streams_per_key_max)
        self._bell: Bell | None = None
        self._listening: list[Callable[[], None]] = []  # what ends our listening to the engine
        self._under_way: dict[int, Call] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # unknown to the stubs
        self._server: aio.Server | None = None
        self._noticing: asyncio.Task[None] | None = None
        self.serving = False
        self.ended = asyncio.Event()  # gRPC gave up by itself: nothing will be served here any more

    async def start(self, address: Address) -> Address:
        """Listen and serve; the address with the port that was bound. Raises AddressRefused."""
        probe(address)
        server = accepting_server(_options(self._engine.limits, self._limits), _calls_max(self._limits))
        for service in SERVICES:
            methods = {verb.method: self._unary(verb) for verb in UNARY if verb.service == service}
            methods |= {verb.method: self._stream(verb) for verb in STREAMS if verb.service == service}
            add_methods(server, service, methods)
        self.open_methods = OpenMethods(server, lambda context, error: _abort(context, error, new_request_id()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.open_methods)
        named = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflecting = reflection.aio.ReflectionServicer(named)  # type: ignore[attr-defined]  # unknown to the stubs
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflecting, self.open_methods)
        add_any_other(server, _unknown_method(self.telemetry))
        if self.front_door is not None:
            server.add_insecure_port(self.front_door.upstream())
        else:
            address = self._listen(server, address)
        self._bell = Bell()
        self._listen_to(self._engine)
        if self._sandboxes is not None:
            self._sandboxes.on_new(self._listen_to)
        await server.start()
        self._looking = asyncio.create_task(self._look_at_files_now_and_then())
        for service in ("", *SERVICES):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._server = server
        self.serving = True
        self._noticing = asyncio.create_task(self._notice_end(server))
        if self.front_door is not None:
            is_native = may_answer(self.telemetry, self._limits, is_testing=self._sandboxes is not None)
            proxied_max = _calls_max(self._limits) - 256
            address = self.front_door.open(
                address,
                self._admit,
                self.telemetry,
                reads=self.reading.places,
                writes=self.writing.places,
                unsent=self.unsent,
                is_native=is_native,
                proxied_max=proxied_max,
            )
        return address

    def _listen_to(self, engine: Engine) -> None:
        assert self._bell is not None, "the bell hangs before anybody rings it"
        self._listening.append(engine.on_change(self._bell.ring))
        self._listening.append(engine.on_commit(self.telemetry.metrics.commit))

    async def _notice_end(self, server: aio.Server) -> None:
        """Where what accepts calls has failed, the port is closed, and only whoever runs the process can help."""
        failure: Exception | None = None
        try:
            await server.wait_for_termination()
        except Exception as error:  # noqa: BLE001  # whatever it was that gRPC failed at
            failure = error
        if self.serving:
            self.serving = False
            self.ended.set()
            log.critical("gRPC ended by itself", exc_info=failure)

    def _listen(self, server: aio.Server, address: Address) -> Address:
        try:
            return Address(address.host, self._add_port(server, address))
        except RuntimeError:
            listening_socket(address).close()  # says why, unless the port was freed in this very moment
            return Address(address.host, self._add_port(server, address))

    def _add_port(self, server: aio.Server, address: Address) -> int:
        if self._certificates is None:
            return server.add_insecure_port(str(address))
        return server.add_secure_port(str(address), self._certificates.grpc_credentials())

    async def stop(self, grace_s: float) -> bool:
        """Take no new requests, let those under way finish, and after the grace period stop them. Whether all
        finished by themselves."""
        if self._server is None:
            if self.front_door is not None:
                self.front_door.close(0)
            return True
        self.serving = False
        if self._looking is not None:
            self._looking.cancel()
        if self.front_door is not None:
            self.front_door.drain()
        stopping = asyncio.create_task(self._server.stop(grace_s + _CANCELLED_GRACE_S))
        # It begins to close the port before anybody hears that nothing is served: who hears it, and asks, was let in or
        # cut off where it was the other way about.
        await asyncio.sleep(0)
        await self._health.enter_graceful_shutdown()
        self.streams.drain()
        finished = await self._became_idle(grace_s)
        if not finished:
            log.warning("grace period over", extra={"under_way": len(self._calls())})
            self.hurry()
            await self._became_idle(_CANCELLED_GRACE_S)
        # What is left now are health watchers, who would stay for ever.
        await self._server.stop(None)
        await stopping
        if self.front_door is not None:
            await asyncio.to_thread(self.front_door.close, _CLOSE_S)
        for end_listening in self._listening:
            end_listening()
        if self._noticing is not None:
            await self._noticing
        lanes = (self.reading, self.writing, self.streaming)
        await asyncio.gather(*(asyncio.to_thread(lane.close) for lane in lanes))
        return finished

    def hurry(self) -> None:
        """Tell everything under way to stop now. A write that is on its way to the disk still gets there."""
        for call in self._calls():
            call.cancel()

    def _calls(self) -> list[Call]:
        """All that are under way, whichever way they came."""
        handed = self.front_door.calls() if self.front_door is not None else []
        return [*self._under_way.values(), *handed]

    # --- for whoever watches ------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """Why the server is not ready; empty where it is."""
        standing = self._engine.standing()
        not_serving = "ended" if self.ended.is_set() else "draining" if self._server is not None else "starting"
        return [
            *([] if self.serving else [not_serving]),
            *([standing.problem] if standing.problem else []),
        ]

    def metrics(self, headers: Sequence[tuple[str, str]], *, is_open: bool) -> bytes:
        """All numbers, in Prometheus' format; of the stores that the caller sees, or of all where `is_open`. `headers`
        show the caller's key. Raises Unauthenticated, RightMissing."""
        call = Call()
        if not is_open:
            self._gate.admit("/metrics", headers, call)
        return self.telemetry.metrics.text(self._standing(), call.sees)

    def _standing(self) -> Standing:
        engine, ring = self._engine.standing(), self._gate.ring
        return Standing(
            uptime_s=self.telemetry.uptime_s,
            is_ready=not self.problems(),
            lanes=[
                LaneStanding(lane.name, lane.in_flight, lane.in_flight_max, lane.refused)
                for lane in (self.reading, self.writing, self.streaming)
            ],
            unsent_bytes=self.unsent.taken,
            stores=engine.stores,
            store_bytes=engine.size_bytes,
            writes_waiting=engine.writes_waiting,
            streams=self.telemetry.streams,
            keys=None if ring is None or ring.is_open else ring.count,
            keys_damaged=ring is not None and bool(ring.problem),
            door=self.front_door.standing() if self.front_door is not None else {},
            door_verbs=self.front_door.verbs() if self.front_door is not None else (),
            door_refused=self.front_door.refused() if self.front_door is not None else {},
            caches=native.all_caches(),
        )

    # --- keys and certificates ----------------------------------------------------------------------------------

    async def look_at_files(self) -> None:
        """Read keys and certificates anew if their files have changed, and end the calls of keys that are not valid any
        more, or have expired. One look at a time: of two, both would count the same change."""
        async with self._one_look:
            if self._gate.ring is not None:
                await asyncio.to_thread(self._refresh_keys, self._gate.ring)
            if self._certificates is not None:
                await asyncio.to_thread(self._certificates.refresh)
            if self.front_door is not None:
                self.front_door.refresh()
            for call in self._calls():
                self._gate.end_if_revoked(call)

    def _refresh_keys(self, ring: KeyRing) -> None:
        known_problem = ring.problem
        if ring.refresh() or ring.problem != known_problem:
            self.telemetry.metrics.keys_read(damaged=bool(ring.problem))

    def look_at_files_soon(self) -> None:
        """Do not wait for the next look: for a signal's handler."""
        self._look_now.set()

    async def _look_at_files_now_and_then(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), _LOOK_EVERY_S)
            self._look_now.clear()
            try:
                await self.look_at_files()
            except Exception as error:  # whatever it was, the next look may find what it needs
                log.error("keys and certificates not looked at", exc_info=error)

    async def _became_idle(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
                while self.front_door is not None and (self.reading.in_flight or self.writing.in_flight):
                    await asyncio.sleep(_IDLE_LOOK_S)
        except TimeoutError:
            return False
        return True

    # --- a request ----------------------------------------------------------------------------------------------

    def _unary(self, verb: Verb) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The adapter of one verb. Bytes in and out: parsing belongs to the worker's thread, and its errors to us.

        To gRPC the request is a stream: it would read the one request of any other kind, megabytes perhaps, before it
        asks us, and we could not say first who may send any."""
        lane = self.writing if verb.changes else self.reading

        async def answer(_: AsyncIterator[bytes], context: aio.ServicerContext[bytes, bytes]) -> bytes:
            call = _call(context)
            self._enter(call, context)
            observed = self.telemetry.begin(verb.path, call)
            refusal: RemitError | None = None
            try:
                return await self._answer(verb, lane, call, context)
            except asyncio.CancelledError:
                call.cancel()
                refusal = call.ending()
                raise
            except RemitError as error:
                refusal = without_frames(error)
            except Exception as error:  # noqa: BLE001  # the last line of defence: told in the log, not to the caller
                refusal = ending_of(error, verb.path, call)
            finally:
                observed.end(refusal)
                call.forget_messages()
            return await _abort(context, refusal, call.request_id)

        return grpc.stream_unary_rpc_method_handler(answer)

    async def _answer(self, verb: Verb, lane: Lane, call: Call, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        """Raises RemitError. What is large, the request and the answer, is known to no frame that outlives this."""
        engine = self._admit(verb.path, _metadata(context), call)
        data = await _only_message(context)
        answer = await asyncio.wrap_future(lane.submit(call.sharer, verb.answer, engine, data, call))
        if not verb.changes:  # what was written is told
            self._hold_unsent(call, len(answer))
        return answer

    def _stream(self, verb: StreamVerb) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The adapter of one streaming verb; a stream both ways, the shape that all of them fit into."""

        async def answer(frames: AsyncIterator[bytes], context: aio.ServicerContext[bytes, bytes]) -> None:
            call = _call(context)
            self._enter(call, context)
            assert self._bell is not None, "a server that answers has been started"
            stream = Stream(call, self.streaming, self._bell)
            observed = self.telemetry.begin(verb.path, call, is_stream=True)
            refusal: RemitError | None = None
            try:
                engine = self._admit(verb.path, _metadata(context), call)
                with self.streams.opened(call):
                    # By itself: a first message that is interrupted on its way would leave gRPC in doubt about it.
                    await context.send_initial_metadata(())
                    async with contextlib.aclosing(verb.answers(engine, frames, stream)) as messages:
                        async for data in messages:
                            await self._send(stream, context, data)
                            observed.messages += 1
                return
            except asyncio.CancelledError:
                if call.ended_by is None:
                    call.cancel()
                    refusal = call.ending()
                    raise
                task = asyncio.current_task()
                assert task is not None, "a stream is answered by a task"
                task.uncancel()
                refusal = call.ended_by
            except RemitError as error:
                refusal = without_frames(error)
            except Exception as error:  # noqa: BLE001  # the last line of defence: told in the log, not to the caller
                refusal = ending_of(error, verb.path, call)
            finally:
                observed.end(refusal)
                call.forget_messages()
            refusal.metadata = {**refusal.metadata, **stream.resume}
            # A reader who is stuck gets this once it reads on, and one who has left never; nobody waits for that.
            with contextlib.suppress(TimeoutError, aio.InternalError):
                async with asyncio.timeout(_ABORT_S):
                    await _abort(context, refusal, call.request_id)

        return grpc.stream_stream_rpc_method_handler(answer)

    async def _send(self, stream: Stream, context: aio.ServicerContext[bytes, bytes], data: bytes) -> None:
        """Raises SlowConsumer where the message is not taken in time. It is still on its way then, and arrives before
        the error does, if ever the reader reads on. Raises Overloaded where too much waits for other readers."""
        self._hold_unsent(stream.call, len(data))
        stream.sending()
        limit_s = self._limits.slow_consumer_s
        try:
            async with asyncio.timeout(limit_s):
                await context.write(data)
        except TimeoutError:
            raise SlowConsumer(
                f"no message was taken for {limit_s:g} s: go on from the last one",
                name="slow_consumer_s",
                limit=f"{limit_s:g}",
            ) from None
        self._release_unsent(stream.call)

    def _admit(self, path: str, metadata: Metadata, call: Call) -> Engine:
        """Who calls, and whether it may, and whether it may already again; and the engine that answers. Raises
        Unauthenticated, RightMissing, RateLimited, TooManySandboxes. Safe from many threads."""
        self._gate.admit(path, metadata, call)
        self.rates.take(call.key.id if call.key is not None else "")
        return self._engine if self._sandboxes is None else self._sandboxes.of(metadata)

    def _hold_unsent(self, call: Call, size: int) -> None:
        """Count an answer that is about to be sent, until it is, or nobody is there any more. Raises Overloaded."""
        if size > _SMALL_BYTES:
            self.unsent.take(call.sharer, size)
            call.unsent_bytes += size

    def _release_unsent(self, call: Call) -> None:
        if call.unsent_bytes:
            self.unsent.give_back(call.sharer, call.unsent_bytes)
            call.unsent_bytes = 0

    def _enter(self, call: Call, context: aio.ServicerContext[bytes, bytes]) -> None:
        """Count the call until its last byte is sent, so that a drain does not cut an answer off."""
        self._under_way[id(call)] = call
        self._idle.clear()

        def leave(_: object) -> None:
            self._under_way.pop(id(call), None)
            self._release_unsent(call)
            if not self._under_way:
                self._idle.set()

        context.add_done_callback(leave)  # type: ignore[arg-type]  # the stubs ask for a class; any callable does


def _options(limits: Limits, serve_limits: ServeLimits) -> list[tuple[str, int]]:
    return [
        # Off, or a second process would share the port and answer half of the questions from another store.
        ("grpc.so_reuseport", 0),
        # Twice our own limit, so that what is somewhat too large gets our reason and only what is absurd gets gRPC's.
        ("grpc.max_receive_message_length", 2 * limits.request_bytes_max),
        ("grpc.max_send_message_length", -1),  # `verbs` bounds answers
        ("grpc.max_concurrent_streams", serve_limits.calls_per_connection_max),
        # gRPC cancels new calls at random, without a word, while a thousand wait for the event loop to take them: less
        # than come at once where watchers come back to a server that was restarted.
        ("grpc.server.max_pending_requests", _calls_max(serve_limits)),
        ("grpc.server.max_pending_requests_hard_limit", _calls_max(serve_limits)),
        ("grpc.server_handshake_timeout_ms", int(serve_limits.handshake_s * 1_000)),
        ("grpc.max_connection_idle_ms", int(serve_limits.idle_connection_s * 1_000)),
        # Dead peers are noticed within two and a half minutes; clients may ping every ten seconds, also while idle.
        ("grpc.keepalive_time_ms", 120_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def _calls_max(limits: ServeLimits) -> int:
    """What gRPC itself turns away, without our words: more calls than all lanes and streams together could hold twice,
    which are requests that never arrive, or watchers of health."""
    return 2 * (limits.reads_in_flight_max + limits.writes_in_flight_max + limits.streams_max) + 1_024


def _metadata(context: aio.ServicerContext[bytes, bytes]) -> Metadata:
    return tuple(context.invocation_metadata() or ())


def _call(context: aio.ServicerContext[bytes, bytes]) -> Call:
    sent = _metadata(context)
    return call_of(sent, peer_of(context.peer(), sent), context.time_remaining())


async def _only_message(context: aio.ServicerContext[bytes, bytes]) -> bytes:
    """The one message of a call. Raises NotOneRequest."""
    data = await context.read()
    if not isinstance(data, bytes):
        raise NotOneRequest("the call ended without a request: the method takes exactly one")
    if isinstance(await context.read(), bytes):
        raise NotOneRequest("the call brought a second request: the method takes exactly one")
    return data


async def _abort(context: aio.ServicerContext[bytes, bytes], error: RemitError, request_id: str) -> bytes:
    status = encode_status(error)
    trailers = (("grpc-status-details-bin", status.SerializeToString()), ("x-request-id", request_id))
    await context.abort(_CODES[error.status.value], status.message, trailing_metadata=trailers)
    raise AssertionError("abort does not return")


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _unknown_method(telemetry: Telemetry) -> grpc.RpcMethodHandler[bytes, bytes]:
    """Answers what no other handler knows, with a reason instead of gRPC's bare `Method not found!`. The name that was
    called is not known here: see `accepting`."""

    async def refuse(_: AsyncIterator[bytes], context: aio.ServicerContext[bytes, bytes]) -> None:
        error = UnknownMethod("there is no such method; reflection lists those there are")
        telemetry.metrics.request(UNKNOWN, error.reason, None)
        await _abort(context, error, new_request_id())

    # A stream both ways is the shape every kind of call fits into.
    return grpc.stream_stream_rpc_method_handler(refuse)
