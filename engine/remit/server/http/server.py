"""The HTTP edge: is the process alive, is it ready and if not why; its metrics and version; and, where a flag says so,
calls in JSON (`json_calls.py`) and the document that describes them (`openapi.py`).

It runs on the gRPC server's event loop and so answers exactly as long as that does; in the clear a thread of its own
accepts, and answers the simplest of probes as long as the loop goes round (`acceptor.py`).
Law: it tells of a store only to a caller who may see it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import remit
from remit.engine.limits import Limits
from remit.errors import MalformedRequest, RemitError, UnknownMethod
from remit.server.http.acceptor import ALIVE, Acceptor, Arrival
from remit.server.http.answers import Answer, send_answer
from remit.server.http.connections import CONNECTION, Connection, ConnectionLimits, Connections
from remit.server.http.json_calls import JsonCalls, Serving
from remit.server.http.openapi import document_bytes
from remit.server.http.paths import STREAMING_AT, UNARY_AT
from remit.server.http.problems import problem
from remit.server.http.request_head import is_ambiguous, wrong_method
from remit.server.limits.serve_limits import ServeLimits
from remit.server.net.listen import Address, listening_socket
from remit.server.net.tls import Certificates
from remit.server.telemetry.metrics import CONTENT_TYPE

log = logging.getLogger(__name__)

_STOP_GRACE_S = 2
_ACCEPTED_AT_ONCE = 16  # connections in one round of the loop, which others wait for

Problems = Callable[[], Sequence[str]]
"""Why questions are not answered now; nothing where they are."""

MetricsText = Callable[[Sequence[tuple[str, str]]], bytes]
"""The metrics a caller with these headers may see. Raises Unauthenticated, RightMissing, StoreUnavailable."""


def pages(problems: Problems, metrics_text: MetricsText, *, has_calls: bool) -> Starlette:
    """What is asked for with GET."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse(ALIVE)

    async def readyz(_: Request) -> Response:
        found = list(problems())
        return _json({"ready": not found, "why": found}, 503 if found else 200)

    async def metrics(request: Request) -> Response:
        try:
            return Response(metrics_text(request.headers.items()), media_type=CONTENT_TYPE)
        except RemitError as error:
            # Nothing of what was sent stands in it but the address, which is the socket's.
            peer = request.client.host if request.client is not None else ""
            log.warning("metrics refused", extra={"reason": error.reason, "peer": peer})
            return _response(problem(error))

    async def version(_: Request) -> Response:
        return _json({"name": "remit", "version": remit.__version__})

    async def openapi(_: Request) -> Response:
        return Response(document_bytes(), media_type="application/json")

    async def no_such_path(request: Request, _: Exception) -> Response:
        return _response(problem(_no_such_path(request.scope, has_calls=has_calls), 404))

    async def no_such_method(request: Request, error: Exception) -> Response:
        allowed = {"allow": (getattr(error, "headers", None) or {}).get("Allow", "GET")}
        return _response(problem(wrong_method(request.method, "GET"), 405, allowed))

    answers = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics, "/version": version}
    if has_calls:
        answers["/openapi.json"] = openapi
    edge = Starlette(
        routes=[Route(path, answer) for path, answer in answers.items()],
        exception_handlers={404: no_such_path, 405: no_such_method},
    )
    edge.router.redirect_slashes = False
    return edge


def http_app(problems: Problems, metrics_text: MetricsText, calls: JsonCalls | None = None) -> ASGIApp:
    """`calls` None: none are answered, and whoever makes one is told so."""

    edge = pages(problems, metrics_text, has_calls=calls is not None)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if is_ambiguous(scope):
            error = MalformedRequest("the request says in two ways where its body ends: send `Content-Length` alone")
            await send_answer(problem(error, 400, {"connection": "close"}), send)
            return
        answer = calls.app(scope["raw_path"]) if calls is not None else None
        try:
            await (answer or edge)(scope, receive, send)
        except asyncio.CancelledError:  # the port is closed, and its grace is over
            scope["state"][CONNECTION].give_up()

    return app


def json_calls(
    serving: Serving, limits: Limits, serve_limits: ServeLimits, certificates: Certificates | None
) -> JsonCalls:
    """For a server with these certificates. On its event loop."""
    needs_certificate = certificates is not None and certificates.files.client_authorities is not None
    return JsonCalls(serving, limits, serve_limits, needs_certificate=needs_certificate)


