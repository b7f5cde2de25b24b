"""The servers that are measured: Remit's own, and a bare echo, each a process of its own on a processor of its own.

Law: whatever ends the benchmark, its servers end with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

_READY_WITHIN_S = 300.0
_STOP_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at `address`; it took `started_s` until it did."""

    address: str
    pid: int
    started_s: float

    def cpu_s(self) -> float:
        """Processor time spent since it was started, by all its threads; 0 where the system does not tell."""
        try:
            # The name, in parentheses, may hold blanks; user and system time are the 12th and 13th word behind it.
            words = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int | None:
        """Memory in use, where the system tells."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        except OSError:
            return None
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Processors:
    """Which processors the load and the server have to themselves; None where they share what there is."""

    load: int | None = None
    server: int | None = None

    @classmethod
    def chosen(cls, pin: bool) -> Processors:
        """Two different ones, if pinning is wanted and there are two."""
        if not pin or not hasattr(os, "sched_getaffinity"):
            return cls()
        allowed = sorted(os.sched_getaffinity(0))
        return cls(load=allowed[1], server=allowed[0]) if len(allowed) > 1 else cls()


def pin(processor: int | None) -> None:
    """Keep this process, and the threads it will start, on one processor."""
    if processor is not None:
        os.sched_setaffinity(0, {processor})


@contextmanager
def remit_server(data: Path | None, processor: int | None) -> Iterator[Running]:
    """`remit serve` on any free port, on a data directory or on an empty memory."""
    remit = Path(sys.executable).with_name("remit")
    facts = ["--in-memory"] if data is None else ["--data", str(data)]
    with _server([str(remit), "serve", *facts, "--grpc", "127.0.0.1:0"], "grpc", processor) as running:
        yield running


@contextmanager
def echo_server(processor: int | None) -> Iterator[Running]:
    """See `echo.py`."""
    with _server([sys.executable, "-m", "bench.echo"], "grpc", processor) as running:
        yield running


@contextmanager
def _server(command: Sequence[str], announces: str, processor: int | None) -> Iterator[Running]:
    """The process, once it has said a line of `announces` and an address."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: pin(processor),
    )
    impatience = Timer(_READY_WITHIN_S, process.kill)
    impatience.start()
    try:
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            words = line.split()
            if len(words) == 2 and words[0] == announces:
                break
        else:
            raise RuntimeError(f"`{' '.join(command)}` ended before it listened; run it to see why")
        impatience.cancel()
        yield Running(words[1], process.pid, time.monotonic() - begun)
    finally:
        impatience.cancel()
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
