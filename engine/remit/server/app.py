"""`remit serve`: open the store, listen, say so, and stop in good order when asked to.

SIGTERM or SIGINT begins a drain: nothing new is accepted, what is under way may finish within the grace period, then
the store is closed. A second signal stops what is still under way at once.
Law: whatever way the process ends, what it acknowledged is in the store."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import remit
from remit.clock import SystemClock
from remit.engine import Engine
from remit.server import log as logs
from remit.server.http import HttpServer, http_app
from remit.server.listen import Address, loopback_address
from remit.server.serve import GrpcServer
from remit.store.interface import Store
from remit.store.lmdb_store import LmdbStore
from remit.store.memory import MemoryStore

log = logging.getLogger(__name__)

DEFAULT_GRPC = "127.0.0.1:50051"
GRACE_S = 20.0  # a little less than the half minute orchestrators usually wait before they kill


def serve(
    *,
    data: Path | None,
    grpc: str = DEFAULT_GRPC,
    http: str | None = None,
    in_memory: bool = False,
    grace_s: float = GRACE_S,
    prepare: Callable[[Engine], None] | None = None,
    ready: Callable[[str], None] | None = None,
) -> int:
    """Serve until a signal comes; the exit code: 0 where everything under way could finish, 1 where it was cut off.

    `prepare` is called with the engine before anything listens, `ready` with the gRPC address (its port as bound) once
    everything does. Raises RemitError where the store cannot be opened or an address cannot be had."""
    logs.configure()
    grpc_address = loopback_address(grpc)
    http_address = loopback_address(http) if http else None
    with opened_engine(None if in_memory else data) as engine:
        if prepare is not None:
            prepare(engine)
        where = "memory only: it is gone when the server stops" if in_memory or data is None else str(data.resolve())
        return asyncio.run(_serve_until_signalled(engine, where, grpc_address, http_address, grace_s, ready))


@contextmanager
def opened_engine(data: Path | None) -> Iterator[Engine]:
    """An engine on a data directory, or on memory where there is none; closed, store and all, at the end."""
    clock = SystemClock()
    store: Store = MemoryStore(clock_us=clock.now_us) if data is None else LmdbStore(data, clock_us=clock.now_us)
    try:
        clock.keep(store)
        engine = Engine(store, clock)
        try:
            yield engine
        finally:
            clock.close()
            engine.close()
    finally:
        store.close()


async def _serve_until_signalled(
    engine: Engine,
    where: str,
    grpc_address: Address,
    http_address: Address | None,
    grace_s: float,
    ready: Callable[[str], None] | None,
) -> int:
    stop = asyncio.Event()
    server = GrpcServer(engine)
    edge = HttpServer(http_app(lambda: server.serving))

    def on_signal(name: str) -> None:
        log.info("signal", extra={"signal": name, "draining": stop.is_set()})
        if stop.is_set():
            server.hurry()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, signal.Signals(number).name)
    try:
        bound = await server.start(grpc_address)
        bound_http = await edge.start(http_address) if http_address is not None else None
        _announce(_banner(engine, where, bound, bound_http))
        log.info("serving", extra={"grpc": str(bound), "http": str(bound_http or ""), "pid": os.getpid()})
        if ready is not None:
            ready(str(bound))
        await stop.wait()
    finally:
        finished = await server.stop(grace_s)
        await edge.stop()
        log.info("stopped", extra={"finished": finished})
    return 0 if finished else 1


def _banner(engine: Engine, where: str, grpc: Address, http: Address | None) -> str:
    lines = [
        f"remit {remit.__version__}",
        f"  data   {where}",
        f"  stores {', '.join(f'{name} ({count:,} relationships)' for name, count in engine.sizes().items())}",
        f"  grpc   {grpc}",
    ]
    if http is not None:
        lines.append(f"  http   http://{http}")
    lines.append("  no keys: loopback only, and every caller holds every right")
    return "\n".join(lines)


def _announce(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
