"""Both ways in under siege: thousands who say nothing more, who take nothing, who make noise, and ten times more than
there is room for, for as long as it takes to see what is kept.

Law: a good caller beside them is answered all the while, the store of theirs is as it was, and what a siege costs in
memory is bounded. `make test-long` runs it; the short forms are in tests/simulation."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from remit.graph.native import available
from remit.v1 import permissions_pb2
from tests.support.simulation.hostile import ASKED, CHECK, OWN, THING, USER, Hostile, hostile_server
from tests.support.simulation.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    call_headers,
    connected,
    frame,
    message,
    settings,
)
from tests.support.simulation.noise import make_noise
from tests.support.simulation.process import MIB, until
from tests.support.simulation.waiting import (
    require_little_for_who_takes_nothing,
    require_served_beside_a_flood,
    require_served_beside_the_idle,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(3_000)]

PATIENCE_S = 120.0
IDLE = 10_000
# Of this process and of the server's, which inherits the limit: one for each connection, and some.
FILES = IDLE + 500


@pytest.fixture(params=["on", "off"], ids=["front door", "Python alone"])
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """What makes a server listen by itself, or behind its frontend."""
    if request.param == "on" and not available():
        pytest.skip("the native core is not built here, or is switched off")
    return "--front-door", str(request.param)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"this system lets a process open {hard} files, and {FILES} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_who_say_nothing_more_keep_nobody_waiting(
    way: tuple[str, str], many_files: None, tmp_path: Path
) -> None:
    """Patience enough for all of them to be there at once. The frontend's own ways to Python stay open for the next
    calls: two files for some thirty of those who had begun one."""
    with hostile_server(tmp_path, *way, "--handshake-s", "600") as hostile:
        require_served_beside_the_idle(hostile, IDLE, 128 * 1024, files_kept_max=IDLE // 20)


def test_who_takes_nothing_costs_a_bounded_amount(way: tuple[str, str], tmp_path: Path) -> None:
    for turn in range(3):
        folder = tmp_path / str(turn)
        folder.mkdir()
        require_little_for_who_takes_nothing(folder, *way)


def test_good_callers_are_served_beside_a_flood_that_does_not_end(way: tuple[str, str], tmp_path: Path) -> None:
    require_served_beside_a_flood(tmp_path, 100, *way)


def test_much_noise_in_frames_disturbs_nobody(way: tuple[str, str], tmp_path: Path, seed: int) -> None:
    with hostile_server(tmp_path, *way) as hostile:
        open_before, before = hostile.served.open_files(), hostile.served.resident_bytes()
        make_noise(hostile, Random(seed), connections=10_000)
        growth = hostile.served.resident_bytes() - before
        print(f"{growth / MIB:.2f} MiB more")
        assert growth < 64 * MIB
        # The frontend keeps a few ways to Python open, two files each: as many as had calls on them at once.
        assert until(lambda: hostile.served.open_files() <= open_before + 20), "connections are kept"


# --- what the core answers by itself ----------------------------------------------------------------------------

CALLS = 100  # at once on a connection: as many as one may have
FLOODERS = 40
# How often each of them asks for a hundred more. gRPC in Python takes some fifty times as long for them.
TURNS = {"on": 200, "off": 4}


def asking(hostile: Hostile, turn: int) -> bytes:
    """A hundred checks on the next hundred streams of a connection."""
    head, body = call_headers(CHECK, hostile.key), message(ASKED)
    streams = range(2 * CALLS * turn + 1, 2 * CALLS * (turn + 1) + 1, 2)
    return b"".join(frame(HEADERS, END_HEADERS, each, head) + frame(DATA, END_STREAM, each, body) for each in streams)


def flood(hostile: Hostile, turns: int) -> int:
    """One connection that always has as many calls as it may, and asks for the next hundred when it has all answers."""
    window = frame(WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4, "big"))
    answered, buffer = 0, b""
    with connected(hostile.served.address, PREFACE, settings(), window, timeout_s=PATIENCE_S) as connection:
        for turn in range(turns):
            connection.sendall(asking(hostile, turn))
            while answered < CALLS * (turn + 1):
                more = connection.recv(1 << 20)
                assert more, f"a connection was ended after {answered} answers"
                buffer += more
                while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
                    size, kind, flags = int.from_bytes(buffer[:3], "big"), buffer[3], buffer[4]
                    payload, buffer = buffer[9 : 9 + size], buffer[9 + size :]
                    if kind == HEADERS:
                        answered += bool(flags & END_STREAM)  # the trailers, or a refusal in their place
                    elif kind in (SETTINGS, PING) and not flags & ACK:
                        connection.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
    return answered


def test_good_callers_are_answered_beside_a_flood_of_checks(way: tuple[str, str], tmp_path: Path) -> None:
    turns = TURNS[way[1]]
    with hostile_server(tmp_path, *way) as hostile:
        before = hostile.served.resident_bytes()
        is_over = threading.Event()
        good = 0
        with ThreadPoolExecutor(FLOODERS) as flooders:
            floods = [flooders.submit(flood, hostile, turns) for _ in range(FLOODERS)]
            for each in floods:
                each.add_done_callback(lambda _: is_over.set())
            while not is_over.is_set():
                hostile.require_good()
                good += 1
            answered = sum(each.result() for each in floods)
        growth = hostile.served.resident_bytes() - before
        print(f"{answered:,} answers to {FLOODERS} connections, {good} to a good one; {growth / MIB:.1f} MiB more")
        assert answered == FLOODERS * turns * CALLS
        assert good > 0
        assert growth < 128 * MIB


def test_answers_of_the_core_that_nobody_takes_are_bounded(tmp_path: Path) -> None:
    """Who shuts their window is answered no more at the frontend than there is room for; the rest goes Python's way,
    and is refused there."""
    if not available():
        pytest.skip("the native core is not built here, or is switched off")
    items = [permissions_pb2.CheckItem(resource=THING, permission="use", subject=USER)] * 350
    asked = message(permissions_pb2.CheckManyRequest(store=OWN, items=items).SerializeToString())
    assert len(asked) < 16_384, "one frame holds it"
    shut = settings({INITIAL_WINDOW_SIZE: 0})
    with hostile_server(tmp_path, "--front-door", "on", "--unsent-bytes-max", "1MiB") as hostile:
        head = call_headers(b"/remit.v1.Permissions/CheckMany", hostile.key)
        calls = [
            frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, END_STREAM, stream, asked)
            for stream in range(1, 2 * CALLS, 2)
        ]
        before = hostile.served.resident_bytes()
        greedy = []
        try:
            for _ in range(50):
                connection = connected(hostile.served.address, PREFACE, shut, timeout_s=PATIENCE_S)
                greedy.append(connection)
                assert connection.recv(1), "the window for requests has not come"
                connection.sendall(b"".join(calls))
                hostile.require_good()
            growth = hostile.served.resident_bytes() - before
            print(f"{growth / MIB:.1f} MiB for {len(greedy)} connections of {CALLS} calls that take nothing")
            assert growth < 128 * MIB
        finally:
            for connection in greedy:
                connection.close()
        hostile.require_good()
