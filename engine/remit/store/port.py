"""What Remit asks of a store: the small interface behind which LMDB stands today and a shared database tomorrow.

A store keeps, for each named store of the process: identity (UUID, epoch), a schema, relationships and records with
their provenance, and a changelog of deltas. All writing goes through `submit`: admission (the callable) reads and
writes inside its own transaction, sees its predecessors of the same batch, and either becomes a revision of its own or
leaves no trace.
Law: an acknowledged write is durable; a write that failed changed nothing; revisions have no gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from remit.interrupt import Interrupt, never_interrupted
from remit.model import (
    Delta,
    Qualifiers,
    Record,
    RecordKey,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRecord,
    StoredRelationship,
)

# What a write weighs is about how many changes it makes. Up to here it is small: a hold, a release, a deletion of a few
# facts, which pass by what is more. Whoever cannot know says that it is bulk.
SMALL_WEIGHT_MAX = 10
BULK_WEIGHT = SMALL_WEIGHT_MAX + 1


# Of a record: room for the descriptor of a tool with its whole schema, and what a message may have beside others.
DOCUMENT_BYTES_MAX = 64 * 1024
# What the documents of a small write may have in all: enough to say who holds what, and why.
SMALL_DOCUMENTS_BYTES = 4096


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Which store this is. `uuid` is 16 bytes; `epoch` changes whenever the store is restored or recreated."""

    name: str
    uuid: bytes
    epoch: int


class StoreHead(NamedTuple):
    """Where a store stands: its identity, last revision (0 when empty), schema text (None before the first).

    `oldest_revision` is the oldest that can still be seen: the changelog holds what came after it."""

    identity: StoreIdentity
    revision: int
    schema_text: str | None
    oldest_revision: int = 0


class Draft(NamedTuple):
    """What an admission decided: everything of the delta but the revision's number and time, which the store gives."""

    principal: str
    metadata_json: str = "{}"
    managed_bypass: bool = False
    entry_json: str = ""


class RowBatch(NamedTuple):
    """Relationships in the encoding of `store.codec`, as (key, value). The triple is the key from `triple_start` on, or
    the last field of the value where it is too long for that (see `codec.whole_triple`). What a key has before that is
    the store's own: to cut it off a million keys takes 0.3 s, and to look for the long ones a tenth of a second."""

    rows: list[tuple[bytes, bytes]]
    triple_start: int


class ReadTransaction(Protocol):
    """A consistent view of one named store, of one revision."""

    @property
    def head(self) -> StoreHead: ...

    def get(self, key: RelationshipKey) -> StoredRelationship | None:
        """The relationship at a triple, expired or not. Cost: O(log n)."""
        ...

    def scan(
        self,
        filter: RelationshipFilter,
        after: RelationshipKey | None = None,
        look: Callable[[], None] | None = None,
    ) -> Iterator[StoredRelationship]:
        """Matching relationships in a stable total order, strictly after a triple if one is given (which need not
        exist any more). Uses an index by resource, or by subject where only the subject is named. The order depends
        only on the filter's shape, never on time. `look` is called for every row looked at, meant or not: what
        it raises ends the scan."""
        ...

    def order(self, filter: RelationshipFilter) -> Callable[[RelationshipKey], bytes]:
        """What a scan of the filter is in order of."""
        ...

    def rows(self, count: int) -> Iterator[RowBatch]:
        """Every relationship once, at most so many at a time, as bytes, for whoever decodes them more quickly than we
        do. Cost: O(1) a row, and no step of Python."""
        ...

    def get_record(self, key: RecordKey) -> StoredRecord | None:
        """The record of a key. Cost: O(log n + bytes)."""
        ...

    def records(self, kind: str | None = None) -> Iterator[StoredRecord]:
        """Every record, or those of a kind, in a stable total order."""
        ...

    def changelog(self, after_revision: int) -> Iterator[Delta]:
        """The deltas of revisions > `after_revision`, oldest first. Raises RevisionGone, at once, where that is older
        than the oldest revision that can still be seen."""
        ...

    def schema_text_at(self, revision: int) -> str | None:
        """The schema as it stood at a revision that can still be seen, None before the first one."""
        ...

    def backup(self, taken_at_us: int) -> Iterator[bytes]:
        """The whole named store as the bytes of a backup, some 64 KiB at a time (see `store.backup`). It is of this one
        view, which costs while it is open: copy it to somewhere quick. Cost: O(everything)."""
        ...


