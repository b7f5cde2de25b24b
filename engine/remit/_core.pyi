"""The native core, as Python sees it: engine/core."""

from collections.abc import Sequence, Set
from typing import TypedDict

version: str

class Clock:
    """The machine's clock, kept from going backwards; or where `manual_us` is given, one that is told the time."""

    def __new__(cls, manual_us: int | None = None) -> Clock: ...
    def now_us(self) -> int: ...
    def at(self, machine_us: int, ticks_us: int) -> int: ...
    def advance_to(self, time_us: int) -> None: ...

# A secret's SHA-256, whether its key may check, the stores it sees (None: all), when it ceases to count.
KeyRow = tuple[bytes, bool, Set[str] | None, int | None]

class MethodNumbers(TypedDict):
    """`seconds` and `steps`: buckets that are not cumulated, and the sum, that of seconds in nanoseconds."""

    yes: int
    no: int
    elsewhere: int
    seconds: tuple[Sequence[int], int]
    steps: tuple[Sequence[int], int]

class DoorNumbers(TypedDict):
    connections: int
    accepted: int
    handshakes_failed: int
    proxied: int
    proxied_refused: int
    methods: dict[str, MethodNumbers]

class Door:
    """See `server/front_door.py`."""

    def __new__(
        cls,
        core: object | None,
        clock: Clock,
        *,
        listener: int,
        upstream: str,
        threads: int,
        keys: Sequence[KeyRow] | None,
        pem: tuple[bytes, bytes, bytes | None] | None,
        overloaded: tuple[int, str, str],
        unavailable: tuple[int, str, str],
        seconds_bounds: Sequence[float],
        steps_bounds: Sequence[int],
        steps_max: int,
        items_max: int,
        request_bytes_max: int,
        response_bytes_max: int,
        calls_per_connection_max: int,
        proxied_max: int,
        unsent_bytes_max: int,
        handshake_s: float,
        idle_s: float,
        ping_every_s: float,
        pong_within_s: float,
    ) -> Door: ...
    def set_keys(self, keys: Sequence[KeyRow] | None) -> None: ...
    def set_pem(self, pem: tuple[bytes, bytes, bytes | None]) -> None: ...
    def set_native(self, is_native: bool) -> None: ...
    def drain(self) -> None: ...
    def close(self, within_s: float) -> bool: ...
    def numbers(self) -> DoorNumbers: ...
