"""Watching: every change of a store after a revision, each revision once and in order, for as long as one likes.

A watch is a place in the store's changelog. Behind the head it reads the changelog itself, a bounded step at a time; at
the head it takes the latest deltas from memory, where all watches of a store share them. Nothing waits here: whoever
holds a watch is rung when there is more.
Law: what a watch tells, replayed on what was there at its beginning, is what its filters mean of the store; and nothing
is told that a question could not be asked about already."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from remit.engine.loaded import LoadedStore, LoadedStores
from remit.engine.tokens import encode_token, revision_of
from remit.errors import RemitError, RevisionGone
from remit.interrupt import Interrupt, TooHeavy, never_interrupted, paced
from remit.model import Change, Delta, RecordChange, Relationship, RelationshipFilter
from remit.notation import no_such_store

T = TypeVar("T")

# What is told at once: large enough that a message is worth its frame, small enough that thousands of readers who are
# stuck in the middle of one hold little. Among 16, 64 and 256 KiB; a step of the HTTP/2 window is 64.
STEP_BYTES = 64 * 1024
STEP_MATCHES = 2_000  # of a change with a filter, on the event loop: a millisecond or two
STEP_REVISIONS = 256  # told, or passed over, between two looks at who is waiting
# What memory keeps of a store that is watched, besides what the deltas' own objects weigh. A revision of more changes
# is read from the changelog, on a thread that may take its time.
LIVE_CHANGES_MAX = 100
RECENT_BYTES_MAX = 1024 * 1024
RECENT_REVISIONS_MAX = 1_024
_CHANGES_BETWEEN_INTERRUPTS = 8  # each is held against up to a hundred filters
_SHARED_MAX = 64  # sets of filters for which what was made of a revision is kept


@dataclass(frozen=True, slots=True)
class Watched:
    """What one revision did, as far as the filters mean it; or a piece of it, where it is too long to be told at once.

    `token` is empty in a piece that others of the same revision follow; `schema_text`, `records` and `entry_json` are
    in the last. Records are meant by a filter that means all of their object; the entry of a verb where anything is,
    and always where there are no filters."""

    token: str
    revision: int
    committed_at_us: int
    principal: str
    changes: tuple[Change, ...]
    schema_text: str | None
    metadata_json: str
    records: tuple[RecordChange, ...] = ()
    entry_json: str = ""


class _Entry:
    """A recent delta, and what was made of it for watches with the same filters."""

    __slots__ = ("delta", "made", "size_bytes")

    def __init__(self, delta: Delta) -> None:
        self.delta = delta
        self.size_bytes = len(delta.metadata_json) + len(delta.entry_json) + sum(map(_weight, delta.changes))
        self.size_bytes += sum(map(_record_weight, delta.records))
        self.made: dict[tuple[object, ...], Any] = {}


class _Recent:
    """The latest short deltas of one store, while it is watched. The writer's thread adds, any other takes: each of
    these is one operation on a dictionary, so there is no lock. Cost: O(1), the changes looked at being few."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._bytes = 0

    def add(self, delta: Delta) -> None:
        if len(delta.changes) > LIVE_CHANGES_MAX or delta.schema_text is not None:
            return
        entry = _Entry(delta)
        if entry.size_bytes > STEP_BYTES:
            return
        self._entries[delta.revision] = entry
        self._bytes += entry.size_bytes
        while self._bytes > RECENT_BYTES_MAX or len(self._entries) > RECENT_REVISIONS_MAX:
            self._bytes -= self._entries.pop(next(iter(self._entries))).size_bytes

    def get(self, revision: int) -> _Entry | None:
        return self._entries.get(revision)


