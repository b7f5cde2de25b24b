"""The messages that a server waits for on its event loop, of which each may come slowly and be large.

gRPC makes room for a message of any size that is allowed, as it is sent, before Python sees a byte of it; over HTTP one
holds a connection, of which there are few. So but few are waited for beyond a moment: where there are more, the caller
who keeps us waiting for most of them gives up the one that we have waited for longest. An honest message comes with its
call, in milliseconds.
Law: how many messages come slowly is bounded, whoever sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from remit.errors import RemitError, SlowRequest

# Of callers whose key counts, messages of one transport that may come slowly: over gRPC of at most 32 MiB each.
SLOW_READINGS_MAX = 64
PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Wait:
    until_s: float  # as long as it may take as it likes
    on_ended: Callable[[], object] | None


class Readings:
    """Of one kind of callers; on one event loop."""

    def __init__(self, slow_max: int, patience_s: float, too_slow: Callable[[], RemitError]) -> None:
        """Beyond `slow_max` messages none is waited for longer than `patience_s`; `too_slow` makes what its caller is
        told then."""
        self.slow_max = slow_max
        self.patience_s = patience_s
        self.ended = 0  # messages that were waited for no longer
        self._too_slow = too_slow
        self._loop = asyncio.get_running_loop()
        # By client, the oldest first; nobody is in it who has none.
        self._by_client: dict[str, dict[asyncio.Future[Any], _Wait]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many messages are waited for."""
        return self._count

    async def read(self, client_id: str, message: Awaitable[Any], on_ended: Callable[[], object] | None = None) -> Any:
        """A client's message. Raises what `too_slow` makes where it is waited for no longer, since others are; in that
        moment `on_ended` was called. Cost: O(1), and where too many are waited for, O(clients)."""
        reading = asyncio.ensure_future(message)
        until_s = self._loop.time() + self.patience_s
        self._by_client.setdefault(client_id, {})[reading] = _Wait(until_s, on_ended)
        self._count += 1
        looking = self._loop.call_at(until_s, self._end_slow, until_s)
        try:
            return await reading
        except asyncio.CancelledError:
            if self._is_waited_for(client_id, reading):
                raise  # the caller left, or the server stops
            raise self._too_slow() from None
        finally:
            looking.cancel()
            self._forget(client_id, reading)

    def end_oldest_of(self, client_id: str) -> bool:
        """Wait no longer for the message of a client that was waited for longest; whether there was one."""
        oldest = next(iter(self._by_client.get(client_id, ())), None)
        if oldest is None:
            return False
        wait = self._by_client[client_id][oldest]
        self._forget(client_id, oldest)
        oldest.cancel()
        self.ended += 1
        if wait.on_ended is not None:
            wait.on_ended()
        return True

    def end_oldest_of_most(self, among: Callable[[str], bool] = lambda _: True) -> bool:
        """The same of who keeps us waiting for most, among those clients. Cost: O(clients)."""
        clients = filter(among, self._by_client)
        most = max(clients, key=lambda client_id: len(self._by_client[client_id]), default=None)
        return most is not None and self.end_oldest_of(most)

    def _most(self) -> str:
        return max(self._by_client, key=lambda client_id: len(self._by_client[client_id]))

    def _end_slow(self, now_s: float) -> None:
        while self._count > self.slow_max:
            most = self._most()
            if next(iter(self._by_client[most].values())).until_s > now_s:
                return
            self.end_oldest_of(most)

    def _is_waited_for(self, client_id: str, reading: asyncio.Future[Any]) -> bool:
        return reading in self._by_client.get(client_id, ())

    def _forget(self, client_id: str, reading: asyncio.Future[Any]) -> None:
        of_client = self._by_client.get(client_id, {})
        if of_client.pop(reading, None) is not None:
            self._count -= 1
            if not of_client:
                del self._by_client[client_id]


def slow_request(limit_s: float) -> SlowRequest:
    return SlowRequest(
        f"a message of the request did not come whole within {limit_s:g} s: send it again, faster or in smaller parts",
        name="request_s",
        limit=f"{limit_s:g}",
    )
