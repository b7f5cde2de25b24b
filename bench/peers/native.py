"""The native generator, `bench/load`: a hundred thousand requests a second from one core, where Python does thousands.

It is told the requests by a file and, where a wire has the verdict at a fixed byte, what that byte must be for each.
Where it has not (SpiceDB's answers begin with a token; OpenFGA's *no* is an empty message), the requests furthest from
those asked first are asked and judged by the client in Python before, and only a missing or failed answer is noticed
while the clock runs. Rows say which it was.
Law: a stretch begins with the request its number says, so that what is cold for a slow server stays cold."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.in_process import WrongAnswer
from bench.over_grpc import Load
from bench.peers.costs import Costs
from bench.peers.generator import Overrun, Stretch, gathered
from bench.peers.peer import Peer, Refused

HERE = Path(__file__).parent.parent / "load"
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "release" / "remit-load"
BUILD = f"cargo build --release --manifest-path {HERE / 'Cargo.toml'}"

_WARM_S = 0.5  # not counted: making two hundred thousand requests ready, connecting, and the first answers
_STEADY_TO = 0.95  # of a stretch, from the end of the warm-up: in between the server's cost is taken
_SECONDS_MIN = 1.0  # shorter, and connecting and what is still under way at the end would be a good part of it
_LONGER = 5  # times as long, when a server has not answered one request
_SAMPLE = 300  # requests judged beforehand, where not every answer can be judged on the way
_SAMPLE_IN_FLIGHT = 16
_KEPT_UP = 0.9  # of what was meant to leave must have been answered, or the fixed rate was too much
_ENDS_WITHIN_S = 60.0
_PERCENTILES = {"p50": "p50_us", "p90": "p90_us", "p99": "p99_us", "p999": "p99.9_us", "max": "max_us"}


class NoAnswer(Refused):
    """Nothing came back before the stretch was over."""


class NativeGenerator:
    """Runs `binary` for each stretch, on this process's processor. `connections`: a server that has a thread for each
    of its cores wants at least as many."""

    name = "bench/load"

    def __init__(self, binary: Path, connections: int = 1) -> None:
        self._binary = binary
        self._connections = connections
        self._judged: dict[str, Load] = {}  # by server: the load whose sample was right

    async def closed(
        self, peer: Peer, load: Load, costs: Costs, *, in_flight: int, seconds: float, start: int
    ) -> Stretch:
        connections = 1 if load.in_order else min(self._connections, in_flight)
        flags = ["--connections", str(connections), "--in-flight", str(in_flight // connections)]
        try:
            return await self._run(peer, load, costs, flags, seconds, start)
        except NoAnswer:
            return await self._run(peer, load, costs, flags, _LONGER * max(seconds, _SECONDS_MIN), start)

    async def fixed(self, peer: Peer, load: Load, costs: Costs, *, rate: float, seconds: float, start: int) -> Stretch:
        flags = ["--connections", str(self._connections), "--rate", f"{rate:.3f}"]
        stretch = await self._run(peer, load, costs, flags, seconds, start)
        stretch.offered = rate
        meant = rate * stretch.elapsed_s
        if stretch.answered < _KEPT_UP * meant - 1:
            raise Overrun(f"{stretch.answered:,} answers came of {meant:,.0f} at {rate:,.0f} a second")
        return stretch

    async def _run(
        self, peer: Peer, load: Load, costs: Costs, flags: Sequence[str], seconds: float, start: int
    ) -> Stretch:
        if not is_judged_whole(load):
            await self._judge_sample(peer, load)
        seconds = max(seconds, _SECONDS_MIN)
        first = start % len(load.requests)
        with tempfile.TemporaryDirectory(prefix="remit-load-") as directory:
            command = [str(self._binary), "--address", peer.address, "--path", load.path, *flags]
            command += ["--warm-up-s", str(_WARM_S), "--duration-s", f"{seconds:.3f}"]
            command += ["--requests", _written(directory, "requests", framed(turned(load.requests, first)))]
            if load.verdicts:
                verdicts = load.verdicts[first:] + load.verdicts[:first]
                command += ["--expected", _written(directory, "expected", verdicts)]
                command += ["--verdict-at", str(load.verdict_at)]
            for name, value in peer.metadata:
                command += [f"--{name}", value]  # there is one, `authorization`
            stretch = await self._told(command, costs, seconds)
        if not is_judged_whole(load):
            stretch.judged = f"{min(_SAMPLE, len(load.requests))} beforehand"
        return stretch

    async def _told(self, command: Sequence[str], costs: Costs, seconds: float) -> Stretch:
        """Runs it. The server's cost is taken while it is under full load, and scaled to the whole stretch."""
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            ended = asyncio.ensure_future(process.communicate())
            await _until(ended, _WARM_S)
            before, begun = costs.cpu_s(), time.perf_counter()
            await _until(ended, seconds * _STEADY_TO)
            after, elapsed_s = costs.cpu_s(), time.perf_counter() - begun
            out, err = await asyncio.wait_for(ended, _ENDS_WITHIN_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not out.strip():
            lines = err.decode(errors="replace").split("\n")
            said = " … ".join(dict.fromkeys(line.strip()[:160] for line in (lines[0], *lines[-2:]) if line.strip()))
            raise Refused(f"the generator ended with {process.returncode}: {said}")
        stretch = stretch_of(json.loads(out))
        if before is not None and after is not None:
            stretch.server_cpu_s = (after - before) / elapsed_s * stretch.elapsed_s
        return stretch

    async def _judge_sample(self, peer: Peer, load: Load) -> None:
        """Raises WrongAnswer, Refused."""
        if self._judged.get(peer.kind) is load:
            return
        numbers = iter(range(max(0, len(load.requests) - _SAMPLE), len(load.requests)))

        async def ask() -> None:
            for number in numbers:
                load.require(number, await peer.call(load.path, load.requests[number]))

        await gathered([ask() for _ in range(_SAMPLE_IN_FLIGHT)])
        self._judged[peer.kind] = load


def is_judged_whole(load: Load) -> bool:
    """Whether every answer's verdict is compared on the way."""
    return len(load.verdicts) == len(load.requests) and 0 not in load.verdicts


def framed(requests: Sequence[bytes]) -> bytes:
    """Each its length in four bytes, and itself."""
    return b"".join(part for each in requests for part in (len(each).to_bytes(4, "big"), each))


def turned(requests: Sequence[bytes], first: int) -> list[bytes]:
    return [*requests[first:], *requests[:first]]


def stretch_of(told: dict[str, object]) -> Stretch:
    """What the program said. Raises WrongAnswer, Refused, NoAnswer."""
    answers, wrong, failed = (int(str(told[name])) for name in ("answers", "wrong", "failed"))
    if wrong:
        raise WrongAnswer(f"{wrong:,} of {answers + wrong:,} answers had another verdict than expected")
    if failed:
        raise Refused(f"{failed:,} of {answers + failed:,} requests had an error instead of an answer")
    if not answers:
        raise NoAnswer(f"no answer within {told['seconds']} s")
    latencies = told["latency_us"]
    assert isinstance(latencies, dict), "an object, as the program promises"
    stretch = Stretch(elapsed_s=float(str(told["seconds"])), count=answers, client="native")
    stretch.percentiles = {name: float(latencies[key]) for key, name in _PERCENTILES.items()}
    stretch.generator_cpu_s = float(str(told["cpu_share"])) * stretch.elapsed_s
    return stretch


async def _until(ended: asyncio.Future[tuple[bytes, bytes]], seconds: float) -> None:
    await asyncio.wait((ended,), timeout=seconds)


def _written(directory: str, name: str, content: bytes) -> str:
    path = Path(directory) / name
    path.write_bytes(content)
    return str(path)
