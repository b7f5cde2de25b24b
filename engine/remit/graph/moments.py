"""When relationships begin and when they end, soonest first: so that what is over can be swept, and what begins or ends
be told of, without looking through a store for it.

Law: each holds exactly the relationships that have such a moment, each by the one it has now."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import islice

from sortedcontainers import SortedList

from remit.model import Change, Qualifiers, Relationship, RelationshipKey, StoredRelationship

Moment = tuple[int, RelationshipKey]


class Moments(ABC):
    """Mutable; it takes no lock, like the graph beside it. A change costs O(log n) where it concerns a moment."""

    __slots__ = ("_moments",)

    def __init__(self, moments: Iterable[Moment] = ()) -> None:
        self._moments: SortedList[Moment] = SortedList(moments)

    @staticmethod
    @abstractmethod
    def of(qualifiers: Qualifiers) -> int | None:
        """The moment of a relationship; None where it has none."""

    def __len__(self) -> int:
        return len(self._moments)

    def by(self, until_us: int, count_max: int) -> list[RelationshipKey]:
        """Those whose moment has come at a time, the longest ago first. Cost: O(log n + found)."""
        found = self._moments.irange(maximum=(until_us + 1,), inclusive=(True, False))
        return [key for _, key in islice(found, count_max)]

    def between(self, after_us: int, until_us: int, count_max: int) -> list[Moment]:
        """Those whose moment is later than one time and has come at another. Cost: O(log n + found)."""
        found = self._moments.irange((after_us + 1,), (until_us + 1,), inclusive=(True, False))
        return list(islice(found, count_max))

    def after(self, after_us: int, count_max: int) -> list[Moment]:
        """Those whose moment is later than a time, soonest first. Cost: O(log n + found)."""
        return list(islice(self._moments.irange(minimum=(after_us + 1,)), count_max))

    def apply(self, changes: Iterable[Change]) -> None:
        """Bring it from before a delta to after it."""
        for change in changes:
            before, after = self._moment_of(change.before), self._moment_of(change.after)
            if before != after:
                if before is not None:
                    self._moments.remove(before)
                if after is not None:
                    self._moments.add(after)

    def _moment_of(self, stored: StoredRelationship | None) -> Moment | None:
        if stored is None:
            return None
        moment_us = self.of(stored.relationship.qualifiers)
        return None if moment_us is None else (moment_us, stored.relationship.key)

    def check_invariants(self, relationships: Iterable[Relationship]) -> None:
        """Assert the law in the docstring. Cost: O(relationships)."""
        moments = [(self.of(each.qualifiers), each.key) for each in relationships]
        expected = sorted((moment_us, key) for moment_us, key in moments if moment_us is not None)
        assert list(self._moments) == expected, "the moments are not those of the relationships"


class Expirations(Moments):
    """When relationships end."""

    __slots__ = ()

    @staticmethod
    def of(qualifiers: Qualifiers) -> int | None:
        return qualifiers.expiration_us


class Beginnings(Moments):
    """When relationships begin."""

    __slots__ = ()

    @staticmethod
    def of(qualifiers: Qualifiers) -> int | None:
        return qualifiers.not_before_us