def connection_limits(serve_limits: ServeLimits) -> ConnectionLimits:
    return ConnectionLimits(connections_max=serve_limits.http_connections_max)


def _no_such_path(scope: Scope, *, has_calls: bool) -> UnknownMethod:
    path = scope["raw_path"]
    if not has_calls and (path in UNARY_AT or path in STREAMING_AT):
        return UnknownMethod("calls in JSON are not answered here: start the server with `--http-api`, or use gRPC")
    if has_calls and scope["path"].encode() in UNARY_AT:
        return UnknownMethod("a path is taken as it is, without `%`")
    return UnknownMethod("there is no such path" + ("; `/openapi.json` lists those there are" if has_calls else ""))


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)


def _json(body: Mapping[str, object], status: int = 200) -> Response:
    return Response(json.dumps(body) + "\n", status, media_type="application/json")


class HttpServer:
    """The app on one address, from `start` to `stop`, on the running event loop."""

    def __init__(
        self, app: ASGIApp, certificates: Certificates | None = None, limits: ConnectionLimits | None = None
    ) -> None:
        limits = limits or ConnectionLimits()
        tls = None if certificates is None else certificates.http_context()
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # or a caller on this machine could name another address as its own
            ws="none",
            timeout_keep_alive=math.ceil(limits.rest_s),
            timeout_graceful_shutdown=_STOP_GRACE_S,
            ssl_context_factory=None if tls is None else lambda *_: tls,
        )
        self.connections = Connections(limits)
        self._server = _Uvicorn(config, self.connections)
        self._running: asyncio.Task[None] | None = None

    async def start(self, address: Address) -> Address:
        """Listen; the address with the port that was bound. Raises AddressRefused."""
        listener = listening_socket(address)
        self._running = asyncio.create_task(self._server.serve(sockets=[listener]))
        return Address(address.host, listener.getsockname()[1])

    async def stop(self) -> None:
        if self._running is not None:
            self._server.should_exit = True
            await self._running


class _Uvicorn(uvicorn.Server):
    """uvicorn with connections that are bounded otherwise than by refusing what they ask, and without its signal
    handlers: when to stop is the process' decision, see `app`."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections
        self._acceptor: Acceptor | None = None
        self._taking_over: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None, "what listens is made before"
        (listener,) = sockets
        self.servers = []
        if self.config.ssl is None:
            loop = asyncio.get_running_loop()
            self._acceptor = Acceptor(
                listener,
                self._connections,
                lambda arrivals: loop.call_soon_threadsafe(self._begin_to_take_over, arrivals),
            )
            self._acceptor.start()
        else:
            self.servers.append(await self._listen(listener, self.config.ssl))
        listener.listen(self.config.backlog)  # by which asyncio means two things: the kernel keeps those that wait
        self.started = True

    async def _listen(self, listener: socket.socket, context: ssl.SSLContext) -> asyncio.Server:
        """Until it has shaken hands, a connection is not known to us: it has as long for that as for a request."""
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(self._connections, self.config, self.server_state),
            sock=listener,
            ssl=context,
            ssl_handshake_timeout=self._connections.limits.request_s,
            backlog=_ACCEPTED_AT_ONCE,
        )

    def _begin_to_take_over(self, arrivals: Sequence[Arrival]) -> None:
        self._taking_over = asyncio.create_task(self._take_over(arrivals))

    async def _take_over(self, arrivals: Sequence[Arrival]) -> None:
        assert self._acceptor is not None, "who brings arrivals is there"
        await asyncio.gather(*map(self._serve_arrival, arrivals), return_exceptions=True)  # what has gone has gone
        self._acceptor.took_over()

    async def _serve_arrival(self, arrival: Arrival) -> None:
        def connection() -> Connection:
            return Connection(self._connections, self.config, self.server_state, arrival, arrival.until_s)

        await asyncio.get_running_loop().connect_accepted_socket(connection, arrival.socket)

    async def on_tick(self, counter: int) -> bool:
        if self._acceptor is not None:
            self._acceptor.loop_goes_round()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            await asyncio.to_thread(self._acceptor.stop)
            if self._taking_over is not None:
                await self._taking_over
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
