"""Laws of fair quotas: what is taken stays below the limit, and a greedy caller never takes what another needs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from remit.errors import FairShareSpent, Overloaded
from remit.server.limits.fair_quota import FairQuota, crowd, share

CALLERS = ("anne", "ben", "carl")
LIMIT = 20


class QuotaMachine(RuleBasedStateMachine):
    """Against a dictionary that only counts."""

    def __init__(self) -> None:
        super().__init__()
        self.quota = FairQuota("things_max", LIMIT, "things")
        self.held: Counter[str] = Counter()
        self.refused = 0

    @rule(caller=st.sampled_from(CALLERS), amount=st.integers(1, LIMIT + 2))
    def take(self, caller: str, amount: int) -> None:
        free = LIMIT - self.held.total()
        try:
            self.quota.take(caller, amount)
        except FairShareSpent:
            assert amount <= free
            assert self.held[caller] > max(free - LIMIT // 8, free // 16)
            self.refused += 1
        except Overloaded:
            assert amount > free
            self.refused += 1
        else:
            assert amount <= free
            assert self.held[caller] <= max(free - LIMIT // 8, free // 16)
            self.held[caller] += amount

    @rule(caller=st.sampled_from(CALLERS), data=st.data())
    def give_back(self, caller: str, data: st.DataObject) -> None:
        if self.held[caller]:
            amount = data.draw(st.integers(1, self.held[caller]))
            self.quota.give_back(caller, amount)
            self.held[caller] -= amount

    @invariant()
    def counts_are_right(self) -> None:
        assert self.quota.taken == self.held.total() <= LIMIT
        assert self.quota.clients == len(+self.held)
        assert self.quota.refused == self.refused


TestFairQuota = QuotaMachine.TestCase


@given(st.integers(1, 300), st.integers(1, 16))
@example(limit=2, greedy=1)  # the second of two is taken by who holds the first: as much is left as it holds
@example(limit=3, greedy=1)
def test_greedy_callers_leave_something_for_who_comes_next(limit: int, greedy: int) -> None:
    quota = FairQuota("things_max", limit, "things")
    taken = Counter[str]()
    took = True
    while took:
        took = False
        for number in range(greedy):
            try:
                quota.take(f"greedy-{number}")
            except Overloaded:
                continue
            taken[f"greedy-{number}"] += 1
            took = True
    left = limit - quota.taken
    # Each stopped when it held more than its share of what was left, or there was nothing.
    assert all(count > share(limit, left) or not left for count in taken.values())
    if limit >= (greedy + 1) * greedy:
        assert left >= limit // (greedy + 1) - greedy
    if limit > 2 * greedy:
        quota.take("modest")
    if greedy == 1 and limit > 1:
        assert taken["greedy-0"] == (limit - limit // 8) // 2 + 1


@given(st.integers(1, 400), st.data())
@example(limit=1, data=None)
def test_who_comes_last_finds_one_however_a_crowd_takes_them(limit: int, data: st.DataObject | None) -> None:
    """One after the other all that they can get, which leaves least, or in any order, with some given back between."""
    others = crowd(limit) - 1
    one_by_one, in_any_order = (FairQuota("things_max", limit, "things") for _ in range(2))
    for number in range(others):
        took_all_it_could(one_by_one, f"greedy-{number}")
    one_by_one.take("modest")
    if data is None or not others:
        return
    held = Counter[str]()
    for number in data.draw(st.lists(st.integers(0, others - 1), max_size=100)):
        client_id = f"greedy-{number}"
        if held[client_id] and data.draw(st.booleans()):
            in_any_order.give_back(client_id)
            held[client_id] -= 1
        else:
            held[client_id] += took_all_it_could(in_any_order, client_id)
    in_any_order.take("modest")


def took_all_it_could(quota: FairQuota, client_id: str) -> int:
    taken = 0
    while True:
        try:
            quota.take(client_id)
        except Overloaded:
            return taken
        taken += 1


def test_a_crowd_is_as_large_as_the_docs_say() -> None:
    assert {limit: crowd(limit) for limit in (256, 1_024, 5_120)} == {256: 30, 1_024: 51, 5_120: 77}


def test_a_refusal_names_the_limit_and_both_numbers() -> None:
    quota = FairQuota("things_max", 3, "things")
    quota.take("anne", 2)
    with pytest.raises(FairShareSpent) as refused:
        quota.take("anne")
    assert dict(refused.value.metadata) == {"name": "things_max", "limit": "3", "given": "3", "free": "1"}
    quota.take("ben")
    with pytest.raises(Overloaded) as full:
        quota.take("carl")
    assert type(full.value) is Overloaded
    assert dict(full.value.metadata) == {"name": "things_max", "limit": "3", "given": "4"}
