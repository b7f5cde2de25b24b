"""Named stores: made, listed, removed, copied out and in.

Law: a store that is removed and made anew under its name is another store, and takes no token of the first."""

from __future__ import annotations

from remit.engine.clock import Clock
from remit.engine.copies import Backup, Fitting, Restore
from remit.engine.limits import Limits
from remit.engine.loaded import LoadedStores
from remit.engine.watching import Watches
from remit.interrupt import Interrupt, never_interrupted
from remit.model import StoreInfo
from remit.notation import checked_store
from remit.store.port import Store


class Stores:
    """All stores of one data directory. Safe from many threads."""

    def __init__(self, store: Store, loaded: LoadedStores, watches: Watches, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._loaded = loaded
        self._watches = watches
        self._clock = clock
        self._limits = limits

    def create(self, name: str) -> StoreInfo:
        """Make an empty store. Raises StoreExists."""
        self._check_new(name)
        return self._loaded.add(name, lambda: self._store.create(name)).info()

    def list(self) -> tuple[StoreInfo, ...]:
        """All stores, by name."""
        return tuple(each.info() for each in self._loaded.all())

    def delete(self, name: str) -> None:
        """Remove a store and all it holds. What was asked before is still answered; who watches it hears that it is
        gone. Raises StoreNotFound."""
        self._loaded.remove(checked_store(name, field="name"))
        self._watches.removed(name)

    def backup(self, store: str) -> Backup:
        """A copy of a store as it stands, which goes on meanwhile: take it, read it, close it. See `copies`."""
        return Backup(self._store, self._loaded, self._loaded.of(store).identity, self._clock)

    def restore(self, name: str, interrupt: Interrupt = never_interrupted) -> Restore:
        """Begin to make a store of a backup, under a name that is free: feed it, finish it, close it. Nothing of it is
        seen before it is finished. Raises StoreExists."""
        self._check_new(name)
        return Restore(self._store, self._loaded, name, Fitting(self._limits, self._clock.now_us(), interrupt))

    def sizes(self) -> dict[str, int]:
        """How many relationships each store holds."""
        return self._loaded.sizes()

    def info(self, store: str) -> StoreInfo:
        """One store. Raises StoreNotFound."""
        return self._loaded.of(store).info()

    def _check_new(self, name: str) -> None:
        checked_store(name, field="name")
        self._limits.require_stores(len(self._loaded.all()) + 1)