class WriteTransaction(ReadTransaction, Protocol):
    """A view in which an admission also writes. What it writes it sees, and so do its successors in the batch."""

    def put(self, stored: StoredRelationship) -> None:
        """Write a triple; the change (before, after) is recorded for the delta."""
        ...

    def delete(self, key: RelationshipKey) -> None:
        """Remove a triple if it is there; recorded likewise."""
        ...

    def put_record(self, stored: StoredRecord) -> None:
        """Write a record, whatever was there; the change (before, after) is recorded for the delta."""
        ...

    def delete_record(self, key: RecordKey) -> None:
        """Remove a record if it is there; recorded likewise."""
        ...

    def put_schema(self, text: str) -> None:
        """Make this the store's schema from this revision on."""
        ...

    def changed(self) -> Mapping[RelationshipKey, Qualifiers | None]:
        """What is staged over the last committed revision, by this write and by its predecessors of the batch: what
        each triple's edge is instead, None for no edge. Cost: O(changes of the batch so far)."""
        ...

    @property
    def next_revision(self) -> int:
        """The revision this write will be, should it commit: what provenance is stamped with."""
        ...


Admission = Callable[[WriteTransaction], Draft]
"""Validates a request against the transaction and writes it, or raises: then nothing of it remains.

It may be called a second time, against a new transaction, when the first attempt of its batch could not be finished:
so it keeps nothing from an earlier call. An admission that changes nothing still becomes a revision, as in SpiceDB."""

CommitListener = Callable[[str, Sequence[Delta]], None]
"""Called with (store name, its deltas of one commit in revision order) on a thread of the store's, one call at a time:
every revision once and without gaps, after it is durable and before the future of any write in it is done.

Whose writes they are is not said. Today they are this process's own; where several processes write to one database,
those of the others will come the same way. So a listener takes what it needs from the deltas, and nothing from a write
that it believes to be under way.

A view may show a revision a moment before the listener hears of it. Who needs memory to be as far as a view waits until
the listener is, and meanwhile looks at `Store.problem`, which says when it never will be. If the listener raises, the
store stops the process: memory no longer equals the disk."""


class Judge(Protocol):
    """What a restored store must stand up to that the store itself cannot know: whether its schemas compile, its
    relationships fit the one in force, and its records are of kinds there are. Each raises a RemitError that says why
    not."""

    def schema(self, text: str) -> None:
        """Called with every schema the store still needs, oldest first: the last is the one in force."""
        ...

    def relationship(self, relationship: Relationship) -> None:
        """Called with every relationship, in the order of a scan, after the schemas."""
        ...

    def record(self, record: Record) -> None:
        """Called with every record, in their order, after the relationships."""
        ...


@dataclass(frozen=True, slots=True)
class Commit:
    """How one commit went, for whoever counts: how many requests it carried, how many rows they wrote, how long the
    disk took, and the reason of the error where it took none of them."""

    requests: int
    rows: int
    duration_s: float
    failed: str = ""


class Restoration(Protocol):
    """A backup on its way in: see `restoring.StoreRestoration`."""

    is_at_schema: bool
    """Whether the next step has the judge look at a schema, and does nothing else that takes long."""

    def begin(self) -> None:
        """Take the name. Waits for the disk. Raises StoreExists, and what a write may fail with."""
        ...

    def pieces(self, data: bytes) -> Iterator[Future[None]]:
        """The next bytes in steps that do not wait for the disk: each gives what to wait for before the next. Raises
        BackupDamaged, BackupFormatUnknown, BackupRefused, and what a write may fail with."""
        ...

    def finish(self) -> StoreIdentity:
        """All bytes were taken: the store is there, if they were right. Raises as `pieces`, and StoreExists."""
        ...

    def close(self) -> None:
        """Unless it is finished, leave nothing of it. Does not wait; from any thread; twice is once."""
        ...


