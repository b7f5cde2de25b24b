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
from remit.server.keyring import KeyRing
from remit.server.listen import Address, Protection, checked_address
from remit.server.serve import GrpcServer
from remit.server.tls import Certificates, TlsFiles
from remit.store.directory import KEYS_FILE
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
    keys: Path | None = None,
    tls: TlsFiles | None = None,
    insecure_plaintext: bool = False,
    grace_s: float = GRACE_S,
    prepare: Callable[[Engine], None] | None = None,
    ready: Callable[[str], None] | None = None,
) -> int:
    """Serve until a signal comes; the exit code: 0 where everything under way could finish, 1 where it was cut off.

    `keys` names a file that must be there; without it `keys.json` of the data directory counts as soon as there is one.
    `prepare` is called with the engine before anything listens, `ready` with the gRPC address (its port as bound) once
    everything does. Raises RemitError where the store cannot be opened or an address cannot be had."""
    logs.configure()
    if in_memory:
        data = None
    clock = SystemClock()
    keys_path = keys or (data / KEYS_FILE if data is not None else None)
    ring = KeyRing(keys_path, clock.now_us, required=keys is not None) if keys_path is not None else None
    certificates = Certificates(tls) if tls is not None else None
    protection = Protection(ring is not None and not ring.is_open, certificates is not None, insecure_plaintext)
    grpc_address = checked_address(grpc, protection)
    http_address = checked_address(http, protection) if http else None
    with opened_engine(data, clock) as engine:
        if prepare is not None:
            prepare(engine)
        where = "memory only: it is gone when the server stops" if data is None else str(data.resolve())
        return asyncio.run(
            _serve_until_signalled(engine, where, ring, certificates, grpc_address, http_address, grace_s, ready)
        )


@contextmanager
def opened_engine(data: Path | None, clock: SystemClock | None = None) -> Iterator[Engine]:
    """An engine on a data directory, or on memory where there is none; closed, store and all, at the end."""
    clock = clock or SystemClock()
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
    ring: KeyRing | None,
    certificates: Certificates | None,
    grpc_address: Address,
    http_address: Address | None,
    grace_s: float,
    ready: Callable[[str], None] | None,
) -> int:
    stop = asyncio.Event()
    server = GrpcServer(engine, keys=ring, certificates=certificates)
    edge = HttpServer(http_app(lambda: server.serving), certificates)

    def on_signal(name: str) -> None:
        log.info("signal", extra={"signal": name, "draining": stop.is_set()})
        if stop.is_set():
            server.hurry()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, signal.Signals(number).name)
    loop.add_signal_handler(signal.SIGHUP, server.look_at_files_soon)
    try:
        bound = await server.start(grpc_address)
        bound_http = await edge.start(http_address) if http_address is not None else None
        _announce(_banner(engine, where, ring, certificates, bound, bound_http))
        log.info("serving", extra={"grpc": str(bound), "http": str(bound_http or ""), "pid": os.getpid()})
        if ready is not None:
            ready(str(bound))
        await stop.wait()
    finally:
        finished = await server.stop(grace_s)
        await edge.stop()
        log.info("stopped", extra={"finished": finished})
    return 0 if finished else 1


def _banner(
    engine: Engine,
    where: str,
    ring: KeyRing | None,
    certificates: Certificates | None,
    grpc: Address,
    http: Address | None,
) -> str:
    lines = [
        f"remit {remit.__version__}",
        f"  data   {where}",
        f"  stores {', '.join(f'{name} ({count:,} relationships)' for name, count in engine.sizes().items())}",
        f"  grpc   {grpc}",
    ]
    if http is not None:
        lines.append(f"  http   {'http' if certificates is None else 'https'}://{http}")
    if certificates is None:
        lines.append("  tls    none: what is sent can be read on its way")
    elif certificates.files.client_authorities is None:
        lines.append(f"  tls    {certificates.files.certificate}")
    else:
        lines.append(f"  tls    {certificates.files.certificate}, clients by {certificates.files.client_authorities}")
    if ring is not None and not ring.is_open:
        lines.append(f"  keys   {ring.path} ({ring.count})")
    else:
        lines.append("  no keys: loopback only, and every caller holds every right")
        if ring is not None:
            lines.append(f"  a first key, by `remit key bootstrap --keys {ring.path}`, counts at once and ends that")
    return "\n".join(lines)


def _announce(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
