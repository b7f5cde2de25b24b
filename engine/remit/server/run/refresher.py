"""Looks once a second at what may change while a server runs: its keys file, its certificates, and whether somebody
wants to be told of every request.

Law: a key that was revoked is believed for no longer than a second and the time of one look."""

from __future__ import annotations

import asyncio
import contextlib
import logging

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
        self._certificates = certificates
        self._frontend = frontend
        self._soon = asyncio.Event()
        self._one_look = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_now_and_then())

    def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    async def look(self) -> None:
        """Read keys and certificates anew if their files have changed, tell the frontend, and end the calls of keys
        that are not valid any more, or have expired. One look at a time: of two, both would count the same change."""
        async with self._one_look:
            if self._pipeline.gate.ring is not None:
                await asyncio.to_thread(self._refresh_keys, self._pipeline.gate.ring)
            if self._certificates is not None:
                await asyncio.to_thread(self._certificates.refresh)
            if self._frontend is not None:
                self._frontend.refresh()
            self._pipeline.end_revoked()

    def look_soon(self) -> None:
        """Do not wait for the next look: for a signal's handler."""
        self._soon.set()

    def _refresh_keys(self, ring: KeyRing) -> None:
        known_problem = ring.problem
        if ring.refresh() or ring.problem != known_problem:
            self._pipeline.telemetry.metrics.keys_read(damaged=bool(ring.problem))

    async def _look_now_and_then(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), LOOK_EVERY_S)
            self._soon.clear()
            try:
                await self.look()
            except Exception as error:  # whatever it was, the next look may find what it needs
                log.error("keys and certificates not looked at", exc_info=error)
