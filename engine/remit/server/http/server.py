"""The HTTP edge: is the process alive, is it ready and if not why; its metrics and version. More verbs come later.

It runs on the gRPC server's event loop and so answers exactly as long as that does.
Law: it tells of a store only to a caller who may see it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import remit
from remit.errors import RemitError, Status
from remit.server.http.connections import Connection, ConnectionLimits, Connections
from remit.server.net.listen import Address, listening_socket
from remit.server.net.tls import Certificates
from remit.server.telemetry.metrics import CONTENT_TYPE

log = logging.getLogger(__name__)

_STOP_GRACE_S = 2

Problems = Callable[[], Sequence[str]]
"""Why questions are not answered now; nothing where they are."""

MetricsText = Callable[[Sequence[tuple[str, str]]], bytes]
"""The metrics a caller with these headers may see. Raises Unauthenticated, RightMissing, StoreUnavailable."""


def http_app(problems: Problems, metrics_text: MetricsText) -> Starlette:
    """The routes."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

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
            return _refused(error)

    async def version(_: Request) -> Response:
        return _json({"name": "remit", "version": remit.__version__})

    routes = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics, "/version": version}
    return Starlette(routes=[Route(path, answer) for path, answer in routes.items()])


_HTTP_STATUS = {Status.UNAUTHENTICATED: 401, Status.PERMISSION_DENIED: 403, Status.UNAVAILABLE: 503}


def _refused(error: RemitError) -> Response:
    body = {"error": {"reason": error.reason, "message": error.message}}
    status = _HTTP_STATUS.get(error.status, 500)
    return _json(body, status, {"WWW-Authenticate": "Bearer"} if status == 401 else {})


def _json(body: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(body) + "\n", status, headers, media_type="application/json")


class HttpServer:
    """The app on one address, from `start` to `stop`, on the running event loop."""

    def __init__(
        self, app: Starlette, certificates: Certificates | None = None, limits: ConnectionLimits | None = None
    ) -> None:
        tls = None if certificates is None else certificates.http_context()
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_GRACE_S,
            ssl_context_factory=None if tls is None else lambda *_: tls,
        )
        self.connections = Connections(limits or ConnectionLimits())
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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None, "what listens is made before"
        loop, config = asyncio.get_running_loop(), self.config
        # Until it has shaken hands, a connection is not known to us: it has as long for that as for a request.
        within_s = None if config.ssl is None else self._connections.limits.request_s
        self.servers = [
            await loop.create_server(
                lambda: Connection(self._connections, config, self.server_state),
                sock=each,
                ssl=config.ssl,
                ssl_handshake_timeout=within_s,
                backlog=config.backlog,
            )
            for each in sockets
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
