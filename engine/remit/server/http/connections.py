"""The connections of the HTTP edge, and how long each may keep its place without being of use.

A connection that says nothing costs its sender nothing. So it has a few seconds for a whole request, counted from when
it opened or had its last answer, however many bytes come meanwhile, and a little more to take an answer. A call whose
key counts has the time that the call has (`admit`), and its caller may rest for longer before the next. Where there
are as many as may be, a new one is let in all the same: the address that has most of them gives up the one that has
said nothing for longest, before any that is answered, and before any whose key counts. A probe connects, asks and
leaves within milliseconds; it finds a place whoever holds others.
In the clear, a connection is first an arrival (`acceptor.py`), on a thread of its own.
Laws: no number of connections keeps a new one from being answered; of a body no more is read than was asked for, and
what one reading brings."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from remit.errors import MalformedRequest
from remit.server.http.problems import problem

# At once: of whoever it is, and where that is known. Each reading costs the loop some tenth of a millisecond.
_READ_BYTES = 64 * 1024
_READ_BYTES_ADMITTED = 256 * 1024  # what asyncio would read of anybody


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`connections_max`: at once. `request_s`: for a request to come whole, from when it may. `answer_s`: for its
    answer to be taken; the metrics of thousands of stores are some megabytes. `rest_s`: of a caller whose key counts,
    before it asks again; more than the minute after which most of those who keep connections let one go."""

    connections_max: int = 256
    request_s: float = 5.0
    answer_s: float = 20.0
    rest_s: float = 75.0


class Worth(IntEnum):
    """What a connection is worth to whoever has it."""

    SILENT = 0
    ANSWERED = 1
    ADMITTED = 2  # a call whose key counts


class Place(Protocol):
    """What has a place among those that are open."""

    @property
    def address(self) -> str: ...

    @property
    def worth(self) -> Worth: ...

    def give_way(self) -> None:
        """End, soon: its place is another's already. On the thread of whoever was added."""


