"""The schema of a store: written, read, and compared with another.

Law: no schema comes into force that leaves a stored relationship without a place."""

from __future__ import annotations

from contextlib import suppress

from remit.engine.admission import Scanning
from remit.engine.clock import Clock
from remit.engine.commits import commit
from remit.engine.limits import Limits
from remit.engine.loaded import LoadedStore, LoadedStores
from remit.engine.one_at_a_time import OneAtATime
from remit.engine.orphans import Judged, find_orphans, judge
from remit.engine.request_view import RequestViews
from remit.engine.results import SchemaDiff, SchemaRead, SchemaWritten
from remit.engine.schema_plans import NO_SCHEMA
from remit.engine.tokens import encode_token, require_at_least
from remit.errors import RevisionGone
from remit.interrupt import Interrupt, never_interrupted
from remit.language import Compiled, compile_schema
from remit.language.diff import diff as diff_schemas
from remit.language.plan import Schema
from remit.model import LOCAL_CALLER, Caller
from remit.store.port import BULK_WEIGHT, Draft, ReadTransaction, WriteTransaction

# What a schema has a place for is looked for this often, each time at what was written since the last; no more
# revisions than these are left to the write itself: of a fact or two each, a millisecond or two.
_LOOKS_MAX = 8
_REVISIONS_FEW = 32


class Schemas:
    """The schemas of all stores. Safe from many threads."""

    def __init__(self, stores: LoadedStores, views: RequestViews, clock: Clock, limits: Limits) -> None:
        self._stores = stores
        self._views = views
        self._clock = clock
        self._limits = limits
        self._compiling = OneAtATime()

    def write(
        self,
        store: str,
        text: str,
        *,
        dry_run: bool = False,
        caller: Caller = LOCAL_CALLER,
        interrupt: Interrupt = never_interrupted,
    ) -> SchemaWritten:
        """Compile and replace the schema. Refused where it does not compile, or has no place for what is stored; what
        has expired and has no place is removed with it."""
        loaded = self._stores.of(store)
        self._limits.require_schema(text)
        compiled = self._compiled(text, caller, interrupt)
        self._limits.require_schema(compiled.schema.expansion)
        if not dry_run:
            self._stores.plans.remember(compiled.schema)
        before = self._judged_before(loaded, compiled.schema, interrupt)

        def admission(view: WriteTransaction) -> Draft:
            # On the writer's thread, where a revision or two are left to look at: nobody stops that halfway.
            judged = self._judged(view, compiled.schema, before, never_interrupted)
            for key in judged.over if judged is not None else ():
                view.delete(key)
            view.put_schema(compiled.schema.kept)
            return Draft(caller.principal)

        # Never small, whatever it removes: the text itself has up to megabytes.
        changes, scanning = BULK_WEIGHT, Scanning(self._limits.scanned_max)
        committed = commit(
            self._stores, loaded, admission, caller, dry_run, scanning, changes=changes, changes_max=changes
        )
        return SchemaWritten(committed.token, compiled.warnings)

    def _compiled(self, text: str, caller: Caller, interrupt: Interrupt) -> Compiled:
        with self._compiling.turn(caller.client_id, interrupt):
            return compile_schema(
                text,
                interrupt=interrupt,
                terms_max=self._limits.schema_terms_max,
                expression_length_max=self._limits.expression_length_max,
            )

    def _judged_before(self, loaded: LoadedStore, new: Schema, interrupt: Interrupt) -> Judged | None:
        """What the schema has a place for, as of a revision not long ago, looked for where no write waits for it."""
        judged: Judged | None = None
        for _ in range(_LOOKS_MAX):
            with self._stores.view(loaded.identity) as view:
                if judged is not None and view.head.revision - judged.revision <= _REVISIONS_FEW:
                    break
                judged = self._judged(view, new, judged, interrupt)
        return judged

    def _judged(self, view: ReadTransaction, new: Schema, before: Judged | None, interrupt: Interrupt) -> Judged | None:
        """What the schema has a place for, as of the view; None where there was none before it."""
        if view.head.schema_text is None:
            return None
        old, now_us = self._stores.plans.of_transaction(view), self._clock.now_us()
        if before is not None and before.old.kept == old.kept:
            with suppress(RevisionGone):  # where so much was forgotten meanwhile, it is looked for anew
                return before.caught_up(view, now_us, interrupt)
        return judge(view, old, new, now_us, self._limits.matches_max, interrupt)

    def read(
        self, store: str, *, at_least: str = "", at_exactly: str = "", interrupt: Interrupt = never_interrupted
    ) -> SchemaRead:
        """The schema as it was written, and with the libraries brought in that it imports."""
        view = self._views.of(store, at_least=at_least, at_exactly=at_exactly, interrupt=interrupt)
        return SchemaRead(view.schema.text, view.schema.expansion, view.token)

    def compile(self, text: str, *, caller: Caller = LOCAL_CALLER, interrupt: Interrupt = never_interrupted) -> Schema:
        """The plan of a text that is no store's. Raises SchemaInvalid, LimitExceeded."""
        self._limits.require_schema(text)
        return self._compiled(text, caller, interrupt).schema

    def diff(
        self,
        store: str,
        text: str,
        *,
        at_least: str = "",
        caller: Caller = LOCAL_CALLER,
        interrupt: Interrupt = never_interrupted,
    ) -> SchemaDiff:
        """What a new schema would change: in meaning, and for the relationships that exist."""
        loaded = self._stores.of(store)
        self._limits.require_schema(text)
        compiled = self._compiled(text, caller, interrupt)
        with self._stores.view(loaded.identity) as view:
            head = view.head
            require_at_least(at_least, head.identity, head.revision)
            old = self._stores.plans.of(head.schema_text) if head.schema_text is not None else NO_SCHEMA
            orphans = tuple(find_orphans(view, old, compiled.schema, self._clock.now_us(), interrupt))
        token = encode_token(head.identity, head.revision)
        return SchemaDiff(diff_schemas(old, compiled.schema, interrupt), orphans, compiled.warnings, token)
