"""Which client asks: the native one, but where a server takes so little that Python's is the better scale.

A closed loop of the native client begins and ends by the clock, and counts what was both asked and answered between.
Of a quick server that is all but a trace; of one that answers a hundred a second, with 64 under way, a good part is
lost. Python's waits for the last answer and divides by the time that took, and judges every answer; it only must not
be what holds the server back.
Law: a server is asked by Python only where that was less than a third busy, and rows say who asked."""

from __future__ import annotations

from typing import NamedTuple

from bench.over_grpc import Load
from bench.peers.costs import Costs
from bench.peers.generator import Generator, Stretch
from bench.peers.peer import Peer

_PILOT_S = 0.3
_PYTHON_RATE_MAX = 1_000.0  # requests a second: a quarter of a core of Python's, and it waits for the last answer
_BUSY_MAX = 0.33  # of a core: above it, Python's latencies begin to be its own


class _Fitted(NamedTuple):
    load: Load
    in_flight: int
    generator: Generator


class FittingGenerator:
    """One at a time, and at a high rate, little is lost at the end, and the native one is nearer the truth."""

    def __init__(self, native: Generator, python: Generator) -> None:
        self.name = f"{native.name}, or {python.name} where that was less than a third busy"
        self._native = native
        self._python = python
        self._fitted: dict[str, _Fitted] = {}  # by server: the last one

    async def closed(
        self, peer: Peer, load: Load, costs: Costs, *, in_flight: int, seconds: float, start: int
    ) -> Stretch:
        generator = self._native if in_flight == 1 else await self._fitting(peer, load, in_flight)
        return await generator.closed(peer, load, costs, in_flight=in_flight, seconds=seconds, start=start)

    async def fixed(self, peer: Peer, load: Load, costs: Costs, *, rate: float, seconds: float, start: int) -> Stretch:
        generator = self._python if rate <= _PYTHON_RATE_MAX else self._native
        return await generator.fixed(peer, load, costs, rate=rate, seconds=seconds, start=start)

    async def _fitting(self, peer: Peer, load: Load, in_flight: int) -> Generator:
        """By a short try with Python's, of questions far from those that will be asked next."""
        fitted = self._fitted.get(peer.kind)
        if fitted is None or fitted.load is not load or fitted.in_flight != in_flight:
            tried = await self._python.closed(
                peer, load, Costs(()), in_flight=in_flight, seconds=_PILOT_S, start=len(load.requests) // 2
            )
            is_busy = tried.generator_cpu_s > _BUSY_MAX * tried.elapsed_s
            fitted = self._fitted[peer.kind] = _Fitted(load, in_flight, self._native if is_busy else self._python)
        return fitted.generator
