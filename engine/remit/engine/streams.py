"""What goes on for long: relationships imported and exported by the million, and the changes of a store as they happen.

Law: each is a row of short steps, none of which waits for whoever takes or sends the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from remit.engine.admission import check_filter
from remit.engine.clock import Clock
from remit.engine.cursors import decode_cursor, encode_cursor
from remit.engine.importing import Backlog, Import
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.loaded import LoadedStores
from remit.engine.past_rows import PastRows, Remember, remember_all
from remit.engine.permission_watching import Around, Made, PermissionsTold, PermissionWatch
from remit.engine.results import ExportPage, RevisionPage
from remit.engine.schema_plans import NO_SCHEMA
from remit.engine.tokens import encode_token, require_at_least, revision_of
from remit.engine.watching import Watch, Watched, Watches, size_bytes
from remit.eval.evaluator import Evaluator
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.model import (
    LOCAL_CALLER,
    Caller,
    Operation,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    WatchedPermission,
)
from remit.store.port import ReadTransaction

T = TypeVar("T")

PAGE_BYTES = 1024 * 1024  # of an export, about: what a client of any make takes in one message is 4 MiB
LOOKED_AT_MAX = 10_000  # rows of one step, counted or not: some tens of milliseconds


class Streams:
    """The streams of all stores. Safe from many threads."""

    def __init__(
        self, stores: LoadedStores, watches: Watches, evaluator: Evaluator, clock: Clock, limits: Limits
    ) -> None:
        self._stores = stores
        self._watches = watches
        self._evaluator = evaluator
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
                page, is_complete = _unexpired(rows, self._clock.now_us(), self._limits.page_max)
            cursor = encode_cursor(page[-1].key, filter) if page else cursor
            yield ExportPage(tuple(page), cursor, token)

    def read_revision(
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
        remember: Remember = remember_all,
    ) -> RevisionPages:
        """The relationships a filter means at one revision, the head as it is when the first page is read or a past
        one, at most `limit` (0: all), and a page at most `page_max`. What is over, or has not begun, is left out. For
        `remember` see `PastRows`."""
        loaded = self._stores.of(store)
        if token := at_exactly or at_least:
            self._stores.catch_up(loaded, token)
        after = decode_cursor(cursor, filter)
        limits = self._limits
        page_max = min(page_max or limits.page_max, limits.page_max)

        def begin(view: ReadTransaction) -> tuple[PastRows, int]:
            head = view.head
            require_at_least(at_least, head.identity, head.revision)
            revision = revision_of(at_exactly, head.identity, head.revision) if at_exactly else head.revision
            bytes_max = limits.evaluation_bytes_max
            rows = PastRows(filter, revision, limits.undone_max, interrupt, bytes_max=bytes_max, remember=remember)
            return rows, revision

        def check(text: str | None) -> None:
            plans = self._stores.plans
            check_filter(plans.of(text, interrupt) if text is not None else NO_SCHEMA, filter, "filter")

        view_of = partial(self._stores.view, loaded.identity)
        return RevisionPages(view_of, begin, check, filter, after, limit, page_max, self._clock.now_us)

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

    def watch_permission(
        self,
        store: str,
        watched: WatchedPermission,
        make: Callable[[PermissionsTold], Made],
        *,
        after: str = "",
        evaluated_at_us: int | None = None,
    ) -> PermissionWatch:
        """Who has a permission of which resources, as that changes after a token and a time, which an answer named
        together (without them: from now on). `make` turns what is told into the bytes that are sent. See
        `permission_watching`."""
        around = Around(self._stores, self._watches, self._evaluator, self._clock, self._limits)
        return PermissionWatch.open(around, store, watched, make, after, evaluated_at_us)

    @property
    def is_watched(self) -> bool:
        """Whether a watch is open, of whichever store."""
        return self._watches.is_any_open

    def on_change(self, ring: Callable[[str], None]) -> Callable[[], None]:
        """Call `ring` with a store's name after each of its commits; see `Watches.on_change`. Returns what ends it."""
        return self._watches.on_change(ring)


class RevisionPages(Iterator[RevisionPage]):
    """The pages of a list at one revision: at least one, each read as it is asked for. One thread at a time. Where an
    interrupt ends the reading of one, or what is made of it, it can be asked for again."""

    def __init__(
        self,
        view: Callable[[], AbstractContextManager[ReadTransaction]],
        begin: Callable[[ReadTransaction], tuple[PastRows, int]],
        check: Callable[[str | None], None],
        filter: RelationshipFilter,
        after: RelationshipKey | None,
        limit: int,
        page_max: int,
        now_us: Callable[[], int],
    ) -> None:
        """`check`: of the filter, by the text of the schema that it is read by."""
        self._view = view
        self._begin = begin
        self._check = check
        self._filter = filter
        self._after = after
        self._left = limit or None
        self._page_max = page_max
        self._now_us = now_us
        self._rows: PastRows | None = None
        self._revision = 0
        self._token = ""
        self._is_open = False
        self._is_complete = False
        self._page: RevisionPage | None = None  # read, and not taken

    def peek(self) -> RevisionPage | None:
        """The page that comes next; None where there is none."""
        if self._page is None and not self._is_complete:
            self._page = self._read()
        return self._page

    def __next__(self) -> RevisionPage:
        page = self.peek()
        if page is None:
            raise StopIteration
        self._page = None
        return page

    def _read(self) -> RevisionPage:
        rows = self._rows if self._is_open and self._rows is not None else self._open()
        most = self._page_max if self._left is None else min(self._left, self._page_max)
        with self._view() as view:
            page, passed, is_complete = _begun(rows.rows(view, self._after), self._now_us(), most)
        self._after = passed or self._after
        if self._left is not None:
            self._left -= len(page)
            is_complete |= not self._left
        self._is_complete = is_complete
        return RevisionPage(tuple(page), self._token, lambda each: encode_cursor(each.key, self._filter))

    def _open(self) -> PastRows:
        """Say which revision it is of, and whether it can be seen at all, before its schema is compiled."""
        with self._view() as view:
            if self._rows is None:
                self._rows, self._revision = self._begin(view)
            self._rows.take_back(view)
            text = view.schema_text_at(self._revision)
            self._token = encode_token(view.head.identity, self._revision)
        self._check(text)
        self._is_open = True
        return self._rows


def _begun(
    rows: Iterator[StoredRelationship], now_us: int, most: int
) -> tuple[list[Relationship], RelationshipKey | None, bool]:
    """What counts at a time, as much as a page holds by count and by size, and as few rows are looked at for; the last
    triple that was looked at; and whether there are no more."""
    page: list[Relationship] = []
    passed: RelationshipKey | None = None
    room = PAGE_BYTES
    for looked_at, stored in enumerate(rows):
        if room <= 0 or len(page) == most or looked_at == LOOKED_AT_MAX:
            return page, passed, False
        passed = stored.relationship.key
        if stored.relationship.qualifiers.counts_at(now_us):
            page.append(stored.relationship)
            room -= size_bytes(stored.relationship)
    return page, passed, True


def _unexpired(rows: Iterator[StoredRelationship], now_us: int, most: int) -> tuple[list[Relationship], bool]:
    """As many as a page holds, by count and by size, and whether there are no more."""
    page: list[Relationship] = []
    room = PAGE_BYTES
    for stored in rows:
        if stored.relationship.qualifiers.is_over(now_us):
            continue
        if room <= 0 or len(page) == most:
            return page, False
        page.append(stored.relationship)
        room -= size_bytes(stored.relationship)
    return page, True
