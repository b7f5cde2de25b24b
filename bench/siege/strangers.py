"""Those who need no key, or only one that may ask, because they end no request: they flood, hold, trickle, reset.

Law: each holds on to what it has for as long as it is let, and takes again what was taken from it."""

from __future__ import annotations

import gzip
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterator

from bench.siege.attacker import RETRY_S
from bench.siege.messages import check, expanded, pages
from bench.siege.target import Session, Target
from bench.siege.world import CROWD
from remit.server.verbs import STREAMING, UNARY
from tests.support.simulation.http2 import RST_STREAM, frame, message

HEALTH, HEALTH_WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
PATHS = [*(verb.path for verb in UNARY), *(verb.path for verb in STREAMING)]

CALLS = 100  # begun at once on a connection, before their answers are looked for
SESSION_CALLS = 1_000  # held on a connection: nearly `calls_per_connection_max`
SILENT = 300  # connections: more than the HTTP port keeps
UNPACKED_BYTES = 15 * 1024 * 1024  # of a message that is 15 KiB on its way: one frame, and what gRPC would allow
LOOK_S = 0.2  # between looks at what the server has let go

# --- health and reflection --------------------------------------------------------------------------------------


def packed_health(target: Target, number: int) -> Iterator[bool]:
    packed = message(gzip.compress(bytes(UNPACKED_BYTES)), flag=1)
    return _flood(target, lambda session: session.call(HEALTH, packed, (b"grpc-encoding", b"gzip")))


def reflection(target: Target, number: int) -> Iterator[bool]:
    # `file_containing_symbol`, whose answer is a file with all that it imports.
    symbol = b"remit.v1.Permissions"
    asked = message(b"\x22" + bytes([len(symbol)]) + symbol) * 10
    return _flood(target, lambda session: session.call(REFLECTION, asked))


def garbage(target: Target, number: int) -> Iterator[bool]:
    paths = itertools.cycle([HEALTH, HEALTH_WATCH, REFLECTION, *PATHS])
    return _flood(target, lambda session: session.call(next(paths), message(b"\xff" + os.urandom(64))))


def false_keys(target: Target, number: int) -> Iterator[bool]:
    """Some never were, some are as keys are, some are no text of a key at all."""
    asked = message(check(CROWD, "u1", "view"))
    texts = itertools.cycle([target.revoked, target.revoked[:-1] + "a", "rk_", "x" * 4_000])

    def ask(session: Session) -> object:
        return session.call(PATHS[0], asked, (b"authorization", f"Bearer {next(texts)}".encode()))

    return _flood(target, ask)


def revoked_keys(target: Target, number: int) -> Iterator[bool]:
    asked, header = message(check(CROWD, "u1", "view")), (b"authorization", f"Bearer {target.revoked}".encode())
    return _flood(target, lambda session: session.call(PATHS[0], asked, header))


