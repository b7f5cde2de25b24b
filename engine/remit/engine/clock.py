"""What time it is: the server's own clock, in microseconds since the epoch, never going backwards, restart or not.

The store keeps a promise a few seconds ahead of the clock; a later start begins no earlier than what was promised, and
the clock says nothing beyond it: where the machine's clock jumps ahead, ours stands at the promise for the moment that
a new one takes. So a grant that was seen to expire stays expired, whatever happens to the machine's clock, and whenever
the process is killed. Only where the disk takes no promise does time go on without: a clock that stood still would keep
alive what expires, and that is worse.
Law: `now_us` never returns less than it, or an earlier process on the same store, returned before."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from remit.errors import RemitError
from remit.native_core import core

if TYPE_CHECKING:
    from remit._core import Clock as NativeClock

_LEASE_US = 5_000_000  # how far ahead a promise reaches: what a start after a crash may be ahead of real time
_RENEWALS_PER_LEASE = 2
# How long the clock stands at its promise, in the machine's ticks: a renewal takes a millisecond, behind a large import
# some hundred. Beyond that the disk hangs, and what expires must not wait for it.
_PATIENCE_US = 1_000_000
_FOR_EVER_US = 2**63
# How far ahead of the machine nobody is told of: a start after a crash is ahead by a lease, a leap second by one.
_UNTOLD_US = 60_000_000

_log = logging.getLogger(__name__)
UNANSWERED = "the clock's promise was not renewed in time: the store does not answer"


class Clock(Protocol):
    """Where time comes from."""

    def now_us(self) -> int: ...


class PromiseKeeper(Protocol):
    """What a clock asks of a store: see `store.port.Store`."""

    def clock_us(self) -> int: ...

    def promise_clock(self, ceiling_us: int) -> None: ...


class Ticking(Protocol):
    """What tells the time, of Python or of the core. Safe from many threads."""

    def now_us(self) -> int: ...

    def ahead_us(self) -> int: ...

    def advance_to(self, time_us: int) -> None: ...

    def promise(self, ceiling_us: int) -> None: ...

    def unkept(self) -> None: ...

    def wait_for_renewal(self, timeout_s: float) -> None: ...

    def renew_now(self) -> None: ...


class ManualClock:
    """A clock that is told the time. For tests and offline use. `native`: its like for the core's threads."""

    def __init__(self, start_us: int = 0) -> None:
        self.native = core.Clock(_PATIENCE_US, (start_us, start_us)) if core is not None else None
        self._now_us = start_us

    def now_us(self) -> int:
        return self._now_us

    def advance_us(self, by_us: int) -> None:
        """Let time pass."""
        assert by_us >= 0, "time does not go backwards"
        self._now_us += by_us
        if self.native is not None:
            self.native.tell(self._now_us, self._now_us)


