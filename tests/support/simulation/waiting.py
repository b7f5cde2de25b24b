"""Sieges of any size: those who come and say nothing more, those who ask and do not read, those who ask for too much.

Law: good callers are served beside them, and what they cost is bounded and given back."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2, status_pb2

from remit.model import LOCAL_CALLER, Operation, RelationshipFilter, Update
from remit.notation import parse_relationship
from remit.v1 import permissions_pb2, relationships_pb2
from tests.support.simulation.hostile import (
    ASKED,
    CHECK,
    FACT,
    MEANT,
    OWN,
    THING,
    USER,
    Hostile,
    ask,
    hostile_server,
    method_of,
    path_of,
    refusal_of,
)
from tests.support.simulation.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PREFACE,
    call_headers,
    connected,
    frame,
    message,
    settings,
)
from tests.support.simulation.process import MIB, until

_P, _R = permissions_pb2, relationships_pb2

# --- those who say nothing more ---------------------------------------------------------------------------------


def half_open(key: tuple[bytes, bytes]) -> list[bytes]:
    """What may have been said when nothing more is."""
    head = call_headers(CHECK, key)
    return [
        b"",
        PREFACE[:10],
        PREFACE + settings(),
        PREFACE + settings() + frame(HEADERS, 0, 1, head[:20]),
        PREFACE + settings() + frame(HEADERS, END_HEADERS, 1, head),
        PREFACE + settings() + frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, 0, 1, message(ASKED)[:9]),
        PREFACE + settings() + frame(DATA, 0, 1, b"\x00" * 100, length=10_000),
    ]


def settled(count: Callable[[], int]) -> int:
    """What it is once it stays the same: connections of a test before this one may still be on their way out."""
    last = count()
    for _ in range(100):
        time.sleep(0.2)
        if (now := count()) == last:
            return now
        last = now
    raise AssertionError("it never settled")


def require_served_beside_the_idle(
    hostile: Hostile, connections: int, bytes_each_max: int, files_kept_max: int = 2
) -> None:
    kinds = half_open(hostile.key)
    before, open_before = hostile.served.resident_bytes(), settled(hostile.served.open_files)
    idle = []
    try:
        for number in range(connections):
            idle.append(connected(hostile.served.address, kinds[number % len(kinds)]))
        assert until(lambda: hostile.served.open_files() >= open_before + connections), "not all were let in"
        for _ in range(20):
            hostile.require_good()
        touches = [Update(Operation.TOUCH, parse_relationship("thing:x#viewer@user:a"))]
        hostile.good.relationships.write(OWN, touches, caller=LOCAL_CALLER)
        each = (hostile.served.resident_bytes() - before) / connections
        print(f"{each / 1024:.1f} KiB for each of {connections}")
        assert each < bytes_each_max
    finally:
        for connection in idle:
            connection.close()
    assert until(lambda: hostile.served.open_files() <= open_before + files_kept_max), "connections are kept"


# --- those who do not read --------------------------------------------------------------------------------------

LARGE = 500  # facts of a page
FILLER = "x" * 1_000  # of each of the two ids in a fact
READERS = 60
UNSENT_BYTES_MAX = 8 * MIB


def require_little_for_who_takes_nothing(folder: Path, *arguments: str) -> None:
    limits = ("--unsent-bytes-max", "8MiB", "--readers", "2")
    with hostile_server(folder, *limits, *arguments) as hostile:
        touches = [
            Update(Operation.TOUCH, parse_relationship(f"thing:{FILLER}{number}#viewer@user:{FILLER}"))
            for number in range(LARGE)
        ]
        hostile.good.relationships.write(OWN, touches, caller=LOCAL_CALLER)
        with ThreadPoolExecutor(2) as pool:  # so that what is counted below is what waits, not what reading takes
            for page in pool.map(lambda _: hostile.good.relationships.read(OWN, RelationshipFilter()), range(4)):
                assert len(page.items) > LARGE
        before = hostile.served.resident_bytes()
        asked = _R.ReadRequest(store=OWN, filter=MEANT).SerializeToString()
        path = b"/remit.v1.Relationships/Read"
        calls = [
            frame(HEADERS, END_HEADERS, 2 * number + 1, call_headers(path, hostile.key))
            + frame(DATA, END_STREAM, 2 * number + 1, message(asked))
            for number in range(READERS)
        ]
        shut = settings({INITIAL_WINDOW_SIZE: 0})
        with connected(hostile.served.address, PREFACE, shut, *calls) as connection:
            refused = answered_streams(connection, READERS)
            grown = hostile.served.resident_bytes() - before
            print(f"{grown / MIB:.1f} MiB for {READERS - refused} pages that wait, {refused} refused")
            assert refused >= READERS - UNSENT_BYTES_MAX // (LARGE * 2 * len(FILLER))
            assert grown < 32 * MIB  # all of them would be 57
            for _ in range(5):
                hostile.require_good()
            assert len(hostile.good.relationships.read(OWN, RelationshipFilter()).items) > LARGE
        assert until(lambda: _can_read(hostile)), "what nobody waits for is still held"


def _can_read(hostile: Hostile) -> bool:
    return (
        ask(hostile, method_of("Read"), [_R.ReadRequest(store=OWN, filter=MEANT).SerializeToString()]).refusal is None
    )


def answered_streams(connection: socket.socket, count: int) -> int:
    """Read frames until each stream has had its first headers; how many of them ended at once, refused."""
    buffer, seen, refused = b"", set(), 0
    while len(seen) < count:
        more = connection.recv(65_536)
        assert more, f"the server ended the connection after {len(seen)} answers"
        buffer += more
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3]):
            size, kind, flags = int.from_bytes(buffer[:3]), buffer[3], buffer[4]
            stream = int.from_bytes(buffer[5:9])
            if kind == HEADERS and stream not in seen:
                seen.add(stream)
                refused += bool(flags & END_STREAM)
            buffer = buffer[9 + size :]
    return refused


# --- those who ask for more than there is -----------------------------------------------------------------------

CAPACITY = 8  # requests at work or waiting  # requests at work or waiting


class Flood:
    """So many requests at once from one key, and how each ended: "" for an answer."""

    def __init__(self, hostile: Hostile, channel: grpc.Channel, count: int) -> None:
        # Slow, or it would be no flood; and with a fact of its own, so that the frontend leaves it to Python.
        items = [_P.CheckItem(resource=THING, permission="use", subject=USER)] * 1_000
        asked = _P.CheckManyRequest(store=OWN, items=items, contextual=[FACT]).SerializeToString()
        method = cast(Any, channel).unary_unary(path_of(method_of("CheckMany")))
        self.calls = [method.future(asked, 60, metadata=hostile.own) for _ in range(count)]

    def endings(self) -> list[str]:
        return [self._ending(call) for call in self.calls]

    def _ending(self, call: Any) -> str:
        error = call.exception()
        if error is None:
            return ""
        refusal = refusal_of(error)
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED, refusal
        status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
        retries = [detail for detail in status.details if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)]
        assert len(retries) == 1, "it does not say when to come back"
        return refusal.reason


def require_served_beside_a_flood(folder: Path, rounds: int, *arguments: str) -> None:
    limits = ("--reads-in-flight-max", str(CAPACITY), "--readers", "2")
    with (
        hostile_server(folder, *limits, *arguments) as hostile,
        grpc.insecure_channel(hostile.served.endpoint) as channel,
    ):
        weights = [hostile.served.resident_bytes()]
        endings: Counter[str] = Counter()
        for _ in range(rounds):
            flood = Flood(hostile, channel, 10 * CAPACITY)
            served = 0
            while served < 3 or not all(call.done() for call in flood.calls):
                hostile.require_good()
                served += 1
            endings.update(flood.endings())
            weights.append(hostile.served.resident_bytes())
        print(f"{dict(endings)}; MiB: {[weight // MIB for weight in weights]}")
        assert endings.keys() == {"", "FAIR_SHARE"}, endings
        assert endings["FAIR_SHARE"] > rounds * CAPACITY, "it was no flood"
        assert weights[-1] - weights[0] < 64 * MIB
