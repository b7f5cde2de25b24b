"""Copies of a store: a backup on its way out, a restore on its way in.

A backup is of one view of the store. While a view is open LMDB cannot reuse the pages that writers leave behind, so the
file grows by what is written meanwhile; so it is copied to a scratch file as quickly as the disk allows, and whoever
takes it may be as slow as they like. The cost: for the time of a backup, its size on the disk once more.
Law: a backup restored answers every question as the store did at its revision, but to tokens of before, which it
refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future

from remit.engine.clock import Clock
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.loaded import LoadedStores
from remit.engine.orphans import misfit
from remit.engine.record_kinds import check_record
from remit.engine.tokens import encode_token
from remit.errors import RelationshipRefused
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.language import compile_kept
from remit.language.kept import kept
from remit.language.plan import Schema
from remit.model import Record, Relationship, RelationshipKey, StoreInfo
from remit.store.port import Restoration, Scratch, Store, StoreIdentity


class Backup:
    """A copy of a store: `take` it, `read` it once, `close` it. One thread at a time, but for `close`."""

    def __init__(self, store: Store, stores: LoadedStores, identity: StoreIdentity, clock: Clock) -> None:
        self._store = store
        self._stores = stores
        self._identity = identity
        self._clock = clock
        self._scratch: Scratch | None = None
        self._closing = threading.Lock()
        self._is_closed = False

    def take(self, interrupt: Interrupt = never_interrupted) -> str:
        """Copy the store as it stands; the token of the revision the copy is of. Cost: O(the store), and its size in a
        scratch file. Raises StoreNotFound, StoreFull, StoreUnavailable, and what `interrupt` raises."""
        scratch = self._store.scratch()
        try:
            with self._stores.view(self._identity) as view:
                for chunk in view.backup(self._clock.now_us()):
                    interrupt()
                    scratch.write(chunk)
                token = encode_token(self._identity, view.head.revision)
        except BaseException:
            scratch.close()
            raise
        with self._closing:
            self._scratch = scratch
            if self._is_closed:  # meanwhile
                scratch.close()
        return token

    def read(self, size: int) -> bytes:
        """The next bytes of what was taken, b"" at the end."""
        assert self._scratch is not None, "a backup is taken, then read"
        return self._scratch.read(size)

    def close(self) -> None:
        """Does not wait; from any thread; twice is once."""
        with self._closing:
            self._is_closed = True
            if self._scratch is not None:
                self._scratch.close()


class Restore:
    """A restore under way: `begin` it, take the `pieces` of its bytes, then `finish`; and `close` it, whatever
    happened. One thread at a time, but for `close`."""

    def __init__(self, store: Store, stores: LoadedStores, name: str, fitting: Fitting) -> None:
        """Does not wait. Raises StoreExists."""
        stores.require_free(name)
        self._stores = stores
        self._name = name
        self._fitting = fitting
        self._restoration: Restoration = store.restore(name, fitting)

    def begin(self) -> None:
        """Take the name. Waits for the disk. Raises StoreExists, and what a write may fail with."""
        self._restoration.begin()

    def pieces(self, data: bytes) -> Iterator[Future[None]]:
        """The next bytes in steps, once it is begun: each reads, and gives what to wait for before the next. Raises
        BackupDamaged, BackupFormatUnknown, BackupRefused, and what a write may fail with."""
        return self._restoration.pieces(data)

    @property
    def is_at_schema(self) -> bool:
        """Whether the next step compiles a schema, which may take seconds."""
        return self._restoration.is_at_schema

    def finish(self) -> StoreInfo:
        """All bytes were taken: the store is there, if they were right. Waits for the disk. Raises as `pieces`, and
        StoreExists. Cost: O(the store)."""
        if self._fitting.schema_in_force is not None:
            self._stores.plans.remember(self._fitting.schema_in_force)
        return self._stores.add(self._name, self._restoration.finish).info()

    def close(self) -> None:
        """Unless it is finished, leave nothing of it. Does not wait; twice is once."""
        self._restoration.close()


class Fitting:
    """Whether what is restored would have been accepted here: see `store.port.Judge`."""

    def __init__(self, limits: Limits, now_us: int, interrupt: Interrupt = never_interrupted) -> None:
        self._limits = limits
        self._interrupt = interrupt
        self._look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        self._now_us = now_us
        self._last: RelationshipKey | None = None
        self.schema_in_force: Schema | None = None

    def schema(self, text: str) -> None:
        """Raises LimitExceeded, SchemaInvalid."""
        for each in kept(text):
            self._limits.require_schema(each)
        self.schema_in_force = compile_kept(text, interrupt=self._interrupt)

    def relationship(self, relationship: Relationship) -> None:
        """Raises RelationshipRefused, and what the interrupt raises."""
        self._look()
        if self.schema_in_force is None:
            raise RelationshipRefused("there is no schema it could fit")
        reason = misfit(self.schema_in_force, relationship, self._last, self._now_us)
        if reason:
            raise RelationshipRefused(reason)
        if not relationship.qualifiers.is_over(self._now_us):
            self._last = relationship.key

    def record(self, record: Record) -> None:
        """Raises RecordRefused, and what the interrupt raises."""
        self._look()
        check_record(record)
