"""The unary verbs as JSON over HTTP: `POST /remit.v1.Permissions/Check`, and SpiceDB's by the paths of its gateway.

This adapts a request to the pipeline that gRPC's calls go through. What is wrong with its head is told at once; then
come the caller's certificate, key and right, then room for as many bytes as its body says it has, then the body. JSON
is read and written on the thread that answers, or a large body would stop the loop.
Laws: nothing of a body is asked for before its caller may send it and its bytes are counted; who may call here may call
over gRPC, and the other way about; every request ends in an answer or in a problem."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from remit.engine.limits import Limits
from remit.errors import Cancelled, CertificateMissing, RemitError, UnknownMethod
from remit.server.call import call_of
from remit.server.http.answers import Answer, refuse, send_answer
from remit.server.http.connections import CONNECTION, Connection
from remit.server.http.json_codec import JsonCodec
from remit.server.http.paths import STREAMING_AT, UNARY_AT
from remit.server.http.problems import problem
from remit.server.http.request_head import Head, HeadRefused, read_head
from remit.server.limits.fair_semaphore import FairSemaphore, Permit
from remit.server.limits.readings import PATIENCE_S, SLOW_READINGS_MAX, Readings, slow_request
from remit.server.limits.serve_limits import ServeLimits
from remit.server.pipeline import Pipeline
from remit.server.verbs import UnaryVerb

# Let in or refused at once. Each is a millisecond of the loop, which goes through everything that is ready before it
# looks for what is new: with a few hundred, a probe needed four rounds of a third of a second each.
_LET_IN_AT_ONCE = 8
_LATER_S = 1.0  # after a call's own end its connection's, so that its caller hears why

Serving = Callable[[], Pipeline]
"""The pipeline that answers. Raises StoreUnavailable where none does, yet or any more."""


class JsonCalls:
    """Those of one server, on its event loop."""

    def __init__(
        self, serving: Serving, limits: Limits, serve_limits: ServeLimits, *, needs_certificate: bool = False
    ) -> None:
        """`needs_certificate`: gRPC lets in only clients that show one, and so does this."""
        self._serving = serving
        self._limits = limits
        self._serve_limits = serve_limits
        self._needs_certificate = needs_certificate
        self._codec = JsonCodec()
        self._letting_in = FairSemaphore(_LET_IN_AT_ONCE)
        self._readings = Readings(SLOW_READINGS_MAX, PATIENCE_S, lambda: slow_request(PATIENCE_S))

    def app(self, path: bytes) -> ASGIApp | None:
        """What answers at a path, as it was sent; None where that is no verb's."""
        if (verb := UNARY_AT.get(path)) is not None:
            return lambda scope, receive, send: self._answer(verb, scope, receive, send)
        if (stream := STREAMING_AT.get(path)) is not None:
            name = f"{stream.service}/{stream.method}"
            error = UnknownMethod(f"`{name}` is a stream, and served over gRPC only: call it there")
            return lambda scope, receive, send: refuse(
                problem(error, of_spicedb=stream.of_spicedb), scope, receive, send
            )
        return None

    async def _answer(self, verb: UnaryVerb, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"][CONNECTION]
        permit = await self._letting_in.acquire(connection.address)
        try:
            await self._answer_with(permit, verb, connection, scope, receive, send)
        finally:
            permit.release()

    async def _answer_with(
        self, permit: Permit, verb: UnaryVerb, connection: Connection, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """The permit is released once the call is refused, or let in: then it waits for its own caller, or a thread."""
        try:
            pipeline = self._serving()
        except RemitError as error:
            answer = problem(verb.told(error), None, {"connection": "close"}, of_spicedb=verb.of_spicedb)
            permit.release()
            await refuse(answer, scope, receive, send)
            return
        try:
            head = read_head(scope)
            if self._needs_certificate and not connection.has_certificate:
                raise HeadRefused(
                    CertificateMissing("the server lets in only clients that show a certificate: connect with yours")
                )
        except HeadRefused as refused:
            pipeline.telemetry.metrics.request(verb.label, refused.error.reason, None)
            told = verb.told(refused.error)
            answer = problem(told, refused.status, refused.headers, of_spicedb=verb.of_spicedb)
            permit.release()
            await refuse(answer, scope, receive, send)
            return
        await self._exchange(verb, head, pipeline, connection, permit, scope, receive, send)

    async def _exchange(
        self,
        verb: UnaryVerb,
        head: Head,
        pipeline: Pipeline,
        connection: Connection,
        permit: Permit,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        call = call_of(head.metadata, head.peer, head.left_s)
        caller = _Caller(receive)

        async def read() -> bytes:
            """The body of a call that was admitted."""
            permit.release()
            caller.is_known = True
            self._limits.require_json(head.body_bytes)
            pipeline.hold_unanswered(call, head.body_bytes)
            connection.admit(self._serve_limits.request_s + _LATER_S)
            data = await self._readings.read(call.client_id, caller.body())
            assert isinstance(data, bytes), "a body is bytes"
            assert call.deadline_s is not None, "a call that was admitted has a deadline"
            connection.admit(max(0.0, call.deadline_s - time.monotonic()) + _LATER_S)
            caller.cancel_once_gone()
            return data

        pipeline.enter(call)
        try:
            outcome = await pipeline.answer_in_turn(verb, head.metadata, call, read, self._codec)
            caller.may_go()
            if isinstance(outcome, bytes):
                connection.admit(self._serve_limits.slow_consumer_s)
                headers = {"content-type": "application/json", "cache-control": "no-store"}
                await send_answer(Answer(200, headers | {"x-request-id": call.request_id}, outcome), send)
                return
        except asyncio.CancelledError:
            if not caller.is_gone:
                raise
            return
        finally:
            caller.may_go()
            pipeline.leave(call)
        answer = problem(outcome, request_id=call.request_id, of_spicedb=verb.of_spicedb)
        permit.release()
        await refuse(answer, scope, receive, send, is_read=caller.was_heard, is_known=caller.is_known)


class _Caller:
    """Who sent a request and waits for its answer. Made by the task that makes the answer."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._answering = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self.is_known = False  # the call was admitted
        self.was_heard = False  # to the end of the body
        self.is_gone = False

    async def body(self) -> bytes:
        """As many bytes as the head said, which the HTTP parser sees to. Raises Cancelled."""
        parts = []
        while not self.was_heard:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Cancelled("the caller went away before its request was whole")
            parts.append(message.get("body", b""))
            self.was_heard = not message.get("more_body", False)
        return b"".join(parts)

    def cancel_once_gone(self) -> None:
        """From now on, until it may go: the answer is for nobody where its caller has left."""
        self._watching = asyncio.create_task(self._cancel_once_gone())

    def may_go(self) -> None:
        """The end of the answer would look like its caller's leaving."""
        if self._watching is not None:
            self._watching.cancel()

    async def _cancel_once_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        assert self._answering is not None, "a request is answered by a task"
        self._answering.cancel()
