"""HTTP/2 spoken by hand, for callers that no library would be: who never read, never go on, or only connect."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from tests.support.serving import PATIENCE_S

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 2, 3, 4, 6, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *each) for each in values.items()))


def header(name: str, value: str) -> bytes:
    """A literal that enters no table, without Huffman's code."""
    return b"\x00" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def call(stream: int, path: str, request: bytes, **metadata: str) -> bytes:
    """A whole unary call."""
    message = b"\x00" + len(request).to_bytes(4, "big") + request
    return headers(stream, path, **metadata) + frame(DATA, END_STREAM, stream, message)


def headers(stream: int, path: str, **metadata: str) -> bytes:
    """How a call begins."""
    pairs = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "remit",
        "content-type": "application/grpc",
        "te": "trailers",
        **metadata,
    }
    return frame(HEADERS, END_HEADERS, stream, b"".join(header(*each) for each in pairs.items()))


class Connection:
    """A connection that has said its preface, unless it is silent. With a window of nothing, it lets the server send no
    answer."""

    def __init__(self, endpoint: str, *, window: int = 65_535, is_silent: bool = False) -> None:
        host, _, port = endpoint.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self._next_stream = 1
        if not is_silent:
            self.send(PREFACE + settings({INITIAL_WINDOW_SIZE: window}) + frame(SETTINGS, ACK, 0))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_as_much_as_is_taken(self, data: bytes) -> None:
        """Until the server has closed the connection, or reads no more."""
        self._socket.setblocking(False)
        try:
            while data:
                data = data[self._socket.send(data[:65_536]) :]
        except BlockingIOError:
            pass  # it waits until we read, which we do not
        except ConnectionError:
            pass  # it has had enough
        finally:
            self._socket.settimeout(PATIENCE_S)

    def call(self, path: str, request: bytes, **metadata: str) -> None:
        self.send(call(self._next_stream, path, request, **metadata))
        self._next_stream += 2

    def begin(self, path: str, size: int, said: bytes, **metadata: str) -> None:
        """A call whose request is of that size, as far as it is said here."""
        part = b"\x00" + size.to_bytes(4, "big") + said
        self.send(headers(self._next_stream, path, **metadata) + frame(DATA, 0, self._next_stream, part))
        self._next_stream += 2

    def wait_until_open(self) -> None:
        """Until the server has begun to speak."""
        assert self._socket.recv(9), "the server has closed the connection"

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()
