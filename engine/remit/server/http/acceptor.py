"""The thread that accepts connections of the HTTP edge, and answers the probe whether the process lives.

The event loop goes through all that is ready before it looks for what is new, and to let a connection in takes it some
rounds. Under a flood a probe waited for each of them, and at first behind all connections that had come before it: 2 s
at worst. So connections are accepted on a thread of its own and stay there until they say something; one that asks
`GET /healthz` is answered there, as the loop would have done it. Every other one is the loop's, with all that it said:
a few at a time, and the next once it has let those in, or a flood would be a round of the loop that does not end.
Laws: what a connection says is read once, here or there; while the event loop hangs nobody is told that the process
lives; no number of connections keeps a new one from being heard."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from itertools import islice

import h11

from remit.precedence import python_lock
from remit.server.http.connections import Connections, Worth

log = logging.getLogger(__name__)

HANGS_S = 5.0  # so long after the event loop was seen to go round, it answers for itself
_ACCEPTED_AT_ONCE = 16  # before those that speak are heard
_TAKEN_OVER_AT_ONCE = 16  # by the event loop, before it is given more
_NO_FILES_S = 0.05  # to wait where no more files can be opened: until some connection has ended, most likely
_HEAD_BYTES_MAX = 2 * 1024  # of a probe's request; what is longer is the loop's

ALIVE = b"ok\n"
_PROBE = b"GET /healthz HTTP/1.1\r\n"
_HEAD_END = b"\r\n\r\n"
# Who sends one of these wants more than an answer, or sends more than a head.
_NOT_PLAIN = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))


class Arrival:
    """A connection that has said nothing yet, or nothing since its last probe was answered; and then one on its way to
    the event loop, which is told that it had to make room by not finding it among those that are open."""

    def __init__(self, acceptor: Acceptor, connection: socket.socket, address: str) -> None:
        self.socket = connection
        self.address = address
        self.until_s = 0.0  # on the scale of `time.monotonic`
        self.is_given = False
        self._acceptor = acceptor

    @property
    def worth(self) -> Worth:
        return Worth.ANSWERED if self.is_given else Worth.SILENT

    def give_way(self) -> None:
        if not self.is_given:
            self._acceptor.end(self)


class Acceptor:
    """Of a listening socket, in the clear, from `start` to `stop`. `take_over` is given, on the thread, what the event
    loop is to serve, and nothing more before `took_over` is called."""

    def __init__(
        self, listener: socket.socket, connections: Connections, take_over: Callable[[Sequence[Arrival]], object]
    ) -> None:
        self._listener = listener
        self._connections = connections
        self._take_over = take_over
        self._arrivals: dict[Arrival, None] = {}  # that are waited for here, whose time ends first, first
        self._heard: dict[Arrival, None] = {}  # of those, that wait for the event loop to take them over
        self._is_taking_over = False
        self._loop_seen_s = time.monotonic()
        self._is_over = threading.Event()
        self._woken, self._waker = socket.socketpair()
        # It goes before the threads that work, as the event loop does.
        self._selector = python_lock.selector()
        self._thread = threading.Thread(target=self._run, name="remit-http-accept", daemon=True)

    def start(self) -> None:
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._go_on)
        self._thread.start()

    def stop(self) -> None:
        """Accept nothing more, and end what has said nothing. Waits for the thread."""
        self._is_over.set()
        self._waker.close()
        self._thread.join()

    def took_over(self) -> None:
        """For the event loop: all that it was given are connections of its own, or have ended."""
        with contextlib.suppress(OSError):  # where it has stopped
            self._waker.send(b".")

    def loop_goes_round(self) -> None:
        """For the event loop, to say so."""
        self._loop_seen_s = time.monotonic()

    def end(self, arrival: Arrival) -> None:
        """Before it had an answer, or a next request. On the thread."""
        self._connections.count_closed()
        self._close(arrival)

    def _run(self) -> None:
        while not self._is_over.is_set():
            for key, _ in self._selector.select(self._patience_s()):
                try:
                    key.data()
                except Exception:
                    log.exception("a connection was not served")  # and all others are
            now_s = time.monotonic()
            while (first := self._next_to_end()) is not None and first.until_s <= now_s:
                self.end(first)
        for arrival in list(self._arrivals):
            self._close(arrival)
        self._selector.close()
        self._woken.close()

    def _next_to_end(self) -> Arrival | None:
        return next(iter(self._arrivals), None)

    def _patience_s(self) -> float | None:
        first = self._next_to_end()
        return None if first is None else max(0.0, first.until_s - time.monotonic())

    def _go_on(self) -> None:
        if self._woken.recv(1):  # nothing where it is over
            self._is_taking_over = False
            self._give_to_loop()

    def _give_to_loop(self) -> None:
        if self._is_taking_over or not self._heard:
            return
        self._is_taking_over = True
        given = list(islice(self._heard, _TAKEN_OVER_AT_ONCE))
        for arrival in given:
            self._leave(arrival)
            arrival.is_given = True
        self._take_over(given)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no connection can be accepted", extra={"problem": error.strerror})
                self._is_over.wait(_NO_FILES_S)
                return
            connection.setblocking(False)
            arrival = Arrival(self, connection, address[0])
            self._connections.add(arrival)
            self._selector.register(connection, selectors.EVENT_READ, partial(self._hear, arrival))
            self._wait_for(arrival)

    def _wait_for(self, arrival: Arrival) -> None:
        """For a whole request, from now on."""
        arrival.until_s = time.monotonic() + self._connections.limits.request_s
        self._arrivals.pop(arrival, None)
        self._arrivals[arrival] = None

    def _hear(self, arrival: Arrival) -> None:
        if arrival not in self._arrivals:
            return  # it had to make room in this very round
        try:
            said = arrival.socket.recv(_HEAD_BYTES_MAX, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            said = b""
        if not said:
            self._close(arrival)
            return
        answer = answer_of(said) if time.monotonic() - self._loop_seen_s < HANGS_S else None
        if answer is not None:
            self._answer(arrival, len(said), answer)
            return
        self._selector.unregister(arrival.socket)
        self._heard[arrival] = None
        self._give_to_loop()

    def _answer(self, arrival: Arrival, said_bytes: int, answer: Answered) -> None:
        try:
            arrival.socket.recv(said_bytes)
            is_sent = arrival.socket.send(answer.data) == len(answer.data)
        except OSError:  # it has gone, or takes nothing
            is_sent = False
        if is_sent and answer.stays:
            self._connections.used(arrival)
            self._wait_for(arrival)
        else:
            self._close(arrival)

    def _leave(self, arrival: Arrival) -> None:
        del self._arrivals[arrival]
        if arrival in self._heard:
            del self._heard[arrival]
        else:
            self._selector.unregister(arrival.socket)

    def _close(self, arrival: Arrival) -> None:
        self._connections.remove(arrival)
        self._leave(arrival)
        arrival.socket.close()


@dataclass(frozen=True, slots=True)
class Answered:
    """What to send, and whether the connection stays for a next request."""

    data: bytes
    stays: bool


def answer_of(said: bytes) -> Answered | None:
    """To a probe that is whole, and nothing else; None where it is for the event loop to say something, or to wait."""
    if not said.startswith(_PROBE) or said.find(_HEAD_END) != len(said) - len(_HEAD_END):
        return None
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(said)
    try:
        request, end = parser.next_event(), parser.next_event()
    except h11.RemoteProtocolError:
        return None
    if not (isinstance(request, h11.Request) and isinstance(end, h11.EndOfMessage)):
        return None
    if not _NOT_PLAIN.isdisjoint(name for name, _ in request.headers):
        return None
    headers = [
        ("date", formatdate(usegmt=True)),
        ("content-length", str(len(ALIVE))),
        ("content-type", "text/plain; charset=utf-8"),
    ]
    head = parser.send(h11.Response(status_code=200, reason=b"OK", headers=headers)) or b""
    body = parser.send(h11.Data(data=ALIVE)) or b""
    parser.send(h11.EndOfMessage())
    return Answered(head + body, stays=parser.our_state is h11.DONE)
