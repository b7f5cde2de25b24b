"""The servers that are measured: Remit's own, and a bare echo, each a process of its own on a processor of its own.

Law: whatever ends the benchmark, its servers end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

_READY_WITHIN_S = 300.0
_STOP_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at `address`, and over HTTP at `http` where it was asked to; it took `started_s` until it
    did."""

    address: str
    process: subprocess.Popen[str]
    started_s: float
    http: str = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self, within_s: float) -> float | None:
        """Ask it to end, as orchestrators do; the seconds that it took, None where it had not ended by then."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            return None
        return time.monotonic() - begun

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

    def own_bytes(self) -> int | None:
        """As of `own_bytes`."""
        return own_bytes(self.pid)


def own_bytes(pid: int) -> int | None:
    """Memory of a process without the pages of files, which the system takes back when it needs room; None where the
    system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)


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
def remit_server(
    data: Path | None, processor: int | None, *arguments: str, http: bool = False, log: Path | None = None
) -> Iterator[Running]:
    """`remit serve` on any free port, on a data directory or on an empty memory, with more of its options if given.
    `http`: on a port for that too. `log`: the file its log is added to."""
    remit = Path(sys.executable).with_name("remit")
    facts = ["--in-memory"] if data is None else ["--data", str(data)]
    command = [str(remit), "serve", *facts, "--grpc", "127.0.0.1:0", *(["--http", "127.0.0.1:0"] if http else [])]
    announces = ("grpc", "http") if http else ("grpc",)
    with _logged(log) as errors, _server([*command, *arguments], announces, processor, errors) as running:
        yield running


@contextmanager
def echo_server(processor: int | None) -> Iterator[Running]:
    """See `echo.py`."""
    with _server([sys.executable, "-m", "bench.echo"], ("grpc",), processor) as running:
        yield running


@contextmanager
def _logged(log: Path | None) -> Iterator[int | IO[str]]:
    if log is None:
        yield subprocess.DEVNULL
        return
    with log.open("a", encoding="utf-8") as errors:
        yield errors


@contextmanager
def _server(
    command: Sequence[str], announces: Sequence[str], processor: int | None, errors: int | IO[str] = subprocess.DEVNULL
) -> Iterator[Running]:
    """The process, once it has said a line of each word of `announces` and an address, in that order."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        preexec_fn=lambda: pin(processor),
    )
    impatience = Timer(_READY_WITHIN_S, process.kill)
    impatience.start()
    try:
        assert process.stdout is not None, "it is a pipe"
        addresses: list[str] = []
        for line in process.stdout:
            words = line.split()
            if len(words) == 2 and words[0] == announces[len(addresses)]:
                addresses.append(words[1])
                if len(addresses) == len(announces):
                    break
        else:
            raise RuntimeError(f"`{' '.join(command)}` ended before it listened; run it to see why")
        impatience.cancel()
        address, *http = addresses
        yield Running(address, process, time.monotonic() - begun, *http)
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
