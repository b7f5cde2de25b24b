"""Watching a permission: who gets it and who loses it, of what, as relationships are written and as time passes.

A watch is a revision and a time up to which everything has been told. It goes on from there revision by revision, each
at the time of its commit, and at last to the time that it is now; every such step is two states of the store, and
`eval/permission_changes.py` says what they differ by. Nothing is kept between two steps but the place: the state before
is the one of now with what was committed since taken back.
Where a step costs more than an evaluation may, where the schema was changed, and where the changelog does not reach
back to the place any more, the watch says so, and goes on from what there is now: whoever holds the set looks it up
anew.
Law: what is told, applied to the set as it was at the place, is the set as `permission_sets.py` means it at every
revision that is told; or a reset is told."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from remit.engine.clock import Clock
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.loaded import LATER_MAX, LoadedStore, LoadedStores
from remit.engine.request_view import RequestView
from remit.engine.schema_plans import no_schema
from remit.engine.tokens import encode_token
from remit.engine.watching import STEP_BYTES, STEP_MATCHES, STEP_REVISIONS, Watches
from remit.errors import InvalidArgument, RemitError, RevisionGone, StepBudgetSpent
from remit.eval.affected import Dependents, Edge, dependents_of
from remit.eval.budget import Budget
from remit.eval.equations import bytes_of
from remit.eval.evaluator import Evaluator
from remit.eval.permission_changes import Effort, PermissionChanges
from remit.eval.permission_sets import Permissionship, PermissionUpdate
from remit.graph.moments import Moment
from remit.graph.overlay import Overlay
from remit.graph.revisions import PinnedGraph
from remit.interrupt import Interrupt, TooHeavy, looked_at, never_interrupted, paced
from remit.language.names import require_name, require_type
from remit.language.plan import Schema
from remit.model import PLAIN, Change, Delta, Qualifiers, RelationshipKey, WatchedPermission
from remit.notation import format_time

_PIECE_UPDATES = 250  # of a message: to make one of so many takes some milliseconds, without a look

# Relationships that begin or end between two looks: what is more is told as a reset. The commits of a store wait while
# they are read from the list, some microseconds each.
MOMENTS_MAX = 2_000
# Edges taken back that the core is given with each question; beyond it Python answers over an overlay.
_GIVEN_MAX = 100
_UPDATE_BYTES = 64  # of a message, besides ids


class ResetReason(StrEnum):
    """Why what was told before is no longer enough."""

    SCHEMA = "the schema was changed"
    BUDGET = "a step took more than an evaluation may"
    GONE = "the changelog no longer reaches back so far"


@dataclass(frozen=True, slots=True)
class PermissionsTold:
    """What one step changed, or a piece of it, where it is too long to be told at once; or that all is to be looked up
    anew. `token` is empty in a piece that others of the same step follow. All of it is of that time, by which the
    relationships that begin and end were judged."""

    token: str
    evaluated_at_us: int
    updates: tuple[PermissionUpdate, ...] = ()
    reset: ResetReason | None = None


class Made(NamedTuple):
    """What is sent: the message, and where to go on once it is, "" where more of the same step follows."""

    data: bytes
    token: str
    evaluated_at_us: int


class Around(NamedTuple):
    """What a watch asks of the engine."""

    stores: LoadedStores
    watches: Watches
    evaluator: Evaluator
    clock: Clock
    limits: Limits


class _Reset(Exception):
    """Not an error: how a step ends that cannot be told."""

    def __init__(self, reason: ResetReason) -> None:
        super().__init__(reason)
        self.reason = reason


class _Head(NamedTuple):
    """A store as it is now, and what begins or ends from the place of the watch on until now, and later."""

    schema: Schema
    graph: PinnedGraph
    revision: int
    moments: list[Moment]
    later: list[Moment]


class PermissionWatch:
    """A place in the revisions of a store and in time, that moves on. One thread or task at a time. Close it."""

    def __init__(
        self,
        around: Around,
        loaded: LoadedStore,
        watched: WatchedPermission,
        make: Callable[[PermissionsTold], Made],
        revision: int,
        now_us: int,
    ) -> None:
        self._around = around
        self._loaded = loaded
        self._watched = watched
        self._make = make
        self._revision = revision  # everything up to it has been told
        self._now_us = now_us  # and up to this time
        self._next_us: int | None = now_us  # when something may begin or end that matters; None for never
        self._known: tuple[Schema, Dependents] | None = None
        self._is_open = True

    @classmethod
    def open(
        cls,
        around: Around,
        store: str,
        watched: WatchedPermission,
        make: Callable[[PermissionsTold], Made],
        after: str,
        evaluated_at_us: int | None,
    ) -> PermissionWatch:
        """Whether there is such a permission is for `require_known`, which may take longer. Raises StoreNotFound,
        InvalidToken, ForeignToken, FutureToken and InvalidArgument."""
        now_us = around.clock.now_us()
        if bool(after) != (evaluated_at_us is not None):
            raise InvalidArgument(
                "`after` and `evaluated_at` go together: pass the token and the time of the same answer, or neither",
                field="evaluated_at" if after else "after",
            )
        if evaluated_at_us is not None and evaluated_at_us > now_us:
            raise InvalidArgument(
                f"`evaluated_at` is {format_time(evaluated_at_us)}, and here it is {format_time(now_us)}: pass the "
                "time of an answer",
                field="evaluated_at",
            )
        loaded, revision = around.watches.joined(store, after)
        return cls(around, loaded, watched, make, revision, now_us if evaluated_at_us is None else evaluated_at_us)

    @property
    def store(self) -> str:
        """The name of the store that is watched."""
        return self._loaded.identity.name

    @property
    def token(self) -> str:
        """Everything up to this revision has been told or passed over."""
        return encode_token(self._loaded.identity, self._revision)

    @property
    def evaluated_at_us(self) -> int:
        """And up to this time."""
        return self._now_us

    @property
    def is_behind(self) -> bool:
        return self._revision < self._loaded.revision or self._is_due(self._around.clock.now_us())

    @property
    def due_in_us(self) -> int | None:
        """How long it is until something may begin or end; None where nothing will."""
        return None if self._next_us is None else max(self._next_us - self._around.clock.now_us(), 0)

    def _is_due(self, now_us: int) -> bool:
        return self._next_us is not None and self._next_us <= now_us

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._around.watches.left(self._loaded)

    def require_known(self, interrupt: Interrupt = never_interrupted) -> None:
        """Raises StoreNotFound, SchemaNotFound, UnknownType and UnknownRelation. Cost: O(schema), once for each."""
        self._around.watches.require_there(self._loaded)
        schema = self._loaded.schema
        if schema is None:
            raise no_schema(self.store)
        self._dependents_in(schema, interrupt)

    def pass_over(self) -> bool:
        """Move on over what cannot matter to the permission, as far as that can be told without a look at the store;
        whether that is all there is. Never waits. Raises StoreNotFound. Cost: O(changes), STEP_MATCHES at most."""
        self._around.watches.require_there(self._loaded)
        now_us, head = self._around.clock.now_us(), self._loaded.revision
        if self._known is None or self._known[0] is not self._loaded.schema:
            return False
        dependents, looked_at = self._known[1], 0
        while self._revision < head:
            delta = self._around.watches.recent_delta(self._loaded, self._revision + 1)
            if delta is None:
                return False
            looked_at += 1 + len(delta.changes)
            if looked_at > STEP_MATCHES or any(dependents.may_concern(change.key) for change in delta.changes):
                return False
            self._revision = delta.revision
        if self._is_due(now_us):
            return False
        self._now_us = max(self._now_us, now_us)  # nothing that matters began or ended
        return True

    def catch_up(self, interrupt: Interrupt = never_interrupted) -> list[Made]:
        """Some steps; they may tell nothing and still have moved on. May read the disk. Raises StoreNotFound,
        SchemaNotFound, UnknownType, UnknownRelation, and what `interrupt` raises; after TooHeavy it is where it was.
        Cost: that of the evaluations, each step within the bounds of one question; and O(changes of others since)."""
        self._around.watches.require_there(self._loaded)
        told: list[Made] = []
        try:
            try:
                self._go_on(told, interrupt)
            except _Reset as reset:
                self._reset(reset.reason, told, interrupt)
            except RevisionGone:
                self._reset(ResetReason.GONE, told, interrupt)
            except StepBudgetSpent:
                self._reset(ResetReason.BUDGET, told, interrupt)
        except TooHeavy:
            if not told:
                raise
        return told

    # --- steps --------------------------------------------------------------------------------------------------

    def _go_on(self, told: list[Made], interrupt: Interrupt) -> None:
        now_us = max(self._around.clock.now_us(), self._now_us)
        head = self._head(now_us)
        try:
            dependents = self._dependents_in(head.schema, interrupt)
            look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
            deltas = self._deltas(head.revision, interrupt)
            if any(delta.schema_text is not None for delta in deltas):
                raise _Reset(ResetReason.SCHEMA)
            moments = _Moments(
                chain(looked_at(head.moments, look), _moments_of(deltas, self._now_us, now_us, look)), dependents, look
            )
            before = _Revision(head, deltas, interrupt) if deltas else None
            now = _Revision(head, deltas, interrupt) if len(deltas) > 1 else None
            left = STEP_REVISIONS  # of those that matter: all that was read is gone through, for it is read anew else
            for number, delta in enumerate(deltas, 1):
                interrupt()
                # One that was committed after the clock was read is told as of then.
                at_us = max(self._now_us, min(delta.committed_at_us, now_us))
                if now is not None:
                    now.go_on(delta)
                is_last = number == len(deltas)
                one = self._view(head, before, self._now_us)
                other = self._view(head, None if is_last else now, at_us)
                keys = {*filter(dependents.may_concern, (change.key for change in looked_at(delta.changes, look)))}
                keys |= moments.between(self._now_us, at_us)
                self._step(one, other, keys, delta.revision, told, interrupt)
                assert before is not None, "there is one where there is a delta"
                before.go_on(delta)
                left -= bool(keys)
                if not left or sum(len(each.data) for each in told) >= STEP_BYTES:
                    break
            if self._revision == head.revision:
                one, other = self._view(head, None, self._now_us), self._view(head, None, now_us)
                keys = moments.between(self._now_us, other.now_us)
                self._step(one, other, keys, head.revision, told, interrupt)
                self._next_us = _next_us(head.later, dependents)
        finally:
            head.graph.forget()

    def _step(
        self,
        before: RequestView,
        now: RequestView,
        keys: set[RelationshipKey],
        revision: int,
        told: list[Made],
        interrupt: Interrupt,
    ) -> None:
        """Tell what is another in the second view, and be there."""
        if keys:
            look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
            changed = {key: Edge(before.graph.find(*key), now.graph.find(*key)) for key in looked_at(keys, look)}
            limits = self._around.limits
            effort = Effort(limits.steps_max, limits.evaluation_bytes_max, interrupt)
            changes = PermissionChanges(self._around.evaluator, before, now, changed, effort)
            told += self._pieces(changes.of(self._watched), revision, now.now_us)
        self._revision, self._now_us = revision, now.now_us
        self._next_us = now.now_us  # or later: what this step brought may begin or end soon, and the head will tell

    def _pieces(self, updates: Iterator[PermissionUpdate], revision: int, at_us: int) -> list[Made]:
        """The updates of a step as they are sent; nothing of none. Raises what looking for them does."""
        pieces: list[Made] = []
        waiting: list[PermissionUpdate] = []
        room, left = STEP_BYTES, self._around.limits.response_bytes_max
        for update in updates:
            if room <= 0 or len(waiting) == _PIECE_UPDATES:
                pieces.append(self._make(PermissionsTold("", at_us, tuple(waiting))))
                left -= len(pieces[-1].data)
                if left <= 0:
                    raise _Reset(ResetReason.BUDGET)
                waiting, room = [], STEP_BYTES
            waiting.append(update)
            room -= _weight(update)
        if waiting:
            token = encode_token(self._loaded.identity, revision)
            pieces.append(self._make(PermissionsTold(token, at_us, tuple(waiting))))
        return pieces

    def _reset(self, reason: ResetReason, told: list[Made], interrupt: Interrupt) -> None:
        """Go on from what there is now, and say so. Raises what `require_known` does: under another schema there may be
        no such permission."""
        now_us, revision = max(self._around.clock.now_us(), self._now_us), self._loaded.revision
        self.require_known(interrupt)
        self._revision, self._now_us = revision, now_us
        self._next_us = now_us  # or later: the next step will see
        told.append(self._make(PermissionsTold(self.token, now_us, reset=reason)))

    # --- states -------------------------------------------------------------------------------------------------

    def _head(self, now_us: int) -> _Head:
        """Raises SchemaNotFound, and _Reset where more begins or ends than is told. Cost: O(moments), during which no
        commit is applied."""
        pinned = self._loaded.pin_with_moments(self._around.limits.undone_max, self._now_us, now_us, MOMENTS_MAX + 1)
        if pinned.schema is None:
            raise no_schema(self.store)
        if len(pinned.moments) > MOMENTS_MAX:
            raise _Reset(ResetReason.BUDGET)
        return _Head(pinned.schema, pinned.graph, pinned.revision, pinned.moments, pinned.later)

    def _deltas(self, head: int, interrupt: Interrupt) -> list[Delta]:
        """What was committed from the place up to a revision. Raises RevisionGone, and StepBudgetSpent where it is more
        than may be taken back."""
        watches, found = self._around.watches, []
        if head - self._revision <= STEP_REVISIONS:
            for revision in range(self._revision + 1, head + 1):
                delta = watches.recent_delta(self._loaded, revision)
                if delta is None:
                    break
                found.append(delta)
            else:
                return found
        found.clear()
        limits = self._around.limits
        undone = Budget(limits.undone_max, interrupt, name="undone_max", bytes_max=limits.evaluation_bytes_max)
        deltas = watches.changelog(self._loaded, self._revision)
        try:
            for delta in deltas:
                if delta.revision > head:
                    break
                interrupt()  # to read one of many changes takes milliseconds
                for change in delta.changes:
                    before = change.before.relationship.qualifiers if change.before is not None else PLAIN
                    undone.bytes += bytes_of(change.key.subject, before)
                    undone.spend()
                found.append(delta)
        finally:
            deltas.close()  # its transaction ends here, not some day
        return found

    def _view(self, head: _Head, revision: _Revision | None, now_us: int) -> RequestView:
        """The store at one of the revisions that were taken back, at its head for None."""
        identity, native = self._loaded.identity, self._loaded.native
        if revision is None:
            return RequestView(identity, head.schema, head.graph, head.revision, now_us, native=native)
        given = native if len(revision.changed) <= _GIVEN_MAX else None
        return RequestView(
            identity, head.schema, revision.graph, head.revision, now_us, native=given, changed=revision.changed
        )

    def _dependents_in(self, schema: Schema, interrupt: Interrupt) -> Dependents:
        if self._known is None or self._known[0] is not schema:
            type, permission, subject_type, relation = self._watched
            require_name(schema, type, permission, field="resource_type")
            if relation:
                require_name(schema, subject_type, relation, field="subject_type")
            else:
                require_type(schema, subject_type, field="subject_type")
            self._known = schema, dependents_of(schema, (type, permission), Budget(interrupt=interrupt))
        return self._known[1]


class _Revision:
    """A revision before the head: what came later is taken back, and done again delta by delta."""

    def __init__(self, head: _Head, deltas: Sequence[Delta], interrupt: Interrupt) -> None:
        """Cost: O(changes). Raises what the interrupt raises."""
        self._look = look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        self.graph = Overlay(head.graph, {}, look)
        self.changed: dict[RelationshipKey, Qualifiers | None] = {}  # what the graph has laid over the head
        for delta in deltas:
            self.graph.undo(delta.changes)
            for change in looked_at(delta.changes, look):
                before = change.before
                self.changed.setdefault(change.key, None if before is None else before.relationship.qualifiers)

    def go_on(self, delta: Delta) -> None:
        """To the next revision, which did this."""
        self.graph.redo(delta.changes)
        for change in looked_at(delta.changes, self._look):
            after = change.after
            self.changed[change.key] = None if after is None else after.relationship.qualifiers


class _Moments:
    """When relationships that matter begin and end."""

    def __init__(self, moments: Iterable[Moment], dependents: Dependents, look: Interrupt) -> None:
        """`look` is called while they are gone through, again and again."""
        self._look = look
        self._moments = sorted(each for each in moments if dependents.may_concern(each[1]))

    def between(self, after_us: int, until_us: int) -> set[RelationshipKey]:
        """Cost: O(log n + found)."""
        begin, end = (bisect_right(self._moments, each, key=itemgetter(0)) for each in (after_us, until_us))
        return {key for _, key in looked_at(self._moments[begin:end], self._look)}


def _moments_of(deltas: Sequence[Delta], after_us: int, until_us: int, look: Interrupt) -> Iterator[Moment]:
    """Of relationships as they were before or after one of the deltas: the store's own lists have them no more."""
    for delta in deltas:
        for change in looked_at(delta.changes, look):
            for at_us in _times_of(change):
                if after_us < at_us <= until_us:
                    yield at_us, change.key


def _next_us(later: Sequence[Moment], dependents: Dependents) -> int | None:
    """When it is time to look again: at the first that matters; at the last of them where none does and others may
    follow; None for never."""
    for at_us, key in later:
        if dependents.may_concern(key):
            return at_us
    return later[-1][0] if len(later) >= LATER_MAX else None


def _times_of(change: Change) -> Iterator[int]:
    for stored in (change.before, change.after):
        if stored is not None and stored.relationship.qualifiers is not PLAIN:
            _, not_before_us, expiration_us = stored.relationship.qualifiers
            yield from (each for each in (not_before_us, expiration_us) if each is not None)


def _weight(update: PermissionUpdate) -> int:
    """About how many bytes it is on a wire."""
    resource, subject, before, now = update
    text = len(resource.type) + len(resource.id) + len(subject.type) + len(subject.id) + len(subject.relation)
    return _UPDATE_BYTES + text + _answer_bytes(before) + _answer_bytes(now)


def _answer_bytes(permissionship: Permissionship) -> int:
    answer = permissionship.answer
    return len(answer.message) if isinstance(answer, RemitError) else sum(map(len, answer.missing))
