"""Laws: callers share alike whether the core counts or Python, and strangers are told apart alike by both."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from remit.native_core import core
from remit.server.limits.by_address import address_of
from remit.server.limits.fair_quota import Holdings
from tests.support.native.worlds import needs_core

pytestmark = needs_core

CLIENTS = st.sampled_from(("anne", "ben", "carl", "", "ipv4:10.0.0.1:50051", "é"))
MOST = 1 << 60  # bytes of anything, and far more


class HoldingsMachine(RuleBasedStateMachine):
    """Both count what the same clients take and give back."""

    @initialize(limit=st.integers(0, 40) | st.sampled_from((256, 5_120, 256 << 20, MOST)))
    def begin(self, limit: int) -> None:
        assert core is not None
        self.limit = limit
        self.plain, self.native = Holdings(limit), core.Holdings(limit)

    @rule(client_id=CLIENTS, amount=st.integers(1, 45) | st.integers(1, MOST))
    def take(self, client_id: str, amount: int) -> None:
        assert self.plain.take(client_id, amount) == self.native.take(client_id, amount)

    @rule(client_id=CLIENTS, part=st.integers(1, 16))
    def take_a_part(self, client_id: str, part: int) -> None:
        amount = max(1, (self.limit - self.plain.stats()[0]) // part)
        assert self.plain.take(client_id, amount) == self.native.take(client_id, amount)

    @rule(client_id=CLIENTS, amount=st.integers(1, 45) | st.integers(1, MOST))
    def give_back(self, client_id: str, amount: int) -> None:
        """Also what was never taken, which changes nothing."""
        assert self.plain.give_back(client_id, amount) == self.native.give_back(client_id, amount)

    @invariant()
    def both_tell_the_same(self) -> None:
        if hasattr(self, "plain"):
            assert self.plain.stats() == self.native.stats()


TestHoldings = HoldingsMachine.TestCase


ADDRESSES = st.ip_addresses() | st.builds(
    IPv6Address,
    # Few groups that are not zero: where a text leaves zeros out depends on where they stand.
    st.lists(st.sampled_from((0, 0, 0, 1, 0xDB8, 0xFFFF)), min_size=8, max_size=8).map(
        lambda groups: sum(group << 16 * place for place, group in enumerate(groups))
    ),
)


@given(ADDRESSES, st.integers(0, 65_535))
@example(IPv6Address("::ffff:10.0.0.1"), 7)
@example(IPv6Address("2001:db8::1"), 7)
@example(IPv6Address("0:1::1:0:0:1"), 7)
@example(IPv6Address("::"), 7)
def test_strangers_are_counted_by_the_same_host_there_and_here(address: IPv4Address | IPv6Address, port: int) -> None:
    assert core is not None
    peer, host = core.peer_and_host(f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}")
    assert peer.startswith(f"ipv{address.version}:") and peer.endswith(f":{port}")
    assert address_of(peer) == host


def test_what_is_no_address_has_no_host() -> None:
    assert core is not None
    for text in ("", "10.0.0.1", "::1:7", "localhost:7", "10.0.0.1:70000"):
        with pytest.raises(ValueError, match="no address with a port"):
            core.peer_and_host(text)