class Connections:
    """Those that are open, by when each was last of use, the one of longest ago first. Safe from many threads."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        # What is read is taken out of it before anything else is read; all of this is on one event loop.
        self.buffer = memoryview(bytearray(_READ_BYTES_ADMITTED))
        self._lock = threading.Lock()
        self._open: dict[Place, str] = {}  # with the address of each
        self._of_address: Counter[str] = Counter()
        self.closed = 0  # before they had an answer, or a next request

    def __len__(self) -> int:
        return len(self._open)

    def add(self, new: Place) -> None:
        """Cost: O(1), or where there are too many, O(addresses), and O(connections) where none of an address that has
        most is silent: a flood of those that say nothing came to a third of a millisecond of the loop for each."""
        least_useful = None
        with self._lock:
            # Before it is one of them: or a crowd of those at work would let nobody in.
            if len(self._open) >= self.limits.connections_max:
                least_useful = self._least_useful()
                self._take_out(least_useful)
            self._put_in(new)
        if least_useful is not None:
            least_useful.give_way()

    def replace(self, old: Place, new: Place) -> bool:
        """Give a place to another; whether there still was one."""
        with self._lock:
            if old not in self._open:
                return False
            self._take_out(old)
            self._put_in(new)
            return True

    def used(self, place: Place) -> None:
        """Note that who has it sent a request, or took an answer, just now."""
        with self._lock:
            if (address := self._open.pop(place, None)) is not None:
                self._open[place] = address

    def remove(self, place: Place) -> None:
        with self._lock:
            if place in self._open:
                self._take_out(place)

    def count_closed(self) -> None:
        with self._lock:
            self.closed += 1

    def _put_in(self, new: Place) -> None:
        self._open[new] = new.address
        self._of_address[new.address] += 1

    def _take_out(self, place: Place) -> None:
        address = self._open.pop(place)
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def _least_useful(self) -> Place:
        """Of an address that has most, what is worth least, and of that the one that was of no use for longest."""
        most = max(self._of_address.values())
        candidates = (each for each, address in self._open.items() if self._of_address[address] == most)
        found = next(candidates)
        for each in candidates:
            if found.worth is Worth.SILENT:
                break
            if each.worth < found.worth:
                found = each
        return found


CONNECTION = "connection"


class Connection(H11Protocol, asyncio.BufferedProtocol):
    """uvicorn's, with a deadline for whatever it waits for. An app finds it in the state of its scope."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        state: ServerState,
        arrival: Place | None = None,
        until_s: float | None = None,
    ) -> None:
        """`arrival`: what has its place so far, and a request is to have come whole by `until_s`."""
        super().__init__(config, state, {})
        self.app_state = {CONNECTION: self}
        self.access_log = False  # a line of it has the whole address, whatever somebody sent there
        self._connections = connections
        self._arrival = arrival
        self._until_s = until_s
        self._deadline: asyncio.TimerHandle | None = None
        self._was_admitted = False
        self._is_admitted = False

    @property
    def address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def is_answering(self) -> bool:
        """Whether an answer is being made, or waits to be taken: uvicorn has done with it when the last of it waits."""
        is_made = self.cycle is None or self.cycle.response_complete
        return not is_made or self.transport.get_write_buffer_size() > 0

    @property
    def worth(self) -> Worth:
        if self._is_admitted:
            return Worth.ADMITTED
        return Worth.ANSWERED if self.is_answering else Worth.SILENT

    @property
    def has_certificate(self) -> bool:
        """Whether its client has shown a certificate that was verified, in this very handshake: the authorities may
        have been others at the one that it goes on from."""
        ssl_object = self.transport.get_extra_info("ssl_object")
        return ssl_object is not None and bool(ssl_object.getpeercert()) and not ssl_object.session_reused

    def admit(self, at_most_s: float) -> None:
        """What it is asked is a call whose key counts, and has so long."""
        self._is_admitted = self._was_admitted = True
        self._wait(at_most_s)

    def give_up(self) -> None:
        """Whoever makes an answer does not go on, and nobody is to be told more."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        request_s = self._connections.limits.request_s
        self._wait(request_s if self._until_s is None else max(0.0, self._until_s - time.monotonic()))
        arrival, self._arrival = self._arrival, None
        if arrival is None:
            self._connections.add(self)
        elif not self._connections.replace(arrival, self):
            self.end()  # it had to make room on its way here

    def get_buffer(self, sizehint: int) -> memoryview:
        whole = self._connections.buffer
        return whole if self._is_admitted else whole[:_READ_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._connections.buffer[:nbytes]))

    def handle_events(self) -> None:
        was_answering = self.is_answering
        super().handle_events()
        if self.is_answering and not was_answering:
            self._connections.used(self)
            self._wait(self._connections.limits.answer_s)
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body:
            self.flow.pause_reading()  # until the app asks for more

    def send_400_response(self, msg: str) -> None:
        """To what is not HTTP: in place of an answer, or where one has begun, its end."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever makes the answer has nobody to send it to
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        answer = problem(MalformedRequest("the request is not HTTP/1.1, or its head is too large"), 400)
        named = {**answer.headers, "content-length": str(len(answer.body)), "connection": "close"}
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        said = self.conn.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        said += self.conn.send(h11.Data(data=answer.body)) or b""
        self.transport.write(said + (self.conn.send(h11.EndOfMessage()) or b""))
        self.transport.close()

    def on_response_complete(self) -> None:
        limits = self._connections.limits
        self._is_admitted = False
        self._connections.used(self)
        rest_s = limits.rest_s if self._was_admitted else limits.request_s
        self._wait(limits.answer_s if self.is_answering else rest_s)
        super().on_response_complete()  # which may find the next request in what came already

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._connections.remove(self)
        super().connection_lost(exc)

    def end(self) -> None:
        """Now, whatever it is at; what was not taken is dropped."""
        self._connections.count_closed()
        self._connections.remove(self)
        self.transport.abort()

    def give_way(self) -> None:
        self.loop.call_soon_threadsafe(self.end)

    def _wait(self, at_most_s: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(at_most_s, self.end)
