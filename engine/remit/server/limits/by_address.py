"""How strangers share what runs out: by where they call from, which is all that is known of them.

Law: what is taken never exceeds the limit; one address finds something as others do by `fair_quota`, and so does one
connection among those of its address."""

from __future__ import annotations

import ipaddress
import threading

from remit.server.limits.fair_quota import Holdings, share


class HoldingsByAddress:
    """Who holds how much of `limit` units: an address is a client, and its connections are the clients of what one
    address can get. So neither many connections of one address take everything, nor one of them all that its neighbours
    there could have. Safe from many threads."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._by_address = Holdings(limit)
        self._of_address_max = max(1, share(limit, limit) // 2)
        self._by_connection: dict[str, Holdings] = {}  # by address; nobody in it holds none
        self._refused = 0

    def take(self, peer: str, amount: int) -> tuple[int, int] | None:
        """None; or what the connection, or its address, holds and what is left for it."""
        address = address_of(peer)
        with self._lock:
            by_connection = self._by_connection.get(address)
            if by_connection is None:
                by_connection = Holdings(self._of_address_max)
            refused = by_connection.take(peer, amount)
            if refused is None:
                refused = self._by_address.take(address, amount)
                if refused is None:
                    self._by_connection[address] = by_connection
                    return None
                by_connection.give_back(peer, amount)
            self._refused += 1
            return refused

    def give_back(self, peer: str, amount: int) -> bool:
        """False where the connection does not hold as much."""
        address = address_of(peer)
        with self._lock:
            by_connection = self._by_connection.get(address)
            if by_connection is None or not by_connection.give_back(peer, amount):
                return False
            if not by_connection.stats()[0]:
                del self._by_connection[address]
            return self._by_address.give_back(address, amount)

    def held(self, peer: str) -> int:
        """How many a connection holds."""
        by_connection = self._by_connection.get(address_of(peer))
        return by_connection.held(peer) if by_connection is not None else 0

    def stats(self) -> tuple[int, int, int]:
        """How much is taken, how many addresses hold something, and how many were refused."""
        taken, addresses, _ = self._by_address.stats()
        return taken, addresses, self._refused


def address_of(peer: str) -> str:
    """By what strangers are counted: the address of a connection, or of IPv6 the network of one subscriber, which has
    more addresses than there are numbers for connections. Other names of a peer stand for themselves. As `host_text` in
    the core (`transport/peers.rs`)."""
    family, _, rest = peer.partition(":")
    host, is_whole, _ = rest.rpartition(":")
    if not is_whole or family not in ("ipv4", "ipv6"):
        return peer
    if family == "ipv4":
        return f"ipv4:{host}"
    bare = host.replace("%5B", "[").replace("%5D", "]").strip("[]").partition("%")[0]
    address = ipaddress.IPv6Address(bare)
    if address.ipv4_mapped is not None:
        return f"ipv4:{address.ipv4_mapped}"
    return f"ipv6:{ipaddress.IPv6Network((int(address) >> 64 << 64, 64))}"
