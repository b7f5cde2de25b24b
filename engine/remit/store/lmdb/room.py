"""How much room there is, and for whom: the map's, and that of a disk which a commit found full.

The map is opened larger than the store may become. What is beyond that bound is held back: the first half of it for
stops, the rest for what makes room again (trims, the rows of deleted stores) and for the clock. A full disk has no such
margin, so a file beside the data keeps one there: it goes when a stop meets the full disk, and is made again before
anything ordinary is written. Until then the data file may grow by what that file gave, and no more.

What a commit will need is estimated before it is written down. LMDB never overwrites a page, so a commit takes new ones
for all it touches, and those it replaced can be used from the next commit but one on, or once the last view that sees
them has ended. So a store may be small and have no room: what counts is the pages that were never used, and those that
can be used again now.
Law: whatever was ordinary, and however much of it, a stop finds half of the reserve."""

from __future__ import annotations

import contextlib

import lmdb

from remit.store.lmdb.directory import RESERVE_FILE_BYTES, DataDirectory
from remit.store.lmdb.pages import reusable_pages
from remit.store.tables.interface import Claim

# A sixteenth of the bound: in a small store enough for a few hundred holds and their changelog, and in the default map
# no more than a disk has to spare.
RESERVE_SHARE = 16
RESERVE_BYTES_MIN, RESERVE_BYTES_MAX = 8 * 2**20, 256 * 2**20

# What a full disk is told from another I/O error with.
PROBE_BYTES = 64 * 1024

# Pages of a commit beside those of its rows: branches, the free pages' own tree, both for each table.
SLACK_PAGES = 64

# So many times what a commit needs is looked for among the free pages, so that the next commits need not look.
LOOK_AHEAD = 16


def reserve_bytes(store_bytes_max: int) -> int:
    """How much larger than its bound the file may become, for stops and for what makes room."""
    return min(max(store_bytes_max // RESERVE_SHARE, RESERVE_BYTES_MIN), RESERVE_BYTES_MAX)


class Room:
    """The room of one open environment. Only the writer's thread asks it; that the disk is full, anybody may find."""

    def __init__(self, environment: lmdb.Environment, directory: DataDirectory, store_bytes_max: int) -> None:
        self._environment = environment
        self._directory = directory
        self._page_bytes: int = environment.stat()["psize"]
        reserve = reserve_bytes(store_bytes_max) // self._page_bytes
        self._limit = store_bytes_max // self._page_bytes
        self._used = self._pages_used()
        # A bound that is smaller than at an earlier start, or a reserve that was spent: stops find room all the same.
        base = self._limit if self._used <= self._limit + reserve // 4 else self._used
        self._map = base + reserve
        self._stops = base + reserve // 2
        self._reusable = 0  # pages that are free, at least
        self._need = 0  # of the commit under way
        self.databases: list[lmdb._Database] = []  # once they are open
        self._disk: int | None = None  # how many pages were used when a commit found the disk full
        if self._map * self._page_bytes > environment.info()["map_size"]:
            environment.set_mapsize(self._map * self._page_bytes)
        if not directory.keep_reserve():
            self.disk_full()

    @property
    def is_disk_full(self) -> bool:
        """Whether a commit found the disk full, and nothing ordinary has found room since."""
        return self._disk is not None

    def disk_full(self) -> None:
        """A commit found no room on the disk."""
        if self._disk is None:
            self._disk = self._used

    def has_disk_again(self) -> bool:
        """Whether there is room on a disk that was full: as much as is held back, and some."""
        if self._disk is None or not self._directory.keep_reserve() or not self._directory.has_room(PROBE_BYTES):
            return False
        self._disk = None
        return True

    def committed(self) -> int:
        """A commit is durable: by how many bytes the file grew."""
        before, self._used = self._used, self._pages_used()
        self._reusable = max(self._reusable - self._need, 0)
        return (self._used - before) * self._page_bytes

    def left(self, claim: Claim, transaction: lmdb.Transaction[bytes], rows: int, size_bytes: int) -> int:
        """See `Transaction.room_left`."""
        self._need = 3 * rows + 2 * size_bytes // self._page_bytes + SLACK_PAGES
        left = self._left(claim)
        if left < 0:
            # No commit touches more pages than there are, nor splits more of them.
            live = self._live_pages(transaction)
            self._need = min(2 * rows, live) + min(rows, live) + 2 * size_bytes // self._page_bytes + SLACK_PAGES
            self._reusable = self._find_reusable()
            left = self._left(claim)
        return left * self._page_bytes

    def _left(self, claim: Claim) -> int:
        """Pages."""
        return self._ceiling(claim) - self._used + self._reusable - self._need

    def _ceiling(self, claim: Claim) -> int:
        """How many pages the file may have for it, as far as we bound it."""
        disk = self._disk
        if claim is Claim.ORDINARY:
            return self._limit if disk is None else min(self._limit, disk)
        if claim is Claim.UPKEEP:
            return self._map
        return self._stops if disk is None else min(self._stops, disk + RESERVE_FILE_BYTES // 2 // self._page_bytes)

    def _pages_used(self) -> int:
        """Pages that were ever used: the file's length."""
        return int(self._environment.info()["last_pgno"]) + 1

    def _live_pages(self, transaction: lmdb.Transaction[bytes]) -> int:
        """Pages that a table has something on."""
        stats = [self._environment.stat(), *(transaction.stat(database) for database in self.databases)]
        return sum(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] for stat in stats)

    def _find_reusable(self) -> int:
        """Pages that the next commit may use again: free, and seen by nobody. Perhaps not all of them."""
        oldest = self._environment.info()["last_txnid"]
        for line in self._environment.readers().splitlines()[1:]:
            with contextlib.suppress(ValueError, IndexError):  # "-" of one that reads nothing now
                oldest = min(oldest, int(line.split()[2]))
        enough = self._map - self._limit + LOOK_AHEAD * self._need
        return reusable_pages(self._directory.data_file, self._page_bytes, oldest, enough)
