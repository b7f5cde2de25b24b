"""Law: whatever a client alone asks of the reserve, three eighths of it are left to others, who then have a part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import StoreFull
from remit.store.tables.interface import Claim, Table
from remit.store.tables.reserve_shares import ReserveShares
from remit.store.tables.staging import StagedCommit

WHOLE = 4 * 2**20


class FullStore:
    """A store at its bound, of which so many bytes of the reserve are used, as a commit sees it."""

    writes = 1

    def __init__(self) -> None:
        self.shares = ReserveShares()
        self.used = 0
        self._size_bytes = 0

    def room_left(self, claim: Claim) -> int:
        return -1 - self.used if claim is Claim.ORDINARY else WHOLE - 1 - self.used

    def has_room_again(self) -> bool:
        return False

    def full(self) -> StoreFull:
        return StoreFull("full")

    def under_way(self) -> Iterator[tuple[Table, int | None]]:
        yield Table.CHANGELOG, self._size_bytes
        yield Table.RELATIONSHIPS, None

    def write(self, client_id: str, size_bytes: int, grown_bytes: int = 0, claim: Claim = Claim.STOP) -> bool:
        """Whether it was taken."""
        self._size_bytes = size_bytes
        self.shares.begin()
        try:
            self.shares.require(cast(StagedCommit, cast(Any, self)), claim, client_id)
        except StoreFull:
            return False
        self.used += max(2 * size_bytes, grown_bytes)
        self.shares.keep(grown_bytes)
        return True


WRITES = st.lists(st.tuples(st.integers(1, 50_000), st.integers(0, 100_000)), min_size=100, max_size=400)


@given(WRITES)
def test_a_client_alone_leaves_three_eighths(writes: list[tuple[int, int]]) -> None:
    store = FullStore()
    for size_bytes, grown_bytes in writes:
        store.write("mallory", size_bytes, grown_bytes)
    # What one write may take is only known when it is done.
    assert WHOLE - store.used >= WHOLE * 3 // 8 - 2 * 100_000
    assert store.write("warden", 1_000)


def test_what_is_left_is_shared_again_by_the_next() -> None:
    store = FullStore()
    left = []
    for client in ("a", "b", "c", "d"):
        while store.write(client, 4_000):
            pass
        left.append(WHOLE - store.used)
    for before, after in itertools.pairwise(left):
        assert after >= before // 2 - 8_000
    assert store.write("warden", 1_000)


def test_room_that_came_back_is_everybodys_again() -> None:
    store = FullStore()
    while store.write("mallory", 4_000):
        pass
    store.used = 0
    assert store.write("mallory", 4_000)


@pytest.mark.parametrize(("claim", "taken"), [(Claim.ORDINARY, False), (Claim.STOP, False), (Claim.UPKEEP, True)])
def test_where_the_stops_have_none_left_upkeep_goes_on(claim: Claim, taken: bool) -> None:
    store = FullStore()
    store.used = WHOLE
    assert store.write("", 1, claim=claim) is taken


def test_the_process_itself_shares_with_nobody() -> None:
    store = FullStore()
    while store.write("", 4_000):
        pass
    assert WHOLE - store.used < 8_000
