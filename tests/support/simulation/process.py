"""`remit serve` as a process of its own: started, weighed, killed; and its log read for what went wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MIB = 1 << 20


def until(condition: Callable[[], bool], patience_s: float = 30.0) -> bool:
    """Whether it comes true in time; somebody else makes it so."""
    tick = threading.Event()
    for _ in range(int(patience_s * 100)):
        if condition():
            return True
        tick.wait(0.01)
    return False


class Served:
    """A running server. `log` is where its standard error goes."""

    def __init__(self, process: subprocess.Popen[str], endpoint: str, log: Path) -> None:
        self.process = process
        self.endpoint = endpoint
        self.log = log

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.endpoint.rpartition(":")
        return host, int(port)

    def resident_bytes(self) -> int:
        """The memory it holds, its mapped files not counted."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("this system does not tell what memory a process uses")

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208  # a Path is made for each

    def kill(self) -> None:
        """As the system does it: without a word, at any moment."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(60) == -signal.SIGKILL, "it had ended before it was killed"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text()

    def require_alive(self) -> None:
        assert self.process.poll() is None, f"the server ended: {self.log.read_text()[-2_000:]}"

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        text = self.log.read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def require_nothing_failed(self) -> None:
        """That it told of no failure of its own."""
        self.require_alive()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()[-4_000:]
        failed = [line for line in self.lines() if line["level"] in ("error", "critical")]
        assert not failed, failed


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    """A server with these arguments on a port of its own, until the end of the `with`, however it comes."""
    command = [sys.executable, "-m", "remit.cli.main", "serve", "--grpc", "127.0.0.1:0", "--json", *arguments]
    log = folder / f"serve-{len(list(folder.glob('serve-*')))}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said, log.read_text()
        yield Served(process, json.loads(said)["serving"], log)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