class SystemClock:
    """The machine's clock, kept from going backwards. Safe from many threads. `native`: the same, for the core's."""

    def __init__(self) -> None:
        self.native = _native_clock()
        self._ticking: Ticking = self.native or PythonTicking()
        self._is_closed = False
        self._is_ahead_told = False
        self._renewal: threading.Thread | None = None

    def now_us(self) -> int:
        """The machine's time; where the machine is behind what was already said, half its speed until it catches up,
        so that nothing that should expire is kept alive by a clock that stands still. Never waits."""
        return self._ticking.now_us()

    def keep(self, keeper: PromiseKeeper) -> None:
        """Begin no earlier than the store's promise, and renew it until `close`."""
        self._ticking.advance_to(keeper.clock_us())
        self._tell_if_ahead()
        self._promise(keeper)
        self._renewal = threading.Thread(target=self._renew, args=(keeper,), name="remit-clock", daemon=True)
        self._renewal.start()

    def close(self) -> None:
        """Stop renewing. Call it before the store is closed."""
        self._is_closed = True
        self._ticking.renew_now()
        if self._renewal is not None:
            self._renewal.join()

    def _promise(self, keeper: PromiseKeeper) -> None:
        ceiling_us = self._ticking.ahead_us() + _LEASE_US
        keeper.promise_clock(ceiling_us)
        self._ticking.promise(ceiling_us)

    def ahead_of_machine_us(self) -> int:
        """How far our time is ahead of the machine's, which was set back, or was ahead when we last believed it."""
        return max(self._ticking.ahead_us() - _machine_us(), 0)

    def _tell_if_ahead(self) -> None:
        """Once whenever it comes to that: what was promised is never taken back, so somebody has to decide."""
        ahead_us = self.ahead_of_machine_us()
        is_ahead = ahead_us > _UNTOLD_US
        if is_ahead and not self._is_ahead_told:
            _log.warning(
                "clock ahead of the machine's: time goes on at half speed until the machine has caught up",
                extra={"ahead_s": ahead_us // 1_000_000},
            )
        self._is_ahead_told = is_ahead

    def _renew(self, keeper: PromiseKeeper) -> None:
        failing = False
        while True:
            self._ticking.wait_for_renewal(_LEASE_US / 1e6 / _RENEWALS_PER_LEASE)
            if self._is_closed:
                return
            self._tell_if_ahead()
            try:
                self._promise(keeper)
                failing = False
            except RemitError as error:
                self._ticking.unkept()
                if not failing:
                    _log.warning("the clock's promise could not be renewed: %s", error.message)
                failing = True


class PythonTicking:
    """What `engine/core/remit-core/src/clock.rs` is, where that is not built."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_us = _machine_us()
        self._ticked_us = _ticks_us()
        self._promised_us = _FOR_EVER_US  # nobody keeps a promise yet, so none is broken
        self._standing_since_us: int | None = None  # in ticks
        self._is_unkept = False  # the store takes no promise: time goes on without
        self._renew_now = threading.Event()

    def now_us(self) -> int:
        with self._lock:
            time_us, self._ticked_us = self._time_us()
            if time_us > self._promised_us and not self._may_pass():
                time_us = max(self._last_us, self._promised_us)
            self._last_us = time_us
            return time_us

    def _time_us(self) -> tuple[int, int]:
        """What there is to say, promised or not, and up to which tick that counts."""
        ticks_us = _ticks_us()
        machine_us = _machine_us()
        if machine_us >= self._last_us:
            return machine_us, ticks_us
        # Whole steps of two: an odd tick is left for the next call, or a clock asked all the time would stand.
        steps_us = (ticks_us - self._ticked_us) // 2
        return self._last_us + steps_us, self._ticked_us + 2 * steps_us

    def _may_pass(self) -> bool:
        """Whether time may go beyond the promise; otherwise it stands there, and the promise is renewed."""
        if self._is_unkept:
            return True
        self._renew_now.set()
        ticks_us = _ticks_us()
        if self._standing_since_us is None:
            self._standing_since_us = ticks_us
        self._is_unkept = ticks_us - self._standing_since_us >= _PATIENCE_US
        if self._is_unkept:
            _log.warning(UNANSWERED)
        return self._is_unkept

    def ahead_us(self) -> int:
        """What there would be to say, were it promised."""
        with self._lock:
            return self._time_us()[0]

    def advance_to(self, time_us: int) -> None:
        """Go on from no earlier than this."""
        with self._lock:
            self._last_us = max(self._last_us, time_us)

    def promise(self, ceiling_us: int) -> None:
        """The store has taken it: what is said may go so far."""
        with self._lock:
            self._promised_us = ceiling_us
            self._standing_since_us = None
            self._is_unkept = False

    def unkept(self) -> None:
        """The store has not taken it: time goes on without."""
        self._is_unkept = True

    def wait_for_renewal(self, timeout_s: float) -> None:
        """Until somebody stands at the promise, or `renew_now`."""
        self._renew_now.wait(timeout_s)
        self._renew_now.clear()

    def renew_now(self) -> None:
        self._renew_now.set()


def _native_clock() -> NativeClock | None:
    """The core's where it is built: then its own threads tell the same time."""
    return core.Clock(_PATIENCE_US) if core is not None else None


def _machine_us() -> int:
    return time.time_ns() // 1000


def _ticks_us() -> int:
    return time.monotonic_ns() // 1000