class Scratch(Protocol):
    """Bytes that are written once, from the beginning, and then read once. See `scratch.ScratchFile`."""

    def write(self, data: bytes) -> None:
        """Raises StoreFull, StoreUnavailable."""
        ...

    def read(self, size: int) -> bytes:
        """The next bytes, b"" at the end. The first call ends the writing."""
        ...

    def close(self) -> None:
        """Remove the file. It may be called again."""
        ...


class Store(Protocol):
    """All named stores of one data directory (or of one memory)."""

    def names(self) -> list[str]: ...

    def create(self, name: str) -> StoreIdentity:
        """Make an empty store. Raises StoreExists."""
        ...

    def delete(self, name: str) -> None:
        """Remove a store and all it holds. Raises StoreNotFound."""
        ...

    def restore(self, name: str, judge: Judge) -> Restoration:
        """Begin to make a store of a backup, under a name that is free, with the backup's UUID and a new epoch. Nothing
        of it is seen before it is finished. Does not wait."""
        ...

    def trim(self, name: str, until_us: int) -> int:
        """Forget revisions that were committed at `until_us` or before, oldest first, and the schemas that only they
        needed: a bounded number of rows, as one ordinary task of the writer. How many rows went; call again until it is
        0. The head can always be seen. Not a revision. Raises StoreNotFound, StoreOverloaded."""
        ...

    def read(self, name: str) -> ReadTransactionContext:
        """`with store.read(name) as view:` a consistent view, usable in this thread. Raises StoreNotFound."""
        ...

    def submit(self, name: str, admission: Admission, client_id: str = "", weight: int = 1) -> Future[Delta]:
        """Queue a write. The future holds the committed delta, or the error the admission raised, or StoreFull /
        StoreUnavailable if the commit itself failed. Group commit: one durable commit may carry many of these.

        Clients take turns, and small writes (by their `weight`) go before bulk ones: so writes of one client and class
        happen in the order they were queued, and of two classes only where the first was answered before the second was
        queued. The future holds StoreOverloaded where too many wait, FairShareSpent where too many are this client's;
        `client_id` "" is the process itself, which shares with nobody."""
        ...

    def write(self, name: str, admission: Admission, client_id: str = "", weight: int = 1) -> Delta:
        """What `submit` does, waited for. Raises what the future would hold. Not from the listener or an admission."""
        ...

    def rehearse(
        self, name: str, admission: Admission, client_id: str = "", interrupt: Interrupt = never_interrupted
    ) -> None:
        """Judge a write against the last commit, on this thread, and forget it. No write waits for it. Rehearsals are
        judged one at a time, and clients take turns. Raises StoreNotFound, StoreOverloaded and FairShareSpent where too
        many wait, what `interrupt` raises while it waits, and what the admission raises."""
        ...

    def subscribe(self, listener: CommitListener) -> None:
        """Set the listener. Called once, before the first write."""
        ...

    def scratch(self) -> Scratch:
        """An unnamed file beside the store, for what is too large for memory; gone when it is closed, and when the
        process ends. Raises StoreFull, StoreUnavailable."""
        ...

    def clock_us(self) -> int:
        """The latest time this store has promised never to go behind (microseconds); 0 for a new one."""
        ...

    def promise_clock(self, ceiling_us: int) -> None:
        """Durably promise that no later start will see a time below `ceiling_us`. Not a revision."""
        ...

    def observe(self, observer: Callable[[Commit], None]) -> Callable[[], None]:
        """Call `observer` after each commit that had something to write, on the thread that wrote it: it must be quick.
        Returns what ends it."""
        ...

    def problem(self) -> str:
        """Why nothing can be written any more, and the listener will hear no more, until the process is started anew;
        "" where all is well."""
        ...

    def writes_waiting(self) -> int:
        """How many writes are queued."""
        ...

    def size_bytes(self) -> int:
        """Bytes of disk (or estimated memory) in use."""
        ...

    def close(self) -> None:
        """Finish queued writes, refuse new ones, release the directory."""
        ...


class ReadTransactionContext(Protocol):
    """The context manager `Store.read` returns."""

    def __enter__(self) -> ReadTransaction: ...

    def __exit__(self, *exc_info: object) -> None: ...
