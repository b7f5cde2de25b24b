"""The relationships of a store: written, removed by a filter, and read a page at a time.

A write goes through the store's one writer: admitted against what is there, made durable, applied to the graph, and
only then acknowledged; so the next check sees it.
Law: a request is one revision, or none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from remit.engine.admission import (
    KnownContexts,
    Scanning,
    apply_records,
    apply_updates,
    check_bounded,
    check_filter,
    check_preconditions,
    check_updates,
    delete_matching,
)
from remit.engine.clock import Clock
from remit.engine.commits import commit
from remit.engine.cursors import decode_cursor, encode_cursor
from remit.engine.descriptors import Descriptors
from remit.engine.limits import REMIT_WIRE, ROWS_BETWEEN_INTERRUPTS, Limits, Wire
from remit.engine.loaded import LoadedStores
from remit.engine.record_kinds import check_records
from remit.engine.results import DeleteResult, ReadPage, WriteResult
from remit.engine.schema_plans import NO_SCHEMA
from remit.engine.tokens import encode_token, require_at_least
from remit.engine.tool_constraints import check_tool_constraints
from remit.errors import InvalidArgument, StoreFull, TooManyMatch
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.model import (
    LOCAL_CALLER,
    Caller,
    Operation,
    Precondition,
    Record,
    RelationshipFilter,
    RelationshipKey,
    Update,
)
from remit.store.port import BULK_WEIGHT, SMALL_DOCUMENTS_BYTES, SMALL_WEIGHT_MAX, Draft, WriteTransaction


class Relationships:
    """The relationships of all stores. Safe from many threads."""

    def __init__(self, stores: LoadedStores, clock: Clock, limits: Limits, descriptors: Descriptors) -> None:
        self._stores = stores
        self._clock = clock
        self._limits = limits
        self._descriptors = descriptors

    def write(
        self,
        store: str,
        updates: Sequence[Update],
        *,
        preconditions: Sequence[Precondition] = (),
        replace: RelationshipFilter | None = None,
        records: Sequence[Record] = (),
        metadata_json: str = "{}",
        dry_run: bool = False,
        caller: Caller = LOCAL_CALLER,
        before_bulk: Interrupt = never_interrupted,
        interrupt: Interrupt = never_interrupted,
        wire: Wire = REMIT_WIRE,
    ) -> WriteResult:
        """All updates as one revision, or none. Durable when it returns, and seen by the next check. Without any it is
        refused, but over SpiceDB's wire, where the revision changes nothing.

        Judged inside the store's transaction, at the revision it would become: schema, preconditions, CREATE, `single`,
        `final`, `managed`. What `replace` means is removed first, in the same revision. What has expired already is
        written as it is, and told. `records` are no request's to bring: by them Remit's own verbs describe, in the same
        revision, what the facts are about. For `before_bulk` see `commits.commit`. Raises what the interrupt raises, as
        long as it is still being judged by its filters; then nothing is written."""
        loaded = self._stores.of(store)
        if not updates and not records and replace is None and not wire.may_write_nothing:
            raise InvalidArgument("a write needs at least one of `updates`", field="updates")
        self._limits.require_write(updates, len(preconditions), metadata_json, wire)
        check_records(records)
        if replace is not None:
            check_bounded(loaded.schema or NO_SCHEMA, replace, "replace")
        known = KnownContexts.of(loaded.schema, [update.relationship for update in updates], interrupt)
        written = {update.relationship.key for update in updates if update.operation is not Operation.DELETE}
        removed: set[RelationshipKey] = set()
        expired: tuple[int, ...] = ()
        scanning = Scanning(self._limits.scanned_max, interrupt)

        def admission(view: WriteTransaction) -> Draft:
            nonlocal expired
            schema = self._stores.plans.of_transaction(view)
            now_us = self._clock.now_us()
            touches_managed = check_updates(schema, updates, caller, known)
            removed.clear()
            scanning.begin()
            if preconditions:
                check_preconditions(view, schema, preconditions, now_us, scanning)
            if replace is not None:
                matches_max = self._limits.matches_max
                matched, complete, managed = delete_matching(
                    view, schema, replace, caller, matches_max, "replace", scanning, written=written
                )
                if not complete:
                    raise TooManyMatch(
                        f"`replace` means more than {matches_max} relationships: delete by filter first, in parts",
                        field="replace",
                        name="matches_max",
                        limit=matches_max,
                        given=matches_max + 1,  # or more: nobody counted on
                    )
                removed.update(matched)
                touches_managed |= managed
            apply_updates(view, schema, updates, caller, now_us)
            apply_records(view, records, caller)
            check_tool_constraints(view, schema, updates, self._descriptors, now_us, scanning)
            expired = _over(updates, now_us)
            return Draft(caller.principal, metadata_json, managed_bypass=touches_managed)

        changes = len(updates) + len(records)
        if sum(len(record.document) for record in records) > SMALL_DOCUMENTS_BYTES:
            changes = max(changes, BULK_WEIGHT)
        changes_max = changes if replace is None else changes + self._limits.matches_max
        committed = commit(
            self._stores,
            loaded,
            admission,
            caller,
            dry_run,
            scanning,
            changes=changes,
            changes_max=changes_max,
            before_bulk=before_bulk,
            interrupt=interrupt,
        )
        return WriteResult(committed.token, committed.revision, len(removed - written), expired)

    def delete(
        self,
        store: str,
        filter: RelationshipFilter,
        *,
        preconditions: Sequence[Precondition] = (),
        limit: int = 0,
        whole: bool = False,
        metadata_json: str = "{}",
        dry_run: bool = False,
        caller: Caller = LOCAL_CALLER,
        before_bulk: Interrupt = never_interrupted,
        interrupt: Interrupt = never_interrupted,
        wire: Wire = REMIT_WIRE,
    ) -> DeleteResult:
        """Remove what a filter means, at most `limit` a call (0, or more than allowed: as many as one revision may).

        Each call is one revision; call again until it is `complete`. A store that is full takes fewer at a time.
        `whole`: nothing is removed where not all would be; raises TooManyMatch. For `before_bulk` see `commits.commit`.
        Raises what the interrupt raises, as long as the filter is still being looked for; then nothing is removed."""
        loaded = self._stores.of(store)
        self._limits.require_conditions(len(preconditions), metadata_json, wire)
        check_bounded(loaded.schema or NO_SCHEMA, filter, "filter")
        limit = min(limit or self._limits.matches_max, self._limits.matches_max)
        outcome: tuple[int, bool] = (0, True)
        scanning = Scanning(self._limits.scanned_max, interrupt)

        def admission(view: WriteTransaction) -> Draft:
            nonlocal outcome
            schema = self._stores.plans.of_transaction(view)
            scanning.begin()
            check_preconditions(view, schema, preconditions, self._clock.now_us(), scanning)
            removed, complete, managed = delete_matching(
                view, schema, filter, caller, limit, "filter", scanning, partly=True
            )
            if whole and not complete:
                raise TooManyMatch(
                    f"the filter means more than {limit} relationships: nothing was removed",
                    field="filter",
                    name="limit",
                    limit=limit,
                    given=limit + 1,  # or more: nobody counted on
                )
            outcome = len(removed), complete
            return Draft(caller.principal, metadata_json, managed_bypass=managed)

        while True:
            try:
                committed = commit(
                    self._stores,
                    loaded,
                    admission,
                    caller,
                    dry_run,
                    scanning,
                    changes=0,
                    changes_max=limit,
                    before_bulk=before_bulk,
                    interrupt=interrupt,
                )
            except StoreFull:
                # What a store holds back when it is full is for small writes; and to delete is the way to room.
                tried = min(limit, outcome[0])
                if whole or tried <= SMALL_WEIGHT_MAX:
                    raise
                limit = max(tried // 10, SMALL_WEIGHT_MAX)
            else:
                return DeleteResult(committed.token, *outcome)

    def read(
        self,
        store: str,
        filter: RelationshipFilter,
        *,
        at_least: str = "",
        limit: int = 0,
        cursor: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> ReadPage:
        """The relationships a filter means, from the store itself, a page at a time in a stable order. What has expired
        is not shown; what has not begun is."""
        loaded = self._stores.of(store)
        check_filter(loaded.schema or NO_SCHEMA, filter, "filter")
        limit = min(limit or self._limits.page_max, self._limits.page_max)
        after = decode_cursor(cursor, filter)
        now_us = self._clock.now_us()
        with self._stores.view(loaded.identity) as view:
            head = view.head
            require_at_least(at_least, head.identity, head.revision)
            rows = view.scan(filter, after, paced(interrupt, ROWS_BETWEEN_INTERRUPTS))
            unexpired = (each for each in rows if not each.relationship.qualifiers.is_over(now_us))
            items = tuple(islice(unexpired, limit))
            # One more look tells a full last page from one that is followed by another.
            complete = len(items) < limit or next(unexpired, None) is None
        next_cursor = "" if complete else encode_cursor(items[-1].relationship.key, filter)
        return ReadPage(items, next_cursor, encode_token(head.identity, head.revision))


def _over(updates: Sequence[Update], now_us: int) -> tuple[int, ...]:
    """The places of those that write what is over at a time."""
    return tuple(
        [
            index
            for index, (operation, relationship) in enumerate(updates)
            if relationship.qualifiers.expiration_us is not None
            and relationship.qualifiers.is_over(now_us)
            and operation is not Operation.DELETE
        ]
    )