class Watches:
    """The watches of all stores, and who is rung when there is more to tell."""

    def __init__(self, stores: LoadedStores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._recent: dict[LoadedStore, _Recent] = {}
        self._watching: dict[LoadedStore, int] = {}
        self._listeners: tuple[Callable[[str], None], ...] = ()
        stores.after_commit.append(self._committed)

    def on_change(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener` with the store's name after each commit, on the thread that wrote it: it must be quick, and
        must not fail. Returns what ends it."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def end() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    @property
    def is_any_open(self) -> bool:
        """Whether anybody watches any store."""
        return bool(self._watching)

    def removed(self, name: str) -> None:
        """A store is gone: call, so that who watches it finds that out."""
        for listener in self._listeners:
            listener(name)

    def _committed(self, name: str, deltas: Sequence[Delta]) -> None:
        """Cost: O(deltas), only where the store is watched, and a call for each server."""
        recent = self._recent.get(self._stores.of(name)) if self._recent else None
        if recent is not None:
            for delta in deltas:
                recent.add(delta)
        for listener in self._listeners:
            listener(name)

    def open(
        self, store: str, after: str, filters: Sequence[RelationshipFilter], make: Callable[[Watched], T]
    ) -> Watch[T]:
        """Whether the changelog reaches back so far is for `Watch.require_reachable`, which may read more. Raises
        StoreNotFound, InvalidToken, ForeignToken and FutureToken."""
        loaded, revision = self.joined(store, after)
        return Watch(self, loaded, revision, tuple(filters), make)

    def _revision_of(self, token: str, loaded: LoadedStore) -> int:
        try:
            return revision_of(token, loaded.identity, loaded.revision)
        except RemitError as error:
            error.field = "after"
            raise

    def _count(self, loaded: LoadedStore, by: int) -> None:
        with self._lock:
            count = self._watching.get(loaded, 0) + by
            if count:
                self._watching[loaded] = count
                if loaded not in self._recent:
                    self._recent[loaded] = _Recent()
            else:
                self._watching.pop(loaded, None)
                self._recent.pop(loaded, None)

    # --- what a watch needs -------------------------------------------------------------------------------------

    def joined(self, store: str, after: str) -> tuple[LoadedStore, int]:
        """The store that is watched from now on, until it is `left`, and the revision of a token, its head for "".
        Raises as `open`."""
        loaded = self._stores.of(store)
        revision = self._revision_of(after, loaded) if after else loaded.revision
        self._count(loaded, +1)
        return loaded, revision

    def left(self, loaded: LoadedStore) -> None:
        self._count(loaded, -1)

    def recent(self, loaded: LoadedStore, revision: int) -> _Entry | None:
        recent = self._recent.get(loaded)
        return recent.get(revision) if recent is not None else None

    def recent_delta(self, loaded: LoadedStore, revision: int) -> Delta | None:
        """What memory holds of a recent revision; None where only the changelog has it."""
        entry = self.recent(loaded, revision)
        return None if entry is None else entry.delta

    def require_there(self, loaded: LoadedStore) -> None:
        """Raises StoreNotFound where the store was removed, or made anew under its name."""
        name = loaded.identity.name
        if self._stores.of(name) is not loaded:
            raise no_such_store(name)

    def changelog(self, loaded: LoadedStore, after: int) -> Generator[Delta, None, None]:
        """The deltas of the revisions after one that memory has, too. Raises RevisionGone where the first is not there
        any more. What comes is of one short transaction: take little."""
        head = loaded.revision
        if after >= head:
            return
        with self._stores.view(loaded.identity) as view:
            try:
                deltas = view.changelog(after)
            except RevisionGone as error:
                raise RevisionGone(
                    f"what followed revision {after} of store `{loaded.identity.name}` is not in the changelog any "
                    "more: export, then watch from the export's token",
                    field="after",
                    **error.metadata,
                ) from error
            for delta in deltas:
                # The store may be ahead of memory by what is being applied right now.
                if delta.revision > head:
                    return
                yield delta


class Watch(Generic[T]):
    """A place in the changes of a store that moves on. One thread or task at a time. Close it."""

    def __init__(
        self,
        watches: Watches,
        loaded: LoadedStore,
        revision: int,
        filters: tuple[RelationshipFilter, ...],
        make: Callable[[Watched], T],
    ) -> None:
        self._watches = watches
        self._loaded = loaded
        self._revision = revision  # everything up to it has been told
        self._told = 0  # how many of the next revision's changes have been told
        self._partly: tuple[int, Sequence[Change]] = (0, ())  # that revision, and what is meant of it
        self._filters = filters
        self._make = make
        self._is_open = True

    @property
    def store(self) -> str:
        """The name of the store that is watched."""
        return self._loaded.identity.name

    @property
    def token(self) -> str:
        """Everything up to this revision has been told or passed over."""
        return encode_token(self._loaded.identity, self._revision)

    @property
    def is_behind(self) -> bool:
        return self._revision < self._loaded.revision

    @property
    def is_in_a_revision(self) -> bool:
        """Whether some of the next revision has been told, and not all of it."""
        return self._told > 0

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._watches.left(self._loaded)

    def require_reachable(self) -> None:
        """Raises StoreNotFound, and RevisionGone where the changelog does not reach back to the place any more."""
        self._watches.require_there(self._loaded)
        if self.is_behind and self._watches.recent(self._loaded, self._revision + 1) is None:
            next(self._watches.changelog(self._loaded, self._revision), None)

    def live(self) -> list[T] | None:
        """What memory holds of what comes next, possibly nothing; None where only the changelog has it. Never waits.
        Raises StoreNotFound. Cost: O(STEP_REVISIONS) lookups where other watches have the same filters."""
        self._watches.require_there(self._loaded)
        told: list[T] = []
        room, matches = STEP_BYTES, STEP_MATCHES
        for _ in range(STEP_REVISIONS):
            if not self.is_behind or room <= 0 or matches <= 0:
                break
            entry = self._watches.recent(self._loaded, self._revision + 1)
            if entry is None or self._told:
                return told or None
            made = self._made_of(entry)
            told += made
            room -= entry.size_bytes if made else 0
            matches -= len(entry.delta.changes) * len(self._filters)
            self._revision += 1
        return told

    def catch_up(self, interrupt: Interrupt = never_interrupted) -> list[T]:
        """A step through the changelog; it may tell nothing and still have moved on. Reads the disk.
        Raises StoreNotFound, RevisionGone, and what `interrupt` raises; after TooHeavy it is where it was."""
        before = self._revision, self._told, self._partly
        told: list[T] = []
        room = STEP_BYTES
        look = paced(interrupt, _CHANGES_BETWEEN_INTERRUPTS)
        deltas = self._watches.changelog(self._loaded, self._revision)
        try:
            for _, delta in zip(range(STEP_REVISIONS), deltas, strict=False):
                interrupt()
                room = self._tell(delta, room, told, look)
                if room <= 0:
                    break
        except TooHeavy:
            self._revision, self._told, self._partly = before
            raise
        finally:
            deltas.close()  # its transaction ends here, not some day
        return told

    def _tell(self, delta: Delta, room: int, told: list[T], look: Interrupt) -> int:
        """Tell as much of a revision as there is room for, and move on by that. Returns the room that is left."""
        if self._partly[0] != delta.revision:
            self._partly = delta.revision, self._meant(delta.changes, look)
        changes = self._partly[1]
        begin = end = self._told
        while end < len(changes) and room > 0:
            room -= _weight(changes[end])
            end += 1
        is_last = end == len(changes)
        if told and not is_last and begin == 0:
            return 0  # whole in the next step, if it fits into one
        records = self._meant_records(delta) if is_last else ()
        if is_last and not changes and not records and delta.schema_text is None and not self._tells_all(delta):
            self._revision, self._told = delta.revision, 0
            return room
        token = encode_token(self._loaded.identity, delta.revision) if is_last else ""
        told.append(self._make(_watched(delta, token, tuple(changes[begin:end]), records)))
        self._revision, self._told = (delta.revision, 0) if is_last else (self._revision, end)
        room -= sum(map(_record_weight, records))
        return room - len(delta.metadata_json) - len(delta.entry_json) - len(delta.schema_text or "")

    def _made_of(self, entry: _Entry) -> list[T]:
        """What a recent delta is to this watch, and to all others of the same filters."""
        key = (self._make, self._filters)
        made: list[T] | None = entry.made.get(key)
        if made is None:
            changes = self._meant(entry.delta.changes, never_interrupted)
            records = self._meant_records(entry.delta)
            made = []
            if changes or records or self._tells_all(entry.delta):
                token = encode_token(self._loaded.identity, entry.delta.revision)
                made.append(self._make(_watched(entry.delta, token, tuple(changes), records)))
            if len(entry.made) < _SHARED_MAX:
                entry.made[key] = made
        return made

    def _tells_all(self, delta: Delta) -> bool:
        """Whether the revision is told though it changed nothing: a verb has left its entry, and there are no
        filters."""
        return bool(delta.entry_json) and not self._filters

    def _meant(self, changes: Sequence[Change], look: Interrupt) -> Sequence[Change]:
        """Cost: O(changes x filters)."""
        if not self._filters:
            return changes
        meant = []
        for change in changes:
            look()
            if any(each.matches(change.key) for each in self._filters):
                meant.append(change)
        return meant

    def _meant_records(self, delta: Delta) -> tuple[RecordChange, ...]:
        """Cost: O(records x filters)."""
        if not self._filters or not delta.records:
            return delta.records
        return tuple(
            change for change in delta.records if any(each.matches_all_of(change.key.object) for each in self._filters)
        )


def _watched(delta: Delta, token: str, changes: tuple[Change, ...], records: tuple[RecordChange, ...]) -> Watched:
    return Watched(
        token,
        delta.revision,
        delta.committed_at_us,
        delta.principal,
        changes,
        delta.schema_text if token else None,
        delta.metadata_json,
        records,
        delta.entry_json if token else "",
    )


def _weight(change: Change) -> int:
    stored = change.after or change.before
    assert stored is not None, "a change has a before or an after"
    return size_bytes(stored.relationship)


def _record_weight(change: RecordChange) -> int:
    documents = (stored.record.document for stored in change if stored is not None)
    return 48 + len(change.key.kind) + len(change.key.object.id) + sum(map(len, documents))


def size_bytes(relationship: Relationship) -> int:
    """About how many bytes it is on a wire."""
    resource, subject, caveat = relationship.resource, relationship.subject, relationship.qualifiers.caveat
    text = len(resource.type) + len(resource.id) + len(relationship.relation)
    text += len(subject.type) + len(subject.id) + len(subject.relation)
    return 48 + text + (len(caveat.name) + len(caveat.context_json) if caveat is not None else 0)
