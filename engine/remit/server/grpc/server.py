"""The gRPC server: grpc.aio takes bytes in and gives bytes out, the pipeline does what lies between.

Parsing belongs to a worker's thread, and its errors to us; so the event loop only counts, hands over and waits, and a
check of a second never delays the health of the server.
Law: every request ends in an answer or in a status with a reason."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from remit.engine.limits import Limits
from remit.errors import NotOneRequest, RemitError
from remit.server.call import Call, Metadata, call_of, new_request_id, peer_of
from remit.server.grpc.grpc_compat import accepting_server, add_any_other, add_methods
from remit.server.grpc.health import Health
from remit.server.grpc.open_methods import OpenMethods
from remit.server.limits.open_calls import STRANGERS_MAX
from remit.server.limits.readings import PATIENCE_S, SLOW_READINGS_MAX, Readings, slow_request
from remit.server.limits.serve_limits import ServeLimits, calls_max, received_bytes_max
from remit.server.net.listen import Address, listening_socket
from remit.server.net.tls import Certificates
from remit.server.pipeline import Pipeline
from remit.server.verbs import SERVICES, STREAMING, UNARY, StreamVerb, UnaryVerb
from remit.wire.status import encode_status

log = logging.getLogger(__name__)

Context = aio.ServicerContext[bytes, bytes]

_ABORT_S = 1.0  # for an error to be taken by a stream's reader
_BEING_REFUSED_MAX = 8_192


class GrpcServer:
    """One server of grpc.aio, made and used on one event loop: listening, then from `start` to `close`."""

    def __init__(self, pipeline: Pipeline, limits: Limits, serve_limits: ServeLimits, ended: asyncio.Event) -> None:
        """`ended` is set where gRPC gives up by itself: nothing will be served here any more."""
        self._pipeline = pipeline
        self._ended = ended
        self._server = server = accepting_server(_options(limits, serve_limits), _rpcs_max(serve_limits))
        for service in SERVICES:
            methods = {verb.method: self._unary(verb) for verb in UNARY if verb.service == service}
            methods |= {verb.method: self._stream(verb) for verb in STREAMING if verb.service == service}
            add_methods(server, service, methods)
        self.open_methods = OpenMethods(server, lambda context, error: _abort_soon(context, error, new_request_id()))
        self._readings = Readings(SLOW_READINGS_MAX, PATIENCE_S, lambda: slow_request(PATIENCE_S))
        self.health = Health(("", *SERVICES))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.open_methods)
        named = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflecting = reflection.aio.ReflectionServicer(named)  # type: ignore[attr-defined]  # unknown to the stubs
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflecting, self.open_methods)
        add_any_other(server, self._any_other())
        self._is_behind = False  # a frontend, which waits for the head of an answer before it sends the next call
        self._is_draining = False
        self._stopping: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def listen_behind(self, socket: str) -> None:
        """Listen at a unix socket, `unix:/…`, where only the frontend connects. Call this or `listen`, then `start`."""
        self._server.add_insecure_port(socket)
        self._is_behind = self.open_methods.says_when_let_in = True

    def listen(self, address: Address, certificates: Certificates | None) -> Address:
        """Encrypted where there are certificates. The address with the port that was bound. Raises AddressRefused."""
        try:
            return Address(address.host, self._add_port(address, certificates))
        except RuntimeError:
            listening_socket(address).close()  # says why, unless the port was freed in this very moment
            return Address(address.host, self._add_port(address, certificates))

    def _add_port(self, address: Address, certificates: Certificates | None) -> int:
        if certificates is None:
            return self._server.add_insecure_port(str(address))
        return self._server.add_secure_port(str(address), certificates.grpc_credentials())

    async def start(self) -> None:
        """Take calls, and say so by health."""
        await self._server.start()
        self.health.set_serving(True)
        self._watching = asyncio.create_task(self._watch_for_end())

    async def _watch_for_end(self) -> None:
        """Where what accepts calls has failed, the port is closed, and only whoever runs the process can help."""
        failure: Exception | None = None
        try:
            await self._server.wait_for_termination()
        except Exception as error:  # noqa: BLE001  # whatever it was that gRPC failed at
            failure = error
        if not self._is_draining:
            self._ended.set()
            log.critical("gRPC ended by itself", exc_info=failure)

    def say_not_serving(self) -> None:
        """Let health answer NOT_SERVING while calls are still taken: a load balancer looks every few seconds."""
        self.health.set_serving(False)

    async def drain(self, within_s: float) -> None:
        """Take no new calls, and say so by health; those under way have so long until they are cut off."""
        self._is_draining = True
        self._stopping = asyncio.create_task(self._server.stop(within_s))
        # It begins to close the port before anybody hears that nothing is served: who hears it, and asks, was let in or
        # cut off where it was the other way about.
        await asyncio.sleep(0)
        self.say_not_serving()

    async def close(self) -> None:
        """End what is left after a drain: health watchers, who would stay for ever."""
        await self._server.stop(None)
        for task in (self._stopping, self._watching):
            if task is not None:
                await task

    # --- adapters -----------------------------------------------------------------------------------------------

    def _unary(self, verb: UnaryVerb) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Of one verb. To gRPC the request is a stream: it would read the one request of any other kind, megabytes
        perhaps, before it asks us, and we could not say first who may send any."""

        async def answer(_: AsyncIterator[bytes], context: Context) -> bytes:
            metadata, call = self._arrived(context)
            outcome = await self._pipeline.answer_in_turn(
                verb, metadata, call, lambda: self._only_message(context, call)
            )
            if isinstance(outcome, bytes):
                return outcome
            return await _abort(context, outcome, call.request_id)

        return grpc.stream_unary_rpc_method_handler(answer)

    def _stream(self, verb: StreamVerb) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Of one streaming verb; a stream both ways, the shape that all of them fit into."""

        async def answer(frames: AsyncIterator[bytes], context: Context) -> None:
            metadata, call = self._arrived(context)
            ending = await self._pipeline.stream(verb, metadata, call, _GrpcStream(frames, context))
            if ending is not None:
                await _abort_soon(context, ending, call.request_id)

        return grpc.stream_stream_rpc_method_handler(answer)

    def _any_other(self) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Answers what no other handler knows, with a reason instead of gRPC's bare `Method not found!`. The name that
        was called is not known here: see `grpc_compat`."""

        async def refuse(_: AsyncIterator[bytes], context: Context) -> None:
            call = self._arrived(context)[1]
            error: RemitError = self._pipeline.unknown_method()
            try:
                self._pipeline.places.arrive(call)
            except RemitError as full:
                error = full
            await _abort(context, error, call.request_id)

        # A stream both ways is the shape every kind of call fits into.
        return grpc.stream_stream_rpc_method_handler(refuse)

    async def _only_message(self, context: Context, call: Call) -> bytes:
        """The one message of a call that was admitted. Raises NotOneRequest, SlowRequest."""
        if self._is_behind:
            await context.send_initial_metadata(())
        data = await self._readings.read(call.client_id, context.read())
        if not isinstance(data, bytes):
            raise NotOneRequest("the call ended without a request: the method takes exactly one")
        if isinstance(await self._readings.read(call.client_id, context.read()), bytes):
            raise NotOneRequest("the call brought a second request: the method takes exactly one")
        return data

    def _arrived(self, context: Context) -> tuple[Metadata, Call]:
        """The call of a context, which the pipeline counts until gRPC is done with it."""
        metadata = tuple(context.invocation_metadata() or ())
        call = call_of(metadata, peer_of(context.peer(), metadata), context.time_remaining())
        self._pipeline.enter(call)
        # The stubs ask for a class; any callable does.
        context.add_done_callback(lambda _: self._pipeline.leave(call))  # type: ignore[arg-type]
        return metadata, call


