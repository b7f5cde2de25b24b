"""The engine: each verb of Remit in a paragraph, over a store that is the truth and a graph in memory that is quick.

A question is answered from the graph, under one schema, at one revision and one time. A write goes through the store's
one writer: admitted against what is there, made durable, applied to the graph, and only then acknowledged; so the next
check sees it. Everything here is synchronous and may be called from many threads.
Law: the graph of a store is what its relationships are, at every revision that anyone can see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from remit.engine.admission import (
    Scanning,
    apply_updates,
    check_filter,
    check_preconditions,
    check_updates,
    delete_matching,
)
from remit.engine.clock import Clock
from remit.engine.copies import Backup, Fitting, Restore
from remit.engine.cursors import decode_cursor, encode_cursor
from remit.engine.importing import Import
from remit.engine.limits import Limits
from remit.engine.orphans import Judged, find_orphans, judge
from remit.engine.results import (
    CheckManyResult,
    CheckResult,
    DeleteResult,
    EngineStanding,
    ExpandResult,
    ExportPage,
    Question,
    ReadPage,
    SchemaDiff,
    SchemaRead,
    SchemaWritten,
    WriteResult,
)
from remit.engine.snapshots import Seen, Snapshot, Snapshots
from remit.engine.tokens import encode_token, require_at_least
from remit.engine.upkeep import RETENTION_US, Upkeep
from remit.engine.watching import Watch, Watched, Watches, size_bytes
from remit.errors import InvalidArgument, RemitError, RevisionGone, StepBudgetSpent, TooManyMatch
from remit.eval.budget import Budget, Interrupt, never_interrupted
from remit.eval.expand import expand
from remit.eval.explain import explain as explain_answer
from remit.eval.semantics import Evaluation
from remit.graph.native import Answered, Asked
from remit.language import compile_schema
from remit.language.diff import diff
from remit.language.plan import Schema
from remit.model import (
    DEFAULT_STORE,
    LOCAL_CALLER,
    Caller,
    ObjectRef,
    Operation,
    Precondition,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    StoreInfo,
    Update,
)
from remit.notation import canonical_json, checked_store
from remit.store.port import Admission, Commit, Draft, ReadTransaction, Store, WriteTransaction

if TYPE_CHECKING:
    from remit import _core

T = TypeVar("T")

# What a schema has a place for is looked for this often, each time at what was written since the last; no more
# revisions than these are left to the write itself: of a fact or two each, a millisecond or two.
_LOOKS_MAX = 8
_REVISIONS_FEW = 32

PAGE_BYTES = 1024 * 1024  # of an export, about: what a client of any make takes in one message is 4 MiB


class Engine:
    """All verbs, over all stores of one data directory."""

    def __init__(
        self, store: Store, clock: Clock, limits: Limits | None = None, *, retention_us: int = RETENTION_US
    ) -> None:
        """Load every store into memory; make `default` where there is none. Cost: O(relationships).

        `retention_us` is how long revisions can be asked about and watched, as far as `upkeep` is called."""
        self._store = store
        self._clock = clock
        self.limits = limits or Limits()
        if not store.names():
            store.create(DEFAULT_STORE)
        self._snapshots = Snapshots(store, clock, self.limits)
        self._watches = Watches(self._snapshots)
        self._upkeep = Upkeep(store, self._snapshots, clock, retention_us)

    def close(self) -> None:
        """Finish what is queued and release the store. The engine answers nothing afterwards."""
        self._store.close()

    def sizes(self) -> dict[str, int]:
        """How many relationships each store holds."""
        return self._snapshots.sizes()

    @property
    def clock(self) -> Clock:
        """By which everything here is judged."""
        return self._clock

    @property
    def core(self) -> _core.NativeCore | None:
        """The stores in the native core, for the front door; None where there is none."""
        return self._snapshots.core

    def standing(self) -> EngineStanding:
        """What there is now, for whoever watches. Cost: O(stores)."""
        store = self._store
        return EngineStanding(self._snapshots.standing(), store.size_bytes(), store.writes_waiting(), store.problem())

    def on_commit(self, observer: Callable[[Commit], None]) -> Callable[[], None]:
        """Call `observer` after each commit to the disk; see `Store.observe`. Returns what ends it."""
        return self._store.observe(observer)

    def upkeep(self, interrupt: Interrupt = never_interrupted) -> None:
        """A round of sweeping what expired long ago and forgetting old revisions; see `upkeep.Upkeep`."""
        self._upkeep.round(interrupt)

    # --- questions ----------------------------------------------------------------------------------------------

    def check(
        self,
        store: str,
        question: Question,
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        explain: bool = False,
        interrupt: Interrupt = never_interrupted,
    ) -> CheckResult:
        """Whether a subject has a relation or permission of a resource, and if asked for, why."""
        self.limits.require_context(question.context)
        seen = self._snapshots.seen(store, at_least=at_least, at_exactly=at_exactly, contextual=contextual)
        if not explain:
            answered = seen.check(_asked(question), question.context, self.limits.steps_max, interrupt)
            if answered is not None:
                return _native_result(seen, answered)
        evaluation = Evaluation(seen.schema, seen.graph, now_us=seen.now_us, context=question.context)
        return self._answer(seen, evaluation, question, interrupt, explain)

    def check_many(
        self,
        store: str,
        questions: Sequence[Question],
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        interrupt: Interrupt = never_interrupted,
    ) -> CheckManyResult:
        """Many questions at one revision and time. Those with the same context share what they settle; each has its own
        budget, and its own error."""
        self.limits.require_items(len(questions))
        evaluations: dict[str, Evaluation] = {}
        results: list[CheckResult | RemitError] = []
        seen = self._snapshots.seen(store, at_least=at_least, at_exactly=at_exactly, contextual=contextual)
        schema = seen.schema
        contexts = [question.context for question in questions]
        asked = [_asked(question) for question in questions]
        natively = seen.check_many(asked, contexts, self.limits.steps_max, interrupt)
        for question, answered in zip(questions, natively, strict=True):
            interrupt()
            try:
                self.limits.require_context(question.context)
                if isinstance(answered, StepBudgetSpent):
                    raise answered
                if answered is not None:
                    results.append(_native_result(seen, answered))
                    continue
                key = canonical_json(question.context) if question.context else ""
                evaluation = evaluations.get(key)
                if evaluation is None:
                    evaluation = Evaluation(schema, seen.graph, now_us=seen.now_us, context=question.context)
                    evaluations[key] = evaluation
                results.append(self._answer(seen, evaluation, question, interrupt, explain=False))
            except RemitError as error:
                interrupt()  # a deadline or a caller gone ends the request, not the item
                results.append(error)
        return CheckManyResult(tuple(results), seen.token, seen.now_us, seen.historical)

    def _answer(
        self, seen: Seen, evaluation: Evaluation, question: Question, interrupt: Interrupt, explain: bool
    ) -> CheckResult:
        resource, permission, subject = question.resource, question.permission, question.subject
        answer = evaluation.check(resource, permission, subject, Budget(self.limits.steps_max, interrupt))
        explanation = None
        if explain:
            evaluation.equations.budget = Budget(self.limits.steps_max, interrupt)
            explanation = explain_answer(evaluation, evaluation.goal(resource, permission, subject))
        return CheckResult(
            answer.verdict, answer.missing, answer.steps, seen.token, seen.now_us, explanation, seen.historical
        )

    def expand(
        self,
        store: str,
        resource: ObjectRef,
        permission: str,
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        depth: int = 0,
        interrupt: Interrupt = never_interrupted,
    ) -> ExpandResult:
        """Everyone who has a relation or permission of a resource, as sets made of sets, at most `depth` deep."""
        seen = self._snapshots.seen(store, at_least=at_least, at_exactly=at_exactly, contextual=contextual)
        expansion = seen.expand(resource, permission, depth, self.limits.steps_max, interrupt)
        if expansion is None:
            budget = Budget(self.limits.steps_max, interrupt)
            expansion = expand(
                seen.schema, seen.graph, resource, permission, now_us=seen.now_us, depth=depth, budget=budget
            )
        return ExpandResult(expansion, seen.token, seen.now_us, seen.historical)

    # --- facts --------------------------------------------------------------------------------------------------

    def write(
        self,
        store: str,
        updates: Sequence[Update],
        *,
        preconditions: Sequence[Precondition] = (),
        replace: RelationshipFilter | None = None,
        metadata_json: str = "{}",
        dry_run: bool = False,
        caller: Caller = LOCAL_CALLER,
    ) -> WriteResult:
        """All updates as one revision, or none. Durable when it returns, and seen by the next check.

        Judged inside the store's transaction, at the revision it would become: schema, preconditions, CREATE, `single`,
        `managed`. What `replace` means is removed first, in the same revision."""
        snapshot = self._snapshots.of(store)
        if not updates and replace is None:
            raise InvalidArgument("a write needs at least one of `updates`", field="updates")
        self.limits.require_write(updates, len(preconditions), metadata_json)
        if replace is not None:
            self._check_bounded(snapshot, replace, "replace")
        removed: set[RelationshipKey] = set()

        def admission(view: WriteTransaction) -> Draft:
            schema = self._snapshots.schema_of(view)
            now_us = self._clock.now_us()
            touches_managed = check_updates(schema, updates, caller)
            removed.clear()
            scanning = Scanning(self.limits.scanned_max)
            if preconditions:
                check_preconditions(view, schema, preconditions, now_us, scanning)
            if replace is not None:
                matches_max = self.limits.matches_max
                matched, complete, managed = delete_matching(
                    view, schema, replace, caller, matches_max, "replace", scanning
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
            return Draft(caller.principal, metadata_json, managed_bypass=touches_managed)

        revision = self._commit(snapshot, admission, dry_run)
        if removed:
            removed -= {update.relationship.key for update in updates if update.operation is not Operation.DELETE}
        return WriteResult(self._token(snapshot, revision), revision, len(removed))

    def delete(
        self,
        store: str,
        filter: RelationshipFilter,
        *,
        preconditions: Sequence[Precondition] = (),
        limit: int = 0,
        metadata_json: str = "{}",
        dry_run: bool = False,
        caller: Caller = LOCAL_CALLER,
    ) -> DeleteResult:
        """Remove what a filter means, at most `limit` a call (0, or more than allowed: as many as one revision may).

        Each call is one revision; call again until it is `complete`."""
        snapshot = self._snapshots.of(store)
        self.limits.require_conditions(len(preconditions), metadata_json)
        self._check_bounded(snapshot, filter, "filter")
        limit = min(limit or self.limits.matches_max, self.limits.matches_max)
        outcome: tuple[int, bool] = (0, True)

        def admission(view: WriteTransaction) -> Draft:
            nonlocal outcome
            schema = self._snapshots.schema_of(view)
            scanning = Scanning(self.limits.scanned_max)
            check_preconditions(view, schema, preconditions, self._clock.now_us(), scanning)
            removed, complete, managed = delete_matching(
                view, schema, filter, caller, limit, "filter", scanning, partly=True
            )
            outcome = len(removed), complete
            return Draft(caller.principal, metadata_json, managed_bypass=managed)

        revision = self._commit(snapshot, admission, dry_run)
        return DeleteResult(self._token(snapshot, revision), *outcome)

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
        snapshot = self._snapshots.of(store)
        self._check_filter(snapshot, filter, "filter")
        limit = min(limit or self.limits.page_max, self.limits.page_max)
        after = decode_cursor(cursor, filter)
        now_us = self._clock.now_us()
        with self._snapshots.view(snapshot.identity) as view:
            head = view.head
            require_at_least(at_least, head.identity, head.revision)
            rows = _interruptible(view.scan(filter, after), interrupt)
            unexpired = (each for each in rows if not each.relationship.qualifiers.is_over(now_us))
            items = tuple(islice(unexpired, limit))
            # One more look tells a full last page from one that is followed by another.
            complete = len(items) < limit or next(unexpired, None) is None
        next_cursor = "" if complete else encode_cursor(items[-1].relationship.key, filter)
        return ReadPage(items, next_cursor, encode_token(head.identity, head.revision))

    # --- streams ------------------------------------------------------------------------------------------------

    def import_(self, store: str, *, caller: Caller = LOCAL_CALLER) -> Import:
        """Any number of relationships, a revision for each message taken, in order; none after one that is refused."""
        identity = self._snapshots.of(store).identity
        return Import(
            identity,
            lambda admission: self._snapshots.submit(identity, admission),
            self._snapshots.schema_of,
            self._clock,
            self.limits,
            caller,
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
        snapshot = self._snapshots.of(store)
        self._check_filter(snapshot, filter, "filter")
        token, is_complete = "", False
        while not is_complete:
            after = decode_cursor(cursor, filter)
            with self._snapshots.view(snapshot.identity) as view:
                head = view.head
                # The first page's token also says that the store was not made anew between two pages.
                require_at_least(token or at_least, head.identity, head.revision)
                token = token or encode_token(head.identity, head.revision)
                page, is_complete = self._export_page(_interruptible(view.scan(filter, after), interrupt))
            cursor = encode_cursor(page[-1].key, filter) if page else cursor
            yield ExportPage(tuple(page), cursor, token)

    def _export_page(self, rows: Iterator[StoredRelationship]) -> tuple[list[Relationship], bool]:
        """As many as a page holds, by count and by size, and whether there are no more."""
        now_us = self._clock.now_us()
        page: list[Relationship] = []
        room = PAGE_BYTES
        for stored in rows:
            if stored.relationship.qualifiers.is_over(now_us):
                continue
            if room <= 0 or len(page) == self.limits.page_max:
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
        self.limits.require_filters(len(filters))
        return self._watches.open(store, after, filters, make)

    def on_change(self, ring: Callable[[str], None]) -> Callable[[], None]:
        """Call `ring` with a store's name after each of its commits; see `Watches.on_change`. Returns what ends it."""
        return self._watches.on_change(ring)

    # --- the schema ---------------------------------------------------------------------------------------------

    def write_schema(
        self, store: str, text: str, *, dry_run: bool = False, caller: Caller = LOCAL_CALLER
    ) -> SchemaWritten:
        """Compile and replace the schema. Refused where it does not compile, or has no place for what is stored; what
        has expired and has no place is removed with it."""
        snapshot = self._snapshots.of(store)
        self.limits.require_schema(text)
        compiled = compile_schema(text, terms_max=self.limits.schema_terms_max)
        if not dry_run:
            self._snapshots.remember(text, compiled.schema)
        before = self._judged_before(snapshot, compiled.schema)

        def admission(view: WriteTransaction) -> Draft:
            judged = self._judged(view, compiled.schema, before)
            for key in judged.over if judged is not None else ():
                view.delete(key)
            view.put_schema(text)
            return Draft(caller.principal)

        revision = self._commit(snapshot, admission, dry_run)
        return SchemaWritten(self._token(snapshot, revision), compiled.warnings)

    def _judged_before(self, snapshot: Snapshot, new: Schema) -> Judged | None:
        """What the schema has a place for, as of a revision not long ago, looked for where no write waits for it."""
        judged: Judged | None = None
        for _ in range(_LOOKS_MAX):
            with self._snapshots.view(snapshot.identity) as view:
                if judged is not None and view.head.revision - judged.revision <= _REVISIONS_FEW:
                    break
                judged = self._judged(view, new, judged)
        return judged

    def _judged(self, view: ReadTransaction, new: Schema, before: Judged | None) -> Judged | None:
        """What the schema has a place for, as of the view; None where there was none before it."""
        if view.head.schema_text is None:
            return None
        old, now_us = self._snapshots.schema_of(view), self._clock.now_us()
        if before is not None and before.old.text == old.text:
            with suppress(RevisionGone):  # where so much was forgotten meanwhile, it is looked for anew
                return before.caught_up(view, now_us)
        return judge(view, old, new, now_us, self.limits.matches_max)

    def read_schema(self, store: str, *, at_least: str = "", at_exactly: str = "") -> SchemaRead:
        """The schema as it was written."""
        seen = self._snapshots.seen(store, at_least=at_least, at_exactly=at_exactly)
        return SchemaRead(seen.schema.text, seen.token)

    def diff_schema(self, store: str, text: str, *, at_least: str = "") -> SchemaDiff:
        """What a new schema would change: in meaning, and for the relationships that exist."""
        snapshot = self._snapshots.of(store)
        self.limits.require_schema(text)
        compiled = compile_schema(text, terms_max=self.limits.schema_terms_max)
        with self._snapshots.view(snapshot.identity) as view:
            head = view.head
            require_at_least(at_least, head.identity, head.revision)
            old = self._snapshots.compiled(head.schema_text) if head.schema_text is not None else NO_SCHEMA
            orphans = tuple(find_orphans(view, old, compiled.schema, self._clock.now_us()))
        token = encode_token(head.identity, head.revision)
        return SchemaDiff(diff(old, compiled.schema), orphans, compiled.warnings, token)

    # --- stores -------------------------------------------------------------------------------------------------

    def create_store(self, name: str) -> StoreInfo:
        """Make an empty store. Raises StoreExists."""
        self._check_new(name)
        return self._snapshots.add(name, lambda: self._store.create(name)).info()

    def list_stores(self) -> tuple[StoreInfo, ...]:
        """All stores, by name."""
        return tuple(snapshot.info() for snapshot in self._snapshots.all())

    def delete_store(self, name: str) -> None:
        """Remove a store and all it holds. What was asked before is still answered; who watches it hears that it is
        gone. Raises StoreNotFound."""
        self._snapshots.remove(checked_store(name, field="name"))
        self._watches.removed(name)

    def backup(self, store: str) -> Backup:
        """A copy of a store as it stands, which goes on meanwhile: take it, read it, close it. See `copies`."""
        return Backup(self._store, self._snapshots, self._snapshots.of(store).identity, self._clock)

    def restore(self, name: str) -> Restore:
        """Begin to make a store of a backup, under a name that is free: feed it, finish it, close it. Nothing of it is
        seen before it is finished. Raises StoreExists."""
        self._check_new(name)
        return Restore(self._store, self._snapshots, name, Fitting(self.limits, self._clock.now_us()))

    def store_info(self, store: str) -> StoreInfo:
        """One store. Raises StoreNotFound."""
        return self._snapshots.of(store).info()

    def _check_new(self, name: str) -> None:
        checked_store(name, field="name")
        self.limits.require_stores(len(self._snapshots.all()) + 1)

    # --- shared by the verbs ------------------------------------------------------------------------------------

    def _commit(self, snapshot: Snapshot, admission: Admission, dry_run: bool) -> int:
        """The revision an admission became; 0 for a dry run, which is judged the same and leaves no trace."""
        if not dry_run:
            return self._snapshots.write(snapshot.identity, admission).revision

        def rehearsal(view: WriteTransaction) -> Draft:
            admission(view)
            raise _Rehearsed

        try:
            self._snapshots.write(snapshot.identity, rehearsal)
        except _Rehearsed:
            return 0
        raise AssertionError("a rehearsal never commits")

    def _token(self, snapshot: Snapshot, revision: int) -> str:
        return encode_token(snapshot.identity, revision) if revision else ""

    def _check_bounded(self, snapshot: Snapshot, filter: RelationshipFilter, field: str) -> None:
        """That a filter that removes names at least a type: an empty one is more likely a mistake than a wish."""
        if filter.resource_type is None and filter.subject_type is None:
            raise InvalidArgument("a filter that removes names a resource type or a subject type", field=field)
        self._check_filter(snapshot, filter, field)

    def _check_filter(self, snapshot: Snapshot, filter: RelationshipFilter, field: str) -> None:
        check_filter(snapshot.schema or NO_SCHEMA, filter, field)


def _asked(question: Question) -> Asked:
    return question.resource, question.permission, question.subject


def _native_result(seen: Seen, answered: Answered) -> CheckResult:
    return CheckResult(answered.verdict, (), answered.steps, seen.token, seen.now_us)


class _Rehearsed(Exception):  # not an error: how a dry run leaves its transaction
    """A dry run went through."""


NO_SCHEMA = Schema({}, {})


def _interruptible(rows: Iterator[StoredRelationship], interrupt: Interrupt) -> Iterator[StoredRelationship]:
    for count, row in enumerate(rows):
        if not count & 0xFF:
            interrupt()
        yield row