def rapid_resets(target: Target, number: int) -> Iterator[bool]:
    paths = itertools.cycle([HEALTH, REFLECTION, *PATHS])
    while True:
        session = Session(target)
        try:
            for _ in range(100):
                frames = []
                for _ in range(CALLS):
                    stream, head = session.head(next(paths))
                    frames += [head, frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big"))]
                session.send(*frames)
                yield True
                list(session.ended(0.001))
        except OSError:  # told to leave
            yield False
            time.sleep(RETRY_S)
        finally:
            session.close()


def _flood(target: Target, call: Callable[[Session], object]) -> Iterator[bool]:
    """A hundred calls at once, and the next hundred when they are over."""
    session = Session(target)
    try:
        while True:
            for _ in range(CALLS):
                call(session)
            ended = 0
            while ended < CALLS:
                for each in session.ended(10.0):
                    ended += 1
                    yield each.is_answered
    finally:
        session.close()


# --- those who hold ---------------------------------------------------------------------------------------------


def health_watches(target: Target, number: int) -> Iterator[bool]:
    return _hold(Session(target), lambda session: session.call(HEALTH_WATCH, message(b"")))


def bodiless(target: Target, number: int) -> Iterator[bool]:
    """Calls that are begun, of every verb, and no byte of a request."""
    paths = itertools.cycle(PATHS)
    return _hold(Session(target), lambda session: session.begin(next(paths)))


def bodiless_health(target: Target, number: int) -> Iterator[bool]:
    paths = itertools.cycle([HEALTH, HEALTH_WATCH, REFLECTION])
    return _hold(Session(target), lambda session: session.begin(next(paths)))


def begun_bodies(target: Target, number: int) -> Iterator[bool]:
    """The first 48 KiB of messages that say they are eight mebibytes."""
    paths = itertools.cycle(PATHS)
    return _hold(Session(target), lambda session: _begin_body(session, next(paths)), calls=CALLS)


def begun_bodies_of_strangers(target: Target, number: int) -> Iterator[bool]:
    paths = itertools.cycle([HEALTH, REFLECTION, *PATHS])
    return _hold(Session(target), lambda session: _begin_body(session, next(paths)), calls=CALLS)


def _begin_body(session: Session, path: str) -> None:
    session.say(session.begin(path), message(bytes(48 * 1024), length=8 * 1024 * 1024), ends=False)


def unread_answers(target: Target, number: int) -> Iterator[bool]:
    """Large answers behind a window that is shut."""
    asked = itertools.cycle(
        [
            ("/remit.v1.Relationships/Read", message(pages(target, number)[0])),
            ("/remit.v1.Permissions/Expand", message(expanded(target, number)[0])),
            ("/remit.v1.Relationships/Export", message(b"")),
        ]
    )
    return _hold(Session(target, window=0), lambda session: session.call(*next(asked)))


def unread_health(target: Target, number: int) -> Iterator[bool]:
    """Small answers behind a window that is shut, as many as there may be."""
    return _hold(Session(target, window=0), lambda session: session.call(HEALTH, message(b"")))


def slow_watches(target: Target, number: int) -> Iterator[bool]:
    """Watches of a store that take a kilobyte of what happens in it, and no more."""
    return _hold(
        Session(target, window=1_024), lambda session: session.call("/remit.v1.Relationships/Watch", message(b""))
    )


def _hold(session: Session, begin: Callable[[Session], object], calls: int = SESSION_CALLS) -> Iterator[bool]:
    """As many calls as a connection may have, and another for each that the server ends: they are meant to be held, so
    what is refused comes back at the pace of any other caller."""
    try:
        for _ in range(calls):
            begin(session)
            yield True
        while True:
            for _ in session.ended(LOOK_S):
                yield False
                time.sleep(RETRY_S)
                begin(session)
    finally:
        session.close()


# --- connections that say little or nothing ----------------------------------------------------------------------


def silent_http(target: Target, number: int) -> Iterator[bool]:
    return _connections(target, target.http, b"")


def silent_grpc(target: Target, number: int) -> Iterator[bool]:
    return _connections(target, target.endpoint, b"")


def half_handshakes(target: Target, number: int) -> Iterator[bool]:
    """The first bytes of a ClientHello that says it is longer."""
    said = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20)
    return itertools.chain.from_iterable(
        zip(_connections(target, target.endpoint, said), _connections(target, target.http, said), strict=False)
    )


def _connections(target: Target, endpoint: str, said: bytes) -> Iterator[bool]:
    """So many connections, and a new one for each that the server ends."""
    held: list[socket.socket] = []
    try:
        while True:
            while len(held) < SILENT:
                held.append(_opened(target, endpoint, said))
                yield True
            time.sleep(LOOK_S)
            ended = [each for each in held if is_over(each)]
            for each in ended:
                held.remove(each)
                each.close()
                yield False
    finally:
        for each in held:
            each.close()


def _opened(target: Target, endpoint: str, said: bytes) -> socket.socket:
    connection = target.connected(endpoint)
    connection.sendall(said)
    connection.setblocking(False)
    return connection


def is_over(connection: socket.socket) -> bool:
    try:
        return not connection.recv(4_096)
    except BlockingIOError:
        return False
    except OSError:
        return True
