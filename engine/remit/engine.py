"""The engine: each verb of Remit in a paragraph, over a store that is the truth and a graph in memory that is quick.

A question is answered from the graph, under one schema, at one revision and one time. A write goes through the store's
one writer: admitted against what is there, made durable, applied to the graph, and only then acknowledged; so the next
check sees it. Everything here is synchronous and may be called from many threads.
Law: the graph of a store is what its relationships are, at every revision that anyone can see."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import msgpack

from remit.admission import apply_updates, check_orphans, check_preconditions, check_updates
from remit.budget import STEPS_MAX, Budget, Interrupt, never_interrupted
from remit.clock import Clock
from remit.errors import (
    InvalidArgument,
    InvalidCursor,
    LimitExceeded,
    RemitError,
    SchemaNotFound,
    StoreNotFound,
)
from remit.expansion import expand
from remit.graph import Graph
from remit.language import compile_schema
from remit.language.names import require_name, require_type
from remit.language.plan import Schema
from remit.language.source import Issue
from remit.model import (
    DEFAULT_STORE,
    LOCAL_CALLER,
    Caller,
    Delta,
    ObjectRef,
    Precondition,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
    Update,
    Verdict,
)
from remit.notation import canonical_json, shortened
from remit.semantics import Evaluation
from remit.shared_lock import SharedLock
from remit.store.interface import Admission, Draft, Store, StoreIdentity, WriteTransaction
from remit.tokens import encode_token, require_at_least
from remit.trees import Expansion, Explanation
from remit.why import explain as explain_answer


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for. Each has its own words in the error."""

    updates_max: int = 1_000
    preconditions_max: int = 100
    items_max: int = 1_000
    page_max: int = 1_000
    context_bytes_max: int = 4 * 1024
    relationship_context_bytes_max: int = 25_000
    metadata_bytes_max: int = 4 * 1024
    schema_bytes_max: int = 4 * 1024 * 1024
    steps_max: int = STEPS_MAX


@dataclass(frozen=True, slots=True)
class Question:
    """Has `subject` `permission` of `resource`? `context`: caveat parameters (see `notation.normalized_context`)."""

    resource: ObjectRef
    permission: str
    subject: SubjectRef
    context: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """An answer, the revision (as a token) and the time (microseconds) it was given at, and what it cost in steps."""

    verdict: Verdict
    missing: tuple[str, ...]
    steps: int
    token: str
    evaluated_at_us: int
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class CheckManyResult:
    """One answer or error per question, in the order asked, all at one revision and time."""

    results: tuple[CheckResult | RemitError, ...]
    token: str
    evaluated_at_us: int


@dataclass(frozen=True, slots=True)
class ExpandResult:
    """The sets behind a relation or permission, the first the one asked for."""

    expansion: Expansion
    token: str
    evaluated_at_us: int


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The revision a write became."""

    token: str
    revision: int


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page of relationships. An empty `next_cursor` says that the list is complete."""

    items: tuple[StoredRelationship, ...]
    next_cursor: str
    token: str


@dataclass(frozen=True, slots=True)
class SchemaWritten:
    """The revision a schema became, and what its writer may want to hear."""

    token: str
    warnings: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class SchemaRead:
    """The schema as it was written."""

    text: str
    token: str


NO_SCHEMA = Schema({}, {})
_PLANS_MAX = 16  # schemas kept compiled, newest first: those in force in a few stores, and their successors


class _Snapshot:
    """What a request of one store sees: schema, graph and revision, which change together under the lock."""

    def __init__(self, identity: StoreIdentity, schema: Schema | None, graph: Graph, revision: int) -> None:
        self.identity = identity
        self.schema = schema
        self.graph = graph
        self.revision = revision
        self.lock = SharedLock()

    @property
    def token(self) -> str:
        return encode_token(self.identity, self.revision)

    def required_schema(self) -> Schema:
        if self.schema is None:
            raise SchemaNotFound(f"store `{self.identity.name}` has no schema yet: write one first")
        return self.schema


