"""Those who call in JSON over HTTP: whole requests, heads that are wrong, and bodies that never end.

Law: as over gRPC, each holds on to what it has for as long as it is let, and takes again what was taken from it."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Iterator, Sequence

from google.protobuf import json_format

from bench.siege.attacker import RETRY_S, Attacker, Messages, by_verbs
from bench.siege.strangers import LOOK_S, SILENT, is_over
from bench.siege.target import Target
from remit.engine.limits import JSON_BYTES_MAX
from remit.server.http.paths import path_of
from remit.server.verbs import UNARY

VERBS = {verb.path: verb for verb in UNARY}
_WAIT_S = 60.0


def asks_json(path: str, messages: Messages, clients: int) -> Attacker:
    """So many callers with one key, each on a connection of its own, with one call of a verb after the other."""
    verb = VERBS[path]

    def attack(target: Target, number: int) -> Iterator[bool]:
        bodies = [
            json_format.MessageToJson(verb.request.FromString(each), indent=None).encode()
            for each in messages(target, number)
        ]
        connection = HttpConnection(target)
        try:
            for body in itertools.cycle(bodies):
                is_answered = connection.post(path_of(verb), body) == 200
                yield is_answered
                if not is_answered:
                    time.sleep(RETRY_S)
        finally:
            connection.close()

    return by_verbs(attack, clients, path)


def wrong_calls(target: Target, number: int) -> Iterator[bool]:
    """Without a key or with one, as the target has it: each is refused, the next is sent at once."""
    path = path_of(UNARY[0])
    deep = b"[" * 100_000
    wrong = itertools.cycle(
        [
            (path, b"{}", ()),
            (path, os.urandom(2_000), ()),
            (path, deep, ()),
            (path, b'{"context": {"a": %s}}' % deep, ()),
            (path, b'{"context": [%s]}' % b",".join([b"{}"] * 5_000), ()),
            (path, b"{}", (("authorization", f"Bearer {target.revoked}"),)),
            (path, b"{}", (("origin", "http://localhost"),)),
            (path, b" " * 2 * JSON_BYTES_MAX, ()),
            ("/v1/" + "x" * 8_000, b"{}", ()),
        ]
    )
    connection = HttpConnection(target)
    try:
        while True:
            yield connection.post(*next(wrong)) == 200
    finally:
        connection.close()


def begun_json(target: Target, number: int) -> Iterator[bool]:
    """Bodies of a mebibyte of which all but the last byte was sent, on more connections than there may be."""
    said = _head(target, path_of(UNARY[0]), JSON_BYTES_MAX, ())
    held: list[socket.socket] = []
    try:
        while True:
            while len(held) < SILENT:
                held.append(_begun(target, said))
                yield True
            time.sleep(LOOK_S)
            for each in [each for each in held if is_over(each)]:
                held.remove(each)
                each.close()
                yield False
    finally:
        for each in held:
            each.close()


def _begun(target: Target, head: bytes) -> socket.socket:
    connection = target.encrypted(target.connected(target.http), "http/1.1")
    connection.setblocking(False)
    left = memoryview(head + b" " * (JSON_BYTES_MAX - 1))
    try:
        while left:
            left = left[connection.send(left) :]
    except BlockingIOError:  # the server reads no further, yet or ever
        pass
    return connection


class HttpConnection:
    """One connection of HTTP/1.1, opened again where the server ended it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket: socket.socket | None = None

    def post(self, path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> int:
        """The status of what comes back. Raises OSError where nothing does."""
        if self._socket is None:
            self._socket = self._target.encrypted(self._target.connected(self._target.http), "http/1.1")
            self._socket.settimeout(_WAIT_S)
        try:
            self._socket.sendall(_head(self._target, path, len(body), headers) + body)
            return self._answer(self._socket)
        except OSError:
            self.close()
            raise

    def _answer(self, connection: socket.socket) -> int:
        heard = b""
        while (at := heard.find(b"\r\n\r\n")) < 0:
            heard += self._more(connection)
        lines = heard[:at].lower().split(b"\r\n")
        named = dict(line.split(b": ", 1) for line in lines[1:])
        left = int(named.get(b"content-length", b"0")) - (len(heard) - at - 4)
        while left > 0:
            left -= len(self._more(connection))
        if named.get(b"connection") == b"close":
            self.close()
        return int(lines[0].split()[1])

    def _more(self, connection: socket.socket) -> bytes:
        if more := connection.recv(1 << 18):
            return more
        raise ConnectionError("the server closed the connection")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _head(target: Target, path: str, size: int, headers: Sequence[tuple[str, str]]) -> bytes:
    own = () if any(name == "authorization" for name, _ in headers) else target.metadata()
    named = [("host", "localhost"), ("content-type", "application/json"), ("content-length", str(size))]
    lines = [f"{name}: {value}" for name, value in (*named, *own, *headers)]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode()
