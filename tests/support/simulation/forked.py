"""Work in a process of its own, forked, which takes some milliseconds where a Python begun anew takes a second. Whoever
forks has no other threads, and no store open.

Law: what a process has said before it was killed is heard, and a failure in one is a failure here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

Say = Callable[[str], None]


class Child:
    """A forked process, and what it says."""

    def __init__(self, work: Callable[[Say], None]) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(reading)
            _do(work, writing)
        os.close(writing)
        self._reading = reading
        self._said = b""

    def await_lines(self, count: int) -> None:
        """Until it has said so many, or has ended."""
        while self._said.count(b"\n") < count and self._hears():
            pass

    def end(self, *, kill: bool = False) -> tuple[str, bool]:
        """What it has said, and whether it was killed, by us or by itself. A failure of its own is raised."""
        if kill:
            os.kill(self.pid, signal.SIGKILL)
        while self._hears():
            pass
        os.close(self._reading)
        _, status = os.waitpid(self.pid, 0)
        is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert is_killed or status == 0, f"it ended with {status}: see what it wrote"
        return self._said.decode(), is_killed

    def _hears(self) -> bool:
        said = os.read(self._reading, 65_536)
        self._said += said
        return bool(said)


def done(work: Callable[[Say], None]) -> str:
    """What it has said, once it has ended by itself."""
    said, is_killed = Child(work).end()
    assert not is_killed, "nobody was to kill it"
    return said


def _do(work: Callable[[Say], None], writing: int) -> NoReturn:
    """In the child, which ends here whatever happens."""

    def say(text: str) -> None:
        os.write(writing, text.encode())  # short, so whole or not at all

    try:
        work(say)
        sys.stderr.flush()
        os._exit(0)
    except BaseException:  # noqa: BLE001  # also what ends a test: there is no test in here
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
