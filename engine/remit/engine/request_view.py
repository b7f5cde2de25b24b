"""What a request sees: one schema, graph, revision and time, for its whole length.

A request sees the head of a store, or exactly a past revision; in either case with facts of its own laid over it. An
admission sees what its transaction would make of the store.
Law: a view stays as it is however long the request takes: nothing waits for it, and there is nothing to give back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from remit.arguments.tool_schema import Descriptor
from remit.engine.admission import check_contextual
from remit.engine.clock import Clock
from remit.engine.descriptors import Descriptors
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.loaded import LoadedStores
from remit.engine.schema_plans import no_schema
from remit.engine.tokens import encode_token, require_at_least, revision_of
from remit.errors import RevisionGone
from remit.eval.budget import Budget
from remit.eval.equations import bytes_of
from remit.graph.native import NativeGraph
from remit.graph.overlay import Changed, Overlay
from remit.graph.view import GraphView
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.language.plan import Schema
from remit.model import PLAIN, Delta, Relationship
from remit.store.port import ReadTransaction, StoreIdentity, WriteTransaction


class RequestView(NamedTuple):
    """What an evaluator is asked over: an `EvaluationView`. `historical`: of a past revision, where a newer one is.

    A tuple, as every request makes one: see `model.py`."""

    identity: StoreIdentity
    stored_schema: Schema | None
    graph: GraphView
    revision: int
    now_us: int
    historical: bool = False
    native: NativeGraph | None = None  # the core's graph of the store, where the view is of the head
    changed: Changed | None = None  # what this request lays over the head
    find_descriptor: Callable[[str, int], Descriptor | None] | None = None  # by its digest, at the revision

    @property
    def token(self) -> str:
        return encode_token(self.identity, self.revision)

    @property
    def schema(self) -> Schema:
        """Raises SchemaNotFound."""
        if self.stored_schema is None:
            raise no_schema(self.identity.name)
        return self.stored_schema

    def descriptor(self, digest: str) -> Descriptor | None:
        return self.find_descriptor(digest, self.revision) if self.find_descriptor is not None else None


class RequestViews:
    """Makes the views of all stores."""

    def __init__(self, stores: LoadedStores, clock: Clock, limits: Limits, descriptors: Descriptors) -> None:
        self._stores = stores
        self._clock = clock
        self._limits = limits
        self._descriptors = descriptors

    def of(
        self,
        store: str,
        *,
        at_least: str = "",
        at_exactly: str = "",
        contextual: Sequence[Relationship] = (),
        interrupt: Interrupt = never_interrupted,
    ) -> RequestView:
        """The head, or exactly a past revision, with facts of the request laid over it. A token that the disk has
        reached before memory is waited for. Cost: O(1); see `_past`. Raises StoreNotFound, and what tokens and
        contextual facts are refused with, and what the interrupt raises."""
        loaded = self._stores.of(store)
        if token := at_exactly or at_least:
            self._stores.catch_up(loaded, token)
        schema, graph, revision = loaded.pin(self._limits.undone_max)
        require_at_least(at_least, loaded.identity, revision)
        # After the pin: what a sweep took away was over by the time that is read here.
        view = RequestView(
            loaded.identity,
            schema,
            graph,
            revision,
            self._clock.now_us(),
            native=loaded.native,
            find_descriptor=partial(self._descriptors.at, loaded.identity),
        )
        if at_exactly:
            view = self._past(view, revision_of(at_exactly, loaded.identity, revision), interrupt)
        if contextual:
            view = self._with_contextual(view, contextual)
        return view

    def staged(self, transaction: WriteTransaction) -> RequestView:
        """What the transaction would make of its store, should it commit as it stands: for an admission, on the
        writer's thread, where memory is as far as the disk, and only as long as nothing more is written.
        Cost: O(changes that the commit carries so far). Raises StoreNotFound."""
        head = transaction.head
        loaded = self._stores.of(head.identity.name)
        schema = self._stores.plans.of(head.schema_text) if head.schema_text is not None else None
        graph = Overlay(loaded.graph, transaction.changed())
        return RequestView(
            head.identity,
            schema,
            graph,
            transaction.next_revision,
            self._clock.now_us(),
            find_descriptor=lambda digest, _: self._descriptors.staged(transaction, digest),
        )

    def _with_contextual(self, view: RequestView, contextual: Sequence[Relationship]) -> RequestView:
        self._limits.require_contextual(contextual)
        changed = {each.key: each.qualifiers for each in contextual}
        laid_over = Overlay(view.graph, changed)
        check_contextual(view.schema, view.graph, laid_over, contextual, view.now_us)
        return view._replace(graph=laid_over, changed=changed)

    def _past(self, head: RequestView, revision: int, interrupt: Interrupt) -> RequestView:
        """The store at a revision, by undoing what came after it. Cost: O(changes since), at most `undone_max`.
        Raises RevisionGone where the changelog no longer reaches back so far, StepBudgetSpent beyond the limit, or
        where there is too much to remember."""
        if revision == head.revision:
            return head
        graph = Overlay(head.graph, {}, paced(interrupt, ROWS_BETWEEN_INTERRUPTS))
        bytes_max = self._limits.evaluation_bytes_max
        budget = Budget(self._limits.undone_max, interrupt, name="undone_max", bytes_max=bytes_max)
        with self._stores.view(head.identity) as view:
            for delta in _after(view, revision):
                # The store may be ahead of the graph by what is being applied right now.
                if delta.revision > head.revision:
                    break
                for change in delta.changes:
                    before = change.before.relationship.qualifiers if change.before is not None else PLAIN
                    budget.bytes += bytes_of(change.key.subject, before)
                    budget.spend()
                graph.undo(delta.changes)
            text = view.schema_text_at(revision)
        schema = self._stores.plans.of(text, interrupt) if text is not None else None
        find_descriptor = head.find_descriptor
        return RequestView(
            head.identity,
            schema,
            graph,
            revision,
            head.now_us,
            historical=True,
            find_descriptor=find_descriptor,
        )


def _after(view: ReadTransaction, revision: int) -> Iterator[Delta]:
    try:
        return view.changelog(revision)
    except RevisionGone as error:
        error.field = "consistency"
        raise
