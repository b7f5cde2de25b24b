"""What time it is: the server's own clock, in microseconds since the epoch, never going backwards, restart or not.

The store keeps a promise a few seconds ahead of the clock; a later start begins no earlier than what was promised. So a
grant that was seen to expire stays expired, whatever happens to the machine's clock in between.
Law: `now_us` never returns less than it, or an earlier process on the same store, returned before."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from remit.errors import RemitError

try:
    from remit import _core
except ImportError:  # it was not built: Python tells the time then
    _core = None  # type: ignore[assignment]

_LEASE_US = 5_000_000  # how far ahead a promise reaches: what a start after a crash may be ahead of real time
_RENEWALS_PER_LEASE = 2

_log = logging.getLogger(__name__)


class Clock(Protocol):
    """Where time comes from."""

    def now_us(self) -> int: ...


class PromiseKeeper(Protocol):
    """What a clock asks of a store: see `store.interface.Store`."""

    def clock_us(self) -> int: ...

    def promise_clock(self, ceiling_us: int) -> None: ...


class Ticking(Protocol):
    """What tells the time, of Python or of the core."""

    def now_us(self) -> int: ...

    def advance_to(self, time_us: int) -> None: ...


class ManualClock:
    """A clock that is told the time. For tests and offline use."""

    def __init__(self, start_us: int = 0) -> None:
        self.native = _core.Clock(start_us) if _core is not None else None
        self._now_us = start_us

    def now_us(self) -> int:
        return self._now_us

    def advance_us(self, by_us: int) -> None:
        """Let time pass."""
        assert by_us >= 0, "time does not go backwards"
        self._now_us += by_us
        if self.native is not None:
            self.native.advance_to(self._now_us)


class PythonTicking:
    """What `engine/core/src/clock.rs` is, where it is not built. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_us = _machine_us()
        self._ticked_us = _ticks_us()

    def now_us(self) -> int:
        """The machine's time; where the machine is behind what was already said, half its speed until it catches up,
        so that nothing that should expire is kept alive by a clock that stands still."""
        with self._lock:
            ticks_us = _ticks_us()
            machine_us = _machine_us()
            if machine_us >= self._last_us:
                self._last_us = machine_us
                self._ticked_us = ticks_us
            else:
                # Whole steps of two: an odd tick is left for the next call, or a clock asked all the time would stand.
                steps_us = (ticks_us - self._ticked_us) // 2
                self._last_us += steps_us
                self._ticked_us += 2 * steps_us
            return self._last_us

    def advance_to(self, time_us: int) -> None:
        """Go on from no earlier than this."""
        with self._lock:
            self._last_us = max(self._last_us, time_us)


class SystemClock:
    """The machine's clock, kept from going backwards. Safe from many threads."""

    def __init__(self) -> None:
        self.native = _core.Clock() if _core is not None else None
        self._ticking = _ticking(self.native)
        self._keeper: PromiseKeeper | None = None
        self._closed = threading.Event()
        self._renewal: threading.Thread | None = None

    def now_us(self) -> int:
        """The machine's time, or where the machine is behind what was already said, a time between the two."""
        return self._ticking.now_us()

    def keep(self, keeper: PromiseKeeper) -> None:
        """Begin no earlier than the store's promise, and renew it until `close`."""
        self._ticking.advance_to(keeper.clock_us())
        self._keeper = keeper
        keeper.promise_clock(self.now_us() + _LEASE_US)
        self._renewal = threading.Thread(target=self._renew, name="remit-clock", daemon=True)
        self._renewal.start()

    def close(self) -> None:
        """Stop renewing. Call it before the store is closed."""
        self._closed.set()
        if self._renewal is not None:
            self._renewal.join()

    def _renew(self) -> None:
        assert self._keeper is not None, "keep() sets it before the thread begins"
        failing = False
        while not self._closed.wait(_LEASE_US / 1e6 / _RENEWALS_PER_LEASE):
            try:
                self._keeper.promise_clock(self.now_us() + _LEASE_US)
                failing = False
            except RemitError as error:
                # Time goes on: a clock that stopped because the disk is full would keep expired grants alive.
                if not failing:
                    _log.warning("the clock's promise could not be renewed: %s", error.message)
                failing = True


def _ticking(native: Ticking | None) -> Ticking:
    """The core's where it is built: then its own threads tell the same time."""
    return native if native is not None else PythonTicking()


def _machine_us() -> int:
    return time.time_ns() // 1000


def _ticks_us() -> int:
    return time.monotonic_ns() // 1000
