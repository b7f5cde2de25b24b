"""HTTP/2 and gRPC said wrong on purpose, by hand: whatever a connection says, all others are served.

What is wrong below the message is gRPC's to answer, in its own words or by ending the connection; that it does, that
nobody else notices, and that nothing is kept of it, is ours to see."""

from __future__ import annotations

from random import Random

import pytest

from tests.support.simulation.hostile import ASKED, CHECK, Hostile
from tests.support.simulation.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    call_headers,
    connected,
    frame,
    has_answered,
    headers_block,
    message,
    settings,
)
from tests.support.simulation.noise import make_noise
from tests.support.simulation.process import until

# The last frame of an answer to the first call: the names in it may come in Huffman's code.
ENDED = bytes((HEADERS, END_HEADERS | END_STREAM)) + (1).to_bytes(4, "big")


def test_frames_made_by_hand_are_answered_where_they_are_right(hostile: Hostile) -> None:
    """Or all that follows would be refused for being no HTTP/2 at all."""
    call = frame(HEADERS, END_HEADERS, 1, call_headers(CHECK, hostile.key))
    body = frame(DATA, END_STREAM, 1, message(ASKED))
    with connected(hostile.served.address, PREFACE, settings(), call, body) as connection:
        answer = b""
        while ENDED not in answer:
            more = connection.recv(4_096)
            assert more, answer
            answer += more
    assert message(b"")[:1] in answer and b"r1." in answer  # a message with a token


def broken_calls(key: tuple[bytes, bytes]) -> dict[str, bytes]:
    """What a client may say after its preface, by what is wrong with it."""
    whole = call_headers(CHECK, key)
    right = message(ASKED)

    def call(body: bytes, *extra: tuple[bytes, bytes]) -> bytes:
        return frame(HEADERS, END_HEADERS, 1, call_headers(CHECK, key, *extra)) + frame(DATA, END_STREAM, 1, body)

    return {
        "no message": call(b""),
        "half a prefix": call(right[:3]),
        "a message shorter than it says": call(message(ASKED, length=len(ASKED) + 7)),
        "a message longer than it says": call(message(ASKED, length=len(ASKED) - 7)),
        "a message of four gigabytes, it says": call(message(ASKED, length=2**32 - 1)),
        "two messages": call(right + right),
        "compressed, it says": call(message(ASKED, flag=1)),
        "compressed as nothing knows": call(message(ASKED, flag=1), (b"grpc-encoding", b"snake-oil")),
        "a flag that is none": call(message(ASKED, flag=0xFF)),
        "gzip that is none": call(message(b"\x1f\x8b\x08garbage", flag=1), (b"grpc-encoding", b"gzip")),
        "a deadline that is no time": call(right, (b"grpc-timeout", b"soon")),
        "a deadline that is over": call(right, (b"grpc-timeout", b"1n")),
        "another kind of content": call(right, (b"content-type", b"text/plain")),
        "a header name in capitals": call(right, (b"X-Shouted", b"yes")),
        "a header with a line break": call(right, (b"x-broken", b"a\r\nb: c")),
        "sixty kilobytes of a header": frame(HEADERS, END_HEADERS, 3, call_headers(CHECK, (b"x", b"y" * 60_000))),
        "binary metadata that is none": call(right, (b"x-trace-bin", b"!!!")),
        "a path that is none": frame(HEADERS, END_HEADERS | END_STREAM, 1, call_headers(b"\xff\xfe\x00")),
        "no path": frame(HEADERS, END_HEADERS | END_STREAM, 1, headers_block([(b":method", b"POST")])),
        "an index of no header": frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\x0f"),
        "an even stream": frame(HEADERS, END_HEADERS, 2, whole),
        "stream nought": frame(HEADERS, END_HEADERS, 0, whole),
        "data before headers": frame(DATA, END_STREAM, 1, right),
        "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1, b"\x00"),
        "headers that go on as something else": frame(HEADERS, 0, 1, whole) + frame(DATA, 0, 1, right),
        "a promise from a client": frame(PUSH_PROMISE, END_HEADERS, 1, b"\x00\x00\x00\x02"),
        "a frame longer than it says": frame(DATA, 0, 1, right, length=2),
        "a frame of sixteen megabytes, it says": frame(DATA, 0, 1, right, length=2**24 - 1),
        "settings of an odd length": frame(SETTINGS, 0, 0, b"\x00\x04\x00"),
        "a window beyond what there is": frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 3,
        "a window of nothing": frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\x00\x00"),
        "a window to begin with of four gigabytes": settings({INITIAL_WINDOW_SIZE: 2**32 - 1}),
        "a thousand pings": frame(PING, 0, 0, b"12345678") * 1_000,
        "a thousand settings": settings({INITIAL_WINDOW_SIZE: 7}) * 1_000,
        "a thousand calls begun and given up": b"".join(
            frame(HEADERS, END_HEADERS, n, whole) + frame(RST_STREAM, 0, n, b"\x00\x00\x00\x08")
            for n in range(1, 2_000, 2)
        ),
        "a thousand continuations": frame(HEADERS, 0, 1, whole) + frame(CONTINUATION, 0, 1, b"") * 1_000,
    }  # fmt: skip


WRONG = sorted(broken_calls((b"a", b"b")))


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_in_http2_disturbs_nobody(hostile: Hostile, wrong: str) -> None:
    said = broken_calls(hostile.key)[wrong]
    with connected(hostile.served.address, PREFACE, settings(), said) as connection:
        hostile.require_good()
        assert has_answered(connection)


def test_a_key_that_is_no_text_stands_in_no_line_of_the_log(hostile: Hostile) -> None:
    """Who mistypes a key shows most of it."""
    headers = call_headers(CHECK, (b"authorization", b"Bearer rk_nearly\xff"))
    with connected(hostile.served.address, PREFACE, settings(), frame(HEADERS, END_HEADERS, 1, headers)) as connection:
        answer = b""
        while ENDED not in answer:
            more = connection.recv(4_096)
            assert more, answer
            answer += more
    assert "nearly" not in hostile.served.log.read_text()


def test_noise_in_frames_disturbs_nobody(hostile: Hostile, seed: int) -> None:
    open_before = hostile.served.open_files()
    make_noise(hostile, Random(seed), connections=120)
    # The frontend keeps a few ways to Python open, two files each: as many as had calls on them at once.
    assert until(lambda: hostile.served.open_files() <= open_before + 20), "connections are kept"
