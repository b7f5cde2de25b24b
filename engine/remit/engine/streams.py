"""What goes on for long: relationships imported and exported by the million, and the changes of a store as they happen.

Law: each is a row of short steps, none of which waits for whoever takes or sends the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from remit.engine.admission import check_filter
from remit.engine.clock import Clock
from remit.engine.cursors import decode_cursor, encode_cursor
from remit.engine.importing import Backlog, Import
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.loaded import LoadedStores
from remit.engine.results import ExportPage, SnapshotPage
from remit.engine.schema_plans import NO_SCHEMA
from remit.engine.snapshot import Snapshot
from remit.engine.tokens import encode_token, require_at_least, revision_of
from remit.engine.watching import Watch, Watched, Watches, size_bytes
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.model import LOCAL_CALLER, Caller, Operation, Relationship, RelationshipFilter, StoredRelationship

T = TypeVar("T")

PAGE_BYTES = 1024 * 1024  # of an export, about: what a client of any make takes in one message is 4 MiB


class Streams:
    """The streams of all stores. Safe from many threads."""

    def __init__(self, stores: LoadedStores, watches: Watches, clock: Clock, limits: Limits) -> None:
        self._stores = stores
        self._watches = watches
        self._clock = clock
        self._limits = limits
        self._imports = Backlog()

    def import_(self, store: str, *, operation: Operation = Operation.TOUCH, caller: Caller = LOCAL_CALLER) -> Import:
        """Any number of relationships, a revision for each message taken, in order; none after one that is refused."""
        loaded = self._stores.of(store)
        identity = loaded.identity
        return Import(
            identity,
            lambda admission, weight: self._stores.submit(identity, admission, caller.client_id, weight),
            self._stores.plans.of_transaction,
            lambda: loaded.schema,
            self._clock,
            self._limits,
            caller,
            self._imports,
            operation,
        )

    def export(
        self,
        store: str,
        filter: RelationshipFilter,
        *,
        at_least: str = "",
        cursor: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> Iterator[ExportPage]:
        """The relationships a filter means, in a stable order: at least one page, each read as it is asked for, in a
        short transaction of its own. What has expired is left out.

        Later pages may be of later revisions: what is watched from the token brings all of them up to date."""
        loaded = self._stores.of(store)
        check_filter(loaded.schema or NO_SCHEMA, filter, "filter")
        token, is_complete = "", False
        while not is_complete:
            after = decode_cursor(cursor, filter)
            with self._stores.view(loaded.identity) as view:
                head = view.head
                # The first page's token also says that the store was not made anew between two pages.
                require_at_least(token or at_least, head.identity, head.revision)
                token = token or encode_token(head.identity, head.revision)
                rows = view.scan(filter, after, paced(interrupt, ROWS_BETWEEN_INTERRUPTS))
                page, is_complete = self._page(rows, self._limits.page_max)
            cursor = encode_cursor(page[-1].key, filter) if page else cursor
            yield ExportPage(tuple(page), cursor, token)

    def snapshot(
        self,
        store: str,
        filter: RelationshipFilter,
        *,
        at_least: str = "",
        at_exactly: str = "",
        cursor: str = "",
        limit: int = 0,
        page_max: int = 0,
        interrupt: Interrupt = never_interrupted,
    ) -> Iterator[SnapshotPage]:
        """The relationships a filter means at one revision, the head as it is now or a past one, at most `limit` (0:
        all), and a page at most `page_max`. What is over, or has not begun, is left out. At least one page, each read
        as it is asked for."""
        loaded = self._stores.of(store)
        if token := at_exactly or at_least:
            self._stores.catch_up(loaded, token)
        after = decode_cursor(cursor, filter)
        snapshot: Snapshot | None = None
        page_max = min(page_max or self._limits.page_max, self._limits.page_max)
        token, left, is_complete = "", limit, False
        while not is_complete:
            with self._stores.view(loaded.identity) as view:
                if snapshot is None:
                    head = view.head
                    require_at_least(at_least, head.identity, head.revision)
                    revision = revision_of(at_exactly, head.identity, head.revision) if at_exactly else head.revision
                    limits = self._limits
                    snapshot = Snapshot(filter, revision, limits.undone_max, interrupt, limits.evaluation_bytes_max)
                    rows = snapshot.rows(view, after)  # before the schema: whether the revision can be seen at all
                    text = view.schema_text_at(revision)
                    check_filter(self._stores.plans.of(text) if text is not None else NO_SCHEMA, filter, "filter")
                    token = encode_token(head.identity, revision)
                else:
                    rows = snapshot.rows(view, after)
                most = min(left or page_max, page_max)
                page, is_complete = self._page(rows, most, has_begun=True)
            after = page[-1].key if page else after
            if limit:
                left -= len(page)
                is_complete |= not left
            yield SnapshotPage(tuple(page), token, lambda each: encode_cursor(each.key, filter))

    def _page(
        self, rows: Iterator[StoredRelationship], most: int, *, has_begun: bool = False
    ) -> tuple[list[Relationship], bool]:
        """As many as a page holds, by count and by size, and whether there are no more."""
        now_us = self._clock.now_us()
        page: list[Relationship] = []
        room = PAGE_BYTES
        for stored in rows:
            qualifiers = stored.relationship.qualifiers
            if qualifiers.is_over(now_us) or (has_begun and not qualifiers.counts_at(now_us)):
                continue
            if room <= 0 or len(page) == most:
                return page, False
            page.append(stored.relationship)
            room -= size_bytes(stored.relationship)
        return page, True

    def watch(
        self,
        store: str,
        make: Callable[[Watched], T],
        *,
        after: str = "",
        filters: Sequence[RelationshipFilter] = (),
    ) -> Watch[T]:
        """Every change after a token (without one: from now on) that any of the filters means (without one: all).
        `make` turns what is told into what the caller sends, once for all who watch the same. See `watching`."""
        self._limits.require_filters(len(filters))
        return self._watches.open(store, after, filters, make)

    @property
    def is_watched(self) -> bool:
        """Whether a watch is open, of whichever store."""
        return self._watches.is_any_open

    def on_change(self, ring: Callable[[str], None]) -> Callable[[], None]:
        """Call `ring` with a store's name after each of its commits; see `Watches.on_change`. Returns what ends it."""
        return self._watches.on_change(ring)
