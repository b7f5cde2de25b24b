"""How often a key may ask: so many requests a second, and a second's worth of them at once.

One number is kept for each key, the time until which its requests have spent what it was given (the cell rate algorithm
of ATM networks: it lets through exactly what a bucket of tokens would, and needs no refilling).
Law: over any stretch of time a key gets no more than `burst` requests and `per_s` for each second of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from remit.errors import RateLimited

_SWEEP_AT_MIN = 1_024


class Rates:
    """The rates of all keys of a server. Safe from many threads."""

    def __init__(self, per_s: float, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        """`per_s` 0: as often as anybody likes."""
        assert per_s >= 0, "a rate is not negative"
        self.per_s = per_s
        self.burst = max(1.0, per_s)
        self._clock_s = clock_s
        self._spent_until_s: dict[str, float] = {}
        self._sweep_at = _SWEEP_AT_MIN
        self._lock = threading.Lock()

    def take(self, key: str) -> None:
        """Count a request of a key. Raises RateLimited, and then it does not count. Cost: O(1), amortised."""
        if not self.per_s:
            return
        with self._lock:
            self._take(key)

    def _take(self, key: str) -> None:
        now_s = self._clock_s()
        spent_until_s = max(self._spent_until_s.get(key, now_s), now_s)
        ahead_s = spent_until_s + 1 / self.per_s - now_s
        ahead_s_max = self.burst / self.per_s
        if ahead_s > ahead_s_max * (1 + 1e-9):  # the division rounds
            raise RateLimited(
                f"the key asks more often than {self.per_s:g} times a second: try again a little later",
                retry_after_s=ahead_s - ahead_s_max,
                name="rate_per_key",
                limit=f"{self.per_s:g}",
                key=key,
            )
        self._spent_until_s[key] = now_s + ahead_s
        if len(self._spent_until_s) >= self._sweep_at:
            self._sweep(now_s)

    def _sweep(self, now_s: float) -> None:
        """Forget the keys that have everything left: they are as those that never asked."""
        self._spent_until_s = {key: until_s for key, until_s in self._spent_until_s.items() if until_s > now_s}
        self._sweep_at = max(_SWEEP_AT_MIN, 2 * len(self._spent_until_s))
