"""The relationships of one past revision: what the store holds now, with all that came later taken back.

Read through a filter, a page at a time, each page in a short transaction of its own; the changelog is read once over
all of them.
Law: all pages together are what a scan at that revision was, in its order, whatever is written meanwhile."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from heapq import merge
from itertools import islice
from typing import NamedTuple

from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS
from remit.errors import RevisionGone
from remit.eval.budget import EVALUATION_BYTES_MAX, Budget
from remit.eval.equations import bytes_of
from remit.interrupt import Interrupt, paced
from remit.model import PLAIN, RelationshipFilter, RelationshipKey, StoredRelationship
from remit.store.port import ReadTransaction

Remember = Callable[[int], None]
"""Told of each part of what is remembered how many bytes it has, as reckoned; what it raises ends the list."""


def remember_all(_: int) -> None:
    """Of a caller who is alone in its process."""


class _Placed(NamedTuple):
    """What stood at a place of a scan; None where nothing did."""

    place: bytes
    stored: StoredRelationship | None


class PastRows:
    """One thread at a time. Remembers what was there and is no more as it was: `undone_max` changes at most, and of
    those that the filter means no more than `bytes_max`, as reckoned. After what an interrupt raises it is where it
    was."""

    def __init__(
        self,
        filter: RelationshipFilter,
        revision: int,
        undone_max: int,
        interrupt: Interrupt,
        *,
        bytes_max: int = EVALUATION_BYTES_MAX,
        remember: Remember = remember_all,
    ) -> None:
        self._filter = filter
        self._undone = Budget(undone_max, interrupt, name="undone_max", bytes_max=bytes_max)
        self._remember = remember
        self._look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        self._seen_revision = revision  # what came later has not been looked at
        self._before: dict[RelationshipKey, StoredRelationship | None] = {}  # of what has changed since
        self._placed: list[_Placed] = []  # the same in order, but for the last ones

    def rows(self, view: ReadTransaction, after: RelationshipKey | None) -> Iterator[StoredRelationship]:
        """What the filter means, strictly after a triple if one is given. Cost: that of a scan, and O(changes since the
        page before). Raises RevisionGone, StepBudgetSpent, and what the interrupt or `remember` raises."""
        self.take_back(view)
        now = view.scan(self._filter, after, self._look)
        if not self._before:
            return now
        order = view.order(self._filter)
        return merge(
            (stored for stored in now if stored.relationship.key not in self._before),
            self._there_before(order, after),
            key=lambda stored: order(stored.relationship.key),
        )

    def _there_before(
        self, order: Callable[[RelationshipKey], bytes], after: RelationshipKey | None
    ) -> Iterator[StoredRelationship]:
        if len(self._placed) < len(self._before):
            placed = []
            for key, stored in islice(self._before.items(), len(self._placed), None):
                self._look()
                placed.append(_Placed(order(key), stored))
            # Two runs, the first of which is in order, so this compares each of them about once.
            self._placed = sorted([*self._placed, *placed], key=_place_of)
        start = bisect_right(self._placed, order(after), key=_place_of) if after is not None else 0
        return (each.stored for each in islice(self._placed, start, None) if each.stored is not None)

    def take_back(self, view: ReadTransaction) -> None:
        """What the view has and the revision had not. Raises as `rows` does."""
        if self._seen_revision == view.head.revision:
            return
        try:
            deltas = view.changelog(self._seen_revision)
        except RevisionGone as error:
            error.field = "consistency"
            raise
        for delta in deltas:
            for change in delta.changes:
                self._undone.spend()
                if change.key in self._before or not self._filter.matches(change.key):
                    continue
                before = change.before.relationship.qualifiers if change.before is not None else PLAIN
                size = bytes_of(change.key.subject, before) + len(change.key.resource.id)
                self._remember(size)
                self._undone.bytes += size
                self._before[change.key] = change.before
            self._seen_revision = delta.revision


def _place_of(placed: _Placed) -> bytes:
    return placed.place
