"""Laws of what strangers share: many connections, or addresses, leave one for the next."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.server.limits.by_address import HoldingsByAddress, address_of
from remit.server.limits.fair_quota import Holdings, crowd, share


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.1:50051", "ipv4:10.0.0.1"),
        ("ipv6:%5B2001:db8::1:2%5D:50051", "ipv6:2001:db8::/64"),
        ("ipv6:[2001:db8:0:1::7]:50051", "ipv6:2001:db8:0:1::/64"),
        ("ipv6:%5B::ffff:10.0.0.1%5D:50051", "ipv4:10.0.0.1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50051", "ipv6:fe80::/64"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_an_address_is_what_its_connections_share(peer: str, address: str) -> None:
    assert address_of(peer) == address


def took_all_it_could(holdings: Holdings | HoldingsByAddress, peer: str) -> int:
    taken = 0
    while holdings.take(peer, 1) is None:
        taken += 1
    return taken


@given(st.integers(64, 600))
def test_the_next_connection_finds_one_beside_a_crowd_at_its_address(limit: int) -> None:
    holdings = HoldingsByAddress(limit)
    for port in range(crowd(share(limit, limit) // 2) - 1):
        took_all_it_could(holdings, f"ipv4:10.0.0.1:{port}")
    assert holdings.take("ipv4:10.0.0.1:60000", 1) is None


@given(st.integers(64, 600), st.integers(1, 30))
def test_the_next_address_finds_one_beside_a_crowd_of_any_number_of_connections(limit: int, connections: int) -> None:
    holdings = HoldingsByAddress(limit)
    for host in range(crowd(limit) - 1):
        for port in range(connections):
            took_all_it_could(holdings, f"ipv4:10.0.1.{host}:{port}")
    assert holdings.take("ipv4:10.0.0.1:60000", 1) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=200))
def test_what_is_taken_is_what_is_held_and_never_exceeds_the_limit(steps: list[tuple[int, int, bool]]) -> None:
    holdings, held, refused = HoldingsByAddress(20), Counter[str](), 0
    for host, port, gives_back in steps:
        peer = f"ipv4:10.0.0.{host}:{port}"
        if gives_back:
            assert holdings.give_back(peer, 1) is (held[peer] > 0)
            held[peer] -= held[peer] > 0
        elif holdings.take(peer, 1) is None:
            held[peer] += 1
        else:
            refused += 1
        addresses = {address_of(each) for each, count in held.items() if count}
        assert holdings.stats() == (held.total(), len(addresses), refused)
        assert held.total() <= 20
