"""The watchdog: a process that was told to stop ends, whatever hangs in it.

A stop waits for threads at work, for the writer, for the disk, and each of them may never return. So there is a thread
beside them all that ends the process when its time is over, and tells in the log where every other thread stood. A
library that never lets go of Python's lock would keep that thread from running too; behind it waits one of C
(`faulthandler`), which needs no lock.
Law: from the first signal on, the process has so long and no longer."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

EXIT_CODE = 1  # as of every stop that cut something off
_LOG_S = 1.0  # for the last line of the log
_LOCK_HELD_S = 2.0  # how much later the one behind it looks
_STDERR = 2


class Watchdog:
    """Of one process. `end` is how it is ended: not by an exception, which would wait for what hangs."""

    def __init__(self, end: Callable[[int], object] = os._exit) -> None:
        self._end = end
        self._timer: threading.Timer | None = None
        self._until_s = float("inf")

    def begin(self, within_s: float) -> None:
        """End the process in so many seconds, unless it is to end before that already."""
        until_s = time.monotonic() + within_s
        if until_s >= self._until_s:
            return
        self.cancel()
        self._until_s = until_s
        self._timer = threading.Timer(within_s, self._bark, (within_s,))
        self._timer.daemon = True
        self._timer.start()
        if self._end is os._exit:
            faulthandler.dump_traceback_later(within_s + _LOCK_HELD_S, exit=True, file=_STDERR)

    def cancel(self) -> None:
        """Do not end the process: it is about to end by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._until_s = float("inf")
            if self._end is os._exit:
                faulthandler.cancel_dump_traceback_later()

    def _bark(self, within_s: float) -> None:
        told = {"after_s": within_s, "exit_code": EXIT_CODE, "at": list(_places())}
        # The log may be what hangs: nobody reads it, or a thread that hangs holds its lock.
        telling = threading.Thread(target=log.critical, args=("stop overdue",), kwargs={"extra": told}, daemon=True)
        telling.start()
        telling.join(_LOG_S)
        self._end(EXIT_CODE)


def _places() -> Iterator[str]:
    """Where each other thread stands."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is not None and thread is not threading.current_thread():
            code = frame.f_code
            yield f"{thread.name}: {code.co_qualname} ({code.co_filename}:{frame.f_lineno})"
