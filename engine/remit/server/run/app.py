"""`remit serve`: open the store, listen, say so, and stop in good order when asked to.

SIGTERM or SIGINT begins a drain: health and `/readyz` say so at once; after a delay for balancers to notice, nothing
new is accepted; what is under way may finish within the grace period, then the store is closed. A second signal ends
the delay and stops what is still under way at once.
Laws: whatever way the process ends, what it acknowledged is in the store; told to stop, it ends within its grace and a
few seconds, whatever hangs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext
from pathlib import Path

from remit.access.keyring import KeyRing
from remit.engine.clock import SystemClock
from remit.engine.entry_files import EntryFiles
from remit.engine.facade import Engine
from remit.engine.upkeep import Housekeeper
from remit.errors import InvalidArgument, StoreUnavailable
from remit.native_core import absence
from remit.precedence import python_lock
from remit.server.frontend.frontend import is_wanted
from remit.server.http.server import HttpServer, connection_limits, http_app, json_calls
from remit.server.limits.thread_pool import stopping
from remit.server.net.listen import Address, Protection, checked_address, probe
from remit.server.net.tls import Certificates, TlsFiles
from remit.server.pipeline import Pipeline
from remit.server.run.banner import banner
from remit.server.run.config import DRAIN_DELAY_S, Config
from remit.server.run.garbage import leave_all_at_exit, short_collections
from remit.server.run.open_files import raise_open_files
from remit.server.run.sandboxes import Sandboxes
from remit.server.run.server import CANCELLED_GRACE_S, Server
from remit.server.run.watchdog import Watchdog
from remit.server.telemetry import log as logs
from remit.server.telemetry.telemetry import Telemetry
from remit.store.data_directory import KEYS_FILE, require_no_file
from remit.store.lmdb.lmdb_store import MAP_SIZE_BYTES, LmdbStore
from remit.store.memory import MemoryStore
from remit.store.port import Store

log = logging.getLogger(__name__)

# After the grace: for evaluations that were told to stop, the last answers to be taken, and the store to close. With
# the default grace this ends before the half minute after which orchestrators kill.
_CLOSING_S = CANCELLED_GRACE_S + 3.0

# How long a thread of Python goes on while others wish to. Whoever writes a hold asks for Python's lock some ten times,
# each time behind all who work: with Python's own 5 ms holds waited up to twice as long. 32 writers at once pay for it
# with 6 of 100 writes; with 0.5 ms it would be 13, and holds gained little.
_SWITCH_S = 0.001

DEFAULT_GRPC = "127.0.0.1:50051"


def serve(
    *,
    data: Path | None,
    grpc: str = DEFAULT_GRPC,
    http: str | None = None,
    http_api: bool = False,
    in_memory: bool = False,
    keys: Path | None = None,
    tls: TlsFiles | None = None,
    insecure_plaintext: bool = False,
    config: Config | None = None,
    prepare: Callable[[Engine], None] | None = None,
    ready: Callable[[str], None] | None = None,
) -> int:
    """Serve until a signal comes; the exit code: 0 where everything under way could finish, 1 where it was cut off, or
    where gRPC failed and there is nothing left to serve with.

    `keys` names a file that must be there; without it `keys.json` of the data directory counts as soon as there is one.
    `http_api`: calls in JSON are answered there too.
    `prepare` is called with the engine before any question is answered, `ready` with the gRPC address (its port as
    bound) once they are. Raises RemitError where the store cannot be opened or an address cannot be had."""
    config = config or Config()
    if http_api and http is None:
        raise InvalidArgument("calls in JSON need an address for HTTP: name one")
    logs.configure(config.log_level, config.log_format)
    if config.testing and keys is not None:
        raise InvalidArgument("a server for testing takes any token and knows no keys: leave the keys file out")
    if in_memory or config.testing:
        data = None
    if data is not None:
        require_no_file(data)  # before keys are looked for in it
    clock = SystemClock()
    keys_path = keys or (data / KEYS_FILE if data is not None else None)
    ring = KeyRing(keys_path, clock.now_us, required=keys is not None) if keys_path is not None else None
    certificates = Certificates(tls) if tls is not None else None
    is_keyed = ring is not None and not ring.is_open
    protection = Protection(is_keyed, certificates is not None, insecure_plaintext, keyable=not config.testing)
    addresses = checked_address(grpc, protection), checked_address(http, protection) if http else None
    raise_open_files()
    sys.setswitchinterval(_SWITCH_S)
    leave_all_at_exit()

    @contextmanager
    def opened() -> Iterator[Engine]:
        with opened_engine(data, clock, config) as engine:
            if prepare is not None:
                prepare(engine)
            yield engine

    where = "memory only: it is gone when the server stops" if data is None else str(data.resolve())
    watchdog = Watchdog()
    try:
        serving = _serve_until_signalled(
            opened(), addresses, ring, certificates, config, where, ready, watchdog, http_api=http_api
        )
        collections = nullcontext() if absence() else short_collections()
        with collections, asyncio.Runner(loop_factory=_event_loop) as runner:
            return runner.run(serving)
    finally:
        watchdog.cancel()


def _event_loop() -> asyncio.AbstractEventLoop:
    """One that goes before the threads that work (see `precedence`)."""
    return asyncio.SelectorEventLoop(python_lock.selector())


@contextmanager
def opened_engine(
    data: Path | None, clock: SystemClock | None = None, config: Config | None = None
) -> Iterator[Engine]:
    """An engine on a data directory, or on memory where there is none; closed, store and all, at the end."""
    clock, config = clock or SystemClock(), config or Config()
    store: Store
    if data is None:
        store = MemoryStore(clock_us=clock.now_us)
    else:
        store = LmdbStore(data, clock_us=clock.now_us, map_size_bytes=config.store_bytes_max or MAP_SIZE_BYTES)
    try:
        clock.keep(store)
        entries = EntryFiles(data) if data is not None else None
        engine = Engine(store, clock, config.limits, retention_us=config.retention_us, entries=entries)
        housekeeper = Housekeeper(engine.upkeep)
        housekeeper.start()
        if engine.entries is not None:
            engine.entries.start()
        try:
            yield engine
        finally:
            housekeeper.close()
            if engine.entries is not None:
                engine.entries.close()
            clock.close()
            engine.close()
    finally:
        store.close()


@contextmanager
def _sandboxes(config: Config) -> Iterator[Sandboxes]:
    """On a clock of their own, which promises nothing to any disk."""
    sandboxes = Sandboxes(SystemClock(), config.limits, config.serve_limits.sandboxes_max)
    try:
        yield sandboxes
    finally:
        sandboxes.close()


async def _serve_until_signalled(
    opening: AbstractContextManager[Engine],
    addresses: tuple[Address, Address | None],
    ring: KeyRing | None,
    certificates: Certificates | None,
    config: Config,
    where: str,
    ready: Callable[[str], None] | None,
    watchdog: Watchdog,
    *,
    http_api: bool,
) -> int:
    """The HTTP edge answers first, so that a store that takes minutes to load is not taken for a process that hangs."""
    grpc_address, http_address = addresses
    stop = asyncio.Event()
    server: Server | None = None

    def problems() -> list[str]:
        return ["loading"] if server is None else server.problems()

    def metrics(headers: Sequence[tuple[str, str]]) -> bytes:
        if server is None:
            raise StoreUnavailable("the store is being loaded: there are no numbers yet")
        return server.metrics(headers, is_open=config.open_metrics)

    def answering() -> Pipeline:
        if server is None:
            raise stopping()
        return server.answering()

    def on_signal(name: str) -> None:
        if server is None:
            # Nothing has been promised to anybody yet, and the load cannot be interrupted.
            os._exit(0)
        is_draining = stop.is_set()
        # Before anything is logged: where nobody reads the log, writing to it would hold the stop up for ever.
        watchdog.begin(_CLOSING_S if is_draining else config.grace_s + _CLOSING_S)
        if is_draining:
            server.hurry()
        stop.set()
        log.info("signal", extra={"signal": name, "draining": is_draining})

    frontend = is_wanted(config.frontend)
    probe(grpc_address)  # better now than once everything is loaded
    calls = json_calls(answering, config.limits, config.serve_limits, certificates) if http_api else None
    edge = HttpServer(http_app(problems, metrics, calls), certificates, connection_limits(config.serve_limits))
    bound_http = await edge.start(http_address) if http_address is not None else None
    finished = True
    try:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal, signal.Signals(number).name)
        async with AsyncExitStack() as opened:
            engine = await asyncio.to_thread(opened.enter_context, opening)
            telemetry = Telemetry(requests=config.requests)
            sandboxes = opened.enter_context(_sandboxes(config)) if config.testing else None
            server = Server(
                engine,
                config.serve_limits,
                keys=ring,
                certificates=certificates,
                telemetry=telemetry,
                sandboxes=sandboxes,
                frontend=frontend,
            )
            loop.add_signal_handler(signal.SIGHUP, server.look_at_files_soon)
            try:
                bound = await server.start(grpc_address)
                _announce(
                    banner(engine, where, ring, certificates, config, bound, bound_http, telemetry, http_api=http_api)
                )
                log.info("serving", extra={"grpc": str(bound), "http": str(bound_http or ""), "pid": os.getpid()})
                if ready is not None:
                    ready(str(bound))
                await _either(stop, server.ended)
            finally:
                delay_s = 0.0 if server.ended.is_set() else _drain_delay_s(config, grpc_address)
                finished = await server.stop(config.grace_s, delay_s) and not server.ended.is_set()
                log.info("stopped", extra={"finished": finished})
    finally:
        await edge.stop()
    return 0 if finished else 1


def _drain_delay_s(config: Config, address: Address) -> float:
    if config.drain_delay_s is not None:
        return config.drain_delay_s
    return 0.0 if address.is_loopback else DRAIN_DELAY_S


async def _either(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()


def _announce(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
