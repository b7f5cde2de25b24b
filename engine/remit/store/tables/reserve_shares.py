"""Who may have the last of the room: what is held back for stops, shared by those who ask for it.

A store that has taken all it may refuses what is ordinary, and goes on to take small writes and deletes: whoever has to
stop an agent cannot choose when. Which of the small writes is a hold, only the schema's author knows. So everybody may
write a little, and nobody may write the reserve full: a client has as much of it as is left for the others, as with the
queue's places. When most of it is free again, what was taken is forgotten: so whatever one key writes, three eighths of
the reserve are left, and a second key leaves half of that.

What is counted is by how much the file grew, and at least the worst that a row can cost: a page that it splits, beside
its bytes. By bytes alone, somebody who writes between rows that stand close would take forty times his share.
Law: a client alone leaves three eighths of the reserve to the others."""

from __future__ import annotations

from collections import Counter

from remit.errors import StoreFull
from remit.store.tables.interface import Claim, Table
from remit.store.tables.staging import StagedCommit

# What a new row may cost beside its bytes where it falls between others: half a page moves to a new one. The other
# tables grow at their end, and split nothing.
SPLIT_BYTES = 4096
# As much of the reserve as has to be free for it to count as whole. Half of this is what a client may take next.
WHOLE = 3 / 4
_SPLIT = frozenset((Table.RELATIONSHIPS, Table.BY_SUBJECT))


class ReserveShares:
    """What each client has of the reserve. Only the writer's thread comes here."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()  # bytes, by client
        self._pending: Counter[str] = Counter()  # of the commit under way

    def begin(self) -> None:
        """A commit begins; what another was about to take, and did not, is forgotten."""
        self._pending.clear()

    def keep(self, grown_bytes: int) -> None:
        """The commit is durable, and made the file grow. Where a view stays open nothing can be used again, and a row
        costs all the pages on its way."""
        if self._pending:
            share = max(grown_bytes / max(self._pending.total(), 1), 1)
            for client_id, size_bytes in self._pending.items():
                self._taken[client_id] += int(size_bytes * share)

    def require(self, transaction: StagedCommit, claim: Claim, client_id: str) -> None:
        """That the request under way has room. Raises StoreFull. Cost: O(1) while there is plenty."""
        if not transaction.writes:
            return
        lacking = -transaction.room_left(Claim.ORDINARY)
        if lacking <= 0:
            if self._taken:
                self._taken.clear()  # there is room again: the reserve is whole
            return
        if claim is Claim.UPKEEP:
            return  # the map itself is its bound
        if claim is Claim.ORDINARY:
            if transaction.has_room_again():
                return
            raise transaction.full()
        left = transaction.room_left(Claim.STOP)
        if left < 0:
            raise transaction.full()
        if left >= (left + lacking) * WHOLE:
            self._taken.clear()
        if client_id:
            size_bytes = _cost_bytes(transaction)
            taken = self._taken[client_id] + self._pending[client_id] + size_bytes
            if taken > left:
                raise StoreFull(
                    f"the store is full, and of what it holds back for small writes and deletes this caller has taken "
                    f"`{taken - size_bytes}` bytes, as much as the `{left}` that are left for others: make room "
                    "first, see `--store-bytes-max`",
                    taken_bytes=taken - size_bytes,
                    left_bytes=left,
                )
            self._pending[client_id] += size_bytes


def _cost_bytes(transaction: StagedCommit) -> int:
    """The most that the request under way lets the tables grow by."""
    cost = 0
    for table, size_bytes in transaction.under_way():
        if size_bytes is not None:
            cost += 2 * size_bytes + (SPLIT_BYTES if table in _SPLIT else 0)
    return cost
