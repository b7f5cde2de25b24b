"""The relationships of one past revision: what the store holds now, with all that came later taken back.

A walk through a filter, a page at a time, each page in a short transaction of its own; the changelog is read once over
all of them.
Law: all pages together are what a scan at that revision was, in its order, whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge

from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS
from remit.errors import RevisionGone
from remit.eval.budget import EVALUATION_BYTES_MAX, Budget
from remit.eval.equations import bytes_of
from remit.interrupt import Interrupt, paced
from remit.model import PLAIN, RelationshipFilter, RelationshipKey, StoredRelationship
from remit.store.port import ReadTransaction


class Snapshot:
    """One walk. One thread at a time. Holds what was there and is no more as it was: `undone_max` changes at most, and
    of those that the filter means no more than `bytes_max`, as reckoned."""

    def __init__(
        self,
        filter: RelationshipFilter,
        revision: int,
        undone_max: int,
        interrupt: Interrupt,
        bytes_max: int = EVALUATION_BYTES_MAX,
    ) -> None:
        self._filter = filter
        self._undone = Budget(undone_max, interrupt, name="undone_max", bytes_max=bytes_max)
        self._look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        self._seen_revision = revision  # what came later has not been looked at
        self._before: dict[RelationshipKey, StoredRelationship | None] = {}  # of what has changed since

    def rows(self, view: ReadTransaction, after: RelationshipKey | None) -> Iterator[StoredRelationship]:
        """What the filter means, strictly after a triple if one is given. Cost: that of a scan, and O(changes since the
        page before). Raises RevisionGone, StepBudgetSpent, and what the interrupt raises."""
        self._take_back(view)
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
    ) -> list[StoredRelationship]:
        start = order(after) if after is not None else b""
        placed = []
        for key, stored in self._before.items():
            self._look()
            if stored is not None:
                placed.append((order(key), stored))
        return [stored for place, stored in sorted(placed, key=lambda each: each[0]) if place > start]

    def _take_back(self, view: ReadTransaction) -> None:
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
                if self._filter.matches(change.key):
                    before = change.before.relationship.qualifiers if change.before is not None else PLAIN
                    self._undone.bytes += bytes_of(change.key.subject, before)
                    self._before.setdefault(change.key, change.before)
            self._seen_revision = delta.revision
