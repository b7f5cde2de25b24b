"""A whole server over one engine: the pipeline, what carries calls to it, and how it starts, drains and stops.

Law: a server that stops lets what is under way finish within the grace period, and then ends whatever it was."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from remit.access.keyring import KeyRing
from remit.engine.facade import Engine
from remit.eval import native
from remit.server.call import Call
from remit.server.frontend.frontend import Frontend, may_ever_answer, shared_holdings
from remit.server.grpc.server import GrpcServer
from remit.server.limits.fair_quota import Holdings
from remit.server.limits.serve_limits import DEFAULT_LIMITS, ServeLimits
from remit.server.limits.thread_pool import stopping
from remit.server.net.listen import Address, probe
from remit.server.net.tls import Certificates
from remit.server.pipeline import Pipeline
from remit.server.rights import HTTP_RIGHTS, Gate
from remit.server.run.refresher import Refresher
from remit.server.run.sandboxes import Sandboxes
from remit.server.telemetry.server_stats import QueueStats, ServerStats
from remit.server.telemetry.telemetry import Telemetry

log = logging.getLogger(__name__)

_IDLE_LOOK_S = 0.01  # while draining, whether all is done
_CLOSE_S = 2.0  # for the frontend's callers to take what was said to them last
# For evaluations told to stop, which look up every millisecond or so, and for their callers to take what they are told.
CANCELLED_GRACE_S = 5.0


class Server:
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
        frontend: bool = False,
    ) -> None:
        """`keys` None: every caller holds every right. `certificates` None: unencrypted. See `listen` for both.
        `sandboxes`: who asks is answered from one of them, and never from the engine. `frontend`: the core listens, and
        grpcio's server behind it; see `frontend.is_wanted`."""
        self._engine = engine
        self._sandboxes = sandboxes
        self._limits = limits
        self._certificates = certificates
        self.telemetry = telemetry or Telemetry()
        self.pipeline = Pipeline(
            sandboxes.of if sandboxes is not None else lambda _: engine,
            Gate(keys),
            self.telemetry,
            limits,
            shared_holdings if frontend else Holdings,
        )
        self.frontend: Frontend | None = None
        if frontend:
            is_native = may_ever_answer(self.telemetry, limits, is_testing=sandboxes is not None)
            self.frontend = Frontend(
                self.pipeline,
                engine.clock,
                engine.limits,
                limits,
                core=engine.core if is_native else None,
                certificates=certificates,
            )
        self._refresher = Refresher(self.pipeline, certificates, self.frontend)
        self.grpc: GrpcServer | None = None
        self._unsubscribe: list[Callable[[], None]] = []  # what ends our listening to engines
        self._is_draining = False
        self._takes_calls = True
        self._hurried = asyncio.Event()
        self.ended = asyncio.Event()  # gRPC gave up by itself: nothing will be served here any more

    async def start(self, address: Address) -> Address:
        """Listen and serve; the address with the port that was bound. Raises AddressRefused."""
        probe(address)
        grpc = GrpcServer(self.pipeline, self._engine.limits, self._limits, self.ended)
        self._unsubscribe = self._subscribe(self._engine)
        if self._sandboxes is not None:
            self._sandboxes.on_new(self._subscribe)
        if self.frontend is None:
            address = grpc.listen(address, self._certificates)
        else:
            grpc.listen_behind(self.frontend.upstream())
        await grpc.start()
        self._refresher.start()
        self.grpc = grpc
        if self.frontend is not None:
            address = self.frontend.open(address, grpc.health.services)
        return address

    def _subscribe(self, engine: Engine) -> list[Callable[[], None]]:
        """Listen to an engine; and what ends that. A sandbox is forgotten with all who listen to it."""
        return [
            engine.streams.on_change(self.pipeline.notifier.notify),
            engine.on_commit(self.telemetry.metrics.commit),
        ]

    async def stop(self, grace_s: float, delay_s: float = 0.0) -> bool:
        """Say that nothing is served here any more, and after `delay_s` take no new requests; let those under way
        finish, and when the grace period is over, delay included, stop them. Whether all finished by themselves."""
        self._is_draining = True
        if self.grpc is None:
            if self.frontend is not None:
                self.frontend.close(0)
            return True
        if self.frontend is not None:
            self.frontend.set_serving(False)
        if delay_s := min(delay_s, grace_s):
            self.grpc.say_not_serving()
            await self._in_no_hurry(delay_s)
            grace_s -= delay_s
        self._refresher.stop()
        self._takes_calls = False
        if self.frontend is not None:
            self.frontend.drain()
        await self.grpc.drain(grace_s + CANCELLED_GRACE_S)
        self.pipeline.streams.drain()
        finished = await self._became_idle(grace_s)
        # Not one after the other: each by itself is short enough for the watchdog, and all of them are not.
        until_s = time.monotonic() + CANCELLED_GRACE_S
        if not finished:
            log.warning("grace period over", extra={"under_way": len(self.pipeline.calls())})
            self.hurry()
            await self._became_idle(CANCELLED_GRACE_S)
        await self.grpc.close()
        if self.frontend is not None:
            close_s = min(_CLOSE_S, max(0.0, until_s - time.monotonic()))
            await asyncio.to_thread(self.frontend.close, close_s)
        self.hurry()  # what came until the last connection was closed: nobody is left to have its answer
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        await self.pipeline.close()
        return finished

    async def _in_no_hurry(self, within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._hurried.wait()

    async def _became_idle(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                while not self._is_idle():
                    if self._hurried.is_set():
                        self.pipeline.hurry()  # also those who were being let in
                    await asyncio.sleep(_IDLE_LOOK_S)
        except TimeoutError:
            return False
        return True

    def _is_idle(self) -> bool:
        pipeline = self.pipeline
        # What waits in the frontend for a thread is under way as well.
        is_waited_for = self.frontend is not None and (pipeline.reads.in_flight or pipeline.writes.in_flight)
        return not (pipeline.calls() or is_waited_for)

    def hurry(self) -> None:
        """Tell everything under way to stop now, and wait for nobody to look elsewhere. A write that is on its way to
        the disk still gets there."""
        self._hurried.set()
        self.pipeline.hurry()

    async def look_at_files(self) -> None:
        """Believe keys, certificates and telemetry as they are now, without waiting for the next look."""
        await self._refresher.look()

    def look_at_files_soon(self) -> None:
        """For a signal's handler."""
        self._refresher.look_soon()

    # --- for whoever watches ------------------------------------------------------------------------------------

    @property
    def serving(self) -> bool:
        return self.grpc is not None and not self._is_draining and not self.ended.is_set()

    def answering(self) -> Pipeline:
        """The pipeline, for calls that come another way than gRPC's: as long as that takes calls, so while a stop waits
        for balancers too. Raises StoreUnavailable."""
        if self.grpc is None or not self._takes_calls or self.ended.is_set():
            raise stopping()
        return self.pipeline

    def problems(self) -> list[str]:
        """Why the server is not ready; empty where it is."""
        not_serving = self._not_serving()
        found = [self._engine.stats().problem, "" if self.frontend is None or not_serving else self.frontend.problem]
        return [*not_serving, *(problem for problem in found if problem)]

    def _not_serving(self) -> list[str]:
        if self.serving:
            return []
        if self.grpc is None:
            return ["starting"]
        return ["ended" if self.ended.is_set() else "draining"]

    def metrics(self, headers: Sequence[tuple[str, str]], *, is_open: bool) -> bytes:
        """All metrics, in Prometheus' format; of the stores that the caller sees, or of all where `is_open`. `headers`
        show the caller's key. Raises Unauthenticated, RightMissing."""
        call = Call()
        if not is_open:
            self.pipeline.gate.admit("metrics", HTTP_RIGHTS["/metrics"], headers, call)
        return self.telemetry.metrics.text(self.stats(), call.sees)

    def stats(self) -> ServerStats:
        """What there is now. Cost: O(stores)."""
        engine, pipeline, frontend = self._engine.stats(), self.pipeline, self.frontend
        ring = pipeline.gate.ring
        of_frontend = frontend.stats() if frontend is not None else {}
        return ServerStats(
            uptime_s=self.telemetry.uptime_s,
            is_ready=not self.problems(),
            queues=[
                QueueStats(queue.name, queue.in_flight, queue.in_flight_max, queue.refused) for queue in pipeline.queues
            ],
            unsent_bytes=pipeline.unsent.taken,
            unanswered_bytes=pipeline.unanswered.taken + of_frontend.get("unanswered_bytes", 0),
            calls=pipeline.places.admitted.taken,
            calls_refused=pipeline.places.refused,
            stores=engine.stores,
            store_bytes=engine.size_bytes,
            writes_waiting=engine.writes_waiting,
            entries_behind_s=engine.entries_behind_s,
            streams=self.telemetry.streams,
            keys=None if ring is None or ring.is_open else ring.count,
            keys_damaged=ring is not None and bool(ring.problem),
            frontend=of_frontend,
            native_verbs=frontend.verbs() if frontend is not None else (),
            refused_early=frontend.refused() if frontend is not None else {},
            caches=native.all_caches(),
        )
