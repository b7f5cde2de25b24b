"""Laws of fair quotas: what is taken stays below the limit, and a greedy caller never takes what another needs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from remit.errors import FairShareSpent, Overloaded
from remit.server.limits.fair_quota import FairQuota

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
            assert amount <= free < self.held[caller]
            self.refused += 1
        except Overloaded:
            assert amount > free
            self.refused += 1
        else:
            assert amount <= free
            assert self.held[caller] <= free
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
    # Each stopped when it held more than was left, or there was nothing.
    assert all(count > left or not left for count in taken.values())
    if limit >= (greedy + 1) * greedy:
        assert left >= limit // (greedy + 1) - greedy
    if limit > 2 * greedy:
        quota.take("modest")
    if greedy == 1 and limit > 1:
        assert taken["greedy-0"] == limit // 2 + 1


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
