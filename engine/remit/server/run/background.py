"""A server on a thread of its own, for tests, notebooks and programs that bring their engine along.

    with BackgroundServer(engine) as server:
        client = Client(server.endpoint)

Law: when the `with` ends nobody is served any more; the engine stays open, it was not ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from remit.access.keyring import KeyRing
from remit.engine.facade import Engine
from remit.server.frontend.frontend import FrontendChoice, is_wanted
from remit.server.http.server import HttpServer, connection_limits, http_app, json_calls
from remit.server.limits.serve_limits import DEFAULT_LIMITS, ServeLimits
from remit.server.net.listen import Protection, checked_address
from remit.server.net.tls import Certificates
from remit.server.run.sandboxes import Sandboxes
from remit.server.run.server import Server
from remit.server.telemetry.telemetry import Telemetry

T = TypeVar("T")

# A program that brings its engine along asks it directly where that must be fast; the suite runs over both.
FRONTEND = FrontendChoice.OFF


class BackgroundServer:
    """gRPC on `address` and HTTP on `http` where given, with calls in JSON where `http_api`; port 0 chooses one that is
    free."""

    def __init__(
        self,
        engine: Engine,
        address: str = "127.0.0.1:0",
        *,
        http: str | None = None,
        http_api: bool = False,
        limits: ServeLimits = DEFAULT_LIMITS,
        keys: KeyRing | None = None,
        certificates: Certificates | None = None,
        telemetry: Telemetry | None = None,
        sandboxes: Sandboxes | None = None,
        frontend: FrontendChoice | None = None,
    ) -> None:
        """`frontend` None: as `FRONTEND` says."""
        protection = Protection(keyed=keys is not None and not keys.is_open, encrypted=certificates is not None)
        self._engine = engine
        self._address = checked_address(address, protection)
        self._http_address = checked_address(http, protection) if http else None
        self._has_http_api = http_api
        self._keys = keys
        self._certificates = certificates
        self._limits = limits
        self._telemetry = telemetry
        self._sandboxes = sandboxes
        self._has_frontend = is_wanted(frontend or FRONTEND)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="remit-server", daemon=True)
        self._server: Server | None = None
        self._edge: HttpServer | None = None
        self.endpoint = ""
        self.http_endpoint = ""

    def __enter__(self) -> BackgroundServer:
        """Raises AddressRefused."""
        self._thread.start()
        try:
            self._do(self._start())
        except BaseException:
            if self._server is not None:
                self._do(self._stop(grace_s=0.0))
            self._end()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop(grace_s=5.0)

    def stop(self, grace_s: float, delay_s: float = 0.0) -> bool:
        """Drain and stop; whether everything under way could finish. A second call does nothing."""
        if self._loop.is_closed():
            return True
        finished = self._do(self._stop(grace_s, delay_s))
        self._end()
        return finished

    def hurry(self) -> None:
        """Let a stop that is under way wait for nothing any more."""
        self._loop.call_soon_threadsafe(self.server.hurry)

    def look_at_files(self) -> None:
        """Believe the keys and certificates as their files are now, without waiting for the next look."""
        self._do(self.server.look_at_files())

    @property
    def server(self) -> Server:
        assert self._server is not None, "the server has been started"
        return self._server

    async def _start(self) -> None:
        server = self._server = Server(
            self._engine,
            self._limits,
            keys=self._keys,
            certificates=self._certificates,
            telemetry=self._telemetry,
            sandboxes=self._sandboxes,
            frontend=self._has_frontend,
        )
        calls = None
        if self._has_http_api:
            calls = json_calls(server.answering, self._engine.limits, self._limits, self._certificates)
        app = http_app(server.problems, lambda headers: server.metrics(headers, is_open=False), calls)
        self._edge = HttpServer(app, self._certificates, connection_limits(self._limits))
        self.endpoint = str(await self._server.start(self._address))
        if self._http_address is not None:
            scheme = "http" if self._certificates is None else "https"
            self.http_endpoint = f"{scheme}://{await self._edge.start(self._http_address)}"

    async def _stop(self, grace_s: float, delay_s: float = 0.0) -> bool:
        finished = await self.server.stop(grace_s, delay_s)
        if self._edge is not None:
            await self._edge.stop()
        return finished

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
