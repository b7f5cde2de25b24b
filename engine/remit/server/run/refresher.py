"""Looks once a second at what may change while a server runs: its keys file, its certificates, which calls have ended
while they wait, and whether somebody wants to be told of every request.

Each is looked at by itself: where the disk of the certificates does not answer, a revocation still counts, and where
that of the keys does not, calls whose keys expire or whose callers have left still end.
Law: a key that was revoked is believed for no longer than a second and the time of one look."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from remit.access.keyring import KeyRing
from remit.server.frontend.frontend import Frontend
from remit.server.net.tls import Certificates
from remit.server.pipeline import Pipeline

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # how long a revoked key may still be believed


class Refresher:
    """Looks for one server, on its event loop."""

    def __init__(self, pipeline: Pipeline, certificates: Certificates | None, frontend: Frontend | None) -> None:
        self._pipeline = pipeline
        self._frontend = frontend
        self._sights = [_Sight("keys", self._look_at_keys), _Sight("calls", self._look_at_calls)]
        if certificates is not None:
            self._sights.append(_Sight("certificates", lambda: self._look_at_certificates(certificates)))

    def start(self) -> None:
        for sight in self._sights:
            sight.start()

    def stop(self) -> None:
        for sight in self._sights:
            sight.stop()

    async def look(self) -> None:
        """Read keys and certificates anew if their files have changed, tell the frontend, and end the calls of keys
        that are not valid any more, or have expired, and those that nobody waits for."""
        for sight in self._sights:
            await sight.look()

    def look_soon(self) -> None:
        """Do not wait for the next look: for a signal's handler."""
        for sight in self._sights:
            sight.soon.set()

    async def _look_at_keys(self) -> None:
        if self._pipeline.gate.ring is not None:
            await asyncio.to_thread(self._refresh_keys, self._pipeline.gate.ring)
        self._tell_frontend()
        self._pipeline.end_revoked()

    async def _look_at_calls(self) -> None:
        self._pipeline.end_revoked()  # by the clock, too
        self._pipeline.give_up_ended()

    async def _look_at_certificates(self, certificates: Certificates) -> None:
        await asyncio.to_thread(certificates.refresh)
        self._tell_frontend()

    def _tell_frontend(self) -> None:
        if self._frontend is not None:
            self._frontend.refresh()

    def _refresh_keys(self, ring: KeyRing) -> None:
        known_problem = ring.problem
        if ring.refresh() or ring.problem != known_problem:
            self._pipeline.telemetry.metrics.keys_read(damaged=bool(ring.problem))


class _Sight:
    """One thing that is looked at now and then. One look at a time: of two, both would count the same change."""

    def __init__(self, name: str, look: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._look = look
        self.soon = asyncio.Event()
        self._one_look = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_now_and_then())

    def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    async def look(self) -> None:
        async with self._one_look:
            await self._look()

    async def _look_now_and_then(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.soon.wait(), LOOK_EVERY_S)
            self.soon.clear()
            try:
                await self.look()
            except Exception as error:  # whatever it was, the next look may find what it needs
                log.error("%s not looked at", self._name, exc_info=error)