class _GrpcStream:
    """A stream of grpc.aio, as the pipeline wants it."""

    def __init__(self, frames: AsyncIterator[bytes], context: Context) -> None:
        self.frames = frames
        self._context = context

    async def open(self) -> None:
        # By itself: a first message that is interrupted on its way would leave gRPC in doubt about it.
        await self._context.send_initial_metadata(())

    async def send(self, data: bytes) -> None:
        await self._context.write(data)


async def _abort(context: Context, error: RemitError, request_id: str) -> bytes:
    status = encode_status(error)
    trailers = (("grpc-status-details-bin", status.SerializeToString()), ("x-request-id", request_id))
    await context.abort(_CODES[error.status.value], status.message, trailing_metadata=trailers)
    raise AssertionError("abort does not return")


async def _abort_soon(context: Context, error: RemitError, request_id: str) -> None:
    """The same of a call whose answer may have begun: a reader who is stuck gets this once it reads on, and one who has
    left never; nobody waits for that."""
    with contextlib.suppress(TimeoutError, aio.InternalError):
        async with asyncio.timeout(_ABORT_S):
            await _abort(context, error, request_id)


_IDENTITY = 1 << 0  # of gRPC's compression algorithms, none

_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _options(limits: Limits, serve_limits: ServeLimits) -> list[tuple[str, int]]:
    return [
        # Off, or a second process would share the port and answer half of the questions from another store.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", received_bytes_max(limits)),
        # Nothing is unpacked, or a few kilobytes of a stranger become megabytes before anybody is asked who sent them.
        # Forty health checks of 16 KiB took 400 MB. The second refuses the call, where the first only leaves it packed.
        ("grpc.per_message_decompression", 0),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY),
        ("grpc.max_send_message_length", -1),  # the pipeline bounds answers
        ("grpc.max_concurrent_streams", serve_limits.calls_per_connection_max),
        # gRPC cancels new calls at random, without a word, while a thousand wait for the event loop to take them: less
        # than come at once where watchers come back to a server that was restarted.
        ("grpc.server.max_pending_requests", _rpcs_max(serve_limits)),
        ("grpc.server.max_pending_requests_hard_limit", _rpcs_max(serve_limits)),
        ("grpc.server_handshake_timeout_ms", int(serve_limits.handshake_s * 1_000)),
        ("grpc.max_connection_idle_ms", int(serve_limits.idle_connection_s * 1_000)),
        # Dead peers are noticed within two and a half minutes; clients may ping every ten seconds, also while idle.
        ("grpc.keepalive_time_ms", 120_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def _rpcs_max(limits: ServeLimits) -> int:
    """What gRPC itself turns away, without our words and whoever it is: more than we count, by as many as may be told
    so at the same time."""
    return calls_max(limits) + STRANGERS_MAX + _BEING_REFUSED_MAX
