"""What will expire, soonest first: so that what is over can be swept without looking through a store for it.

Law: it holds exactly the relationships that have an expiration, each by the expiration it has now."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from sortedcontainers import SortedList

from remit.model import Change, Relationship, RelationshipKey, StoredRelationship

Due = tuple[int, RelationshipKey]


class Expirations:
    """Mutable; it takes no lock, like the graph beside it. A change costs O(log n) where it concerns an expiration."""

    __slots__ = ("_due",)

    def __init__(self, due: Iterable[Due] = ()) -> None:
        self._due: SortedList[Due] = SortedList(due)

    def __len__(self) -> int:
        return len(self._due)

    def over_by(self, until_us: int, count_max: int) -> list[RelationshipKey]:
        """Those that were over at a time, the longest over first. Cost: O(log n + found)."""
        found = self._due.irange(maximum=(until_us + 1,), inclusive=(True, False))
        return [key for _, key in islice(found, count_max)]

    def apply(self, changes: Iterable[Change]) -> None:
        """Bring it from before a delta to after it."""
        for change in changes:
            stored = change.before
            before = None if stored is None else due_of(stored)
            stored = change.after
            after = None if stored is None else due_of(stored)
            if before != after:
                if before is not None:
                    self._due.remove(before)
                if after is not None:
                    self._due.add(after)

    def check_invariants(self, relationships: Iterable[Relationship]) -> None:
        """Assert the law in the docstring. Cost: O(relationships)."""
        expected = sorted(
            (each.qualifiers.expiration_us, each.key)
            for each in relationships
            if each.qualifiers.expiration_us is not None
        )
        assert list(self._due) == expected, "the expirations are not those of the relationships"


def due_of(stored: StoredRelationship) -> Due | None:
    """When it expires, and its triple; None where it never does."""
    expiration_us = stored.relationship.qualifiers.expiration_us
    return None if expiration_us is None else (expiration_us, stored.relationship.key)
