"""HTTP/2 by hand, as far as it takes to say something wrong on purpose: a preface, frames, headers as plain literals.

Only what a client sends; nothing here reads what a server answers but to see that it does."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, payload: bytes, *, length: int | None = None) -> bytes:
    """One frame; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    return (
        struct.pack(">I", size & 0xFFFFFF)[1:]
        + bytes([kind & 0xFF, flags & 0xFF])
        + struct.pack(">I", stream)
        + payload
    )


def settings(values: Mapping[int, int] | None = None) -> bytes:
    payload = b"".join(struct.pack(">HI", key, value) for key, value in (values or {}).items())
    return frame(SETTINGS, 0, 0, payload)


def headers_block(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """HPACK without compression: each header a literal that is not indexed."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in pairs)


def _text(data: bytes) -> bytes:
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest, size = len(data) - 127, bytearray([127])
    while rest > 127:
        size.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*size, rest]) + data


def call_headers(path: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """The header block of a gRPC call."""
    pairs = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
    return headers_block([*pairs, *extra])


def message(data: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message with its prefix; `flag` and `length` may lie."""
    return struct.pack(">BI", flag, len(data) if length is None else length) + data


def connected(address: tuple[str, int], *parts: bytes, timeout_s: float = 20.0) -> socket.socket:
    """A connection on which these were sent."""
    connection = socket.create_connection(address, timeout=timeout_s)
    connection.sendall(b"".join(parts))
    return connection


def has_answered(connection: socket.socket) -> bool:
    """Whether the server said anything before it ended the connection, or its patience with ours."""
    try:
        return bool(connection.recv(4096))
    except (TimeoutError, ConnectionError):
        return False