class Engine:
    """All verbs, over all stores of one data directory."""

    def __init__(self, store: Store, clock: Clock, limits: Limits | None = None) -> None:
        """Load every store into memory; make `default` where it is missing. Cost: O(relationships)."""
        self._store = store
        self._clock = clock
        self.limits = limits or Limits()
        self._plans: dict[str, Schema] = {}  # by text; the few that are or were lately in force
        if DEFAULT_STORE not in store.names():
            store.create(DEFAULT_STORE)
        self._snapshots = {name: self._load(name) for name in store.names()}
        store.subscribe(self._committed)

    def close(self) -> None:
        """Finish what is queued and release the store. The engine answers nothing afterwards."""
        self._store.close()

    # --- questions ----------------------------------------------------------------------------------------------

    def check(
        self,
        store: str,
        question: Question,
        *,
        at_least: str = "",
        explain: bool = False,
        interrupt: Interrupt = never_interrupted,
    ) -> CheckResult:
        """Whether a subject has a relation or permission of a resource, and if asked for, why."""
        self._limit_context(question.context)
        with self._seen(store, at_least) as (snapshot, now_us):
            evaluation = Evaluation(snapshot.required_schema(), snapshot.graph, now_us=now_us, context=question.context)
            return self._answer(snapshot, evaluation, question, now_us, interrupt, explain)

    def check_many(
        self,
        store: str,
        questions: Sequence[Question],
        *,
        at_least: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> CheckManyResult:
        """Many questions at one revision and time. Those with the same context share what they settle; each has its own
        budget, and its own error."""
        self._limit_count(len(questions), self.limits.items_max, "items")
        evaluations: dict[str, Evaluation] = {}
        results: list[CheckResult | RemitError] = []
        with self._seen(store, at_least) as (snapshot, now_us):
            schema = snapshot.required_schema()
            for question in questions:
                interrupt()
                try:
                    self._limit_context(question.context)
                    key = canonical_json(question.context) if question.context else ""
                    evaluation = evaluations.get(key)
                    if evaluation is None:
                        evaluation = Evaluation(schema, snapshot.graph, now_us=now_us, context=question.context)
                        evaluations[key] = evaluation
                    results.append(self._answer(snapshot, evaluation, question, now_us, interrupt, explain=False))
                except RemitError as error:
                    interrupt()  # a deadline or a caller gone ends the request, not the item
                    results.append(error)
            return CheckManyResult(tuple(results), snapshot.token, now_us)

    def _answer(
        self,
        snapshot: _Snapshot,
        evaluation: Evaluation,
        question: Question,
        now_us: int,
        interrupt: Interrupt,
        explain: bool,
    ) -> CheckResult:
        resource, permission, subject = question.resource, question.permission, question.subject
        budget = Budget(self.limits.steps_max, interrupt)
        answer = evaluation.check(resource, permission, subject, budget)
        explanation = None
        if explain:
            evaluation.equations.budget = Budget(self.limits.steps_max, interrupt)
            explanation = explain_answer(evaluation, evaluation.goal(resource, permission, subject))
        return CheckResult(answer.verdict, answer.missing, answer.steps, snapshot.token, now_us, explanation)

    def expand(
        self,
        store: str,
        resource: ObjectRef,
        permission: str,
        *,
        at_least: str = "",
        depth: int = 0,
        interrupt: Interrupt = never_interrupted,
    ) -> ExpandResult:
        """Everyone who has a relation or permission of a resource, as sets made of sets, at most `depth` deep."""
        with self._seen(store, at_least) as (snapshot, now_us):
            expansion = expand(
                snapshot.required_schema(),
                snapshot.graph,
                resource,
                permission,
                now_us=now_us,
                depth=depth,
                budget=Budget(self.limits.steps_max, interrupt),
            )
            return ExpandResult(expansion, snapshot.token, now_us)

    # --- facts --------------------------------------------------------------------------------------------------

    def write(
        self,
        store: str,
        updates: Sequence[Update],
        *,
        preconditions: Sequence[Precondition] = (),
        metadata_json: str = "{}",
        caller: Caller = LOCAL_CALLER,
    ) -> WriteResult:
        """All updates as one revision, or none. Durable when it returns, and seen by the next check.

        Judged inside the store's transaction, at the revision it would become: schema, preconditions, CREATE, `single`,
        `managed`."""
        snapshot = self._snapshot(store)
        self._limit_count(len(updates), self.limits.updates_max, "updates", at_least_one=True)
        self._limit_count(len(preconditions), self.limits.preconditions_max, "preconditions")
        self._limit_bytes(metadata_json, self.limits.metadata_bytes_max, "metadata")
        self._require_distinct(updates)

        def admission(view: WriteTransaction) -> Draft:
            schema = self._schema_of(view)
            now_us = self._clock.now_us()
            touches_managed = check_updates(schema, updates, caller)
            check_preconditions(view, preconditions, now_us)
            apply_updates(view, schema, updates, caller, now_us)
            return Draft(caller.principal, metadata_json, managed_bypass=touches_managed)

        return self._commit(snapshot, admission)

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
        snapshot = self._snapshot(store)
        self._check_filter(snapshot.schema or NO_SCHEMA, filter)
        limit = min(limit or self.limits.page_max, self.limits.page_max)
        after = _decode_cursor(cursor, filter) if cursor else None
        now_us = self._clock.now_us()
        with self._store.read(snapshot.identity.name) as view:
            head = view.head
            require_at_least(at_least, head.identity, head.revision)
            unexpired = (
                each for each in _interruptible(view.scan(filter, after), interrupt) if not _is_over(each, now_us)
            )
            items = tuple(islice(unexpired, limit))
            # One more look tells a full last page from one that is followed by another.
            complete = len(items) < limit or next(unexpired, None) is None
        next_cursor = "" if complete else _encode_cursor(items[-1].relationship.key, filter)
        return ReadPage(items, next_cursor, encode_token(head.identity, head.revision))

    # --- the schema ---------------------------------------------------------------------------------------------

    def write_schema(self, store: str, text: str, *, caller: Caller = LOCAL_CALLER) -> SchemaWritten:
        """Compile and replace the schema. Refused where it does not compile, or has no place for what is stored."""
        snapshot = self._snapshot(store)
        self._limit_bytes(text, self.limits.schema_bytes_max, "schema")
        compiled = compile_schema(text)
        self._remember(text, compiled.schema)

        def admission(view: WriteTransaction) -> Draft:
            if view.head.schema_text is not None:
                check_orphans(view, self._schema_of(view), compiled.schema, self._clock.now_us())
            view.put_schema(text)
            return Draft(caller.principal)

        return SchemaWritten(self._commit(snapshot, admission).token, compiled.warnings)

    def read_schema(self, store: str, *, at_least: str = "") -> SchemaRead:
        """The schema as it was written."""
        with self._seen(store, at_least) as (snapshot, _):
            return SchemaRead(snapshot.required_schema().text, snapshot.token)

    # --- what requests see --------------------------------------------------------------------------------------

    def sizes(self) -> dict[str, int]:
        """How many relationships each store holds."""
        return {name: len(snapshot.graph) for name, snapshot in sorted(self._snapshots.items())}

    def _snapshot(self, store: str) -> _Snapshot:
        name = store or DEFAULT_STORE
        snapshot = self._snapshots.get(name)
        if snapshot is None:
            raise StoreNotFound(f"there is no store `{shortened(name)}`", field="store", store=name)
        return snapshot

    @contextmanager
    def _seen(self, store: str, at_least: str) -> Iterator[tuple[_Snapshot, int]]:
        """One (schema, graph, revision) and one time, for the length of a request."""
        snapshot = self._snapshot(store)
        with snapshot.lock.shared():
            require_at_least(at_least, snapshot.identity, snapshot.revision)
            yield snapshot, self._clock.now_us()

    def _commit(self, snapshot: _Snapshot, admission: Admission) -> WriteResult:
        delta = self._store.submit(snapshot.identity.name, admission).result()
        return WriteResult(encode_token(snapshot.identity, delta.revision), delta.revision)

    def _committed(self, name: str, delta: Delta) -> None:
        """Bring memory to where the disk is: called by the store after each commit and before anyone is told."""
        snapshot = self._snapshots[name]
        schema = snapshot.schema if delta.schema_text is None else self._compiled(delta.schema_text)
        with snapshot.lock.held():
            assert delta.revision == snapshot.revision + 1, "deltas come in revision order"
            snapshot.graph.apply(delta.changes)
            snapshot.schema = schema
            snapshot.revision = delta.revision

    def _load(self, name: str) -> _Snapshot:
        with self._store.read(name) as view:
            head = view.head
            schema = self._compiled(head.schema_text) if head.schema_text is not None else None
            graph = Graph(stored.relationship for stored in view.scan(RelationshipFilter()))
        return _Snapshot(head.identity, schema, graph, head.revision)

    def _schema_of(self, view: WriteTransaction) -> Schema:
        text = view.head.schema_text
        if text is None:
            raise SchemaNotFound(f"store `{view.head.identity.name}` has no schema yet: write one first")
        return self._compiled(text)

    def _compiled(self, text: str) -> Schema:
        """The plan of a schema in force. It compiled when it was written, so a failure here is our own."""
        plan = self._plans.get(text)
        if plan is None:
            plan = compile_schema(text).schema
            self._remember(text, plan)
        return plan

    def _remember(self, text: str, plan: Schema) -> None:
        # A new dictionary each time: other threads may be reading the old one.
        self._plans = {text: plan, **dict(islice(self._plans.items(), _PLANS_MAX - 1))}

    # --- limits -------------------------------------------------------------------------------------------------

    def _limit_context(self, context: Mapping[str, object]) -> None:
        if context:
            self._limit_bytes(canonical_json(context), self.limits.context_bytes_max, "context")

    def _limit_count(self, count: int, most: int, what: str, at_least_one: bool = False) -> None:
        if count > most:
            raise LimitExceeded(
                f"a request has at most {most} {what}, and this one has {count}", field=what, limit=most, given=count
            )
        if at_least_one and not count:
            raise InvalidArgument(f"a request needs at least one of `{what}`", field=what)

    def _limit_bytes(self, text: str, most: int, what: str) -> None:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > most:
            raise LimitExceeded(
                f"the {what} has {size} bytes, more than the {most} allowed", field=what, limit=most, given=size
            )

    def _require_distinct(self, updates: Sequence[Update]) -> None:
        seen: set[RelationshipKey] = set()
        for index, update in enumerate(updates):
            key = update.relationship.key
            if key in seen:
                raise InvalidArgument(
                    f"`{key}` occurs twice: a request says one thing about a relationship", field=f"updates[{index}]"
                )
            seen.add(key)
            caveat = update.relationship.qualifiers.caveat
            if caveat is not None:
                self._limit_bytes(
                    caveat.context_json, self.limits.relationship_context_bytes_max, f"caveat context of `{key}`"
                )

    def _check_filter(self, schema: Schema, filter: RelationshipFilter) -> None:
        """That the names a filter uses exist, so that a misspelt one is not taken for an empty list."""
        if filter.resource_id is not None and filter.resource_id_prefix is not None:
            raise InvalidArgument("a filter has a resource id or the beginning of one, not both", field="filter")
        if filter.resource_type is not None:
            require_type(schema, filter.resource_type, field="filter.resource_type")
            if filter.relation is not None:
                require_name(schema, filter.resource_type, filter.relation, field="filter.relation")
        if filter.subject_type is not None:
            require_type(schema, filter.subject_type, field="filter.subject_type")
            if filter.subject_relation:
                require_name(schema, filter.subject_type, filter.subject_relation, field="filter.subject_relation")


# --- pages ------------------------------------------------------------------------------------------------------


def _is_over(stored: StoredRelationship, now_us: int) -> bool:
    expiration_us = stored.relationship.qualifiers.expiration_us
    return expiration_us is not None and expiration_us <= now_us


def _interruptible(rows: Iterator[StoredRelationship], interrupt: Interrupt) -> Iterator[StoredRelationship]:
    for count, row in enumerate(rows):
        if not count & 0xFF:
            interrupt()
        yield row


def _filter_digest(filter: RelationshipFilter) -> bytes:
    return hashlib.blake2b(repr(filter).encode(), digest_size=8).digest()


def _encode_cursor(key: RelationshipKey, filter: RelationshipFilter) -> str:
    raw: bytes = msgpack.packb([_filter_digest(filter), key.resource, key.relation, key.subject])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_cursor(cursor: str, filter: RelationshipFilter) -> RelationshipKey:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, resource, relation, subject = msgpack.unpackb(raw)
        key = RelationshipKey(ObjectRef(*resource), relation, SubjectRef(*subject))
        if not all(isinstance(part, str) for part in (*key.resource, key.relation, *key.subject)):
            raise ValueError(cursor)
    except (ValueError, TypeError, binascii.Error, UnicodeError, msgpack.UnpackException) as error:
        raise InvalidCursor(f"`{shortened(cursor)}` is not a cursor: pass one exactly as a page gave it") from error
    if digest != _filter_digest(filter):
        raise InvalidCursor("the cursor is of another filter: go on with the filter it was given for", field="cursor")
    return key
