"""Connections that say HTTP/2 and gRPC wrong at random, and good calls beside them."""

from __future__ import annotations

from random import Random

from tests.support.simulation.hostile import ASKED, CHECK, Hostile
from tests.support.simulation.http2 import (
    DATA,
    END_HEADERS,
    HEADERS,
    PREFACE,
    call_headers,
    connected,
    frame,
    has_answered,
    message,
    settings,
)


def make_noise(hostile: Hostile, random: Random, connections: int) -> None:
    right = [frame(HEADERS, END_HEADERS, 1, call_headers(CHECK, hostile.key)), frame(DATA, 1, 1, message(ASKED))]
    for number in range(connections):
        parts = [PREFACE, settings()] if random.random() < 0.9 else [random.randbytes(random.randrange(60))]
        for _ in range(random.randrange(20)):
            if random.random() < 0.3:
                parts.append(random.choice(right))
                continue
            payload = random.randbytes(random.choice([0, 1, 4, 5, 8, 9, 60, 400]))
            length = random.choice([None, None, None, random.randrange(2**14)])
            stream = random.choice([0, 1, 1, 3, 5, 2, 2**31 - 1, 2**32 - 1])
            parts.append(frame(random.randrange(12), random.randrange(256), stream, payload, length=length))
        if random.random() < 0.2:
            parts = [mangled(random, b"".join(parts))]
        try:
            with connected(hostile.served.address, *parts) as connection:
                if random.random() < 0.3:
                    connection.shutdown(1)
                    has_answered(connection)
        except OSError:
            pass  # it was let go before it had said everything
        if number % 30 == 0:
            hostile.require_good()


def mangled(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.randrange(4)) + data[at + random.randrange(8) :]
