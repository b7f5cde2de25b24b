"""What an attacker knows of the server that it attacks, and the two ways to speak to it: gRPC's own library, and HTTP/2
by hand for what no library would send.

Law: an attacker has one key, and nothing that a caller with that key could not have."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from bench.siege.world import Sizes
from tests.support.simulation.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    call_headers,
    frame,
    settings,
)

CONNECT_S = 10.0
_WINDOW_BYTES = 65_535  # what HTTP/2 lets either side send before it is asked for more
_FRAME_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Target:
    """`endpoint` and `http`: where gRPC is spoken, and HTTP. `key`: its text, "" for a stranger; `revoked`: of one that
    is no longer a key. `past`: a token of long ago. `authority`: the certificate that the server's is signed by, ""
    where it speaks in the clear. `source`: the address that connections by hand come from: strangers are told apart by
    nothing else, and they are not where the steady client is."""

    endpoint: str
    http: str
    sizes: Sizes
    key: str
    revoked: str
    past: str
    authority: str
    source: str = "127.0.0.1"

    def metadata(self, key: str | None = None) -> tuple[tuple[str, str], ...]:
        text = self.key if key is None else key
        return (("authorization", f"Bearer {text}"),) if text else ()

    def channel(self) -> grpc.Channel:
        """A connection that is shared with no other channel."""
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.max_receive_message_length", -1),
        ]
        if self.authority:
            return grpc.secure_channel(self.endpoint, grpc.ssl_channel_credentials(self.authority.encode()), options)
        return grpc.insecure_channel(self.endpoint, options)

    def connected(self, endpoint: str) -> socket.socket:
        """A bare connection, before a word of TLS."""
        host, _, port = endpoint.rpartition(":")
        return socket.create_connection((host, int(port)), CONNECT_S, (self.source, 0))

    def encrypted(self, connection: socket.socket, protocol: str) -> socket.socket:
        """The same where the server speaks TLS, and itself where it does not."""
        if not self.authority:
            return connection
        context = ssl.create_default_context(cadata=self.authority)
        context.set_alpn_protocols([protocol])
        return context.wrap_socket(connection, server_hostname="localhost")


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over. `is_answered`: the server sent a message; or else it refused."""

    stream: int
    is_answered: bool


class Session:
    """One connection of HTTP/2. It keeps to the window of the connection, and to nothing else; `window` is what the
    server may send on a stream before it is let send more, which it never is."""

    def __init__(self, target: Target, window: int = 2**30) -> None:
        self._socket = target.encrypted(target.connected(target.endpoint), "h2")
        self._next_stream = 1
        self._may_send = _WINDOW_BYTES
        self._buffer = b""
        self._answered: set[int] = set()
        self._ended: deque[Ended] = deque()
        # All that the server may send on all streams together: it is the streams' windows that are meant to be shut.
        widened = frame(WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4, "big"))
        self._key = tuple((name.encode(), value.encode()) for name, value in target.metadata())
        self.send(PREFACE, settings({INITIAL_WINDOW_SIZE: window}), widened)

    def send(self, *frames: bytes) -> None:
        self._socket.sendall(b"".join(frames))

    def head(self, path: str, *headers: tuple[bytes, bytes], ends: bool = False) -> tuple[int, bytes]:
        """The beginning of a call on the next stream, and which one that is."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        flags = END_HEADERS | (END_STREAM if ends else 0)
        return stream, frame(HEADERS, flags, stream, call_headers(path.encode(), *self._key, *headers))

    def begin(self, path: str, *headers: tuple[bytes, bytes]) -> int:
        """Open a call, and say nothing of its request."""
        stream, head = self.head(path, *headers)
        self.send(head)
        return stream

    def say(self, stream: int, data: bytes, *, ends: bool) -> None:
        """Some of a request, as soon as the server lets it be sent."""
        for begin in range(0, len(data), _FRAME_BYTES):
            part = data[begin : begin + _FRAME_BYTES]
            while self._may_send < len(part):
                self._read(CONNECT_S)
            self._may_send -= len(part)
            is_last = begin + _FRAME_BYTES >= len(data)
            self.send(frame(DATA, END_STREAM if ends and is_last else 0, stream, part))

    def call(self, path: str, data: bytes, *headers: tuple[bytes, bytes]) -> int:
        """A whole call; `data` with its prefix."""
        stream = self.begin(path, *headers)
        self.say(stream, data, ends=True)
        return stream

    def ended(self, within_s: float) -> Iterator[Ended]:
        """The calls that are over by now; where there are none yet, those of some moments later. Raises OSError once
        the connection is."""
        if not self._ended:
            try:
                self._read(within_s)
            except TimeoutError:
                return
        while self._ended:
            yield self._ended.popleft()

    def close(self) -> None:
        self._socket.close()

    def _read(self, within_s: float) -> None:
        self._socket.settimeout(within_s)
        more = self._socket.recv(1 << 18)
        self._socket.settimeout(CONNECT_S)
        if not more:
            raise ConnectionError("the server closed the connection")
        buffer, at = self._buffer + more, 0
        while len(buffer) - at >= 9:
            size = int.from_bytes(buffer[at : at + 3], "big")
            if len(buffer) - at < 9 + size:
                break
            kind, flags, stream = buffer[at + 3], buffer[at + 4], int.from_bytes(buffer[at + 5 : at + 9], "big")
            self._take(kind, flags, stream, buffer[at + 9 : at + 9 + size])
            at += 9 + size
        self._buffer = buffer[at:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and not stream:
            self._may_send += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            raise ConnectionError("the server said that it takes no more calls")
        elif kind == DATA:
            self._answered.add(stream)
        if kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM):
            self._ended.append(Ended(stream, stream in self._answered))
            self._answered.discard(stream)
