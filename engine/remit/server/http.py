"""The HTTP edge: is the process alive, is it ready, which version is it. More verbs come here later.

It runs on the gRPC server's event loop and so answers exactly as long as that does.
Law: it tells nothing about any store."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import remit
from remit.server.listen import Address, listening_socket
from remit.server.tls import Certificates

_STOP_GRACE_S = 2


def http_app(is_ready: Callable[[], bool]) -> Starlette:
    """The routes. `is_ready` says whether questions are answered now."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        return PlainTextResponse("ready\n") if is_ready() else PlainTextResponse("draining\n", status_code=503)

    async def version(_: Request) -> Response:
        return Response(
            json.dumps({"name": "remit", "version": remit.__version__}) + "\n", media_type="application/json"
        )

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/version", version)])


class HttpServer:
    """The app on one address, from `start` to `stop`, on the running event loop."""

    def __init__(self, app: Starlette, certificates: Certificates | None = None) -> None:
        tls = None if certificates is None else certificates.http_context()
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=256,
            timeout_graceful_shutdown=_STOP_GRACE_S,
            ssl_context_factory=None if tls is None else lambda *_: tls,
        )
        self._server = _Uvicorn(config)
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
    """uvicorn without its signal handlers: when to stop is the process' decision, see `app`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
