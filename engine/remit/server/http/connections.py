"""The connections of the HTTP edge, and how long each may keep its place without being of use.

A connection that says nothing costs its sender nothing. So it has a few seconds for a whole request, counted from when
it opened or had its last answer, however many bytes come meanwhile, and a little more to take an answer. Where there
are as many as may be, a new one is let in all the same: the address that has most of them gives up the one that has
said nothing for longest. A probe connects, asks and leaves within milliseconds; it finds a place whoever holds others.
Law: no number of connections keeps a new one from being answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`connections_max`: at once. `request_s`: for a request to come whole, from when it may. `answer_s`: for its
    answer to be taken; the metrics of thousands of stores are some megabytes."""

    connections_max: int = 256
    request_s: float = 5.0
    answer_s: float = 20.0


class Connections:
    """Those that are open, by when each was last of use, the one of longest ago first. Of one event loop."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: dict[Connection, None] = {}
        self.closed = 0  # before they had an answer, or a next request

    def __len__(self) -> int:
        return len(self._open)

    def add(self, new: Connection) -> None:
        """Cost: O(1), or where there are too many, O(connections)."""
        self._open[new] = None
        if len(self._open) > self.limits.connections_max:
            self._least_useful().end()

    def used(self, connection: Connection) -> None:
        """Note that the connection sent a request, or took an answer, just now."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def remove(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def _least_useful(self) -> Connection:
        *others, _ = self._open  # never the newest: or a crowd of those at work would let nobody in
        of_address = Counter(each.address for each in others)
        return max(others, key=lambda each: (of_address[each.address], not each.is_answering))


class Connection(H11Protocol):
    """uvicorn's, with a deadline for whatever it waits for."""

    def __init__(self, connections: Connections, config: Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def is_answering(self) -> bool:
        """Whether an answer is being made, or waits to be taken: uvicorn has done with it when the last of it waits."""
        is_made = self.cycle is None or self.cycle.response_complete
        return not is_made or self.transport.get_write_buffer_size() > 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait(self._connections.limits.request_s)
        self._connections.add(self)

    def handle_events(self) -> None:
        was_answering = self.is_answering
        super().handle_events()
        if self.is_answering and not was_answering:
            self._connections.used(self)
            self._wait(self._connections.limits.answer_s)

    def on_response_complete(self) -> None:
        limits = self._connections.limits
        self._connections.used(self)
        self._wait(limits.answer_s if self.is_answering else limits.request_s)
        super().on_response_complete()  # which may find the next request in what came already

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._connections.remove(self)
        super().connection_lost(exc)

    def end(self) -> None:
        """Now, whatever it is at; what was not taken is dropped."""
        self._connections.closed += 1
        self._connections.remove(self)
        self.transport.abort()

    def _wait(self, at_most_s: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(at_most_s, self.end)
