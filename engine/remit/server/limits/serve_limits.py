"""What one server takes on at once, and how long it waits; what one request may ask is `remit.engine.limits`.

Law: each of these is a flag of `remit serve` by the same name, and bounds something that would otherwise grow with what
callers do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from remit.engine.limits import MIB, Limits


@dataclass(frozen=True, slots=True)
class ServeLimits:
    """Threads; requests under way at once (at work or waiting for a thread); streams; connections. A caller is a key,
    or a connection where there are no keys."""

    readers: int = 8
    reads_in_flight_max: int = 256
    # One more than a caller may have at work: Python runs one at a time, and others stand behind.
    heavy_readers: int = 3
    writers: int = 32  # writers mostly wait for one fsync together: as many as a group commit can gather
    heavy_writers: int = 1  # beside the writer's own: with two holds waited half as long again, and no more was done
    writes_in_flight_max: int = 512
    rate_per_key: float = 0.0  # requests a second; 0: as many as it likes
    streams_max: int = 8_192
    streams_per_key_max: int = 4_096  # a connection, where there are no keys
    stream_threads: int = 4  # streams borrow one for a step at a time
    default_deadline_s: float = 30.0  # of a unary request that brings none, from when it is taken
    slow_consumer_s: float = 30.0  # how long a message may wait to be taken
    unsent_bytes_max: int = 256 * MIB  # of answers that wait for their readers: four of the largest
    unanswered_bytes_max: int = 256 * MIB  # of requests that arrive or are worked on: sixteen of the largest
    # That streams keep from step to step: of one caller at most as much as of one question of the past, and some more.
    remembered_bytes_max: int = 320 * MIB
    request_s: float = 30.0  # for a message of a request to come whole: the largest by 5 Mbit/s
    calls_per_connection_max: int = 1_024
    # Of HTTP: each may ask at any moment, and a probe stands behind all that do; some third of a millisecond each.
    http_connections_max: int = 256
    handshake_s: float = 20.0  # for a connection to begin to speak, TLS included
    sandboxes_max: int = 1_000  # of a server for testing: tokens with a store of their own
    idle_connection_s: float = 900.0  # without a call; clients connect again by themselves


DEFAULT_LIMITS = ServeLimits()


def calls_max(limits: ServeLimits) -> int:
    """Calls at once of all whose key is known: more than all queues and streams together could hold twice."""
    return 2 * (limits.reads_in_flight_max + limits.writes_in_flight_max + limits.streams_max) + 1_024


def received_bytes_max(limits: Limits) -> int:
    """What gRPC takes of a message: twice our own limit, so that what is somewhat too large gets our reason, and only
    what is absurd gets gRPC's."""
    return 2 * limits.request_bytes_max


# --- limits in words --------------------------------------------------------------------------------------------


def flag_of(name: str) -> str:
    """The option of `remit serve` that sets a limit."""
    return f"--{name.replace('_', '-')}"


def unusual_of(chosen: Limits | ServeLimits, usual: Limits | ServeLimits) -> Iterator[tuple[str, float, float]]:
    """Name, chosen and usual value of each limit that is not as usual."""
    for field in fields(chosen):
        values = getattr(chosen, field.name), getattr(usual, field.name)
        if values[0] != values[1]:
            yield field.name, *values


def shown(name: str, value: float) -> str:
    """A limit for people: `4MiB`, `1,000`, `0.5`."""
    if "_bytes_" in name:
        return size_text(int(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def size_text(size: int) -> str:
    """`4MiB`, or `25000` where it is no whole number of anything."""
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift}{unit}"
    return str(size)
